// SPDX-License-Identifier: MIT
// How far the wave tangent kernel of the start predicts an inversion of waves: the residual along the leading
// eigenvectors u_k of T = J K J^T after n steps of gradient descent, (1 - lambda_k / lambda_1)^n of its beginning, and
// what Adam makes of the same residual.
//
//   modal_decay CONFIG OUT [COUNT [STEPS]]
// CONFIG: an inversion of waves with a true model (survey, start and field with its weights are taken; the rate of Adam
// is that of its optimizer, for all parameters). OUT: a JSON file.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "analysis/kernels.hpp"
#include "bench/bench_main.hpp"
#include "engine/analysis_session.hpp"
#include "engine/converted.hpp"
#include "engine/io/file.hpp"
#include "engine/simulation.hpp"
#include "kernels/kernels.hpp"

namespace {

using namespace terrane;
using Vector = std::vector<double>;

double norm_of(const Vector& v) {
  double sum = 0;
  for (const double x : v) sum += x * x;
  return std::sqrt(sum);
}
double distance(Vector a, const Vector& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] -= b[i];
  return norm_of(a);
}

struct Inverse {
  AnalysisSession<float>& a;
  Simulation<float> simulation;
  Var d;
  LinearMap<float> j;
  Vector observed, begin;

  explicit Inverse(AnalysisSession<float>& session)
      : a(session), simulation(a.s, a.problem, a.problem.wavelet, a.problem.shots()) {
    d = simulation.record(a.tape, a.model);
    a.tape.forward();
    j = inversion_maps(a.tape, a.theta, a.model, d).total;
    observed = simulate<float>(a.s, a.problem, a.problem.true_model, a.problem.wavelet, a.problem.shots());
    begin = converted<double>(a.tape.get(a.theta));
  }
  Vector residual(const Vector& theta) {
    a.tape.set(a.theta, converted<float>(theta));
    a.tape.forward();
    Vector r = converted<double>(a.tape.get(d));
    for (std::size_t i = 0; i < r.size(); ++i) r[i] -= observed[i];
    return r;
  }
  Vector gradient(const Vector& r) { return converted<double>(adjoint(a.s, j, converted<float>(r))); }
};

// <u_k, r>
Vector along(const SingularTriplets& start, const Vector& r) {
  Vector out;
  for (std::size_t k = 0; k < start.values.size(); ++k) {
    double sum = 0;
    for (std::size_t i = 0; i < r.size(); ++i) sum += start.left[k * r.size() + i] * r[i];
    out.push_back(sum);
  }
  return out;
}

// |T u_k - lambda_k u_k| over the leading vectors, relative to T at the start.
double drift_of(Inverse& p, const SingularTriplets& start, std::size_t nd) {
  double change = 0, size = 0;
  for (std::size_t k = 0; k < std::min<std::size_t>(8, start.values.size()); ++k) {
    const auto from = start.left.begin() + static_cast<std::ptrdiff_t>(k * nd);
    Vector u(from, from + static_cast<std::ptrdiff_t>(nd));
    const Vector now = converted<double>(kernel_product(p.a.s, p.j, converted<float>(u)));
    const double lambda = start.values[k] * start.values[k];
    for (double& v : u) v *= lambda;
    change += std::pow(distance(now, u), 2);
    size += lambda * lambda;
  }
  return std::sqrt(change / size);
}

struct Adam {
  double rate;
  Vector mean, square;
  void step(Vector& theta, const Vector& g, int k) {
    mean.resize(g.size());
    square.resize(g.size());
    for (std::size_t i = 0; i < g.size(); ++i) {
      mean[i] = 0.9 * mean[i] + 0.1 * g[i];
      square[i] = 0.999 * square[i] + 0.001 * g[i] * g[i];
      const double root = std::sqrt(square[i] / (1 - std::pow(0.999, k)));
      theta[i] -= rate * mean[i] / (1 - std::pow(0.9, k)) / (root + 1e-30);
    }
  }
};

// Rows after 1, 3, 10, 30 ... steps. rate: of Adam; 0: gradient descent with one over the largest eigenvalue.
Json rows_of(Inverse& p, const SingularTriplets& start, int steps, double rate) {
  Vector theta = p.begin, r = p.residual(theta);
  const Vector first = along(start, r);
  const double whole = norm_of(r), held = norm_of(first), largest = start.values[0] * start.values[0];
  Adam adam{rate, {}, {}};
  Json rows = Json::array();
  int next = 1;
  for (int k = 1; k <= steps; ++k) {
    const Vector g = p.gradient(r);
    if (rate > 0) {
      adam.step(theta, g, k);
    } else {
      for (std::size_t i = 0; i < g.size(); ++i) theta[i] -= g[i] / largest;
    }
    r = p.residual(theta);
    if (k != next) continue;
    next = static_cast<int>(std::lround(next * (next % 3 == 0 ? 10.0 / 3 : 3.0)));
    const Vector now = along(start, r);
    const auto apart = [&](double n) {
      Vector predicted;
      for (std::size_t m = 0; m < first.size(); ++m) {
        const double factor = std::max(0.0, 1 - start.values[m] * start.values[m] / largest);
        predicted.push_back(first[m] * std::pow(factor, n));
      }
      return distance(now, predicted);
    };
    double nearest = 1e300;
    for (double n = 0.1; n < 1e6; n *= 1.1) nearest = std::min(nearest, apart(n));
    Json row{{"steps", k}, {"residual", norm_of(r) / whole}, {"along_the_vectors", norm_of(now) / held}};
    if (!(rate > 0)) row["from_prediction"] = apart(k) / held;
    row["from_the_predicted_path"] = nearest / held;
    row["drift"] = drift_of(p, start, r.size());
    rows.push_back(row);
    std::printf("%s\n", row.dump().c_str());
    std::fflush(stdout);
  }
  return rows;
}

int study(int argc, char** argv) {
  const Config config = Config::load(argv[1]);
  const Index count = argc > 3 ? std::atoll(argv[3]) : 16;
  const int steps = argc > 4 ? std::atoi(argv[4]) : 100;
  const AnalyzeRequest request{{{"type", "kernels"}, {"k", count}}, argv[1], -1, "."};
  RunOptions options;
  options.threads = 1;
  AnalysisSession<float> session(request, config, options, Log());
  Inverse p(session);
  LanczosOptions o;
  o.count = count;
  o.steps = std::max<Index>(100, 6 * count);
  o.tolerance = 1e-5;
  const SingularTriplets start = lanczos_singular(session.s, p.j, o);
  const Vector r = p.residual(p.begin), first = along(start, r);
  Json out{{"name", config.json().at("name")},
           {"field", config.json().at("field").at("type")},
           {"vectors", count},
           {"part_of_the_residual_in_them", std::pow(norm_of(first) / norm_of(r), 2)}};
  out["descent"] = rows_of(p, start, steps, 0);
  out["adam"] = rows_of(p, start, steps, config.json().at("optimizer").at("lr").get<double>());
  write_file_atomic(argv[2], out.dump(1) + "\n");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fputs("usage: modal_decay CONFIG OUT [COUNT [STEPS]]\n", stderr);
    return 2;
  }
  return terrane::run_bench([&] { return study(argc, argv); });
}
