// SPDX-License-Identifier: MIT
// The fused network kernel. Hidden layers 1..L of width <= W, n_in <= W inputs, n_out <= 8 outputs. A block of 256
// threads takes tiles of `points` points in a fixed stride and keeps them in shared memory:
//
//   X    (points, W)  a_l, the left factor of the next product; the points where n_in > 16
//   Z_l  (points, W)  z_l; on the way back f'(z_l), then dz_l, in place
//   ring              two slabs of 32 rows or columns of a weight matrix, the next one on its way (cp.async)
//
// Rows are W + 8 floats apart (see kernels/runtime/mma.hpp). On the way back a_{l-1} is evaluated again from z_{l-1},
// so that one array a layer is enough. Weight gradients of a block go to its own partial buffer in global memory (in
// practice in L2), in the order of the accumulator fragments: 16 bytes a lane. FusedReduce adds the buffers in order.
//
// The first layer is never below float: multiply-adds for n_in <= 16, a 3xTF32 product for more. The last layer and its
// gradient are multiply-adds.
//
// Packed weights and a partial buffer have the same parts, in floats (matrices: W_2..W_L, with W_1 in front where it is
// a product):
//   m W W           matrix m, padded with zeros; partial: fragments (o / 16, i / 8, lane, 4)
//   first           (n_in, W) W_1 transposed, where it is no product
//   bias            (L, W)
//   last            (n_out, W)
//   last_bias       (n_out)
#pragma once

#include <type_traits>

#include "kernels/mlp/mlp_fused_steps.cuda.hpp"

namespace terrane::TERRANE_BACKEND {

// --- the kernel ------------------------------------------------------------------------------------------------------
template <class P, int W, int points, bool backward>
struct FusedBlock {
  static constexpr int stride = W + row_pad, slabs = W / slab, array = points * stride;
  static constexpr int rows = points / warps_m, columns = W / warps_n;  // of a warp's block
  static constexpr int MT = rows / 16, NT = columns / 8;
  static constexpr int GM = W / warps_m / 16;  // weight gradient (W, W): row tiles of a warp

  const FusedArgs& f;
  float* ring;
  float* x_hidden;  // X
  float* z_first;   // Z_1, Z_2, ...
  float* x;         // (points, n_in) where n_in <= 16
  float* dz;        // (points, n_out)
  float* partial;
  int tid, lane, m0, n0;  // m0, n0: origin of the warp's block
  int slab_next = 0, buffer = 0;
  bool first_tile = true;

  __device__ __forceinline__ FusedBlock(const FusedArgs& args, float* shared) : f(args) {
    ring = shared;
    x_hidden = ring + 2 * W * (slab + row_pad);
    z_first = x_hidden + array;
    x = shared + fused_shared(f.net, points, backward) - points * (f.net.thin_columns() + f.net.n_out);
    dz = x + points * f.net.thin_columns();
    partial = backward && f.partial != nullptr ? f.partial + static_cast<Index>(blockIdx.x) * f.net.size() : nullptr;
    tid = static_cast<int>(threadIdx.x);
    lane = tid % 32;
    m0 = tid / 32 / warps_n * rows;
    n0 = tid / 32 % warps_n * columns;
    if (slab_count() > 0) start_slab();
  }

  __device__ __forceinline__ int slab_count() const {
    const int back = backward ? f.net.hidden - 1 + (f.net.input_product() && f.d_x != nullptr ? 1 : 0) : 0;
    return (f.net.matrices() + back) * slabs;
  }

  // Sends slab `slab_next` into `buffer`: on the way up columns [32 s, 32 s + 32) of the matrix, on the way back rows.
  __device__ __forceinline__ void start_slab() {
    const int half = f.net.matrices() * slabs;
    const bool back = slab_next >= half;
    const int at = back ? slab_next - half : slab_next, s = at % slabs;
    const int m = back ? f.net.matrices() - 1 - at / slabs : at / slabs;
    const float* from = f.packed + m * W * W + (back ? s * slab * W : s * slab);
    float* to = ring + buffer * W * (slab + row_pad);
    [[maybe_unused]] constexpr int copies = backward ? 4 : 1;  // registers of the forward kernels are scarce
#pragma unroll copies
    for (int i = tid; i < W * slab / 4; i += fused_threads) {
      if (back) {
        const int r = i / (W / 4), c = i % (W / 4) * 4;
        async_copy(to + r * stride + c, from + r * W + c);
      } else {
        const int r = i / (slab / 4), c = i % (slab / 4) * 4;
        async_copy(to + r * (slab + row_pad) + c, from + r * W + c);
      }
    }
  }
  // The slab that is due, complete for all threads; the next one is started behind it. Also a barrier.
  __device__ __forceinline__ const float* take_slab() {
    async_wait_all();
    __syncthreads();
    const float* here = ring + buffer * W * (slab + row_pad);
    buffer ^= 1;
    slab_next = slab_next + 1 == slab_count() ? 0 : slab_next + 1;
    start_slab();
    return here;
  }
  __device__ __forceinline__ float* z(int l) const { return z_first + l * array; }  // l from 0
  template <class Visit>
  __device__ __forceinline__ void activation(int l, const Visit& visit) const {
    visit_activation<float, FusedMulAdd>(f.net.activation[l], f.net.parameter[l], visit);
  }

  __device__ __forceinline__ void load_points(Index p0) {
    [[maybe_unused]] constexpr int loads = backward ? 2 : 1;
#pragma unroll loads
    for (int i = tid; i < points * f.net.n_in; i += fused_threads) {
      const Index at = p0 * f.net.n_in + i;
      x[i] = at < f.n * f.net.n_in ? f.x[at] : 0.0f;
    }
  }
  // The points as the left factor of the first product, zero beyond them.
  __device__ __forceinline__ void load_wide_points(Index p0) {
    const int n_in = f.net.n_in;
    [[maybe_unused]] constexpr int loads = backward ? 2 : 1;
#pragma unroll loads
    for (int i = tid; i < points * W; i += fused_threads) {
      const int r = i / W, c = i % W;
      x_hidden[r * stride + c] = c < n_in && p0 + r < f.n ? f.x[(p0 + r) * n_in + c] : 0.0f;
    }
  }
  __device__ __forceinline__ void first_layer() {
    const FusedNet& net = f.net;
    activation(0, FusedFirst<P>{f.packed + net.first(), f.packed + net.bias(), x, backward ? z(0) : nullptr, x_hidden,
                                net.n_in, W, stride, tid, points * W, net.hidden == 1});
  }
  // X <- a_l from X = a_{l-1}; Z_l <- z_l. Q: policy of the product.
  template <class Q>
  __device__ __forceinline__ void hidden_layer(int l) {
    float acc[MT][NT][4];
    clear(acc);
#pragma unroll 1
    for (int s = 0; s < slabs; ++s) {
      const float* w = take_slab();
      add_slab<Q, true, true>(acc, MmaTile{x_hidden + m0 * stride + s * slab, stride},
                              MmaTile{w + n0 * (slab + row_pad), slab + row_pad}, slab);
    }
    __syncthreads();  // X has been read
    const int at = m0 * stride + n0;
    float* out = (backward ? z(l) : x_hidden) + at;
    store_block(acc, out, stride);
    __syncwarp();
    activation(l, FusedActivate<P>{out, x_hidden + at, f.packed + f.net.bias() + l * W + n0, columns, stride, lane,
                                   rows * columns, l + 1 == f.net.hidden});
  }
  // y, or dz of the last layer; a few threads a point, each a strided part of the sum
  __device__ __forceinline__ void last_layer(Index p0) {
    const FusedNet& net = f.net;
    constexpr int share = fused_threads / points;
    const int r = tid / share, q = tid % share;
    const bool inside = p0 + r < f.n;
    for (int k = 0; k < net.n_out; ++k) {
      const float* w = f.packed + net.last() + k * W;
      float sum = 0.0f;
#pragma unroll 2
      for (int c = q; c < W; c += share) sum = FusedMulAdd::apply(w[c], x_hidden[r * stride + c], sum);
      for (int d = 1; d < share; d *= 2) sum += __shfl_xor_sync(0xffffffffu, sum, d);
      float value, slope;
      activate(net.activation[net.hidden], net.parameter[net.hidden], sum + f.packed[net.last_bias() + k], value,
               slope);
      if (q != 0) continue;
      const Index at = (p0 + r) * net.n_out + k;
      if constexpr (backward) {
        dz[r * net.n_out + k] = inside ? f.d_y[at] * slope : 0.0f;
      } else {
        if (inside) f.y[at] = value;
      }
    }
  }
  __device__ __forceinline__ void add_partial(int at, float value) const {
    partial[at] = first_tile ? value : partial[at] + value;
  }
  // Gradients of the last layer from X = a_L, then Z_L <- dz_L
  __device__ __forceinline__ void top() {
    const FusedNet& net = f.net;
    if (partial != nullptr) {
      for (int i = tid; i < net.n_out * (W + 1); i += fused_threads) {
        const int k = i / (W + 1), c = i % (W + 1);
        float sum = 0.0f;
#pragma unroll 2
        for (int r = 0; r < points; ++r) {
          sum = FusedMulAdd::apply(dz[r * net.n_out + k], c < W ? x_hidden[r * stride + c] : 1.0f, sum);
        }
        add_partial(c < W ? net.last() + k * W + c : net.last_bias() + k, sum);
      }
    }
    activation(net.hidden - 1, FusedTopDelta<P>{z(net.hidden - 1), dz, f.packed + net.last(), net.n_out, W, stride, tid,
                                                points * W, net.hidden == 1});
  }
  __device__ __forceinline__ void bias_gradient(int l) const {
    const float* d = z(l);
    for (int c = tid; c < W; c += fused_threads) {
      float sum = 0.0f;
#pragma unroll 8
      for (int r = 0; r < points; ++r) sum += d[r * stride + c];
      add_partial(f.net.bias() + l * W + c, sum);
    }
  }
  // acc = dz_l W_l
  template <class Q>
  __device__ __forceinline__ void delta_product(int l, float (&acc)[MT][NT][4]) {
    clear(acc);
#pragma unroll 1
    for (int s = 0; s < slabs; ++s) {
      const float* w = take_slab();
      add_slab<Q, true, false>(acc, MmaTile{z(l) + m0 * stride + s * slab, stride}, MmaTile{w + n0, stride}, slab);
    }
  }
  // Z_{l-1} <- dz_{l-1} = (dz_l W_l) f'(z_{l-1}), where Z_{l-1} holds f' already; for l = 0: Z_1 <- d_x of the tile
  template <class Q>
  __device__ __forceinline__ void delta(int l) {
    float acc[MT][NT][4];
    delta_product<Q>(l, acc);
    const int g = lane / 4, t = lane % 4;
    float* out = z(l > 0 ? l - 1 : 1) + (m0 + g) * stride + n0 + 2 * t;
    const bool exact = l <= 1;
#pragma unroll
    for (int m = 0; m < MT; ++m) {
#pragma unroll
      for (int n = 0; n < NT; ++n) {
#pragma unroll
        for (int q = 0; q < 2; ++q) {
          auto& at = *reinterpret_cast<Float2*>(out + (16 * m + 8 * q) * stride + 8 * n);
          Float2 d{acc[m][n][2 * q], acc[m][n][2 * q + 1]};
          if (l > 0) d = Float2{d.x * at.x, d.y * at.y};
          at = exact ? d : Float2{P::stored(d.x), P::stored(d.y)};
        }
      }
    }
  }
  // partial of W_l += dz_l^T a_{l-1}; a_{l-1} in X
  template <class Q>
  __device__ __forceinline__ void weight_gradient(int l) const {
    float acc[GM][NT][4];
    clear(acc);
    const int rows_m = tid / 32 / warps_n * (W / warps_m);
    multiply_tiles<Q, false, false>(acc, MmaTile{z(l) + rows_m, stride}, MmaTile{x_hidden + n0, stride}, points);
    auto* out = reinterpret_cast<Float4*>(partial + f.net.matrix_of(l) * W * W);
#pragma unroll
    for (int m = 0; m < GM; ++m) {
#pragma unroll
      for (int n = 0; n < NT; ++n) {
        Float4& at = out[((rows_m / 16 + m) * (W / 8) + n0 / 8 + n) * 32 + lane];
        const float(&v)[4] = acc[m][n];
        const Float4 old = first_tile ? Float4{0.0f, 0.0f, 0.0f, 0.0f} : at;
        at = Float4{old.x + v[0], old.y + v[1], old.z + v[2], old.w + v[3]};
      }
    }
  }
  // One layer of products on the way back: dz_l is complete, X has been read.
  template <class Q>
  __device__ __forceinline__ void layer_back(int l, Index p0) {
    __syncthreads();
    if (l > 0) {
      activation(l - 1, FusedAgain<P>{z(l - 1), x_hidden, W, stride, tid, points * W});
    } else {
      load_wide_points(p0);
    }
    if (partial != nullptr) bias_gradient(l);
    if (l > 0 || f.d_x != nullptr) {
      delta<Q>(l);  // its first slab is the barrier behind X
    } else {
      __syncthreads();
    }
    if (partial != nullptr) weight_gradient<Q>(l);
    if (l > 0 || f.d_x == nullptr) return;
    __syncthreads();
    const int n_in = f.net.n_in;
#pragma unroll 2
    for (int i = tid; i < points * n_in; i += fused_threads) {
      const int r = i / n_in;
      if (p0 + r < f.n) f.d_x[p0 * n_in + i] += z(1)[r * stride + i - r * n_in];
    }
  }
  // Gradients of a first layer with few inputs, and of the points, from Z_1 = dz_1
  __device__ __forceinline__ void bottom(Index p0) const {
    const FusedNet& net = f.net;
    const float* d = z(0);
    if (partial != nullptr) {
      bias_gradient(0);
      for (int i = tid; i < net.n_in * W; i += fused_threads) {
        const int k = i / W, c = i % W;
        float sum = 0.0f;
#pragma unroll 2
        for (int r = 0; r < points; ++r) sum = FusedMulAdd::apply(d[r * stride + c], x[r * net.n_in + k], sum);
        add_partial(net.first() + i, sum);
      }
    }
    if (f.d_x == nullptr) return;
    for (int i = tid; i < points * net.n_in; i += fused_threads) {
      const int r = i / net.n_in, k = i % net.n_in;
      const float* w = f.packed + net.first() + k * W;
      float sum = 0.0f;
#pragma unroll 2
      for (int c = 0; c < W; ++c) sum = FusedMulAdd::apply(d[r * stride + c], w[c], sum);
      if (p0 + r < f.n) f.d_x[p0 * net.n_in + i] += sum;
    }
  }

  __device__ __forceinline__ void tile(Index p0) {
    __syncthreads();                                  // the tile before has been read
    constexpr bool same = std::is_same_v<P, Tf32x3>;  // the first product is 3xTF32 in every mode
    const bool product = f.net.input_product();
    if (product) {
      load_wide_points(p0);
      if constexpr (!same) hidden_layer<Tf32x3>(0);
    } else {
      load_points(p0);
      __syncthreads();
      first_layer();
    }
#pragma unroll 1
    for (int l = same && product ? 0 : 1; l < f.net.hidden; ++l) hidden_layer<P>(l);
    __syncthreads();
    last_layer(p0);
    if constexpr (backward) {
      __syncthreads();
      top();
#pragma unroll 1
      for (int l = f.net.hidden - 1; l >= (same && product ? 0 : 1); --l) layer_back<P>(l, p0);
      if constexpr (!same) {
        if (product) layer_back<Tf32x3>(0, p0);
      }
      if (!product) {
        __syncthreads();
        bottom(p0);
      }
    }
    first_tile = false;
  }
};

template <class P, int W, int points, bool backward>
__global__ void __launch_bounds__(fused_threads, backward&& W > 64 ? 1 : 2) fused_kernel(const FusedArgs f) {
  FusedBlock<P, W, points, backward> block(f, shared_dynamic<float>());
  const Index step = static_cast<Index>(gridDim.x) * points;
  for (Index p0 = static_cast<Index>(blockIdx.x) * points; p0 < f.n; p0 += step) block.tile(p0);
  async_wait_all();
}

}  // namespace terrane::TERRANE_BACKEND
