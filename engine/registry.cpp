// SPDX-License-Identifier: MIT
#include "engine/registry.hpp"

#include <algorithm>
#include <array>

namespace terrane {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

struct QuantityRow {
  Quantity quantity;
  std::string_view name, suffix;
  std::vector<Unit> units;  // SI first
};

const std::vector<QuantityRow>& quantity_rows() {
  static const std::vector<QuantityRow> rows = {
      {Quantity::none, "number", "", {}},
      {Quantity::length, "length", "_m", {{"m", 1.0}, {"km", 1e3}, {"cm", 1e-2}, {"mm", 1e-3}, {"ft", 0.3048}}},
      {Quantity::time, "time", "_s", {{"s", 1.0}, {"ms", 1e-3}, {"us", 1e-6}, {"min", 60.0}, {"h", 3600.0}}},
      {Quantity::frequency, "frequency", "_hz", {{"Hz", 1.0}, {"kHz", 1e3}, {"mHz", 1e-3}, {"hz", 1.0}}},
      {Quantity::velocity, "velocity", "_mps", {{"m/s", 1.0}, {"km/s", 1e3}, {"ft/s", 0.3048}}},
      {Quantity::slowness, "slowness", "_s_per_m", {{"s/m", 1.0}, {"s/km", 1e-3}, {"us/m", 1e-6}, {"ms/m", 1e-3}}},
      {Quantity::resistivity, "resistivity", "_ohm_m", {{"ohm m", 1.0}, {"ohm.m", 1.0}, {"ohm*m", 1.0}}},
      {Quantity::conductivity, "conductivity", "_siemens_per_m", {{"S/m", 1.0}, {"mS/m", 1e-3}}},
      {Quantity::voltage, "voltage", "_v", {{"V", 1.0}, {"mV", 1e-3}, {"uV", 1e-6}}},
      {Quantity::current, "current", "_a", {{"A", 1.0}, {"mA", 1e-3}}},
      {Quantity::density, "density", "_kg_per_m3", {{"kg/m3", 1.0}, {"g/cm3", 1e3}}},
      {Quantity::angle, "angle", "_deg", {{"deg", 1.0}, {"rad", 57.29577951308232}}},
      {Quantity::bytes,
       "number of bytes",
       "_bytes",
       {{"B", 1.0},
        {"kB", 1e3},
        {"MB", 1e6},
        {"GB", 1e9},
        {"TB", 1e12},
        {"KiB", 1024.0},
        {"MiB", 1048576.0},
        {"GiB", 1073741824.0},
        {"TiB", 1099511627776.0}}},
      {Quantity::decibel, "level", "_db", {{"dB", 1.0}}},
  };
  return rows;
}

const QuantityRow& row_of(Quantity quantity) { return quantity_rows()[static_cast<std::size_t>(quantity)]; }

// Optimal string alignment distance.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::string_view suffix_of(Quantity quantity) { return row_of(quantity).suffix; }
std::string_view name_of(Quantity quantity) { return row_of(quantity).name; }

std::string_view si_unit(Quantity quantity) {
  const auto& units = row_of(quantity).units;
  return units.empty() ? std::string_view() : units[0].name;
}

std::string units_of(Quantity quantity) {
  std::string text;
  for (const Unit& unit : row_of(quantity).units) {
    if (unit.name == "hz") continue;  // accepted, not advertised
    text += (text.empty() ? "" : ", ") + std::string(unit.name);
  }
  return text;
}

double unit_factor(Quantity quantity, std::string_view name) {
  for (const Unit& unit : row_of(quantity).units) {
    if (unit.name == name) return unit.factor;
  }
  return 0.0;
}

std::vector<Quantity> Key::quantities() const {
  std::vector<Quantity> all;
  if (quantity != Quantity::none) all.push_back(quantity);
  all.insert(all.end(), also.begin(), also.end());
  return all;
}

std::vector<std::string> Key::names() const {
  std::vector<std::string> all = {resolved_name()};
  for (const Quantity q : also) all.push_back(std::string(name) + std::string(suffix_of(q)));
  return all;
}

const Key* Component::find(std::string_view name) const {
  for (const Key& key : keys) {
    if (key.name == name) return &key;
  }
  return nullptr;
}

const std::vector<Component>& components() {
  static const std::vector<Component> rows = [] {
    std::vector<Component> all = problem_rows();
    std::vector<Component> more = inverse_rows();
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }();
  return rows;
}

const Component* find_component(std::string_view slot, std::string_view type) {
  for (const Component& row : components()) {
    if (row.slot == slot && row.type == type) return &row;
  }
  return nullptr;
}

std::vector<const Component*> components_of(std::string_view slot) {
  std::vector<const Component*> found;
  for (const Component& row : components()) {
    if (row.slot == slot) found.push_back(&row);
  }
  return found;
}

bool is_typed(std::string_view slot) { return find_component(slot, "") == nullptr; }

const Task* find_task(std::string_view name) {
  for (const Task& task : tasks()) {
    if (task.name == name) return &task;
  }
  return nullptr;
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] != ' ') {
      word += text[i];
    } else if (!word.empty()) {
      words.push_back(word);
      word.clear();
    }
  }
  return words;
}

bool has_word(std::string_view words, std::string_view word) {
  const std::vector<std::string> all = split_words(words);
  return std::find(all.begin(), all.end(), word) != all.end();
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best_distance && distance < candidate.size()) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace terrane
