// SPDX-License-Identifier: MIT
// Pack, PackMask and PackBytes in registers narrower than 64 bytes; pack_cpu.hpp includes it.
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
  friend TERRANE_HD PackMask operator^(const PackMask& a, const PackMask& b) {
    PackMask c;
    for (int k = 0; k < parts; ++k) c.m[k] = a.m[k] ^ b.m[k];
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

template <class T>
TERRANE_HD Pack<T> smaller(const Pack<T>& a, const Pack<T>& b) {
  return pick(a < b, a, b);
}
template <class T>
TERRANE_HD Pack<T> larger(const Pack<T>& a, const Pack<T>& b) {
  return pick(b < a, a, b);
}
template <class T>
TERRANE_HD Pack<T> add_where(const PackMask<T>& m, const Pack<T>& a, const Pack<T>& b) {
  return pick(m, a + b, a);
}
template <class T>
TERRANE_HD Pack<T> fast_inverse(const Pack<T>& x) {
  return Pack<T>(1) / x;
}
template <class T>
TERRANE_HD Pack<T> fast_root(const Pack<T>& x) {
  return square_root(pick(x > Pack<T>(0), x, Pack<T>(0)));
}

// A byte a lane, and the lanes where (byte & bits) == value.
template <class T>
struct PackBytes {
  typename PackMask<T>::Bits b[PackMask<T>::parts];
  static TERRANE_HD PackBytes of(const PackMask<T>& m, unsigned value) {
    PackBytes x;
    for (int k = 0; k < PackMask<T>::parts; ++k) x.b[k] = m.m[k] & static_cast<typename PackMask<T>::Integer>(value);
    return x;
  }
  TERRANE_HD void store(std::uint8_t* p) const {
    constexpr int each = simd_bytes / static_cast<int>(sizeof(T));
    for (int k = 0; k < PackMask<T>::parts; ++k) {
      for (int l = 0; l < each; ++l) p[k * each + l] = static_cast<std::uint8_t>(b[k][l]);
    }
  }
  friend TERRANE_HD PackBytes operator|(const PackBytes& x, const PackBytes& y) {
    PackBytes z;
    for (int k = 0; k < PackMask<T>::parts; ++k) z.b[k] = x.b[k] | y.b[k];
    return z;
  }
  friend TERRANE_HD PackBytes keep_where(const PackMask<T>& m, const PackBytes& a, const PackBytes& b) {
    PackBytes z;
    for (int k = 0; k < PackMask<T>::parts; ++k) z.b[k] = m.m[k] ? a.b[k] : b.b[k];
    return z;
  }
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

}  // namespace terrane::TERRANE_BACKEND
