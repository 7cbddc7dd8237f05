// SPDX-License-Identifier: MIT
// Gauss-Newton against dense normal equations, known minimisers and an independent run with sparse norms.
#include "engine/gauss_newton.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernels/runtime/buffer.hpp"
#include "kernels/runtime/error.hpp"
#include "tests/engine/least_squares_support.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace gauss_newton_test {

using namespace test;

// Its Hessian, written down from the definition.
Matrix dense_hessian(const ModelNormOptions& o) {
  const auto n = static_cast<std::size_t>(o.nz * o.nx), nx = static_cast<std::size_t>(o.nx);
  Matrix h(n, n);
  const auto face = [&](std::size_t i, std::size_t j, double alpha, double spacing) {
    const double c = alpha * 0.5 * (o.cell_weights[i] + o.cell_weights[j]) / (spacing * spacing);
    h.at(i, i) += c;
    h.at(j, j) += c;
    h.at(i, j) -= c;
    h.at(j, i) -= c;
  };
  for (std::size_t i = 0; i < n; ++i) {
    h.at(i, i) += o.small.alpha * o.cell_weights[i];
    if (i + nx < n) face(i, i + nx, o.z.alpha, o.dz);
    if (i % nx + 1 < nx) face(i, i + 1, o.x.alpha, o.dx);
  }
  return h;
}

// theta of min |W (A B theta - d)|^2 / 2 + beta phi_m(B theta); the reference counts in `small` only.
Vector normal_equations(const Matrix& a, const Matrix& b, const Vector& observed, const Vector& std, double beta,
                        const ModelNormOptions& o) {
  const Matrix h = dense_hessian(o);
  const std::size_t n = b.columns;
  Matrix system(n, n);
  Vector rhs(n, 0.0);
  Matrix ab(a.rows, n), hb(h.rows, n);
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t k = 0; k < b.rows; ++k) {
      for (std::size_t i = 0; i < a.rows; ++i) ab.at(i, j) += a.at(i, k) * b.at(k, j);
      for (std::size_t i = 0; i < h.rows; ++i) hb.at(i, j) += h.at(i, k) * b.at(k, j);
    }
  }
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t i = 0; i < a.rows; ++i) {
      const double w2 = 1 / (std[i] * std[i]);
      for (std::size_t k = 0; k < n; ++k) system.at(j, k) += ab.at(i, j) * w2 * ab.at(i, k);
      rhs[j] += ab.at(i, j) * w2 * observed[i];
    }
    for (std::size_t i = 0; i < h.rows; ++i) {
      for (std::size_t k = 0; k < n; ++k) system.at(j, k) += beta * b.at(i, j) * hb.at(i, k);
      rhs[j] += beta * b.at(i, j) * o.small.alpha * o.cell_weights[i] * o.reference[i];
    }
  }
  return solve(system, rhs);
}
Matrix identity(std::size_t n) {
  Matrix m(n, n);
  for (std::size_t i = 0; i < n; ++i) m.at(i, i) = 1;
  return m;
}

// The first damped step without norms against the data-space form J^T W (W J J^T W + mu)^-1 W d; then mu falls and the
// steps reach the least-squares fit.
TEST(GaussNewton, DampedStepsAreThoseOfTheDataSpace) {
  const Matrix a = random_matrix(9, 20, 1), b = random_matrix(20, 14, 2);
  const Vector observed = random_vector(9, 3), std = filled(9, 0.5);
  Matrix j(9, 14), gram(9, 9);
  for (std::size_t i = 0; i < 9; ++i) {
    for (std::size_t k = 0; k < 14; ++k) {
      for (std::size_t l = 0; l < 20; ++l) j.at(i, k) += a.at(i, l) * b.at(l, k) / 0.5;
    }
  }
  for_each_device([&](Stream& s) {
    TapeProblem<double> field(s, a, &b, false);
    ModelNormOptions no_norms;
    no_norms.nz = 4, no_norms.nx = 5;
    for (const Index rank : {0, 5, 14}) {  // 14: of all parameters, the nine data make its products
      GaussNewtonOptions o;
      o.damping = 0.05;
      o.nystrom_rank = rank;
      o.cg_tolerance = 1e-13;
      o.power_iterations = 60;
      o.iterations = 8;
      GaussNewton<double> gn(field.problem(observed, std), ModelNorms(no_norms), o, filled(14, 0));
      const GnReport first = gn.step();
      for (std::size_t i = 0; i < 9; ++i) {
        for (std::size_t l = 0; l < 9; ++l) {
          gram.at(i, l) = i == l ? first.mu : 0;
          for (std::size_t k = 0; k < 14; ++k) gram.at(i, l) += j.at(i, k) * j.at(l, k);
        }
      }
      Vector rhs = observed, want(14, 0.0);
      for (double& v : rhs) v /= 0.5;
      const Vector y = solve(gram, rhs);
      for (std::size_t k = 0; k < 14; ++k) {
        for (std::size_t i = 0; i < 9; ++i) want[k] += j.at(i, k) * y[i];
      }
      EXPECT_GT(first.mu, 0);
      EXPECT_LE(distance(gn.theta(), want), 1e-8 * norm(want));
      const GnReport last = gn.run();
      EXPECT_LT(last.mu, 1e-2 * first.mu);
      EXPECT_LE(last.phi_d, 1e-6 * first.phi_d);
      if (rank == 14) {
        EXPECT_LE(first.cg_iterations, 2);
      }
    }
  });
}

TEST(GaussNewton, QuadraticProblemEqualsTheDenseNormalEquations) {
  const Matrix a = random_matrix(15, 20, 1), b = random_matrix(20, 12, 2);
  const Vector observed = random_vector(15, 3);
  Vector std;
  for (const double v : random_vector(15, 4)) std.push_back(0.2 + v * v);
  const Vector want_cells = normal_equations(a, identity(20), observed, std, 0.3, all_terms()),
               want_field = normal_equations(a, b, observed, std, 0.3, all_terms());
  for_each_device([&](Stream& s) {
    for (const Preconditioner kind :
         {Preconditioner::none, Preconditioner::norms, Preconditioner::probes, Preconditioner::exact}) {
      GaussNewtonOptions o;
      o.beta = 0.3;
      o.cg_tolerance = 1e-12;
      o.preconditioner = kind;
      o.iterations = 2;
      o.linear = true;
      TapeProblem<double> cells(s, a, nullptr, false);
      GaussNewton<double> gn(cells.problem(observed, std), ModelNorms(all_terms()), o, filled(20, 1));
      const GnReport first = gn.step();
      EXPECT_LE(distance(gn.theta(), want_cells), 1e-8 * norm(want_cells));
      EXPECT_EQ(first.evaluations, 1);
      EXPECT_EQ(first.step_length, 1);
      EXPECT_LE(gn.step().gradient_norm, 1e-8 * first.gradient_norm);
      TapeProblem<double> field(s, a, &b, false);
      GaussNewton<double> gf(field.problem(observed, std), ModelNorms(all_terms()), o, filled(12, 0));
      gf.run();
      EXPECT_LE(distance(gf.theta(), want_field), 1e-8 * norm(want_field));
      EXPECT_LE(distance(gf.model(), b.times(want_field)), 1e-8 * norm(want_field) * norm(b.values));
    }
    GaussNewtonOptions o;  // single precision of J
    o.beta = 0.3;
    o.iterations = 4;
    TapeProblem<float> cells(s, a, nullptr, false);
    GaussNewton<float> gn(cells.problem(observed, std), ModelNorms(all_terms()), o, filled(20, 1));
    gn.run();
    EXPECT_LE(distance(gn.theta(), want_cells), 1e-4 * norm(want_cells));
  });
}

TEST(GaussNewton, DataWithInfiniteUncertaintyAreLeftOut) {
  Stream s{Device{}};
  Matrix a = random_matrix(15, 20, 1);
  Vector observed = random_vector(15, 3), std = filled(15, 1);
  const Vector want = [&] {
    Matrix fewer(14, 20);
    std::copy(a.values.begin() + 20, a.values.end(), fewer.values.begin());
    return normal_equations(fewer, identity(20), Vector(observed.begin() + 1, observed.end()), filled(14, 1), 0.3,
                            all_terms());
  }();
  observed[0] = std::numeric_limits<double>::quiet_NaN();
  std[0] = std::numeric_limits<double>::infinity();
  GaussNewtonOptions o;
  o.beta = 0.3;
  o.cg_tolerance = 1e-12;
  TapeProblem<double> cells(s, a, nullptr, false);
  GaussNewton<double> gn(cells.problem(observed, std), ModelNorms(all_terms()), o, filled(20, 1));
  const GnReport report = gn.step();
  EXPECT_LE(distance(gn.theta(), want), 1e-8 * norm(want));
  EXPECT_DOUBLE_EQ(report.chi2, report.phi_d / 14);
}

TEST(GaussNewton, BoundsEndInAKarushKuhnTuckerPoint) {
  const Matrix a = random_matrix(30, 20, 5);
  const Vector observed = random_vector(30, 6);
  for_each_device([&](Stream& s) {
    TapeProblem<double> cells(s, a, nullptr, false);
    GaussNewtonOptions o;
    o.beta = 0.3;
    o.cg_tolerance = 1e-12;
    o.iterations = 40;
    o.lower = -0.1;
    o.upper = 0.15;
    o.step_tolerance = 1e-12;
    GaussNewton<double> gn(cells.problem(observed, filled(30, 0.5)), ModelNorms(all_terms()), o, filled(20, 1));
    double phi = std::numeric_limits<double>::infinity();
    const GnReport last = gn.run([&](const GnReport& r) {
      EXPECT_LE(r.phi, phi * (1 + 1e-14));
      phi = r.phi;
    });
    EXPECT_EQ(last.stop, GnStop::converged);
    // Gradient of phi from the definition.
    const Vector theta = gn.theta(), d = a.times(theta);
    Vector g;
    gn.norms().gradient(theta, g);
    for (std::size_t j = 0; j < 20; ++j) {
      g[j] *= 0.3;
      for (std::size_t i = 0; i < 30; ++i) g[j] += a.at(i, j) * (d[i] - observed[i]) / 0.25;
    }
    Index bound = 0;
    for (std::size_t j = 0; j < 20; ++j) {
      ASSERT_GE(theta[j], -0.1);
      ASSERT_LE(theta[j], 0.15);
      const bool low = theta[j] == -0.1, high = theta[j] == 0.15;
      bound += low || high ? 1 : 0;
      EXPECT_LE(low ? -g[j] : high ? g[j] : std::abs(g[j]), 1e-7) << j;
    }
    EXPECT_EQ(bound, last.frozen);
    EXPECT_GE(bound, 3);
    EXPECT_LE(bound, 17);
    o.step_tolerance = 1e-6;
    TapeProblem<float> single(s, a, nullptr, false);
    GaussNewton<float> gf(single.problem(observed, filled(30, 0.5)), ModelNorms(all_terms()), o, filled(20, 1));
    EXPECT_EQ(gf.run().frozen, bound);
    EXPECT_LE(distance(gf.theta(), theta), 1e-5 * norm(theta));
  });
}

// 1-D total variation: y_k = sum_{i <= k} (u_i - f_i) is the dual; y_k = lambda D u / sqrt((D u)^2 + eps^2) at the
// minimiser with eps. For |y| <= lambda the gap of primal and dual bounds the distance to the minimiser without eps:
// |u - u*|^2 / 2 <= gap = |u - f|^2 / 2 + lambda sum |D u| - |f|^2 / 2 + |f - D^T y|^2 / 2.
TEST(GaussNewton, TotalVariationInOneDimensionMeetsItsDual) {
  Stream s{Device{}};
  const std::size_t n = 120;
  Vector f = random_vector(n, 7);
  for (std::size_t i = 0; i < n; ++i) f[i] = 0.3 * f[i] + (i >= 30 && i < 70 ? 2 : 0) - (i >= 90 ? 1 : 0);
  const double lambda = 1.5;
  ModelNormOptions norms;
  norms.nz = 1;
  norms.nx = static_cast<Index>(n);
  norms.x = {1, 1, 1e-5};
  GaussNewtonOptions o;
  o.beta = lambda;
  o.iterations = 2000;  // reweighting converges slowly where two plateaus almost merge
  o.cg_tolerance = 1e-8;
  o.preconditioner = Preconditioner::exact;
  o.linear = true;
  Tape<double> tape(s);
  const Var theta = tape.input({static_cast<Index>(n)}, "u"),
            data = tape.apply(std::make_shared<UnaryOp<double>>(UnaryKind::scale_shift), {theta});
  GaussNewton<double> gn(least_squares(tape, theta, data, theta, f, filled(n, 1)), ModelNorms(norms), o, filled(n, 0));
  double last = std::numeric_limits<double>::infinity();
  gn.run([&](const GnReport& r) {
    if (r.iteration == 1) return;  // the first pass has other weights
    const double phi = 0.5 * r.phi_d + lambda * gn.norms().measure(gn.theta());
    EXPECT_LE(phi, last * (1 + 1e-12)) << r.iteration;
    last = phi;
  });
  const Vector& u = gn.theta();
  Vector dual = f;  // f - D^T y
  double y = 0, gap = 0, worst = 0;
  int jumps = 0;
  for (std::size_t k = 0; k < n; ++k) {
    y += u[k] - f[k];
    gap += 0.5 * (u[k] - f[k]) * (u[k] - f[k]) - 0.5 * f[k] * f[k];
    if (k + 1 == n) break;
    const double jump = u[k + 1] - u[k], inside = std::clamp(y, -lambda, lambda);
    worst = std::max(worst, std::abs(y - lambda * jump / std::sqrt(jump * jump + 1e-10)));
    gap += lambda * std::abs(jump);
    dual[k] += inside;
    dual[k + 1] -= inside;
    jumps += std::abs(jump) > 0.01 ? 1 : 0;
  }
  for (const double d : dual) gap += 0.5 * d * d;
  EXPECT_NEAR(y, 0, 1e-6);
  EXPECT_LE(worst, 1e-3);
  EXPECT_GE(gap, 0);
  EXPECT_LE(gap, 5e-4);
  EXPECT_GE(jumps, 3);
  EXPECT_LE(jumps, 20);
}

// With fixed eps the limit is stationary for the true measure, of every norm and both couplings.
TEST(GaussNewton, SparseNormsReachAStationaryPointOfTheirMeasure) {
  Stream s{Device{}};
  const Matrix a = random_matrix(30, 20, 5);
  const Vector observed = random_vector(30, 6);
  for (const NormCoupling coupling : {NormCoupling::separate, NormCoupling::isotropic}) {
    for (const double p : {0.0, 0.6, 1.0, 1.5, 2.0}) {
      ModelNormOptions norms = all_terms();
      norms.coupling = coupling;
      norms.small.p = norms.z.p = norms.x.p = p;
      norms.small.eps = norms.z.eps = norms.x.eps = 0.1;
      GaussNewtonOptions o;
      o.beta = 0.3;
      o.cg_tolerance = 1e-11;
      o.iterations = 1000;
      o.step_tolerance = 1e-10;
      o.weights_from_start = true;
      TapeProblem<double> cells(s, a, nullptr, false);
      GaussNewton<double> gn(cells.problem(observed, filled(30, 0.5)), ModelNorms(norms), o, filled(20, 0.5));
      EXPECT_EQ(gn.run().stop, GnStop::converged) << p;
      const auto phi = [&](const Vector& theta) {
        const Vector d = a.times(theta);
        return 0.5 * std::pow(distance(d, observed) / 0.5, 2) + 0.3 * gn.norms().measure(theta);
      };
      for (std::size_t j = 0; j < 20; ++j) {
        Vector up = gn.theta(), down = gn.theta();
        up[j] += 1e-6;
        down[j] -= 1e-6;
        EXPECT_NEAR((phi(up) - phi(down)) / 2e-6, 0, 2e-6) << p << ' ' << j;
      }
    }
  }
}

// Norms 0, 1, 1 with cooled eps: an independent run with dense solves gave these values. phi_m is without beta.
TEST(GaussNewton, CooledSparseNormsFollowAnIndependentRun) {
  const std::size_t nz = 6, nx = 7, cells = nz * nx, n = 30;
  Matrix a(n, cells);
  Vector truth(cells, 0.1), std(n), reference(cells), weights(cells);
  for (std::size_t j = 0; j < cells; ++j) {
    const auto x = static_cast<double>(j);
    if (j / nx >= 2 && j / nx < 4 && j % nx >= 2 && j % nx < 5) truth[j] = 1;
    reference[j] = 0.1 + 0.02 * std::cos(0.5 * x);
    weights[j] = 1 + 0.5 * std::sin(0.3 * x);
    for (std::size_t i = 0; i < n; ++i) {
      a.at(i, j) = std::cos(0.37 * static_cast<double>((i + 1) * (j % 7 + 1)) +
                            0.61 * static_cast<double>((j / 7) * (i % 5 + 1))) +
                   0.3 * std::sin(1.7 * static_cast<double>(i) + 0.9 * x);
    }
  }
  Vector observed = a.times(truth);
  for (std::size_t i = 0; i < n; ++i) {
    std[i] = 0.05 + 0.01 * static_cast<double>(i % 4);
    observed[i] += std[i] * std::sqrt(2.0) * std::sin(12.9898 * static_cast<double>(i * i) + 0.5);
  }
  ModelNormOptions norms;
  norms.nz = static_cast<Index>(nz);
  norms.nx = static_cast<Index>(nx);
  norms.dz = 5;
  norms.dx = 4;
  norms.small = {0.05, 0};
  norms.z = {2, 1};
  norms.x = {1, 1};
  norms.coupling = NormCoupling::total;
  norms.scaled = true;
  norms.reference = reference;
  norms.reference_in_smoothness = true;
  norms.cell_weights = weights;
  GaussNewtonOptions o;
  o.beta = 2e4;
  o.beta_cooling = 2;
  o.target_chi2 = 1;
  o.hold = true;
  o.eps_mode = EpsMode::cooled;
  o.phi_m_tolerance = 0.001;
  o.cg_tolerance = 1e-13;
  o.preconditioner = Preconditioner::exact;
  for_each_device([&](Stream& s) {
    TapeProblem<double> p(s, a, nullptr, false);
    GaussNewton<double> gn(p.problem(observed, std), ModelNorms(norms), o, reference);
    std::vector<GnReport> all;
    EXPECT_EQ(gn.run([&](const GnReport& r) { all.push_back(r); }).stop, GnStop::target);
    ASSERT_EQ(all.size(), 17u);
    const auto expect = [&](std::size_t k, double chi2, double phi_m, double beta) {
      EXPECT_NEAR(all[k - 1].chi2, chi2, 1e-6 * chi2) << k;
      EXPECT_NEAR(all[k - 1].phi_m, phi_m, 1e-6 * phi_m) << k;
      EXPECT_NEAR(all[k - 1].beta, beta, 1e-6 * beta) << k;
      EXPECT_EQ(all[k - 1].held, k > 5);
    };
    expect(1, 51.726070431, 0.122494674, 20000);
    expect(5, 0.880778948, 0.210552916, 1250);
    expect(6, 0.457789562, 0.263424591, 625);
    expect(7, 1.195326445, 0.266165205, 1307.62806);
    expect(9, 1.704135993, 0.273425157, 1615.87343);
    expect(17, 1.049368939, 0.296490051, 1080.05596);
    const Vector want = {0.109835954, 0.108729819, 0.809708492, 0.791666136, 0.929461239, 0.888942531, 0.084465667};
    const std::size_t at[] = {0, 9, 16, 17, 18, 24, 41};
    for (std::size_t k = 0; k < 7; ++k) EXPECT_NEAR(gn.theta()[at[k]], want[k], 2e-7) << at[k];
    EXPECT_NEAR(norm(gn.theta()), 2.282326564, 1e-6);
  });
}

// exp(A theta), A > 0, from far below: where the data are small the linear model asks for far too much.
TEST(GaussNewton, NonlinearProblemNeedsAndUsesTheLineSearch) {
  Matrix a = random_matrix(25, 6, 8);
  for (double& v : a.values) v = std::abs(v);
  const Vector truth = {0.5, -0.4, 0.3, 0.2, -0.6, 0.1};
  Vector observed = a.times(truth);
  for (double& d : observed) d = std::exp(d);
  ModelNormOptions norms;
  norms.nz = 1;
  norms.nx = 6;
  norms.small = {1};
  GaussNewtonOptions o;
  o.beta = 0;
  o.cg_tolerance = 1e-10;
  o.iterations = 60;
  o.step_tolerance = 1e-12;
  for_each_device([&](Stream& s) {
    TapeProblem<double> p(s, a, nullptr, true);
    GaussNewton<double> gn(p.problem(observed, filled(25, 0.1)), ModelNorms(norms), o, filled(6, -1.2));
    double phi = std::numeric_limits<double>::infinity();
    int shortened = 0;
    const GnReport last = gn.run([&](const GnReport& r) {
      EXPECT_LE(r.phi, phi * (1 + 1e-14) + 1e-20);
      phi = r.phi;
      shortened += r.step_length < 1 ? 1 : 0;
    });
    EXPECT_EQ(last.stop, GnStop::converged);
    EXPECT_GE(shortened, 1);
    EXPECT_LE(distance(gn.theta(), truth), 1e-9);
  });
}

template <class T>
void check_resume(int threads, Index rank) {
  const Matrix a = random_matrix(25, 12, 9), b = random_matrix(20, 12, 2);
  Matrix physics = random_matrix(25, 20, 10);
  for (double& v : physics.values) v *= 0.1;
  const Vector observed = [&] {
    Vector d = physics.times(b.times(filled(12, 0.2)));
    for (std::size_t i = 0; i < d.size(); ++i) d[i] = std::exp(d[i]) + 0.1 * std::sin(3.0 * static_cast<double>(i));
    return d;
  }();
  ModelNormOptions norms = all_terms();
  norms.small.p = 0;
  norms.z.p = norms.x.p = 1;
  norms.scaled = true;
  norms.coupling = NormCoupling::total;
  GaussNewtonOptions o;
  o.beta_ratio = 10;
  o.beta_cooling = 2;
  o.target_chi2 = 1;
  o.hold = true;
  o.eps_mode = EpsMode::cooled;
  o.iterations = 100;
  o.cg_iterations = 7;
  o.nystrom_rank = rank;
  o.damping = rank > 0 ? 1e-3 : 0;
  o.seed = 5;
  Stream s1{Device{}, {.threads = 1}}, s2{Device{}, {.threads = threads}};
  TapeProblem<T> p1(s1, physics, &b, true), p2(s2, physics, &b, true);
  const Vector std = filled(25, 0.1), start = filled(12, 0.05);
  GaussNewton<T> through(p1.problem(observed, std), ModelNorms(norms), o, start);
  std::vector<GnReport> all;
  for (int k = 0; k < 14; ++k) all.push_back(through.step());
  EXPECT_TRUE(all.back().held);  // the sparse norms have begun
  for (const int stop : {0, 1, 5, 12}) {
    GaussNewton<T> first(p2.problem(observed, std), ModelNorms(norms), o, start);
    for (int k = 0; k < stop; ++k) first.step();
    GaussNewton<T> second(p2.problem(observed, std), ModelNorms(norms), o, filled(12, 3));
    second.restore(first.state());
    for (int k = stop; k < 14; ++k) {
      const GnReport r = second.step();
      const GnReport& want = all[static_cast<std::size_t>(k)];
      EXPECT_EQ(r.iteration, want.iteration);
      EXPECT_EQ(r.phi, want.phi);
      EXPECT_EQ(r.beta, want.beta);
      EXPECT_EQ(r.cg_iterations, want.cg_iterations);
    }
    EXPECT_EQ(second.theta(), through.theta());
    EXPECT_EQ(second.state(), through.state());
  }
}

TEST(GaussNewton, RestoredRunsContinueBitForBitWithAnyNumberOfThreads) {
  for (const Index rank : {0, 5}) {
    check_resume<double>(2, rank);
    check_resume<float>(2, rank);
  }
}

TEST(GaussNewton, CoolingStopsAtTheTargetAndHoldingStaysThere) {
  Stream s{Device{}};
  const Matrix a = random_matrix(40, 20, 14);
  Vector observed = a.times(random_vector(20, 15));
  const Vector noise = random_vector(40, 16);
  for (std::size_t i = 0; i < 40; ++i) observed[i] += 0.3 * noise[i];
  GaussNewtonOptions o;
  o.beta_ratio = 100;
  o.power_iterations = 300;
  o.beta_cooling = 2;
  o.target_chi2 = 1;
  o.iterations = 60;
  o.cg_tolerance = 1e-8;
  TapeProblem<double> p(s, a, nullptr, false);
  GaussNewton<double> gn(p.problem(observed, filled(40, 0.3)), ModelNorms(all_terms()), o, filled(20, 0));
  std::vector<GnReport> all;
  EXPECT_EQ(gn.run([&](const GnReport& r) { all.push_back(r); }).stop, GnStop::target);
  ASSERT_GE(all.size(), 3u);
  EXPECT_LE(all.back().chi2, 1);
  EXPECT_GE(all[all.size() - 2].chi2, 1);
  for (std::size_t k = 1; k < all.size(); ++k) EXPECT_DOUBLE_EQ(all[k].beta, all[k - 1].beta / 2);

  // The ratio of the eigenvalues, by 2000 steps of the same method on dense matrices from another start.
  const auto largest = [](const Matrix& m) {
    Vector x = random_vector(m.columns, 17), y;
    for (int k = 0; k < 2000; ++k) {
      y = m.times(x);
      const double length = norm(y);
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = y[i] / length;
    }
    return norm(m.times(x));
  };
  Matrix normal(20, 20);
  for (std::size_t i = 0; i < 40; ++i) {
    for (std::size_t j = 0; j < 400; ++j) normal.values[j] += a.at(i, j / 20) * a.at(i, j % 20) / 0.09;
  }
  const double beta = 100 * largest(normal) / largest(dense_hessian(all_terms()));
  EXPECT_NEAR(all[0].beta, beta, 1e-3 * beta);

  o.hold = true;
  o.target_tolerance = 0.02;
  GaussNewton<double> held(p.problem(observed, filled(40, 0.3)), ModelNorms(all_terms()), o, filled(20, 0));
  const GnReport last = held.run();
  EXPECT_EQ(last.stop, GnStop::target);
  EXPECT_NEAR(last.chi2, 1, 0.02);
}

TEST(GaussNewton, DiagonalOfTheNormalMatrixFollowsItsDefinition) {
  const Matrix a = random_matrix(30, 20, 5);
  const Vector weights = random_vector(30, 18);
  Vector want(20, 0.0);
  for (std::size_t i = 0; i < 30; ++i) {
    for (std::size_t j = 0; j < 20; ++j) want[j] += std::pow(weights[i] * a.at(i, j), 2);
  }
  for_each_device([&](Stream& s) {
    TapeProblem<double> p(s, a, nullptr, false);
    const LeastSquares<double> problem = p.problem(filled(30, 0), filled(30, 1));
    Vector data, model;
    problem.forward(filled(20, 0), data, model);
    const Vector exact = normal_diagonal(s, problem.data_map, weights, 0, 1),
                 probed = normal_diagonal(s, problem.data_map, weights, 2000, 1);
    for (std::size_t j = 0; j < 20; ++j) {
      EXPECT_NEAR(exact[j], want[j], 1e-12 * want[j]);
      EXPECT_NEAR(probed[j], want[j], 5 * std::sqrt(2.0 / 2000) * want[j]);
    }
  });
}

TEST(GaussNewton, BadInputIsNamed) {
  Stream s{Device{}};
  const Matrix a = random_matrix(15, 20, 1), b = random_matrix(20, 12, 2);
  const auto fails = [&](const std::function<void(GaussNewtonOptions&, ModelNormOptions&, Vector&, Vector&)>& change,
                         ErrorCode code, const char* part, bool field = false) {
    GaussNewtonOptions o;
    ModelNormOptions norms = all_terms();
    Vector observed = filled(15, 1), std = filled(15, 1);
    change(o, norms, observed, std);
    try {
      TapeProblem<double> p(s, a, field ? &b : nullptr, false);
      GaussNewton<double> gn(p.problem(observed, std), ModelNorms(norms), o, filled(field ? 12 : 20, 0));
      gn.step();
      ADD_FAILURE() << "no error: " << part;
    } catch (const Error& e) {
      EXPECT_EQ(static_cast<int>(e.code()), static_cast<int>(code)) << e.message();
      EXPECT_NE(e.message().find(part), std::string::npos) << e.message();
    }
  };
  fails([](auto& o, auto&, auto&, auto&) { o.lower = 0; }, ErrorCode::config, "bounds need cells", true);
  fails([](auto& o, auto&, auto&, auto&) { o.eps_mode = EpsMode::cooled; }, ErrorCode::config, "target_chi2");
  fails([](auto& o, auto&, auto&, auto&) { o.lower = o.upper = 1; }, ErrorCode::config, "below the upper bound");
  fails([](auto& o, auto&, auto&, auto&) { o.nystrom_rank = 4; }, ErrorCode::config, "needs damping");
  fails([](auto& o, auto&, auto&, auto&) { o.nystrom_rank = 21; }, ErrorCode::config, "number of parameters");
  fails([](auto&, auto& n, auto&, auto&) { n.x.p = 2.5; }, ErrorCode::config, "[0, 2]");
  fails([](auto&, auto& n, auto&, auto&) { n.x.p = 1; }, ErrorCode::config, "eps > 0");
  fails([](auto&, auto& n, auto&, auto&) { n.cell_weights[3] = 0; }, ErrorCode::config, "positive");
  fails([](auto&, auto& n, auto&, auto&) { n.nz = 6; }, ErrorCode::config, "one value for each cell");
  fails([](auto&, auto&, auto&, auto& std) { std[2] = 0; }, ErrorCode::data, "uncertainties must be positive");
  fails([](auto&, auto&, auto& d, auto&) { d[2] = std::nan(""); }, ErrorCode::data, "infinite uncertainty");
  fails([](auto&, auto&, auto& d, auto&) { d.pop_back(); }, ErrorCode::data, "one value for each datum");
  TapeProblem<double> p(s, a, nullptr, false);
  GaussNewton<double> gn(p.problem(filled(15, 1), filled(15, 1)), ModelNorms(all_terms()), {}, filled(20, 0));
  auto state = gn.state();
  state["norms.weights1"].pop_back();
  EXPECT_THROW(gn.restore(state), Error);
  state = gn.state();
  state.erase("theta");
  EXPECT_THROW(gn.restore(state), Error);
}

}  // namespace gauss_newton_test
}  // namespace terrane
