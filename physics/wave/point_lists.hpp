// SPDX-License-Identifier: MIT
// Sources or receivers of a survey as the lists that the wave kernels read (kernels/stencil/interpolate.hpp). Shots
// with equal positions share one list.
#pragma once

#include <algorithm>
#include <vector>

#include "kernels/runtime/buffer.hpp"
#include "kernels/stencil/wave_model.hpp"
#include "physics/survey.hpp"

namespace terrane {

struct CellWeight {
  Index cell = 0;  // of the padded grid
  double weight = 0;
  bool operator==(const CellWeight&) const = default;
};
using PointNodes = std::vector<std::vector<std::vector<CellWeight>>>;  // [list][location]: its cells

// Lists that differ, and the one that each shot uses.
template <class P>
struct DistinctLists {
  std::vector<std::vector<P>> lists;
  std::vector<std::size_t> of_shot;

  explicit DistinctLists(const std::vector<std::vector<P>>& shots) {
    for (const std::vector<P>& positions : shots) {
      const auto same = std::find(lists.begin(), lists.end(), positions);
      of_shot.push_back(static_cast<std::size_t>(same - lists.begin()));
      if (same == lists.end()) lists.push_back(positions);
    }
  }
};

template <class T>
class PointLists {
 public:
  PointLists() = default;
  PointLists(Stream& s, const PointNodes& lists, const std::vector<std::size_t>& of_shot);
  // scale multiplies every weight. Nodes outside the padded grid are dropped.
  PointLists(Stream& s, const Grid2& grid, const ModelFrame& frame, const std::vector<std::vector<Position>>& shots,
             double scale);
  const WavePoints<T>& points() const { return points_; }
  Index bytes() const {
    return (indices_.size() * static_cast<Index>(sizeof(Index))) + weights_.size() * static_cast<Index>(sizeof(T));
  }

 private:
  Buffer<Index> indices_;
  Buffer<T> weights_;
  WavePoints<T> points_;
};

}  // namespace terrane
