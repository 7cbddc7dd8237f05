// SPDX-License-Identifier: MIT
#include <filesystem>
#include <iostream>

#include "engine/examples.hpp"
#include "engine/io/file.hpp"
#include "engine/schema.hpp"
#include "tools/terrane/verbs.hpp"

namespace terrane::cli {

int init_verb(const Options& options) {
  const std::string task = options.arguments.at(0);
  const nlohmann::ordered_json base = template_config(task, {options.model, options.data});
  const Config config = Config::parse(base.dump(), "init " + task);
  const std::string file = options.output;
  const std::string text = options.json
                               ? config.json().dump(2) + "\n"
                               : annotated(config, (file.empty() ? task + ".json" : file) +
                                                       ": every key with its default; delete what you do not change");
  if (file.empty() || file == "-") {
    std::cout << text << std::flush;
    return 0;
  }
  std::error_code error;
  if (std::filesystem::exists(file, error) && !options.overwrite) {
    throw Error(ErrorCode::config, file + " exists: choose another name or add --overwrite");
  }
  write_file_atomic(file, text);
  std::cerr << file << " written; next: terrane check " << file << "\n";
  return 0;
}

}  // namespace terrane::cli
