// SPDX-License-Identifier: MIT
// Procedural OpenFWI families: equal bits everywhere, the rules of each family, sampling.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "kernels/kernels.hpp"
#include "physics/geology/openfwi.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace openfwi_geology_test {

std::vector<GeologyFamily> all_families() {
  std::vector<GeologyFamily> families;
  for (int f = 0; f < geology_families; ++f) families.push_back(static_cast<GeologyFamily>(f));
  return families;
}

struct Maps {
  std::vector<float> vp;
  std::vector<std::uint8_t> labels;
  bool operator==(const Maps&) const = default;
};

Maps render(Stream& s, const GeologyBatch& batch, const GeologyOptions& options) {
  const Index n = batch.count * options.size * options.size;
  const Buffer<float> vp(s, n);
  const Buffer<std::uint8_t> labels(s, n);
  render_geology(s, batch, options, vp.data(), labels.data());
  return {to_host(s, vp), to_host(s, labels)};
}

Stream& cpu() {
  static Stream s{Device{}};
  return s;
}

TEST(OpenFwiGeology, EqualBytesOnEveryDeviceAndThreadCount) {
  Stream single(Device{}, {.threads = 1});
  for (const GeologyFamily family : all_families()) {
    SCOPED_TRACE(to_string(family));
    for (const GeologyOptions& o : {GeologyOptions{70, 1, 0}, GeologyOptions{13, 3, 0}}) {
      const GeologyBatch batch{family, 5, 17, 1, 2};
      const Maps wanted = render(single, batch, o);
      for_each_device([&](Stream& s) { EXPECT_TRUE(render(s, batch, o) == wanted); });
    }
  }
}

// Any order, any batch: map 40 alone is map 40 of a batch.
TEST(OpenFwiGeology, PureFunctionOfTheIndex) {
  for (const GeologyFamily family : all_families()) {
    SCOPED_TRACE(to_string(family));
    const GeologyOptions o{24, 1, 0};
    const Maps many = render(cpu(), {family, 3, 10, 5, 300}, o), one = render(cpu(), {family, 3, 40, 1, 1}, o);
    EXPECT_TRUE(std::equal(one.vp.begin(), one.vp.end(), many.vp.begin() + 6 * 24 * 24));
    EXPECT_NE(one.vp, render(cpu(), {family, 4, 40, 1, 1}, o).vp);
    EXPECT_NE(one.vp, render(cpu(), {family, 3, 41, 1, 1}, o).vp);
  }
}

TEST(OpenFwiGeology, AreaIsTheMeanOfPoints) {
  for (const GeologyFamily family : all_families()) {
    SCOPED_TRACE(to_string(family));
    const Index n = 35, q = 4;
    const Maps area = render(cpu(), {family, 1, 2, 1, 3}, {n, static_cast<int>(q), 0});
    const Maps fine = render(cpu(), {family, 1, 2, 1, 3}, {n * q, 1, 0});
    for (Index m = 0; m < 3; ++m) {
      for (Index z = 0; z < n; ++z) {
        for (Index x = 0; x < n; ++x) {
          double sum = 0;
          for (Index k = 0; k < q * q; ++k) {
            const Index row = m * n * q + z * q + k / q;
            sum += static_cast<double>(fine.vp[static_cast<std::size_t>(row * n * q + x * q + k % q)]);
          }
          // Layered values are exact; Style values were rounded to float.
          ASSERT_NEAR(sum / (q * q), static_cast<double>(area.vp[static_cast<std::size_t>((m * n + z) * n + x)]), 3e-4);
        }
      }
    }
  }
}

TEST(OpenFwiGeology, ValuesAndLabels) {
  for (const GeologyFamily family : all_families()) {
    SCOPED_TRACE(to_string(family));
    const Maps maps = render(cpu(), {family, 0, 0, 1, 60}, {70, 1, 0});
    for (std::size_t i = 0; i < maps.vp.size(); ++i) {
      ASSERT_GE(maps.vp[i], 1500);
      ASSERT_LE(maps.vp[i], 4500);
    }
    if (is_style(family)) continue;
    Index blends = 0;
    for (std::uint64_t m = 0; m < 60; ++m) {
      const GeologyScene scene = geology_scene(family, 0, m);
      for (std::size_t i = m * 4900; i < (m + 1) * 4900; ++i) {
        const double v = scene.velocity[maps.labels[i] / 16][maps.labels[i] % 16];
        blends += static_cast<double>(maps.vp[i]) == v ? 0 : 1;
        ASSERT_LT(maps.labels[i] % 16, scene.layers);
        ASSERT_LT(maps.labels[i] / 16, scene.blocks);
      }
    }
    if (is_fault(family) && !is_b(family)) {
      EXPECT_GT(blends, 60 * 4900 / 50);
      EXPECT_LT(blends, 60 * 4900 / 4);
    } else {
      EXPECT_EQ(blends, 0);  // integers of the layers, nothing else
    }
  }
}

TEST(OpenFwiGeology, VelRules) {
  for (const GeologyFamily family :
       {GeologyFamily::flat_vel_a, GeologyFamily::flat_vel_b, GeologyFamily::curve_vel_a, GeologyFamily::curve_vel_b}) {
    SCOPED_TRACE(to_string(family));
    int counts[8] = {};
    bool falls = false;
    for (std::uint64_t k = 0; k < 500; ++k) {
      const GeologyScene s = geology_scene(family, 9, k);
      const int m = s.layers - 1;
      ASSERT_GE(m, 3);
      ASSERT_LE(m, 7);
      ++counts[m];
      for (int j = 0; j <= m; ++j) {
        ASSERT_EQ(s.velocity[0][j], std::floor(s.velocity[0][j]));
        if (j > 0) falls = falls || s.velocity[0][j] < s.velocity[0][j - 1];
      }
      const double h = 70.0 / m;
      for (int n = 0; n < (is_curved(family) ? geology_nodes : 1); ++n) {
        const auto depth = [&](int j) { return is_curved(family) ? s.node[j][n] : s.depth[0][j]; };
        ASSERT_GE(depth(0), 0.5 * h);
        ASSERT_LE(depth(0), 1.5 * h);
        for (int j = 1; j < m; ++j) ASSERT_NEAR(depth(j) - depth(j - 1), h, 1 + 1e-12);
      }
    }
    EXPECT_EQ(falls, is_b(family));
    for (int m = 3; m <= 7; ++m) EXPECT_NEAR(counts[m], 100, 45);  // 5 standard deviations
  }
  // A columns do not decrease downwards; FlatVel rows are constant.
  const Maps curve = render(cpu(), {GeologyFamily::curve_vel_a, 2, 0, 1, 50}, {70, 1, 0});
  for (std::size_t i = 70; i < curve.vp.size(); ++i) {
    ASSERT_TRUE(i / 70 % 70 == 0 || curve.vp[i] >= curve.vp[i - 70]);
  }
  const Maps flat = render(cpu(), {GeologyFamily::flat_vel_b, 2, 0, 1, 50}, {70, 1, 0});
  for (std::size_t i = 0; i < flat.vp.size(); ++i) ASSERT_EQ(flat.vp[i], flat.vp[i / 70 * 70]);
}

// The curve goes through its nodes, is a parabola on [0, 20] and has no kink at its knots.
TEST(OpenFwiGeology, CurveVelSpline) {
  const double n[geology_nodes] = {12, 7, 15, 9, 20, 11, 8, 14}, at[geology_nodes] = {0, 10, 20, 30, 40, 50, 60, 78};
  for (int k = 0; k < geology_nodes; ++k) EXPECT_NEAR(curve_vel_depth(n, at[k]), n[k], 1e-12);
  for (int k = 2; k <= 6; ++k) {
    const double e = 1e-5;
    const double before = (curve_vel_depth(n, at[k]) - curve_vel_depth(n, at[k] - e)) / e;
    const double after = (curve_vel_depth(n, at[k] + e) - curve_vel_depth(n, at[k])) / e;
    EXPECT_NEAR(before, after, 1e-4);
  }
  const auto third = [&](double x) {
    return curve_vel_depth(n, x + 6) - 3 * curve_vel_depth(n, x + 4) + 3 * curve_vel_depth(n, x + 2) -
           curve_vel_depth(n, x);
  };
  EXPECT_NEAR(third(7), 0, 1e-12);  // across x = 10
}

TEST(OpenFwiGeology, FaultRules) {
  for (const GeologyFamily family : {GeologyFamily::flat_fault_a, GeologyFamily::flat_fault_b,
                                     GeologyFamily::curve_fault_a, GeologyFamily::curve_fault_b}) {
    SCOPED_TRACE(to_string(family));
    for (std::uint64_t k = 0; k < 300; ++k) {
      const GeologyScene s = geology_scene(family, 4, k);
      ASSERT_EQ(s.layers, geology_layer_counts(family)[k % 3]);
      ASSERT_EQ(s.blocks, is_b(family) ? 2 : 1);
      for (int b = 0; b < s.blocks; ++b) {
        int low = 0;
        for (int j = 0; j < s.layers; ++j) {
          low += s.velocity[b][j] <= 3000 ? 1 : 0;
          ASSERT_TRUE(j == 0 || s.velocity[b][j] >= s.velocity[b][j - 1]);
          const double top = j > 0 ? s.depth[b][j - 1] : 0, bottom = j < s.layers - 1 ? s.depth[b][j] : 70;
          ASSERT_GE(bottom - top, is_b(family) ? 13 - s.layers : 60 / s.layers);
          ASSERT_EQ(bottom, std::floor(bottom));
        }
        ASSERT_NEAR(low, 0.5 * s.layers, 0.5 + 1e-12 + (s.velocity[b][s.layers / 2] == 3000 ? 1 : 0));
      }
      ASSERT_EQ(s.faults, is_b(family) ? 2 : 1);
      const GeologyFault& f = s.fault[s.faults - 1];
      ASSERT_NEAR(f.nx * f.nx + f.nz * f.nz, 1, 1e-12);
      ASSERT_GE(std::abs(f.throw_z), 5);
      ASSERT_LE(std::abs(f.throw_z), is_b(family) ? 25 : 10);
      ASSERT_TRUE(is_b(family) || 2 * f.throw_z == std::floor(2 * f.throw_z));
      ASSERT_EQ(s.sines > 0, is_curved(family));
    }
  }
}

// FlatFault-A with four layers: the shares of e = 0 .. 4 in shuffled stick-breaking.
TEST(OpenFwiGeology, FaultThicknessShares) {
  int shares[11] = {};
  for (std::uint64_t k = 0; k < 2000; ++k) {
    const GeologyScene s = geology_scene(GeologyFamily::flat_fault_a, 1, k, 4);
    for (int j = 0; j < 4; ++j) {
      const double top = j > 0 ? s.depth[0][j - 1] : 0, bottom = j < 3 ? s.depth[0][j] : 70;
      ++shares[static_cast<int>(bottom - top) - 15];
    }
  }
  const double wanted[] = {0.334, 0.174, 0.116, 0.086, 0.067};  // of the rule, exactly
  for (int e = 0; e < 5; ++e) EXPECT_NEAR(shares[e] / 8000.0, wanted[e], 0.025);
}

TEST(OpenFwiGeology, FinerMapsSeeTheSameScene) {
  const Maps coarse = render(cpu(), {GeologyFamily::curve_fault_b, 0, 0, 1, 20}, {70, 1, 0});
  const Maps fine = render(cpu(), {GeologyFamily::curve_fault_b, 0, 0, 1, 20}, {210, 1, 0});  // centres coincide
  for (Index m = 0; m < 20; ++m) {
    for (Index i = 0; i < 4900; ++i) {
      const Index at = (m * 210 + i / 70 * 3 + 1) * 210 + i % 70 * 3 + 1;
      ASSERT_EQ(coarse.vp[static_cast<std::size_t>(m * 4900 + i)], fine.vp[static_cast<std::size_t>(at)]);
    }
  }
}

// Residual about the trend: published means are about 320 (A) and 210 m/s (B); the substitute is in their range.
TEST(OpenFwiGeology, StyleContrast) {
  for (const GeologyFamily family : {GeologyFamily::style_a, GeologyFamily::style_b}) {
    const Maps maps = render(cpu(), {family, 3, 0, 1, 40}, {70, 1, 0});
    double variance = 0;
    for (std::size_t m = 0; m < 40; ++m) {
      const GeologyScene s = geology_scene(family, 3, m);
      double sum = 0, square = 0;
      for (std::size_t i = 0; i < 4900; ++i) {
        const double z = (static_cast<double>(i / 70) + 0.5) / 70;
        const double r = static_cast<double>(maps.vp[m * 4900 + i]) - s.trend_top - z * (s.trend_bottom - s.trend_top);
        sum += r;
        square += r * r;
      }
      variance += (square - sum * sum / 4900) / 4900 / 40;
    }
    EXPECT_GT(std::sqrt(variance), 170);
    EXPECT_LT(std::sqrt(variance), 360);
  }
}

TEST(OpenFwiGeology, NamesAndErrors) {
  EXPECT_EQ(find_geology_family("CurveFault_B"), GeologyFamily::curve_fault_b);
  EXPECT_EQ(find_geology_family("style-a"), GeologyFamily::style_a);
  EXPECT_EQ(find_geology_family("style"), std::nullopt);
  EXPECT_EQ(openfwi_name(GeologyFamily::flat_vel_b), "FlatVel_B");
  const auto refused = [&](const GeologyOptions& o, GeologyFamily family = GeologyFamily::flat_vel_a) {
    try {
      geology_maps(cpu(), {family, 0, 0, 1, 1}, o);
      return false;
    } catch (const Error& e) {
      return e.code() == ErrorCode::config;
    }
  };
  EXPECT_TRUE(refused({0, 1, 0}));
  EXPECT_TRUE(refused({70, 0, 0}));
  EXPECT_TRUE(refused({70, 1, 9}));
  EXPECT_TRUE(refused({70, 1, 3}, GeologyFamily::style_a));
  EXPECT_FALSE(refused({1, 1, 2}));
  EXPECT_TRUE(geology_maps(cpu(), {GeologyFamily::style_b, 0, 0, 1, 0}, {}).empty());
}

}  // namespace openfwi_geology_test
}  // namespace terrane
