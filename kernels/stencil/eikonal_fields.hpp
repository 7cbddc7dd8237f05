// SPDX-License-Identifier: MIT
// Grid and arrays of the eikonal kernels, and what goes in and comes out: model, sources, receivers.
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
  TERRANE_HD Index row(Index i) const { return at(i / n[1], i % n[1], 0); }  // point of column 0
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
  TERRANE_HD void operator()(Index row, Index column) const {
    const Index i = row * g.n[2] + column, p = g.row(row) + column;
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
  TERRANE_HD void operator()(Index row, Index column) const {
    const Index i = row * g.n[2] + column, p = g.row(row) + column, lanes = eikonal_lanes<T>;
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

}  // namespace terrane
