// SPDX-License-Identifier: MIT
// Default GPU schedule of the Gabor network: layer by layer over chunks of points, one thread an output element, as
// kernels/mlp/mlp.cuda.cu. The chunk depends on the shape only and every sum runs in one thread in a fixed order.
#include <algorithm>
#include <utility>

#include "kernels/mlp/gabor.hpp"
#include "kernels/pointwise/pointwise.hpp"
#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

constexpr Index chunk_bytes = Index{48} << 20;  // scratch for one chunk, about

// A layer and its weights. Rows of complex values are [re, im], each of the layer's size.
template <class T>
struct Layer {
  Index n_in, n_out;
  bool first, last;
  T omega, s2;  // of the activation that follows
  const T* w;
  Layer(const GaborShape& s, int l, const T* theta)
      : n_in(s.inputs(l)),
        n_out(s.outputs(l)),
        first(l == 0),
        last(l == s.depth),
        omega(static_cast<T>(s.omega_of(l))),
        s2(static_cast<T>(s.scale * s.scale)),
        w(theta != nullptr ? theta + s.offset(l) : nullptr) {}
  TERRANE_HD Index in_row() const { return first ? n_in : 2 * n_in; }
  TERRANE_HD Index out_row() const { return last ? n_out : 2 * n_out; }
  // z += W a for output o with the weights `v` of this layer
  TERRANE_HD void multiply(const T* v, const T* a, Index o, T& zr, T& zi) const {
    const T* wr = v + o * n_in;
    const T* wi = wr + n_out * n_in;
    for (Index i = 0; i < n_in; ++i) {
      if (first) {
        zr += wr[i] * a[i];
      } else {
        zr += wr[i] * a[i] - wi[i] * a[n_in + i];
        zi += wr[i] * a[n_in + i] + wi[i] * a[i];
      }
    }
  }
  TERRANE_HD void bias(const T* v, Index o, T& br, T& bi) const {
    const T* b = v + (first ? 1 : 2) * n_out * n_in;
    br = b[o];
    bi = first ? T(0) : b[n_out + o];
  }
};

template <class T>
struct LayerForward {
  Layer<T> layer;
  const T* a;  // (points, in_row)
  T* z;        // (points, 2 n_out), hidden layers
  T* h;        // (points, out_row): h, or y of the last layer
  TERRANE_HD void operator()(Index p, Index o) const {
    const Index n = layer.n_out, row = layer.out_row();
    T zr, zi;
    layer.bias(layer.w, o, zr, zi);
    layer.multiply(layer.w, a + p * layer.in_row(), o, zr, zi);
    if (layer.last) {
      h[p * row + o] = zr;
      return;
    }
    z[p * row + o] = zr;
    z[p * row + n + o] = zi;
    gabor_value<SeparateMulAdd>(layer.omega, layer.s2, zr, zi, h[p * row + o], h[p * row + n + o]);
  }
};

template <class T>
struct LayerTangent {
  Layer<T> layer;
  const T* tw;  // null: zero
  const T* a;   // (points, in_row)
  const T* ta;  // (points, in_row) or null
  const T* z;   // (points, 2 n_out), hidden layers
  const T* h;
  T* t_out;  // (points, out_row)
  TERRANE_HD void operator()(Index p, Index o) const {
    const Index n = layer.n_out, row = layer.out_row();
    T tr = T(0), ti = T(0);
    if (tw != nullptr) {
      layer.bias(tw, o, tr, ti);
      layer.multiply(tw, a + p * layer.in_row(), o, tr, ti);
    }
    if (ta != nullptr) layer.multiply(layer.w, ta + p * layer.in_row(), o, tr, ti);
    if (layer.last) {
      t_out[p * row + o] = tr;
      return;
    }
    const Index re = p * row + o, im = re + n;
    gabor_tangent(layer.omega, layer.s2, z[re], z[im], h[re], h[im], tr, ti, t_out[re], t_out[im]);
  }
};

// delta_in = conj(W)^T delta, then through the activation of the layer below (its omega and s2); the first layer adds
// its real part to `delta_in` instead.
template <class T>
struct LayerBackward {
  Layer<T> layer;
  T omega, s2;
  const T* delta;  // (points, out_row)
  Index delta_row;
  const T* z;  // (points, 2 n_in) of the layer below
  const T* h;
  T* delta_in;  // (points, in_row)
  TERRANE_HD void operator()(Index p, Index i) const {
    const Index n_in = layer.n_in, n_out = layer.n_out;
    const T* d = delta + p * delta_row;
    T gr = T(0), gi = T(0);
    for (Index o = 0; o < n_out; ++o) {
      const T wr = layer.w[o * n_in + i];
      gr += d[o] * wr;
      if (layer.first) continue;
      const T wi = layer.w[(n_out + o) * n_in + i], di = layer.last ? T(0) : d[n_out + o];
      gr += di * wi;
      gi += di * wr - d[o] * wi;
    }
    if (layer.first) {
      delta_in[p * n_in + i] += gr;
      return;
    }
    const Index re = p * 2 * n_in + i, im = re + n_in;
    gabor_chain(omega, s2, z[re], z[im], h[re], h[im], gr, gi, delta_in[re], delta_in[im]);
  }
};

// d_W[o, i] += sum_p delta[p, o] conj(a[p, i]); column n_in is the bias
template <class T>
struct WeightGradient {
  Layer<T> layer;
  Index points;
  const T* delta;
  Index delta_row;
  const T* a;  // (points, in_row)
  T* d_w;      // of the layer
  TERRANE_HD void operator()(Index o, Index i) const {
    const Index n_in = layer.n_in, n_out = layer.n_out, weights = n_out * n_in, in_row = layer.in_row();
    const bool imaginary = !layer.first && !layer.last;  // delta has an imaginary part
    T re = T(0), im = T(0);
    for (Index p = 0; p < points; ++p) {
      const T dr = delta[p * delta_row + o], di = imaginary ? delta[p * delta_row + n_out + o] : T(0);
      if (i == n_in) {
        re += dr;
        im += di;
        continue;
      }
      const T ar = a[p * in_row + i];
      re += dr * ar;
      if (layer.first) continue;
      const T ai = a[p * in_row + n_in + i];
      re += di * ai;
      im += di * ar - dr * ai;
    }
    if (i == n_in) {
      T* b = d_w + (layer.first ? 1 : 2) * weights;
      b[o] += re;
      if (!layer.first) b[n_out + o] += im;
    } else {
      d_w[o * n_in + i] += re;
      if (!layer.first) d_w[weights + o * n_in + i] += im;
    }
  }
};

template <class T>
struct CopyOut {
  const T* from;
  T* to;
  TERRANE_HD void operator()(Index i) const { to[i] = from[i]; }
};
// Columns of rows; beyond `valid` zero.
template <class T>
struct CopyRows {
  const T* from;
  Index from_row, valid;
  T* to;
  Index to_row;
  TERRANE_HD void operator()(Index p, Index c) const { to[p * to_row + c] = c < valid ? from[p * from_row + c] : T(0); }
};
// Scratch of one chunk: z and h of every hidden layer, two arrays of the widest row.
template <class T>
struct Chunk {
  Index points = 0;
  T* z[gabor_max_layers] = {};
  T* h[gabor_max_layers] = {};
  T* wide[2] = {};

  Chunk(Stream& s, const GaborShape& shape, Index n) {
    const Index hidden = 2 * shape.width, widest = std::max({hidden, shape.n_in, shape.n_out});
    const Index row = 2 * hidden * shape.depth + 2 * widest;
    const Index most = chunk_bytes / (row * static_cast<Index>(sizeof(T)));
    points = std::min(n, std::clamp<Index>(most / 64 * 64, 256, 8192));
    auto* at = static_cast<T*>(s.scratch(points * row * static_cast<Index>(sizeof(T))));
    for (int l = 0; l < shape.depth; ++l) {
      z[l] = at;
      h[l] = at + points * hidden;
      at += 2 * points * hidden;
    }
    wide[0] = at;
    wide[1] = at + points * widest;
  }
};

// y may be null
template <class T>
void run_forward(Stream& s, const GaborShape& shape, const T* theta, const T* x, Index points, const Chunk<T>& c,
                 T* y) {
  for (int l = 0; l < (y != nullptr ? shape.layers() : shape.depth); ++l) {
    const bool last = l == shape.depth;
    parallel_for_2d(s, points, shape.outputs(l),
                    LayerForward<T>{Layer<T>(shape, l, theta), l == 0 ? x : c.h[l - 1], last ? nullptr : c.z[l],
                                    last ? y : c.h[l]});
  }
}

template <class T>
void run_backward(Stream& s, const GaborShape& shape, const T* theta, int l, Index points, const Chunk<T>& c,
                  const T* delta, T* delta_in) {
  const Layer<T> layer(shape, l, theta);
  LayerBackward<T> b{layer, T(0), T(0), delta, layer.out_row(), nullptr, nullptr, delta_in};
  if (l > 0) {
    b.omega = static_cast<T>(shape.omega_of(l - 1));
    b.s2 = layer.s2;
    b.z = c.z[l - 1];
    b.h = c.h[l - 1];
  }
  parallel_for_2d(s, points, layer.n_in, b);
}

}  // namespace

template <class T>
void gabor_forward(Stream& s, const GaborForward<T>& f) {
  if (f.n == 0) return;
  const Chunk<T> c(s, f.shape, f.n);
  for (Index first = 0; first < f.n; first += c.points) {
    const Index points = std::min(c.points, f.n - first);
    run_forward(s, f.shape, f.theta, f.x + first * f.shape.n_in, points, c, f.y + first * f.shape.n_out);
  }
}
TERRANE_INSTANTIATE(gabor_forward, GaborForward)

template <class T>
void gabor_vjp(Stream& s, const GaborVjp<T>& f) {
  if (f.n == 0 || (f.d_theta == nullptr && f.d_x == nullptr)) return;
  const GaborShape& shape = f.shape;
  const Chunk<T> c(s, shape, f.n);
  for (Index first = 0; first < f.n; first += c.points) {
    const Index points = std::min(c.points, f.n - first);
    const T* x = f.x + first * shape.n_in;
    run_forward<T>(s, shape, f.theta, x, points, c, nullptr);
    T* delta = c.wide[0];
    T* other = c.wide[1];
    parallel_for(s, points * shape.n_out, CopyOut<T>{f.d_y + first * shape.n_out, delta});
    for (int l = shape.depth; l >= 0; --l) {
      const Layer<T> layer(shape, l, f.theta);
      if (f.d_theta != nullptr) {
        parallel_for_2d(s, layer.n_out, layer.n_in + 1,
                        WeightGradient<T>{layer, points, delta, layer.out_row(), l == 0 ? x : c.h[l - 1],
                                          f.d_theta + shape.offset(l)});
      }
      if (l == 0 && f.d_x == nullptr) break;
      run_backward(s, shape, f.theta, l, points, c, delta, l == 0 ? f.d_x + first * shape.n_in : other);
      std::swap(delta, other);
    }
  }
}
TERRANE_INSTANTIATE(gabor_vjp, GaborVjp)

template <class T>
void gabor_jvp(Stream& s, const GaborJvp<T>& f) {
  if (f.n == 0) return;
  const GaborShape& shape = f.shape;
  if (f.t_theta == nullptr && f.t_x == nullptr)
    return parallel_for(s, f.n * shape.n_out, Fill<T>{f.t_y, T(0), f.n * shape.n_out});
  const Chunk<T> c(s, shape, f.n);
  for (Index first = 0; first < f.n; first += c.points) {
    const Index points = std::min(c.points, f.n - first);
    const T* x = f.x + first * shape.n_in;
    run_forward<T>(s, shape, f.theta, x, points, c, nullptr);
    const T* t = f.t_x != nullptr ? f.t_x + first * shape.n_in : nullptr;
    for (int l = 0; l < shape.layers(); ++l) {
      const bool last = l == shape.depth;
      const T* tw = f.t_theta != nullptr ? f.t_theta + shape.offset(l) : nullptr;
      T* out = last ? f.t_y + first * shape.n_out : c.wide[l % 2];
      parallel_for_2d(s, points, shape.outputs(l),
                      LayerTangent<T>{Layer<T>(shape, l, f.theta), tw, l == 0 ? x : c.h[l - 1], t,
                                      last ? nullptr : c.z[l], last ? nullptr : c.h[l], out});
      t = out;
    }
  }
}
TERRANE_INSTANTIATE(gabor_jvp, GaborJvp)

template <class T>
void gabor_factors(Stream& s, const GaborFactors<T>& f) {
  if (f.n == 0) return;
  const GaborShape& shape = f.shape;
  const Chunk<T> c(s, shape, f.n);
  for (Index first = 0; first < f.n; first += c.points) {
    const Index points = std::min(c.points, f.n - first), n_out = shape.n_out;
    const T* x = f.x + first * shape.n_in;
    run_forward<T>(s, shape, f.theta, x, points, c, nullptr);
    T* delta = c.wide[0];
    T* other = c.wide[1];
    parallel_for(s, points * n_out, CopyOut<T>{f.d_y + first * n_out, delta});
    for (int l = shape.depth; l >= 0; --l) {
      const Layer<T> layer(shape, l, f.theta);
      const Index columns = l == 0 ? layer.n_out : 2 * layer.n_out, valid = layer.last ? n_out : columns;
      parallel_for_2d(s, points, layer.in_row(),
                      CopyRows<T>{l == 0 ? x : c.h[l - 1], layer.in_row(), layer.in_row(),
                                  f.a[l] + first * layer.in_row(), layer.in_row()});
      parallel_for_2d(s, points, columns,
                      CopyRows<T>{delta, layer.out_row(), valid, f.d[l] + first * columns, columns});
      if (l == 0) break;
      run_backward(s, shape, f.theta, l, points, c, delta, other);
      std::swap(delta, other);
    }
  }
}
TERRANE_INSTANTIATE(gabor_factors, GaborFactors)

}  // namespace terrane::TERRANE_BACKEND
