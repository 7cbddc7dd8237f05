// SPDX-License-Identifier: MIT
// The resolved section "models": a file, or procedural maps.
#pragma once

#include <nlohmann/json.hpp>

#include "engine/compression/auto_decoder_train.hpp"

namespace terrane {

struct ModelSets {
  ModelSet train, held_out;
  std::vector<int> family, held_out_family;  // of each model: its place in "families"; empty for a file
};

// Generated models are those of the families in turn: model k is the map of index k / families of family k % families;
// held-out ones follow the others. Error{data} a file that is no set of models or holds too few.
ModelSets read_models(Stream& s, const nlohmann::ordered_json& section);

// Means over the models: PSNR_full (auto_decoder_train.hpp), PSNR_img (of the range of every model), SSIM of maps of at
// least 11 x 11 by the conventions of OpenFWI (zeros outside) and of scikit-image (data_range of 1).
nlohmann::ordered_json score_models(const std::vector<float>& recovered, const ModelSet& truth);

// The models of one family (a row of the table), all of them for family < 0 or without labels.
ModelSet models_of_family(const ModelSet& set, const std::vector<int>& family, int row);

struct ModelSetSize {
  Index models = 0, values = 0;  // with the held-out ones
  int dims = 2;
};
// Without reading or making them.
ModelSetSize size_of_models(const nlohmann::ordered_json& section);

}  // namespace terrane
