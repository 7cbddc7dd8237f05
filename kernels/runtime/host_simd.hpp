// SPDX-License-Identifier: MIT
// Host code outside the kernel tables for the vector registers of this processor, in double precision.
//
//   template <int Bytes> TERRANE_HOST_INLINE void work_of(const Work& w) { ... HostVector<Bytes> ... }
//   TERRANE_HOST_SIMD(void, work, const Work& w, w)       // work(w) is work_of<64>, <32> or <16>, by cpu_variant()
//
// HostVector<Bytes> are Bytes / 8 numbers. Products and sums are not fused, so that all three give the same bits as
// long as the order of every sum is that of the source. Vectors are passed by reference: registers of that width may be
// unknown to the caller.
#pragma once

#include <string>

#include "kernels/runtime/device.hpp"
#include "kernels/runtime/hd.hpp"

namespace terrane {

template <int Bytes>
struct HostVectorType {
  typedef double type __attribute__((vector_size(Bytes), may_alias, aligned(8)));
};
template <int Bytes>
using HostVector = typename HostVectorType<Bytes>::type;

// Bytes of the registers of the kernel variant that this process uses.
inline int host_vector_bytes() {
  static const int bytes = [] {
    const std::string variant = cpu_variant();
    return variant == "v4" ? 64 : variant == "v3" ? 32 : 16;
  }();
  return bytes;
}

}  // namespace terrane

#define TERRANE_HOST_INLINE inline __attribute__((always_inline))

#if defined(__x86_64__)
#define TERRANE_HOST_SIMD(Result, name, parameters, ...)                                                         \
  __attribute__((target("avx512f,avx512vl,avx512dq"))) Result name##_64(parameters) {                            \
    return name##_of<64>(__VA_ARGS__);                                                                           \
  }                                                                                                              \
  __attribute__((target("avx2"))) Result name##_32(parameters) { return name##_of<32>(__VA_ARGS__); }            \
  Result name##_16(parameters) { return name##_of<16>(__VA_ARGS__); }                                            \
  Result name(parameters) {                                                                                      \
    const int bytes = host_vector_bytes();                                                                       \
    return bytes == 64 ? name##_64(__VA_ARGS__) : bytes == 32 ? name##_32(__VA_ARGS__) : name##_16(__VA_ARGS__); \
  }
#else
#define TERRANE_HOST_SIMD(Result, name, parameters, ...) \
  Result name(parameters) { return name##_of<16>(__VA_ARGS__); }
#endif
