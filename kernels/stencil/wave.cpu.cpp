// SPDX-License-Identifier: MIT
// CPU schedule of the wave steps: one shot a task, the time loop inside the task, so that no step waits for another
// thread. A row is cut at the strips of the absorbing layer; every part is computed once, in vectors, without branches.
#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"
#include "kernels/stencil/wave_adjoint_cpu.hpp"
#include "kernels/stencil/wave_shots_cpu.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

template <int R, Keep K, class T>
void forward_step(const Step<T>& step, const RowParts& parts) {
  const WaveLayout& g = step.s.g;
  Index rows = 0;
  for (Index z = 0; z < g.nz; z += rows) {
    Index k = -1;
    rows = passed_together(g.z, g.z_strips, z, g.nz, k);
    const Index z_row = k < 0 ? 0 : g.z[k].offset + z - g.z[k].begin;
    for (int i = 0; i < parts.count; ++i) {
      const RowPart& part = parts.part[i];
      if (k >= 0 && part.strip >= 0) {
        forward_layer<R, true, true, K>(step, z, z_row, part, rows);
      } else if (k >= 0) {
        forward_layer<R, true, false, K>(step, z, z_row, part, rows);
      } else if (part.strip >= 0) {
        forward_layer<R, false, true, K>(step, z, 0, part, rows);
      } else {
        Index r = 0;
        for (; r + rows_per_pass <= rows; r += rows_per_pass) {
          interior_rows<R, rows_per_pass, K, Image::no>(step, z + r, part);
        }
        for (; r < rows; ++r) interior_rows<R, 1, K, Image::no>(step, z + r, part);
      }
    }
  }
}

// The same for the cells outside the core; one row at a time, so that no pass leaves a box of the strips.
template <int R, class T>
void forward_strips(const Step<T>& step, const RowParts& parts) {
  const WaveLayout& g = step.s.g;
  for (Index z = 0; z < g.nz; ++z) {
    const Index k = forward_strip(g.z, g.z_strips, z), z_row = k < 0 ? 0 : g.z[k].offset + z - g.z[k].begin;
    for (int i = 0; i < parts.count; ++i) {
      const RowPart& part = parts.part[i];
      if (k >= 0 && part.strip >= 0) {
        forward_layer<R, true, true, Keep::streamed>(step, z, z_row, part, 1);
      } else if (k >= 0) {
        forward_layer<R, true, false, Keep::streamed>(step, z, z_row, part, 1);
      } else if (part.strip >= 0) {
        forward_layer<R, false, true, Keep::streamed>(step, z, 0, part, 1);
      } else if (!step.ring->core_row(z, 0)) {
        interior_rows<R, 1, Keep::streamed, Image::no>(step, z, part);
      }
    }
  }
}

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
  Index rows = 0;
  for (Index z = 0; z < g.nz; z += rows) {
    const Index k = g.z_strip(z), z_row = k < 0 ? 0 : g.z[k].offset + z - g.z[k].begin;
    rows = k >= 0 ? 1 : whole_end(g.z, g.z_strips, z, g.nz) - z;
    if (k >= 0) {
      for (Index r = z == g.z[k].begin ? z - R : z + R; r <= z + R; ++r) adjoint_rolling_row(step, rolling, g.z[k], r);
    }
    for (int i = 0; i < parts.count; ++i) {
      const RowPart& part = parts.part[i];
      if (k >= 0 && part.strip >= 0) {
        adjoint_layer<R, true, true, I>(step, rolling, z, z_row, part, 1);
      } else if (k >= 0) {
        adjoint_layer<R, true, false, I>(step, rolling, z, z_row, part, 1);
      } else if (part.strip >= 0) {
        adjoint_layer<R, false, true, I>(step, rolling, z, 0, part, rows);
      } else {
        Index r = 0;
        for (; r + rows_per_pass <= rows; r += rows_per_pass) plain_rows<R, rows_per_pass, I>(step, z + r, part);
        for (; r < rows; ++r) plain_rows<R, 1, I>(step, z + r, part);
      }
    }
  }
}

// Steps of a shot (wave_shots_cpu.hpp), on the thread that has the shot.
template <class T>
struct RowSteps {
  static constexpr bool image_pairs = false;
  static constexpr int steps_at_once = 1;
  RowParts parts;
  bool streamed;  // snapshots

  template <class F>
  void forward(const Step<T>* steps, Index, const F& finish) const {
    const Step<T>& step = *steps;
    with_radius(step.s.g.radius, [&](auto r) { advance<r>(step); });
    if (step.background.any()) add_background(step, 0, step.s.g.cells);
    finish(0, all_cells(step.s.g));
  }
  void strips(const Step<T>& step) const {
    with_radius(step.s.g.radius, [&](auto r) { forward_strips<r>(step, parts); });
  }
  template <class F>
  void adjoint(const Step<T>* steps, Index, const F& finish) const {
    with_radius(steps->s.g.radius, [&](auto r) { retreat<r>(*steps); });
    finish(0, all_cells(steps->s.g));
  }
  Index threads() const { return 1; }
  template <class F>
  void run(Index n, const F& f) const {
    for (Index i = 0; i < n; ++i) f(i);
  }

 private:
  template <int R>
  void advance(const Step<T>& step) const {
    if (step.w.half != nullptr) return forward_step<R, Keep::half>(step, parts);
    if (step.w.full == nullptr) return forward_step<R, Keep::no>(step, parts);
    streamed ? forward_step<R, Keep::streamed>(step, parts) : forward_step<R, Keep::cached>(step, parts);
  }
  template <int R>
  void retreat(const Step<T>& step) const {
    if (step.image == nullptr) return adjoint_step<R, Image::no>(step, parts);
    step.w.half != nullptr ? adjoint_step<R, Image::half>(step, parts) : adjoint_step<R, Image::full>(step, parts);
  }
};

}  // namespace

template <class T>
void wave_forward(Stream& stream, const WaveForward<T>& a) {
  const bool streamed = a.store.slots * a.setup.g.cells * static_cast<Index>(sizeof(T)) > streamed_bytes;
  using Steps = RowSteps<T>;
  parallel_for_coarse(stream, a.setup.shots, ForwardShot<Steps, T>{a, Steps{cut_row(a.setup.g), streamed}});
}
TERRANE_INSTANTIATE(wave_forward, WaveForward)

template <class T>
void wave_adjoint(Stream& stream, const WaveAdjoint<T>& a) {
  using Steps = RowSteps<T>;
  parallel_for_coarse(stream, a.setup.shots, AdjointShot<Steps, T>{a, Steps{cut_row(a.setup.g), false}});
}
TERRANE_INSTANTIATE(wave_adjoint, WaveAdjoint)

}  // namespace terrane::TERRANE_BACKEND
