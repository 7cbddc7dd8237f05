// SPDX-License-Identifier: MIT
// terrane_run: a whole run, stopped and continued, through the C interface. The forward operator is checked from C
// against an installation (consumer_c/contract.c).
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "engine/api/terrane.h"
#include "tests/support/test_folder.hpp"

namespace run_test {

namespace fs = std::filesystem;

constexpr const char* kConfig = R"({
  "task": "invert", "name": "small", "seed": 3,
  "grid": {"nz": 24, "nx": 30, "dz_m": 20, "dx_m": 20},
  "physics": {"type": "acoustic", "order": 4, "boundary": {"type": "cpml", "width_cells": 8}},
  "survey": {"dt_s": 0.002, "nt": 200, "wavelet": {"type": "ricker", "frequency_hz": 8},
             "sources":   {"type": "line", "x_m": [100, 480], "z_m": 20, "count": 2},
             "receivers": {"type": "line", "x_m": [0, 580], "z_m": 20, "count": 15}},
  "true_model": {"type": "generated", "family": "layered-faulted", "index": 1},
  "data": {"type": "synthetic"},
  "start_model": {"type": "smooth", "of": "true_model", "sigma_m": 150},
  "field": {"type": "siren", "width": 16, "layers": 2, "transform": {"type": "perturb", "scale_mps": 500}},
  "misfit": {"type": "l2"}, "report": {"enabled": false},
  "optimizer": {"type": "adam", "lr": 1e-3, "iterations": 6},
  "checkpoint": {"every_iterations": 2}
})";

std::string read(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

struct Seen {
  std::vector<std::string> lines, progress;
  int stop_after = -1;  // iterations
};

void keep_line(int level, const char* line, void* user) {
  EXPECT_GE(level, TERRANE_LOG_ERROR);
  static_cast<Seen*>(user)->lines.emplace_back(line);
}

int keep_progress(const char* json, void* user) {
  auto& seen = *static_cast<Seen*>(user);
  seen.progress.emplace_back(json);
  const auto event = nlohmann::json::parse(json);
  return event.contains("iteration") && event.at("iteration") == seen.stop_after ? 1 : 0;
}

class RunTest : public terrane::FolderTest {
 protected:
  void SetUp() override { config_ = put("small.json", kConfig); }
  terrane_run_options options(const std::string& out, Seen& seen) {
    out_ = path(out);
    terrane_run_options o{};
    o.size = sizeof o;
    o.out_dir = out_.c_str();
    o.device = "cpu";
    o.log_level = TERRANE_LOG_INFO;
    o.log = keep_line;
    o.log_user = &seen;
    o.progress = keep_progress;
    o.progress_user = &seen;
    return o;
  }
  std::string config_, out_;
};

TEST_F(RunTest, WritesTheOutputDirectoryAndReturnsTheResult) {
  Seen seen;
  const auto o = options("a", seen);
  char* text = nullptr;
  testing::internal::CaptureStderr();
  ASSERT_EQ(terrane_run(config_.c_str(), &o, &text), TERRANE_OK) << terrane_last_error();
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "") << "the library must not write to stderr of its host";
  const auto result = nlohmann::json::parse(text);
  terrane_free(text);
  EXPECT_EQ(result.at("status"), "ok");
  EXPECT_EQ(result.at("iterations"), 6);
  EXPECT_LT(result.at("misfit").at("best").get<double>(), result.at("misfit").at("initial").get<double>());
  EXPECT_TRUE(fs::exists(path("a/model.npy")));
  EXPECT_EQ(nlohmann::json::parse(read(path("a/result.json"))).at("config_sha256"), result.at("config_sha256"));
  EXPECT_FALSE(seen.lines.empty());
  EXPECT_GE(seen.progress.size(), 6U);

  // The directory holds a run now.
  EXPECT_EQ(terrane_run(config_.c_str(), &o, nullptr), TERRANE_CONFIG);
  EXPECT_NE(std::string(terrane_last_error()).find("overwrite"), std::string::npos) << terrane_last_error();
}

TEST_F(RunTest, AStoppedRunContinuesToTheSameBytes) {
  Seen whole, stopped, resumed;
  auto o = options("whole", whole);
  ASSERT_EQ(terrane_run(config_.c_str(), &o, nullptr), TERRANE_OK) << terrane_last_error();
  stopped.stop_after = 3;
  o = options("parts", stopped);
  char* text = nullptr;
  EXPECT_EQ(terrane_run(config_.c_str(), &o, &text), TERRANE_STOPPED);
  ASSERT_NE(text, nullptr);
  EXPECT_EQ(nlohmann::json::parse(text).at("status"), "stopped");
  terrane_free(text);
  o = options("parts", resumed);
  o.resume = 1;
  ASSERT_EQ(terrane_run(config_.c_str(), &o, nullptr), TERRANE_OK) << terrane_last_error();
  EXPECT_EQ(read(path("whole/model.npy")), read(path("parts/model.npy")));
  EXPECT_EQ(read(path("whole/weights.safetensors")), read(path("parts/weights.safetensors")));
}

TEST_F(RunTest, ErrorsAreStatusCodes) {
  Seen seen;
  auto o = options("x", seen);
  EXPECT_EQ(terrane_run(path("absent.json").c_str(), &o, nullptr), TERRANE_CONFIG) << terrane_last_error();
  EXPECT_EQ(terrane_run(nullptr, &o, nullptr), TERRANE_FAILED);
  EXPECT_EQ(terrane_run(config_.c_str(), nullptr, nullptr), TERRANE_FAILED);
  o.device = "cuda:99";
  EXPECT_EQ(terrane_run(config_.c_str(), &o, nullptr), TERRANE_DEVICE) << terrane_last_error();
  o.device = "cpu";
  o.log_level = 17;
  EXPECT_EQ(terrane_run(config_.c_str(), &o, nullptr), TERRANE_FAILED);
  o.log_level = TERRANE_LOG_DEFAULT;
  o.out_dir = "/proc/no/such/place";
  const auto status = terrane_run(config_.c_str(), &o, nullptr);
  EXPECT_TRUE(status == TERRANE_FAILED || status == TERRANE_CONFIG) << status;
  std::ofstream(config_) << R"({"task": "invert", "grid": {"nz": 24, "nx": "many", "dz_m": 20, "dx_m": 20}})";
  o = options("y", seen);
  EXPECT_EQ(terrane_run(config_.c_str(), &o, nullptr), TERRANE_CONFIG);
  EXPECT_NE(std::string(terrane_last_error()).find("/grid/nx"), std::string::npos) << terrane_last_error();
  EXPECT_FALSE(fs::exists(path("y")));
}

}  // namespace run_test
