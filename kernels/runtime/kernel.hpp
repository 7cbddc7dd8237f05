// SPDX-License-Identifier: MIT
// One table of function pointers per back end, generated from one list (kernels/kernel_list.hpp).
//
// A kernel is `template <class T> void name(Stream&, const Args<T>&)`, defined once in namespace
// terrane::TERRANE_BACKEND and instantiated for float and double. Back ends: baseline, v3, v4 (CPU variants, each built
// as a whole), cuda, emulated. A kernel without an implementation is a link error of that back end.
#pragma once

#include <string>

#include "kernels/kernel_list.hpp"
#include "kernels/runtime/stream.hpp"

// Instantiates a kernel for both scalars; stands after its definition.
#define TERRANE_INSTANTIATE(name, Args)                   \
  template void name<float>(Stream&, const Args<float>&); \
  template void name<double>(Stream&, const Args<double>&);

namespace terrane {

struct KernelTable {
  int abi = 0;                    // kernel_table_abi of the build; modules of another build are refused
  const char* backend = nullptr;  // "baseline", "v3", "v4", "cuda", "emulated"
  // Memory and streams of a GPU back end; null for the CPU. Each returns null or an error text (static storage).
  const char* (*allocate)(int device, Index bytes, void** out) = nullptr;
  const char* (*deallocate)(int device, void* pointer) = nullptr;
  const char* (*copy)(void* native, const void* from, void* to, Index bytes) = nullptr;  // any direction, synchronous
  const char* (*lock_host)(void* host, Index bytes) = nullptr;  // its pages, so that copies are fast
  const char* (*unlock_host)(void* host) = nullptr;
  const char* (*stream_create)(int device, void** native) = nullptr;
  const char* (*stream_destroy)(void* native) = nullptr;
  const char* (*synchronize)(void* native) = nullptr;
  // Between begin and end the launches of a stream are kept in a graph instead of run; null where there are no graphs.
  const char* (*begin_recording)(int device, void* native) = nullptr;
  const char* (*end_recording)(void* native, void** graph) = nullptr;  // graph null: given up
  const char* (*replay)(int device, void* native, void* graph) = nullptr;
  void (*free_recording)(void* graph) = nullptr;
  // Number of usable devices; `text` receives name and driver of `device`, or the reason why there is none.
  int (*probe)(int device, char* text, Index text_bytes) = nullptr;
#define TERRANE_KERNEL_ENTRY(name, Args)                     \
  void (*name##_f32)(Stream&, const Args<float>&) = nullptr; \
  void (*name##_f64)(Stream&, const Args<double>&) = nullptr;
  TERRANE_KERNEL_LIST(TERRANE_KERNEL_ENTRY)
#undef TERRANE_KERNEL_ENTRY
};

// Changes whenever a table of one build must not be used by another: the size covers added kernels.
inline constexpr int kernel_table_abi = static_cast<int>(sizeof(KernelTable)) * 1000 + 3;

// Exported by every module under the name terrane_kernel_table.
using KernelTableFunction = const KernelTable* (*)();

// Table of the back end that serves `device`; loads its module on first use. Throws Error{device} with the reason.
const KernelTable& kernel_table(const Device& device);

}  // namespace terrane
