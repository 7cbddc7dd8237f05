// SPDX-License-Identifier: MIT
// Statistics of velocity maps (count, height, width) in m/s: features for two_sample.hpp, what a geologist would
// count, and how close generated maps are to those of the training.
//
//   jumps        changes above 25 m/s between neighbouring rows of a column
//   thickness    rows between jumps, the outermost layers left out
//   gamma_z(h)   half of the mean of (v(z + h) - v(z))^2; gamma_x(h) alike: the variogram, (m/s)^2
//   transitions  joint frequencies of the bins (of 375 m/s from 1500) of v(z) and v(z + h), from which a transiogram
//                t_ab(h) = P(b at z + h | a at z) follows
//   JSD          Jensen-Shannon divergence of two histograms in nats, 0 to log 2
#pragma once

#include <array>
#include <vector>

#include "engine/compression/auto_decoder_train.hpp"
#include "engine/evaluation/two_sample.hpp"

namespace terrane {

// Scores of the leading principal components of (v - 1500) / 3000, fitted on one set.
class PrincipalScores {
 public:
  // rank is at most the number of maps less one and the number of pixels; it falls to the number of directions in which
  // the maps differ.
  PrincipalScores(Stream& s, const ModelSet& fit, Index rank);
  Features of(Stream& s, const ModelSet& maps) const;
  Index rank() const { return rank_; }

 private:
  Index rank_, points_;
  std::vector<double> mean_;
  std::vector<double> vectors_;  // (rank, points)
};

// log(1e-8 + mean square) of the coefficients of the orthonormal two-dimensional cosine transform of (v - 1500) / 3000
// in 24 bands: max(k_z, k_x) in eight geometric steps from 1 to the pixels a side, each in three directions (k_x <= k_z
// / 2, between, k_z <= k_x / 2); bands without a coefficient, of small maps, are left out. Features for two_sample.hpp:
// a blur of a pixel, which the principal components hardly see, moves the last ones.
Features cosine_band_energies(Stream& s, const ModelSet& maps);

inline constexpr std::array<Index, 6> variogram_lags{1, 2, 4, 8, 16, 32};
inline constexpr std::array<Index, 4> transition_lags{1, 2, 4, 8};
inline constexpr Index transition_bins = 8;

struct MapStatistics {
  double mean = 0, deviation = 0;  // m/s
  double monotone_columns = 0;     // share of columns whose steps downwards are at least -tolerance
  double distinct_values = 0;      // mean over maps of values that differ after rounding to 1 m/s
  double row_deviation = 0;        // mean over rows of the deviation within a row, m/s
  double layer_deviation = 0;      // root mean square step between rows that is no jump, m/s
  std::vector<double> jumps;       // share of columns with 0, 1, ... 11 jumps or more
  std::vector<double> thickness;   // share of inner layers of 1, 2, ... rows
  std::vector<double> steps;       // share of jumps in bins of 100 m/s, by absolute value
  std::vector<double> values;      // share of pixels in 60 bins of 1500 to 4500 m/s, the rest in the outer ones
  std::vector<double> depth_mean;  // by row, m/s
  std::array<double, 6> gamma_z{}, gamma_x{};  // at variogram_lags; 0 where the map is smaller
  std::vector<double> transitions;             // (lag, bin of v(z), bin of v(z + h)); 0 where the map is smaller
};
// tolerance_mps: what still counts as monotone.
MapStatistics map_statistics(const ModelSet& maps, double tolerance_mps = 5);

double jensen_shannon(const std::vector<double>& p, const std::vector<double>& q);
// Mean over the lags where b is not 0 of |a - b| / b.
double variogram_difference(const std::array<double, 6>& a, const std::array<double, 6>& b);
// Mean over the lags of sum_a p_b(a) 1/2 sum_c |t_ac of a - t_ac of b|, p_b(a) the share of bin a in b: 0 to 1, the
// probability by which the next value differs.
double transition_difference(const std::vector<double>& a, const std::vector<double>& b);

struct Memorisation {
  double ratio = 0;     // median over g of the distance to the nearest training map, over the same of fresh real maps
  Index too_close = 0;  // g closer than a quarter of the 1 % quantile of the fresh ones
};
// Distances are root mean square differences in m/s.
Memorisation memorisation(Stream& s, const ModelSet& training, const ModelSet& fresh, const ModelSet& generated);

}  // namespace terrane
