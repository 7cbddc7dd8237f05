// SPDX-License-Identifier: MIT
#include "kernels/encode/encode.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "autodiff/check.hpp"
#include "autodiff/ops/encode_op.hpp"
#include "kernels/runtime/dual.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace encode_test {

template <class T>
void expect_derivatives(Stream& s, Tape<T>& tape, Var x, Var y, double dot_tolerance) {
  tape.forward();
  EXPECT_LE(dot_test(s, tape.map(x, y), 11), dot_tolerance);
  if constexpr (std::is_same_v<T, double>) {
    const TaylorResult r = taylor_test(tape, x, y, 12, 1e-3);
    EXPECT_TRUE(r.exact || r.slope >= 1.9) << r.slope;
  }
}

TEST(Encode, GridCoordinates) {
  for_each_device([](Stream& s) {
    const Buffer<double> xi(s, 3 * 5 * 2);
    grid_coordinates(s, GridCoordinates<double>{15, 2, {3, 5}, {-1, -0.5}, {1, 0.25}, xi.data()});
    const auto host = to_host(s, xi);
    for (std::size_t z = 0; z < 3; ++z) {
      for (std::size_t x = 0; x < 5; ++x) {
        EXPECT_EQ(host[2 * (z * 5 + x)], -1.0 + static_cast<double>(z));
        EXPECT_EQ(host[2 * (z * 5 + x) + 1], -0.5 + 0.25 * static_cast<double>(x));
      }
    }
    const Buffer<double> three(s, 2 * 3 * 4 * 3);
    grid_coordinates(s, GridCoordinates<double>{24, 3, {2, 3, 4}, {-1, 0, 5}, {1, 2, 0.5}, three.data()});
    const auto volume = to_host(s, three);
    const std::size_t node = 3 * ((1 * 3 + 2) * 4 + 3);
    EXPECT_EQ(volume[node], 0);
    EXPECT_EQ(volume[node + 1], 4);
    EXPECT_EQ(volume[node + 2], 6.5);
  });
}

template <class T>
void check_fourier(Stream& s, double tolerance) {
  constexpr Index n = 23, d = 2, m = 5;
  Tape<T> tape(s);
  const Var zeta = tape.input({n, d}, "zeta"), b = tape.input({m, d}, "b", false);
  const Var gamma = tape.apply(std::make_shared<FourierOp<T>>(n, d, m), {zeta, b});
  const auto z = random_normal<T>(n * d, 1), f = random_normal<T>(m * d, 2);
  tape.set(zeta, z);
  tape.set(b, f);
  tape.forward();
  const auto g = tape.get(gamma);
  for (std::size_t p = 0; p < n; ++p) {
    for (std::size_t k = 0; k < m; ++k) {
      double phase = 0;
      for (std::size_t a = 0; a < d; ++a)
        phase += static_cast<double>(f[k * d + a]) * static_cast<double>(z[p * d + a]);
      phase *= 2 * std::numbers::pi;
      EXPECT_NEAR(static_cast<double>(g[p * 2 * m + k]), std::cos(phase), tolerance);
      EXPECT_NEAR(static_cast<double>(g[p * 2 * m + m + k]), std::sin(phase), tolerance);
    }
  }
  expect_derivatives(s, tape, zeta, gamma, std::is_same_v<T, float> ? 1e-5 : 1e-12);
}

TEST(Encode, Fourier) {
  for_each_device([](Stream& s) {
    check_fourier<double>(s, 1e-13);
    check_fourier<float>(s, 1e-5);
  });
}

// Bilinear interpolation reproduces a + b z + c x + d z x; weights sum to one, also on the edges.
TEST(Encode, Interpolate) {
  for_each_device([](Stream& s) {
    for (const auto& [mz, mx] : {std::pair<Index, Index>{4, 7}, {1, 5}, {1, 1}, {2, 2}}) {
      const std::vector<double> zeta = {0, 0, 1, 1, 0.31, 0.77, 0.5, 1, 0.999, 0.02, 1.0 / 3, 2.0 / 3};
      const auto f = [](double z, double x) { return 2 + 3 * z - x + 0.5 * z * x; };
      std::vector<double> values;
      for (Index z = 0; z < mz; ++z) {
        for (Index x = 0; x < mx; ++x) {
          values.push_back(f(mz > 1 ? static_cast<double>(z) / static_cast<double>(mz - 1) : 0,
                             mx > 1 ? static_cast<double>(x) / static_cast<double>(mx - 1) : 0));
        }
      }
      Tape<double> tape(s);
      const Var v = tape.input({mz, mx}, "values");
      const Var y = tape.apply(std::make_shared<InterpolateOp<double>>(s, bilinear_rows(mz, mx, zeta)), {v});
      tape.set(v, values);
      tape.forward();
      const auto got = tape.get(y);
      for (std::size_t p = 0; p < got.size(); ++p) {
        EXPECT_NEAR(got[p], f(mz > 1 ? zeta[2 * p] : 0, mx > 1 ? zeta[2 * p + 1] : 0), 1e-14);
      }
      expect_derivatives(s, tape, v, y, 1e-12);
    }
  });
}

OutputMap map_of(MapKind kind) {
  OutputMap m;
  m.kind = kind;
  m.lo = 1400;
  m.hi = 4600;
  m.center = 3000;
  m.scale = 0.7;
  if (kind == MapKind::perturb || kind == MapKind::affine) m.scale = 1000;
  if (kind == MapKind::scaled_sigmoid) m.scale = -8;
  if (kind == MapKind::scaled_tanh) m.scale = 10;
  return m;
}
const std::vector<MapKind> all_maps = {MapKind::identity,    MapKind::perturb,        MapKind::affine,
                                       MapKind::exponential, MapKind::bounded,        MapKind::bounded_perturb,
                                       MapKind::log_bounded, MapKind::scaled_sigmoid, MapKind::scaled_tanh};

// The formulas of the header, with the C++ library.
double reference(const OutputMap& m, double f, double m0) {
  const auto sigmoid_ = [](double x) { return 1 / (1 + std::exp(-x)); };
  switch (m.kind) {
    case MapKind::identity:
      return f;
    case MapKind::perturb:
      return m0 + m.scale * f;
    case MapKind::affine:
      return m.center + m.scale * f;
    case MapKind::exponential:
      return std::exp(std::log(m0) + m.scale * f);
    case MapKind::bounded:
      return m.lo + (m.hi - m.lo) * sigmoid_(m.scale * f);
    case MapKind::bounded_perturb: {
      const double u = std::min(std::max((m0 - m.lo) / (m.hi - m.lo), 1e-3), 1 - 1e-3);
      return m.lo + (m.hi - m.lo) * sigmoid_(std::log(u / (1 - u)) + m.scale * f);
    }
    case MapKind::log_bounded:
      return std::exp(std::log(m.lo) + std::log(m.hi / m.lo) * sigmoid_(f));
    case MapKind::scaled_sigmoid:
      return m.scale * sigmoid_(f);
    case MapKind::scaled_tanh:
      return m.scale * std::tanh(f);
  }
  return 0;
}

TEST(Encode, OutputMapValuesAndDerivatives) {
  for_each_device([](Stream& s) {
    constexpr Index n = 41;
    for (const MapKind kind : all_maps) {
      for (const bool masked : {false, true}) {
        SCOPED_TRACE("map " + std::to_string(static_cast<int>(kind)) + (masked ? ", masked" : ""));
        OutputMap map = map_of(kind);
        map.masked = masked;
        Tape<double> tape(s);
        const Var f = tape.input({n, 1}, "f"), m0 = tape.input({n}, "m0"), mask = tape.input({n}, "mask", false);
        std::vector<Var> in = {f, m0};
        if (masked) in.push_back(mask);
        const Var m = tape.apply(std::make_shared<OutputMapOp<double>>(map, Shape{n}), in);
        const auto fs = random_normal<double>(n, 1);
        auto start = random_normal<double>(n, 2), weight = random_normal<double>(n, 3);
        for (double& v : start) v = 3000 + 400 * std::tanh(v);
        for (double& w : weight) w = w > 1 ? 1 : (w < -1 ? 0 : 0.5 + 0.5 * w);
        tape.set(f, fs);
        tape.set(m0, start);
        tape.set(mask, weight);
        tape.forward();
        const auto got = tape.get(m);
        for (std::size_t i = 0; i < n; ++i) {
          const double value = reference(map, fs[i], start[i]), w = masked ? weight[i] : 0;
          EXPECT_NEAR(got[i], w * start[i] + (1 - w) * value, 1e-12 * std::abs(value) + 1e-12);
        }
        expect_derivatives(s, tape, f, m, 1e-12);
        expect_derivatives(s, tape, m0, m, 1e-12);
      }
    }
  });
}

// The factor of a map is the diagonal of its Jacobian; under the mask it is zero.
TEST(Encode, OutputMapFactors) {
  for_each_device([](Stream& s) {
    constexpr Index n = 6;
    OutputMap map = map_of(MapKind::bounded_perturb);
    map.masked = true;
    Tape<double> tape(s);
    const Var f = tape.input({n}, "f"), m0 = tape.input({n}, "m0", false), mask = tape.input({n}, "mask", false);
    const Var m = tape.apply(std::make_shared<OutputMapOp<double>>(map, Shape{n}), {f, m0, mask});
    tape.set(f, random_normal<double>(n, 1));
    tape.set(m0, std::vector<double>(n, 2200));
    tape.set(mask, {0, 1, 0, 1, 0, 0.5});
    tape.forward();
    const auto terms = tape.factors(f, m);
    ASSERT_EQ(terms.size(), 1u);
    EXPECT_TRUE(terms[0].a.empty());
    const auto diagonal = to_host(s, terms[0].d);
    Sweep<double> sweep(tape);
    tape.backward(sweep, m);
    EXPECT_EQ(to_host(s, sweep.cotangent(f), n), diagonal);
    EXPECT_EQ(diagonal[1], 0.0);
    EXPECT_EQ(diagonal[3], 0.0);
    EXPECT_GT(diagonal[0], 0.0);
  });
}

template <class T>
void check_extremes(Stream& s) {
  const std::vector<T> outputs = {T(-1e3), T(-30), T(0), T(30), T(1e3)};
  const auto f = to_device(s, outputs);
  const auto n = static_cast<Index>(outputs.size());
  for (const T start : {T(1400), T(1450), T(3000), T(4600), T(9000)}) {
    const auto m0 = to_device(s, std::vector<T>(outputs.size(), start));
    const Buffer<T> m(s, n), d(s, n);
    for (const MapKind kind : {MapKind::bounded, MapKind::bounded_perturb, MapKind::log_bounded}) {
      const OutputMap map = map_of(kind);
      output_map_forward(s, OutputMapForward<T>{map, n, f.data(), m0.data(), nullptr, m.data()});
      for (const T v : to_host(s, m)) {
        EXPECT_GE(v, static_cast<T>(map.lo));
        EXPECT_LE(v, static_cast<T>(map.hi));
      }
      output_map_chain(s, OutputMapChain<T>{map, n, f.data(), m0.data(), nullptr, nullptr, d.data(), false, false});
      for (const T v : to_host(s, d)) EXPECT_TRUE(std::isfinite(v));
    }
  }
}

TEST(Encode, BoundsHoldForHugeOutputs) {
  for_each_device([](Stream& s) {
    check_extremes<float>(s);
    check_extremes<double>(s);
  });
}

TEST(Encode, BoundedPerturbStartsAtTheStartModel) {
  for_each_device([](Stream& s) {
    const std::vector<double> start = {1500, 2000, 3000, 4500, 1400, 5000};
    const auto n = static_cast<Index>(start.size());
    const auto m0 = to_device(s, start), f = to_device(s, std::vector<double>(start.size(), 0.0));
    const Buffer<double> m(s, n);
    const OutputMap map = map_of(MapKind::bounded_perturb);
    output_map_forward(s, OutputMapForward<double>{map, n, f.data(), m0.data(), nullptr, m.data()});
    const auto got = to_host(s, m);
    for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(got[i], start[i], 1e-9);
    EXPECT_NEAR(got[4], 1400 + 3.2, 1e-9);  // clamped 1e-3 of the range inside
    EXPECT_NEAR(got[5], 4600 - 3.2, 1e-9);
  });
}

}  // namespace encode_test
}  // namespace terrane
