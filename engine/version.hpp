// SPDX-License-Identifier: MIT
// What this build is: for --version, log.txt and result.json.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace terrane {

std::string version_string();  // "0.1.0"
// {"terrane", "git", "build", "libraries"}; git is null when the build did not know it.
nlohmann::ordered_json version_json();
// Libraries that this program contains, with their licences; one paragraph each.
std::string licenses_text();

}  // namespace terrane
