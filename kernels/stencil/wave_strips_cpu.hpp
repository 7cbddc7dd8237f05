// SPDX-License-Identifier: MIT
// What the CPU schedules of the 2-D and the 3-D wave steps share: rows cut at the strips of the absorbing layer, the
// layer along the row in vectors, traces in blocks of samples.
#pragma once

#include "kernels/stencil/lanes_cpu.hpp"
#include "kernels/stencil/wave.hpp"

namespace terrane::TERRANE_BACKEND {

// Part of a row: columns [begin, end), multiples of the register; strip: index of the x strip or -1.
struct RowPart {
  Index begin = 0, end = 0, strip = -1;
};
struct RowParts {
  RowPart part[5];
  int count = 0;
};

// forward: strips as the forward operator sees them.
template <class Layout>
RowParts cut_row(const Layout& g, bool forward = false) {
  RowParts parts;
  Index at = 0;
  for (Index k = 0; k < g.x_strips; ++k) {
    const Index begin = forward ? g.x[k].inner : g.x[k].begin, end = forward ? g.x[k].outer : g.x[k].end;
    if (begin > at) parts.part[parts.count++] = {at, begin, -1};
    parts.part[parts.count++] = {begin, end, k};
    at = end;
  }
  if (at < g.pitch) parts.part[parts.count++] = {at, g.pitch, -1};
  return parts;
}

template <class T>
TERRANE_HD CpmlCell<Lanes<T>> load_cell(const CpmlProfile<T>& p, Index i) {
  return {Lanes<T>::load(p.a + i), Lanes<T>::load(p.b + i), Lanes<T>::load(p.db + i)};
}
template <class T>
TERRANE_HD CpmlCell<Lanes<T>> broadcast_cell(const CpmlProfile<T>& p, Index i) {
  return {Lanes<T>::all(p.a[i]), Lanes<T>::all(p.b[i]), Lanes<T>::all(p.db[i])};
}

// Weight k of D2((1 + b) t) at cell i of n: c_k (1 + b_{i+k}). Cells outside the grid: b does not matter.
template <class T>
T layer_weight(const FdAxis<T>& f, const T* b, Index i, int k, Index n) {
  const T weight = k == 0 ? f.center : f.second[(k < 0 ? -k : k) - 1];
  return i + k >= 0 && i + k < n ? mul_add(weight, b[i + k], weight) : weight;
}

// Weights of row z, k = -R .. R.
template <int R, class T>
struct RowWeights {
  Lanes<T> w[2 * R + 1];
  RowWeights(const FdAxis<T>& f, const T* b, Index z, Index nz) {
    for (int k = -R; k <= R; ++k) w[k + R] = Lanes<T>::all(layer_weight(f, b, z, k, nz));
  }
};

// t, Y and E of neighbouring columns of an x strip, as three windows that move together.
template <class T>
struct StripWindows {
  using V = Lanes<T>;
  const CpmlProfile<T> p;
  const T* q;
  const T* phi;
  T* eta;
  Index begin, n;
  Window<T> e, y, t;

  void start() {
    outside(-V::count, e.left, y.left, t.left);
    inside(0, e.mid, y.mid, t.mid);
    at(V::count, e.right, y.right, t.right);
  }
  TERRANE_HD void advance(Index x) {  // from column x to the next register
    V next_e, next_y, next_t;
    at(x + 2 * V::count, next_e, next_y, next_t);
    e.advance(next_e);
    y.advance(next_y);
    t.advance(next_t);
  }

 private:
  TERRANE_HD void at(Index x, V& ex, V& yx, V& tx) {
    if (x < n) {
      inside(x, ex, yx, tx);
    } else {
      outside(x, ex, yx, tx);
    }
  }
  // Beside the strip nothing is absorbed, or the grid has ended and q is zero.
  TERRANE_HD void outside(Index x, V& ex, V& yx, V& tx) {
    ex = tx = V::load(q + x);
    yx = V{};
  }
  TERRANE_HD void inside(Index x, V& ex, V& yx, V& tx) {
    const CpmlCell<V> pml = load_cell(p, begin + x);
    const V here = V::load(q + x), h = V::load(eta + x);
    tx = pml.adjoint_t(here, h);
    ex = pml.adjoint_second(tx);
    yx = pml.adjoint_first(tx, V::load(phi + x));
    pml.adjoint_eta(here, h).store(eta + x);
  }
};

// Traces of one shot, a block of samples at a time: tile[(n mod tile) * traces + l].
template <class T>
void write_tile(const T* tile, Index traces, T* data, Index nt, Index n0, Index n1) {
  for (Index l = 0; l < traces; ++l) {
    for (Index n = n0; n < n1; ++n) data[l * nt + n] = tile[(n - n0) * traces + l];
  }
}
template <class T>
void read_tile(T* tile, Index traces, const T* data, Index nt, Index n0, Index n1) {
  for (Index l = 0; l < traces; ++l) {
    for (Index n = n0; n < n1; ++n) tile[(n - n0) * traces + l] = data[l * nt + n];
  }
}

template <class T>
struct Recorder {
  const WavePoints<T>& points;
  T* tile;
  T* data;  // of this shot; may be null
  Index nt, shot, begin;

  void sample(const T* u, Index n, bool last) {
    if (data == nullptr) return;
    const Index traces = points.per_shot, count = points.count[shot];
    T* row = tile + (n - begin) * traces;
    for (Index l = 0; l < count; ++l) row[l] = points.record(u, points.first[shot] + l);
    for (Index l = count; l < traces; ++l) row[l] = 0;
    if (n + 1 - begin < wave_tile_steps && !last) return;
    write_tile(tile, traces, data, nt, begin, n + 1);
    begin = n + 1;
  }
};

}  // namespace terrane::TERRANE_BACKEND
