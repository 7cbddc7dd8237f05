// SPDX-License-Identifier: MIT
#include <algorithm>
#include <filesystem>
#include <string>

#include "engine/geology_set.hpp"
#include "engine/io/file.hpp"
#include "engine/registry.hpp"
#include "tools/terrane/verbs.hpp"

namespace terrane::cli {

// The config of task "generate" that the options stand for.
int generate_verb(const Options& options) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (!options.overwrite && fs::exists(options.output, error) && !fs::is_empty(options.output, error)) {
    throw Error(ErrorCode::config, options.output + " exists and is not empty: choose another folder");
  }
  std::string families = options.family;
  std::replace(families.begin(), families.end(), ',', ' ');
  nlohmann::ordered_json config{{"task", "generate"},
                                {"name", fs::path(options.output).filename().string()},
                                {"count", options.count},
                                {"source",
                                 {{"type", "procedural"},
                                  {"families", resolve_geology_families(split_words(families))},
                                  {"size", options.size},
                                  {"sampling", options.area ? "area" : "point"}}}};
  if (options.seismic) config["pairs"] = {{"preset", "openfwi"}};
  if (options.contact_sheet.empty()) config["report"] = {{"enabled", false}};
  Options with = options;
  with.out = options.output;
  const int code = execute(Config::parse(config.dump(2), "generate", options.sets), with);
  if (!options.contact_sheet.empty()) {
    write_file_atomic(options.contact_sheet, read_file(options.output + "/contact.png"));
  }
  return code;
}

}  // namespace terrane::cli
