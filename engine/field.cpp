// SPDX-License-Identifier: MIT
#include "engine/field.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "autodiff/ops/encode_op.hpp"
#include "autodiff/ops/misfit.hpp"
#include "autodiff/ops/mlp_op.hpp"
#include "kernels/runtime/random.hpp"

namespace terrane {

namespace {

using Json = nlohmann::ordered_json;

[[noreturn]] void fail(const std::string& pointer, const std::string& message) {
  throw Error(ErrorCode::config, message, pointer);
}

// The value of `name`, with or without its unit: "min" finds "min_mps".
const Json* find_quantity(const Json& object, const std::string& name) {
  for (const auto& [key, value] : object.items()) {
    if (value.is_null()) continue;
    if (key == name || key.rfind(name + "_", 0) == 0) return &value;
  }
  return nullptr;
}
double quantity(const Json& object, const std::string& name, const std::string& pointer) {
  const Json* v = find_quantity(object, name);
  if (v == nullptr || !v->is_number()) fail(pointer + "/" + name, "missing: give a number");
  return v->get<double>();
}
double quantity_or(const Json& object, const std::string& name, double fallback) {
  const Json* v = find_quantity(object, name);
  return v != nullptr && v->is_number() ? v->get<double>() : fallback;
}
std::string word_or(const Json& object, const std::string& key, const std::string& fallback) {
  if (!object.is_object() || !object.contains(key) || object.at(key).is_null()) return fallback;
  return object.at(key).get<std::string>();
}
// A component is its type alone or an object with "type".
std::string type_of(const Json& component, const std::string& fallback) {
  if (component.is_string()) return component.get<std::string>();
  return word_or(component, "type", fallback);
}

std::vector<Index> hidden_widths(const Json& field, Index width, Index layers) {
  if (field.contains("hidden") && field.at("hidden").is_array()) return field.at("hidden").get<std::vector<Index>>();
  width = static_cast<Index>(quantity_or(field, "width", static_cast<double>(width)));
  layers = static_cast<Index>(quantity_or(field, "layers", static_cast<double>(layers)));
  return std::vector<Index>(static_cast<std::size_t>(std::max<Index>(layers, 0)), width);
}

struct ActivationChoice {
  Activation activation;
  double parameter;
};
ActivationChoice read_activation(const Json& field) {
  const Json a = field.contains("activation") ? field.at("activation") : Json("relu");
  const std::string type = type_of(a, "relu");
  if (type == "relu") return {Activation::relu, 0};
  if (type == "leaky-relu") return {Activation::leaky_relu, a.is_object() ? quantity_or(a, "slope", 0.01) : 0.01};
  if (type == "tanh") return {Activation::tanh, 0};
  if (type == "gelu") return {Activation::gelu, 0};
  if (type == "sine") return {Activation::sine, a.is_object() ? quantity_or(a, "omega", 1) : 1};
  fail("/field/activation/type", "unknown activation \"" + type + "\": use relu, leaky-relu, tanh, gelu or sine");
}

// frequencies (m, 2), normal with standard deviation sigma
std::vector<double> random_frequencies(Index m, double sigma, std::uint64_t seed) {
  const Random random(seed, RandomPurpose::fourier_frequencies);
  std::vector<double> b(static_cast<std::size_t>(2 * m));
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = sigma * random.normal(i);
  return b;
}
// Every listed number of cycles along each axis by itself.
std::vector<double> axis_frequencies(const std::vector<double>& cycles) {
  std::vector<double> b;
  for (const double c : cycles) b.insert(b.end(), {c, 0.0, 0.0, c});
  return b;
}

std::string text_of(double x) {
  std::ostringstream out;
  out.precision(17);
  out << x;
  return out.str();
}
std::string name_of(Activation a) {
  constexpr const char* names[] = {"identity", "sine", "relu", "leaky-relu", "tanh", "gelu"};
  return names[static_cast<int>(a)];
}
std::string name_of(MapKind k) {
  constexpr const char* names[] = {"identity",        "perturb",     "affine",         "exp",        "bounded",
                                   "bounded-perturb", "log-bounded", "scaled-sigmoid", "scaled-tanh"};
  return names[static_cast<int>(k)];
}
std::string name_of(FieldType t) {
  constexpr const char* names[] = {"grid", "siren", "mlp", "fourier"};
  return names[static_cast<int>(t)];
}

MlpShape layers_of(Index inputs, const std::vector<Index>& hidden, Index outputs) {
  if (hidden.empty()) fail("/field/layers", "a network needs at least one activated layer");
  if (hidden.size() + 1 > mlp_max_layers) {
    fail("/field/layers", "at most " + std::to_string(mlp_max_layers - 1) + " activated layers are supported");
  }
  MlpShape shape;
  shape.layers = static_cast<int>(hidden.size()) + 1;
  for (int l = 0; l < shape.layers; ++l) {
    const auto k = static_cast<std::size_t>(l);
    shape.layer[l].n_in = l == 0 ? inputs : hidden[k - 1];
    shape.layer[l].n_out = k < hidden.size() ? hidden[k] : outputs;
    if (shape.layer[l].n_in < 1 || shape.layer[l].n_out < 1) fail("/field/width", "a layer needs at least one neuron");
  }
  return shape;
}

}  // namespace

CoordinateScaling CoordinateScaling::make(const Grid2& grid, bool isotropic) {
  CoordinateScaling c;
  c.isotropic = isotropic;
  const double half[2] = {0.5 * static_cast<double>(grid.nz - 1), 0.5 * static_cast<double>(grid.nx - 1)};
  const double spacing[2] = {grid.dz_m, grid.dx_m};
  const double longest = std::max(half[0] * spacing[0], half[1] * spacing[1]);
  for (int a = 0; a < 2; ++a) {
    if (half[a] == 0) continue;
    c.step[a] = isotropic ? spacing[a] / longest : 1 / half[a];
    c.origin[a] = isotropic ? -half[a] * spacing[a] / longest : -1;
  }
  return c;
}

MlpShape siren_shape(Index dimensions, const std::vector<Index>& hidden, const std::vector<double>& omega,
                     Index outputs) {
  MlpShape shape = layers_of(dimensions, hidden, outputs);
  for (int l = 0; l + 1 < shape.layers; ++l) {
    shape.layer[l].activation = Activation::sine;
    shape.layer[l].parameter = omega[std::min(static_cast<std::size_t>(l), omega.size() - 1)];
  }
  return shape;
}

MlpShape mlp_shape(Index inputs, const std::vector<Index>& hidden, Activation activation, double parameter,
                   Index outputs) {
  MlpShape shape = layers_of(inputs, hidden, outputs);
  for (int l = 0; l + 1 < shape.layers; ++l) {
    shape.layer[l].activation = activation;
    shape.layer[l].parameter = parameter;
  }
  return shape;
}

template <class T>
Field<T> Field<T>::make(const Json& field, const Grid2& grid, std::uint64_t seed) {
  grid.check();
  Field f;
  f.grid_ = grid;
  const Json* own_seed = find_quantity(field, "seed");
  f.seed_ = own_seed != nullptr && own_seed->is_number() ? own_seed->get<std::uint64_t>() : seed;
  const std::string type = type_of(field, "siren");
  if (type == "grid") {
    f.type_ = FieldType::grid;
  } else if (type == "siren") {
    f.type_ = FieldType::siren;
  } else if (type == "mlp") {
    f.type_ = FieldType::mlp;
  } else if (type == "fourier") {
    f.type_ = FieldType::fourier;
  } else {
    fail("/field/type", "unknown field \"" + type + "\": use grid, siren, mlp or fourier");
  }
  if (f.type_ != FieldType::grid) {
    const std::string coordinates = word_or(field, "coordinates", "per-axis");
    if (coordinates != "per-axis" && coordinates != "isotropic") {
      fail("/field/coordinates", "unknown scaling \"" + coordinates + "\": use per-axis or isotropic");
    }
    f.scaling_ = CoordinateScaling::make(grid, coordinates == "isotropic");
    f.read_network(field);
  }
  const Json none = {{"type", f.type_ == FieldType::grid ? "identity" : "perturb"}};
  f.read_map(field.contains("transform") && !field.at("transform").is_null() ? field.at("transform") : none);
  return f;
}

template <class T>
void Field<T>::read_network(const Json& field) {
  if (type_ == FieldType::siren) {
    const std::vector<Index> hidden = hidden_widths(field, 128, 4);
    const double first = quantity_or(field, "omega_0", 30), rest = quantity_or(field, "omega_hidden", first);
    std::vector<double> omega(std::max<std::size_t>(hidden.size(), 1), rest);
    omega[0] = first;
    if (field.contains("omega") && field.at("omega").is_array()) omega = field.at("omega").get<std::vector<double>>();
    if (omega.size() < hidden.size()) fail("/field/omega", "give one frequency factor for each activated layer");
    framework_head_ = word_or(field, "final_init", "siren") == "framework";
    shape_ = siren_shape(2, hidden, omega);
    return;
  }
  const Json* encoder = type_ == FieldType::fourier ? &field : nullptr;
  if (type_ == FieldType::mlp && field.contains("encoder") && type_of(field.at("encoder"), "identity") == "fourier") {
    encoder = &field.at("encoder");
  }
  if (encoder != nullptr) {
    sigma_ = quantity_or(*encoder, "sigma", 10);
    if (encoder->contains("cycles") && encoder->at("cycles").is_array()) {
      frequencies_ = axis_frequencies(encoder->at("cycles").template get<std::vector<double>>());
    } else {
      const auto m = static_cast<Index>(quantity_or(*encoder, "frequencies", 64));
      frequencies_ = random_frequencies(m, sigma_, seed_);
    }
  }
  const auto [activation, parameter] = read_activation(field);
  const std::vector<Index> hidden = hidden_widths(field, 128, type_ == FieldType::fourier ? 3 : 4);
  shape_ = mlp_shape(encoder != nullptr ? 2 * features() : 2, hidden, activation, parameter);
}

template <class T>
void Field<T>::read_map(const Json& transform) {
  const std::string at = "/field/transform", type = type_of(transform, "identity");
  const Json object = transform.is_object() ? transform : Json::object();
  const auto bounds = [&] {
    map_.lo = quantity(object, "min", at);
    map_.hi = quantity(object, "max", at);
    if (!(map_.lo < map_.hi)) fail(at + "/max", "must be larger than min");
  };
  map_.scale = 1;
  if (type == "identity") {
    map_.kind = MapKind::identity;
  } else if (type == "perturb" || type == "delta") {
    map_.kind = MapKind::perturb;
    map_.scale = quantity_or(object, "scale", 1000);
  } else if (type == "affine") {
    map_.kind = MapKind::affine;
    map_.scale = quantity_or(object, "scale", 1000);
    map_.center = quantity(object, "center", at);
  } else if (type == "exp") {
    map_.kind = MapKind::exponential;
    map_.scale = quantity_or(object, "scale", 1);
  } else if (type == "bounded") {
    bounds();
    const bool around = word_or(object, "around", "") == "start_model";
    map_.kind = around ? MapKind::bounded_perturb : MapKind::bounded;
    map_.scale = quantity_or(object, "scale", 1);
  } else if (type == "bounded-perturb") {
    bounds();
    map_.kind = MapKind::bounded_perturb;
    map_.scale = quantity_or(object, "scale", 1);
  } else if (type == "log-bounded") {
    bounds();
    if (!(map_.lo > 0)) fail(at + "/min", "must be positive for log-bounded");
    map_.kind = MapKind::log_bounded;
  } else if (type == "scaled-sigmoid" || type == "scaled-tanh") {
    const bool tanh = type == "scaled-tanh";
    map_.scale = quantity_or(object, "scale", tanh ? 10 : -8);
    map_.kind = tanh ? MapKind::scaled_tanh : MapKind::scaled_sigmoid;
  } else {
    fail(at + "/type", "unknown output map \"" + type + "\"");
  }
  if (!(std::isfinite(map_.scale) && map_.scale != 0)) fail(at + "/scale", "must be a finite number other than 0");
}

template <class T>
Index Field<T>::parameters() const {
  return type_ == FieldType::grid ? grid_.cells() : shape_.parameters();
}

template <class T>
std::vector<ParameterGroup> Field<T>::groups() const {
  if (type_ == FieldType::grid) return {{"grid", 0, parameters()}};
  const Index head = shape_.offset(shape_.layers - 1);
  return {{"inr", 0, head}, {"head", head, parameters() - head}};
}

template <class T>
bool Field<T>::starts_at_zero() const {
  return map_.kind == MapKind::perturb || map_.kind == MapKind::bounded_perturb || map_.kind == MapKind::exponential;
}

// F that gives m0, where the map has an inverse that needs m0.
template <class T>
std::vector<T> Field<T>::initial_grid(const std::vector<T>& start_model) const {
  std::vector<T> theta(static_cast<std::size_t>(parameters()), T(0));
  if (starts_at_zero()) return theta;
  if (start_model.size() != theta.size()) {
    fail("/field", "a grid starts from a start model of " + std::to_string(theta.size()) + " values: add start_model");
  }
  const auto inverse_sigmoid = [](double u) { return logit(std::clamp(u, 1e-3, 1 - 1e-3)); };
  for (std::size_t i = 0; i < theta.size(); ++i) {
    const auto m = static_cast<double>(start_model[i]);
    double f = m;
    if (map_.kind == MapKind::affine) f = (m - map_.center) / map_.scale;
    if (map_.kind == MapKind::bounded) f = inverse_sigmoid((m - map_.lo) / (map_.hi - map_.lo)) / map_.scale;
    if (map_.kind == MapKind::log_bounded) {
      f = inverse_sigmoid(natural_log(std::max(m, map_.lo) / map_.lo) / natural_log(map_.hi / map_.lo));
    }
    if (map_.kind == MapKind::scaled_sigmoid) f = inverse_sigmoid(m / map_.scale);
    if (map_.kind == MapKind::scaled_tanh) f = 0.5 * inverse_sigmoid(0.5 * (1 + m / map_.scale));
    theta[i] = map_.kind == MapKind::identity ? start_model[i] : static_cast<T>(f);
  }
  return theta;
}

template <class T>
std::vector<T> Field<T>::initial_parameters(const std::vector<T>& start_model) const {
  if (type_ == FieldType::grid) return initial_grid(start_model);
  const Random random(seed_, RandomPurpose::field_init);
  std::vector<T> theta(static_cast<std::size_t>(parameters()));
  for (int l = 0; l < shape_.layers; ++l) {
    const MlpLayer& layer = shape_.layer[l];
    const bool last = l == shape_.layers - 1;
    const double n_in = static_cast<double>(layer.n_in), framework = 1 / std::sqrt(n_in);
    double bound = framework;
    if (type_ == FieldType::siren && !(last && framework_head_)) {
      // the last layer is scaled as the hidden layer below it, the first by the number of coordinates
      const double omega = shape_.layer[last ? l - 1 : l].parameter;
      bound = l == 0 ? 1 / n_in : std::sqrt(6 / n_in) / omega;
    }
    const Index first = shape_.offset(l), bias = first + layer.n_in * layer.n_out, end = first + layer.parameters();
    for (Index i = first; i < end; ++i) {
      const double b = i < bias ? bound : (last && starts_at_zero() ? 0 : framework);
      theta[static_cast<std::size_t>(i)] = static_cast<T>(random.uniform(static_cast<std::uint64_t>(i), 0, -b, b));
    }
  }
  return theta;
}

template <class T>
Var Field<T>::record(Tape<T>& tape, Var theta, Var start_model, Var mask) const {
  const Index n = grid_.cells();
  Var out = theta;
  if (type_ != FieldType::grid) {
    Stream& s = tape.stream();
    Var x = tape.input({n, 2}, "coordinates", false);
    GridCoordinates<T> c{grid_.nz, grid_.nx, {}, {}, tape.data(x)};
    for (int a = 0; a < 2; ++a) {
      const bool unit = !frequencies_.empty();  // zeta = (xi + 1) / 2
      c.origin[a] = unit ? 0.5 * (scaling_.origin[a] + 1) : scaling_.origin[a];
      c.step[a] = unit ? 0.5 * scaling_.step[a] : scaling_.step[a];
    }
    grid_coordinates(s, c);
    if (!frequencies_.empty()) {
      const Var b = tape.input({features(), 2}, "frequencies", false);
      tape.set(b, std::vector<T>(frequencies_.begin(), frequencies_.end()));
      x = tape.apply(std::make_shared<FourierOp<T>>(n, 2, features()), {x, b});
    }
    out = tape.apply(std::make_shared<MlpOp<T>>(shape_, n), {theta, x});
  }
  OutputMap map = map_;
  map.masked = mask.valid();
  std::vector<Var> in = {out, start_model};
  if (mask.valid()) in.push_back(mask);
  return tape.apply(std::make_shared<OutputMapOp<T>>(map, Shape{grid_.nz, grid_.nx}), in);
}

template <class T>
std::map<std::string, std::string> Field<T>::metadata() const {
  std::map<std::string, std::string> m;
  m["field.type"] = name_of(type_);
  m["field.parameters"] = std::to_string(parameters());
  m["field.seed"] = std::to_string(seed_);
  m["grid"] = std::to_string(grid_.nz) + " " + std::to_string(grid_.nx);
  m["grid.spacing_m"] = text_of(grid_.dz_m) + " " + text_of(grid_.dx_m);
  m["grid.origin_m"] = text_of(grid_.z0_m) + " " + text_of(grid_.x0_m);
  m["map.type"] = name_of(map_.kind);
  m["map.scale"] = text_of(map_.scale);
  m["map.center"] = text_of(map_.center);
  m["map.bounds"] = text_of(map_.lo) + " " + text_of(map_.hi);
  for (const ParameterGroup& g : groups()) {
    m["group." + g.name] = std::to_string(g.offset) + " " + std::to_string(g.size);
  }
  if (type_ == FieldType::grid) return m;
  m["coordinates"] = scaling_.isotropic ? "isotropic" : "per-axis";
  m["coordinates.origin"] = text_of(scaling_.origin[0]) + " " + text_of(scaling_.origin[1]);
  m["coordinates.step"] = text_of(scaling_.step[0]) + " " + text_of(scaling_.step[1]);
  std::string layers;
  for (int l = 0; l < shape_.layers; ++l) {
    const MlpLayer& layer = shape_.layer[l];
    layers += (l == 0 ? "" : ", ") + std::to_string(layer.n_in) + "-" + std::to_string(layer.n_out) + " " +
              name_of(layer.activation) + " " + text_of(layer.parameter);
  }
  m["network.layers"] = layers;
  if (frequencies_.empty()) return m;
  m["fourier.sigma"] = text_of(sigma_);
  std::string b;
  for (const double f : frequencies_) b += (b.empty() ? "" : " ") + text_of(f);
  m["fourier.frequencies"] = b;
  return m;
}

template <class T>
Index Field<T>::memory_bytes() const {
  Index values = grid_.cells();  // m
  if (type_ != FieldType::grid) values += grid_.cells() * (2 + 1 + 2 * features()) + 2 * features();
  return values * static_cast<Index>(sizeof(T));
}

template <class T>
Index Field<T>::workspace_bytes(int threads) const {
  if (type_ == FieldType::grid) return 0;
  constexpr Index tile = 64, chunks = 32, padding = 16;
  Index packed = 0, rows = 0, widest = shape_.n_in();
  for (int l = 0; l < shape_.layers; ++l) {
    const MlpLayer& layer = shape_.layer[l];
    packed += (layer.n_in + padding) * (layer.n_out + padding);
    rows += 2 * (layer.n_out + 2 * padding);
    widest = std::max(widest, layer.n_out);
  }
  const Index tiles = (grid_.cells() + tile - 1) / tile;
  const Index partial = std::min({tiles, chunks, std::max<Index>(4, (Index{64} << 20) / (packed * Index{sizeof(T)}))});
  rows += 3 * (widest + 2 * padding);
  return (packed * (2 + partial) + threads * tile * rows) * static_cast<Index>(sizeof(T));
}

template class Field<float>;
template class Field<double>;

namespace {

template <class T>
double rms_difference(const std::vector<T>& a, const std::vector<T>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sum += d * d;
  }
  return std::sqrt(sum / static_cast<double>(a.size()));
}

// What one unit of F means, for a misfit of order one.
double map_unit(const OutputMap& map, double rms_m0) {
  if (map.kind == MapKind::perturb || map.kind == MapKind::affine) return std::abs(map.scale);
  if (map.kind == MapKind::bounded || map.kind == MapKind::bounded_perturb || map.kind == MapKind::log_bounded) {
    return map.hi - map.lo;
  }
  return rms_m0 > 0 ? rms_m0 : 1;
}

}  // namespace

template <class T>
PrefitReport prefit(Stream& s, const Field<T>& field, const std::vector<T>& start_model, int iterations, double lr,
                    std::vector<T>& theta) {
  Tape<T> tape(s);
  const Index n = field.grid().cells(), p = field.parameters();
  const Var parameters = tape.input({p}, "theta");
  const Var m0 = tape.input({field.grid().nz, field.grid().nx}, "start_model", false);
  const Var weight = tape.input({field.grid().nz, field.grid().nx}, "weight", false);
  tape.set(parameters, theta);
  tape.set(m0, start_model);
  const double unit = map_unit(field.map(), rms_difference(start_model, std::vector<T>(start_model.size(), T(0))));
  const double w = 1 / (unit * std::sqrt(static_cast<double>(n)));
  tape.set(weight, std::vector<T>(static_cast<std::size_t>(n), static_cast<T>(w)));
  const Var m = field.record(tape, parameters, m0);
  const Var phi = tape.apply(std::make_shared<PointMisfitOp<T>>(MisfitKind::l2), {m, m0, weight});
  Sweep<T> sweep(tape);
  const Buffer<T> first(s, p), second(s, p);
  for (const Buffer<T>* b : {&first, &second}) fill(s, Fill<T>{b->data(), T(0), p});
  tape.forward();
  PrefitReport report;
  report.rms_before = rms_difference(tape.get(m), start_model);
  double b1 = 1, b2 = 1;
  for (int i = 0; i < iterations; ++i) {
    tape.backward(sweep, phi);
    b1 *= 0.9;
    b2 *= 0.999;
    adam_step(s, AdamStep<T>{tape.data(parameters), sweep.cotangent(parameters), first.data(), second.data(), lr, 0.9,
                             0.999, 1e-8, 1 - b1, 1 - b2, 1.0, 0.0, p});
    tape.forward();
  }
  report.rms_after = rms_difference(tape.get(m), start_model);
  theta = tape.get(parameters);
  return report;
}

template PrefitReport prefit(Stream&, const Field<float>&, const std::vector<float>&, int, double, std::vector<float>&);
template PrefitReport prefit(Stream&, const Field<double>&, const std::vector<double>&, int, double,
                             std::vector<double>&);

}  // namespace terrane
