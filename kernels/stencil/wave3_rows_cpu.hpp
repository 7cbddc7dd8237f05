// SPDX-License-Identifier: MIT
// Rows of the 3-D wave steps on the CPU, in vectors along x. w of a pass, some rows of some planes, is gathered in a
// buffer that stays in the first cache: along z first, then along y and x, with what the layers add; then the fields
// advance. So fields are read and written along whole rows, whatever parts of them lie in a layer. The planes and rows
// of a pass share what the stencils across them read: what comes from the second cache decides the time.
#pragma once

#include <vector>

#include "kernels/stencil/wave_strips_cpu.hpp"

namespace terrane::TERRANE_BACKEND {

inline constexpr int planes_per_pass3 = 2, rows_per_pass3 = 2;

// f(integral constant N) for the planes or rows N of a pass.
template <class F>
void with_count(Index n, const F& f) {
  static_assert(planes_per_pass3 == 2 && rows_per_pass3 == 2, "other cases");
  n == 1 ? f(std::integral_constant<int, 1>{}) : f(std::integral_constant<int, 2>{});
}

// From some rows to those whose data are fetched meanwhile.
struct Ahead {
  Index planes = 0, rows = 0;
  TERRANE_HD Index of(Index plane, Index pitch) const { return planes * plane + rows * pitch; }
};
template <class... P>
TERRANE_HD void prefetch(const P*... places) {
  (__builtin_prefetch(places, 0, 2), ...);
}

// A pass: rows y .. y + rows - 1 of the planes z .. z + planes - 1; kz, ky: strips that they lie in, -1: none.
struct Rows3 {
  Index z, planes, y, rows, kz, ky;
  Ahead ahead;
};

// w of a pass: (planes_per_pass3, rows_per_pass3, pitch).
inline Index pass_values(const WaveLayout& g) { return planes_per_pass3 * rows_per_pass3 * g.pitch; }
inline Index pass_plane(const WaveLayout& g) { return rows_per_pass3 * g.pitch; }

// Reads one value of every 64 bytes. The stencils read many rows at once, too many for the hardware to see streams in
// them and look ahead; this it does see, and then they find their rows in the cache.
template <class T>
TERRANE_HD void bring_closer(const T* p, Index n) {
  for (Index i = 0; i < n; i += 64 / static_cast<Index>(sizeof(T)))
    static_cast<void>(static_cast<const volatile T*>(p)[i]);
}

// The planes that the rows [y0, y1) of some planes from z on see first, with the rows around them; first: all planes
// before those as well.
template <class T>
void bring_planes_closer(const WaveLayout& g, const T* u, Index z, Index planes, Index y0, Index y1, bool first) {
  const Index from = y0 > g.radius ? y0 - g.radius : 0, n = (y1 + g.radius - from) * g.pitch;
  for (Index k = first ? z - g.radius : z + g.radius; k < z + g.radius + planes; ++k) {
    bring_closer(u + k * g.plane + from * g.pitch, n);
  }
}

// Columns [begin, end) of a row, multiples of the register; core: of a boundary ring.
struct Span {
  Index begin, end;
  bool core;
};
struct Spans {
  Span span[3];
  int count = 0;
  void add(Index begin, Index end, bool core = false) {
    if (begin < end) span[count++] = {begin, end, core};
  }
};

// Run-time forms of what happens to w (2-D: at compile time).
template <class T>
TERRANE_HD void keep_w(Lanes<T> w, const KeptValues<T>& to, Index i) {
  if constexpr (sizeof(T) == 4) {
    if (to.half != nullptr) return HalfLanes::stream(w, to.half + i);
  }
  w.stream(to.full + i);
}
template <class T>
TERRANE_HD Lanes<T> kept_w(const KeptValues<T>& from, Index i, Index ahead) {
  if constexpr (sizeof(T) == 4) {
    if (from.half != nullptr) {
      prefetch(from.half + i + ahead);
      return HalfLanes::load(from.half + i);
    }
  }
  prefetch(from.full + i + ahead);
  return Lanes<T>::load(from.full + i);
}

// Registers of N rows, the first one at p.
template <int N, class T>
TERRANE_HD void load_rows(const T* p, Index stride, Lanes<T>* rows) {
  unroll<N>([&](auto k) { rows[k] = Lanes<T>::load(p + k * stride); });
}

// Rows of w that are neighbours across, `apart` from each other; first: the axis is the first one, else it adds to w.
template <class T>
struct RowsOfW {
  T* w;
  Index apart;
  template <bool First>
  TERRANE_HD void add(Index x, Index r, Lanes<T> v) const {
    T* at = w + x + r * apart;
    (First ? v : Lanes<T>::load(at) + v).store(at);
  }
};

// w = D2 u along z of N neighbours, n cells each.
template <int R, int N, class T>
[[gnu::noinline]] void second_across(const FdAxis<T>& axis, const T* u, Index stride, Index n, RowsOfW<T> w) {
  using V = Lanes<T>;
  const FdAxis<V> f = lanes_of(axis);
  u -= R * stride;
  for (Index x = 0; x < n; x += V::count) {
    V around[N + 2 * R];
    load_rows<N + 2 * R>(u + x, stride, around);
    unroll<N>([&](auto r) {
      w.template add<true>(x, r, fd_second<R>(Stack<V, R>{around + r}, f, f.center * around[r + R]));
    });
  }
}

// w (rows_per_pass3, pitch) += D2 u along x, and along y if asked for, of n cells of neighbouring rows. There may be
// fewer rows: what lies behind the last one of a plane belongs to the field as well.
template <int R, bool Y, class T>
[[gnu::noinline]] void second_in_plane(const WaveSetup<T>& s, const T* u, Index n, T* w) {
  using V = Lanes<T>;
  constexpr int rows = rows_per_pass3;
  static_assert(rows - 1 <= 1, "a field ends R >= 1 rows behind its last plane");
  const Index pitch = s.g.pitch;
  const FdAxis<V> fy = lanes_of(s.fy), fx = lanes_of(s.fx);
  const V center = Y ? fx.center + fy.center : fx.center;
  Window<T> row[rows];
  unroll<rows>([&](auto r) { row[r].start(u + r * pitch); });
  for (Index x = 0; x < n; x += V::count) {
    V lap[rows];
    unroll<rows>([&](auto r) { lap[r] = mul_add(center, row[r].mid, V::load(w + x + r * pitch)); });
    if constexpr (Y) {
      V around[rows + 2 * R];
      unroll<rows + 2 * R>([&](auto k) {
        if constexpr (k < R || k >= rows + R) {
          around[k] = V::load(u + x + (k - R) * pitch);
        } else {
          around[k] = row[k - R].mid;
        }
      });
      unroll<rows>([&](auto r) { lap[r] = fd_second<R>(Stack<V, R>{around + r}, fy, lap[r]); });
    }
    unroll<rows>([&](auto r) {
      lap[r] = fd_second<R>(row[r], fx, lap[r]);
      lap[r].store(w + x + r * pitch);
      row[r].advance(V::load(u + x + r * pitch + 2 * V::count));
    });
  }
}
// Along y if the rows lie in no strip of that axis.
template <int R, class T>
void second_in_plane(const WaveSetup<T>& s, const Rows3& rows, const T* u, Index n, T* w) {
  rows.ky < 0 ? second_in_plane<R, true>(s, u, n, w) : second_in_plane<R, false>(s, u, n, w);
}

// phi and eta of some rows in a strip, at their first cells; stride: between neighbours across the rows. phi is updated
// in place, so what it was in the R rows before these is kept: R rows from `before` on, `apart` from each other.
template <class T>
struct LayerRow {
  T *phi, *eta;
  Index stride, ahead;
  T* before;
  Index apart;
};

// w of the axis across N rows, which are neighbours along it; stride: between neighbours of u. p: profile at the first
// one. Where b = 0, phi and eta stay zero.
template <int R, int N, bool First, class T>
[[gnu::noinline]] void forward_across(const FdAxis<T>& axis, CpmlProfile<T> p, LayerRow<T> layer, const T* u,
                                      Index stride, Index n, RowsOfW<T> w) {
  using V = Lanes<T>;
  const FdAxis<V> f = lanes_of(axis);
  CpmlCell<V> pml[N];
  unroll<N>([&](auto r) { pml[r] = broadcast_cell(p, r); });
  u -= R * stride;
  for (Index x = 0; x < n; x += V::count) {
    V first_phi[N], phi[N], around[N + 2 * R];
    load_rows<R>(layer.before + x, layer.apart, around);
    load_rows<N + R>(layer.phi + x, layer.stride, around + R);
    unroll<R>([&](auto k) { around[N + k].store(layer.before + x + k * layer.apart); });  // of the next rows
    unroll<N>([&](auto r) {
      prefetch(layer.phi + x + layer.ahead + (R + r) * layer.stride, layer.eta + x + layer.ahead + r * layer.stride);
      first_phi[r] = fd_first<R>(Stack<V, R>{around + r}, f, V{});
      phi[r] = around[r + R];
    });
    load_rows<N + 2 * R>(u + x, stride, around);
    unroll<N>([&](auto r) {
      const Stack<V, R> row{around + r};
      V phi_new, eta = V::load(layer.eta + x + r * layer.stride);
      w.template add<First>(x, r,
                            pml[r].forward(fd_first<R>(row, f, V{}), fd_second<R>(row, f, f.center * around[r + R]),
                                           first_phi[r], phi[r], phi_new, eta));
      phi_new.store(layer.phi + x + r * layer.stride);
      eta.store(layer.eta + x + r * layer.stride);
    });
  }
}

// Adds what the layer changes along the row, n cells from column `begin` on; u, phi, eta, w: at that column. phi is
// updated in place.
template <int R, class T>
[[gnu::noinline]] void forward_along(const FdAxis<T>& axis, const CpmlProfile<T>& profile, Index begin, const T* u,
                                     T* phi, T* eta, Index ahead, Index n, T* w) {
  using V = Lanes<T>;
  const FdAxis<V> f = lanes_of(axis);
  const auto phi_at = [&](Index x) { return x < n ? V::load(phi + x) : V{}; };  // phi is zero around
  Window<T> row, phi_row{V{}, phi_at(0), phi_at(V::count)};
  row.start(u);
  for (Index x = 0; x < n; x += V::count) {
    const CpmlCell<V> pml = load_cell(profile, begin + x);
    const V second = fd_second<R>(row, f, f.center * row.mid);
    prefetch(phi + x + ahead, eta + x + ahead);
    V phi_new, e = V::load(eta + x);
    const V sum = pml.forward(fd_first<R>(row, f, V{}), second, fd_first<R>(phi_row, f, V{}), phi_row.mid, phi_new, e);
    phi_new.store(phi + x);
    e.store(eta + x);
    (V::load(w + x) + (sum - second)).store(w + x);
    row.advance(V::load(u + x + 2 * V::count));
    phi_row.advance(phi_at(x + 2 * V::count));
  }
}

// A row of a step once w is known: u, next, c, w at its first cell.
template <class T>
[[gnu::noinline]] void advance_row(const T* u, T* next, const T* c, const T* w, Index n, Index ahead) {
  using V = Lanes<T>;
  for (Index x = 0; x < n; x += V::count) {
    prefetch(next + x + ahead, c + x + ahead);
    leapfrog(V::load(u + x), V::load(next + x), V::load(c + x), V::load(w + x)).store(next + x);
  }
}
// Keeps w.
template <class T>
[[gnu::noinline]] void advance_keeping(const T* u, T* next, const T* c, const T* w, Index n, Index ahead,
                                       const KeptValues<T>& to) {
  using V = Lanes<T>;
  for (Index x = 0; x < n; x += V::count) {
    prefetch(next + x + ahead, c + x + ahead);
    const V lap = V::load(w + x);
    keep_w(lap, to, x);
    leapfrog(V::load(u + x), V::load(next + x), V::load(c + x), lap).store(next + x);
  }
}
// Adds u times a kept w of the forward run to the image; before, if it is there, the field before u times `later`.
template <class T>
[[gnu::noinline]] void advance_imaging(const T* u, T* next, const T* c, const T* w, Index n, Index ahead,
                                       const KeptValues<T>& from, const KeptValues<T>& later, Index w_ahead, T* image) {
  using V = Lanes<T>;
  const bool both = later.any();
  for (Index x = 0; x < n; x += V::count) {
    prefetch(next + x + ahead, c + x + ahead, image + x + ahead);
    const V here = V::load(u + x), before = V::load(next + x);
    V sum = V::load(image + x);
    if (both) sum = mul_add(before, kept_w(later, x, w_ahead), sum);
    mul_add(here, kept_w(from, x, w_ahead), sum).store(image + x);
    leapfrog(here, before, V::load(c + x), V::load(w + x)).store(next + x);
  }
}
// Takes the forward run, whose w is `back_w`, one step back on the way.
template <class T>
[[gnu::noinline]] void advance_rebuilding(const T* u, T* next, const T* c, const T* w, Index n, Index ahead,
                                          const T* back, T* back_next, const T* back_w, T* image) {
  using V = Lanes<T>;
  for (Index x = 0; x < n; x += V::count) {
    prefetch(next + x + ahead, c + x + ahead, image + x + ahead, back_next + x + ahead);
    const V here = V::load(u + x), cell = V::load(c + x), of_back = V::load(back_w + x);
    mul_add(here, of_back, V::load(image + x)).store(image + x);
    leapfrog(V::load(back + x), V::load(back_next + x), cell, of_back).store(back_next + x);
    leapfrog(here, V::load(next + x), cell, V::load(w + x)).store(next + x);
  }
}

template <class T>
CpmlProfile<T> profile_at(const CpmlProfile<T>& p, Index i) {
  return {p.a + i, p.b + i, p.db + i};
}

// What phi was before a pass, in the R planes before it (R, plane) and in the R rows before it in each of its planes
// (planes_per_pass3, R, pitch).
template <class T>
struct PhiBefore {
  T *z, *y;
};
inline Index phi_before_z(const WaveLayout& g) { return g.radius * g.plane; }
inline Index phi_before_y(const WaveLayout& g) { return planes_per_pass3 * g.radius * g.pitch; }

// A pass of a forward step, columns of `span`. w: pass_values of this thread.
template <int R, class T>
void forward_rows3(const Step<T>& step, const Rows3& rows, const Span& span, const PhiBefore<T>& before, T* w) {
  const WaveSetup<T>& s = step.s;
  const WaveLayout& g = s.g;
  const WaveFields<T>& f = step.f;
  const Index n = span.end - span.begin, ahead = rows.ahead.of(g.plane, g.pitch);
  for (Index r = 0; r < rows.rows; ++r) {
    const T* u = step.u + rows.z * g.plane + (rows.y + r) * g.pitch + span.begin;
    const RowsOfW<T> out{w + r * g.pitch, pass_plane(g)};
    with_count(rows.planes, [&](auto planes) {
      if (rows.kz < 0) return second_across<R, planes>(s.fz, u, g.plane, n, out);
      const Index p = g.z_place(rows.kz, rows.z, rows.y + r, span.begin);
      const LayerRow<T> layer{f.phi_z[0] + p,
                              f.eta_z[0] + p,
                              g.z_plane,
                              rows.ahead.of(g.z_plane, g.pitch),
                              before.z + (rows.y + r) * g.pitch + span.begin,
                              g.plane};
      forward_across<R, planes, true>(s.fz, profile_at(s.pz, rows.z), layer, u, g.plane, n, out);
    });
  }
  for (Index z = rows.z; z < rows.z + rows.planes; ++z, w += pass_plane(g)) {
    const Index first = z * g.plane + rows.y * g.pitch + span.begin;
    second_in_plane<R>(s, rows, step.u + first, n, w);
    if (rows.ky >= 0) {
      const Index p = g.y_place(rows.ky, z, rows.y, span.begin);
      const LayerRow<T> layer{f.phi_y[0] + p,
                              f.eta_y[0] + p,
                              g.pitch,
                              rows.ahead.of(g.y_plane, g.pitch),
                              before.y + (z - rows.z) * R * g.pitch + span.begin,
                              g.pitch};
      with_count(rows.rows, [&](auto count) {
        forward_across<R, count, false>(s.fy, profile_at(s.py, rows.y), layer, step.u + first, g.pitch, n,
                                        RowsOfW<T>{w, g.pitch});
      });
    }
    for (Index r = 0; r < rows.rows; ++r) {
      const Index y = rows.y + r, at = first + r * g.pitch;
      const T* u = step.u + at;
      T* of_row = w + r * g.pitch;
      for (Index k = 0; k < g.x_strips; ++k) {
        const WaveStrip& strip = g.x[k];
        if (strip.inner < span.begin || strip.outer > span.end) continue;
        const Index p = g.x_place(k, z, y, strip.inner), from = strip.inner - span.begin;
        forward_along<R>(s.fx, s.px, strip.inner, u + from, f.phi_x[0] + p, f.eta_x[0] + p,
                         rows.ahead.of(g.ny * g.x_pitch, g.x_pitch), strip.outer - strip.inner, of_row + from);
      }
      if (step.w.any()) {
        advance_keeping(u, step.next + at, s.c + at, of_row, n, ahead, step.w_at(z, y, span.begin));
      } else {
        advance_row(u, step.next + at, s.c + at, of_row, n, ahead);
      }
    }
  }
}

// layer_weight at every cell of an axis, 2 R + 1 values a cell.
template <class T>
std::vector<T> layer_weights(const FdAxis<T>& f, const T* b, Index n, Index radius) {
  std::vector<T> all;
  for (Index i = 0; i < n; ++i) {
    for (Index k = -radius; k <= radius; ++k) all.push_back(layer_weight(f, b, i, static_cast<int>(k), n));
  }
  return all;
}

// A row of t and Y (goes through -D1) from q and, inside a strip, phi and eta; advances H there.
template <class T>
[[gnu::noinline]] void enter_layer(const T* q, const CpmlCell<Lanes<T>>& pml, const T* phi, T* eta, T* t, T* y,
                                   Index n) {
  using V = Lanes<T>;
  for (Index x = 0; x < n; x += V::count) {
    prefetch(phi + x + 4096 / sizeof(T), eta + x + 4096 / sizeof(T));
    const V here = V::load(q + x), h = V::load(eta + x), tx = pml.adjoint_t(here, h);
    tx.store(t + x);
    pml.adjoint_first(tx, V::load(phi + x)).store(y + x);
    pml.adjoint_eta(here, h).store(eta + x);
  }
}
// The same where b = 0; there phi = eta = 0.
template <class T>
[[gnu::noinline]] void pass_layer(const T* q, T db, T* t, T* y, Index n) {
  using V = Lanes<T>;
  const V slope = V::all(db);
  for (Index x = 0; x < n; x += V::count) {
    const V here = V::load(q + x);
    here.store(t + x);
    (slope * here).store(y + x);
  }
}

// Rows of t and Y around some planes (z: slots that roll) or rows (y: all rows of a strip) of a tile.
template <class T>
struct LayerRows {
  T* base = nullptr;
  Index slots = 1, size = 0;  // size: values of a slot
  T* t(Index i) const { return base + i % slots * size; }
  T* y(Index i) const { return t(i) + apart(); }
  Index apart() const { return slots * size; }
  static Index values(Index slots, Index size) { return 2 * slots * size; }
};

// t and Y around N rows in a strip, and the weights (N, 2 R + 1) of these.
template <int R, int N, class T>
struct LayerStencil {
  const T* t[N + 2 * R] = {};  // Y of the same cells lies `apart` further
  Index apart = 0;
  const T* weights = nullptr;

  // first: slot index of the position -R; shift: place of the row in a slot; weights: of the first position.
  LayerStencil(const LayerRows<T>& rows, Index first, Index shift, const T* of_position)
      : apart(rows.apart()), weights(of_position) {
    for (int k = 0; k < N + 2 * R; ++k) t[k] = rows.t(first + k) + shift;
  }
};

// The part of L^T q of an axis across N rows, which are neighbours along it, for w; advances Phi (phi_stride between
// the rows), which stays zero where b = 0.
template <int R, int N, bool First, class T>
[[gnu::noinline]] void adjoint_across(const FdAxis<T>& axis, CpmlProfile<T> p, const LayerStencil<R, N, T>& around,
                                      T* phi, Index phi_stride, Index ahead, Index n, RowsOfW<T> w) {
  using V = Lanes<T>;
  const FdAxis<V> f = lanes_of(axis);
  const T* weights = around.weights;
  V a[N];
  unroll<N>([&](auto r) { a[r] = V::all(p.a[r]); });
  for (Index x = 0; x < n; x += V::count) {
    V t[N + 2 * R], sum[N];
    unroll<N + 2 * R>([&](auto k) { t[k] = V::load(around.t[k] + x); });
    unroll<N>([&](auto r) {
      prefetch(phi + x + ahead + r * phi_stride);
      sum[r] = V::all(weights[r * (2 * R + 1)]) * t[r];
      unroll<2 * R>([&](auto k) { sum[r] = mul_add(V::all(weights[r * (2 * R + 1) + k + 1]), t[r + k + 1], sum[r]); });
      T* at = phi + x + r * phi_stride;
      (a[r] * (V::load(at) - fd_first<R>(Stack<V, R>{t + r}, f, V{}))).store(at);
    });
    unroll<N + 2 * R>([&](auto k) { t[k] = V::load(around.t[k] + x + around.apart); });
    unroll<N>([&](auto r) { w.template add<First>(x, r, sum[r] - fd_first<R>(Stack<V, R>{t + r}, f, V{})); });
  }
}

// Adds what the layer changes along some rows, n cells from column `begin` on, backwards.
template <int R, class T>
[[gnu::noinline]] void adjoint_along(const FdAxis<T>& axis, const CpmlProfile<T>& profile, Index begin, const T* q,
                                     T* phi, T* eta, Index pitch, Index strip_pitch, Index ahead, Index n, T* w,
                                     Index rows) {
  using V = Lanes<T>;
  const FdAxis<V> f = lanes_of(axis);
  for (; rows > 0; --rows, q += pitch, phi += strip_pitch, eta += strip_pitch, w += pitch) {
    StripWindows<T, true> strip{profile, q, phi, eta, begin, n, {}, {}, {}};
    strip.start();
    for (Index x = 0; x < n; x += V::count) {
      prefetch(phi + x + ahead, eta + x + ahead);
      const V sum = fd_second<R>(strip.e, f, mul_add(f.center, strip.e.mid, V::load(w + x)));
      (sum - fd_first<R>(strip.y, f, V{})).store(w + x);
      const CpmlCell<V> pml = load_cell(profile, begin + x);
      pml.adjoint_phi(V::load(phi + x), fd_first<R>(strip.t, f, V{})).store(phi + x);
      strip.advance(x);
    }
  }
}

// What the adjoint of a tile has prepared for the layers, and room for w of a pass and of the forward run.
template <class T>
struct LayerWork {
  LayerRows<T> z, y[planes_per_pass3];
  const T *weights_z, *weights_y;  // (nz, 2 R + 1), (ny, 2 R + 1)
  T *w, *back_w;                   // pass_values
  Index y_tile = 0;                // first row of the tile
};

// A pass of a step backwards. spans: of whole rows, the core of a boundary ring apart.
template <int R, class T>
void adjoint_rows3(const Step<T>& step, const LayerWork<T>& work, const Rows3& rows, const Spans& spans) {
  const WaveSetup<T>& s = step.s;
  const WaveLayout& g = s.g;
  const Index ahead = rows.ahead.of(g.plane, g.pitch);
  for (Index r = 0; r < rows.rows; ++r) {
    const Index y = rows.y + r, first = rows.z * g.plane + y * g.pitch;
    const RowsOfW<T> out{work.w + r * g.pitch, pass_plane(g)};
    with_count(rows.planes, [&](auto planes) {
      if (rows.kz < 0) {
        second_across<R, planes>(s.fz, step.u + first, g.plane, g.pitch, out);
      } else {
        const LayerStencil<R, planes, T> around(work.z, rows.z + R + 1, (y - work.y_tile) * g.pitch,
                                                work.weights_z + rows.z * (2 * R + 1));
        adjoint_across<R, planes, true>(s.fz, profile_at(s.pz, rows.z), around,
                                        step.f.phi_z[0] + g.z_place(rows.kz, rows.z, y, 0), g.z_plane,
                                        rows.ahead.of(g.z_plane, g.pitch), g.pitch, out);
      }
      for (int i = 0; i < spans.count; ++i) {
        const Span& span = spans.span[i];
        if (!span.core) continue;
        second_across<R, planes>(s.fz, step.back + first + span.begin, g.plane, span.end - span.begin,
                                 RowsOfW<T>{work.back_w + r * g.pitch + span.begin, pass_plane(g)});
      }
    });
  }
  for (Index plane = 0; plane < rows.planes; ++plane) {
    const Index z = rows.z + plane, first = z * g.plane + rows.y * g.pitch;
    T *w = work.w + plane * pass_plane(g), *back_w = work.back_w + plane * pass_plane(g);
    second_in_plane<R>(s, rows, step.u + first, g.pitch, w);
    for (int i = 0; i < spans.count; ++i) {
      const Span& span = spans.span[i];
      if (!span.core) continue;
      second_in_plane<R>(s, rows, step.back + first + span.begin, span.end - span.begin, back_w + span.begin);
    }
    if (rows.ky >= 0) {
      with_count(rows.rows, [&](auto count) {
        const LayerStencil<R, count, T> around(work.y[plane], rows.y - work.y_tile, 0,
                                               work.weights_y + rows.y * (2 * R + 1));
        adjoint_across<R, count, false>(s.fy, profile_at(s.py, rows.y), around,
                                        step.f.phi_y[0] + g.y_place(rows.ky, z, rows.y, 0), g.pitch, 0, g.pitch,
                                        RowsOfW<T>{w, g.pitch});
      });
    }
    for (Index k = 0; k < g.x_strips; ++k) {
      const Index begin = g.x[k].begin, p = g.x_place(k, z, rows.y, begin);
      adjoint_along<R>(s.fx, s.px, begin, step.u + first + begin, step.f.phi_x[0] + p, step.f.eta_x[0] + p, g.pitch,
                       g.x_pitch, rows.ahead.of(g.ny * g.x_pitch, g.x_pitch), g.x[k].end - begin, w + begin, rows.rows);
    }
    for (Index y = rows.y; y < rows.y + rows.rows; ++y, w += g.pitch, back_w += g.pitch) {
      const Index at = z * g.plane + y * g.pitch;
      const T* q = step.u + at;
      for (int i = 0; i < spans.count; ++i) {
        const Span& span = spans.span[i];
        const Index b = span.begin, n = span.end - b, cell = at + b;
        if (span.core) {
          advance_rebuilding(q + b, step.next + cell, s.c + cell, w + b, n, ahead, step.back + cell,
                             step.back_next + cell, back_w + b, step.image + cell);
        } else if (step.image != nullptr) {
          advance_imaging(q + b, step.next + cell, s.c + cell, w + b, n, ahead, step.w_at(z, y, b), step.later.at(cell),
                          step.ring != nullptr ? n : ahead, step.image + cell);
        } else {
          advance_row(q + b, step.next + cell, s.c + cell, w + b, n, ahead);
        }
      }
    }
  }
}

}  // namespace terrane::TERRANE_BACKEND
