// SPDX-License-Identifier: MIT
#include "physics/resistivity/dc_survey.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <tuple>

#include "kernels/runtime/error.hpp"

namespace terrane {

namespace {

double smallest_step(const std::vector<double>& nodes) {
  double least = nodes[1] - nodes[0];
  for (std::size_t i = 1; i < nodes.size(); ++i) least = std::min(least, nodes[i] - nodes[i - 1]);
  return least;
}

[[noreturn]] void bad(const std::string& what) { throw Error(ErrorCode::data, what, "survey"); }

}  // namespace

void check_axis(const std::vector<double>& nodes, const char* axis) {
  const std::string name(axis);
  if (nodes.size() < 2) {
    throw Error(ErrorCode::config, "the mesh needs at least two nodes along " + name, "tensor mesh");
  }
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (std::isfinite(nodes[i]) && (i == 0 || nodes[i] > nodes[i - 1])) continue;
    char text[160];
    std::snprintf(text, sizeof text, "node %zu along %s is %g m after %g m; nodes must increase: check the cell widths",
                  i, axis, nodes[i], i > 0 ? nodes[i - 1] : nodes[i]);
    throw Error(ErrorCode::config, text, "tensor mesh");
  }
}

std::vector<double> padded_axis(Index n, double d, double x0, Index before, Index after, double factor) {
  require(n > 0 && d > 0, ErrorCode::config, "a mesh needs cells of positive size", "tensor mesh");
  require(before >= 0 && after >= 0 && factor >= 1, ErrorCode::config,
          "the number of padding cells must not be negative and their growth factor at least 1", "tensor mesh");
  std::vector<double> pad(static_cast<std::size_t>(std::max(before, after))), nodes;  // distances, in first widths
  double width = 1, reach = 0;
  for (double& p : pad) p = reach += width *= factor;
  for (Index i = before; i-- > 0;) nodes.push_back(x0 - d * pad[static_cast<std::size_t>(i)]);
  for (Index i = 0; i <= n; ++i) nodes.push_back(x0 + d * static_cast<double>(i));
  const double end = nodes.back();
  for (Index i = 0; i < after; ++i) nodes.push_back(end + d * pad[static_cast<std::size_t>(i)]);
  check_axis(nodes, "a padded axis");
  return nodes;
}

TensorMesh TensorMesh::padded(Index nz, Index nx, double dz_m, double dx_m, double x0_m, double z0_m, Index padding,
                              double factor) {
  require(nz > 0 && nx > 0 && dz_m > 0 && dx_m > 0, ErrorCode::config, "a mesh needs cells of positive size",
          "tensor mesh");
  return {padded_axis(nx, dx_m, x0_m, padding, padding, factor), padded_axis(nz, dz_m, z0_m, 0, padding, factor)};
}

double TensorMesh::width_m(Index column) const {
  return x_m[static_cast<std::size_t>(column) + 1] - x_m[static_cast<std::size_t>(column)];
}
double TensorMesh::height_m(Index row) const {
  return z_m[static_cast<std::size_t>(row) + 1] - z_m[static_cast<std::size_t>(row)];
}
double TensorMesh::smallest_m() const { return std::min(smallest_step(x_m), smallest_step(z_m)); }
double TensorMesh::extent_m() const { return std::max(x_m.back() - x_m.front(), z_m.back() - z_m.front()); }

void TensorMesh::check() const {
  check_axis(x_m, "x");
  check_axis(z_m, "z");
}

std::vector<std::uint8_t> air_above(const TensorMesh& mesh, const std::vector<Point3>& topography) {
  if (topography.empty()) throw Error(ErrorCode::data, "the topography has no points", "topography");
  for (std::size_t i = 0; i < topography.size(); ++i) {
    const Point3& p = topography[i];
    if (std::isfinite(p.z_m) && std::isfinite(p.x_m) && (i == 0 || p.x_m > topography[i - 1].x_m)) continue;
    throw Error(ErrorCode::data,
                "point " + std::to_string(i) + " of the topography at " + to_string(p) +
                    " is not finite or not right of the one before; sort the points and keep one for each x",
                "topography");
  }
  std::vector<std::uint8_t> air(static_cast<std::size_t>(mesh.cells()));
  for (std::size_t x = 0; x + 1 < mesh.x_m.size(); ++x) {
    const double at = (mesh.x_m[x] + mesh.x_m[x + 1]) / 2;
    const auto right =
        std::lower_bound(topography.begin(), topography.end(), at, [](const Point3& p, double v) { return p.x_m < v; });
    double surface = 0;
    if (right == topography.begin() || right == topography.end()) {
      surface = right == topography.begin() ? topography.front().z_m : topography.back().z_m;
    } else {
      const Point3 &a = *(right - 1), &b = *right;
      surface = std::lerp(a.z_m, b.z_m, (at - a.x_m) / (b.x_m - a.x_m));
    }
    for (std::size_t z = 0; z + 1 < mesh.z_m.size(); ++z) {
      if ((mesh.z_m[z] + mesh.z_m[z + 1]) / 2 < surface) air[z * (mesh.x_m.size() - 1) + x] = 1;
    }
  }
  return air;
}

double ground_z_m(const TensorMesh& mesh, const std::vector<std::uint8_t>& air, double x_m) {
  const double slack = 1e-9 * mesh.smallest_m();
  double highest = mesh.z_m.back();
  for (std::size_t x = 0; x + 1 < mesh.x_m.size(); ++x) {
    if (x_m < mesh.x_m[x] - slack || x_m > mesh.x_m[x + 1] + slack) continue;
    std::size_t z = 0;
    while (!air.empty() && z + 1 < mesh.z_m.size() && air[z * (mesh.x_m.size() - 1) + x] != 0) ++z;
    highest = std::min(highest, mesh.z_m[z]);
  }
  if (highest < mesh.z_m.back()) return highest;
  char text[120];
  std::snprintf(text, sizeof text, "there is no ground at x %g m; enlarge the mesh or correct the topography", x_m);
  throw Error(ErrorCode::data, text, "topography");
}

MeshCore MeshCore::inside(const TensorMesh& mesh, Index padding) {
  const MeshCore core{0, mesh.nz() - padding, padding, mesh.nx() - padding};
  require(padding >= 0 && core.rows() > 0 && core.columns() > 0, ErrorCode::config,
          "the padding leaves no cell of the mesh to invert for", "tensor mesh");
  return core;
}

void DcSurvey::check(bool in_plane) const {
  if (data.empty()) bad("the survey has no data");
  for (std::size_t i = 0; i < electrodes.size(); ++i) {
    const Point3& p = electrodes[i];
    const std::string name = "electrode " + std::to_string(i);
    if (!std::isfinite(p.x_m) || !std::isfinite(p.y_m) || !std::isfinite(p.z_m)) {
      bad(name + " has a position that is not a number");
    }
    if (in_plane && p.y_m != 0)
      bad(name + " at " + to_string(p) + " lies away from the plane y = 0; project the line or model 3-D");
  }
  std::vector<std::size_t> order(electrodes.size());
  std::iota(order.begin(), order.end(), 0u);
  const auto key = [&](std::size_t i) { return std::tuple(electrodes[i].x_m, electrodes[i].y_m, electrodes[i].z_m); };
  std::sort(order.begin(), order.end(), [&](auto i, auto j) { return std::pair(key(i), i) < std::pair(key(j), j); });
  for (std::size_t k = 1; k < order.size(); ++k) {
    if (key(order[k]) != key(order[k - 1])) continue;
    bad("electrodes " + std::to_string(order[k - 1]) + " and " + std::to_string(order[k]) + " are both at " +
        to_string(electrodes[order[k]]) + "; merge them into one");
  }
  const auto count = static_cast<Index>(electrodes.size());
  for (std::size_t d = 0; d < data.size(); ++d) {
    const Index e[4] = {data[d].a, data[d].b, data[d].m, data[d].n};
    const std::string name = "datum " + std::to_string(d);
    for (const Index i : e) {
      if (i >= -1 && i < count) continue;
      bad(name + " names electrode " + std::to_string(i) + ", but there are " + std::to_string(count));
    }
    if (e[0] < 0 && e[1] < 0) bad(name + " has no current electrode; give A or B");
    if (e[2] < 0 && e[3] < 0) bad(name + " has no potential electrode; give M or N");
    for (int i = 0; i < 4; ++i) {
      for (int j = 0; j < i; ++j) {
        if (e[i] < 0 || e[i] != e[j]) continue;
        bad(name + " uses electrode " + std::to_string(e[i]) + " as " + "ABMN"[j] + " and " + "ABMN"[i] +
            "; its voltage is not defined: drop it");
      }
    }
  }
}

}  // namespace terrane
