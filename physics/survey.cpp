// SPDX-License-Identifier: MIT
#include "physics/survey.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>

namespace terrane {
namespace {

constexpr Index half_width = 4;
constexpr double kaiser_shape = 6.31;

}  // namespace

std::vector<AxisNode> axis_nodes(double at) {
  const double nearest = std::round(at);
  if (std::abs(at - nearest) < on_grid_cells) return {{static_cast<Index>(nearest), 1.0}};
  std::vector<AxisNode> nodes;
  const auto below = static_cast<Index>(std::floor(at));
  for (Index i = below - half_width + 1; i <= below + half_width; ++i) {
    const double d = at - static_cast<double>(i), r = d / static_cast<double>(half_width);
    const double sinc = std::sin(std::numbers::pi * d) / (std::numbers::pi * d);
    const double window = std::cyl_bessel_i(0.0, kaiser_shape * std::sqrt(std::max(0.0, 1 - r * r))) /
                          std::cyl_bessel_i(0.0, kaiser_shape);
    nodes.push_back({i, sinc * window});
  }
  return nodes;
}

namespace {

void check_position(const Grid2& g, const Position& p, const char* kind, Index number, Index shot) {
  const double tolerance_x = on_grid_cells * g.dx_m, tolerance_z = on_grid_cells * g.dz_m;
  const bool x_ok = p.x_m >= g.x0_m - tolerance_x && p.x_m <= g.x_end_m() + tolerance_x;
  const bool z_ok = p.z_m >= g.z0_m - tolerance_z && p.z_m <= g.z_end_m() + tolerance_z;
  if (x_ok && z_ok) return;
  char text[256];
  const char axis = x_ok ? 'z' : 'x';
  std::snprintf(text, sizeof text,
                "%s %lld of shot %lld at %c = %g m lies outside the grid (%g to %g m); move it or enlarge the grid",
                kind, static_cast<long long>(number), static_cast<long long>(shot), axis, x_ok ? p.z_m : p.x_m,
                x_ok ? g.z0_m : g.x0_m, x_ok ? g.z_end_m() : g.x_end_m());
  throw Error(ErrorCode::data, text, "survey");
}

}  // namespace

Survey Survey::fixed_spread(const std::vector<Position>& sources, const std::vector<Position>& receivers, Index nt,
                            double dt_s) {
  Survey survey;
  survey.nt = nt;
  survey.dt_s = dt_s;
  for (const Position& p : sources) survey.shots.push_back({{p}, receivers});
  return survey;
}

Index Survey::max_sources() const {
  std::size_t n = 0;
  for (const Shot& s : shots) n = std::max(n, s.sources.size());
  return static_cast<Index>(n);
}

Index Survey::max_receivers() const {
  std::size_t n = 0;
  for (const Shot& s : shots) n = std::max(n, s.receivers.size());
  return static_cast<Index>(n);
}

Survey Survey::batch(std::span<const Index> which) const {
  Survey part;
  part.nt = nt;
  part.dt_s = dt_s;
  for (const Index i : which) {
    if (i < 0 || i >= shot_count()) {
      throw Error(ErrorCode::config, "shot " + std::to_string(i) + " is not in the survey of " +
                                         std::to_string(shot_count()) + " shots; shots count from 0");
    }
    part.shots.push_back(shots[static_cast<std::size_t>(i)]);
  }
  return part;
}

void Survey::check(const Grid2& grid) const {
  require(nt > 0, ErrorCode::config, "the survey needs at least one time sample (nt)", "survey");
  require(dt_s > 0 && std::isfinite(dt_s), ErrorCode::config, "dt_s must be positive (seconds)", "survey");
  require(!shots.empty(), ErrorCode::config, "the survey has no shots; add at least one source position", "survey");
  for (std::size_t s = 0; s < shots.size(); ++s) {
    for (std::size_t i = 0; i < shots[s].sources.size(); ++i) {
      check_position(grid, shots[s].sources[i], "source", static_cast<Index>(i), static_cast<Index>(s));
    }
    for (std::size_t i = 0; i < shots[s].receivers.size(); ++i) {
      check_position(grid, shots[s].receivers[i], "receiver", static_cast<Index>(i), static_cast<Index>(s));
    }
  }
}

std::vector<Position> line_of_positions(Index count, double x_begin_m, double x_step_m, double z_m) {
  std::vector<Position> line;
  for (Index i = 0; i < count; ++i) line.push_back({x_begin_m + static_cast<double>(i) * x_step_m, z_m});
  return line;
}

std::vector<InterpolationNode> interpolation_nodes(const Grid2& grid, const Position& p, bool free_surface) {
  std::vector<InterpolationNode> nodes;
  for (const AxisNode& z : axis_nodes((p.z_m - grid.z0_m) / grid.dz_m)) {
    for (const AxisNode& x : axis_nodes((p.x_m - grid.x0_m) / grid.dx_m)) {
      InterpolationNode node{z.cell, x.cell, z.weight * x.weight};
      if (free_surface && node.z < 0) {
        node.z = -node.z;
        node.weight = -node.weight;
      }
      const auto same = std::find_if(nodes.begin(), nodes.end(),
                                     [&](const InterpolationNode& n) { return n.z == node.z && n.x == node.x; });
      if (same != nodes.end()) {
        same->weight += node.weight;
      } else {
        nodes.push_back(node);
      }
    }
  }
  return nodes;
}

}  // namespace terrane
