// SPDX-License-Identifier: MIT
// Activations f(z) with their derivative f'(z), computed together:
//
//   identity    z
//   sine        sin(omega z),  f' = omega cos(omega z)          parameter omega
//   relu        max(z, 0),     f'(0) = 0
//   leaky_relu  z > 0 ? z : slope z                             parameter slope
//   tanh        tanh z,        f' = (1 - f)(1 + f)
//   gelu        z Phi(z),      f' = Phi(z) + z phi(z)           exact, by the normal distribution
//
// Policies are templated on the multiply-add of the sine (kernels/runtime/math.hpp): SeparateMulAdd gives the same bits
// on every device. z and f are dimensionless.
#pragma once

#include "kernels/runtime/math.hpp"

namespace terrane {

enum class Activation : int { identity = 0, sine = 1, relu = 2, leaky_relu = 3, tanh = 4, gelu = 5 };

template <class T>
struct IdentityActivation {
  TERRANE_HD void operator()(T z, T& f, T& df) const {
    f = z;
    df = T(1);
  }
};

template <class T, class M = SeparateMulAdd>
struct SineActivation {
  T omega;
  TERRANE_HD void operator()(T z, T& f, T& df) const {
    T c;
    sine_cosine<M>(omega * z, f, c);
    df = omega * c;
  }
};

template <class T>
struct LeakyReluActivation {
  T slope;
  TERRANE_HD void operator()(T z, T& f, T& df) const {
    df = z > T(0) ? T(1) : slope;
    f = df * z;
  }
};

template <class T>
struct TanhActivation {
  TERRANE_HD void operator()(T z, T& f, T& df) const {
    f = hyperbolic_tangent(z);
    df = (T(1) - f) * (T(1) + f);
  }
};

template <class T>
struct GeluActivation {
  TERRANE_HD void operator()(T z, T& f, T& df) const {
    T cdf, density;
    normal_cdf(z, cdf, density);
    f = z * cdf;
    df = cdf + z * density;
  }
};

// Calls visit(policy) with the policy of `a`.
template <class T, class M, class Visit>
TERRANE_HD void visit_activation(Activation a, T parameter, const Visit& visit) {
  switch (a) {
    case Activation::sine:
      return visit(SineActivation<T, M>{parameter});
    case Activation::relu:
      return visit(LeakyReluActivation<T>{T(0)});
    case Activation::leaky_relu:
      return visit(LeakyReluActivation<T>{parameter});
    case Activation::tanh:
      return visit(TanhActivation<T>{});
    case Activation::gelu:
      return visit(GeluActivation<T>{});
    case Activation::identity:
      break;
  }
  return visit(IdentityActivation<T>{});
}

// One value, for schedules that visit one element at a time.
template <class T>
struct ActivateOne {
  T z;
  T& f;
  T& df;
  template <class Policy>
  TERRANE_HD void operator()(const Policy& policy) const {
    policy(z, f, df);
  }
};
template <class T>
TERRANE_HD void activate(Activation a, T parameter, T z, T& f, T& df) {
  visit_activation<T, SeparateMulAdd>(a, parameter, ActivateOne<T>{z, f, df});
}

}  // namespace terrane
