// SPDX-License-Identifier: MIT
// Fit of a field to its start model.
#include <cmath>

#include "autodiff/ops/misfit.hpp"
#include "engine/field.hpp"
#include "kernels/kernels.hpp"

namespace terrane {

namespace {

template <class T>
double rms_difference(const std::vector<T>& a, const std::vector<T>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sum += d * d;
  }
  return std::sqrt(sum / static_cast<double>(a.size()));
}

// What one unit of F means, for a misfit of order one.
double map_unit(const OutputMap& map, double rms_m0) {
  if (map.kind == MapKind::perturb || map.kind == MapKind::affine) return std::abs(map.scale);
  if (map.kind == MapKind::bounded || map.kind == MapKind::bounded_perturb || map.kind == MapKind::log_bounded) {
    return map.hi - map.lo;
  }
  return rms_m0 > 0 ? rms_m0 : 1;
}

}  // namespace

template <class T>
PrefitReport prefit(Stream& s, const Field<T>& field, const std::vector<T>& start_model, int iterations, double lr,
                    std::vector<T>& theta) {
  Tape<T> tape(s);
  const Index n = field.grid().cells(), p = field.parameters();
  const Var parameters = tape.input({p}, "theta");
  const Var m0 = tape.input({field.grid().nz, field.grid().nx}, "start_model", false);
  const Var weight = tape.input({field.grid().nz, field.grid().nx}, "weight", false);
  tape.set(parameters, theta);
  tape.set(m0, start_model);
  const double unit = map_unit(field.map(), rms_difference(start_model, std::vector<T>(start_model.size(), T(0))));
  const double w = 1 / (unit * std::sqrt(static_cast<double>(n)));
  tape.set(weight, std::vector<T>(static_cast<std::size_t>(n), static_cast<T>(w)));
  const Var m = field.record(tape, parameters, m0);
  const Var phi = tape.apply(std::make_shared<PointMisfitOp<T>>(MisfitKind::l2), {m, m0, weight});
  Sweep<T> sweep(tape);
  const Buffer<T> first(s, p), second(s, p);
  for (const Buffer<T>* b : {&first, &second}) fill(s, Fill<T>{b->data(), T(0), p});
  tape.forward();
  PrefitReport report;
  report.rms_before = rms_difference(tape.get(m), start_model);
  for (int i = 0; i < iterations; ++i) {
    tape.backward(sweep, phi);
    adam_step(s, published_adam(tape.data(parameters), sweep.cotangent(parameters), first.data(), second.data(), p, lr,
                                Index{i} + 1));
    tape.forward();
  }
  report.rms_after = rms_difference(tape.get(m), start_model);
  theta = tape.get(parameters);
  return report;
}

template PrefitReport prefit(Stream&, const Field<float>&, const std::vector<float>&, int, double, std::vector<float>&);
template PrefitReport prefit(Stream&, const Field<double>&, const std::vector<double>&, int, double,
                             std::vector<double>&);

}  // namespace terrane
