// SPDX-License-Identifier: MIT
// Rows of the OpenFWI operator for tests/support/cases.cpp.
#pragma once

#include <vector>

#include "tests/support/cases.hpp"

namespace terrane {

std::vector<OpCase> sponge_cases();

}  // namespace terrane
