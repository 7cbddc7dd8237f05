// SPDX-License-Identifier: MIT
#include "engine/compression/single_network.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

// A code of one number at the input: its column, times the code, is one more bias of the first layer.
DecoderShape single_shape(const SingleNetworkOptions& o, Index dims) {
  return {.dims = dims, .code = 1, .width = o.width, .hidden = o.hidden, .concatenated = true, .omega = o.omega};
}

}  // namespace

float rounded_to_half(float v) {
  constexpr float largest = 65504.0F;
  if (!std::isfinite(v) || v == 0) return v;
  const int exponent = std::max(std::ilogb(v), -14);
  const float rounded = std::ldexp(std::nearbyint(std::ldexp(v, 10 - exponent)), exponent - 10);
  return std::clamp(rounded, -largest, largest);
}

Index single_network_bytes(const SingleNetworkOptions& o, Index dims) {
  return 2 * single_shape(o, dims).network_parameters();
}

AutoDecoder fit_single_network(Stream& s, const ModelSet& set, const SingleNetworkOptions& o,
                               std::optional<std::array<double, 2>> range_mps) {
  require(set.count() == 1, ErrorCode::data, "a single network is fitted to one model");
  AutoDecoderPreset preset;
  preset.shape = single_shape(o, set.extent[1] > 1 ? 3 : 2);
  preset.train = TrainOptions{.steps = o.steps,
                              .batch = 1,
                              .points = set.points(),
                              .full_from = 0,
                              .lr_network = o.lr,
                              .lr_codes = o.lr,
                              .lr_hidden = o.lr / 5,
                              .muon = o.muon,
                              .penalty = 0,
                              .seed = o.seed};
  AutoDecoderTrainer trainer(s, preset, set, range_mps);
  while (trainer.steps_done() < o.steps) trainer.step();
  AutoDecoder d = trainer.decoder();
  const DecoderShape& shape = d.shape;
  const MlpShape net = shape.network();
  const float code = d.training_codes.at(0);
  const auto bias = static_cast<std::size_t>(net.offset(0) + net.layer[0].n_in * net.layer[0].n_out);
  const auto column = static_cast<std::size_t>(shape.network_parameters());
  for (std::size_t k = 0; k < static_cast<std::size_t>(shape.width); ++k) {
    d.parameters[bias + k] += code * d.parameters[column + k];
    d.parameters[column + k] = 0;
  }
  for (float& p : d.parameters) p = rounded_to_half(p);
  d.training_codes.clear();
  d.statistics = {{0}, {0}, {0}, {0}};
  return d;
}

}  // namespace terrane
