// SPDX-License-Identifier: MIT
// Errors of a model against problem.true_model, by name, for result.json. Errors of conductivities and resistivities
// are those of log10 of the value ("rmse_log10"), other ones have the suffix of the property ("rmse_mps").
#pragma once

#include <string>
#include <vector>

#include "engine/problem.hpp"

namespace terrane {

// MSE (of velocities, km^2/s^2), MAE, RMSE, relative L2 and the named SSIMs; in three dimensions SSIM is the mean over
// the sections (z, x) at all y, with the range of the whole true model.
Json model_errors(const std::vector<double>& model, const Problem& problem);

// RMSE alone, under the name that it has there ("rmse_mps").
struct NamedError {
  std::string name;
  double value;
};
NamedError model_rmse(const std::vector<double>& model, const Problem& problem);

// Inside the resolved score_region: RMSE, MAE, RMSE of the start model, correlation.
Json region_errors(const Json& region, const std::vector<double>& model, const Problem& problem);

// Body above a threshold (the resolved score_body), inside the region where there is one: overlap (IoU) with that of
// the true model, mean of the model and of its error inside the true body, angle of the principal axis of its largest
// connected part in degrees from +x, z down, and its dip where asked for.
Json body_errors(const Json& body, const Json& region, const std::vector<double>& model, const Problem& problem);

}  // namespace terrane
