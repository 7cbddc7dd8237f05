// SPDX-License-Identifier: MIT
// Helpers of the resistivity tests: the three verbs on host vectors.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "physics/resistivity/resistivity.hpp"
#include "tests/support/devices.hpp"

namespace terrane {

using Values = std::vector<double>;
inline constexpr double pi = std::numbers::pi;

template <class T>
std::vector<T> voltages(Stream& s, const Resistivity<T>& dc, const std::vector<T>& model, ResistivityState& state) {
  const Buffer<T> m = to_device(s, model), data(s, dc.survey().size());
  dc.forward(s, m.data(), data.data(), true, state);
  return to_host(s, data);
}
template <class T>
std::vector<T> voltages(Stream& s, const Resistivity<T>& dc, const std::vector<T>& model) {
  ResistivityState state;
  return voltages(s, dc, model, state);
}
template <class T>
std::vector<T> gradient(Stream& s, const Resistivity<T>& dc, const std::vector<T>& model, const ResistivityState& state,
                        const std::vector<T>& d_data) {
  const Buffer<T> m = to_device(s, model), d = to_device(s, d_data);
  const Buffer<T> g = to_device(s, std::vector<T>(model.size(), T(0)));
  dc.vjp(s, m.data(), state, d.data(), g.data());
  return to_host(s, g);
}
inline double dot(const Values& a, const Values& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

inline double largest_relative(const Values& a, const Values& b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::fabs(a[i] / b[i] - 1));
  return most;
}

}  // namespace terrane
