// SPDX-License-Identifier: MIT
// A problem small enough for a test, with synthetic observations where its config names no file.
#pragma once

#include <string>
#include <vector>

#include "engine/config.hpp"
#include "engine/problem.hpp"
#include "engine/simulation.hpp"

namespace terrane {

struct SmallProblem {
  SmallProblem(const char* text, const std::vector<std::string>& sets)
      : config(Config::parse(text, "test", sets)), s(Device{}, {}), problem(build_problem(config, true)) {
    if (!problem.observed.empty()) return;
    const Problem observation = observation_problem(config, problem);
    problem.observed = simulate<double>(s, observation, observation.true_model, {}, 1);
    add_noise(config.json().at("data").at("noise"), 3, problem);
  }
  Config config;
  Stream s;
  Problem problem;
};

}  // namespace terrane
