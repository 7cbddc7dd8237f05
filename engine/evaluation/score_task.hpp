// SPDX-License-Identifier: MIT
// Task "score": any folder of velocity maps against held-out models of the same rules or the same file. Every set of
// the folder is compared with the models of its family. Of n maps each: samples against one half of the held-out
// models, and beside it the floor, the other half against the first: what samples without a fault would get. Writes
// result.json, contact.png and report.html.
#pragma once

#include "engine/run.hpp"

namespace terrane {

// Returns result.json. Error{data} naming the file for maps that cannot be read or are of another size than the models,
// Error{config} for a family that "models" does not have and for less than 16 maps or 32 held-out models of a family.
nlohmann::ordered_json score_task(const Config& config, const RunOptions& options);

Forecast forecast_score(const Config& config, const RunOptions& options);

}  // namespace terrane
