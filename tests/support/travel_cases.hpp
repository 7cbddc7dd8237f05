// SPDX-License-Identifier: MIT
// Rows of the travel-time operators for tests/support/cases.cpp.
#pragma once

#include <vector>

#include "tests/support/cases.hpp"

namespace terrane {

std::vector<OpCase> travel_cases();

}  // namespace terrane
