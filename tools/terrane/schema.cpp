// SPDX-License-Identifier: MIT
#include "engine/schema.hpp"

#include <iostream>

#include "tools/terrane/verbs.hpp"

namespace terrane::cli {

int schema_verb(const Options& options) {
  if (options.docs) {
    std::cout << reference_page();
  } else if (!options.arguments.empty()) {
    std::cout << schema_text(options.arguments[0]);
  } else {
    print_json(json_schema());
  }
  std::cout << std::flush;
  return 0;
}

}  // namespace terrane::cli
