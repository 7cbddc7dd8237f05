// SPDX-License-Identifier: MIT
// Rows of a grid in vector registers, for CPU schedules of stencils: Lanes<T> holds neighbouring cells of a row, Window
// gives the cells k places to the left and right of them without loading those again.
#pragma once

#include <type_traits>
#include <utility>

#include "kernels/mlp/simd.hpp"
#include "kernels/stencil/fd.hpp"

namespace terrane::TERRANE_BACKEND {

template <class T>
struct Lanes {
  // At least four values, so that a window reaches as far as the widest stencil.
  static constexpr int bytes =
      simd_bytes < 4 * static_cast<int>(sizeof(T)) ? 4 * static_cast<int>(sizeof(T)) : simd_bytes;
  static constexpr int count = bytes / static_cast<int>(sizeof(T));
  typedef T Native __attribute__((vector_size(bytes), may_alias));
  typedef T Unaligned __attribute__((vector_size(bytes), may_alias, aligned(alignof(T))));
  Native v{};

  static TERRANE_HD Lanes load(const T* p) { return {*reinterpret_cast<const Unaligned*>(p)}; }
  static TERRANE_HD Lanes all(T x) { return {x - Native{}}; }
  TERRANE_HD void store(T* p) const { *reinterpret_cast<Unaligned*>(p) = v; }
  // Past the caches, p aligned to the register: for values that are read again only after many megabytes.
  TERRANE_HD void stream(T* p) const {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4) {
      _mm512_stream_ps(reinterpret_cast<float*>(p), v);
    } else {
      _mm512_stream_pd(reinterpret_cast<double*>(p), v);
    }
#elif defined(__AVX2__)
    if constexpr (sizeof(T) == 4) {
      _mm256_stream_ps(reinterpret_cast<float*>(p), v);
    } else {
      _mm256_stream_pd(reinterpret_cast<double*>(p), v);
    }
#else
    store(p);
#endif
  }
  friend TERRANE_HD Lanes operator+(Lanes a, Lanes b) { return {a.v + b.v}; }
  friend TERRANE_HD Lanes operator-(Lanes a, Lanes b) { return {a.v - b.v}; }
  friend TERRANE_HD Lanes operator*(Lanes a, Lanes b) { return {a.v * b.v}; }
};

// Orders streamed values before what other threads do after this call.
inline void finish_streams() {
#if defined(__AVX2__)
  _mm_sfence();
#endif
}

// Cells K places further along the row (|K| <= 4), from three neighbouring registers.
template <class T>
struct Window {
  static constexpr int count = Lanes<T>::count;
  using Native = typename Lanes<T>::Native;
  Lanes<T> left, mid, right;

  // At a row in memory; later columns are loaded before the values here may be overwritten.
  TERRANE_HD void start(const T* row) {
    left = Lanes<T>::load(row - count);
    mid = Lanes<T>::load(row);
    right = Lanes<T>::load(row + count);
  }
  TERRANE_HD void advance(Lanes<T> next) {
    left = mid;
    mid = right;
    right = next;
  }
  template <int K>
  TERRANE_HD Lanes<T> get() const {
    if constexpr (K == 0) {
      return mid;
    } else if constexpr (K == count) {
      return right;
    } else if constexpr (K == -count) {
      return left;
    } else if constexpr (K > 0) {
      return {shifted<K>(mid.v, right.v)};
    } else {
      return {shifted<count + K>(left.v, mid.v)};
    }
  }

 private:
  // The `count` values from place K of the pair (low, high).
  template <int K>
  static TERRANE_HD Native shifted(Native low, Native high) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4) {
      return (Native)_mm512_maskz_alignr_epi32(static_cast<__mmask16>(-1), (__m512i)high, (__m512i)low, K);
    } else {
      return (Native)_mm512_maskz_alignr_epi64(static_cast<__mmask8>(-1), (__m512i)high, (__m512i)low, K);
    }
#else
    return shuffle<K>(low, high, std::make_integer_sequence<int, count>{});
#endif
  }
#if !defined(__AVX512F__)
  template <int K, int... i>
  static TERRANE_HD Native shuffle(Native low, Native high, std::integer_sequence<int, i...>) {
    return __builtin_shufflevector(low, high, (K + i)...);
  }
#endif
};

// Rows above and below.
template <class T>
struct Column {
  const T* p;
  Index pitch;
  template <int K>
  TERRANE_HD Lanes<T> get() const {
    return Lanes<T>::load(p + K * pitch);
  }
};

// Registers of 2 R + 1 rows, the middle one at [R].
template <class V, int R>
struct Stack {
  const V* rows;
  template <int K>
  TERRANE_HD V get() const {
    return rows[R + K];
  }
};

// Column x of 2 R + 1 rows that lie anywhere.
template <int R, class T>
struct RowsAt {
  const T* const* rows;
  Index x;
  template <int K>
  TERRANE_HD Lanes<T> get() const {
    return Lanes<T>::load(rows[R + K] + x);
  }
};

// f(0), ..., f(N - 1) with constant arguments, so that arrays indexed by them stay in registers.
template <int N, class F>
TERRANE_HD void unroll(const F& f) {
  // Left to itself the compiler calls a long one, and the registers go through memory.
  [&]<int... k>(std::integer_sequence<int, k...>) __attribute__((always_inline)) {
    (f(std::integral_constant<int, k>{}), ...);
  }
  (std::make_integer_sequence<int, N>{});
}

template <class T>
FdAxis<Lanes<T>> lanes_of(const FdAxis<T>& axis) {
  FdAxis<Lanes<T>> all;
  all.center = Lanes<T>::all(axis.center);
  for (int k = 0; k < 4; ++k) {
    all.second[k] = Lanes<T>::all(axis.second[k]);
    all.first[k] = Lanes<T>::all(axis.first[k]);
  }
  return all;
}

}  // namespace terrane::TERRANE_BACKEND

namespace terrane {
template <class T>
struct MulAdd<TERRANE_BACKEND::Lanes<T>> {
  using V = TERRANE_BACKEND::Lanes<T>;
  TERRANE_HD static V apply(V a, V b, V c) {
#if defined(__FMA__)
    return {TERRANE_BACKEND::multiply_add(a.v, b.v, c.v)};
#else
    return {a.v * b.v + c.v};
#endif
  }
};
}  // namespace terrane
