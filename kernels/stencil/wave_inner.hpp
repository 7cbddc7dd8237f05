// SPDX-License-Identifier: MIT
// The cells of a wave grid that no absorbing layer reaches: a box. Schedules of the GPU.
#pragma once

#include "kernels/stencil/wave_cells.hpp"

namespace terrane::TERRANE_BACKEND {

// Largest gap between the strips of an axis.
inline void inner_interval(Index n, const WaveStrip* strips, Index count, bool forward, Index& begin, Index& end) {
  begin = 0;
  end = n;
  for (Index k = 0; k < count; ++k) {
    const Index from = forward ? strips[k].inner : strips[k].begin, to = forward ? strips[k].outer : strips[k].end;
    if (from > 0) {
      end = from;
    } else {
      begin = to;
    }
  }
}

// Cells that no layer reaches.
inline InnerBox inner_box(const WaveLayout& g, bool forward) {
  InnerBox b;
  inner_interval(g.nz, g.z, g.z_strips, forward, b.z0, b.z1);
  inner_interval(g.ny, g.y, g.y_strips, forward, b.y0, b.y1);
  inner_interval(g.flat ? g.pitch : g.nx, g.x, g.x_strips, forward, b.x0, b.x1);
  return b;
}

}  // namespace terrane::TERRANE_BACKEND
