// SPDX-License-Identifier: MIT
// The function table of one back end. Compiled once for each; a kernel that this back end lacks is a link error.
#include "kernels/runtime/kernel.hpp"

#if defined(TERRANE_CUDA_BACKEND)
#include "kernels/runtime/cuda_memory.hpp"
#endif

// Spells the name of the back end's namespace as a string.
#define TERRANE_QUOTE_(x) #x
#define TERRANE_QUOTE(x) TERRANE_QUOTE_(x)

namespace terrane::TERRANE_BACKEND {

#define TERRANE_KERNEL_DECLARE(name, Args) \
  template <class T>                       \
  void name(Stream& s, const Args<T>& args);
TERRANE_KERNEL_LIST(TERRANE_KERNEL_DECLARE)
#undef TERRANE_KERNEL_DECLARE

const KernelTable* make_kernel_table() {
  static const KernelTable table = [] {
    KernelTable t;
    t.abi = kernel_table_abi;
    t.backend = TERRANE_QUOTE(TERRANE_BACKEND);
#if defined(TERRANE_CUDA_BACKEND)
    t.allocate = &allocate;
    t.deallocate = &deallocate;
    t.copy = &copy;
    t.lock_host = &lock_host;
    t.unlock_host = &unlock_host;
    t.stream_create = &stream_create;
    t.stream_destroy = &stream_destroy;
    t.synchronize = &synchronize;
    t.begin_recording = &begin_recording;
    t.end_recording = &end_recording;
    t.replay = &replay;
    t.free_recording = &free_recording;
    t.probe = &probe;
#endif
#define TERRANE_KERNEL_FILL(name, Args) \
  t.name##_f32 = &name<float>;          \
  t.name##_f64 = &name<double>;
    TERRANE_KERNEL_LIST(TERRANE_KERNEL_FILL)
#undef TERRANE_KERNEL_FILL
    return t;
  }();
  return &table;
}

}  // namespace terrane::TERRANE_BACKEND

#if defined(TERRANE_MODULE)
extern "C" __attribute__((visibility("default"))) const terrane::KernelTable* terrane_kernel_table() {
  return terrane::TERRANE_BACKEND::make_kernel_table();
}
#endif
