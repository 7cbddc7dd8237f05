// SPDX-License-Identifier: MIT
// Task "analyze": why a field behaves as it does, for a finished run or for a config before any run.
//
//   svd         J_f = dm/dtheta (nodes x parameters): singular values, left singular vectors as images, their
//               wavenumbers; on request the worst differences from those of another program
//   ntk         K = J_f J_f^T: eigenvalues (squares of the above), effective ranks, decay; of a run also the drift
//               ||K - K_0|| / ||K_0|| (Frobenius) of the kept weights from the initial ones
//   kernels     J = dd/dm: sensitivity kernel J^T e_i of data, its neural form K J^T e_i, gradient and its neural form
//               by wavenumber, the largest eigenvalues of the wave kernel W J J^T W and of the wave tangent kernel
//               W J K J^T W (W = 1 / std where the data have it), mean frequency of their vectors, and the part of the
//               residual that the leading vectors hold
//   resolution  model resolution, posterior standard deviation and point spreads (analysis/resolution.hpp) with a white
//               prior and with that of the field, K; noise from the data, else from the residual of the run
//   suggest     the value of a setting of the field (omega_0, ...) whose tangent kernel, before any step, best passes
//               the wavenumbers that the data see at the start model; writes suggested.json, a patch for the config
// m is what the property of the field holds (ln sigma for log-conductivity); the start model, bounds and masks of the
// config enter through the output map only. svd and ntk are computed in double precision, kernels and resolution in
// that of the config.
//
// One analysis with one set of weights writes spectrum.json, *.npy (names in spectrum.json), figures and report.html
// into the output directory; several of them into <type>, or <type>-<iteration>, below it. Errors: Error{config} a
// request out of range or a config without a field, Error{data} a directory without weights or without that checkpoint,
// Error{budget} a kernel that does not fit the memory.
#pragma once

#include <string>
#include <vector>

#include "engine/run.hpp"

namespace terrane {

// Returns result.json, whose "analyses" are the spectrum.json of all.
nlohmann::ordered_json analyze(const Config& config, const RunOptions& options);

// The section "analyses" of an inversion that has just ended in options.out_dir, into its folder analysis/.
void analyze_run(const Config& config, const RunOptions& options);

// The section "analyses" of a config of task "invert" on its initial weights, before any step: result.json as above.
nlohmann::ordered_json analyze_start(const Config& config, const RunOptions& options);

Forecast forecast_analysis(const Config& config, const RunOptions& options);
Forecast forecast_analyses_of(const Config& config, const RunOptions& options);  // analyze_start

}  // namespace terrane
