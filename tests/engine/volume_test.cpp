// SPDX-License-Identifier: MIT
// Three dimensions in the engine: gradient against differences, extrusion against the plane, every field, resuming,
// outputs, memory, wrong input.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <fstream>

#include "autodiff/check.hpp"
#include "engine/figure.hpp"
#include "engine/inversion.hpp"
#include "engine/io/npy.hpp"
#include "engine/json_value.hpp"
#include "engine/report.hpp"
#include "engine/run.hpp"
#include "engine/scores.hpp"
#include "engine/simulation.hpp"
#include "tests/support/devices.hpp"
#include "tests/support/test_folder.hpp"

namespace terrane {
namespace volume_test {

const char* const kVolume = R"({
  "task": "invert", "seed": 3, "name": "volume",
  "grid": {"nz": 12, "ny": 14, "nx": 16, "dz_m": 20, "dy_m": 20, "dx_m": 20, "y0_m": -100},
  "physics": {"type": "acoustic", "order": 4, "vmax_mps": 3300,
              "boundary": {"type": "cpml", "width_cells": {"top": 3, "bottom": 4, "left": 3, "right": 4, "front": 3, "back": 4}}},
  "survey": {"dt_s": 0.002, "nt": 90, "wavelet": {"type": "ricker", "frequency_hz": 12},
             "sources": {"type": "lattice", "x_m": [60, 240], "y_m": [-60, 110], "z_m": 20, "count_x": 2, "count_y": 2},
             "receivers": {"type": "grid-plane", "z_m": 20, "step": 3, "first": 1}},
  "true_model": {"type": "blocks", "background_mps": 2200, "blocks": [
    {"x_m": [100, 200], "y_m": [-20, 80], "z_m": [80, 160], "value_mps": 2700}]},
  "start_model": {"type": "constant", "value_mps": 2200}, "data": {"type": "synthetic"},
  "field": {"type": "grid"}, "misfit": {"type": "l2"}, "optimizer": {"type": "adam", "lr_mps": 20, "iterations": 12}})";

template <class T>
struct Case {
  explicit Case(const std::vector<std::string>& sets = {})
      : config(Config::parse(kVolume, "test", sets)), s(Device{}, {}), problem(build_problem(config, true)) {
    problem.observed = simulate<T>(s, problem, problem.true_model, problem.wavelet, problem.shots());
  }
  double phi(std::vector<double>* gradient = nullptr) {
    Inversion<T> inversion(s, config, problem, Log());
    const double value = inversion.step().phi;
    if (gradient != nullptr) *gradient = inversion.first_gradient();
    return value;
  }
  Config config;
  Stream s;
  Problem problem;
};

TEST(Volume, GradientMatchesDifferences) {
  Case<double> c({"precision.physics=fp64",
                  "regularizers=[{\"type\":\"tv\",\"weight\":0.1,\"epsilon\":0.1},{\"type\":\"tikhonov\",\"weight\":1,"
                  "\"weight_y\":0.5}]",
                  "start_model={\"type\":\"smooth\",\"of\":\"true_model\",\"sigma_m\":40}"});
  std::vector<double> gradient;
  c.phi(&gradient);
  const std::vector<double> start = c.problem.start;
  ASSERT_EQ(gradient.size(), start.size());
  ASSERT_EQ(start.size(), 12U * 14 * 16);
  const auto direction = random_normal<double>(static_cast<Index>(start.size()), 5);
  double want = 0;
  for (std::size_t i = 0; i < start.size(); ++i) want += gradient[i] * direction[i];
  const auto moved = [&](double h) {
    for (std::size_t i = 0; i < start.size(); ++i) c.problem.start[i] = start[i] + h * direction[i];
    return c.phi();
  };
  const double h = 0.05, difference = (moved(h) - moved(-h)) / (2 * h);
  EXPECT_NEAR(difference, want, 2e-6 * std::abs(want));
}

// A line of point sources along y over a model that does not change along y, far from the ends of the line, is a source
// in the plane: p2(x, z) = dy * sum over y of p3(x, y, z).
TEST(Volume, ExtrudedModelOfALineSourceIsThePlane) {
  const TestFolder folder;
  const std::string npy = folder / "section.npy";
  std::vector<float> section;
  for (int i = 0; i < 12 * 16; ++i)
    section.push_back(2200.0F + 15.0F * static_cast<float>(i / 16) + 5.0F * static_cast<float>(i % 16));
  write_npy(npy, {12, 16}, section.data());
  const std::string model = "\"path\":\"" + npy + "\"";
  const std::vector<std::string> common{"survey.nt=75",           "physics.substeps=1",
                                        "start_model=null",       "physics.boundary.width_cells=4",
                                        "precision.physics=fp64", "task=forward"};
  auto volume = common, plane = common;
  volume.insert(volume.end(),
                {"grid.ny=41", "grid.y0_m=-400", "true_model={\"type\":\"file\",\"extrude\":true," + model + "}",
                 "survey.sources={\"type\":\"lattice\",\"x_m\":70,\"y_m\":[-400,400],\"z_m\":33,\"count_x\":1,"
                 "\"count_y\":41}",
                 "survey.receivers={\"type\":\"points\",\"x_m\":[100,200],\"y_m\":0,\"z_m\":[100,55]}"});
  plane.insert(plane.end(),
               {"grid.ny=null", "grid.dy_m=null", "grid.y0_m=null", "true_model={\"type\":\"file\"," + model + "}",
                "survey.sources={\"type\":\"points\",\"x_m\":70,\"z_m\":33}",
                "survey.receivers={\"type\":\"points\",\"x_m\":[100,200],\"z_m\":[100,55]}"});
  Stream s{Device{}};
  const auto data = [&](const std::vector<std::string>& sets) {
    const Problem p = build_problem(Config::parse(kVolume, "test", sets), false);
    return simulate<double>(s, p, p.true_model, p.wavelet, 1);
  };
  const auto two = data(plane), three = data(volume);
  ASSERT_EQ(two.size(), 2U * 75);
  ASSERT_EQ(three.size(), 41 * two.size());
  double error = 0, size = 0;
  for (std::size_t i = 0; i < two.size(); ++i) {
    double sum = 0;
    for (std::size_t y = 0; y < 41; ++y) sum += 20 * three[y * two.size() + i];
    error += (sum - two[i]) * (sum - two[i]);
    size += two[i] * two[i];
  }
  EXPECT_LT(std::sqrt(error / size), 1e-6);
}

TEST(Volume, EveryFieldLowersTheMisfit) {
  struct Row {
    std::string field, optimizer;
    bool closer = true;  // to the true model in so few iterations
  };
  const std::vector<Row> rows = {
      {"{\"type\":\"grid\"}", "lr_mps=20"},
      {"{\"type\":\"siren\",\"width\":24,\"layers\":2,\"omega_0\":10}", "lr=2e-3"},
      {"{\"type\":\"fourier\",\"frequencies\":12,\"sigma\":1,\"width\":24,\"layers\":2}", "lr=3e-3", false},
      {"{\"type\":\"wire\",\"width\":24,\"layers\":2}", "lr=2e-3", false},
      {"{\"type\":\"low-rank\",\"width\":16,\"ranks\":[4,5,6],\"omega_0\":6}", "lr=1e-2"},
      {"{\"type\":\"mpe\",\"encoder\":{\"type\":\"dense-grid\",\"base_resolution\":4,\"levels\":3,\"growth\":1.5}}",
       "lr=3e-3"},
      {"{\"type\":\"mpe\",\"encoder\":{\"type\":\"hash-grid\",\"base_resolution\":4,\"levels\":3,\"growth\":1.5,"
       "\"table_log2\":7}}",
       "lr=3e-3", false},
      {"{\"type\":\"ig\",\"branch_width\":16,\"width\":16,\"encoder\":{\"type\":\"dense-grid\",\"levels\":2,"
       "\"base_resolution\":4}}",
       "lr=3e-3"},
      {"{\"type\":\"lrg\",\"branch_width\":16,\"width\":16,\"encoder\":{\"type\":\"dense-grid\",\"levels\":2,"
       "\"base_resolution\":4}}",
       "lr=3e-3", false}};
  Case<float> c;
  for (const Row& row : rows) {
    SCOPED_TRACE(row.field);
    const std::size_t equals = row.optimizer.find('=');
    const Config config = Config::parse(
        kVolume, "test",
        {"field=" + row.field, "optimizer={\"type\":\"adam\",\"iterations\":14,\"" + row.optimizer.substr(0, equals) +
                                   "\":" + row.optimizer.substr(equals + 1) + "}"});
    Inversion<float> inversion(c.s, config, c.problem, Log());
    double first = 0, last = 0;
    while (!inversion.finished()) {
      last = inversion.step().phi;
      if (inversion.iteration() == 1) first = last;
    }
    EXPECT_LT(last, 0.9 * first);
    if (!row.closer) continue;
    EXPECT_LT(model_rmse(inversion.model(), c.problem).value, model_rmse(c.problem.start, c.problem).value);
  }
}

// The sizes of the networks of published three-dimensional models (60 x 160 x 160 nodes).
TEST(Volume, PublishedParameterCounts) {
  const Grid3 grid{60, 160, 160, 50, 50, 50};
  const auto parameters = [&](const char* field) {
    return Field<float>::make(Json::parse(field), grid, 0).parameters();
  };
  EXPECT_EQ(parameters(R"({"type": "low-rank"})"), 266814);
  EXPECT_EQ(parameters(R"({"type": "grid"})"), 1536000);
}

RunOptions run_options(const std::string& directory) {
  RunOptions o;
  o.out_dir = directory;
  o.overwrite = true;
  o.console = LogLevel::off;
  return o;
}

std::string bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(Volume, StoppedRunResumesWithTheSameBitsAndReports) {
  const std::vector<std::string> sets{"checkpoint.every_iterations=2",
                                      "field={\"type\":\"siren\",\"width\":12,\"layers\":2}",
                                      "optimizer={\"type\":\"adam\",\"lr\":2e-3,\"iterations\":5,\"batch_shots\":2}"};
  const Config config = Config::parse(kVolume, "test", sets);
  const TestFolder folder;
  const std::string whole = folder / "whole", part = folder / "part";
  const Json result = run(config, run_options(whole));
  EXPECT_EQ(result.at("status"), "ok");
  EXPECT_LT(result.at("misfit").at("final").get<double>(), result.at("misfit").at("initial").get<double>());
  EXPECT_TRUE(result.at("model_error").at("ssim").at("of").is_string());
  RunOptions stopping = run_options(part);
  std::atomic<int> signal{0};
  stopping.stop_signal = &signal;
  stopping.progress = [&](const ProgressEvent& e) {
    if (e.iteration == 3) signal = 10;
  };
  auto quiet = sets;
  quiet.emplace_back("report.enabled=false");
  EXPECT_EQ(run(Config::parse(kVolume, "test", quiet), stopping).at("status"), "stopped");
  EXPECT_EQ(resume(part, run_options(part), {}).at("status"), "ok");
  EXPECT_EQ(bytes(part + "/model.npy"), bytes(whole + "/model.npy"));
  EXPECT_EQ(read_npy<float>(whole + "/model.npy").shape, (std::vector<Index>{12, 14, 16}));
  const Json sidecar = Json::parse(bytes(whole + "/model.json"));
  EXPECT_EQ(sidecar.at("axes"), "zyx");
  EXPECT_EQ(sidecar.at("origin_m"), Json::parse("[0.0, -100.0, 0.0]"));

  const ReportInput in = load_report_input(whole);
  EXPECT_TRUE(in.three_dimensional());
  EXPECT_EQ(in.section_y_m, -100 + 7 * 20);
  EXPECT_EQ(in.model.shape, (std::vector<Index>{12, 16}));
  EXPECT_EQ(in.model.values[16 + 3], in.volume.values[static_cast<std::size_t>((1 * 14 + 7) * 16 + 3)]);
  ASSERT_FALSE(in.gathers.empty());
  EXPECT_EQ(in.gathers[0].observed.shape, (std::vector<Index>{5, 90}));  // the line of five receivers at y = -60
  EXPECT_EQ(in.gathers[0].receivers_y_m, -80);
  const auto figures = make_figures(in);
  EXPECT_EQ(figures[0].file, "models.png");
  EXPECT_NE(make_report(in).find("12 × 14 × 16 nodes"), std::string::npos);
}

// Means over sections of maps that are the same at every y are the scores of one.
TEST(Volume, ScoresAreMeansOverSections) {
  const std::string model = "true_model={\"type\":\"generated\",\"min_mps\":1600,\"max_mps\":3000}";
  const std::vector<std::string> flat{"grid.ny=null",
                                      "grid.dy_m=null",
                                      "grid.y0_m=null",
                                      "physics.boundary.width_cells=3",
                                      "survey.sources={\"type\":\"points\",\"x_m\":70,\"z_m\":33}",
                                      "survey.receivers={\"type\":\"grid-row\",\"z_m\":20}",
                                      model};
  const Problem two = build_problem(Config::parse(kVolume, "test", flat), false);
  const Problem three = build_problem(Config::parse(kVolume, "test", {model}), false);
  const Json a = model_errors(two.start, two), b = model_errors(three.start, three);
  for (const char* name : {"rmse_mps", "mae_mps", "relative_l2"}) {
    EXPECT_NEAR(a.at(name).get<double>(), b.at(name).get<double>(), 1e-9 * a.at(name).get<double>()) << name;
  }
  for (const char* name : {"minmax", "openfwi", "skimage"}) {
    EXPECT_NEAR(a.at("ssim").at(name).get<double>(), b.at("ssim").at(name).get<double>(), 1e-12) << name;
  }
}

std::string message(const std::vector<std::string>& sets, ErrorCode* code = nullptr) {
  try {
    build_problem(Config::parse(kVolume, "test", sets), true);
  } catch (const Error& e) {
    if (code != nullptr) *code = e.code();
    return e.what();
  }
  return "accepted";
}

TEST(Volume, WrongConfigsSayWhatToWrite) {
  const std::string straight =
      "survey={\"sources\":{\"type\":\"line\",\"x_m\":0,\"z_m\":[0,200],\"count\":3},"
      "\"receivers\":{\"type\":\"line\",\"x_m\":300,\"z_m\":[0,200],\"count\":3}}";
  const std::vector<std::pair<std::vector<std::string>, std::vector<std::string>>> rows = {
      {{"grid.dy_m=null"}, {"/grid/ny", "\"dy_m\": 20"}},
      {{"grid.ny=null"}, {"/grid/dy_m", "give ny"}},
      {{"grid.ny=1"}, {"/grid/ny", "at least 2"}},
      {{"physics={\"type\":\"eikonal\"}", straight}, {"/grid/ny", "\"eikonal\"", "two dimensions"}},
      {{"survey.receivers={\"type\":\"line\",\"x_m\":[0,100],\"z_m\":20,\"count\":3}"},
       {"/survey/receivers", "\"y_m\" is missing"}},
      {{"survey.receivers={\"type\":\"line\",\"x_m\":[0,100],\"y_m\":[0,900],\"z_m\":20,\"count\":3}"},
       {"receiver 1 at y = 450 m lies outside the grid (-100 to 160 m)"}},
      {{"survey.sources={\"type\":\"points\",\"x_m\":[0,20,40],\"y_m\":[0,20],\"z_m\":20}"},
       {"/survey/sources/y_m", "2 y_m but 3 positions"}},
      {{"survey.sources={\"type\":\"ring\",\"center_x_m\":100,\"center_z_m\":100,\"radius_m\":50,\"count\":4}"},
       {"/survey/sources/type", "a ring"}},
      {{"optimizer={\"type\":\"gauss-newton\"}", "misfit={\"type\":\"chi2\"}"}, {"/optimizer/type", "gauss-newton"}},
      {{"data.refine=2"}, {"/data/refine", "refine"}},
      {{R"(score_region={"type": "disc", "x_m": 0, "z_m": 5, "radius_m": 5})"}, {"/score_region/type", "a disc"}},
      {{"grid.ny=null", "grid.dy_m=null", "grid.y0_m=null", "true_model.blocks=[]"},
       {"/survey/sources/type", "\"lattice\" needs a grid of three dimensions"}},
  };
  for (const auto& [sets, parts] : rows) {
    const std::string text = message(sets);
    for (const std::string& part : parts) EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
  }
}

TEST(Volume, ModelFiles) {
  const TestFolder folder;
  const std::string npy = folder / "model.npy";
  const std::string file = "true_model={\"type\":\"file\",\"path\":\"" + npy + "\"";
  const auto put = [&](const std::vector<Index>& shape) {
    std::vector<float> v(12 * 14 * 16);
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = 2000 + static_cast<float>(i) * 0.25F;
    write_npy(npy, shape, v.data());
  };
  ErrorCode code{};
  put({12, 16});
  EXPECT_NE(message({file + "}"}, &code).find("\"extrude\": true"), std::string::npos);
  EXPECT_EQ(code, ErrorCode::data);
  put({14, 12, 16});
  EXPECT_NE(message({file + "}"}).find("the grid (12, 14, 16) (nz, ny, nx)"), std::string::npos);
  put({12, 14, 16});
  EXPECT_NE(message({file + ",\"extrude\":true}"}).find("(nz, nx)"), std::string::npos);
  const auto values = [&](const std::string& keys) {
    return build_problem(Config::parse(kVolume, "test", {file + keys + "}"}), true).true_model;
  };
  const auto at = [](Index z, Index y, Index x) { return static_cast<std::size_t>((z * 14 + y) * 16 + x); };
  EXPECT_EQ(values("")[at(3, 5, 7)], 2000 + 0.25 * static_cast<double>(at(3, 5, 7)));
  EXPECT_EQ(values(",\"upward\":true")[at(8, 5, 7)], 2000 + 0.25 * static_cast<double>(at(3, 5, 7)));
  put({16, 14, 12});  // x, y, z
  EXPECT_EQ(values(",\"axes\":\"xz\"")[at(3, 5, 7)], 2000 + 0.25 * ((7 * 14 + 5) * 12 + 3));
}

// Storage follows the budget, and the records do not depend on it.
TEST(Volume, StorageObeysTheBudget) {
  const auto forecast_of = [](const std::vector<std::string>& sets) {
    return forecast(Config::parse(kVolume, "test", sets), run_options("unused"));
  };
  const Forecast all = forecast_of({}), none = forecast_of({"memory.host_bytes=1e6"});
  EXPECT_EQ(all.json.at("memory").at("storage"), "all");
  EXPECT_NE(all.lines[0].find("12 x 14 x 16 nodes"), std::string::npos) << all.lines[0];
  EXPECT_FALSE(none.fits);
  const double snapshots = all.json.at("memory").at("snapshot_bytes");
  const Forecast less = forecast_of({"memory.host_bytes=" + std::to_string(1.8 * snapshots)});
  EXPECT_NE(less.json.at("memory").at("storage"), "all");
  Case<float> c, ring({"physics.storage=ring"});
  std::vector<double> a, b;
  EXPECT_EQ(c.phi(&a), ring.phi(&b));
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference += (a[i] - b[i]) * (a[i] - b[i]), size += a[i] * a[i];
  EXPECT_LT(std::sqrt(difference / size), 1e-4);
}

}  // namespace volume_test
}  // namespace terrane
