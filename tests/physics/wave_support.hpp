// SPDX-License-Identifier: MIT
// Small wave problems in two and three dimensions for the tests, with host arrays in and out.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "kernels/runtime/buffer.hpp"
#include "kernels/runtime/random.hpp"
#include "physics/wave/acoustic_wave.hpp"
#include "physics/wave/wavelet.hpp"

namespace terrane {

template <class AnyGrid, class AnySurvey, class Options>
struct WaveCaseOf {
  AnyGrid grid;
  AnySurvey survey;
  Options options;
  std::vector<double> vp, wavelet;
};
using WaveCase = WaveCaseOf<Grid2, Survey, WaveOptions>;
using Wave3Case = WaveCaseOf<Grid3, Survey3, WaveOptions3>;

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
  c.grid = {13, 17, 10.0, 12.0, 0.0, 0.0};
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

// Two shots with on-grid and off-grid positions, a layer of 3 cells on every side, odd number of samples.
inline Wave3Case small_case3() {
  Wave3Case c;
  c.grid = {9, 8, 11, 10.0, 11.0, 12.0};
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

// For typed tests: the two and the three dimensions.
struct TwoD {
  using Case = WaveCase;
  static constexpr int sides = 4;
  static Case small() { return small_case(); }
};
struct ThreeD {
  using Case = Wave3Case;
  static constexpr int sides = 6;
  static Case small() { return small_case3(); }
};
using Dimensions = ::testing::Types<TwoD, ThreeD>;
struct DimensionNames {
  template <class D>
  static std::string GetName(int) {
    return D::sides == 4 ? "2D" : "3D";
  }
};

template <class Case, class Grid>
Case homogeneous_case(const Grid& grid, double c, int order, Index nt, double dt) {
  Case w;
  w.grid = grid;
  w.vp.assign(static_cast<std::size_t>(grid.cells()), c);
  w.survey.nt = nt;
  w.survey.dt_s = dt;
  w.options.order = order;
  w.options.vmax_mps = c;
  w.options.substeps = 1;
  return w;
}
inline WaveCase homogeneous(Index nz, Index nx, double h, double c, int order, Index nt, double dt) {
  return homogeneous_case<WaveCase>(Grid2{nz, nx, h, h, 0, 0}, c, order, nt, dt);
}
inline Wave3Case homogeneous3(const Grid3& grid, double c, int order, Index nt, double dt) {
  return homogeneous_case<Wave3Case>(grid, c, order, nt, dt);
}

// One operator with its device arrays. Data and wavelets as host vectors.
template <class T>
class WaveRun {
 public:
  template <class Case>
  WaveRun(Stream& s, const Case& c, Index batch = 0)
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

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

// Data, their gradient from the data themselves as residual, a tangent.
template <class T>
struct Products {
  std::vector<T> data, tangent;
  typename WaveRun<T>::Gradient gradient;
};
template <class T, class Case>
Products<T> products(Stream& s, const Case& c, bool sweep_again = false) {
  WaveRun<T> run(s, c);
  Products<T> p;
  p.data = run.forward(true);
  p.gradient = run.vjp(p.data);
  const auto v = cast<T>(random_vector(run.vp.size(), 11, -1, 1));
  p.tangent = run.jvp(&v, nullptr);
  if (!sweep_again) return p;
  run.vjp(p.tangent);  // a second sweep of the same state, from another seed and back, changes nothing
  const auto again = run.vjp(p.data);
  EXPECT_TRUE(same_bits(again.vp, p.gradient.vp));
  EXPECT_TRUE(same_bits(again.wavelet, p.gradient.wavelet));
  return p;
}
template <class T>
void expect_same(const Products<T>& a, const Products<T>& b) {
  EXPECT_TRUE(same_bits(a.data, b.data));
  EXPECT_TRUE(same_bits(a.tangent, b.tangent));
  EXPECT_TRUE(same_bits(a.gradient.vp, b.gradient.vp));
  EXPECT_TRUE(same_bits(a.gradient.wavelet, b.gradient.wavelet));
}

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
