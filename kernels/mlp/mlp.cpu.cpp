// SPDX-License-Identifier: MIT
// CPU schedule of the network: tiles of points stay in the second-level cache through all layers, weights are packed
// once per call, the activation follows each register block, threads take fixed chunks of tiles.
#include "kernels/mlp/mlp.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#if defined(_OPENMP)
#include <omp.h>
#endif

#include "kernels/mlp/tile_gemm.hpp"
#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

constexpr Index tile_points = 64;
constexpr Index forward_tiles = 4;                // tiles a task of the forward mode
constexpr Index max_chunks = 32;                  // partial weight gradients
constexpr Index partial_bytes = Index{64} << 20;  // at most this much for them

template <class T>
Index row_length(Index n) {  // of a tile; one vector more than needed keeps rows off the same cache sets
  return round_to_lanes<T>(n) + Simd<T>::lanes;
}

// Cuts one allocation into 64-byte aligned pieces; with a null base it only counts.
template <class T>
struct Pieces {
  T* base = nullptr;
  Index used = 0;
  T* take(Index n) {
    T* p = base == nullptr ? nullptr : base + used;
    used += (n + 15) / 16 * 16;
    return p;
  }
};

// Packed weights of one call, shared by the threads.
template <class T>
struct PackedLayer {
  T* forward = nullptr;   // element (k = input, j = output)
  T* bias = nullptr;      // (outputs padded)
  T* backward = nullptr;  // element (k = output, j = input)
};

template <class T>
void take_packed(const MlpLayer& layer, bool backward, Pieces<T>& pieces, PackedLayer<T>& p) {
  p.forward = pieces.take(layer.n_in * round_to_lanes<T>(layer.n_out));
  p.bias = pieces.take(round_to_lanes<T>(layer.n_out));
  if (backward) p.backward = pieces.take(layer.n_out * round_to_lanes<T>(layer.n_in));
}

template <class T>
void pack_layer(const MlpLayer& layer, const T* w, PackedLayer<T>& p) {
  pack_b(layer.n_in, layer.n_out, w, Index{1}, layer.n_in, p.forward);
  const T* b = w + layer.n_in * layer.n_out;
  const Index columns = round_to_lanes<T>(layer.n_out);
  for (Index o = 0; o < columns; ++o) p.bias[o] = o < layer.n_out ? b[o] : T(0);
  if (p.backward != nullptr) pack_b(layer.n_out, layer.n_in, w, layer.n_in, Index{1}, p.backward);
}

template <class T>
struct PackTask {
  const MlpShape* shape;
  const T* theta;
  PackedLayer<T>* packed;
  void operator()(Index l) const {
    const int k = static_cast<int>(l);
    pack_layer(shape->layer[k], theta + shape->offset(k), packed[k]);
  }
};

// Values of one tile: a[l] is (points, row_length of layer l's outputs), a[0] the inputs; df[l] = f_l'(z_l).
template <class T>
struct Tile {
  T* a[mlp_max_layers + 1] = {};
  T* df[mlp_max_layers + 1] = {};
  T* delta[2] = {};
};

template <class T>
Index outputs(const MlpShape& shape, int l) {
  return l == 0 ? shape.n_in() : shape.layer[l - 1].n_out;
}
template <class T>
Index widest_row(const MlpShape& shape) {
  Index w = 0;
  for (int l = 0; l <= shape.layers; ++l) w = std::max(w, row_length<T>(outputs<T>(shape, l)));
  return w;
}

// keep: every layer has its own arrays and derivatives; otherwise two arrays alternate.
template <class T>
void take_tile(const MlpShape& shape, bool keep, Pieces<T>& pieces, Tile<T>& tile) {
  const Index widest = tile_points * widest_row<T>(shape);
  if (keep) {
    for (int l = 0; l <= shape.layers; ++l) {
      const Index size = tile_points * row_length<T>(outputs<T>(shape, l));
      tile.a[l] = pieces.take(size);
      if (l > 0) tile.df[l] = pieces.take(size);
    }
    for (T*& d : tile.delta) d = pieces.take(widest);
    return;
  }
  T* two[2] = {pieces.take(widest), pieces.take(widest)};
  for (int l = 0; l <= shape.layers; ++l) tile.a[l] = two[l % 2];
}

template <class T>
void load_rows(const T* from, Index rows, Index columns, T* to, Index to_row) {
  for (Index r = 0; r < rows; ++r) {
    for (Index c = 0; c < columns; ++c) to[r * to_row + c] = from[r * columns + c];
    for (Index c = columns; c < to_row; ++c) to[r * to_row + c] = T(0);
  }
}

// --- epilogues -------------------------------------------------------------------------------------------------------
template <class T>
struct ActivateBlock {
  T* z;  // overwritten by f(z)
  T* df;
  Index stride;
  int rows, columns;
  template <class Policy>
  void operator()(const Policy& policy) const {
    for (int r = 0; r < rows; ++r) {
      T* zr = z + r * stride;
      T* dr = df + r * stride;
#pragma omp simd
      for (int v = 0; v < columns; ++v) {
        T f, d;
        policy(zr[v], f, d);
        zr[v] = f;
        dr[v] = d;
      }
    }
  }
};
template <class T>
struct ActivateBlockOnly {
  T* z;
  Index stride;
  int rows, columns;
  template <class Policy>
  void operator()(const Policy& policy) const {
    for (int r = 0; r < rows; ++r) {
      T* zr = z + r * stride;
#pragma omp simd
      for (int v = 0; v < columns; ++v) {
        T f, d;
        policy(zr[v], f, d);
        zr[v] = f;
      }
    }
  }
};

// a = f(z), and df when it is kept
template <class T>
struct Activate {
  Activation activation;
  T parameter;
  T* df;  // tile array, may be null
  Index stride;
  void operator()(T* z, Index row, Index column, int rows, int columns) const {
    if (df != nullptr) {
      visit_activation<T, HostMulAdd>(activation, parameter,
                                      ActivateBlock<T>{z, df + row * stride + column, stride, rows, columns});
    } else if (activation != Activation::identity) {
      visit_activation<T, HostMulAdd>(activation, parameter, ActivateBlockOnly<T>{z, stride, rows, columns});
    }
  }
};

// d = d o df
template <class T>
struct TimesDerivative {
  const T* df;
  Index stride;
  void operator()(T* d, Index row, Index column, int rows, int columns) const {
    for (int r = 0; r < rows; ++r) {
      T* dr = d + r * stride;
      const T* fr = df + (row + r) * stride + column;
#pragma omp simd
      for (int v = 0; v < columns; ++v) dr[v] *= fr[v];
    }
  }
};

// --- one tile --------------------------------------------------------------------------------------------------------
template <class T>
void forward_layer(const MlpShape& shape, int l, const PackedLayer<T>& p, Index rows, const Tile<T>& tile) {
  const MlpLayer& layer = shape.layer[l];
  const Index in_row = row_length<T>(layer.n_in), out_row = row_length<T>(layer.n_out);
  tile_gemm<T>(rows, round_to_lanes<T>(layer.n_out), layer.n_in, {tile.a[l], in_row, 1}, {p.forward, 0}, tile.a[l + 1],
               out_row, Start::bias, p.bias,
               Activate<T>{layer.activation, static_cast<T>(layer.parameter), tile.df[l + 1], out_row});
}

// delta_in = (delta_out W_l), then o f' of the layer below when l > 0
template <class T>
void backward_layer(const MlpShape& shape, int l, const PackedLayer<T>& p, Index rows, const Tile<T>& tile,
                    const T* delta_out, T* delta_in) {
  const MlpLayer& layer = shape.layer[l];
  const Index in_row = row_length<T>(layer.n_in), out_row = row_length<T>(layer.n_out);
  const TileA<T> a{delta_out, out_row, 1};
  const Index columns = round_to_lanes<T>(layer.n_in);
  if (l > 0) {
    tile_gemm<T>(rows, columns, layer.n_out, a, {p.backward, 0}, delta_in, in_row, Start::zero, nullptr,
                 TimesDerivative<T>{tile.df[l], in_row});
  } else {
    tile_gemm<T>(rows, columns, layer.n_out, a, {p.backward, 0}, delta_in, in_row, Start::zero);
  }
}

// Partial gradient of one layer: weights (n_out, round(n_in)), then bias (round(n_out)).
template <class T>
Index partial_size(const MlpLayer& layer) {
  return layer.n_out * round_to_lanes<T>(layer.n_in) + round_to_lanes<T>(layer.n_out);
}
template <class T>
Index partial_size(const MlpShape& shape) {
  Index n = 0;
  for (int l = 0; l < shape.layers; ++l) n += partial_size<T>(shape.layer[l]);
  return (n + 15) / 16 * 16;
}

template <class T>
void add_weight_gradient(const MlpLayer& layer, Index rows, const T* a, const T* delta, T* partial) {
  const Index in_row = row_length<T>(layer.n_in), out_row = row_length<T>(layer.n_out);
  const Index columns = round_to_lanes<T>(layer.n_in);
  tile_gemm<T>(layer.n_out, columns, rows, {delta, 1, out_row}, {a, in_row}, partial, columns, Start::add);
  T* bias = partial + layer.n_out * columns;
  for (Index r = 0; r < rows; ++r) {
#pragma omp simd
    for (Index o = 0; o < layer.n_out; ++o) bias[o] += delta[r * out_row + o];
  }
}

// Splits tiles among chunks whose number depends on the shapes only.
struct Chunks {
  Index points, tiles, count;
  Index first_tile(Index c) const { return tiles * c / count; }
  Index rows(Index t) const { return std::min(tile_points, points - t * tile_points); }
};

// task(chunk, slot): slot < threads identifies the workspace.
template <class F>
void for_each_chunk(Stream& s, Index chunks, const F& task) {
#if defined(_OPENMP)
#pragma omp parallel num_threads(s.threads()) if (chunks > 1 && s.threads() > 1)
  {
    const Index slot = omp_get_thread_num();
#pragma omp for schedule(dynamic, 1)
    for (Index c = 0; c < chunks; ++c) task(c, slot);
  }
#else
  (void)s;
  for (Index c = 0; c < chunks; ++c) task(c, Index{0});
#endif
}

Index workers(const Stream& s, Index chunks) { return std::max<Index>(1, std::min<Index>(s.threads(), chunks)); }

template <class T>
T* allocate(Stream& s, Index values) {
  return static_cast<T*>(s.scratch(values * static_cast<Index>(sizeof(T))));
}

// --- forward ---------------------------------------------------------------------------------------------------------
template <class T>
struct ForwardTask {
  const MlpForward<T>* f;
  const PackedLayer<T>* packed;
  const Tile<T>* tiles;
  Chunks chunks;
  void operator()(Index c, Index slot) const {
    const MlpShape& shape = f->shape;
    const Tile<T>& tile = tiles[slot];
    const Index n_in = shape.n_in(), n_out = shape.n_out(), out_row = row_length<T>(n_out);
    for (Index t = chunks.first_tile(c); t < chunks.first_tile(c + 1); ++t) {
      const Index rows = chunks.rows(t), first = t * tile_points;
      load_rows(f->x + first * n_in, rows, n_in, tile.a[0], row_length<T>(n_in));
      for (int l = 0; l < shape.layers; ++l) forward_layer(shape, l, packed[l], rows, tile);
      const T* out = tile.a[shape.layers];
      for (Index r = 0; r < rows; ++r) {
        for (Index o = 0; o < n_out; ++o) f->y[(first + r) * n_out + o] = out[r * out_row + o];
      }
    }
  }
};

}  // namespace

template <class T>
void mlp_forward(Stream& s, const MlpForward<T>& f) {
  const Index tiles = (f.n + tile_points - 1) / tile_points;
  if (tiles == 0) return;
  const Chunks chunks{f.n, tiles, (tiles + forward_tiles - 1) / forward_tiles};
  const Index slots = workers(s, chunks.count);
  PackedLayer<T> packed[mlp_max_layers];
  std::vector<Tile<T>> tile(static_cast<std::size_t>(slots));
  Pieces<T> pieces;
  for (int pass = 0; pass < 2; ++pass) {
    if (pass == 1) pieces = {allocate<T>(s, pieces.used), 0};
    for (int l = 0; l < f.shape.layers; ++l) take_packed(f.shape.layer[l], false, pieces, packed[l]);
    for (Tile<T>& t : tile) take_tile(f.shape, false, pieces, t);
  }
  parallel_for_coarse(s, f.shape.layers, PackTask<T>{&f.shape, f.theta, packed});
  for_each_chunk(s, chunks.count, ForwardTask<T>{&f, packed, tile.data(), chunks});
}
TERRANE_INSTANTIATE(mlp_forward, MlpForward)

// --- vjp -------------------------------------------------------------------------------------------------------------
namespace {

// Runs the layers with everything kept. The last layer is skipped when nobody needs its value or derivative.
template <class T>
void forward_kept(const MlpShape& shape, const PackedLayer<T>* packed, Index rows, const Tile<T>& tile) {
  const int last = shape.layers - 1;
  for (int l = 0; l < last; ++l) forward_layer(shape, l, packed[l], rows, tile);
  if (shape.layer[last].activation != Activation::identity) forward_layer(shape, last, packed[last], rows, tile);
}

// delta = d_y o f_L'
template <class T>
void start_delta(const MlpShape& shape, Index rows, const T* d_y, const Tile<T>& tile, T* delta) {
  const Index n_out = shape.n_out(), row = row_length<T>(n_out);
  load_rows(d_y, rows, n_out, delta, row);
  if (shape.layer[shape.layers - 1].activation == Activation::identity) return;
  const T* df = tile.df[shape.layers];
  for (Index r = 0; r < rows; ++r) {
    for (Index o = 0; o < n_out; ++o) delta[r * row + o] *= df[r * row + o];
  }
}

template <class T>
struct VjpTask {
  const MlpVjp<T>* f;
  const PackedLayer<T>* packed;
  const Tile<T>* tiles;
  T* partials;  // (chunks, partial_size)
  Chunks chunks;

  void operator()(Index c, Index slot) const {
    T* partial = partials + c * partial_size<T>(f->shape);
    if (f->d_theta != nullptr) std::fill_n(partial, partial_size<T>(f->shape), T(0));
    for (Index t = chunks.first_tile(c); t < chunks.first_tile(c + 1); ++t) one_tile(t, tiles[slot], partial);
  }

  void one_tile(Index t, const Tile<T>& tile, T* partial) const {
    const MlpShape& shape = f->shape;
    const Index rows = chunks.rows(t), first = t * tile_points, n_in = shape.n_in();
    load_rows(f->x + first * n_in, rows, n_in, tile.a[0], row_length<T>(n_in));
    forward_kept(shape, packed, rows, tile);
    T* delta = tile.delta[0];
    T* other = tile.delta[1];
    start_delta(shape, rows, f->d_y + first * shape.n_out(), tile, delta);
    T* gradient = partial_end(partial);
    for (int l = shape.layers - 1; l >= 0; --l) {
      if (f->d_theta != nullptr) {
        gradient -= partial_size<T>(shape.layer[l]);
        add_weight_gradient(shape.layer[l], rows, tile.a[l], delta, gradient);
      }
      if (l == 0 && f->d_x == nullptr) break;
      backward_layer(shape, l, packed[l], rows, tile, delta, other);
      std::swap(delta, other);
    }
    if (f->d_x == nullptr) return;
    for (Index r = 0; r < rows; ++r) {
      for (Index i = 0; i < n_in; ++i) f->d_x[(first + r) * n_in + i] += delta[r * row_length<T>(n_in) + i];
    }
  }

  T* partial_end(T* partial) const {
    for (int l = 0; l < f->shape.layers; ++l) partial += partial_size<T>(f->shape.layer[l]);
    return partial;
  }
};

// Row `o` of a layer (weights, then its bias), summed over chunks in order.
template <class T>
struct SumPartials {
  const MlpLayer* layer;
  const T* partials;  // of this layer in chunk 0
  Index stride, chunks;
  T* d_theta;  // of this layer
  void operator()(Index o) const {
    const Index n_in = layer->n_in, columns = round_to_lanes<T>(n_in);
    T* out = d_theta + o * n_in;
    T* bias = d_theta + layer->n_out * n_in + o;
    T b = T(0);
    for (Index c = 0; c < chunks; ++c) b += partials[c * stride + layer->n_out * columns + o];
    *bias += b;
    for (Index i0 = 0; i0 < n_in; i0 += 64) {
      const Index m = std::min<Index>(64, n_in - i0);
      T sum[64] = {};
      for (Index c = 0; c < chunks; ++c) {
        const T* p = partials + c * stride + o * columns + i0;
        for (Index i = 0; i < m; ++i) sum[i] += p[i];
      }
      for (Index i = 0; i < m; ++i) out[i0 + i] += sum[i];
    }
  }
};

template <class T>
Index chunk_count(const MlpShape& shape, Index tiles) {
  const Index bytes = partial_size<T>(shape) * static_cast<Index>(sizeof(T));
  return std::min({tiles, max_chunks, std::max<Index>(4, partial_bytes / bytes)});
}

}  // namespace

template <class T>
void mlp_vjp(Stream& s, const MlpVjp<T>& f) {
  const Index tiles = (f.n + tile_points - 1) / tile_points;
  if (tiles == 0 || (f.d_theta == nullptr && f.d_x == nullptr)) return;
  const Chunks chunks{f.n, tiles, chunk_count<T>(f.shape, tiles)};
  const Index slots = workers(s, chunks.count), partial = partial_size<T>(f.shape);
  PackedLayer<T> packed[mlp_max_layers];
  std::vector<Tile<T>> tile(static_cast<std::size_t>(slots));
  T* partials = nullptr;
  Pieces<T> pieces;
  for (int pass = 0; pass < 2; ++pass) {
    if (pass == 1) pieces = {allocate<T>(s, pieces.used), 0};
    for (int l = 0; l < f.shape.layers; ++l) take_packed(f.shape.layer[l], true, pieces, packed[l]);
    for (Tile<T>& t : tile) take_tile(f.shape, true, pieces, t);
    partials = pieces.take(f.d_theta != nullptr ? chunks.count * partial : 0);
  }
  parallel_for_coarse(s, f.shape.layers, PackTask<T>{&f.shape, f.theta, packed});
  for_each_chunk(s, chunks.count, VjpTask<T>{&f, packed, tile.data(), partials, chunks});
  if (f.d_theta == nullptr) return;
  Index at = 0;
  for (int l = 0; l < f.shape.layers; ++l) {
    const MlpLayer& layer = f.shape.layer[l];
    parallel_for_coarse(s, layer.n_out,
                        SumPartials<T>{&layer, partials + at, partial, chunks.count, f.d_theta + f.shape.offset(l)});
    at += partial_size<T>(layer);
  }
}
TERRANE_INSTANTIATE(mlp_vjp, MlpVjp)

// --- jvp -------------------------------------------------------------------------------------------------------------
namespace {

template <class T>
struct JvpTask {
  const MlpJvp<T>* f;
  const PackedLayer<T>* packed;
  const PackedLayer<T>* tangent;  // used when f->t_theta
  const Tile<T>* tiles;
  const Tile<T>* tangent_tiles;
  Chunks chunks;

  void operator()(Index c, Index slot) const {
    for (Index t = chunks.first_tile(c); t < chunks.first_tile(c + 1); ++t) {
      one_tile(t, tiles[slot], tangent_tiles[slot]);
    }
  }

  void one_tile(Index t, const Tile<T>& tile, const Tile<T>& ta) const {
    const MlpShape& shape = f->shape;
    const Index rows = chunks.rows(t), first = t * tile_points, n_in = shape.n_in(), n_out = shape.n_out();
    load_rows(f->x + first * n_in, rows, n_in, tile.a[0], row_length<T>(n_in));
    if (f->t_x != nullptr) load_rows(f->t_x + first * n_in, rows, n_in, ta.a[0], row_length<T>(n_in));
    for (int l = 0; l < shape.layers; ++l) {
      forward_layer(shape, l, packed[l], rows, tile);
      tangent_layer(l, rows, tile, ta);
    }
    const T* out = ta.a[shape.layers];
    for (Index r = 0; r < rows; ++r) {
      for (Index o = 0; o < n_out; ++o) f->t_y[(first + r) * n_out + o] = out[r * row_length<T>(n_out) + o];
    }
  }

  // ta_l = f' o (ta_{l-1} W^T + a_{l-1} tW^T + tb)
  void tangent_layer(int l, Index rows, const Tile<T>& tile, const Tile<T>& ta) const {
    const MlpLayer& layer = f->shape.layer[l];
    const Index in_row = row_length<T>(layer.n_in), out_row = row_length<T>(layer.n_out);
    const Index columns = round_to_lanes<T>(layer.n_out);
    const TimesDerivative<T> times{tile.df[l + 1], out_row};
    const bool inner = l > 0 || f->t_x != nullptr;
    if (f->t_theta != nullptr) {
      const PackedLayer<T>& p = tangent[l];
      if (inner) {
        tile_gemm<T>(rows, columns, layer.n_in, {tile.a[l], in_row, 1}, {p.forward, 0}, ta.a[l + 1], out_row,
                     Start::bias, p.bias);
      } else {
        tile_gemm<T>(rows, columns, layer.n_in, {tile.a[l], in_row, 1}, {p.forward, 0}, ta.a[l + 1], out_row,
                     Start::bias, p.bias, times);
      }
    }
    if (inner) {
      tile_gemm<T>(rows, columns, layer.n_in, {ta.a[l], in_row, 1}, {packed[l].forward, 0}, ta.a[l + 1], out_row,
                   f->t_theta != nullptr ? Start::add : Start::zero, nullptr, times);
    }
  }
};

template <class T>
struct StoreZero {
  T* out;
  void operator()(Index i) const { out[i] = T(0); }
};

}  // namespace

template <class T>
void mlp_jvp(Stream& s, const MlpJvp<T>& f) {
  const Index tiles = (f.n + tile_points - 1) / tile_points;
  if (tiles == 0) return;
  if (f.t_theta == nullptr && f.t_x == nullptr) {
    parallel_for(s, f.n * f.shape.n_out(), StoreZero<T>{f.t_y});
    return;
  }
  const Chunks chunks{f.n, tiles, (tiles + forward_tiles - 1) / forward_tiles};
  const Index slots = workers(s, chunks.count);
  PackedLayer<T> packed[mlp_max_layers], tangent[mlp_max_layers];
  std::vector<Tile<T>> tile(static_cast<std::size_t>(slots)), ta(static_cast<std::size_t>(slots));
  Pieces<T> pieces;
  for (int pass = 0; pass < 2; ++pass) {
    if (pass == 1) pieces = {allocate<T>(s, pieces.used), 0};
    for (int l = 0; l < f.shape.layers; ++l) {
      take_packed(f.shape.layer[l], false, pieces, packed[l]);
      if (f.t_theta != nullptr) take_packed(f.shape.layer[l], false, pieces, tangent[l]);
    }
    for (Tile<T>& t : tile) take_tile(f.shape, true, pieces, t);
    for (Tile<T>& t : ta) take_tile(f.shape, false, pieces, t);
  }
  parallel_for_coarse(s, f.shape.layers, PackTask<T>{&f.shape, f.theta, packed});
  if (f.t_theta != nullptr) parallel_for_coarse(s, f.shape.layers, PackTask<T>{&f.shape, f.t_theta, tangent});
  for_each_chunk(s, chunks.count, JvpTask<T>{&f, packed, tangent, tile.data(), ta.data(), chunks});
}
TERRANE_INSTANTIATE(mlp_jvp, MlpJvp)

// --- factors ---------------------------------------------------------------------------------------------------------
namespace {

template <class T>
struct FactorsTask {
  const MlpFactors<T>* f;
  const PackedLayer<T>* packed;
  const Tile<T>* tiles;
  Chunks chunks;

  void operator()(Index c, Index slot) const {
    for (Index t = chunks.first_tile(c); t < chunks.first_tile(c + 1); ++t) one_tile(t, tiles[slot]);
  }

  void one_tile(Index t, const Tile<T>& tile) const {
    const MlpShape& shape = f->shape;
    const Index rows = chunks.rows(t), first = t * tile_points, n_in = shape.n_in();
    load_rows(f->x + first * n_in, rows, n_in, tile.a[0], row_length<T>(n_in));
    forward_kept(shape, packed, rows, tile);
    T* delta = tile.delta[0];
    T* other = tile.delta[1];
    const Index n_out = shape.n_out(), out_row = row_length<T>(n_out);
    for (Index r = 0; r < rows; ++r) {
      for (Index o = 0; o < out_row; ++o) {
        const bool identity = shape.layer[shape.layers - 1].activation == Activation::identity;
        const T component = o == f->output ? T(1) : T(0);
        const T seed = f->d_y == nullptr ? component : (o < n_out ? f->d_y[(first + r) * n_out + o] : T(0));
        delta[r * out_row + o] = identity || o >= n_out ? seed : seed * tile.df[shape.layers][r * out_row + o];
      }
    }
    for (int l = shape.layers - 1; l >= 0; --l) {
      const MlpLayer& layer = shape.layer[l];
      store(tile.a[l], rows, layer.n_in, f->a[l] + first * layer.n_in);
      store(delta, rows, layer.n_out, f->d[l] + first * layer.n_out);
      if (l == 0) break;
      backward_layer(shape, l, packed[l], rows, tile, delta, other);
      std::swap(delta, other);
    }
  }

  static void store(const T* from, Index rows, Index columns, T* to) {
    for (Index r = 0; r < rows; ++r) {
      for (Index c = 0; c < columns; ++c) to[r * columns + c] = from[r * row_length<T>(columns) + c];
    }
  }
};

}  // namespace

template <class T>
void mlp_factors(Stream& s, const MlpFactors<T>& f) {
  const Index tiles = (f.n + tile_points - 1) / tile_points;
  if (tiles == 0) return;
  const Chunks chunks{f.n, tiles, (tiles + forward_tiles - 1) / forward_tiles};
  const Index slots = workers(s, chunks.count);
  PackedLayer<T> packed[mlp_max_layers];
  std::vector<Tile<T>> tile(static_cast<std::size_t>(slots));
  Pieces<T> pieces;
  for (int pass = 0; pass < 2; ++pass) {
    if (pass == 1) pieces = {allocate<T>(s, pieces.used), 0};
    for (int l = 0; l < f.shape.layers; ++l) take_packed(f.shape.layer[l], true, pieces, packed[l]);
    for (Tile<T>& t : tile) take_tile(f.shape, true, pieces, t);
  }
  parallel_for_coarse(s, f.shape.layers, PackTask<T>{&f.shape, f.theta, packed});
  for_each_chunk(s, chunks.count, FactorsTask<T>{&f, packed, tile.data(), chunks});
}
TERRANE_INSTANTIATE(mlp_factors, MlpFactors)

}  // namespace terrane::TERRANE_BACKEND
