// SPDX-License-Identifier: MIT
#include <iostream>

#include "engine/benchmark.hpp"
#include "engine/io/file.hpp"
#include "tools/terrane/verbs.hpp"

namespace terrane::cli {

int bench_verb(const Options& options) {
  const RunOptions with = run_options(options, nullptr);
  const Log log = Log::open(with.console);
  BenchmarkOptions o;
  o.workloads = options.workloads;
  o.workloads.insert(o.workloads.end(), options.arguments.begin(), options.arguments.end());
  o.quick = options.quick;
  o.repeats = options.repeats;
  o.device = with.device;
  o.threads = with.threads;
  o.progress = [&](const std::string& text) { log.info(text); };
  nlohmann::ordered_json earlier;
  if (!options.against.empty()) earlier = read_benchmark(options.against);  // before the time is spent
  nlohmann::ordered_json result = benchmark(o);
  if (!options.against.empty()) compare_benchmarks(result, earlier);
  if (!options.json_file.empty()) write_file_atomic(options.json_file, result.dump(1) + "\n");
  if (options.json) {
    print_json(result);
    return 0;
  }
  for (const std::string& line : benchmark_table(result)) std::cout << line << "\n";
  std::cout << std::flush;
  return 0;
}

}  // namespace terrane::cli
