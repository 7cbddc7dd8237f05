// SPDX-License-Identifier: MIT
// Time loops of one shot on the CPU, the same in two and three dimensions: records, sources, boundary ring, free
// surface. A step itself is `Steps`, by value:
//   forward(step)               every cell; adds the tangent's source term m w_0
//   strips(step)                the cells outside the core of step.ring
//   adjoint(step)               every cell; images if step.image, in the core from step.back if that is there
//   run(n, f)                   f(0) .. f(n - 1), which do not depend on each other
//   threads()                   that run() takes
//   image_pairs                 whether adjoint(step) adds the image of two steps at once, from step.w and step.later
#pragma once

#include <algorithm>

#include "kernels/stencil/wave_strips_cpu.hpp"

namespace terrane::TERRANE_BACKEND {

// Traces of one shot, a block of samples at a time: tile[(n mod tile) * traces + l].
template <class T>
void write_tile(const T* tile, Index traces, T* data, Index nt, Index n0, Index n1) {
  for (Index l = 0; l < traces; ++l) {
    for (Index n = n0; n < n1; ++n) data[l * nt + n] = tile[(n - n0) * traces + l];
  }
}
template <class T>
void read_tile(T* tile, Index traces, const T* data, Index nt, Index n0, Index n1) {
  for (Index l = 0; l < traces; ++l) {
    for (Index n = n0; n < n1; ++n) tile[(n - n0) * traces + l] = data[l * nt + n];
  }
}

template <class T>
struct Recorder {
  const WavePoints<T>& points;
  T* tile;
  T* data;  // of this shot; may be null
  Index nt, shot, begin;

  void sample(const T* u, Index n, bool last) {
    if (data == nullptr) return;
    const Index traces = points.per_shot, count = points.count[shot];
    T* row = tile + (n - begin) * traces;
    for (Index l = 0; l < count; ++l) row[l] = points.record(u, points.first[shot] + l);
    for (Index l = count; l < traces; ++l) row[l] = 0;
    if (n + 1 - begin < wave_tile_steps && !last) return;
    write_tile(tile, traces, data, nt, begin, n + 1);
    begin = n + 1;
  }
};

// Antisymmetric images above plane 0.
template <class T>
void free_surface_images(const WaveLayout& g, T* u) {
  if (!g.free_surface) return;
  for (Index k = 1; k <= g.radius; ++k) {
    const T* below = u + k * g.plane;
    T* above = u - k * g.plane;
    for (Index x = 0; x < g.plane; ++x) above[x] = -below[x];
  }
}

template <class T>
WaveFields<T> fields_of_shot(const WaveFields<T>& f, const WaveLayout& g, Index shot) {
  WaveFields<T> one = f;
  for (int p = 0; p < 2; ++p) {
    one.u[p] += shot * g.field + g.origin;
    one.phi_z[p] += shot * g.z_field;
    one.phi_y[p] += shot * g.y_field;
    one.phi_x[p] += shot * g.x_field;
    one.eta_z[p] += shot * g.z_field;
    one.eta_y[p] += shot * g.y_field;
    one.eta_x[p] += shot * g.x_field;
  }
  return one;
}

// Adds the tangent's source term m w_0 to n cells of the next field.
template <class T>
void add_background(const Step<T>& step, Index at, Index n) {
  const T *c = step.s.c + at, *m = step.tangent + at, scale = step.background_scale;
  T* next = step.next + at;
  const KeptValues<T> values = step.background.at(at);
  if (const T* background = values.full; background != nullptr) {
#pragma GCC ivdep
    for (Index i = 0; i < n; ++i) next[i] = mul_add(c[i] * m[i], scale * background[i], next[i]);
  } else {
    for (Index i = 0; i < n; ++i) next[i] = mul_add(c[i] * m[i], scale * values.get(i), next[i]);
  }
}

// Touched cells of the sources of one shot: f(cell, value of s at sample n).
template <class T, class F>
void for_each_source(const WaveSetup<T>& s, const T* wavelet, Index stride, Index task, Index n, const F& f) {
  if (wavelet == nullptr) return;
  const WavePoints<T>& p = s.sources;
  const Index shot = s.shot[task];
  const T* values = p.sample(wavelet, stride, shot, n);
  for (Index k = p.touch_first[shot]; k < p.touch_first[shot] + p.touch_count[shot]; ++k) {
    f(p.touch_cell[k], p.gather(k, values, stride));
  }
}

template <class T>
void inject_source(const WaveForward<T>& a, const Step<T>& step, Index task, Index n) {
  const WaveLayout& g = a.setup.g;
  for_each_source(a.setup, a.wavelet, a.wavelet_stride, task, n, [&](Index i, T s) {
    const Index z = i / g.plane, y = i % g.plane / g.pitch, x = i % g.pitch;
    const Index place = step.ring != nullptr ? step.ring->strips.place(z, y, x) : i;
    if (place < 0) return;
    step.next[i] = mul_add(a.setup.c[i], s, step.next[i]);
    if (step.w.any()) step.w.put(place, step.w.get(place) + s);
  });
}

// Cells of a frame out of a field, or into it; each box in `pieces` tasks.
template <class T>
struct FramePiece {
  const CellFrame& frame;
  Index plane, pitch, pieces;
  T* u;
  KeptValues<T> kept;
  bool load;

  void operator()(Index task) const {
    const CellBox& box = frame.box[task / pieces];
    const Index piece = task % pieces;
    for (Index z = box.planes * piece / pieces; z < box.planes * (piece + 1) / pieces; ++z) {
      for (Index y = 0; y < box.rows; ++y) {
        T* row = u + (box.z + z) * plane + (box.y + y) * pitch + box.x;
        const KeptValues<T> values = kept.at(box.place + (z * box.rows + y) * box.columns);
        if (load) {
          for (Index x = 0; x < box.columns; ++x) row[x] = values.get(x);
        } else {
          for (Index x = 0; x < box.columns; ++x) values.put(x, row[x]);
        }
      }
    }
  }
};
template <class Steps, class T>
void copy_frame(const Steps& steps, const WaveLayout& g, const CellFrame& frame, T* u, const KeptValues<T>& kept,
                bool load) {
  const Index pieces = steps.threads();
  steps.run(frame.count * pieces, FramePiece<T>{frame, g.plane, g.pitch, pieces, u, kept, load});
}

template <class Steps, class T>
struct ForwardShot {
  WaveForward<T> a;
  Steps steps;

  void operator()(Index task) const {
    const WaveSetup<T>& s = a.setup;
    const WaveLayout& g = s.g;
    const WaveFields<T> f = fields_of_shot(a.fields, g, task);
    if (a.strips_only) return strips(task, f);
    const Index traces = s.receivers.per_shot;
    T* tile = s.scratch + task * wave_scratch_size(g, traces) + wave_scratch_size(g, 0);
    Recorder<T> record{s.receivers, tile,         a.data != nullptr ? a.data + task * traces * s.nt : nullptr,
                       s.nt,        s.shot[task], a.n0};
    for (Index n = a.n0; n < a.n1; ++n) {
      const int parity = static_cast<int>(n & 1);
      record.sample(f.u[parity], n, n + 1 == a.n1);
      if (a.ring.used()) copy_frame(steps, g, a.ring.layout.ring, f.u[parity], a.ring.ring_at(task, n), false);
      if (n + 1 == s.nt) break;
      Step<T> step{s, f, f.u[parity], f.u[1 - parity], a.store.at(task, n, g.cells)};
      step.parity = parity;
      step.background = a.background.at(task, n, g.cells);
      step.tangent = a.tangent;
      step.background_scale = static_cast<T>(a.background.every);
      steps.forward(step);
      inject_source(a, step, task, n);
      free_surface_images(g, step.next);
    }
    finish_streams();
  }

 private:
  void strips(Index task, const WaveFields<T>& f) const {
    const WaveSetup<T>& s = a.setup;
    const WaveLayout& g = s.g;
    const WaveRingLayout& ring = a.ring.layout;
    for (Index n = a.n0; n <= a.n1 && n < s.nt; ++n) {
      const int parity = static_cast<int>(n & 1);
      T* u = f.u[parity];
      copy_frame(steps, g, ring.ring, u, a.ring.ring_at(task, n), true);
      free_surface_images(g, u);
      if (n == a.n1 || n + 1 == s.nt) break;
      copy_frame(steps, g, ring.skirt, u, KeptValues<T>{a.ring.skirt_at(task, n), nullptr}, false);
      const Step<T> step{s, f, u, f.u[1 - parity], KeptValues<T>{a.ring.w_at(task, n), nullptr}, &ring, parity};
      steps.strips(step);
      inject_source(a, step, task, n);
    }
    finish_streams();
  }
};

template <class Steps, class T>
struct AdjointShot {
  WaveAdjoint<T> a;
  Steps steps;

  void operator()(Index task) const {
    const WaveSetup<T>& s = a.setup;
    const WaveLayout& g = s.g;
    const WaveFields<T> f = fields_of_shot(a.fields, g, task);
    const Index traces = s.receivers.per_shot, shot = s.shot[task];
    T* scratch = s.scratch + task * wave_scratch_size(g, traces);
    T* tile = scratch + wave_scratch_size(g, 0);
    T* image = a.image != nullptr ? a.image + task * g.cells : nullptr;
    const bool rebuilds = a.ring.used() && image != nullptr;
    const WaveFields<T> back = rebuilds ? fields_of_shot(a.background, g, task) : WaveFields<T>{};
    Index begin = a.n1;  // first sample in the tile
    bool pending = false;
    for (Index n = a.n1 - 1; n >= a.n0; --n) {
      const int parity = static_cast<int>(n & 1);
      Step<T> step{s, f, f.u[1 - parity], f.u[parity], a.store.at(task, n, g.cells)};
      step.scratch = scratch;
      if (Steps::image_pairs && image != nullptr && step.w.any() && a.store.every == 1 && n + 1 < s.nt) {
        if (pending) step.later = a.store.at(task, n + 1, g.cells);
        pending = !pending && n > a.n0;
      }
      if (rebuilds || (step.w.any() && !pending)) step.image = image;
      if (n + 1 < s.nt) {
        if (rebuilds) {
          rebuild_and_advance(step, back, task, n);
        } else {
          steps.adjoint(step);
        }
      }
      if (a.d_wavelet != nullptr) {
        T* out = a.d_wavelet + task * s.sources.per_shot * s.nt + n;
        for (Index l = 0; l < s.sources.per_shot; ++l) {
          const bool used = l < s.sources.count[shot] && n + 1 < s.nt;
          out[l * s.nt] = used ? s.sources.record(step.u, s.sources.first[shot] + l) : T(0);
        }
      }
      if (n < begin) {
        begin = std::max(a.n0, n + 1 - wave_tile_steps);
        read_tile(tile, traces, a.d_data + task * traces * s.nt, s.nt, begin, n + 1);
      }
      const WavePoints<T>& p = s.receivers;
      for (Index k = p.touch_first[shot]; k < p.touch_first[shot] + p.touch_count[shot]; ++k) {
        const Index i = p.touch_cell[k];
        step.next[i] = mul_add(s.c[i], p.gather(k, tile + (n - begin) * traces, Index(1)), step.next[i]);
      }
      free_surface_images(g, step.next);
    }
  }

 private:
  // Samples n and n + 1 of the forward run are there; leaves n - 1 and n.
  void rebuild_and_advance(Step<T>& step, const WaveFields<T>& back, Index task, Index n) const {
    const WaveSetup<T>& s = a.setup;
    const WaveLayout& g = s.g;
    const WaveRingLayout& ring = a.ring.layout;
    T *u = back.u[n & 1], *earlier = back.u[1 - (n & 1)];
    copy_frame(steps, g, ring.skirt, u, KeptValues<T>{a.ring.skirt_at(task, n), nullptr}, true);
    step.w = {a.ring.w_at(task, n), nullptr};
    step.ring = &ring;
    step.back = u;
    step.back_next = earlier;
    steps.adjoint(step);
    for_each_source(s, a.wavelet, a.wavelet_stride, task, n, [&](Index i, T value) {
      if (!ring.core(i / g.plane, i % g.plane / g.pitch, i % g.pitch)) return;
      step.image[i] = mul_add(step.u[i], value, step.image[i]);
      earlier[i] = mul_add(s.c[i], value, earlier[i]);
    });
    if (n > 0) copy_frame(steps, g, ring.ring, earlier, a.ring.ring_at(task, n - 1), true);
    free_surface_images(g, earlier);
  }
};

}  // namespace terrane::TERRANE_BACKEND
