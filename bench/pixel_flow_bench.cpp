// SPDX-License-Identifier: MIT
// A reduced U-Net (32 x 32, below 3 million weights) learns FlatVel-A and CurveVel-A from the procedural stream by flow
// matching; its samples are scored beside the floor of fresh maps of the same rules.
//
//   pixel_flow_bench [--steps N] [--total N] [--batch N] [--samples N] [--seed N] [--threads N] [--lr R] [--guidance G]
//                    [--snap-rows R] [--snap-penalty P] [--network-steps N] [--state FILE] [--save DIR] [--json FILE]
//
// --total: steps of the whole training, which the rates follow; --steps: of this call; --state: continued from and left
// in, so that a long training can be cut into calls and gives the bits of one; --snap-rows, of 70, --snap-penalty,
// --network-steps: map_scores.hpp.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>

#include "bench/bench_main.hpp"
#include "bench/bench_options.hpp"
#include "bench/map_scores.hpp"
#include "engine/diffusion/maps.hpp"
#include "engine/io/file.hpp"
#include "engine/io/npy.hpp"
#include "engine/version.hpp"
#include "kernels/runtime/error.hpp"

namespace {

using namespace terrane;
using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

bench::Options parse(int argc, char** argv) {
  bench::Options o{{{"steps", 1000},
                    {"total", 0},
                    {"batch", 16},
                    {"samples", 500},
                    {"seed", 0},
                    {"threads", 2},
                    {"snap-rows", 9},
                    {"snap-penalty", 600},
                    {"network-steps", 300},
                    {"lr", 5e-4},
                    {"heun", 12},
                    {"guidance", 1}},
                   {{"state", ""}, {"save", ""}, {"json", ""}}};
  o.parse(argc, argv);
  if (o.number["total"] == 0) o.number["total"] = o.number["steps"];
  return o;
}

int run(int argc, char** argv) {
  const bench::Options o = parse(argc, argv);
  StreamOptions options;
  options.threads = static_cast<int>(o.whole("threads"));
  Stream s(Device{}, options);
  constexpr Index size = 32;
  const auto seed = static_cast<std::uint64_t>(o.whole("seed"));
  UnetShape shape = std::get<UnetShape>(Denoiser::preset("reduced-32").kind());
  shape.families = 2;
  const Generator prototype{Denoiser(shape), {},     {},
                            {3000},          {1500}, {bench::family_names.begin(), bench::family_names.end()}};
  MapOptions maps;
  maps.height = maps.width = size;
  maps.seed = 1000 + seed;
  std::vector<GeologyFamily> families;
  for (const char* name : bench::family_names) families.push_back(*find_geology_family(name));
  DiffusionTrainOptions train;
  train.steps = o.whole("total");
  train.batch = o.whole("batch");
  train.lr = o.number.at("lr");
  train.warmup = std::min<Index>(200, train.steps / 10);
  train.average = 0.999;
  train.seed = seed;
  DiffusionTrainer trainer(s, prototype, train, procedural_source(s, families, size, 0, maps));
  const std::string state = o.text.at("state");
  if (!state.empty() && std::filesystem::exists(state)) trainer.restore(read_safetensors(state).tensors);
  const auto start = Clock::now();
  double sum = 0;
  const Index last = std::min(train.steps, trainer.steps_done() + o.whole("steps"));
  const Index calls = last - trainer.steps_done();
  while (trainer.steps_done() < last) {
    sum += trainer.step().loss;
    if (trainer.steps_done() % 100 != 0) continue;
    std::printf("step %6lld  loss %.4f  %.0f s\n", static_cast<long long>(trainer.steps_done()), sum / 100,
                seconds_since(start));
    std::fflush(stdout);
    sum = 0;
  }
  Json row;
  for (const auto& [key, value] : o.number) row[key] = value;
  row["steps_done"] = trainer.steps_done();
  row["seconds_per_step"] = seconds_since(start) / static_cast<double>(std::max<Index>(calls, 1));
  row["weights"] = prototype.network.parameters();
  if (!state.empty()) write_safetensors(state, trainer.state());
  const Generator g = trainer.generator();
  const std::string save = o.text.at("save");
  if (!save.empty()) {
    make_directories(save);
    write_generator(save + "/weights.safetensors", g);
  }
  const Index samples = o.whole("samples");
  const bench::MapScoring scoring{o.number.at("snap-rows"), o.number.at("snap-penalty"), o.whole("network-steps")};
  for (std::size_t f = 0; f < 2 && samples > 0; ++f) {
    const ModelSet real = bench::family_maps(s, f, 2000 + seed, samples, size),
                   fresh = bench::family_maps(s, f, 3000 + seed, samples, size),
                   training = bench::family_maps(s, f, 1000 + seed, samples, size);
    SamplerOptions sampler{SamplerKind::heun, o.whole("heun")};
    sampler.guidance = o.number.at("guidance");
    const auto from = Clock::now();
    ModelSet drawn{real.extent, sample(s, g, sampler, 7, 0, samples,
                                       {std::vector<int>(static_cast<std::size_t>(samples), static_cast<int>(f)), {}})};
    row[bench::family_names[f]]["samples_per_minute"] = 60 * static_cast<double>(samples) / seconds_since(from);
    for (float& v : drawn.values) v = std::clamp(v, 1500.0F, 4500.0F);
    const PrincipalScores components = leading_components(s, training);
    Json& out = row[bench::family_names[f]];
    bench::score_as_processed(s, scoring, components, training, real, drawn, "generated", out);
    out["floor_fresh"] = scoring.of(s, components, training, real, fresh);
    if (!save.empty()) {
      write_npy(save + "/" + bench::family_names[f] + ".npy", {samples, size, size}, drawn.values.data());
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
