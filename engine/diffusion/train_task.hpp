// SPDX-License-Identifier: MIT
// Task "train-generator": a diffusion model of velocity models, on pixels or on the codes of an auto-decoder. Writes
// generator.safetensors (with decoder.safetensors for codes), generator.json (what `source` of task "generate" needs to
// know), progress.jsonl, checkpoints, contact.png, report.html and result.json with the scores of samples against the
// held-out models. A stopped run continues from its newest checkpoint with the bits of one that was not stopped.
#pragma once

#include "engine/run.hpp"

namespace terrane {

// Returns result.json. Error{data} models or a decoder that cannot be read or do not belong together, Error{diverged}
// training that diverges.
nlohmann::ordered_json train_generator_task(const Config& config, const RunOptions& options, bool continuing);

Forecast forecast_train_generator(const Config& config, const RunOptions& options);

}  // namespace terrane
