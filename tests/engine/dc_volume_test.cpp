// SPDX-License-Identifier: MIT
// Resistivity in three dimensions through the engine: surveys, the half-space and the section as references, gradient,
// conventional and neural inversion, observations, surfaces, resuming, outputs, wrong input.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <numeric>

#include "autodiff/check.hpp"
#include "engine/induced_polarization.hpp"
#include "engine/inversion.hpp"
#include "engine/io/dc_data.hpp"
#include "engine/io/npy.hpp"
#include "engine/io/ubc_model.hpp"
#include "engine/report.hpp"
#include "engine/run.hpp"
#include "engine/scores.hpp"
#include "physics/resistivity/dc_geometry.hpp"
#include "tests/engine/small_problem.hpp"
#include "tests/support/test_folder.hpp"

namespace terrane {
namespace dc_volume_test {

namespace fs = std::filesystem;

// 5 x 8 x 10 cells of 5 m under a lattice of 4 x 3 electrodes, a conductive block.
const char* const kText = R"({"task": "invert", "seed": 3, "name": "dc-volume",
  "grid": {"nz": 5, "ny": 8, "nx": 10, "dz_m": 5, "dy_m": 5, "dx_m": 5, "x0_m": -25, "y0_m": -20},
  "physics": {"type": "dc-3d", "padding": {"cells": 4, "factor": 2}},
  "survey": {"electrodes": {"type": "lattice", "x_m": [-15, 15], "y_m": [-10, 10], "z_m": 0, "count_x": 4, "count_y": 3},
             "array": {"type": "pole-dipole", "levels": 2}},
  "true_model": {"type": "blocks", "background_ohm_m": 100,
                 "blocks": [{"x_m": [-12, 3], "y_m": [-10, 5], "z_m": [5, 15], "value_siemens_per_m": 0.1}]},
  "start_model": {"type": "constant", "value_siemens_per_m": 0.01},
  "data": {"type": "synthetic", "noise": {"type": "proportional", "relative": 0.02}},
  "field": {"type": "grid"}, "misfit": {"type": "chi2"},
  "optimizer": {"type": "adam", "lr": 0.05, "iterations": 12},
  "precision": {"physics": "fp64", "network": "fp64"}})";

struct Volume : SmallProblem {
  explicit Volume(const std::vector<std::string>& sets = {}) : SmallProblem(kText, sets) {}
};

double chi2_of(const Volume& c, const std::vector<double>& model) {
  Stream s(Device{}, {});
  return mean_square_residual(c.problem, simulate<double>(s, c.problem, model, {}, 1), c.problem.observed);
}

TEST(DcVolume, MeshSurveyAndProperty) {
  const Volume c;
  EXPECT_EQ(c.config.json().at("field").at("property"), "log-conductivity");
  EXPECT_EQ(c.problem.mesh3.nx(), 18);
  EXPECT_EQ(c.problem.mesh3.ny(), 16);
  EXPECT_EQ(c.problem.mesh3.nz(), 9);
  EXPECT_DOUBLE_EQ(c.problem.mesh3.z_m[0], 0);
  EXPECT_DOUBLE_EQ(c.problem.grid.y0_m, -17.5);
  EXPECT_EQ(c.problem.start.size(), 5U * 8 * 10);
  EXPECT_NEAR(c.problem.true_model[static_cast<std::size_t>((1 * 8 + 3) * 10 + 4)], std::log(0.1), 1e-12);
  // Lines along x: a = 0, 1 with n = 1 and a = 0 with n = 2, on three lines.
  EXPECT_EQ(c.problem.data_shape(), (std::vector<Index>{9}));
  EXPECT_EQ(c.problem.dc.data[0], (DcDatum{0, -1, 1, 2}));
  EXPECT_EQ(c.problem.dc.data[3], (DcDatum{4, -1, 5, 6}));
  EXPECT_EQ(c.problem.dc.electrodes[4], (Point3{-15, 0, 0}));
}

TEST(DcVolume, LinesOfElectrodes) {
  const auto data = [](const std::string& along, const std::string& electrodes = "") {
    std::vector<std::string> sets{R"(survey.array={"type": "pole-pole", "levels": 1, "along": ")" + along + "\"}",
                                  "data.noise=null"};
    if (!electrodes.empty()) sets.push_back("survey.electrodes=" + electrodes);
    return build_problem(Config::parse(kText, "t", sets), true).dc.data;
  };
  EXPECT_EQ(data("auto"), data("x"));
  EXPECT_EQ(data("x").size(), 9U);
  EXPECT_EQ(data("y").size(), 8U);
  EXPECT_EQ(data("y")[1], (DcDatum{4, -1, 8, -1}));
  EXPECT_EQ(data("xy").size(), 17U);
  EXPECT_EQ(data("list").size(), 11U);
  const std::string points = R"({"type": "points", "x_m": [10, -10, 0, 0], "y_m": [0, 0, 0, 10], "z_m": 0})";
  EXPECT_EQ(data("auto", points).size(), 3U);
  EXPECT_EQ(data("x", points), (std::vector<DcDatum>{{1, -1, 2, -1}, {2, -1, 0, -1}}));
}

// One medium: every apparent resistivity is that of the ground.
TEST(DcVolume, HalfSpace) {
  const Volume c({R"(true_model={"type": "constant", "value_ohm_m": 100})", "data.noise=null",
                  "physics.remove_singularity=true", "physics.padding={\"cells\": 9, \"factor\": 1.6}"});
  const auto k = geometric_factors_m(c.problem.dc, std::vector<double>(12, 0.0));
  for (std::size_t i = 0; i < k.size(); ++i) EXPECT_NEAR(k[i] * c.problem.observed[i], 100, 0.5);
}

// A line over a model that does not change along y, against the 2.5-D operator: 4 % at two cells between electrodes,
// where each is that far from its limit; below 1 % with cells of half the size.
TEST(DcVolume, ExtrudedModelIsTheSection) {
  const std::string line =
      R"(survey={"electrodes": {"type": "line", "x_m": [-15, 15], "y_m": 0, "z_m": 0, "count": 7},
                 "array": {"type": "dipole-dipole", "levels": 3}})";
  const std::string flat_line =
      R"(survey={"electrodes": {"type": "line", "x_m": [-15, 15], "z_m": 0, "count": 7},
                 "array": {"type": "dipole-dipole", "levels": 3}})";
  const std::string model = R"(true_model={"type": "blocks", "background_ohm_m": 100,
       "blocks": [{"x_m": [-12, 3], "z_m": [5, 15], "value_siemens_per_m": 0.1}]})";
  const std::string padding = R"(physics.padding={"cells": 8, "factor": 1.7})";
  const Volume three({line, model, padding, "data.noise=null", "grid.nz=10", "grid.dz_m=2.5", "grid.nx=20",
                      "grid.dx_m=2.5", "grid.ny=16", "grid.dy_m=2.5", "physics.remove_singularity=true"});
  const SmallProblem two(kText, {flat_line, model, "physics.type=dc-2.5d", padding, "data.noise=null", "grid.nz=10",
                                 "grid.dz_m=2.5", "grid.nx=20", "grid.dx_m=2.5", "grid.ny=null", "grid.dy_m=null",
                                 "grid.y0_m=null", "physics.remove_singularity=true"});
  ASSERT_EQ(three.problem.dc.data, two.problem.dc.data);
  for (std::size_t i = 0; i < two.problem.observed.size(); ++i) {
    EXPECT_NEAR(three.problem.observed[i] / two.problem.observed[i], 1, 0.05) << i;
  }
}

TEST(DcVolume, SolversAndPropertiesAgree) {
  const Volume log, direct({"physics.solver=direct"}), sigma({"field.property=conductivity", "optimizer.lr=1e-4"}),
      rho({"field.property=resistivity", "optimizer.lr=1"});
  for (const Volume* other : {&direct, &sigma, &rho}) {
    for (std::size_t i = 0; i < log.problem.observed.size(); ++i) {
      const double d = log.problem.observed[i];
      EXPECT_NEAR(other->problem.observed[i], d, 1e-9 * std::abs(d));
    }
  }
}

TEST(DcVolume, GradientMatchesDifferences) {
  Volume c({R"(regularizers=[{"type": "tv", "weight": 0.1, "epsilon": 0.1},
                             {"type": "tikhonov", "weight": 1, "weight_y": 0.5}])",
            R"(start_model={"type": "smooth", "of": "true_model", "sigma_m": 6})"});
  std::vector<double> gradient;
  const auto phi = [&](std::vector<double>* g) {
    Inversion<double> inversion(c.s, c.config, c.problem, Log());
    const double value = inversion.step().phi;
    if (g != nullptr) *g = inversion.first_gradient();
    return value;
  };
  phi(&gradient);
  const std::vector<double> start = c.problem.start;
  ASSERT_EQ(gradient.size(), start.size());
  const auto direction = random_normal<double>(static_cast<Index>(start.size()), 5);
  double want = 0;
  for (std::size_t i = 0; i < start.size(); ++i) want += gradient[i] * direction[i];
  const auto moved = [&](double h) {
    for (std::size_t i = 0; i < start.size(); ++i) c.problem.start[i] = start[i] + h * direction[i];
    return phi(nullptr);
  };
  const double h = 1e-4;
  EXPECT_NEAR((moved(h) - moved(-h)) / (2 * h), want, 1e-6 * std::abs(want));
}

// More data than the other tests have, so that there is something to find.
const char* const kRich = R"(survey.array={"type": "dipole-dipole", "levels": 2, "along": "xy"})";

TEST(DcVolume, ConventionalInversionFitsTheData) {
  for (const std::string& norms :
       {std::string(
            R"([{"type": "tikhonov", "order": 1, "weight": 1}, {"type": "tikhonov", "order": 0, "weight": 0.1}])"),
        std::string(R"([{"type": "tv", "weight": 0.5, "epsilon": 0.05}])"),
        std::string(R"([{"type": "sparse", "weight": 0.5}])")}) {
    SCOPED_TRACE(norms);
    Volume c({kRich, "optimizer={\"type\": \"gauss-newton\", \"iterations\": 8}", "stop.chi2=1.2",
              "regularizers=" + norms,
              std::string("optimizer.hold=") + (norms.find("sparse") == std::string::npos ? "false" : "true")});
    const double before = chi2_of(c, c.problem.start);
    Inversion<double> inversion(c.s, c.config, c.problem, Log());
    while (!inversion.finished()) inversion.step();
    EXPECT_GT(before, 4);
    EXPECT_LT(chi2_of(c, inversion.model()), 0.5 * before);
  }
}

TEST(DcVolume, FieldsLowerTheMisfit) {
  for (const std::string& field :
       {std::string(R"({"type": "siren", "width": 12, "layers": 2, "omega_0": 8})"),
        std::string(R"({"type": "low-rank", "width": 8, "layers": 1})"), std::string("\"grid\"")}) {
    SCOPED_TRACE(field);
    Volume c({kRich, "field=" + field, R"(optimizer={"type": "adam", "lr": 5e-3, "iterations": 8})",
              R"(regularizers=[{"type": "reference", "weight": 1e-3, "value_siemens_per_m": 0.01}])"});
    Inversion<double> inversion(c.s, c.config, c.problem, Log());
    const double first = inversion.step().phi;
    double last = first;
    while (!inversion.finished()) last = inversion.step().phi;
    EXPECT_LT(last, first);
  }
}

// Limits are values of the property in its unit, also where the model holds the logarithm.
TEST(DcVolume, BoundsOfTheLogarithm) {
  for (const std::string& optimizer : {std::string(R"({"type": "gauss-newton", "iterations": 3})"),
                                       std::string(R"({"type": "adam", "lr": 0.3, "iterations": 6})")}) {
    Volume c({kRich, "optimizer=" + optimizer, "bounds={\"min_siemens_per_m\": 0.008, \"max_siemens_per_m\": 0.015}",
              R"(regularizers=[{"type": "tikhonov", "order": 0, "weight": 0.01}])"});
    Inversion<double> inversion(c.s, c.config, c.problem, Log());
    while (!inversion.finished()) inversion.step();
    double least = 1, most = 0;
    for (const double m : inversion.model()) least = std::min(least, std::exp(m)), most = std::max(most, std::exp(m));
    EXPECT_GE(least, 0.008 - 1e-9) << optimizer;
    EXPECT_LE(most, 0.015 + 1e-9) << optimizer;
    EXPECT_GT(most, 0.0101) << optimizer;
  }
}

class DcVolumeFiles : public FolderTest {
 protected:
  std::string bytes(const std::string& name) const {
    std::ifstream in(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  RunOptions options(const std::string& name) const {
    RunOptions o;
    o.out_dir = path(name);
    o.overwrite = true;
    o.threads = 1;
    o.console = LogLevel::off;
    return o;
  }
};

TEST_F(DcVolumeFiles, ObservationsAndLocations) {
  const Volume c({kRich});
  DcObservations obs;
  obs.dimensions = 3;
  obs.survey = c.problem.dc;
  obs.volt = c.problem.observed;
  obs.std = c.problem.std;
  write_ubc_observations(path("dc.obs"), to_ubc(obs));
  const std::string file = "data={\"type\": \"file\", \"path\": \"" + path("dc.obs") + "\", \"check\": \"none\"";
  const Problem read = build_problem(Config::parse(kText, "t", {file + "}", "survey=null"}), true);
  EXPECT_EQ(read.observed, obs.volt);
  EXPECT_EQ(read.std, obs.std);
  EXPECT_EQ(read.dc.size(), c.problem.dc.size());
  // With a grid chosen from the electrodes.
  const Config chosen = Config::parse(kText, "t", {file + "}", "survey=null", "grid=null", "true_model=null"});
  EXPECT_EQ(chosen.json().at("grid").at("dx_m"), 5);
  EXPECT_NO_THROW(build_problem(chosen, true));
  // Their places alone, for a simulation.
  obs.volt.clear(), obs.std.clear();
  UbcObservations places = to_ubc(obs);
  places.ip_type.reset();
  write_ubc_observations(path("dc.loc"), places);
  const std::string survey = "survey={\"array\": {\"type\": \"file\", \"path\": \"" + path("dc.loc") + "\"}}";
  const SmallProblem simulated(kText, {survey});
  for (std::size_t i = 0; i < c.problem.observed.size(); ++i) {
    EXPECT_NEAR(simulated.problem.observed[i], c.problem.observed[i], 1e-9 * std::abs(c.problem.observed[i]));
  }
  // The 2.5-D physics says what to do with such a file, and this one with a file of the other kind.
  const auto message = [&](const std::vector<std::string>& sets) -> std::string {
    try {
      build_problem(Config::parse(kText, "t", sets), true);
    } catch (const Error& e) {
      return e.message();
    }
    return "accepted";
  };
  EXPECT_NE(message({file + "}", "survey=null", "physics={\"type\": \"dc-2.5d\"}", "grid.ny=null", "grid.dy_m=null",
                     "grid.y0_m=null", "true_model=null"})
                .find("dc.obs:2: this is a DCIP3D file"),
            std::string::npos);
  put("flat.obs", "1\n0 0 10 0 1\n20 0 30 0 -1 0.1\n");
  EXPECT_NE(message({"data={\"type\": \"file\", \"path\": \"" + path("flat.obs") + "\"}", "survey=null"})
                .find("flat.obs:2: this is a DCIP2D file"),
            std::string::npos);
  put("far.obs", "0 0 0 10 0 0 1\n20 0 0 30 900 0 -1 0.1\n");
  const std::string far = message({"data={\"type\": \"file\", \"path\": \"" + path("far.obs") + "\"}", "survey=null"});
  EXPECT_NE(far.find("y = 900 m"), std::string::npos) << far;
}

TEST_F(DcVolumeFiles, SurfacesMakeAir) {
  const std::string electrodes = R"(survey.electrodes={"type": "points", "x_m": [-15, -5, 5, 15, -15, -5, 5, 15],
      "y_m": [-5, -5, -5, -5, 5, 5, 5, 5], "z_m": [-5, -10, -10, -5, -5, -10, -10, -5]})";
  const std::vector<std::string> base{"grid.z0_m=-15", "grid.nz=8", electrodes};
  auto with = [&](const std::string& set) {
    auto sets = base;
    sets.push_back(set);
    return build_problem(Config::parse(kText, "t", sets), true);
  };
  const auto air_cells = [](const Problem& p) {
    Index n = 0;
    for (const std::uint8_t a : p.resistivity3.air) n += a;
    return n;
  };
  const Problem sensors = with("physics.surface=sensors");
  EXPECT_GT(air_cells(sensors), 2 * sensors.mesh3.nx() * sensors.mesh3.ny() / 3);
  for (const Point3& e : sensors.dc.electrodes) {
    EXPECT_DOUBLE_EQ(e.z_m, ground_z_m(sensors.mesh3, sensors.resistivity3.air, e.x_m, e.y_m));
  }
  Stream s(Device{}, {});
  for (const double v : simulate<double>(s, sensors, sensors.true_model, {}, 1)) EXPECT_TRUE(std::isfinite(v));
  const Problem line = with(R"(physics.surface={"type": "line", "x_m": [-25, 0, 25], "z_m": [-5, -10, -5]})");
  EXPECT_GT(air_cells(line), 0);
  EXPECT_THROW(with("physics.surface={\"type\": \"line\", \"x_m\": [5, 0], \"z_m\": [0, 0]}"), Error);
  // A file of observations without z on a file of points.
  std::string observations;
  for (const double y : {-5.0, 5.0}) {
    char row[160];
    std::snprintf(row, sizeof row, "-15 %g -15 %g 1\n-5 %g 5 %g 0.3 0.01\n", y, y, y, y);
    observations += row;
  }
  put("dc.obs", observations);
  put("topo.txt", "4\n-40 -40 5\n40 -40 5\n-40 40 5\n40 40 5\n");
  const std::string data = "data={\"type\": \"file\", \"path\": \"" + path("dc.obs") + "\", \"topography_file\": \"" +
                           path("topo.txt") + "\"}";
  const Problem draped = build_problem(
      Config::parse(kText, "t", {"grid.z0_m=-15", "grid.nz=8", "survey=null", "physics.surface=sensors", data}), true);
  EXPECT_EQ(air_cells(draped), 2 * draped.mesh3.nx() * draped.mesh3.ny());
  for (const Point3& e : draped.dc.electrodes) EXPECT_DOUBLE_EQ(e.z_m, -5);
}

TEST_F(DcVolumeFiles, StoppedRunResumesWithTheSameBitsAndReports) {
  for (const std::string& optimizer : {std::string(R"({"type": "adam", "lr": 2e-2, "iterations": 4})"),
                                       std::string(R"({"type": "gauss-newton", "iterations": 4})")}) {
    const std::vector<std::string> sets{kRich, "checkpoint.every_iterations=2", "optimizer=" + optimizer,
                                        R"(regularizers=[{"type": "tikhonov", "order": 0, "weight": 0.1}])",
                                        R"(precision={"physics": "fp32", "network": "fp32"})"};
    const Json result = run(Config::parse(kText, "t", sets), options("whole"));
    EXPECT_EQ(result.at("status"), "ok");
    EXPECT_LT(result.at("data_error").at("chi2").get<double>(), result.at("misfit").at("initial").get<double>());
    EXPECT_TRUE(result.at("model_error").contains("rmse_log10"));
    RunOptions stopping = options("part");
    std::atomic<int> signal{0};
    stopping.stop_signal = &signal;
    stopping.progress = [&](const ProgressEvent& e) {
      if (e.iteration == 2) signal = 10;
    };
    auto quiet = sets;
    quiet.emplace_back("report.enabled=false");
    EXPECT_EQ(run(Config::parse(kText, "t", quiet), stopping).at("status"), "stopped");
    EXPECT_EQ(resume(path("part"), options("part"), {}).at("status"), "ok");
    EXPECT_EQ(bytes("part/model.npy"), bytes("whole/model.npy"));
    EXPECT_EQ(bytes("part/weights.safetensors").size(), bytes("whole/weights.safetensors").size());
  }
  const auto geometry = read_npy<float>(path("whole/data_geometry.npy"));
  ASSERT_EQ(geometry.shape[1], 12);
  EXPECT_EQ(geometry.values[0], -15);
  EXPECT_EQ(geometry.values[1], -10);
  EXPECT_EQ(read_npy<float>(path("whole/coverage.npy")).shape, (std::vector<Index>{5, 8, 10}));
  const ReportInput in = load_report_input(path("whole"));
  EXPECT_TRUE(in.three_dimensional());
  EXPECT_TRUE(in.resistivity());
  EXPECT_EQ(in.source_points.size(), 12U);
  EXPECT_EQ(in.section_y_m, -17.5 + 4 * 5);
  std::vector<std::string> files;
  for (const Figure& f : make_figures(in)) files.push_back(f.file);
  for (const char* name : {"models.png", "misfit.png", "fit.png", "apparent_resistivity.png", "coverage.png"}) {
    EXPECT_NE(std::find(files.begin(), files.end(), name), files.end()) << name;
  }
  EXPECT_NE(make_report(in).find("5 × 8 × 10 nodes"), std::string::npos);
}

// G against the change of the voltages under a small chargeability, its adjoint, and the sum of a row.
TEST(DcVolume, ChargeabilityMapIsThatOfTheVoltages) {
  Volume c({kRich, "data.noise=null"});
  const std::size_t cells = c.problem.start.size(), n = c.problem.observed.size();
  const Random random(5, RandomPurpose::probe);
  std::vector<double> model = c.problem.true_model, eta(cells), w(n), gw(cells), g(n), minus(cells), plus(cells);
  const double small = 1e-4;
  for (std::size_t k = 0; k < cells; ++k) {
    eta[k] = random.uniform(k);
    minus[k] = model[k] + std::log1p(-small * eta[k]), plus[k] = model[k] + std::log1p(small * eta[k]);
  }
  for (std::size_t i = 0; i < n; ++i) w[i] = random.normal(i);
  const LinearMap<double> map = chargeability_map(c.s, c.problem, model);
  map.apply(c.s, eta.data(), g.data());
  const auto data = [&](const std::vector<double>& m) { return simulate<double>(c.s, c.problem, m, {}, 1); };
  const auto at = data(model), less = data(minus), more = data(plus);
  for (std::size_t i = 0; i < n; ++i) {
    EXPECT_NEAR(g[i], (less[i] - more[i]) / (2 * small * at[i]), 1e-5 * std::abs(g[i])) << i;
  }
  map.adjoint(c.s, w.data(), gw.data());
  const double wg = std::inner_product(w.begin(), w.end(), g.begin(), 0.0),
               ge = std::inner_product(gw.begin(), gw.end(), eta.begin(), 0.0);
  EXPECT_NEAR(wg, ge, 1e-10 * std::abs(wg));
  map.apply(c.s, std::vector<double>(cells, 1.0).data(), g.data());
  for (const double sum : g) EXPECT_NEAR(sum, 1, 1e-6);
}

// A chargeable block under a file of voltages and one of chargeabilities, both DCIP3D.
TEST_F(DcVolumeFiles, ChargeabilitiesAreInverted) {
  Volume c({kRich, "survey.electrodes.count_x=5", "survey.electrodes.count_y=4", "survey.electrodes.x_m=[-20, 20]",
            "survey.electrodes.y_m=[-15, 15]"});
  const std::size_t cells = c.problem.start.size();
  std::vector<double> truth(cells, 5.0), value(c.problem.observed.size());
  for (std::size_t k = 0; k < cells; ++k) {
    const auto [z, y, x] = c.problem.grid.place(static_cast<Index>(k));
    if (z >= 1 && z < 3 && y >= 3 && y < 6 && x >= 5 && x < 8) truth[k] = 60;
  }
  chargeability_map(c.s, c.problem, c.problem.true_model).apply(c.s, truth.data(), value.data());
  DcObservations obs, ip;
  obs.dimensions = ip.dimensions = 3;
  obs.survey = ip.survey = c.problem.dc;
  obs.volt = c.problem.observed, obs.std = c.problem.std;
  const Random random(7, RandomPurpose::noise);
  for (std::size_t i = 0; i < value.size(); ++i) {
    ip.ip.push_back(value[i] + 0.2 * random.normal(i));
    ip.ip_std.push_back(0.2);
  }
  write_ubc_observations(path("dc.obs"), to_ubc(obs));
  write_ubc_observations(path("ip.obs"), to_ubc(ip));
  const Json result = run(Config::parse(kText, "t",
                                        {"data={\"type\": \"file\", \"path\": \"" + path("dc.obs") + "\"}",
                                         "ip={\"path\": \"" + path("ip.obs") + "\"}", "survey=null",
                                         R"(regularizers=[{"type": "tikhonov", "order": 1, "weight": 1}])",
                                         "optimizer={\"type\": \"gauss-newton\", \"iterations\": 6}", "stop.chi2=1"}),
                          options("ip"));
  EXPECT_EQ(result.at("ip").at("data"), value.size());
  EXPECT_LT(result.at("ip").at("chi2").get<double>(), 1.2);
  EXPECT_GT(result.at("ip").at("start_chi2").get<double>(), 100);
  const auto found = read_npy<float>(path("ip/chargeability.npy"));
  EXPECT_EQ(found.shape, (std::vector<Index>{5, 8, 10}));
  const auto most = std::max_element(found.values.begin(), found.values.end());
  EXPECT_GE(*std::min_element(found.values.begin(), found.values.end()), 0.0F);
  EXPECT_GT(*most, 15);  // around 5; smooth: below the 60 of the block
  const auto [z, y, x] = c.problem.grid.place(most - found.values.begin());
  EXPECT_NEAR(static_cast<double>(z), 1.5, 1.6);
  EXPECT_NEAR(static_cast<double>(y), 4, 1.1);
  EXPECT_NEAR(static_cast<double>(x), 6, 1.1);
  EXPECT_NE(make_report(load_report_input(path("ip"))).find("Induced polarisation"), std::string::npos);
}

TEST_F(DcVolumeFiles, EnsemblesRegionsAndBodies) {
  const std::vector<std::string> sets{R"(field={"type": "siren", "width": 16, "layers": 2})", "ensemble.seeds=[1, 2]",
                                      R"(optimizer={"type": "adam", "lr": 1e-2, "iterations": 6})",
                                      R"(score_body={"threshold_siemens_per_m": 0.03})"};
  auto part = sets, whole = sets;
  part.emplace_back(R"(score_region={"type": "box", "x_m": [-15, 5], "y_m": [-10, 5], "z_m": [0, 15]})");
  whole.emplace_back(R"(score_region={"type": "box", "x_m": [-15, 5], "z_m": [0, 15]})");
  const Json result = run(Config::parse(kText, "t", part), options("members"));
  EXPECT_EQ(result.at("status"), "ok");
  EXPECT_EQ(result.at("model_error").at("region").at("nodes"), 3 * 3 * 4);
  EXPECT_TRUE(result.at("model_error").at("body").contains("iou"));
  EXPECT_FALSE(result.at("model_error").at("body").contains("axis_deg"));
  EXPECT_EQ(read_npy<float>(path("members/model_std.npy")).shape, (std::vector<Index>{5, 8, 10}));
  EXPECT_TRUE(fs::exists(path("members/figures/ensemble.png")));
  const Config config = Config::parse(kText, "t", whole);
  const Problem p = build_problem(config, false);
  EXPECT_EQ(region_errors(config.json().at("score_region"), p.start, p).at("nodes"), 3 * 8 * 4);
}

TEST_F(DcVolumeFiles, UbcModels) {
  const TensorMesh3 mesh{{-40, 0, 40}, {-40, 0, 40}, {0, 10, 100}};
  write_ubc_mesh_3d(path("m.msh"), mesh);
  write_ubc_model_3d(path("m.con"), mesh, {1, 2, 3, 4, 5, 6, 7, 8});
  const std::string model =
      "true_model={\"type\": \"ubc\", \"path\": \"" + path("m.con") + "\", \"mesh\": \"" + path("m.msh") + "\"}";
  const Problem p = build_problem(Config::parse(kText, "t", {model}), true);
  const auto at = [&](Index z, Index y, Index x) {
    return std::exp(p.true_model[static_cast<std::size_t>((z * 8 + y) * 10 + x)]);
  };
  EXPECT_NEAR(at(0, 0, 0), 1, 1e-12);
  EXPECT_NEAR(at(1, 0, 9), 2, 1e-12);
  EXPECT_NEAR(at(1, 7, 0), 3, 1e-12);
  EXPECT_NEAR(at(4, 7, 9), 8, 1e-12);
}

TEST(DcVolume, ForecastNamesTheSizes) {
  RunOptions o;
  o.threads = 1;
  const Forecast f = forecast(Config::parse(kText, "t"), o);
  EXPECT_NE(f.lines[0].find("5 x 8 x 10 cells (9 x 16 x 18 with padding), 12 electrodes, 9 voltages"),
            std::string::npos)
      << f.lines[0];
  EXPECT_TRUE(f.fits);
  const Forecast none = forecast(Config::parse(kText, "t", {"memory.host_bytes=1e6"}), o);
  EXPECT_FALSE(none.fits);
  EXPECT_NE(none.remedy.find("host_bytes"), std::string::npos) << none.remedy;
}

TEST(DcVolume, WrongConfigsSayWhatToDo) {
  const auto message = [](const std::vector<std::string>& sets) -> std::string {
    try {
      build_problem(Config::parse(kText, "t.json", sets), true);
    } catch (const Error& e) {
      return e.message();
    }
    return "accepted";
  };
  const std::vector<std::pair<std::vector<std::string>, std::vector<std::string>>> rows = {
      {{"grid.ny=null", "grid.dy_m=null", "grid.y0_m=null"}, {"/grid", "\"dc-3d\" has three dimensions", "dc-2.5d"}},
      {{"grid.dy_m=null"}, {"/grid/ny", "\"dy_m\": 5"}},
      {{"physics.type=dc-2.5d"}, {"/grid/ny", "\"dc-2.5d\" has two dimensions"}},
      {{"physics.wavenumbers=9"}, {"/physics/wavenumbers", "unknown key"}},
      {{"physics.solver=lu"}, {"/physics/solver", "multigrid, direct"}},
      {{"physics.tolerance=0"}, {"/physics/tolerance", "out of range"}},
      {{"survey.electrodes={\"type\": \"line\", \"x_m\": [-15, 15], \"z_m\": 0, \"count\": 7}"},
       {"/survey/electrodes", "\"y_m\" is missing"}},
      {{"survey.electrodes={\"type\": \"ring\", \"center_x_m\": 0, \"center_z_m\": 0, \"radius_m\": 5, \"count\": 4}"},
       {"/survey/electrodes/type", "a ring"}},
      {{"survey.electrodes.y_m=[-900, 900]"}, {"electrode 0 at y = -900 m lies outside"}},
      {{"survey.electrodes.z_m=-3"}, {"electrode 0 at z = -3 m lies outside"}},
      {{"survey.array.levels=9", "survey.electrodes.count_x=1"}, {"/survey/array", "too few for one datum"}},
      {{"survey.array.along=diagonal"}, {"/survey/array/along", "auto, list, x, y, xy"}},
      {{"survey.array={\"type\": \"file\", \"path\": \"nowhere.loc\"}"}, {"/survey/electrodes", "leave this key out"}},
      {{"survey={\"array\": {\"type\": \"file\", \"path\": \"nowhere.loc\"}}"}, {"nowhere.loc", "cannot open"}},
      {{"survey={\"array\": \"wenner\"}"}, {"/survey", "\"electrodes\" is missing"}},
      {{"survey.sources={\"type\": \"points\", \"x_m\": 0, \"y_m\": 0, \"z_m\": 0}"},
       {"a resistivity survey has electrodes"}},
      {{"field.property=vp"}, {"/field/property", "voltages come from a conductivity"}},
      {{"misfit=envelope"}, {"/misfit/type", "belongs to waves"}},
      {{"data.refine=2"}, {"/data/refine"}},
      {{R"(score_region={"type": "disc", "x_m": 0, "z_m": 5, "radius_m": 5})"}, {"/score_region/type", "a disc"}},
      {{R"(score_body={"threshold_siemens_per_m": 0.03, "dip": {"background_siemens_per_m": 0.01, "x_m": [0, 1],
            "z_m": [0, 1]}})"},
       {"/score_body/dip", "a dip"}},
      {{"optimizer=gauss-newton", "misfit=l2"}, {"gauss-newton needs the misfit"}},
      {{"true_model=null", "ip={}", "survey=null", "data={\"type\": \"file\", \"path\": \"nowhere.obs\"}"},
       {"nowhere.obs", "cannot open"}},
  };
  for (const auto& [sets, parts] : rows) {
    const std::string text = message(sets);
    for (const std::string& part : parts) EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
  }
  // The place in the file.
  const std::string text = std::string("{\n  \"task\": \"forward\", \"grid\": {\"nz\": 5, \"nx\": 10, \"dz_m\": 5, ") +
                           "\"dx_m\": 5},\n  \"physics\": {\"type\": \"dc-3d\", \"solver\": \"fast\"}, \"model\": " +
                           "{\"type\": \"constant\", \"value_ohm_m\": 100}}";
  try {
    Config::parse(text, "t.json");
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("t.json:3:42: /physics/solver"), std::string::npos) << e.what();
  }
}

}  // namespace dc_volume_test
}  // namespace terrane
