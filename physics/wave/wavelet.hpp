// SPDX-License-Identifier: MIT
// Source time functions, sampled at n dt_s.
#pragma once

#include <vector>

#include "kernels/runtime/hd.hpp"

namespace terrane {

// s(t) = (1 - 2 a) exp(-a), a = (pi f0 (t - delay))²: amplitude 1 at t = delay.
std::vector<double> ricker(double f0_hz, Index nt, double dt_s, double delay_s);
// delay 1.5 / f0
std::vector<double> ricker(double f0_hz, Index nt, double dt_s);

}  // namespace terrane
