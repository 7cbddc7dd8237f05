// SPDX-License-Identifier: MIT
// CPU schedule of the convolution: tiles of pixels of one side, cut without regard to rows or images. For a group of
// taps the channels that they read on the other side are gathered as rows of a small matrix (zero outside), which is
// multiplied with the packed weights of the group. The order of the sum is that of taps and channels for every pixel,
// so the bits depend neither on the thread count nor on the place in the batch. Weight gradients are summed over fixed
// chunks of tiles, and those in order.
#include "kernels/conv/conv2d.hpp"

#include <algorithm>
#include <vector>

#include "kernels/mlp/tile_gemm.hpp"
#include "kernels/mlp/tiles_cpu.hpp"
#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

constexpr Index tile_pixels = 4 * register_rows;
constexpr Index group_depth = 192;  // gathered values of a pixel, about: a tile of them stays in cache
constexpr Index most_chunks = 8, tiles_of_chunk = 8;

// Where the taps of a convolution read. Forward: pixels of y read x. Adjoint: pixels of x read d_y, those of one class
// (u mod stride, v mod stride) at a time.
struct Side {
  ConvShape shape;
  bool adjoint;
  Index channels, columns;  // read from a tap, written to a pixel

  Side(const ConvShape& f, bool adj)
      : shape(f),
        adjoint(adj),
        channels(adj ? f.channels_out : f.channels_in),
        columns(adj ? f.channels_in : f.channels_out) {}
  Index classes() const { return adjoint ? shape.stride * shape.stride : 1; }
};

struct PixelClass {
  Index first_y = 0, first_x = 0, step = 1, rows = 0, row = 0;  // pixels first + step k; rows x row of them an image
  Index pixels = 0;                                             // of all images
  std::vector<Index> taps;
};

struct Group {
  std::vector<Index> taps;
  Index packed = 0;  // offset of the packed weights
};

PixelClass pixel_class(const Side& side, Index k) {
  const ConvShape& f = side.shape;
  PixelClass c;
  const Index s = side.adjoint ? f.stride : 1, height = side.adjoint ? f.height : f.out_height(),
              width = side.adjoint ? f.width : f.out_width();
  c.step = s;
  c.first_y = k / s;
  c.first_x = k % s;
  c.rows = std::max<Index>(0, (height - c.first_y + s - 1) / s);
  c.row = std::max<Index>(0, (width - c.first_x + s - 1) / s);
  c.pixels = f.batch * c.rows * c.row;
  for (Index tap = 0; tap < f.taps(); ++tap) {
    const Index y = c.first_y + f.padding - tap / f.kernel, x = c.first_x + f.padding - tap % f.kernel;
    if (!side.adjoint || (y % s == 0 && x % s == 0)) c.taps.push_back(tap);
  }
  return c;
}

std::vector<Group> groups_of(const Side& side, const PixelClass& c, Index packed) {
  const auto most = static_cast<std::size_t>(std::max<Index>(1, group_depth / side.channels));
  std::vector<Group> groups;
  for (std::size_t at = 0; at < c.taps.size(); at += most) {
    Group g;
    g.taps.assign(c.taps.begin() + static_cast<std::ptrdiff_t>(at),
                  c.taps.begin() + static_cast<std::ptrdiff_t>(std::min(at + most, c.taps.size())));
    g.packed = packed;
    packed += static_cast<Index>(g.taps.size()) * side.channels;
    groups.push_back(std::move(g));
  }
  return groups;
}

// Rows [first, first + rows) of the class: channels that the taps of the group read, (rows, taps, channels).
template <class T>
void gather(const Side& side, const PixelClass& c, const Group& g, Index first, Index rows, const T* from, T* to) {
  const ConvShape& f = side.shape;
  const Index height = side.adjoint ? f.out_height() : f.height, width = side.adjoint ? f.out_width() : f.width;
  const Index n = side.channels;
  Index image = first / (c.rows * c.row), i = first / c.row % c.rows, j = first % c.row;
  for (Index r = 0; r < rows; ++r) {
    const Index py = c.first_y + c.step * i, px = c.first_x + c.step * j;
    for (const Index tap : g.taps) {
      const Index k = tap / f.kernel, l = tap % f.kernel;
      const Index y = side.adjoint ? (py + f.padding - k) / f.stride : py * f.stride + k - f.padding;
      const Index x = side.adjoint ? (px + f.padding - l) / f.stride : px * f.stride + l - f.padding;
      const bool early = side.adjoint && (py + f.padding < k || px + f.padding < l);
      if (!early && y >= 0 && y < height && x >= 0 && x < width) {
        std::copy_n(from + ((image * height + y) * width + x) * n, n, to);
      } else {
        std::fill_n(to, n, T(0));
      }
      to += n;
    }
    if (++j == c.row) {
      j = 0;
      if (++i == c.rows) i = 0, ++image;
    }
  }
}

// Panels of one group, as tile_gemm.hpp reads them: element (tap, channel; column).
template <class T>
struct PackTask {
  const Side* side;
  const Group* groups;
  Index panels;
  const T* w;
  T* packed;
  void operator()(Index task) const {
    const Group& g = groups[task / panels];
    const Index n = side->channels, columns = side->columns, padded = round_to_lanes<T>(columns);
    const Index depth = static_cast<Index>(g.taps.size()) * n, j0 = task % panels * panel_columns<T>;
    const Index width = std::min<Index>(panel_columns<T>, padded - j0), live = std::min(width, columns - j0);
    T* out = packed + g.packed * padded + j0 * depth;
    for (const Index tap : g.taps) {
      const T* from = w + tap * n * columns;
      if (side->adjoint) {  // w (column, channel)
        for (Index v = 0; v < width; ++v) {
          const T* row = from + (j0 + v) * n;
          for (Index c = 0; c < n; ++c) out[c * width + v] = v < live ? row[c] : T(0);
        }
      } else {  // w (channel, column)
        for (Index c = 0; c < n; ++c) {
          std::copy_n(from + c * columns + j0, live, out + c * width);
          std::fill_n(out + c * width + live, width - live, T(0));
        }
      }
      out += n * width;
    }
  }
};

// A panel that is not whole is one vector wide (tile_gemm.hpp), so panels are counted by whole and half ones.
template <class T>
Index panels_of(Index columns) {
  const Index padded = round_to_lanes<T>(columns);
  return (padded + panel_columns<T> - 1) / panel_columns<T>;
}

template <class T>
struct ApplyTask {
  const Side* side;
  const PixelClass* c;
  const std::vector<Group>* groups;
  const T* from;
  const T* packed;
  const T* bias;  // padded
  T* to;
  bool accumulate;
  T* work;  // per slot
  Index work_row;

  void operator()(Index tile, Index slot) const {
    const Index columns = side->columns, padded = round_to_lanes<T>(columns);
    const Index first = tile * tile_pixels, rows = std::min(tile_pixels, c->pixels - first);
    T *a = work + slot * work_row, *out = a + tile_pixels * most_depth(*side);
    bool begun = false;
    for (const Group& g : *groups) {
      gather(*side, *c, g, first, rows, from, a);
      const Index depth = static_cast<Index>(g.taps.size()) * side->channels;
      tile_gemm<T>(rows, padded, depth, TileA<T>{a, depth, 1}, TileB<T>{packed + g.packed * padded, 0}, out, padded,
                   begun ? Start::add : Start::bias, bias);
      begun = true;
    }
    store(first, rows, out, padded);
  }
  static Index most_depth(const Side& side) {
    return std::max(side.channels, group_depth / side.channels * side.channels);
  }

 private:
  void store(Index first, Index rows, const T* out, Index padded) const {
    const ConvShape& f = side->shape;
    const Index height = side->adjoint ? f.height : f.out_height(), width = side->adjoint ? f.width : f.out_width();
    for (Index r = 0; r < rows; ++r) {
      const Index p = first + r, image = p / (c->rows * c->row);
      const Index y = c->first_y + c->step * (p / c->row % c->rows), x = c->first_x + c->step * (p % c->row);
      T* t = to + ((image * height + y) * width + x) * side->columns;
      const T* o = out + r * padded;
      if (accumulate) {
        for (Index k = 0; k < side->columns; ++k) t[k] += o[k];
      } else {
        std::copy_n(o, side->columns, t);
      }
    }
  }
};

template <class T>
void apply(Stream& s, const Side& side, const T* w, const T* from, const T* bias, T* to, bool accumulate) {
  const Index padded = round_to_lanes<T>(side.columns), panels = panels_of<T>(side.columns);
  for (Index k = 0; k < side.classes(); ++k) {
    const PixelClass c = pixel_class(side, k);
    if (c.pixels == 0) continue;
    const std::vector<Group> groups = groups_of(side, c, 0);
    const Index tiles = (c.pixels + tile_pixels - 1) / tile_pixels;
    const Index work_row = (ApplyTask<T>::most_depth(side) + padded) * tile_pixels + 32;
    T *packed = nullptr, *start = nullptr, *work = nullptr;
    Pieces<T> pieces;
    for (int pass = 0; pass < 2; ++pass) {
      if (pass == 1) pieces = {static_cast<T*>(s.scratch(pieces.used * static_cast<Index>(sizeof(T)))), 0};
      packed = pieces.take(static_cast<Index>(c.taps.size()) * side.channels * padded);
      start = pieces.take(padded);
      work = pieces.take(work_row * workers(s, tiles));
    }
    std::fill_n(start, padded, T(0));
    if (bias != nullptr) std::copy_n(bias, side.columns, start);
    if (groups.empty()) continue;  // of the adjoint: nothing to add
    parallel_for_coarse(s, static_cast<Index>(groups.size()) * panels,
                        PackTask<T>{&side, groups.data(), panels, w, packed});
    for_each_chunk(s, tiles, ApplyTask<T>{&side, &c, &groups, from, packed, start, to, accumulate, work, work_row});
  }
}

// Partial sum of the weight gradient: chunk of tiles x group of taps.
template <class T>
struct WeightTask {
  const ConvVjpWeight<T>* f;
  const Side* side;
  const PixelClass* c;
  const std::vector<Group>* groups;
  Index tiles, chunks;
  T* partial;  // (chunks, taps channels_in + 1, padded): the last row is the bias
  T* work;
  Index work_row;

  void operator()(Index task, Index slot) const {
    const Index columns = side->columns, padded = round_to_lanes<T>(columns);
    const auto count = static_cast<Index>(groups->size());
    const Group& g = (*groups)[static_cast<std::size_t>(task % count)];
    const Index chunk = task / count, depth = static_cast<Index>(g.taps.size()) * side->channels;
    T* sums = partial + chunk * (side->shape.taps() * side->channels + 1) * padded;
    T* bias = sums + side->shape.taps() * side->channels * padded;
    T *a = work + slot * work_row, *rows_of_d = a + tile_pixels * ApplyTask<T>::most_depth(*side);
    T* block = sums + g.packed * padded;
    std::fill_n(block, depth * padded, T(0));
    const bool with_bias = task % count == 0;
    if (with_bias) std::fill_n(bias, padded, T(0));
    for (Index t = tiles * chunk / chunks; t < tiles * (chunk + 1) / chunks; ++t) {
      const Index first = t * tile_pixels, rows = std::min(tile_pixels, c->pixels - first);
      gather(*side, *c, g, first, rows, f->x, a);
      const T* d = f->d_y + first * columns;
      if (padded != columns) {
        load_rows(d, rows, columns, rows_of_d, padded);
        d = rows_of_d;
      }
      tile_gemm<T>(depth, padded, rows, TileA<T>{a, 1, depth}, TileB<T>{d, padded}, block, padded, Start::add);
      if (!with_bias) continue;
      for (Index r = 0; r < rows; ++r) {
        for (Index k = 0; k < padded; ++k) bias[k] += d[r * padded + k];
      }
    }
  }
};

template <class T>
struct SumChunks {
  const T* partial;
  Index chunks, stride, columns, padded;
  T* out;  // (rows, columns), accumulated into
  void operator()(Index r, Index k) const {
    T sum = T(0);
    for (Index c = 0; c < chunks; ++c) sum += partial[c * stride + r * padded + k];
    out[r * columns + k] += sum;
  }
};

}  // namespace

template <class T>
void conv_forward(Stream& s, const ConvForward<T>& f) {
  apply(s, Side(f.shape, false), f.w, f.x, f.bias, f.y, f.accumulate);
}
TERRANE_INSTANTIATE(conv_forward, ConvForward)

template <class T>
void conv_vjp_input(Stream& s, const ConvVjpInput<T>& f) {
  apply<T>(s, Side(f.shape, true), f.w, f.d_y, nullptr, f.d_x, true);
}
TERRANE_INSTANTIATE(conv_vjp_input, ConvVjpInput)

template <class T>
void conv_vjp_weight(Stream& s, const ConvVjpWeight<T>& f) {
  const Side side(f.shape, false);
  const PixelClass c = pixel_class(side, 0);
  if (c.pixels == 0) return;
  const std::vector<Group> groups = groups_of(side, c, 0);
  const Index padded = round_to_lanes<T>(side.columns), tiles = (c.pixels + tile_pixels - 1) / tile_pixels;
  const Index chunks = std::clamp<Index>(tiles / tiles_of_chunk, 1, most_chunks);
  const Index rows = f.shape.taps() * side.channels, stride = (rows + 1) * padded;
  const Index tasks = chunks * static_cast<Index>(groups.size());
  const Index work_row = (ApplyTask<T>::most_depth(side) + padded) * tile_pixels + 32;
  T *partial = nullptr, *work = nullptr;
  Pieces<T> pieces;
  for (int pass = 0; pass < 2; ++pass) {
    if (pass == 1) pieces = {static_cast<T*>(s.scratch(pieces.used * static_cast<Index>(sizeof(T)))), 0};
    partial = pieces.take(stride * chunks);
    work = pieces.take(work_row * workers(s, tasks));
  }
  for_each_chunk(s, tasks, WeightTask<T>{&f, &side, &c, &groups, tiles, chunks, partial, work, work_row});
  parallel_for_2d(s, rows, side.columns, SumChunks<T>{partial, chunks, stride, side.columns, padded, f.d_w});
  if (f.d_bias == nullptr) return;
  parallel_for_2d(s, 1, side.columns,
                  SumChunks<T>{partial + rows * padded, chunks, stride, side.columns, padded, f.d_bias});
}
TERRANE_INSTANTIATE(conv_vjp_weight, ConvVjpWeight)

}  // namespace terrane::TERRANE_BACKEND
