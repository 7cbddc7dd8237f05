// SPDX-License-Identifier: MIT
// Models between two codes: decodes the way from every code of a .lat file to the next and prints how far it is from a
// cross-fade of pixels (engine/compression/code_path.hpp).
//
//   interpolation_bench --codec DIR [--pairs N] [--decoded OUT.npy] [--ends OUT.npy] CODES.lat
//
// Pairs are (0, 1), (2, 3), ...; shares 1/6, 1/3, 1/2. --decoded writes the models halfway, --ends those of the ends.
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/bench_main.hpp"
#include "engine/compression/auto_decoder.hpp"
#include "engine/compression/code_file.hpp"
#include "engine/compression/code_path.hpp"
#include "engine/io/npy.hpp"
#include "kernels/runtime/error.hpp"

namespace {

using namespace terrane;
using Json = nlohmann::ordered_json;

struct Settings {
  std::string codec, codes, decoded, ends;
  Index pairs = 0;  // 0: all
};

Settings parse(int argc, char** argv) {
  Settings s;
  for (int k = 1; k < argc; ++k) {
    const std::string a = argv[k];
    const auto text = [&] { return std::string(k + 1 < argc ? argv[++k] : ""); };
    if (a == "--codec")
      s.codec = text();
    else if (a == "--pairs")
      s.pairs = std::atoi(text().c_str());
    else if (a == "--decoded")
      s.decoded = text();
    else if (a == "--ends")
      s.ends = text();
    else
      s.codes = a;
  }
  return s;
}

int run(int argc, char** argv) {
  const Settings settings = parse(argc, argv);
  require(!settings.codec.empty() && !settings.codes.empty(), ErrorCode::config, "give --codec DIR and a .lat file");
  const AutoDecoder d = read_decoder(settings.codec + "/decoder.safetensors");
  const LatentFile file = read_latent_file(settings.codes);
  const std::vector<float> codes = unpack_codes(d, file, settings.codes);
  const DecoderWindow window{.extent = file.shape};
  const Index k = d.shape.code, n = window.points(), most = file.count / 2;
  const Index pairs = settings.pairs > 0 ? std::min(settings.pairs, most) : most;
  require(pairs >= 1, ErrorCode::data, "the file holds fewer than two codes");
  const std::vector<double> shares{1.0 / 6, 1.0 / 3, 0.5};
  std::vector<PathScores> mean(shares.size());
  std::vector<double> least(shares.size(), 1e300);
  std::vector<float> halfway, ends;
  StreamOptions options;
  options.threads = 1;
  Stream s(Device{}, options);
  for (Index p = 0; p < pairs; ++p) {
    const float *a = codes.data() + 2 * p * k, *b = a + k;
    const std::vector<float> end = decode_models(s, d, {a, a + 2 * k}, window);
    const std::vector<float> way = decode_models(s, d, codes_between(a, b, k, shares), window);
    for (std::size_t t = 0; t < shares.size(); ++t) {
      const PathScores q =
          path_scores(way.data() + static_cast<Index>(t) * n, end.data(), end.data() + n, shares[t], n);
      const auto add = [&](double PathScores::*m) { mean[t].*m += q.*m / static_cast<double>(pairs); };
      for (const auto m : {&PathScores::mse_a, &PathScores::mse_b, &PathScores::mse_ends, &PathScores::excess,
                           &PathScores::dissolve}) {
        add(m);
      }
      least[t] = std::min(least[t], q.excess);
    }
    halfway.insert(halfway.end(), way.end() - n, way.end());
    ends.insert(ends.end(), end.begin(), end.end());
  }
  Json rows = Json::array();
  for (std::size_t t = 0; t < shares.size(); ++t) {
    rows.push_back({{"share", shares[t]},
                    {"mse_a", mean[t].mse_a},
                    {"mse_b", mean[t].mse_b},
                    {"mse_ends", mean[t].mse_ends},
                    {"excess", mean[t].excess},
                    {"least_excess", least[t]},
                    {"dissolve", mean[t].dissolve}});
  }
  const std::vector<Index> shape{file.shape[0], file.shape[2]};
  if (!settings.decoded.empty()) write_npy(settings.decoded, {pairs, shape[0], shape[1]}, halfway.data());
  if (!settings.ends.empty()) write_npy(settings.ends, {2 * pairs, shape[0], shape[1]}, ends.data());
  std::printf("%s\n", Json{{"pairs", pairs}, {"path", rows}}.dump().c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return terrane::run_bench([&] { return run(argc, argv); });
}
