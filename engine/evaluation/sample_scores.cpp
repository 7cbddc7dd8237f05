// SPDX-License-Identifier: MIT
#include "engine/evaluation/sample_scores.hpp"

#include <algorithm>

#include "engine/evaluation/two_sample.hpp"

namespace terrane {

nlohmann::ordered_json score_samples(Stream& s, const PrincipalScores& components, const ModelSet& training,
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

nlohmann::ordered_json score_samples(Stream& s, const ModelSet& training, const ModelSet& real,
                                     const ModelSet& sample) {
  constexpr Index most = 64;
  const PrincipalScores components(s, training, std::min({most, training.count() - 1, training.points()}));
  return score_samples(s, components, training, real, sample);
}

}  // namespace terrane
