// SPDX-License-Identifier: MIT
#include "engine/config.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <tuple>

#include "engine/io/sha256.hpp"
#include "engine/json.hpp"
#include "engine/resolve.hpp"

namespace terrane {
namespace {

namespace fs = std::filesystem;

std::string joined(const std::vector<ConfigIssue>& issues) {
  std::string text;
  for (const ConfigIssue& issue : issues) text += (text.empty() ? "" : "\n") + issue.line();
  return text;
}

// Order of reading: the config, its parents, the options.
int reading_order(int rank) { return rank <= 0 ? -rank : 1000000 + rank; }

std::vector<ConfigIssue> sorted(std::vector<JsonError> errors, const std::string& fallback_place) {
  const auto position = [](const JsonError& e) {
    const int rank = e.place.source ? reading_order(e.place.source->rank) : 0;
    return std::make_tuple(rank, e.place.line, e.place.column);
  };
  std::stable_sort(errors.begin(), errors.end(),
                   [&](const JsonError& a, const JsonError& b) { return position(a) < position(b); });
  std::vector<ConfigIssue> issues;
  for (const JsonError& e : errors) {
    const std::string place = e.place.text();
    issues.push_back({place.empty() ? fallback_place : place, e.pointer, e.message});
  }
  return issues;
}

[[noreturn]] void fail(const JsonError& error, const std::string& origin) {
  throw ConfigErrors(sorted({error}, origin));
}

std::string read_text(const std::string& file, const JsonPlace& place, const std::string& pointer) {
  std::error_code error;
  const JsonError unreadable{place, pointer,
                             fs::is_directory(file, error) ? file + " is a directory: name the config inside it"
                             : !fs::exists(file, error)
                                 ? "no such file: " + fs::absolute(file, error).lexically_normal().string()
                                 : file + " cannot be read: check its permissions"};
  if (fs::is_directory(file, error)) fail(unreadable, file);
  std::ifstream in(file, std::ios::binary);
  if (!in) fail(unreadable, file);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The text and its chain of parents, merged. `chain`: files being read, to find cycles.
JsonNode read_tree(const std::string& text, const std::string& name, const fs::path& file,
                   std::vector<fs::path> chain) {
  auto source = std::make_shared<JsonSource>();
  source->name = name;
  source->directory = file.parent_path().string();
  source->rank = -static_cast<int>(chain.size());
  chain.push_back(file);
  JsonNode node = parse_json(text, source);
  node.members.erase(std::remove_if(node.members.begin(), node.members.end(),
                                    [](const JsonMember& member) { return member.key == "$schema"; }),
                     node.members.end());
  const auto parent = std::find_if(node.members.begin(), node.members.end(),
                                   [](const JsonMember& member) { return member.key == "parent"; });
  if (parent == node.members.end()) return node;

  std::vector<JsonError> unset;
  expand_variables(parent->node, "/parent", unset);
  if (!unset.empty()) throw unset[0];
  const JsonPlace place = parent->node.place;
  if (parent->node.value.is_null()) {
    node.members.erase(parent);
    return node;
  }
  if (!parent->node.is_string())
    throw JsonError{place, "/parent", "must be the path of a config, not " + parent->node.kind()};
  const fs::path written = parent->node.value.get<std::string>();
  node.members.erase(parent);
  const fs::path target = (file.parent_path() / written).lexically_normal();
  if (std::find(chain.begin(), chain.end(), target) != chain.end()) {
    throw JsonError{place, "/parent",
                    "\"" + written.string() + "\" leads back to itself: a config cannot be its own parent"};
  }
  const std::string shown =
      written.is_absolute() ? written.string() : (fs::path(name).parent_path() / written).lexically_normal().string();
  std::error_code error;
  if (!fs::is_regular_file(target, error)) {
    throw JsonError{place, "/parent", "no such file: " + target.string() + " (relative to this config)"};
  }
  JsonNode base = read_tree(read_text(target.string(), place, "/parent"), shown, target, chain);
  if (!base.is_object() || !node.is_object()) throw JsonError{place, "/parent", "a config is one object, { ... }"};
  merge_json(base, node);
  return base;
}

}  // namespace

struct Config::Content {
  nlohmann::ordered_json json;
  std::map<std::string, JsonPlace> places;
  std::vector<std::string> unused, notes;
  std::vector<ConfigInput> inputs;
  std::string origin;
};

std::string ConfigIssue::line() const { return place + ": " + (pointer.empty() ? "" : pointer + ": ") + message; }

ConfigErrors::ConfigErrors(std::vector<ConfigIssue> issues)
    : Error(ErrorCode::config, joined(issues)), issues_(std::move(issues)) {}

Config Config::load(const std::string& file, const std::vector<std::string>& sets) {
  return parse(read_text(file, {}, ""), file, sets);
}

Config Config::parse(const std::string& text, const std::string& origin, const std::vector<std::string>& sets) {
  auto content = std::make_shared<Content>();
  content->origin = origin;
  Resolver resolver(origin);
  try {
    JsonNode root = read_tree(text, origin, fs::absolute(origin).lexically_normal(), {});
    for (std::size_t i = 0; i < sets.size(); ++i) apply_set(root, sets[i], static_cast<int>(i) + 1);
    content->json = resolver.resolve(root);
  } catch (const JsonError& error) {
    fail(error, origin);
  }
  if (resolver.issues().empty()) derive(content->json, resolver);
  if (!resolver.issues().empty()) throw ConfigErrors(sorted(resolver.issues(), origin));
  content->places = resolver.places();
  content->unused = resolver.unused();
  content->notes = resolver.notes();
  content->inputs = resolver.inputs();
  Config config;
  config.content_ = std::move(content);
  return config;
}

const nlohmann::ordered_json& Config::json() const { return content_->json; }
const std::vector<std::string>& Config::unused() const { return content_->unused; }
const std::vector<std::string>& Config::notes() const { return content_->notes; }
const std::vector<ConfigInput>& Config::inputs() const { return content_->inputs; }
std::string Config::sha256() const { return sha256_hex(content_->json.dump()); }

std::string Config::place(const std::string& pointer) const {
  std::string near = pointer;
  while (true) {
    const auto found = content_->places.find(near);
    if (found != content_->places.end()) return found->second.text();
    if (near.empty() || near.rfind('/') == std::string::npos) return content_->origin;
    near.resize(near.rfind('/'));
  }
}

}  // namespace terrane
