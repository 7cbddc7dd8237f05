// SPDX-License-Identifier: MIT
// What every benchmark's main does around its work.
#pragma once

#include <cstdio>
#include <cstring>
#include <exception>
#include <string>

#include "engine/output.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {

// Peak of this program alone; getrusage would count the one that started it, too.
inline double bench_peak_mib() { return static_cast<double>(peak_resident_bytes()) / (1 << 20); }

// Value of an option "name VALUE" that ends the arguments, which are shortened by it; else `fallback`.
inline std::string last_option(int& argc, char** argv, const char* name, const char* fallback) {
  if (argc < 3 || std::strcmp(argv[argc - 2], name) != 0) return fallback;
  argc -= 2;
  return argv[argc + 1];
}

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
