// SPDX-License-Identifier: MIT
// Value of a layered scene at a point. The history is undone: the last fault moves the point back, the main fault of a
// B family tells its block, the depth below the bent interfaces its layer.
//
// Fault-A maps are not sharp: the published ones were resampled by 0.9945 from a lattice of half the cell after a
// slight blur. Their edge response, in cells of the source lattice, is the broken line through (-1.5, 0), (-0.5, e),
// (0.5, 1 - e), (1.5, 1) with e = 0.052; it acts on interfaces and on the plane of the fault. All other families are
// sharp; a point on an interface belongs to the layer below.
#pragma once

#include "kernels/geology/scene.hpp"
#include "kernels/runtime/math.hpp"

namespace terrane {

inline constexpr double fault_a_scale = 0.9945, fault_a_edge = 0.052;

TERRANE_HD double edge_response(double t) {
  const double a = t < 0 ? -t : t;
  if (a >= 1.5) return t < 0 ? 0.0 : 1.0;
  const double half = a <= 0.5 ? a * (1 - 2 * fault_a_edge) : 0.5 - fault_a_edge * (1.5 - a);
  return t < 0 ? 0.5 - half : 0.5 + half;
}

// A pixel centre (i + 1/2) of the 70 x 70 map lies at i + 1/2 + phase of the scene (measured for Vel).
TERRANE_HD double geology_phase_x(GeologyFamily f) { return is_vel(f) ? -0.4 : 0.0; }
TERRANE_HD double geology_phase_z(GeologyFamily f) { return is_vel(f) ? -0.3 : 0.0; }

// Interface depths of one column.
struct GeologyColumn {
  double x;
  double depth[2][geology_max_layers];  // (block, interface)

  TERRANE_HD GeologyColumn(const GeologyScene& s, double at) : x(at) {
    double bend = 0;
    for (int k = 0; k < s.sines; ++k) bend += s.amplitude[k] * sine(s.wavenumber[k] * x + s.phase[k]);
    const bool spline = is_vel(s.family) && is_curved(s.family);
    for (int b = 0; b < s.blocks; ++b) {
      for (int j = 0; j < s.layers - 1; ++j)
        depth[b][j] = spline ? curve_vel_depth(s.node[j], x) : s.depth[b][j] + bend;
    }
  }
  TERRANE_HD int layer(const GeologyScene& s, int block, double z) const {
    int count = 0;
    for (int j = 0; j < s.layers - 1; ++j) count += depth[block][j] <= z ? 1 : 0;
    return count;
  }
  TERRANE_HD double blurred(const GeologyScene& s, double z) const {
    double v = s.velocity[0][0];
    for (int j = 0; j < s.layers - 1; ++j) {
      v += (s.velocity[0][j + 1] - s.velocity[0][j]) * edge_response(z - depth[0][j]);
    }
    return v;
  }
  // Share of the displacement at a point of a Fault-A map: 0 or 1 but for the edges of the moved part.
  TERRANE_HD double moved_share(const GeologyFault& f, double z) const {
    const double a = edge_response(f.distance(x, z)), b = edge_response(x - f.left), c = edge_response(f.right - x);
    const double d = a < b ? a : b;
    return d < c ? d : c;
  }
  // Block and depth before the faults moved.
  TERRANE_HD int restore(const GeologyScene& s, double& z) const {
    if (s.faults == 2) {
      if (s.fault[1].distance(x, z) > 0) z -= s.fault[1].throw_z;
      return s.fault[0].distance(x, z) > 0 ? 1 : 0;
    }
    if (s.faults == 1 && moved_share(s.fault[0], z) > 0.5) z -= s.fault[0].throw_z;
    return 0;
  }
  TERRANE_HD double value(const GeologyScene& s, double z) const {
    if (s.faults == 1) {
      const double source = z / fault_a_scale, moved = moved_share(s.fault[0], source);
      const double still = moved < 1 ? blurred(s, source) : 0.0;
      if (moved <= 0) return still;
      const double other = blurred(s, source - s.fault[0].throw_z);
      return moved < 1 ? still + moved * (other - still) : other;
    }
    const int block = restore(s, z);
    return s.velocity[block][layer(s, block, z)];
  }
  // 16 block + layer.
  TERRANE_HD int label(const GeologyScene& s, double z) const {
    if (s.faults == 1) z /= fault_a_scale;
    const int block = restore(s, z);
    return 16 * block + layer(s, block, z);
  }
};

}  // namespace terrane
