// SPDX-License-Identifier: MIT
// Wide networks: one product a layer over a chunk of points. The chunk depends on the shape only; partial sums of
// weight gradients over fixed splits of the points are added in order.
#include <algorithm>
#include <utility>

#include "kernels/mlp/mlp_wide.cuda.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

constexpr Index chunk_bytes = Index{64} << 20, most_points = 8192;
constexpr Index thin_splits = 64, gradient_blocks = 256, most_splits = 32;

Index padded(Index n) { return (n + wide_m - 1) / wide_m * wide_m; }
bool is_product(const MlpLayer& l) { return l.n_in > thin_inputs && l.n_out > thin_inputs; }
Index row_of(Index n) { return n > thin_inputs ? padded(n) : n; }  // row length of an array of n columns

struct PackMatrix {
  MlpLayer layer;
  const float* w;
  float* out;   // (padded n_out, padded n_in)
  float* bias;  // (padded n_out)
  MlpPrecision precision;
  TERRANE_HD void operator()(Index o, Index i) const {
    const Index row = (layer.n_in + wide_m - 1) / wide_m * wide_m;
    const bool inside = o < layer.n_out;
    out[o * row + i] = inside && i < layer.n_in ? stored_value(precision, w[o * layer.n_in + i]) : 0.0f;
    if (i == 0) bias[o] = inside ? w[layer.n_out * layer.n_in + o] : 0.0f;
  }
};
struct PackPoints {
  const float* x;
  Index points, n_in, row;
  float* out;
  TERRANE_HD void operator()(Index p, Index i) const {
    out[p * row + i] = p < points && i < n_in ? x[p * n_in + i] : 0.0f;
  }
};
struct CopyResult {
  const float* a;
  Index row, n_out;
  float* y;
  TERRANE_HD void operator()(Index p, Index o) const { y[p * n_out + o] = a[p * row + o]; }
};
struct FirstDelta {  // of the last layer, over padded rows and columns
  const float* d_y;
  const float* df;
  float* delta;
  Index points, n_out, row;
  MlpPrecision stored_as;
  TERRANE_HD void operator()(Index p, Index o) const {
    const Index at = p * row + o;
    delta[at] = p < points && o < n_out ? stored_value(stored_as, d_y[p * n_out + o] * df[at]) : 0.0f;
  }
};
struct AddPoints {
  const float* from;
  Index row, n_in;
  float* d_x;
  TERRANE_HD void operator()(Index p, Index i) const { d_x[p * n_in + i] += from[p * row + i]; }
};
struct AddSplits {
  const float* partial;
  Index splits, size;
  float* d_w;
  TERRANE_HD void operator()(Index j) const {
    float sum = partial[j];
    for (Index k = 1; k < splits; ++k) sum += partial[k * size + j];
    d_w[j] += sum;
  }
};

template <WideMode mode>
struct LaunchProduct {
  Stream& s;
  const WideProduct& w;
  dim3 grid;
  template <class P>
  void operator()(const P&) const {
    const auto kernel = &wide_kernel<P, mode>;
    allow_shared_memory(kernel, wide_shared_bytes);
    TERRANE_LAUNCH(kernel, grid, dim3(wide_threads), static_cast<std::size_t>(wide_shared_bytes), s, w);
  }
};
template <WideMode mode>
void launch_product(Stream& s, MlpPrecision p, const WideProduct& w, Index rows, Index columns) {
  const Index splits = (w.depth + w.split_depth - 1) / w.split_depth;
  const dim3 grid(static_cast<unsigned>(columns / wide_n), static_cast<unsigned>(rows / wide_m),
                  static_cast<unsigned>(splits));
  visit_precision(p, LaunchProduct<mode>{s, w, grid});
}

// Splits of the points for one weight gradient: enough blocks to fill a device, from the shape alone.
Index split_points(const MlpLayer& layer, Index rows) {
  const Index tiles = padded(layer.n_out) / wide_m * (padded(layer.n_in) / wide_n);
  const Index splits = std::clamp<Index>(gradient_blocks / tiles, 1, most_splits);
  return std::max<Index>((rows / wide_slab + splits - 1) / splits, 4) * wide_slab;
}

// One call: memory and the steps over one chunk of points. Arrays of layer l are those of its outputs; 0 are the
// points.
class Wide {
 public:
  Wide(Stream& s, const MlpShape& shape, const float* theta, Index n, bool backward) : s_(s), shape_(shape) {
    plan(n, backward);
    auto* at = static_cast<float*>(s.scratch(total_ * static_cast<Index>(sizeof(float))));
    place(at, backward);
    for (int l = 0; l < shape.layers; ++l) {
      const MlpLayer& layer = shape.layer[l];
      weights_[l] = theta + shape.offset(l);
      if (!is_product(layer)) continue;
      parallel_for_2d(s, padded(layer.n_out), padded(layer.n_in),
                      PackMatrix{layer, weights_[l], packed_[l], bias_[l], precision(l)});
    }
  }
  static bool serves(const Stream& s, const MlpShape& shape) {
    if (shape.precision == MlpPrecision::fp32 || gpu_limits(s).shared_bytes < wide_shared_bytes) return false;
    for (int l = 0; l < shape.layers; ++l) {
      if (is_product(shape.layer[l])) return true;
    }
    return false;
  }
  Index chunk() const { return rows_; }
  void forward(const float* x, Index points);  // x (points, n_in)
  void copy_result(float* y) const {
    const Index n_out = shape_.n_out();
    parallel_for_2d(s_, points_, n_out, CopyResult{a_[shape_.layers], row_of(n_out), n_out, y});
  }
  void backward(const float* x, const float* d_y, float* d_theta, float* d_x);

 private:
  // The first layer is never below float.
  MlpPrecision precision(int l) const { return l == 0 ? MlpPrecision::tf32x3 : shape_.precision; }
  // What the array of layer l is rounded to: its reader is layer l (from 0), a product or not.
  MlpPrecision reader(int l) const {
    return l < shape_.layers && l > 0 && is_product(shape_.layer[l]) ? shape_.precision : MlpPrecision::fp32;
  }
  // Rounding of the delta of layer l (from 0).
  MlpPrecision delta_reader(int l) const {
    return l > 0 && is_product(shape_.layer[l]) ? shape_.precision : MlpPrecision::fp32;
  }
  ThinLayer thin(int l, MlpPrecision stored_as) const {
    const MlpLayer& layer = shape_.layer[l];
    return {layer, weights_[l], points_, l == 0 ? layer.n_in : row_of(layer.n_in), row_of(layer.n_out), stored_as};
  }
  Index outputs(int l) const { return l == 0 ? shape_.n_in() : shape_.layer[l - 1].n_out; }
  void plan(Index n, bool backward);
  void place(float* at, bool backward);
  void weight_gradient(int l, const float* delta, const float* in, float* d_w);
  void thin_gradient(int l, const float* delta, const float* in, bool bias_only, float* d_w);
  void add_splits(Index splits, Index size, float* d_w) const {
    parallel_for(s_, size, AddSplits{partial_, splits, size, d_w});
  }

  Stream& s_;
  const MlpShape& shape_;
  Index points_ = 0, rows_ = 0, total_ = 0;  // of this chunk; of a full chunk, padded; floats of scratch
  Index widest_ = 0, partial_size_ = 0;
  const float* weights_[mlp_max_layers] = {};
  float* packed_[mlp_max_layers] = {};
  float* bias_[mlp_max_layers] = {};
  float* a_[mlp_max_layers + 1] = {};
  float* df_[mlp_max_layers + 1] = {};
  float* delta_[2] = {};
  float* partial_ = nullptr;
};

void Wide::plan(Index n, bool backward) {
  Index row = 0, fixed = 0;
  for (int l = 0; l <= shape_.layers; ++l) {
    widest_ = std::max(widest_, row_of(outputs(l)));
    row += (backward ? 2 : 0) * row_of(outputs(l));
    if (l == shape_.layers || !is_product(shape_.layer[l])) continue;
    fixed += padded(shape_.layer[l].n_out) * (padded(shape_.layer[l].n_in) + 1);
  }
  row += 2 * widest_;
  const Index most = chunk_bytes / (row * static_cast<Index>(sizeof(float)));
  rows_ = std::min(padded(n), std::clamp<Index>(most / wide_m * wide_m, wide_m, most_points));
  for (int l = 0; backward && l < shape_.layers; ++l) {
    const MlpLayer& layer = shape_.layer[l];
    Index size = thin_splits * (is_product(layer) ? layer.n_out : layer.parameters());
    if (is_product(layer)) {
      const Index length = split_points(layer, rows_);
      size = std::max(size, (rows_ + length - 1) / length * layer.n_out * layer.n_in);
    }
    partial_size_ = std::max(partial_size_, size);
  }
  total_ = fixed + rows_ * row + partial_size_ + 32 * (4 * mlp_max_layers);  // pieces start at multiples of 32 floats
}

void Wide::place(float* at, bool backward) {
  const auto take = [&at](Index n) {
    float* p = at;
    at += (n + 31) / 32 * 32;
    return p;
  };
  for (int l = 0; l < shape_.layers; ++l) {
    if (!is_product(shape_.layer[l])) continue;
    packed_[l] = take(padded(shape_.layer[l].n_out) * padded(shape_.layer[l].n_in));
    bias_[l] = take(padded(shape_.layer[l].n_out));
  }
  float* two[2] = {take(rows_ * widest_), take(rows_ * widest_)};
  for (int l = 0; l <= shape_.layers; ++l) {
    a_[l] = backward ? take(rows_ * row_of(outputs(l))) : two[l % 2];
    if (backward && l > 0) df_[l] = take(rows_ * row_of(outputs(l)));
  }
  delta_[0] = two[0];
  delta_[1] = two[1];
  partial_ = take(partial_size_);
}

void Wide::forward(const float* x, Index points) {
  points_ = points;
  const Index rows = padded(points);
  if (is_product(shape_.layer[0])) {
    const Index row = row_of(shape_.n_in());
    parallel_for_2d(s_, rows, row, PackPoints{x, points, shape_.n_in(), row, a_[0]});
  }
  for (int l = 0; l < shape_.layers; ++l) {
    const MlpLayer& layer = shape_.layer[l];
    if (is_product(layer)) {
      WideProduct w;
      w.a = a_[l];
      w.a_stride = w.b_stride = w.depth = w.split_depth = row_of(layer.n_in);
      w.b = packed_[l];
      w.bias = bias_[l];
      w.activation = layer.activation;
      w.parameter = static_cast<float>(layer.parameter);
      w.out = a_[l + 1];
      w.df = df_[l + 1];
      w.out_stride = row_of(layer.n_out);
      w.stored_as = reader(l + 1);
      launch_product<WideMode::forward>(s_, precision(l), w, rows, row_of(layer.n_out));
    } else if (layer.n_out <= thin_outputs && l > 0) {
      TERRANE_LAUNCH(thin_output_kernel, dim3(static_cast<unsigned>(rows * 32 / thin_threads)), dim3(thin_threads), 0,
                     s_, thin(l, MlpPrecision::fp32), a_[l], a_[l + 1], df_[l + 1]);
    } else {
      parallel_for_2d(s_, rows, row_of(layer.n_out),
                      ThinForward{thin(l, reader(l + 1)), l == 0 ? x : a_[l], a_[l + 1], df_[l + 1], l > 0});
    }
  }
}

void Wide::thin_gradient(int l, const float* delta, const float* in, bool bias_only, float* d_w) {
  const MlpLayer& layer = shape_.layer[l];
  const Index size = bias_only ? layer.n_out : layer.parameters(), length = (points_ + thin_splits - 1) / thin_splits;
  const Index splits = (points_ + length - 1) / length;
  parallel_for_2d(s_, splits, size, ThinGradient{thin(l, MlpPrecision::fp32), length, delta, in, partial_, bias_only});
  add_splits(splits, size, d_w);
}

void Wide::weight_gradient(int l, const float* delta, const float* in, float* d_w) {
  const MlpLayer& layer = shape_.layer[l];
  if (!is_product(layer)) return thin_gradient(l, delta, in, false, d_w);
  WideProduct w;
  w.a = delta;
  w.a_stride = row_of(layer.n_out);
  w.b = in;
  w.b_stride = row_of(layer.n_in);
  w.depth = padded(points_);
  w.split_depth = split_points(layer, w.depth);
  w.out = partial_;
  w.rows = layer.n_out;
  w.columns = layer.n_in;
  launch_product<WideMode::gradient>(s_, precision(l), w, padded(layer.n_out), padded(layer.n_in));
  add_splits((w.depth + w.split_depth - 1) / w.split_depth, layer.n_out * layer.n_in, d_w);
  thin_gradient(l, delta, in, true, d_w + layer.n_out * layer.n_in);
}

void Wide::backward(const float* x, const float* d_y, float* d_theta, float* d_x) {
  const Index rows = padded(points_), n_in = shape_.n_in(), n_out = shape_.n_out();
  float* delta = delta_[0];
  float* other = delta_[1];
  const int last = shape_.layers - 1;
  parallel_for_2d(s_, rows, row_of(n_out),
                  FirstDelta{d_y, df_[last + 1], delta, points_, n_out, row_of(n_out), delta_reader(last)});
  for (int l = last; l >= 0; --l) {
    const MlpLayer& layer = shape_.layer[l];
    const bool product = is_product(layer);
    if (d_theta != nullptr) {
      weight_gradient(l, delta, l == 0 && !product ? x : a_[l], d_theta + shape_.offset(l));
    }
    if (l == 0 && d_x == nullptr) break;
    if (product) {
      WideProduct w;
      w.a = delta;
      w.a_stride = w.depth = w.split_depth = row_of(layer.n_out);
      w.b = packed_[l];
      w.b_stride = w.out_stride = row_of(layer.n_in);
      w.out = other;
      w.df = df_[l];
      w.stored_as = l > 0 ? delta_reader(l - 1) : MlpPrecision::fp32;
      launch_product<WideMode::delta>(s_, precision(l), w, rows, row_of(layer.n_in));
      if (l == 0) parallel_for_2d(s_, points_, n_in, AddPoints{other, row_of(n_in), n_in, d_x});
    } else if (l > 0) {
      parallel_for_2d(s_, rows, row_of(layer.n_in), ThinDelta{thin(l, delta_reader(l - 1)), delta, df_[l], other});
    } else {
      parallel_for_2d(s_, points_, n_in, ThinPoints{thin(0, MlpPrecision::fp32), delta, d_x});
    }
    std::swap(delta, other);
  }
}

}  // namespace

bool wide_forward(Stream& s, const MlpForward<float>& f) {
  if (!Wide::serves(s, f.shape)) return false;
  Wide net(s, f.shape, f.theta, f.n, false);
  for (Index first = 0; first < f.n; first += net.chunk()) {
    net.forward(f.x + first * f.shape.n_in(), std::min(net.chunk(), f.n - first));
    net.copy_result(f.y + first * f.shape.n_out());
  }
  return true;
}

bool wide_vjp(Stream& s, const MlpVjp<float>& f) {
  if (!Wide::serves(s, f.shape)) return false;
  Wide net(s, f.shape, f.theta, f.n, true);
  const Index n_in = f.shape.n_in(), n_out = f.shape.n_out();
  for (Index first = 0; first < f.n; first += net.chunk()) {
    const float* x = f.x + first * n_in;
    net.forward(x, std::min(net.chunk(), f.n - first));
    net.backward(x, f.d_y + first * n_out, f.d_theta, f.d_x != nullptr ? f.d_x + first * n_in : nullptr);
  }
  return true;
}

}  // namespace terrane::TERRANE_BACKEND
