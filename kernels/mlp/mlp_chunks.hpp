// SPDX-License-Identifier: MIT
// Size of a tile of the CPU schedule of the network (CPU kernel sources only). It depends on the shapes alone.
#pragma once

#include <algorithm>

#include "kernels/mlp/mlp_tile.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {

// Points of a tile: so many that what is kept of them fills about half of a second-level cache of 1 MB.
template <class T>
Index tile_points(const MlpShape& shape, bool keep) {
  constexpr Index most = 112, least = 84, cache_bytes = Index{448} << 10;
  Index bytes = 0;
  for (int l = 0; l < shape.layers; ++l) {
    bytes += (keep ? 2 : 1) * row_length<T>(shape.layer[l].n_out) * static_cast<Index>(sizeof(T));
  }
  const Index fitting = cache_bytes / bytes / register_rows * register_rows;
  return std::clamp(fitting, least, most);
}

}  // namespace terrane::TERRANE_BACKEND
