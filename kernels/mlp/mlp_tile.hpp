// SPDX-License-Identifier: MIT
// Pieces of the CPU schedule of the network (CPU kernel sources only): one tile of points, layers forward and backward
// on it.
//
// Weights are packed once per call and scaled so that sines take quarter turns (mlp_pack.hpp). Everything on a tile is
// in terms of the scaled z' = input_scale z: deltas are dF/dz', derivatives lack derivative_scale.
//   layer l:    a_l = f(z'_l),  z'_l = a_{l-1} W'_l^T + b'_l,    W' = input_scale W
//   backward:   delta_{l-1} = (delta_l (derivative_scale_{l-1} W'_l)) o df_{l-1}
// Layers with few outputs are dot products (forward) and outer products (backward) instead of padded matrix products.
#pragma once

#include <algorithm>

#include "kernels/mlp/mlp_pack.hpp"

namespace terrane::TERRANE_BACKEND {

// --- one tile --------------------------------------------------------------------------------------------------------
// a[l] is (points, row_length of layer l's outputs), a[0] the inputs. df[l] = df/dz' of layer l; the backward mode
// overwrites it by delta_l. Padding columns of a[l] hold finite values where layer l's weights have zeros.
template <class T>
struct Tile {
  T* a[mlp_max_layers + 1] = {};
  T* df[mlp_max_layers + 1] = {};
  T* delta = nullptr;    // of the last layer
  T* d_input = nullptr;  // of the inputs
};

inline Index outputs(const MlpShape& shape, int l) { return l == 0 ? shape.n_in() : shape.layer[l - 1].n_out; }

// keep: every layer has its own arrays and derivatives; otherwise two arrays alternate.
template <class T>
void take_tile(const MlpShape& shape, Index points, bool keep, Pieces<T>& pieces, Tile<T>& tile) {
  if (keep) {
    for (int l = 0; l <= shape.layers; ++l) {
      const Index size = points * row_length<T>(outputs(shape, l));
      tile.a[l] = pieces.take(size);
      if (l > 0) tile.df[l] = pieces.take(size);
    }
    tile.delta = pieces.take(points * row_length<T>(shape.n_out()));
    tile.d_input = pieces.take(points * row_length<T>(shape.n_in()));
    return;
  }
  Index widest = 0;
  for (int l = 0; l <= shape.layers; ++l) widest = std::max(widest, row_length<T>(outputs(shape, l)));
  T* two[2] = {pieces.take(points * widest), pieces.take(points * widest)};
  for (int l = 0; l <= shape.layers; ++l) tile.a[l] = two[l % 2];
}

// a = f(z'), and df when it is kept (not null), on (rows, columns) of z; columns: a multiple of the lanes.
template <class T>
struct ActivateRows {
  T* z;
  T* df;
  Index stride, rows, columns;

  void sine() const {
    using S = Simd<T>;
    for (Index r = 0; r < rows; ++r) {
      for (Index at = r * stride; at < r * stride + columns; at += S::lanes) {
        typename S::V f, d;
        quarter_sine_cosine<T>(S::load(z + at), f, d);
        S::store(z + at, f);
        if (df != nullptr) S::store(df + at, d);
      }
    }
  }

  template <class Policy>
  void operator()(const Policy& policy) const {
    for (Index r = 0; r < rows; ++r) {
      T* zr = z + r * stride;
      T* dr = df != nullptr ? df + r * stride : zr;  // without df, a is written over it
#pragma omp simd
      for (Index v = 0; v < columns; ++v) {
        T f, d;
        policy(zr[v], f, d);
        dr[v] = d;
        zr[v] = f;
      }
    }
  }
};

// Epilogue of the forward product.
template <class T>
struct Activate {
  const MlpLayer* layer;
  T* df;  // tile array, may be null
  Index stride;
  void operator()(T* z, Index row, Index column, Index rows, Index columns) const {
    if (df == nullptr && layer->activation == Activation::identity) return;
    T* d = df != nullptr ? df + row * stride + column : nullptr;
    const ActivateRows<T> block{z, d, stride, rows, columns};
    if (layer->activation == Activation::sine) return block.sine();
    visit_activation<T, HostMulAdd>(layer->activation, static_cast<T>(layer->parameter), block);
  }
};

template <class T>
TERRANE_HD T sum_of_lanes(typename Simd<T>::V v) {
  T lane[Simd<T>::lanes];
  Simd<T>::store(lane, v);
  for (int width = Simd<T>::lanes / 2; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) lane[i] += lane[i + width];
  }
  return lane[0];
}

// z'[r][o] = start + <a[r], w[o]> for few outputs; the padding columns become zero.
template <class T>
void dot_layer(const MlpLayer& layer, const PackedLayer<T>& p, Index rows, const T* a, Start start, T* z) {
  using S = Simd<T>;
  const Index in = round_to_lanes<T>(layer.n_in), in_row = row_length<T>(layer.n_in);
  const Index out = round_to_lanes<T>(layer.n_out), out_row = row_length<T>(layer.n_out);
  for (Index r = 0; r < rows; ++r) {
    const T* ar = a + r * in_row;
    T* zr = z + r * out_row;
    for (Index o = 0; o < layer.n_out; ++o) {
      const T* w = p.forward + o * in;
      typename S::V sum[2] = {};
      Index i = 0;
      for (; i + 2 * S::lanes <= in; i += 2 * S::lanes) {
        sum[0] = multiply_add(S::load(ar + i), S::load(w + i), sum[0]);
        sum[1] = multiply_add(S::load(ar + i + S::lanes), S::load(w + i + S::lanes), sum[1]);
      }
      if (i < in) sum[0] = multiply_add(S::load(ar + i), S::load(w + i), sum[0]);
      const T from = start == Start::zero ? T(0) : (start == Start::bias ? p.bias[o] : zr[o]);
      zr[o] = from + sum_of_lanes<T>(sum[0] + sum[1]);
    }
    for (Index o = layer.n_out; o < out; ++o) zr[o] = T(0);
  }
}

template <class T>
void forward_layer(const MlpShape& shape, int l, const PackedLayer<T>& p, Index rows, const Tile<T>& tile) {
  const MlpLayer& layer = shape.layer[l];
  const Index in_row = row_length<T>(layer.n_in), out_row = row_length<T>(layer.n_out);
  const Index columns = round_to_lanes<T>(layer.n_out);
  const Activate<T> activate{&layer, tile.df[l + 1], out_row};
  T* z = tile.a[l + 1];
  if (few_outputs(layer)) {
    dot_layer(layer, p, rows, tile.a[l], Start::bias, z);
    activate(z, 0, 0, rows, columns);
  } else {
    tile_gemm<T>(rows, columns, layer.n_in, {tile.a[l], in_row, 1}, {p.forward, 0}, {z, out_row}, Start::bias, p.bias,
                 activate);
  }
}

// Everything kept. The last layer is skipped when nobody needs its value or derivative.
template <class T>
void forward_kept(const MlpShape& shape, const PackedLayer<T>* packed, Index rows, const Tile<T>& tile) {
  const int last = shape.layers - 1;
  for (int l = 0; l < last; ++l) forward_layer(shape, l, packed[l], rows, tile);
  if (shape.layer[last].activation != Activation::identity) forward_layer(shape, last, packed[last], rows, tile);
}

// out[r] = (sum_o delta[r][o] w[o]) o times[r] for few outputs; times may be out or null.
template <class T>
void outer_layer(const MlpLayer& layer, const T* weights, Index rows, const T* delta, T* out, const T* times) {
  using S = Simd<T>;
  const Index in = round_to_lanes<T>(layer.n_in), in_row = row_length<T>(layer.n_in);
  const Index out_row = row_length<T>(layer.n_out);
  for (Index r = 0; r < rows; ++r) {
    const T* d = delta + r * out_row;
    for (Index i = 0; i < in; i += S::lanes) {
      typename S::V sum = S::broadcast(d[0]) * S::load(weights + i);
      for (Index o = 1; o < layer.n_out; ++o) {
        sum = multiply_add(S::broadcast(d[o]), S::load(weights + o * in + i), sum);
      }
      if (times != nullptr) sum *= S::load(times + r * in_row + i);
      S::store(out + r * in_row + i, sum);
    }
  }
}

// delta of layer l - 1 from delta of layer l, over df[l]; l = 0: the gradient of the inputs. Returns it.
template <class T>
T* backward_layer(const MlpShape& shape, int l, const PackedLayer<T>& p, Index rows, const Tile<T>& tile,
                  const T* delta) {
  const MlpLayer& layer = shape.layer[l];
  const Index in_row = row_length<T>(layer.n_in), out_row = row_length<T>(layer.n_out);
  T* out = l > 0 ? tile.df[l] : tile.d_input;
  const T* times = l > 0 ? out : nullptr;
  if (few_outputs(layer)) {
    outer_layer(layer, p.backward, rows, delta, out, times);
  } else {
    tile_gemm<T>(rows, round_to_lanes<T>(layer.n_in), layer.n_out, {delta, out_row, 1}, {p.backward, 0},
                 {out, in_row, times}, Start::zero);
  }
  return out;
}

// delta of the last layer holds d_y: delta = d_y o df/dz'.
template <class T>
void finish_delta(const MlpShape& shape, Index rows, const Tile<T>& tile) {
  const MlpLayer& last = shape.layer[shape.layers - 1];
  if (last.activation == Activation::identity) return;
  const Index row = row_length<T>(last.n_out);
  const T* df = tile.df[shape.layers];
  const T scale = static_cast<T>(derivative_scale(last));
  for (Index r = 0; r < rows; ++r) {
    for (Index o = 0; o < last.n_out; ++o) tile.delta[r * row + o] *= scale * df[r * row + o];
  }
}

}  // namespace terrane::TERRANE_BACKEND
