// SPDX-License-Identifier: MIT
// Straight rays: lengths in cells against geometry, the smeared kernel against published arrays, errors.
#include "physics/straight_ray/straight_ray.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>

#include "engine/io/npy.hpp"
#include "kernels/runtime/random.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace straight_ray_test {

std::map<Index, double> lengths(const Grid3& g, const Point3& a, const Point3& b) {
  Stream s{Device{}};
  const StraightRays<double> rays(s, g, TravelSurvey::full({a}, {b}), {});
  const SparseRows rows = rays.matrix();
  std::map<Index, double> cells;
  for (std::size_t k = 0; k < rows.column.size(); ++k) cells[rows.column[k]] += rows.weight[k];
  return cells;
}
double total(const std::map<Index, double>& cells) {
  return std::accumulate(cells.begin(), cells.end(), 0.0, [](double sum, const auto& c) { return sum + c.second; });
}

// Cells of 10 m x 20 m (z, x), corners at multiples of the spacing.
const Grid3 flat{4, 1, 5, 10, 1, 20, 5, 0, 10};

TEST(StraightRay, AxisParallelRaysFillTheirRow) {
  const auto cells = lengths(flat, {5, 15}, {95, 15});  // row 1
  ASSERT_EQ(cells.size(), 5u);
  EXPECT_DOUBLE_EQ(cells.at(5), 15);
  EXPECT_DOUBLE_EQ(cells.at(6), 20);
  EXPECT_DOUBLE_EQ(cells.at(9), 15);
  const auto column = lengths(flat, {30, 40}, {30, 0});
  ASSERT_EQ(column.size(), 4u);
  for (const Index row : {0, 1, 2, 3}) EXPECT_DOUBLE_EQ(column.at(row * 5 + 1), 10);
}

TEST(StraightRay, DiagonalsPassThroughCorners) {
  const auto cells = lengths(flat, {0, 0}, {80, 40});  // along the diagonals of the cells
  ASSERT_GE(cells.size(), 4u);
  for (const Index k : {0, 1, 2, 3}) EXPECT_NEAR(cells.at(k * 5 + k), std::hypot(10, 20), 1e-12);
  EXPECT_NEAR(total(cells), std::hypot(80, 40), 1e-12);
  const auto steep = lengths(flat, {10, 0}, {20, 10});  // ends on the corner of four cells
  EXPECT_NEAR(steep.at(0), std::hypot(10, 10), 1e-12);
}

TEST(StraightRay, RaysInAFaceAreShared) {
  const auto cells = lengths(flat, {0, 20}, {100, 20});  // between rows 1 and 2
  ASSERT_EQ(cells.size(), 10u);
  for (const Index x : {0, 1, 2, 3, 4}) {
    EXPECT_DOUBLE_EQ(cells.at(5 + x), 10);
    EXPECT_DOUBLE_EQ(cells.at(10 + x), 10);
  }
  const auto edge = lengths(flat, {0, 0}, {100, 0});  // the outer face belongs to one row
  ASSERT_EQ(edge.size(), 5u);
  for (const auto& [cell, length] : edge) EXPECT_DOUBLE_EQ(length, 20) << cell;
  const auto vertical = lengths(flat, {20, 5}, {20, 35});
  EXPECT_DOUBLE_EQ(vertical.at(0), 2.5);
  EXPECT_DOUBLE_EQ(vertical.at(1), 2.5);
  EXPECT_NEAR(total(vertical), 30, 1e-12);
}

TEST(StraightRay, ZeroLengthGivesNothing) {
  EXPECT_NEAR(total(lengths(flat, {33, 17}, {33, 17})), 0, 0);
  EXPECT_NEAR(total(lengths({1, 1, 1, 10, 1, 10, 0, 0, 0}, {-5, -5}, {5, 5})), std::hypot(10, 10), 1e-12);
}

// Sampling a ray finely gives the same lengths; both directions are equal; 3-D as well.
TEST(StraightRay, RandomRaysAgreeWithSampling) {
  const Random random(3, RandomPurpose::test);
  const Grid3 cube{5, 4, 6, 10, 12, 8, 5, 6, 4};
  for (const Grid3& g : {flat, cube}) {
    for (std::uint64_t k = 0; k < 40; ++k) {
      Point3 p[2];
      for (std::uint64_t e = 0; e < 2; ++e) {
        const auto pick = [&](int axis) {
          const double h = g.spacing_m(axis);
          return random.uniform(k * 8 + e * 4 + static_cast<std::uint64_t>(axis), 0, g.begin_m(axis) - h / 2,
                                g.end_m(axis) + h / 2);
        };
        p[e] = {pick(2), pick(0), g.flat() ? 0.0 : pick(1)};
      }
      const auto cells = lengths(g, p[0], p[1]), back = lengths(g, p[1], p[0]);
      const double length = std::hypot(p[0].x_m - p[1].x_m, p[0].y_m - p[1].y_m, p[0].z_m - p[1].z_m);
      EXPECT_NEAR(total(cells), length, 1e-11);
      std::map<Index, double> sampled;
      constexpr int n = 20000;
      for (int i = 0; i < n; ++i) {
        const double t = (i + 0.5) / n;
        const auto cell = [&](int axis) {
          const double at = p[0].at(axis) + t * (p[1].at(axis) - p[0].at(axis));
          return static_cast<Index>(std::floor((at - g.begin_m(axis)) / g.spacing_m(axis) + 0.5));
        };
        sampled[(cell(0) * g.ny + (g.flat() ? 0 : cell(1))) * g.nx + cell(2)] += length / n;
      }
      for (const auto& [c, l] : sampled) EXPECT_NEAR(cells.count(c) != 0 ? cells.at(c) : 0.0, l, 2.5 * length / n);
      for (const auto& [c, l] : back) EXPECT_NEAR(cells.count(c) != 0 ? cells.at(c) : 0.0, l, 1e-10);
    }
  }
}

TEST(StraightRay, BadInputIsNamed) {
  Stream s{Device{}};
  const auto fails = [&](const std::function<void()>& f, ErrorCode code, const char* part) {
    try {
      f();
      ADD_FAILURE() << "no error: " << part;
    } catch (const Error& e) {
      EXPECT_EQ(static_cast<int>(e.code()), static_cast<int>(code)) << e.message();
      EXPECT_NE(e.message().find(part), std::string::npos) << e.message();
    }
  };
  fails(
      [&] {
        StraightRays<double>(s, flat, TravelSurvey::full({{-1, 5}}, {{50, 5}}), {});
      },
      ErrorCode::data, "source 0 at (x -1 m, z 5 m) lies outside the cells");
  fails(
      [&] {
        StraightRays<double>(s, flat, TravelSurvey::full({{1, 5}}, {{50, 41}}), {});
      },
      ErrorCode::data, "receiver 0");
  StraightRayOptions o;
  o.kernel = RayKernel::gaussian;
  fails(
      [&] {
        StraightRays<double>(s, flat, TravelSurvey::full({{50, 5}}, {{50, 15}}), o);
      },
      ErrorCode::data, "different x");
  fails(
      [&] {
        StraightRays<double>(s, {2, 2, 2, 1, 1, 1, 0, 0, 0}, TravelSurvey::full({{0, 0}}, {{1, 0}}), o);
      },
      ErrorCode::config, "two-dimensional");
  o = {};
  o.property = TravelProperty::velocity;
  const StraightRays<double> rays(s, flat, TravelSurvey::full({{1, 5}}, {{50, 35}}), o);
  std::vector<double> v(20, 2000.0);
  v[3] = -1;
  const Buffer<double> m = to_device(s, v);
  const Buffer<double> d(s, 1);
  StraightRayState<double> state;
  fails([&] { rays.forward(s, m.data(), d.data(), state); }, ErrorCode::diverged, "not positive");
}

// Published cross-hole kernel: number and sum of the entries, and the data of both true models. Files are (x, z).
template <class T>
void check_cross_hole(const char* name, double tolerance, bool sparse) {
  const std::string folder = "nfs_inv/";
  const std::string model_file = test_data_file(folder + name + "_true_slowness.npy"),
                    data_file = test_data_file(folder + name + "_data_clean.npy");
  if (model_file.empty() || data_file.empty()) GTEST_SKIP() << folder << name << "_*.npy are absent";
  const auto u = read_npy<double>(model_file).values;
  const auto wanted = read_npy<double>(data_file).values;
  ASSERT_EQ(u.size(), 8192u);
  ASSERT_EQ(wanted.size(), 4225u);
  std::vector<T> m(u.size());
  for (std::size_t x = 0; x < 64; ++x) {
    for (std::size_t z = 0; z < 128; ++z) m[z * 64 + x] = static_cast<T>(u[x * 128 + z]);
  }
  std::vector<Point3> left, right;
  for (int a = 0; a < 65; ++a) {
    left.push_back({0, 127.0 * a / 64});
    right.push_back({63, 127.0 * a / 64});
  }
  StraightRayOptions o;
  o.kernel = RayKernel::gaussian;
  o.sparse = sparse;
  for_each_device([&](Stream& s) {
    const StraightRays<T> rays(s, {128, 1, 64, 1, 1, 1, 0, 0, 0}, TravelSurvey::full(left, right), o);
    if (sparse) {
      const SparseRows a = rays.matrix();
      EXPECT_EQ(a.weight.size(), 1160592u);
      const double sum = std::accumulate(a.weight.begin(), a.weight.end(), 0.0);
      EXPECT_NEAR(sum, 655866.3, 1e-7 * 655866.3);
    }
    const Buffer<T> model = to_device(s, m);
    const Buffer<T> data(s, rays.survey().data());
    StraightRayState<T> state;
    rays.forward(s, model.data(), data.data(), state);
    const std::vector<T> got = to_host(s, data);
    double worst = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      worst = std::max(worst, std::fabs(static_cast<double>(got[i]) - wanted[i]) / std::fabs(wanted[i]));
    }
    EXPECT_LE(worst, tolerance) << name;
  });
}

TEST(StraightRay, SmearedKernelGivesThePublishedData) {
  check_cross_hole<double>("case1", 1e-6, true);
  check_cross_hole<double>("case2", 1e-6, false);
  check_cross_hole<float>("case1", 1e-5, false);
  check_cross_hole<float>("case2", 1e-5, true);
}

}  // namespace straight_ray_test
}  // namespace terrane
