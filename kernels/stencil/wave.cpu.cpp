// SPDX-License-Identifier: MIT
// CPU schedule of the wave steps: one shot a task, the time loop inside the task, so that no step waits for another
// thread. A row is cut at the strips of the absorbing layer; every part is computed once, in vectors, without branches.
#include "kernels/stencil/wave.hpp"

#include <algorithm>

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"
#include "kernels/stencil/wave_adjoint_cpu.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

// Strip of row z as the forward operator sees it; -1: none.
inline Index forward_strip(const WaveLayout& g, Index z) {
  const Index k = g.z_strip(z);
  return k >= 0 && z >= g.z[k].inner && z < g.z[k].outer ? k : -1;
}

template <int R, Keep K, class T>
void forward_step(const Step<T>& step, const RowParts& parts) {
  const WaveLayout& g = step.s.g;
  for (Index z = 0; z < g.nz;) {
    const Index k = forward_strip(g, z);
    const bool pass = k < 0 && z + rows_per_pass <= g.nz && forward_strip(g, z + rows_per_pass - 1) < 0;
    const Index rows = pass ? rows_per_pass : 1, z_row = k < 0 ? 0 : g.z[k].offset + z - g.z[k].begin;
    for (int i = 0; i < parts.count; ++i) {
      const RowPart& part = parts.part[i];
      if (k >= 0 && part.strip >= 0) {
        forward_layer<R, true, true, K>(step, z, z_row, part);
      } else if (k >= 0) {
        forward_layer<R, true, false, K>(step, z, z_row, part);
      } else if (part.strip >= 0) {
        for (Index r = 0; r < rows; ++r) forward_layer<R, false, true, K>(step, z + r, 0, part);
      } else if (pass) {
        interior_rows<R, rows_per_pass, K, Image::no>(step, z, part);
      } else {
        interior_rows<R, 1, K, Image::no>(step, z, part);
      }
    }
    z += rows;
  }
}

// The same for the cells outside the core; one row at a time, so that no pass leaves a box of the strips.
template <int R, class T>
void forward_strips(const Step<T>& step, const RowParts& parts, const WaveRingLayout& ring) {
  const WaveLayout& g = step.s.g;
  for (Index z = 0; z < g.nz; ++z) {
    const Index k = forward_strip(g, z), z_row = k < 0 ? 0 : g.z[k].offset + z - g.z[k].begin;
    for (int i = 0; i < parts.count; ++i) {
      const RowPart& part = parts.part[i];
      if (k >= 0 && part.strip >= 0) {
        forward_layer<R, true, true, Keep::streamed>(step, z, z_row, part);
      } else if (k >= 0) {
        forward_layer<R, true, false, Keep::streamed>(step, z, z_row, part);
      } else if (part.strip >= 0) {
        forward_layer<R, false, true, Keep::streamed>(step, z, 0, part);
      } else if (!ring.core_row(z)) {
        interior_rows<R, 1, Keep::streamed, Image::no>(step, z, part);
      }
    }
  }
}

// Antisymmetric images above row 0.
template <class T>
void free_surface_images(const WaveLayout& g, T* u) {
  if (!g.free_surface) return;
  for (Index k = 1; k <= g.radius; ++k) {
    const T* below = u + k * g.pitch;
    T* above = u - k * g.pitch;
    for (Index x = 0; x < g.pitch; ++x) above[x] = -below[x];
  }
}

template <class T>
WaveFields<T> fields_of_shot(const WaveFields<T>& f, const WaveLayout& g, Index shot) {
  WaveFields<T> one = f;
  for (int p = 0; p < 2; ++p) {
    one.u[p] += shot * g.field + g.origin;
    one.phi_z[p] += shot * g.z_field;
    one.phi_x[p] += shot * g.x_field;
    one.eta_z[p] += shot * g.z_field;
    one.eta_x[p] += shot * g.x_field;
  }
  return one;
}

// Adds the tangent's source term m w_0 to the field and to w.
template <class T>
void add_background(const Step<T>& step, const T* m, T scale) {
  const T* c = step.s.c;
  T* next = step.next;
  const Index cells = step.s.g.cells;
  if (const T* background = step.background.full; background != nullptr) {
#pragma GCC ivdep
    for (Index i = 0; i < cells; ++i) next[i] = mul_add(c[i] * m[i], scale * background[i], next[i]);
  } else {
    for (Index i = 0; i < cells; ++i) next[i] = mul_add(c[i] * m[i], scale * step.background.get(i), next[i]);
  }
}

// Touched cells of the sources of one shot: f(cell, value of s at sample n).
template <class T, class F>
void for_each_source(const WaveSetup<T>& s, const T* wavelet, Index stride, Index task, Index n, const F& f) {
  if (wavelet == nullptr) return;
  const WavePoints<T>& p = s.sources;
  const Index shot = s.shot[task];
  const T* values = wavelet + (stride > 0 ? shot * p.per_shot * stride : 0) + n;
  for (Index k = p.touch_first[shot]; k < p.touch_first[shot] + p.touch_count[shot]; ++k) {
    f(p.touch_cell[k], p.gather(k, values, stride));
  }
}

template <class T>
void inject_source(const WaveForward<T>& a, const Step<T>& step, Index task, Index n) {
  const Index pitch = a.setup.g.pitch;
  for_each_source(a.setup, a.wavelet, a.wavelet_stride, task, n, [&](Index i, T s) {
    const Index place = step.strips != nullptr ? step.strips->place(i / pitch, i % pitch) : i;
    if (place < 0) return;
    step.next[i] = mul_add(a.setup.c[i], s, step.next[i]);
    if (step.w.any()) step.w.put(place, step.w.get(place) + s);
  });
}

// Cells of a frame, out of a field and into it.
template <class T>
void save_frame(const CellFrame& frame, Index pitch, const T* u, const KeptValues<T>& to) {
  for (int b = 0; b < frame.count; ++b) {
    const CellBox& box = frame.box[b];
    for (Index z = 0; z < box.rows; ++z) {
      const T* row = u + (box.z + z) * pitch + box.x;
      const KeptValues<T> values = to.at(box.place + z * box.columns);
      for (Index x = 0; x < box.columns; ++x) values.put(x, row[x]);
    }
  }
}
template <class T>
void load_frame(const CellFrame& frame, Index pitch, const KeptValues<T>& from, T* u) {
  for (int b = 0; b < frame.count; ++b) {
    const CellBox& box = frame.box[b];
    for (Index z = 0; z < box.rows; ++z) {
      T* row = u + (box.z + z) * pitch + box.x;
      const KeptValues<T> values = from.at(box.place + z * box.columns);
      for (Index x = 0; x < box.columns; ++x) row[x] = values.get(x);
    }
  }
}

template <int R, class T>
struct ForwardShot {
  WaveForward<T> a;

  void operator()(Index task) const {
    const WaveSetup<T>& s = a.setup;
    const WaveLayout& g = s.g;
    const WaveFields<T> f = fields_of_shot(a.fields, g, task);
    const RowParts parts = cut_row(g);
    if (a.strips_only) return strips(task, f, parts);
    const Index traces = s.receivers.per_shot;
    T* tile = s.scratch + task * wave_scratch_size(g, traces) + wave_scratch_size(g, 0);
    Recorder<T> record{s.receivers, tile,         a.data != nullptr ? a.data + task * traces * s.nt : nullptr,
                       s.nt,        s.shot[task], a.n0};
    for (Index n = a.n0; n < a.n1; ++n) {
      const int parity = static_cast<int>(n & 1);
      record.sample(f.u[parity], n, n + 1 == a.n1);
      if (a.ring.used()) save_frame(a.ring.layout.ring, g.pitch, f.u[parity], a.ring.ring_at(task, n));
      if (n + 1 == s.nt) break;
      Step<T> step{s, f, f.u[parity], f.u[1 - parity], a.store.at(task, n, g.cells)};
      step.parity = parity;
      step.background = a.background.at(task, n, g.cells);
      advance(step, parts);
      if (step.background.any()) add_background(step, a.tangent, static_cast<T>(a.background.every));
      inject_source(a, step, task, n);
      free_surface_images(g, step.next);
    }
    finish_streams();
  }

 private:
  void advance(const Step<T>& step, const RowParts& parts) const {
    if (step.w.half != nullptr) return forward_step<R, Keep::half>(step, parts);
    if (step.w.full == nullptr) return forward_step<R, Keep::no>(step, parts);
    const bool streamed = a.store.slots * a.setup.g.cells * static_cast<Index>(sizeof(T)) > streamed_bytes;
    streamed ? forward_step<R, Keep::streamed>(step, parts) : forward_step<R, Keep::cached>(step, parts);
  }

  void strips(Index task, const WaveFields<T>& f, const RowParts& parts) const {
    const WaveSetup<T>& s = a.setup;
    const WaveLayout& g = s.g;
    const WaveRingLayout& ring = a.ring.layout;
    for (Index n = a.n0; n <= a.n1 && n < s.nt; ++n) {
      const int parity = static_cast<int>(n & 1);
      T* u = f.u[parity];
      load_frame(ring.ring, g.pitch, a.ring.ring_at(task, n), u);
      free_surface_images(g, u);
      if (n == a.n1 || n + 1 == s.nt) break;
      save_frame(ring.skirt, g.pitch, u, KeptValues<T>{a.ring.skirt_at(task, n), nullptr});
      Step<T> step{s, f, u, f.u[1 - parity], KeptValues<T>{a.ring.w_at(task, n), nullptr}, &ring.strips, parity};
      forward_strips<R>(step, parts, ring);
      inject_source(a, step, task, n);
    }
    finish_streams();
  }
};

template <int R, int Rows, Image I, class T>
void plain_rows(const Step<T>& step, Index z, const RowPart& part) {
  if constexpr (I == Image::full) {
    if (step.back != nullptr) return core_rows<R, Rows>(step, z, part);
  }
  interior_rows<R, Rows, Keep::no, I>(step, z, part);
}

template <int R, Image I, class T>
void adjoint_step(const Step<T>& step, const RowParts& parts) {
  const WaveLayout& g = step.s.g;
  const RollingRows<R, T> rolling{step.scratch, g.pitch};
  for (Index z = 0; z < g.nz;) {
    const Index k = g.z_strip(z);
    const bool pass = k < 0 && z + rows_per_pass <= g.nz && g.z_strip(z + rows_per_pass - 1) < 0;
    const Index rows = pass ? rows_per_pass : 1, z_row = k < 0 ? 0 : g.z[k].offset + z - g.z[k].begin;
    if (k >= 0) {
      for (Index r = z == g.z[k].begin ? z - R : z + R; r <= z + R; ++r) adjoint_rolling_row(step, rolling, g.z[k], r);
    }
    for (int i = 0; i < parts.count; ++i) {
      const RowPart& part = parts.part[i];
      for (Index r = 0; r < rows && part.strip >= 0; ++r) {
        if (k >= 0) {
          adjoint_layer<R, true, true, I>(step, rolling, z, z_row, part);
        } else {
          adjoint_layer<R, false, true, I>(step, rolling, z + r, 0, part);
        }
      }
      if (part.strip >= 0) continue;
      if (k >= 0) {
        adjoint_layer<R, true, false, I>(step, rolling, z, z_row, part);
      } else if (pass) {
        plain_rows<R, rows_per_pass, I>(step, z, part);
      } else {
        plain_rows<R, 1, I>(step, z, part);
      }
    }
    z += rows;
  }
}

template <int R, class T>
struct AdjointShot {
  WaveAdjoint<T> a;

  void operator()(Index task) const {
    const WaveSetup<T>& s = a.setup;
    const WaveLayout& g = s.g;
    const WaveFields<T> f = fields_of_shot(a.fields, g, task);
    const Index traces = s.receivers.per_shot, shot = s.shot[task];
    T* scratch = s.scratch + task * wave_scratch_size(g, traces);
    T* tile = scratch + wave_scratch_size(g, 0);
    T* image = a.image != nullptr ? a.image + task * g.cells : nullptr;
    const RowParts parts = cut_row(g);
    const bool rebuilds = a.ring.used() && image != nullptr;
    const WaveFields<T> back = rebuilds ? fields_of_shot(a.background, g, task) : WaveFields<T>{};
    Index begin = a.n1;  // first sample in the tile
    for (Index n = a.n1 - 1; n >= a.n0; --n) {
      const int parity = static_cast<int>(n & 1);
      Step<T> step{s, f, f.u[1 - parity], f.u[parity], a.store.at(task, n, g.cells)};
      step.image = image;
      step.scratch = scratch;
      if (n + 1 < s.nt) {
        if (rebuilds) {
          rebuild_and_advance(step, back, parts, task, n);
        } else if (image == nullptr || !step.w.any()) {
          step.w = {};
          adjoint_step<R, Image::no>(step, parts);
        } else if (step.w.half != nullptr) {
          adjoint_step<R, Image::half>(step, parts);
        } else {
          adjoint_step<R, Image::full>(step, parts);
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
  void rebuild_and_advance(Step<T>& step, const WaveFields<T>& back, const RowParts& parts, Index task, Index n) const {
    const WaveSetup<T>& s = a.setup;
    const WaveRingLayout& ring = a.ring.layout;
    T *u = back.u[n & 1], *earlier = back.u[1 - (n & 1)];
    load_frame(ring.skirt, s.g.pitch, KeptValues<T>{a.ring.skirt_at(task, n), nullptr}, u);
    step.w = {a.ring.w_at(task, n), nullptr};
    step.strips = &ring.strips;
    step.back = u;
    step.back_next = earlier;
    adjoint_step<R, Image::full>(step, parts);
    for_each_source(s, a.wavelet, a.wavelet_stride, task, n, [&](Index i, T value) {
      if (!ring.core(i / s.g.pitch, i % s.g.pitch)) return;
      step.image[i] = mul_add(step.u[i], value, step.image[i]);
      earlier[i] = mul_add(s.c[i], value, earlier[i]);
    });
    if (n > 0) load_frame(ring.ring, s.g.pitch, a.ring.ring_at(task, n - 1), earlier);
    free_surface_images(s.g, earlier);
  }
};

template <template <int, class> class Shot, class T, class Args>
void run_shots(Stream& stream, const Args& a) {
  const Index shots = a.setup.shots;
  switch (a.setup.g.radius) {
    case 1:
      return parallel_for_coarse(stream, shots, Shot<1, T>{a});
    case 2:
      return parallel_for_coarse(stream, shots, Shot<2, T>{a});
    case 3:
      return parallel_for_coarse(stream, shots, Shot<3, T>{a});
    default:
      return parallel_for_coarse(stream, shots, Shot<4, T>{a});
  }
}

}  // namespace

template <class T>
void wave_forward(Stream& stream, const WaveForward<T>& a) {
  run_shots<ForwardShot, T>(stream, a);
}
TERRANE_INSTANTIATE(wave_forward, WaveForward)

template <class T>
void wave_adjoint(Stream& stream, const WaveAdjoint<T>& a) {
  run_shots<AdjointShot, T>(stream, a);
}
TERRANE_INSTANTIATE(wave_adjoint, WaveAdjoint)

}  // namespace terrane::TERRANE_BACKEND
