// SPDX-License-Identifier: MIT
// Reverse mode of the network on the CPU: each tile is evaluated again with everything kept, then swept backwards while
// it is in cache. A chunk of tiles has its own weight gradient; these are summed in the order of the chunks.
#include "kernels/mlp/mlp.hpp"
#include "kernels/mlp/mlp_chunks.hpp"
#include "kernels/runtime/kernel.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

// Partial gradient of one layer (with respect to the scaled weights): rows of vectors, then the bias (outputs padded).
// Rows are outputs, columns inputs; for few inputs the other way round.
struct PartialLayout {
  Index rows, columns, bias, size;
  bool transposed;
};
template <class T>
PartialLayout partial_layout(const MlpLayer& layer) {
  const bool transposed = layer.n_in <= thin_inputs && layer.n_out > thin_outputs;
  const Index rows = transposed ? layer.n_in : layer.n_out;
  const Index columns = round_to_lanes<T>(transposed ? layer.n_out : layer.n_in);
  return {rows, columns, rows * columns, (rows * columns + round_to_lanes<T>(layer.n_out) + 15) / 16 * 16, transposed};
}
template <class T>
Index partial_size(const MlpShape& shape) {
  Index n = 0;
  for (int l = 0; l < shape.layers; ++l) n += partial_layout<T>(shape.layer[l]).size;
  return n;
}

// sum[o] (+)= sum_r delta[r][o]; columns: a multiple of the lanes.
template <class T, int N>
void add_columns(Index rows, const T* delta, Index row, bool first, T* sum) {
  using S = Simd<T>;
  typename S::V acc[N];
#pragma GCC unroll 4
  for (int v = 0; v < N; ++v) acc[v] = first ? typename S::V{} : S::load(sum + v * S::lanes);
  for (Index r = 0; r < rows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < N; ++v) acc[v] += S::load(delta + r * row + v * S::lanes);
  }
  for (int v = 0; v < N; ++v) S::store(sum + v * S::lanes, acc[v]);
}

template <class T>
void add_weight_gradient(const MlpLayer& layer, Index rows, const T* a, const T* delta, bool first, T* partial) {
  const PartialLayout p = partial_layout<T>(layer);
  const Index in_row = row_length<T>(layer.n_in), out_row = row_length<T>(layer.n_out);
  const Start start = first ? Start::zero : Start::add;
  if (p.transposed) {
    tile_gemm<T>(p.rows, p.columns, rows, {a, 1, in_row}, {delta, out_row}, {partial, p.columns}, start);
  } else {
    tile_gemm<T>(p.rows, p.columns, rows, {delta, 1, out_row}, {a, in_row}, {partial, p.columns}, start);
  }
  constexpr Index lanes = Simd<T>::lanes, group = 4;
  const Index columns = round_to_lanes<T>(layer.n_out);
  Index o = 0;
  for (; o + group * lanes <= columns; o += group * lanes) {
    add_columns<T, group>(rows, delta + o, out_row, first, partial + p.bias + o);
  }
  for (; o < columns; o += lanes) add_columns<T, 1>(rows, delta + o, out_row, first, partial + p.bias + o);
}

template <class T>
struct VjpTask {
  const MlpVjp<T>* f;
  const PackedLayer<T>* packed;
  const Tile<T>* tiles;
  T* partials;  // (chunks, size)
  Index size;
  Chunks chunks;

  void operator()(Index c, Index slot) const {
    const Index begin = chunks.first_tile(c), end = chunks.first_tile(c + 1);
    for (Index t = begin; t < end; ++t) one_tile(t, tiles[slot], t == begin, partials + (c + 1) * size);
  }

  void one_tile(Index t, const Tile<T>& tile, bool first_of_chunk, T* partial_end) const {
    const MlpShape& shape = f->shape;
    const Index rows = chunks.rows(t), first = t * chunks.tile, n_in = shape.n_in();
    load_rows(f->x + first * n_in, rows, n_in, tile.a[0], row_length<T>(n_in));
    forward_kept(shape, packed, rows, tile);
    load_rows(f->d_y + first * shape.n_out(), rows, shape.n_out(), tile.delta, row_length<T>(shape.n_out()));
    finish_delta(shape, rows, tile);
    T* delta = tile.delta;
    T* partial = partial_end;
    for (int l = shape.layers - 1; l >= 0; --l) {
      if (f->d_theta != nullptr) {
        partial -= partial_layout<T>(shape.layer[l]).size;
        add_weight_gradient(shape.layer[l], rows, tile.a[l], delta, first_of_chunk, partial);
      }
      if (l == 0 && f->d_x == nullptr) return;
      delta = backward_layer(shape, l, packed[l], rows, tile, delta);
    }
    for (Index r = 0; r < rows; ++r) {
      for (Index i = 0; i < n_in; ++i) f->d_x[(first + r) * n_in + i] += delta[r * row_length<T>(n_in) + i];
    }
  }
};

// d_theta += scale * sum over chunks, of one row of a partial gradient; index `rows` is the bias.
template <class T>
struct SumPartials {
  const MlpLayer* layer;
  PartialLayout layout;
  const T* partials;  // of this layer in chunk 0
  Index stride, chunks;
  T* d_theta;  // of this layer

  void operator()(Index row) const {
    const Index n_in = layer->n_in, n_out = layer->n_out;
    if (row == layout.rows) return add_row(layout.bias, n_out, d_theta + n_in * n_out, 1);
    const Index at = row * layout.columns;
    return layout.transposed ? add_row(at, n_out, d_theta + row, n_in) : add_row(at, n_in, d_theta + row * n_in, 1);
  }

  void add_row(Index at, Index count, T* out, Index step) const {
    const T scale = static_cast<T>(input_scale(*layer));
    for (Index i0 = 0; i0 < count; i0 += 64) {
      const Index m = std::min<Index>(64, count - i0);
      T sum[64] = {};
      for (Index c = 0; c < chunks; ++c) {
        const T* p = partials + c * stride + at + i0;
        for (Index i = 0; i < m; ++i) sum[i] += p[i];
      }
      for (Index i = 0; i < m; ++i) out[(i0 + i) * step] += scale * sum[i];
    }
  }
};

template <class T>
void sum_partials(Stream& s, const MlpVjp<T>& f, const T* partials, Index size, Index chunks) {
  for (int l = 0; l < f.shape.layers; ++l) {
    const MlpLayer& layer = f.shape.layer[l];
    const PartialLayout layout = partial_layout<T>(layer);
    const SumPartials<T> task{&layer, layout, partials, size, chunks, f.d_theta + f.shape.offset(l)};
    if (layout.size < for_grain) {  // too little for threads
      for (Index row = 0; row <= layout.rows; ++row) task(row);
    } else {
      parallel_for_coarse(s, layout.rows + 1, task);
    }
    partials += layout.size;
  }
}

template <class T>
Chunks vjp_chunks(const MlpShape& shape, Index n) {
  return sum_chunks(n, tile_points<T>(shape, true), partial_size<T>(shape) * static_cast<Index>(sizeof(T)));
}

}  // namespace

template <class T>
void mlp_vjp(Stream& s, const MlpVjp<T>& f) {
  if (f.n == 0 || (f.d_theta == nullptr && f.d_x == nullptr)) return;
  const Chunks chunks = vjp_chunks<T>(f.shape, f.n);
  const Index size = partial_size<T>(f.shape);
  PackedLayer<T> packed[mlp_max_layers];
  std::vector<Tile<T>> tile(static_cast<std::size_t>(workers(s, chunks.count)));
  T* partials = nullptr;
  Pieces<T> pieces;
  for (int pass = 0; pass < 2; ++pass) {
    if (pass == 1) pieces = {allocate_values<T>(s, pieces.used), 0};
    for (int l = 0; l < f.shape.layers; ++l) take_packed(f.shape.layer[l], true, pieces, packed[l]);
    for (Tile<T>& t : tile) take_tile(f.shape, chunks.tile, true, pieces, t);
    partials = pieces.take(f.d_theta != nullptr ? chunks.count * size : 0);
  }
  parallel_for_coarse(s, f.shape.layers, PackTask<T>{&f.shape, f.theta, packed});
  for_each_chunk(s, chunks.count, VjpTask<T>{&f, packed, tile.data(), partials, size, chunks});
  if (f.d_theta != nullptr) sum_partials(s, f, partials, size, chunks.count);
}
TERRANE_INSTANTIATE(mlp_vjp, MlpVjp)

}  // namespace terrane::TERRANE_BACKEND
