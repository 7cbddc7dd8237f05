// SPDX-License-Identifier: MIT
#include "engine/compression/code_polish.hpp"

#include <algorithm>
#include <cmath>

#include "autodiff/ops/modulated_mlp_op.hpp"
#include "engine/compression/pixel_mean.hpp"
#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

// One model at a time.
class CodeFit {
 public:
  CodeFit(Stream& s, const AutoDecoder& d, const ModelSet& models, double penalty)
      : s_(s),
        d_(d),
        models_(models),
        n_(models.points()),
        k_(d.shape.code),
        mean_(s, n_, models.window().samples_a_pixel(d.shape.dims)),
        local_(d.shape.local(1, mean_.samples())),
        op_(d.shape.network(), 1, mean_.samples(), d.shape.shifted_layers()),
        parameters_(to_device(s, d.parameters)),
        x_(to_device(s, window_coordinates(models.window(), d.shape.dims))),
        z_(s, k_),
        shifts_(s, d.shape.shifts()),
        y_(s, mean_.samples()),
        column_(s, mean_.samples()),
        r_(s, n_),
        inputs_(s, d.shape.cells > 0 ? local_.rows() * local_.columns() : 0),
        changes_(s, inputs_.size()),
        unit_(s, d.shape.cells > 0 ? k_ : 0),
        jacobian_(s, k_ * n_),
        normal_(s, k_ * k_),
        gradient_(s, k_) {
    for (std::size_t k = 0; k < static_cast<std::size_t>(k_); ++k) {
      const double sigma = std::max(static_cast<double>(d.statistics.deviation[k]), 1e-6);
      prior_.push_back(penalty / (sigma * sigma * static_cast<double>(k_)));
    }
  }

  // phi, and residuals in r_.
  double loss(Index model, const std::vector<float>& z) {
    copy(s_, std::span<const float>(z), z_.data());
    evaluate();
    mean_.apply(s_, y_.data(), r_.data());
    std::vector<float> r = to_host(s_, r_);
    double sum = 0;
    for (std::size_t p = 0; p < r.size(); ++p) {
      const double v = models_.values[static_cast<std::size_t>(model * n_) + p];
      const double e = static_cast<double>(r[p]) - (v - d_.offset_mps) / d_.scale_mps;
      r[p] = static_cast<float>(e);
      sum += e * e;
    }
    copy(s_, std::span<const float>(r), r_.data());
    sum /= static_cast<double>(n_);
    for (std::size_t k = 0; k < z.size(); ++k) sum += prior_[k] * std::pow(away(z, k), 2);
    return sum;
  }

  // Normal matrix and gradient at the code of the last loss().
  void linearise(const std::vector<float>& z, std::vector<double>& a, std::vector<double>& g) {
    for (Index k = 0; k < k_; ++k) {
      differentiate(k);
      mean_.apply(s_, column_.data(), jacobian_.data() + k * n_);
    }
    const float share = 1.0F / static_cast<float>(n_);
    gemm(s_,
         Gemm<float>{k_, k_, n_, jacobian_.data(), n_, false, jacobian_.data(), n_, true, normal_.data(), k_, share});
    gemm(s_, Gemm<float>{k_, 1, n_, jacobian_.data(), n_, false, r_.data(), 1, false, gradient_.data(), 1, share});
    const std::vector<float> normal = to_host(s_, normal_), gradient = to_host(s_, gradient_);
    a.assign(normal.begin(), normal.end());
    g.assign(gradient.begin(), gradient.end());
    for (std::size_t k = 0; k < g.size(); ++k) {
      a[k * g.size() + k] += prior_[k];
      g[k] += prior_[k] * away(z, k);
    }
  }

  // z - (A + mu diag A)^-1 g
  std::vector<float> stepped(const std::vector<float>& z, std::vector<double> a, const std::vector<double>& g,
                             double mu) {
    double largest = 0;
    for (std::size_t k = 0; k < g.size(); ++k) largest = std::max(largest, a[k * g.size() + k]);
    // Numbers that the decoder does not listen to stay where they are.
    for (std::size_t k = 0; k < g.size(); ++k) a[k * g.size() + k] += mu * a[k * g.size() + k] + 1e-7 * largest + 1e-30;
    Buffer<double> l = to_device(s_, a), d = to_device(s_, g);
    cholesky(s_, Cholesky<double>{k_, l.data(), l.data()});
    cholesky_solve(s_, CholeskySolve<double>{k_, 1, l.data(), d.data()});
    const std::vector<double> step = to_host(s_, d);
    std::vector<float> next = z;
    for (std::size_t k = 0; k < next.size(); ++k) next[k] -= static_cast<float>(step[k]);
    return next;
  }

  std::vector<float> run(Index model, std::vector<float> z, const CodePolish& o) {
    double now = loss(model, z), mu = o.damping;
    std::vector<double> a, g;
    bool moved = true;
    for (Index t = 0; t < o.iterations; ++t) {
      if (moved) linearise(z, a, g);
      const std::vector<float> next = stepped(z, a, g, mu);
      const double then = loss(model, next);
      moved = then < now;
      mu = moved ? mu / 5 : mu * 5;
      if (moved) z = next, now = then;
    }
    return z;
  }

 private:
  bool on_grid() const { return d_.shape.cells > 0; }
  // y_ of the code z_.
  void evaluate() {
    if (on_grid()) {
      local_code_forward(s_, LocalCodeForward<float>{local_, z_.data(), x_.data(), inputs_.data()});
      mlp_forward(s_,
                  MlpForward<float>{d_.shape.network(), local_.rows(), parameters_.data(), inputs_.data(), y_.data()});
      return;
    }
    const Index m = d_.shape.shifts();
    gemm(s_, Gemm<float>{1, m, k_, z_.data(), k_, false, modulation(), m, false, shifts_.data(), m});
    const float* in[] = {parameters_.data(), shifts_.data(), x_.data()};
    float* out[] = {y_.data()};
    saved_ = op_.forward(s_, in, out, std::move(saved_));
  }
  // column_ = dy / dz_k at the last evaluate().
  void differentiate(Index k) {
    if (on_grid()) {
      fill(s_, Fill<float>{unit_.data(), 0.0F, k_});
      fill(s_, Fill<float>{unit_.data() + k, 1.0F, 1});
      local_code_jvp(s_, LocalCodeJvp<float>{local_, z_.data(), x_.data(), unit_.data(), nullptr, changes_.data()});
      mlp_jvp(s_, MlpJvp<float>{d_.shape.network(), local_.rows(), parameters_.data(), inputs_.data(), nullptr,
                                changes_.data(), column_.data()});
      return;
    }
    const float* in[] = {parameters_.data(), shifts_.data(), x_.data()};
    const float* tangent[] = {nullptr, modulation() + k * d_.shape.shifts(), nullptr};
    const float* out[] = {y_.data()};
    float* column[] = {column_.data()};
    op_.jvp(s_, saved_.get(), in, out, tangent, column);
  }
  const float* modulation() const { return parameters_.data() + d_.shape.network_parameters(); }
  double away(const std::vector<float>& z, std::size_t k) const {
    return static_cast<double>(z[k]) - static_cast<double>(d_.statistics.mean[k]);
  }

  Stream& s_;
  const AutoDecoder& d_;
  const ModelSet& models_;
  Index n_, k_;
  PixelMean mean_;
  LocalCodeShape local_;  // of a code on a grid
  ModulatedMlpOp<float> op_;
  Buffer<float> parameters_, x_, z_, shifts_, y_, column_, r_;
  Buffer<float> inputs_, changes_, unit_;       // of the network, their tangent, a number of the code
  Buffer<float> jacobian_, normal_, gradient_;  // jacobian_: (K, n)
  SavedPtr saved_;
  std::vector<double> prior_;  // (K)
};

}  // namespace

std::vector<float> polish_codes(Stream& s, const AutoDecoder& d, const ModelSet& models, std::vector<float> codes,
                                const CodePolish& o) {
  const Index count = models.count(), k = d.shape.code;
  const bool sizes =
      count >= 1 && count * models.points() == std::ssize(models.values) && count * k == std::ssize(codes);
  require(sizes, ErrorCode::data, "codes and models are of different numbers");
  require(o.iterations >= 0 && o.damping > 0 && o.penalty >= 0, ErrorCode::config,
          "iterations and penalty are at least 0, the damping above 0");
  for (const float v : models.values) require(std::isfinite(v), ErrorCode::data, "a model holds NaN or infinity");
  CodeFit fit(s, d, models, o.penalty);
  for (Index m = 0; m < count; ++m) {
    const auto at = codes.begin() + m * k;
    const std::vector<float> found = fit.run(m, {at, at + k}, o);
    std::copy(found.begin(), found.end(), at);
  }
  return codes;
}

}  // namespace terrane
