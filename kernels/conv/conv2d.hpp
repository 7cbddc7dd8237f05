// SPDX-License-Identifier: MIT
// Convolution of images with channels last, zero outside:
//
//   y[b, i, j, o] = bias[o] + sum_{k, l, c} x[b, i s + k - p, j s + l - p, c] w[k, l, c, o]
//
// x (batch, height, width, channels_in), y (batch, out_height, out_width, channels_out), w (kernel, kernel,
// channels_in, channels_out), stride s, padding p. A linear layer is kernel 1 on images of one pixel. Adjoint in x: y's
// pixel (i, j) reads x's pixel (i s + k - p, ...), so x's pixel (u, v) collects d_y at i = (u + p - k) / s wherever
// that is a whole number inside: pixels of x with equal (u mod s, v mod s) share their taps (k, l). Adjoint in w:
// d_w[k, l] = sum over pixels of x(tap)^T d_y.
#pragma once

#include "kernels/linalg/linalg.hpp"

namespace terrane {

struct ConvShape {
  Index batch = 1, height = 1, width = 1, channels_in = 1, channels_out = 1;
  Index kernel = 3, stride = 1, padding = 1;
  FactorPrecision precision = FactorPrecision::full;  // of x, w and d_y in products

  TERRANE_HD Index out_height() const { return (height + 2 * padding - kernel) / stride + 1; }
  TERRANE_HD Index out_width() const { return (width + 2 * padding - kernel) / stride + 1; }
  TERRANE_HD Index pixels_in() const { return batch * height * width; }
  TERRANE_HD Index pixels_out() const { return batch * out_height() * out_width(); }
  TERRANE_HD Index taps() const { return kernel * kernel; }
  TERRANE_HD Index weights() const { return taps() * channels_in * channels_out; }
  TERRANE_HD bool pointwise() const { return kernel == 1 && stride == 1 && padding == 0; }
};

// y = or += conv(x, w) + bias
template <class T>
struct ConvForward {
  ConvShape shape;
  const T* x;
  const T* w;
  const T* bias;  // (channels_out) or null
  T* y;
  bool accumulate;
};

// d_x += adjoint in x of d_y
template <class T>
struct ConvVjpInput {
  ConvShape shape;
  const T* w;
  const T* d_y;
  T* d_x;
};

// d_w += adjoint in w of d_y, d_bias[o] += sum of d_y over pixels
template <class T>
struct ConvVjpWeight {
  ConvShape shape;
  const T* x;
  const T* d_y;
  T* d_w;
  T* d_bias;  // or null
};

}  // namespace terrane
