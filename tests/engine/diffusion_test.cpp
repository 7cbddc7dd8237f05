// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "engine/diffusion/process.hpp"
#include "kernels/runtime/error.hpp"
#include "tests/engine/diffusion_support.hpp"
#include "tests/support/test_folder.hpp"

namespace terrane {
namespace diffusion_test {

TEST(NoiseSchedule, AbarIsTheProductOfOneMinusBeta) {
  const NoiseSchedule linear = NoiseSchedule::linear(1000);
  EXPECT_DOUBLE_EQ(linear.beta(0), 1e-4);
  EXPECT_DOUBLE_EQ(linear.beta(999), 0.02);
  double logarithm = 0;
  for (Index t = 0; t < 1000; ++t) logarithm += std::log1p(-linear.beta(t));
  EXPECT_NEAR(std::log(linear.abar(999)), logarithm, 1e-10);
  EXPECT_NEAR(linear.abar(999), 4.0358e-5, 1e-9);  // of the published schedule
  const NoiseSchedule cosine = NoiseSchedule::cosine(100);
  const auto g = [](double t) { return std::pow(std::cos((t + 0.008) / 1.008 * std::acos(-1.0) / 2), 2); };
  for (Index t = 0; t < 99; ++t) EXPECT_NEAR(cosine.abar(t), g(static_cast<double>(t + 1) / 100) / g(0), 1e-12);
  EXPECT_DOUBLE_EQ(cosine.beta(99), 0.999);
  EXPECT_DOUBLE_EQ(cosine.abar(-1), 1);
}

TEST(NoiseSchedule, ForwardStepsHaveTheStatedMoments) {
  const NoiseSchedule schedule = NoiseSchedule::linear(50, 1e-3, 0.1);
  const Index n = 20000;
  const Random random(5, RandomPurpose::test);
  std::vector<float> x(static_cast<std::size_t>(n), 1.7F);
  for (Index t = 0; t < 50; ++t) {
    const double keep = std::sqrt(1 - schedule.beta(t)), add = std::sqrt(schedule.beta(t));
    for (Index k = 0; k < n; ++k) {
      float& v = x[static_cast<std::size_t>(k)];
      v = static_cast<float>(keep * v +
                             add * random.normal(static_cast<std::uint64_t>(k), static_cast<std::uint32_t>(t)));
    }
    if (t % 7 != 0) continue;
    const Moments m = moments(x);
    const double variance = 1 - schedule.abar(t), error = std::sqrt(variance / static_cast<double>(n));
    EXPECT_NEAR(m.mean, std::sqrt(schedule.abar(t)) * 1.7, 4 * error) << t;
    EXPECT_NEAR(m.variance, variance, 4 * variance * std::sqrt(2.0 / static_cast<double>(n))) << t;
  }
}

// By Bayes: q(x_{t-1} | x_t, x_0) is proportional to N(x_t; sqrt(alpha) x_{t-1}, beta) N(x_{t-1}; sqrt(abar) x_0, 1 -
// abar).
TEST(NoiseSchedule, PosteriorIsThatOfTheProductOfGaussians) {
  EXPECT_EQ(NoiseSchedule::named("linear", 1000).abar(500), NoiseSchedule::linear(1000).abar(500));
  for (const char* name : {"linear", "cosine"}) {
    const NoiseSchedule schedule = NoiseSchedule::named(name, 200);
    for (Index t = 1; t < 200; t += 11) {
      const double beta = schedule.beta(t), before = schedule.abar(t - 1);
      const double precision = (1 - beta) / beta + 1 / (1 - before);
      const NoiseSchedule::Posterior p = schedule.posterior(t);
      EXPECT_NEAR(p.variance * precision, 1, 1e-10);
      EXPECT_NEAR(p.from_state, std::sqrt(1 - beta) / beta / precision, 1e-10);
      EXPECT_NEAR(p.from_data, std::sqrt(before) / (1 - before) / precision, 1e-10);
    }
    EXPECT_EQ(schedule.posterior(0).variance, 0);
    EXPECT_NEAR(schedule.posterior(0).from_data, 1, 1e-12);
  }
}

// One ancestral step from x_t with a known x_0' is the posterior's mean plus its deviation times the noise.
TEST(Samplers, AncestralStepIsThePosterior) {
  Stream s{Device{}};
  const ProcessOptions process{Process::ddpm, "cosine", 2};
  const NoiseSchedule schedule = NoiseSchedule::cosine(2);
  const Index n = 64;
  std::vector<float> seen[2];
  const DenoiseFunction f = [&](const float* x, double t, float* y) {
    seen[static_cast<std::size_t>(t)].assign(x, x + n);
    for (Index k = 0; k < n; ++k) {  // the noise for which x_0' = 0.4
      const auto at = static_cast<Index>(t);
      y[k] = static_cast<float>((x[k] - std::sqrt(schedule.abar(at)) * 0.4) / std::sqrt(1 - schedule.abar(at)));
    }
  };
  const std::vector<float> end = sample_with(s, f, process, SamplerOptions{SamplerKind::ancestral, 2}, 9, 0, n, 1);
  const NoiseSchedule::Posterior p = schedule.posterior(1);
  std::vector<float> noise;
  for (std::size_t k = 0; k < n; ++k) {
    noise.push_back(
        static_cast<float>((seen[0][k] - p.from_data * 0.4 - p.from_state * seen[1][k]) / std::sqrt(p.variance)));
    EXPECT_NEAR(end[k], 0.4, 1e-5);
  }
  EXPECT_NEAR(moments(noise).variance, 1, 4 * std::sqrt(2.0 / n));
}

TEST(Samplers, RecoverAKnownGaussian) {
  Stream s{Device{}};
  const Index n = 20000;
  const double mean = 0.7, deviation = 0.5;
  struct Row {
    ProcessOptions process;
    SamplerOptions sampler;
  };
  const Row rows[] = {{{Process::ddpm, "linear", 1000}, {SamplerKind::ancestral, 1000}},
                      {{Process::ddpm, "cosine", 500}, {SamplerKind::ancestral, 500}},
                      {{Process::ddpm, "linear", 1000}, {SamplerKind::ddim, 200}},
                      {{Process::ddpm, "linear", 1000}, {SamplerKind::ddim, 200, 0.5}},
                      {{Process::flow}, {SamplerKind::euler, 400}},
                      {{Process::flow}, {SamplerKind::heun, 30}}};
  for (const Row& r : rows) {
    const std::vector<float> x =
        sample_with(s, gaussian_denoiser(r.process, mean, deviation, n), r.process, r.sampler, 1, 0, n, 1);
    const Moments m = moments(x);
    // Monte-Carlo error at four deviations; a sampler's own error is below it at these numbers of steps.
    EXPECT_NEAR(m.mean, mean, 4 * deviation / std::sqrt(static_cast<double>(n)));
    EXPECT_NEAR(m.variance / (deviation * deviation), 1, 4 * std::sqrt(2.0 / static_cast<double>(n)) + 0.005);
  }
}

TEST(Samplers, OrdersOfEulerAndHeun) {
  Stream s{Device{}};
  const Index n = 200;
  const ProcessOptions process{Process::flow};
  const DenoiseFunction f = gaussian_denoiser(process, 0.7, 0.5, n);
  // The flow of a Gaussian is x_1 = mean + deviation x_0.
  const auto error = [&](SamplerKind kind, Index steps) {
    const std::vector<float> end = sample_with(s, f, process, {kind, steps}, 1, 0, n, 1);
    const std::vector<float> start = sample_with(
        s, [n](const float*, double, float* y) { std::fill_n(y, n, 0.0F); }, process, {SamplerKind::euler, 1}, 1, 0, n,
        1);
    double sum = 0;
    for (std::size_t k = 0; k < end.size(); ++k) sum += std::pow(end[k] - (0.7 + 0.5 * start[k]), 2);
    return std::sqrt(sum / static_cast<double>(n));
  };
  EXPECT_NEAR(std::log2(error(SamplerKind::euler, 32) / error(SamplerKind::euler, 64)), 1, 0.15);
  EXPECT_NEAR(std::log2(error(SamplerKind::heun, 16) / error(SamplerKind::heun, 32)), 2, 0.3);
}

TEST(Samplers, AreCheckedAgainstTheProcess) {
  EXPECT_THROW(check_sampler({SamplerKind::heun, 4}, {Process::ddpm}), Error);
  EXPECT_THROW(check_sampler({SamplerKind::ddim, 4}, {Process::flow}), Error);
  EXPECT_THROW(check_sampler({SamplerKind::ddim, 2000}, {Process::ddpm, "linear", 1000}), Error);
  EXPECT_THROW(sampler_of("rk4"), Error);
  EXPECT_EQ(sampling_times(1000, 4), (std::vector<Index>{999, 749, 499, 249}));
  EXPECT_EQ(sampling_times(3, 3), (std::vector<Index>{2, 1, 0}));
}

TEST(Denoiser, PresetsHaveTheirNumberOfWeights) {
  EXPECT_EQ(Denoiser::preset("ddpm-2dseisvel").parameters(), 28444929);
  EXPECT_LE(Denoiser::preset("reduced-32").parameters(), 3000000);
  const Denoiser d = Denoiser::preset("reduced-32");
  EXPECT_EQ(Denoiser::from_json(d.to_json()).kind(), d.kind());
  EXPECT_THROW(Denoiser::preset("other"), Error);
  UnetShape bad;
  bad.height = 70;
  EXPECT_THROW(Denoiser{bad}, Error);
  EXPECT_THROW(Denoiser::from_json({{"type", "vit"}}), Error);
}

// The learnt score: shares, means and deviations of both parts of the mixture.
void expect_mixture(const std::vector<float>& x, double share_tolerance) {
  const auto n = static_cast<Index>(x.size()) / 2;
  double count = 0, mean[2][2] = {}, square[2][2] = {};
  for (Index k = 0; k < n; ++k) {
    const float* p = x.data() + 2 * k;
    const int part = p[0] < -0.2F ? 0 : 1;
    count += part == 0 ? 1 : 0;
    for (int c = 0; c < 2; ++c) {
      mean[part][c] += p[c];
      square[part][c] += p[c] * static_cast<double>(p[c]);
    }
  }
  EXPECT_NEAR(count / static_cast<double>(n), mixture_share, share_tolerance);
  const double center[2][2] = {{-1.2, 0.5}, {0.8, -0.4}}, spread[2] = {0.3, 0.25};
  for (int part = 0; part < 2; ++part) {
    const double size = part == 0 ? count : static_cast<double>(n) - count;
    for (int c = 0; c < 2; ++c) {
      const double m = mean[part][c] / size, deviation = std::sqrt(square[part][c] / size - m * m);
      // Four deviations of the Monte-Carlo error, and what a network trained for seconds misses.
      EXPECT_NEAR(m, center[part][c], 4 * spread[c] / std::sqrt(size) + 0.01) << part << " " << c;
      EXPECT_NEAR(deviation / spread[c], 1, 4 / std::sqrt(2 * size) + 0.1) << part << " " << c;
    }
  }
}

TEST(DiffusionTrainer, LearnsAMixtureByDdpmAndDdim) {
  Stream s(Device{}, {.threads = 1});  // small products
  DiffusionTrainer trainer(s, mixture_prototype(Process::ddpm), mixture_options(1200), mixture_source(11, false));
  for (Index k = 0; k < 1200; ++k) trainer.step();
  const Generator g = trainer.generator();
  // A network that has never seen values far outside misjudges the few samples that stray there: x_0' is limited.
  expect_mixture(sample(s, g, {SamplerKind::ancestral, 200, 0, 1, 2.5}, 21, 0, 2000, {}, 1000), 0.045);
  expect_mixture(sample(s, g, {SamplerKind::ddim, 50, 0, 1, 2.5}, 22, 0, 2000, {}, 1000), 0.045);
}

TEST(DiffusionTrainer, LearnsAMixtureByFlowWithConditions) {
  Stream s(Device{}, {.threads = 1});  // small products
  DiffusionTrainer trainer(s, mixture_prototype(Process::flow, 2), mixture_options(1200), mixture_source(11, true));
  for (Index k = 0; k < 1200; ++k) trainer.step();
  const Generator g = trainer.generator();
  const Index n = 4000;
  expect_mixture(sample(s, g, {SamplerKind::heun, 20}, 23, 0, n, {}, 1000), 0.04);
  for (const double guidance : {1.0, 2.0}) {
    for (const int family : {0, 1}) {
      SamplerOptions o{SamplerKind::heun, 20};
      o.guidance = guidance;
      const std::vector<float> x = sample(s, g, o, 24, 0, 500, {std::vector<int>(500, family), {}}, 500);
      Index right = 0;
      for (Index k = 0; k < 500; ++k) right += (x[static_cast<std::size_t>(2 * k)] < -0.2F) == (family == 0) ? 1 : 0;
      EXPECT_GE(right, 490) << family << " " << guidance;
    }
  }
  EXPECT_THROW(sample(s, g, {SamplerKind::heun, 2}, 0, 0, 1, {{2}, {}}), Error);
  EXPECT_THROW(sample(s, g, {SamplerKind::heun, 2}, 0, 0, 2, {{1}, {}}), Error);
}

UnetShape small_unet() {
  UnetShape f;
  f.height = f.width = 8;
  f.channels = {8, 16};
  f.attention = {false, true};
  f.groups = 4;
  f.head_channels = 8;
  f.families = 3;
  f.channels_condition = 3;
  f.blocks = 1;
  return f;
}
Generator small_generator() {
  Generator g{Denoiser(small_unet()), {Process::flow}, {}, {3000}, {1500}, {"a", "b", "c"}};
  g.parameters = g.network.initial_parameters(4);
  return g;
}

TEST(Generator, ASampleDependsNeitherOnItsBatchNorOnThreads) {
  const Generator g = small_generator();
  SamplerOptions o{SamplerKind::heun, 3};
  o.guidance = 1.5;
  SampleConditions conditions{{0, 1, 2, -1, 1}, {}};
  const Random random(8, RandomPurpose::test);
  for (std::uint64_t k = 0; k < 5 * 192; ++k) conditions.condition.push_back(static_cast<float>(random.normal(k)));
  Stream s1(Device{}, {.threads = 1}), s2(Device{}, {.threads = 2});
  const std::vector<float> all = sample(s2, g, o, 6, 40, 5, conditions, 5);
  EXPECT_EQ(sample(s1, g, o, 6, 40, 5, conditions, 2), all);
  const SampleConditions third{{2}, {conditions.condition.begin() + 2 * 192, conditions.condition.begin() + 3 * 192}};
  const std::vector<float> alone = sample(s1, g, o, 6, 42, 1, third, 1);
  EXPECT_EQ(alone, std::vector<float>(all.begin() + 2 * 64, all.begin() + 3 * 64));
}

TEST(Generator, FilesAreReadBackAndChecked) {
  const TestFolder folder;
  const std::string path = folder / "generator.safetensors";
  const Generator g = small_generator();
  write_generator(path, g);
  const Generator back = read_generator(path);
  EXPECT_EQ(back.parameters, g.parameters);
  EXPECT_EQ(back.network.kind(), g.network.kind());
  EXPECT_EQ(back.process, g.process);
  EXPECT_EQ(back.families, g.families);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(std::filesystem::file_size(path) - 50));
    file.put('\x7f');
  }
  try {
    read_generator(path);
    ADD_FAILURE() << "a changed weight was not noticed";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::data);
    EXPECT_NE(e.message().find(path), std::string::npos);
  }
  write_safetensors(path, {}, {{"kind", "other"}});
  EXPECT_THROW(read_generator(path), Error);
}

TEST(DiffusionTrainer, AResumedTrainingEqualsOneThatWasNeverStopped) {
  Stream s{Device{}};
  MapOptions maps;
  maps.height = maps.width = 8;
  maps.conditions = {1, true};
  const BatchSource source = procedural_source(s, {GeologyFamily{0}, GeologyFamily{1}, GeologyFamily{2}}, 8, 0, maps);
  DiffusionTrainOptions o;
  o.steps = 6;
  o.batch = 3;
  o.accumulate = 2;
  o.warmup = 2;
  o.condition_groups = maps.conditions.groups();
  Generator prototype = small_generator();
  prototype.parameters.clear();
  DiffusionTrainer whole(s, prototype, o, source), first(s, prototype, o, source), second(s, prototype, o, source);
  for (int k = 0; k < 6; ++k) whole.step();
  for (int k = 0; k < 2; ++k) first.step();
  second.restore(first.state());
  EXPECT_EQ(second.steps_done(), 2);
  for (int k = 2; k < 6; ++k) second.step();
  EXPECT_EQ(second.state(), whole.state());
  EXPECT_EQ(second.generator().parameters, whole.generator().parameters);
  TensorMap other = whole.state();
  other["counts"] = Tensor({2}, std::vector<std::int64_t>{6, 99});
  EXPECT_THROW(second.restore(other), Error);
  o.condition_groups = {1, 1};
  EXPECT_THROW(DiffusionTrainer(s, prototype, o, source), Error);
}

// Rounded factors inside the blocks move the loss a little on a GPU, and nothing elsewhere.
TEST(DiffusionTrainer, PrecisionOfTheBlocks) {
  Generator prototype = small_generator();
  prototype.parameters.clear();
  for_each_device([&](Stream& s) {
    const bool gpu = runs_gpu_code(s);
    MapOptions maps;
    maps.height = maps.width = 8;
    maps.conditions = {1, true};
    std::vector<double> loss;
    for (const auto precision : {FactorPrecision::full, FactorPrecision::tf32, FactorPrecision::bf16}) {
      DiffusionTrainOptions o;
      o.steps = 6;
      o.batch = 3;
      o.warmup = 2;
      o.precision = precision;
      DiffusionTrainer trainer(
          s, prototype, o, procedural_source(s, {GeologyFamily{0}, GeologyFamily{1}, GeologyFamily{2}}, 8, 0, maps));
      trainer.step();
      loss.push_back(trainer.step().loss);
    }
    EXPECT_NEAR(loss[1], loss[0], 2e-3 * loss[0]);
    EXPECT_NEAR(loss[2], loss[0], 3e-2 * loss[0]);
    EXPECT_EQ(loss[1] != loss[0], gpu);
    EXPECT_EQ(loss[2] != loss[0], gpu);
  });
}

// Planes (channels, height, width) and pixels with channels: the same network on the same numbers in another order.
TEST(Denoiser, OfPlanesIsThatOfPixels) {
  UnetShape shape;
  shape.height = shape.width = 4;
  shape.channels_data = 3;
  shape.channels_condition = 2;
  shape.channels = {8, 8};
  shape.attention = {false, false};
  shape.blocks = 1;
  shape.groups = 4;
  const Denoiser pixels(shape);
  shape.planar = true;
  const Denoiser planes(shape);
  EXPECT_EQ(planes.parameters(), pixels.parameters());
  EXPECT_EQ(Denoiser::from_json(planes.to_json()).kind(), planes.kind());
  constexpr Index batch = 2, n = 16;
  const Random random(12, RandomPurpose::test);
  const auto values = [&](Index channels, std::uint32_t draw) {
    std::vector<float> v;
    for (Index k = 0; k < batch * channels * n; ++k) {
      v.push_back(static_cast<float>(random.normal(static_cast<std::uint64_t>(k), draw)));
    }
    return v;
  };
  const auto as_planes = [](const std::vector<float>& v, Index channels) {
    std::vector<float> out(v.size());
    for (Index b = 0; b < batch; ++b) {
      for (Index p = 0; p < n; ++p) {
        for (Index c = 0; c < channels; ++c) {
          out[static_cast<std::size_t>((b * channels + c) * n + p)] =
              v[static_cast<std::size_t>((b * n + p) * channels + c)];
        }
      }
    }
    return out;
  };
  const std::vector<float> x = values(3, 0), condition = values(2, 1);
  for_each_device([&](Stream& s) {
    const auto answer = [&](const Denoiser& network, const std::vector<float>& in, const std::vector<float>& told) {
      Tape<float> tape(s);
      const Var theta = tape.input({network.parameters()}, "theta");
      tape.set(theta, network.initial_parameters(3));
      DenoiserInputs d;
      d.x = tape.input(network.sample_shape(batch), "x");
      d.time = tape.input({batch, 1}, "time");
      d.condition = tape.input(network.condition_shape(batch), "condition");
      tape.set(d.x, in);
      tape.set(d.time, {20, 700});
      tape.set(d.condition, told);
      const Var y = network.record(tape, theta, d, batch);
      tape.forward();
      return tape.get(y);
    };
    EXPECT_EQ(answer(planes, as_planes(x, 3), as_planes(condition, 2)), as_planes(answer(pixels, x, condition), 3));
  });
}

}  // namespace diffusion_test
}  // namespace terrane
