// SPDX-License-Identifier: MIT
// Does the wave tangent kernel T = J K J^T stand still in a wide network? One trace, m = m0 + s F with the network of
// arXiv 2603.22362, F = n^(-1/2) w . f(a x + b) + c, all entries N(0, 1), f = tanh, under plain gradient descent of
// |d(m) - d|^2 / 2. Against the width n, over seeds: the size of T and of K at the start (mean, standard deviation) and
// the largest drift |X(t) - X(0)| / |X(0)| (Frobenius norms) of T, of K, and of T with K held at its start.
//
//   wave_kernel_drift MODEL SEEDS ITERATIONS OUT
// MODEL as in wave_kernel_1d; OUT: a folder for wave_kernel_drift.json and drift.png.
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "analysis/gram.hpp"
#include "analysis/network_jacobian.hpp"
#include "bench/wave_1d_study.hpp"
#include "engine/field.hpp"
#include "engine/io/file.hpp"
#include "engine/io/png.hpp"
#include "engine/version.hpp"
#include "kernels/runtime/random.hpp"

namespace {

using namespace terrane;
using namespace terrane::study;
using Json = nlohmann::ordered_json;

constexpr double field_scale = 0.01;  // s, in s^2/km^2

// F and its derivatives. theta as in kernels/mlp: (a, b) by rows of the hidden layer, w, c n^(1/2).
class Shallow {
 public:
  Shallow(Stream& s, Index nodes, Index width, std::uint64_t seed)
      : s_(s), n_(nodes), width_(width), shape_(mlp_shape(1, {width}, Activation::tanh, 0)) {
    const Random random(seed, RandomPurpose::field_init);
    for (Index i = 0; i < shape_.parameters(); ++i) theta_.push_back(random.normal(static_cast<std::uint64_t>(i)));
    theta_.back() *= std::sqrt(static_cast<double>(width));
    Vector x;
    for (Index k = 0; k < nodes; ++k) x.push_back(-1 + 2 * static_cast<double>(k) / static_cast<double>(nodes - 1));
    x_ = to_device(s, x);
    root_ = to_device(s, Vector(at(nodes), 1 / std::sqrt(static_cast<double>(width))));
  }
  Vector values() const {
    const Buffer<double> theta = to_device(s_, theta_), y(s_, n_);
    mlp_forward(s_, MlpForward<double>{shape_, n_, theta.data(), x_.data(), y.data()});
    Vector f = to_host(s_, y);
    for (double& v : f) v /= std::sqrt(static_cast<double>(width_));
    return f;
  }
  // K of F; the library sees c n^(1/2), whose share 1 / n stands for the 1 of c.
  Vector kernel() const {
    const Buffer<double> theta = to_device(s_, theta_), k(s_, n_ * n_);
    gram(s_, network_factors(s_, shape_, theta.data(), n_, x_.data(), root_.data()), k.data());
    Vector out = to_host(s_, k);
    for (double& v : out) v += 1 - 1 / static_cast<double>(width_);
    return out;
  }
  // theta -= eta dF/dtheta^T g
  void descend(const Vector& g, double eta) {
    const Buffer<double> theta = to_device(s_, theta_), w = to_device(s_, g), d(s_, shape_.parameters());
    network_jacobian(s_, shape_, theta.data(), n_, x_.data(), root_.data()).adjoint(s_, w.data(), d.data());
    Vector step = to_host(s_, d);
    step.back() *= static_cast<double>(width_);
    for (std::size_t i = 0; i < step.size(); ++i) theta_[i] -= eta * step[i];
  }

 private:
  Stream& s_;
  Index n_, width_;
  MlpShape shape_;
  Vector theta_;
  Buffer<double> x_, root_;
};

// J and K at one time; T = J K J^T is compared through tr T1 T2 = tr K1 (J1^T J2) K2 (J2^T J1).
struct Moment {
  Vector j, k;
};

double inner(Stream& s, const Moment& a, const Moment& b, Index nodes, Index data) {
  const Vector cross = product(s, a.j, true, b.j, false, nodes, data, nodes);
  const Vector left = product(s, a.k, false, cross, false, nodes, nodes, nodes);  // K_a (J_a^T J_b)
  const Vector right = product(s, b.k, false, cross, true, nodes, nodes, nodes);  // K_b (J_b^T J_a)
  double trace = 0;
  for (Index i = 0; i < nodes; ++i) {
    for (Index k = 0; k < nodes; ++k) trace += left[at(i * nodes + k)] * right[at(k * nodes + i)];
  }
  return trace;
}

struct Run {
  double size_t0 = 0, size_k0 = 0, drift_t = 0, drift_k = 0, drift_j = 0, misfit_ratio = 0;
  Vector times, curve;  // drift of T
};

double frobenius(const Vector& a) { return std::sqrt(dot_of(a, a)); }

Run run(Stream& s, const Wave1d& wave, const ModelTrace& trace, Index width, std::uint64_t seed, int iterations) {
  const Index n = wave.nodes;
  const Vector observed = wave.forward(trace.truth);
  Shallow field(s, n, width, seed);
  const auto model = [&] {
    Vector m = field.values();
    for (Index i = 0; i < n; ++i) m[at(i)] = trace.smooth[at(i)] + field_scale * m[at(i)];
    return m;
  };
  Run out;
  Moment start;
  double size = 0, first_misfit = 0, eta = 0, last_misfit = 0;
  int next = 1;
  for (int k = 0; k <= iterations; ++k) {
    const Vector m = model();
    if (k == 0 || k == next || k == iterations) {
      const Moment now{wave.jacobian(m), field.kernel()};
      if (k == 0) {
        start = now;
        size = inner(s, now, now, n, wave.data());
        out.size_t0 = field_scale * field_scale * std::sqrt(size);
        out.size_k0 = frobenius(now.k);
        const Vector jtj = product(s, now.j, true, now.j, false, n, wave.data(), n);
        eta = 0.5 / wave_spectrum(s, jtj, decompose(s, now.k, n), n)[0];
      } else {
        const Moment fixed{now.j, start.k};
        const auto drift = [&](const Moment& x) {
          const double squares = inner(s, x, x, n, wave.data()) + size - 2 * inner(s, x, start, n, wave.data());
          return std::sqrt(std::max(0.0, squares) / size);
        };
        Vector dk = now.k;
        for (std::size_t i = 0; i < dk.size(); ++i) dk[i] -= start.k[i];
        out.times.push_back(k);
        out.curve.push_back(drift(now));
        out.drift_t = std::max(out.drift_t, out.curve.back());
        out.drift_k = std::max(out.drift_k, frobenius(dk) / frobenius(start.k));
        out.drift_j = std::max(out.drift_j, drift(fixed));
        if (k == next) next *= 2;
      }
    }
    Vector d;
    const Vector g = wave.gradient(m, observed, d);
    last_misfit = 0;
    for (std::size_t i = 0; i < d.size(); ++i) last_misfit += std::pow(d[i] - observed[i], 2);
    if (k == 0) first_misfit = last_misfit;
    // d theta = -(eta / s^2) J_F^T (s J^T r): the factor s of the chain, and s^2 in the largest eigenvalue.
    field.descend(g, eta / field_scale);
  }
  out.misfit_ratio = last_misfit / first_misfit;
  return out;
}

Json statistics(const Vector& v) {
  double mean = 0, squares = 0;
  for (const double x : v) mean += x / static_cast<double>(v.size());
  for (const double x : v)
    squares += (x - mean) * (x - mean) / static_cast<double>(std::max<std::size_t>(1, v.size() - 1));
  return {{"median", middle(v)},
          {"mean", mean},
          {"standard_deviation", std::sqrt(squares)},
          {"relative_deviation", std::sqrt(squares) / mean}};
}

void draw(const std::string& file, const Json& rows) {
  const double left = 66, width = 400, height = 300, gap = 90;
  Drawing d(2 * left + 2 * width + gap, height + 76);
  const auto curve = [&](const char* name, const char* key, const char* what, std::size_t color) {
    Series line{name, {}, {}, paint(color), 1.8, 0};
    for (const Json& row : rows) {
      line.x.push_back(row.at("width"));
      line.y.push_back(row.at(key).at(what));
    }
    return line;
  };
  LinePlot plot;
  plot.title = "Largest drift in training over the start, median of seeds";
  plot.x = {"Width", rows.front().at("width").get<double>() / 1.5, rows.back().at("width").get<double>() * 1.5, true};
  plot.y = {"", 1e-6, 100, true};
  plot.series = {curve("wave tangent kernel", "drift_of_wave_tangent_kernel", "median", 1),
                 curve("the same, K held", "drift_with_k_held", "median", 2),
                 curve("tangent kernel K", "drift_of_k", "median", 3)};
  draw_line_plot(d, {left, 26, width, height}, plot);
  plot.title = "Size at the start, standard deviation over mean of seeds";
  plot.y = {"", 1e-3, 3, true};
  plot.series = {curve("wave tangent kernel", "size_of_wave_tangent_kernel", "relative_deviation", 1),
                 curve("tangent kernel K", "size_of_k", "relative_deviation", 3)};
  draw_line_plot(d, {left + width + gap, 26, width, height}, plot);
  write_png(file, d.raster(2));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "usage: wave_kernel_drift MODEL SEEDS ITERATIONS OUT\n";
    return 2;
  }
  try {
    Stream s{Device{}};
    const ModelTrace trace = read_trace(argv[1]);
    const int seeds = std::max(2, std::atoi(argv[2])), iterations = std::max(1, std::atoi(argv[3]));
    const std::string folder = argv[4];
    std::filesystem::create_directories(folder);
    const Wave1d wave = make_wave(static_cast<Index>(trace.truth.size()));
    Json rows = Json::array();
    for (const Index width : {64, 256, 1024, 4096, 16384, 65536}) {
      std::vector<Run> runs;
      for (int k = 0; k < seeds; ++k)
        runs.push_back(run(s, wave, trace, width, static_cast<std::uint64_t>(k), iterations));
      const auto of = [&](double Run::*member) {
        Vector v;
        for (const Run& r : runs) v.push_back(r.*member);
        return statistics(v);
      };
      Vector curve;
      for (std::size_t k = 0; k < runs[0].times.size(); ++k) {
        Vector v;
        for (const Run& r : runs) v.push_back(r.curve[k]);
        curve.push_back(middle(v));
      }
      rows.push_back({{"width", width},
                      {"size_of_wave_tangent_kernel", of(&Run::size_t0)},
                      {"size_of_k", of(&Run::size_k0)},
                      {"drift_of_wave_tangent_kernel", of(&Run::drift_t)},
                      {"drift_of_k", of(&Run::drift_k)},
                      {"drift_with_k_held", of(&Run::drift_j)},
                      {"misfit_last_over_first", of(&Run::misfit_ratio)},
                      {"iterations", runs[0].times},
                      {"drift_of_wave_tangent_kernel_median_curve", curve}});
      std::cout << rows.back().dump() << std::endl;
    }
    draw(folder + "/drift.png", rows);
    const Json out{{"seeds", seeds},
                   {"iterations", iterations},
                   {"step", "half of one over the largest eigenvalue at the start"},
                   {"field_scale_s2_per_km2", field_scale},
                   {"rows", rows},
                   {"version", version_string()}};
    write_file_atomic(folder + "/wave_kernel_drift.json", out.dump(1) + "\n");
    return 0;
  } catch (const terrane::Error& e) {
    std::cerr << e.message() << "\n";
    return static_cast<int>(e.code());
  }
}
