// SPDX-License-Identifier: MIT
// Time steps of the 2-D acoustic wave equation with the absorbing sponge of the OpenFWI data (Deng et al. 2022,
// OpenFWI): order 2 in time and 4 in space, damping k in a layer of nbc cells, the padded grid periodic.
//
//   p^{n+1} = (2 - k) p^n - (1 - k) p^{n-1} + a D p^n + a h² sum_src w^n,   a = (v dt / h)²,   d^n = p^{n+1}[receivers]
//   D p = 4/3 S1 - 1/12 S2 - 5 p,   S1, S2: sums over the four neighbours at distance 1 and 2
//   tangent   the same for dp, plus a m (D p^n + h² sum_src w^n) - dk (p^n - p^{n-1}) + a h² dw,   m = 2 dv / v
//   adjoint   with q = a lambda (lambda the multiplier of the update) it is the forward scheme, D being symmetric:
//             q^{n+1} = (2 - k) q^{n+2} - (1 - k) q^{n+3} + a D q^{n+2} + a R^T d_bar^n
//             w_bar^n = h² q^{n+1}[sources],  image += q^{n+1} (D p^n + h² sum_src w^n),  v_bar = 2 image / v
//             k_image -= q^{n+1} (p^n - p^{n-1}) / a
// Layout. Cell (z, x) of a field lies at origin + z stride + x, with two cells around that repeat the other side.
// Coefficients and images are (cells) with rows of `pitch`, no cells around.
#pragma once

#include "kernels/stencil/fd.hpp"

namespace terrane {

inline constexpr Index sponge_halo = 2;

struct SpongeLayout {
  Index nz = 0, nx = 0;        // cells with the layers
  Index pitch = 0, cells = 0;  // of coefficients
  Index stride = 0, origin = 0, field = 0;

  static SpongeLayout of(Index nz, Index nx) {
    SpongeLayout g;
    g.nz = nz;
    g.nx = nx;
    g.pitch = (nx + 15) / 16 * 16;
    g.cells = nz * g.pitch;
    g.stride = g.pitch + 32;
    g.origin = sponge_halo * g.stride + 16;
    g.field = (nz + 2 * sponge_halo) * g.stride;
    return g;
  }
  TERRANE_HD Index at(Index z, Index x) const { return origin + z * stride + x; }
};

// Sources and receivers lie on cells; every shot has the same number of each.
struct SpongePoints {
  Index per_shot = 0;
  const Index* z = nullptr;  // (shots, per_shot), rows and columns of the padded grid
  const Index* x = nullptr;
};

template <class T>
struct SpongeSetup {
  SpongeLayout g;
  const T* a = nullptr;  // (models, cells)
  const T* k = nullptr;  // (models, cells)
  T area = 0;            // h²
  Index shots = 0;       // fields in flight
  Index shots_per_model = 1;
  Index first_shot = 0;  // of the point lists, for the first field
  Index survey_shots = 1;
  Index nt = 0;
  SpongePoints sources, receivers;
  T* p[2] = {};  // (shots, field): p^n and p^{n-1}

  TERRANE_HD Index model_of(Index shot) const { return shot / shots_per_model; }
  TERRANE_HD Index survey_shot(Index shot) const { return (first_shot + shot) % survey_shots; }
};

// All samples of every shot; sample n is read after step n.
template <class T>
struct SpongeForward {
  SpongeSetup<T> setup;
  const T* wavelet = nullptr;  // (nt), shared by all sources; null: none
  T* data = nullptr;           // (shots, receivers, nt)
  bool zero_last = true;       // the last sample is zero, as in the published data
  T* history = nullptr;        // (nt + 1, field) of p^{-1}, p^0, ..., p^{nt-1}; one shot only
  // Tangent runs: m, dk (cells) and the history of the background, one shot only.
  const T* tangent = nullptr;
  const T* tangent_k = nullptr;
  const T* background_wavelet = nullptr;
  const T* background = nullptr;
};

// One shot, backwards.
template <class T>
struct SpongeAdjoint {
  SpongeSetup<T> setup;
  const T* wavelet = nullptr;
  const T* d_data = nullptr;  // (receivers, nt)
  bool zero_last = true;
  const T* history = nullptr;
  T* image = nullptr;      // (cells), accumulated
  T* k_image = nullptr;    // (cells), accumulated
  T* d_wavelet = nullptr;  // (nt), accumulated
};

// k over (rows, pitch) for every model, and what its derivative needs:
//   k = dt 3 ln(1e7) vmin / (2 b) (i h / b)²,  b = (nbc - 1) h,  i = 0 at the inner edge of the layer;  vmin: the
//   model's
// Side strips go over all rows, top and bottom strips over the inner columns.
template <class T>
struct SpongeDamping {
  Index models, model_cells;
  const T* vp;  // (models, model_cells)
  SpongeLayout g;
  Index width;    // nbc
  double dt, h;   // s, m
  T* k;           // (models, cells)
  Index* lowest;  // (models): place of vmin
  T* vmin;        // (models)

  TERRANE_HD void find(Index model) const {
    const T* v = vp + model * model_cells;
    Index at = 0;
    for (Index i = 1; i < model_cells; ++i) at = v[i] < v[at] ? i : at;
    lowest[model] = at;
    vmin[model] = v[at];
  }
  TERRANE_HD double profile(Index i) const {  // k / vmin at depth i of the layer
    if (width < 2) return 0;
    const double b = static_cast<double>(width - 1) * h, share = static_cast<double>(i) * h / b;
    return dt * 3 * 16.118095650958319 / (2 * b) * share * share;
  }
  TERRANE_HD void operator()(Index row, Index x) const {  // row of (models, nz)
    const Index model = row / g.nz, z = row % g.nz;
    double value = 0;
    if (x < g.nx) {
      const Index left = width - 1 - x, right = x - (g.nx - width), top = width - 1 - z, bottom = z - (g.nz - width);
      const Index side = left > right ? left : right, cap = top > bottom ? top : bottom;
      value = side >= 0 ? profile(side) : (cap >= 0 ? profile(cap) : 0.0);
    }
    k[row * g.pitch + x] = static_cast<T>(value * static_cast<double>(vmin[model]));
  }
};

// dk = k dvmin / vmin (one model)
template <class T>
struct SpongeDampingTangent {
  const T* k;
  const T* vmin;
  const Index* lowest;
  const T* t_vp;
  T* t_k;
  Index n;
  TERRANE_HD void operator()(Index i) const { t_k[i] = k[i] * (t_vp[lowest[0]] / vmin[0]); }
};

// d_vp[lowest] += total / vmin with total = sum k k_image (one model)
template <class T>
struct SpongeDampingVjp {
  const T* total;
  const T* vmin;
  const Index* lowest;
  T* d_vp;
  TERRANE_HD void operator()(Index) const { d_vp[lowest[0]] += total[0] / vmin[0]; }
};

// D p at a cell.
template <class T>
TERRANE_HD T sponge_laplacian(const T* p, Index stride) {
  const T near = (p[-1] + p[1]) + (p[-stride] + p[stride]), far = (p[-2] + p[2]) + (p[-2 * stride] + p[2 * stride]);
  return mul_add(T(4.0 / 3), near, mul_add(T(-1.0 / 12), far, T(-5) * p[0]));
}

// (2 - k) p - (1 - k) previous + a D p, written as p + (1 - k) (p - previous) + a D p.
template <class T>
TERRANE_HD T sponge_update(const T* p, T previous, T a, T k, Index stride) {
  return p[0] + mul_add(T(1) - k, p[0] - previous, a * sponge_laplacian(p, stride));
}

}  // namespace terrane
