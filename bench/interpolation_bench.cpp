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
#include "bench/path_rows.hpp"
#include "engine/compression/auto_decoder.hpp"
#include "engine/compression/code_file.hpp"
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
  const DecoderWindow window = file_window(file, file.shape);
  const Index k = d.shape.code, n = window.points(), most = file.count / 2;
  const Index pairs = settings.pairs > 0 ? std::min(settings.pairs, most) : most;
  require(pairs >= 1, ErrorCode::data, "the file holds fewer than two codes");
  PathRows rows(n);
  StreamOptions options;
  options.threads = 1;
  Stream s(Device{}, options);
  for (Index p = 0; p < pairs; ++p) {
    const float *a = codes.data() + 2 * p * k, *b = a + k;
    rows.add(decode_models(s, d, {a, a + 2 * k}, window),
             decode_models(s, d, codes_between(a, b, k, PathRows::shares()), window));
  }
  const Index nz = file.shape[0], nx = file.shape[2];
  if (!settings.decoded.empty()) write_npy(settings.decoded, {pairs, nz, nx}, rows.halfway().data());
  if (!settings.ends.empty()) write_npy(settings.ends, {2 * pairs, nz, nx}, rows.ends().data());
  std::printf("%s\n", Json{{"pairs", pairs}, {"path", rows.json()}}.dump().c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return terrane::run_bench([&] { return run(argc, argv); });
}
