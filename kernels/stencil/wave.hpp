// SPDX-License-Identifier: MIT
// Time steps of the 2-D and 3-D acoustic wave equation, p_tt / v² - lap p = s, and of its exact discrete adjoint and
// tangent.
//
//   forward   w^n = L u^n + S s^n,  u^{n+1} = 2 u^n - u^{n-1} + c w^n,   c = v² dt²,  d^n = P u^n
//   tangent   w^n as above for (du, ds) plus m w_0^n with m = 2 dv / v and w_0 the stored forward w
//   adjoint   with q = c lambda (lambda the multiplier of the update):
//             q^n = 2 q^{n+1} - q^{n+2} + c (L^T q^{n+1} + P^T d_bar^n),  s_bar^n = S^T q^{n+1},
//             image += q^{n+1} w^n,  v_bar = 2 image / v
// L is the Laplacian of order 2R with CPML corrections (cpml.hpp), a sum over the axes. Outside the cells the field is
// zero, above a free surface it is the antisymmetric image: u(-k) = -u(k), c = 0 on plane 0; both keep D2 symmetric.
//
// Layout. Cell (z, y, x) of a field lies at origin + z plane + y pitch + x; in two dimensions a plane is one row. A row
// ends with at least `radius` columns where c = 0, so that they stay zero and whole rows are processed without a tail;
// in three dimensions a plane ends with `radius` such rows. They are also what lies before the next row and plane.
// `radius` planes lie above and below. Snapshots, images and c have the same plane and pitch and nothing around. phi
// and eta exist in strips only: (strip planes, ny, pitch) for z, (nz, strip rows, pitch) for y, (nz, ny, x_pitch) for
// x, with `radius` zeros around each strip.
#pragma once

#include <type_traits>

#include "kernels/runtime/run_memory.hpp"
#include "kernels/stencil/cpml.hpp"
#include "kernels/stencil/interpolate.hpp"
#include "kernels/stencil/wave_ring.hpp"

namespace terrane {

inline constexpr Index wave_lanes = 16;  // rows and strips are multiples of this

struct WaveStrip {
  Index begin = 0, end = 0;    // cells along the axis: 2 R beyond the layer, the reach of the transposed operator
  Index offset = 0;            // place of cell `begin` in the strip storage
  Index inner = 0, outer = 0;  // [inner, outer): R beyond the layer, the reach of the forward operator
};

struct WaveLayout {
  bool flat = true;              // two dimensions: ny = 1, plane = pitch, L has no part along y
  Index nz = 0, ny = 1, nx = 0;  // cells with the absorbing layers
  Index radius = 0;
  Index pitch = 0, plane = 0, origin = 0, field = 0, cells = 0;  // field, cells: values of a field, of a snapshot
  Index z_strips = 0, y_strips = 0, x_strips = 0;
  WaveStrip z[2], y[2], x[2];
  Index z_plane = 0, z_field = 0;  // values of a plane of the z strips, of all of them
  Index y_plane = 0, y_field = 0;  // values of all y strips of a plane, of all planes
  Index x_pitch = 0, x_field = 0;
  bool free_surface = false;

  TERRANE_HD static Index strip(const WaveStrip* strips, Index count, Index position) {  // -1: none
    for (Index k = 0; k < count; ++k) {
      if (position >= strips[k].begin && position < strips[k].end) return k;
    }
    return -1;
  }
  TERRANE_HD Index z_strip(Index i) const { return strip(z, z_strips, i); }
  TERRANE_HD Index y_strip(Index i) const { return strip(y, y_strips, i); }
  TERRANE_HD Index x_strip(Index i) const { return strip(x, x_strips, i); }
  // Places in the strip arrays of a shot.
  TERRANE_HD Index z_place(Index k, Index iz, Index iy, Index ix) const {
    return (z[k].offset + iz - z[k].begin) * z_plane + iy * pitch + ix;
  }
  TERRANE_HD Index y_place(Index k, Index iz, Index iy, Index ix) const {
    return iz * y_plane + (y[k].offset + iy - y[k].begin) * pitch + ix;
  }
  TERRANE_HD Index x_place(Index k, Index iz, Index iy, Index ix) const {
    return (iz * ny + iy) * x_pitch + x[k].offset + ix - x[k].begin;
  }
};

// One block of memory a kind, each (shots, size). Even steps: u[0] is current, phi[0] is old, eta[0] holds; schedules
// that update phi in place keep it in phi[0].
template <class T>
struct WaveFields {
  T* u[2] = {};      // (shots, field)
  T* phi_z[2] = {};  // (shots, z_field)
  T* phi_y[2] = {};  // (shots, y_field)
  T* phi_x[2] = {};  // (shots, x_field)
  T* eta_z[2] = {};  // [1] is used by schedules that visit cells in any order
  T* eta_y[2] = {};
  T* eta_x[2] = {};
};

// Snapshots of w: slot (n - first) / every of step n, for steps with n mod every = 0.
template <class T>
struct WaveStore {
  KeptValues<T> w;  // (shots, slots, cells)
  Index slots = 0, first = 0, every = 1;

  TERRANE_HD KeptValues<T> at(Index shot, Index n, Index cells) const {
    if (n % every != 0) return {};
    return w.at((shot * slots + (n - first) / every) * cells);
  }
};

// What forward and adjoint share.
template <class T>
struct WaveSetup {
  WaveLayout g;
  FdAxis<T> fz, fy, fx;  // y: three dimensions only
  CpmlProfile<T> pz, py, px;
  const T* c = nullptr;  // (cells), m²
  Index shots = 0;
  const Index* shot = nullptr;       // (shots): index in the point lists
  Index nt = 0;                      // samples of the run, inner time step
  WavePoints<T> sources, receivers;  // cells count z plane + y pitch + x
  T* scratch = nullptr;              // (shots, wave_scratch_size)
  RunMemory* memory = nullptr;       // of these arrays; null: every run starts afresh
};

// Runs steps n0 .. n1-1 of every shot: records sample n, then advances to n + 1 (not after the last sample). Keeps the
// ring of every sample if there is one. With strips_only the core stays as it is but for its ring, which is read: w and
// skirt of the segment are written, and in the end the ring holds samples n1 and n1 - 1 (the last two of the run).
template <class T>
struct WaveForward {
  WaveSetup<T> setup;
  WaveFields<T> fields;
  Index n0 = 0, n1 = 0;
  const T* wavelet = nullptr;  // (shots, sources, nt); null: no source
  Index wavelet_stride = 0;    // nt, or 0 for one trace shared by all
  T* data = nullptr;           // (shots, receivers, nt); null: no record
  WaveStore<T> store;          // written unless w is null
  const T* tangent = nullptr;  // m (cells); null: not a tangent run
  WaveStore<T> background;     // w_0 of the tangent run
  WaveRing<T> ring;
  bool strips_only = false;
};

// Runs steps n1-1 .. n0 backwards. With a ring and an image, w of the core comes from u of the forward run, which is
// stepped backwards in the same pass: `background` holds samples n1 and n1 - 1 (at the end of the run its last two),
// and afterwards n0 and n0 - 1.
template <class T>
struct WaveAdjoint {
  WaveSetup<T> setup;
  WaveFields<T> fields;
  Index n0 = 0, n1 = 0;
  const T* d_data = nullptr;  // (shots, receivers, nt)
  T* d_wavelet = nullptr;     // (shots, sources, nt), overwritten; may be null
  WaveStore<T> store;
  T* image = nullptr;  // (shots, cells), accumulated; may be null. A schedule may add the images of several shots to
                       // that of the first: what counts is the sum over shots
  WaveRing<T> ring;    // unused: w is in `store`
  WaveFields<T> background;
  const T* wavelet = nullptr;  // as in WaveForward
  Index wavelet_stride = 0;
};

inline constexpr Index wave_tile_steps = 16;  // traces are read and written in blocks of this many samples

// Elements of CPU scratch a shot: in two dimensions the rolling rows of the adjoint (in three they are in the stream's
// scratch), then the trace tile.
inline Index wave_scratch_size(const WaveLayout& g, Index receivers) {
  const Index ring = g.flat ? 2 * (2 * g.radius + 1) * g.pitch : 0;
  return ring + (wave_tile_steps * receivers + wave_lanes - 1) / wave_lanes * wave_lanes;
}

// f(integral constant R) for the radius R = 1 .. 4 of a run.
template <class F>
void with_radius(Index radius, const F& f) {
  switch (radius) {
    case 1:
      return f(std::integral_constant<int, 1>{});
    case 2:
      return f(std::integral_constant<int, 2>{});
    case 3:
      return f(std::integral_constant<int, 3>{});
    default:
      return f(std::integral_constant<int, 4>{});
  }
}

// u^{n+1} from u^n, u^{n-1}.
template <class V>
TERRANE_HD V leapfrog(V u, V previous, V c, V w) {
  return mul_add(c, w, u + u - previous);
}

}  // namespace terrane
