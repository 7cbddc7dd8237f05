// SPDX-License-Identifier: MIT
// The surroundings of the source of each lane of a group, gathered into one small grid: the sources differ in place,
// so that bringing their surroundings to convergence in the grid itself would visit all of them in all lanes.
#pragma once

#include <cmath>
#include <vector>

#include "kernels/stencil/eikonal_sweep_cpu.hpp"

namespace terrane::TERRANE_BACKEND {

template <class T, int D>
class SourceBox {
 public:
  static constexpr Index reach = 8;  // nodes on each side of the cell of the source
  static constexpr Index lanes = eikonal_lanes<T>;
  struct alignas(64) Values {
    T lane[lanes];
  };
  struct alignas(lanes) Bytes {
    std::uint8_t lane[lanes];
  };

  SourceBox(const EikonalSetup<T>& s, Index group) : whole_(s), group_(group) {
    setup_.g = s.g;
    setup_.groups = 1;
    EikonalGrid& g = setup_.g;
    for (int a = 3 - D; a < 3; ++a) g.n[a] = 2 * reach + 2;
    const Index ghosts = 2 * eikonal_ghosts;
    g.stride[1] = g.n[2] + ghosts;
    g.stride[0] = g.stride[1] * (g.n[1] + ghosts);
    g.points = D == 2 ? g.stride[0] : g.stride[0] * (g.n[0] + ghosts);
    g.origin = eikonal_ghosts * (1 + g.stride[1] + (D == 2 ? 0 : g.stride[0]));
    std::copy(s.k, s.k + 3, setup_.k);
    for (int a = 3 - D; a < 3; ++a) make_offsets(a);
    slowness_.resize(static_cast<std::size_t>(g.points));
    stencil_.resize(static_cast<std::size_t>(g.points));
    gather_shared(s.slowness, T(eikonal_huge), slowness_);
    for (auto& bytes : stencil_) std::fill(bytes.lane, bytes.lane + lanes, std::uint8_t{eikonal_closed});
    each([&](Index here, Index there, Index lane, bool inner) {
      if (inner) stencil_[static_cast<std::size_t>(here)].lane[lane] = s.stencil[there * lanes + lane];
    });
    setup_.slowness = slowness_[0].lane;
    setup_.stencil = stencil_[0].lane;
  }
  SourceBox(const SourceBox&) = delete;
  SourceBox& operator=(const SourceBox&) = delete;

  const EikonalSetup<T>& setup() const { return setup_; }

  // From and to (groups, points, lanes); nodes outside the grid: other.
  void gather(const T* field, T other, std::vector<Values>& box) const {
    fill(other, box);
    each([&](Index here, Index there, Index lane, bool) {
      box[static_cast<std::size_t>(here)].lane[lane] = field[there * lanes + lane];
    });
  }
  void scatter(const std::vector<Values>& box, T* field) const {
    each([&](Index here, Index there, Index lane, bool inner) {
      if (inner) field[there * lanes + lane] = box[static_cast<std::size_t>(here)].lane[lane];
    });
  }
  // From (points).
  void gather_shared(const T* field, T other, std::vector<Values>& box) const {
    fill(other, box);
    const Index first = group_ * whole_.g.points;
    each([&](Index here, Index there, Index lane, bool) {
      box[static_cast<std::size_t>(here)].lane[lane] = field[there - first];
    });
  }
  // Tiles of the whole grid within `distance` nodes of a source (box: those of the boxes).
  std::vector<char> tiles(Index distance) const {
    const Tiles t(whole_.g);
    std::vector<char> marked(t.count(), 0);
    for (Index l = 0; l < lanes; ++l) {
      Index lo[3] = {0, 0, 0}, hi[3] = {0, 0, 0};
      for (int a = 3 - D; a < 3; ++a) {
        lo[a] = base_[a][l] + reach - distance;
        hi[a] = base_[a][l] + reach + 1 + distance;
      }
      t.for_nodes(lo, hi, [&](std::size_t i) { marked[i] = 1; });
    }
    return marked;
  }

 private:
  void make_offsets(int a) {
    const EikonalGrid& g = setup_.g;
    const Index n = whole_.g.n[a];
    offset_[a].resize(static_cast<std::size_t>(g.n[a]));
    for (Index l = 0; l < lanes; ++l) {
      const T* d = whole_.offset[a] + group_ * n * lanes + l;
      base_[a][l] = static_cast<Index>(std::floor(-d[0] * whole_.k[a])) - reach;
      for (Index i = 0; i < g.n[a]; ++i) {
        const Index at = base_[a][l] + i;
        offset_[a][static_cast<std::size_t>(i)].lane[l] = at >= 0 && at < n ? d[at * lanes] : T(1);
      }
    }
    setup_.offset[a] = offset_[a][0].lane;
  }
  void fill(T value, std::vector<Values>& box) const {
    box.resize(static_cast<std::size_t>(setup_.g.points));
    for (Values& v : box) std::fill(v.lane, v.lane + lanes, value);
  }
  // f(point of the box, group * points + point of the grid, lane, inner) for the points of the box, ghosts included,
  // that are points of the grid, ghosts included; inner: a node of both.
  template <class F>
  void each(const F& f) const {
    const EikonalGrid &g = setup_.g, &w = whole_.g;
    const Index ghost[3] = {D == 3 ? eikonal_ghosts : 0, eikonal_ghosts, eikonal_ghosts};
    for (Index l = 0; l < lanes; ++l) {
      Index lo[3] = {0, 0, 0}, hi[3] = {1, 1, 1}, base[3] = {0, 0, 0};
      for (int a = 3 - D; a < 3; ++a) {
        base[a] = base_[a][l];
        lo[a] = std::max(-ghost[a], -ghost[a] - base[a]);
        hi[a] = std::min(g.n[a] + ghost[a], w.n[a] + ghost[a] - base[a]);
      }
      const auto in = [&](int a, Index i) { return i >= 0 && i < g.n[a] && base[a] + i >= 0 && base[a] + i < w.n[a]; };
      for (Index p = lo[0]; p < hi[0]; ++p) {
        for (Index r = lo[1]; r < hi[1]; ++r) {
          const bool inner = in(0, p) && in(1, r);
          for (Index c = lo[2]; c < hi[2]; ++c) {
            f(g.at(p, r, c), group_ * w.points + w.at(base[0] + p, base[1] + r, base[2] + c), l, inner && in(2, c));
          }
        }
      }
    }
  }

  EikonalSetup<T> whole_, setup_;
  Index group_;
  Index base_[3][lanes] = {};  // node of the grid at node 0 of the box
  std::vector<Values> offset_[3], slowness_;
  std::vector<Bytes> stencil_;
};

}  // namespace terrane::TERRANE_BACKEND
