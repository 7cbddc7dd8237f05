// SPDX-License-Identifier: MIT
// Complex Gabor network, evaluated at n points at once (all values dimensionless):
//
//   z_1 = W_1 x + b_1 (real);  h_l = exp(j omega_l z_l - s^2 |z_l|^2);  z_{l+1} = W_{l+1} h_l + b_{l+1} (complex)
//   y = Re z_{D+1}, D activated layers of equal width; omega_1 = omega_first, the others omega
//
// theta is flat: [W_1 (width, n_in), b_1], then for each later layer [Re W, Im W (n_out, n_in), Re b, Im b].
//
// With z = x + j y, h = E (cos omega x + j sin omega x), E = exp(-omega y - s^2 (x^2 + y^2)):
//   dh/dx = (j omega - 2 s^2 x) h,   dh/dy = (-omega - 2 s^2 y) h.
// Reverse mode, cotangents as pairs g = g_r + j g_i: with u = g_r h_r + g_i h_i, v = g_i h_r - g_r h_i
//   d_x = omega v - 2 s^2 x u,   d_y = (-omega - 2 s^2 y) u;   through z = W a + b: d_a = conj(W)^T d_z,
//   d_W = sum_p d_z conj(a)^T (as a pair: d_Wr = d_r a_r + d_i a_i, d_Wi = d_i a_r - d_r a_i), d_b = sum_p d_z.
// The first layer uses d_x only. This is the transpose of the forward mode t_h = t_x dh/dx + t_y dh/dy.
//
// No array proportional to n x width is kept; sums over points run in fixed chunks (as in kernels/mlp/mlp.hpp).
// Reference: V. Saragadam et al., WIRE, CVPR 2023.
#pragma once

#include "kernels/runtime/math.hpp"

namespace terrane {

inline constexpr int gabor_max_layers = 16;

struct GaborShape {
  Index n_in = 2, width = 141, n_out = 1;
  int depth = 4;  // activated layers, 1 .. gabor_max_layers - 1
  double omega_first = 5, omega = 5, scale = 5;

  TERRANE_HD int layers() const { return depth + 1; }  // linear maps
  TERRANE_HD Index inputs(int l) const { return l == 0 ? n_in : width; }
  TERRANE_HD Index outputs(int l) const { return l == depth ? n_out : width; }
  TERRANE_HD double omega_of(int l) const { return l == 0 ? omega_first : omega; }
  // Real numbers of layer l, and the offset of its first one.
  TERRANE_HD Index layer_parameters(int l) const { return (l == 0 ? 1 : 2) * outputs(l) * (inputs(l) + 1); }
  TERRANE_HD Index offset(int l) const {
    Index o = 0;
    for (int k = 0; k < l; ++k) o += layer_parameters(k);
    return o;
  }
  TERRANE_HD Index parameters() const { return offset(layers()); }
  // The same with a complex number counted once.
  TERRANE_HD Index complex_parameters() const {
    Index o = 0;
    for (int l = 0; l < layers(); ++l) o += outputs(l) * (inputs(l) + 1);
    return o;
  }
};

// h at z = x + j y. M: multiply-add policy of the sine (kernels/runtime/math.hpp).
template <class M, class T>
TERRANE_HD void gabor_value(T omega, T s2, T x, T y, T& hr, T& hi) {
  T sn, cs;
  sine_cosine<M>(omega * x, sn, cs);
  const T e = exponential(-omega * y - s2 * (x * x + y * y));
  hr = e * cs;
  hi = e * sn;
}
// Cotangent of z from the cotangent g of h.
template <class T>
TERRANE_HD void gabor_chain(T omega, T s2, T x, T y, T hr, T hi, T gr, T gi, T& dx, T& dy) {
  const T u = gr * hr + gi * hi, v = gi * hr - gr * hi;
  dx = omega * v - T(2) * s2 * x * u;
  dy = (-omega - T(2) * s2 * y) * u;
}
// Tangent of h from the tangent of z.
template <class T>
TERRANE_HD void gabor_tangent(T omega, T s2, T x, T y, T hr, T hi, T tx, T ty, T& tr, T& ti) {
  const T along = T(-2) * s2 * (x * tx + y * ty) - omega * ty, turn = omega * tx;
  tr = along * hr - turn * hi;
  ti = along * hi + turn * hr;
}

template <class T>
struct GaborForward {
  GaborShape shape;
  Index n = 0;
  const T* theta = nullptr;  // (parameters)
  const T* x = nullptr;      // (n, n_in)
  T* y = nullptr;            // (n, n_out), overwritten
};

template <class T>
struct GaborVjp {
  GaborShape shape;
  Index n = 0;
  const T* theta = nullptr;  // (parameters)
  const T* x = nullptr;      // (n, n_in)
  const T* d_y = nullptr;    // (n, n_out)
  T* d_theta = nullptr;      // (parameters), accumulated into; may be null
  T* d_x = nullptr;          // (n, n_in), accumulated into; may be null
};

template <class T>
struct GaborJvp {
  GaborShape shape;
  Index n = 0;
  const T* theta = nullptr;    // (parameters)
  const T* x = nullptr;        // (n, n_in)
  const T* t_theta = nullptr;  // (parameters); null: zero
  const T* t_x = nullptr;      // (n, n_in); null: zero
  T* t_y = nullptr;            // (n, n_out), overwritten
};

// Gram factors for a scalar F that depends on y point by point: A_l = inputs of layer l, D_l = dF/dRe z + j dF/dIm z.
//   J J^T = (A_1 A_1^T + 1) o (D_1 D_1^T) + sum_{l>1} Re[(A_l A_l^H + 1) o conj(D_l D_l^H)]
// Rows of later layers are [real parts, imaginary parts].
template <class T>
struct GaborFactors {
  GaborShape shape;
  Index n = 0;
  const T* theta = nullptr;     // (parameters)
  const T* x = nullptr;         // (n, n_in)
  const T* d_y = nullptr;       // (n, n_out): dF/dy
  T* a[gabor_max_layers] = {};  // (n, n_in), later (n, 2 inputs), overwritten
  T* d[gabor_max_layers] = {};  // (n, width), later (n, 2 outputs), overwritten
};

}  // namespace terrane
