// SPDX-License-Identifier: MIT
#include "engine/field.hpp"

#include <algorithm>
#include <cmath>

#include "engine/io/npy.hpp"
#include "engine/json_value.hpp"
#include "kernels/encode/multigrid_shape.hpp"
#include "kernels/runtime/random.hpp"

namespace terrane {

namespace {

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

// frequencies (m, axes), normal with standard deviation sigma
std::vector<double> random_frequencies(Index m, int axes, double sigma, std::uint64_t seed) {
  const Random random(seed, RandomPurpose::fourier_frequencies);
  std::vector<double> b(static_cast<std::size_t>(axes * m));
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = sigma * random.normal(i);
  return b;
}
// Every listed number of cycles along each axis by itself.
std::vector<double> axis_frequencies(const std::vector<double>& cycles, int axes) {
  std::vector<double> b;
  for (const double c : cycles) {
    for (int k = 0; k < axes * axes; ++k) b.push_back(k % (axes + 1) == 0 ? c : 0.0);
  }
  return b;
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

CoordinateScaling CoordinateScaling::make(const Grid3& grid, const std::string& coordinates) {
  CoordinateScaling c;
  const int axes = grid.dimensions();
  const auto last = [&](int a) { return static_cast<double>(grid.size(grid.axis(a)) - 1); };
  const bool isotropic = c.isotropic = coordinates == "isotropic";
  if (coordinates == "unit") {
    for (int a = 0; a < axes; ++a) c.step[a] = last(a) > 0 ? 1 / last(a) : 0;
    c.zeta_shift = 0, c.zeta_scale = 1;
    return c;
  }
  double longest = 0;
  for (int a = 0; a < axes; ++a) longest = std::max(longest, 0.5 * last(a) * grid.spacing_m(grid.axis(a)));
  for (int a = 0; a < axes; ++a) {
    const double half = 0.5 * last(a), spacing = grid.spacing_m(grid.axis(a));
    if (half == 0) continue;
    c.step[a] = isotropic ? spacing / longest : 1 / half;
    c.origin[a] = isotropic ? -half * spacing / longest : -1;
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

MlpShape sine_features_shape(Index dimensions, const std::vector<Index>& hidden, double omega) {
  const std::vector<Index> inner(hidden.begin(), hidden.end() - 1);
  MlpShape shape = inner.empty() ? MlpShape{} : layers_of(dimensions, inner, hidden.back());
  if (inner.empty()) {
    shape.layers = 1;
    shape.layer[0].n_in = dimensions;
    shape.layer[0].n_out = hidden.back();
  }
  for (int l = 0; l < shape.layers; ++l) {
    shape.layer[l].activation = Activation::sine;
    shape.layer[l].parameter = omega;
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
Field<T> Field<T>::make(const Json& field, const Grid3& grid, std::uint64_t seed) {
  grid.check();
  Field f;
  f.grid_ = grid;
  const Json* own_seed = find_quantity(field, "seed");
  f.seed_ = own_seed != nullptr && own_seed->is_number() ? own_seed->get<std::uint64_t>() : seed;
  const std::string type = type_of(field, "siren");
  f.name_ = type;
  const Json no_encoder = {{"type", "identity"}};
  const Json& encoder = field.contains("encoder") && !field.at("encoder").is_null() ? field.at("encoder") : no_encoder;
  const std::string encoder_type = type_of(encoder, "identity");
  const bool table = encoder_type == "dense-grid" || encoder_type == "hash-grid";
  if (type != "grid") {
    const std::string coordinates = word_or(field, "coordinates", "per-axis");
    if (coordinates != "per-axis" && coordinates != "isotropic" && coordinates != "unit") {
      fail("/field/coordinates", "unknown scaling \"" + coordinates + "\": use per-axis, isotropic or unit");
    }
    f.scaling_ = CoordinateScaling::make(grid, coordinates);
  }
  if (type == "grid") {
    f.type_ = FieldType::grid;
  } else if (type == "siren" || type == "fourier" || (type == "mlp" && !table)) {
    f.type_ = type == "siren" ? FieldType::siren : type == "mlp" ? FieldType::mlp : FieldType::fourier;
    f.read_network(field);
  } else if (type == "wire") {
    f.type_ = FieldType::wire;
    f.gabor_.n_in = f.axes();
    // The complex network has width / sqrt(2) units, so that it has about as many real numbers as a real one.
    f.gabor_.width = static_cast<Index>(quantity_or(field, "width", 200) / std::sqrt(2.0));
    f.gabor_.depth = static_cast<int>(quantity_or(field, "layers", 4));
    f.gabor_.omega_first = f.gabor_.omega = quantity_or(field, "omega_0", 5);
    f.gabor_.scale = quantity_or(field, "scale_0", 5);
    if (f.gabor_.width < 1) fail("/field/width", "at least 2");
    if (f.gabor_.depth + 1 > gabor_max_layers) {
      fail("/field/layers", "at most " + std::to_string(gabor_max_layers - 1) + " activated layers are supported");
    }
  } else if (type == "decoder") {
    f.read_decoder(field);
    return f;
  } else if (type == "low-rank") {
    f.type_ = FieldType::low_rank;
    f.read_low_rank(field);
  } else if (type == "mpe" || type == "ig" || type == "lrg" || type == "fusion" || type == "mlp") {
    f.type_ = FieldType::fusion;
    const std::string branch = type == "ig"    ? "siren"
                               : type == "lrg" ? "low-rank"
                                               : word_or(field, "branch", type == "fusion" ? "siren" : "none");
    if (branch != "none" && branch != "siren" && branch != "low-rank") {
      fail("/field/branch", "unknown branch \"" + branch + "\": use none, siren or low-rank");
    }
    f.read_fusion(field, table ? encoder : Json{{"type", "dense-grid"}},
                  branch == "siren"      ? FusionBranch::siren
                  : branch == "low-rank" ? FusionBranch::low_rank
                                         : FusionBranch::none);
  } else {
    fail("/field/type", "unknown field \"" + type +
                            "\": use grid, siren, mlp, fourier, wire, low-rank, mpe, ig, lrg, fusion or decoder");
  }
  if ((f.type_ == FieldType::low_rank || f.branch_ == FusionBranch::low_rank) && std::min(grid.nz, grid.nx) < 2) {
    const char* const one[] = {"row", "", "column"};
    fail("/field/type", "a low-rank field is made of functions of " + std::string(grid.flat() ? "two" : "three") +
                            " coordinates: it is not defined on a grid of one " + one[grid.nx < 2 ? 2 : 0]);
  }
  const Json none = {{"type", f.type_ == FieldType::grid ? "identity" : "perturb"}};
  f.read_map(field.contains("transform") && !field.at("transform").is_null() ? field.at("transform") : none,
             property_info(word_or(field, "property", "vp")));
  return f;
}

MlpPrecision mlp_precision(const std::string& network) {
  return network == "tf32" ? MlpPrecision::tf32 : network == "bf16" ? MlpPrecision::bf16 : MlpPrecision::tf32x3;
}

template <class T>
void Field<T>::set_precision(const std::string& network) {
  const MlpPrecision p = mlp_precision(network);
  for (MlpShape* shape : {&shape_, &branch_shape_, &factor_[0], &factor_[1], &factor_[2]}) shape->precision = p;
}

template <class T>
void Field<T>::read_low_rank(const Json& field) {
  const auto width = static_cast<Index>(quantity_or(field, "width", 128));
  const double omega = quantity_or(field, "omega_0", 30);
  const Json* ranks = find_quantity(field, "ranks");
  for (int a = 0; a < axes(); ++a) {
    rank_[a] = std::max<Index>(1, nodes(a) / 2);
    if (ranks != nullptr) {
      const auto given = ranks->get<std::vector<Index>>();
      if (given.size() != static_cast<std::size_t>(axes())) {
        fail("/field/ranks", axes() == 2 ? "give two ranks, of z and of x" : "give three ranks, of z, y and x");
      }
      rank_[a] = given[static_cast<std::size_t>(a)];
    }
    if (rank_[a] < 1) fail("/field/ranks", "a rank is at least 1");
    factor_[a] = siren_shape(1, hidden_widths(field, 128, 2), {omega, omega}, rank_[a]);
  }
  // RMS(F) = 1e-2 at the start: the variance of a factor is that of its bias, 1 / (3 width), plus that of its weights,
  // width of them over sines of mean square 1/2.
  framework_head_ = word_or(field, "final_init", "siren") == "framework";
  const double variance = 1 / (3 * static_cast<double>(width)) + (framework_head_ ? 1.0 / 6 : 1 / (omega * omega));
  core_std_ = 1e-2 / (std::sqrt(static_cast<double>(rank_[0] * rank_[1])) * variance);
  if (axes() == 3) core_std_ /= std::sqrt(static_cast<double>(rank_[2]) * variance);
  core_std_ = quantity_or(field, "core_std", core_std_);
}

// Pixel centres in [-1, 1], as the decoder was trained; the map is its own.
template <class T>
void Field<T>::read_decoder(const Json& field) {
  type_ = FieldType::decoder;
  if (!grid_.flat())
    fail("/field/type", "a decoder makes maps of two dimensions, the grid has three: use another field");
  const std::string flow = word_or(field, "flow", "");
  decoder_ = make_decoder_field(
      word_or(field, "path", ""), static_cast<Index>(quantity_or(field, "unknowns", 0)),
      {flow, static_cast<Index>(quantity_or(field, "flow_steps", 8)), word_or(field, "flow_family", "")});
  shape_ = decoder_->shape.network();
  for (int a = 0; a < axes(); ++a) {
    scaling_.step[a] = 2 / static_cast<double>(nodes(a));
    scaling_.origin[a] = -1 + 0.5 * scaling_.step[a];
  }
  map_.kind = MapKind::affine;
  map_.center = decoder_->offset_mps;
  map_.scale = decoder_->scale_mps;
}

template <class T>
void Field<T>::read_fusion(const Json& field, const Json& encoder, FusionBranch branch) {
  const bool hashed = type_of(encoder, "dense-grid") == "hash-grid";
  const std::string at = "/field/encoder";
  MultigridOptions o = multigrid_preset(word_or(encoder, "preset", "params").c_str());
  o.base = quantity_or(encoder, "base_resolution", o.base);
  o.growth = quantity_or(encoder, "growth", o.growth);
  o.levels = static_cast<int>(quantity_or(encoder, "levels", o.levels));
  o.features = static_cast<int>(quantity_or(encoder, "features", o.features));
  o.table_size = Index{1} << static_cast<int>(quantity_or(encoder, "table_log2", hashed ? 19 : 30));
  o.smoothstep = word_or(encoder, "interpolation", "linear") == "smoothstep";
  o.offset = word_or(encoder, "offset", "vertex") == "tcnn" ? GridOffset::tcnn : GridOffset::vertex;
  o.aspect = word_or(encoder, "aspect", "equal") == "match" ? GridAspect::match : GridAspect::equal;
  for (int a = 0; a < axes(); ++a) {
    o.lengths[a] = static_cast<double>(std::max<Index>(1, nodes(a) - 1)) * grid_.spacing_m(grid_.axis(a));
  }
  try {
    table_ = multigrid_shape(axes(), o);
  } catch (const Error& e) {
    fail(at, e.message());
  }
  table_init_ = quantity_or(encoder, "init", 0.1);
  branch_ = branch;
  alpha_ = branch == FusionBranch::none ? 1 : quantity_or(field, "alpha", 0.5);
  alpha_on_grid_ = branch == FusionBranch::none || word_or(field, "alpha_on", "grid") == "grid";
  normalize_ = !field.contains("normalize") || field.at("normalize").is_null() || field.at("normalize").get<bool>();
  head_scale_ = quantity_or(field, "head_scale", 0.3);
  const auto width = static_cast<Index>(quantity_or(field, "branch_width", 128));
  const auto layers = static_cast<std::size_t>(quantity_or(field, "branch_layers", 2));
  const double omega = quantity_or(field, "omega_0", 30);
  const std::vector<Index> hidden(layers, width);
  Index inputs = table_.n_out();
  if (branch != FusionBranch::none) {
    inputs += width;
    if (branch == FusionBranch::siren) branch_shape_ = sine_features_shape(axes(), hidden, omega);
    for (int a = 0; branch == FusionBranch::low_rank && a < axes(); ++a) {
      factor_[a] = sine_features_shape(1, hidden, omega);
    }
  }
  const auto [activation, parameter] = read_activation(field);
  shape_ = mlp_shape(inputs, hidden_widths(field, 64, 2), activation, parameter);
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
    shape_ = siren_shape(axes(), hidden, omega);
    return;
  }
  const Json* encoder = type_ == FieldType::fourier ? &field : nullptr;
  if (type_ == FieldType::mlp && field.contains("encoder") && type_of(field.at("encoder"), "identity") == "fourier") {
    encoder = &field.at("encoder");
  }
  if (encoder != nullptr) {
    sigma_ = quantity_or(*encoder, "sigma", 10);
    if (encoder->contains("centered") && encoder->at("centered").is_boolean() && encoder->at("centered").get<bool>()) {
      scaling_.zeta_shift -= 0.5;
    }
    const std::string file = word_or(*encoder, "file", "");
    if (!file.empty()) {
      const auto a = read_npy<double>(file);
      if (a.shape.size() != 2 || a.shape[1] != axes()) {
        throw Error(ErrorCode::data,
                    "frequencies have the shape (m, " + std::to_string(axes()) + "), this is " + shape_text(a.shape),
                    file);
      }
      frequencies_ = a.values;
      if (word_or(*encoder, "file_axes", "zx") == "xz") {
        const auto d = static_cast<std::size_t>(axes());
        for (std::size_t i = 0; i < frequencies_.size(); i += d) std::swap(frequencies_[i], frequencies_[i + d - 1]);
      }
    } else if (encoder->contains("cycles") && encoder->at("cycles").is_array()) {
      frequencies_ = axis_frequencies(encoder->at("cycles").template get<std::vector<double>>(), axes());
    } else {
      const auto m = static_cast<Index>(quantity_or(*encoder, "frequencies", 64));
      frequencies_ = random_frequencies(m, axes(), sigma_, seed_);
    }
  }
  const auto [activation, parameter] = read_activation(field);
  const std::vector<Index> hidden = hidden_widths(field, 128, type_ == FieldType::fourier ? 3 : 4);
  shape_ = mlp_shape(encoder != nullptr ? 2 * features() : Index{axes()}, hidden, activation, parameter);
}

template <class T>
void Field<T>::read_map(const Json& transform, const PropertyInfo& property) {
  const std::string at = "/field/transform", type = type_of(transform, "identity");
  const Json object = transform.is_object() ? transform : Json::object();
  const bool logarithmic = property.logarithmic;
  const auto bounds = [&] {
    map_.lo = property.model_of(quantity(object, "min", at));
    map_.hi = property.model_of(quantity(object, "max", at));
    if (!(map_.lo < map_.hi)) fail(at + "/max", "must be larger than min");
  };
  map_.scale = 1;
  if (type == "identity") {
    map_.kind = MapKind::identity;
  } else if (type == "perturb" || type == "delta") {
    map_.kind = MapKind::perturb;
    map_.scale = quantity_or(object, "scale", property.perturb_scale);
  } else if (type == "affine") {
    map_.kind = MapKind::affine;
    map_.scale = quantity_or(object, "scale", property.perturb_scale);
    map_.center = property.model_of(quantity(object, "center", at));
  } else if (type == "exp") {
    map_.kind = logarithmic ? MapKind::perturb : MapKind::exponential;  // ln m = ln m0 + s F
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
    if (!logarithmic && !(map_.lo > 0)) fail(at + "/min", "must be positive for log-bounded");
    map_.kind = logarithmic ? MapKind::bounded : MapKind::log_bounded;
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
std::vector<typename Field<T>::Part> Field<T>::parts() const {
  std::vector<Part> parts;
  Index at = 0;
  const auto add = [&](const char* group, Index size) {
    if (size > 0) parts.push_back({group, at, size});
    at += size;
  };
  const auto network = [&](const MlpShape& shape, const char* hidden) {
    const Index head = shape.offset(shape.layers - 1);
    add(hidden, head);
    add("head", shape.parameters() - head);
  };
  switch (type_) {
    case FieldType::grid:
      add("grid", grid_.cells());
      break;
    case FieldType::decoder:
      add("code", decoder_->unknowns);
      break;
    case FieldType::wire:
      add("inr", gabor_.offset(gabor_.depth));
      add("head", gabor_.layer_parameters(gabor_.depth));
      break;
    case FieldType::low_rank:
      add("inr", factor_parameters());
      add("core", rank_[0] * rank_[1] * rank_[2]);
      break;
    case FieldType::fusion:
      add("grid", table_.parameters());
      if (branch_ == FusionBranch::siren) add("inr", branch_shape_.parameters());
      if (branch_ == FusionBranch::low_rank) add("inr", factor_parameters());
      network(shape_, "fusion");
      break;
    default:
      network(shape_, "inr");
  }
  return parts;
}

template <class T>
Index Field<T>::factor_parameters() const {
  Index sum = 0;
  for (int a = 0; a < axes(); ++a) sum += factor_[a].parameters();
  return sum;
}

template <class T>
Index Field<T>::parameters() const {
  const Part last = parts().back();
  return last.offset + last.size;
}

template <class T>
Index Field<T>::published_parameters() const {
  if (type_ == FieldType::wire) return gabor_.complex_parameters();
  if (type_ == FieldType::low_rank) return parameters() - rank_[0] * rank_[1] * rank_[2];
  return parameters();
}

template <class T>
std::vector<ParameterGroup> Field<T>::groups() const {
  std::vector<ParameterGroup> groups;
  for (const Part& p : parts()) groups.push_back({p.group, p.offset, p.size});
  return groups;
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

// Uniform weights and biases of one network; `sines`: the rule of Sitzmann et al.
template <class T>
void Field<T>::fill_network(const MlpShape& shape, Index offset, bool sines, double head_scale, bool zero_last_bias,
                            std::vector<T>& theta) const {
  const Random random(seed_, RandomPurpose::field_init);
  for (int l = 0; l < shape.layers; ++l) {
    const MlpLayer& layer = shape.layer[l];
    const bool last = l + 1 == shape.layers, head = last && layer.activation == Activation::identity;
    const double n_in = static_cast<double>(layer.n_in), framework = 1 / std::sqrt(n_in);
    double bound = framework * (head ? head_scale : 1);
    if (sines && !(head && framework_head_)) {
      // the last layer is scaled as the hidden layer below it, the first by the number of coordinates
      const double omega = shape.layer[head && l > 0 ? l - 1 : l].parameter;
      bound = l == 0 ? 1 / n_in : std::sqrt(6 / n_in) / omega;
    }
    const Index first = offset + shape.offset(l), bias = first + layer.n_in * layer.n_out;
    const Index end = first + layer.parameters();
    for (Index i = first; i < end; ++i) {
      const double b = i < bias ? bound : (head && zero_last_bias ? 0 : framework);
      theta[static_cast<std::size_t>(i)] = static_cast<T>(random.uniform(static_cast<std::uint64_t>(i), 0, -b, b));
    }
  }
}

template <class T>
void Field<T>::fill_gabor(std::vector<T>& theta) const {
  const Random random(seed_, RandomPurpose::field_init);
  for (int l = 0; l < gabor_.layers(); ++l) {
    const Index first = gabor_.offset(l), end = first + gabor_.layer_parameters(l);
    const Index bias = end - (l == 0 ? 1 : 2) * gabor_.outputs(l);
    const double bound = 1 / std::sqrt(static_cast<double>(gabor_.inputs(l)));
    for (Index i = first; i < end; ++i) {
      const double b = i >= bias && l == gabor_.depth && starts_at_zero() ? 0 : bound;
      theta[static_cast<std::size_t>(i)] = static_cast<T>(random.uniform(static_cast<std::uint64_t>(i), 0, -b, b));
    }
  }
}

template <class T>
std::vector<T> Field<T>::initial_parameters(const std::vector<T>& start_model) const {
  if (type_ == FieldType::grid) return initial_grid(start_model);
  std::vector<T> theta(static_cast<std::size_t>(parameters()));
  if (type_ == FieldType::decoder) return theta;  // the mean of the training codes
  const Random random(seed_, RandomPurpose::field_init);
  const bool zero = starts_at_zero();
  Index at = 0;
  const auto fill_factors = [&] {
    for (int a = 0; a < axes(); ++a) {
      fill_network(factor_[a], at, true, 1, false, theta);
      at += factor_[a].parameters();
    }
  };
  if (type_ == FieldType::wire) {
    fill_gabor(theta);
  } else if (type_ == FieldType::low_rank) {
    fill_factors();
    for (Index i = at; i < parameters(); ++i) {
      theta[static_cast<std::size_t>(i)] = static_cast<T>(core_std_ * random.normal(static_cast<std::uint64_t>(i)));
    }
  } else if (type_ == FieldType::fusion) {
    for (; at < table_.parameters(); ++at) {
      theta[static_cast<std::size_t>(at)] =
          static_cast<T>(random.uniform(static_cast<std::uint64_t>(at), 0, -table_init_, table_init_));
    }
    if (branch_ == FusionBranch::siren) {
      fill_network(branch_shape_, at, true, 1, false, theta);
      at += branch_shape_.parameters();
    }
    if (branch_ == FusionBranch::low_rank) fill_factors();
    fill_network(shape_, at, false, head_scale_, zero, theta);
  } else {
    fill_network(shape_, 0, type_ == FieldType::siren, 1, zero, theta);
  }
  return theta;
}

template class Field<float>;
template class Field<double>;

}  // namespace terrane
