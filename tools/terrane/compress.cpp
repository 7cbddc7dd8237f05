// SPDX-License-Identifier: MIT
#include "engine/compression/compress.hpp"

#include <cstdio>
#include <filesystem>
#include <iostream>

#include "kernels/runtime/error.hpp"
#include "tools/terrane/verbs.hpp"

namespace terrane::cli {
namespace {

void refuse_existing(const Options& o) {
  if (std::filesystem::exists(o.output) && !o.overwrite) {
    throw Error(ErrorCode::config, o.output + " exists; choose another -o, or add --overwrite");
  }
}

std::unique_ptr<Stream> stream_of(const Options& o) {
  const RunOptions run = run_options(o, nullptr);
  StreamOptions options;
  options.threads = run.threads;
  return std::make_unique<Stream>(run.device, options);
}

// "psnr_db=50" or "bytes=256"
void set_target(const std::string& text, CompressOptions& o) {
  double value = 0;
  char rest = 0;
  if (std::sscanf(text.c_str(), "psnr_db=%lf%c", &value, &rest) == 1 && value > 0) {
    o.target_psnr_db = value;
  } else if (std::sscanf(text.c_str(), "bytes=%lf%c", &value, &rest) == 1 && value > 0) {
    o.target_bytes = value;
  } else {
    throw Error(ErrorCode::config, "--target takes psnr_db=NUMBER or bytes=NUMBER (a model), not \"" + text + "\"");
  }
}

// "70x70" or "32x32x32": rows first.
std::array<Index, 3> extent_of(const std::string& text) {
  long long a = 0, b = 0, c = 0;
  char rest = 0;
  const bool volume = std::sscanf(text.c_str(), "%lldx%lldx%lld%c", &a, &b, &c, &rest) == 3;
  const bool plane = !volume && std::sscanf(text.c_str(), "%lldx%lld%c", &a, &b, &rest) == 2;
  const auto fits = [](long long n) { return n >= 1 && n <= 65535; };
  if ((!volume && !plane) || !fits(a) || !fits(b) || (volume && !fits(c))) {
    throw Error(ErrorCode::config, "--size takes NZxNX or NZxNYxNX, e.g. 140x140, not \"" + text + "\"");
  }
  return volume ? std::array<Index, 3>{a, b, c} : std::array<Index, 3>{a, 1, b};
}

}  // namespace

int compress_verb(const Options& o) {
  CompressOptions options;
  options.bound_mps = o.bound;
  options.decoder = o.codec;
  if (!o.method.empty()) options.method = compress_method(o.method);
  if (o.bits > 0) options.bits = o.bits;
  if (o.search_steps > 0) options.search.steps = o.search_steps;
  options.polish.iterations = o.polish_steps;
  if (o.supersample > 0) options.samples = o.supersample;
  if (!o.target.empty()) set_target(o.target, options);
  refuse_existing(o);
  const auto s = stream_of(o);
  const auto r = compress_file(*s, o.arguments.at(0), o.output, options);
  if (o.json) {
    print_json(r);
  } else {
    std::printf("%s: %lld models by codec %s, %lld bytes, %.1f a model, PSNR_full %.2f dB\n", o.output.c_str(),
                r.at("count").get<long long>(), r.at("codec").get<std::string>().c_str(),
                r.at("file_bytes").get<long long>(), r.at("bytes_per_model").get<double>(),
                r.at("psnr_full_db").get<double>());
  }
  return 0;
}

int decompress_verb(const Options& o) {
  DecompressOptions options;
  options.decoder = o.codec;
  if (!o.resolution.empty()) options.extent = extent_of(o.resolution);
  options.samples = o.supersample;
  refuse_existing(o);
  const auto s = stream_of(o);
  const auto r = decompress_file(*s, o.arguments.at(0), o.output, options);
  if (o.json) {
    print_json(r);
  } else {
    std::printf("%s: %lld models of codec %s, shape %s\n", o.output.c_str(), r.at("count").get<long long>(),
                r.at("codec").get<std::string>().c_str(), r.at("shape").dump().c_str());
  }
  return 0;
}

}  // namespace terrane::cli
