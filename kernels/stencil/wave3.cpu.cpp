// SPDX-License-Identifier: MIT
// CPU schedule of the 3-D wave steps. A step is cut into tiles, some planes high and some rows wide, so that the planes
// under the stencil stay in the core's cache. Four steps run at once, tile by tile, each of them R planes and a
// tile behind the one before: it finds in the shared cache what the first has read from memory and the others have
// written. Threads take shots where there are enough of them, else the tiles of one shot, each those of its own rows,
// for threads need not share a cache. Cells do not depend on the tiles, so the bits do not depend on the threads.
#include <omp.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"
#include "kernels/stencil/denormals_cpu.hpp"
#include "kernels/stencil/wave3_rows_cpu.hpp"
#include "kernels/stencil/wave_shots_cpu.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

constexpr Index tile_bytes = Index{200} << 10;  // of the planes of one field under the stencil
constexpr Index tile_planes = 16;
constexpr int steps_together = 4;  // six and eight are slower

// [0, n) cut at the ends of the strips and into pieces of at most `most` cells, between the strips a multiple of
// `threads` pieces if they do not get too small; whole: the strips stay whole.
std::vector<Index> cut_axis(Index n, const WaveStrip* strips, Index count, Index most, bool whole, Index threads) {
  std::vector<Index> cuts{0};
  const auto pieces = [&](Index end, Index longest) {
    const Index begin = cuts.back(), least = (end - begin + longest - 1) / longest;
    const Index multiple = (least + threads - 1) / threads * threads;
    const Index number = multiple * 2 <= least * 3 ? multiple : least;
    for (Index k = 1; k <= number; ++k) cuts.push_back(begin + (end - begin) * k / number);
  };
  for (Index k = 0; k < count; ++k) {
    pieces(strips[k].begin, most);
    pieces(strips[k].end, whole ? n : most);
  }
  pieces(n, most);
  return cuts;
}

// Tiles of a step, slab by slab: cell (z, y) of a table of z.size() - 1 times y.size() - 1.
struct Tiles {
  std::vector<Index> z, y;
  std::vector<Index> owner;                         // of a column: the thread that has it in every step, if not late
  std::vector<std::pair<Index, Index>> neighbours;  // of a column: first and last of those within R rows of it
  Index radius = 0, rows = 0;                       // rows: of the widest tile

  Tiles(const WaveLayout& g, Index scalar_bytes, Index threads) : radius(g.radius) {
    const Index in_cache = tile_bytes / ((2 * g.radius + 1) * g.pitch * scalar_bytes) - 2 * g.radius;
    z = cut_axis(g.nz, g.z, g.z_strips, tile_planes, false, 1);
    y = cut_axis(g.ny, g.y, g.y_strips, std::max<Index>(8, in_cache), true, threads);
    std::vector<Index> cost{0};  // of the columns before
    for (Index j = 0; j < columns(); ++j) {
      const Index width = at(y, j + 1) - at(y, j);
      rows = std::max(rows, width);
      cost.push_back(cost.back() + width * (g.y_strip(at(y, j)) >= 0 ? 3 : 2));  // a layer: half as much again
      neighbours.push_back(around(j));
    }
    for (Index j = 0; j < columns(); ++j)
      owner.push_back((at(cost, j) + at(cost, j + 1)) * threads / (2 * cost.back()));
  }
  Index slabs() const { return static_cast<Index>(z.size()) - 1; }
  Index columns() const { return static_cast<Index>(y.size()) - 1; }
  Index count() const { return slabs() * columns(); }

  // Tile i of a step. Every step stays R planes behind the one before, so that the tiles of that one which it needs are
  // those of the same slab and of slabs before.
  CellRange tile(Index step, Index i) const {
    const Index slab = i / columns(), column = i % columns();
    return {plane(step, slab), plane(step, slab + 1), at(y, column), at(y, column + 1)};
  }
  // First slab of the step before that a tile sees.
  Index first_seen(Index step, const CellRange& tile) const {
    Index slab = 0;
    while (plane(step - 1, slab + 1) <= tile.z0 - radius) ++slab;
    return slab;
  }

 private:
  // Where slab k of a step begins.
  Index plane(Index step, Index k) const {
    return k == slabs() ? at(z, k) : std::max<Index>(0, at(z, k) - step * radius);
  }
  static Index at(const std::vector<Index>& v, Index i) { return v[static_cast<std::size_t>(i)]; }
  std::pair<Index, Index> around(Index column) const {
    Index first = column, last = column;
    while (first > 0 && at(y, first) > at(y, column) - radius) --first;
    while (last + 1 < columns() && at(y, last + 1) < at(y, column + 1) + radius) ++last;
    return {first, last};
  }
};

// Runs the tiles of some steps, f(step, tile), and finish(step, tile) after each. A tile waits for those of the step
// before that its stencil reaches; none of the others reads what it overwrites. A tile also waits for the one above it,
// from which the adjoint takes rows over. Each comes in one fixed order after those it waits for.
template <class F, class Finish>
class StepQueue {
 public:
  StepQueue(const Tiles& tiles, Index steps, const F& f, const Finish& finish)
      : tiles_(tiles),
        f_(f),
        finish_(finish),
        state_(new std::atomic<int>[static_cast<std::size_t>(steps * count_)]()) {
    std::vector<Index> next(static_cast<std::size_t>(steps));  // tile of each step
    while (next.back() < count_) {
      if (next.front() < count_) order_.push_back({0, next.front()++});
      for (Index step = 1; step < steps; ++step) {
        Index& tile = next[static_cast<std::size_t>(step)];
        const Index before = next[static_cast<std::size_t>(step - 1)];
        // One tile more than needed lies between, so that nobody waits for the one that has just begun.
        while (tile < count_ && (before == count_ || last_needed(tile) < before - 1)) order_.push_back({step, tile++});
      }
    }
  }

  // A thread takes the next tile of its own columns; while that has to wait, the first one that anybody may take: other
  // threads may be late, or may not exist.
  void work(Index thread) {
    std::size_t own = 0, any = 0;
    int tries = 0;
    for (;;) {
      while (own < order_.size() && (owner(order_[own]) != thread || taken(order_[own]))) ++own;
      while (any < order_.size() && taken(order_[any])) ++any;
      if (any == order_.size()) return;
      if (own < order_.size() && run(order_[own])) {
        tries = 0;
      } else if (++tries > patience) {
        if (run(order_[any])) {
          tries = 0;
        } else {
          std::this_thread::yield();
        }
      }
    }
  }

 private:
  struct Task {
    Index step, tile;
  };
  enum State { waiting, begun, done };
  static constexpr int patience = 5000;  // questions, about the time of a tile

  Index owner(const Task& task) const { return tiles_.owner[static_cast<std::size_t>(task.tile % columns_)]; }
  std::atomic<int>& state(Index step, Index i) { return state_[static_cast<std::size_t>(step * count_ + i)]; }
  bool taken(const Task& task) { return state(task.step, task.tile).load(std::memory_order_relaxed) != waiting; }
  bool is_done(Index step, Index i) { return state(step, i).load(std::memory_order_acquire) == done; }

  // False: not yet, or somebody else has it.
  bool run(const Task& task) {
    const CellRange tile = tiles_.tile(task.step, task.tile);
    const bool empty = tile.z0 >= tile.z1;
    if (!empty && !ready(task, tile)) return false;
    int expected = waiting;
    std::atomic<int>& mine = state(task.step, task.tile);
    if (!mine.compare_exchange_strong(expected, begun, std::memory_order_acq_rel)) return false;
    if (!empty) {
      f_(task.step, tile);
      finish_(task.step, tile);
    }
    mine.store(done, std::memory_order_release);
    return true;
  }
  const std::pair<Index, Index>& neighbours(Index tile) const {
    return tiles_.neighbours[static_cast<std::size_t>(tile % columns_)];
  }
  Index last_needed(Index tile) const { return tile - tile % columns_ + neighbours(tile).second; }
  bool ready(const Task& task, const CellRange& tile) {
    if (task.tile >= columns_ && !is_done(task.step, task.tile - columns_)) return false;
    if (task.step == 0) return true;
    const auto [first, last] = neighbours(task.tile);
    for (Index slab = tiles_.first_seen(task.step, tile); slab <= task.tile / columns_; ++slab) {
      for (Index column = first; column <= last; ++column) {
        if (!is_done(task.step - 1, slab * columns_ + column)) return false;
      }
    }
    return true;
  }

  const Tiles& tiles_;
  const F& f_;
  const Finish& finish_;
  const Index columns_ = tiles_.columns(), count_ = tiles_.count();
  std::vector<Task> order_;
  std::unique_ptr<std::atomic<int>[]> state_;  // (steps, tiles)
};

constexpr Index rows_ahead = 4;  // what a later pass reads first is fetched that early

inline void look_ahead(const CellRange& tile, Rows3& rows) {
  const Index later = rows.y + rows_ahead, height = tile.y1 - tile.y0;
  rows.ahead = later < tile.y1 ? Ahead{0, rows_ahead}
                               : Ahead{rows.planes, std::max<Index>(rows_ahead - height, tile.y0 - rows.y)};
}

inline Index forward_of_team(const WaveLayout& g) { return steps_together * phi_before_z(g); }
inline Index forward_of_thread(const WaveLayout& g) { return pass_values(g) + phi_before_y(g); }

template <int R, class T>
struct ForwardTile {
  const Step<T>* steps;
  T *of_team, *of_thread;  // (teams, forward_of_team), (threads, forward_of_thread)
  bool alone;              // a thread is a team of its own

  void operator()(Index i, const CellRange& tile) const {
    const FlushDenormals flush;
    const Step<T>& step = steps[i];
    const WaveLayout& g = step.s.g;
    const Index thread = omp_get_thread_num();
    T* own = of_thread + thread * forward_of_thread(g);
    const PhiBefore<T> before{of_team + (alone ? thread : 0) * forward_of_team(g) + i * phi_before_z(g),
                              own + pass_values(g)};
    Rows3 rows{tile.z0, 0, 0, 0, -1, -1, {}};
    for (; rows.z < tile.z1; rows.z += rows.planes) {
      const Index z_end = std::min(whole_end(g.z, g.z_strips, rows.z, tile.z1), rows.z + planes_per_pass3);
      rows.planes = passed_together(g.z, g.z_strips, rows.z, z_end, rows.kz);
      Spans spans;  // with step.ring, the core is left out
      if (step.ring != nullptr && step.ring->core_row(rows.z, tile.y0)) {
        spans.add(0, step.ring->low[2]);
        spans.add(step.ring->high[2], g.pitch);
      } else {
        spans.add(0, g.pitch);
      }
      bring_planes_closer(g, step.u, rows.z, rows.planes, tile.y0, tile.y1, rows.z == tile.z0);
      if (rows.kz >= 0 && rows.z == g.z[rows.kz].inner) enter_strip_z(g, tile, before.z);
      // A strip along y is one tile.
      if (g.y_strip(tile.y0) >= 0) std::fill_n(before.y, phi_before_y(g), T(0));
      for (rows.y = tile.y0; rows.y < tile.y1; rows.y += rows.rows) {
        rows.rows = passed_together(g.y, g.y_strips, rows.y, std::min(tile.y1, rows.y + rows_per_pass3), rows.ky);
        look_ahead(tile, rows);
        for (int k = 0; k < spans.count; ++k) forward_rows3<R>(step, rows, spans.span[k], before, own);
      }
    }
    finish_streams();
    if (!step.background.any()) return;
    for (Index z = tile.z0; z < tile.z1; ++z) {
      for (Index y = tile.y0; y < tile.y1; ++y) add_background(step, z * g.plane + y * g.pitch, g.pitch);
    }
  }

 private:
  // Before a strip phi is zero.
  static void enter_strip_z(const WaveLayout& g, const CellRange& tile, T* before) {
    for (Index k = 0; k < g.radius; ++k) {
      std::fill_n(before + k * g.plane + tile.y0 * g.pitch, (tile.y1 - tile.y0) * g.pitch, T(0));
    }
  }
};

template <int R>
inline constexpr Index slots_z = 2 * R + planes_per_pass3;  // planes of t and Y that a pass sees

// What all tiles of the adjoint share.
template <class T>
struct AdjointTables {
  std::vector<T> weights_z, weights_y;
  Index values_z = 0;                // of LayerRows of all tiles of a slab, which the next slab takes over; of a step
  Index values_y = 0, values_w = 0;  // of LayerRows of a plane, of a pass; of every thread

  AdjointTables() = default;
  AdjointTables(const WaveSetup<T>& s, const Tiles& tiles)
      : weights_z(layer_weights(s.fz, s.pz.b, s.g.nz, s.g.radius)),
        weights_y(layer_weights(s.fy, s.py.b, s.g.ny, s.g.radius)),
        values_z(LayerRows<T>::values(2 * s.g.radius + planes_per_pass3, s.g.ny * s.g.pitch)),
        values_y(LayerRows<T>::values(tiles.rows + 2 * s.g.radius, s.g.pitch)),
        values_w(pass_values(s.g)) {}
  Index of_team() const { return steps_together * values_z; }
  Index of_thread() const { return planes_per_pass3 * values_y + 2 * values_w; }
};

template <int R, class T>
struct AdjointTile {
  const Step<T>* steps;
  const Tiles& tiles;
  const AdjointTables<T>& tables;
  T *of_team, *of_thread;  // (teams, tables.of_team()), (threads, tables.of_thread())
  bool alone;              // a thread is a team of its own

  void operator()(Index i, const CellRange& tile) const {
    const FlushDenormals flush;
    const Step<T>& step = steps[i];
    const WaveLayout& g = step.s.g;
    const Index thread = omp_get_thread_num();
    T* layer = of_team + (alone ? thread : 0) * tables.of_team() + i * tables.values_z +
               LayerRows<T>::values(slots_z<R>, tile.y0 * g.pitch);
    T* own = of_thread + thread * tables.of_thread();
    T* w = own + planes_per_pass3 * tables.values_y;
    LayerWork<T> work{{layer, slots_z<R>, (tile.y1 - tile.y0) * g.pitch},
                      {},
                      tables.weights_z.data(),
                      tables.weights_y.data(),
                      w,
                      w + tables.values_w,
                      tile.y0};
    for (Index k = 0; k < planes_per_pass3; ++k) {
      work.y[k] = {own + k * tables.values_y, tiles.rows + 2 * R, g.pitch};
    }
    const Index ky = g.y_strip(tile.y0);
    Index planes = 0;
    for (Index z = tile.z0; z < tile.z1; z += planes) {
      const Index kz = g.z_strip(z);
      planes = std::min<Index>(planes_per_pass3, whole_end(g.z, g.z_strips, z, tile.z1) - z);
      Spans spans;
      if (step.back != nullptr && step.ring->core_row(z, tile.y0)) {
        spans.add(0, step.ring->low[2]);
        spans.add(step.ring->low[2], step.ring->high[2], true);
        spans.add(step.ring->high[2], g.pitch);
      } else {
        spans.add(0, g.pitch);
      }
      bring_planes_closer(g, step.u, z, planes, tile.y0, tile.y1, z == tile.z0);
      if (spans.count > 1) bring_planes_closer(g, step.back, z, planes, tile.y0, tile.y1, z == tile.z0);
      for (Index k = kz >= 0 && z == g.z[kz].begin ? z - R : z + R; kz >= 0 && k < z + R + planes; ++k) {
        enter_plane(step, work.z, tile, kz, k);
      }
      for (Index k = 0; ky >= 0 && k < planes; ++k) enter_strip(step, work.y[k], ky, z + k);
      for (Index y = tile.y0; y < tile.y1; y += rows_per_pass3) {
        Rows3 rows{z, planes, y, std::min<Index>(rows_per_pass3, tile.y1 - y), kz, ky, {}};
        look_ahead(tile, rows);
        adjoint_rows3<R>(step, work, rows, spans);
      }
    }
  }

 private:
  // Plane z of the tile.
  static void enter_plane(const Step<T>& step, const LayerRows<T>& rows, const CellRange& tile, Index k, Index z) {
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
  static void enter_strip(const Step<T>& step, const LayerRows<T>& rows, Index k, Index z) {
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
  static constexpr int steps_at_once = steps_together;
  Stream* stream;
  Tiles tiles;
  AdjointTables<T> tables;
  T *of_team = nullptr, *of_thread = nullptr;

  TileSteps(Stream& s, const WaveForward<T>& a) : TileSteps(s, a.setup) {
    take_room(s, forward_of_team(a.setup.g), forward_of_thread(a.setup.g));
  }
  TileSteps(Stream& s, const WaveAdjoint<T>& a) : TileSteps(s, a.setup) {
    tables = AdjointTables<T>(a.setup, tiles);
    take_room(s, tables.of_team(), tables.of_thread());
  }

  template <class F>
  void forward(const Step<T>* steps, Index count, const F& finish) const {
    with_radius(steps->s.g.radius, [&](auto r) {
      work_off(count, ForwardTile<r, T>{steps, of_team, of_thread, stream == nullptr}, finish);
    });
  }
  void strips(const Step<T>& step) const {
    forward(&step, 1, [](Index, const CellRange&) {});
  }
  template <class F>
  void adjoint(const Step<T>* steps, Index count, const F& finish) const {
    with_radius(steps->s.g.radius, [&](auto r) {
      work_off(count, AdjointTile<r, T>{steps, tiles, tables, of_team, of_thread, stream == nullptr}, finish);
    });
  }
  Index threads() const { return stream != nullptr ? stream->threads() : 1; }
  template <class F>
  void run(Index n, const F& f) const {
    if (stream != nullptr) return parallel_for_coarse(*stream, n, f);
    for (Index i = 0; i < n; ++i) f(i);
  }

 private:
  TileSteps(Stream& s, const WaveSetup<T>& setup)
      : stream(setup.shots < s.threads() ? &s : nullptr), tiles(setup.g, sizeof(T), threads()) {}
  template <class TileOfStep, class F>
  void work_off(Index steps, const TileOfStep& tile, const F& finish) const {
    StepQueue<TileOfStep, F> queue(tiles, steps, tile, finish);
    run(threads(), [&](Index) { queue.work(stream != nullptr ? omp_get_thread_num() : 0); });
  }
  // Values of each team and thread.
  void take_room(Stream& s, Index team, Index thread) {
    const Index all = (stream != nullptr ? 1 : s.threads()) * team;
    of_team = static_cast<T*>(s.scratch((all + s.threads() * thread) * static_cast<Index>(sizeof(T))));
    of_thread = of_team + all;
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
