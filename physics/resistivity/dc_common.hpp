// SPDX-License-Identifier: MIT
// What the 2.5-D and the 3-D operator share: property and padding of the model, positions in cells, the poles of a
// datum.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "physics/resistivity/dc_survey.hpp"

namespace terrane {

enum class DcProperty : int { log_conductivity, conductivity, resistivity };
// Conductivity outside the core: one value, or that of the nearest cell of the core.
enum class DcPadding : int { frozen, extended };

// sigma and d sigma / d v of a model value v; false where sigma is not positive and finite.
inline bool dc_conductivity(DcProperty property, double v, double& sigma, double& slope) {
  sigma = property == DcProperty::log_conductivity ? std::exp(v) : property == DcProperty::conductivity ? v : 1 / v;
  slope = property == DcProperty::log_conductivity ? sigma : property == DcProperty::conductivity ? 1 : -sigma * sigma;
  return std::isfinite(v) && std::isfinite(sigma) && sigma > 0;
}
inline const char* unit_of(DcProperty p) {
  return p == DcProperty::log_conductivity ? "ln(sigma)"
         : p == DcProperty::conductivity   ? "conductivity"
                                           : "resistivity";
}

// The cell of a position along one axis and where in it, from 0 to 1; false outside. Positions closer to a node than
// 1e-9 cells are moved to it.
inline bool locate_cell(const std::vector<double>& nodes, double x, Index& cell, double& fraction) {
  constexpr double on_node = 1e-9;
  const double slack = on_node * (nodes[1] - nodes[0] + nodes.back() - nodes[nodes.size() - 2]);
  if (!(x >= nodes.front() - slack && x <= nodes.back() + slack)) return false;
  const auto above = std::upper_bound(nodes.begin() + 1, nodes.end() - 1, x);
  cell = static_cast<Index>(above - nodes.begin()) - 1;
  const auto i = static_cast<std::size_t>(cell);
  fraction = std::clamp((x - nodes[i]) / (nodes[i + 1] - nodes[i]), 0.0, 1.0);
  if (fraction < on_node) fraction = 0;
  if (fraction > 1 - on_node) fraction = 1;
  return true;
}

// f(potential electrode, current electrode, sign) for the up to four pairs of poles of a datum.
template <class F>
void for_each_pole_pair(const DcDatum& d, const F& f) {
  for (const Index e : {d.m, d.n}) {
    for (const Index c : {d.a, d.b}) {
      if (e >= 0 && c >= 0) f(e, c, (e == d.m) == (c == d.a) ? 1.0 : -1.0);
    }
  }
}

// Potential at m of a pole of 1 A at a in a half-space of 1 S/m below `surface_m`, by the image of the pole.
inline double half_space_potential(const Point3& a, const Point3& m, double surface_m) {
  const double x = a.x_m - m.x_m, y = a.y_m - m.y_m, flat = x * x + y * y;
  const double down = a.z_m - m.z_m, up = a.z_m + m.z_m - 2 * surface_m;
  constexpr double pi = 3.14159265358979323846;
  return (1 / std::sqrt(flat + down * down) + 1 / std::sqrt(flat + up * up)) / (4 * pi);
}

}  // namespace terrane
