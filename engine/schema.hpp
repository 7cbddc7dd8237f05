// SPDX-License-Identifier: MIT
// What the registry generates: JSON Schema, readable text, the reference page, annotated templates, completion words.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace terrane {

class Config;

// JSON Schema, tagged 2020-12, with keywords that mean the same in draft-07. A quantity may stand under its SI key or
// under the bare key with "value" and "unit"; open limits and "one of these two" are left to the parser.
nlohmann::ordered_json json_schema();

// The part of the config at `pointer` ("/optimizer", "/optimizer/adam", "/field/transform") as text for a terminal.
// Throws Error{config} with the nearest name if there is none.
std::string schema_text(const std::string& pointer);

// The whole reference as Markdown.
std::string reference_page();

// The resolved config with every key on its line and its meaning beside it; keys without a value are commented out.
// The text parses to the same config.
std::string annotated(const Config& config, const std::string& headline);

// Paths for --set with the values that complete them: {"grid.nz", ""}, {"misfit.normalize", "none survey trace"}.
struct CompletionWord {
  std::string path, values;
};
std::vector<CompletionWord> completion_words();

}  // namespace terrane
