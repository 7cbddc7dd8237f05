// SPDX-License-Identifier: MIT
#include "physics/survey3.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace terrane {
namespace {

void check_position(const Grid3& g, const Point3& p, const char* kind, std::size_t number, std::size_t shot) {
  for (const int axis : {2, 1, 0}) {
    const double at = p.at(axis), tolerance = on_grid_cells * g.spacing_m(axis);
    if (at >= g.begin_m(axis) - tolerance && at <= g.end_m(axis) + tolerance) continue;
    char text[256];
    std::snprintf(text, sizeof text,
                  "%s %zu of shot %zu at %c = %g m lies outside the grid (%g to %g m); move it or enlarge the grid",
                  kind, number, shot, "zyx"[axis], at, g.begin_m(axis), g.end_m(axis));
    throw Error(ErrorCode::data, text, "survey");
  }
}

std::vector<AxisNode> nodes_of(const Grid3& grid, const Point3& p, int axis) {
  return axis_nodes((p.at(axis) - grid.begin_m(axis)) / grid.spacing_m(axis));
}

// Nodes above plane 0 go to their images with a negative sign.
void fold(std::vector<AxisNode>& nodes) {
  std::vector<AxisNode> folded;
  for (AxisNode node : nodes) {
    if (node.cell < 0) node = {-node.cell, -node.weight};
    const auto same =
        std::find_if(folded.begin(), folded.end(), [&](const AxisNode& n) { return n.cell == node.cell; });
    if (same != folded.end()) {
      same->weight += node.weight;
    } else {
      folded.push_back(node);
    }
  }
  nodes = folded;
}

}  // namespace

Survey3 Survey3::fixed_spread(const std::vector<Point3>& sources, const std::vector<Point3>& receivers, Index nt,
                              double dt_s) {
  Survey3 survey;
  survey.nt = nt;
  survey.dt_s = dt_s;
  for (const Point3& p : sources) survey.shots.push_back({{p}, receivers});
  return survey;
}

Index Survey3::max_sources() const {
  std::size_t n = 0;
  for (const Shot3& s : shots) n = std::max(n, s.sources.size());
  return static_cast<Index>(n);
}

Index Survey3::max_receivers() const {
  std::size_t n = 0;
  for (const Shot3& s : shots) n = std::max(n, s.receivers.size());
  return static_cast<Index>(n);
}

void Survey3::check(const Grid3& grid) const {
  require(nt > 0, ErrorCode::config, "the survey needs at least one time sample (nt)", "survey");
  require(dt_s > 0 && std::isfinite(dt_s), ErrorCode::config, "dt_s must be positive (seconds)", "survey");
  require(!shots.empty(), ErrorCode::config, "the survey has no shots; add at least one source position", "survey");
  for (std::size_t s = 0; s < shots.size(); ++s) {
    for (std::size_t i = 0; i < shots[s].sources.size(); ++i) {
      check_position(grid, shots[s].sources[i], "source", i, s);
    }
    for (std::size_t i = 0; i < shots[s].receivers.size(); ++i) {
      check_position(grid, shots[s].receivers[i], "receiver", i, s);
    }
  }
}

Survey section_of(const Survey3& survey) {
  const auto flattened = [](const std::vector<Point3>& points) {
    std::vector<Position> flat;
    for (const Point3& p : points) flat.push_back({p.x_m, p.z_m});
    return flat;
  };
  Survey flat;
  flat.nt = survey.nt;
  flat.dt_s = survey.dt_s;
  for (const Shot3& s : survey.shots) flat.shots.push_back({flattened(s.sources), flattened(s.receivers)});
  return flat;
}

std::vector<InterpolationNode3> interpolation_nodes(const Grid3& grid, const Point3& p, bool free_surface) {
  std::vector<AxisNode> along_z = nodes_of(grid, p, 0);
  if (free_surface) fold(along_z);
  std::vector<InterpolationNode3> nodes;
  for (const AxisNode& z : along_z) {
    for (const AxisNode& y : nodes_of(grid, p, 1)) {
      for (const AxisNode& x : nodes_of(grid, p, 2)) {
        nodes.push_back({z.cell, y.cell, x.cell, z.weight * y.weight * x.weight});
      }
    }
  }
  return nodes;
}

}  // namespace terrane
