// SPDX-License-Identifier: MIT
#include "engine/compression/auto_decoder.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "engine/compression/auto_decoder_train.hpp"
#include "engine/compression/code_encoder.hpp"
#include "engine/compression/code_file.hpp"
#include "engine/compression/code_polish.hpp"
#include "engine/io/file.hpp"
#include "kernels/runtime/error.hpp"
#include "kernels/runtime/random.hpp"
#include "tests/support/devices.hpp"
#include "tests/support/test_folder.hpp"

namespace terrane {
namespace auto_decoder_test {

constexpr Index side = 20;

// Smooth steps at depths that wave; pure functions of the index.
ModelSet waved_maps(Index count, Index first = 0) {
  const Random random(4, RandomPurpose::test);
  ModelSet set{.extent = {side, 1, side}, .values = {}};
  for (Index k = first; k < first + count; ++k) {
    const auto u = [&](std::uint32_t draw) { return random.uniform(static_cast<std::uint64_t>(k), draw); };
    for (Index r = 0; r < side; ++r) {
      for (Index i = 0; i < side; ++i) {
        const double x = (static_cast<double>(i) + 0.5) / side, z = (static_cast<double>(r) + 0.5) / side;
        const double depth = 0.3 + 0.4 * u(0) + 0.1 * std::sin(6 * x + 6 * u(1));
        set.values.push_back(static_cast<float>(2000 + 1000 * u(2) + 700 * std::tanh(6 * (z - depth))));
      }
    }
  }
  return set;
}

AutoDecoderPreset small_preset() {
  AutoDecoderPreset p = auto_decoder_preset("auto-decoder");
  p.shape = DecoderShape{.dims = 2, .code = 6, .width = 24, .hidden = 3};
  p.train.steps = 120;
  p.train.batch = 4;
  p.train.points = 100;
  p.train.lr_network = 2e-3;
  p.train.lr_codes = 1e-2;
  p.train.lr_hidden = 3e-3;
  return p;
}

AutoDecoder trained(Stream& s, const AutoDecoderPreset& preset, const ModelSet& maps) {
  AutoDecoderTrainer trainer(s, preset, maps);
  for (Index k = 0; k < preset.train.steps; ++k) trainer.step();
  return trainer.decoder();
}

double mean_psnr(const std::vector<float>& values, const ModelSet& set) {
  double sum = 0;
  for (Index k = 0; k < set.count(); ++k) {
    sum += psnr_full(values.data() + k * set.points(), set.values.data() + k * set.points(), set.points());
  }
  return sum / static_cast<double>(set.count());
}

ErrorCode code_of(const std::function<void()>& body, std::string* text = nullptr) {
  try {
    body();
  } catch (const Error& e) {
    if (text != nullptr) *text = e.message();
    return e.code();
  }
  return ErrorCode::failed;
}

TEST(AutoDecoder, PresetsAndParameterCounts) {
  const AutoDecoderPreset published = auto_decoder_preset("siren-2603.14284");
  EXPECT_EQ(published.shape.parameters(), 1183745);  // 258*512+512 + 4(512^2+512) + 513
  EXPECT_TRUE(published.shape.concatenated);
  EXPECT_FALSE(published.train.muon);
  const AutoDecoderPreset ours = auto_decoder_preset("auto-decoder");
  EXPECT_EQ(ours.shape.parameters(), 1183745 + 4 * 512 * 256);
  EXPECT_EQ(code_of([] { auto_decoder_preset("sirens"); }), ErrorCode::config);
}

TEST(AutoDecoder, LearnsItsMapsAndEncodesOthers) {
  const ModelSet maps = waved_maps(12), unseen = waved_maps(3, 100);
  Stream s(Device::parse("cpu"), {.threads = 1});
  const AutoDecoder d = trained(s, small_preset(), maps);
  const DecoderWindow window{.extent = maps.extent};
  EXPECT_GT(mean_psnr(decode_models(s, d, d.training_codes, window), maps), 24);
  const CodeSearch search{.steps = 60, .points = 100, .lr = 2e-2};
  const std::vector<float> codes = search_codes(s, d, unseen, search);
  const double found = mean_psnr(decode_models(s, d, codes, window), unseen);
  const double before = mean_psnr(decode_models(s, d, search_codes(s, d, unseen, {.steps = 0}), window), unseen);
  EXPECT_GT(found, before + 2);
  // A model's code depends neither on the batch nor on its neighbours.
  CodeSearch alone = search;
  alone.batch = 1;
  EXPECT_EQ(search_codes(s, d, unseen, alone), codes);
}

TEST(AutoDecoder, TrainsAlikeOnEveryDevice) {
  const ModelSet maps = waved_maps(5);
  AutoDecoderPreset preset = small_preset();
  preset.train.steps = 3;
  Stream cpu(Device::parse("cpu"), {.threads = 1});
  const AutoDecoder expected = trained(cpu, preset, maps);
  for_each_device([&](Stream& s) {
    const AutoDecoder d = trained(s, preset, maps);
    ASSERT_EQ(d.parameters.size(), expected.parameters.size());
    for (std::size_t k = 0; k < d.parameters.size(); ++k) {
      ASSERT_NEAR(d.parameters[k], expected.parameters[k], 2e-3 * (1 + std::abs(expected.parameters[k]))) << k;
    }
  });
}

// Rounded factors of the hidden layers move the loss a little on a GPU, and nothing elsewhere.
TEST(AutoDecoder, PrecisionOfTheNetwork) {
  const ModelSet maps = waved_maps(5);
  AutoDecoderPreset preset = small_preset();
  for_each_device([&](Stream& s) {
    const bool gpu = runs_gpu_code(s);
    std::vector<double> loss;
    for (const MlpPrecision precision : {MlpPrecision::tf32x3, MlpPrecision::tf32, MlpPrecision::bf16}) {
      preset.train.precision = precision;
      AutoDecoderTrainer trainer(s, preset, maps);
      trainer.step();
      loss.push_back(trainer.step());
    }
    EXPECT_NEAR(loss[1], loss[0], 1e-3 * loss[0]);
    EXPECT_NEAR(loss[2], loss[0], 3e-2 * loss[0]);
    EXPECT_EQ(loss[1] != loss[0], gpu);
    EXPECT_EQ(loss[2] != loss[0], gpu);
  });
}

TEST(AutoDecoder, ContinuedTrainingGivesTheSameBits) {
  const ModelSet maps = waved_maps(10);
  for (const bool published : {false, true}) {
    AutoDecoderPreset preset = small_preset();
    preset.train.steps = 14;
    preset.train.full_from = 0.7;  // whole grids at the end
    if (published) {
      preset.shape.concatenated = true;
      preset.train.muon = false;
      preset.train.plateau = true;
      preset.train.published_start = true;
      preset.train.average = 0;
    }
    Stream s(Device::parse("cpu"), {.threads = 1});
    const AutoDecoder straight = trained(s, preset, maps);
    AutoDecoderTrainer first(s, preset, maps);
    for (Index k = 0; k < 6; ++k) first.step();
    AutoDecoderTrainer second(s, preset, maps);
    second.restore(first.state());
    EXPECT_EQ(second.steps_done(), 6);
    while (second.steps_done() < preset.train.steps) second.step();
    const AutoDecoder continued = second.decoder();
    EXPECT_EQ(continued.parameters, straight.parameters);
    EXPECT_EQ(continued.training_codes, straight.training_codes);
    EXPECT_EQ(continued.identity(), straight.identity());
    preset.shape.width = 8;
    AutoDecoderTrainer other(s, preset, maps);
    EXPECT_EQ(code_of([&] { other.restore(first.state()); }), ErrorCode::data);
  }
}

// Pixels that two grids share have the same value, and a window is a part of the whole.
TEST(AutoDecoder, DecodesAnyResolutionAndWindow) {
  Stream s(Device::parse("cpu"), {.threads = 1});
  AutoDecoderPreset preset = small_preset();
  preset.train.steps = 5;
  const ModelSet maps = waved_maps(4);
  const AutoDecoder d = trained(s, preset, maps);
  const std::vector<float> code(d.training_codes.begin(), d.training_codes.begin() + 6);
  const std::vector<float> coarse = decode_models(s, d, code, {.extent = {20, 1, 20}});
  const std::vector<float> fine = decode_models(s, d, code, {.extent = {60, 1, 60}});
  for (Index r = 0; r < 20; ++r) {
    for (Index i = 0; i < 20; ++i) {
      EXPECT_NEAR(fine[static_cast<std::size_t>((3 * r + 1) * 60 + 3 * i + 1)],
                  coarse[static_cast<std::size_t>(r * 20 + i)], 0.1);
    }
  }
  const std::vector<float> part =
      decode_models(s, d, code, {.extent = {10, 1, 5}, .low = {0, -1, -0.5}, .high = {1, 1, 0}});
  for (Index r = 0; r < 10; ++r) {
    for (Index i = 0; i < 5; ++i) {
      EXPECT_NEAR(part[static_cast<std::size_t>(r * 5 + i)], coarse[static_cast<std::size_t>((10 + r) * 20 + 5 + i)],
                  0.1);
    }
  }
}

TEST(AutoDecoder, CodesOfVolumes) {
  constexpr Index n = 32;
  ModelSet set{.extent = {n, n, n}, .values = {}};
  for (Index k = 0; k < 3 * n * n * n; ++k) {
    const Index z = k / (n * n) % n, y = k / n % n, model = k / (n * n * n);
    set.values.push_back(static_cast<float>(2000 + 25 * z + 5 * y + 50 * model));
  }
  AutoDecoderPreset preset = small_preset();
  preset.shape.dims = 3;
  Stream s(Device::parse("cpu"), {.threads = 1});
  const AutoDecoder d = trained(s, preset, set);
  const LatentFile file = pack_codes(d, d.training_codes, set.extent, 8);
  const LatentFile back = parse_latent(latent_bytes(file, "v.lat"), "v.lat");
  EXPECT_EQ(back.shape, set.extent);
  const std::vector<float> values = decode_models(s, d, unpack_codes(d, back, "v.lat"), {.extent = back.shape});
  EXPECT_GT(mean_psnr(values, set), 30);
}

// Codes on a grid: learnt, found for other models, polished, kept and drawn at any size, alike on every device.
TEST(AutoDecoder, CodesOnAGrid) {
  const ModelSet maps = waved_maps(12), unseen = waved_maps(3, 100);
  AutoDecoderPreset preset = small_preset();
  preset.shape.code = 3 * 3 * 2;
  preset.shape.cells = 3;
  EXPECT_EQ(preset.shape.network().layer[0].n_in, 4);
  EXPECT_EQ(preset.shape.parameters(), preset.shape.network_parameters());
  Stream s(Device::parse("cpu"), {.threads = 1});
  const AutoDecoder d = trained(s, preset, maps);
  const DecoderWindow window{.extent = maps.extent};
  EXPECT_GT(mean_psnr(decode_models(s, d, d.training_codes, window), maps), 24);
  const std::vector<float> nearest = search_codes(s, d, unseen, {.steps = 0}),
                           codes = search_codes(s, d, unseen, {.steps = 60, .points = 100, .lr = 2e-2}),
                           polished = polish_codes(s, d, unseen, codes, {.iterations = 4});
  const auto psnr = [&](const std::vector<float>& z) { return mean_psnr(decode_models(s, d, z, window), unseen); };
  EXPECT_GT(psnr(codes), psnr(nearest) + 2);
  EXPECT_GT(psnr(polished), psnr(codes));
  // The number of a node moves the model around it only.
  std::vector<float> other(d.training_codes.begin(), d.training_codes.begin() + 18), before = other;
  other[0] += 1;
  const auto a = decode_models(s, d, before, window), b = decode_models(s, d, other, window);
  EXPECT_NE(a[0], b[0]);
  EXPECT_EQ(a[side - 1], b[side - 1]);
  EXPECT_EQ(a.back(), b.back());
  const TestFolder folder;
  const std::string path = folder / "decoder.safetensors";
  write_decoder(path, d);
  const AutoDecoder read = read_decoder(path);
  EXPECT_EQ(read.shape, d.shape);
  EXPECT_EQ(read.identity(), d.identity());
  AutoDecoderTrainer first(s, preset, maps);
  for (Index k = 0; k < 50; ++k) first.step();
  AutoDecoderTrainer second(s, preset, maps);
  second.restore(first.state());
  while (second.steps_done() < preset.train.steps) second.step();
  EXPECT_EQ(second.decoder().identity(), d.identity());
  preset.train.steps = 3;
  const AutoDecoder expected = trained(s, preset, maps);
  for_each_device([&](Stream& device) {
    const AutoDecoder same = trained(device, preset, maps);
    for (std::size_t k = 0; k < same.parameters.size(); ++k) {
      ASSERT_NEAR(same.parameters[k], expected.parameters[k], 2e-4F) << k;
    }
  });
  preset.shape.cells = 4;
  EXPECT_EQ(code_of([&] { AutoDecoderTrainer(s, preset, maps); }), ErrorCode::config);
}

TEST(CodeFile, RoundTripWrongDecoderAndOutliers) {
  const TestFolder folder;
  Stream s(Device::parse("cpu"), {.threads = 1});
  AutoDecoderPreset preset = small_preset();
  preset.train.steps = 4;
  const ModelSet maps = waved_maps(6);
  const AutoDecoder d = trained(s, preset, maps);
  write_decoder(folder / "decoder.safetensors", d);
  const AutoDecoder read = read_decoder(folder / "decoder.safetensors");
  EXPECT_EQ(read.parameters, d.parameters);
  EXPECT_EQ(read.identity(), d.identity());
  std::vector<float> codes = d.training_codes;
  codes[3] += 40 * (d.statistics.highest[3] - d.statistics.lowest[3]);  // far outside the training range
  for (const int bits : {2, 5, 8, 12}) {
    write_latent_file(folder / "a.lat", pack_codes(d, codes, maps.extent, bits));
    const LatentFile file = read_latent_file(folder / "a.lat");
    const std::vector<float> back = unpack_codes(read, file, "a.lat");
    ASSERT_EQ(back.size(), codes.size());
    for (std::size_t k = 0; k < codes.size(); ++k) {
      const std::size_t c = k % 6;
      const float step = (d.statistics.highest[c] - d.statistics.lowest[c]) / static_cast<float>((1 << bits) - 1);
      EXPECT_LE(std::abs(back[k] - codes[k]), 0.51F * step + 1e-5F);
    }
    EXPECT_EQ(quantised_codes(d, codes, bits), back);
    // Decoding what was decoded changes nothing, and cpu and shadow agree to the bit.
    EXPECT_EQ(quantised_codes(d, back, bits), back);
    Stream shadow(Device::parse("shadow"));
    const DecoderWindow window{.extent = maps.extent};
    EXPECT_EQ(decode_models(s, d, back, window), decode_models(shadow, read, back, window));
  }
  preset.train.seed = 7;
  const AutoDecoder other = trained(s, preset, maps);
  std::string text;
  const LatentFile file = read_latent_file(folder / "a.lat");
  EXPECT_EQ(code_of([&] { unpack_codes(other, file, "a.lat"); }, &text), ErrorCode::data);
  EXPECT_NE(text.find("a.lat: the codes belong to decoder"), std::string::npos) << text;
  EXPECT_EQ(code_of([&] { pack_codes(d, {1, 2}, maps.extent, 8); }), ErrorCode::data);
  EXPECT_EQ(code_of([&] { pack_codes(d, codes, maps.extent, 20); }), ErrorCode::config);
  // A decoder whose weights were changed on disk does not give the identity that it states.
  std::string bytes = read_file(folder / "decoder.safetensors");
  bytes[bytes.size() - 9] = static_cast<char>(bytes[bytes.size() - 9] ^ 1);
  write_file_atomic(folder / "decoder.safetensors", bytes);
  EXPECT_EQ(code_of([&] { read_decoder(folder / "decoder.safetensors"); }, &text), ErrorCode::data);
  EXPECT_NE(text.find("decoder.safetensors"), std::string::npos);
}

TEST(AutoDecoder, SaysWhatIsWrong) {
  Stream s(Device::parse("cpu"), {.threads = 1});
  ModelSet maps = waved_maps(2);
  AutoDecoderPreset preset = small_preset();
  preset.shape.dims = 4;
  EXPECT_EQ(code_of([&] { AutoDecoderTrainer(s, preset, maps); }), ErrorCode::config);
  preset = small_preset();
  preset.train.lr_codes = 0;
  EXPECT_EQ(code_of([&] { AutoDecoderTrainer(s, preset, maps); }), ErrorCode::config);
  maps.values[7] = NAN;
  EXPECT_EQ(code_of([&] { AutoDecoderTrainer(s, small_preset(), maps); }), ErrorCode::data);
  maps.values.pop_back();
  EXPECT_EQ(code_of([&] { AutoDecoderTrainer(s, small_preset(), maps); }), ErrorCode::data);
  preset = small_preset();
  preset.train.lr_network = 1e30;
  EXPECT_EQ(code_of([&] {
              const ModelSet good = waved_maps(2);
              AutoDecoderTrainer trainer(s, preset, good);
              for (int k = 0; k < 20; ++k) trainer.step();
            }),
            ErrorCode::diverged);
}

}  // namespace auto_decoder_test
}  // namespace terrane
