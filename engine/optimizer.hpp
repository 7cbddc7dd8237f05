// SPDX-License-Identifier: MIT
// Updates of a parameter vector in place, with a learning rate per parameter group.
//   adam   Kingma and Ba (2015); eps is absolute (default 1e-16: wave gradients are tiny)
//   sgd    v = momentum v + g, x -= lr v
//   lbfgs  two-loop recursion (Nocedal 1980) with `memory` pairs; lr is the norm of the first trial step, later steps
//          try length 1; strong Wolfe (bracketing and bisection) or backtracking (Armijo) line search on one batch
// Gradients are clipped to `clip_norm` before use. State is saved and restored bit for bit.
// adam and sgd take blocks of steps without waiting for the device: the whole iteration, from the parameters to the
// next ones, is recorded (kernels/runtime/recording.hpp), and misfit and norms are read once a block.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "autodiff/tape.hpp"
#include "kernels/runtime/recording.hpp"

namespace terrane {

// What is minimised: value and gradient at the current parameters.
template <class T>
struct Objective {
  T* parameters = nullptr;  // device, n
  Index n = 0;
  // Launches the evaluation at the current parameters; returns the gradient (device, n), valid until the next call.
  // The same launches each time.
  std::function<const T*()> launch;
  std::vector<const T*> scalars;       // device: phi, and what the report wants beside it
  std::function<void(Index)> prepare;  // on the host, before step k of a block
  std::function<void()> evaluated;     // on the host, after the evaluation at the start of a single step
  std::function<void()> moved;         // launches after the update
  std::shared_ptr<Recording> recording = std::make_shared<Recording>();  // of the evaluation, or of the whole step

  // Evaluates and waits: phi and the gradient.
  double evaluate(Stream& s, const T** gradient);
  std::vector<double> values;  // of the scalars at the first evaluate() of a step

 private:
  const T* last_ = nullptr;  // the gradient that the recorded launches leave
};

struct StepReport {
  std::vector<double> values;  // of the objective's scalars, at the parameters before the step
  double phi = 0;              // the first of them
  double gradient_norm = 0;    // before clipping
  double step_norm = 0;        // of the change of the parameters
  int evaluations = 1;
  bool stalled = false;  // the line search found no decrease
};

// Named host arrays of a state: bit-exact.
using OptimizerState = std::map<std::string, std::vector<double>>;

template <class T>
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  // One update for each factor of the rates (the schedule); at most block() of them.
  virtual std::vector<StepReport> steps(Stream& s, Objective<T>& objective,
                                        const std::vector<double>& rate_factors) = 0;
  virtual Index block() const { return 1; }
  StepReport step(Stream& s, Objective<T>& objective, double rate_factor) {
    return steps(s, objective, {rate_factor}).at(0);
  }
  virtual OptimizerState state(Stream& s) const = 0;
  virtual void restore(Stream& s, const OptimizerState& state) = 0;
};

// One that looks at the objective within its steps: a block is one of them.
template <class T>
class SingleSteps : public Optimizer<T> {
 public:
  std::vector<StepReport> steps(Stream& s, Objective<T>& objective, const std::vector<double>& rate_factors) final;

 protected:
  virtual StepReport single(Stream& s, Objective<T>& objective, double rate_factor) = 0;
};

// `optimizer`: resolved section; `groups`: of the field; `default_lr`: where the config leaves it open.
template <class T>
std::unique_ptr<Optimizer<T>> make_optimizer(Stream& s, const nlohmann::ordered_json& optimizer,
                                             const std::vector<ParameterGroup>& groups, Index n, double default_lr);

// Factor of the rates at `iteration` of `total` (resolved section "schedule").
double schedule_factor(const nlohmann::ordered_json& schedule, Index iteration, Index total);

}  // namespace terrane
