// SPDX-License-Identifier: MIT
// Band-limited change of the sampling rate by an integer ratio r, with a windowed sinc h of half-width M coarse
// samples:
//   up    fine_j   = scale sum_k h(j - k r) coarse_k
//   down  coarse_k = scale sum_j h(j - k r) fine_j
// h(i) = sinc(i / r) kaiser(i / (M r)), h(0) = 1, h(i r) = 0 otherwise: up with scale 1 keeps the coarse samples; down
// with scale 1 / r keeps a signal below the coarse Nyquist frequency. Each is the transpose of the other.
#pragma once

#include "kernels/runtime/hd.hpp"

namespace terrane {

inline constexpr Index resample_half_width = 12;  // M, coarse samples

// taps[i], 0 <= i < M r; h is even.
template <class T>
struct Resample {
  const T* taps;
  Index ratio, half;  // half = M r
  Index rows, coarse, fine;
  const T* in;
  T* out;
  T scale;
  bool accumulate;

  TERRANE_HD T tap(Index i) const { return taps[i < 0 ? -i : i]; }
  TERRANE_HD void store(Index i, T sum) const { out[i] = accumulate ? out[i] + scale * sum : scale * sum; }
};

template <class T>
struct ResampleUp : Resample<T> {  // in (rows, coarse) -> out (rows, fine)
  TERRANE_HD void operator()(Index row, Index j) const {
    const Index below = (j - this->half) / this->ratio;
    const Index first = j - this->half < 0 ? 0 : below + 1, above = (j + this->half - 1) / this->ratio + 1;
    const Index last = above < this->coarse ? above : this->coarse;
    T sum = 0;
    for (Index k = first; k < last; ++k) sum += this->tap(j - k * this->ratio) * this->in[row * this->coarse + k];
    this->store(row * this->fine + j, sum);
  }
};

template <class T>
struct ResampleDown : Resample<T> {  // in (rows, fine) -> out (rows, coarse)
  TERRANE_HD void operator()(Index row, Index k) const {
    const Index center = k * this->ratio;
    const Index first = center - this->half + 1 > 0 ? center - this->half + 1 : 0;
    const Index last = center + this->half < this->fine ? center + this->half : this->fine;
    T sum = 0;
    for (Index j = first; j < last; ++j) sum += this->tap(j - center) * this->in[row * this->fine + j];
    this->store(row * this->coarse + k, sum);
  }
};

// out (length) (+)= scale sum over rows of in (rows, length), in the order of the rows
template <class T>
struct SumRows {
  const T* in;
  Index rows, length;
  T* out;
  bool accumulate;
  TERRANE_HD void operator()(Index i) const {
    T sum = accumulate ? out[i] : T(0);
    for (Index r = 0; r < rows; ++r) sum += in[r * length + i];
    out[i] = sum;
  }
};

}  // namespace terrane
