// SPDX-License-Identifier: MIT
// Small matrix product for a tile in cache (CPU kernel sources only):
//
//   C[r][j] = start + sum_{k < depth} A[r a_row + k a_step] B(k, j),   r < rows, j < columns (a multiple of the lanes)
//
// optionally times another array of C's layout, which may be C itself. A is read by broadcasts, B and C by vectors
// along j. B is cut into panels of `panel` columns, the last may be narrower: element (k, j) of a packed B stands at
// B[j0 depth + k width + (j - j0)], of a plain one at B[k b_step + j].
// start: zero, a bias row, or C itself. The order of the sum over k is fixed; register blocks are up to
// register_rows x 2 vectors, rows are shared out evenly among them.
// epilogue(block of C: pointer, first row, first column, rows, columns) follows while the block is in the first-level
// cache.
#pragma once

#include "kernels/mlp/simd.hpp"

namespace terrane::TERRANE_BACKEND {

// 2 R accumulators, 2 vectors of B and 1 of A in 32 (AVX-512) or 16 registers.
#if defined(__AVX512F__)
inline constexpr int register_rows = 14;
#elif defined(__AVX2__)
inline constexpr int register_rows = 6;
#else
inline constexpr int register_rows = 4;
#endif
inline constexpr int register_vectors = 2;

template <class T>
inline constexpr int panel_columns = register_vectors* Simd<T>::lanes;

template <class T>
TERRANE_HD Index round_to_lanes(Index n) {
  return (n + Simd<T>::lanes - 1) / Simd<T>::lanes * Simd<T>::lanes;
}

template <class T>
struct TileA {
  const T* data;
  Index row, step;
};
template <class T>
struct TileB {
  const T* data;
  Index step;  // of a plain B; 0: packed
};
template <class T>
struct TileC {
  T* data;
  Index row;
  const T* times = nullptr;  // same layout, may be data
};
enum class Start { zero, bias, add };

// One register block.
template <class T>
struct GemmBlock {
  Index depth;
  TileA<T> a;
  const T* b;
  Index b_step;
  TileC<T> c;
  Start start;
  const T* bias;
};
template <class T>
using GemmBlockFunction = void (*)(const GemmBlock<T>&);
// Of 1 <= rows <= register_rows, 1 <= vectors <= register_vectors (tile_gemm.cpu.cpp).
template <class T>
GemmBlockFunction<T> gemm_block(int rows, int vectors);

struct NoEpilogue {
  template <class T>
  TERRANE_HD void operator()(T*, Index, Index, int, int) const {}
};

template <class T, class Epilogue>
void tile_panel(Index rows, int vectors, GemmBlock<T> block, Index column, const Epilogue& epilogue) {
  const TileA<T> a = block.a;
  const TileC<T> c = block.c;
  const Index blocks = (rows + register_rows - 1) / register_rows;
  for (Index q = 0; q < blocks; ++q) {
    const Index r = rows * q / blocks;
    const int count = static_cast<int>(rows * (q + 1) / blocks - r);
    block.a.data = a.data + r * a.row;
    block.c.data = c.data + r * c.row + column;
    if (c.times != nullptr) block.c.times = c.times + r * c.row + column;
    gemm_block<T>(count, vectors)(block);
    epilogue(block.c.data, r, column, count, vectors * Simd<T>::lanes);
  }
}

// columns: a multiple of Simd<T>::lanes.
template <class T, class Epilogue = NoEpilogue>
void tile_gemm(Index rows, Index columns, Index depth, TileA<T> a, TileB<T> b, TileC<T> c, Start start,
               const T* bias = nullptr, const Epilogue& epilogue = {}) {
  constexpr Index lanes = Simd<T>::lanes, panel = panel_columns<T>;
  for (Index j = 0; j < columns; j += panel) {
    const bool whole = columns - j >= panel;
    const T* bj = b.step == 0 ? b.data + j * depth : b.data + j;
    const Index step = b.step != 0 ? b.step : (whole ? panel : lanes);
    const T* bias_j = bias != nullptr ? bias + j : nullptr;
    tile_panel<T>(rows, whole ? register_vectors : 1, {depth, a, bj, step, c, start, bias_j}, j, epilogue);
  }
}

// C without a factor.
template <class T, class Epilogue = NoEpilogue>
void tile_gemm(Index rows, Index columns, Index depth, TileA<T> a, TileB<T> b, T* c, Index c_row, Start start,
               const T* bias = nullptr, const Epilogue& epilogue = {}) {
  tile_gemm<T>(rows, columns, depth, a, b, TileC<T>{c, c_row}, start, bias, epilogue);
}

// Packs rows [0, depth) x columns of element(k, j) = scale w[k w_k + j w_j], zero beyond `valid` columns.
template <class T>
void pack_b(Index depth, Index valid, const T* w, Index w_k, Index w_j, double scale, T* packed) {
  constexpr Index lanes = Simd<T>::lanes, panel = panel_columns<T>;
  const Index columns = round_to_lanes<T>(valid);
  for (Index j = 0; j < columns; j += panel) {
    const Index width = columns - j >= panel ? panel : lanes;
    T* out = packed + j * depth;
    for (Index k = 0; k < depth; ++k) {
      for (Index v = 0; v < width; ++v) {
        out[k * width + v] = j + v < valid ? static_cast<T>(scale * w[k * w_k + (j + v) * w_j]) : T(0);
      }
    }
  }
}

}  // namespace terrane::TERRANE_BACKEND
