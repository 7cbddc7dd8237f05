// SPDX-License-Identifier: MIT
// GPU schedule of the wave steps: the host loops over time steps, one thread a cell of all shots. Cells of a strip do
// their part of the absorbing layer in place: old and new phi (and, backwards, eta) are two arrays, so that the order
// of the cells does not matter. Sources are gathered by touched cell: no atomics.
#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"
#include "kernels/stencil/wave_cells.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

// Where cell (z, x) of a shot is in each array.
struct CellPlace {
  Index shot, z, x;
  TERRANE_HD Index field(const WaveLayout& g) const { return shot * g.field + g.origin + z * g.pitch + x; }
  TERRANE_HD Index cell(const WaveLayout& g) const { return z * g.pitch + x; }
  TERRANE_HD Index z_place(const WaveLayout& g, Index k) const {
    return shot * g.z_field + (g.z[k].offset + z - g.z[k].begin) * g.pitch + x;
  }
  TERRANE_HD Index x_place(const WaveLayout& g, Index k) const {
    return shot * g.x_field + z * g.x_pitch + g.x[k].offset + x - g.x[k].begin;
  }
};

template <int R, class T>
struct ForwardCell {
  WaveForward<T> a;
  Index n;

  TERRANE_HD void operator()(Index row, Index x) const {
    const WaveSetup<T>& s = a.setup;
    const WaveLayout& g = s.g;
    const CellPlace at{row / g.nz, row % g.nz, x};
    if (a.strips_only && a.ring.layout.core(at.z, x)) return;
    const int now = static_cast<int>(n & 1);
    const T* u = a.fields.u[now] + at.field(g);
    const Index kz = g.z_strip(at.z), kx = g.x_strip(x);
    T w = 0;
    if (kz >= 0) {
      w += forward_axis<R>(s.fz, u, g.pitch, cpml_cell(s.pz, at.z), a.fields.phi_z[now], a.fields.phi_z[1 - now],
                           a.fields.eta_z[0], at.z_place(g, kz), g.pitch);
    } else {
      w += fd_second<R>(Strided<T>{u, g.pitch}, s.fz, s.fz.center * u[0]);
    }
    if (kx >= 0) {
      w += forward_axis<R>(s.fx, u, 1, cpml_cell(s.px, x), a.fields.phi_x[now], a.fields.phi_x[1 - now],
                           a.fields.eta_x[0], at.x_place(g, kx), 1);
    } else {
      w += fd_second<R>(Strided<T>{u, 1}, s.fx, s.fx.center * u[0]);
    }
    const KeptValues<T> background = a.background.at(at.shot, n, g.cells);
    if (background.any()) {
      w += static_cast<T>(a.background.every) * a.tangent[at.cell(g)] * background.get(at.cell(g));
    }
    if (a.strips_only) {
      a.ring.w_at(at.shot, n)[a.ring.layout.strips.place(at.z, x)] = w;
    } else if (const KeptValues<T> store = a.store.at(at.shot, n, g.cells); store.any()) {
      store.put(at.cell(g), w);
    }
    T* next = a.fields.u[1 - now] + at.field(g);
    *next = leapfrog(*u, *next, s.c[at.cell(g)], w);
  }
};

// Touched cells: thread k of a shot adds to one cell.
template <class T>
struct InjectShotSource {
  WaveForward<T> a;
  Index n;
  TERRANE_HD void operator()(Index task, Index k) const {
    const WaveSetup<T>& s = a.setup;
    const WavePoints<T>& p = s.sources;
    const Index shot = s.shot[task];
    if (k >= p.touch_count[shot]) return;
    const T* values = a.wavelet + (a.wavelet_stride > 0 ? shot * p.per_shot * a.wavelet_stride : 0) + n;
    const T value = p.gather(p.touch_first[shot] + k, values, a.wavelet_stride);
    const Index i = p.touch_cell[p.touch_first[shot] + k];
    if (a.strips_only) {
      const Index place = a.ring.layout.strips.place(i / s.g.pitch, i % s.g.pitch);
      if (place < 0) return;
      a.ring.w_at(task, n)[place] += value;
    } else if (const KeptValues<T> store = a.store.at(task, n, s.g.cells); store.any()) {
      store.put(i, store.get(i) + value);
    }
    T* next = a.fields.u[1 - (n & 1)] + task * s.g.field + s.g.origin + i;
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
    const Index i = p.touch_cell[p.touch_first[shot] + k];
    if (!a.ring.layout.core(i / s.g.pitch, i % s.g.pitch)) return;
    const T* values = a.wavelet + (a.wavelet_stride > 0 ? shot * p.per_shot * a.wavelet_stride : 0) + n;
    const T value = p.gather(p.touch_first[shot] + k, values, a.wavelet_stride);
    const Index at = task * s.g.field + s.g.origin + i;
    T* image = a.image + task * s.g.cells + i;
    T* earlier = a.background.u[1 - (n & 1)] + at;
    *image = mul_add(a.fields.u[1 - (n & 1)][at], value, *image);
    *earlier = mul_add(s.c[i], value, *earlier);
  }
};

// Cells of a frame: field (shots, field) to kept values (shots, values a shot) or back.
template <class T>
struct FrameCells {
  CellFrame frame;
  Index field, origin, pitch;
  T* u;
  KeptValues<T> kept;
  Index stride;  // kept values of a shot
  bool load;
  TERRANE_HD void operator()(Index task, Index i) const {
    T* cell = u + task * field + origin + frame.cell(i, pitch);
    const KeptValues<T> values = kept.at(task * stride);
    if (load) {
      *cell = values.get(i);
    } else {
      values.put(i, *cell);
    }
  }
};

template <int R, class T>
struct AdjointCell {
  WaveAdjoint<T> a;
  Index n;

  // w of the forward run, kept or, in the core of a ring, computed while that run is stepped backwards.
  TERRANE_HD bool forward_w(const CellPlace& at, T& w) const {
    const WaveSetup<T>& s = a.setup;
    const WaveLayout& g = s.g;
    if (!a.ring.used()) {
      const KeptValues<T> kept = a.store.at(at.shot, n, g.cells);
      if (!kept.any()) return false;
      w = kept.get(at.cell(g));
    } else if (!a.ring.layout.core(at.z, at.x)) {
      w = a.ring.w_at(at.shot, n)[a.ring.layout.strips.place(at.z, at.x)];
    } else {
      const T* u = a.background.u[n & 1] + at.field(g);
      T* earlier = a.background.u[1 - (n & 1)] + at.field(g);
      w = fd_second<R>(Strided<T>{u, g.pitch}, s.fz, s.fz.center * u[0]);
      w += fd_second<R>(Strided<T>{u, 1}, s.fx, s.fx.center * u[0]);
      *earlier = leapfrog(*u, *earlier, s.c[at.cell(g)], w);
    }
    return true;
  }

  TERRANE_HD void operator()(Index row, Index x) const {
    const WaveSetup<T>& s = a.setup;
    const WaveLayout& g = s.g;
    const CellPlace at{row / g.nz, row % g.nz, x};
    const int now = static_cast<int>((n + 1) & 1);
    const T* q = a.fields.u[now] + at.field(g);
    const Index kz = g.z_strip(at.z), kx = g.x_strip(x);
    T lap = 0;
    if (kz >= 0) {
      lap += adjoint_axis<R>(s.fz, q, g.pitch, s.pz, g.z[kz], at.z, a.fields.phi_z, a.fields.eta_z, now,
                             at.z_place(g, kz), g.pitch);
    } else {
      lap += fd_second<R>(Strided<T>{q, g.pitch}, s.fz, s.fz.center * q[0]);
    }
    if (kx >= 0) {
      lap += adjoint_axis<R>(s.fx, q, 1, s.px, g.x[kx], x, a.fields.phi_x, a.fields.eta_x, now, at.x_place(g, kx), 1);
    } else {
      lap += fd_second<R>(Strided<T>{q, 1}, s.fx, s.fx.center * q[0]);
    }
    if (a.image != nullptr) {
      T w;
      if (forward_w(at, w)) {
        T* image = a.image + at.shot * g.cells + at.cell(g);
        *image = mul_add(*q, w, *image);
      }
    }
    T* next = a.fields.u[1 - now] + at.field(g);
    *next = leapfrog(*q, *next, s.c[at.cell(g)], lap);
  }
};

template <class T>
void surface_images(Stream& stream, const WaveSetup<T>& s, T* u) {
  if (!s.g.free_surface) return;
  parallel_for_2d(stream, s.shots * s.g.radius, s.g.pitch,
                  SurfaceImages<T>{u, s.g.field, s.g.origin, s.g.pitch, s.g.radius});
}

template <class T>
void frame_cells(Stream& stream, const WaveSetup<T>& s, const CellFrame& frame, T* u, const KeptValues<T>& kept,
                 Index stride, bool load) {
  if (frame.size == 0) return;
  parallel_for_2d(stream, s.shots, frame.size,
                  FrameCells<T>{frame, s.g.field, s.g.origin, s.g.pitch, u, kept, stride, load});
}
// The ring of sample n; load: into u.
template <class T>
void ring_cells(Stream& stream, const WaveSetup<T>& s, const WaveRing<T>& ring, T* u, Index n, bool load) {
  const CellFrame& frame = ring.layout.ring;
  frame_cells(stream, s, frame, u, ring.ring.at(n * frame.size), ring.nt * frame.size, load);
}
template <class T>
void skirt_cells(Stream& stream, const WaveSetup<T>& s, const WaveRing<T>& ring, T* u, Index n, bool load) {
  const CellFrame& frame = ring.layout.skirt;
  frame_cells(stream, s, frame, u, KeptValues<T>{ring.skirt + (n - ring.first) * frame.size, nullptr},
              ring.slots * frame.size, load);
}

template <int R, class T>
void strip_steps(Stream& stream, const WaveForward<T>& a) {
  const WaveSetup<T>& s = a.setup;
  for (Index n = a.n0; n <= a.n1 && n < s.nt; ++n) {
    T* u = a.fields.u[n & 1];
    ring_cells(stream, s, a.ring, u, n, true);
    surface_images(stream, s, u);
    if (n == a.n1 || n + 1 == s.nt) break;
    skirt_cells(stream, s, a.ring, u, n, false);
    parallel_for_2d(stream, s.shots * s.g.nz, s.g.pitch, ForwardCell<R, T>{a, n});
    if (a.wavelet != nullptr) {
      parallel_for_2d(stream, s.shots, s.sources.most_touched, InjectShotSource<T>{a, n});
    }
  }
}

template <int R, class T>
void forward_steps(Stream& stream, const WaveForward<T>& a) {
  if (a.strips_only) return strip_steps<R>(stream, a);
  const WaveSetup<T>& s = a.setup;
  for (Index n = a.n0; n < a.n1; ++n) {
    const T* u = a.fields.u[n & 1];
    if (a.data != nullptr) {
      parallel_for_2d(stream, s.shots, s.receivers.per_shot,
                      RecordPoints<T>{s.receivers, s.shot, u, s.g.field, s.g.origin, a.data, s.nt, n, true});
    }
    if (a.ring.used()) ring_cells(stream, s, a.ring, a.fields.u[n & 1], n, false);
    if (n + 1 == s.nt) break;
    parallel_for_2d(stream, s.shots * s.g.nz, s.g.pitch, ForwardCell<R, T>{a, n});
    if (a.wavelet != nullptr) {
      parallel_for_2d(stream, s.shots, s.sources.most_touched, InjectShotSource<T>{a, n});
    }
    surface_images(stream, s, a.fields.u[1 - (n & 1)]);
  }
}

template <int R, class T>
void adjoint_steps(Stream& stream, const WaveAdjoint<T>& a) {
  const WaveSetup<T>& s = a.setup;
  const bool rebuilds = a.ring.used() && a.image != nullptr;
  for (Index n = a.n1 - 1; n >= a.n0; --n) {
    const bool steps = n + 1 < s.nt;
    if (steps && rebuilds) skirt_cells(stream, s, a.ring, a.background.u[n & 1], n, true);
    if (steps) parallel_for_2d(stream, s.shots * s.g.nz, s.g.pitch, AdjointCell<R, T>{a, n});
    if (steps && rebuilds) {
      T* earlier = a.background.u[1 - (n & 1)];
      if (a.wavelet != nullptr) parallel_for_2d(stream, s.shots, s.sources.most_touched, RebuildSource<T>{a, n});
      if (n > 0) ring_cells(stream, s, a.ring, earlier, n - 1, true);
      surface_images(stream, s, earlier);
    }
    if (a.d_wavelet != nullptr) {
      parallel_for_2d(stream, s.shots, s.sources.per_shot,
                      RecordPoints<T>{s.sources, s.shot, a.fields.u[1 - (n & 1)], s.g.field, s.g.origin, a.d_wavelet,
                                      s.nt, n, steps});
    }
    parallel_for_2d(stream, s.shots, s.receivers.most_touched, InjectData<T, WaveAdjoint<T>>{a, n});
    surface_images(stream, s, a.fields.u[n & 1]);
  }
}

}  // namespace

template <class T>
void wave_forward(Stream& stream, const WaveForward<T>& a) {
  switch (a.setup.g.radius) {
    case 1:
      return forward_steps<1>(stream, a);
    case 2:
      return forward_steps<2>(stream, a);
    case 3:
      return forward_steps<3>(stream, a);
    default:
      return forward_steps<4>(stream, a);
  }
}
TERRANE_INSTANTIATE(wave_forward, WaveForward)

template <class T>
void wave_adjoint(Stream& stream, const WaveAdjoint<T>& a) {
  switch (a.setup.g.radius) {
    case 1:
      return adjoint_steps<1>(stream, a);
    case 2:
      return adjoint_steps<2>(stream, a);
    case 3:
      return adjoint_steps<3>(stream, a);
    default:
      return adjoint_steps<4>(stream, a);
  }
}
TERRANE_INSTANTIATE(wave_adjoint, WaveAdjoint)

}  // namespace terrane::TERRANE_BACKEND
