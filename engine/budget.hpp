// SPDX-License-Identifier: MIT
// What a run may take of main memory and of the disk, and forecasts of the tasks that are known by a few sizes.
#pragma once

#include <string>

#include "engine/config.hpp"
#include "engine/run.hpp"

namespace terrane {

// "3.25 GB", below 1 GB "12.5 MB".
std::string gigabytes(double bytes);

// Main memory: /memory/host of the config if it is stated, else that of the machine (RunOptions::machine_memory_bytes).
struct HostBudget {
  bool stated = false;
  double bytes = 0;  // 0: unknown, everything fits

  HostBudget(const Config& config, const RunOptions& options);
  bool has_room(double need) const { return bytes <= 0 || need <= bytes; }
  // ", budget 8.00 GB", ", this machine 25.3 GB", or nothing.
  std::string text() const;
  // "host memory 40.00 GB forecast > 25.3 GB of this machine. "
  std::string exceeded_by(double need) const;
};

// Sets disk_bytes, and where the disk has no room (RunOptions::free_disk_bytes) fits and remedy. A run writes into
// out_dir, or the folder that will hold it.
void need_disk(Forecast& f, double bytes, const RunOptions& options);

// The forecast of a run that fits; else throws Error(budget) with the remedy.
Forecast require_room(const Config& config, const RunOptions& options);

struct TaskNeeds {
  std::string what;                       // the first line: the task and its sizes
  double host_bytes = 0, disk_bytes = 0;  // 0: not worth a line
  std::string less;                       // a setting or size that would take less memory, as a sentence
};
Forecast forecast_of(const Config& config, const RunOptions& options, const TaskNeeds& needs);

}  // namespace terrane
