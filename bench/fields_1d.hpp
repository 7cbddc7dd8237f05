// SPDX-License-Identifier: MIT
// Tangent kernels K (n, n) of fields of one coordinate at n nodes, xi = -1 + 2 k / (n - 1), at their initial weights or
// after a fit to given values.
//   inr   four sine layers of 128, omega_0 30
//   mpe   16 levels of a grid (base 10, growth 1.05, 2 features), then 64-64 with relu
//   ig    the same grid beside two sine layers of 128, each times sqrt(1/2), then 64-64 with relu
// Endings of mpe and ig: "-text" takes base 50 (the publication's text; 10 gives its parameter counts), "-rms" starts
// as the program does by default: table U(+-0.1), every branch divided by the RMS of its initial features, last layer
// times 0.3; without, the table begins at U(+-1e-4) beside features of order one, as in public code. "-unit" divides
// the features of that table by their RMS, which leaves K to the table. A low-rank field has no meaning here:
// Error{config}.
#pragma once

#include "analysis/network_jacobian.hpp"
#include "autodiff/ops/fusion_op.hpp"
#include "autodiff/ops/mlp_op.hpp"
#include "autodiff/ops/multigrid_op.hpp"
#include "engine/field.hpp"
#include "kernels/runtime/random.hpp"

namespace terrane {

class Field1d {
 public:
  Field1d(Stream& s, const std::string& type, Index n, std::uint64_t seed) : s_(s), n_(n) {
    kind_ = type;
    const auto ending = [&](const std::string& word) {
      const bool has = kind_.ends_with(word);
      if (has) kind_.resize(kind_.size() - word.size());
      return has;
    };
    const bool program = ending("-rms"), unit = ending("-unit");
    rms_ = program || unit;
    const bool text = ending("-text");
    require(kind_ != "lowrank" && kind_ != "low-rank" && kind_ != "lr" && kind_ != "lrg", ErrorCode::config,
            "a low-rank field is a sum of products of functions of two or more coordinates: it is not defined in one "
            "dimension",
            "field 1d");
    require((kind_ == "inr" && kind_ == type) || kind_ == "mpe" || kind_ == "ig", ErrorCode::config,
            "unknown field: use inr, or mpe or ig, with -text, and with -rms or -unit", "field 1d");
    const Random random(seed, RandomPurpose::field_init);
    const auto uniform = [&](double bound) {
      theta_.push_back(random.uniform(static_cast<std::uint64_t>(theta_.size()), 0, -bound, bound));
    };
    if (kind_ != "inr") {
      table_ = multigrid_shape(1, multigrid_preset(text ? "text" : "params"));
      for (Index i = 0; i < table_.parameters(); ++i) uniform(program ? 0.1 : 1e-4);
    }
    if (kind_ == "inr") {
      head_ = siren_shape(1, {128, 128, 128, 128}, {30, 30, 30, 30});
    } else {
      if (kind_ == "ig") branch_ = sine_features_shape(1, {128, 128}, 30);
      head_ = mlp_shape(table_.n_out() + (kind_ == "ig" ? 128 : 0), {64, 64}, Activation::relu, 0);
    }
    for (const MlpShape& shape : {branch_, head_}) {
      for (int l = 0; l < shape.layers; ++l) {
        const MlpLayer& layer = shape.layer[l];
        const double n_in = static_cast<double>(layer.n_in), framework = 1 / std::sqrt(n_in);
        const bool sines = shape.layer[0].activation == Activation::sine;
        const double head = program && l + 1 == shape.layers && layer.activation == Activation::identity ? 0.3 : 1;
        const double bound = !sines ? head * framework : l == 0 ? 1 / n_in : std::sqrt(6 / n_in) / 30;
        for (Index i = 0; i < layer.parameters(); ++i) uniform(i < layer.n_in * layer.n_out ? bound : framework);
      }
    }
  }

  Index parameters() const { return static_cast<Index>(theta_.size()); }

  // Adam on |F - target|^2 / 2, the rate falling linearly to zero, the table at ten times the rate. Returns
  // |F - target| / |target|.
  double fit(const std::vector<double>& target, int steps, double rate) {
    Tape<double> tape(s_);
    const auto [theta, out] = record(tape, feature_scales());
    Sweep<double> sweep(tape);
    std::vector<double> mean(theta_.size(), 0.0), square = mean;
    double error = 0, norm = 0;
    for (const double v : target) norm += v * v;
    for (int k = 1; k <= steps + 1; ++k) {
      tape.set(theta, theta_);
      tape.forward();
      std::vector<double> r = tape.get(out);
      error = 0;
      for (std::size_t i = 0; i < r.size(); ++i) {
        r[i] -= target[i];
        error += r[i] * r[i];
      }
      if (k > steps) break;
      const Buffer<double> seed = to_device(s_, r);
      tape.backward(sweep, out, seed.data());
      const std::vector<double> g = to_host(s_, sweep.cotangent(theta), parameters());
      const double now = rate * static_cast<double>(steps - k) / static_cast<double>(steps);
      const double a = 1 - std::pow(0.9, k), b = 1 - std::pow(0.999, k);
      for (std::size_t i = 0; i < g.size(); ++i) {
        mean[i] = 0.9 * mean[i] + 0.1 * g[i];
        square[i] = 0.999 * square[i] + 0.001 * g[i] * g[i];
        const bool table = kind_ != "inr" && static_cast<Index>(i) < table_.parameters();
        theta_[i] -= (table ? 10 : 1) * now * mean[i] / a / (std::sqrt(square[i] / b) + 1e-16);
      }
    }
    return std::sqrt(error / norm);
  }

  // K (n, n) and the values F (n).
  std::vector<double> tangent_kernel(std::vector<double>& f) {
    Tape<double> tape(s_);
    const auto [theta, out] = record(tape, feature_scales());
    f = tape.get(out);
    return to_host(s_, field_gram(tape, theta, out).k);
  }

 private:
  using Features = std::vector<Var>;
  // Inputs set, branches recorded.
  Features branches(Tape<double>& tape, Var theta) const {
    std::vector<double> xi, zeta;
    for (Index k = 0; k < n_; ++k) {
      zeta.push_back(static_cast<double>(k) / static_cast<double>(n_ - 1));
      xi.push_back(2 * zeta.back() - 1);
    }
    const auto slice = [&](Index offset, Index count) {
      return tape.apply(std::make_shared<SliceOp<double>>(offset, Shape{count}), {theta});
    };
    Features f;
    if (kind_ != "inr") {
      const Var at = tape.input({n_, 1}, "zeta", false);
      tape.set(at, zeta);
      f.push_back(tape.apply(std::make_shared<MultigridOp<double>>(table_, n_), {slice(0, table_.parameters()), at}));
    }
    if (kind_ == "mpe") return f;
    const Var at = tape.input({n_, 1}, "xi", false);
    tape.set(at, xi);
    if (kind_ == "inr") return {at};
    const Var w = slice(table_.parameters(), branch_.parameters());
    f.push_back(tape.apply(std::make_shared<MlpOp<double>>(branch_, n_), {w, at}));
    return f;
  }
  // Of the first call, at the initial weights.
  const std::vector<double>& feature_scales() {
    if (kind_ != "inr" && scales_.empty()) scales_ = measured_scales();
    return scales_;
  }
  std::vector<double> measured_scales() const {
    Tape<double> tape(s_);
    const Var theta = tape.input({parameters()}, "theta");
    tape.set(theta, theta_);
    const Features f = branches(tape, theta);
    tape.forward();
    std::vector<double> scales;
    for (const Var v : f) {
      double squares = 0;
      const std::vector<double> values = tape.get(v);
      for (const double x : values) squares += x * x / static_cast<double>(values.size());
      scales.push_back(std::sqrt(kind_ == "ig" ? 0.5 : 1.0) / (rms_ ? std::sqrt(squares) : 1.0));
    }
    return scales;
  }
  std::pair<Var, Var> record(Tape<double>& tape, const std::vector<double>& scales) const {
    const Var theta = tape.input({parameters()}, "theta");
    tape.set(theta, theta_);
    const Features f = branches(tape, theta);
    Var in = f[0];
    if (kind_ != "inr") {
      std::vector<Index> columns;
      for (const Var v : f) columns.push_back(tape.shape(v)[1]);
      in = tape.apply(std::make_shared<ConcatScaleOp<double>>(n_, columns, scales), f);
    }
    const Index at = parameters() - head_.parameters();
    const Var w =
        at == 0 ? theta : tape.apply(std::make_shared<SliceOp<double>>(at, Shape{head_.parameters()}), {theta});
    const Var out = tape.apply(std::make_shared<MlpOp<double>>(head_, n_), {w, in});
    tape.forward();
    return {theta, out};
  }

  Stream& s_;
  Index n_;
  std::string kind_;
  bool rms_ = false;
  MultigridShape table_;
  MlpShape branch_, head_;
  std::vector<double> theta_, scales_;
};

}  // namespace terrane
