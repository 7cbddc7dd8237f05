// SPDX-License-Identifier: MIT
// CPU: a fine row is r rows of a coarse one, its phases, and every tap is one product of a phase moved by whole
// samples. Registers hold neighbouring coarse samples; sums run in the order of the formulas, so that the bits depend
// on neither blocks nor threads.
#include "kernels/stencil/resample.hpp"

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"
#include "kernels/stencil/lanes_cpu.hpp"

namespace terrane::TERRANE_BACKEND {

namespace {

constexpr int accumulators = 4;
constexpr Index most_phases = 32, reach = resample_half_width;

template <class T>
struct ResampleBlock {
  static constexpr Index size = accumulators * Lanes<T>::count;  // coarse samples
  static constexpr Index around = size + 2 * reach;              // with those that its taps see
  Lanes<T> sum[accumulators];

  // sum += c from[0 .. size)
  void add(T c, const T* from) {
    const Lanes<T> factor = Lanes<T>::all(c);
    unroll<accumulators>([&](auto k) { sum[k] = mul_add(factor, Lanes<T>::load(from + k * Lanes<T>::count), sum[k]); });
  }
  void store(T* to) const {
    unroll<accumulators>([&](auto k) { sum[k].store(to + k * Lanes<T>::count); });
  }
};

// Sample k r + p of a fine row is sample k of phase p.
template <class T>
struct ResampleDownRow {
  ResampleDown<T> f;
  void operator()(Index row) const {
    using Block = ResampleBlock<T>;
    const Index r = f.ratio;
    const T* in = f.in + row * f.fine;
    T phases[most_phases][Block::around], out[Block::size];
    for (Index first = 0; first < f.coarse; first += Block::size) {
      for (Index x = 0; x < Block::around; ++x) {
        for (Index p = 0; p < r; ++p) {
          const Index j = (first + x - reach) * r + p;
          phases[p][x] = j >= 0 && j < f.fine ? in[j] : T(0);
        }
      }
      Block sums{};
      for (Index i = 1 - f.half; i < f.half; ++i) {
        const Index from = i + f.half;  // of the first phase's first sample
        sums.add(f.tap(i), &phases[from % r][from / r]);
      }
      sums.store(out);
      const Index count = f.coarse - first < Block::size ? f.coarse - first : Block::size;
      for (Index k = 0; k < count; ++k) f.store(row * f.coarse + first + k, out[k]);
    }
  }
};

template <class T>
struct ResampleUpRow {
  ResampleUp<T> f;
  void operator()(Index row) const {
    using Block = ResampleBlock<T>;
    const Index r = f.ratio, samples = (f.fine + r - 1) / r;
    const T* in = f.in + row * f.coarse;
    T around[Block::around], out[most_phases][Block::size];
    for (Index first = 0; first < samples; first += Block::size) {
      for (Index x = 0; x < Block::around; ++x) {
        const Index k = first + x - reach;
        around[x] = k >= 0 && k < f.coarse ? in[k] : T(0);
      }
      for (Index p = 0; p < r; ++p) {
        Block sums{};
        for (Index m = 1 - reach; m <= (p > 0 ? reach : reach - 1); ++m) sums.add(f.tap(p - m * r), around + reach + m);
        sums.store(out[p]);
      }
      const Index count = f.fine - first * r < Block::size * r ? f.fine - first * r : Block::size * r;
      for (Index j = 0; j < count; ++j) f.store(row * f.fine + first * r + j, out[j % r][j / r]);
    }
  }
};

}  // namespace

template <class T>
void resample_up(Stream& s, const ResampleUp<T>& f) {
  if (f.ratio > most_phases || f.half != reach * f.ratio) return parallel_for_2d(s, f.rows, f.fine, f);
  parallel_for_coarse(s, f.rows, ResampleUpRow<T>{f});
}
template <class T>
void resample_down(Stream& s, const ResampleDown<T>& f) {
  if (f.ratio > most_phases || f.half != reach * f.ratio) return parallel_for_2d(s, f.rows, f.coarse, f);
  parallel_for_coarse(s, f.rows, ResampleDownRow<T>{f});
}

TERRANE_INSTANTIATE(resample_up, ResampleUp)
TERRANE_INSTANTIATE(resample_down, ResampleDown)

}  // namespace terrane::TERRANE_BACKEND
