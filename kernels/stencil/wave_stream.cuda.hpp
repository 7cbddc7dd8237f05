// SPDX-License-Identifier: MIT
// Streaming schedule of the 2-D wave steps: fields in device memory, one launch a step, any grid. For
// wave_schedule.cuda.hpp.
//
// The blocks of a launch are of three kinds. Tiles take the cells that no layer reaches, Q rows of four columns a
// thread. Cell blocks take the others, a cell a thread; their layer is stored in strips. Frame blocks read what the
// step does not change: records, ring and skirt of the current sample. Every block does this for a group of shots, so
// that c is read once and the image of the group is summed in registers. A block adds the sources (backwards: the data)
// to the cells that it has just written: no atomics, a fixed order. The launches of a run that comes again are one CUDA
// graph.
#pragma once

#include "kernels/runtime/graph_cuda.hpp"
#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"
#include "kernels/stencil/wave_cells.cuda.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

constexpr int stream_threads = 256, tile_lanes = 32, tile_lines = 8;  // a tile: 32 x 8 threads
constexpr int largest_group = 8;                                      // shots

// Rows of a thread: what its registers hold.
template <int R, class T>
constexpr int forward_rows = sizeof(T) == 4 ? (R <= 2 ? 4 : 2) : 1;
template <int R, class T>
constexpr int adjoint_rows = sizeof(T) == 4 ? 2 : 1;
// Blocks a processor that the compiler provides for: 256 threads of 128 or of 255 registers.
template <class T>
constexpr int stream_blocks = sizeof(T) == 4 ? 2 : 1;

struct StreamTiles {
  InnerBox box;                          // cells of the tiles
  int columns = 0;                       // tiles in a row of tiles
  int tiles = 0, cells = 0, frames = 0;  // blocks
  int rows = 0;                          // of a tile
  int group = 1;                         // shots
  bool steps = true;                     // false: nothing is advanced
};

inline int processors(const Stream& s) {
  int count = 1;
  check_cuda(cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, s.device().index), "reading the GPU");
  return count;
}
inline int blocks_of(Index n, Index size) { return static_cast<int>((n + size - 1) / size); }

// frame: most work items of a frame block's shot. core: take the cells of the box.
inline StreamTiles make_tiles(const WaveLayout& g, const InnerBox& box, int quad, Index frame, Index shots, bool core,
                              int processors) {
  StreamTiles t;
  t.box = box;
  t.rows = tile_lines * quad;
  if (core && !box.empty()) {
    t.columns = blocks_of(box.x1 - box.x0, 4 * tile_lanes);
    t.tiles = t.columns * blocks_of(box.z1 - box.z0, t.rows);
  }
  t.cells = blocks_of(CellsAround(g, box, 0, static_cast<int>(g.nz)).count(), stream_threads);
  t.frames = blocks_of(frame, stream_threads);
  // Shots share a block as long as the blocks fill the processors a few times.
  const Index wanted = Index{8} * processors, blocks = t.tiles + t.cells;
  while (t.group < largest_group && t.group < shots && blocks * ((shots + t.group) / (t.group + 1)) >= wanted)
    ++t.group;
  return t;
}

// Cells of one block: a rectangle of the box, or a range of numbers around it.
struct BlockCells {
  bool tile;
  CellsAround around;
  int z0, z1, x0, x1, first;

  TERRANE_HD BlockCells(const WaveLayout& g, const StreamTiles& t, int block)
      : tile(block < t.tiles),
        around(g, t.box, 0, static_cast<int>(g.nz)),
        z0(0),
        z1(static_cast<int>(g.nz)),
        x0(0),
        x1(0),
        first((block - t.tiles) * stream_threads) {
    if (!tile) return;
    z0 = static_cast<int>(t.box.z0) + block / t.columns * t.rows;
    x0 = static_cast<int>(t.box.x0) + block % t.columns * 4 * tile_lanes;
    z1 = z0 + t.rows < t.box.z1 ? z0 + t.rows : static_cast<int>(t.box.z1);
    x1 = x0 + 4 * tile_lanes < t.box.x1 ? x0 + 4 * tile_lanes : static_cast<int>(t.box.x1);
  }
  TERRANE_HD bool holds(int z, int x) const {
    if (tile) return z >= z0 && z < z1 && x >= x0 && x < x1;
    const int i = around.number(z, x);
    return i >= first && i < first + stream_threads;
  }
  // f(k, z, x) for the touched cells of a survey shot in this block, one thread a cell.
  template <class T, class F>
  TERRANE_HD void for_each_touched(const WavePoints<T>& p, Index which, Index pitch, int thread, const F& f) const {
    const Index end = p.touch_first[which] + p.touch_count[which];
    for (Index k = first_touched(p, which, z0 * pitch) + thread; k < end; k += stream_threads) {
      const Index cell = p.touch_cell[k];
      if (cell >= z1 * pitch) break;
      const int z = static_cast<int>(cell / pitch), x = static_cast<int>(cell % pitch);
      if (holds(z, x)) f(k, z, x);
    }
  }
};

// Where thread `thread` of a tile works: its first row and column, and how many of its rows are there.
struct QuadPlace {
  int z, x, rows;
  TERRANE_HD QuadPlace(const BlockCells& b, int thread, int quad)
      : z(b.z0 + thread / tile_lanes * quad), x(b.x0 + thread % tile_lanes * 4), rows(x < b.x1 ? b.z1 - z : 0) {
    if (rows > quad) rows = quad;
  }
};

// Records, ring and skirt of sample n, item i of a shot.
template <class T>
TERRANE_HD void forward_frame_item(const WaveForward<T>& a, Index shot, Index n, Index i) {
  const WaveSetup<T>& s = a.setup;
  const WaveLayout& g = s.g;
  const FieldRows<T> field = rows_in_memory(g, a.fields, shot, n);
  if (a.data != nullptr && i < s.receivers.per_shot) {
    const Index which = s.shot[shot];
    const bool used = i < s.receivers.count[which];
    a.data[(shot * s.receivers.per_shot + i) * s.nt + n] =
        used ? s.receivers.record(field.now, s.receivers.first[which] + i) : T(0);
  }
  if (!a.ring.used()) return;
  const CellFrame &ring = a.ring.layout.ring, &skirt = a.ring.layout.skirt;
  if (!a.strips_only) {
    if (i < ring.size) a.ring.ring_at(shot, n).put(i, field.now[ring.cell(i, g.plane, g.pitch)]);
    return;
  }
  if (n + 1 == s.nt) return;
  if (i < skirt.size && n < a.n1) a.ring.skirt_at(shot, n)[i] = field.now[skirt.cell(i, g.plane, g.pitch)];
  if (i >= ring.size) return;
  const Index cell = ring.cell(i, g.plane, g.pitch);  // of the next sample
  field.template put<1>(static_cast<int>(cell / g.pitch), static_cast<int>(cell % g.pitch),
                        Cells<T, 1>{{a.ring.ring_at(shot, n + 1).get(i)}});
}

template <int R, class T>
__global__ void __launch_bounds__(stream_threads, stream_blocks<T>)
    stream_forward_kernel(const WaveForward<T> a, const StreamTiles tiles, const Index n) {
  const WaveSetup<T>& s = a.setup;
  const WaveLayout& g = s.g;
  const int block = static_cast<int>(blockIdx.x), thread = static_cast<int>(threadIdx.x);
  const Index first = static_cast<Index>(blockIdx.y) * tiles.group;
  const Index last = first + tiles.group < s.shots ? first + tiles.group : s.shots;
  if (block >= tiles.tiles + tiles.cells) {
    const Index i = static_cast<Index>(block - tiles.tiles - tiles.cells) * stream_threads + thread;
    for (Index shot = first; shot < last; ++shot) forward_frame_item(a, shot, n, i);
    return;
  }
  const BlockCells cells(g, tiles, block);
  if (cells.tile) {
    constexpr int Q = forward_rows<R, T>;
    const QuadPlace at(cells, thread, Q);
    Cells<T, 4> c[Q];
    load_rows<Q>(s.c, g.pitch, at.z, at.x, at.rows, c);
    for (Index shot = first; shot < last && at.rows > 0; ++shot) {
      const FieldRows<T> field = rows_in_memory(g, a.fields, shot, n);
      Cells<T, 4> u[Q], w[Q];
      quad_laplacian<R, Q>(field.at(at.z, at.x), field.stride, at.rows, s.fz, s.fx, u, w);
#pragma unroll
      for (int r = 0; r < Q; ++r) {
        if (r < at.rows) advance_cells<4>(a, shot, n, field, at.z + r, at.x, c[r], u[r], w[r]);
      }
    }
  } else if (cells.first + thread < cells.around.count()) {
    int z, x;
    cells.around.cell(cells.first + thread, z, x);
    const Cells<T, 1> c{{s.c[z * g.pitch + x]}};
    for (Index shot = first; shot < last; ++shot) {
      const FieldRows<T> field = rows_in_memory(g, a.fields, shot, n);
      const Cells<T, 1> u{{*field.at(z, x)}}, w{{layer_forward<R>(a, shot, n, field, z, x)}};
      advance_cells<1>(a, shot, n, field, z, x, c, u, w);
    }
  }
  if (a.wavelet == nullptr) return;
  __syncthreads();
  for (Index shot = first; shot < last; ++shot) {
    const FieldRows<T> field = rows_in_memory(g, a.fields, shot, n);
    cells.for_each_touched(s.sources, s.shot[shot], g.pitch, thread,
                           [&](Index k, int z, int x) { inject_source(a, shot, n, field, k, z, x); });
  }
}

// Gradient of the wavelet at sample n, skirt of the forward run at n - 1; item i of a shot.
template <class T>
TERRANE_HD void adjoint_frame_item(const WaveAdjoint<T>& a, Index shot, Index n, bool steps, Index i) {
  const WaveSetup<T>& s = a.setup;
  const WaveLayout& g = s.g;
  if (a.d_wavelet != nullptr && i < s.sources.per_shot) {
    const Index which = s.shot[shot];
    const T* q = rows_in_memory(g, a.fields, shot, n + 1).now;
    const bool used = steps && i < s.sources.count[which];
    a.d_wavelet[(shot * s.sources.per_shot + i) * s.nt + n] =
        used ? s.sources.record(q, s.sources.first[which] + i) : T(0);
  }
  const CellFrame& skirt = a.ring.layout.skirt;
  if (!a.ring.used() || a.image == nullptr || n <= a.n0 || i >= skirt.size) return;
  const FieldRows<T> back = rows_in_memory(g, a.background, shot, n);
  back.next[skirt.cell(i, g.plane, g.pitch)] = a.ring.skirt_at(shot, n - 1)[i];
}

// image: of the group.
template <int R, bool Rebuild, class T>
TERRANE_HD void adjoint_tile(const WaveAdjoint<T>& a, Index first, Index last, Index n, const BlockCells& cells,
                             int thread, T* image) {
  constexpr int Q = adjoint_rows<R, T>;
  const WaveLayout& g = a.setup.g;
  const QuadPlace at(cells, thread, Q);
  if (at.rows <= 0) return;
  constexpr bool hold_c = !(Rebuild && R == 4);  // else the registers do not suffice
  Cells<T, 4> c[Q], sum[Q] = {};
  if constexpr (hold_c) load_rows<Q>(a.setup.c, g.pitch, at.z, at.x, at.rows, c);
  for (Index shot = first; shot < last; ++shot) {
    if constexpr (!hold_c) load_rows<Q>(a.setup.c, g.pitch, at.z, at.x, at.rows, c);
    const FieldRows<T> field = rows_in_memory(g, a.fields, shot, n + 1),
                       back = rows_in_memory(g, a.background, shot, n);
    adjoint_quad<R, Q, Rebuild>(a, shot, n, field, back, at.z, at.x, at.rows, c, sum);
  }
  if (image != nullptr) add_rows<Q>(image, g.pitch, at.z, at.x, at.rows, sum);
}

// Image: of a group, at its first shot.
template <int R, bool Rebuild, class T>
__global__ void __launch_bounds__(stream_threads, stream_blocks<T>)
    stream_adjoint_kernel(const WaveAdjoint<T> a, const StreamTiles tiles, const Index n) {
  const WaveSetup<T>& s = a.setup;
  const WaveLayout& g = s.g;
  const int block = static_cast<int>(blockIdx.x), thread = static_cast<int>(threadIdx.x);
  const Index first = static_cast<Index>(blockIdx.y) * tiles.group;
  const Index last = first + tiles.group < s.shots ? first + tiles.group : s.shots;
  if (block >= tiles.tiles + tiles.cells) {
    const Index i = static_cast<Index>(block - tiles.tiles - tiles.cells) * stream_threads + thread;
    for (Index shot = first; shot < last; ++shot) adjoint_frame_item(a, shot, n, tiles.steps, i);
    return;
  }
  const BlockCells cells(g, tiles, block);
  T* image = a.image != nullptr ? a.image + first * g.cells : nullptr;
  if (tiles.steps) {
    if (cells.tile) {
      adjoint_tile<R, Rebuild>(a, first, last, n, cells, thread, image);
    } else if (cells.first + thread < cells.around.count()) {
      int z, x;
      cells.around.cell(cells.first + thread, z, x);
      const Index cell = z * g.pitch + x;
      T sum = 0;
      for (Index shot = first; shot < last; ++shot) {
        sum += adjoint_cell<R>(a, shot, n, rows_in_memory(g, a.fields, shot, n + 1), z, x, s.c[cell]);
      }
      if (image != nullptr) image[cell] += sum;
    }
    __syncthreads();
  }
  for (Index shot = first; shot < last; ++shot) {
    const FieldRows<T> field = rows_in_memory(g, a.fields, shot, n + 1);
    if (Rebuild && tiles.steps && cells.tile && a.wavelet != nullptr) {
      const FieldRows<T> back = rows_in_memory(g, a.background, shot, n);
      cells.for_each_touched(s.sources, s.shot[shot], g.pitch, thread, [&](Index k, int z, int x) {
        return_source(a, shot, n, *field.at(z, x), back, image, k, z, x);
      });
    }
    cells.for_each_touched(s.receivers, s.shot[shot], g.pitch, thread,
                           [&](Index k, int z, int x) { inject_data(a, shot, n, field, k, z, x); });
  }
}

// Into the current field before the first step: the ring of sample n (strips), the skirt of sample n (backwards).
template <class T>
struct FirstFrame {
  CellFrame frame;
  WaveSetup<T> s;
  WaveFields<T> fields;
  WaveRing<T> ring;
  Index n;
  bool skirt;
  TERRANE_HD void operator()(Index shot, Index i) const {
    const Index cell = frame.cell(i, s.g.plane, s.g.pitch);
    const T value = skirt ? ring.skirt_at(shot, n)[i] : ring.ring_at(shot, n).get(i);
    rows_in_memory(s.g, fields, shot, n + 1)
        .template put<1>(static_cast<int>(cell / s.g.pitch), static_cast<int>(cell % s.g.pitch), Cells<T, 1>{{value}});
  }
};

inline dim3 stream_grid(const StreamTiles& t, Index shots) {
  return dim3(static_cast<unsigned>(t.tiles + t.cells + t.frames), static_cast<unsigned>(blocks_of(shots, t.group)));
}

template <int R, class T>
void stream_forward(Stream& stream, const WaveForward<T>& a) {
  const WaveSetup<T>& s = a.setup;
  const CellFrame &ring = a.ring.layout.ring, &skirt = a.ring.layout.skirt;
  Index items = a.data != nullptr ? s.receivers.per_shot : 0;
  if (a.ring.used()) items = std::max({items, ring.size, a.strips_only ? skirt.size : 0});
  const InnerBox box = inner_box(s.g, !a.strips_only);
  const StreamTiles tiles =
      make_tiles(s.g, box, forward_rows<R, T>, items, s.shots, !a.strips_only, processors(stream));
  if (a.strips_only) {  // the state of the strips has been put in place without what lies above the surface
    parallel_for_2d(stream, s.shots, ring.size, FirstFrame<T>{ring, s, a.fields, a.ring, a.n0, false});
    if (s.g.free_surface) {
      parallel_for_2d(stream, s.shots * s.g.radius, s.g.plane,
                      SurfaceImages<T>{a.fields.u[a.n0 & 1], s.g.field, s.g.origin, s.g.plane, s.g.radius});
    }
  }
  const auto kernel = &stream_forward_kernel<R, T>;
  for (Index n = a.n0; n < a.n1; ++n) {
    StreamTiles now = tiles;
    now.steps = n + 1 < s.nt;
    if (!now.steps) now.tiles = now.cells = 0;
    const dim3 grid = stream_grid(now, s.shots);
    if (grid.x > 0) TERRANE_LAUNCH(kernel, grid, dim3(stream_threads), 0, stream, a, now, n);
  }
}

// The skirt of the first step of a segment. At the end of the run the first step, which advances nothing, brings it.
template <class T>
void first_skirt(Stream& stream, const WaveAdjoint<T>& a) {
  const WaveSetup<T>& s = a.setup;
  const CellFrame& skirt = a.ring.layout.skirt;
  if (a.n1 == s.nt) return;
  parallel_for_2d(stream, s.shots, skirt.size, FirstFrame<T>{skirt, s, a.background, a.ring, a.n1 - 1, true});
}

template <int R, bool Rebuild, class T>
void stream_adjoint(Stream& stream, const WaveAdjoint<T>& a) {
  const WaveSetup<T>& s = a.setup;
  Index items = a.d_wavelet != nullptr ? s.sources.per_shot : 0;
  if (Rebuild) items = std::max(items, a.ring.layout.skirt.size);
  const StreamTiles tiles =
      make_tiles(s.g, inner_box(s.g, false), adjoint_rows<R, T>, items, s.shots, true, processors(stream));
  const auto kernel = &stream_adjoint_kernel<R, Rebuild, T>;
  for (Index n = a.n1 - 1; n >= a.n0; --n) {
    StreamTiles now = tiles;
    now.steps = n + 1 < s.nt;
    TERRANE_LAUNCH(kernel, stream_grid(now, s.shots), dim3(stream_threads), 0, stream, a, now, n);
  }
}

}  // namespace
}  // namespace terrane::TERRANE_BACKEND
