// SPDX-License-Identifier: MIT
// Point math around the decompositions: one element of a re-ordered, masked or signed copy. (r, c) runs over the shape
// given beside each struct.
#pragma once

#include "kernels/runtime/hd.hpp"

namespace terrane {

// to(b, c, r) = from(b, r, c), or added to it; from: (batch, rows, columns). (b rows + r, c)
template <class T>
struct TransposeCopy {
  const T* from;
  T* to;
  Index rows, columns;
  Index batch = 1;
  bool add = false;
  TERRANE_HD void operator()(Index row, Index c) const {
    const Index b = row / rows, r = row % rows;
    T& target = to[(b * columns + c) * rows + r];
    const T v = from[row * columns + c];
    target = add ? target + v : v;
  }
};

// to = from on and below the diagonal, 0 above; (n, n); to may be from
template <class T>
struct LowerCopy {
  const T* from;
  T* to;
  Index n;
  TERRANE_HD void operator()(Index r, Index c) const { to[r * n + c] = c <= r ? from[r * n + c] : T(0); }
};

// R of a Householder factorisation with a diagonal >= 0: out(i, j) = sign_i factor(i, j) for j >= i, else 0; (k, n)
// with k = min(m, n). factor: column-major (m, n). Also keeps sign_i = +-1 in sign: (k).
template <class T>
struct SignedUpper {
  const T* factor;
  T* out;
  T* sign;
  Index m, n;
  TERRANE_HD void operator()(Index i, Index j) const {
    const T s = factor[i * m + i] < T(0) ? T(-1) : T(1);
    out[i * n + j] = j >= i ? s * factor[j * m + i] : T(0);
    if (j == 0) sign[i] = s;
  }
};

// out(i, j) = sign_j q(i, j); (m, k); q: column-major, out: row-major
template <class T>
struct SignedColumns {
  const T* q;
  const T* sign;
  T* out;
  Index m, k;
  TERRANE_HD void operator()(Index i, Index j) const { out[i * k + j] = sign[j] * q[j * m + i]; }
};

}  // namespace terrane
