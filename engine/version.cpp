// SPDX-License-Identifier: MIT
#include "engine/version.hpp"

namespace terrane {
namespace {

// Defined for this library by the build; the fallbacks serve a single file compiled by hand.
#ifdef TERRANE_VERSION
constexpr const char* kVersion = TERRANE_VERSION;
#else
constexpr const char* kVersion = "0.0.0";
#endif

std::string compiler() {
#if defined(__clang__)
  return "clang++ " + std::to_string(__clang_major__) + "." + std::to_string(__clang_minor__);
#else
  return "g++ " + std::to_string(__GNUC__) + "." + std::to_string(__GNUC_MINOR__);
#endif
}

std::string architecture() {
#if defined(__x86_64__)
  return "x86-64";
#elif defined(__aarch64__)
  return "aarch64";
#else
  return "other";
#endif
}

}  // namespace

std::string version_string() { return kVersion; }

nlohmann::ordered_json version_json() {
  const std::string json_version = std::to_string(NLOHMANN_JSON_VERSION_MAJOR) + "." +
                                   std::to_string(NLOHMANN_JSON_VERSION_MINOR) + "." +
                                   std::to_string(NLOHMANN_JSON_VERSION_PATCH);
  return {{"terrane", version_string()},
          {"git", nullptr},
          {"build", compiler() + " " + architecture()},
          {"libraries", {{"json", "nlohmann " + json_version}}}};
}

std::string licenses_text() {
  return "terrane: MIT License\n\n"
         "Contained in this program:\n"
         "  nlohmann-json   MIT License            https://github.com/nlohmann/json\n"
         "  CLI11           BSD 3-Clause License   https://github.com/CLIUtils/CLI11\n"
         "  spdlog          MIT License            https://github.com/gabime/spdlog\n"
         "  fmt             MIT License            https://github.com/fmtlib/fmt\n"
         "  pocketfft       BSD 3-Clause License   https://gitlab.mpcdf.mpg.de/mtr/pocketfft\n"
         "Used when the build found them:\n"
         "  OpenBLAS        BSD 3-Clause License   https://www.openblas.net\n"
         "  LAPACKE         BSD 3-Clause License   https://netlib.org/lapack\n"
         "  Eigen           Mozilla Public License 2.0   https://eigen.tuxfamily.org\n"
         "  libpng          PNG Reference Library License version 2   http://www.libpng.org\n"
         "  zlib            zlib License           https://zlib.net\n";
}

}  // namespace terrane
