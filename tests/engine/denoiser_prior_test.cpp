// SPDX-License-Identifier: MIT
// A diffusion model as a regularizer: its formula, windows, exact Gaussian denoisers, the inversion with it.
#include "engine/diffusion/denoiser_prior.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "autodiff/check.hpp"
#include "engine/inversion.hpp"
#include "engine/io/file.hpp"
#include "engine/posterior_sampler.hpp"
#include "engine/run.hpp"
#include "engine/simulation.hpp"
#include "tests/engine/diffusion_support.hpp"
#include "tests/support/devices.hpp"
#include "tests/support/test_folder.hpp"

namespace terrane {
namespace denoiser_prior_test {

namespace fs = std::filesystem;

// A generator whose network is not used.
Generator shell(Process process) {
  Generator g = mixture_prototype(process);
  g.offset = {3000};
  g.scale = {1500};
  return g;
}

double normalized(double v) { return (v - 3000) / 1500; }

TEST(DenoiserPrior, WindowsCoverEveryCell) {
  EXPECT_EQ(prior_windows(70, 72, 0.25), (std::vector<Index>{-1}));
  EXPECT_EQ(prior_windows(69, 72, 0.25), (std::vector<Index>{-1}));
  EXPECT_EQ(prior_windows(72, 72, 0.25), (std::vector<Index>{0}));
  EXPECT_EQ(prior_windows(1, 32, 0.25), (std::vector<Index>{-15}));
  for (const Index cells : {73, 94, 108, 288, 1000}) {
    for (const double overlap : {0.0, 0.25, 0.5}) {
      const auto first = prior_windows(cells, 72, overlap);
      ASSERT_GE(first.size(), 2U);
      EXPECT_EQ(first.front(), 0);
      EXPECT_EQ(first.back(), cells - 72);
      for (std::size_t k = 1; k < first.size(); ++k) {
        EXPECT_GE(first[k - 1] + 72 - first[k], static_cast<Index>(overlap * 72)) << cells << " " << k;
        EXPECT_LT(first[k - 1], first[k]);
      }
    }
  }
}

// phi's gradient against the definition of both weightings, with the noise that the network really saw.
TEST(DenoiserPrior, GradientIsPredictedMinusAddedNoise) {
  const Index n = 12;
  std::vector<double> model;
  for (const double v : random_normal<double>(n * n, 4)) model.push_back(3000 + 600 * v);
  for (const Process process : {Process::ddpm, Process::flow}) {
    for (const bool noise_weight : {true, false}) {
      const Generator g = shell(process);
      DenoiserPriorOptions o;
      o.noise_weight = noise_weight;
      o.clip = false;
      o.seed = 5;
      std::vector<float> seen, said;
      double time = 0;
      const DenoiseFunction f = [&](const float* x, double t, float* y) {
        seen.assign(x, x + n * n);
        time = t;
        for (Index k = 0; k < n * n; ++k) y[k] = std::sin(3 * x[k]) + 0.2F * static_cast<float>(k % 3);
        said.assign(y, y + n * n);
      };
      Stream s{Device{}};
      DenoiserPrior prior(s, f, g, n, n, n, n, o);
      const auto target = prior.target(model, 7, 7, 10);
      const double abar = NoiseSchedule::named("linear", 200).abar(static_cast<Index>(time));
      const double r = process == Process::ddpm ? std::sqrt(abar) : time;
      const double sigma = process == Process::ddpm ? std::sqrt(1 - abar) : 1 - time;
      EXPECT_NEAR(target.weight, noise_weight ? r / sigma : 1, 1e-12);
      for (std::size_t k = 0; k < model.size(); ++k) {
        const double x = normalized(model[k]), xt = static_cast<double>(seen[k]), y = static_cast<double>(said[k]);
        const double e = (xt - r * x) / sigma;
        const double e_hat = process == Process::ddpm ? y : xt - r * y;
        const double expected = (e_hat - e) * (noise_weight ? 1 : sigma / r);
        EXPECT_NEAR(target.weight * (x - normalized(target.model[k])), expected, 2e-5 * (1 + std::fabs(expected)) / r);
      }
    }
  }
}

// For pixels that are N(mean, deviation^2) the expectation of x' is known.
TEST(DenoiserPrior, GaussianTargetsHaveTheirMean) {
  const Index n = 24;
  const double mean = 0.2, deviation = 0.4, x = -0.5;
  for (const Process process : {Process::ddpm, Process::flow}) {
    const Generator g = shell(process);
    DenoiserPriorOptions o;
    o.time_low = o.time_high = 0.5;
    o.clip = false;
    o.draws = 10;
    Stream s{Device{}};
    DenoiserPrior prior(s, gaussian_denoiser(g.process, mean, deviation, n * n), g, n, n, n, n, o);
    const auto target = prior.target(std::vector<double>(n * n, 3000 + 1500 * x), 0, 0, 1);
    double average = 0;
    for (const double v : target.model) average += normalized(v) / static_cast<double>(n * n);
    const double abar = NoiseSchedule::named("linear", 200).abar(100);
    const double r = process == Process::ddpm ? std::sqrt(abar) : 0.5, q = process == Process::ddpm ? 1 - abar : 0.25;
    const double v = deviation * deviation, share = r * r * v / (r * r * v + q);
    // Its spread over a cell is share sqrt(q) / r.
    EXPECT_NEAR(average, mean + share * (x - mean), 5 * share * std::sqrt(q) / r / std::sqrt(10.0 * n * n));
  }
}

// Descent along the gradient alone ends at the mean of the data, from any model, in one window or many.
TEST(DenoiserPrior, DescentEndsAtTheDataOfTheGenerator) {
  const Index window = 10, nz = 7, nx = 27;
  const Generator g = shell(Process::flow);
  DenoiserPriorOptions o;
  Stream s{Device{}};
  Index count = prior_windows(nx, window, o.overlap).size();
  ASSERT_GE(count, 3);
  DenoiserPrior prior(s, gaussian_denoiser(g.process, 0.3, 0.1, count * window * window), g, window, window, nz, nx, o);
  EXPECT_EQ(prior.windows(), count);
  std::vector<double> model(static_cast<std::size_t>(nz * nx), 2000);
  for (Index k = 0; k < 400; ++k) {
    const auto t = prior.target(model, k, k, 400);
    for (std::size_t i = 0; i < model.size(); ++i) model[i] -= std::min(1.0, 0.05 * t.weight) * (model[i] - t.model[i]);
  }
  double average = 0;
  for (const double v : model) average += normalized(v) / static_cast<double>(model.size());
  EXPECT_NEAR(average, 0.3, 0.02);
}

TEST(DenoiserPrior, AnswersOfTheWindowsAreAveragedAndLimited) {
  const Index window = 8;
  Generator g = shell(Process::ddpm);
  DenoiserPriorOptions o;
  o.noise_weight = false;
  Stream s{Device{}};
  for (const Index cells : {5, 8, 9, 30}) {
    const Index windows = static_cast<Index>(prior_windows(cells, window, o.overlap).size());
    const Index n = windows * windows * window * window;
    const NoiseSchedule schedule = NoiseSchedule::named("linear", 200);
    const auto saying = [&](double x0) {
      return DenoiseFunction([=](const float* x, double t, float* y) {
        const double abar = schedule.abar(static_cast<Index>(t));
        for (Index k = 0; k < n; ++k) {
          y[k] = static_cast<float>((static_cast<double>(x[k]) - std::sqrt(abar) * x0) / std::sqrt(1 - abar));
        }
      });
    };
    const std::vector<double> model(static_cast<std::size_t>(cells * cells), 2000);
    DenoiserPrior constant(s, saying(0.25), g, window, window, cells, cells, o);
    for (const double v : constant.target(model, 3, 3, 10).model) EXPECT_NEAR(v, 3000 + 1500 * 0.25, 0.05);
    DenoiserPrior outside(s, saying(1.7), g, window, window, cells, cells, o);
    for (const double v : outside.target(model, 3, 3, 10).model) EXPECT_NEAR(v, 4500, 1e-9);
  }
}

TEST(DenoiserPrior, TimesAreFunctionsOfTheIteration) {
  const Index n = 4;
  const Generator g = shell(Process::flow);
  DenoiserPriorOptions o;
  o.time_low = 0.1;
  o.time_high = 0.9;
  Stream s{Device{}};
  const std::vector<double> model(16, 2500);
  const auto make = [&] { return DenoiserPrior(s, gaussian_denoiser(g.process, 0, 1, 16), g, n, n, n, n, o); };
  DenoiserPrior one = make(), two = make();
  double least = 1, most = 0;
  for (Index k = 0; k < 50; ++k) {
    const auto t = one.target(model, k, k, 50);
    least = std::min(least, t.time);
    most = std::max(most, t.time);
    if (k % 10 == 3) {
      const auto again = two.target(model, k, k, 50);
      EXPECT_EQ(again.time, t.time);
      EXPECT_EQ(again.model, t.model);
    }
  }
  EXPECT_GE(least, 0.1);
  EXPECT_LE(most, 0.9);
  EXPECT_LT(least, 0.2);
  EXPECT_GT(most, 0.8);
  o.falling = true;
  DenoiserPrior falling = make();
  EXPECT_EQ(falling.target(model, 100, 0, 5).time, 0.9);
  EXPECT_NEAR(falling.target(model, 102, 2, 5).time, 0.5, 1e-12);
  EXPECT_NEAR(falling.target(model, 104, 4, 5).time, 0.1, 1e-12);
}

class DenoiserInversion : public FolderTest {
 protected:
  void SetUp() override {
    UnetShape f;
    f.height = f.width = 16;
    f.channels = {8, 8};
    f.attention = {false, false};
    f.attention_middle = false;
    f.blocks = 1;
    f.groups = 4;
    f.families = 1;
    const Denoiser net(f);
    Generator g{net, {Process::flow}, net.initial_parameters(3), {3000}, {1500}, {"curve-vel-a"}};
    write_generator(file(), g);
    write_file_atomic(path("generator.json"),
                      R"({"type": "flow-matching", "size": 16, "sampler": "heun", "sampler_steps": 4, "guidance": 1})");
  }
  std::string file() const { return path("generator.safetensors"); }
  std::string denoiser(const std::string& more = "") const {
    return R"(regularizers=[{"type": "denoiser", "weight": 0.05, "path": ")" + dir_ + "\"" + more + "}]";
  }
  Config config(const std::vector<std::string>& sets) const {
    return Config::parse(R"({
      "task": "invert", "seed": 3, "grid": {"nz": 14, "nx": 26, "dz_m": 10, "dx_m": 10},
      "physics": {"type": "acoustic", "order": 4, "vmax_mps": 3500, "boundary": {"type": "cpml", "width_cells": 6}},
      "survey": {"dt_s": 0.0015, "nt": 80, "wavelet": {"type": "ricker", "frequency_hz": 15},
                 "sources": {"type": "line", "x_m": [20, 230], "z_m": 20, "count": 2},
                 "receivers": {"type": "grid-row", "z_m": 20}},
      "true_model": {"type": "constant", "value_mps": 2300}, "start_model": {"type": "constant", "value_mps": 2200},
      "data": {"type": "synthetic"}, "field": {"type": "grid"}, "misfit": {"type": "l2"},
      "bounds": {"min_mps": 1500, "max_mps": 3400},
      "optimizer": {"type": "adam", "lr_mps": 20, "iterations": 6}})",
                         "test", sets);
  }
  std::string refused(const std::vector<std::string>& sets) const {
    try {
      const Config c = config(sets);
      Stream s{Device{}};
      const Problem problem = build_problem(c, true);
      const Inversion<float> inversion(s, c, problem, Log());
    } catch (const Error& e) {
      return std::to_string(static_cast<int>(e.code())) + " " + e.message();
    }
    return "accepted";
  }
};

TEST_F(DenoiserInversion, RestoredStateGoesOnBitForBit) {
  const std::vector<std::string> sets = {denoiser(R"(, "family": "curve-vel-a", "draws": 2,
                                                    "schedule": {"type": "cosine"})"),
                                         "stages=[{\"iterations\":3},{\"iterations\":3}]", "optimizer.iterations=null"};
  const Config c = config(sets);
  const auto model_after = [&](int threads, Index stop) {
    StreamOptions options;
    options.threads = threads;
    Stream s(Device{}, options);
    Problem problem = build_problem(c, true);
    problem.observed = simulate<float>(s, problem, problem.true_model, problem.wavelet, 2);
    Inversion<float> inversion(s, c, problem, Log());
    if (stop > 0) {
      Inversion<float> before(s, c, problem, Log());
      while (before.iteration() < stop) before.step();
      inversion.restore(before.state());
    }
    while (!inversion.finished()) {
      const IterationReport r = inversion.step();
      EXPECT_GT(r.phi_model.at("denoiser"), 0);
      EXPECT_NEAR(r.phi, r.phi_data + r.phi_model.at("denoiser"), 1e-5 * r.phi);
    }
    return inversion.model();
  };
  const auto through = model_after(1, 0);
  EXPECT_EQ(model_after(2, 0), through);
  EXPECT_EQ(model_after(1, 2), through);
  EXPECT_EQ(model_after(1, 4), through);
}

class PosteriorSampling : public DenoiserInversion {
 protected:
  void SetUp() override {
    DenoiserInversion::SetUp();
    values_ = random_normal<double>(14 * 12, 8);
  }
  Json section(double lr, const std::string& normalize, bool clip) const {
    return {{"type", "posterior"},    {"lr", lr},     {"path", file()}, {"family", "curve-vel-a"}, {"noise", 0.9},
            {"normalize", normalize}, {"clip", clip}, {"draw", 5}};
  }
  // phi = 1/2 sum ((m - 2600) / 500 - values)^2 after `steps` of `length` steps; the model, the last image, and phi of
  // every step.
  struct Path {
    std::vector<double> model, image, phi;
  };
  Path follow(const Json& optimizer, Index length, Index steps, const OptimizerState* from = nullptr,
              OptimizerState* last = nullptr) const {
    Stream s{Device{}};
    const Grid2 grid{14, 12, 10, 10, 0, 0};
    const auto sampler = make_posterior_sampler<double>(s, optimizer, grid, length, 1);
    if (from != nullptr) sampler->restore(s, *from);
    const std::vector<double> start(at(grid.cells()), 2500.0);
    const Buffer<double> m = to_device(s, start);
    Buffer<double> g(s, grid.cells());
    Path path;
    Objective<double> objective;
    objective.parameters = m.data();
    objective.n = grid.cells();
    const Buffer<double> value(s, 1);
    objective.scalars = {value.data()};
    objective.launch = [&] {
      const std::vector<double> now = to_host(s, m);
      std::vector<double> slope;
      double phi = 0;
      for (std::size_t i = 0; i < now.size(); ++i) {
        const double r = (now[i] - 2600) / 500 - values_[i];
        phi += 0.5 * r * r;
        slope.push_back(r / 500);
      }
      copy(s, std::span<const double>(slope), g.data());
      copy(s, std::span<const double>(&phi, 1), value.data());
      return g.data();
    };
    for (Index k = 0; k < steps; ++k) path.phi.push_back(sampler->step(s, objective, 1).phi);
    const OptimizerState state = sampler->state(s);
    path.image = state.at("image");
    path.model = to_host(s, m);
    if (last != nullptr) *last = state;
    return path;
  }
  std::vector<double> values_;
};

// Without data it is the sampler: Euler steps of the flow from the same image.
TEST_F(PosteriorSampling, WithoutDataItIsASampleOfTheGenerator) {
  const Generator g = read_generator(file());
  Stream s{Device{}};
  RecordedDenoiser net(s, g.network, 1);
  copy(s, std::span<const float>(g.parameters), net.parameters());
  net.set_conditions({0}, {});
  OptimizerState first;
  follow(section(0, "gradient", false), 8, 1, nullptr, &first);
  std::vector<float> x(first.at("image").begin(), first.at("image").end());
  for (Index k = 1; k < 8; ++k) {
    const double share = 0.9 * (1 - static_cast<double>(k) / 8);
    copy(s, std::span<const float>(x), net.x());
    net.set_times({static_cast<float>(1000 * (1 - share))});
    net.tape().forward();
    const std::vector<float> v = to_host(s, net.y(), net.values());
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += static_cast<float>(0.9 / 8) * v[i];
  }
  const Path path = follow(section(0, "gradient", false), 8, 8);
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(path.image[i], static_cast<double>(x[i]), 1e-4);
  // The 14 x 12 nodes are the middle of the 16 x 16 pixels.
  for (Index z = 0; z < 14; ++z) {
    for (Index i = 0; i < 12; ++i) {
      EXPECT_NEAR(path.model[at(z * 12 + i)], 3000 + 1500 * path.image[at((z + 1) * 16 + i + 2)], 0.2);
    }
  }
}

// The step is along the gradient of the misfit with respect to the image, through the network: what one step changes
// against a step without data, beside differences of phi over the noise of the start.
TEST_F(PosteriorSampling, StepIsTheGradientThroughTheNetwork) {
  OptimizerState zero;
  follow(section(0, "residual", false), 8, 0, nullptr, &zero);
  EXPECT_TRUE(zero.at("image").empty());
  const double lr = 0.5;
  OptimizerState at_one;
  follow(section(0, "residual", false), 8, 1, nullptr, &at_one);
  const Path still = follow(section(0, "residual", false), 8, 1, &at_one),
             moved = follow(section(lr, "residual", false), 8, 1, &at_one);
  EXPECT_EQ(still.phi, moved.phi);
  const double pixels = 256, factor = lr * pixels / (2 * std::sqrt(still.phi[0] * at_one.at("first_phi")[0]));
  for (const std::size_t pixel : {std::size_t{20}, std::size_t{120}, std::size_t{137}, std::size_t{200}}) {
    double phi[2];
    const double h = 2e-3;
    for (const int side : {0, 1}) {
      OptimizerState other = at_one;
      other.at("image")[pixel] += side == 0 ? -h : h;
      phi[side] = follow(section(0, "residual", false), 8, 1, &other).phi[0];
    }
    const double slope = (phi[1] - phi[0]) / (2 * h), step = (still.image[pixel] - moved.image[pixel]) / factor;
    EXPECT_NEAR(step, slope, 0.02 * std::abs(slope) + 1e-3) << pixel;
  }
}

TEST_F(PosteriorSampling, DataPullTheSample) {
  for (const char* normalize : {"gradient", "residual"}) {
    const Path free = follow(section(0, normalize, true), 30, 30),
               drawn = follow(section(0.3, normalize, true), 30, 30);
    EXPECT_LT(drawn.phi.back(), 0.8 * free.phi.back()) << normalize;
    for (const double v : drawn.model) {
      EXPECT_GE(v, 1500 - 1e-9);
      EXPECT_LE(v, 4500 + 1e-9);
    }
  }
}

TEST_F(PosteriorSampling, RestoredStateGoesOnBitForBit) {
  OptimizerState half;
  const Path through = follow(section(0.2, "gradient", true), 10, 10);
  follow(section(0.2, "gradient", true), 10, 4, nullptr, &half);
  const Path rest = follow(section(0.2, "gradient", true), 10, 6, &half);
  EXPECT_EQ(rest.model, through.model);
  EXPECT_EQ(rest.image, through.image);
  EXPECT_THROW(follow(section(0.2, "gradient", true), 12, 1, &half), Error);
  Json other = section(0.2, "gradient", true);
  other["draw"] = 6;
  EXPECT_NE(follow(other, 10, 10).model, through.model);
}

// In an inversion of waves, followed by a stage of descent; and what is refused.
TEST_F(PosteriorSampling, InversionAndErrors) {
  const std::string source = R"("path": ")" + dir_ + "\"";
  const std::string optimizer = R"(optimizer={"type": "posterior", "iterations": 5, )" + source + "}";
  const std::vector<std::string> small = {"grid.nx=16", "survey.sources.x_m=[20,130]"};
  const auto with = [&](std::vector<std::string> sets) {
    sets.insert(sets.begin(), small.begin(), small.end());
    return sets;
  };
  const Config c = config(with({optimizer, "optimizer.iterations=null", R"(stages=[{"iterations": 4}, {"iterations": 2,
    "optimizer": {"type": "adam", "lr_mps": 10}}])"}));
  Stream s{Device{}};
  Problem problem = build_problem(c, true);
  problem.observed = simulate<float>(s, problem, problem.true_model, problem.wavelet, 2);
  Inversion<float> inversion(s, c, problem, Log());
  while (!inversion.finished()) {
    const IterationReport r = inversion.step();
    EXPECT_TRUE(std::isfinite(r.phi) && r.phi > 0 && r.step_norm > 0);
  }
  RunOptions options;
  options.out_dir = path("run");
  const Json result = run(c, options);
  EXPECT_EQ(result.at("status"), "ok");
  EXPECT_EQ(result.at("iterations"), 6);
  EXPECT_NE(refused({optimizer}).find("16 x 16 pixels"), std::string::npos) << refused({optimizer});
  EXPECT_EQ(refused(with({optimizer})), "accepted");
  EXPECT_NE(refused(with({optimizer, R"(field={"type": "siren"})"})).find("field \"grid\""), std::string::npos);
  EXPECT_EQ(refused(with({optimizer, "optimizer.family=style-a"})).rfind("2 ", 0), 0U);
  fs::rename(file(), path("moved"));
  EXPECT_EQ(refused(with({optimizer})).rfind("3 ", 0), 0U);
}

TEST_F(DenoiserInversion, Errors) {
  EXPECT_EQ(refused({denoiser()}), "accepted");
  EXPECT_EQ(refused({denoiser(R"(, "family": "style-a")")}).rfind("2 ", 0), 0U);
  EXPECT_NE(refused({denoiser(), R"(optimizer={"type":"lbfgs","iterations":3})"}).find("use adam"), std::string::npos);
  EXPECT_NE(refused({denoiser(R"(, "times": [0.5, 1.5])")}).find("times"), std::string::npos);
  EXPECT_NE(refused({R"(regularizers=[{"type": "code", "weight": 1}])"}).find("field \"decoder\""), std::string::npos);
  EXPECT_NE(refused({R"(regularizers=[{"type": "denoiser", "weight": 1}])"}).find("path"), std::string::npos);
  fs::rename(file(), path("moved"));
  const std::string missing = refused({denoiser()});
  EXPECT_EQ(missing.rfind("3 ", 0), 0U) << missing;
  EXPECT_NE(missing.find("generator.safetensors"), std::string::npos) << missing;
  // A generator of codes.
  ResidualMlpShape shape;
  shape.values = 4;
  const Denoiser net(shape);
  write_generator(file(), {net, {Process::flow}, net.initial_parameters(1), {0, 0, 0, 0}, {1, 1, 1, 1}, {}});
  const std::string codes = refused({denoiser()});
  EXPECT_NE(codes.find("needs a generator of pixels"), std::string::npos) << codes;
}

}  // namespace denoiser_prior_test
}  // namespace terrane
