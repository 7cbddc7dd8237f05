// SPDX-License-Identifier: MIT
// CPU schedule of the wave steps: one shot a task, the time loop inside the task, so that no step waits for another
// thread. A row is cut at the strips of the absorbing layer; every part is computed once, in vectors, without branches.
#include "kernels/stencil/wave.hpp"

#include <algorithm>

#include "kernels/runtime/kernel.hpp"
#include "kernels/runtime/parallel.hpp"
#include "kernels/stencil/lanes_cpu.hpp"

namespace terrane::TERRANE_BACKEND {
namespace {

constexpr int rows_per_pass = 2;  // interior rows that share the loads of the vertical stencil

// What happens to w: nothing, written to the caches, or written past them.
enum class Keep { no, cached, streamed };
constexpr Index streamed_bytes = Index{16} << 20;  // snapshots of a shot that no cache holds until the adjoint

// One time step of one shot; fields point at cell (0, 0).
template <class T>
struct Step {
  const WaveSetup<T>& s;
  const WaveFields<T>& f;
  const T* u;
  T* next;              // holds the previous field, receives the next
  T* w;                 // snapshot to write (forward) or to image with (adjoint); may be null
  const T* background;  // tangent: stored w_0, may be null
  T* image;             // adjoint
  int parity;           // selects the old phi
  T* scratch;           // adjoint: ring of strip rows
};

// Part of a row: columns [begin, end), multiples of the register; strip: index of the x strip or -1.
struct RowPart {
  Index begin = 0, end = 0, strip = -1;
};
struct RowParts {
  RowPart part[5];
  int count = 0;
};

RowParts cut_row(const WaveLayout& g) {
  RowParts parts;
  Index at = 0;
  for (Index k = 0; k < g.x_strips; ++k) {
    if (g.x[k].begin > at) parts.part[parts.count++] = {at, g.x[k].begin, -1};
    parts.part[parts.count++] = {g.x[k].begin, g.x[k].end, k};
    at = g.x[k].end;
  }
  if (at < g.pitch) parts.part[parts.count++] = {at, g.pitch, -1};
  return parts;
}

template <Keep K, class T>
TERRANE_HD void keep_w(Lanes<T> w, T* to) {
  if constexpr (K == Keep::cached) w.store(to);
  if constexpr (K == Keep::streamed) w.stream(to);
}
template <class T>
TERRANE_HD CpmlCell<Lanes<T>> load_cell(const CpmlProfile<T>& p, Index i) {
  return {Lanes<T>::load(p.a + i), Lanes<T>::load(p.b + i), Lanes<T>::load(p.db + i)};
}
template <class T>
TERRANE_HD CpmlCell<Lanes<T>> broadcast_cell(const CpmlProfile<T>& p, Index i) {
  return {Lanes<T>::all(p.a[i]), Lanes<T>::all(p.b[i]), Lanes<T>::all(p.db[i])};
}

// Snapshots come from main memory; the hardware alone does not look far enough ahead, across pages.
template <class T>
TERRANE_HD void prefetch_w(const T* w) {
  __builtin_prefetch(w + 4096 / sizeof(T));
}

// Rows z .. z + Rows - 1 of a part where nothing is absorbed. Forward: K says where w goes. Adjoint: Image adds q w.
template <int R, int Rows, Keep K, bool Image, class T>
[[gnu::noinline]] void interior_rows(const Step<T>& step, Index z, const RowPart& part) {
  using V = Lanes<T>;
  const Index pitch = step.s.g.pitch, at = z * pitch + part.begin, n = part.end - part.begin;
  const FdAxis<V> fz = lanes_of(step.s.fz), fx = lanes_of(step.s.fx);
  const V center = fz.center + fx.center;
  const T* u = step.u + at;
  const T* c = step.s.c + at;
  T* next = step.next + at;
  T* w = step.w + at;
  T* image = step.image + at;
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
      lap[r] = fd_second<R>(Stack<V, R>{around + r}, fz, center * around[r + R]);
      lap[r] = fd_second<R>(row[r], fx, lap[r]);
    });
    unroll<Rows>([&](auto r) {
      const Index i = x + r * pitch;
      keep_w<K>(lap[r], w + i);
      if constexpr (Image) {
        prefetch_w(w + i);
        mul_add(around[r + R], V::load(w + i), V::load(image + i)).store(image + i);
      }
      leapfrog(around[r + R], V::load(next + i), V::load(c + i), lap[r]).store(next + i);
      row[r].advance(V::load(u + i + 2 * V::count));
    });
  }
}

// One row of a part; InZ, InX: inside a strip of that axis. z_row: place of the row in the z strip storage.
template <int R, bool InZ, bool InX, Keep K, class T>
[[gnu::noinline]] void forward_layer(const Step<T>& step, Index z, Index z_row, const RowPart& part) {
  using V = Lanes<T>;
  const WaveLayout& g = step.s.g;
  const Index at = z * g.pitch + part.begin, n = part.end - part.begin;
  const FdAxis<V> fz = lanes_of(step.s.fz), fx = lanes_of(step.s.fx);
  const T* u = step.u + at;
  const T* c = step.s.c + at;
  T* next = step.next + at;
  T* w = step.w + at;
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
    keep_w<K>(sum, w + x);
    leapfrog(here, V::load(next + x), V::load(c + x), sum).store(next + x);
    row.advance(V::load(u + x + 2 * V::count));
  }
}

// Strip of row z as the forward operator sees it; -1: none.
inline Index forward_strip(const WaveLayout& g, Index z) {
  const Index k = g.z_strip(z);
  return k >= 0 && z >= g.z[k].inner && z < g.z[k].outer ? k : -1;
}

template <int R, Keep K, class T>
void forward_step(const Step<T>& step, const RowParts& parts) {
  const WaveLayout& g = step.s.g;
  for (Index z = 0; z < g.nz;) {
    const Index k = forward_strip(g, z);
    const bool pass = k < 0 && z + rows_per_pass <= g.nz && forward_strip(g, z + rows_per_pass - 1) < 0;
    const Index rows = pass ? rows_per_pass : 1, z_row = k < 0 ? 0 : g.z[k].offset + z - g.z[k].begin;
    for (int i = 0; i < parts.count; ++i) {
      const RowPart& part = parts.part[i];
      if (k >= 0 && part.strip >= 0) {
        forward_layer<R, true, true, K>(step, z, z_row, part);
      } else if (k >= 0) {
        forward_layer<R, true, false, K>(step, z, z_row, part);
      } else if (part.strip >= 0) {
        for (Index r = 0; r < rows; ++r) forward_layer<R, false, true, K>(step, z + r, 0, part);
      } else if (pass) {
        interior_rows<R, rows_per_pass, K, false>(step, z, part);
      } else {
        interior_rows<R, 1, K, false>(step, z, part);
      }
    }
    z += rows;
  }
}

// Antisymmetric images above row 0.
template <class T>
void free_surface_images(const WaveLayout& g, T* u) {
  if (!g.free_surface) return;
  for (Index k = 1; k <= g.radius; ++k) {
    const T* below = u + k * g.pitch;
    T* above = u - k * g.pitch;
    for (Index x = 0; x < g.pitch; ++x) above[x] = -below[x];
  }
}

template <class T>
WaveFields<T> fields_of_shot(const WaveFields<T>& f, const WaveLayout& g, Index shot) {
  WaveFields<T> one = f;
  for (int p = 0; p < 2; ++p) {
    one.u[p] += shot * g.field + g.origin;
    one.phi_z[p] += shot * g.z_field;
    one.phi_x[p] += shot * g.x_field;
    one.eta_z[p] += shot * g.z_field;
    one.eta_x[p] += shot * g.x_field;
  }
  return one;
}

// Adds the tangent's source term m w_0 to the field and to w.
template <class T>
void add_background(const Step<T>& step, const T* m, T scale) {
  const T* c = step.s.c;
  const T* background = step.background;
  T* next = step.next;
#pragma GCC ivdep
  for (Index i = 0; i < step.s.g.cells; ++i) next[i] = mul_add(c[i] * m[i], scale * background[i], next[i]);
}

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
void inject_source(const WaveForward<T>& a, const Step<T>& step, Index task, Index n) {
  const WavePoints<T>& p = a.setup.sources;
  const Index shot = a.setup.shot[task];
  const T* values = a.wavelet + (a.wavelet_stride > 0 ? shot * p.per_shot * a.wavelet_stride : 0) + n;
  for (Index k = p.touch_first[shot]; k < p.touch_first[shot] + p.touch_count[shot]; ++k) {
    const T s = p.gather(k, values, a.wavelet_stride);
    const Index i = p.touch_cell[k];
    step.next[i] = mul_add(a.setup.c[i], s, step.next[i]);
    if (step.w != nullptr) step.w[i] += s;
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

template <int R, class T>
struct ForwardShot {
  WaveForward<T> a;

  void operator()(Index task) const {
    const WaveSetup<T>& s = a.setup;
    const WaveLayout& g = s.g;
    const WaveFields<T> f = fields_of_shot(a.fields, g, task);
    const RowParts parts = cut_row(g);
    const bool streamed = a.store.slots * g.cells * static_cast<Index>(sizeof(T)) > streamed_bytes;
    const Index traces = s.receivers.per_shot;
    T* tile = s.scratch + task * wave_scratch_size(g, traces) + wave_scratch_size(g, 0);
    Recorder<T> record{s.receivers, tile,         a.data != nullptr ? a.data + task * traces * s.nt : nullptr,
                       s.nt,        s.shot[task], a.n0};
    for (Index n = a.n0; n < a.n1; ++n) {
      const int parity = static_cast<int>(n & 1);
      record.sample(f.u[parity], n, n + 1 == a.n1);
      if (n + 1 == s.nt) break;
      const Step<T> step{s,
                         f,
                         f.u[parity],
                         f.u[1 - parity],
                         a.store.at(task, n, g.cells),
                         a.background.at(task, n, g.cells),
                         nullptr,
                         parity,
                         nullptr};
      if (step.w == nullptr) {
        forward_step<R, Keep::no>(step, parts);
      } else if (streamed) {
        forward_step<R, Keep::streamed>(step, parts);
      } else {
        forward_step<R, Keep::cached>(step, parts);
      }
      if (step.background != nullptr) add_background(step, a.tangent, static_cast<T>(a.background.every));
      if (a.wavelet != nullptr) inject_source(a, step, task, n);
      free_surface_images(g, step.next);
    }
    finish_streams();
  }
};

// Rolling rows of a z strip: t and Y (goes through -D1). Row r is in slot r mod (2 R + 1).
template <int R, class T>
struct AdjointRing {
  static constexpr Index slots = 2 * R + 1;
  T* base;
  Index pitch;
  T* t(Index z) const { return base + slot(z); }
  T* y(Index z) const { return base + slots * pitch + slot(z); }
  Index slot(Index z) const { return (z + slots) % slots * pitch; }  // z >= -R
};

// Puts row z into the ring and advances H there.
template <int R, class T>
[[gnu::noinline]] void adjoint_ring_row(const Step<T>& step, const AdjointRing<R, T>& ring, const WaveStrip& strip,
                                        Index z) {
  using V = Lanes<T>;
  const Index pitch = ring.pitch;
  const T* q = step.u + z * pitch;  // rows around the cells are zeros or images
  T *t = ring.t(z), *y = ring.y(z);
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

// Weights of row z of D2((1 + b) t): w_k = c_k (1 + b_{z+k}), k = -R .. R. Rows outside the grid: b does not matter.
template <int R, class T>
struct RowWeights {
  Lanes<T> w[2 * R + 1];
  RowWeights(const FdAxis<T>& f, const T* b, Index z, Index nz) {
    for (int k = -R; k <= R; ++k) {
      const T weight = k == 0 ? f.center : f.second[(k < 0 ? -k : k) - 1];
      const Index row = z + k;
      w[k + R] = Lanes<T>::all(row >= 0 && row < nz ? mul_add(weight, b[row], weight) : weight);
    }
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

// One row of a part in the layer, backwards.
template <int R, bool InZ, bool InX, bool Image, class T>
[[gnu::noinline]] void adjoint_layer(const Step<T>& step, const AdjointRing<R, T>& ring, Index z, Index z_row,
                                     const RowPart& part) {
  using V = Lanes<T>;
  const WaveLayout& g = step.s.g;
  const Index at = z * g.pitch + part.begin, n = part.end - part.begin;
  const FdAxis<V> fz = lanes_of(step.s.fz), fx = lanes_of(step.s.fx);
  const T* q = step.u + at;
  const T* c = step.s.c + at;
  T* next = step.next + at;
  const T* w = step.w + at;
  T* image = step.image + at;
  const T *y[2 * R + 1], *t[2 * R + 1];
  for (int k = -R; k <= R && InZ; ++k) {
    y[k + R] = ring.y(z + k) + part.begin;
    t[k + R] = ring.t(z + k) + part.begin;
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
      V rows[2 * R + 1];
      unroll<2 * R + 1>([&](auto k) { rows[k] = V::load(t[k] + x); });
      lap = weights.w[0] * rows[0];
      unroll<2 * R>([&](auto k) { lap = mul_add(weights.w[k + 1], rows[k + 1], lap); });
      lap = lap - fd_first<R>(RowsAt<R, T>{y, x}, fz, V{});
      pml_z.adjoint_phi(V::load(phi_z + x), fd_first<R>(Stack<V, R>{rows}, fz, V{})).store(phi_z + x);
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
    if constexpr (Image) {
      prefetch_w(w + x);
      mul_add(here, V::load(w + x), V::load(image + x)).store(image + x);
    }
    leapfrog(here, V::load(next + x), V::load(c + x), lap).store(next + x);
  }
}

template <int R, bool Image, class T>
void adjoint_step(const Step<T>& step, const RowParts& parts) {
  const WaveLayout& g = step.s.g;
  const AdjointRing<R, T> ring{step.scratch, g.pitch};
  for (Index z = 0; z < g.nz;) {
    const Index k = g.z_strip(z);
    const bool pass = k < 0 && z + rows_per_pass <= g.nz && g.z_strip(z + rows_per_pass - 1) < 0;
    const Index rows = pass ? rows_per_pass : 1, z_row = k < 0 ? 0 : g.z[k].offset + z - g.z[k].begin;
    if (k >= 0) {
      for (Index r = z == g.z[k].begin ? z - R : z + R; r <= z + R; ++r) adjoint_ring_row(step, ring, g.z[k], r);
    }
    for (int i = 0; i < parts.count; ++i) {
      const RowPart& part = parts.part[i];
      for (Index r = 0; r < rows && part.strip >= 0; ++r) {
        if (k >= 0) {
          adjoint_layer<R, true, true, Image>(step, ring, z, z_row, part);
        } else {
          adjoint_layer<R, false, true, Image>(step, ring, z + r, 0, part);
        }
      }
      if (part.strip >= 0) continue;
      if (k >= 0) {
        adjoint_layer<R, true, false, Image>(step, ring, z, z_row, part);
      } else if (pass) {
        interior_rows<R, rows_per_pass, Keep::no, Image>(step, z, part);
      } else {
        interior_rows<R, 1, Keep::no, Image>(step, z, part);
      }
    }
    z += rows;
  }
}

template <int R, class T>
struct AdjointShot {
  WaveAdjoint<T> a;

  void operator()(Index task) const {
    const WaveSetup<T>& s = a.setup;
    const WaveLayout& g = s.g;
    const WaveFields<T> f = fields_of_shot(a.fields, g, task);
    const Index traces = s.receivers.per_shot, shot = s.shot[task];
    T* scratch = s.scratch + task * wave_scratch_size(g, traces);
    T* tile = scratch + wave_scratch_size(g, 0);
    T* image = a.image != nullptr ? a.image + task * g.cells : nullptr;
    const RowParts parts = cut_row(g);
    Index begin = a.n1;  // first sample in the tile
    for (Index n = a.n1 - 1; n >= a.n0; --n) {
      const int parity = static_cast<int>(n & 1);
      const Step<T> step{s, f, f.u[1 - parity], f.u[parity], a.store.at(task, n, g.cells), nullptr, image, 0, scratch};
      if (n + 1 < s.nt) {
        if (step.w != nullptr && image != nullptr) {
          adjoint_step<R, true>(step, parts);
        } else {
          adjoint_step<R, false>(step, parts);
        }
      }
      if (a.d_wavelet != nullptr) {
        T* out = a.d_wavelet + task * s.sources.per_shot * s.nt + n;
        for (Index l = 0; l < s.sources.per_shot; ++l) {
          const bool used = l < s.sources.count[shot] && n + 1 < s.nt;
          out[l * s.nt] = used ? s.sources.record(step.u, s.sources.first[shot] + l) : T(0);
        }
      }
      if (n < begin) {
        begin = std::max(a.n0, n + 1 - wave_tile_steps);
        read_tile(tile, traces, a.d_data + task * traces * s.nt, s.nt, begin, n + 1);
      }
      const WavePoints<T>& p = s.receivers;
      for (Index k = p.touch_first[shot]; k < p.touch_first[shot] + p.touch_count[shot]; ++k) {
        const Index i = p.touch_cell[k];
        step.next[i] = mul_add(s.c[i], p.gather(k, tile + (n - begin) * traces, Index(1)), step.next[i]);
      }
      free_surface_images(g, step.next);
    }
  }
};

template <template <int, class> class Shot, class T, class Args>
void run_shots(Stream& stream, const Args& a) {
  const Index shots = a.setup.shots;
  switch (a.setup.g.radius) {
    case 1:
      return parallel_for_coarse(stream, shots, Shot<1, T>{a});
    case 2:
      return parallel_for_coarse(stream, shots, Shot<2, T>{a});
    case 3:
      return parallel_for_coarse(stream, shots, Shot<3, T>{a});
    default:
      return parallel_for_coarse(stream, shots, Shot<4, T>{a});
  }
}

}  // namespace

template <class T>
void wave_forward(Stream& stream, const WaveForward<T>& a) {
  run_shots<ForwardShot, T>(stream, a);
}
TERRANE_INSTANTIATE(wave_forward, WaveForward)

template <class T>
void wave_adjoint(Stream& stream, const WaveAdjoint<T>& a) {
  run_shots<AdjointShot, T>(stream, a);
}
TERRANE_INSTANTIATE(wave_adjoint, WaveAdjoint)

}  // namespace terrane::TERRANE_BACKEND
