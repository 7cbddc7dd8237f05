// SPDX-License-Identifier: MIT
// terrane_run: a whole run behind one C call.
#include "engine/run.hpp"

#include <atomic>
#include <cmath>
#include <cstdlib>

#include "engine/api/support.hpp"
#include "engine/config.hpp"

namespace terrane::api {
namespace {

constexpr int kStopRequest = 15;  // as if the process had received SIGTERM

std::string progress_json(const ProgressEvent& event) {
  nlohmann::ordered_json json;
  if (!event.text.empty()) {
    json["message"] = event.text;
  } else {
    json["iteration"] = event.iteration;
    json["iterations"] = event.iterations;
    json["stage"] = event.stage;
    json["stages"] = event.stages;
    json["misfit"] = std::isfinite(event.misfit) ? nlohmann::ordered_json(event.misfit) : nullptr;
    json["peak_bytes"] = event.peak_bytes;
  }
  json["elapsed_s"] = event.elapsed_s;
  return json.dump();
}

// Freed by terrane_free.
char* c_text(const std::string& text) {
  char* copy = static_cast<char*>(std::malloc(text.size() + 1));
  if (copy == nullptr) throw std::bad_alloc();
  std::memcpy(copy, text.c_str(), text.size() + 1);
  return copy;
}

// Returns the text of result.json; `status` becomes its exit code.
std::string run_config(const char* config_path, const terrane_run_options& options, int& status) {
  if (options.out_dir == nullptr) throw Error(ErrorCode::failed, "options.out_dir is NULL: name the output directory");
  if (options.threads < 0) throw Error(ErrorCode::failed, "options.threads is negative; 0 leaves it to the config");
  const Config config = Config::load(config_path);
  std::atomic<int> stop{0};
  RunOptions with;
  with.out_dir = options.out_dir;
  with.overwrite = options.overwrite != 0;
  with.resume = options.resume != 0;
  with.device_explicit = options.device != nullptr;
  with.device =
      Device::parse(with.device_explicit ? std::string(options.device) : config.json().at("device").get<std::string>());
  with.threads = options.threads;
  if (with.threads == 0 && !config.json().at("threads").is_null()) with.threads = config.json().at("threads");
  with.console = log_level_of(options.log_level);
  with.sink = sink_of(options.log, options.log_user);
  with.stop_signal = &stop;
  if (options.progress != nullptr) {
    with.progress = [&](const ProgressEvent& event) {
      if (options.progress(progress_json(event).c_str(), options.progress_user) != 0) stop = kStopRequest;
    };
  }
  const nlohmann::ordered_json result = run(config, with);
  status = result.at("exit_code");
  return result.dump(2);
}

}  // namespace
}  // namespace terrane::api

extern "C" terrane_status terrane_run(const char* config_path, const terrane_run_options* options, char** result_json) {
  using namespace terrane::api;
  int status = 0;
  const terrane_status failure = guarded([&] {
    if (result_json != nullptr) *result_json = nullptr;
    need(config_path, "config_path");
    need(options, "options");
    const std::string result = run_config(config_path, options_of(options, "terrane_run_options"), status);
    if (result_json != nullptr) *result_json = c_text(result);
  });
  if (failure != TERRANE_OK || status == 0) return failure;
  return fail(static_cast<terrane::ErrorCode>(status), "the run was stopped; run again with resume = 1 to go on");
}
