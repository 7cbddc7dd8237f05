// SPDX-License-Identifier: MIT
// Device side of the 2-D wave steps, shared by the schedules of the GPU: the stencil of a block of 4 columns, a cell of
// the absorbing layer, what happens to w, and the cells that sources and receivers touch. A schedule says where the
// fields are (FieldRows): in device memory or in the shared memory of a block.
#pragma once

#include "kernels/stencil/wave_inner.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

// N neighbouring columns. Rows, strips and everything before them are multiples of 16 values, so that four columns from
// a multiple of four on are aligned.
template <class T, int N>
struct alignas(N == 1 ? sizeof(T) : 16) Cells {
  T v[N];
};
template <int N, class T>
TERRANE_HD Cells<T, N> load_cells(const T* p) {
  return *reinterpret_cast<const Cells<T, N>*>(p);
}
template <int N, class T>
TERRANE_HD void store_cells(T* p, const Cells<T, N>& x) {
  *reinterpret_cast<Cells<T, N>*>(p) = x;
}
struct alignas(8) FourHalves {
  std::uint16_t v[4];
};

template <int N, class T>
TERRANE_HD Cells<T, N> get_kept(const KeptValues<T>& kept, Index i) {
  if (kept.half == nullptr) return load_cells<N>(kept.full + i);
  Cells<T, N> x;
  if constexpr (N == 4) {
    const FourHalves h = *reinterpret_cast<const FourHalves*>(kept.half + i);
    for (int k = 0; k < 4; ++k) x.v[k] = static_cast<T>(from_bf16(h.v[k]));
  } else {
    x.v[0] = kept.get(i);
  }
  return x;
}
template <int N, class T>
TERRANE_HD void put_kept(const KeptValues<T>& kept, Index i, const Cells<T, N>& x) {
  if (kept.half == nullptr) return store_cells<N>(kept.full + i, x);
  if constexpr (N == 4) {
    FourHalves h;
    for (int k = 0; k < 4; ++k) h.v[k] = to_bf16(static_cast<float>(x.v[k]));
    *reinterpret_cast<FourHalves*>(kept.half + i) = h;
  } else {
    kept.put(i, x.v[0]);
  }
}

// A field of one shot now and after the step, at cell (0, 0). What lies above a free surface is the caller's to keep.
template <class T>
struct FieldRows {
  const T* now;
  T* next;  // before the step: the field one step earlier (adjoint: later)
  Index stride;
  int mirrored;  // rows 1 .. mirrored have an antisymmetric image above row 0

  TERRANE_HD const T* at(int z, int x) const { return now + z * stride + x; }
  template <int N>
  TERRANE_HD Cells<T, N> previous(int z, int x) const {
    return load_cells<N>(next + z * stride + x);
  }
  template <int N>
  TERRANE_HD void put(int z, int x, const Cells<T, N>& value) const {
    store_cells<N>(next + z * stride + x, value);
    if (z < 1 || z > mirrored) return;
    Cells<T, N> image;
    for (int k = 0; k < N; ++k) image.v[k] = -value.v[k];
    store_cells<N>(next - z * stride + x, image);
  }
  // next += c value
  TERRANE_HD void add(int z, int x, T c, T value) const {
    put<1>(z, x, Cells<T, 1>{{mul_add(c, value, next[z * stride + x])}});
  }
};

template <class T>
TERRANE_HD FieldRows<T> rows_in_memory(const WaveLayout& g, const WaveFields<T>& f, Index shot, Index now) {
  const Index at = shot * g.field + g.origin;
  return {f.u[now & 1] + at, f.u[1 - (now & 1)] + at, g.pitch, g.free_surface ? static_cast<int>(g.radius) : 0};
}

// Neighbours of column c of the middle row of 2 R + 1, and of a row of 12 columns of which 4 .. 7 are the cells.
template <int R, class T>
struct QuadColumn {
  const Cells<T, 4>* rows;
  int c;
  template <int K>
  TERRANE_HD T get() const {
    return rows[R + K].v[c];
  }
};
template <class T>
struct QuadRow {
  Cells<T, 4> left, here, right;
  int c;
  template <int K>
  TERRANE_HD T get() const {
    const int i = c + K;
    return i < 0 ? left.v[i + 4] : i < 4 ? here.v[i] : right.v[i - 4];
  }
};

// lap u of up to Q rows of four columns, u at the first of them.
template <int R, int Q, class T>
TERRANE_HD void quad_laplacian(const T* u, Index stride, int rows, const FdAxis<T>& fz, const FdAxis<T>& fx,
                               Cells<T, 4>* here, Cells<T, 4>* lap) {
  Cells<T, 4> column[Q + 2 * R];
#pragma unroll
  for (int k = 0; k < Q + 2 * R; ++k) {
    column[k] = k < rows + 2 * R ? load_cells<4>(u + (k - R) * stride) : Cells<T, 4>{};
  }
#pragma unroll
  for (int r = 0; r < Q; ++r) {
    if (r >= rows) break;
    here[r] = column[r + R];
    QuadRow<T> row{load_cells<4>(u + r * stride - 4), here[r], load_cells<4>(u + r * stride + 4), 0};
#pragma unroll
    for (int c = 0; c < 4; ++c) {
      row.c = c;
      const T u0 = here[r].v[c];
      lap[r].v[c] = fd_second<R>(QuadColumn<R, T>{column + r, c}, fz, fz.center * u0);
      lap[r].v[c] += fd_second<R>(row, fx, fx.center * u0);
    }
  }
}

// w of a cell within reach of a layer; advances phi and eta there.
template <int R, class T>
TERRANE_HD T layer_forward(const WaveForward<T>& a, Index shot, Index n, const FieldRows<T>& field, int z, int x) {
  const WaveSetup<T>& s = a.setup;
  const WaveLayout& g = s.g;
  const WaveFields<T>& f = a.fields;
  const int now = static_cast<int>(n & 1);
  const T* u = field.at(z, x);
  const Index kz = g.z_strip(z), kx = g.x_strip(x);
  T w = 0;
  if (kz >= 0) {
    w += forward_axis<R>(s.fz, u, field.stride, cpml_cell(s.pz, z), f.phi_z[now], f.phi_z[1 - now], f.eta_z[0],
                         shot * g.z_field + g.z_place(kz, z, 0, x), g.z_plane);
  } else {
    w += fd_second<R>(Strided<T>{u, field.stride}, s.fz, s.fz.center * u[0]);
  }
  if (kx >= 0) {
    w += forward_axis<R>(s.fx, u, 1, cpml_cell(s.px, x), f.phi_x[now], f.phi_x[1 - now], f.eta_x[0],
                         shot * g.x_field + g.x_place(kx, z, 0, x), 1);
  } else {
    w += fd_second<R>(Strided<T>{u, 1}, s.fx, s.fx.center * u[0]);
  }
  return w;
}

// L^T q of a cell within reach of a layer; advances phi and eta there.
template <int R, class T>
TERRANE_HD T layer_adjoint(const WaveAdjoint<T>& a, Index shot, Index n, const FieldRows<T>& field, int z, int x) {
  const WaveSetup<T>& s = a.setup;
  const WaveLayout& g = s.g;
  const WaveFields<T>& f = a.fields;
  const int now = static_cast<int>((n + 1) & 1);
  const T* q = field.at(z, x);
  const Index kz = g.z_strip(z), kx = g.x_strip(x);
  T lap = 0;
  if (kz >= 0) {
    lap += adjoint_axis<R>(s.fz, q, field.stride, s.pz, g.z[kz], z, f.phi_z, f.eta_z, now,
                           shot * g.z_field + g.z_place(kz, z, 0, x), g.z_plane);
  } else {
    lap += fd_second<R>(Strided<T>{q, field.stride}, s.fz, s.fz.center * q[0]);
  }
  if (kx >= 0) {
    lap += adjoint_axis<R>(s.fx, q, 1, s.px, g.x[kx], x, f.phi_x, f.eta_x, now,
                           shot * g.x_field + g.x_place(kx, z, 0, x), 1);
  } else {
    lap += fd_second<R>(Strided<T>{q, 1}, s.fx, s.fx.center * q[0]);
  }
  return lap;
}

// From w of N cells to their next values; w is kept where the run keeps it.
template <int N, class T>
TERRANE_HD void advance_cells(const WaveForward<T>& a, Index shot, Index n, const FieldRows<T>& field, int z, int x,
                              const Cells<T, N>& c, const Cells<T, N>& u, Cells<T, N> w) {
  const WaveLayout& g = a.setup.g;
  const Index cell = z * g.pitch + x;
  if (const KeptValues<T> background = a.background.at(shot, n, g.cells); background.any()) {
    const Cells<T, N> m = load_cells<N>(a.tangent + cell), w0 = get_kept<N>(background, cell);
    for (int k = 0; k < N; ++k) w.v[k] += static_cast<T>(a.background.every) * m.v[k] * w0.v[k];
  }
  if (a.strips_only) {
    store_cells<N>(a.ring.w_at(shot, n) + a.ring.layout.strips.place(z, 0, x), w);
  } else if (const KeptValues<T> store = a.store.at(shot, n, g.cells); store.any()) {
    put_kept<N>(store, cell, w);
  }
  Cells<T, N> next = field.template previous<N>(z, x);
  for (int k = 0; k < N; ++k) next.v[k] = leapfrog(u.v[k], next.v[k], c.v[k], w.v[k]);
  field.template put<N>(z, x, next);
}

// w that the forward run kept of N cells outside the core of a ring (or of any where there is no ring); zero: none.
template <int N, class T>
TERRANE_HD Cells<T, N> kept_w(const WaveAdjoint<T>& a, Index shot, Index n, int z, int x) {
  const WaveLayout& g = a.setup.g;
  if (a.ring.used()) return load_cells<N>(a.ring.w_at(shot, n) + a.ring.layout.strips.place(z, 0, x));
  const KeptValues<T> store = a.store.at(shot, n, g.cells);
  return store.any() ? get_kept<N>(store, z * g.pitch + x) : Cells<T, N>{};
}

// The forward run one step back in N cells of the core; in the ring its values of that step are known.
template <int N, class T>
TERRANE_HD void retreat_cells(const WaveAdjoint<T>& a, Index shot, Index n, const FieldRows<T>& back, int z, int x,
                              const Cells<T, N>& c, const Cells<T, N>& u, const Cells<T, N>& w) {
  Cells<T, N> earlier = back.template previous<N>(z, x);
  const WaveRingLayout& ring = a.ring.layout;
  const int reach = static_cast<int>(a.setup.g.radius);
  const bool inside =
      z >= ring.low[0] + reach && z < ring.high[0] - reach && x >= ring.low[2] + reach && x + N <= ring.high[2] - reach;
  for (int k = 0; k < N; ++k) {
    earlier.v[k] = leapfrog(u.v[k], earlier.v[k], c.v[k], w.v[k]);
    const Index place = inside || n == 0 ? -1 : ring.ring.place(z, 0, x + k);
    if (place >= 0) earlier.v[k] = a.ring.ring_at(shot, n - 1).get(place);
  }
  back.template put<N>(z, x, earlier);
}

// Up to Q rows of four columns of an array without anything around.
template <int Q, class T>
TERRANE_HD void load_rows(const T* from, Index pitch, int z, int x, int rows, Cells<T, 4>* v) {
#pragma unroll
  for (int r = 0; r < Q; ++r) {
    if (r < rows) v[r] = load_cells<4>(from + (z + r) * pitch + x);
  }
}
template <int Q, class T>
TERRANE_HD void add_rows(T* to, Index pitch, int z, int x, int rows, const Cells<T, 4>* v) {
#pragma unroll
  for (int r = 0; r < Q; ++r) {
    if (r >= rows) break;
    Cells<T, 4> sum = load_cells<4>(to + (z + r) * pitch + x);
#pragma unroll
    for (int k = 0; k < 4; ++k) sum.v[k] += v[r].v[k];
    store_cells<4>(to + (z + r) * pitch + x, sum);
  }
}

// A step backwards of rows of four columns of the core; their image is added to `image`. Rebuild: w is that of the
// forward run, which goes back as well.
template <int R, int Q, bool Rebuild, class T>
TERRANE_HD void adjoint_quad(const WaveAdjoint<T>& a, Index shot, Index n, const FieldRows<T>& field,
                             const FieldRows<T>& back, int z, int x, int rows, const Cells<T, 4>* c,
                             Cells<T, 4>* image) {
  const WaveSetup<T>& s = a.setup;
  Cells<T, 4> u[Q], w[Q], q[Q], lap[Q];
  if constexpr (Rebuild) {
    quad_laplacian<R, Q>(back.at(z, x), back.stride, rows, s.fz, s.fx, u, w);
#pragma unroll
    for (int r = 0; r < Q; ++r) {
      if (r < rows) retreat_cells<4>(a, shot, n, back, z + r, x, c[r], u[r], w[r]);
    }
  }
  quad_laplacian<R, Q>(field.at(z, x), field.stride, rows, s.fz, s.fx, q, lap);
#pragma unroll
  for (int r = 0; r < Q; ++r) {
    if (r >= rows) break;
    if constexpr (!Rebuild) w[r] = a.image != nullptr ? kept_w<4>(a, shot, n, z + r, x) : Cells<T, 4>{};
    Cells<T, 4> next = field.template previous<4>(z + r, x);
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      image[r].v[k] = mul_add(q[r].v[k], w[r].v[k], image[r].v[k]);
      next.v[k] = leapfrog(q[r].v[k], next.v[k], c[r].v[k], lap[r].v[k]);
    }
    field.template put<4>(z + r, x, next);
  }
}

// The same for a cell within reach of a layer; returns its image.
template <int R, class T>
TERRANE_HD T adjoint_cell(const WaveAdjoint<T>& a, Index shot, Index n, const FieldRows<T>& field, int z, int x, T c) {
  const T q = *field.at(z, x), lap = layer_adjoint<R>(a, shot, n, field, z, x);
  field.template put<1>(z, x, Cells<T, 1>{{leapfrog(q, field.template previous<1>(z, x).v[0], c, lap)}});
  return a.image != nullptr ? q * kept_w<1>(a, shot, n, z, x).v[0] : T(0);
}

// First of the touched cells of a survey shot whose cell is not before `cell`; they are in ascending order.
template <class T>
TERRANE_HD Index first_touched(const WavePoints<T>& p, Index which, Index cell) {
  Index low = p.touch_first[which], high = low + p.touch_count[which];
  while (low < high) {
    const Index middle = (low + high) / 2;
    if (p.touch_cell[middle] < cell) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

// Value of the source at touched cell k.
template <class T, class Run>
TERRANE_HD T source_value(const Run& a, Index which, Index n, Index k) {
  return a.setup.sources.gather(k, a.setup.sources.sample(a.wavelet, a.wavelet_stride, which, n), a.wavelet_stride);
}

template <class T>
TERRANE_HD void inject_source(const WaveForward<T>& a, Index shot, Index n, const FieldRows<T>& field, Index k, int z,
                              int x) {
  const WaveLayout& g = a.setup.g;
  const Index cell = z * g.pitch + x;
  const T value = source_value<T>(a, a.setup.shot[shot], n, k);
  if (a.strips_only) {
    a.ring.w_at(shot, n)[a.ring.layout.strips.place(z, 0, x)] += value;
  } else if (const KeptValues<T> store = a.store.at(shot, n, g.cells); store.any()) {
    store.put(cell, store.get(cell) + value);
  }
  field.add(z, x, a.setup.c[cell], value);
}

// The source of the forward run in the core, while it is stepped backwards; image: of this shot's sum.
template <class T>
TERRANE_HD void return_source(const WaveAdjoint<T>& a, Index shot, Index n, T q, const FieldRows<T>& back, T* image,
                              Index k, int z, int x) {
  const Index cell = z * a.setup.g.pitch + x;
  const T value = source_value<T>(a, a.setup.shot[shot], n, k);
  image[cell] = mul_add(q, value, image[cell]);
  if (n == 0 || a.ring.layout.ring.place(z, 0, x) < 0) back.add(z, x, a.setup.c[cell], value);
}

template <class T>
TERRANE_HD void inject_data(const WaveAdjoint<T>& a, Index shot, Index n, const FieldRows<T>& field, Index k, int z,
                            int x) {
  const WavePoints<T>& p = a.setup.receivers;
  const T value = p.gather(k, a.d_data + shot * p.per_shot * a.setup.nt + n, a.setup.nt);
  field.add(z, x, a.setup.c[z * a.setup.g.pitch + x], value);
}

// Cells of rows [first, last) outside a box, numbered row by row: the rows above it, those below, its sides.
struct CellsAround {
  int first, last, z0, z1, x0, x1, pitch;  // the box cut to the rows; empty: z0 = z1 = last

  TERRANE_HD CellsAround(const WaveLayout& g, const InnerBox& box, int first_row, int last_row)
      : first(first_row),
        last(last_row),
        z0(last_row),
        z1(last_row),
        x0(static_cast<int>(box.x0)),
        x1(static_cast<int>(box.x1)),
        pitch(static_cast<int>(g.pitch)) {
    const int begin = static_cast<int>(box.z0 > first ? box.z0 : first);
    const int end = static_cast<int>(box.z1 < last ? box.z1 : last);
    if (begin < end && x0 < x1) z0 = begin, z1 = end;
  }
  TERRANE_HD int above() const { return (z0 - first) * pitch; }
  TERRANE_HD int below() const { return (last - z1) * pitch; }
  TERRANE_HD int side() const { return pitch - (x1 - x0); }
  TERRANE_HD int count() const { return above() + below() + (z1 - z0) * side(); }
  TERRANE_HD void cell(int i, int& z, int& x) const {
    if (i < above()) {
      z = first + i / pitch;
      x = i % pitch;
    } else if (i < above() + below()) {
      i -= above();
      z = z1 + i / pitch;
      x = i % pitch;
    } else {
      i -= above() + below();
      z = z0 + i / side();
      x = i % side();
      if (x >= x0) x += x1 - x0;
    }
  }
  // Number of cell (z, x) of the rows; -1: in the box.
  TERRANE_HD int number(int z, int x) const {
    if (z < z0) return (z - first) * pitch + x;
    if (z >= z1) return above() + (z - z1) * pitch + x;
    if (x >= x0 && x < x1) return -1;
    return above() + below() + (z - z0) * side() + (x < x0 ? x : x - (x1 - x0));
  }
};

}  // namespace
}  // namespace terrane::TERRANE_BACKEND
