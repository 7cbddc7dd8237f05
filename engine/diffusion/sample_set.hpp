// SPDX-License-Identifier: MIT
// A folder of samples of a trained generator, in the layout of engine/geology_set.hpp.
#pragma once

#include <string>
#include <vector>

#include "engine/diffusion/trained_generator.hpp"
#include "engine/geology_set.hpp"
#include "engine/json_value.hpp"

namespace terrane {

// Section "source" of task "generate" with type "generator"; null keys mean: as trained.
struct SampleSource {
  std::string path;  // generator.safetensors of a finished run
  TrainedGenerator trained;
  SamplerOptions sampler{};
  std::string sampler_name{};
  std::vector<std::string> families{};  // {""} for a generator without families
  Index size = 70;                      // pixels a side
  Json wells{}, reflectivity{};         // keys as given
  ToldConditions told{};                // of every sample
  bool snap = false;                    // to a few constant layers
  Index snap_rows = 1;                  // of a layer in a column at least
  double snap_penalty = 400;            // (m/s)^2 that one more value must save
  bool ascending = false;               // velocities sorted downwards before that
};

// Error{data} naming the file, Error{config} for a family, sampler or size that the generator does not have.
SampleSource read_sample_source(const Json& source);

// Sample k of family f is number 2^40 f + k of the seed, whatever else is asked for. Of `options`: count, seed,
// seismic, directory, contact_sheet, stop and progress. Returns the manifest; errors as write_geology_set.
Json write_sample_set(Stream& s, const SampleSource& source, const GeologySetOptions& options);

}  // namespace terrane
