// SPDX-License-Identifier: MIT
#include "engine/property.hpp"

#include <algorithm>
#include <cmath>

#include "engine/json_value.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {

const std::vector<PropertyInfo>& properties() {
  static const std::vector<PropertyInfo> rows = {
      {"vp", "velocity", Quantity::velocity, 1000, 1000, 5},
      {"slowness", "slowness", Quantity::slowness, 1e-3, 1e-4, 1e-5},
      {"conductivity", "conductivity", Quantity::conductivity, 1e-2, 1e-2, 1e-4},
      {"resistivity", "resistivity", Quantity::resistivity, 100, 100, 1},
      {"log-conductivity", "conductivity", Quantity::conductivity, 1, 1, 0.05, true},
  };
  return rows;
}

double PropertyInfo::value_of(double m) const { return logarithmic ? std::exp(m) : m; }
double PropertyInfo::model_of(double value) const { return logarithmic ? std::log(value) : value; }

const PropertyInfo& property_info(std::string_view name) {
  for (const PropertyInfo& p : properties()) {
    if (name == p.name) return p;
  }
  throw Error(ErrorCode::config, "/field/property: \"" + std::string(name) + "\" is not built in this version");
}

const PropertyInfo& property_of(const Json& config) {
  if (config.contains("field") && config.at("field").is_object()) {
    return property_info(config.at("field").at("property").get<std::string>());
  }
  for (const char* section : {"model", "true_model", "start_model"}) {
    if (!config.contains(section) || !config.at(section).is_object()) continue;
    const Json& model = config.at(section);
    if (model.contains("property") && !model.at("property").is_null())
      return property_info(model.at("property").get<std::string>());
    for (const PropertyInfo& p : properties()) {
      for (const char* key : {"value", "background", "top"}) {
        if (model.contains(key + p.suffix())) return p;
      }
    }
  }
  const auto physics = config.find("physics");
  const bool dc = physics != config.end() && (physics->at("type") == "dc-2.5d" || physics->at("type") == "dc-3d");
  return dc ? property_info("conductivity") : properties().front();
}

double convert_property(double value, Quantity from, Quantity to) {
  if (from == to) return value;
  const auto elastic = [](Quantity q) { return q == Quantity::velocity || q == Quantity::slowness; };
  const auto electric = [](Quantity q) { return q == Quantity::conductivity || q == Quantity::resistivity; };
  if ((elastic(from) && elastic(to)) || (electric(from) && electric(to))) return 1 / value;
  throw Error(ErrorCode::config, "a " + std::string(name_of(from)) + " cannot be read as a " +
                                     std::string(name_of(to)) + ": give the model in " + std::string(si_unit(to)));
}

PropertyValue property_value(const Json& object, const std::string& name) {
  for (const PropertyInfo& p : properties()) {
    const auto it = object.find(name + p.suffix());
    if (it != object.end() && it->is_number()) return {it->get<double>(), p.quantity};
  }
  return {};
}

double property_value(const Json& object, const std::string& name, const PropertyInfo& property) {
  const PropertyValue v = property_value(object, name);
  if (v.quantity == Quantity::none) throw Error(ErrorCode::config, "\"" + name + property.suffix() + "\" is missing");
  return property.model_of(convert_property(v.value, v.quantity, property.quantity));
}

}  // namespace terrane
