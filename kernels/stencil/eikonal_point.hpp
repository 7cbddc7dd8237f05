// SPDX-License-Identifier: MIT
// One node of the factored Godunov scheme of |grad T| = s, and its linearisation.
//
// With T = r u, r the distance to the source, d = x - x_s and rho = 1 / r², the gradient along an axis towards the
// upwind neighbour (sign sigma, spacing h) is r times
//     p = sigma d rho u_i + (u_i - u_1) / h                        first order
//     p = sigma d rho u_i + (3 u_i - 4 u_1 + u_2) / (2 h)          second order
// which both read p = (k + slope) u_i - k n with k = 1/h or 3/(2h), n = u_1 or (4 u_1 - u_2) / 3, slope = sigma d rho.
// The node value is the unique root of sum over axes of max(p, 0)² = s² rho. u is smooth at the source (there it is the
// slowness), so that the point source costs no order. Unfactored: r = 1, hence slope = 0, rho = 1, u = T.
//
// Templated on V: a float or double, or a pack of lanes with pick(), square_root(), comparisons that give masks.
#pragma once

#include "kernels/runtime/math.hpp"
#include "kernels/stencil/fd.hpp"

namespace terrane {

inline constexpr double eikonal_unknown = 1e10;  // value of nodes that no time has reached
inline constexpr double eikonal_limit = 1e9;     // smaller values are reached
inline constexpr double eikonal_huge = 1e15;     // stands for an axis without an upwind neighbour
inline constexpr double eikonal_tiny = 1e-12;    // smallest r², in units of the largest spacing

TERRANE_HD float pick(bool m, float a, float b) { return m ? a : b; }
TERRANE_HD double pick(bool m, double a, double b) { return m ? a : b; }

template <class V>
struct UpwindSide {
  V n{};      // neighbour value or second-order combination
  V k{};      // difference coefficient
  V slope{};  // sigma d rho
};

// second: mask of the lanes that use the second neighbour.
template <class V, class M>
TERRANE_HD UpwindSide<V> upwind_side(V u1, V u2, M second, V k, V slope) {
  return {pick(second, (u1 * V(4) - u2) * V(1.0 / 3.0), u1), pick(second, k * V(1.5), k), slope};
}
// Derivatives of n with respect to u_1 and u_2.
inline constexpr double upwind_first = 4.0 / 3.0, upwind_second = -1.0 / 3.0;

// An axis as a (u - reference) - b, b measured from a reference value so that nothing large cancels.
template <class V>
struct UpwindTerm {
  V a, b;
};
template <class V>
TERRANE_HD UpwindTerm<V> upwind_term(const UpwindSide<V>& s, V reference) {
  const V a = s.k + s.slope;
  const auto usable = (s.n < V(eikonal_limit)) & (a > V(0));
  const V b = s.k * (s.n - reference) - s.slope * reference;
  return {pick(usable, a, V(1)), pick(usable, b, V(eikonal_huge))};
}
template <class V>
TERRANE_HD V smaller(V a, V b) {
  return pick(a < b, a, b);
}
template <class V>
TERRANE_HD V larger(V a, V b) {
  return pick(b < a, a, b);
}

// (b + sqrt(inside)) / a and 1 / x; CPU schedules have faster ones for single precision.
template <class V>
TERRANE_HD V root_quotient(V b, V inside, V a) {
  return (b + square_root(larger(inside, V(0)))) / a;
}
template <class V>
TERRANE_HD V inverse_of(V x) {
  return V(1) / x;
}

// Two axes. Axis i starts to count at u = b_i / a_i; both count when the one with the larger start is still below the
// root of the other alone. The discriminant is A rhs - (a_0 b_1 - a_1 b_0)², without cancellation.
template <class V>
TERRANE_HD V front_root(const UpwindTerm<V> (&t)[2], V reference, V rhs) {
  const V cross = t[0].a * t[1].b - t[1].a * t[0].b;
  const auto first = cross > V(0);  // axis 0 starts earlier
  const V a0 = t[0].a * t[0].a, a1 = t[1].a * t[1].a, b0 = t[0].a * t[0].b, b1 = t[1].a * t[1].b;
  const V cross2 = cross * cross;
  const auto both = !(rhs * pick(first, a1, a0) < cross2);
  const V sum_a = pick(both, a0 + a1, pick(first, a0, a1)), sum_b = pick(both, b0 + b1, pick(first, b0, b1));
  const V inside = sum_a * rhs - pick(both, cross2, V(0));
  return reference + root_quotient(sum_b, inside, sum_a);
}

template <class V>
TERRANE_HD void order_terms(UpwindTerm<V>& x, UpwindTerm<V>& y) {
  const auto swap = y.b * x.a < x.b * y.a;
  const UpwindTerm<V> lo{pick(swap, y.a, x.a), pick(swap, y.b, x.b)}, hi{pick(swap, x.a, y.a), pick(swap, x.b, y.b)};
  x = lo;
  y = hi;
}

template <class V>
TERRANE_HD V front_root(const UpwindTerm<V> (&t)[3], V reference, V rhs) {
  UpwindTerm<V> t0 = t[0], t1 = t[1], t2 = t[2];
  order_terms(t0, t1);
  order_terms(t1, t2);
  order_terms(t0, t1);
  const V c01 = t0.a * t1.b - t1.a * t0.b, c02 = t0.a * t2.b - t2.a * t0.b, c12 = t1.a * t2.b - t2.a * t1.b;
  const V cross2 = c01 * c01, cross3 = c02 * c02 + c12 * c12;
  const V a1 = t1.a * t1.a, a2 = t2.a * t2.a;
  const auto two = !(rhs * a1 < cross2);
  const auto three = two & !(rhs * a2 < cross3);
  const V sum_a = mul_add(t0.a, t0.a, pick(two, a1, V(0)) + pick(three, a2, V(0)));
  const V sum_b = mul_add(t0.a, t0.b, pick(two, t1.a * t1.b, V(0)) + pick(three, t2.a * t2.b, V(0)));
  const V inside = sum_a * rhs - pick(two, cross2, V(0)) - pick(three, cross3, V(0));
  return reference + root_quotient(sum_b, inside, sum_a);
}

template <class V, int D>
TERRANE_HD V upwind_root(const UpwindSide<V> (&side)[D], V rhs) {
  V reference = smaller(side[0].n, side[1].n);
  if constexpr (D == 3) reference = smaller(reference, side[2].n);
  UpwindTerm<V> t[D];
  for (int k = 0; k < D; ++k) t[k] = upwind_term(side[k], reference);
  return front_root(t, reference, rhs);
}

// du = sum_axis axis[.] dn + slowness ds at a converged node: from sum max(p, 0)² = s² rho,
//   sum p (a du - k dn) = s rho ds   =>   axis = p k / sum p a,  slowness = s rho / sum p a.
template <class V, int D>
struct UpwindWeights {
  V axis[D];
  V slowness;
};
template <class V, int D>
TERRANE_HD UpwindWeights<V, D> upwind_weights(const UpwindSide<V> (&side)[D], V u, V s, V rho) {
  UpwindWeights<V, D> w;
  V total = V(0);
  for (int d = 0; d < D; ++d) {
    const V a = side[d].k + side[d].slope;
    const V p = side[d].k * (u - side[d].n) + side[d].slope * u;
    const V active = pick((side[d].n < V(eikonal_limit)) & (a > V(0)) & (p > V(0)), p, V(0));
    total = total + active * a;
    w.axis[d] = active * side[d].k;
  }
  const V inverse = pick(total > V(0), inverse_of(pick(total > V(0), total, V(1))), V(0));
  for (int d = 0; d < D; ++d) w.axis[d] = w.axis[d] * inverse;
  w.slowness = s * rho * inverse;
  return w;
}

}  // namespace terrane
