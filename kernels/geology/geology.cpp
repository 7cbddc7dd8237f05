// SPDX-License-Identifier: MIT
#include "kernels/geology/geology.hpp"

#include "kernels/geology/draw_scene.hpp"
#include "kernels/geology/layered_value.hpp"
#include "kernels/geology/style.hpp"
#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {

namespace {

template <class T>
struct DrawScene {
  GeologyScenes<T> f;
  TERRANE_HD void operator()(Index i) const {
    draw_scene(f.scenes[i], f.family, f.seed, f.first + static_cast<std::uint64_t>(i) * f.step, f.layers);
  }
};

// f of Style-A scenes on their lattices, (scenes, lattice, lattice); one call a row.
struct StyleLattice {
  const GeologyScene* scenes;
  double* lattice;
  TERRANE_HD void operator()(Index row) const {
    const Index map = row / style_lattice, r = row % style_lattice;
    StyleRow<style_waves> waves(scenes[map], 0.5 - style_margin, static_cast<double>(r - style_margin) + 0.5, 1.0);
    double* line = lattice + row * style_lattice;
    for (Index c = 0; c < style_lattice; ++c) {
      line[c] = waves.field();
      waves.advance();
    }
    for (Index c = 0; c < style_lattice; ++c) line[c] = style_outline(line[c], 0.0, scenes[map].level);
  }
};

constexpr int geology_chunk = 64;  // pixels that are summed up at a time

template <class T>
struct RenderLine : GeologyRender<T> {
  using GeologyRender<T>::scenes, GeologyRender<T>::family, GeologyRender<T>::size, GeologyRender<T>::samples,
      GeologyRender<T>::lattice, GeologyRender<T>::vp, GeologyRender<T>::labels;

  TERRANE_HD double step() const { return geology_extent / static_cast<double>(size * samples); }

  // One column of a layered map, or one row of a Style map.
  TERRANE_HD void operator()(Index line) const {
    const Index map = line / size;
    if (is_style(family)) {
      style_row(scenes[map], map, line % size);
    } else {
      layered_column(scenes[map], map, line % size);
    }
  }

  TERRANE_HD void layered_column(const GeologyScene& scene, Index map, Index column) const {
    const double h = step(), norm = static_cast<double>(samples) * samples;
    const double x0 = geology_phase_x(family), z0 = geology_phase_z(family);
    T* out = vp + map * size * size + column;
    for (Index begin = 0; begin < size; begin += geology_chunk) {
      const Index end = begin + geology_chunk < size ? begin + geology_chunk : size;
      double sum[geology_chunk] = {};
      for (Index i = column * samples; i < (column + 1) * samples; ++i) {
        const GeologyColumn at(scene, (static_cast<double>(i) + 0.5) * h + x0);
        for (Index r = begin; r < end; ++r) {
          for (Index k = r * samples; k < (r + 1) * samples; ++k) {
            sum[r - begin] += at.value(scene, (static_cast<double>(k) + 0.5) * h + z0);
          }
        }
      }
      for (Index r = begin; r < end; ++r) out[r * size] = static_cast<T>(sum[r - begin] / norm);
    }
    if (labels == nullptr) return;
    const double pixel = geology_extent / static_cast<double>(size);
    const GeologyColumn at(scene, (static_cast<double>(column) + 0.5) * pixel + x0);
    for (Index r = 0; r < size; ++r) {
      labels[(map * size + r) * size + column] =
          static_cast<std::uint8_t>(at.label(scene, (static_cast<double>(r) + 0.5) * pixel + z0));
    }
  }

  TERRANE_HD void style_row(const GeologyScene& scene, Index map, Index row) const {
    const double h = step(), norm = static_cast<double>(samples) * samples;
    T* out = vp + (map * size + row) * size;
    for (Index begin = 0; begin < size; begin += geology_chunk) {
      const Index end = begin + geology_chunk < size ? begin + geology_chunk : size;
      double sum[geology_chunk] = {};
      for (Index k = row * samples; k < (row + 1) * samples; ++k) {
        const double z = (static_cast<double>(k) + 0.5) * h;
        if (is_b(family)) {
          add_sharp(scene, z, begin, end, sum);
        } else {
          add_blurred(scene, map, z, begin, end, sum);
        }
      }
      for (Index c = begin; c < end; ++c) out[c] = static_cast<T>(sum[c - begin] / norm);
    }
    if (labels == nullptr) return;
    for (Index c = 0; c < size; ++c) labels[(map * size + row) * size + c] = 0;
  }
  TERRANE_HD void add_sharp(const GeologyScene& scene, double z, Index begin, Index end, double* sum) const {
    const double h = step();
    StyleRow<style_waves + style_fine> waves(scene, (static_cast<double>(begin * samples) + 0.5) * h, z, h);
    double a[geology_chunk], q[geology_chunk];
    for (Index first = begin * samples; first < end * samples; first += geology_chunk) {
      const Index last = first + geology_chunk < end * samples ? first + geology_chunk : end * samples;
      for (Index i = 0; i < last - first; ++i) {
        a[i] = waves.field();
        q[i] = waves.detail();
        waves.advance();
      }
      for (Index i = 0; i < last - first; ++i) a[i] = style_value(scene, style_outline(a[i], q[i], scene.level), z);
      for (Index i = first; i < last; ++i) sum[i / samples - begin] += a[i - first];
    }
  }
  TERRANE_HD void add_blurred(const GeologyScene& scene, Index map, double z, Index begin, Index end,
                              double* sum) const {
    const double h = step();
    const double* f = lattice + map * style_lattice * style_lattice;
    double line[style_lattice] = {};  // blurred along z
    StyleTaps vertical, taps;
    vertical.move(z);
    for (int j = 0; j < style_taps; ++j) {
      for (int c = 0; c < style_lattice; ++c) {
        line[c] += vertical.weight[j] * f[(vertical.first + j) * style_lattice + c];
      }
    }
    for (Index i = begin * samples; i < end * samples; ++i) {
      taps.move((static_cast<double>(i) + 0.5) * h);
      double value = 0;
      for (int j = 0; j < style_taps; ++j) value += taps.weight[j] * line[taps.first + j];
      sum[i / samples - begin] += style_value(scene, value, z);
    }
  }
};

// Lines [k lines, (k + 1) lines) of a batch: a task of a CPU thread.
template <class F>
struct LineBlock {
  F f;
  Index lines;
  TERRANE_HD void operator()(Index k) const {
    for (Index i = k * lines; i < (k + 1) * lines; ++i) f(i);
  }
};

template <class F>
void for_lines(Stream& s, Index maps, Index lines, const F& f) {
#if defined(TERRANE_CUDA_BACKEND)
  parallel_for(s, maps * lines, f);
#else
  parallel_for_coarse(s, maps, LineBlock<F>{f, lines});
#endif
}

}  // namespace

template <class T>
void geology_scenes(Stream& s, const GeologyScenes<T>& f) {
  parallel_for_coarse(s, f.count, DrawScene<T>{f});
}

template <class T>
void geology_render(Stream& s, const GeologyRender<T>& f) {
  if (f.family == GeologyFamily::style_a) {
    for_lines(s, f.maps, style_lattice, StyleLattice{f.scenes, f.lattice});
  }
  for_lines(s, f.maps, f.size, RenderLine<T>{f});
}

TERRANE_INSTANTIATE(geology_scenes, GeologyScenes)
TERRANE_INSTANTIATE(geology_render, GeologyRender)

}  // namespace terrane::TERRANE_BACKEND
