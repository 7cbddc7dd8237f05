// SPDX-License-Identifier: MIT
// Task "compress": trains a codec on a set of models and writes decoder.safetensors, latents.lat (the codes of the
// training models, entropy coded), progress.jsonl (a line an epoch), checkpoints and result.json; with held-out models
// also held_out.lat. A stopped run continues from its newest checkpoint with the bits of one that was not stopped.
#pragma once

#include "engine/run.hpp"

namespace terrane {

// Returns result.json. Error{data} models that cannot be read, Error{diverged} training that diverges.
nlohmann::ordered_json compress_task(const Config& config, const RunOptions& options, bool continuing);

Forecast forecast_compress(const Config& config, const RunOptions& options);

}  // namespace terrane
