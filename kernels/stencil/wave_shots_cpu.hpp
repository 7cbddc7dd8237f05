// SPDX-License-Identifier: MIT
// Time loops of one shot on the CPU, the same in two and three dimensions: records, sources, boundary ring, free
// surface. A step itself is `Steps`, by value:
//   forward(steps, n, finish)   n <= steps_at_once successive steps, every cell; adds the tangent's source term m w_0.
//                               Calls finish(i, cells) as soon as these cells of step i are there and before anything
//                               reads them: sources come in there. All planes of a row before those given have come
//                               earlier
//   strips(step)                the cells outside the core of step.ring
//   adjoint(steps, n, finish)   the same backwards; images if step.image, in the core from step.back if that is there
//   steps_at_once               1 or more
//   run(n, f)                   f(0) .. f(n - 1), which do not depend on each other
//   threads()                   that run() takes
//   image_pairs                 whether adjoint(step) adds the image of two steps at once, from step.w and step.later
#pragma once

#include <algorithm>
#include <vector>

#include "kernels/stencil/denormals_cpu.hpp"
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

  // write(row): the values at the locations of the shot.
  template <class Write>
  void sample(Index n, bool last, const Write& write) {
    if (data == nullptr) return;
    const Index traces = points.per_shot, count = points.count[shot];
    T* row = tile + (n - begin) * traces;
    write(row);
    for (Index l = count; l < traces; ++l) row[l] = 0;
    if (n + 1 - begin < wave_tile_steps && !last) return;
    write_tile(tile, traces, data, nt, begin, n + 1);
    begin = n + 1;
  }
};

// Whole rows: planes [z0, z1), rows [y0, y1) of each.
struct CellRange {
  Index z0, z1, y0, y1;
};
inline CellRange all_cells(const WaveLayout& g) { return {0, g.nz, 0, g.ny}; }

// Antisymmetric images above plane 0, once the planes under them are there.
template <class T>
void free_surface_images(const WaveLayout& g, T* u, const CellRange& cells) {
  const Index last = std::min(g.radius, g.nz - 1);
  if (!g.free_surface || cells.z0 > last || cells.z1 <= last) return;
  for (Index k = 1; k <= g.radius; ++k) {
    const T* below = u + k * g.plane;
    T* above = u - k * g.plane;
    for (Index x = cells.y0 * g.pitch; x < cells.y1 * g.pitch; ++x) above[x] = -below[x];
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

// Touched cells of a shot in a range: f(k, cell). The list ascends.
template <class T, class F>
void for_each_touched(const WavePoints<T>& p, const WaveLayout& g, Index shot, const CellRange& cells, const F& f) {
  const Index *first = p.touch_cell + p.touch_first[shot], *end = first + p.touch_count[shot];
  const Index begin = cells.y0 * g.pitch, behind = cells.y1 * g.pitch;
  const bool whole = cells.y1 - cells.y0 == g.ny;
  for (const Index* cell = std::lower_bound(first, end, cells.z0 * g.plane); cell < end; ++cell) {
    if (*cell >= cells.z1 * g.plane) return;
    const Index in_plane = whole ? begin : *cell % g.plane;
    if (in_plane >= begin && in_plane < behind) f(cell - p.touch_cell, *cell);
  }
}

// Samples of up to Most successive fields at the locations of a shot. The first field is there as a whole. Of the
// others cells are taken as they come, for later steps overwrite them.
template <int Most, class T>
class BatchSamples {
 public:
  BatchSamples(const WavePoints<T>& points, Index shot, bool used) : points_(points), shot_(shot), used_(used) {
    if (used && Most > 1) values_.resize(static_cast<std::size_t>(Most * points.most_touched));
  }
  void begin(const WaveLayout& g, const T* u) {
    if (Most == 1) {
      whole_ = u;
    } else {
      take(g, u, 0, all_cells(g));
    }
  }
  // Cells of the field of a sample.
  void take(const WaveLayout& g, const T* u, Index sample, const CellRange& cells) {
    if (Most == 1 || !used_) return;
    T* to = of(sample);
    for_each_touched(points_, g, shot_, cells, [&](Index k, Index cell) { to[k - first_touched()] = u[cell]; });
  }
  // row[l stride] = value at location l.
  void record(Index sample, T* row, Index stride) {
    const Index count = points_.count[shot_];
    if (Most == 1) {
      for (Index l = 0; l < count; ++l) row[l * stride] = points_.record(whole_, points_.first[shot_] + l);
      return;
    }
    for (Index l = 0; l < count; ++l) row[l * stride] = 0;
    const T* from = of(sample);
    for (Index k = first_touched(); k < first_touched() + points_.touch_count[shot_]; ++k, ++from) {
      for (Index j = points_.touch_start[k]; j < points_.touch_start[k + 1]; ++j) {
        row[points_.touch_location[j] * stride] += points_.touch_weight[j] * *from;
      }
    }
  }

 private:
  Index first_touched() const { return points_.touch_first[shot_]; }
  T* of(Index sample) { return values_.data() + sample * points_.most_touched; }

  const WavePoints<T>& points_;
  Index shot_;
  bool used_;
  const T* whole_ = nullptr;
  std::vector<T> values_;  // (Most, most_touched)
};

// Touched cells of the sources of one shot in a range: f(cell, value of s at sample n).
template <class T, class F>
void for_each_source(const WaveSetup<T>& s, const T* wavelet, Index stride, Index task, Index n, const CellRange& cells,
                     const F& f) {
  if (wavelet == nullptr) return;
  const WavePoints<T>& p = s.sources;
  const Index shot = s.shot[task];
  const T* values = p.sample(wavelet, stride, shot, n);
  for_each_touched(p, s.g, shot, cells, [&](Index k, Index cell) { f(cell, p.gather(k, values, stride)); });
}

template <class T>
void inject_source(const WaveForward<T>& a, const Step<T>& step, Index task, Index n, const CellRange& cells) {
  const WaveLayout& g = a.setup.g;
  for_each_source(a.setup, a.wavelet, a.wavelet_stride, task, n, cells, [&](Index i, T s) {
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
    const FlushDenormals flush;
    const WaveSetup<T>& s = a.setup;
    const WaveLayout& g = s.g;
    const WaveFields<T> f = fields_of_shot(a.fields, g, task);
    if (a.strips_only) return strips(task, f);
    const Index traces = s.receivers.per_shot;
    T* tile = s.scratch + task * wave_scratch_size(g, traces) + wave_scratch_size(g, 0);
    Recorder<T> record{s.receivers, tile,         a.data != nullptr ? a.data + task * traces * s.nt : nullptr,
                       s.nt,        s.shot[task], a.n0};
    BatchSamples<Steps::steps_at_once, T> samples(s.receivers, s.shot[task], a.data != nullptr);
    const auto keep_ring = [&](Index n) {
      if (a.ring.used()) copy_frame(steps, g, a.ring.layout.ring, f.u[n & 1], a.ring.ring_at(task, n), false);
    };
    // The ring of a field is kept before a third step overwrites it.
    const Index most = a.ring.used() ? std::min(2, Steps::steps_at_once) : Steps::steps_at_once;
    const Index last = std::min(a.n1, s.nt - 1);  // steps n0 .. last - 1
    std::vector<Step<T>> several;
    for (Index n = a.n0; n < a.n1;) {
      const Index count = std::min(most, last - n);
      samples.begin(g, f.u[n & 1]);
      keep_ring(n);
      several.clear();
      for (Index i = 0; i < count; ++i) several.push_back(step_of(f, task, n + i));
      if (count > 0) {
        steps.forward(several.data(), count, [&](Index i, const CellRange& cells) {
          const Step<T>& step = several[static_cast<std::size_t>(i)];
          inject_source(a, step, task, n + i, cells);
          free_surface_images(g, step.next, cells);
          if (i + 1 < count) samples.take(g, step.next, i + 1, cells);
        });
      }
      const Index behind = n + std::max<Index>(count, 1);
      for (Index i = n; i < behind; ++i) {
        record.sample(i, i + 1 == a.n1, [&](T* row) { samples.record(i - n, row, 1); });
      }
      if (count > 1) keep_ring(n + 1);
      n = behind;
    }
    finish_streams();
  }

 private:
  Step<T> step_of(const WaveFields<T>& f, Index task, Index n) const {
    const int parity = static_cast<int>(n & 1);
    Step<T> step{a.setup, f, f.u[parity], f.u[1 - parity], a.store.at(task, n, a.setup.g.cells)};
    step.parity = parity;
    step.background = a.background.at(task, n, a.setup.g.cells);
    step.tangent = a.tangent;
    step.background_scale = static_cast<T>(a.background.every);
    return step;
  }
  void strips(Index task, const WaveFields<T>& f) const {
    const WaveSetup<T>& s = a.setup;
    const WaveLayout& g = s.g;
    const WaveRingLayout& ring = a.ring.layout;
    for (Index n = a.n0; n <= a.n1 && n < s.nt; ++n) {
      const int parity = static_cast<int>(n & 1);
      T* u = f.u[parity];
      copy_frame(steps, g, ring.ring, u, a.ring.ring_at(task, n), true);
      free_surface_images(g, u, all_cells(g));
      if (n == a.n1 || n + 1 == s.nt) break;
      copy_frame(steps, g, ring.skirt, u, KeptValues<T>{a.ring.skirt_at(task, n), nullptr}, false);
      const Step<T> step{s, f, u, f.u[1 - parity], KeptValues<T>{a.ring.w_at(task, n), nullptr}, &ring, parity};
      steps.strips(step);
      inject_source(a, step, task, n, all_cells(g));
    }
    finish_streams();
  }
};

template <class Steps, class T>
struct AdjointShot {
  WaveAdjoint<T> a;
  Steps steps;

  void operator()(Index task) const {
    const FlushDenormals flush;
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
    const auto step_of = [&](Index n) {
      const int parity = static_cast<int>(n & 1);
      Step<T> step{s, f, f.u[1 - parity], f.u[parity], a.store.at(task, n, g.cells)};
      step.scratch = scratch;
      if (Steps::image_pairs && image != nullptr && step.w.any() && a.store.every == 1 && n + 1 < s.nt) {
        if (pending) step.later = a.store.at(task, n + 1, g.cells);
        pending = !pending && n > a.n0;
      }
      if (rebuilds || (step.w.any() && !pending)) step.image = image;
      return step;
    };
    BatchSamples<Steps::steps_at_once, T> samples(s.sources, shot, a.d_wavelet != nullptr);
    const auto record = [&](Index n, Index sample) {
      if (a.d_wavelet == nullptr) return;
      T* out = a.d_wavelet + task * s.sources.per_shot * s.nt + n;
      const Index used = n + 1 < s.nt ? s.sources.count[shot] : 0;
      if (used > 0) samples.record(sample, out, s.nt);
      for (Index l = used; l < s.sources.per_shot; ++l) out[l * s.nt] = 0;
    };
    const auto inject = [&](T* next, Index n, const CellRange& cells) {
      const WavePoints<T>& p = s.receivers;
      const T* values = tile + (n - begin) * traces;
      for_each_touched(p, g, shot, cells,
                       [&](Index k, Index i) { next[i] = mul_add(s.c[i], p.gather(k, values, Index(1)), next[i]); });
      free_surface_images(g, next, cells);
    };
    std::vector<Step<T>> several;
    for (Index n = a.n1 - 1; n >= a.n0;) {
      if (n < begin) {
        begin = std::max(a.n0, n + 1 - wave_tile_steps);
        read_tile(tile, traces, a.d_data + task * traces * s.nt, s.nt, begin, n + 1);
      }
      const bool advances = n + 1 < s.nt;  // else the field is zero
      const Index count = advances && !rebuilds ? std::min<Index>(Steps::steps_at_once, n + 1 - begin) : 1;
      several.clear();
      for (Index i = 0; i < count; ++i) several.push_back(step_of(n - i));
      samples.begin(g, f.u[1 - (n & 1)]);
      if (!advances || rebuilds) {
        if (advances) rebuild_and_advance(several[0], back, task, n);
        inject(several[0].next, n, all_cells(g));
      } else {
        steps.adjoint(several.data(), count, [&](Index i, const CellRange& cells) {
          T* next = several[static_cast<std::size_t>(i)].next;
          inject(next, n - i, cells);
          if (i + 1 < count) samples.take(g, next, i + 1, cells);
        });
      }
      for (Index i = 0; i < count; ++i) record(n - i, i);
      n -= count;
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
    steps.adjoint(&step, 1, [](Index, const CellRange&) {});
    for_each_source(s, a.wavelet, a.wavelet_stride, task, n, all_cells(g), [&](Index i, T value) {
      if (!ring.core(i / g.plane, i % g.plane / g.pitch, i % g.pitch)) return;
      step.image[i] = mul_add(step.u[i], value, step.image[i]);
      earlier[i] = mul_add(s.c[i], value, earlier[i]);
    });
    if (n > 0) copy_frame(steps, g, ring.ring, earlier, a.ring.ring_at(task, n - 1), true);
    free_surface_images(g, earlier, all_cells(g));
  }
};

}  // namespace terrane::TERRANE_BACKEND
