// SPDX-License-Identifier: MIT
#include "engine/resolve.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "engine/io/text.hpp"
#include "engine/json_value.hpp"

namespace terrane {
namespace {

std::string quote(std::string_view text) { return "\"" + std::string(text) + "\""; }

std::string article(std::string_view noun) {
  return (std::string("aeiou").find(noun[0]) == std::string::npos ? "a " : "an ") + std::string(noun);
}

std::string takes(const Component& row) {
  std::vector<std::string> names;
  for (const Key& key : row.keys) {
    const std::vector<std::string> spellings = key.names();
    names.insert(names.end(), spellings.begin(), spellings.end());
  }
  std::sort(names.begin(), names.end());
  const std::string owner = row.type.empty() ? std::string(row.slot) : std::string(row.type);
  return names.empty() ? "  (" + owner + " takes no keys)" : "  (" + owner + " takes: " + join_words(names, " ") + ")";
}

// "a velocity", "a velocity or a slowness".
std::string kinds_of(const Key& key) {
  std::string text;
  for (const Quantity q : key.quantities()) text += (text.empty() ? "" : " or ") + article(name_of(q));
  return text;
}

std::vector<std::string> types_of(std::string_view slot) {
  std::vector<std::string> types;
  for (const Component* row : components_of(slot)) types.emplace_back(row->type);
  return types;
}

// "is not one of ..., did you mean", for words of any kind.
std::string not_one_of(const std::string& word, const std::vector<std::string>& words, std::string_view later) {
  if (has_word(later, word)) {
    return quote(word) + " arrives in a later version; this one has " + join_words(words);
  }
  const std::string near = nearest(word, words);
  return quote(word) + " is not one of " + join_words(words) +
         (near.empty() ? "" : "; did you mean " + quote(near) + "?");
}

}  // namespace

void Resolver::issue(const JsonPlace& place, const std::string& pointer, const std::string& message) {
  issues_.push_back({place, pointer, message});
}

void Resolver::issue_at(const std::string& pointer, const std::string& message) {
  std::string near = pointer;
  while (!near.empty() && places_.count(near) == 0) near.resize(near.rfind('/'));
  issue(places_[near], pointer, message);
}

Json Resolver::mismatch(const JsonNode& node, const std::string& wanted, const std::string& pointer) {
  std::string what = node.kind();
  if (node.is_string()) what += " (" + node.value.dump() + ")";
  issue(node.place, pointer, "must be " + wanted + ", not " + what);
  return nullptr;
}

bool Resolver::in_range(double number, const JsonNode& node, const Key& key, const std::string& pointer) {
  const bool low = key.min_open ? number > key.min : number >= key.min;
  const bool high = key.max_open ? number < key.max : number <= key.max;
  if (low && high) return true;
  std::vector<std::string> limits;
  if (key.min != -kNoLimit) limits.push_back((key.min_open ? "greater than " : "at least ") + Json(key.min).dump());
  if (key.max != kNoLimit) limits.push_back((key.max_open ? "less than " : "at most ") + Json(key.max).dump());
  for (std::string& limit : limits) {
    if (limit.size() > 2 && limit.compare(limit.size() - 2, 2, ".0") == 0) limit.resize(limit.size() - 2);
  }
  issue(node.place, pointer, node.value.dump() + " is out of range: it must be " + join_words(limits, " and "));
  return false;
}

Json Resolver::number(const JsonNode& node, const Key& key, double factor, const std::string& pointer) {
  if (node.is_string() && has_word(key.words, node.value.get<std::string>())) return node.value;
  if (!node.is_number()) {
    return mismatch(node, key.words.empty() ? "a number" : "a number or " + quote(key.words), pointer);
  }
  // Times the factor only when there is one, so that a resolved value keeps its bits.
  const double value = node.value.get<double>();
  const double si = factor == 1.0 ? value : value * factor;
  if (!std::isfinite(si)) {
    issue(node.place, pointer, "too large for a number");
    return nullptr;
  }
  return in_range(si, node, key, pointer) ? Json(si) : Json(nullptr);
}

Json Resolver::integer(const JsonNode& node, const Key& key, const std::string& pointer) {
  if (node.is_string() && has_word(key.words, node.value.get<std::string>())) return node.value;
  if (!node.is_number()) {
    return mismatch(node, key.words.empty() ? "a whole number" : "a whole number or " + quote(key.words), pointer);
  }
  const double value = node.value.get<double>();
  if (std::floor(value) != value || std::abs(value) > 9007199254740992.0) {
    issue(node.place, pointer, node.value.dump() + " is not a whole number");
    return nullptr;
  }
  const auto whole = static_cast<std::int64_t>(value);
  if (!key.allowed.empty() && !has_word(key.allowed, std::to_string(whole))) {
    issue(node.place, pointer, std::to_string(whole) + " is not one of " + join_words(split_words(key.allowed)));
    return nullptr;
  }
  return in_range(value, node, key, pointer) ? Json(whole) : Json(nullptr);
}

Json Resolver::seed(const JsonNode& node, const Key& key, const std::string& pointer) {
  (void)key;
  if (node.value.is_number_unsigned()) return node.value;
  issue(node.place, pointer,
        "a seed is a whole number from 0 to 18446744073709551615, written without point or exponent");
  return nullptr;
}

Json Resolver::list(const JsonNode& node, const Key& key, double factor, const std::string& pointer) {
  const bool whole = key.kind == KeyKind::integers;
  if (node.is_number() && key.kind == KeyKind::axis) return Json::array({number(node, key, factor, pointer)});
  if (!node.is_array()) {
    return mismatch(node, key.kind == KeyKind::axis ? "a number or a list of numbers" : "a list of numbers", pointer);
  }
  Json out = Json::array();
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    const std::string at = pointer_join(pointer, std::to_string(i));
    out.push_back(whole ? integer(node.items[i], key, at) : number(node.items[i], key, factor, at));
  }
  if (out.empty() && key.kind == KeyKind::axis)
    issue(node.place, pointer, "the list is empty: give at least one position");
  return out;
}

Json Resolver::span(const JsonNode& node, const Key& key, double factor, const std::string& pointer) {
  if (node.is_number()) {
    const Json one = number(node, key, factor, pointer);
    return Json::array({one, one});
  }
  if (!node.is_array() || node.items.size() != 2) {
    return mismatch(node, "a number or [first, last]", pointer);
  }
  Json out = Json::array();
  for (std::size_t i = 0; i < 2; ++i) {
    out.push_back(number(node.items[i], key, factor, pointer_join(pointer, std::to_string(i))));
  }
  return out;
}

Json Resolver::edges(const JsonNode& node, const Key& key, const std::string& pointer) {
  static constexpr std::string_view kEdges = "top bottom left right", kAll = "top bottom left right front back";
  Json out = Json::object();
  if (node.is_number()) {
    const Json width = integer(node, key, pointer);
    for (const std::string& edge : split_words(kEdges)) out[edge] = width;
    return out;
  }
  if (!node.is_object())
    return mismatch(node, "a number or {\"top\": , \"bottom\": , \"left\": , \"right\": }", pointer);
  for (const std::string& edge : split_words(kAll)) {
    const JsonMember* member = node.find(edge);
    const std::string at = pointer_join(pointer, edge);
    if (member != nullptr && defaulting_ == 0) places_[at] = member->node.place;
    if (member != nullptr) {
      out[edge] = integer(member->node, key, at);
    } else if (has_word(kEdges, edge)) {
      out[edge] = Json::parse(key.fallback);
    }
  }
  for (const JsonMember& member : node.members) {
    if (!has_word(kAll, member.key)) {
      issue(member.key_place, pointer_join(pointer, member.key), not_one_of(member.key, split_words(kAll), ""));
    }
  }
  return out;
}

Json Resolver::choice(const JsonNode& node, const Key& key, const std::string& pointer) {
  const std::vector<std::string> words = split_words(key.words);
  if (!node.is_string()) return mismatch(node, "one of the words " + join_words(words), pointer);
  const std::string word = node.value.get<std::string>();
  if (has_word(key.words, word)) return word;
  issue(node.place, pointer, not_one_of(word, words, key.later));
  return nullptr;
}

Json Resolver::names(const JsonNode& node, const std::string& pointer) {
  if (node.is_string()) return Json::array({node.value});
  const auto is_name = [](const JsonNode& item) { return item.is_string(); };
  if (!node.is_array() || node.items.empty() || !std::all_of(node.items.begin(), node.items.end(), is_name)) {
    return mismatch(node, "a name or a list of names", pointer);
  }
  Json out = Json::array();
  for (const JsonNode& item : node.items) out.push_back(item.value);
  return out;
}

Json Resolver::path(const JsonNode& node, const Key& key, const std::string& pointer) {
  if (!node.is_string() || node.value.get<std::string>().empty()) return mismatch(node, "the path of a file", pointer);
  namespace fs = std::filesystem;
  const fs::path written = node.value.get<std::string>();
  fs::path found = (fs::path(node.place.source->directory) / written).lexically_normal();
  std::error_code error;
  if (written.is_relative() && !fs::exists(found, error)) {
    // TERRANE_DATA says where data lie, not which: the first hit counts and is logged.
    const char* variable = std::getenv("TERRANE_DATA");
    std::string rest = variable != nullptr ? variable : "";
    while (!rest.empty()) {
      const std::size_t colon = std::min(rest.find(':'), rest.size());
      const fs::path candidate = fs::absolute(fs::path(rest.substr(0, colon)) / written).lexically_normal();
      rest.erase(0, colon + 1);
      if (colon > 0 && fs::exists(candidate, error)) {
        notes_.push_back(pointer + ": " + written.string() + " found in " + candidate.string() + " (TERRANE_DATA)");
        found = candidate;
        break;
      }
    }
  }
  const bool folder = key.words == ".";
  if (!folder && !key.words.empty() && fs::is_directory(found, error)) found /= key.words;
  inputs_.push_back({found.string(), pointer, folder});
  return found.string();
}

Json Resolver::component(const JsonNode& node, const Key& key, const std::string& pointer) {
  const bool typed = is_typed(key.slot);
  if (typed && node.is_string()) {
    const std::string word = node.value.get<std::string>();
    if (has_word(key.words, word)) return word;
    const Component* row = find_component(key.slot, word);
    if (row == nullptr) {
      std::vector<std::string> words = split_words(key.words);
      for (const std::string& type : types_of(key.slot)) words.push_back(type);
      issue(node.place, pointer, not_one_of(word, words, later_types(key.slot)));
      return nullptr;
    }
    JsonNode empty;
    empty.value = Json::object();
    empty.place = node.place;
    return object(empty, *row, pointer);
  }
  if (!node.is_object()) {
    const std::string form = typed ? "an object with a \"type\"" : "an object";
    return mismatch(node, (key.words.empty() ? "" : quote(key.words) + " or ") + form, pointer);
  }
  if (!typed) return object(node, *find_component(key.slot, ""), pointer);
  const JsonMember* type = node.find("type");
  if (type == nullptr) {
    issue(node.place, pointer, "\"type\" is missing: one of " + join_words(types_of(key.slot)));
    return nullptr;
  }
  const std::string at = pointer_join(pointer, "type");
  if (!type->node.is_string()) return mismatch(type->node, "one of the words " + join_words(types_of(key.slot)), at);
  const std::string name = type->node.value.get<std::string>();
  if (const Component* row = find_component(key.slot, name)) {
    if (defaulting_ == 0) places_[at] = type->node.place;
    return object(node, *row, pointer);
  }
  issue(type->node.place, at, not_one_of(name, types_of(key.slot), later_types(key.slot)));
  return nullptr;
}

Json Resolver::component_list(const JsonNode& node, const Key& key, const std::string& pointer) {
  if (!node.is_array()) return mismatch(node, "a list, [ ... ]", pointer);
  Json out = Json::array();
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    const std::string at = pointer_join(pointer, std::to_string(i));
    if (defaulting_ == 0) places_[at] = node.items[i].place;
    out.push_back(component(node.items[i], key, at));
  }
  return out;
}

Json Resolver::tuples(const JsonNode& node, const Key& key, std::size_t size, const std::string& pointer) {
  const std::string one = size == 2 ? "a pair of whole numbers, [0, 1]" : "four whole numbers, [0, 1, 2, 3]";
  if (!node.is_array()) return mismatch(node, "a list, each of it " + one, pointer);
  Json out = Json::array();
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    const std::string at = pointer_join(pointer, std::to_string(i));
    const JsonNode& tuple = node.items[i];
    if (!tuple.is_array() || tuple.items.size() != size) return mismatch(tuple, one, at);
    Json row = Json::array();
    for (const JsonNode& item : tuple.items) row.push_back(integer(item, key, at));
    out.push_back(row);
  }
  return out;
}

Json Resolver::groups(const JsonNode& node, const std::string& pointer) {
  if (!node.is_object()) return mismatch(node, "an object, {\"network\": {\"lr\": 1e-4}}", pointer);
  static const Component row{"group",
                             "",
                             "one parameter group",
                             {{.name = "lr", .help = "rate of the group", .min = 0, .also = {Quantity::velocity}}}};
  Json out = Json::object();
  for (const JsonMember& member : node.members) {
    const std::string at = pointer_join(pointer, member.key);
    if (defaulting_ == 0) places_[at] = member.node.place;
    out[member.key] =
        member.node.is_object() ? object(member.node, row, at) : mismatch(member.node, "{\"lr\": number}", at);
  }
  return out;
}

Json Resolver::value(const JsonNode& node, const Key& key, double factor, const std::string& pointer) {
  if (defaulting_ == 0) places_[pointer] = node.place;
  switch (key.kind) {
    case KeyKind::number:
      return number(node, key, factor, pointer);
    case KeyKind::integer:
      return integer(node, key, pointer);
    case KeyKind::seed:
      return seed(node, key, pointer);
    case KeyKind::boolean:
      return node.value.is_boolean() ? node.value : mismatch(node, "true or false", pointer);
    case KeyKind::string:
      return node.is_string() ? node.value : mismatch(node, "a string", pointer);
    case KeyKind::names:
      return names(node, pointer);
    case KeyKind::path:
      return path(node, key, pointer);
    case KeyKind::choice:
      return choice(node, key, pointer);
    case KeyKind::numbers:
    case KeyKind::integers:
    case KeyKind::axis:
      return list(node, key, factor, pointer);
    case KeyKind::span:
      return span(node, key, factor, pointer);
    case KeyKind::edges:
      return edges(node, key, pointer);
    case KeyKind::component:
      return component(node, key, pointer);
    case KeyKind::component_list:
      return component_list(node, key, pointer);
    case KeyKind::pairs:
      return tuples(node, key, 2, pointer);
    case KeyKind::quads:
      return tuples(node, key, 4, pointer);
    case KeyKind::groups:
      return groups(node, pointer);
    case KeyKind::free:
      return node.is_object() ? node.plain() : mismatch(node, "an object", pointer);
  }
  return nullptr;
}

void Resolver::with_unit(const Key& key, const std::string& pointer, Found& found) {
  const std::vector<Quantity> quantities = key.quantities();
  const JsonMember* value = found.node->find("value");
  const JsonMember* unit = found.node->find("unit");
  found.bad = true;
  if (value == nullptr || unit == nullptr || found.node->members.size() != 2 || !unit->node.is_string()) {
    issue(found.node->place, pointer,
          "a quantity with a unit has exactly \"value\" and \"unit\", e.g. {\"value\": 1, \"unit\": " +
              quote(si_unit(quantities[0])) + "}");
    return;
  }
  const std::string name = unit->node.value.get<std::string>();
  std::vector<std::string> units;
  found.factor = 0;
  for (const Quantity q : quantities) {
    units.push_back(units_of(q));
    if (found.factor != 0.0) continue;
    found.factor = unit_factor(q, name);
    if (key.quantity != Quantity::none) found.name = std::string(key.name) + std::string(suffix_of(q));
  }
  if (found.factor == 0.0) {
    issue(unit->node.place, pointer_join(pointer, "unit"),
          quote(name) + " is no unit of " + kinds_of(key) + ": write one of " + join_words(units));
    return;
  }
  found.node = &value->node;
  found.bad = false;
}

Resolver::Found Resolver::find(const JsonNode& node, const Key& key, const std::string& pointer,
                               std::set<std::string>& used) {
  const std::string plain(key.name);
  const bool suffixed = key.quantity != Quantity::none;
  const bool plain_too = std::find(key.also.begin(), key.also.end(), Quantity::none) != key.also.end();
  Found found;
  found.name = key.resolved_name();
  std::vector<std::string> spellings = {plain};
  for (const Quantity q : key.quantities()) spellings.push_back(plain + std::string(suffix_of(q)));
  for (const std::string& spelling : spellings) {
    const JsonMember* member = node.find(spelling);
    if (member == nullptr || used.count(spelling) > 0) continue;
    used.insert(spelling);
    if (found.member != nullptr) {
      // What was said later (--set over config over parent) wins; within one text it is a contradiction.
      const int rank = member->key_place.source->rank, other = found.member->key_place.source->rank;
      if (rank == other) {
        const bool bare_first = found.member->key == plain;
        const JsonMember* first = bare_first ? found.member : member;
        issue(first->key_place, pointer_join(pointer, first->key),
              "both " + quote(found.member->key) + " and " + quote(member->key) + " are given: delete one of them");
        found.bad = true;
        return found;
      }
      if (rank < other) continue;
    }
    found.member = member;
  }
  if (found.member == nullptr) return found;
  found.node = &found.member->node;
  const bool bare = found.member->key == plain;
  if ((!bare || (plain_too && !found.node->is_object())) && suffixed) found.name = found.member->key;
  if (bare && !key.quantities().empty() && found.node->is_object()) {
    with_unit(key, pointer_join(pointer, plain), found);
  } else if (bare && suffixed && !plain_too) {
    const std::string text = found.node->is_number() || found.node->is_array() ? found.node->plain().dump() : "1";
    std::string forms;
    for (const std::string& name : key.names()) forms += (forms.empty() ? "" : " or ") + quote(name) + ": " + text;
    issue(found.member->key_place, pointer_join(pointer, plain),
          kinds_of(key) + " needs its unit: write " + forms + " or " + quote(plain) + ": {\"value\": " + text +
              ", \"unit\": " + quote(si_unit(key.quantity)) + "}");
    found.bad = true;
  }
  return found;
}

Json Resolver::fallback(const Key& key, const JsonNode& parent, const Json& siblings, const Component& row,
                        const std::string& pointer) {
  if (key.fallback == "null") return nullptr;
  if (key.fallback[0] == '=') return siblings.at(row.find(key.fallback.substr(1))->resolved_name());
  ++defaulting_;
  JsonNode node = parse_json(std::string(key.fallback), parent.place.source);
  const Json out = value(node, key, 1.0, pointer);
  --defaulting_;
  return out;
}

Json Resolver::object(const JsonNode& node, const Component& row, const std::string& pointer) {
  if (defaulting_ == 0) visited_.emplace_back(pointer, &row);
  Json out = Json::object();
  std::set<std::string> used;
  if (is_typed(row.slot) && row.slot != "group") {
    out["type"] = row.type;
    used.insert("type");
  }
  std::vector<Found> found;
  for (const Key& key : row.keys) found.push_back(find(node, key, pointer, used));
  const std::set<std::string> meant = strays(node, row, pointer, used);
  for (std::size_t i = 0; i < row.keys.size(); ++i) {
    const Key& key = row.keys[i];
    const std::string& name = found[i].name;
    const std::string at = pointer_join(pointer, name);
    if (found[i].bad) {
      out[name] = nullptr;
    } else if (found[i].member != nullptr) {
      out[name] = value(*found[i].node, key, found[i].factor, at);
    } else if (!key.required()) {
      out[name] = fallback(key, node, out, row, at);
    } else {
      out[name] = nullptr;
      if (meant.count(name) > 0) continue;
      const std::string example = key.example.empty() ? "" : ", e.g. " + quote(name) + ": " + std::string(key.example);
      issue(node.place, pointer, quote(name) + " is missing (" + std::string(key.help) + ")" + example);
    }
  }
  return out;
}

std::set<std::string> Resolver::strays(const JsonNode& node, const Component& row, const std::string& pointer,
                                       const std::set<std::string>& used) {
  std::set<std::string> meant;
  std::vector<std::string> names;
  for (const Key& key : row.keys) {
    for (const std::string& name : key.names()) names.push_back(name);
  }
  for (const JsonMember& member : node.members) {
    if (used.count(member.key) > 0 || explain_suffix(member, row, pointer, meant)) continue;
    const std::string near = nearest(member.key, names);
    if (!near.empty()) meant.insert(near);
    strays_.push_back({member, pointer, &row});  // reported at the end, when all sections are known
  }
  return meant;
}

// "dx_km" for "dx_m": the key is right, the suffix is not.
bool Resolver::explain_suffix(const JsonMember& member, const Component& row, const std::string& pointer,
                              std::set<std::string>& meant) {
  static const std::map<std::string, std::string> units = {
      {"km", "km"},   {"cm", "cm"},   {"mm", "mm"},   {"ft", "ft"},     {"ms", "ms"},         {"us", "us"},
      {"min", "min"}, {"khz", "kHz"}, {"mhz", "mHz"}, {"kmps", "km/s"}, {"km_per_s", "km/s"}, {"kms", "km/s"},
      {"mb", "MB"},   {"gb", "GB"},   {"kb", "kB"},   {"tb", "TB"},     {"gib", "GiB"},       {"mib", "MiB"}};
  for (const Key& key : row.keys) {
    if (key.quantity == Quantity::none || member.key.rfind(std::string(key.name) + "_", 0) != 0) continue;
    const std::string suffix = member.key.substr(key.name.size() + 1);
    std::string lower = suffix;
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
    bool other = false;
    for (int q = 1; q <= static_cast<int>(Quantity::decibel); ++q) {
      other = other || suffix_of(static_cast<Quantity>(q)) == "_" + suffix;
    }
    const auto unit = units.find(lower);
    const double factor = unit != units.end() ? unit_factor(key.quantity, unit->second) : 0.0;
    if (!other && unit == units.end()) continue;
    std::string message = "unknown key: " + kinds_of(key) + " is written " + quote(join_words(key.names(), "\" or \""));
    if (factor > 0.0 && member.node.is_number()) {
      message += ": " + Json(member.node.value.get<double>() * factor).dump() + " or " + quote(key.name) +
                 ": {\"value\": " + member.node.value.dump() + ", \"unit\": " + quote(unit->second) + "}";
    }
    issue(member.key_place, pointer_join(pointer, member.key), message);
    meant.insert(key.resolved_name());
    return true;
  }
  return false;
}

std::string Resolver::elsewhere(const std::string& name) const {
  const auto has = [&](const Component& row) {
    return std::any_of(row.keys.begin(), row.keys.end(), [&](const Key& key) {
      const std::vector<std::string> names = key.names();
      return key.name == name || std::find(names.begin(), names.end(), name) != names.end();
    });
  };
  for (const auto& [pointer, row] : visited_) {
    if (has(*row)) return "it belongs in " + (pointer.empty() ? "the top level" : pointer);
  }
  if (has(*find_component("config", ""))) return "it belongs in the top level";
  for (const Component& row : components()) {
    if (has(row) && !row.type.empty()) return "it is a key of " + std::string(row.slot) + " " + quote(row.type);
  }
  return {};
}

void Resolver::report_strays() {
  for (const Stray& stray : strays_) {
    std::vector<std::string> names;
    for (const Key& key : stray.row->keys) {
      for (const std::string& name : key.names()) names.push_back(name);
      names.emplace_back(key.name);
    }
    const std::string near = nearest(stray.member.key, names);
    const JsonSource& source = *stray.member.key_place.source;
    std::string message = "unknown key";
    if (source.rank < 0) message += " here (inherited by " + root_name_ + " through \"parent\")";
    const std::string other = elsewhere(stray.member.key);
    if (!other.empty()) {
      message += (source.rank < 0 ? "; " : " here; ") + other;
    } else if (!near.empty()) {
      const auto key =
          std::find_if(stray.row->keys.begin(), stray.row->keys.end(), [&](const Key& k) { return k.name == near; });
      message += "; did you mean " + quote(key != stray.row->keys.end() ? key->resolved_name() : near) + "?";
    }
    if (other.empty()) message += takes(*stray.row);
    issue(stray.member.key_place, pointer_join(stray.parent, stray.member.key), message);
  }
}

// An optimizer of a stage without "type" changes single keys of the main one.
void Resolver::merge_stage_optimizers(JsonNode& root) {
  JsonMember* stages = root.find("stages");
  const JsonMember* main = root.find("optimizer");
  if (stages == nullptr || main == nullptr || !main->node.is_object()) return;
  for (JsonNode& stage : stages->node.items) {
    JsonMember* own = stage.find("optimizer");
    if (own == nullptr || !own->node.is_object()) continue;
    if (own->node.find("type") != nullptr) continue;
    JsonNode merged = main->node;
    auto& members = merged.members;
    members.erase(
        std::remove_if(members.begin(), members.end(), [](const JsonMember& m) { return m.key == "iterations"; }),
        members.end());
    merge_json(merged, own->node);
    own->node = merged;
  }
}

Json Resolver::root_sections(const JsonNode& root, const Task& task) {
  const Component& row = *find_component("config", "");
  Json out = Json::object();
  std::set<std::string> used;
  visited_.emplace_back("", &row);
  for (const std::string& name : split_words(foreign_sections())) {
    if (root.find(name) == nullptr) continue;
    used.insert(name);
    unused_.push_back(name);
  }
  for (const Key& key : row.keys) {
    const std::string name(key.name);
    const std::string at = pointer_join("", name);
    const JsonMember* member = root.find(name);
    if (member != nullptr) used.insert(name);
    const bool required = has_word(task.required, name);
    if (!required && !has_word(task.optional, name) && !has_word(common_keys(), name)) {
      if (member != nullptr) unused_.push_back(name);
    } else if (member != nullptr) {
      out[name] = value(member->node, key, 1.0, at);
    } else if (required) {
      const std::vector<std::string> types = is_typed(key.slot) ? types_of(key.slot) : std::vector<std::string>{};
      issue(root.place, "",
            "task \"" + std::string(task.name) + "\" needs the section " + quote(name) + " (" + std::string(key.help) +
                ")" + (types.empty() ? "" : ", e.g. " + quote(name) + ": {\"type\": " + quote(types[0]) + ", ...}"));
    } else {
      out[name] = fallback(key, root, out, row, at);
    }
  }
  strays(root, row, "", used);
  return out;
}

Json Resolver::resolve(JsonNode& root) {
  places_[""] = root.place;
  if (!root.is_object()) return mismatch(root, "an object, { ... }", "");
  std::vector<JsonError> unset;
  expand_variables(root, "", unset);
  issues_.insert(issues_.end(), unset.begin(), unset.end());
  // A null in "settings" deletes a key of the config that it is merged into.
  for (JsonMember& member : root.members) {
    if (member.key != "settings" && member.key != "metadata") drop_nulls(member.node);
  }
  std::erase_if(root.members, [](const JsonMember& m) { return m.node.value.is_null(); });
  merge_stage_optimizers(root);
  const Key& key = *find_component("config", "")->find("task");
  const JsonMember* member = root.find("task");
  if (member == nullptr) {
    issue(root.place, "", "\"task\" is missing: write \"task\": \"invert\" or \"task\": \"forward\"");
    return {};
  }
  const Json name = choice(member->node, key, "/task");
  if (name.is_null()) return {};
  Json out = root_sections(root, *find_task(name.get<std::string>()));
  report_strays();
  return out;
}

}  // namespace terrane
