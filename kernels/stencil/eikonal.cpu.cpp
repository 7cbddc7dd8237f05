// SPDX-License-Identifier: MIT
// CPU schedule of the eikonal equation: fast sweeping, one source a lane, one group of sources a task.
//
// Why in this order (eikonal_sweep_cpu.hpp, eikonal_row_cpu.hpp, eikonal_box_cpu.hpp):
// - The lanes of a node belong to different sources, so that its times come from different quadrants. A node therefore
//   looks at both sides of every axis at once. It costs more than one quadrant, but one visit without a change
//   shows that a tile is done, where four (in 3-D eight) sweeps without one are needed otherwise.
// - A row of tiles is visited in both directions before the next one: two sweeps for one way through memory.
// - A tile is due when its last visit changed it, or when a neighbour has since changed a node that it reads. Changes
//   inside the neighbour do not count.
// - The rows of a tile are visited in a skewed order (row r is at column t - r), so that their chains of dependent
//   operations overlap. In single precision roots and quotients come from the estimates of the processor and a step of
//   Newton, since the divider would otherwise be the limit.
// - With the source factor the nodes on both sides of a source depend on each other, strongly next to it, weakly
// further
//   away. These surroundings converge first, in a small grid of their own where all lanes have their source in the same
//   place; in the grid itself they would cover all columns when sources stand in a line.
// - The first-order times that only choose sides for the second order end at a rough tolerance.
// - Cotangents go the other way. Lanes that run against the visit wait for the next one, which merges what arrives from
//   several nodes; all rows wait in the first passes only, as waiting for the right direction would take a pass a node
//   where a ray runs along an axis and its sides alternate.
// Each row of tiles streams values, bytes and (cotangents) two arrays more through the cache: with the arithmetic of a
// node this is what limits the speed.
#include "kernels/stencil/eikonal.hpp"

#include <limits>

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"
#include "kernels/stencil/eikonal_box_cpu.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

constexpr Index source_sweeps = 96;  // at most, around the sources

// Calls f.run<axes, factored>() for the grid.
template <class F>
void for_grid(const EikonalGrid& g, const F& f) {
  if (g.axes == 2) {
    g.factored ? f.template run<2, true>() : f.template run<2, false>();
  } else {
    g.factored ? f.template run<3, true>() : f.template run<3, false>();
  }
}

// Tiles with nodes that are fixed or where sides may be unusable (d / r² >= k, hence r below the largest spacing).
template <class T, int D>
std::vector<char> near_tiles(const EikonalSetup<T>& s, const SourceBox<T, D>& box) {
  T most = 1;
  for (int a = 3 - D; a < 3; ++a) most = std::max(most, s.k[a]);
  return box.tiles(1 + static_cast<Index>(most));
}

template <class T>
struct SolveGroup {
  const EikonalSolve<T>& f;
  Index group;
  template <int D, bool Factored>
  void run() const {
    if (f.frozen) {
      solve<D, Factored>(FrozenNode<T>{f.tolerance});
    } else {
      solve<D, Factored>(MinimumNode<T>{f.tolerance});
    }
  }
  template <int D, bool Factored, class Node>
  void solve(const Node& node) const {
    Index sweeps = 0;
    std::vector<char> near, due;
    if constexpr (Factored) {
      const SourceBox<T, D> box(f.s, group);
      std::vector<typename SourceBox<T, D>::Values> u;
      box.gather(f.u, T(eikonal_unknown), u);
      Sweeper<Row<T, D, true, true>, Node>(box.setup(), 0, u[0].lane, node, {}, {})
          .run(sweeps, std::min(f.max_sweeps, source_sweeps));
      box.scatter(u, f.u);
      near = near_tiles(f.s, box);
      if (!f.frozen) due = box.tiles(SourceBox<T, D>::reach + 1);
    }
    const bool done =
        Sweeper<Row<T, D, Factored, false>, Node>(f.s, group, f.u, node, near, due).run(sweeps, f.max_sweeps);
    f.sweeps[group] = static_cast<T>(done ? sweeps : -1);
  }
};

template <class T>
T largest_value(const T* x, Index n) {
  Pack<T> most{T(0)};
  for (Index i = 0; i < n; i += eikonal_lanes<T>) {
    const Pack<T> value = Pack<T>::load(x + i);
    most = larger(most, larger(value, -value));
  }
  T lanes[eikonal_lanes<T>] __attribute__((aligned(64)));
  most.store(lanes);
  return *std::max_element(lanes, lanes + eikonal_lanes<T>);
}

template <class T>
struct TangentGroup {
  const EikonalTangent<T>& f;
  Index group;
  T absolute;
  template <int D, bool Factored>
  void run() const {
    using Node = TangentNode<T>;
    const T relative = 4 * std::numeric_limits<T>::epsilon();
    Index sweeps = 0;
    T* u = const_cast<T*>(f.u);  // Row is shared with the solver; this node only reads it
    if constexpr (Factored) {
      const SourceBox<T, D> box(f.s, group);
      std::vector<typename SourceBox<T, D>::Values> box_u, t_u, t_slowness;
      box.gather(f.u, T(eikonal_unknown), box_u);
      box.gather(f.t_u, T(0), t_u);
      box.gather_shared(f.t_slowness, T(0), t_slowness);
      const Node node{t_slowness[0].lane, t_u[0].lane, relative, absolute, box_u[0].lane};
      Sweeper<Row<T, D, true, true>, Node>(box.setup(), 0, box_u[0].lane, node, {}, {})
          .run(sweeps, std::min(f.max_sweeps, source_sweeps));
      box.scatter(t_u, f.t_u);
    }
    const Index first = group * f.s.g.points * eikonal_lanes<T>;
    const Node node{f.t_slowness, f.t_u + first, relative, absolute, u + first};
    const bool done = Sweeper<Row<T, D, Factored, false>, Node>(f.s, group, u, node, {}, {}).run(sweeps, f.max_sweeps);
    f.sweeps[group] = static_cast<T>(done ? sweeps : -1);
  }
};

template <class T>
struct AdjointGroup {
  const EikonalAdjoint<T>& f;
  Index group;
  template <int D, bool Factored>
  void run() const {
    const Index values = f.s.g.points * eikonal_lanes<T>, first = group * values;
    T* u = const_cast<T*>(f.u);
    const T absolute = largest_value(f.rho + first, values) * std::numeric_limits<T>::epsilon() * T(1e-3);
    const AdjointNode<T> node{f.rho + first, f.gs + first, u + first, absolute};
    f.sweeps[group] = static_cast<T>(Gatherer<Row<T, D, Factored, false>>(f.s, group, u, node).run(f.max_sweeps));
  }
};

// Sides of the quadrant of the smallest value (order 1) or by time (order 2) in the lanes of a row.
template <class T>
struct SelectRow {
  const EikonalSelect<T>& f;
  Index row_number;  // (groups, planes, rows)

  template <int D, bool Factored>
  void run() const {
    const EikonalGrid& g = f.s.g;
    const Index per_group = g.n[0] * g.n[1], group = row_number / per_group;
    Row<T, D, Factored, false> row;
    row.start(f.s, const_cast<T*>(f.u), group, row_number % per_group / g.n[1], row_number % g.n[1]);
    for (Index c = 0; c < g.n[2]; ++c) {
      std::uint8_t* stencil = row.stencil + c * row.lanes;
      const auto old = PackBytes<T>::load(stencil);
      const auto bits = f.order == 1 ? quadrant(row, c) : upwind_bits(row, c);
      keep_where(open_lanes(old), bits, old).store(stencil);
    }
  }

 private:
  template <class R>
  static PackBytes<T> quadrant(const R& row, Index c) {
    const T* at = row.u + c * R::lanes;
    const auto node = row.template geometry<true>(c);
    const Pack<T> s = row.shared(row.slowness, c);
    PackMask<T> plus[R::D];
    best_root<true>(row, at, node, Pack<T>::load(at), s * s * node.rho, plus);
    PackBytes<T> bits = PackBytes<T>::of(plus[0], 1u << (2 * (3 - R::D)));
    for (int k = 1; k < R::D; ++k) bits = bits | PackBytes<T>::of(plus[k], 1u << (2 * (k + 3 - R::D)));
    return bits;
  }
  // Squares of the times are compared.
  template <class R>
  static PackBytes<T> upwind_bits(const R& row, Index c) {
    const T* at = row.u + c * R::lanes;
    PackBytes<T> bits = PackBytes<T>::of(PackMask<T>{}, 0);
    Pack<T> dx{T(0)}, sum{T(1)};
    if constexpr (R::Factored) {
      dx = Pack<T>::load(row.d_column + c * R::lanes);
      sum = mul_add(dx, dx, row.r2);
    }
    for (int k = 0; k < R::D; ++k) {
      const int a = k + 3 - R::D;
      const T spacing = T(1) / row.k[k];
      const Pack<T> d = k == R::D - 1 ? dx : row.d[a % 2], other = sum - d * d;
      const auto time2 = [&](int steps) {
        const Pack<T> u = Pack<T>::load(at + steps * row.stride[k]);
        if constexpr (!R::Factored) return u;
        const Pack<T> e = d + Pack<T>(static_cast<T>(steps) * spacing);
        return mul_add(e, e, larger(other, Pack<T>(T(0)))) * u * u;
      };
      const Pack<T> left = time2(-1), right = time2(1), near_time = smaller(left, right);
      const Pack<T> near_value = smaller(Pack<T>::load(at - row.stride[k]), Pack<T>::load(at + row.stride[k]));
      const auto known = near_value < Pack<T>(T(eikonal_limit)), plus = right < left;
      const auto second = pick(plus, time2(2), time2(-2)) < near_time;
      bits = bits | PackBytes<T>::of(known & plus, 1u << (2 * a)) | PackBytes<T>::of(known & second, 2u << (2 * a));
    }
    return bits;
  }
};

template <class T>
struct StartRows {
  EikonalStart<T> f;
  void operator()(Index row) const {
    constexpr Index lanes = eikonal_lanes<T>;
    const Index columns = f.g.stride[1], first = row * columns, point = first % f.g.points;
    const PackMask<T> all = Pack<T>(T(0)) < Pack<T>(T(1));
    const auto open = PackBytes<T>::of(all, 0), closed = PackBytes<T>::of(all, eikonal_closed);
    for (Index i = 0; i < columns; ++i) {
      Pack<T>(T(eikonal_unknown)).store(f.u + (first + i) * lanes);
      (f.closed[point + i] != 0 ? closed : open).store(f.stencil + (first + i) * lanes);
    }
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
void eikonal_start(Stream& s, const EikonalStart<T>& f) {
  parallel_for_coarse(s, f.groups * (f.g.points / f.g.stride[1]), StartRows<T>{f});
}
TERRANE_INSTANTIATE(eikonal_start, EikonalStart)

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
