// SPDX-License-Identifier: MIT
// A problem small enough for a test, with synthetic observations where its config names no file.
#pragma once

#include <string>
#include <vector>

#include "engine/config.hpp"
#include "engine/problem.hpp"
#include "engine/simulation.hpp"

namespace terrane {

// Four shots over a block.
inline constexpr const char* small_waves = R"({
  "task": "invert", "seed": 3, "grid": {"nz": 20, "nx": 26, "dz_m": 10, "dx_m": 10},
  "physics": {"type": "acoustic", "order": 4, "vmax_mps": 3500, "boundary": {"type": "cpml", "width_cells": 6}},
  "survey": {"dt_s": 0.0015, "nt": 140, "wavelet": {"type": "ricker", "frequency_hz": 15},
             "sources": {"type": "line", "x_m": [20, 230], "z_m": 20, "count": 4}, "receivers": {"type": "grid-row", "z_m": 20}},
  "true_model": {"type": "blocks", "background_mps": 2200, "blocks": [{"x_m": [80, 160], "z_m": [70, 120], "value_mps": 2700}]},
  "start_model": {"type": "constant", "value_mps": 2200}, "data": {"type": "synthetic"},
  "field": {"type": "grid"}, "misfit": {"type": "l2"}, "optimizer": {"type": "adam", "lr_mps": 20, "iterations": 12}})";

// A config with a JSON merge patch.
inline std::string changed(const char* text, const char* patch) {
  nlohmann::ordered_json config = nlohmann::ordered_json::parse(text);
  config.merge_patch(nlohmann::ordered_json::parse(patch));
  return config.dump();
}

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
