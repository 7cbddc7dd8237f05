// SPDX-License-Identifier: MIT
#include "engine/diffusion/train.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/optimizer.hpp"
#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"
#include "kernels/runtime/random.hpp"

namespace terrane {
namespace {

// Streams of random numbers of this file; beyond those of RandomPurpose, of the codecs and of generator.cpp.
constexpr std::uint32_t purpose_noise = 58, purpose_time = 59, purpose_drop = 60;

Buffer<float> zeros(Stream& s, Index n) {
  Buffer<float> b(s, n);
  fill(s, Fill<float>{b.data(), 0.0F, n});
  return b;
}

const DiffusionTrainOptions& checked(const DiffusionTrainOptions& o, const Generator& g) {
  require(o.steps >= 1 && o.batch >= 1 && o.accumulate >= 1 && o.warmup >= 0, ErrorCode::config,
          "steps, batch and accumulate are at least 1, warmup at least 0");
  const bool rates = o.lr > 0 && o.weight_decay >= 0 && o.last_rate >= 0 && o.last_rate <= 1 && o.clip_norm >= 0 &&
                     o.average >= 0 && o.average < 1 && o.drop_probability >= 0 && o.drop_probability <= 1;
  require(rates, ErrorCode::config,
          "the rate is above 0, decay and clip_norm at least 0, last_rate and drop_probability in [0, 1], the average "
          "in [0, 1)");
  const Index channels = g.network.condition_shape(1).back();
  const Index grouped = std::accumulate(o.condition_groups.begin(), o.condition_groups.end(), Index{0});
  require(o.condition_groups.empty() || grouped == channels, ErrorCode::config,
          "the groups of conditions add up to the channels of the condition");
  return o;
}

}  // namespace

DiffusionTrainer::DiffusionTrainer(Stream& s, const Generator& prototype, const DiffusionTrainOptions& options,
                                   BatchSource source)
    : s_(s),
      generator_(prototype),
      options_(checked(options, prototype)),
      schedule_(NoiseSchedule::named(prototype.process.schedule, prototype.process.steps)),
      source_(std::move(source)),
      network_(s, generator_.network, options.batch, DenoiserVariable::weights, options.precision) {
  const Index n = generator_.network.parameters();
  if (generator_.parameters.empty()) generator_.parameters = generator_.network.initial_parameters(options.seed);
  require(static_cast<Index>(generator_.parameters.size()) == n, ErrorCode::config,
          "the weights to start from are not of this network");
  parameters_ = to_device(s, generator_.parameters);
  averaged_ = to_device(s, generator_.parameters);
  m_ = zeros(s, n);
  v_ = zeros(s, n);
  gradient_ = Buffer<float>(s, options_.accumulate > 1 ? n : 0);
  data_ = Buffer<float>(s, network_.values());
  noise_ = Buffer<float>(s, network_.values());
  scalar_ = Buffer<float>(s, 1);
}

DiffusionTrainer::~DiffusionTrainer() = default;

void DiffusionTrainer::drop_conditions(TrainingBatch& batch, Index first) const {
  const Random random(options_.seed, purpose_drop);
  const Index channels = generator_.network.condition_shape(1).back();
  const Index values = generator_.network.condition_values();
  const std::vector<Index> groups =
      options_.condition_groups.empty() ? std::vector<Index>{channels} : options_.condition_groups;
  for (Index b = 0; b < options_.batch; ++b) {
    const auto number = static_cast<std::uint64_t>(first + b);
    const bool none = random.uniform(number, 0) < options_.drop_probability;
    if (none && !batch.family.empty()) batch.family[static_cast<std::size_t>(b)] = -1;
    if (batch.condition.empty()) continue;
    Index c = 0;
    for (std::size_t g = 0; g < groups.size(); c += groups[g++]) {
      if (random.uniform(number, static_cast<std::uint32_t>(g) + 1) >= options_.drop_probability) continue;
      for (Index p = b * values; p < (b + 1) * values; p += channels) {
        std::fill_n(batch.condition.begin() + p + c, groups[g], 0.0F);
      }
    }
  }
}

double DiffusionTrainer::evaluate(Index first) {
  const Index batch = options_.batch, values = generator_.network.sample_values(), n = network_.values();
  TrainingBatch in = source_(first, batch);
  require(static_cast<Index>(in.x.size()) == n, ErrorCode::data, "the data are not of the size of the network");
  drop_conditions(in, first);
  network_.set_conditions(in.family, in.condition);
  std::vector<std::uint64_t> numbers(static_cast<std::size_t>(batch));
  std::iota(numbers.begin(), numbers.end(), static_cast<std::uint64_t>(first));
  const Buffer<std::uint64_t> index = to_device(s_, numbers);
  normal_noise(s_, NormalNoise<float>{options_.seed, purpose_noise, 0, index.data(), batch, values, noise_.data()});
  copy(s_, std::span<const float>(in.x), data_.data());
  copy_values(s_, CopyValues<float>{noise_.data(), network_.x(), n});

  const Random random(options_.seed, purpose_time);
  const bool flow = generator_.process.process == Process::flow;
  std::vector<float> times;
  for (Index b = 0; b < batch; ++b) {
    const std::uint64_t number = numbers[static_cast<std::size_t>(b)];
    double of_data = 0, of_noise = 0;
    if (flow) {
      const double t = 1 / (1 + std::exp(-random.normal(number)));
      times.push_back(static_cast<float>(1000 * t));
      of_data = t;
      of_noise = 1 - t;
    } else {
      const auto t = static_cast<Index>(random.integer(number, 0, static_cast<std::uint64_t>(schedule_.steps())));
      times.push_back(static_cast<float>(t));
      of_data = std::sqrt(schedule_.abar(t));
      of_noise = std::sqrt(1 - schedule_.abar(t));
    }
    axpby(s_, Axpby<float>{static_cast<float>(of_data), data_.data() + b * values, static_cast<float>(of_noise),
                           network_.x() + b * values, values});
  }
  // The target: the noise, or data - noise.
  if (flow) axpby(s_, Axpby<float>{1.0F, data_.data(), -1.0F, noise_.data(), n});
  network_.set_times(times);
  network_.tape().forward();
  axpby(s_, Axpby<float>{1.0F, network_.y(), -1.0F, noise_.data(), n});
  dot(s_, Dot<float>{noise_.data(), noise_.data(), scalar_.data(), n});
  const double loss = static_cast<double>(to_host(s_, scalar_)[0]) / static_cast<double>(n);
  if (!std::isfinite(loss)) throw Error(ErrorCode::diverged, "training diverged; lower the learning rate");
  const auto weight = static_cast<float>(2.0 / static_cast<double>(n * options_.accumulate));
  axpby(s_, Axpby<float>{weight, noise_.data(), 0.0F, noise_.data(), n});
  network_.tape().backward(network_.sweep(), network_.output(), noise_.data());
  return loss;
}

DiffusionTrainer::StepResult DiffusionTrainer::step() {
  const DiffusionTrainOptions& o = options_;
  const Index n = parameters_.size();
  copy_values(s_, CopyValues<float>{parameters_.data(), network_.parameters(), n});
  StepResult result;
  const float* gradient = nullptr;
  for (Index k = 0; k < o.accumulate; ++k) {
    result.loss += evaluate((step_ * o.accumulate + k) * o.batch) / static_cast<double>(o.accumulate);
    gradient = network_.sweep().cotangent(network_.theta());
    if (o.accumulate == 1) continue;
    axpby(s_, Axpby<float>{1.0F, gradient, k == 0 ? 0.0F : 1.0F, gradient_.data(), n});
    gradient = gradient_.data();
  }
  dot(s_, Dot<float>{gradient, gradient, scalar_.data(), n});
  result.gradient_norm = std::sqrt(static_cast<double>(to_host(s_, scalar_)[0]));
  const double scale = o.clip_norm > 0 && result.gradient_norm > o.clip_norm ? o.clip_norm / result.gradient_norm : 1.0;
  const nlohmann::ordered_json schedule = {
      {"type", "cosine"}, {"warmup_iterations", o.warmup}, {"min_ratio", o.last_rate}};
  const double lr = o.lr * schedule_factor(schedule, step_, o.steps);
  ++step_;
  adam_step(s_,
            published_adam(parameters_.data(), gradient, m_.data(), v_.data(), n, lr, step_, scale, o.weight_decay));
  if (o.average > 0) {
    const auto t = static_cast<double>(step_);
    const auto keep = static_cast<float>(std::min(o.average, (1 + t) / (10 + t)));
    axpby(s_, Axpby<float>{1 - keep, parameters_.data(), keep, averaged_.data(), n});
  }
  return result;
}

Generator DiffusionTrainer::generator() const {
  Generator g = generator_;
  g.parameters = to_host(s_, options_.average > 0 ? averaged_ : parameters_);
  return g;
}

TensorMap DiffusionTrainer::state() const {
  TensorMap t;
  const auto add = [&](const char* name, const Buffer<float>& b) { t[name] = Tensor({b.size()}, to_host(s_, b)); };
  add("parameters", parameters_);
  add("m", m_);
  add("v", v_);
  add("averaged", averaged_);
  t["counts"] = Tensor({2}, std::vector<std::int64_t>{step_, static_cast<std::int64_t>(options_.seed)});
  return t;
}

void DiffusionTrainer::restore(const TensorMap& t) {
  const std::string where = "training state";
  const auto& counts = tensor_values<std::int64_t>(t, "counts", where);
  const bool ok = counts.size() == 2 && counts[0] >= 0 && counts[1] == static_cast<std::int64_t>(options_.seed);
  require(ok, ErrorCode::data, "the state is of another training", where.c_str());
  const auto take = [&](const char* name, Buffer<float>& b) {
    const std::vector<float>& v = tensor_values<float>(t, name, where);
    require(static_cast<Index>(v.size()) == b.size(), ErrorCode::data, "the state is of another training", name);
    copy(s_, std::span<const float>(v), b.data());
  };
  take("parameters", parameters_);
  take("m", m_);
  take("v", v_);
  take("averaged", averaged_);
  step_ = counts[0];
}

}  // namespace terrane
