// SPDX-License-Identifier: MIT
#include "engine/objective.hpp"

#include <algorithm>
#include <cmath>

#include "autodiff/ops/analytic.hpp"
#include "autodiff/ops/misfit.hpp"
#include "autodiff/ops/penalty.hpp"
#include "engine/json_value.hpp"

namespace terrane {

namespace {

template <class T>
Var scaled(Tape<T>& tape, Var x, double factor) {
  return tape.apply(std::make_shared<UnaryOp<T>>(UnaryKind::scale_shift, factor, 0.0), {x});
}

// Envelope sqrt(p^2 + H(p)^2 + e^2); e keeps it differentiable where the signal vanishes.
template <class T>
Var envelope(Tape<T>& tape, Var p, double e) {
  const Var h = tape.apply(std::make_shared<HilbertOp<T>>(), {p});
  return tape.apply(std::make_shared<BinaryOp<T>>(BinaryKind::hypotenuse, e), {p, h});
}

}  // namespace

double weci_share(const Json& misfit, double progress) {
  if (misfit.at("type") != "weci") return 0;
  const double t = (progress - misfit.at("center").get<double>()) / misfit.at("width").get<double>();
  return 1 / (1 + std::exp(-t));
}

bool needs_trace_weights(const Json& misfit) {
  return misfit.contains("normalize") && misfit.at("normalize") == "trace";
}

bool needs_std(const Json& misfit) {
  return misfit.at("type") == "chi2" || (misfit.contains("normalize") && misfit.at("normalize") == "std");
}

template <class T>
Var record_misfit(Tape<T>& tape, const Json& misfit, Var predicted, Var observed, Var weights, const DataScale& scale,
                  Var share) {
  const std::string type = misfit.at("type");
  if (type == "weci") {
    // w g + (1 - w) e = e + w (g - e)
    Json envelope_part = misfit;
    envelope_part["type"] = "envelope";
    const Var e = record_misfit(tape, envelope_part, predicted, observed, weights, scale);
    const Var g = record_misfit(tape, Json{{"type", "global-correlation"}}, predicted, observed, Var{}, scale);
    if (!share.valid()) {
      share = tape.input({1}, "share of the correlation", false);
      tape.set(share, std::vector<T>{T(0.5)});
    }
    const Var change = tape.apply(std::make_shared<WeightedSumOp<T>>(std::vector<double>{1, -1}), {g, e});
    const Var part = tape.apply(std::make_shared<BinaryOp<T>>(BinaryKind::multiply), {change, share});
    return tape.apply(std::make_shared<WeightedSumOp<T>>(std::vector<double>{1, 1}), {e, part});
  }
  if (type == "global-correlation") {
    const Var sum = tape.apply(std::make_shared<CorrelationMisfitOp<T>>(), {predicted, observed});
    return scaled(tape, sum, 1.0 / static_cast<double>(std::max<Index>(1, scale.traces)));
  }
  const std::string normalize = type == "chi2" ? "std" : misfit.at("normalize").get<std::string>();
  // Traces and standard deviations are normalised by the weights; the sum becomes a mean over samples unless nothing is
  // normalised. chi2 is the mean of the squares, without the half of l2.
  const double residual_scale = normalize == "survey" && scale.rms > 0 ? 1 / scale.rms : 1;
  double factor = normalize == "none" ? scale.survey_over_batch : 1.0 / static_cast<double>(scale.samples);
  if (type == "chi2") factor *= 2;
  if (misfit.contains("weight")) factor *= misfit.at("weight").get<double>();
  double delta = 0;
  MisfitKind kind = MisfitKind::l2;
  if (type == "l1") {
    kind = MisfitKind::l1;
    delta = 1e-4 * (normalize == "none" ? scale.rms : 1.0);
  } else if (type == "huber") {
    kind = MisfitKind::huber;
    delta = misfit.at("delta");
  } else if (type == "envelope") {
    predicted = envelope(tape, predicted, 1e-3 * scale.rms);
    observed = envelope(tape, observed, 1e-3 * scale.rms);
  } else if (type != "l2" && type != "chi2") {
    throw Error(ErrorCode::config, "/misfit/type: \"" + type + "\" is not built in this version");
  }
  std::vector<Var> in{predicted, observed};
  if (weights.valid()) in.push_back(weights);
  return scaled(tape, tape.apply(std::make_shared<PointMisfitOp<T>>(kind, delta, residual_scale), in), factor);
}

double trade_off_beta(const Json& trade_off, Index iteration) {
  const Json& beta = trade_off.at("beta");
  if (beta.at("type") == "constant") return beta.at("value");
  return beta.at("start").get<double>() *
         std::exp(-static_cast<double>(iteration) / beta.at("scale_iterations").get<double>());
}

template <class T>
Var record_regularizer(Tape<T>& tape, const Json& r, const Grid3& grid, const PropertyInfo& property, Var model,
                       Var start) {
  const std::string type = r.at("type");
  const double unit = property.penalty_unit;
  const double weight = r.at("weight").get<double>() / static_cast<double>(grid.cells());
  const double unit2 = unit * unit;
  const Shape nodes = grid.shape();
  const std::vector<double> ones(nodes.size(), 1.0);
  // Gradients in units per cell, the cell being the smallest spacing.
  double cell = grid.dz_m;
  for (int a = 1; a < grid.dimensions(); ++a) cell = std::min(cell, grid.spacing_m(grid.axis(a)));
  const auto per_cell = [&](const auto& axis_weight) {
    std::vector<double> weights;
    for (int a = 0; a < grid.dimensions(); ++a) {
      const double h = grid.spacing_m(grid.axis(a));
      weights.push_back(axis_weight(grid.axis(a)) * cell * cell / (h * h));
    }
    return weights;
  };
  if (type == "tv") {
    const double epsilon = r.at("epsilon").get<double>() * unit;
    const PenaltyKind kind =
        r.contains("anisotropic") && r.at("anisotropic").get<bool>() ? PenaltyKind::tv_axes : PenaltyKind::tv;
    const auto weights = per_cell([](int) { return 1.0; });
    return tape.apply(std::make_shared<PenaltyOp<T>>(kind, nodes, weights, epsilon, weight / unit), {model});
  }
  if (type == "reference") {
    const Var value = tape.input(tape.shape(model), "reference", false);
    tape.set(value, std::vector<T>(static_cast<std::size_t>(grid.cells()),
                                   static_cast<T>(property_value(r, "value", property))));
    const std::string norm = r.at("norm");
    const PenaltyKind kind = norm == "l1"    ? PenaltyKind::absolute
                             : norm == "log" ? PenaltyKind::logarithm
                                             : PenaltyKind::tikhonov0;
    return tape.apply(std::make_shared<PenaltyOp<T>>(kind, nodes, ones, r.at("epsilon").get<double>() * unit,
                                                     weight / (kind == PenaltyKind::tikhonov0 ? unit2 : unit), true),
                      {model, value});
  }
  if (type != "tikhonov")
    throw Error(ErrorCode::config, "/regularizers: \"" + type + "\" is not built in this version");
  if (r.at("order").get<int>() == 0) {
    return tape.apply(std::make_shared<PenaltyOp<T>>(PenaltyKind::tikhonov0, nodes, ones, 0, weight / unit2, true),
                      {model, start});
  }
  const auto weights = per_cell([&](int axis) {
    const char* const names[] = {"weight_z", "weight_y", "weight_x"};
    return r.at(names[axis]).template get<double>();
  });
  return tape.apply(std::make_shared<PenaltyOp<T>>(PenaltyKind::tikhonov1, nodes, weights, 0, weight / unit2), {model});
}

template Var record_misfit<float>(Tape<float>&, const Json&, Var, Var, Var, const DataScale&, Var);
template Var record_misfit<double>(Tape<double>&, const Json&, Var, Var, Var, const DataScale&, Var);
template Var record_regularizer<float>(Tape<float>&, const Json&, const Grid3&, const PropertyInfo&, Var, Var);
template Var record_regularizer<double>(Tape<double>&, const Json&, const Grid3&, const PropertyInfo&, Var, Var);

}  // namespace terrane
