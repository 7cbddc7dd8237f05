// SPDX-License-Identifier: MIT
// `terrane analyze` on finished runs of each physics and on configs: numbers against each other, files, wrong requests.

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "engine/io/npy.hpp"
#include "engine/json_value.hpp"
#include "engine/run.hpp"
#include "tests/support/test_folder.hpp"

namespace terrane {
namespace analyze_test {

namespace fs = std::filesystem;

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

const char* const kVoltages = R"({"task": "invert", "seed": 3, "name": "voltages",
  "grid": {"nz": 4, "ny": 5, "nx": 7, "dz_m": 5, "dy_m": 5, "dx_m": 5, "x0_m": -17.5, "y0_m": -12.5},
  "physics": {"type": "dc-3d", "solver": "direct", "padding": {"cells": 4, "factor": 2}},
  "survey": {"electrodes": {"type": "lattice", "x_m": [-15, 15], "y_m": [-5, 5], "z_m": 0, "count_x": 4, "count_y": 2},
             "array": {"type": "pole-dipole", "levels": 2}},
  "true_model": {"type": "blocks", "background_ohm_m": 100,
                 "blocks": [{"x_m": [-12, 3], "y_m": [-10, 5], "z_m": [5, 15], "value_siemens_per_m": 0.1}]},
  "start_model": {"type": "constant", "value_siemens_per_m": 0.01},
  "data": {"type": "synthetic", "noise": {"type": "proportional", "relative": 0.02}},
  "field": {"type": "siren", "width": 10, "layers": 2, "omega_0": 6}, "misfit": {"type": "chi2"},
  "checkpoint": {"every_iterations": 2, "keep": 3}, "report": {"enabled": false},
  "optimizer": {"type": "adam", "lr": 1e-3, "iterations": 4},
  "precision": {"physics": "fp64", "network": "fp64"}})";

const char* const kVolume = R"({"task": "invert", "seed": 3, "name": "volume",
  "precision": {"physics": "fp64", "network": "fp64"},
  "grid": {"nz": 8, "ny": 8, "nx": 17, "dz_m": 10, "dy_m": 10, "dx_m": 10},
  "physics": {"type": "acoustic", "order": 4, "boundary": {"type": "cpml", "width_cells": 5}},
  "survey": {"nt": 70, "dt_s": 0.0015, "wavelet": {"type": "ricker", "frequency_hz": 25},
             "sources": {"type": "points", "x_m": [20], "y_m": [40], "z_m": [40]},
             "receivers": {"type": "line", "x_m": [100, 160], "y_m": 40, "z_m": 40, "count": 3}},
  "true_model": {"type": "constant", "value_mps": 2100}, "start_model": {"type": "constant", "value_mps": 2000},
  "data": {"type": "synthetic"}, "misfit": {"type": "l2"}, "report": {"enabled": false},
  "field": {"type": "siren", "width": 8, "layers": 2, "omega_0": 8, "transform": {"type": "perturb", "scale_mps": 300}},
  "optimizer": {"type": "adam", "lr": 1e-3, "iterations": 2}})";

class Analyze : public FolderTest {
 protected:
  std::string run(const char* text, const std::vector<std::string>& sets = {}) {
    RunOptions o;
    o.out_dir = dir_ + "/run";
    o.overwrite = true;
    terrane::run(Config::parse(text, "test", sets), o);
    return o.out_dir;
  }
  std::string config(const char* text) { return put("config.json", text); }
  // The only analysis of a config of task "analyze"; its files are in dir_/<type>.
  Json analyze(const std::string& source, const Json& analysis, const std::vector<std::string>& sets = {}) {
    const Json c{{"task", "analyze"},
                 {fs::is_directory(source) ? "run" : "config", fs::absolute(source).string()},
                 {"analyses", {analysis}}};
    RunOptions o;
    o.out_dir = dir_ + "/" + analysis.at("type").get<std::string>();
    o.overwrite = true;
    const Json result = terrane::run(Config::parse(c.dump(2), "test", sets), o);
    return result.at("analyses")[0];
  }
  std::string message(const std::string& source, const Json& analysis, const std::vector<std::string>& sets = {}) {
    try {
      analyze(source, analysis, sets);
    } catch (const Error& e) {
      return std::to_string(static_cast<int>(e.code())) + " " + e.what();
    }
    return "accepted";
  }
  std::vector<double> array(const std::string& what, const std::string& name) const {
    return read_npy<double>(dir_ + "/" + what + "/" + name + ".npy").values;
  }
};

TEST_F(Analyze, SpectrumOfARun) {
  const std::string source = run(kTravel);
  const Json svd = analyze(source, {{"type", "svd"}, {"k", 5}});
  EXPECT_EQ(svd.at("weights"), "final");
  EXPECT_EQ(svd.at("kernel_by"), "factors of the layers");
  const auto sigma = array("svd", "singular_values");
  ASSERT_EQ(sigma.size(), 108U);
  const Json ntk = analyze(source, {{"type", "ntk"}, {"k", 5}});
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
  analyze(source, {{"type", "svd"}, {"k", 5}, {"method", "lanczos"}});
  const auto few = array("svd", "singular_values");
  ASSERT_EQ(few.size(), 5U);
  for (std::size_t i = 0; i < few.size(); ++i) EXPECT_NEAR(few[i], sigma[i], 1e-6 * sigma[0]);
  for (const char* file : {"spectrum.json", "report.html", "vectors.npy", "figures/spectrum.png", "result.json"}) {
    EXPECT_TRUE(fs::exists(dir_ + "/svd/" + file)) << file;
  }
}

TEST_F(Analyze, KernelsOfTheData) {
  const Json j = analyze(run(kTravel), {{"type", "kernels"}, {"k", 6}, {"data", {7}}});
  // A ray's sensitivity is its length in each cell.
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

// K multiplies the part of the gradient along each of its eigenvectors by the eigenvalue.
TEST_F(Analyze, FilteringIsThatOfTheEigenvalues) {
  const std::string source = run(kTravel);
  const Json j = analyze(source, {{"type", "kernels"}, {"k", 8}, {"data", {7}}}).at("spectral_filtering");
  const auto lambda = j.at("eigenvalues").get<std::vector<double>>();
  const auto before = j.at("gradient_held").get<std::vector<double>>(),
             after = j.at("update_held").get<std::vector<double>>();
  ASSERT_EQ(lambda.size(), 8U);
  const auto g = array("kernels", "gradient"), kg = array("kernels", "neural_gradient");
  double all_g = 0, all_kg = 0;
  for (std::size_t i = 0; i < g.size(); ++i) all_g += g[i] * g[i], all_kg += kg[i] * kg[i];
  for (std::size_t k = 0; k < lambda.size(); ++k) {
    const double part = before[k] - (k > 0 ? before[k - 1] : 0), filtered = after[k] - (k > 0 ? after[k - 1] : 0);
    EXPECT_NEAR(filtered * all_kg, lambda[k] * lambda[k] * part * all_g, 1e-4 * all_kg) << k;
  }
  EXPECT_GT(after.back(), before.back());
  EXPECT_LE(after.back(), 1 + 1e-6);
  // A grid makes nothing of the gradient: K = 1.
  const Json grid =
      analyze(run(kTravel, {"field={\"type\": \"grid\", \"property\": \"slowness\"}", "optimizer.lr=1e-6"}),
              {{"type", "kernels"}, {"k", 2}, {"data", {7}}});
  EXPECT_FALSE(grid.contains("spectral_filtering"));
}

TEST_F(Analyze, Resolution) {
  const Json j = analyze(run(kTravel), {{"type", "resolution"}, {"k", 25}, {"prior_std", 1e-4}});
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
  const std::string source = config(kWaves);
  const Json j = analyze(source, {{"type", "kernels"}, {"k", 4}, {"pairs", {{1, 2}}}});
  EXPECT_EQ(j.at("weights"), "initial");
  ASSERT_EQ(j.at("data").size(), 1U);
  EXPECT_EQ(j.at("data")[0].get<std::string>().rfind("shot 1, receiver 2, ", 0), 0U);
  EXPECT_FALSE(j.contains("gradient"));  // there are no observations yet
  for (const char* kernel : {"wave_kernel", "wave_tangent_kernel"}) {
    for (const double f : j.at(kernel).at("mean_frequencies_hz").get<std::vector<double>>()) {
      EXPECT_GT(f, 5);
      EXPECT_LT(f, 60);
    }
    EXPECT_TRUE(j.at(kernel).at("frequency_bias_hz_per_decade").is_number());
  }
  EXPECT_EQ(analyze(source, {{"type", "resolution"}, {"k", 4}}).at("settings").at("noise"),
            "5 % of the rms of the predicted data");
  EXPECT_FALSE(analyze(source, {{"type", "ntk"}}).contains("drift"));
  // Another field than that of the file.
  const Json wide = analyze(source, {{"type", "svd"}}, {"/settings={\"field\": {\"width\": 11}}"});
  EXPECT_EQ(wide.at("parameters"), 3 * 11 + 11 * 12 + 12);
  EXPECT_NE(message(source, {{"type", "kernels"}, {"pairs", {{2, 0}}}}).find("there are 2 shots of 6 receivers"),
            std::string::npos);
}

TEST_F(Analyze, WindowsAndFrequenciesOfTraces) {
  const std::string source = config(kWaves);
  const Json at{{"type", "kernels"}, {"k", 1}, {"pairs", {{0, 3}, {1, 2}}}};
  const auto with = [&](const char* key, const Json& value) {
    Json a = at;
    a[key] = value;
    return a;
  };
  const Json delays = analyze(source, with("window_s", {0.03, 0.11})).at("data");
  EXPECT_EQ(delays, Json({"shot 0, receiver 3, 0.030 to 0.110 s: delay (s)",
                          "shot 1, receiver 2, 0.030 to 0.110 s: delay (s)"}));
  // Faster nearly everywhere between source and receiver is earlier.
  const auto kernel = array("kernels", "sensitivity");
  double sum = 0;
  for (std::size_t i = 0; i < kernel.size() / 2; ++i) sum += kernel[i];
  EXPECT_LT(sum, 0);
  const Json spectral = analyze(source, with("frequency_hz", 25)).at("data");
  EXPECT_EQ(spectral.size(), 4U);
  EXPECT_EQ(spectral[0], "shot 0, receiver 3, 25 Hz: ln amplitude");
  EXPECT_EQ(spectral[3], "shot 1, receiver 2, 25 Hz: phase (rad)");
  EXPECT_EQ(array("kernels", "neural_sensitivity").size(), 4U * 16 * 20);
  const auto refuses = [&](const Json& analysis, const std::string& part) {
    const std::string text = message(source, analysis);
    EXPECT_EQ(text.rfind("2 ", 0), 0U) << text;
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  refuses(with("window_s", {0.03, 0.2}), "the window 0.03 s to 0.2 s lies outside the trace, 0 to 0.119 s");
  refuses(with("window_s", 0.05), "fewer than three samples");
  refuses(with("window_s", {0, 0.004}), "silent");
  refuses(with("frequency_hz", 600), "half the rate");
  refuses({{"type", "kernels"}, {"frequency_hz", 20}}, "give pairs of shot and receiver");
}

TEST_F(Analyze, SuggestsTheCandidateThatMatchesTheData) {
  const std::string source = config(kWaves);
  const Json j = analyze(source, {{"type", "suggest"}, {"values", {4, 8, 16, 40}}});
  EXPECT_EQ(j.at("setting"), "/field/omega_0");
  EXPECT_EQ(j.at("configured"), 8);
  double best = -1, value = 0, mean = 0;
  for (const Json& c : j.at("candidates")) {
    const double m = c.at("match");
    EXPECT_GE(m, 0);
    EXPECT_LE(m, 1 + 1e-12);
    if (m > best) best = m, value = c.at("value");
    // larger omega_0, finer detail
    EXPECT_TRUE(c.at("value") == 4 || c.at("mean_wavenumber_per_m").get<double>() > mean);
    mean = c.at("mean_wavenumber_per_m");
  }
  EXPECT_EQ(j.at("suggested"), value);
  EXPECT_EQ(j.at("suggested"), 40);
  std::ifstream patch(dir_ + "/suggest/suggested.json");
  const Json field = Json::parse(patch).at("field");
  EXPECT_EQ(field.at("omega_0"), value);
  // omega_hidden is omega_0 unless it was given: a candidate is the field that a run with that omega_0 has.
  EXPECT_EQ(field.at("omega_hidden"), value);
  const Json given = analyze(source, {{"type", "suggest"}, {"values", {4, 8, 16, 40}}},
                             {"/settings={\"field\": {\"omega_hidden\": 5}}"});
  EXPECT_NE(given.at("candidates"), j.at("candidates"));
  std::ifstream other(dir_ + "/suggest/suggested.json");
  EXPECT_FALSE(Json::parse(other).at("field").contains("omega_hidden"));
  // Longer waves see less detail and call for less.
  const auto at_hz = [&](const char* frequency) {
    return analyze(source, {{"type", "suggest"}, {"values", {4, 8, 16, 40}}},
                   {std::string("/settings={\"survey\": {\"wavelet\": {\"frequency_hz\": ") + frequency + "}}}"})
        .at("suggested");
  };
  EXPECT_EQ(at_hz("15"), 16);
  EXPECT_EQ(at_hz("10"), 8);
  EXPECT_NE(message(source, {{"type", "suggest"}, {"setting", "/field/omega_9"}, {"values", {1, 2}}}).find("has no"),
            std::string::npos);
  EXPECT_NE(message(source, {{"type", "suggest"}, {"values", {1}}}).find("at least two"), std::string::npos);
}

TEST_F(Analyze, VoltagesInThreeDimensions) {
  const std::string source = run(kVoltages);
  const Json j = analyze(source, {{"type", "kernels"}, {"k", 5}, {"data", {2, 5}}});
  const NdArray<double> kernels = read_npy<double>(dir_ + "/kernels/sensitivity.npy");
  ASSERT_EQ(kernels.shape, (std::vector<Index>{2, 4, 5, 7}));
  // Voltages are inversely proportional to the conductivity, of which m is the logarithm.
  const auto d = read_npy<double>(source + "/data_predicted.npy").values;
  for (const std::size_t k : {0U, 1U}) {
    double sum = 0;
    for (std::size_t i = 0; i < 140; ++i) sum += kernels.values[140 * k + i];
    const double voltage = d[k == 0 ? 2 : 5];
    EXPECT_NEAR(sum, -voltage, 1e-6 * std::fabs(voltage));  // the file is in single precision
  }
  EXPECT_EQ(read_npy<double>(dir_ + "/kernels/gradient.npy").shape, (std::vector<Index>{4, 5, 7}));
  EXPECT_GT(j.at("gradient").at("mean_wavenumber_per_m").get<double>(),
            j.at("gradient").at("neural_mean_wavenumber_per_m").get<double>());
  analyze(source, {{"type", "svd"}, {"k", 6}});
  EXPECT_EQ(read_npy<double>(dir_ + "/svd/vectors.npy").shape, (std::vector<Index>{6, 4, 5, 7}));
  EXPECT_EQ(analyze(source, {{"type", "ntk"}}).at("drift").at("from_the_initial_kernel").size(), 3U);
  const Json r = analyze(source, {{"type", "resolution"}, {"k", 30}});
  EXPECT_EQ(r.at("settings").at("noise"), "standard deviations of the data");
  EXPECT_EQ(r.at("settings").at("nodes"), Json({{0, 2, 3}, {1, 1, 1}}));
  EXPECT_EQ(read_npy<double>(dir_ + "/resolution/neural_point_spread.npy").shape, (std::vector<Index>{2, 4, 5, 7}));
  const auto diagonal = array("resolution", "white_resolution_diagonal");
  double trace = 0;
  for (const double v : diagonal) trace += v;
  EXPECT_NEAR(trace, r.at("white").at("resolved_parameters").get<double>(), 1e-6 * trace);
  EXPECT_EQ(analyze(source, {{"type", "suggest"}, {"values", {3, 12}}}).at("candidates").size(), 2U);
  EXPECT_NE(message(source, {{"type", "kernels"}, {"data", {100000}}}).find("there is no datum 100000"),
            std::string::npos);
  EXPECT_NE(message(source, {{"type", "svd"}, {"k", 141}}).find("the model has 140 values"), std::string::npos);
}

TEST_F(Analyze, WavesInThreeDimensions) {
  const std::string source = config(kVolume);
  // Initial weights add next to nothing to the start model.
  analyze(source, {{"type", "kernels"}, {"k", 1}, {"pairs", {{0, 1}}}, {"window_s", {0.02, 0.1}}},
          {"/settings={\"field\": {\"transform\": {\"scale_mps\": 0.1}}}"});
  const NdArray<double> delay = read_npy<double>(dir_ + "/kernels/sensitivity.npy");
  ASSERT_EQ(delay.shape, (std::vector<Index>{1, 8, 8, 17}));
  // Of a faster medium: dt/dv = -r / v^2, over 110 m at 2000 m/s.
  double sum = 0;
  for (const double v : delay.values) sum += v;
  EXPECT_NEAR(sum, -110 / 4e6, 0.03 * 110 / 4e6);
  EXPECT_TRUE(fs::exists(dir_ + "/kernels/figures/vectors.png"));
  const std::string finished = run(kVolume);
  const Json j = analyze(finished, {{"type", "kernels"}, {"k", 2}});
  EXPECT_EQ(j.at("data").size(), 3U);
  EXPECT_TRUE(j.at("wave_tangent_kernel").at("frequency_bias_hz_per_decade").is_number());
  analyze(finished, {{"type", "svd"}, {"k", 2}, {"method", "lanczos"}});
  EXPECT_EQ(read_npy<double>(dir_ + "/svd/vectors.npy").shape, (std::vector<Index>{2, 8, 8, 17}));
  EXPECT_TRUE(analyze(finished, {{"type", "ntk"}}).contains("drift"));
  EXPECT_EQ(analyze(finished, {{"type", "resolution"}, {"k", 2}}).at("settings").at("nodes")[1], Json({4, 2, 4}));
  EXPECT_EQ(analyze(finished, {{"type", "suggest"}, {"values", {4, 16}}}).at("candidates").size(), 2U);
}

// The initial weights are those that the inversion starts from: with its fit to the start model.
TEST_F(Analyze, InitialWeightsArePrefitted) {
  const std::string source = run(kTravel, {"field.prefit={\"iterations\": 40, \"lr\": 0.01}", "optimizer.lr=1e-30",
                                           "optimizer.iterations=1", "field.transform.scale_s_per_m=1e-3"});
  analyze(source, {{"type", "svd"}});
  const auto final = array("svd", "singular_values");
  analyze(source, {{"type", "svd"}}, {"at=[0]"});
  EXPECT_EQ(array("svd", "singular_values"), final);
  analyze(source, {{"type", "svd"}}, {"at=[0]", "/settings={\"field\": {\"prefit\": null}}"});
  EXPECT_NE(array("svd", "singular_values"), final);
}

// A part of "settings" with the same type changes its keys, one of another type takes the place of the section.
TEST_F(Analyze, SettingsMergeBySameType) {
  const std::string source = run(kTravel);
  EXPECT_EQ(
      analyze(source, {{"type", "svd"}}, {"at=[0]", "/settings={\"field\": {\"type\": \"siren\", \"width\": 11}}"})
          .at("parameters"),
      3 * 11 + 11 * 12 + 12);
  EXPECT_EQ(analyze(source, {{"type", "svd"}},
                    {"at=[0]",
                     "/settings={\"field\": {\"type\": \"grid\", \"property\": "
                     "\"slowness\"}}"})
                .at("parameters"),
            108);
}

// The section "analyses" of an inversion, and several analyses with weights of several iterations.
TEST_F(Analyze, SeveralAtOnce) {
  const std::string source = run(kTravel, {"analyses=[\"ntk\", {\"type\": \"resolution\", \"k\": 9}]"});
  EXPECT_TRUE(fs::exists(source + "/analysis/ntk/report.html"));
  EXPECT_TRUE(fs::exists(source + "/analysis/resolution/spectrum.json"));
  const Json c{{"task", "analyze"}, {"run", fs::absolute(source).string()}, {"at", {0, 8, -1}}, {"analyses", {"svd"}}};
  RunOptions o;
  o.out_dir = dir_ + "/all";
  const Config config = Config::parse(c.dump(), "test");
  EXPECT_TRUE(forecast(config, o).fits);
  const Json result = terrane::run(config, o);
  ASSERT_EQ(result.at("analyses").size(), 3U);
  EXPECT_EQ(result.at("analyses")[0].at("weights"), "initial");
  EXPECT_EQ(result.at("analyses")[1].at("weights"), "iteration 8");
  for (const char* file : {"svd-0/vectors.npy", "svd-8/spectrum.json", "svd-final/report.html", "report.html"}) {
    EXPECT_TRUE(fs::exists(o.out_dir + "/" + file)) << file;
  }
  EXPECT_EQ(Config::load(o.out_dir + "/resolved.json").sha256(), config.sha256());
}

TEST_F(Analyze, WrongRequestsSayWhatThereIs) {
  const std::string source = run(kTravel);
  const auto refuses = [&](const std::string& from, const Json& analysis, const std::string& code,
                           const std::string& text, const std::vector<std::string>& sets = {}) {
    const std::string got = message(from, analysis, sets);
    EXPECT_EQ(got.rfind(code + " ", 0), 0U) << got;
    EXPECT_NE(got.find(text), std::string::npos) << got;
  };
  const Json svd{{"type", "svd"}};
  refuses(source, {{"type", "spectrum"}}, "2", "is not one of svd, ntk, kernels, resolution, suggest");
  refuses(source, {{"type", "svd"}, {"k", 109}}, "2", "the model has 108 values");
  refuses(source, svd, "3", "no checkpoint of iteration 5 was kept (there are 0, 4, 8, 12)", {"at=[5]"});
  refuses(source, svd, "2", "/at: the list is empty", {"at=[]"});
  refuses(source, svd, "2", "one of \"run\" (a directory) and \"config\"", {"run=null"});
  refuses(source, {{"type", "kernels"}, {"data", {25}}}, "2", "there is no datum 25: the data are 0 to 24");
  refuses(source, {{"type", "kernels"}, {"pairs", {{0, 0}}}}, "2", "pairs are for waves");
  refuses(dir_, svd, "3", "resolved.json is missing");
  refuses(config(kTravel), svd, "2", "iteration 4 belongs to a finished run", {"at=[4]"});
  fs::resize_file(source + "/weights.safetensors", 40);
  refuses(source, svd, "3", "file ends at byte 40");
  fs::remove(source + "/weights.safetensors");
  refuses(source, svd, "3", "cannot open the file");
}

}  // namespace analyze_test
}  // namespace terrane
