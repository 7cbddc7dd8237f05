// SPDX-License-Identifier: MIT
// Denormal numbers of this thread count as zero while the object lives. The forerunners of a wave and its remains in
// absorbing layers pass through that range, where arithmetic is many times slower.
#pragma once

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace terrane::TERRANE_BACKEND {

#if defined(__SSE2__)
class FlushDenormals {
 public:
  FlushDenormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | flush_results | zero_operands); }
  ~FlushDenormals() { _mm_setcsr(before_); }
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  static constexpr unsigned flush_results = 0x8000, zero_operands = 0x0040;
  unsigned before_;
};
#else
struct FlushDenormals {
  FlushDenormals() {}
};
#endif

}  // namespace terrane::TERRANE_BACKEND
