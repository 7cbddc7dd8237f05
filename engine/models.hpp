// SPDX-License-Identifier: MIT
// Models named in a config: a property at the nodes of the grid, (nz, nx), SI units.
//   file constant gradient linear smooth blocks generated best-constant best-linear best-layered ubc
// smooth: Gaussian of standard deviation sigma_m, truncated at 4 sigma, edges repeated. best-linear: least squares of
// a + b z over the nodes below the water layer, which keeps the values of the model it is taken from.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "engine/config.hpp"
#include "engine/json_value.hpp"
#include "physics/grid.hpp"

namespace terrane {

// `true_model` may be null; a model "of": "true_model" then is Error{config}. Files: Error{data} for a wrong shape, NaN
// or values that are not positive. `pointer` is the place of the model in the config, for messages.
std::vector<double> build_model(const Config& config, const Json& model, const std::string& pointer, const Grid2& grid,
                                const std::vector<double>* true_model);

Grid2 build_grid(const Json& grid);

// Nodes of an array that a grid covers along one axis, may be fractions.
struct NodeSpan {
  double first, last;
};
// Bilinear values of an (nz, nx) array at the nodes of `grid`, spread evenly over the two spans.
std::vector<double> resample(const std::vector<double>& values, Index nz, Index nx, const NodeSpan& rows,
                             const NodeSpan& columns, const Grid2& grid);

// Gaussian blur of an (nz, nx) array, separable, edges repeated; sigma in cells of each axis.
std::vector<double> gaussian_blur(const std::vector<double>& a, Index nz, Index nx, double sigma_z, double sigma_x);

}  // namespace terrane
