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

  Tiles(const WaveLayout3& g, Index scalar_bytes) {
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

template <int R, bool Keep, class T>
void forward_rows(const Step3<T>& step, const Rows3& rows, const RowPart& part) {
  const bool x = part.strip >= 0;
  if (rows.kz >= 0 && rows.ky >= 0) {
    x ? forward_layer3<R, true, true, true, Keep>(step, rows, part)
      : forward_layer3<R, true, true, false, Keep>(step, rows, part);
  } else if (rows.kz >= 0) {
    x ? forward_layer3<R, true, false, true, Keep>(step, rows, part)
      : forward_layer3<R, true, false, false, Keep>(step, rows, part);
  } else if (rows.ky >= 0) {
    x ? forward_layer3<R, false, true, true, Keep>(step, rows, part)
      : forward_layer3<R, false, true, false, Keep>(step, rows, part);
  } else {
    x ? forward_layer3<R, false, false, true, Keep>(step, rows, part)
      : interior_rows3<R, Keep, false>(step, rows, part);
  }
}

// Adds the tangent's source term m w_0 to one row of the field.
template <class T>
void add_background(const Step3<T>& step, const T* m, T scale, Index at) {
  const T *c = step.s.c + at, *background = step.background + at;
  T* next = step.next + at;
  m += at;
#pragma GCC ivdep
  for (Index i = 0; i < step.s.g.pitch; ++i) next[i] = mul_add(c[i] * m[i], scale * background[i], next[i]);
}

template <int R, class T>
struct ForwardTile {
  Step3<T> step;
  const T* tangent;
  T scale;
  const Tiles& tiles;
  const RowParts& parts;

  void operator()(Index i) const {
    const FlushDenormals flush;
    const Tile& tile = tiles.tiles[static_cast<std::size_t>(i)];
    if (step.w != nullptr) {
      run<true>(tile);
    } else {
      run<false>(tile);
    }
    if (step.background == nullptr) return;
    const WaveLayout3& g = step.s.g;
    for (Index z = tile.z0; z < tile.z1; ++z) {
      for (Index y = tile.y0; y < tile.y1; ++y) add_background(step, tangent, scale, z * g.plane + y * g.pitch);
    }
  }
  template <bool Keep>
  void run(const Tile& tile) const {
    const WaveLayout3& g = step.s.g;
    for (Index z = tile.z0; z < tile.z1; ++z) {
      Rows3 rows{z, tile.y0, 0, forward_strip(g.z, g.z_strips, z), -1};
      for (; rows.y0 < tile.y1; rows.y0 = rows.y1) {
        rows.ky = forward_strip(g.y, g.y_strips, rows.y0);
        rows.y1 = rows.y0 + 1;
        while (rows.y1 < tile.y1 && forward_strip(g.y, g.y_strips, rows.y1) == rows.ky) ++rows.y1;
        for (int p = 0; p < parts.count; ++p) forward_rows<R, Keep>(step, rows, parts.part[p]);
      }
    }
    if constexpr (Keep) finish_streams();
  }
};

template <int R, bool Image, class T>
void adjoint_rows(const Step3<T>& step, const LayerWork<T>& work, const Rows3& rows, const RowPart& part) {
  const bool x = part.strip >= 0;
  if (rows.kz >= 0 && rows.ky >= 0) {
    x ? adjoint_layer3<R, true, true, true, Image>(step, work, rows, part)
      : adjoint_layer3<R, true, true, false, Image>(step, work, rows, part);
  } else if (rows.kz >= 0) {
    x ? adjoint_layer3<R, true, false, true, Image>(step, work, rows, part)
      : adjoint_layer3<R, true, false, false, Image>(step, work, rows, part);
  } else if (rows.ky >= 0) {
    x ? adjoint_layer3<R, false, true, true, Image>(step, work, rows, part)
      : adjoint_layer3<R, false, true, false, Image>(step, work, rows, part);
  } else {
    x ? adjoint_layer3<R, false, false, true, Image>(step, work, rows, part)
      : interior_rows3<R, false, Image>(step, rows, part);
  }
}

// What all tiles of the adjoint share.
template <int R, class T>
struct AdjointTables {
  std::vector<T> weights_z, weights_y;
  Index values_z, values_y;  // of LayerRows

  AdjointTables(const WaveSetup3<T>& s, const Tiles& tiles)
      : weights_z(layer_weights<R>(s.fz, s.pz.b, s.g.nz)),
        weights_y(layer_weights<R>(s.fy, s.py.b, s.g.ny)),
        values_z(LayerRows<T>::values(2 * R + 1, tiles.rows * s.g.pitch)),
        values_y(LayerRows<T>::values(tiles.rows + 2 * R, s.g.pitch)) {}
  Index values() const { return values_z + values_y; }
};

template <int R, class T>
struct AdjointTile {
  Step3<T> step;
  const Tiles& tiles;
  const RowParts& parts;
  const AdjointTables<R, T>& tables;
  T* scratch;  // (threads, tables.values())

  void operator()(Index i) const {
    const FlushDenormals flush;
    const Tile& tile = tiles.tiles[static_cast<std::size_t>(i)];
    if (step.w != nullptr && step.image != nullptr) {
      run<true>(tile);
    } else {
      run<false>(tile);
    }
  }
  // Plane z of the tile.
  void enter_plane(const LayerRows<T>& rows, const Tile& tile, Index k, Index z) const {
    const WaveLayout3& g = step.s.g;
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
    const WaveLayout3& g = step.s.g;
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
  template <bool Image>
  void run(const Tile& tile) const {
    const WaveLayout3& g = step.s.g;
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
      for (int p = 0; p < parts.count; ++p) adjoint_rows<R, Image>(step, work, rows, parts.part[p]);
    }
  }
};

// Antisymmetric images above plane 0.
template <class T>
void free_surface_images(const WaveLayout3& g, T* u) {
  if (!g.free_surface) return;
  for (Index k = 1; k <= g.radius; ++k) {
    const T* below = u + k * g.plane;
    T* above = u - k * g.plane;
    for (Index x = 0; x < g.plane; ++x) above[x] = -below[x];
  }
}

template <class T>
WaveFields3<T> fields_of_shot(const WaveFields3<T>& f, const WaveLayout3& g, Index shot) {
  WaveFields3<T> one = f;
  for (int p = 0; p < 2; ++p) {
    one.u[p] += shot * g.field + g.origin;
    one.phi_z[p] += shot * g.z_field;
    one.phi_y[p] += shot * g.y_field;
    one.phi_x[p] += shot * g.x_field;
    one.eta_z[p] += shot * g.z_field;
    one.eta_y[p] += shot * g.y_field;
    one.eta_x[p] += shot * g.x_field;
  }
  return one;
}

// How the tiles of a step run: on the calling thread, or over all threads of the stream.
struct TileRunner {
  Stream* stream;  // null: on the calling thread
  template <class F>
  void operator()(Index n, const F& f) const {
    if (stream != nullptr) {
      parallel_for_coarse(*stream, n, f);
    } else {
      for (Index i = 0; i < n; ++i) f(i);
    }
  }
};

template <class T>
void inject_source(const WaveForward3<T>& a, const Step3<T>& step, Index task, Index n) {
  const WavePoints<T>& p = a.setup.sources;
  const Index shot = a.setup.shot[task];
  const T* values = a.wavelet + (a.wavelet_stride > 0 ? shot * p.per_shot * a.wavelet_stride : 0) + n;
  for (Index k = p.touch_first[shot]; k < p.touch_first[shot] + p.touch_count[shot]; ++k) {
    const T s = p.gather(k, values, a.wavelet_stride);
    const Index i = p.touch_cell[k];
    step.next[i] = mul_add(a.setup.c[i], s, step.next[i]);
    if (step.w != nullptr) step.w[i] += s;
  }
}

template <int R, class T>
struct ForwardShot3 {
  WaveForward3<T> a;
  Tiles tiles;
  TileRunner over_tiles;

  ForwardShot3(Stream&, const WaveForward3<T>& args, Stream* inner)
      : a(args), tiles(args.setup.g, sizeof(T)), over_tiles{inner} {}

  void operator()(Index task) const {
    const WaveSetup3<T>& s = a.setup;
    const WaveLayout3& g = s.g;
    const WaveFields3<T> f = fields_of_shot(a.fields, g, task);
    const RowParts parts = cut_row(g, true);
    const Index traces = s.receivers.per_shot;
    Recorder<T> record{s.receivers,
                       s.scratch + task * wave3_scratch_size(traces),
                       a.data != nullptr ? a.data + task * traces * s.nt : nullptr,
                       s.nt,
                       s.shot[task],
                       a.n0};
    for (Index n = a.n0; n < a.n1; ++n) {
      const int parity = static_cast<int>(n & 1);
      record.sample(f.u[parity], n, n + 1 == a.n1);
      if (n + 1 == s.nt) break;
      const Step3<T> step{
          s,       f,     f.u[parity], f.u[1 - parity], a.store.at(task, n, g.cells), a.background.at(task, n, g.cells),
          nullptr, parity};
      over_tiles(tiles.count(), ForwardTile<R, T>{step, a.tangent, static_cast<T>(a.background.every), tiles, parts});
      if (a.wavelet != nullptr) inject_source(a, step, task, n);
      free_surface_images(g, step.next);
    }
  }
};

template <int R, class T>
struct AdjointShot3 {
  WaveAdjoint3<T> a;
  Tiles tiles;
  AdjointTables<R, T> tables;
  TileRunner over_tiles;
  T* scratch;

  AdjointShot3(Stream& stream, const WaveAdjoint3<T>& args, Stream* inner)
      : a(args), tiles(args.setup.g, sizeof(T)), tables(args.setup, tiles), over_tiles{inner} {
    const Index values = stream.threads() * tables.values();
    scratch = static_cast<T*>(stream.scratch(values * static_cast<Index>(sizeof(T))));
  }

  void operator()(Index task) const {
    const WaveSetup3<T>& s = a.setup;
    const WaveLayout3& g = s.g;
    const WaveFields3<T> f = fields_of_shot(a.fields, g, task);
    const Index traces = s.receivers.per_shot, shot = s.shot[task];
    T* tile = s.scratch + task * wave3_scratch_size(traces);
    T* image = a.image != nullptr ? a.image + task * g.cells : nullptr;
    const RowParts parts = cut_row(g);
    Index begin = a.n1;  // first sample in the tile
    for (Index n = a.n1 - 1; n >= a.n0; --n) {
      const int parity = static_cast<int>(n & 1);
      const Step3<T> step{s, f, f.u[1 - parity], f.u[parity], a.store.at(task, n, g.cells), nullptr, image, 0};
      if (n + 1 < s.nt) over_tiles(tiles.count(), AdjointTile<R, T>{step, tiles, parts, tables, scratch});
      if (a.d_wavelet != nullptr) {
        T* out = a.d_wavelet + task * s.sources.per_shot * s.nt + n;
        for (Index l = 0; l < s.sources.per_shot; ++l) {
          const bool used = l < s.sources.count[shot] && n + 1 < s.nt;
          out[l * s.nt] = used ? s.sources.record(step.u, s.sources.first[shot] + l) : T(0);
        }
      }
      if (n < begin) {
        begin = std::max(a.n0, n + 1 - wave_tile_steps);
        read_tile(tile, traces, a.d_data + task * traces * s.nt, s.nt, begin, n + 1);
      }
      const WavePoints<T>& p = s.receivers;
      for (Index k = p.touch_first[shot]; k < p.touch_first[shot] + p.touch_count[shot]; ++k) {
        const Index i = p.touch_cell[k];
        step.next[i] = mul_add(s.c[i], p.gather(k, tile + (n - begin) * traces, Index(1)), step.next[i]);
      }
      free_surface_images(g, step.next);
    }
  }
};

template <class Shot, class Args>
void run_shots_as(Stream& stream, const Args& a) {
  const Index shots = a.setup.shots;
  const bool by_shot = shots >= stream.threads();
  const Shot shot(stream, a, by_shot ? nullptr : &stream);
  if (by_shot) return parallel_for_coarse(stream, shots, shot);
  for (Index i = 0; i < shots; ++i) shot(i);
}

template <template <int, class> class Shot, class T, class Args>
void run_shots(Stream& stream, const Args& a) {
  switch (a.setup.g.radius) {
    case 1:
      return run_shots_as<Shot<1, T>>(stream, a);
    case 2:
      return run_shots_as<Shot<2, T>>(stream, a);
    case 3:
      return run_shots_as<Shot<3, T>>(stream, a);
    default:
      return run_shots_as<Shot<4, T>>(stream, a);
  }
}

}  // namespace

template <class T>
void wave3_forward(Stream& stream, const WaveForward3<T>& a) {
  run_shots<ForwardShot3, T>(stream, a);
}
TERRANE_INSTANTIATE(wave3_forward, WaveForward3)

template <class T>
void wave3_adjoint(Stream& stream, const WaveAdjoint3<T>& a) {
  run_shots<AdjointShot3, T>(stream, a);
}
TERRANE_INSTANTIATE(wave3_adjoint, WaveAdjoint3)

}  // namespace terrane::TERRANE_BACKEND
