// SPDX-License-Identifier: MIT
// Helpers of the resistivity tests: the three verbs on host vectors.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <string>
#include <vector>

#include "physics/resistivity/resistivity.hpp"
#include "physics/resistivity/resistivity3d.hpp"
#include "tests/support/devices.hpp"

namespace terrane {

using Values = std::vector<double>;
inline constexpr double pi = std::numbers::pi;

template <class Dc, class T, class State>
std::vector<T> voltages(Stream& s, const Dc& dc, const std::vector<T>& model, State& state) {
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
std::vector<T> voltages(Stream& s, const Resistivity3d<T>& dc, const std::vector<T>& model) {
  Resistivity3dState state;
  return voltages(s, dc, model, state);
}
template <class Dc, class T, class State>
std::vector<T> gradient(Stream& s, const Dc& dc, const std::vector<T>& model, const State& state,
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

inline std::string message_of(const std::function<void()>& f, ErrorCode code) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), code) << e.message();
    EXPECT_EQ(e.message().find('\n'), std::string::npos);
    return e.message();
  }
  return "no error";
}
inline void expect_error(const std::function<void()>& f, ErrorCode code, const std::string& part) {
  const std::string text = message_of(f, code);
  EXPECT_NE(text.find(part), std::string::npos) << text << "\nlacks: " << part;
}

}  // namespace terrane
