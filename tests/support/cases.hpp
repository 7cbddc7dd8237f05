// SPDX-License-Identifier: MIT
// One row per differentiable operation or component. The rows drive the gradient checks, the parity of devices and the
// determinism tests (tests/autodiff/cases_test.cpp); a test asserts that every registered component stands in a row.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "autodiff/tape.hpp"

namespace terrane {

template <class T>
struct CaseInstance {
  std::unique_ptr<Tape<T>> tape;  // inputs are set
  std::vector<Var> inputs;        // differentiable, checked one by one
  Var output;
};

struct OpCase {
  std::string name;
  std::vector<std::string> covers;    // registry components, "slot/type"
  std::vector<std::string> variants;  // what each variant is: shapes, options
  // Float tolerances of the dot test and of the parity against the cpu, with the reason where it is not the default.
  double dot_float = 1e-5, parity_float = 2e-5;
  std::string reason;
  bool taylor = true;  // false: the reason says why the derivative has no second-order remainder
  double taylor_step = 1e-2;
  std::function<CaseInstance<double>(Stream&, int variant)> make_double;
  std::function<CaseInstance<float>(Stream&, int variant)> make_float;
};

const std::vector<OpCase>& op_cases();

}  // namespace terrane
