// SPDX-License-Identifier: MIT
// How the CPU schedule of the network cuts points into tiles and shares chunks of tiles among threads (CPU kernel
// sources only). All numbers depend on the shapes alone, so that sums over chunks in order do not depend on threads.
#pragma once

#include <algorithm>
#include <vector>

#if defined(_OPENMP)
#include <omp.h>
#endif

#include "kernels/mlp/mlp_tile.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {

inline constexpr Index forward_tiles = 4;  // tiles a task of the forward mode

struct Chunks {
  Index points, tile, tiles, count;
  Index first_tile(Index c) const { return tiles * c / count; }
  Index rows(Index t) const { return std::min(tile, points - t * tile); }
};

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

inline Chunks forward_chunks(Index n, Index tile) {
  const Index tiles = (n + tile - 1) / tile;
  return {n, tile, tiles, (tiles + forward_tiles - 1) / forward_tiles};
}

inline Index workers(const Stream& s, Index chunks) { return std::max<Index>(1, std::min<Index>(s.threads(), chunks)); }

// task(chunk, slot): slot < workers identifies the workspace.
template <class F>
void for_each_chunk(Stream& s, Index chunks, const F& task) {
#if defined(_OPENMP)
#pragma omp parallel num_threads(static_cast <int>(workers(s, chunks))) if (workers(s, chunks) > 1)
  {
    const Index slot = omp_get_thread_num();
#pragma omp for schedule(dynamic, 1)
    for (Index c = 0; c < chunks; ++c) task(c, slot);
  }
#else
  (void)s;
  for (Index c = 0; c < chunks; ++c) task(c, Index{0});
#endif
}

}  // namespace terrane::TERRANE_BACKEND
