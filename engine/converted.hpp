// SPDX-License-Identifier: MIT
// The same numbers in another precision.
#pragma once

#include <vector>

namespace terrane {

template <class To, class From>
std::vector<To> converted(const std::vector<From>& v) {
  return std::vector<To>(v.begin(), v.end());
}

}  // namespace terrane
