// SPDX-License-Identifier: MIT
// Folders for the files of tests, each of its own, empty at first and gone at the end.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <system_error>

namespace terrane {

class TestFolder {
 public:
  TestFolder() : path_(testing::TempDir() + "terrane-XXXXXX") {
    if (mkdtemp(path_.data()) == nullptr) throw std::runtime_error("cannot make a folder " + path_);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// Fixture of tests that share nothing but the name of their folder.
class FolderTest : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return folder_ / name; }
  // Writes a file and returns its path.
  std::string put(const std::string& name, const std::string& bytes) const {
    std::ofstream(path(name), std::ios::binary | std::ios::trunc) << bytes;
    return path(name);
  }

 private:
  const TestFolder folder_;

 protected:
  const std::string dir_ = folder_.path();
};

}  // namespace terrane
