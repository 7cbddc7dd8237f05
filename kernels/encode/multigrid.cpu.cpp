// SPDX-License-Identifier: MIT
// CPU schedule of the multi-resolution grid: tiles of points, level by level; corners are found by vectors over the
// points, features are fetched point by point. The gradient of the table is summed in private tables of fixed chunks
// of points, and directly where a table is so large that chunks would not pay; tasks then take groups of levels.
#include "kernels/encode/multigrid.hpp"

#include <algorithm>

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

constexpr Index tile = 64;                        // points
constexpr Index task_points = 1024;               // of the modes without a sum over points
constexpr Index max_chunks = 32;                  // private tables
constexpr Index private_bytes = Index{64} << 20;  // at most this much for them
constexpr Index min_tasks = 16;

// Corners of the points of a tile in one level.
template <class T, int D>
struct Corners {
  T zeta[D][tile];
  std::uint32_t k[D][tile];
  T w[D][tile], dw[D][tile];
  std::uint32_t entry[1 << D][tile];  // within the level
  T weight[1 << D][tile];

  void load(const T* x, Index rows) {
    for (int a = 0; a < D; ++a) {
      for (Index p = 0; p < rows; ++p) zeta[a][p] = x[p * D + a];
      for (Index p = rows; p < tile; ++p) zeta[a][p] = T(0);
    }
  }
  // Of all points, so that the loops have a fixed length.
  void find(const MultigridShape& shape, const MultigridLevel& level) {
    for (int a = 0; a < D; ++a) {
      for (Index p = 0; p < tile; ++p) multigrid_axis(shape, level, a, zeta[a][p], k[a][p], w[a][p], dw[a][p]);
    }
    for (int c = 0; c < 1 << D; ++c) {
      for (Index p = 0; p < tile; ++p) {
        std::uint32_t kp[D];
        for (int a = 0; a < D; ++a) kp[a] = k[a][p];
        entry[c][p] = multigrid_entry<D>(level, kp, c);
      }
    }
    weights();
  }
  void weights() {
    for (int c = 0; c < 1 << D; ++c) {
      for (Index p = 0; p < tile; ++p) {
        T wp[D];
        for (int a = 0; a < D; ++a) wp[a] = w[a][p];
        weight[c][p] = multigrid_weight<D>(wp, c);
      }
    }
  }
  void slopes(int axis, T (&slope)[1 << D][tile]) const {
    for (int c = 0; c < 1 << D; ++c) {
      for (Index p = 0; p < tile; ++p) {
        T wp[D], dp[D];
        for (int a = 0; a < D; ++a) {
          wp[a] = w[a][p];
          dp[a] = dw[a][p];
        }
        slope[c][p] = multigrid_slope<D>(wp, dp, c, axis);
      }
    }
  }
};

// y[p, 0..F) (+)= sum_c weight[c][p] table[entry[c][p]]
template <int F, bool add, int C, class T>
void fetch(const T* table, Index rows, const std::uint32_t (&entry)[C][tile], const T (&weight)[C][tile], T* y,
           Index y_row) {
  for (Index p = 0; p < rows; ++p) {
    T sum[F];
    for (int f = 0; f < F; ++f) sum[f] = add ? y[p * y_row + f] : T(0);
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) {
      const T* v = table + static_cast<Index>(entry[c][p]) * F;
      for (int f = 0; f < F; ++f) sum[f] += weight[c][p] * v[f];
    }
    for (int f = 0; f < F; ++f) y[p * y_row + f] = sum[f];
  }
}

// table[entry[c][p]] += weight[c][p] d_y[p], points in order
template <int F, int C, class T>
void scatter(T* table, Index rows, const std::uint32_t (&entry)[C][tile], const T (&weight)[C][tile], const T* d_y,
             Index y_row) {
  for (Index p = 0; p < rows; ++p) {
    T g[F];
    for (int f = 0; f < F; ++f) g[f] = d_y[p * y_row + f];
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) {
      T* v = table + static_cast<Index>(entry[c][p]) * F;
      for (int f = 0; f < F; ++f) v[f] += weight[c][p] * g[f];
    }
  }
}

// d_x[p, axis] += sum_c slope[c][p] (table[entry[c][p]] . d_y[p])
template <int F, int C, class T>
void gather_slope(const T* table, Index rows, const std::uint32_t (&entry)[C][tile], const T (&slope)[C][tile],
                  const T* d_y, Index y_row, T* d_x, Index x_row) {
  for (Index p = 0; p < rows; ++p) {
    T sum = T(0);
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) {
      const T* v = table + static_cast<Index>(entry[c][p]) * F;
      T dot = T(0);
      for (int f = 0; f < F; ++f) dot += v[f] * d_y[p * y_row + f];
      sum += slope[c][p] * dot;
    }
    d_x[p * x_row] += sum;
  }
}

// Calls run.template operator()<D, F>() for the sizes of the shape.
template <int D, int F, class Run>
void visit_features(int features, const Run& run) {
  if constexpr (F <= multigrid_max_features) {
    if (features == F) return run.template operator()<D, F>();
    visit_features<D, 2 * F>(features, run);
  }
}
template <class Run>
void visit_sizes(const MultigridShape& shape, const Run& run) {
  if (shape.d == 1) return visit_features<1, 1>(shape.features, run);
  if (shape.d == 2) return visit_features<2, 1>(shape.features, run);
  visit_features<3, 1>(shape.features, run);
}

// --- forward ---------------------------------------------------------------------------------------------------------
template <class T>
struct ForwardTask {
  const MultigridForward<T>* f;
  Index task;
  template <int D, int F>
  void operator()() const {
    const MultigridShape& shape = f->shape;
    const Index n_out = shape.n_out(), end = std::min(f->n, (task + 1) * task_points);
    Corners<T, D> at;
    for (Index first = task * task_points; first < end; first += tile) {
      const Index rows = std::min(tile, end - first);
      at.load(f->x + first * D, rows);
      for (int l = 0; l < shape.levels; ++l) {
        at.find(shape, shape.level[l]);
        fetch<F, false>(f->table + shape.level[l].offset * F, rows, at.entry, at.weight, f->y + first * n_out + l * F,
                        n_out);
      }
    }
  }
};

// --- jvp -------------------------------------------------------------------------------------------------------------
template <class T>
struct JvpTask {
  const MultigridJvp<T>* f;
  Index task;
  template <int D, int F>
  void operator()() const {
    const MultigridShape& shape = f->shape;
    const Index n_out = shape.n_out(), end = std::min(f->n, (task + 1) * task_points);
    Corners<T, D> at;
    T slope[1 << D][tile], along[1 << D][tile];
    for (Index first = task * task_points; first < end; first += tile) {
      const Index rows = std::min(tile, end - first);
      at.load(f->x + first * D, rows);
      for (int l = 0; l < shape.levels; ++l) {
        const Index offset = shape.level[l].offset * F;
        T* t_y = f->t_y + first * n_out + l * F;
        at.find(shape, shape.level[l]);
        if (f->t_table != nullptr) fetch<F, false>(f->t_table + offset, rows, at.entry, at.weight, t_y, n_out);
        if (f->t_x == nullptr) continue;
        for (auto& row : along) std::fill_n(row, tile, T(0));
        for (int a = 0; a < D; ++a) {
          at.slopes(a, slope);
          for (int c = 0; c < 1 << D; ++c) {
            for (Index p = 0; p < rows; ++p) along[c][p] += slope[c][p] * f->t_x[(first + p) * D + a];
          }
        }
        if (f->t_table != nullptr) {
          fetch<F, true>(f->table + offset, rows, at.entry, along, t_y, n_out);
        } else {
          fetch<F, false>(f->table + offset, rows, at.entry, along, t_y, n_out);
        }
      }
    }
  }
};

// --- vjp -------------------------------------------------------------------------------------------------------------
template <class T>
struct PositionTask {
  const MultigridVjp<T>* f;
  Index task;
  template <int D, int F>
  void operator()() const {
    const MultigridShape& shape = f->shape;
    const Index n_out = shape.n_out(), end = std::min(f->n, (task + 1) * task_points);
    Corners<T, D> at;
    T slope[1 << D][tile];
    for (Index first = task * task_points; first < end; first += tile) {
      const Index rows = std::min(tile, end - first);
      at.load(f->x + first * D, rows);
      for (int l = 0; l < shape.levels; ++l) {
        at.find(shape, shape.level[l]);
        for (int a = 0; a < D; ++a) {
          at.slopes(a, slope);
          gather_slope<F>(f->table + shape.level[l].offset * F, rows, at.entry, slope, f->d_y + first * n_out + l * F,
                          n_out, f->d_x + first * D + a, D);
        }
      }
    }
  }
};

// How the sum over points is cut: `chunks` of points times `groups` of levels. Depends on the shapes only.
struct Plan {
  Index chunks, groups;
};
template <class T>
Plan make_plan(const MultigridShape& shape, Index n) {
  const Index tiles = (n + tile - 1) / tile, table = shape.parameters();
  // Adding up the private tables stays well below the work of filling them.
  const Index worthwhile = n * shape.n_out() * (Index{1} << shape.d) / (8 * table);
  const Index room = private_bytes / (table * static_cast<Index>(sizeof(T)));
  Plan plan;
  plan.chunks = std::max<Index>(1, std::min({max_chunks, tiles, worthwhile, room}));
  plan.groups = std::min<Index>(shape.levels, (min_tasks + plan.chunks - 1) / plan.chunks);
  return plan;
}

template <class T>
struct TableTask {
  const MultigridVjp<T>* f;
  Plan plan;
  T* tables;  // (chunks, parameters); with one chunk d_table itself
  Index task;
  template <int D, int F>
  void operator()() const {
    const MultigridShape& shape = f->shape;
    const Index chunk = task / plan.groups, group = task % plan.groups, n_out = shape.n_out();
    const Index tiles = (f->n + tile - 1) / tile, last_tile = tiles * (chunk + 1) / plan.chunks;
    const auto level_at = [&](Index g) { return static_cast<int>(shape.levels * g / plan.groups); };
    const int begin = level_at(group), end = level_at(group + 1);
    T* table = tables + chunk * shape.parameters();
    if (plan.chunks > 1) {
      const Index from = shape.level[begin].offset, to = shape.level[end - 1].offset + shape.level[end - 1].entries;
      std::fill(table + from * F, table + to * F, T(0));
    }
    Corners<T, D> at;
    for (Index t = tiles * chunk / plan.chunks; t < last_tile; ++t) {
      const Index first = t * tile, rows = std::min(tile, f->n - first);
      at.load(f->x + first * D, rows);
      for (int l = begin; l < end; ++l) {
        at.find(shape, shape.level[l]);
        scatter<F>(table + shape.level[l].offset * F, rows, at.entry, at.weight, f->d_y + first * n_out + l * F, n_out);
      }
    }
  }
};

template <class Task>
struct RunTask {
  Task task;
  const MultigridShape* shape;
  void operator()(Index i) const {
    Task t = task;
    t.task = i;
    visit_sizes(*shape, t);
  }
};

template <class T>
struct SumTables {
  const T* tables;
  Index size, chunks;
  T* d_table;
  void operator()(Index i) const {
    T sum = T(0);
    for (Index c = 0; c < chunks; ++c) sum += tables[c * size + i];
    d_table[i] += sum;
  }
};

template <class Task, class F>
void for_points(Stream& s, const F& f, const Task& task) {
  parallel_for_coarse(s, (f.n + task_points - 1) / task_points, RunTask<Task>{task, &f.shape});
}

}  // namespace

template <class T>
void multigrid_forward(Stream& s, const MultigridForward<T>& f) {
  for_points(s, f, ForwardTask<T>{&f, 0});
}
TERRANE_INSTANTIATE(multigrid_forward, MultigridForward)

template <class T>
void multigrid_jvp(Stream& s, const MultigridJvp<T>& f) {
  if (f.t_table == nullptr && f.t_x == nullptr) {
    std::fill_n(f.t_y, f.n * f.shape.n_out(), T(0));
  } else {
    for_points(s, f, JvpTask<T>{&f, 0});
  }
}
TERRANE_INSTANTIATE(multigrid_jvp, MultigridJvp)

template <class T>
void multigrid_vjp(Stream& s, const MultigridVjp<T>& f) {
  if (f.n == 0) return;
  if (f.d_x != nullptr) for_points(s, f, PositionTask<T>{&f, 0});
  if (f.d_table == nullptr) return;
  const Plan plan = make_plan<T>(f.shape, f.n);
  const Index size = f.shape.parameters();
  T* tables = f.d_table;
  if (plan.chunks > 1) tables = static_cast<T*>(s.scratch(plan.chunks * size * static_cast<Index>(sizeof(T))));
  parallel_for_coarse(s, plan.chunks * plan.groups, RunTask<TableTask<T>>{{&f, plan, tables, 0}, &f.shape});
  if (plan.chunks > 1) parallel_for(s, size, SumTables<T>{tables, size, plan.chunks, f.d_table});
}
TERRANE_INSTANTIATE(multigrid_vjp, MultigridVjp)

namespace {

template <class T>
struct LinksTask {
  const MultigridLinks<T>* f;
  Index task;
  template <int D, int F>
  void operator()() const {
    const Index end = std::min(f->n, (task + 1) * task_points);
    Corners<T, D> at;
    for (Index first = task * task_points; first < end; first += tile) {
      const Index rows = std::min(tile, end - first);
      at.load(f->x + first * D, rows);
      at.find(f->shape, f->shape.level[f->level]);
      for (Index p = 0; p < rows; ++p) {
        for (Index c = 0; c < 1 << D; ++c) {
          f->entry[((first + p) << D) + c] = static_cast<Index>(at.entry[c][p]);
          f->weight[((first + p) << D) + c] = at.weight[c][p];
        }
      }
    }
  }
};

}  // namespace

template <class T>
void multigrid_links(Stream& s, const MultigridLinks<T>& f) {
  for_points(s, f, LinksTask<T>{&f, 0});
}
TERRANE_INSTANTIATE(multigrid_links, MultigridLinks)

}  // namespace terrane::TERRANE_BACKEND
