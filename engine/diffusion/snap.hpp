// SPDX-License-Identifier: MIT
// Post-processing of generated maps of layered families: a few values a map, rising downwards, as the maps of those
// families have. Both change the sample, so scores are reported before and after.
//
// The values of a map, in bins of 10 m/s, are divided into the k <= most intervals with the least
//   sum over pixels (v - centre of its interval)^2 + k penalty pixels
// (exactly, by dynamic programming over the bins), and every pixel takes the rounded centre of its interval. Order in a
// column is kept: what did not decrease does not decrease after it. With least_rows = m > 1 every column takes the
// centres that leave the least squared error among those with runs of at least m equal rows (exactly, by dynamic
// programming down the column; the first and the last run, which the map may cut, are as short as they like): an edge
// that a decoder blurred over some rows becomes one step, where otherwise it would pass through the values of other
// layers.
#pragma once

#include <vector>

#include "kernels/runtime/stream.hpp"

namespace terrane {

struct SnapOptions {
  int most = 8;               // values of a map
  double penalty_mps2 = 400;  // (m/s)^2 of mean square error that one more value must save
  Index least_rows = 1;       // of a layer in a column
};

// Maps of `points` pixels each in `depth` rows, depth first; in place. Error{config} for impossible options,
// Error{data} for values that are not finite.
void snap_layers(Stream& s, std::vector<float>& maps, Index points, Index depth, const SnapOptions& options = {});

// Sorts the values of every column so that they rise with depth, for families whose velocities are sorted (FlatVel-A,
// CurveVel-A): what a decoder overshoots at an edge goes to the other side of it. Maps and errors as above. Columns
// that rise are left as they are.
void sort_downwards(Stream& s, std::vector<float>& maps, Index points, Index depth);

}  // namespace terrane
