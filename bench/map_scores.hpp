// SPDX-License-Identifier: MIT
// Maps of the two families that the generator benchmarks learn.
#pragma once

#include <algorithm>
#include <array>
#include <string>

#include "engine/diffusion/snap.hpp"
#include "engine/evaluation/sample_scores.hpp"
#include "physics/geology/openfwi.hpp"

namespace terrane::bench {

inline constexpr std::array<const char*, 2> family_names{"flat-vel-a", "curve-vel-a"};

inline ModelSet family_maps(Stream& s, std::size_t family, std::uint64_t seed, Index count, Index size) {
  const GeologyBatch batch{*find_geology_family(family_names[family]), seed, 0, 1, count};
  GeologyOptions options;
  options.size = size;
  return {{size, 1, size}, geology_maps(s, batch, options)};
}

// How maps are processed and scored. Rows of 70 that a whole layer has at least, as thin as one of the families gets,
// and (m/s)^2 that one more value must save: both bring decoded training maps nearest to their originals.
struct MapScoring {
  double rows_of_70 = 9, penalty_mps2 = 600;
  Index network_steps = 0;  // of the networks that tell samples from maps; 0: none

  nlohmann::ordered_json of(Stream& s, const PrincipalScores& components, const ModelSet& training,
                            const ModelSet& real, const ModelSet& maps) const {
    nlohmann::ordered_json out = score_samples(s, components, training, real, maps);
    MapClassifierOptions network;
    network.steps = network_steps;
    if (network_steps > 0) out.update(network_scores(s, nullptr, -1, real, maps, network));
    return out;
  }
};

// Maps as they are ("NAME"), with few values each in layers that are not too thin ("NAME_snapped"), and sorted
// downwards before that ("NAME_sorted_snapped"): what post-processing changes.
inline void score_as_processed(Stream& s, const MapScoring& scoring, const PrincipalScores& components,
                               const ModelSet& training, const ModelSet& real, const ModelSet& maps,
                               const std::string& name, nlohmann::ordered_json& out) {
  out[name] = scoring.of(s, components, training, real, maps);
  const auto rows = static_cast<Index>(static_cast<double>(maps.extent[0]) * scoring.rows_of_70 / 70);
  const SnapOptions snap{.penalty_mps2 = scoring.penalty_mps2, .least_rows = std::max<Index>(1, rows)};
  ModelSet changed = maps;
  snap_layers(s, changed.values, maps.points(), maps.extent[0], snap);
  out[name + "_snapped"] = scoring.of(s, components, training, real, changed);
  changed = maps;
  sort_downwards(s, changed.values, maps.points(), maps.extent[0]);
  snap_layers(s, changed.values, maps.points(), maps.extent[0], snap);
  out[name + "_sorted_snapped"] = scoring.of(s, components, training, real, changed);
}

}  // namespace terrane::bench
