// SPDX-License-Identifier: MIT
// Means and covariances of samples, and the affine map between them.
//
//   S = sum (x - m)^T (x - m) / (n - 1)
//   transport from a to b: y = m_b + (x - m_a) A,  A = S_a^-1/2 (S_a^1/2 S_b S_a^1/2)^1/2 S_a^-1/2
// A is symmetric; of all maps that give moments of b to a sample of a, this one moves the points the least in the mean
// square (optimal transport between Gaussians: Dowson, Landau, J. Multivariate Anal. 12 (1982)).
#pragma once

#include <vector>

#include "kernels/runtime/stream.hpp"

namespace terrane {

struct Features {
  Index columns = 0;
  std::vector<double> values;  // (rows, columns)
  Index rows() const { return columns == 0 ? 0 : static_cast<Index>(values.size()) / columns; }
};

struct JointMoments {
  std::vector<double> mean;        // (d)
  std::vector<double> covariance;  // (d, d)
  Index size() const { return static_cast<Index>(mean.size()); }
};
std::vector<double> column_means(const Features& x);
// Error{data} for fewer than two rows.
JointMoments moments_of(Stream& s, const Features& x);

// a b of matrices (d, d).
std::vector<double> square_product(Stream& s, const std::vector<double>& a, const std::vector<double>& b, Index d);

// a^power of a symmetric matrix (d, d): of its eigenvalues, those below `floor` times the largest raised to that; what
// is negative then counts as zero. trace: of the result, if it is not null.
std::vector<double> symmetric_power(Stream& s, const std::vector<double>& a, Index d, double power, double floor = 0,
                                    double* trace = nullptr);

// A (d, d). Error{data} for other sizes. Directions in which `a` has less than 1e-6 of its largest variance are not
// stretched further than that.
std::vector<double> gaussian_transport(Stream& s, const JointMoments& a, const JointMoments& b);

}  // namespace terrane
