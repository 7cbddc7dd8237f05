// SPDX-License-Identifier: MIT
// Task "train-generator": a diffusion model of velocity models, on pixels or on the codes of an auto-decoder. Writes
// generator.safetensors (with decoder.safetensors for codes), generator.json (what `source` of task "generate" needs to
// know), progress.jsonl, checkpoints, contact.png, report.html and result.json with the scores of samples against the
// held-out models. A stopped run continues from its newest checkpoint with the bits of one that was not stopped.
#pragma once

#include <optional>

#include "engine/diffusion/latent.hpp"
#include "engine/diffusion/maps.hpp"
#include "engine/run.hpp"

namespace terrane {

// Returns result.json. Error{data} models or a decoder that cannot be read or do not belong together, Error{diverged}
// training that diverges.
nlohmann::ordered_json train_generator_task(const Config& config, const RunOptions& options, bool continuing);

Forecast forecast_train_generator(const Config& config);

// A finished run of the task.
struct TrainedGenerator {
  Generator generator;
  std::optional<AutoDecoder> decoder;  // of codes
  Index size = 70;                     // pixels a side of the models that were learnt
  SamplerOptions sampler;              // as it was trained with

  // Row of the table of families, -1 for "". Error{config} with the names that there are.
  int family(const std::string& name) const;
  // Models first, first + 1, ...: (count, size, size) in m/s, limited to `range`. A latent generator makes any size,
  // one of pixels that of its training: Error{config}.
  std::vector<float> models(Stream& s, const SamplerOptions& sampler, std::uint64_t seed, std::uint64_t first,
                            Index count, int family, Index size) const;
};
// From a directory that task "train-generator" wrote. Error{data} naming the file.
TrainedGenerator read_trained_generator(const std::string& directory);

}  // namespace terrane
