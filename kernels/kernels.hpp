// SPDX-License-Identifier: MIT
// Dispatchers: terrane::name(stream, args) runs the kernel on the stream's device. For algorithms; kernel sources do
// not include this header.
#pragma once

#include <type_traits>

#include "kernels/runtime/buffer.hpp"
#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/trace.hpp"

namespace terrane {

#define TERRANE_KERNEL_DISPATCH(name, Args)          \
  template <class T>                                 \
  inline void name(Stream& s, const Args<T>& args) { \
    const KernelCall call(s, #name);                 \
    if constexpr (std::is_same_v<T, float>) {        \
      s.table().name##_f32(s, args);                 \
    } else {                                         \
      s.table().name##_f64(s, args);                 \
    }                                                \
  }
TERRANE_KERNEL_LIST(TERRANE_KERNEL_DISPATCH)
#undef TERRANE_KERNEL_DISPATCH

}  // namespace terrane
