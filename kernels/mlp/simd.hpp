// SPDX-License-Identifier: MIT
// Vector registers of the instruction set that this CPU variant is built for (g++ vector extensions). CPU kernel
// sources only.
#pragma once

#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "kernels/runtime/math.hpp"

namespace terrane::TERRANE_BACKEND {

#if defined(__AVX512F__)
inline constexpr int simd_bytes = 64;
#elif defined(__AVX2__)
inline constexpr int simd_bytes = 32;
#else
inline constexpr int simd_bytes = 16;
#endif

template <class T>
struct Simd {
  typedef T V __attribute__((vector_size(simd_bytes), may_alias));
  typedef T Unaligned __attribute__((vector_size(simd_bytes), may_alias, aligned(alignof(T))));
  static constexpr int lanes = simd_bytes / static_cast<int>(sizeof(T));

  TERRANE_HD static V load(const T* p) { return *reinterpret_cast<const Unaligned*>(p); }
  TERRANE_HD static void store(T* p, V v) { *reinterpret_cast<Unaligned*>(p) = v; }
  TERRANE_HD static V broadcast(T x) { return x - V{}; }  // x - 0 is x for every x, so no instruction remains
};

// a * b + c, fused where the variant has the instruction.
#if defined(__AVX512F__)
TERRANE_HD Simd<float>::V multiply_add(Simd<float>::V a, Simd<float>::V b, Simd<float>::V c) {
  return _mm512_fmadd_ps(a, b, c);
}
TERRANE_HD Simd<double>::V multiply_add(Simd<double>::V a, Simd<double>::V b, Simd<double>::V c) {
  return _mm512_fmadd_pd(a, b, c);
}
#elif defined(__AVX2__) && defined(__FMA__)
TERRANE_HD Simd<float>::V multiply_add(Simd<float>::V a, Simd<float>::V b, Simd<float>::V c) {
  return _mm256_fmadd_ps(a, b, c);
}
TERRANE_HD Simd<double>::V multiply_add(Simd<double>::V a, Simd<double>::V b, Simd<double>::V c) {
  return _mm256_fmadd_pd(a, b, c);
}
#else
template <class V>
TERRANE_HD V multiply_add(V a, V b, V c) {
  return a * b + c;
}
#endif

// Multiply-add of scalar code that the compiler vectorises.
#if defined(__FMA__)
using HostMulAdd = FusedMulAdd;
#else
using HostMulAdd = SeparateMulAdd;
#endif

}  // namespace terrane::TERRANE_BACKEND
