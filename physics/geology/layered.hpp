// SPDX-License-Identifier: MIT
// Built-in geology `layered-faulted`: an old series of layers that was folded, tilted and cut by normal faults, eroded
// to an unconformity, and covered by young flat layers, with an optional water layer on top.
//
// Pure function of (parameters, seed, index): the value at a point is found by undoing the history,
//   young: s = z - drape(x)                       if z is above the unconformity u(x)
//   old:   for each fault from the youngest: a point of the hanging wall (x - x_f(z) on the dip side) moves back by
//          (throw / tan dip, throw); then s = z - tilt (x - x_c) - sum_k a_k sin(2 pi x / l_k + phi_k)
//   v = layer(s) + compaction with depth + slow lateral change, limited to [min, max]
// where layer() is piecewise constant with contrasts of random sign, thin fast beds (limestone) and slow ones (gas,
// coal) on a trend that grows with s. The scene is scaled to its extent, not to the grid: every resolution of the same
// extent samples the same scene. Velocities in m/s, lengths in metres, z down from the first row.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/runtime/hd.hpp"

namespace terrane {

struct LayeredFaultedParams {
  double min_mps = 1500;  // values are limited to [min, max]
  double max_mps = 4500;
  double water_depth_m = 0;  // rows with z < water_depth hold water_mps
  double water_mps = 1500;
  double extent_z_m = 0;  // size of the scene; 0: (nz - 1) dz and (nx - 1) dx
  double extent_x_m = 0;
  int min_faults = 2, max_faults = 4;
  double fold = 1;         // factor of the fold amplitudes, 0: none
  double throw_scale = 1;  // factor of the fault throws
  bool unconformity = true;
};

// Values at the nodes (iz dz, ix dx), shape (nz, nx). Throws Error{config} for impossible sizes or parameters.
std::vector<float> layered_faulted(const LayeredFaultedParams& params, std::uint64_t seed, std::uint64_t index,
                                   Index nz, Index nx, double dz_m, double dx_m);

}  // namespace terrane
