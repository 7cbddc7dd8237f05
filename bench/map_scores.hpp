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

// Maps as they are ("NAME"), with few values each and layers of at least 9 rows of 70, as thin as a whole layer of the
// families gets ("NAME_snapped"), and sorted downwards before that ("NAME_sorted_snapped"): what post-processing
// changes. Both numbers bring decoded training maps nearest to their originals.
inline void score_as_processed(Stream& s, const PrincipalScores& components, const ModelSet& training,
                               const ModelSet& real, const ModelSet& maps, const std::string& name,
                               nlohmann::ordered_json& out) {
  out[name] = score_samples(s, components, training, real, maps);
  const SnapOptions snap{.penalty_mps2 = 600, .least_rows = std::max<Index>(1, maps.extent[0] * 9 / 70)};
  ModelSet changed = maps;
  snap_layers(s, changed.values, maps.points(), maps.extent[0], snap);
  out[name + "_snapped"] = score_samples(s, components, training, real, changed);
  changed = maps;
  sort_downwards(s, changed.values, maps.points(), maps.extent[0]);
  snap_layers(s, changed.values, maps.points(), maps.extent[0], snap);
  out[name + "_sorted_snapped"] = score_samples(s, components, training, real, changed);
}

}  // namespace terrane::bench
