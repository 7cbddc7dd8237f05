// SPDX-License-Identifier: MIT
// Resistivity through the engine: configs, surveys, observations, the published dike study, conventional inversion.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "engine/examples.hpp"
#include "engine/induced_polarization.hpp"
#include "engine/inversion.hpp"
#include "engine/io/dc_data.hpp"
#include "engine/io/npy.hpp"
#include "engine/objective.hpp"
#include "engine/output.hpp"
#include "engine/recipes.hpp"
#include "engine/run.hpp"
#include "engine/scores.hpp"
#include "engine/simulation.hpp"
#include "kernels/runtime/random.hpp"
#include "tests/engine/small_problem.hpp"
#include "tests/support/data_files.hpp"
#include "tests/support/test_folder.hpp"

namespace terrane {
namespace dc_test {

namespace fs = std::filesystem;

// 8 x 30 cells of 5 m under 13 electrodes every 10 m, a conductive block.
const char* const kSmall = R"({"task": "invert", "seed": 3,
  "grid": {"nz": 8, "nx": 30, "dz_m": 5, "dx_m": 5, "x0_m": -75},
  "physics": {"type": "dc-2.5d", "padding": {"cells": 6, "factor": 1.6}, "wavenumbers": 9},
  "survey": {"electrodes": {"type": "line", "x_m": [-60, 60], "z_m": 0, "count": 13},
             "array": {"type": "dipole-dipole", "levels": 6}},
  "true_model": {"type": "blocks", "background_ohm_m": 100,
                 "blocks": [{"x_m": [-20, 0], "z_m": [10, 25], "value_siemens_per_m": 0.1}]},
  "start_model": {"type": "constant", "value_siemens_per_m": 0.01},
  "data": {"type": "synthetic", "noise": {"type": "proportional", "relative": 0.02}},
  "field": {"type": "grid"},
  "misfit": {"type": "chi2"}, "optimizer": {"type": "adam", "lr": 0.05, "iterations": 40},
  "precision": {"physics": "fp64", "network": "fp64"}})";

struct Small : SmallProblem {
  explicit Small(const std::vector<std::string>& sets = {}, const char* text = kSmall) : SmallProblem(text, sets) {}
};

TEST(DcConfig, MeshSurveyAndProperty) {
  const Small c;
  EXPECT_EQ(c.config.json().at("field").at("property"), "log-conductivity");
  EXPECT_EQ(c.problem.mesh.nx(), 42);
  EXPECT_EQ(c.problem.mesh.nz(), 14);
  EXPECT_DOUBLE_EQ(c.problem.mesh.z_m[0], 0);
  EXPECT_DOUBLE_EQ(c.problem.grid.x0_m, -72.5);
  EXPECT_DOUBLE_EQ(c.problem.start[0], std::log(0.01));
  EXPECT_NEAR(c.problem.true_model[0], std::log(0.01), 1e-15);
  EXPECT_NEAR(c.problem.true_model[2 * 30 + 12], std::log(0.1), 1e-15);
  // Levels 1 to 6 of 13 electrodes: 10 + 9 + ... + 5.
  EXPECT_EQ(c.problem.dc.size(), 45);
  EXPECT_EQ(c.problem.dc.data[0], (DcDatum{0, 1, 2, 3}));
  EXPECT_EQ(c.problem.data_shape(), (std::vector<Index>{45}));
  for (std::size_t i = 0; i < c.problem.std.size(); ++i) EXPECT_GT(c.problem.std[i], 0);
  EXPECT_GT(std::abs(c.problem.observed[0]), 0);
}

TEST(DcConfig, ArraysAreThoseOfTheField) {
  const auto count = [](const std::string& array) {
    return Small({"survey.array=" + array, "data.noise=null"}).problem.dc;
  };
  EXPECT_EQ(count(R"({"type": "wenner", "levels": 2})").data[1], (DcDatum{0, 6, 2, 4}));
  EXPECT_EQ(count(R"({"type": "schlumberger", "levels": 2})").data[1], (DcDatum{0, 5, 2, 3}));
  EXPECT_EQ(count(R"({"type": "pole-dipole", "levels": 2, "spread": 2})").data[1], (DcDatum{0, -1, 4, 6}));
  EXPECT_EQ(count(R"({"type": "pole-pole", "levels": 2})").data[1], (DcDatum{0, -1, 2, -1}));
  EXPECT_EQ(count(R"({"type": "list", "abmn": [[0, -1, 3, 4]]})").data[0], (DcDatum{0, -1, 3, 4}));
}

TEST(DcConfig, OneMediumInThreeProperties) {
  const Small log;
  const Small sigma({"field.property=conductivity", "optimizer.lr=1e-4"});
  const Small rho({"field.property=resistivity", "optimizer.lr=1"});
  for (std::size_t i = 0; i < log.problem.observed.size(); ++i) {
    const double d = log.problem.observed[i];
    EXPECT_NEAR(sigma.problem.observed[i], d, 1e-12 * std::abs(d) + 1e-18);
    EXPECT_NEAR(rho.problem.observed[i], d, 1e-12 * std::abs(d) + 1e-18);
  }
  EXPECT_NEAR(rho.problem.start[0], 100, 1e-12);
  EXPECT_NEAR(model_errors(rho.problem.start, rho.problem).at("rmse_log10").get<double>(),
              model_errors(log.problem.start, log.problem).at("rmse_log10").get<double>(), 1e-12);
}

// The same maps, whether the property is a conductivity or its logarithm.
TEST(DcConfig, MapsOfTheLogarithm) {
  const std::string mlp = R"("type": "mlp", "width": 8, "layers": 1, "activation": "tanh")";
  const auto model = [&](const std::string& property, const std::string& transform) {
    Small c({"field={" + mlp + R"(, "property": ")" + property + R"(", "transform": )" + transform + "}"});
    Inversion<double> inversion(c.s, c.config, c.problem, Log());
    auto m = inversion.model();
    for (double& v : m) v = c.problem.property->value_of(v);
    return m;
  };
  for (const char* map : {R"({"type": "log-bounded", "min_siemens_per_m": 1e-4, "max_siemens_per_m": 1})",
                          R"({"type": "exp", "scale": 2})"}) {
    const auto a = model("conductivity", map), b = model("log-conductivity", map);
    for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-12) << map;
  }
}

TEST(DcConfig, WrongConfigsSayWhatToDo) {
  const auto message = [](const std::vector<std::string>& sets) -> std::string {
    try {
      const Config config = Config::parse(kSmall, "t.json", sets);
      build_problem(config, true);
    } catch (const Error& e) {
      return e.what();
    }
    return "accepted";
  };
  const auto has = [](const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  has(message({"survey.nt=100"}), "/survey/nt: belongs to waves");
  has(message({"survey.sources={\"type\": \"points\", \"x_m\": [0], \"z_m\": 0}"}),
      "a resistivity survey has electrodes");
  has(message({"survey.electrodes=null"}), "\"electrodes\" is missing");
  has(message({"survey.pairs=[[0, 1]]"}), "/survey/pairs: belongs to travel times");
  has(message({"survey=null"}), "\"survey\" is missing (electrodes and array)");
  has(message({"field.property=vp"}), "voltages come from a conductivity");
  has(message({"physics={\"type\": \"eikonal\"}"}), "\"sources\" is missing");
  has(message({"survey.array={\"type\": \"list\", \"abmn\": [[0, 1, 2]]}"}), "four whole numbers");
  has(message({"survey.array={\"type\": \"list\", \"abmn\": [[0, 1, 1, 3]]}"}), "uses electrode 1 as B and M");
  has(message({"survey.array={\"type\": \"list\", \"abmn\": [[0, 1, 2, 13]]}"}), "electrode 13");
  has(message({"survey.electrodes.count=2"}), "too few for one datum");
  has(message({"survey.electrodes.z_m=-4"}), "electrode 0 at z = -4 m lies outside");
  has(message({"start_model.value_siemens_per_m=null", "start_model.value_mps=1500"}), "cannot be read as");
  has(message({"physics.quadrature={\"k_per_m\": [0.1, 0.2], \"weight_per_m\": [0.1]}"}), "wavenumber");
  has(message({"regularizers=[{\"type\": \"reference\", \"weight\": 1, \"value_mps\": 2}]"}),
      "write \"value_siemens_per_m\"");
  has(message({"optimizer=gauss-newton",
               "trade_off={\"type\": \"convex\", \"beta\": {\"type\": \"constant\", \"value\": 0.1}}"}),
      "gauss-newton has beta");
  has(message({"misfit=envelope"}), "/misfit/type: belongs to waves");
  has(message({"data.refine=2"}), "/data/refine: belongs to waves");
  has(message({"start_model=null"}), "\"value_siemens_per_m\": 0.01");
  has(message({"true_model=null", "data={\"type\": \"file\", \"path\": \"nowhere.npy\"}"}), "cannot open the file");
}

TEST(DcConfig, TopographyMakesAirAndMovesElectrodes) {
  Small c({"grid.z0_m=-20", "grid.nz=12",
           R"(survey.electrodes={"type": "points", "x_m": [-60, -40, -20, 0, 20, 40, 60],
                    "z_m": [0, 0, -10, -18, -10, 0, 0]})",
           "physics.surface=sensors"});
  const auto& air = c.problem.resistivity.air;
  ASSERT_EQ(static_cast<Index>(air.size()), c.problem.mesh.cells());
  EXPECT_EQ(air[0], 1);                                                  // beside the hill
  EXPECT_EQ(air[static_cast<std::size_t>(4 * c.problem.mesh.nx())], 0);  // below its foot
  ASSERT_FALSE(c.problem.notes.empty());
  EXPECT_NE(c.problem.notes[0].find("electrodes are moved by up to"), std::string::npos);
  const auto d = simulate<double>(c.s, c.problem, c.problem.start, {}, 1);
  for (const double v : d) EXPECT_TRUE(std::isfinite(v) && v != 0);
}

// A file of observations says it all; the grid is chosen from its electrodes.
TEST(DcConfig, ObservationsBringElectrodesAndGrid) {
  if (absent("nfs_inv/dcr_3_1_dc_data.obs")) GTEST_SKIP() << "nfs_inv/dcr_3_1_dc_data.obs is absent";
  const Config config =
      Config::parse(R"({"task": "invert", "physics": "dc-2.5d", "data": {"type": "file", "path": ")" +
                        data_file("nfs_inv/dcr_3_1_dc_data.obs") +
                        R"(", "std": {"relative": 0.05}}, "start_model": {"type": "constant", "value_ohm_m": 100},
             "field": "siren", "misfit": "chi2", "optimizer": {"type": "adam"}})",
                    "test");
  const Problem p = build_problem(config, true);
  EXPECT_EQ(p.dc.size(), 348);
  EXPECT_EQ(p.dc.electrodes.size(), 29u);
  EXPECT_LT(p.mesh.x_m.front(), -350);
  EXPECT_DOUBLE_EQ(p.mesh.z_m.front(), 0);
  EXPECT_DOUBLE_EQ(p.grid.dx_m, 6.2);
  EXPECT_DOUBLE_EQ(p.std[7], 0.05 * std::abs(p.observed[7]));
}

// What init writes for a file of observations runs as it is.
TEST(DcConfig, TemplateFromObservations) {
  if (absent("ert/slagdump2d/slagdump.ohm")) GTEST_SKIP() << "ert/slagdump2d/slagdump.ohm is absent";
  TemplateInputs inputs;
  inputs.data_path = data_file("ert/slagdump2d/slagdump.ohm");
  const Json c = template_config("dc", inputs);
  EXPECT_FALSE(c.contains("survey"));
  EXPECT_EQ(c.at("physics").at("surface"), "sensors");
  EXPECT_DOUBLE_EQ(c.at("start_model").at("value_ohm_m").get<double>(), 11.4);
  const Config config = Config::parse(c.dump(), "init");
  const Problem p = build_problem(config, true);
  EXPECT_EQ(p.dc.size(), 222);
  EXPECT_FALSE(p.resistivity.air.empty());
  EXPECT_LE(p.grid.z0_m - 0.5 * p.grid.dz_m, -121.2);  // its highest electrode
}

TEST(DcInversion, GridFindsTheBlock) {
  Small c({"optimizer.iterations=150", "optimizer.lr=0.1"});
  Inversion<double> inversion(c.s, c.config, c.problem, Log());
  double first = 0, last = 0;
  while (!inversion.finished()) {
    const auto r = inversion.step();
    if (r.iteration == 0) first = r.chi2;
    last = r.chi2;
  }
  EXPECT_GT(first, 20);
  EXPECT_LT(last, 2);
  const auto m = inversion.model();
  EXPECT_GT(m[3 * 30 + 12], std::log(0.016));
}

// Gauss-Newton with sparse norms reaches the target and stays there.
TEST(DcInversion, SparseNormsHoldTheTarget) {
  Small c({R"(optimizer={"type": "gauss-newton", "beta_ratio": 100, "beta_cooling": 2, "hold": true, "iterations": 25,
              "cell_weights": "sensitivity", "cg_iterations": 8, "cg_tolerance": 0.05})",
           R"(regularizers=[{"type": "sparse", "weight": 1, "weights": [0.25, 1, 1]}])", "stop.chi2=1"});
  Inversion<double> inversion(c.s, c.config, c.problem, Log());
  double chi2 = 0;
  while (!inversion.finished()) chi2 = inversion.step().chi2;
  EXPECT_NEAR(chi2, 1, 0.25);
}

TEST(DcInversion, TradeOffMixesMisfitAndReference) {
  Small own({R"(regularizers=[{"type": "reference", "weight": 2, "value_siemens_per_m": 0.02}])",
             R"(trade_off={"type": "convex", "beta": {"type": "exponential", "start": 0.5, "scale_iterations": 10}})"});
  EXPECT_DOUBLE_EQ(trade_off_beta(own.config.json().at("trade_off"), 10), 0.5 * std::exp(-1.0));
  Inversion<double> inversion(own.s, own.config, own.problem, Log());
  const auto r = inversion.step();
  EXPECT_NEAR(r.phi_model.at("reference"), 0.5 * 2 * std::log(2.0), 1e-12);
  EXPECT_NEAR(r.phi, 0.5 * r.phi_data + 0.5 * 2 * std::log(2.0), 1e-12);
  const double before = r.phi_data;
  const auto next = inversion.step();
  const double beta = 0.5 * std::exp(-0.1);
  EXPECT_NEAR(next.phi, (1 - beta) * next.phi_data + next.phi_model.at("reference"), 1e-12 * before);
}

TEST(DcRun, ResultsAndReport) {
  const TestFolder folder;
  const std::string dir = folder / "run";
  RunOptions options;
  options.out_dir = dir;
  options.console = LogLevel::off;
  const Config config = Config::parse(
      kSmall, "t",
      {"optimizer.iterations=4", R"(score_region={"type": "box", "x_m": [-40, 40], "z_m": [0, 30]})",
       R"(score_body={"threshold_siemens_per_m": 0.03, "dip": {"background_siemens_per_m": 0.01, "x_m": [-60, 60], "z_m": [0, 40]}})"});
  const Json r = run(config, options);
  EXPECT_EQ(r.at("status"), "ok");
  EXPECT_TRUE(r.at("model_error").at("rmse_log10").is_number());
  EXPECT_TRUE(r.at("model_error").at("region").at("rmse_log10").is_number());
  EXPECT_TRUE(r.at("model_error").at("body").at("true_dip_deg").is_number());
  EXPECT_TRUE(r.at("baselines").at("best-layered").at("region").at("rmse_log10").is_number());
  EXPECT_TRUE(r.at("data_error").at("chi2").is_number());
  EXPECT_EQ(read_npy<float>(dir + "/data_geometry.npy").shape, (std::vector<Index>{45, 8}));
  // Conductivities in S/m, though the inversion works with logarithms.
  const auto start = read_npy<float>(dir + "/start_model.npy");
  EXPECT_FLOAT_EQ(start.values[0], 0.01f);
  const auto coverage = read_npy<float>(dir + "/coverage.npy");
  EXPECT_FLOAT_EQ(*std::max_element(coverage.values.begin(), coverage.values.end()), 1.0f);
  EXPECT_GT(coverage.values[15], coverage.values[7 * 30 + 15]);
  EXPECT_TRUE(fs::exists(dir + "/report.html"));
}

// Chargeabilities made by the kernel of a block come back near it, above zero, at chi2 = 1; rows of the kernel sum
// to 1.
TEST(InducedPolarisation, BlockComesBack) {
  Small c({"data.noise.relative=0.01"});
  const auto n = c.problem.dc.size(), cells = c.problem.grid.cells();
  const auto kernel = chargeability_kernel(c.s, c.problem, c.problem.start);
  std::vector<double> truth(static_cast<std::size_t>(cells), 5.0);
  for (Index z = 2; z < 5; ++z) {
    for (Index x = 11; x < 16; ++x) truth[static_cast<std::size_t>(z * 30 + x)] = 40;
  }
  const Random random(7, RandomPurpose::noise);
  for (Index i = 0; i < n; ++i) {
    double sum = 0, d = 0;
    for (Index k = 0; k < cells; ++k) {
      sum += kernel[static_cast<std::size_t>(i * cells + k)];
      d += kernel[static_cast<std::size_t>(i * cells + k)] * truth[static_cast<std::size_t>(k)];
    }
    EXPECT_NEAR(sum, 1, 1e-9);
    c.problem.ip.value.push_back(d + 0.3 * random.normal(static_cast<std::uint64_t>(i)));
    c.problem.ip.std.push_back(0.3);
  }
  const IpResult r = invert_chargeability(c.problem, c.problem.start, {}, 1);
  EXPECT_LT(r.chi2, 1.0);
  EXPECT_GT(r.start_chi2, 100);
  const auto [least, most] = std::minmax_element(r.chargeability.begin(), r.chargeability.end());
  EXPECT_GE(*least, 0);
  const auto at = most - r.chargeability.begin();
  EXPECT_NEAR(static_cast<double>(at % 30), 13, 3);
  EXPECT_GT(*most, 20);
}

TEST(InducedPolarisation, FilesBringTheirChargeabilities) {
  if (absent("ert/century_46800E/46800POT.OBS")) GTEST_SKIP() << "ert/century_46800E is absent";
  const DataFolder folder;
  const Config config = Config::parse(make_recipe("fields/century").config.dump(), "century");
  const Problem p = build_problem(config, true);
  EXPECT_EQ(p.dc.size(), 151);
  ASSERT_EQ(p.ip.value.size(), 151u);
  EXPECT_DOUBLE_EQ(p.ip.value[0], 4.3);
  EXPECT_DOUBLE_EQ(p.ip.std[0], 0.3);
  ASSERT_EQ(p.reference.size(), p.start.size());
  EXPECT_NEAR(std::exp(p.reference[0]), 0.0096, 0.01);
}

// A survey with 5 % spoilt readings: they are named and left out, and the rest inverts as before.
TEST(DcConfig, BadReadingsAreListedAndLeftOut) {
  const TestFolder folder;
  const std::string& dir = folder.path();
  Small c({"data.noise.relative=0.01"});
  DcObservations obs;
  obs.survey = c.problem.dc;
  obs.volt = c.problem.observed;
  for (const double v : obs.volt) obs.std.push_back(0.02 * std::abs(v));
  obs.volt[4] = -obs.volt[4];
  obs.volt[20] = -2 * obs.volt[20];
  write_bert(dir + "/line.ohm", obs);
  const Problem p = build_problem(
      Config::parse(
          R"({"task": "invert", "physics": "dc-2.5d", "data": {"type": "file", "path": ")" + dir +
              R"(/line.ohm", "std": {"relative": 0.02}}, "start_model": {"type": "constant", "value_ohm_m": 100},
                       "field": "siren", "misfit": "chi2", "optimizer": {"type": "adam"}})",
          "bad"),
      true);
  EXPECT_EQ(p.dc.size(), 43);
  std::string all;
  for (const std::string& note : p.notes) all += note + "\n";
  EXPECT_NE(all.find("datum 5 (line"), std::string::npos) << all;
  EXPECT_NE(all.find("datum 21 (line"), std::string::npos) << all;
  EXPECT_NE(all.find("2 of 45 data are left out"), std::string::npos) << all;
  // The rest gives nearly the model of the sound survey; with the bad ones kept it is another.
  const auto inverted = [&](const std::string& file, const std::string& check) {
    const Config config = Config::parse(kSmall, "bad",
                                        {"data={\"type\": \"file\", \"path\": \"" + file + "\", \"check\": \"" + check +
                                             "\", \"std\": {\"relative\": 0.02}}",
                                         "survey=null", "true_model=null", "optimizer.iterations=60"});
    Stream s{Device{}};
    const Problem problem = build_problem(config, true);
    Inversion<double> inversion(s, config, problem, Log());
    while (!inversion.finished()) inversion.step();
    return inversion.model();
  };
  obs.volt[4] = -obs.volt[4];
  obs.volt[20] = obs.volt[20] / -2;
  write_bert(dir + "/sound.ohm", obs);
  const auto sound = inverted(dir + "/sound.ohm", "drop"), mended = inverted(dir + "/line.ohm", "drop"),
             spoilt = inverted(dir + "/line.ohm", "list");
  const auto off = [&](const std::vector<double>& m) {
    double sum = 0;
    for (std::size_t k = 0; k < m.size(); ++k) sum += std::pow(m[k] - sound[k], 2);
    return std::sqrt(sum / static_cast<double>(m.size()));
  };
  EXPECT_LT(off(mended), 0.15);
  EXPECT_GT(off(spoilt), 3 * off(mended));
}

// phi_d = N / 2 chi2 before a step, from the given initial weights.
struct StudyPath {
  const char* recipe;
  double sum;  // of |m + 4.6| at step 0
  std::vector<std::pair<int, double>> phi;
};

// What ctest shows of a case.
void PrintTo(const StudyPath& path, std::ostream* out) { *out << path.recipe; }

class DikeStudy : public testing::TestWithParam<StudyPath> {};

TEST_P(DikeStudy, FirstSteps) {
  if (absent("nfs_inv/dcr_3_1_dc_data.obs")) GTEST_SKIP() << "nfs_inv is absent";
  const DataFolder folder;
  const StudyPath& path = GetParam();
  Json c = make_recipe(std::string("nfs-inv/") + path.recipe).config;
  c["precision"] = {{"physics", "fp64"}, {"network", "fp64"}};
  const Config config = Config::parse(c.dump(), path.recipe);
  const Problem problem = build_problem(config, true);
  Stream s(Device{}, {});
  Inversion<double> inversion(s, config, problem, Log());
  double distance = 0;
  for (const double m : inversion.model()) distance += std::abs(m + 4.6);
  EXPECT_NEAR(distance, path.sum, 0.01);
  for (const auto& [step, phi] : path.phi) {
    IterationReport r;
    while (inversion.iteration() <= step) r = inversion.step();
    const double tolerance = step == 0 ? 1e-6 : 1e-3;
    EXPECT_NEAR(0.5 * 348 * r.chi2, phi, tolerance * phi) << "step " << step;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Cases, DikeStudy,
    testing::Values(
        StudyPath{"case-3.1", 3837.84, {{0, 5344.722}, {1, 5945.990}, {2, 7968.666}, {5, 30533.89}, {10, 21556.81}}},
        StudyPath{"case-3.2", 3837.84, {{0, 4283.788}, {1, 4052.688}, {2, 5119.160}, {5, 22679.53}}},
        StudyPath{"case-3.3", 3837.84, {{0, 4754.012}, {1, 4755.984}, {2, 6086.144}, {5, 24994.99}}},
        StudyPath{"case-3.1-no-smallness", 3837.84, {{0, 5344.722}, {1, 5308.282}, {2, 5276.049}}},
        StudyPath{"case-4", 3837.84, {{0, 8718.116}, {1, 8278.722}, {2, 7593.054}, {5, 4238.44}}},
        StudyPath{
            "case-4-linear-pe", 3849.91, {{0, 8693.695}, {1, 8306.183}, {2, 7413.111}, {5, 3530.89}, {10, 1762.36}}}),
    [](const auto& info) {
      std::string name = info.param.recipe;
      for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
      return name;
    });

}  // namespace dc_test
}  // namespace terrane
