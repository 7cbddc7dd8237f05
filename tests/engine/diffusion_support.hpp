// SPDX-License-Identifier: MIT
// Known distributions and their exact denoisers for the tests of diffusion models.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/diffusion/train.hpp"
#include "kernels/runtime/random.hpp"

namespace terrane {

// N(mean, deviation^2): E[noise | x_t] of ddpm, or E[x_0 - noise | x_t] of flow, for n numbers on the host.
inline DenoiseFunction gaussian_denoiser(const ProcessOptions& process, double mean, double deviation, Index n) {
  const double variance = deviation * deviation;
  if (process.process == Process::flow) {
    return [=](const float* x, double t, float* y) {
      const double all = t * t * variance + (1 - t) * (1 - t);
      for (Index k = 0; k < n; ++k) {
        const double d = (static_cast<double>(x[k]) - t * mean) / all;
        y[k] = static_cast<float>(mean + t * variance * d - (1 - t) * d);
      }
    };
  }
  const NoiseSchedule schedule = NoiseSchedule::named(process.schedule, process.steps);
  return [=](const float* x, double t, float* y) {
    const double abar = schedule.abar(static_cast<Index>(t)), root = std::sqrt(abar);
    for (Index k = 0; k < n; ++k) {
      const double d = (static_cast<double>(x[k]) - root * mean) / (abar * variance + 1 - abar);
      y[k] = static_cast<float>(std::sqrt(1 - abar) * d);
    }
  };
}

struct Moments {
  double mean = 0, variance = 0;
};
inline Moments moments(const std::vector<float>& x) {
  Moments m;
  for (const float v : x) m.mean += v / static_cast<double>(x.size());
  for (const float v : x) m.variance += (v - m.mean) * (v - m.mean) / static_cast<double>(x.size());
  return m;
}

// Two Gaussians in the plane: share 0.3 at (-1.2, 0.5), 0.7 at (0.8, -0.4), deviations (0.3, 0.25) in both.
inline constexpr double mixture_share = 0.3;
inline int mixture_part(std::uint64_t seed, std::uint64_t k) {
  return Random(seed, RandomPurpose::test).uniform(k, 0) < mixture_share ? 0 : 1;
}
inline std::vector<float> mixture(std::uint64_t seed, Index first, Index count) {
  const double center[2][2] = {{-1.2, 0.5}, {0.8, -0.4}}, spread[2] = {0.3, 0.25};
  const Random random(seed, RandomPurpose::test);
  std::vector<float> x;
  for (Index k = first; k < first + count; ++k) {
    const auto key = static_cast<std::uint64_t>(k);
    const int part = mixture_part(seed, key);
    for (std::uint32_t c = 0; c < 2; ++c) {
      x.push_back(static_cast<float>(center[part][c] + spread[c] * random.normal(key, c + 1)));
    }
  }
  return x;
}
// With its part as the family.
inline BatchSource mixture_source(std::uint64_t seed, bool with_family) {
  return [=](Index first, Index count) {
    TrainingBatch b;
    b.x = mixture(seed, first, count);
    for (Index k = first; with_family && k < first + count; ++k) {
      b.family.push_back(mixture_part(seed, static_cast<std::uint64_t>(k)));
    }
    return b;
  };
}

inline Generator mixture_prototype(Process process, Index families = 0) {
  ResidualMlpShape shape;
  shape.values = 2;
  shape.families = families;
  shape.width = 64;
  shape.blocks = 2;
  return {Denoiser(shape), {process, "linear", 200}, {}, {0}, {1}, {}};
}
inline DiffusionTrainOptions mixture_options(Index steps) {
  DiffusionTrainOptions o;
  o.steps = steps;
  o.batch = 256;
  o.lr = 2e-3;
  o.weight_decay = 0;
  o.warmup = 50;
  o.average = 0.99;
  o.seed = 3;
  return o;
}

}  // namespace terrane
