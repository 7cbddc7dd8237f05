// SPDX-License-Identifier: MIT
// Eigenvalues of J J^T and J K J^T of waves twice: by Lanczos on the maps of the time domain, and from J^T J made of
// products of Green's functions (physics/wave/wave_factors.hpp), which needs decayed records. The border of the model
// is held fixed in both.
//
//   wave_khatri_rao CONFIG OUT [COUNT]
// CONFIG: an inversion of waves, of which survey, start model and field with its initial weights are taken. OUT: a JSON
// file.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "analysis/gram.hpp"
#include "analysis/kernels.hpp"
#include "bench/bench_main.hpp"
#include "engine/analysis_session.hpp"
#include "engine/converted.hpp"
#include "engine/io/file.hpp"
#include "engine/simulation.hpp"
#include "engine/version.hpp"
#include "kernels/kernels.hpp"
#include "physics/wave/wave_factors.hpp"

namespace {

using namespace terrane;
using Vector = std::vector<double>;

double processor_s() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

double norm_of(const std::vector<float>& v) {
  double sum = 0;
  for (const float x : v) sum += static_cast<double>(x) * static_cast<double>(x);
  return std::sqrt(sum);
}

// 1 inside, 0 on the border.
Vector inside(const Grid2& g) {
  Vector mask(static_cast<std::size_t>(g.cells()), 0.0);
  for (Index z = 1; z + 1 < g.nz; ++z) {
    for (Index x = 1; x + 1 < g.nx; ++x) mask[static_cast<std::size_t>(z * g.nx + x)] = 1;
  }
  return mask;
}

// F^T A F on vectors of parameters; F = field, A (nodes, nodes) stored.
SymmetricMap<float> sandwiched(Stream& s, const LinearMap<float>& field, const Buffer<float>& a) {
  const auto model = std::make_shared<Buffer<float>>(s, field.rows);
  const auto image = std::make_shared<Buffer<float>>(s, field.rows);
  const SymmetricMap<float> normal = symmetric_map(a.data(), field.rows);
  return {field.columns, [=](Stream& on, Index count, const float* x, float* y) {
            for (Index k = 0; k < count; ++k) {
              field.apply(on, x + k * field.columns, model->data());
              normal.apply(on, 1, model->data(), image->data());
              field.adjoint(on, image->data(), y + k * field.columns);
            }
          }};
}

// ||A v - J^T J v|| / ||J^T J v|| of a random v inside the border.
double product_difference(Stream& s, const LinearMap<float>& j, const Buffer<float>& a, const Vector& mask) {
  const Random random(1, RandomPurpose::test);
  std::vector<float> v;
  for (std::size_t i = 0; i < mask.size(); ++i) v.push_back(static_cast<float>(mask[i] * random.normal(i)));
  std::vector<float> wanted = adjoint(s, j, apply(s, j, v));
  const Buffer<float> x = to_device(s, v), y(s, j.columns);
  symmetric_map(a.data(), j.columns).apply(s, 1, x.data(), y.data());
  std::vector<float> difference = to_host(s, y);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    wanted[i] *= static_cast<float>(mask[i]);
    difference[i] -= wanted[i];
  }
  return norm_of(difference) / norm_of(wanted);
}

int study(int argc, char** argv) {
  const Config config = Config::load(argv[1]);
  const Index count = argc > 3 ? std::atoll(argv[3]) : 16;
  const AnalyzeRequest request{{{"type", "kernels"}, {"k", count}}, argv[1], -1, "."};
  RunOptions options;
  options.threads = 1;
  AnalysisSession<float> a(request, config, options, Log());
  const Simulation<float> simulation(a.s, a.problem, a.problem.wavelet, a.problem.shots());
  const Var d = simulation.record(a.tape, a.model);
  a.tape.forward();
  const InversionMaps<float> maps = inversion_maps(a.tape, a.theta, a.model, d);
  const Grid2 grid = a.problem.grid.section();
  const Vector mask = inside(grid);
  const LinearMap<float> field = weighted_rows(a.s, maps.field, mask);
  LanczosOptions o;
  o.count = count;
  o.steps = std::max<Index>(300, 6 * count);
  o.tolerance = 1e-5;
  double start = processor_s();
  const SingularTriplets time_domain = lanczos_singular(a.s, compose(a.s, maps.data, field), o);
  const double time_s = processor_s() - start;
  start = processor_s();
  const Vector model = converted<double>(a.tape.get(a.model));
  const WaveFactors<float> factors = wave_factors<float>(a.s, grid, section_of(a.problem.survey),
                                                         section_of(a.problem.wave), model, a.problem.wavelet);
  const double fields_s = processor_s() - start;
  start = processor_s();
  const Buffer<float> normal(a.s, grid.cells() * grid.cells());
  gram(a.s, factors.terms, normal.data());
  const double gram_s = processor_s() - start;
  start = processor_s();
  const Eigenpairs products = lanczos_eigenpairs(a.s, sandwiched(a.s, field, normal), o);
  const double eigen_s = processor_s() - start;
  Json r{{"field", config.json().at("field").at("type")},
         {"name", config.json().at("name")},
         {"nodes", grid.cells()},
         {"data", maps.data.rows},
         {"frequencies", factors.bins_hz.size()},
         {"tail", factors.tail},
         {"product_difference", product_difference(a.s, maps.data, normal, mask)}};
  double worst16 = 0, worst = 0;
  for (std::size_t k = 0; k < time_domain.values.size(); ++k) {
    const double wanted = time_domain.values[k] * time_domain.values[k];
    const double error = std::abs(products.values[k] / wanted - 1);
    worst = std::max(worst, error);
    if (k < 16) worst16 = std::max(worst16, error);
    r["eigenvalues_time_domain"].push_back(wanted);
    r["eigenvalues_khatri_rao"].push_back(products.values[k]);
  }
  r["largest_difference_16"] = worst16;
  r["largest_difference"] = worst;
  r["products_time_domain"] = time_domain.applications;
  r["processor_s"] = {{"time_domain", time_s}, {"greens_functions", fields_s}, {"gram", gram_s}, {"lanczos", eigen_s}};
  r["version"] = version_json();
  write_file_atomic(argv[2], r.dump(1) + "\n");
  std::printf("%s, %s: 16 leading values within %.2e, all within %.2e; product %.2e, tail %.1e\n",
              r["field"].get<std::string>().c_str(), config.json().at("name").get<std::string>().c_str(), worst16,
              worst, r["product_difference"].get<double>(), factors.tail);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fputs("usage: wave_khatri_rao CONFIG OUT [COUNT]\n", stderr);
    return 2;
  }
  return terrane::run_bench([&] { return study(argc, argv); });
}
