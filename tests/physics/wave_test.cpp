// SPDX-License-Identifier: MIT
// The wave operator against exact solutions, its convergence, absorbing layers, reciprocity and edge cases.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <numbers>

#include "tests/physics/wave_support.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace wave_test {

constexpr double pi = std::numbers::pi;

double ricker_at(double f0, double t) {
  const double x = pi * f0 * t, a = x * x;
  return (1 - 2 * a) * std::exp(-a);
}

// p(r, t) = int s(t - tau) G(r, tau) dtau, G = H(tau - r/c) / (2 pi sqrt(tau² - r²/c²)), the Green's function of
// p_tt / c² - lap p. With tau = (r/c) cosh(theta) the integrand is smooth; trapezoidal rule.
std::vector<double> exact_trace(double f0, double delay, double r_m, double c_mps, Index nt, double dt_s) {
  std::vector<double> p(static_cast<std::size_t>(nt), 0.0);
  const double t0 = r_m / c_mps;
  for (Index n = 0; n < nt; ++n) {
    const double t = static_cast<double>(n) * dt_s;
    if (t <= t0) continue;
    const int intervals = 4000;
    const double end = std::acosh(t / t0), h = end / intervals;
    double sum = 0;
    for (int k = 0; k <= intervals; ++k) {
      const double s = ricker_at(f0, t - t0 * std::cosh(k * h) - delay);
      sum += (k == 0 || k == intervals) ? 0.5 * s : s;
    }
    p[static_cast<std::size_t>(n)] = sum * h / (2 * pi);
  }
  return p;
}

// 8 points per wavelength at 2.5 f0, Courant number 0.1, 5 peak wavelengths; all reflections arrive later.
TEST(Wave, GreensFunction) {
  const double c = 2000, f0 = 10, h = c / (2.5 * f0) / 8, dt = 0.1 * h / c;
  const Index distance = 100;
  WaveCase w = homogeneous(141, distance + 81, h, c, 8, 1700, dt);
  w.options.pml_frequency_hz = f0;
  w.wavelet = ricker(f0, w.survey.nt, dt);
  w.survey.shots = {{{{40 * h, 70 * h}}, {{(40 + distance) * h, 70 * h}}}};
  Stream s;
  WaveRun<float> run(s, w);
  const auto trace = run.forward();
  const auto exact = exact_trace(f0, 1.5 / f0, distance * h, c, w.survey.nt, dt);
  const double error = relative_difference(trace, exact);
  std::printf("Green's function at 5 peak wavelengths: relative L2 %.3e\n", error);
  EXPECT_LT(error, 5e-3);
}

// The published analytic pressure: source term without the factor c², peak of the wavelet at t = 0.
TEST(Wave, PublishedAnalyticPressure) {
  const std::string file = test_data_file("analytic/acoustic_pressure.npy");
  if (file.empty()) GTEST_SKIP() << "analytic/acoustic_pressure.npy is not there; set TERRANE_DATA";
  std::ifstream in(file, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const Index rows = 9333;
  ASSERT_NE(bytes.find("(9333, 2)"), std::string::npos);
  const bool single = bytes.find("<f4") != std::string::npos;
  ASSERT_TRUE(single || bytes.find("<f8") != std::string::npos);
  const std::size_t size = single ? 4 : 8, start = bytes.size() - 2 * static_cast<std::size_t>(rows) * size;
  const auto value = [&](Index i) {
    const char* at = bytes.data() + start + static_cast<std::size_t>(i) * size;
    float f;
    double d;
    std::memcpy(&f, at, sizeof f);
    if (!single) std::memcpy(&d, at, sizeof d);
    return single ? static_cast<double>(f) : d;
  };
  const double c = 3297.849, f0 = 18, h = 10, dt = 2e-4, delay = 0.1 - 3.34e-5;  // the file starts at 3.34e-5 s
  const Index nt = 2300;
  WaveCase w = homogeneous(121, 121, h, c, 8, nt, dt);
  w.options.pml_frequency_hz = f0;
  w.wavelet = ricker(f0, nt, dt, delay);
  w.survey.shots = {{{{350, 350}}, {{850, 850}}}};
  Stream s;
  WaveRun<float> run(s, w);
  const auto trace = run.forward();
  std::vector<double> ours, theirs;
  for (Index i = 0; i < rows; ++i) {
    const double sample = (value(2 * i) + delay) / dt;
    const auto n = static_cast<Index>(std::llround(sample));
    if (std::abs(sample - static_cast<double>(n)) > 1e-2 || n < 0 || n >= nt) continue;
    ours.push_back(static_cast<double>(trace[static_cast<std::size_t>(n)]) / (c * c));
    theirs.push_back(value(2 * i + 1));
  }
  ASSERT_GT(ours.size(), 1000u);
  const double error = relative_difference(ours, theirs);
  std::printf("published analytic pressure: relative L2 %.3e over %zu samples\n", error, ours.size());
  EXPECT_LT(error, 0.02);
}

// Solutions on grids h, h/2, h/4 with one time step: the error in time cancels.
double spatial_order(Stream& s, int order) {
  std::vector<std::vector<double>> traces;
  for (const Index refine : {1, 2, 4}) {
    const double h = 10.0 / static_cast<double>(refine), c = 2000, f0 = 12, dt = 0.6e-3;
    WaveCase w = homogeneous(50 * refine + 1, 70 * refine + 1, h, c, order, 500, dt);
    w.options.pml = {0, 0, 0, 0};
    w.wavelet = ricker(f0, w.survey.nt, dt);
    w.survey.shots = {{{{200, 250}}, {{400, 250}, {400, 350}}}};
    w.survey.nt = 430;  // before the edges are seen
    w.wavelet.resize(430);
    WaveRun<double> run(s, w);
    traces.push_back(run.forward());
  }
  const double coarse = relative_difference(traces[0], traces[1]), fine = relative_difference(traces[1], traces[2]);
  return std::log2(coarse / fine);
}

TEST(Wave, ConvergenceInSpace) {
  Stream s;
  for (const int order : {2, 4}) {
    const double measured = spatial_order(s, order);
    std::printf("order %d in space: measured %.2f\n", order, measured);
    EXPECT_GE(measured, order == 4 ? 3.8 : 1.9);
  }
}

TEST(Wave, ConvergenceInTime) {
  Stream s;
  std::vector<std::vector<double>> traces;
  for (const Index refine : {1, 2, 4}) {
    const double c = 2000, f0 = 12, dt = 2e-3 / static_cast<double>(refine);
    const Index nt = 140 * refine;
    WaveCase w = homogeneous(51, 71, 10, c, 8, nt, dt);
    w.options.pml = {0, 0, 0, 0};
    w.wavelet = ricker(f0, nt, dt);
    w.survey.shots = {{{{200, 250}}, {{400, 250}, {400, 350}}}};
    WaveRun<double> run(s, w);
    const auto data = run.forward();
    std::vector<double> common;
    for (std::size_t i = 0; i < data.size(); i += static_cast<std::size_t>(refine)) common.push_back(data[i]);
    traces.push_back(common);
  }
  const double measured =
      std::log2(relative_difference(traces[0], traces[1]) / relative_difference(traces[1], traces[2]));
  std::printf("order in time: measured %.2f\n", measured);
  EXPECT_GE(measured, 1.9);
}

double peak_of(const std::vector<float>& data, std::size_t trace, Index nt) {
  double peak = 0;
  for (Index n = 0; n < nt; ++n) {
    const std::size_t i = trace * static_cast<std::size_t>(nt) + static_cast<std::size_t>(n);
    peak = std::max(peak, std::abs(static_cast<double>(data[i])));
  }
  return peak;
}

// What a layer of 20 cells (one peak wavelength) sends back, against a run on a grid so large that nothing returns.
// Source and receivers lie 20 cells from the layer; the offset gives the angle. The reflected peak is divided by the
// peak that the incident wave would have after the length of the reflected path (2-D decay, distance to the power
// -1/2).
TEST(Wave, AbsorbingLayer) {
  const double c = 2000, f0 = 10, h = 10, dt = 2e-3;
  const Index depth = 20, nt = 600, nx = 260, big = 320;
  const std::vector<double> angles{0, 15, 30, 45, 60, 70};
  std::vector<double> offsets;
  for (const double angle : angles) {
    offsets.push_back(std::round(2 * static_cast<double>(depth) * std::tan(angle * pi / 180)) * h);
  }
  Stream s;
  const auto traces = [&](bool reference) {
    WaveCase w = homogeneous(reference ? 2 * big : depth + big, nx + 2 * big, h, c, 8, nt, dt);
    const double z = static_cast<double>(reference ? big : depth) * h, x = static_cast<double>(big) * h;
    w.options.pml = {reference ? 0 : 20, 0, 0, 0};
    w.options.pml_frequency_hz = f0;
    w.wavelet = ricker(f0, nt, dt);
    w.survey.shots = {{{{x, z}}, {}}};
    for (const double offset : offsets) w.survey.shots[0].receivers.push_back({x + offset, z});
    WaveRun<float> run(s, w);
    return run.forward();
  };
  const auto layered = traces(false), reference = traces(true);
  std::vector<float> echo = layered;
  for (std::size_t i = 0; i < echo.size(); ++i) echo[i] -= reference[i];
  const double known = peak_of(reference, 3, nt) * std::sqrt(offsets[3]);
  for (std::size_t k = 0; k < angles.size(); ++k) {
    const double path = std::hypot(offsets[k], 2 * static_cast<double>(depth) * h);
    const double ratio = peak_of(echo, k, nt) / known * std::sqrt(path);
    std::printf("absorbing layer, incidence %2.0f degrees: reflected %.4f %%\n", angles[k], 100 * ratio);
    if (angles[k] <= 45) {
      EXPECT_LE(ratio, 1e-3);
    }
  }
}

template <class T>
double reciprocity(Stream& s, const WaveCase& base, const Position& a, const Position& b) {
  WaveCase w = base;
  w.survey.shots = {{{a}, {b}}, {{b}, {a}}};
  WaveRun<T> run(s, w);
  const auto data = run.forward();
  const auto half = static_cast<std::ptrdiff_t>(data.size() / 2);
  return relative_difference(std::vector<T>(data.begin(), data.begin() + half),
                             std::vector<T>(data.begin() + half, data.end()));
}

TEST(Wave, Reciprocity) {
  for_each_device([](Stream& s) {
    WaveCase w = small_case();
    w.grid = {33, 41, 10, 12, 0, 0};
    w.vp = random_vector(w.grid.cells(), 3, 1500, 3000);
    w.survey.nt = 161;
    w.wavelet = ricker(25, w.survey.nt, w.survey.dt_s);
    w.options.pml = {0, 0, 0, 0};
    w.options.free_surface = true;
    const Position a{101.5, 77.7}, b{360, 204.2};
    EXPECT_LE(reciprocity<double>(s, w, a, b), 1e-10);
    EXPECT_LE(reciprocity<float>(s, w, a, b), 1e-4);
  });
}

TEST(Wave, EdgeCases) {
  for_each_device([](Stream& s) {
    WaveCase w = homogeneous(1, 1, 10, 2000, 4, 31, 1e-3);  // one cell inside its layers
    w.options.pml = {3, 3, 3, 3};
    w.wavelet = ricker(30, 31, 1e-3);
    w.survey.shots = {{{{0, 0}}, {{0, 0}}}};
    WaveRun<float> cell(s, w);
    const auto one = cell.forward(true);
    EXPECT_GT(norm(one), 0);
    EXPECT_TRUE(std::isfinite(norm(one)));
    EXPECT_GT(norm(cell.vjp(one).vp), 0);

    w = small_case();
    w.survey.shots = {{{}, {{24, 20}}}};  // no source
    WaveRun<float> silent(s, w);
    const auto nothing = silent.forward(true);
    EXPECT_EQ(norm(nothing), 0);
    EXPECT_EQ(norm(silent.vjp(std::vector<float>(nothing.size(), 1.0f)).vp), 0);

    w = small_case();
    w.survey.shots = {{{{60, 30}}, {}}, {{{60, 30}}, {{60, 60}}}};  // a shot without receivers: zero trace
    WaveRun<float> mixed(s, w);
    const auto data = mixed.forward();
    for (Index n = 0; n < w.survey.nt; ++n) EXPECT_EQ(data[static_cast<std::size_t>(n)], 0.0f);
    EXPECT_GT(norm(data), 0);
  });
}

TEST(Wave, SubstepsAgreeWithFineSampling) {
  // 2 substeps of 4 ms against a run sampled at 2 ms: the same solver step, records equal within the filter's band.
  Stream s;
  const double dt = 4e-3, f0 = 8;
  const Index nt = 150;
  WaveCase w = homogeneous(41, 61, 15, 2500, 8, nt, dt);
  w.options.pml_frequency_hz = f0;
  w.options.substeps = 2;
  w.wavelet = ricker(f0, nt, dt);
  w.survey.shots = {{{{200, 300}}, {{600, 300}, {610.3, 420.9}}}};
  WaveRun<float> coarse(s, w);
  const auto a = coarse.forward();
  w.options.substeps = 1;
  w.survey.nt = 2 * nt;
  w.survey.dt_s = dt / 2;
  w.wavelet = ricker(f0, 2 * nt, dt / 2);
  WaveRun<float> fine(s, w);
  const auto b = fine.forward();
  std::vector<float> picked;
  for (std::size_t i = 0; i < b.size(); i += 2) picked.push_back(b[i]);
  const double error = relative_difference(a, picked);
  std::printf("2 substeps against fine sampling: relative L2 %.2e\n", error);
  EXPECT_LT(error, 1e-3);
}

template <class F>
std::string message_of(ErrorCode code, F&& f) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    return e.what();
  }
  ADD_FAILURE() << "no error";
  return {};
}

TEST(Wave, Errors) {
  Stream s;
  const auto make = [&](const WaveCase& w) { return [&s, w] { AcousticWave<float>(s, w.grid, w.survey, w.options); }; };
  WaveCase w = small_case();
  w.survey.shots[1].receivers.push_back({6900, 20});
  EXPECT_NE(message_of(ErrorCode::data, make(w))
                .find("receiver 2 of shot 1 at x = 6900 m lies outside the grid (0 to 192 m)"),
            std::string::npos);
  w = small_case();
  w.options.substeps = 1;
  w.survey.dt_s = 4e-3;
  EXPECT_NE(message_of(ErrorCode::config, make(w)).find("\"substeps\": 2"), std::string::npos);
  w.options.substeps = 0;
  AcousticWave<float> automatic(s, w.grid, w.survey, w.options);
  EXPECT_EQ(automatic.plan().substeps, 3);
  w = small_case();
  w.options.order = 5;
  message_of(ErrorCode::config, make(w));
  w = small_case();
  w.options.memory_budget_bytes = 1000;
  EXPECT_NE(message_of(ErrorCode::budget, make(w)).find("checkpoint"), std::string::npos);
  w = small_case();
  w.survey.shots.clear();
  message_of(ErrorCode::config, make(w));
  for (const double bad : {3000.5, 0.0, -1.0, std::nan("")}) {
    w = small_case();
    w.vp[17] = bad;
    WaveRun<float> run(s, w);
    EXPECT_NE(message_of(ErrorCode::diverged, [&] { run.forward(); }).find("vmax_mps"), std::string::npos);
  }
}

TEST(Wave, StableStepOfEveryOrder) {
  const Grid2 grid{10, 10, 1.0, 1.0, 0, 0};
  EXPECT_NEAR(wave_stable_dt_s(grid, 2, 1.0), 0.7071, 1e-4);
  EXPECT_NEAR(wave_stable_dt_s(grid, 4, 1.0), 0.6124, 1e-4);
  EXPECT_NEAR(wave_stable_dt_s(grid, 6, 1.0), 0.5752, 1e-4);
  EXPECT_NEAR(wave_stable_dt_s(grid, 8, 1.0), 0.5546, 1e-4);
}

// A source and its image: on row k below a free surface the field equals the antisymmetric pair in a doubled grid.
TEST(Wave, FreeSurfaceIsAnAntisymmetricImage) {
  for_each_device([](Stream& s) {
    WaveCase w = homogeneous(31, 61, 10, 2000, 8, 150, 2e-3);
    w.options.pml = {0, 10, 10, 10};
    w.options.free_surface = true;
    w.wavelet = ricker(15, 150, 2e-3);
    w.survey.shots = {{{{300, 50}}, {{420, 23.4}, {200, 100}}}};
    WaveRun<double> surface(s, w);
    const auto a = surface.forward();
    WaveCase d = w;
    d.grid.nz = 61;
    d.vp.assign(static_cast<std::size_t>(d.grid.cells()), 2000.0);
    d.options.free_surface = false;
    d.options.pml = {10, 10, 10, 10};
    d.options.shared_wavelet = false;
    d.survey.shots = {{{{300, 350}, {300, 250}}, {{420, 323.4}, {200, 400}}}};
    std::vector<double> both = d.wavelet;
    for (const double v : d.wavelet) both.push_back(-v);
    d.wavelet = both;
    WaveRun<double> pair(s, d);
    EXPECT_LE(relative_difference(a, pair.forward()), 1e-12);
  });
}

}  // namespace wave_test
}  // namespace terrane
