// SPDX-License-Identifier: MIT
// Task "generate": velocity maps in the layout of engine/geology_set.hpp below the output directory, with
// manifest.json (every map can be made again from it), contact.png (the first maps of every family) and result.json.
#pragma once

#include "engine/run.hpp"

namespace terrane {

// Returns result.json. Error{config} for impossible options, Error{stopped} after a signal: complete files stay,
// without a manifest.
nlohmann::ordered_json generate_task(const Config& config, const RunOptions& options);

Forecast forecast_generate(const Config& config, const RunOptions& options);

}  // namespace terrane
