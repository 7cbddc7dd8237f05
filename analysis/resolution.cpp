// SPDX-License-Identifier: MIT
#include "analysis/resolution.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/runtime/error.hpp"

namespace terrane {

namespace {

template <class T>
std::vector<T> row_of(const Eigenpairs& pairs, std::size_t i, Index n) {
  const auto from = pairs.vectors.begin() + static_cast<std::ptrdiff_t>(i) * n;
  return std::vector<T>(from, from + n);
}

}  // namespace

template <class T>
Resolution resolution(Stream& s, const InversionMaps<T>& maps, const ResolutionOptions& o) {
  const char* where = "resolution";
  const Index nd = maps.data.rows, nm = maps.data.columns;
  require(o.c > 0 && o.count > 0, ErrorCode::config, "the prior's scale and the count must be positive", where);
  require(o.weights.empty() || static_cast<Index>(o.weights.size()) == nd, ErrorCode::config,
          "there must be one weight for each datum", where);
  require(!o.neural || static_cast<Index>(o.diagonal.size()) == nm, ErrorCode::config,
          "the field's prior needs the diagonal of its kernel", where);
  for (const Index j : o.nodes) require(j >= 0 && j < nm, ErrorCode::config, "a node lies outside the model", where);
  // B = W sqrt(c) J L with C = c L L^T; A = B B^T. Work on the shorter side of B.
  std::vector<double> w = o.weights;
  if (w.empty()) w.assign(at(nd), 1.0);
  for (double& v : w) v *= std::sqrt(o.c);
  const LinearMap<T> white = weighted_rows(s, maps.data, w);
  const LinearMap<T> b = o.neural ? weighted_rows(s, maps.total, w) : white;
  const bool left = b.rows <= b.columns;
  LanczosOptions lanczos;
  lanczos.count = std::min({o.count, b.rows, b.columns});
  lanczos.steps = o.steps > 0 ? o.steps : std::max<Index>(100, 4 * lanczos.count + 20);
  lanczos.seed = o.seed;
  lanczos.progress = o.progress;
  lanczos.tolerance = sizeof(T) == 8 ? 1e-8 : 1e-4;
  const Eigenpairs pairs = lanczos_eigenpairs(s, left ? left_gram_map(s, b) : right_gram_map(s, b), lanczos);
  Resolution r;
  r.diagonal.assign(at(nm), 0.0);
  r.spread.assign(o.nodes.size() * at(nm), 0.0);
  std::vector<double> variance(at(nm), o.c);
  if (o.neural) {
    for (Index j = 0; j < nm; ++j) variance[at(j)] = o.c * o.diagonal[at(j)];
  }
  for (const double v : variance) r.prior_std.push_back(std::sqrt(v));
  for (std::size_t i = 0; i < pairs.values.size(); ++i) {
    const double lambda = pairs.values[i];
    if (!(lambda > 1e-12 * pairs.values[0])) break;
    // P = J^T W sqrt(c) u = p sqrt(c) and Q = L L^T P = q / sqrt(c).
    std::vector<T> u = row_of<T>(pairs, i, left ? b.rows : b.columns);
    if (!left) {
      u = apply(s, b, u);
      for (T& v : u) v = static_cast<T>(static_cast<double>(v) / std::sqrt(lambda));
    }
    const std::vector<T> p = adjoint(s, white, u);
    const std::vector<T> q = o.neural ? apply(s, maps.field, adjoint(s, maps.field, p)) : p;
    r.lambda.push_back(lambda);
    r.resolved += lambda / (lambda + 1);
    for (std::size_t j = 0; j < at(nm); ++j) {
      const double pj = static_cast<double>(p[j]), qj = static_cast<double>(q[j]);
      r.diagonal[j] += qj * pj / (lambda + 1);
      variance[j] -= o.c * qj * qj / (lambda + 1);
    }
    for (std::size_t n = 0; n < o.nodes.size(); ++n) {
      const double pn = static_cast<double>(p[at(o.nodes[n])]) / (lambda + 1);
      for (std::size_t j = 0; j < at(nm); ++j) r.spread[n * at(nm) + j] += pn * static_cast<double>(q[j]);
    }
  }
  for (const double v : variance) r.posterior_std.push_back(std::sqrt(std::max(v, 0.0)));
  return r;
}

template Resolution resolution(Stream&, const InversionMaps<float>&, const ResolutionOptions&);
template Resolution resolution(Stream&, const InversionMaps<double>&, const ResolutionOptions&);

}  // namespace terrane
