// SPDX-License-Identifier: MIT
#include "engine/evaluation/sample_scores.hpp"

#include <algorithm>
#include <cmath>

#include "engine/evaluation/map_geometry.hpp"
#include "engine/evaluation/two_sample.hpp"

namespace terrane {

namespace {

// JSD of two histograms of that many maps; null where one has fewer than ten.
nlohmann::ordered_json if_enough(Index m, Index n, const std::vector<double>& p, const std::vector<double>& q) {
  if (std::min(m, n) < 10) return nullptr;
  return jensen_shannon(p, q);
}

}  // namespace

PrincipalScores leading_components(Stream& s, const ModelSet& training) {
  constexpr Index most = 64;
  return {s, training, std::min({most, training.count() - 1, training.points()})};
}

nlohmann::ordered_json score_samples(Stream& s, const PrincipalScores& components, const ModelSet& training,
                                     const ModelSet& real, const ModelSet& sample) {
  const Features x = components.of(s, real), g = components.of(s, sample);
  const MmdResult m = mmd(s, x, g, 100, 1);
  const Prdc p = prdc(s, x, g);
  const MapStatistics a = map_statistics(real), b = map_statistics(sample);
  const MapGeometry y = map_geometry(sample), z = map_geometry(real);
  const Memorisation near = memorisation(s, training, real, sample);
  const Features x_bands = cosine_band_energies(s, real), g_bands = cosine_band_energies(s, sample);
  const MmdResult bands = mmd(s, x_bands, g_bands, 100, 1);
  double depth = 0;
  for (std::size_t i = 0; i < a.depth_mean.size(); ++i) depth += std::pow(a.depth_mean[i] - b.depth_mean[i], 2);
  return {{"mmd2", m.value},
          {"mmd2_permutation_sd", m.deviation},
          {"frechet", frechet_distance(s, x, g)},
          {"precision", p.precision},
          {"recall", p.recall},
          {"density", p.density},
          {"coverage", p.coverage},
          {"c2st_auc", classifier_auc(s, x, g)},
          {"bands_mmd2", bands.value},
          {"bands_mmd2_permutation_sd", bands.deviation},
          {"bands_frechet", frechet_distance(s, x_bands, g_bands)},
          {"bands_c2st_auc", classifier_auc(s, x_bands, g_bands)},
          {"monotone_columns", b.monotone_columns},
          {"monotone_columns_50_mps", map_statistics(sample, 50).monotone_columns},
          {"distinct_values", b.distinct_values},
          {"row_deviation_mps", b.row_deviation},
          {"layer_deviation_mps", b.layer_deviation},
          {"gamma_z_1", b.gamma_z[0]},
          {"gamma_z_relative_l1", variogram_difference(b.gamma_z, a.gamma_z)},
          {"gamma_x_relative_l1", variogram_difference(b.gamma_x, a.gamma_x)},
          {"marginal_jsd", jensen_shannon(b.values, a.values)},
          {"jumps_jsd", jensen_shannon(b.jumps, a.jumps)},
          {"thickness_jsd", jensen_shannon(b.thickness, a.thickness)},
          {"steps_jsd", jensen_shannon(b.steps, a.steps)},
          {"transitions", transition_difference(b.transitions, a.transitions)},
          {"fault_share", y.fault_share},
          {"dip_jsd", if_enough(y.faults, z.faults, y.dip, z.dip)},
          {"throw_jsd", if_enough(y.throws, z.throws, y.throw_px, z.throw_px)},
          {"interface_share", y.interface_share},
          {"interface_range_px", y.interface_range_px},
          {"interface_power_jsd", if_enough(y.interfaces, z.interfaces, y.interface_power, z.interface_power)},
          {"depth_mean_rms_mps", std::sqrt(depth / static_cast<double>(a.depth_mean.size()))},
          {"nearest_ratio", near.ratio},
          {"too_close", near.too_close}};
}

nlohmann::ordered_json network_scores(Stream& s, MapClassifier* families, int row, const ModelSet& real,
                                      const ModelSet& sample, const MapClassifierOptions& options) {
  nlohmann::ordered_json out = {{"network_c2st_auc", network_auc(s, real, sample, options)}};
  if (families == nullptr) return out;
  const Features x = families->features(real), g = families->features(sample);
  const MmdResult m = mmd(s, x, g, 100, 1);
  out["network_mmd2"] = m.value;
  out["network_mmd2_permutation_sd"] = m.deviation;
  out["network_frechet"] = frechet_distance(s, x, g);
  if (row >= 0) {
    out["family_accuracy"] =
        families->accuracy(sample, std::vector<int>(static_cast<std::size_t>(sample.count()), row));
  }
  return out;
}

nlohmann::ordered_json score_samples(Stream& s, const ModelSet& training, const ModelSet& real,
                                     const ModelSet& sample) {
  return score_samples(s, leading_components(s, training), training, real, sample);
}

}  // namespace terrane
