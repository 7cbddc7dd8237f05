// SPDX-License-Identifier: MIT
// CPU: parts of a row of a wave step backwards, in the absorbing layer and in the core of a boundary ring.
// For wave.cpu.cpp.
#pragma once

#include "kernels/stencil/wave_rows_cpu.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

// Rolling rows of a z strip: t and Y (goes through -D1). Row r is in slot r mod (2 R + 1).
template <int R, class T>
struct RollingRows {
  static constexpr Index slots = 2 * R + 1;
  T* base;
  Index pitch;
  T* t(Index z) const { return base + slot(z); }
  T* y(Index z) const { return base + slots * pitch + slot(z); }
  Index slot(Index z) const { return (z + slots) % slots * pitch; }  // z >= -R
};

// Puts row z among the rolling rows and advances H there.
template <int R, class T>
[[gnu::noinline]] void adjoint_rolling_row(const Step<T>& step, const RollingRows<R, T>& rolling,
                                           const WaveStrip& strip, Index z) {
  using V = Lanes<T>;
  const Index pitch = rolling.pitch;
  const T* q = step.u + z * pitch;  // rows around the cells are zeros or images
  T *t = rolling.t(z), *y = rolling.y(z);
  if (z < strip.begin || z >= strip.end) {
    for (Index x = 0; x < pitch; x += V::count) {
      V::load(q + x).store(t + x);
      V{}.store(y + x);
    }
    return;
  }
  const CpmlCell<V> pml = broadcast_cell(step.s.pz, z);
  const Index place = (strip.offset + z - strip.begin) * pitch;
  const T* phi = step.f.phi_z[0] + place;
  T* eta = step.f.eta_z[0] + place;
  for (Index x = 0; x < pitch; x += V::count) {
    const V here = V::load(q + x), h = V::load(eta + x), tx = pml.adjoint_t(here, h);
    tx.store(t + x);
    pml.adjoint_first(tx, V::load(phi + x)).store(y + x);
    pml.adjoint_eta(here, h).store(eta + x);
  }
}

// Some rows of a part in the layer, backwards; inside a z strip one, whose rolling rows are there.
template <int R, bool InZ, bool InX, Image I, class T>
[[gnu::noinline]] void adjoint_layer(const Step<T>& step, const RollingRows<R, T>& rolling, Index z, Index z_row,
                                     const RowPart& part, Index rows) {
  using V = Lanes<T>;
  const WaveLayout& g = step.s.g;
  const Index n = part.end - part.begin;
  const FdAxis<V> fz = lanes_of(step.s.fz), fx = lanes_of(step.s.fx);
  for (const Index behind = z + rows; z < behind; ++z, ++z_row) {
    const Index at = z * g.pitch + part.begin;
    const T* q = step.u + at;
    const T* c = step.s.c + at;
    T* next = step.next + at;
    const KeptValues<T> w = step.w_at(z, 0, part.begin);
    T* image = I == Image::no ? nullptr : step.image + at;
    const T *y[2 * R + 1], *t[2 * R + 1];
    for (int k = -R; k <= R && InZ; ++k) {
      y[k + R] = rolling.y(z + k) + part.begin;
      t[k + R] = rolling.t(z + k) + part.begin;
    }
    const RowWeights<R, T> weights(step.s.fz, step.s.pz.b, z, g.nz);
    T* phi_z = step.f.phi_z[0] + (InZ ? z_row * g.pitch + part.begin : 0);
    const Index xp = InX ? z * g.x_pitch + g.x[part.strip].offset : 0;
    T* phi_x = step.f.phi_x[0] + xp;
    const CpmlCell<V> pml_z = broadcast_cell(step.s.pz, z);
    Window<T> row;
    StripWindows<T> strip{step.s.px, q, phi_x, step.f.eta_x[0] + xp, part.begin, n, {}, {}, {}};
    if constexpr (InX) {
      strip.start();
    } else {
      row.start(q);
    }
    for (Index x = 0; x < n; x += V::count) {
      const V here = V::load(q + x);
      V lap;
      if constexpr (InZ) {
        V around[2 * R + 1];
        unroll<2 * R + 1>([&](auto k) { around[k] = V::load(t[k] + x); });
        lap = weights.w[0] * around[0];
        unroll<2 * R>([&](auto k) { lap = mul_add(weights.w[k + 1], around[k + 1], lap); });
        lap = lap - fd_first<R>(RowsAt<R, T>{y, x}, fz, V{});
        pml_z.adjoint_phi(V::load(phi_z + x), fd_first<R>(Stack<V, R>{around}, fz, V{})).store(phi_z + x);
      } else {
        lap = fd_second<R>(Column<T>{q + x, g.pitch}, fz, fz.center * here);
      }
      if constexpr (InX) {
        lap = fd_second<R>(strip.e, fx, mul_add(fx.center, strip.e.mid, lap)) - fd_first<R>(strip.y, fx, V{});
        const CpmlCell<V> pml_x = load_cell(step.s.px, part.begin + x);
        pml_x.adjoint_phi(V::load(phi_x + x), fd_first<R>(strip.t, fx, V{})).store(phi_x + x);
        strip.advance(x);
      } else {
        lap = fd_second<R>(row, fx, mul_add(fx.center, here, lap));
        row.advance(V::load(q + x + 2 * V::count));
      }
      if constexpr (I != Image::no) {
        mul_add(here, kept_w<I>(w, x), V::load(image + x)).store(image + x);
      }
      leapfrog(here, V::load(next + x), V::load(c + x), lap).store(next + x);
    }
  }
}

// Rows z .. z + Rows - 1 of the core: the forward run one step backwards, image and adjoint in one pass.
template <int R, int Rows, class T>
[[gnu::noinline]] void core_rows(const Step<T>& step, Index z, const RowPart& part) {
  using V = Lanes<T>;
  const Index pitch = step.s.g.pitch, at = z * pitch + part.begin, n = part.end - part.begin;
  const FdAxis<V> fz = lanes_of(step.s.fz), fx = lanes_of(step.s.fx);
  const T *q = step.u + at, *u = step.back + at, *c = step.s.c + at;
  T *q_next = step.next + at, *u_next = step.back_next + at, *image = step.image + at;
  Window<T> q_row[Rows], u_row[Rows];
  unroll<Rows>([&](auto r) {
    q_row[r].start(q + r * pitch);
    u_row[r].start(u + r * pitch);
  });
  for (Index x = 0; x < n; x += V::count) {
    V here[Rows], w[Rows], q_here[Rows], lap[Rows], cell[Rows];
    laplacian_rows<R, Rows>(u + x, pitch, u_row, fz, fx, here, w);
    unroll<Rows>([&](auto r) {
      const Index i = x + r * pitch;
      cell[r] = V::load(c + i);
      leapfrog(here[r], V::load(u_next + i), cell[r], w[r]).store(u_next + i);
    });
    laplacian_rows<R, Rows>(q + x, pitch, q_row, fz, fx, q_here, lap);
    unroll<Rows>([&](auto r) {
      const Index i = x + r * pitch;
      mul_add(q_here[r], w[r], V::load(image + i)).store(image + i);
      leapfrog(q_here[r], V::load(q_next + i), cell[r], lap[r]).store(q_next + i);
    });
  }
}

}  // namespace
}  // namespace terrane::TERRANE_BACKEND
