// SPDX-License-Identifier: MIT
// 2.5-D resistivity against an independent sparse solver and itself: factorisation, derivatives, reciprocity,
// topography, wavenumbers, errors. Media and the dike study stand in resistivity_media_test.cpp; gradients, devices and
// determinism in tests/support/resistivity_cases.cpp.
#include "physics/resistivity/resistivity.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "autodiff/check.hpp"
#include "physics/resistivity/band_cholesky.hpp"
#include "tests/physics/resistivity_support.hpp"

namespace terrane {
namespace resistivity_test {

// --- against an independent implementation ---------------------------------------------------------------------------
// Kronecker products of one-dimensional differences and averages, a general sparse LU and central differences of fourth
// order gave these numbers for the same mesh and model.
struct OddMesh {
  TensorMesh mesh;
  DcSurvey survey;
  ResistivityOptions options;
  Values model;
  explicit OddMesh(bool tall) {
    mesh.x_m = {-11};
    for (const double w : {8., 4., 2., 1., 1.5, 1., 1., 2., 1., 1., 1., 3., 6.})
      mesh.x_m.push_back(mesh.x_m.back() + w);
    mesh.z_m = {0.25};
    for (const double w : {1., .5, 1., 2., 4., 8.}) mesh.z_m.push_back(mesh.z_m.back() + w);
    for (int i = 0; tall && i < 9; ++i) mesh.z_m.push_back(mesh.z_m.back() + 3);
    for (Index i = 0; i < mesh.nz(); ++i) {
      for (Index j = 0; j < mesh.nx(); ++j) {
        const auto x = static_cast<double>(j), z = static_cast<double>(i);
        model.push_back(std::log(0.02) + std::sin(1.3 * x + 0.4 * z) + 0.5 * std::cos(0.9 * z * x * 0.3));
      }
    }
    survey.electrodes = {{3, 0.25}, {4.5, 0.25}, {6.7, 0.25}, {8.1, 2.6}, {4.2, 1.1}, {10, 0.75}};
    survey.data = {{0, 1, 2, 3}, {0, -1, 2, -1}, {4, -1, 3, 5}, {-1, 5, 0, 1}, {3, 4, -1, 2}};
    options.wavenumbers = {{0.005, 0.04, 0.3, 1.1}, {0.004, 0.02, 0.1, 0.4}};
  }
};

TEST(Resistivity, MatchesAnIndependentSparseSolver) {
  const Values wanted[2] = {
      {-0.872165215575846, 0.709523770649798, 0.168008264227579, 0.459784822624421, -0.0954606136059555},
      {-0.872816328162228, 0.718556886906033, 0.16916912774286, 0.45401216715757, -0.0894417969845709}};
  const Values wanted_gradient[2] = {{-0.409246466294, 0.0709973931704, -0.00190354952958},
                                     {-0.406440040046, 0.074681456149, 0.00211564078839}};
  for (const bool tall : {false, true}) {
    Stream s{Device{}};
    const OddMesh c(tall);
    const Resistivity<double> dc(c.mesh, c.survey, c.options);
    ResistivityState state;
    const Values d = voltages(s, dc, c.model, state);
    for (std::size_t i = 0; i < d.size(); ++i) EXPECT_NEAR(d[i] / wanted[tall][i], 1, 1e-12) << i;
    const Values g = gradient(s, dc, c.model, state, {1, -2, .5, 3, -1.5});
    const Index cells[3] = {4, 3 * c.mesh.nx(), (c.mesh.nz() - 1) * c.mesh.nx() + 7};
    for (int i = 0; i < 3; ++i) EXPECT_NEAR(g[static_cast<std::size_t>(cells[i])] / wanted_gradient[tall][i], 1, 1e-8);
    // The same in single precision outside.
    const Resistivity<float> single(c.mesh, c.survey, c.options);
    const std::vector<float> m(c.model.begin(), c.model.end());
    const std::vector<float> df = voltages(s, single, m);
    for (std::size_t i = 0; i < d.size(); ++i) EXPECT_NEAR(df[i] / d[i], 1, 2e-6);
  }
}

TEST(Resistivity, BandCholeskySolves) {
  for (const Index n : {1, 2, 5, 8, 33, 130}) {
    for (const Index width : {2, 3, 4, 7, 21}) {
      BandCholesky a(n, width);
      const Values e = random_normal<double>(n * (width + 1), 5);
      const auto entry = [&](Index i, Index j) {
        if (i < j) std::swap(i, j);
        if (i - j > width) return 0.0;
        return i == j ? 4.0 * static_cast<double>(width) + 1 : e[static_cast<std::size_t>(j * (width + 1) + i - j)];
      };
      for (Index j = 0; j < n; ++j) {
        for (Index i = j; i < std::min(n, j + width + 1); ++i) a.matrix()[j * a.stride() + i - j] = entry(i, j);
      }
      const Index columns = 2 * BandCholesky::rhs_tile;
      Values x(static_cast<std::size_t>(BandCholesky::rows(n) * columns));
      const std::vector<Index> start{0, n / 2};
      const Values r = random_normal<double>(n * columns, 6);
      for (Index i = 0; i < n; ++i) {
        for (Index c = 0; c < columns; ++c) {
          if (i >= start[static_cast<std::size_t>(c / BandCholesky::rhs_tile)]) {
            x[static_cast<std::size_t>(i * columns + c)] = r[static_cast<std::size_t>(i * columns + c)];
          }
        }
      }
      const Values b = x;
      ASSERT_EQ(a.factor(), -1);
      a.solve(columns, start, x.data());
      for (Index i = 0; i < n; ++i) {
        for (Index c = 0; c < columns; ++c) {
          double sum = 0;
          for (Index k = 0; k < n; ++k) sum += entry(i, k) * x[static_cast<std::size_t>(k * columns + c)];
          EXPECT_NEAR(sum, b[static_cast<std::size_t>(i * columns + c)], 1e-12) << n << " " << width;
        }
      }
      a.clear();
      for (Index j = 0; j < n; ++j) a.matrix()[j * a.stride()] = j == n - 1 ? -1 : 1;
      EXPECT_EQ(a.factor(), n - 1);
    }
  }
}

// --- derivatives among each other ------------------------------------------------------------------------------------
TEST(Resistivity, JacobianIsThatOfTheProducts) {
  Stream s{Device{}};
  for (const bool tall : {false, true}) {
    OddMesh c(tall);
    for (int variant = 0; variant < 4; ++variant) {
      ResistivityOptions o = c.options;
      o.remove_singularity = variant == 3;
      if (variant > 0) o.core = MeshCore{1, c.mesh.nz() - 2, 2, c.mesh.nx() - 3};
      o.padding = variant == 1 ? DcPadding::frozen : DcPadding::extended;
      o.padding_siemens_per_m = 0.01;
      if (variant == 2) o.property = DcProperty::resistivity;
      const Resistivity<double> dc(c.mesh, c.survey, o);
      Values m(c.model.begin(), c.model.begin() + dc.core().cells());
      for (double& e : m) e = variant == 2 ? std::exp(-e) : e;
      ResistivityState state;
      voltages(s, dc, m, state);
      const Values j = dc.jacobian(s, state);
      const Index data = dc.survey().size(), cells = dc.core().cells();
      ASSERT_EQ(static_cast<Index>(j.size()), data * cells);
      for (Index d = 0; d < data; ++d) {
        Values unit(static_cast<std::size_t>(data));
        unit[static_cast<std::size_t>(d)] = 1;
        const Values row = gradient(s, dc, m, state, unit);
        double error = 0, norm = 0;
        for (Index i = 0; i < cells; ++i) {
          const double wanted = row[static_cast<std::size_t>(i)];
          error += std::pow(j[static_cast<std::size_t>(d * cells + i)] - wanted, 2);
          norm += wanted * wanted;
        }
        EXPECT_LE(std::sqrt(error / norm), 1e-12) << variant << " " << d;
      }
    }
  }
}

TEST(Resistivity, Reciprocity) {
  Stream s{Device{}};
  for (const bool tall : {false, true}) {
    OddMesh c(tall);
    DcSurvey swapped = c.survey;
    for (DcDatum& d : swapped.data) d = {d.m, d.n, d.a, d.b};
    const Values a = voltages(s, Resistivity<double>(c.mesh, c.survey, c.options), c.model);
    const Values b = voltages(s, Resistivity<double>(c.mesh, swapped, c.options), c.model);
    EXPECT_LE(largest_relative(a, b), 1e-10);
  }
}

// --- topography ------------------------------------------------------------------------------------------------------
TEST(Resistivity, AirOnTopChangesNothing) {
  Stream s{Device{}};
  const OddMesh c(false);
  const auto nx = static_cast<std::size_t>(c.mesh.nx());
  OddMesh high = c;
  high.mesh.z_m.insert(high.mesh.z_m.begin(), {-3, -1, 0});
  high.model.insert(high.model.begin(), 3 * nx, NAN);  // not read
  high.options.air.assign(static_cast<std::size_t>(high.mesh.cells()), 0);
  std::fill_n(high.options.air.begin(), 3 * nx, std::uint8_t{1});
  high.options.origin = DcOrigin{6.5, 0.25};
  ResistivityState low_state, high_state;
  const Resistivity<double> low(c.mesh, c.survey, c.options), with_air(high.mesh, high.survey, high.options);
  const Values a = voltages(s, low, c.model, low_state), b = voltages(s, with_air, high.model, high_state);
  EXPECT_LE(largest_relative(a, b), 1e-12);
  const Values ones(a.size(), 1.0);
  const Values ga = gradient(s, low, c.model, low_state, ones),
               gb = gradient(s, with_air, high.model, high_state, ones);
  for (std::size_t i = 0; i < 3 * nx; ++i) EXPECT_EQ(gb[i], 0);
  for (std::size_t i = 0; i < ga.size(); ++i) EXPECT_NEAR(ga[i], gb[i + 3 * nx], 1e-12);
}

// The top of a hill is a half-space to electrodes that are close together on it.
TEST(Resistivity, PlateauOfAHill) {
  const auto error = [](double half_width) {
    Stream s{Device{}};
    ResistivityOptions o;
    const TensorMesh mesh = TensorMesh::padded(40, 160, 1, 1, -80, 0, 12, 1.4);
    o.air = air_above(mesh, {{-half_width - 10, 8}, {-half_width, 0}, {half_width, 0}, {half_width + 10, 8}});
    DcSurvey survey;
    survey.electrodes = {{-12, 0}, {-4, 0}, {4, 0}, {12, 0}};
    survey.data = {{0, 3, 1, 2}};
    for (const Point3& p : survey.electrodes) EXPECT_EQ(ground_z_m(mesh, o.air, p.x_m), 0);
    const Resistivity<double> dc(mesh, survey, o);
    const double v = voltages(s, dc, Values(static_cast<std::size_t>(mesh.cells()), std::log(0.01)))[0];
    return std::fabs(v / ((1.0 / 8 - 1.0 / 16) / (pi * 0.01)) - 1);
  };
  EXPECT_GT(error(14), 0.05);
  EXPECT_LT(error(70), 0.015);
}

TEST(Resistivity, GroundAndAir) {
  const TensorMesh mesh = TensorMesh::padded(4, 3, 1, 2, 0, 10, 0, 1);
  const auto air = air_above(mesh, {{1, 10}, {3, 12.6}});
  EXPECT_EQ(air, (std::vector<std::uint8_t>{0, 1, 1, 0, 1, 1, 0, 1, 1, 0, 0, 0}));
  EXPECT_EQ(ground_z_m(mesh, air, 1), 10);
  EXPECT_EQ(ground_z_m(mesh, air, 2), 10);
  EXPECT_EQ(ground_z_m(mesh, air, 2.1), 13);
  EXPECT_EQ(ground_z_m(mesh, {}, 6), 10);
}

// --- wavenumbers -----------------------------------------------------------------------------------------------------
TEST(Resistivity, ScaledBesselFunctions) {
  // K0(x), K1(x): Abramowitz and Stegun, tables 9.8 (K0(1), K1(1)); large x: the asymptotic series.
  EXPECT_NEAR(scaled_bessel_k(0, 1) * std::exp(-1.0), 0.42102443824070834, 1e-15);
  EXPECT_NEAR(scaled_bessel_k(1, 1) * std::exp(-1.0), 0.60190723019723457, 1e-15);
  EXPECT_NEAR(scaled_bessel_k(0, 1e-4) * std::exp(-1e-4), -std::log(0.5e-4) - 0.57721566490153286, 1e-7);
  EXPECT_NEAR(scaled_bessel_k(1, 1e-4) * 1e-4, 1, 2e-4);
  for (const double x : {500., 5e5}) {
    EXPECT_NEAR(scaled_bessel_k(1, x) / scaled_bessel_k(0, x), 1 + 1 / (2 * x) - 1 / (8 * x * x), 1e-9);
    EXPECT_NEAR(scaled_bessel_k(0, x) * std::sqrt(2 * x / pi), 1 - 1 / (8 * x), 1e-6);
  }
}

TEST(Resistivity, ChosenWavenumbers) {
  double before = 1;
  for (const Index count : {1, 2, 3, 5, 7, 9, 11, 13, 15}) {  // the error falls by e for each
    const Wavenumbers w = choose_wavenumbers(count, 1.25, 5930.3);
    ASSERT_EQ(w.size(), count);
    EXPECT_LT(w.rms_error, before * (count > 3 ? 0.15 : 0.7)) << count;
    before = w.rms_error;
    for (const double e : w.weight_per_m) EXPECT_GT(e, 0) << count;
    EXPECT_TRUE(std::is_sorted(w.k_per_m.begin(), w.k_per_m.end()));
  }
  const Wavenumbers w = choose_wavenumbers(11, 1.25, 5930.3);
  EXPECT_LT(w.rms_error, 4.3e-5);
  EXPECT_LT(w.max_error, 8.5e-5);
}

// --- errors ----------------------------------------------------------------------------------------------------------
TEST(Resistivity, ErrorsOfSurveysAndOptions) {
  const OddMesh good(false);
  const auto fails = [&](const std::function<void(OddMesh&)>& change, ErrorCode code, const std::string& part) {
    OddMesh c = good;
    change(c);
    expect_error([&] { const Resistivity<double> dc(c.mesh, c.survey, c.options); }, code, part);
  };
  const auto data = ErrorCode::data, config = ErrorCode::config;
  fails([](OddMesh& c) { c.survey.electrodes[3].x_m = 99; }, data, "electrode 3 at (x 99 m, z 2.6 m) lies outside");
  fails([](OddMesh& c) { c.survey.electrodes[0].z_m = 0.2; }, data, "enlarge the mesh");
  fails([](OddMesh& c) { c.survey.electrodes[2] = c.survey.electrodes[0]; }, data, "electrodes 0 and 2 are both at");
  fails([](OddMesh& c) { c.survey.electrodes[2].y_m = 1; }, data, "away from the plane y = 0");
  fails([](OddMesh& c) { c.survey.electrodes[2].x_m = NAN; }, data, "not a number");
  fails([](OddMesh& c) { c.survey.data.clear(); }, data, "no data");
  fails([](OddMesh& c) { c.survey.data[1].a = 6; }, data, "datum 1 names electrode 6, but there are 6");
  fails([](OddMesh& c) { c.survey.data[1] = {-1, -1, 0, 1}; }, data, "no current electrode");
  fails([](OddMesh& c) { c.survey.data[1] = {0, 1, -1, -1}; }, data, "no potential electrode");
  fails([](OddMesh& c) { c.survey.data[2] = {0, 1, 3, 0}; }, data, "uses electrode 0 as A and N");
  fails([](OddMesh& c) { std::swap(c.mesh.x_m[2], c.mesh.x_m[3]); }, config, "nodes must increase");
  fails([](OddMesh& c) { c.mesh.z_m.resize(1); }, config, "two nodes along z");
  fails([](OddMesh& c) { c.options.core = MeshCore{0, 7, 0, 3}; }, config, "part of the mesh");
  fails(
      [](OddMesh& c) {
        c.options.core = MeshCore{0, 4, 1, 3};
        c.options.padding = DcPadding::frozen;
      },
      config, "frozen padding needs a positive conductivity");
  fails([](OddMesh& c) { c.options.wavenumbers.weight_per_m.pop_back(); }, config, "one weight for each");
  fails([](OddMesh& c) { c.options.wavenumbers.k_per_m[0] = 0; }, config, "positive");
  fails([](OddMesh& c) { c.options.origin = DcOrigin{-20, 0}; }, config, "inside the mesh");
  const auto sky = [](OddMesh& c, Index rows) {
    c.options.air.assign(static_cast<std::size_t>(c.mesh.cells()), 0);
    std::fill_n(c.options.air.begin(), rows * c.mesh.nx(), std::uint8_t{1});
  };
  fails([&](OddMesh& c) { sky(c, 1); }, data, "electrode 0 at (x 3 m, z 0.25 m) lies in the air");
  fails([&](OddMesh& c) { sky(c, 6); }, config, "all air");
  fails(
      [&](OddMesh& c) {
        sky(c, 1);
        for (Point3& p : c.survey.electrodes) p.z_m += 1;
        c.options.remove_singularity = true;
      },
      config, "flat surface");
  fails([](OddMesh& c) { c.options.air.assign(3, 0); }, config, "one value for each cell");
  fails(
      [&](OddMesh& c) {
        sky(c, 3);
        c.options.core = MeshCore{0, 3, 0, 3};
      },
      config, "all air");
  expect_error([&] { air_above(good.mesh, {}); }, data, "no points");
  expect_error([&] { air_above(good.mesh, {{1, 0}, {1, 2}}); }, data, "point 1 of the topography");
  expect_error([&] { ground_z_m(good.mesh, {}, 99); }, data, "no ground at x 99 m");
  expect_error([] { choose_wavenumbers(0, 1, 2); }, config, "between 1 and 50");
  expect_error([] { choose_wavenumbers(3, 2, 1); }, config, "increase");
  expect_error([] { TensorMesh::padded(0, 3, 1, 1, 0, 0, 0, 1); }, config, "positive size");
  expect_error([&] { MeshCore::inside(good.mesh, 6); }, config, "leaves no cell");
}

TEST(Resistivity, ErrorsOfModels) {
  const OddMesh c(false);
  Stream s{Device{}};
  for (const DcProperty property : {DcProperty::conductivity, DcProperty::resistivity, DcProperty::log_conductivity}) {
    ResistivityOptions o = c.options;
    o.property = property;
    const Resistivity<double> dc(c.mesh, c.survey, o);
    const bool log = property == DcProperty::log_conductivity;
    for (const double bad : {log ? 1e4 : 0.0, log ? -1e4 : -0.1, static_cast<double>(NAN), HUGE_VAL}) {
      Values m(c.model.size(), log ? -4.0 : 1.0);
      m[15] = bad;
      expect_error([&] { voltages(s, dc, m); }, ErrorCode::diverged, "in cell (row 1, column 2)");
    }
  }
  const Resistivity<double> dc(c.mesh, c.survey, c.options);
  ResistivityState state;
  const Buffer<double> m = to_device(s, c.model), d(s, dc.survey().size());
  dc.forward(s, m.data(), d.data(), false, state);
  EXPECT_EQ(to_host(s, d), voltages(s, dc, c.model));
  expect_error([&] { gradient(s, dc, c.model, state, Values(5, 1.0)); }, ErrorCode::failed, "keeps its state");
}

}  // namespace resistivity_test
}  // namespace terrane
