// SPDX-License-Identifier: MIT
#include "engine/encoding.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <set>

#include "engine/inversion.hpp"
#include "engine/io/npy.hpp"
#include "engine/run.hpp"
#include "engine/simulation.hpp"
#include "tests/engine/small_problem.hpp"
#include "tests/support/test_folder.hpp"

namespace terrane {
namespace encoding_test {

// Five shots, two of them between nodes, in two dimensions.
const std::string kSectionText = changed(small_waves, R"({
  "survey": {"sources": {"type": "points", "x_m": [20, 73.1, 125, 180, 231.7], "count": null}},
  "optimizer": {"iterations": 6}})");
const char* const kSection = kSectionText.c_str();

const char* const kVolume = R"({
  "task": "invert", "grid": {"nz": 9, "ny": 8, "nx": 10, "dz_m": 20, "dy_m": 20, "dx_m": 20},
  "physics": {"type": "acoustic", "order": 2, "vmax_mps": 2600, "boundary": {"type": "cpml", "width_cells": 3}},
  "survey": {"dt_s": 0.003, "nt": 50, "wavelet": {"type": "ricker", "frequency_hz": 20},
             "sources": {"type": "points", "x_m": [40, 100, 140], "y_m": [40, 93, 60], "z_m": 20},
             "receivers": {"type": "points", "x_m": [20, 60, 120, 160], "y_m": 70, "z_m": 20}},
  "true_model": {"type": "constant", "value_mps": 2300}, "start_model": {"type": "constant", "value_mps": 2200},
  "data": {"type": "synthetic"}, "field": {"type": "grid"}, "misfit": {"type": "l2"},
  "optimizer": {"type": "adam", "lr_mps": 20, "iterations": 2}})";

using Sets = std::vector<std::string>;
Sets with(Sets sets, const Sets& more) {
  sets.insert(sets.end(), more.begin(), more.end());
  return sets;
}
std::string encoding(int groups, const std::string& keys = "") {
  return R"(encoding={"type": "polarity", "groups": )" + std::to_string(groups) + keys + "}";
}

// A problem with its simulated data.
struct Case {
  explicit Case(const Sets& sets = {}, const char* text = kSection)
      : config(Config::parse(text, "test", sets)), problem(build_problem(config, true)) {
    problem.observed = simulate<float>(s, problem, problem.true_model, problem.wavelet, 1);
    add_noise(config.json().at("data").at("noise"), 5, problem);
  }
  Inversion<float> inversion() { return {s, config, problem, Log()}; }
  std::vector<double> run() {
    auto inversion = this->inversion();
    while (!inversion.finished()) inversion.step();
    return inversion.model();
  }
  Config config;
  Stream s{Device{}};
  Problem problem;
};

double relative_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < b.size(); ++i) difference += (a[i] - b[i]) * (a[i] - b[i]), size += b[i] * b[i];
  return std::sqrt(difference / size);
}

// Data in `model`, and the gradient of |data - target|^2 / 2 by the model.
struct Simulated {
  std::vector<double> data, gradient;
};
Simulated simulated(const Problem& p, const std::vector<double>& wavelet, const std::vector<double>& model,
                    const std::vector<double>& target) {
  Stream s{Device{}};
  const Simulation<double> simulation(s, p, wavelet, p.shots());
  Tape<double> tape(s);
  const Var m = tape.input(p.grid.shape(), "model"), d = simulation.record(tape, m);
  tape.set(m, model);
  tape.forward();
  Simulated r;
  r.data = tape.get(d);
  if (target.empty()) return r;
  std::vector<double> residual = r.data;
  for (std::size_t i = 0; i < residual.size(); ++i) residual[i] -= target[i];
  const Buffer<double> seed = to_device(s, residual);
  Sweep<double> sweep(tape);
  tape.backward(sweep, d, seed.data());
  r.gradient = to_host(s, sweep.cotangent(m), tape.size(m));
  return r;
}

std::vector<double> encoded_data(const SourceEncoding& e, const ShotCodes& codes, const std::vector<double>& observed) {
  std::vector<double> all;
  for (Index k = 0; k < e.groups(); ++k) {
    const auto one = e.data(codes, k, observed);
    all.insert(all.end(), one.begin(), one.end());
  }
  return all;
}

TEST(SourceEncoding, ASuperShotForEachShotIsThePlainRun) {
  for (const char* text : {kSection, kVolume}) {
    const int shots = text == kSection ? 5 : 3;
    Case plain({}, text), encoded({encoding(shots)}, text);
    EXPECT_EQ(encoded.run(), plain.run());  // signs change no rounding
  }
  const Sets more{"optimizer.batch_shots=3", "misfit={\"type\":\"l2\",\"normalize\":\"none\"}", "optimizer.lr_mps=5",
                  "data.lowpass_hz=20"};
  Case plain(more), encoded(with(more, {encoding(3)}));
  EXPECT_NE(plain.run(), encoded.run());  // the shots of a batch are spread over the groups
}

// The mean over all 2^N signs of the gradient of the L2 misfit, and of the misfit itself, in double precision.
TEST(SourceEncoding, MeanOverAllSignsIsTheFullGradient) {
  const Config config = Config::parse(kSection, "test", {encoding(2)});
  const Problem p = build_problem(config, true);
  const auto observed = simulated(p, p.wavelet, p.true_model, {}).data;
  const Simulated full = simulated(p, p.wavelet, p.start, observed);
  for (const int groups : {1, 2, 3, 5}) {
    const SourceEncoding e(Config::parse(kSection, "test", {encoding(groups)}).json().at("encoding"), p, 1);
    const Problem super = e.problem();
    std::vector<double> mean(full.gradient.size(), 0.0);
    double crosstalk = 0;
    for (unsigned signs = 0; signs < 32; ++signs) {
      ShotCodes codes{std::vector<double>(5), std::vector<Index>(5, 0)};
      for (std::size_t i = 0; i < 5; ++i) codes.amplitude[i] = (signs >> i & 1u) != 0 ? 1 : -1;
      const auto g = simulated(super, e.wavelets(codes, p.wavelet), p.start, encoded_data(e, codes, observed)).gradient;
      crosstalk = std::max(crosstalk, relative_difference(g, full.gradient));
      for (std::size_t i = 0; i < g.size(); ++i) mean[i] += g[i] / 32;
    }
    EXPECT_LE(relative_difference(mean, full.gradient), 1e-12) << groups << " super-shots";
    if (groups == 5) {
      EXPECT_LE(crosstalk, 1e-13);
    } else {
      EXPECT_GT(crosstalk, 0.01);  // of a single draw
    }
  }
}

// What a super-shot records is the sum of what its shots record, with the same signs and delays.
TEST(SourceEncoding, SuperShotsAreSumsOfDelayedShots) {
  for (const int substeps : {1, 2}) {
    const Config config = Config::parse(
        kSection, "test", {encoding(2, ", \"max_shift_s\": 0.06"), "physics.substeps=" + std::to_string(substeps)});
    const Problem p = build_problem(config, true);
    const SourceEncoding e = *source_encoding(config, p);
    const ShotCodes codes = e.codes(3, {0, 1, 3, 4});
    EXPECT_EQ(codes.amplitude[2], 0);
    EXPECT_GT(*std::max_element(codes.shift.begin(), codes.shift.end()), 10);
    const auto shots = simulated(p, p.wavelet, p.true_model, {}).data;
    const auto super = simulated(e.problem(), e.wavelets(codes, p.wavelet), p.true_model, {}).data;
    EXPECT_LE(relative_difference(super, encoded_data(e, codes, shots)), substeps == 1 ? 1e-12 : 1e-3);
  }
}

TEST(SourceEncoding, CodesDependOnSeedAndIteration) {
  const Sets sets{encoding(2, ", \"redraw_every\": 3, \"max_shift_s\": 0.015")};
  const Config config = Config::parse(kSection, "test", sets);
  const Problem p = build_problem(config, true);
  const SourceEncoding e = *source_encoding(config, p), again = *source_encoding(config, p),
                       other(config.json().at("encoding"), p, 4);
  const std::vector<Index> all{0, 1, 2, 3, 4};
  EXPECT_EQ(e.codes(4, all), again.codes(4, all));
  EXPECT_EQ(e.codes(3, all), e.codes(5, all));
  EXPECT_NE(e.codes(3, all), e.codes(6, all));
  int different = 0;
  double sum = 0, pair = 0;
  std::set<Index> shifts;
  const int draws = 2000;
  for (Index k = 0; k < draws; ++k) {
    const ShotCodes c = e.codes(3 * k, all);
    different += c != other.codes(3 * k, all) ? 1 : 0;
    shifts.insert(c.shift.begin(), c.shift.end());
    sum += std::accumulate(c.amplitude.begin(), c.amplitude.end(), 0.0) / 5;
    pair += c.amplitude[0] * c.amplitude[2];
    for (const double a : c.amplitude) EXPECT_EQ(std::abs(a), 1);
  }
  EXPECT_GT(different, draws * 9 / 10);
  EXPECT_LT(std::abs(sum / draws), 0.05);
  EXPECT_LT(std::abs(pair / draws), 0.1);
  EXPECT_EQ(shifts, (std::set<Index>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
}

// Two shots in one super-shot: the misfit has two values, whose mean is that of the plain run, whatever it is divided
// by.
TEST(SourceEncoding, MisfitIsUnbiased) {
  const Sets two{"survey.sources={\"type\":\"points\",\"x_m\":[60,180],\"z_m\":20}", "optimizer.iterations=1"};
  for (const Sets& sets : {Sets{}, Sets{"misfit={\"type\":\"l2\",\"normalize\":\"none\",\"weight\":3}"},
                           Sets{"misfit=chi2", "data.noise={\"type\":\"gaussian\",\"relative\":0.1}"},
                           Sets{"misfit={\"type\":\"l2\",\"normalize\":\"std\"}",
                                "data.noise={\"type\":\"gaussian\",\"relative\":0.1}", "data.lowpass_hz=20"}}) {
    SCOPED_TRACE(sets.empty() ? "survey" : sets[0]);
    Case plain(with(two, sets));
    const double want = plain.inversion().step().phi;
    double low = want, high = want;
    for (int seed = 0; seed < 12; ++seed) {
      Case c(with(with(two, sets), {encoding(1, ", \"seed\": " + std::to_string(seed))}));
      const double phi = c.inversion().step().phi;
      low = std::min(low, phi), high = std::max(high, phi);
    }
    EXPECT_LT(low, 0.999 * want);
    EXPECT_NEAR(0.5 * (low + high), want, 1e-4 * want);  // single precision
  }
}

TEST(SourceEncoding, RestoredStateGoesOnBitForBit) {
  for (const Sets& sets :
       {Sets{encoding(2)}, Sets{encoding(2, ", \"redraw_every\": 4, \"max_shift_s\": 0.02"), "optimizer.batch_shots=3"},
        Sets{encoding(1), "optimizer.iterations=null",
             "stages=[{\"iterations\":3,\"lowpass_hz\":12},{\"iterations\":3,\"misfit\":{\"type\":\"l2\",\"normalize\":"
             "\"none\"},\"optimizer\":{\"lr_mps\":5}}]"},
        Sets{encoding(2), "optimizer={\"type\":\"lbfgs\",\"lr\":200,\"iterations\":5}"}}) {
    SCOPED_TRACE(sets[0]);
    Case c(sets);
    const auto through = c.run();
    for (const Index stop : {Index{1}, Index{3}, Index{4}}) {
      auto before = c.inversion(), after = c.inversion();
      for (Index k = 0; k < stop; ++k) before.step();
      after.restore(before.state());
      while (!after.finished()) after.step();
      EXPECT_EQ(after.model(), through) << "stopped after " << stop;
    }
  }
}

double model_error(const std::vector<double>& model, const Problem& p) {
  double sum = 0;
  for (std::size_t i = 0; i < model.size(); ++i) sum += (model[i] - p.true_model[i]) * (model[i] - p.true_model[i]);
  return std::sqrt(sum / static_cast<double>(model.size()));
}

// Eight shots on the left, receivers on the right, as one or two super-shots: the model error of the plain run with a
// quarter of its simulations.
TEST(SourceEncoding, SameModelFromFewerSimulations) {
  const Sets across{"survey.sources={\"type\":\"line\",\"x_m\":20,\"z_m\":[20,170],\"count\":8}",
                    "survey.receivers={\"type\":\"line\",\"x_m\":230,\"z_m\":[10,180],\"count\":18}",
                    "optimizer.lr_mps=20"};
  Case plain(with(across, {"optimizer.iterations=30"})), one(with(across, {encoding(1), "optimizer.iterations=60"})),
      two(with(across, {encoding(2), "optimizer.iterations=30"}));
  const double start = model_error(plain.problem.start, plain.problem), full = model_error(plain.run(), plain.problem),
               of_one = model_error(one.run(), one.problem), of_two = model_error(two.run(), two.problem);
  std::printf("model error %.1f m/s at the start, %.1f after 240 shots, %.1f and %.1f after 60 super-shots\n", start,
              full, of_one, of_two);
  EXPECT_LT(full, 0.93 * start);
  EXPECT_LT(of_one, full);
  EXPECT_LT(of_two, full + 0.1 * (start - full));
}

std::string message(const Sets& sets, ErrorCode* code = nullptr) {
  try {
    build_problem(Config::parse(kSection, "test", sets), true);
  } catch (const Error& e) {
    if (code != nullptr) *code = e.code();
    return e.what();
  }
  return "accepted";
}

TEST(SourceEncoding, WrongConfigsSayWhatToWrite) {
  const std::string proportional = "data.noise={\"type\":\"proportional\",\"relative\":0.1,\"floor\":1e-3}";
  const std::vector<std::pair<Sets, Sets>> rows = {
      {{encoding(6)}, {"/encoding/groups", "6 super-shots of 5 shots"}},
      {{encoding(0)}, {"/encoding/groups"}},
      {{encoding(3), "optimizer.batch_shots=2"}, {"/encoding/groups", "of 2 shots (batch_shots)"}},
      {{encoding(2), "misfit=global-correlation"}, {"/misfit/type", "write \"l2\""}},
      {{encoding(2), "misfit={\"type\":\"huber\",\"delta\":0.1}"}, {"/misfit/type", "huber", "write \"l2\""}},
      {{encoding(2), "misfit={\"type\":\"l2\",\"normalize\":\"trace\"}"}, {"/misfit/normalize", "\"survey\""}},
      {{encoding(2), "misfit=chi2", proportional}, {"/misfit", "gaussian noise"}},
      {{encoding(2), "optimizer=gauss-newton", "misfit=chi2"}, {"/optimizer/type", "adam or lbfgs"}},
      {{encoding(2), "optimizer.iterations=null", "stages=[{\"iterations\":2,\"misfit\":\"l1\"}]"},
       {"/stages/0/misfit/type", "l1", "write \"l2\""}},
      {{encoding(2, ", \"max_shift_s\": 0.3")}, {"/encoding/max_shift_s", "end of its record"}},
      {{encoding(2, ", \"max_shift\": 0.3")}, {"/encoding/max_shift", "max_shift_s"}},
      {{encoding(2, ", \"groop\": 1")}, {"/encoding/groop", "unknown key"}},
      {{"encoding={\"type\":\"phase\"}"}, {"/encoding/type", "polarity"}},
      {{"optimizer.iterations=null", "stages=[{\"iterations\":2,\"optimizer\":{\"type\":\"adam\",\"batch_shots\":2}}]"},
       {"/stages/0/optimizer/batch_shots", "one number for all stages"}},
  };
  for (const auto& [sets, parts] : rows) {
    ErrorCode code{};
    const std::string text = message(sets, &code);
    EXPECT_EQ(code, ErrorCode::config);
    for (const std::string& part : parts) EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
  }
  EXPECT_EQ(message({encoding(2), proportional}), "accepted");
  const std::string rays = message({encoding(2), "physics=straight-ray", "field.property=slowness", "survey.dt_s=null",
                                    "survey.nt=null", "survey.wavelet=null"});
  EXPECT_NE(rays.find("/encoding: belongs to waves"), std::string::npos) << rays;
}

TEST(SourceEncoding, SpreadAndWeightsMustBeTheSameForAllShots) {
  const TestFolder folder;
  const std::string data = folder / "data.npy", mask = folder / "mask.npy";
  const std::vector<float> samples(5 * 26 * 140, 1.0F);
  write_npy(data, {5, 26, 140}, samples.data());
  std::vector<float> weights(5 * 26, 1.0F);
  for (std::size_t i = 0; i < 5; ++i) weights[26 * i + 3] = 0.5F;
  const Sets file{R"(data={"type": "file", "path": ")" + data + R"(", "mask": ")" + mask + "\"}"};
  write_npy(mask, {5, 26}, weights.data());
  EXPECT_EQ(message(with(file, {encoding(2, ", \"max_shift_s\": 0.02")})), "accepted");
  ErrorCode code{};
  weights[26 * 3 + 7] = 0;
  write_npy(mask, {5, 26}, weights.data());
  const std::string text = message(with(file, {encoding(2)}), &code);
  EXPECT_NE(text.find("of shot 3 differ from those of shot 0"), std::string::npos) << text;
  EXPECT_EQ(code, ErrorCode::data);
  write_npy(mask, {5, 26, 140}, samples.data());
  EXPECT_EQ(message(with(file, {encoding(2)})), "accepted");
  EXPECT_NE(message(with(file, {encoding(2, ", \"max_shift_s\": 0.02")})).find("/encoding/max_shift_s"),
            std::string::npos);
  Case c({encoding(2)});
  c.problem.survey.shots[4].receivers.pop_back();
  try {
    c.inversion();
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::config);
    EXPECT_NE(e.message().find("shot 4 has other receivers"), std::string::npos) << e.what();
  }
}

TEST(SourceEncoding, ForecastCountsSuperShots) {
  const auto forecast_of = [](const Sets& sets) {
    RunOptions options;
    options.threads = 1;
    return forecast(Config::parse(kSection, "test", with({"optimizer.iterations=100"}, sets)), options);
  };
  const Forecast plain = forecast_of({}), encoded = forecast_of({encoding(1)});
  EXPECT_NE(encoded.lines[0].find("5 shots (1 super-shots at a time)"), std::string::npos) << encoded.lines[0];
  const double all = plain.json.at("time_s");
  EXPECT_NEAR(encoded.json.at("time_s").get<double>(), all / 5, 0.01 * all);  // the field is evaluated as often
  EXPECT_LT(encoded.json.at("memory").at("arrays_bytes").get<double>(),
            0.4 * plain.json.at("memory").at("arrays_bytes").get<double>());
}

}  // namespace encoding_test
}  // namespace terrane
