// SPDX-License-Identifier: MIT
#include "kernels/fit/analytic.hpp"

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {

// clang-format off
template <class T> void resize_rows(Stream& s, const ResizeRows<T>& f) { parallel_for_2d(s, f.rows, f.to, f); }
template <class T> void hilbert_bins(Stream& s, const HilbertBins<T>& f) { parallel_for_2d(s, f.rows, fft_bins(f.n), f); }
// clang-format on

TERRANE_INSTANTIATE(resize_rows, ResizeRows)
TERRANE_INSTANTIATE(hilbert_bins, HilbertBins)

}  // namespace terrane::TERRANE_BACKEND
