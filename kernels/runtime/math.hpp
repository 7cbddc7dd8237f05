// SPDX-License-Identifier: MIT
// Elementary functions in fixed evaluation order, for values that must be equal on every device (no libm call decides
// them). Branch-free (selections only), so loops over them vectorise. Errors are stated in units in the last place
// (ulp) of the result or as absolute errors. Values beyond the range of exp saturate instead of overflowing.
//
// Polynomials of degree below 8 are weighted minimax fits of this project; longer ones are Taylor series or Chebyshev
// fits. Argument reductions are of Cody and Waite (1980): the leading parts of a constant have few bits, so that their
// product with the quotient is exact.
#pragma once

#include <cmath>
#include <cstring>

#include "kernels/runtime/hd.hpp"

namespace terrane {

// Correctly rounded by IEEE 754 on every device.
TERRANE_HD double square_root(double x) { return ::sqrt(x); }
TERRANE_HD float square_root(float x) { return ::sqrtf(x); }

TERRANE_HD std::uint64_t bits_of(double x) {
  std::uint64_t u;
  memcpy(&u, &x, sizeof u);
  return u;
}
TERRANE_HD double double_of(std::uint64_t u) {
  double x;
  memcpy(&x, &u, sizeof x);
  return x;
}

// log x for normal x > 0, below 2 ulp: x = m 2^e with m in [1/sqrt 2, sqrt 2); log m = 2 artanh f, f = (m-1)/(m+1).
TERRANE_HD double natural_log(double x) {
  const std::uint64_t u = bits_of(x);
  int e = static_cast<int>((u >> 52) & 0x7ff) - 1023;
  double m = double_of((u & 0x000fffffffffffffull) | 0x3ff0000000000000ull);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    e += 1;
  }
  const double f = (m - 1) / (m + 1), q = f * f;
  double p = 1.0 / 23;
  for (int k = 21; k >= 1; k -= 2) p = p * q + 1.0 / k;
  return e * 0.69314718055994531 + 2 * f * p;
}

TERRANE_HD std::uint32_t bits_of(float x) {
  std::uint32_t u;
  memcpy(&u, &x, sizeof u);
  return u;
}
TERRANE_HD float float_of(std::uint32_t u) {
  float x;
  memcpy(&x, &u, sizeof x);
  return x;
}

// How a * b + c is evaluated: in two roundings (equal on every device) or in one (fast where the hardware has it).
struct SeparateMulAdd {
  template <class T>
  TERRANE_HD static T apply(T a, T b, T c) {
    return a * b + c;
  }
};
struct FusedMulAdd {
  TERRANE_HD static float apply(float a, float b, float c) { return ::fmaf(a, b, c); }
  TERRANE_HD static double apply(double a, double b, double c) { return ::fma(a, b, c); }
};

// p[0] + p[1] x + ... + p[N-1] x^(N-1), Horner; unrolled, so that loops over it vectorise.
template <class M, int K = 0, class T, int N>
TERRANE_HD T polynomial(const T (&p)[N], T x) {
  if constexpr (K == N - 1) {
    return p[K];
  } else {
    return M::apply(polynomial<M, K + 1>(p, x), x, p[K]);
  }
}

// sin x and cos x at once: x = n pi/2 + r, |r| <= pi/4. Absolute error: float below 1e-7 for |x| < 1000, double below
// 1e-15 for |x| < 1e4; beyond, the error grows in proportion to |x|.
template <class M = SeparateMulAdd>
TERRANE_HD void sine_cosine(float x, float& s, float& c) {
  const float shift = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer and leaves that in the low bits
  const float t = M::apply(x, 0.636619772f, shift), n = t - shift;
  const std::uint32_t q = bits_of(t);
  float r = M::apply(n, -1.5703125f, x);
  r = M::apply(n, -4.837512969970703125e-4f, r);
  r = M::apply(n, -7.54978995489188217e-8f, r);
  const float z = r * r;
  const float ps[3] = {-0.166666505652f, 0.00833197290644f, -1.94949129524e-4f};
  const float pc[3] = {0.0416666467372f, -0.00138873610103f, 2.44376860303e-5f};
  const float sr = M::apply(polynomial<M>(ps, z), z * r, r);
  const float cr = M::apply(polynomial<M>(pc, z), z * z, M::apply(z, -0.5f, 1.0f));
  const bool swap = (q & 1u) != 0;
  s = float_of(bits_of(swap ? cr : sr) ^ ((q & 2u) << 30));
  c = float_of(bits_of(swap ? sr : cr) ^ (((q + 1u) & 2u) << 30));
}
template <class M = SeparateMulAdd>
TERRANE_HD void sine_cosine(double x, double& s, double& c) {
  const double shift = 6755399441055744.0;  // 1.5 * 2^52
  const double t = M::apply(x, 0.63661977236758134, shift), n = t - shift;
  const std::uint64_t q = bits_of(t);
  double r = M::apply(n, -1.5707963258028030396, x);
  r = M::apply(n, -9.9209357916352214346e-10, r);
  r = M::apply(n, -5.1701829817941055689e-19, r);
  const double z = r * r;
  const double ps[7] = {-1.0 / 6,        1.0 / 120,        -1.0 / 5040,         1.0 / 362880,
                        -1.0 / 39916800, 1.0 / 6227020800, -1.0 / 1307674368000};
  const double pc[7] = {1.0 / 24,        -1.0 / 720,         1.0 / 40320,         -1.0 / 3628800,
                        1.0 / 479001600, -1.0 / 87178291200, 1.0 / 20922789888000};
  const double sr = M::apply(polynomial<M>(ps, z), z * r, r);
  const double cr = M::apply(polynomial<M>(pc, z), z * z, M::apply(z, -0.5, 1.0));
  const bool swap = (q & 1u) != 0;
  s = double_of(bits_of(swap ? cr : sr) ^ ((q & 2u) << 62));
  c = double_of(bits_of(swap ? sr : cr) ^ (((q + 1u) & 2u) << 62));
}
template <class T>
TERRANE_HD T sine(T x) {
  T s, c;
  sine_cosine(x, s, c);
  return s;
}
template <class T>
TERRANE_HD T cosine(T x) {
  T s, c;
  sine_cosine(x, s, c);
  return c;
}

// exp x = 2^n (1 + e), e = exp r - 1, x = n log 2 + r. Clamped to |x| <= 87 (float), 708 (double).
TERRANE_HD void exponential_parts(float x, float& scale, float& e) {
  x = x > 87.0f ? 87.0f : x;
  x = x < -87.0f ? -87.0f : x;
  const float shift = 12582912.0f;
  const float t = x * 1.44269504f + shift, n = t - shift;
  const float r = (x - n * 0.6923828125f) - n * 7.6436805994530942e-4f;
  const float p[4] = {0.166665185808f, 0.0416664309598f, 0.00836892813672f, 0.00139380510979f};
  e = r + r * r * (0.5f + r * polynomial<SeparateMulAdd>(p, r));
  scale = float_of((bits_of(t) - bits_of(shift) + 127u) << 23);
}
TERRANE_HD void exponential_parts(double x, double& scale, double& e) {
  x = x > 708.0 ? 708.0 : x;
  x = x < -708.0 ? -708.0 : x;
  const double shift = 6755399441055744.0;
  const double t = x * 1.4426950408889634 + shift, n = t - shift;
  const double r = (x - n * 0.6931471803691238164901733) - n * 1.9082149292705878161e-10;
  const double p[11] = {1.0 / 6,      1.0 / 24,      1.0 / 120,      1.0 / 720,       1.0 / 5040,      1.0 / 40320,
                        1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800};
  e = r + r * r * (0.5 + r * polynomial<SeparateMulAdd>(p, r));
  scale = double_of((bits_of(t) - bits_of(shift) + 1023u) << 52);
}
// Below 2 ulp.
template <class T>
TERRANE_HD T exponential(T x) {
  T scale, e;
  exponential_parts(x, scale, e);
  return scale + scale * e;
}
// exp x - 1, relative error below 4 ulp also near 0.
template <class T>
TERRANE_HD T exponential_minus_one(T x) {
  T scale, e;
  exponential_parts(x, scale, e);
  return scale * e + (scale - T(1));
}

// log x for normal x > 0, below 2 ulp of max(|log x|, 1).
TERRANE_HD float natural_log(float x) {
  const std::uint32_t u = bits_of(x);
  const float m0 = float_of((u & 0x007fffffu) | 0x3f800000u);
  const bool half = m0 > 1.41421356f;
  const float m = half ? m0 * 0.5f : m0;
  const float n = static_cast<float>(static_cast<int>((u >> 23) & 0xff) - (half ? 126 : 127));
  const float f = (m - 1) / (m + 1), q = f * f;
  const float p[6] = {1.0f, 1.0f / 3, 1.0f / 5, 1.0f / 7, 1.0f / 9, 1.0f / 11};
  return n * 0.693147181f + 2 * f * polynomial<SeparateMulAdd>(p, q);
}

// log(1 + y) for y > -1, accurate near 0 (Kahan: the rounding of 1 + y is corrected by y / ((1 + y) - 1)).
template <class T>
TERRANE_HD T log_one_plus(T y) {
  const T u = T(1) + y, d = u - T(1);
  const bool small = d == T(0);
  return small ? y : natural_log(u) * (y / (small ? T(1) : d));
}

template <class T>
TERRANE_HD T hyperbolic_tangent(T x) {
  const T limit = T(22);  // tanh 22 = 1 to the last bit of a double
  x = x > limit ? limit : (x < -limit ? -limit : x);
  const T e = exponential_minus_one(2 * x);
  return e / (e + T(2));
}
template <class T>
TERRANE_HD T sigmoid(T x) {
  return T(1) / (T(1) + exponential(-x));
}
// x sigmoid(x) and its derivative
template <class T>
TERRANE_HD T silu(T x) {
  return x * sigmoid(x);
}
template <class T>
TERRANE_HD T silu_slope(T x) {
  const T g = sigmoid(x);
  return g * (T(1) + x * (T(1) - g));
}
// log(1 + exp x)
template <class T>
TERRANE_HD T softplus(T x) {
  const T a = x < T(0) ? -x : x;
  return (x > T(0) ? x : T(0)) + log_one_plus(exponential(-a));
}
// log(p / (1 - p)) for 0 < p < 1
template <class T>
TERRANE_HD T logit(T p) {
  return natural_log(p) - log_one_plus(-p);
}

// exp(x^2) erfc(x) (1 + 2 x) for x >= 0 as a polynomial in t = (x - k) / (x + k), k = 2 (float), 3 (double).
TERRANE_HD float scaled_erfc(float x) {
  const float p[11] = {1.27697838f,     -0.0927630410f,  -0.166030626f,  0.164035309f,
                       -0.0542157154f,  -0.00794085152f, 0.00869965724f, 0.00104069725f,
                       -0.00140767105f, -1.82584764e-4f, 1.65574088e-4f};
  return polynomial<SeparateMulAdd>(p, (x - 2.0f) / (x + 2.0f)) / (1.0f + 2.0f * x);
}
TERRANE_HD double scaled_erfc(double x) {
  const double p[24] = {
      1.2530080582697295423,    -0.13562110612458116131,     -0.047562294353419277713,   0.12964515870275966736,
      -0.11927366341680283128,  0.068308027344003004887,     -0.023770514890880907791,   0.0025293918157647223169,
      0.0018886900926949323495, -0.00077983226999954064381,  -0.00010515829006933179032, 0.00012509934320085221737,
      4.9440595590138952016e-6, -0.000020100542163592504767, -7.1867077143960462555e-7,  3.4723668202136385553e-6,
      3.3656080477648791424e-7, -6.1659172330001688133e-7,   -1.2044223263470767175e-7,  1.0182597851342552169e-7,
      2.780335207883259948e-8,  -1.3307301901235842921e-8,   -3.1742077490270177892e-9,  9.8499878707550893444e-10};
  return polynomial<SeparateMulAdd>(p, (x - 3.0) / (x + 3.0)) / (1.0 + 2.0 * x);
}
// erf x; absolute error below 4e-7 (float), 1e-15 (double).
template <class T>
TERRANE_HD T error_function(T x) {
  const T a = x < T(0) ? -x : x;
  const T y = T(1) - exponential(-a * a) * scaled_erfc(a);
  return x < T(0) ? -y : y;
}
// Phi(x) = (1 + erf(x / sqrt 2)) / 2 and its density phi(x); Phi keeps its relative accuracy in the left tail.
template <class T>
TERRANE_HD void normal_cdf(T x, T& cdf, T& density) {
  const T a = x < T(0) ? -x : x;
  const T g = exponential(T(-0.5) * x * x);
  const T tail = T(0.5) * g * scaled_erfc(a * T(0.70710678118654752));
  cdf = x < T(0) ? tail : T(1) - tail;
  density = g * T(0.39894228040143268);
}

}  // namespace terrane
