// SPDX-License-Identifier: MIT
// Wavenumbers k_j and weights w_j of the 2.5-D sum phi = sum_j w_j phi_j, and the Bessel functions it needs.
//
// A pole on a half-space has phi_j = K0(k_j r) / (pi sigma), so the sum is right where 2 sum_j w_j r K0(k_j r) = 1.
// choose_wavenumbers minimises || 1 - 2 sum_j w_j r K0(k_j r) || over 100 log-spaced r in [least_m, most_m]: w by least
// squares, log k by Levenberg-Marquardt on what is left (variable projection), from k log-spaced as 1 / r.
// Reference: Xu, Duan and Zhang (2000), Selection of the wavenumbers k using an optimization method for the inverse
// Fourier transform in 2.5D electrical modelling.
#pragma once

#include <vector>

#include "kernels/runtime/hd.hpp"
#include "physics/resistivity/dc_survey.hpp"

namespace terrane {

// K_n(x) e^x, n = 0 or 1, x > 0: the trapezoidal rule on the integral of exp(-x (cosh t - 1)) cosh(n t), which
// converges exponentially. Relative error below 1e-14.
double scaled_bessel_k(int n, double x);

struct Wavenumbers {
  std::vector<double> k_per_m, weight_per_m;
  // Of 1 - 2 sum_j w_j r K0(k_j r) over the r that were asked for: root mean square and largest.
  double rms_error = 0, max_error = 0;

  Index size() const { return static_cast<Index>(k_per_m.size()); }
  // Throws Error{config} unless there is at least one k, every k is positive and there are as many weights.
  void check() const;
};

// Errors of given pairs over 100 log-spaced distances.
Wavenumbers with_errors(Wavenumbers pairs, double least_m, double most_m);
Wavenumbers choose_wavenumbers(Index count, double least_m, double most_m);
// For distances between a quarter of the smallest cell and four times the extent of the mesh.
Wavenumbers choose_wavenumbers(const TensorMesh& mesh, Index count = 11);

}  // namespace terrane
