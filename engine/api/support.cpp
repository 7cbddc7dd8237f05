// SPDX-License-Identifier: MIT
#include "engine/api/support.hpp"

#include <cstdlib>

#include "engine/version.hpp"

namespace terrane::api {
namespace {

// The one state outside handles: the C interface promises the message of the calling thread.
std::string& last_error() {
  thread_local std::string message;
  return message;
}

}  // namespace

terrane_status fail(ErrorCode code, const std::string& message) noexcept {
  try {
    last_error() = message;
  } catch (...) {
    last_error().clear();
  }
  return static_cast<terrane_status>(static_cast<int>(code));
}

LogLevel log_level_of(int level) {
  static constexpr LogLevel levels[] = {LogLevel::warning, LogLevel::error, LogLevel::warning, LogLevel::info,
                                        LogLevel::debug};
  if (level < TERRANE_LOG_DEFAULT || level > TERRANE_LOG_DEBUG) {
    throw Error(ErrorCode::failed, "log_level " + std::to_string(level) + " is not a terrane_log_level");
  }
  return levels[level];
}

LogSink sink_of(terrane_log_callback callback, void* user) {
  if (callback == nullptr) return [](LogLevel, std::string_view) {};
  return [callback, user](LogLevel level, std::string_view text) {
    static constexpr int numbers[] = {TERRANE_LOG_DEBUG, TERRANE_LOG_DEBUG, TERRANE_LOG_INFO, TERRANE_LOG_WARNING,
                                      TERRANE_LOG_ERROR};
    const auto at = static_cast<std::size_t>(level);
    callback(at < std::size(numbers) ? numbers[at] : TERRANE_LOG_ERROR, std::string(text).c_str(), user);
  };
}

}  // namespace terrane::api

extern "C" {

int terrane_abi_version(void) { return 1; }

const char* terrane_version(void) {
  static const std::string version = terrane::version_string();
  return version.c_str();
}

const char* terrane_last_error(void) { return terrane::api::last_error().c_str(); }

void terrane_free(char* text) { std::free(text); }

}  // extern "C"
