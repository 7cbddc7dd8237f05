// SPDX-License-Identifier: MIT
// What the eikonal CPU schedules do at a node in the lanes of a group: visit<Near>(row, column) updates the value and
// returns the lanes where it moved. Near: a source may be close, so that nodes may be fixed and sides unusable.
#pragma once

#include "kernels/stencil/eikonal_row_cpu.hpp"

namespace terrane::TERRANE_BACKEND {

template <class T>
TERRANE_HD PackMask<T> open_lanes(PackBytes<T> bytes) {
  return bytes.equal(eikonal_fixed | eikonal_closed, 0);
}

// First order, minimum over the quadrants. The slowness of closed nodes is so large that they keep no time.
template <class T>
struct MinimumNode {
  static constexpr bool chained = true;  // values depend on the node before: overlap rows
  static constexpr Index reach = 1;      // of the neighbours read
  T tolerance;
  void demote() {}
  void relax() { tolerance *= 4; }
  template <bool Near, class R>
  TERRANE_HD PackMask<T> visit(const R& row, Index column) const {
    T* at = row.u + column * R::lanes;
    const auto node = row.template geometry<Near>(column);
    const Pack<T> s = row.shared(row.slowness, column), old = Pack<T>::load(at);
    PackMask<T> plus[R::D];
    const Pack<T> value = best_root<Near>(row, at, node, old, s * s * node.rho, plus);
    PackMask<T> moved = value < old * Pack<T>(T(1) - tolerance);
    if constexpr (Near) {
      const PackMask<T> open = open_lanes(PackBytes<T>::load(row.stencil + column * R::lanes));
      pick(open & (value < old), value, old).store(at);
      return open & moved;
    } else {
      smaller(value, old).store(at);
      return moved;
    }
  }
};

// Sides and orders as selected.
template <class T>
struct FrozenNode {
  static constexpr bool chained = true;
  static constexpr Index reach = 2;
  T tolerance;
  bool demotes = false;
  void relax() { tolerance *= 4; }
  void demote() { demotes = true; }
  // Where fronts meet, second differences across them can feed on themselves.
  [[gnu::noinline]] static void make_first_order(std::uint8_t* bytes, PackMask<T> which) {
    T chosen[eikonal_lanes<T>] __attribute__((aligned(64)));
    pick(which, Pack<T>(1), Pack<T>(0)).store(chosen);
    for (Index l = 0; l < eikonal_lanes<T>; ++l) {
      if (chosen[l] > T(0)) bytes[l] &= static_cast<std::uint8_t>(~(2u + 8u + 32u));
    }
  }
  template <bool Near, class R>
  TERRANE_HD PackMask<T> visit(const R& row, Index column) const {
    const auto bytes = PackBytes<T>::load(row.stencil + column * R::lanes);
    T* at = row.u + column * R::lanes;
    const auto node = row.template geometry<Near>(column);
    Side<T> side[R::D];
    selected_sides(row, at, node, bytes, side);
    const Pack<T> s = row.shared(row.slowness, column), rhs = s * s * node.rho, old = Pack<T>::load(at);
    PackMask<T> reached;
    Pack<T> value;
    if constexpr (Near) {
      value = upwind_root(side, rhs);
      reached = open_lanes(bytes) & (value < Pack<T>(T(eikonal_limit)));
    } else {
      Pack<T> reference = smaller(side[0].n, side[1].n);
      if constexpr (R::D == 3) reference = smaller(reference, side[2].n);
      UpwindTerm<Pack<T>> t[R::D];
      for (int k = 0; k < R::D; ++k) {
        t[k] = {side[k].k + side[k].slope, side[k].k * (side[k].n - reference) - side[k].slope * reference};
      }
      value = front_root(t, reference, rhs);
      reached = value < Pack<T>(T(eikonal_limit));
    }
    pick(reached, value, old).store(at);
    const Pack<T> step = value - old;
    const PackMask<T> moved = reached & (larger(step, -step) > old * Pack<T>(tolerance));
    if (demotes && moved.any()) make_first_order(row.stencil + column * R::lanes, moved);
    return moved;
  }
};

template <class T>
struct TangentNode {
  static constexpr bool chained = false;
  static constexpr Index reach = 2;
  const T* t_slowness;  // (points), or (points, lanes) when local
  T* t_u;               // of the group
  T relative, absolute;
  const T* u_group;
  void demote() {}
  void relax() { relative *= 4; }
  template <bool, class R>
  TERRANE_HD PackMask<T> visit(const R& row, Index column) const {
    const auto bytes = PackBytes<T>::load(row.stencil + column * R::lanes);
    const T* at = row.u + column * R::lanes;
    const PackMask<T> mine = open_lanes(bytes) & (Pack<T>::load(at) < Pack<T>(T(eikonal_limit)));
    if (!mine.any()) return mine;
    const auto node = row.template geometry<true>(column);
    Side<T> side[R::D];
    selected_sides(row, at, node, bytes, side);
    const auto w = reached_weights(side, Pack<T>::load(at), row.shared(row.slowness, column), node.rho);
    T* t = t_u + (at - u_group);
    Pack<T> value = w.slowness * row.shared(t_slowness, column);
    for (int k = 0; k < R::D; ++k) {
      const unsigned bit = 1u << (2 * (k + 3 - R::D));
      const Index step = row.stride[k];
      const auto plus = has_bits(bytes, bit), second = has_bits(bytes, 2 * bit);
      const Pack<T> t1 = pick(plus, Pack<T>::load(t + step), Pack<T>::load(t - step));
      const Pack<T> t2 = pick(plus, Pack<T>::load(t + 2 * step), Pack<T>::load(t - 2 * step));
      value =
          mul_add(w.axis[k], pick(second, t1 * Pack<T>(T(upwind_first)) + t2 * Pack<T>(T(upwind_second)), t1), value);
    }
    const Pack<T> old = Pack<T>::load(t), change = value - old;
    pick(mine, value, old).store(t);
    return mine & (larger(change, -change) > mul_add(larger(value, -value), Pack<T>(relative), Pack<T>(absolute)));
  }
};

// Moves the cotangent of a node to its upwind neighbours. Lanes whose bits & mask differ from value wait.
template <class T>
struct AdjointNode {
  T* rho_group;
  T* gs_group;
  const T* u_group;
  T absolute;
  // Lanes that were loaded, that wait, and whose share went back against the visit along rows and columns.
  struct Moved {
    PackMask<T> loaded{}, waiting{}, back[2] = {};
  };
  // up: all lanes if the visit goes to higher rows, to higher columns, else none.
  template <class R>
  TERRANE_HD Moved visit(const R& row, Index column, unsigned mask, unsigned wanted, const PackMask<T> (&up)[2]) const {
    Moved result;
    const T* at = row.u + column * R::lanes;
    T* rest = rho_group + (at - u_group);
    const Pack<T> all = Pack<T>::load(rest), least(absolute);
    result.loaded = larger(all, -all) > least;
    if (!result.loaded.any()) return result;
    const auto bytes = PackBytes<T>::load(row.stencil + column * R::lanes);
    result.loaded = result.loaded & open_lanes(bytes);
    const PackMask<T> mine = result.loaded & bytes.equal(mask, wanted);
    result.waiting = result.loaded & !mine;
    if (!mine.any()) return result;
    const auto node = row.template geometry<true>(column);
    Side<T> side[R::D];
    selected_sides(row, at, node, bytes, side);
    const auto w = reached_weights(side, Pack<T>::load(at), row.shared(row.slowness, column), node.rho);
    const Pack<T> zero{T(0)}, moved = pick(mine, all, zero);
    pick(mine, zero, all).store(rest);
    T* gs = gs_group + (at - u_group);
    mul_add(moved, w.slowness, Pack<T>::load(gs)).store(gs);
    for (int k = 0; k < R::D; ++k) {
      const unsigned bit = 1u << (2 * (k + 3 - R::D));
      const Index step = row.stride[k];
      const auto plus = has_bits(bytes, bit), second = has_bits(bytes, 2 * bit);
      const Pack<T> share = pick(mine, moved * w.axis[k], zero);
      const bool far = second.any();
      const Pack<T> share1 = far ? share * pick(second, Pack<T>(T(upwind_first)), Pack<T>(1)) : share;
      add_where(plus, Pack<T>::load(rest + step), share1).store(rest + step);
      add_where(!plus, Pack<T>::load(rest - step), share1).store(rest - step);
      if (k >= R::D - 2) {
        result.back[k + 2 - R::D] = (plus ^ up[k + 2 - R::D]) & (larger(share, -share) > least);
      }
      if (!far) continue;
      const Pack<T> share2 = share * Pack<T>(T(upwind_second));
      add_where(second & plus, Pack<T>::load(rest + 2 * step), share2).store(rest + 2 * step);
      add_where(second & !plus, Pack<T>::load(rest - 2 * step), share2).store(rest - 2 * step);
    }
    return result;
  }
};

}  // namespace terrane::TERRANE_BACKEND
