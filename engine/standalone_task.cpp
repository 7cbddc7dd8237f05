// SPDX-License-Identifier: MIT
#include "engine/standalone_task.hpp"

#include "engine/provenance.hpp"

namespace terrane {

StandaloneTask::StandaloneTask(const Config& config, const RunOptions& options, bool continuing)
    : config_(config),
      c_(config_.json()),
      options_(options),
      start_s_(now_s()),
      out_(options.out_dir, options.overwrite, continuing),
      log_(Log::open(options.console, out_.file("log.txt"), options.sink)) {}

Json StandaloneTask::execute() {
  out_.remove("result.json");
  out_.write_json("resolved.json", c_);
  try {
    if (work()) return finish("ok", 0, "");
    return finish("stopped", options_.stop_signal->load() == 2 ? 130 : 75, "");
  } catch (const Error& e) {
    finish("failed", static_cast<int>(e.code()), e.message());
    throw;
  }
}

Json StandaloneTask::finish(const char* status, int code, const std::string& error) {
  Json r{{"schema_version", 1},   {"status", status},      {"exit_code", code},
         {"task", c_.at("task")}, {"name", c_.at("name")}, {"error", error.empty() ? Json(nullptr) : Json(error)}};
  r.update(result_);
  add_provenance(r, config_, log_, start_s_);
  if (error.empty() && c_.at("report").at("enabled").get<bool>()) write_page(r);
  out_.write_json("result.json", r);
  return r;
}

}  // namespace terrane
