// SPDX-License-Identifier: MIT
#include "tools/terrane/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace terrane::cli {
namespace {

constexpr double kRedraw_s = 0.1, kLine_s = 10.0;
constexpr int kBarCells = 20;

std::string printed(const char* format, double value) {
  char text[48];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0 || seconds > 3.6e6) return "-";
  const auto whole = static_cast<long>(std::lround(seconds));
  char text[48];
  if (whole >= 3600) {
    std::snprintf(text, sizeof text, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
  } else {
    std::snprintf(text, sizeof text, "%ld:%02ld", whole / 60, whole % 60);
  }
  return text;
}

std::string bytes(Index count) {
  const double value = static_cast<double>(count);
  return value >= 1e9 ? printed("%.2f GB", value / 1e9) : printed("%.0f MB", value / 1e6);
}

std::size_t terminal_columns() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

ProgressStyle progress_style(LogLevel console) {
  if (console > LogLevel::info) return ProgressStyle::none;
  const char* term = std::getenv("TERM");
  const bool dumb = term == nullptr || std::strcmp(term, "dumb") == 0;
  return isatty(STDERR_FILENO) != 0 && !dumb ? ProgressStyle::bar : ProgressStyle::lines;
}

std::string progress_text(const ProgressEvent& e, double rate) {
  const double left = rate > 0 ? static_cast<double>(e.iterations - e.iteration) / rate : -1;
  std::string text;
  if (e.stages > 1) text += "stage " + std::to_string(e.stage + 1) + "/" + std::to_string(e.stages) + "  ";
  const std::string counted = std::to_string(e.iteration) + "/" + std::to_string(e.iterations);
  if (!e.unit.empty()) {
    return e.text + "  " + counted + " " + e.unit + (rate > 0 ? "  ETA " + duration(left) : "");
  }
  text += "iteration " + counted;
  text += "  misfit " + printed("%.5g", e.misfit);
  if (rate > 0) text += "  " + (rate >= 1 ? printed("%.1f it/s", rate) : printed("%.1f s/it", 1 / rate));
  text += "  ETA " + duration(left) + "  " + bytes(e.peak_bytes);
  return e.text.empty() ? text : text + "  " + e.text;
}

void Progress::operator()(const ProgressEvent& event) {
  if (style_ == ProgressStyle::none) return;
  if (event.iterations == 0) {  // set-up or report: the log says the same in a line
    if (style_ == ProgressStyle::bar) show(event.text);
    return;
  }
  if (first_iteration_ < 0 || event.iteration < last_.iteration) {  // the count has begun anew
    first_iteration_ = event.iteration;
    first_s_ = event.elapsed_s;
    stage_ = event.stage;
  }
  const bool stage_ended = event.stage != stage_;
  if (style_ == ProgressStyle::lines && stage_ended && pending_) line(last_);
  stage_ = event.stage;
  last_ = event;
  pending_ = true;
  const bool last = event.iteration >= event.iterations;
  if (style_ == ProgressStyle::bar) {
    if (last || event.elapsed_s - shown_s_ >= kRedraw_s) draw(event);
  } else if (last || shown_s_ < 0 || event.elapsed_s - shown_s_ >= kLine_s) {
    line(event);
  }
}

void Progress::draw(const ProgressEvent& e) {
  const double seconds = e.elapsed_s - first_s_;
  const double rate = seconds > 0 ? static_cast<double>(e.iteration - first_iteration_) / seconds : 0;
  const double share = e.iterations > 0 ? static_cast<double>(e.iteration) / static_cast<double>(e.iterations) : 0;
  const int full = std::clamp(static_cast<int>(share * kBarCells), 0, kBarCells);
  std::string text = "[" + std::string(static_cast<std::size_t>(full), '#') +
                     std::string(static_cast<std::size_t>(kBarCells - full), '.') + "] " + progress_text(e, rate);
  show(text);
  shown_s_ = e.elapsed_s;
  pending_ = false;
}

void Progress::show(std::string text) {
  text.resize(std::min(text.size(), terminal_columns() - 1));
  std::fprintf(stderr, "\r%s\033[K", text.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

void Progress::log(LogLevel level, std::string_view text) {
  static constexpr const char* kNames[] = {"trace", "debug", "info", "warning", "error", "off"};
  std::fprintf(stderr, "\r\033[K%s: %.*s\n", kNames[static_cast<int>(level)], static_cast<int>(text.size()),
               text.data());
  std::fflush(stderr);
  drawn_ = false;
}

void Progress::line(const ProgressEvent& e) {
  const double seconds = e.elapsed_s - first_s_;
  const double rate = seconds > 0 ? static_cast<double>(e.iteration - first_iteration_) / seconds : 0;
  std::fprintf(stderr, "%s\n", progress_text(e, rate).c_str());
  std::fflush(stderr);
  shown_s_ = e.elapsed_s;
  pending_ = false;
}

void Progress::attach(RunOptions& options) {
  options.progress = [this](const ProgressEvent& event) { (*this)(event); };
  if (style_ == ProgressStyle::bar) options.sink = [this](LogLevel level, std::string_view text) { log(level, text); };
}

Progress::~Progress() {
  if (style_ == ProgressStyle::lines && pending_) line(last_);
  if (style_ == ProgressStyle::bar && pending_) draw(last_);
  if (drawn_) std::fputc('\n', stderr);
}

}  // namespace terrane::cli
