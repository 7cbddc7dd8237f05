// SPDX-License-Identifier: MIT
#include <iostream>

#include "engine/json_value.hpp"
#include "tools/terrane/verbs.hpp"

namespace terrane::cli {
namespace {

bool is_flat(const Json& value) {
  if (!value.is_structured()) return true;
  for (const auto& item : value) {
    if (item.is_structured()) return false;
  }
  return value.is_array();
}

// One line a value, nested objects indented.
void print_text(const Json& json, const std::string& indent) {
  for (const auto& [name, value] : json.items()) {
    if (is_flat(value)) {
      std::cout << indent << name << ": " << (value.is_string() ? value.get<std::string>() : value.dump()) << "\n";
    } else if (value.is_object()) {
      std::cout << indent << name << ":\n";
      print_text(value, indent + "  ");
    } else {
      for (const Json& item : value) {
        std::cout << indent << name << ":\n";
        item.is_object() ? print_text(item, indent + "  ")
                         : static_cast<void>(std::cout << indent << "  " << item << "\n");
      }
    }
  }
}

}  // namespace

int info_verb(const Options& options) {
  const Json found = info(options.arguments.at(0), options.verbose > 0);
  if (options.json) {
    print_json(found);
  } else {
    print_text(found, "");
    std::cout << std::flush;
  }
  return 0;
}

}  // namespace terrane::cli
