// SPDX-License-Identifier: MIT
// Singular values and tangent kernel of the field alone.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "analysis/kernels.hpp"
#include "analysis/network_jacobian.hpp"
#include "analysis/spectra.hpp"
#include "autodiff/check.hpp"
#include "engine/analysis_session.hpp"
#include "engine/io/npy.hpp"
#include "engine/json_value.hpp"
#include "kernels/kernels.hpp"

namespace terrane {

namespace {

constexpr Index kernel_bytes = Index{8} << 30;
// Random vectors of the drift, and the most checkpoints that are looked at.
constexpr Index drift_probes = 32;
constexpr std::size_t drift_points = 12;

template <class T>
Eigenpairs dense_spectrum(AnalysisSession<T>& a) {
  const Index n = a.nodes();
  if (n * n * static_cast<Index>(sizeof(T)) > kernel_bytes) {
    throw Error(ErrorCode::budget, "a dense kernel of " + std::to_string(n) + " nodes does not fit: method lanczos");
  }
  const double start = now_s();
  const FieldGram<T> gram = field_gram(a.tape, a.theta, a.model, Index{2} << 30);
  a.result["time"]["kernel_s"] = now_s() - start;
  a.result["kernel_by"] = gram.factored ? "factors of the layers" : "rows of the Jacobian";
  double squares = 0;
  for (const T v : to_host(a.s, gram.k)) squares += static_cast<double>(v) * static_cast<double>(v);
  a.result["frobenius_norm"] = std::sqrt(squares);
  const double decompose = now_s();
  Eigenpairs pairs = dense_eigenpairs(a.s, gram.k.data(), n, Index{0}, false);
  pairs.vectors = dense_eigenpairs(a.s, gram.k.data(), n, a.request.count(), true).vectors;
  a.result["time"]["decomposition_s"] = now_s() - decompose;
  return pairs;
}

template <class T>
Eigenpairs lanczos_spectrum(AnalysisSession<T>& a) {
  LanczosOptions o;
  o.count = a.request.count();
  o.steps = std::max<Index>(300, 4 * a.request.count());
  o.seed = a.seed();
  o.tolerance = 1e-8;
  o.progress = a.progress("kernel of the field");
  const double start = now_s();
  const Eigenpairs pairs = lanczos_eigenpairs(a.s, left_gram_map(a.s, a.tape.map(a.theta, a.model)), o);
  a.result["kernel_by"] = "products with the Jacobian (Lanczos)";
  a.result["time"]["decomposition_s"] = now_s() - start;
  a.result["residuals"] = pairs.residuals;
  return pairs;
}

// ||K_i - K_0|| / ||K_0|| in the Frobenius norm, estimated by the same random signs z for all: mean |(K_i - K_0) z|^2.
template <class T>
void drift(AnalysisSession<T>& a) {
  std::vector<Index> kept = a.iterations();
  while (kept.size() > drift_points) {
    for (std::size_t i = 1; i + 1 < kept.size(); ++i) kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(i));
  }
  const std::vector<T> last = a.tape.get(a.theta);
  const Index n = a.nodes();
  std::vector<T> signs;
  for (const double v : random_normal<double>(n * drift_probes, a.seed() + 77)) signs.push_back(v < 0 ? T(-1) : T(1));
  const Buffer<T> z = to_device(a.s, signs), y(a.s, n * drift_probes);
  const auto products = [&](const std::vector<T>& theta) {
    a.tape.set(a.theta, theta);
    a.tape.forward(a.model);
    left_gram_map(a.s, a.tape.map(a.theta, a.model)).apply(a.s, drift_probes, z.data(), y.data());
    return to_host(a.s, y);
  };
  const std::vector<T> first = products(a.initial);
  double base = 0;
  for (const T v : first) base += static_cast<double>(v) * static_cast<double>(v);
  Json rows = Json::array();
  AnalysisPage::Curve curve;
  const auto add = [&](const Json& iteration, const std::vector<T>& theta) {
    const std::vector<T> now = products(theta);
    double difference = 0, product = 0, own = 0;
    for (std::size_t i = 0; i < now.size(); ++i) {
      const double p = static_cast<double>(first[i]), q = static_cast<double>(now[i]);
      difference += (q - p) * (q - p), product += p * q, own += q * q;
    }
    rows.push_back({{"iteration", iteration},
                    {"relative", number_or_null(std::sqrt(difference / base))},
                    {"alignment", number_or_null(product / std::sqrt(base * own))}});
    if (iteration.is_number()) {
      curve.x.push_back(iteration.get<double>());
      curve.y.push_back(std::sqrt(difference / base));
    }
  };
  for (const Index i : kept) {
    if (i > 0) add(i, a.weights_of(i));
  }
  add("final", last);
  a.result["drift"] = {{"random_vectors", drift_probes}, {"from_the_initial_kernel", rows}};
  if (curve.x.size() > 1) {
    a.page.plots.push_back({"Drift of the kernel", "Iteration", "||K - K_0|| / ||K_0||", {curve}});
  }
  a.tape.set(a.theta, last);
  a.tape.forward(a.model);
}

// Left vectors of a file in the order of the model; empty: none are given.
std::vector<double> reference_vectors(const Json& reference, const Grid3& grid) {
  if (reference.at("vectors").is_null()) return {};
  const std::string path = reference.at("vectors");
  const NdArray<double> a = read_npy<double>(path);
  const bool swapped = reference.at("axes") == "xz";
  if (swapped && !grid.flat()) {
    throw Error(ErrorCode::config, "reference: axes \"xz\" belongs to two dimensions; in three the order is z, y, x");
  }
  const Grid2 g = grid.section();
  std::vector<Index> wanted = swapped ? std::vector<Index>{g.nx, g.nz} : grid.shape();
  wanted.insert(wanted.begin(), a.shape.empty() ? 0 : a.shape[0]);
  if (a.shape != wanted) {
    std::string shape;
    for (std::size_t k = 1; k < wanted.size(); ++k) shape += ", " + std::to_string(wanted[k]);
    throw Error(ErrorCode::data, "left vectors need the shape (vectors" + shape + ")", path);
  }
  if (!swapped) return a.values;
  std::vector<double> v(a.values.size());
  for (Index k = 0; k < a.shape[0]; ++k) {
    for (Index z = 0; z < g.nz; ++z) {
      for (Index x = 0; x < g.nx; ++x) v[at((k * g.nz + z) * g.nx + x)] = a.values[at((k * g.nx + x) * g.nz + z)];
    }
  }
  return v;
}

// Worst relative difference of the leading values, and worst |cosine| with the reference vectors whose value is apart
// from its neighbours by more than 1e-3 of the largest.
Json against_reference(const Json& reference, const std::vector<double>& sigma, const std::vector<double>& vectors,
                       const Grid3& g) {
  const double scale = reference.at("scale");
  const std::string path = reference.at("values");
  const std::vector<double> wanted = read_npy<double>(path).values;
  if (wanted.size() < sigma.size()) {
    throw Error(ErrorCode::data,
                "it holds " + std::to_string(wanted.size()) + " values, k is " + std::to_string(sigma.size()), path);
  }
  double difference = 0, cosine = 1;
  for (std::size_t k = 0; k < sigma.size(); ++k) {
    difference = std::max(difference, std::abs(sigma[k] / (scale * wanted[k]) - 1));
  }
  const std::vector<double> images = reference_vectors(reference, g);
  const auto n = at(g.cells());
  Index compared = 0;
  for (std::size_t k = 0; k < std::min(images.size() / n, sigma.size()) && k + 1 < wanted.size(); ++k) {
    if (separation(wanted, k) <= 1e-3) continue;
    cosine = std::min(cosine, vector_cosine(vectors.data() + k * n, images.data() + k * n, n));
    ++compared;
  }
  Json result{{"values", sigma.size()}, {"worst_value_difference", difference}, {"vectors", compared}};
  result["worst_vector_cosine"] = compared > 0 ? Json(cosine) : Json(nullptr);
  return result;
}

void describe(const std::vector<double>& lambda, Index n, Json& result) {
  Json d{{"values", lambda.size()},
         {"of", n},
         {"participation_rank", number_or_null(participation_rank(lambda))},
         {"entropy_rank", number_or_null(entropy_rank(lambda))}};
  for (const double part : {0.9, 0.99, 0.999}) d["holding"][Json(part).dump()] = values_holding(lambda, part);
  for (const double part : {1e-1, 1e-2, 1e-3, 1e-4}) {
    d["singular_values_above"][Json(part).dump()] = values_above(singular_values_of(lambda), part);
  }
  Index positive = 0;
  for (const double v : lambda) positive += v > 1e-13 * lambda[0] ? 1 : 0;
  const Index last = std::min<Index>(positive, 200);
  if (last > 10) d["decay_exponent"] = {{"from", 5}, {"to", last}, {"value", decay_exponent(lambda, 5, last)}};
  result["spectrum"] = d;
}

}  // namespace

template <class T>
void analyze_spectrum(AnalysisSession<T>& a) {
  const bool svd = a.request.what() == "svd";
  const std::string method = a.request.analysis.at("method");
  a.tape.forward(a.model);
  const bool dense = method == "dense" || (method == "auto" && a.nodes() <= dense_nodes);
  const Eigenpairs pairs = dense ? dense_spectrum(a) : lanczos_spectrum(a);
  std::vector<double> lambda = pairs.values;
  for (double& v : lambda) v = std::max(v, 0.0);
  const std::vector<double> shown = svd ? singular_values_of(lambda) : lambda;
  a.write(svd ? "singular_values" : "eigenvalues", shown, {static_cast<Index>(shown.size())});
  const auto count = static_cast<Index>(pairs.vectors.size()) / a.nodes();
  a.write_models("vectors", pairs.vectors, count);
  describe(lambda, a.nodes(), a.result);
  const std::vector<double> largest(shown.begin(), shown.begin() + count);
  a.result["largest"] = largest;
  const Json reference = svd ? a.request.analysis.at("reference") : Json(nullptr);
  if (!reference.is_null())
    a.result["reference"] = against_reference(reference, largest, pairs.vectors, a.problem.grid);
  a.page.spectra.push_back({svd ? "singular value" : "eigenvalue", shown});
  std::vector<double> number, wavenumbers;
  for (Index k = 0; k < count; ++k) {
    const std::vector<double> v(pairs.vectors.begin() + k * a.nodes(), pairs.vectors.begin() + (k + 1) * a.nodes());
    wavenumbers.push_back(a.wavenumbers(v).mean);
    number.push_back(static_cast<double>(k));
    char title[80];
    // The letters of the drawings' font are ASCII.
    std::snprintf(title, sizeof title, "%lld: %.4g", static_cast<long long>(k), shown[static_cast<std::size_t>(k)]);
    a.add_image(title, v);
  }
  a.result["mean_wavenumbers_per_m"] = wavenumbers;
  if (count > 1) {
    a.page.plots.push_back(
        {"Wavenumber of the vectors", "Vector", "Mean radial wavenumber (cycles per m)", {{"", number, wavenumbers}}});
  }
  if (!svd && a.run()) drift(a);
}

template void analyze_spectrum(AnalysisSession<float>&);
template void analyze_spectrum(AnalysisSession<double>&);

}  // namespace terrane
