// SPDX-License-Identifier: MIT
// Ensembles of initial weights: mean and spread against the members, kept members, wrong configs.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "engine/io/npy.hpp"
#include "engine/json_value.hpp"
#include "engine/run.hpp"
#include "tests/support/test_folder.hpp"

namespace terrane {
namespace ensemble_test {

namespace fs = std::filesystem;

const char* const kLine = R"({"task": "invert", "seed": 3, "name": "line",
  "grid": {"nz": 8, "nx": 14, "dz_m": 2, "dx_m": 2, "x0_m": -4},
  "physics": {"type": "dc-2.5d", "padding": {"cells": 3}, "wavenumbers": 4},
  "survey": {"electrodes": {"type": "line", "x_m": [0, 20], "z_m": 0, "count": 6},
             "array": {"type": "dipole-dipole", "levels": 3}},
  "true_model": {"type": "blocks", "background_ohm_m": 100,
                 "blocks": [{"x_m": [8, 14], "z_m": [2, 8], "value_ohm_m": 20}]},
  "start_model": {"type": "constant", "value_ohm_m": 100},
  "data": {"type": "synthetic", "noise": {"type": "proportional", "relative": 0.03}},
  "field": {"type": "siren", "width": 10, "layers": 2, "omega_0": 8}, "misfit": {"type": "chi2"},
  "optimizer": {"type": "adam", "lr": 1e-3, "iterations": 6}, "ensemble": {"seeds": [4, 5, 9]}})";

std::string message(const std::vector<std::string>& sets) {
  try {
    Config::parse(kLine, "test", sets);
  } catch (const Error& e) {
    return e.what();
  }
  return "accepted";
}

TEST(Ensemble, MeanAndSpreadOfTheMembers) {
  const TestFolder folder;
  const std::string dir = folder / "run";
  RunOptions o;
  o.out_dir = dir;
  const Config config = Config::parse(kLine, "test");
  const Forecast f = forecast(config, o);
  EXPECT_EQ(f.json.at("members"), 3);
  const Json result = run(config, o);
  EXPECT_EQ(result.at("status"), "ok");
  ASSERT_EQ(result.at("members").size(), 3U);
  std::vector<std::vector<double>> logs;
  for (const char* seed : {"4", "5", "9"}) {
    logs.emplace_back();
    for (const float v : read_npy<float>(dir + "/members/seed-" + seed + "/model.npy").values) {
      logs.back().push_back(std::log(static_cast<double>(v)));
    }
  }
  const auto mean = read_npy<float>(dir + "/model.npy").values;
  const auto std = read_npy<double>(dir + "/model_std.npy").values;
  ASSERT_EQ(mean.size(), logs[0].size());
  double spread = 0;
  for (std::size_t i = 0; i < mean.size(); ++i) {
    const double m = (logs[0][i] + logs[1][i] + logs[2][i]) / 3;
    EXPECT_NEAR(std::log(static_cast<double>(mean[i])), m, 1e-6);  // S/m, the mean of the logarithms
    double square = 0;
    for (const auto& l : logs) square += (l[i] - m) * (l[i] - m) / 2;
    EXPECT_NEAR(std[i], std::sqrt(square), 1e-6);
    spread += std[i];
  }
  EXPECT_GT(spread, 0);
  EXPECT_LE(result.at("within").at("1").get<double>(), result.at("within").at("2").get<double>());
  EXPECT_GT(result.at("model_error").at("rmse_log10").get<double>(), 0);
  // The same noise for all.
  const auto d4 = read_npy<double>(dir + "/members/seed-4/data_observed.npy").values;
  EXPECT_EQ(d4, read_npy<double>(dir + "/members/seed-9/data_observed.npy").values);
  for (const char* name : {"report.html", "figures/ensemble.png", "resolved.json", "data_predicted.npy"}) {
    EXPECT_TRUE(fs::exists(dir + "/" + name)) << name;
  }
  // Finished members are kept, a lost one is run again, and the mean is the same.
  const auto before = fs::last_write_time(dir + "/members/seed-4/result.json");
  fs::remove_all(dir + "/members/seed-5");
  o.resume = true;
  run(config, o);
  EXPECT_EQ(fs::last_write_time(dir + "/members/seed-4/result.json"), before);
  EXPECT_EQ(read_npy<float>(dir + "/model.npy").values, mean);
}

TEST(Ensemble, WrongConfigs) {
  EXPECT_NE(message({"ensemble.seeds=[1]"}).find("at least two different seeds"), std::string::npos);
  EXPECT_NE(message({"ensemble.seeds=[1, 1]"}).find("at least two different seeds"), std::string::npos);
  EXPECT_NE(message({"field={\"type\": \"grid\"}"}).find("no random initial weights"), std::string::npos);
}

}  // namespace ensemble_test
}  // namespace terrane
