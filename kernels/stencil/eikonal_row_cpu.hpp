// SPDX-License-Identifier: MIT
// Rows of nodes of the eikonal CPU schedules: geometry and neighbours of a node in the lanes of a group of sources.
//
// Local: a grid of its own around the source of each lane (eikonal_box_cpu.hpp), where the slowness differs from lane
// to lane. Axes k = 0 .. D-1 of a D-dimensional grid are the axes a = k + 3 - D of EikonalGrid.
#pragma once

#include <type_traits>

#include "kernels/stencil/eikonal.hpp"
#include "kernels/stencil/pack_cpu.hpp"

namespace terrane::TERRANE_BACKEND {

template <class T>
using Side = UpwindSide<Pack<T>>;

template <class T>
TERRANE_HD Pack<T> root_quotient(Pack<T> b, Pack<T> inside, Pack<T> a) {
  return (b + fast_root(inside)) * fast_inverse(a);
}
template <class T>
TERRANE_HD Pack<T> inverse_of(Pack<T> x) {
  return fast_inverse(x);
}

// 1 / r² and d / r² along the axes.
template <class T, int D>
struct NodeGeometry {
  Pack<T> rho, slope[D];
};

template <class T_, int D_, bool Factored_, bool Local_>
struct Row {
  using T = T_;
  static constexpr int D = D_;
  static constexpr bool Factored = Factored_, Local = Local_;
  static constexpr Index lanes = eikonal_lanes<T>;

  T* u = nullptr;                   // value of column 0, lane 0
  std::uint8_t* stencil = nullptr;  // of column 0
  const T* slowness = nullptr;      // (points), or (points, lanes) when Local
  const T* d_column = nullptr;      // (columns, lanes)
  Pack<T> d[2] = {}, r2{};          // plane, row; sum of their squares
  Index point = 0;                  // of column 0
  Index stride[D] = {};             // in values
  T k[D] = {};

  void start(const EikonalSetup<T>& s, T* values, Index group, Index plane, Index row) {
    const EikonalGrid& g = s.g;
    point = g.at(plane, row, 0);
    u = values + (group * g.points + point) * lanes;
    stencil = s.stencil + (group * g.points + point) * lanes;
    slowness = s.slowness;
    for (int i = 0; i < D; ++i) {
      stride[i] = g.stride[i + 3 - D] * lanes;
      k[i] = s.k[i + 3 - D];
    }
    if constexpr (Factored) {
      d_column = s.offset[2] + group * g.n[2] * lanes;
      d[1] = Pack<T>::load(s.offset[1] + (group * g.n[1] + row) * lanes);
      r2 = d[1] * d[1];
      if constexpr (D == 3) {
        d[0] = Pack<T>::load(s.offset[0] + (group * g.n[0] + plane) * lanes);
        r2 = mul_add(d[0], d[0], r2);
      }
    }
  }
  // A field of the grid that all lanes share, unless Local.
  TERRANE_HD Pack<T> shared(const T* field, Index column) const {
    if constexpr (Local) {
      return Pack<T>::load(field + (point + column) * lanes);
    } else {
      return Pack<T>(field[point + column]);
    }
  }
  // near: the node may be at a source.
  template <bool Near>
  TERRANE_HD NodeGeometry<T, D> geometry(Index column) const {
    NodeGeometry<T, D> n;
    if constexpr (Factored) {
      const Pack<T> dx = Pack<T>::load(d_column + column * lanes);
      const Pack<T> sum = mul_add(dx, dx, r2);
      n.rho = fast_inverse(Near ? larger(sum, Pack<T>(T(eikonal_tiny))) : sum);
      for (int i = 0; i < D - 1; ++i) n.slope[i] = d[i + 3 - D] * n.rho;
      n.slope[D - 1] = dx * n.rho;
    } else {
      n.rho = Pack<T>(1);
      for (Pack<T>& slope : n.slope) slope = Pack<T>(0);
    }
    return n;
  }
};

template <class T>
TERRANE_HD PackMask<T> has_bits(PackBytes<T> bytes, unsigned bits) {
  return bytes.equal(bits, bits);
}

// Sides as each lane has them in its byte. Lanes need not match the direction of the sweep: where a ray runs along an
// axis, the sides of the other one follow rounding, and waiting for the right direction would take a sweep a node.
template <class R>
TERRANE_HD void selected_sides(const R& row, const typename R::T* u, const NodeGeometry<typename R::T, R::D>& node,
                               PackBytes<typename R::T> bytes, Side<typename R::T> (&side)[R::D]) {
  using T = typename R::T;
  for (int k = 0; k < R::D; ++k) {
    const unsigned bit = 1u << (2 * (k + 3 - R::D));
    const Index step = row.stride[k];
    const PackMask<T> plus = has_bits(bytes, bit), second = has_bits(bytes, 2 * bit);
    const Pack<T> u1 = pick(plus, Pack<T>::load(u + step), Pack<T>::load(u - step));
    side[k] = {u1, Pack<T>(row.k[k]), pick(plus, -node.slope[k], node.slope[k])};
    if (!second.any()) continue;
    const Pack<T> u2 = pick(plus, Pack<T>::load(u + 2 * step), Pack<T>::load(u - 2 * step));
    side[k] = upwind_side(u1, u2, second, side[k].k, side[k].slope);
  }
}

// upwind_weights for nodes that a time has reached: a side that cannot be used has p < 0 there.
template <class T, int D>
TERRANE_HD UpwindWeights<Pack<T>, D> reached_weights(const Side<T> (&side)[D], Pack<T> u, Pack<T> s, Pack<T> rho) {
  UpwindWeights<Pack<T>, D> w;
  Pack<T> total{T(0)};
  for (int d = 0; d < D; ++d) {
    const Pack<T> p = larger(side[d].k * (u - side[d].n) + side[d].slope * u, Pack<T>(T(0)));
    total = mul_add(p, side[d].k + side[d].slope, total);
    w.axis[d] = p * side[d].k;
  }
  const auto some = total > Pack<T>(T(0));
  const Pack<T> inverse = pick(some, fast_inverse(pick(some, total, Pack<T>(1))), Pack<T>(T(0)));
  for (int d = 0; d < D; ++d) w.axis[d] = w.axis[d] * inverse;
  w.slowness = s * rho * inverse;
  return w;
}

// First order, both sides of every axis open: the value of the best quadrant is the root of
//   sum over axes of max over sides of max(p, 0)² = rhs,
// so that each axis takes the side of larger p. p is compared at `old`: if any quadrant gives less than old, this one
// does. plus: the lanes that take the side at +1.
template <bool Near, class R>
TERRANE_HD Pack<typename R::T> best_root(const R& row, const typename R::T* u,
                                         const NodeGeometry<typename R::T, R::D>& node, Pack<typename R::T> old,
                                         Pack<typename R::T> rhs, PackMask<typename R::T> (&plus)[R::D]) {
  using T = typename R::T;
  const Pack<T> unknown{T(eikonal_unknown)};
  Pack<T> low[R::D], high[R::D], reference = unknown;
  for (int k = 0; k < R::D; ++k) {
    low[k] = Pack<T>::load(u - row.stride[k]);
    high[k] = Pack<T>::load(u + row.stride[k]);
    if constexpr (Near && R::Factored) {  // p must grow with u
      low[k] = pick(node.slope[k] > Pack<T>(-row.k[k]), low[k], unknown);
      high[k] = pick(node.slope[k] < Pack<T>(row.k[k]), high[k], unknown);
    }
    reference = smaller(reference, smaller(low[k], high[k]));
  }
  const Pack<T> guess = pick(old < Pack<T>(T(eikonal_limit)), old, reference);
  const Pack<T> twice = guess + guess;
  UpwindTerm<Pack<T>> t[R::D];
  for (int k = 0; k < R::D; ++k) {
    const Pack<T> coefficient(row.k[k]);
    plus[k] = node.slope[k] * twice < (low[k] - high[k]) * coefficient;
    const Pack<T> n = pick(plus[k], high[k], low[k]), slope = pick(plus[k], -node.slope[k], node.slope[k]);
    t[k].a = coefficient + slope;
    t[k].b = coefficient * (n - reference) - slope * reference;
    if constexpr (Near && R::Factored) {
      const auto usable = t[k].a > Pack<T>(0);
      t[k] = {pick(usable, t[k].a, Pack<T>(1)), pick(usable, t[k].b, Pack<T>(T(eikonal_huge)))};
    }
  }
  const Pack<T> value = front_root(t, reference, rhs);
  return pick(reference < Pack<T>(T(eikonal_limit)), value, unknown);
}

}  // namespace terrane::TERRANE_BACKEND
