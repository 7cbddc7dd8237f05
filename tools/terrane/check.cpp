// SPDX-License-Identifier: MIT
#include <iostream>

#include "tools/terrane/verbs.hpp"

namespace terrane::cli {

int print_forecast(const Config& config, const Options& options) {
  RunOptions with = run_options(options, &config);
  with.log = Log::open(with.console);
  const Forecast prediction = forecast(config, with);
  if (options.json) {
    nlohmann::ordered_json json = prediction.json;
    json["fits"] = prediction.fits;
    json["exit_code"] = prediction.fits ? 0 : static_cast<int>(ErrorCode::budget);
    if (!prediction.fits) json["remedy"] = prediction.remedy;
    json["unused"] = config.unused();
    print_json(json);
  } else {
    for (const std::string& line : prediction.lines) std::cout << line << "\n";
    for (const std::string& section : config.unused()) std::cout << "unused by this task: " << section << "\n";
    std::cout << std::flush;
  }
  if (prediction.fits) return 0;
  if (!options.json) std::cerr << "error: " << prediction.remedy << "\n";
  return static_cast<int>(ErrorCode::budget);
}

int check_verb(const Options& options) {
  return print_forecast(load_config(options, options.arguments.at(0)), options);
}

}  // namespace terrane::cli
