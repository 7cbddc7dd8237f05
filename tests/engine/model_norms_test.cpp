// SPDX-License-Identifier: MIT
// Norms of a model: derivatives, weights written down cell by cell, measures, weights of depth and sensitivity.
#include "engine/model_norms.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/runtime/error.hpp"
#include "tests/engine/least_squares_support.hpp"

namespace terrane {
namespace model_norms_test {

using namespace test;

TEST(ModelNorms, DepthAndSensitivityWeights) {
  const Vector w = sensitivity_weights({4, 16, 0}, {1, 4, 1});
  EXPECT_EQ(w, (Vector{1, 0.5, 1e-12}));
  const Vector z = depth_weights(3, 2, 10, 20, 2);
  EXPECT_EQ(z.size(), 6u);
  EXPECT_DOUBLE_EQ(z[0], 1);
  EXPECT_DOUBLE_EQ(z[3], std::pow(20.0 / 30, 2));
  EXPECT_DOUBLE_EQ(z[5], 0.25);
  EXPECT_THROW(sensitivity_weights({0, 0}, {}), Error);
  EXPECT_THROW(depth_weights(3, 2, 10, 0, 2), Error);
}

// Two rows of two cells, differences per cell: z 3, 1; x 2, 0.
TEST(ModelNorms, ValuesWrittenDownByHand) {
  ModelNormOptions o;
  o.nz = o.nx = 2;
  o.z = o.x = {1, 1, 0.5};
  o.cell_weights = {1, 2, 3, 4};
  const Vector m = {1, 3, 4, 4};
  const double z1 = std::sqrt(9.25), z2 = std::sqrt(1.25), x1 = std::sqrt(4.25), x2 = 0.5;
  ModelNorms norms(o);
  EXPECT_TRUE(norms.sparse());
  EXPECT_DOUBLE_EQ(norms.value(m), 0.5 * (2 * 9 + 3 * 1 + 1.5 * 4));  // weights R = 1
  norms.update_weights(m);
  EXPECT_DOUBLE_EQ(norms.value(m), 0.5 * (2 * 9 / z1 + 3 / z2 + 1.5 * 4 / x1));
  EXPECT_DOUBLE_EQ(norms.measure(m), 2 * (z1 - 0.5) + 3 * (z2 - 0.5) + 1.5 * (x1 - 0.5) + 3.5 * (x2 - 0.5));
  o.coupling = NormCoupling::isotropic;
  ModelNorms isotropic(o);
  isotropic.update_weights(m);
  const double n1 = std::sqrt(9 + 4 + 0.25);
  EXPECT_DOUBLE_EQ(isotropic.value(m), 0.5 * (13 / n1 + 2 * 1 / z2));
  EXPECT_DOUBLE_EQ(isotropic.measure(m), (n1 - 0.5) + 2 * (z2 - 0.5));
  // Scaled: the largest value keeps the weight of p = 2 for p >= 1; for p = 0 it is reached at f = eps.
  o.coupling = NormCoupling::separate;
  o.scaled = true;
  o.cell_weights.clear();
  o.x.alpha = 0;
  ModelNorms scaled(o);
  scaled.update_weights(m);
  EXPECT_DOUBLE_EQ(scaled.value(m), 0.5 * (9 + z1 / z2));
  o.z.p = 0;
  ModelNorms l0(o);
  l0.update_weights(m);
  EXPECT_DOUBLE_EQ(l0.value(m), 0.5 * (3 * 2 * 0.5) * (9 / 9.25 + 1 / 1.25));
  l0.start_eps(m);
  EXPECT_DOUBLE_EQ(l0.eps()[1], 4);
  l0.cool_eps(1.25);
  EXPECT_DOUBLE_EQ(l0.eps()[1], 3.2);
}

TEST(ModelNorms, DerivativesAndProbesAgreeInThreeDimensions) {
  ModelNormOptions o = all_terms();
  o.ny = 2;
  o.nz = 3;
  o.nx = 3;
  o.cell_weights.resize(18);
  o.reference.resize(18);
  o.y = {0.9, 1, 0.2};
  o.z.eps = o.x.eps = 0.2;
  o.z.p = o.x.p = 0.5;
  for (const NormCoupling coupling : {NormCoupling::separate, NormCoupling::total}) {
    o.coupling = coupling;
    ModelNorms norms(o);
    const Vector m = random_vector(18, 19), v = random_vector(18, 20);
    norms.update_weights(m);
    Vector hv, g0, g1, diagonal, x, moved = m, mean(18, 0.0);
    norms.hessian(v, hv);
    norms.gradient(m, g0);
    for (std::size_t i = 0; i < 18; ++i) moved[i] += v[i];
    norms.gradient(moved, g1);
    norms.hessian_diagonal(diagonal);
    double by_gradient = 0;
    for (std::size_t i = 0; i < 18; ++i) {
      EXPECT_NEAR(g1[i] - g0[i], hv[i], 1e-11 * norm(hv));
      by_gradient += 0.5 * (g0[i] + g1[i]) * v[i];
      Vector unit(18, 0.0), column;
      unit[i] = 1;
      norms.hessian(unit, column);
      EXPECT_NEAR(column[i], diagonal[i], 1e-12 * diagonal[i]);
    }
    EXPECT_NEAR(norms.value(moved) - norms.value(m), by_gradient, 1e-11 * norms.value(moved));
    for (std::uint32_t k = 0; k < 2000; ++k) {
      norms.probe(Random(3, RandomPurpose::test), k, x);
      for (std::size_t i = 0; i < 18; ++i) mean[i] += x[i] * x[i] / 2000;
    }
    for (std::size_t i = 0; i < 18; ++i) EXPECT_NEAR(mean[i], diagonal[i], 0.16 * diagonal[i]);
  }
}

}  // namespace model_norms_test
}  // namespace terrane
