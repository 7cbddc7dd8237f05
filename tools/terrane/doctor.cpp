// SPDX-License-Identifier: MIT
#include <iostream>

#include "tools/terrane/verbs.hpp"

namespace terrane::cli {

int doctor_verb(const Options& options) {
  RunOptions with = run_options(options, nullptr);
  with.log = Log::open(with.console);
  std::vector<std::string> lines;
  const nlohmann::ordered_json found = doctor(options.verify, with, &lines);
  if (options.json) {
    print_json(found);
  } else {
    for (const std::string& line : lines) std::cout << line << "\n";
    std::cout << std::flush;
  }
  return found.contains("exit_code") && found.at("exit_code").is_number() ? found.at("exit_code").get<int>() : 0;
}

}  // namespace terrane::cli
