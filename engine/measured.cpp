// SPDX-License-Identifier: MIT
#include "engine/measured.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "engine/io/npy.hpp"
#include "engine/median.hpp"

namespace terrane {

double data_unit(const Json& data, Quantity quantity) {
  const Json& unit = data.at("unit");
  if (unit.is_null()) return 1;
  const double factor = unit_factor(quantity, unit.get<std::string>());
  if (factor > 0) return factor;
  throw Error(ErrorCode::config, "/data/unit: " + unit.dump() + " is no unit of a " + std::string(name_of(quantity)) +
                                     ": write one of " + units_of(quantity));
}

void set_std(const Json& std, Quantity quantity, std::vector<double> from_file, const std::string& path, Problem& p) {
  const std::string floor_key = "floor" + std::string(suffix_of(quantity));
  if (std.is_object()) {
    double floor = 0;
    for (const auto& [key, value] : std.items()) {
      if (key.rfind("floor", 0) != 0 || value == 0) continue;
      if (key != floor_key) {
        throw Error(ErrorCode::config, "/data/std/" + key + ": these data are " + std::string(name_of(quantity)) +
                                           "s: write " + floor_key);
      }
      floor = value;
    }
    const double relative = std.at("relative");
    p.std.clear();
    for (std::size_t i = 0; i < p.observed.size(); ++i) {
      p.std.push_back(std::hypot(relative * p.observed[i], floor));
      if (p.std.back() > 0) continue;
      throw Error(ErrorCode::config,
                  "/data/std: datum " + std::to_string(i) + " has standard deviation 0: give " + floor_key);
    }
    return;
  }
  if (std.is_string() && from_file.empty()) {
    throw Error(ErrorCode::data,
                "the file has no column of standard deviations: write \"std\": {\"" + floor_key +
                    "\": 0.001} or {\"relative\": 0.05}",
                path);
  }
  p.std = std::move(from_file);
}

void read_mask(const Json& data, Problem& p) {
  if (data.at("mask").is_null()) return;
  const std::string path = data.at("mask");
  const auto m = read_npy<double>(path);
  if (m.values.size() != p.observed.size()) {
    throw Error(
        ErrorCode::data,
        "the mask has shape " + shape_text(m.shape) + ", but there are " + std::to_string(p.observed.size()) + " data",
        path);
  }
  for (const double w : m.values) {
    if (!(w >= 0 && w <= 1)) throw Error(ErrorCode::data, "a weight lies outside 0 to 1", path);
  }
  p.mask = m.values;
}

std::vector<std::pair<double, double>> surface_line(const Json& surface, const std::vector<Point3>& sensors) {
  std::vector<std::pair<double, double>> line;
  if (surface.is_string()) {
    for (const Point3& s : sensors) line.emplace_back(s.x_m, s.z_m);
  } else {
    const auto x = surface.at("x_m").get<std::vector<double>>(), z = surface.at("z_m").get<std::vector<double>>();
    for (std::size_t i = 0; i < x.size(); ++i) line.emplace_back(x[i], z.size() == 1 ? z[0] : z.at(i));
  }
  std::sort(line.begin(), line.end());  // of sensors at one place the highest counts
  line.erase(std::unique(line.begin(), line.end(), [](const auto& a, const auto& b) { return a.first == b.first; }),
             line.end());
  return line;
}

double depth_of(const std::vector<std::pair<double, double>>& line, double x) {
  if (x <= line.front().first) return line.front().second;
  for (std::size_t i = 1; i < line.size(); ++i) {
    if (x > line[i].first) continue;
    const double t = (x - line[i - 1].first) / (line[i].first - line[i - 1].first);
    return line[i - 1].second + t * (line[i].second - line[i - 1].second);
  }
  return line.back().second;
}

double median_spacing(const std::vector<Point3>& points, const std::string& path) {
  std::vector<double> gaps;
  for (const Point3& a : points) {
    double near = 0;
    for (const Point3& b : points) {
      const double d = std::hypot(a.x_m - b.x_m, a.y_m - b.y_m, a.z_m - b.z_m);
      if (d > 0 && (near == 0 || d < near)) near = d;
    }
    if (near > 0) gaps.push_back(near);
  }
  if (gaps.empty()) throw Error(ErrorCode::data, "all sensors lie at one place: no grid can be chosen", path);
  return median_of(gaps);
}

void drape_electrodes(const HeightAt& ground_z_m, const HeightAt& surface_z_m, Problem& p) {
  double moved = 0;
  for (Point3& e : p.dc.electrodes) {
    const double z = ground_z_m(e) + std::max(0.0, e.z_m - surface_z_m(e));
    moved = std::max(moved, std::abs(z - e.z_m));
    e.z_m = z;
  }
  if (moved == 0) return;
  char text[120];
  std::snprintf(text, sizeof text, "electrodes are moved by up to %.3g m, onto the cells of the surface", moved);
  p.notes.emplace_back(text);
}

double in_quotes(double value, int digits) {
  char text[40];
  std::snprintf(text, sizeof text, "%.*g", digits, value);
  return std::strtod(text, nullptr);
}

}  // namespace terrane
