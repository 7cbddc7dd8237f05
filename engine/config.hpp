// SPDX-License-Identifier: MIT
// A config file, checked and resolved: every key of every component present, SI units, absolute paths, `parent` and
// --set folded in. The resolved object is itself a valid config that resolves to itself.
// Beyond the keys of the file, the resolved config of task "invert" always has at least one stage, and optimizer and
// regularizers of a stage are null where those of the config hold. null: absent, or chosen by the engine.
// Errors: ConfigErrors with all mistakes at once, each "file:line:column: /pointer: message with remedy".
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernels/runtime/error.hpp"

namespace terrane {

struct ConfigIssue {
  std::string place;    // "fwi.json:3:44" or "--set #2"
  std::string pointer;  // "/grid/dx"
  std::string message;
  std::string line() const;  // the three joined
};

class ConfigErrors : public Error {
 public:
  explicit ConfigErrors(std::vector<ConfigIssue> issues);
  const std::vector<ConfigIssue>& issues() const { return issues_; }

 private:
  std::vector<ConfigIssue> issues_;
};

// A file that the run reads.
struct ConfigInput {
  std::string path;     // absolute
  std::string pointer;  // "/data/path"
  bool folder = false;  // a directory is welcome, too
};

// Immutable; copies share the content.
class Config {
 public:
  // `sets` are the --set options in their order: "a.b=3" or "/a/b=3".
  static Config load(const std::string& file, const std::vector<std::string>& sets = {});
  static Config parse(const std::string& text, const std::string& origin, const std::vector<std::string>& sets = {});

  const nlohmann::ordered_json& json() const;
  // Where the value came from, for messages of the engine; the nearest parent that stands in a file, else the file.
  std::string place(const std::string& pointer) const;
  // Sections that belong to another task.
  const std::vector<std::string>& unused() const;
  // Worth a log line: input files found through TERRANE_DATA.
  const std::vector<std::string>& notes() const;
  const std::vector<ConfigInput>& inputs() const;
  // Of the resolved dump.
  std::string sha256() const;

 private:
  struct Content;
  std::shared_ptr<const Content> content_;
};

}  // namespace terrane
