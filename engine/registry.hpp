// SPDX-License-Identifier: MIT
// The one table of everything that a config may say: a row per component, a row per key. Pure data. From it come the
// checks, resolved.json, the JSON Schema, the reference page, the comments of `terrane init` and shell completion.
// To add a component: one row in registry_modelling, _fields or _inverse.cpp, and a branch on its "type" where the
// engine builds the slot.
#pragma once

#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace terrane {

enum class Quantity {
  none,
  length,
  time,
  frequency,
  velocity,
  slowness,
  resistivity,
  conductivity,
  voltage,
  current,
  density,
  angle,
  bytes,
  decibel
};

// Key suffix with its underscore: "_m"; empty for none.
std::string_view suffix_of(Quantity quantity);
// "length", with article in article_of: "a length".
std::string_view name_of(Quantity quantity);
// Units that {"value": , "unit": } may name, the SI unit first: "m km cm mm ft".
std::string units_of(Quantity quantity);
std::string_view si_unit(Quantity quantity);
// SI value of one unit; 0 if the unit is unknown or belongs to another quantity.
double unit_factor(Quantity quantity, std::string_view unit);

enum class KeyKind {
  number,
  integer,
  seed,  // exact 64-bit unsigned integer
  boolean,
  string,
  names,    // a name or a list of them; resolved to the list
  path,     // resolved to an absolute path; a directory stands for its file `words`, where there are any; for itself if
            // "."
  choice,   // one of `words`
  numbers,  // a list
  integers,   // a list
  span,       // a number or [from, to]; resolved to [from, to]
  axis,       // a number or a list; resolved to a list
  edges,      // a number or {"top", "bottom", "left", "right"}; resolved to the object
  component,  // an object of `slot`; the type name alone stands for its defaults; `words` are other accepted strings
  component_list,  // a list of them
  pairs,           // a list of [integer, integer]
  quads,           // a list of [integer, integer, integer, integer]
  groups,          // {"<parameter group>": {"lr": number}}
  free             // anything
};

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

struct Key {
  std::string_view name;  // without the unit suffix
  KeyKind kind = KeyKind::number;
  // JSON text in SI units. Empty: required. "null": absent, or chosen by the engine (help says how).
  // "=other": the resolved value of the key `other` beside it.
  std::string_view fallback = {};
  std::string_view help = {};
  std::string_view example = {};  // JSON text
  Quantity quantity = Quantity::none;
  double min = -kNoLimit, max = kNoLimit;
  bool min_open = false, max_open = false;  // the limit itself is not allowed
  std::string_view words = {};              // space separated
  std::string_view later = {};              // words that a later version brings: a message of their own
  std::string_view allowed = {};            // of an integer: the only values, space separated
  std::string_view slot = {};
  // Also accepted. With a quantity of its own the key resolves to the name that was given (value_mps or value_s_per_m);
  // without, to the plain name (e.g. the rate lr_mps of a grid resolves to lr).
  std::vector<Quantity> also = {};

  std::string resolved_name() const { return std::string(name) + std::string(suffix_of(quantity)); }
  std::vector<Quantity> quantities() const;  // that it may be given in, its own first; empty: a plain number
  std::vector<std::string> names() const;    // resolved_name() and the other spellings
  bool required() const { return fallback.empty(); }
};

struct Component {
  std::string_view slot;
  std::string_view type;  // empty: the slot has one form and no "type" key
  std::string_view help;
  std::vector<Key> keys;
  const Key* find(std::string_view name) const;  // by its name without suffix
};

struct Task {
  std::string_view name;
  std::string_view help;
  std::string_view required;  // sections, space separated
  std::string_view optional;
};

// All rows, in the order of the documentation. Slot "config" is the root.
const std::vector<Component>& components();
const std::vector<Task>& tasks();
// Sections of tasks that this version does not have: accepted and listed as unused.
std::string_view foreign_sections();
// Keys of the root that every task takes.
std::string_view common_keys();
// Type names that a later version brings, per slot.
std::string_view later_types(std::string_view slot);

const Component* find_component(std::string_view slot, std::string_view type);
std::vector<const Component*> components_of(std::string_view slot);
const Task* find_task(std::string_view name);
// Does the slot have a "type" key?
bool is_typed(std::string_view slot);

std::vector<std::string> split_words(std::string_view text);
bool has_word(std::string_view words, std::string_view word);
// The candidate nearest to `word` (insertions, deletions, replacements, swaps), or empty if none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

// Rows, one function a file (registry_tables.cpp, registry_modelling.cpp, registry_models.cpp, registry_inverse.cpp,
// registry_fields.cpp, registry_compression.cpp, registry_generate.cpp); problem_rows contains the modelling rows,
// inverse_rows those of the representation.
std::vector<Component> problem_rows();
std::vector<Component> modelling_rows();
std::vector<Component> model_and_data_rows();
std::vector<Component> compression_rows();
std::vector<Component> model_set_rows();
std::vector<Component> generator_rows();
std::vector<Component> inverse_rows();
std::vector<Component> representation_rows();

}  // namespace terrane
