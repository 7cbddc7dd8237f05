// SPDX-License-Identifier: MIT
// CPU schedule of the Gabor network: tiles of points through all layers, as kernels/mlp/mlp.cpu.cpp. A complex layer is
// one real product of doubled width on rows [re | im]: [z_r z_i] = [a_r a_i] [[W_r^T, W_i^T], [-W_i^T, W_r^T]].
#include "kernels/mlp/gabor.hpp"

#include <utility>
#include <vector>

#include "kernels/mlp/tiles_cpu.hpp"
#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

constexpr Index points_of_tile = 64;

// Padded sizes. A row of a hidden layer holds two planes of `plane` values; the extra vector keeps rows off the same
// cache sets.
template <class T>
struct Sizes {
  Index in, width, out;  // valid
  Index plane, in_columns, out_columns;
  Index hidden_row, in_row, out_row;
  explicit Sizes(const GaborShape& s)
      : in(s.n_in),
        width(s.width),
        out(s.n_out),
        plane(round_to_lanes<T>(width)),
        in_columns(round_to_lanes<T>(in)),
        out_columns(round_to_lanes<T>(out)),
        hidden_row(2 * plane + Simd<T>::lanes),
        in_row(in_columns + Simd<T>::lanes),
        out_row(out_columns + Simd<T>::lanes) {}
};

// The weights of one layer as a real matrix of its padded rows: (input k, output j).
template <class T>
struct RealMatrix {
  const GaborShape* shape;
  const T* w;  // of the layer
  int l;
  Index plane;
  bool transposed;  // element(k, j) is that of input j, output k
  T operator()(Index k, Index j) const {
    if (transposed) std::swap(k, j);
    const Index n_in = shape->inputs(l), n_out = shape->outputs(l);
    const bool first = l == 0, last = l == shape->depth;
    const bool imag_in = !first && k >= plane, imag_out = !last && j >= plane;
    const Index i = imag_in ? k - plane : k, o = imag_out ? j - plane : j;
    if (i >= n_in || o >= n_out) return T(0);
    const T re = w[o * n_in + i];
    if (first) return imag_out ? T(0) : re;
    const T im = w[n_out * n_in + o * n_in + i];
    return imag_in == imag_out ? re : (imag_in ? -im : im);
  }
};

template <class T>
struct PackedLayer {
  T* forward = nullptr;   // (padded inputs, padded outputs)
  T* bias = nullptr;      // (padded outputs)
  T* backward = nullptr;  // its transpose
};

// Depth and columns of a layer's real matrix; layer 0 fills the real plane only.
template <class T>
Index depth_of(const GaborShape& s, const Sizes<T>& z, int l) {
  return l == 0 ? s.n_in : 2 * z.plane;
}
template <class T>
Index columns_of(const GaborShape& s, const Sizes<T>& z, int l) {
  return l == 0 ? z.plane : (l == s.depth ? z.out_columns : 2 * z.plane);
}
template <class T>
Index outputs_of(const GaborShape& s, const Sizes<T>& z, int l) {  // rows of the gradient, depth of the transpose
  return l == 0 ? s.width : (l == s.depth ? s.n_out : 2 * z.plane);
}
template <class T>
Index input_columns(const Sizes<T>& z, int l) {
  return l == 0 ? z.in_columns : 2 * z.plane;
}

template <class T>
void take_packed(const GaborShape& s, bool backward, Pieces<T>& pieces, PackedLayer<T>* packed) {
  const Sizes<T> z(s);
  for (int l = 0; l < s.layers(); ++l) {
    packed[l].forward = pieces.take(depth_of(s, z, l) * columns_of(s, z, l));
    packed[l].bias = pieces.take(columns_of(s, z, l));
    if (backward) packed[l].backward = pieces.take(outputs_of(s, z, l) * input_columns(z, l));
  }
}

template <class T>
struct PackTask {
  const GaborShape* shape;
  const T* theta;
  PackedLayer<T>* packed;
  void operator()(Index layer) const {
    const GaborShape& s = *shape;
    const int l = static_cast<int>(layer);
    const Sizes<T> z(s);
    const T* w = theta + s.offset(l);
    const Index n_out = s.outputs(l), weights = n_out * s.inputs(l), columns = columns_of(s, z, l);
    const PackedLayer<T>& p = packed[l];
    pack_elements(depth_of(s, z, l), columns, RealMatrix<T>{shape, w, l, z.plane, false}, p.forward);
    if (p.backward != nullptr) {
      const RealMatrix<T> transposed{shape, w, l, z.plane, true};
      pack_elements(outputs_of(s, z, l), input_columns(z, l), transposed, p.backward);
    }
    std::fill_n(p.bias, columns, T(0));
    const T* b = w + (l == 0 ? 1 : 2) * weights;
    for (Index o = 0; o < n_out; ++o) {
      p.bias[o] = b[o];
      if (l > 0 && l < s.depth) p.bias[z.plane + o] = b[n_out + o];
    }
  }
};

// Values of one tile. z[l], h[l] of hidden layer l = 0 .. depth - 1: (points, hidden_row).
template <class T>
struct Tile {
  T* x = nullptr;  // (points, in_row)
  T* z[gabor_max_layers] = {};
  T* h[gabor_max_layers] = {};
  T* y = nullptr;  // (points, out_row)
  T* delta[2] = {};
};

// keep: every layer has its own arrays; otherwise all share one z and two alternate as h.
template <class T>
void take_tile(const GaborShape& s, bool keep, Pieces<T>& pieces, Tile<T>& tile) {
  constexpr Index points = points_of_tile;
  const Sizes<T> z(s);
  tile.x = pieces.take(points * z.in_row);
  tile.y = pieces.take(points * z.out_row);
  const Index size = points * z.hidden_row;
  for (int l = 0; l < s.depth; ++l) {
    tile.z[l] = keep || l == 0 ? pieces.take(size) : tile.z[0];
    tile.h[l] = keep || l < 2 ? pieces.take(size) : tile.h[l % 2];
  }
  if (!keep) return;
  for (T*& d : tile.delta) d = pieces.take(points * std::max({z.hidden_row, z.in_row, z.out_row}));
}

// The one call of the tile product: out (rows, columns) = start + a b.
template <class T>
void product(Index rows, Index columns, Index depth, TileA<T> a, TileB<T> b, T* out, Index out_row, Start start,
             const T* bias = nullptr) {
  tile_gemm<T>(rows, columns, depth, a, b, out, out_row, start, bias);
}

// z_l = a W^T + b of one layer; `out` is z_l, or y of the last layer.
template <class T>
void linear(const GaborShape& s, int l, const PackedLayer<T>& p, Index rows, const T* a, T* out, Start start,
            const T* bias) {
  const Sizes<T> z(s);
  product<T>(rows, columns_of(s, z, l), depth_of(s, z, l), {a, l == 0 ? z.in_row : z.hidden_row, 1}, {p.forward, 0},
             out, l == s.depth ? z.out_row : z.hidden_row, start, bias);
}

template <class T>
void activate_tile(const GaborShape& s, int l, Index rows, const Tile<T>& tile) {
  const Sizes<T> z(s);
  const T omega = static_cast<T>(s.omega_of(l)), s2 = static_cast<T>(s.scale * s.scale);
  for (Index r = 0; r < rows; ++r) {
    T* zr = tile.z[l] + r * z.hidden_row;
    T* zi = zr + z.plane;
    T* hr = tile.h[l] + r * z.hidden_row;
    T* hi = hr + z.plane;
    if (l == 0) std::fill_n(zi, z.plane, T(0));
#pragma omp simd
    for (Index o = 0; o < z.plane; ++o) gabor_value<HostMulAdd>(omega, s2, zr[o], zi[o], hr[o], hi[o]);
  }
}

template <class T>
void run_forward(const GaborShape& s, const PackedLayer<T>* packed, Index rows, const Tile<T>& tile, bool last) {
  for (int l = 0; l < s.depth; ++l) {
    linear<T>(s, l, packed[l], rows, l == 0 ? tile.x : tile.h[l - 1], tile.z[l], Start::bias, packed[l].bias);
    activate_tile(s, l, rows, tile);
  }
  const int l = s.depth;
  if (last) linear<T>(s, l, packed[l], rows, tile.h[l - 1], tile.y, Start::bias, packed[l].bias);
}

// delta_in = cotangent of the layer's inputs; for l > 0 then of z_{l-1}
template <class T>
void backward_layer(const GaborShape& s, int l, const PackedLayer<T>& p, Index rows, const Tile<T>& tile,
                    const T* delta_out, T* delta_in) {
  const Sizes<T> z(s);
  product<T>(rows, input_columns(z, l), outputs_of(s, z, l), {delta_out, l == s.depth ? z.out_row : z.hidden_row, 1},
             {p.backward, 0}, delta_in, l == 0 ? z.in_row : z.hidden_row, Start::zero);
  if (l == 0) return;
  const T omega = static_cast<T>(s.omega_of(l - 1)), s2 = static_cast<T>(s.scale * s.scale);
  for (Index r = 0; r < rows; ++r) {
    const Index at = r * z.hidden_row;
    const T* zr = tile.z[l - 1] + at;
    const T* hr = tile.h[l - 1] + at;
    T* d = delta_in + at;
#pragma omp simd
    for (Index o = 0; o < z.plane; ++o) {
      T dx, dy;
      gabor_chain(omega, s2, zr[o], zr[z.plane + o], hr[o], hr[z.plane + o], d[o], d[z.plane + o], dx, dy);
      d[o] = dx;
      d[z.plane + o] = dy;
    }
  }
}

// Packed weights and one tile a worker, in the stream's scratch; `extra` values follow.
template <class T>
struct Workspace {
  PackedLayer<T> packed[gabor_max_layers];
  PackedLayer<T> tangent[gabor_max_layers];
  std::vector<Tile<T>> tiles, tangent_tiles;
  T* extra = nullptr;

  Workspace(Stream& s, const GaborShape& shape, Index slots, bool keep, Index extra_values, bool tangents,
            bool tangent_weights)
      : tiles(static_cast<std::size_t>(slots)), tangent_tiles(static_cast<std::size_t>(tangents ? slots : 0)) {
    Pieces<T> pieces;
    for (int pass = 0; pass < 2; ++pass) {
      if (pass == 1) pieces = {static_cast<T*>(s.scratch(pieces.used * static_cast<Index>(sizeof(T)))), 0};
      take_packed(shape, keep, pieces, packed);
      if (tangent_weights) take_packed(shape, false, pieces, tangent);
      for (Tile<T>& t : tiles) take_tile(shape, keep, pieces, t);
      for (Tile<T>& t : tangent_tiles) take_tile(shape, false, pieces, t);
      extra = pieces.take(extra_values);
    }
  }
};

template <class T>
void store_rows(const T* from, Index from_row, Index rows, Index columns, T* to, Index to_row) {
  for (Index r = 0; r < rows; ++r) std::copy_n(from + r * from_row, columns, to + r * to_row);
}

// --- forward ---------------------------------------------------------------------------------------------------------
template <class T>
struct ForwardTask {
  const GaborForward<T>* f;
  const Workspace<T>* work;
  Chunks chunks;
  void operator()(Index c, Index slot) const {
    const GaborShape& s = f->shape;
    const Sizes<T> z(s);
    const Tile<T>& tile = work->tiles[static_cast<std::size_t>(slot)];
    for (Index t = chunks.first_tile(c); t < chunks.first_tile(c + 1); ++t) {
      const Index rows = chunks.rows(t), first = t * points_of_tile;
      load_rows(f->x + first * z.in, rows, z.in, tile.x, z.in_row);
      run_forward(s, work->packed, rows, tile, true);
      store_rows(tile.y, z.out_row, rows, z.out, f->y + first * z.out, z.out);
    }
  }
};

}  // namespace

template <class T>
void gabor_forward(Stream& s, const GaborForward<T>& f) {
  if (f.n == 0) return;
  const Chunks chunks = task_chunks(f.n, points_of_tile);
  Workspace<T> work(s, f.shape, workers(s, chunks.count), false, 0, false, false);
  parallel_for_coarse(s, f.shape.layers(), PackTask<T>{&f.shape, f.theta, work.packed});
  for_each_chunk(s, chunks.count, ForwardTask<T>{&f, &work, chunks});
}
TERRANE_INSTANTIATE(gabor_forward, GaborForward)

// --- vjp -------------------------------------------------------------------------------------------------------------
namespace {

// Partial gradient of one layer: (outputs_of, input_columns), then bias (outputs_of).
template <class T>
Index partial_size(const GaborShape& s, int l) {
  const Sizes<T> z(s);
  return (outputs_of(s, z, l) * (input_columns(z, l) + 1) + 15) / 16 * 16;
}
template <class T>
Index partial_size(const GaborShape& s) {
  Index n = 0;
  for (int l = 0; l < s.layers(); ++l) n += partial_size<T>(s, l);
  return n;
}

template <class T>
void add_weight_gradient(const GaborShape& s, int l, Index rows, const T* a, const T* delta, T* partial) {
  const Sizes<T> z(s);
  const Index in_row = l == 0 ? z.in_row : z.hidden_row, out_row = l == s.depth ? z.out_row : z.hidden_row;
  const Index columns = input_columns(z, l), outputs = outputs_of(s, z, l);
  product<T>(outputs, columns, rows, {delta, 1, out_row}, {a, in_row}, partial, columns, Start::add);
  T* bias = partial + outputs * columns;
  for (Index r = 0; r < rows; ++r) {
#pragma omp simd
    for (Index o = 0; o < outputs; ++o) bias[o] += delta[r * out_row + o];
  }
}

template <class T>
struct VjpTask {
  const GaborVjp<T>* f;
  const Workspace<T>* work;  // extra: (chunks, partial_size)
  Chunks chunks;

  void operator()(Index c, Index slot) const {
    T* partial = work->extra + c * partial_size<T>(f->shape);
    if (f->d_theta != nullptr) std::fill_n(partial, partial_size<T>(f->shape), T(0));
    for (Index t = chunks.first_tile(c); t < chunks.first_tile(c + 1); ++t) {
      one_tile(t, work->tiles[static_cast<std::size_t>(slot)], partial);
    }
  }

  void one_tile(Index t, const Tile<T>& tile, T* partial) const {
    const GaborShape& s = f->shape;
    const Sizes<T> z(s);
    const Index rows = chunks.rows(t), first = t * points_of_tile;
    load_rows(f->x + first * z.in, rows, z.in, tile.x, z.in_row);
    run_forward(s, work->packed, rows, tile, false);
    T* delta = tile.delta[0];
    T* other = tile.delta[1];
    load_rows(f->d_y + first * z.out, rows, z.out, delta, z.out_row);
    T* gradient = partial + partial_size<T>(s);
    for (int l = s.depth; l >= 0; --l) {
      if (f->d_theta != nullptr) {
        gradient -= partial_size<T>(s, l);
        add_weight_gradient<T>(s, l, rows, l == 0 ? tile.x : tile.h[l - 1], delta, gradient);
      }
      if (l == 0 && f->d_x == nullptr) return;
      backward_layer(s, l, work->packed[l], rows, tile, delta, other);
      std::swap(delta, other);
    }
    for (Index r = 0; r < rows; ++r) {
      for (Index i = 0; i < z.in; ++i) f->d_x[(first + r) * z.in + i] += delta[r * z.in_row + i];
    }
  }
};

// Output o of a layer: the four blocks of the real gradient give Re and Im, summed over chunks in order.
template <class T>
struct SumPartials {
  const GaborShape* shape;
  int l;
  const T* partials;  // of this layer in chunk 0
  Index stride, chunks;
  T* d_theta;  // of this layer

  void operator()(Index o) const {
    const GaborShape& s = *shape;
    const Sizes<T> z(s);
    const Index n_in = s.inputs(l), n_out = s.outputs(l), columns = input_columns(z, l);
    const bool first = l == 0, last = l == s.depth;
    for (Index i = 0; i < n_in; ++i) {
      T re = T(0), im = T(0);
      for (Index c = 0; c < chunks; ++c) {
        const T* row = partials + c * stride + o * columns;
        re += row[i];
        if (first) continue;
        im -= row[z.plane + i];
        if (last) continue;
        const T* imaginary = row + z.plane * columns;
        re += imaginary[z.plane + i];
        im += imaginary[i];
      }
      d_theta[o * n_in + i] += re;
      if (!first) d_theta[(n_out + o) * n_in + i] += im;
    }
    const Index bias = outputs_of(s, z, l) * columns;
    T* b = d_theta + (first ? 1 : 2) * n_out * n_in;
    T re = T(0), im = T(0);
    for (Index c = 0; c < chunks; ++c) {
      re += partials[c * stride + bias + o];
      if (!first && !last) im += partials[c * stride + bias + z.plane + o];
    }
    b[o] += re;
    if (!first && !last) b[n_out + o] += im;  // Re of the last layer does not feel Im b
  }
};

}  // namespace

template <class T>
void gabor_vjp(Stream& s, const GaborVjp<T>& f) {
  if (f.n == 0 || (f.d_theta == nullptr && f.d_x == nullptr)) return;
  const Index partial = partial_size<T>(f.shape);
  const Chunks chunks = sum_chunks(f.n, points_of_tile, partial * static_cast<Index>(sizeof(T)));
  const Index extra = f.d_theta != nullptr ? chunks.count * partial : 0;
  Workspace<T> work(s, f.shape, workers(s, chunks.count), true, extra, false, false);
  parallel_for_coarse(s, f.shape.layers(), PackTask<T>{&f.shape, f.theta, work.packed});
  for_each_chunk(s, chunks.count, VjpTask<T>{&f, &work, chunks});
  if (f.d_theta == nullptr) return;
  const T* at = work.extra;
  for (int l = 0; l < f.shape.layers(); ++l) {
    parallel_for_coarse(s, f.shape.outputs(l),
                        SumPartials<T>{&f.shape, l, at, partial, chunks.count, f.d_theta + f.shape.offset(l)});
    at += partial_size<T>(f.shape, l);
  }
}
TERRANE_INSTANTIATE(gabor_vjp, GaborVjp)

// --- jvp -------------------------------------------------------------------------------------------------------------
namespace {

template <class T>
struct JvpTask {
  const GaborJvp<T>* f;
  const Workspace<T>* work;
  Chunks chunks;

  void operator()(Index c, Index slot) const {
    const auto at = static_cast<std::size_t>(slot);
    for (Index t = chunks.first_tile(c); t < chunks.first_tile(c + 1); ++t) {
      one_tile(t, work->tiles[at], work->tangent_tiles[at]);
    }
  }

  void one_tile(Index t, const Tile<T>& tile, const Tile<T>& tangent) const {
    const GaborShape& s = f->shape;
    const Sizes<T> z(s);
    const Index rows = chunks.rows(t), first = t * points_of_tile;
    load_rows(f->x + first * z.in, rows, z.in, tile.x, z.in_row);
    if (f->t_x != nullptr) load_rows(f->t_x + first * z.in, rows, z.in, tangent.x, z.in_row);
    run_forward(s, work->packed, rows, tile, false);
    for (int l = 0; l < s.depth; ++l) {
      tangent_linear(l, rows, tile, tangent, tangent.z[l]);
      tangent_activation(l, rows, tile, tangent);
    }
    tangent_linear(s.depth, rows, tile, tangent, tangent.y);
    store_rows(tangent.y, z.out_row, rows, z.out, f->t_y + first * z.out, z.out);
  }

  // tz = a tW^T + tb + ta W^T
  void tangent_linear(int l, Index rows, const Tile<T>& tile, const Tile<T>& tangent, T* out) const {
    const GaborShape& s = f->shape;
    const bool inner = l > 0 || f->t_x != nullptr, weights = f->t_theta != nullptr;
    const PackedLayer<T>& tw = work->tangent[l];
    if (weights) linear<T>(s, l, tw, rows, l == 0 ? tile.x : tile.h[l - 1], out, Start::bias, tw.bias);
    if (!inner) return;
    linear<T>(s, l, work->packed[l], rows, l == 0 ? tangent.x : tangent.h[l - 1], out,
              weights ? Start::add : Start::zero, nullptr);
  }

  void tangent_activation(int l, Index rows, const Tile<T>& tile, const Tile<T>& tangent) const {
    const GaborShape& s = f->shape;
    const Sizes<T> sizes(s);
    const T omega = static_cast<T>(s.omega_of(l)), s2 = static_cast<T>(s.scale * s.scale);
    const Index plane = sizes.plane;
    for (Index r = 0; r < rows; ++r) {
      const Index at = r * sizes.hidden_row;
      const T* z = tile.z[l] + at;
      const T* h = tile.h[l] + at;
      T* tz = tangent.z[l] + at;
      T* th = tangent.h[l] + at;
      if (l == 0) std::fill_n(tz + plane, plane, T(0));
#pragma omp simd
      for (Index o = 0; o < plane; ++o) {
        gabor_tangent(omega, s2, z[o], z[plane + o], h[o], h[plane + o], tz[o], tz[plane + o], th[o], th[plane + o]);
      }
    }
  }
};

}  // namespace

template <class T>
void gabor_jvp(Stream& s, const GaborJvp<T>& f) {
  if (f.n == 0) return;
  if (f.t_theta == nullptr && f.t_x == nullptr) {
    std::fill_n(f.t_y, f.n * f.shape.n_out, T(0));
    return;
  }
  const Chunks chunks = task_chunks(f.n, points_of_tile);
  const bool weights = f.t_theta != nullptr;
  Workspace<T> work(s, f.shape, workers(s, chunks.count), true, 0, true, weights);
  parallel_for_coarse(s, f.shape.layers(), PackTask<T>{&f.shape, f.theta, work.packed});
  if (weights) parallel_for_coarse(s, f.shape.layers(), PackTask<T>{&f.shape, f.t_theta, work.tangent});
  for_each_chunk(s, chunks.count, JvpTask<T>{&f, &work, chunks});
}
TERRANE_INSTANTIATE(gabor_jvp, GaborJvp)

// --- factors ---------------------------------------------------------------------------------------------------------
namespace {

template <class T>
struct FactorsTask {
  const GaborFactors<T>* f;
  const Workspace<T>* work;
  Chunks chunks;

  void operator()(Index c, Index slot) const {
    const GaborShape& s = f->shape;
    const Sizes<T> z(s);
    const Tile<T>& tile = work->tiles[static_cast<std::size_t>(slot)];
    for (Index t = chunks.first_tile(c); t < chunks.first_tile(c + 1); ++t) {
      const Index rows = chunks.rows(t), first = t * points_of_tile;
      load_rows(f->x + first * z.in, rows, z.in, tile.x, z.in_row);
      run_forward(s, work->packed, rows, tile, false);
      T* delta = tile.delta[0];
      T* other = tile.delta[1];
      load_rows(f->d_y + first * z.out, rows, z.out, delta, z.out_row);
      for (int l = s.depth; l >= 0; --l) {
        const Index in = l == 0 ? z.in : 2 * z.width, out = l == 0 ? z.width : 2 * s.outputs(l);
        store_planes(l == 0 ? tile.x : tile.h[l - 1], l == 0 ? z.in_row : z.hidden_row, z.plane, rows, l > 0,
                     l == 0 ? z.in : z.width, f->a[l] + first * in);
        store_planes(delta, l == s.depth ? z.out_row : z.hidden_row, l == s.depth ? 0 : z.plane, rows, l > 0,
                     s.outputs(l), f->d[l] + first * out);
        if (l == 0) break;
        backward_layer(s, l, work->packed[l], rows, tile, delta, other);
        std::swap(delta, other);
      }
    }
  }

  // Rows [re | im] without padding; plane 0 with `both`: the imaginary part is zero.
  static void store_planes(const T* from, Index from_row, Index plane, Index rows, bool both, Index valid, T* to) {
    const Index to_row = both ? 2 * valid : valid;
    store_rows(from, from_row, rows, valid, to, to_row);
    if (!both) return;
    for (Index r = 0; r < rows; ++r) {
      for (Index i = 0; i < valid; ++i) {
        to[r * to_row + valid + i] = plane > 0 ? from[r * from_row + plane + i] : T(0);
      }
    }
  }
};

}  // namespace

template <class T>
void gabor_factors(Stream& s, const GaborFactors<T>& f) {
  if (f.n == 0) return;
  const Chunks chunks = task_chunks(f.n, points_of_tile);
  Workspace<T> work(s, f.shape, workers(s, chunks.count), true, 0, false, false);
  parallel_for_coarse(s, f.shape.layers(), PackTask<T>{&f.shape, f.theta, work.packed});
  for_each_chunk(s, chunks.count, FactorsTask<T>{&f, &work, chunks});
}
TERRANE_INSTANTIATE(gabor_factors, GaborFactors)

}  // namespace terrane::TERRANE_BACKEND
