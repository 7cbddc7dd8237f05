// SPDX-License-Identifier: MIT
#include "engine/inversion.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/converted.hpp"
#include "engine/field_start.hpp"
#include "engine/gauss_newton.hpp"
#include "engine/inversion_stage.hpp"
#include "engine/objective.hpp"
#include "engine/output.hpp"
#include "kernels/kernels.hpp"
#include "kernels/runtime/random.hpp"

namespace terrane {

template <class T>
Inversion<T>::Inversion(Stream& s, const Config& config, const Problem& problem, Log log)
    : s_(s), config_(config), problem_(problem), log_(std::move(log)) {
  const Json& c = config_.json();
  field_ = std::make_unique<Field<T>>(Field<T>::make(c.at("field"), problem_.grid, c.at("seed").get<std::uint64_t>()));
  field_->set_precision(c.at("precision").at("network"));
  for (const Json& stage : c.at("stages")) {
    total_ += stage.at("iterations").get<Index>();
    stage_ends_.push_back(total_);
  }
  drawn_ = shots_per_iteration(config_, problem_);
  encoding_ = source_encoding(config_, problem_);
  batch_ = shots_per_batch(config_, problem_);
  if (field_->needs_start() && problem_.start.empty()) {
    throw Error(ErrorCode::config,
                "/start_model: the field needs a start model; for a network the one that F = 0 means",
                config_.place("/start_model"));
  }
  // Without observations nothing will be inverted: the sizes alone are wanted.
  theta_ = start_parameters(s_, c.at("field"), problem_, *field_, !problem_.observed.empty(), log_);
  best_phi_ = std::numeric_limits<double>::infinity();
  open_stage(0);
}

template <class T>
Inversion<T>::~Inversion() = default;

// Shots of one iteration: whole batches of a fresh permutation each epoch, so that no shot repeats within a batch.
template <class T>
std::vector<Index> Inversion<T>::draw_shots(Index iteration) const {
  const Index all = problem_.shots();
  std::vector<Index> order(static_cast<std::size_t>(all));
  std::iota(order.begin(), order.end(), Index{0});
  if (drawn_ == all) return order;
  const Index per_epoch = all / drawn_, epoch = iteration / per_epoch;
  const Random random(config_.json().at("seed").template get<std::uint64_t>(), RandomPurpose::shot_subset);
  for (Index k = all - 1; k > 0; --k) {
    const auto j = random.integer(static_cast<std::uint64_t>(epoch), static_cast<std::uint32_t>(k),
                                  static_cast<std::uint64_t>(k + 1));
    std::swap(order[static_cast<std::size_t>(k)], order[static_cast<std::size_t>(j)]);
  }
  const auto begin = order.begin() + iteration % per_epoch * drawn_;
  std::vector<Index> shots(begin, begin + drawn_);
  std::sort(shots.begin(), shots.end());
  return shots;
}

template <class T>
void Inversion<T>::select_shots(Index iteration) {
  Stage& g = *current_;
  const auto shots = draw_shots(iteration);
  if (encoding_) return encode_shots(iteration, shots);
  if (g.shots == shots) return;  // the whole survey: set once
  g.shots = shots;
  g.simulation->select(shots);
  const Index per_shot = g.tape.size(g.target) / batch_;
  for (std::size_t k = 0; k < shots.size(); ++k) {
    const auto from = static_cast<std::size_t>(shots[k] * per_shot);
    const Index to = static_cast<Index>(k) * per_shot;
    copy(s_, std::span<const T>(g.observed).subspan(from, static_cast<std::size_t>(per_shot)),
         g.tape.data(g.target) + to);
    if (!g.weights.empty()) {
      copy(s_, std::span<const T>(g.weights).subspan(from, static_cast<std::size_t>(per_shot)),
           g.tape.data(g.weight) + to);
    }
  }
}

// Wavelets and data of the super-shots with the codes of this iteration.
template <class T>
void Inversion<T>::encode_shots(Index iteration, const std::vector<Index>& shots) {
  Stage& g = *current_;
  ShotCodes codes = encoding_->codes(iteration, shots);
  if (g.codes == codes) return;
  g.tape.set(g.wavelets, converted<T>(encoding_->wavelets(codes, g.wavelet)));
  const Index per_shot = g.tape.size(g.target) / batch_;
  for (Index k = 0; k < batch_; ++k) {
    copy(s_, std::span<const T>(encoding_->data(codes, k, g.observed)), g.tape.data(g.target) + k * per_shot);
    if (g.weights.empty() || !g.codes.amplitude.empty()) continue;
    copy(s_, std::span<const T>(g.weights).first(static_cast<std::size_t>(per_shot)),  // those of every shot
         g.tape.data(g.weight) + k * per_shot);
  }
  g.codes = std::move(codes);
}

template <class T>
void Inversion<T>::open_average() {
  if (!average_.empty()) return;
  average_ = Buffer<double>(s_, static_cast<Index>(theta_.size()));
  fill(s_, Fill<double>{average_.data(), 0.0, average_.size()});
}

// Share of the old mean in the running mean of the parameters; 0: none is made.
inline double average_decay(const Json& optimizer) {
  const Json average = optimizer.value("average", Json(nullptr));  // posterior sampling has none
  return average.is_null() ? 0 : average.get<double>();
}

// phi and its gradient on the tape of the stage, for the optimizer.
template <class T>
void Inversion<T>::make_objective() {
  Stage& g = *current_;
  Objective<T>& o = g.objective;
  o.parameters = g.tape.data(g.theta);
  o.n = g.tape.size(g.theta);
  g.before = Buffer<T>(s_, o.n);
  o.scalars = {g.tape.data(g.phi), g.tape.data(g.phi_data)};
  for (const auto& [_, var] : g.penalties) o.scalars.push_back(g.tape.data(var));
  o.launch = [&g] {
    g.tape.forward();
    g.tape.backward(g.sweep, g.phi);
    return g.sweep.cotangent(g.theta);
  };
  o.prepare = [this](Index k) { prepare(iteration_ + k); };
  o.evaluated = [this] { note_evaluation(); };
  const double decay = average_decay(g.optimizer);
  if (decay == 0) return;
  open_average();
  o.moved = [this, &g, decay] {
    running_mean(s_, RunningMean<T>{g.tape.data(g.theta), average_.data(), decay, g.tape.size(g.theta)});
  };
}

// What an iteration needs of the host before it is evaluated.
template <class T>
void Inversion<T>::prepare(Index iteration) {
  Stage& g = *current_;
  select_shots(iteration);
  if (g.share.valid()) {
    const double progress =
        static_cast<double>(iteration - g.first_iteration) / static_cast<double>(std::max<Index>(1, g.iterations - 1));
    g.tape.set(g.share, std::vector<T>{static_cast<T>(weci_share(g.misfit, progress))});
  }
  if (g.data_share.valid()) {
    const double beta = trade_off_beta(config_.json().at("trade_off"), iteration);
    g.tape.set(g.data_share, std::vector<T>{static_cast<T>(1 - beta)});
    if (g.model_share.valid()) g.tape.set(g.model_share, std::vector<T>{static_cast<T>(beta)});
  }
  refresh_denoisers(iteration);
}

// What the report wants of the evaluation and only the tape has.
template <class T>
void Inversion<T>::note_evaluation() {
  Stage& g = *current_;
  chi2_ = chi2();
  if (iteration_ > 0) return;
  const auto host = to_host(s_, g.sweep.cotangent(g.model), g.tape.size(g.model));
  first_gradient_.assign(host.begin(), host.end());
}

// Of the predicted data on the tape. Not of waves: they are many, and their standard deviation is seldom known.
template <class T>
double Inversion<T>::chi2() {
  if (problem_.waves() || problem_.std.empty()) return std::numeric_limits<double>::quiet_NaN();
  return mean_square_residual(problem_, current_->tape.get(current_->predicted), problem_.observed);
}

// Their targets are those of the model that the iteration starts from.
template <class T>
void Inversion<T>::refresh_denoisers(Index iteration) {
  Stage& g = *current_;
  if (g.denoisers.empty()) return;
  const std::vector<double> start = model();
  for (DenoiserTerm<T>& d : g.denoisers) {
    d.refresh(g.tape, start, iteration, iteration - g.first_iteration, g.iterations);
  }
}

// Iterations until somebody has to look: at the first gradient, at chi2, at a multiple of what the optimizer does
// without waiting.
template <class T>
Index Inversion<T>::block(Index most) const {
  const bool looks = iteration_ == 0 || (!problem_.waves() && !problem_.std.empty());
  const Index every = looks ? 1 : optimizer_->block();
  const Index left = stage_ends_[static_cast<std::size_t>(stage_)] - iteration_;
  return std::max<Index>(1, std::min({most, left, every - (iteration_ - current_->first_iteration) % every}));
}

template <class T>
std::vector<IterationReport> Inversion<T>::steps(Index most) {
  const double start = now_s();
  if (iteration_ >= stage_ends_[static_cast<std::size_t>(stage_)]) open_stage(stage_ + 1);
  if (least_squares_ != nullptr) return {least_squares_step()};
  Stage& g = *current_;
  const Index count = block(most);
  std::vector<double> factors;
  for (Index k = 0; k < count; ++k) {
    factors.push_back(schedule_factor(g.optimizer.at("schedule"), iteration_ + k - g.first_iteration, g.iterations));
  }
  copy_values(s_, CopyValues<T>{g.tape.data(g.theta), g.before.data(), g.before.size()});
  std::vector<IterationReport> reports;
  try {
    reports = reports_of(optimizer_->steps(s_, g.objective, factors), factors);
  } catch (...) {
    copy_values(s_, CopyValues<T>{g.before.data(), g.tape.data(g.theta), g.before.size()});
    throw;
  }
  for (IterationReport& r : reports) r.seconds = (now_s() - start) / static_cast<double>(count);
  iteration_ += count;
  return reports;
}

template <class T>
std::vector<IterationReport> Inversion<T>::reports_of(const std::vector<StepReport>& steps,
                                                      const std::vector<double>& factors) {
  const Stage& g = *current_;
  const double decay = average_decay(g.optimizer);
  std::vector<IterationReport> reports;
  for (std::size_t k = 0; k < steps.size(); ++k) {
    const StepReport& step = steps[k];
    IterationReport r;
    r.iteration = iteration_ + static_cast<Index>(k);
    r.stage = stage_;
    r.rate_factor = factors[k];
    r.phi = step.phi;
    r.phi_data = step.values.at(1);
    for (std::size_t p = 0; p < g.penalties.size(); ++p) r.phi_model[g.penalties[p].first] = step.values.at(2 + p);
    r.chi2 = chi2_;
    r.gradient_norm = step.gradient_norm;
    r.step_norm = step.step_norm;
    r.evaluations = step.evaluations;
    if (decay > 0) average_weight_ = decay * average_weight_ + (1 - decay);
    check_progress(r);
    if (step.stalled) stop_reason_ = "line_search";
    reports.push_back(std::move(r));
  }
  return reports;
}

template <class T>
bool Inversion<T>::replays() const {
  return current_->objective.recording->replays();
}

template <class T>
std::string Inversion<T>::why_not_replayed() const {
  return current_->objective.recording->why_not();
}

template <class T>
void Inversion<T>::check_progress(const IterationReport& r) {
  const Json& stop = config_.json().at("stop");
  const std::string where = "iteration " + std::to_string(r.iteration) + " (stage " + std::to_string(r.stage) + ")";
  if (!std::isfinite(r.phi) || !std::isfinite(r.gradient_norm)) {
    throw Error(ErrorCode::diverged, "misfit became NaN or infinite at " + where + "; try a lower optimizer.lr");
  }
  if (r.iteration == current_->first_iteration) stage_first_phi_ = r.phi;
  if (r.iteration == 0) initial_phi_ = r.phi;
  const double grow = stop.at("grow_factor");
  // A sample on its way from noise may well pass models that fit worse than the first.
  const bool sampling = current_->optimizer.at("type") == "posterior";
  if (!sampling && stage_first_phi_ > 0 && r.phi > grow * stage_first_phi_) {
    throw Error(ErrorCode::diverged, "misfit " + std::to_string(r.phi) + " at " + where + " is more than " +
                                         std::to_string(grow) +
                                         " times that of the first iteration of its stage; try a "
                                         "lower optimizer.lr, or raise stop.grow_factor");
  }
  if (r.phi < best_phi_) {
    best_phi_ = r.phi;
    best_iteration_ = r.iteration;
  }
  if (!stop.at("patience_iterations").is_null() &&
      r.iteration - best_iteration_ >= stop.at("patience_iterations").get<Index>()) {
    stop_reason_ = "patience";
  }
  if (!stop.at("chi2").is_null() && r.chi2 <= stop.at("chi2").get<double>()) stop_reason_ = "chi2";
  if (!stop.at("misfit_relative").is_null() && r.phi <= stop.at("misfit_relative").get<double>() * initial_phi_) {
    stop_reason_ = "misfit_relative";
  }
}

template <class T>
std::vector<double> Inversion<T>::model() {
  Stage& g = *current_;
  g.tape.forward(g.model);
  const auto host = g.tape.get(g.model);
  return std::vector<double>(host.begin(), host.end());
}

template <class T>
std::vector<double> Inversion<T>::result_parameters() {
  if (average_weight_ == 0) return parameters();
  std::vector<double> mean = to_host(s_, average_);
  for (double& v : mean) v /= average_weight_;
  return mean;
}

template <class T>
std::vector<double> Inversion<T>::result_model() {
  if (average_weight_ == 0) return model();
  Stage& g = *current_;
  const std::vector<T> last = g.tape.get(g.theta);
  g.tape.set(g.theta, converted<T>(result_parameters()));
  const auto averaged = model();
  g.tape.set(g.theta, last);
  return averaged;
}

template <class T>
std::vector<double> Inversion<T>::parameters() {
  const auto host = current_->tape.get(current_->theta);
  return std::vector<double>(host.begin(), host.end());
}

template <class T>
std::string Inversion<T>::storage() const {
  return current_->simulation->storage();
}

template <class T>
CheckpointState Inversion<T>::state() {
  CheckpointState c;
  c.iteration = iteration_;
  auto theta = current_->tape.get(current_->theta);
  const Index n = static_cast<Index>(theta.size());
  c.tensors["theta"] = Tensor({n}, std::move(theta));
  const OptimizerState own = least_squares_ != nullptr ? least_squares_->state() : optimizer_->state(s_);
  for (const auto& [name, values] : own) {
    c.tensors["optimizer." + name] = Tensor({static_cast<Index>(values.size())}, values);
  }
  c.tensors["first_gradient"] = Tensor({static_cast<Index>(first_gradient_.size())}, first_gradient_);
  c.tensors["average"] = Tensor({average_.size()}, to_host(s_, average_));
  c.tensors["scalars"] =
      Tensor({5}, std::vector<double>{std::isfinite(best_phi_) ? best_phi_ : -1.0, initial_phi_, stage_first_phi_,
                                      static_cast<double>(best_iteration_), average_weight_});
  c.meta["stage"] = stage_;
  c.meta["config_sha256"] = config_.sha256();
  return c;
}

template <class T>
void Inversion<T>::restore(const CheckpointState& c) {
  const std::string where = "checkpoint " + std::to_string(c.iteration);
  const int stage = c.meta.at("stage");
  if (stage != stage_) open_stage(stage);
  iteration_ = c.iteration;
  current_->tape.set(current_->theta, tensor_values<T>(c.tensors, "theta", where));
  OptimizerState state;
  for (const auto& [name, tensor] : c.tensors) {
    if (name.rfind("optimizer.", 0) == 0) state[name.substr(10)] = tensor_values<double>(c.tensors, name, where);
  }
  if (least_squares_ != nullptr) {
    least_squares_->restore(state);
  } else {
    optimizer_->restore(s_, state);
  }
  first_gradient_ = tensor_values<double>(c.tensors, "first_gradient", where);
  if (const auto& average = tensor_values<double>(c.tensors, "average", where); !average.empty()) {
    open_average();
    copy(s_, std::span<const double>(average), average_.data());
  }
  const auto& scalars = tensor_values<double>(c.tensors, "scalars", where);
  best_phi_ = scalars.at(0) < 0 ? std::numeric_limits<double>::infinity() : scalars.at(0);
  initial_phi_ = scalars.at(1);
  stage_first_phi_ = scalars.at(2);
  best_iteration_ = static_cast<Index>(scalars.at(3));
  average_weight_ = scalars.at(4);
}

template <class T>
Index Inversion<T>::memory_bytes() const {
  const Stage& g = *current_;
  Index bytes = s_.arena()->stats().current_bytes;  // recorded values, tables, optimizer
  // Still to come: cotangents of every differentiable variable, the state of the waves, the network's partial sums.
  for (const auto& node : g.tape.nodes()) {
    for (const int id : node.out) {
      if (g.tape.differentiable({id})) bytes += g.tape.size({id}) * Index{sizeof(T)};
    }
  }
  bytes += g.tape.size(g.theta) * Index{sizeof(T)};
  bytes += g.simulation->operation().memory_bytes() + field_->workspace_bytes(s_.threads());
  return bytes;
}

template class Inversion<float>;
template class Inversion<double>;

}  // namespace terrane
