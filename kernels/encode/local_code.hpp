// SPDX-License-Identifier: MIT
// Codes that lie on a grid: cells^d nodes with C channels for each of B models, d = 2 or 3. Point x in [-1, 1]^d of
// model b sees
//
//   c(x) = sum_k w_k(x) z[b, :, k],   u_a = (x_a + 1) cells / 2 - 1/2 in [0, cells - 1] (outside: the nearest),
//
// w the (bi- or tri-)linear weights of the nodes, which lie in the middle of the cells; nodes (z, x) or (z, y, x), last
// fastest.
//
//   local_code_forward   out[b n + p, :] = (x, c(x))
//   local_code_vjp_code  d_z += their adjoint; every (model, channel) adds its points in their order
//   local_code_vjp_point d_x += d_out[:d] + d_out[d:] dc/dx
//   local_code_jvp       t_out = (t_x, c of t_z + dc/dx t_x); a null tangent counts as zero
//
// z (B, C, cells^d), x (B n, d), out (B n, d + C); dimensionless.
#pragma once

#include "kernels/runtime/math.hpp"

namespace terrane {

struct LocalCodeShape {
  Index models = 1, n = 0, dims = 2, cells = 1, channels = 1;
  TERRANE_HD Index nodes() const { return dims == 3 ? cells * cells * cells : cells * cells; }
  TERRANE_HD Index rows() const { return models * n; }
  TERRANE_HD Index columns() const { return dims + channels; }
};

// The nodes around a point.
template <class T>
struct LocalCodePlace {
  Index node[3];
  T share[3], slope[3];  // of the later node along each axis, and its derivative by x
  int dims;
  TERRANE_HD LocalCodePlace(const LocalCodeShape& s, const T* x) : dims(static_cast<int>(s.dims)) {
    const T half = T(0.5) * static_cast<T>(s.cells), last = static_cast<T>(s.cells - 1);
    for (int a = 0; a < dims; ++a) {
      const T u = (x[a] + T(1)) * half - T(0.5);
      const bool inside = u > T(0) && u < last;
      const Index k = inside ? static_cast<Index>(u) : u >= last && s.cells > 1 ? s.cells - 2 : 0;
      node[a] = k;
      share[a] = inside ? u - static_cast<T>(k) : u >= last && s.cells > 1 ? T(1) : T(0);
      slope[a] = inside ? half : T(0);
    }
  }
  // f(node, weight, weights of the other axes by axis) for the nodes around. A share of zero may name a node behind the
  // last one: f is not called for it.
  template <class F>
  TERRANE_HD void each(const LocalCodeShape& s, const F& f) const {
    for (int corner = 0; corner < 1 << dims; ++corner) {
      Index at = 0;
      T weight = T(1), by[3] = {T(1), T(1), T(1)};
      bool there = true;
      for (int a = 0; a < dims; ++a) {
        const bool later = ((corner >> a) & 1) != 0;
        there = there && (!later || node[a] + 1 < s.cells);
        at = at * s.cells + node[a] + (later ? 1 : 0);
        const T own = later ? share[a] : T(1) - share[a], change = later ? slope[a] : -slope[a];
        for (int other = 0; other < dims; ++other) by[other] *= other == a ? change : own;
        weight *= own;
      }
      if (there) f(at, weight, by);
    }
  }
};

template <class T>
struct LocalCodeForward {
  LocalCodeShape shape;
  const T *z, *x;
  T* out;
};

template <class T>
struct LocalCodeVjpCode {
  LocalCodeShape shape;
  const T *x, *d_out;
  T* d_z;
};

template <class T>
struct LocalCodeVjpPoint {
  LocalCodeShape shape;
  const T *z, *x, *d_out;
  T* d_x;
};

template <class T>
struct LocalCodeJvp {
  LocalCodeShape shape;
  const T *z, *x, *t_z, *t_x;
  T* t_out;
};

}  // namespace terrane
