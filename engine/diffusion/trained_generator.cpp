// SPDX-License-Identifier: MIT
#include "engine/diffusion/trained_generator.hpp"

#include <algorithm>

#include "engine/diffusion/latent.hpp"
#include "engine/io/file.hpp"
#include "engine/io/text.hpp"
#include "engine/json_value.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

constexpr double least_mps = 1500, most_mps = 4500;

}  // namespace

SamplerOptions sampler_of_section(const Json& section) {
  SamplerOptions o;
  o.kind = sampler_of(section.at("sampler").get<std::string>());
  o.steps = section.at("sampler_steps");
  o.guidance = section.at("guidance");
  // Noise prediction needs a limit: almost nothing of the data is left at the late times.
  if (o.kind == SamplerKind::ancestral || o.kind == SamplerKind::ddim) o.clip = 1;
  return o;
}

int TrainedGenerator::family(const std::string& name) const {
  if (name.empty()) return -1;
  const auto& names = generator.families;
  const auto at = std::find(names.begin(), names.end(), name);
  if (at != names.end()) return static_cast<int>(at - names.begin());
  throw Error(ErrorCode::config, names.empty() ? "this generator was trained without families"
                                               : "\"" + name + "\" is not one of the families " + join_words(names));
}

std::vector<float> TrainedGenerator::models(Stream& s, const SamplerOptions& options, std::uint64_t seed,
                                            std::uint64_t first, Index count, int row, Index pixels,
                                            const ToldConditions& told) const {
  SampleConditions conditions;
  for (Index k = 0; k < count && !told.values.empty(); ++k) {
    conditions.condition.insert(conditions.condition.end(), told.values.begin(), told.values.end());
  }
  if (row >= 0) conditions.family.assign(static_cast<std::size_t>(count), row);
  std::vector<float> values;
  if (decoder) {
    DecoderWindow window;
    window.extent = {pixels, 1, pixels};
    std::vector<float> codes = sample_codes(s, generator, *decoder, options, seed, first, count, conditions);
    if (!told.wells.vp_mps.empty()) codes = fit_codes_at(s, *decoder, told.wells, codes, told.well_fit);
    values = decode_models(s, *decoder, codes, window);
  } else {
    if (pixels != size) {
      throw Error(ErrorCode::config, "this generator makes maps of " + std::to_string(size) + " x " +
                                         std::to_string(size) + " pixels alone");
    }
    MapOptions map;
    const UnetShape& f = std::get<UnetShape>(generator.network.kind());
    map.height = f.height;
    map.width = f.width;
    values = cropped_maps(sample(s, generator, options, seed, first, count, conditions), size, size, map);
  }
  for (float& v : values) v = std::clamp(v, static_cast<float>(least_mps), static_cast<float>(most_mps));
  return values;
}

TrainedGenerator read_trained_generator(const std::string& path) {
  const std::string directory = directory_of(path);
  const std::string file = directory + "/generator.json";
  TrainedGenerator t{read_generator(directory + "/generator.safetensors"), std::nullopt, 70, {}, {}};
  try {
    const Json j = Json::parse(read_file(file));
    t.size = j.at("size");
    t.sampler = sampler_of_section(j);
    if (j.contains("conditions")) t.conditions = condition_layout(j.at("conditions"), file);
    if (j.at("type") == "latent-flow") t.decoder = read_decoder(directory + "/decoder.safetensors");
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::data, e.what(), file);
  }
  return t;
}

}  // namespace terrane
