// SPDX-License-Identifier: MIT
// Pack, PackMask and PackBytes in one AVX-512 register; pack_cpu.hpp includes it.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/mlp/simd.hpp"
#include "kernels/stencil/fd.hpp"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace terrane::TERRANE_BACKEND {

template <class T>
struct PackMask {
  static constexpr int count = 64 / static_cast<int>(sizeof(T));
  using Bits = std::conditional_t<count == 16, __mmask16, __mmask8>;
  Bits m = 0;
  friend TERRANE_HD PackMask operator&(PackMask a, PackMask b) { return {static_cast<Bits>(a.m & b.m)}; }
  friend TERRANE_HD PackMask operator|(PackMask a, PackMask b) { return {static_cast<Bits>(a.m | b.m)}; }
  friend TERRANE_HD PackMask operator^(PackMask a, PackMask b) { return {static_cast<Bits>(a.m ^ b.m)}; }
  friend TERRANE_HD PackMask operator!(PackMask a) { return {static_cast<Bits>(~a.m)}; }
  TERRANE_HD bool any() const { return m != 0; }
};

template <class T>
struct Pack {
  static constexpr int count = PackMask<T>::count;
  using Mask = PackMask<T>;
  typedef T Native __attribute__((vector_size(64), may_alias));
  Native v;

  Pack() = default;
  template <class N>
  TERRANE_HD explicit Pack(N x) : v(static_cast<T>(x) - Native{}) {}
  static TERRANE_HD Pack of(Native native) {
    Pack p;
    p.v = native;
    return p;
  }
  static TERRANE_HD Pack load(const T* p) { return of(*reinterpret_cast<const Native*>(p)); }
  TERRANE_HD void store(T* p) const { *reinterpret_cast<Native*>(p) = v; }
  friend TERRANE_HD Pack operator+(Pack a, Pack b) { return of(a.v + b.v); }
  friend TERRANE_HD Pack operator-(Pack a, Pack b) { return of(a.v - b.v); }
  friend TERRANE_HD Pack operator*(Pack a, Pack b) { return of(a.v * b.v); }
  friend TERRANE_HD Pack operator/(Pack a, Pack b) { return of(a.v / b.v); }
  friend TERRANE_HD Pack operator-(Pack a) { return of(-a.v); }
  friend TERRANE_HD Mask operator<(Pack a, Pack b) {
    if constexpr (count == 16) {
      return {_mm512_cmp_ps_mask((__m512)a.v, (__m512)b.v, _CMP_LT_OQ)};
    } else {
      return {_mm512_cmp_pd_mask((__m512d)a.v, (__m512d)b.v, _CMP_LT_OQ)};
    }
  }
  friend TERRANE_HD Mask operator>(Pack a, Pack b) { return b < a; }
};

template <class T>
TERRANE_HD Pack<T> pick(PackMask<T> m, Pack<T> a, Pack<T> b) {
  if constexpr (sizeof(T) == 4) {
    return Pack<T>::of((typename Pack<T>::Native)_mm512_mask_blend_ps(m.m, (__m512)b.v, (__m512)a.v));
  } else {
    return Pack<T>::of((typename Pack<T>::Native)_mm512_mask_blend_pd(m.m, (__m512d)b.v, (__m512d)a.v));
  }
}
template <class T>
TERRANE_HD Pack<T> square_root(Pack<T> x) {
  if constexpr (sizeof(T) == 4) {
    return Pack<T>::of((typename Pack<T>::Native)_mm512_maskz_sqrt_ps(static_cast<__mmask16>(-1), (__m512)x.v));
  } else {
    return Pack<T>::of((typename Pack<T>::Native)_mm512_maskz_sqrt_pd(static_cast<__mmask8>(-1), (__m512d)x.v));
  }
}
template <class T>
TERRANE_HD Pack<T> multiply_add(Pack<T> a, Pack<T> b, Pack<T> c) {
  return Pack<T>::of(multiply_add(typename Simd<T>::V(a.v), typename Simd<T>::V(b.v), typename Simd<T>::V(c.v)));
}

template <class T>
TERRANE_HD Pack<T> smaller(Pack<T> a, Pack<T> b) {
  if constexpr (sizeof(T) == 4) {
    return Pack<T>::of(
        (typename Pack<T>::Native)_mm512_maskz_min_ps(static_cast<__mmask16>(-1), (__m512)a.v, (__m512)b.v));
  } else {
    return Pack<T>::of(
        (typename Pack<T>::Native)_mm512_maskz_min_pd(static_cast<__mmask8>(-1), (__m512d)a.v, (__m512d)b.v));
  }
}
template <class T>
TERRANE_HD Pack<T> larger(Pack<T> a, Pack<T> b) {
  if constexpr (sizeof(T) == 4) {
    return Pack<T>::of(
        (typename Pack<T>::Native)_mm512_maskz_max_ps(static_cast<__mmask16>(-1), (__m512)a.v, (__m512)b.v));
  } else {
    return Pack<T>::of(
        (typename Pack<T>::Native)_mm512_maskz_max_pd(static_cast<__mmask8>(-1), (__m512d)a.v, (__m512d)b.v));
  }
}
// m ? a + b : a.
template <class T>
TERRANE_HD Pack<T> add_where(PackMask<T> m, Pack<T> a, Pack<T> b) {
  if constexpr (sizeof(T) == 4) {
    return Pack<T>::of((typename Pack<T>::Native)_mm512_mask_add_ps((__m512)a.v, m.m, (__m512)a.v, (__m512)b.v));
  } else {
    return Pack<T>::of((typename Pack<T>::Native)_mm512_mask_add_pd((__m512d)a.v, m.m, (__m512d)a.v, (__m512d)b.v));
  }
}
// 1 / x and the square root of x >= 0 to about two roundings: float from the estimate of the processor and one step of
// Newton, which leaves the divider idle; double exactly. float: x in (1e-30, 1e30).
template <class T>
TERRANE_HD Pack<T> fast_inverse(Pack<T> x) {
  if constexpr (sizeof(T) == 4) {
    const auto y =
        Pack<T>::of((typename Pack<T>::Native)_mm512_maskz_rcp14_ps(static_cast<__mmask16>(-1), (__m512)x.v));
    return multiply_add(y, multiply_add(-x, y, Pack<T>(1)), y);
  } else {
    return Pack<T>(1) / x;
  }
}
template <class T>
TERRANE_HD Pack<T> fast_root(Pack<T> x) {
  if constexpr (sizeof(T) == 4) {
    const Pack<T> least(T(1e-30)), positive = pick(x > least, x, least);
    const auto y =
        Pack<T>::of((typename Pack<T>::Native)_mm512_maskz_rsqrt14_ps(static_cast<__mmask16>(-1), (__m512)positive.v));
    const Pack<T> root = positive * y;
    return multiply_add(root, multiply_add(-root, y * Pack<T>(T(0.5)), Pack<T>(T(0.5))), root);
  } else {
    return square_root(pick(x > Pack<T>(0), x, Pack<T>(0)));
  }
}

// A byte a lane, and the lanes where (byte & bits) == value.
template <class T>
struct PackBytes {
  __m128i b;
  // value in the lanes of the mask, zero elsewhere.
  static TERRANE_HD PackBytes of(PackMask<T> m, unsigned value) {
    return {_mm_maskz_set1_epi8(m.m, static_cast<char>(value))};
  }
  TERRANE_HD void store(std::uint8_t* p) const {
    if constexpr (sizeof(T) == 4) {
      _mm_store_si128(reinterpret_cast<__m128i*>(p), b);
    } else {
      _mm_storel_epi64(reinterpret_cast<__m128i*>(p), b);
    }
  }
  friend TERRANE_HD PackBytes operator|(PackBytes x, PackBytes y) { return {_mm_or_si128(x.b, y.b)}; }
  // a in the lanes of the mask, else b.
  friend TERRANE_HD PackBytes keep_where(PackMask<T> m, PackBytes a, PackBytes b) {
    return {_mm_mask_blend_epi8(m.m, b.b, a.b)};
  }
  static TERRANE_HD PackBytes load(const std::uint8_t* p) {
    if constexpr (sizeof(T) == 4) {
      return {_mm_load_si128(reinterpret_cast<const __m128i*>(p))};
    } else {
      return {_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))};
    }
  }
  TERRANE_HD PackMask<T> equal(unsigned bits, unsigned value) const {
    const __m128i masked = _mm_and_si128(b, _mm_set1_epi8(static_cast<char>(bits)));
    return {
        static_cast<typename PackMask<T>::Bits>(_mm_cmpeq_epi8_mask(masked, _mm_set1_epi8(static_cast<char>(value))))};
  }
};

}  // namespace terrane::TERRANE_BACKEND
