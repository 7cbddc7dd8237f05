// SPDX-License-Identifier: MIT
// What can be measured on a trace u_k = u(k dt), as the linear functional w of a small change of it:
//   measure(u + du) = measure(u) + sum_k w_k du_k,    so that J^T w is the sensitivity kernel of the measure.
//
//   taper        h_k: 1 within a window of time, cosine-squared over a tenth of it at both ends, 0 outside
//   delay        s, of u + du against u, by the peak of their correlation within the window:
//                w = -h u' / sum h u'^2, u' the derivative in time (centred differences); later arrivals are positive
//   spectrum     C(f) = sum_k h_k u_k exp(-2 pi i f k dt):  d ln|C| = Re(dC / C),  d arg C = Im(dC / C), radians
// References: Dahlen, Hung, Nolet, Geophys. J. Int. 141 (2000) (delays); Tromp, Tape, Liu, Geophys. J. Int. 160 (2005).
// Errors: Error{config} for a window outside the trace or of fewer than three samples, a frequency outside
// (0, 1 / (2 dt)), or a trace in which nothing is to be measured.
#pragma once

#include <vector>

#include "kernels/runtime/hd.hpp"

namespace terrane {

// (nt), of the window [begin_s, end_s] within [0, (nt - 1) dt_s].
std::vector<double> trace_taper(Index nt, double dt_s, double begin_s, double end_s);

// u, taper, result: (nt).
std::vector<double> delay_functional(const std::vector<double>& u, const std::vector<double>& taper, double dt_s);

struct SpectralFunctionals {
  std::vector<double> log_amplitude, phase_rad;  // (nt) each
};
SpectralFunctionals spectral_functionals(const std::vector<double>& u, const std::vector<double>& taper, double dt_s,
                                         double frequency_hz);

}  // namespace terrane
