// SPDX-License-Identifier: MIT
#include "engine/induced_polarization.hpp"

#include <cmath>
#include <memory>
#include <numeric>

#include "analysis/kernels.hpp"
#include "engine/gauss_newton.hpp"
#include "engine/simulation.hpp"
#include "kernels/kernels.hpp"

namespace terrane {

namespace {

std::vector<double> log_conductivity(const Problem& p, const std::vector<double>& model) {
  std::vector<double> logarithm;
  for (const double m : model) {
    logarithm.push_back(
        std::log(convert_property(p.property->value_of(m), p.property->quantity, Quantity::conductivity)));
  }
  return logarithm;
}

LinearMap<double> section_map(Stream& s, const Problem& p, const std::vector<double>& model) {
  const auto kernel = std::make_shared<const std::vector<double>>(chargeability_kernel(s, p, model));
  const auto cells = static_cast<Index>(model.size()), n = p.dc.size();
  const auto row = [kernel, cells](Index i) { return kernel->data() + i * cells; };
  LinearMap<double> map{cells, n, {}, {}};
  map.apply = [=](Stream&, const double* v, double* y) {
    for (Index i = 0; i < n; ++i) y[i] = std::inner_product(row(i), row(i) + cells, v, 0.0);
  };
  map.adjoint = [=](Stream&, const double* w, double* x) {
    std::fill_n(x, cells, 0.0);
    for (Index i = 0; i < n; ++i) {
      if (w[i] == 0) continue;  // diagonals ask for one datum at a time
      for (Index k = 0; k < cells; ++k) x[k] += row(i)[k] * w[i];
    }
  };
  return map;
}

// No row of G is ever stored: the solutions of all poles are, and serve every product.
LinearMap<double> volume_map(Stream& s, const Problem& p, const std::vector<double>& model) {
  struct Linearized {
    Linearized(Stream& stream, const Problem& problem) : simulation(stream, problem, {}, 1), tape(stream) {}
    Simulation<double> simulation;
    Tape<double> tape;
    LinearMap<double> map;
    std::vector<double> volt;
  };
  Problem own = p;
  own.resistivity3.property = DcProperty::log_conductivity;
  const auto at = std::make_shared<Linearized>(s, own);
  const Var m = at->tape.input(p.grid.shape(), "log-conductivity");
  at->tape.set(m, log_conductivity(p, model));
  const Var data = at->simulation.record(at->tape, m);
  at->tape.forward();
  at->volt = at->tape.get(data);
  at->map = at->tape.map(m, data);
  LinearMap<double> map{at->map.columns, at->map.rows, {}, {}};
  map.apply = [at](Stream& stream, const double* v, double* y) {
    at->map.apply(stream, v, y);
    for (std::size_t i = 0; i < at->volt.size(); ++i) y[i] /= -at->volt[i];
  };
  map.adjoint = [at](Stream& stream, const double* w, double* x) {
    std::vector<double> scaled(w, w + at->volt.size());
    for (std::size_t i = 0; i < scaled.size(); ++i) scaled[i] /= -at->volt[i];
    at->map.adjoint(stream, scaled.data(), x);
  };
  return map;
}

// Diagonal of G^T W^2 G, W = 1 / std: in two dimensions exact, else from random signs in the data.
std::vector<double> sensitivity_of(Stream& s, const LinearMap<double>& map, const std::vector<double>& std, bool flat) {
  std::vector<double> inverse;
  for (const double v : std) inverse.push_back(1 / v);
  if (!flat) return normal_diagonal(s, map, inverse, 64, 0);
  std::vector<double> diagonal(static_cast<std::size_t>(map.columns), 0.0), row(diagonal), unit(std.size(), 0.0);
  for (std::size_t i = 0; i < std.size(); ++i) {
    unit[i] = inverse[i];
    map.adjoint(s, unit.data(), row.data());
    unit[i] = 0;
    for (std::size_t k = 0; k < row.size(); ++k) diagonal[k] += row[k] * row[k];
  }
  return diagonal;
}

}  // namespace

LinearMap<double> chargeability_map(Stream& s, const Problem& p, const std::vector<double>& model) {
  return p.grid.flat() ? section_map(s, p, model) : volume_map(s, p, model);
}

std::vector<double> chargeability_kernel(Stream& s, const Problem& p, const std::vector<double>& model) {
  ResistivityOptions o = p.resistivity;
  o.property = DcProperty::log_conductivity;
  const Resistivity<double> dc(p.mesh, p.dc, o);
  const Buffer<double> m = to_device(s, log_conductivity(p, model));
  const Buffer<double> data(s, p.dc.size());
  ResistivityState state;
  dc.forward(s, m.data(), data.data(), true, state);
  const auto volt = to_host(s, data.data(), p.dc.size());
  auto kernel = dc.jacobian(s, state);
  for (std::size_t i = 0; i < kernel.size(); ++i) kernel[i] /= -volt[i / model.size()];
  return kernel;
}

IpResult invert_chargeability(const Problem& p, const std::vector<double>& model, const IpOptions& options,
                              int threads) {
  const IpData& ip = p.ip;
  StreamOptions stream_options;
  stream_options.threads = threads;
  Stream s(Device{}, stream_options);
  double typical = 0, counted = 0, start = 0;
  for (std::size_t i = 0; i < ip.value.size(); ++i) {
    if (!std::isfinite(ip.std[i])) continue;
    typical += std::abs(ip.value[i]), counted += 1;
    start += ip.value[i] * ip.value[i] / (ip.std[i] * ip.std[i]);
  }
  if (counted == 0) throw Error(ErrorCode::data, "no datum has a chargeability with a standard deviation", ip.source);
  LeastSquares<double> problem;
  problem.stream = &s;
  problem.parameters = static_cast<Index>(model.size());
  problem.observed = ip.value;
  problem.std = ip.std;
  problem.data_map = chargeability_map(s, p, model);
  problem.forward = [&s, map = problem.data_map](const std::vector<double>& theta, std::vector<double>& data,
                                                 std::vector<double>& m) {
    data.resize(static_cast<std::size_t>(map.rows));
    map.apply(s, theta.data(), data.data());
    m = theta;
  };
  const Grid3& g = p.grid;
  ModelNormOptions norm = norms_on(g);
  norm.small.alpha = options.smallness;
  norm.z.alpha = norm.x.alpha = 1;
  if (!g.flat()) norm.y.alpha = 1;
  norm.cell_weights = sensitivity_weights(sensitivity_of(s, problem.data_map, ip.std, g.flat()), {}, 1e-4);
  GaussNewtonOptions o;
  o.beta_ratio = 10;
  o.beta_cooling = 2;
  o.target_chi2 = options.target_chi2;
  o.iterations = options.iterations;
  o.cg_iterations = 60;
  o.cg_tolerance = 1e-3;
  o.preconditioner = g.flat() ? Preconditioner::exact : Preconditioner::probes;
  o.probes = 32;
  o.linear = true;
  o.lower = 0;
  o.seed = options.seed;
  const std::vector<double> first(model.size(), 0.5 * typical / counted);
  GaussNewton<double> inversion(std::move(problem), ModelNorms(norm), o, first);
  IpResult r;
  r.start_chi2 = start / counted;
  inversion.run([&](const GnReport& step) { r.chi2 = step.chi2, r.iterations = step.iteration; });
  r.chargeability = inversion.theta();
  r.predicted = inversion.data();
  return r;
}

}  // namespace terrane
