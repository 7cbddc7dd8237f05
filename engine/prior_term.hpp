// SPDX-License-Identifier: MIT
// The learnt regularizers on the tape of a stage. Inside the engine only.
#pragma once

#include <nlohmann/json.hpp>

#include "autodiff/tape.hpp"
#include "engine/diffusion/denoiser_prior.hpp"
#include "engine/property.hpp"
#include "physics/grid.hpp"

namespace terrane {

// Regularizer "denoiser" (engine/diffusion/denoiser_prior.hpp) of a section of the config:
//   phi = weight schedule(iteration) w_t / (2 cells) sum of ((m - target) / scale)^2
template <class T>
class DenoiserTerm {
 public:
  // `model` (nz, nx) in m/s. Error{config} for another property or a generator of codes, Error{data} for the file.
  DenoiserTerm(Tape<T>& tape, const nlohmann::ordered_json& section, const Grid2& grid, const PropertyInfo& property,
               Var model, std::uint64_t seed);
  Var penalty() const { return penalty_; }
  // Before the first evaluation of an iteration, with the model that it starts from.
  void refresh(Tape<T>& tape, const std::vector<double>& model, Index iteration, Index iteration_in_stage,
               Index length);

 private:
  nlohmann::ordered_json schedule_;
  std::unique_ptr<DenoiserPrior> prior_;
  Var target_, factor_, penalty_;
};

// Regularizer "code" of the field decoder: phi = weight / 2 mean over the unknowns of theta^2, minus the logarithm of
// the density of the codes where they, or the noise that a flow turns into them, are standard normal.
template <class T>
Var record_code_penalty(Tape<T>& tape, const nlohmann::ordered_json& section, Var theta);

}  // namespace terrane
