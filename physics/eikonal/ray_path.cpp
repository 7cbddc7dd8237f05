// SPDX-License-Identifier: MIT
#include "physics/eikonal/ray_path.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace terrane {

namespace {

using Vector3 = std::array<double, 3>;  // z, y, x

struct TimeField {
  const Grid3& g;
  std::span<const double> t;

  double at(const std::array<Index, 3>& i) const {
    return t[static_cast<std::size_t>((i[0] * g.ny + i[1]) * g.nx + i[2])];
  }
  // Derivative along an axis at a node, from the neighbours that have a time; in the direction of falling times where
  // the field has a kink.
  double slope(std::array<Index, 3> i, int axis) const {
    const double here = at(i), h = g.spacing_m(axis);
    const auto neighbour = [&](Index step) {
      auto j = i;
      j[static_cast<std::size_t>(axis)] += step;
      const Index k = j[static_cast<std::size_t>(axis)];
      return k >= 0 && k < g.size(axis) ? at(j) : -1.0;
    };
    const double left = neighbour(-1), right = neighbour(1);
    if (left >= 0 && right >= 0) {
      const double back = (here - left) / h, ahead = (right - here) / h;
      if (back > 0 && ahead < 0) return left < right ? back : ahead;  // a ridge: one of the two ways down
      return 0.5 * (back + ahead);
    }
    if (left >= 0) return std::max((here - left) / h, 0.0);
    if (right >= 0) return std::min((right - here) / h, 0.0);
    return 0;
  }
  // False where no node around the position has a time.
  bool gradient(const Vector3& p, Vector3& out) const {
    std::array<Index, 3> low{};
    Vector3 fraction{};
    for (int a = 0; a < 3; ++a) {
      const auto k = static_cast<std::size_t>(a);
      if (g.size(a) == 1) continue;
      const double u = std::clamp((p[k] - g.begin_m(a)) / g.spacing_m(a), 0.0, static_cast<double>(g.size(a) - 1));
      low[k] = std::min(static_cast<Index>(u), g.size(a) - 2);
      fraction[k] = u - static_cast<double>(low[k]);
    }
    double total = 0;
    out = {};
    for (unsigned corner = 0; corner < 8; ++corner) {
      auto node = low;
      double w = 1;
      for (std::size_t k = 0; k < 3; ++k) {
        const bool up = (corner >> k & 1u) != 0;
        w *= up ? fraction[k] : 1 - fraction[k];
        node[k] += up ? 1 : 0;
      }
      if (!(w > 0) || at(node) < 0) continue;
      total += w;
      for (int a = 0; a < 3; ++a) {
        if (g.size(a) > 1) out[static_cast<std::size_t>(a)] += w * slope(node, a);
      }
    }
    for (double& e : out) e /= total > 0 ? total : 1;
    return total > 0;
  }
};

Vector3 vector_of(const Grid3& g, const Point3& p) { return {p.z_m, g.flat() ? 0.0 : p.y_m, p.x_m}; }
Point3 point_of(const Vector3& v) { return {v[2], v[0], v[1]}; }
double distance(const Vector3& a, const Vector3& b) { return std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]); }

// One step against the gradient, kept inside the grid.
bool descend(const TimeField& f, const Vector3& from, const Vector3& at, double length, Vector3& to) {
  Vector3 d;
  if (!f.gradient(at, d)) return false;
  const double norm = std::hypot(d[0], d[1], d[2]);
  if (!(norm > 0)) return false;
  for (int a = 0; a < 3; ++a) {
    const auto k = static_cast<std::size_t>(a);
    to[k] = std::clamp(from[k] - length * d[k] / norm, f.g.begin_m(a), f.g.end_m(a));
  }
  return true;
}

}  // namespace

std::vector<Point3> trace_ray(const Grid3& grid, std::span<const double> times_s, const Point3& source,
                              const Point3& receiver) {
  grid.check();
  require(static_cast<Index>(times_s.size()) == grid.cells(), ErrorCode::failed, "the time field does not fit the grid",
          "ray path");
  const TimeField field{grid, times_s};
  const Vector3 end = vector_of(grid, source);
  Vector3 at = vector_of(grid, receiver), unused;
  for (int a = 0; a < 3; ++a) {
    const auto k = static_cast<std::size_t>(a);
    if (a == 1 && grid.flat()) continue;
    require(at[k] >= grid.begin_m(a) && at[k] <= grid.end_m(a), ErrorCode::data, "the receiver lies outside the grid",
            "ray path");
  }
  require(field.gradient(at, unused), ErrorCode::data, "no time is known around the receiver", "ray path");
  double h = grid.dx_m, longest = grid.dx_m;
  for (const int a : {0, 1}) {
    if (grid.size(a) == 1) continue;
    h = std::min(h, grid.spacing_m(a));
    longest = std::max(longest, grid.spacing_m(a));
  }
  const double step = 0.5 * h;
  const auto most = static_cast<Index>(20 * static_cast<double>(grid.nz + grid.ny + grid.nx) * longest / h);
  std::vector<Point3> path{receiver};
  for (Index n = 0; n < most; ++n) {
    if (distance(at, end) <= 1.5 * longest) {
      path.push_back(source);
      return path;
    }
    Vector3 middle = at, next = at;
    const bool ok = descend(field, at, at, 0.5 * step, middle) && descend(field, at, middle, step, next);
    if (!ok || distance(next, at) < 1e-3 * step) break;
    at = next;
    path.push_back(point_of(at));
  }
  throw Error(ErrorCode::failed,
              "the ray from " + to_string(receiver) + " does not arrive at the source " + to_string(source),
              "ray path");
}

double path_length_m(std::span<const Point3> path) {
  double sum = 0;
  for (std::size_t i = 1; i < path.size(); ++i) {
    sum += std::hypot(path[i].x_m - path[i - 1].x_m, path[i].y_m - path[i - 1].y_m, path[i].z_m - path[i - 1].z_m);
  }
  return sum;
}

}  // namespace terrane
