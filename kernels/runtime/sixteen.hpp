// SPDX-License-Identifier: MIT
// Schedules for arrays that hold sixteen independent values in a row (n, 16), such as one value for each of sixteen
// sources. Included by kernel sources only.
//
//   for_each_row(s, n, f)     f(i, lanes)   for i in [0, n), cheap rows
//   for_each_block(s, n, f)   f(i, lanes)   expensive rows
// f is a functor whose operator() is a template on `lanes`: on the CPU all sixteen at once, on a GPU one of them. It
// calls lanes.load(p) (p: first value of a row) and lanes.store(p, v), calculates with what they return as if that were
// one number, and makes zeros by lanes.template zero<T>() and conversions by lanes.template cast<T>(v).
#pragma once

#include "kernels/runtime/parallel.hpp"

namespace terrane {
inline constexpr int sixteen = 16;
}

namespace terrane::TERRANE_BACKEND {

#if defined(TERRANE_CUDA_BACKEND)

struct OneLane {
  int lane;
  template <class T>
  TERRANE_HD T load(const T* p) const {
    return p[lane];
  }
  template <class T>
  TERRANE_HD void store(T* p, T v) const {
    p[lane] = v;
  }
  template <class T>
  TERRANE_HD T zero() const {
    return T(0);
  }
  template <class T, class U>
  TERRANE_HD T cast(U v) const {
    return static_cast<T>(v);
  }
};

template <class F>
struct RowOfOneLane {
  F f;
  TERRANE_HD void operator()(Index i) const { f(i / sixteen, OneLane{static_cast<int>(i % sixteen)}); }
};

template <class F>
void for_each_row(Stream& s, Index n, const F& f) {
  parallel_for(s, n * sixteen, RowOfOneLane<F>{f});
}
template <class F>
void for_each_block(Stream& s, Index n, const F& f) {
  parallel_for(s, n * sixteen, RowOfOneLane<F>{f});
}

#else

// Vectors of the compiler; a narrower machine works on their parts.
typedef float Sixteen32 __attribute__((vector_size(64)));
typedef double Sixteen64 __attribute__((vector_size(128)));
typedef Sixteen32 Sixteen32Loose __attribute__((may_alias, aligned(4)));
typedef Sixteen64 Sixteen64Loose __attribute__((may_alias, aligned(8)));

struct AllLanes {
  TERRANE_HD Sixteen32 load(const float* p) const { return *reinterpret_cast<const Sixteen32Loose*>(p); }
  TERRANE_HD Sixteen64 load(const double* p) const { return *reinterpret_cast<const Sixteen64Loose*>(p); }
  TERRANE_HD void store(float* p, Sixteen32 v) const { *reinterpret_cast<Sixteen32Loose*>(p) = v; }
  TERRANE_HD void store(double* p, Sixteen64 v) const { *reinterpret_cast<Sixteen64Loose*>(p) = v; }
  template <class T>
  TERRANE_HD auto zero() const {
    if constexpr (sizeof(T) == 4) {
      return Sixteen32{};
    } else {
      return Sixteen64{};
    }
  }
  template <class T, class V>
  TERRANE_HD auto cast(V v) const {
    if constexpr (sizeof(T) == 4) {
      return __builtin_convertvector(v, Sixteen32);
    } else {
      return __builtin_convertvector(v, Sixteen64);
    }
  }
};

template <class F>
struct RowOfAllLanes {
  F f;
  void operator()(Index i) const { f(i, AllLanes{}); }
};

template <class F>
void for_each_row(Stream& s, Index n, const F& f) {
  constexpr Index grain = 2048;
  const Index blocks = (n + grain - 1) / grain;
#pragma omp parallel for schedule(static) num_threads(s.threads()) if (blocks > 1 && s.threads() > 1)
  for (Index b = 0; b < blocks; ++b) {
    const Index end = n < (b + 1) * grain ? n : (b + 1) * grain;
    for (Index i = b * grain; i < end; ++i) f(i, AllLanes{});
  }
}
template <class F>
void for_each_block(Stream& s, Index n, const F& f) {
  if (n <= 16) {
    for (Index i = 0; i < n; ++i) f(i, AllLanes{});
    return;
  }
  parallel_for_coarse(s, n, RowOfAllLanes<F>{f});
}

#endif

}  // namespace terrane::TERRANE_BACKEND
