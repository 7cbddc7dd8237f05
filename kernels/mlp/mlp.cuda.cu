// SPDX-License-Identifier: MIT
// GPU schedules of the network. forward and vjp of float networks run on tensor cores where mlp_tensor.hpp serves the
// shape. Everything else, jvp and factors take the plain schedule of this file: layer by layer over chunks of points,
// one thread an output element. The chunk depends on the shape only and every sum runs in one thread in a fixed order:
// deterministic without atomics.
#include <algorithm>
#include <type_traits>
#include <utility>

#include "kernels/mlp/mlp_tensor.hpp"
#include "kernels/pointwise/pointwise.hpp"
#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

constexpr Index chunk_bytes = Index{48} << 20;  // scratch for one chunk, about

// a_out[p, o] = f(b[o] + sum_i W[o, i] a_in[p, i]); df = f' where wanted
template <class T>
struct LayerForward {
  MlpLayer layer;
  const T* w;     // W, then b
  const T* a_in;  // (points, n_in)
  T* a_out;       // (points, n_out)
  T* df;          // (points, n_out) or null
  TERRANE_HD void operator()(Index p, Index o) const {
    const Index n_in = layer.n_in;
    T z = w[layer.n_out * n_in + o];
    for (Index i = 0; i < n_in; ++i) z += w[o * n_in + i] * a_in[p * n_in + i];
    T f, d;
    activate(layer.activation, static_cast<T>(layer.parameter), z, f, d);
    a_out[p * layer.n_out + o] = f;
    if (df != nullptr) df[p * layer.n_out + o] = d;
  }
};

// t_out[p, o] = df[p, o] (tb[o] + sum_i tW[o, i] a[p, i] + W[o, i] t_in[p, i])
template <class T>
struct LayerTangent {
  MlpLayer layer;
  const T* w;
  const T* tw;    // null: zero
  const T* a_in;  // (points, n_in)
  const T* t_in;  // (points, n_in) or null
  const T* df;    // (points, n_out)
  T* t_out;       // (points, n_out)
  TERRANE_HD void operator()(Index p, Index o) const {
    const Index n_in = layer.n_in;
    T t = tw != nullptr ? tw[layer.n_out * n_in + o] : T(0);
    for (Index i = 0; i < n_in; ++i) {
      if (tw != nullptr) t += tw[o * n_in + i] * a_in[p * n_in + i];
      if (t_in != nullptr) t += w[o * n_in + i] * t_in[p * n_in + i];
    }
    t_out[p * layer.n_out + o] = df[p * layer.n_out + o] * t;
  }
};

// delta_in[p, i] = (sum_o delta[p, o] W[o, i]) df_in[p, i]; added to `accumulate` instead when that is given
template <class T>
struct LayerBackward {
  MlpLayer layer;
  const T* w;
  const T* delta;  // (points, n_out)
  const T* df_in;  // (points, n_in) or null: 1
  T* delta_in;     // (points, n_in)
  bool accumulate;
  TERRANE_HD void operator()(Index p, Index i) const {
    T sum = T(0);
    for (Index o = 0; o < layer.n_out; ++o) sum += delta[p * layer.n_out + o] * w[o * layer.n_in + i];
    const Index at = p * layer.n_in + i;
    if (df_in != nullptr) sum *= df_in[at];
    delta_in[at] = accumulate ? delta_in[at] + sum : sum;
  }
};

// d_W[o, i] += sum_p delta[p, o] a[p, i]; column n_in is the bias
template <class T>
struct WeightGradient {
  MlpLayer layer;
  Index points;
  const T* delta;  // (points, n_out)
  const T* a;      // (points, n_in)
  T* d_w;          // W, then b
  TERRANE_HD void operator()(Index o, Index i) const {
    const Index n_in = layer.n_in, n_out = layer.n_out;
    T sum = T(0);
    if (i == n_in) {
      for (Index p = 0; p < points; ++p) sum += delta[p * n_out + o];
      d_w[n_out * n_in + o] += sum;
    } else {
      for (Index p = 0; p < points; ++p) sum += delta[p * n_out + o] * a[p * n_in + i];
      d_w[o * n_in + i] += sum;
    }
  }
};

// delta = d_y o df, d_y one at `output` and zero elsewhere when it is null
template <class T>
struct StartDelta {
  const T* d_y;
  const T* df;
  T* delta;
  Index n_out, output;
  TERRANE_HD void operator()(Index p, Index o) const {
    const Index at = p * n_out + o;
    delta[at] = df[at] * (d_y != nullptr ? d_y[at] : (o == output ? T(1) : T(0)));
  }
};

template <class T>
struct CopyOut {
  const T* from;
  T* to;
  TERRANE_HD void operator()(Index i) const { to[i] = from[i]; }
};
// Scratch of one chunk: a[l] and df[l] of layer l's outputs (l = 1..L), two arrays of the widest layer.
template <class T>
struct Chunk {
  Index points = 0;
  T* a[mlp_max_layers + 1] = {};
  T* df[mlp_max_layers + 1] = {};
  T* wide[2] = {};

  Chunk(Stream& s, const MlpShape& shape, Index n) {
    Index row = 0, widest = shape.n_in();
    for (int l = 0; l < shape.layers; ++l) {
      row += 2 * shape.layer[l].n_out;
      widest = std::max(widest, shape.layer[l].n_out);
    }
    row += 2 * widest;
    const Index most = chunk_bytes / (row * static_cast<Index>(sizeof(T)));
    points = std::min(n, std::clamp<Index>(most / 64 * 64, 256, 8192));
    auto* at = static_cast<T*>(s.scratch(points * row * static_cast<Index>(sizeof(T))));
    for (int l = 1; l <= shape.layers; ++l) {
      const Index size = points * shape.layer[l - 1].n_out;
      a[l] = at;
      df[l] = at + size;
      at += 2 * size;
    }
    wide[0] = at;
    wide[1] = at + points * widest;
  }
};

template <class T>
void run_forward(Stream& s, const MlpShape& shape, const T* theta, const T* x, Index points, Chunk<T>& c) {
  for (int l = 0; l < shape.layers; ++l) {
    parallel_for_2d(
        s, points, shape.layer[l].n_out,
        LayerForward<T>{shape.layer[l], theta + shape.offset(l), l == 0 ? x : c.a[l], c.a[l + 1], c.df[l + 1]});
  }
}

}  // namespace

template <class T>
void mlp_forward(Stream& s, const MlpForward<T>& f) {
  if (f.n == 0) return;
  if constexpr (std::is_same_v<T, float>) {
    if (fused_forward(s, f) || wide_forward(s, f)) return;
  }
  Chunk<T> c(s, f.shape, f.n);
  for (Index first = 0; first < f.n; first += c.points) {
    const Index points = std::min(c.points, f.n - first), n_out = f.shape.n_out();
    run_forward(s, f.shape, f.theta, f.x + first * f.shape.n_in(), points, c);
    parallel_for(s, points * n_out, CopyOut<T>{c.a[f.shape.layers], f.y + first * n_out});
  }
}
TERRANE_INSTANTIATE(mlp_forward, MlpForward)

template <class T>
void mlp_vjp(Stream& s, const MlpVjp<T>& f) {
  if (f.n == 0 || (f.d_theta == nullptr && f.d_x == nullptr)) return;
  if constexpr (std::is_same_v<T, float>) {
    if (fused_vjp(s, f) || wide_vjp(s, f)) return;
  }
  const MlpShape& shape = f.shape;
  Chunk<T> c(s, shape, f.n);
  for (Index first = 0; first < f.n; first += c.points) {
    const Index points = std::min(c.points, f.n - first), n_in = shape.n_in(), n_out = shape.n_out();
    const T* x = f.x + first * n_in;
    run_forward(s, shape, f.theta, x, points, c);
    T* delta = c.wide[0];
    T* other = c.wide[1];
    parallel_for_2d(s, points, n_out, StartDelta<T>{f.d_y + first * n_out, c.df[shape.layers], delta, n_out, 0});
    for (int l = shape.layers - 1; l >= 0; --l) {
      const MlpLayer& layer = shape.layer[l];
      const T* w = f.theta + shape.offset(l);
      if (f.d_theta != nullptr) {
        parallel_for_2d(s, layer.n_out, layer.n_in + 1,
                        WeightGradient<T>{layer, points, delta, l == 0 ? x : c.a[l], f.d_theta + shape.offset(l)});
      }
      if (l > 0) {
        parallel_for_2d(s, points, layer.n_in, LayerBackward<T>{layer, w, delta, c.df[l], other, false});
      } else if (f.d_x != nullptr) {
        parallel_for_2d(s, points, layer.n_in, LayerBackward<T>{layer, w, delta, nullptr, f.d_x + first * n_in, true});
      }
      std::swap(delta, other);
    }
  }
}
TERRANE_INSTANTIATE(mlp_vjp, MlpVjp)

template <class T>
void mlp_jvp(Stream& s, const MlpJvp<T>& f) {
  if (f.n == 0) return;
  const MlpShape& shape = f.shape;
  if (f.t_theta == nullptr && f.t_x == nullptr)
    return parallel_for(s, f.n * shape.n_out(), Fill<T>{f.t_y, T(0), f.n * shape.n_out()});
  Chunk<T> c(s, shape, f.n);
  for (Index first = 0; first < f.n; first += c.points) {
    const Index points = std::min(c.points, f.n - first), n_in = shape.n_in(), n_out = shape.n_out();
    const T* x = f.x + first * n_in;
    run_forward(s, shape, f.theta, x, points, c);
    const T* t = f.t_x != nullptr ? f.t_x + first * n_in : nullptr;
    for (int l = 0; l < shape.layers; ++l) {
      const T* tw = f.t_theta != nullptr ? f.t_theta + shape.offset(l) : nullptr;
      T* out = l == shape.layers - 1 ? f.t_y + first * n_out : c.wide[l % 2];
      parallel_for_2d(
          s, points, shape.layer[l].n_out,
          LayerTangent<T>{shape.layer[l], f.theta + shape.offset(l), tw, l == 0 ? x : c.a[l], t, c.df[l + 1], out});
      t = out;
    }
  }
}
TERRANE_INSTANTIATE(mlp_jvp, MlpJvp)

template <class T>
void mlp_factors(Stream& s, const MlpFactors<T>& f) {
  if (f.n == 0) return;
  const MlpShape& shape = f.shape;
  Chunk<T> c(s, shape, f.n);
  for (Index first = 0; first < f.n; first += c.points) {
    const Index points = std::min(c.points, f.n - first), n_in = shape.n_in(), n_out = shape.n_out();
    const T* x = f.x + first * n_in;
    run_forward(s, shape, f.theta, x, points, c);
    const int last = shape.layers - 1;
    parallel_for_2d(s, points, n_out,
                    StartDelta<T>{f.d_y != nullptr ? f.d_y + first * n_out : nullptr, c.df[shape.layers],
                                  f.d[last] + first * n_out, n_out, f.output});
    for (int l = last; l >= 0; --l) {
      const MlpLayer& layer = shape.layer[l];
      parallel_for(s, points * layer.n_in, CopyOut<T>{l == 0 ? x : c.a[l], f.a[l] + first * layer.n_in});
      if (l == 0) break;
      parallel_for_2d(s, points, layer.n_in,
                      LayerBackward<T>{layer, f.theta + shape.offset(l), f.d[l] + first * layer.n_out, c.df[l],
                                       f.d[l - 1] + first * layer.n_in, false});
    }
  }
}
TERRANE_INSTANTIATE(mlp_factors, MlpFactors)

}  // namespace terrane::TERRANE_BACKEND
