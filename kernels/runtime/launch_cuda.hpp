// SPDX-License-Identifier: MIT
// The one way to launch a kernel. Under nvcc a launch, under the emulator of the tests a call that runs every thread of
// every block as a fiber in a seeded random order.
//
//   TERRANE_LAUNCH(kernel, grid, block, shared_bytes, stream, args...)   kernels with barriers, shuffles, shared memory
//   launch_elementwise(stream, grid, block, kernel, args...)            kernels whose threads are independent
//   shared_storage<S>()   in a kernel: its static shared memory, one trivial struct S a kernel, at most 48 KiB
//   shared_dynamic<T>()   in a kernel: the shared_bytes of the launch
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

template <class Kernel, class... Args>
void launch_elementwise(Stream& s, dim3 grid, dim3 block, Kernel kernel, const Args&... args) {
  TERRANE_LAUNCH(kernel, grid, block, 0, s, args...);
}

}  // namespace terrane::TERRANE_BACKEND
#else
#include "tests/support/cuda_emulator.hpp"  // defines the same names
#endif
