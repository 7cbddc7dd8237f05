// SPDX-License-Identifier: MIT
#include "physics/wave/plan_common.hpp"

#include <numbers>

#include "kernels/stencil/resample.hpp"

namespace terrane {

Index make_strips(Index n, Index width_begin, Index width_end, Index radius, Index unit, Index end, WaveStrip* strips) {
  const auto from_begin = [&](Index cells) { return std::min(end, (cells + unit - 1) / unit * unit); };
  const auto from_end = [&](Index cells) { return std::max<Index>(0, (n - cells) / unit * unit); };
  Index count = 0;
  if (width_begin > 0) {
    strips[count++] = {0, from_begin(width_begin + 2 * radius), 0, 0, from_begin(width_begin + radius)};
  }
  if (width_end > 0) {
    const Index begin = from_end(width_end + 2 * radius);
    if (count == 1 && strips[0].end >= begin) {
      strips[0] = {0, end, 0, 0, end};
    } else {
      strips[count++] = {begin, end, 0, from_end(width_end + radius), end};
    }
  }
  return count;
}

CpmlTables cpml_tables(const CpmlAxis& axis, int order, double vmax_mps, double reflection, double frequency_hz,
                       double thickest_m, double dt_s) {
  const Index cells = axis.cells, r = order / 2;
  const int before = axis.before, after = axis.after;
  const auto n = static_cast<std::size_t>(axis.size);
  CpmlTables tables{std::vector<double>(n), std::vector<double>(n), std::vector<double>(n)};
  if (before + after == 0) return tables;
  const double sigma0 = -3 * vmax_mps * std::log(reflection) / (2 * thickest_m);
  std::vector<double> b_around(static_cast<std::size_t>(cells + 2 * r));  // b continued by r cells on each side
  for (Index i = -r; i < cells + r; ++i) {
    double f = 0;  // fraction of the layer that is passed
    if (before > 0) f = std::max(f, static_cast<double>(before - i) / before);
    if (after > 0) f = std::max(f, static_cast<double>(i - (cells - 1 - after)) / after);
    f = std::min(f, 1.0);
    if (f <= 0) continue;
    const double sigma = sigma0 * f * f, alpha = std::numbers::pi * frequency_hz * (1 - f);
    const double a = std::exp(-(sigma + alpha) * dt_s), b = sigma / (sigma + alpha) * (a - 1);
    b_around[static_cast<std::size_t>(i + r)] = b;
    if (i < 0 || i >= cells) continue;
    tables.a[static_cast<std::size_t>(i)] = a;
    tables.b[static_cast<std::size_t>(i)] = b;
  }
  const FdAxis<double> fd = fd_axis<double>(order, axis.h_m);
  for (Index i = 0; i < cells; ++i) {
    double sum = 0;
    for (Index k = 1; k <= r; ++k) {
      sum += fd.first[k - 1] *
             (b_around[static_cast<std::size_t>(i + r + k)] - b_around[static_cast<std::size_t>(i + r - k)]);
    }
    tables.db[static_cast<std::size_t>(i)] = sum;
  }
  return tables;
}

std::vector<double> resample_taps(Index ratio) {
  const Index half = resample_half_width * ratio;
  const double shape = 8, pi = std::numbers::pi;
  std::vector<double> taps;
  for (Index i = 0; i < half; ++i) {
    const double d = static_cast<double>(i) / static_cast<double>(ratio),
                 r = d / static_cast<double>(resample_half_width);
    double sinc = i == 0 ? 1.0 : std::sin(pi * d) / (pi * d);
    if (i > 0 && i % ratio == 0) sinc = 0;  // exactly: the coarse samples are kept
    taps.push_back(sinc * std::cyl_bessel_i(0.0, shape * std::sqrt(1 - r * r)) / std::cyl_bessel_i(0.0, shape));
  }
  return taps;
}

}  // namespace terrane
