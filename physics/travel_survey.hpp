// SPDX-License-Identifier: MIT
// Sources, receivers and which pairs of them have a travel time. Positions in metres, anywhere inside the grid.
#pragma once

#include <string>
#include <vector>

#include "kernels/runtime/hd.hpp"

namespace terrane {

struct Point3 {
  double x_m = 0, z_m = 0, y_m = 0;
  double at(int axis) const { return axis == 0 ? z_m : axis == 1 ? y_m : x_m; }  // 0 z, 1 y, 2 x
  bool operator==(const Point3&) const = default;
};
std::string to_string(const Point3& p);

struct TravelPair {
  Index source = 0, receiver = 0;
};

// What the property is: its unit is m/s or s/m.
enum class TravelProperty : int { velocity, slowness };

struct TravelSurvey {
  std::vector<Point3> sources, receivers;
  std::vector<TravelPair> pairs;  // one datum each, in the order of the data

  // Every receiver for every source: datum source * receivers + receiver.
  static TravelSurvey full(const std::vector<Point3>& sources, const std::vector<Point3>& receivers);
  Index data() const { return static_cast<Index>(pairs.size()); }
  // Throws Error{data} for a pair that names no source or receiver, or a position that is not a number.
  void check() const;
};

}  // namespace terrane
