// SPDX-License-Identifier: MIT
// Positions of sensors as files of unified data hold them (engine/io/bert.hpp), and as the engine does: z down.
//
// Which axis is vertical (`second_axis`; y and z in a file point up unless "depth" is said):
//   auto        x z: z; x y: y; x y z: z with y horizontal. x y z with z constant and y not is an Error{data} that
//               names the choices below: a vertical section (y up) and a survey in plan view look the same.
//   elevation   x y: y; x y z with z constant: y, else z. Positive up.
//   depth       the same axis, positive down
//   horizontal  y is horizontal, z (if any) is vertical and up
#pragma once

#include <string>
#include <vector>

#include "engine/io/bert.hpp"
#include "physics/travel_survey.hpp"

namespace terrane {

struct VerticalAxis {
  int axis = -1;  // 1 y, 2 z, -1 none: everything lies at z = 0
  bool down = false;
};

// Error{config} for another word than the four above.
void check_second_axis(const std::string& choice, const std::string& path);
VerticalAxis vertical_axis(const PointList& list, const std::string& choice, const std::string& path);
// The topography goes by the axis of the sensors, or by its only axis beside x.
VerticalAxis topography_axis(const PointList& list, const VerticalAxis& sensors, const std::string& path);
// One sentence on where z comes from.
std::string axis_note(const VerticalAxis& v);

// Positions with z down. An axis that is not vertical is horizontal.
std::vector<Point3> oriented(const PointList& list, const VerticalAxis& v);
// The other way: z is elevation; axes x z, or x y z.
PointList points_up(const std::vector<Point3>& points, bool three);
// Number of each point among the distinct ones, which are appended to `distinct`.
std::vector<Index> merge(const std::vector<Point3>& points, std::vector<Point3>& distinct);

}  // namespace terrane
