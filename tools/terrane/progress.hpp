// SPDX-License-Identifier: MIT
// Progress on stderr: a bar on a terminal (at most 10 redraws a second), else a plain line every 10 s and at each end
// of a stage.
#pragma once

#include <string>
#include <string_view>

#include "engine/run.hpp"

namespace terrane::cli {

enum class ProgressStyle { none, lines, bar };

// From the terminal, TERM and the level: a quiet run shows nothing.
ProgressStyle progress_style(LogLevel console);

class Progress {
 public:
  explicit Progress(ProgressStyle style) : style_(style) {}
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void operator()(const ProgressEvent& event);
  // A log line above the bar.
  void log(LogLevel level, std::string_view text);
  ProgressStyle style() const { return style_; }
  // Reports of the run go here; with a bar its log lines too. The object must outlive the run.
  void attach(RunOptions& options);

 private:
  void draw(const ProgressEvent& event);
  void line(const ProgressEvent& event);
  void show(std::string text);
  ProgressStyle style_;
  double shown_s_ = -1e9;
  double first_s_ = 0;  // of the first event: the rate leaves the set-up out
  Index first_iteration_ = -1;
  int stage_ = 0;
  ProgressEvent last_{};
  bool pending_ = false, drawn_ = false;
};

// "stage 1/2  iteration 213/800  misfit 0.0123  3.4 it/s  ETA 2:51  612 MB".
std::string progress_text(const ProgressEvent& event, double iterations_per_s);

}  // namespace terrane::cli
