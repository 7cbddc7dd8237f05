// SPDX-License-Identifier: MIT
#include "kernels/runtime/math.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/runtime/dual.hpp"

namespace terrane {
namespace math_test {

using Real = long double;

// Largest |f(x) - exact(x)| / weight over a fine set of points that are no multiples of anything.
template <class T, class F, class G, class W>
double worst(double lo, double hi, const F& f, const G& exact, const W& weight) {
  Real e = 0;
  constexpr int points = 200000;
  for (int i = 0; i < points; ++i) {
    const T x = static_cast<T>(lo + (hi - lo) * (i + 0.37) / points);
    const Real y = exact(static_cast<Real>(x));
    e = std::max(e, std::abs(static_cast<Real>(f(x)) - y) / weight(y));
  }
  return static_cast<double>(e);
}
const auto absolute = [](Real) { return Real(1); };
const auto relative = [](Real y) { return std::abs(y); };

template <class T>
void check_all(double sine_range, double sine_bound, double ulps) {
  const double eps = static_cast<double>(std::numeric_limits<T>::epsilon());
  const auto sin_ = [](Real x) { return std::sin(x); };
  const auto cos_ = [](Real x) { return std::cos(x); };
  EXPECT_LE(worst<T>(
                -sine_range, sine_range, [](T x) { return sine(x); }, sin_, absolute),
            sine_bound);
  EXPECT_LE(worst<T>(
                -sine_range, sine_range, [](T x) { return cosine(x); }, cos_, absolute),
            sine_bound);
  const auto fused = [](T x) {
    T s, c;
    sine_cosine<FusedMulAdd>(x, s, c);
    return s;
  };
  EXPECT_LE(worst<T>(-sine_range, sine_range, fused, sin_, absolute), sine_bound);
  const auto exp_ = [](Real x) { return std::exp(x); };
  EXPECT_LE(worst<T>(
                -80, 80, [](T x) { return exponential(x); }, exp_, relative),
            ulps * eps);
  const auto expm1_ = [](Real x) { return std::expm1(x); };
  EXPECT_LE(worst<T>(
                -2, 2, [](T x) { return exponential_minus_one(x); }, expm1_, relative),
            2 * ulps * eps);
  const auto tanh_ = [](Real x) { return std::tanh(x); };
  EXPECT_LE(worst<T>(
                -12, 12, [](T x) { return hyperbolic_tangent(x); }, tanh_, relative),
            2 * ulps * eps);
  const auto sigmoid_ = [](Real x) { return 1 / (1 + std::exp(-x)); };
  EXPECT_LE(worst<T>(
                -60, 60, [](T x) { return sigmoid(x); }, sigmoid_, relative),
            2 * ulps * eps);
  const auto softplus_ = [](Real x) { return std::max(x, Real(0)) + std::log1p(std::exp(-std::abs(x))); };
  EXPECT_LE(worst<T>(
                -20, 20, [](T x) { return softplus(x); }, softplus_, relative),
            4 * ulps * eps);
  const auto log_ = [](Real x) { return std::log(x); };
  EXPECT_LE(worst<T>(
                1e-3, 9, [](T x) { return natural_log(x); }, log_, absolute),
            4 * ulps * eps);
  const auto logit_ = [](Real x) { return std::log(x) - std::log1p(-x); };
  EXPECT_LE(worst<T>(
                1e-3, 0.999, [](T x) { return logit(x); }, logit_, absolute),
            8 * ulps * eps);
  const auto erf_ = [](Real x) { return std::erf(x); };
  EXPECT_LE(worst<T>(
                -6, 6, [](T x) { return error_function(x); }, erf_, absolute),
            4 * ulps * eps);
  const auto cdf = [](T x) {
    T c, d;
    normal_cdf(x, c, d);
    return c;
  };
  const auto cdf_ = [](Real x) { return Real(0.5) * std::erfc(-x / std::sqrt(Real(2))); };
  EXPECT_LE(worst<T>(-3, 8, cdf, cdf_, relative), 16 * ulps * eps);
}

TEST(Math, AccuracyFloat) { check_all<float>(1000, 1e-7, 1); }
TEST(Math, AccuracyDouble) { check_all<double>(1e4, 1e-15, 1); }

TEST(Math, Limits) {
  EXPECT_EQ(sigmoid(1e3f), 1.0f);
  EXPECT_GE(sigmoid(-1e3f), 0.0f);
  EXPECT_LT(sigmoid(-1e3f), 1e-37f);
  EXPECT_EQ(hyperbolic_tangent(1e30), 1.0);
  EXPECT_EQ(hyperbolic_tangent(-1e30f), -1.0f);
  EXPECT_EQ(softplus(1e4), 1e4);
  EXPECT_TRUE(std::isfinite(exponential(1e9f)));
  EXPECT_EQ(sine(0.0f), 0.0f);
  EXPECT_EQ(cosine(0.0), 1.0);
  EXPECT_TRUE(std::isnan(sine(std::numeric_limits<float>::quiet_NaN())));
  EXPECT_TRUE(std::isnan(exponential(std::numeric_limits<double>::quiet_NaN())));
  EXPECT_TRUE(std::isnan(hyperbolic_tangent(std::numeric_limits<float>::quiet_NaN())));
}

// Tangents against central differences of the value.
TEST(Math, Dual) {
  const auto check = [](const char* name, const auto& f, double x) {
    const double h = 1e-5;
    const double difference = (f(Dual<double>(x + h)).value - f(Dual<double>(x - h)).value) / (2 * h);
    EXPECT_NEAR(f(Dual<double>(x, 1.0)).tangent, difference, 1e-8 * (1 + std::abs(difference))) << name;
  };
  using D = Dual<double>;
  check(
      "sine", [](D x) { return sine(x); }, 0.7);
  check(
      "cosine", [](D x) { return cosine(x); }, 0.7);
  check(
      "exponential", [](D x) { return exponential(x); }, 0.3);
  check(
      "log", [](D x) { return natural_log(x); }, 1.7);
  check(
      "sqrt", [](D x) { return square_root(x); }, 1.7);
  check(
      "tanh", [](D x) { return hyperbolic_tangent(x); }, -0.4);
  check(
      "sigmoid", [](D x) { return sigmoid(x); }, -0.4);
  check(
      "softplus", [](D x) { return softplus(x); }, 0.4);
  check(
      "logit", [](D x) { return logit(x); }, 0.4);
  check(
      "erf", [](D x) { return error_function(x); }, 0.4);
  check(
      "rational", [](D x) { return (D(1.0) - x * x) / (D(2.0) + x) - x; }, 0.4);
}

}  // namespace math_test
}  // namespace terrane
