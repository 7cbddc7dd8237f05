// SPDX-License-Identifier: MIT
// Kernels that prove the CUDA emulator; the same source is valid for nvcc. Template parameter `barrier` false leaves a
// barrier out on purpose.
#pragma once

#include "kernels/runtime/launch_cuda.hpp"
#include "kernels/runtime/mma.hpp"

namespace terrane::TERRANE_BACKEND {

inline constexpr int tile_size = 32, tile_rows = 8;

template <class T>
struct TransposeTile {
  T v[tile_size][tile_size + 1];
};

// out(c, r) = in(r, c); in: (rows, columns); grid (ceil columns / 32, ceil rows / 32), block (32, 8)
template <class T, bool barrier>
__global__ void transpose_kernel(const T* in, T* out, int rows, int columns) {
  auto& tile = shared_storage<TransposeTile<T>>();
  const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
  const int r0 = static_cast<int>(blockIdx.y) * tile_size, c0 = static_cast<int>(blockIdx.x) * tile_size;
  for (int k = y; k < tile_size; k += tile_rows) {
    if (r0 + k < rows && c0 + x < columns) tile.v[k][x] = in[(r0 + k) * columns + c0 + x];
  }
  if constexpr (barrier) __syncthreads();
  for (int k = y; k < tile_size; k += tile_rows) {
    if (c0 + k < columns && r0 + x < rows) out[(c0 + k) * rows + r0 + x] = tile.v[x][k];
  }
}

inline constexpr int stencil_threads = 64;

// out[i] = in[i-1] - 2 in[i] + in[i+1], zero outside; dynamic shared memory of (block + 2) values
template <class T, bool barrier>
__global__ void stencil_kernel(const T* in, T* out, int n) {
  T* line = shared_dynamic<T>();
  const int t = static_cast<int>(threadIdx.x), i = static_cast<int>(blockIdx.x * blockDim.x) + t;
  line[t + 1] = i < n ? in[i] : T(0);
  if (t == 0) line[0] = i > 0 && i <= n ? in[i - 1] : T(0);
  if (t == static_cast<int>(blockDim.x) - 1) line[t + 2] = i + 1 < n ? in[i + 1] : T(0);
  if constexpr (barrier) __syncthreads();
  if (i < n) out[i] = line[t] - 2 * line[t + 1] + line[t + 2];
}

struct WarpSums {
  double v[32];
};

// out[block] = sum of in over the block's range: shuffles within warps, shared memory between them
template <class T>
__global__ void reduce_kernel(const T* in, double* out, int n) {
  auto& warps = shared_storage<WarpSums>();
  const int t = static_cast<int>(threadIdx.x), i = static_cast<int>(blockIdx.x * blockDim.x) + t;
  double sum = i < n ? static_cast<double>(in[i]) : 0.0;
  for (unsigned d = 16; d > 0; d /= 2) sum += __shfl_down_sync(0xffffffffu, sum, d);
  if (t % 32 == 0) warps.v[t / 32] = sum;
  __syncthreads();
  if (t < 32) {
    sum = t < static_cast<int>(blockDim.x) / 32 ? warps.v[t] : 0.0;
    for (int d = 16; d > 0; d /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, d);
    if (t == 0) out[blockIdx.x] = sum;
  }
}

// bins[k] += number of in[i] == k; in values lie in [0, n_bins); dynamic shared memory of n_bins counts
template <class T>
__global__ void histogram_kernel(const T* in, unsigned* bins, int n, int n_bins) {
  unsigned* local = shared_dynamic<unsigned>();
  const int t = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x);
  for (int k = t; k < n_bins; k += threads) local[k] = 0;
  __syncthreads();
  const int stride = static_cast<int>(gridDim.x) * threads;
  for (int i = static_cast<int>(blockIdx.x) * threads + t; i < n; i += stride) {
    atomicAdd(&local[static_cast<int>(in[i])], 1u);
  }
  __syncthreads();
  for (int k = t; k < n_bins; k += threads) {
    if (local[k] > 0) atomicAdd(&bins[k], local[k]);
  }
}

// votes[t] packs the results of all vote and shuffle forms; block 32
template <class T>
__global__ void vote_kernel(const T* in, T* out) {
  const int t = static_cast<int>(threadIdx.x);
  const unsigned all = 0xffffffffu;
  const T v = in[t];
  out[t] = __shfl_sync(all, v, 5);
  out[32 + t] = __shfl_up_sync(all, v, 3u, 16);
  out[64 + t] = __shfl_down_sync(all, v, 3u, 16);
  out[96 + t] = __shfl_xor_sync(all, v, 9);
  out[128 + t] = static_cast<T>(__ballot_sync(all, t % 3 == 0) >> 8 & 0xffffu);
  out[160 + t] = static_cast<T>(__any_sync(all, t == 7) + 2 * __all_sync(all, t < 31));
  out[192 + t] = static_cast<T>(__syncthreads_count(t % 4 == 0));
  out[224 + t] = static_cast<T>(__syncthreads_or(t == 40) + 2 * __syncthreads_and(t < 40));
  __syncwarp();
}

// c (16, 8) += a (16, depth) b (8, depth)^T of one warp through shared memory; `wait` or `barrier` false leaves that
// out. Dynamic shared memory: 24 rows of depth + 8 floats.
template <class P, bool wait, bool barrier>
__global__ void product_kernel(const float* a, const float* b, float* c, int depth) {
  float* shared = shared_dynamic<float>();
  const int stride = depth + 8, lane = static_cast<int>(threadIdx.x);
  for (int i = lane; i < 24 * depth / 4; i += 32) {
    const int r = i / (depth / 4), k = i % (depth / 4) * 4;
    async_copy(shared + r * stride + k, r < 16 ? a + r * depth + k : b + (r - 16) * depth + k);
  }
  if constexpr (wait) async_wait_all();
  if constexpr (barrier) __syncthreads();
  float acc[1][1][4];
  clear(acc);
  add_slab<P, true, true>(acc, MmaTile{shared, stride}, MmaTile{shared + 16 * stride, stride}, depth);
  if constexpr (!wait) async_wait_all();
  store_block(acc, c, 8);
}

// Blocks that are resident together pass a sum on: out[b] = in[0] + ... + in[b]; flags: a zero for each block.
template <bool wait>
__global__ void chain_kernel(const int* in, int* out, unsigned* flags) {
  const unsigned b = blockIdx.x;
  if (threadIdx.x == 0 && b > 0 && wait) wait_for_flag(flags + b - 1, 1);
  __syncthreads();
  if (threadIdx.x == blockDim.x - 1) out[b] = in[b] + (b > 0 ? out[b - 1] : 0);
  __syncthreads();
  if (threadIdx.x == 0) raise_flag(flags + b, 1);
}

// The blocks of a cluster shift their values in shared memory by one block, `steps` times; block: threads values.
template <bool barrier>
__global__ void rotate_kernel(const int* in, int* out, int steps) {
  int* now = shared_dynamic<int>();
  const int threads = static_cast<int>(blockDim.x), t = static_cast<int>(threadIdx.x), blocks = 3;
  const int i = static_cast<int>(blockIdx.x) * threads + t;
  now[t] = in[i];
  if constexpr (barrier) cluster_sync();
  for (int k = 0; k < steps; ++k) {
    const int from = k % 2 * threads, to = (k + 1) % 2 * threads;
    now[to + t] = peer_shared(now, (cluster_rank() + 1) % blocks)[from + (t + 1) % threads];
    if constexpr (barrier) cluster_sync();
  }
  out[i] = now[steps % 2 * threads + t];
}

}  // namespace terrane::TERRANE_BACKEND
