// SPDX-License-Identifier: MIT
// A slab of rows of a shot in the shared memory of a block: how it is cut, filled, advanced, and how its edge rows go
// to the neighbours. For wave_resident.cuda.hpp.
#pragma once

#include "kernels/stencil/wave_stream.cuda.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

// Threads of a block, at most: 168 or 255 registers each. The next step, 512, leaves 128, which are too few for
// order 4.
template <class T>
constexpr int resident_threads = sizeof(T) == 4 ? 384 : 256;
template <int R, class T>
constexpr int resident_rows = sizeof(T) == 4 ? (R <= 2 ? 4 : 2) : (R <= 2 ? 2 : 1);
template <int R, class T>
constexpr int resident_adjoint_rows = sizeof(T) == 4 && R <= 2 ? 2 : 1;
constexpr int least_slab = point_rows;                    // rows: a receiver reaches into one neighbour at most
constexpr int early_above = point_rows, early_below = 4;  // edge rows that are computed first; at least R

struct ResidentPlan {
  InnerBox box;
  int slabs = 0;   // of a shot
  int rows = 0;    // of the largest slab
  int area = 0;    // values of one field in shared memory
  int fields = 1;  // at two times each: u or q, then with a ring u of the forward run
  int threads = 0;
  bool cluster = false;
  Index shots = 0;  // of a launch

  TERRANE_HD int begin(int slab, Index nz) const { return static_cast<int>(nz * slab / slabs); }
};

template <class T>
constexpr Index resident_bytes(const WaveLayout& g, Index rows, int fields) {
  return (2 * fields * ((rows + 2 * g.radius) * g.pitch + 2 * wave_lanes) + rows * g.pitch) *
         static_cast<Index>(sizeof(T));
}

// Rows [z0, z1) of a shot in the shared memory of this block: fields at two times with R rows around, then c.
template <class T>
struct Slab {
  T* shared;
  int slab, z0, z1, radius, area, fields;
  Index pitch;
  bool above, below;  // are there neighbours

  TERRANE_HD Slab(const WaveLayout& g, const ResidentPlan& plan, T* memory, int number)
      : shared(memory),
        slab(number),
        z0(plan.begin(number, g.nz)),
        z1(plan.begin(number + 1, g.nz)),
        radius(static_cast<int>(g.radius)),
        area(plan.area),
        fields(plan.fields),
        pitch(g.pitch),
        above(number > 0),
        below(number + 1 < plan.slabs) {}
  // Cell (0, 0) of a field at time n, as if all rows were there.
  TERRANE_HD T* field(Index n, int which = 0) const {
    return shared + (2 * which + (n & 1)) * area + static_cast<int>(wave_lanes) + (radius - z0) * pitch;
  }
  TERRANE_HD const T* c() const { return shared + 2 * fields * area - z0 * pitch; }
  TERRANE_HD FieldRows<T> rows(Index n, bool free_surface, int which = 0) const {
    return {field(n, which), field(n + 1, which), pitch, free_surface && !above ? radius : 0};
  }
  // f(i, row, column) for the groups of four columns of rows [first, last).
  template <class F>
  TERRANE_HD void for_rows(int first, int last, int thread, int threads, const F& f) const {
    const int width = static_cast<int>(pitch) / 4;
    for (int i = thread; i < (last - first) * width; i += threads) f(first + i / width, i % width * 4);
  }
};

// f(place, z, x) for the cells of a frame in rows [z0, z1).
template <class F>
TERRANE_HD void for_frame_rows(const CellFrame& frame, int z0, int z1, int thread, int threads, const F& f) {
  for (int b = 0; b < frame.count; ++b) {
    const CellBox& box = frame.box[b];
    const int first = static_cast<int>(box.z > z0 ? box.z : z0), columns = static_cast<int>(box.columns);
    const int last = static_cast<int>(box.z + box.planes < z1 ? box.z + box.planes : z1);
    for (int i = thread; i < (last - first) * columns; i += threads) {
      const int z = first + i / columns, x = i % columns;
      f(box.place + (z - box.z) * columns + x, z, static_cast<int>(box.x) + x);
    }
  }
}

// A field at both times into shared memory, with the rows around; memory(n): cell (0, 0) of the field at time n.
template <class T, class Memory>
TERRANE_HD void fill_slab(const Slab<T>& slab, int which, const Memory& memory, int thread, int threads) {
  for (int p = 0; p < 2; ++p) {
    T* to = slab.field(p, which);
    const T* from = memory(p);
    slab.for_rows(slab.z0 - slab.radius, slab.z1 + slab.radius, thread, threads, [&](int z, int x) {
      store_cells<4>(to + z * slab.pitch + x, load_cells<4>(from + z * slab.pitch + x));
    });
    T* begin = slab.shared + (2 * which + p) * slab.area;
    T* end = to + (slab.z1 + slab.radius) * slab.pitch;
    for (int i = thread; i < static_cast<int>(wave_lanes); i += threads) begin[i] = end[i] = 0;
  }
}
template <class T>
TERRANE_HD void fill_c(const Slab<T>& slab, const T* c, int thread, int threads) {
  T* to = slab.shared + 2 * slab.fields * slab.area - slab.z0 * slab.pitch;
  slab.for_rows(slab.z0, slab.z1, thread, threads,
                [&](int z, int x) { store_cells<4>(to + z * slab.pitch + x, load_cells<4>(c + z * slab.pitch + x)); });
}

// The rows of both times back to memory; above a free surface with the images.
template <class T, class Memory>
TERRANE_HD void empty_slab(const Slab<T>& slab, int which, const Memory& memory, bool images, int thread, int threads) {
  const int first = images && !slab.above ? slab.z0 - slab.radius : slab.z0;
  for (int p = 0; p < 2; ++p) {
    const T* from = slab.field(p, which);
    T* to = memory(p);
    slab.for_rows(first, slab.z1, thread, threads, [&](int z, int x) {
      store_cells<4>(to + z * slab.pitch + x, load_cells<4>(from + z * slab.pitch + x));
    });
  }
}

// Touched cells of a survey shot in rows of a slab: [begin, end) of the lists.
template <class T>
struct TouchedRows {
  const WavePoints<T>& p;
  Index begin, end, pitch;
  TERRANE_HD TouchedRows(const WavePoints<T>& points, bool used, Index which, int z0, int z1, Index row)
      : p(points), begin(0), end(0), pitch(row) {
    if (!used) return;
    begin = first_touched(p, which, z0 * pitch);
    end = first_touched(p, which, z1 * pitch);
  }
  TERRANE_HD bool any() const { return begin < end; }
  template <class F>
  TERRANE_HD void for_each(int first, int last, int thread, int threads, const F& f) const {
    for (Index k = begin + thread; k < end; k += threads) {
      const int z = static_cast<int>(p.touch_cell[k] / pitch), x = static_cast<int>(p.touch_cell[k] % pitch);
      if (z >= first && z < last) f(k, z, x);
    }
  }
};

// Where values of the current field lie: this slab's shared memory, and for the rows of the slab below the field in
// device memory (flags) or the shared memory of that block (cluster).
template <class T>
struct SlabReader {
  const T* own;
  const T* next;  // at cell (0, 0), of the rows from z1 on
  int z1;
  Index pitch;
  TERRANE_HD T operator()(Index cell) const { return cell < z1 * pitch ? own[cell] : next[cell]; }
};

// out (traces, nt) at sample n for the points whose first cell is in the slab (without cells: in the first).
template <class T>
TERRANE_HD void record_slab(const WavePoints<T>& p, Index which, const Slab<T>& slab, const SlabReader<T>& read, T* out,
                            Index nt, Index n, bool active, int thread, int threads) {
  for (Index l = thread; l < p.per_shot; l += threads) {
    const bool used = l < p.count[which];
    const Index point = p.first[which] + l, begin = used ? p.start[point] : 0, end = used ? p.start[point + 1] : 0;
    const Index first = begin < end ? p.cell[begin] : 0;
    if (first < slab.z0 * slab.pitch || first >= slab.z1 * slab.pitch) continue;
    T sum = 0;
    for (Index j = begin; j < end && active; ++j) sum += p.weight[j] * read(p.cell[j]);
    out[l * nt + n] = sum;
  }
}

// Rows [first, last) of a slab one step on.
template <int R, class T>
TERRANE_HD void advance_rows(const WaveForward<T>& a, Index shot, Index n, const InnerBox& box, const Slab<T>& slab,
                             const FieldRows<T>& field, int first, int last, int thread, int threads) {
  if (first >= last) return;
  constexpr int Q = resident_rows<R, T>;
  const WaveSetup<T>& s = a.setup;
  const CellsAround around(s.g, box, first, last);
  const T* c = slab.c();
  const int width = (around.x1 - around.x0) / 4, quads = (around.z1 - around.z0 + Q - 1) / Q * (width > 0 ? width : 0);
  for (int i = thread; i < quads; i += threads) {
    const int z = around.z0 + i / width * Q, x = around.x0 + i % width * 4;
    const int rows = around.z1 - z < Q ? around.z1 - z : Q;
    Cells<T, 4> u[Q], w[Q];
    quad_laplacian<R, Q>(field.at(z, x), field.stride, rows, s.fz, s.fx, u, w);
#pragma unroll
    for (int r = 0; r < Q; ++r) {
      if (r < rows) {
        advance_cells<4>(a, shot, n, field, z + r, x, load_cells<4>(c + (z + r) * slab.pitch + x), u[r], w[r]);
      }
    }
  }
  for (int i = thread; i < around.count(); i += threads) {
    int z, x;
    around.cell(i, z, x);
    const Cells<T, 1> u{{*field.at(z, x)}}, w{{layer_forward<R>(a, shot, n, field, z, x)}};
    advance_cells<1>(a, shot, n, field, z, x, load_cells<1>(c + z * slab.pitch + x), u, w);
  }
}

// Rows [first, last) of a slab one step back. image: of this shot.
template <int R, bool Rebuild, class T>
TERRANE_HD void retreat_rows(const WaveAdjoint<T>& a, Index shot, Index n, const InnerBox& box, const Slab<T>& slab,
                             const FieldRows<T>& field, const FieldRows<T>& back, T* image, int first, int last,
                             int thread, int threads) {
  if (first >= last) return;
  constexpr int Q = resident_adjoint_rows<R, T>;
  const CellsAround around(a.setup.g, box, first, last);
  const T* c = slab.c();
  const int width = (around.x1 - around.x0) / 4, quads = (around.z1 - around.z0 + Q - 1) / Q * (width > 0 ? width : 0);
  for (int i = thread; i < quads; i += threads) {
    const int z = around.z0 + i / width * Q, x = around.x0 + i % width * 4;
    const int rows = around.z1 - z < Q ? around.z1 - z : Q;
    Cells<T, 4> here[Q], sum[Q] = {};
    load_rows<Q>(c, slab.pitch, z, x, rows, here);
    adjoint_quad<R, Q, Rebuild>(a, shot, n, field, back, z, x, rows, here, sum);
    if (image != nullptr) add_rows<Q>(image, slab.pitch, z, x, rows, sum);
  }
  for (int i = thread; i < around.count(); i += threads) {
    int z, x;
    around.cell(i, z, x);
    const Index cell = z * slab.pitch + x;
    const T sum = adjoint_cell<R>(a, shot, n, field, z, x, c[cell]);
    if (image != nullptr) image[cell] += sum;
  }
}

// Edge rows [z0, z0 + R) and [z1 - R, z1): what the neighbours read. To the field in memory.
template <class T>
TERRANE_HD void publish_rows(const Slab<T>& slab, const T* from, T* to, int thread, int threads) {
  const auto copy = [&](int z, int x) {
    store_cells<4>(to + z * slab.pitch + x, load_cells<4>(from + z * slab.pitch + x));
  };
  if (slab.above) slab.for_rows(slab.z0, slab.z0 + slab.radius, thread, threads, copy);
  if (slab.below) slab.for_rows(slab.z1 - slab.radius, slab.z1, thread, threads, copy);
}
// Cells of the upper rows that a receiver of the slab above may read.
template <class T>
TERRANE_HD void publish_touched(const Slab<T>& slab, const T* from, T* to, const TouchedRows<T>& read, int thread,
                                int threads) {
  if (!slab.above) return;
  read.for_each(slab.z0, slab.z0 + early_above, thread, threads,
                [&](Index, int z, int x) { to[z * slab.pitch + x] = from[z * slab.pitch + x]; });
}

// R rows of each neighbour out of the field in memory.
template <class T>
TERRANE_HD void fetch_rows(const Slab<T>& slab, const T* from, T* to, int thread, int threads) {
  const auto copy = [&](int z, int x) {
    store_cells<4>(to + z * slab.pitch + x, load_cells<4>(from + z * slab.pitch + x));
  };
  if (slab.above) slab.for_rows(slab.z0 - slab.radius, slab.z0, thread, threads, copy);
  if (slab.below) slab.for_rows(slab.z1, slab.z1 + slab.radius, thread, threads, copy);
}

// A field of the slab `other` at time n in the shared memory of its block, at cell (0, 0).
template <class T>
__device__ __forceinline__ T* peer_field(const Slab<T>& slab, const ResidentPlan& plan, Index nz, int other, Index n,
                                         int which = 0) {
  return peer_shared(slab.field(n, which) + slab.z0 * slab.pitch, other) - plan.begin(other, nz) * slab.pitch;
}

// R rows to each neighbour's shared memory.
template <class T>
__device__ __forceinline__ void push_rows(const Slab<T>& slab, const ResidentPlan& plan, Index nz, Index n, int which,
                                          int thread, int threads) {
  const T* from = slab.field(n, which);
  for (int side = 0; side < 2; ++side) {
    if (side == 0 ? !slab.above : !slab.below) continue;
    T* to = peer_field(slab, plan, nz, side == 0 ? slab.slab - 1 : slab.slab + 1, n, which);
    const int first = side == 0 ? slab.z0 : slab.z1 - slab.radius;
    slab.for_rows(first, first + slab.radius, thread, threads, [&](int z, int x) {
      store_cells<4>(to + z * slab.pitch + x, load_cells<4>(from + z * slab.pitch + x));
    });
  }
}

}  // namespace
}  // namespace terrane::TERRANE_BACKEND
