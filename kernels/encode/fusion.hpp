// SPDX-License-Identifier: MIT
// How features of several branches are joined.
//
//   copy_columns    out[r, o + c] (+)= alpha factor[0] in[r, i + c]       blocks of a concatenation, and their
//   transpose outer_product   out[i1, i2(, i3), k] = f1[i1, k] f2[i2, k] (f3[i3, k])      on the tensor grid, k
//   features
//     vjp of factor m   d_f[i, k] += sum over the other indices of d_out times the other factors, last index fastest
//     jvp               t_out = t_f1 f2 f3 + f1 t_f2 f3 + f1 f2 t_f3, a null tangent counts as zero
//   expand_rows     out[r, c] = weight[r] from[(r / inner) mod count, c]       a factor repeated over the tensor grid
//
// Arrays are row-major and dimensionless.
#pragma once

#include "kernels/runtime/math.hpp"

namespace terrane {

template <class T>
struct CopyColumns {
  Index rows, columns;
  const T* in;  // (rows, in_row), from its first column on
  Index in_row;
  T* out;  // (rows, out_row), from its first column on
  Index out_row;
  T alpha;
  const T* factor;  // (1) on the device, or null: 1
  bool accumulate;
  TERRANE_HD void operator()(Index r, Index c) const {
    T v = alpha * in[r * in_row + c];
    if (factor != nullptr) v *= factor[0];
    T& o = out[r * out_row + c];
    o = accumulate ? o + v : v;
  }
};

// Sizes of the tensor grid; n[2] = 1 and factor 2 null with two factors.
struct OuterShape {
  Index n[3] = {1, 1, 1};
  Index k = 1;
  int factors = 2;
  TERRANE_HD Index rows() const { return n[0] * n[1] * n[2]; }
};

template <class T>
struct OuterProductForward {
  OuterShape shape;
  const T* f[3];  // (n[m], k)
  T* out;         // (rows, k)
  TERRANE_HD void operator()(Index r, Index c) const {
    const Index i2 = r % shape.n[2], i1 = r / shape.n[2] % shape.n[1], i0 = r / (shape.n[2] * shape.n[1]);
    T v = f[0][i0 * shape.k + c] * f[1][i1 * shape.k + c];
    if (shape.factors == 3) v *= f[2][i2 * shape.k + c];
    out[r * shape.k + c] = v;
  }
};

template <class T>
struct OuterProductVjp {
  OuterShape shape;
  int which;       // factor
  const T* f[3];   // (n[m], k)
  const T* d_out;  // (rows, k)
  T* d_f;          // (n[which], k), accumulated into
};

template <class T>
struct OuterProductJvp {
  OuterShape shape;
  const T* f[3];  // (n[m], k)
  const T* t[3];  // (n[m], k); null: zero
  T* t_out;       // (rows, k), overwritten
  TERRANE_HD void operator()(Index r, Index c) const {
    const Index i[3] = {r / (shape.n[2] * shape.n[1]), r / shape.n[2] % shape.n[1], r % shape.n[2]};
    T sum = T(0);
    for (int m = 0; m < shape.factors; ++m) {
      if (t[m] == nullptr) continue;
      T v = t[m][i[m] * shape.k + c];
      for (int o = 0; o < shape.factors; ++o) {
        if (o != m) v *= f[o][i[o] * shape.k + c];
      }
      sum += v;
    }
    t_out[r * shape.k + c] = sum;
  }
};

template <class T>
struct ExpandRows {
  Index rows, columns;
  const T* from;  // (count, columns)
  Index inner, count;
  const T* weight;  // (rows), or null: 1
  T* out;           // (rows, columns)
  TERRANE_HD void operator()(Index r, Index c) const {
    const T v = from[r / inner % count * columns + c];
    out[r * columns + c] = weight != nullptr ? weight[r] * v : v;
  }
};

}  // namespace terrane
