// SPDX-License-Identifier: MIT
// Bilinear interpolation of a parameter grid (mz, mx) at fixed points zeta in [0, 1]^2 as a sparse matrix (host code).
//
//   position on an axis  p = (m - 1) zeta, clamped to [0, m - 1];  k = floor(p), w = p - k
//   row of a point: the four corners (k, k + 1) per axis with the products of (1 - w, w); weights sum to 1
//
// The transpose is built once by counting, so that the vjp is a gather in a fixed order.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "kernels/runtime/hd.hpp"

namespace terrane {

// CSR: row r holds column[k], weight[k] for k in [start[r], start[r + 1]).
struct SparseRows {
  Index columns = 0;
  std::vector<Index> start{0}, column;
  std::vector<double> weight;
  Index rows() const { return static_cast<Index>(start.size()) - 1; }
};

// zeta: (n, 2), z then x.
inline SparseRows bilinear_rows(Index mz, Index mx, std::span<const double> zeta) {
  SparseRows rows;
  rows.columns = mz * mx;
  const Index size[2] = {mz, mx};
  for (std::size_t p = 0; p + 1 < zeta.size(); p += 2) {
    Index k[2];
    double w[2];
    for (std::size_t a = 0; a < 2; ++a) {
      const double last = static_cast<double>(size[a] - 1), at = std::clamp(zeta[p + a] * last, 0.0, last);
      k[a] = std::min(static_cast<Index>(std::floor(at)), std::max<Index>(size[a] - 2, 0));
      w[a] = at - static_cast<double>(k[a]);
    }
    for (const int dz : {0, 1}) {
      for (const int dx : {0, 1}) {
        const double weight = (dz == 1 ? w[0] : 1 - w[0]) * (dx == 1 ? w[1] : 1 - w[1]);
        if (weight == 0) continue;
        rows.column.push_back((k[0] + dz) * mx + k[1] + dx);
        rows.weight.push_back(weight);
      }
    }
    rows.start.push_back(static_cast<Index>(rows.column.size()));
  }
  return rows;
}

inline SparseRows transpose(const SparseRows& a) {
  SparseRows t;
  t.columns = a.rows();
  t.start.assign(static_cast<std::size_t>(a.columns) + 1, 0);
  t.column.resize(a.column.size());
  t.weight.resize(a.column.size());
  for (const Index c : a.column) ++t.start[static_cast<std::size_t>(c) + 1];
  for (std::size_t c = 1; c < t.start.size(); ++c) t.start[c] += t.start[c - 1];
  std::vector<Index> next(t.start.begin(), t.start.end() - 1);
  for (Index r = 0; r < a.rows(); ++r) {
    for (Index k = a.start[static_cast<std::size_t>(r)]; k < a.start[static_cast<std::size_t>(r) + 1]; ++k) {
      const auto from = static_cast<std::size_t>(k);
      const auto to = static_cast<std::size_t>(next[static_cast<std::size_t>(a.column[from])]++);
      t.column[to] = r;
      t.weight[to] = a.weight[from];
    }
  }
  return t;
}

}  // namespace terrane
