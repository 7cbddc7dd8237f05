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

// sum[0] = sum_i x_i^2, in double: squares of wave gradients underflow single precision.
template <class T>
struct SquareSum {
  const T* x;
  double* sum;
  Index n;
  TERRANE_HD double operator()(Index i) const { return static_cast<double>(x[i]) * static_cast<double>(x[i]); }
};

// A block of optimizer steps that the host does not wait for. What a step needs and leaves lies on the device:
//   schedule (steps, 3)            factor of the rates, and the c1, c2 of adam
//   squares (2)                    |gradient|^2 and |change of x|^2 of the step
//   settings (4)                   factor, c1, c2 and gradient_scale of the step; gradient_scale 0: no update
//   rows (steps, 2 + scalars)      squares and scalars of every step, for the host
//   at                             the step

// One index. The gradient is scaled down to clip_norm (0: no limit); nothing moves on a misfit or a gradient that is
// not finite.
template <class T>
struct BeginStep {
  const double* schedule;
  const Index* at;
  const double* squares;
  const T* phi;
  double clip_norm;
  double* settings;
  TERRANE_HD void operator()(Index) const {
    for (Index k = 0; k < 3; ++k) settings[k] = schedule[3 * at[0] + k];
    const double norm = square_root(squares[0]), all = norm + static_cast<double>(phi[0]);
    const bool finite = all - all == 0.0;
    settings[3] = finite ? (clip_norm > 0 && norm > clip_norm ? clip_norm / norm : 1.0) : 0.0;
  }
};

// AdamStep or MomentumStep with the settings of the step: `step` holds the rate before the factor.
template <class T>
struct ScheduledAdam {
  AdamStep<T> step;
  const double* settings;
  TERRANE_HD void operator()(Index i) const {
    if (settings[3] == 0.0) return;
    AdamStep<T> now = step;
    now.lr *= settings[0];
    now.correction1 = settings[1];
    now.correction2 = settings[2];
    now.gradient_scale = settings[3];
    now(i);
  }
};
template <class T>
struct ScheduledMomentum {
  MomentumStep<T> step;
  double lr;
  const double* settings;
  TERRANE_HD void operator()(Index i) const {
    if (settings[3] == 0.0) return;
    MomentumStep<T> now = step;
    now.lr = static_cast<T>(lr * settings[0]);
    now.gradient_scale = static_cast<T>(settings[3]);
    now(i);
  }
};

// One index: the row of the step; then the next step is due.
template <class T>
struct EndStep {
  const double* squares;
  const T* const* scalars;
  Index count;  // of scalars
  double* rows;
  Index* at;
  TERRANE_HD void operator()(Index) const {
    double* row = rows + at[0] * (2 + count);
    row[0] = squares[0];
    row[1] = squares[1];
    for (Index k = 0; k < count; ++k) row[2 + k] = static_cast<double>(scalars[k][0]);
    at[0] += 1;
  }
};

// mean = decay mean + (1 - decay) x
template <class T>
struct RunningMean {
  const T* x;
  double* mean;
  double decay;
  Index n;
  TERRANE_HD void operator()(Index i) const { mean[i] = decay * mean[i] + (1 - decay) * static_cast<double>(x[i]); }
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
