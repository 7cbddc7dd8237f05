// SPDX-License-Identifier: MIT
// What a config describes, as values: grid, survey, wavelet, wave options, models, observed data. Built once; the
// inversion and the simulation read it.
#pragma once

#include <string>
#include <vector>

#include "engine/config.hpp"
#include "engine/filter.hpp"
#include "engine/models.hpp"
#include "kernels/runtime/log.hpp"
#include "kernels/runtime/stream.hpp"
#include "physics/survey.hpp"
#include "physics/wave/wave_plan.hpp"

namespace terrane {

struct Problem {
  Grid2 grid;
  Survey survey;
  WaveOptions wave;
  std::vector<double> wavelet;            // (nt), at survey.dt_s, before any band
  std::vector<double> true_model, start;  // (nz, nx); may be empty
  std::vector<double> observed;           // (shots, receivers, nt); empty until data are read or simulated
  std::vector<double> mask;               // (shots, receivers) or (shots, receivers, nt) weights; empty: 1
  std::string observed_source;            // "simulated in true_model ..." or the file
};

// Reads models, survey and wavelet; data files too, when `read_data`. Input errors are Error{data} with the file, setup
// errors Error{config}.
Problem build_problem(const Config& config, bool read_data);

// What synthetic data are simulated in: the problem itself, or with "refine" and "order" of the data section the same
// survey over the true model, bilinear on a finer grid, with another stencil.
Problem observation_problem(const Config& config, const Problem& problem);

// Records of `model` for all shots, (shots, receivers, nt), on the stream's device, `batch` shots at a time.
template <class T>
std::vector<double> simulate(Stream& s, const Problem& problem, const std::vector<double>& model,
                             const std::vector<double>& wavelet, Index batch);

// Adds noise per the resolved section (null: none). Draws are keyed by (seed, sample index).
void add_noise(const Json& noise, std::uint64_t seed, std::vector<double>& data);

// Shots that fit the budget of one forward or gradient run at a time: the whole survey unless batch_shots says less.
Index shots_per_batch(const Config& config, const Problem& problem);

}  // namespace terrane
