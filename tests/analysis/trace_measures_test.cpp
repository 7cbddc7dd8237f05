// SPDX-License-Identifier: MIT
// Delay, amplitude and phase of a trace: what their functionals say of shifts and factors, and the kernels of a
// homogeneous medium, whose sums are known.
#include "analysis/trace_measures.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <numbers>

#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"
#include "physics/wave/acoustic_wave.hpp"
#include "physics/wave/wavelet.hpp"

namespace terrane {
namespace trace_measures_test {

using Vector = std::vector<double>;
using Complex = std::complex<double>;

constexpr double dt = 1e-3;

// Two pulses, the second later by `delay` and higher by the factor.
Vector trace(double delay = 0, double factor = 1) {
  Vector u;
  for (int k = 0; k < 400; ++k) {
    const double t = k * dt;
    const auto pulse = [&](double peak, double f) {
      const double a = std::pow(std::numbers::pi * f * (t - peak), 2);
      return (1 - 2 * a) * std::exp(-a);
    };
    u.push_back(0.7 * pulse(0.1, 25) + factor * pulse(0.25 + delay, 20));
  }
  return u;
}
double along(const Vector& w, const Vector& u, const Vector& from) {
  double sum = 0;
  for (std::size_t k = 0; k < w.size(); ++k) sum += w[k] * (u[k] - from[k]);
  return sum;
}

TEST(TraceMeasures, Taper) {
  const Vector h = trace_taper(400, dt, 0.1, 0.2);
  EXPECT_EQ(h[99], 0);
  EXPECT_NEAR(h[105], 0.5, 1e-12);  // the middle of the edge of 10 ms
  EXPECT_EQ(h[110], 1);
  EXPECT_EQ(h[190], 1);
  EXPECT_NEAR(h[195], 0.5, 1e-12);
  EXPECT_EQ(h[201], 0);
  EXPECT_NO_THROW(trace_taper(400, dt, 0, 0.399));
  EXPECT_THROW(trace_taper(400, dt, -0.01, 0.2), Error);
  EXPECT_THROW(trace_taper(400, dt, 0.1, 0.4), Error);
  EXPECT_THROW(trace_taper(400, dt, 0.1, 0.1015), Error);
}

TEST(TraceMeasures, DelayOfAShift) {
  const Vector u = trace(), h = trace_taper(400, dt, 0.17, 0.36);
  const Vector w = delay_functional(u, h, dt);
  for (const double shift : {1e-5, -1e-5}) EXPECT_NEAR(along(w, trace(shift), u), shift, 5e-3 * std::abs(shift));
  EXPECT_NEAR(along(w, trace(0, 1.01), u), 0, 1e-5);  // a factor is no delay
  for (std::size_t k = 0; k < 170; ++k) EXPECT_EQ(w[k], 0);
  EXPECT_THROW(delay_functional(Vector(400, 0.0), h, dt), Error);
}

TEST(TraceMeasures, AmplitudeAndPhase) {
  const Vector u = trace(), h = trace_taper(400, dt, 0.17, 0.36);
  for (const double f : {12.0, 20.0, 31.0}) {
    const SpectralFunctionals m = spectral_functionals(u, h, dt, f);
    EXPECT_NEAR(along(m.log_amplitude, trace(0, 1.001), u), 1e-3, 1e-6);
    EXPECT_NEAR(along(m.phase_rad, trace(0, 1.001), u), 0, 1e-6);
    EXPECT_NEAR(along(m.phase_rad, trace(1e-5), u), -2 * std::numbers::pi * f * 1e-5, 2e-2 * f * 1e-5);
  }
  EXPECT_THROW(spectral_functionals(u, h, dt, 0), Error);
  EXPECT_THROW(spectral_functionals(u, h, dt, 500), Error);
  EXPECT_THROW(spectral_functionals(Vector(400, 0.0), h, dt, 20), Error);
}

// In a homogeneous medium a relative change of the velocity everywhere delays the direct wave by -r / v and changes the
// spectrum G = H_0(k r), k = 2 pi f / v, by k r H_1(k r) / H_0(k r), H of the second kind.
TEST(TraceMeasures, KernelsOfAHomogeneousMediumSumToWhatIsKnown) {
  StreamOptions options;
  options.threads = 1;
  Stream s(Device{}, options);
  const Grid2 grid{41, 61, 10, 10, 0, 0};
  constexpr Index nt = 400;
  constexpr double v = 2000, r = 250;
  const Survey survey = Survey::fixed_spread({{170, 200}}, {{170 + r, 200}}, nt, dt);
  WaveOptions o;
  o.order = 8;
  o.pml = {15, 15, 15, 15};
  o.vmax_mps = v;
  o.storage = Storage::all;
  const AcousticWave<double> wave(s, grid, survey, o);
  const Vector model(static_cast<std::size_t>(grid.cells()), v);
  const Buffer<double> vp = to_device(s, model), wavelet = to_device(s, ricker(18, nt, dt));
  const Buffer<double> d(s, nt), change(s, nt);
  const WaveState<double> state = wave.forward(s, vp.data(), wavelet.data(), d.data(), true);
  const Vector u = to_host(s, d);
  // Sum of kernel times velocity.
  const auto sum = [&](const Vector& w) {
    const Buffer<double> seed = to_device(s, w), gradient(s, grid.cells());
    fill(s, Fill<double>{gradient.data(), 0.0, grid.cells()});
    wave.vjp(s, vp.data(), wavelet.data(), state, seed.data(), gradient.data(), nullptr);
    double total = 0;
    for (const double g : to_host(s, gradient)) total += g * v;
    return total;
  };
  EXPECT_NEAR(sum(delay_functional(u, trace_taper(nt, dt, 0.12, 0.36), dt)), -r / v, 0.01 * r / v);
  for (const double f : {12.0, 18.0, 24.0}) {
    const SpectralFunctionals m = spectral_functionals(u, Vector(static_cast<std::size_t>(nt), 1.0), dt, f);
    const double kr = 2 * std::numbers::pi * f / v * r;
    const auto hankel = [&](double order) {
      return Complex(std::cyl_bessel_j(order, kr), -std::cyl_neumann(order, kr));
    };
    const Complex expected = kr * hankel(1) / hankel(0);
    EXPECT_NEAR(sum(m.phase_rad), expected.imag(), 0.01 * std::abs(expected)) << f;
    EXPECT_NEAR(sum(m.log_amplitude), expected.real(), 0.02 * std::abs(expected)) << f;
  }
}

}  // namespace trace_measures_test
}  // namespace terrane
