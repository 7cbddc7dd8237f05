// SPDX-License-Identifier: MIT
#include "engine/recipes.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "engine/io/file.hpp"
#include "engine/json_value.hpp"
#include "engine/reproduce.hpp"
#include "tests/support/data_files.hpp"
#include "tests/support/devices.hpp"
#include "tests/support/test_folder.hpp"

namespace terrane {
namespace recipes_test {

TEST(Recipes, EveryOneIsAValidConfig) {
  EXPECT_EQ(recipe_names().size(),
            18u * 10 + 4u * 18 * 3 + 4 + travel_recipe_names().size() + dc_recipe_names().size());
  for (const std::string& name : recipe_names()) {
    const Recipe r = make_recipe(name);
    Json c = r.config;
    if (r.by_metrics()) {
      const bool picks = !c.contains("survey");  // the sensors are in the file
      if (picks && !std::filesystem::exists(data_file(c.at("data").at("path")))) continue;
      if (picks) c["data"]["path"] = data_file(c.at("data").at("path"));
      EXPECT_NO_THROW(Config::parse(c.dump(), name)) << name;
      continue;
    }
    // The data files of the study may be absent here.
    c["true_model"] = {{"type", "constant"}, {"value_mps", 2000}};
    if (c.at("start_model").at("type") == "file") c["start_model"] = c["true_model"];
    EXPECT_NO_THROW(Config::parse(c.dump(), name)) << name;
  }
}

TEST(Recipes, PublishedNumbersStandBesideTheirCase) {
  const Published ig = make_recipe("cr-fwi/marmousi/ig/constant").published;
  EXPECT_DOUBLE_EQ(ig.mse_km2_s2, 0.2961);
  EXPECT_DOUBLE_EQ(ig.ssim, 0.6773);
  EXPECT_DOUBLE_EQ(ig.mae_km_s, 0.2989);
  EXPECT_DOUBLE_EQ(make_recipe("cr-fwi/marmousi/ig/shots-5").published.mse_km2_s2, 0.1654);
  EXPECT_DOUBLE_EQ(make_recipe("cr-fwi/overthrust/grid/constant").published.mse_km2_s2, 1.3364);
  EXPECT_DOUBLE_EQ(make_recipe("cr-fwi/salt-b/lrg/constant").published.mse_km2_s2, 0.2179);
  EXPECT_TRUE(std::isnan(make_recipe("cr-fwi/marmousi/lrg/linear").published.mse_km2_s2));
  EXPECT_TRUE(std::isnan(make_recipe("cr-fwi/marmousi/ig/finer-data").published.mse_km2_s2));
}

TEST(Recipes, StarsMatchParts) {
  EXPECT_EQ(match_recipes("cr-fwi/marmousi/*/constant").size(), 18u);
  EXPECT_EQ(match_recipes("cr-fwi/bp/*").size(), 54u);
  EXPECT_EQ(match_recipes("cr-fwi/*").size() + match_recipes("ust/*").size() + match_recipes("nfs-inv/*").size() +
                match_recipes("fields/*").size(),
            recipe_names().size());
  EXPECT_EQ(match_recipes("ust/*").size(), 4u);
  EXPECT_EQ(match_recipes("cr-fwi/marmousi/ig/linear").size(), 1u);
  EXPECT_TRUE(match_recipes("cr-fwi/marmousi/ig").empty());
  try {
    make_recipe("cr-fwi/marmousi/ig/constnat");
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(e.message().find("did you mean \"cr-fwi/marmousi/ig/constant\""), std::string::npos) << e.message();
  }
}

class Reproduce : public FolderTest {
 protected:
  // Cases on a small model that needs no file.
  Config config(const std::string& recipe, const std::string& more = "", const std::string& background = "2000") {
    const std::string settings = R"({
      "grid": {"nz": 20, "nx": 30}, "true_model": {"type": "blocks", "background_mps": )" +
                                 background + R"(,
      "blocks": [{"x_m": [150, 250], "z_m": [100, 200], "value_mps": 2600}]},
      "survey": {"nt": 80, "sources": {"x_m": [60, 360], "count": 4}},
      "physics": {"boundary": {"width_cells": {"bottom": 6, "left": 6, "right": 6}}},
      "optimizer": {"batch_shots": 2, "iterations": 3}, "stages": [])" +
                                 more + "}";
    return Config::parse(R"({"task": "reproduce", "name": "small", "recipe": ")" + recipe + R"(", "seeds": [0],
      "settings": )" + settings +
                             "}",
                         "test");
  }
  RunOptions options() {
    RunOptions o;
    o.out_dir = path("table");
    o.device = Device{DeviceKind::cpu, 0};
    o.threads = 2;
    o.console = LogLevel::off;
    return o;
  }
};

TEST_F(Reproduce, FillsATableAndKeepsFinishedRows) {
  const Json result = run(config("cr-fwi/marmousi/ig/*"), options());
  EXPECT_EQ(result.at("status"), "ok") << result.dump(1);
  const Json table = Json::parse(read_file(path("table/table.json")));
  ASSERT_EQ(table.size(), 10u);
  for (const Json& row : table) {
    EXPECT_EQ(row.at("status"), "ok") << row.dump(1);
    EXPECT_TRUE(row.at("mse_km2_s2").is_number());
    EXPECT_TRUE(row.at("best_constant_mse_km2_s2").is_number());
  }
  const std::string page = read_file(path("table/table.html"));
  EXPECT_NE(page.find("0.1534"), std::string::npos);  // published, IG from the linear start
  EXPECT_NE(read_file(path("table/table.csv")).find("cr-fwi/marmousi/ig/noise-8,0,ok,3,"), std::string::npos);
  const std::string row = path("table/rows/cr-fwi-marmousi-ig-linear-seed-0/result.json");
  const auto written = std::filesystem::last_write_time(row);
  RunOptions again = options();
  again.resume = true;
  run(config("cr-fwi/marmousi/ig/*"), again);
  EXPECT_EQ(std::filesystem::last_write_time(row), written);  // kept
}

TEST_F(Reproduce, AChangedSettingRunsTheRowAgain) {
  run(config("cr-fwi/marmousi/grid/constant"), options());
  RunOptions again = options();
  again.resume = true;
  const Json result = resume(path("table"), again, {});
  EXPECT_EQ(result.at("status"), "ok");
  again.resume = false;
  again.overwrite = true;
  run(config("cr-fwi/marmousi/grid/constant", R"(, "bounds": {"max_mps": 6000})"), again);
  const Json row = Json::parse(read_file(path("table/rows/cr-fwi-marmousi-grid-constant-seed-0/resolved.json")));
  EXPECT_EQ(row.at("bounds").at("max_mps"), 6000);
}

// A schedule of another type takes other keys.
TEST(Recipes, SettingsOfAnotherTypeReplace) {
  TableRow row;
  row.recipe = make_recipe("nfs-inv/case-1-ig-tv");
  row.seed = 4;
  const Config c = row_config(row, Json::parse(R"({"optimizer": {"schedule": {"type": "constant"}, "lr": 0.01}})"));
  EXPECT_EQ(c.json().at("optimizer").at("schedule").at("type"), "constant");
  EXPECT_EQ(c.json().at("optimizer").at("lr"), 0.01);
  EXPECT_EQ(c.json().at("seed"), 4);
}

// A null in the settings deletes what the recipe says.
TEST(Recipes, NullInTheSettingsDeletes) {
  const Config config = Config::parse(
      R"({"task": "reproduce", "recipe": "nfs-inv/case-3.1", "settings": {"trade_off": null, "description": "x"}})",
      "test");
  EXPECT_TRUE(config.json().at("settings").contains("trade_off"));
  EXPECT_EQ(Config::parse(config.json().dump(), "again").json().dump(), config.json().dump());
  TableRow row;
  row.recipe = make_recipe("nfs-inv/case-3.1");
  EXPECT_FALSE(row_config(row, Json::object()).json().at("trade_off").is_null());
  EXPECT_TRUE(row_config(row, config.json().at("settings")).json().at("trade_off").is_null());
}

// Only seed 0 starts from the published weights.
TEST(Recipes, OtherSeedsDrawTheirWeights) {
  TableRow row;
  row.recipe = make_recipe("nfs-inv/case-2");
  EXPECT_TRUE(row_config(row, Json::object()).json().at("field").at("initial_weights").is_object());
  row.seed = 1;
  EXPECT_TRUE(row_config(row, Json::object()).json().at("field").at("initial_weights").is_null());
}

TEST_F(Reproduce, MetricsOfTravelTimes) {
  const std::string folder = data_file("");
  if (!std::filesystem::exists(data_file("traveltime/transform2021_crosshole/traveltime.dat"))) {
    GTEST_SKIP() << "absent: traveltime/transform2021_crosshole/traveltime.dat";
  }
  setenv("TERRANE_DATA", folder.c_str(), 1);
  const Config c = Config::parse(
      R"({"task": "reproduce", "recipe": "fields/crosshole", "seeds": [0, 1], "settings": {"optimizer": {"iterations": 4}}})",
      "test");
  const Json result = run(c, options());
  const Json summary = result.at("cases").at(0);
  EXPECT_EQ(summary.at("ended"), 2);
  EXPECT_EQ(summary.at("reached"), false);  // four iterations do not fit the data
  EXPECT_EQ(result.at("exit_code"), 1);
  const Json chi2 = summary.at("metrics").at("chi2");
  EXPECT_GT(chi2.at("std").get<double>(), 0);
  EXPECT_LE(chi2.at("least"), chi2.at("median"));
  const std::string page = read_file(path("table/table.html"));
  EXPECT_NE(page.find("mean ± standard deviation"), std::string::npos);
  EXPECT_NE(read_file(path("table/table.csv")).find("region_correlation"), std::string::npos);
}

// The row of a spectrum, on fewer vectors: nothing is inverted, values and vectors are those of the study.
TEST_F(Reproduce, SpectrumOfTheStudy) {
  if (!std::filesystem::exists(data_file("nfs_inv/svd_case1_weights.npz"))) {
    GTEST_SKIP() << "absent: nfs_inv/svd_case1_weights.npz";
  }
  setenv("TERRANE_DATA", data_file("").c_str(), 1);
  const Recipe whole = make_recipe("nfs-inv/svd-1");
  EXPECT_TRUE(whole.at_start);
  EXPECT_EQ(whole.config.at("analyses")[0].at("k"), 50);
  Json analyses = whole.config.at("analyses");
  analyses[0]["k"] = 3;
  const Config c = Config::parse(
      R"({"task": "reproduce", "recipe": "nfs-inv/svd-1", "settings": {"analyses": )" + analyses.dump() + "}}", "test");
  EXPECT_EQ(forecast(c, options()).json.at("rows"), 1);
  const Json result = run(c, options());
  EXPECT_EQ(result.at("exit_code"), 0);
  const Json summary = result.at("cases").at(0);
  EXPECT_EQ(summary.at("reached"), true);
  EXPECT_LT(summary.at("metrics").at("value_difference").at("most"), 1e-6);
  EXPECT_GT(summary.at("metrics").at("vector_cosine").at("least"), 0.9999);
  EXPECT_FALSE(std::filesystem::exists(path("table/rows/nfs-inv-svd-1-seed-0/model.npy")));
  EXPECT_NE(read_file(path("table/table.html")).find("nfs-inv-svd-1-seed-0/report.html"), std::string::npos);
}

TEST_F(Reproduce, MissesAreSaid) {
  // Three iterations on another model do not reach the published error of a start that is already good.
  const Json result = run(config("cr-fwi/marmousi/ig/linear", "", "4000"), options());
  EXPECT_TRUE(result.at("cases")[0].at("published_mse_km2_s2").is_number());
  const bool reached = result.at("cases")[0].at("reached");
  EXPECT_EQ(result.at("exit_code"), reached ? 0 : 1);
  EXPECT_EQ(result.at("within_tolerance"), reached);
}

TEST_F(Reproduce, ForecastAddsTheRows) {
  const Forecast f = forecast(config("cr-fwi/marmousi/ig/*"), options());
  EXPECT_EQ(f.json.at("rows"), 10);
  EXPECT_FALSE(std::filesystem::exists(path("table")));
}

}  // namespace recipes_test
}  // namespace terrane
