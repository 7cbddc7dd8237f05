// SPDX-License-Identifier: MIT
// Size and speed of the lossless codec on files of velocity maps: for every array (count, 1, nz, nx) or (count, nz, nx)
// of NPY files and NPZ or ZIP archives, as one file of compressed models, written, read back and compared bit for bit.
//
//   lossless_bench [--bound MPS] [--block N] [--json FILE] FILE...
//
// bytes per map: of the streams, the header of 32 bytes and the index apart; the file's size stands beside it.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/bench_main.hpp"
#include "engine/compression/latent_file.hpp"
#include "engine/compression/lossless.hpp"
#include "engine/io/file.hpp"
#include "engine/io/npy.hpp"
#include "engine/io/npz.hpp"
#include "engine/version.hpp"
#include "kernels/runtime/error.hpp"

namespace {

using namespace terrane;
using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

Json measure(const std::string& name, const NdArray<float>& a, double bound, Index block) {
  const Index count = a.shape.at(0), nz = a.shape.at(a.shape.size() - 2), nx = a.shape.back();
  const std::string path = (std::filesystem::temp_directory_path() / "terrane_lossless_bench.lat").string();
  auto start = Clock::now();
  write_latent_file(path, pack_lossless(a.values.data(), count, nz, nx, bound, block));
  const double encode = seconds_since(start);
  start = Clock::now();
  const LatentFile file = read_latent_file(path);
  const std::vector<float> back = unpack_lossless(file, 0, count);
  const double decode = seconds_since(start);
  double worst = 0;
  for (std::size_t k = 0; k < back.size(); ++k) {
    worst = std::max(worst, static_cast<double>(std::abs(back[k] - a.values[k])));
  }
  const bool equal = std::memcmp(back.data(), a.values.data(), back.size() * sizeof(float)) == 0;
  Index streams = 0;
  for (const std::string& s : file.streams) streams += static_cast<Index>(s.size());
  const auto n = static_cast<double>(count);
  Json row = {{"array", name},
              {"maps", count},
              {"bytes_per_map", static_cast<double>(streams) / n},
              {"file_bytes", file_bytes(path)},
              {"bit_equal", equal},
              {"largest_error", worst},
              {"encode_maps_per_s", n / encode},
              {"decode_maps_per_s", n / decode}};
  std::filesystem::remove(path);
  std::printf("%-28s %5lld maps  %8.2f B per map  %s, largest error %g  encode %.0f, decode %.0f maps/s\n",
              name.c_str(), static_cast<long long>(count), row["bytes_per_map"].get<double>(),
              equal ? "equal" : "not equal", worst, n / encode, n / decode);
  std::fflush(stdout);
  return row;
}

int run(int argc, char** argv) {
  double bound = 0;
  Index block = 512;
  std::string json;
  std::vector<std::string> files;
  for (int k = 1; k < argc; ++k) {
    const std::string arg = argv[k];
    if (arg == "--bound" && k + 1 < argc) {
      bound = std::atof(argv[++k]);
    } else if (arg == "--block" && k + 1 < argc) {
      block = std::atoll(argv[++k]);
    } else if (arg == "--json" && k + 1 < argc) {
      json = argv[++k];
    } else {
      files.push_back(arg);
    }
  }
  Json rows = Json::array();
  for (const std::string& path : files) {
    const std::string base = std::filesystem::path(path).filename().string();
    if (path.ends_with(".npy")) {
      rows.push_back(measure(base, read_npy<float>(path), bound, block));
      continue;
    }
    for (const auto& [name, a] : read_npz<float>(path)) rows.push_back(measure(base + ":" + name, a, bound, block));
  }
  if (json.empty()) return 0;
  Json all = std::filesystem::exists(json) ? Json::parse(read_file(json)) : Json{{"rows", Json::array()}};
  all["version"] = version_string();
  for (Json& row : rows) {
    row["bound"] = bound;
    row["models_per_block"] = block;
    all["rows"].push_back(row);
  }
  write_file_atomic(json, all.dump(1) + "\n");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return terrane::run_bench([&] { return run(argc, argv); });
}
