// SPDX-License-Identifier: MIT
// Forward-mode numbers: value + eps tangent, eps^2 = 0. f(a + eps b) = f(a) + eps f'(a) b. Point math that is templated
// on its scalar gives its tangent when called with Dual<T>.
#pragma once

#include "kernels/runtime/math.hpp"

namespace terrane {

template <class T>
struct Dual {
  T value = T(0);
  T tangent = T(0);

  Dual() = default;
  TERRANE_HD constexpr Dual(T v) : value(v) {}  // NOLINT: constants mix with duals
  TERRANE_HD constexpr Dual(T v, T t) : value(v), tangent(t) {}

  TERRANE_HD friend Dual operator-(Dual a) { return {-a.value, -a.tangent}; }
  TERRANE_HD friend Dual operator+(Dual a, Dual b) { return {a.value + b.value, a.tangent + b.tangent}; }
  TERRANE_HD friend Dual operator-(Dual a, Dual b) { return {a.value - b.value, a.tangent - b.tangent}; }
  TERRANE_HD friend Dual operator*(Dual a, Dual b) {
    return {a.value * b.value, a.tangent * b.value + a.value * b.tangent};
  }
  TERRANE_HD friend Dual operator/(Dual a, Dual b) {
    const T q = a.value / b.value;
    return {q, (a.tangent - q * b.tangent) / b.value};
  }
  TERRANE_HD Dual& operator+=(Dual b) { return *this = *this + b; }
  TERRANE_HD Dual& operator-=(Dual b) { return *this = *this - b; }
  TERRANE_HD Dual& operator*=(Dual b) { return *this = *this * b; }
  TERRANE_HD Dual& operator/=(Dual b) { return *this = *this / b; }
  // Comparisons look at the values: derivatives of selections are those of the selected branch.
  TERRANE_HD friend bool operator<(Dual a, Dual b) { return a.value < b.value; }
  TERRANE_HD friend bool operator>(Dual a, Dual b) { return a.value > b.value; }
};

template <class T>
TERRANE_HD Dual<T> square_root(Dual<T> x) {
  const T r = square_root(x.value);
  return {r, x.tangent / (2 * r)};
}
template <class T>
TERRANE_HD Dual<T> natural_log(Dual<T> x) {
  return {natural_log(x.value), x.tangent / x.value};
}
template <class T>
TERRANE_HD Dual<T> exponential(Dual<T> x) {
  const T e = exponential(x.value);
  return {e, e * x.tangent};
}
template <class T>
TERRANE_HD void sine_cosine(Dual<T> x, Dual<T>& s, Dual<T>& c) {
  T sv, cv;
  sine_cosine(x.value, sv, cv);
  s = {sv, cv * x.tangent};
  c = {cv, -sv * x.tangent};
}
template <class T>
TERRANE_HD Dual<T> sine(Dual<T> x) {
  Dual<T> s, c;
  sine_cosine(x, s, c);
  return s;
}
template <class T>
TERRANE_HD Dual<T> cosine(Dual<T> x) {
  Dual<T> s, c;
  sine_cosine(x, s, c);
  return c;
}
template <class T>
TERRANE_HD Dual<T> hyperbolic_tangent(Dual<T> x) {
  const T y = hyperbolic_tangent(x.value);
  return {y, (1 - y) * (1 + y) * x.tangent};
}
template <class T>
TERRANE_HD Dual<T> sigmoid(Dual<T> x) {
  const T y = sigmoid(x.value);
  return {y, y * sigmoid(-x.value) * x.tangent};
}
template <class T>
TERRANE_HD Dual<T> softplus(Dual<T> x) {
  return {softplus(x.value), sigmoid(x.value) * x.tangent};
}
template <class T>
TERRANE_HD Dual<T> logit(Dual<T> p) {
  return {logit(p.value), p.tangent / (p.value * (1 - p.value))};
}
template <class T>
TERRANE_HD Dual<T> error_function(Dual<T> x) {
  return {error_function(x.value), T(1.1283791670955126) * exponential(-x.value * x.value) * x.tangent};
}

}  // namespace terrane
