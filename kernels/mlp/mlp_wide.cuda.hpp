// SPDX-License-Identifier: MIT
// One layer of a wide network as a product of a chunk of points, with its epilogue. A block of 256 threads computes a
// tile of 128 x 64 from slabs of 32, two in shared memory, the next one on its way (cp.async):
//
//   forward   Z = A W^T + b;  a = f(Z), df = f'(Z)         A (points, n_in), W (n_out, n_in)
//   delta     D_in = (D W) o df                            D (points, n_out), W (n_out, n_in)
//   gradient  partial[split] = D^T A over a split of the points; the splits are added in order by a later kernel
//
// Arrays are padded with zeros to multiples of 128 points and columns, so that no tile needs a bound.
#pragma once

#include "kernels/mlp/mlp_tensor.hpp"

namespace terrane::TERRANE_BACKEND {

enum class WideMode { forward, delta, gradient };

struct WideProduct {
  const float* a = nullptr;  // forward: A; delta and gradient: D
  const float* b = nullptr;  // W; gradient: A
  Index a_stride = 0, b_stride = 0;
  Index depth = 0, split_depth = 0;  // length of the sum, and of one split: multiples of 32
  // forward
  const float* bias = nullptr;  // (columns)
  Activation activation = Activation::identity;
  float parameter = 0;
  // forward: a; delta: D_in; gradient: partials (splits, rows, columns) without padding
  float* out = nullptr;
  float* df = nullptr;  // forward: written unless null; delta: read unless null
  Index out_stride = 0;
  Index rows = 0, columns = 0;                  // gradient: n_out, n_in
  MlpPrecision stored_as = MlpPrecision::fp32;  // what the readers of `out` multiply
};

inline constexpr int wide_threads = 256, wide_m = 128, wide_n = 64, wide_slab = 32, wide_pad = 8;
inline constexpr int wide_along = wide_slab + wide_pad;            // row length of a tile with k along rows
inline constexpr int wide_stage = (wide_m + wide_n) * wide_along;  // floats; the other layouts are smaller
inline constexpr int wide_out = wide_n + wide_pad;                 // row length of the result in shared memory
inline constexpr Index wide_shared_bytes = Index{2} * wide_stage * sizeof(float);

struct WideActivate {
  const WideProduct& w;
  const float* z;  // the warp's 32 rows in shared memory, this lane's column
  Index at;        // of the first row in `out`
  float bias;
  template <class Policy>
  TERRANE_HD void operator()(const Policy& policy) const {
#pragma unroll 4
    for (int r = 0; r < 32; ++r) {
      float f, d;
      policy(z[r * wide_out] + bias, f, d);
      w.out[at + r * w.out_stride] = stored_value(w.stored_as, f);
      if (w.df != nullptr) w.df[at + r * w.out_stride] = d;
    }
  }
};

template <class P, WideMode mode>
struct WideBlock {
  static constexpr bool a_along = mode != WideMode::gradient, b_along = mode == WideMode::forward;
  static constexpr int MT = 2, NT = 4;  // a warp's block: 32 x 32, 4 x 2 warps
  static constexpr int a_row = a_along ? wide_along : wide_m + wide_pad;
  static constexpr int b_row = b_along ? wide_along : wide_n + wide_pad;

  const WideProduct& w;
  float* shared;
  int tid, lane, m0, n0;
  Index row0, column0;

  __device__ __forceinline__ WideBlock(const WideProduct& product, float* memory) : w(product), shared(memory) {
    tid = static_cast<int>(threadIdx.x);
    lane = tid % 32;
    m0 = tid / 32 / 2 * 32;
    n0 = tid / 32 % 2 * 32;
    row0 = static_cast<Index>(blockIdx.y) * wide_m;
    column0 = static_cast<Index>(blockIdx.x) * wide_n;
  }

  // rows x 32 (along) or 32 x rows floats of a matrix from (row, k) on
  template <bool along, int rows>
  __device__ __forceinline__ void copy_tile(const float* from, Index stride, Index row, Index k, float* to) const {
    constexpr int width = along ? wide_slab : rows, length = width + wide_pad;
    const float* start = along ? from + row * stride + k : from + k * stride + row;
#pragma unroll
    for (int i = tid; i < rows * wide_slab / 4; i += wide_threads) {
      const int r = i / (width / 4), c = i % (width / 4) * 4;
      async_copy(to + r * length + c, start + r * stride + c);
    }
  }
  __device__ __forceinline__ void start_slab(Index k, int buffer) const {
    float* to = shared + buffer * wide_stage;
    copy_tile<a_along, wide_m>(w.a, w.a_stride, row0, k, to);
    copy_tile<b_along, wide_n>(w.b, w.b_stride, column0, k, to + wide_m * wide_along);
  }

  __device__ __forceinline__ void run() {
    float acc[MT][NT][4];
    clear(acc);
    const Index begin = static_cast<Index>(blockIdx.z) * w.split_depth;
    const Index end = begin + w.split_depth < w.depth ? begin + w.split_depth : w.depth;
    int buffer = 0;
    start_slab(begin, 0);
#pragma unroll 1
    for (Index k = begin; k < end; k += wide_slab) {
      async_wait_all();
      __syncthreads();  // this slab is here, the one before has been read
      const float* a = shared + buffer * wide_stage;
      const float* b = a + wide_m * wide_along;
      buffer ^= 1;
      if (k + wide_slab < end) start_slab(k + wide_slab, buffer);
      add_slab<P, a_along, b_along>(acc, MmaTile{a_along ? a + m0 * a_row : a + m0, a_row},
                                    MmaTile{b_along ? b + n0 * b_row : b + n0, b_row}, wide_slab);
    }
    __syncthreads();
    store_block(acc, shared + m0 * wide_out + n0, wide_out);
    __syncwarp();
    finish(shared + m0 * wide_out + n0 + lane, row0 + m0, column0 + n0 + lane);
  }
  __device__ __forceinline__ void finish(const float* z, Index row, Index column) const {
    const Index at = row * w.out_stride + column;
    if constexpr (mode == WideMode::forward) {
      visit_activation<float, FusedMulAdd>(w.activation, w.parameter, WideActivate{w, z, at, w.bias[column]});
    } else if constexpr (mode == WideMode::delta) {
#pragma unroll 4
      for (int r = 0; r < 32; ++r) {
        const Index i = at + r * w.out_stride;
        const float slope = w.df != nullptr ? w.df[i] : 1.0f;
        w.out[i] = stored_value(w.stored_as, z[r * wide_out] * slope);
      }
    } else {
      float* out = w.out + static_cast<Index>(blockIdx.z) * w.rows * w.columns;
#pragma unroll 4
      for (int r = 0; r < 32; ++r) {
        if (row + r < w.rows && column < w.columns) out[(row + r) * w.columns + column] = z[r * wide_out];
      }
    }
  }
};

template <class P, WideMode mode>
__global__ void __launch_bounds__(wide_threads, 2) wide_kernel(const WideProduct w) {
  WideBlock<P, mode> block(w, shared_dynamic<float>());
  block.run();
}

// --- layers with few inputs or outputs -------------------------------------------------------------------------------
struct ThinLayer {
  MlpLayer layer;
  const float* w;                   // W (n_out, n_in), then b
  Index points, in_stride, stride;  // points: those that exist; later rows read zero
  MlpPrecision stored_as;
};

// One thread an element (p, o), o over the padded columns.
struct ThinForward {
  ThinLayer t;
  const float* in;
  float* a;
  float* df;  // or null
  bool in_is_padded;
  TERRANE_HD void operator()(Index p, Index o) const {
    const Index n_in = t.layer.n_in, at = p * t.stride + o;
    float f = 0.0f, d = 0.0f;
    if (o < t.layer.n_out) {
      float z = t.w[t.layer.n_out * n_in + o];
      if (in_is_padded || p < t.points) {
        for (Index i = 0; i < n_in; ++i) z = FusedMulAdd::apply(t.w[o * n_in + i], in[p * t.in_stride + i], z);
      }
      visit_activation<float, FusedMulAdd>(t.layer.activation, static_cast<float>(t.layer.parameter),
                                           ActivateOne<float>{z, f, d});
    }
    a[at] = stored_value(t.stored_as, f);
    if (df != nullptr) df[at] = d;
  }
};

// A warp a point, few outputs.
inline constexpr int thin_threads = 128;
static __global__ void thin_output_kernel(const ThinLayer t, const float* in, float* a, float* df) {
  const Index p = (static_cast<Index>(blockIdx.x) * thin_threads + threadIdx.x) / 32, n_in = t.layer.n_in;
  const Index lane = threadIdx.x % 32;
  for (Index o = 0; o < t.layer.n_out; ++o) {
    float z = 0.0f;
    for (Index i = lane; i < n_in; i += 32) z = FusedMulAdd::apply(t.w[o * n_in + i], in[p * t.in_stride + i], z);
    for (int d = 16; d > 0; d /= 2) z += __shfl_xor_sync(0xffffffffu, z, d);
    if (lane != 0) continue;
    float f, d;
    activate(t.layer.activation, static_cast<float>(t.layer.parameter), z + t.w[t.layer.n_out * n_in + o], f, d);
    a[p * t.stride + o] = f;
    if (df != nullptr) df[p * t.stride + o] = d;
  }
}

// delta_in[p, i] = (sum_o delta[p, o] W[o, i]) df[p, i] over the padded columns i
struct ThinDelta {
  ThinLayer t;  // stride: of delta; in_stride: of delta_in and df
  const float* delta;
  const float* df;
  float* delta_in;
  TERRANE_HD void operator()(Index p, Index i) const {
    const Index n_in = t.layer.n_in, at = p * t.in_stride + i;
    float sum = 0.0f;
    if (i < n_in) {
      for (Index o = 0; o < t.layer.n_out; ++o) {
        sum = FusedMulAdd::apply(delta[p * t.stride + o], t.w[o * n_in + i], sum);
      }
    }
    delta_in[at] = stored_value(t.stored_as, sum * df[at]);
  }
};

// d_x[p, i] += sum_o delta[p, o] W[o, i]
struct ThinPoints {
  ThinLayer t;
  const float* delta;
  float* d_x;
  TERRANE_HD void operator()(Index p, Index i) const {
    float sum = 0.0f;
    for (Index o = 0; o < t.layer.n_out; ++o) {
      sum = FusedMulAdd::apply(delta[p * t.stride + o], t.w[o * t.layer.n_in + i], sum);
    }
    d_x[p * t.layer.n_in + i] += sum;
  }
};

// partial[split, (o, i)] = sum over the split's points of delta[p, o] in[p, i]; i = n_in is the bias, which stands
// behind the matrix as in theta. Consecutive threads take consecutive elements of the longer side. With bias_only the
// partial holds the bias alone.
struct ThinGradient {
  ThinLayer t;
  Index split_points;
  const float* delta;
  const float* in;
  float* partial;
  bool bias_only;
  TERRANE_HD void operator()(Index split, Index k) const {
    const Index n_in = t.layer.n_in, n_out = t.layer.n_out, terms = bias_only ? 1 : n_in + 1;
    const bool by_output = n_out >= terms;
    const Index o = by_output ? k % n_out : k / terms, i = bias_only ? n_in : (by_output ? k / n_out : k % terms);
    const Index begin = split * split_points;
    const Index end = begin + split_points < t.points ? begin + split_points : t.points;
    float sum = 0.0f;
    for (Index p = begin; p < end; ++p) {
      sum = FusedMulAdd::apply(delta[p * t.stride + o], i < n_in ? in[p * t.in_stride + i] : 1.0f, sum);
    }
    const Index at = bias_only ? o : (i < n_in ? o * n_in + i : n_out * n_in + o);
    partial[split * n_out * terms + at] = sum;
  }
};

}  // namespace terrane::TERRANE_BACKEND
