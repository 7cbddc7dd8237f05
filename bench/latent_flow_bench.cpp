// SPDX-License-Identifier: MIT
// The whole chain on two cores: procedural maps of FlatVel-A and CurveVel-A, an auto-decoder of them, a flow on its
// codes, and the scores of its samples beside the floors: fresh maps of the same rules, and the training maps as the
// decoder gives them back.
//
//   latent_flow_bench [--maps N] [--code K] [--width W] [--hidden L] [--decoder-steps N] [--flow-steps N] [--jitter J]
//                     [--flow-width W] [--flow-blocks N] [--flow-batch N] [--cells N] [--samples N] [--seed N]
//                     [--match 0|1] [--snap-rows R] [--snap-penalty P] [--network-steps N] [--threads N] [--decoder
//                     FILE] [--flow FILE] [--save DIR] [--json FILE]
//
// --maps: of each family; --cells: of a code on a grid along each axis, 0: the code is the same everywhere; --decoder,
// --flow: trained before, of the same maps; --match 0: samples keep their own mean and covariance; --snap-rows,
// --snap-penalty, --network-steps: map_scores.hpp.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "bench/bench_main.hpp"
#include "bench/bench_options.hpp"
#include "bench/map_scores.hpp"
#include "engine/compression/auto_decoder_train.hpp"
#include "engine/diffusion/latent.hpp"
#include "engine/diffusion/moment_match.hpp"
#include "engine/evaluation/moments.hpp"
#include "engine/io/file.hpp"
#include "engine/io/npy.hpp"
#include "engine/version.hpp"
#include "kernels/runtime/error.hpp"

namespace {

using namespace terrane;
using Json = nlohmann::ordered_json;
using bench::family_maps;
using bench::family_names;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

bench::Options parse(int argc, char** argv) {
  bench::Options o{{{"maps", 300},
                    {"code", 64},
                    {"width", 128},
                    {"hidden", 4},
                    {"decoder-steps", 6000},
                    {"flow-steps", 3000},
                    {"jitter", 0.15},
                    {"samples", 1000},
                    {"seed", 0},
                    {"threads", 2},
                    {"snap-rows", 9},
                    {"snap-penalty", 600},
                    {"network-steps", 300},
                    {"flow-width", 256},
                    {"heun", 18},
                    {"cells", 0},
                    {"flow-blocks", 4},
                    {"flow-batch", 256},
                    {"match", 1}},
                   {{"decoder", ""}, {"flow", ""}, {"save", ""}, {"json", ""}}};
  o.parse(argc, argv);
  return o;
}

AutoDecoder train_decoder(Stream& s, const bench::Options& o, const ModelSet& maps, Json& row) {
  AutoDecoderPreset preset = auto_decoder_preset("auto-decoder");
  preset.shape.code = o.whole("code");
  preset.shape.cells = o.whole("cells");
  preset.shape.width = o.whole("width");
  preset.shape.hidden = static_cast<int>(o.whole("hidden"));
  preset.train.steps = o.whole("decoder-steps");
  preset.train.seed = static_cast<std::uint64_t>(o.whole("seed"));
  preset.train.penalty = 1e-4;
  AutoDecoderTrainer trainer(s, preset, maps, std::array<double, 2>{1500, 4500});
  const auto start = Clock::now();
  for (Index k = 0; k < preset.train.steps; ++k) {
    const double loss = trainer.step();
    if (k % 500 == 0)
      std::printf("decoder %5lld  %.3e  %.0f s\n", static_cast<long long>(k), loss, seconds_since(start));
    std::fflush(stdout);
  }
  row["decoder_seconds"] = seconds_since(start);
  return trainer.decoder();
}

Generator train_flow(Stream& s, const bench::Options& o, const AutoDecoder& decoder, const std::vector<int>& family,
                     Json& row) {
  CodeNetwork network;
  network.families = 2;
  network.width = o.whole("flow-width");
  network.blocks = o.whole("flow-blocks");
  const Generator prototype = latent_prototype(decoder, code_network(decoder.shape, network));
  DiffusionTrainOptions train;
  train.steps = o.whole("flow-steps");
  train.batch = o.whole("flow-batch");
  train.lr = 1e-3;
  train.warmup = 100;
  train.average = 0.999;
  train.seed = static_cast<std::uint64_t>(o.whole("seed"));
  const CodeSourceOptions source{o.number.at("jitter"), train.seed};
  DiffusionTrainer trainer(s, prototype, train, code_source(decoder, prototype, family, source));
  const auto start = Clock::now();
  for (Index k = 0; k < train.steps; ++k) {
    const auto r = trainer.step();
    if (k % 500 == 0)
      std::printf("flow %5lld  %.4f  %.0f s\n", static_cast<long long>(k), r.loss, seconds_since(start));
    std::fflush(stdout);
  }
  row["flow_seconds"] = seconds_since(start);
  row["flow_weights"] = prototype.network.parameters();
  return trainer.generator();
}

// Sum of the variances of samples as the flow draws them over that of the training codes of this family.
double variance_share(Stream& s, Generator g, const AutoDecoder& decoder, const std::vector<int>& family, int row,
                      const SamplerOptions& sampler) {
  constexpr Index count = 2000;
  const Index k = decoder.shape.code;
  g.match = {};
  const std::vector<float> drawn =
      sample_codes(s, g, decoder, sampler, 11, 0, count, {std::vector<int>(count, row), {}});
  const std::vector<float> own = codes_of_family(decoder, family, row);
  const auto sum = [&](const Features& f) {
    const JointMoments m = moments_of(s, f);
    double trace = 0;
    for (Index c = 0; c < k; ++c) trace += m.covariance[static_cast<std::size_t>(c * k + c)];
    return trace;
  };
  return sum({k, {drawn.begin(), drawn.end()}}) / sum({k, {own.begin(), own.end()}});
}

ModelSet part(const ModelSet& set, Index first, Index count) {
  const auto from = set.values.begin() + first * set.points();
  return {set.extent, {from, from + count * set.points()}};
}

int run(int argc, char** argv) {
  const bench::Options o = parse(argc, argv);
  StreamOptions options;
  options.threads = static_cast<int>(o.whole("threads"));
  Stream s(Device{}, options);
  const Index maps = o.whole("maps"), samples = o.whole("samples");
  const auto seed = static_cast<std::uint64_t>(o.whole("seed"));
  ModelSet training{{70, 1, 70}, {}};
  std::vector<int> family;
  for (std::size_t f = 0; f < 2; ++f) {
    const ModelSet m = family_maps(s, f, 1000 + seed, maps, 70);
    training.values.insert(training.values.end(), m.values.begin(), m.values.end());
    family.insert(family.end(), static_cast<std::size_t>(maps), static_cast<int>(f));
  }
  Json row;
  for (const auto& [key, value] : o.number) row[key] = value;
  const std::string given = o.text.at("decoder"), trained = o.text.at("flow");
  if (!given.empty()) row.erase("decoder-steps");
  for (const char* key : {"flow-steps", "flow-width", "flow-blocks", "flow-batch", "jitter"}) {
    if (!trained.empty()) row.erase(key);
  }
  const AutoDecoder decoder = given.empty() ? train_decoder(s, o, training, row) : read_decoder(given);
  const DecoderWindow window{.extent = training.extent};
  const std::vector<float> decoded = decode_models(s, decoder, decoder.training_codes, window);
  double psnr = 0;
  for (Index k = 0; k < 2 * maps; ++k) {
    psnr +=
        psnr_full(decoded.data() + k * 4900, training.values.data() + k * 4900, 4900) / static_cast<double>(2 * maps);
  }
  row["decoder_psnr_db"] = psnr;
  const std::string save = o.text.at("save");
  if (!save.empty()) {
    make_directories(save);
    write_decoder(save + "/decoder.safetensors", decoder);
  }

  Generator g = trained.empty() ? train_flow(s, o, decoder, family, row) : read_generator(trained);
  const SamplerOptions sampler{SamplerKind::heun, o.whole("heun")};
  if (o.whole("match") != 0) {
    const auto start = Clock::now();
    match_moments(s, g, decoder, family, sampler, seed + 2);
    row["match_seconds"] = seconds_since(start);
  } else {
    g.match = {};
  }
  if (!save.empty()) write_generator(save + "/codes.safetensors", g);

  const bench::MapScoring scoring{o.number.at("snap-rows"), o.number.at("snap-penalty"), o.whole("network-steps")};
  for (std::size_t f = 0; f < 2; ++f) {
    const ModelSet real = family_maps(s, f, 2000 + seed, samples, 70),
                   fresh = family_maps(s, f, 3000 + seed, samples, 70);
    const ModelSet own = part(training, static_cast<Index>(f) * maps, maps);
    const ModelSet back{training.extent, part({training.extent, decoded}, static_cast<Index>(f) * maps, maps).values};
    const auto from = Clock::now();
    ModelSet drawn{
        training.extent,
        decode_models(s, decoder,
                      sample_codes(s, g, decoder, sampler, 7, 0, samples,
                                   {std::vector<int>(static_cast<std::size_t>(samples), static_cast<int>(f)), {}}),
                      window)};
    const double seconds = seconds_since(from);
    for (float& v : drawn.values) v = std::clamp(v, 1500.0F, 4500.0F);
    const PrincipalScores components = leading_components(s, own);
    row[family_names[f]] = {{"samples_per_minute", 60 * static_cast<double>(samples) / seconds},
                            {"floor_fresh", scoring.of(s, components, own, real, fresh)}};
    row[family_names[f]]["code_variance_share"] = variance_share(s, g, decoder, family, static_cast<int>(f), sampler);
    bench::score_as_processed(s, scoring, components, own, real, drawn, "generated", row[family_names[f]]);
    bench::score_as_processed(s, scoring, components, own, real, back, "decoded_training", row[family_names[f]]);
    if (!save.empty()) {
      write_npy(save + "/" + family_names[f] + ".npy", {samples, 70, 70}, drawn.values.data());
    }
  }
  row["version"] = version_string();
  std::printf("%s\n", row.dump(1).c_str());
  if (!o.text.at("json").empty()) write_file_atomic(o.text.at("json"), row.dump(1) + "\n");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return terrane::run_bench([&] { return run(argc, argv); });
}
