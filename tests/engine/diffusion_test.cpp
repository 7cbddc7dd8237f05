// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <numbers>
#include <utility>

#include "engine/diffusion/latent.hpp"
#include "engine/diffusion/maps.hpp"
#include "engine/diffusion/moment_match.hpp"
#include "engine/diffusion/process.hpp"
#include "engine/diffusion/snap.hpp"
#include "engine/evaluation/moments.hpp"
#include "kernels/runtime/error.hpp"
#include "tests/engine/diffusion_support.hpp"

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
  const std::string path = testing::TempDir() + "generator.safetensors";
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
  std::filesystem::remove(path);
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

TEST(MapSource, PadsFlipsAndCyclesThroughAllMaps) {
  auto maps = std::make_shared<LabelledMaps>();
  maps->height = maps->width = 2;
  for (int k = 0; k < 5; ++k) {
    const float v = 1500.0F + 500 * static_cast<float>(k);
    maps->values.insert(maps->values.end(), {v, v + 10, v + 20, v + 30});
    maps->family.push_back(k);
  }
  MapOptions o;
  o.height = o.width = 4;
  const BatchSource source = map_source(maps, o);
  const TrainingBatch batch = source(0, 10);
  std::vector<int> first(batch.family.begin(), batch.family.begin() + 5), order = first;
  std::sort(order.begin(), order.end());
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
  EXPECT_NE(first, std::vector<int>(batch.family.begin() + 5, batch.family.end()));
  int flipped = 0;
  for (std::size_t k = 0; k < 10; ++k) {
    const float* y = batch.x.data() + 16 * k;
    const float v = 1500.0F + 500 * static_cast<float>(batch.family[k]);
    const auto value = [](float mps) { return (mps - 3000) / 1500; };
    const bool turned = y[0] != value(v);
    flipped += turned ? 1 : 0;
    EXPECT_EQ(y[0], value(turned ? v + 10 : v));
    EXPECT_EQ(y[5], y[0]);  // the corner is repeated
    EXPECT_EQ(y[6], value(turned ? v : v + 10));
    EXPECT_EQ(y[15], value(turned ? v + 20 : v + 30));
  }
  EXPECT_GT(flipped, 0);
  EXPECT_LT(flipped, 10);
  EXPECT_EQ(source(7, 2).x, std::vector<float>(batch.x.begin() + 7 * 16, batch.x.begin() + 9 * 16));
  EXPECT_EQ(cropped_maps(padded_map(maps->values.data(), 2, 2, o, false), 2, 2, o).size(), 4u);
}

// A plane v = 2000 + 10 z + 4 x changes as its coordinates do, so the four changes can be read off the maps.
TEST(Augmentation, ZoomsTurnsCropsAndWarps) {
  const Index n = 33;
  std::vector<float> plane;
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j < n; ++j) plane.push_back(2000 + 10 * static_cast<float>(i) + 4 * static_cast<float>(j));
  }
  const auto slopes = [&](const std::vector<float>& m) {  // at the middle, where nothing is continued
    const auto at = [&](Index i, Index j) { return static_cast<double>(m[static_cast<std::size_t>(i * n + j)]); };
    return std::pair{(at(18, 16) - at(14, 16)) / 4, (at(16, 18) - at(16, 14)) / 4};
  };
  const auto middle = [&](const std::vector<float>& m) {
    return static_cast<double>(m[static_cast<std::size_t>(16 * n + 16)]);
  };
  EXPECT_EQ(augmented_map(plane.data(), n, n, {}, 3, 0), plane);
  double least = 9, most = 0, turned = 0, moved = 0, warped = 0;
  for (Index k = 0; k < 60; ++k) {
    const auto [z, x] = slopes(augmented_map(plane.data(), n, n, {.scale = 0.2}, 3, k));
    EXPECT_NEAR(z / x, 2.5, 1e-4);  // one zoom for both axes, about the middle
    EXPECT_NEAR(middle(augmented_map(plane.data(), n, n, {.scale = 0.2}, 3, k)), middle(plane), 1e-3);
    least = std::min(least, z);
    most = std::max(most, z);
    const std::vector<float> rotated = augmented_map(plane.data(), n, n, {.rotation_deg = 30}, 3, k);
    const auto [rz, rx] = slopes(rotated);
    EXPECT_NEAR(std::hypot(rz, rx), std::hypot(10.0, 4.0), 1e-2);
    turned = std::max(turned, std::abs(std::atan2(rx, rz) - std::atan2(4.0, 10.0)) * 180 / std::numbers::pi);
    const std::vector<float> part = augmented_map(plane.data(), n, n, {.crop = 0.3}, 3, k);
    const auto [cz, cx] = slopes(part);
    EXPECT_TRUE(cz <= 10 + 1e-3 && cz >= 7 - 1e-3) << cz;
    moved = std::max(moved, std::abs(middle(part) - middle(plane)));
    for (const float v : part) EXPECT_TRUE(v >= plane.front() && v <= plane.back());
    const std::vector<float> bent = augmented_map(plane.data(), n, n, {.elastic_px = 2}, 3, k);
    warped += std::pow(middle(bent) - middle(plane), 2) / 60;
    EXPECT_EQ(bent, augmented_map(plane.data(), n, n, {.elastic_px = 2}, 3, k));
    EXPECT_NE(bent, augmented_map(plane.data(), n, n, {.elastic_px = 2}, 3, k + 1));
  }
  EXPECT_TRUE(least > 10 / 1.2 - 0.01 && least < 8.8) << least;
  EXPECT_TRUE(most < 10 / 0.8 + 0.01 && most > 11.5) << most;
  EXPECT_TRUE(turned > 25 && turned < 30.1) << turned;
  EXPECT_GT(moved, 10);
  // Only p = q = 1 is not zero at the middle: rms of both directions 2 px (2 / warps) = 2 sqrt(100 + 16) m/s.
  EXPECT_NEAR(std::sqrt(warped), 2 * std::hypot(10.0, 4.0), 6);
  EXPECT_THROW(check_augmentation({.crop = 1}), Error);
  EXPECT_THROW(check_augmentation({.elastic_px = -1}), Error);
}

TEST(MapSource, ProceduralSamplesAreFunctionsOfTheirNumber) {
  Stream s{Device{}};
  MapOptions o;
  o.height = o.width = 16;
  o.conditions = {2, true};
  const std::vector<GeologyFamily> families{GeologyFamily{0}, GeologyFamily{2}, GeologyFamily{5}};
  const BatchSource source = procedural_source(s, families, 14, 4, o);
  const TrainingBatch all = source(0, 20), part = source(7, 6);
  EXPECT_EQ(part.x, std::vector<float>(all.x.begin() + 7 * 256, all.x.begin() + 13 * 256));
  EXPECT_EQ(part.family, std::vector<int>(all.family.begin() + 7, all.family.begin() + 13));
  EXPECT_EQ(part.condition, std::vector<float>(all.condition.begin() + 7 * 768, all.condition.begin() + 13 * 768));
  EXPECT_EQ(std::vector<int>(all.family.begin(), all.family.begin() + 4), (std::vector<int>{0, 1, 2, 0}));
  // Wells carry the map's own values; reflectivity is at most 1.
  Index wells = 0;
  for (std::size_t p = 0; p < 256; ++p) {
    if (all.condition[3 * p] == 1) {
      ++wells;
      EXPECT_EQ(all.condition[3 * p + 1], all.x[p]);
    }
    EXPECT_LE(std::abs(all.condition[3 * p + 2]), 1);
  }
  EXPECT_TRUE(wells == 32 || wells == 16);
}

TEST(Snap, FindsTheLayersOfANoisyMap) {
  Stream s{Device{}};
  const Random random(2, RandomPurpose::test);
  std::vector<float> maps;
  for (std::uint64_t k = 0; k < 200; ++k) {
    const float layer = k < 70 ? 1600.0F : k < 130 ? 2200.0F : 3900.0F;
    maps.push_back(layer + static_cast<float>(8 * random.normal(k)));
  }
  maps.insert(maps.end(), 200, 2750.0F);
  snap_layers(s, maps, 200, 20);
  for (std::size_t k = 0; k < 200; ++k) {
    EXPECT_NEAR(maps[k], k < 70 ? 1600 : k < 130 ? 2200 : 3900, 4);
    EXPECT_EQ(maps[k], std::round(maps[k]));
    EXPECT_EQ(maps[k], maps[k < 70 ? 0 : k < 130 ? 70 : 130]);
    EXPECT_EQ(maps[200 + k], 2750);
  }
  EXPECT_THROW(snap_layers(s, maps, 200, 20, {.most = 0}), Error);
  maps[3] = std::nanf("");
  EXPECT_THROW(snap_layers(s, maps, 200, 20), Error);
  EXPECT_THROW(sort_downwards(s, maps, 200, 20), Error);
}

// Two layers in four columns, the edge blurred over two rows of which one has the value of a third layer elsewhere:
// with runs of five rows the edge is one step, at the row that errs least; the layer that the map cuts may be thin.
TEST(Snap, MakesOneStepOfABlurredEdge) {
  Stream s{Device{}};
  const Index depth = 12, columns = 4;
  std::vector<float> map(48);
  for (Index z = 0; z < depth; ++z) {
    for (Index x = 0; x < columns; ++x) {
      const float steps[] = {z < 5   ? 1500.0F
                             : z < 7 ? 2200.0F
                                     : 3000.0F,
                             z < 1 ? 1500.0F : 2210.0F,
                             z < 6   ? 1500.0F
                             : z < 7 ? 2600.0F
                                     : 3000.0F,
                             z < 3   ? 1500.0F
                             : z < 9 ? 2190.0F
                                     : 3000.0F};
      map[static_cast<std::size_t>(z * columns + x)] = steps[x];
    }
  }
  std::vector<float> plain = map, runs = map;
  snap_layers(s, plain, 48, depth, {.most = 3, .penalty_mps2 = 0});
  snap_layers(s, runs, 48, depth, {.most = 3, .penalty_mps2 = 0, .least_rows = 5});
  const auto column = [&](const std::vector<float>& m, Index x) {
    std::vector<int> rows{0, 0, 0};  // of the three values
    for (Index z = 0; z < depth; ++z) {
      const float v = m[static_cast<std::size_t>(z * columns + x)];
      ++rows[v < 1800 ? 0 : v < 2500 ? 1 : 2];
    }
    return rows;
  };
  EXPECT_EQ(column(plain, 0), (std::vector<int>{5, 2, 5}));
  EXPECT_EQ(column(runs, 0), (std::vector<int>{7, 0, 5}));  // 2200 is nearer to 1500 than to 3000
  EXPECT_EQ(column(runs, 1), (std::vector<int>{1, 11, 0}));
  EXPECT_EQ(column(runs, 2), (std::vector<int>{6, 0, 6}));
  EXPECT_EQ(column(runs, 3), (std::vector<int>{3, 6, 3}));
  EXPECT_THROW(snap_layers(s, map, 48, 5), Error);
  EXPECT_THROW(snap_layers(s, map, 48, 12, {.least_rows = 0}), Error);
}

TEST(Snap, SortsEveryColumnAndKeepsItsValues) {
  for (const int threads : {1, 2}) {
    StreamOptions with;
    with.threads = threads;
    Stream s(Device{}, with);
    std::vector<float> maps{3, 1, 2, 6,  //
                            1, 5, 2, 4,  //
                            2, 9, 2, 5,  //
                            7, 7, 1, 0,  //
                            8, 6, 1, 1,  //
                            9, 5, 0, 2};
    sort_downwards(s, maps, 12, 3);
    EXPECT_EQ(maps, (std::vector<float>{1, 1, 2, 4,  //
                                        2, 5, 2, 5,  //
                                        3, 9, 2, 6,  //
                                        7, 5, 0, 0,  //
                                        8, 6, 1, 1,  //
                                        9, 7, 1, 2}));
    EXPECT_THROW(sort_downwards(s, maps, 12, 5), Error);
  }
}

// Codes that are two points with a little noise: the flow learns them, the decoder makes maps of them.
TEST(LatentFlow, DrawsCodesOfTheTrainingDistribution) {
  Stream s{Device{}};
  AutoDecoder decoder;
  decoder.shape = {.dims = 2, .code = 3, .width = 8, .hidden = 1};
  const Random random(3, RandomPurpose::test);
  for (Index k = 0; k < decoder.shape.parameters(); ++k) {
    decoder.parameters.push_back(static_cast<float>(0.1 * random.normal(static_cast<std::uint64_t>(k))));
  }
  std::vector<int> family;
  for (std::uint64_t k = 0; k < 100; ++k) {
    family.push_back(static_cast<int>(k % 2));
    for (std::uint32_t c = 0; c < 3; ++c) {
      decoder.training_codes.push_back(
          static_cast<float>((k % 2 == 0 ? 5.0 : -3.0) + c + 0.2 * random.normal(k, c + 1)));
    }
  }
  decoder.statistics = code_statistics(decoder.training_codes, 3);
  const Denoiser network = code_network(decoder.shape, {.width = 32, .blocks = 1, .families = 2});
  const Generator prototype = latent_prototype(decoder, network);
  DiffusionTrainOptions o = mixture_options(400);
  o.batch = 64;
  DiffusionTrainer trainer(s, prototype, o, code_source(decoder, prototype, family));
  for (int k = 0; k < 400; ++k) trainer.step();
  const Generator g = trainer.generator();
  const SamplerOptions sampler{SamplerKind::heun, 10};
  const std::vector<int> asked{0, 0, 0, 1, 1, 1};
  const std::vector<float> z = sample_codes(s, g, decoder, sampler, 5, 0, 6, {asked, {}});
  for (std::size_t k = 0; k < 6; ++k) EXPECT_NEAR(z[3 * k], k < 3 ? 5 : -3, 2) << k;
  // Moments of the samples become those of the codes; nothing else of the generator changes.
  Generator matched = g;
  match_moments(s, matched, decoder, family, sampler, 9, 500);
  ASSERT_TRUE(matched.match.any());
  EXPECT_EQ(matched.match.matrix.size(), 3U * 9);
  const auto moments = [&](const Generator& of, int row, std::uint64_t seed) {
    const std::vector<float> drawn =
        sample_codes(s, of, decoder, sampler, seed, 0, 500, {std::vector<int>(500, row), {}});
    return moments_of(s, {3, {drawn.begin(), drawn.end()}});
  };
  for (int row = -1; row < 2; ++row) {
    Features own{3, {}};
    for (std::size_t k = 0; k < 100; ++k) {
      if (row >= 0 && family[k] != row) continue;
      for (std::size_t c = 0; c < 3; ++c) own.values.push_back(decoder.training_codes[3 * k + c]);
    }
    const JointMoments is = moments(matched, row, 9), was = moments(g, row, 9), wanted = moments_of(s, own),
                       fresh = moments(matched, row, 10);
    const double size = wanted.covariance[0] + wanted.covariance[4] + wanted.covariance[8];
    for (std::size_t c = 0; c < 3; ++c) EXPECT_NEAR(is.mean[c], wanted.mean[c], 1e-4);
    for (std::size_t c = 0; c < 9; ++c) {
      EXPECT_NEAR(is.covariance[c], wanted.covariance[c], 1e-4 * std::max(1.0, size));  // those it was estimated from
      EXPECT_NEAR(fresh.covariance[c], wanted.covariance[c], 0.5 * size);  // others, and rare ones of the wrong point
    }
    EXPECT_GT(std::abs(was.covariance[0] - wanted.covariance[0]), 1e-3);
  }
  const SamplerOptions guided{.kind = SamplerKind::heun, .steps = 10, .guidance = 2};
  const SamplerOptions fewer{.kind = SamplerKind::heun, .steps = 9};
  for (const SamplerOptions& other : {guided, fewer}) {
    EXPECT_EQ(sample_codes(s, matched, decoder, other, 5, 0, 6, {asked, {}}),
              sample_codes(s, g, decoder, other, 5, 0, 6, {asked, {}}));
  }
  EXPECT_EQ(sample_codes(s, matched, decoder, guided, 5, 0, 6), sample_codes(s, matched, decoder, sampler, 5, 0, 6));
  const std::string file = testing::TempDir() + "matched.safetensors";
  write_generator(file, matched);
  const Generator back = read_generator(file);
  EXPECT_EQ(back.match.shift, matched.match.shift);
  EXPECT_EQ(back.match.matrix, matched.match.matrix);
  EXPECT_EQ(back.match.steps, 10);
  std::string bytes;
  {
    std::ifstream in(file, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  for (const std::vector<float>* part : {&matched.match.shift, &matched.match.matrix}) {
    const std::size_t at = bytes.find(std::string(reinterpret_cast<const char*>(part->data()), 12));
    ASSERT_NE(at, std::string::npos);
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    std::ofstream(file, std::ios::binary) << damaged;
    EXPECT_THROW(read_generator(file), Error);
  }
  EXPECT_THROW(match_moments(s, matched, decoder, {0}, sampler, 9, 500), Error);
  EXPECT_THROW(match_moments(s, matched, decoder, family, sampler, 9, 5), Error);
  match_moments(s, matched, decoder, std::vector<int>(100, -1), sampler, 9, 500);
  EXPECT_EQ(matched.match.matrix[0], 1);  // a family without codes
  AutoDecoder longer = decoder;
  ++longer.shape.code;
  EXPECT_THROW(sample_codes(s, g, longer, sampler, 5, 0, 6, {asked, {}}), Error);
  EXPECT_THROW(latent_prototype(longer, network), Error);
  EXPECT_THROW(code_source(decoder, prototype, {0}), Error);
  decoder.training_codes.clear();
  EXPECT_THROW(latent_prototype(decoder, network), Error);
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

// Codes on a grid: a gradient across their nodes that the family turns around.
TEST(LatentFlow, DrawsCodesOnAGrid) {
  Stream s(Device{}, {.threads = 1});
  AutoDecoder decoder;
  decoder.shape = {.dims = 2, .code = 32, .width = 8, .hidden = 1, .cells = 4};
  const Random random(3, RandomPurpose::test);
  std::vector<int> family;
  for (std::uint64_t k = 0; k < 64; ++k) {
    family.push_back(static_cast<int>(k % 2));
    for (std::uint32_t c = 0; c < 32; ++c) {  // the second plane is that of zero
      const double slope = c < 16 ? (k % 2 == 0 ? 1.0 : -1.0) * (c % 4 - 1.5) : 0.0;
      decoder.training_codes.push_back(static_cast<float>(slope + 0.1 * random.normal(k, c)));
    }
  }
  decoder.statistics = code_statistics(decoder.training_codes, 32);
  CodeNetwork network{.width = 16, .blocks = 1, .families = 2};
  const Denoiser net = code_network(decoder.shape, network);
  EXPECT_EQ(net.sample_values(), 32);
  const Generator prototype = latent_prototype(decoder, net);
  DiffusionTrainOptions o = mixture_options(500);
  o.batch = 32;
  DiffusionTrainer trainer(s, prototype, o, code_source(decoder, prototype, family));
  for (int k = 0; k < 500; ++k) trainer.step();
  std::vector<int> asked(16, 0);
  std::fill(asked.begin() + 8, asked.end(), 1);
  const std::vector<float> z =
      sample_codes(s, trainer.generator(), decoder, {SamplerKind::heun, 8}, 5, 0, 16, {asked, {}});
  double mean[2] = {0, 0};
  for (std::size_t k = 0; k < 16; ++k) {
    double across = 0;
    for (std::size_t r = 0; r < 4; ++r) across += static_cast<double>(z[32 * k + 4 * r + 3] - z[32 * k + 4 * r]) / 4;
    EXPECT_GT(k < 8 ? across : -across, 0.5) << k;
    mean[k / 8] += across / 8;
  }
  EXPECT_NEAR(mean[0], 3, 0.8);
  EXPECT_NEAR(mean[1], -3, 0.8);
  // Wells and reflectivity are images on the nodes.
  network.conditions = {1, true};
  EXPECT_EQ(code_network(decoder.shape, network).condition_values(), 3 * 16);
  decoder.shape.dims = 3;
  EXPECT_THROW(code_network(decoder.shape, network), Error);
}

}  // namespace diffusion_test
}  // namespace terrane
