// SPDX-License-Identifier: MIT
// From the raw output F of a field (dimensionless) to a property m (its SI unit), with dm/dF and dm/dm0.
//
//   identity         m = F
//   perturb          m = m0 + s F
//   affine           m = c + s F
//   exp              m = m0 exp(s F)
//   bounded          m = lo + (hi - lo) sigmoid(s F)
//   bounded_perturb  m = lo + (hi - lo) sigmoid(logit(u0) + s F), u0 = (m0 - lo) / (hi - lo) clamped to [e, 1 - e],
//                    e = 1e-3: starts at m0 and keeps the bounds
//   log_bounded      m = exp(log lo + (log hi - log lo) sigmoid(F))
//   scaled_sigmoid   m = s sigmoid(F)
//   scaled_tanh      m = s tanh(F)
//
// With a mask: m = mask m0 + (1 - mask) map(F); the derivative vanishes where mask = 1. m is clamped to [lo, hi] after
// rounding for the bounded maps, which changes it by at most one ulp.
#pragma once

#include "kernels/runtime/math.hpp"

namespace terrane {

enum class MapKind : int {
  identity,
  perturb,
  affine,
  exponential,
  bounded,
  bounded_perturb,
  log_bounded,
  scaled_sigmoid,
  scaled_tanh,
};

struct OutputMap {
  MapKind kind = MapKind::identity;
  double scale = 1;       // s
  double center = 0;      // c of affine
  double lo = 0, hi = 1;  // bounds; positive for log_bounded
  bool masked = false;
};

template <class T>
TERRANE_HD T clamp_to(T x, T lo, T hi) {
  return x < lo ? lo : (x > hi ? hi : x);
}

// m, dm/dF and dm/dm0 at one point; the mask is not applied.
template <class T>
TERRANE_HD void output_map_value(const OutputMap& map, T f, T m0, T& m, T& d_f, T& d_m0) {
  const T s = static_cast<T>(map.scale), lo = static_cast<T>(map.lo), hi = static_cast<T>(map.hi);
  d_m0 = T(0);
  switch (map.kind) {
    case MapKind::perturb:
      m = m0 + s * f;
      d_f = s;
      d_m0 = T(1);
      return;
    case MapKind::affine:
      m = static_cast<T>(map.center) + s * f;
      d_f = s;
      return;
    case MapKind::exponential: {
      const T e = exponential(s * f);
      m = m0 * e;
      d_f = s * m;
      d_m0 = e;
      return;
    }
    case MapKind::bounded:
    case MapKind::bounded_perturb: {
      T z = s * f;
      if (map.kind == MapKind::bounded_perturb) {
        const T e = T(1e-3), raw = (m0 - lo) / (hi - lo), u0 = clamp_to(raw, e, T(1) - e);
        z += logit(u0);
        d_m0 = raw > e && raw < T(1) - e ? T(1) / (u0 * (T(1) - u0)) : T(0);
      }
      const T u = sigmoid(z), du = u * sigmoid(-z);
      m = clamp_to(lo + (hi - lo) * u, lo, hi);
      d_f = (hi - lo) * du * s;
      d_m0 = du * d_m0;
      return;
    }
    case MapKind::log_bounded: {
      const T a = natural_log(lo), b = natural_log(hi), u = sigmoid(f);
      m = clamp_to(exponential(a + (b - a) * u), lo, hi);
      d_f = m * (b - a) * u * sigmoid(-f);
      return;
    }
    case MapKind::scaled_sigmoid: {
      const T u = sigmoid(f);
      m = s * u;
      d_f = s * u * sigmoid(-f);
      return;
    }
    case MapKind::scaled_tanh: {
      const T u = hyperbolic_tangent(f);
      m = s * u;
      d_f = s * (T(1) - u) * (T(1) + u);
      return;
    }
    case MapKind::identity:
      break;
  }
  m = f;
  d_f = T(1);
}

template <class T>
struct OutputMapForward {
  OutputMap map;
  Index n;
  const T* f;     // (n)
  const T* m0;    // (n)
  const T* mask;  // (n), read when map.masked
  T* m;           // (n)
  TERRANE_HD void operator()(Index i) const {
    T value, d_f, d_m0;
    output_map_value(map, f[i], m0[i], value, d_f, d_m0);
    m[i] = map.masked ? mask[i] * m0[i] + (T(1) - mask[i]) * value : value;
  }
};

// out = (out +) (dm/dF) in, or with `start` (dm/dm0) in: the vjp (accumulating) and the jvp of the map, which is
// diagonal.
template <class T>
struct OutputMapChain {
  OutputMap map;
  Index n;
  const T* f;
  const T* m0;
  const T* mask;
  const T* in;  // (n); null: all ones
  T* out;       // (n)
  bool start;
  bool accumulate;
  TERRANE_HD void operator()(Index i) const {
    T value, d_f, d_m0;
    output_map_value(map, f[i], m0[i], value, d_f, d_m0);
    T d = start ? d_m0 : d_f;
    if (map.masked) d = (start ? mask[i] : T(0)) + (T(1) - mask[i]) * d;
    if (in != nullptr) d *= in[i];
    out[i] = accumulate ? out[i] + d : d;
  }
};

}  // namespace terrane
