// SPDX-License-Identifier: MIT
// Sources and receivers on a grid: d_l = sum_j weight_lj u(cell_lj), and its transpose u(cell) += sum_l weight_lj s_l.
// The transpose is stored by touched cell, so that it is a gather: one owner a cell, fixed order of summation.
#pragma once

#include "kernels/runtime/hd.hpp"

namespace terrane {

inline constexpr int point_rows =
    8;  // rows that the cells of a location span, at most; the first cell is in the top row
        // unless rows above a free surface were folded down, then all are in the top rows

// Lists in device memory. Cells are z pitch + x; locations count within the shot.
template <class T>
struct WavePoints {
  Index per_shot = 0;            // traces of a shot in the data; shots with fewer leave the rest zero
  Index most_touched = 0;        // largest touch_count
  const Index* first = nullptr;  // (survey shots): first location
  const Index* count = nullptr;  // (survey shots)
  const Index* start = nullptr;  // (locations + 1): range in cell, weight
  const Index* cell = nullptr;
  const T* weight = nullptr;
  const Index* touch_first = nullptr;     // (survey shots): first touched cell
  const Index* touch_count = nullptr;     // (survey shots)
  const Index* touch_cell = nullptr;      // (touched cells)
  const Index* touch_start = nullptr;     // (touched cells + 1): range in touch_location, touch_weight
  const Index* touch_location = nullptr;  // location within the shot
  const T* touch_weight = nullptr;

  // Value at location l (counted over all shots); u points at cell (0, 0).
  TERRANE_HD T record(const T* u, Index l) const {
    T sum = 0;
    for (Index j = start[l]; j < start[l + 1]; ++j) sum += weight[j] * u[cell[j]];
    return sum;
  }
  // Sample n of the traces of a shot; stride: samples of a trace, 0 where one trace serves all.
  TERRANE_HD const T* sample(const T* traces, Index stride, Index shot, Index n) const {
    return traces + (stride > 0 ? shot * per_shot * stride : 0) + n;
  }
  // Sum over the locations of touched cell k; value(l) = values[l stride].
  TERRANE_HD T gather(Index k, const T* values, Index stride) const {
    T sum = 0;
    for (Index j = touch_start[k]; j < touch_start[k + 1]; ++j) {
      sum += touch_weight[j] * values[touch_location[j] * stride];
    }
    return sum;
  }
};

}  // namespace terrane
