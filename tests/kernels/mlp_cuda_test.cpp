// SPDX-License-Identifier: MIT
// The tensor-core schedules of the network (kernels/mlp/mlp_tensor.hpp) on the emulated device, and on a GPU when
// TERRANE_TEST_DEVICES names one, against the CPU kernels in double: errors of every layer's gradient for each
// precision, odd shapes, and equal bits in repeated runs (the emulator orders its threads differently in each launch,
// so that a missing barrier shows).
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "autodiff/check.hpp"
#include "kernels/kernels.hpp"
#include "kernels/mlp/mlp.hpp"
#include "tests/support/barriers.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace mlp_cuda_test {

// Devices whose kernels are those of this file.
void for_each_gpu(const std::function<void(Stream&)>& body) {
  for (const std::string& name : test_devices()) {
    if (name != "emulated" && name.rfind("cuda", 0) != 0) continue;
    SCOPED_TRACE("device " + name);
    std::unique_ptr<Stream> stream;
    try {
      stream = std::make_unique<Stream>(Device::parse(name));
    } catch (const Error& e) {
      if (e.code() != ErrorCode::device) throw;
      GTEST_SKIP() << e.message();
    }
    body(*stream);
  }
}

MlpShape network(const std::vector<Index>& widths, Activation a, double parameter) {
  MlpShape s;
  s.layers = static_cast<int>(widths.size()) - 1;
  for (int l = 0; l < s.layers; ++l) {
    s.layer[l].n_in = widths[static_cast<std::size_t>(l)];
    s.layer[l].n_out = widths[static_cast<std::size_t>(l) + 1];
    if (l + 1 == s.layers) break;
    s.layer[l].activation = a;
    s.layer[l].parameter = parameter;
  }
  return s;
}

// Weights of a SIREN (uniform within 1 / n_in, then sqrt(6 / n_in) / omega) or scaled by 1 / sqrt(n_in).
std::vector<float> weights(const MlpShape& shape, std::uint64_t seed) {
  const auto normal = random_normal<double>(shape.parameters(), seed);
  std::vector<float> theta(normal.size());
  for (int l = 0; l < shape.layers; ++l) {
    const MlpLayer& layer = shape.layer[l];
    const double n_in = static_cast<double>(layer.n_in);
    double scale = 1 / std::sqrt(n_in);
    if (layer.activation == Activation::sine) {
      scale = l == 0 ? 0.58 / n_in : std::sqrt(2 / n_in) / layer.parameter;  // same variance as the uniform draw
    }
    for (Index i = shape.offset(l); i < shape.offset(l) + layer.parameters(); ++i) {
      theta[static_cast<std::size_t>(i)] = static_cast<float>(scale * normal[static_cast<std::size_t>(i)]);
    }
  }
  return theta;
}

struct Inputs {
  std::vector<float> theta, x, d_y;
  Inputs(const MlpShape& shape, Index n) : theta(weights(shape, 1)), d_y(static_cast<std::size_t>(n * shape.n_out())) {
    for (const double v : random_normal<double>(n * shape.n_in(), 2)) x.push_back(static_cast<float>(std::tanh(v)));
    const auto g = random_normal<double>(n * shape.n_out(), 3);
    for (std::size_t i = 0; i < g.size(); ++i) d_y[i] = static_cast<float>(g[i]);
  }
};

struct Outputs {
  std::vector<double> y, d_theta, d_x;
  bool operator==(const Outputs&) const = default;
};

template <class T>
Outputs run(Stream& s, const MlpShape& shape, Index n, const Inputs& in, bool want_x = true) {
  const auto convert = [](const std::vector<float>& v) { return std::vector<T>(v.begin(), v.end()); };
  const auto back = [&s](const Buffer<T>& b) {
    const auto v = to_host(s, b);
    return std::vector<double>(v.begin(), v.end());
  };
  const auto theta = to_device(s, convert(in.theta)), x = to_device(s, convert(in.x)),
             d_y = to_device(s, convert(in.d_y));
  const auto d_theta = to_device(s, std::vector<T>(in.theta.size(), T(0)));
  const auto d_x = to_device(s, std::vector<T>(in.x.size(), T(0)));
  const Buffer<T> y(s, n * shape.n_out());
  mlp_forward(s, MlpForward<T>{shape, n, theta.data(), x.data(), y.data()});
  mlp_vjp(s, MlpVjp<T>{shape, n, theta.data(), x.data(), d_y.data(), d_theta.data(), want_x ? d_x.data() : nullptr});
  return {back(y), back(d_theta), back(d_x)};
}

double relative(const double* a, const double* b, Index n) {
  double difference = 0, size = 0;
  for (Index i = 0; i < n; ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    size += b[i] * b[i];
  }
  return std::sqrt(difference / (size > 0 ? size : 1));
}

// Largest relative error of the gradient of one layer's matrix or bias.
double worst_layer(const MlpShape& shape, const std::vector<double>& a, const std::vector<double>& b) {
  double worst = 0;
  for (int l = 0; l < shape.layers; ++l) {
    const Index w = shape.offset(l), weights = shape.layer[l].n_in * shape.layer[l].n_out;
    worst = std::max(worst, relative(a.data() + w, b.data() + w, weights));
    worst = std::max(worst, relative(a.data() + w + weights, b.data() + w + weights, shape.layer[l].n_out));
  }
  return worst;
}

struct Gate {
  MlpPrecision precision;
  const char* name;
  double gradient;
};
constexpr Gate gates[] = {
    {MlpPrecision::tf32x3, "3xtf32", 1e-5}, {MlpPrecision::tf32, "tf32", 2e-3}, {MlpPrecision::bf16, "bf16", 2e-2}};

void check(Stream& s, MlpShape shape, Index n, const Gate& gate, const char* name) {
  SCOPED_TRACE(std::string(name) + ", n = " + std::to_string(n) + ", " + gate.name);
  Stream cpu{Device{}};
  const Inputs in(shape, n);
  const Outputs exact = run<double>(cpu, shape, n, in);
  shape.precision = gate.precision;
  const Outputs got = run<float>(s, shape, n, in), host = run<float>(cpu, shape, n, in);
  EXPECT_LE(worst_layer(shape, got.d_theta, host.d_theta), 2 * gate.gradient) << "against float on the CPU";
  const double y = relative(got.y.data(), exact.y.data(), static_cast<Index>(exact.y.size()));
  const double d_theta = worst_layer(shape, got.d_theta, exact.d_theta);
  const double d_x = relative(got.d_x.data(), exact.d_x.data(), static_cast<Index>(exact.d_x.size()));
  EXPECT_LE(y, gate.gradient);
  EXPECT_LE(d_theta, gate.gradient);
  EXPECT_LE(d_x, gate.gradient);
  if (std::getenv("TERRANE_PRINT_ERRORS") != nullptr) {
    std::printf("| %s | %s | %.1e | %.1e | %.1e |\n", name, gate.name, y, d_theta, d_x);
  }
}

struct Case {
  const char* name;
  MlpShape shape;
  Index n;
};

// Networks of the fused kernels: widths padded to 32, 64 and 128, both tile sizes, few and many inputs.
std::vector<Case> fused_cases() {
  const auto siren = [](const std::vector<Index>& widths) { return network(widths, Activation::sine, 30); };
  return {{"16x3", siren({2, 16, 16, 16, 1}), 300},  // more tiles than blocks
          {"64x3", siren({2, 64, 64, 64, 1}), 67},
          {"100x2", siren({2, 100, 100, 1}), 65},
          {"128x4", siren({2, 128, 128, 128, 128, 1}), 67},
          {"32 inputs, 64x2", siren({32, 64, 64, 1}), 33}};
}

TEST(MlpCuda, GradientErrorsOfTheFusedKernels) {
  for_each_gpu([](Stream& s) {
    for (const Case& c : fused_cases()) {
      for (const Gate& gate : gates) check(s, c.shape, c.n, gate, c.name);
    }
    const MlpShape deep = network({3, 128, 128, 128, 128, 128, 128, 2}, Activation::sine, 30);
    check(s, deep, 33, gates[0], "128x6");  // tiles of 32 points
    check(s, network({100, 128, 3}, Activation::sine, 30), 33, gates[0], "100 inputs, 128x1");
  });
}

TEST(MlpCuda, GradientErrorsOfTheWideKernels) {
  for_each_gpu([](Stream& s) {
    const MlpShape wide = network({2, 256, 256, 1}, Activation::sine, 30);
    for (const Gate& gate : gates) check(s, wide, 75, gate, "256x2");
    check(s, network({2, 130, 17, 140, 1}, Activation::sine, 10), 130, gates[0], "130-17-140");
    check(s, network({20, 40, 40, 30}, Activation::tanh, 0), 5, gates[0], "20 inputs, 30 outputs");
    check(s, network({2, 150, 9, 1}, Activation::gelu, 0), 3, gates[0], "150-9");  // nothing for tensor cores
  });
}

TEST(MlpCuda, WideKernelsInSeveralChunks) {
  for_each_gpu([](Stream& s) {
    const MlpShape shape = network({17, 17}, Activation::identity, 0);
    constexpr Index n = 8192 + 40;
    Stream cpu{Device{}};
    const Inputs in(shape, n);
    const Outputs exact = run<double>(cpu, shape, n, in, false), got = run<float>(s, shape, n, in, false);
    EXPECT_LE(relative(got.y.data(), exact.y.data(), n * 17), 1e-6);
    EXPECT_LE(worst_layer(shape, got.d_theta, exact.d_theta), 2e-6);
  });
}

// Devices with little shared memory take smaller tiles, the wide kernels, or the plain ones.
TEST(MlpCuda, LessSharedMemory) {
  for (const std::string& name : test_devices()) {
    if (name != "emulated") continue;
    Stream s(Device::parse(name));
    const MlpShape shape = network({2, 128, 128, 1}, Activation::sine, 30);
    for (const char* bytes : {"166912", "101376", "65536", "49152"}) {
      setenv("FAKE_NV_SHARED_BYTES", bytes, 1);
      check(s, shape, 35, gates[0], bytes);
    }
    unsetenv("FAKE_NV_SHARED_BYTES");
  }
}

TEST(MlpCuda, PrecisionFp32TakesNoTensorCores) {
  for_each_gpu([](Stream& s) {
    const Gate gate{MlpPrecision::fp32, "fp32", 1e-5};
    check(s, network({2, 64, 64, 1}, Activation::sine, 30), 70, gate, "64x2");
  });
}

// Repeated calls, and calls with and without the gradient of the points, give the same bits. More tiles than blocks.
TEST(MlpCuda, EqualBits) {
  for_each_gpu([](Stream& s) {
    for (const MlpShape& shape :
         {network({2, 30, 30, 1}, Activation::sine, 30), network({24, 30, 30, 1}, Activation::leaky_relu, 0.1),
          network({2, 200, 200, 1}, Activation::sine, 30)}) {
      const Index n = shape.layer[0].n_out == 200 ? 70 : 300;
      const Inputs in(shape, n);
      const Outputs first = run<float>(s, shape, n, in);
      EXPECT_TRUE(run<float>(s, shape, n, in) == first);
      EXPECT_EQ(run<float>(s, shape, n, in, false).d_theta, first.d_theta);
    }
  });
}

// Few inputs and many, with and without the gradient of the points, the first product in another precision, several
// tiles a block; then the wide kernels.
TEST(MlpCuda, EveryBarrierIsNeeded) {
  if (!has_emulator()) GTEST_SKIP() << "the emulated device is not listed";
  struct Part {
    MlpShape shape;
    Index n;
    MlpPrecision precision;
    bool want_x;
  };
  const MlpShape thin = network({2, 30, 30, 1}, Activation::sine, 30),
                 thick = network({24, 30, 30, 1}, Activation::leaky_relu, 0.1);
  const Part parts[] = {{thin, 300, MlpPrecision::tf32x3, true},
                        {thick, 300, MlpPrecision::tf32, true},
                        {thick, 300, MlpPrecision::tf32x3, false},
                        {network({2, 200, 200, 1}, Activation::sine, 30), 70, MlpPrecision::tf32x3, true}};
  const auto numbers = [&] {
    std::vector<double> all;
    for (const Part& part : parts) {
      MlpShape shape = part.shape;
      shape.precision = part.precision;
      Stream s(Device::parse("emulated"));
      const Outputs o = run<float>(s, shape, part.n, Inputs(shape, part.n), part.want_x);
      for (const std::vector<double>* v : {&o.y, &o.d_theta, &o.d_x}) all.insert(all.end(), v->begin(), v->end());
    }
    return all;
  };
  EXPECT_GE(expect_every_barrier_is_needed("mlp_", numbers), 13u);
}

// A gradient is added to what is there, and a sub-range of the points gives its part of the sum.
TEST(MlpCuda, Accumulates) {
  for_each_gpu([](Stream& s) {
    for (const Index width : {Index{48}, Index{144}}) {
      const MlpShape shape = network({2, width, width, 1}, Activation::sine, 30);
      constexpr Index n = 70, part = 40;
      const Inputs in(shape, n);
      const auto theta = to_device(s, in.theta), x = to_device(s, in.x), d_y = to_device(s, in.d_y);
      const auto sum = to_device(s, std::vector<float>(in.theta.size(), 0.5f));
      mlp_vjp(s, MlpVjp<float>{shape, part, theta.data(), x.data(), d_y.data(), sum.data(), nullptr});
      mlp_vjp(
          s, MlpVjp<float>{shape, n - part, theta.data(), x.data() + 2 * part, d_y.data() + part, sum.data(), nullptr});
      Outputs whole = run<float>(s, shape, n, in);
      for (double& v : whole.d_theta) v += 0.5;
      const auto got = to_host(s, sum);
      const std::vector<double> wide(got.begin(), got.end());
      EXPECT_LE(relative(wide.data(), whole.d_theta.data(), shape.parameters()), 1e-6);
    }
  });
}

}  // namespace mlp_cuda_test
}  // namespace terrane
