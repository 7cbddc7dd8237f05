// SPDX-License-Identifier: MIT
// CPU schedule of the eikonal equation: fast sweeping, one source a lane, one group of sources a task. The grid is cut
// into tiles of a few rows and some columns; a tile is skipped in a sweep when neither it nor a tile upwind of it has
// changed since the last sweep in the same direction. The rows of a tile are visited in a skewed order (row r is at
// column t - r), so that their chains of dependent operations overlap.
#include "kernels/stencil/eikonal.hpp"

#include <algorithm>
#include <limits>
#include <vector>

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"
#include "kernels/stencil/pack_cpu.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

constexpr Index tile_rows = 4, tile_columns = 64;
constexpr Index source_reach = 8;    // nodes around a source that are brought to convergence first
constexpr Index source_sweeps = 96;  // at most, for that
constexpr Index patience = 256;      // sweeps after which rounding may be what still changes
constexpr Index demote_after = 32;   // sweeps after which nodes that still change fall back to first order

template <class T>
using Side = UpwindSide<Pack<T>>;

// A sweep: signs of the upwind neighbours' offsets are -sigma; bits: the sides in `stencil` that it serves.
struct Direction {
  Index sigma[3] = {1, 1, 1};
  unsigned bits = 0;
};

Direction direction(int axes, int number) {
  // Neighbouring directions differ in one axis.
  const int code = number ^ (number >> 1);
  Direction d;
  for (int k = 0; k < axes; ++k) {
    const int a = 2 - k;
    if ((code >> k & 1) != 0) {
      d.sigma[a] = -1;
      d.bits |= 1u << (2 * a);
    }
  }
  return d;
}

// Columns of the geometry of a row in the lanes of a group.
template <class T, int D, bool Factored>
struct Row {
  const EikonalSetup<T>* s;
  T* u = nullptr;  // value of column 0, lane 0
  const std::uint8_t* stencil = nullptr;
  const T* slowness = nullptr;  // of column 0
  const T* d_column = nullptr;  // (columns, lanes)
  Pack<T> d[2] = {}, r2{};      // plane, row; sum of their squares
  Index point = 0;

  void start(const EikonalSetup<T>& setup, T* values, Index group, Index plane, Index row) {
    s = &setup;
    const EikonalGrid& g = setup.g;
    constexpr Index lanes = eikonal_lanes<T>;
    point = g.at(plane, row, 0);
    u = values + (group * g.points + point) * lanes;
    stencil = setup.stencil + (group * g.points + point) * lanes;
    slowness = setup.slowness + point;
    if constexpr (Factored) {
      d_column = setup.offset[2] + group * g.n[2] * lanes;
      d[1] = Pack<T>::load(setup.offset[1] + (group * g.n[1] + row) * lanes);
      r2 = d[1] * d[1];
      if constexpr (D == 3) {
        d[0] = Pack<T>::load(setup.offset[0] + (group * g.n[0] + plane) * lanes);
        r2 = mul_add(d[0], d[0], r2);
      }
    }
  }
  TERRANE_HD Pack<T> rho(Index column, Pack<T>& dx) const {
    if constexpr (Factored) {
      dx = Pack<T>::load(d_column + column * eikonal_lanes<T>);
      return Pack<T>(T(1)) / larger(mul_add(dx, dx, r2), Pack<T>(T(eikonal_tiny)));
    } else {
      dx = Pack<T>(T(0));
      return Pack<T>(T(1));
    }
  }
  // sigma d rho of axis k of D.
  template <int k>
  TERRANE_HD Pack<T> slope(Index sigma, Pack<T> dx, Pack<T> rho_value) const {
    if constexpr (!Factored) {
      return Pack<T>(T(0));
    } else if constexpr (k == D - 1) {
      return (sigma > 0 ? dx : -dx) * rho_value;
    } else {
      return (sigma > 0 ? d[k + 3 - D] : -d[k + 3 - D]) * rho_value;
    }
  }
};

// Sides towards -sigma at a node; u points at its first lane. Second: neighbours at distance two count where the byte
// of the node says so.
template <int D, bool Second, bool Factored, class T>
TERRANE_HD void node_sides(const Row<T, D, Factored>& row, const T* u, const Direction& dir, Pack<T> dx, Pack<T> rho,
                           PackBytes<T> bytes, Side<T> (&side)[D]) {
  const EikonalGrid& g = row.s->g;
  const auto axis = [&](auto which) {
    constexpr int k = decltype(which)::value, a = k + 3 - D;
    const T* near_value = u - dir.sigma[a] * g.stride[a] * eikonal_lanes<T>;
    const Pack<T> coefficient(row.s->k[a]), slope = row.template slope<k>(dir.sigma[a], dx, rho);
    const Pack<T> u1 = Pack<T>::load(near_value);
    if constexpr (Second) {
      const Pack<T> u2 = Pack<T>::load(near_value - dir.sigma[a] * g.stride[a] * eikonal_lanes<T>);
      side[k] = upwind_side(u1, u2, bytes.equal(2u << (2 * a), 2u << (2 * a)), coefficient, slope);
    } else {
      side[k] = {u1, coefficient, slope};
    }
  };
  axis(std::integral_constant<int, 0>{});
  axis(std::integral_constant<int, 1>{});
  if constexpr (D == 3) axis(std::integral_constant<int, 2>{});
}

// Sides as each lane has them in its byte. Lanes need not match the direction of the sweep: where a ray runs along an
// axis, the sides of the other one follow rounding, and waiting for the right direction would take a sweep a node.
template <int D, bool Factored, class T>
TERRANE_HD void selected_sides(const Row<T, D, Factored>& row, const T* u, Pack<T> dx, Pack<T> rho, PackBytes<T> bytes,
                               Side<T> (&side)[D]) {
  const auto axis = [&](auto which) {
    constexpr int k = decltype(which)::value, a = k + 3 - D;
    const Index step = row.s->g.stride[a] * eikonal_lanes<T>;
    const PackMask<T> plus = bytes.equal(1u << (2 * a), 1u << (2 * a));
    const Pack<T> u1 = pick(plus, Pack<T>::load(u + step), Pack<T>::load(u - step));
    const Pack<T> u2 = pick(plus, Pack<T>::load(u + 2 * step), Pack<T>::load(u - 2 * step));
    const Pack<T> slope = row.template slope<k>(1, dx, rho);
    side[k] =
        upwind_side(u1, u2, bytes.equal(2u << (2 * a), 2u << (2 * a)), Pack<T>(row.s->k[a]), pick(plus, -slope, slope));
  };
  axis(std::integral_constant<int, 0>{});
  axis(std::integral_constant<int, 1>{});
  if constexpr (D == 3) axis(std::integral_constant<int, 2>{});
}

// First order, minimum over the quadrants.
template <class T, int D, bool Factored>
struct MinimumNode {
  using R = Row<T, D, Factored>;
  static constexpr bool chained = true;  // values depend on the node before: overlap rows
  T tolerance;
  static constexpr bool both_ways = false;  // reads neighbours on both sides
  void demote() {}
  void relax() { tolerance *= 4; }
  TERRANE_HD PackMask<T> operator()(const R& row, Index column, const Direction& dir) const {
    constexpr Index lanes = eikonal_lanes<T>;
    T* at = row.u + column * lanes;
    const auto bytes = PackBytes<T>::load(row.stencil + column * lanes);
    Pack<T> dx;
    const Pack<T> rho = row.rho(column, dx);
    Side<T> side[D];
    node_sides<D, false>(row, at, dir, dx, rho, bytes, side);
    const T s = row.slowness[column];
    const Pack<T> value = upwind_root(side, Pack<T>(s * s) * rho), old = Pack<T>::load(at);
    const PackMask<T> open = bytes.equal(eikonal_fixed | eikonal_closed, 0);
    pick(open & (value < old), value, old).store(at);
    return open & (value < old * Pack<T>(T(1) - tolerance));
  }
};

// Sides and orders as selected.
template <class T, int D, bool Factored>
struct FrozenNode {
  using R = Row<T, D, Factored>;
  static constexpr bool chained = true;  // values depend on the node before: overlap rows
  T tolerance;
  bool demotes = false;
  void relax() { tolerance *= 4; }
  static constexpr bool both_ways = true;
  void demote() { demotes = true; }
  // Where fronts meet, second differences across them can feed on themselves.
  [[gnu::noinline]] static void make_first_order(const std::uint8_t* stencil, PackMask<T> which) {
    T chosen[eikonal_lanes<T>] __attribute__((aligned(64)));
    pick(which, Pack<T>(1), Pack<T>(0)).store(chosen);
    auto* bytes = const_cast<std::uint8_t*>(stencil);
    for (Index l = 0; l < eikonal_lanes<T>; ++l) {
      if (chosen[l] > T(0)) bytes[l] &= static_cast<std::uint8_t>(~(2u + 8u + 32u));
    }
  }
  TERRANE_HD PackMask<T> operator()(const R& row, Index column, const Direction&) const {
    constexpr Index lanes = eikonal_lanes<T>;
    const auto bytes = PackBytes<T>::load(row.stencil + column * lanes);
    const PackMask<T> mine = bytes.equal(eikonal_fixed | eikonal_closed, 0);
    if (!mine.any()) return mine;
    T* at = row.u + column * lanes;
    Pack<T> dx;
    const Pack<T> rho = row.rho(column, dx);
    Side<T> side[D];
    selected_sides(row, at, dx, rho, bytes, side);
    const T s = row.slowness[column];
    const Pack<T> value = upwind_root(side, Pack<T>(s * s) * rho), old = Pack<T>::load(at);
    const PackMask<T> reached = mine & (value < Pack<T>(eikonal_limit));
    pick(reached, value, old).store(at);
    const Pack<T> step = value - old;
    const PackMask<T> moved = reached & (larger(step, -step) > old * Pack<T>(tolerance));
    if (demotes && moved.any()) make_first_order(row.stencil + column * lanes, moved);
    return moved;
  }
};

template <class T, int D, bool Factored>
struct TangentNode {
  using R = Row<T, D, Factored>;
  static constexpr bool chained = false;  // values depend on the node before: overlap rows
  const T* t_slowness;                    // (points)
  T* t_u;                                 // of the group
  T relative, absolute;
  const T* u_group;
  static constexpr bool both_ways = true;
  void demote() {}
  void relax() { relative *= 4; }
  TERRANE_HD PackMask<T> operator()(const R& row, Index column, const Direction&) const {
    constexpr Index lanes = eikonal_lanes<T>;
    const auto bytes = PackBytes<T>::load(row.stencil + column * lanes);
    const PackMask<T> mine = bytes.equal(eikonal_fixed | eikonal_closed, 0);
    if (!mine.any()) return mine;
    const T* at = row.u + column * lanes;
    Pack<T> dx;
    const Pack<T> rho = row.rho(column, dx);
    Side<T> side[D];
    selected_sides(row, at, dx, rho, bytes, side);
    const auto w = upwind_weights(side, Pack<T>::load(at), Pack<T>(row.slowness[column]), rho);
    T* t = t_u + (at - u_group);
    Pack<T> value = w.slowness * Pack<T>(t_slowness[row.point + column]);
    for (int k = 0; k < D; ++k) {
      const int a = k + 3 - D;
      const Index step = row.s->g.stride[a] * lanes;
      const auto plus = bytes.equal(1u << (2 * a), 1u << (2 * a));
      const Pack<T> t1 = pick(plus, Pack<T>::load(t + step), Pack<T>::load(t - step));
      const Pack<T> t2 = pick(plus, Pack<T>::load(t + 2 * step), Pack<T>::load(t - 2 * step));
      const auto second = bytes.equal(2u << (2 * a), 2u << (2 * a));
      value =
          mul_add(w.axis[k], pick(second, t1 * Pack<T>(T(upwind_first)) + t2 * Pack<T>(T(upwind_second)), t1), value);
    }
    const Pack<T> old = Pack<T>::load(t), change = value - old;
    pick(mine, value, old).store(t);
    return mine & (larger(change, -change) > mul_add(larger(value, -value), Pack<T>(relative), Pack<T>(absolute)));
  }
};

// Moves the cotangent of a node to its upwind neighbours.
template <class T, int D, bool Factored>
struct AdjointNode {
  using R = Row<T, D, Factored>;
  static constexpr bool chained = false;  // values depend on the node before: overlap rows
  T* rho_group;
  T* gs_group;
  const T* u_group;
  T absolute;
  static constexpr bool both_ways = true;
  void demote() {}
  void relax() { absolute *= 4; }
  TERRANE_HD PackMask<T> operator()(const R& row, Index column, const Direction&) const {
    constexpr Index lanes = eikonal_lanes<T>;
    const T* at = row.u + column * lanes;
    T* rest = rho_group + (at - u_group);
    const Pack<T> all = Pack<T>::load(rest);
    const PackMask<T> loaded = larger(all, -all) > Pack<T>(absolute);
    if (!loaded.any()) return loaded;
    const auto bytes = PackBytes<T>::load(row.stencil + column * lanes);
    const PackMask<T> mine = loaded & bytes.equal(eikonal_fixed | eikonal_closed, 0);
    if (!mine.any()) return mine;
    Pack<T> dx;
    const Pack<T> rho = row.rho(column, dx);
    Side<T> side[D];
    selected_sides(row, at, dx, rho, bytes, side);
    const auto w = upwind_weights(side, Pack<T>::load(at), Pack<T>(row.slowness[column]), rho);
    const Pack<T> zero{T(0)}, moved = pick(mine, all, zero);
    pick(mine, zero, all).store(rest);
    T* gs = gs_group + (at - u_group);
    mul_add(moved, w.slowness, Pack<T>::load(gs)).store(gs);
    for (int k = 0; k < D; ++k) {
      const int a = k + 3 - D;
      const Index step = row.s->g.stride[a] * lanes;
      const auto plus = bytes.equal(1u << (2 * a), 1u << (2 * a)), second = bytes.equal(2u << (2 * a), 2u << (2 * a));
      const Pack<T> share = pick(mine, moved * w.axis[k], zero);
      const Pack<T> share1 = share * pick(second, Pack<T>(upwind_first), Pack<T>(1));
      const Pack<T> share2 = share * pick(second, Pack<T>(upwind_second), zero);
      (Pack<T>::load(rest + step) + pick(plus, share1, zero)).store(rest + step);
      (Pack<T>::load(rest - step) + pick(plus, zero, share1)).store(rest - step);
      if (!second.any()) continue;
      (Pack<T>::load(rest + 2 * step) + pick(plus, share2, zero)).store(rest + 2 * step);
      (Pack<T>::load(rest - 2 * step) + pick(plus, zero, share2)).store(rest - 2 * step);
    }
    return mine;
  }
};

// Runs a node operation over the tiles until nothing changes.
template <class T, int D, bool Factored, class Node>
class Sweeper {
 public:
  // backwards: nodes are visited against the direction (cotangents), and tiles downwind of a change are due.
  Sweeper(const EikonalSetup<T>& s, Index group, T* u, const Node& node, bool backwards)
      : s_(s), group_(group), u_(u), node_(node), backwards_(backwards) {
    const EikonalGrid& g = s.g;
    tiles_[0] = g.n[0];
    tiles_[1] = (g.n[1] + tile_rows - 1) / tile_rows;
    tiles_[2] = (g.n[2] + tile_columns - 1) / tile_columns;
    const auto n = static_cast<std::size_t>(tiles_[0] * tiles_[1] * tiles_[2]);
    changed_.assign(n, 0);
    visited_.assign(n << D, -1);
    if (Factored && !backwards) find_sources();
  }
  // Number of sweeps; -1 after max_sweeps. With the source factor the nodes on both sides of a source depend on each
  // other, strongly next to it, weakly further away. Hence the surroundings of the sources come first.
  Index run(Index max_sweeps) {
    Index sweep = 0;
    if (!local_.empty()) {
      until_idle(sweep, std::min(max_sweeps, source_sweeps), false);
      local_.clear();
      std::fill(changed_.begin(), changed_.end(), sweep);
    }
    return until_idle(sweep, max_sweeps, true) ? sweep : -1;
  }

 private:
  bool until_idle(Index& sweep, Index last, bool all) {
    Index idle = 0;
    for (Index n = 1; sweep < last; ++n) {
      const int number = static_cast<int>((n - 1) % (1 << D));
      if (all && n == demote_after) node_.demote();
      if (n % patience == 0) node_.relax();
      idle = one(direction(D, number), number, ++sweep) ? 0 : idle + 1;
      if (idle >= (1 << D) - 1 && n >= (1 << D)) return true;
    }
    return false;
  }
  // Marks the tiles around the sources of the lanes.
  void find_sources() {
    const EikonalGrid& g = s_.g;
    constexpr Index lanes = eikonal_lanes<T>;
    local_.assign(changed_.size(), 0);
    const Index size[3] = {1, tile_rows, tile_columns};
    for (Index l = 0; l < lanes; ++l) {
      Index lo[3] = {0, 0, 0}, hi[3] = {0, 0, 0};
      for (int a = 3 - D; a < 3; ++a) {
        const T first = s_.offset[a][group_ * g.n[a] * lanes + l];  // of node 0, in units of 1 / k
        const Index at = static_cast<Index>(-first * s_.k[a]);
        lo[a] = std::clamp<Index>((at - source_reach) / size[a], 0, tiles_[a] - 1);
        hi[a] = std::clamp<Index>((at + source_reach + 1) / size[a], 0, tiles_[a] - 1);
      }
      for (Index p = lo[0]; p <= hi[0]; ++p) {
        for (Index r = lo[1]; r <= hi[1]; ++r) {
          for (Index c = lo[2]; c <= hi[2]; ++c) local_[tile(p, r, c)] = 1;
        }
      }
    }
  }
  std::size_t tile(Index p, Index r, Index c) const {
    return static_cast<std::size_t>((p * tiles_[1] + r) * tiles_[2] + c);
  }
  bool due(Index p, Index r, Index c, const Direction& dir, Index last) const {
    if (!local_.empty() && local_[tile(p, r, c)] == 0) return false;
    if (changed_[tile(p, r, c)] > last) return true;
    if (backwards_) return false;  // a change marks the tiles it reached
    const Index at[3] = {p, r, c};
    for (int a = 3 - D; a < 3; ++a) {
      const Index reach = a == 0 ? 2 : 1;
      for (Index k = Node::both_ways ? -reach : 1; k <= reach; ++k) {
        Index q[3] = {p, r, c};
        q[a] = at[a] - k * dir.sigma[a];
        if (q[a] >= 0 && q[a] < tiles_[a] && changed_[tile(q[0], q[1], q[2])] > last) return true;
      }
    }
    return false;
  }
  void mark(Index p, Index r, Index c, const Direction& dir, Index sweep) {
    changed_[tile(p, r, c)] = sweep;
    if (!backwards_) return;
    const Index at[3] = {p, r, c};
    for (int a = 3 - D; a < 3; ++a) {
      const Index reach = a == 0 ? 2 : 1;
      for (Index k = -reach; k <= reach; ++k) {
        Index q[3] = {p, r, c};
        q[a] = at[a] - k * dir.sigma[a];
        if (q[a] >= 0 && q[a] < tiles_[a]) changed_[tile(q[0], q[1], q[2])] = sweep;
      }
    }
  }
  bool one(const Direction& dir, int number, Index sweep) {
    Index order[3];
    for (int a = 0; a < 3; ++a) order[a] = backwards_ ? -dir.sigma[a] : dir.sigma[a];
    bool any = false;
    for (Index i = 0; i < tiles_[0]; ++i) {
      const Index p = order[0] > 0 ? i : tiles_[0] - 1 - i;
      for (Index j = 0; j < tiles_[1]; ++j) {
        const Index r = order[1] > 0 ? j : tiles_[1] - 1 - j;
        for (Index k = 0; k < tiles_[2]; ++k) {
          const Index c = order[2] > 0 ? k : tiles_[2] - 1 - k;
          Index& last = visited_[(tile(p, r, c) << D) + static_cast<std::size_t>(number)];
          if (!due(p, r, c, dir, last)) continue;
          last = sweep;
          if (!visit(p, r, c, dir, order)) continue;
          mark(p, r, c, dir, sweep);
          any = true;
        }
      }
    }
    return any;
  }
  bool visit(Index p, Index r, Index c, const Direction& dir, const Index (&order)[3]) {
    const Index first = r * tile_rows, rows = std::min(tile_rows, s_.g.n[1] - first);
    Row<T, D, Factored> row[tile_rows];
    for (Index i = 0; i < rows; ++i) {
      row[i].start(s_, u_, group_, p, order[1] > 0 ? first + i : first + rows - 1 - i);
    }
    const Index begin = c * tile_columns, n = std::min(tile_columns, s_.g.n[2] - begin);
    const Index from = order[2] > 0 ? begin : begin + n - 1, step = order[2];
    PackMask<T> moved{};
    if constexpr (Node::chained) {
      if (rows == tile_rows && n >= tile_rows) return skewed(row, from, step, n, dir).any();
    }
    for (Index i = 0; i < rows; ++i) {
      for (Index t = 0; t < n; ++t) moved = moved | single(row[i], from + t * step, dir);
    }
    return moved.any();
  }
  // One copy of the code for everything but the bulk of a tile.
  [[gnu::noinline]] PackMask<T> single(const Row<T, D, Factored>& row, Index column, const Direction& dir) const {
    return node_(row, column, dir);
  }
  PackMask<T> skewed(const Row<T, D, Factored> (&row)[tile_rows], Index from, Index step, Index n,
                     const Direction& dir) const {
    PackMask<T> moved{};
    const auto partial = [&](Index t) {
      for (Index i = 0; i < tile_rows; ++i) {
        if (t - i >= 0 && t - i < n) moved = moved | single(row[i], from + (t - i) * step, dir);
      }
    };
    for (Index t = 0; t < tile_rows - 1; ++t) partial(t);
    for (Index t = tile_rows - 1; t < n; ++t) {
      for (Index i = 0; i < tile_rows; ++i) moved = moved | node_(row[i], from + (t - i) * step, dir);
    }
    for (Index t = n; t < n + tile_rows - 1; ++t) partial(t);
    return moved;
  }

  const EikonalSetup<T>& s_;
  Index group_;
  T* u_;
  Node node_;
  bool backwards_;
  Index tiles_[3];
  std::vector<char> local_;               // tiles to visit; empty: all
  std::vector<Index> changed_, visited_;  // sweep of the last change; (tiles, directions) sweep of the last visit
};

// Calls f.run<axes, factored>() for the grid.
template <class F>
void for_grid(const EikonalGrid& g, const F& f) {
  if (g.axes == 2) {
    g.factored ? f.template run<2, true>() : f.template run<2, false>();
  } else {
    g.factored ? f.template run<3, true>() : f.template run<3, false>();
  }
}

template <class T>
struct SolveGroup {
  const EikonalSolve<T>& f;
  Index group;
  template <int D, bool Factored>
  void run() const {
    if (f.frozen) {
      using Node = FrozenNode<T, D, Factored>;
      f.sweeps[group] =
          static_cast<T>(Sweeper<T, D, Factored, Node>(f.s, group, f.u, Node{f.tolerance}, false).run(f.max_sweeps));
    } else {
      using Node = MinimumNode<T, D, Factored>;
      f.sweeps[group] =
          static_cast<T>(Sweeper<T, D, Factored, Node>(f.s, group, f.u, Node{f.tolerance}, false).run(f.max_sweeps));
    }
  }
};

template <class T>
T largest_value(const T* x, Index n) {
  T most = 0;
  for (Index i = 0; i < n; ++i) most = std::max(most, x[i] < 0 ? -x[i] : x[i]);
  return most;
}

template <class T>
struct TangentGroup {
  const EikonalTangent<T>& f;
  Index group;
  T absolute;
  template <int D, bool Factored>
  void run() const {
    using Node = TangentNode<T, D, Factored>;
    const Index first = group * f.s.g.points * eikonal_lanes<T>;
    T* u = const_cast<T*>(f.u);  // Row is shared with the solver; this node only reads it
    const Node node{f.t_slowness, f.t_u + first, 4 * std::numeric_limits<T>::epsilon(), absolute, u + first};
    f.sweeps[group] = static_cast<T>(Sweeper<T, D, Factored, Node>(f.s, group, u, node, false).run(f.max_sweeps));
  }
};

template <class T>
struct AdjointGroup {
  const EikonalAdjoint<T>& f;
  Index group;
  template <int D, bool Factored>
  void run() const {
    using Node = AdjointNode<T, D, Factored>;
    const Index values = f.s.g.points * eikonal_lanes<T>, first = group * values;
    T* u = const_cast<T*>(f.u);
    const T absolute = largest_value(f.rho + first, values) * std::numeric_limits<T>::epsilon() * T(1e-3);
    const Node node{f.rho + first, f.gs + first, u + first, absolute};
    f.sweeps[group] = static_cast<T>(Sweeper<T, D, Factored, Node>(f.s, group, u, node, true).run(f.max_sweeps));
  }
};

// Candidates of all quadrants (order 1) or sides by time (order 2) in the lanes of a row.
template <class T>
struct SelectRow {
  const EikonalSelect<T>& f;
  Index row_number;  // (groups, planes, rows)

  template <int D, bool Factored>
  void run() const {
    const EikonalGrid& g = f.s.g;
    const Index per_group = g.n[0] * g.n[1], group = row_number / per_group;
    Row<T, D, Factored> row;
    row.start(f.s, const_cast<T*>(f.u), group, row_number % per_group / g.n[1], row_number % g.n[1]);
    for (Index c = 0; c < g.n[2]; ++c) {
      constexpr Index lanes = eikonal_lanes<T>;
      std::uint8_t* stencil = const_cast<std::uint8_t*>(row.stencil) + c * lanes;
      unsigned bits[lanes];
      if (f.order == 1) {
        quadrants(row, c, bits);
      } else {
        upwind_bits(row, c, bits);
      }
      for (Index l = 0; l < lanes; ++l) {
        const bool open = (stencil[l] & (eikonal_fixed | eikonal_closed)) == 0;
        if (open) stencil[l] = static_cast<std::uint8_t>(bits[l]);
      }
    }
  }

 private:
  template <int D, bool Factored>
  void quadrants(const Row<T, D, Factored>& row, Index c, unsigned* bits) const {
    constexpr Index lanes = eikonal_lanes<T>;
    const T* at = row.u + c * lanes;
    Pack<T> dx, code{T(0)}, least{T(eikonal_unknown)};
    const Pack<T> rho = row.rho(c, dx), rhs = Pack<T>(row.slowness[c] * row.slowness[c]) * rho;
    for (unsigned q = 0; q < 1u << D; ++q) {
      Direction dir;
      for (int k = 0; k < D; ++k) {
        if ((q >> k & 1u) != 0) {
          dir.sigma[k + 3 - D] = -1;
          dir.bits |= 1u << (2 * (k + 3 - D));
        }
      }
      Side<T> side[D];
      node_sides<D, false>(row, at, dir, dx, rho, PackBytes<T>{}, side);
      const Pack<T> value = upwind_root(side, rhs);
      const auto better = value < least;
      least = pick(better, value, least);
      code = pick(better, Pack<T>(static_cast<T>(dir.bits)), code);
    }
    T codes[lanes] __attribute__((aligned(64)));
    code.store(codes);
    for (Index l = 0; l < lanes; ++l) bits[l] = static_cast<unsigned>(codes[l]);
  }

  template <int D, bool Factored>
  void upwind_bits(const Row<T, D, Factored>& row, Index c, unsigned* bits) const {
    constexpr Index lanes = eikonal_lanes<T>;
    const EikonalGrid& g = row.s->g;
    const T* at = row.u + c * lanes;
    Pack<T> dx, code{T(0)};
    row.rho(c, dx);
    for (int k = 0; k < D; ++k) {
      const int a = k + 3 - D;
      const Pack<T> spacing{T(1) / row.s->k[a]};
      Pack<T> d{T(0)}, other{T(0)};
      if constexpr (Factored) {
        d = a == 2 ? dx : row.d[a];
        other = mul_add(dx, dx, row.r2) - d * d;
      }
      const auto time = [&](Index steps) {
        const Pack<T> u = Pack<T>::load(at + steps * g.stride[a] * lanes);
        if constexpr (!Factored) return u;
        const Pack<T> e = mul_add(spacing, Pack<T>(static_cast<T>(steps)), d);
        return pick(u < Pack<T>(T(eikonal_limit)), square_root(larger(mul_add(e, e, other), Pack<T>(T(0)))) * u, u);
      };
      const Pack<T> left = time(-1), right = time(1);
      const Pack<T> zero{T(0)}, one{static_cast<T>(1 << (2 * a))}, near_time = smaller(left, right);
      const auto plus = right < left;
      const Pack<T> far_time = pick(plus, time(2), time(-2));
      const auto second = far_time < near_time;
      const Pack<T> bit = pick(plus, one, zero) + pick(second, one + one, zero);
      code = code + pick(near_time < Pack<T>(T(eikonal_limit)), bit, zero);
    }
    T codes[lanes] __attribute__((aligned(64)));
    code.store(codes);
    for (Index l = 0; l < lanes; ++l) bits[l] = static_cast<unsigned>(codes[l]);
  }
};

template <class T>
struct SelectRows {
  EikonalSelect<T> f;
  void operator()(Index row) const { for_grid(f.s.g, SelectRow<T>{f, row}); }
};
template <class T, template <class> class Group, class Args>
struct Groups {
  Args f;
  void operator()(Index group) const { for_grid(f.s.g, Group<T>{f, group}); }
};

}  // namespace

template <class T>
void eikonal_solve(Stream& s, const EikonalSolve<T>& f) {
  parallel_for_coarse(s, f.s.groups, Groups<T, SolveGroup, EikonalSolve<T>>{f});
}
TERRANE_INSTANTIATE(eikonal_solve, EikonalSolve)

template <class T>
void eikonal_select(Stream& s, const EikonalSelect<T>& f) {
  parallel_for_coarse(s, f.s.groups * f.s.g.n[0] * f.s.g.n[1], SelectRows<T>{f});
}
TERRANE_INSTANTIATE(eikonal_select, EikonalSelect)

namespace {
template <class T>
struct TangentGroups {
  EikonalTangent<T> f;
  T absolute;
  void operator()(Index group) const { for_grid(f.s.g, TangentGroup<T>{f, group, absolute}); }
};
}  // namespace

template <class T>
void eikonal_tangent(Stream& s, const EikonalTangent<T>& f) {
  const EikonalGrid& g = f.s.g;
  T most = 0;
  for (Index i = 0; i < g.nodes(); ++i) {
    const T t = f.t_slowness[g.point(i)];
    most = std::max(most, t < 0 ? -t : t);
  }
  parallel_for_coarse(s, f.s.groups, TangentGroups<T>{f, most * std::numeric_limits<T>::epsilon() * T(1e-3)});
}
TERRANE_INSTANTIATE(eikonal_tangent, EikonalTangent)

template <class T>
void eikonal_adjoint(Stream& s, const EikonalAdjoint<T>& f) {
  parallel_for_coarse(s, f.s.groups, Groups<T, AdjointGroup, EikonalAdjoint<T>>{f});
}
TERRANE_INSTANTIATE(eikonal_adjoint, EikonalAdjoint)

}  // namespace terrane::TERRANE_BACKEND
