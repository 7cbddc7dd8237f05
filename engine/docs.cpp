// SPDX-License-Identifier: MIT
// The registry as text: for a terminal, as Markdown, and as comments in a template.
#include <algorithm>

#include "engine/config.hpp"
#include "engine/io/text.hpp"
#include "engine/json_value.hpp"
#include "engine/registry.hpp"
#include "engine/schema.hpp"

namespace terrane {
namespace {

std::string trimmed_number(double value) {
  std::string text = Json(value).dump();
  if (text.size() > 2 && text.compare(text.size() - 2, 2, ".0") == 0) text.resize(text.size() - 2);
  return text;
}

std::string range_of(const Key& key) {
  std::string text;
  if (key.min != -kNoLimit) text = (key.min_open ? "> " : ">= ") + trimmed_number(key.min);
  if (key.max != kNoLimit)
    text += (text.empty() ? "" : ", ") + std::string(key.max_open ? "< " : "<= ") + trimmed_number(key.max);
  return text;
}

std::vector<std::string> type_names(std::string_view slot) {
  std::vector<std::string> names;
  for (const Component* row : components_of(slot)) names.emplace_back(row->type);
  return names;
}

// "number > 0", "one of none, survey, trace", "field: grid, mlp, ...".
std::string form_of(const Key& key) {
  const std::string words = join_words(split_words(key.words));
  const std::string also = words.empty() ? "" : " or " + words;
  const std::string range = range_of(key).empty() ? "" : " " + range_of(key);
  switch (key.kind) {
    case KeyKind::number:
      return "number" + range + also;
    case KeyKind::integer:
      return key.allowed.empty() ? "integer" + range + also : "one of " + join_words(split_words(key.allowed));
    case KeyKind::seed:
      return "64-bit integer";
    case KeyKind::boolean:
      return "true or false";
    case KeyKind::string:
      return "string";
    case KeyKind::names:
      return "name or list of names";
    case KeyKind::path:
      return "path";
    case KeyKind::choice:
      return words.find(',') == std::string::npos ? words : "one of " + words;
    case KeyKind::numbers:
      return "list of numbers" + range;
    case KeyKind::integers:
      return "list of integers" + range;
    case KeyKind::span:
      return "number or [first, last]";
    case KeyKind::axis:
      return "number or list";
    case KeyKind::edges:
      return "integer" + range + ", or per edge {top, bottom, left, right, front, back}";
    case KeyKind::component:
      return is_typed(key.slot) ? std::string(key.slot) + ": " + join_words(type_names(key.slot)) + also : "object";
    case KeyKind::component_list:
      return is_typed(key.slot) ? "list of " + std::string(key.slot) + ": " + join_words(type_names(key.slot))
                                : "list of objects";
    case KeyKind::pairs:
      return "list of [integer, integer]";
    case KeyKind::quads:
      return "list of [integer, integer, integer, integer]";
    case KeyKind::groups:
      return "object, {\"lr\": number} per group";
    case KeyKind::free:
      return "any object";
  }
  return {};
}

std::string default_of(const Key& key) {
  if (key.required()) return "required";
  if (key.fallback[0] == '=') return "as " + std::string(key.fallback.substr(1));
  return key.fallback == "null" ? "none" : std::string(key.fallback);
}

std::string shown_name(const Key& key) { return join_words(key.names(), " or "); }

std::string component_text(const Component& row) {
  std::string text = row.type.empty() ? std::string(row.help) + "\n"
                                      : "\"type\": \"" + std::string(row.type) + "\"  " + std::string(row.help) + "\n";
  std::size_t width = 0;
  for (const Key& key : row.keys) width = std::max(width, shown_name(key).size());
  for (const Key& key : row.keys) {
    const std::string name = shown_name(key);
    text += "  " + name + std::string(width - name.size() + 2, ' ') + form_of(key) + "; default: " + default_of(key) +
            "\n" + std::string(width + 4, ' ') + std::string(key.help) +
            (key.example.empty() ? "" : ", e.g. " + std::string(key.example)) + "\n";
  }
  return text;
}

std::string escaped(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.insert(at, "\\");
  return text;
}

// "; also `value_s_per_m`".
std::string also_of(const Key& key) {
  std::string text;
  for (const Quantity q : key.also) text += "; also `" + std::string(key.name) + std::string(suffix_of(q)) + "`";
  return text;
}

std::string component_markdown(const Component& row) {
  std::string text =
      row.type.empty() ? std::string() : "### `" + std::string(row.slot) + "`: `" + std::string(row.type) + "`\n\n";
  std::string help(row.help);
  help[0] = static_cast<char>(help[0] >= 'a' && help[0] <= 'z' && help[1] != ' ' ? help[0] - 'a' + 'A' : help[0]);
  text += escaped(help) + ".\n\n";
  if (row.keys.empty()) return text;
  text += "| key | form | default | meaning |\n|---|---|---|---|\n";
  for (const Key& key : row.keys) {
    text += "| `" + key.resolved_name() + "` | " + escaped(form_of(key)) + " | " +
            (key.required() ? "required" : "`" + escaped(default_of(key)) + "`") + " | " +
            escaped(std::string(key.help)) + also_of(key) +
            (key.example.empty() ? "" : ", e.g. `" + escaped(std::string(key.example)) + "`") + " |\n";
  }
  return text + "\n";
}

// --- templates -------------------------------------------------------------------------------------------------------

class Annotator {
 public:
  std::string text;

  void object(const Json& json, const Component& row, const std::string& indent) {
    text += "{\n";
    const std::string inner = indent + "  ";
    std::size_t left = 0;  // members that will be written for real: the last one takes no comma
    for (const auto& [name, value] : json.items()) left += value.is_null() ? 0U : 1U;
    if (json.contains("type")) {
      --left;
      line(inner, "\"type\": " + json.at("type").dump() + (left > 0 ? "," : ""),
           std::string(row.help) + alternatives(row));
    }
    for (const Key& key : row.keys) {
      std::string name;
      for (const std::string& spelling : key.names()) {
        if (json.contains(spelling)) name = spelling;
      }
      if (name.empty()) continue;
      const Json& value = json.at(name);
      const std::string head = "\"" + name + "\": ";
      if (value.is_null()) {
        const std::string example = key.example.empty() ? "null" : std::string(key.example);
        line(inner, "// " + head + example + ",", std::string(key.help));
        continue;
      }
      const std::string comma = --left > 0 ? "," : "";
      if (key.kind == KeyKind::component && value.is_object()) {
        component(value, key, inner, head, comma);
      } else if (key.kind == KeyKind::component_list && !value.empty()) {
        list(value, key, inner, head, comma);
      } else {
        line(inner, head + inline_json(value) + comma, help(key));
      }
    }
    text += indent + "}";
  }

 private:
  void line(const std::string& indent, const std::string& content, const std::string& comment) {
    std::string out = indent + content;
    if (!comment.empty()) out += std::string(out.size() < 46 ? 46 - out.size() : 2, ' ') + "// " + comment;
    text += out + "\n";
  }
  static std::string alternatives(const Component& row) {
    const std::vector<std::string> names = type_names(row.slot);
    return names.size() < 2 ? "" : "  (" + join_words(names, " | ") + ")";
  }
  static std::string help(const Key& key) {
    const std::string words = key.kind == KeyKind::choice && split_words(key.words).size() > 1
                                  ? "  (" + join_words(split_words(key.words), " | ") + ")"
                                  : "";
    return std::string(key.help) + words;
  }
  static std::string inline_json(const Json& value) {
    if (!value.is_structured()) return value.dump();
    std::string out;
    for (const auto& [name, item] : value.items()) {
      out += (out.empty() ? "" : ", ") + (value.is_object() ? Json(name).dump() + ": " : std::string()) +
             inline_json(item);
    }
    return value.is_object() ? "{" + out + "}" : "[" + out + "]";
  }
  void component(const Json& value, const Key& key, const std::string& indent, const std::string& head,
                 const std::string& comma) {
    const std::string type = value.contains("type") ? value.at("type").get<std::string>() : "";
    line(indent, "// " + std::string(key.help), "");
    text += indent + head;
    object(value, *find_component(key.slot, type), indent);
    text += comma + "\n";
  }
  void list(const Json& value, const Key& key, const std::string& indent, const std::string& head,
            const std::string& comma) {
    line(indent, "// " + std::string(key.help), "");
    text += indent + head + "[";
    for (std::size_t i = 0; i < value.size(); ++i) {
      const std::string type = value[i].contains("type") ? value[i].at("type").get<std::string>() : "";
      if (i > 0) text += ", ";
      object(value[i], *find_component(key.slot, type), indent);
    }
    text += "]" + comma + "\n";
  }
};

std::vector<const Component*> rows_at(const std::string& pointer) {
  std::vector<const Component*> rows = components_of("config");
  std::string token;
  for (std::size_t i = pointer.rfind('/', 0) == 0 ? 1 : 0; i <= pointer.size(); ++i) {
    if (i < pointer.size() && pointer[i] != '/') {
      token += pointer[i];
      continue;
    }
    if (token.empty()) continue;
    std::vector<const Component*> next;
    std::vector<std::string> names;
    for (const Component* row : rows) {
      if (row->type == token) next.push_back(row);
      names.emplace_back(row->type);
      for (const Key& key : row->keys) {
        names.emplace_back(key.name);
        if (key.name != token && key.resolved_name() != token) continue;
        if (next.empty()) next = key.slot.empty() ? std::vector<const Component*>{row} : components_of(key.slot);
      }
    }
    const bool number = std::all_of(token.begin(), token.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (next.empty() && !number) {
      const std::string near = nearest(token, names);
      throw Error(ErrorCode::config,
                  "schema: no section \"" + token + "\" in \"" + pointer + "\"" +
                      (near.empty() ? "; `terrane schema /` lists the sections" : "; did you mean \"" + near + "\"?"));
    }
    if (!next.empty()) rows = next;
    token.clear();
  }
  return rows;
}

}  // namespace

std::string schema_text(const std::string& pointer) {
  std::string text;
  for (const Component* row : rows_at(pointer)) text += (text.empty() ? "" : "\n") + component_text(*row);
  return text;
}

std::string reference_page() {
  std::string text =
      "# Configuration reference\n\n"
      "Written by `terrane schema --docs`; do not edit. A config is one JSON object; `//` and `/* */` comments are "
      "allowed. "
      "Units stand in the key, in SI: `\"dx_m\": 10` and `\"dx\": {\"value\": 0.01, \"unit\": \"km\"}` are the same. "
      "`\"parent\": \"base.json\"` takes over what the config does not say; `null` means absent. "
      "A component is chosen by its `\"type\"`; the type name alone stands for its defaults.\n\n"
      "| task | does | required sections | optional sections |\n|---|---|---|---|\n";
  for (const Task& task : tasks()) {
    text += "| `" + std::string(task.name) + "` | " + std::string(task.help) + " | `" + std::string(task.required) +
            "` | `" + std::string(task.optional) + "` |\n";
  }
  text += "\nCommon to all tasks: `" + std::string(common_keys()) + " parent $schema`.\n\n";
  std::string_view slot;
  for (const Component& row : components()) {
    if (row.slot != slot) text += "## " + std::string(row.slot) + "\n\n";
    slot = row.slot;
    text += component_markdown(row);
  }
  text += "## Units\n\n| quantity | suffix | units of the long form |\n|---|---|---|\n";
  for (int q = 1; q <= static_cast<int>(Quantity::decibel); ++q) {
    const auto quantity = static_cast<Quantity>(q);
    text += "| " + std::string(name_of(quantity)) + " | `" + std::string(suffix_of(quantity)) + "` | `" +
            units_of(quantity) + "` |\n";
  }
  return text;
}

std::string annotated(const Config& config, const std::string& headline) {
  Annotator annotator;
  annotator.object(config.json(), *find_component("config", ""), "");
  return "// " + headline + "\n" + annotator.text + "\n";
}

}  // namespace terrane
