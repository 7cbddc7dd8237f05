// SPDX-License-Identifier: MIT
// CPU schedule of the 3-D wave steps. A step is cut into tiles, some planes high and some rows wide, so that the planes
// under the stencil stay in the cache and each plane of a tile is read once from memory; a tile never cuts a strip of
// the absorbing layer. Threads take shots where there are enough of them, else the tiles of one shot. Cells do not
// depend on the tiles, so the bits do not depend on the threads.
#include <omp.h>

#include <algorithm>
#include <vector>

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"
#include "kernels/stencil/denormals_cpu.hpp"
#include "kernels/stencil/wave3_rows_cpu.hpp"
#include "kernels/stencil/wave_shots_cpu.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

constexpr Index tile_bytes = Index{400} << 10;  // of the planes of one field under the stencil
constexpr Index tile_planes = 32;

struct Tile {
  Index z0, z1, y0, y1;
};

// [0, n) cut at the ends of the strips, and between them into pieces of at most `most` cells.
void cut_axis(Index n, const WaveStrip* strips, Index count, Index most, std::vector<Index>& cuts) {
  const auto pieces = [&](Index begin, Index end) {
    const Index number = (end - begin + most - 1) / most;
    for (Index k = 0; k < number; ++k) cuts.push_back(begin + (end - begin) * k / number);
  };
  Index at = 0;
  for (Index k = 0; k < count; ++k) {
    pieces(at, strips[k].begin);
    cuts.push_back(strips[k].begin);
    at = strips[k].end;
  }
  pieces(at, n);
  cuts.push_back(n);
}

struct Tiles {
  std::vector<Tile> tiles;
  Index rows = 0;  // of the widest tile

  Tiles(const WaveLayout& g, Index scalar_bytes) {
    const Index in_cache = tile_bytes / ((2 * g.radius + 1) * g.pitch * scalar_bytes) - 2 * g.radius;
    std::vector<Index> z, y;
    cut_axis(g.nz, g.z, g.z_strips, tile_planes, z);
    cut_axis(g.ny, g.y, g.y_strips, std::max<Index>(8, in_cache), y);
    for (std::size_t i = 0; i + 1 < z.size(); ++i) {
      for (std::size_t j = 0; j + 1 < y.size(); ++j) tiles.push_back({z[i], z[i + 1], y[j], y[j + 1]});
    }
    for (std::size_t j = 0; j + 1 < y.size(); ++j) rows = std::max(rows, y[j + 1] - y[j]);
  }
  Index count() const { return static_cast<Index>(tiles.size()); }
};

// Strip of a row or plane as the forward operator sees it; -1: none.
inline Index forward_strip(const WaveStrip* strips, Index count, Index position) {
  for (Index k = 0; k < count; ++k) {
    if (position >= strips[k].inner && position < strips[k].outer) return k;
  }
  return -1;
}

template <int R, class T>
void forward_rows(const Step<T>& step, const Rows3& rows, const RowPart& part) {
  if (part.strip >= 0) return forward_layer3<R, true>(step, rows, part);
  if (rows.kz >= 0 || rows.ky >= 0) return forward_layer3<R, false>(step, rows, part);
  interior_rows3<R>(step, Pass<T>{step.u, step.next, step.w.any() ? Pass<T>::keep : Pass<T>::plain}, rows, part);
}

template <int R, class T>
struct ForwardTile {
  Step<T> step;
  const Tiles& tiles;
  const RowParts &parts, &core_parts;  // core_parts: of rows that cross the core, the core left out (step.ring)

  void operator()(Index i) const {
    const FlushDenormals flush;
    const WaveLayout& g = step.s.g;
    const Tile& tile = tiles.tiles[static_cast<std::size_t>(i)];
    const RowParts& p = step.ring != nullptr && step.ring->core_row(tile.z0, tile.y0) ? core_parts : parts;
    for (Index z = tile.z0; z < tile.z1; ++z) {
      Rows3 rows{z, tile.y0, 0, forward_strip(g.z, g.z_strips, z), -1};
      for (; rows.y0 < tile.y1; rows.y0 = rows.y1) {
        rows.ky = forward_strip(g.y, g.y_strips, rows.y0);
        rows.y1 = rows.y0 + 1;
        while (rows.y1 < tile.y1 && forward_strip(g.y, g.y_strips, rows.y1) == rows.ky) ++rows.y1;
        for (int k = 0; k < p.count; ++k) forward_rows<R>(step, rows, p.part[k]);
      }
    }
    if (step.w.any()) finish_streams();
    if (!step.background.any()) return;
    for (Index z = tile.z0; z < tile.z1; ++z) {
      for (Index y = tile.y0; y < tile.y1; ++y) add_background(step, z * g.plane + y * g.pitch, g.pitch);
    }
  }
};

template <int R, class T>
void adjoint_rows(const Step<T>& step, const LayerWork<T>& work, const Rows3& rows, const RowPart& part) {
  if (part.strip >= 0) return adjoint_layer3<R, true>(step, work, rows, part);
  if (rows.kz >= 0 || rows.ky >= 0) return adjoint_layer3<R, false>(step, work, rows, part);
  if (step.back != nullptr) {  // the core
    interior_rows3<R>(step, Pass<T>{step.back, step.back_next, Pass<T>::rebuild}, rows, part);
    return interior_rows3<R>(step, Pass<T>{step.u, step.next, Pass<T>::plain}, rows, part);
  }
  interior_rows3<R>(step, Pass<T>{step.u, step.next, step.image != nullptr ? Pass<T>::image : Pass<T>::plain}, rows,
                    part);
}

// What all tiles of the adjoint share.
template <class T>
struct AdjointTables {
  std::vector<T> weights_z, weights_y;
  Index values_z = 0, values_y = 0;  // of LayerRows

  AdjointTables() = default;
  AdjointTables(const WaveSetup<T>& s, const Tiles& tiles)
      : weights_z(layer_weights(s.fz, s.pz.b, s.g.nz, s.g.radius)),
        weights_y(layer_weights(s.fy, s.py.b, s.g.ny, s.g.radius)),
        values_z(LayerRows<T>::values(2 * s.g.radius + 1, tiles.rows * s.g.pitch)),
        values_y(LayerRows<T>::values(tiles.rows + 2 * s.g.radius, s.g.pitch)) {}
  Index values() const { return values_z + values_y; }
};

template <int R, class T>
struct AdjointTile {
  Step<T> step;
  const Tiles& tiles;
  const RowParts& parts;
  const AdjointTables<T>& tables;
  T* scratch;  // (threads, tables.values())

  void operator()(Index i) const {
    const FlushDenormals flush;
    const WaveLayout& g = step.s.g;
    const Tile& tile = tiles.tiles[static_cast<std::size_t>(i)];
    T* own = scratch + omp_get_thread_num() * tables.values();
    const LayerWork<T> work{{own, 2 * R + 1, tiles.rows * g.pitch},
                            {own + tables.values_z, tiles.rows + 2 * R, g.pitch},
                            tables.weights_z.data(),
                            tables.weights_y.data(),
                            tile.y0};
    const Index ky = g.y_strip(tile.y0);
    for (Index z = tile.z0; z < tile.z1; ++z) {
      const Index kz = g.z_strip(z);
      for (Index r = kz >= 0 && z == g.z[kz].begin ? z - R : z + R; kz >= 0 && r <= z + R; ++r) {
        enter_plane(work.z, tile, kz, r);
      }
      if (ky >= 0) enter_strip(work.y, ky, z);
      const Rows3 rows{z, tile.y0, tile.y1, kz, ky};
      for (int p = 0; p < parts.count; ++p) adjoint_rows<R>(step, work, rows, parts.part[p]);
    }
  }

 private:
  // Plane z of the tile.
  void enter_plane(const LayerRows<T>& rows, const Tile& tile, Index k, Index z) const {
    const WaveLayout& g = step.s.g;
    const bool inside = z >= g.z[k].begin && z < g.z[k].end;
    const CpmlProfile<T>& p = step.s.pz;
    T *t = rows.t(z + 2 * R + 1), *first = rows.y(z + 2 * R + 1);
    const T* q = step.u + z * g.plane + tile.y0 * g.pitch;
    const Index n = (tile.y1 - tile.y0) * g.pitch;
    if (!inside || p.b[z] == 0) return pass_layer(q, inside ? p.db[z] : T(0), t, first, n);
    const Index place = g.z_place(k, z, tile.y0, 0);
    enter_layer(q, broadcast_cell(p, z), step.f.phi_z[0] + place, step.f.eta_z[0] + place, t, first, n);
  }
  // The rows of strip k, which is the tile, and those around it.
  void enter_strip(const LayerRows<T>& rows, Index k, Index z) const {
    const WaveLayout& g = step.s.g;
    const WaveStrip& strip = g.y[k];
    const CpmlProfile<T>& p = step.s.py;
    for (Index y = strip.begin - R; y < strip.end + R; ++y) {
      const T* q = step.u + z * g.plane + y * g.pitch;
      T *t = rows.t(y - strip.begin + R), *first = rows.y(y - strip.begin + R);
      const bool inside = y >= strip.begin && y < strip.end;
      if (!inside || p.b[y] == 0) {
        pass_layer(q, inside ? p.db[y] : T(0), t, first, g.pitch);
        continue;
      }
      const Index place = g.y_place(k, z, y, 0);
      enter_layer(q, broadcast_cell(p, y), step.f.phi_y[0] + place, step.f.eta_y[0] + place, t, first, g.pitch);
    }
  }
};

// `parts` of a forward row without the cells [begin, end) that lie outside the layers.
RowParts without(const RowParts& parts, Index begin, Index end) {
  RowParts rest;
  for (int i = 0; i < parts.count; ++i) {
    const RowPart& p = parts.part[i];
    const RowPart left{p.begin, std::min(p.end, begin), p.strip}, right{std::max(p.begin, end), p.end, p.strip};
    if (p.strip >= 0) {
      rest.part[rest.count++] = p;
      continue;
    }
    if (left.begin < left.end) rest.part[rest.count++] = left;
    if (right.begin < right.end) rest.part[rest.count++] = right;
  }
  return rest;
}

// Steps of a shot (wave_shots_cpu.hpp); the tiles of a step are shared by the threads of `stream`, null: by none.
template <class T>
struct TileSteps {
  Stream* stream;
  Tiles tiles;
  RowParts parts, core_parts;
  AdjointTables<T> tables;
  T* scratch = nullptr;

  TileSteps(Stream& s, const WaveForward<T>& a) : TileSteps(s, a.setup, cut_row(a.setup.g, true)) {
    core_parts = without(parts, a.ring.layout.low[2], a.ring.layout.high[2]);
  }
  TileSteps(Stream& s, const WaveAdjoint<T>& a) : TileSteps(s, a.setup, cut_row(a.setup.g)) {
    tables = AdjointTables<T>(a.setup, tiles);
    scratch = static_cast<T*>(s.scratch(s.threads() * tables.values() * static_cast<Index>(sizeof(T))));
  }

  void forward(const Step<T>& step) const {
    with_radius(step.s.g.radius, [&](auto r) {
      run(tiles.count(), ForwardTile<r, T>{step, tiles, parts, core_parts});
    });
  }
  void strips(const Step<T>& step) const { forward(step); }
  void adjoint(const Step<T>& step) const {
    with_radius(step.s.g.radius, [&](auto r) {
      run(tiles.count(), AdjointTile<r, T>{step, tiles, parts, tables, scratch});
    });
  }
  Index threads() const { return stream != nullptr ? stream->threads() : 1; }
  template <class F>
  void run(Index n, const F& f) const {
    if (stream != nullptr) return parallel_for_coarse(*stream, n, f);
    for (Index i = 0; i < n; ++i) f(i);
  }

 private:
  TileSteps(Stream& s, const WaveSetup<T>& setup, const RowParts& row)
      : stream(setup.shots < s.threads() ? &s : nullptr), tiles(setup.g, sizeof(T)), parts(row) {}
};

// Threads take shots where there are enough of them, else the tiles of one shot after another.
template <class Shot>
void run_shots(Stream& stream, const Shot& shot) {
  const Index shots = shot.a.setup.shots;
  if (shot.steps.stream == nullptr) return parallel_for_coarse(stream, shots, shot);
  for (Index i = 0; i < shots; ++i) shot(i);
}

}  // namespace

template <class T>
void wave3_forward(Stream& stream, const WaveForward<T>& a) {
  run_shots(stream, ForwardShot<TileSteps<T>, T>{a, TileSteps<T>(stream, a)});
}
TERRANE_INSTANTIATE(wave3_forward, WaveForward)

template <class T>
void wave3_adjoint(Stream& stream, const WaveAdjoint<T>& a) {
  run_shots(stream, AdjointShot<TileSteps<T>, T>{a, TileSteps<T>(stream, a)});
}
TERRANE_INSTANTIATE(wave3_adjoint, WaveAdjoint)

}  // namespace terrane::TERRANE_BACKEND
