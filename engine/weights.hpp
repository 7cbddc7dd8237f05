// SPDX-License-Identifier: MIT
// Initial parameters of a field from a file.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "kernels/mlp/mlp.hpp"

namespace terrane {

// `section`: resolved "initial_weights". Either weights.safetensors of a run with the tensor "theta" of `parameters`
// values, or a .safetensors or .npz with "<name>.weight" (outputs, inputs) and "<name>.bias" (outputs) of every layer
// of `network`, in the natural order of the names (b2 before b10). `columns`: for each input of the network its column
// in the first weight. Error{data} with the file and the tensor that does not fit.
std::vector<double> read_weights(const nlohmann::ordered_json& section, const MlpShape& network, Index parameters);

}  // namespace terrane
