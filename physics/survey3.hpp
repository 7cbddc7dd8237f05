// SPDX-License-Identifier: MIT
// Where sources and receivers of a 3-D wave run are and how long is recorded. Positions in metres, anywhere on the
// grid, with the windowed sinc of survey.hpp along each of the three axes.
#pragma once

#include <span>
#include <vector>

#include "physics/grid3.hpp"
#include "physics/survey.hpp"
#include "physics/travel_survey.hpp"

namespace terrane {

struct Shot3 {
  std::vector<Point3> sources, receivers;
};

struct Survey3 {
  std::vector<Shot3> shots;
  Index nt = 0;     // samples of a trace; sample n is at n dt_s
  double dt_s = 0;  // sampling interval of wavelet and data

  // One source a shot, the same receivers for all.
  static Survey3 fixed_spread(const std::vector<Point3>& sources, const std::vector<Point3>& receivers, Index nt,
                              double dt_s);
  Index shot_count() const { return static_cast<Index>(shots.size()); }
  Index max_sources() const;    // traces of a shot in a wavelet array
  Index max_receivers() const;  // traces of a shot in a data array; shots with fewer leave the rest zero
  // Throws Error{config} for nt, dt; Error{data} naming the first position outside the grid.
  void check(const Grid3& grid) const;
};

// The same in the plane z, x: y plays no part.
Survey section_of(const Survey3& survey);

// One node of an interpolation: value(position) = sum of weight u(z, y, x). Nodes may lie outside the grid by 4 cells.
struct InterpolationNode3 {
  Index z = 0, y = 0, x = 0;
  double weight = 0;
};
std::vector<InterpolationNode3> interpolation_nodes(const Grid3& grid, const Point3& p, bool free_surface);

}  // namespace terrane
