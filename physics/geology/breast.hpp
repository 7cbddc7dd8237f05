// SPDX-License-Identifier: MIT
// Built-in phantom `breast`: a coronal slice in a water bath, for ring-array ultrasound. Sound speed in m/s, lengths in
// metres, x to the right, z down, from the centre of the grid.
//
//   outline   r(t) = R (1 + sum_{k=2..4} a_k cos(k t + p_k)); outside: water; the outer `skin` metres: skin
//   gland     r < r_g(t) = 0.68 R (1 + sum_{k=2..7} b_k cos(k t + q_k)); between gland and skin: fat
//   lobules   inside the gland, fat where a sum of 24 plane waves of wavelength R/6 to R/2 exceeds its 70 % level
//   lesions   two ellipses of tumour, one of fibroadenoma, one cyst, placed at random in the gland
//
// Speeds (m/s): water 1500, skin 1555, fat 1442, gland 1520, tumour 1560, fibroadenoma 1545, cyst 1575: within the
// ranges of soft tissue at body temperature (F. A. Duck, Physical Properties of Tissue, 1990). Every cell is the mean
// over 4 x 4 points. Pure function of (seed, index); every resolution samples the same phantom.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/runtime/hd.hpp"

namespace terrane {

struct BreastParams {
  double radius_m = 0;  // R; 0: 0.36 times the shorter side of the grid
  double skin_m = 0.0018;
  double water_mps = 1500;
};

// Sound speed at the nodes, (nz, nx). Throws Error{config} for a radius that does not fit into the grid.
std::vector<float> breast_phantom(const BreastParams& params, std::uint64_t seed, std::uint64_t index, Index nz,
                                  Index nx, double dz_m, double dx_m);

}  // namespace terrane
