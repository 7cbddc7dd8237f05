// SPDX-License-Identifier: MIT
// The one way to launch a kernel. Under nvcc a launch, under the emulator of the tests a call that runs every thread of
// every block as a fiber in a seeded random order.
//
//   TERRANE_LAUNCH(kernel, grid, block, shared_bytes, stream, args...)   kernels with barriers, shuffles, shared memory
//   TERRANE_LAUNCH_TOGETHER(kernel, grid, block, shared_bytes, cluster, stream, args...)   blocks that wait for each
//       other: cluster > 0: those of a cluster (sm_90 and newer), else all of the grid (a cooperative launch)
//   launch_elementwise(stream, grid, block, kernel, args...)            kernels whose threads are independent
//   KernelArgument<F>     type of a large argument of such a kernel: F; under the emulator a reference, since a copy a
//       thread would cost more than the thread
//   shared_storage<S>()   in a kernel: its static shared memory, one trivial struct S a kernel, at most 48 KiB
//   shared_dynamic<T>()   in a kernel: the shared_bytes of the launch
//   raise_flag(flag, value), wait_for_flag(flag, at_least)   one thread of a block to one of another: what the first
//       block has written before (and joined by __syncthreads) is seen after the wait (and __syncthreads)
//   cluster_sync(), cluster_rank(), peer_shared(pointer, rank)   blocks of a cluster
#pragma once

#include "kernels/runtime/error.hpp"
#include "kernels/runtime/stream.hpp"

#if defined(__CUDACC__)
#include <cuda_runtime.h>

namespace terrane::TERRANE_BACKEND {

inline void check_cuda(cudaError_t e, const char* what) {
  if (e == cudaSuccess) return;
  const bool memory = e == cudaErrorMemoryAllocation;
  throw Error(memory ? ErrorCode::budget : ErrorCode::device, std::string(what) + ": " + cudaGetErrorString(e));
}

// The stream's device becomes current for this thread: launches and library calls need that.
inline cudaStream_t cuda_stream(const Stream& s) {
  check_cuda(cudaSetDevice(s.device().index), "selecting the GPU");
  return static_cast<cudaStream_t>(s.native());
}

template <class S>
__device__ __forceinline__ S& shared_storage() {
  __shared__ S storage;
  return storage;
}
template <class T>
__device__ __forceinline__ T* shared_dynamic() {
  extern __shared__ __align__(16) unsigned char dynamic_shared_bytes[];
  return reinterpret_cast<T*>(dynamic_shared_bytes);
}

#define TERRANE_LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                                           \
  do {                                                                                                           \
    (kernel)<<<(grid), (block), (shared_bytes), ::terrane::TERRANE_BACKEND::cuda_stream(stream)>>>(__VA_ARGS__); \
    ::terrane::TERRANE_BACKEND::check_cuda(cudaGetLastError(), #kernel);                                         \
  } while (false)

// Launches blocks that are resident together.
template <class... Formal, class... Args>
void launch_together(const char* name, dim3 grid, dim3 block, std::size_t shared_bytes, unsigned cluster,
                     cudaStream_t stream, void (*kernel)(Formal...), const Args&... args) {
  cudaLaunchAttribute attribute{};
  if (cluster > 0) {
    attribute.id = cudaLaunchAttributeClusterDimension;
    attribute.val.clusterDim.x = cluster;
    attribute.val.clusterDim.y = attribute.val.clusterDim.z = 1;
  } else {
    attribute.id = cudaLaunchAttributeCooperative;
    attribute.val.cooperative = 1;
  }
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  config.attrs = &attribute;
  config.numAttrs = 1;
  check_cuda(cudaLaunchKernelEx(&config, kernel, args...), name);
}

#define TERRANE_LAUNCH_TOGETHER(kernel, grid, block, shared_bytes, cluster, stream, ...)           \
  ::terrane::TERRANE_BACKEND::launch_together(#kernel, (grid), (block), (shared_bytes), (cluster), \
                                              ::terrane::TERRANE_BACKEND::cuda_stream(stream), (kernel), __VA_ARGS__)

__device__ __forceinline__ void raise_flag(unsigned* flag, unsigned value) {
  asm volatile("st.release.gpu.u32 [%0], %1;" ::"l"(flag), "r"(value) : "memory");
}
__device__ __forceinline__ void wait_for_flag(const unsigned* flag, unsigned at_least) {
  unsigned seen = 0;
  do {
    asm volatile("ld.acquire.gpu.u32 %0, [%1];" : "=r"(seen) : "l"(flag) : "memory");
  } while (seen < at_least);
}

// Older devices know no clusters; kernels that use them are not launched there.
__device__ __forceinline__ void cluster_sync() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.arrive.release.aligned;\n barrier.cluster.wait.acquire.aligned;" ::: "memory");
#else
  __trap();
#endif
}
__device__ __forceinline__ int cluster_rank() {
  unsigned rank = 0;
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
#endif
  return static_cast<int>(rank);
}
// The same place in the shared memory of another block of the cluster.
template <class T>
__device__ __forceinline__ T* peer_shared(T* mine, int rank) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  T* theirs;
  asm volatile("mapa.u64 %0, %1, %2;" : "=l"(theirs) : "l"(mine), "r"(rank));
  return theirs;
#else
  static_cast<void>(rank);
  return mine;
#endif
}

template <class F>
using KernelArgument = F;

template <class Kernel, class... Args>
void launch_elementwise(Stream& s, dim3 grid, dim3 block, Kernel kernel, const Args&... args) {
  TERRANE_LAUNCH(kernel, grid, block, 0, s, args...);
}

}  // namespace terrane::TERRANE_BACKEND
#else
#include "tests/support/cuda_emulator.hpp"  // defines the same names
#endif
