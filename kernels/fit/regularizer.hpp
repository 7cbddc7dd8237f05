// SPDX-License-Identifier: MIT
// Model penalties on a grid m (nz, nx) or (nz, ny, nx), row-major, spacing dz, dy, dx; g_z, g_y, g_x are forward
// differences (0 on the last node of the axis; g_y = 0 in two dimensions), reference m_ref may be null (0).
//   tikhonov order 0   phi = 1/2 sum (m - m_ref)^2
//   absolute           phi = sum |m - m_ref|, its derivative 0 where m = m_ref
//   logarithm          phi = sum eps ln(1 + |m - m_ref| / eps): absolute near m_ref, bends at eps, so that large
//   changes
//                      are not drawn back (Candes, Wakin, Boyd 2008)
//   tikhonov order 1   phi = 1/2 sum (a_z g_z^2 + a_y g_y^2 + a_x g_x^2)        of m - m_ref
//   tv                 phi = sum (sqrt(a_z g_z^2 + a_y g_y^2 + a_x g_x^2 + eps^2) - eps)
//   tv_axes            phi = sum over the axes of sum (sqrt(a g^2 + eps^2) - eps)
// multiplied by `scale`. Gradients gather from the neighbours, so they are deterministic.
#pragma once

#include "kernels/runtime/hd.hpp"
#include "kernels/runtime/math.hpp"

namespace terrane {

enum class PenaltyKind : int { tikhonov0, tikhonov1, tv, tv_axes, absolute, logarithm };

template <class T>
struct GridPenalty {
  PenaltyKind kind;
  Index nz, ny, nx;                // ny = 1: two dimensions
  T weight_z, weight_y, weight_x;  // a_z / dz^2, a_y / dy^2, a_x / dx^2
  T epsilon, scale;
  const T* m;
  const T* reference;

  TERRANE_HD Index nodes() const { return nz * ny * nx; }
  TERRANE_HD T at(Index i) const { return reference != nullptr ? m[i] - reference[i] : m[i]; }
  TERRANE_HD Index z_of(Index i) const { return i / (ny * nx); }
  TERRANE_HD Index y_of(Index i) const { return i / nx % ny; }
  TERRANE_HD Index x_of(Index i) const { return i % nx; }
  // Forward difference at node i.
  TERRANE_HD T difference(Index i, int axis) const {
    if (axis == 0) return z_of(i) + 1 < nz ? at(i + ny * nx) - at(i) : T(0);
    if (axis == 1) return y_of(i) + 1 < ny ? at(i + nx) - at(i) : T(0);
    return x_of(i) + 1 < nx ? at(i + 1) - at(i) : T(0);
  }
  TERRANE_HD T weight(int axis) const { return axis == 0 ? weight_z : axis == 1 ? weight_y : weight_x; }
  TERRANE_HD T square(Index i, int axis) const {
    const T g = difference(i, axis);
    return weight(axis) * g * g;
  }
  TERRANE_HD T squares(Index i) const {
    const T qz = square(i, 0), qx = square(i, 2);
    return ny > 1 ? qz + square(i, 1) + qx : qz + qx;
  }
  TERRANE_HD T value(Index i) const {
    if (kind == PenaltyKind::tikhonov0) return scale * T(0.5) * at(i) * at(i);
    if (kind == PenaltyKind::absolute) return at(i) < 0 ? -scale * at(i) : scale * at(i);
    if (kind == PenaltyKind::logarithm) {
      const T d = at(i) < 0 ? -at(i) : at(i);
      return scale * epsilon * natural_log(1 + d / epsilon);
    }
    const T e2 = epsilon * epsilon;
    if (kind == PenaltyKind::tv_axes) {
      const T plane = square_root(square(i, 0) + e2) + square_root(square(i, 2) + e2) - 2 * epsilon;
      return scale * (ny > 1 ? plane + (square_root(square(i, 1) + e2) - epsilon) : plane);
    }
    const T q = squares(i);
    return kind == PenaltyKind::tv ? scale * (square_root(q + e2) - epsilon) : scale * T(0.5) * q;
  }
  // d value(node i) / d (forward difference along the axis: 0 z, 1 y, 2 x).
  TERRANE_HD T slope(Index i, int axis) const {
    const T d = weight(axis) * difference(i, axis);
    if (kind == PenaltyKind::tikhonov1) return scale * d;
    const T q = kind == PenaltyKind::tv_axes ? square(i, axis) : squares(i);
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
    const Index z = z_of(i), y = y_of(i), x = x_of(i);
    T g = T(0);
    if (z + 1 < nz) g -= slope(i, 0);
    if (y + 1 < ny) g -= slope(i, 1);
    if (x + 1 < nx) g -= slope(i, 2);
    if (z > 0) g += slope(i - ny * nx, 0);
    if (y > 0) g += slope(i - nx, 1);
    if (x > 0) g += slope(i - 1, 2);
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
