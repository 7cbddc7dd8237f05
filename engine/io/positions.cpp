// SPDX-License-Identifier: MIT
#include "engine/io/positions.hpp"

#include <map>
#include <tuple>

#include "engine/io/text.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {}  // namespace

void check_second_axis(const std::string& choice, const std::string& path) {
  if (choice == "auto" || choice == "elevation" || choice == "depth" || choice == "horizontal") return;
  throw Error(ErrorCode::config,
              "\"second_axis\" is \"" + choice + "\"; auto, elevation, depth and horizontal are known", path);
}

VerticalAxis vertical_axis(const PointList& list, const std::string& choice, const std::string& path) {
  const bool y = list.has("y"), z = list.has("z"), down = choice == "depth";
  if (choice == "horizontal") {
    if (!y) fail_at(path, list.header_line, "\"second_axis\": \"horizontal\" needs a column y; leave it out");
    return {z ? 2 : -1, false};
  }
  if (!z) return {y ? 1 : -1, down};
  const bool flat = y && list.constant(2) && !list.constant(1);
  if (flat && choice == "auto") {
    fail_at(path, list.header_line,
            "z is the same everywhere, so y may be vertical or horizontal; set \"second_axis\" to \"elevation\" or "
            "\"depth\" for a vertical section, \"horizontal\" for a plan view");
  }
  return {flat ? 1 : 2, down};
}

std::vector<Point3> oriented(const PointList& list, const VerticalAxis& v) {
  std::vector<Point3> points;
  for (const std::array<double, 3>& p : list.position_m) {
    const double up = v.axis < 0 ? 0 : p[static_cast<std::size_t>(v.axis)];
    Point3 q{p[0], v.down ? up : -up, v.axis == 1 ? p[2] : p[1]};
    for (double* value : {&q.x_m, &q.z_m, &q.y_m}) *value += 0.0;  // no negative zeros
    points.push_back(q);
  }
  return points;
}

std::string axis_note(const VerticalAxis& v) {
  if (v.axis < 0) return "z = 0 everywhere: the file has no vertical axis";
  const std::string column = v.axis == 1 ? "y" : "z";
  return v.down ? "z = depth from column " + column : "z = -elevation from column " + column;
}

VerticalAxis topography_axis(const PointList& list, const VerticalAxis& sensors, const std::string& path) {
  if (sensors.axis > 0 && list.has(sensors.axis == 1 ? "y" : "z")) return sensors;
  if (list.has("y") != list.has("z")) return {list.has("y") ? 1 : 2, sensors.down};
  fail_at(path, list.header_line, "the topography points have no axis like the vertical one of the sensors; name it");
}

std::vector<Index> merge(const std::vector<Point3>& points, std::vector<Point3>& distinct) {
  std::map<std::tuple<double, double, double>, Index> seen;
  for (const Point3& p : distinct) seen.emplace(std::tuple(p.x_m, p.z_m, p.y_m), static_cast<Index>(seen.size()));
  std::vector<Index> number;
  for (const Point3& p : points) {
    const auto [at, added] = seen.emplace(std::tuple(p.x_m, p.z_m, p.y_m), static_cast<Index>(distinct.size()));
    if (added) distinct.push_back(p);
    number.push_back(at->second);
  }
  return number;
}

PointList points_up(const std::vector<Point3>& points, bool three) {
  PointList list;
  list.axes = three ? std::vector<std::string>{"x", "y", "z"} : std::vector<std::string>{"x", "z"};
  for (const Point3& p : points) list.position_m.push_back({p.x_m, p.y_m, 0.0 - p.z_m});
  return list;
}

}  // namespace terrane
