// SPDX-License-Identifier: MIT
// Elementwise parts of Gram matrices in factored form, K = sum_l (A_l A_l^T + bias) o (D_l D_l^T), o elementwise; the
// products are gemm. Blocks are row-major with their own row length, so that K never has to be resident.
//
//   gram_combine  k[i, j] (+)= (a[i, j] + bias) d[i, j]
//   gram_links    a[i, j] = sum_{p, q} w_i[i, p] w_j[j, q] [index_i[i, p] = index_j[j, q]]      rows with few
//   non-zeros:
//                 the interpolation weights of a grid; entries of equal index add up
//   gram_mirror   k[j, i] = k[i, j] of a block of a symmetric matrix
//   transpose     to[c, r] = from[r, c]
#pragma once

#include "kernels/linalg/layout.hpp"

namespace terrane {

template <class T>
struct GramCombine {
  Index rows = 0, columns = 0;
  const T* a = nullptr;  // (rows, columns), packed; null: zero
  const T* d = nullptr;  // (rows, columns), packed
  T bias = 0;
  T* k = nullptr;  // (rows, columns) with row length ldk
  Index ldk = 0;
  bool accumulate = false;
  TERRANE_HD void operator()(Index i, Index j) const {
    const Index at = i * columns + j;
    const T v = ((a != nullptr ? a[at] : T(0)) + bias) * d[at];
    T& out = k[i * ldk + j];
    out = accumulate ? out + v : v;
  }
};

template <class T>
struct GramLinks {
  Index rows = 0, columns = 0;
  Index row_nonzeros = 0, column_nonzeros = 0;
  const Index* row_index = nullptr;  // (rows, row_nonzeros)
  const T* row_weight = nullptr;
  const Index* column_index = nullptr;  // (columns, column_nonzeros)
  const T* column_weight = nullptr;
  T* a = nullptr;  // (rows, columns), packed, overwritten
  TERRANE_HD void operator()(Index i, Index j) const {
    T sum = T(0);
    for (Index p = 0; p < row_nonzeros; ++p) {
      const Index at = row_index[i * row_nonzeros + p];
      T matched = T(0);
      for (Index q = 0; q < column_nonzeros; ++q) {
        matched += column_index[j * column_nonzeros + q] == at ? column_weight[j * column_nonzeros + q] : T(0);
      }
      sum += row_weight[i * row_nonzeros + p] * matched;
    }
    a[i * columns + j] = sum;
  }
};

// One tile a task, so that both sides are read and written by lines of the cache.
template <class T>
struct GramMirror {
  static constexpr Index tile = 16;
  Index rows = 0, columns = 0;
  const T* from = nullptr;  // (rows, columns) with row length ld
  T* to = nullptr;          // (columns, rows) with row length ld
  Index ld = 0;
  TERRANE_HD void operator()(Index task) const {
    const Index across = (columns + tile - 1) / tile, i0 = task / across * tile, j0 = task % across * tile;
    const Index i1 = i0 + tile < rows ? i0 + tile : rows, j1 = j0 + tile < columns ? j0 + tile : columns;
    for (Index j = j0; j < j1; ++j) {
      for (Index i = i0; i < i1; ++i) to[j * ld + i] = from[i * ld + j];
    }
  }
};

}  // namespace terrane
