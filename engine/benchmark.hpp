// SPDX-License-Identifier: MIT
// `terrane bench`: short benchmarks of the library on this machine. Each row gives the seconds of one call (median and
// best of the repeats after one that is not counted), its rate, and the share of the roof that the same machine reaches
// on simple loops:
//
//   share = (bytes / bandwidth + operations / rate of a matrix product) / best seconds
// bytes: what a call must move at least (12 to 62 for a point and step of waves, 12 a node and sweep of first arrivals,
// 140 a cell, source and step of 3-D resistivity, 32 a corner and level of a hash grid); bandwidth: that of y = a x + b
// y on arrays as large as the working set of the call, so that a problem in a cache is compared with that cache;
// operations: 2 and 6 a weight and point of networks, those of the factors of 2.5-D resistivity, N^2 an input and
// output of the layers for a tangent kernel. Where shots run on threads of their own the working set is that of the
// threads.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernels/runtime/device.hpp"

namespace terrane {

struct BenchmarkWorkload {
  std::string name, title;  // "W1", "2-D waves"
};
const std::vector<BenchmarkWorkload>& benchmark_workloads();

struct BenchmarkOptions {
  std::vector<std::string> workloads;  // names in either case; empty: all
  bool quick = false;                  // small problems, a few seconds in all
  int repeats = 0;                     // 0: 5, quick 2
  Device device;
  int threads = 0;                                   // 0: default_threads()
  std::function<void(const std::string&)> progress;  // one line before each case
};

// {version, device, threads, roofs, results}. Error{config} for an unknown workload, naming those there are.
nlohmann::ordered_json benchmark(const BenchmarkOptions& options);
// What `benchmark` returned earlier, from a file. Error{data} for anything else.
nlohmann::ordered_json read_benchmark(const std::string& path);
// Adds to each row of `result` the seconds of the same case of an earlier one and the ratios earlier / now (null: it
// was not run, or not in this size), and what differs between the two machines or settings.
void compare_benchmarks(nlohmann::ordered_json& result, const nlohmann::ordered_json& earlier);
// The results as a table of text lines.
std::vector<std::string> benchmark_table(const nlohmann::ordered_json& result);

}  // namespace terrane
