// SPDX-License-Identifier: MIT
// 64 bytes of values with masks, for CPU schedules whose lanes are independent problems (one source a lane): 16 floats
// or 8 doubles, one AVX-512 register or several narrower ones.
#pragma once

#if defined(__AVX512F__)
#include "kernels/stencil/pack_avx512_cpu.hpp"
#else
#include "kernels/stencil/pack_plain_cpu.hpp"
#endif

namespace terrane {
template <class T>
struct MulAdd<TERRANE_BACKEND::Pack<T>> {
  using V = TERRANE_BACKEND::Pack<T>;
  TERRANE_HD static V apply(const V& a, const V& b, const V& c) { return TERRANE_BACKEND::multiply_add(a, b, c); }
};
}  // namespace terrane
