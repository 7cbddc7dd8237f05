// SPDX-License-Identifier: MIT
// Small matrix product for a tile in cache (CPU kernel sources only):
//
//   C[r][j] = start + sum_{k < depth} A[r a_row + k a_step] B(k, j),   r < rows, j < columns (a multiple of the lanes)
//
// A is read by broadcasts, B and C by vectors along j. B is cut into panels of `panel` columns, the last may be
// narrower: element (k, j) of a packed B stands at B[j0 depth + k width + (j - j0)], of a plain one at B[k b_step + j].
// start: zero, a bias row, or C itself. The order of the sum over k is fixed; register blocks are R rows x 2 vectors.
// epilogue(block of C: pointer, first row, first column, rows, columns) follows while the block is in the first-level
// cache.
#pragma once

#include "kernels/mlp/simd.hpp"

namespace terrane::TERRANE_BACKEND {

#if defined(__AVX512F__)
inline constexpr int register_rows = 8;
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
enum class Start { zero, bias, add };

struct NoEpilogue {
  template <class T>
  TERRANE_HD void operator()(T*, Index, Index, int, int) const {}
};

template <class T, int R, int N>
[[gnu::noinline]] inline void register_block(Index depth, TileA<T> a, const T* b, Index b_step, T* c, Index c_row,
                                             Start start, const T* bias) {
  using S = Simd<T>;
  using V = typename S::V;
  V acc[R][N];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < N; ++v) {
      acc[r][v] = start == Start::zero ? V{} : S::load((start == Start::bias ? bias : c + r * c_row) + v * S::lanes);
    }
  }
  for (Index k = 0; k < depth; ++k) {
    V row[N];
#pragma GCC unroll 4
    for (int v = 0; v < N; ++v) row[v] = S::load(b + k * b_step + v * S::lanes);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const V x = S::broadcast(a.data[r * a.row + k * a.step]);
#pragma GCC unroll 4
      for (int v = 0; v < N; ++v) acc[r][v] = multiply_add(x, row[v], acc[r][v]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < N; ++v) S::store(c + r * c_row + v * S::lanes, acc[r][v]);
  }
}

// Rows left over at the end: fewer than register_rows.
template <class T, int R, int N>
inline void register_tail(int rows, Index depth, TileA<T> a, const T* b, Index b_step, T* c, Index c_row, Start start,
                          const T* bias) {
  if constexpr (R > 0) {
    if (rows == R) {
      register_block<T, R, N>(depth, a, b, b_step, c, c_row, start, bias);
    } else {
      register_tail<T, R - 1, N>(rows, depth, a, b, b_step, c, c_row, start, bias);
    }
  }
}

template <class T, int N, class Epilogue>
inline void tile_panel(Index rows, Index depth, TileA<T> a, const T* b, Index b_step, T* c, Index c_row, Index column,
                       Start start, const T* bias, const Epilogue& epilogue) {
  constexpr int R = register_rows, width = N * Simd<T>::lanes;
  for (Index r = 0; r < rows; r += R) {
    const int count = rows - r < R ? static_cast<int>(rows - r) : R;
    const TileA<T> block{a.data + r * a.row, a.row, a.step};
    T* out = c + r * c_row + column;
    if (count == R) {
      register_block<T, R, N>(depth, block, b, b_step, out, c_row, start, bias);
    } else {
      register_tail<T, R - 1, N>(count, depth, block, b, b_step, out, c_row, start, bias);
    }
    epilogue(out, r, column, count, width);
  }
}

// columns: a multiple of Simd<T>::lanes.
template <class T, class Epilogue = NoEpilogue>
inline void tile_gemm(Index rows, Index columns, Index depth, TileA<T> a, TileB<T> b, T* c, Index c_row, Start start,
                      const T* bias = nullptr, const Epilogue& epilogue = {}) {
  constexpr Index lanes = Simd<T>::lanes, panel = panel_columns<T>;
  for (Index j = 0; j < columns; j += panel) {
    const bool whole = columns - j >= panel;
    const T* bj = b.step == 0 ? b.data + j * depth : b.data + j;
    const Index step = b.step != 0 ? b.step : (whole ? panel : lanes);
    const T* bias_j = bias != nullptr ? bias + j : nullptr;
    if (whole) {
      tile_panel<T, register_vectors>(rows, depth, a, bj, step, c, c_row, j, start, bias_j, epilogue);
    } else {
      tile_panel<T, 1>(rows, depth, a, bj, step, c, c_row, j, start, bias_j, epilogue);
    }
  }
}

// Packs rows [0, depth) x columns of element(k, j) = w[k w_k + j w_j], zero beyond `valid` columns.
template <class T>
inline void pack_b(Index depth, Index valid, const T* w, Index w_k, Index w_j, T* packed) {
  constexpr Index lanes = Simd<T>::lanes, panel = panel_columns<T>;
  const Index columns = round_to_lanes<T>(valid);
  for (Index j = 0; j < columns; j += panel) {
    const Index width = columns - j >= panel ? panel : lanes;
    T* out = packed + j * depth;
    for (Index k = 0; k < depth; ++k) {
      for (Index v = 0; v < width; ++v) out[k * width + v] = j + v < valid ? w[k * w_k + (j + v) * w_j] : T(0);
    }
  }
}

}  // namespace terrane::TERRANE_BACKEND
