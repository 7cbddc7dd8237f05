// SPDX-License-Identifier: MIT
// Arguments of the eikonal kernels that solve, and what schedules that visit nodes in any order do at one node. The
// scheme stands in eikonal_point.hpp, the layout of the arrays in eikonal_fields.hpp.
#pragma once

#include "kernels/stencil/eikonal_fields.hpp"

namespace terrane {

// Runs every group to convergence. frozen = false: first order, minimum over the quadrants, u from above. frozen =
// true: every node keeps the sides and orders of `stencil`. A value counts as changed when it moves by more than
// tolerance times itself. sweeps (groups): number of sweeps or iterations, -1 when max_sweeps did not suffice.
template <class T>
struct EikonalSolve {
  EikonalSetup<T> s;
  bool frozen;
  T tolerance;
  Index max_sweeps;
  T* u;        // (groups, points, lanes), in and out
  T* sweeps;   // (groups)
  T* scratch;  // GPU: (groups, points, lanes) and one more
};

// du of the converged values; t_u holds the tangents of the fixed nodes, zero elsewhere.
template <class T>
struct EikonalTangent {
  EikonalSetup<T> s;
  const T* u;
  const T* t_slowness;  // (points)
  Index max_sweeps;
  T* t_u;
  T* sweeps;
  T* scratch;  // GPU: (2 + axes) (groups, points, lanes) and one more
};

// rho holds the cotangents of u on entry; they are moved upwind until all of them rest on fixed nodes, leaving their
// share at each node in gs (groups, points, lanes), zero on entry.
template <class T>
struct EikonalAdjoint {
  EikonalSetup<T> s;
  const T* u;
  Index max_sweeps;
  T* rho;
  T* gs;
  T* sweeps;
  T* scratch;  // as EikonalTangent
};

// times (nodes) of one source from its lane; -1 where it is not reached.
template <class T>
struct EikonalTimes {
  EikonalSetup<T> s;
  T length;  // metres of a unit length
  Index source;
  const T* u;
  T* times;
  TERRANE_HD void operator()(Index i) const;
};

// r of a node for a lane of a group; 1 when not factored.
template <class T>
TERRANE_HD T eikonal_radius(const EikonalSetup<T>& s, Index group, Index lane, const Index (&at)[3]) {
  if (!s.g.factored) return T(1);
  T sum = T(0);
  for (int a = 3 - s.g.axes; a < 3; ++a) {
    const T d = s.offset[a][(group * s.g.n[a] + at[a]) * eikonal_lanes<T> + lane];
    sum += d * d;
  }
  return square_root(sum);
}
TERRANE_HD void eikonal_node(const EikonalGrid& g, Index i, Index (&at)[3]) {
  at[0] = i / (g.n[1] * g.n[2]);
  at[1] = i / g.n[2] % g.n[1];
  at[2] = i % g.n[2];
}

template <class T>
TERRANE_HD void EikonalTimes<T>::operator()(Index i) const {
  Index at[3];
  eikonal_node(s.g, i, at);
  const Index group = source / eikonal_lanes<T>, lane = source % eikonal_lanes<T>;
  const T value = u[(group * s.g.points + s.g.at(at[0], at[1], at[2])) * eikonal_lanes<T> + lane];
  times[i] = value < T(eikonal_limit) ? length * eikonal_radius(s, group, lane, at) * value : T(-1);
}

// One value (group, node, lane) of a schedule that visits nodes in any order.
template <class T>
struct EikonalValue {
  Index at[3], group, lane, point, i;  // i: index in (groups, points, lanes)
  T d[3], rho, rhs, slowness;

  TERRANE_HD EikonalValue(const EikonalSetup<T>& s, Index row, Index which_lane) : lane(which_lane) {
    group = row / s.g.nodes();
    eikonal_node(s.g, row % s.g.nodes(), at);
    point = s.g.at(at[0], at[1], at[2]);
    i = (group * s.g.points + point) * eikonal_lanes<T> + lane;
    T r2 = T(0);
    for (int a = 3 - s.g.axes; a < 3; ++a) {
      d[a] = s.offset[a][(group * s.g.n[a] + at[a]) * eikonal_lanes<T> + lane];
      r2 += d[a] * d[a];
    }
    rho = s.g.factored ? T(1) / larger(r2, T(eikonal_tiny)) : T(1);
    slowness = s.slowness[point];
    rhs = slowness * slowness * rho;
  }
  // Sides of the axes for the bits of `stencil`.
  template <int D>
  TERRANE_HD void sides(const EikonalSetup<T>& s, const T* u, unsigned stencil, UpwindSide<T> (&side)[D]) const {
    for (int k = 0; k < D; ++k) {
      const int a = k + 3 - D;
      const bool plus = (stencil >> (2 * a) & 1u) != 0;
      const Index step = (plus ? 1 : -1) * s.g.stride[a] * eikonal_lanes<T>;
      const T slope = s.g.factored ? (plus ? -d[a] : d[a]) * rho : T(0);
      side[k] = upwind_side(u[i + step], u[i + 2 * step], (stencil >> (2 * a + 1) & 1u) != 0, s.k[a], slope);
    }
  }
  template <int D>
  TERRANE_HD T root(const EikonalSetup<T>& s, const T* u, unsigned stencil) const {
    UpwindSide<T> side[D];
    sides(s, u, stencil, side);
    return upwind_root(side, rhs);
  }
  // Smallest value over the quadrants and its sides, first order.
  template <int D>
  TERRANE_HD T best(const EikonalSetup<T>& s, const T* u, unsigned* stencil) const {
    T least = T(eikonal_unknown);
    for (unsigned q = 0; q < 1u << D; ++q) {
      unsigned bits = 0;
      for (int k = 0; k < D; ++k) bits |= (q >> k & 1u) << (2 * (k + 3 - D));
      const T value = root<D>(s, u, bits);
      if (value < least) {
        least = value;
        *stencil = bits;
      }
    }
    return least;
  }
};

// Sides and orders of every node from the values u. Order 1: the quadrant that gives the smallest value. Order 2: the
// neighbour of smaller time on each axis, second order where the next node is known and earlier still.
template <class T>
struct EikonalSelect {
  EikonalSetup<T> s;
  int order;
  const T* u;

  TERRANE_HD void operator()(Index row, Index lane) const {
    const EikonalValue<T> v(s, row, lane);
    std::uint8_t& stencil = s.stencil[v.i];
    if ((stencil & (eikonal_fixed | eikonal_closed)) != 0) return;
    unsigned bits = 0;
    if (order == 1) {
      if (s.g.axes == 2) {
        v.template best<2>(s, u, &bits);
      } else {
        v.template best<3>(s, u, &bits);
      }
    } else {
      for (int a = 3 - s.g.axes; a < 3; ++a) bits |= axis_bits(v, a) << (2 * a);
    }
    stencil = static_cast<std::uint8_t>(bits);
  }
  // Time of the node `steps` away along an axis; u where it is not known.
  TERRANE_HD T time(const EikonalValue<T>& v, int a, Index steps) const {
    const T value = u[v.i + steps * s.g.stride[a] * eikonal_lanes<T>];
    if (!s.g.factored || !(value < T(eikonal_limit))) return value;
    T r2 = T(0);
    for (int b = 3 - s.g.axes; b < 3; ++b) {
      const Index at = v.at[b] + (a == b ? steps : 0);
      const T d = s.offset[b][(v.group * s.g.n[b] + at) * eikonal_lanes<T> + v.lane];
      r2 += d * d;
    }
    return square_root(r2) * value;
  }
  TERRANE_HD unsigned axis_bits(const EikonalValue<T>& v, int a) const {
    const T left = time(v, a, -1), right = time(v, a, 1), near_time = smaller(left, right);
    if (!(near_time < T(eikonal_limit))) return 0u;
    const bool plus = right < left;
    const T far_time = time(v, a, plus ? 2 : -2);
    return (plus ? 1u : 0u) | (far_time < near_time ? 2u : 0u);
  }
};

}  // namespace terrane
