// SPDX-License-Identifier: MIT
// Arithmetic with rows that hold one value for each pole, padded to a multiple of 16. The order of every sum is fixed.
#pragma once

#include "kernels/runtime/hd.hpp"

namespace terrane {

// One line of nodes of the gradient: P = U Y, and products of P and U summed over the poles.
struct PoleLine {
  Index nodes, poles, columns;
  const double* u;         // (nodes rounded up to 4, columns)
  const double* y;         // (poles, columns)
  const double* u_before;  // of the line before; null: none
  const double* p_before;
  double* p;            // (nodes rounded up to 4, columns), is written
  double* at_node;      // (nodes) sum p u
  double* along_line;   // (nodes - 1) sum of the differences of p times those of u, to the next node
  double* across_line;  // (nodes) the same to the line before; is left alone without one
};
void fill_pole_line(const PoleLine& line);

// v (rows, columns) += f a b^T for vectors of one row's length; only the first `poles` rows.
inline void add_outer(Index poles, Index columns, double f, const double* a, const double* b, double* v) {
  for (Index p = 0; p < poles; ++p) {
    const double x = f * a[p];
    for (Index c = 0; c < columns; ++c) v[p * columns + c] += x * b[c];
  }
}

}  // namespace terrane
