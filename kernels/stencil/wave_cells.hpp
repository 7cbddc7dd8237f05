// SPDX-License-Identifier: MIT
// Cells of the GPU schedules of the wave steps: an axis inside the absorbing layer, forward and adjoint, a
// cell of a step, and what happens at sources, receivers, the boundary ring and the free surface.
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

// Where cell (z, y, x) of a shot is; rows count over all shots, (shot nz + z) ny + y.
struct CellPlace {
  Index shot, z, y, x;
  TERRANE_HD CellPlace(Index the_shot, Index iz, Index iy, Index ix) : shot(the_shot), z(iz), y(iy), x(ix) {}
  TERRANE_HD CellPlace(const WaveLayout& g, Index row, Index column)
      : shot(row / (g.nz * g.ny)), z(row / g.ny % g.nz), y(row % g.ny), x(column) {}
  // Of cell z plane + y pitch + x.
  TERRANE_HD static CellPlace of(const WaveLayout& g, Index task, Index cell) {
    return {task, cell / g.plane, cell % g.plane / g.pitch, cell % g.pitch};
  }
  TERRANE_HD Index cell(const WaveLayout& g) const { return z * g.plane + y * g.pitch + x; }
  TERRANE_HD Index field(const WaveLayout& g) const { return shot * g.field + g.origin + cell(g); }
};

// Cells that another kernel takes: those that no layer reaches.
struct InnerBox {
  Index z0 = 0, z1 = 0, y0 = 0, y1 = 0, x0 = 0, x1 = 0;
  TERRANE_HD bool holds(Index z, Index y, Index x) const {
    return z >= z0 && z < z1 && y >= y0 && y < y1 && x >= x0 && x < x1;
  }
  bool empty() const { return z1 <= z0 || y1 <= y0 || x1 <= x0; }
};

// From w of a cell to its next value.
template <class T>
TERRANE_HD void finish_forward(const WaveForward<T>& a, Index n, const CellPlace& at, T u, T w) {
  const WaveLayout& g = a.setup.g;
  const Index cell = at.cell(g);
  const KeptValues<T> background = a.background.at(at.shot, n, g.cells);
  if (background.any()) w += static_cast<T>(a.background.every) * a.tangent[cell] * background.get(cell);
  if (a.strips_only) {
    a.ring.w_at(at.shot, n)[a.ring.layout.strips.place(at.z, at.y, at.x)] = w;
  } else if (const KeptValues<T> store = a.store.at(at.shot, n, g.cells); store.any()) {
    store.put(cell, w);
  }
  T* next = a.fields.u[1 - (n & 1)] + at.field(g);
  *next = leapfrog(u, *next, a.setup.c[cell], w);
}

// The core of a ring: u of the forward run one step back, and the image with q.
template <class T>
TERRANE_HD void finish_rebuild(const WaveAdjoint<T>& a, Index n, const CellPlace& at, T u, T w) {
  const WaveLayout& g = a.setup.g;
  const Index cell = at.cell(g), place = at.field(g);
  T* image = a.image + at.shot * g.cells + cell;
  *image = mul_add(a.fields.u[(n + 1) & 1][place], w, *image);
  T* earlier = a.background.u[1 - (n & 1)] + place;
  *earlier = leapfrog(u, *earlier, a.setup.c[cell], w);
}

// From L^T q of a cell to its next value, with the image where w is kept.
template <class T>
TERRANE_HD void finish_adjoint(const WaveAdjoint<T>& a, Index n, const CellPlace& at, T q, T lap) {
  const WaveLayout& g = a.setup.g;
  const Index cell = at.cell(g);
  if (a.image != nullptr) {
    T* image = a.image + at.shot * g.cells + cell;
    if (!a.ring.used()) {
      const KeptValues<T> w = a.store.at(at.shot, n, g.cells);
      if (w.any()) *image = mul_add(q, w.get(cell), *image);
    } else if (!a.ring.layout.core(at.z, at.y, at.x)) {
      *image = mul_add(q, a.ring.w_at(at.shot, n)[a.ring.layout.strips.place(at.z, at.y, at.x)], *image);
    }
  }
  T* next = a.fields.u[n & 1] + at.field(g);
  *next = leapfrog(q, *next, a.setup.c[cell], lap);
}

// One thread a cell of all shots.
template <int R, class T>
struct ForwardCell {
  WaveForward<T> a;
  InnerBox inner;
  Index n;

  TERRANE_HD void operator()(Index row, Index x) const {
    const WaveSetup<T>& s = a.setup;
    const WaveLayout& g = s.g;
    const WaveFields<T>& f = a.fields;
    const CellPlace at(g, row, x);
    if (inner.holds(at.z, at.y, x)) return;
    if (a.strips_only && a.ring.layout.core(at.z, at.y, x)) return;
    const int now = static_cast<int>(n & 1);
    const T* u = f.u[now] + at.field(g);
    const Index kz = g.z_strip(at.z), ky = g.y_strip(at.y), kx = g.x_strip(x);
    T w = 0;
    if (kz >= 0) {
      w += forward_axis<R>(s.fz, u, g.plane, cpml_cell(s.pz, at.z), f.phi_z[now], f.phi_z[1 - now], f.eta_z[0],
                           at.shot * g.z_field + g.z_place(kz, at.z, at.y, x), g.z_plane);
    } else {
      w += fd_second<R>(Strided<T>{u, g.plane}, s.fz, s.fz.center * u[0]);
    }
    if (ky >= 0) {
      w += forward_axis<R>(s.fy, u, g.pitch, cpml_cell(s.py, at.y), f.phi_y[now], f.phi_y[1 - now], f.eta_y[0],
                           at.shot * g.y_field + g.y_place(ky, at.z, at.y, x), g.pitch);
    } else {
      w += fd_second<R>(Strided<T>{u, g.pitch}, s.fy, s.fy.center * u[0]);
    }
    if (kx >= 0) {
      w += forward_axis<R>(s.fx, u, 1, cpml_cell(s.px, x), f.phi_x[now], f.phi_x[1 - now], f.eta_x[0],
                           at.shot * g.x_field + g.x_place(kx, at.z, at.y, x), 1);
    } else {
      w += fd_second<R>(Strided<T>{u, 1}, s.fx, s.fx.center * u[0]);
    }
    finish_forward(a, n, at, *u, w);
  }
};

template <int R, class T>
struct AdjointCell {
  WaveAdjoint<T> a;
  InnerBox inner;
  Index n;

  TERRANE_HD void operator()(Index row, Index x) const {
    const WaveSetup<T>& s = a.setup;
    const WaveLayout& g = s.g;
    const WaveFields<T>& f = a.fields;
    const CellPlace at(g, row, x);
    if (inner.holds(at.z, at.y, x)) return;
    const int now = static_cast<int>((n + 1) & 1);
    const T* q = f.u[now] + at.field(g);
    const Index kz = g.z_strip(at.z), ky = g.y_strip(at.y), kx = g.x_strip(x);
    T lap = 0;
    if (kz >= 0) {
      lap += adjoint_axis<R>(s.fz, q, g.plane, s.pz, g.z[kz], at.z, f.phi_z, f.eta_z, now,
                             at.shot * g.z_field + g.z_place(kz, at.z, at.y, x), g.z_plane);
    } else {
      lap += fd_second<R>(Strided<T>{q, g.plane}, s.fz, s.fz.center * q[0]);
    }
    if (ky >= 0) {
      lap += adjoint_axis<R>(s.fy, q, g.pitch, s.py, g.y[ky], at.y, f.phi_y, f.eta_y, now,
                             at.shot * g.y_field + g.y_place(ky, at.z, at.y, x), g.pitch);
    } else {
      lap += fd_second<R>(Strided<T>{q, g.pitch}, s.fy, s.fy.center * q[0]);
    }
    if (kx >= 0) {
      lap += adjoint_axis<R>(s.fx, q, 1, s.px, g.x[kx], x, f.phi_x, f.eta_x, now,
                             at.shot * g.x_field + g.x_place(kx, at.z, at.y, x), 1);
    } else {
      lap += fd_second<R>(Strided<T>{q, 1}, s.fx, s.fx.center * q[0]);
    }
    if (a.image != nullptr && a.ring.used() && a.ring.layout.core(at.z, at.y, x)) {
      const T* u = a.background.u[n & 1] + at.field(g);
      T w = fd_second<R>(Strided<T>{u, g.plane}, s.fz, s.fz.center * u[0]);
      w += fd_second<R>(Strided<T>{u, g.pitch}, s.fy, s.fy.center * u[0]);
      w += fd_second<R>(Strided<T>{u, 1}, s.fx, s.fx.center * u[0]);
      finish_rebuild(a, n, at, *u, w);
    }
    finish_adjoint(a, n, at, *q, lap);
  }
};

// Touched cells: thread k of a shot adds to one cell.
template <class T>
struct InjectSource {
  WaveForward<T> a;
  Index n;
  TERRANE_HD void operator()(Index task, Index k) const {
    const WaveSetup<T>& s = a.setup;
    const WavePoints<T>& p = s.sources;
    const Index shot = s.shot[task];
    if (k >= p.touch_count[shot]) return;
    const T* values = p.sample(a.wavelet, a.wavelet_stride, shot, n);
    const T value = p.gather(p.touch_first[shot] + k, values, a.wavelet_stride);
    const CellPlace at = CellPlace::of(s.g, task, p.touch_cell[p.touch_first[shot] + k]);
    const Index i = at.cell(s.g);
    if (a.strips_only) {
      const Index place = a.ring.layout.strips.place(at.z, at.y, at.x);
      if (place < 0) return;
      a.ring.w_at(task, n)[place] += value;
    } else if (const KeptValues<T> store = a.store.at(task, n, s.g.cells); store.any()) {
      store.put(i, store.get(i) + value);
    }
    T* next = a.fields.u[1 - (n & 1)] + at.field(s.g);
    *next = mul_add(s.c[i], value, *next);
  }
};

// Sources of the forward run in the core, while it is stepped backwards.
template <class T>
struct RebuildSource {
  WaveAdjoint<T> a;
  Index n;
  TERRANE_HD void operator()(Index task, Index k) const {
    const WaveSetup<T>& s = a.setup;
    const WavePoints<T>& p = s.sources;
    const Index shot = s.shot[task];
    if (k >= p.touch_count[shot]) return;
    const CellPlace at = CellPlace::of(s.g, task, p.touch_cell[p.touch_first[shot] + k]);
    if (!a.ring.layout.core(at.z, at.y, at.x)) return;
    const T* values = p.sample(a.wavelet, a.wavelet_stride, shot, n);
    const T value = p.gather(p.touch_first[shot] + k, values, a.wavelet_stride);
    T* image = a.image + task * s.g.cells + at.cell(s.g);
    T* earlier = a.background.u[1 - (n & 1)] + at.field(s.g);
    *image = mul_add(a.fields.u[1 - (n & 1)][at.field(s.g)], value, *image);
    *earlier = mul_add(s.c[at.cell(s.g)], value, *earlier);
  }
};

template <class T>
struct InjectData {
  WaveAdjoint<T> a;
  Index n;
  TERRANE_HD void operator()(Index task, Index k) const {
    const WaveSetup<T>& s = a.setup;
    const WavePoints<T>& p = s.receivers;
    const Index shot = s.shot[task];
    if (k >= p.touch_count[shot]) return;
    const T value = p.gather(p.touch_first[shot] + k, a.d_data + task * p.per_shot * s.nt + n, s.nt);
    const Index i = p.touch_cell[p.touch_first[shot] + k];
    T* next = a.fields.u[n & 1] + task * s.g.field + s.g.origin + i;
    *next = mul_add(s.c[i], value, *next);
  }
};

// Cells of a frame: field (shots, field) to kept values (shots, values a shot) or back.
template <class T>
struct FrameCells {
  CellFrame frame;
  Index field, origin, plane, pitch;
  T* u;
  KeptValues<T> kept;
  Index stride;  // kept values of a shot
  bool load;
  TERRANE_HD void operator()(Index task, Index i) const {
    T* cell = u + task * field + origin + frame.cell(i, plane, pitch);
    const KeptValues<T> values = kept.at(task * stride);
    if (load) {
      *cell = values.get(i);
    } else {
      values.put(i, *cell);
    }
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
