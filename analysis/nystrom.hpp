// SPDX-License-Identifier: MIT
// Randomised Nystroem approximation of a symmetric B >= 0 (n x n) that is known by its products alone, and the
// preconditioner of B + mu that it makes:
//
//   B ~ Y (X^T Y)^+ Y^T = U diag(lambda) U^T,   Y = B X, X of `rank` random columns;  never above B
//   P^-1 = U diag((lambda_r + mu) / (lambda + mu)) U^T + 1 - U U^T
//
// lambda_r is the least lambda, 0 where B has a smaller rank. Conjugate gradients with P need few steps where
// lambda_r is not far above mu. References: Halko, Martinsson, Tropp, SIAM Rev. 53 (2011); Frangella, Tropp, Udell,
// SIAM J. Matrix Anal. Appl. 44 (2023).
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/runtime/stream.hpp"

namespace terrane {

struct NystromFactors {
  std::vector<double> values;   // lambda, descending
  std::vector<double> vectors;  // (values, n), unit length
  double least = 0;             // lambda_r

  bool empty() const { return values.empty(); }
  // P^-1 v, host vectors of n.
  std::vector<double> precondition(double mu, const std::vector<double>& v) const;
};

// out = B v, host vectors of n; `rounding`: relative, of a product. rank <= n. Takes rank products and 4 rank n
// doubles. The same seed and build give the same bits. Error{config} rank out of range, Error{failed} products that are
// not finite.
using HostProduct = std::function<void(const std::vector<double>& v, std::vector<double>& out)>;
NystromFactors nystrom(Stream& s, const HostProduct& product, Index n, Index rank, double rounding, std::uint64_t seed);

}  // namespace terrane
