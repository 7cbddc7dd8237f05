// SPDX-License-Identifier: MIT
// Tensor-core products and asynchronous copies under the emulator; included by cuda_emulator.hpp.
//
// mma: all 32 lanes of a warp hand in their fragments (layouts of the PTX ISA for m16n8k8 tf32 and m16n8k16 bf16), the
// last to arrive computes. As in hardware the low 13 bits of a TF32 operand are ignored, products are exact, and the
// sum of the products and the accumulator is truncated to float: the pessimistic reading of the published measurements.
// async_copy: the bytes arrive at async_wait_all of the same thread; until then the target holds NaN.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <source_location>

#include "kernels/runtime/hd.hpp"

namespace terrane::emulator {

// What one lane hands to a collective of a whole warp; run() gets all 32, lane by lane.
struct WarpOperation {
  void (*run)(WarpOperation* const* lanes) = nullptr;
};
void warp_operation(WarpOperation& operation, const std::source_location& where);

void async_copy(void* to_shared, const void* from, Index bytes);
void async_wait_all(const std::source_location& where = std::source_location::current());

inline float float_bits(std::uint32_t u) { return std::bit_cast<float>(u); }

// Rounds towards zero.
inline float truncate_to_float(double x) {
  const float f = static_cast<float>(x);
  return std::fabs(static_cast<double>(f)) > std::fabs(x) ? float_bits(std::bit_cast<std::uint32_t>(f) - 1) : f;
}

// One or several products of the same accumulators, one after the other.
struct MmaOperation : WarpOperation {
  struct Factors {
    const std::uint32_t* a;
    const std::uint32_t* b;
  };
  float* d = nullptr;
  Factors factors[3] = {};
  int count = 0;
  bool bf16 = false;

  static double element(bool bf16, std::uint32_t u, int half) {
    if (!bf16) return float_bits(u & 0xffffe000u);
    return float_bits(half == 0 ? u << 16 : u & 0xffff0000u);
  }
  static void compute(WarpOperation* const* lanes) {
    const auto& first = *static_cast<MmaOperation*>(lanes[0]);
    for (int i = 0; i < first.count; ++i) multiply(lanes, i, first.bf16);
  }
  static void multiply(WarpOperation* const* lanes, int which, bool bf16) {
    typedef double Row __attribute__((vector_size(64)));  // the 8 columns of B
    alignas(64) double a[16][16], b[16][8], sums[16][8];
    const int depth = bf16 ? 16 : 8, halves = bf16 ? 2 : 1;
    for (int lane = 0; lane < 32; ++lane) {
      const auto& o = *static_cast<MmaOperation*>(lanes[lane]);
      const Factors& f = o.factors[which];
      const int g = lane / 4, t = lane % 4;
      for (int part = 0; part < 2; ++part) {
        for (int h = 0; h < halves; ++h) {  // registers of A alternate between rows g and g + 8
          const int k = halves * t + 4 * halves * part + h;
          a[g][k] = element(bf16, f.a[2 * part], h);
          a[g + 8][k] = element(bf16, f.a[2 * part + 1], h);
          b[k][g] = element(bf16, f.b[part], h);
        }
      }
      for (int q = 0; q < 4; ++q) sums[g + 8 * (q / 2)][2 * t + q % 2] = o.d[q];
    }
    for (int r = 0; r < 16; ++r) {
      Row sum;
      std::memcpy(&sum, sums[r], sizeof sum);
      for (int k = 0; k < depth; ++k) {
        Row row;
        std::memcpy(&row, b[k], sizeof row);
        sum += a[r][k] * row;
      }
      std::memcpy(sums[r], &sum, sizeof sum);
    }
    for (int lane = 0; lane < 32; ++lane) {
      float* d = static_cast<MmaOperation*>(lanes[lane])->d;
      const int g = lane / 4, t = lane % 4;
      for (int q = 0; q < 4; ++q) d[q] = truncate_to_float(sums[g + 8 * (q / 2)][2 * t + q % 2]);
    }
  }
};

inline void mma(MmaOperation& o, std::source_location where = std::source_location::current()) {
  o.run = &MmaOperation::compute;
  warp_operation(o, where);
}

}  // namespace terrane::emulator
