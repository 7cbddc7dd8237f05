// SPDX-License-Identifier: MIT
// How the CPU schedules of networks cut points into tiles and share them among threads (CPU kernel sources only).
// Chunks of tiles depend on the shapes alone, so that sums over chunks in order give the same bits for any threads.
#pragma once

#include <algorithm>

#if defined(_OPENMP)
#include <omp.h>
#endif

#include "kernels/mlp/tile_gemm.hpp"
#include "kernels/runtime/stream.hpp"

namespace terrane::TERRANE_BACKEND {

inline constexpr Index tiles_of_task = 4;  // of modes without a sum over points

// Cuts one allocation into 64-byte aligned pieces; with a null base it only counts.
template <class T>
struct Pieces {
  T* base = nullptr;
  Index used = 0;
  T* take(Index n) {
    T* p = base == nullptr ? nullptr : base + used;
    used += (n + 15) / 16 * 16;
    return p;
  }
};

// Tiles t of chunk c: [first_tile(c), first_tile(c + 1)), `tile` points each.
struct Chunks {
  Index points, tile, tiles, count;
  Index first_tile(Index c) const { return tiles * c / count; }
  Index rows(Index t) const { return std::min(tile, points - t * tile); }
};
inline Chunks task_chunks(Index points, Index tile) {
  const Index tiles = (points + tile - 1) / tile;
  return {points, tile, tiles, (tiles + tiles_of_task - 1) / tiles_of_task};
}
// Chunks that each own `bytes` of partial sums.
inline Chunks sum_chunks(Index points, Index tile, Index bytes) {
  constexpr Index most = 32, all_bytes = Index{64} << 20;
  const Index tiles = (points + tile - 1) / tile;
  return {points, tile, tiles, std::min({tiles, most, std::max<Index>(4, all_bytes / bytes)})};
}

inline Index workers(const Stream& s, Index chunks) { return std::max<Index>(1, std::min<Index>(s.threads(), chunks)); }

// task(chunk, slot): slot < workers() identifies the workspace.
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

// Rows of `columns` values into rows of `to_row`, zero beyond.
template <class T>
void load_rows(const T* from, Index rows, Index columns, T* to, Index to_row) {
  for (Index r = 0; r < rows; ++r) {
    for (Index c = 0; c < columns; ++c) to[r * to_row + c] = from[r * columns + c];
    for (Index c = columns; c < to_row; ++c) to[r * to_row + c] = T(0);
  }
}

// As pack_b of tile_gemm.hpp, for element(k, j) given by a functor that is defined for all columns.
template <class T, class Element>
void pack_elements(Index depth, Index columns, const Element& element, T* packed) {
  constexpr Index lanes = Simd<T>::lanes, panel = panel_columns<T>;
  for (Index j = 0; j < columns; j += panel) {
    const Index width = columns - j >= panel ? panel : lanes;
    T* out = packed + j * depth;
    for (Index k = 0; k < depth; ++k) {
      for (Index v = 0; v < width; ++v) out[k * width + v] = element(k, j + v);
    }
  }
}

}  // namespace terrane::TERRANE_BACKEND
