// SPDX-License-Identifier: MIT
#include "engine/examples.hpp"
#include "tools/terrane/verbs.hpp"

namespace terrane::cli {

int demo_verb(const Options& options) {
  const std::string name = options.arguments.at(0);
  return execute(Config::parse(demo_config(name).dump(2), "demo " + name, options.sets), options);
}

}  // namespace terrane::cli
