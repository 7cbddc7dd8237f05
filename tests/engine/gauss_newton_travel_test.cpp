// SPDX-License-Identifier: MIT
// Gauss-Newton on travel times: first arrivals, and the published cross-hole study with straight rays.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/gauss_newton.hpp"
#include "engine/io/npy.hpp"
#include "physics/eikonal/eikonal_op.hpp"
#include "physics/straight_ray/straight_ray_op.hpp"
#include "tests/engine/least_squares_support.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace gauss_newton_travel_test {

using namespace test;

// First arrivals between two holes: velocities in bounds, errors of the physics shorten the step.
TEST(GaussNewton, FirstArrivalsReachTheTarget) {
  Stream s{Device{}, {.threads = 1}};
  const Grid3 grid{22, 1, 14, 10, 1, 10, 0, 0, 0};
  std::vector<Point3> left, right;
  for (int k = 0; k < 11; ++k) {
    left.push_back({3, 20.0 * k + 4});
    right.push_back({127, 20.0 * k + 4});
  }
  Tape<double> tape(s);
  const Var theta = tape.input({22, 14}, "velocity");
  const Var data = tape.apply(std::make_shared<EikonalOp<double>>(std::make_shared<Eikonal<double>>(
                                  s, grid, TravelSurvey::full(left, right), EikonalOptions{})),
                              {theta});
  Vector truth = filled(22 * 14, 2000), model;
  for (std::size_t z = 8; z < 14; ++z) std::fill_n(truth.begin() + static_cast<std::ptrdiff_t>(z * 14 + 5), 5, 2600.0);
  const Vector noise = random_vector(121, 21), start = filled(22 * 14, 2200);
  LeastSquares<double> problem = least_squares(tape, theta, data, theta, filled(121, 0), filled(121, 2e-4));
  problem.forward(truth, problem.observed, model);
  for (std::size_t i = 0; i < 121; ++i) problem.observed[i] += 2e-4 * noise[i];
  ModelNormOptions norms;
  norms.nz = 22;
  norms.nx = 14;
  norms.z = norms.x = {1, 1, 20};
  GaussNewtonOptions o;
  o.beta_ratio = 10;
  o.beta_cooling = 2;
  o.target_chi2 = 1;
  o.cg_iterations = 30;
  o.cg_tolerance = 1e-3;
  o.lower = 1900;
  o.upper = 2700;
  GaussNewton<double> gn(problem, ModelNorms(norms), o, start);
  const GnReport last = gn.run();
  EXPECT_EQ(last.stop, GnStop::target);
  EXPECT_LE(last.chi2, 1);
  EXPECT_LE(distance(gn.theta(), truth), 0.5 * distance(start, truth));
  EXPECT_GE(*std::min_element(gn.theta().begin(), gn.theta().end()), 1900);
  EXPECT_LE(*std::max_element(gn.theta().begin(), gn.theta().end()), 2700);

  // Without bounds and norms, a full step to negative velocities is refused by the physics.
  o = {};
  o.beta = 0;
  o.cg_iterations = 60;
  o.iterations = 1;
  GaussNewton<double> wild(problem, ModelNorms(norms), o, filled(22 * 14, 9000));
  const double before = distance(wild.data(), problem.observed) / 2e-4;
  const GnReport first = wild.step();
  EXPECT_FALSE(first.stalled);
  EXPECT_LT(first.step_length, 1);
  EXPECT_GT(*std::min_element(wild.theta().begin(), wild.theta().end()), 0);
  EXPECT_LT(first.phi_d, 0.9 * before * before);
}

// Published cross-hole study: quadratic smoothing and total variation, lambda 1, eps 0.01, from slowness 1. The study
// states no misfit for quadratic smoothing: that is of an independent run with sparse matrices.
void check_cross_hole(const char* name, bool total_variation, double want_rmse, double want_phi) {
  const std::string folder = "nfs_inv/", model_file = test_data_file(folder + name + "_true_slowness.npy"),
                    data_file = test_data_file(folder + name + "_data_clean.npy"),
                    noise_file = test_data_file(folder + "seismic_noise_unit.npy");
  if (model_file.empty() || data_file.empty() || noise_file.empty()) {
    GTEST_SKIP() << folder << name << "_*.npy and seismic_noise_unit.npy are absent";
  }
  const Vector u = read_npy<double>(model_file).values, noise = read_npy<double>(noise_file).values;
  Vector observed = read_npy<double>(data_file).values;
  for (std::size_t i = 0; i < observed.size(); ++i) observed[i] += 20 * noise[i];
  std::vector<Point3> left, right;
  for (int k = 0; k < 65; ++k) {
    left.push_back({0, 127.0 * k / 64});
    right.push_back({63, 127.0 * k / 64});
  }
  Stream s{Device{}, {.threads = 1}};
  StraightRayOptions rays;
  rays.kernel = RayKernel::gaussian;
  rays.sparse = true;
  Tape<double> tape(s);
  const Var theta = tape.input({128, 64}, "slowness");
  const Var data = tape.apply(std::make_shared<StraightRayOp<double>>(std::make_shared<StraightRays<double>>(
                                  s, Grid3{128, 1, 64, 1, 1, 1, 0, 0, 0}, TravelSurvey::full(left, right), rays)),
                              {theta});
  ModelNormOptions norms;
  norms.nz = 128;
  norms.nx = 64;
  norms.z = norms.x = {1, total_variation ? 1.0 : 2.0, 0.01};
  GaussNewtonOptions o;
  o.iterations = total_variation ? 30 : 1;
  o.cg_iterations = 400;
  o.cg_tolerance = 1e-5;
  o.cg_floor = total_variation ? 1e-5 : 0;
  o.linear = true;
  o.probes = 64;
  GaussNewton<double> gn(least_squares(tape, theta, data, theta, observed, filled(4225, 20)), ModelNorms(norms), o,
                         filled(8192, 1));
  int products = 0;
  const GnReport last = gn.run([&](const GnReport& r) { products += r.cg_iterations; });
  double error = 0;
  for (std::size_t x = 0; x < 64; ++x) {
    for (std::size_t z = 0; z < 128; ++z) error += std::pow(gn.theta()[z * 64 + x] - u[x * 128 + z], 2);
  }
  const double rmse = std::sqrt(error / 8192), phi = 400 * last.phi_d;
  ::testing::Test::RecordProperty("rmse", std::to_string(rmse));
  ::testing::Test::RecordProperty("phi", std::to_string(phi));
  ::testing::Test::RecordProperty("cg_iterations", products);
  EXPECT_NEAR(rmse, want_rmse, 0.002);
  EXPECT_NEAR(phi, want_phi, 1e-4 * want_phi);
}

TEST(GaussNewton, CrossHoleCase1TotalVariation) { check_cross_hole("case1", true, 0.1487, 1604544); }
TEST(GaussNewton, CrossHoleCase2TotalVariation) { check_cross_hole("case2", true, 0.5544, 1643985); }
TEST(GaussNewton, CrossHoleQuadraticSmoothing) {
  check_cross_hole("case1", false, 0.4788, 1424387);
  check_cross_hole("case2", false, 0.7882, 1486216);
}

}  // namespace gauss_newton_travel_test
}  // namespace terrane
