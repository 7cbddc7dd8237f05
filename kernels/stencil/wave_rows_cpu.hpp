// SPDX-License-Identifier: MIT
// CPU: parts of a row of a wave step, forward, and backwards where nothing is absorbed. For wave.cpu.cpp.
#pragma once

#include "kernels/stencil/wave_strips_cpu.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

constexpr int rows_per_pass = 2;  // interior rows that share the loads of the vertical stencil

// What happens to w: nothing, written to the caches, past them, or as bfloat16 past them.
enum class Keep { no, cached, streamed, half };
// Where w of the image comes from.
enum class Image { no, full, half };
constexpr Index streamed_bytes = Index{16} << 20;  // snapshots of a shot that no cache holds until the adjoint

template <Keep K, class T>
TERRANE_HD void keep_w(Lanes<T> w, const KeptValues<T>& to, Index i) {
  if constexpr (K == Keep::cached) w.store(to.full + i);
  if constexpr (K == Keep::streamed) w.stream(to.full + i);
  if constexpr (K == Keep::half && sizeof(T) == 4) HalfLanes::stream(w, to.half + i);
}
// Snapshots come from main memory; the hardware alone does not look far enough ahead, across pages.
template <Image I, class T>
TERRANE_HD Lanes<T> kept_w(const KeptValues<T>& from, Index i) {
  if constexpr (I == Image::half && sizeof(T) == 4) {
    __builtin_prefetch(from.half + i + 4096 / sizeof(T));
    return HalfLanes::load(from.half + i);
  } else {
    __builtin_prefetch(from.full + i + 4096 / sizeof(T));
    return Lanes<T>::load(from.full + i);
  }
}
// lap u of Rows rows at register x; advances the windows of the rows.
template <int R, int Rows, class T>
TERRANE_HD void laplacian_rows(const T* u, Index pitch, Window<T>* row, const FdAxis<Lanes<T>>& fz,
                               const FdAxis<Lanes<T>>& fx, Lanes<T>* here, Lanes<T>* lap) {
  using V = Lanes<T>;
  V around[Rows + 2 * R];
  unroll<Rows + 2 * R>([&](auto k) {
    if constexpr (k < R || k >= Rows + R) {
      around[k] = V::load(u + (k - R) * pitch);
    } else {
      around[k] = row[k - R].template get<0>();
    }
  });
  unroll<Rows>([&](auto r) {
    here[r] = around[r + R];
    lap[r] = fd_second<R>(Stack<V, R>{around + r}, fz, (fz.center + fx.center) * here[r]);
    lap[r] = fd_second<R>(row[r], fx, lap[r]);
    row[r].advance(V::load(u + r * pitch + 2 * V::count));
  });
}

// Rows z .. z + Rows - 1 of a part where nothing is absorbed. Forward: K says where w goes. Adjoint: I adds q w.
template <int R, int Rows, Keep K, Image I, class T>
[[gnu::noinline]] void interior_rows(const Step<T>& step, Index z, const RowPart& part) {
  using V = Lanes<T>;
  const Index pitch = step.s.g.pitch, at = z * pitch + part.begin, n = part.end - part.begin;
  const FdAxis<V> fz = lanes_of(step.s.fz), fx = lanes_of(step.s.fx);
  const T* u = step.u + at;
  const T* c = step.s.c + at;
  T* next = step.next + at;
  const KeptValues<T> w = step.w_at(z, 0, part.begin);
  T* image = I == Image::no ? nullptr : step.image + at;
  Window<T> row[Rows];
  unroll<Rows>([&](auto r) { row[r].start(u + r * pitch); });
  for (Index x = 0; x < n; x += V::count) {
    V here[Rows], lap[Rows];
    laplacian_rows<R, Rows>(u + x, pitch, row, fz, fx, here, lap);
    unroll<Rows>([&](auto r) {
      const Index i = x + r * pitch;
      keep_w<K>(lap[r], w, i);
      if constexpr (I != Image::no) {
        mul_add(here[r], kept_w<I>(w, i), V::load(image + i)).store(image + i);
      }
      leapfrog(here[r], V::load(next + i), V::load(c + i), lap[r]).store(next + i);
    });
  }
}

// Some rows of a part; InZ, InX: inside a strip of that axis. z_row: place of the first row in the z strip storage.
template <int R, bool InZ, bool InX, Keep K, class T>
[[gnu::noinline]] void forward_layer(const Step<T>& step, Index z, Index z_row, const RowPart& part, Index rows) {
  using V = Lanes<T>;
  const WaveLayout& g = step.s.g;
  const Index n = part.end - part.begin;
  const FdAxis<V> fz = lanes_of(step.s.fz), fx = lanes_of(step.s.fx);
  for (const Index behind = z + rows; z < behind; ++z, ++z_row) {
    const Index at = z * g.pitch + part.begin;
    const T* u = step.u + at;
    const T* c = step.s.c + at;
    T* next = step.next + at;
    const KeptValues<T> w = step.w_at(z, 0, part.begin);
    const Index zp = InZ ? z_row * g.pitch + part.begin : 0;
    const Index xp = InX ? z * g.x_pitch + g.x[part.strip].offset : 0;
    const T* phi_z = step.f.phi_z[step.parity] + zp;
    T* phi_z_new = step.f.phi_z[1 - step.parity] + zp;
    T* eta_z = step.f.eta_z[0] + zp;
    T* phi_x = step.f.phi_x[0] + xp;
    T* eta_x = step.f.eta_x[0] + xp;
    const CpmlCell<V> pml_z = broadcast_cell(step.s.pz, z);
    Window<T> row, phi_row;
    row.start(u);
    if constexpr (InX) phi_row.start(phi_x);
    for (Index x = 0; x < n; x += V::count) {
      const V here = row.template get<0>();
      const Column<T> column{u + x, g.pitch};
      V sum;
      if constexpr (InZ) {
        const Column<T> phi{phi_z + x, g.pitch};
        V phi_new, eta = V::load(eta_z + x);
        sum = pml_z.forward(fd_first<R>(column, fz, V{}), fd_second<R>(column, fz, fz.center * here),
                            fd_first<R>(phi, fz, V{}), phi.template get<0>(), phi_new, eta);
        phi_new.store(phi_z_new + x);
        eta.store(eta_z + x);
      } else {
        sum = fd_second<R>(column, fz, fz.center * here);
      }
      if constexpr (InX) {
        const CpmlCell<V> pml_x = load_cell(step.s.px, part.begin + x);
        V phi_new, eta = V::load(eta_x + x);
        sum = sum + pml_x.forward(fd_first<R>(row, fx, V{}), fd_second<R>(row, fx, fx.center * here),
                                  fd_first<R>(phi_row, fx, V{}), phi_row.template get<0>(), phi_new, eta);
        phi_new.store(phi_x + x);
        eta.store(eta_x + x);
        phi_row.advance(V::load(phi_x + x + 2 * V::count));
      } else {
        sum = fd_second<R>(row, fx, mul_add(fx.center, here, sum));
      }
      keep_w<K>(sum, w, x);
      leapfrog(here, V::load(next + x), V::load(c + x), sum).store(next + x);
      row.advance(V::load(u + x + 2 * V::count));
    }
  }
}

}  // namespace
}  // namespace terrane::TERRANE_BACKEND
