// SPDX-License-Identifier: MIT
// Updates of a parameter vector in place, with a learning rate per parameter group.
//   adam   Kingma and Ba (2015); eps is absolute (default 1e-16: wave gradients are tiny)
//   sgd    v = momentum v + g, x -= lr v
//   lbfgs  two-loop recursion (Nocedal 1980) with `memory` pairs; lr is the norm of the first trial step, later steps
//          try length 1; strong Wolfe (bracketing and bisection) or backtracking (Armijo) line search on one batch
// Gradients are clipped to `clip_norm` before use. State is saved and restored bit for bit.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "autodiff/tape.hpp"

namespace terrane {

// What is minimised: value and gradient at the current parameters.
template <class T>
struct Objective {
  T* parameters = nullptr;  // device, n
  Index n = 0;
  // Returns phi at the current parameters; `gradient` receives a device pointer (n) that is valid until the next call.
  std::function<double(const T** gradient)> evaluate;
};

struct StepReport {
  double phi = 0;            // at the parameters before the step
  double gradient_norm = 0;  // before clipping
  double step_norm = 0;      // of the change of the parameters
  int evaluations = 1;
  bool stalled = false;  // the line search found no decrease
};

// Named host arrays of a state: bit-exact.
using OptimizerState = std::map<std::string, std::vector<double>>;

template <class T>
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  // One update with all rates multiplied by `rate_factor` (the schedule).
  virtual StepReport step(Stream& s, Objective<T>& objective, double rate_factor) = 0;
  virtual OptimizerState state(Stream& s) const = 0;
  virtual void restore(Stream& s, const OptimizerState& state) = 0;
};

// `optimizer`: resolved section; `groups`: of the field; `default_lr`: where the config leaves it open.
template <class T>
std::unique_ptr<Optimizer<T>> make_optimizer(Stream& s, const nlohmann::ordered_json& optimizer,
                                             const std::vector<ParameterGroup>& groups, Index n, double default_lr);

// Factor of the rates at `iteration` of `total` (resolved section "schedule").
double schedule_factor(const nlohmann::ordered_json& schedule, Index iteration, Index total);

}  // namespace terrane
