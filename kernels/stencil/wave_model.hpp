// SPDX-License-Identifier: MIT
// Between a velocity model vp (nz, ny, nx), ny = 1 in two dimensions, in m/s and the padded grid of the wave steps. The
// model is continued into the absorbing layers by its edge values; the transpose adds what the layers collect to the
// edge cells.
//   c = (vp dt)²     m = 2 dvp / vp     d_vp += (2 / vp) sum_shots sum_copies image
// All three vanish on plane 0 under a free surface and beyond the last cell of a row and of a plane.
#pragma once

#include "kernels/stencil/wave.hpp"

namespace terrane {

// One axis: cells of the model, of the layer before it, of the padded grid.
struct ModelAxis {
  Index n = 1, before = 0, cells = 1;

  TERRANE_HD Index model(Index i) const { return i < before ? 0 : (i - before < n ? i - before : n - 1); }
  // Padded cells that copy model cell k: [begin, end).
  TERRANE_HD Index begin(Index k) const { return k == 0 ? 0 : before + k; }
  TERRANE_HD Index end(Index k) const { return k == n - 1 ? cells : before + k + 1; }
};

// Where the model lies in the padded grid. In two dimensions the axis y has one cell and a plane is one row.
struct ModelFrame {
  ModelAxis z, y, x;
  Index pitch = 0, plane = 0;
  bool free_surface = false;

  // Rows of all planes, with the zero rows of a plane; row: z rows_of_plane() + y.
  TERRANE_HD Index rows_of_plane() const { return plane / pitch; }
  TERRANE_HD Index rows() const { return z.cells * rows_of_plane(); }
  TERRANE_HD bool active(Index row, Index ix) const {
    return row % rows_of_plane() < y.cells && ix < x.cells && !(free_surface && row < rows_of_plane());
  }
  // Model cell of an active place.
  TERRANE_HD Index model(Index row, Index ix) const {
    return (z.model(row / rows_of_plane()) * y.n + y.model(row % rows_of_plane())) * x.n + x.model(ix);
  }
};

// c over (rows, pitch)
template <class T>
struct WaveCoefficient {
  ModelFrame frame;
  const T* vp;  // (nz, ny, nx)
  T dt;         // s
  T* c;
  TERRANE_HD void operator()(Index row, Index x) const {
    T value = 0;
    if (frame.active(row, x)) {
      const T courant = vp[frame.model(row, x)] * dt;
      value = courant * courant;
    }
    c[row * frame.pitch + x] = value;
  }
};

// m over (rows, pitch)
template <class T>
struct WaveTangentModel {
  ModelFrame frame;
  const T* vp;
  const T* t_vp;
  T* m;
  TERRANE_HD void operator()(Index row, Index x) const {
    T value = 0;
    if (frame.active(row, x)) {
      const Index i = frame.model(row, x);
      value = 2 * t_vp[i] / vp[i];
    }
    m[row * frame.pitch + x] = value;
  }
};

// total (rows, pitch) = sum over shots of image (shots, rows, pitch), in the order of the shots
template <class T>
struct WaveImageSum {
  const T* image;
  T* total;
  Index shots, cells;
  TERRANE_HD void operator()(Index i) const {
    T sum = 0;
    for (Index s = 0; s < shots; ++s) sum += image[s * cells + i];
    total[i] = sum;
  }
};

// d_vp (nz ny, nx) += (2 scale / vp) sum over the copies of the cell
template <class T>
struct WaveModelGradient {
  ModelFrame frame;
  const T* total;  // (rows, pitch)
  const T* vp;
  T scale;
  T* d_vp;
  TERRANE_HD void operator()(Index row, Index j) const {
    const Index k = row / frame.y.n, l = row % frame.y.n, rows = frame.rows_of_plane();
    T sum = 0;
    for (Index z = frame.z.begin(k); z < frame.z.end(k); ++z) {
      for (Index y = frame.y.begin(l); y < frame.y.end(l); ++y) {
        for (Index x = frame.x.begin(j); x < frame.x.end(j); ++x) {
          if (frame.active(z * rows + y, x)) sum += total[z * frame.plane + y * frame.pitch + x];
        }
      }
    }
    const Index i = row * frame.x.n + j;
    d_vp[i] += 2 * scale * sum / vp[i];
  }
};

// count[0] = number of values outside (lo, hi], NaN included
template <class T>
struct CountOutside {
  const T* x;
  T lo, hi;
  T* count;
  Index n;
  TERRANE_HD double operator()(Index i) const { return x[i] > lo && x[i] <= hi ? 0.0 : 1.0; }
};

}  // namespace terrane
