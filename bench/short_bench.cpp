// SPDX-License-Identifier: MIT
// Throughput of the three kernels that an inversion spends its time in, on one device, in under a minute:
//   wave    forward and gradient (forward with snapshots, then adjoint), padded points x steps x shots / s
//   siren   forward and reverse mode of a network of sines, evaluated points / s
//   gemm    square product, 2 n^3 / s
// Every figure is the best of `repeats` after one warm-up; the stream is synchronised before the clock is read.
//
//   short_bench [--short] [--device cpu] [--threads N] [--json FILE]      --short: smaller problems, fewer repeats
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/field.hpp"
#include "engine/version.hpp"
#include "kernels/kernels.hpp"
#include "physics/wave/acoustic_wave.hpp"
#include "physics/wave/wavelet.hpp"

namespace {

using namespace terrane;
using Json = nlohmann::ordered_json;

struct Settings {
  bool brief = false;
  std::string device = "cpu", json;
  int threads = 0;
};

template <class Body>
double best_seconds(Stream& s, int repeats, Body&& body) {
  double best = 1e300;
  for (int k = 0; k <= repeats; ++k) {
    s.synchronize();
    const auto start = std::chrono::steady_clock::now();
    body();
    s.synchronize();
    const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (k > 0) best = std::min(best, took);
  }
  return best;
}

std::vector<float> floats(const std::vector<double>& v) { return {v.begin(), v.end()}; }

Json bench_wave(Stream& s, int order, bool brief) {
  const Grid2 grid{.nz = brief ? 94 : 188, .nx = brief ? 288 : 576, .dz_m = 15, .dx_m = 15};
  const Index nt = brief ? 300 : 1000;
  const double dt_s = 0.001;
  std::vector<Position> sources;
  for (int k = 0; k < 8; ++k) sources.push_back({(k + 0.5) * grid.x_end_m() / 8, 15});
  const Survey survey = Survey::fixed_spread(sources, line_of_positions(grid.nx, 0, grid.dx_m, 15), nt, dt_s);
  WaveOptions options;
  options.order = order;
  options.vmax_mps = 4700;
  options.substeps = 1;
  const AcousticWave<float> wave(s, grid, survey, options);
  std::vector<float> model(static_cast<std::size_t>(grid.cells()));
  for (std::size_t i = 0; i < model.size(); ++i) {
    const auto row = static_cast<float>(static_cast<Index>(i) / grid.nx);
    model[i] = 1500.0F + 3000.0F * row / static_cast<float>(grid.nz);
  }
  const Buffer<float> vp = to_device(s, model), wavelet = to_device(s, floats(ricker(8, nt, dt_s)));
  const Buffer<float> data(s, 8 * grid.nx * nt), gradient(s, grid.cells());
  WaveState<float> state;
  const int repeats = brief ? 2 : 5;
  const double forward =
      best_seconds(s, repeats, [&] { wave.forward(s, {}, vp.data(), wavelet.data(), data.data(), false, state); });
  const double both = best_seconds(s, repeats, [&] {
    wave.forward(s, {}, vp.data(), wavelet.data(), data.data(), true, state);
    fill(s, Fill<float>{gradient.data(), 0.0F, grid.cells()});
    wave.vjp(s, vp.data(), wavelet.data(), state, data.data(), gradient.data(), nullptr);
  });
  const WavePlan& plan = wave.plan();
  const double updates = static_cast<double>(plan.points() * plan.inner_nt * plan.shots);
  return {{"bench", "wave order " + std::to_string(order)},
          {"problem", plan.describe()},
          {"point_steps", updates},
          {"forward_s", forward},
          {"forward_points_per_s", updates / forward},
          {"gradient_s", both},
          {"gradient_points_per_s", updates / both}};
}

Json bench_siren(Stream& s, bool brief) {
  const MlpShape shape = siren_shape(2, {128, 128, 128, 128}, {30, 30, 30, 30});
  const Index n = brief ? 27072 : 108288, p = shape.parameters();
  std::vector<float> theta(static_cast<std::size_t>(p)), x(static_cast<std::size_t>(2 * n));
  for (std::size_t i = 0; i < theta.size(); ++i)
    theta[i] = 0.02F * (static_cast<float>(i * 7919 % 1000) / 500.0F - 1.0F);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 104729 % 2000) / 1000.0F - 1.0F;
  const Buffer<float> weights = to_device(s, theta), points = to_device(s, x);
  const Buffer<float> y(s, n), d_y = to_device(s, std::vector<float>(static_cast<std::size_t>(n), 1.0F));
  const Buffer<float> d_theta = to_device(s, std::vector<float>(theta.size(), 0.0F));
  const int repeats = brief ? 3 : 7;
  const double forward = best_seconds(s, repeats, [&] {
    mlp_forward(s, MlpForward<float>{shape, n, weights.data(), points.data(), y.data()});
  });
  const double reverse = best_seconds(s, repeats, [&] {
    mlp_vjp(s, MlpVjp<float>{shape, n, weights.data(), points.data(), d_y.data(), d_theta.data(), nullptr});
  });
  return {{"bench", "siren 128 x 4"},
          {"points", n},
          {"parameters", p},
          {"forward_s", forward},
          {"forward_points_per_s", static_cast<double>(n) / forward},
          {"reverse_s", reverse},
          {"reverse_points_per_s", static_cast<double>(n) / reverse}};
}

Json bench_gemm(Stream& s, bool brief) {
  const Index n = brief ? 512 : 2048;
  std::vector<float> values(static_cast<std::size_t>(n * n));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i * 7919 % 1000) / 500.0F - 1.0F;
  const Buffer<float> a = to_device(s, values), b = to_device(s, values), c(s, n * n);
  Gemm<float> product;
  product.m = product.n = product.k = product.lda = product.ldb = product.ldc = n;
  product.a = a.data();
  product.b = b.data();
  product.c = c.data();
  const double took = best_seconds(s, brief ? 3 : 7, [&] { gemm(s, product); });
  const double flops = 2.0 * static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n);
  return {{"bench", "gemm " + std::to_string(n)}, {"seconds", took}, {"flops_per_s", flops / took}};
}

Settings parse(int count, char** arguments) {
  Settings settings;
  for (int i = 1; i < count; ++i) {
    const std::string name = arguments[i];
    if (name == "--short") {
      settings.brief = true;
      continue;
    }
    if (i + 1 == count) throw Error(ErrorCode::config, name + " needs a value, or is not an option");
    const std::string value = arguments[++i];
    if (name == "--device") {
      settings.device = value;
    } else if (name == "--json") {
      settings.json = value;
    } else if (name == "--threads") {
      settings.threads = std::atoi(value.c_str());
    } else {
      throw Error(ErrorCode::config, name + " is not one of --short, --device, --threads, --json");
    }
  }
  return settings;
}

int run(const Settings& settings) {
  StreamOptions options;
  options.threads = settings.threads;
  Stream s(Device::parse(settings.device), options);
  Json result{{"version", version_json()}, {"device", s.device().name()}, {"kernels", s.table().backend},
              {"threads", s.threads()},    {"short", settings.brief},     {"results", Json::array()}};
  const auto report = [&](const Json& row) {
    std::printf("%s\n", row.dump().c_str());
    std::fflush(stdout);
    result["results"].push_back(row);
  };
  report(bench_wave(s, 4, settings.brief));
  report(bench_wave(s, 8, settings.brief));
  report(bench_siren(s, settings.brief));
  report(bench_gemm(s, settings.brief));
  if (settings.json.empty()) return 0;
  std::ofstream out(settings.json);
  out << result.dump(1) << "\n";
  if (!out) throw Error(ErrorCode::failed, settings.json + " cannot be written");
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    return run(parse(count, arguments));
  } catch (const terrane::Error& e) {
    std::fprintf(stderr, "error: %s\n", e.message().c_str());
    return static_cast<int>(e.code());
  }
}
