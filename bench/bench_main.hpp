// SPDX-License-Identifier: MIT
// What every benchmark's main does around its work.
#pragma once

#include <cstdio>
#include <exception>

#include "kernels/runtime/error.hpp"

namespace terrane {

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
