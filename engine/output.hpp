// SPDX-License-Identifier: MIT
// The output directory of a run: what is written when, and in which order.
#pragma once

#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/io/file.hpp"
#include "engine/problem.hpp"

namespace terrane {

// Locked while it lives. Writing errors are Error{failed} with reason and remedy.
class OutputDirectory {
 public:
  // Creates the directory; refuses one that holds a run (Error{config}) unless `overwrite` or `continuing`.
  OutputDirectory(std::string path, bool overwrite, bool continuing);
  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  void write_json(const std::string& name, const Json& value) const;
  // (z, x) or (z, y, x) float32 with the sidecar that names property, unit, spacing and origin.
  void write_model(const std::string& name, const std::vector<double>& values, const Problem& problem) const;
  void write_data(const std::string& name, const std::vector<double>& values, const std::vector<Index>& shape) const;
  void remove(const std::string& name) const;

 private:
  std::string path_;
  std::optional<DirectoryLock> lock_;
};

// Does the directory hold anything of a run?
bool holds_run(const std::string& path);

// progress.jsonl: one line an iteration, flushed; cut back to `keep_before` iterations when a run goes on.
class ProgressFile {
 public:
  ProgressFile(const std::string& path, Index keep_before);
  void append(const Json& line);

 private:
  std::ofstream out_;
  std::string path_;
};

// Seconds of a clock that never goes back.
double now_s();

// Resident memory of this process now and at its peak, bytes.
Index resident_bytes();
Index peak_resident_bytes();
// Main memory of this machine, or what the control group of this process may take of it; 0: unknown.
Index machine_memory_bytes();

}  // namespace terrane
