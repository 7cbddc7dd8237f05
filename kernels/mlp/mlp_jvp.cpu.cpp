// SPDX-License-Identifier: MIT
// Forward mode and Gram factors of the network on the CPU, on the same tiles as the reverse mode.
#include "kernels/mlp/mlp.hpp"
#include "kernels/mlp/mlp_chunks.hpp"
#include "kernels/pointwise/pointwise.hpp"
#include "kernels/runtime/kernel.hpp"

namespace terrane::TERRANE_BACKEND {

// --- jvp -------------------------------------------------------------------------------------------------------------
namespace {

// Tangent of an activation: t = scale df o t
template <class T>
struct TimesDerivative {
  const T* df;
  T scale;
  Index stride;
  void operator()(T* t, Index row, Index column, Index rows, Index columns) const {
    for (Index r = 0; r < rows; ++r) {
      T* tr = t + r * stride;
      const T* fr = df + (row + r) * stride + column;
#pragma omp simd
      for (Index v = 0; v < columns; ++v) tr[v] *= scale * fr[v];
    }
  }
};

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
    const Index rows = chunks.rows(t), first = t * chunks.tile, n_in = shape.n_in(), n_out = shape.n_out();
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
    const Index out_row = row_length<T>(layer.n_out), columns = round_to_lanes<T>(layer.n_out);
    const bool of_weights = f->t_theta != nullptr, of_inputs = l > 0 || f->t_x != nullptr;
    T* out = ta.a[l + 1];
    if (of_weights) product(layer, tangent[l], rows, tile.a[l], Start::bias, out);
    if (of_inputs) product(layer, packed[l], rows, ta.a[l], of_weights ? Start::add : Start::zero, out);
    const T scale = static_cast<T>(derivative_scale(layer));
    TimesDerivative<T>{tile.df[l + 1], scale, out_row}(out, 0, 0, rows, columns);
  }

  // out = start + a W^T
  static void product(const MlpLayer& layer, const PackedLayer<T>& p, Index rows, const T* a, Start start, T* out) {
    const Index in_row = row_length<T>(layer.n_in), out_row = row_length<T>(layer.n_out);
    if (few_outputs(layer)) return dot_layer(layer, p, rows, a, start, out);
    tile_gemm<T>(rows, round_to_lanes<T>(layer.n_out), layer.n_in, {a, in_row, 1}, {p.forward, 0}, {out, out_row},
                 start, p.bias);
  }
};

}  // namespace

template <class T>
void mlp_jvp(Stream& s, const MlpJvp<T>& f) {
  if (f.n == 0) return;
  if (f.t_theta == nullptr && f.t_x == nullptr) {
    parallel_for(s, f.n * f.shape.n_out(), Fill<T>{f.t_y, T(0), f.n * f.shape.n_out()});
    return;
  }
  const Chunks chunks = task_chunks(f.n, tile_points<T>(f.shape, true));
  const auto slots = static_cast<std::size_t>(workers(s, chunks.count));
  PackedLayer<T> packed[mlp_max_layers], tangent[mlp_max_layers];
  std::vector<Tile<T>> tile(slots), ta(slots);
  Pieces<T> pieces;
  for (int pass = 0; pass < 2; ++pass) {
    if (pass == 1) pieces = {allocate_values<T>(s, pieces.used), 0};
    for (int l = 0; l < f.shape.layers; ++l) {
      take_packed(f.shape.layer[l], false, pieces, packed[l]);
      if (f.t_theta != nullptr) take_packed(f.shape.layer[l], false, pieces, tangent[l]);
    }
    for (Tile<T>& t : tile) take_tile(f.shape, chunks.tile, true, pieces, t);
    for (Tile<T>& t : ta) take_tile(f.shape, chunks.tile, false, pieces, t);
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
    const Index rows = chunks.rows(t), first = t * chunks.tile, n_in = shape.n_in();
    load_rows(f->x + first * n_in, rows, n_in, tile.a[0], row_length<T>(n_in));
    forward_kept(shape, packed, rows, tile);
    start(first, rows, tile);
    T* delta = tile.delta;
    for (int l = shape.layers - 1; l >= 0; --l) {
      const MlpLayer& layer = shape.layer[l];
      store(tile.a[l], rows, layer.n_in, T(1), f->a[l] + first * layer.n_in);
      store(delta, rows, layer.n_out, static_cast<T>(input_scale(layer)), f->d[l] + first * layer.n_out);
      if (l > 0) delta = backward_layer(shape, l, packed[l], rows, tile, delta);
    }
  }

  // d_y of these points; without one, of the chosen output.
  void start(Index first, Index rows, const Tile<T>& tile) const {
    const MlpShape& shape = f->shape;
    const Index n_out = shape.n_out(), row = row_length<T>(n_out);
    if (f->d_y != nullptr) {
      load_rows(f->d_y + first * n_out, rows, n_out, tile.delta, row);
    } else {
      std::fill_n(tile.delta, rows * row, T(0));
      for (Index r = 0; r < rows; ++r) tile.delta[r * row + f->output] = T(1);
    }
    finish_delta(shape, rows, tile);
  }

  static void store(const T* from, Index rows, Index columns, T scale, T* to) {
    for (Index r = 0; r < rows; ++r) {
      for (Index c = 0; c < columns; ++c) to[r * columns + c] = scale * from[r * row_length<T>(columns) + c];
    }
  }
};

}  // namespace

template <class T>
void mlp_factors(Stream& s, const MlpFactors<T>& f) {
  if (f.n == 0) return;
  const Chunks chunks = task_chunks(f.n, tile_points<T>(f.shape, true));
  PackedLayer<T> packed[mlp_max_layers];
  std::vector<Tile<T>> tile(static_cast<std::size_t>(workers(s, chunks.count)));
  Pieces<T> pieces;
  for (int pass = 0; pass < 2; ++pass) {
    if (pass == 1) pieces = {allocate_values<T>(s, pieces.used), 0};
    for (int l = 0; l < f.shape.layers; ++l) take_packed(f.shape.layer[l], true, pieces, packed[l]);
    for (Tile<T>& t : tile) take_tile(f.shape, chunks.tile, true, pieces, t);
  }
  parallel_for_coarse(s, f.shape.layers, PackTask<T>{&f.shape, f.theta, packed});
  for_each_chunk(s, chunks.count, FactorsTask<T>{&f, packed, tile.data(), chunks});
}
TERRANE_INSTANTIATE(mlp_factors, MlpFactors)

}  // namespace terrane::TERRANE_BACKEND
