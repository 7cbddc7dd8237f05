// SPDX-License-Identifier: MIT
// Wells and reflectivity as conditions of a generator, in the form that its network reads.
//
// Kinds and values are those of maps.hpp: wells are [1, (v - 3000) / 1500] in their columns, else [0, 0]; reflectivity
// is the contrast of neighbouring pixels over the largest of the model. Two layouts:
//   pixels   (side, side, channels): the image that the network of pixels sees beside its maps, padded alike
//   codes    (channels, side, side): coarser, since the network reads the numbers one by one; a well keeps every
//            (size / side)-th pixel, a block of reflectivity its value of largest magnitude
#pragma once

#include <nlohmann/json.hpp>

#include "engine/compression/code_encoder.hpp"
#include "engine/diffusion/latent.hpp"
#include "engine/diffusion/maps.hpp"

namespace terrane {

struct ConditionLayout {
  MapConditions kinds;
  Index size = 70;      // pixels a side of the models
  Index side = 72;      // of the image of conditions
  bool planar = false;  // that of codes

  Index values() const { return side * side * kinds.channels(); }
  // For DiffusionTrainOptions: numbers that are dropped together.
  std::vector<Index> groups() const;
  nlohmann::ordered_json to_json() const;
};
// Of the section "conditions" of generator.json. Error{data} naming `path`.
ConditionLayout condition_layout(const nlohmann::ordered_json& section, const std::string& path);

struct WellColumn {
  Index column = 0;           // of the model
  std::vector<float> vp_mps;  // (size), from the top
};
struct ModelConditions {
  std::vector<WellColumn> wells;
  std::vector<float> reflectivity;  // (size, size), normalised; empty: not given
};

// What a model (size, size) says at these columns.
ModelConditions conditions_of(const float* model, const ConditionLayout& layout, const std::vector<Index>& columns);
// Numbers of the network. Error{config} for a kind that the generator was not trained with, or another size.
std::vector<float> condition_values(const ConditionLayout& layout, const ModelConditions& given);

// Conditions of the codes of models (count, size, size) for code_source(): wells in random columns of a sample's own.
CodeConditions code_conditions(const ConditionLayout& layout, std::shared_ptr<const std::vector<float>> models,
                               std::uint64_t seed);

// Lines "x z vp" (m, m, m/s; blanks or commas, # begins a comment) of wells in a model that is `extent_m` a side,
// positions from its upper left corner: a well for each x, linear between its depths, constant beyond them.
// Error{data} with the line.
std::vector<WellColumn> read_wells(const std::string& path, Index size, double extent_m);
// .npy of (size, size), any scale: divided by its largest magnitude. Error{data} naming the file.
std::vector<float> read_reflectivity(const std::string& path, Index size);

// The wells' values at the centres of the pixels of a model of size x size, for fit_codes_at().
PointValues well_points(const std::vector<WellColumn>& wells, Index size);

// Keys wells, reflectivity and extent_m of a section "source"; nothing where neither file is given. Errors as above.
ModelConditions conditions_of_source(const nlohmann::ordered_json& source, const ConditionLayout& layout);

}  // namespace terrane
