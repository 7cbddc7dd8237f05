// SPDX-License-Identifier: MIT
// 64 bytes of values with masks, for CPU schedules whose lanes are independent problems (one source a lane): 16 floats
// or 8 doubles, one AVX-512 register or several narrower ones.
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

#if defined(__AVX512F__)

template <class T>
struct PackMask {
  static constexpr int count = 64 / static_cast<int>(sizeof(T));
  using Bits = std::conditional_t<count == 16, __mmask16, __mmask8>;
  Bits m = 0;
  friend TERRANE_HD PackMask operator&(PackMask a, PackMask b) { return {static_cast<Bits>(a.m & b.m)}; }
  friend TERRANE_HD PackMask operator|(PackMask a, PackMask b) { return {static_cast<Bits>(a.m | b.m)}; }
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

// A byte a lane, and the lanes where (byte & bits) == value.
template <class T>
struct PackBytes {
  __m128i b;
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

#else  // several registers

template <class T>
struct PackMask {
  static constexpr int count = 64 / static_cast<int>(sizeof(T)), parts = 64 / simd_bytes;
  using Integer = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  typedef Integer Bits __attribute__((vector_size(simd_bytes)));
  Bits m[parts];
  friend TERRANE_HD PackMask operator&(const PackMask& a, const PackMask& b) {
    PackMask c;
    for (int k = 0; k < parts; ++k) c.m[k] = a.m[k] & b.m[k];
    return c;
  }
  friend TERRANE_HD PackMask operator|(const PackMask& a, const PackMask& b) {
    PackMask c;
    for (int k = 0; k < parts; ++k) c.m[k] = a.m[k] | b.m[k];
    return c;
  }
  friend TERRANE_HD PackMask operator!(const PackMask& a) {
    PackMask c;
    for (int k = 0; k < parts; ++k) c.m[k] = ~a.m[k];
    return c;
  }
  TERRANE_HD bool any() const {
    Bits all = m[0];
    for (int k = 1; k < parts; ++k) all |= m[k];
    std::int64_t part[simd_bytes / 8], sum = 0;
    std::memcpy(part, &all, sizeof part);
    for (const std::int64_t p : part) sum |= p;
    return sum != 0;
  }
};

template <class T>
struct Pack {
  static constexpr int count = PackMask<T>::count, parts = PackMask<T>::parts;
  using Mask = PackMask<T>;
  typedef T Native __attribute__((vector_size(simd_bytes)));
  Native v[parts];

  Pack() = default;
  template <class N>
  TERRANE_HD explicit Pack(N x) {
    for (Native& p : v) p = static_cast<T>(x) - Native{};
  }
  static TERRANE_HD Pack load(const T* p) {
    Pack x;
    for (int k = 0; k < parts; ++k) x.v[k] = reinterpret_cast<const Native*>(p)[k];
    return x;
  }
  TERRANE_HD void store(T* p) const {
    for (int k = 0; k < parts; ++k) reinterpret_cast<Native*>(p)[k] = v[k];
  }
  friend TERRANE_HD Pack operator+(const Pack& a, const Pack& b) {
    Pack c;
    for (int k = 0; k < parts; ++k) c.v[k] = a.v[k] + b.v[k];
    return c;
  }
  friend TERRANE_HD Pack operator-(const Pack& a, const Pack& b) {
    Pack c;
    for (int k = 0; k < parts; ++k) c.v[k] = a.v[k] - b.v[k];
    return c;
  }
  friend TERRANE_HD Pack operator*(const Pack& a, const Pack& b) {
    Pack c;
    for (int k = 0; k < parts; ++k) c.v[k] = a.v[k] * b.v[k];
    return c;
  }
  friend TERRANE_HD Pack operator/(const Pack& a, const Pack& b) {
    Pack c;
    for (int k = 0; k < parts; ++k) c.v[k] = a.v[k] / b.v[k];
    return c;
  }
  friend TERRANE_HD Pack operator-(const Pack& a) {
    Pack c;
    for (int k = 0; k < parts; ++k) c.v[k] = -a.v[k];
    return c;
  }
  friend TERRANE_HD Mask operator<(const Pack& a, const Pack& b) {
    Mask c;
    for (int k = 0; k < parts; ++k) c.m[k] = a.v[k] < b.v[k];
    return c;
  }
  friend TERRANE_HD Mask operator>(const Pack& a, const Pack& b) { return b < a; }
};

template <class T>
TERRANE_HD Pack<T> pick(const PackMask<T>& m, const Pack<T>& a, const Pack<T>& b) {
  Pack<T> c;
  for (int k = 0; k < Pack<T>::parts; ++k) c.v[k] = m.m[k] ? a.v[k] : b.v[k];
  return c;
}
template <class T>
TERRANE_HD Pack<T> square_root(const Pack<T>& x) {
  Pack<T> y;
  for (int k = 0; k < Pack<T>::parts; ++k) {
#if defined(__AVX__)
    if constexpr (sizeof(T) == 4) {
      y.v[k] = _mm256_sqrt_ps(x.v[k]);
    } else {
      y.v[k] = _mm256_sqrt_pd(x.v[k]);
    }
#elif defined(__SSE2__)
    if constexpr (sizeof(T) == 4) {
      y.v[k] = _mm_sqrt_ps(x.v[k]);
    } else {
      y.v[k] = _mm_sqrt_pd(x.v[k]);
    }
#else
    for (int l = 0; l < simd_bytes / static_cast<int>(sizeof(T)); ++l) y.v[k][l] = terrane::square_root(x.v[k][l]);
#endif
  }
  return y;
}
template <class T>
TERRANE_HD Pack<T> multiply_add(const Pack<T>& a, const Pack<T>& b, const Pack<T>& c) {
  Pack<T> d;
  for (int k = 0; k < Pack<T>::parts; ++k) {
    d.v[k] = multiply_add(typename Simd<T>::V(a.v[k]), typename Simd<T>::V(b.v[k]), typename Simd<T>::V(c.v[k]));
  }
  return d;
}

// A byte a lane, and the lanes where (byte & bits) == value.
template <class T>
struct PackBytes {
  typename PackMask<T>::Bits b[PackMask<T>::parts];
  static TERRANE_HD PackBytes load(const std::uint8_t* p) {
    using Integer = typename PackMask<T>::Integer;
    constexpr int each = simd_bytes / static_cast<int>(sizeof(T));
    PackBytes x;
    for (int k = 0; k < PackMask<T>::parts; ++k) {
      for (int l = 0; l < each; ++l) x.b[k][l] = static_cast<Integer>(p[k * each + l]);
    }
    return x;
  }
  TERRANE_HD PackMask<T> equal(unsigned bits, unsigned value) const {
    using Integer = typename PackMask<T>::Integer;
    PackMask<T> m;
    for (int k = 0; k < PackMask<T>::parts; ++k)
      m.m[k] = (b[k] & static_cast<Integer>(bits)) == static_cast<Integer>(value);
    return m;
  }
};

#endif

}  // namespace terrane::TERRANE_BACKEND

namespace terrane {
template <class T>
struct MulAdd<TERRANE_BACKEND::Pack<T>> {
  using V = TERRANE_BACKEND::Pack<T>;
  TERRANE_HD static V apply(const V& a, const V& b, const V& c) { return TERRANE_BACKEND::multiply_add(a, b, c); }
};
}  // namespace terrane
