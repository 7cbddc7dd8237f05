// SPDX-License-Identifier: MIT
// Kernels of the data: sensitivity and its neural form, wave kernel and wave tangent kernel, what the kernel of the
// field does to the gradient; resolution.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "analysis/kernels.hpp"
#include "analysis/network_jacobian.hpp"
#include "analysis/resolution.hpp"
#include "analysis/trace_measures.hpp"
#include "engine/analysis_session.hpp"
#include "engine/converted.hpp"
#include "engine/io/npy.hpp"
#include "engine/simulation.hpp"
#include "kernels/kernels.hpp"

namespace terrane {

namespace {

// theta -> m -> d for the whole survey, evaluated.
template <class T>
struct DataTape {
  explicit DataTape(AnalysisSession<T>& a) : simulation(a.s, a.problem, a.problem.wavelet, a.problem.shots()) {
    d = simulation.record(a.tape, a.model);
    a.tape.forward();
    count = a.tape.size(d);
    for (const T v : a.tape.get(d)) predicted.push_back(static_cast<double>(v));
    maps = inversion_maps(a.tape, a.theta, a.model, d);
  }
  Simulation<T> simulation;
  Var d;
  Index count = 0;
  std::vector<double> predicted;
  InversionMaps<T> maps;
};

double rms(const std::vector<double>& v) {
  double sum = 0;
  for (const double x : v) sum += x * x;
  return std::sqrt(sum / static_cast<double>(v.size()));
}

// An array of a finished run with one value for each datum.
template <class T>
std::vector<double> of_run(const AnalysisSession<T>& a, const std::string& name, Index count) {
  const std::string file = a.request.source + "/" + name;
  const auto array = read_npy<double>(file);
  if (static_cast<Index>(array.values.size()) == count) return array.values;
  throw Error(
      ErrorCode::data,
      "there are " + std::to_string(array.values.size()) + " values, the survey has " + std::to_string(count) + " data",
      file);
}

// Observations of a finished run, or of the config's files; empty where there are none.
template <class T>
std::vector<double> observed(const AnalysisSession<T>& a, Index count) {
  return a.run() ? of_run(a, "data_observed.npy", count) : a.problem.observed;
}
// Standard deviations of the data; empty where they are not known.
template <class T>
std::vector<double> deviations(const AnalysisSession<T>& a, Index count) {
  if (static_cast<Index>(a.problem.std.size()) == count) return a.problem.std;
  if (a.run() && std::filesystem::exists(a.request.source + "/data_std.npy")) return of_run(a, "data_std.npy", count);
  return {};
}

// Weights of the data: 1 / deviations, or 1 / noise for all where those are not known, and the mask.
template <class T>
std::vector<double> data_weights(const AnalysisSession<T>& a, Index count, double noise) {
  std::vector<double> w(static_cast<std::size_t>(count), 1 / noise);
  const Problem& p = a.problem;
  const std::vector<double> std = deviations(a, count);
  for (std::size_t i = 0; i < w.size(); ++i) {
    if (!std.empty()) w[i] = 1 / std[i];
    if (!p.mask.empty())
      w[i] *= p.mask[p.mask.size() == w.size() ? i : i / static_cast<std::size_t>(p.trace_samples())];
  }
  return w;
}

// One datum, or what is measured on a trace of waves, as a combination of data.
struct Chosen {
  std::string name;
  std::vector<double> w;  // (data)
  std::string title;      // above its image; empty: the name
};

// The strongest sample of a trace.
Chosen arrival(const Problem& p, const std::vector<double>& d, Index shot, Index receiver) {
  const Index nt = p.survey.nt, first = (shot * p.survey.max_receivers() + receiver) * nt;
  const auto begin = d.begin() + first;
  const auto peak = std::max_element(begin, begin + nt, [](double a, double b) { return std::fabs(a) < std::fabs(b); });
  char name[96];
  std::snprintf(name, sizeof name, "shot %lld, receiver %lld, %.3f s", static_cast<long long>(shot),
                static_cast<long long>(receiver), static_cast<double>(peak - begin) * p.survey.dt_s);
  Chosen c{name, std::vector<double>(d.size(), 0.0), ""};
  c.w[static_cast<std::size_t>(peak - d.begin())] = 1;
  return c;
}

// Delay of the waves in a window, or amplitude and phase at a frequency, of a trace.
std::vector<Chosen> measured_on(const Problem& p, const std::vector<double>& d, Index shot, Index receiver,
                                const Json& analysis) {
  const Index nt = p.survey.nt, first = (shot * p.survey.max_receivers() + receiver) * nt;
  const double dt_s = p.survey.dt_s;
  const std::vector<double> u(d.begin() + first, d.begin() + first + nt);
  const Json &window = analysis.at("window_s"), &frequency = analysis.at("frequency_hz");
  char name[160];
  int used = std::snprintf(name, sizeof name, "shot %lld, receiver %lld", static_cast<long long>(shot),
                           static_cast<long long>(receiver));
  std::vector<double> taper(u.size(), 1.0);
  if (!window.is_null()) {
    const double begin_s = window[0], end_s = window[1];
    taper = trace_taper(nt, dt_s, begin_s, end_s);
    used +=
        std::snprintf(name + used, sizeof name - static_cast<std::size_t>(used), ", %.3f to %.3f s", begin_s, end_s);
  }
  std::vector<Chosen> list;
  const std::string pair = std::to_string(shot) + ":" + std::to_string(receiver);
  const auto add = [&](const char* measure, const char* title, const std::vector<double>& w) {
    Chosen c{name + std::string(measure), std::vector<double>(d.size(), 0.0), pair + title};
    std::copy(w.begin(), w.end(), c.w.begin() + first);
    list.push_back(std::move(c));
  };
  if (frequency.is_null()) {
    add(": delay (s)", " delay", delay_functional(u, taper, dt_s));
    return list;
  }
  const double f_hz = frequency;
  std::snprintf(name + used, sizeof name - static_cast<std::size_t>(used), ", %.4g Hz", f_hz);
  const SpectralFunctionals f = spectral_functionals(u, taper, dt_s, f_hz);
  add(": ln amplitude", " ln amplitude", f.log_amplitude);
  add(": phase (rad)", " phase", f.phase_rad);
  return list;
}

template <class T>
std::vector<Chosen> chosen_data(const AnalysisSession<T>& a, const std::vector<double>& d) {
  const auto count = static_cast<Index>(d.size());
  const Problem& p = a.problem;
  std::vector<Chosen> list;
  for (const Index i : a.request.analysis.at("data").template get<std::vector<Index>>()) {
    if (i < 0 || i >= count) {
      throw Error(ErrorCode::config, "there is no datum " + std::to_string(i) + ": the data are 0 to " +
                                         std::to_string(count - 1) + ", in the order of data_predicted.npy");
    }
    list.push_back({"datum " + std::to_string(i), std::vector<double>(d.size(), 0.0), ""});
    list.back().w[static_cast<std::size_t>(i)] = 1;
  }
  const Index shots = p.waves() ? p.shots() : 0, receivers = p.waves() ? p.survey.max_receivers() : 0;
  const Json& analysis = a.request.analysis;
  const bool measured = !analysis.at("window_s").is_null() || !analysis.at("frequency_hz").is_null();
  if (measured && analysis.at("pairs").empty()) {
    throw Error(ErrorCode::config, "window and frequency are measured on traces: give pairs of shot and receiver");
  }
  for (const Json& pair : analysis.at("pairs")) {
    if (!p.waves()) throw Error(ErrorCode::config, "pairs are for waves: give data");
    const Index shot = pair[0], receiver = pair[1];
    if (shot < 0 || shot >= shots || receiver < 0 || receiver >= receivers) {
      throw Error(ErrorCode::config, "the pair [" + std::to_string(shot) + ", " + std::to_string(receiver) +
                                         "]: there are " + std::to_string(shots) + " shots of " +
                                         std::to_string(receivers) + " receivers, counted from 0");
    }
    if (measured) {
      for (Chosen& c : measured_on(p, d, shot, receiver, analysis)) list.push_back(std::move(c));
    } else {
      list.push_back(arrival(p, d, shot, receiver));
    }
  }
  if (!list.empty()) return list;
  if (p.waves()) {
    return {arrival(p, d, shots / 2, receivers / 2), arrival(p, d, shots / 4, receivers - 1 - receivers / 8),
            arrival(p, d, shots - 1, receivers / 8)};
  }
  for (const Index i : {count / 6, count / 2, 5 * count / 6}) {
    list.push_back({"datum " + std::to_string(i), std::vector<double>(d.size(), 0.0), ""});
    list.back().w[static_cast<std::size_t>(i)] = 1;
  }
  return list;
}

// sum f |X(f)|^2 / sum |X(f)|^2 over the traces of a vector of data, Hz.
double mean_frequency(Stream& s, const std::vector<double>& v, Index nt, double dt_s) {
  const RadialSpectrum r = radial_spectrum(s, v, {nt}, {dt_s});
  return r.mean;
}
double mean_frequency(Stream& s, const std::vector<double>& vector, const Problem& p) {
  const Index nt = p.survey.nt;
  double sum = 0, energy = 0;
  for (std::size_t t = 0; t < vector.size(); t += static_cast<std::size_t>(nt)) {
    const std::vector<double> trace(vector.begin() + static_cast<std::ptrdiff_t>(t),
                                    vector.begin() + static_cast<std::ptrdiff_t>(t) + nt);
    double e = 0;
    for (const double x : trace) e += x * x;
    if (!(e > 0)) continue;
    sum += e * mean_frequency(s, trace, nt, p.survey.dt_s);
    energy += e;
  }
  return energy > 0 ? sum / energy : 0;
}

// Power of an image by wavenumber, to a largest value of 1.
template <class T>
AnalysisPage::Curve wavenumber_curve(AnalysisSession<T>& a, const std::string& title, const std::vector<double>& v) {
  const RadialSpectrum r = a.wavenumbers(v);
  const double most = *std::max_element(r.power.begin(), r.power.end());
  AnalysisPage::Curve c{title, r.wavenumber, r.power};
  for (double& y : c.y) y /= most > 0 ? most : 1;
  return c;
}

// Of kernels with small eigenvalues far below the largest; at most `most` of them.
template <class T>
LanczosOptions kernel_lanczos(const AnalysisSession<T>& a, Index most) {
  LanczosOptions o;
  o.count = std::min(a.request.count(), most);
  o.steps = std::max<Index>(100, 6 * o.count);
  o.seed = a.seed();
  o.tolerance = 1e-5;
  return o;
}

// What of the gradient g, and of the update K g that the field makes of it, the leading eigenvectors of K hold: K
// multiplies the part along each by its eigenvalue.
template <class T>
void spectral_filtering(AnalysisSession<T>& a, const DataTape<T>& t, const std::vector<T>& g,
                        const std::vector<T>& kg) {
  const std::size_t n = g.size();
  double all_g = 0, all_kg = 0, in_g = 0, in_kg = 0;
  for (std::size_t i = 0; i < n; ++i) {
    all_g += static_cast<double>(g[i]) * static_cast<double>(g[i]);
    all_kg += static_cast<double>(kg[i]) * static_cast<double>(kg[i]);
  }
  if (!(all_g > 0) || !(all_kg > 0)) return;
  LanczosOptions o = kernel_lanczos(a, std::min(a.nodes(), t.maps.field.columns));
  o.progress = a.progress("kernel of the field");
  const SingularTriplets k = lanczos_singular(a.s, t.maps.field, o);
  std::vector<double> number, values, held_g, held_kg;
  for (std::size_t j = 0; j < k.values.size(); ++j) {
    double before = 0, after = 0;
    for (std::size_t i = 0; i < n; ++i) {
      before += k.left[j * n + i] * static_cast<double>(g[i]);
      after += k.left[j * n + i] * static_cast<double>(kg[i]);
    }
    in_g += before * before, in_kg += after * after;
    number.push_back(static_cast<double>(j) + 1);
    values.push_back(k.values[j] * k.values[j]);
    held_g.push_back(in_g / all_g), held_kg.push_back(in_kg / all_kg);
  }
  a.result["spectral_filtering"] = {{"eigenvalues", values}, {"gradient_held", held_g}, {"update_held", held_kg}};
  a.page.plots.push_back({"Spectral filtering",
                          "Leading eigenvectors of K",
                          "Part of the square that they hold",
                          {{"gradient Jᵀr", number, held_g}, {"update K Jᵀr", number, held_kg}}});
}

// g = J^T W^2 r and K g: what the weights of the field make of the gradient.
template <class T>
void gradient_modulation(AnalysisSession<T>& a, const DataTape<T>& t, const std::vector<double>& residual) {
  const std::vector<T> g = adjoint(a.s, t.maps.data, converted<T>(residual));
  const std::vector<T> kg = kernel_product(a.s, t.maps.field, g);
  a.write("gradient", converted<double>(g), a.problem.grid.shape());
  a.write("neural_gradient", converted<double>(kg), a.problem.grid.shape());
  a.add_image("gradient Jᵀr", converted<double>(g));
  a.add_image("its neural form K Jᵀr", converted<double>(kg));
  const auto mean = [&](const std::vector<T>& v) { return a.wavenumbers(converted<double>(v)).mean; };
  a.result["gradient"] = {{"mean_wavenumber_per_m", number_or_null(mean(g))},
                          {"neural_mean_wavenumber_per_m", number_or_null(mean(kg))}};
  a.page.plots.push_back(
      {"Gradient by wavenumber",
       "Radial wavenumber (cycles per m)",
       "Power, largest 1",
       {wavenumber_curve(a, "Jᵀr", converted<double>(g)), wavenumber_curve(a, "K Jᵀr", converted<double>(kg))}});
  if (a.field.type() != FieldType::grid) spectral_filtering(a, t, g, kg);
}

// Mean frequencies of the eigenvectors of J Jᵀ and J K Jᵀ against their eigenvalues, and how much they rise for each
// decade by which the eigenvalue falls (least squares): positive where low frequencies are fitted first.
template <class T>
void frequency_bias(AnalysisSession<T>& a) {
  AnalysisPage::Plot plot{
      "Frequency bias", "Eigenvalue, largest 1", "Mean frequency of the eigenvector (Hz)", {}, true};
  const std::pair<const char*, const char*> kernels[] = {{"wave_kernel", "J Jᵀ"}, {"wave_tangent_kernel", "J K Jᵀ"}};
  for (const auto& [name, title] : kernels) {
    Json& r = a.result[name];
    const auto values = r.at("eigenvalues").template get<std::vector<double>>();
    const auto f_hz = r.at("mean_frequencies_hz").template get<std::vector<double>>();
    AnalysisPage::Curve c{title, {}, {}};
    double n = 0, x = 0, y = 0, xx = 0, xy = 0;
    for (std::size_t k = 0; k < values.size() && values[k] > 1e-12 * values[0]; ++k) {
      const double decades = -std::log10(values[k] / values[0]);
      n += 1, x += decades, y += f_hz[k], xx += decades * decades, xy += decades * f_hz[k];
      c.x.push_back(values[k] / values[0]), c.y.push_back(f_hz[k]);
    }
    const double spread = n * xx - x * x;
    r["frequency_bias_hz_per_decade"] = spread > 0 ? Json((n * xy - x * y) / spread) : Json(nullptr);
    plot.curves.push_back(std::move(c));
  }
  a.page.plots.push_back(std::move(plot));
}

}  // namespace

template <class T>
void analyze_kernels(AnalysisSession<T>& a) {
  const DataTape<T> t(a);
  std::vector<double> plain, neural;
  Json names = Json::array();
  const std::vector<Chosen> list = chosen_data(a, t.predicted);
  for (const Chosen& c : list) {
    const auto j = sensitivity_kernel(a.s, t.maps, converted<T>(c.w));
    const auto k = kernel_product(a.s, t.maps.field, j);
    plain.insert(plain.end(), j.begin(), j.end());
    neural.insert(neural.end(), k.begin(), k.end());
    a.add_image(c.title.empty() ? c.name : c.title, converted<double>(j));
    a.add_image("neural form", converted<double>(k));
    names.push_back(c.name);
  }
  a.result["data"] = names;
  const auto kept = static_cast<Index>(list.size());
  a.write_models("sensitivity", plain, kept);
  a.write_models("neural_sensitivity", neural, kept);
  std::vector<double> residual = observed(a, t.count);
  const std::vector<double> w = data_weights(a, t.count, 1);
  if (!residual.empty()) {
    for (std::size_t i = 0; i < residual.size(); ++i) residual[i] = (t.predicted[i] - residual[i]) * w[i];
    std::vector<double> twice = residual;
    for (std::size_t i = 0; i < twice.size(); ++i) twice[i] *= w[i];
    gradient_modulation(a, t, twice);
  }
  // Of W J, as the misfit sees the data.
  InversionMaps<T> weighted = t.maps;
  weighted.data = weighted_rows(a.s, t.maps.data, w);
  weighted.total = weighted_rows(a.s, t.maps.total, w);
  LanczosOptions o = kernel_lanczos(a, std::min(t.count, a.nodes()));
  // On the smaller of model (or parameters) and data.
  const auto spectrum = [&](const char* name, const char* what, const char* title, const LinearMap<T>& map) {
    const double start = now_s();
    o.progress = a.progress(what);
    const SingularTriplets triplets = lanczos_singular(a.s, map, o);
    const auto found = static_cast<Index>(triplets.values.size());
    std::vector<double> values, residuals;
    for (std::size_t k = 0; k < triplets.values.size(); ++k) {
      values.push_back(triplets.values[k] * triplets.values[k]);
      residuals.push_back(triplets.values[k] * triplets.residuals[k]);
    }
    a.write(std::string(name) + "_eigenvalues", values, {found});
    a.write(std::string(name) + "_eigenvectors", triplets.left, {found, t.count});
    Json r{{"eigenvalues", values},
           {"residuals", residuals},
           {"products", triplets.applications},
           {"seconds", now_s() - start}};
    double energy = 0, held = 0;
    for (const double v : residual) energy += v * v;
    for (Index k = 0; k < found; ++k) {
      const std::vector<double> u(triplets.left.begin() + k * t.count, triplets.left.begin() + (k + 1) * t.count);
      if (a.problem.waves()) r["mean_frequencies_hz"].push_back(mean_frequency(a.s, u, a.problem));
      double along = 0;
      for (std::size_t i = 0; i < residual.size(); ++i) along += residual[i] * u[i];
      held += along * along;
      if (energy > 0) r["residual_held"].push_back(held / energy);
    }
    a.result[name] = r;
    a.page.spectra.push_back({title, values});
  };
  spectrum("wave_kernel", "wave kernel", "J Jᵀ", weighted.data);
  spectrum("wave_tangent_kernel", "wave tangent kernel", "J K Jᵀ", weighted.total);
  if (a.problem.waves()) frequency_bias(a);
  a.page.normalised = true;
}

namespace {

// z, x or z, y, x.
std::vector<Index> indices_of(const Grid3& g, Index node) {
  const auto [z, y, x] = g.place(node);
  return g.flat() ? std::vector<Index>{z, x} : std::vector<Index>{z, y, x};
}

// "(x, z)" or "(x, y, z)" in metres.
std::string place_of(const Grid3& g, Index node) {
  std::string text;
  const std::vector<Index> list = indices_of(g, node);
  for (int k = g.dimensions(); k-- > 0;) {
    char number[32];
    std::snprintf(number, sizeof number, "%.4g", g.at_m(g.axis(k), list[at(k)]));
    text += (text.empty() ? "(" : ", ") + std::string(number);
  }
  return text + ")";
}

}  // namespace

template <class T>
void analyze_resolution(AnalysisSession<T>& a) {
  const DataTape<T> t(a);
  const Grid3& g = a.problem.grid;
  // Noise: that of the data; else what a run has left, at least 1 % of the data; else 5 %.
  double noise = 0.05 * rms(t.predicted);
  std::string noise_from = "5 % of the rms of the predicted data";
  const bool known = !deviations(a, t.count).empty();
  if (known) {
    noise_from = "standard deviations of the data";
  } else if (a.run()) {
    std::vector<double> r = observed(a, t.count);
    for (std::size_t i = 0; i < r.size(); ++i) r[i] -= t.predicted[i];
    noise = std::max(rms(r), 0.01 * rms(t.predicted));
    noise_from = noise > rms(r) ? "1 % of the rms of the predicted data" : "rms of the final residual";
  }
  const std::vector<double> model = converted<double>(a.tape.get(a.model));
  const Json& given = a.request.analysis.at("prior_std");
  const double prior = given.is_number()                 ? given.get<double>()
                       : a.problem.property->logarithmic ? 1.0
                                                         : 0.1 * rms(model);
  ResolutionOptions o;
  o.weights = data_weights(a, t.count, noise);
  o.count = std::min({a.request.count(), t.count, a.nodes()});
  o.seed = a.seed();
  // At parts of the axes, sideways the same on both.
  const auto node = [&](double z, double sideways) {
    const auto index = [](double part, Index n) { return static_cast<Index>(part * static_cast<double>(n - 1)); };
    return (index(z, g.nz) * g.ny + index(sideways, g.ny)) * g.nx + index(sideways, g.nx);
  };
  o.nodes = {node(0.25, 0.5), node(0.6, 0.3)};
  Json settings{{"noise", noise_from}, {"prior_std", prior}, {"property", a.problem.property->name}};
  if (!known) settings["noise_std"] = noise;
  for (const Index n : o.nodes) settings["nodes"].push_back(indices_of(g, n));
  a.result["settings"] = settings;
  const auto one = [&](const char* name, const std::string& title) {
    const double start = now_s();
    o.progress = a.progress("resolution, " + title);
    const Resolution r = resolution(a.s, t.maps, o);
    std::vector<double> ratio;
    for (std::size_t i = 0; i < r.diagonal.size(); ++i) {
      ratio.push_back(r.prior_std[i] > 0 ? r.posterior_std[i] / r.prior_std[i] : 1);
    }
    a.result[name] = {{"resolved_parameters", r.resolved},
                      {"eigenvalues", r.lambda.size()},
                      {"largest", r.lambda.empty() ? 0.0 : r.lambda.front()},
                      {"smallest", r.lambda.empty() ? 0.0 : r.lambda.back()},
                      {"complete", !r.lambda.empty() && r.lambda.back() < 0.1},
                      {"seconds", now_s() - start}};
    const std::string prefix(name);
    a.write(prefix + "_resolution_diagonal", r.diagonal, g.shape());
    a.write(prefix + "_posterior_std", r.posterior_std, g.shape());
    a.write(prefix + "_prior_std", r.prior_std, g.shape());
    a.write_models(prefix + "_point_spread", r.spread, static_cast<Index>(o.nodes.size()));
    a.page.spectra.push_back({title, r.lambda});
    a.add_image(title + ": diagonal of R", r.diagonal, true);
    const auto best = static_cast<Index>(std::min_element(ratio.begin(), ratio.end()) - ratio.begin());
    a.add_image(title + ": std after / before", ratio, true, best);
    for (std::size_t k = 0; k < o.nodes.size(); ++k) {
      const auto from = r.spread.begin() + static_cast<std::ptrdiff_t>(k) * a.nodes();
      a.add_image(title + ": spread of " + place_of(g, o.nodes[k]), std::vector<double>(from, from + a.nodes()), false,
                  o.nodes[k]);
    }
  };
  o.c = prior * prior;
  one("white", "white");
  // K scaled to the same mean variance.
  const std::vector<double> diagonal = field_gram_diagonal(a.tape, a.theta, a.model);
  double mean = 0;
  for (const double v : diagonal) mean += v / static_cast<double>(diagonal.size());
  if (!(mean > 0)) throw Error(ErrorCode::failed, "the field does not depend on its weights");
  o.neural = true;
  o.diagonal = diagonal;
  o.c = prior * prior / mean;
  one("neural", "field");
}

template void analyze_kernels(AnalysisSession<float>&);
template void analyze_kernels(AnalysisSession<double>&);
template void analyze_resolution(AnalysisSession<float>&);
template void analyze_resolution(AnalysisSession<double>&);

}  // namespace terrane
