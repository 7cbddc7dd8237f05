// SPDX-License-Identifier: MIT
// One network of sines a map (COIN), weights rounded to 16 bits: what a map costs without a shared decoder.
//
//   coin_bench [--width W] [--hidden L] [--steps N] [--lr R] [--omega W0] [--no-muon] [--maps N] [--first K] [--size
//   N]...
//              [--supersample Q] [--decoded OUT] [--halfway OUT.npy] [--ends OUT.npy] FILE.npy
//
// Fits maps first, first + 1, ... of the file, (n, nz, nx) or (n, 1, nz, nx), and prints one JSON object: bytes a map
// (2 a weight, no header), PSNR_full of every map and their mean, seconds a map. --decoded writes what the networks
// give back at N x N pixels for every --size, OUT.N.npy. --supersample: a pixel is the mean over Q x Q points.
// --halfway and --ends: of maps (0, 1), (2, 3), ... the network of the mean weights of the two, and the ends
// themselves; "path" as interpolation_bench prints it, of weights in place of codes. All networks start from the same
// weights. Range of the values: 1500 to 4500 m/s.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/bench_main.hpp"
#include "bench/path_rows.hpp"
#include "engine/compression/components.hpp"
#include "engine/compression/single_network.hpp"
#include "engine/io/npy.hpp"
#include "kernels/runtime/error.hpp"

namespace {

using namespace terrane;
using Clock = std::chrono::steady_clock;

struct Settings {
  SingleNetworkOptions network;
  Index maps = 1, first = 0, samples = 1;
  std::vector<Index> sizes;
  std::string file, decoded, halfway, ends;
};

Settings parse(int argc, char** argv) {
  Settings s;
  for (int k = 1; k < argc; ++k) {
    const std::string a = argv[k];
    const auto text = [&] { return std::string(k + 1 < argc ? argv[++k] : ""); };
    const auto value = [&] { return std::atof(text().c_str()); };
    const auto whole = [&] { return static_cast<Index>(value()); };
    if (a == "--width")
      s.network.width = whole();
    else if (a == "--hidden")
      s.network.hidden = static_cast<int>(whole());
    else if (a == "--steps")
      s.network.steps = whole();
    else if (a == "--lr")
      s.network.lr = value();
    else if (a == "--omega")
      s.network.omega = value();
    else if (a == "--no-muon")
      s.network.muon = false;
    else if (a == "--maps")
      s.maps = whole();
    else if (a == "--first")
      s.first = whole();
    else if (a == "--size")
      s.sizes.push_back(whole());
    else if (a == "--supersample")
      s.samples = whole();
    else if (a == "--decoded")
      s.decoded = text();
    else if (a == "--halfway")
      s.halfway = text();
    else if (a == "--ends")
      s.ends = text();
    else
      s.file = a;
  }
  return s;
}

// The way from the weights of one network to those of the other, decoded.
std::vector<float> way_between(Stream& s, const AutoDecoder& a, const AutoDecoder& b, const DecoderWindow& window) {
  const Index n = std::ssize(a.parameters);
  const std::vector<float> weights = codes_between(a.parameters.data(), b.parameters.data(), n, PathRows::shares());
  std::vector<float> way;
  AutoDecoder between = a;
  for (auto from = weights.begin(); from != weights.end(); from += n) {
    between.parameters.assign(from, from + n);
    const std::vector<float> map = decode_models(s, between, {0.0F}, window);
    way.insert(way.end(), map.begin(), map.end());
  }
  return way;
}

int run(int argc, char** argv) {
  const Settings settings = parse(argc, argv);
  require(!settings.file.empty(), ErrorCode::config, "give an NPY file of maps");
  const NdArray<float> a = read_npy<float>(settings.file);
  require(a.shape.size() >= 3, ErrorCode::data, "give maps as (n, nz, nx) or (n, 1, nz, nx)");
  const std::array<Index, 3> extent{a.shape[a.shape.size() - 2], 1, a.shape.back()};
  const Index n = extent[0] * extent[2], last = settings.first + settings.maps;
  require(settings.first >= 0 && settings.maps >= 1 && last * n <= std::ssize(a.values), ErrorCode::data,
          "the file does not hold these maps");
  StreamOptions options;
  options.threads = 1;
  Stream s(Device{}, options);
  std::vector<double> psnr;
  std::vector<std::vector<float>> decoded(settings.sizes.size());
  double sum = 0;
  const bool between = !settings.halfway.empty() || !settings.ends.empty();
  PathRows path(n);
  AutoDecoder previous;
  std::vector<float> ends;
  const auto start = Clock::now();
  for (Index m = settings.first; m < last; ++m) {
    const ModelSet map{extent, {a.values.begin() + m * n, a.values.begin() + (m + 1) * n}, settings.samples};
    const AutoDecoder d = fit_single_network(s, map, settings.network, std::array<double, 2>{1500, 4500});
    const std::vector<float> back = decode_models(s, d, {0.0F}, map.window());
    psnr.push_back(psnr_full(back.data(), map.values.data(), n));
    sum += psnr.back();
    for (std::size_t k = 0; k < decoded.size(); ++k) {
      const Index size = settings.sizes[k];
      const std::vector<float> at_size = decode_models(s, d, {0.0F}, window_at(map.window(), {size, 1, size}));
      decoded[k].insert(decoded[k].end(), at_size.begin(), at_size.end());
    }
    if (!between) continue;
    ends.insert(ends.end(), back.begin(), back.end());
    if (std::ssize(ends) == 2 * n) {
      path.add(ends, way_between(s, previous, d, map.window()));
      ends.clear();
    }
    previous = d;
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  for (std::size_t k = 0; !settings.decoded.empty() && k < decoded.size(); ++k) {
    const Index size = settings.sizes[k];
    write_npy(settings.decoded + "." + std::to_string(size) + ".npy", {settings.maps, size, size}, decoded[k].data());
  }
  const auto write = [&](const std::string& file, const std::vector<float>& maps) {
    if (!file.empty()) write_npy(file, {std::ssize(maps) / n, extent[0], extent[2]}, maps.data());
  };
  write(settings.halfway, path.halfway());
  write(settings.ends, path.ends());
  nlohmann::ordered_json row = {{"width", settings.network.width},
                                {"hidden", settings.network.hidden},
                                {"steps", settings.network.steps},
                                {"lr", settings.network.lr},
                                {"bytes_per_map", single_network_bytes(settings.network)},
                                {"mean_db", sum / static_cast<double>(settings.maps)},
                                {"psnr_full_db", psnr},
                                {"seconds_per_map", seconds / static_cast<double>(settings.maps)}};
  if (between) row["path"] = path.json();
  std::printf("%s\n", row.dump().c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return terrane::run_bench([&] { return run(argc, argv); });
}
