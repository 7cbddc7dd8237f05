// SPDX-License-Identifier: MIT
// Trains an auto-decoder on maps of NPY files and prints what it recovers of them, of their quantised codes, and of
// maps that it has not seen; principal components on the same maps stand beside it.
//
//   auto_decoder_bench [--maps N] [--unseen N] [--code K] [--width W] [--hidden L] [--steps N] [--batch N] [--points N]
//                      [--published] [--no-muon] [--concat] [--average D] [--seed N] [--threads N] [--search STEPS]
//                      [--search-lr R] [--full-from F] [--save DIR] [--json FILE] FILE.npy...
//
// Maps are taken in turn from the files: the first N in all for training, the next for encoding. PSNR_full: mean over
// maps of -10 log10 of the mean squared error of (v - 1500) / 3000, at most 60 dB.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "bench/bench_main.hpp"
#include "engine/compression/auto_decoder_train.hpp"
#include "engine/compression/code_encoder.hpp"
#include "engine/compression/code_file.hpp"
#include "engine/compression/components.hpp"
#include "engine/io/file.hpp"
#include "engine/io/npy.hpp"
#include "engine/version.hpp"
#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"

namespace {

using namespace terrane;
using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct Settings {
  Index maps = 60, unseen = 0, search = 1000;
  double search_lr = 5e-3;
  bool published = false;
  int threads = 1;
  std::string json, save;
  std::vector<std::string> files;
  AutoDecoderPreset preset;
};

Settings parse(int argc, char** argv) {
  Settings s;
  for (int k = 1; k < argc; ++k) s.published = s.published || std::string(argv[k]) == "--published";
  s.preset = auto_decoder_preset(s.published ? "siren-2603.14284" : "auto-decoder");
  s.preset.shape.code = 24;
  s.preset.shape.width = 96;
  s.preset.shape.hidden = 4;
  TrainOptions& o = s.preset.train;
  o.steps = 3400;
  o.batch = 20;
  o.points = 512;
  o.full_from = 1;
  for (int k = 1; k < argc; ++k) {
    const std::string a = argv[k];
    const auto value = [&] { return k + 1 < argc ? std::atof(argv[++k]) : 0.0; };
    const auto whole = [&] { return static_cast<Index>(value()); };
    if (a == "--maps")
      s.maps = whole();
    else if (a == "--unseen")
      s.unseen = whole();
    else if (a == "--code")
      s.preset.shape.code = whole();
    else if (a == "--cells")
      s.preset.shape.cells = whole();
    else if (a == "--width")
      s.preset.shape.width = whole();
    else if (a == "--hidden")
      s.preset.shape.hidden = static_cast<int>(whole());
    else if (a == "--steps")
      o.steps = whole();
    else if (a == "--batch")
      o.batch = whole();
    else if (a == "--points")
      o.points = whole();
    else if (a == "--average")
      o.average = value();
    else if (a == "--no-muon")
      o.muon = false;
    else if (a == "--concat")
      s.preset.shape.concatenated = true;
    else if (a == "--seed")
      o.seed = static_cast<std::uint64_t>(whole());
    else if (a == "--threads")
      s.threads = static_cast<int>(whole());
    else if (a == "--search")
      s.search = whole();
    else if (a == "--search-lr")
      s.search_lr = value();
    else if (a == "--full-from")
      o.full_from = value();
    else if (a == "--save" && k + 1 < argc)
      s.save = argv[++k];
    else if (a == "--json" && k + 1 < argc)
      s.json = argv[++k];
    else if (a != "--published")
      s.files.push_back(a);
  }
  return s;
}

// Maps first, first + 1, ... of the files in turn.
ModelSet take(const std::vector<NdArray<float>>& files, Index first, Index count) {
  ModelSet set;
  set.extent = {files[0].shape[files[0].shape.size() - 2], 1, files[0].shape.back()};
  const Index n = set.points(), sources = static_cast<Index>(files.size());
  for (Index k = first; k < first + count; ++k) {
    const auto from = files[static_cast<std::size_t>(k % sources)].values.begin() + k / sources * n;
    set.values.insert(set.values.end(), from, from + n);
  }
  return set;
}

// Mean over the maps, and over those of each file.
Json psnr(const std::vector<float>& recovered, const ModelSet& set, Index first, const Settings& settings) {
  const Index n = set.points(), sources = static_cast<Index>(settings.files.size());
  Json by_file = Json::object();
  for (Index f = 0; f < sources; ++f) {
    double sum = 0, maps = 0;
    for (Index k = 0; k < set.count(); ++k) {
      if ((first + k) % sources != f) continue;
      sum += psnr_full(recovered.data() + k * n, set.values.data() + k * n, n);
      ++maps;
    }
    by_file[std::filesystem::path(settings.files[static_cast<std::size_t>(f)]).stem().string()] = sum / maps;
  }
  return {{"mean_db", mean_psnr_full(recovered, set)}, {"by_file_db", by_file}};
}

Json train(Stream& s, const Settings& settings, const ModelSet& maps, AutoDecoder& decoder) {
  const TrainOptions& o = settings.preset.train;
  AutoDecoderTrainer trainer(s, settings.preset, maps, std::array<double, 2>{1500, 4500});
  const auto start = Clock::now();
  double sum = 0;
  for (Index k = 1; k <= o.steps; ++k) {
    sum += trainer.step();
    if (k % std::max<Index>(o.steps / 10, 1) != 0) continue;
    std::printf("  step %5lld  loss %.3e  %.0f s\n", static_cast<long long>(k),
                sum / static_cast<double>(std::max<Index>(o.steps / 10, 1)), seconds_since(start));
    std::fflush(stdout);
    sum = 0;
  }
  const double seconds = seconds_since(start);
  decoder = trainer.decoder();
  const double points = static_cast<double>(o.steps * o.batch * o.points);
  return {{"steps", o.steps}, {"seconds", seconds}, {"points_per_s", points / seconds}};
}

int run(int argc, char** argv) {
  const Settings settings = parse(argc, argv);
  std::vector<NdArray<float>> files;
  for (const std::string& f : settings.files) files.push_back(read_npy<float>(f));
  require(!files.empty(), ErrorCode::config, "give at least one NPY file of maps");
  StreamOptions options;
  options.threads = settings.threads;
  Stream s(Device{}, options);
  const ModelSet maps = take(files, 0, settings.maps);
  AutoDecoder d;
  Json row = {{"preset", settings.published ? "siren-2603.14284" : "auto-decoder"},
              {"maps", settings.maps},
              {"code", settings.preset.shape.code},
              {"cells", settings.preset.shape.cells},
              {"width", settings.preset.shape.width},
              {"hidden", settings.preset.shape.hidden},
              {"decoder_parameters", settings.preset.shape.parameters()},
              {"seed", settings.preset.train.seed},
              {"threads", settings.threads}};
  row.update(train(s, settings, maps, d));
  const DecoderWindow window{.extent = maps.extent};
  const Index rank = settings.preset.shape.code;
  const std::vector<float> recovered = decode_models(s, d, d.training_codes, window);
  row["train"] = psnr(recovered, maps, 0, settings);
  row["train"]["code_norm_psnr_correlation"] = code_norm_correlation(d.training_codes, rank, recovered, maps);
  for (const int bits : {8, 6, 5}) {
    const LatentFile file = pack_codes(d, d.training_codes, maps.extent, bits);
    const std::string name = std::to_string(bits) + "_bit";
    row["psnr_" + name + "_db"] = mean_psnr_full(decode_models(s, d, unpack_codes(d, file, "codes"), window), maps);
    row["bytes_per_map_" + name] = static_cast<double>(file.bytes()) / static_cast<double>(settings.maps);
  }
  if (!settings.save.empty()) {
    make_directories(settings.save);
    write_decoder(settings.save + "/decoder.safetensors", d);
    write_latent_file(settings.save + "/latents.lat", pack_codes(d, d.training_codes, maps.extent, 8));
    const std::vector<float> values = decode_models(s, d, d.training_codes, window);
    write_npy(settings.save + "/decoded.npy", {settings.maps, maps.extent[0], maps.extent[2]}, values.data());
  }
  row["pca_train"] = psnr(project_on_components(s, maps, maps, rank), maps, 0, settings);
  if (settings.unseen > 0) {
    const ModelSet unseen = take(files, settings.maps, settings.unseen);
    const auto start = Clock::now();
    const std::vector<float> codes =
        search_codes(s, d, unseen, CodeSearch{.steps = settings.search, .lr = settings.search_lr});
    row["encode_ms_per_map"] = 1000 * seconds_since(start) / static_cast<double>(settings.unseen);
    const std::vector<float> found = decode_models(s, d, codes, window);
    row["unseen"] = psnr(found, unseen, settings.maps, settings);
    row["unseen"]["code_norm_psnr_correlation"] = code_norm_correlation(codes, rank, found, unseen);
    row["pca_unseen"] = psnr(project_on_components(s, maps, unseen, rank), unseen, settings.maps, settings);
  }
  std::printf("%s\n", row.dump(1).c_str());
  if (settings.json.empty()) return 0;
  Json all =
      std::filesystem::exists(settings.json) ? Json::parse(read_file(settings.json)) : Json{{"rows", Json::array()}};
  all["version"] = version_string();
  all["rows"].push_back(row);
  write_file_atomic(settings.json, all.dump(1) + "\n");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return terrane::run_bench([&] { return run(argc, argv); });
}
