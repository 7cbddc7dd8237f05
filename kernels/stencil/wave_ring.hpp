// SPDX-License-Identifier: MIT
// Boundary ring: the forward run keeps few cells of every step, and the adjoint computes the rest again, backwards.
//
//   core    cells out of reach of the absorbing layers (2 R beyond them), one box. There a step is
//           u^{n+1} = 2 u^n - u^{n-1} + c w^n, and backwards u^{n-1} = 2 u^n - u^{n+1} + c w^n with the same w^n
//   strips  all other cells. Absorption cannot be undone, so they run forward again, from saved states, a segment of
//           steps at a time, and leave w^n and the skirt of the segment
//   ring    core cells within R of a strip: all that the strips see of the core; kept at every step
//   skirt   strip cells within R of the core: all that the core sees of the strips
// Both halves see exactly what they saw in the forward run; only the core is rounded differently. An edge without a
// layer (a free surface too) has neither ring nor skirt. Reference: Dussaud et al. (2008), Computational strategies for
// reverse-time migration, SEG Technical Program.
#pragma once

#include "kernels/runtime/math.hpp"

namespace terrane {

// bfloat16: the upper half of a float, rounded to nearest even.
TERRANE_HD std::uint16_t to_bf16(float x) {
  const std::uint32_t u = bits_of(x);
  return static_cast<std::uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}
TERRANE_HD float from_bf16(std::uint16_t h) { return float_of(static_cast<std::uint32_t>(h) << 16); }

// Values that a run keeps: in its own scalar or, half the memory, as bfloat16. Both null: nothing is kept.
template <class T>
struct KeptValues {
  T* full = nullptr;
  std::uint16_t* half = nullptr;

  TERRANE_HD bool any() const { return full != nullptr || half != nullptr; }
  TERRANE_HD KeptValues at(Index offset) const {
    return {full != nullptr ? full + offset : nullptr, half != nullptr ? half + offset : nullptr};
  }
  TERRANE_HD T get(Index i) const { return half != nullptr ? static_cast<T>(from_bf16(half[i])) : full[i]; }
  TERRANE_HD void put(Index i, T x) const {
    if (half != nullptr) {
      half[i] = to_bf16(static_cast<float>(x));
    } else {
      full[i] = x;
    }
  }
};

// A box of cells; its values are at `place`, row by row. In two dimensions a plane has one row.
struct CellBox {
  Index z = 0, y = 0, x = 0, planes = 0, rows = 0, columns = 0, place = 0;
};

// Up to six boxes without common cells, one after another in memory.
struct CellFrame {
  CellBox box[6];
  int count = 0;
  Index size = 0;

  // Cells [low, high) of the axes z, y, x.
  void add(const Index* low, const Index* high) {
    const CellBox b{low[0], low[1], low[2], high[0] - low[0], high[1] - low[1], high[2] - low[2], size};
    if (b.planes <= 0 || b.rows <= 0 || b.columns <= 0) return;
    box[count++] = b;
    size += b.planes * b.rows * b.columns;
  }
  // Cell z plane + y pitch + x of value i.
  TERRANE_HD Index cell(Index i, Index plane, Index pitch) const {
    int b = 0;
    while (b + 1 < count && i >= box[b + 1].place) ++b;
    const Index k = i - box[b].place, row = k / box[b].columns;
    return (box[b].z + row / box[b].rows) * plane + (box[b].y + row % box[b].rows) * pitch + box[b].x +
           k % box[b].columns;
  }
  // 0 <= i < n in one comparison: on the CPU this is asked for every part of a row.
  TERRANE_HD static bool within(Index i, Index n) {
    return static_cast<std::uint64_t>(i) < static_cast<std::uint64_t>(n);
  }
  // Box of cell (z, y, x); -1: none.
  TERRANE_HD int box_of(Index z, Index y, Index x) const {
    for (int b = 0; b < count; ++b) {
      const CellBox& c = box[b];
      if (within(z - c.z, c.planes) && within(x - c.x, c.columns) && within(y - c.y, c.rows)) return b;
    }
    return -1;
  }
  // Place of cell (z, y, x); -1: not in the frame.
  TERRANE_HD Index place(Index z, Index y, Index x) const {
    const int b = box_of(z, y, x);
    if (b < 0) return -1;
    return box[b].place + ((z - box[b].z) * box[b].rows + y - box[b].y) * box[b].columns + x - box[b].x;
  }
};

struct WaveRingLayout {
  Index low[3] = {}, high[3] = {};  // core: cells [low, high) of the axes z, y, x; empty where low[0] == high[0]
  CellFrame strips, ring, skirt;

  TERRANE_HD bool core_row(Index z, Index y) const { return z >= low[0] && z < high[0] && y >= low[1] && y < high[1]; }
  TERRANE_HD bool core(Index z, Index y, Index x) const { return core_row(z, y) && x >= low[2] && x < high[2]; }
};

// What a run keeps with storage `ring`. Slots of a segment: n - first.
template <class T>
struct WaveRing {
  WaveRingLayout layout;
  KeptValues<T> ring;  // (shots, held, ring.size)
  T* skirt = nullptr;  // (shots, slots, skirt.size)
  T* w = nullptr;      // (shots, slots, strips.size)
  Index slots = 0, first = 0;
  Index held = 0, held_first = 0;  // samples of the ring in memory: all of them, or a block of those on disk

  TERRANE_HD bool used() const { return ring.any(); }
  TERRANE_HD KeptValues<T> ring_at(Index shot, Index n) const {
    return ring.at((shot * held + n - held_first) * layout.ring.size);
  }
  TERRANE_HD T* skirt_at(Index shot, Index n) const { return skirt + (shot * slots + n - first) * layout.skirt.size; }
  TERRANE_HD T* w_at(Index shot, Index n) const { return w + (shot * slots + n - first) * layout.strips.size; }
};

// Cells of a frame in a field of every shot, to packed (shots, frame.size) or back.
template <class T>
struct WaveFrameCopy {
  CellFrame frame;
  Index plane, pitch, field, origin;
  T* u;       // (shots, field)
  T* packed;  // (shots, frame.size)
  Index shots;
  bool unpack;
  TERRANE_HD void operator()(Index shot, Index i) const {
    T* cell = u + shot * field + origin + frame.cell(i, plane, pitch);
    T* value = packed + shot * frame.size + i;
    if (unpack) {
      *cell = *value;
    } else {
      *value = *cell;
    }
  }
};

}  // namespace terrane
