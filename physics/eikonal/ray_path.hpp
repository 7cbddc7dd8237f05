// SPDX-License-Identifier: MIT
// Ray paths for plots: steepest descent of a time field, dx/dl = -grad T / |grad T|, midpoint rule, half a cell a step.
// Gradients are differences of the times at the nodes, interpolated linearly; nodes without a time (-1) take no part.
#pragma once

#include <span>
#include <vector>

#include "physics/grid3.hpp"
#include "physics/travel_survey.hpp"

namespace terrane {

// Points from receiver to source, both included. times_s: (nz, ny, nx) of that source (Eikonal::times).
// Throws Error{data} when the receiver is outside the grid or has no time around it, Error{failed} when the descent
// does not arrive.
std::vector<Point3> trace_ray(const Grid3& grid, std::span<const double> times_s, const Point3& source,
                              const Point3& receiver);

double path_length_m(std::span<const Point3> path);

}  // namespace terrane
