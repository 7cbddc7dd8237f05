// SPDX-License-Identifier: MIT
// Throughput of the network kernels: networks of sines (2 inputs, 1 output) of several widths in every precision of the
// device, forward and reverse mode, points per second, and the share of a roof of the matrix products alone.
// Figures are the best and the median of `repeats` after one warm-up; the stream is synchronised before the clock is
// read. bench/baselines/siren_torch.py is the same in PyTorch.
//
//   mlp_bench [--device cpu] [--points N] [--repeats N] [--roof-tflops X]     X: of the precision, for the share
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "engine/field.hpp"
#include "kernels/kernels.hpp"

namespace {

using namespace terrane;

struct Settings {
  std::string device = "cpu";
  Index points = 1 << 18;
  int repeats = 7;
  double roof_tflops = 0;
};

template <class Body>
std::vector<double> seconds_of(Stream& s, int repeats, const Body& body) {
  std::vector<double> times;
  for (int k = 0; k <= repeats; ++k) {
    s.synchronize();
    const auto start = std::chrono::steady_clock::now();
    body();
    s.synchronize();
    const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (k > 0) times.push_back(took);
  }
  std::sort(times.begin(), times.end());
  return times;
}

void bench(Stream& s, const Settings& settings, Index width, int hidden, MlpPrecision precision, const char* name) {
  MlpShape shape = siren_shape(2, std::vector<Index>(static_cast<std::size_t>(hidden), width),
                               std::vector<double>(static_cast<std::size_t>(hidden), 30.0));
  shape.precision = precision;
  const Index n = settings.points, p = shape.parameters();
  std::vector<float> theta(static_cast<std::size_t>(p)), x(static_cast<std::size_t>(2 * n));
  for (std::size_t i = 0; i < theta.size(); ++i)
    theta[i] = 0.02F * (static_cast<float>(i * 7919 % 1000) / 500.0F - 1.0F);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 104729 % 2000) / 1000.0F - 1.0F;
  const Buffer<float> weights = to_device(s, theta), points = to_device(s, x), y(s, n);
  const Buffer<float> d_y = to_device(s, std::vector<float>(static_cast<std::size_t>(n), 1.0F));
  const Buffer<float> d_theta = to_device(s, std::vector<float>(theta.size(), 0.0F));
  const auto forward = seconds_of(s, settings.repeats, [&] {
    mlp_forward(s, MlpForward<float>{shape, n, weights.data(), points.data(), y.data()});
  });
  const auto both = seconds_of(s, settings.repeats, [&] {
    mlp_forward(s, MlpForward<float>{shape, n, weights.data(), points.data(), y.data()});
    mlp_vjp(s, MlpVjp<float>{shape, n, weights.data(), points.data(), d_y.data(), d_theta.data(), nullptr});
  });
  const double mega = 1e-6 * static_cast<double>(n), flop = 6.0 * static_cast<double>(p) * static_cast<double>(n);
  std::printf("| %lldx%d | %s | %.1f | %.1f | %.1f |", static_cast<long long>(width), hidden, name, mega / forward[0],
              mega / both[0], mega / both[both.size() / 2]);
  if (settings.roof_tflops > 0) std::printf(" %.0f %% |", 100 * flop / both[0] / (1e12 * settings.roof_tflops));
  std::printf("\n");
  std::fflush(stdout);
}

Settings parse(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string option = argv[i], value = argv[i + 1];
    if (option == "--device") settings.device = value;
    if (option == "--points") settings.points = std::stoll(value);
    if (option == "--repeats") settings.repeats = std::stoi(value);
    if (option == "--roof-tflops") settings.roof_tflops = std::stod(value);
  }
  return settings;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Settings settings = parse(argc, argv);
    Stream s(Device::parse(settings.device));
    const bool gpu = s.device().kind == DeviceKind::cuda;
    std::printf("%s, %lld points; Mpt/s\n", settings.device.c_str(), static_cast<long long>(settings.points));
    std::printf("| net | precision | forward | forward + vjp, best | median |%s\n",
                settings.roof_tflops > 0 ? " of the roof |" : "");
    const std::pair<Index, int> nets[] = {{64, 3}, {128, 4}, {256, 4}, {512, 5}};
    for (const auto& [width, hidden] : nets) {
      bench(s, settings, width, hidden, MlpPrecision::tf32x3, gpu ? "3xtf32" : "fp32");
      if (!gpu) continue;
      bench(s, settings, width, hidden, MlpPrecision::tf32, "tf32");
      bench(s, settings, width, hidden, MlpPrecision::bf16, "bf16");
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "mlp_bench: %s\n", e.what());
    return 1;
  }
  return 0;
}
