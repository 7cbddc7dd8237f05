// SPDX-License-Identifier: MIT
// Runs that belong to a larger one (rows of a table, members of an ensemble), each in a directory of its own.
#pragma once

#include <string>

#include "engine/run.hpp"

namespace terrane {

// result.json of a run that has ended well with this config; null: none.
nlohmann::ordered_json finished_result(const std::string& directory, const std::string& sha256);

// What executes a config.
using Execute = nlohmann::ordered_json (*)(const Config& config, const RunOptions& options);

// Continues the run in `directory` if it is one of this config, else starts; what belongs to another config is
// replaced. A failure or divergence gives {"status": "failed", "error": ...} and a warning; other errors are thrown.
nlohmann::ordered_json run_member(const Config& config, const std::string& directory, const RunOptions& options,
                                  const Log& log, const std::string& title, Execute execute);

}  // namespace terrane
