// SPDX-License-Identifier: MIT
#include "tests/support/devices.hpp"

#include <filesystem>

namespace terrane {

std::string test_data_file(const std::string& name) {
  const char* root = std::getenv("TERRANE_DATA");
  const std::filesystem::path file = std::filesystem::path(root != nullptr ? root : TERRANE_TEST_DATA_DEFAULT) / name;
  return std::filesystem::exists(file) ? file.string() : std::string();
}

}  // namespace terrane
