// SPDX-License-Identifier: MIT
// What task "train-generator" leaves: a generator, the decoder of its codes, and how to draw from them.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>

#include "engine/diffusion/conditions.hpp"
#include "engine/diffusion/latent.hpp"
#include "engine/diffusion/maps.hpp"

namespace terrane {

// Keys sampler, sampler_steps and guidance of a section "generator" or of generator.json.
SamplerOptions sampler_of_section(const nlohmann::ordered_json& section);

// What samples are told beside their family.
struct ToldConditions {
  std::vector<float> values;  // from condition_values(), for the network; empty: nothing
  PointValues wells;          // codes of samples are brought to these; empty: as the network drew them
  CodeSearch well_fit;
};

// A finished run of the task.
struct TrainedGenerator {
  Generator generator;
  std::optional<AutoDecoder> decoder;  // of codes
  Index size = 70;                     // pixels a side of the models that were learnt
  SamplerOptions sampler;              // as it was trained with
  ConditionLayout conditions;          // beside the family

  // Row of the table of families, -1 for "". Error{config} with the names that there are.
  int family(const std::string& name) const;
  // Models first, first + 1, ...: (count, size, size) in m/s, limited to `range`. A latent generator makes any size,
  // one of pixels that of its training: Error{config}.
  // `told`: of all of them.
  std::vector<float> models(Stream& s, const SamplerOptions& sampler, std::uint64_t seed, std::uint64_t first,
                            Index count, int family, Index size, const ToldConditions& told = {}) const;
};
// From the directory that task "train-generator" wrote, or a file in it. Error{data} naming the file.
TrainedGenerator read_trained_generator(const std::string& path);

}  // namespace terrane
