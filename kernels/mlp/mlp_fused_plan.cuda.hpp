// SPDX-License-Identifier: MIT
// Host side of the fused network kernels: which networks they serve, packing of weights, sum of partial gradients.
#pragma once

#include <algorithm>

#include "kernels/mlp/mlp_fused.cuda.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {

constexpr Index fused_partial_bytes = Index{64} << 20;  // at most this much for all partial gradients

// Where float j of the packed weights stands in theta; -1: padding. Matrices are row-major or, for partial gradients,
// in the order of fragments.
struct FusedPlace {
  MlpShape shape;
  FusedNet net;
  bool fragments;

  TERRANE_HD Index element(int layer, int o, int i) const {
    const MlpLayer& m = shape.layer[layer];
    return o < m.n_out && i < m.n_in ? shape.offset(layer) + o * m.n_in + i : -1;
  }
  TERRANE_HD Index bias(int layer, int o) const {
    const MlpLayer& m = shape.layer[layer];
    return o < m.n_out ? shape.offset(layer) + m.n_out * m.n_in + o : -1;
  }
  TERRANE_HD Index operator()(int j) const {
    const int w = net.width;
    if (j < net.first()) {
      const int layer = j / (w * w) + (net.input_product() ? 0 : 1), k = j % (w * w);
      if (!fragments) return element(layer, k / w, k % w);
      const int q = k % 4, lane = k / 4 % 32, tile = k / 128;
      return element(layer, tile / (w / 8) * 16 + lane / 4 + 8 * (q / 2), tile % (w / 8) * 8 + 2 * (lane % 4) + q % 2);
    }
    if (j < net.bias()) return element(0, (j - net.first()) % w, (j - net.first()) / w);
    if (j < net.last()) return bias((j - net.bias()) / w, (j - net.bias()) % w);
    if (j < net.last_bias()) return element(net.hidden, (j - net.last()) / w, (j - net.last()) % w);
    return j < net.last_bias() + net.n_out ? bias(net.hidden, j - net.last_bias()) : -1;
  }
};

struct FusedPack {
  FusedPlace place;
  const float* theta;
  float* packed;
  TERRANE_HD void operator()(Index i) const {
    const int j = static_cast<int>(i);
    const Index at = place(j);
    const float w = at < 0 ? 0.0f : theta[at];
    const bool exact = j >= place.net.first() || (place.net.input_product() && j < place.net.width * place.net.width);
    packed[i] = exact ? w : stored_value(place.shape.precision, w);
  }
};

// d_theta += sum over blocks, in order
struct FusedReduce {
  FusedPlace place;
  const float* partial;
  Index blocks;
  float* d_theta;
  TERRANE_HD void operator()(Index i) const {
    const Index at = place(static_cast<int>(i)), step = place.net.size();
    if (at < 0) return;
    double sum = 0;
    for (Index b = 0; b < blocks; ++b) sum += static_cast<double>(partial[b * step + i]);
    d_theta[at] += static_cast<float>(sum);
  }
};

// Width 0: not for the fused kernels.
inline FusedNet fused_net(const MlpShape& shape) {
  FusedNet net;
  const int hidden = shape.layers - 1;
  if (shape.precision == MlpPrecision::fp32 || hidden < 1) return net;
  if (shape.n_out() > thin_outputs) return net;
  Index widest = shape.n_in() > thin_inputs ? shape.n_in() : 0;
  for (int l = 0; l < hidden; ++l) widest = std::max(widest, shape.layer[l].n_out);
  if (widest > fused_widest) return net;
  net.width = widest <= 32 ? 32 : widest <= 64 ? 64 : 128;
  net.hidden = hidden;
  net.n_in = static_cast<int>(shape.n_in());
  net.n_out = static_cast<int>(shape.n_out());
  for (int l = 0; l <= hidden; ++l) {
    net.activation[l] = shape.layer[l].activation;
    net.parameter[l] = static_cast<float>(shape.layer[l].parameter);
  }
  return net;
}

inline Index fused_shared_bytes(const FusedNet& net, int points, bool backward) {
  return static_cast<Index>(sizeof(float)) * fused_shared(net, points, backward);
}

template <class P, int W, int points, bool backward>
void launch_fused(Stream& s, const FusedArgs& f, Index blocks) {
  const auto kernel = &fused_kernel<P, W, points, backward>;
  const Index bytes = fused_shared_bytes(f.net, points, backward);
  allow_shared_memory(kernel, bytes);
  TERRANE_LAUNCH(kernel, dim3(static_cast<unsigned>(blocks)), dim3(fused_threads), static_cast<std::size_t>(bytes), s,
                 f);
}

}  // namespace terrane::TERRANE_BACKEND
