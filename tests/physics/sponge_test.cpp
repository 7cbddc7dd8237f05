// SPDX-License-Identifier: MIT
// The operator of the OpenFWI data: against a published pair, against a plain loop in double, and its contract.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/io/npy.hpp"
#include "kernels/kernels.hpp"
#include "physics/wave/sponge_wave.hpp"
#include "tests/support/data_files.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace sponge_test {

template <class T>
std::vector<T> run(Stream& s, const SpongeWave<T>& wave, const std::vector<double>& vp, const std::vector<double>& w) {
  const Index models = static_cast<Index>(vp.size()) / wave.grid().cells();
  const Buffer<T> m = to_device(s, std::vector<T>(vp.begin(), vp.end()));
  const Buffer<T> wavelet = to_device(s, std::vector<T>(w.begin(), w.end()));
  const Buffer<T> data(s, models * wave.shots() * wave.receivers() * wave.survey().nt);
  SpongeState<T> state;
  wave.forward(s, models, m.data(), wavelet.data(), data.data(), state);
  return to_host(s, data);
}

// The published pair was made in single precision: 1.6e-5 is what that leaves.
TEST(SpongeWave, PublishedPair) {
  const std::string folder = "openfwi/with_seismic/";
  if (absent(folder + "CF_sample0_seis.npy")) GTEST_SKIP() << folder << "CF_sample0_seis.npy is absent";
  const auto vp = read_npy<double>(data_file(folder + "CF_sample0_vp.npy")).values;
  const auto wanted = read_npy<double>(data_file(folder + "CF_sample0_seis.npy")).values;  // (1, shot, time, receiver)
  Stream s{Device{}};
  const SpongeWave<float> wave(s, openfwi_grid(), openfwi_survey());
  const auto got = run(s, wave, vp, openfwi_wavelet());
  ASSERT_EQ(got.size(), wanted.size());
  double sum = 0, norm = 0;
  for (std::size_t shot = 0; shot < 5; ++shot) {
    for (std::size_t r = 0; r < 70; ++r) {
      for (std::size_t t = 0; t < 1000; ++t) {
        const double want = wanted[(shot * 1000 + t) * 70 + r];
        const double d = static_cast<double>(got[(shot * 70 + r) * 1000 + t]) - want;
        sum += d * d;
        norm += want * want;
      }
    }
  }
  EXPECT_LE(std::sqrt(sum / norm), 3e-5);
}

// The formulas of the header as plain loops over a periodic grid.
std::vector<double> plain(const std::vector<double>& vp, Index nz, Index nx, Index width, Index sz, Index sx, Index rz,
                          Index rx, const std::vector<double>& w) {
  const double h = 10, dt = 1e-3;
  const Index rows = nz + 2 * width, columns = nx + 2 * width;
  const auto at = [&](Index z, Index x) {
    return static_cast<std::size_t>((z + rows) % rows * columns + (x + columns) % columns);
  };
  double vmin = vp[0];
  for (const double v : vp) vmin = std::min(vmin, v);
  std::vector<double> a(static_cast<std::size_t>(rows * columns)), k = a, p = a, old = a, next = a, record;
  const double b = static_cast<double>(width - 1) * h, kappa = 3 * vmin * std::log(1e7) / (2 * b);
  const auto depth = [&](Index i, Index n) { return std::max(width - 1 - i, i - (n - width)); };
  for (Index z = 0; z < rows; ++z) {
    for (Index x = 0; x < columns; ++x) {
      const Index mz = std::clamp<Index>(z - width, 0, nz - 1), mx = std::clamp<Index>(x - width, 0, nx - 1);
      const double v = vp[static_cast<std::size_t>(mz * nx + mx)];
      a[at(z, x)] = v * dt / h * v * dt / h;
      const Index side = depth(x, columns), cap = depth(z, rows), i = side >= 0 ? side : cap;
      const double share = static_cast<double>(i) * h / b;
      k[at(z, x)] = i >= 0 ? dt * kappa * share * share : 0;
    }
  }
  for (const double sample : w) {
    for (Index z = 0; z < rows; ++z) {
      for (Index x = 0; x < columns; ++x) {
        const double s1 = p[at(z - 1, x)] + p[at(z + 1, x)] + p[at(z, x - 1)] + p[at(z, x + 1)];
        const double s2 = p[at(z - 2, x)] + p[at(z + 2, x)] + p[at(z, x - 2)] + p[at(z, x + 2)];
        const std::size_t c = at(z, x);
        next[c] = (2 - 5 * a[c] - k[c]) * p[c] - (1 - k[c]) * old[c] + a[c] * (4.0 / 3 * s1 - 1.0 / 12 * s2);
      }
    }
    const double v = vp[static_cast<std::size_t>(sz * nx + sx)];
    next[at(sz + width, sx + width)] += v * dt * v * dt * sample;
    record.push_back(next[at(rz + width, rx + width)]);
    old.swap(p);
    p.swap(next);
  }
  record.back() = 0;
  return record;
}

std::vector<double> wavy(Index n, double base) {
  std::vector<double> v;
  for (Index i = 0; i < n; ++i) v.push_back(base + 300 * std::sin(0.7 * static_cast<double>(i)));
  return v;
}

TEST(SpongeWave, EqualsPlainLoop) {
  const Grid2 grid{8, 11, 10, 10};
  const Survey survey = Survey::fixed_spread({{30, 20}}, {{90, 50}}, 120, 1e-3);
  SpongeOptions options;
  options.width_cells = 7;
  const auto w = openfwi_wavelet(120);
  const auto vp = wavy(88, 2400);
  const auto wanted = plain(vp, 8, 11, 7, 2, 3, 5, 9, w);
  for_each_device([&](Stream& s) {
    const auto got = run(s, SpongeWave<double>(s, grid, survey, options), vp, w);
    double largest = 0, difference = 0;
    for (std::size_t n = 0; n < got.size(); ++n) {
      largest = std::max(largest, std::abs(wanted[n]));
      difference = std::max(difference, std::abs(got[n] - wanted[n]));
    }
    EXPECT_GT(largest, 0);
    EXPECT_LE(difference, 1e-12 * largest);
  });
}

// A batch of models gives the bits of single ones, on any number of threads.
TEST(SpongeWave, BatchAndThreads) {
  const Grid2 grid{8, 11, 10, 10};
  const Survey survey = Survey::fixed_spread({{30, 20}, {50, 20}}, {{90, 50}, {0, 0}, {100, 70}}, 60, 1e-3);
  SpongeOptions options;
  options.width_cells = 30;
  const auto w = openfwi_wavelet(60);
  auto both = wavy(88, 2400);
  const auto second = wavy(88, 3400);
  both.insert(both.end(), second.begin(), second.end());
  Stream s1(Device{}, {.threads = 1}), s2(Device{}, {.threads = 2});
  const SpongeWave<float> wave(s1, grid, survey, options);
  const auto batch = run(s2, wave, both, w);
  const auto single = run(s1, wave, second, w);
  ASSERT_EQ(batch.size(), 2 * single.size());
  EXPECT_TRUE(std::equal(single.begin(), single.end(), batch.begin() + static_cast<std::ptrdiff_t>(single.size())));
}

TEST(SpongeWave, Errors) {
  Stream s{Device{}};
  const auto code = [&](const Grid2& g, const Survey& survey, double mps) {
    try {
      SpongeOptions options;
      options.width_cells = 2;
      const SpongeWave<float> wave(s, g, survey, options);
      run(s, wave, std::vector<double>(static_cast<std::size_t>(g.cells()), mps), openfwi_wavelet(survey.nt));
      return 0;
    } catch (const Error& e) {
      return static_cast<int>(e.code());
    }
  };
  const Grid2 grid{5, 6, 10, 10};
  const Survey good = Survey::fixed_spread({{10, 10}}, {{0, 0}}, 5, 1e-3);
  EXPECT_EQ(code(grid, good, 2000), 0);
  EXPECT_EQ(code(Grid2{5, 6, 10, 12}, good, 2000), 2);
  EXPECT_EQ(code(grid, Survey::fixed_spread({{13, 10}}, {{0, 0}}, 5, 1e-3), 2000), 2);
  EXPECT_EQ(code(grid, Survey::fixed_spread({{10, 100}}, {{0, 0}}, 5, 1e-3), 2000), 3);
  EXPECT_EQ(code(grid, good, 6200), 6);  // above 6124 m/s the step is unstable
  EXPECT_EQ(code(grid, good, -1), 6);
  Survey uneven = good;
  uneven.shots.push_back({{{10, 10}}, {{0, 0}, {10, 0}}});
  EXPECT_EQ(code(grid, uneven, 2000), 2);
}

TEST(SpongeWave, OpenFwiPreset) {
  const auto w = openfwi_wavelet();
  ASSERT_EQ(w.size(), 1000U);
  EXPECT_DOUBLE_EQ(w[73], 1.0);
  EXPECT_NE(w[146], 0.0);
  EXPECT_EQ(w[147], 0.0);
  EXPECT_EQ(openfwi_survey().shot_count(), 5);
  EXPECT_EQ(openfwi_survey().max_receivers(), 70);
}

}  // namespace sponge_test
}  // namespace terrane
