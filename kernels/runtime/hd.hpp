// SPDX-License-Identifier: MIT
// Attributes that let one source be compiled by the host compiler and by nvcc.
#pragma once

#include <cstddef>
#include <cstdint>

// Inlining is forced: otherwise both compilers emit a weak copy of the same inline function and the linker may keep
// the one that was built for the other side.
#if defined(__CUDACC__)
#define TERRANE_HD __host__ __device__ __forceinline__
#else
#define TERRANE_HD inline __attribute__((always_inline))
#endif

namespace terrane {

using Index = std::int64_t;  // sizes and offsets are 64-bit everywhere

// Subscript of a std::vector.
TERRANE_HD constexpr std::size_t at(Index i) { return static_cast<std::size_t>(i); }

}  // namespace terrane
