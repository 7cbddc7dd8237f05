// SPDX-License-Identifier: MIT
// A scene of one procedural velocity map: what is drawn from (family, seed, index) and rendered at any resolution.
//
// Lengths are in units of one cell of the 70 x 70 map (10 m), x to the right, z down, the map being [0, 70]^2;
// velocities are in m/s. Interfaces are counted from the top, layers likewise. A scene is plain data, so that the same
// bytes are made and used on every device.
#pragma once

#include "kernels/runtime/hd.hpp"

namespace terrane {

// Values are part of the reproducibility contract: append, never renumber.
enum class GeologyFamily : std::int32_t {
  flat_vel_a = 0,
  flat_vel_b = 1,
  curve_vel_a = 2,
  curve_vel_b = 3,
  flat_fault_a = 4,
  flat_fault_b = 5,
  curve_fault_a = 6,
  curve_fault_b = 7,
  style_a = 8,
  style_b = 9
};
inline constexpr int geology_families = 10;

TERRANE_HD bool is_vel(GeologyFamily f) { return static_cast<int>(f) < 4; }
TERRANE_HD bool is_style(GeologyFamily f) { return static_cast<int>(f) >= 8; }
TERRANE_HD bool is_fault(GeologyFamily f) { return !is_vel(f) && !is_style(f); }
TERRANE_HD bool is_curved(GeologyFamily f) { return (static_cast<int>(f) & 2) != 0; }  // of Vel and Fault
TERRANE_HD bool is_b(GeologyFamily f) { return (static_cast<int>(f) & 1) != 0; }

inline constexpr double geology_extent = 70;  // cells of the original grid a side
inline constexpr double geology_cell_m = 10;
inline constexpr int geology_max_layers = 8;
inline constexpr int geology_nodes = 8;                     // of a CurveVel interface
inline constexpr int style_waves = 64, style_fine = 32;     // plane waves of the two fields of a Style scene
inline constexpr int style_margin = 7, style_lattice = 84;  // Style-A: reach of its blur, points of its lattice a side

// Signed distance d = (x - x0) nx + (z - z0) nz, positive on the side that moves (or on the second block). Only what
// lies between left and right moves.
struct GeologyFault {
  double x0, z0, nx, nz, throw_z, dip_degrees;
  double left, right;

  TERRANE_HD double distance(double x, double z) const { return (x - x0) * nx + (z - z0) * nz; }
};

struct GeologyScene {
  GeologyFamily family;
  std::int32_t layers;                             // of a block; interfaces: layers - 1
  std::int32_t blocks;                             // 2: each side of fault[0] has layers of its own
  std::int32_t faults;                             // oldest first; the last one moved last
  double velocity[2][geology_max_layers + 1];      // (block, layer), m/s
  double depth[2][geology_max_layers];             // (block, interface), flat or before bending
  double node[geology_max_layers][geology_nodes];  // CurveVel: node depths of every interface
  std::int32_t sines;                              // CurveFault: bending of all interfaces of the map
  double amplitude[2], wavenumber[2], phase[2];
  GeologyFault fault[2];
  // Style: trend and plane waves, value = sqrt(2 / waves) sum cos(kx x + kz z + phase).
  double trend_top, trend_bottom, level, gain;
  double wave[3][style_waves + style_fine];  // kx, kz, phase
};

// The C1 quadratic spline of CurveVel at x: nodes n[k] at 0, 10, ..., 60, 78, knots at 20, ..., 60 (one parabola on
// [0, 20]).
TERRANE_HD double curve_vel_depth(const double (&n)[geology_nodes], double x) {
  // First parabola: value and slope at 20 from the nodes at 0, 10, 20.
  const double second = (n[0] - 2 * n[1] + n[2]) * 0.005;  // half of the second derivative
  double slope = (n[2] - n[0]) * 0.05 + second * 20, curvature = second;
  if (x <= 20) return n[2] + (x - 20) * (slope + second * (x - 20));
  int k = 2;
  for (;; ++k) {
    const double width = k == 6 ? 18 : 10;
    curvature = ((n[k + 1] - n[k]) / width - slope) / width;
    if (k == 6 || x <= 10 * (k + 1)) break;
    slope += 2 * curvature * width;
  }
  const double t = x - 10 * k;
  return n[k] + t * (slope + t * curvature);
}

}  // namespace terrane
