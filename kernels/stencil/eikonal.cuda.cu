// SPDX-License-Identifier: MIT
// GPU schedule of the eikonal equation: all nodes of all sources at once, from one array into another, until nothing
// changes any more. The result depends on neither the order of threads nor their number. Tangents and cotangents
// iterate the same way on stored weights, so that each node gathers what its neighbours pass on: no atomics.
#include <limits>

#include "kernels/pointwise/pointwise.hpp"
#include "kernels/runtime/error.hpp"
#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"
#include "kernels/stencil/eikonal.hpp"

namespace terrane::TERRANE_BACKEND {

// Device functions of this file; CUDA needs them outside anonymous namespaces of templates.
namespace eikonal_gpu {

constexpr Index iterations_a_check = 8;
constexpr Index damp_after = 4;     // times the nodes along the axes: steps are halved, for pairs that swap values
constexpr Index demote_after = 16;  // times the nodes along the axes: nodes that still change fall back to first order

template <class T>
TERRANE_HD T magnitude(T x) {
  return x < T(0) ? -x : x;
}

template <class T>
struct SolveValue {
  EikonalSolve<T> f;
  const T* from;
  T* to;
  T* flag;
  bool damps, demotes;
  TERRANE_HD void operator()(Index row, Index lane) const {
    const EikonalValue<T> v(f.s, row, lane);
    const unsigned stencil = f.s.stencil[v.i];
    const T old = from[v.i];
    T value = old;
    if ((stencil & (eikonal_fixed | eikonal_closed)) == 0) {
      unsigned sides = 0;
      T candidate;
      if (f.frozen) {
        candidate = f.s.g.axes == 2 ? v.template root<2>(f.s, from, stencil) : v.template root<3>(f.s, from, stencil);
        if (candidate < T(eikonal_limit)) value = damps ? old + T(0.5) * (candidate - old) : candidate;
      } else {
        candidate = f.s.g.axes == 2 ? v.template best<2>(f.s, from, &sides) : v.template best<3>(f.s, from, &sides);
        if (candidate < old) value = candidate;
      }
    }
    to[v.i] = value;
    if (!(magnitude(value - old) > old * f.tolerance)) return;
    *flag = T(1);
    if (demotes) f.s.stencil[v.i] = static_cast<std::uint8_t>(stencil & ~(2u + 8u + 32u));
  }
};

// weights (axes + 1, groups, points, lanes): of each axis, then of the slowness.
template <class T>
struct StoreWeights {
  EikonalSetup<T> s;
  const T* u;
  T* weights;
  template <int D>
  TERRANE_HD void store(const EikonalValue<T>& v, unsigned stencil) const {
    const Index values = s.groups * s.g.points * eikonal_lanes<T>;
    UpwindSide<T> side[D];
    v.sides(s, u, stencil, side);
    const auto w = upwind_weights(side, u[v.i], v.slowness, v.rho);
    for (int k = 0; k < D; ++k) weights[k * values + v.i] = w.axis[k];
    weights[D * values + v.i] = w.slowness;
  }
  TERRANE_HD void operator()(Index row, Index lane) const {
    const EikonalValue<T> v(s, row, lane);
    const unsigned stencil = s.stencil[v.i];
    if ((stencil & (eikonal_fixed | eikonal_closed)) != 0) return;
    if (s.g.axes == 2) {
      store<2>(v, stencil);
    } else {
      store<3>(v, stencil);
    }
  }
};

// A value that changes by less than this share of itself has settled.
template <class T>
inline constexpr T settled_rounding = 4 * std::numeric_limits<T>::epsilon();

template <class T>
struct TangentValue {
  EikonalTangent<T> f;
  const T* weights;
  const T* from;
  T* to;
  T* flag;
  T absolute;
  TERRANE_HD void operator()(Index row, Index lane) const {
    const EikonalGrid& g = f.s.g;
    const EikonalValue<T> v(f.s, row, lane);
    const unsigned stencil = f.s.stencil[v.i];
    const Index values = f.s.groups * g.points * eikonal_lanes<T>;
    T value = from[v.i];
    if ((stencil & (eikonal_fixed | eikonal_closed)) == 0) {
      value = weights[g.axes * values + v.i] * f.t_slowness[v.point];
      for (int k = 0; k < g.axes; ++k) {
        const int a = k + 3 - g.axes;
        const Index step = ((stencil >> (2 * a) & 1u) != 0 ? 1 : -1) * g.stride[a] * eikonal_lanes<T>;
        const bool second = (stencil >> (2 * a + 1) & 1u) != 0;
        const T t1 = from[v.i + step], t2 = from[v.i + 2 * step];
        value += weights[k * values + v.i] * (second ? t1 * T(upwind_first) + t2 * T(upwind_second) : t1);
      }
    }
    to[v.i] = value;
    if (magnitude(value - from[v.i]) > magnitude(value) * settled_rounding<T> + absolute) {
      *flag = T(1);
    }
  }
};

// Cotangents that arrive at a node in one iteration; all that arrived before has moved on, except at fixed nodes.
template <class T>
struct AdjointValue {
  EikonalAdjoint<T> f;
  const T* weights;
  const T* from;
  T* to;
  T* flag;
  T absolute;
  // What the neighbour i on axis k passes on if its upwind side is the wanted one (1: plus); far: two nodes away.
  TERRANE_HD T arriving(Index values, int k, Index i, unsigned side, bool far) const {
    const unsigned stencil = f.s.stencil[i], bits = stencil >> (2 * (k + 3 - f.s.g.axes));
    if ((stencil & (eikonal_fixed | eikonal_closed)) != 0 || (bits & 1u) != side) return T(0);
    const bool second = (bits & 2u) != 0;
    if (far && !second) return T(0);
    return (far ? T(upwind_second) : second ? T(upwind_first) : T(1)) * weights[k * values + i] * from[i];
  }
  TERRANE_HD void operator()(Index row, Index lane) const {
    const EikonalGrid& g = f.s.g;
    const EikonalValue<T> v(f.s, row, lane);
    const Index values = f.s.groups * g.points * eikonal_lanes<T>;
    const unsigned own = f.s.stencil[v.i];
    T sum = (own & eikonal_fixed) != 0 ? from[v.i] : T(0);
    for (int k = 0; k < g.axes; ++k) {
      const int a = k + 3 - g.axes;
      const Index step = g.stride[a] * eikonal_lanes<T>;
      sum += arriving(values, k, v.i - step, 1u, false) + arriving(values, k, v.i + step, 0u, false);
      sum += arriving(values, k, v.i - 2 * step, 1u, true) + arriving(values, k, v.i + 2 * step, 0u, true);
    }
    const bool open = (own & (eikonal_fixed | eikonal_closed)) == 0;
    if (open && magnitude(sum) <= absolute) sum = T(0);
    to[v.i] = sum;
    if (open) {
      f.gs[v.i] += sum * weights[g.axes * values + v.i];
      if (sum != T(0)) *flag = T(1);
    }
  }
};

// Share of the gradient of what the receivers injected.
template <class T>
struct FirstShare {
  EikonalAdjoint<T> f;
  const T* weights;
  TERRANE_HD void operator()(Index row, Index lane) const {
    const EikonalValue<T> v(f.s, row, lane);
    const Index values = f.s.groups * f.s.g.points * eikonal_lanes<T>;
    if ((f.s.stencil[v.i] & (eikonal_fixed | eikonal_closed)) != 0) return;
    f.gs[v.i] += f.rho[v.i] * weights[f.s.g.axes * values + v.i];
  }
};

// Largest magnitude of a block of 4096.
template <class T>
struct LargestPart {
  const T* x;
  Index n;
  T* part;
  TERRANE_HD void operator()(Index b) const {
    T most = T(0);
    for (Index i = b * 4096; i < n && i < (b + 1) * 4096; ++i) most = larger(most, magnitude(x[i]));
    part[b] = most;
  }
};

template <class T>
T read_value(Stream& s, const T* device) {
  T host{};
  const char* failure = s.table().copy(s.native(), device, &host, static_cast<Index>(sizeof(T)));
  if (failure != nullptr) throw Error(ErrorCode::device, std::string("eikonal: reading a flag: ") + failure);
  return host;
}

template <class T>
T largest(Stream& s, const T* x, Index n) {
  Index blocks = (n + 4095) / 4096;
  T* part = static_cast<T*>(s.scratch(2 * (blocks + 1) * static_cast<Index>(sizeof(T))));
  T* other = part + blocks + 1;
  parallel_for_coarse(s, blocks, LargestPart<T>{x, n, part});
  while (blocks > 1) {
    const Index next = (blocks + 4095) / 4096;
    parallel_for_coarse(s, next, LargestPart<T>{part, blocks, other});
    T* swap = part;
    part = other;
    other = swap;
    blocks = next;
  }
  return read_value(s, part);
}

// Iterates `step` (from, to, flag) between two arrays; the result ends in `first`. Returns the iterations or -1.
template <class T, class Step>
Index iterate(Stream& s, const EikonalSetup<T>& a, T* first, T* second, T* flag, Index most, const Step& step) {
  const Index values = a.groups * a.g.points * eikonal_lanes<T>;
  parallel_for(s, values, CopyValues<T>{first, second, values});
  for (Index n = 0; n < most; n += iterations_a_check) {
    for (Index k = 0; k < iterations_a_check; ++k) {
      if (k == iterations_a_check - 1) parallel_for(s, 1, Fill<T>{flag, T(0), 1});
      step(k % 2 == 0 ? first : second, k % 2 == 0 ? second : first, n);
    }
    if (read_value(s, flag) == T(0)) return n + iterations_a_check;
  }
  return -1;
}

template <class T>
struct SolveStep {
  Stream& s;
  EikonalSolve<T> f;
  T* flag;
  void operator()(T* from, T* to, Index n) const {
    const Index nodes = f.s.g.n[0] + f.s.g.n[1] + f.s.g.n[2];
    const bool damps = f.frozen && n > damp_after * nodes, demotes = f.frozen && n > demote_after * nodes;
    parallel_for_2d(s, f.s.groups * f.s.g.nodes(), eikonal_lanes<T>, SolveValue<T>{f, from, to, flag, damps, demotes});
  }
};
template <class T, class Value, class Args>
struct WeightedStep {
  Stream& s;
  Args f;
  const T* weights;
  T* flag;
  T absolute;
  // The limit grows with the iterations, so that rounding cannot keep a pair of nodes going.
  void operator()(T* from, T* to, Index n) const {
    const T limit = absolute * static_cast<T>(1 + n / (f.s.g.n[0] + f.s.g.n[1] + f.s.g.n[2]));
    parallel_for_2d(s, f.s.groups * f.s.g.nodes(), eikonal_lanes<T>, Value{f, weights, from, to, flag, limit});
  }
};

// Iterations that a path of the grid can need: many times its nodes along the axes.
template <class T>
Index most_iterations(const EikonalSetup<T>& a, Index max_sweeps) {
  return max_sweeps * (a.g.n[0] + a.g.n[1] + a.g.n[2]);
}

}  // namespace eikonal_gpu

template <class T>
void eikonal_start(Stream& s, const EikonalStart<T>& f) {
  parallel_for_2d(s, f.groups * f.g.points, eikonal_lanes<T>, f);
}
TERRANE_INSTANTIATE(eikonal_start, EikonalStart)

template <class T>
void eikonal_solve(Stream& s, const EikonalSolve<T>& f) {
  using namespace eikonal_gpu;
  const Index values = f.s.groups * f.s.g.points * eikonal_lanes<T>;
  T* flag = f.scratch + values;
  const Index n = iterate(s, f.s, f.u, f.scratch, flag, most_iterations(f.s, f.max_sweeps), SolveStep<T>{s, f, flag});
  parallel_for(s, f.s.groups, Fill<T>{f.sweeps, static_cast<T>(n), f.s.groups});
}
TERRANE_INSTANTIATE(eikonal_solve, EikonalSolve)

template <class T>
void eikonal_select(Stream& s, const EikonalSelect<T>& f) {
  parallel_for_2d(s, f.s.groups * f.s.g.nodes(), eikonal_lanes<T>, f);
}
TERRANE_INSTANTIATE(eikonal_select, EikonalSelect)

template <class T>
void eikonal_tangent(Stream& s, const EikonalTangent<T>& f) {
  using namespace eikonal_gpu;
  const Index values = f.s.groups * f.s.g.points * eikonal_lanes<T>;
  T* weights = f.scratch + values;
  T* flag = weights + (f.s.g.axes + 1) * values;
  parallel_for_2d(s, f.s.groups * f.s.g.nodes(), eikonal_lanes<T>, StoreWeights<T>{f.s, f.u, weights});
  const T absolute = largest(s, f.t_u, values) * std::numeric_limits<T>::epsilon();
  const Index n = iterate(s, f.s, f.t_u, f.scratch, flag, most_iterations(f.s, f.max_sweeps),
                          WeightedStep<T, TangentValue<T>, EikonalTangent<T>>{s, f, weights, flag, absolute});
  parallel_for(s, f.s.groups, Fill<T>{f.sweeps, static_cast<T>(n), f.s.groups});
}
TERRANE_INSTANTIATE(eikonal_tangent, EikonalTangent)

template <class T>
void eikonal_adjoint(Stream& s, const EikonalAdjoint<T>& f) {
  using namespace eikonal_gpu;
  const Index values = f.s.groups * f.s.g.points * eikonal_lanes<T>;
  T* weights = f.scratch + values;
  T* flag = weights + (f.s.g.axes + 1) * values;
  parallel_for_2d(s, f.s.groups * f.s.g.nodes(), eikonal_lanes<T>, StoreWeights<T>{f.s, f.u, weights});
  parallel_for_2d(s, f.s.groups * f.s.g.nodes(), eikonal_lanes<T>, FirstShare<T>{f, weights});
  const T absolute = largest(s, f.rho, values) * std::numeric_limits<T>::epsilon() * T(1e-3);
  const Index n = iterate(s, f.s, f.rho, f.scratch, flag, most_iterations(f.s, f.max_sweeps),
                          WeightedStep<T, AdjointValue<T>, EikonalAdjoint<T>>{s, f, weights, flag, absolute});
  parallel_for(s, f.s.groups, Fill<T>{f.sweeps, static_cast<T>(n), f.s.groups});
}
TERRANE_INSTANTIATE(eikonal_adjoint, EikonalAdjoint)

}  // namespace terrane::TERRANE_BACKEND
