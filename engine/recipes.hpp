// SPDX-License-Identifier: MIT
// Published cases as configs. A recipe is named "<study>/<model>/<method>/<case>", e.g. "cr-fwi/marmousi/ig/constant";
// "*" stands for any part, or the rest, of a name. Its config is of task "invert", with all settings written out; data
// are files under $TERRANE_DATA.
//
// Study cr-fwi: "Unveiling the mechanism of continuous representation full-waveform inversion" (ICLR 2026, arXiv
// 2603.22362). The published slices, iterations, batches and starts are not given exactly; ours are stated in the
// description of each recipe. Errors are in (km/s)^2 and km/s, SSIM by the convention of the report ("minmax").
//
// Study ust: a breast phantom in a ring of transducers, sound speed from a water start. Nothing is published for it.
#pragma once

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
  Published published;
  std::string source;  // of the published numbers
};

// All names, in the order of the tables.
const std::vector<std::string>& recipe_names();
// Those that fit a name with "*"; empty when there is none.
std::vector<std::string> match_recipes(const std::string& pattern);
// Error{config} for an unknown name, with the nearest known one.
Recipe make_recipe(const std::string& name);

}  // namespace terrane
