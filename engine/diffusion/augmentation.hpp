// SPDX-License-Identifier: MIT
// Random changes of the training maps of a generator of pixels. A map is resampled, bilinearly and with its outer
// pixels continued, at
//
//   source = middle + shift + (f / zoom) R(angle) (pixel - middle) + d(pixel)
//
//   zoom   1 + U(-scale, scale)                          angle  U(-rotation, rotation)
//   f      1 - U(0, crop): a part of the map, f of each side, is stretched to the whole; shift moves it within the map
//   d      sum over p, q in {1, 2} of normal coefficients times sin(pi p z / H) sin(pi q x / W), of rms elastic_px in
//          each direction on average: a warp that leaves the outer edge where it is
//
// Each of these is found by a classifier at once: layers of the families become thinner or thicker, bent or blurred.
// All are 0 by default.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/runtime/hd.hpp"

namespace terrane {

struct Augmentation {
  double scale = 0, crop = 0;  // shares, below 1
  double elastic_px = 0;
  double rotation_deg = 0;
  bool any() const { return scale > 0 || crop > 0 || elastic_px > 0 || rotation_deg > 0; }
};
// Error{config} for shares outside [0, 1) and negative sizes.
void check_augmentation(const Augmentation& a);

// Map (height, width) of training sample `number`: a function of its arguments.
std::vector<float> augmented_map(const float* values, Index height, Index width, const Augmentation& a,
                                 std::uint64_t seed, Index number);

}  // namespace terrane
