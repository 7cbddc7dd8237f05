// SPDX-License-Identifier: MIT
// Elementwise kernels and reductions. Arrays are flat, n elements; in-place use is allowed where stated.
#pragma once

#include "kernels/runtime/hd.hpp"
#include "kernels/runtime/math.hpp"
#include "kernels/runtime/random.hpp"

namespace terrane {

// y = value
template <class T>
struct Fill {
  T* y;
  T value;
  Index n;
  TERRANE_HD void operator()(Index i) const { y[i] = value; }
};

// y = x
template <class T>
struct CopyValues {
  const T* x;
  T* y;
  Index n;
  TERRANE_HD void operator()(Index i) const { y[i] = x[i]; }
};

// y = a x + b y; y is not read where b = 0, so it may be uninitialised
template <class T>
struct Axpby {
  T a;
  const T* x;
  T b;
  T* y;
  Index n;
  TERRANE_HD void operator()(Index i) const { y[i] = b == T(0) ? a * x[i] : a * x[i] + b * y[i]; }
};

// out[0] = sum_i x_i y_i (fixed tree, accumulated in double)
template <class T>
struct Dot {
  const T* x;
  const T* y;
  T* out;
  Index n;
  TERRANE_HD double operator()(Index i) const { return static_cast<double>(x[i]) * static_cast<double>(y[i]); }
};

// out[0] = sum_i x_i
template <class T>
struct Sum {
  const T* x;
  T* out;
  Index n;
  TERRANE_HD double operator()(Index i) const { return static_cast<double>(x[i]); }
};

// y[b, k] = standard normal number of (seed, purpose, index[b], draw + k)
template <class T>
struct NormalNoise {
  std::uint64_t seed;
  std::uint32_t purpose, draw;
  const std::uint64_t* index;  // (rows)
  Index rows, columns;
  T* y;
  TERRANE_HD void operator()(Index b, Index k) const {
    const Random random(seed, purpose);
    y[b * columns + k] = static_cast<T>(random.normal(index[b], draw + static_cast<std::uint32_t>(k)));
  }
};

// y[k] = x[index[k]]
template <class T>
struct Gather {
  const T* x;
  const Index* index;
  T* y;
  Index n;
  TERRANE_HD void operator()(Index k) const { y[k] = x[index[k]]; }
};

// Transpose of Gather in CSR form: y[j] += sum_{k = start[j]}^{start[j+1]-1} x[item[k]]. Deterministic, no atomics.
template <class T>
struct GatherAdjoint {
  const T* x;
  const Index* start;
  const Index* item;
  T* y;
  Index n;
  TERRANE_HD void operator()(Index j) const {
    T sum = T(0);
    for (Index k = start[j]; k < start[j + 1]; ++k) sum += x[item[k]];
    y[j] += sum;
  }
};

enum class UnaryKind : int {
  scale_shift,
  square,
  absolute,
  exponential,
  logarithm,
  square_root,
  reciprocal,
  clamp,
  silu
};

// f and f' of the unary functions; parameters a, b: scale_shift is a x + b, clamp limits x to [a, b].
template <class T>
TERRANE_HD void unary_value(UnaryKind kind, T a, T b, T x, T* f, T* df) {
  switch (kind) {
    case UnaryKind::scale_shift:
      *f = a * x + b;
      *df = a;
      break;
    case UnaryKind::square:
      *f = x * x;
      *df = 2 * x;
      break;
    case UnaryKind::absolute:
      *f = x < 0 ? -x : x;
      *df = x < 0 ? T(-1) : (x > 0 ? T(1) : T(0));
      break;
    case UnaryKind::exponential:
      *f = static_cast<T>(::exp(x));
      *df = *f;
      break;
    case UnaryKind::logarithm:
      *f = static_cast<T>(::log(x));
      *df = 1 / x;
      break;
    case UnaryKind::square_root:
      *f = static_cast<T>(::sqrt(x));
      *df = *f > 0 ? T(0.5) / *f : T(0);
      break;
    case UnaryKind::reciprocal:
      *f = 1 / x;
      *df = -(*f) * (*f);
      break;
    case UnaryKind::clamp:
      *f = x < a ? a : (x > b ? b : x);
      *df = x < a || x > b ? T(0) : T(1);
      break;
    case UnaryKind::silu:
      *f = silu(x);
      *df = silu_slope(x);
      break;
  }
}

// y = f(x)
template <class T>
struct UnaryForward {
  UnaryKind kind;
  T a, b;
  const T* x;
  T* y;
  Index n;
  TERRANE_HD void operator()(Index i) const {
    T df = T(0);
    unary_value(kind, a, b, x[i], &y[i], &df);
  }
};

// out = beta out + f'(x) t, with beta 0 or 1: the vjp and the jvp of a unary function
template <class T>
struct UnaryChain {
  UnaryKind kind;
  T a, b;
  const T* x;
  const T* t;
  T* out;
  bool accumulate;
  Index n;
  TERRANE_HD void operator()(Index i) const {
    T f = T(0), df = T(0);
    unary_value(kind, a, b, x[i], &f, &df);
    out[i] = accumulate ? out[i] + df * t[i] : df * t[i];
  }
};

enum class BinaryKind : int { add, subtract, multiply, divide, hypotenuse };

// f(x, y) and its partial derivatives. hypotenuse: sqrt(x^2 + y^2 + a^2), a > 0 keeps it smooth at the origin.
template <class T>
TERRANE_HD void binary_value(BinaryKind kind, T a, T x, T y, T* f, T* fx, T* fy) {
  switch (kind) {
    case BinaryKind::add:
      *f = x + y;
      *fx = 1;
      *fy = 1;
      break;
    case BinaryKind::subtract:
      *f = x - y;
      *fx = 1;
      *fy = -1;
      break;
    case BinaryKind::multiply:
      *f = x * y;
      *fx = y;
      *fy = x;
      break;
    case BinaryKind::divide:
      *f = x / y;
      *fx = 1 / y;
      *fy = -(x / y) / y;
      break;
    case BinaryKind::hypotenuse:
      *f = static_cast<T>(::sqrt(x * x + y * y + a * a));
      *fx = *f > 0 ? x / *f : T(0);
      *fy = *f > 0 ? y / *f : T(0);
      break;
  }
}

// z = f(x, y)
template <class T>
struct BinaryForward {
  BinaryKind kind;
  T a;
  const T* x;
  const T* y;
  T* z;
  Index n;
  TERRANE_HD void operator()(Index i) const {
    T fx = T(0), fy = T(0);
    binary_value(kind, a, x[i], y[i], &z[i], &fx, &fy);
  }
};

// out = beta out + (df/dx or df/dy) t
template <class T>
struct BinaryChain {
  BinaryKind kind;
  T a;
  const T* x;
  const T* y;
  const T* t;
  T* out;
  bool second;  // derivative with respect to y
  bool accumulate;
  Index n;
  TERRANE_HD void operator()(Index i) const {
    T f = T(0), fx = T(0), fy = T(0);
    binary_value(kind, a, x[i], y[i], &f, &fx, &fy);
    const T d = (second ? fy : fx) * t[i];
    out[i] = accumulate ? out[i] + d : d;
  }
};

// y = y + a[0] x: the scalar is read on the device
template <class T>
struct AddScaled {
  const T* a;
  const T* x;  // null: all ones
  T* y;
  Index n;
  TERRANE_HD void operator()(Index i) const { y[i] += a[0] * (x != nullptr ? x[i] : T(1)); }
};

// bad[0] = number of values that are NaN or infinite
template <class T>
struct CountBad {
  const T* x;
  T* bad;
  Index n;
  TERRANE_HD double operator()(Index i) const {
    const T d = x[i] - x[i];  // NaN for NaN and for infinities
    return d == T(0) ? 0.0 : 1.0;
  }
};

}  // namespace terrane
