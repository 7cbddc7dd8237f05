// SPDX-License-Identifier: MIT
// Style: a substitute for maps that were made from natural images. With a a Gaussian field (squared exponential of
// length l, unit variance), q one of length 1.2 and t a level:
//   f = 0.55 tanh(3 (|a| - t)) + 0.35 sign(a) sqrt|a| + 0.12 q          outlines of level sets, shading, detail
//   B:  v = v0 + (v1 - v0) z / 70 + 420 f (0.5 + 0.7 z / 70)             A:  the same with f blurred by a Gaussian of
// 2 cells, which leaves nothing of q, and multiplied by a gain; both limited to [1500, 4500] m/s. The fields are sums
// of plane waves, so every resolution sees the same functions: sqrt(2 / M) sum_m cos(k_m . x + phi_m), k_m ~ N(0, 1 /
// l^2).
#pragma once

#include "kernels/geology/scene.hpp"
#include "kernels/runtime/math.hpp"

namespace terrane {

// f(begin), f(begin + step), ... below end. A GPU keeps the loop: unrolled, the waves of a row would want more
// registers than a thread has.
template <class F>
TERRANE_HD void rolled(int begin, int end, int step, const F& f) {
#if defined(__CUDA_ARCH__)
#pragma unroll 1
#endif
  for (int k = begin; k < end; k += step) f(k);
}

// The first n waves of one row (depth z), advanced from column to column by rotation: all lanes move at once.
template <int n>
struct StyleRow {
  static constexpr int lanes = 16;
  double c[n], s[n], turn_c[n], turn_s[n];

  TERRANE_HD StyleRow(const GeologyScene& scene, double x, double z, double step) {
    rolled(0, n, 1,
           [&](int k) { sine_cosine(scene.wave[0][k] * x + scene.wave[1][k] * z + scene.wave[2][k], s[k], c[k]); });
    rolled(0, n, 1, [&](int k) { sine_cosine(scene.wave[0][k] * step, turn_s[k], turn_c[k]); });
  }
  TERRANE_HD void advance() {
    rolled(0, n, 1, [&](int k) {
      const double next = c[k] * turn_c[k] - s[k] * turn_s[k];
      s[k] = s[k] * turn_c[k] + c[k] * turn_s[k];
      c[k] = next;
    });
  }
  TERRANE_HD double sum(int begin, int end) const {
    double part[lanes];
    for (int l = 0; l < lanes; ++l) part[l] = c[begin + l];
    rolled(begin + lanes, end, lanes, [&](int k) {
      for (int l = 0; l < lanes; ++l) part[l] += c[k + l];
    });
    for (int width = lanes / 2; width > 0; width /= 2) {
      for (int l = 0; l < width; ++l) part[l] += part[l + width];
    }
    return part[0];
  }
  TERRANE_HD double field() const { return sum(0, style_waves) * 0.17677669529663687; }  // sqrt(2 / 64)
  TERRANE_HD double detail() const { return sum(style_waves, n) * 0.25; }                // sqrt(2 / 32)
};

TERRANE_HD double style_outline(double a, double q, double level) {
  const double size = a < 0 ? -a : a, root = square_root(size);
  return 0.55 * hyperbolic_tangent(3 * (size - level)) + 0.35 * (a < 0 ? -root : root) + 0.12 * q;
}

TERRANE_HD double style_value(const GeologyScene& s, double f, double z) {
  const double share = z / geology_extent;
  const double v = s.trend_top + (s.trend_bottom - s.trend_top) * share + s.gain * 420 * f * (0.5 + 0.7 * share);
  return v < 1500 ? 1500 : (v > 4500 ? 4500 : v);
}

// Point (r, c) of the lattice of a Style-A scene lies at (r - margin + 1/2, c - margin + 1/2).
inline constexpr int style_taps = 2 * style_margin;

// Normalised weights of a Gaussian of 2 cells at a position, for the lattice points first .. first + taps - 1.
struct StyleTaps {
  int first = 0;
  double t = -1;
  double weight[style_taps] = {};

  TERRANE_HD void move(double at) {
    const double place = at + (style_margin - 0.5);  // in lattice steps
    int below = static_cast<int>(place);
    below = below < style_margin - 1 ? style_margin - 1 : below;
    below = below > style_lattice - style_margin - 1 ? style_lattice - style_margin - 1 : below;
    first = below - (style_margin - 1);
    if (place - below == t) return;  // the same weights, one point further
    t = place - below;
    find();
  }
  TERRANE_HD void find() {
    // exp(-(t - i)^2 / 8) without its common factor: exp(t / 4)^i exp(-i^2 / 8), i = -(margin - 1) .. margin.
    const double fall[style_margin + 1] = {1.0,
                                           0.88249690258459546,
                                           0.60653065971263342,
                                           0.32465246735834974,
                                           0.1353352832366127,
                                           0.043936933623407420,
                                           0.011108996538242306,
                                           0.0021874911181828981};
    const double up = exponential(0.25 * t), down = 1 / up;
    double total = 1, rise = 1, sink = 1;
    weight[style_margin - 1] = 1;
    for (int i = 1; i <= style_margin; ++i) {
      rise *= up;
      sink *= down;
      weight[style_margin - 1 + i] = fall[i] * rise;
      total += fall[i] * rise;
      if (i == style_margin) break;
      weight[style_margin - 1 - i] = fall[i] * sink;
      total += fall[i] * sink;
    }
    for (double& w : weight) w /= total;
  }
};

}  // namespace terrane
