// SPDX-License-Identifier: MIT
#include <iostream>

#include "tools/terrane/verbs.hpp"

namespace terrane::cli {

int report_verb(const Options& options) {
  rebuild_report(options.arguments);
  for (const std::string& directory : options.arguments) std::cout << directory << "/report.html\n";
  std::cout << std::flush;
  return 0;
}

}  // namespace terrane::cli
