// SPDX-License-Identifier: MIT
// J^T J of waves from products of Green's functions (Khatri-Rao) against J column by column in the time domain.
#include "physics/wave/wave_factors.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "analysis/gram.hpp"
#include "analysis/spectra.hpp"
#include "kernels/kernels.hpp"
#include "physics/wave/wavelet.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace wave_factors_test {

using Vector = std::vector<double>;

struct Case {
  Grid2 grid{13, 15, 10, 10, 0, 0};
  Survey survey;
  WaveOptions options;
  Vector vp, wavelet;
  explicit Case(Index nt) {
    survey = Survey::fixed_spread({{30, 40}, {110, 60}}, {{20, 20}, {70, 20}, {120, 30}}, nt, 2e-3);
    options.order = 4;
    options.pml = {12, 12, 12, 12};
    options.vmax_mps = 2600;
    options.storage = Storage::all;
    for (Index i = 0; i < grid.cells(); ++i) {
      vp.push_back(2000 + 20.0 * static_cast<double>(i / grid.nx) +
                   150 * std::sin(static_cast<double>(i % grid.nx)) * std::cos(static_cast<double>(i / grid.nx)));
    }
    wavelet = ricker(20, nt, survey.dt_s);
  }
};

// J^T J of the nodes inside the border, zero elsewhere, by one tangent a node.
Vector dense_normal(Stream& s, const Case& c) {
  const AcousticWave<double> wave(s, c.grid, c.survey, c.options);
  const Buffer<double> vp = to_device(s, c.vp), wavelet = to_device(s, c.wavelet);
  const Index n = c.grid.cells(), nd = wave.plan().shots * wave.plan().receivers * wave.plan().nt;
  const Buffer<double> d(s, nd), columns(s, n * nd), k(s, n * n);
  fill(s, Fill<double>{columns.data(), 0.0, n * nd});
  const WaveState<double> state = wave.forward(s, vp.data(), wavelet.data(), d.data(), true);
  for (Index y = 0; y < n; ++y) {
    const Index z = y / c.grid.nx, x = y % c.grid.nx;
    if (z == 0 || x == 0 || z + 1 == c.grid.nz || x + 1 == c.grid.nx) continue;
    Vector unit(at(n), 0.0);
    unit[at(y)] = 1;
    const Buffer<double> v = to_device(s, unit);
    wave.jvp(s, vp.data(), wavelet.data(), state, v.data(), nullptr, columns.data() + y * nd);
  }
  gemm(s, Gemm<double>{n, n, nd, columns.data(), nd, false, columns.data(), nd, true, k.data(), n});
  return to_host(s, k);
}

double difference(const Vector& got, const Vector& wanted) {
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    error += (got[i] - wanted[i]) * (got[i] - wanted[i]);
    norm += wanted[i] * wanted[i];
  }
  return std::sqrt(error / norm);
}

Vector leading(Stream& s, const Vector& k, Index n) {
  const Buffer<double> device = to_device(s, k);
  return dense_eigenpairs(s, device.data(), n, 16, false).values;
}

TEST(WaveFactors, GramIsTheNormalMatrixOfDecayedRecords) {
  Stream s{Device{}};
  const Case c(500);
  const Index n = c.grid.cells();
  const WaveFactors<double> f = wave_factors<double>(s, c.grid, c.survey, c.options, c.vp, c.wavelet);
  EXPECT_LE(f.tail, 1e-4);
  EXPECT_EQ(f.bins_hz.size(), f.terms.size());
  const Buffer<double> k(s, n * n);
  gram(s, f.terms, k.data());
  const Vector got = to_host(s, k), wanted = dense_normal(s, c);
  EXPECT_LE(difference(got, wanted), 5e-4);
  const Vector a = leading(s, got, n), b = leading(s, wanted, n);
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 5e-4 * b[i]) << i;
  if (std::getenv("TERRANE_PRINT_ERRORS") != nullptr) {
    std::printf("tail %.2e, J^T J %.2e\n", f.tail, difference(got, wanted));
    for (std::size_t i = 0; i < a.size(); ++i) std::printf("%2zu %.4e %.2e\n", i, b[i], a[i] / b[i] - 1);
  }
}

// A record that is cut off is another operator: the frequencies wrap around.
TEST(WaveFactors, RecordsThatAreCutShowInTheTail) {
  Stream s{Device{}};
  const Case c(70);
  const WaveFactors<double> f = wave_factors<double>(s, c.grid, c.survey, c.options, c.vp, c.wavelet);
  EXPECT_GT(f.tail, 1e-2);
  const Index n = c.grid.cells();
  const Buffer<double> k(s, n * n);
  gram(s, f.terms, k.data());
  EXPECT_GT(difference(to_host(s, k), dense_normal(s, c)), 0.05);
}

TEST(WaveFactors, AgreeOnEveryDevice) {
  Case c(30);
  c.options.pml = {3, 3, 3, 3};
  Vector wanted;
  for_each_device([&](Stream& s) {
    const WaveFactors<double> f = wave_factors<double>(s, c.grid, c.survey, c.options, c.vp, c.wavelet, 0.5);
    const Index n = c.grid.cells();
    const Buffer<double> k(s, n * n);
    gram(s, f.terms, k.data());
    const Vector got = to_host(s, k);
    if (wanted.empty()) wanted = got;
    EXPECT_LE(difference(got, wanted), 1e-12);
  });
}

TEST(WaveFactors, RefusesWhatIsNotAProduct) {
  Stream s{Device{}};
  Case c(40);
  const auto refused = [&](const Case& w) {
    EXPECT_THROW(wave_factors<double>(s, w.grid, w.survey, w.options, w.vp, w.wavelet), Error);
  };
  Case own = c;
  own.survey.shots[1].receivers.pop_back();
  refused(own);
  Case two = c;
  two.survey.shots[0].sources.push_back({50, 50});
  refused(two);
  Case wavelets = c;
  wavelets.options.shared_wavelet = false;
  refused(wavelets);
  Case silent = c;
  silent.wavelet.assign(silent.wavelet.size(), 0.0);
  refused(silent);
}

}  // namespace wave_factors_test
}  // namespace terrane
