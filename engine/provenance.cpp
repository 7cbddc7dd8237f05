// SPDX-License-Identifier: MIT
#include "engine/provenance.hpp"

#include "engine/output.hpp"
#include "engine/version.hpp"

namespace terrane {

void add_provenance(nlohmann::ordered_json& result, const Config& config, const Log& log, double start_s) {
  result["time"]["wall_s"] = now_s() - start_s;
  result["memory"]["host_peak_bytes"] = peak_resident_bytes();
  result["config_sha256"] = config.sha256();
  result["version"] = version_json();
  result["metadata"] = config.json().value("metadata", nlohmann::ordered_json(nullptr));
  result["warnings"] = log.warnings();
}

}  // namespace terrane
