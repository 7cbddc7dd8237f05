// SPDX-License-Identifier: MIT
// What is between two codes, one network a model, and codes' norms beside PSNR.
#include "engine/compression/code_path.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/compression/code_encoder.hpp"
#include "engine/compression/code_polish.hpp"
#include "engine/compression/components.hpp"
#include "engine/compression/single_network.hpp"
#include "kernels/runtime/error.hpp"
#include "kernels/runtime/random.hpp"

namespace terrane {
namespace code_path_test {

constexpr Index side = 16;

ModelSet waves(Index count) {
  ModelSet set{.extent = {side, 1, side}, .values = {}};
  for (Index k = 0; k < count; ++k) {
    for (Index p = 0; p < side * side; ++p) {
      const double z = (static_cast<double>(p / side) + 0.5) / side, x = (static_cast<double>(p % side) + 0.5) / side;
      set.values.push_back(static_cast<float>(3000 + 600 * std::sin(4 * z + 2 * x + static_cast<double>(k))));
    }
  }
  return set;
}

AutoDecoder trained(Stream& s, const ModelSet& set, Index steps) {
  AutoDecoderPreset preset;
  preset.shape = DecoderShape{.dims = 2, .code = 4, .width = 16, .hidden = 2};
  preset.train.steps = steps;
  AutoDecoderTrainer trainer(s, preset, set);
  while (trainer.steps_done() < steps) trainer.step();
  return trainer.decoder();
}

TEST(CodePath, CodesGoFromOneEndToTheOther) {
  const std::vector<float> a{1, 2}, b{3, -2};
  const std::vector<float> way = codes_between(a.data(), b.data(), 2, {0, 0.25, 1});
  EXPECT_EQ(way, (std::vector<float>{1, 2, 1.5, 1, 3, -2}));
  EXPECT_THROW(codes_between(a.data(), b.data(), 2, {1.5}), Error);
}

// By the triangle inequality no model is nearer to both ends than they are to each other; a blend of pixels is as near
// as can be, and its index is 0.
TEST(CodePath, ExcessIsAtLeastOne) {
  const Random random(3, RandomPurpose::test);
  constexpr Index n = 50;
  for (std::uint64_t trial = 0; trial < 20; ++trial) {
    std::vector<float> a, b, m, blend;
    const double t = random.uniform(trial, 900);
    for (std::uint32_t p = 0; p < n; ++p) {
      a.push_back(static_cast<float>(random.uniform(trial, p, 1500, 4500)));
      b.push_back(static_cast<float>(random.uniform(trial, 100 + p, 1500, 4500)));
      m.push_back(static_cast<float>((1 - t) * a[p] + t * b[p] + 300 * random.uniform(trial, 200 + p, -1, 1)));
      blend.push_back(static_cast<float>((1 - t) * a[p] + t * b[p]));
    }
    const PathScores s = path_scores(m.data(), a.data(), b.data(), t, n);
    EXPECT_GE(s.excess, 1);
    EXPECT_GT(s.dissolve, 0.01);
    const PathScores straight = path_scores(blend.data(), a.data(), b.data(), t, n);
    EXPECT_NEAR(straight.excess, 1, 1e-5);
    EXPECT_NEAR(straight.dissolve, 0, 1e-5);
    EXPECT_NEAR(straight.mse_a, t * t * straight.mse_ends, 1e-6);
  }
  const std::vector<float> same(n, 2000);
  EXPECT_THROW(path_scores(same.data(), same.data(), same.data(), 0.5, n), Error);
}

// A decoder's own path: the ends of the way are the ends, and the measure holds in between.
TEST(CodePath, HoldsForADecoder) {
  Stream s(Device::parse("cpu"), {.threads = 1});
  const ModelSet set = waves(4);
  const AutoDecoder d = trained(s, set, 40);
  const std::vector<double> shares{0, 0.25, 0.5, 1};
  const std::vector<float> codes =
      codes_between(d.training_codes.data(), d.training_codes.data() + d.shape.code, d.shape.code, shares);
  const std::vector<float> way = decode_models(s, d, codes, {.extent = set.extent});
  const Index n = set.points();
  for (std::size_t t = 0; t < shares.size(); ++t) {
    const PathScores p =
        path_scores(way.data() + static_cast<Index>(t) * n, way.data(), way.data() + 3 * n, shares[t], n);
    EXPECT_GE(p.excess, 1 - 1e-12);
    if (t == 0 || t == 3) {
      EXPECT_EQ(p.dissolve, 0);
    }
  }
}

// What a decoder makes of a known code: from nearby, Gauss-Newton steps find that code again; no step makes it worse.
TEST(CodePolish, FindsAKnownCodeAgain) {
  Stream s(Device::parse("cpu"), {.threads = 1}), shadow(Device::parse("shadow"), {.threads = 1});
  const ModelSet set = waves(5);
  const AutoDecoder d = trained(s, set, 60);
  const std::vector<float> truth(d.training_codes.begin(), d.training_codes.begin() + 8);
  const ModelSet known{set.extent, decode_models(s, d, truth, {.extent = set.extent})};
  std::vector<float> start = truth;
  for (std::size_t k = 0; k < start.size(); ++k) start[k] += k % 2 == 0 ? 0.02F : -0.01F;
  const auto psnr = [&](const std::vector<float>& codes, const ModelSet& models) {
    return mean_psnr_full(decode_models(s, d, codes, {.extent = models.extent}), models);
  };
  EXPECT_LT(psnr(start, known), 55);
  const std::vector<float> found = polish_codes(s, d, known, start, {.iterations = 8, .damping = 1e-4});
  EXPECT_GT(psnr(found, known), 59.9);
  for (std::size_t k = 0; k < truth.size(); ++k) EXPECT_NEAR(found[k], truth[k], 1e-3);
  EXPECT_EQ(polish_codes(shadow, d, known, start, {.iterations = 1}),
            polish_codes(s, d, known, start, {.iterations = 1}));
  EXPECT_EQ(polish_codes(s, d, known, start, {.iterations = 0}), start);
  // A penalty pulls towards the mean code; a wall of one lets nothing else count.
  const std::vector<float> pulled =
      polish_codes(s, d, known, start, {.iterations = 6, .damping = 1e-4, .penalty = 1e6});
  for (std::size_t k = 0; k < pulled.size(); ++k) EXPECT_NEAR(pulled[k], d.statistics.mean[k % 4], 1e-3);
  // Models of another family: after a search, polishing does not lose, from any damping.
  const ModelSet other{set.extent, {set.values.rbegin(), set.values.rbegin() + 2 * set.points()}};
  const std::vector<float> searched = search_codes(s, d, other, {.steps = 20});
  double before = psnr(searched, other);
  for (const double damping : {1e-6, 1e-2, 1e2}) {
    EXPECT_GE(psnr(polish_codes(s, d, other, searched, {.iterations = 3, .damping = damping}), other), before - 1e-4);
  }
  EXPECT_THROW(polish_codes(s, d, other, truth, {.iterations = -1}), Error);
  EXPECT_THROW(polish_codes(s, d, set, truth, {}), Error);
}

// A column of another model, reached from the codes of two: the column as it is there, each code by itself, and no
// farther from where it began than it has to be.
TEST(CodeSearch, BringsCodesToAWell) {
  Stream s(Device::parse("cpu"), {.threads = 1}), shadow(Device::parse("shadow"), {.threads = 1});
  const ModelSet set = waves(5);
  const AutoDecoder d = trained(s, set, 60);
  const Index k = d.shape.code, nz = set.extent[0], nx = set.extent[2], column = 3;
  const std::vector<float> maps = decode_models(s, d, d.training_codes, {.extent = set.extent});
  PointValues well;
  for (Index i = 0; i < nz; ++i) {
    well.coordinates.push_back(static_cast<float>(2 * (static_cast<double>(i) + 0.5) / static_cast<double>(nz) - 1));
    well.coordinates.push_back(
        static_cast<float>(2 * (static_cast<double>(column) + 0.5) / static_cast<double>(nx) - 1));
    well.vp_mps.push_back(maps[static_cast<std::size_t>(4 * set.points() + i * nx + column)]);
  }
  const std::vector<float> start(d.training_codes.begin(), d.training_codes.begin() + 2 * k);
  const auto away = [&](const std::vector<float>& codes, Index m) {
    const std::vector<float> own = decode_models(s, d, codes, {.extent = set.extent});
    double sum = 0;
    for (Index i = 0; i < nz; ++i) {
      sum += std::pow(static_cast<double>(own[static_cast<std::size_t>(m * set.points() + i * nx + column)]) -
                          static_cast<double>(well.vp_mps[static_cast<std::size_t>(i)]),
                      2);
    }
    return std::sqrt(sum / static_cast<double>(nz));
  };
  const std::vector<float> free = fit_codes_at(s, d, well, start, {.steps = 300}),
                           held = fit_codes_at(s, d, well, start, {.steps = 300, .penalty = 1e6});
  for (Index m = 0; m < 2; ++m) {
    EXPECT_LT(away(free, m), 0.3 * away(start, m)) << m;
    const std::vector<float> alone(start.begin() + m * k, start.begin() + (m + 1) * k);
    const std::vector<float> one = fit_codes_at(s, d, well, alone, {.steps = 300});
    EXPECT_EQ(one, (std::vector<float>{free.begin() + m * k, free.begin() + (m + 1) * k}));
  }
  for (std::size_t i = 0; i < start.size(); ++i) EXPECT_NEAR(held[i], start[i], 1e-4);
  EXPECT_EQ(fit_codes_at(shadow, d, well, start, {.steps = 2}), fit_codes_at(s, d, well, start, {.steps = 2}));
  EXPECT_EQ(fit_codes_at(s, d, well, start, {.steps = 0}), start);
  EXPECT_THROW(fit_codes_at(s, d, {{0, 0, 0}, {2000}}, start, {}), Error);
  EXPECT_THROW(fit_codes_at(s, d, {{0, 0}, {std::nanf("")}}, start, {}), Error);
  EXPECT_THROW(fit_codes_at(s, d, well, {}, {}), Error);
}

TEST(SingleNetwork, RoundsToHalfAsTheFormatDoes) {
  for (const float v : {0.0F, 1.0F, -0.25F, 65504.0F, 5.9604645e-8F, 6.1035156e-5F, 1.0009765625F}) {
    EXPECT_EQ(rounded_to_half(v), v);
  }
  EXPECT_EQ(rounded_to_half(1.0F + 0x1p-11F), 1.0F);                // a tie: to even
  EXPECT_EQ(rounded_to_half(1.0F + 3 * 0x1p-11F), 1.0F + 0x1p-9F);  // likewise, upwards
  EXPECT_EQ(rounded_to_half(0.1F), 0.0999755859375F);
  EXPECT_EQ(rounded_to_half(-1e6F), -65504.0F);
  EXPECT_EQ(rounded_to_half(1e-9F), 0.0F);
  EXPECT_EQ(rounded_to_half(2047.6F), 2048.0F);
}

TEST(SingleNetwork, FitsOneModelAndDecodesAtAnySize) {
  const ModelSet set = waves(1);
  SingleNetworkOptions o;
  o.width = 8;
  o.hidden = 2;
  o.steps = 150;
  o.omega = 10;
  EXPECT_EQ(single_network_bytes(o), 2 * (2 * 8 + 8 + 8 * 8 + 8 + 8 + 1));
  EXPECT_EQ(single_network_bytes(o, 3), 2 * (3 * 8 + 8 + 8 * 8 + 8 + 8 + 1));
  Stream s(Device::parse("cpu"), {.threads = 1}), shadow(Device::parse("shadow"), {.threads = 1});
  const AutoDecoder d = fit_single_network(s, set, o);
  for (const float p : d.parameters) EXPECT_EQ(p, rounded_to_half(p));
  const std::vector<float> back = decode_models(s, d, {0.0F}, {.extent = set.extent});
  EXPECT_GT(psnr_full(back.data(), set.values.data(), set.points()), 30);
  // The code has no part in it any more.
  EXPECT_EQ(decode_models(s, d, {7.0F}, {.extent = set.extent}), back);
  EXPECT_EQ(decode_models(s, d, {0.0F}, {.extent = {24, 1, 40}}).size(), 960U);
  EXPECT_THROW(fit_single_network(s, waves(2), o), Error);
  o.steps = 3;
  EXPECT_EQ(fit_single_network(shadow, set, o).parameters, fit_single_network(s, set, o).parameters);
}

TEST(CodeNorms, CorrelationWithPsnr) {
  const ModelSet set = waves(3);
  std::vector<float> recovered = set.values;
  const Index n = set.points();
  for (Index p = 0; p < 3 * n; ++p)
    recovered[static_cast<std::size_t>(p)] += p < n ? 10.0F : p < 2 * n ? 100.0F : 1000.0F;
  // Norms 1, 2, 3 beside PSNR that falls by 20 dB each: a straight line, downwards; upwards for 3, 2, 1.
  EXPECT_NEAR(code_norm_correlation({1, 0, 0, 2, 3, 0}, 2, recovered, set), -1, 1e-6);
  EXPECT_NEAR(code_norm_correlation({3, 0, 0, 2, 0, 1}, 2, recovered, set), 1, 1e-6);
  EXPECT_EQ(code_norm_correlation({1, 0, 0, 1, -1, 0}, 2, recovered, set), 0);
  EXPECT_THROW(code_norm_correlation({1, 0, 0}, 2, recovered, set), Error);
}

}  // namespace code_path_test
}  // namespace terrane
