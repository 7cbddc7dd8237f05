// SPDX-License-Identifier: MIT
// Throughput of sine networks (width x layers, 2 inputs, 1 output, omega 30): forward, and forward + vjp with respect
// to the weights (the vjp evaluates the network again, so that nothing is kept between the two).
//
//   field_bench [--net 128x4]... [--points N] [--threads N] [--repeats N] [--data PREFIX]
// Default nets: 64x3 128x4 256x4. "hash64x2" is a hash grid in the unit square (16 levels of 2 features, coarsest 16
// nodes, growth 1.5, at most 2^19 entries a level) and a ReLU network 64 x 2, the vjp with respect to table and
// weights. One JSON object a line and net; times are wall and processor time (all threads) in microseconds a point,
// best and median over the repeats after one warm-up; operations are 2 a weight and point forward and 6 in the vjp.
// `roof` is the rate of independent AVX-512 multiply-adds on the same threads, measured between the repeats. Errors are
// those of float against double (relative L2). With --data, one net only: reads PREFIX.theta, PREFIX.x, PREFIX.d_y (raw
// float32) and writes PREFIX.y, PREFIX.d_theta.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "bench/bench_main.hpp"
#include "engine/field.hpp"
#include "engine/version.hpp"
#include "kernels/encode/multigrid_shape.hpp"
#include "kernels/kernels.hpp"
#include "kernels/runtime/random.hpp"

namespace {

using namespace terrane;
using Json = nlohmann::ordered_json;

struct Settings {
  std::vector<std::string> nets;
  Index points = 1 << 16;
  int threads = 0, repeats = 7;
  std::string data;
};

// --- clocks, memory, roof --------------------------------------------------------------------------------------------
struct Timer {
  std::chrono::steady_clock::time_point wall = std::chrono::steady_clock::now();
  std::clock_t processor = std::clock();
  double wall_s() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - wall).count(); }
  double processor_s() const { return static_cast<double>(std::clock() - processor) / CLOCKS_PER_SEC; }
};

struct Times {
  std::vector<double> wall, processor;
  template <class Body>
  void add(const Body& body) {
    const Timer timer;
    body();
    wall.push_back(timer.wall_s());
    processor.push_back(timer.processor_s());
  }
};

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  const std::size_t n = v.size();
  return n % 2 == 1 ? v[n / 2] : 0.5 * (v[n / 2 - 1] + v[n / 2]);
}
double best(const std::vector<double>& v) { return *std::min_element(v.begin(), v.end()); }

#if defined(__x86_64__)
constexpr double loop_flops = 12.0 * 16 * 2;  // of one pass
// Twelve independent chains of 16-wide multiply-adds.
__attribute__((target("avx512f"))) void multiply_add_loop(long passes) {
  __m512 a = _mm512_setzero_ps(), b = a, c = a, d = a, e = a, f = a, g = a, h = a, i = a, j = a, k = a, l = a;
  const __m512 factor = _mm512_set1_ps(0.999F), term = _mm512_set1_ps(0.001F);
  for (long pass = 0; pass < passes; ++pass) {
    asm volatile(
        "vfmadd213ps %13,%12,%0\n vfmadd213ps %13,%12,%1\n vfmadd213ps %13,%12,%2\n vfmadd213ps %13,%12,%3\n"
        "vfmadd213ps %13,%12,%4\n vfmadd213ps %13,%12,%5\n vfmadd213ps %13,%12,%6\n vfmadd213ps %13,%12,%7\n"
        "vfmadd213ps %13,%12,%8\n vfmadd213ps %13,%12,%9\n vfmadd213ps %13,%12,%10\n vfmadd213ps %13,%12,%11\n"
        : "+v"(a), "+v"(b), "+v"(c), "+v"(d), "+v"(e), "+v"(f), "+v"(g), "+v"(h), "+v"(i), "+v"(j), "+v"(k), "+v"(l)
        : "v"(factor), "v"(term));
  }
}

double roof_gflops(int threads) {
  if (!__builtin_cpu_supports("avx512f")) return 0;
  constexpr long passes = 1000000;
  const Timer timer;
  std::vector<std::thread> team;
  for (int t = 0; t < threads; ++t) team.emplace_back(multiply_add_loop, passes);
  for (std::thread& t : team) t.join();
  return static_cast<double>(passes) * loop_flops * threads / timer.wall_s() * 1e-9;
}
#else
double roof_gflops(int) { return 0; }
#endif

// --- one net ---------------------------------------------------------------------------------------------------------
std::vector<float> read_raw(const std::string& file, Index n) {
  std::vector<float> v(static_cast<std::size_t>(n));
  std::ifstream in(file, std::ios::binary);
  in.read(reinterpret_cast<char*>(v.data()), static_cast<std::streamsize>(v.size() * sizeof(float)));
  if (!in) throw Error(ErrorCode::data, file + " is shorter than the net and --points ask, or cannot be read");
  return v;
}
void write_raw(const std::string& file, const std::vector<float>& v) {
  std::ofstream out(file, std::ios::binary);
  out.write(reinterpret_cast<const char*>(v.data()), static_cast<std::streamsize>(v.size() * sizeof(float)));
  if (!out) throw Error(ErrorCode::failed, file + " cannot be written");
}

struct Problem {
  MlpShape shape;
  MultigridShape table;  // levels 0: the network sees the positions
  Index n = 0;
  std::vector<float> theta, x, d_y;  // theta: table, then network
  Index table_parameters() const { return table.levels > 0 ? table.parameters() : 0; }
  Index parameters() const { return table_parameters() + shape.parameters(); }
};

std::vector<float> uniform(Index n, std::uint32_t draw, double bound) {
  const Random random(1, RandomPurpose::test);
  std::vector<float> v(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = static_cast<float>(random.uniform(i, draw, -bound, bound));
  return v;
}

Problem make_problem(const std::string& net, const Settings& settings) {
  const bool hash = net.rfind("hash", 0) == 0;
  const std::string size = hash ? net.substr(4) : net;
  const std::size_t cross = size.find('x');
  const Index width = std::atoll(size.c_str());
  const int layers = cross == std::string::npos ? 0 : std::atoi(size.c_str() + cross + 1);
  if (width < 1 || layers < 1 || layers >= mlp_max_layers) {
    throw Error(ErrorCode::config, net + " is not WIDTHxLAYERS, such as 128x4 or hash64x2");
  }
  Problem p;
  const auto depth = static_cast<std::size_t>(layers);
  p.shape = siren_shape(2, std::vector<Index>(depth, width), std::vector<double>(depth, 30.0));
  if (hash) {
    MultigridOptions o;
    o.base = 16;
    o.growth = 1.5;
    p.table = multigrid_shape(2, o);
    p.shape = mlp_shape(p.table.n_out(), std::vector<Index>(depth, width), Activation::relu, 0);
  }
  p.n = settings.points;
  if (!settings.data.empty()) {
    p.theta = read_raw(settings.data + ".theta", p.parameters());
    p.x = read_raw(settings.data + ".x", 2 * p.n);
    p.d_y = read_raw(settings.data + ".d_y", p.n);
    return p;
  }
  if (hash) p.theta = uniform(p.table_parameters(), 99, 0.1);
  for (int l = 0; l < p.shape.layers; ++l) {
    const MlpLayer& layer = p.shape.layer[l];
    const double bound = hash     ? 1 / std::sqrt(static_cast<double>(layer.n_in))
                         : l == 0 ? 0.5
                                  : std::sqrt(6.0 / static_cast<double>(layer.n_in)) / 30;
    const std::vector<float> part = uniform(layer.parameters(), static_cast<std::uint32_t>(l), bound);
    p.theta.insert(p.theta.end(), part.begin(), part.end());
  }
  p.x = uniform(2 * p.n, 100, 1);
  if (hash) {
    for (float& v : p.x) v = 0.5F * (v + 1);
  }
  p.d_y = uniform(p.n, 101, 1);
  return p;
}

template <class T>
struct Network {
  Stream& s;
  const Problem& p;
  Buffer<T> theta = to_device(s, std::vector<T>(p.theta.begin(), p.theta.end()));
  Buffer<T> x = to_device(s, std::vector<T>(p.x.begin(), p.x.end()));
  Buffer<T> d_y = to_device(s, std::vector<T>(p.d_y.begin(), p.d_y.end()));
  Buffer<T> y{s, p.n}, d_theta{s, p.parameters()};
  bool hash = p.table.levels > 0;
  Buffer<T> features{s, hash ? p.n*p.table.n_out() : 0}, d_features{s, hash ? p.n*p.table.n_out() : 0};

  const T* inputs() const { return hash ? features.data() : x.data(); }
  void forward() {
    if (hash) multigrid_forward(s, MultigridForward<T>{p.table, p.n, theta.data(), x.data(), features.data()});
    mlp_forward(s, MlpForward<T>{p.shape, p.n, theta.data() + p.table_parameters(), inputs(), y.data()});
  }
  void vjp() {
    fill(s, Fill<T>{d_theta.data(), T(0), p.parameters()});
    const Index at = p.table_parameters();
    if (hash) fill(s, Fill<T>{d_features.data(), T(0), d_features.size()});
    mlp_vjp(s, MlpVjp<T>{p.shape, p.n, theta.data() + at, inputs(), d_y.data(), d_theta.data() + at,
                         hash ? d_features.data() : nullptr});
    if (hash) {
      multigrid_vjp(s,
                    MultigridVjp<T>{p.table, p.n, theta.data(), x.data(), d_features.data(), d_theta.data(), nullptr});
    }
  }
};

template <class T>
double relative_error(const std::vector<T>& a, const std::vector<double>& exact) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = static_cast<double>(a[i]) - exact[i];
    difference += d * d;
    size += exact[i] * exact[i];
  }
  return std::sqrt(difference / size);
}

Json time_row(const Times& t, double points, double flops_per_point, double roof) {
  const double us = 1e6 / points, rate = flops_per_point * points / best(t.wall) * 1e-9;
  Json row = {{"us_best", best(t.wall) * us},
              {"us_median", median(t.wall) * us},
              {"processor_us_best", best(t.processor) * us},
              {"processor_us_median", median(t.processor) * us},
              {"gflops_best", rate}};
  if (roof > 0) row["share_of_roof"] = rate / roof;
  return row;
}

Json bench_net(Stream& s, const std::string& name, const Settings& settings) {
  const Problem p = make_problem(name, settings);
  const double before_mib = bench_peak_mib();
  Times forward, vjp, both;
  std::vector<float> y, d_theta;
  double roof = 0, peak_mib = 0;
  {
    Network<float> net{s, p};
    net.forward();
    net.vjp();
    for (int k = 0; k < settings.repeats; ++k) {
      roof = std::max(roof, roof_gflops(s.threads()));
      forward.add([&] { net.forward(); });
      vjp.add([&] { net.vjp(); });
      both.add([&] {
        net.forward();
        net.vjp();
      });
    }
    y = to_host(s, net.y);
    d_theta = to_host(s, net.d_theta);
    peak_mib = bench_peak_mib();
  }
  const double points = static_cast<double>(p.n), weights = static_cast<double>(p.shape.parameters());
  Json row = {{"bench", (p.table.levels > 0 ? "" : "siren ") + name},
              {"points", p.n},
              {"parameters", p.parameters()},
              {"kernels", s.table().backend},
              {"threads", s.threads()},
              {"repeats", settings.repeats},
              {"roof_gflops", roof},
              {"forward", time_row(forward, points, 2 * weights, roof)},
              {"vjp", time_row(vjp, points, 6 * weights, roof)},
              {"forward_and_vjp", time_row(both, points, 8 * weights, roof)},
              {"memory_before_mib", before_mib},
              {"peak_memory_mib", peak_mib},
              {"version", version_string()}};
  if (!settings.data.empty()) {
    write_raw(settings.data + ".y", y);
    write_raw(settings.data + ".d_theta", d_theta);
    return row;
  }
  Network<double> exact{s, p};
  exact.forward();
  exact.vjp();
  row["error_y"] = relative_error(y, to_host(s, exact.y));
  row["error_gradient"] = relative_error(d_theta, to_host(s, exact.d_theta));
  return row;
}

Settings parse(int count, char** arguments) {
  Settings settings;
  for (int i = 1; i < count; ++i) {
    const std::string name = arguments[i];
    if (i + 1 == count) throw Error(ErrorCode::config, name + " needs a value, or is not an option");
    const std::string value = arguments[++i];
    if (name == "--net") {
      settings.nets.push_back(value);
    } else if (name == "--points") {
      settings.points = std::atoll(value.c_str());
    } else if (name == "--threads") {
      settings.threads = std::atoi(value.c_str());
    } else if (name == "--repeats") {
      settings.repeats = std::atoi(value.c_str());
    } else if (name == "--data") {
      settings.data = value;
    } else {
      throw Error(ErrorCode::config, name + " is not one of --net, --points, --threads, --repeats, --data");
    }
  }
  if (settings.nets.empty()) settings.nets = {"64x3", "128x4", "256x4"};
  if (settings.points < 1 || settings.repeats < 1) throw Error(ErrorCode::config, "--points and --repeats: at least 1");
  if (!settings.data.empty() && settings.nets.size() != 1) throw Error(ErrorCode::config, "--data takes one --net");
  return settings;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    const Settings settings = parse(count, arguments);
    StreamOptions options;
    options.threads = settings.threads;
    Stream s(Device{}, options);
    for (const std::string& net : settings.nets) {
      std::printf("%s\n", bench_net(s, net, settings).dump().c_str());
      std::fflush(stdout);
    }
    return 0;
  } catch (const terrane::Error& e) {
    std::fprintf(stderr, "error: %s\n", e.message().c_str());
    return static_cast<int>(e.code());
  }
}
