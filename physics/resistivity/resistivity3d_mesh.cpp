// SPDX-License-Identifier: MIT
#include "physics/resistivity/resistivity3d_mesh.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "kernels/runtime/error.hpp"

namespace terrane {

namespace {

// The interval of increasing `nodes` that holds x, and where in it from 0 to 1, level beyond the ends.
std::pair<std::size_t, double> interval(const std::vector<double>& nodes, double x) {
  if (nodes.size() < 2 || x <= nodes.front()) return {0, 0.0};
  if (x >= nodes.back()) return {nodes.size() - 2, 1.0};
  const auto i = static_cast<std::size_t>(std::upper_bound(nodes.begin(), nodes.end(), x) - nodes.begin()) - 1;
  return {i, (x - nodes[i]) / (nodes[i + 1] - nodes[i])};
}

bool increases(const std::vector<double>& v) {
  for (std::size_t i = 0; i < v.size(); ++i) {
    if (!std::isfinite(v[i]) || (i > 0 && !(v[i] > v[i - 1]))) return false;
  }
  return !v.empty();
}

}  // namespace

TensorMesh3 TensorMesh3::padded(Index nz, Index ny, Index nx, double dz_m, double dy_m, double dx_m,
                                const Point3& corner, Index padding, double factor) {
  return {padded_axis(nx, dx_m, corner.x_m, padding, padding, factor),
          padded_axis(ny, dy_m, corner.y_m, padding, padding, factor),
          padded_axis(nz, dz_m, corner.z_m, 0, padding, factor)};
}

double TensorMesh3::middle_m(int axis, Index cell) const {
  const std::vector<double>& nodes = nodes_m(axis);
  return (nodes[at(cell)] + nodes[at(cell + 1)]) / 2;
}

void TensorMesh3::check() const {
  check_axis(x_m, "x");
  check_axis(y_m, "y");
  check_axis(z_m, "z");
}

double Topography::at(double x, double y) const {
  const auto [i, fx] = interval(x_m, x);
  const auto [j, fy] = interval(y_m, y);
  const std::size_t nx = x_m.size(), right = std::min(i + 1, nx - 1), far = std::min(j + 1, y_m.size() - 1);
  const double near = std::lerp(z_m[j * nx + i], z_m[j * nx + right], fx);
  return std::lerp(near, std::lerp(z_m[far * nx + i], z_m[far * nx + right], fx), fy);
}

void Topography::check() const {
  const bool finite = std::all_of(z_m.begin(), z_m.end(), [](double z) { return std::isfinite(z); });
  if (increases(x_m) && increases(y_m) && finite && z_m.size() == x_m.size() * y_m.size()) return;
  throw Error(ErrorCode::data,
              "the topography has " + std::to_string(x_m.size()) + " x " + std::to_string(y_m.size()) +
                  " positions and " + std::to_string(z_m.size()) +
                  " heights; x and y must increase and every pair of them needs one finite height",
              "topography");
}

double scattered_z_m(const std::vector<Point3>& points, double x_m, double y_m) {
  constexpr std::size_t near = 16;
  if (points.empty()) throw Error(ErrorCode::data, "the topography has no points", "topography");
  struct Neighbour {
    double square, x, y, z;
  };
  std::vector<Neighbour> all;
  for (const Point3& p : points) {
    const double dx = p.x_m - x_m, dy = p.y_m - y_m;
    all.push_back({dx * dx + dy * dy, dx, dy, p.z_m});
  }
  const auto closer = [](const Neighbour& a, const Neighbour& b) { return a.square < b.square; };
  const std::size_t n = std::min(near, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(n), all.end(), closer);
  if (all[0].square == 0) return all[0].z;
  // Differences from the weighted mean, so that the slopes have two equations of their own.
  double w0 = 0, mx = 0, my = 0, mz = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double w = all[0].square / all[i].square;
    w0 += w, mx += w * all[i].x, my += w * all[i].y, mz += w * all[i].z;
  }
  mx /= w0, my /= w0, mz /= w0;
  double xx = 0, xy = 0, yy = 0, xz = 0, yz = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double w = all[0].square / all[i].square, x = all[i].x - mx, y = all[i].y - my, z = all[i].z - mz;
    xx += w * x * x, xy += w * x * y, yy += w * y * y, xz += w * x * z, yz += w * y * z;
  }
  constexpr double least = 1e-9;  // of the spread across a line
  const double ridge = least * (xx + yy);
  if (!(ridge > 0)) return mz;
  xx += ridge, yy += ridge;
  const double determinant = xx * yy - xy * xy;
  const double sx = (yy * xz - xy * yz) / determinant, sy = (xx * yz - xy * xz) / determinant;
  return mz - sx * mx - sy * my;
}

Topography scattered_topography(const std::vector<Point3>& points, const std::vector<double>& x_m,
                                const std::vector<double>& y_m) {
  Topography t{x_m, y_m, {}};
  for (const double y : y_m) {
    for (const double x : x_m) t.z_m.push_back(scattered_z_m(points, x, y));
  }
  return t;
}

std::vector<std::uint8_t> air_above(const TensorMesh3& mesh, const Topography& topography) {
  topography.check();
  std::vector<std::uint8_t> air(at(mesh.cells()));
  for (Index y = 0; y < mesh.ny(); ++y) {
    for (Index x = 0; x < mesh.nx(); ++x) {
      const double surface = topography.at(mesh.middle_m(2, x), mesh.middle_m(1, y));
      for (Index z = 0; z < mesh.nz(); ++z) {
        if (mesh.middle_m(0, z) < surface) air[at((z * mesh.ny() + y) * mesh.nx() + x)] = 1;
      }
    }
  }
  return air;
}

double ground_z_m(const TensorMesh3& mesh, const std::vector<std::uint8_t>& air, double x_m, double y_m) {
  double highest = mesh.z_m.back();
  const auto holds = [](const std::vector<double>& nodes, Index i, double v) {
    const double slack = 1e-9 * (nodes[at(i + 1)] - nodes[at(i)]);
    return v >= nodes[at(i)] - slack && v <= nodes[at(i + 1)] + slack;
  };
  for (Index y = 0; y < mesh.ny(); ++y) {
    for (Index x = 0; holds(mesh.y_m, y, y_m) && x < mesh.nx(); ++x) {
      if (!holds(mesh.x_m, x, x_m)) continue;
      Index z = 0;
      while (!air.empty() && z < mesh.nz() && air[at((z * mesh.ny() + y) * mesh.nx() + x)] != 0) ++z;
      highest = std::min(highest, mesh.z_m[at(z)]);
    }
  }
  if (highest < mesh.z_m.back()) return highest;
  char text[160];
  std::snprintf(text, sizeof text, "there is no ground at x %g m, y %g m; enlarge the mesh or correct the topography",
                x_m, y_m);
  throw Error(ErrorCode::data, text, "topography");
}

MeshCore3 MeshCore3::inside(const TensorMesh3& mesh, Index padding) {
  const MeshCore3 core{0, mesh.nz() - padding, padding, mesh.ny() - padding, padding, mesh.nx() - padding};
  require(padding >= 0 && core.rows() > 0 && core.lines() > 0 && core.columns() > 0, ErrorCode::config,
          "the padding leaves no cell of the mesh to invert for", "tensor mesh");
  return core;
}

}  // namespace terrane
