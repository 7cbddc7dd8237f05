// SPDX-License-Identifier: MIT
#include "engine/diffusion/process.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/runtime/error.hpp"

namespace terrane {

NoiseSchedule::NoiseSchedule(std::vector<double> beta) : beta_(std::move(beta)) {
  double product = 1;
  for (const double b : beta_) abar_.push_back(product *= 1 - b);
}

NoiseSchedule NoiseSchedule::linear(Index steps, double first, double last) {
  require(steps >= 1 && first > 0 && last >= first && last < 1, ErrorCode::config,
          "a linear schedule has at least one step and 0 < first <= last < 1");
  std::vector<double> beta;
  for (Index t = 0; t < steps; ++t) {
    beta.push_back(steps == 1 ? first
                              : first + (last - first) * static_cast<double>(t) / static_cast<double>(steps - 1));
  }
  return NoiseSchedule(std::move(beta));
}

NoiseSchedule NoiseSchedule::cosine(Index steps) {
  require(steps >= 1, ErrorCode::config, "a cosine schedule has at least one step");
  const auto g = [&](Index t) {
    const double part = (static_cast<double>(t) / static_cast<double>(steps) + 0.008) / 1.008;
    return std::pow(std::cos(part * std::numbers::pi / 2), 2);
  };
  std::vector<double> beta;
  for (Index t = 0; t < steps; ++t) beta.push_back(std::min(0.999, 1 - g(t + 1) / g(t)));
  return NoiseSchedule(std::move(beta));
}

NoiseSchedule NoiseSchedule::named(const std::string& name, Index steps) {
  if (name == "linear") {
    require(steps > 20, ErrorCode::config, "a linear schedule has more than 20 steps");
    return linear(steps, 0.1 / static_cast<double>(steps), 20 / static_cast<double>(steps));
  }
  require(name == "cosine", ErrorCode::config, "the schedule is linear or cosine");
  return cosine(steps);
}

NoiseSchedule::Posterior NoiseSchedule::posterior(Index t) const {
  const double before = abar(t - 1), now = abar(t), b = beta(t);
  return {std::sqrt(before) * b / (1 - now), std::sqrt(1 - b) * (1 - before) / (1 - now), b * (1 - before) / (1 - now)};
}

NoiseLevels::NoiseLevels(const ProcessOptions& p) {
  if (p.process == Process::ddpm) schedule_ = NoiseSchedule::named(p.schedule, p.steps);
}

NoiseLevel NoiseLevels::at(double share) const {
  if (!schedule_) return {1 - share, share, 1000 * (1 - share)};
  const Index all = schedule_->steps();
  const Index t = std::clamp<Index>(static_cast<Index>(std::floor(share * static_cast<double>(all))), 0, all - 1);
  return {std::sqrt(schedule_->abar(t)), std::sqrt(1 - schedule_->abar(t)), static_cast<double>(t)};
}

SamplerKind sampler_of(const std::string& name) {
  if (name == "ancestral") return SamplerKind::ancestral;
  if (name == "ddim") return SamplerKind::ddim;
  if (name == "euler") return SamplerKind::euler;
  require(name == "heun", ErrorCode::config, "samplers: ancestral, ddim, euler, heun");
  return SamplerKind::heun;
}

void check_sampler(const SamplerOptions& o, const ProcessOptions& p) {
  const bool flow = o.kind == SamplerKind::euler || o.kind == SamplerKind::heun;
  require(flow == (p.process == Process::flow), ErrorCode::config,
          "ancestral and ddim sample a ddpm generator, euler and heun a flow-matching one");
  require(o.steps >= 1 && (flow || o.steps <= p.steps), ErrorCode::config,
          "a sampler takes at least one step, and no more than the schedule has");
  require(o.eta >= 0 && o.eta <= 1 && o.clip >= 0 && std::isfinite(o.guidance), ErrorCode::config,
          "eta is in [0, 1], clip at least 0, guidance a number");
}

std::vector<Index> sampling_times(Index total, Index steps) {
  std::vector<Index> t;
  for (Index k = steps; k >= 1; --k) t.push_back((k * total + steps - 1) / steps - 1);
  return t;
}

}  // namespace terrane
