// SPDX-License-Identifier: MIT
// Schedules that every back end has. Included by kernel sources (x.cpp, x.cpu.cpp, x.cuda.cu) only.
//
//   parallel_for(s, n, f)                 f(i)       for i in [0, n)
//   parallel_for_2d(s, rows, columns, f)  f(r, c)    contiguous in c
//   parallel_sum(s, n, f, out)            out[0] = sum_i f(i), accumulated in double in a fixed tree: blocks of 4096
//                                         elements, 16 lanes a block (lane = i mod 16), lanes then blocks combined
//                                         pairwise. The bits depend neither on the device nor on the thread count.
// f is a named functor with a const operator(), never a lambda: nvcc's host pass runs a lambda through a type-erased
// call.
#pragma once

#include "kernels/runtime/hd.hpp"
#include "kernels/runtime/stream.hpp"

namespace terrane {

inline constexpr Index sum_block = 4096;
inline constexpr int sum_lanes = 16;

// Pairwise combination of n <= 16 partial sums with stride 1, in place; the result is in lanes[0].
TERRANE_HD double combine_lanes(double* lanes) {
  for (int width = sum_lanes / 2; width > 0; width /= 2) {
    for (int l = 0; l < width; ++l) lanes[l] += lanes[l + width];
  }
  return lanes[0];
}

}  // namespace terrane

#if defined(TERRANE_CUDA_BACKEND)
#include "kernels/runtime/parallel_cuda.hpp"
#else
#include "kernels/runtime/parallel_cpu.hpp"
#endif
