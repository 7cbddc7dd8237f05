// SPDX-License-Identifier: MIT
// Time and memory to the Gram matrix K = J J^T of a network's Jacobian, from its factors, for comparisons.
//
//   gram_bench NET PRECISION THREADS REPEATS OUT
// NET: study:FOLDER:CASE:STRIDE, every STRIDE-th of 8192 cells of a raw field of the cross-hole study, FOLDER with
// svd_case{1,2}_weights.npz; siren:POINTS, 512 x 5. PRECISION: float or double. OUT: "-", or a file for the raw K.
// Prints one JSON object; seconds are those of factors and products, after one run that is not counted; memory is the
// peak of the process and, of that, what it held before.
#include <chrono>
#include <cstdlib>
#include <iostream>

#include "analysis/gram.hpp"
#include "analysis/network_jacobian.hpp"
#include "bench/study_network.hpp"

namespace {

using namespace terrane;
using Json = nlohmann::ordered_json;

BenchNetwork network(const std::string& text) {
  const auto first = text.find(':'), last = text.rfind(':'), middle = text.rfind(':', last - 1);
  const std::string kind = text.substr(0, first);
  if (kind == "siren" && first != std::string::npos) return siren_network(std::atoll(text.c_str() + first + 1));
  if (kind != "study" || middle == std::string::npos || middle <= first) {
    throw Error(ErrorCode::config, "NET must be study:FOLDER:CASE:STRIDE or siren:POINTS");
  }
  return study_network(text.substr(first + 1, middle - first - 1), std::atoi(text.c_str() + middle + 1),
                       std::max<Index>(1, std::atoll(text.c_str() + last + 1)));
}

template <class T>
Json run(Stream& s, const BenchNetwork& net, int repeats, const std::string& file) {
  const double before = bench_peak_mib();
  const DeviceNetwork<T> on(s, net);
  std::vector<double> seconds;
  Json out{{"points", net.n}, {"parameters", net.shape.parameters()}};
  const Buffer<T> k(s, net.n * net.n);
  for (int r = 0; r <= repeats; ++r) {
    s.synchronize();
    const auto start = std::chrono::steady_clock::now();
    const Factors<T> f = network_factors(s, net.shape, on.theta.data(), net.n, on.x.data(), on.slope.data());
    gram(s, f, k.data());
    s.synchronize();
    if (r > 0) seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    out["factor_mib"] = static_cast<double>(gram_workspace_bytes(f)) / (1 << 20);
  }
  out["k_mib"] = static_cast<double>(net.n * net.n) * sizeof(T) / (1 << 20);
  out["seconds"] = seconds;
  out["before_mib"] = before;
  out["peak_mib"] = bench_peak_mib();
  if (file != "-") {
    const std::vector<T> host = to_host(s, k);
    std::ofstream to(file, std::ios::binary);
    to.write(reinterpret_cast<const char*>(host.data()), static_cast<std::streamsize>(host.size() * sizeof(T)));
    if (!to) throw Error(ErrorCode::failed, file + " cannot be written");
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::cerr << "usage: gram_bench NET PRECISION THREADS REPEATS OUT\n";
    return 2;
  }
  try {
    StreamOptions options;
    options.threads = std::atoi(argv[3]);
    Stream s(Device{}, options);
    const BenchNetwork net = network(argv[1]);
    const int repeats = std::max(1, std::atoi(argv[4]));
    const bool single = std::string(argv[2]) == "float";
    Json out = single ? run<float>(s, net, repeats, argv[5]) : run<double>(s, net, repeats, argv[5]);
    out["variant"] = s.table().backend;
    out["threads"] = s.threads();
    std::cout << out.dump() << "\n";
    return 0;
  } catch (const terrane::Error& e) {
    std::cerr << e.message() << "\n";
    return static_cast<int>(e.code());
  }
}
