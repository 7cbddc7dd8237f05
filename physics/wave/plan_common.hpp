// SPDX-License-Identifier: MIT
// What the plans of 2-D and 3-D wave runs share: checks of the options, time step, strips and profiles of one axis,
// resampling filter.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "kernels/runtime/error.hpp"
#include "kernels/stencil/wave.hpp"

namespace terrane {

inline constexpr double courant_factor = 0.6;

inline Index round_up_to_lanes(Index n) { return (n + wave_lanes - 1) / wave_lanes * wave_lanes; }

template <class Options>
void check_wave_options(const Options& o) {
  require(o.order == 2 || o.order == 4 || o.order == 6 || o.order == 8, ErrorCode::config,
          "the order in space must be 2, 4, 6 or 8", "wave");
  for (const int width : o.pml) {
    require(width >= 0, ErrorCode::config, "absorbing layer widths must not be negative", "wave");
  }
  require(o.vmax_mps > 0 && std::isfinite(o.vmax_mps), ErrorCode::config,
          "vmax_mps must be stated and positive: it fixes the time step for the whole run", "wave");
  require(o.pml_reflection > 0 && o.pml_reflection < 1, ErrorCode::config,
          "the reflection coefficient of the absorbing layer must lie between 0 and 1", "wave");
  require(o.pml_frequency_hz >= 0, ErrorCode::config, "pml_frequency_hz must not be negative", "wave");
  require(o.substeps >= 0, ErrorCode::config, "substeps must be 0 (automatic) or a positive number", "wave");
}

// inverse_length: sqrt of the sum of 1/h² over the axes (1/m). Largest stable time step (s).
inline double stable_dt_s(double inverse_length, int order, double vmax_mps) {
  return 2 / (vmax_mps * std::sqrt(fd_spectral_radius(order)) * inverse_length);
}

// Time steps a sample of the data. Throws Error{config} where the stated number is unstable.
template <class Options>
Index choose_substeps(double inverse_length, const Options& o, double dt_s) {
  if (o.substeps == 0) {
    return std::max<Index>(1, static_cast<Index>(std::ceil(dt_s * o.vmax_mps * inverse_length / courant_factor)));
  }
  const double limit = stable_dt_s(inverse_length, o.order, o.vmax_mps);
  if (dt_s / o.substeps >= limit) {
    char text[256];
    std::snprintf(
        text, sizeof text,
        "the time step %.4g ms (dt_s / substeps) is unstable: the limit is %.4g ms for order %d and vmax %g m/s; "
        "use \"substeps\": %d or 0",
        1e3 * dt_s / o.substeps, 1e3 * limit, o.order, o.vmax_mps, static_cast<int>(std::floor(dt_s / limit)) + 1);
    throw Error(ErrorCode::config, text, "wave");
  }
  return o.substeps;
}

// Intervals of an axis within reach of a layer, in multiples of `unit` up to `end`; adjoining intervals are merged.
// Returns their number, at most 2.
Index make_strips(Index n, Index width_begin, Index width_end, Index radius, Index unit, Index end, WaveStrip* strips);

// Profiles of one axis, one value a cell.
struct CpmlTables {
  std::vector<double> a, b, db;
};

// A padded axis of `cells` cells with layers of `before` and `after` cells; tables have `size` >= cells values.
struct CpmlAxis {
  Index cells = 0, size = 0;
  int before = 0, after = 0;
  double h_m = 0;
};
// thickest_m: width of the widest layer of the run, to which sigma is scaled.
CpmlTables cpml_tables(const CpmlAxis& axis, int order, double vmax_mps, double reflection, double frequency_hz,
                       double thickest_m, double dt_s);

// Half of the resampling filter (resample.hpp), resample_half_width * ratio values.
std::vector<double> resample_taps(Index ratio);

}  // namespace terrane
