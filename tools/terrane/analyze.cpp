// SPDX-License-Identifier: MIT
#include "engine/analyze.hpp"

#include <cstdio>
#include <filesystem>
#include <iostream>

#include "tools/terrane/verbs.hpp"

namespace terrane::cli {

int analyze_verb(const Options& options) {
  AnalyzeRequest request;
  request.what = options.arguments.at(0);
  request.source = options.arguments.at(1);
  request.at = options.at;
  if (options.top != 0) {
    request.top = options.top;
  } else if (request.what == "resolution") {
    request.top = 64;
  }
  request.method = options.method;
  request.prior_std = options.prior_std;
  for (const std::string& pair : options.pair) {
    long long shot = 0, receiver = 0;
    char rest = 0;
    if (std::sscanf(pair.c_str(), "%lld:%lld%c", &shot, &receiver, &rest) != 2) {
      throw Error(ErrorCode::config, "--pair takes SHOT:RECEIVER, e.g. 0:10, not \"" + pair + "\"");
    }
    request.pairs.emplace_back(shot, receiver);
  }
  request.data = options.datum;
  request.sets = options.sets;
  const bool directory = std::filesystem::is_directory(request.source);
  RunOptions with = run_options(options, nullptr);
  if (with.out_dir.empty()) {
    with.out_dir = directory
                       ? request.source + "/analysis/" + request.what
                       : default_directory(std::filesystem::path(request.source).stem().string() + "-" + request.what);
  }
  const auto result = analyze(request, with);
  if (options.json) {
    print_json(result);
  } else {
    std::cout << with.out_dir << "\n" << std::flush;
  }
  return 0;
}

}  // namespace terrane::cli
