// SPDX-License-Identifier: MIT
// Draws a scene from (family, seed, index): the rules of the ten OpenFWI families (Deng et al. 2022, OpenFWI:
// Large-scale multi-structural benchmark datasets for full waveform inversion).
//
// Measured on published maps (5,000, 5,000 and 500 of them):
//   FlatVel-A, CurveVel-A   m in 3..7 interfaces, H = 70 / m; m + 1 integers of U[1500, 4500], ascending; first depth
//                           U(H/2, 3H/2) (one value, or one a node), every further one + H + U(-1, 1)
//   FlatFault-A, 4 layers   thickness 15 + e, sum e = 10, by integer stick-breaking, shuffled; half of the velocities
//                           from U[1500, 3000], half from U[3000, 4500], ascending; a plane of dip U(35, 90) degrees
//                           through (U(5, 62), 35); one side moves vertically by +-U(5, 10) on a lattice of 1/2; the
//                           moved part ends before the sides of the map, at U(0.5, 6.5) and U(60, 69), in 15 % each
// Inferred, from one map of each family or less:
//   FlatVel-B, CurveVel-B   as A without the order
//   Fault-A, 2 or 3 layers  thickness 60 / n + e
//   Fault-B                 6 to 8 layers, thickness (7, 6, 5) + e, sum e = rest; a main fault of dip U(45, 90) parts
//                           two blocks with layers and velocities of their own; a second one throws by +-U(5, 25)
//   CurveFault              interfaces + 1 or 2 sines of amplitude 4..16 and period 30..140, the same for the whole map
//   Style                   a substitute without natural images: level sets of a random field (see style.hpp)
// The number of layers of a Fault family is counts[index mod 3], so that every share is exact.
//
// Numbers come from the counter-based generator, in fixed order of evaluation: equal bits on every device.
#pragma once

#include "kernels/geology/scene.hpp"
#include "kernels/runtime/math.hpp"
#include "kernels/runtime/random.hpp"

namespace terrane {

// What a draw is for; offsets from RandomPurpose::geology. Append, never renumber.
enum class GeologyPart : std::uint32_t {
  count = 0,
  velocities = 1,
  nodes = 2,
  fault = 3,
  second_fault = 4,
  thickness = 5,
  curve = 6,
  style = 7,
  style_field = 8,
  style_detail = 9
};

// Numbers of one part of one scene, drawn in order.
struct GeologyDraws {
  Random random;
  std::uint64_t index;
  std::uint32_t next;

  TERRANE_HD GeologyDraws(GeologyFamily family, std::uint64_t seed, std::uint64_t i, GeologyPart part)
      : random(seed, static_cast<std::uint32_t>(RandomPurpose::geology) + static_cast<std::uint32_t>(part)),
        index(i),
        next((static_cast<std::uint32_t>(family) + 16) << 24) {}  // 1..15: other families of this project
  TERRANE_HD double uniform(double lo, double hi) { return random.uniform(index, next++, lo, hi); }
  TERRANE_HD int integer(int lo, int hi) {  // lo..hi
    return lo + static_cast<int>(random.integer(index, next++, static_cast<std::uint64_t>(hi - lo + 1)));
  }
  TERRANE_HD double normal() { return random.normal(index, next++); }
  TERRANE_HD double sign() { return integer(0, 1) == 0 ? -1.0 : 1.0; }
};

TERRANE_HD void sort_ascending(double* v, int n) {
  for (int i = 1; i < n; ++i) {
    const double value = v[i];
    int k = i;
    for (; k > 0 && v[k - 1] > value; --k) v[k] = v[k - 1];
    v[k] = value;
  }
}

inline constexpr double geology_min_mps = 1500, geology_mid_mps = 3000, geology_max_mps = 4500;

TERRANE_HD void draw_vel_scene(GeologyScene& s, std::uint64_t seed, std::uint64_t index, int layers) {
  GeologyDraws count(s.family, seed, index, GeologyPart::count), v(s.family, seed, index, GeologyPart::velocities);
  GeologyDraws nodes(s.family, seed, index, GeologyPart::nodes);
  const int m = layers > 0 ? layers - 1 : count.integer(3, 7);
  s.layers = m + 1;
  for (int k = 0; k <= m; ++k) {
    s.velocity[0][k] = v.integer(static_cast<int>(geology_min_mps), static_cast<int>(geology_max_mps));
  }
  if (!is_b(s.family)) sort_ascending(s.velocity[0], m + 1);
  const double h = geology_extent / m;
  const int columns = is_curved(s.family) ? geology_nodes : 1;
  for (int k = 0; k < columns; ++k) {
    double depth = nodes.uniform(0.5 * h, 1.5 * h);
    for (int j = 0; j < m; ++j) {
      if (j > 0) depth += h + nodes.uniform(-1, 1);
      (is_curved(s.family) ? s.node[j][k] : s.depth[0][j]) = depth;
    }
  }
}

// Thickness base + e of n layers, sum e = rest; writes the n - 1 interface depths.
TERRANE_HD void draw_thickness(GeologyDraws& d, int n, int base, int rest, double* depth) {
  int thickness[geology_max_layers];
  for (int k = 0; k < n; ++k) {
    const int e = k == n - 1 ? rest : d.integer(0, rest);
    thickness[k] = base + e;
    rest -= e;
  }
  for (int k = n - 1; k > 0; --k) {
    const int other = d.integer(0, k), swap = thickness[k];
    thickness[k] = thickness[other];
    thickness[other] = swap;
  }
  int z = 0;
  for (int k = 0; k < n - 1; ++k) {
    z += thickness[k];
    depth[k] = z;
  }
}

// n ascending integers, half below 3000 m/s and half above; the odd one falls on either side.
TERRANE_HD void draw_halves(GeologyDraws& d, int n, double* velocity) {
  const int low = n / 2 + (n % 2 == 1 ? d.integer(0, 1) : 0);
  const auto lo = static_cast<int>(geology_min_mps), mid = static_cast<int>(geology_mid_mps);
  for (int k = 0; k < n; ++k) velocity[k] = k < low ? d.integer(lo, mid) : d.integer(mid, mid + mid - lo);
  sort_ascending(velocity, n);
}

// A plane through (x0, mid-depth) that dips to the right (lean = 1) or to the left (-1); below it d > 0.
TERRANE_HD GeologyFault make_fault(double x0, double dip_degrees, double lean, double throw_z) {
  double s, c;
  sine_cosine(dip_degrees * 0.017453292519943295, s, c);
  return {x0, 0.5 * geology_extent, -lean * s, c, throw_z, dip_degrees, -10, geology_extent + 10};
}

TERRANE_HD void draw_fault_scene(GeologyScene& s, std::uint64_t seed, std::uint64_t index, int layers) {
  GeologyDraws v(s.family, seed, index, GeologyPart::velocities), t(s.family, seed, index, GeologyPart::thickness);
  GeologyDraws f(s.family, seed, index, GeologyPart::fault), second(s.family, seed, index, GeologyPart::second_fault);
  GeologyDraws curve(s.family, seed, index, GeologyPart::curve);
  const bool b = is_b(s.family);
  const int n = layers > 0 ? layers : (b ? 6 : 2) + static_cast<int>(index % 3);
  s.layers = n;
  s.blocks = b ? 2 : 1;
  for (int k = 0; k < s.blocks; ++k) {
    const int base = b ? 13 - n : 60 / n;
    draw_thickness(t, n, base, static_cast<int>(geology_extent) - base * n, s.depth[k]);
    draw_halves(v, n, s.velocity[k]);
  }
  if (b) {
    s.faults = 2;
    const double x0 = f.uniform(15, 55), dip = f.uniform(45, 90);
    s.fault[0] = make_fault(x0, dip, f.sign(), 0);
    const double x1 = second.uniform(5, 65), dip1 = second.uniform(45, 90), lean = second.sign();
    s.fault[1] = make_fault(x1, dip1, lean, second.uniform(5, 25) * second.sign());
  } else {
    s.faults = 1;
    const double x0 = f.uniform(5, 62), dip = f.uniform(35, 90), lean = f.sign();
    // The lattice of the throw: 10, 11, ..., 20 halves, the ends with half weight.
    const double throw_z = 0.5 * static_cast<double>(static_cast<int>(f.uniform(10, 20) + 0.5)) * f.sign();
    s.fault[0] = make_fault(x0, dip, lean, throw_z);
    if (f.uniform(0, 1) < 0.11) {  // the block above the plane moves
      s.fault[0].nx = -s.fault[0].nx;
      s.fault[0].nz = -s.fault[0].nz;
    }
    const bool cut_left = f.uniform(0, 1) < 0.15, cut_right = f.uniform(0, 1) < 0.15;
    const double left = f.uniform(0.5, 6.5), right = f.uniform(60, 69);
    if (cut_left) s.fault[0].left = left;
    if (cut_right) s.fault[0].right = right;
  }
  s.sines = is_curved(s.family) ? curve.integer(1, 2) : 0;
  for (int k = 0; k < s.sines; ++k) {
    s.amplitude[k] = curve.uniform(4, 16);
    s.wavenumber[k] = 6.283185307179586 / curve.uniform(30, 140);
    s.phase[k] = curve.uniform(0, 6.283185307179586);
  }
}

TERRANE_HD void draw_style_scene(GeologyScene& s, std::uint64_t seed, std::uint64_t index) {
  GeologyDraws d(s.family, seed, index, GeologyPart::style), a(s.family, seed, index, GeologyPart::style_field);
  GeologyDraws q(s.family, seed, index, GeologyPart::style_detail);
  s.layers = 1;
  s.trend_top = d.uniform(1500, 1900);
  s.trend_bottom = d.uniform(3500, 4200);
  s.level = d.uniform(0.5, 1.2);
  const double length = d.uniform(3, 6);
  s.gain = is_b(s.family) ? 1.0 : d.uniform(1.3, 2.3);
  for (int k = 0; k < style_waves + style_fine; ++k) {
    GeologyDraws& from = k < style_waves ? a : q;
    const double l = k < style_waves ? length : 1.2;
    s.wave[0][k] = from.normal() / l;
    s.wave[1][k] = from.normal() / l;
    s.wave[2][k] = from.uniform(0, 6.283185307179586);
  }
}

// layers: 0, the rule of the family; else the number of layers of every block.
TERRANE_HD void draw_scene(GeologyScene& s, GeologyFamily family, std::uint64_t seed, std::uint64_t index, int layers) {
  s.family = family;
  s.blocks = 1;
  s.faults = 0;
  s.sines = 0;
  if (is_vel(family)) {
    draw_vel_scene(s, seed, index, layers);
  } else if (is_fault(family)) {
    draw_fault_scene(s, seed, index, layers);
  } else {
    draw_style_scene(s, seed, index);
  }
}

}  // namespace terrane
