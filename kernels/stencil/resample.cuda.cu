// SPDX-License-Identifier: MIT
// GPU: one thread an output.
#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"
#include "kernels/stencil/resample.hpp"

namespace terrane::TERRANE_BACKEND {

// clang-format off
template <class T> void resample_up(Stream& s, const ResampleUp<T>& f) { parallel_for_2d(s, f.rows, f.fine, f); }
template <class T> void resample_down(Stream& s, const ResampleDown<T>& f) { parallel_for_2d(s, f.rows, f.coarse, f); }
// clang-format on

TERRANE_INSTANTIATE(resample_up, ResampleUp)
TERRANE_INSTANTIATE(resample_down, ResampleDown)

}  // namespace terrane::TERRANE_BACKEND
