// SPDX-License-Identifier: MIT
#include "engine/compression/auto_decoder_train.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "engine/compression/decoder_record.hpp"
#include "engine/compression/pixel_mean.hpp"
#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"
#include "kernels/runtime/random.hpp"

namespace terrane {
namespace {

// Streams of random numbers of this file; beyond those of RandomPurpose.
constexpr std::uint32_t purpose_start = 48, purpose_codes = 49, purpose_order = 50, purpose_points = 51;
constexpr double momentum = 0.95;
constexpr Index plateau_patience = 50;

std::vector<float> starting_parameters(const DecoderShape& shape, const TrainOptions& o) {
  const Random random(o.seed, purpose_start);
  std::vector<float> p(static_cast<std::size_t>(shape.parameters()), 0.0F);
  const auto uniform = [&](Index first, Index n, double bound) {
    for (Index k = first; k < first + n; ++k) {
      p[static_cast<std::size_t>(k)] =
          static_cast<float>(random.uniform(static_cast<std::uint64_t>(k), 0, -bound, bound));
    }
  };
  // What a code is multiplied with first, where so many of its numbers are added.
  const auto normal = [&](Index k, Index numbers) {
    return static_cast<float>(0.3 / std::sqrt(static_cast<double>(numbers)) *
                              random.normal(static_cast<std::uint64_t>(k)));
  };
  const MlpShape net = shape.network();
  const auto inputs = static_cast<double>(shape.dims), code = static_cast<double>(shape.code);
  for (int l = 0; l < net.layers; ++l) {
    const MlpLayer& layer = net.layer[l];
    const Index weights = layer.n_in * layer.n_out, at = net.offset(l);
    const double hidden = std::sqrt(6 / static_cast<double>(layer.n_in)) / shape.omega;
    const double first = o.published_start ? 1 / (inputs + code) : 1 / inputs;
    uniform(at, weights, l == 0 ? first : hidden);
    for (Index k = at; l == 0 && shape.cells > 0 && k < at + weights; ++k) {
      const bool of_code = (k - at) % layer.n_in >= shape.dims;
      if (of_code) p[static_cast<std::size_t>(k)] = normal(k, shape.channels());
    }
    if (o.published_start) {
      uniform(at + weights, layer.n_out, 1 / std::sqrt(l == 0 ? inputs + code : static_cast<double>(layer.n_in)));
    } else if (l == 0) {
      uniform(at + weights, layer.n_out, 0.7);
    }
  }
  const Index from = net.parameters(), n = shape.code * shape.shifts();
  if (o.published_start) {
    uniform(from, n, 1 / (inputs + code));
  } else if (shape.concatenated) {
    uniform(from, n, 1 / std::sqrt(code));
  } else {
    for (Index k = from; k < from + n; ++k) p[static_cast<std::size_t>(k)] = normal(k, shape.code);
  }
  return p;
}

Buffer<float> zeros(Stream& s, Index n) {
  Buffer<float> b(s, n);
  fill(s, Fill<float>{b.data(), 0.0F, n});
  return b;
}

Buffer<float> copy_of(Stream& s, const Buffer<float>& from) {
  Buffer<float> b(s, from.size());
  copy_values(s, CopyValues<float>{from.data(), b.data(), from.size()});
  return b;
}

}  // namespace

// The recorded computation for a number of points a model.
struct AutoDecoderTrainer::Workspace {
  Workspace(Stream& s, const DecoderShape& shape, MlpPrecision precision, Index batch, Index n, Index samples)
      : tape(s),
        sweep(tape),
        points(n),
        mean(s, batch * n, samples),
        residual(s, batch * n),
        gradient(s, batch * shape.code) {
    theta = tape.input({shape.network_parameters()}, "theta");
    if (shape.cells == 0) m = tape.input({shape.code, shape.shifts()}, "m");
    z = tape.input({batch, shape.code}, "z");
    x = tape.input({mean.samples(), shape.dims}, "x", false);
    MlpShape net = shape.network();
    net.precision = precision;
    y = record_decoder(tape, shape, net, DecoderInputs{theta, m, z, x}, batch);
  }
  Tape<float> tape;
  Sweep<float> sweep;
  Var theta, m, z, x, y;
  Index points;
  PixelMean mean;
  Buffer<float> residual, gradient;
};

AutoDecoderPreset auto_decoder_preset(const std::string& name) {
  AutoDecoderPreset p;
  if (name == "auto-decoder") return p;
  require(name == "siren-2603.14284", ErrorCode::config, "presets of the auto-decoder: auto-decoder, siren-2603.14284");
  p.shape.concatenated = true;
  p.train = TrainOptions{.steps = 3000 * (1000 / 32),
                         .batch = 32,
                         .points = 4900,
                         .full_from = 0,
                         .lr_network = 1e-4,
                         .lr_codes = 1e-4,
                         .lr_hidden = 1e-4,
                         .muon = false,
                         .plateau = true,
                         .penalty = 1e-4,
                         .average = 0,
                         .published_start = true,
                         .seed = 0};
  return p;
}

AutoDecoderTrainer::AutoDecoderTrainer(Stream& s, const AutoDecoderPreset& preset, const ModelSet& models,
                                       std::optional<std::array<double, 2>> range_mps)
    : s_(s), preset_(preset), models_(models) {
  const DecoderShape& shape = preset_.shape;
  TrainOptions& o = preset_.train;
  check_decoder_shape(shape);
  const Index count = models.count();
  require(count >= 1 && count * models.points() == static_cast<Index>(models.values.size()), ErrorCode::data,
          "there are no models of this extent to train on");
  require(shape.dims == 3 || models.extent[1] == 1, ErrorCode::config, "a decoder with 2 coordinates makes planes");
  require(o.steps >= 1 && o.batch >= 1 && o.points >= 1, ErrorCode::config, "steps, batch and points are at least 1");
  const bool rates =
      o.lr_network > 0 && o.lr_codes > 0 && o.lr_hidden > 0 && o.penalty >= 0 && o.average >= 0 && o.average < 1;
  require(rates, ErrorCode::config, "rates are above 0, the penalty at least 0, the average in [0, 1)");
  o.batch = std::min(o.batch, count);
  o.points = std::min(o.points, models.points());
  for (const float v : models.values) require(std::isfinite(v), ErrorCode::data, "a model holds NaN or infinity");
  const auto [low, high] = std::minmax_element(models.values.begin(), models.values.end());
  const auto range = range_mps.value_or(std::array<double, 2>{*low, *high});
  offset_mps_ = (range[0] + range[1]) / 2;
  scale_mps_ = range[1] > range[0] ? (range[1] - range[0]) / 2 : 1;
  samples_ = models.window().samples_a_pixel(shape.dims);
  coordinates_ = window_coordinates(models.window(), shape.dims);

  parameters_ = to_device(s, starting_parameters(shape, o));
  m_ = zeros(s, shape.parameters());
  v_ = zeros(s, shape.parameters());
  std::vector<float> codes(static_cast<std::size_t>(count * shape.code));
  const Random random(o.seed, purpose_codes);
  for (std::size_t k = 0; k < codes.size(); ++k) codes[k] = static_cast<float>(0.01 * random.normal(k));
  codes_ = to_device(s, codes);
  codes_m_ = zeros(s, codes_.size());
  codes_v_ = zeros(s, codes_.size());
  averaged_ = copy_of(s, parameters_);
  codes_averaged_ = copy_of(s, codes_);
  if (o.muon) {
    for (Buffer<float>& b : muon_) b = Buffer<float>(s, shape.width * shape.width);
  }
  scalar_ = Buffer<float>(s, 1);
  visits_.assign(static_cast<std::size_t>(count), 0);
}

AutoDecoderTrainer::~AutoDecoderTrainer() = default;

AutoDecoderTrainer::Workspace& AutoDecoderTrainer::workspace(Index points) {
  std::unique_ptr<Workspace>& w = points == models_.points() ? full_ : part_;
  if (!w)
    w = std::make_unique<Workspace>(s_, preset_.shape, preset_.train.precision, preset_.train.batch, points, samples_);
  return *w;
}

// An epoch visits the models in an order of its own; what does not fill a batch waits for the next epoch.
std::vector<Index> AutoDecoderTrainer::batch_models() const {
  const Index count = models_.count(), batch = preset_.train.batch, per_epoch = count / batch;
  const auto epoch = static_cast<std::uint64_t>(step_ / per_epoch);
  std::vector<Index> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), Index{0});
  const Random random(preset_.train.seed, purpose_order);
  for (std::size_t k = order.size() - 1; k > 0; --k) {
    std::swap(order[k], order[random.integer(epoch, static_cast<std::uint32_t>(k), k + 1)]);
  }
  const auto first = order.begin() + step_ % per_epoch * batch;
  return {first, first + batch};
}

void AutoDecoderTrainer::load_batch(Workspace& w) {
  const Index n = w.points, all = models_.points(), row = samples_ * preset_.shape.dims, k = preset_.shape.code;
  const Random random(preset_.train.seed, purpose_points);
  batch_ = batch_models();
  std::vector<float> x, target;
  for (const Index model : batch_) {
    for (Index p = 0; p < n; ++p) {
      const auto key = static_cast<std::uint64_t>(step_ * models_.count() + model);
      const Index at =
          n == all
              ? p
              : static_cast<Index>(random.integer(key, static_cast<std::uint32_t>(p), static_cast<std::uint64_t>(all)));
      const auto from = coordinates_.begin() + at * row;
      x.insert(x.end(), from, from + row);
      const double v = models_.values[static_cast<std::size_t>(model * all + at)];
      target.push_back(static_cast<float>((v - offset_mps_) / scale_mps_));
    }
  }
  w.tape.set(w.x, x);
  copy(s_, std::span<const float>(target), w.residual.data());
  const DecoderShape& shape = preset_.shape;
  copy_values(s_, CopyValues<float>{parameters_.data(), w.tape.data(w.theta), shape.network_parameters()});
  if (w.m.valid()) {
    copy_values(
        s_, CopyValues<float>{parameters_.data() + shape.network_parameters(), w.tape.data(w.m), k * shape.shifts()});
  }
  for (std::size_t b = 0; b < batch_.size(); ++b) {
    copy_values(s_, CopyValues<float>{codes_.data() + batch_[b] * k, w.tape.data(w.z) + static_cast<Index>(b) * k, k});
  }
}

double AutoDecoderTrainer::rate_factor() const {
  const TrainOptions& o = preset_.train;
  if (o.plateau) return plateau_factor_;
  const auto total = static_cast<double>(o.steps), t = static_cast<double>(step_);
  const double warm_up = std::max(1.0, 0.01 * total);
  if (t < warm_up) return (t + 1) / warm_up;
  const double part = std::min(1.0, (t - warm_up) / std::max(1.0, total - warm_up));
  return 0.02 + 0.98 * 0.5 * (1 + std::cos(std::numbers::pi * part));
}

double AutoDecoderTrainer::step() {
  const TrainOptions& o = preset_.train;
  const bool whole = static_cast<double>(step_) >= o.full_from * static_cast<double>(o.steps);
  Workspace& w = workspace(whole ? models_.points() : o.points);
  load_batch(w);
  w.tape.forward();
  const Index n = w.residual.size();
  w.mean.residual(s_, w.tape.data(w.y), 1.0F, w.residual.data());
  dot(s_, Dot<float>{w.residual.data(), w.residual.data(), scalar_.data(), n});
  const double loss = static_cast<double>(to_host(s_, scalar_)[0]) / static_cast<double>(n);
  if (!std::isfinite(loss)) throw Error(ErrorCode::diverged, "training diverged; lower the learning rates");
  axpby(s_, Axpby<float>{2.0F / static_cast<float>(n), w.residual.data(), 0.0F, w.residual.data(), n});
  w.tape.backward(w.sweep, w.y, w.mean.adjoint(s_, w.residual.data()));
  const double factor = rate_factor();
  ++step_;
  update_codes(w, w.sweep.cotangent(w.z), factor);
  update_network(w.sweep.cotangent(w.theta), factor);
  const Index from = preset_.shape.network_parameters();
  if (w.m.valid()) {
    adam(from, preset_.shape.code * preset_.shape.shifts(), w.sweep.cotangent(w.m), o.lr_network * factor);
  }
  average();
  if (o.plateau) note_loss(loss);
  return loss;
}

void AutoDecoderTrainer::adam(Index offset, Index n, const float* gradient, double lr) {
  adam_step(
      s_, published_adam(parameters_.data() + offset, gradient, m_.data() + offset, v_.data() + offset, n, lr, step_));
}

void AutoDecoderTrainer::update_network(const float* gradient, double factor) {
  const TrainOptions& o = preset_.train;
  const MlpShape net = preset_.shape.network();
  for (int l = 0; l < net.layers; ++l) {
    const MlpLayer& layer = net.layer[l];
    const Index at = net.offset(l), weights = layer.n_in * layer.n_out;
    const bool by_muon = o.muon && l > 0 && l + 1 < net.layers;
    if (by_muon) muon(at, layer.n_out, layer.n_in, gradient + at, o.lr_hidden * factor);
    const Index from = by_muon ? at + weights : at;
    adam(from, at + layer.parameters() - from, gradient + from, o.lr_network * factor);
  }
}

void AutoDecoderTrainer::muon(Index offset, Index rows, Index columns, const float* gradient, double lr) {
  const Index n = rows * columns;
  float *m = m_.data() + offset, *x = muon_[0].data(), *a = muon_[1].data(), *b = muon_[2].data(), *y = muon_[3].data();
  axpby(s_, Axpby<float>{1.0F, gradient, static_cast<float>(momentum), m, n});
  copy_values(s_, CopyValues<float>{gradient, x, n});
  axpby(s_, Axpby<float>{static_cast<float>(momentum), m, 1.0F, x, n});
  dot(s_, Dot<float>{x, x, scalar_.data(), n});
  const double norm = std::sqrt(static_cast<double>(to_host(s_, scalar_)[0])) + 1e-30;
  axpby(s_, Axpby<float>{static_cast<float>(1 / norm), x, 0.0F, x, n});
  for (int k = 0; k < 5; ++k) {
    gemm(s_, Gemm<float>{rows, rows, columns, x, columns, false, x, columns, true, a, rows});
    copy_values(s_, CopyValues<float>{a, b, rows * rows});
    gemm(s_, Gemm<float>{rows, rows, rows, a, rows, false, a, rows, false, b, rows, 2.0315F, -4.7750F});
    copy_values(s_, CopyValues<float>{x, y, n});
    gemm(s_, Gemm<float>{rows, columns, rows, b, rows, false, x, columns, false, y, columns, 1.0F, 3.4445F});
    std::swap(x, y);
  }
  const double scale = 0.2 * std::sqrt(static_cast<double>(std::max(rows, columns)));
  axpby(s_, Axpby<float>{static_cast<float>(-lr * scale), x, 1.0F, parameters_.data() + offset, n});
}

void AutoDecoderTrainer::update_codes(Workspace& w, const float* gradient, double factor) {
  const TrainOptions& o = preset_.train;
  const Index k = preset_.shape.code, n = w.gradient.size();
  copy_values(s_, CopyValues<float>{gradient, w.gradient.data(), n});
  const double penalty = 2 * o.penalty * factor / static_cast<double>(o.batch);
  axpby(s_, Axpby<float>{static_cast<float>(penalty), w.tape.data(w.z), 1.0F, w.gradient.data(), n});
  for (std::size_t b = 0; b < batch_.size(); ++b) {
    const Index at = batch_[b] * k;
    const Index visit = ++visits_[static_cast<std::size_t>(batch_[b])];
    adam_step(s_, published_adam(codes_.data() + at, w.gradient.data() + static_cast<Index>(b) * k,
                                 codes_m_.data() + at, codes_v_.data() + at, k, o.lr_codes * factor, visit));
  }
}

void AutoDecoderTrainer::average() {
  const double most = preset_.train.average, t = static_cast<double>(step_);
  const auto keep = static_cast<float>(std::min(most, (1 + t) / (10 + t)));
  if (most == 0) return;
  const Index k = preset_.shape.code;
  axpby(s_, Axpby<float>{1 - keep, parameters_.data(), keep, averaged_.data(), parameters_.size()});
  // A code is averaged over the steps that it shares with the decoder, whether it moved in them or not.
  const auto all = static_cast<Index>(visits_.size()) * k;
  axpby(s_, Axpby<float>{1 - keep, codes_.data(), keep, codes_averaged_.data(), all});
}

void AutoDecoderTrainer::note_loss(double loss) {
  epoch_sum_ += loss;
  if (++epoch_steps_ < models_.count() / preset_.train.batch) return;
  const double mean = epoch_sum_ / static_cast<double>(epoch_steps_);
  epoch_sum_ = 0;
  epoch_steps_ = 0;
  stale_epochs_ = mean < best_epoch_ * (1 - 1e-4) ? 0 : stale_epochs_ + 1;
  best_epoch_ = std::min(best_epoch_, mean);
  if (stale_epochs_ > plateau_patience) {
    plateau_factor_ /= 2;
    stale_epochs_ = 0;
  }
}

AutoDecoder AutoDecoderTrainer::decoder() const {
  const bool averaged = preset_.train.average > 0;
  AutoDecoder d;
  d.shape = preset_.shape;
  d.offset_mps = offset_mps_;
  d.scale_mps = scale_mps_;
  d.parameters = to_host(s_, averaged ? averaged_ : parameters_);
  d.training_codes = to_host(s_, averaged ? codes_averaged_ : codes_);
  d.statistics = code_statistics(d.training_codes, d.shape.code);
  return d;
}

TensorMap AutoDecoderTrainer::state() const {
  TensorMap t;
  const auto add = [&](const char* name, const Buffer<float>& b) { t[name] = Tensor({b.size()}, to_host(s_, b)); };
  add("parameters", parameters_);
  add("m", m_);
  add("v", v_);
  add("averaged", averaged_);
  add("codes", codes_);
  add("codes_m", codes_m_);
  add("codes_v", codes_v_);
  add("codes_averaged", codes_averaged_);
  t["visits"] = Tensor({static_cast<Index>(visits_.size())}, visits_);
  t["counts"] = Tensor({3}, std::vector<std::int64_t>{step_, epoch_steps_, stale_epochs_});
  t["schedule"] = Tensor({5}, std::vector<double>{plateau_factor_, best_epoch_, epoch_sum_, offset_mps_, scale_mps_});
  return t;
}

void AutoDecoderTrainer::restore(const TensorMap& t) {
  const std::string where = "training state";
  const auto take = [&](const char* name, Buffer<float>& b) {
    const std::vector<float>& v = tensor_values<float>(t, name, where);
    require(static_cast<Index>(v.size()) == b.size(), ErrorCode::data, "the state is of another training", name);
    copy(s_, std::span<const float>(v), b.data());
  };
  take("parameters", parameters_);
  take("m", m_);
  take("v", v_);
  take("averaged", averaged_);
  take("codes", codes_);
  take("codes_m", codes_m_);
  take("codes_v", codes_v_);
  take("codes_averaged", codes_averaged_);
  const auto& visits = tensor_values<std::int64_t>(t, "visits", where);
  const auto& counts = tensor_values<std::int64_t>(t, "counts", where);
  const auto& schedule = tensor_values<double>(t, "schedule", where);
  const bool ok = visits.size() == visits_.size() && counts.size() == 3 && schedule.size() == 5 &&
                  schedule[3] == offset_mps_ && schedule[4] == scale_mps_;
  require(ok, ErrorCode::data, "the state is of another training", where.c_str());
  visits_ = visits;
  step_ = counts[0];
  epoch_steps_ = counts[1];
  stale_epochs_ = counts[2];
  plateau_factor_ = schedule[0];
  best_epoch_ = schedule[1];
  epoch_sum_ = schedule[2];
}

double psnr_full(const float* recovered, const float* truth, Index n) {
  double sum = 0;
  for (Index k = 0; k < n; ++k) sum += std::pow((static_cast<double>(recovered[k]) - truth[k]) / 3000, 2);
  return std::min(60.0, -10 * std::log10(std::max(sum / static_cast<double>(n), 1e-30)));
}

}  // namespace terrane
