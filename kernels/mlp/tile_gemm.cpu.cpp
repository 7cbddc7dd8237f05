// SPDX-License-Identifier: MIT
// Register blocks of the small matrix product: R rows x N vectors of C stay in registers over the whole depth; each
// step loads N vectors of B and broadcasts R values of A.
#include "kernels/mlp/tile_gemm.hpp"

#include <array>
#include <utility>

namespace terrane::TERRANE_BACKEND {
namespace {

template <class T, int R, int N>
struct Accumulators {
  typename Simd<T>::V value[R][N];
};

template <class T, int R, int N>
TERRANE_HD void start_block(const GemmBlock<T>& g, Accumulators<T, R, N>& acc) {
  using S = Simd<T>;
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < N; ++v) {
      const Index at = v * S::lanes;
      acc.value[r][v] = g.start == Start::zero   ? typename S::V{}
                        : g.start == Start::bias ? S::load(g.bias + at)
                                                 : S::load(g.c.data + r * g.c.row + at);
    }
  }
}

template <class T, int R, int N>
TERRANE_HD void store_block(const GemmBlock<T>& g, const Accumulators<T, R, N>& acc) {
  using S = Simd<T>;
  T* c = g.c.data;
  const T* times = g.c.times;
  const Index row = g.c.row;
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < N; ++v) {
      const Index at = r * row + v * S::lanes;
      S::store(c + at, times != nullptr ? acc.value[r][v] * S::load(times + at) : acc.value[r][v]);
    }
  }
}

template <class T, int R, int N>
void block_of(const GemmBlock<T>& g) {
  using S = Simd<T>;
  using V = typename S::V;
  Accumulators<T, R, N> acc;
  start_block(g, acc);
  // Three rows of A share a pointer: base, base + row, base + 2 row.
  constexpr int bases = (R + 2) / 3;
  const T* a[bases];
#pragma GCC unroll 16
  for (int q = 0; q < bases; ++q) a[q] = g.a.data + 3 * q * g.a.row;
  const T* b = g.b;
  const Index row = g.a.row, step = g.a.step, b_step = g.b_step;
  for (Index k = g.depth; k > 0; --k) {
    V bk[N];
#pragma GCC unroll 4
    for (int v = 0; v < N; ++v) bk[v] = S::load(b + v * S::lanes);
    b += b_step;
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const V x = S::broadcast(a[r / 3][(r % 3) * row]);
#pragma GCC unroll 4
      for (int v = 0; v < N; ++v) acc.value[r][v] = multiply_add(x, bk[v], acc.value[r][v]);
    }
#pragma GCC unroll 16
    for (int q = 0; q < bases; ++q) a[q] += step;
  }
  store_block(g, acc);
}

template <class T, int N, int... R>
constexpr std::array<GemmBlockFunction<T>, sizeof...(R)> blocks(std::integer_sequence<int, R...>) {
  return {block_of<T, R + 1, N>...};
}

}  // namespace

template <class T>
GemmBlockFunction<T> gemm_block(int rows, int vectors) {
  using Rows = std::make_integer_sequence<int, register_rows>;
  static constexpr auto one = blocks<T, 1>(Rows{}), two = blocks<T, 2>(Rows{});
  const auto& table = vectors == 1 ? one : two;
  return table[static_cast<std::size_t>(rows - 1)];
}
template GemmBlockFunction<float> gemm_block<float>(int, int);
template GemmBlockFunction<double> gemm_block<double>(int, int);

}  // namespace terrane::TERRANE_BACKEND
