// SPDX-License-Identifier: MIT
// Wells and reflectivity as conditions: both layouts, files, a network that follows its condition.
#include "engine/diffusion/conditions.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/io/file.hpp"
#include "engine/io/npy.hpp"
#include "kernels/runtime/error.hpp"
#include "tests/engine/diffusion_support.hpp"
#include "tests/support/test_folder.hpp"

namespace terrane {
namespace conditions_test {

constexpr Index size = 14;

std::vector<float> model() {
  std::vector<float> v;
  for (Index i = 0; i < size * size; ++i) {
    v.push_back(1600 + 150 * static_cast<float>(i / size / 3) + 10 * static_cast<float>(i % size));
  }
  return v;
}

TEST(Conditions, PixelsAreThoseOfTheTraining) {
  const ConditionLayout layout{{2, true}, size, 16, false};
  MapOptions options;
  options.height = options.width = 16;
  options.conditions = layout.kinds;
  const std::vector<float> v = model(), padded = padded_map(v.data(), size, size, options, false);
  const std::vector<float> expected = map_condition(padded, {3 + 1, 11 + 1}, options);
  const std::vector<float> got = condition_values(layout, conditions_of(v.data(), layout, {3, 11}));
  ASSERT_EQ(got.size(), expected.size());
  ASSERT_EQ(static_cast<Index>(got.size()), layout.values());
  for (std::size_t k = 0; k < got.size(); ++k) EXPECT_NEAR(got[k], expected[k], 2e-6) << k;
  EXPECT_EQ(layout.groups(), (std::vector<Index>{2, 1}));
}

TEST(Conditions, CodesSeeACoarserImage) {
  const ConditionLayout layout{{1, true}, size, 7, true};
  std::vector<float> v(size * size, 2000);
  for (Index i = 9 * size; i < size * size; ++i) v[static_cast<std::size_t>(i)] = 3000;  // one interface, above row 9
  const std::vector<float> c = condition_values(layout, conditions_of(v.data(), layout, {5}));
  ASSERT_EQ(c.size(), 3 * 49U);
  EXPECT_EQ(layout.groups(), (std::vector<Index>{98, 49}));
  for (Index i = 0; i < 7; ++i) {
    for (Index j = 0; j < 7; ++j) {
      const auto k = static_cast<std::size_t>(i * 7 + j);
      EXPECT_EQ(c[k], j == 2 ? 1 : 0);
      // Pixel 2 i + 1 of the well.
      EXPECT_EQ(c[49 + k], j == 2 ? map_value(i >= 4 ? 3000 : 2000) : 0);
      EXPECT_EQ(c[98 + k], i == 4 ? 1 : 0);  // rows 8 and 9 hold the contrast of row 8
    }
  }
  EXPECT_THROW(condition_values({{0, true}, size, 7, true}, conditions_of(v.data(), layout, {5})), Error);
  ModelConditions small;
  small.reflectivity.assign(9, 0.0F);
  EXPECT_THROW(condition_values(layout, small), Error);
}

TEST(Conditions, Files) {
  const TestFolder folder;
  const std::string path = folder / "wells";
  const auto refused = [&](const std::string& text) {
    write_file_atomic(path, text);
    try {
      read_wells(path, size, 700);
    } catch (const Error& e) {
      return std::to_string(static_cast<int>(e.code())) + " " + e.message();
    }
    return std::string("accepted");
  };
  write_file_atomic(path, "# x z vp\n660, 25, 2000\n660 125 3000\n10\t300 1800 # the other\n");
  const auto wells = read_wells(path, size, 700);
  ASSERT_EQ(wells.size(), 2U);
  EXPECT_EQ(wells[0].column, 0);
  EXPECT_EQ(wells[1].column, 13);
  for (const float v : wells[0].vp_mps) EXPECT_EQ(v, 1800);
  const float expected[] = {2000, 2500, 3000, 3000};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(wells[1].vp_mps[i], expected[i], 1e-3);
  EXPECT_NE(refused("10 20 2000\n10 20\n").find(":2: a line of a well has three numbers"), std::string::npos);
  EXPECT_NE(refused("710 20 2000\n").find("outside the model"), std::string::npos);
  EXPECT_NE(refused("10 20 2000\n10 20 2100\n").find(":2: the well has two values"), std::string::npos);
  EXPECT_NE(refused("10 20 -5\n").find("positive"), std::string::npos);
  EXPECT_EQ(refused("# nothing\n").rfind("3 ", 0), 0U);
  write_npy(path, {2, 2}, std::vector<float>{0, -4, 2, 1}.data());
  EXPECT_EQ(read_reflectivity(path, 2), (std::vector<float>{0, -1, 0.5, 0.25}));
  EXPECT_THROW(read_reflectivity(path, 3), Error);
}

// x_0 = condition + 0.1 N(0, 1): samples lie where they are told to, without a condition anywhere.
TEST(Conditions, ACodeFollowsItsCondition) {
  ResidualMlpShape shape;
  shape.values = shape.condition = 2;
  shape.width = 64;
  shape.blocks = 2;
  const Generator prototype{Denoiser(shape), {Process::flow}, {}, {0}, {1}, {}};
  const BatchSource source = [](Index first, Index count) {
    const Random random(8, RandomPurpose::test);
    TrainingBatch b;
    for (Index k = first; k < first + count; ++k) {
      for (std::uint32_t c = 0; c < 2; ++c) {
        const double told = random.uniform(static_cast<std::uint64_t>(k), c, -1, 1);
        b.condition.push_back(static_cast<float>(told));
        b.x.push_back(static_cast<float>(told + 0.1 * random.normal(static_cast<std::uint64_t>(k), c + 2)));
      }
    }
    return b;
  };
  Stream s{Device{}};
  DiffusionTrainer trainer(s, prototype, mixture_options(500), source);
  while (trainer.steps_done() < 500) trainer.step();
  const Generator g = trainer.generator();
  for (const auto& told : {std::array<float, 2>{0.6F, -0.3F}, std::array<float, 2>{-0.5F, 0.5F}}) {
    SampleConditions conditions;
    for (int k = 0; k < 200; ++k) conditions.condition.insert(conditions.condition.end(), told.begin(), told.end());
    const std::vector<float> x = sample(s, g, {SamplerKind::heun, 12}, 1, 0, 200, conditions);
    for (std::size_t c = 0; c < 2; ++c) {
      std::vector<float> part;
      for (std::size_t k = c; k < x.size(); k += 2) part.push_back(x[k]);
      const Moments m = moments(part);
      EXPECT_NEAR(m.mean, told[c], 0.1);
      EXPECT_LT(std::sqrt(m.variance), 0.25);
    }
  }
  const Moments free = moments(sample(s, g, {SamplerKind::heun, 12}, 1, 0, 200));
  EXPECT_GT(std::sqrt(free.variance), 0.4);
}

}  // namespace conditions_test
}  // namespace terrane
