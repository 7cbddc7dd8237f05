// SPDX-License-Identifier: MIT
// An inversion repeated with other initial weights: the section "ensemble" of task "invert". The members share data and
// noise (the seed of the config); their fields start from the seeds of the list. Each runs in members/seed-N and is
// kept when the ensemble is continued.
//
// Written beside them: model.npy, the mean of the members' models (of their logarithms for log-conductivity);
// model_std.npy (z, x) float64, their standard deviation (n - 1; of ln for log-conductivity); start, true and reference
// models, data_observed.npy, data_predicted.npy of the mean; report.html; result.json with the errors of the mean and
// of each member, and, where the true model is known, "within": the part of the nodes whose true value lies within one
// and two standard deviations of the mean (68 and 95 % for a Gaussian that is right).
#pragma once

#include "engine/run.hpp"

namespace terrane {

nlohmann::ordered_json ensemble(const Config& config, const RunOptions& options, bool continuing);

// The members one after the other.
Forecast forecast_ensemble(const Config& config, const RunOptions& options);

}  // namespace terrane
