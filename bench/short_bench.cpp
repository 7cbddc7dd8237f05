// SPDX-License-Identifier: MIT
// Throughput of the three kernels that an inversion spends its time in, on one device, in under a minute:
//   wave    forward and gradient (forward with snapshots, then adjoint), padded points x steps x shots / s
//   siren   forward and reverse mode of a network of sines, evaluated points / s
//   gemm    square product, 2 n^3 / s
// Every figure is the best of several calls after one warm-up; engine/benchmark_cases.hpp holds the problems.
//
//   short_bench [--short] [--device cpu] [--threads N] [--json FILE]      --short: smaller problems, fewer repeats
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/bench_main.hpp"
#include "engine/benchmark_cases.hpp"
#include "engine/version.hpp"
#include "kernels/runtime/kernel.hpp"

namespace {

using namespace terrane;
using Json = nlohmann::ordered_json;

struct Settings {
  bool brief = false;
  std::string device = "cpu", json;
  int threads = 0;
};

Json bench_wave(Stream& s, int order, bool brief) {
  WaveCase c;
  c.grid = Grid3{brief ? 94 : 188, 1, brief ? 288 : 576, 15, 1, 15};
  c.nt = brief ? 300 : 1000;
  c.order = order;
  c.shots = 8;
  const WaveTiming t = time_waves(s, c, brief ? 2 : 5);
  return {{"bench", "wave order " + std::to_string(order)},
          {"problem", t.plan.describe()},
          {"point_steps", t.point_steps},
          {"forward_s", t.forward_s.front()},
          {"forward_points_per_s", t.point_steps / t.forward_s.front()},
          {"gradient_s", t.gradient_s.front()},
          {"gradient_points_per_s", t.point_steps / t.gradient_s.front()}};
}

Json bench_siren(Stream& s, bool brief) {
  const Index n = brief ? 27072 : 108288;
  const NetworkTiming t = time_network(s, 128, 4, n, MlpPrecision::tf32x3, brief ? 3 : 7);
  return {{"bench", "siren 128 x 4"},
          {"points", n},
          {"parameters", t.parameters},
          {"forward_s", t.forward_s.front()},
          {"forward_points_per_s", static_cast<double>(n) / t.forward_s.front()},
          {"reverse_s", t.gradient_s.front()},
          {"reverse_points_per_s", static_cast<double>(n) / t.gradient_s.front()}};
}

Json bench_gemm(Stream& s, bool brief) {
  const Index n = brief ? 512 : 2048;
  const double took = time_product<float>(s, n, brief ? 3 : 7).front();
  const double flops = 2.0 * static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n);
  return {{"bench", "gemm " + std::to_string(n)}, {"seconds", took}, {"flops_per_s", flops / took}};
}

Settings parse(int count, char** arguments) {
  Settings settings;
  for (int i = 1; i < count; ++i) {
    const std::string name = arguments[i];
    if (name == "--short") {
      settings.brief = true;
      continue;
    }
    if (i + 1 == count) throw Error(ErrorCode::config, name + " needs a value, or is not an option");
    const std::string value = arguments[++i];
    if (name == "--device") {
      settings.device = value;
    } else if (name == "--json") {
      settings.json = value;
    } else if (name == "--threads") {
      settings.threads = std::atoi(value.c_str());
    } else {
      throw Error(ErrorCode::config, name + " is not one of --short, --device, --threads, --json");
    }
  }
  return settings;
}

int run(const Settings& settings) {
  StreamOptions options;
  options.threads = settings.threads;
  Stream s(Device::parse(settings.device), options);
  Json result{{"version", version_json()}, {"device", s.device().name()}, {"kernels", s.table().backend},
              {"threads", s.threads()},    {"short", settings.brief},     {"results", Json::array()}};
  const auto report = [&](const Json& row) {
    std::printf("%s\n", row.dump().c_str());
    std::fflush(stdout);
    result["results"].push_back(row);
  };
  report(bench_wave(s, 4, settings.brief));
  report(bench_wave(s, 8, settings.brief));
  report(bench_siren(s, settings.brief));
  report(bench_gemm(s, settings.brief));
  if (settings.json.empty()) return 0;
  std::ofstream out(settings.json);
  out << result.dump(1) << "\n";
  if (!out) throw Error(ErrorCode::failed, settings.json + " cannot be written");
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  return terrane::run_bench([&] { return run(parse(count, arguments)); });
}
