// SPDX-License-Identifier: MIT
// What the files of rows share: inputs of a case and the row itself.
#pragma once

#include <utility>

#include "autodiff/check.hpp"
#include "tests/support/cases.hpp"

namespace terrane {

template <class T>
CaseInstance<T> start(Stream& s) {
  CaseInstance<T> c;
  c.tape = std::make_unique<Tape<T>>(s);
  return c;
}

// A random input; shifted and scaled to keep away from poles and kinks where a case asks for it.
template <class T>
Var random_input(CaseInstance<T>& c, Shape shape, std::uint64_t seed, double scale = 1, double shift = 0,
                 bool differentiable = true) {
  const Var v = c.tape->input(shape, "x" + std::to_string(seed), differentiable);
  auto values = random_normal<T>(elements(shape), seed);
  for (T& e : values) e = static_cast<T>(shift + scale * static_cast<double>(e));
  c.tape->set(v, values);
  if (differentiable) c.inputs.push_back(v);
  return v;
}

template <class Case>
OpCase row(std::string name, std::vector<std::string> covers, std::vector<std::string> variants) {
  OpCase c;
  c.name = std::move(name);
  c.covers = std::move(covers);
  c.variants = std::move(variants);
  c.make_double = [](Stream& s, int v) { return Case::template make<double>(s, v); };
  c.make_float = [](Stream& s, int v) { return Case::template make<float>(s, v); };
  return c;
}
inline OpCase with(OpCase c, double dot_float, double parity_float, std::string reason) {
  c.dot_float = dot_float;
  c.parity_float = parity_float;
  c.reason = std::move(reason);
  return c;
}
inline OpCase small_steps(OpCase c, double step, std::string reason) {
  c.taylor_step = step;
  c.reason += std::move(reason);
  return c;
}

// The rows of encoders, networks and fusions (field_cases.cpp).
void add_field_cases(std::vector<OpCase>& cases);
// The rows of layers of convolutional networks (conv_cases.cpp).
void add_conv_cases(std::vector<OpCase>& cases);

}  // namespace terrane
