// SPDX-License-Identifier: MIT
// Parts of engine/io/info.hpp for DC surveys and UBC-GIF files.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace terrane {

// [least, largest] of the finite values; null without any.
nlohmann::ordered_json finite_range(const std::vector<double>& values);

// Adds electrodes, spacings, arrays, apparent resistivities, errors, reciprocals and what the check of the data finds.
// An error in reading them becomes a suspicion.
void dc_facts(std::string_view bytes, const std::string& path, nlohmann::ordered_json& out,
              nlohmann::ordered_json& suspicious);

// Format, counts and facts of a survey in UBC-GIF, R2, XYZ or table form, of a UBC-GIF 2-D mesh, model or topography;
// null for anything else, unified data among it.
nlohmann::ordered_json dc_or_ubc_info(std::string_view bytes, const std::string& path);

}  // namespace terrane
