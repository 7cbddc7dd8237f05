// SPDX-License-Identifier: MIT
#include "engine/model_norms.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/runtime/error.hpp"

namespace terrane {

namespace {

double max_abs(const std::vector<double>& v) {
  double m = 0;
  for (const double x : v) m = std::max(m, std::abs(x));
  return m;
}

// q^(p/2 - 1)
double power(double q, double p) {
  if (p == 2) return 1;
  if (p == 1) return 1 / std::sqrt(q);
  if (p == 0) return 1 / q;
  return std::pow(q, p / 2 - 1);
}

// [(s + eps^2)^(p/2) - eps^p] / p of s = f^2
double penalty(double s, double p, double eps) {
  if (p == 2) return s / 2;
  if (p == 1) return std::sqrt(s + eps * eps) - eps;
  if (p == 0) return 0.5 * std::log1p(s / (eps * eps));
  return (std::pow(s + eps * eps, p / 2) - std::pow(eps, p)) / p;
}

// c of the header for the values compared with eps.
double scale(const std::vector<double>& f, double p, double eps) {
  const double largest = max_abs(f), star = p < 1 ? eps / std::sqrt(1 - p) : largest;
  const double at_star = star * power(star * star + eps * eps, p);
  return largest > 0 && at_star > 0 ? largest / at_star : 1;
}

}  // namespace

ModelNormOptions norms_on(const Grid3& g) {
  const double section = std::min(g.dz_m, g.dx_m), cell = g.flat() ? section : std::min(section, g.dy_m);
  ModelNormOptions o;
  o.nz = g.nz, o.ny = g.ny, o.nx = g.nx;
  o.dz = g.dz_m / cell, o.dx = g.dx_m / cell;
  if (!g.flat()) o.dy = g.dy_m / cell;
  return o;
}

ModelNorms::ModelNorms(ModelNormOptions options) : o_(std::move(options)) {
  check();
  for (int t = 0; t < 4; ++t) eps_[at(t)] = term(t).eps;
  make_cell_factors();
  reset_weights();
}

void ModelNorms::check() const {
  const char* where = "model norms";
  require(o_.nz > 0 && o_.ny > 0 && o_.nx > 0, ErrorCode::config, "the grid needs at least one cell on each axis",
          where);
  require(o_.dz > 0 && o_.dy > 0 && o_.dx > 0, ErrorCode::config, "spacings must be positive (1: per cell)", where);
  for (int t = 0; t < 4; ++t) {
    const NormTerm& n = term(t);
    require(n.alpha >= 0 && std::isfinite(n.alpha), ErrorCode::config, "alpha must not be negative", where);
    require(n.p >= 0 && n.p <= 2, ErrorCode::config, "a norm p must lie in [0, 2]", where);
    require(n.eps >= 0, ErrorCode::config, "eps must not be negative", where);
  }
  const auto fits = [&](const std::vector<double>& v) { return v.empty() || static_cast<Index>(v.size()) == cells(); };
  require(fits(o_.reference), ErrorCode::config, "the reference model needs one value for each cell", where);
  require(fits(o_.cell_weights), ErrorCode::config, "the cell weights need one value for each cell", where);
  for (const double w : o_.cell_weights) {
    require(w > 0 && std::isfinite(w), ErrorCode::config, "cell weights must be positive", where);
  }
  if (o_.coupling != NormCoupling::isotropic) return;
  const NormTerm* first = nullptr;
  for (int t = 1; t < 4; ++t) {
    if (!present(t)) continue;
    if (first == nullptr) first = &term(t);
    require(term(t).p == first->p && term(t).eps == first->eps, ErrorCode::config,
            "the isotropic norm needs one p and one eps for all axes; use coupling separate", where);
  }
}

bool ModelNorms::sparse() const {
  for (int t = 0; t < 4; ++t) {
    if (present(t) && term(t).p != 2) return true;
  }
  return false;
}

// alpha W^2 at the cells (small, isotropic) or faces. A face stands at the index of its first cell.
void ModelNorms::make_cell_factors() {
  const auto weight = [&](Index i) { return o_.cell_weights.empty() ? 1.0 : o_.cell_weights[at(i)]; };
  for (int t = 0; t < 4; ++t) {
    if (!present(t)) continue;
    std::vector<double>& c = cell_factor_[at(t)];
    c.assign(at(cells()), 0.0);
    for (Index i = 0; i < cells(); ++i) {
      if (t == 0 || o_.coupling == NormCoupling::isotropic) {
        c[at(i)] = term(t).alpha * weight(i);
      } else if ((i / stride(t)) % extent(t) + 1 < extent(t)) {
        c[at(i)] = term(t).alpha * 0.5 * (weight(i) + weight(i + stride(t)));
      }
    }
  }
}

void ModelNorms::reset_weights() {
  for (int t = 0; t < 4; ++t) r2_[at(t)].assign(present(t) ? at(cells()) : 0, 1.0);
  refresh();
}

void ModelNorms::refresh() {
  for (std::size_t t = 0; t < 4; ++t) {
    factor_[t].resize(r2_[t].size());
    for (std::size_t i = 0; i < r2_[t].size(); ++i) factor_[t][i] = cell_factor_[t][i] * r2_[t][i];
  }
}

void ModelNorms::values(int t, const std::vector<double>& q, std::vector<double>& f) const {
  if (t == 0) {
    f = q;
    return;
  }
  const Index step = stride(t), n = extent(t), outer = cells() / (n * step);
  const double inverse = 1 / spacing(t);
  f.assign(q.size(), 0.0);
  for (Index o = 0; o < outer; ++o) {
    const Index begin = o * n * step, end = begin + (n - 1) * step;
    for (Index i = begin; i < end; ++i) f[at(i)] = (q[at(i + step)] - q[at(i)]) * inverse;
  }
}

void ModelNorms::scatter(int t, const std::vector<double>& f, std::vector<double>& q) const {
  if (t == 0) {
    for (std::size_t i = 0; i < q.size(); ++i) q[i] += f[i];
    return;
  }
  const Index step = stride(t), n = extent(t), outer = cells() / (n * step);
  const double inverse = 1 / spacing(t);
  for (Index o = 0; o < outer; ++o) {
    const Index begin = o * n * step, end = begin + (n - 1) * step;
    for (Index i = begin; i < end; ++i) q[at(i)] -= f[at(i)] * inverse;
    for (Index i = begin; i < end; ++i) q[at(i + step)] += f[at(i)] * inverse;
  }
}

std::vector<double> ModelNorms::minus_reference(const std::vector<double>& m, bool smoothness) const {
  std::vector<double> q = m;
  if (o_.reference.empty() || (smoothness && !o_.reference_in_smoothness)) return q;
  for (std::size_t i = 0; i < q.size(); ++i) q[i] -= o_.reference[i];
  return q;
}

std::array<std::vector<double>, 4> ModelNorms::all_values(const std::vector<double>& m) const {
  std::array<std::vector<double>, 4> f;
  if (present(0)) f[0] = minus_reference(m, false);
  const std::vector<double> q = minus_reference(m, true);
  for (int t = 1; t < 4; ++t) {
    if (present(t)) values(t, q, f[at(t)]);
  }
  return f;
}

// The values that term t compares with its eps.
std::vector<double> ModelNorms::compared(int t, const std::array<std::vector<double>, 4>& f) const {
  if (t == 0 || o_.coupling == NormCoupling::separate) return f[at(t)];
  std::vector<double> cell(at(cells()), 0.0);
  for (int a = 1; a < 4; ++a) {
    if (!present(a)) continue;
    const std::vector<double>& g = f[at(a)];
    for (Index i = 0; i < cells(); ++i) {
      if (o_.coupling == NormCoupling::isotropic) {
        cell[at(i)] += term(a).alpha * g[at(i)] * g[at(i)];
        continue;
      }
      const double before = (i / stride(a)) % extent(a) > 0 ? g[at(i - stride(a))] : 0;
      cell[at(i)] += 0.5 * std::abs(g[at(i)] + before);
    }
  }
  if (o_.coupling == NormCoupling::isotropic) {
    for (double& c : cell) c = std::sqrt(c);
    return cell;
  }
  std::vector<double> face(cell.size(), 0.0);
  for (Index i = 0; i < cells(); ++i) {
    if ((i / stride(t)) % extent(t) + 1 < extent(t)) face[at(i)] = 0.5 * (cell[at(i)] + cell[at(i + stride(t))]);
  }
  return face;
}

void ModelNorms::update_weights(const std::vector<double>& m) {
  const auto f = all_values(m);
  for (int t = 0; t < 4; ++t) {
    const double p = term(t).p, eps = eps_[at(t)];
    if (!present(t) || p == 2) continue;
    const std::vector<double> q = compared(t, f);
    require(eps > 0, ErrorCode::config, "norms below 2 need eps > 0: the model may equal its reference", "model norms");
    const double c = o_.scaled ? scale(q, p, eps) : 1;
    for (std::size_t i = 0; i < q.size(); ++i) r2_[at(t)][i] = c * power(q[i] * q[i] + eps * eps, p);
  }
  refresh();
}

void ModelNorms::start_eps(const std::vector<double>& m) {
  const double largest = max_abs(minus_reference(m, false));
  double h = 0;
  for (int t = 1; t < 4; ++t) {
    if (extent(t) > 1) h = h > 0 ? std::min(h, spacing(t)) : spacing(t);
  }
  // A model that equals its reference would leave eps at 0.
  eps_[0] = largest > 0 ? largest : 1;
  for (std::size_t t = 1; t < 4; ++t) eps_[t] = h > 0 ? eps_[0] / h : eps_[0];
}

void ModelNorms::cool_eps(double factor) {
  for (double& e : eps_) e /= factor;
}

double ModelNorms::value(const std::vector<double>& m) const {
  const auto f = all_values(m);
  double sum = 0;
  for (std::size_t t = 0; t < 4; ++t) {
    double part = 0;
    for (std::size_t i = 0; i < f[t].size(); ++i) part += factor_[t][i] * f[t][i] * f[t][i];
    sum += 0.5 * part;
  }
  return sum;
}

void ModelNorms::gradient(const std::vector<double>& m, std::vector<double>& g) const {
  auto f = all_values(m);
  g.assign(m.size(), 0.0);
  for (int t = 0; t < 4; ++t) {
    if (!present(t)) continue;
    for (std::size_t i = 0; i < m.size(); ++i) f[at(t)][i] *= factor_[at(t)][i];
    scatter(t, f[at(t)], g);
  }
}

void ModelNorms::hessian(const std::vector<double>& v, std::vector<double>& hv) const {
  std::vector<double> f;
  hv.assign(v.size(), 0.0);
  for (int t = 0; t < 4; ++t) {
    if (!present(t)) continue;
    values(t, v, f);
    for (std::size_t i = 0; i < f.size(); ++i) f[i] *= factor_[at(t)][i];
    scatter(t, f, hv);
  }
}

void ModelNorms::hessian_diagonal(std::vector<double>& d) const {
  d.assign(at(cells()), 0.0);
  for (int t = 0; t < 4; ++t) {
    if (!present(t)) continue;
    const std::vector<double>& c = factor_[at(t)];
    if (t == 0) {
      for (std::size_t i = 0; i < d.size(); ++i) d[i] += c[i];
      continue;
    }
    const double inverse2 = 1 / (spacing(t) * spacing(t));
    for (Index i = 0; i < cells(); ++i) {
      if ((i / stride(t)) % extent(t) + 1 >= extent(t)) continue;
      d[at(i)] += c[at(i)] * inverse2;
      d[at(i + stride(t))] += c[at(i)] * inverse2;
    }
  }
}

void ModelNorms::probe(const Random& random, std::uint32_t draw, std::vector<double>& x) const {
  x.assign(at(cells()), 0.0);
  std::vector<double> f(x.size());
  for (int t = 0; t < 4; ++t) {
    if (!present(t)) continue;
    for (Index i = 0; i < cells(); ++i) {
      const auto index = static_cast<std::uint64_t>(t * cells() + i);
      const double sign = (random.bits(index, draw).v[0] & 1u) != 0 ? 1 : -1;
      f[at(i)] = sign * std::sqrt(factor_[at(t)][at(i)]);
    }
    scatter(t, f, x);
  }
}

double ModelNorms::measure(const std::vector<double>& m) const {
  const auto f = all_values(m);
  const bool isotropic = o_.coupling == NormCoupling::isotropic;
  double sum = 0;
  for (int t = 0; t < 4; ++t) {
    if (!present(t) || (isotropic && t > 0)) continue;
    for (std::size_t i = 0; i < f[at(t)].size(); ++i) {
      const double v = f[at(t)][i];
      sum += cell_factor_[at(t)][i] * penalty(v * v, term(t).p, eps_[at(t)]);
    }
  }
  int first = 1;
  while (first < 4 && !present(first)) ++first;
  if (!isotropic || first == 4) return sum;
  const std::vector<double> length = compared(first, f);
  for (std::size_t i = 0; i < length.size(); ++i) {
    const double weight = o_.cell_weights.empty() ? 1 : o_.cell_weights[i];
    sum += weight * penalty(length[i] * length[i], term(first).p, eps_[at(first)]);
  }
  return sum;
}

std::map<std::string, std::vector<double>> ModelNorms::state() const {
  std::map<std::string, std::vector<double>> state{{"eps", {eps_.begin(), eps_.end()}}};
  for (std::size_t t = 0; t < 4; ++t) {
    if (!r2_[t].empty()) state["weights" + std::to_string(t)] = r2_[t];
  }
  return state;
}

void ModelNorms::restore(const std::map<std::string, std::vector<double>>& state) {
  const auto take = [&](const std::string& name, std::size_t size) {
    const auto found = state.find(name);
    if (found == state.end() || found->second.size() != size) {
      throw Error(ErrorCode::data, "the state lacks \"" + name + "\" of " + std::to_string(size) +
                                       " values: the checkpoint belongs to another configuration");
    }
    return found->second;
  };
  const std::vector<double> eps = take("eps", 4);
  std::copy(eps.begin(), eps.end(), eps_.begin());
  for (std::size_t t = 0; t < 4; ++t) {
    if (!r2_[t].empty()) r2_[t] = take("weights" + std::to_string(t), r2_[t].size());
  }
  refresh();
}

std::vector<double> depth_weights(Index axis_cells, Index row_cells, double dz_m, double z0_m, double exponent) {
  require(z0_m > 0 && dz_m > 0, ErrorCode::config, "depth weights need z0_m > 0 and dz_m > 0", "depth weights");
  std::vector<double> w;
  w.reserve(at(axis_cells * row_cells));
  for (Index z = 0; z < axis_cells; ++z) {
    w.insert(w.end(), at(row_cells), std::pow(z0_m / (static_cast<double>(z) * dz_m + z0_m), exponent));
  }
  return w;
}

std::vector<double> sensitivity_weights(const std::vector<double>& diagonal, const std::vector<double>& volumes,
                                        double floor) {
  require(volumes.empty() || volumes.size() == diagonal.size(), ErrorCode::config,
          "the volumes need one value for each cell", "sensitivity weights");
  std::vector<double> w(diagonal.size());
  for (std::size_t i = 0; i < w.size(); ++i) {
    w[i] = std::sqrt(std::max(0.0, diagonal[i])) / (volumes.empty() ? 1 : volumes[i]);
  }
  const double largest = max_abs(w);
  require(largest > 0 && std::isfinite(largest), ErrorCode::data, "the data depend on no cell: check survey and grid",
          "sensitivity weights");
  for (double& x : w) x = std::max(x / largest, floor);
  return w;
}

}  // namespace terrane
