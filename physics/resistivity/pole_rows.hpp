// SPDX-License-Identifier: MIT
// Arithmetic with rows that hold one value for each pole, padded to a multiple of 8. The order of every sum is fixed.
#pragma once

#include <algorithm>

#include "kernels/runtime/hd.hpp"

namespace terrane {

// c (4, columns) = a (4, n) b (n, columns); all rows are `columns` long in memory.
inline void multiply_rows(Index n, Index columns, const double* a, const double* b, double* c) {
  for (Index q = 0; q < columns; q += 8) {
    double sum[4][8] = {};
    for (Index k = 0; k < n; ++k) {
      const double* x = b + k * columns + q;
      for (int r = 0; r < 4; ++r) {
        const double f = a[r * columns + k];
        for (int l = 0; l < 8; ++l) sum[r][l] += f * x[l];
      }
    }
    for (int r = 0; r < 4; ++r) std::copy_n(sum[r], 8, c + r * columns + q);
  }
}

// sum_c a_c b_c, and sum_c (a1 - a0)_c (b1 - b0)_c, in four fixed lanes.
inline double product(Index columns, const double* a1, const double* b1) {
  double lane[4] = {};
  for (Index c = 0; c < columns; c += 4) {
    for (int l = 0; l < 4; ++l) lane[l] += a1[c + l] * b1[c + l];
  }
  return (lane[0] + lane[2]) + (lane[1] + lane[3]);
}
inline double product(Index columns, const double* a1, const double* a0, const double* b1, const double* b0) {
  double lane[4] = {};
  for (Index c = 0; c < columns; c += 4) {
    for (int l = 0; l < 4; ++l) lane[l] += (a1[c + l] - a0[c + l]) * (b1[c + l] - b0[c + l]);
  }
  return (lane[0] + lane[2]) + (lane[1] + lane[3]);
}

// v (rows, columns) += f a b^T for vectors of one row's length; only the first `poles` rows.
inline void add_outer(Index poles, Index columns, double f, const double* a, const double* b, double* v) {
  for (Index p = 0; p < poles; ++p) {
    const double x = f * a[p];
    for (Index c = 0; c < columns; ++c) v[p * columns + c] += x * b[c];
  }
}

}  // namespace terrane
