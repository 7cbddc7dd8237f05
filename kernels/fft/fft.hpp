// SPDX-License-Identifier: MIT
// Batched discrete Fourier transforms of any length n; complex values are interleaved (re, im), rows are contiguous.
//
//   complex_forward  X_k = sum_j x_j exp(-2 pi i j k / n)          in, out: (batch, n, 2); out may be in
//   complex_inverse  x_j = 1/n sum_k X_k exp(+2 pi i j k / n)      in, out: (batch, n, 2); out may be in
//   real_forward     X_k for k = 0 .. n/2                          in: (batch, n), out: (batch, n/2 + 1, 2)
//   real_inverse     inverse of real_forward                       in: (batch, n/2 + 1, 2), out: (batch, n)
// real_inverse ignores the imaginary parts of X_0 and, for even n, of X_{n/2}.
//
// `adjoint` gives the adjoint of the same map for the inner product of real arrays (re and im as separate numbers), so
// in and out swap shapes. With c_k = 1 for k = 0 and k = n/2 (n even), else 2, derivation:
//   complex_forward F: F^T = conj-transpose sum = n * inverse.      complex_inverse: its adjoint = 1/n forward.
//   real_forward x -> X: <Y, F x> = sum_k Re(conj(Y_k) X_k), so (F^T Y)_j = Re sum_{k<=n/2} Y_k exp(+2 pi i j k / n)
//     = n * real_inverse(Y_k / c_k), because real_inverse counts every bin c_k times.
//   real_inverse X -> x: transposing the above, (G^T y)_k = c_k / n * real_forward(y)_k, with zero imaginary parts in
//     the bins with c_k = 1.
// Errors: Error{failed} from the library. The bits do not depend on the number of threads.
#pragma once

#include "kernels/runtime/hd.hpp"

namespace terrane {

enum class FftKind { complex_forward, complex_inverse, real_forward, real_inverse };

template <class T>
struct Fft {
  FftKind kind = FftKind::complex_forward;
  bool adjoint = false;
  Index n = 0, batch = 1;
  const T* in = nullptr;
  T* out = nullptr;
};

// Length of the half spectrum of a real signal.
TERRANE_HD Index fft_bins(Index n) { return n / 2 + 1; }
// How often bin k of the half spectrum stands in the whole one: c_k above.
TERRANE_HD int fft_bin_count(Index n, Index k) { return k == 0 || 2 * k == n ? 1 : 2; }

// out[b, k] = in[b, k] * c_k^power * scale for power -1, 0, 1; imaginary part 0 where c_k = 1. i runs over batch *
// bins; out may be in.
template <class T>
struct FftWeighBins {
  Index n;
  int power;
  T scale;
  const T* in;
  T* out;
  TERRANE_HD void operator()(Index i) const {
    const int c = fft_bin_count(n, i % fft_bins(n));
    const T factor = c == 1 || power == 0 ? T(1) : power > 0 ? T(2) : T(0.5);
    const T weight = factor * scale;
    out[2 * i] = in[2 * i] * weight;
    out[2 * i + 1] = c == 1 ? T(0) : in[2 * i + 1] * weight;
  }
};

// x[i] *= scale
template <class T>
struct FftScale {
  T scale;
  T* x;
  TERRANE_HD void operator()(Index i) const { x[i] *= scale; }
};

}  // namespace terrane
