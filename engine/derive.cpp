// SPDX-License-Identifier: MIT
// What depends on more than one key: automatic values, and sections that contradict each other.
#include <algorithm>
#include <cmath>

#include "engine/recipes.hpp"
#include "engine/resolve.hpp"

namespace terrane {
namespace {

using Json = nlohmann::ordered_json;

bool is_null(const Json& config, const std::string& key) { return !config.contains(key) || config.at(key).is_null(); }

std::string text_of(const Json& number) { return number.dump(); }

void order_limits(const Json& object, const std::string& low, const std::string& high, const std::string& pointer,
                  Resolver& resolver) {
  if (is_null(object, low) || is_null(object, high)) return;
  if (object.at(low).get<double>() < object.at(high).get<double>()) return;
  resolver.issue_at(pointer + "/" + high, high + " (" + text_of(object.at(high)) + ") must be greater than " + low +
                                              " (" + text_of(object.at(low)) + ")");
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
}

void derive_survey(Json& config, Resolver& resolver) {
  Json& survey = config.at("survey");
  Json& wavelet = survey.at("wavelet");
  if (wavelet.at("type") == "ricker") {
    const double frequency = wavelet.at("frequency_hz").get<double>(), dt_s = survey.at("dt_s").get<double>();
    if (wavelet.at("delay_s").is_null()) wavelet["delay_s"] = 1.5 / frequency;
    if (frequency * dt_s > 0.5) {
      resolver.issue_at("/survey/wavelet/frequency_hz",
                        text_of(wavelet.at("frequency_hz")) + " Hz is above the Nyquist frequency of dt_s, " +
                            text_of(Json(0.5 / dt_s)) + " Hz: lower it or take a smaller dt_s");
    }
  }
  check_positions(survey, "sources", resolver);
  check_positions(survey, "receivers", resolver);
}

// A model that names another section: the section must exist, and a model cannot be made of itself.
void check_model(const Json& model, const Json& config, const std::string& pointer, Resolver& resolver) {
  order_limits(model, "min_mps", "max_mps", pointer, resolver);
  if (!model.contains("of")) return;
  if (model.at("of").is_object()) return check_model(model.at("of"), config, pointer + "/of", resolver);
  if (pointer.rfind("/true_model", 0) == 0) {
    resolver.issue_at(pointer + "/of", "true_model cannot be made of itself: name another model here");
  } else if (is_null(config, "true_model")) {
    resolver.issue_at(pointer + "/of", "there is no true_model: add the section, or write the model here");
  }
}

void check_noise(const Json& noise, const std::string& pointer, Resolver& resolver) {
  if (noise.is_null()) return;
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

void derive_transform(Json& config, Resolver& resolver) {
  Json& field = config.at("field");
  Json& transform = field.at("transform");
  order_limits(transform, "min_mps", "max_mps", "/field/transform", resolver);
  if (transform.at("type") == "bounded" && !transform.at("around").is_null()) {
    transform["type"] = "bounded-perturb";
    transform["scale"] = 1.0;
  }
  if (!is_null(config, "start_model")) return;
  const std::string remedy = ": add a start_model, e.g. \"start_model\": {\"type\": \"constant\", \"value_mps\": 2500}";
  if (!is_null(transform, "around")) {
    resolver.issue_at("/field/transform", "the map " + transform.at("type").dump() + " needs a start model" + remedy);
  } else if (field.at("type") == "grid") {
    resolver.issue_at("/field", "a grid starts from a start model" + remedy);
  } else if (!field.at("prefit").is_null()) {
    resolver.issue_at("/field/prefit", "there is nothing to fit" + remedy);
  }
}

void derive_rate(Json& optimizer, const Json& field) {
  if (optimizer.is_null() || !optimizer.at("lr").is_null()) return;
  const bool grid = field.at("type") == "grid";
  const bool physical = grid && field.at("transform").at("type") == "identity";
  optimizer["lr"] = physical ? 5.0 : grid ? 0.005 : 1e-4;
}

// Parts of a field, see engine/field.hpp.
std::vector<std::string> group_names(const Json& field) {
  const std::string type = field.at("type");
  const auto has_table = [&] {
    return field.contains("encoder") && field.at("encoder").is_object() &&
           (field.at("encoder").at("type") == "dense-grid" || field.at("encoder").at("type") == "hash-grid");
  };
  if (type == "grid") return {"grid"};
  if (type == "low-rank") return {"inr", "core"};
  if (type == "mpe" || (type == "mlp" && has_table()) || (type == "fusion" && field.at("branch") == "none")) {
    return {"grid", "fusion", "head"};
  }
  if (type == "ig" || type == "lrg" || type == "fusion") return {"grid", "inr", "fusion", "head"};
  return {"inr", "head"};
}

// Group names belong to the field.
void check_groups(const Json& optimizer, const Json& field, const std::string& pointer, Resolver& resolver) {
  if (optimizer.is_null()) return;
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
    const Json iterations = optimizer.at("iterations").is_null() ? Json(500) : optimizer.at("iterations");
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

void derive_invert(Json& config, Resolver& resolver) {
  const Json& data = config.at("data");
  check_band(data, "/data", resolver);
  if (data.at("type") == "synthetic") {
    check_noise(data.at("noise"), "/data/noise", resolver);
    if (is_null(config, "true_model")) {
      resolver.issue_at("/data", "synthetic data need a true_model, e.g. \"true_model\": {\"type\": \"generated\"}");
    }
  }
  derive_layers(config.at("field"), resolver);
  derive_transform(config, resolver);
  derive_stages(config, resolver);
  order_limits(config.at("bounds"), "min_mps", "max_mps", "/bounds", resolver);
}

void derive_forward(Json& config, Resolver& resolver) {
  check_noise(config.at("noise"), "/noise", resolver);
  if (!is_null(config, "model")) return;
  if (is_null(config, "true_model")) {
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

}  // namespace

void derive(Json& config, Resolver& resolver) {
  if (config.at("task") == "reproduce") {
    derive_reproduce(config, resolver);
    return;
  }
  derive_survey(config, resolver);
  derive_boundary(config, resolver);
  for (const std::string name : {"true_model", "start_model", "model"}) {
    if (!is_null(config, name)) check_model(config.at(name), config, "/" + name, resolver);
  }
  if (config.at("task") == "forward") {
    derive_forward(config, resolver);
  } else {
    derive_invert(config, resolver);
  }
}

}  // namespace terrane
