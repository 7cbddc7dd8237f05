// SPDX-License-Identifier: MIT
#include "engine/registry.hpp"

#include <gtest/gtest.h>

#include <set>

#include "engine/config.hpp"
#include "engine/json_value.hpp"
#include "engine/schema.hpp"

namespace terrane {
namespace registry_test {

// A value for a key that has no default: its example, else the first type of its slot.
std::string required_value(const Key& key);

// The smallest object of a component: its type and required keys.
std::string smallest(const Component& row) {
  std::string text;
  if (!row.type.empty()) text = "\"type\": \"" + std::string(row.type) + "\"";
  for (const Key& key : row.keys) {
    if (!key.required()) continue;
    text += (text.empty() ? "" : ", ") + ("\"" + key.resolved_name() + "\": " + required_value(key));
  }
  if (row.slot == "noise") text += ", \"relative\": 0.1";  // one of two keys
  return "{" + text + "}";
}

std::string required_value(const Key& key) {
  if (!key.slot.empty()) return smallest(*components_of(key.slot)[0]);
  EXPECT_FALSE(key.example.empty()) << key.name << " is required and has no example";
  return std::string(key.example);
}

const char* const kBase = R"({"task": "invert",
  "grid": {"nz": 70, "nx": 70, "dz_m": 10, "dx_m": 10}, "physics": "acoustic",
  "survey": {"dt_s": 0.001, "nt": 100, "wavelet": {"type": "ricker", "frequency_hz": 15},
             "sources": {"type": "line", "x_m": 0, "z_m": 10, "count": 1}, "receivers": {"type": "line", "x_m": 0, "z_m": 10, "count": 1}},
  "true_model": "generated", "data": "synthetic", "start_model": {"type": "constant", "value_mps": 2500},
  "field": "siren", "misfit": "l2", "optimizer": "adam"})";

// Where a component of the slot stands in a config of task invert, "" for those that stand nowhere there.
std::string home_of(std::string_view slot) {
  static const std::vector<std::pair<std::string, std::string>> homes = {{"precision", "precision"},
                                                                         {"memory", "memory"},
                                                                         {"checkpoint", "checkpoint"},
                                                                         {"report", "report"},
                                                                         {"grid", "grid"},
                                                                         {"physics", "physics"},
                                                                         {"boundary", "physics.boundary"},
                                                                         {"survey", "survey"},
                                                                         {"wavelet", "survey.wavelet"},
                                                                         {"positions", "survey.sources"},
                                                                         {"model", "start_model"},
                                                                         {"data", "data"},
                                                                         {"noise", "data.noise"},
                                                                         {"field", "field"},
                                                                         {"transform", "field.transform"},
                                                                         {"prefit", "field.prefit"},
                                                                         {"misfit", "misfit"},
                                                                         {"regularizer", "regularizers.0"},
                                                                         {"optimizer", "optimizer"},
                                                                         {"schedule", "optimizer.schedule"},
                                                                         {"gradient", "gradient"},
                                                                         {"bounds", "bounds"},
                                                                         {"stage", "stages.0"},
                                                                         {"stop", "stop"},
                                                                         {"region", "score_region"},
                                                                         {"dip", "score_body.dip"},
                                                                         {"trade_off", "trade_off"},
                                                                         {"ip", "ip"},
                                                                         {"beta", "trade_off.beta"},
                                                                         {"padding", "physics.padding"},
                                                                         {"quadrature", "physics.quadrature"},
                                                                         {"array", "survey.array"},
                                                                         {"body", "score_body"},
                                                                         {"surface", "physics.surface"},
                                                                         {"std", "data.std"},
                                                                         {"weights", "field.initial_weights"},
                                                                         {"ensemble", "ensemble"},
                                                                         {"analysis", "analyses.0"},
                                                                         {"spectrum_reference", "analyses.0.reference"},
                                                                         {"models", "models"},
                                                                         {"codec", "codec"},
                                                                         {"source", "source"},
                                                                         {"pairs", "pairs"},
                                                                         {"samples", "samples"},
                                                                         {"generator", "generator"},
                                                                         {"encoding", "encoding"}};
  for (const auto& [name, path] : homes) {
    if (name == slot) return path;
  }
  return {};
}

Config with(const Component& row, std::string object) {
  std::vector<std::string> sets;
  std::string home = home_of(row.slot);
  if (row.slot == "regularizer" || row.slot == "stage" || row.slot == "analysis")
    sets.push_back(home.substr(0, home.find('.')) + "=[]");
  if (row.slot == "spectrum_reference") sets.push_back("analyses=[{\"type\": \"svd\"}]");
  if (row.slot == "encoder" || row.slot == "activation") {
    sets.push_back("field=mlp");
    sets.push_back("field={\"type\": \"mlp\"}");
    home = "field." + std::string(row.slot);
  } else if (row.slot == "block") {
    sets.push_back("true_model={\"type\": \"blocks\", \"background_mps\": 2000, \"blocks\": []}");
    home = "true_model.blocks.0";
  } else if (row.slot == "transform" || row.slot == "prefit") {
    sets.push_back("field={\"type\": \"siren\"}");
  } else if (row.slot == "schedule") {
    sets.push_back("optimizer={\"type\": \"adam\"}");
  } else if (row.slot == "boundary") {
    sets.push_back("physics={\"type\": \"acoustic\"}");
  } else if (row.slot == "noise") {
    sets.push_back("data={\"type\": \"synthetic\"}");
  } else if (row.slot == "dip") {
    sets.push_back("score_body={\"threshold_mps\": 3000}");
  } else if (row.slot == "beta") {
    sets.push_back("trade_off={\"type\": \"convex\"}");
  }
  if (row.slot == "source" || row.slot == "pairs") {
    for (const char* set : {"task=generate", "source=procedural", "count=3"}) sets.push_back(set);
  }
  if (row.slot == "generator") {
    for (const char* set : {"task=train-generator", "models={\"type\": \"generated\", \"count\": 8}"})
      sets.push_back(set);
  }
  if (row.slot == "samples") {
    for (const char* set : {"task=score", "models={\"type\": \"generated\", \"count\": 8}"}) sets.push_back(set);
  }
  if (row.slot == "models" || row.slot == "codec") {
    for (const char* set :
         {"task=compress", "models={\"type\": \"file\", \"path\": \"models.npy\"}", "codec=auto-decoder"}) {
      sets.push_back(set);
    }
  }
  const bool dc = row.type == "dc-2.5d" || row.type == "dc-3d" || row.slot == "padding" || row.slot == "quadrature" ||
                  row.slot == "array" || object.find("electrodes\"") != std::string::npos ||
                  object.find("array\"") != std::string::npos;
  const std::string electrodes = R"("electrodes": {"type": "line", "x_m": [0, 600], "z_m": 0, "count": 13})";
  if (dc) {
    for (const char* section : {"true_model", "start_model"})
      sets.push_back(std::string(section) + R"(={"type": "constant", "value_ohm_m": 100})");
    sets.push_back("survey={" + electrodes + "}");
    sets.push_back(R"(physics={"type": "dc-2.5d"})");
    if (row.type == "dc-3d") {
      for (const char* set : {"grid.ny=20", "grid.dy_m=10", "survey.electrodes.y_m=10"}) sets.push_back(set);
    }
    if (row.slot == "array" && row.type == "file") sets.push_back("survey.electrodes=null");
    if (row.slot == "survey" && object.find("electrodes\"") == std::string::npos)
      object.insert(1, electrodes + (object.size() > 2 ? ", " : ""));
  }
  const bool travel = row.type == "straight-ray" || row.type == "eikonal" || row.slot == "surface" ||
                      (row.slot != "analysis" && object.find("pairs") != std::string::npos);
  if (travel) {
    for (const char* key : {"dt_s", "nt", "wavelet"}) sets.push_back("survey." + std::string(key) + "=null");
    sets.push_back("physics={\"type\": \"eikonal\"}");
  }
  if (row.type == "posterior") sets.push_back("field=grid");
  if (row.type == "gauss-newton") sets.push_back("misfit=chi2");
  if (row.type == "sparse") sets.push_back("misfit=chi2"), sets.push_back("optimizer=gauss-newton");
  if (row.type == "code") sets.push_back("field={\"type\": \"decoder\", \"path\": \"decoder.safetensors\"}");
  if (row.slot == "ip" || object.find("\"ip\"") != std::string::npos) {
    for (const char* section : {"true_model", "start_model"})
      sets.push_back(std::string(section) + R"(={"type": "constant", "value_ohm_m": 100})");
    sets.push_back("survey={" + electrodes + "}");
    sets.push_back(R"(physics={"type": "dc-2.5d"})");
    sets.push_back("data={\"type\": \"file\", \"path\": \"data.npy\"}");
  }
  if (row.slot == "std") sets.push_back("data={\"type\": \"file\", \"path\": \"data.npy\"}");
  if (row.slot == "weights") sets.push_back("field={\"type\": \"siren\"}");
  const auto says = [&](const char* key) { return object.find("\"" + std::string(key) + "\"") != std::string::npos; };
  const bool grid = row.slot == "grid" && (says("ny") || says("dy_m") || says("y0_m"));
  if (grid || row.type == "grid-plane" || says("y_m") || says("extrude")) {  // three dimensions
    for (const auto& [key, value] : {std::pair{"ny", "20"}, std::pair{"dy_m", "10"}}) {
      sets.push_back(std::string("grid.") + key + "=" + value);
      if (grid && !says(key)) object.insert(1, "\"" + std::string(key) + "\": " + value + ", ");
    }
    for (const char* set : {"survey.sources.y_m=10", "survey.receivers.y_m=10"}) sets.push_back(set);
  }
  if (home.empty()) throw std::logic_error("no home for slot " + std::string(row.slot));
  if (row.slot == "survey" && !dc) {  // what waves and travel times need is optional to the row
    for (const char* member :
         {R"("sources": {"type": "line", "x_m": [0, 10], "z_m": 10, "count": 2})",
          R"("receivers": {"type": "line", "x_m": [0, 10], "z_m": 10, "count": 2})", R"("dt_s": 0.001)", R"("nt": 100)",
          R"("wavelet": {"type": "ricker", "frequency_hz": 15})"}) {
      const std::string text = member, key = text.substr(0, text.find(':'));
      const bool any = key == "\"sources\"" || key == "\"receivers\"";
      if ((any || !travel) && object.find(key) == std::string::npos)
        object.insert(1, text + (object.size() > 2 ? ", " : ""));
    }
  }
  sets.push_back(home + "=" + object);
  return Config::parse(kBase, "registry", sets);
}

// Every row has a test case: its smallest form parses, with every default, and resolves to itself.
TEST(Registry, EveryDefaultValidates) {
  for (const Component& row : components()) {
    if (row.slot == "config") continue;
    SCOPED_TRACE(std::string(row.slot) + " " + std::string(row.type));
    try {
      const Config config = with(row, smallest(row));
      EXPECT_EQ(Config::parse(config.json().dump(), "again").json().dump(), config.json().dump());
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();
    }
  }
}

// Every example is accepted where it stands.
TEST(Registry, EveryExampleValidates) {
  for (const Component& row : components()) {
    if (row.slot == "config") continue;
    for (const Key& key : row.keys) {
      if (key.example.empty() || key.required()) continue;
      // What excludes another key, or needs one beside it.
      if (key.name == "iterations" || row.slot == "noise") continue;
      SCOPED_TRACE(std::string(row.slot) + " " + std::string(row.type) + " " + std::string(key.name));
      std::string object = smallest(row);
      const std::string member = "\"" + key.resolved_name() + "\": " + std::string(key.example);
      object.insert(object.size() - 1, (object.size() > 2 ? ", " : "") + member);
      try {
        with(row, object);
      } catch (const Error& error) {
        ADD_FAILURE() << error.what();
      }
    }
  }
}

TEST(Registry, RowsAreConsistent) {
  std::set<std::pair<std::string_view, std::string_view>> rows;
  for (const Component& row : components()) {
    SCOPED_TRACE(std::string(row.slot) + " " + std::string(row.type));
    EXPECT_TRUE(rows.emplace(row.slot, row.type).second) << "listed twice";
    EXPECT_FALSE(row.help.empty());
    std::set<std::string> names;
    for (const Key& key : row.keys) {
      SCOPED_TRACE(key.name);
      EXPECT_TRUE(names.insert(key.resolved_name()).second) << "listed twice";
      EXPECT_FALSE(key.help.empty());
      EXPECT_LE(key.min, key.max);
      const bool slotted = key.kind == KeyKind::component || key.kind == KeyKind::component_list;
      EXPECT_EQ(slotted, !key.slot.empty());
      EXPECT_TRUE(!slotted || !components_of(key.slot).empty());
      EXPECT_TRUE(key.kind != KeyKind::choice || !key.words.empty());
      EXPECT_TRUE(key.required() || key.fallback[0] == '=' || Json::accept(key.fallback));
      EXPECT_TRUE(key.example.empty() || Json::accept(key.example));
    }
  }
  for (const Component& row : components()) {
    EXPECT_FALSE(has_word(later_types(row.slot), row.type)) << row.slot << " " << row.type << " is here already";
  }
}

TEST(Registry, SchemaNamesEveryKey) {
  const Json schema = json_schema();
  EXPECT_EQ(schema.at("$schema"), "https://json-schema.org/draft/2020-12/schema");
  const std::set<std::string> allowed = {
      "$schema", "title",   "type",    "items",    "properties", "required",
      "enum",    "const",   "oneOf",   "$ref",     "$defs",      "additionalProperties",
      "minimum", "maximum", "default", "examples", "description"};
  for (const Component& row : components()) {
    const Json& part =
        row.slot == "config"
            ? schema
            : schema.at("$defs").at(std::string(row.slot) + (row.type.empty() ? "" : "." + std::string(row.type)));
    for (const auto& [keyword, value] : part.items()) EXPECT_TRUE(allowed.count(keyword)) << keyword;
    for (const Key& key : row.keys) {
      ASSERT_TRUE(part.at("properties").contains(key.resolved_name())) << row.slot << " " << key.name;
      for (const auto& [keyword, value] : part.at("properties").at(key.resolved_name()).items()) {
        EXPECT_TRUE(allowed.count(keyword)) << keyword;
      }
    }
  }
  // Every reference has its definition.
  const std::string text = schema.dump();
  for (std::size_t at = 0; (at = text.find("#/$defs/", at)) != std::string::npos;) {
    at += 8;
    EXPECT_TRUE(schema.at("$defs").contains(text.substr(at, text.find('"', at) - at)));
  }
}

TEST(Registry, ReferencePageNamesEveryKey) {
  const std::string page = reference_page();
  for (const Component& row : components()) {
    const std::string title = row.type.empty() ? "## " + std::string(row.slot) + "\n"
                                               : "### `" + std::string(row.slot) + "`: `" + std::string(row.type) + "`";
    EXPECT_NE(page.find(title), std::string::npos) << title;
    for (const Key& key : row.keys) {
      EXPECT_NE(page.find("| `" + key.resolved_name() + "` |"), std::string::npos) << row.slot << " " << key.name;
    }
  }
}

TEST(Registry, TextOfASection) {
  EXPECT_NE(schema_text("/optimizer/adam").find("betas"), std::string::npos);
  EXPECT_EQ(schema_text("/optimizer/adam").find("momentum "), std::string::npos);
  EXPECT_NE(schema_text("/stages/0/misfit").find("huber"), std::string::npos);
  EXPECT_NE(schema_text("/").find("start_model"), std::string::npos);
  try {
    schema_text("/optimiser");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::config);
    EXPECT_NE(std::string(error.what()).find("did you mean \"optimizer\""), std::string::npos);
  }
}

TEST(Registry, CompletionWords) {
  std::set<std::string> paths;
  for (const CompletionWord& word : completion_words()) {
    EXPECT_TRUE(paths.insert(word.path).second) << word.path;
    EXPECT_TRUE(word.path != "misfit.normalize" || word.values == "none survey trace std") << word.values;
  }
  for (const char* path :
       {"grid.nz", "field.transform.min_mps", "stages.0.iterations", "survey.wavelet.frequency_hz"}) {
    EXPECT_TRUE(paths.count(path)) << path;
  }
}

TEST(Registry, NearestWord) {
  EXPECT_EQ(nearest("lrr", {"lr", "betas"}), "lr");
  EXPECT_EQ(nearest("acustic", {"acoustic", "eikonal"}), "acoustic");
  EXPECT_EQ(nearest("wdith", {"width", "layers"}), "width");
  EXPECT_EQ(nearest("completely", {"lr", "betas"}), "");
}

TEST(Registry, Units) {
  EXPECT_DOUBLE_EQ(unit_factor(Quantity::length, "km"), 1000.0);
  EXPECT_DOUBLE_EQ(unit_factor(Quantity::bytes, "GB"), 1e9);
  EXPECT_DOUBLE_EQ(unit_factor(Quantity::bytes, "GiB"), 1073741824.0);
  EXPECT_EQ(unit_factor(Quantity::length, "s"), 0.0);
  EXPECT_EQ(suffix_of(Quantity::velocity), "_mps");
  EXPECT_EQ(units_of(Quantity::length), "m, km, cm, mm, ft");
}

}  // namespace registry_test
}  // namespace terrane
