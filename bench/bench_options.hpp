// SPDX-License-Identifier: MIT
// Options "--name VALUE" of a benchmark: numbers and words, which stand here with their defaults.
#pragma once

#include <cstdlib>
#include <map>
#include <string>

#include "kernels/runtime/error.hpp"
#include "kernels/runtime/hd.hpp"

namespace terrane::bench {

struct Options {
  std::map<std::string, double> number;
  std::map<std::string, std::string> text;

  Index whole(const char* key) const { return static_cast<Index>(number.at(key)); }
  int threads() const { return static_cast<int>(number.at("threads")); }
  std::uint64_t seed() const { return static_cast<std::uint64_t>(number.at("seed")); }

  // Error{config} for an option that is not here, or one without a value.
  void parse(int argc, char** argv) {
    for (int k = 1; k < argc; k += 2) {
      const std::string word = argv[k], key = word.rfind("--", 0) == 0 ? word.substr(2) : "";
      const bool is_text = text.count(key) != 0;
      require(k + 1 < argc && (is_text || number.count(key) != 0), ErrorCode::config,
              "unknown option, or one without a value", argv[k]);
      if (is_text) {
        text[key] = argv[k + 1];
      } else {
        number[key] = std::atof(argv[k + 1]);
      }
    }
  }
};

}  // namespace terrane::bench
