// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cmath>

#include "engine/diffusion/latent.hpp"
#include "engine/diffusion/moment_match.hpp"
#include "engine/evaluation/moments.hpp"
#include "kernels/runtime/error.hpp"
#include "tests/engine/diffusion_support.hpp"
#include "tests/support/test_folder.hpp"

namespace terrane {
namespace diffusion_test {

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
  const TestFolder folder;
  const std::string file = folder / "matched.safetensors";
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
