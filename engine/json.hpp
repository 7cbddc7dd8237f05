// SPDX-License-Identifier: MIT
// JSON text to a tree that remembers where every key and value stands, for messages that name file, line and column.
// Dialect: RFC 8259 plus comments and a UTF-8 byte order mark; duplicate keys, trailing commas and NaN are errors.
// Lines and columns count from 1; a column is a code point, not a byte. Errors: JsonError with the place and a remedy.
#pragma once

#include <initializer_list>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace terrane {

// A file, a text or one --set option.
struct JsonSource {
  std::string name;       // as shown in messages: "fwi.json" or "--set #2"
  std::string directory;  // relative paths inside are relative to this
  int rank = 0;           // 0: the config itself, below 0: its parents, above 0: --set; the higher one wins
  bool option = false;    // --set: has no line
};

struct JsonPlace {
  std::shared_ptr<const JsonSource> source;
  int line = 0, column = 0;
  std::string text() const;  // "fwi.json:3:44" or "--set #2"
};

struct JsonMember;

struct JsonNode {
  nlohmann::ordered_json value;     // scalars; an empty object or array marks the other two kinds
  std::vector<JsonMember> members;  // of an object, in the order of the text
  std::vector<JsonNode> items;      // of an array
  JsonPlace place;

  bool is_object() const { return value.is_object(); }
  bool is_array() const { return value.is_array(); }
  bool is_number() const { return value.is_number(); }
  bool is_string() const { return value.is_string(); }
  const JsonMember* find(const std::string& key) const;
  JsonMember* find(const std::string& key);
  nlohmann::ordered_json plain() const;  // without places
  // "a string", "an object", ...: for messages.
  std::string kind() const;
};

struct JsonMember {
  std::string key;
  JsonPlace key_place;
  JsonNode node;
};

struct JsonError {
  JsonPlace place;
  std::string pointer;
  std::string message;
};

// Throws JsonError. `text` is UTF-8.
JsonNode parse_json(const std::string& text, const std::shared_ptr<const JsonSource>& source);

// RFC 7396: objects merge, arrays and scalars replace, null deletes. Every value keeps its own place.
void merge_json(JsonNode& target, const JsonNode& patch);
// Members that are null mean "absent".
void drop_nulls(JsonNode& node);

// Applies "a.b=3" or "/a/b=3"; list items by number, the next free number appends. Throws JsonError.
void apply_set(JsonNode& root, const std::string& option, int number);

// Replaces ${VAR} and ${VAR:-default} in all strings; unset variables are added to `errors`.
void expand_variables(JsonNode& node, const std::string& pointer, std::vector<JsonError>& errors);

// The value at a path of keys; null when it is missing.
nlohmann::ordered_json value_at(const nlohmann::ordered_json& object, std::initializer_list<const char*> path);
// Does a patch change keys of an object (true), or take its place, as that of another "type" does?
bool merges_into(const nlohmann::ordered_json& target, const nlohmann::ordered_json& patch);
// A number that does not exist is null, never NaN.
nlohmann::ordered_json number_or_null(double x);

// Adds one reference token, escaped by RFC 6901.
std::string pointer_join(const std::string& pointer, const std::string& token);

}  // namespace terrane
