// SPDX-License-Identifier: MIT
#include "engine/members.hpp"

#include <filesystem>

#include "engine/json.hpp"
#include "engine/output.hpp"

namespace terrane {

namespace fs = std::filesystem;

Json finished_result(const std::string& directory, const std::string& sha256) {
  const std::string file = directory + "/result.json";
  if (!fs::exists(file)) return nullptr;
  const Json r = Json::parse(read_file(file), nullptr, false);
  if (r.is_discarded() || value_at(r, {"status"}) != "ok" || value_at(r, {"config_sha256"}) != sha256) return nullptr;
  return r;
}

Json run_member(const Config& config, const std::string& directory, const RunOptions& options, const Log& log,
                const std::string& title, Execute execute) {
  make_directories(fs::path(directory).parent_path().string());
  RunOptions own = options;
  own.out_dir = directory;
  own.resume = true;
  own.overwrite = false;
  const std::string resolved = directory + "/resolved.json";
  if (holds_run(directory) && (!fs::exists(resolved) || Config::load(resolved).sha256() != config.sha256())) {
    own.resume = false;
    own.overwrite = true;  // an older definition, or what a killed one has left
  }
  try {
    return execute(config, own);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::diverged && e.code() != ErrorCode::failed) throw;
    log.warning(title + ": " + e.message());
    return {{"status", "failed"}, {"error", e.message()}};
  }
}

}  // namespace terrane
