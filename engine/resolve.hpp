// SPDX-License-Identifier: MIT
// A tree of JSON against the registry: checks keys, types, units and ranges, fills in defaults. Used by Config only.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/config.hpp"
#include "engine/json.hpp"
#include "engine/json_value.hpp"
#include "engine/registry.hpp"

namespace terrane {

class Resolver {
 public:
  // `root_name`: the file that the user named, for keys that come from a parent.
  explicit Resolver(std::string root_name) : root_name_(std::move(root_name)) {}

  nlohmann::ordered_json resolve(JsonNode& root);
  void issue(const JsonPlace& place, const std::string& pointer, const std::string& message);
  // At the place of `pointer`, or of its nearest parent.
  void issue_at(const std::string& pointer, const std::string& message);
  bool given(const std::string& pointer) const { return places_.count(pointer) > 0; }

  const std::vector<JsonError>& issues() const { return issues_; }
  const std::map<std::string, JsonPlace>& places() const { return places_; }
  const std::vector<std::string>& unused() const { return unused_; }
  const std::vector<std::string>& notes() const { return notes_; }
  const std::vector<ConfigInput>& inputs() const { return inputs_; }

 private:
  // A member that sets a key, and the unit conversion of its value.
  struct Found {
    const JsonMember* member = nullptr;
    const JsonNode* node = nullptr;
    std::string name;  // of the resolved key
    double factor = 1.0;
    bool bad = false;  // reported already
  };

  Json object(const JsonNode& node, const Component& row, const std::string& pointer);
  Found find(const JsonNode& node, const Key& key, const std::string& pointer, std::set<std::string>& used);
  void with_unit(const Key& key, const std::string& pointer, Found& found);
  Json fallback(const Key& key, const JsonNode& parent, const Json& siblings, const Component& row,
                const std::string& pointer);
  Json value(const JsonNode& node, const Key& key, double factor, const std::string& pointer);
  Json number(const JsonNode& node, const Key& key, double factor, const std::string& pointer);
  Json integer(const JsonNode& node, const Key& key, const std::string& pointer);
  Json seed(const JsonNode& node, const Key& key, const std::string& pointer);
  Json list(const JsonNode& node, const Key& key, double factor, const std::string& pointer);
  Json span(const JsonNode& node, const Key& key, double factor, const std::string& pointer);
  Json edges(const JsonNode& node, const Key& key, const std::string& pointer);
  Json choice(const JsonNode& node, const Key& key, const std::string& pointer);
  Json names(const JsonNode& node, const std::string& pointer);
  Json path(const JsonNode& node, const Key& key, const std::string& pointer);
  Json component(const JsonNode& node, const Key& key, const std::string& pointer);
  Json component_list(const JsonNode& node, const Key& key, const std::string& pointer);
  Json tuples(const JsonNode& node, const Key& key, std::size_t size, const std::string& pointer);
  Json groups(const JsonNode& node, const std::string& pointer);
  bool in_range(double number, const JsonNode& node, const Key& key, const std::string& pointer);
  Json mismatch(const JsonNode& node, const std::string& wanted, const std::string& pointer);

  struct Stray {
    JsonMember member;
    std::string parent;
    const Component* row;
  };
  // Says what is wrong with members that no key took; returns the keys that were meant.
  std::set<std::string> strays(const JsonNode& node, const Component& row, const std::string& pointer,
                               const std::set<std::string>& used);
  bool explain_suffix(const JsonMember& member, const Component& row, const std::string& pointer,
                      std::set<std::string>& meant);
  std::string elsewhere(const std::string& key) const;
  void report_strays();
  Json root_sections(const JsonNode& root, const Task& task);
  void merge_stage_optimizers(JsonNode& root);

  std::string root_name_;
  std::vector<JsonError> issues_;
  std::map<std::string, JsonPlace> places_;
  std::vector<std::string> unused_, notes_;
  std::vector<ConfigInput> inputs_;
  std::vector<Stray> strays_;
  std::vector<std::pair<std::string, const Component*>> visited_;
  int defaulting_ = 0;  // > 0 while a default is being expanded: it has no place
};

// Fills in what depends on several sections (delays, stages, rates) and checks them against each other.
void derive(nlohmann::ordered_json& config, Resolver& resolver);

// Sections that fit the number of axes of the grid; fills in what only a grid of three dimensions has.
void check_dimensions(nlohmann::ordered_json& config, Resolver& resolver);

}  // namespace terrane
