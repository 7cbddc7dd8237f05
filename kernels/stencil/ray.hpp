// SPDX-License-Identifier: MIT
// Straight rays through a grid of cells: t = A s without a matrix, s (nz, ny, nx) per metre along the ray, t (rays).
//
//   length    A[ray, cell] = length of the ray inside the cell, metres, exact. A cell is the box of one spacing around
//             its node. A ray that runs in the face between two cells gives half of its length to each.
//   gaussian  2-D. A[ray, (z, x)] = exp(-((z - p) / (w dz))² / 2) where that is at least `cutoff`, else 0, for the
//             columns x between source and receiver; p is the depth of the ray at x. Not a path length: no unit.
//
// Both are given by what a ray does in one row of cells (fixed z and y), so that apply (a task a ray), adjoint (a task
// a row, rays in order) and the sparse matrix come from one function. Geometry is computed in double for every scalar.
#pragma once

#include <cmath>

#include "kernels/runtime/hd.hpp"

namespace terrane {

enum class RayKernel : int { length, gaussian };

struct RayGrid {
  Index n[3] = {1, 1, 1};        // z, y, x
  double h[3] = {1, 1, 1};       // metres
  double corner[3] = {0, 0, 0};  // lower corner of cell (0, 0, 0), metres
  RayKernel kernel = RayKernel::length;
  double width = 1, cutoff = 0.1;  // gaussian: w in cells
};

inline constexpr double ray_face = 1e-9;  // a coordinate closer to a face than this many cells lies on it

struct RaySpan {
  Index begin = 0, end = 0;
};

// Part [t0, t1] of the unit ray parameter and weight that fall into layer `cell` of an axis, positions a + t d in
// cells.
TERRANE_HD bool ray_layer(double a, double d, Index cell, Index n, double& t0, double& t1, double& weight) {
  const double lo = static_cast<double>(cell), hi = lo + 1;
  if (d < ray_face && d > -ray_face) {  // parallel to the faces
    const double nearest = ::floor(a + 0.5);
    const double off = a - nearest;
    if (off < ray_face && off > -ray_face) {
      const bool below = nearest == lo, above = nearest == hi;
      if (!below && !above) return false;
      const bool edge = nearest < 0.5 || nearest > static_cast<double>(n) - 0.5;
      weight *= edge ? 1.0 : 0.5;
      return true;
    }
    return a > lo && a < hi;
  }
  double u0 = (lo - a) / d, u1 = (hi - a) / d;
  if (u0 > u1) {
    const double swap = u0;
    u0 = u1;
    u1 = swap;
  }
  t0 = u0 > t0 ? u0 : t0;
  t1 = u1 < t1 ? u1 : t1;
  return t1 > t0;
}

// Calls f(x, weight) for the cells of row (z, y) that the ray from a to b (z, y, x in metres) meets.
template <class F>
TERRANE_HD void ray_row_length(const RayGrid& g, const double* ray, Index z, Index y, const F& f) {
  double a[3], d[3], length = 0;
  for (int k = 0; k < 3; ++k) {
    a[k] = (ray[k] - g.corner[k]) / g.h[k];
    d[k] = (ray[3 + k] - ray[k]) / g.h[k];
    length += (ray[3 + k] - ray[k]) * (ray[3 + k] - ray[k]);
  }
  length = ::sqrt(length);
  double t0 = 0, t1 = 1, weight = length;
  if (!(length > 0)) return;
  if (g.n[0] > 1 && !ray_layer(a[0], d[0], z, g.n[0], t0, t1, weight)) return;
  if (g.n[1] > 1 && !ray_layer(a[1], d[1], y, g.n[1], t0, t1, weight)) return;
  const double x0 = a[2] + t0 * d[2], x1 = a[2] + t1 * d[2];
  const double lo = x0 < x1 ? x0 : x1, hi = x0 < x1 ? x1 : x0;
  Index begin = static_cast<Index>(::floor(lo - ray_face)), end = static_cast<Index>(::floor(hi + ray_face)) + 1;
  begin = begin < 0 ? 0 : begin;
  end = end > g.n[2] ? g.n[2] : end;
  for (Index x = begin; x < end; ++x) {
    double u0 = t0, u1 = t1, w = weight;
    if (!ray_layer(a[2], d[2], x, g.n[2], u0, u1, w)) continue;
    f(x, w * (u1 - u0));
  }
}

template <class F>
TERRANE_HD void ray_row_gaussian(const RayGrid& g, const double* ray, Index z, const F& f) {
  const double xa = (ray[2] - g.corner[2]) / g.h[2] - 0.5, xb = (ray[5] - g.corner[2]) / g.h[2] - 0.5;  // in nodes
  const double za = (ray[0] - g.corner[0]) / g.h[0] - 0.5, zb = (ray[3] - g.corner[0]) / g.h[0] - 0.5;
  const double lo = xa < xb ? xa : xb, hi = xa < xb ? xb : xa, slope = (zb - za) / (xb - xa);
  Index begin = static_cast<Index>(::ceil(lo - ray_face)), end = static_cast<Index>(::floor(hi + ray_face)) + 1;
  begin = begin < 0 ? 0 : begin;
  end = end > g.n[2] ? g.n[2] : end;
  for (Index x = begin; x < end; ++x) {
    const double e = (static_cast<double>(z) - (za + slope * (static_cast<double>(x) - xa))) / g.width;
    if (e * e > 100) continue;
    const double w = ::exp(-0.5 * e * e);
    if (w >= g.cutoff) f(x, w);
  }
}

template <class F>
TERRANE_HD void ray_row(const RayGrid& g, const double* ray, Index z, Index y, const F& f) {
  if (g.kernel == RayKernel::length) {
    ray_row_length(g, ray, z, y, f);
  } else {
    ray_row_gaussian(g, ray, z, f);
  }
}

// Rows that a ray can meet on an axis (z or y).
TERRANE_HD RaySpan ray_rows(const RayGrid& g, const double* ray, int axis) {
  const double a = (ray[axis] - g.corner[axis]) / g.h[axis], b = (ray[3 + axis] - g.corner[axis]) / g.h[axis];
  const double reach = g.kernel == RayKernel::length ? ray_face : 15 * g.width + 1;
  RaySpan r{static_cast<Index>(::floor((a < b ? a : b) - reach)),
            static_cast<Index>(::floor((a < b ? b : a) + reach)) + 1};
  if (g.n[axis] == 1) return {0, 1};
  r.begin = r.begin < 0 ? 0 : r.begin;
  r.end = r.end > g.n[axis] ? g.n[axis] : r.end;
  return r;
}

template <class T>
struct RaySum {
  const T* s;  // row of cells
  T* sum;
  TERRANE_HD void operator()(Index x, double weight) const { *sum += static_cast<T>(weight) * s[x]; }
};
template <class T>
struct RaySpread {
  T* d_s;  // row of cells
  T value;
  TERRANE_HD void operator()(Index x, double weight) const { d_s[x] += static_cast<T>(weight) * value; }
};

// t = A s, a task a ray.
template <class T>
struct RayApply {
  RayGrid g;
  Index rays;
  const double* ray;  // (rays, 6): source z, y, x; receiver z, y, x
  const T* s;
  T* t;
  TERRANE_HD void operator()(Index i) const {
    T sum = T(0);
    const double* r = ray + 6 * i;
    const RaySpan zs = ray_rows(g, r, 0), ys = ray_rows(g, r, 1);
    for (Index z = zs.begin; z < zs.end; ++z) {
      for (Index y = ys.begin; y < ys.end; ++y) ray_row(g, r, z, y, RaySum<T>{s + (z * g.n[1] + y) * g.n[2], &sum});
    }
    t[i] = sum;
  }
};

// d_s += A^T d_t, a task a row of cells.
template <class T>
struct RayAdjoint {
  RayGrid g;
  Index rays;
  const double* ray;
  const T* d_t;
  T* d_s;
  TERRANE_HD void operator()(Index row) const {
    const Index z = row / g.n[1], y = row % g.n[1];
    for (Index i = 0; i < rays; ++i) {
      const double* r = ray + 6 * i;
      const RaySpan zs = ray_rows(g, r, 0), ys = ray_rows(g, r, 1);
      if (z < zs.begin || z >= zs.end || y < ys.begin || y >= ys.end) continue;
      ray_row(g, r, z, y, RaySpread<T>{d_s + row * g.n[2], d_t[i]});
    }
  }
};

}  // namespace terrane
