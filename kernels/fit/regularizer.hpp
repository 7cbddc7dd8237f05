// SPDX-License-Identifier: MIT
// Model penalties on a grid m (nz, nx), row-major, spacing dz, dx; g_z, g_x are forward differences (0 on the last
// row and column), reference m_ref may be null (0).
//   tikhonov order 0   phi = 1/2 sum (m - m_ref)^2
//   absolute           phi = sum |m - m_ref|, its derivative 0 where m = m_ref
//   logarithm          phi = sum eps ln(1 + |m - m_ref| / eps): absolute near m_ref, bends at eps, so that large
//   changes
//                      are not drawn back (Candes, Wakin, Boyd 2008)
//   tikhonov order 1   phi = 1/2 sum (a_z g_z^2 + a_x g_x^2)        of m - m_ref
//   tv                 phi = sum (sqrt(a_z g_z^2 + a_x g_x^2 + eps^2) - eps)
//   tv_axes            phi = sum (sqrt(a_z g_z^2 + eps^2) - eps + sqrt(a_x g_x^2 + eps^2) - eps)
// multiplied by `scale`. Gradients gather from the two neighbours, so they are deterministic.
#pragma once

#include "kernels/runtime/hd.hpp"
#include "kernels/runtime/math.hpp"

namespace terrane {

enum class PenaltyKind : int { tikhonov0, tikhonov1, tv, tv_axes, absolute, logarithm };

template <class T>
struct GridPenalty {
  PenaltyKind kind;
  Index nz, nx;
  T weight_z, weight_x;  // a_z / dz^2, a_x / dx^2
  T epsilon, scale;
  const T* m;
  const T* reference;

  TERRANE_HD T at(Index i) const { return reference != nullptr ? m[i] - reference[i] : m[i]; }
  // Forward differences of the field q at node i.
  TERRANE_HD void differences(Index z, Index x, T* gz, T* gx) const {
    const Index i = z * nx + x;
    *gz = z + 1 < nz ? at(i + nx) - at(i) : T(0);
    *gx = x + 1 < nx ? at(i + 1) - at(i) : T(0);
  }
  TERRANE_HD T value(Index i) const {
    if (kind == PenaltyKind::tikhonov0) return scale * T(0.5) * at(i) * at(i);
    if (kind == PenaltyKind::absolute) return at(i) < 0 ? -scale * at(i) : scale * at(i);
    if (kind == PenaltyKind::logarithm) {
      const T d = at(i) < 0 ? -at(i) : at(i);
      return scale * epsilon * natural_log(1 + d / epsilon);
    }
    T gz, gx;
    differences(i / nx, i % nx, &gz, &gx);
    const T qz = weight_z * gz * gz, qx = weight_x * gx * gx, q = qz + qx, e2 = epsilon * epsilon;
    if (kind == PenaltyKind::tv_axes) return scale * (square_root(qz + e2) + square_root(qx + e2) - 2 * epsilon);
    return kind == PenaltyKind::tv ? scale * (square_root(q + e2) - epsilon) : scale * T(0.5) * q;
  }
  // d value(node) / d gz and d gx at a node, for `axis` 0 (z) or 1 (x).
  TERRANE_HD T slope(Index z, Index x, int axis) const {
    T gz, gx;
    differences(z, x, &gz, &gx);
    const T d = axis == 0 ? weight_z * gz : weight_x * gx;
    if (kind == PenaltyKind::tikhonov1) return scale * d;
    T q = weight_z * gz * gz + weight_x * gx * gx;
    if (kind == PenaltyKind::tv_axes) q = axis == 0 ? weight_z * gz * gz : weight_x * gx * gx;
    const T root = square_root(q + epsilon * epsilon);
    return root > 0 ? scale * d / root : T(0);
  }
  TERRANE_HD T gradient(Index i) const {
    if (kind == PenaltyKind::tikhonov0) return scale * at(i);
    if (kind == PenaltyKind::absolute || kind == PenaltyKind::logarithm) {
      const T d = at(i), size = d < 0 ? -d : d;
      const T slope = kind == PenaltyKind::absolute ? scale : scale / (1 + size / epsilon);
      return d > 0 ? slope : d < 0 ? -slope : T(0);
    }
    const Index z = i / nx, x = i % nx;
    T g = T(0);
    if (z + 1 < nz) g -= slope(z, x, 0);
    if (x + 1 < nx) g -= slope(z, x, 1);
    if (z > 0) g += slope(z - 1, x, 0);
    if (x > 0) g += slope(z, x - 1, 1);
    return g;
  }
};

// out[0] = phi
template <class T>
struct PenaltySum {
  GridPenalty<T> penalty;
  T* out;
  TERRANE_HD double operator()(Index i) const { return static_cast<double>(penalty.value(i)); }
};
// out_i += d_phi[0] dphi/dm_i
template <class T>
struct PenaltyGradient {
  GridPenalty<T> penalty;
  const T* d_phi;
  T* out;
  TERRANE_HD void operator()(Index i) const { out[i] += d_phi[0] * penalty.gradient(i); }
};
// out[0] = sum_i dphi/dm_i t_i
template <class T>
struct PenaltyTangent {
  GridPenalty<T> penalty;
  const T* t;
  T* out;
  TERRANE_HD double operator()(Index i) const {
    return static_cast<double>(penalty.gradient(i)) * static_cast<double>(t[i]);
  }
};

}  // namespace terrane
