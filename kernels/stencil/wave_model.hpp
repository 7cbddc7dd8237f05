// SPDX-License-Identifier: MIT
// Between a velocity model vp (nz, nx) in m/s and the padded grid of the wave steps. The model is continued into the
// absorbing layers by its edge values; the transpose adds what the layers collect to the edge cells.
//   c = (vp dt)²     m = 2 dvp / vp     d_vp += (2 / vp) sum_shots sum_copies image
// All three vanish on row 0 under a free surface and right of the last cell.
#pragma once

#include "kernels/stencil/wave.hpp"

namespace terrane {

// Where the model lies in the padded grid.
struct ModelFrame {
  Index nz = 0, nx = 0;                    // model
  Index top = 0, left = 0;                 // cells of the layers before the model
  Index rows = 0, columns = 0, pitch = 0;  // padded grid
  bool free_surface = false;

  TERRANE_HD Index model_row(Index z) const { return z < top ? 0 : (z - top < nz ? z - top : nz - 1); }
  TERRANE_HD Index model_column(Index x) const { return x < left ? 0 : (x - left < nx ? x - left : nx - 1); }
  TERRANE_HD bool active(Index z, Index x) const { return x < columns && !(free_surface && z == 0); }
  // Padded rows that copy model row k: [row_begin, row_end).
  TERRANE_HD Index row_begin(Index k) const { return k == 0 ? 0 : top + k; }
  TERRANE_HD Index row_end(Index k) const { return k == nz - 1 ? rows : top + k + 1; }
  TERRANE_HD Index column_begin(Index k) const { return k == 0 ? 0 : left + k; }
  TERRANE_HD Index column_end(Index k) const { return k == nx - 1 ? columns : left + k + 1; }
};

// c over (rows, pitch)
template <class T>
struct WaveCoefficient {
  ModelFrame frame;
  const T* vp;  // (nz, nx)
  T dt;         // s
  T* c;
  TERRANE_HD void operator()(Index z, Index x) const {
    T value = 0;
    if (frame.active(z, x)) {
      const T courant = vp[frame.model_row(z) * frame.nx + frame.model_column(x)] * dt;
      value = courant * courant;
    }
    c[z * frame.pitch + x] = value;
  }
};

// m over (rows, pitch)
template <class T>
struct WaveTangentModel {
  ModelFrame frame;
  const T* vp;
  const T* t_vp;
  T* m;
  TERRANE_HD void operator()(Index z, Index x) const {
    T value = 0;
    if (frame.active(z, x)) {
      const Index i = frame.model_row(z) * frame.nx + frame.model_column(x);
      value = 2 * t_vp[i] / vp[i];
    }
    m[z * frame.pitch + x] = value;
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

// d_vp (nz, nx) += (2 scale / vp) sum over the copies of the cell
template <class T>
struct WaveModelGradient {
  ModelFrame frame;
  const T* total;  // (rows, pitch)
  const T* vp;
  T scale;
  T* d_vp;
  TERRANE_HD void operator()(Index k, Index j) const {
    T sum = 0;
    for (Index z = frame.row_begin(k); z < frame.row_end(k); ++z) {
      for (Index x = frame.column_begin(j); x < frame.column_end(j); ++x) {
        if (frame.active(z, x)) sum += total[z * frame.pitch + x];
      }
    }
    d_vp[k * frame.nx + j] += 2 * scale * sum / vp[k * frame.nx + j];
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
