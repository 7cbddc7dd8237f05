// SPDX-License-Identifier: MIT
// Induced polarisation after a resistivity inversion: chargeability eta (cells) from apparent chargeabilities d (data),
// linear in eta at the conductivity that was found (Oldenburg and Li, 1994, Inversion of induced polarization data,
// Geophysics 59, 1327-1341):
//
//   V_eta = F(sigma (1 - eta)),   d_i = (V_eta - V) / V_eta ~ sum_j G_ij eta_j,   G_ij = -d ln|V_i| / d ln sigma_j
//
// The rows of G sum to 1 where the padding follows the grid, so that a uniform chargeability is measured as it is. eta
// has the unit of d (V/V, mV/V, ms, mrad). It minimises chi2 N / 2 + beta phi_m with eta >= 0 by Gauss-Newton steps
// (engine/gauss_newton.hpp), phi_m the squares of eta and of its differences, weighed by the sensitivity of the data;
// beta starts at ten times the ratio of the largest eigenvalues and falls by 2 until chi2 = 1.
// Errors: Error{data} where no datum has a standard deviation, Error{config} from the norms.
#pragma once

#include <vector>

#include "autodiff/linear_map.hpp"
#include "engine/problem.hpp"

namespace terrane {

struct IpOptions {
  double target_chi2 = 1;
  double smallness = 0.01;  // beside 1 for the differences per cell
  int iterations = 40;
  std::uint64_t seed = 0;
};

struct IpResult {
  std::vector<double> chargeability;  // (nz, ny, nx)
  std::vector<double> predicted;      // (datum)
  double chi2 = 0, start_chi2 = 0;    // start: eta = 0
  Index iterations = 0;
};

// Of problem.ip; model: of problem.grid, as its property holds it.
IpResult invert_chargeability(const Problem& problem, const std::vector<double>& model, const IpOptions& options,
                              int threads);

// G at `model`; in two dimensions by its rows, in three by a tangent or an adjoint for each product, at the solutions
// of all poles. On a stream of the CPU, which must outlive the map.
LinearMap<double> chargeability_map(Stream& s, const Problem& problem, const std::vector<double>& model);

// G (data, cells), row-major; two dimensions.
std::vector<double> chargeability_kernel(Stream& s, const Problem& problem, const std::vector<double>& model);

}  // namespace terrane
