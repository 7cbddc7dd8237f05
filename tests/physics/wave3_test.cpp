// SPDX-License-Identifier: MIT
// The 3-D wave operator against exact solutions, its convergence, absorbing layers, reciprocity and edge cases.
#include <gtest/gtest.h>

#include <cstdio>
#include <numbers>

#include "tests/physics/wave_support.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace wave3_test {

constexpr double pi = std::numbers::pi;

// The Green's function of p_tt / c² - lap p in free space is delta(t - r/c) / (4 pi r).
std::vector<double> exact_trace(double f0, double delay, double r_m, double c_mps, Index nt, double dt_s) {
  std::vector<double> p = ricker(f0, nt, dt_s, delay + r_m / c_mps);
  for (double& v : p) v /= 4 * pi * r_m;
  return p;
}

// 8 points per wavelength at 2.5 f0, Courant number 0.1, 2.5 peak wavelengths, source and one receiver on the grid.
TEST(Wave3, GreensFunction) {
  const double c = 2000, f0 = 10, h = c / (2.5 * f0) / 8, dt = 0.1 * h / c;
  const Index distance = 50, side = 31;
  Wave3Case w = homogeneous3({side, side, distance + side, h, h, h}, c, 8, 1050, dt);
  w.options.pml_frequency_hz = f0;
  w.wavelet = ricker(f0, w.survey.nt, dt);
  const double mid = 15 * h, far = mid + static_cast<double>(distance) * h;
  w.survey.shots = {{{{mid, mid, mid}}, {{far, mid, mid}, {far - 0.4 * h, mid + 5.3 * h, mid - 7.7 * h}}}};
  Stream s;
  WaveRun<float> run(s, w);
  const auto data = run.forward();
  for (std::size_t k = 0; k < 2; ++k) {
    const Point3& p = w.survey.shots[0].receivers[k];
    const double r = std::hypot(p.x_m - mid, p.y_m - mid, p.z_m - mid);
    const auto begin = data.begin() + static_cast<std::ptrdiff_t>(k) * w.survey.nt;
    const double error = relative_difference(std::vector<float>(begin, begin + w.survey.nt),
                                             exact_trace(f0, 1.5 / f0, r, c, w.survey.nt, dt));
    std::printf("Green's function at %.2f peak wavelengths: relative L2 %.3e\n", r * f0 / c, error);
    EXPECT_LT(error, 5e-3);
  }
}

// Solutions on grids h, h/2, h/4 with one time step: the error in time cancels. No edge is seen.
double spatial_order(Stream& s, int order, double cells) {
  std::vector<std::vector<double>> traces;
  const double c = 2000, f0 = 20, wavelength = c / f0;
  for (const Index refine : {1, 2, 4}) {
    const double h = wavelength / cells / static_cast<double>(refine), dt = 0.4 * wavelength / (4 * cells) / c;
    const auto half = static_cast<Index>(std::ceil(1.3 * cells)) * refine;
    const auto nt = static_cast<Index>(2.5 / f0 / dt);
    Wave3Case w = homogeneous3({2 * half + 1, 2 * half + 1, 2 * half + 1, h, h, h}, c, order, nt, dt);
    w.options.pml = {0, 0, 0, 0, 0, 0};
    w.wavelet = ricker(f0, nt, dt);
    const double mid = static_cast<double>(half) * h, far = mid + 4 * wavelength / cells;
    w.survey.shots = {{{{mid, mid, mid}}, {{far, mid, mid}, {far, far, mid}, {mid, mid, far}}}};
    WaveRun<double> run(s, w);
    traces.push_back(run.forward());
  }
  return std::log2(relative_difference(traces[0], traces[1]) / relative_difference(traces[1], traces[2]));
}

TEST(Wave3, ConvergenceInSpace) {
  Stream s;
  for (const int order : {2, 4}) {
    const double measured = spatial_order(s, order, 10);
    std::printf("order %d in space: measured %.2f\n", order, measured);
    EXPECT_GE(measured, order == 4 ? 3.8 : 1.9);
  }
}

// What a layer of 20 cells on one side sends back, against a grid so large that nothing returns before the end. Source
// and receivers lie 10 cells from the layer; the echo is multiplied by its path and divided by the direct wave at 5
// cells, also times its path.
TEST(Wave3, AbsorbingLayer) {
  const double c = 2000, f0 = 40, h = 5, dt = 1e-3;
  const Index depth = 10, nt = 212, far = 44;
  Stream s;
  // axis -1: the large grid. Receivers at 5 and 20 cells (incidence 14 and 45 degrees).
  const auto traces = [&](int axis) {
    Wave3Case w = homogeneous3({2 * far, 2 * far, 2 * far, h, h, h}, c, 8, nt, dt);
    const double mid = static_cast<double>(far) * h;
    Point3 p{mid, mid, mid};
    w.options.pml = {0, 0, 0, 0, 0, 0};
    w.options.pml_frequency_hz = f0;
    if (axis >= 0) {
      (axis == 0 ? p.z_m : axis == 1 ? p.y_m : p.x_m) = static_cast<double>(depth) * h;
      (axis == 0 ? w.grid.nz : axis == 1 ? w.grid.ny : w.grid.nx) = far + depth;
      w.vp.resize(static_cast<std::size_t>(w.grid.cells()));
      w.options.pml[static_cast<std::size_t>(2 * axis)] = 20;
    }
    w.wavelet = ricker(f0, nt, dt);
    w.survey.shots = {{{p}, {}}};
    for (const double offset : {5 * h, 20 * h}) {
      Point3 receiver = p;
      (axis == 2 ? receiver.y_m : receiver.x_m) += offset;
      w.survey.shots[0].receivers.push_back(receiver);
    }
    WaveRun<float> run(s, w);
    return run.forward();
  };
  const auto peak = [&](const std::vector<float>& data, Index trace) {
    double most = 0;
    for (Index n = trace * nt; n < (trace + 1) * nt; ++n) {
      most = std::max(most, std::abs(static_cast<double>(data[static_cast<std::size_t>(n)])));
    }
    return most;
  };
  const auto reference = traces(-1);
  for (int axis = 0; axis < 3; ++axis) {
    std::vector<float> echo = traces(axis);
    for (std::size_t i = 0; i < echo.size(); ++i) echo[i] -= reference[i];
    for (const Index k : {Index{0}, Index{1}}) {
      const double path = std::hypot(k == 0 ? 5.0 : 20.0, 2.0 * static_cast<double>(depth));
      const double ratio = peak(echo, k) * path / (peak(reference, 0) * 5);
      std::printf("absorbing layer along %c, incidence %d degrees: reflected %.4f %%\n", "zyx"[axis], k == 0 ? 14 : 45,
                  100 * ratio);
      EXPECT_LE(ratio, 1e-3);
    }
  }
}

TEST(Wave3, Reciprocity) {
  for_each_device([](Stream& s) {
    Wave3Case w = small_case3();
    w.grid = {13, 15, 17, 10, 11, 12};
    w.vp = random_vector(w.grid.cells(), 3, 1500, 3000);
    w.survey.nt = 81;
    w.wavelet = ricker(40, w.survey.nt, w.survey.dt_s, 0.02);
    w.options.free_surface = true;
    const Point3 a{61.5, 37.7, 50.1}, b{140, 74.2, 99.9};
    const auto difference = [&](const auto& data) {
      const auto half = static_cast<std::ptrdiff_t>(data.size() / 2);
      using V = std::decay_t<decltype(data)>;
      return relative_difference(V(data.begin(), data.begin() + half), V(data.begin() + half, data.end()));
    };
    w.options.pml = {0, 0, 0, 0, 0, 0};
    w.survey.shots = {{{a}, {b}}, {{b}, {a}}};
    WaveRun<double> fine(s, w);
    EXPECT_LE(difference(fine.forward()), 1e-10);
    WaveRun<float> coarse(s, w);
    EXPECT_LE(difference(coarse.forward()), 1e-4);
  });
}

// A shot over several threads: each has rows of its own in every step, two steps run at once, and who is late loses
// tiles to others. Odd and even numbers of steps, columns of tiles with and without layers, several slabs.
TEST(Wave3, ThreadsThatShareAShotDoNotChangeBits) {
  for (const Storage storage : {Storage::all, Storage::ring}) {
    for (const Index nt : {20, 21}) {
      Wave3Case w = small_case3();
      w.grid = {45, 60, 20, 10, 11, 12};
      w.survey.nt = nt;
      w.survey.shots.resize(1);
      w.wavelet = ricker(40, nt, w.survey.dt_s, 0.02);
      w.vp = random_vector(w.grid.cells(), 5, 1500, 3000);
      w.options.order = 8;
      w.options.free_surface = nt == 20;
      if (w.options.free_surface) w.options.pml[0] = 0;
      w.options.storage = storage;
      std::vector<float> data;
      WaveRun<float>::Gradient gradient;
      for (const int threads : {1, 2, 3, 7}) {
        StreamOptions options;
        options.threads = threads;
        Stream s(Device{}, options);
        WaveRun<float> run(s, w);
        const auto d = run.forward(true);
        const auto g = run.vjp(d);
        if (threads == 1) {
          data = d;
          gradient = g;
        }
        EXPECT_TRUE(same_bits(d, data));
        EXPECT_TRUE(same_bits(g.vp, gradient.vp));
        EXPECT_TRUE(same_bits(g.wavelet, gradient.wavelet));
      }
      EXPECT_NE(data, std::vector<float>(data.size()));
    }
  }
}

TEST(Wave3, EdgeCases) {
  for_each_device([](Stream& s) {
    Wave3Case w = homogeneous3({1, 1, 1, 10, 10, 10}, 2000, 4, 31, 1e-3);  // one cell inside its layers
    w.options.pml = {3, 3, 3, 3, 3, 3};
    w.wavelet = ricker(30, 31, 1e-3);
    w.survey.shots = {{{{0, 0, 0}}, {{0, 0, 0}}}};
    WaveRun<float> cell(s, w);
    const auto one = cell.forward(true);
    EXPECT_GT(norm(one), 0);
    EXPECT_TRUE(std::isfinite(norm(one)));
    EXPECT_GT(norm(cell.vjp(one).vp), 0);

    w = small_case3();
    w.survey.shots = {{{}, {{24, 20, 22}}}};  // no source
    WaveRun<float> silent(s, w);
    const auto nothing = silent.forward(true);
    EXPECT_EQ(norm(nothing), 0);
    EXPECT_EQ(norm(silent.vjp(std::vector<float>(nothing.size(), 1.0f)).vp), 0);

    w = small_case3();
    w.survey.shots = {{{{60, 30, 33}}, {}}, {{{60, 30, 33}}, {{60, 60, 33}}}};  // a shot without receivers: zero trace
    WaveRun<float> mixed(s, w);
    const auto data = mixed.forward();
    for (Index n = 0; n < w.survey.nt; ++n) EXPECT_EQ(data[static_cast<std::size_t>(n)], 0.0f);
    EXPECT_GT(norm(data), 0);
  });
}

// A line source along y in a thick slab is the 2-D problem: the 2-D and 3-D operators give the same field.
TEST(Wave3, InvariantAlongAnAxisIsTheTwoDimensionalOperator) {
  Stream s;
  const double h = 10, dt = 1.5e-3;
  const Index nz = 17, nx = 23, ny = 81, nt = 61;  // too wide for the ends to be seen in the middle
  WaveCase flat;
  flat.grid = {nz, nx, h, h};
  flat.vp = random_vector(flat.grid.cells(), 1, 1500, 3000);
  flat.survey.nt = nt;
  flat.survey.dt_s = dt;
  flat.survey.shots = {{{{60, 40}}, {{150, 90}, {63.3, 121.1}}}};
  flat.options.vmax_mps = 3000;
  flat.options.order = 4;
  flat.options.pml = {5, 6, 7, 8};
  flat.options.substeps = 1;
  flat.wavelet = ricker(25, nt, dt);
  Wave3Case line;
  line.grid = {nz, ny, nx, h, h, h};
  for (Index z = 0; z < nz; ++z) {
    for (Index y = 0; y < ny; ++y) {
      const auto row = flat.vp.begin() + z * nx;
      line.vp.insert(line.vp.end(), row, row + nx);
    }
  }
  line.survey.nt = nt;
  line.survey.dt_s = dt;
  line.survey.shots = {{{}, {{150, 90, 400}, {63.3, 121.1, 400}}}};
  for (Index y = 0; y < ny; ++y) line.survey.shots[0].sources.push_back({60, 40, h * static_cast<double>(y)});
  line.options.vmax_mps = 3000;
  line.options.order = 4;
  line.options.pml = {5, 6, 0, 0, 7, 8};
  line.options.substeps = 1;
  line.wavelet = flat.wavelet;
  for (double& v : line.wavelet) v *= h;  // a unit line source is one point source of strength h a cell
  WaveRun<double> two(s, flat);
  WaveRun<double> three(s, line);
  EXPECT_LE(relative_difference(three.forward(), two.forward()), 1e-3);
}

// A source and its image: below a free surface the field equals the antisymmetric pair in a doubled grid.
TEST(Wave3, FreeSurfaceIsAnAntisymmetricImage) {
  for_each_device([](Stream& s) {
    Wave3Case w = homogeneous3({11, 13, 15, 10, 10, 10}, 2000, 8, 60, 2e-3);
    w.options.pml = {0, 5, 5, 5, 5, 5};
    w.options.free_surface = true;
    w.wavelet = ricker(25, 60, 2e-3);
    w.survey.shots = {{{{70, 50, 60}}, {{110, 23.4, 31.1}, {30, 80, 70}}}};
    WaveRun<double> surface(s, w);
    const auto a = surface.forward();
    Wave3Case d = w;
    d.grid.nz = 21;
    d.vp.assign(static_cast<std::size_t>(d.grid.cells()), 2000.0);
    d.options.free_surface = false;
    d.options.pml = {5, 5, 5, 5, 5, 5};
    d.options.shared_wavelet = false;
    d.survey.shots = {{{{70, 150, 60}, {70, 50, 60}}, {{110, 123.4, 31.1}, {30, 180, 70}}}};
    for (const double v : w.wavelet) d.wavelet.push_back(-v);
    WaveRun<double> pair(s, d);
    EXPECT_LE(relative_difference(a, pair.forward()), 1e-12);
  });
}

template <class F>
std::string message_of(ErrorCode code, const F& f) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(static_cast<int>(e.code()), static_cast<int>(code));
    return e.message();
  }
  ADD_FAILURE() << "no error";
  return {};
}

TEST(Wave3, Errors) {
  Stream s;
  const auto make = [&](const Wave3Case& c) {
    return [&s, c] { AcousticWave<float>(s, c.grid, c.survey, c.options); };
  };
  Wave3Case w = small_case3();
  w.survey.shots[1].receivers[1].y_m = 900;
  EXPECT_NE(
      message_of(ErrorCode::data, make(w)).find("receiver 1 of shot 1 at y = 900 m lies outside the grid (0 to 77 m)"),
      std::string::npos);
  w = small_case3();
  w.options.substeps = 1;
  w.survey.dt_s = 4e-3;
  EXPECT_NE(message_of(ErrorCode::config, make(w)).find("\"substeps\": 3"), std::string::npos);
  w = small_case3();
  w.options.order = 5;
  message_of(ErrorCode::config, make(w));
  w = small_case3();
  w.options.pml[3] = -1;
  message_of(ErrorCode::config, make(w));
  w = small_case3();
  w.options.memory_budget_bytes = 1000;
  EXPECT_NE(message_of(ErrorCode::budget, make(w)).find("checkpoint"), std::string::npos);
  for (const double bad : {3000.5, 0.0, std::nan("")}) {
    w = small_case3();
    w.vp[17] = bad;
    WaveRun<float> run(s, w);
    EXPECT_NE(message_of(ErrorCode::diverged, [&] { run.forward(); }).find("vmax_mps"), std::string::npos);
  }
}

TEST(Wave3, StableStepOfEveryOrder) {
  const Grid3 grid{10, 10, 10, 1.0, 1.0, 1.0};
  EXPECT_NEAR(wave_stable_dt_s(grid, 2, 1.0), 0.5774, 1e-4);
  EXPECT_NEAR(wave_stable_dt_s(grid, 4, 1.0), 0.5000, 1e-4);
  EXPECT_NEAR(wave_stable_dt_s(grid, 6, 1.0), 0.4697, 1e-4);
  EXPECT_NEAR(wave_stable_dt_s(grid, 8, 1.0), 0.4529, 1e-4);
}

}  // namespace wave3_test
}  // namespace terrane
