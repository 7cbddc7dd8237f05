// SPDX-License-Identifier: MIT
// Levels of a multi-resolution grid (host code); formulas in multigrid.hpp. The level scale is evaluated in single
// precision, s_l = exp2(l log2 b) N0 - 1, which decides how a scale close to an integer is rounded up.
//
// Presets: "params" N0 10, b 1.05, 16 levels of 2 features: reproduces the published parameter counts; "text" N0 50:
// the published text. Both with T = 2^19.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>

#include "kernels/encode/multigrid.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {

struct MultigridOptions {
  double base = 10;                   // N0 >= 2
  double growth = 1.05;               // b >= 1
  int levels = 16;                    // 1 .. multigrid_max_levels
  int features = 2;                   // of a level: 1, 2, 4 or 8
  Index table_size = Index{1} << 19;  // T, a power of two, 8 .. 2^30
  bool smoothstep = false;
  GridOffset offset = GridOffset::vertex;
  GridAspect aspect = GridAspect::equal;
  double lengths[3] = {1, 1, 1};  // of the axes, read with aspect match; any unit
};

// Throws Error{config} for an unknown name.
inline MultigridOptions multigrid_preset(const std::string& name) {
  MultigridOptions o;
  if (name == "text") {
    o.base = 50;
  } else if (name != "params") {
    throw Error(ErrorCode::config, "the grid preset \"" + name + "\" does not exist; choose params or text");
  }
  return o;
}

// Throws Error{config} naming the option that is out of range.
inline void check_multigrid(int d, const MultigridOptions& o) {
  const auto need = [](bool ok, const char* what) { require(ok, ErrorCode::config, what, "multi-resolution grid"); };
  need(d >= 1 && d <= 3, "the number of axes must be 1, 2 or 3");
  need(o.levels >= 1 && o.levels <= multigrid_max_levels, "levels must be 1 to 32");
  const bool packed = o.features == 1 || o.features == 2 || o.features == 4 || o.features == 8;
  need(packed, "features per level must be 1, 2, 4 or 8");
  need(o.base >= 2 && o.base <= 65536, "the base resolution must be 2 to 65536");
  need(o.growth >= 1 && o.growth <= 16, "the growth per level must be 1 to 16");
  const bool power = o.table_size >= 8 && o.table_size <= (Index{1} << 30) && (o.table_size & (o.table_size - 1)) == 0;
  need(power, "the table size must be a power of two from 8 to 2^30");
  if (o.aspect != GridAspect::match) return;
  for (int a = 0; a < d; ++a) need(o.lengths[a] > 0, "aspect match needs positive axis lengths");
}

inline MultigridShape multigrid_shape(int d, const MultigridOptions& o) {
  check_multigrid(d, o);
  MultigridShape shape;
  shape.d = d;
  shape.levels = o.levels;
  shape.features = o.features;
  shape.smoothstep = o.smoothstep;
  shape.offset = o.offset;
  double longest = 0;
  for (int a = 0; a < d; ++a) longest = std::max(longest, o.lengths[a]);
  const float log_growth = std::log2(static_cast<float>(o.growth));
  Index offset = 0;
  for (int l = 0; l < o.levels; ++l) {
    MultigridLevel& level = shape.level[l];
    const float s = std::exp2(static_cast<float>(l) * log_growth) * static_cast<float>(o.base) - 1.0f;
    require(s < 1e6f, ErrorCode::config, "the finest level has more than a million vertices an axis; lower growth");
    double vertices = 1;
    for (int a = 0; a < d; ++a) {
      const bool scaled = o.aspect == GridAspect::match && o.lengths[a] < longest;
      const float axis = scaled ? std::max(1.0f, s * static_cast<float>(o.lengths[a] / longest)) : s;
      level.resolution[a] = static_cast<std::uint32_t>(std::ceil(axis)) + 1;
      level.scale[a] = o.offset == GridOffset::tcnn ? static_cast<double>(axis) : level.resolution[a] - 1.0;
      vertices *= level.resolution[a];
    }
    level.shift = o.offset == GridOffset::tcnn ? 0.5 : 0.0;
    const double rounded = 8 * std::ceil(vertices / 8), most = static_cast<double>(o.table_size);
    level.entries = static_cast<std::uint32_t>(std::min(rounded, most));
    level.hashed = vertices > level.entries;
    level.offset = offset;
    offset += level.entries;
  }
  return shape;
}

}  // namespace terrane
