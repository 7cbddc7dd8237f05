// SPDX-License-Identifier: MIT
// Pixels as means over points: coordinates, the mean and its adjoint, training, codes and files.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/compression/code_encoder.hpp"
#include "engine/compression/code_file.hpp"
#include "engine/compression/code_polish.hpp"
#include "engine/compression/components.hpp"
#include "engine/compression/pixel_mean.hpp"
#include "kernels/runtime/error.hpp"
#include "kernels/runtime/random.hpp"

namespace terrane {
namespace code_pixels_test {

constexpr Index side = 16, fine = 64;

// Two layers with an interface of a tenth of a pixel of the coarse grid, at a depth of its own for every model.
ModelSet layers(Index count, Index n, Index first = 0) {
  const Random random(4, RandomPurpose::test);
  ModelSet set{.extent = {n, 1, n}, .values = {}};
  for (Index k = first; k < first + count; ++k) {
    const double depth = random.uniform(static_cast<std::uint64_t>(k), 0, 0.3, 0.7);
    for (Index p = 0; p < n * n; ++p) {
      const double z = (static_cast<double>(p / n) + 0.5) / static_cast<double>(n);
      set.values.push_back(static_cast<float>(2500 + 500 * std::tanh(160 * (z - depth))));
    }
  }
  return set;
}

std::vector<float> block_means(const std::vector<float>& maps, Index n, Index q) {
  const auto count = std::ssize(maps) / (n * n * q * q);
  std::vector<float> out;
  for (Index m = 0; m < count; ++m) {
    for (Index p = 0; p < n * n; ++p) {
      double sum = 0;
      for (Index a = 0; a < q; ++a) {
        for (Index b = 0; b < q; ++b) {
          const Index row = p / n * q + a, column = p % n * q + b;
          sum += static_cast<double>(maps[static_cast<std::size_t>((m * n * q + row) * n * q + column)]);
        }
      }
      out.push_back(static_cast<float>(sum / static_cast<double>(q * q)));
    }
  }
  return out;
}

AutoDecoder trained(Stream& s, const ModelSet& set, Index steps) {
  AutoDecoderPreset preset;
  preset.shape = DecoderShape{.dims = 2, .code = 4, .width = 24, .hidden = 3};
  preset.train = TrainOptions{.steps = steps, .batch = 8, .points = 200, .lr_network = 3e-3, .lr_codes = 1e-2};
  AutoDecoderTrainer trainer(s, preset, set, std::array<double, 2>{2000, 3000});
  while (trainer.steps_done() < steps) trainer.step();
  return trainer.decoder();
}

TEST(CodePixels, SamplesAreThePointsOfTheFinerGrid) {
  const DecoderWindow window{.extent = {3, 1, 2}, .samples = samples_each(4)}, finer{.extent = {12, 1, 8}};
  EXPECT_EQ(window.samples_a_pixel(2), 16);
  const std::vector<float> a = window_coordinates(window, 2), b = window_coordinates(finer, 2);
  ASSERT_EQ(a.size(), b.size());
  std::size_t at = 0;
  for (Index p = 0; p < 6; ++p) {
    for (Index q = 0; q < 16; ++q, at += 2) {
      const auto from = static_cast<std::size_t>(2 * ((p / 2 * 4 + q / 4) * 8 + p % 2 * 4 + q % 4));
      EXPECT_EQ(a[at], b[from]);
      EXPECT_EQ(a[at + 1], b[from + 1]);
    }
  }
  const DecoderWindow volume{.extent = {2, 3, 2}, .samples = samples_each(2)};
  EXPECT_EQ(volume.samples_a_pixel(3), 8);
  EXPECT_EQ(window_coordinates(volume, 3).size(), 12U * 8 * 3);
}

TEST(CodePixels, MeanAndAdjoint) {
  Stream s(Device::parse("cpu"), {.threads = 1});
  const Random random(9, RandomPurpose::test);
  for (const Index q : {1, 4, 9}) {
    constexpr Index n = 7;
    std::vector<float> y, r;
    for (Index k = 0; k < n * q; ++k) y.push_back(static_cast<float>(random.normal(static_cast<std::uint64_t>(k), 1)));
    for (Index k = 0; k < n; ++k) r.push_back(static_cast<float>(random.normal(static_cast<std::uint64_t>(k), 2)));
    PixelMean mean(s, n, q);
    const Buffer<float> y_device = to_device(s, y), r_device = to_device(s, r);
    Buffer<float> p(s, n), e = to_device(s, r), back(s, n * q);
    mean.apply(s, y_device.data(), p.data());
    mean.residual(s, y_device.data(), 0.5F, e.data());
    copy_values(s, CopyValues<float>{mean.adjoint(s, r_device.data()), back.data(), n * q});
    const std::vector<float> means = to_host(s, p), residual = to_host(s, e), spread = to_host(s, back);
    double left = 0, right = 0;
    for (std::size_t k = 0; k < static_cast<std::size_t>(n); ++k) {
      double sum = 0;
      for (std::size_t j = 0; j < static_cast<std::size_t>(q); ++j) {
        sum += static_cast<double>(y[k * static_cast<std::size_t>(q) + j]) / static_cast<double>(q);
      }
      EXPECT_NEAR(means[k], sum, 1e-6);
      EXPECT_NEAR(residual[k], 0.5 * (sum - static_cast<double>(r[k])), 1e-6);
      left += static_cast<double>(means[k]) * static_cast<double>(r[k]);
    }
    for (std::size_t k = 0; k < y.size(); ++k) right += static_cast<double>(y[k]) * static_cast<double>(spread[k]);
    EXPECT_NEAR(left, right, 1e-5);
  }
  EXPECT_THROW(PixelMean(s, 3, 0), Error);
}

// What is decoded as means is the mean of what is decoded at the points.
TEST(CodePixels, DecodedMeans) {
  Stream s(Device::parse("cpu"), {.threads = 1}), shadow(Device::parse("shadow"), {.threads = 1});
  const AutoDecoder d = trained(s, layers(8, 20), 20);
  const std::vector<float> codes(d.training_codes.begin(), d.training_codes.begin() + 8);
  const DecoderWindow window{.extent = {20, 1, 20}, .samples = samples_each(3)};
  const std::vector<float> means = decode_models(s, d, codes, window);
  const std::vector<float> expected = block_means(decode_models(s, d, codes, {.extent = {60, 1, 60}}), 20, 3);
  ASSERT_EQ(means.size(), expected.size());
  for (std::size_t k = 0; k < means.size(); ++k) EXPECT_NEAR(means[k], expected[k], 0.01);
  EXPECT_EQ(decode_models(shadow, d, codes, window), means);
}

// Where in a pixel an interface lies, means over pixels say and values at their centres do not.
TEST(CodePixels, CodesOfMeansKnowWhereAnInterfaceLies) {
  Stream s(Device::parse("cpu"), {.threads = 1}), shadow(Device::parse("shadow"), {.threads = 1});
  const AutoDecoder d = trained(s, layers(32, fine), 900);
  const ModelSet truth = layers(6, fine, 100), points = layers(6, side, 100);
  ModelSet means{.extent = points.extent, .values = block_means(truth.values, side, fine / side), .samples = 4};
  CodeSearch search{.steps = 150, .points = 256, .lr = 2e-2};
  const auto psnr = [&](const std::vector<float>& codes) {
    return mean_psnr_full(decode_models(s, d, codes, {.extent = truth.extent}), truth);
  };
  const std::vector<float> found = search_codes(s, d, means, search);
  const double of_means = psnr(found), of_points = psnr(search_codes(s, d, points, search));
  EXPECT_GT(of_means, of_points + 2);
  EXPECT_GT(psnr(polish_codes(s, d, means, found, {.iterations = 3})), of_means - 0.2);
  // Neither the batch nor the device matters.
  CodeSearch brief = search, alone = search;
  brief.steps = alone.steps = 5;
  alone.batch = 1;
  EXPECT_EQ(search_codes(s, d, means, alone), search_codes(s, d, means, brief));
  EXPECT_EQ(search_codes(shadow, d, means, brief), search_codes(s, d, means, brief));
}

// The loss of a step is that of the decoder's means, and training on means lowers it; a code that is known is found
// again.
TEST(CodePixels, TrainingOnMeans) {
  Stream s(Device::parse("cpu"), {.threads = 1});
  ModelSet set{.extent = {side, 1, side}, .values = block_means(layers(4, 32).values, side, 2), .samples = 2};
  AutoDecoderPreset preset;
  preset.shape = DecoderShape{.dims = 2, .code = 4, .width = 16, .hidden = 2};
  preset.train = TrainOptions{.steps = 150,
                              .batch = 4,
                              .points = side * side,
                              .full_from = 0,
                              .lr_network = 3e-3,
                              .lr_codes = 1e-2,
                              .penalty = 0};
  AutoDecoderTrainer trainer(s, preset, set, std::array<double, 2>{2000, 3000});
  const AutoDecoder before = trainer.decoder();
  const std::vector<float> start = decode_models(s, before, before.training_codes, set.window());
  double expected = 0;
  for (std::size_t k = 0; k < start.size(); ++k) {
    expected += std::pow((static_cast<double>(start[k]) - set.values[k]) / 500, 2) / static_cast<double>(start.size());
  }
  EXPECT_NEAR(trainer.step(), expected, 1e-4 * expected);
  while (trainer.steps_done() < preset.train.steps) trainer.step();
  const AutoDecoder d = trainer.decoder();
  EXPECT_GT(mean_psnr_full(decode_models(s, d, d.training_codes, set.window()), set), 20);
  const ModelSet known{set.extent, decode_models(s, d, d.training_codes, set.window()), set.samples};
  std::vector<float> near = d.training_codes;
  for (std::size_t k = 0; k < near.size(); ++k) near[k] += k % 2 == 0 ? 0.02F : -0.01F;
  const std::vector<float> again = polish_codes(s, d, known, near, {.iterations = 8, .damping = 1e-4});
  for (std::size_t k = 0; k < near.size(); ++k) EXPECT_NEAR(again[k], d.training_codes[k], 2e-3);
}

TEST(CodePixels, FilesSayWhatAPixelIs) {
  Stream s(Device::parse("cpu"), {.threads = 1});
  const AutoDecoder d = trained(s, layers(8, 20), 5);
  const LatentFile points = pack_codes(d, d.training_codes, {20, 1, 24}, 8);
  LatentFile means = pack_codes(d, d.training_codes, {20, 1, 24}, 8, 4);
  EXPECT_EQ(latent_bytes(points, "")[7], 0);  // as files before there was a choice
  EXPECT_EQ(latent_bytes(means, "")[7], 4);
  EXPECT_EQ(means.bytes(), points.bytes());
  EXPECT_EQ(parse_latent(latent_bytes(means, ""), "").samples, 4);
  EXPECT_EQ(parse_latent(latent_bytes(points, ""), "").samples, 1);
  // As many points along a model's axis at any size, at least one a pixel.
  EXPECT_EQ(file_window(means, {20, 1, 24}).samples[0], 4);
  EXPECT_EQ(file_window(means, {40, 1, 96}).samples, (std::array<Index, 3>{2, 4, 1}));
  EXPECT_EQ(file_window(means, {200, 1, 5}).samples, (std::array<Index, 3>{1, 4, 20}));
  EXPECT_EQ(file_window(points, {10, 1, 5}).samples, samples_each(1));
  means.samples = 17;
  EXPECT_THROW(latent_bytes(means, ""), Error);
}

}  // namespace code_pixels_test
}  // namespace terrane
