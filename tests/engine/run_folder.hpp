// SPDX-License-Identifier: MIT
// A folder for the runs of one test, gone when the test has ended.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "engine/run.hpp"

namespace terrane {

class RunFolder : public ::testing::Test {
 protected:
  RunFolder() : root_(testing::TempDir() + "terrane_runs_" + std::to_string(::getpid())) {
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
  }
  ~RunFolder() override { std::filesystem::remove_all(root_); }
  // Of a quiet run on one thread into a folder of that name, which is not made here.
  RunOptions options(const std::string& name) const {
    RunOptions o;
    o.out_dir = root_ + "/" + name;
    o.console = LogLevel::off;
    o.threads = 1;
    return o;
  }
  std::string root_;
};

}  // namespace terrane
