// SPDX-License-Identifier: MIT
// Fixture of tests that run configs into folders of their own.
#pragma once

#include <string>

#include "engine/run.hpp"
#include "tests/support/test_folder.hpp"

namespace terrane {

class RunFolder : public FolderTest {
 protected:
  // Of a quiet run on one thread into a folder of that name, which is not made here.
  RunOptions options(const std::string& name) const {
    RunOptions o;
    o.out_dir = path(name);
    o.console = LogLevel::off;
    o.threads = 1;
    return o;
  }
};

}  // namespace terrane
