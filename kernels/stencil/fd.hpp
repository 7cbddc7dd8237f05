// SPDX-License-Identifier: MIT
// Central finite differences of order 2R = 2, 4, 6, 8 on a regular axis with spacing h:
//   D1 u_i = (1/h)  sum_{k=1..R} d_k (u_{i+k} - u_{i-k})
//   D2 u_i = (1/h²) (c_0 u_i + sum_{k=1..R} c_k (u_{i+k} + u_{i-k}))
// With zeros outside the axis D1 is antisymmetric and D2 symmetric, so the transposes are -D1 and D2.
// Reference: Fornberg (1988), Generation of finite difference formulas on arbitrarily spaced grids.
//
// The value type V is a scalar or, in CPU schedules, a vector of neighbouring cells. Neighbours come from an accessor u
// with u.get<K>() = the value K cells further along the axis.
#pragma once

#include <cmath>

#include "kernels/runtime/hd.hpp"

namespace terrane {

// a b + c; fused where the target has it in hardware (the software fallback of a fused product would dominate).
// CPU schedules specialise it for their vector types.
template <class V>
struct MulAdd {
  TERRANE_HD static V apply(V a, V b, V c) { return a * b + c; }
};
template <>
struct MulAdd<float> {
  TERRANE_HD static float apply(float a, float b, float c) {
#if defined(__CUDA_ARCH__)
    return fmaf(a, b, c);
#elif defined(__FMA__)
    return __builtin_fmaf(a, b, c);
#else
    return a * b + c;
#endif
  }
};
template <>
struct MulAdd<double> {
  TERRANE_HD static double apply(double a, double b, double c) {
#if defined(__CUDA_ARCH__)
    return fma(a, b, c);
#elif defined(__FMA__)
    return __builtin_fma(a, b, c);
#else
    return a * b + c;
#endif
  }
};
template <class V>
TERRANE_HD V mul_add(V a, V b, V c) {
  return MulAdd<V>::apply(a, b, c);
}

// Weights of one axis, scaled by 1/h and 1/h²; unused entries are zero.
template <class V>
struct FdAxis {
  V center{};     // c_0 / h²
  V second[4]{};  // c_k / h², k = 1..R
  V first[4]{};   // d_k / h,  k = 1..R
};

// order: 2, 4, 6 or 8; h_m: spacing (m).
template <class T>
inline FdAxis<T> fd_axis(int order, double h_m) {
  static constexpr double c0[4] = {-2.0, -5.0 / 2, -49.0 / 18, -205.0 / 72};
  static constexpr double c[4][4] = {{1, 0, 0, 0},
                                     {4.0 / 3, -1.0 / 12, 0, 0},
                                     {3.0 / 2, -3.0 / 20, 1.0 / 90, 0},
                                     {8.0 / 5, -1.0 / 5, 8.0 / 315, -1.0 / 560}};
  static constexpr double d[4][4] = {{1.0 / 2, 0, 0, 0},
                                     {2.0 / 3, -1.0 / 12, 0, 0},
                                     {3.0 / 4, -3.0 / 20, 1.0 / 60, 0},
                                     {4.0 / 5, -1.0 / 5, 4.0 / 105, -1.0 / 280}};
  const int r = order / 2 - 1;
  FdAxis<T> axis;
  axis.center = static_cast<T>(c0[r] / (h_m * h_m));
  for (int k = 0; k < 4; ++k) {
    axis.second[k] = static_cast<T>(c[r][k] / (h_m * h_m));
    axis.first[k] = static_cast<T>(d[r][k] / h_m);
  }
  return axis;
}

// Largest eigenvalue of -h² D2 (at the grid's Nyquist wavenumber): |c_0 + 2 sum_k c_k (-1)^k|.
inline double fd_spectral_radius(int order) {
  const FdAxis<double> axis = fd_axis<double>(order, 1.0);
  double sum = axis.center, sign = -1;
  for (double ck : axis.second) {
    sum += 2 * sign * ck;
    sign = -sign;
  }
  return -sum;
}

// Accessor of an array: u points at the cell, stride is the distance of neighbours.
template <class T>
struct Strided {
  const T* u;
  Index stride;
  template <int K>
  TERRANE_HD T get() const {
    return u[K * stride];
  }
};

// D2 u without the centre term, added to acc.
template <int R, int K = 1, class Cells, class V>
TERRANE_HD V fd_second(const Cells& u, const FdAxis<V>& axis, V acc) {
  acc = mul_add(axis.second[K - 1], u.template get<K>() + u.template get<-K>(), acc);
  if constexpr (K < R) acc = fd_second<R, K + 1>(u, axis, acc);
  return acc;
}

// D1 u added to acc.
template <int R, int K = 1, class Cells, class V>
TERRANE_HD V fd_first(const Cells& u, const FdAxis<V>& axis, V acc) {
  acc = mul_add(axis.first[K - 1], u.template get<K>() - u.template get<-K>(), acc);
  if constexpr (K < R) acc = fd_first<R, K + 1>(u, axis, acc);
  return acc;
}

}  // namespace terrane
