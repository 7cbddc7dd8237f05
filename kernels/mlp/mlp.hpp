// SPDX-License-Identifier: MIT
// Fully connected network, evaluated at n points at once:
//
//   a_0 = x;   z_l = W_l a_{l-1} + b_l;   a_l = f_l(z_l), l = 1..L;   y = a_L
//
// theta is flat: [W_1 (n_out x n_in, row-major), b_1, W_2, b_2, ...]. x is (n, n_in), y is (n, n_out), row-major.
// f_l and its parameter (omega, slope) are per layer; an ordinary network has f_L = identity.
//
// Reverse mode for d_y:  dz_L = d_y o f_L'(z_L);  dW_l = sum_p dz_l[p] a_{l-1}[p]^T,  db_l = sum_p dz_l[p];
//   dz_{l-1} = (dz_l W_l) o f_{l-1}'(z_{l-1});  d_x = dz_1 W_1.   This is the transpose of the forward mode
//   tz_l = tW_l a_{l-1} + W_l ta_{l-1} + tb_l,  ta_l = f_l'(z_l) o tz_l, read from the right.
//
// No array proportional to n x width is kept: the reverse mode evaluates the network again, tile by tile. Weight
// gradients are summed within fixed chunks of points and then over chunks in order, so that the bits depend on the
// shapes, not on the number of threads.
#pragma once

#include "kernels/mlp/activation.hpp"

namespace terrane {

inline constexpr int mlp_max_layers = 24;

struct MlpLayer {
  Index n_in = 0;
  Index n_out = 0;
  Activation activation = Activation::identity;
  double parameter = 0;  // omega of sine, slope of leaky_relu

  TERRANE_HD Index parameters() const { return n_in * n_out + n_out; }
};

// Representation of the factors of a hidden layer's products in float on a GPU; elsewhere it has no meaning. Sums, the
// first layer and the argument of the activation are float in every mode. jvp and factors always use float.
enum class MlpPrecision : int {
  tf32x3 = 0,  // tensor cores, two TF32 numbers a factor: the accuracy of float
  tf32 = 1,    // 11 bits
  bf16 = 2,    // 8 bits
  fp32 = 3     // no tensor cores
};

struct MlpShape {
  int layers = 0;
  MlpLayer layer[mlp_max_layers];
  MlpPrecision precision = MlpPrecision::tf32x3;

  TERRANE_HD Index n_in() const { return layer[0].n_in; }
  TERRANE_HD Index n_out() const { return layer[layers - 1].n_out; }
  // Offset of W_l in theta; b_l follows it at + n_out n_in.
  TERRANE_HD Index offset(int l) const {
    Index o = 0;
    for (int k = 0; k < l; ++k) o += layer[k].parameters();
    return o;
  }
  TERRANE_HD Index parameters() const { return offset(layers); }
};

template <class T>
struct MlpForward {
  MlpShape shape;
  Index n = 0;
  const T* theta = nullptr;  // (parameters)
  const T* x = nullptr;      // (n, n_in)
  T* y = nullptr;            // (n, n_out), overwritten
};

template <class T>
struct MlpVjp {
  MlpShape shape;
  Index n = 0;
  const T* theta = nullptr;  // (parameters)
  const T* x = nullptr;      // (n, n_in)
  const T* d_y = nullptr;    // (n, n_out)
  T* d_theta = nullptr;      // (parameters), accumulated into; may be null
  T* d_x = nullptr;          // (n, n_in), accumulated into; may be null
};

template <class T>
struct MlpJvp {
  MlpShape shape;
  Index n = 0;
  const T* theta = nullptr;    // (parameters)
  const T* x = nullptr;        // (n, n_in)
  const T* t_theta = nullptr;  // (parameters); null: zero
  const T* t_x = nullptr;      // (n, n_in); null: zero
  T* t_y = nullptr;            // (n, n_out), overwritten
};

// Gram factors of one output F: A_l = a_{l-1} and D_l = dF/dz_l (before the activation and its omega). Row p of the
// Jacobian dF/dtheta is the concatenation over l of vec(D_l[p] A_l[p]^T), D_l[p], hence
//   J J^T = sum_l (A_l A_l^T + 1) o (D_l D_l^T).
template <class T>
struct MlpFactors {
  MlpShape shape;
  Index n = 0;
  Index output = 0;           // which component of y
  const T* theta = nullptr;   // (parameters)
  const T* x = nullptr;       // (n, n_in)
  T* a[mlp_max_layers] = {};  // of each layer: (n, its n_in), overwritten
  T* d[mlp_max_layers] = {};  // of each layer: (n, its n_out), overwritten
  const T* d_y = nullptr;     // (n, n_out): dF/dy of a scalar F of each point; null: F is component `output`
};

}  // namespace terrane
