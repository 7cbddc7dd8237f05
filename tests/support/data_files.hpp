// SPDX-License-Identifier: MIT
// Files of the shared data folder ($TERRANE_DATA, or the one beside the checkout), for tests that use them where they
// are.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace terrane {

inline std::string data_file(const std::string& name) {
  const char* given = std::getenv("TERRANE_DATA");
  const std::filesystem::path root = given != nullptr ? given : TERRANE_TEST_DATA_DEFAULT;
  return (root / name).string();
}

inline bool absent(const std::string& name) { return !std::filesystem::exists(data_file(name)); }

// While it lives, relative paths of a config are found under the data folder.
struct DataFolder {
  DataFolder() { setenv("TERRANE_DATA", std::filesystem::path(data_file("x")).parent_path().c_str(), 1); }
};

}  // namespace terrane
