// SPDX-License-Identifier: MIT
// Which changes of the training maps may a generator of pixels be given? For none, the mirror, and the mirror with each
// of the others, both families at 32 x 32:
//
//   changed   the changed maps themselves: what a network that learnt them without error would draw
//   samples   of a small U-Net that learnt few of them, where an augmentation should help if it ever does
//
// against fresh maps of the same rules; "floor": other fresh maps.
//
//   augmentation_bench [--maps N] [--changed N] [--steps N] [--batch N] [--samples N] [--seed N] [--threads N]
//                      [--json FILE]
//
// --maps: of each family to learn; --changed: of each family for the first score. Rows that FILE holds are kept.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>

#include "bench/bench_main.hpp"
#include "bench/bench_options.hpp"
#include "bench/map_scores.hpp"
#include "engine/diffusion/maps.hpp"
#include "engine/io/file.hpp"
#include "engine/version.hpp"
#include "kernels/runtime/error.hpp"

namespace {

using namespace terrane;
using Json = nlohmann::ordered_json;

constexpr Index size = 32;

struct Change {
  const char* name;
  bool flip;
  Augmentation augmentation;
};
const std::array<Change, 6> changes{{{"none", false, {}},
                                     {"mirror", true, {}},
                                     {"mirror, scale 0.1", true, {.scale = 0.1}},
                                     {"mirror, crop 0.2", true, {.crop = 0.2}},
                                     {"mirror, elastic 1.5 pixels", true, {.elastic_px = 1.5}},
                                     {"mirror, rotation 10 degrees", true, {.rotation_deg = 10}}}};

MapOptions map_options(const Change& c, std::uint64_t seed) {
  MapOptions o;
  o.height = o.width = size;
  o.flip = c.flip;
  o.augmentation = c.augmentation;
  o.seed = seed;
  return o;
}

std::shared_ptr<LabelledMaps> labelled(const std::vector<ModelSet>& families) {
  auto maps = std::make_shared<LabelledMaps>();
  maps->height = maps->width = size;
  for (std::size_t f = 0; f < families.size(); ++f) {
    maps->values.insert(maps->values.end(), families[f].values.begin(), families[f].values.end());
    maps->family.insert(maps->family.end(), static_cast<std::size_t>(families[f].count()), static_cast<int>(f));
  }
  return maps;
}

Generator trained(Stream& s, const bench::Options& o, const Change& c,
                  const std::shared_ptr<const LabelledMaps>& maps) {
  UnetShape shape;
  shape.height = shape.width = size;
  shape.channels = {16, 32, 64};
  shape.attention = {false, false, true};
  shape.groups = 8;
  shape.head_channels = 32;
  shape.families = 2;
  const Generator prototype{Denoiser(shape), {},     {},
                            {3000},          {1500}, {bench::family_names.begin(), bench::family_names.end()}};
  DiffusionTrainOptions train;
  train.steps = o.whole("steps");
  train.batch = o.whole("batch");
  train.lr = 1e-3;
  train.warmup = train.steps / 10;
  train.average = 0.995;
  train.seed = o.seed();
  DiffusionTrainer trainer(s, prototype, train, map_source(maps, map_options(c, 5000 + train.seed)));
  double loss = 0;
  while (trainer.steps_done() < train.steps) {
    loss += trainer.step().loss / 100;
    if (trainer.steps_done() % 100 != 0) continue;
    std::printf("%s  step %lld  loss %.4f\n", c.name, static_cast<long long>(trainer.steps_done()), loss);
    std::fflush(stdout);
    loss = 0;
  }
  return trainer.generator();
}

// What the flips and other changes make of `maps`, one of each.
ModelSet changed_maps(const ModelSet& maps, const Change& c, std::uint64_t seed) {
  ModelSet out{maps.extent, map_source(labelled({maps}), map_options(c, seed))(0, maps.count()).x};
  for (float& v : out.values) v = 3000 + 1500 * v;
  return out;
}

int run(int argc, char** argv) {
  bench::Options o{
      {{"maps", 100}, {"changed", 1000}, {"steps", 1500}, {"batch", 16}, {"samples", 500}, {"seed", 0}, {"threads", 2}},
      {{"json", ""}}};
  o.parse(argc, argv);
  const std::string& file = o.text["json"];
  Stream s(Device{}, {.threads = o.threads()});
  const std::uint64_t seed = o.seed();
  const auto family_sets = [&](std::uint64_t base, Index count) {
    return std::vector<ModelSet>{bench::family_maps(s, 0, base + seed, count, size),
                                 bench::family_maps(s, 1, base + seed, count, size)};
  };
  const Index samples = o.whole("samples");
  const auto learnt = family_sets(1000, o.whole("maps")), many = family_sets(4000, o.whole("changed")),
             real = family_sets(2000, o.whole("changed")), fresh = family_sets(3000, o.whole("changed"));
  Json all = !file.empty() && std::filesystem::exists(file) ? Json::parse(read_file(file)) : Json::object();
  for (const auto& [key, value] : o.number) all[key] = value;
  all["version"] = version_string();
  const auto keep = [&] {
    if (!file.empty()) write_file_atomic(file, all.dump(1) + "\n");
  };
  const std::array<PrincipalScores, 2> components{leading_components(s, many[0]), leading_components(s, many[1])};
  for (std::size_t f = 0; f < 2; ++f) {
    all["floor"][bench::family_names[f]] = score_samples(s, components[f], many[f], real[f], fresh[f]);
  }
  for (const Change& c : changes) {
    Json& row = all["rows"][c.name];
    if (!row.is_null()) continue;
    Json made;
    const Generator g = trained(s, o, c, labelled(learnt));
    for (std::size_t f = 0; f < 2; ++f) {
      Json& out = made[bench::family_names[f]];
      bench::score_as_processed(s, {}, components[f], fresh[f], real[f], changed_maps(many[f], c, 6000 + seed),
                                "changed", out);
      ModelSet drawn{real[f].extent,
                     sample(s, g, {SamplerKind::heun, 12}, 7, 0, samples,
                            {std::vector<int>(static_cast<std::size_t>(samples), static_cast<int>(f)), {}})};
      for (float& v : drawn.values) v = std::clamp(v, 1500.0F, 4500.0F);
      bench::score_as_processed(s, {}, components[f], learnt[f], real[f], drawn, "samples", out);
    }
    row = made;
    keep();
  }
  keep();
  std::printf("%s\n", all.dump(1).c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return terrane::run_bench([&] { return run(argc, argv); });
}
