// SPDX-License-Identifier: MIT
#include "engine/prior_term.hpp"

#include "autodiff/ops/penalty.hpp"
#include "engine/converted.hpp"
#include "engine/diffusion/trained_generator.hpp"
#include "engine/json_value.hpp"
#include "engine/optimizer.hpp"

namespace terrane {
namespace {

std::unique_ptr<DenoiserPrior> read_prior(Stream& s, const Json& r, const Grid2& grid, std::uint64_t seed) {
  TrainedGenerator trained = read_trained_generator(r.at("path").get<std::string>());
  const auto times = r.at("times").get<std::vector<double>>();
  DenoiserPriorOptions o;
  o.time_low = times.at(0);
  o.time_high = times.at(1);
  o.falling = r.at("order") == "falling";
  o.noise_weight = r.at("weighting") == "noise";
  o.clip = r.at("clip");
  o.draws = r.at("draws");
  o.overlap = r.at("overlap");
  o.family = r.at("family").is_null() ? -1 : trained.family(r.at("family"));
  o.seed = seed;
  return std::make_unique<DenoiserPrior>(s, std::move(trained.generator), grid.nz, grid.nx, o);
}

}  // namespace

template <class T>
DenoiserTerm<T>::DenoiserTerm(Tape<T>& tape, const Json& r, const Grid2& grid, const PropertyInfo& property, Var model,
                              std::uint64_t seed)
    : schedule_(r.at("schedule")) {
  if (property.quantity != Quantity::velocity) {
    throw Error(ErrorCode::config,
                "/regularizers: a denoiser has learnt velocities, the field stands for " + std::string(property.name));
  }
  prior_ = read_prior(tape.stream(), r, grid, seed);
  target_ = tape.input({grid.nz, grid.nx}, "target of the denoiser", false);
  factor_ = tape.input({1}, "weight of the denoiser", false);
  tape.set(target_, std::vector<T>(static_cast<std::size_t>(grid.cells()), T(0)));
  tape.set(factor_, std::vector<T>{T(0)});
  const double scale = prior_->scale_mps();
  const double weight = r.at("weight").get<double>() / static_cast<double>(grid.cells()) / (scale * scale);
  const Var distance =
      tape.apply(std::make_shared<PenaltyOp<T>>(PenaltyKind::tikhonov0, grid.nz, grid.nx, 1, 1, 0, weight, true),
                 {model, target_});
  penalty_ = tape.apply(std::make_shared<BinaryOp<T>>(BinaryKind::multiply), {distance, factor_});
}

template <class T>
void DenoiserTerm<T>::refresh(Tape<T>& tape, const std::vector<double>& model, Index iteration,
                              Index iteration_in_stage, Index length) {
  const DenoiserPrior::Target t = prior_->target(model, iteration, iteration_in_stage, length);
  tape.set(target_, converted<T>(t.model));
  tape.set(factor_, std::vector<T>{static_cast<T>(t.weight * schedule_factor(schedule_, iteration_in_stage, length))});
}

template <class T>
Var record_code_penalty(Tape<T>& tape, const Json& r, Var theta) {
  const Index n = tape.size(theta);
  return tape.apply(std::make_shared<PenaltyOp<T>>(PenaltyKind::tikhonov0, 1, n, 1, 1, 0,
                                                   r.at("weight").get<double>() / static_cast<double>(n)),
                    {theta});
}

template class DenoiserTerm<float>;
template class DenoiserTerm<double>;
template Var record_code_penalty(Tape<float>&, const Json&, Var);
template Var record_code_penalty(Tape<double>&, const Json&, Var);

}  // namespace terrane
