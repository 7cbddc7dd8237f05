// SPDX-License-Identifier: MIT
// Causal Butterworth filters for frequency bands. Data and wavelet pass through the same filter, so a filtered record
// is exactly the record of the filtered source (both are causal and linear); a zero-phase filter would smear energy
// before t = 0, where the simulation has none.
//
// Bilinear transform with pre-warped corner, cascade of second-order sections (Oppenheim and Schafer, Discrete-Time
// Signal Processing). Order 4: -3 dB at the corner, 24 dB per octave.
#pragma once

#include <vector>

#include "kernels/runtime/hd.hpp"

namespace terrane {

struct Band {
  double lowpass_hz = 0;   // 0: none
  double highpass_hz = 0;  // 0: none
  bool empty() const { return lowpass_hz <= 0 && highpass_hz <= 0; }
  bool operator==(const Band&) const = default;
};

// Filters `traces` rows of nt samples in place. Corners at or above 0.49 / dt_s are Error{config}.
template <class T>
void filter_traces(const Band& band, double dt_s, Index traces, Index nt, T* data);

}  // namespace terrane
