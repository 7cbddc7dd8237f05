// SPDX-License-Identifier: MIT
#include "engine/output.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <sstream>

#include "engine/io/npy.hpp"
#include "engine/json.hpp"

namespace terrane {

namespace fs = std::filesystem;

bool holds_run(const std::string& path) {
  for (const char* name : {"resolved.json", "result.json", "progress.jsonl", "checkpoint"}) {
    std::error_code ignored;
    if (fs::exists(path + "/" + name, ignored)) return true;
  }
  return false;
}

OutputDirectory::OutputDirectory(std::string path, bool overwrite, bool continuing) : path_(std::move(path)) {
  if (!overwrite && !continuing && holds_run(path_)) {
    throw Error(ErrorCode::config,
                path_ + " already holds a run; choose another --out, or add --overwrite or --resume");
  }
  make_directories(path_);
  lock_.emplace(path_);
  if (continuing) return;
  for (const char* name : {"resolved.json",       "result.json",
                           "progress.jsonl",      "checkpoint",
                           "report.html",         "figures",
                           "model.npy",           "model.json",
                           "start_model.npy",     "start_model.json",
                           "true_model.npy",      "true_model.json",
                           "data_observed.npy",   "data_predicted.npy",
                           "gradient_first.npy",  "coverage.npy",
                           "data_geometry.npy",   "rays.npy",
                           "weights.safetensors", "log.txt",
                           "data_std.npy",        "chargeability.npy",
                           "ip_observed.npy",     "ip_predicted.npy",
                           "reference_model.npy", "reference_model.json",
                           "decoder.safetensors", "latents.lat",
                           "held_out.lat",        "manifest.json",
                           "contact.png"}) {
    remove(name);
  }
}

void OutputDirectory::write_json(const std::string& name, const Json& value) const {
  write_file_atomic(file(name), value.dump(2) + "\n");
}

void OutputDirectory::write_model(const std::string& name, const std::vector<double>& values,
                                  const Problem& problem) const {
  const Grid3& grid = problem.grid;
  Json spacing = Json::array(), origin = Json::array();
  for (int a = 0; a < grid.dimensions(); ++a) {
    spacing.push_back(grid.spacing_m(grid.axis(a)));
    origin.push_back(grid.begin_m(grid.axis(a)));
  }
  std::vector<float> single;
  for (const double v : values) single.push_back(static_cast<float>(problem.property->value_of(v)));
  write_npy(file(name + ".npy"), grid.shape(), single.data());
  write_json(name + ".json", {{"property", problem.property->name},
                              {"unit", problem.property->unit()},
                              {"spacing_m", spacing},
                              {"origin_m", origin},
                              {"axes", grid.flat() ? "zx" : "zyx"}});
}

void OutputDirectory::write_data(const std::string& name, const std::vector<double>& values,
                                 const std::vector<Index>& shape) const {
  const std::vector<float> single(values.begin(), values.end());
  write_npy(file(name), shape, single.data());
}

void OutputDirectory::remove(const std::string& name) const {
  std::error_code ignored;
  fs::remove_all(file(name), ignored);
}

ProgressFile::ProgressFile(const std::string& path, Index keep_before) : path_(path) {
  std::string kept;
  if (std::ifstream in(path); in && keep_before > 0) {
    for (std::string line; std::getline(in, line);) {
      const Json row = Json::parse(line, nullptr, false);
      // A line cut by a kill is not JSON; it belongs to an iteration that is done again.
      if (!row.is_object() || !row.contains("iteration") || row.at("iteration").get<Index>() >= keep_before) continue;
      kept += line + "\n";
    }
  }
  write_file_atomic(path, kept);
  out_.open(path, std::ios::app);
  if (!out_) throw Error(ErrorCode::failed, "progress cannot be written; make the directory writable", path);
}

void ProgressFile::append(const Json& line) {
  out_ << line.dump() << "\n" << std::flush;
  if (!out_)
    throw Error(ErrorCode::failed, "progress cannot be written; free some space on the disk and resume", path_);
}

double now_s() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

namespace {
Index status_bytes(const std::string& key) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind(key + ":", 0) == 0) return std::stoll(line.substr(key.size() + 1)) * 1024;
  }
  return 0;
}
}  // namespace

Index resident_bytes() { return status_bytes("VmRSS"); }
Index peak_resident_bytes() { return status_bytes("VmHWM"); }

Index machine_memory_bytes() {
  const long pages = ::sysconf(_SC_PHYS_PAGES), page = ::sysconf(_SC_PAGESIZE);
  Index bytes = pages > 0 && page > 0 ? Index{pages} * page : 0;
  // Inside a container both are those of its own group; "max" and the largest number stand for no limit.
  for (const char* file : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    Index limit = 0;
    if (std::ifstream in(file); in >> limit && limit > 0) bytes = bytes > 0 ? std::min(bytes, limit) : limit;
  }
  return bytes;
}

}  // namespace terrane
