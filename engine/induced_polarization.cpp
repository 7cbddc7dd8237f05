// SPDX-License-Identifier: MIT
#include "engine/induced_polarization.hpp"

#include <cmath>
#include <limits>
#include <span>

#include "engine/gauss_newton.hpp"
#include "kernels/kernels.hpp"

namespace terrane {

std::vector<double> chargeability_kernel(Stream& s, const Problem& p, const std::vector<double>& model) {
  ResistivityOptions o = p.resistivity;
  o.property = DcProperty::log_conductivity;
  const Resistivity<double> dc(p.mesh, p.dc, o);
  std::vector<double> logarithm;
  for (const double m : model) {
    logarithm.push_back(
        std::log(convert_property(p.property->value_of(m), p.property->quantity, Quantity::conductivity)));
  }
  const Buffer<double> m = to_device(s, logarithm);
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
  const auto kernel = chargeability_kernel(s, p, model);
  const auto n = static_cast<Index>(ip.value.size()), cells = static_cast<Index>(model.size());
  const auto row = [&](Index i) { return kernel.data() + i * cells; };
  LeastSquares<double> problem;
  problem.stream = &s;
  problem.parameters = cells;
  problem.observed = ip.value;
  problem.std = ip.std;
  problem.data_map.rows = n;
  problem.data_map.columns = cells;
  const auto apply = [&](Stream&, const double* v, double* y) {
    for (Index i = 0; i < n; ++i) {
      double sum = 0;
      for (Index k = 0; k < cells; ++k) sum += row(i)[k] * v[k];
      y[i] = sum;
    }
  };
  problem.data_map.apply = apply;
  problem.data_map.adjoint = [&](Stream&, const double* w, double* x) {
    std::fill_n(x, cells, 0.0);
    for (Index i = 0; i < n; ++i) {
      for (Index k = 0; k < cells; ++k) x[k] += row(i)[k] * w[i];
    }
  };
  problem.forward = [&, apply](const std::vector<double>& theta, std::vector<double>& data, std::vector<double>& m) {
    data.resize(static_cast<std::size_t>(n));
    apply(s, theta.data(), data.data());
    m = theta;
  };
  std::vector<double> diagonal(model.size(), 0.0);
  double typical = 0, counted = 0, start = 0;
  for (Index i = 0; i < n; ++i) {
    const auto k = static_cast<std::size_t>(i);
    if (!std::isfinite(ip.std[k])) continue;
    typical += std::abs(ip.value[k]), counted += 1;
    start += ip.value[k] * ip.value[k] / (ip.std[k] * ip.std[k]);
    for (Index c = 0; c < cells; ++c)
      diagonal[static_cast<std::size_t>(c)] += row(i)[c] * row(i)[c] / (ip.std[k] * ip.std[k]);
  }
  if (counted == 0) throw Error(ErrorCode::data, "no datum has a chargeability with a standard deviation", ip.source);
  ModelNormOptions norm;
  norm.nz = p.grid.nz, norm.nx = p.grid.nx;
  const double cell = std::min(p.grid.dz_m, p.grid.dx_m);
  norm.dz = p.grid.dz_m / cell, norm.dx = p.grid.dx_m / cell;
  norm.small.alpha = options.smallness;
  norm.z.alpha = norm.x.alpha = 1;
  norm.cell_weights = sensitivity_weights(diagonal, {}, 1e-4);
  GaussNewtonOptions o;
  o.beta_ratio = 10;
  o.beta_cooling = 2;
  o.target_chi2 = options.target_chi2;
  o.iterations = options.iterations;
  o.cg_iterations = 60;
  o.cg_tolerance = 1e-3;
  o.preconditioner = Preconditioner::exact;
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
