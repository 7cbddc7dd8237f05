// SPDX-License-Identifier: MIT
// Timed problems of fields beyond plain networks: a hash grid, and the tangent kernel of a network.
#include <cmath>

#include "analysis/gram.hpp"
#include "analysis/network_jacobian.hpp"
#include "analysis/spectra.hpp"
#include "engine/benchmark_cases.hpp"
#include "engine/field.hpp"
#include "kernels/encode/multigrid_shape.hpp"
#include "kernels/kernels.hpp"
#include "kernels/runtime/random.hpp"

namespace terrane {
namespace {

std::vector<float> uniform_values(Index n, std::uint32_t draw, double low, double high) {
  const Random random(1, RandomPurpose::test);
  std::vector<float> v(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = static_cast<float>(random.uniform(i, draw, low, high));
  return v;
}

// Rows of a square grid, or anywhere in the unit square.
std::vector<float> unit_points(Index n, bool random) {
  if (random) return uniform_values(2 * n, 1, 0, 1);
  const auto side = static_cast<Index>(std::ceil(std::sqrt(static_cast<double>(n))));
  std::vector<float> x;
  for (Index i = 0; i < n; ++i) {
    for (const Index k : {i / side, i % side}) {
      x.push_back((static_cast<float>(k) + 0.5F) / static_cast<float>(side));
    }
  }
  return x;
}

}  // namespace

HashTiming time_hash_network(Stream& s, Index width, Index n, bool random, int repeats, double limit_s) {
  MultigridOptions options;
  options.base = 16;
  options.growth = 1.5;
  const MultigridShape table = multigrid_shape(2, options);
  const MlpShape net = mlp_shape(table.n_out(), {width, width}, Activation::relu, 0);
  HashTiming t;
  t.table = table.parameters();
  t.features = table.n_out();
  t.network = net.parameters();
  const Index at = t.table, all = t.table + t.network, features = n * table.n_out();
  const double bound = 1 / std::sqrt(static_cast<double>(width));
  const Buffer<float> theta = to_device(s, uniform_values(all, 0, -bound, bound));
  const Buffer<float> x = to_device(s, unit_points(n, random));
  const Buffer<float> y(s, n), d_y = to_device(s, std::vector<float>(static_cast<std::size_t>(n), 1.0F));
  const Buffer<float> encoded(s, features), d_encoded(s, features), d_theta(s, all);
  const auto forward = [&] {
    multigrid_forward(s, MultigridForward<float>{table, n, theta.data(), x.data(), encoded.data()});
    mlp_forward(s, MlpForward<float>{net, n, theta.data() + at, encoded.data(), y.data()});
  };
  t.forward_s = timed_seconds(s, repeats, forward, limit_s);
  t.gradient_s = timed_seconds(
      s, repeats,
      [&] {
        forward();
        fill(s, Fill<float>{d_theta.data(), 0.0F, all});
        fill(s, Fill<float>{d_encoded.data(), 0.0F, features});
        mlp_vjp(s, MlpVjp<float>{net, n, theta.data() + at, encoded.data(), d_y.data(), d_theta.data() + at,
                                 d_encoded.data()});
        multigrid_vjp(s,
                      MultigridVjp<float>{table, n, theta.data(), x.data(), d_encoded.data(), d_theta.data(), nullptr});
      },
      limit_s);
  return t;
}

TangentTiming time_tangent_kernel(Stream& s, Index width, int hidden, Index n, Index top, bool full, int repeats,
                                  double limit_s) {
  const auto layers = static_cast<std::size_t>(hidden);
  const MlpShape net = siren_shape(2, std::vector<Index>(layers, width), std::vector<double>(layers, 30.0));
  TangentTiming t;
  t.parameters = net.parameters();
  std::vector<float> weights;
  for (int l = 0; l < net.layers; ++l) {
    const MlpLayer& layer = net.layer[l];
    t.products += static_cast<double>(layer.n_in + layer.n_out);
    const double bound = l == 0 ? 0.5 : std::sqrt(6.0 / static_cast<double>(layer.n_in)) / 30;
    const auto part = uniform_values(layer.parameters(), static_cast<std::uint32_t>(2 + l), -bound, bound);
    weights.insert(weights.end(), part.begin(), part.end());
  }
  const Buffer<float> theta = to_device(s, weights), x = to_device(s, uniform_values(2 * n, 1, -1, 1)), k(s, n * n);
  t.gram_s = timed_seconds(
      s, repeats,
      [&] {
        const Factors<float> factors = network_factors(s, net, theta.data(), n, x.data());
        gram(s, factors, k.data());
      },
      limit_s);
  SubspaceOptions options;
  options.count = top;
  options.tolerance = 1e-4;  // of the largest eigenvalue
  const SymmetricMap<float> map = symmetric_map(k.data(), n);
  t.top_s = timed_seconds(
      s, repeats, [&] { t.iterations = subspace_eigenpairs(s, map, options).iterations; }, limit_s);
  if (full)
    t.full_s = timed_seconds(
        s, repeats, [&] { dense_eigenpairs(s, k.data(), n, 0, false); }, limit_s);
  return t;
}

}  // namespace terrane
