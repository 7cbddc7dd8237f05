// SPDX-License-Identifier: MIT
// Kernels of an inversion against dense matrices made of rows; the wave tangent kernel against gradient descent;
// tangent kernels of wide networks against their limits.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "analysis/gram.hpp"
#include "analysis/kernels.hpp"
#include "analysis/network_jacobian.hpp"
#include "analysis/resolution.hpp"
#include "autodiff/check.hpp"
#include "autodiff/ops/encode_op.hpp"
#include "autodiff/ops/mlp_op.hpp"
#include "engine/field.hpp"
#include "physics/straight_ray/straight_ray_op.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace inversion_kernels_test {

using Vector = std::vector<double>;

constexpr double pi = 3.14159265358979323846;
constexpr Grid2 grid{9, 7, 10, 10, 5, 5};  // corners at multiples of 10 m

// Times between the left and the right side of the grid.
std::shared_ptr<const StraightRayOp<double>> rays(Stream& s, TravelProperty property) {
  std::vector<Point3> left, right;
  for (int k = 0; k < 6; ++k) {
    left.push_back({0, 3 + 16.0 * k});
    right.push_back({70, 7 + 15.5 * k});
  }
  StraightRayOptions o;
  o.property = property;
  return std::make_shared<StraightRayOp<double>>(
      std::make_shared<StraightRays<double>>(s, Grid3::of(grid), TravelSurvey::full(left, right), o));
}

struct Problem {
  Tape<double> tape;
  Var theta, m, d;
  explicit Problem(Stream& s) : tape(s) {
    const auto field = Field<double>::make({{"type", "siren"}, {"width", 8}, {"layers", 2}, {"omega_0", 6}}, grid, 3);
    theta = tape.input({field.parameters()}, "theta");
    const Var m0 = tape.input({grid.nz, grid.nx}, "m0", false);
    m = field.record(tape, theta, m0);
    d = tape.apply(rays(s, TravelProperty::velocity), {m});
    tape.set(theta, field.initial_parameters());
    tape.set(m0, Vector(at(grid.cells()), 2000.0));
    tape.forward();
  }
};

// (rows, columns) of a map.
Vector dense(Stream& s, const LinearMap<double>& j) {
  const Buffer<double> rows(s, j.rows * j.columns);
  jacobian_rows(s, j, 0, j.rows, rows.data());
  return to_host(s, rows);
}
// a (m, k) b (k, n), or b (n, k) transposed
Vector product(const Vector& a, const Vector& b, Index m, Index k, Index n, bool transposed) {
  Vector c(at(m * n), 0.0);
  for (Index i = 0; i < m; ++i) {
    for (Index j = 0; j < n; ++j) {
      for (Index p = 0; p < k; ++p) c[at(i * n + j)] += a[at(i * k + p)] * b[at(transposed ? j * k + p : p * n + j)];
    }
  }
  return c;
}
double difference(const Vector& got, const Vector& wanted) {
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    error += (got[i] - wanted[i]) * (got[i] - wanted[i]);
    norm += wanted[i] * wanted[i];
  }
  return got.size() == wanted.size() && norm > 0 ? std::sqrt(error / norm) : 1e300;
}
// B as a matrix.
Vector dense(Stream& s, const SymmetricMap<double>& b) {
  Vector unit(at(b.n * b.n), 0.0);
  for (Index i = 0; i < b.n; ++i) unit[at(i * (b.n + 1))] = 1;
  const Buffer<double> x = to_device(s, unit), y(s, b.n * b.n);
  b.apply(s, b.n, x.data(), y.data());
  return to_host(s, y);
}

TEST(InversionKernels, AgreeWithDenseMatrices) {
  for_each_device([](Stream& s) {
    const Problem p(s);
    const InversionMaps<double> maps = inversion_maps(p.tape, p.theta, p.m, p.d);
    const Index nd = maps.data.rows, nm = maps.field.rows, np = maps.field.columns;
    ASSERT_EQ(maps.data.columns, nm);
    const Vector jf = dense(s, maps.field), j = dense(s, maps.data), total = product(j, jf, nd, nm, np, false);
    EXPECT_LE(difference(dense(s, maps.total), total), 1e-13);
    EXPECT_LE(difference(dense(s, compose(s, maps.data, maps.field)), total), 1e-13);
    EXPECT_LE(dot_test(s, compose(s, maps.data, maps.field), 3), 1e-12);
    const Vector k = product(jf, jf, nm, np, nm, true);
    EXPECT_LE(difference(dense(s, tangent_kernel(s, maps)), k), 1e-13);
    EXPECT_LE(difference(dense(s, wave_kernel(s, maps)), product(j, j, nd, nm, nd, true)), 1e-13);
    EXPECT_LE(difference(dense(s, wave_tangent_kernel(s, maps)), product(total, total, nd, np, nd, true)), 1e-13);
    const Index i = 13;
    const Vector row(j.begin() + i * nm, j.begin() + (i + 1) * nm);
    EXPECT_LE(difference(sensitivity_kernel(s, maps, i), row), 1e-15);
    EXPECT_LE(difference(neural_sensitivity_kernel(s, maps, i), product(k, row, nm, nm, 1, false)), 1e-13);
    const Vector v = random_normal<double>(nm, 1), w = random_normal<double>(nd, 2);
    EXPECT_LE(difference(apply(s, maps.data, v), product(j, v, nd, nm, 1, false)), 1e-13);
    EXPECT_LE(difference(sensitivity_kernel(s, maps, w), product(w, j, 1, nd, nm, false)), 1e-13);
    EXPECT_THROW(sensitivity_kernel(s, maps, nd), Error);
    EXPECT_THROW(weighted_rows(s, maps.data, Vector(3, 1.0)), Error);
    EXPECT_THROW(compose(s, maps.field, maps.data), Error);
  });
}

TEST(InversionKernels, GaussNewtonOperatorItsDiagonalAndIllumination) {
  for_each_device([](Stream& s) {
    const Problem p(s);
    const LinearMap<double> j = inversion_maps(p.tape, p.theta, p.m, p.d).data;
    Vector weights, weighted = dense(s, j);
    for (Index i = 0; i < j.rows; ++i) {
      weights.push_back(1 + 0.1 * static_cast<double>(i % 5));
      for (Index c = 0; c < j.columns; ++c) weighted[at(i * j.columns + c)] *= weights.back();
    }
    Vector columns(at(j.columns * j.rows));
    for (Index i = 0; i < j.rows; ++i) {
      for (Index c = 0; c < j.columns; ++c) columns[at(c * j.rows + i)] = weighted[at(i * j.columns + c)];
    }
    const Vector h = product(columns, columns, j.columns, j.rows, j.columns, true);
    EXPECT_LE(difference(dense(s, gauss_newton_map(s, j, weights)), h), 1e-13);
    Vector diagonal, squares(at(j.columns), 0.0);
    for (Index c = 0; c < j.columns; ++c) diagonal.push_back(h[at(c * (j.columns + 1))]);
    EXPECT_LE(difference(normal_diagonal(s, j, weights, 0, 1), diagonal), 1e-13);
    EXPECT_LE(difference(normal_diagonal(s, j, weights, 600, 1), diagonal), 0.1);  // sqrt(2 / 600) = 0.06
    const Vector light = illumination(s, j, weights, 0, 1);
    double largest = 0;
    for (const double v : diagonal) largest = std::max(largest, v);
    for (std::size_t c = 0; c < light.size(); ++c) EXPECT_NEAR(light[c], diagonal[c] / largest, 1e-13);
  });
}

// Resolution and posterior by all eigenvalues against the inverse of a dense matrix, with both priors.
TEST(InversionKernels, ResolutionAndPosteriorVariance) {
  for_each_device([](Stream& s) {
    const Problem p(s);
    const InversionMaps<double> maps = inversion_maps(p.tape, p.theta, p.m, p.d);
    const Index nd = maps.data.rows, nm = maps.data.columns;
    const Vector j = dense(s, maps.data), k = dense(s, tangent_kernel(s, maps));
    ResolutionOptions o;
    o.count = std::min(nd, nm);
    o.steps = nd;
    o.nodes = {3, 40};
    for (Index i = 0; i < nd; ++i) o.weights.push_back(1e3 * (1 + 0.2 * static_cast<double>(i % 4)));
    for (Index i = 0; i < nm; ++i) o.diagonal.push_back(k[at(i * (nm + 1))]);
    for (const bool neural : {false, true}) {
      o.neural = neural;
      o.c = neural ? 40 : 2500;
      Vector c(at(nm * nm), 0.0);
      for (std::size_t i = 0; i < c.size(); ++i) c[i] = neural ? o.c * k[i] : i % at(nm + 1) == 0 ? o.c : 0;
      Vector wj = j;
      for (Index i = 0; i < nd; ++i) {
        for (Index l = 0; l < nm; ++l) wj[at(i * nm + l)] *= o.weights[at(i)];
      }
      const Vector cjw = product(c, wj, nm, nm, nd, true);  // C J^T W
      Vector a = product(wj, cjw, nd, nm, nd, false);
      for (Index i = 0; i < nd; ++i) a[at(i * (nd + 1))] += 1;
      const Buffer<double> device = to_device(s, a);
      const Eigenpairs e = dense_eigenpairs(s, device.data(), nd);
      Vector inverse(at(nd * nd), 0.0);
      for (Index m = 0; m < nd; ++m) {
        for (Index i = 0; i < nd; ++i) {
          for (Index l = 0; l < nd; ++l) {
            inverse[at(i * nd + l)] += e.vectors[at(m * nd + i)] * e.vectors[at(m * nd + l)] / e.values[at(m)];
          }
        }
      }
      const Vector gain = product(cjw, inverse, nm, nd, nd, false);
      const Vector wanted = product(gain, wj, nm, nd, nm, false), taken = product(gain, cjw, nm, nd, nm, true);
      const Resolution got = resolution(s, maps, o);
      double trace = 0;
      Vector diagonal, deviation, spread;
      for (Index i = 0; i < nm; ++i) {
        trace += wanted[at(i * (nm + 1))];
        diagonal.push_back(wanted[at(i * (nm + 1))]);
        deviation.push_back(std::sqrt(c[at(i * (nm + 1))] - taken[at(i * (nm + 1))]));
      }
      for (const Index n : o.nodes) {
        for (Index i = 0; i < nm; ++i) spread.push_back(wanted[at(i * nm + n)]);
      }
      EXPECT_NEAR(got.resolved, trace, 1e-7 * trace);
      EXPECT_LE(difference(got.diagonal, diagonal), 1e-7);
      EXPECT_LE(difference(got.posterior_std, deviation), 1e-7);
      EXPECT_LE(difference(got.spread, spread), 1e-7);
      EXPECT_GT(trace, 1);
    }
    o.nodes = {nm};
    EXPECT_THROW(resolution(s, maps, o), Error);
    o.nodes.clear();
    o.weights.pop_back();
    EXPECT_THROW(resolution(s, maps, o), Error);
  });
}

// phi = |A P theta - d|^2 / 2 with P an interpolation of coarse nodes: along every eigenvector of the wave tangent
// kernel J K J^T the residual of gradient descent is (1 - eta lambda)^k times the first one.
TEST(InversionKernels, ResidualsOfDescentFollowTheEigenvalues) {
  Stream s{Device{}};
  Tape<double> tape(s);
  const Index mz = 4, mx = 3;
  Vector zeta;
  for (Index i = 0; i < grid.nz; ++i) {
    for (Index k = 0; k < grid.nx; ++k) {
      zeta.push_back(static_cast<double>(i) / static_cast<double>(grid.nz - 1));
      zeta.push_back(static_cast<double>(k) / static_cast<double>(grid.nx - 1));
    }
  }
  const Var theta = tape.input({mz, mx}, "theta");
  const Var m = tape.apply(std::make_shared<InterpolateOp<double>>(s, bilinear_rows(mz, mx, zeta)), {theta});
  const Var d = tape.apply(rays(s, TravelProperty::slowness), {m});
  const Vector observed = random_normal<double>(tape.size(d), 8);
  Vector values(at(mz * mx), 0.0);
  tape.set(theta, values);
  tape.forward();
  const InversionMaps<double> maps = inversion_maps(tape, theta, m, d);
  const Index nd = maps.total.rows;
  const Buffer<double> kernel = to_device(s, dense(s, wave_tangent_kernel(s, maps)));
  const Eigenpairs pairs = dense_eigenpairs(s, kernel.data(), nd);
  EXPECT_LE(values_above(pairs.values, 1e-12), mz * mx);
  EXPECT_GE(values_above(pairs.values, 1e-12), mz * mx / 2);  // nodes that no ray sees have no mode
  const double eta = 1 / pairs.values[0];
  const auto residual = [&] {
    tape.set(theta, values);
    tape.forward();
    Vector r = tape.get(d);
    for (std::size_t i = 0; i < r.size(); ++i) r[i] -= observed[i];
    return r;
  };
  const auto along = [&](const Vector& r, Index mode) {
    double sum = 0;
    for (Index i = 0; i < nd; ++i) sum += r[at(i)] * pairs.vectors[at(mode * nd + i)];
    return sum;
  };
  Vector r = residual();
  const Vector first = r;
  const int steps = 60;
  for (int k = 0; k < steps; ++k) {
    const Vector g = adjoint(s, maps.total, r);
    for (std::size_t i = 0; i < g.size(); ++i) values[i] -= eta * g[i];
    r = residual();
  }
  for (Index mode = 0; mode < nd; ++mode) {
    const double wanted = along(first, mode) * std::pow(1 - eta * std::max(pairs.values[at(mode)], 0.0), steps);
    EXPECT_NEAR(along(r, mode), wanted, 1e-10) << mode;
  }
}

// Limits of K / width of one hidden layer, all weights and biases N(0, 1): with (z, z') normal of covariance x x' + 1,
//   K / n -> E[f(z) f(z')] + (x x' + 1) E[f'(z) f'(z')]
// for relu by Cho, Saul, NIPS 2009; for sin(omega z) by the characteristic function.
double limit(Activation a, double omega, double q, double p, double c) {
  if (a == Activation::relu) {
    const double r = std::sqrt(q * p), theta = std::acos(std::min(1.0, c / r));
    return (r * (std::sin(theta) + (pi - theta) * std::cos(theta)) + c * (pi - theta)) / (2 * pi);
  }
  const double w = omega * omega, minus = std::exp(-0.5 * w * (q + p - 2 * c)),
               plus = std::exp(-0.5 * w * (q + p + 2 * c));
  return 0.5 * (minus - plus) + c * w * 0.5 * (minus + plus);
}

TEST(TangentKernel, WideNetworksApproachTheLimitAsOneOverRootWidth) {
  Stream s{Device{}};
  const Index n = 12;
  Vector x;
  for (Index i = 0; i < n; ++i) {
    x.push_back(-1 + 2.0 * static_cast<double>(i) / static_cast<double>(n - 1));
    x.push_back(std::cos(2.0 * static_cast<double>(i)));
  }
  const Buffer<double> points = to_device(s, x);
  for (const auto& [activation, omega] :
       {std::pair<Activation, double>{Activation::relu, 0}, {Activation::sine, 1.7}}) {
    Vector wanted;
    const auto inner = [&](Index i, Index j) {
      return x[at(2 * i)] * x[at(2 * j)] + x[at(2 * i + 1)] * x[at(2 * j + 1)] + 1;
    };
    for (Index i = 0; i < n; ++i) {
      for (Index j = 0; j < n; ++j) wanted.push_back(limit(activation, omega, inner(i, i), inner(j, j), inner(i, j)));
    }
    Vector errors, widths;
    for (const Index width : {64, 256, 1024, 4096}) {
      double squares = 0;
      const int seeds = 60;
      for (int seed = 0; seed < seeds; ++seed) {
        const MlpShape shape = mlp_shape(2, {width}, activation, omega);
        const Buffer<double> theta = to_device(
                                 s, random_normal<double>(shape.parameters(), 100 + static_cast<std::uint64_t>(seed))),
                             k(s, n * n);
        gram(s, network_factors(s, shape, theta.data(), n, points.data()), k.data());
        Vector got = to_host(s, k);
        for (double& v : got) v /= static_cast<double>(width);
        squares += std::pow(difference(got, wanted), 2) / seeds;
      }
      errors.push_back(std::log(std::sqrt(squares)));
      widths.push_back(std::log(static_cast<double>(width)));
    }
    const double slope = (errors.back() - errors.front()) / (widths.back() - widths.front());
    EXPECT_NEAR(slope, -0.5, 0.1) << "activation " << static_cast<int>(activation);
    EXPECT_LT(std::exp(errors.back()), 0.05);
  }
}

}  // namespace inversion_kernels_test
}  // namespace terrane
