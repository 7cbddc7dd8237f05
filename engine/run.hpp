// SPDX-License-Identifier: MIT
// The verbs of the product, for the command line, the C interface and programs that embed the library.
// Every verb throws Error; its code is the documented exit code.
#pragma once

#include <atomic>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/config.hpp"
#include "kernels/runtime/device.hpp"
#include "kernels/runtime/log.hpp"

namespace terrane {

struct ProgressEvent {
  int stage = 0, stages = 1;
  Index iteration = 0;   // finished iterations
  Index iterations = 0;  // of the whole run
  double misfit = 0, elapsed_s = 0;
  Index peak_bytes = 0;
  std::string unit;  // what is counted instead of iterations, without a misfit: "maps"
  std::string text;  // what happens when it is not an iteration: "simulating data", "writing the report"
};

struct RunOptions {
  std::string out_dir;
  bool overwrite = false;  // a directory that holds a run may be replaced
  bool resume = false;     // continue when it holds a resumable run of the same config, else start
  Device device;
  bool device_explicit = false;
  int threads = 0;                 // 0: default_threads()
  Index machine_memory_bytes = 0;  // that a run may take where memory.host is not stated; 0: this machine's
  Index free_disk_bytes = 0;       // 0: those of the file system that out_dir is on
  Log log;
  LogLevel console = LogLevel::info;  // level of the log that run() opens on stderr and in log.txt when `log` is silent
  LogSink sink;                       // takes the place of stderr, at the same level
  std::function<void(const ProgressEvent&)> progress;
  const std::atomic<int>* stop_signal = nullptr;  // non-zero: stop after the iteration; the number of the signal
};

// Executes the task of the config and writes the output directory. Returns result.json.
nlohmann::ordered_json run(const Config& config, const RunOptions& options);

// Continues the run in `dir` from its newest good checkpoint. `sets` may change what cli.md allows for resume.
nlohmann::ordered_json resume(const std::string& dir, const RunOptions& options, const std::vector<std::string>& sets);

// Main memory that a run without a stated budget may take; 0: unknown.
Index memory_for(const RunOptions& options);

struct Forecast {
  nlohmann::ordered_json json;
  std::vector<std::string> lines;  // task, stability, memory, disk, time
  bool fits = true;
  std::string remedy;  // the setting that would fit
};
// Validates and predicts; reads models and headers of data, computes and writes nothing.
Forecast forecast(const Config& config, const RunOptions& options);

// What a file or a run directory holds.
nlohmann::ordered_json info(const std::string& path, bool verbose);

// What was found on this machine; with `verify` also gradient and analytic checks on every usable device.
nlohmann::ordered_json doctor(bool verify, const RunOptions& options, std::vector<std::string>* lines);

// report.html of each directory; several give a comparison in the current directory as well.
void rebuild_report(const std::vector<std::string>& dirs);

}  // namespace terrane
