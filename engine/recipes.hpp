// SPDX-License-Identifier: MIT
// Published cases as configs. A recipe is named "<study>/<model>/<method>/<case>", e.g. "cr-fwi/marmousi/ig/constant";
// "*" stands for any part, or the rest, of a name. Its config is of task "invert", with all settings written out; data
// are files under $TERRANE_DATA.
//
// Study cr-fwi: "Unveiling the mechanism of continuous representation full-waveform inversion" (ICLR 2026, arXiv
// 2603.22362). The published slices, iterations, batches and starts are not given exactly; ours are stated in the
// description of each recipe. Errors are in (km/s)^2 and km/s, SSIM by the convention of the report ("minmax").
//
// Studies nfs-inv (cross-hole travel times and resistivity of a dike, arXiv 2503.17503) and fields (measured data):
// recipes_travel.cpp and recipes_dc.cpp, named "<study>/<case>". Their rows are compared by the metrics of
// engine/reproduce.hpp.
//
// Study ust: a breast phantom in a ring of transducers, sound speed from a water start. Nothing is published for it.
#pragma once

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace terrane {

// As printed by the authors; NaN where they print nothing.
struct Published {
  double mse_km2_s2, ssim, mae_km_s;
};

struct Recipe {
  std::string name;
  std::string model, method, start;  // parts of the name
  std::string title;                 // "IG-FWI, constant start"
  nlohmann::ordered_json config;     // a config file of task invert
  Published published{std::nan(""), std::nan(""), std::nan("")};
  std::string source;  // of the published numbers
  std::string study;   // "cr-fwi", "ust", "nfs-inv", "fields"
  // Of nfs-inv and fields: published metrics, limits that a row must keep (metric -> [least, most]), and what seeds
  // other than 0 merge into the config.
  nlohmann::ordered_json reference, limits, other_seeds;
  // The config's "analyses" on the initial weights are the whole row: nothing is inverted.
  bool at_start = false;
  bool by_metrics() const { return study == "nfs-inv" || study == "fields"; }
};

// All names, in the order of the tables.
const std::vector<std::string>& recipe_names();
// Those that fit a name with "*"; empty when there is none.
std::vector<std::string> match_recipes(const std::string& pattern);
// Error{config} for an unknown name, with the nearest known one.
Recipe make_recipe(const std::string& name);

// A row of study "fields".
struct FieldRow {
  const char* name;
  const char* title;
  const char* config;
  nlohmann::ordered_json reference, limits;
};
// The recipe of a row, config as it is written.
Recipe field_recipe(const FieldRow& row);

// recipes_travel.cpp
std::vector<std::string> travel_recipe_names();
Recipe travel_recipe(const std::string& name);
// recipes_dc.cpp
std::vector<std::string> dc_recipe_names();
Recipe dc_recipe(const std::string& name);
// Its name, also in its config, with the description.
void name_recipe(const std::string& name, Recipe& recipe);

}  // namespace terrane
