// SPDX-License-Identifier: MIT
// Arguments of the eikonal kernels and what they do at one node; the scheme stands in eikonal_point.hpp.
//
// Axes: 0 plane (z in 3-D, one plane in 2-D), 1 row (y in 3-D, z in 2-D), 2 column (x). Lengths in units of the largest
// spacing. Arrays of values are (groups, points, lanes): a group is as many sources as fill a vector register, a point
// is a node of the grid or of the two closed layers around it. stencil holds a byte for each value: bit 2a set: the
// upwind neighbour of axis a is at +1 (else at -1); bit 2a+1: second order; fixed: set by the source; closed: no value.
#pragma once

#include <cstdint>

#include "kernels/stencil/eikonal_point.hpp"

namespace terrane {

inline constexpr Index eikonal_ghosts = 2;
template <class T>
inline constexpr Index eikonal_lanes = 64 / static_cast<Index>(sizeof(T));
inline constexpr unsigned eikonal_fixed = 64, eikonal_closed = 128, eikonal_sides = 1 + 4 + 16;

struct EikonalGrid {
  Index n[3] = {1, 1, 1};       // planes, rows, columns
  Index stride[3] = {0, 0, 1};  // in points
  Index origin = 0, points = 0;
  int axes = 2;
  bool factored = true;

  TERRANE_HD Index nodes() const { return n[0] * n[1] * n[2]; }
  TERRANE_HD Index at(Index plane, Index row, Index column) const {
    return origin + plane * stride[0] + row * stride[1] + column;
  }
  TERRANE_HD Index point(Index node) const { return at(node / (n[1] * n[2]), node / n[2] % n[1], node % n[2]); }
};

template <class T>
struct EikonalSetup {
  EikonalGrid g;
  Index groups = 0;
  T k[3] = {};                      // 1 / h
  const T* offset[3] = {};          // (groups, n[axis], lanes): d, zero when not factored
  const T* slowness = nullptr;      // (points)
  std::uint8_t* stencil = nullptr;  // (groups, points, lanes)
};

// slowness (points) from the model (nodes): m or 1/m, `eikonal_huge` in the air; bad = nodes with a value that is not
// positive and finite, air apart.
template <class T>
struct EikonalModel {
  EikonalGrid g;
  bool velocity;
  const T* m;
  const std::uint8_t* closed;  // (points)
  T* slowness;
  T* bad;
  TERRANE_HD void operator()(Index i) const {
    const Index p = g.point(i);
    slowness[p] = closed[p] != 0 ? T(eikonal_huge) : velocity ? T(1) / m[i] : m[i];
  }
};
template <class T>
struct EikonalBad {
  EikonalModel<T> f;
  TERRANE_HD double operator()(Index i) const {
    const T s = f.slowness[f.g.point(i)];
    return f.closed[f.g.point(i)] != 0 || (s > T(0) && s < T(eikonal_limit)) ? 0.0 : 1.0;
  }
};

// tangent (points) of the slowness for a tangent of the model.
template <class T>
struct EikonalModelTangent {
  EikonalGrid g;
  bool velocity;
  const std::uint8_t* closed;
  const T* slowness;
  const T* t_m;  // (nodes)
  T* t_slowness;
  TERRANE_HD void operator()(Index i) const {
    const Index p = g.point(i);
    t_slowness[p] = closed[p] != 0 ? T(0) : velocity ? -slowness[p] * slowness[p] * t_m[i] : t_m[i];
  }
};

// d_m (nodes) += sum over groups and lanes of gs (groups, points, lanes), chained to the model.
template <class T>
struct EikonalGradient {
  EikonalGrid g;
  Index groups;
  bool velocity;
  const std::uint8_t* closed;
  const T* slowness;
  const T* gs;
  T* d_m;
  TERRANE_HD void operator()(Index i) const {
    const Index p = g.point(i), lanes = eikonal_lanes<T>;
    if (closed[p] != 0) return;
    T sum = T(0);
    for (Index k = 0; k < groups; ++k) {
      const T* value = gs + (k * g.points + p) * lanes;
      T part[4] = {value[0], value[1], value[2], value[3]};
      for (Index l = 4; l < lanes; l += 4) {
        for (Index j = 0; j < 4; ++j) part[j] += value[l + j];
      }
      sum += (part[0] + part[2]) + (part[1] + part[3]);
    }
    d_m[i] += velocity ? -slowness[p] * slowness[p] * sum : sum;
  }
};

// Nothing known yet.
template <class T>
struct EikonalStart {
  EikonalGrid g;
  const std::uint8_t* closed;
  T* u;
  std::uint8_t* stencil;
  Index groups;
  TERRANE_HD void operator()(Index row, Index lane) const {
    const Index i = row * eikonal_lanes<T> + lane;
    u[i] = T(eikonal_unknown);
    stencil[i] = static_cast<std::uint8_t>(closed[row % g.points] != 0 ? eikonal_closed : 0u);
  }
};

// Nodes of the cell of a source start with u = factor (s_src + s) / 2, the time of the straight ray, where s_src is
// interpolated from the same nodes. One source each.
enum class EikonalSeedMode : int { value, tangent, adjoint };
template <class T>
struct EikonalSeed {
  EikonalSeedMode mode;
  Index sources, points;
  const Index* start;  // (sources + 1)
  const Index* node;   // points
  const T* factor;     // 1, or the distance when not factored
  const T* weight;     // of s_src
  const T* slowness;   // (points): value, or tangent
  T* u;                // value, tangent: written; adjoint: read
  T* gs;               // adjoint: accumulated
  std::uint8_t* stencil;
  TERRANE_HD void operator()(Index i) const {
    const Index lanes = eikonal_lanes<T>, base = i / lanes * points, lane = i % lanes;
    T mean = T(0);
    for (Index k = start[i]; k < start[i + 1]; ++k) {
      mean += mode == EikonalSeedMode::adjoint ? factor[k] * u[(base + node[k]) * lanes + lane]
                                               : weight[k] * slowness[node[k]];
    }
    for (Index k = start[i]; k < start[i + 1]; ++k) {
      const Index at = (base + node[k]) * lanes + lane;
      if (mode == EikonalSeedMode::adjoint) {
        gs[at] += T(0.5) * (factor[k] * u[at] + weight[k] * mean);
      } else {
        u[at] = T(0.5) * factor[k] * (mean + slowness[node[k]]);
      }
      if (mode == EikonalSeedMode::value) stencil[at] = eikonal_fixed;
    }
  }
};

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

// Times at the receivers, and the transpose. Pair p (source, receiver) reads u at offset[k] in (groups, points, lanes)
// with weight[k], k in [entry[p], entry[p + 1]). A pair without a reached node gets -1.
template <class T>
struct EikonalRecord {
  Index pairs;
  const Index* entry;   // (pairs + 1)
  const Index* offset;  // (entries)
  const T* weight;
  const T* u;
  T* data;       // (pairs)
  bool tangent;  // values of any sign
  TERRANE_HD void operator()(Index p) const {
    T sum = T(0);
    bool reached = true;
    for (Index k = entry[p]; k < entry[p + 1]; ++k) {
      const T value = u[offset[k]];
      reached = reached && value < T(eikonal_limit);
      sum += weight[k] * value;
    }
    data[p] = tangent || reached ? sum : T(-1);
  }
};
template <class T>
struct EikonalInject {
  Index sources;
  const Index* start;  // (sources + 1): range in order
  const Index* order;  // (pairs) sorted by source
  EikonalRecord<T> pairs;
  const T* d_data;
  T* rho;  // accumulated
  TERRANE_HD void operator()(Index i) const {
    for (Index j = start[i]; j < start[i + 1]; ++j) {
      const Index p = order[j];
      for (Index k = pairs.entry[p]; k < pairs.entry[p + 1]; ++k) rho[pairs.offset[k]] += pairs.weight[k] * d_data[p];
    }
  }
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
