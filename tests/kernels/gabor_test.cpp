// SPDX-License-Identifier: MIT
#include "kernels/mlp/gabor.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>

#include "autodiff/check.hpp"
#include "autodiff/ops/gabor_op.hpp"
#include "autodiff/ops/mlp_op.hpp"
#include "tests/support/devices.hpp"
#include "tests/support/factor_gram.hpp"

namespace terrane {
namespace gabor_test {

// The network by std::complex, one point.
std::vector<double> reference(const GaborShape& s, const std::vector<double>& theta, const double* x) {
  using C = std::complex<double>;
  const C j(0, 1);
  std::vector<C> a(x, x + s.n_in);
  std::size_t at = 0;
  for (int l = 0; l <= s.depth; ++l) {
    const auto n_in = static_cast<std::size_t>(s.inputs(l)), n_out = static_cast<std::size_t>(s.outputs(l));
    const bool real = l == 0;
    const double* wr = theta.data() + at;
    const double* wi = wr + n_out * n_in;
    const double* br = wr + (real ? 1 : 2) * n_out * n_in;
    const double* bi = br + n_out;
    std::vector<C> z(n_out);
    for (std::size_t o = 0; o < n_out; ++o) {
      z[o] = real ? C(br[o]) : C(br[o], bi[o]);
      for (std::size_t i = 0; i < n_in; ++i)
        z[o] += (real ? C(wr[o * n_in + i]) : C(wr[o * n_in + i], wi[o * n_in + i])) * a[i];
      if (l < s.depth) z[o] = std::exp(j * s.omega_of(l) * z[o] - std::norm(s.scale * z[o]));
    }
    a = z;
    at += (real ? 1 : 2) * n_out * (n_in + 1);
  }
  EXPECT_EQ(at, theta.size());
  std::vector<double> y;
  for (const C v : a) y.push_back(v.real());
  return y;
}

template <class T>
void check_values(Stream& s, const GaborShape& shape, Index n, double weight, double tolerance) {
  auto theta = random_normal<double>(shape.parameters(), 1);
  for (double& t : theta) t = static_cast<double>(static_cast<T>(weight * t));
  auto x = random_normal<double>(n * shape.n_in, 2);
  for (double& v : x) v = static_cast<double>(static_cast<T>(0.5 * v));
  const auto dt = to_device(s, std::vector<T>(theta.begin(), theta.end()));
  const auto dx = to_device(s, std::vector<T>(x.begin(), x.end()));
  const Buffer<T> y(s, n * shape.n_out);
  gabor_forward(s, GaborForward<T>{shape, n, dt.data(), dx.data(), y.data()});
  const auto got = to_host(s, y);
  double worst = 0, largest = 0;
  for (Index p = 0; p < n; ++p) {
    const auto wanted = reference(shape, theta, x.data() + p * shape.n_in);
    for (std::size_t o = 0; o < wanted.size(); ++o) {
      largest = std::max(largest, std::abs(wanted[o]));
      worst = std::max(worst,
                       std::abs(static_cast<double>(got[static_cast<std::size_t>(p) * wanted.size() + o]) - wanted[o]));
    }
  }
  EXPECT_GT(largest, 0.01);
  EXPECT_LE(worst, tolerance * std::max(1.0, largest));
}

TEST(Gabor, ParameterCounts) {
  const GaborShape two = gabor_shape(2, 141, 4, 1, 5, 5, 5), three = gabor_shape(3, 141, 4, 1, 5, 5, 5);
  EXPECT_EQ(two.parameters(), 120839);
  EXPECT_EQ(three.parameters(), 120980);
  EXPECT_EQ(two.complex_parameters(), 60631);
  EXPECT_EQ(three.complex_parameters(), 60772);
  EXPECT_THROW(gabor_shape(2, 0, 4, 1, 5, 5, 5), Error);
  EXPECT_THROW(gabor_shape(2, 8, 16, 1, 5, 5, 5), Error);
}

TEST(Gabor, EqualsComplexArithmetic) {
  for_each_device([](Stream& s) {
    check_values<double>(s, gabor_shape(1, 1, 1, 1, 5, 5, 5), 1, 0.3, 1e-13);
    check_values<double>(s, gabor_shape(2, 17, 3, 1, 4, 3, 2), 131, 0.2, 1e-12);
    check_values<double>(s, gabor_shape(3, 8, 2, 3, 5, 5, 1), 65, 0.2, 1e-12);
    check_values<float>(s, gabor_shape(2, 17, 3, 1, 4, 3, 2), 131, 0.2, 1e-5);
  });
  // The published network at its size, weights as initialised.
  Stream s{Device{}};
  check_values<double>(s, gabor_shape(2, 141, 4, 1, 5, 5, 5), 70, 0.05, 1e-12);
  check_values<float>(s, gabor_shape(2, 141, 4, 1, 5, 5, 5), 70, 0.05, 2e-5);
}

TEST(Gabor, FactorsGiveTheGramMatrix) {
  for_each_device([](Stream& s) {
    const GaborShape shape = gabor_shape(2, 6, 3, 1, 3, 2, 0.8);
    const Index n = 19;
    Tape<double> tape(s);
    const Var theta = tape.input({shape.parameters()}, "theta"), x = tape.input({n, 2}, "x", false);
    const Var y = tape.apply(std::make_shared<GaborOp<double>>(shape, n), {theta, x});
    const Var squared = tape.apply(std::make_shared<UnaryOp<double>>(UnaryKind::square), {y});
    auto t = random_normal<double>(shape.parameters(), 1);
    for (double& v : t) v *= 0.3;
    tape.set(theta, t);
    tape.set(x, random_normal<double>(2 * n, 2));
    tape.forward();
    expect_equal_grams(gram_of_factors(s, tape.factors(theta, y)), gram_of_rows(s, tape, theta, y), 1e-12);
    expect_equal_grams(gram_of_factors(s, chain_factors(s, tape, theta, y, squared)),
                       gram_of_rows(s, tape, theta, squared), 1e-12);
  });
}

// Workspace of the vjp does not grow with the number of points.
TEST(Gabor, WorkspaceIsIndependentOfThePoints) {
  const GaborShape shape = gabor_shape(2, 141, 4, 1, 5, 5, 5);
  Index extra[2];
  for (int k = 0; k < 2; ++k) {
    Stream s{Device{}};
    const Index n = k == 0 ? 3000 : 6000;
    const auto theta = to_device(s, std::vector<float>(static_cast<std::size_t>(shape.parameters()), 0.01f));
    const auto x = to_device(s, random_normal<float>(2 * n, 2)), d_y = to_device(s, random_normal<float>(n, 3));
    const auto d_theta = to_device(s, std::vector<float>(static_cast<std::size_t>(shape.parameters()), 0.0f));
    const Index before = s.arena()->stats().current_bytes;
    gabor_vjp(s, GaborVjp<float>{shape, n, theta.data(), x.data(), d_y.data(), d_theta.data(), nullptr});
    extra[k] = s.arena()->stats().peak_bytes - before;
  }
  EXPECT_EQ(extra[0], extra[1]);
  EXPECT_LT(extra[0], Index{100} * 1000 * 1000);
}

}  // namespace gabor_test
}  // namespace terrane
