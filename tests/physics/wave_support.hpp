// SPDX-License-Identifier: MIT
// Small wave problems for the tests, with host arrays in and out.
#pragma once

#include <cmath>
#include <vector>

#include "kernels/runtime/buffer.hpp"
#include "kernels/runtime/random.hpp"
#include "physics/wave/acoustic_wave.hpp"
#include "physics/wave/wavelet.hpp"

namespace terrane {

struct WaveCase {
  Grid2 grid{13, 17, 10.0, 12.0, 0.0, 0.0};
  Survey survey;
  WaveOptions options;
  std::vector<double> vp, wavelet;
};

inline std::vector<double> random_vector(Index n, std::uint64_t seed, double lo, double hi) {
  const Random random(seed, RandomPurpose::test);
  std::vector<double> v(static_cast<std::size_t>(n));
  for (Index i = 0; i < n; ++i)
    v[static_cast<std::size_t>(i)] = random.uniform(static_cast<std::uint64_t>(i), 0, lo, hi);
  return v;
}

template <class T>
std::vector<T> cast(const std::vector<double>& v) {
  return std::vector<T>(v.begin(), v.end());
}

// Two shots with on-grid and off-grid positions, a layer of 4 cells on every edge, odd number of samples.
inline WaveCase small_case() {
  WaveCase c;
  c.survey.nt = 61;
  c.survey.dt_s = 1.5e-3;
  c.survey.shots = {{{{60, 30}}, {{24, 20}, {100, 20}, {131.7, 71.3}}},
                    {{{95.3, 41.9}, {48, 60}}, {{12, 110}, {77.77, 33.33}}}};
  c.options.order = 4;
  c.options.pml = {4, 4, 4, 4};
  c.options.pml_frequency_hz = 20;
  c.options.vmax_mps = 3000;
  c.options.storage = Storage::all;
  c.vp = random_vector(c.grid.cells(), 1, 1500, 3000);
  c.wavelet = ricker(25, c.survey.nt, c.survey.dt_s);
  return c;
}

// One operator with its device arrays. Data and wavelets as host vectors.
template <class T>
class WaveRun {
 public:
  WaveRun(Stream& s, const WaveCase& c, Index batch = 0)
      : s_(s),
        op(s, c.grid, c.survey, c.options, batch),
        vp(to_device(s, cast<T>(c.vp))),
        wavelet(to_device(s, cast<T>(c.wavelet))) {
    data_size = op.plan().shots * op.plan().receivers * op.plan().nt;
  }
  void set_vp(const std::vector<double>& v) { vp = to_device(s_, cast<T>(v)); }
  void set_wavelet(const std::vector<double>& v) { wavelet = to_device(s_, cast<T>(v)); }
  std::vector<T> forward(bool keep = false, std::vector<Index> shots = {}) {
    Buffer<T> data(s_, data_size);
    op.forward(s_, shots, vp.data(), wavelet.data(), data.data(), keep, state);
    return to_host(s_, data);
  }
  struct Gradient {
    std::vector<T> vp, wavelet;
  };
  Gradient vjp(const std::vector<T>& w) {
    const Buffer<T> d_data = to_device(s_, w);
    Buffer<T> d_vp = to_device(s_, std::vector<T>(static_cast<std::size_t>(vp.size()), T(0)));
    Buffer<T> d_wavelet = to_device(s_, std::vector<T>(static_cast<std::size_t>(wavelet.size()), T(0)));
    op.vjp(s_, vp.data(), wavelet.data(), state, d_data.data(), d_vp.data(), d_wavelet.data());
    return {to_host(s_, d_vp), to_host(s_, d_wavelet)};
  }
  std::vector<T> jvp(const std::vector<T>* t_vp, const std::vector<T>* t_wavelet) {
    Buffer<T> v, w, out(s_, data_size);
    if (t_vp != nullptr) v = to_device(s_, *t_vp);
    if (t_wavelet != nullptr) w = to_device(s_, *t_wavelet);
    op.jvp(s_, vp.data(), wavelet.data(), state, v.data(), w.data(), out.data());
    return to_host(s_, out);
  }

 private:
  Stream& s_;

 public:
  AcousticWave<T> op;
  Buffer<T> vp, wavelet;
  WaveState<T> state;
  Index data_size = 0;
};

template <class A, class B>
double dot(const std::vector<A>& a, const std::vector<B>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}
template <class A>
double norm(const std::vector<A>& a) {
  return std::sqrt(dot(a, a));
}
// ||a - b|| / ||b||
template <class A, class B>
double relative_difference(const std::vector<A>& a, const std::vector<B>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sum += d * d;
  }
  const double size = norm(b);
  return std::sqrt(sum) / (size > 0 ? size : 1);
}

}  // namespace terrane
