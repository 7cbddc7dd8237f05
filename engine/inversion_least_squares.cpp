// SPDX-License-Identifier: MIT
// The conventional inversion: Gauss-Newton steps on what the tape of a stage holds, with its regularizers as norms.
//
// It minimises N / 2 times the phi of the other optimizers, N the number of data: phi_d / 2 + beta sum_k weight_k N /
// (2 n) penalty_k, n the number of nodes, m in penalty units.
#include <cmath>

#include "engine/gauss_newton.hpp"
#include "engine/inversion_stage.hpp"
#include "engine/output.hpp"

namespace terrane {

namespace {

// alpha of a norm p on SI values, so that it is `weight` on values in penalty units.
double norm_weight(double weight, double p, bool scaled, double unit) {
  return weight / std::pow(unit, scaled ? 2.0 : p);
}

ModelNormOptions norm_options(const Json& regularizers, const Problem& problem, double data) {
  const Grid3& grid = problem.grid;
  const bool flat = grid.flat();
  const double unit = problem.property->penalty_unit;
  const double share = 0.5 * data / static_cast<double>(grid.cells());
  ModelNormOptions o = norms_on(grid);
  o.reference = problem.start;
  const auto add = [&](NormTerm& term, double weight, double p, double eps) {
    if (weight == 0) return;
    if (term.alpha > 0 && (term.p != p || term.eps != eps * unit)) {
      throw Error(ErrorCode::config,
                  "/regularizers: gauss-newton takes one norm for each of smallness and smoothness; give tikhonov of "
                  "order 0 and one of tikhonov of order 1, tv or sparse");
    }
    term.alpha += norm_weight(share * weight, p, o.scaled, unit);
    term.p = p, term.eps = eps * unit;
  };
  for (const Json& r : regularizers) {
    const std::string type = r.at("type");
    const double weight = r.at("weight");
    if (type == "tikhonov" && r.at("order").get<int>() == 0) {
      add(o.small, weight, 2, 0);
    } else if (type == "tikhonov") {
      add(o.z, weight * r.at("weight_z").get<double>(), 2, 0);
      add(o.x, weight * r.at("weight_x").get<double>(), 2, 0);
      if (!flat) add(o.y, weight * r.at("weight_y").get<double>(), 2, 0);
    } else if (type == "tv") {
      o.coupling = r.at("anisotropic").get<bool>() ? NormCoupling::separate : NormCoupling::isotropic;
      add(o.z, weight, 1, r.at("epsilon"));
      add(o.x, weight, 1, r.at("epsilon"));
      if (!flat) add(o.y, weight, 1, r.at("epsilon"));
    } else {
      const auto p = r.at("norms").get<std::vector<double>>(), w = r.at("weights").get<std::vector<double>>();
      if (p.size() != 3 || w.size() != 3) {
        throw Error(ErrorCode::config, "/regularizers: sparse takes three norms and three weights: values, z, x");
      }
      o.scaled = true;
      o.coupling = NormCoupling::total;
      o.reference_in_smoothness = r.at("reference_in_smoothness");
      add(o.small, weight * w[0], p[0], r.at("epsilon"));
      add(o.z, weight * w[1], p[1], r.at("epsilon"));
      add(o.x, weight * w[2], p[2], r.at("epsilon"));
      if (!flat) add(o.y, weight * w[2], p[2], r.at("epsilon"));
    }
  }
  return o;
}

GaussNewtonOptions step_options(const Json& optimizer, const Json& config, const ModelNorms& norms) {
  GaussNewtonOptions o;
  o.beta = optimizer.at("beta").is_null() ? 1.0 : optimizer.at("beta").get<double>();
  if (!optimizer.at("beta_ratio").is_null()) o.beta_ratio = optimizer.at("beta_ratio");
  o.damping = optimizer.at("damping");
  o.beta_cooling = optimizer.at("beta_cooling");
  o.beta_every = optimizer.at("beta_every");
  o.hold = optimizer.at("hold");
  const Json& target = config.at("stop").at("chi2");
  o.target_chi2 = target.is_null() ? 0.0 : target.get<double>();
  if (norms.options().scaled) {
    o.eps_mode = EpsMode::cooled;
    o.eps_cooling = optimizer.at("eps_cooling");
  }
  o.cg_iterations = optimizer.at("cg_iterations");
  o.cg_tolerance = optimizer.at("cg_tolerance");
  o.step_tolerance = optimizer.at("step_tolerance");
  o.nystrom_rank = optimizer.at("nystrom_rank");
  if (o.nystrom_rank > 0 && !(o.damping > 0)) {
    throw Error(ErrorCode::config, "/optimizer/nystrom_rank: the low-rank preconditioner needs /optimizer/damping > 0");
  }
  o.iterations = o.held_iterations = 1 << 30;  // the stage counts
  o.seed = config.at("seed").get<std::uint64_t>();
  return o;
}

}  // namespace

template <class T>
void Inversion<T>::open_least_squares(const Json& regularizers) {
  Stage& g = *current_;
  const bool own = field_->type() == FieldType::grid && field_->map().kind == MapKind::identity;
  const Json& bounds = config_.json().at("bounds");
  const PropertyValue lo = property_value(bounds, "min"), hi = property_value(bounds, "max");
  const bool bounded = lo.quantity != Quantity::none || hi.quantity != Quantity::none;
  if (bounded && !own) {
    throw Error(ErrorCode::config,
                "/bounds: gauss-newton keeps bounds of a grid with the identity map; use the bounds "
                "of the transform");
  }
  std::vector<double> std = problem_.std;
  for (std::size_t i = 0; i < problem_.mask.size() && i < std.size(); ++i) std[i] /= problem_.mask[i];  // 0: left out
  auto problem =
      least_squares(g.tape, g.theta, g.predicted, own ? g.theta : g.model, std::vector<double>(problem_.observed), std);
  ModelNormOptions norm = norm_options(regularizers, problem_, static_cast<double>(problem_.observed.size()));
  const std::string weights = g.optimizer.at("cell_weights");
  if (weights == "sensitivity") {
    if (!own)
      throw Error(ErrorCode::config, "/optimizer/cell_weights: sensitivity is for a grid with the identity map");
    g.tape.forward();
    std::vector<double> inverse_std(std.size());
    for (std::size_t i = 0; i < std.size(); ++i) inverse_std[i] = 1 / std[i];
    constexpr Index probes = 64;
    const auto diagonal = normal_diagonal(s_, problem.data_map, inverse_std, probes, config_.json().at("seed"));
    norm.cell_weights = sensitivity_weights(diagonal, {});
  } else if (weights == "depth") {
    const double all = static_cast<double>(problem_.grid.nz) * problem_.grid.dz_m;
    const double z0 =
        g.optimizer.at("depth_m").is_null() ? 0.1 * all : g.optimizer.at("depth_m").template get<double>();
    norm.cell_weights = depth_weights(problem_.grid.nz, problem_.grid.plane(), problem_.grid.dz_m, z0,
                                      g.optimizer.at("depth_exponent"));
  }
  const ModelNorms norms(norm);
  GaussNewtonOptions options = step_options(g.optimizer, config_.json(), norms);
  options.linear =
      problem_.physics == PhysicsType::straight_ray && own && problem_.property->quantity == Quantity::slowness;
  if (bounded) {
    const PropertyInfo& p = *problem_.property;
    options.lower = lo.quantity == Quantity::none ? options.lower : p.model_of(lo.value);
    options.upper = hi.quantity == Quantity::none ? options.upper : p.model_of(hi.value);
  }
  const auto theta = g.tape.get(g.theta);
  least_squares_ = std::make_unique<GaussNewton<T>>(std::move(problem), norms, options,
                                                    std::vector<double>(theta.begin(), theta.end()));
}

template <class T>
IterationReport Inversion<T>::least_squares_step() {
  const double start = now_s();
  IterationReport report;
  report.iteration = iteration_;
  report.stage = stage_;
  const GnReport step = least_squares_->step();
  const auto n = static_cast<double>(problem_.observed.size());
  report.phi = 2 * step.phi / n;
  report.phi_data = report.chi2 = step.chi2;
  report.phi_model["norms"] = 2 * step.beta * step.phi_m / n;
  report.gradient_norm = step.gradient_norm;
  report.step_norm = step.step_norm;
  report.evaluations = step.evaluations;
  report.rate_factor = step.step_length;
  const auto& theta = least_squares_->theta();
  current_->tape.set(current_->theta, std::vector<T>(theta.begin(), theta.end()));
  if (!std::isfinite(report.phi)) {
    throw Error(ErrorCode::diverged, "misfit became NaN or infinite at iteration " + std::to_string(iteration_));
  }
  if (iteration_ == 0) initial_phi_ = report.phi;
  if (report.phi < best_phi_) best_phi_ = report.phi, best_iteration_ = iteration_;
  if (step.stop != GnStop::none) stop_reason_ = step.stop == GnStop::target ? "chi2" : to_string(step.stop);
  report.seconds = now_s() - start;
  ++iteration_;
  return report;
}

template void Inversion<float>::open_least_squares(const Json&);
template void Inversion<double>::open_least_squares(const Json&);
template IterationReport Inversion<float>::least_squares_step();
template IterationReport Inversion<double>::least_squares_step();

}  // namespace terrane
