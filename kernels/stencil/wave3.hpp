// SPDX-License-Identifier: MIT
// Time steps of the 3-D acoustic wave equation, p_tt / v² - lap p = s, and of its exact discrete adjoint and tangent.
// The scheme is that of wave.hpp with a third axis: L = sum over the axes of D2 with its CPML correction (cpml.hpp).
//
// Layout. Cell (z, y, x) of a field lies at origin + z plane + y pitch + x. A row ends with at least `radius` columns
// and a plane with `radius` rows that stay zero: they are also what lies before the next row and the next plane.
// `radius` planes lie above and below. Snapshots, images and c have the same plane and pitch and nothing around.
// phi and eta exist in strips only: (strip planes, ny, pitch) for z, (nz, strip rows, pitch) for y, (nz, ny, x_pitch)
// for x, with `radius` zeros around each strip.
#pragma once

#include "kernels/stencil/wave.hpp"

namespace terrane {

struct WaveLayout3 {
  Index nz = 0, ny = 0, nx = 0;  // cells with the absorbing layers
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

// One block of memory a kind, each (shots, size). Even steps: u[0] is current, phi[0] is old, eta[0] holds.
template <class T>
struct WaveFields3 {
  T* u[2] = {};      // (shots, field)
  T* phi_z[2] = {};  // (shots, z_field)
  T* phi_y[2] = {};  // (shots, y_field)
  T* phi_x[2] = {};  // (shots, x_field)
  T* eta_z[2] = {};  // [1] is used by schedules that visit cells in any order
  T* eta_y[2] = {};
  T* eta_x[2] = {};
};

// What forward and adjoint share.
template <class T>
struct WaveSetup3 {
  WaveLayout3 g;
  FdAxis<T> fz, fy, fx;
  CpmlProfile<T> pz, py, px;
  const T* c = nullptr;  // (cells), m²
  Index shots = 0;
  const Index* shot = nullptr;       // (shots): index in the point lists
  Index nt = 0;                      // samples of the run, inner time step
  WavePoints<T> sources, receivers;  // cells count z plane + y pitch + x
  T* scratch = nullptr;              // (shots, wave3_scratch_size)
};

// Snapshots, in the scalar of the run: sample n of a task at (n - first) / every, where `every` divides n.
template <class T>
struct WaveStore3 {
  T* w = nullptr;  // (shots, slots, cells)
  Index slots = 0, first = 0, every = 1;

  TERRANE_HD T* at(Index shot, Index n, Index cells) const {
    if (w == nullptr || n % every != 0) return nullptr;
    return w + (shot * slots + (n - first) / every) * cells;
  }
};

// As WaveForward.
template <class T>
struct WaveForward3 {
  WaveSetup3<T> setup;
  WaveFields3<T> fields;
  Index n0 = 0, n1 = 0;
  const T* wavelet = nullptr;
  Index wavelet_stride = 0;
  T* data = nullptr;
  WaveStore3<T> store;
  const T* tangent = nullptr;
  WaveStore3<T> background;
};

// As WaveAdjoint.
template <class T>
struct WaveAdjoint3 {
  WaveSetup3<T> setup;
  WaveFields3<T> fields;
  Index n0 = 0, n1 = 0;
  const T* d_data = nullptr;
  T* d_wavelet = nullptr;
  WaveStore3<T> store;
  T* image = nullptr;
};

// Elements of CPU scratch a shot: the trace tile. Rows on their way through the layers are in the stream's scratch.
inline Index wave3_scratch_size(Index receivers) {
  return (wave_tile_steps * receivers + wave_lanes - 1) / wave_lanes * wave_lanes;
}

// Where the model (nz, ny, nx) lies in the padded grid. It is continued into the layers by its edge values.
struct ModelAxis {
  Index n = 0, before = 0, cells = 0;  // cells of the model, of the layer before it, of the padded axis

  TERRANE_HD Index model(Index i) const { return i < before ? 0 : (i - before < n ? i - before : n - 1); }
  // Padded cells that copy model cell k: [begin, end).
  TERRANE_HD Index begin(Index k) const { return k == 0 ? 0 : before + k; }
  TERRANE_HD Index end(Index k) const { return k == n - 1 ? cells : before + k + 1; }
};
struct ModelFrame3 {
  ModelAxis z, y, x;
  Index pitch = 0, plane = 0;
  bool free_surface = false;

  // row: z * rows of a plane + y, with the zero rows of a plane
  TERRANE_HD Index rows() const { return plane / pitch; }
  TERRANE_HD bool active(Index iz, Index iy, Index ix) const {
    return iy < y.cells && ix < x.cells && !(free_surface && iz == 0);
  }
  TERRANE_HD Index model(Index iz, Index iy, Index ix) const {
    return (z.model(iz) * y.n + y.model(iy)) * x.n + x.model(ix);
  }
};

// c over (nz rows, pitch), zero outside the cells and on plane 0 under a free surface
template <class T>
struct WaveCoefficient3 {
  ModelFrame3 frame;
  const T* vp;  // (nz, ny, nx)
  T dt;         // s
  T* c;
  TERRANE_HD void operator()(Index row, Index x) const {
    const Index z = row / frame.rows(), y = row % frame.rows();
    T value = 0;
    if (frame.active(z, y, x)) {
      const T courant = vp[frame.model(z, y, x)] * dt;
      value = courant * courant;
    }
    c[row * frame.pitch + x] = value;
  }
};

// m = 2 dvp / vp over (nz rows, pitch)
template <class T>
struct WaveTangentModel3 {
  ModelFrame3 frame;
  const T* vp;
  const T* t_vp;
  T* m;
  TERRANE_HD void operator()(Index row, Index x) const {
    const Index z = row / frame.rows(), y = row % frame.rows();
    T value = 0;
    if (frame.active(z, y, x)) {
      const Index i = frame.model(z, y, x);
      value = 2 * t_vp[i] / vp[i];
    }
    m[row * frame.pitch + x] = value;
  }
};

// d_vp (nz ny, nx) += (2 scale / vp) sum over the copies of the cell
template <class T>
struct WaveModelGradient3 {
  ModelFrame3 frame;
  const T* total;  // (cells)
  const T* vp;
  T scale;
  T* d_vp;
  TERRANE_HD void operator()(Index row, Index j) const {
    const Index k = row / frame.y.n, l = row % frame.y.n;
    T sum = 0;
    for (Index z = frame.z.begin(k); z < frame.z.end(k); ++z) {
      for (Index y = frame.y.begin(l); y < frame.y.end(l); ++y) {
        for (Index x = frame.x.begin(j); x < frame.x.end(j); ++x) {
          if (frame.active(z, y, x)) sum += total[z * frame.plane + y * frame.pitch + x];
        }
      }
    }
    const Index i = row * frame.x.n + j;
    d_vp[i] += 2 * scale * sum / vp[i];
  }
};

}  // namespace terrane
