// SPDX-License-Identifier: MIT
// What the tasks without a physics have in common: output directory, log, result.json and page. Inside the engine only.
#pragma once

#include <string>

#include "engine/output.hpp"
#include "engine/run.hpp"

namespace terrane {

class StandaloneTask {
 public:
  // Runs work() and writes result.json; a failure is written too.
  Json execute();

 protected:
  // continuing: into the directory of a run that was stopped.
  StandaloneTask(const Config& config, const RunOptions& options, bool continuing);
  virtual ~StandaloneTask() = default;
  // Fills result_. True: done; false: stopped by a signal.
  virtual bool work() = 0;
  // report.html of a run that did not fail.
  virtual void write_page(const Json& result) = 0;

  static StreamOptions stream_options(const RunOptions& options) {
    StreamOptions s;
    s.threads = options.threads;
    return s;
  }

  Config config_;
  const Json& c_;
  const RunOptions& options_;
  double start_s_;
  OutputDirectory out_;
  Log log_;
  Json result_ = Json::object();

 private:
  Json finish(const char* status, int code, const std::string& error);
};

}  // namespace terrane
