// SPDX-License-Identifier: MIT
// Where the decay that the wave tangent kernel of the start predicts ends: waves, whose J moves with the model, and
// Adam, whose steps mix the eigenvectors.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "analysis/kernels.hpp"
#include "analysis/network_jacobian.hpp"
#include "autodiff/check.hpp"
#include "kernels/kernels.hpp"
#include "physics/straight_ray/straight_ray_op.hpp"
#include "physics/wave/wave_op.hpp"
#include "physics/wave/wavelet.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace modal_decay_wave_test {

using Vector = std::vector<double>;

double norm_of(const Vector& v) {
  double sum = 0;
  for (const double x : v) sum += x * x;
  return std::sqrt(sum);
}
double distance(const Vector& a, const Vector& b) {
  Vector d = a;
  for (std::size_t i = 0; i < d.size(); ++i) d[i] -= b[i];
  return norm_of(d);
}

// All singular triplets of a map, from its columns.
SingularTriplets all_triplets(Stream& s, const LinearMap<double>& j) {
  const Buffer<double> columns(s, j.rows * j.columns), unit(s, j.columns);
  for (Index c = 0; c < j.columns; ++c) {
    Vector e(at(j.columns), 0.0);
    e[at(c)] = 1;
    copy(s, std::span<const double>(e), unit.data());
    j.apply(s, unit.data(), columns.data() + c * j.rows);
  }
  const Index r = std::min(j.rows, j.columns);
  const Buffer<double> right(s, j.columns * r), sigma(s, r), left(s, r * j.rows);  // of the transpose
  svd(s, Svd<double>{j.columns, j.rows, columns.data(), right.data(), sigma.data(), left.data()});
  SingularTriplets t;
  t.values = to_host(s, sigma);
  t.left = to_host(s, left);
  return t;
}

// Two shots, five receivers over a gradient of velocity, and a fast body of `contrast_mps` in the middle of the truth.
struct WaveProblem {
  static constexpr Grid2 grid{13, 15, 10, 10, 0, 0};
  Tape<double> tape;
  Var m, d;
  Vector start, truth, observed;
  WaveProblem(Stream& s, double contrast_mps) : tape(s) {
    const Survey survey =
        Survey::fixed_spread({{30, 20}, {110, 20}}, {{10, 20}, {40, 20}, {70, 20}, {100, 20}, {130, 20}}, 100, 2e-3);
    WaveOptions o;
    o.order = 4;
    o.pml = {8, 8, 8, 8};
    o.vmax_mps = 2900;
    o.storage = Storage::all;
    const auto op =
        std::make_shared<WaveOp<double>>(std::make_shared<AcousticWave<double>>(s, grid, survey, o), nullptr);
    m = tape.input({grid.nz, grid.nx}, "m");
    const Var wavelet = tape.input({survey.nt}, "wavelet", false);
    d = tape.apply(op, {m, wavelet});
    tape.set(wavelet, ricker(20, survey.nt, survey.dt_s));
    for (Index i = 0; i < grid.cells(); ++i) {
      const double z = static_cast<double>(i / grid.nx) - 7, x = static_cast<double>(i % grid.nx) - 7;
      start.push_back(2000 + 10 * (z + 7));
      truth.push_back(start.back() + contrast_mps * std::exp(-(z * z + x * x) / 8));
    }
    observed = data_of(truth);
  }
  Vector data_of(const Vector& model) {
    tape.set(m, model);
    tape.forward();
    return tape.get(d);
  }
  Vector residual_of(const Vector& model) {
    Vector r = data_of(model);
    for (std::size_t i = 0; i < r.size(); ++i) r[i] -= observed[i];
    return r;
  }
};

struct Deviation {
  double whole = 0;      // |r - predicted| / |r(0)|
  double drift = 0;      // |T(n) - T(0)| / |T(0)| on some vectors of the start
  double reduction = 0;  // |r| / |r(0)|
};

// Over every sixteenth vector u of the start: the root of sum |(T' - T) u|^2 / sum |T u|^2.
double drift_of(Stream& s, const LinearMap<double>& j, const SingularTriplets& start, Index nd) {
  double change = 0, size = 0;
  for (std::size_t k = 0; k < start.values.size(); k += 16) {
    const auto from = start.left.begin() + static_cast<std::ptrdiff_t>(k) * nd;
    const Vector u(from, from + nd);
    const double lambda = start.values[k] * start.values[k];
    Vector wanted = u;
    for (double& v : wanted) v *= lambda;
    change += std::pow(distance(kernel_product(s, j, u), wanted), 2);
    size += lambda * lambda;
  }
  return std::sqrt(change / size);
}

Deviation descend_waves(Stream& s, double contrast_mps, int steps) {
  WaveProblem p(s, contrast_mps);
  Vector model = p.start, r = p.residual_of(model);
  const LinearMap<double> j = p.tape.map(p.m, p.d);
  const SingularTriplets start = all_triplets(s, j);
  const Vector first = r;
  const double eta = 1 / (start.values[0] * start.values[0]);
  for (int k = 0; k < steps; ++k) {
    const Vector g = adjoint(s, j, r);
    for (std::size_t i = 0; i < g.size(); ++i) model[i] -= eta * g[i];
    r = p.residual_of(model);
  }
  const Vector predicted =
      predicted_residual(start, first, [&](double lambda) { return std::pow(1 - eta * lambda, steps); });
  return {distance(r, predicted) / norm_of(first), drift_of(s, j, start, j.rows), norm_of(r) / norm_of(first)};
}

// The kernel at the start is followed to first order: half the contrast, half the drift and half the deviation.
TEST(ModalDecay, WavesDeviateInProportionToWhatIsMissing) {
  Stream s{Device{}};
  Deviation before;
  for (const double contrast : {200.0, 100.0, 50.0}) {
    const Deviation d = descend_waves(s, contrast, 40);
    if (std::getenv("TERRANE_PRINT_ERRORS") != nullptr) {
      std::printf("contrast %.0f m/s: |r| %.3f, deviation %.4f, drift %.4f\n", contrast, d.reduction, d.whole, d.drift);
    }
    EXPECT_LT(d.reduction, 0.8);
    if (before.whole > 0) {
      EXPECT_NEAR(before.whole / d.whole, 2, 0.5);
      EXPECT_NEAR(before.drift / d.drift, 2, 0.5);
    }
    before = d;
  }
  EXPECT_LT(before.whole, 0.05);
}

// Straight rays on a grid: J and K stand, so that what deviates is the optimizer.
struct RayProblem {
  static constexpr Grid2 grid{9, 7, 10, 10, 5, 5};
  Tape<double> tape;
  Var m, d;
  Vector residual;
  explicit RayProblem(Stream& s) : tape(s) {
    std::vector<Point3> left, right;
    for (int k = 0; k < 6; ++k) {
      left.push_back({0, 3 + 16.0 * k});
      right.push_back({70, 7 + 15.5 * k});
    }
    StraightRayOptions o;
    o.property = TravelProperty::slowness;
    m = tape.input({grid.nz, grid.nx}, "m");
    d = tape.apply(std::make_shared<StraightRayOp<double>>(
                       std::make_shared<StraightRays<double>>(s, Grid3::of(grid), TravelSurvey::full(left, right), o)),
                   {m});
    Vector body(at(grid.cells()), 0.0);
    for (Index iz = 3; iz < 6; ++iz) body[at(iz * grid.nx + 3)] = -1e-4;
    tape.set(m, body);
    tape.forward();
    residual = tape.get(d);  // linear in m
  }
};

struct AdamRun {
  Vector residual, first;
  SingularTriplets start;
  double descent_rate = 0;  // of the same first step without the division by the gradient
};

// `steps` of Adam with eps = `relative` x the largest gradient; the rate makes the first step of the strongest
// component one over the largest eigenvalue.
AdamRun adam(Stream& s, double relative, int steps) {
  RayProblem p(s);
  const LinearMap<double> j = p.tape.map(p.m, p.d);
  AdamRun run{p.residual, p.residual, all_triplets(s, j), 0};
  double largest = 0;
  for (const double v : adjoint(s, j, run.first)) largest = std::max(largest, std::abs(v));
  run.descent_rate = 1 / (run.start.values[0] * run.start.values[0]);
  const double eps = relative * largest, rate = (largest + eps) * run.descent_rate;
  Vector change(at(j.columns), 0.0), mean(change), square(change);
  for (int k = 1; k <= steps; ++k) {
    const Vector g = adjoint(s, j, run.residual);
    for (std::size_t i = 0; i < g.size(); ++i) {
      mean[i] = 0.9 * mean[i] + 0.1 * g[i];
      square[i] = 0.999 * square[i] + 0.001 * g[i] * g[i];
      const double root = std::sqrt(square[i] / (1 - std::pow(0.999, k)));
      change[i] -= rate * mean[i] / (1 - std::pow(0.9, k)) / (root + eps);
    }
    run.residual = apply(s, j, change);
    for (std::size_t i = 0; i < run.residual.size(); ++i) run.residual[i] += run.first[i];
  }
  return run;
}

// What momentum makes of one eigenvector, a recursion of two numbers.
double momentum_factor(double lambda, double rate, int steps) {
  double x = 1, mean = 0;
  for (int k = 1; k <= steps; ++k) {
    mean = 0.9 * mean + 0.1 * lambda * x;
    x -= rate * mean / (1 - std::pow(0.9, k));
  }
  return x;
}

// With an eps far above the gradient Adam is descent with momentum, which the eigenvectors follow one by one; with a
// small one each parameter has a rate of its own, and they do not.
TEST(ModalDecay, AdamFollowsOnlyWhereEpsRules) {
  Stream s{Device{}};
  double before = 0;
  for (const double relative : {1e8, 1.0, 1e-2, 1e-8}) {
    const AdamRun run = adam(s, relative, 60);
    // The nearest point of the path of descent with momentum.
    double nearest = 1e300;
    for (int n = 1; n <= 200; ++n) {
      const Vector path = predicted_residual(
          run.start, run.first, [&](double lambda) { return momentum_factor(lambda, run.descent_rate, n); });
      const double apart = distance(run.residual, path) / norm_of(run.residual);
      if (relative == 1e8 && n == 60) {
        EXPECT_LE(apart, 1e-6);
      }
      nearest = std::min(nearest, apart);
    }
    if (std::getenv("TERRANE_PRINT_ERRORS") != nullptr) {
      std::printf("eps %.0e: |r| %.3f, from the path of descent %.2e of what is left\n", relative,
                  norm_of(run.residual) / norm_of(run.first), nearest);
    }
    EXPECT_GE(nearest, before);
    before = nearest;
  }
  EXPECT_GT(before, 0.5);
}

}  // namespace modal_decay_wave_test
}  // namespace terrane
