// SPDX-License-Identifier: MIT
// GPU schedules: one thread an index. The same source runs under the CUDA emulator of the tests.
#pragma once

#include "kernels/runtime/launch_cuda.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {

inline constexpr int for_threads = 256;

template <class F>
__global__ void for_kernel(Index n, const KernelArgument<F> f) {
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < n) f(i);
}

template <class F>
__global__ void for_2d_kernel(Index rows, Index columns, const KernelArgument<F> f) {
  const Index c = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  for (Index r = blockIdx.y; r < rows; r += gridDim.y) {
    if (c < columns) f(r, c);
  }
}

template <class F>
void parallel_for(Stream& s, Index n, const F& f) {
  if (n <= 0) return;
  launch_elementwise(s, dim3(static_cast<unsigned>((n + for_threads - 1) / for_threads)), dim3(for_threads),
                     for_kernel<F>, n, f);
}

template <class F>
void parallel_for_coarse(Stream& s, Index n, const F& f) {
  if (n <= 0) return;
  launch_elementwise(s, dim3(static_cast<unsigned>((n + 31) / 32)), dim3(32), for_kernel<F>, n, f);
}

template <class F>
void parallel_for_2d(Stream& s, Index rows, Index columns, const F& f) {
  if (rows <= 0 || columns <= 0) return;
  const dim3 grid(static_cast<unsigned>((columns + 127) / 128), static_cast<unsigned>(rows < 65535 ? rows : 65535));
  launch_elementwise(s, grid, dim3(128), for_2d_kernel<F>, rows, columns, f);
}

// lanes[b * 16 + l] = sum of f over i = l mod 16 in block b, in increasing order
template <class F>
struct LaneSums {
  Index n;
  F f;
  double* lanes;
  TERRANE_HD void operator()(Index k) const {
    const Index begin = k / sum_lanes * sum_block;
    const Index end = begin + sum_block < n ? begin + sum_block : n;
    double sum = 0;
    for (Index i = begin + k % sum_lanes; i < end; i += sum_lanes) sum += static_cast<double>(f(i));
    lanes[k] = sum;
  }
};

struct CombineLanes {
  double* lanes;
  double* partial;
  TERRANE_HD void operator()(Index b) const { partial[b] = combine_lanes(lanes + b * sum_lanes); }
};

struct PartialSums {
  const double* partial;
  TERRANE_HD double operator()(Index i) const { return partial[i]; }
};

template <class T>
struct StoreSum {
  const double* sum;
  T* out;
  Index n;
  TERRANE_HD void operator()(Index) const { out[0] = n > 0 ? static_cast<T>(sum[0]) : T(0); }
};

template <class F>
void sum_pass(Stream& s, Index n, Index blocks, const F& f, double* lanes, double* partial) {
  parallel_for(s, blocks * sum_lanes, LaneSums<F>{n, f, lanes});
  parallel_for(s, blocks, CombineLanes{lanes, partial});
}

template <class T, class F>
void parallel_sum(Stream& s, Index n, const F& f, T* out) {
  Index blocks = n > 0 ? (n + sum_block - 1) / sum_block : 1;
  auto* lanes = static_cast<double*>(s.scratch(2 * blocks * (sum_lanes + 1) * static_cast<Index>(sizeof(double))));
  double* partial = lanes + blocks * sum_lanes;
  double* other = partial + blocks;
  sum_pass(s, n, blocks, f, lanes, partial);
  while (blocks > 1) {
    const Index next = (blocks + sum_block - 1) / sum_block;
    sum_pass(s, blocks, next, PartialSums{partial}, lanes, other);
    double* swap = partial;
    partial = other;
    other = swap;
    blocks = next;
  }
  parallel_for(s, 1, StoreSum<T>{partial, out, n});
}

}  // namespace terrane::TERRANE_BACKEND
