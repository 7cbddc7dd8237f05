// SPDX-License-Identifier: MIT
#include "engine/optimizer.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "engine/json_value.hpp"
#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {

namespace {

template <class T>
double inner(Stream& s, const T* x, const T* y, Index n) {
  const Buffer<T> out(s, 1);
  dot(s, Dot<T>{x, y, out.data(), n});
  return static_cast<double>(to_host(s, out)[0]);
}
template <class T>
double norm(Stream& s, const T* x, Index n) {
  const Buffer<double> out(s, 1);
  square_sum(s, SquareSum<T>{x, out.data(), n});
  return std::sqrt(to_host(s, out)[0]);
}

template <class T>
std::vector<double> download(Stream& s, const Buffer<T>& b) {
  const auto host = to_host(s, b);
  return std::vector<double>(host.begin(), host.end());
}
template <class T>
void upload(Stream& s, const OptimizerState& state, const std::string& name, Buffer<T>& b) {
  const auto found = state.find(name);
  if (found == state.end() || static_cast<Index>(found->second.size()) != b.size()) {
    throw Error(ErrorCode::data, "the optimizer state lacks \"" + name + "\" of " + std::to_string(b.size()) +
                                     " values: the checkpoint belongs to another configuration");
  }
  const std::vector<T> host(found->second.begin(), found->second.end());
  copy(s, std::span<const T>(host), b.data());
}

struct GroupRate {
  Index offset, size;
  double lr;
};

std::vector<GroupRate> group_rates(const Json& optimizer, const std::vector<ParameterGroup>& groups,
                                   double default_lr) {
  const double lr = optimizer.at("lr").is_null() ? default_lr : optimizer.at("lr").get<double>();
  std::vector<GroupRate> rates;
  const Json& own = optimizer.at("groups");
  for (const auto& [name, _] : own.items()) {
    const bool known = std::any_of(groups.begin(), groups.end(), [&n = name](const auto& g) { return g.name == n; });
    if (known) continue;
    std::string names;
    for (const auto& g : groups) names += (names.empty() ? "" : ", ") + g.name;
    throw Error(ErrorCode::config,
                "/optimizer/groups/" + name + ": this field has no such part; its parts are " + names);
  }
  for (const ParameterGroup& g : groups) {
    rates.push_back({g.offset, g.size, own.contains(g.name) ? own.at(g.name).at("lr").get<double>() : lr});
  }
  return rates;
}

// Adam and SGD share everything but the update of one group.
template <class T>
class FirstOrder : public Optimizer<T> {
 public:
  FirstOrder(Stream& s, Json optimizer, std::vector<GroupRate> rates, Index n, bool adam)
      : optimizer_(std::move(optimizer)),
        rates_(std::move(rates)),
        n_(n),
        adam_(adam),
        clip_norm_(optimizer_.at("clip_norm").is_null() ? 0 : optimizer_.at("clip_norm").get<double>()),
        m_(s, n),
        v_(s, adam ? n : 0),
        before_(s, n),
        schedule_(s, 3 * block()),
        squares_(s, 2),
        settings_(s, 4),
        at_(s, 1) {
    fill(s, Fill<T>{m_.data(), T(0), n});
    if (adam) fill(s, Fill<T>{v_.data(), T(0), n});
  }

  Index block() const override { return optimizer_.value("read_every", Index{1}); }

  std::vector<StepReport> steps(Stream& s, Objective<T>& objective, const std::vector<double>& factors) override {
    const auto count = static_cast<Index>(factors.size());
    require(count >= 1 && count <= block(), ErrorCode::failed, "more steps than optimizer.read_every at a time");
    begin_block(s, objective, factors);
    for (Index k = 0; k < count; ++k) {
      if (objective.prepare) objective.prepare(k);
      objective.recording->run(s, [&] { launch_step(s, objective); });
    }
    objective.recording->check();
    if (count == 1 && objective.evaluated) objective.evaluated();
    return read_block(s, count, static_cast<Index>(objective.scalars.size()));
  }
  OptimizerState state(Stream& s) const override {
    OptimizerState state{{"count", {static_cast<double>(count_)}}, {"m", download(s, m_)}};
    if (adam_) state["v"] = download(s, v_);
    return state;
  }
  void restore(Stream& s, const OptimizerState& state) override {
    upload(s, state, "m", m_);
    if (adam_) upload(s, state, "v", v_);
    count_ = static_cast<Index>(state.at("count").at(0));
  }

 private:
  void begin_block(Stream& s, Objective<T>& objective, const std::vector<double>& factors) {
    const auto wanted = static_cast<Index>(objective.scalars.size());
    if (objective.scalars != known_) {
      known_ = objective.scalars;
      scalars_ = to_device(s, known_);
      rows_ = Buffer<double>(s, block() * (2 + wanted));
      objective.recording->forget();
    }
    std::vector<double> schedule;
    for (std::size_t k = 0; k < factors.size(); ++k) {
      const auto t = static_cast<double>(count_ + 1 + static_cast<Index>(k));
      schedule.push_back(factors[k]);
      for (int moment = 0; moment < 2; ++moment) {
        schedule.push_back(adam_ ? 1 - std::pow(optimizer_.at("betas")[moment].template get<double>(), t) : 1);
      }
    }
    copy(s, std::span<const double>(schedule), schedule_.data());
    const Index first = 0;
    copy(s, std::span<const Index>(&first, 1), at_.data());
  }
  void launch_step(Stream& s, const Objective<T>& objective) {
    T* x = objective.parameters;
    const T* gradient = objective.launch();
    square_sum(s, SquareSum<T>{gradient, squares_.data(), n_});
    begin_step(s,
               BeginStep<T>{schedule_.data(), at_.data(), squares_.data(), known_.at(0), clip_norm_, settings_.data()});
    copy_values(s, CopyValues<T>{x, before_.data(), n_});
    for (const GroupRate& g : rates_) update(s, x, gradient, g);
    axpby(s, Axpby<T>{T(1), x, T(-1), before_.data(), n_});
    square_sum(s, SquareSum<T>{before_.data(), squares_.data() + 1, n_});
    if (objective.moved) objective.moved();
    end_step(s, EndStep<T>{squares_.data(), scalars_.data(), scalars_.size(), rows_.data(), at_.data()});
  }
  void update(Stream& s, T* x, const T* gradient, const GroupRate& g) {
    T *px = x + g.offset, *pm = m_.data() + g.offset;
    const T* pg = gradient + g.offset;
    if (!adam_) {
      const auto momentum = optimizer_.at("momentum").template get<T>();
      momentum_scheduled(s, ScheduledMomentum<T>{{px, pg, pm, T(0), momentum, T(1), g.size}, g.lr, settings_.data()});
      return;
    }
    const double b1 = optimizer_.at("betas")[0], b2 = optimizer_.at("betas")[1];
    const double epsilon = optimizer_.at("epsilon");
    adam_scheduled(s, ScheduledAdam<T>{{px, pg, pm, v_.data() + g.offset, g.lr, b1, b2, epsilon, 1, 1, 1, 0.0, g.size},
                                       settings_.data()});
  }
  std::vector<StepReport> read_block(Stream& s, Index steps, Index scalars) {
    const std::vector<double> rows = to_host(s, rows_.data(), steps * (2 + scalars));
    std::vector<StepReport> reports(static_cast<std::size_t>(steps));
    bool moved = true;
    for (std::size_t k = 0; k < reports.size(); ++k) {
      const auto row = rows.begin() + static_cast<std::ptrdiff_t>(k) * (2 + scalars);
      StepReport& r = reports[k];
      r.values.assign(row + 2, row + 2 + scalars);
      r.phi = r.values.at(0);
      r.gradient_norm = std::sqrt(row[0]);
      r.step_norm = std::sqrt(row[1]);
      moved = moved && std::isfinite(r.phi) && std::isfinite(r.gradient_norm);
      if (moved) ++count_;
    }
    return reports;
  }

  Json optimizer_;
  std::vector<GroupRate> rates_;
  Index n_;
  bool adam_;
  double clip_norm_;
  Index count_ = 0;
  Buffer<T> m_, v_, before_;
  Buffer<double> schedule_, squares_, settings_, rows_;  // kernels/fit/optimize.hpp
  Buffer<Index> at_;
  std::vector<const T*> known_;  // scalars of the objective
  Buffer<const T*> scalars_;
};

template <class T>
class Lbfgs : public SingleSteps<T> {
 public:
  Lbfgs(Stream& s, Json optimizer, double lr, Index n)
      : optimizer_(std::move(optimizer)),
        lr_(lr),
        n_(n),
        memory_(optimizer_.at("memory").get<int>()),
        wolfe_(optimizer_.at("line_search") == "wolfe"),
        x0_(s, n),
        g0_(s, n),
        direction_(s, n) {
    for (int k = 0; k < memory_; ++k) {
      s_.emplace_back(s, n);
      y_.emplace_back(s, n);
    }
    rho_.assign(static_cast<std::size_t>(memory_), 0.0);
  }

  StepReport single(Stream& s, Objective<T>& objective, double rate_factor) override {
    StepReport report;
    const T* gradient = nullptr;
    report.phi = objective.evaluate(s, &gradient);
    report.gradient_norm = norm(s, gradient, n_);
    if (!std::isfinite(report.phi) || !std::isfinite(report.gradient_norm) || report.gradient_norm == 0) return report;
    copy_values(s, CopyValues<T>{objective.parameters, x0_.data(), n_});
    copy_values(s, CopyValues<T>{gradient, g0_.data(), n_});
    make_direction(s);
    double slope = inner(s, direction_.data(), g0_.data(), n_);
    if (!(slope < 0)) {  // the curvature pairs lie: start again from the gradient
      count_ = 0;
      make_direction(s);
      slope = inner(s, direction_.data(), g0_.data(), n_);
    }
    const double direction_norm = norm(s, direction_.data(), n_);
    const double first = count_ == 0 ? lr_ * rate_factor / direction_norm : rate_factor;
    const double length = search(s, objective, report, slope, first, &gradient);
    report.step_norm = length * direction_norm;
    if (length > 0) remember(s, objective.parameters, gradient);
    report.stalled = length == 0;
    if (report.stalled) count_ = 0;
    return report;
  }
  OptimizerState state(Stream& s) const override {
    OptimizerState state{{"count", {static_cast<double>(count_)}}, {"rho", rho_}};
    for (std::size_t k = 0; k < s_.size(); ++k) {
      if (static_cast<Index>(k) >= count_) continue;
      state["s" + std::to_string(k)] = download(s, s_[k]);
      state["y" + std::to_string(k)] = download(s, y_[k]);
    }
    return state;
  }
  void restore(Stream& s, const OptimizerState& state) override {
    count_ = static_cast<Index>(state.at("count").at(0));
    rho_ = state.at("rho");
    for (std::size_t k = 0; k < s_.size() && static_cast<Index>(k) < count_; ++k) {
      upload(s, state, "s" + std::to_string(k), s_[k]);
      upload(s, state, "y" + std::to_string(k), y_[k]);
    }
  }

 private:
  // direction = -H g by the two-loop recursion over the newest min(count, memory) pairs.
  void make_direction(Stream& s) {
    axpby(s, Axpby<T>{T(-1), g0_.data(), T(0), direction_.data(), n_});
    const Index pairs = std::min<Index>(count_, memory_);
    std::vector<double> alpha(static_cast<std::size_t>(pairs));
    for (Index k = 0; k < pairs; ++k) {
      const auto i = static_cast<std::size_t>((count_ - 1 - k) % memory_);
      const double a = rho_[i] * inner(s, s_[i].data(), direction_.data(), n_);
      alpha[static_cast<std::size_t>(k)] = a;
      axpby(s, Axpby<T>{T(-a), y_[i].data(), T(1), direction_.data(), n_});
    }
    if (pairs > 0) {
      const auto i = static_cast<std::size_t>((count_ - 1) % memory_);
      const double gamma = 1 / (rho_[i] * inner(s, y_[i].data(), y_[i].data(), n_));
      axpby(s, Axpby<T>{T(gamma), direction_.data(), T(0), direction_.data(), n_});
    }
    for (Index k = pairs; k-- > 0;) {
      const auto i = static_cast<std::size_t>((count_ - 1 - k) % memory_);
      const double b = rho_[i] * inner(s, y_[i].data(), direction_.data(), n_);
      axpby(s, Axpby<T>{T(alpha[static_cast<std::size_t>(k)] - b), s_[i].data(), T(1), direction_.data(), n_});
    }
  }
  void move(Stream& s, T* x, double length) {
    copy_values(s, CopyValues<T>{x0_.data(), x, n_});
    axpby(s, Axpby<T>{T(length), direction_.data(), T(1), x, n_});
  }
  // Returns the accepted length and leaves parameters and gradient there; 0 (parameters restored) when there is none.
  double search(Stream& s, Objective<T>& objective, StepReport& report, double slope, double length,
                const T** gradient) {
    double low = 0, high = 0, best = 0;
    for (int trial = 0; trial < 14; ++trial) {
      move(s, objective.parameters, length);
      const double phi = objective.evaluate(s, gradient);
      ++report.evaluations;
      const bool decrease = std::isfinite(phi) && phi <= report.phi + 1e-4 * length * slope;
      const double slope_here = decrease ? inner(s, direction_.data(), *gradient, n_) : 0;
      if (decrease && (!wolfe_ || std::abs(slope_here) <= 0.9 * std::abs(slope))) return length;
      if (decrease) best = length;
      if (!decrease || slope_here > 0) {
        high = length;
      } else {
        low = length;
      }
      length = high > 0 ? 0.5 * (low + high) : 2 * length;
    }
    move(s, objective.parameters, best);
    if (best > 0) {  // Armijo holds there: take it and renew the gradient
      objective.evaluate(s, gradient);
      ++report.evaluations;
    }
    return best;
  }
  void remember(Stream& s, const T* x, const T* gradient) {
    const auto i = static_cast<std::size_t>(count_ % memory_);
    copy_values(s, CopyValues<T>{x, s_[i].data(), n_});
    axpby(s, Axpby<T>{T(-1), x0_.data(), T(1), s_[i].data(), n_});
    copy_values(s, CopyValues<T>{gradient, y_[i].data(), n_});
    axpby(s, Axpby<T>{T(-1), g0_.data(), T(1), y_[i].data(), n_});
    const double curvature = inner(s, s_[i].data(), y_[i].data(), n_);
    if (curvature > 1e-10 * norm(s, s_[i].data(), n_) * norm(s, y_[i].data(), n_)) {
      rho_[i] = 1 / curvature;
      ++count_;
    }
  }
  Json optimizer_;
  double lr_;
  Index n_, count_ = 0;
  int memory_;
  bool wolfe_;
  Buffer<T> x0_, g0_, direction_;
  std::vector<Buffer<T>> s_, y_;
  std::vector<double> rho_;
};

}  // namespace

template <class T>
double Objective<T>::evaluate(Stream& s, const T** gradient) {
  recording->run(s, [&] { last_ = launch(); });
  recording->check();
  *gradient = last_;
  const auto phi = static_cast<double>(to_host(s, scalars.at(0), 1)[0]);
  if (!values.empty()) return phi;
  for (const T* scalar : scalars) values.push_back(static_cast<double>(to_host(s, scalar, 1)[0]));
  if (evaluated) evaluated();
  return phi;
}

template <class T>
std::vector<StepReport> SingleSteps<T>::steps(Stream& s, Objective<T>& objective, const std::vector<double>& factors) {
  require(factors.size() == 1, ErrorCode::failed, "this optimizer takes one step at a time");
  if (objective.prepare) objective.prepare(0);
  objective.values.clear();
  StepReport report = single(s, objective, factors[0]);
  report.values = objective.values;
  return {report};
}

template <class T>
std::unique_ptr<Optimizer<T>> make_optimizer(Stream& s, const Json& optimizer,
                                             const std::vector<ParameterGroup>& groups, Index n, double default_lr) {
  const std::string type = optimizer.at("type");
  auto rates = group_rates(optimizer, groups, default_lr);
  if (type == "lbfgs") return std::make_unique<Lbfgs<T>>(s, optimizer, rates.at(0).lr, n);
  if (type == "adam" || type == "sgd") {
    return std::make_unique<FirstOrder<T>>(s, optimizer, std::move(rates), n, type == "adam");
  }
  throw Error(ErrorCode::config, "/optimizer/type: \"" + type + "\" is not built in this version");
}

double schedule_factor(const Json& schedule, Index iteration, Index total) {
  const std::string type = schedule.at("type");
  const auto k = static_cast<double>(iteration);
  if (type == "cosine") {
    const double warmup = schedule.at("warmup_iterations"), last = schedule.at("min_ratio");
    if (k < warmup) return (k + 1) / warmup;
    const double span = std::max(1.0, static_cast<double>(total) - warmup);
    return last + (1 - last) * 0.5 * (1 + std::cos(std::numbers::pi * std::min(1.0, (k - warmup) / span)));
  }
  if (type == "step")
    return std::pow(schedule.at("gamma").get<double>(), std::floor(k / schedule.at("every_iterations").get<double>()));
  if (type == "exponential") return std::pow(schedule.at("gamma").get<double>(), k);
  return 1;
}

template struct Objective<float>;
template struct Objective<double>;
template class SingleSteps<float>;
template class SingleSteps<double>;
template std::unique_ptr<Optimizer<float>> make_optimizer<float>(Stream&, const Json&,
                                                                 const std::vector<ParameterGroup>&, Index, double);
template std::unique_ptr<Optimizer<double>> make_optimizer<double>(Stream&, const Json&,
                                                                   const std::vector<ParameterGroup>&, Index, double);

}  // namespace terrane
