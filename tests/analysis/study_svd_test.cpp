// SPDX-License-Identifier: MIT
// Singular values and left vectors of the Jacobian of the cross-hole study's raw fields (arXiv 2503.17503) at their
// published weights, against reference arrays in double precision. bench/network_svd.cpp compares both cases whole.
#include <gtest/gtest.h>

#include <cmath>

#include "analysis/gram.hpp"
#include "analysis/network_jacobian.hpp"
#include "analysis/spectra.hpp"
#include "engine/field.hpp"
#include "engine/io/npy.hpp"
#include "engine/weights.hpp"
#include "kernels/kernels.hpp"
#include "tests/support/data_files.hpp"

namespace terrane {
namespace study_svd_test {

using Vector = std::vector<double>;

constexpr Grid2 cells{128, 64, 1, 1, 0, 0};

// m = 10 tanh F on the 64 x 128 cells.
struct Study {
  Tape<double> tape;
  Var theta, m;
  Vector sigma, left;  // reference: (8192), (10, 8192) in the order of m, z before x
  Study(Stream& s, const std::string& number, const char* coordinates) : tape(s) {
    const auto field = Field<double>::make({{"type", "mlp"},
                                            {"property", "slowness"},
                                            {"hidden", {128, 256, 256, 256, 256, 128}},
                                            {"activation", {{"type", "leaky-relu"}, {"slope", 0.2}}},
                                            {"coordinates", coordinates},
                                            {"transform", {{"type", "scaled-tanh"}, {"scale", 10}}}},
                                           cells, 0);
    theta = tape.input({field.parameters()}, "theta");
    const Var m0 = tape.input({cells.nz, cells.nx}, "m0", false);
    m = field.record(tape, theta, m0);
    const std::string file = data_file("nfs_inv/svd_case" + number);
    tape.set(theta, read_weights({{"path", file + "_weights.npz"}, {"columns", {1, 0}}, {"signs", nullptr}},
                                 field.network(), field.parameters()));
    tape.set(m0, Vector(at(cells.cells()), 0.0));
    tape.forward();
    sigma = read_npy<double>(file + "_singular_values.npy").values;
    const NdArray<double> images = read_npy<double>(file + "_left_vectors_top10.npy");  // (10, nx, nz)
    for (Index k = 0; k < images.shape[0]; ++k) {
      for (Index i = 0; i < cells.cells(); ++i) {
        left.push_back(images.values[at(k * cells.cells() + (i % cells.nx) * cells.nz + i / cells.nx)]);
      }
    }
  }
  double norm_of_output() const {
    double squares = 0;
    for (const double v : tape.get(m)) squares += v * v;
    return std::sqrt(squares);
  }
};

// Without K: its trace is the sum of the squares of the values, and every reference vector u gives back its value as
// |J^T u|, which is exact to the second order of what single precision leaves of u, and is mapped to itself. The
// recipes nfs-inv/svd-1 and nfs-inv/svd-2 compare fifty values each.
void compare(const char* number, const char* coordinates, double norm_of_output, double norm_of_jacobian) {
  if (absent("nfs_inv/svd_case1_weights.npz")) GTEST_SKIP() << "absent: nfs_inv/svd_case1_weights.npz";
  Stream s{Device{}};
  const Study study(s, number, coordinates);
  EXPECT_NEAR(study.norm_of_output(), norm_of_output, 1e-6 * norm_of_output);
  const auto factors = field_factors(study.tape, study.theta, study.m);
  ASSERT_TRUE(factors.has_value());
  double trace = 0, wanted = 0;
  for (const double v : gram_diagonal(s, *factors)) trace += v;
  for (const double v : study.sigma) wanted += v * v;
  EXPECT_NEAR(std::sqrt(trace), std::sqrt(wanted), 1e-6 * std::sqrt(wanted));
  EXPECT_NEAR(std::sqrt(trace), norm_of_jacobian, 1e-3);
  const LinearMap<double> j = study.tape.map(study.theta, study.m);
  const Index n = cells.cells();
  for (const Index k : {0, 4, 9}) {
    const Buffer<double> u = to_device(s, Vector(study.left.begin() + k * n, study.left.begin() + (k + 1) * n)),
                         v(s, j.columns), again(s, n), sum(s, 1);
    j.adjoint(s, u.data(), v.data());
    dot(s, Dot<double>{v.data(), v.data(), sum.data(), j.columns});
    const double lambda = to_host(s, sum)[0], sigma = study.sigma[at(k)];
    EXPECT_NEAR(std::sqrt(lambda), sigma, 1e-6 * sigma) << k;
    j.apply(s, v.data(), again.data());
    EXPECT_GT(vector_cosine(to_host(s, again).data(), study.left.data() + k * n, at(n)), 0.9999) << k;
  }
}

TEST(StudySvd, ReferenceVectorsOfCase1) { compare("1", "unit", 125.461586, 2076.294); }
TEST(StudySvd, ReferenceVectorsOfCase2) { compare("2", "per-axis", 186.410651, 2975.986); }

}  // namespace study_svd_test
}  // namespace terrane
