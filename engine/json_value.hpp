// SPDX-License-Identifier: MIT
// The JSON value of the engine: members stay in the order of the text.
#pragma once

#include <nlohmann/json.hpp>

namespace terrane {

using Json = nlohmann::ordered_json;

}  // namespace terrane
