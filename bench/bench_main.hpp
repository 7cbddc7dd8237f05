// SPDX-License-Identifier: MIT
// What every benchmark's main does around its work.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <string>

#include "kernels/runtime/error.hpp"

namespace terrane {

// High-water mark of resident memory of this program; 0 where the system does not say. getrusage would count the
// program that started it, too.
inline long long bench_peak_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmHWM:", 0) == 0) return std::atoll(line.c_str() + 6) * 1024;
  }
  return 0;
}

inline double bench_peak_mib() { return static_cast<double>(bench_peak_bytes()) / (1 << 20); }

// The exit status that `work` returns; of an Error its code, of another exception 1, with the message on stderr.
template <class Work>
int run_bench(Work&& work) {
  try {
    return work();
  } catch (const Error& e) {
    std::fprintf(stderr, "%s\n", e.message().c_str());
    return static_cast<int>(e.code());
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 1;
  }
}

}  // namespace terrane
