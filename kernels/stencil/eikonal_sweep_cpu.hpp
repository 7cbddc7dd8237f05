// SPDX-License-Identifier: MIT
// Order of the nodes in the eikonal CPU schedules; eikonal.cpu.cpp says why.
#pragma once

#include <algorithm>
#include <vector>

#include "kernels/stencil/eikonal_nodes_cpu.hpp"

namespace terrane::TERRANE_BACKEND {

// Tiles of a few rows and some columns of a plane.
struct Tiles {
  static constexpr Index most_rows = 4, most_columns = 64;
  Index n[3];     // along plane, row, column
  Index size[3];  // nodes of a full tile
  Index nodes[3];
  explicit Tiles(const EikonalGrid& g) {
    const Index most[3] = {1, most_rows, most_columns};
    for (int a = 0; a < 3; ++a) {
      const Index wanted = (g.n[a] + most[a] - 1) / most[a];
      size[a] = a == 2 ? (g.n[a] + wanted - 1) / wanted : most[a];
      n[a] = (g.n[a] + size[a] - 1) / size[a];
      nodes[a] = g.n[a];
    }
  }
  std::size_t count() const { return static_cast<std::size_t>(n[0] * n[1] * n[2]); }
  std::size_t at(Index p, Index r, Index c) const { return static_cast<std::size_t>((p * n[1] + r) * n[2] + c); }
  Index first(int a, Index i) const { return i * size[a]; }
  Index length(int a, Index i) const { return std::min(size[a], nodes[a] - i * size[a]); }

  // Calls f(tile) for the tiles with a node in [lo, hi], clipped to the grid.
  template <class F>
  void for_nodes(const Index (&lo)[3], const Index (&hi)[3], const F& f) const {
    Index from[3], to[3];
    for (int a = 0; a < 3; ++a) {
      from[a] = std::clamp<Index>(lo[a], 0, nodes[a] - 1) / size[a];
      to[a] = std::clamp<Index>(hi[a], 0, nodes[a] - 1) / size[a];
    }
    for (Index p = from[0]; p <= to[0]; ++p) {
      for (Index r = from[1]; r <= to[1]; ++r) {
        for (Index c = from[2]; c <= to[2]; ++c) f(at(p, r, c));
      }
    }
  }
};

// Calls f(plane, row, column, row_sign, column_sign) for the tiles in the order of pass `pass`: rows of tiles in one
// direction (3-D: planes in one direction, and in each plane rows in both), and each row of tiles in both directions
// while it is in the cache.
template <int D, class F>
void for_pass(const Tiles& tiles, Index pass, const F& f) {
  const auto pick_index = [](bool up, Index i, Index n) { return up ? i : n - 1 - i; };
  const bool forth = pass % 2 == 0;
  for (Index i = 0; i < tiles.n[0]; ++i) {
    const Index p = pick_index(forth, i, tiles.n[0]);
    for (int way = 0; way < (D == 3 ? 2 : 1); ++way) {
      const bool down = D == 3 ? way == 0 : forth;
      for (Index j = 0; j < tiles.n[1]; ++j) {
        const Index r = pick_index(down, j, tiles.n[1]);
        for (const bool right : {true, false}) {
          for (Index k = 0; k < tiles.n[2]; ++k) {
            f(p, r, pick_index(right, k, tiles.n[2]), down ? Index{1} : Index{-1}, right ? Index{1} : Index{-1});
          }
        }
      }
    }
  }
}
template <int D>
inline constexpr Index sweeps_a_pass = D == 3 ? 4 : 2;

// Runs a node operation over the tiles until nothing changes.
template <class R, class Node>
class Sweeper {
 public:
  using T = typename R::T;
  static constexpr Index patience = 256;     // sweeps after which rounding may be what still changes
  static constexpr Index demote_after = 16;  // passes after which nodes that still change fall back to first order

  // near (tiles): tiles that may hold sources; due: tiles to visit, apart from those that changes reach; empty: all.
  Sweeper(const EikonalSetup<T>& s, Index group, T* u, const Node& node, std::vector<char> near,
          const std::vector<char>& due)
      : s_(s), group_(group), u_(u), node_(node), tiles_(s.g), near_(std::move(near)) {
    state_.assign(tiles_.count(), {});
    for (std::size_t i = 0; i < state_.size(); ++i) state_[i].changed = due.empty() || due[i] != 0 ? 1 : 0;
  }
  // Adds the sweeps to `sweep`; false after `last` of them.
  bool run(Index& sweep, Index last) {
    constexpr Index each = sweeps_a_pass<R::D>;
    for (Index pass = 0; sweep + each <= last; ++pass) {
      const Index before = pass * each, after = before + each;
      if (!R::Local && pass == demote_after) node_.demote();
      if (before / patience != after / patience) node_.relax();
      bool any = false;
      for_pass<R::D>(tiles_, pass, [&](Index p, Index r, Index c, Index down, Index right) {
        if (!due(p, r, c)) return;
        any = true;
        const std::size_t i = tiles_.at(p, r, c);
        state_[i].visited = ++clock_;
        near_.empty() || near_[i] != 0 ? visit<true>(p, r, c, down, right) : visit<false>(p, r, c, down, right);
      });
      if (!any) return true;
      sweep += each;
    }
    return false;
  }

 private:
  // Clock of the last visit and of the last changes: anywhere, in the nodes that a neighbour reads.
  struct State {
    Index visited = 0, changed = 0, low_rows = 0, high_rows = 0, low_columns = 0, high_columns = 0;
  };
  bool due(Index p, Index r, Index c) const {
    const std::size_t i = tiles_.at(p, r, c);
    const State& own = state_[i];
    const auto plane = static_cast<std::size_t>(tiles_.n[1] * tiles_.n[2]), row = static_cast<std::size_t>(tiles_.n[2]);
    if (own.changed > 0 && own.changed >= own.visited) return true;
    if (c > 0 && state_[i - 1].high_columns > own.visited) return true;
    if (c + 1 < tiles_.n[2] && state_[i + 1].low_columns > own.visited) return true;
    if (r > 0 && state_[i - row].high_rows > own.visited) return true;
    if (r + 1 < tiles_.n[1] && state_[i + row].low_rows > own.visited) return true;
    if constexpr (R::D == 3) {
      for (Index k = 1; k <= Node::reach; ++k) {
        const auto step = static_cast<std::size_t>(k) * plane;
        if (p >= k && state_[i - step].changed > own.visited) return true;
        if (p + k < tiles_.n[0] && state_[i + step].changed > own.visited) return true;
      }
    }
    return false;
  }
  // Lanes that moved: in each row in the order of the visit, and in the columns first and last visited.
  struct Moved {
    PackMask<T> row[Tiles::most_rows] = {}, first{}, last{};
  };
  template <bool Near>
  void visit(Index p, Index r, Index c, Index down, Index right) {
    const Index first = tiles_.first(1, r), rows = tiles_.length(1, r);
    R row[Tiles::most_rows];
    for (Index i = 0; i < rows; ++i) row[i].start(s_, u_, group_, p, down > 0 ? first + i : first + rows - 1 - i);
    const Index begin = tiles_.first(2, c), n = tiles_.length(2, c), from = right > 0 ? begin : begin + n - 1;
    Moved moved;
    if (Node::chained && rows == Tiles::most_rows && n > 2 * rows) {
      skewed<Near>(row, from, right, n, moved);
    } else {
      for (Index i = 0; i < rows; ++i) {
        for (Index t = 0; t < n; ++t) {
          const PackMask<T> here = single(row[i], from + t * right);
          moved.row[i] = moved.row[i] | here;
          if (t < Node::reach) moved.first = moved.first | here;
          if (t >= n - Node::reach) moved.last = moved.last | here;
        }
      }
    }
    note(state_[tiles_.at(p, r, c)], moved, rows, down > 0, right > 0);
  }
  void note(State& state, const Moved& moved, Index rows, bool down, bool right) const {
    PackMask<T> any{}, first{}, last{};
    for (Index i = 0; i < rows; ++i) {
      any = any | moved.row[i];
      if (i < Node::reach) first = first | moved.row[i];
      if (i >= rows - Node::reach) last = last | moved.row[i];
    }
    if (!any.any()) return;
    state.changed = clock_;
    if (first.any()) (down ? state.low_rows : state.high_rows) = clock_;
    if (last.any()) (down ? state.high_rows : state.low_rows) = clock_;
    if (moved.first.any()) (right ? state.low_columns : state.high_columns) = clock_;
    if (moved.last.any()) (right ? state.high_columns : state.low_columns) = clock_;
  }
  // One copy of the code for everything but the bulk of a tile.
  [[gnu::noinline]] PackMask<T> single(const R& row, Index column) { return node_.template visit<true>(row, column); }
  // Row i is at column t - i. Whole steps come in three runs, so that changes in the outer columns are known.
  template <bool Near>
  void skewed(const R (&row)[Tiles::most_rows], Index from, Index step, Index n, Moved& moved) {
    constexpr Index rows = Tiles::most_rows;
    const auto partial = [&](Index t, PackMask<T>& outer) {
      for (Index i = 0; i < rows; ++i) {
        if (t - i < 0 || t - i >= n) continue;
        const PackMask<T> here = single(row[i], from + (t - i) * step);
        moved.row[i] = moved.row[i] | here;
        outer = outer | here;
      }
    };
    for (Index t = 0; t < rows - 1; ++t) partial(t, moved.first);
    const Index run[4] = {rows - 1, rows - 1 + Node::reach, n - Node::reach, n};
    for (int k = 0; k < 3; ++k) {
      PackMask<T> here[rows] = {};
      for (Index t = run[k]; t < run[k + 1]; ++t) {
        for (Index i = 0; i < rows; ++i) {
          here[i] = here[i] | node_.template visit<Near>(row[i], from + (t - i) * step);
        }
      }
      for (Index i = 0; i < rows; ++i) {
        moved.row[i] = moved.row[i] | here[i];
        if (k == 0) moved.first = moved.first | here[i];
        if (k == 2) moved.last = moved.last | here[i];
      }
    }
    for (Index t = n; t < n + rows - 1; ++t) partial(t, moved.last);
  }

  const EikonalSetup<T>& s_;
  Index group_;
  T* u_;
  Node node_;
  Tiles tiles_;
  std::vector<char> near_;
  Index clock_ = 1;
  std::vector<State> state_;  // of the tiles
};

// Moves cotangents upwind until all of them rest at fixed nodes. Passes go against those of the values. The first visit
// of a row of tiles takes the lanes whose cotangents run along with it, the second one takes what is left, so that most
// nodes are treated once. A tile is due when something may be left in it or has arrived in it.
template <class R>
class Gatherer {
 public:
  using T = typename R::T;
  using Node = AdjointNode<T>;
  static constexpr Index reach = 2;
  static constexpr Index patient_passes = 2;  // in which lanes that run against the rows wait, too
  Gatherer(const EikonalSetup<T>& s, Index group, T* u, const Node& node)
      : s_(s), group_(group), u_(u), node_(node), tiles_(s.g), loaded_(tiles_.count(), 1) {}
  Index run(Index max_sweeps) {
    Index sweep = 0;
    for (Index pass = 1; sweep < max_sweeps; ++pass) {
      bool any = false;
      for_pass<R::D>(tiles_, pass, [&](Index p, Index r, Index c, Index down, Index right) {
        if (loaded_[tiles_.at(p, r, c)] == 0) return;
        any = true;
        visit(p, r, c, down, right, R::D == 3 ? down > 0 : pass <= patient_passes);
      });
      if (!any) return sweep;
      sweep += sweeps_a_pass<R::D>;
    }
    return -1;
  }

 private:
  // Lanes that were loaded in a row or tile and in its columns visited last, and where something is left, in all nodes
  // and in those columns visited first.
  struct Moved {
    PackMask<T> any{}, last_columns{}, left{}, first_columns{}, back{};
  };
  void visit(Index p, Index r, Index c, Index down, Index right, bool patient) {
    const Index first = tiles_.first(1, r), rows = tiles_.length(1, r);
    const bool up[2] = {down > 0, right > 0};
    PackMask<T> any{}, left{}, first_rows{}, last_rows{}, first_columns{}, last_columns{};
    for (Index i = 0; i < rows; ++i) {
      R row;
      row.start(s_, u_, group_, p, up[0] ? first + i : first + rows - 1 - i);
      const Moved m = visit_row(row, tiles_.first(2, c), tiles_.length(2, c), up, patient);
      any = any | m.any;
      left = left | m.left | m.back;
      first_columns = first_columns | m.first_columns;
      last_columns = last_columns | m.last_columns;
      if (i < reach) first_rows = first_rows | m.back;
      if (i >= rows - reach) last_rows = last_rows | m.any;
    }
    loaded_[tiles_.at(p, r, c)] = left.any() ? 1 : 0;
    if (!any.any()) return;
    mark(p, r - down, c, first_rows.any());
    mark(p, r + down, c, last_rows.any());
    mark(p, r, c - right, first_columns.any());
    mark(p, r, c + right, last_columns.any());
    for (Index k = 1; R::D == 3 && k <= reach; ++k) {
      mark(p - k, r, c, true);
      mark(p + k, r, c, true);
    }
  }
  Moved visit_row(const R& row, Index begin, Index n, const bool (&up)[2], bool patient) const {
    const unsigned mask = (up[1] ? 16u : 0u) | (patient ? 4u : 0u), wanted = up[0] ? mask : mask & 16u;
    const PackMask<T> all = Pack<T>(0) < Pack<T>(1), none{}, ways[2] = {up[0] ? all : none, up[1] ? all : none};
    const Index from = up[1] ? begin : begin + n - 1, step = up[1] ? 1 : -1;
    Moved moved;
    for (Index t = 0; t < n; ++t) {
      const typename Node::Moved m = node_.visit(row, from + t * step, mask, wanted, ways);
      if (!m.loaded.any()) continue;
      moved.any = moved.any | m.loaded;
      moved.left = moved.left | m.waiting | m.back[1];
      moved.back = moved.back | m.back[0];
      if (t < reach) moved.first_columns = moved.first_columns | m.back[1];
      if (t >= n - reach) moved.last_columns = moved.last_columns | m.loaded;
    }
    return moved;
  }
  void mark(Index p, Index r, Index c, bool arrived) {
    const bool inside = p >= 0 && p < tiles_.n[0] && r >= 0 && r < tiles_.n[1] && c >= 0 && c < tiles_.n[2];
    if (arrived && inside) loaded_[tiles_.at(p, r, c)] = 1;
  }
  const EikonalSetup<T>& s_;
  Index group_;
  T* u_;
  Node node_;
  Tiles tiles_;
  std::vector<char> loaded_;
};

}  // namespace terrane::TERRANE_BACKEND
