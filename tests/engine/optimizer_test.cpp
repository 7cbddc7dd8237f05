// SPDX-License-Identifier: MIT
#include "engine/optimizer.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "engine/filter.hpp"
#include "engine/json_value.hpp"
#include "kernels/kernels.hpp"
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
      : s(stream),
        x(to_device(stream, std::vector<T>(static_cast<std::size_t>(n), T(0)))),
        g(stream, n),
        phi(stream, 1) {
    objective.parameters = x.data();
    objective.n = n;
    objective.scalars = {phi.data()};
    objective.launch = [this] {
      const auto host = to_host(s, x);
      std::vector<T> gradient_host(host.size());
      double f = 0;
      for (std::size_t i = 0; i < host.size(); ++i) {
        const double k = static_cast<double>(i) + 1, d = static_cast<double>(host[i]) - k;
        f += 0.5 * k * d * d;
        gradient_host[i] = static_cast<T>(k * d);
      }
      copy(s, std::span<const T>(gradient_host), g.data());
      const auto value = static_cast<T>(f);
      copy(s, std::span<const T>(&value, 1), phi.data());
      ++evaluations;
      return g.data();
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
  Buffer<T> x, g, phi;
  Objective<T> objective;
  int evaluations = 0;
};

// A constant gradient and a misfit of 0.
Objective<double> constant(Stream& s, const Buffer<double>& x, const Buffer<double>& g, const Buffer<double>& phi) {
  copy(s, std::span<const double>(std::vector<double>{0.0}), phi.data());
  Objective<double> o;
  o.parameters = x.data();
  o.n = x.size();
  o.launch = [&g] { return g.data(); };
  o.scalars = {phi.data()};
  return o;
}

// f = |x - c|^2 / 2 by kernels alone; every step sees another c.
template <class T>
struct Moving {
  explicit Moving(Stream& stream)
      : s(stream), x(to_device(stream, std::vector<T>(5, T(0)))), c(stream, 5), g(stream, 5), phi(stream, 2) {
    objective.parameters = x.data();
    objective.n = 5;
    objective.scalars = {phi.data(), phi.data() + 1};
    objective.prepare = [this](Index k) {
      std::vector<T> now(5);
      for (std::size_t i = 0; i < 5; ++i) now[i] = static_cast<T>(i) - static_cast<T>(done + k);
      copy(s, std::span<const T>(now), c.data());
    };
    objective.launch = [this] {
      ++launches;
      copy_values(s, CopyValues<T>{x.data(), g.data(), 5});
      axpby(s, Axpby<T>{T(-1), c.data(), T(1), g.data(), 5});
      dot(s, Dot<T>{g.data(), g.data(), phi.data(), 5});
      dot(s, Dot<T>{g.data(), c.data(), phi.data() + 1, 5});
      return g.data();
    };
  }
  std::vector<StepReport> run(Optimizer<T>& optimizer, Index steps) {
    std::vector<StepReport> all;
    while (done < steps) {
      const Index n = std::min(optimizer.block(), steps - done);
      std::vector<double> factors;
      for (Index k = 0; k < n; ++k) factors.push_back(1 / (1.0 + static_cast<double>(done + k)));
      for (StepReport& r : optimizer.steps(s, objective, factors)) all.push_back(std::move(r));
      done += n;
    }
    return all;
  }
  Stream& s;
  Buffer<T> x, c, g, phi;
  Objective<T> objective;
  Index done = 0;
  int launches = 0;
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

// Steps that nobody waits for, recorded where there are graphs, are those taken one by one.
TEST(Optimizer, BlocksOfStepsGiveTheBitsOfSingleOnes) {
  for_each_device([](Stream& s) {
    const std::vector<ParameterGroup> groups{{"a", 0, 2}, {"b", 2, 3}};
    for (const std::string text :
         {R"({"type": "adam", "lr": 0.1, "betas": [0.9, 0.99], "epsilon": 1e-16, "groups": {"b": {"lr": 0.3}}})",
          R"({"type": "sgd", "lr": 0.1, "momentum": 0.5, "clip_norm": 2.5})"}) {
      SCOPED_TRACE(text);
      const auto made = [&](Index read_every) {
        Json j = section(text);
        j["read_every"] = read_every;
        return make_optimizer<float>(s, j, groups, 5, 1.0);
      };
      Moving<float> one(s), four(s);
      const auto a = made(1), b = made(4);
      const auto singles = one.run(*a, 11), blocks = four.run(*b, 11);
      ASSERT_EQ(blocks.size(), singles.size());
      for (std::size_t k = 0; k < singles.size(); ++k) {
        EXPECT_EQ(blocks[k].values, singles[k].values) << k;
        EXPECT_EQ(blocks[k].gradient_norm, singles[k].gradient_norm) << k;
        EXPECT_EQ(blocks[k].step_norm, singles[k].step_norm) << k;
        EXPECT_GT(singles[k].step_norm, 0) << k;
      }
      EXPECT_EQ(to_host(s, four.x), to_host(s, one.x));
      EXPECT_EQ(b->state(s), a->state(s));
      EXPECT_EQ(four.objective.recording->replays(), runs_gpu_code(s)) << four.objective.recording->why_not();
      EXPECT_EQ(four.launches, runs_gpu_code(s) ? 2 : 11);
    }
  });
}

TEST(Optimizer, NothingMovesOnAMisfitThatIsNotFinite) {
  for_each_device([](Stream& s) {
    const std::vector<ParameterGroup> groups{{"a", 0, 3}};
    for (const char* text : {R"({"type": "adam", "lr": 0.1, "betas": [0.9, 0.99], "epsilon": 1e-16})",
                             R"({"type": "sgd", "lr": 0.1, "momentum": 0.5})"}) {
      for (const bool in_gradient : {false, true}) {
        const auto optimizer = make_optimizer<double>(s, section(text), groups, 3, 1.0);
        const Buffer<double> x = to_device(s, std::vector<double>{1, 2, 3}), phi(s, 1);
        const Buffer<double> g = to_device(s, std::vector<double>{1, in_gradient ? std::nan("") : 1, 1});
        Objective<double> o = constant(s, x, g, phi);
        if (!in_gradient) copy(s, std::span<const double>(std::vector<double>{INFINITY}), phi.data());
        const OptimizerState before = optimizer->state(s);
        const StepReport r = optimizer->step(s, o, 1.0);
        EXPECT_FALSE(std::isfinite(r.phi) && std::isfinite(r.gradient_norm));
        EXPECT_EQ(r.step_norm, 0);
        EXPECT_EQ(to_host(s, x), (std::vector<double>{1, 2, 3}));
        EXPECT_EQ(optimizer->state(s), before);
      }
    }
  });
}

TEST(Optimizer, AdamFollowsItsFormulaAndEpsilonDoesNotDrownTinyGradients) {
  Stream s{Device{}};
  const std::vector<ParameterGroup> groups{{"a", 0, 1}};
  const auto optimizer = make_optimizer<double>(
      s, section(R"({"type": "adam", "lr": 0.01, "betas": [0.9, 0.99], "epsilon": 1e-16})"), groups, 1, 1.0);
  const Buffer<double> x = to_device(s, std::vector<double>{0.0}), g = to_device(s, std::vector<double>{1e-10});
  const Buffer<double> phi(s, 1);
  Objective<double> o = constant(s, x, g, phi);
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
    const Buffer<double> phi(s, 1);
    Objective<double> o = constant(s, x, g, phi);
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
