// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "engine/io/text.hpp"
#include "engine/json.hpp"
#include "engine/registry.hpp"
#include "tools/terrane/verbs.hpp"

namespace terrane::cli {

namespace {

nlohmann::ordered_json pair_of(const std::string& text) {
  long long shot = 0, receiver = 0;
  char rest = 0;
  if (std::sscanf(text.c_str(), "%lld:%lld%c", &shot, &receiver, &rest) != 2) {
    throw Error(ErrorCode::config, "--pair takes SHOT:RECEIVER, e.g. 0:10, not \"" + text + "\"");
  }
  return {shot, receiver};
}

nlohmann::ordered_json window_of(const std::string& text) {
  double first = 0, last = 0;
  char rest = 0;
  if (std::sscanf(text.c_str(), "%lf:%lf%c", &first, &last, &rest) != 2) {
    throw Error(ErrorCode::config, "--window takes FIRST:LAST in seconds, e.g. 0.3:0.5, not \"" + text + "\"");
  }
  return {first, last};
}

}  // namespace

// The config of task "analyze" that the options stand for.
int analyze_verb(const Options& options) {
  namespace fs = std::filesystem;
  const std::string what = options.arguments.at(0), source = options.arguments.at(1);
  std::vector<std::string> names;
  for (const Component* c : components_of("analysis")) names.emplace_back(c->type);
  if (std::find(names.begin(), names.end(), what) == names.end()) {
    const std::string near = nearest(what, names);
    throw Error(ErrorCode::config, "analyze: \"" + what + "\" is not one of " + join_words(names) +
                                       (near.empty() ? "" : "; did you mean \"" + near + "\"?"));
  }
  const bool directory = fs::is_directory(source);
  nlohmann::ordered_json analysis{{"type", what}};
  if (options.top > 0) analysis["k"] = options.top;
  if (!options.method.empty()) analysis["method"] = options.method;
  if (options.prior_std > 0) analysis["prior_std"] = options.prior_std;
  if (!options.setting.empty()) analysis["setting"] = options.setting;
  if (!options.values.empty()) analysis["values"] = options.values;
  if (!options.datum.empty()) analysis["data"] = options.datum;
  for (const std::string& pair : options.pair) analysis["pairs"].push_back(pair_of(pair));
  if (!options.window.empty()) analysis["window_s"] = window_of(options.window);
  if (options.frequency_hz > 0) analysis["frequency_hz"] = options.frequency_hz;
  nlohmann::ordered_json config{{"task", "analyze"},
                                {"name", what},
                                {directory ? "run" : "config", fs::absolute(source).lexically_normal().string()},
                                {"analyses", {analysis}}};
  if (!options.at.empty()) config["at"] = options.at;
  Options with = options;
  if (with.out.empty() && directory) with.out = source + "/analysis/" + what;
  return execute(Config::parse(config.dump(2), "analyze " + what, options.sets), with);
}

}  // namespace terrane::cli
