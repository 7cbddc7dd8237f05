// SPDX-License-Identifier: MIT
// The parts of the fused network kernel (kernels/mlp/mlp_fused.cuda.hpp, which states the layout) that one thread does
// by itself: description of the network, and the passes over elements (r, c) of a tile that evaluate activations.
#pragma once

#include "kernels/mlp/mlp_tensor.hpp"

namespace terrane::TERRANE_BACKEND {

inline constexpr int fused_threads = 256, slab = 32, row_pad = 8;
inline constexpr int warps_m = 2, warps_n = 4;  // a warp's block is (rows / 2, columns / 4) of every product

struct FusedNet {
  int width = 0, hidden = 0, n_in = 0, n_out = 0;
  Activation activation[mlp_max_layers] = {};  // of the hidden layers, then of the last
  float parameter[mlp_max_layers] = {};

  TERRANE_HD bool input_product() const { return n_in > thin_inputs; }
  TERRANE_HD int matrices() const { return hidden - 1 + (input_product() ? 1 : 0); }
  TERRANE_HD int matrix_of(int l) const { return input_product() ? l : l - 1; }  // hidden layer l from 0
  TERRANE_HD int thin_columns() const { return input_product() ? 0 : n_in; }
  TERRANE_HD int first() const { return matrices() * width * width; }
  TERRANE_HD int bias() const { return first() + thin_columns() * width; }
  TERRANE_HD int last() const { return bias() + hidden * width; }
  TERRANE_HD int last_bias() const { return last() + n_out * width; }
  TERRANE_HD int size() const { return (last_bias() + n_out + 3) / 4 * 4; }
};

struct FusedArgs {
  FusedNet net;
  Index n = 0;
  const float* packed = nullptr;
  const float* x = nullptr;    // (n, n_in)
  float* y = nullptr;          // (n, n_out), forward
  const float* d_y = nullptr;  // (n, n_out), vjp
  float* partial = nullptr;    // (blocks, net.size()), or null
  float* d_x = nullptr;        // (n, n_in), or null
};

// Floats of shared memory.
TERRANE_HD int fused_ring(int width) { return width * (slab + row_pad); }
TERRANE_HD int fused_shared(const FusedNet& net, int points, bool backward) {
  const int layers = net.hidden == 1 && net.input_product() ? 2 : net.hidden;  // Z_2 takes d_x at the end
  const int arrays = 1 + (backward ? layers : 0);
  return 2 * fused_ring(net.width) + arrays * points * (net.width + row_pad) +
         points * (net.thin_columns() + net.n_out);
}

// --- what one thread does with an activation; index runs over elements (r, c) of a block -----------------------------
template <class P>
struct FusedFirst {  // z_1 and a_1 of the tile
  const float* w;    // (n_in, W)
  const float* b;    // (W)
  const float* x;    // (points, n_in)
  float* z;          // null: not kept
  float* a;
  int n_in, width, stride, begin, count;
  bool exact;
  template <class Policy>
  TERRANE_HD void operator()(const Policy& policy) const {
#pragma unroll 1  // registers of the forward kernels
    for (int i = begin; i < count; i += fused_threads) {
      const int r = i / width, c = i % width;
      float sum = b[c];
      for (int k = 0; k < n_in; ++k) sum = FusedMulAdd::apply(w[k * width + c], x[r * n_in + k], sum);
      if (z != nullptr) z[r * stride + c] = sum;
      float f, d;
      policy(sum, f, d);
      a[r * stride + c] = exact ? f : P::stored(f);
    }
  }
};

template <class P>
struct FusedActivate {  // a = f(z + b) of a warp's block; z keeps z + b
  float* z;
  float* a;
  const float* b;
  int columns, stride, lane, count;
  bool exact;  // for a layer whose result no tensor-core product reads
  template <class Policy>
  TERRANE_HD void operator()(const Policy& policy) const {
#pragma unroll 2
    for (int i = lane; i < count; i += 32) {
      const int c = i % columns, at = i / columns * stride + c;
      const float sum = z[at] + b[c];
      float f, d;
      policy(sum, f, d);
      z[at] = sum;
      a[at] = exact ? f : P::stored(f);
    }
  }
};

template <class P>
struct FusedAgain {  // a = f(z), z <- f'(z), over the tile
  float* z;
  float* a;
  int width, stride, begin, count;
  template <class Policy>
  TERRANE_HD void operator()(const Policy& policy) const {
#pragma unroll 2
    for (int i = begin; i < count; i += fused_threads) {
      const int at = i / width * stride + i % width;
      float f, d;
      policy(z[at], f, d);
      a[at] = P::stored(f);
      z[at] = d;
    }
  }
};

template <class P>
struct FusedTopDelta {  // z <- dz_L = (dz_{L+1} W_{L+1}) f'(z)
  float* z;
  const float* dz;  // (points, n_out)
  const float* w;   // (n_out, W)
  int n_out, width, stride, begin, count;
  bool exact;
  template <class Policy>
  TERRANE_HD void operator()(const Policy& policy) const {
#pragma unroll 2
    for (int i = begin; i < count; i += fused_threads) {
      const int r = i / width, c = i % width, at = r * stride + c;
      float sum = 0.0f;
      for (int k = 0; k < n_out; ++k) sum = FusedMulAdd::apply(dz[r * n_out + k], w[k * width + c], sum);
      float f, d;
      policy(z[at], f, d);
      z[at] = exact ? sum * d : P::stored(sum * d);
    }
  }
};

}  // namespace terrane::TERRANE_BACKEND
