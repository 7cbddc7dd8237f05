// SPDX-License-Identifier: MIT
// 3-D resistivity against an independent sparse solver, its own direct solver, analytic media and the 2.5-D operator;
// reciprocity, topography, errors. Gradients, devices and determinism also stand in
// tests/support/resistivity_cases.cpp.
#include "physics/resistivity/resistivity3d.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <functional>
#include <tuple>

#include "autodiff/check.hpp"
#include "tests/physics/layered_earth.hpp"
#include "tests/physics/resistivity_support.hpp"

namespace terrane {
namespace resistivity3d_test {

struct OneThread : Stream {  // many small loops: threads would wait for each other where the processor is shared
  OneThread() : Stream(Device{}, options()) {}
  static StreamOptions options() {
    StreamOptions o;
    o.threads = 1;
    return o;
  }
};

// --- against independent solvers -------------------------------------------------------------------------------------
// Kronecker products of one-dimensional differences and averages, a general sparse LU and central differences of fourth
// order gave the numbers below for the same mesh and model.
struct OddMesh {
  TensorMesh3 mesh;
  DcSurvey survey;
  Resistivity3dOptions options;
  Values model;
  explicit OddMesh(bool hilly) {
    const auto axis = [](double from, const Values& widths) {
      Values nodes{from};
      for (const double w : widths) nodes.push_back(nodes.back() + w);
      return nodes;
    };
    mesh = {axis(-6, {3, 1.5, 1, 1, .5, 1, 2, 4}), axis(-3, {2, 1, .75, 1, 3}), axis(.25, {.5, 1, 1, 2, 4})};
    for (Index i = 0; i < mesh.cells(); ++i) {
      const auto x = static_cast<double>(i % 8), y = static_cast<double>(i / 8 % 5), z = static_cast<double>(i / 40);
      model.push_back(std::log(0.02) + std::sin(1.3 * x + 0.4 * z - 0.7 * y) + 0.5 * std::cos(0.27 * z * x + 0.5 * y));
    }
    survey.electrodes = {{0.5, 0.75, -0.25}, {-1, 0.75, 0.4}, {1.2, 0.25, -0.5},
                         {0.1, 2.6, 0.3},    {2, 0.25, -1},   {3.3, 1.5, 1.1}};
    survey.data = {{0, 1, 2, 3}, {0, -1, 4, -1}, {3, -1, 5, 1}, {-1, 5, 0, 2}, {4, 3, -1, 1}};
    options.origin = Point3{0.3, 0.25, 0.2};
    options.tolerance = 1e-13;
    if (!hilly) return;
    options.air.assign(at(mesh.cells()), 0);
    for (Index y = 0; y < 5; ++y) {
      for (Index x = 0; x < 8; ++x) options.air[at(y * 8 + x)] = (y < 2 && x < 3) || (y > 2 && x > 4) ? 1 : 0;
    }
    options.air[40] = 1;
  }
};

TEST(Resistivity3d, MatchesAnIndependentSparseSolver) {
  const Values wanted[2] = {
      {2.89531091448712, 2.34175535321887, -1.10336637886277, 0.527727267568102, 1.14480108024994},
      {3.03005030783988, 2.49325062386424, -1.32836072042443, 0.534690486955147, 1.31377998847717}};
  const Values wanted_gradient[2] = {{0.00850080686129, 0.18057848146, -0.012177656097},
                                     {0.0125005214806, 0.213264623129, -0.00939590380907}};
  OneThread s;
  for (const bool hilly : {false, true}) {
    for (const DcSolution solution : {DcSolution::multigrid, DcSolution::direct}) {
      OddMesh c(hilly);
      c.options.solution = solution;
      const Resistivity3d<double> dc(s, c.mesh, c.survey, c.options);
      Resistivity3dState state;
      const Values d = voltages(s, dc, c.model, state);
      for (std::size_t i = 0; i < d.size(); ++i) EXPECT_NEAR(d[i] / wanted[hilly][i], 1, 1e-11) << i;
      const Values g = gradient(s, dc, c.model, state, Values{1, -2, .5, 3, -1.5});
      const std::size_t cells[3] = {2 * 40 + 8 + 4, 4 * 40, 40 + 3 * 8 + 7};
      for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(g[cells[i]] / wanted_gradient[hilly][i], 1, 1e-8) << hilly << i;
    }
  }
}

// A core of unit cells, padding, and a medium of strong contrasts.
struct Rough {
  TensorMesh3 mesh;
  DcSurvey survey;
  Values model;
  Rough(Index n, Index padding, double factor, double dz, int medium) {
    const double half = static_cast<double>(n) / 2;
    mesh = TensorMesh3::padded(n / 2, n, n, dz, 1, 1, {-half, 0, -half}, padding, factor);
    for (const double x : {-3., 1., 3.}) {
      for (const double y : {-2., 0., 3.}) survey.electrodes.push_back({x, 0, y});
    }
    for (Index i = 0; i < 9; ++i) survey.data.push_back({i, (i + 1) % 9, (i + 3) % 9, (i + 5) % 9});
    const Values noise = random_normal<double>(mesh.cells(), 3);
    for (Index i = 0; i < mesh.cells(); ++i) {
      const Index x = i % mesh.nx(), y = i / mesh.nx() % mesh.ny(), z = i / mesh.nx() / mesh.ny();
      const double random = std::fmod(std::fabs(noise[at(i)]) * 1000, 1.0) - 0.5;
      const bool block = z > 1 && z < 6 && x > padding + 2 && x < padding + 6 && y > padding && y < padding + 5;
      const bool sheet = z > 0 && x == padding + n / 2;
      const double power = medium == 0   ? random
                           : medium == 1 ? (block ? 1 : 0)
                           : medium == 2 ? (z > 2 && z < 6 ? 1 : 0)
                                         : (sheet ? 1 : 0);
      model.push_back(std::log(0.01) + power * std::log(1000.0));
    }
  }
};

TEST(Resistivity3d, MultigridAgreesWithFactors) {
  OneThread s;
  Rough c(8, 4, 1.4, 0.5, 0);
  Resistivity3dOptions o;
  o.air = air_above(c.mesh, {{-9, 9}, {-9, 9}, {0, 2.2, -1, 0.4}});
  for (Point3& p : c.survey.electrodes) p.z_m = ground_z_m(c.mesh, o.air, p.x_m, p.y_m);
  Values d[2], g[2];
  for (const bool direct : {false, true}) {
    o.solution = direct ? DcSolution::direct : DcSolution::multigrid;
    const Resistivity3d<double> dc(s, c.mesh, c.survey, o);
    Resistivity3dState state;
    d[direct] = voltages(s, dc, c.model, state);
    g[direct] = gradient(s, dc, c.model, state, Values(9, 1.0));
  }
  EXPECT_LE(largest_relative(d[0], d[1]), 1e-9);
  double difference = 0;
  for (std::size_t i = 0; i < g[0].size(); ++i) difference += std::pow(g[0][i] - g[1][i], 2);
  EXPECT_LE(std::sqrt(difference / dot(g[1], g[1])), 1e-9);
}

TEST(Resistivity3d, FewStepsForStrongContrastsAndStretchedCells) {
  OneThread s;
  for (const auto& [factor, dz] :
       {std::pair(1.3, 1.0), std::pair(1.5, 1.0), std::pair(1.3, 0.25), std::pair(1.4, 4.0)}) {
    for (int medium = 0; medium < 4; ++medium) {
      const Rough c(12, 7, factor, dz, medium);
      const Resistivity3d<double> dc(s, c.mesh, c.survey, {});
      Resistivity3dState state;
      voltages(s, dc, c.model, state);
      EXPECT_LE(state.steps, 25) << factor << " " << dz << " medium " << medium;
      std::printf("padding %.1f, height %.2f, medium %d: %lld steps\n", factor, dz, medium,
                  static_cast<long long>(state.steps));
    }
  }
}

TEST(Resistivity3d, SameBitsForAnyNumberOfThreads) {
  const Rough c(12, 5, 1.4, 0.5, 0);
  Values d[2], g[2];
  for (const int threads : {1, 2}) {
    StreamOptions options;
    options.threads = threads;
    Stream s(Device{}, options);
    const Resistivity3d<double> dc(s, c.mesh, c.survey, {});
    Resistivity3dState state;
    d[threads - 1] = voltages(s, dc, c.model, state);
    g[threads - 1] = gradient(s, dc, c.model, state, Values(9, 1.0));
  }
  EXPECT_EQ(d[0], d[1]);
  EXPECT_EQ(g[0], g[1]);
}

TEST(Resistivity3d, Reciprocity) {
  OneThread s;
  const Rough c(8, 5, 1.4, 1, 0);
  DcSurvey swapped = c.survey;
  for (DcDatum& d : swapped.data) d = {d.m, d.n, d.a, d.b};
  const Values a = voltages(s, Resistivity3d<double>(s, c.mesh, c.survey, {}), c.model);
  const Values b = voltages(s, Resistivity3d<double>(s, c.mesh, swapped, {}), c.model);
  EXPECT_LE(largest_relative(a, b), 1e-10);
}

TEST(Resistivity3d, MemoryIsForecast) {
  OneThread s;
  const Rough c(12, 6, 1.4, 1, 1);
  const Resistivity3d<double> dc(s, c.mesh, c.survey, {});
  const Index before = s.arena()->stats().current_bytes;
  Resistivity3dState state;
  voltages(s, dc, c.model, state);
  const auto used = static_cast<double>(s.arena()->stats().current_bytes - before);
  EXPECT_NEAR(static_cast<double>(dc.memory_bytes()) / used, 1, 0.02);
}

// --- topography ------------------------------------------------------------------------------------------------------
TEST(Resistivity3d, AirOnTopChangesNothing) {
  OneThread s;
  const OddMesh c(false);
  OddMesh high = c;
  high.mesh.z_m.insert(high.mesh.z_m.begin(), {-3, -1});
  high.model.insert(high.model.begin(), 80, NAN);  // not read
  high.options.air.assign(at(high.mesh.cells()), 0);
  std::fill_n(high.options.air.begin(), 80, std::uint8_t{1});
  Resistivity3dState low_state, high_state;
  const Resistivity3d<double> low(s, c.mesh, c.survey, c.options), with_air(s, high.mesh, high.survey, high.options);
  const Values a = voltages(s, low, c.model, low_state), b = voltages(s, with_air, high.model, high_state);
  EXPECT_LE(largest_relative(a, b), 1e-11);
  const Values ones(a.size(), 1.0), ga = gradient(s, low, c.model, low_state, ones),
                                    gb = gradient(s, with_air, high.model, high_state, ones);
  for (std::size_t i = 0; i < 80; ++i) EXPECT_EQ(gb[i], 0);
  for (std::size_t i = 0; i < ga.size(); ++i) EXPECT_NEAR(ga[i], gb[i + 80], 1e-10);
}

TEST(Resistivity3d, GroundAndAir) {
  const TensorMesh3 mesh = TensorMesh3::padded(3, 2, 2, 1, 1, 2, {0, 10, 0}, 0, 1);
  const auto air = air_above(mesh, {{0, 4}, {0, 2}, {9.8, 10.9, 9.8, 12.9}});
  EXPECT_EQ(air, (std::vector<std::uint8_t>{0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0}));
  EXPECT_EQ(ground_z_m(mesh, air, 3, 0.5), 11);
  EXPECT_EQ(ground_z_m(mesh, air, 3, 1.5), 12);
  EXPECT_EQ(ground_z_m(mesh, air, 3, 1), 11);
  EXPECT_EQ(ground_z_m(mesh, air, 2, 1.5), 10);
}

// --- analytic media --------------------------------------------------------------------------------------------------
// Unit cells around (0, 0) with wide padding; pole-pole data between electrode 0 and the others.
struct Block {
  TensorMesh3 mesh;
  DcSurvey survey;
  Resistivity3dOptions options;
  Block(const std::vector<Point3>& electrodes, Index nx = 36, Index ny = 12, Index nz = 14) {
    mesh = TensorMesh3::padded(nz, ny, nx, 1, 1, 1, {-static_cast<double>(nx) / 2, 0, -static_cast<double>(ny) / 2}, 22,
                               1.22);
    survey.electrodes = electrodes;
    for (Index i = 1; i < static_cast<Index>(electrodes.size()); ++i) survey.data.push_back({0, -1, i, -1});
    options.tolerance = 1e-8;
  }
  Values solve(const std::function<double(double x, double y, double z)>& sigma) const {
    OneThread s;
    Values m;
    for (Index i = 0; i < mesh.cells(); ++i) {
      const Index x = i % mesh.nx(), y = i / mesh.nx() % mesh.ny(), z = i / mesh.nx() / mesh.ny();
      m.push_back(std::log(sigma(mesh.middle_m(2, x), mesh.middle_m(1, y), mesh.middle_m(0, z))));
    }
    return voltages(s, Resistivity3d<double>(s, mesh, survey, options), m);
  }
};

double distance(const Point3& a, const Point3& b) { return std::hypot(a.x_m - b.x_m, a.y_m - b.y_m, a.z_m - b.z_m); }

TEST(Resistivity3d, HalfSpaceWithElectrodesOnAndBelowTheSurface) {
  const double sigma = 0.02;
  double worst = 0;
  for (const Point3& source : {Point3{0, 0, 0}, Point3{-8, 0, 1}, Point3{1.5, 7.25, 0.5}}) {
    std::vector<Point3> electrodes{source};
    for (const Point3& p : {Point3{6, 0, 0}, Point3{12.5, 0, 3}, Point3{-16, 0, 2}, Point3{0, 13, 4}, Point3{8, 10, -4},
                            Point3{-9, 3, 0.75}, Point3{-7.25, 12.5, 0}}) {
      if (distance(p, source) >= 6) electrodes.push_back(p);
    }
    const Values d = Block(electrodes).solve([&](double, double, double) { return sigma; });
    for (std::size_t i = 0; i < d.size(); ++i) {
      const double error = std::fabs(d[i] * sigma / half_space_potential(source, electrodes[i + 1], 0) - 1);
      EXPECT_LT(error, 0.01) << to_string(source) << " to " << to_string(electrodes[i + 1]);
      worst = std::max(worst, error);
    }
  }
  std::printf("half-space, spacings from 6 cells: largest error %.2f %%\n", 100 * worst);
}

// Of 1 A at the surface of a layer of thickness h and sigma1 over sigma2, at distance r; images.
double two_layers(double r, double h, double sigma1, double sigma2) {
  const double k = (sigma1 - sigma2) / (sigma1 + sigma2);
  double sum = 1 / r, power = 1;
  for (int n = 1; n < 2000; ++n) sum += 2 * (power *= k) / std::hypot(r, 2 * n * h);
  return sum / (2 * pi * sigma1);
}

TEST(Resistivity3d, TwoLayersByImages) {
  const double h = 6, sigma1 = 0.02;
  for (const bool removed : {false, true}) {
    double worst = 0;
    for (const double contrast : {0.1, 10.0}) {
      std::vector<Point3> electrodes{{0, 0, 0}};
      for (const double x : {6., -8., 12., 16.}) electrodes.push_back({x, 0, x == 12 ? 5. : 0.});
      if (removed) electrodes.insert(electrodes.end(), {{2, 0, 0}, {0, 0, -3}, {3, 0, 2}});
      Block block(electrodes);
      block.options.remove_singularity = removed;
      const Values d = block.solve([&](double, double, double z) { return z < h ? sigma1 : sigma1 / contrast; });
      for (std::size_t i = 0; i < d.size(); ++i) {
        const double r = distance(electrodes[0], electrodes[i + 1]);
        const double error = std::fabs(d[i] / two_layers(r, h, sigma1, sigma1 / contrast) - 1);
        EXPECT_LT(error, removed ? 0.01 : 0.02) << "r " << r << ", contrast " << contrast;
        worst = std::max(worst, error);
      }
    }
    std::printf("two layers%s: largest error %.2f %%\n", removed ? ", singularity removed, from 2 cells" : "",
                100 * worst);
  }
}

TEST(Resistivity3d, ThreeLayersByIntegration) {
  double worst = 0;
  for (const Values& rho : {Values{50, 10, 200}, Values{50, 300, 20}}) {
    const Values h{4, 5};
    Block block({{0, 0, 0}, {6, 0, 0}, {-8, 0, 0}, {12, 0, 5}, {16, 0, 0}});
    const Values d = block.solve([&](double, double, double z) { return layered_conductivity(z, rho, h); });
    worst = std::max(worst, expect_layered(d, {6, 8, 13, 16}, rho, h, 0.02));
  }
  std::printf("three layers: largest error %.2f %%\n", 100 * worst);
}

TEST(Resistivity3d, HalfSpaceWithTheSingularityRemoved) {
  std::vector<Point3> electrodes{{0.3, 1.4, 0.2}, {2, 0, 0}, {0, 0, 2.25}, {-1.5, 1.5, 0}, {0.5, 3.5, 0.5}, {5, 0, 3}};
  for (const bool removed : {false, true}) {
    Block block(electrodes, 18, 12, 8);
    block.options.remove_singularity = removed;
    const Values d = block.solve([](double, double, double) { return 0.05; });
    double worst = 0;
    for (std::size_t i = 0; i < d.size(); ++i) {
      worst = std::max(worst, std::fabs(d[i] * 0.05 / half_space_potential(electrodes[0], electrodes[i + 1], 0) - 1));
    }
    EXPECT_LT(worst, removed ? 1e-6 : 0.1);
    EXPECT_GT(worst, removed ? 0 : 0.03);
  }
}

TEST(Resistivity3d, VerticalContact) {
  double worst = 0;
  for (const double contrast : {0.1, 10.0}) {
    const double sigma1 = 0.02, sigma2 = sigma1 / contrast, contact = 4;  // x < contact: sigma1
    const double k = (sigma1 - sigma2) / (sigma1 + sigma2);
    std::vector<Point3> electrodes{{-3, 0, 0}};
    for (const double x : {-10., -17., 3., 8., 13.}) electrodes.push_back({x, 0, x == 8 ? 4. : 0.});
    const Values d = Block(electrodes).solve([&](double x, double, double) { return x < contact ? sigma1 : sigma2; });
    for (std::size_t i = 0; i < d.size(); ++i) {
      const Point3& m = electrodes[i + 1];
      const double r = distance(electrodes[0], m), image = distance({2 * contact - electrodes[0].x_m, 0, 0}, m);
      const double wanted = (m.x_m < contact ? 1 / r + k / image : (1 + k) / r) / (2 * pi * sigma1);
      EXPECT_LT(std::fabs(d[i] / wanted - 1), 0.025) << "x " << m.x_m << ", contrast " << contrast;
      worst = std::max(worst, std::fabs(d[i] / wanted - 1));
    }
  }
  std::printf("vertical contact: largest error %.2f %%\n", 100 * worst);
}

// The boundary condition is exact for a pole at its origin, so that what is left is the error of the cells.
TEST(Resistivity3d, ErrorFallsWithTheSquareOfTheCells) {
  const auto halves = [](const Values& nodes) {
    Values out{nodes[0]};
    for (std::size_t i = 1; i < nodes.size(); ++i) {
      out.push_back((nodes[i - 1] + nodes[i]) / 2);
      out.push_back(nodes[i]);
    }
    return out;
  };
  Block block({{0, 0, 0}, {8, 0, 0}, {0, 8, 4}, {4, 4, -4}});
  block.mesh = TensorMesh3::padded(6, 10, 10, 2, 2, 2, {-10, 0, -10}, 3, 1.5);
  block.options.origin = Point3{};
  double error[3];
  for (double& e : error) {
    const Values d = block.solve([](double, double, double) { return 1.0; });
    e = 0;
    for (std::size_t q = 0; q < d.size(); ++q) {
      e = std::max(e, std::fabs(d[q] / half_space_potential({}, block.survey.electrodes[q + 1], 0) - 1));
    }
    block.mesh = {halves(block.mesh.x_m), halves(block.mesh.y_m), halves(block.mesh.z_m)};
  }
  EXPECT_GE(std::log2(error[0] / error[1]), 1.8) << error[0] << " " << error[1] << " " << error[2];
  EXPECT_GE(std::log2(error[1] / error[2]), 1.8) << error[0] << " " << error[1] << " " << error[2];
}

TEST(Resistivity3d, AgreesWithTheTwoAndAHalfDimensionalOperator) {
  OneThread s;
  Block block({{-6, 0, 0}, {0, 0, 0}, {6, 0, 0}, {12, 0, 0}, {3, 6, 0}}, 24, 24, 10);
  block.survey.data = {{0, 1, 2, 3}, {0, -1, 1, -1}, {0, 3, 1, 2}, {4, -1, 2, 0}};
  const TensorMesh flat{block.mesh.x_m, block.mesh.z_m};
  const auto sigma = [](double x, double, double z) { return z > 2 && x > 1 && x < 5 && z < 8 ? 0.2 : 0.02; };
  Values m;
  for (Index i = 0; i < flat.cells(); ++i) {
    m.push_back(std::log(sigma(block.mesh.middle_m(2, i % flat.nx()), 0, block.mesh.middle_m(0, i / flat.nx()))));
  }
  ResistivityOptions o;
  o.wavenumbers = choose_wavenumbers(flat, 17);
  const Values two = voltages(s, Resistivity<double>(flat, block.survey, o), m), three = block.solve(sigma);
  for (std::size_t i = 0; i < two.size(); ++i) EXPECT_NEAR(three[i] / two[i], 1, 0.015) << i;
}

// --- errors ----------------------------------------------------------------------------------------------------------
TEST(Resistivity3d, ErrorsOfSurveysAndOptions) {
  OneThread s;
  const OddMesh good(false);
  const auto fails = [&](const std::function<void(OddMesh&)>& change, ErrorCode code, const std::string& part) {
    OddMesh c = good;
    change(c);
    expect_error([&] { const Resistivity3d<double> dc(s, c.mesh, c.survey, c.options); }, code, part);
  };
  const auto data = ErrorCode::data, config = ErrorCode::config;
  fails([](OddMesh& c) { c.survey.electrodes[3].y_m = 9; }, data,
        "electrode 3 at (x 0.1 m, y 9 m, z 2.6 m) lies outside the mesh, x -6..8 m, y -3..4.75 m");
  fails([](OddMesh& c) { c.survey.electrodes[2] = c.survey.electrodes[0]; }, data, "electrodes 0 and 2 are both at");
  fails([](OddMesh& c) { c.survey.electrodes[2].y_m = NAN; }, data, "not a number");
  fails([](OddMesh& c) { c.survey.data.clear(); }, data, "no data");
  fails([](OddMesh& c) { c.survey.data[1].a = 6; }, data, "datum 1 names electrode 6, but there are 6");
  fails([](OddMesh& c) { c.survey.data[1] = {-1, -1, 0, 1}; }, data, "no current electrode");
  fails([](OddMesh& c) { c.survey.data[2] = {0, 1, 3, 0}; }, data, "uses electrode 0 as A and N");
  fails([](OddMesh& c) { std::swap(c.mesh.y_m[2], c.mesh.y_m[3]); }, config, "along y");
  fails([](OddMesh& c) { c.options.core = MeshCore3{0, 5, 0, 6, 0, 8}; }, config, "part of the mesh");
  fails(
      [](OddMesh& c) {
        c.options.core = MeshCore3{0, 4, 1, 3, 0, 8};
        c.options.padding = DcPadding::frozen;
      },
      config, "frozen padding needs a positive conductivity");
  fails([](OddMesh& c) { c.options.origin = Point3{0, 1, 7}; }, config, "inside the mesh");
  fails([](OddMesh& c) { c.options.tolerance = 0; }, config, "tolerance");
  fails([](OddMesh& c) { c.options.air.assign(3, 0); }, config, "one value for each cell");
  const auto sky = [](OddMesh& c, Index rows) {
    c.options.air.assign(at(c.mesh.cells()), 0);
    std::fill_n(c.options.air.begin(), rows * 40, std::uint8_t{1});
  };
  fails([&](OddMesh& c) { sky(c, 1); }, data, "electrode 2 at (x 1.2 m, y -0.5 m, z 0.25 m) lies in the air");
  fails([&](OddMesh& c) { sky(c, 5); }, config, "all air");
  fails(
      [&](OddMesh& c) {
        sky(c, 1);
        c.options.remove_singularity = true;
      },
      config, "flat surface");
  fails(
      [&](OddMesh& c) {
        sky(c, 3);
        c.options.core = MeshCore3{0, 3, 0, 3, 0, 3};
      },
      config, "all air");
  expect_error([&] { air_above(good.mesh, {{0, 1}, {0}, {1}}); }, data, "2 x 1 positions and 1 heights");
  expect_error([&] { ground_z_m(good.mesh, {}, 0, 99); }, data, "no ground at x 0 m, y 99 m");
  expect_error([&] { MeshCore3::inside(good.mesh, 3); }, config, "leaves no cell");
}

TEST(Resistivity3d, ErrorsOfModels) {
  const OddMesh c(false);
  OneThread s;
  for (const DcProperty property : {DcProperty::conductivity, DcProperty::resistivity, DcProperty::log_conductivity}) {
    Resistivity3dOptions o = c.options;
    o.property = property;
    const Resistivity3d<double> dc(s, c.mesh, c.survey, o);
    const bool log = property == DcProperty::log_conductivity;
    for (const double bad : {log ? 1e4 : 0.0, log ? -1e4 : -0.1, static_cast<double>(NAN), HUGE_VAL}) {
      Values m(c.model.size(), log ? -4.0 : 1.0);
      m[40 + 2 * 8 + 3] = bad;
      expect_error([&] { voltages(s, dc, m); }, ErrorCode::diverged, "in cell (row 1, line 2, column 3)");
    }
  }
  const Resistivity3d<double> dc(s, c.mesh, c.survey, c.options);
  Resistivity3dState state;
  const Buffer<double> m = to_device(s, c.model), d(s, dc.survey().size());
  dc.forward(s, m.data(), d.data(), false, state);
  EXPECT_EQ(to_host(s, d), voltages(s, dc, c.model));
  expect_error([&] { gradient(s, dc, c.model, state, Values(5, 1.0)); }, ErrorCode::failed, "keeps its state");
  Resistivity3dOptions hasty = c.options;
  hasty.most_steps = 2;
  const Resistivity3d<double> two(s, c.mesh, c.survey, hasty);
  expect_error([&] { voltages(s, two, c.model); }, ErrorCode::diverged, "after 2 steps");
}

}  // namespace resistivity3d_test
}  // namespace terrane
