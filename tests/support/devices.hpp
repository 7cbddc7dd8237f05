// SPDX-License-Identifier: MIT
// The devices a test runs on: TERRANE_TEST_DEVICES, a comma list; default cpu,shadow,emulated.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "kernels/runtime/error.hpp"
#include "kernels/runtime/stream.hpp"

namespace terrane {

inline std::vector<std::string> test_devices() {
  const char* text = std::getenv("TERRANE_TEST_DEVICES");
  const std::string list = text != nullptr ? text : "cpu,shadow,emulated";
  std::vector<std::string> names;
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t comma = std::min(list.find(',', at), list.size());
    if (comma > at) names.push_back(list.substr(at, comma - at));
    at = comma + 1;
  }
  return names;
}

// The kernels of a GPU, on one or under the emulator.
inline bool runs_gpu_code(const Stream& s) {
  const std::string name = s.device().name();
  return name == "emulated" || name.rfind("cuda", 0) == 0;
}

// Runs `body(stream)` on every listed device. A device that is listed but cannot be used skips the test, never passes.
inline void for_each_device(const std::function<void(Stream&)>& body, int threads = 2) {
  for (const std::string& name : test_devices()) {
    SCOPED_TRACE("device " + name);
    std::unique_ptr<Stream> stream;
    try {
      StreamOptions options;
      options.threads = threads;
      stream = std::make_unique<Stream>(Device::parse(name), options);
    } catch (const Error& e) {
      if (e.code() != ErrorCode::device) throw;
      GTEST_SKIP() << e.message();
    }
    body(*stream);
  }
}

// A file of the shared test data ($TERRANE_DATA, else the folder beside the sources); empty when it is absent.
std::string test_data_file(const std::string& name);

}  // namespace terrane
