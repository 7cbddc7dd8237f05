// SPDX-License-Identifier: MIT
#include "engine/budget.hpp"

#include <cstdio>
#include <filesystem>

#include "engine/problem.hpp"

namespace terrane {

namespace {

namespace fs = std::filesystem;

// The nearest folder above a path, or the path itself, that exists.
fs::path existing_folder(const std::string& path) {
  std::error_code error;
  fs::path folder = fs::absolute(path.empty() ? "." : path, error);
  while (!fs::is_directory(folder, error) && folder.has_relative_path()) folder = folder.parent_path();
  return folder;
}

// 0: unknown.
double free_bytes(const RunOptions& options, const fs::path& folder) {
  if (options.free_disk_bytes > 0) return static_cast<double>(options.free_disk_bytes);
  std::error_code error;
  const fs::space_info space = fs::space(folder, error);
  return error ? 0 : static_cast<double>(space.available);
}

}  // namespace

std::string gigabytes(double bytes) {
  char text[64];
  if (bytes >= 1e9) {
    std::snprintf(text, sizeof text, "%.2f GB", bytes * 1e-9);
  } else {
    std::snprintf(text, sizeof text, "%.1f MB", bytes * 1e-6);
  }
  return text;
}

HostBudget::HostBudget(const Config& config, const RunOptions& options)
    : stated(memory_budget(config, DeviceKind::cpu) > 0),
      bytes(stated ? memory_budget(config, DeviceKind::cpu) : static_cast<double>(memory_for(options))) {}

std::string HostBudget::text() const {
  return bytes > 0 ? (stated ? ", budget " : ", this machine ") + gigabytes(bytes) : "";
}

std::string HostBudget::exceeded_by(double need) const {
  return "host memory " + gigabytes(need) + " forecast > " + gigabytes(bytes) +
         (stated ? " budget. " : " of this machine. ");
}

void need_disk(Forecast& f, double bytes, const RunOptions& options) {
  f.json["disk_bytes"] = static_cast<Index>(bytes);
  const fs::path folder = existing_folder(options.out_dir);
  const double free = free_bytes(options, folder);
  if (f.fits && free > 0 && bytes > free) {
    f.fits = false;
    f.remedy = "disk " + gigabytes(bytes) + " forecast > " + gigabytes(free) + " free in " + folder.string() +
               ". Make room, or choose another --out.";
  }
  f.json["fits"] = f.fits;
}

Forecast require_room(const Config& config, const RunOptions& options) {
  Forecast f = forecast(config, options);
  if (!f.fits) throw Error(ErrorCode::budget, f.remedy);
  return f;
}

Forecast forecast_of(const Config& config, const RunOptions& options, const TaskNeeds& needs) {
  const HostBudget budget(config, options);
  Forecast f;
  f.lines.push_back(needs.what);
  f.json = {{"task", config.json().at("task")}};
  if (needs.host_bytes > 0) {
    f.lines.push_back("memory: about " + gigabytes(needs.host_bytes) + budget.text());
    f.json["memory"] = {{"host_bytes", static_cast<Index>(needs.host_bytes)}};
  }
  if (needs.disk_bytes > 0) f.lines.push_back("disk: about " + gigabytes(needs.disk_bytes));
  f.json["lines"] = f.lines;
  f.fits = budget.has_room(needs.host_bytes);
  if (!f.fits) f.remedy = budget.exceeded_by(needs.host_bytes) + needs.less;
  need_disk(f, needs.disk_bytes, options);
  return f;
}

}  // namespace terrane
