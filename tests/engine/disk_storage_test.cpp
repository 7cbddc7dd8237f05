// SPDX-License-Identifier: MIT
// Storage `disk` and `host` of wave fields in a run: the same result, nothing left behind, forecast, errors before the
// start.
#include <gtest/gtest.h>

#include <filesystem>

#include "engine/checkpoint.hpp"
#include "engine/io/npy.hpp"
#include "engine/json_value.hpp"
#include "engine/run.hpp"
#include "tests/engine/run_folder.hpp"
#include "tests/engine/small_problem.hpp"

namespace terrane {
namespace disk_storage_test {

namespace fs = std::filesystem;

const std::string kSmallText = changed(small_waves, R"({
  "grid": {"nz": 24, "nx": 60}, "survey": {"nt": 400, "sources": {"x_m": [20, 530], "count": 3}},
  "optimizer": {"iterations": 3}, "checkpoint": {"every_iterations": 1}, "report": {"enabled": false}})");
const char* const kSmall = kSmallText.c_str();

double memory(const Forecast& f, const char* key) { return f.json.at("memory").at(key).get<double>(); }

class DiskStorage : public RunFolder {
 protected:
  Json run(const std::string& name, const std::vector<std::string>& sets) const {
    return terrane::run(Config::parse(kSmall, "test", sets), options(name));
  }
  std::vector<double> model(const std::string& name) const {
    return read_npy<double>(path(name + "/model.npy")).values;
  }
};

TEST_F(DiskStorage, SameModelAndNothingLeft) {
  run("ring", {"physics.storage=ring"});
  const std::string scratch = path("scratch");
  fs::create_directories(scratch);
  const Json here = run("disk", {"physics.storage=disk"}),
             there = run("path", {"physics.storage=disk", "physics.storage_path=\"" + scratch + "\""});
  EXPECT_EQ(model("disk"), model("ring"));
  EXPECT_EQ(model("path"), model("ring"));
  const Json host = run("host", {"physics.storage=host"});
  EXPECT_EQ(model("host"), model("ring"));
  EXPECT_EQ(host.at("memory").at("storage"), "host");
  EXPECT_NE(host.at("solver").get<std::string>().find("GB on the host"), std::string::npos) << host.at("solver");
  EXPECT_EQ(here.at("memory").at("storage"), "disk");
  EXPECT_NE(here.at("solver").get<std::string>().find("GB on disk"), std::string::npos) << here.at("solver");
  EXPECT_TRUE(fs::is_empty(scratch));
  for (const auto& e : fs::recursive_directory_iterator(path("disk"))) {
    EXPECT_EQ(e.path().filename().string().rfind(".terrane", 0), std::string::npos) << e.path();
  }
}

TEST_F(DiskStorage, ForecastNamesMemoryAndDisk) {
  const auto forecast_of = [&](const std::vector<std::string>& sets) {
    return forecast(Config::parse(kSmall, "test", sets), options("none"));
  };
  const Forecast ring = forecast_of({"physics.storage=ring"}), disk = forecast_of({"physics.storage=disk"});
  EXPECT_EQ(memory(ring, "snapshot_disk_bytes"), 0);
  EXPECT_GT(memory(disk, "snapshot_disk_bytes"), 400 * 3 * 4 * 4 * (48 + 20));
  EXPECT_LT(memory(disk, "arrays_bytes"), memory(ring, "arrays_bytes") - 0.7 * memory(disk, "snapshot_disk_bytes"));
  EXPECT_GT(disk.json.at("disk_bytes").get<double>(), memory(disk, "snapshot_disk_bytes"));
  EXPECT_NE(disk.lines[2].find("storage disk"), std::string::npos) << disk.lines[2];
  EXPECT_NE(disk.lines[3].find("of it only while it runs"), std::string::npos) << disk.lines[3];
  const double between = 0.5 * (memory(disk, "host_bytes") + memory(ring, "host_bytes"));
  const Forecast tight = forecast_of({"physics.storage=ring", "memory.host_bytes=" + std::to_string(between)});
  EXPECT_FALSE(tight.fits);
  EXPECT_NE(tight.remedy.find("\"physics.storage\": \"disk\""), std::string::npos) << tight.remedy;
}

// Without a GPU nothing of it is used: the forecast counts what one would hold.
TEST_F(DiskStorage, ForecastOfAGpuKeepsItsOwnBudget) {
  const auto forecast_of = [&](const std::vector<std::string>& sets) {
    RunOptions o = options("none");
    o.device = Device::parse("cuda");
    return forecast(Config::parse(kSmall, "test", sets), o);
  };
  const Forecast all = forecast_of({}), ring = forecast_of({"physics.storage=ring"}),
                 host = forecast_of({"physics.storage=host"});
  EXPECT_EQ(all.json.at("memory").at("storage"), "all");
  EXPECT_EQ(memory(all, "device_bytes"), memory(all, "arrays_bytes"));
  EXPECT_GT(memory(host, "snapshot_host_bytes"), 400 * 3 * 4 * 4 * (48 + 20));
  EXPECT_EQ(memory(host, "host_bytes") - memory(ring, "host_bytes"), memory(host, "snapshot_host_bytes"));
  EXPECT_EQ(memory(host, "snapshot_disk_bytes"), 0);
  EXPECT_LT(memory(host, "device_bytes"), memory(ring, "device_bytes"));
  EXPECT_NE(host.lines[2].find(", wave fields "), std::string::npos) << host.lines[2];
  // The budget of the main memory does not choose what the GPU holds, that of the GPU does.
  const auto bytes = [](double b) { return std::to_string(b); };
  const double little = 1.9 * memory(all, "snapshot_bytes");  // half of it is for wave fields
  EXPECT_EQ(forecast_of({"memory.host_bytes=" + bytes(little)}).json.at("memory").at("storage"), "all");
  EXPECT_EQ(forecast_of({"memory.device_bytes=" + bytes(little)}).json.at("memory").at("storage"), "ring");
  const double between = 0.5 * (memory(host, "device_bytes") + memory(ring, "device_bytes"));
  const Forecast tight = forecast_of({"physics.storage=ring", "memory.device_bytes=" + bytes(between)});
  EXPECT_FALSE(tight.fits);
  EXPECT_NE(tight.remedy.find("\"physics.storage\": \"host\""), std::string::npos) << tight.remedy;
  const Forecast both = forecast_of({"physics.storage=ring", "memory.device_bytes=" + bytes(between),
                                     "memory.host_bytes=" + bytes(memory(ring, "host_bytes") + 1)});
  EXPECT_NE(both.remedy.find("\"physics.storage\": \"disk\""), std::string::npos) << both.remedy;
}

// What the machine cannot hold is refused before it is computed, with the setting that fits.
TEST_F(DiskStorage, TheMachineIsTheBudgetWhereNoneIsStated) {
  const auto config = [&](const std::string& set) { return Config::parse(kSmall, "test", {set}); };
  RunOptions o = options("none");
  const auto host = [&](const std::string& set) {
    return static_cast<Index>(memory(forecast(config(set), o), "host_bytes"));
  };
  const Index all = host("physics.storage=all"), ring = host("physics.storage=ring");
  ASSERT_LT(ring, all);
  EXPECT_TRUE(forecast(config("physics.storage=all"), o).fits);
  o.machine_memory_bytes = (all + ring) / 2;
  const Forecast f = forecast(config("physics.storage=all"), o);
  EXPECT_FALSE(f.fits);
  EXPECT_NE(f.lines[2].find(", this machine "), std::string::npos) << f.lines[2];
  EXPECT_NE(f.remedy.find(" of this machine. Fits: \"physics.storage\": \"ring\""), std::string::npos) << f.remedy;
  EXPECT_TRUE(forecast(config("physics.storage=ring"), o).fits);
  EXPECT_TRUE(forecast(config("memory.host_bytes=" + std::to_string(all)), o).fits);
  o.machine_memory_bytes = 1000;
  try {
    terrane::run(config("physics.storage=all"), o);
    FAIL() << "ran";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::budget);
    EXPECT_NE(e.message().find("of this machine"), std::string::npos) << e.message();
  }
  EXPECT_FALSE(fs::exists(path("none/resolved.json")));
}

// A disk that cannot be written is found before the data are simulated; what an earlier run left there stays.
TEST_F(DiskStorage, ErrorsLeaveCheckpointsAlone) {
  run("first", {"physics.storage=ring"});
  const auto before = list_checkpoints(path("first"));
  ASSERT_FALSE(before.empty());
  try {
    run("second", {"physics.storage=disk", "physics.storage_path=\"" + path("absent") + "\""});
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::failed);
    EXPECT_NE(e.message().find("physics.storage_path"), std::string::npos) << e.message();
  }
  EXPECT_FALSE(fs::exists(path("second/data_observed.npy")));
  EXPECT_EQ(list_checkpoints(path("first")), before);
  EXPECT_EQ(load_checkpoint(path("first"), before.back()).iteration, 3);
}

}  // namespace disk_storage_test
}  // namespace terrane
