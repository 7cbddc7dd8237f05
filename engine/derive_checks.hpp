// SPDX-License-Identifier: MIT
// Checks of resolved configs that derive.cpp calls. Inside the engine only.
#pragma once

#include <string>

#include "engine/json_value.hpp"
#include "engine/resolve.hpp"

namespace terrane {

inline bool has_no(const Json& object, const std::string& key) {
  return !object.contains(key) || object.at(key).is_null();
}
inline bool of_waves(const Json& config) { return config.at("physics").at("type") == "acoustic"; }
inline bool of_dc_volume(const Json& config) { return config.at("physics").at("type") == "dc-3d"; }
inline bool of_resistivity(const Json& config) {
  return config.at("physics").at("type") == "dc-2.5d" || of_dc_volume(config);
}

// Task "invert": issues for sections and keys that contradict each other.
void check_inversion(const Json& config, Resolver& resolver);

}  // namespace terrane
