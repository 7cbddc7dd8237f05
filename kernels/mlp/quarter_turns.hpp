// SPDX-License-Identifier: MIT
// Sine layers in quarter turns, on vectors (CPU kernel sources only). With z' = (2 omega / pi) z, where the factor is
// multiplied into the packed weights and biases once per call,
//
//   sin(omega z) = sin(pi/2 z'),   d/dz' sin(pi/2 z') = (pi/2) cos(pi/2 z')
//
// and the range reduction r = z' - round(z') is exact: no product, no leading parts of pi. The factor pi/2 of the
// derivative is left out as well; whoever uses it multiplies it into something smaller (derivative_scale).
// Absolute error of both, given z': float below 1.5e-7 for |z'| < 2^22, double below 1e-15 for |z'| < 2^51.
#pragma once

#include "kernels/mlp/mlp.hpp"
#include "kernels/mlp/simd.hpp"

namespace terrane::TERRANE_BACKEND {

// sin(pi/2 r) = r S(r^2), cos(pi/2 r) = 1 + r^2 C(r^2) for |r| <= 1/2. The float coefficients are those of sine_cosine
// (kernels/runtime/math.hpp) times powers of pi/2; the double ones Taylor's.
template <class T>
struct QuarterTurns;
template <>
struct QuarterTurns<float> {
  typedef std::int32_t Bits __attribute__((vector_size(simd_bytes)));
  static constexpr double h = 1.57079632679489661923, h2 = h * h, h4 = h2 * h2;
  static constexpr float sine[4] = {static_cast<float>(h), static_cast<float>(-0.166666505652 * h * h2),
                                    static_cast<float>(0.00833197290644 * h * h4),
                                    static_cast<float>(-1.94949129524e-4 * h * h2 * h4)};
  static constexpr float cosine[4] = {static_cast<float>(-0.5 * h2), static_cast<float>(0.0416666467372 * h4),
                                      static_cast<float>(-0.00138873610103 * h2 * h4),
                                      static_cast<float>(2.44376860303e-5 * h4 * h4)};
  static constexpr float shift = 12582912.0f;  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
  static constexpr int sign = 30;              // from bit 1 to the sign
};
template <>
struct QuarterTurns<double> {
  typedef std::int64_t Bits __attribute__((vector_size(simd_bytes)));
  static constexpr double h = 1.57079632679489661923, h2 = h * h, h4 = h2 * h2, h8 = h4 * h4;
  static constexpr double sine[8] = {h,
                                     -h* h2 / 6,
                                     h* h4 / 120,
                                     -h* h2* h4 / 5040,
                                     h* h8 / 362880,
                                     -h* h2* h8 / 39916800,
                                     h* h4* h8 / 6227020800,
                                     -h* h2* h4* h8 / 1307674368000};
  static constexpr double cosine[8] = {-h2 / 2,
                                       h4 / 24,
                                       -h2* h4 / 720,
                                       h8 / 40320,
                                       -h2* h8 / 3628800,
                                       h4* h8 / 479001600,
                                       -h2* h4* h8 / 87178291200,
                                       h8* h8 / 20922789888000};
  static constexpr double shift = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr int sign = 62;
};

template <class T, int N>
TERRANE_HD typename Simd<T>::V vector_polynomial(const T (&p)[N], typename Simd<T>::V x) {
  typename Simd<T>::V y = Simd<T>::broadcast(p[N - 1]);
#pragma GCC unroll 8
  for (int k = N - 2; k >= 0; --k) y = multiply_add(y, x, Simd<T>::broadcast(p[k]));
  return y;
}

// s = sin(pi/2 x), c = cos(pi/2 x)
template <class T>
TERRANE_HD void quarter_sine_cosine(typename Simd<T>::V x, typename Simd<T>::V& s, typename Simd<T>::V& c) {
  using V = typename Simd<T>::V;
  using Q = QuarterTurns<T>;
  using Bits = typename Q::Bits;
  const V t = x + Q::shift, r = x - (t - Q::shift), z = r * r;
  const Bits q = reinterpret_cast<Bits>(t);
  const V sr = r * vector_polynomial<T>(Q::sine, z);
  const V cr = multiply_add(vector_polynomial<T>(Q::cosine, z), z, Simd<T>::broadcast(T(1)));
  const Bits swap = (q & 1) != 0;
  s = reinterpret_cast<V>(reinterpret_cast<Bits>(swap ? cr : sr) ^ ((q & 2) << Q::sign));
  c = reinterpret_cast<V>(reinterpret_cast<Bits>(swap ? sr : cr) ^ (((q + 1) & 2) << Q::sign));
}

// z' = scale z of one layer.
inline double input_scale(const MlpLayer& layer) {
  return layer.activation == Activation::sine ? layer.parameter * 0.63661977236758134308 : 1.0;
}
// True derivative with respect to z' divided by the stored one.
inline double derivative_scale(const MlpLayer& layer) {
  return layer.activation == Activation::sine ? 1.57079632679489661923 : 1.0;
}

}  // namespace terrane::TERRANE_BACKEND
