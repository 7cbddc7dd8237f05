// SPDX-License-Identifier: MIT
// Where work runs: cpu, shadow (CPU kernels on guarded buffers), emulated (CUDA kernels on the CPU, tests only),
// cuda:N.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/runtime/hd.hpp"

namespace terrane {

enum class DeviceKind { cpu, shadow, emulated, cuda };

struct Device {
  DeviceKind kind = DeviceKind::cpu;
  int index = 0;
  // "cpu", "shadow", "emulated", "cuda", "cuda:1"; "auto" is the first usable GPU, else the CPU.
  // Throws Error{config} for an unknown name. Does not test whether the device is usable: Stream does.
  static Device parse(std::string_view name);
  std::string name() const;
  bool operator==(const Device&) const = default;
};

// What was found for one device; `reason` says why it is not usable.
struct DeviceInfo {
  Device device;
  bool usable = false;
  std::string description;  // processor or GPU name, instruction set variant, driver
  std::string reason;
};

// Looks for devices. Loads the CUDA module only when `probe_cuda` and only when a driver library is present.
std::vector<DeviceInfo> list_devices(bool probe_cuda);

// Name of the CPU kernel variant chosen on this machine: "baseline", "v3" (AVX2) or "v4" (AVX-512).
std::string cpu_variant();
// Cores allowed by affinity, capped by OMP_NUM_THREADS / TERRANE_THREADS.
int default_threads();

}  // namespace terrane
