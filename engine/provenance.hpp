// SPDX-License-Identifier: MIT
// What every result.json says about how it came to be.
#pragma once

#include "engine/config.hpp"
#include "kernels/runtime/log.hpp"

namespace terrane {

// time.wall_s since `start_s` (now_s()), memory.host_peak_bytes, config_sha256, version, metadata, warnings.
void add_provenance(nlohmann::ordered_json& result, const Config& config, const Log& log, double start_s);

}  // namespace terrane
