// SPDX-License-Identifier: MIT
// Small 3-D wave problems for the tests, with host arrays in and out.
#pragma once

#include <vector>

#include "physics/wave/acoustic_wave3.hpp"
#include "tests/physics/wave_support.hpp"

namespace terrane {

struct Wave3Case {
  Grid3 grid{9, 8, 11, 10.0, 11.0, 12.0};
  Survey3 survey;
  WaveOptions3 options;
  std::vector<double> vp, wavelet;
};

// Two shots with on-grid and off-grid positions, a layer of 3 cells on every side, odd number of samples.
inline Wave3Case small_case3() {
  Wave3Case c;
  c.survey.nt = 31;
  c.survey.dt_s = 1.5e-3;
  c.survey.shots = {{{{60, 30, 33}}, {{24, 20, 44}, {96, 20, 11}, {71.7, 41.3, 55.5}}},
                    {{{55.3, 41.9, 23.1}, {48, 60, 66}}, {{12, 50, 22}, {37.77, 33.33, 70.1}}}};
  c.options.order = 4;
  c.options.pml = {3, 3, 3, 3, 3, 3};
  c.options.pml_frequency_hz = 20;
  c.options.vmax_mps = 3000;
  c.options.storage = Storage::all;
  c.vp = random_vector(c.grid.cells(), 1, 1500, 3000);
  c.wavelet = ricker(40, c.survey.nt, c.survey.dt_s, 0.02);
  return c;
}

inline Wave3Case homogeneous3(const Grid3& grid, double c, int order, Index nt, double dt) {
  Wave3Case w;
  w.grid = grid;
  w.vp.assign(static_cast<std::size_t>(grid.cells()), c);
  w.survey.nt = nt;
  w.survey.dt_s = dt;
  w.options.order = order;
  w.options.vmax_mps = c;
  w.options.substeps = 1;
  return w;
}

// One operator with its device arrays. Data and wavelets as host vectors.
template <class T>
class Wave3Run {
 public:
  Wave3Run(Stream& s, const Wave3Case& c, Index batch = 0)
      : s_(s),
        op(s, c.grid, c.survey, c.options, batch),
        vp(to_device(s, cast<T>(c.vp))),
        wavelet(to_device(s, cast<T>(c.wavelet))) {
    data_size = op.plan().shots * op.plan().receivers * op.plan().nt;
  }
  void set_vp(const std::vector<double>& v) { vp = to_device(s_, cast<T>(v)); }
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
  AcousticWave3<T> op;
  Buffer<T> vp, wavelet;
  WaveState3<T> state;
  Index data_size = 0;
};

}  // namespace terrane
