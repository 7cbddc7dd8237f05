// SPDX-License-Identifier: MIT
// Rows of velocity maps with their names on the left.
#pragma once

#include <string>
#include <vector>

#include "engine/drawing.hpp"

namespace terrane {

inline constexpr Index contact_columns = 10;

struct ContactRow {
  std::string name;
  Index rows = 0, columns = 0;  // of a map; one of n times its height takes n places
  std::vector<float> maps;      // (count, rows, columns), m/s; those beyond the last place are left out
  double lo_mps = 1500, hi_mps = 4500;
};

Drawing contact_sheet(const std::vector<ContactRow>& rows);

}  // namespace terrane
