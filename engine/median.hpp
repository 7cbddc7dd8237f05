// SPDX-License-Identifier: MIT
// Median of a list of finite numbers.
#pragma once

#include <algorithm>
#include <vector>

namespace terrane {

// The upper one of the two in the middle when their number is even; 0 for none.
inline double median_of(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace terrane
