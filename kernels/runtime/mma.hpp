// SPDX-License-Identifier: MIT
// Matrix products of a warp on tensor cores, D (16 x 8) += A (16 x k) B (k x 8) with sums in float, and asynchronous
// copies into shared memory. GPU kernel sources only; the same calls run under the emulator of the tests.
//
// A policy says how the factors are represented:
//   Tf32x3   a = hi + lo, both of 11 bits; a b ~ lo hi + hi lo + hi hi: the accuracy of float. Operands are kept as
//            they are and split when they are read
//   Tf32     11 bits, rounded to nearest (ties away) when they are stored
//   Bf16     8 bits, rounded to nearest even when they are stored (in a float)
//   stored(x)       the value that a producer writes for later products
//   split_sums      the hardware truncates its sums (measured by Fasi et al. 2021, Ootomo and Yokota 2022): partial
//   sums
//                   of a slab are then added in rounded float
//   depth           k of one product; a lane holds depth / 4 elements of a row, lane_depth()
//
// The order of the k elements does not matter as long as A and B agree. Two maps keep shared memory free of bank
// conflicts when rows are 8 or 24 floats modulo 32 apart: `paired` where k is contiguous (read as pairs of floats),
// `spread` where k goes from row to row.
//
// Fragments (PTX ISA, m16n8k8 and m16n8k16), g = lane / 4, t = lane % 4: accumulators (g, 2t), (g, 2t+1), (g+8, 2t),
// (g+8, 2t+1); B column g; A rows g and g + 8.
#pragma once

#include "kernels/runtime/launch_cuda.hpp"
#include "kernels/runtime/math.hpp"

namespace terrane::TERRANE_BACKEND {

struct alignas(8) Float2 {
  float x, y;
};
struct alignas(16) Float4 {
  float x, y, z, w;
};

// --- roundings -------------------------------------------------------------------------------------------------------
TERRANE_HD float round_tf32(float x) {
#if defined(__CUDA_ARCH__)
  std::uint32_t u;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(u) : "f"(x));
  return float_of(u);
#else
  return float_of((bits_of(x) + 0x1000u) & 0xffffe000u);
#endif
}
TERRANE_HD float round_bf16(float x) {
#if defined(__CUDA_ARCH__)
  std::uint16_t u;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(u) : "f"(x));
  return float_of(static_cast<std::uint32_t>(u) << 16);
#else
  const std::uint32_t u = bits_of(x);
  return float_of((u + 0x7fffu + ((u >> 16) & 1u)) & 0xffff0000u);
#endif
}
// Two floats that are bf16 values in one register, the first in the low half.
__device__ __forceinline__ std::uint32_t pack_bf16(float low, float high) {
  return (bits_of(low) >> 16) | (bits_of(high) & 0xffff0000u);
}

// --- instructions ----------------------------------------------------------------------------------------------------
#if defined(__CUDACC__)
__device__ __forceinline__ void mma_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
__device__ __forceinline__ void mma_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
// a b ~ low high + high low + high high, small terms first
__device__ __forceinline__ void mma_tf32x3(float (&d)[4], const std::uint32_t (&a_high)[4],
                                           const std::uint32_t (&a_low)[4], const std::uint32_t (&b_high)[2],
                                           const std::uint32_t (&b_low)[2]) {
  mma_tf32(d, a_low, b_high);
  mma_tf32(d, a_high, b_low);
  mma_tf32(d, a_high, b_high);
}
#else
inline void mma_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  emulator::MmaOperation o{{}, d, {{a, b}}, 1, false};
  emulator::mma(o);
}
inline void mma_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  emulator::MmaOperation o{{}, d, {{a, b}}, 1, true};
  emulator::mma(o);
}
inline void mma_tf32x3(float (&d)[4], const std::uint32_t (&a_high)[4], const std::uint32_t (&a_low)[4],
                       const std::uint32_t (&b_high)[2], const std::uint32_t (&b_low)[2]) {
  emulator::MmaOperation o{{}, d, {{a_low, b_high}, {a_high, b_low}, {a_high, b_high}}, 3, false};
  emulator::mma(o);
}
#endif

// 16 bytes from global to shared memory, both 16-byte aligned; visible to this thread after async_wait, to the others
// after a barrier that follows it.
__device__ __forceinline__ void async_copy(float* to_shared, const float* from) {
#if defined(__CUDACC__)
  const auto to = static_cast<unsigned>(__cvta_generic_to_shared(to_shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
#else
  emulator::async_copy(to_shared, from, 16);
#endif
}
__device__ __forceinline__ void async_wait_all() {
#if defined(__CUDACC__)
  asm volatile("cp.async.wait_all;" ::: "memory");
#else
  emulator::async_wait_all();
#endif
}

// --- policies --------------------------------------------------------------------------------------------------------
struct Tf32x3 {
  static constexpr int depth = 8;
  static constexpr bool split_sums = true;
  struct A {
    std::uint32_t high[4], low[4];
  };
  struct B {
    std::uint32_t high[2], low[2];
  };
  TERRANE_HD static float stored(float x) { return x; }
  __device__ __forceinline__ static void split(float x, std::uint32_t& high, std::uint32_t& low) {
    const float h = round_tf32(x);
    high = bits_of(h);
    low = bits_of(round_tf32(x - h));
  }
  // upper, lower: the lane's elements of rows g and g + 8
  __device__ __forceinline__ static void set(A& a, const float (&upper)[2], const float (&lower)[2]) {
    split(upper[0], a.high[0], a.low[0]);
    split(lower[0], a.high[1], a.low[1]);
    split(upper[1], a.high[2], a.low[2]);
    split(lower[1], a.high[3], a.low[3]);
  }
  __device__ __forceinline__ static void set(B& b, const float (&column)[2]) {
    split(column[0], b.high[0], b.low[0]);
    split(column[1], b.high[1], b.low[1]);
  }
  __device__ __forceinline__ static void multiply(float (&d)[4], const A& a, const B& b) {
    mma_tf32x3(d, a.high, a.low, b.high, b.low);
  }
};

struct Tf32 {
  static constexpr int depth = 8;
  static constexpr bool split_sums = false;
  struct A {
    std::uint32_t v[4];
  };
  struct B {
    std::uint32_t v[2];
  };
  TERRANE_HD static float stored(float x) { return round_tf32(x); }
  __device__ __forceinline__ static void set(A& a, const float (&upper)[2], const float (&lower)[2]) {
    a.v[0] = bits_of(upper[0]);
    a.v[1] = bits_of(lower[0]);
    a.v[2] = bits_of(upper[1]);
    a.v[3] = bits_of(lower[1]);
  }
  __device__ __forceinline__ static void set(B& b, const float (&column)[2]) {
    b.v[0] = bits_of(column[0]);
    b.v[1] = bits_of(column[1]);
  }
  __device__ __forceinline__ static void multiply(float (&d)[4], const A& a, const B& b) { mma_tf32(d, a.v, b.v); }
};

struct Bf16 {
  static constexpr int depth = 16;
  static constexpr bool split_sums = false;
  struct A {
    std::uint32_t v[4];
  };
  struct B {
    std::uint32_t v[2];
  };
  TERRANE_HD static float stored(float x) { return round_bf16(x); }
  __device__ __forceinline__ static void set(A& a, const float (&upper)[4], const float (&lower)[4]) {
    a.v[0] = pack_bf16(upper[0], upper[1]);
    a.v[1] = pack_bf16(lower[0], lower[1]);
    a.v[2] = pack_bf16(upper[2], upper[3]);
    a.v[3] = pack_bf16(lower[2], lower[3]);
  }
  __device__ __forceinline__ static void set(B& b, const float (&column)[4]) {
    b.v[0] = pack_bf16(column[0], column[1]);
    b.v[1] = pack_bf16(column[2], column[3]);
  }
  __device__ __forceinline__ static void multiply(float (&d)[4], const A& a, const B& b) { mma_bf16(d, a.v, b.v); }
};

template <class P>
inline constexpr int lane_depth = P::depth / 4;

// --- products of tiles in shared memory ------------------------------------------------------------------------------
// Element (r, k) of a tile stands at p[r stride + k] (along) or at p[k stride + r]. Rows are outputs for B.
struct MmaTile {
  const float* p;
  int stride;
};

// The lane's k elements of row r, from k0 on. `paired` is the map of the product; it needs tiles with k along a row.
template <bool along, bool paired, int N>
__device__ __forceinline__ void load_lane(const MmaTile& tile, int r, int k0, int t, float (&v)[N]) {
  if constexpr (paired) {
    static_assert(along, "pairs of k are contiguous");
#pragma unroll
    for (int j = 0; j < N; j += 2) {
      const auto pair = *reinterpret_cast<const Float2*>(tile.p + r * tile.stride + k0 + 2 * t + 4 * j);
      v[j] = pair.x;
      v[j + 1] = pair.y;
    }
  } else {
#pragma unroll
    for (int j = 0; j < N; ++j) {
      const int k = k0 + t + 4 * j;
      v[j] = along ? tile.p[r * tile.stride + k] : tile.p[k * tile.stride + r];
    }
  }
}

// acc (16 MT x 8 NT of this warp) += A B over k in [0, depth); A and B start at the warp's first row.
template <class P, bool a_along, bool b_along, int MT, int NT>
__device__ __forceinline__ void multiply_tiles(float (&acc)[MT][NT][4], const MmaTile& a, const MmaTile& b, int depth) {
  constexpr bool paired = a_along && b_along;
  constexpr int N = lane_depth<P>;
  const int lane = static_cast<int>(threadIdx.x) % 32, g = lane / 4, t = lane % 4;
#pragma unroll 1
  for (int k = 0; k < depth; k += P::depth) {
    typename P::A left[MT];
#pragma unroll
    for (int m = 0; m < MT; ++m) {
      float upper[N], lower[N];
      load_lane<a_along, paired>(a, 16 * m + g, k, t, upper);
      load_lane<a_along, paired>(a, 16 * m + 8 + g, k, t, lower);
      P::set(left[m], upper, lower);
    }
#pragma unroll
    for (int n = 0; n < NT; ++n) {
      float column[N];
      load_lane<b_along, paired>(b, 8 * n + g, k, t, column);
      typename P::B right;
      P::set(right, column);
#pragma unroll
      for (int m = 0; m < MT; ++m) P::multiply(acc[m][n], left[m], right);
    }
  }
}

template <int MT, int NT>
__device__ __forceinline__ void clear(float (&acc)[MT][NT][4]) {
#pragma unroll
  for (int m = 0; m < MT; ++m) {
#pragma unroll
    for (int n = 0; n < NT; ++n) {
#pragma unroll
      for (int q = 0; q < 4; ++q) acc[m][n][q] = 0.0f;
    }
  }
}

// As multiply_tiles, for one slab of a longer sum.
template <class P, bool a_along, bool b_along, int MT, int NT>
__device__ __forceinline__ void add_slab(float (&acc)[MT][NT][4], const MmaTile& a, const MmaTile& b, int depth) {
  if constexpr (P::split_sums) {
    float slab[MT][NT][4];
    clear(slab);
    multiply_tiles<P, a_along, b_along>(slab, a, b, depth);
#pragma unroll
    for (int m = 0; m < MT; ++m) {
#pragma unroll
      for (int n = 0; n < NT; ++n) {
#pragma unroll
        for (int q = 0; q < 4; ++q) acc[m][n][q] += slab[m][n][q];
      }
    }
  } else {
    multiply_tiles<P, a_along, b_along>(acc, a, b, depth);
  }
}

// Writes the warp's block row-major: element (r, c) to out[r stride + c].
template <int MT, int NT>
__device__ __forceinline__ void store_block(const float (&acc)[MT][NT][4], float* out, int stride) {
  const int lane = static_cast<int>(threadIdx.x) % 32, g = lane / 4, t = lane % 4;
#pragma unroll
  for (int m = 0; m < MT; ++m) {
#pragma unroll
    for (int n = 0; n < NT; ++n) {
      float* at = out + (16 * m + g) * stride + 8 * n + 2 * t;
      *reinterpret_cast<Float2*>(at) = Float2{acc[m][n][0], acc[m][n][1]};
      *reinterpret_cast<Float2*>(at + 8 * stride) = Float2{acc[m][n][2], acc[m][n][3]};
    }
  }
}

}  // namespace terrane::TERRANE_BACKEND
