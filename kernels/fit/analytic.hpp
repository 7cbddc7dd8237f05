// SPDX-License-Identifier: MIT
// Pieces of the Hilbert transform of traces: h = F^-1 (-i sgn f) F p on rows padded with zeros, cropped back. Padding
// to twice the length keeps the ends of a trace from wrapping into each other. The whole map is antisymmetric, because
// crop and pad are each other's transposes and the multiplier is imaginary and odd.
#pragma once

#include "kernels/fft/fft.hpp"
#include "kernels/runtime/hd.hpp"

namespace terrane {

// out (rows, to) = in (rows, from), cut or padded with zeros; accumulates with factor when `accumulate`
template <class T>
struct ResizeRows {
  const T* in;
  T* out;
  Index rows, from, to;
  T factor;
  bool accumulate;
  TERRANE_HD void operator()(Index r, Index i) const {
    const T value = i < from ? factor * in[r * from + i] : T(0);
    T& y = out[r * to + i];
    y = accumulate ? y + value : value;
  }
};

// X_k <- -i X_k for 0 < f < Nyquist, 0 at the two real bins, in place; x: (rows, n/2 + 1, 2)
template <class T>
struct HilbertBins {
  T* x;
  Index rows, n;
  TERRANE_HD void operator()(Index r, Index k) const {
    T* bin = x + 2 * (r * fft_bins(n) + k);
    const bool real_bin = fft_bin_count(n, k) == 1;
    const T re = bin[0], im = bin[1];
    bin[0] = real_bin ? T(0) : im;
    bin[1] = real_bin ? T(0) : -re;
  }
};

}  // namespace terrane
