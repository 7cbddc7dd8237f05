// SPDX-License-Identifier: MIT
#include "engine/schema.hpp"

#include <algorithm>

#include "engine/json_value.hpp"
#include "engine/registry.hpp"

namespace terrane {
namespace {

std::string definition(const Component& row) {
  return std::string(row.slot) + (row.type.empty() ? "" : "." + std::string(row.type));
}

Json reference(const Component& row) { return {{"$ref", "#/$defs/" + definition(row)}}; }

void add_range(Json& schema, const Key& key) {
  if (key.min != -kNoLimit) schema["minimum"] = key.min;
  if (key.max != kNoLimit) schema["maximum"] = key.max;
}

Json plain_number(const Key& key, bool whole) {
  Json schema = {{"type", whole ? "integer" : "number"}};
  if (!key.allowed.empty()) {
    schema = {{"enum", Json::array()}};
    for (const std::string& value : split_words(key.allowed)) schema["enum"].push_back(std::stoi(value));
  } else {
    add_range(schema, key);
  }
  if (key.words.empty()) return schema;
  return {{"oneOf", {schema, {{"enum", split_words(key.words)}}}}};
}

Json list_of(Json items) { return {{"type", "array"}, {"items", std::move(items)}}; }

Json slot_schema(const Key& key) {
  if (!is_typed(key.slot)) return reference(*find_component(key.slot, ""));
  Json options = Json::array();
  Json names = split_words(key.words);
  for (const Component* row : components_of(key.slot)) {
    options.push_back(reference(*row));
    names.push_back(row->type);
  }
  options.push_back({{"enum", names}});
  return {{"oneOf", options}};
}

Json edges_schema(const Key& key) {
  Json edge = {{"type", "integer"}};
  add_range(edge, key);
  Json sides = {{"type", "object"}, {"additionalProperties", false}};
  for (const char* name : {"top", "bottom", "left", "right", "front", "back"}) sides["properties"][name] = edge;
  return {{"oneOf", {edge, sides}}};
}

// Without default, description and null.
Json bare_schema(const Key& key) {
  switch (key.kind) {
    case KeyKind::number:
      return plain_number(key, false);
    case KeyKind::integer:
      return plain_number(key, true);
    case KeyKind::seed:
      return {{"type", "integer"}, {"minimum", 0}};
    case KeyKind::boolean:
      return {{"type", "boolean"}};
    case KeyKind::string:
    case KeyKind::path:
      return {{"type", "string"}};
    case KeyKind::names:
      return {{"oneOf", {{{"type", "string"}}, list_of({{"type", "string"}})}}};
    case KeyKind::choice:
      return {{"enum", split_words(key.words)}};
    case KeyKind::numbers:
      return list_of(plain_number(key, false));
    case KeyKind::integers:
      return list_of(plain_number(key, true));
    case KeyKind::span:
    case KeyKind::axis:
      return {{"oneOf", {plain_number(key, false), list_of(plain_number(key, false))}}};
    case KeyKind::edges:
      return edges_schema(key);
    case KeyKind::component:
      return slot_schema(key);
    case KeyKind::component_list:
      return list_of(slot_schema(key));
    case KeyKind::pairs:
    case KeyKind::quads:
      return list_of(list_of({{"type", "integer"}}));
    case KeyKind::groups:
      return {{"type", "object"},
              {"additionalProperties",
               {{"type", "object"},
                {"additionalProperties", false},
                {"properties", {{"lr", {{"type", "number"}}}, {"lr_mps", {{"type", "number"}}}}}}}};
    case KeyKind::free:
      return {{"type", "object"}};
  }
  return {};
}

// null stands for "absent" wherever a key may be left out.
void allow_null(Json& schema) {
  if (schema.contains("oneOf")) {
    schema["oneOf"].push_back({{"type", "null"}});
  } else if (schema.contains("enum")) {
    schema["enum"].push_back(nullptr);
  } else if (schema.contains("type")) {
    schema["type"] = Json::array({schema["type"], "null"});
  } else {
    schema = {{"oneOf", {schema, {{"type", "null"}}}}};
  }
}

Json key_schema(const Key& key) {
  Json schema = bare_schema(key);
  if (!key.required()) allow_null(schema);
  if (schema.contains("$ref")) schema = {{"oneOf", Json::array({schema})}};  // draft-07 ignores what stands beside $ref
  schema["description"] = key.help;
  if (!key.required() && key.fallback[0] != '=') schema["default"] = Json::parse(key.fallback);
  if (!key.example.empty()) schema["examples"] = Json::array({Json::parse(key.example)});
  return schema;
}

Json with_unit_schema(const Key& key) {
  Json units = Json::array();
  std::string list;
  for (const Quantity q : key.quantities()) list += (list.empty() ? "" : ", ") + units_of(q);
  for (std::size_t at = 0; at < list.size();) {
    const std::size_t comma = std::min(list.find(", ", at), list.size());
    units.push_back(list.substr(at, comma - at));
    at = comma + 2;
  }
  // Limits are in SI and do not apply to the value in another unit.
  Key free = key;
  free.min = -kNoLimit;
  free.max = kNoLimit;
  return {{"type", "object"},
          {"description", std::string(key.help) + " (with its unit)"},
          {"properties", {{"value", bare_schema(free)}, {"unit", {{"enum", units}}}}},
          {"required", {"value", "unit"}},
          {"additionalProperties", false}};
}

Json component_schema(const Component& row) {
  Json schema = {{"type", "object"}, {"description", row.help}};
  Json properties = Json::object();
  Json required = Json::array();
  if (!row.type.empty()) {
    properties["type"] = {{"const", row.type}};
    required.push_back("type");
  }
  for (const Key& key : row.keys) {
    properties[key.resolved_name()] = key_schema(key);
    if (key.quantity != Quantity::none) properties[std::string(key.name)] = with_unit_schema(key);
    for (const std::string& name : key.names()) properties[name] = key_schema(key);
    const bool single = key.quantities().empty();
    if (key.required() && single && row.slot != "config") required.push_back(key.name);
  }
  schema["properties"] = properties;
  if (!required.empty()) schema["required"] = required;
  schema["additionalProperties"] = false;
  return schema;
}

void collect_words(const std::string& prefix, std::string_view slot, int depth, std::vector<CompletionWord>& words) {
  if (depth > 4) return;
  std::vector<std::string> seen;
  if (is_typed(slot)) {
    std::string types;
    for (const Component* row : components_of(slot)) types += (types.empty() ? "" : " ") + std::string(row->type);
    words.push_back({prefix + "type", types});
  }
  for (const Component* row : components_of(slot)) {
    for (const Key& key : row->keys) {
      const std::string name = key.resolved_name();
      if (std::find(seen.begin(), seen.end(), name) != seen.end()) continue;
      seen.push_back(name);
      if (key.kind == KeyKind::component) {
        // A model may be made of a model: one level is enough for completion.
        if (key.slot != slot) collect_words(prefix + name + ".", key.slot, depth + 1, words);
      } else if (key.kind == KeyKind::component_list) {
        collect_words(prefix + name + ".0.", key.slot, depth + 1, words);
      } else {
        const std::string values =
            key.kind == KeyKind::boolean ? "true false" : std::string(key.allowed.empty() ? key.words : key.allowed);
        words.push_back({prefix + name, values});
      }
    }
  }
}

}  // namespace

Json json_schema() {
  Json schema = {{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"title", "terrane config"}};
  schema.update(component_schema(*find_component("config", "")));
  schema["properties"]["$schema"] = {{"type", "string"}, {"description", "this schema; ignored"}};
  schema["properties"]["parent"] = {{"type", "string"},
                                    {"description", "config whose keys hold where this one says nothing"}};
  for (const std::string& name : split_words(foreign_sections())) {
    schema["properties"][name] = {{"description", "section of a task that this version does not have; ignored"}};
  }
  for (const Component& row : components()) {
    if (row.slot != "config") schema["$defs"][definition(row)] = component_schema(row);
  }
  return schema;
}

std::vector<CompletionWord> completion_words() {
  std::vector<CompletionWord> words;
  collect_words("", "config", 0, words);
  return words;
}

}  // namespace terrane
