// SPDX-License-Identifier: MIT
// Packed, register-tiled matrix product. The sum over k runs in blocks of k_block, inside a block in order, for every
// element of C alike, so the bits depend neither on the thread count nor on the place of an element.
#include <algorithm>

#include "kernels/linalg/linalg.hpp"
#include "kernels/runtime/kernel.hpp"

#if defined(__FMA__)
#include <immintrin.h>
#endif
#if defined(_OPENMP)
#include <omp.h>
#endif

namespace terrane::TERRANE_BACKEND {

namespace {

// Register tile: tile_rows x 2 vectors of accumulators.
#if defined(__AVX512F__)
constexpr int vector_bytes = 64, tile_rows = 12;
#elif defined(__AVX2__)
constexpr int vector_bytes = 32, tile_rows = 6;
#else
constexpr int vector_bytes = 16, tile_rows = 4;
#endif
constexpr Index k_block = 256, row_block = 2304,
                column_block = 1024;  // of the packed panels; row_block % tile_rows = 0
constexpr Index task_rows = 96, task_columns = 256;

template <class T>
struct VectorOf {
  typedef T Type __attribute__((vector_size(vector_bytes)));
};
template <class T>
using Vec = typename VectorOf<T>::Type;
template <class T>
constexpr int lanes = vector_bytes / static_cast<int>(sizeof(T));
template <class T>
constexpr int tile_columns = 2 * lanes<T>;

#if defined(__AVX512F__)
inline Vec<float> multiply_add(Vec<float> a, Vec<float> b, Vec<float> c) { return _mm512_fmadd_ps(a, b, c); }
inline Vec<double> multiply_add(Vec<double> a, Vec<double> b, Vec<double> c) { return _mm512_fmadd_pd(a, b, c); }
#elif defined(__AVX2__) && defined(__FMA__)
inline Vec<float> multiply_add(Vec<float> a, Vec<float> b, Vec<float> c) { return _mm256_fmadd_ps(a, b, c); }
inline Vec<double> multiply_add(Vec<double> a, Vec<double> b, Vec<double> c) { return _mm256_fmadd_pd(a, b, c); }
#else
template <class V>
inline V multiply_add(V a, V b, V c) {
  return a * b + c;
}
#endif

constexpr Index round_up(Index n, Index to) { return (n + to - 1) / to * to; }

// One matrix of a batch.
template <class T>
struct Operands {
  const T* a;
  const T* b;
  T* c;
};

template <class T>
struct Panels {
  T* a;  // ceil(rows / tile_rows) panels of (k, tile_rows)
  T* b;  // ceil(columns / tile_columns) panels of (k, tile_columns)
};

template <class T>
Index panel_elements(const Gemm<T>& f) {
  const Index k = std::min(f.k, k_block);
  return k * (round_up(std::min(f.m, row_block), tile_rows) + round_up(std::min(f.n, column_block), tile_columns<T>));
}

// One panel: rows [r, r + tile) of op(X) stored as (k, tile), zero beyond `rows`. Element (i, p) of op(X) is
// x[i * step_i + p * step_p].
template <class T, int tile>
void pack_panel(const T* x, Index step_i, Index step_p, Index rows, Index k, T* out) {
  const Index live = std::min<Index>(rows, tile);
  for (Index p = 0; p < k; ++p) {
    for (Index i = 0; i < live; ++i) out[p * tile + i] = x[i * step_i + p * step_p];
    for (Index i = live; i < tile; ++i) out[p * tile + i] = T(0);
  }
}

// acc (tile_rows, tile_columns) = panel product over k
template <class T>
inline void multiply_tile(Index k, const T* a, const T* b, T* acc) {
  constexpr int w = lanes<T>;
  Vec<T> sum[tile_rows][2] = {};
  for (Index p = 0; p < k; ++p) {
    Vec<T> b0, b1;
    __builtin_memcpy(&b0, b + p * 2 * w, sizeof b0);
    __builtin_memcpy(&b1, b + p * 2 * w + w, sizeof b1);
#pragma GCC unroll 16
    for (int i = 0; i < tile_rows; ++i) {
      const Vec<T> x = a[p * tile_rows + i] - Vec<T>{};
      sum[i][0] = multiply_add(x, b0, sum[i][0]);
      sum[i][1] = multiply_add(x, b1, sum[i][1]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < tile_rows; ++i) {
    __builtin_memcpy(acc + i * 2 * w, &sum[i][0], sizeof(Vec<T>));
    __builtin_memcpy(acc + i * 2 * w + w, &sum[i][1], sizeof(Vec<T>));
  }
}

template <class T>
void store_tile(const T* acc, Index rows, Index columns, T alpha, T beta, T* c, Index ldc) {
  for (Index i = 0; i < rows; ++i) {
    const T* x = acc + i * tile_columns<T>;
    T* y = c + i * ldc;
    if (beta == T(0)) {
      for (Index j = 0; j < columns; ++j) y[j] = alpha * x[j];
    } else {
      for (Index j = 0; j < columns; ++j) y[j] = alpha * x[j] + beta * y[j];
    }
  }
}

// C block (rows, columns) at `c` from packed panels; k elements of the sum.
template <class T>
void multiply_block(const Panels<T>& panels, Index rows, Index columns, Index k, T alpha, T beta, T* c, Index ldc,
                    int threads) {
  const Index row_tasks = (rows + task_rows - 1) / task_rows,
              column_tasks = (columns + task_columns - 1) / task_columns;
  const Index tasks = row_tasks * column_tasks;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads) if (threads > 1 && tasks > 1)
  for (Index task = 0; task < tasks; ++task) {
    alignas(64) T acc[tile_rows * tile_columns<T>];
    const Index i0 = task / column_tasks * task_rows, j0 = task % column_tasks * task_columns;
    const Index i1 = std::min(rows, i0 + task_rows), j1 = std::min(columns, j0 + task_columns);
    for (Index j = j0; j < j1; j += tile_columns<T>) {
      for (Index i = i0; i < i1; i += tile_rows) {
        multiply_tile(k, panels.a + i * k, panels.b + j * k, acc);
        store_tile(acc, std::min<Index>(tile_rows, rows - i), std::min<Index>(tile_columns<T>, columns - j), alpha,
                   beta, c + i * ldc + j, ldc);
      }
    }
  }
}

template <class T, int tile>
void pack(const T* x, Index step_i, Index step_p, Index rows, Index k, T* out, int threads) {
  const Index count = (rows + tile - 1) / tile;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1 && count * k > 4096)
  for (Index q = 0; q < count; ++q) {
    pack_panel<T, tile>(x + q * tile * step_i, step_i, step_p, rows - q * tile, k, out + q * tile * k);
  }
}

template <class T>
void scale_rows(const Gemm<T>& f, T* c) {
  for (Index i = 0; i < f.m; ++i) {
    for (Index j = 0; j < f.n; ++j) c[i * f.ldc + j] = f.beta == T(0) ? T(0) : f.beta * c[i * f.ldc + j];
  }
}

template <class T>
void multiply(const Gemm<T>& f, const Operands<T>& x, T* work, int threads) {
  if (f.k == 0) return scale_rows(f, x.c);
  const Index a_i = f.transpose_a ? 1 : f.lda, a_p = f.transpose_a ? f.lda : 1;
  const Index b_j = f.transpose_b ? f.ldb : 1, b_p = f.transpose_b ? 1 : f.ldb;
  const Index k_first = std::min(f.k, k_block);
  const Panels<T> panels{work, work + k_first * round_up(std::min(f.m, row_block), tile_rows)};
  for (Index j = 0; j < f.n; j += column_block) {
    const Index columns = std::min(column_block, f.n - j);
    for (Index p = 0; p < f.k; p += k_block) {
      const Index k = std::min(k_block, f.k - p);
      pack<T, tile_columns<T>>(x.b + j * b_j + p * b_p, b_j, b_p, columns, k, panels.b, threads);
      for (Index i = 0; i < f.m; i += row_block) {
        const Index rows = std::min(row_block, f.m - i);
        pack<T, tile_rows>(x.a + i * a_i + p * a_p, a_i, a_p, rows, k, panels.a, threads);
        multiply_block(panels, rows, columns, k, f.alpha, p == 0 ? f.beta : T(1), x.c + i * f.ldc + j, f.ldc, threads);
      }
    }
  }
}

int thread_number() {
#if defined(_OPENMP)
  return omp_get_thread_num();
#else
  return 0;
#endif
}

}  // namespace

template <class T>
void gemm(Stream& s, const Gemm<T>& f) {
  if (f.m <= 0 || f.n <= 0 || f.batch <= 0) return;
  const Index elements = round_up(panel_elements(f), 16);
  // Many small products: one thread each. Otherwise all threads on one product.
  const bool over_batch = f.batch >= s.threads() && f.m <= task_rows && f.n <= task_columns;
  const int workers = over_batch ? s.threads() : 1, inner = over_batch ? 1 : s.threads();
  auto* work = static_cast<T*>(s.scratch(std::max<Index>(1, elements * workers) * static_cast<Index>(sizeof(T))));
#pragma omp parallel for schedule(static) num_threads(workers) if (workers > 1)
  for (Index b = 0; b < f.batch; ++b) {
    const Operands<T> x{f.a + b * f.stride_a, f.b + b * f.stride_b, f.c + b * f.stride_c};
    multiply(f, x, work + (workers > 1 ? thread_number() : 0) * elements, inner);
  }
}

TERRANE_INSTANTIATE(gemm, Gemm)

}  // namespace terrane::TERRANE_BACKEND
