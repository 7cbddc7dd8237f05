// SPDX-License-Identifier: MIT
// Velocity maps as data of a pixel generator: y = (v - 3000) / 1500, padded to the size of the network by repeating the
// outer pixels (half of the difference above and to the left, rounded down); conditions beside them.
//
// Conditions, channels last: wells (2): 1 and y in the columns of wells, else 0 and 0; reflectivity (1): contrast
// (v(z + dz) - v(z)) / (v(z + dz) + v(z)) of neighbouring pixels, divided by the largest of the map, 0 in the last row.
//
// Flipping left and right is the one augmentation by default: it alone changes no statistic of the layers
// (augmentation.hpp, docs/diffusion.md).
#pragma once

#include "engine/diffusion/augmentation.hpp"
#include "engine/diffusion/train.hpp"
#include "physics/geology/openfwi.hpp"

namespace terrane {

struct MapConditions {
  Index wells = 0;  // columns of a map; 0: no channels
  bool reflectivity = false;
  Index channels() const { return (wells > 0 ? 2 : 0) + (reflectivity ? 1 : 0); }
  // For DiffusionTrainOptions.
  std::vector<Index> groups() const;
};

struct MapOptions {
  Index height = 72, width = 72;  // of the network
  bool flip = true;
  Augmentation augmentation;
  MapConditions conditions;
  std::uint64_t seed = 0;
};

// Maps on one grid with the row of each one's family in the table.
struct LabelledMaps {
  Index height = 70, width = 70;
  std::vector<float> values;  // (count, height, width), m/s
  std::vector<int> family;    // (count); may be empty
  Index count() const { return static_cast<Index>(values.size()) / (height * width); }
};

// Every map once an epoch, in an order of its own. Error{data} for no maps, or values that are not finite.
BatchSource map_source(std::shared_ptr<const LabelledMaps> maps, const MapOptions& options);

// Procedural maps of size x size pixels, families in turn: sample k is map k / families of family k mod families, drawn
// with options.seed. `limit` > 0: that many maps of each family, again and again. The stream must outlive the
// source.
BatchSource procedural_source(Stream& s, const std::vector<GeologyFamily>& families, Index size, Index limit,
                              const MapOptions& options);

// y of a velocity.
float map_value(float vp_mps);
// Columns of the wells of training sample `number`, in a map of `width` columns.
std::vector<Index> well_columns(std::uint64_t seed, Index number, Index wells, Index width);
// Contrast of neighbouring pixels over the largest of the map, (height, width).
std::vector<float> reflectivity(const float* vp_mps, Index height, Index width);

// One map, (height, width) of the network, and its conditions; for sampling under conditions too. well_columns: of the
// unpadded map.
std::vector<float> padded_map(const float* values, Index height, Index width, const MapOptions& options, bool flipped);
std::vector<float> map_condition(const std::vector<float>& padded, const std::vector<Index>& well_columns,
                                 const MapOptions& options);
// Samples of a generator (count, options.height, options.width) without their padding.
std::vector<float> cropped_maps(const std::vector<float>& samples, Index height, Index width,
                                const MapOptions& options);

}  // namespace terrane
