// SPDX-License-Identifier: MIT
// Runs CUDA kernels on the CPU; tests only. Included by kernels/runtime/launch_cuda.hpp where there is no nvcc.
//
// TERRANE_LAUNCH runs the blocks of a grid one after the other in a seeded random order, and every thread of a block as
// a fiber. A fiber runs until it returns or meets a barrier or a warp collective; which fiber runs next is random, and
// in half of the blocks one warp is late. A missing barrier therefore shows as a wrong number for most seeds.
// launch_elementwise runs threads as a plain loop.
//
// Shared memory: kernels ask for it with shared_storage<S>() (one trivially constructible struct a kernel, at most
// 48 KiB) and shared_dynamic<T>() (the bytes of the launch). Both are NaN bytes (0xff) at the start of every block and
// end in a guard that is checked when the block ends. The raw keyword __shared__ does not exist here on purpose.
//
// Errors: Error{failed} with kernel, block and source line for a barrier that not all threads reach, a collective whose
// mask names a thread that has returned or does not exist, a write past shared memory, and impossible launch shapes.
// Not supported: spinning on a value, other than by wait_for_flag.
// Tensor-core products and asynchronous copies: cuda_emulator_mma.hpp.
//
// TERRANE_LAUNCH_TOGETHER keeps all blocks of the grid, or of a cluster, alive at the same time; one of them, at
// random, is ahead of the others for a while. Flags between them, cluster_sync and shared memory of a peer are as in
// launch_cuda.hpp. A flag that is never raised is an error, too.
//
// TERRANE_EMULATOR_SKIP=file:line:column in the environment leaves out one barrier, wait or flag; with
// TERRANE_EMULATOR_PLACES=path every such place that a launch meets is written to a file, once. A test removes each in
// turn and expects wrong numbers or an error.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <source_location>
#include <string>
#include <type_traits>
#include <utility>

#include "kernels/runtime/error.hpp"
#include "kernels/runtime/stream.hpp"
#include "tests/support/cuda_emulator_mma.hpp"
#include "tests/support/fake_nv/cuda_runtime.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __restrict__ __restrict

#define TERRANE_EMULATOR_TLS inline constinit thread_local __attribute__((tls_model("initial-exec")))
TERRANE_EMULATOR_TLS uint3 threadIdx{};
TERRANE_EMULATOR_TLS uint3 blockIdx{};
TERRANE_EMULATOR_TLS dim3 blockDim{};
TERRANE_EMULATOR_TLS dim3 gridDim{};
#undef TERRANE_EMULATOR_TLS
inline constexpr int warpSize = 32;

namespace terrane::emulator {

enum class Collective {
  block_sync,
  block_or,
  block_and,
  block_count,  // whole block
  warp_sync,
  shuffle,
  shuffle_up,
  shuffle_down,
  shuffle_xor,  // warp, by mask
  ballot,
  any,
  all,
  operation,  // mma: a function of all lanes' operands
  cluster_sync
};

// Seed of the order of blocks and fibers; at start the environment variable TERRANE_EMULATOR_SEED, else 0. Holds for
// this module and all threads.
void set_seed(std::uint64_t seed);
// Positive: number of fiber switches since the program started (for tests of the emulator).
std::uint64_t switches();

// Blocks until all participants arrive. `value` is this thread's operand; the result is this thread's.
std::uint64_t collect(Collective kind, unsigned mask, std::uint64_t value, int argument, int width,
                      const std::source_location& where);
void* shared_memory(const void* key, Index bytes);  // key: one address a type; null: dynamic memory of the launch

// A block's thread waits until the flag is at least this large; sets it for those who wait.
void flag_wait(const unsigned* flag, unsigned at_least, const std::source_location& where);
void flag_release(unsigned* flag, unsigned value, const std::source_location& where);
unsigned cluster_rank();
void* shared_of_peer(const void* mine, unsigned rank);

// together: blocks alive at a time; 0: the whole grid.
void run_grid(const char* kernel, dim3 grid, dim3 block, Index shared_bytes, unsigned together,
              void (*thread)(const void*), const void* context);
// Order of blocks and direction of threads for launches of independent threads.
struct LoopOrder {
  Index blocks, start, step;
  bool reverse;
};
LoopOrder loop_order(const char* kernel, dim3 grid, dim3 block);

template <class T>
std::uint64_t to_bits(T v) {
  static_assert(std::is_trivially_copyable_v<T> && (sizeof(T) == 4 || sizeof(T) == 8), "4 or 8 bytes, as in CUDA");
  std::uint64_t u = 0;
  std::memcpy(&u, &v, sizeof v);
  return u;
}
template <class T>
T from_bits(std::uint64_t u) {
  T v;
  std::memcpy(&v, &u, sizeof v);
  return v;
}
template <class S>
inline constexpr char type_key = 0;

template <class F>
void call_thread(const void* f) {
  (*static_cast<const F*>(f))();
}

// Runs the launch, or adds it to the graph that the stream records.
template <class F>
void submit(cudaStream_t stream, F run) {
  if (fake_nv_is_recording(stream)) return fake_nv_record(stream, std::move(run));
  run();
}

template <class Kernel, class... Args>
void launch(cudaStream_t stream, const char* name, dim3 grid, dim3 block, Index shared_bytes, unsigned together,
            Kernel kernel, Args... args) {
  submit(stream, [=] {
    const auto thread = [&] { kernel(args...); };
    run_grid(name, grid, block, shared_bytes, together, &call_thread<decltype(thread)>, &thread);
  });
}

}  // namespace terrane::emulator

// Barriers and warp collectives; the location is for messages and for telling two barriers apart.
using TerraneWhere = std::source_location;
inline void __syncthreads(TerraneWhere w = TerraneWhere::current()) {
  terrane::emulator::collect(terrane::emulator::Collective::block_sync, 0, 0, 0, 0, w);
}
inline int __syncthreads_or(int p, TerraneWhere w = TerraneWhere::current()) {
  return static_cast<int>(terrane::emulator::collect(terrane::emulator::Collective::block_or, 0, p != 0, 0, 0, w));
}
inline int __syncthreads_and(int p, TerraneWhere w = TerraneWhere::current()) {
  return static_cast<int>(terrane::emulator::collect(terrane::emulator::Collective::block_and, 0, p != 0, 0, 0, w));
}
inline int __syncthreads_count(int p, TerraneWhere w = TerraneWhere::current()) {
  return static_cast<int>(terrane::emulator::collect(terrane::emulator::Collective::block_count, 0, p != 0, 0, 0, w));
}
inline void __syncwarp(unsigned mask = 0xffffffffu, TerraneWhere w = TerraneWhere::current()) {
  terrane::emulator::collect(terrane::emulator::Collective::warp_sync, mask, 0, 0, 0, w);
}
template <class T>
T __shfl_sync(unsigned mask, T v, int source, int width = 32, TerraneWhere w = TerraneWhere::current()) {
  using namespace terrane::emulator;
  return from_bits<T>(collect(Collective::shuffle, mask, to_bits(v), source, width, w));
}
template <class T>
T __shfl_up_sync(unsigned mask, T v, unsigned delta, int width = 32, TerraneWhere w = TerraneWhere::current()) {
  using namespace terrane::emulator;
  return from_bits<T>(collect(Collective::shuffle_up, mask, to_bits(v), static_cast<int>(delta), width, w));
}
template <class T>
T __shfl_down_sync(unsigned mask, T v, unsigned delta, int width = 32, TerraneWhere w = TerraneWhere::current()) {
  using namespace terrane::emulator;
  return from_bits<T>(collect(Collective::shuffle_down, mask, to_bits(v), static_cast<int>(delta), width, w));
}
template <class T>
T __shfl_xor_sync(unsigned mask, T v, int lanes, int width = 32, TerraneWhere w = TerraneWhere::current()) {
  using namespace terrane::emulator;
  return from_bits<T>(collect(Collective::shuffle_xor, mask, to_bits(v), lanes, width, w));
}
inline unsigned __ballot_sync(unsigned mask, int p, TerraneWhere w = TerraneWhere::current()) {
  return static_cast<unsigned>(
      terrane::emulator::collect(terrane::emulator::Collective::ballot, mask, p != 0, 0, 0, w));
}
inline int __any_sync(unsigned mask, int p, TerraneWhere w = TerraneWhere::current()) {
  return static_cast<int>(terrane::emulator::collect(terrane::emulator::Collective::any, mask, p != 0, 0, 0, w));
}
inline int __all_sync(unsigned mask, int p, TerraneWhere w = TerraneWhere::current()) {
  return static_cast<int>(terrane::emulator::collect(terrane::emulator::Collective::all, mask, p != 0, 0, 0, w));
}
inline void __threadfence() {}
inline void __threadfence_block() {}

// Atomics: fibers switch only at collectives, so read-modify-write is atomic as it stands. They return the old value.
template <class T>
using TerraneAtomicOperand = std::type_identity_t<T>;
template <class T>
T atomicAdd(T* p, TerraneAtomicOperand<T> v) {
  const T old = *p;
  *p = old + v;
  return old;
}
template <class T>
T atomicMax(T* p, TerraneAtomicOperand<T> v) {
  static_assert(std::is_integral_v<T>, "CUDA has integer atomicMax only");
  const T old = *p;
  if (v > old) *p = v;
  return old;
}
template <class T>
T atomicMin(T* p, TerraneAtomicOperand<T> v) {
  static_assert(std::is_integral_v<T>, "CUDA has integer atomicMin only");
  const T old = *p;
  if (v < old) *p = v;
  return old;
}
template <class T>
T atomicExch(T* p, TerraneAtomicOperand<T> v) {
  const T old = *p;
  *p = v;
  return old;
}
template <class T>
T atomicCAS(T* p, TerraneAtomicOperand<T> expected, TerraneAtomicOperand<T> v) {
  static_assert(std::is_integral_v<T>, "CUDA has integer atomicCAS only");
  const T old = *p;
  if (old == expected) *p = v;
  return old;
}

namespace terrane::TERRANE_BACKEND {

inline void check_cuda(cudaError_t e, const char* what) {
  if (e == cudaSuccess) return;
  const bool memory = e == cudaErrorMemoryAllocation;
  throw Error(memory ? ErrorCode::budget : ErrorCode::device, std::string(what) + ": " + cudaGetErrorString(e));
}

inline cudaStream_t cuda_stream(const Stream& s) { return static_cast<cudaStream_t>(s.native()); }

template <class S>
S& shared_storage() {
  static_assert(std::is_trivially_copyable_v<S> && std::is_trivially_default_constructible_v<S>);
  static_assert(sizeof(S) <= 48 * 1024, "static shared memory is limited to 48 KiB; use shared_dynamic");
  return *static_cast<S*>(emulator::shared_memory(&emulator::type_key<S>, static_cast<Index>(sizeof(S))));
}
template <class T>
T* shared_dynamic() {
  return static_cast<T*>(emulator::shared_memory(nullptr, 0));
}

#define TERRANE_LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                                   \
  ::terrane::emulator::launch(::terrane::TERRANE_BACKEND::cuda_stream(stream), #kernel, (grid), (block), \
                              static_cast<::terrane::Index>(shared_bytes), 1, (kernel)__VA_OPT__(, ) __VA_ARGS__)
#define TERRANE_LAUNCH_TOGETHER(kernel, grid, block, shared_bytes, cluster, stream, ...)                 \
  ::terrane::emulator::launch(::terrane::TERRANE_BACKEND::cuda_stream(stream), #kernel, (grid), (block), \
                              static_cast<::terrane::Index>(shared_bytes), (cluster),                    \
                              (kernel)__VA_OPT__(, ) __VA_ARGS__)

inline void wait_for_flag(const unsigned* flag, unsigned at_least, TerraneWhere w = TerraneWhere::current()) {
  emulator::flag_wait(flag, at_least, w);
}
inline void raise_flag(unsigned* flag, unsigned value, TerraneWhere w = TerraneWhere::current()) {
  emulator::flag_release(flag, value, w);
}
inline void cluster_sync(TerraneWhere w = TerraneWhere::current()) {
  emulator::collect(emulator::Collective::cluster_sync, 0, 0, 0, 0, w);
}
inline int cluster_rank() { return static_cast<int>(emulator::cluster_rank()); }
template <class T>
T* peer_shared(T* mine, int rank) {
  return static_cast<T*>(emulator::shared_of_peer(mine, static_cast<unsigned>(rank)));
}

template <class F>
using KernelArgument = const F&;

template <class Kernel, class... Args>
void run_elementwise(dim3 grid, dim3 block, Kernel kernel, const Args&... args) {
  const emulator::LoopOrder order = emulator::loop_order("elementwise kernel", grid, block);
  gridDim = grid;
  blockDim = block;
  for (Index i = 0, b = order.start; i < order.blocks; ++i, b = (b + order.step) % order.blocks) {
    const auto linear = static_cast<std::uint64_t>(b);
    blockIdx = {static_cast<unsigned>(linear % grid.x), static_cast<unsigned>(linear / grid.x % grid.y),
                static_cast<unsigned>(linear / grid.x / grid.y)};
    for (unsigned z = 0; z < block.z; ++z) {
      for (unsigned y = 0; y < block.y; ++y) {
        for (unsigned x = 0; x < block.x; ++x) {
          threadIdx = {order.reverse ? block.x - 1 - x : x, y, z};
          kernel(args...);
        }
      }
    }
  }
}
template <class Kernel, class... Args>
void launch_elementwise(Stream& s, dim3 grid, dim3 block, Kernel kernel, const Args&... args) {
  if (!fake_nv_is_recording(cuda_stream(s))) return run_elementwise(grid, block, kernel, args...);
  fake_nv_record(cuda_stream(s), [=] { run_elementwise(grid, block, kernel, args...); });
}

}  // namespace terrane::TERRANE_BACKEND
