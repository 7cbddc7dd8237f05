// SPDX-License-Identifier: MIT
// A Jacobian (or any linear operator) without a matrix: y = J v and x = J^T w on device arrays.
#pragma once

#include <functional>

#include "kernels/runtime/stream.hpp"

namespace terrane {

template <class T>
struct LinearMap {
  Index columns = 0;                                         // elements of v
  Index rows = 0;                                            // elements of w
  std::function<void(Stream& s, const T* v, T* y)> apply;    // y (rows)    = J v, overwrites
  std::function<void(Stream& s, const T* w, T* x)> adjoint;  // x (columns) = J^T w, overwrites
};

}  // namespace terrane
