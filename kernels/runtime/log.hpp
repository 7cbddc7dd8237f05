// SPDX-License-Identifier: MIT
// Log lines go to sinks that the caller chose; there is no global logger, so two runs in one process do not mix.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace terrane {

enum class LogLevel : int { trace = 0, debug = 1, info = 2, warning = 3, error = 4, off = 5 };

// Parses "error", "warning", "info", "debug", "trace"; throws Error{config} otherwise.
LogLevel parse_log_level(std::string_view name);

// Receives one line without its end. Called under a lock of the log: it must not write to the same log.
using LogSink = std::function<void(LogLevel, std::string_view)>;

// Copyable handle; copies share the sinks and the list of warnings. Default-constructed: silent.
class Log {
 public:
  Log() = default;
  // stderr (or `sink` in its place) at `console`, and `file` (if not empty) always at debug with UTC timestamps.
  static Log open(LogLevel console, const std::string& file = {}, LogSink sink = {});
  void write(LogLevel level, std::string_view text) const;
  void debug(std::string_view text) const { write(LogLevel::debug, text); }
  void info(std::string_view text) const { write(LogLevel::info, text); }
  // A warning with the same text is printed once; warnings() keeps them for result.json.
  void warning(std::string_view text) const;
  void error(std::string_view text) const { write(LogLevel::error, text); }
  std::vector<std::string> warnings() const;
  LogLevel console_level() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace terrane
