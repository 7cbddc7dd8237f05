// SPDX-License-Identifier: MIT
// What depends on more than one key: automatic values, and sections that contradict each other.
#include <algorithm>
#include <cmath>
#include <set>

#include "engine/derive_checks.hpp"
#include "engine/geology_set.hpp"
#include "engine/io/text.hpp"
#include "engine/json_value.hpp"
#include "engine/problem.hpp"
#include "engine/property.hpp"
#include "engine/recipes.hpp"
#include "engine/resolve.hpp"

namespace terrane {
namespace {

void order_limits(const Json& object, const std::string& low, const std::string& high, const std::string& pointer,
                  Resolver& resolver) {
  if (has_no(object, low) || has_no(object, high)) return;
  if (object.at(low).get<double>() < object.at(high).get<double>()) return;
  resolver.issue_at(pointer + "/" + high, high + " (" + object.at(high).dump() + ") must be greater than " + low +
                                              " (" + object.at(low).dump() + ")");
}

void derive_boundary(Json& config, Resolver& resolver) {
  Json& boundary = config.at("physics").at("boundary");
  const Json& wavelet = config.at("survey").at("wavelet");
  if (boundary.at("frequency_hz").is_null() && wavelet.contains("frequency_hz")) {
    boundary["frequency_hz"] = wavelet.at("frequency_hz");
  }
  if (!boundary.at("free_surface").get<bool>()) return;
  Json& top = boundary.at("width_cells").at("top");
  const std::string pointer = "/physics/boundary/width_cells/top";
  if (resolver.given(pointer) && top.get<int>() > 0) {
    resolver.issue_at(pointer, "a free surface has no absorbing layer: write \"top\": 0, or \"free_surface\": false");
  }
  top = 0;
}

void check_positions(const Json& survey, const std::string& name, Resolver& resolver) {
  const Json& positions = survey.at(name);
  if (positions.at("type") != "points") return;
  const std::size_t nx = positions.at("x_m").size(), nz = positions.at("z_m").size();
  if (nx != nz && nx != 1 && nz != 1) {
    resolver.issue_at("/survey/" + name + "/z_m", std::to_string(nx) + " x_m but " + std::to_string(nz) +
                                                      " z_m: give as many of both, or one number for all");
  }
  const std::size_t ny = positions.at("y_m").is_null() ? 1 : positions.at("y_m").size(), most = std::max(nx, nz);
  if (ny != 1 && most != 1 && ny != most) {
    resolver.issue_at("/survey/" + name + "/y_m", std::to_string(ny) + " y_m but " + std::to_string(most) +
                                                      " positions: give as many, or one number for all");
  }
}

// Keys that one kind of physics needs and another does not have. False: a key is missing.
bool check_survey(const Json& config, Resolver& resolver) {
  const bool wave = of_waves(config), dc = of_resistivity(config);
  if (has_no(config, "survey")) {
    resolver.issue_at("", std::string("the section \"survey\" is missing (") +
                              (dc ? "electrodes and array" : "sources and receivers") + ") for physics " +
                              config.at("physics").at("type").dump());
    return false;
  }
  const Json& survey = config.at("survey");
  bool complete = true;
  const bool located = dc && survey.at("array").is_object() && survey.at("array").at("type") == "file";
  if (located && !survey.at("electrodes").is_null()) {
    resolver.issue_at("/survey/electrodes", "the file of the array holds the electrodes: leave this key out");
  }
  for (const auto& [key, wanted] :
       {std::pair{"sources", !dc}, std::pair{"receivers", !dc}, std::pair{"electrodes", dc && !located}}) {
    const bool given = !survey.at(key).is_null();
    if (wanted && !given) {
      complete = false;
      resolver.issue_at("/survey", "\"" + std::string(key) + "\" is missing");
    } else if (!wanted && given && !located) {
      resolver.issue_at(std::string("/survey/") + key,
                        dc ? "belongs to waves and travel times: a resistivity survey has electrodes"
                           : "belongs to resistivity: this physics has sources and receivers");
    }
  }
  for (const auto& [key, example] : {std::pair{"dt_s", "0.001"}, std::pair{"nt", "1000"},
                                     std::pair{"wavelet", "{\"type\": \"ricker\", \"frequency_hz\": 15}"}}) {
    const bool given = !survey.at(key).is_null();
    if (wave && !given) {
      complete = false;
      resolver.issue_at("/survey",
                        "\"" + std::string(key) + "\" is missing (waves need it), e.g. \"" + key + "\": " + example);
    } else if (!wave && given) {
      resolver.issue_at(std::string("/survey/") + key, "belongs to waves: this physics does not take it");
    }
  }
  if (wave && !survey.at("pairs").is_null()) {
    resolver.issue_at("/survey/pairs", "belongs to travel times: every receiver records every shot of waves");
  } else if (dc && !survey.at("pairs").is_null()) {
    resolver.issue_at("/survey/pairs", "belongs to travel times: a resistivity survey has an array");
  }
  return complete;
}

void check_pairs(const Json& survey, Resolver& resolver) {
  if (survey.at("pairs").is_null()) return;
  if (survey.at("pairs").empty()) resolver.issue_at("/survey/pairs", "the list is empty: leave it out for all pairs");
  const auto count = [&](const char* name) -> std::int64_t {
    const Json& p = survey.at(name);
    if (p.contains("count")) return p.at("count");
    return p.at("type") == "points" ? static_cast<std::int64_t>(std::max(p.at("x_m").size(), p.at("z_m").size())) : -1;
  };
  const std::int64_t sources = count("sources"), receivers = count("receivers");
  for (std::size_t i = 0; i < survey.at("pairs").size(); ++i) {
    const Json& pair = survey.at("pairs")[i];
    if (!pair[0].is_number() || !pair[1].is_number()) continue;
    if ((sources >= 0 && pair[0] >= sources) || (receivers >= 0 && pair[1] >= receivers)) {
      resolver.issue_at("/survey/pairs/" + std::to_string(i), pair.dump() + " names no source or receiver: there are " +
                                                                  std::to_string(sources) + " and " +
                                                                  std::to_string(receivers) + ", counted from 0");
    }
  }
}

void derive_survey(Json& config, Resolver& resolver) {
  Json& survey = config.at("survey");
  if (of_resistivity(config)) {
    if (!survey.at("electrodes").is_null()) check_positions(survey, "electrodes", resolver);
    return;
  }
  check_positions(survey, "sources", resolver);
  check_positions(survey, "receivers", resolver);
  if (!of_waves(config)) return check_pairs(survey, resolver);
  Json& wavelet = survey.at("wavelet");
  if (wavelet.at("type") == "ricker") {
    const double frequency = wavelet.at("frequency_hz").get<double>(), dt_s = survey.at("dt_s").get<double>();
    if (wavelet.at("delay_s").is_null()) wavelet["delay_s"] = 1.5 / frequency;
    if (frequency * dt_s > 0.5) {
      resolver.issue_at("/survey/wavelet/frequency_hz",
                        wavelet.at("frequency_hz").dump() + " Hz is above the Nyquist frequency of dt_s, " +
                            Json(0.5 / dt_s).dump() + " Hz: lower it or take a smaller dt_s");
    }
  }
}

// A model that names another section: the section must exist, and a model cannot be made of itself.
void check_model(const Json& model, const Json& config, const std::string& pointer, Resolver& resolver) {
  order_limits(model, "min_mps", "max_mps", pointer, resolver);
  if (!model.contains("of")) return;
  if (model.at("of").is_object()) return check_model(model.at("of"), config, pointer + "/of", resolver);
  if (pointer.rfind("/true_model", 0) == 0) {
    resolver.issue_at(pointer + "/of", "true_model cannot be made of itself: name another model here");
  } else if (has_no(config, "true_model")) {
    resolver.issue_at(pointer + "/of", "there is no true_model: add the section, or write the model here");
  }
}

void check_noise(const Json& noise, const std::string& pointer, Resolver& resolver) {
  if (noise.is_null() || noise.at("type") == "proportional") return;
  // std_s resolves to the plain name, as the unit of wave data is free.
  if (noise.at("relative").is_null() == noise.at("std").is_null()) {
    resolver.issue_at(pointer, "give one of relative and std, e.g. \"relative\": 0.02");
  }
}

void check_band(const Json& object, const std::string& pointer, Resolver& resolver) {
  order_limits(object, "highpass_hz", "lowpass_hz", pointer, resolver);
}

// hidden, width and layers say one thing: all three are present and agree.
void derive_layers(Json& field, Resolver& resolver) {
  if (!field.contains("hidden")) return;
  if (field.at("hidden").is_null()) {
    field["hidden"] =
        std::vector<std::int64_t>(field.at("layers").get<std::size_t>(), field.at("width").get<std::int64_t>());
    return;
  }
  const Json& hidden = field.at("hidden");
  if (hidden.empty()) return resolver.issue_at("/field/hidden", "the list is empty: give at least one layer");
  const bool width = resolver.given("/field/width") && field.at("width") != hidden[0];
  const bool layers = resolver.given("/field/layers") && field.at("layers") != hidden.size();
  if (width || layers)
    resolver.issue_at("/field/hidden", "contradicts width and layers: give hidden, or width and layers");
  field["width"] = hidden[0];
  field["layers"] = hidden.size();
}

// Values of another kind than the field's are refused; unset keys take the suffix of the field's, or `suffix`.
void use_property(Json& object, const char* name, const PropertyInfo& p, const std::string& pointer, Resolver& resolver,
                  const std::string& suffix) {
  std::vector<std::string> suffixes = {""};
  for (const PropertyInfo& other : properties()) suffixes.push_back(other.suffix());
  for (const std::string& other : suffixes) {
    const std::string key = name + other;
    if (other == suffix || !object.contains(key)) continue;
    if (!object.at(key).is_null()) {
      resolver.issue_at(pointer + "/" + key, "the field stands for " + std::string(p.name) + ": write \"" + name +
                                                 suffix + "\"" + (suffix.empty() ? "" : ", in " + p.unit()));
    }
    Json renamed = Json::object();  // the order of the keys stays
    for (const auto& [k, v] : object.items()) renamed[k == key ? name + suffix : k] = v;
    object = renamed;
  }
}
void use_property(Json& object, const char* name, const PropertyInfo& p, const std::string& pointer,
                  Resolver& resolver) {
  use_property(object, name, p, pointer, resolver, p.suffix());
}

// The property that the field stands for when the config does not say it, and what the physics takes.
void check_property(Json& config, Resolver& resolver) {
  Json& property = config.at("field").at("property");
  if (of_resistivity(config) && !resolver.given("/field/property")) property = "log-conductivity";
  const PropertyInfo& p = property_info(property.get<std::string>());
  if (of_waves(config) && p.quantity != Quantity::velocity) {
    resolver.issue_at("/field/property", "acoustic waves take a velocity: write \"property\": \"vp\"");
  } else if (of_resistivity(config) && !p.electric()) {
    resolver.issue_at("/field/property", "voltages come from a conductivity: write \"property\": \"log-conductivity\"");
  } else if (!of_waves(config) && !of_resistivity(config) && p.electric()) {
    resolver.issue_at("/field/property", "travel times take a velocity or slowness: write \"property\": \"vp\"");
  }
}

void derive_property(Json& config, Resolver& resolver) {
  Json& field = config.at("field");
  if (field.at("property").is_null()) return;
  check_property(config, resolver);
  const PropertyInfo& p = property_info(field.at("property").get<std::string>());
  Json& transform = field.at("transform");
  const std::string type = transform.at("type");
  for (const char* name : {"min", "max", "center"}) use_property(transform, name, p, "/field/transform", resolver);
  if (type == "perturb" || type == "affine") {
    const std::string suffix = p.logarithmic ? "" : p.suffix();
    use_property(transform, "scale", p, "/field/transform", resolver, suffix);
    Json& scale = transform.at("scale" + suffix);
    if (scale.is_null()) scale = p.perturb_scale;
  }
  order_limits(transform, "min" + p.suffix(), "max" + p.suffix(), "/field/transform", resolver);
  for (const char* name : {"min", "max"}) use_property(config.at("bounds"), name, p, "/bounds", resolver);
  order_limits(config.at("bounds"), "min" + p.suffix(), "max" + p.suffix(), "/bounds", resolver);
  if (!config.at("score_body").is_null())
    use_property(config.at("score_body"), "threshold", p, "/score_body", resolver);
  const auto values_of = [&](Json& regularizers, const std::string& at) {
    for (std::size_t i = 0; i < regularizers.size(); ++i) {
      if (regularizers[i].at("type") != "reference") continue;
      if (property_value(regularizers[i], "value").quantity == p.quantity) continue;
      resolver.issue_at(
          at + "/" + std::to_string(i) + "/value",
          "the field stands for " + std::string(p.name) + ": write \"value" + p.suffix() + "\", in " + p.unit());
    }
  };
  values_of(config.at("regularizers"), "/regularizers");
  for (std::size_t i = 0; i < config.at("stages").size(); ++i) {
    Json& own = config.at("stages")[i].at("regularizers");
    if (!own.is_null()) values_of(own, "/stages/" + std::to_string(i) + "/regularizers");
  }
}

void derive_transform(Json& config, Resolver& resolver) {
  Json& field = config.at("field");
  derive_property(config, resolver);
  Json& transform = field.at("transform");
  if (transform.at("type") == "bounded" && !transform.at("around").is_null()) {
    transform["type"] = "bounded-perturb";
    transform["scale"] = 1.0;
  }
  if (field.at("type") == "decoder") {
    if (transform.at("type") != "identity") {
      resolver.issue_at("/field/transform", "a decoder brings its own offset and scale: leave this key out");
    }
    if (field.at("property") != "vp") resolver.issue_at("/field/property", "a decoder makes velocities: vp");
    // Codes near the start model rather than the mean of all.
    if (field.at("prefit").is_null() && !has_no(config, "start_model")) {
      field["prefit"] = {{"iterations", 300}, {"lr", 0.03}};
    }
  }
  if (!has_no(config, "start_model")) return;
  const std::string remedy =
      ": add a start_model, e.g. \"start_model\": {\"type\": \"constant\", " +
      std::string(of_resistivity(config) ? "\"value_siemens_per_m\": 0.01}" : "\"value_mps\": 2500}");
  if (!has_no(transform, "around")) {
    resolver.issue_at("/field/transform", "the map " + transform.at("type").dump() + " needs a start model" + remedy);
  } else if (field.at("type") == "grid") {
    resolver.issue_at("/field", "a grid starts from a start model" + remedy);
  } else if (!field.at("prefit").is_null()) {
    resolver.issue_at("/field/prefit", "there is nothing to fit" + remedy);
  }
}

void derive_rate(Json& optimizer, const Json& field) {
  if (optimizer.is_null() || !optimizer.contains("lr") || !optimizer.at("lr").is_null()) return;
  const bool grid = field.at("type") == "grid";
  const bool physical = grid && field.at("transform").at("type") == "identity";
  const double rate = property_info(field.at("property").get<std::string>()).grid_rate;
  optimizer["lr"] = field.at("type") == "decoder" ? 0.03 : physical ? rate : grid ? 0.005 : 1e-4;
}

// Parts of a field, see engine/field.hpp.
std::vector<std::string> group_names(const Json& field) {
  const std::string type = field.at("type");
  const auto has_table = [&] {
    return field.contains("encoder") && field.at("encoder").is_object() &&
           (field.at("encoder").at("type") == "dense-grid" || field.at("encoder").at("type") == "hash-grid");
  };
  if (type == "grid") return {"grid"};
  if (type == "decoder") return {"code"};
  if (type == "low-rank") return {"inr", "core"};
  if (type == "mpe" || (type == "mlp" && has_table()) || (type == "fusion" && field.at("branch") == "none")) {
    return {"grid", "fusion", "head"};
  }
  if (type == "ig" || type == "lrg" || type == "fusion") return {"grid", "inr", "fusion", "head"};
  return {"inr", "head"};
}

// Group names belong to the field.
void check_groups(const Json& optimizer, const Json& field, const std::string& pointer, Resolver& resolver) {
  if (optimizer.is_null() || !optimizer.contains("groups")) return;
  const std::vector<std::string> names = group_names(field);
  for (const auto& [name, group] : optimizer.at("groups").items()) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    resolver.issue_at(pointer + "/groups/" + name, "\"" + name + "\" is no parameter group of a field of type " +
                                                       field.at("type").dump() + ", which has " + join_words(names));
  }
}

void derive_stages(Json& config, Resolver& resolver) {
  Json& optimizer = config.at("optimizer");
  Json& stages = config.at("stages");
  derive_rate(optimizer, config.at("field"));
  check_groups(optimizer, config.at("field"), "/optimizer", resolver);
  if (stages.empty()) {
    const int usual = optimizer.at("type") == "gauss-newton" ? 30 : 500;
    const Json iterations = optimizer.at("iterations").is_null() ? Json(usual) : optimizer.at("iterations");
    stages.push_back({{"iterations", iterations},
                      {"lowpass_hz", nullptr},
                      {"highpass_hz", nullptr},
                      {"misfit", nullptr},
                      {"regularizers", nullptr},
                      {"optimizer", nullptr}});
  } else if (!optimizer.at("iterations").is_null()) {
    resolver.issue_at("/optimizer/iterations",
                      "the stages say how many iterations there are: delete this, or set stages.0.iterations");
  }
  optimizer["iterations"] = nullptr;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const std::string pointer = "/stages/" + std::to_string(i);
    Json& stage = stages[i];
    check_band(stage, pointer, resolver);
    if (stage.at("optimizer").is_null()) continue;
    derive_rate(stage.at("optimizer"), config.at("field"));
    check_groups(stage.at("optimizer"), config.at("field"), pointer + "/optimizer", resolver);
    if (!stage.at("optimizer").at("iterations").is_null()) {
      resolver.issue_at(pointer + "/optimizer/iterations", "iterations are a key of the stage: move it to " + pointer);
    }
  }
}

void check_surface(const Json& physics, Resolver& resolver) {
  if (!physics.contains("surface") || !physics.at("surface").is_object()) return;
  const Json &x = physics.at("surface").at("x_m"), &z = physics.at("surface").at("z_m");
  if (z.size() != 1 && z.size() != x.size()) {
    resolver.issue_at("/physics/surface/z_m", std::to_string(x.size()) + " x_m but " + std::to_string(z.size()) +
                                                  " z_m: give as many of both, or one depth for all");
  }
  for (std::size_t i = 1; i < x.size(); ++i) {
    if (x[i] > x[i - 1]) continue;
    return resolver.issue_at("/physics/surface/x_m/" + std::to_string(i), "positions must rise");
  }
}

void check_ensemble(const Json& config, Resolver& resolver) {
  if (has_no(config, "ensemble")) return;
  const auto seeds = config.at("ensemble").at("seeds").get<std::vector<std::uint64_t>>();
  const std::set<std::uint64_t> different(seeds.begin(), seeds.end());
  if (different.size() < 2 || different.size() != seeds.size()) {
    resolver.issue_at("/ensemble/seeds", "an ensemble needs at least two different seeds");
  }
  const Json& field = config.at("field");
  if (field.at("type") == "grid" || !field.at("initial_weights").is_null()) {
    resolver.issue_at("/ensemble", "all members would be the same: the field has no random initial weights");
  }
}

void derive_invert(Json& config, Resolver& resolver) {
  check_ensemble(config, resolver);
  const Json& data = config.at("data");
  check_band(data, "/data", resolver);
  if (data.at("type") == "synthetic") {
    check_noise(data.at("noise"), "/data/noise", resolver);
    if (has_no(config, "true_model")) {
      resolver.issue_at("/data", "synthetic data need a true_model, e.g. \"true_model\": {\"type\": \"generated\"}");
    }
  }
  derive_layers(config.at("field"), resolver);
  derive_transform(config, resolver);
  derive_stages(config, resolver);
  check_inversion(config, resolver);
}

void derive_forward(Json& config, Resolver& resolver) {
  check_noise(config.at("noise"), "/noise", resolver);
  if (!has_no(config, "model")) return;
  if (has_no(config, "true_model")) {
    resolver.issue_at("",
                      "task \"forward\" needs a model (or a true_model), e.g. \"model\": {\"type\": \"generated\"}");
  } else {
    config["model"] = config.at("true_model");
  }
}

void derive_reproduce(const Json& config, Resolver& resolver) {
  const std::string recipe = config.at("recipe");
  if (match_recipes(recipe).empty()) {
    const std::string near = nearest(recipe, recipe_names());
    resolver.issue_at(
        "/recipe", "there is no recipe \"" + recipe + "\"" +
                       (near.empty() ? ", e.g. \"cr-fwi/marmousi/ig/constant\"" : "; did you mean \"" + near + "\"?"));
  }
  if (config.at("seeds").empty()) resolver.issue_at("/seeds", "the list is empty: give at least one seed");
  if (!config.at("settings").is_object()) resolver.issue_at("/settings", "must be an object, { ... }");
}

void derive_analyze(const Json& config, Resolver& resolver) {
  if (has_no(config, "run") == has_no(config, "config")) {
    resolver.issue_at("", "task \"analyze\" needs one of \"run\" (a directory) and \"config\" (a file)");
  }
  if (config.at("analyses").empty())
    resolver.issue_at("/analyses", "the list is empty: give svd, ntk, kernels, resolution or suggest");
  if (config.at("at").empty()) resolver.issue_at("/at", "the list is empty: [-1] takes the final weights");
  if (!config.at("settings").is_object()) resolver.issue_at("/settings", "must be an object, { ... }");
}

// Names of families as this program writes them, in order.
void derive_families(Json& section, const std::string& pointer, Resolver& resolver) {
  try {
    section["families"] = resolve_geology_families(section.at("families").get<std::vector<std::string>>());
  } catch (const Error& e) {
    resolver.issue_at(pointer + "/families", e.message());
  }
}

void derive_models(Json& config, Resolver& resolver) {
  const Json& precision = config.at("precision");
  if (precision.at("physics") == "fp64" || precision.at("network") == "fp64") {
    resolver.issue_at("/precision", "networks of whole models are trained in single precision: leave fp64 out");
  } else if (config.at("task") == "train-generator" && precision.at("network") == "3xtf32") {
    resolver.issue_at("/precision/network", "generators are trained in fp32, tf32 or bf16");
  }
  Json& models = config["models"];
  const Json& range = models.at("range_mps");
  if (range.size() != 2 || !(range[0] < range[1])) {
    resolver.issue_at("/models/range_mps", "give the lowest and the highest value, e.g. [1500, 4500]");
  }
  if (models.at("type") == "generated") {
    derive_families(models, "/models", resolver);
    if (models.at("seed").is_null()) models["seed"] = config.at("seed");
    for (const Json& family : models.at("families")) {
      if (family == layered_faulted_name) {
        resolver.issue_at("/models/families", "layered-faulted has sections of another shape than the other families");
      }
    }
  }
}

void derive_generate(Json& config, Resolver& resolver) {
  Json& source = config["source"];
  if (source.at("type") == "generator") return;  // what it can make stands in its directory
  derive_families(source, "/source", resolver);
  const bool pairs = !config.at("pairs").is_null(), area = source.at("sampling") == "area";
  if (pairs && source.at("size") != 70) {
    resolver.issue_at("/pairs", "needs a size of 70: the time step of the OpenFWI operator fits cells of 10 m");
  }
  for (const Json& family : source.at("families")) {
    if (family == layered_faulted_name && (pairs || area)) {
      resolver.issue_at("/source/families", "layered-faulted has neither seismic pairs nor sampling \"area\"");
    }
  }
}

}  // namespace

void derive(Json& config, Resolver& resolver) {
  if (config.at("task") == "analyze") {
    derive_analyze(config, resolver);
    return;
  }
  if (config.at("task") == "compress" || config.at("task") == "train-generator" || config.at("task") == "score") {
    derive_models(config, resolver);
    return;
  }
  if (config.at("task") == "generate") {
    derive_generate(config, resolver);
    return;
  }
  if (config.at("task") == "reproduce") {
    derive_reproduce(config, resolver);
    return;
  }
  const bool invert = config.at("task") == "invert";
  const bool file = invert && config.at("data").at("type") == "file";
  const bool dc = of_resistivity(config);
  const bool picks = !of_waves(config) && file && !config.at("data").at("path").get<std::string>().ends_with(".npy");
  if (picks && !has_no(config, "survey")) {
    resolver.issue_at("/survey", dc ? "the file of observations holds the electrodes: leave this section out"
                                    : "the file of picks holds the sensors and pairs: leave this section out");
  } else if (!picks) {
    if (!check_survey(config, resolver)) return;
    derive_survey(config, resolver);
  }
  if (has_no(config, "grid")) {
    if (!picks) {
      return resolver.issue_at("",
                               "the section \"grid\" is missing, e.g. \"grid\": {\"nz\": 70, \"nx\": 70, "
                               "\"dz_m\": 10, \"dx_m\": 10}");
    }
    if (resolver.issues().empty()) config["grid"] = dc ? grid_for_electrodes(config) : grid_for_picks(config);
  }
  check_dimensions(config, resolver);
  if (of_waves(config)) derive_boundary(config, resolver);
  check_surface(config.at("physics"), resolver);
  for (const std::string name : {"true_model", "start_model", "reference_model", "model"}) {
    if (!has_no(config, name)) check_model(config.at(name), config, "/" + name, resolver);
  }
  if (invert) {
    derive_invert(config, resolver);
  } else {
    derive_forward(config, resolver);
  }
}

}  // namespace terrane
