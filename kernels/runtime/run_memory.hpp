// SPDX-License-Identifier: MIT
// What a back end keeps from one run to the next of the same arrays; the owner of the arrays owns it. Host memory.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace terrane {

struct RunMemory {
  struct Entry {
    std::string key;
    std::shared_ptr<void> kept;  // empty until the run comes a second time
  };
  std::vector<Entry> entries;  // the one used last at the end
};

}  // namespace terrane
