// SPDX-License-Identifier: MIT
// Maps of the two families that the generator benchmarks learn, and the scores of a set of samples.
#pragma once

#include <array>
#include <nlohmann/json.hpp>

#include "engine/evaluation/map_statistics.hpp"
#include "physics/geology/openfwi.hpp"

namespace terrane::bench {

inline constexpr std::array<const char*, 2> family_names{"flat-vel-a", "curve-vel-a"};

inline ModelSet family_maps(Stream& s, std::size_t family, std::uint64_t seed, Index count, Index size) {
  const GeologyBatch batch{*find_geology_family(family_names[family]), seed, 0, 1, count};
  GeologyOptions options;
  options.size = size;
  return {{size, 1, size}, geology_maps(s, batch, options)};
}

// sample against real maps of fresh seeds; training: for how close the samples come to it.
inline nlohmann::ordered_json scores(Stream& s, const PrincipalScores& components, const ModelSet& training,
                                     const ModelSet& real, const ModelSet& sample) {
  const Features x = components.of(s, real), g = components.of(s, sample);
  const MmdResult m = mmd(s, x, g, 100, 1);
  const Prdc p = prdc(s, x, g);
  const MapStatistics a = map_statistics(real), b = map_statistics(sample);
  const Memorisation near = memorisation(s, training, real, sample);
  return {{"mmd2", m.value},
          {"mmd2_permutation_sd", m.deviation},
          {"frechet", frechet_distance(s, x, g)},
          {"precision", p.precision},
          {"recall", p.recall},
          {"density", p.density},
          {"coverage", p.coverage},
          {"c2st_auc", classifier_auc(s, x, g)},
          {"monotone_columns", b.monotone_columns},
          {"monotone_columns_50_mps", map_statistics(sample, 50).monotone_columns},
          {"distinct_values", b.distinct_values},
          {"row_deviation_mps", b.row_deviation},
          {"gamma_z_1", b.gamma_z[0]},
          {"gamma_z_relative_l1", variogram_difference(b.gamma_z, a.gamma_z)},
          {"gamma_x_relative_l1", variogram_difference(b.gamma_x, a.gamma_x)},
          {"marginal_jsd", jensen_shannon(b.values, a.values)},
          {"jumps_jsd", jensen_shannon(b.jumps, a.jumps)},
          {"nearest_ratio", near.ratio},
          {"too_close", near.too_close}};
}

}  // namespace terrane::bench
