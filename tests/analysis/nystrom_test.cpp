// SPDX-License-Identifier: MIT
#include "analysis/nystrom.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/runtime/error.hpp"
#include "kernels/runtime/random.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace nystrom_test {

using Vector = std::vector<double>;

constexpr Index n = 60;

// Householder reflections of a diagonal: B v for eigenvalues `values`, zero beyond them.
struct Matrix {
  Vector values;
  void reflect(Vector& v, std::uint32_t which) const {
    const Random random(7, RandomPurpose::test);
    double along = 0, squares = 0;
    for (std::size_t i = 0; i < v.size(); ++i) {
      const double h = random.normal(i, which);
      along += h * v[i], squares += h * h;
    }
    for (std::size_t i = 0; i < v.size(); ++i) v[i] -= 2 * along / squares * random.normal(i, which);
  }
  void operator()(const Vector& v, Vector& out) const {
    out = v;
    reflect(out, 1), reflect(out, 2);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] *= i < values.size() ? values[i] : 0;
    reflect(out, 2), reflect(out, 1);
  }
};
Vector start() {
  Vector v;
  const Random random(3, RandomPurpose::test);
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) v.push_back(random.normal(i));
  return v;
}
double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}
// Conjugate gradients of (B + mu) x = b to a residual of 1e-8.
int iterations(const Matrix& b, double mu, const std::function<Vector(const Vector&)>& precondition) {
  Vector r = start(), z = precondition(r), p = z, q;
  const double goal = 1e-16 * dot(r, r);
  double rz = dot(r, z);
  int count = 0;
  for (; dot(r, r) > goal && count < 500; ++count) {
    b(p, q);
    for (std::size_t i = 0; i < q.size(); ++i) q[i] += mu * p[i];
    const double a = rz / dot(p, q);
    for (std::size_t i = 0; i < r.size(); ++i) r[i] -= a * q[i];
    z = precondition(r);
    const double next = dot(r, z), beta = next / rz;
    rz = next;
    for (std::size_t i = 0; i < p.size(); ++i) p[i] = z[i] + beta * p[i];
  }
  return count;
}

TEST(Nystrom, IsExactForASmallRank) {
  for_each_device([](Stream& s) {
    const Matrix b{{5, 3, 1, 0.2}};
    const NystromFactors f = nystrom(s, b, n, 10, 1e-15, 1);
    ASSERT_EQ(f.values.size(), 4U);
    for (std::size_t k = 0; k < 4; ++k) EXPECT_NEAR(f.values[k], b.values[k], 1e-10);
    EXPECT_EQ(f.least, 0);
    // P = (B + mu) / mu.
    const Vector v = start();
    Vector image;
    b(v, image);
    for (std::size_t i = 0; i < v.size(); ++i) image[i] += 0.1 * v[i];
    const Vector back = f.precondition(0.1, image);
    for (std::size_t i = 0; i < v.size(); ++i) EXPECT_NEAR(back[i], 0.1 * v[i], 1e-10);
  });
}

TEST(Nystrom, IsNeverAboveTheMatrixAndSavesSteps) {
  Stream s{Device{}};
  Matrix b;
  for (Index k = 0; k < n; ++k) b.values.push_back(std::pow(0.75, static_cast<double>(k)));
  const NystromFactors f = nystrom(s, b, n, 30, 1e-15, 1);
  ASSERT_EQ(f.values.size(), 30U);
  for (std::size_t k = 0; k < f.values.size(); ++k) EXPECT_LE(f.values[k], b.values[k] * (1 + 1e-9));
  for (std::size_t k = 0; k < 15; ++k) EXPECT_GE(f.values[k], 0.9 * b.values[k]);
  EXPECT_EQ(f.least, f.values.back());
  const double mu = 1e-4;
  const int plain = iterations(b, mu, [](const Vector& v) { return v; });
  const int with = iterations(b, mu, [&](const Vector& v) { return f.precondition(mu, v); });
  EXPECT_LT(4 * with, plain) << with << " of " << plain;
  EXPECT_EQ(nystrom(s, b, n, 30, 1e-15, 1).vectors, f.vectors);
}

TEST(Nystrom, Refuses) {
  Stream s{Device{}};
  EXPECT_THROW(nystrom(s, Matrix{{1}}, n, 0, 1e-15, 1), Error);
  EXPECT_THROW(nystrom(s, Matrix{{1}}, n, n + 1, 1e-15, 1), Error);
  EXPECT_THROW(nystrom(s, Matrix{{std::nan("")}}, n, 4, 1e-15, 1), Error);
  EXPECT_TRUE(nystrom(s, Matrix{}, n, 4, 1e-15, 1).empty());
}

}  // namespace nystrom_test
}  // namespace terrane
