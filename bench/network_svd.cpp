// SPDX-License-Identifier: MIT
// Singular values and left vectors of the Jacobian of the cross-hole study's raw fields against reference arrays, and
// the numbers by which the study reads them.
//
//   network_svd FOLDER CASE THREADS WHOLE OUT
// FOLDER holds svd_case{1,2}_{weights.npz, singular_values.npy, left_vectors_top10.npy}. Double precision: K = J J^T
// from factors, 50 leading pairs by subspace iteration. WHOLE 1: also all 8192 eigenvalues (a dense decomposition) and
// the numbers that need them, else those are of the reference alone. OUT: a JSON file. Exits 1 where a leading value
// differs by more than 1e-6 or the cosine with a separated vector is below 0.9999.
#include <chrono>
#include <cstdlib>
#include <iostream>

#include "analysis/gram.hpp"
#include "analysis/network_jacobian.hpp"
#include "analysis/spectra.hpp"
#include "bench/bench_main.hpp"
#include "bench/study_network.hpp"
#include "engine/io/file.hpp"
#include "engine/io/npy.hpp"
#include "engine/version.hpp"

namespace {

using namespace terrane;
using Json = nlohmann::ordered_json;

constexpr Index wanted = 50;

class Clock {
 public:
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    const double s = std::chrono::duration<double>(now - last_).count();
    last_ = now;
    return s;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// How the study and others read a spectrum.
Json reading(const std::vector<double>& sigma) {
  double squares = 0;
  for (const double v : sigma) squares += v * v;
  Json r{{"frobenius_norm", std::sqrt(squares)}, {"values", Json::object()}, {"holding", Json::object()}};
  for (const std::size_t k : {50, 100, 500, 1000, 2000, 4000}) r["values"][std::to_string(k)] = sigma[k];
  for (const double part : {0.9, 0.99, 0.999}) {
    r["holding"][std::to_string(part).substr(0, 5)] = values_holding(sigma, part, true);
  }
  r["above"] = {{"1e-1", values_above(sigma, 1e-1)},
                {"1e-2", values_above(sigma, 1e-2)},
                {"1e-3", values_above(sigma, 1e-3)},
                {"1e-4", values_above(sigma, 1e-4)}};
  std::vector<double> lambda;
  for (const double v : sigma) lambda.push_back(v * v);
  r["participation_rank_of_sigma"] = participation_rank(sigma);
  r["entropy_rank_of_sigma"] = entropy_rank(sigma);
  r["participation_rank_of_sigma_squared"] = participation_rank(lambda);
  r["entropy_rank_of_sigma_squared"] = entropy_rank(lambda);
  r["decay_exponent_10_to_1000"] = decay_exponent(sigma, 10, 1000);
  return r;
}

int run(char** a) {
  const std::string folder = a[1], number = a[2];
  const bool whole = std::atoi(a[4]) != 0;
  StreamOptions options;
  options.threads = std::atoi(a[3]);
  Stream s(Device{}, options);
  const BenchNetwork net = study_network(folder, std::atoi(a[2]));
  const auto reference = read_npy<double>(folder + "/svd_case" + number + "_singular_values.npy").values;
  const auto images = read_npy<double>(folder + "/svd_case" + number + "_left_vectors_top10.npy");
  const DeviceNetwork<double> on(s, net);
  Clock clock;
  const Factors<double> f = network_factors(s, net.shape, on.theta.data(), net.n, on.x.data(), on.slope.data());
  const Buffer<double> k(s, net.n * net.n);
  gram(s, f, k.data());
  const double gram_s = clock.lap();
  SubspaceOptions subspace;
  subspace.count = wanted;
  // sigma to 1e-6 needs lambda to 2e-6 of itself, and lambda_50 is 4e-4 of lambda_1.
  subspace.tolerance = 1e-10;
  const Eigenpairs pairs = subspace_eigenpairs(s, symmetric_map(k.data(), net.n), subspace);
  const double leading_s = clock.lap();
  const std::vector<double> sigma = singular_values_of(pairs.values);
  double worst_value = 0, worst_cosine = 1;
  Json values = Json::array(), cosines = Json::array();
  for (std::size_t i = 0; i < sigma.size(); ++i) {
    worst_value = std::max(worst_value, std::abs(sigma[i] / reference[i] - 1));
    values.push_back(sigma[i]);
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(images.shape[0]); ++i) {
    // The reference vectors are rounded to single precision and not of unit length.
    const auto n = static_cast<std::size_t>(net.n);
    const double cosine = vector_cosine(pairs.vectors.data() + i * n, images.values.data() + i * n, n);
    cosines.push_back(cosine);
    if (separation(reference, i) > 1e-3) worst_cosine = std::min(worst_cosine, cosine);
  }
  double norm = 0, mean = 0;
  for (const double v : on.m) norm += v * v, mean += v / static_cast<double>(net.n);
  Json out{{"case", "nfs-inv/svd-" + number},
           {"output", {{"norm", std::sqrt(norm)}, {"mean", mean}, {"first", on.m[0]}}},
           {"worst_of_50_leading_values", worst_value},
           {"worst_cosine_of_separated_vectors", worst_cosine},
           {"leading_values", values},
           {"cosines", cosines},
           {"reference_reading", reading(reference)}};
  if (whole) {
    const std::vector<double> all = singular_values_of(dense_eigenpairs(s, k.data(), net.n, 0, false).values);
    out["dense_s"] = clock.lap();
    double worst = 0;
    Index last = 0;
    for (std::size_t i = 0; i < all.size() && reference[i] > 1e-5 * reference[0]; ++i, ++last) {
      worst = std::max(worst, std::abs(all[i] / reference[i] - 1));
    }
    out["worst_of_values_above_1e-5"] = {{"values", last}, {"relative_difference", worst}};
    out["reading"] = reading(all);
  }
  out["gram_s"] = gram_s;
  out["leading_s"] = leading_s;
  out["iterations"] = pairs.iterations;
  out["peak_memory_mib"] = bench_peak_mib();
  out["threads"] = s.threads();
  out["version"] = version_string();
  write_file_atomic(a[5], out.dump(1) + "\n");
  std::cout << out["case"].get<std::string>() << ": 50 leading values within " << worst_value << ", separated vectors "
            << worst_cosine << ", Gram matrix " << gram_s << " s, pairs " << leading_s << " s, peak "
            << bench_peak_mib() << " MiB\n";
  return worst_value <= 1e-6 && worst_cosine > 0.9999 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::cerr << "usage: network_svd FOLDER CASE THREADS WHOLE OUT\n";
    return 2;
  }
  return terrane::run_bench([&] { return run(argv); });
}
