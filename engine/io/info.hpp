// SPDX-License-Identifier: MIT
// What a file is, judged by its content: NPY, NPZ, safetensors, compressed models (.lat), PNG, travel-time picks and
// other unified-data tables, DC surveys, UBC-GIF meshes, models and topography, a config or other JSON, an output
// directory.
//
// The object always has "path", "format", "bytes" (files) and "suspicious" (a list of sentences, empty if all looks
// well). Arrays add shape, dtype, order, unit geometry from a sidecar NAME.json, and "values": min, max, mean, rms,
// nan, inf, zeros. Numbers that do not exist are null. Error{data} for unknown formats and damaged files.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace terrane {

// `verbose` adds headers, metadata and statistics of every tensor, and reads the values of arrays above 2 GiB too.
nlohmann::ordered_json file_info(const std::string& path, bool verbose);

}  // namespace terrane
