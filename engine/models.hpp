// SPDX-License-Identifier: MIT
// Models named in a config: a property at the nodes of the grid, (nz, nx) or (nz, ny, nx), SI units. In three
// dimensions a section (z, x) is repeated along y where the config asks for it, or where the model is one (generated).
//   file constant gradient linear smooth blocks generated best-constant best-linear best-layered ubc
// smooth: Gaussian of standard deviation sigma_m, truncated at 4 sigma, edges repeated. best-linear: least squares of
// a + b z over the nodes below the water layer, which keeps the values of the model it is taken from.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "engine/config.hpp"
#include "engine/json_value.hpp"
#include "physics/grid3.hpp"

namespace terrane {

// `true_model` may be null; a model "of": "true_model" then is Error{config}. Files: Error{data} for a wrong shape, NaN
// or values that are not positive. `pointer` is the place of the model in the config, for messages.
std::vector<double> build_model(const Config& config, const Json& model, const std::string& pointer, const Grid3& grid,
                                const std::vector<double>* true_model);

// ny, dy_m null: two dimensions.
Grid3 build_grid(const Json& grid);

// Nodes of an array that a grid covers along one axis, may be fractions.
struct NodeSpan {
  double first, last;
};
// Bilinear values of an (nz, nx) array at the nodes of `grid`, spread evenly over the two spans.
std::vector<double> resample(const std::vector<double>& values, Index nz, Index nx, const NodeSpan& rows,
                             const NodeSpan& columns, const Grid2& grid);

// Gaussian blur of an array on the grid, separable, edges repeated; sigma in cells of z, y, x.
std::vector<double> gaussian_blur(const std::vector<double>& a, const Grid3& grid, const std::array<double, 3>& sigma);

}  // namespace terrane
