// SPDX-License-Identifier: MIT
// Regular grid of nodes in two or three dimensions: node (z, y, x) lies at (z0_m + z dz_m, y0_m + y dy_m, x0_m + x
// dx_m), z down. Arrays are (nz, ny, nx), x fastest. A 2-D grid has ny = 1; y then plays no part.
#pragma once

#include <array>
#include <vector>

#include "physics/grid.hpp"

namespace terrane {

struct Grid3 {
  Index nz = 0, ny = 1, nx = 0;
  double dz_m = 0, dy_m = 1, dx_m = 0;
  double z0_m = 0, y0_m = 0, x0_m = 0;

  static Grid3 of(const Grid2& g) { return {g.nz, 1, g.nx, g.dz_m, 1, g.dx_m, g.z0_m, 0, g.x0_m}; }
  // The plane z, x.
  Grid2 section() const { return {nz, nx, dz_m, dx_m, z0_m, x0_m}; }
  bool flat() const { return ny == 1; }
  int dimensions() const { return flat() ? 2 : 3; }
  // The k-th axis that the grid has: z, x in two dimensions, z, y, x in three.
  int axis(int k) const { return flat() && k == 1 ? 2 : k; }
  std::vector<Index> shape() const { return flat() ? std::vector<Index>{nz, nx} : std::vector<Index>{nz, ny, nx}; }
  // In the order of shape().
  std::vector<double> spacings_m() const {
    return flat() ? std::vector<double>{dz_m, dx_m} : std::vector<double>{dz_m, dy_m, dx_m};
  }
  Index cells() const { return nz * ny * nx; }
  Index plane() const { return ny * nx; }  // nodes of one depth
  // z, y, x of node i of an array.
  std::array<Index, 3> place(Index i) const { return {i / plane(), i / nx % ny, i % nx}; }
  // Axis 0 z, 1 y, 2 x.
  Index size(int axis) const { return axis == 0 ? nz : axis == 1 ? ny : nx; }
  double spacing_m(int axis) const { return axis == 0 ? dz_m : axis == 1 ? dy_m : dx_m; }
  double begin_m(int axis) const { return axis == 0 ? z0_m : axis == 1 ? y0_m : x0_m; }
  double at_m(int axis, Index k) const { return begin_m(axis) + static_cast<double>(k) * spacing_m(axis); }
  double end_m(int axis) const { return begin_m(axis) + static_cast<double>(size(axis) - 1) * spacing_m(axis); }
  bool operator==(const Grid3&) const = default;
  // Throws Error{config}.
  void check() const {
    require(nz > 0 && ny > 0 && nx > 0, ErrorCode::config, "the grid needs at least one node on each axis", "grid");
    require(dz_m > 0 && dy_m > 0 && dx_m > 0, ErrorCode::config, "grid spacings must be positive (metres)", "grid");
  }
};

}  // namespace terrane
