// SPDX-License-Identifier: MIT
#include "physics/wave/wavelet.hpp"

#include <cmath>
#include <numbers>

#include "kernels/runtime/error.hpp"

namespace terrane {

std::vector<double> ricker(double f0_hz, Index nt, double dt_s, double delay_s) {
  require(f0_hz > 0, ErrorCode::config, "the peak frequency of a Ricker wavelet must be positive (Hz)", "wavelet");
  std::vector<double> s(static_cast<std::size_t>(nt));
  for (std::size_t n = 0; n < s.size(); ++n) {
    const double x = std::numbers::pi * f0_hz * (static_cast<double>(n) * dt_s - delay_s), a = x * x;
    s[n] = (1 - 2 * a) * std::exp(-a);
  }
  return s;
}

std::vector<double> ricker(double f0_hz, Index nt, double dt_s) { return ricker(f0_hz, nt, dt_s, 1.5 / f0_hz); }

}  // namespace terrane
