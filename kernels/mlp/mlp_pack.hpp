// SPDX-License-Identifier: MIT
// Workspace of the CPU schedule of the network and the packed weights of one call (CPU kernel sources only).
//
// Packed weights are W' = input_scale W and b' = input_scale b (quarter_turns.hpp); those of the backward mode are
// derivative_scale_{l-1} W'_l, so that stored derivatives need no factor. Layers with few outputs keep their rows.
#pragma once

#include <algorithm>

#include "kernels/mlp/quarter_turns.hpp"
#include "kernels/mlp/tile_gemm.hpp"
#include "kernels/mlp/tiles_cpu.hpp"
#include "kernels/runtime/stream.hpp"

namespace terrane::TERRANE_BACKEND {

inline constexpr Index thin_outputs = 3;  // at most: dot products
inline constexpr Index thin_inputs = 7;   // at most: weight gradients as (inputs, outputs)

template <class T>
Index row_length(Index n) {  // of a tile; one vector more than needed keeps rows off the same cache sets
  return round_to_lanes<T>(n) + Simd<T>::lanes;
}

template <class T>
T* allocate_values(Stream& s, Index values) {
  return static_cast<T*>(s.scratch(values * static_cast<Index>(sizeof(T))));
}

// --- packed weights of one call, shared by the threads ---------------------------------------------------------------
inline bool few_outputs(const MlpLayer& layer) { return layer.n_out <= thin_outputs; }

template <class T>
struct PackedLayer {
  T* forward = nullptr;   // element (k = input, j = output); few outputs: rows (n_out, inputs padded)
  T* bias = nullptr;      // (outputs padded)
  T* backward = nullptr;  // element (k = output, j = input); few outputs: rows (n_out, inputs padded)
};

template <class T>
void take_packed(const MlpLayer& layer, bool backward, Pieces<T>& pieces, PackedLayer<T>& p) {
  const Index in = round_to_lanes<T>(layer.n_in), out = round_to_lanes<T>(layer.n_out);
  p.forward = pieces.take(few_outputs(layer) ? layer.n_out * in : layer.n_in * out);
  p.bias = pieces.take(out);
  if (backward) p.backward = pieces.take(layer.n_out * in);
}

template <class T>
void pack_rows(Index rows, Index columns, const T* w, double scale, T* packed) {
  const Index padded = round_to_lanes<T>(columns);
  for (Index r = 0; r < rows; ++r) {
    for (Index c = 0; c < padded; ++c) {
      packed[r * padded + c] = c < columns ? static_cast<T>(scale * w[r * columns + c]) : T(0);
    }
  }
}

template <class T>
struct PackTask {
  const MlpShape* shape;
  const T* theta;
  PackedLayer<T>* packed;
  void operator()(Index index) const {
    const int l = static_cast<int>(index);
    const MlpLayer& layer = shape->layer[l];
    const PackedLayer<T>& p = packed[l];
    const Index n_in = layer.n_in, n_out = layer.n_out;
    const double scale = input_scale(layer), back = scale * (l > 0 ? derivative_scale(shape->layer[l - 1]) : 1.0);
    const T* w = theta + shape->offset(l);
    for (Index o = 0; o < round_to_lanes<T>(n_out); ++o) {
      p.bias[o] = o < n_out ? static_cast<T>(scale * w[n_out * n_in + o]) : T(0);
    }
    if (few_outputs(layer)) {
      pack_rows(n_out, n_in, w, scale, p.forward);
      if (p.backward != nullptr) pack_rows(n_out, n_in, w, back, p.backward);
    } else {
      pack_b(n_in, n_out, w, Index{1}, n_in, scale, p.forward);
      if (p.backward != nullptr) pack_b(n_out, n_in, w, n_in, Index{1}, back, p.backward);
    }
  }
};

}  // namespace terrane::TERRANE_BACKEND
