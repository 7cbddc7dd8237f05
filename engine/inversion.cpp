// SPDX-License-Identifier: MIT
#include "engine/inversion.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "autodiff/ops/gradient_metric.hpp"
#include "engine/objective.hpp"
#include "engine/output.hpp"
#include "kernels/kernels.hpp"
#include "kernels/runtime/random.hpp"

namespace terrane {

namespace {

template <class T>
std::vector<T> narrow(const std::vector<double>& v) {
  return std::vector<T>(v.begin(), v.end());
}

// Row-normalised Gaussian (n, n), truncated at the edges.
template <class T>
std::vector<T> blur_matrix(Index n, double sigma_cells) {
  std::vector<T> m(static_cast<std::size_t>(n * n));
  for (Index i = 0; i < n; ++i) {
    double sum = 0;
    std::vector<double> row(static_cast<std::size_t>(n));
    for (Index j = 0; j < n; ++j) {
      const double d = static_cast<double>(i - j) / sigma_cells;
      row[static_cast<std::size_t>(j)] = std::exp(-0.5 * d * d);
      sum += row[static_cast<std::size_t>(j)];
    }
    for (Index j = 0; j < n; ++j)
      m[static_cast<std::size_t>(i * n + j)] = static_cast<T>(row[static_cast<std::size_t>(j)] / sum);
  }
  return m;
}

// 1 away from every source, falling to 0 within `radius` as 1 - cos.
std::vector<double> source_taper(const Problem& p, double radius_m) {
  std::vector<double> taper(static_cast<std::size_t>(p.grid.cells()), 1.0);
  if (radius_m <= 0) return taper;
  for (const Shot& shot : p.survey.shots) {
    for (const Position& source : shot.sources) {
      for (Index i = 0; i < p.grid.cells(); ++i) {
        const double dz = p.grid.z0_m + static_cast<double>(i / p.grid.nx) * p.grid.dz_m - source.z_m;
        const double dx = p.grid.x0_m + static_cast<double>(i % p.grid.nx) * p.grid.dx_m - source.x_m;
        const double t = std::min(1.0, std::hypot(dz, dx) / radius_m);
        double& w = taper[static_cast<std::size_t>(i)];
        w = std::min(w, 0.5 * (1 - std::cos(3.14159265358979323846 * t)));
      }
    }
  }
  return taper;
}

}  // namespace

// What belongs to one stage: the data of its band and the recorded computation.
template <class T>
struct Inversion<T>::Stage {
  explicit Stage(Stream& s) : tape(s), sweep(tape) {}
  Tape<T> tape;
  Sweep<T> sweep;
  std::shared_ptr<ShotSelection> shots = std::make_shared<ShotSelection>();
  std::shared_ptr<AcousticWave<T>> wave;
  std::vector<T> observed, weights;  // host, all shots; weights may be empty
  Var theta, m0, wavelet, vp, predicted, target, weight, share, phi_data, phi;
  std::vector<std::pair<std::string, Var>> penalties;
  Json optimizer, misfit;
  Index first_iteration = 0, iterations = 0;
};

template <class T>
Inversion<T>::Inversion(Stream& s, const Config& config, const Problem& problem, Log log)
    : s_(s), config_(config), problem_(problem), log_(std::move(log)) {
  const Json& c = config_.json();
  if (problem_.start.empty()) {
    throw Error(ErrorCode::config,
                "/start_model: an inversion needs a start model; for a network the one that F = 0 means",
                config_.place("/start_model"));
  }
  field_ = std::make_unique<Field<T>>(Field<T>::make(c.at("field"), problem_.grid, c.at("seed").get<std::uint64_t>()));
  field_->set_precision(c.at("precision").at("network"));
  for (const Json& stage : c.at("stages")) {
    total_ += stage.at("iterations").get<Index>();
    stage_ends_.push_back(total_);
  }
  batch_ = shots_per_batch(config_, problem_);
  theta_ = field_->initial_parameters(narrow<T>(problem_.start));
  best_phi_ = std::numeric_limits<double>::infinity();
  prefit();
  open_stage(0);
}

template <class T>
Inversion<T>::~Inversion() = default;

template <class T>
void Inversion<T>::prefit() {
  const Json& p = config_.json().at("field").at("prefit");
  if (p.is_null() || problem_.observed.empty()) return;
  const auto r = terrane::prefit(s_, *field_, narrow<T>(problem_.start), p.at("iterations").get<int>(),
                                 p.at("lr").get<double>(), theta_);
  log_.info("prefit: RMS difference from the start model " + std::to_string(r.rms_before) + " -> " +
            std::to_string(r.rms_after) + " m/s");
}

namespace {

Json section(const Json& stage, const Json& config, const char* key) {
  return stage.contains(key) && !stage.at(key).is_null() ? stage.at(key) : config.at(key);
}

Band band_of(const Json& section) {
  Band b;
  if (!section.at("lowpass_hz").is_null()) b.lowpass_hz = section.at("lowpass_hz");
  if (!section.at("highpass_hz").is_null()) b.highpass_hz = section.at("highpass_hz");
  return b;
}

// Per sample weights of all shots: the mask, times 1 / RMS of the trace where asked. Empty: all 1.
template <class T>
std::vector<T> data_weights(const Problem& p, const std::vector<T>& observed, bool by_trace) {
  if (p.mask.empty() && !by_trace) return {};
  const Index nt = p.survey.nt, traces = static_cast<Index>(observed.size()) / nt;
  std::vector<T> w(observed.size(), T(1));
  for (Index r = 0; r < traces; ++r) {
    double energy = 0;
    for (Index i = 0; i < nt; ++i) {
      const auto k = static_cast<std::size_t>(r * nt + i);
      const double m = p.mask.empty() ? 1 : p.mask[p.mask.size() == observed.size() ? k : static_cast<std::size_t>(r)];
      w[k] = static_cast<T>(m);
      energy += static_cast<double>(observed[k]) * static_cast<double>(observed[k]);
    }
    const double rms = std::sqrt(energy / static_cast<double>(nt));
    if (!by_trace) continue;
    for (Index i = 0; i < nt; ++i) {
      T& e = w[static_cast<std::size_t>(r * nt + i)];
      e = rms > 0 ? static_cast<T>(static_cast<double>(e) / rms) : T(0);
    }
  }
  return w;
}

template <class T>
double rms_of(const std::vector<T>& x) {
  double sum = 0;
  for (const T v : x) sum += static_cast<double>(v) * static_cast<double>(v);
  return x.empty() ? 1 : std::sqrt(sum / static_cast<double>(x.size()));
}

}  // namespace

template <class T>
void Inversion<T>::open_stage(int index) {
  const Json& c = config_.json();
  const Json& section_json = c.at("stages").at(static_cast<std::size_t>(index));
  if (current_ != nullptr) theta_ = current_->tape.get(current_->theta);
  current_.reset();  // its memory goes before the next is recorded
  stage_ = index;
  current_ = std::make_unique<Stage>(s_);
  Stage& g = *current_;
  g.iterations = section_json.at("iterations");
  g.first_iteration = stage_ends_[static_cast<std::size_t>(index)] - g.iterations;
  g.optimizer = section(section_json, c, "optimizer");

  // Data and wavelet of the band of this stage; the band of the data section comes on top.
  const Band band = band_of(section_json), data_band = band_of(c.at("data"));
  std::vector<double> wavelet = problem_.wavelet;
  std::vector<double> observed = problem_.observed;
  const Index nt = problem_.survey.nt;
  for (const Band& b : {data_band, band}) {
    if (b.empty()) continue;
    filter_traces(b, problem_.survey.dt_s, 1, nt, wavelet.data());
    filter_traces(b, problem_.survey.dt_s, static_cast<Index>(observed.size()) / nt, nt, observed.data());
  }
  g.observed = narrow<T>(observed);
  const Json misfit = section(section_json, c, "misfit");
  g.weights = data_weights(problem_, g.observed, needs_trace_weights(misfit));

  // theta -> model -> data
  Tape<T>& tape = g.tape;
  const Grid2& grid = problem_.grid;
  g.wave = std::make_shared<AcousticWave<T>>(s_, grid, problem_.survey, problem_.wave, batch_);
  description_ = g.wave->plan().describe();
  g.theta = tape.input({field_->parameters()}, "theta");
  g.m0 = tape.input({grid.nz, grid.nx}, "start model", false);
  g.wavelet = tape.input({nt}, "wavelet", false);
  tape.set(g.theta, theta_);
  tape.set(g.m0, narrow<T>(problem_.start));
  tape.set(g.wavelet, narrow<T>(wavelet));
  const Json& gradient = c.at("gradient");
  Var mask;
  if (gradient.at("mask_water_depth_m").get<double>() > 0) {
    const auto rows = static_cast<Index>(std::ceil(gradient.at("mask_water_depth_m").get<double>() / grid.dz_m - 1e-9));
    std::vector<T> keep(static_cast<std::size_t>(grid.cells()), T(0));
    std::fill_n(keep.begin(), std::min(rows, grid.nz) * grid.nx, T(1));
    mask = tape.input({grid.nz, grid.nx}, "mask", false);
    tape.set(mask, keep);
  }
  g.vp = field_->record(tape, g.theta, g.m0, mask);
  const Json& bounds = c.at("bounds");
  if (!bounds.at("min_mps").is_null() || !bounds.at("max_mps").is_null()) {
    const double lo = bounds.at("min_mps").is_null() ? -1e30 : bounds.at("min_mps").get<double>();
    const double hi = bounds.at("max_mps").is_null() ? 1e30 : bounds.at("max_mps").get<double>();
    g.vp = tape.apply(std::make_shared<UnaryOp<T>>(UnaryKind::clamp, lo, hi), {g.vp});
  }
  Var seen = g.vp;  // what the physics sees: the same values, its gradient in another metric
  const double smooth = gradient.at("smooth_m"), taper = gradient.at("source_taper_m");
  if (smooth > 0 || taper > 0 || gradient.at("precondition") == "illumination") {
    std::vector<double> scale = source_taper(problem_, taper);
    if (gradient.at("precondition") == "illumination" && !problem_.observed.empty()) {
      const auto light = illumination(g);
      const double top = *std::max_element(light.begin(), light.end());
      for (std::size_t i = 0; i < scale.size(); ++i) scale[i] *= top > 0 ? 1 / (light[i] / top + 1e-2) : 1.0;
    }
    std::vector<T> bz, bx;
    if (smooth > 0) {
      bz = blur_matrix<T>(grid.nz, smooth / grid.dz_m);
      bx = blur_matrix<T>(grid.nx, smooth / grid.dx_m);
    }
    seen = tape.apply(std::make_shared<GradientMetricOp<T>>(s_, grid.nz, grid.nx, narrow<T>(scale), bz, bx), {g.vp});
  }
  g.predicted = tape.apply(std::make_shared<WaveOp<T>>(g.wave, g.shots), {seen, g.wavelet});

  // data -> phi
  const Shape data_shape = tape.shape(g.predicted);
  g.target = tape.input(data_shape, "observed", false);
  if (!g.weights.empty()) g.weight = tape.input(data_shape, "weights", false);
  DataScale scale;
  scale.rms = rms_of(g.observed);
  scale.samples = elements(data_shape);
  scale.traces = scale.samples / nt;
  scale.survey_over_batch = static_cast<double>(problem_.survey.shot_count()) / static_cast<double>(batch_);
  g.misfit = misfit;
  if (misfit.at("type") == "weci") g.share = tape.input({1}, "share of the correlation", false);
  g.phi_data = record_misfit(tape, misfit, g.predicted, g.target, g.weight, scale, g.share);
  std::vector<Var> terms{g.phi_data};
  for (const Json& r : section(section_json, c, "regularizers")) {
    terms.push_back(record_regularizer(tape, r, grid, g.vp, g.m0));
    g.penalties.emplace_back(r.at("type").template get<std::string>(), terms.back());
  }
  g.phi = tape.apply(std::make_shared<WeightedSumOp<T>>(std::vector<double>(terms.size(), 1.0)), terms);

  // A stage without its own optimizer goes on with the moments of the one before.
  const int owner = section_json.at("optimizer").is_null() ? -1 : index;  // -1: that of the config
  if (optimizer_ == nullptr || owner != optimizer_owner_) {
    const bool metres_per_second = field_->type() == FieldType::grid && field_->map().kind == MapKind::identity;
    const double default_lr = metres_per_second ? 5.0 : (field_->type() == FieldType::grid ? 0.005 : 1e-4);
    optimizer_ = make_optimizer<T>(s_, g.optimizer, field_->groups(), field_->parameters(), default_lr);
    optimizer_owner_ = owner;
  }
}

// Estimate of diag(J^T J) by random signs in the data (Hutchinson), blurred: what sources and receivers light up.
template <class T>
std::vector<double> Inversion<T>::illumination(Stage& g) {
  constexpr int probes = 4;
  const Grid2& grid = problem_.grid;
  const WavePlan& plan = g.wave->plan();
  const Index n = plan.shots * plan.receivers * plan.nt, all = problem_.survey.shot_count();
  const Buffer<T> data(s_, n), d_vp(s_, grid.cells());
  const Buffer<T> start = to_device(s_, narrow<T>(problem_.start));
  WaveState<T> state;
  std::vector<double> light(static_cast<std::size_t>(grid.cells()), 0.0);
  for (Index first = 0; first < all; first += batch_) {
    std::vector<Index> shots(static_cast<std::size_t>(batch_));
    for (Index k = 0; k < batch_; ++k) shots[static_cast<std::size_t>(k)] = std::min(first + k, all - 1);
    g.wave->forward(s_, shots, start.data(), g.tape.data(g.wavelet), data.data(), true, state);
    for (int probe = 0; probe < probes; ++probe) {
      const Random random(config_.json().at("seed").template get<std::uint64_t>(), RandomPurpose::probe);
      std::vector<T> signs(static_cast<std::size_t>(n));
      for (Index i = 0; i < n; ++i) {
        const bool fresh = first + i / (plan.receivers * plan.nt) < all;  // a repeated last shot counts once
        const auto bit = random
                             .bits(static_cast<std::uint64_t>(first * plan.receivers * plan.nt + i),
                                   static_cast<std::uint32_t>(probe))
                             .v[0] &
                         1u;
        signs[static_cast<std::size_t>(i)] = fresh ? (bit ? T(1) : T(-1)) : T(0);
      }
      copy(s_, std::span<const T>(signs), data.data());
      fill(s_, Fill<T>{d_vp.data(), T(0), grid.cells()});
      g.wave->vjp(s_, start.data(), g.tape.data(g.wavelet), state, data.data(), d_vp.data(), nullptr);
      const auto host = to_host(s_, d_vp);
      for (std::size_t i = 0; i < host.size(); ++i)
        light[i] += static_cast<double>(host[i]) * static_cast<double>(host[i]);
    }
  }
  return gaussian_blur(light, grid.nz, grid.nx, 3, 3);
}

// Shots of one iteration: whole batches of a fresh permutation each epoch, so that no shot repeats within a batch.
template <class T>
std::vector<Index> Inversion<T>::draw_shots(Index iteration) const {
  const Index all = problem_.survey.shot_count();
  std::vector<Index> order(static_cast<std::size_t>(all));
  std::iota(order.begin(), order.end(), Index{0});
  if (batch_ == all) return order;
  const Index per_epoch = all / batch_, epoch = iteration / per_epoch;
  const Random random(config_.json().at("seed").template get<std::uint64_t>(), RandomPurpose::shot_subset);
  for (Index k = all - 1; k > 0; --k) {
    const auto j = random.integer(static_cast<std::uint64_t>(epoch), static_cast<std::uint32_t>(k),
                                  static_cast<std::uint64_t>(k + 1));
    std::swap(order[static_cast<std::size_t>(k)], order[static_cast<std::size_t>(j)]);
  }
  const auto begin = order.begin() + iteration % per_epoch * batch_;
  std::vector<Index> shots(begin, begin + batch_);
  std::sort(shots.begin(), shots.end());
  return shots;
}

template <class T>
void Inversion<T>::select_shots() {
  Stage& g = *current_;
  const auto shots = draw_shots(iteration_);
  if (g.shots->shots == shots) return;  // the whole survey: set once
  g.shots->shots = shots;
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

template <class T>
double Inversion<T>::evaluate(const T** gradient, IterationReport* report) {
  Stage& g = *current_;
  g.tape.forward();
  g.tape.backward(g.sweep, g.phi);
  *gradient = g.sweep.cotangent(g.theta);
  const double phi = static_cast<double>(g.tape.scalar(g.phi));
  if (report != nullptr && report->phi_data == 0 &&
      report->phi_model.empty()) {  // the first evaluation of the iteration
    report->phi_data = static_cast<double>(g.tape.scalar(g.phi_data));
    for (const auto& [name, var] : g.penalties) report->phi_model[name] = static_cast<double>(g.tape.scalar(var));
    if (iteration_ == 0) {
      const auto host = to_host(s_, g.sweep.cotangent(g.vp), g.tape.size(g.vp));
      first_gradient_.assign(host.begin(), host.end());
    }
  }
  return phi;
}

template <class T>
IterationReport Inversion<T>::step() {
  const double start = now_s();
  if (iteration_ >= stage_ends_[static_cast<std::size_t>(stage_)]) open_stage(stage_ + 1);
  Stage& g = *current_;
  IterationReport report;
  report.iteration = iteration_;
  report.stage = stage_;
  report.rate_factor = schedule_factor(g.optimizer.at("schedule"), iteration_ - g.first_iteration, g.iterations);
  select_shots();
  if (g.share.valid()) {
    const double progress =
        static_cast<double>(iteration_ - g.first_iteration) / static_cast<double>(std::max<Index>(1, g.iterations - 1));
    g.tape.set(g.share, std::vector<T>{static_cast<T>(weci_share(g.misfit, progress))});
  }
  const std::vector<T> before = g.tape.get(g.theta);
  Objective<T> objective;
  objective.parameters = g.tape.data(g.theta);
  objective.n = g.tape.size(g.theta);
  objective.evaluate = [&](const T** gradient) { return evaluate(gradient, &report); };
  try {
    const StepReport step = optimizer_->step(s_, objective, report.rate_factor);
    report.phi = step.phi;
    report.gradient_norm = step.gradient_norm;
    report.step_norm = step.step_norm;
    report.evaluations = step.evaluations;
    check_progress(report);
    if (step.stalled) stop_reason_ = "line_search";
  } catch (...) {
    g.tape.set(g.theta, before);
    throw;
  }
  report.seconds = now_s() - start;
  ++iteration_;
  return report;
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
  if (stage_first_phi_ > 0 && r.phi > grow * stage_first_phi_) {
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
  if (!stop.at("misfit_relative").is_null() && r.phi <= stop.at("misfit_relative").get<double>() * initial_phi_) {
    stop_reason_ = "misfit_relative";
  }
}

template <class T>
std::vector<double> Inversion<T>::model() {
  Stage& g = *current_;
  g.tape.forward(g.vp);
  const auto host = g.tape.get(g.vp);
  return std::vector<double>(host.begin(), host.end());
}

template <class T>
std::vector<double> Inversion<T>::parameters() {
  const auto host = current_->tape.get(current_->theta);
  return std::vector<double>(host.begin(), host.end());
}

template <class T>
const WavePlan& Inversion<T>::wave_plan() const {
  return current_->wave->plan();
}

template <class T>
CheckpointState Inversion<T>::state() {
  CheckpointState c;
  c.iteration = iteration_;
  auto theta = current_->tape.get(current_->theta);
  const Index n = static_cast<Index>(theta.size());
  c.tensors["theta"] = Tensor({n}, std::move(theta));
  for (const auto& [name, values] : optimizer_->state(s_)) {
    c.tensors["optimizer." + name] = Tensor({static_cast<Index>(values.size())}, values);
  }
  c.tensors["first_gradient"] = Tensor({static_cast<Index>(first_gradient_.size())}, first_gradient_);
  c.tensors["scalars"] = Tensor({4}, std::vector<double>{std::isfinite(best_phi_) ? best_phi_ : -1.0, initial_phi_,
                                                         stage_first_phi_, static_cast<double>(best_iteration_)});
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
  optimizer_->restore(s_, state);
  first_gradient_ = tensor_values<double>(c.tensors, "first_gradient", where);
  const auto& scalars = tensor_values<double>(c.tensors, "scalars", where);
  best_phi_ = scalars.at(0) < 0 ? std::numeric_limits<double>::infinity() : scalars.at(0);
  initial_phi_ = scalars.at(1);
  stage_first_phi_ = scalars.at(2);
  best_iteration_ = static_cast<Index>(scalars.at(3));
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
  bytes += g.wave->memory_bytes(WaveUse::gradient) + field_->workspace_bytes(s_.threads());
  return bytes;
}

template class Inversion<float>;
template class Inversion<double>;

}  // namespace terrane
