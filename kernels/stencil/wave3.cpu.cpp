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
    std::vector<Index> z, y, y_layer;  // planes of a layer come with those of phi, of t and Y: lower tiles
    cut_axis(g.nz, g.z, g.z_strips, tile_planes, z);
    cut_axis(g.ny, g.y, g.y_strips, std::max<Index>(8, in_cache), y);
    cut_axis(g.ny, g.y, g.y_strips, std::max<Index>(8, in_cache / 2), y_layer);
    for (std::size_t i = 0; i + 1 < z.size(); ++i) {
      const std::vector<Index>& cuts = g.z_strip(z[i]) >= 0 ? y_layer : y;
      for (std::size_t j = 0; j + 1 < cuts.size(); ++j) tiles.push_back({z[i], z[i + 1], cuts[j], cuts[j + 1]});
    }
    for (std::size_t j = 0; j + 1 < y.size(); ++j) rows = std::max(rows, y[j + 1] - y[j]);
  }
  Index count() const { return static_cast<Index>(tiles.size()); }
};

// Strip of a row or plane as the forward operator sees it; -1: none.
constexpr Index rows_ahead = 4;  // what a later pass reads first is fetched that early

// Rows y .. y + count - 1 of plane z of a tile.
inline void look_ahead(const Tile& tile, Rows3& rows) {
  const Index later = rows.y + rows_ahead, height = tile.y1 - tile.y0;
  rows.ahead =
      later < tile.y1 ? Ahead{0, rows_ahead} : Ahead{1, std::max<Index>(rows_ahead - height, tile.y0 - rows.y)};
}

inline Index forward_strip(const WaveStrip* strips, Index count, Index position) {
  for (Index k = 0; k < count; ++k) {
    if (position >= strips[k].inner && position < strips[k].outer) return k;
  }
  return -1;
}

template <int R, class T>
struct ForwardTile {
  Step<T> step;
  const Tiles& tiles;
  T* scratch;  // (threads, rows_per_pass3, pitch)

  void operator()(Index i) const {
    const FlushDenormals flush;
    const WaveLayout& g = step.s.g;
    const Tile& tile = tiles.tiles[static_cast<std::size_t>(i)];
    T* own = scratch + omp_get_thread_num() * rows_per_pass3 * g.pitch;
    Spans spans;  // with step.ring, the core is left out
    if (step.ring != nullptr && step.ring->core_row(tile.z0, tile.y0)) {
      spans.add(0, step.ring->low[2]);
      spans.add(step.ring->high[2], g.pitch);
    } else {
      spans.add(0, g.pitch);
    }
    for (Index z = tile.z0; z < tile.z1; ++z) {
      bring_planes_closer(g, step.u, z, tile.y0, tile.y1, z == tile.z0);
      Rows3 rows{z, tile.y0, 0, forward_strip(g.z, g.z_strips, z), -1, {}};
      for (; rows.y < tile.y1; rows.y += rows.count) {
        rows.ky = forward_strip(g.y, g.y_strips, rows.y);
        rows.count = 1;
        while (rows.count < rows_per_pass3 && rows.y + rows.count < tile.y1 &&
               forward_strip(g.y, g.y_strips, rows.y + rows.count) == rows.ky) {
          ++rows.count;
        }
        look_ahead(tile, rows);
        for (int k = 0; k < spans.count; ++k) forward_rows3<R>(step, rows, spans.span[k], own);
      }
    }
    finish_streams();
    if (!step.background.any()) return;
    for (Index z = tile.z0; z < tile.z1; ++z) {
      for (Index y = tile.y0; y < tile.y1; ++y) add_background(step, z * g.plane + y * g.pitch, g.pitch);
    }
  }
};

// What all tiles of the adjoint share.
template <class T>
struct AdjointTables {
  std::vector<T> weights_z, weights_y;
  Index values_z = 0, values_y = 0;  // of LayerRows
  Index values_w = 0;                // of a pass

  AdjointTables() = default;
  AdjointTables(const WaveSetup<T>& s, const Tiles& tiles)
      : weights_z(layer_weights(s.fz, s.pz.b, s.g.nz, s.g.radius)),
        weights_y(layer_weights(s.fy, s.py.b, s.g.ny, s.g.radius)),
        values_z(LayerRows<T>::values(2 * s.g.radius + 1, tiles.rows * s.g.pitch)),
        values_y(LayerRows<T>::values(tiles.rows + 2 * s.g.radius, s.g.pitch)),
        values_w(rows_per_pass3 * s.g.pitch) {}
  Index values() const { return values_z + values_y + 2 * values_w; }
};

template <int R, class T>
struct AdjointTile {
  Step<T> step;
  const Tiles& tiles;
  const AdjointTables<T>& tables;
  T* scratch;  // (threads, tables.values())

  void operator()(Index i) const {
    const FlushDenormals flush;
    const WaveLayout& g = step.s.g;
    const Tile& tile = tiles.tiles[static_cast<std::size_t>(i)];
    T* own = scratch + omp_get_thread_num() * tables.values();
    T* w = own + tables.values_z + tables.values_y;
    const LayerWork<T> work{{own, 2 * R + 1, tiles.rows * g.pitch},
                            {own + tables.values_z, tiles.rows + 2 * R, g.pitch},
                            tables.weights_z.data(),
                            tables.weights_y.data(),
                            w,
                            w + tables.values_w,
                            tile.y0};
    Spans spans;
    if (step.back != nullptr && step.ring->core_row(tile.z0, tile.y0)) {
      spans.add(0, step.ring->low[2]);
      spans.add(step.ring->low[2], step.ring->high[2], true);
      spans.add(step.ring->high[2], g.pitch);
    } else {
      spans.add(0, g.pitch);
    }
    const Index ky = g.y_strip(tile.y0);
    for (Index z = tile.z0; z < tile.z1; ++z) {
      const Index kz = g.z_strip(z);
      bring_planes_closer(g, step.u, z, tile.y0, tile.y1, z == tile.z0);
      if (spans.count > 1) bring_planes_closer(g, step.back, z, tile.y0, tile.y1, z == tile.z0);
      for (Index r = kz >= 0 && z == g.z[kz].begin ? z - R : z + R; kz >= 0 && r <= z + R; ++r) {
        enter_plane(work.z, tile, kz, r);
      }
      if (ky >= 0) enter_strip(work.y, ky, z);
      for (Index y = tile.y0; y < tile.y1; y += rows_per_pass3) {
        Rows3 rows{z, y, std::min<Index>(rows_per_pass3, tile.y1 - y), kz, ky, {}};
        look_ahead(tile, rows);
        adjoint_rows3<R>(step, work, rows, spans);
      }
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

// Steps of a shot (wave_shots_cpu.hpp); the tiles of a step are shared by the threads of `stream`, null: by none.
template <class T>
struct TileSteps {
  static constexpr bool image_pairs = true;
  Stream* stream;
  Tiles tiles;
  AdjointTables<T> tables;
  T* scratch = nullptr;

  TileSteps(Stream& s, const WaveForward<T>& a) : TileSteps(s, a.setup) {
    scratch = room(s, rows_per_pass3 * a.setup.g.pitch);
  }
  TileSteps(Stream& s, const WaveAdjoint<T>& a) : TileSteps(s, a.setup) {
    tables = AdjointTables<T>(a.setup, tiles);
    scratch = room(s, tables.values());
  }

  void forward(const Step<T>& step) const {
    with_radius(step.s.g.radius, [&](auto r) { run(tiles.count(), ForwardTile<r, T>{step, tiles, scratch}); });
  }
  void strips(const Step<T>& step) const { forward(step); }
  void adjoint(const Step<T>& step) const {
    with_radius(step.s.g.radius, [&](auto r) { run(tiles.count(), AdjointTile<r, T>{step, tiles, tables, scratch}); });
  }
  Index threads() const { return stream != nullptr ? stream->threads() : 1; }
  template <class F>
  void run(Index n, const F& f) const {
    if (stream != nullptr) return parallel_for_coarse(*stream, n, f);
    for (Index i = 0; i < n; ++i) f(i);
  }

 private:
  TileSteps(Stream& s, const WaveSetup<T>& setup)
      : stream(setup.shots < s.threads() ? &s : nullptr), tiles(setup.g, sizeof(T)) {}
  static T* room(Stream& s, Index values) {
    return static_cast<T*>(s.scratch(s.threads() * values * static_cast<Index>(sizeof(T))));
  }
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
