// SPDX-License-Identifier: MIT
// Statistics of velocity maps (count, height, width) in m/s: features for two_sample.hpp, what a geologist would
// count, and how close generated maps are to those of the training.
//
//   jumps        changes above 25 m/s between neighbouring rows of a column
//   thickness    rows between jumps, the outermost layers left out
//   gamma_z(h)   half of the mean of (v(z + h) - v(z))^2; gamma_x(h) alike: the variogram, (m/s)^2
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

inline constexpr std::array<Index, 6> variogram_lags{1, 2, 4, 8, 16, 32};

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
};
// tolerance_mps: what still counts as monotone.
MapStatistics map_statistics(const ModelSet& maps, double tolerance_mps = 5);

double jensen_shannon(const std::vector<double>& p, const std::vector<double>& q);
// Mean over the lags where b is not 0 of |a - b| / b.
double variogram_difference(const std::array<double, 6>& a, const std::array<double, 6>& b);

struct Memorisation {
  double ratio = 0;     // median over g of the distance to the nearest training map, over the same of fresh real maps
  Index too_close = 0;  // g closer than a quarter of the 1 % quantile of the fresh ones
};
// Distances are root mean square differences in m/s.
Memorisation memorisation(Stream& s, const ModelSet& training, const ModelSet& fresh, const ModelSet& generated);

}  // namespace terrane
