// SPDX-License-Identifier: MIT
// What the CPU rows of the 2-D and the 3-D wave steps share: one step, w in full precision or as bfloat16, rows cut at
// the strips of the absorbing layer, the layer along the row in vectors.
#pragma once

#include "kernels/stencil/lanes_cpu.hpp"
#include "kernels/stencil/wave.hpp"

namespace terrane::TERRANE_BACKEND {

// One time step of one shot; fields point at cell (0, 0, 0).
template <class T>
struct Step {
  const WaveSetup<T>& s;
  const WaveFields<T>& f;
  const T* u;
  T* next;                               // holds the previous field, receives the next
  KeptValues<T> w;                       // to write (forward) or to image with (adjoint); may be null
  const WaveRingLayout* ring = nullptr;  // w of the cells outside its core only; null: of all cells
  int parity = 0;                        // selects the old phi
  KeptValues<T> background{};            // tangent: stored w_0, may be null
  const T* tangent = nullptr;            // m
  T background_scale = 1;
  T* image = nullptr;     // adjoint; may be null
  KeptValues<T> later{};  // adjoint: w of the step before (later in time), whose image is still to be added with `next`
  T* scratch = nullptr;   // adjoint in two dimensions: rolling rows of a strip
  const T* back = nullptr;  // adjoint with a ring: field of the forward run, null otherwise
  T* back_next = nullptr;   // holds the later field, receives the earlier

  // w from cell (z, y, begin) on, and what lies between the same cells of two rows.
  KeptValues<T> w_at(Index z, Index y, Index begin) const {
    if (!w.any()) return w;
    return w.at(ring != nullptr ? ring->strips.place(z, y, begin) : z * s.g.plane + y * s.g.pitch + begin);
  }
  Index w_pitch(Index z, Index y, Index begin) const {
    return ring != nullptr && w.any() ? ring->strips.box[ring->strips.box_of(z, y, begin)].columns : s.g.pitch;
  }
};

// Eight or sixteen floats as bfloat16; values that are read again only after many megabytes go past the caches.
struct HalfLanes {
  static constexpr int count = Lanes<float>::count;
  typedef std::uint32_t Wide __attribute__((vector_size(Lanes<float>::bytes)));
  typedef std::uint16_t Narrow __attribute__((vector_size(Lanes<float>::bytes / 2), may_alias, aligned(2)));

  static TERRANE_HD Lanes<float> load(const std::uint16_t* p) {
    const Wide wide = __builtin_convertvector(*reinterpret_cast<const Narrow*>(p), Wide) << 16;
    return {(Lanes<float>::Native)wide};
  }
  static TERRANE_HD void stream(Lanes<float> x, std::uint16_t* p) {
    const Wide u = (Wide)x.v, rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
#if defined(__AVX512F__)
    _mm256_stream_si256(reinterpret_cast<__m256i*>(p),
                        _mm512_maskz_cvtepi32_epi16(static_cast<__mmask16>(-1), (__m512i)rounded));
#else
    *reinterpret_cast<Narrow*>(p) = __builtin_convertvector(rounded, Narrow);
#endif
  }
};

// Part of a row: columns [begin, end), multiples of the register; strip: index of the x strip or -1.
struct RowPart {
  Index begin = 0, end = 0, strip = -1;
};
struct RowParts {
  RowPart part[5];
  int count = 0;
};

// Strip of a row or plane as the forward operator sees it; -1: none.
inline Index forward_strip(const WaveStrip* strips, Index count, Index position) {
  for (Index k = 0; k < count; ++k) {
    if (position >= strips[k].inner && position < strips[k].outer) return k;
  }
  return -1;
}
// Where the strip of a position, or the cells between strips, end; at most `end`.
inline Index whole_end(const WaveStrip* strips, Index count, Index position, Index end) {
  for (Index k = 0; k < count; ++k) {
    if (position < strips[k].begin) return std::min(end, strips[k].begin);
    if (position < strips[k].end) return std::min(end, strips[k].end);
  }
  return end;
}
// Number of positions from `begin` on, before `end`, in the same strip, which is returned as well.
inline Index passed_together(const WaveStrip* strips, Index count, Index begin, Index end, Index& strip) {
  strip = forward_strip(strips, count, begin);
  Index at = begin + 1;
  while (at < end && forward_strip(strips, count, at) == strip) ++at;
  return at - begin;
}

// forward: strips as the forward operator sees them.
inline RowParts cut_row(const WaveLayout& g, bool forward = false) {
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

// t, Y and E (Excess: less q) of neighbouring columns of an x strip, as three windows that move together.
template <class T, bool Excess = false>
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
    tx = V::load(q + x);
    ex = Excess ? V{} : tx;
    yx = V{};
  }
  TERRANE_HD void inside(Index x, V& ex, V& yx, V& tx) {
    const CpmlCell<V> pml = load_cell(p, begin + x);
    const V here = V::load(q + x), h = V::load(eta + x);
    tx = pml.adjoint_t(here, h);
    ex = Excess ? pml.adjoint_second(tx) - here : pml.adjoint_second(tx);
    yx = pml.adjoint_first(tx, V::load(phi + x));
    pml.adjoint_eta(here, h).store(eta + x);
  }
};

}  // namespace terrane::TERRANE_BACKEND
