// SPDX-License-Identifier: MIT
#include "engine/optimizer.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "engine/filter.hpp"
#include "engine/json_value.hpp"
#include "kernels/runtime/error.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace optimizer_test {

Json section(const std::string& own) {
  Json j = Json::parse(R"({"lr": null, "iterations": null, "batch_shots": 0, "clip_norm": null, "groups": {},
                           "schedule": {"type": "constant"}})");
  j.update(Json::parse(own));
  return j;
}

// f = sum k (x_k - k)^2 / 2 on the device, gradient k (x_k - k).
template <class T>
struct Quadratic {
  Quadratic(Stream& stream, Index n)
      : s(stream), x(to_device(stream, std::vector<T>(static_cast<std::size_t>(n), T(0)))), g(stream, n) {
    objective.parameters = x.data();
    objective.n = n;
    objective.evaluate = [this](const T** gradient) {
      const auto host = to_host(s, x);
      std::vector<T> gradient_host(host.size());
      double f = 0;
      for (std::size_t i = 0; i < host.size(); ++i) {
        const double k = static_cast<double>(i) + 1, d = static_cast<double>(host[i]) - k;
        f += 0.5 * k * d * d;
        gradient_host[i] = static_cast<T>(k * d);
      }
      copy(s, std::span<const T>(gradient_host), g.data());
      *gradient = g.data();
      ++evaluations;
      return f;
    };
  }
  double error() {
    const auto host = to_host(s, x);
    double e = 0;
    for (std::size_t i = 0; i < host.size(); ++i)
      e = std::max(e, std::abs(static_cast<double>(host[i]) - static_cast<double>(i) - 1));
    return e;
  }
  Stream& s;
  Buffer<T> x, g;
  Objective<T> objective;
  int evaluations = 0;
};

TEST(Optimizer, ReachesTheMinimumOnEveryDevice) {
  for_each_device([](Stream& s) {
    const std::vector<ParameterGroup> groups{{"a", 0, 6}};
    for (const auto& [text, steps] : std::vector<std::pair<const char*, int>>{
             {R"({"type": "adam", "lr": 0.1, "betas": [0.9, 0.999], "epsilon": 1e-16})", 1500},
             {R"({"type": "sgd", "lr": 0.1, "momentum": 0.5})", 300},
             {R"({"type": "lbfgs", "lr": 1, "memory": 5, "line_search": "wolfe"})", 25},
             {R"({"type": "lbfgs", "lr": 1, "memory": 5, "line_search": "backtracking"})", 40}}) {
      SCOPED_TRACE(text);
      Quadratic<double> q(s, 6);
      const auto optimizer = make_optimizer<double>(s, section(text), groups, 6, 1.0);
      for (int k = 0; k < steps; ++k) optimizer->step(s, q.objective, 1.0);
      EXPECT_LE(q.error(), 1e-3);
    }
  });
}

TEST(Optimizer, AdamFollowsItsFormulaAndEpsilonDoesNotDrownTinyGradients) {
  Stream s{Device{}};
  const std::vector<ParameterGroup> groups{{"a", 0, 1}};
  const auto optimizer = make_optimizer<double>(
      s, section(R"({"type": "adam", "lr": 0.01, "betas": [0.9, 0.99], "epsilon": 1e-16})"), groups, 1, 1.0);
  const Buffer<double> x = to_device(s, std::vector<double>{0.0}), g = to_device(s, std::vector<double>{1e-10});
  Objective<double> o{x.data(), 1, [&](const double** p) {
                        *p = g.data();
                        return 0.0;
                      }};
  double m = 0, v = 0, want = 0;
  for (int t = 1; t <= 5; ++t) {
    optimizer->step(s, o, 0.5);
    m = 0.9 * m + 0.1 * 1e-10;
    v = 0.99 * v + 0.01 * 1e-20;
    want -= 0.5 * 0.01 * (m / (1 - std::pow(0.9, t))) / (std::sqrt(v / (1 - std::pow(0.99, t))) + 1e-16);
    EXPECT_NEAR(to_host(s, x)[0], want, 1e-9);
  }
  EXPECT_NEAR(want, -0.025, 1e-6);  // full steps, although the gradient is 1e-10
}

TEST(Optimizer, GroupsHaveTheirOwnRatesAndUnknownOnesAreErrors) {
  Stream s{Device{}};
  const std::vector<ParameterGroup> groups{{"inr", 0, 2}, {"head", 2, 2}};
  const auto run = [&](const char* own) {
    const auto optimizer = make_optimizer<double>(s, section(own), groups, 4, 0.5);
    const Buffer<double> x = to_device(s, std::vector<double>(4, 0.0)), g = to_device(s, std::vector<double>(4, 1.0));
    Objective<double> o{x.data(), 4, [&](const double** p) {
                          *p = g.data();
                          return 0.0;
                        }};
    const StepReport r = optimizer->step(s, o, 1.0);
    EXPECT_DOUBLE_EQ(r.gradient_norm, 2.0);
    return to_host(s, x);
  };
  EXPECT_EQ(run(R"({"type": "sgd", "momentum": 0, "groups": {"head": {"lr": 2}}})"),
            (std::vector<double>{-0.5, -0.5, -2, -2}));
  EXPECT_EQ(run(R"({"type": "sgd", "momentum": 0, "clip_norm": 1})"),
            (std::vector<double>{-0.25, -0.25, -0.25, -0.25}));
  try {
    run(R"({"type": "sgd", "momentum": 0, "groups": {"encoder": {"lr": 2}}})");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::config);
    EXPECT_NE(std::string(e.what()).find("inr, head"), std::string::npos);
  }
}

TEST(Optimizer, StateRestoresBitForBit) {
  Stream s{Device{}};
  const std::vector<ParameterGroup> groups{{"a", 0, 6}};
  for (const char* text : {R"({"type": "adam", "lr": 0.1, "betas": [0.9, 0.999], "epsilon": 1e-16})",
                           R"({"type": "sgd", "lr": 0.1, "momentum": 0.5})",
                           R"({"type": "lbfgs", "lr": 1, "memory": 3, "line_search": "wolfe"})"}) {
    SCOPED_TRACE(text);
    Quadratic<float> through(s, 6), stopped(s, 6);
    const auto a = make_optimizer<float>(s, section(text), groups, 6, 1.0);
    for (int k = 0; k < 9; ++k) a->step(s, through.objective, 1.0);
    auto b = make_optimizer<float>(s, section(text), groups, 6, 1.0);
    for (int k = 0; k < 4; ++k) b->step(s, stopped.objective, 1.0);
    const OptimizerState state = b->state(s);
    b = make_optimizer<float>(s, section(text), groups, 6, 1.0);
    b->restore(s, state);
    for (int k = 4; k < 9; ++k) b->step(s, stopped.objective, 1.0);
    EXPECT_EQ(to_host(s, through.x), to_host(s, stopped.x));
    EXPECT_THROW(b->restore(s, OptimizerState{{"count", {1}}, {"rho", {1, 1, 1}}}), Error);
  }
}

TEST(Schedule, Factors) {
  EXPECT_EQ(schedule_factor(Json::parse(R"({"type": "constant"})"), 7, 10), 1);
  const Json cosine = Json::parse(R"({"type": "cosine", "min_ratio": 0.1, "warmup_iterations": 4})");
  EXPECT_EQ(schedule_factor(cosine, 0, 104), 0.25);
  EXPECT_EQ(schedule_factor(cosine, 4, 104), 1);
  EXPECT_NEAR(schedule_factor(cosine, 54, 104), 0.55, 1e-12);
  EXPECT_NEAR(schedule_factor(cosine, 104, 104), 0.1, 1e-12);
  EXPECT_EQ(schedule_factor(Json::parse(R"({"type": "step", "every_iterations": 3, "gamma": 0.5})"), 7, 10), 0.25);
  EXPECT_NEAR(schedule_factor(Json::parse(R"({"type": "exponential", "gamma": 0.9})"), 2, 10), 0.81, 1e-12);
}

// Gain of the filter at a frequency, from its impulse response.
double gain(const Band& band, double f, double dt) {
  std::vector<double> x(8192, 0.0);
  x[0] = 1;
  filter_traces(band, dt, 1, static_cast<Index>(x.size()), x.data());
  double re = 0, im = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    re += x[i] * std::cos(2 * std::numbers::pi * f * dt * static_cast<double>(i));
    im -= x[i] * std::sin(2 * std::numbers::pi * f * dt * static_cast<double>(i));
  }
  return std::hypot(re, im);
}

TEST(Filter, IsAButterworthOfOrderFour) {
  const double dt = 1e-3;
  for (const double ratio : {0.25, 0.5, 1.0, 2.0}) {
    // The bilinear transform maps f to tan(pi f dt).
    const double w = std::tan(std::numbers::pi * 10 * ratio * dt) / std::tan(std::numbers::pi * 10 * dt);
    EXPECT_NEAR(gain({10, 0}, 10 * ratio, dt), 1 / std::sqrt(1 + std::pow(w, 8)), 1e-6);
    EXPECT_NEAR(gain({0, 10}, 10 * ratio, dt), std::pow(w, 4) / std::sqrt(1 + std::pow(w, 8)), 1e-6);
  }
  std::vector<float> late(100, 0.0F);
  late[60] = 1;
  filter_traces<float>({20, 5}, dt, 1, 100, late.data());
  for (int i = 0; i < 60; ++i) EXPECT_EQ(late[static_cast<std::size_t>(i)], 0.0F);  // causal
  std::vector<double> x(10);
  EXPECT_THROW(filter_traces<double>({499, 0}, dt, 1, 10, x.data()), Error);
}

}  // namespace optimizer_test
}  // namespace terrane
