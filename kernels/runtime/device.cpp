// SPDX-License-Identifier: MIT
#include "kernels/runtime/device.hpp"

#include <dlfcn.h>
#include <omp.h>
#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "kernels/runtime/error.hpp"
#include "kernels/runtime/kernel.hpp"

namespace terrane {

namespace {

std::string processor_name() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("model name", 0) == 0) {
      const auto colon = line.find(": ");
      if (colon != std::string::npos) return line.substr(colon + 2);
    }
  }
  return "unknown processor";
}

// Empty when the driver library can be opened; cheap, unlike loading the CUDA module.
std::string missing_driver() {
  void* driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
  if (driver == nullptr) return "no GPU: the driver library libcuda.so.1 was not found";
  dlclose(driver);
  return {};
}

DeviceInfo probe_cuda_device(int index, int* count) {
  DeviceInfo info{Device{DeviceKind::cuda, index}, false, {}, missing_driver()};
  *count = 0;
  if (!info.reason.empty()) return info;
  try {
    char text[256] = {};
    *count = kernel_table(info.device).probe(index, text, sizeof text);
    info.usable = index < *count;
    (info.usable ? info.description : info.reason) = text;
    if (!info.usable && info.reason.empty()) info.reason = "there is no GPU with number " + std::to_string(index);
  } catch (const Error& e) {
    info.reason = e.what();
  }
  return info;
}

}  // namespace

Device Device::parse(std::string_view name) {
  if (name == "cpu") return {};
  if (name == "shadow") return {DeviceKind::shadow, 0};
  if (name == "emulated") return {DeviceKind::emulated, 0};
  if (name == "auto") {
    int count = 0;
    return probe_cuda_device(0, &count).usable ? Device{DeviceKind::cuda, 0} : Device{};
  }
  if (name.substr(0, 4) == "cuda") {
    if (name.size() == 4) return {DeviceKind::cuda, 0};
    const std::string_view digits = name.substr(4);
    if (digits.size() >= 2 && digits.size() <= 4 && digits[0] == ':' &&
        digits.find_first_not_of("0123456789", 1) == std::string_view::npos) {
      return {DeviceKind::cuda, std::stoi(std::string(digits.substr(1)))};
    }
  }
  throw Error(ErrorCode::config,
              "device \"" + std::string(name) + "\" is not one of auto, cpu, shadow, cuda, cuda:0, cuda:1, ...");
}

std::string Device::name() const {
  switch (kind) {
    case DeviceKind::cpu:
      return "cpu";
    case DeviceKind::shadow:
      return "shadow";
    case DeviceKind::emulated:
      return "emulated";
    case DeviceKind::cuda:
      return "cuda:" + std::to_string(index);
  }
  return "?";
}

std::vector<DeviceInfo> list_devices(bool probe_cuda) {
  const std::string cpu = processor_name() + ", kernels " + cpu_variant();
  std::vector<DeviceInfo> found{{Device{}, true, cpu, {}},
                                {Device{DeviceKind::shadow, 0}, true, "cpu kernels on guarded buffers", {}}};
  if (!probe_cuda) return found;
  int count = 0;
  found.push_back(probe_cuda_device(0, &count));
  for (int i = 1; i < count; ++i) {
    int again = 0;
    found.push_back(probe_cuda_device(i, &again));
  }
  return found;
}

std::string cpu_variant() { return kernel_table(Device{}).backend; }

int default_threads() {
  if (const char* text = std::getenv("TERRANE_THREADS"); text != nullptr) {
    const int n = std::atoi(text);
    if (n > 0) return n;
  }
  cpu_set_t set;
  CPU_ZERO(&set);
  int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  // A container may be limited by quota rather than by affinity.
  std::ifstream quota("/sys/fs/cgroup/cpu.max");
  std::string limit;
  double period = 0;
  if (quota >> limit >> period && limit != "max" && period > 0) {
    cores = std::min(cores, std::max(1, static_cast<int>(std::atof(limit.c_str()) / period + 0.5)));
  }
  return std::getenv("OMP_NUM_THREADS") != nullptr ? std::max(1, omp_get_max_threads()) : std::max(1, cores);
}

}  // namespace terrane
