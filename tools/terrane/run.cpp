// SPDX-License-Identifier: MIT
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <iostream>

#include "tools/terrane/progress.hpp"
#include "tools/terrane/signals.hpp"
#include "tools/terrane/verbs.hpp"

namespace terrane::cli {

std::string default_directory(const std::string& name) {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char stamp[32];
  std::strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &utc);
  std::string safe;
  for (const char c : name) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    safe += plain ? c : '-';
  }
  const std::string base = "runs/" + safe + "-" + stamp;
  std::string directory = base;
  for (int i = 2; std::filesystem::exists(directory); ++i) directory = base + "-" + std::to_string(i);
  return directory;
}

void print_json(const nlohmann::ordered_json& json) {
  std::cout << json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n" << std::flush;
}

int print_result(const nlohmann::ordered_json& result, const std::string& directory, const Options& options) {
  if (options.json) {
    print_json(result);
  } else {
    std::cout << directory << "\n" << std::flush;
  }
  return result.contains("exit_code") && result.at("exit_code").is_number() ? result.at("exit_code").get<int>() : 0;
}

int execute(const Config& config, const Options& options) {
  if (options.dry_run) return print_forecast(config, options);
  RunOptions run_with = run_options(options, &config);
  if (run_with.out_dir.empty()) run_with.out_dir = default_directory(config.json().at("name").get<std::string>());
  run_with.stop_signal = catch_stop_signals();
  nlohmann::ordered_json result;
  {
    Progress progress(progress_style(run_with.console));
    progress.attach(run_with);
    result = run(config, run_with);
  }
  return print_result(result, run_with.out_dir, options);
}

int run_verb(const Options& options) { return execute(load_config(options, options.arguments.at(0)), options); }

}  // namespace terrane::cli
