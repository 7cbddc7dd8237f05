// SPDX-License-Identifier: MIT
// Cells of the default GPU schedules of the 2-D and 3-D wave steps: an axis inside the absorbing layer, forward and
// adjoint, and what happens at sources, receivers and the free surface.
#pragma once

#include "kernels/stencil/wave.hpp"

namespace terrane::TERRANE_BACKEND {

// w of one axis inside a strip. u, stride: of the field; place, step: of the strip arrays.
template <int R, class T>
TERRANE_HD T forward_axis(const FdAxis<T>& f, const T* u, Index stride, const CpmlCell<T>& pml, const T* phi,
                          T* phi_new, T* eta, Index place, Index step) {
  const T d2 = fd_second<R>(Strided<T>{u, stride}, f, f.center * u[0]);
  const T d1 = fd_first<R>(Strided<T>{u, stride}, f, T(0));
  const T d1_phi = fd_first<R>(Strided<T>{phi + place, step}, f, T(0));
  return pml.forward(d1, d2, d1_phi, phi[place], phi_new[place], eta[place]);
}

// Cotangent terms of one axis at a cell that may be a neighbour: outside the strip the layer does nothing.
template <class T>
struct AdjointTerms {
  T e, y, t;
};

template <class T>
TERRANE_HD AdjointTerms<T> adjoint_terms(const CpmlProfile<T>& p, Index position, const WaveStrip& strip, T q,
                                         const T* phi, const T* eta) {
  if (position < strip.begin || position >= strip.end) return {q, T(0), q};
  const CpmlCell<T> pml = cpml_cell(p, position);
  const T t = pml.adjoint_t(q, *eta);
  return {pml.adjoint_second(t), pml.adjoint_first(t, *phi), t};
}

// Part of L^T q of one axis inside a strip; updates phi and eta of this cell.
template <int R, class T>
TERRANE_HD T adjoint_axis(const FdAxis<T>& f, const T* q, Index stride, const CpmlProfile<T>& p, const WaveStrip& strip,
                          Index position, T* const* phi, T* const* eta, int now, Index place, Index step) {
  const T* old_phi = phi[now] + place;
  const T* old_eta = eta[now] + place;
  T lap = f.center * adjoint_terms(p, position, strip, q[0], old_phi, old_eta).e, d1_y = 0, d1_t = 0;
  for (int k = 1; k <= R; ++k) {
    const AdjointTerms<T> right =
        adjoint_terms(p, position + k, strip, q[k * stride], old_phi + k * step, old_eta + k * step);
    const AdjointTerms<T> left =
        adjoint_terms(p, position - k, strip, q[-k * stride], old_phi - k * step, old_eta - k * step);
    lap = mul_add(f.second[k - 1], right.e + left.e, lap);
    d1_y = mul_add(f.first[k - 1], right.y - left.y, d1_y);
    d1_t = mul_add(f.first[k - 1], right.t - left.t, d1_t);
  }
  const CpmlCell<T> pml = cpml_cell(p, position);
  phi[1 - now][place] = pml.adjoint_phi(*old_phi, d1_t);
  eta[1 - now][place] = pml.adjoint_eta(q[0], *old_eta);
  return lap - d1_y;
}

// Touched cells: thread k of a shot adds to one cell.
// Args: WaveForward<T> or its 3-D counterpart.
template <class T, class Args>
struct InjectSource {
  Args a;
  Index n;
  TERRANE_HD void operator()(Index task, Index k) const {
    const auto& s = a.setup;
    const WavePoints<T>& p = s.sources;
    const Index shot = s.shot[task];
    if (k >= p.touch_count[shot]) return;
    const T* values = a.wavelet + (a.wavelet_stride > 0 ? shot * p.per_shot * a.wavelet_stride : 0) + n;
    const T value = p.gather(p.touch_first[shot] + k, values, a.wavelet_stride);
    const Index i = p.touch_cell[p.touch_first[shot] + k];
    T* next = a.fields.u[1 - (n & 1)] + task * s.g.field + s.g.origin + i;
    *next = mul_add(s.c[i], value, *next);
    T* store = a.store.at(task, n, s.g.cells);
    if (store != nullptr) store[i] += value;
  }
};

template <class T, class Args>
struct InjectData {
  Args a;
  Index n;
  TERRANE_HD void operator()(Index task, Index k) const {
    const auto& s = a.setup;
    const WavePoints<T>& p = s.receivers;
    const Index shot = s.shot[task];
    if (k >= p.touch_count[shot]) return;
    const T value = p.gather(p.touch_first[shot] + k, a.d_data + task * p.per_shot * s.nt + n, s.nt);
    const Index i = p.touch_cell[p.touch_first[shot] + k];
    T* next = a.fields.u[n & 1] + task * s.g.field + s.g.origin + i;
    *next = mul_add(s.c[i], value, *next);
  }
};

// out (shots, traces, nt) at sample n = field at the points; zero for traces that the shot lacks or where !active.
template <class T>
struct RecordPoints {
  WavePoints<T> points;
  const Index* shot;
  const T* u;  // field block
  Index field, origin;
  T* out;
  Index nt, n;
  bool active;
  TERRANE_HD void operator()(Index task, Index l) const {
    const Index which = shot[task];
    const bool used = active && l < points.count[which];
    out[(task * points.per_shot + l) * nt + n] =
        used ? points.record(u + task * field + origin, points.first[which] + l) : T(0);
  }
};

// Antisymmetric images above row (plane) 0; pitch: distance of rows.
template <class T>
struct SurfaceImages {
  T* u;
  Index field, origin, pitch, radius;
  TERRANE_HD void operator()(Index row, Index x) const {
    T* cell = u + row / radius * field + origin + x;
    const Index k = row % radius + 1;
    cell[-k * pitch] = -cell[k * pitch];
  }
};

}  // namespace terrane::TERRANE_BACKEND
