// SPDX-License-Identifier: MIT
#include "engine/gauss_newton.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/runtime/buffer.hpp"
#include "kernels/runtime/error.hpp"
#include "kernels/runtime/random.hpp"

namespace terrane {

namespace {

using Vector = std::vector<double>;

// Counters of the random numbers of purpose `probe`.
enum Draw : std::uint32_t { draw_power_data = 1u << 20, draw_power_model, draw_model_probe = 1u << 22 };

// Eight partial sums in fixed order.
double dot(const Vector& x, const Vector& y) {
  double part[8] = {};
  const std::size_t n = x.size(), whole = n / 8 * 8;
  for (std::size_t i = 0; i < whole; i += 8) {
    for (std::size_t k = 0; k < 8; ++k) part[k] += x[i + k] * y[i + k];
  }
  for (std::size_t i = whole; i < n; ++i) part[i - whole] += x[i] * y[i];
  return ((part[0] + part[4]) + (part[2] + part[6])) + ((part[1] + part[5]) + (part[3] + part[7]));
}
double norm(const Vector& x) { return std::sqrt(dot(x, x)); }

template <class T>
void upload(Stream& s, const Vector& v, const Buffer<T>& b) {
  if constexpr (std::is_same_v<T, double>) {
    copy(s, std::span<const double>(v), b.data());
  } else {
    const std::vector<T> rounded(v.begin(), v.end());
    copy(s, std::span<const T>(rounded), b.data());
  }
}
template <class T>
void download(Stream& s, const Buffer<T>& b, Vector& v) {
  if constexpr (std::is_same_v<T, double>) {
    v = to_host(s, b);
  } else {
    const std::vector<T> host = to_host(s, b);
    v.assign(host.begin(), host.end());
  }
}

template <class T>
void round_to(Vector& v) {
  for (double& x : v) x = static_cast<double>(static_cast<T>(x));
}

bool finite(const Vector& v) {
  return std::all_of(v.begin(), v.end(), [](double x) { return std::isfinite(x); });
}

}  // namespace

const char* to_string(GnStop stop) {
  switch (stop) {
    case GnStop::target:
      return "target";
    case GnStop::converged:
      return "converged";
    case GnStop::iterations:
      return "iterations";
    case GnStop::stalled:
      return "stalled";
    case GnStop::none:
      break;
  }
  return "none";
}

template <class T>
LeastSquares<T> least_squares(Tape<T>& tape, Var theta, Var data, Var model, std::vector<double> observed,
                              std::vector<double> std) {
  LeastSquares<T> p;
  p.stream = &tape.stream();
  p.parameters = tape.size(theta);
  p.forward = [&tape, theta, data, model](const Vector& x, Vector& d, Vector& m) {
    tape.set(theta, std::vector<T>(x.begin(), x.end()));
    tape.forward();
    const std::vector<T> td = tape.get(data), tm = tape.get(model);
    d.assign(td.begin(), td.end());
    m.assign(tm.begin(), tm.end());
  };
  p.data_map = tape.map(theta, data);
  if (model.id != theta.id) p.model_map = tape.map(theta, model);
  p.observed = std::move(observed);
  p.std = std::move(std);
  return p;
}

template <class T>
GaussNewton<T>::GaussNewton(LeastSquares<T> problem, ModelNorms norms, GaussNewtonOptions options,
                            std::vector<double> theta)
    : problem_(std::move(problem)), norms_(std::move(norms)), o_(options), theta_(std::move(theta)) {
  check();
  for (const double s : problem_.std) {
    weights_.push_back(std::isinf(s) ? 0 : 1 / s);
    if (!std::isinf(s)) ++counted_;
  }
  require(counted_ > 0, ErrorCode::data, "there is no datum to fit", "Gauss-Newton");
  // Parameters live in precision T: so must the bounds, or no parameter would lie on them.
  o_.lower = static_cast<double>(static_cast<T>(o_.lower));
  o_.upper = static_cast<double>(static_cast<T>(o_.upper));
  for (double& x : theta_) x = std::clamp(x, o_.lower, o_.upper);
  round_to<T>(theta_);
  Stream& s = *problem_.stream;
  device_ = {Buffer<T>(s, problem_.parameters), Buffer<T>(s, problem_.data_map.rows), Buffer<T>(s, norms_.cells())};
}

template <class T>
void GaussNewton<T>::check() const {
  const char* where = "Gauss-Newton";
  const auto config = [&](bool ok, const char* what) { require(ok, ErrorCode::config, what, where); };
  config(problem_.stream != nullptr && problem_.forward && problem_.data_map.apply && problem_.data_map.adjoint,
         "the problem needs a stream, forward and the map of the data");
  config(static_cast<Index>(theta_.size()) == problem_.parameters && problem_.data_map.columns == problem_.parameters,
         "the start needs one value for each parameter");
  config(own_model() ? problem_.model_map.rows == norms_.cells() && problem_.model_map.columns == problem_.parameters
                     : norms_.cells() == problem_.parameters,
         "the norms need as many cells as the model");
  config(!bounded() || !own_model(), "bounds need cells as parameters; other fields are bounded by their output map");
  config(o_.lower < o_.upper, "the lower bound must lie below the upper bound");
  config(o_.beta >= 0 && o_.beta_ratio >= 0 && o_.beta_cooling >= 1 && o_.beta_every >= 1,
         "beta, its ratio and cooling must not be negative, cooling at least 1");
  config(o_.target_chi2 >= 0 && o_.target_tolerance >= 0, "the target of chi2 must not be negative");
  config(o_.eps_mode == EpsMode::fixed || (o_.hold && o_.target_chi2 > 0 && o_.eps_cooling >= 1),
         "cooled eps starts when the target is reached: give target_chi2 and hold");
  config(o_.iterations > 0 && o_.held_iterations > 0 && o_.cg_iterations > 0 && o_.line_search_steps > 0,
         "numbers of iterations must be positive");
  config(o_.preconditioner != Preconditioner::probes || o_.probes > 0, "the preconditioner needs probes > 0");
  config(o_.nystrom_rank >= 0 && o_.nystrom_rank <= problem_.parameters,
         "the rank of the preconditioner must not be negative, nor above the number of parameters");
  config(o_.nystrom_rank == 0 || (o_.damping > 0 && !bounded()),
         "a low-rank preconditioner needs damping and unbounded parameters");
  require(problem_.std.size() == problem_.observed.size() &&
              static_cast<Index>(problem_.observed.size()) == problem_.data_map.rows,
          ErrorCode::data, "data and uncertainties need one value for each datum", where);
  for (std::size_t i = 0; i < problem_.std.size(); ++i) {
    require(problem_.std[i] > 0, ErrorCode::data, "uncertainties must be positive (infinite: leave out)", where);
    require(std::isfinite(problem_.observed[i]) || std::isinf(problem_.std[i]), ErrorCode::data,
            "a datum is not finite: give it an infinite uncertainty to leave it out", where);
  }
}

template <class T>
bool GaussNewton<T>::bounded() const {
  return std::isfinite(o_.lower) || std::isfinite(o_.upper);
}

template <class T>
void GaussNewton<T>::evaluate(const Vector& theta, Vector& data, Vector& model) {
  problem_.forward(theta, data, model);
  if (!own_model()) model = theta;
  require(data.size() == problem_.observed.size() && static_cast<Index>(model.size()) == norms_.cells(),
          ErrorCode::config, "forward gave other sizes than the data and the norms have", "Gauss-Newton");
}

template <class T>
double GaussNewton<T>::data_misfit(const Vector& data) const {
  Vector r(data.size(), 0.0);
  for (std::size_t i = 0; i < r.size(); ++i) {
    if (weights_[i] > 0) r[i] = weights_[i] * (data[i] - problem_.observed[i]);
  }
  return dot(r, r);
}

// Data, model and maps at theta.
template <class T>
void GaussNewton<T>::prepare() {
  if (evaluated_) return;
  evaluate(theta_, data_, model_);
  require(finite(data_) && finite(model_), ErrorCode::diverged, "data or model of the start are not finite",
          "Gauss-Newton");
  evaluated_ = true;
}

template <class T>
void GaussNewton<T>::start() {
  prepare();
  if (iteration_ > 0 || beta_ > 0) return;
  norms_.reset_weights();
  if (o_.eps_mode == EpsMode::fixed && o_.weights_from_start) norms_.update_weights(model_);
  beta_ = o_.beta;
  if (o_.beta_ratio == 0 && o_.damping == 0) return;
  const double data_part = largest_eigenvalue(true);
  mu_ = o_.damping * data_part;
  if (o_.beta_ratio == 0) return;
  const double model_part = largest_eigenvalue(false);
  require(model_part > 0, ErrorCode::config, "the model norms vanish: give an alpha > 0", "Gauss-Newton");
  beta_ = o_.beta_ratio * data_part / model_part;
}

template <class T>
const std::vector<double>& GaussNewton<T>::model() {
  prepare();
  return model_;
}
template <class T>
const std::vector<double>& GaussNewton<T>::data() {
  prepare();
  return data_;
}
template <class T>
double GaussNewton<T>::beta() {
  start();
  return beta_;
}

template <class T>
void GaussNewton<T>::apply_data_normal(const Vector& v, Vector& out) {
  Stream& s = *problem_.stream;
  Vector d;
  upload(s, v, device_.parameters);
  problem_.data_map.apply(s, device_.parameters.data(), device_.data.data());
  download(s, device_.data, d);
  for (std::size_t i = 0; i < d.size(); ++i) d[i] = weights_[i] > 0 ? d[i] * weights_[i] * weights_[i] : 0;
  upload(s, d, device_.data);
  problem_.data_map.adjoint(s, device_.data.data(), device_.parameters.data());
  download(s, device_.parameters, out);
}

template <class T>
void GaussNewton<T>::apply_model_normal(const Vector& v, Vector& out) {
  if (!own_model()) return norms_.hessian(v, out);
  Stream& s = *problem_.stream;
  Vector m, h;
  upload(s, v, device_.parameters);
  problem_.model_map.apply(s, device_.parameters.data(), device_.cells.data());
  download(s, device_.cells, m);
  norms_.hessian(m, h);
  upload(s, h, device_.cells);
  problem_.model_map.adjoint(s, device_.cells.data(), device_.parameters.data());
  download(s, device_.parameters, out);
}

template <class T>
void GaussNewton<T>::apply_normal(const Vector& v, Vector& out, double mu) {
  Vector m;
  apply_data_normal(v, out);
  for (std::size_t i = 0; i < out.size() && mu > 0; ++i) out[i] += mu * v[i];
  if (beta_ == 0) return;
  apply_model_normal(v, m);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] += beta_ * m[i];
}

// Rayleigh quotient after a few power iterations from a positive random vector.
template <class T>
double GaussNewton<T>::largest_eigenvalue(bool data_part) {
  const Random random(o_.seed, RandomPurpose::probe);
  Vector x(theta_.size()), y;
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = random.uniform(i, data_part ? draw_power_data : draw_power_model);
  double eigenvalue = 0;
  for (int k = 0; k <= o_.power_iterations; ++k) {
    const double length = norm(x);
    if (length == 0) return 0;
    for (double& v : x) v /= length;
    data_part ? apply_data_normal(x, y) : apply_model_normal(x, y);
    eigenvalue = dot(x, y);
    x = y;
  }
  return eigenvalue;
}

template <class T>
std::vector<double> GaussNewton<T>::gradient() {
  Stream& s = *problem_.stream;
  Vector r(data_.size(), 0.0), g, gm;
  for (std::size_t i = 0; i < r.size(); ++i) {
    if (weights_[i] > 0) r[i] = weights_[i] * weights_[i] * (data_[i] - problem_.observed[i]);
  }
  upload(s, r, device_.data);
  problem_.data_map.adjoint(s, device_.data.data(), device_.parameters.data());
  download(s, device_.parameters, g);
  if (beta_ == 0) return g;
  norms_.gradient(model_, gm);
  if (own_model()) {
    upload(s, gm, device_.cells);
    problem_.model_map.adjoint(s, device_.cells.data(), device_.parameters.data());
    download(s, device_.parameters, gm);
  }
  for (std::size_t i = 0; i < g.size(); ++i) g[i] += beta_ * gm[i];
  return g;
}

// 1 / diagonal of the system; empty: none.
template <class T>
std::vector<double> GaussNewton<T>::preconditioner() {
  if (o_.preconditioner == Preconditioner::none) return {};
  Stream& s = *problem_.stream;
  if (o_.preconditioner == Preconditioner::norms) {
    diagonal_.assign(theta_.size(), 0.0);
  } else if (diagonal_.empty() || !o_.linear) {
    const Index probes = o_.preconditioner == Preconditioner::exact ? 0 : o_.probes;
    diagonal_ =
        normal_diagonal(s, problem_.data_map, weights_, probes, o_.seed + static_cast<std::uint64_t>(iteration_));
  }
  Vector total = diagonal_, part, x;
  if (!own_model()) {
    norms_.hessian_diagonal(part);
  } else {
    const Random random(o_.seed, RandomPurpose::probe);
    const Index probes = std::max<Index>(o_.probes, 1);
    part.assign(total.size(), 0.0);
    for (Index k = 0; k < probes; ++k) {
      norms_.probe(random, draw_model_probe + static_cast<std::uint32_t>(k), x);
      upload(s, x, device_.cells);
      problem_.model_map.adjoint(s, device_.cells.data(), device_.parameters.data());
      download(s, device_.parameters, x);
      for (std::size_t i = 0; i < x.size(); ++i) part[i] += x[i] * x[i] / static_cast<double>(probes);
    }
  }
  double largest = 0;
  for (std::size_t i = 0; i < total.size(); ++i) largest = std::max(largest, total[i] += beta_ * part[i] + mu_);
  // Parameters that nothing depends on must not blow up.
  for (double& d : total) d = largest > 0 ? 1 / std::max(d, 1e-10 * largest) : 1;
  return total;
}

template <class T>
void GaussNewton<T>::approximate() {
  if (!nystrom_.empty() && nystrom_last_ <= 2 * nystrom_first_ + 10) return;
  const auto product = [this](const Vector& v, Vector& out) { apply_normal(v, out, 0); };
  nystrom_ = nystrom(*problem_.stream, product, problem_.parameters, o_.nystrom_rank,
                     static_cast<double>(std::numeric_limits<T>::epsilon()), o_.seed);
  nystrom_first_ = 0;
}

template <class T>
std::vector<char> GaussNewton<T>::frozen(const Vector& g) const {
  std::vector<char> mask(theta_.size(), 0);
  if (!bounded()) return mask;
  for (std::size_t i = 0; i < mask.size(); ++i) {
    mask[i] = (theta_[i] <= o_.lower && g[i] > 0) || (theta_[i] >= o_.upper && g[i] < 0) ? 1 : 0;
  }
  return mask;
}

// Preconditioned conjugate gradients from 0 in the parameters that are not frozen; g is 0 in the frozen ones.
template <class T>
typename GaussNewton<T>::Direction GaussNewton<T>::solve(const Vector& g, const std::vector<char>& mask) {
  const std::size_t n = g.size();
  const bool low_rank = o_.nystrom_rank > 0;
  if (low_rank) approximate();
  const Vector inverse = low_rank ? Vector() : preconditioner();
  Direction result{Vector(n, 0.0), 0, 1};
  Vector r(n), z(n), p, q;
  for (std::size_t i = 0; i < n; ++i) r[i] = -g[i];
  const auto precondition = [&] {
    if (low_rank) {
      z = nystrom_.precondition(mu_, r);
      return;
    }
    for (std::size_t i = 0; i < n; ++i) z[i] = inverse.empty() ? r[i] : r[i] * inverse[i];
  };
  precondition();
  p = z;
  const double g_norm = norm(g), goal = std::max(o_.cg_tolerance * g_norm, o_.cg_floor * largest_gradient_);
  double rz = dot(r, z);
  for (; result.iterations < o_.cg_iterations && result.residual * g_norm > goal; ++result.iterations) {
    apply_normal(p, q, mu_);
    for (std::size_t i = 0; i < n; ++i) q[i] = mask[i] != 0 ? 0 : q[i];
    const double curvature = dot(p, q);
    if (!(curvature > 0)) break;
    const double a = rz / curvature;
    for (std::size_t i = 0; i < n; ++i) {
      result.step[i] += a * p[i];
      r[i] -= a * q[i];
    }
    precondition();
    const double next = dot(r, z), b = next / rz;
    rz = next;
    for (std::size_t i = 0; i < n; ++i) p[i] = z[i] + b * p[i];
    result.residual = norm(r) / g_norm;
  }
  nystrom_last_ = result.iterations;
  if (nystrom_first_ == 0) nystrom_first_ = nystrom_last_;
  // A gradient in the null space of the system: go along it, the line search finds the length.
  if (result.iterations == 0) result.step = p;
  return result;
}

// Backtracking along the projected step; takes over the accepted point. phi: at theta.
template <class T>
bool GaussNewton<T>::search(const Vector& g, const Direction& direction, double phi, GnReport& report) {
  const double rounding = 4 * static_cast<double>(std::numeric_limits<T>::epsilon()) * std::abs(phi);
  Vector trial(theta_.size()), change(theta_.size()), data, model;
  double length = 1;
  for (int k = 0; k < o_.line_search_steps; ++k, length *= 0.5) {
    for (std::size_t i = 0; i < trial.size(); ++i) {
      trial[i] = std::clamp(theta_[i] + length * direction.step[i], o_.lower, o_.upper);
    }
    round_to<T>(trial);
    for (std::size_t i = 0; i < trial.size(); ++i) change[i] = trial[i] - theta_[i];
    const double slope = dot(g, change);
    double phi_d = 0, phi_m = 0, phi_trial = std::numeric_limits<double>::infinity();
    evaluated_ = false;
    ++report.evaluations;
    try {
      evaluate(trial, data, model);
      phi_d = data_misfit(data);
      phi_m = norms_.value(model);
      phi_trial = 0.5 * phi_d + beta_ * phi_m;
    } catch (const Error& e) {
      if (e.code() != ErrorCode::diverged) throw;
    }
    if (!(phi_trial <= phi + o_.armijo * std::min(slope, 0.0) + rounding)) continue;
    theta_.swap(trial);
    data_.swap(data);
    model_.swap(model);
    evaluated_ = true;
    report.phi_d = phi_d;
    report.phi_m = phi_m;
    report.step_norm = norm(change);
    report.step_length = length;
    return true;
  }
  return false;
}

template <class T>
GnReport GaussNewton<T>::step() {
  start();
  GnReport report;
  report.iteration = ++iteration_;
  report.beta = beta_;
  report.mu = mu_;
  report.held = held_ > 0;
  report.phi_d = data_misfit(data_);
  report.phi_m = norms_.value(model_);
  const double phi = 0.5 * report.phi_d + beta_ * report.phi_m;
  Vector g = gradient();
  require(std::isfinite(phi) && finite(g), ErrorCode::diverged, "phi or its gradient is not finite", "Gauss-Newton");
  const std::vector<char> mask = frozen(g);
  for (std::size_t i = 0; i < g.size(); ++i) {
    if (mask[i] == 0) continue;
    g[i] = 0;
    ++report.frozen;
  }
  report.gradient_norm = norm(g);
  largest_gradient_ = std::max(largest_gradient_, report.gradient_norm);
  if (report.gradient_norm > 0) {
    Direction direction = solve(g, mask);
    report.cg_iterations = direction.iterations;
    report.cg_residual = direction.residual;
    bool moved = search(g, direction, phi, report);
    if (!moved && bounded()) {  // near a bound the projected step may go up where the projected gradient does not
      const Vector inverse = preconditioner();
      for (std::size_t i = 0; i < g.size(); ++i) direction.step[i] = inverse.empty() ? -g[i] : -g[i] * inverse[i];
      moved = search(g, direction, phi, report);
    }
    report.stalled = !moved;
    if (mu_ > 0) adapt_damping(report, phi, dot(g, direction.step));
  }
  prepare();
  report.chi2 = report.phi_d / static_cast<double>(counted_);
  report.phi = 0.5 * report.phi_d + beta_ * report.phi_m;
  control(report);
  return report;
}

// The step of the quadratic model gains -slope / 2 (exactly for converged conjugate gradients).
template <class T>
void GaussNewton<T>::adapt_damping(const GnReport& report, double phi, double slope) {
  if (report.stalled) {
    mu_ *= 8;
    return;
  }
  const double gain = (phi - 0.5 * report.phi_d - beta_ * report.phi_m) / std::max(-0.5 * slope, 1e-300);
  if (report.step_length < 1 || gain < 0.25) {
    mu_ *= std::max(2.0, 1 / report.step_length);
  } else if (gain > 0.75) {
    mu_ /= 3;
  }
}

// Trade-off, weights and reasons to stop, after a step.
template <class T>
void GaussNewton<T>::control(GnReport& report) {
  stalls_ = report.stalled ? stalls_ + 1 : 0;
  if (report.gradient_norm == 0 ||
      (o_.step_tolerance > 0 && !report.stalled && report.step_norm <= o_.step_tolerance * norm(theta_))) {
    report.stop = GnStop::converged;
  }
  if (stalls_ > (mu_ > 0 ? 6 : 1)) report.stop = GnStop::stalled;
  const bool reached = held_ == 0 && o_.target_chi2 > 0 && report.chi2 <= o_.target_chi2;
  if (held_ > 0) {
    hold(report, false);
  } else {
    if (iteration_ % o_.beta_every == 0) beta_ /= o_.beta_cooling;
    if (reached && !o_.hold) report.stop = GnStop::target;
    if (reached && o_.hold) {
      if (o_.eps_mode == EpsMode::cooled) norms_.start_eps(model_);
      hold(report, true);
    }
  }
  // With a target to reach, or weights to follow, a small step is no end.
  const bool changing = held_ == 0 && o_.beta_cooling > 1 && o_.target_chi2 > 0;
  if (changing && (report.stop == GnStop::converged || report.stop == GnStop::stalled)) report.stop = GnStop::none;
  if (report.stop == GnStop::none && iteration_ >= o_.iterations) report.stop = GnStop::iterations;
  if (norms_.sparse() && (o_.eps_mode == EpsMode::fixed || held_ > 0)) {
    if (o_.eps_mode == EpsMode::cooled) norms_.cool_eps(o_.eps_cooling);
    norms_.update_weights(model_);
  }
}

// Keeps chi2 near its target.
template <class T>
void GaussNewton<T>::hold(GnReport& report, bool first) {
  ++held_;
  const double ratio = o_.target_chi2 / std::max(report.chi2, 1e-3 * o_.target_chi2);
  const bool near = std::abs(1 - report.chi2 / o_.target_chi2) <= o_.target_tolerance;
  if (!first && !near) beta_ *= 0.5 * (ratio + (ratio > 1 ? 2 : 0.75));
  const double change = std::abs(phi_m_last_ - report.phi_m) / (phi_m_last_ + 1e-12);
  phi_m_last_ = report.phi_m;
  if (report.stop == GnStop::converged && !near) report.stop = GnStop::none;
  if (held_ > 2 && near && change < o_.phi_m_tolerance) report.stop = GnStop::target;
  if (held_ > o_.held_iterations && report.stop == GnStop::none) report.stop = GnStop::iterations;
}

template <class T>
GnReport GaussNewton<T>::run(const std::function<void(const GnReport&)>& each) {
  GnReport report;
  do {
    report = step();
    if (each) each(report);
  } while (report.stop == GnStop::none);
  return report;
}

template <class T>
std::map<std::string, std::vector<double>> GaussNewton<T>::state() const {
  std::map<std::string, std::vector<double>> state{{"theta", theta_}, {"diagonal", diagonal_}};
  state["scalars"] = {beta_,
                      phi_m_last_,
                      largest_gradient_,
                      static_cast<double>(iteration_),
                      static_cast<double>(held_),
                      static_cast<double>(stalls_),
                      mu_};
  for (auto& [name, values] : norms_.state()) state["norms." + name] = values;
  if (o_.nystrom_rank > 0) {
    state["nystrom"] = nystrom_.vectors;
    state["nystrom_scalars"] = {nystrom_.least, static_cast<double>(nystrom_first_),
                                static_cast<double>(nystrom_last_)};
    state["nystrom_values"] = nystrom_.values;
  }
  return state;
}

template <class T>
void GaussNewton<T>::restore(const std::map<std::string, std::vector<double>>& state) {
  const auto fits = [&](const char* name, std::size_t size) {
    const auto found = state.find(name);
    return found != state.end() && found->second.size() == size;
  };
  require(
      fits("theta", theta_.size()) && fits("scalars", 7) && (fits("diagonal", 0) || fits("diagonal", theta_.size())),
      ErrorCode::data, "the state does not fit: the checkpoint belongs to another configuration", "Gauss-Newton");
  if (o_.nystrom_rank > 0) {
    require(fits("nystrom_scalars", 3) && state.count("nystrom_values") != 0 &&
                fits("nystrom", state.at("nystrom_values").size() * theta_.size()),
            ErrorCode::data, "the state does not fit: it was made without the low-rank preconditioner", "Gauss-Newton");
    const Vector& counts = state.at("nystrom_scalars");
    nystrom_ = {state.at("nystrom_values"), state.at("nystrom"), counts[0]};
    nystrom_first_ = static_cast<int>(counts[1]);
    nystrom_last_ = static_cast<int>(counts[2]);
  }
  std::map<std::string, Vector> norms;
  for (const auto& [name, values] : state) {
    if (name.rfind("norms.", 0) == 0) norms[name.substr(6)] = values;
  }
  norms_.restore(norms);
  theta_ = state.at("theta");
  diagonal_ = state.at("diagonal");
  const Vector& v = state.at("scalars");
  beta_ = v[0];
  phi_m_last_ = v[1];
  largest_gradient_ = v[2];
  iteration_ = static_cast<Index>(v[3]);
  held_ = static_cast<Index>(v[4]);
  stalls_ = static_cast<Index>(v[5]);
  mu_ = v[6];
  evaluated_ = false;
}

template LeastSquares<float> least_squares<float>(Tape<float>&, Var, Var, Var, std::vector<double>,
                                                  std::vector<double>);
template LeastSquares<double> least_squares<double>(Tape<double>&, Var, Var, Var, std::vector<double>,
                                                    std::vector<double>);
template class GaussNewton<float>;
template class GaussNewton<double>;

}  // namespace terrane
