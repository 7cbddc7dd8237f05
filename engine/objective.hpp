// SPDX-License-Identifier: MIT
// Misfit and regularizer sections of a config as terms on a tape.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "autodiff/tape.hpp"
#include "engine/property.hpp"
#include "physics/grid3.hpp"

namespace terrane {

// What the weights of a misfit are taken from.
struct DataScale {
  double rms = 1;                // of all observed samples with weight
  Index samples = 1;             // of a batch
  Index traces = 1;              // of a batch
  double survey_over_batch = 1;  // shots of the survey over shots of the batch
};

// Share of the correlation in the misfit "weci" at `progress` in [0, 1] of its stage; 0 for every other type.
double weci_share(const nlohmann::ordered_json& misfit, double progress);

// phi_data (1) from predicted and observed data (shots, receivers, nt). `weights`: same shape or invalid (all 1).
// `share` (1), of "weci" only: an input that holds weci_share(); invalid: its value half way.
template <class T>
Var record_misfit(Tape<T>& tape, const nlohmann::ordered_json& misfit, Var predicted, Var observed, Var weights,
                  const DataScale& scale, Var share = {});

// Names the data weights that a misfit needs beside a mask: "trace" normalisation.
bool needs_trace_weights(const nlohmann::ordered_json& misfit);

// Does the misfit divide by the standard deviation of the data?
bool needs_std(const nlohmann::ordered_json& misfit);

// One weighted penalty (1) on model / penalty unit of the property, shape of the grid; `start` is the model that order
// 0 refers to.
template <class T>
Var record_regularizer(Tape<T>& tape, const nlohmann::ordered_json& regularizer, const Grid3& grid,
                       const PropertyInfo& property, Var model, Var start);

// beta of the resolved trade_off at an iteration, counted over all stages: phi = (1 - beta) misfit + beta regularizers.
double trade_off_beta(const nlohmann::ordered_json& trade_off, Index iteration);

}  // namespace terrane
