// SPDX-License-Identifier: MIT
// Resolution and posterior variance of a linearised inversion d = J m + n at the values of the last forward(), with
// noise of covariance W^-2 (W = diag(weights) = 1 / std) and a Gaussian prior of the model of covariance C:
//
//   C = c I (white) or c K (K = J_f J_f^T, the tangent kernel of a field: what its weights can reach)
//   A = W J C J^T W = sum lambda_i u_i u_i^T,  q_i = C J^T W u_i,  p_i = J^T W u_i
//   model resolution  R = C J^T W (A + 1)^-1 W J = sum_i q_i p_i^T / (lambda_i + 1)
//   posterior         C - sum_i q_i q_i^T / (lambda_i + 1)
// Column j of R is the image of a unit change of cell j; trace R = sum lambda / (lambda + 1) is the number of resolved
// parameters. The sums run over the largest eigenvalues; what is left out has lambda below the last one.
// Errors: Error{config} options out of range, weights of another number, nodes outside the model.
// References: Tarantola, Inverse Problem Theory (2005), ch. 3; Bui-Thanh, Ghattas, Martin, Stadler, SIAM J. Sci.
// Comput. 35 (2013) (low rank).
#pragma once

#include "analysis/kernels.hpp"

namespace terrane {

struct ResolutionOptions {
  bool neural = false;           // C = c K, else c 1
  double c = 1;                  // scale of the prior covariance, squared units of the model
  std::vector<double> weights;   // (N_d) 1 / std of the data; empty: 1
  std::vector<double> diagonal;  // (N_m) of K; needed where neural
  std::vector<Index> nodes;      // columns of R that are wanted
  Index count = 64;              // eigenvalues, at most
  Index steps = 0;               // of Lanczos, at most; 0: 4 count + 20, 100 or more
  std::uint64_t seed = 0;
  std::function<void(Index done, Index steps)> progress;  // of Lanczos
};

struct Resolution {
  std::vector<double> lambda;     // descending, > 0
  double resolved = 0;            // trace of R
  std::vector<double> diagonal;   // (N_m) of R
  std::vector<double> prior_std;  // (N_m)
  std::vector<double> posterior_std;
  std::vector<double> spread;  // (nodes, N_m) columns of R
};

template <class T>
Resolution resolution(Stream& s, const InversionMaps<T>& maps, const ResolutionOptions& options);

}  // namespace terrane
