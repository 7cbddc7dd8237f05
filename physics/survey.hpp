// SPDX-License-Identifier: MIT
// Where sources and receivers are and how long is recorded. Positions in metres, anywhere on the grid.
//
// Off-grid positions use a windowed sinc with 8 points an axis, w(d) = sinc(d) I0(b sqrt(1 - (d/4)²)) / I0(b), d the
// distance in cells, b = 6.31 (Hicks 2002, Arbitrary source and receiver positioning in finite-difference schemes using
// Kaiser windowed sinc functions); a position within 1e-6 cells of a node uses that node alone. At a free surface the
// weights of nodes above row 0 are folded to their images with a negative sign.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "physics/grid.hpp"

namespace terrane {

struct Position {
  double x_m = 0, z_m = 0;
  bool operator==(const Position&) const = default;
};

struct Shot {
  std::vector<Position> sources, receivers;
};

struct Survey {
  std::vector<Shot> shots;
  Index nt = 0;     // samples of a trace; sample n is at n dt_s
  double dt_s = 0;  // sampling interval of wavelet and data

  // One source a shot, the same receivers for all.
  static Survey fixed_spread(const std::vector<Position>& sources, const std::vector<Position>& receivers, Index nt,
                             double dt_s);
  Index shot_count() const { return static_cast<Index>(shots.size()); }
  Index max_sources() const;    // traces of a shot in a wavelet array
  Index max_receivers() const;  // traces of a shot in a data array; shots with fewer leave the rest zero
  Survey batch(std::span<const Index> which) const;
  // Throws Error{config} for nt, dt; Error{data} naming the first position outside the grid.
  void check(const Grid2& grid) const;
};

// Positions begin, begin + step, ... (count of them) at one depth.
std::vector<Position> line_of_positions(Index count, double x_begin_m, double x_step_m, double z_m);

// Nodes and weights along one axis for a position `at`, in cells.
struct AxisNode {
  Index cell = 0;
  double weight = 0;
};
std::vector<AxisNode> axis_nodes(double at);
inline constexpr double on_grid_cells = 1e-6;  // tolerance of positions

// One node of an interpolation: value(position) = sum of weight u(z, x). Nodes may lie outside the grid by 4 cells.
struct InterpolationNode {
  Index z = 0, x = 0;
  double weight = 0;
};
std::vector<InterpolationNode> interpolation_nodes(const Grid2& grid, const Position& p, bool free_surface);

}  // namespace terrane
