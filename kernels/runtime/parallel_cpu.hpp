// SPDX-License-Identifier: MIT
// CPU schedules: fixed blocks over OpenMP threads. Small loops stay on the calling thread.
#pragma once

#include <algorithm>

#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {

inline constexpr Index for_grain = 8192;  // elements a block; below one block a thread costs more than it gives

template <class F>
void parallel_for(Stream& s, Index n, const F& f) {
  const Index blocks = (n + for_grain - 1) / for_grain;
#pragma omp parallel for schedule(static) num_threads(s.threads()) if (blocks > 1 && s.threads() > 1)
  for (Index b = 0; b < blocks; ++b) {
    const Index end = std::min(n, (b + 1) * for_grain);
#pragma GCC ivdep
    for (Index i = b * for_grain; i < end; ++i) f(i);
  }
}

// For iterations that are expensive each (a trace, a shot, a tile): one iteration a task.
template <class F>
void parallel_for_coarse(Stream& s, Index n, const F& f) {
#pragma omp parallel for schedule(dynamic, 1) num_threads(s.threads()) if (n > 1 && s.threads() > 1)
  for (Index i = 0; i < n; ++i) f(i);
}

template <class F>
void parallel_for_2d(Stream& s, Index rows, Index columns, const F& f) {
  const Index chunk = std::max<Index>(1, for_grain / std::max<Index>(1, columns));
  const Index blocks = (rows + chunk - 1) / chunk;
#pragma omp parallel for schedule(static) num_threads(s.threads()) if (blocks > 1 && s.threads() > 1)
  for (Index b = 0; b < blocks; ++b) {
    const Index end = std::min(rows, (b + 1) * chunk);
    for (Index r = b * chunk; r < end; ++r) {
#pragma GCC ivdep
      for (Index c = 0; c < columns; ++c) f(r, c);
    }
  }
}

template <class F>
double sum_one_block(Index n, Index block, const F& f) {
  double lanes[sum_lanes] = {};
  const Index begin = block * sum_block, end = std::min(n, begin + sum_block);
  const Index whole = begin + (end - begin) / sum_lanes * sum_lanes;
  for (Index i = begin; i < whole; i += sum_lanes) {
    for (int l = 0; l < sum_lanes; ++l) lanes[l] += static_cast<double>(f(i + l));
  }
  for (Index i = whole; i < end; ++i) lanes[i - whole] += static_cast<double>(f(i));
  return combine_lanes(lanes);
}

struct PartialSums {
  const double* partial;
  double operator()(Index i) const { return partial[i]; }
};

template <class T, class F>
void parallel_sum(Stream& s, Index n, const F& f, T* out) {
  if (n <= sum_block) {
    *out = n > 0 ? static_cast<T>(sum_one_block(n, 0, f)) : T(0);
    return;
  }
  Index blocks = (n + sum_block - 1) / sum_block;
  auto* partial = static_cast<double*>(s.scratch(blocks * static_cast<Index>(sizeof(double))));
#pragma omp parallel for schedule(static) num_threads(s.threads()) if (blocks > 2 && s.threads() > 1)
  for (Index b = 0; b < blocks; ++b) partial[b] = sum_one_block(n, b, f);
  while (blocks > 1) {
    const Index next = (blocks + sum_block - 1) / sum_block;
    for (Index b = 0; b < next; ++b) partial[b] = sum_one_block(blocks, b, PartialSums{partial});
    blocks = next;
  }
  *out = static_cast<T>(partial[0]);
}

}  // namespace terrane::TERRANE_BACKEND
