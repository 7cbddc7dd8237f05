// SPDX-License-Identifier: MIT
// Sources or receivers of a survey as the lists that the wave kernels read (kernels/stencil/interpolate.hpp). Shots
// with equal positions share one list.
#pragma once

#include <algorithm>
#include <vector>

#include "kernels/runtime/buffer.hpp"
#include "kernels/stencil/wave_model.hpp"
#include "physics/survey.hpp"
#include "physics/survey3.hpp"

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

inline Index row_of(const InterpolationNode&) { return 0; }
inline Index row_of(const InterpolationNode3& node) { return node.y; }

template <class AnyGrid, class P>
PointNodes point_nodes(const AnyGrid& grid, const ModelFrame& f, const std::vector<std::vector<P>>& lists,
                       double scale) {
  PointNodes all;
  for (const std::vector<P>& positions : lists) {
    all.emplace_back();
    for (const P& position : positions) {
      std::vector<CellWeight>& nodes = all.back().emplace_back();
      for (const auto& node : interpolation_nodes(grid, position, f.free_surface)) {
        const Index z = node.z + f.z.before, y = row_of(node) + f.y.before, x = node.x + f.x.before;
        if (z < 0 || z >= f.z.cells || y < 0 || y >= f.y.cells || x < 0 || x >= f.x.cells) continue;
        nodes.push_back({z * f.plane + y * f.pitch + x, scale * node.weight});
      }
    }
  }
  return all;
}

template <class T>
class PointLists {
 public:
  PointLists() = default;
  PointLists(Stream& s, const PointNodes& lists, const std::vector<std::size_t>& of_shot);
  // Positions of each shot (P: Position on a Grid2, Point3 on a Grid3). scale multiplies every weight; nodes outside
  // the padded grid are dropped.
  template <class AnyGrid, class P>
  PointLists(Stream& s, const AnyGrid& grid, const ModelFrame& frame, const std::vector<std::vector<P>>& shots,
             double scale) {
    const DistinctLists<P> distinct(shots);
    *this = PointLists(s, point_nodes(grid, frame, distinct.lists, scale), distinct.of_shot);
  }
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
