// SPDX-License-Identifier: MIT
// Images with channels last: twice the size, and one row of channels added to every pixel.
//
//   upsample   y (batch, 2 height, 2 width, channels) of x (batch, height, width, channels); pixel i of an axis of y
//              lies at u = (i + 1/2) / 2 - 1/2 of x: the nearest pixel, or linear between the two beside it, the outer
//              ones repeated (bilinear, corners not aligned)
//   add_rows   y[b, p, c] = x[b, p, c] + e[b, c];  d_e[b, c] = sum over p of d_y
#pragma once

#include "kernels/runtime/hd.hpp"

namespace terrane {

struct UpsampleShape {
  Index batch = 1, height = 1, width = 1, channels = 1;
  bool bilinear = false;
};

// Weight of pixel i (of n) in pixel k of the doubled axis.
template <class T>
TERRANE_HD T upsample_weight(Index n, Index k, Index i, bool bilinear) {
  if (!bilinear) return k / 2 == i ? T(1) : T(0);
  const Index low = (k - 1) / 2, first = k == 0 ? 0 : low;  // u = k / 2 - 1/4, below 0 for k = 0
  const Index second = first + 1 < n && k > 0 ? first + 1 : first;
  const T part = k == 0 ? T(0) : (k % 2 == 0 ? T(0.75) : T(0.25));
  return (first == i ? T(1) - part : T(0)) + (second == i ? part : T(0));
}

template <class T>
struct UpsampleForward {
  UpsampleShape shape;
  const T* x;
  T* y;
  // r: pixel of y
  TERRANE_HD void operator()(Index r, Index c) const {
    const UpsampleShape& f = shape;
    const Index v = r % (2 * f.width), u = r / (2 * f.width) % (2 * f.height), b = r / (4 * f.width * f.height);
    const Index i0 = f.bilinear ? (u > 0 ? (u - 1) / 2 : 0) : u / 2,
                j0 = f.bilinear ? (v > 0 ? (v - 1) / 2 : 0) : v / 2;
    const Index more = f.bilinear ? 1 : 0;
    T sum = T(0);
    for (Index i = i0; i <= i0 + more && i < f.height; ++i) {
      const T wi = upsample_weight<T>(f.height, u, i, f.bilinear);
      for (Index j = j0; j <= j0 + more && j < f.width; ++j) {
        sum +=
            wi * upsample_weight<T>(f.width, v, j, f.bilinear) * x[((b * f.height + i) * f.width + j) * f.channels + c];
      }
    }
    y[r * f.channels + c] = sum;
  }
};

// d_x += adjoint of d_y
template <class T>
struct UpsampleVjp {
  UpsampleShape shape;
  const T* d_y;
  T* d_x;
  // r: pixel of x
  TERRANE_HD void operator()(Index r, Index c) const {
    const UpsampleShape& f = shape;
    const Index j = r % f.width, i = r / f.width % f.height, b = r / (f.width * f.height);
    const Index more = f.bilinear ? 1 : 0;
    T sum = T(0);
    for (Index u = 2 * i - more; u <= 2 * i + 1 + more; ++u) {
      if (u < 0 || u >= 2 * f.height) continue;
      const T wu = upsample_weight<T>(f.height, u, i, f.bilinear);
      for (Index v = 2 * j - more; v <= 2 * j + 1 + more; ++v) {
        if (v < 0 || v >= 2 * f.width) continue;
        sum += wu * upsample_weight<T>(f.width, v, j, f.bilinear) *
               d_y[((b * 2 * f.height + u) * 2 * f.width + v) * f.channels + c];
      }
    }
    d_x[r * f.channels + c] += sum;
  }
};

template <class T>
struct AddRows {
  Index batch, pixels, channels;
  const T* x;  // or null: zero
  const T* e;  // or null: zero
  T* y;
  TERRANE_HD void operator()(Index r, Index c) const {
    const T v = x != nullptr ? x[r * channels + c] : T(0);
    y[r * channels + c] = e != nullptr ? v + e[r / pixels * channels + c] : v;
  }
};

// d_e += sums of d_y over the pixels
template <class T>
struct AddRowsVjp {
  Index batch, pixels, channels;
  const T* d_y;
  T* d_e;
  TERRANE_HD void operator()(Index b, Index c) const {
    double sum = 0;
    for (Index p = 0; p < pixels; ++p) sum += static_cast<double>(d_y[(b * pixels + p) * channels + c]);
    d_e[b * channels + c] += static_cast<T>(sum);
  }
};

}  // namespace terrane
