// SPDX-License-Identifier: MIT
// Rows of the resistivity operator for tests/support/cases.cpp.
#pragma once

#include <vector>

#include "tests/support/cases.hpp"

namespace terrane {

std::vector<OpCase> resistivity_cases();

}  // namespace terrane
