// SPDX-License-Identifier: MIT
// Wave kernel J J^T and wave tangent kernels J K J^T of one trace: how fast their eigenvalues fall for fields at equal
// operator norm of K, at their initial weights and after a fit to the true trace. The set-up follows arXiv 2603.22362
// (94 nodes of 15 m, Ricker 8 Hz, 1.9 ms, 1000 samples, 10 runs), which shows curves only.
//
//   wave_kernel_1d MODEL SEEDS OUT [FIELD ...]
// MODEL: velocities (94, columns) in m/s as .npy, of which column 144 is taken. FIELD: as in fields_1d.hpp (default:
// all). OUT: a folder for wave_kernel_1d.json and figures. The wave and its derivatives are checked first. Medians of
// an even number of seeds are the upper one of the two in the middle.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <sstream>

#include "bench/fields_1d.hpp"
#include "bench/wave_1d_study.hpp"
#include "engine/figure.hpp"
#include "engine/io/file.hpp"
#include "engine/io/png.hpp"
#include "engine/version.hpp"

namespace {

using namespace terrane;
using Json = nlohmann::ordered_json;
using study::dot_of;
using study::middle;
using study::product;
using study::Vector;

// Second-order differences of the data against J v, and <w, J v> against <J^T w, v>.
Json check_derivatives(const Wave1d& wave, const Vector& m, const Vector& j) {
  const Random random(1, RandomPurpose::test);
  Vector v, plus = m, minus = m, jv;
  const double step = 1e-5;
  for (std::size_t i = 0; i < m.size(); ++i) {
    v.push_back(m[i] * random.normal(i));
    plus[i] += step * v[i];
    minus[i] -= step * v[i];
  }
  const Vector up = wave.forward(plus), down = wave.forward(minus);
  double error = 0, norm = 0;
  for (std::size_t k = 0; k < up.size(); ++k) {
    jv.push_back(dot_of(Vector(j.begin() + static_cast<std::ptrdiff_t>(k * m.size()),
                               j.begin() + static_cast<std::ptrdiff_t>((k + 1) * m.size())),
                        v));
    error += std::pow((up[k] - down[k]) / (2 * step) - jv[k], 2);
    norm += jv[k] * jv[k];
  }
  Vector d;
  const Vector zero(up.size(), 0.0), g = wave.gradient(m, zero, d);
  const double left = dot_of(d, jv), right = dot_of(g, v), difference = std::sqrt(error / norm);
  const double dot_error = std::abs(left - right) / std::sqrt(dot_of(d, d) * norm);
  require(difference < 1e-6 && dot_error < 1e-12, ErrorCode::failed, "the derivatives of the wave are wrong", "check");
  return {{"finite_difference", difference}, {"dot_test", dot_error}};
}

Json numbers_of(const Vector& lambda) {
  Json r;
  for (const double part : {1e-1, 1e-2, 1e-3, 1e-4, 1e-6, 1e-8}) {
    std::ostringstream name;
    name << part;
    r["above"][name.str()] = values_above(lambda, part);
  }
  r["holding_99_percent"] = values_holding(lambda, 0.99);
  r["entropy_rank"] = entropy_rank(lambda);
  r["participation_rank"] = participation_rank(lambda);
  const Index last = std::min<Index>(30, values_above(lambda, 1e-12));
  r["decay_exponent_2_to_30"] = last > 3 ? decay_exponent(lambda, 2, last) : 0;
  return r;
}

// The part of the first `count` places where a <= b.
double share_below(const Vector& a, const Vector& b, std::size_t count) {
  double hits = 0;
  for (std::size_t k = 0; k < count; ++k) hits += a[k] <= b[k] * (1 + 1e-9) ? 1 : 0;
  return hits / static_cast<double>(count);
}

// Smallest eigenvalue of a - b over the norm of both, which is one.
double least_difference(Stream& s, const Vector& a, const Vector& b, Index n) {
  Vector d = a;
  for (std::size_t i = 0; i < d.size(); ++i) d[i] -= b[i];
  const Buffer<double> device = to_device(s, d);
  return dense_eigenpairs(s, device.data(), n, 0, false).values.back();
}

constexpr const char* endings[] = {"", "-rms", "-unit", "-text", "-text-rms", "-text-unit"};

// Relative error of a record in a constant medium, before anything is reflected, against
// u = (v / 2) int s(t' - |z - z_s| / v) dt', with nodes and steps divided by `refine`.
double constant_medium_error(int refine) {
  const double v = 3;
  Wave1d w;
  w.nodes = 300 * refine;
  w.nt = 400 * refine;
  w.source = 150 * refine;
  w.receivers = {170 * refine};
  w.h_km = 0.015 / refine;
  w.dt_s = 0.0019 / refine;
  w.wavelet = Wave1d::ricker(8, w.dt_s, w.nt);
  const Vector u = w.forward(Vector(at(w.nodes), 1 / (v * v)));
  double error = 0, norm = 0;
  for (Index k = 0; k < w.nt; ++k) {
    const double t = static_cast<double>(k + 1) * w.dt_s - 20 * 0.015 / v - 1.5 / 8;
    const double exact = 0.5 * v * t * std::exp(-std::pow(3.14159265358979323846 * 8 * t, 2));
    error += std::pow(u[at(k)] - exact, 2);
    norm += exact * exact;
  }
  return std::sqrt(error / norm);
}

// To seven digits.
Json short_numbers(const Vector& v) {
  Json list = Json::array();
  char text[32];
  for (const double x : v) {
    std::snprintf(text, sizeof text, "%.7g", x);
    list.push_back(std::atof(text));
  }
  return list;
}

constexpr int fit_steps = 500;
constexpr double fit_rate = 1e-3;

using Kernels = std::vector<std::vector<study::Kernel>>;  // [field][seed], unit norm

struct Spectra {
  std::vector<std::string> fields;
  Vector wave;                               // of J J^T
  std::vector<std::vector<Vector>> tangent;  // [field][seed], K of unit norm
};

// At the initial weights, or after a fit to `target`; `misfit` of every field and seed.
Kernels unit_kernels(Stream& s, Index n, const std::vector<std::string>& fields, int seeds, const Vector& target,
                     Json& misfit) {
  Kernels out;
  for (const std::string& type : fields) {
    out.emplace_back();
    for (int seed = 0; seed < seeds; ++seed) {
      Field1d field(s, type, n, static_cast<std::uint64_t>(seed));
      if (!target.empty()) misfit[type].push_back(field.fit(target, fit_steps, fit_rate));
      Vector f, k = field.tangent_kernel(f);
      const double norm = study::decompose(s, k, n).values[0];
      for (double& v : k) v /= norm;
      out.back().push_back(study::decompose(s, std::move(k), n));
    }
  }
  return out;
}

Spectra spectra(Stream& s, const Vector& jtj, Index n, const std::vector<std::string>& fields, const Kernels& kernels) {
  Spectra out{fields, {}, {}};
  const Buffer<double> device = to_device(s, jtj);
  out.wave = dense_eigenpairs(s, device.data(), n, 0, false).values;
  for (double& v : out.wave) v = std::max(v, 0.0);  // rounding of the smallest
  for (const std::vector<study::Kernel>& field : kernels) {
    out.tangent.emplace_back();
    for (const study::Kernel& k : field) out.tangent.back().push_back(study::wave_spectrum(s, jtj, k, n));
  }
  return out;
}

// Medians over the seeds, place by place.
Vector median_spectrum(const std::vector<Vector>& seeds) {
  Vector out;
  for (std::size_t k = 0; k < seeds[0].size(); ++k) {
    Vector v;
    for (const Vector& one : seeds) v.push_back(one[k]);
    out.push_back(middle(v));
  }
  return out;
}

Json describe(Stream& s, const Spectra& spectra, const Kernels& kernels, Index n) {
  Json out{{"wave", numbers_of(spectra.wave)}};
  out["wave"]["eigenvalues"] = short_numbers(spectra.wave);
  for (std::size_t f = 0; f < spectra.fields.size(); ++f) {
    Json row = numbers_of(median_spectrum(spectra.tangent[f]));
    row["eigenvalues_median"] = short_numbers(median_spectrum(spectra.tangent[f]));
    Json each = Json::array();
    double bound = 0;
    Vector traces;
    for (std::size_t seed = 0; seed < spectra.tangent[f].size(); ++seed) {
      const Vector& lambda = spectra.tangent[f][seed];
      each.push_back(values_above(lambda, 1e-4));
      for (std::size_t k = 0; k < std::min<std::size_t>(40, lambda.size()); ++k)
        bound = std::max(bound, lambda[k] / spectra.wave[k]);
      double trace = 0;
      for (Index i = 0; i < n; ++i) trace += kernels[f][seed].k[at(i * (n + 1))];
      traces.push_back(trace);
    }
    row["above_1e-4_each_seed"] = each;
    row["largest_ratio_to_wave_kernel"] = bound;
    row["trace_of_unit_norm_k"] = middle(traces);
    out[spectra.fields[f]] = row;
  }
  const auto find = [&](const std::string& name) {
    return static_cast<std::size_t>(std::find(spectra.fields.begin(), spectra.fields.end(), name) -
                                    spectra.fields.begin());
  };
  const std::size_t places = static_cast<std::size_t>(values_above(spectra.wave, 1e-6));
  Json& pairs = out["pairs"];
  std::vector<std::pair<std::string, std::string>> order;
  for (const std::string ending : endings) {
    order.push_back({"inr", "ig" + ending});
    order.push_back({"ig" + ending, "mpe" + ending});
    order.push_back({"inr", "mpe" + ending});
  }
  for (const auto& [low, high] : order) {
    const std::size_t a = find(low), b = find(high);
    if (a >= spectra.fields.size() || b >= spectra.fields.size()) continue;
    Vector below, least, slower;
    for (std::size_t seed = 0; seed < spectra.tangent[a].size(); ++seed) {
      const Vector &x = spectra.tangent[a][seed], &y = spectra.tangent[b][seed];
      below.push_back(share_below(x, y, places));
      least.push_back(least_difference(s, kernels[b][seed].k, kernels[a][seed].k, n));
      slower.push_back(entropy_rank(y) > entropy_rank(x) ? 1 : 0);
    }
    double seeds_slower = 0;
    for (const double v : slower) seeds_slower += v;
    pairs[low + " <= " + high] = {{"places", places},
                                  {"share_of_places_median", middle(below)},
                                  {"seeds_with_larger_entropy_rank", seeds_slower},
                                  {"least_eigenvalue_of_difference_of_k_median", middle(least)}};
  }
  return out;
}

// Medians over the seeds; base 10, and base 50 where K is the table's. Left: over the largest of the wave kernel.
// Right: each over its own largest.
void draw(const std::string& file, const Spectra& found) {
  const double left = 66, width = 430, height = 330, gap = 84;
  Drawing d(2 * left + 2 * width + gap, height + 76);
  for (const bool own : {false, true}) {
    LinePlot plot;
    plot.title = own ? "Eigenvalues over their own largest" : "Eigenvalues over that of the wave kernel, |K| = 1";
    plot.x = {"Place", 1, 94};
    plot.y = {"", 1e-12, 2, true};
    std::size_t color = 0;
    const auto add = [&](const std::string& name, const Vector& values) {
      Series line{name, {}, {}, study::paint(color++), 1.8, 0};
      for (std::size_t k = 0; k < values.size(); ++k) {
        line.x.push_back(static_cast<double>(k + 1));
        line.y.push_back(values[k] / (own ? values[0] : found.wave[0]));
      }
      for (double& v : line.y) v = v > 1e-12 ? v : std::nan("");
      plot.series.push_back(line);
    };
    add("wave kernel", found.wave);
    for (std::size_t f = 0; f < found.fields.size(); ++f) {
      const std::string& name = found.fields[f];
      const bool text = name.find("-text") != std::string::npos;
      if (text == name.ends_with("-unit")) add(name, median_spectrum(found.tangent[f]));
    }
    draw_line_plot(d, {left + (own ? width + gap : 0), 26, width, height}, plot);
  }
  write_png(file, d.raster(2));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::cerr << "usage: wave_kernel_1d MODEL SEEDS OUT [FIELD ...]\n";
    return 2;
  }
  try {
    Stream s{Device{}};
    const study::ModelTrace trace = study::read_trace(argv[1]);
    const Index n = static_cast<Index>(trace.truth.size());
    const int seeds = std::max(1, std::atoi(argv[2]));
    const std::string folder = argv[3];
    std::vector<std::string> fields(argv + 4, argv + argc);
    if (fields.empty()) {
      fields = {"inr"};
      for (const std::string ending : endings) {
        fields.push_back("ig" + ending);
        fields.push_back("mpe" + ending);
      }
    }
    std::filesystem::create_directories(folder);
    Json out{{"nodes", n}, {"seeds", seeds}, {"version", version_string()}};
    const double coarse = constant_medium_error(1), fine = constant_medium_error(2);
    require(coarse < 0.05 && fine < coarse / 3.5, ErrorCode::failed, "the wave in a constant medium is wrong", "check");
    out["constant_medium_error"] = {coarse, fine};
    // F that holds the true velocity: (v - v of the smooth start) / (1 km/s).
    Vector target;
    for (std::size_t i = 0; i < at(n); ++i) {
      target.push_back(1 / std::sqrt(trace.truth[i]) - 1 / std::sqrt(trace.smooth[i]));
    }
    const Kernels kernels = unit_kernels(s, n, fields, seeds, {}, out);
    const Kernels fitted = unit_kernels(s, n, fields, seeds, target, out["misfit_of_fit"]);
    for (const bool ten : {false, true}) {
      const Wave1d wave = study::make_wave(n, ten);
      const std::string geometry = ten ? "ten_receivers" : "one_receiver";
      for (const bool smooth : {true, false}) {
        const Vector& m = smooth ? trace.smooth : trace.truth;
        const Vector j = wave.jacobian(m);
        const Vector jtj = product(s, j, true, j, false, n, wave.data(), n);
        const Spectra found = spectra(s, jtj, n, fields, kernels);
        Json& place = out[geometry][smooth ? "at_smooth_start" : "at_true_model"];
        place = describe(s, found, kernels, n);
        place["check"] = check_derivatives(wave, m, j);
        if (smooth) {
          draw(folder + "/eigenvalues_" + geometry + ".png", found);
        } else {
          const Spectra after = spectra(s, jtj, n, fields, fitted);
          out[geometry]["at_true_model_after_fit"] = describe(s, after, fitted, n);
          draw(folder + "/eigenvalues_" + geometry + "_after_fit.png", after);
        }
      }
    }
    write_file_atomic(folder + "/wave_kernel_1d.json", out.dump(1) + "\n");
    return 0;
  } catch (const terrane::Error& e) {
    std::cerr << e.message() << "\n";
    return static_cast<int>(e.code());
  }
}
