// SPDX-License-Identifier: MIT
// GPU schedule of the 3-D wave steps: the host loops over time steps, one thread a cell of all
// shots. Cells of a strip do their part of the absorbing layer in place: old and new phi (and, backwards, eta) are two
// arrays, so that the order of the cells does not matter. Sources are gathered by touched cell: no atomics.
//
// Inner: who takes the cells that no layer reaches.
//   box(layout, forward)                  these cells; empty: none
//   forward<R>(stream, a, box, n), adjoint<R>(...)   their part of step n
#pragma once

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"
#include "kernels/stencil/wave_cells.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

template <class T>
void surface_images(Stream& stream, const WaveSetup<T>& s, T* u) {
  if (!s.g.free_surface) return;
  parallel_for_2d(stream, s.shots * s.g.radius, s.g.plane,
                  SurfaceImages<T>{u, s.g.field, s.g.origin, s.g.plane, s.g.radius});
}

template <class T>
void frame_cells(Stream& stream, const WaveSetup<T>& s, const CellFrame& frame, T* u, const KeptValues<T>& kept,
                 Index stride, bool load) {
  if (frame.size == 0) return;
  parallel_for_2d(stream, s.shots, frame.size,
                  FrameCells<T>{frame, s.g.field, s.g.origin, s.g.plane, s.g.pitch, u, kept, stride, load});
}
// The ring of sample n; load: into u.
template <class T>
void ring_cells(Stream& stream, const WaveSetup<T>& s, const WaveRing<T>& ring, T* u, Index n, bool load) {
  const CellFrame& frame = ring.layout.ring;
  frame_cells(stream, s, frame, u, ring.ring_at(0, n), ring.held * frame.size, load);
}
template <class T>
void skirt_cells(Stream& stream, const WaveSetup<T>& s, const WaveRing<T>& ring, T* u, Index n, bool load) {
  const CellFrame& frame = ring.layout.skirt;
  frame_cells(stream, s, frame, u, KeptValues<T>{ring.skirt + (n - ring.first) * frame.size, nullptr},
              ring.slots * frame.size, load);
}

template <int R, class Inner, class T>
void strip_steps(Stream& stream, const WaveForward<T>& a) {
  const WaveSetup<T>& s = a.setup;
  const Index rows = s.shots * s.g.nz * s.g.ny;
  for (Index n = a.n0; n <= a.n1 && n < s.nt; ++n) {
    T* u = a.fields.u[n & 1];
    ring_cells(stream, s, a.ring, u, n, true);
    surface_images(stream, s, u);
    if (n == a.n1 || n + 1 == s.nt) break;
    skirt_cells(stream, s, a.ring, u, n, false);
    parallel_for_2d(stream, rows, s.g.pitch, ForwardCell<R, T>{a, {}, n});
    if (a.wavelet != nullptr) {
      parallel_for_2d(stream, s.shots, s.sources.most_touched, InjectSource<T>{a, n});
    }
  }
}

template <int R, class Inner, class T>
void forward_steps(Stream& stream, const WaveForward<T>& a) {
  if (a.strips_only) return strip_steps<R, Inner>(stream, a);
  const WaveSetup<T>& s = a.setup;
  const InnerBox inner = Inner::box(s.g, true);
  const Index rows = s.shots * s.g.nz * s.g.ny;
  for (Index n = a.n0; n < a.n1; ++n) {
    const T* u = a.fields.u[n & 1];
    if (a.data != nullptr) {
      parallel_for_2d(stream, s.shots, s.receivers.per_shot,
                      RecordPoints<T>{s.receivers, s.shot, u, s.g.field, s.g.origin, a.data, s.nt, n, true});
    }
    if (a.ring.used()) ring_cells(stream, s, a.ring, a.fields.u[n & 1], n, false);
    if (n + 1 == s.nt) break;
    parallel_for_2d(stream, rows, s.g.pitch, ForwardCell<R, T>{a, inner, n});
    Inner::template forward<R>(stream, a, inner, n);
    if (a.wavelet != nullptr) {
      parallel_for_2d(stream, s.shots, s.sources.most_touched, InjectSource<T>{a, n});
    }
    surface_images(stream, s, a.fields.u[1 - (n & 1)]);
  }
}

template <int R, class Inner, class T>
void adjoint_steps(Stream& stream, const WaveAdjoint<T>& a) {
  const WaveSetup<T>& s = a.setup;
  const InnerBox inner = Inner::box(s.g, false);
  const Index rows = s.shots * s.g.nz * s.g.ny;
  const bool rebuilds = a.ring.used() && a.image != nullptr;
  for (Index n = a.n1 - 1; n >= a.n0; --n) {
    const bool steps = n + 1 < s.nt;
    if (steps && rebuilds) skirt_cells(stream, s, a.ring, a.background.u[n & 1], n, true);
    if (steps) {
      parallel_for_2d(stream, rows, s.g.pitch, AdjointCell<R, T>{a, inner, n});
      Inner::template adjoint<R>(stream, a, inner, n);
    }
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
    parallel_for_2d(stream, s.shots, s.receivers.most_touched, InjectData<T>{a, n});
    surface_images(stream, s, a.fields.u[n & 1]);
  }
}

}  // namespace
}  // namespace terrane::TERRANE_BACKEND
