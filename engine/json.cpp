// SPDX-License-Identifier: MIT
#include "engine/json.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <set>

#include "engine/json_value.hpp"

namespace terrane {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Line and column of a byte offset.
JsonPlace place_at(const std::string& text, std::size_t offset, const std::shared_ptr<const JsonSource>& source) {
  JsonPlace place{source, 1, 1};
  for (std::size_t i = 0; i < std::min(offset, text.size()); ++i) {
    if (text[i] == '\n') {
      ++place.line;
      place.column = 1;
    } else if ((static_cast<unsigned char>(text[i]) & 0xC0U) != 0x80U) {
      ++place.column;
    }
  }
  return place;
}

// One token of the text. The handler below receives exactly one event for each token that is a value or a key, in
// order, so that the i-th event stands at the i-th start.
struct Token {
  std::size_t offset;
  char first;
};

std::size_t skip_string(const std::string& text, std::size_t i) {
  for (++i; i < text.size() && text[i] != '"' && text[i] != '\n'; ++i) {
    if (text[i] == '\\') ++i;
  }
  return i + 1;
}

std::size_t skip_comment(const std::string& text, std::size_t i) {
  if (i + 1 < text.size() && text[i + 1] == '*') {
    const std::size_t end = text.find("*/", i + 2);
    return end == std::string::npos ? text.size() : end + 2;
  }
  const std::size_t end = text.find('\n', i);
  return end == std::string::npos ? text.size() : end;
}

std::vector<Token> tokens_of(const std::string& text) {
  std::vector<Token> tokens;
  const std::string punctuation = "{}[],:";
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (is_space(c)) {
      ++i;
    } else if (c == '/') {
      i = skip_comment(text, i);
    } else {
      tokens.push_back({i, c});
      if (c == '"') {
        i = skip_string(text, i);
      } else if (punctuation.find(c) != std::string::npos) {
        ++i;
      } else {
        while (i < text.size() && !is_space(text[i]) && text[i] != '/' && text[i] != '"' &&
               punctuation.find(text[i]) == std::string::npos) {
          ++i;
        }
      }
    }
  }
  return tokens;
}

// Builds the tree and stops at the first duplicate key or syntax error.
class TreeHandler : public nlohmann::json_sax<Json> {
 public:
  TreeHandler(const std::vector<Token>& tokens, const std::string& text, std::shared_ptr<const JsonSource> source)
      : text_(text), source_(std::move(source)) {
    for (const Token& token : tokens) {
      if (std::string("}],:").find(token.first) == std::string::npos) starts_.push_back(token.offset);
    }
  }

  bool null() override { return scalar(nullptr); }
  bool boolean(bool value) override { return scalar(value); }
  bool number_integer(number_integer_t value) override { return scalar(value); }
  bool number_unsigned(number_unsigned_t value) override { return scalar(value); }
  bool number_float(number_float_t value, const string_t& /*text*/) override { return scalar(value); }
  bool string(string_t& value) override { return scalar(value); }
  bool binary(binary_t& /*value*/) override { return false; }
  bool start_object(std::size_t /*size*/) override { return open(Json::object()); }
  bool start_array(std::size_t /*size*/) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    JsonNode& object = *stack_.back();
    const JsonPlace place = next_place();
    if (const JsonMember* first = object.find(name)) {
      error_ = JsonError{place, pointer_join(pointer(), name),
                         "duplicate key; it already stands at " + first->key_place.text() + ": delete one of them"};
      return false;
    }
    object.members.push_back({name, place, {}});
    return true;
  }

  bool parse_error(std::size_t position, const std::string& /*token*/, const nlohmann::detail::exception& ex) override {
    error_offset_ = position == 0 ? 0 : position - 1;
    reason_ = ex.what();
    return false;
  }

  JsonNode root;
  const std::optional<JsonError>& error() const { return error_; }
  std::size_t error_offset() const { return error_offset_; }
  const std::string& reason() const { return reason_; }

 private:
  JsonPlace next_place() {
    const std::size_t offset = next_ < starts_.size() ? starts_[next_++] : text_.size();
    return place_at(text_, offset, source_);
  }
  JsonNode* slot() {
    if (stack_.empty()) return &root;
    JsonNode& parent = *stack_.back();
    if (parent.is_object()) return &parent.members.back().node;
    parent.items.emplace_back();
    return &parent.items.back();
  }
  bool scalar(Json value) {
    JsonNode* node = slot();
    node->value = std::move(value);
    node->place = next_place();
    return true;
  }
  bool open(Json empty) {
    JsonNode* node = slot();
    node->value = std::move(empty);
    node->place = next_place();
    stack_.push_back(node);
    return true;
  }
  bool close() {
    stack_.pop_back();
    return true;
  }
  std::string pointer() const {
    std::string path;
    for (std::size_t i = 0; i + 1 < stack_.size(); ++i) {
      const JsonNode& node = *stack_[i];
      path = pointer_join(path, node.is_object() ? node.members.back().key : std::to_string(node.items.size() - 1));
    }
    return path;
  }

  const std::string& text_;
  std::shared_ptr<const JsonSource> source_;
  std::vector<std::size_t> starts_;
  std::size_t next_ = 0;
  // Pointers into vectors stay valid: only the last element of each open container can grow.
  std::vector<JsonNode*> stack_;
  std::optional<JsonError> error_;
  std::size_t error_offset_ = 0;
  std::string reason_;
};

std::string word_at(const std::string& text, std::size_t offset) {
  std::size_t end = offset;
  while (end < text.size() && !is_space(text[end]) && std::string(",:]}[{\"").find(text[end]) == std::string::npos)
    ++end;
  return text.substr(offset, std::min<std::size_t>(end - offset, 24));
}

// What went wrong, in words; returns the offset to cite.
std::size_t explain(const std::string& text, const std::vector<Token>& tokens, std::size_t offset,
                    const std::string& reason, std::string& message) {
  if (reason.find("missing closing */") != std::string::npos || reason.find("invalid comment") != std::string::npos) {
    // The reader fails at the end of the text; the opening is what has to be mended.
    std::size_t open = 0;
    for (std::size_t i = 0; i < text.size();) {
      if (text[i] == '"') {
        i = skip_string(text, i);
      } else if (text[i] == '/') {
        open = i;
        i = std::max(skip_comment(text, i), i + 1);
      } else {
        ++i;
      }
    }
    message = reason.find("missing") != std::string::npos ? "comment is never closed: add */"
                                                          : "a comment starts with // or /*";
    return open;
  }
  // The token that the reader stumbled over, and the one before it.
  std::size_t at = tokens.size();
  for (std::size_t i = 0; i < tokens.size() && tokens[i].offset <= offset; ++i) at = i;
  if (at == tokens.size()) {
    message = "the text is empty: a config is one object, { ... }";
    return 0;
  }
  const Token token = tokens[at];
  const char before = at > 0 ? tokens[at - 1].first : ' ';
  if (reason.find("UTF-8") != std::string::npos) {
    message = "not valid UTF-8: save the file as UTF-8";
    return offset;
  }
  if (offset >= text.size() || reason.find("unexpected end of input") != std::string::npos) {
    message = "the text ends too early: a bracket, brace or quote is not closed";
    return text.size();
  }
  if ((token.first == '}' || token.first == ']') && before == ',') {
    message = std::string("trailing comma before '") + token.first + "': delete it";
    return tokens[at - 1].offset;
  }
  const std::string word = word_at(text, token.offset);
  if (token.first == '"' && (reason.find("control character") != std::string::npos ||
                             reason.find("missing closing quote") != std::string::npos)) {
    message = "a string is not closed on its line, or holds a control character (write \\n, \\t)";
    return token.offset;
  }
  if (token.first == '"' && reason.find("invalid string") != std::string::npos) {
    message = "invalid escape in a string: write \\\\ for a backslash";
    return token.offset;
  }
  std::string lower = word;
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  if (lower.find("nan") != std::string::npos || lower.find("inf") != std::string::npos) {
    message = word + " is not a number that a config may hold: write a finite number or null";
  } else if (lower == "true" || lower == "false" || lower == "none" || lower == "null") {
    message = word == lower && before != ':' ? "a comma or colon is missing before " + word
                                             : word + " is not JSON: write " + (lower == "none" ? "null" : lower);
  } else if (token.first == '\'') {
    message = "strings and keys take double quotes";
  } else if (token.first == '#') {
    message = "comments start with //";
  } else if (reason.find("expected ','") != std::string::npos || reason.find("expected '}'") != std::string::npos ||
             reason.find("expected ']'") != std::string::npos) {
    message = "a comma is missing before " +
              (token.first == '"' ? text.substr(token.offset, skip_string(text, token.offset) - token.offset)
               : word.empty()     ? std::string(1, token.first)
                                  : word);
  } else if (reason.find("expected ':'") != std::string::npos) {
    message = "a colon is missing after the key";
  } else if (reason.find("expected string literal") != std::string::npos && !word.empty()) {
    message = "a key takes double quotes: \"" + word + "\"";
  } else if (reason.find("expected end of input") != std::string::npos) {
    message = "text after the end of the config: one object, { ... }, is all a file may hold";
  } else {
    message = "\"" + (word.empty() ? std::string(1, token.first) : word) + "\" is not JSON here";
  }
  return token.offset;
}

std::vector<std::string> split_path(const std::string& path) {
  std::vector<std::string> parts;
  const bool pointer = !path.empty() && path[0] == '/';
  const char separator = pointer ? '/' : '.';
  std::string part;
  for (std::size_t i = pointer ? 1 : 0; i <= path.size(); ++i) {
    if (i == path.size() || path[i] == separator) {
      parts.push_back(part);
      part.clear();
    } else if (pointer && path[i] == '~' && i + 1 < path.size()) {
      part += path[++i] == '1' ? '/' : '~';
    } else {
      part += path[i];
    }
  }
  return parts;
}

bool is_index(const std::string& token) {
  return !token.empty() && token.size() < 9 &&
         std::all_of(token.begin(), token.end(), [](char c) { return c >= '0' && c <= '9'; });
}

void place_all(JsonNode& node, const JsonPlace& place) {
  node.place = place;
  for (JsonMember& member : node.members) {
    member.key_place = place;
    place_all(member.node, place);
  }
  for (JsonNode& item : node.items) place_all(item, place);
}

// The child that `token` names, made if it can be made.
JsonNode& step_into(JsonNode& node, const std::string& token, const std::string& next, const JsonPlace& place,
                    const std::string& pointer) {
  JsonNode fresh;
  fresh.place = place;
  fresh.value = is_index(next) ? Json::array() : Json::object();
  if (node.is_array()) {
    if (!is_index(token) || std::stoul(token) > node.items.size()) {
      throw JsonError{place, pointer,
                      "\"" + token + "\" is no item of this list of " + std::to_string(node.items.size()) +
                          " (items count from 0)"};
    }
    if (std::stoul(token) == node.items.size()) node.items.push_back(fresh);
    return node.items[std::stoul(token)];
  }
  if (!node.is_object()) throw JsonError{place, pointer, "is " + node.kind() + " and has no member \"" + token + "\""};
  if (JsonMember* member = node.find(token)) {
    if (member->node.value.is_null()) member->node = fresh;
    return member->node;
  }
  node.members.push_back({token, place, fresh});
  return node.members.back().node;
}

}  // namespace

std::string JsonPlace::text() const {
  if (!source) return {};
  if (source->option || line == 0) return source->name;
  return source->name + ":" + std::to_string(line) + ":" + std::to_string(column);
}

const JsonMember* JsonNode::find(const std::string& key) const {
  for (const JsonMember& member : members) {
    if (member.key == key) return &member;
  }
  return nullptr;
}

JsonMember* JsonNode::find(const std::string& key) {
  return const_cast<JsonMember*>(static_cast<const JsonNode*>(this)->find(key));
}

Json JsonNode::plain() const {
  Json out = value;
  for (const JsonMember& member : members) out[member.key] = member.node.plain();
  for (const JsonNode& item : items) out.push_back(item.plain());
  return out;
}

std::string JsonNode::kind() const {
  switch (value.type()) {
    case Json::value_t::object:
      return "an object";
    case Json::value_t::array:
      return "a list";
    case Json::value_t::string:
      return "a string";
    case Json::value_t::boolean:
      return "true or false";
    case Json::value_t::null:
      return "null";
    default:
      return "a number";
  }
}

nlohmann::ordered_json value_at(const nlohmann::ordered_json& object, std::initializer_list<const char*> path) {
  const nlohmann::ordered_json* v = &object;
  for (const char* key : path) {
    if (!v->is_object() || !v->contains(key)) return nullptr;
    v = &v->at(key);
  }
  return *v;
}

bool merges_into(const nlohmann::ordered_json& target, const nlohmann::ordered_json& patch) {
  if (!patch.is_object() || !target.is_object()) return false;
  return !patch.contains("type") || value_at(target, {"type"}) == patch.at("type");
}

nlohmann::ordered_json number_or_null(double x) {
  return std::isfinite(x) ? nlohmann::ordered_json(x) : nlohmann::ordered_json(nullptr);
}

std::string pointer_join(const std::string& pointer, const std::string& token) {
  std::string escaped;
  for (const char c : token) escaped += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return pointer + "/" + escaped;
}

JsonNode parse_json(const std::string& original, const std::shared_ptr<const JsonSource>& source) {
  const std::string text = original.rfind("\xEF\xBB\xBF", 0) == 0 ? original.substr(3) : original;
  const std::vector<Token> tokens = tokens_of(text);
  TreeHandler handler(tokens, text, source);
  const bool ok = Json::sax_parse(text, &handler, Json::input_format_t::json, true, true);
  if (ok) return std::move(handler.root);
  if (handler.error()) throw *handler.error();
  std::string message;
  const std::size_t offset = explain(text, tokens, handler.error_offset(), handler.reason(), message);
  throw JsonError{place_at(text, offset, source), "", message};
}

void merge_json(JsonNode& target, const JsonNode& patch) {
  if (!patch.is_object() || !target.is_object()) {
    target = patch;
    return;
  }
  target.place = patch.place;
  for (const JsonMember& member : patch.members) {
    if (JsonMember* old = target.find(member.key)) {
      if (member.node.value.is_null()) {
        target.members.erase(target.members.begin() + (old - target.members.data()));
      } else {
        old->key_place = member.key_place;
        merge_json(old->node, member.node);
      }
    } else if (!member.node.value.is_null()) {
      target.members.push_back(member);
    }
  }
}

void drop_nulls(JsonNode& node) {
  auto& members = node.members;
  members.erase(
      std::remove_if(members.begin(), members.end(), [](const JsonMember& m) { return m.node.value.is_null(); }),
      members.end());
  for (JsonMember& member : members) drop_nulls(member.node);
  for (JsonNode& item : node.items) drop_nulls(item);
}

void apply_set(JsonNode& root, const std::string& option, int number) {
  auto source = std::make_shared<JsonSource>();
  source->name = "--set #" + std::to_string(number);
  source->directory = std::filesystem::current_path().string();
  source->rank = number;
  source->option = true;
  const JsonPlace place{source, 0, 0};
  const std::size_t equals = option.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw JsonError{place, "", "\"" + option + "\" has no value: write --set a.b=3"};
  }
  const std::vector<std::string> path = split_path(option.substr(0, equals));
  const std::string text = option.substr(equals + 1);
  JsonNode value;
  try {
    value = parse_json(text, source);
  } catch (const JsonError&) {
    // What looks like a list or an object was meant as JSON; anything else is a plain word.
    if (!text.empty() && (text[0] == '{' || text[0] == '[' || text[0] == '"')) {
      throw JsonError{place, "", "the value " + text + " is not valid JSON (quote it for the shell)"};
    }
    value.value = text;
  }
  place_all(value, place);

  JsonNode* node = &root;
  std::string pointer;
  for (std::size_t i = 0; i + 1 < path.size(); ++i) {
    node = &step_into(*node, path[i], path[i + 1], place, pointer);
    pointer = pointer_join(pointer, path[i]);
  }
  const std::string& last = path.back();
  if (last.empty()) throw JsonError{place, pointer, "the path \"" + option.substr(0, equals) + "\" has an empty part"};
  if (value.value.is_null() && node->is_array() && is_index(last) && std::stoul(last) < node->items.size()) {
    node->items.erase(node->items.begin() + static_cast<std::ptrdiff_t>(std::stoul(last)));
  } else if (value.value.is_null() && node->is_object()) {
    auto& members = node->members;
    members.erase(std::remove_if(members.begin(), members.end(), [&](const JsonMember& m) { return m.key == last; }),
                  members.end());
  } else {
    step_into(*node, last, "", place, pointer) = value;
    if (JsonMember* member = node->find(last)) member->key_place = place;
  }
}

void expand_variables(JsonNode& node, const std::string& pointer, std::vector<JsonError>& errors) {
  for (JsonMember& member : node.members) expand_variables(member.node, pointer_join(pointer, member.key), errors);
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    expand_variables(node.items[i], pointer_join(pointer, std::to_string(i)), errors);
  }
  if (!node.is_string()) return;
  const std::string text = node.value.get<std::string>();
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t end = text.compare(i, 2, "${") == 0 ? text.find('}', i) : std::string::npos;
    if (end == std::string::npos) {
      out += text[i++];
      continue;
    }
    const std::string inside = text.substr(i + 2, end - i - 2);
    const std::size_t dash = inside.find(":-");
    const std::string name = inside.substr(0, dash);
    const char* value = std::getenv(name.c_str());
    if (value != nullptr && (*value != '\0' || dash == std::string::npos)) {
      out += value;
    } else if (dash != std::string::npos) {
      out += inside.substr(dash + 2);
    } else {
      errors.push_back({node.place, pointer,
                        "the environment variable " + name + " is not set: set it or write ${" + name + ":-default}"});
    }
    i = end + 1;
  }
  node.value = out;
}

}  // namespace terrane
