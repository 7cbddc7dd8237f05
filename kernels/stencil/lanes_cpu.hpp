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
  using Native = typename Simd<T>::V;
  static constexpr int count = Simd<T>::lanes;
  Native v{};

  static TERRANE_HD Lanes load(const T* p) { return {Simd<T>::load(p)}; }
  static TERRANE_HD Lanes all(T x) { return {Simd<T>::broadcast(x)}; }
  TERRANE_HD void store(T* p) const { Simd<T>::store(p, v); }
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

// Cells K places further along the row (|K| <= 4).
template <class T>
struct Window {
  const T* p = nullptr;
#if defined(__AVX512F__)
  Lanes<T> left, mid, right;
  TERRANE_HD void start(const T* row) {
    p = row;
    left = Lanes<T>::load(row - count);
    mid = Lanes<T>::load(row);
    right = Lanes<T>::load(row + count);
  }
  TERRANE_HD void advance() {
    p += count;
    left = mid;
    mid = right;
    right = Lanes<T>::load(p + count);
  }
  template <int K>
  TERRANE_HD Lanes<T> get() const {
    if constexpr (K == 0) return mid;
    const auto high = K > 0 ? right.v : mid.v, low = K > 0 ? mid.v : left.v;
    constexpr int shift = K > 0 ? K : count + K;
    if constexpr (sizeof(T) == 4) {
      return {(typename Lanes<T>::Native)_mm512_maskz_alignr_epi32(static_cast<__mmask16>(-1), (__m512i)high, (__m512i)low, shift)};
    } else {
      return {(typename Lanes<T>::Native)_mm512_maskz_alignr_epi64(static_cast<__mmask8>(-1), (__m512i)high, (__m512i)low, shift)};
    }
  }
#else
  TERRANE_HD void start(const T* row) { p = row; }
  TERRANE_HD void advance() { p += count; }
  template <int K>
  TERRANE_HD Lanes<T> get() const {
    return Lanes<T>::load(p + K);
  }
#endif
  static constexpr int count = Lanes<T>::count;
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
  [&]<int... k>(std::integer_sequence<int, k...>) { (f(std::integral_constant<int, k>{}), ...); }
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
  TERRANE_HD static V apply(V a, V b, V c) { return {TERRANE_BACKEND::multiply_add(a.v, b.v, c.v)}; }
};
}  // namespace terrane
