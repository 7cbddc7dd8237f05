// SPDX-License-Identifier: MIT
// First-arrival times against analytic media, reference files and themselves: order of convergence, off-grid positions,
// air, spacings, errors. Gradients, devices and determinism stand in tests/support/travel_cases.cpp.
#include "physics/eikonal/eikonal.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/io/npy.hpp"
#include "physics/eikonal/ray_path.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace eikonal_test {

// v = v0 + gz z + gx x + gy y.
struct LinearMedium {
  double v0 = 2000, gz = 0, gx = 0, gy = 0;
  double at(const Point3& p) const { return v0 + gz * p.z_m + gx * p.x_m + gy * p.y_m; }
  double time(const Point3& a, const Point3& b) const {
    const double g2 = gz * gz + gx * gx + gy * gy;
    const double r2 =
        (a.x_m - b.x_m) * (a.x_m - b.x_m) + (a.y_m - b.y_m) * (a.y_m - b.y_m) + (a.z_m - b.z_m) * (a.z_m - b.z_m);
    if (g2 == 0) return std::sqrt(r2) / v0;
    return std::acosh(1 + g2 * r2 / (2 * at(a) * at(b))) / std::sqrt(g2);
  }
};

Point3 node_position(const Grid3& g, Index i) {
  return {g.x0_m + static_cast<double>(i % g.nx) * g.dx_m, g.z0_m + static_cast<double>(i / (g.nx * g.ny)) * g.dz_m,
          g.flat() ? 0.0 : g.y0_m + static_cast<double>(i / g.nx % g.ny) * g.dy_m};
}

template <class T>
std::vector<T> medium(const Grid3& g, const LinearMedium& m) {
  std::vector<T> v;
  for (Index i = 0; i < g.cells(); ++i) v.push_back(static_cast<T>(m.at(node_position(g, i))));
  return v;
}

template <class T>
std::vector<T> solve(Stream& s, const Grid3& g, const TravelSurvey& survey, const EikonalOptions& o,
                     const std::vector<T>& model, std::vector<T>* times = nullptr, Index source = 0) {
  const Eikonal<T> op(s, g, survey, o);
  const Buffer<T> m = to_device(s, model);
  const Buffer<T> data(s, survey.data());
  EikonalState<T> state;
  op.forward(s, m.data(), data.data(), false, state);
  if (times != nullptr) *times = op.times(s, state, source);
  return to_host(s, data);
}

struct Errors {
  double most = 0, near_source = 0;  // all nodes; nodes within 15 % of the extent of the source
};

// Errors of the time field on a grid with n cells along x.
Errors field_errors(Stream& s, Grid3 g, double extent_x, double extent_z, double extent_y, Index n,
                    const LinearMedium& m, const Point3& source, const EikonalOptions& o) {
  g.nx = n + 1;
  g.dx_m = extent_x / static_cast<double>(n);
  g.nz = g.nz * n + 1;  // g.nz, g.ny: cells per cell of x
  g.dz_m = extent_z / static_cast<double>(g.nz - 1);
  if (extent_y > 0) {
    g.ny = g.ny * n + 1;
    g.dy_m = extent_y / static_cast<double>(g.ny - 1);
  }
  std::vector<double> times;
  solve<double>(s, g, TravelSurvey::full({source}, {source}), o, medium<double>(g, m), &times);
  Errors e;
  for (Index i = 0; i < g.cells(); ++i) {
    const Point3 p = node_position(g, i);
    const double error = std::fabs(times[static_cast<std::size_t>(i)] - m.time(source, p));
    e.most = std::max(e.most, error);
    if (std::hypot(p.x_m - source.x_m, p.z_m - source.z_m, p.y_m - source.y_m) < 0.15 * extent_x) {
      e.near_source = std::max(e.near_source, error);
    }
  }
  return e;
}

double order_of(double coarse, double fine) { return std::log2(coarse / fine); }

TEST(Eikonal, HomogeneousMediumIsExactWithTheSourceFactor) {
  Stream s{Device{}};
  for (const int order : {1, 2}) {
    EikonalOptions o;
    o.order = order;
    Grid3 g{.nz = 2, .ny = 1, .nx = 0};
    const Errors e = field_errors(s, g, 500, 700, 0, 40, {2000}, {213.7, 341.3}, o);
    EXPECT_LE(e.most, 1e-13) << "order " << order;
    Grid3 g3{.nz = 1, .ny = 2, .nx = 0};
    const Errors e3 = field_errors(s, g3, 500, 300, 400, 16, {2000}, {213.7, 141.3, 77.7}, o);
    EXPECT_LE(e3.most, 1e-13) << "order " << order;
  }
}

TEST(Eikonal, SecondOrderConvergesIncludingTheSource) {
  Stream s{Device{}};
  const LinearMedium m{1500, 1.1, 0.4, 0};
  for (const Point3& source : {Point3{400, 200}, Point3{0, 0}, Point3{413.7, 231.1}}) {
    EikonalOptions o;
    Grid3 g{.nz = 1, .ny = 1, .nx = 0};
    const Errors a = field_errors(s, g, 1000, 1000, 0, 100, m, source, o);
    const Errors b = field_errors(s, g, 1000, 1000, 0, 200, m, source, o);
    const Errors c = field_errors(s, g, 1000, 1000, 0, 400, m, source, o);
    EXPECT_GE(order_of(a.most, c.most) / 2, 1.9)
        << to_string(source) << " " << a.most << " " << b.most << " " << c.most;
    // The largest error of the surroundings of the source moves from node to node; its order shows on fine grids.
    EXPECT_GE(order_of(b.near_source, c.near_source), 1.9)
        << to_string(source) << " " << a.near_source << " " << b.near_source << " " << c.near_source;
    EXPECT_LE(c.most, 1e-5);
  }
}

TEST(Eikonal, FirstOrderConvergesWithOrderOne) {
  Stream s{Device{}};
  const LinearMedium m{1500, 1.1, 0.4, 0};
  EikonalOptions o;
  o.order = 1;
  Grid3 g{.nz = 1, .ny = 1, .nx = 0};
  const Errors a = field_errors(s, g, 1000, 1000, 0, 100, m, {400, 200}, o);
  const Errors b = field_errors(s, g, 1000, 1000, 0, 200, m, {400, 200}, o);
  EXPECT_NEAR(order_of(a.most, b.most), 1.0, 0.1) << a.most << " " << b.most;
}

TEST(Eikonal, SecondOrderInThreeDimensions) {
  Stream s{Device{}};
  const LinearMedium m{1500, 1.1, 0.4, -0.3};
  for (const Point3& source : {Point3{400, 200, 600}, Point3{413.7, 231.1, 577.7}}) {
    EikonalOptions o;
    Grid3 g{.nz = 1, .ny = 1, .nx = 0};
    const Errors a = field_errors(s, g, 1000, 1000, 1000, 20, m, source, o);
    const Errors b = field_errors(s, g, 1000, 1000, 1000, 40, m, source, o);
    EXPECT_GE(order_of(a.most, b.most), 1.9) << to_string(source) << " " << a.most << " " << b.most;
  }
}

TEST(Eikonal, UnequalSpacings) {
  Stream s{Device{}};
  const LinearMedium m{1500, 1.1, 0.4, 0};
  EikonalOptions o;
  for (const Point3& source : {Point3{400, 200}, Point3{413.7, 231.1}}) {
    Grid3 g{.nz = 5, .ny = 1, .nx = 0};  // dz = dx / 5
    const Errors a = field_errors(s, g, 1000, 1000, 0, 80, m, source, o);
    const Errors b = field_errors(s, g, 1000, 1000, 0, 160, m, source, o);
    EXPECT_GE(order_of(a.most, b.most), 1.9) << a.most << " " << b.most;
  }
}

TEST(Eikonal, OffGridReceiversAndReciprocity) {
  Stream s{Device{}};
  const LinearMedium m{1800, 0.7, 0.2, 0};
  const Grid3 g{81, 1, 101, 10, 1, 10, -50, 0, 100};
  const std::vector<Point3> points{{133.3, -21.7}, {811.9, 533.1}, {640, 250}, {1100, 750}, {100, -50}};
  const TravelSurvey survey = TravelSurvey::full(points, points);
  EikonalOptions o;
  const auto t = solve<double>(s, g, survey, o, medium<double>(g, m));
  for (std::size_t i = 0; i < points.size(); ++i) {
    for (std::size_t j = 0; j < points.size(); ++j) {
      const double exact = m.time(points[i], points[j]);
      EXPECT_NEAR(t[i * points.size() + j], exact, 3e-5) << to_string(points[i]) << to_string(points[j]);
      EXPECT_NEAR(t[i * points.size() + j], t[j * points.size() + i], 3e-5);
    }
  }
}

TEST(Eikonal, ManySourcesAndFloatAgreeWithOneSourceInDouble) {
  const Grid3 g{37, 1, 53, 10, 1, 12, 0, 0, 0};
  std::vector<double> v = medium<double>(g, {1500, 2.0, 1.0, 0});
  for (std::size_t i = 0; i < v.size(); ++i)
    v[i] *= 1 + 0.2 * std::sin(0.37 * static_cast<double>(i % 53)) * std::cos(0.29 * static_cast<double>(i / 53));
  std::vector<Point3> sources, receivers{{5, 5}, {600, 300}, {311, 177}};
  for (int k = 0; k < 37; ++k) sources.push_back({3.0 + 16.0 * k, 4.0 + 9.0 * k});
  for_each_device([&](Stream& s) {
    for (const int order : {1, 2}) {
      // The GPU schedule does not settle for order 2 in this medium, and a GPU refuses it.
      if (order == 2 && s.device().kind == DeviceKind::emulated) continue;
      EikonalOptions o;
      o.order = order;
      const auto all =
          solve<float>(s, g, TravelSurvey::full(sources, receivers), o, std::vector<float>(v.begin(), v.end()));
      for (const std::size_t k : {std::size_t{0}, std::size_t{17}, std::size_t{36}}) {
        const auto one = solve<double>(s, g, TravelSurvey::full({sources[k]}, receivers), o, v);
        for (std::size_t j = 0; j < 3; ++j) EXPECT_NEAR(all[k * 3 + j], one[j], 3e-6 * one[j] + 1e-9);
      }
    }
  });
}

// A grid of a field survey in both precisions, sources near the surface, smooth and rough media. The single-precision
// iteration stops at 2e-6 a node, which adds up along a path.
TEST(Eikonal, LargeGridsConvergeInBothPrecisions) {
  Stream s{Device{}};
  const Grid3 g{300, 1, 600, 10, 1, 10, 0, 0, 0};
  std::vector<Point3> sources, receivers;
  for (int k = 0; k < 8; ++k) sources.push_back({100.0 + 760 * k, k % 2 == 0 ? 10.0 : 13.7});
  for (int k = 0; k < 60; ++k) receivers.push_back({100.0 * k, k % 2 == 0 ? 20.0 : 2890.0});
  const TravelSurvey survey = TravelSurvey::full(sources, receivers);
  for (const double contrast : {0.0, 0.15}) {
    std::vector<double> v = medium<double>(g, {1500, 0.8, 0.05, 0});
    for (std::size_t i = 0; i < v.size(); ++i) {
      v[i] *=
          1 + contrast * std::sin(0.11 * static_cast<double>(i % 600)) * std::cos(0.07 * static_cast<double>(i / 600));
    }
    const auto fine = solve<double>(s, g, survey, {}, v);
    const auto coarse = solve<float>(s, g, survey, {}, std::vector<float>(v.begin(), v.end()));
    for (std::size_t i = 0; i < fine.size(); ++i) {
      EXPECT_NEAR(static_cast<double>(coarse[i]), fine[i], 4e-5 * fine[i] + 1e-7) << contrast << " datum " << i;
    }
  }
}

// A wall of air with a gap: the time to the other side is that of the way around its end.
TEST(Eikonal, AirIsGoneAround) {
  Stream s{Device{}};
  const Grid3 g{101, 1, 101, 10, 1, 10, 0, 0, 0};
  EikonalOptions o;
  o.air.assign(static_cast<std::size_t>(g.cells()), 0);
  for (Index z = 0; z <= 60; ++z) o.air[static_cast<std::size_t>(z * g.nx + 50)] = 1;
  std::vector<double> v(static_cast<std::size_t>(g.cells()), 2000);
  for (std::size_t i = 0; i < v.size(); ++i) {
    if (o.air[i] != 0) v[i] = std::nan("");
  }
  const auto t = solve<double>(s, g, TravelSurvey::full({{200, 100}}, {{800, 100}, {400, 100}}), o, v);
  const double around = 2 * std::hypot(300, 510) / 2000;  // around node (610, 500)
  EXPECT_NEAR(t[0], around, 0.01 * around);
  EXPECT_GE(t[0], 0.99 * around);
  EXPECT_NEAR(t[1], 0.1, 1e-12);
}

std::string message_of(const std::function<void()>& f, ErrorCode code) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(static_cast<int>(e.code()), static_cast<int>(code)) << e.message();
    return e.message();
  }
  ADD_FAILURE() << "no error";
  return {};
}

TEST(Eikonal, BadInputIsNamed) {
  Stream s{Device{}};
  const Grid3 g{11, 1, 21, 10, 1, 10, 0, 0, 0};
  const std::vector<double> v(static_cast<std::size_t>(g.cells()), 2000);
  const auto one = TravelSurvey::full({{50, 50}}, {{150, 50}});
  EikonalOptions o;
  const auto with = [&](const TravelSurvey& survey, const EikonalOptions& options, std::vector<double> model) {
    return [&s, &g, survey, options, model] { solve<double>(s, g, survey, options, model); };
  };
  const auto contains = [](const std::string& text, const char* part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  contains(message_of(with(TravelSurvey::full({{250, 50}}, {{150, 50}}), o, v), ErrorCode::data), "outside the grid");
  contains(message_of(with(TravelSurvey::full({{50, 50}}, {{150, -1}}), o, v), ErrorCode::data), "receiver 0");
  auto bad = v;
  bad[25] = -3;
  contains(message_of(with(one, o, bad), ErrorCode::diverged), "velocity -3 at node (z 1, y 0, x 4)");
  bad[25] = std::nan("");
  contains(message_of(with(one, o, bad), ErrorCode::diverged), "nan");
  o.property = TravelProperty::slowness;
  bad[25] = 0;
  contains(message_of(with(one, o, bad), ErrorCode::diverged), "slowness 0");
  o = {};
  o.air.assign(static_cast<std::size_t>(g.cells()), 0);
  for (Index z = 0; z < 11; ++z) o.air[static_cast<std::size_t>(z * 21 + 10)] = 1;
  contains(message_of(with(one, o, v), ErrorCode::data), "cannot be reached");
  contains(message_of(with(TravelSurvey::full({{100, 50}}, {{150, 50}}), o, v), ErrorCode::data), "in the air");
  contains(message_of(with(TravelSurvey::full({{50, 50}}, {{100, 50}}), o, v), ErrorCode::data), "in the air");
  o.air.pop_back();
  contains(message_of(with(one, o, v), ErrorCode::config), "air mask");
  o = {};
  o.order = 3;
  contains(message_of(with(one, o, v), ErrorCode::config), "order");
  o = {};
  o.max_sweeps = 1;
  contains(message_of(with(one, o, v), ErrorCode::failed), "did not converge");
  auto survey = one;
  survey.pairs.push_back({0, 7});
  contains(message_of(with(survey, {}, v), ErrorCode::data), "datum 1");
  survey = one;
  survey.sources[0].z_m = std::nan("");
  contains(message_of(with(survey, {}, v), ErrorCode::data), "not a number");
  survey = one;
  survey.pairs.clear();
  contains(message_of(with(survey, {}, v), ErrorCode::data), "no datum");
}

TEST(Eikonal, SlownessAndVelocityGiveTheSameTimes) {
  Stream s{Device{}};
  const Grid3 g{31, 1, 41, 10, 1, 10, 0, 0, 0};
  const auto v = medium<double>(g, {1500, 2.0, 1.0, 0});
  auto slowness = v;
  for (double& e : slowness) e = 1 / e;
  const auto survey = TravelSurvey::full({{50, 50}}, {{350, 250}});
  EikonalOptions o;
  const auto a = solve<double>(s, g, survey, o, v);
  o.property = TravelProperty::slowness;
  EXPECT_EQ(a, solve<double>(s, g, survey, o, slowness));
}

TEST(Eikonal, OneCellAndOneRow) {
  Stream s{Device{}};
  EikonalOptions o;
  const Grid3 one{1, 1, 1, 10, 1, 10, 0, 0, 0};
  EXPECT_EQ(solve<double>(s, one, TravelSurvey::full({{0, 0}}, {{0, 0}}), o, {2000})[0], 0);
  const Grid3 row{1, 1, 11, 10, 1, 10, 0, 0, 0};
  EXPECT_NEAR(solve<double>(s, row, TravelSurvey::full({{3, 0}}, {{97, 0}}), o, std::vector<double>(11, 2000))[0],
              94.0 / 2000, 1e-14);
}

TEST(Eikonal, RayPathsFollowTheCircleOfALinearMedium) {
  Stream s{Device{}};
  const LinearMedium m{1500, 2.0};
  const Grid3 g{101, 1, 201, 10, 1, 10, 0, 0, 0};
  const Point3 source{203, 12}, receiver{1801, 37};
  std::vector<double> times;
  solve<double>(s, g, TravelSurvey::full({source}, {receiver}), {}, medium<double>(g, m), &times);
  const auto path = trace_ray(g, times, source, receiver);
  EXPECT_EQ(path.front(), receiver);
  EXPECT_EQ(path.back(), source);
  // Rays are circles around a centre at the height where v = 0.
  const double z0 = -m.v0 / m.gz, dz1 = source.z_m - z0, dz2 = receiver.z_m - z0;
  const double xc = (receiver.x_m * receiver.x_m + dz2 * dz2 - source.x_m * source.x_m - dz1 * dz1) /
                    (2 * (receiver.x_m - source.x_m));
  const double radius = std::hypot(source.x_m - xc, dz1);
  double most = 0;
  for (const Point3& p : path) most = std::max(most, std::fabs(std::hypot(p.x_m - xc, p.z_m - z0) - radius));
  EXPECT_LE(most, 3.0);
  const double angle = std::fabs(std::atan2(dz1, source.x_m - xc) - std::atan2(dz2, receiver.x_m - xc));
  EXPECT_NEAR(path_length_m(path), radius * angle, 0.005 * radius * angle);

  const Grid3 g3{21, 21, 21, 10, 10, 10, 0, 0, 0};
  const Point3 from{50, 40, 30}, to{170, 180, 150};
  solve<double>(s, g3, TravelSurvey::full({from}, {to}), {}, medium<double>(g3, {2000}), &times);
  const auto straight = trace_ray(g3, times, from, to);
  EXPECT_NEAR(path_length_m(straight), std::hypot(120, 140, 120), 0.01);
  times.assign(times.size(), -1);
  EXPECT_THROW(trace_ray(g3, times, from, to), Error);
}

// Files: kilometres and kilometres per second.
std::vector<double> read_array(const std::string& name, Index n) {
  const std::string file = test_data_file(name);
  if (file.empty()) return {};
  const auto values = read_npy<double>(file).values;
  EXPECT_EQ(static_cast<Index>(values.size()), n);
  return values;
}

TEST(Eikonal, UnfactoredFirstOrderMatchesTheReferenceFile) {
  const auto reference = read_array("eikonal/vofz_T_fsm1.npy", 101 * 101);
  if (reference.empty()) GTEST_SKIP() << "eikonal/vofz_T_fsm1.npy is absent";
  Stream s{Device{}};
  const Grid3 g{101, 1, 101, 20, 1, 20, 0, 0, 0};
  EikonalOptions o;
  o.order = 1;
  o.factored = false;
  std::vector<double> times;
  const Point3 source{1000, 1000};
  solve<double>(s, g, TravelSurvey::full({source}, {source}), o, medium<double>(g, {2000, 0.5}), &times);
  double most = 0;
  for (std::size_t i = 0; i < times.size(); ++i) most = std::max(most, std::fabs(times[i] - reference[i]));
  EXPECT_LE(most, 1e-6);
}

TEST(Eikonal, MarmousiMatchesTheReferenceMean) {
  const auto velocity = read_array("eikonal/marmousi101_vp.npy", 101 * 101);
  const auto reference = read_array("eikonal/marmousi101_T_fmm2.npy", 101 * 101);
  if (velocity.empty() || reference.empty()) GTEST_SKIP() << "eikonal/marmousi101_*.npy are absent";
  Stream s{Device{}};
  const Grid3 g{101, 1, 101, 20, 1, 20, 0, 0, 0};
  std::vector<double> v = velocity, times;
  for (double& e : v) e *= 1000;
  const Point3 source{1000, 1000};
  solve<double>(s, g, TravelSurvey::full({source}, {source}), {}, v, &times);
  double mean = 0, wanted = 0, difference = 0, most = 0;
  for (std::size_t i = 0; i < times.size(); ++i) {
    mean += times[i];
    wanted += reference[i];
    difference += std::fabs(times[i] - reference[i]);
    most = std::max(most, std::fabs(times[i] - reference[i]));
  }
  RecordProperty("relative_mean_difference", std::to_string((mean - wanted) / wanted));
  EXPECT_LE(std::fabs(mean - wanted) / wanted, 0.005);
  EXPECT_LE(difference / wanted, 0.005);
  EXPECT_LE(most, 0.01);
}

}  // namespace eikonal_test
}  // namespace terrane
