// SPDX-License-Identifier: MIT
// `terrane analyze`: why a field behaves as it does, for a finished run or for a config before any run.
//
//   svd         J_f = dm/dtheta (nodes x parameters): singular values, left singular vectors as images, their
//               wavenumbers
//   ntk         K = J_f J_f^T: eigenvalues (squares of the above), effective ranks, decay; of a run also the drift
//               ||K - K_0|| / ||K_0|| (Frobenius) of the kept weights from the initial ones
//   kernels     J = dd/dm: sensitivity kernel J^T e_i of data, its neural form K J^T e_i, gradient and its neural form
//               by wavenumber, the largest eigenvalues of the wave kernel W J J^T W and of the wave tangent kernel
//               W J K J^T W (W = 1 / std where the data have it), mean frequency of their vectors, and the part of the
//               residual that the leading vectors hold
//   resolution  model resolution, posterior standard deviation and point spreads (analysis/resolution.hpp) with a white
//               prior and with that of the field, K; noise from the data, else from the residual of the run
// m is what the property of the field holds (ln sigma for log-conductivity); the start model, bounds and masks of the
// config enter through the output map only. svd and ntk are computed in double precision, kernels and resolution in
// that of the config.
//
// Writes spectrum.json, *.npy (names in spectrum.json), figures and report.html. Errors: Error{config} a request out of
// range or a config without a field, Error{data} a directory without weights or without that checkpoint, Error{budget}
// a kernel that does not fit the memory.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "engine/run.hpp"

namespace terrane {

struct AnalyzeRequest {
  std::string what;             // one of analysis_names()
  std::string source;           // directory of a run, or a config
  Index at = -1;                // weights of this checkpoint; -1: the final ones, or the initial ones of a config
  Index top = 16;               // vectors of svd and ntk, eigenvalues of the others
  std::string method = "auto";  // of svd, ntk: dense, lanczos; auto: dense up to 4096 nodes
  // Of kernels: data by number, or the strongest sample of the trace (shot, receiver); both empty: three, spread over
  // the survey.
  std::vector<Index> data;
  std::vector<std::pair<Index, Index>> pairs;
  double prior_std = 0;  // of resolution, in units of the property; 0: 10 % of the model's rms, 1 for logarithms
  std::vector<std::string> sets;
};

std::vector<std::string> analysis_names();

// Returns spectrum.json.
nlohmann::ordered_json analyze(const AnalyzeRequest& request, const RunOptions& options);

}  // namespace terrane
