// SPDX-License-Identifier: MIT
// Resistivity of a config in three dimensions: mesh, options, the ground under a surface, a grid from electrodes.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <utility>

#include "engine/measured.hpp"
#include "engine/median.hpp"

namespace terrane {
namespace {

// The highest electrode of each place.
std::vector<Point3> surface_electrodes(const std::vector<Point3>& electrodes) {
  std::map<std::pair<double, double>, double> highest;
  for (const Point3& e : electrodes) {
    const auto [at, fresh] = highest.try_emplace({e.x_m, e.y_m}, e.z_m);
    if (!fresh) at->second = std::min(at->second, e.z_m);
  }
  std::vector<Point3> points;
  for (const auto& [place, z] : highest) points.push_back({place.first, z, place.second});
  return points;
}

std::vector<double> cell_middles(const TensorMesh3& mesh, int axis) {
  std::vector<double> middle;
  for (Index i = 0; i < mesh.cells(axis); ++i) middle.push_back(mesh.middle_m(axis, i));
  return middle;
}

void check_in_volume(const Problem& p) {
  const TensorMesh3& m = p.mesh3;
  const double slack = 1e-6 * p.grid.dz_m;
  for (const Point3& e : p.dc.electrodes) {
    const bool inside = e.x_m >= m.x_m.front() && e.x_m <= m.x_m.back() && e.y_m >= m.y_m.front() &&
                        e.y_m <= m.y_m.back() && e.z_m >= m.z_m.front() - slack && e.z_m <= m.z_m.back();
    if (inside) continue;
    char text[320];
    std::snprintf(
        text, sizeof text,
        "the electrode at x = %g m, y = %g m, z = %g m (down) lies outside the mesh (x %g to %g m, y %g to %g "
        "m, z from %g m): move or enlarge the grid; with observations it may be left out and is then chosen "
        "from the electrodes",
        e.x_m, e.y_m, e.z_m, m.x_m.front(), m.x_m.back(), m.y_m.front(), m.y_m.back(), m.z_m.front());
    throw Error(ErrorCode::data, text, p.observed_source);
  }
}

}  // namespace

void build_dc_volume(const Json& physics, Problem& p) {
  const Grid3& g = p.grid;
  const Json& padding = physics.at("padding");
  const Point3 corner{g.x0_m - 0.5 * g.dx_m, g.z0_m - 0.5 * g.dz_m, g.y0_m - 0.5 * g.dy_m};
  p.mesh3 =
      TensorMesh3::padded(g.nz, g.ny, g.nx, g.dz_m, g.dy_m, g.dx_m, corner, padding.at("cells"), padding.at("factor"));
  Resistivity3dOptions& o = p.resistivity3;
  set_dc_options(physics, p, o);
  o.core = MeshCore3::inside(p.mesh3, padding.at("cells"));
  o.solution = physics.at("solver") == "direct" ? DcSolution::direct : DcSolution::multigrid;
  o.tolerance = physics.at("tolerance");
}

void drape_dc_volume(const Json& surface, const std::vector<Point3>& topography, Problem& p) {
  if (!surface.is_null()) {
    const TensorMesh3& m = p.mesh3;
    const std::vector<double> x = cell_middles(m, 2), y = cell_middles(m, 1);
    const bool sensors = surface.is_string();
    const std::vector<Point3> points =
        sensors && !topography.empty() ? topography : surface_electrodes(p.dc.electrodes);
    const auto line = sensors ? std::vector<std::pair<double, double>>() : surface_line(surface, {});
    const auto height = [&](double px, double py) {
      return sensors ? scattered_z_m(points, px, py) : depth_of(line, px);
    };
    Topography t{x, y, {}};
    for (const double py : y) {
      for (const double px : x) t.z_m.push_back(height(px, py));
    }
    p.resistivity3.air = air_above(m, t);
    drape_electrodes([&](const Point3& e) { return ground_z_m(m, p.resistivity3.air, e.x_m, e.y_m); },
                     [&](const Point3& e) { return height(e.x_m, e.y_m); }, p);
  }
  check_in_volume(p);
}

Json grid_for_volume(const DcSurvey& survey, const std::string& path) {
  const std::vector<Point3>& e = survey.electrodes;
  Point3 low = e.at(0), high = e.at(0);
  for (const Point3& p : e) {
    low = {std::min(low.x_m, p.x_m), std::min(low.z_m, p.z_m), std::min(low.y_m, p.y_m)};
    high = {std::max(high.x_m, p.x_m), std::max(high.z_m, p.z_m), std::max(high.y_m, p.y_m)};
  }
  double longest = 0;
  for (const DcDatum& d : survey.data) {
    for_each_pole_pair(d, [&](Index m, Index a, double) {
      const Point3 &p = e[static_cast<std::size_t>(m)], &q = e[static_cast<std::size_t>(a)];
      longest = std::max(longest, std::hypot(p.x_m - q.x_m, p.y_m - q.y_m, p.z_m - q.z_m));
    });
  }
  const double widest = std::max(high.x_m - low.x_m, high.y_m - low.y_m);
  const double h = in_quotes(std::max(median_spacing(e, path) / 2, widest / 100));
  const double relief = high.z_m - low.z_m;
  const double top = in_quotes(std::floor(low.z_m / h + 1e-9) * h, 10);
  const double bottom = std::max(high.z_m + 6 * h, low.z_m + 0.35 * std::max(longest, 12 * h) + relief);
  const auto begin = [&](double least) { return in_quotes(std::floor((least - 3 * h) / h) * h, 10); };
  const double left = begin(low.x_m), front = begin(low.y_m);
  const auto cells = [&](double from, double to) { return static_cast<Index>(std::ceil((to - from) / h - 1e-9)); };
  return {{"nz", cells(top, bottom)},
          {"ny", cells(front, high.y_m + 3 * h)},
          {"nx", cells(left, high.x_m + 3 * h)},
          {"dz_m", h},
          {"dy_m", h},
          {"dx_m", h},
          {"z0_m", top},
          {"y0_m", front},
          {"x0_m", left}};
}

}  // namespace terrane
