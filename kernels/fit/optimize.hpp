// SPDX-License-Identifier: MIT
// Parameter updates, in place, over one parameter group (n elements).
//   adam  m = b1 m + (1-b1) g, v = b2 v + (1-b2) g^2, x -= lr (m / c1) / (sqrt(v / c2) + eps), c_k = 1 - b_k^t
//   sgd   v = momentum v + g, x -= lr v
// Adam's eps is an absolute number: wave gradients reach 1e-10, so the default is 1e-16.
#pragma once

#include <cmath>

#include "kernels/runtime/hd.hpp"
#include "kernels/runtime/math.hpp"

namespace terrane {

template <class T>
struct AdamStep {
  T* x;
  const T* gradient;
  T* m;
  T* v;
  double lr, beta1, beta2, epsilon, correction1, correction2, gradient_scale, weight_decay;
  Index n;
  TERRANE_HD void operator()(Index i) const {
    const double g = static_cast<double>(gradient[i]) * gradient_scale;
    const double mi = beta1 * static_cast<double>(m[i]) + (1 - beta1) * g;
    const double vi = beta2 * static_cast<double>(v[i]) + (1 - beta2) * g * g;
    m[i] = static_cast<T>(mi);
    v[i] = static_cast<T>(vi);
    const double xi = static_cast<double>(x[i]);
    x[i] = static_cast<T>(xi - lr * (mi / correction1 / (square_root(vi / correction2) + epsilon) + weight_decay * xi));
  }
};

// Step t = 1, 2, ... with the numbers of the publication (arXiv 1412.6980): beta 0.9 and 0.999, epsilon 1e-8. Host
// code.
template <class T>
AdamStep<T> published_adam(T* x, const T* gradient, T* m, T* v, Index n, double lr, Index t, double gradient_scale = 1,
                           double weight_decay = 0) {
  constexpr double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  const auto power = static_cast<double>(t);
  return {x,
          gradient,
          m,
          v,
          lr,
          beta1,
          beta2,
          epsilon,
          1 - std::pow(beta1, power),
          1 - std::pow(beta2, power),
          gradient_scale,
          weight_decay,
          n};
}

template <class T>
struct MomentumStep {
  T* x;
  const T* gradient;
  T* velocity;
  T lr, momentum, gradient_scale;
  Index n;
  TERRANE_HD void operator()(Index i) const {
    velocity[i] = momentum * velocity[i] + gradient_scale * gradient[i];
    x[i] -= lr * velocity[i];
  }
};

// x = min(max(x, lo), hi)
template <class T>
struct Clamp {
  T* x;
  T lo, hi;
  Index n;
  TERRANE_HD void operator()(Index i) const { x[i] = x[i] < lo ? lo : (x[i] > hi ? hi : x[i]); }
};

}  // namespace terrane
