// SPDX-License-Identifier: MIT
// GPU schedule of the multi-resolution grid: one thread a point and level. The gradient of the table is summed in
// 64-bit integers: every contribution is rounded to a multiple of 2^-k, k chosen from n and max |d_y| so that no sum
// overflows. Integer addition is associative, so the bits do not depend on the order in which threads arrive. The
// rounding is about n 2^-60 of max |d_y|, below that of a sum in single precision for every n that fits in memory.
#include "kernels/encode/multigrid.hpp"
#include "kernels/pointwise/pointwise.hpp"
#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

// Entries and weights of point p in a level.
template <class T, int D>
struct Cell {
  std::uint32_t k[D];
  T w[D], dw[D];
  TERRANE_HD Cell(const MultigridShape& shape, const MultigridLevel& level, const T* x) {
    for (int a = 0; a < D; ++a) multigrid_axis(shape, level, a, x[a], k[a], w[a], dw[a]);
  }
};

template <class T, int D>
struct ForwardPoint {
  MultigridForward<T> f;
  TERRANE_HD void operator()(Index p, Index l) const {
    const MultigridLevel& level = f.shape.level[l];
    const int features = f.shape.features;
    const Cell<T, D> cell(f.shape, level, f.x + p * D);
    T sum[multigrid_max_features] = {};
    for (int c = 0; c < 1 << D; ++c) {
      const T weight = multigrid_weight<D>(cell.w, c);
      const T* v = f.table + (level.offset + multigrid_entry<D>(level, cell.k, c)) * features;
      for (int j = 0; j < features; ++j) sum[j] += weight * v[j];
    }
    T* y = f.y + p * f.shape.n_out() + l * features;
    for (int j = 0; j < features; ++j) y[j] = sum[j];
  }
};

template <class T, int D>
struct TangentPoint {
  MultigridJvp<T> f;
  TERRANE_HD void operator()(Index p, Index l) const {
    const MultigridLevel& level = f.shape.level[l];
    const int features = f.shape.features;
    const Cell<T, D> cell(f.shape, level, f.x + p * D);
    T sum[multigrid_max_features] = {};
    for (int c = 0; c < 1 << D; ++c) {
      const Index at = (level.offset + multigrid_entry<D>(level, cell.k, c)) * features;
      if (f.t_table != nullptr) {
        const T weight = multigrid_weight<D>(cell.w, c);
        for (int j = 0; j < features; ++j) sum[j] += weight * f.t_table[at + j];
      }
      if (f.t_x == nullptr) continue;
      T along = T(0);
      for (int a = 0; a < D; ++a) along += multigrid_slope<D>(cell.w, cell.dw, c, a) * f.t_x[p * D + a];
      for (int j = 0; j < features; ++j) sum[j] += along * f.table[at + j];
    }
    T* t_y = f.t_y + p * f.shape.n_out() + l * features;
    for (int j = 0; j < features; ++j) t_y[j] = sum[j];
  }
};

template <class T, int D>
struct PositionGradient {
  MultigridVjp<T> f;
  TERRANE_HD void operator()(Index p) const {
    const int features = f.shape.features;
    T sum[D] = {};
    for (int l = 0; l < f.shape.levels; ++l) {
      const MultigridLevel& level = f.shape.level[l];
      const Cell<T, D> cell(f.shape, level, f.x + p * D);
      const T* g = f.d_y + p * f.shape.n_out() + l * features;
      for (int c = 0; c < 1 << D; ++c) {
        const T* v = f.table + (level.offset + multigrid_entry<D>(level, cell.k, c)) * features;
        T dot = T(0);
        for (int j = 0; j < features; ++j) dot += v[j] * g[j];
        for (int a = 0; a < D; ++a) sum[a] += multigrid_slope<D>(cell.w, cell.dw, c, a) * dot;
      }
    }
    for (int a = 0; a < D; ++a) f.d_x[p * D + a] += sum[a];
  }
};

template <class T, int D>
struct LinksPoint {
  MultigridLinks<T> f;
  TERRANE_HD void operator()(Index p) const {
    const MultigridLevel& level = f.shape.level[f.level];
    const Cell<T, D> cell(f.shape, level, f.x + p * D);
    for (int c = 0; c < 1 << D; ++c) {
      f.entry[(p << D) + c] = static_cast<Index>(multigrid_entry<D>(level, cell.k, c));
      f.weight[(p << D) + c] = multigrid_weight<D>(cell.w, c);
    }
  }
};

// --- gradient of the table -------------------------------------------------------------------------------------------
using Word = unsigned long long;  // the type of 64-bit atomics

// Words, all zero at the start: [0] bits of max |d_y| as a double (ordered like the values; NaN above all), then one
// sum an element of the table.
struct FixedPoint {
  Word* words;
  Index n;
  // Multiples of 2^-shift: n 2^(shift + 1 + exponent) <= 2^61.
  TERRANE_HD int shift() const {
    const int exponent = static_cast<int>(words[0] >> 52) - 1023;  // max < 2^(exponent + 1)
    int log_n = 0;
    while ((Index{1} << log_n) < n) ++log_n;
    const int k = 60 - log_n - exponent;
    return k > 1000 ? 1000 : (k < -1000 ? -1000 : k);
  }
  TERRANE_HD static double power(int k) { return double_of(static_cast<std::uint64_t>(1023 + k) << 52); }
  TERRANE_HD bool finite() const { return words[0] >> 52 != 0x7ff; }
};

template <class T>
__global__ void largest_kernel(const T* d_y, Index size, Word* words) {
  const Index stride = static_cast<Index>(gridDim.x) * blockDim.x;
  Word most = 0;
  for (Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; i < size; i += stride) {
    const Word u = static_cast<Word>(bits_of(static_cast<double>(d_y[i]))) & 0x7fffffffffffffffull;
    most = u > most ? u : most;
  }
  if (most > 0) atomicMax(words, most);
}

template <class T, int D>
__global__ void accumulate_kernel(const MultigridVjp<T> f, FixedPoint fixed) {
  const Index at = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (at >= f.n * f.shape.levels || !fixed.finite()) return;
  const Index p = at / f.shape.levels, l = at % f.shape.levels;
  const MultigridLevel& level = f.shape.level[l];
  const int features = f.shape.features;
  const Cell<T, D> cell(f.shape, level, f.x + p * D);
  const T* g = f.d_y + p * f.shape.n_out() + l * features;
  const double scale = FixedPoint::power(fixed.shift());
  for (int c = 0; c < 1 << D; ++c) {
    const double weight = static_cast<double>(multigrid_weight<D>(cell.w, c)) * scale;
    Word* to = fixed.words + 1 + (level.offset + multigrid_entry<D>(level, cell.k, c)) * features;
    for (int j = 0; j < features; ++j) {
      const long long q = ::llrint(weight * static_cast<double>(g[j]));
      if (q != 0) atomicAdd(to + j, static_cast<Word>(q));
    }
  }
}

// d_table += sums; NaN everywhere when d_y holds a value that is not finite
template <class T>
struct AddSums {
  FixedPoint fixed;
  T* d_table;
  TERRANE_HD void operator()(Index i) const {
    const auto sum = static_cast<double>(static_cast<long long>(fixed.words[1 + i]));
    const double value = sum * FixedPoint::power(-fixed.shift());
    d_table[i] += fixed.finite() ? static_cast<T>(value) : static_cast<T>(double_of(std::uint64_t{0x7ff8} << 48));
  }
};

template <class T, int D>
void table_gradient(Stream& s, const MultigridVjp<T>& f) {
  const Index size = f.shape.parameters(), values = f.n * f.shape.n_out(), threads = f.n * f.shape.levels;
  const FixedPoint fixed{static_cast<Word*>(s.scratch((size + 1) * static_cast<Index>(sizeof(Word)))), f.n};
  parallel_for(s, size + 1, Fill<Word>{fixed.words, Word(0), size + 1});
  const Index blocks = (values + 255) / 256;
  launch_elementwise(s, dim3(static_cast<unsigned>(blocks < 1024 ? blocks : 1024)), dim3(256), largest_kernel<T>, f.d_y,
                     values, fixed.words);
  launch_elementwise(s, dim3(static_cast<unsigned>((threads + 255) / 256)), dim3(256), accumulate_kernel<T, D>, f,
                     fixed);
  parallel_for(s, size, AddSums<T>{fixed, f.d_table});
}

}  // namespace

template <class T>
void multigrid_forward(Stream& s, const MultigridForward<T>& f) {
  if (f.shape.d == 1) return parallel_for_2d(s, f.n, f.shape.levels, ForwardPoint<T, 1>{f});
  if (f.shape.d == 2) return parallel_for_2d(s, f.n, f.shape.levels, ForwardPoint<T, 2>{f});
  parallel_for_2d(s, f.n, f.shape.levels, ForwardPoint<T, 3>{f});
}
TERRANE_INSTANTIATE(multigrid_forward, MultigridForward)

template <class T>
void multigrid_vjp(Stream& s, const MultigridVjp<T>& f) {
  if (f.n == 0) return;
  if (f.d_x != nullptr) {
    if (f.shape.d == 1) parallel_for(s, f.n, PositionGradient<T, 1>{f});
    if (f.shape.d == 2) parallel_for(s, f.n, PositionGradient<T, 2>{f});
    if (f.shape.d == 3) parallel_for(s, f.n, PositionGradient<T, 3>{f});
  }
  if (f.d_table == nullptr) return;
  if (f.shape.d == 1) return table_gradient<T, 1>(s, f);
  if (f.shape.d == 2) return table_gradient<T, 2>(s, f);
  table_gradient<T, 3>(s, f);
}
TERRANE_INSTANTIATE(multigrid_vjp, MultigridVjp)

template <class T>
void multigrid_jvp(Stream& s, const MultigridJvp<T>& f) {
  if (f.t_table == nullptr && f.t_x == nullptr) {
    return parallel_for(s, f.n * f.shape.n_out(), Fill<T>{f.t_y, T(0), f.n * f.shape.n_out()});
  }
  if (f.shape.d == 1) return parallel_for_2d(s, f.n, f.shape.levels, TangentPoint<T, 1>{f});
  if (f.shape.d == 2) return parallel_for_2d(s, f.n, f.shape.levels, TangentPoint<T, 2>{f});
  parallel_for_2d(s, f.n, f.shape.levels, TangentPoint<T, 3>{f});
}
TERRANE_INSTANTIATE(multigrid_jvp, MultigridJvp)

template <class T>
void multigrid_links(Stream& s, const MultigridLinks<T>& f) {
  if (f.shape.d == 1) return parallel_for(s, f.n, LinksPoint<T, 1>{f});
  if (f.shape.d == 2) return parallel_for(s, f.n, LinksPoint<T, 2>{f});
  parallel_for(s, f.n, LinksPoint<T, 3>{f});
}
TERRANE_INSTANTIATE(multigrid_links, MultigridLinks)

}  // namespace terrane::TERRANE_BACKEND
