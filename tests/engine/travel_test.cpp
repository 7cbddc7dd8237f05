// SPDX-License-Identifier: MIT
// Travel times through the engine: configs, surveys, picks, the published cross-hole study, conventional inversion.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "analysis/metrics.hpp"
#include "engine/inversion.hpp"
#include "engine/io/npy.hpp"
#include "engine/io/picks.hpp"
#include "engine/output.hpp"
#include "engine/recipes.hpp"
#include "engine/run.hpp"
#include "engine/simulation.hpp"
#include "engine/weights.hpp"
#include "tests/engine/small_problem.hpp"
#include "tests/support/data_files.hpp"
#include "tests/support/devices.hpp"
#include "tests/support/test_folder.hpp"

namespace terrane {
namespace travel_test {

namespace fs = std::filesystem;

// 12 x 9 cells of 2 m between two lines of five, a slow block.
const char* const kSmall = R"({"task": "invert", "seed": 3,
  "grid": {"nz": 12, "nx": 9, "dz_m": 2, "dx_m": 2},
  "physics": {"type": "straight-ray"},
  "survey": {"sources": {"type": "line", "x_m": 0.5, "z_m": [1, 23], "count": 5},
             "receivers": {"type": "line", "x_m": 17.5, "z_m": [1, 23], "count": 5}},
  "true_model": {"type": "blocks", "background_s_per_m": 0.001,
                 "blocks": [{"x_m": [6, 12], "z_m": [8, 14], "value_s_per_m": 0.002}]},
  "start_model": {"type": "constant", "value_s_per_m": 0.001},
  "data": {"type": "synthetic", "noise": {"type": "gaussian", "std_s": 1e-4}},
  "field": {"type": "grid", "property": "slowness"},
  "misfit": {"type": "chi2"}, "optimizer": {"type": "adam", "lr": 2e-5, "iterations": 60}})";

struct Small : SmallProblem {
  explicit Small(const std::vector<std::string>& sets = {}, const char* text = kSmall) : SmallProblem(text, sets) {}
};

TEST(TravelConfig, CornerOfTheFirstCell) {
  Small c;
  EXPECT_DOUBLE_EQ(c.problem.grid.x0_m, 1);  // its centre
  EXPECT_DOUBLE_EQ(c.problem.grid.z0_m, 1);
  // A horizontal ray at z = 1 crosses 17 m of background.
  const auto t = simulate<double>(c.s, c.problem, std::vector<double>(108, 1e-3), {}, 1);
  EXPECT_NEAR(t[0], 0.017, 1e-12);
  EXPECT_EQ(c.problem.data_shape(), (std::vector<Index>{25}));
  EXPECT_EQ(c.problem.std, std::vector<double>(25, 1e-4));
}

// The same medium as slowness, as velocity, and as values in other units.
TEST(TravelConfig, VelocityAndSlownessAreTheSameMedium) {
  const Small slow;
  const Small fast({"field.property=vp", "field.transform=null", "optimizer.lr=1",
                    R"(true_model={"type": "blocks", "background_mps": 1000, "blocks": [{"x_m": [6, 12], "z_m": [8, 14],
                       "value": {"value": 2, "unit": "ms/m"}}]})"});
  ASSERT_EQ(slow.problem.observed.size(), fast.problem.observed.size());
  for (std::size_t i = 0; i < slow.problem.observed.size(); ++i) {
    EXPECT_NEAR(slow.problem.observed[i], fast.problem.observed[i], 1e-12);
  }
  EXPECT_DOUBLE_EQ(fast.problem.start[0], 1000);
  EXPECT_NEAR(fast.problem.true_model[5 * 9 + 4], 500, 1e-9);
}

TEST(TravelConfig, WrongConfigsSayWhatToDo) {
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
  has(message({"survey.receivers=null"}), "\"receivers\" is missing");
  has(message({"survey=null"}), "\"survey\" is missing");
  has(message({"grid=null"}), "\"grid\" is missing");
  has(message({"misfit=envelope"}), "/misfit/type: belongs to waves");
  has(message({"optimizer.batch_shots=2"}), "/optimizer/batch_shots: belongs to waves");
  has(message({"bounds.min_mps=500"}), "/bounds/min_mps: the field stands for slowness: write \"min_s_per_m\"");
  has(message({"survey.pairs=[[0, 0], [5, 0]]"}), "/survey/pairs/1: [5,0] names no source or receiver");
  has(message({"survey.pairs=[]"}), "the list is empty");
  has(message({"survey.sources.x_m=-3"}), "source 0 at x = -3 m lies outside the grid (0 to 18 m)");
  has(message({"optimizer=gauss-newton", "misfit=l2"}), "gauss-newton needs the misfit \"chi2\"");
  has(message({"regularizers=[{\"type\": \"sparse\", \"weight\": 1}]"}), "belong to the optimizer gauss-newton");
  has(message({"data.noise.std_s=null", "data.noise.relative=0.1", "data.noise.std=1"}),
      "give one of relative and std");
  has(message({"physics.type=acoustic"}), "\"dt_s\" is missing (waves need it)");
}

TEST(TravelConfig, PairsAndArrays) {
  const TestFolder folder;
  const std::string& dir = folder.path();
  const double nan = std::nan("");
  const std::vector<double> times{17, nan, 18, 19};
  write_npy(dir + "/t.npy", {2, 2}, times.data());
  const auto sets = [&](const std::string& more) {
    std::vector<std::string> s{
        R"(data={"type": "file", "path": ")" + dir +
            R"(/t.npy", "unit": "ms", "missing": "drop", "std": {"relative": 0.01, "floor_s": 1e-4}})",
        "survey.pairs=[[0, 0], [0, 1], [1, 0], [4, 4]]"};
    if (!more.empty()) s.push_back(more);
    return s;
  };
  const Small c(sets(""));
  EXPECT_EQ(c.problem.travel.data(), 3);
  EXPECT_DOUBLE_EQ(c.problem.observed[0], 0.017);
  EXPECT_DOUBLE_EQ(c.problem.std[1], std::hypot(1.8e-4, 1e-4));
  ASSERT_EQ(c.problem.notes.size(), 1u);
  EXPECT_NE(c.problem.notes[0].find("1 pairs without a datum"), std::string::npos);
  const Small relative(sets("data.relative_to_mps=1000"));
  EXPECT_DOUBLE_EQ(relative.problem.observed[0], 0.017 + 0.017);
  EXPECT_THROW(Small(sets("data.missing=error")), Error);
  EXPECT_THROW(Small(sets("data.unit=hours")), Error);
  EXPECT_THROW(Small(sets("survey.pairs=null")), Error);
}

TEST(TravelInversion, StopsWhenTheDataFit) {
  const Small c({"stop.chi2=1", "optimizer.iterations=400"});
  Stream s(Device{}, {});
  Inversion<double> inversion(s, c.config, c.problem, Log());
  double last = 0;
  while (!inversion.finished()) last = inversion.step().chi2;
  EXPECT_EQ(inversion.stop_reason(), "chi2");
  EXPECT_LE(last, 1);
  EXPECT_LT(inversion.iteration(), 400);
}

TEST(TravelInversion, MeanOfTheParameters) {
  const Small c({"optimizer.average=0.5", "optimizer.iterations=3"});
  Stream s(Device{}, {});
  Inversion<double> inversion(s, c.config, c.problem, Log());
  std::vector<std::vector<double>> seen;
  while (!inversion.finished()) {
    inversion.step();
    seen.push_back(inversion.parameters());
  }
  const auto mean = inversion.result_parameters();
  const auto model = inversion.result_model();
  for (std::size_t i = 0; i < mean.size(); ++i) {
    EXPECT_NEAR(mean[i], (seen[0][i] + 2 * seen[1][i] + 4 * seen[2][i]) / 7, 1e-15);
    EXPECT_DOUBLE_EQ(model[i], mean[i]);
  }
  EXPECT_EQ(inversion.parameters(), seen[2]);
  // A restored state goes on with the same mean.
  Inversion<double> again(s, c.config, c.problem, Log());
  again.restore(inversion.state());
  EXPECT_EQ(again.result_parameters(), mean);
}

TEST(TravelInversion, GaussNewtonWithNormsAndBounds) {
  const std::vector<std::string> sets{
      "optimizer={\"type\": \"gauss-newton\", \"iterations\": 12}",
      "regularizers=[{\"type\": \"tv\", \"weight\": 2, \"epsilon\": 0.01, \"anisotropic\": true}]",
      "bounds.min_s_per_m=0.001"};
  const Small c(sets);
  Stream s(Device{}, {});
  Inversion<double> inversion(s, c.config, c.problem, Log());
  const double start = rmse(std::span<const double>(c.problem.start), std::span<const double>(c.problem.true_model));
  std::vector<double> half;
  while (!inversion.finished()) {
    const IterationReport r = inversion.step();
    EXPECT_TRUE(std::isfinite(r.phi));
    if (r.iteration == 5) half = inversion.parameters();
  }
  const auto model = inversion.model();
  for (const double v : model) EXPECT_GE(v, 0.001 - 1e-12);
  EXPECT_LT(rmse(std::span<const double>(model), std::span<const double>(c.problem.true_model)), 0.75 * start);
  // Stopped half way and restored: the same bits.
  Inversion<double> first(s, c.config, c.problem, Log()), second(s, c.config, c.problem, Log());
  for (int i = 0; i < 6; ++i) first.step();
  EXPECT_EQ(first.parameters(), half);
  second.restore(first.state());
  while (!second.finished()) second.step();
  EXPECT_EQ(second.parameters(), inversion.parameters());
}

// Weights of the cells: both change the model, the data still fit.
TEST(TravelInversion, CellWeights) {
  std::vector<std::vector<double>> models;
  for (const std::string weights : {"none", "sensitivity", "depth"}) {
    const Small c({"optimizer={\"type\": \"gauss-newton\", \"iterations\": 8, \"cell_weights\": \"" + weights + "\"}",
                   "regularizers=[{\"type\": \"tikhonov\", \"order\": 0, \"weight\": 3}]"});
    Stream s(Device{}, {});
    Inversion<double> inversion(s, c.config, c.problem, Log());
    double chi2 = 0;
    while (!inversion.finished()) chi2 = inversion.step().chi2;
    EXPECT_LT(chi2, 2) << weights;
    models.push_back(inversion.model());
  }
  EXPECT_NE(models[0], models[1]);
  EXPECT_NE(models[0], models[2]);
}

// Every field recovers the block through both physics.
TEST(TravelInversion, NetworksThroughBothPhysics) {
  const std::string ray = R"(physics={"type": "straight-ray"})", eikonal = R"(physics={"type": "eikonal"})";
  for (const std::string& physics : {ray, eikonal}) {
    const bool bent = physics == eikonal;
    std::vector<std::string> sets{
        physics,
        "field={\"type\": \"siren\", \"width\": 32, \"layers\": 2, \"omega_0\": 10, \"property\": \"slowness\", "
        "\"transform\": {\"type\": \"exp\"}}",
        "optimizer.lr=3e-3", "optimizer.iterations=150"};
    if (bent) sets.push_back("survey.receivers.x_m=15.5");  // nodes end before the cells do
    if (bent) sets.push_back("survey.receivers.z_m=[1, 21]"), sets.push_back("survey.sources.z_m=[1, 21]");
    const Small c(sets);
    Stream s(Device{}, {});
    Inversion<float> inversion(s, c.config, c.problem, Log());
    double first = 0, last = 0;
    while (!inversion.finished()) {
      last = inversion.step().chi2;
      if (inversion.iteration() == 1) first = last;
    }
    EXPECT_LT(last, 0.05 * first) << physics;
  }
}

TEST(TravelRun, WritesGeometryCoverageAndReport) {
  const TestFolder folder;
  const std::string dir = folder / "run";
  RunOptions options;
  options.out_dir = dir;
  options.overwrite = true;
  options.console = LogLevel::off;
  const Config config = Config::parse(kSmall, "test", {"score_body.threshold_s_per_m=0.0015"});
  const Json result = run(config, options);
  EXPECT_EQ(result.at("status"), "ok");
  EXPECT_TRUE(result.at("data_error").at("chi2").is_number());
  EXPECT_TRUE(result.at("data_error").at("clean_chi2").is_number());
  EXPECT_TRUE(result.at("model_error").at("rmse_s_per_m").is_number());
  EXPECT_TRUE(result.at("model_error").at("body").at("iou").is_number());
  EXPECT_FALSE(result.at("model_error").contains("mse_km2_s2"));
  EXPECT_EQ(npy_info(dir + "/data_geometry.npy").shape, (std::vector<Index>{25, 4}));
  EXPECT_EQ(npy_info(dir + "/rays.npy").shape, (std::vector<Index>{50, 3}));
  const auto coverage = read_npy<double>(dir + "/coverage.npy");
  double sum = 0;
  for (const double v : coverage.values) sum += v;
  double length = 0;  // of all rays
  for (int i = 0; i < 5; ++i) {
    for (int j = 0; j < 5; ++j) length += std::hypot(17.0, 5.5 * (i - j));
  }
  EXPECT_NEAR(sum, length, 1e-3);
  for (const char* figure : {"models.png", "picks.png", "residuals.png", "coverage.png"}) {
    EXPECT_TRUE(fs::exists(dir + "/figures/" + figure)) << figure;
  }
  const Forecast f = forecast(config, options);
  EXPECT_NE(f.lines[0].find("25 travel times"), std::string::npos) << f.lines[0];
}

// --- picks -----------------------------------------------------------------------------------------------------------

TEST(TravelPicks, GridAndSurfaceFromTheSensors) {
  if (absent("traveltime/koenigsee_refraction/koenigsee.sgt"))
    GTEST_SKIP() << "absent: traveltime/koenigsee_refraction/koenigsee.sgt";
  const DataFolder folder;
  const Config config = Config::parse(make_recipe("fields/koenigsee").config.dump(), "recipe");
  const Problem p = build_problem(config, true);
  EXPECT_EQ(p.travel.sources.size(), 15u);
  EXPECT_EQ(p.travel.receivers.size(), 48u);
  EXPECT_EQ(p.observed.size(), 714u);
  EXPECT_LT(p.grid.x0_m, -4.5);
  EXPECT_GT(p.grid.end_m(2), 51.5);
  EXPECT_LT(p.grid.z0_m, -1.55);  // the highest sensor, z down
  Index air = 0;
  for (const auto a : p.eikonal.air) air += a;
  EXPECT_GT(air, p.grid.nx);
  // The resolved config names the grid and repeats the run.
  EXPECT_EQ(Config::parse(config.json().dump(), "again").json().dump(), config.json().dump());
}

// --- the cross-hole study ------------------------------------------------------------------------------------------

Config study(const std::string& name, const std::vector<std::string>& sets) {
  return Config::parse(make_recipe("nfs-inv/" + name).config.dump(), name, sets);
}

// The true model of Case 1 from its definition.
TEST(CrossholeStudy, TrueModel) {
  if (absent("nfs_inv/case1_true_slowness.npy")) GTEST_SKIP() << "absent: nfs_inv/case1_true_slowness.npy";
  const DataFolder folder;
  const Config config = study("case-1", {});
  const Problem p = build_problem(config, true);
  const Config built = study(
      "case-1",
      {R"(true_model={"type": "blocks", "background_s_per_m": 0.001, "blocks": [{"x_m": [23, 41], "z_m": [55, 73], "value_s_per_m": 0.005}]})"});
  EXPECT_EQ(build_problem(built, true).true_model, p.true_model);
  Stream s(Device{}, {});
  const auto clean = simulate<double>(s, p, p.true_model, {}, 1);
  double noise = 0, all = 0, phi = 0;
  for (std::size_t i = 0; i < clean.size(); ++i) {
    noise += std::pow(p.observed[i] - clean[i], 2);
    all += std::pow(p.observed[i], 2);
    phi += std::pow((p.observed[i] - clean[i]) / p.std[i], 2);
  }
  EXPECT_NEAR(std::sqrt(noise / all), 0.0929830, 1e-6);
  EXPECT_NEAR(phi / static_cast<double>(clean.size()), 0.9730, 1e-4);
}

// Published weights: norm, mean, first value and range of their output.
TEST(CrossholeStudy, OutputOfPublishedWeights) {
  if (absent("nfs_inv/svd_case1_weights.npz")) GTEST_SKIP() << "absent: nfs_inv/svd_case1_weights.npz";
  const DataFolder folder;
  const double want[2][5] = {{125.461586, 1.1702614, 0.971972, 0.869727, 5.498662},
                             {186.410651, 1.4073167, 0.972592, -0.523659, 7.969836}};
  for (int k = 0; k < 2; ++k) {
    const std::string n = std::to_string(k + 1);
    const Config config =
        study("case-" + n + "-raw", {"field.initial_weights.path=nfs_inv/svd_case" + n + "_weights.npz"});
    const Problem p = build_problem(config, true);
    Stream s(Device{}, {});
    Inversion<double> inversion(s, config, p, Log());
    const auto m = inversion.model();
    double norm = 0, mean = 0;
    for (const double v : m) norm += v * v * 1e6, mean += v * 1e3 / static_cast<double>(m.size());
    EXPECT_NEAR(std::sqrt(norm), want[k][0], 1e-5 * want[k][0]);
    EXPECT_NEAR(mean, want[k][1], 1e-6 * 10);
    EXPECT_NEAR(m[0] * 1e3, want[k][2], 1e-6 * 10);
    const auto [lo, hi] = std::minmax_element(m.begin(), m.end());
    EXPECT_NEAR(*lo * 1e3, want[k][3], 1e-5);
    EXPECT_NEAR(*hi * 1e3, want[k][4], 1e-5);
  }
}

// ||A m - d||^2 before each step, from the given initial weights.
TEST(CrossholeStudy, ReferencePath) {
  if (absent("nfs_inv/init_in256_weights.npz")) GTEST_SKIP() << "absent: nfs_inv/init_in256_weights.npz";
  const DataFolder folder;
  struct Row {
    const char* name;
    double phi[5];
  };
  const Row rows[] = {{"case-1", {43150714, 18505920, 24170297, 17036301, 13406983}},
                      {"case-1-raw", {37632462, 18695981, 22335819, 18868422, 18414088}},
                      {"case-2", {141472008, 71256840, 60881975, 53775847, 40908918}},
                      {"case-2-raw", {111430487, 63232067, 61814256, 57575725, 56466355}}};
  const int steps[] = {0, 1, 2, 5, 10};
  for (const Row& row : rows) {
    const Config config = study(row.name, {"optimizer.iterations=11"});
    const Problem p = build_problem(config, true);
    const auto follow = [&](auto scalar, double tolerance, int last) {
      using T = decltype(scalar);
      Stream s(Device{}, {});
      Inversion<T> inversion(s, config, p, Log());
      std::vector<double> phi;
      for (int i = 0; i <= last; ++i) phi.push_back(inversion.step().chi2 * 400 * 4225);
      for (int k = 0; k < 5 && steps[k] <= last; ++k) {
        EXPECT_NEAR(phi[static_cast<std::size_t>(steps[k])] / row.phi[k], 1, tolerance)
            << row.name << " step " << steps[k];
      }
    };
    follow(0.0, 1e-6, 10);
    follow(0.0f, 1e-5, 2);
  }
}

TEST(CrossholeStudy, DescentRecipe) {
  if (absent("nfs_inv/case2_data_noisy.npy")) GTEST_SKIP() << "absent: nfs_inv/case2_data_noisy.npy";
  const DataFolder folder;
  const Config config = study("case-2-conventional", {});
  const Problem p = build_problem(config, true);
  Stream s(Device{}, {});
  Inversion<double> inversion(s, config, p, Log());
  for (int i = 0; i <= 600; ++i) {
    const IterationReport r = inversion.step();
    if (i == 99) {
      EXPECT_NEAR(r.chi2 * 400 * 4225 / 1466022.0, 1, 1e-5 * 10);
    }
    if (i == 600) {
      EXPECT_NEAR(r.chi2 * 400 * 4225 / 1492542.6, 1, 1e-5);
      EXPECT_NEAR(r.phi_model.at("tikhonov") / 1e4 / 0.00489898, 1, 1e-5);
    }
  }
}

// Straight rays are recorded as one graph where there are graphs; first arrivals, which the host follows until they
// have settled, are not. chi2 is that of every iteration in both.
TEST(TravelInversion, RecordingsChangeNothing) {
  for (const bool eikonal : {false, true}) {
    std::vector<std::string> sets{"optimizer.iterations=6", "optimizer.read_every=4"};
    if (eikonal) sets.insert(sets.end(), {"physics.type=eikonal", "physics.order=1", "grid.nz=13", "grid.nx=10"});
    Small c(sets);
    Inversion<double> cpu(c.s, c.config, c.problem, Log());
    std::vector<IterationReport> want;
    while (!cpu.finished()) want.push_back(cpu.step());
    for_each_device([&](Stream& s) {
      Inversion<double> inversion(s, c.config, c.problem, Log());
      for (std::size_t k = 0; k < want.size(); ++k) {
        const std::vector<IterationReport> got = inversion.steps(9);
        ASSERT_EQ(got.size(), 1U);  // chi2 is wanted of each
        EXPECT_NEAR(got[0].phi, want[k].phi, 1e-9 * want[0].phi);
        EXPECT_NEAR(got[0].chi2, want[k].chi2, 1e-9 * want[0].chi2);
      }
      EXPECT_EQ(inversion.replays(), runs_gpu_code(s) && !eikonal) << inversion.why_not_replayed();
    });
  }
}

}  // namespace travel_test
}  // namespace terrane
