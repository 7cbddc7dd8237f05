// SPDX-License-Identifier: MIT
#include "engine/benchmark.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>

#include "engine/benchmark_cases.hpp"
#include "engine/inversion.hpp"
#include "engine/io/text.hpp"
#include "engine/registry.hpp"
#include "engine/simulation.hpp"
#include "engine/version.hpp"
#include "kernels/kernels.hpp"

namespace terrane {
namespace {

// A call that takes longer is repeated three times only.
constexpr double repeat_limit_s = 15;

// What a call needs at least.
struct Work {
  double units = 0;   // counted in the rate
  std::string unit;   // of them
  double bytes = 0;   // moved
  Index set = 0;      // bytes that it works on at a time
  double single = 0;  // operations in single precision
  double twice = 0;   // in double precision
};

class Benchmark {
 public:
  explicit Benchmark(const BenchmarkOptions& o) : o_(o), repeats_(o.repeats > 0 ? o.repeats : o.quick ? 2 : 5) {
    StreamOptions options;
    options.threads = o.threads;
    s_ = std::make_unique<Stream>(o.device, options);
  }

  Json run(const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      if (name == "W1" || name == "W2" || name == "W3") waves(name);
      if (name == "W4") networks();
      if (name == "W5") hash_grids();
      if (name == "W6") first_arrivals();
      if (name == "W7") resistivity();
      if (name == "W8") tangent_kernels();
      if (name == "W9") iteration();
    }
    Json roofs = Json::array();
    for (const auto& [bytes, rate] : bandwidth_) {
      roofs.push_back({{"roof", "y = a x + b y"}, {"array_bytes", bytes}, {"bytes_per_s", rate}});
    }
    for (const auto& [scalar, rate] : product_) {
      roofs.push_back({{"roof", "matrix product, " + scalar}, {"flops_per_s", rate}});
    }
    return {{"schema_version", 1},
            {"version", version_json()},
            {"device", s_->device().name()},
            {"device_name", device_name()},
            {"kernels", s_->table().backend},
            {"threads", s_->threads()},
            {"quick", o_.quick},
            {"repeats", repeats_},
            {"load_average", load_average()},
            {"roofs", roofs},
            {"results", rows_}};
  }

 private:
  bool gpu() const { return s_->device().kind == DeviceKind::cuda; }
  Index side(Index full, Index quick) const { return o_.quick ? quick : full; }

  std::string device_name() const {
    for (const DeviceInfo& d : list_devices(gpu())) {
      if (d.device == s_->device()) return d.description;
    }
    return "";
  }
  static Json load_average() {
    double one = 0;
    std::ifstream in("/proc/loadavg");
    return in >> one ? Json(one) : Json(nullptr);
  }
  void say(const std::string& text) const {
    if (o_.progress) o_.progress(text);
  }

  // Bytes a second of streaming through arrays of about this size, which is rounded to a power of two.
  double bandwidth(Index bytes) {
    const Index most = o_.quick ? Index{1} << 25 : Index{1} << 29;
    Index size = Index{1} << 16;
    while (size < bytes && size < most) size *= 2;
    const auto known = bandwidth_.find(size);
    if (known != bandwidth_.end()) return known->second;
    const Index passes = std::max<Index>(1, (o_.quick ? Index{1} << 25 : Index{1} << 29) / size);
    const double seconds = time_streaming(*s_, size, passes, 3).front();
    return bandwidth_[size] = 1.5 * static_cast<double>(size * passes) / seconds;
  }
  double product_rate(bool twice) {
    const std::string scalar = twice ? "fp64" : "fp32";
    const auto known = product_.find(scalar);
    if (known != product_.end()) return known->second;
    const Index n = side(gpu() ? 4096 : 1024, 256);
    const auto seconds = twice ? time_product<double>(*s_, n, 5) : time_product<float>(*s_, n, 5);
    return product_[scalar] = 2 * std::pow(static_cast<double>(n), 3) / seconds.front();
  }

  void add(const std::string& workload, const std::string& name, const std::vector<double>& seconds, const Work& w,
           Json details) {
    if (seconds.empty()) return;
    double roof = w.bytes > 0 ? w.bytes / bandwidth(w.set) : 0;
    if (w.single > 0) roof += w.single / product_rate(false);
    if (w.twice > 0) roof += w.twice / product_rate(true);
    const std::size_t n = seconds.size();
    const double best = seconds.front(), median = 0.5 * (seconds[(n - 1) / 2] + seconds[n / 2]);
    rows_.push_back({{"workload", workload},
                     {"case", name},
                     {"repeats", n},
                     {"best_s", best},
                     {"median_s", median},
                     {"units", w.units},
                     {"unit", w.unit},
                     {"units_per_s", w.units / best},
                     {"roof_s", roof > 0 ? Json(roof) : Json(nullptr)},
                     {"roof_share", roof > 0 ? Json(roof / best) : Json(nullptr)},
                     {"details", std::move(details)}});
  }

  void wave_rows(const std::string& workload, const std::string& name, const WaveCase& c) {
    say(workload + ": " + name);
    const WaveTiming t = time_waves(*s_, c, repeats_, repeat_limit_s);
    const bool ring = t.plan.storage.policy == Storage::ring;
    const Json details{{"plan", t.plan.describe()},
                       {"padded_points", t.plan.points()},
                       {"points", c.grid.cells()},
                       {"steps", t.plan.inner_nt},
                       {"shots", t.plan.shots},
                       {"order", c.order},
                       {"storage", to_string(t.plan.storage.policy)}};
    Work w;
    w.units = t.point_steps;
    w.unit = "point steps";
    // Three wave fields and the model; shots run beside each other, one a thread.
    const Index beside = gpu() ? t.plan.shots : std::min<Index>(t.plan.shots, s_->threads());
    w.set = t.plan.points() * 16 * beside;
    w.bytes = (t.plan.flat() ? 15 : 22) * t.point_steps;
    add(workload, name + ", forward", t.forward_s, w, details);
    w.bytes = (t.plan.flat() ? (ring ? 43 : 51) : ring ? 58 : 62) * t.point_steps;
    w.set = t.plan.points() * 36 * beside + (ring ? 0 : t.plan.storage.bytes);
    add(workload, name + ", gradient", t.gradient_s, w, details);
  }

  void waves(const std::string& workload) {
    WaveCase c;
    c.storage = Storage::ring;
    c.depth_m = 20;
    c.dt_s = 8e-4;  // stable in three dimensions and order 8
    const double h = 10;
    if (workload == "W1") {
      c.grid = Grid3{side(300, 60), 1, side(600, 90), h, h, h};
      c.nt = side(300, 40);
      c.shots = side(8, 2);
      c.receiver_step = 2;
      for (const int order : {4, 8}) {
        c.order = order;
        wave_rows(workload, "2-D waves, order " + std::to_string(order), c);
      }
    } else if (workload == "W2") {
      c.grid = Grid3{side(1000, 120), 1, side(3000, 200), h, h, h};
      c.nt = side(60, 20);
      c.shots = 2;
      c.receiver_step = 10;
      c.order = 4;
      c.forward = false;
      wave_rows(workload, "2-D waves, large grid, order 4", c);
    } else {
      const Index n = side(256, 24);
      c.grid = Grid3{n, n, n, h, h, h};
      c.nt = side(10, 8);
      c.receiver_step = 8;
      for (const int order : {4, 8}) {
        c.order = order;
        wave_rows(workload, "3-D waves, order " + std::to_string(order), c);
      }
    }
  }

  void networks() {
    const Index n = side(gpu() ? Index{1} << 20 : Index{1} << 15, Index{1} << 11);
    for (const auto& [width, hidden] : {std::pair<Index, int>{64, 3}, {128, 4}, {256, 4}, {512, 5}}) {
      if (o_.quick && width > 128) continue;
      for (const auto& [precision, name] : {std::pair{MlpPrecision::tf32x3, gpu() ? "3xtf32" : "fp32"},
                                            {MlpPrecision::tf32, "tf32"},
                                            {MlpPrecision::bf16, "bf16"}}) {
        if (!gpu() && precision != MlpPrecision::tf32x3) continue;
        const std::string text =
            "sines " + std::to_string(width) + " x " + std::to_string(hidden) + ", " + std::string(name);
        say("W4: " + text);
        const NetworkTiming t = time_network(*s_, width, hidden, n, precision, repeats_, repeat_limit_s);
        const double flops = 2 * static_cast<double>(t.parameters) * static_cast<double>(n);
        const Json details{{"points", n}, {"parameters", t.parameters}, {"precision", name}};
        Work w;
        w.units = static_cast<double>(n);
        w.unit = "points";
        w.single = flops;
        add("W4", text + ", forward", t.forward_s, w, details);
        w.single = 3 * flops;
        add("W4", text + ", reverse", t.gradient_s, w, details);
      }
    }
  }

  void hash_grids() {
    const Index n = side(gpu() ? Index{1} << 20 : Index{1} << 16, Index{1} << 11);
    for (const bool random : {true, false}) {
      const std::string name = std::string("hash grid + 64 x 2, ") + (random ? "random points" : "rows of points");
      say("W5: " + name);
      const HashTiming t = time_hash_network(*s_, 64, n, random, repeats_, repeat_limit_s);
      const Json details{{"points", n}, {"table", t.table}, {"parameters", t.table + t.network}};
      Work w;
      w.units = static_cast<double>(n);
      w.unit = "points";
      const double corners = 4 * 0.5 * static_cast<double>(t.features), flops = 2 * static_cast<double>(t.network);
      w.set = t.table * 4;
      w.bytes = 32 * corners * w.units;
      w.single = flops * w.units;
      add("W5", name + ", forward", t.forward_s, w, details);
      w.bytes *= 3;  // read, then read and written
      w.single *= 3;
      add("W5", name + ", forward and reverse", t.gradient_s, w, details);
    }
  }

  void tangent_kernels() {
    const Index width = side(512, 32);
    for (const Index n : {side(1024, 128), side(4096, 256)}) {
      const bool full = gpu() || n <= 1024;
      const Index top = side(256, 16);
      const std::string name = "tangent kernel, " + std::to_string(n) + " points";
      say("W8: " + name);
      const TangentTiming t = time_tangent_kernel(*s_, width, 5, n, top, full, repeats_, repeat_limit_s);
      Work w;
      w.units = static_cast<double>(n) * static_cast<double>(n);
      w.unit = "elements";
      w.single = w.units * t.products;  // half of 2 N^2: the other half follows by symmetry
      add("W8", name + ", J J^T", t.gram_s, w, {{"points", n}, {"parameters", t.parameters}});
      w.single = 0;
      add("W8", name + ", " + std::to_string(top) + " eigenvalues", t.top_s, w,
          {{"points", n}, {"eigenvalues", top}, {"iterations", t.iterations}});
      add("W8", name + ", all eigenvalues", t.full_s, w, {{"points", n}});
    }
  }

  void first_arrivals() {
    for (const bool volume : {false, true}) {
      const Index n = side(128, 20), sources = side(16, 4);
      const Grid3 grid = volume ? Grid3{n, n, n, 10, 10, 10} : Grid3{side(300, 50), 1, side(600, 60), 10, 10, 10};
      const std::string name = volume ? "first arrivals, 3-D" : "first arrivals, 2-D";
      say("W6: " + name);
      const int order = gpu() ? 1 : 2;
      const EikonalTiming t = time_eikonal(*s_, grid, sources, order, repeats_, repeat_limit_s);
      const Json details{
          {"plan", t.describe}, {"nodes", grid.cells()}, {"sources", sources}, {"order", order}, {"sweeps", t.sweeps}};
      Work w;
      w.units = static_cast<double>(grid.cells() * sources);
      w.unit = "nodes x sources";
      w.bytes = 12 * w.units * static_cast<double>(t.sweeps);
      w.set = grid.cells() * sources * 12;
      add("W6", name + ", times", t.forward_s, w, details);
      w.bytes = 0;
      add("W6", name + ", adjoint", t.gradient_s, w, details);
    }
  }

  void resistivity() {
    if (!gpu()) {  // its factors are those of the host
      say("W7: resistivity, 2.5-D");
      const Grid3 grid{side(100, 16), 1, side(300, 40), 5, 5, 5};
      const ResistivityTiming t = time_resistivity(*s_, grid, side(50, 9), repeats_, repeat_limit_s);
      const Json details{{"plan", t.describe}, {"cells", t.cells}, {"electrodes", t.poles}};
      Work w;
      w.units = static_cast<double>(t.cells * t.poles * t.wavenumbers);
      w.unit = "cells x poles x wavenumbers";
      const double band = static_cast<double>(t.band), nodes = static_cast<double>(t.cells);
      w.twice = static_cast<double>(t.wavenumbers) * nodes * band * (band + 4 * static_cast<double>(t.poles));
      add("W7", "resistivity, 2.5-D, data", t.forward_s, w, details);
      w.twice = 0;
      add("W7", "resistivity, 2.5-D, adjoint", t.gradient_s, w, details);
    }
    const Index n = side(64, 12);
    for (const Index electrodes : {side(8, 6), side(50, 9)}) {
      const std::string name = "resistivity, 3-D, " + std::to_string(electrodes) + " electrodes";
      say("W7: " + name);
      const ResistivityTiming t = time_resistivity(*s_, Grid3{n, n, n, 5, 5, 5}, electrodes, repeats_, repeat_limit_s);
      const Json details{{"plan", t.describe}, {"cells", t.cells}, {"electrodes", t.poles}, {"steps", t.steps}};
      Work w;
      w.units = static_cast<double>(t.cells * t.poles);
      w.unit = "cells x poles";
      w.bytes = 140 * w.units * static_cast<double>(t.steps);
      w.set = t.cells * 16 * 8 * 4;  // four vectors of sixteen poles
      add("W7", name + ", data", t.forward_s, w, details);
      w.bytes = 0;
      add("W7", name + ", adjoint", t.gradient_s, w, details);
    }
  }

  // One iteration of an inversion as `run` does it: field, waves, misfit, derivatives, optimizer.
  void iteration() {
    say("W9: one neural waveform iteration");
    const Index nz = side(300, 40), nx = side(600, 60), nt = side(400, 60), shots = side(4, 2);
    const auto n = [](Index v) { return std::to_string(v); };
    const std::string line = R"({"type": "line", "x_m": [0, )" + n(10 * (nx - 1)) + R"(], "z_m": 20, "count": )";
    const std::string text =
        R"({"task": "invert", "grid": {"nz": )" + n(nz) + R"(, "nx": )" + n(nx) +
        R"(, "dz_m": 10, "dx_m": 10}, "physics": {"type": "acoustic", "order": 4, "vmax_mps": 4700, "storage": "ring"},
        "survey": {"dt_s": 0.001, "nt": )" +
        n(nt) + R"(, "wavelet": {"type": "ricker", "frequency_hz": 8}, "sources": )" + line + n(shots) +
        R"(}, "receivers": )" + line + n(nx / 2) +
        R"(}}, "true_model": {"type": "gradient", "top_mps": 1500, "bottom_mps": 4500}, "data": "synthetic",
        "start_model": {"type": "constant", "value_mps": 2500}, "misfit": "l2",
        "field": {"type": "siren", "width": )" +
        n(side(512, 32)) + R"(, "layers": )" + n(side(5, 2)) +
        R"(}, "optimizer": {"type": "adam", "lr": 1e-5, "iterations": 1000}})";
    const Config config = Config::parse(text, "W9");
    Problem problem = build_problem(config, true, s_->device());
    problem.observed = simulate<float>(*s_, problem, problem.true_model, problem.wavelet, problem.shots());
    Inversion<float> inversion(*s_, config, problem, Log());
    const auto seconds = timed_seconds(
        *s_, repeats_, [&] { inversion.step(); }, repeat_limit_s);
    const WavePlan plan = plan_waves(problem, wave_options_on(*s_, problem.wave), problem.shots(), 4);
    const auto parameters = inversion.field().parameters();
    Work w;
    w.units = 1;
    w.unit = "iterations";
    const auto steps = static_cast<double>(plan.points() * plan.inner_nt * plan.shots);
    w.bytes = 43 * steps;
    w.set = plan.points() * 36 * (gpu() ? plan.shots : std::min<Index>(plan.shots, s_->threads()));
    w.single = 6 * static_cast<double>(parameters * problem.grid.cells());
    add("W9", "one neural waveform iteration", seconds, w,
        {{"plan", inversion.describe()},
         {"point_steps", steps},
         {"parameters", parameters},
         {"points", problem.grid.cells()}});
  }

  const BenchmarkOptions& o_;
  int repeats_;
  std::unique_ptr<Stream> s_;
  std::map<Index, double> bandwidth_;
  std::map<std::string, double> product_;
  Json rows_ = Json::array();
};

std::string three_digits(double v, const char* unit = "") {
  char text[48];
  std::snprintf(text, sizeof text, "%.3g%s", v, unit);
  return text;
}

std::string rate_text(double per_s, const std::string& unit) {
  if (unit == "iterations") return three_digits(per_s, " it/s");
  return per_s >= 1e9 ? three_digits(1e-9 * per_s, " Gpt/s") : three_digits(1e-6 * per_s, " Mpt/s");
}

}  // namespace

const std::vector<BenchmarkWorkload>& benchmark_workloads() {
  static const std::vector<BenchmarkWorkload> rows = {{"W1", "2-D waves"},
                                                      {"W2", "2-D waves on a large grid"},
                                                      {"W3", "3-D waves"},
                                                      {"W4", "networks of sines"},
                                                      {"W5", "hash grids"},
                                                      {"W6", "first arrivals"},
                                                      {"W7", "resistivity"},
                                                      {"W8", "tangent kernels"},
                                                      {"W9", "one neural waveform iteration"}};
  return rows;
}

nlohmann::ordered_json benchmark(const BenchmarkOptions& options) {
  std::vector<std::string> known, chosen;
  for (const BenchmarkWorkload& w : benchmark_workloads()) known.push_back(w.name);
  for (std::string name : options.workloads) {
    if (!name.empty() && name[0] == 'w') name[0] = 'W';
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      throw Error(ErrorCode::config, "bench: \"" + name + "\" is not one of " + join_words(known));
    }
    if (std::find(chosen.begin(), chosen.end(), name) == chosen.end()) chosen.push_back(name);
  }
  return Benchmark(options).run(chosen.empty() ? known : chosen);
}

std::vector<std::string> benchmark_table(const nlohmann::ordered_json& result) {
  std::vector<std::vector<std::string>> cells = {
      {"workload", "case", "median s", "best s", "of", "rate", "of the roof"}};
  const bool compared = result.contains("against");
  if (compared) cells[0].insert(cells[0].end(), {"earlier s", "times faster"});  // best of the repeats
  for (const Json& r : result.at("results")) {
    const Json& share = r.at("roof_share");
    cells.push_back({r.at("workload"), r.at("case"), three_digits(r.at("median_s")), three_digits(r.at("best_s")),
                     std::to_string(r.at("repeats").get<Index>()), rate_text(r.at("units_per_s"), r.at("unit")),
                     share.is_null() ? "" : three_digits(100 * share.get<double>(), " %")});
    if (!compared) continue;
    const Json& old = r.at("against");
    for (const char* key : {"best_s", "best_ratio"}) {
      cells.back().push_back(old.is_null() ? "" : three_digits(old.at(key)));
    }
  }
  std::vector<std::size_t> width(cells[0].size(), 0);
  // All cells are ASCII: bytes are columns.
  for (const auto& row : cells) {
    for (std::size_t c = 0; c < row.size(); ++c) width[c] = std::max(width[c], row[c].size());
  }
  std::vector<std::string> lines;
  const auto line = [&](const std::vector<std::string>& row) {
    std::string text;
    for (std::size_t c = 0; c < row.size(); ++c) {
      const std::string pad(width[c] - row[c].size(), ' ');
      text += (c < 2 ? row[c] + pad : pad + row[c]) + (c + 1 < row.size() ? "  " : "");
    }
    lines.push_back(text);
  };
  for (const auto& row : cells) line(row);
  if (compared) {
    for (const Json& d : result.at("against").at("differs")) {
      lines.push_back("not the same: " + d.at("setting").get<std::string>() + " " + d.at("now").dump() + ", earlier " +
                      d.at("earlier").dump());
    }
    for (const Json& r : result.at("against").at("not_run")) {
      lines.push_back("not run now: " + r.at("workload").get<std::string>() + " " + r.at("case").get<std::string>());
    }
  }
  for (const Json& roof : result.at("roofs")) {
    const std::string name = roof.at("roof");
    lines.push_back("roof: " + name +
                    (roof.contains("flops_per_s")
                         ? ", " + three_digits(1e-9 * roof.at("flops_per_s").get<double>(), " GFLOP/s")
                         : ", arrays of " + three_digits(1e-6 * roof.at("array_bytes").get<double>(), " MB") + ", " +
                               three_digits(1e-9 * roof.at("bytes_per_s").get<double>(), " GB/s")));
  }
  return lines;
}

}  // namespace terrane
