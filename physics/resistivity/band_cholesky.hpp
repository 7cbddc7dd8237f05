// SPDX-License-Identifier: MIT
// Cholesky factor of a symmetric positive definite band matrix and solutions for many right-hand sides, on the host and
// on one thread: A = L L^T in place, X <- A^-1 X. The order of every sum is fixed, so that the bits are those of every
// processor.
//
//   a[j * stride + (i - j)] = A(i, j)      0 <= i - j <= width, i < n; everything else of the storage is zero
//   x[i * columns + c]                     rows in the order of A; columns a multiple of rhs_tile
// Storage: rows(n) columns of stride(width) numbers; rows(n) rows of x (those beyond n are zero).
#pragma once

#include <vector>

#include "kernels/runtime/hd.hpp"

namespace terrane {

class BandCholesky {
 public:
  static constexpr Index rhs_tile = 16;
  static constexpr Index row_tile = 4;

  BandCholesky(Index n, Index width);
  static Index rows(Index n) { return (n + row_tile - 1) / row_tile * row_tile; }

  Index n() const { return n_; }
  Index stride() const { return stride_; }
  double* matrix() { return a_.data(); }
  // All zero, for the next matrix.
  void clear();
  // Returns -1, or the row whose pivot is not positive.
  Index factor();
  // start[t]: a row before which all columns of tile t of the right-hand side are zero; (columns / rhs_tile).
  void solve(Index columns, const std::vector<Index>& start, double* x);

 private:
  Index n_, width_, stride_, padded_;
  std::vector<double> a_, inverse_, packed_;  // inverse_: of the diagonal of L; packed_: four rows or columns of it
};

}  // namespace terrane
