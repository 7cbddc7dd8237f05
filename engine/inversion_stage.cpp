// SPDX-License-Identifier: MIT
// What an inversion records on its tape: field, bounds, gradient metric, physics, misfit, penalties.
#include "engine/inversion_stage.hpp"

#include <algorithm>
#include <cmath>

#include "autodiff/ops/analytic.hpp"
#include "autodiff/ops/gradient_metric.hpp"
#include "engine/converted.hpp"
#include "engine/field_start.hpp"
#include "engine/gauss_newton.hpp"
#include "engine/objective.hpp"
#include "engine/posterior_sampler.hpp"

namespace terrane {

namespace {

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
  for (const Point3& source : p.source_points()) {
    for (Index i = 0; i < p.grid.cells(); ++i) {
      const double dz = p.grid.at_m(0, i / p.grid.plane()) - source.z_m;
      const double dx = p.grid.at_m(2, i % p.grid.nx) - source.x_m;
      const double dy = p.grid.flat() ? 0 : p.grid.at_m(1, i / p.grid.nx % p.grid.ny) - source.y_m;
      const double distance = p.grid.flat() ? std::hypot(dz, dx) : std::hypot(dz, dy, dx);
      const double t = std::min(1.0, distance / radius_m);
      double& w = taper[static_cast<std::size_t>(i)];
      w = std::min(w, 0.5 * (1 - std::cos(3.14159265358979323846 * t)));
    }
  }
  return taper;
}

Json section(const Json& stage, const Json& config, const char* key) {
  return stage.contains(key) && !stage.at(key).is_null() ? stage.at(key) : config.at(key);
}

Band band_of(const Json& section) {
  Band b;
  if (!section.at("lowpass_hz").is_null()) b.lowpass_hz = section.at("lowpass_hz");
  if (!section.at("highpass_hz").is_null()) b.highpass_hz = section.at("highpass_hz");
  return b;
}

// Per sample weights of all shots: the mask, divided by the RMS of the trace or the standard deviation where asked.
// Empty: all 1.
template <class T>
std::vector<T> data_weights(const Problem& p, const std::vector<T>& observed, const Json& misfit) {
  const bool by_trace = needs_trace_weights(misfit), by_std = needs_std(misfit);
  if (by_std && p.std.empty() && !observed.empty()) {
    throw Error(ErrorCode::config,
                "/misfit: the standard deviation of the data is not known: give /data/std, or noise to synthetic data");
  }
  if (p.mask.empty() && !by_trace && !by_std) return {};
  const Index nt = p.trace_samples(), traces = static_cast<Index>(observed.size()) / nt;
  std::vector<T> w(observed.size(), T(1));
  for (Index r = 0; r < traces; ++r) {
    double energy = 0;
    for (Index i = 0; i < nt; ++i) {
      const auto k = static_cast<std::size_t>(r * nt + i);
      double m = p.mask.empty() ? 1 : p.mask[p.mask.size() == observed.size() ? k : static_cast<std::size_t>(r)];
      if (by_std) m /= p.std[k];
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

// Data and wavelet of the band of the stage; the band of the data section comes on top.
template <class T>
void Inversion<T>::read_band(const Json& stage) {
  Stage& g = *current_;
  const Json& c = config_.json();
  g.wavelet = problem_.wavelet;
  std::vector<double> observed = problem_.observed;
  const Index nt = problem_.trace_samples();
  for (const Band& b : {band_of(c.at("data")), band_of(stage)}) {
    if (b.empty()) continue;
    filter_traces(b, problem_.survey.dt_s, 1, nt, g.wavelet.data());
    filter_traces(b, problem_.survey.dt_s, static_cast<Index>(observed.size()) / nt, nt, observed.data());
  }
  g.observed = converted<T>(observed);
  g.misfit = section(stage, c, "misfit");
  g.weights = data_weights(problem_, g.observed, g.misfit);
}

// theta -> model, within its bounds
template <class T>
void Inversion<T>::record_model() {
  Stage& g = *current_;
  Tape<T>& tape = g.tape;
  const Grid3& grid = problem_.grid;
  const Json& c = config_.json();
  const FieldInputs in = input_field(tape, *field_, problem_, theta_);
  g.theta = in.theta;
  g.m0 = in.start;
  Var mask;
  const double water_m = c.at("gradient").at("mask_water_depth_m");
  if (water_m > 0) {
    const auto rows = static_cast<Index>(std::ceil(water_m / grid.dz_m - 1e-9));
    std::vector<T> keep(static_cast<std::size_t>(grid.cells()), T(0));
    std::fill_n(keep.begin(), std::min(rows, grid.nz) * grid.plane(), T(1));
    mask = tape.input(grid.shape(), "mask", false);
    tape.set(mask, keep);
  }
  g.model = field_->record(tape, g.theta, g.m0, mask);
  const PropertyValue lo = property_value(c.at("bounds"), "min"), hi = property_value(c.at("bounds"), "max");
  if (lo.quantity == Quantity::none && hi.quantity == Quantity::none) return;
  const double least = lo.quantity == Quantity::none ? -1e30 : problem_.property->model_of(lo.value);
  const double most = hi.quantity == Quantity::none ? 1e30 : problem_.property->model_of(hi.value);
  g.model = tape.apply(std::make_shared<UnaryOp<T>>(UnaryKind::clamp, least, most), {g.model});
}

// What the physics sees: the same values, its gradient in another metric.
template <class T>
Var Inversion<T>::record_metric() {
  Stage& g = *current_;
  const Grid3& grid = problem_.grid;
  const Json& gradient = config_.json().at("gradient");
  const double smooth = gradient.at("smooth_m"), taper = gradient.at("source_taper_m");
  const bool lit = gradient.at("precondition") == "illumination";
  if (smooth <= 0 && taper <= 0 && !lit) return g.model;
  std::vector<double> scale = source_taper(problem_, taper);
  if (lit && !problem_.observed.empty()) {
    const auto light = gaussian_blur(
        illumination<T>(s_, problem_, problem_.start, g.wavelet, batch_, config_.json().at("seed")), grid, {3, 3, 3});
    const double top = *std::max_element(light.begin(), light.end());
    for (std::size_t i = 0; i < scale.size(); ++i) scale[i] *= top > 0 ? 1 / (light[i] / top + 1e-2) : 1.0;
  }
  std::vector<std::vector<T>> blurs;
  for (int a = 0; smooth > 0 && a < grid.dimensions(); ++a) {
    const int axis = grid.axis(a);
    blurs.push_back(blur_matrix<T>(grid.size(axis), smooth / grid.spacing_m(axis)));
  }
  return g.tape.apply(std::make_shared<GradientMetricOp<T>>(s_, grid.shape(), converted<T>(scale), blurs), {g.model});
}

// One weighted term of the config's regularizers.
template <class T>
Var Inversion<T>::record_penalty(const Json& r) {
  Stage& g = *current_;
  const std::string type = r.at("type");
  if (type == "code") return record_code_penalty(g.tape, r, g.theta);
  if (type != "denoiser") return record_regularizer(g.tape, r, problem_.grid, *problem_.property, g.model, g.m0);
  g.denoisers.emplace_back(g.tape, r, problem_.grid.section(), *problem_.property, g.model,
                           config_.json().at("seed").template get<std::uint64_t>());
  return g.denoisers.back().penalty();
}

// data and model -> phi
template <class T>
void Inversion<T>::record_objective(const Json& stage) {
  Stage& g = *current_;
  Tape<T>& tape = g.tape;
  const Shape data_shape = tape.shape(g.predicted);
  g.target = tape.input(data_shape, "observed", false);
  if (!g.weights.empty()) g.weight = tape.input(data_shape, "weights", false);
  DataScale scale;
  scale.rms = rms_of(g.observed);
  scale.samples = elements(data_shape) / batch_ * drawn_;
  scale.traces = scale.samples / problem_.trace_samples();
  scale.survey_over_batch = static_cast<double>(problem_.shots()) / static_cast<double>(drawn_);
  if (g.misfit.at("type") == "weci") g.share = tape.input({1}, "share of the correlation", false);
  g.phi_data = record_misfit(tape, g.misfit, g.predicted, g.target, g.weight, scale, g.share);
  std::vector<Var> terms{g.phi_data};
  if (g.optimizer.at("type") == "gauss-newton") return;  // it has norms of its own
  const bool traded = !config_.json().at("trade_off").is_null();
  const auto times = [&](Var term, Var& share, const char* name) {
    if (!share.valid()) share = tape.input({1}, name, false);
    return tape.apply(std::make_shared<BinaryOp<T>>(BinaryKind::multiply), {term, share});
  };
  if (traded) terms[0] = times(g.phi_data, g.data_share, "share of the misfit");
  for (const Json& r : section(stage, config_.json(), "regularizers")) {
    Var term = record_penalty(r);
    if (traded) term = times(term, g.model_share, "share of the regularizers");
    terms.push_back(term);
    g.penalties.emplace_back(r.at("type").template get<std::string>(), term);
  }
  g.phi = tape.apply(std::make_shared<WeightedSumOp<T>>(std::vector<double>(terms.size(), 1.0)), terms);
}

template <class T>
void Inversion<T>::open_stage(int index) {
  const Json& c = config_.json();
  const Json& stage = c.at("stages").at(static_cast<std::size_t>(index));
  if (current_ != nullptr) theta_ = current_->tape.get(current_->theta);
  current_.reset();  // its memory goes before the next is recorded
  stage_ = index;
  current_ = std::make_unique<Stage>(s_);
  Stage& g = *current_;
  g.iterations = stage.at("iterations");
  g.first_iteration = stage_ends_[static_cast<std::size_t>(index)] - g.iterations;
  g.optimizer = section(stage, c, "optimizer");
  read_band(stage);
  record_model();
  const Var seen = record_metric();
  if (encoding_) {
    const ShotCodes silent = encoding_->codes(0, {});
    g.simulation =
        std::make_unique<Simulation<T>>(s_, encoding_->problem(), encoding_->wavelets(silent, g.wavelet), batch_);
  } else {
    g.simulation = std::make_unique<Simulation<T>>(s_, problem_, g.wavelet, batch_);
  }
  description_ = g.simulation->describe();
  if (encoding_) description_ += ", " + std::to_string(drawn_) + " shots as " + std::to_string(batch_) + " super-shots";
  g.predicted = g.simulation->record(g.tape, seen, &g.wavelets);
  record_objective(stage);
  least_squares_.reset();
  if (g.optimizer.at("type") == "gauss-newton") {
    optimizer_.reset();
    if (!problem_.observed.empty()) open_least_squares(section(stage, c, "regularizers"));
    return;
  }
  // A stage without its own optimizer goes on with the moments of the one before.
  const int owner = stage.at("optimizer").is_null() ? -1 : index;  // -1: that of the config
  make_objective();
  if (g.optimizer.at("type") == "posterior") {
    optimizer_ = make_posterior_sampler<T>(s_, g.optimizer, problem_.grid.section(), g.iterations,
                                           c.at("seed").template get<std::uint64_t>());
    optimizer_owner_ = owner;
  } else if (optimizer_ == nullptr || owner != optimizer_owner_) {
    const bool physical = field_->type() == FieldType::grid && field_->map().kind == MapKind::identity;
    const double grid_rate = physical ? problem_.property->grid_rate : 0.005;
    optimizer_ = make_optimizer<T>(s_, g.optimizer, field_->groups(), field_->parameters(),
                                   field_->type() == FieldType::grid ? grid_rate : 1e-4);
    optimizer_owner_ = owner;
  }
}

template void Inversion<float>::open_stage(int);
template void Inversion<double>::open_stage(int);

}  // namespace terrane
