// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <string>

#include "engine/geology_set.hpp"
#include "engine/output.hpp"
#include "engine/registry.hpp"
#include "tools/terrane/progress.hpp"
#include "tools/terrane/signals.hpp"
#include "tools/terrane/verbs.hpp"

namespace terrane::cli {
namespace {

std::uint64_t seed_of(const std::string& text) {
  if (text.empty()) return 0;
  if (text.find_first_not_of("0123456789") == std::string::npos && text.size() < 20) return std::stoull(text);
  throw Error(ErrorCode::config, "--seed takes a whole number below 1e19, not \"" + text + "\"");
}

// One line that is rewritten on a terminal, else a line a family.
class Counter {
 public:
  explicit Counter(ProgressStyle style) : style_(style) {}
  void operator()(const std::string& family, Index done, Index count) {
    const bool last = done == count, bar = style_ == ProgressStyle::bar;
    if (style_ == ProgressStyle::none || (!last && now_s() - shown_s_ < (bar ? 0.1 : 10.0))) return;
    shown_s_ = now_s();
    std::fprintf(stderr, "%s%s  %lld/%lld maps%s", bar ? "\r" : "", family.c_str(), static_cast<long long>(done),
                 static_cast<long long>(count), bar && !last ? "" : "\n");
  }

 private:
  ProgressStyle style_;
  double shown_s_ = now_s();
};

}  // namespace

int generate_verb(const Options& options) {
  GeologySetOptions set;
  std::string families = options.family;
  std::replace(families.begin(), families.end(), ',', ' ');
  set.families = split_words(families);
  set.count = options.count;
  set.seed = seed_of(options.seed);
  set.size = options.size;
  set.area = options.area;
  set.seismic = options.seismic;
  set.directory = options.output;
  set.contact_sheet = options.contact_sheet;
  set.stop = catch_stop_signals();
  set.progress = Counter(progress_style(console_level(options)));
  const RunOptions with = run_options(options, nullptr);
  StreamOptions stream;
  stream.threads = with.threads;
  Stream s(with.device, stream);
  const auto manifest = write_geology_set(s, set);
  if (options.json) {
    print_json(manifest);
  } else {
    std::cout << set.directory << "\n" << std::flush;
  }
  return 0;
}

}  // namespace terrane::cli
