// SPDX-License-Identifier: MIT
// `terrane doctor`: what this machine offers, and on request the gradient and analytic checks on every usable device.
#include <chrono>
#include <cmath>
#include <cstdio>

#include "analysis/metrics.hpp"
#include "autodiff/check.hpp"
#include "engine/field.hpp"
#include "engine/json_value.hpp"
#include "engine/run.hpp"
#include "engine/version.hpp"
#include "kernels/runtime/error.hpp"
#include "physics/wave/wave_op.hpp"
#include "physics/wave/wavelet.hpp"

namespace terrane {

namespace {

struct Check {
  std::string name;
  double value, limit;
  bool at_most;
  bool ok() const { return at_most ? value <= limit : value >= limit; }
};

// A small neural waveform problem: SIREN -> waves, in scalar T.
template <class T>
void gradient_checks(Stream& s, double dot_limit, std::vector<Check>& checks) {
  const Grid2 grid{24, 30, 10, 10};
  const auto survey = Survey::fixed_spread({{63, 21}, {207, 21}}, line_of_positions(12, 5, 25, 13), 120, 1e-3);
  WaveOptions options;
  options.vmax_mps = 4500;
  options.pml_frequency_hz = 15;
  Tape<T> tape(s);
  const Json section{{"type", "siren"}, {"width", 16}, {"layers", 2}};
  const auto field = Field<T>::make(section, grid, 1);
  const Var theta = tape.input({field.parameters()}, "theta");
  const Var m0 = tape.input({grid.nz, grid.nx}, "start", false);
  const Var w = tape.input({survey.nt}, "wavelet");
  tape.set(m0, std::vector<T>(static_cast<std::size_t>(grid.cells()), T(2500)));
  tape.set(theta, field.initial_parameters());
  const auto wavelet = ricker(15, survey.nt, survey.dt_s);
  tape.set(w, std::vector<T>(wavelet.begin(), wavelet.end()));
  const Var vp = field.record(tape, theta, m0);
  auto wave = std::make_shared<AcousticWave<T>>(s, grid, survey, options, 2);
  const Var data = tape.apply(std::make_shared<WaveOp<T>>(wave, nullptr), {vp, w});
  tape.forward();
  checks.push_back({"field: dot test", dot_test(s, tape.map(theta, vp), 1), dot_limit, true});
  checks.push_back({"wave: dot test, velocity", dot_test(s, tape.map(vp, data), 2), dot_limit, true});
  checks.push_back({"wave: dot test, wavelet", dot_test(s, tape.map(w, data), 3), dot_limit, true});
  checks.push_back({"field and wave: dot test", dot_test(s, tape.map(theta, data), 4), dot_limit, true});
  if constexpr (std::is_same_v<T, double>) {
    const TaylorResult r = taylor_test(tape, theta, data, 5, 1e-3);
    checks.push_back({"field and wave: Taylor slope", r.slope, 1.9, false});
  }
}

// Homogeneous medium against the exact 2-D response p = s * H(t - r/v) / (2 pi sqrt(t^2 - r^2/v^2)).
double green_error(Stream& s) {
  const double v = 2000, f = 10, h = v / (2.5 * f) / 8, distance = 40 * h, dt = 0.1 * h / v;
  const Grid2 grid{61, 91, h, h};
  const auto nt = static_cast<Index>((distance / v + 3 / f) / dt);
  const auto survey = Survey::fixed_spread({{25 * h, 30 * h}}, {{25 * h + distance, 30 * h}}, nt, dt);
  WaveOptions options;
  options.vmax_mps = v;
  options.pml_frequency_hz = f;
  options.substeps = 1;
  const AcousticWave<double> wave(s, grid, survey, options);
  const auto wavelet = ricker(f, nt, dt);
  const Buffer<double> vp = to_device(s, std::vector<double>(static_cast<std::size_t>(grid.cells()), v));
  const Buffer<double> w = to_device(s, wavelet), data(s, nt);
  wave.forward(s, vp.data(), w.data(), data.data(), false);
  const auto record = to_host(s, data);
  // t' = r/v cosh(a) removes the singularity: p(t) = 1/(2 pi) int s(t - r/v cosh a) da.
  std::vector<double> exact(record.size());
  const double arrival = distance / v, delay = 1.5 / f;
  const auto source = [&](double t) {
    const double a = std::pow(3.14159265358979323846 * f * (t - delay), 2);
    return t < 0 ? 0.0 : (1 - 2 * a) * std::exp(-a);
  };
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const double t = static_cast<double>(i) * dt;
    if (t <= arrival) continue;
    const double end = std::acosh(t / arrival);
    constexpr int n = 2000;
    double sum = 0;
    for (int k = 0; k <= n; ++k) {
      const double weight = k == 0 || k == n ? 1 : (k % 2 ? 4 : 2);
      sum += weight * source(t - arrival * std::cosh(end * k / n));
    }
    exact[i] = sum * end / n / 3 / (2 * 3.14159265358979323846);
  }
  return relative_l2(std::span<const double>(record), std::span<const double>(exact));
}

Json verify_device(const Device& device, int threads, std::vector<std::string>* lines, bool* all_ok) {
  StreamOptions options;
  options.threads = threads;
  Stream s(device, options);
  std::vector<Check> checks;
  gradient_checks<double>(s, 1e-12, checks);
  gradient_checks<float>(s, 1e-5, checks);
  checks.push_back({"wave: Green's function, relative L2", green_error(s), 5e-3, true});
  Json rows = Json::array();
  for (std::size_t i = 0; i < checks.size(); ++i) {
    const Check& c = checks[i];
    *all_ok = *all_ok && c.ok();
    char text[160];
    std::snprintf(text, sizeof text, "  %-36s %10.3g  %s %g  %s", c.name.c_str(), c.value,
                  c.at_most ? "<=" : ">=", c.limit, c.ok() ? "ok" : "FAILED");
    if (lines != nullptr) lines->emplace_back(text);
    rows.push_back({{"check", c.name},
                    {"value", std::isfinite(c.value) ? Json(c.value) : Json(nullptr)},
                    {"limit", c.limit},
                    {"ok", c.ok()}});
  }
  return rows;
}

}  // namespace

nlohmann::ordered_json doctor(bool verify, const RunOptions& options, std::vector<std::string>* lines) {
  const auto say = [&](const std::string& text) {
    if (lines != nullptr) lines->push_back(text);
  };
  Json r{{"version", version_json()}, {"threads", options.threads > 0 ? options.threads : default_threads()}};
  say("terrane " + version_string() + ", " + r.at("version").at("build").dump());
  say("threads: " + r.at("threads").dump());
  Json devices = Json::array();
  bool gpu = false, all_ok = true;
  const auto found = list_devices(true);
  for (const DeviceInfo& d : found) {
    say(d.device.name() + ": " + (d.usable ? d.description : "not usable, " + d.reason));
    devices.push_back(
        {{"device", d.device.name()}, {"usable", d.usable}, {"description", d.description}, {"reason", d.reason}});
    gpu = gpu || (d.usable && d.device.kind == DeviceKind::cuda);
  }
  say(std::string("device auto: ") + (gpu ? "cuda:0" : "cpu"));
  r["devices"] = devices;
  for (const auto& [name, value] : r.at("version").at("libraries").items()) say(name + ": " + value.get<std::string>());
  if (!verify) return r;
  for (const DeviceInfo& d : found) {
    if (!d.usable) continue;
    say("checks on " + d.device.name() + ":");
    r["verify"][d.device.name()] = verify_device(d.device, options.threads, lines, &all_ok);
  }
  r["ok"] = all_ok;
  r["exit_code"] = all_ok ? 0 : 1;
  return r;
}

}  // namespace terrane
