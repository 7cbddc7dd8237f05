// SPDX-License-Identifier: MIT
// Regular 2-D grid of nodes: node (z, x) lies at (z0_m + z dz_m, x0_m + x dx_m), z down. Arrays are (nz, nx), x
// fastest.
#pragma once

#include "kernels/runtime/error.hpp"
#include "kernels/runtime/hd.hpp"

namespace terrane {

struct Grid2 {
  Index nz = 0, nx = 0;
  double dz_m = 0, dx_m = 0;
  double z0_m = 0, x0_m = 0;

  Index cells() const { return nz * nx; }
  double z_end_m() const { return z0_m + static_cast<double>(nz - 1) * dz_m; }
  double x_end_m() const { return x0_m + static_cast<double>(nx - 1) * dx_m; }
  bool operator==(const Grid2&) const = default;
  // Throws Error{config}.
  void check() const {
    require(nz > 0 && nx > 0, ErrorCode::config, "the grid needs at least one node on each axis", "grid");
    require(dz_m > 0 && dx_m > 0, ErrorCode::config, "grid spacings must be positive (metres)", "grid");
  }
};

}  // namespace terrane
