// SPDX-License-Identifier: MIT
// Rows of the 3-D wave steps on the CPU, in vectors along x. w of some rows is gathered in a buffer that stays in the
// first cache: whole rows outside the layers first, then axis by axis what the layers add, then the fields advance. So
// fields are read and written along whole rows, whatever parts of them lie in a layer.
#pragma once

#include <vector>

#include "kernels/stencil/wave_strips_cpu.hpp"

namespace terrane::TERRANE_BACKEND {

inline constexpr int rows_per_pass3 = 2;  // rows that share the loads of the stencil along y

// From some rows to those whose data are fetched meanwhile.
struct Ahead {
  Index planes = 0, rows = 0;
  TERRANE_HD Index of(Index plane, Index pitch) const { return planes * plane + rows * pitch; }
};
template <class... P>
TERRANE_HD void prefetch(const P*... places) {
  (__builtin_prefetch(places, 0, 2), ...);
}

// Rows y .. y + count - 1 of plane z, at most rows_per_pass3; kz, ky: strips that they lie in, -1: none.
struct Rows3 {
  Index z, y, count, kz, ky;
  Ahead ahead;
};

// Reads one value of every 64 bytes. The stencils read many rows at once, too many for the hardware to see streams in
// them and look ahead; this it does see, and then they find their rows in the cache.
template <class T>
TERRANE_HD void bring_closer(const T* p, Index n) {
  for (Index i = 0; i < n; i += 64 / static_cast<Index>(sizeof(T)))
    static_cast<void>(static_cast<const volatile T*>(p)[i]);
}

// The plane that the rows [y0, y1) of plane z see first, with the rows around them; first: all planes before it as
// well.
template <class T>
void bring_planes_closer(const WaveLayout& g, const T* u, Index z, Index y0, Index y1, bool first) {
  const Index from = y0 > g.radius ? y0 - g.radius : 0, n = (y1 + g.radius - from) * g.pitch;
  for (Index k = first ? z - g.radius : z + g.radius; k <= z + g.radius; ++k) {
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

// w (rows_per_pass3, pitch) = D2 u along x, and along z and y if asked for, of n cells of neighbouring rows. There may
// be fewer rows: what lies behind the last one of a plane belongs to the field as well.
template <int R, bool Z, bool Y, class T>
[[gnu::noinline]] void second_rows3(const WaveSetup<T>& s, const T* u, Index n, T* w) {
  using V = Lanes<T>;
  constexpr int rows = rows_per_pass3;
  static_assert(rows - 1 <= 1, "a field ends R >= 1 rows behind its last plane");
  const Index pitch = s.g.pitch, plane = s.g.plane;
  const FdAxis<V> fz = lanes_of(s.fz), fy = lanes_of(s.fy), fx = lanes_of(s.fx);
  V center = fx.center;
  if (Z) center = center + fz.center;
  if (Y) center = center + fy.center;
  Window<T> row[rows];
  unroll<rows>([&](auto r) { row[r].start(u + r * pitch); });
  for (Index x = 0; x < n; x += V::count) {
    V lap[rows];
    unroll<rows>([&](auto r) { lap[r] = center * row[r].mid; });
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
      if constexpr (Z) lap[r] = fd_second<R>(Column<T>{u + x + r * pitch, plane}, fz, lap[r]);
      lap[r] = fd_second<R>(row[r], fx, lap[r]);
      lap[r].store(w + x + r * pitch);
      row[r].advance(V::load(u + x + r * pitch + 2 * V::count));
    });
  }
}
// Without the axes along which the rows lie in a strip.
template <int R, class T>
void second_rows3(const WaveSetup<T>& s, const Rows3& rows, const T* u, Index n, T* w) {
  if (rows.kz < 0 && rows.ky < 0) return second_rows3<R, true, true>(s, u, n, w);
  if (rows.kz < 0) return second_rows3<R, true, false>(s, u, n, w);
  if (rows.ky < 0) return second_rows3<R, false, true>(s, u, n, w);
  return second_rows3<R, false, false>(s, u, n, w);
}

// phi and eta of n cells of a row, stride: between neighbours of phi. In rows that only reach into the layer (b = 0)
// they stay zero.
template <class T>
struct LayerRow {
  bool absorbs;
  const T* phi;
  T* phi_new;
  T* eta;
  Index stride, ahead;
};

// Adds w of an axis across the row to `w`; stride: between neighbours of u.
template <int R, class T>
[[gnu::noinline]] void forward_across(const FdAxis<T>& axis, const CpmlCell<Lanes<T>>& pml, const LayerRow<T>& layer,
                                      const T* u, Index stride, Index n, T* w) {
  using V = Lanes<T>;
  const FdAxis<V> f = lanes_of(axis);
  for (Index x = 0; x < n; x += V::count) {
    const V here = V::load(u + x);
    const Column<T> around{u + x, stride}, phi{layer.phi + x, layer.stride};
    const V first = fd_first<R>(around, f, V{}), second = fd_second<R>(around, f, f.center * here),
            first_phi = fd_first<R>(phi, f, V{});
    V sum = V::load(w + x);
    const Index next = x + layer.ahead;
    prefetch(layer.phi + next + R * layer.stride, layer.eta + next);
    if (layer.absorbs) {
      V phi_new, eta = V::load(layer.eta + x);
      sum = sum + pml.forward(first, second, first_phi, phi.template get<0>(), phi_new, eta);
      phi_new.stream(layer.phi_new + x);
      eta.store(layer.eta + x);
    } else {
      sum = sum + second + mul_add(pml.db, first, first_phi);
    }
    sum.store(w + x);
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

// Some rows of a forward step, columns of `span`. w: (rows_per_pass3, pitch) of this thread.
template <int R, class T>
void forward_rows3(const Step<T>& step, const Rows3& rows, const Span& span, T* w) {
  const WaveSetup<T>& s = step.s;
  const WaveLayout& g = s.g;
  const WaveFields<T>& f = step.f;
  const int old = step.parity;
  const Index n = span.end - span.begin, ahead = rows.ahead.of(g.plane, g.pitch);
  second_rows3<R>(s, rows, step.u + rows.z * g.plane + rows.y * g.pitch + span.begin, n, w);
  for (Index y = rows.y; y < rows.y + rows.count; ++y, w += g.pitch) {
    const Index at = rows.z * g.plane + y * g.pitch + span.begin;
    const T* u = step.u + at;
    if (rows.kz >= 0) {
      const Index p = g.z_place(rows.kz, rows.z, y, span.begin);
      forward_across<R>(s.fz, broadcast_cell(s.pz, rows.z),
                        LayerRow<T>{s.pz.b[rows.z] != 0, f.phi_z[old] + p, f.phi_z[1 - old] + p, f.eta_z[0] + p,
                                    g.z_plane, rows.ahead.of(g.z_plane, g.pitch)},
                        u, g.plane, n, w);
    }
    if (rows.ky >= 0) {
      const Index p = g.y_place(rows.ky, rows.z, y, span.begin);
      forward_across<R>(s.fy, broadcast_cell(s.py, y),
                        LayerRow<T>{s.py.b[y] != 0, f.phi_y[old] + p, f.phi_y[1 - old] + p, f.eta_y[0] + p, g.pitch,
                                    rows.ahead.of(g.y_plane, g.pitch)},
                        u, g.pitch, n, w);
    }
    for (Index k = 0; k < g.x_strips; ++k) {
      const WaveStrip& strip = g.x[k];
      if (strip.inner < span.begin || strip.outer > span.end) continue;
      const Index p = g.x_place(k, rows.z, y, strip.inner), from = strip.inner - span.begin;
      forward_along<R>(s.fx, s.px, strip.inner, u + from, f.phi_x[0] + p, f.eta_x[0] + p,
                       rows.ahead.of(g.ny * g.x_pitch, g.x_pitch), strip.outer - strip.inner, w + from);
    }
    if (step.w.any()) {
      advance_keeping(u, step.next + at, s.c + at, w, n, ahead, step.w_at(rows.z, y, span.begin));
    } else {
      advance_row(u, step.next + at, s.c + at, w, n, ahead);
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

// Rows of t and Y around a plane (z: 2 R + 1 slots that roll) or a row (y: all rows of a strip) of a tile.
template <class T>
struct LayerRows {
  T* base = nullptr;
  Index slots = 1, size = 0;  // size: values of a slot
  T* t(Index i) const { return base + i % slots * size; }
  T* y(Index i) const { return t(i) + apart(); }
  Index apart() const { return slots * size; }
  static Index values(Index slots, Index size) { return 2 * slots * size; }
};

// t and Y around a row in a strip, and its weights.
template <int R, class T>
struct LayerStencil {
  const T* t[2 * R + 1] = {};  // Y of the same cells lies `apart` further
  Index apart = 0;
  const T* weights = nullptr;

  // first: slot index of the position -R; shift: place of the row in a slot; weights: of the position.
  LayerStencil(const LayerRows<T>& rows, Index first, Index shift, const T* of_position)
      : apart(rows.apart()), weights(of_position) {
    for (int k = 0; k <= 2 * R; ++k) t[k] = rows.t(first + k) + shift;
  }
};

// Adds the part of L^T q of an axis across the row to w; advances Phi unless b = 0, where it stays zero.
template <int R, class T>
[[gnu::noinline]] void adjoint_across(const FdAxis<T>& axis, const CpmlCell<Lanes<T>>& pml, bool absorbs,
                                      const LayerStencil<R, T>& around, T* phi, Index ahead, Index n, T* w) {
  using V = Lanes<T>;
  const FdAxis<V> f = lanes_of(axis);
  V weight[2 * R + 1];
  unroll<2 * R + 1>([&](auto k) { weight[k] = V::all(around.weights[k]); });
  for (Index x = 0; x < n; x += V::count) {
    V t[2 * R + 1], sum = V::load(w + x);
    prefetch(phi + x + ahead);
    unroll<2 * R + 1>([&](auto k) { t[k] = V::load(around.t[k] + x); });
    unroll<2 * R + 1>([&](auto k) { sum = mul_add(weight[k], t[k], sum); });
    if (absorbs) pml.adjoint_phi(V::load(phi + x), fd_first<R>(Stack<V, R>{t}, f, V{})).store(phi + x);
    (sum - fd_first<R>(RowsAt<R, T>{around.t, x + around.apart}, f, V{})).store(w + x);
  }
}

// Adds what the layer changes along the row, n cells from column `begin` on, backwards.
template <int R, class T>
[[gnu::noinline]] void adjoint_along(const FdAxis<T>& axis, const CpmlProfile<T>& profile, Index begin, const T* q,
                                     T* phi, T* eta, Index ahead, Index n, T* w) {
  using V = Lanes<T>;
  const FdAxis<V> f = lanes_of(axis);
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

// What the adjoint of a tile has prepared for the layers, and room for w of the rows of a pass and of the forward run.
template <class T>
struct LayerWork {
  LayerRows<T> z, y;
  const T *weights_z, *weights_y;  // (nz, 2 R + 1), (ny, 2 R + 1)
  T *w, *back_w;                   // (rows_per_pass3, pitch)
  Index y_tile = 0;                // first row of the tile
};

// Some rows of a step backwards. spans: of whole rows, the core of a boundary ring apart.
template <int R, class T>
void adjoint_rows3(const Step<T>& step, const LayerWork<T>& work, const Rows3& rows, const Spans& spans) {
  const WaveSetup<T>& s = step.s;
  const WaveLayout& g = s.g;
  const Index first = rows.z * g.plane + rows.y * g.pitch, ahead = rows.ahead.of(g.plane, g.pitch);
  second_rows3<R>(s, rows, step.u + first, g.pitch, work.w);
  for (int i = 0; i < spans.count; ++i) {
    const Span& span = spans.span[i];
    if (span.core) {
      second_rows3<R>(s, rows, step.back + first + span.begin, span.end - span.begin, work.back_w + span.begin);
    }
  }
  for (Index y = rows.y; y < rows.y + rows.count; ++y) {
    const Index at = rows.z * g.plane + y * g.pitch;
    const T* q = step.u + at;
    T *w = work.w + (y - rows.y) * g.pitch, *back_w = work.back_w + (y - rows.y) * g.pitch;
    if (rows.kz >= 0) {
      adjoint_across<R>(s.fz, broadcast_cell(s.pz, rows.z), s.pz.b[rows.z] != 0,
                        LayerStencil<R, T>(work.z, rows.z + R + 1, (y - work.y_tile) * g.pitch,
                                           work.weights_z + rows.z * (2 * R + 1)),
                        step.f.phi_z[0] + g.z_place(rows.kz, rows.z, y, 0), rows.ahead.of(g.z_plane, g.pitch), g.pitch,
                        w);
    }
    if (rows.ky >= 0) {
      adjoint_across<R>(s.fy, broadcast_cell(s.py, y), s.py.b[y] != 0,
                        LayerStencil<R, T>(work.y, y - work.y_tile, 0, work.weights_y + y * (2 * R + 1)),
                        step.f.phi_y[0] + g.y_place(rows.ky, rows.z, y, 0), 0, g.pitch, w);
    }
    for (Index k = 0; k < g.x_strips; ++k) {
      const Index begin = g.x[k].begin, p = g.x_place(k, rows.z, y, begin);
      adjoint_along<R>(s.fx, s.px, begin, q + begin, step.f.phi_x[0] + p, step.f.eta_x[0] + p,
                       rows.ahead.of(g.ny * g.x_pitch, g.x_pitch), g.x[k].end - begin, w + begin);
    }
    for (int i = 0; i < spans.count; ++i) {
      const Span& span = spans.span[i];
      const Index b = span.begin, n = span.end - b, cell = at + b;
      if (span.core) {
        advance_rebuilding(q + b, step.next + cell, s.c + cell, w + b, n, ahead, step.back + cell,
                           step.back_next + cell, back_w + b, step.image + cell);
      } else if (step.image != nullptr) {
        advance_imaging(q + b, step.next + cell, s.c + cell, w + b, n, ahead, step.w_at(rows.z, y, b),
                        step.later.at(cell), step.ring != nullptr ? n : ahead, step.image + cell);
      } else {
        advance_row(q + b, step.next + cell, s.c + cell, w + b, n, ahead);
      }
    }
  }
}

}  // namespace terrane::TERRANE_BACKEND
