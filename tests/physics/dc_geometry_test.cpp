// SPDX-License-Identifier: MIT
#include "physics/resistivity/dc_geometry.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace terrane {
namespace dc_geometry_test {

constexpr double pi = std::numbers::pi;

DcSurvey survey(const std::vector<Point3>& electrodes, const std::vector<DcDatum>& data) { return {electrodes, data}; }

std::vector<double> factors(const DcSurvey& s) { return geometric_factors_m(s, electrode_depths_m(s.electrodes, {})); }

// The formulas of the textbooks for electrodes a apart.
TEST(DcGeometry, FactorsOfTheUsualArrays) {
  const double a = 2.5;
  std::vector<Point3> e;
  for (int i = 0; i < 8; ++i) e.push_back({a * i, 0, 0});
  const DcSurvey s = survey(e, {{0, 3, 1, 2},    // Wenner
                                {1, 0, 2, 3},    // dipole-dipole, n = 1
                                {1, 0, 5, 6},    // n = 4
                                {0, 5, 2, 3},    // Schlumberger
                                {0, -1, 3, 4},   // pole-dipole, n = 3
                                {0, -1, 2, -1},  // pole-pole
                                {3, 0, 1, 2}});  // polarity
  const std::vector<double> k = factors(s);
  const double wanted[] = {2 * pi * a,         1 * 2 * 3 * pi * a, 4 * 5 * 6 * pi * a, 2 * 3 * pi * a,
                           2 * pi * 3 * 4 * a, 2 * pi * 2 * a,     -2 * pi * a};
  for (std::size_t i = 0; i < 7; ++i) EXPECT_NEAR(k[i] / wanted[i], 1, 1e-14) << i;
  using enum DcArray;
  EXPECT_EQ(dc_arrays(s, std::vector<double>(8, 0.0)),
            (std::vector<DcArray>{wenner, dipole_dipole, dipole_dipole, schlumberger, pole_dipole, pole_pole, wenner}));
  const DcSurvey more = survey(e, {{1, 2, 0, 3}, {0, 7, 1, 2}, {0, 2, 1, 3}});  // reciprocal Wenner, gradient, neither
  EXPECT_EQ(dc_arrays(more, std::vector<double>(8, 0.0)), (std::vector<DcArray>{wenner, gradient, other}));
}

// Potentials of poles with their images, at a mid-space depth, against the sum that the factor replaces.
TEST(DcGeometry, BuriedElectrodesHaveImages) {
  const std::vector<Point3> e{{0, 1, 0}, {0, 4, 0}, {3, 2, 0}, {3, 7, 0}, {9, 0, 0}};
  const DcSurvey s = survey(e, {{0, 1, 2, 3}, {0, -1, 4, 3}});
  const double rho = 37;
  const auto potential = [&](std::size_t p, std::size_t q) {
    const double dx = e[p].x_m - e[q].x_m, minus = e[p].z_m - e[q].z_m, plus = e[p].z_m + e[q].z_m;
    return rho / (4 * pi) * (1 / std::hypot(dx, minus) + 1 / std::hypot(dx, plus));
  };
  const std::vector<double> k = factors(s);
  EXPECT_NEAR(k[0] * (potential(0, 2) - potential(1, 2) - potential(0, 3) + potential(1, 3)), rho, 1e-12);
  EXPECT_NEAR(k[1] * (potential(0, 4) - potential(0, 3)), rho, 1e-12);
  EXPECT_EQ(dc_arrays(s, electrode_depths_m(e, {}))[0], DcArray::other);
  // Reciprocity, on sloping ground too.
  const std::vector<Point3> ground{{-5, 0, 0}, {20, 5, 0}};
  const std::vector<double> depth = electrode_depths_m(e, ground);
  EXPECT_NEAR(geometric_factors_m(survey(e, {{0, 1, 2, 3}}), depth)[0],
              geometric_factors_m(survey(e, {{2, 3, 0, 1}}), depth)[0], 1e-12);
}

TEST(DcGeometry, FactorsThatDoNotExist) {
  const std::vector<Point3> e{{0, 0, 0}, {2, 0, 0}, {1, 0, 0}, {1, 0, 0}};
  // M half way between A and B, N at infinity: no voltage. M twice at one place. A at M.
  const std::vector<double> k =
      geometric_factors_m(survey(e, {{0, 1, 2, -1}, {0, 1, 2, 3}, {2, 1, 3, 0}}), std::vector<double>(4, 0.0));
  EXPECT_TRUE(std::isinf(k[0]));
  EXPECT_TRUE(std::isinf(k[1]));
  EXPECT_TRUE(std::isnan(k[2]));
}

TEST(DcGeometry, DepthsBelowTheSurface) {
  std::string assumed;
  EXPECT_EQ(electrode_depths_m({{0, 0, 0}, {1, 0, 0}}, {}, &assumed), (std::vector<double>{0, 0}));
  EXPECT_TRUE(assumed.empty());
  EXPECT_EQ(electrode_depths_m({{0, -101, 0}, {1, -102, 0}}, {}, &assumed), (std::vector<double>{0, 0}));
  EXPECT_NE(assumed.find("on the surface"), std::string::npos);
  EXPECT_EQ(electrode_depths_m({{0, 1, 0}, {0, 2, 0}}, {}, &assumed), (std::vector<double>{1, 2}));
  EXPECT_EQ(electrode_depths_m({{0, -9, 0}, {0, -7, 0}}, {}, &assumed), (std::vector<double>{0, 2}));
  EXPECT_NE(assumed.find("level at z = -9"), std::string::npos);
  EXPECT_EQ(electrode_depths_m({{1, -9, 0}, {3, -7, 0}}, {{0, -10, 0}, {4, -6, 0}}), (std::vector<double>{0, 0}));
  EXPECT_EQ(surface_z_m({{0, -10, 0}, {4, -6, 0}}, 1), -9);
  EXPECT_EQ(surface_z_m({{0, -10, 0}, {4, -6, 0}}, 9), -6);
  EXPECT_EQ(surface_z_m({{0, -10, 0}, {4, -6, 0}}, -9), -10);
}

// Edwards (1977), table 1: depths in units of a.
TEST(DcGeometry, MedianDepths) {
  std::vector<Point3> e;
  for (int i = 0; i < 8; ++i) e.push_back({1.0 * i, 0, 0});
  const DcSurvey s{e, {}};
  EXPECT_NEAR(median_depth_m(s, {0, -1, 1, -1}), std::sqrt(3) / 2, 1e-12);  // pole-pole, in closed form
  EXPECT_NEAR(median_depth_m(s, {0, 3, 1, 2}), 0.519, 1e-3);                // Wenner
  EXPECT_NEAR(median_depth_m(s, {1, 0, 2, 3}), 0.416, 1e-3);                // dipole-dipole, n = 1
  EXPECT_NEAR(median_depth_m(s, {1, 0, 3, 4}), 0.697, 1e-3);                // n = 2
  EXPECT_NEAR(median_depth_m(s, {1, 0, 7, 6}), 1.476, 1e-3);                // n = 5, M and N exchanged
  EXPECT_NEAR(median_depth_m(s, {0, -1, 1, 2}), 0.519, 1e-3);               // pole-dipole, n = 1
  // Plot points: half way between the pairs, below the ground.
  for (Point3& q : e) q.z_m = -10;
  const std::vector<Point3> p = pseudosection({e, {{1, 0, 2, 3}, {0, -1, 3, 4}}}, {{0, -10, 0}, {8, -10, 0}});
  EXPECT_DOUBLE_EQ(p[0].x_m, 1.5);
  EXPECT_NEAR(p[0].z_m, -10 + 0.416, 1e-3);
  EXPECT_DOUBLE_EQ(p[1].x_m, 1.75);
  const Point3 buried = pseudosection({{{0, 1, 0}, {0, 3, 0}, {4, 1, 0}, {4, 3, 0}}, {{0, 1, 2, 3}}}, {})[0];
  EXPECT_EQ(buried, (Point3{2, 2, 0}));
}

}  // namespace dc_geometry_test
}  // namespace terrane
