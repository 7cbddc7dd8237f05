// SPDX-License-Identifier: MIT
// A setting of the field whose tangent kernel passes the wavenumbers that the data see at the start model.
//
// Gains by radial wavenumber, from random vectors z: g_H of S J^T W^2 J S with S = diag(J^T W^2 J)^-1/2, which takes
// the footprint of sources and receivers out, and g_K of K = J_f J_f^T at the initial weights of every candidate. A
// candidate's match is the cosine of g_K and g_H over all wavenumbers: 1 where the field changes what the data see and
// nothing else.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "analysis/kernels.hpp"
#include "autodiff/check.hpp"
#include "engine/analysis_session.hpp"
#include "engine/converted.hpp"
#include "engine/field_start.hpp"
#include "engine/registry.hpp"
#include "engine/simulation.hpp"
#include "kernels/kernels.hpp"

namespace terrane {

namespace {

struct Gain {
  std::vector<double> wavenumber, gain, modes;  // of each ring; modes: its part of white noise
  double mean = 0;                              // wavenumber, weighted with modes gain^2
};

// From outputs y of inputs z, (probes, nodes).
template <class T>
Gain gain_of(AnalysisSession<T>& a, const std::vector<std::vector<double>>& z,
             const std::vector<std::vector<double>>& y) {
  Gain r;
  std::vector<double> in, out;
  for (std::size_t p = 0; p < z.size(); ++p) {
    const auto add = [&](const std::vector<double>& v, std::vector<double>& power) {
      const RadialSpectrum s = a.wavenumbers(v);
      double mean = 0, energy = 0;
      for (const double x : v) mean += x / static_cast<double>(v.size());
      for (const double x : v) energy += (x - mean) * (x - mean);
      power.resize(s.power.size());
      for (std::size_t i = 0; i < power.size(); ++i) power[i] += energy * s.power[i];
      r.wavenumber = s.wavenumber;
    };
    add(z[p], in);
    add(y[p], out);
  }
  double total = 0, weight = 0, most = 0;
  for (const double v : in) total += v;
  for (std::size_t i = 0; i < in.size(); ++i) {
    r.modes.push_back(in[i] / total);
    r.gain.push_back(in[i] > 0 ? std::sqrt(out[i] / in[i]) : 0);
    most = std::max(most, r.gain.back());
    r.mean += r.wavenumber[i] * r.modes[i] * r.gain[i] * r.gain[i];
    weight += r.modes[i] * r.gain[i] * r.gain[i];
  }
  if (weight > 0) r.mean /= weight;
  for (double& v : r.gain) v /= most > 0 ? most : 1;
  return r;
}

double match(const Gain& a, const Gain& b) {
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.gain.size(); ++i) {
    ab += a.modes[i] * a.gain[i] * b.gain[i];
    aa += a.modes[i] * a.gain[i] * a.gain[i];
    bb += a.modes[i] * b.gain[i] * b.gain[i];
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0;
}

// Of the data at the start model.
template <class T>
Gain data_gain(AnalysisSession<T>& a, const std::vector<std::vector<double>>& z) {
  Tape<T> tape(a.s);
  const Simulation<T> simulation(a.s, a.problem, a.problem.wavelet, a.problem.shots());
  const Var m = tape.input(a.problem.grid.shape(), "model");
  const Var d = simulation.record(tape, m);
  tape.set(m, converted<T>(a.problem.start));
  tape.forward();
  const LinearMap<T> j = tape.map(m, d);
  std::vector<double> w(static_cast<std::size_t>(j.rows), 1.0);
  if (a.problem.std.size() == w.size()) {
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = 1 / a.problem.std[i];
  }
  std::vector<double> scale = normal_diagonal(a.s, j, w, 4 * static_cast<Index>(z.size()), a.seed() + 1);
  const double floor = 1e-3 * *std::max_element(scale.begin(), scale.end());
  for (double& v : scale) v = 1 / std::sqrt(v + floor);
  const LinearMap<T> wj = weighted_rows(a.s, j, w);
  std::vector<std::vector<double>> y;
  for (const std::vector<double>& probe : z) {
    std::vector<T> v(probe.size());
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = static_cast<T>(probe[i] * scale[i]);
    y.push_back(converted<double>(adjoint(a.s, wj, apply(a.s, wj, v))));
    for (std::size_t i = 0; i < scale.size(); ++i) y.back()[i] *= scale[i];
  }
  return gain_of(a, z, y);
}

// Of the kernel of another field, at the weights that it would start from.
template <class T>
Gain field_gain(AnalysisSession<T>& a, const Json& description, const std::vector<std::vector<double>>& z) {
  const auto field = Field<T>::make(description, a.problem.grid, a.seed());
  Tape<T> tape(a.s);
  const FieldInputs in =
      input_field(tape, field, a.problem, start_parameters(a.s, description, a.problem, field, true, Log{}));
  const Var m = field.record(tape, in.theta, in.start, Var{});
  tape.forward(m);
  const LinearMap<T> j = tape.map(in.theta, m);
  std::vector<std::vector<double>> y;
  for (const std::vector<double>& probe : z) {
    y.push_back(converted<double>(kernel_product(a.s, j, converted<T>(probe))));
  }
  return gain_of(a, z, y);
}

// "/field/omega_0" and the settings that have its value by default (omega_hidden) and have it in this config: they are
// changed together.
std::vector<std::string> changed_together(const Json& field, const std::string& setting) {
  std::vector<std::string> places{setting};
  const std::string key = setting.substr(std::string("/field/").size());
  const Component* component = find_component("field", field.at("type").get<std::string>());
  for (const Key& other : component->keys) {
    const std::string name(other.name);
    if (other.fallback == "=" + key && field.contains(name) && field.at(name) == field.at(key)) {
      places.push_back("/field/" + name);
    }
  }
  return places;
}

struct Candidates {
  std::string setting;  // "/field/omega_0"
  std::vector<double> values;
};

Candidates candidates_of(const Json& analysis, const Json& field) {
  Candidates c;
  const std::string type = field.at("type");
  if (type == "siren" || type == "low-rank" || type == "ig" || type == "lrg" || type == "wire") {
    c = {"/field/omega_0", {2.5, 5, 10, 20, 30, 45}};
  } else if (type == "fourier") {
    c = {"/field/sigma", {0.5, 1, 2, 5, 10, 20}};
  } else if (type == "mpe" || type == "fusion") {
    c = {"/field/encoder/base_resolution", {4, 8, 16, 32, 64}};
  }
  if (!analysis.at("setting").is_null()) {
    c.setting = analysis.at("setting");
    c.values.clear();
  }
  if (!analysis.at("values").is_null()) c.values = analysis.at("values").get<std::vector<double>>();
  if (c.setting.rfind("/field/", 0) != 0 || c.values.size() < 2) {
    throw Error(
        ErrorCode::config,
        "suggest: give \"setting\", a number of the field such as \"/field/omega_0\", and at least two \"values\"");
  }
  return c;
}

}  // namespace

template <class T>
void analyze_suggest(AnalysisSession<T>& a) {
  if (a.problem.start.empty())
    throw Error(ErrorCode::config, "suggest needs a start_model: the data are linearised there");
  const Candidates c = candidates_of(a.request.analysis, a.config.json().at("field"));
  std::vector<std::vector<double>> z;
  for (Index p = 0; p < a.request.analysis.at("probes").template get<Index>(); ++p) {
    z.push_back(random_normal<double>(a.nodes(), a.seed() + 100 + static_cast<std::uint64_t>(p)));
  }
  const Gain data = data_gain(a, z);
  const nlohmann::ordered_json::json_pointer place(c.setting);
  if (!a.config.json().contains(place)) {
    throw Error(ErrorCode::config, "suggest: the field has no " + c.setting);
  }
  const Json now = a.config.json().at(place);
  const std::vector<std::string> together = changed_together(a.config.json().at("field"), c.setting);
  AnalysisPage::Plot plot{"Gain by wavenumber", "Radial wavenumber (cycles per m)", "Gain, largest 1", {}};
  plot.curves.push_back({"data", data.wavenumber, data.gain});
  Json rows = Json::array();
  double best = -1, chosen = 0;
  const auto progress = a.progress("suggest", "candidates");
  for (const double value : c.values) {
    char text[64];
    std::snprintf(text, sizeof text, "=%.12g", value);
    std::vector<std::string> sets;
    for (const std::string& setting : together) sets.push_back(setting + text);
    const Config changed = Config::parse(a.config.json().dump(), "suggest", sets);
    const Gain gain = field_gain(a, changed.json().at("field"), z);
    const double m = match(gain, data);
    rows.push_back({{"value", value}, {"match", m}, {"mean_wavenumber_per_m", gain.mean}});
    if (m > best) best = m, chosen = value;
    if (progress) progress(static_cast<Index>(rows.size()), static_cast<Index>(c.values.size()));
    std::snprintf(text, sizeof text, "%.4g: %.3f", value, m);
    plot.curves.push_back({text, gain.wavenumber, gain.gain});
  }
  a.result["setting"] = c.setting;
  a.result["configured"] = now;
  a.result["suggested"] = chosen;
  a.result["data_mean_wavenumber_per_m"] = data.mean;
  a.result["candidates"] = rows;
  Json patch;
  for (const std::string& setting : together) patch[nlohmann::ordered_json::json_pointer(setting)] = chosen;
  write_file_atomic(a.request.directory + "/suggested.json", patch.dump(2) + "\n");
  a.page.plots.push_back(std::move(plot));
}

template void analyze_suggest(AnalysisSession<float>&);
template void analyze_suggest(AnalysisSession<double>&);

}  // namespace terrane
