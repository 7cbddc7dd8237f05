// SPDX-License-Identifier: MIT
#include "kernels/runtime/log.hpp"

#define SPDLOG_NO_THREAD_ID
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>
#include <mutex>

#include "kernels/runtime/error.hpp"

namespace terrane {

struct Log::State {
  std::shared_ptr<spdlog::logger> logger;
  LogLevel console = LogLevel::off;
  std::mutex mutex;
  std::vector<std::string> warnings;
};

namespace {
spdlog::level::level_enum to_spdlog(LogLevel level) { return static_cast<spdlog::level::level_enum>(level); }

class CallbackSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit CallbackSink(LogSink target) : sink_(std::move(target)) {}

 private:
  void sink_it_(const spdlog::details::log_msg& line) override {
    sink_(static_cast<LogLevel>(line.level), std::string_view(line.payload.data(), line.payload.size()));
  }
  void flush_() override {}
  LogSink sink_;
};
}  // namespace

static_assert(static_cast<int>(spdlog::level::warn) == static_cast<int>(LogLevel::warning));
static_assert(static_cast<int>(spdlog::level::err) == static_cast<int>(LogLevel::error));

LogLevel parse_log_level(std::string_view name) {
  static constexpr std::string_view names[] = {"trace", "debug", "info", "warning", "error", "off"};
  for (int i = 0; i < 6; ++i) {
    if (name == names[i]) return static_cast<LogLevel>(i);
  }
  throw Error(ErrorCode::config,
              "log level \"" + std::string(name) + "\" is not one of trace, debug, info, warning, error, off");
}

Log Log::open(LogLevel console, const std::string& file, LogSink sink) {
  Log log;
  log.state_ = std::make_shared<State>();
  log.state_->console = console;
  spdlog::sink_ptr terminal;
  if (sink) {
    terminal = std::make_shared<CallbackSink>(std::move(sink));
  } else {
    terminal = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    terminal->set_formatter(std::make_unique<spdlog::pattern_formatter>("%l: %v"));
  }
  terminal->set_level(to_spdlog(console));
  std::vector<spdlog::sink_ptr> sinks{terminal};
  if (!file.empty()) {
    try {
      auto lines = std::make_shared<spdlog::sinks::basic_file_sink_mt>(file, false);
      lines->set_level(spdlog::level::debug);
      lines->set_formatter(
          std::make_unique<spdlog::pattern_formatter>("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc));
      sinks.push_back(lines);
    } catch (const spdlog::spdlog_ex& e) {
      throw Error(ErrorCode::failed, std::string("the log cannot be written: ") + e.what() +
                                         "; choose another --out or make the directory writable");
    }
  }
  log.state_->logger = std::make_shared<spdlog::logger>("terrane", sinks.begin(), sinks.end());
  log.state_->logger->set_level(spdlog::level::trace);
  log.state_->logger->flush_on(spdlog::level::info);
  return log;
}

void Log::write(LogLevel level, std::string_view text) const {
  if (state_) state_->logger->log(to_spdlog(level), "{}", text);
}

void Log::warning(std::string_view text) const {
  if (!state_) return;
  {
    const std::lock_guard lock(state_->mutex);
    auto& seen = state_->warnings;
    if (std::find(seen.begin(), seen.end(), text) != seen.end()) return;
    seen.emplace_back(text);
  }
  write(LogLevel::warning, text);
}

std::vector<std::string> Log::warnings() const {
  if (!state_) return {};
  const std::lock_guard lock(state_->mutex);
  return state_->warnings;
}

LogLevel Log::console_level() const { return state_ ? state_->console : LogLevel::off; }

}  // namespace terrane
