// SPDX-License-Identifier: MIT
// `terrane analyze` on finished runs of each physics and on configs: numbers against each other, files, wrong requests.
#include "engine/analyze.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "engine/io/npy.hpp"

namespace terrane {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

const char* const kTravel =
    R"({"task": "invert", "seed": 3, "name": "small", "precision": {"physics": "fp64", "network": "fp64"},
  "grid": {"nz": 12, "nx": 9, "dz_m": 2, "dx_m": 2},
  "physics": {"type": "straight-ray"},
  "survey": {"sources": {"type": "line", "x_m": 0.5, "z_m": [1, 23], "count": 5},
             "receivers": {"type": "line", "x_m": 17.5, "z_m": [1, 23], "count": 5}},
  "true_model": {"type": "constant", "value_s_per_m": 0.0012},
  "start_model": {"type": "constant", "value_s_per_m": 0.001},
  "data": {"type": "synthetic", "noise": {"type": "gaussian", "std_s": 1e-4}},
  "field": {"type": "siren", "width": 12, "layers": 2, "omega_0": 8, "property": "slowness",
            "transform": {"type": "perturb", "scale_s_per_m": 1e-4}},
  "checkpoint": {"every_iterations": 4, "keep": 3}, "report": {"enabled": false},
  "misfit": {"type": "chi2"}, "optimizer": {"type": "adam", "lr": 1e-3, "iterations": 12}})";

const char* const kWaves =
    R"({"task": "invert", "seed": 3, "name": "waves", "precision": {"physics": "fp64", "network": "fp64"},
  "grid": {"nz": 16, "nx": 20, "dz_m": 10, "dx_m": 10},
  "physics": {"type": "acoustic", "boundary": {"type": "cpml", "width_cells": 6}},
  "survey": {"nt": 120, "dt_s": 0.001, "wavelet": {"type": "ricker", "frequency_hz": 25},
             "sources": {"type": "line", "x_m": [30, 160], "z_m": 10, "count": 2},
             "receivers": {"type": "line", "x_m": [0, 190], "z_m": 10, "count": 6}},
  "true_model": {"type": "constant", "value_mps": 2100}, "start_model": {"type": "constant", "value_mps": 2000},
  "data": {"type": "synthetic"}, "misfit": {"type": "l2"}, "report": {"enabled": false},
  "field": {"type": "siren", "width": 8, "layers": 2, "omega_0": 8, "transform": {"type": "perturb", "scale_mps": 300}},
  "optimizer": {"type": "adam", "lr": 1e-3, "iterations": 2}})";

AnalyzeRequest request(const std::string& what, const std::string& source) {
  AnalyzeRequest r;
  r.what = what;
  r.source = source;
  return r;
}

class Analyze : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = testing::TempDir() + "terrane_analyze_" + testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(dir_);
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }
  std::string run(const char* text, const std::vector<std::string>& sets = {}) {
    RunOptions o;
    o.out_dir = dir_ + "/run";
    o.overwrite = true;
    terrane::run(Config::parse(text, "test", sets), o);
    return o.out_dir;
  }
  std::string config(const char* text) {
    std::ofstream(dir_ + "/config.json") << text;
    return dir_ + "/config.json";
  }
  Json analyze(AnalyzeRequest request) {
    RunOptions o;
    o.out_dir = dir_ + "/" + request.what;
    o.overwrite = true;
    return terrane::analyze(request, o);
  }
  std::string message(const AnalyzeRequest& request) {
    try {
      analyze(request);
    } catch (const Error& e) {
      return std::to_string(static_cast<int>(e.code())) + " " + e.what();
    }
    return "accepted";
  }
  std::vector<double> array(const std::string& what, const std::string& name) const {
    return read_npy<double>(dir_ + "/" + what + "/" + name + ".npy").values;
  }
  std::string dir_;
};

TEST_F(Analyze, SpectrumOfARun) {
  const std::string source = run(kTravel);
  AnalyzeRequest r = request("svd", source);
  r.top = 5;
  const Json svd = analyze(r);
  EXPECT_EQ(svd.at("weights"), "final");
  EXPECT_EQ(svd.at("kernel_by"), "factors of the layers");
  const auto sigma = array("svd", "singular_values");
  ASSERT_EQ(sigma.size(), 108U);
  r.what = "ntk";
  const Json ntk = analyze(r);
  const auto lambda = array("ntk", "eigenvalues");
  double squares = 0;
  for (std::size_t i = 0; i < 20; ++i) EXPECT_NEAR(sigma[i] * sigma[i], lambda[i], 1e-10 * lambda[0]);
  for (const double l : lambda) squares += l * l;
  EXPECT_NEAR(ntk.at("frobenius_norm").get<double>(), std::sqrt(squares), 1e-9 * std::sqrt(squares));
  // The kernels of the kept iterations drift from the first one, and the last kept one is the final one.
  const Json& drift = ntk.at("drift").at("from_the_initial_kernel");
  ASSERT_EQ(drift.size(), 4U);
  EXPECT_EQ(drift[0].at("iteration"), 4);
  EXPECT_GT(drift[0].at("relative").get<double>(), 0);
  EXPECT_LT(drift[0].at("relative").get<double>(), drift[2].at("relative").get<double>());
  EXPECT_EQ(drift[2].at("relative"), drift[3].at("relative"));
  // By products with the Jacobian instead of a stored kernel.
  r.what = "svd";
  r.method = "lanczos";
  analyze(r);
  const auto few = array("svd", "singular_values");
  ASSERT_EQ(few.size(), 5U);
  for (std::size_t i = 0; i < few.size(); ++i) EXPECT_NEAR(few[i], sigma[i], 1e-6 * sigma[0]);
  for (const char* file : {"spectrum.json", "report.html", "vectors.npy", "figures/spectrum.png"}) {
    EXPECT_TRUE(fs::exists(dir_ + "/svd/" + file)) << file;
  }
}

TEST_F(Analyze, KernelsOfTheData) {
  const std::string source = run(kTravel);
  AnalyzeRequest r = request("kernels", source);
  r.top = 6;
  r.data = {7};
  const Json j = analyze(r);
  // A ray's sensitivity is its length in each cell, over the 17 m from side to side.
  const auto ray = array("kernels", "sensitivity");
  ASSERT_EQ(ray.size(), 108U);
  double length = 0;
  for (const double v : ray) length += v;
  EXPECT_NEAR(length, std::hypot(17, 5.5), 1e-9);
  EXPECT_EQ(j.at("wave_kernel").at("eigenvalues").size(), 6U);
  const auto held = j.at("wave_tangent_kernel").at("residual_held").get<std::vector<double>>();
  EXPECT_TRUE(std::is_sorted(held.begin(), held.end()));
  EXPECT_LE(held.back(), 1 + 1e-9);
  EXPECT_GT(j.at("gradient").at("mean_wavenumber_per_m").get<double>(),
            j.at("gradient").at("neural_mean_wavenumber_per_m").get<double>());
}

TEST_F(Analyze, Resolution) {
  AnalyzeRequest r = request("resolution", run(kTravel));
  r.top = 25;
  r.prior_std = 1e-4;
  const Json j = analyze(r);
  EXPECT_EQ(j.at("settings").at("noise"), "standard deviations of the data");
  for (const std::string name : {"white", "neural"}) {
    const auto diagonal = array("resolution", name + "_resolution_diagonal");
    double trace = 0;
    for (const double v : diagonal) trace += v;
    EXPECT_NEAR(trace, j.at(name).at("resolved_parameters").get<double>(), 1e-6 * trace);
    EXPECT_LE(trace, 25);
    const auto prior = array("resolution", name + "_prior_std"), after = array("resolution", name + "_posterior_std");
    double variance = 0;
    for (std::size_t i = 0; i < prior.size(); ++i) {
      variance += prior[i] * prior[i];
      EXPECT_LE(after[i], prior[i] * (1 + 1e-12));
    }
    EXPECT_NEAR(variance / 108, 1e-8, 1e-14);  // the field's prior has the same mean variance
  }
}

TEST_F(Analyze, WavesBeforeAnyRun) {
  AnalyzeRequest r = request("kernels", config(kWaves));
  r.top = 4;
  r.pairs = {{1, 2}};
  const Json j = analyze(r);
  EXPECT_EQ(j.at("weights"), "initial");
  ASSERT_EQ(j.at("data").size(), 1U);
  EXPECT_EQ(j.at("data")[0].get<std::string>().rfind("shot 1, receiver 2, ", 0), 0U);
  EXPECT_FALSE(j.contains("gradient"));  // there are no observations yet
  for (const char* kernel : {"wave_kernel", "wave_tangent_kernel"}) {
    for (const double f : j.at(kernel).at("mean_frequencies_hz").get<std::vector<double>>()) {
      EXPECT_GT(f, 5);
      EXPECT_LT(f, 60);
    }
  }
  r.what = "resolution";
  EXPECT_EQ(analyze(r).at("settings").at("noise"), "5 % of the rms of the predicted data");
  r.what = "ntk";
  EXPECT_FALSE(analyze(r).contains("drift"));
  r.pairs = {{2, 0}};
  r.what = "kernels";
  EXPECT_NE(message(r).find("there are 2 shots of 6 receivers"), std::string::npos);
}

TEST_F(Analyze, WrongRequestsSayWhatThereIs) {
  const std::string source = run(kTravel);
  const auto refuses = [&](const AnalyzeRequest& r, const std::string& code, const std::string& text) {
    const std::string got = message(r);
    EXPECT_EQ(got.rfind(code + " ", 0), 0U) << got;
    EXPECT_NE(got.find(text), std::string::npos) << got;
  };
  AnalyzeRequest r = request("spectrum", source);
  refuses(r, "2", "is not one of svd, ntk, kernels, resolution");
  r = request("svd", source);
  r.top = 109;
  refuses(r, "2", "the model has 108 values");
  r = request("svd", source);
  r.at = 5;
  refuses(r, "3", "no checkpoint of iteration 5 was kept (there are 0, 4, 8, 12)");
  r = request("kernels", source);
  r.data = {25};
  refuses(r, "2", "there is no datum 25: the data are 0 to 24");
  r = request("kernels", source);
  r.pairs = {{0, 0}};
  refuses(r, "2", "--pair is for waves");
  r = request("svd", dir_);
  refuses(r, "3", "resolved.json is missing");
  r = request("svd", config(kTravel));
  r.at = 4;
  refuses(r, "2", "--at belongs to a finished run");
  fs::resize_file(source + "/weights.safetensors", 40);
  refuses(request("svd", source), "3", "file ends at byte 40");
  fs::remove(source + "/weights.safetensors");
  refuses(request("svd", source), "3", "cannot open the file");
}

}  // namespace
}  // namespace terrane
