// SPDX-License-Identifier: MIT
// Positions of a survey from their section of a config.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "engine/io/npy.hpp"
#include "engine/problem.hpp"

namespace terrane {
namespace {

// Position k of `count` along a span [first, last], both included; one alone lies in the middle.
double along(const Json& span, Index k, Index count) {
  const double first = span[0], last = span[1];
  if (count == 1) return first == last ? first : 0.5 * (first + last);
  return first + static_cast<double>(k) / static_cast<double>(count - 1) * (last - first);
}

// y of a section of a config, 0 in two dimensions.
double y_along(const Json& p, Index k, Index count) { return p.at("y_m").is_null() ? 0 : along(p.at("y_m"), k, count); }

std::vector<Point3> listed(const Json& p) {
  const auto x = p.at("x_m").get<std::vector<double>>(), z = p.at("z_m").get<std::vector<double>>();
  const auto y = p.at("y_m").is_null() ? std::vector<double>{0} : p.at("y_m").get<std::vector<double>>();
  const auto at = [](const std::vector<double>& v, std::size_t k) { return v.size() == 1 ? v[0] : v.at(k); };
  std::vector<Point3> positions;
  for (std::size_t k = 0; k < std::max({x.size(), y.size(), z.size()}); ++k) {
    positions.push_back({at(x, k), at(z, k), at(y, k)});
  }
  return positions;
}

std::vector<Point3> ring(const Json& p) {
  std::vector<Point3> positions;
  const Index count = p.at("count");
  const double x = p.at("center_x_m"), z = p.at("center_z_m"), r = p.at("radius_m"), first = p.at("angle_deg");
  for (Index k = 0; k < count; ++k) {
    const double t = 3.14159265358979323846 * (first / 180 + 2 * static_cast<double>(k) / static_cast<double>(count));
    positions.push_back({x + r * std::cos(t), z + r * std::sin(t), 0});
  }
  return positions;
}

std::vector<Point3> read_positions(const std::string& path, bool flat) {
  const auto a = read_npy<double>(path);
  const std::size_t n = flat ? 2 : 3;
  if (a.shape.size() != 2 || a.shape[1] != static_cast<Index>(n) || a.values.empty()) {
    throw Error(ErrorCode::data,
                std::string("positions have the shape ") +
                    (flat ? "(n, 2), x and z" : "(n, 3), x, y and z: the grid has y") + "; this is " +
                    shape_text(a.shape),
                path);
  }
  std::vector<Point3> positions;
  for (std::size_t k = 0; k < a.values.size(); k += n) {
    const auto row = a.values.begin() + static_cast<std::ptrdiff_t>(k);
    if (!std::all_of(row, row + static_cast<std::ptrdiff_t>(n), [](double v) { return std::isfinite(v); })) {
      throw Error(ErrorCode::data, "position " + std::to_string(k / n) + " is not finite", path);
    }
    positions.push_back({row[0], row[static_cast<std::ptrdiff_t>(n) - 1], flat ? 0 : row[1]});
  }
  return positions;
}

}  // namespace

std::vector<Point3> positions_of(const Json& p, const Grid3& grid) {
  const std::string type = p.at("type");
  if (type == "points") return listed(p);
  if (type == "ring") return ring(p);
  if (type == "file") return read_positions(p.at("path"), grid.flat());
  std::vector<Point3> positions;
  if (type == "line") {
    const Index count = p.at("count");
    for (Index k = 0; k < count; ++k) {
      positions.push_back({along(p.at("x_m"), k, count), along(p.at("z_m"), k, count), y_along(p, k, count)});
    }
    return positions;
  }
  const double z_m = p.at("z_m");
  if (type == "lattice") {
    const Index nx = p.at("count_x"), ny = p.at("count_y");
    for (Index k = 0; k < nx * ny; ++k) {
      positions.push_back({along(p.at("x_m"), k % nx, nx), z_m, along(p.at("y_m"), k / nx, ny)});
    }
    return positions;
  }
  const Index step = p.at("step");
  if (type == "grid-plane") {
    const Index first = p.at("first");
    for (Index y = first; y < grid.ny; y += step) {
      for (Index x = first; x < grid.nx; x += step) positions.push_back({grid.at_m(2, x), z_m, grid.at_m(1, y)});
    }
    return positions;
  }
  const double y_m = p.at("y_m").is_null() ? 0 : p.at("y_m").get<double>();
  for (Index x = 0; x < grid.nx; x += step) positions.push_back({grid.at_m(2, x), z_m, y_m});
  return positions;
}

std::vector<Point3> build_positions(const Json& section, const Grid3& grid, const Extent& e, const char* what) {
  const auto positions = positions_of(section, grid);
  if (positions.empty()) throw Error(ErrorCode::config, "/survey: there is no " + std::string(what));
  const double begin[] = {e.z0_m, e.y0_m, e.x0_m}, end[] = {e.z1_m, e.y1_m, e.x1_m};
  for (std::size_t k = 0; k < positions.size(); ++k) {
    for (const int axis : {2, 1, 0}) {
      if (axis == 1 && grid.flat()) continue;
      const double at = positions[k].at(axis), tolerance = 1e-6 * grid.spacing_m(axis);
      if (at >= begin[axis] - tolerance && at <= end[axis] + tolerance) continue;
      char text[256];
      std::snprintf(
          text, sizeof text,
          "%s %zu at %c = %g m lies outside the grid (%g to %g m). Positions are metres, not indices or feet.", what, k,
          "zyx"[axis], at, begin[axis], end[axis]);
      throw Error(ErrorCode::data, text);
    }
  }
  return positions;
}

}  // namespace terrane
