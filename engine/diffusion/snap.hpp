// SPDX-License-Identifier: MIT
// Post-processing of generated maps of layered families: a few values a map, rising downwards, as the maps of those
// families have. Both change the sample, so scores are reported before and after.
//
// The values of a map, in bins of 10 m/s, are divided into the k <= most intervals with the least
//   sum over pixels (v - centre of its interval)^2 + k penalty pixels
// (exactly, by dynamic programming over the bins), and every pixel takes the rounded centre of its interval. Order in a
// column is kept: what did not decrease does not decrease after it.
#pragma once

#include <vector>

#include "kernels/runtime/stream.hpp"

namespace terrane {

struct SnapOptions {
  int most = 8;               // values of a map
  double penalty_mps2 = 400;  // (m/s)^2 of mean square error that one more value must save
};

// Maps of `points` pixels each, in place. Error{config} for impossible options, Error{data} for values that are not
// finite.
void snap_layers(Stream& s, std::vector<float>& maps, Index points, const SnapOptions& options = {});

// Sorts the values of every column so that they rise with depth, for families whose velocities are sorted (FlatVel-A,
// CurveVel-A): what a decoder overshoots at an edge goes to the other side of it. Maps of `depth` rows, depth first;
// in place. Error{config} unless `points` are whole rows, Error{data} as above. Columns that rise are left as they are.
void sort_downwards(Stream& s, std::vector<float>& maps, Index points, Index depth);

}  // namespace terrane
