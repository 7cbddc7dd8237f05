// SPDX-License-Identifier: MIT
// Rows of the 3-D wave operator for tests/support/cases.cpp.
#pragma once

#include <vector>

#include "tests/support/cases.hpp"

namespace terrane {

std::vector<OpCase> wave3_cases();

}  // namespace terrane
