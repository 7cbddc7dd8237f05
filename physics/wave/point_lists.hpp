// SPDX-License-Identifier: MIT
// Sources or receivers of a survey as the lists that the wave kernels read (kernels/stencil/interpolate.hpp). Shots
// with equal positions share one list.
#pragma once

#include "kernels/runtime/buffer.hpp"
#include "kernels/stencil/wave_model.hpp"
#include "physics/survey.hpp"

namespace terrane {

template <class T>
class PointLists {
 public:
  PointLists() = default;
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
