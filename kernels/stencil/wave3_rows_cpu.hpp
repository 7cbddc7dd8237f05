// SPDX-License-Identifier: MIT
// Rows of the 3-D wave steps on the CPU, in vectors along x: interior rows in pairs, rows in the absorbing layer. What
// differs between calls but not along a row is decided at run time: these functions are most of the compile time.
#pragma once

#include <vector>

#include "kernels/stencil/wave_strips_cpu.hpp"

namespace terrane::TERRANE_BACKEND {

inline constexpr int rows_per_pass3 = 2;  // interior rows that share the loads of the stencil along y

// What a later row will read first. Parts of rows are too short for the hardware to look ahead.
inline constexpr Index rows_ahead = 8;
template <class... P>
TERRANE_HD void prefetch_row(const P*... places) {
  (__builtin_prefetch(places, 0, 2), ...);
}

// Rows y0 .. y1 - 1 of plane z; kz, ky: strips that they lie in, -1: none.
struct Rows3 {
  Index z, y0, y1, kz, ky;
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
      prefetch_row(from.half + i + ahead);
      return HalfLanes::load(from.half + i);
    }
  }
  prefetch_row(from.full + i + ahead);
  return Lanes<T>::load(from.full + i);
}

// A field that takes one step, and what is done with w = lap u on the way.
template <class T>
struct Pass {
  enum What { plain, keep, image, rebuild };
  const T* u;
  T* next;
  What what;  // rebuild: the forward run backwards, whose w gives the image with q = step.u
};

// `Rows` neighbouring rows where nothing is absorbed; at: place of the first cell; w: of that cell.
template <int R, int Rows, class T>
TERRANE_HD void interior_pass3(const Step<T>& step, const Pass<T>& pass, Index at, Index n, const KeptValues<T>& w,
                               Index w_pitch, const FdAxis<Lanes<T>>& fz, const FdAxis<Lanes<T>>& fy,
                               const FdAxis<Lanes<T>>& fx, Lanes<T> center) {
  using V = Lanes<T>;
  const Index pitch = step.s.g.pitch, plane = step.s.g.plane, ahead = rows_ahead * pitch;
  const T *u = pass.u + at, *q = step.u + at, *c = step.s.c + at;
  T *next = pass.next + at, *image = step.image + at;
  Window<T> row[Rows];
  unroll<Rows>([&](auto r) { row[r].start(u + r * pitch); });
  for (Index x = 0; x < n; x += V::count) {
    V around[Rows + 2 * R], lap[Rows];
    unroll<Rows + 2 * R>([&](auto k) {
      if constexpr (k < R || k >= Rows + R) {
        around[k] = V::load(u + x + (k - R) * pitch);
      } else {
        around[k] = row[k - R].template get<0>();
      }
    });
    unroll<Rows>([&](auto r) {
      lap[r] = fd_second<R>(Stack<V, R>{around + r}, fy, center * around[r + R]);
      lap[r] = fd_second<R>(Column<T>{u + x + r * pitch, plane}, fz, lap[r]);
      lap[r] = fd_second<R>(row[r], fx, lap[r]);
    });
    unroll<Rows>([&](auto r) {
      const Index i = x + r * pitch;
      prefetch_row(u + i + R * plane + ahead, c + i + ahead, next + i + ahead);
      if (pass.what == Pass<T>::keep) {
        keep_w(lap[r], w, x + r * w_pitch);
      } else if (pass.what != Pass<T>::plain) {
        prefetch_row(image + i + ahead);
        const bool rebuild = pass.what == Pass<T>::rebuild;
        const V of_u = rebuild ? lap[r] : kept_w(w, x + r * w_pitch, ahead);
        mul_add(rebuild ? V::load(q + i) : around[r + R], of_u, V::load(image + i)).store(image + i);
      }
      leapfrog(around[r + R], V::load(next + i), V::load(c + i), lap[r]).store(next + i);
      row[r].advance(V::load(u + i + 2 * V::count));
    });
  }
}

// A part of some rows where nothing is absorbed.
template <int R, class T>
[[gnu::noinline]] void interior_rows3(const Step<T>& step, const Pass<T>& pass, const Rows3& rows,
                                      const RowPart& part) {
  using V = Lanes<T>;
  const WaveLayout& g = step.s.g;
  const FdAxis<V> fz = lanes_of(step.s.fz), fy = lanes_of(step.s.fy), fx = lanes_of(step.s.fx);
  const V center = fz.center + fy.center + fx.center;
  const Index plane = rows.z * g.plane + part.begin, n = part.end - part.begin;
  const bool uses_w = pass.what == Pass<T>::keep || pass.what == Pass<T>::image;
  const Index w_pitch = uses_w ? step.w_pitch(rows.z, rows.y0, part.begin) : 0;
  const KeptValues<T> w = uses_w ? step.w_at(rows.z, rows.y0, part.begin) : KeptValues<T>{};
  const auto from = [&](Index y) { return w.at((y - rows.y0) * w_pitch); };
  Index y = rows.y0;
  for (; y + rows_per_pass3 <= rows.y1; y += rows_per_pass3) {
    interior_pass3<R, rows_per_pass3>(step, pass, plane + y * g.pitch, n, from(y), w_pitch, fz, fy, fx, center);
  }
  for (; y < rows.y1; ++y) {
    interior_pass3<R, 1>(step, pass, plane + y * g.pitch, n, from(y), w_pitch, fz, fy, fx, center);
  }
}

// Old and new phi and eta of one axis along a row. In rows that only reach into the layer (b = 0) they stay zero.
template <class T>
struct LayerRow {
  bool absorbs;
  const T* phi;
  T* phi_new;
  T* eta;
  Index ahead_phi, ahead;  // where a later row starts
};

// w of one axis in its strip, cells x .. of a row; u, phi: accessors of the field and of the old phi.
template <int R, class T, class Field, class Phi>
TERRANE_HD Lanes<T> absorb_axis(const Field& u, const Phi& phi, Lanes<T> here, const FdAxis<Lanes<T>>& f,
                                const CpmlCell<Lanes<T>>& pml, const LayerRow<T>& layer, Index x) {
  using V = Lanes<T>;
  const V first = fd_first<R>(u, f, V{}), second = fd_second<R>(u, f, f.center * here),
          first_phi = fd_first<R>(phi, f, V{});
  if (!layer.absorbs) return second + mul_add(pml.db, first, first_phi);
  prefetch_row(layer.phi + x + layer.ahead_phi, layer.phi_new + x + layer.ahead, layer.eta + x + layer.ahead);
  V phi_new, eta = V::load(layer.eta + x);
  const V w = pml.forward(first, second, first_phi, phi.template get<0>(), phi_new, eta);
  phi_new.store(layer.phi_new + x);
  eta.store(layer.eta + x);
  return w;
}

// Centre weight of the axes that are not in a strip.
template <class V>
V plain_center(bool in_z, bool in_y, bool in_x, const FdAxis<V>& fz, const FdAxis<V>& fy, const FdAxis<V>& fx) {
  V center{};
  if (!in_z) center = center + fz.center;
  if (!in_y) center = center + fy.center;
  if (!in_x) center = center + fx.center;
  return center;
}

// A part of some rows in the layer; InX: inside a strip of x. phi along x is updated in place.
template <int R, bool InX, class T>
[[gnu::noinline]] void forward_layer3(const Step<T>& step, const Rows3& rows, const RowPart& part) {
  using V = Lanes<T>;
  const WaveLayout& g = step.s.g;
  const WaveFields<T>& f = step.f;
  const FdAxis<V> fz = lanes_of(step.s.fz), fy = lanes_of(step.s.fy), fx = lanes_of(step.s.fx);
  const bool in_z = rows.kz >= 0, in_y = rows.ky >= 0, keep = step.w.any();
  const V center = plain_center(in_z, in_y, InX, fz, fy, fx);
  const Index n = part.end - part.begin;
  const Index ahead = rows_ahead * g.pitch, x_ahead = rows_ahead * g.x_pitch;
  const int old = step.parity;
  const bool z_absorbs = step.s.pz.b[rows.z] != 0;
  const CpmlCell<V> pml_z = broadcast_cell(step.s.pz, rows.z);
  const Index w_pitch = step.w_pitch(rows.z, rows.y0, part.begin);
  const KeptValues<T> kept = step.w_at(rows.z, rows.y0, part.begin);
  for (Index y = rows.y0; y < rows.y1; ++y) {
    const Index from = rows.z * g.plane + y * g.pitch + part.begin;
    const T* u = step.u + from;
    const T* c = step.s.c + from;
    T* next = step.next + from;
    const KeptValues<T> w = kept.at((y - rows.y0) * w_pitch);
    const Index zp = in_z ? g.z_place(rows.kz, rows.z, y, part.begin) : 0;
    const Index yp = in_y ? g.y_place(rows.ky, rows.z, y, part.begin) : 0;
    const Index xp = InX ? g.x_place(part.strip, rows.z, y, part.begin) : 0;
    const LayerRow<T> lz{z_absorbs,       f.phi_z[old] + zp,     f.phi_z[1 - old] + zp,
                         f.eta_z[0] + zp, R * g.z_plane + ahead, ahead};
    const LayerRow<T> ly{step.s.py.b[y] != 0, f.phi_y[old] + yp,   f.phi_y[1 - old] + yp,
                         f.eta_y[0] + yp,     R * g.pitch + ahead, ahead};
    const LayerRow<T> lx{true, f.phi_x[0] + xp, f.phi_x[0] + xp, f.eta_x[0] + xp, x_ahead, x_ahead};
    const CpmlCell<V> pml_y = broadcast_cell(step.s.py, y);
    Window<T> row, phi_row;
    row.start(u);
    if constexpr (InX) phi_row = {V{}, V::load(lx.phi), n > V::count ? V::load(lx.phi + V::count) : V{}};
    for (Index x = 0; x < n; x += V::count) {
      const V here = row.template get<0>();
      const Column<T> along_z{u + x, g.plane}, along_y{u + x, g.pitch};
      prefetch_row(u + x + R * g.plane + ahead, c + x + ahead, next + x + ahead);
      V sum = center * here;
      if (in_z) {
        sum = sum + absorb_axis<R, T>(along_z, Column<T>{lz.phi + x, g.z_plane}, here, fz, pml_z, lz, x);
      } else {
        sum = fd_second<R>(along_z, fz, sum);
      }
      if (in_y) {
        sum = sum + absorb_axis<R, T>(along_y, Column<T>{ly.phi + x, g.pitch}, here, fy, pml_y, ly, x);
      } else {
        sum = fd_second<R>(along_y, fy, sum);
      }
      if constexpr (InX) {
        sum = sum + absorb_axis<R, T>(row, phi_row, here, fx, load_cell(step.s.px, part.begin + x), lx, x);
        phi_row.advance(x + 2 * V::count < n ? V::load(lx.phi + x + 2 * V::count) : V{});  // phi is zero around
      } else {
        sum = fd_second<R>(row, fx, sum);
      }
      if (keep) keep_w(sum, w, x);
      leapfrog(here, V::load(next + x), V::load(c + x), sum).store(next + x);
      row.advance(V::load(u + x + 2 * V::count));
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
  T* y(Index i) const { return base + (slots + i % slots) * size; }
  static Index values(Index slots, Index size) { return 2 * slots * size; }
};

// t and Y around a row in a strip, its phi and its weights.
template <int R, class T>
struct LayerStencil {
  const T *t[2 * R + 1] = {}, *y[2 * R + 1] = {};
  Lanes<T> weight[2 * R + 1];
  bool absorbs = true;  // else Phi stays zero

  // first: slot index of the position -R; shift: place of the row in a slot; weights: of the position.
  TERRANE_HD void start(const LayerRows<T>& rows, Index first, Index shift, const T* weights, bool b) {
    absorbs = b;
    for (int k = 0; k <= 2 * R; ++k) {
      t[k] = rows.t(first + k) + shift;
      y[k] = rows.y(first + k) + shift;
      weight[k] = Lanes<T>::all(weights[k]);
    }
  }
  // Part of L^T q of the axis at place x, added to sum; advances Phi.
  TERRANE_HD Lanes<T> add(Index x, T* phi, const FdAxis<Lanes<T>>& f, const CpmlCell<Lanes<T>>& pml,
                          Lanes<T> sum) const {
    using V = Lanes<T>;
    V rows[2 * R + 1];
    unroll<2 * R + 1>([&](auto k) { rows[k] = V::load(t[k] + x); });
    unroll<2 * R + 1>([&](auto k) { sum = mul_add(weight[k], rows[k], sum); });
    if (absorbs) pml.adjoint_phi(V::load(phi), fd_first<R>(Stack<V, R>{rows}, f, V{})).store(phi);
    return sum - fd_first<R>(RowsAt<R, T>{y, x}, f, V{});
  }
};

// What the adjoint of a tile has prepared for the layers.
template <class T>
struct LayerWork {
  LayerRows<T> z, y;
  const T *weights_z, *weights_y;  // (nz, 2 R + 1), (ny, 2 R + 1)
  Index y_tile = 0;                // first row of the tile
};

// A part of some rows in the layer, backwards.
template <int R, bool InX, class T>
[[gnu::noinline]] void adjoint_layer3(const Step<T>& step, const LayerWork<T>& work, const Rows3& rows,
                                      const RowPart& part) {
  using V = Lanes<T>;
  const WaveSetup<T>& s = step.s;
  const WaveLayout& g = s.g;
  const FdAxis<V> fz = lanes_of(s.fz), fy = lanes_of(s.fy), fx = lanes_of(s.fx);
  const bool in_z = rows.kz >= 0, in_y = rows.ky >= 0, images = step.image != nullptr;
  const V center = plain_center(in_z, in_y, InX, fz, fy, fx);
  const Index n = part.end - part.begin;
  const Index ahead = rows_ahead * g.pitch, x_ahead = rows_ahead * g.x_pitch;
  const CpmlCell<V> pml_z = broadcast_cell(s.pz, rows.z);
  LayerStencil<R, T> around_z, around_y;
  if (in_z) {
    around_z.start(work.z, rows.z + R + 1, 0, work.weights_z + rows.z * (2 * R + 1), s.pz.b[rows.z] != 0);
  }
  const Index w_pitch = images ? step.w_pitch(rows.z, rows.y0, part.begin) : 0;
  const KeptValues<T> kept = images ? step.w_at(rows.z, rows.y0, part.begin) : KeptValues<T>{};
  for (Index y = rows.y0; y < rows.y1; ++y) {
    const Index from = rows.z * g.plane + y * g.pitch + part.begin;
    const T* q = step.u + from;
    const T* c = s.c + from;
    T* next = step.next + from;
    const KeptValues<T> w = kept.at((y - rows.y0) * w_pitch);
    T* image = step.image + from;
    T* phi_z = step.f.phi_z[0] + (in_z ? g.z_place(rows.kz, rows.z, y, part.begin) : 0);
    T* phi_y = step.f.phi_y[0] + (in_y ? g.y_place(rows.ky, rows.z, y, part.begin) : 0);
    const Index shift_z = (y - work.y_tile) * g.pitch + part.begin;
    if (in_y) {
      around_y.start(work.y, y - work.y_tile, part.begin, work.weights_y + y * (2 * R + 1), s.py.b[y] != 0);
    }
    const CpmlCell<V> pml_y = broadcast_cell(s.py, y);
    const Index xp = InX ? g.x_place(part.strip, rows.z, y, part.begin) : 0;
    T *phi_x = step.f.phi_x[0] + xp, *eta_x = step.f.eta_x[0] + xp;
    Window<T> row;
    StripWindows<T> strip{s.px, q, phi_x, eta_x, part.begin, n, {}, {}, {}};
    if constexpr (InX) {
      strip.start();
    } else {
      row.start(q);
    }
    for (Index x = 0; x < n; x += V::count) {
      const V here = V::load(q + x);
      prefetch_row(q + x + R * g.plane + ahead, c + x + ahead, next + x + ahead);
      V lap = center * here;
      if (in_z) {
        lap = around_z.add(shift_z + x, phi_z + x, fz, pml_z, lap);
      } else {
        lap = fd_second<R>(Column<T>{q + x, g.plane}, fz, lap);
      }
      if (in_y) {
        lap = around_y.add(x, phi_y + x, fy, pml_y, lap);
      } else {
        lap = fd_second<R>(Column<T>{q + x, g.pitch}, fy, lap);
      }
      if constexpr (InX) {
        lap = fd_second<R>(strip.e, fx, mul_add(fx.center, strip.e.mid, lap)) - fd_first<R>(strip.y, fx, V{});
        const CpmlCell<V> pml_x = load_cell(s.px, part.begin + x);
        prefetch_row(phi_x + x + x_ahead, eta_x + x + x_ahead);
        pml_x.adjoint_phi(V::load(phi_x + x), fd_first<R>(strip.t, fx, V{})).store(phi_x + x);
        strip.advance(x);
      } else {
        lap = fd_second<R>(row, fx, lap);
        row.advance(V::load(q + x + 2 * V::count));
      }
      if (images) {
        prefetch_row(image + x + ahead);
        mul_add(here, kept_w(w, x, ahead), V::load(image + x)).store(image + x);
      }
      leapfrog(here, V::load(next + x), V::load(c + x), lap).store(next + x);
    }
  }
}

}  // namespace terrane::TERRANE_BACKEND
