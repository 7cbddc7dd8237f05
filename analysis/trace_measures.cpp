// SPDX-License-Identifier: MIT
#include "analysis/trace_measures.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdio>
#include <numbers>
#include <string>

#include "kernels/runtime/error.hpp"

namespace terrane {

namespace {

std::string seconds(double t) {
  char text[40];
  std::snprintf(text, sizeof text, "%.6g s", t);
  return text;
}

}  // namespace

std::vector<double> trace_taper(Index nt, double dt_s, double begin_s, double end_s) {
  const double slack = 1e-9 * dt_s, last = static_cast<double>(nt - 1) * dt_s;
  if (begin_s < -slack || end_s > last + slack) {
    throw Error(ErrorCode::config, "the window " + seconds(begin_s) + " to " + seconds(end_s) +
                                       " lies outside the trace, 0 to " + seconds(last));
  }
  require(end_s - begin_s >= 2 * dt_s - slack, ErrorCode::config, "the window holds fewer than three samples");
  const double edge = 0.1 * (end_s - begin_s);
  std::vector<double> h(static_cast<std::size_t>(nt));
  for (std::size_t k = 0; k < h.size(); ++k) {
    const double t = static_cast<double>(k) * dt_s, inside = std::min(t - begin_s, end_s - t);
    if (inside < -slack) continue;
    const double wave = std::sin(0.5 * std::numbers::pi * std::clamp(inside / edge, 0.0, 1.0));
    h[k] = wave * wave;
  }
  return h;
}

std::vector<double> delay_functional(const std::vector<double>& u, const std::vector<double>& taper, double dt_s) {
  const std::size_t n = u.size();
  require(n >= 3 && taper.size() == n, ErrorCode::failed, "taper and trace differ in length");
  std::vector<double> w(n);
  double squares = 0, all = 0;
  for (std::size_t k = 1; k + 1 < n; ++k) {
    const double slope = (u[k + 1] - u[k - 1]) / (2 * dt_s);
    w[k] = -taper[k] * slope;
    squares += taper[k] * slope * slope;
    all += slope * slope;
  }
  // Below a hundred thousandth of the trace's amplitude a delay is one of rounding.
  require(squares > 1e-10 * all, ErrorCode::config, "the window of the trace is silent");
  for (double& v : w) v /= squares;
  return w;
}

SpectralFunctionals spectral_functionals(const std::vector<double>& u, const std::vector<double>& taper, double dt_s,
                                         double frequency_hz) {
  require(taper.size() == u.size(), ErrorCode::failed, "taper and trace differ in length");
  require(frequency_hz > 0 && frequency_hz < 0.5 / dt_s, ErrorCode::config,
          "the frequency must lie between 0 and half the rate of the samples");
  std::vector<std::complex<double>> wave;
  std::complex<double> c;
  double size = 0;
  for (std::size_t k = 0; k < u.size(); ++k) {
    wave.push_back(std::polar(taper[k], -2 * std::numbers::pi * frequency_hz * static_cast<double>(k) * dt_s));
    c += wave[k] * u[k];
    size += std::abs(wave[k] * u[k]);
  }
  require(std::abs(c) > 1e-9 * size, ErrorCode::config, "the trace holds nothing of this frequency");
  SpectralFunctionals f;
  for (const std::complex<double>& v : wave) {
    f.log_amplitude.push_back((v / c).real());
    f.phase_rad.push_back((v / c).imag());
  }
  return f;
}

}  // namespace terrane
