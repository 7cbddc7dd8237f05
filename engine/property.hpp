// SPDX-License-Identifier: MIT
// The property that a model stands for: its unit, and the sizes that depend on the unit. Velocity and slowness are
// reciprocal, conductivity and resistivity too: a model given in one is read as the other where the config asks for it.
// log-conductivity stands for ln(sigma / (S/m)) in all computations (maps, regularizers, bounds); configs and files
// give and hold sigma in S/m.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "engine/registry.hpp"

namespace terrane {

struct PropertyInfo {
  const char* name;          // "vp"
  const char* title;         // "velocity"
  Quantity quantity;         // of its values in configs and files: suffix and SI unit
  double penalty_unit;       // regularizers see m / penalty_unit
  double perturb_scale;      // change of the model per unit of network output, unless the config says it
  double grid_rate;          // default rate of a grid of values
  bool logarithmic = false;  // the model is the logarithm of the value
  std::string suffix() const { return std::string(suffix_of(quantity)); }
  std::string unit() const { return std::string(si_unit(quantity)); }
  // Of a resistive medium: its errors are those of log10 of the value.
  bool electric() const { return quantity == Quantity::conductivity || quantity == Quantity::resistivity; }
  // Between the value and what the model holds.
  double value_of(double m) const;
  double model_of(double value) const;
};

const std::vector<PropertyInfo>& properties();
const PropertyInfo& property_info(std::string_view name);  // Error{config} for an unknown name
// Of a resolved config: that of the field, else of the models, else velocity.
const PropertyInfo& property_of(const nlohmann::ordered_json& config);

// The same value in the unit of another property. Error{config} where there is no rule (velocity <-> slowness,
// conductivity <-> resistivity).
double convert_property(double value, Quantity from, Quantity to);

// The number that `name` of `object` gives in any property unit, "value_mps" or "value_s_per_m". Quantity::none in
// `quantity` when there is none.
struct PropertyValue {
  double value = 0;
  Quantity quantity = Quantity::none;
};
PropertyValue property_value(const nlohmann::ordered_json& object, const std::string& name);
// As the model of `property` holds it; Error{config} if it is missing.
double property_value(const nlohmann::ordered_json& object, const std::string& name, const PropertyInfo& property);

}  // namespace terrane
