// SPDX-License-Identifier: MIT
// Kernels of procedural geology: scenes of consecutive indices, then maps of them.
//
// A map of n x n pixels with q x q samples a pixel holds the mean over the samples at
//   x = (i + 1/2) 70 / (n q) + phase_x,  z = (r + 1/2) 70 / (n q) + phase_z,   i, r = 0 .. n q - 1
// so q = 1 samples points, and a map with q > 1 is the block mean of the point-sampled map of n q pixels. Sums run in
// double and in fixed order.
#pragma once

#include "kernels/runtime/hd.hpp"

namespace terrane {

enum class GeologyFamily : std::int32_t;  // kernels/geology/scene.hpp
struct GeologyScene;

// scenes[i] of index first + i step
template <class T>
struct GeologyScenes {
  GeologyFamily family;
  std::uint64_t seed, first, step;
  int layers;  // 0: the rule of the family
  Index count;
  GeologyScene* scenes;
};

template <class T>
struct GeologyRender {
  const GeologyScene* scenes;
  GeologyFamily family;
  Index maps, size;  // pixels a side
  int samples;       // q
  double* lattice;   // Style-A: work space (maps, lattice, lattice); else null
  T* vp;             // (maps, size, size), m/s
  // (maps, size, size), 16 block + layer at the pixel's centre; 0 for Style; may be null.
  std::uint8_t* labels;
};

}  // namespace terrane
