// SPDX-License-Identifier: MIT
// Point math of the data misfits. p: predicted, d: observed, w: weight, all (n) flat; r = scale w (p - d).
//   l2     rho = r^2 / 2
//   l1     rho = sqrt(r^2 + delta^2) - delta   (smoothed; delta > 0 keeps the gradient defined at 0)
//   huber  rho = r^2 / 2 for |r| <= delta, delta |r| - delta^2 / 2 beyond
// Traces: global correlation of traces (rows) of nt samples, Choi and Alkhalifah (2012):
//   c = -<p, d> / (|p| |d|),  dc/dp = -(d/|d| + c p/|p|) / |p|      (a trace with |p| or |d| below `tiny` counts 0)
#pragma once

#include "kernels/runtime/hd.hpp"
#include "kernels/runtime/math.hpp"

namespace terrane {

enum class MisfitKind : int { l2, l1, huber };

// rho, rho' and rho'' with respect to r.
template <class T>
TERRANE_HD void misfit_value(MisfitKind kind, T delta, T r, T* rho, T* d1, T* d2) {
  if (kind == MisfitKind::l2) {
    *rho = T(0.5) * r * r;
    *d1 = r;
    *d2 = T(1);
  } else if (kind == MisfitKind::l1) {
    const T root = square_root(r * r + delta * delta);
    *rho = root - delta;
    *d1 = root > 0 ? r / root : T(0);
    *d2 = root > 0 ? delta * delta / (root * root * root) : T(0);
  } else {
    const T a = r < 0 ? -r : r;
    const bool inside = a <= delta;
    *rho = inside ? T(0.5) * r * r : delta * a - T(0.5) * delta * delta;
    *d1 = inside ? r : (r < 0 ? -delta : delta);
    *d2 = inside ? T(1) : T(0);
  }
}

// out[0] = sum_i rho(scale w_i (p_i - d_i)); weight null: 1
template <class T>
struct MisfitSum {
  MisfitKind kind;
  T delta;
  const T* predicted;
  const T* observed;
  const T* weight;
  T scale;
  T* out;
  Index n;
  TERRANE_HD double operator()(Index i) const {
    T rho = T(0), d1 = T(0), d2 = T(0);
    const T w = weight != nullptr ? scale * weight[i] : scale;
    misfit_value(kind, delta, w * (predicted[i] - observed[i]), &rho, &d1, &d2);
    return static_cast<double>(rho);
  }
};

// out_i += d_phi[0] w_i rho'(r_i): the adjoint source
template <class T>
struct MisfitGradient {
  MisfitKind kind;
  T delta;
  const T* predicted;
  const T* observed;
  const T* weight;
  T scale;
  const T* d_phi;
  T* out;
  Index n;
  TERRANE_HD void operator()(Index i) const {
    T rho = T(0), d1 = T(0), d2 = T(0);
    const T w = weight != nullptr ? scale * weight[i] : scale;
    misfit_value(kind, delta, w * (predicted[i] - observed[i]), &rho, &d1, &d2);
    out[i] += d_phi[0] * w * d1;
  }
};

// out[0] = sum_i w_i rho'(r_i) t_i: the tangent
template <class T>
struct MisfitTangent {
  MisfitKind kind;
  T delta;
  const T* predicted;
  const T* observed;
  const T* weight;
  T scale;
  const T* t;
  T* out;
  Index n;
  TERRANE_HD double operator()(Index i) const {
    T rho = T(0), d1 = T(0), d2 = T(0);
    const T w = weight != nullptr ? scale * weight[i] : scale;
    misfit_value(kind, delta, w * (predicted[i] - observed[i]), &rho, &d1, &d2);
    return static_cast<double>(w * d1) * static_cast<double>(t[i]);
  }
};

// Per trace (row) sums in double, 16 lanes: products[row] = {<p,p>, <p,d>, <d,d>, <p,t>, <d,t>}; t null: the last are 0
template <class T>
struct TraceProducts {
  const T* predicted;  // (traces, nt)
  const T* observed;
  const T* t;
  T* products;  // (traces, 5)
  Index traces, nt;
  TERRANE_HD void operator()(Index row) const {
    double lanes[5][16] = {};
    const T *p = predicted + row * nt, *d = observed + row * nt;
    const T* v = t != nullptr ? t + row * nt : nullptr;
    for (Index i = 0; i < nt; ++i) {
      const int l = static_cast<int>(i % 16);
      const double pi = static_cast<double>(p[i]), di = static_cast<double>(d[i]);
      const double ti = v != nullptr ? static_cast<double>(v[i]) : 0.0;
      lanes[0][l] += pi * pi;
      lanes[1][l] += pi * di;
      lanes[2][l] += di * di;
      lanes[3][l] += pi * ti;
      lanes[4][l] += di * ti;
    }
    for (int k = 0; k < 5; ++k) {
      for (int width = 8; width > 0; width /= 2) {
        for (int l = 0; l < width; ++l) lanes[k][l] += lanes[k][l + width];
      }
      products[row * 5 + k] = static_cast<T>(lanes[k][0]);
    }
  }
};

// out[0] = sum over traces of 1 - <p,d>/(|p||d|), or with `tangent` of its tangent; 0 for an empty trace
template <class T>
struct CorrelationSum {
  const T* products;
  T* out;
  Index traces;
  bool tangent;
  T tiny;
  TERRANE_HD double operator()(Index row) const {
    const T* q = products + row * 5;
    const double pp = static_cast<double>(q[0]), dd = static_cast<double>(q[2]);
    const double scale = square_root(pp) * square_root(dd);
    if (!(scale > static_cast<double>(tiny))) return 0.0;
    const double c = static_cast<double>(q[1]) / scale;
    if (!tangent) return 1.0 - c;
    return -(static_cast<double>(q[4]) / scale - c * static_cast<double>(q[3]) / pp);
  }
};

// out += d_phi[0] d(1 - c)/dp
template <class T>
struct CorrelationGradient {
  const T* predicted;
  const T* observed;
  const T* products;
  const T* d_phi;
  T* out;
  Index traces, nt;
  T tiny;
  TERRANE_HD void operator()(Index row, Index i) const {
    const T* q = products + row * 5;
    const T scale = square_root(q[0]) * square_root(q[2]);
    if (!(scale > tiny)) return;
    const T c = q[1] / scale;
    const Index k = row * nt + i;
    out[k] -= d_phi[0] * (observed[k] / scale - c * predicted[k] / q[0]);
  }
};

}  // namespace terrane
