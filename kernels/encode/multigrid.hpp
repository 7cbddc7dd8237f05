// SPDX-License-Identifier: MIT
// Multi-resolution grid encoding: features of a position zeta in [0, 1]^d (d = 1, 2, 3; z first), interpolated from
// L levels of trained vertices and concatenated: y (n, L F), level l in columns [l F, (l + 1) F).
//
//   s_l = N0 b^l - 1 (single precision), R_l = ceil(s_l) + 1 vertices an axis, E_l = min(T, 8 ceil(prod R / 8)) entries
//   position on axis a  p = s_l zeta + 1/2 (tcnn) or (R_l - 1) zeta (vertex);  k = floor p, w = p - k (or the
//   smoothstep w^2 (3 - 2 w));  y_l = sum over the 2^d corners c of prod_a (c_a ? w_a : 1 - w_a) table[entry(k + c)]
//   entry: dense sum_a i_a prod_{b<a} R_b while prod R <= E_l, else the hash (i_0 xor i_1 pi_1 xor i_2 pi_2); mod E_l
//
// zeta outside [0, 1] is clamped and has derivative zero; derivatives at cell faces are those of the upper cell.
// table is flat: [level][entry][feature]. Derivatives with W(c) the weights, dW_a(c) their slopes along axis a:
//   d_table[e] += sum over points and corners with entry e of W(c) d_y;   d_x_a += sum_c dW_a(c) table[e(c)] . d_y
//   t_y = sum_c W(c) t_table[e(c)] + (sum_a dW_a(c) t_x_a) table[e(c)]
// The sums over points run in an order, or in an arithmetic, that does not depend on threads.
// Allocation and hash: T. Mueller, A. Evans, C. Schied, A. Keller, ACM Trans. Graph. 41 (2022), and tiny-cuda-nn.
#pragma once

#include "kernels/runtime/math.hpp"

namespace terrane {

inline constexpr int multigrid_max_levels = 32;
inline constexpr int multigrid_max_features = 8;

enum class GridOffset : int { tcnn = 0, vertex = 1 };
enum class GridAspect : int { equal = 0, match = 1 };  // match: square cells, R_l holds for the longest axis

struct MultigridLevel {
  double scale[3] = {};  // p = scale zeta + shift
  double shift = 0;
  std::uint32_t resolution[3] = {1, 1, 1};  // vertices per axis
  std::uint32_t entries = 0;
  bool hashed = false;
  Index offset = 0;  // first entry of the level in the table
};

struct MultigridShape {
  int d = 0, levels = 0, features = 0;
  bool smoothstep = false;
  GridOffset offset = GridOffset::vertex;
  MultigridLevel level[multigrid_max_levels];

  TERRANE_HD Index entries() const { return level[levels - 1].offset + level[levels - 1].entries; }
  TERRANE_HD Index parameters() const { return entries() * features; }
  TERRANE_HD Index n_out() const { return static_cast<Index>(levels) * features; }
};

// --- point math ------------------------------------------------------------------------------------------------------
// Cell k, weight w of the upper vertex and dw/dzeta on one axis.
template <class T>
TERRANE_HD void multigrid_axis(const MultigridShape& shape, const MultigridLevel& level, int axis, T zeta,
                               std::uint32_t& k, T& w, T& dw) {
  const T scale = static_cast<T>(level.scale[axis]);
  T z = zeta > T(0) ? zeta : T(0);
  z = z < T(1) ? z : T(1);
  const T p = scale * z + static_cast<T>(level.shift);
  std::int32_t cell = static_cast<std::int32_t>(p);  // p >= 0
  // The last vertex belongs to the last cell; with the stagger of tcnn the far corner wraps instead.
  const std::int32_t last =
      shape.offset == GridOffset::vertex ? static_cast<std::int32_t>(level.resolution[axis]) - 2 : 0x7fffffff;
  cell = cell < last ? cell : last;
  k = static_cast<std::uint32_t>(cell);
  const T u = p - static_cast<T>(cell);
  const T slope = zeta >= T(0) && zeta <= T(1) ? scale : T(0);
  w = shape.smoothstep ? u * u * (T(3) - T(2) * u) : u;
  dw = shape.smoothstep ? slope * T(6) * u * (T(1) - u) : slope;
}

template <int D>
TERRANE_HD std::uint32_t multigrid_entry(const MultigridLevel& level, const std::uint32_t* k, int corner) {
  std::uint32_t i[3] = {0, 0, 0};
  for (int a = 0; a < D; ++a) i[a] = k[a] + static_cast<std::uint32_t>(corner >> a & 1);
  if (level.hashed) return (i[0] ^ i[1] * 2654435761u ^ i[2] * 805459861u) & (level.entries - 1);
  const std::uint32_t at = i[0] + level.resolution[0] * (i[1] + level.resolution[1] * i[2]);
  return at - (at >= level.entries ? level.entries : 0u);  // i <= R and R >= 2, so at < 2 E
}

template <int D, class T>
TERRANE_HD T multigrid_weight(const T* w, int corner) {
  T product = (corner & 1) != 0 ? w[0] : T(1) - w[0];
  for (int a = 1; a < D; ++a) product *= (corner >> a & 1) != 0 ? w[a] : T(1) - w[a];
  return product;
}
// dW/dzeta_axis
template <int D, class T>
TERRANE_HD T multigrid_slope(const T* w, const T* dw, int corner, int axis) {
  T product = T(1);
  for (int a = 0; a < D; ++a) {
    const bool upper = (corner >> a & 1) != 0;
    product *= a == axis ? (upper ? dw[a] : -dw[a]) : (upper ? w[a] : T(1) - w[a]);
  }
  return product;
}

// --- kernels ---------------------------------------------------------------------------------------------------------
template <class T>
struct MultigridForward {
  MultigridShape shape;
  Index n = 0;
  const T* table = nullptr;  // (parameters)
  const T* x = nullptr;      // (n, d), zeta
  T* y = nullptr;            // (n, levels features), overwritten
};

template <class T>
struct MultigridVjp {
  MultigridShape shape;
  Index n = 0;
  const T* table = nullptr;  // (parameters), read when d_x is wanted
  const T* x = nullptr;      // (n, d)
  const T* d_y = nullptr;    // (n, levels features)
  T* d_table = nullptr;      // (parameters), accumulated into; may be null
  T* d_x = nullptr;          // (n, d), accumulated into; may be null
};

template <class T>
struct MultigridJvp {
  MultigridShape shape;
  Index n = 0;
  const T* table = nullptr;    // (parameters)
  const T* x = nullptr;        // (n, d)
  const T* t_table = nullptr;  // (parameters); null: zero
  const T* t_x = nullptr;      // (n, d); null: zero
  T* t_y = nullptr;            // (n, levels features), overwritten
};

// The interpolation matrix P of one level: entry and weight of the 2^d corners of every point.
template <class T>
struct MultigridLinks {
  MultigridShape shape;
  Index n = 0;
  int level = 0;
  const T* x = nullptr;    // (n, d)
  Index* entry = nullptr;  // (n, 2^d), within the level, overwritten
  T* weight = nullptr;     // (n, 2^d), overwritten
};

}  // namespace terrane
