// SPDX-License-Identifier: MIT
#include "engine/weights.hpp"

#include <algorithm>
#include <cctype>
#include <string>

#include "engine/io/npz.hpp"
#include "engine/io/safetensors.hpp"
#include "engine/json_value.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {

namespace {

std::vector<double> values_of(const Tensor& t) {
  return std::visit([](const auto& v) { return std::vector<double>(v.begin(), v.end()); }, t.values);
}

// Numbers inside names compare as numbers.
bool natural_less(const std::string& a, const std::string& b) {
  const auto digit = [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; };
  std::size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (digit(a[i]) && digit(b[j])) {
      std::size_t ie = i, je = j;
      while (ie < a.size() && digit(a[ie])) ++ie;
      while (je < b.size() && digit(b[je])) ++je;
      const std::string x = a.substr(i, ie - i), y = b.substr(j, je - j);
      if (x.size() != y.size()) return x.size() < y.size();
      if (x != y) return x < y;
      i = ie, j = je;
    } else if (a[i] != b[j]) {
      return a[i] < b[j];
    } else {
      ++i, ++j;
    }
  }
  return a.size() - i < b.size() - j;
}

// theta: the first weight (outputs, inputs).
void negate_columns(const Json& signs, const MlpLayer& layer, std::vector<double>& theta) {
  if (signs.is_null()) return;
  const auto s = signs.get<std::vector<Index>>();
  if (static_cast<Index>(s.size()) != layer.n_in || std::count(s.begin(), s.end(), Index{0}) > 0) {
    throw Error(ErrorCode::config, "/field/initial_weights/signs: must be 1 or -1 for each of the " +
                                       std::to_string(layer.n_in) + " inputs");
  }
  for (std::size_t i = 0; i < theta.size(); ++i) theta[i] *= static_cast<double>(s[i % s.size()]);
}

}  // namespace

std::vector<double> read_weights(const Json& section, const MlpShape& network, Index parameters) {
  const std::string path = section.at("path");
  const TensorMap tensors = path.ends_with(".npz") ? read_npz_tensors(path) : read_safetensors(path).tensors;
  const Json& columns = section.at("columns");
  if (const auto theta = tensors.find("theta"); theta != tensors.end()) {
    auto values = values_of(theta->second);
    const bool ordered = !columns.is_null() || !section.at("signs").is_null();
    if (static_cast<Index>(values.size()) != parameters || ordered) {
      throw Error(ErrorCode::data,
                  !ordered ? "the file holds " + std::to_string(values.size()) + " parameters, the field " +
                                 std::to_string(parameters) + ": the run had another field or grid"
                           : "\"columns\" and \"signs\" belong to files with one tensor per layer",
                  path);
    }
    return values;
  }
  std::vector<std::string> layers;
  for (const auto& [name, tensor] : tensors) {
    if (name.ends_with(".weight")) layers.push_back(name.substr(0, name.size() - 7));
  }
  std::sort(layers.begin(), layers.end(), natural_less);
  if (network.layers == 0 || static_cast<int>(layers.size()) != network.layers || parameters != network.parameters()) {
    throw Error(ErrorCode::data,
                "the file holds the weights of " + std::to_string(layers.size()) + " layers, the network has " +
                    std::to_string(network.layers),
                path);
  }
  std::vector<double> theta;
  theta.reserve(static_cast<std::size_t>(parameters));
  for (int l = 0; l < network.layers; ++l) {
    const MlpLayer& layer = network.layer[l];
    const std::string& name = layers[static_cast<std::size_t>(l)];
    const Tensor& weight = tensors.at(name + ".weight");
    const auto bias = tensors.find(name + ".bias");
    const std::vector<Index> want{layer.n_out, layer.n_in};
    if (weight.shape != want || bias == tensors.end() || bias->second.shape != std::vector<Index>{layer.n_out}) {
      throw Error(ErrorCode::data,
                  "tensor " + name + ".weight has the shape " + shape_text(weight.shape) + ", the layer " +
                      shape_text(want) + " (outputs, inputs) and a bias",
                  path);
    }
    const auto w = values_of(weight), b = values_of(bias->second);
    if (l == 0 && !columns.is_null()) {
      auto order = columns.get<std::vector<Index>>();
      auto sorted = order;
      std::sort(sorted.begin(), sorted.end());
      bool permutation = static_cast<Index>(order.size()) == layer.n_in;
      for (std::size_t k = 0; permutation && k < sorted.size(); ++k) permutation = sorted[k] == static_cast<Index>(k);
      if (!permutation) {
        throw Error(ErrorCode::config, "/field/initial_weights/columns: must name each of the " +
                                           std::to_string(layer.n_in) + " columns once, counted from 0");
      }
      for (Index o = 0; o < layer.n_out; ++o) {
        for (const Index c : order) theta.push_back(w[static_cast<std::size_t>(o * layer.n_in + c)]);
      }
      negate_columns(section.at("signs"), layer, theta);
    } else {
      theta.insert(theta.end(), w.begin(), w.end());
      if (l == 0) negate_columns(section.at("signs"), layer, theta);
    }
    theta.insert(theta.end(), b.begin(), b.end());
  }
  return theta;
}

}  // namespace terrane
