// SPDX-License-Identifier: MIT
// What tasks need and may take: forecasts against the budget of main memory and the room on the disk.
#include "engine/budget.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "engine/json_value.hpp"
#include "tests/engine/run_folder.hpp"
#include "tests/engine/small_problem.hpp"

namespace terrane {
namespace budget_test {

namespace fs = std::filesystem;

class Budget : public RunFolder {
 protected:
  RunOptions options() const { return RunFolder::options("not/yet/there"); }
  // Fits, but not with `set`, or where that is empty with 1000 bytes of disk; then it does not begin.
  void refused(const std::string& text, const std::string& set, const char* resource) const {
    const Config roomy = Config::parse(text, "test");
    const Forecast f = forecast(roomy, options());
    EXPECT_TRUE(f.fits) << text;
    EXPECT_TRUE(f.json.at("fits").get<bool>());
    EXPECT_EQ(f.json.at("task"), roomy.json().at("task"));
    RunOptions o = options();
    if (set.empty()) o.free_disk_bytes = 1000;
    const Config tight = Config::parse(text, "test", set.empty() ? std::vector<std::string>{} : std::vector{set});
    const Forecast none = forecast(tight, o);
    EXPECT_FALSE(none.fits) << text;
    EXPECT_FALSE(none.json.at("fits").get<bool>());
    EXPECT_EQ(none.remedy.rfind(resource, 0), 0U) << none.remedy;
    try {
      terrane::run(tight, o);
      FAIL() << "ran: " << text;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::budget) << e.message();
      EXPECT_NE(e.message().find(none.remedy), std::string::npos) << e.message();
    }
    EXPECT_FALSE(fs::exists(o.out_dir));
  }
};

const char* const kCompress = R"({"task": "compress", "threads": 1,
  "models": {"type": "generated", "families": ["flat-vel-a"], "count": 12, "hold_out": 4, "size": 14},
  "codec": {"type": "auto-decoder", "code": 4, "width": 16, "layers": 2, "steps": 60, "batch_models": 2, "points": 100}})";
const char* const kTrain = R"({"task": "train-generator", "threads": 1,
  "models": {"type": "generated", "families": ["flat-vel-a"], "count": 12, "hold_out": 10, "size": 14},
  "generator": {"type": "ddpm", "channels": [8, 8, 16], "blocks": 1, "groups": 4, "attention": [2], "head_channels": 4,
                "steps": 4, "batch_models": 2, "accumulate": 1}})";
const char* const kGenerate = R"({"task": "generate", "count": 4, "seed": 2, "threads": 1,
  "source": {"type": "procedural", "families": ["flat-vel-a"], "size": 14}})";

TEST_F(Budget, TasksWithoutPhysicsObeyTheMemory) {
  refused(kCompress, "memory.host_bytes=1000", "host memory ");
  refused(kTrain, "memory.host_bytes=1000", "host memory ");
}

TEST_F(Budget, TasksWithoutPhysicsObeyTheDisk) {
  refused(kCompress, "", "disk ");
  refused(kTrain, "", "disk ");
  refused(kGenerate, "", "disk ");
}

TEST_F(Budget, ScoresObeyTheMemory) {
  const RunOptions o = RunFolder::options("drawn");
  terrane::run(Config::parse(kGenerate, "test"), o);
  refused(R"({"task": "score", "threads": 1, "samples": {"path": ")" + o.out_dir + R"("},
    "models": {"type": "generated", "families": ["flat-vel-a"], "count": 8, "hold_out": 8, "size": 14}})",
          "memory.host_bytes=1000", "host memory ");
}

TEST_F(Budget, AnalysesObeyTheMemory) {
  const RunOptions o = RunFolder::options("run");
  terrane::run(Config::parse(small_waves, "test", {"optimizer.iterations=1", "report.enabled=false"}), o);
  refused(R"({"task": "analyze", "run": ")" + o.out_dir + R"(", "analyses": ["svd"]})", "memory.host_bytes=1000",
          "host memory ");
}

// The machine is the budget where none is stated; a stated one takes its place.
TEST_F(Budget, TheMachineUnlessStated) {
  RunOptions o = options();
  o.machine_memory_bytes = 1000;
  const Forecast f = forecast(Config::parse(kCompress, "test"), o);
  EXPECT_FALSE(f.fits);
  EXPECT_NE(f.remedy.find(" of this machine. Take fewer models"), std::string::npos) << f.remedy;
  EXPECT_NE(f.lines.at(1).find(", this machine "), std::string::npos) << f.lines.at(1);
  EXPECT_TRUE(forecast(Config::parse(kCompress, "test", {"memory.host_bytes=1e9"}), o).fits);
}

TEST_F(Budget, InversionsAndEnsemblesOnTheDisk) {
  RunOptions o = options();
  const std::string text = changed(small_waves, R"({"field": {"type": "siren", "width": 8, "layers": 1},
    "optimizer": {"lr_mps": null, "lr": 1e-3}})");
  const auto need = [&](const std::vector<std::string>& sets) {
    return forecast(Config::parse(text, "test", sets), o).json.at("disk_bytes").get<double>();
  };
  const double one = need({}), three = need({"ensemble.seeds=[1, 2, 3]"});
  EXPECT_NEAR(three, 3 * one, 3);
  o.free_disk_bytes = static_cast<Index>(2 * one);
  EXPECT_TRUE(forecast(Config::parse(text, "test"), o).fits);
  const Forecast f = forecast(Config::parse(text, "test", {"ensemble.seeds=[1, 2, 3]"}), o);
  EXPECT_FALSE(f.fits);
  EXPECT_NE(f.remedy.find(" free in "), std::string::npos) << f.remedy;
}

}  // namespace budget_test
}  // namespace terrane
