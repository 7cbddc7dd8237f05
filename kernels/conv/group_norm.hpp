// SPDX-License-Identifier: MIT
// Group normalisation (Wu, He 2018) of images with channels last, followed by SiLU where wanted:
//
//   m, r = mean and 1 / sqrt(variance + epsilon) of x over the pixels and channels of a group of one image
//   u = gamma_c (x - m) r + beta_c = scale_bc x + shift_bc;   y = u, or u sigmoid(u)
//
// x (batch, pixels, channels); gamma, beta (channels). Layer normalisation is one group and one pixel.
// With xh = (x - m) r, d_u the cotangent of u, < > the mean over the group:
//   d_x = r (gamma d_u - <gamma d_u> - xh <gamma d_u xh>),  d_gamma_c = sum d_u xh,  d_beta_c = sum d_u
//   t_u = gamma r (t_x - <t_x> - xh <xh t_x>) + t_gamma xh + t_beta
// so both need, for each image and channel, the sums over pixels of (d, d xh). Sums run in double, in pixel order.
#pragma once

#include "kernels/runtime/hd.hpp"
#include "kernels/runtime/math.hpp"

namespace terrane {

struct NormShape {
  Index batch = 1, pixels = 1, channels = 1, groups = 1;
  double epsilon = 1e-5;
  bool silu = false;

  TERRANE_HD Index group_channels() const { return channels / groups; }
  TERRANE_HD Index rows() const { return batch * pixels; }
};

// What forward leaves for the derivatives.
template <class T>
struct NormSaved {
  T* mean;   // (batch, groups)
  T* rate;   // (batch, groups): r
  T* scale;  // (batch, channels)
  T* shift;  // (batch, channels)
};

template <class T>
struct NormForward {
  NormShape shape;
  const T* x;
  const T* gamma;
  const T* beta;
  NormSaved<T> saved;
  T* y;
};

// Each result is accumulated into and may be null.
template <class T>
struct NormVjp {
  NormShape shape;
  const T* x;
  const T* gamma;
  NormSaved<T> saved;
  const T* d_y;
  T* d_x;
  T* d_gamma;
  T* d_beta;
};

// Each tangent may be null: zero.
template <class T>
struct NormJvp {
  NormShape shape;
  const T* x;
  const T* gamma;
  NormSaved<T> saved;
  const T* t_x;
  const T* t_gamma;
  const T* t_beta;
  T* t_y;
};

}  // namespace terrane
