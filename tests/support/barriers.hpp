// SPDX-License-Identifier: MIT
// Is every barrier of the CUDA kernels needed, and would its loss be seen? The emulated module lists the barriers,
// waits and flags that a run meets (cuda_emulator.hpp); each is left out in turn, and the run must then fail or give
// other numbers.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "kernels/runtime/error.hpp"
#include "tests/support/devices.hpp"
#include "tests/support/test_folder.hpp"

namespace terrane {

// Variables of the environment for a scope; the emulated module reads them at every launch.
class Environment {
 public:
  using Values = std::vector<std::pair<std::string, std::string>>;
  explicit Environment(Values values) : values_(std::move(values)) {
    for (const auto& [name, value] : values_) setenv(name.c_str(), value.c_str(), 1);
  }
  ~Environment() {
    for (const auto& [name, value] : values_) unsetenv(name.c_str());
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  Values values_;
};

// Do the tests run on the emulated device?
inline bool has_emulator() {
  for (const std::string& name : test_devices()) {
    if (name == "emulated") return true;
  }
  return false;
}

// file:line:column of the barriers that `run` meets in files whose names begin with `prefix`.
template <class F>
std::vector<std::string> barriers_met(const F& run, const std::string& prefix) {
  const TestFolder folder;
  const std::string file = folder / "places";
  {
    const Environment list(Environment::Values{{"TERRANE_EMULATOR_PLACES", file}});
    run();
  }
  std::vector<std::string> places;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (line.rfind(prefix, 0) == 0) places.push_back(line);
  }
  return places;
}

// run() gives the numbers of a run. Each barrier is left out up to `tries` times, in other orders of the threads.
// Returns the number of barriers.
inline std::size_t expect_every_barrier_is_needed(const std::string& prefix,
                                                  const std::function<std::vector<double>()>& run, int tries = 4) {
  const std::vector<double> want = run();
  const std::vector<std::string> places = barriers_met(run, prefix);
  for (const std::string& place : places) {
    const Environment skip(Environment::Values{{"TERRANE_EMULATOR_SKIP", place}});
    bool caught = false;
    for (int i = 0; i < tries && !caught; ++i) {
      try {
        const std::vector<double> got = run();
        for (std::size_t k = 0; k < want.size(); ++k) caught = caught || !(got[k] == want[k]);
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), ErrorCode::failed) << e.message();
        caught = true;
      }
    }
    EXPECT_TRUE(caught) << "nothing changes without the barrier at " << place;
  }
  return places.size();
}

}  // namespace terrane
