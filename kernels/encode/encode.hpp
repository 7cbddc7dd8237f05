// SPDX-License-Identifier: MIT
// Encodings: from positions to the inputs of a network. All arrays row-major, n points, d axes (z, x or z, y, x).
//
//   coordinates    node k of m on an axis -> xi = origin + k step (per axis; the field chooses the scaling)
//   fourier        gamma(zeta) = [cos(2 pi B zeta), sin(2 pi B zeta)], B (m, d) in cycles per unit of zeta
//   interpolate    y[p] = sum_t w[p, t] v[j[p, t]]: multilinear interpolation of a parameter grid at fixed points
//
// Derivatives: with c = cos, s = sin of p = 2 pi B zeta,
//   t_gamma = 2 pi [-s o (B t_zeta), c o (B t_zeta)],  d_zeta += 2 pi B^T (-s o d_c + c o d_s).
// Interpolation is linear; its transpose is a gather over the list of points of every node (CSR), so it needs no
// atomics and sums in a fixed order.
#pragma once

#include "kernels/runtime/math.hpp"

namespace terrane {

// xi (n, d) of a grid of n nodes with axes z, x or z, y, x; rows in the order of the grid, the last axis fastest.
template <class T>
struct GridCoordinates {
  Index n;
  int d;                      // 2 or 3
  Index nodes[3];             // of each axis; that of the first is not read
  double origin[3], step[3];  // of each axis, in the units of xi
  T* xi;
  TERRANE_HD void operator()(Index p) const {
    Index rest = p;
    for (int a = d - 1; a >= 0; --a) {
      const Index k = a > 0 ? rest % nodes[a] : rest;
      rest /= a > 0 ? nodes[a] : Index{1};
      xi[d * p + a] = static_cast<T>(origin[a] + step[a] * static_cast<double>(k));
    }
  }
};

template <class T>
TERRANE_HD T fourier_phase(const T* b, const T* zeta, Index d) {
  T p = T(0);
  for (Index k = 0; k < d; ++k) p += b[k] * zeta[k];
  return T(6.283185307179586) * p;
}

template <class T>
struct FourierForward {
  Index n, d, m;
  const T* b;     // (m, d)
  const T* zeta;  // (n, d)
  T* gamma;       // (n, 2 m)
  TERRANE_HD void operator()(Index p, Index k) const {
    T s, c;
    sine_cosine(fourier_phase(b + k * d, zeta + p * d, d), s, c);
    gamma[p * 2 * m + k] = c;
    gamma[p * 2 * m + m + k] = s;
  }
};

// d_zeta += ...; reads gamma instead of evaluating the sines again
template <class T>
struct FourierVjp {
  Index n, d, m;
  const T* b;
  const T* gamma;    // (n, 2 m)
  const T* d_gamma;  // (n, 2 m)
  T* d_zeta;         // (n, d), accumulated into
  TERRANE_HD void operator()(Index p, Index axis) const {
    const T* g = gamma + p * 2 * m;
    const T* dg = d_gamma + p * 2 * m;
    T sum = T(0);
    for (Index k = 0; k < m; ++k) sum += b[k * d + axis] * (g[k] * dg[m + k] - g[m + k] * dg[k]);
    d_zeta[p * d + axis] += T(6.283185307179586) * sum;
  }
};

template <class T>
struct FourierJvp {
  Index n, d, m;
  const T* b;
  const T* gamma;   // (n, 2 m)
  const T* t_zeta;  // (n, d)
  T* t_gamma;       // (n, 2 m), overwritten
  TERRANE_HD void operator()(Index p, Index k) const {
    const T t = fourier_phase(b + k * d, t_zeta + p * d, d);
    t_gamma[p * 2 * m + k] = -gamma[p * 2 * m + m + k] * t;
    t_gamma[p * 2 * m + m + k] = gamma[p * 2 * m + k] * t;
  }
};

// y = (y +) P x for a sparse matrix P in CSR form: interpolation, and its transpose with the transposed matrix.
template <class T>
struct SparseApply {
  Index rows;
  const Index* start;   // (rows + 1)
  const Index* column;  // (start[rows])
  const T* weight;      // (start[rows])
  const T* x;
  T* y;
  bool accumulate;
  TERRANE_HD void operator()(Index r) const {
    T sum = T(0);
    for (Index k = start[r]; k < start[r + 1]; ++k) sum += weight[k] * x[column[k]];
    y[r] = accumulate ? y[r] + sum : sum;
  }
};

}  // namespace terrane
