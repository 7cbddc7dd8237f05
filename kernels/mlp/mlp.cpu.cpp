// SPDX-License-Identifier: MIT
// CPU schedule of the network: tiles of points stay in the second-level cache through all layers, weights are packed
// once per call, the activation follows each register block, threads take fixed chunks of tiles. Reverse mode:
// mlp_vjp.cpu.cpp; forward mode and Gram factors: mlp_jvp.cpu.cpp.
#include "kernels/mlp/mlp.hpp"

#include "kernels/mlp/mlp_chunks.hpp"
#include "kernels/runtime/kernel.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

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
      const Index rows = chunks.rows(t), first = t * chunks.tile;
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
  if (f.n == 0) return;
  const Chunks chunks = task_chunks(f.n, tile_points<T>(f.shape, false));
  PackedLayer<T> packed[mlp_max_layers];
  std::vector<Tile<T>> tile(static_cast<std::size_t>(workers(s, chunks.count)));
  Pieces<T> pieces;
  for (int pass = 0; pass < 2; ++pass) {
    if (pass == 1) pieces = {allocate_values<T>(s, pieces.used), 0};
    for (int l = 0; l < f.shape.layers; ++l) take_packed(f.shape.layer[l], false, pieces, packed[l]);
    for (Tile<T>& t : tile) take_tile(f.shape, chunks.tile, false, pieces, t);
  }
  parallel_for_coarse(s, f.shape.layers, PackTask<T>{&f.shape, f.theta, packed});
  for_each_chunk(s, chunks.count, ForwardTask<T>{&f, packed, tile.data(), chunks});
}
TERRANE_INSTANTIATE(mlp_forward, MlpForward)

}  // namespace terrane::TERRANE_BACKEND
