// SPDX-License-Identifier: MIT
#include "engine/compression/code_polish.hpp"

#include <algorithm>
#include <cmath>

#include "engine/compression/decoder_at.hpp"
#include "engine/compression/pixel_mean.hpp"
#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

// One code at a time: pixels that are means over samples of the decoder, and their targets.
class CodeFit {
 public:
  CodeFit(Stream& s, const AutoDecoder& d, const std::vector<float>& coordinates, Index samples_a_pixel, double penalty)
      : s_(s),
        d_(d),
        decoder_(s, d, coordinates),
        n_(decoder_.points() / samples_a_pixel),
        k_(d.shape.code),
        mean_(s, n_, samples_a_pixel),
        z_(s, k_),
        y_(s, mean_.samples()),
        column_(s, mean_.samples()),
        r_(s, n_),
        jacobian_(s, k_ * n_),
        normal_(s, k_ * k_),
        gradient_(s, k_) {
    for (std::size_t k = 0; k < static_cast<std::size_t>(k_); ++k) {
      const double sigma = std::max(static_cast<double>(d.statistics.deviation[k]), 1e-6);
      prior_.push_back(penalty / (sigma * sigma * static_cast<double>(k_)));
    }
  }

  // From z; target: (pixels) in m/s.
  std::vector<float> run(const float* target, std::vector<float> z, const CodePolish& o) {
    target_ = target;
    double now = loss(z), mu = o.damping;
    std::vector<double> a, g;
    bool moved = true;
    for (Index t = 0; t < o.iterations; ++t) {
      if (moved) linearise(z, a, g);
      const std::vector<float> next = stepped(z, a, g, mu);
      const double then = loss(next);
      moved = then < now;
      mu = moved ? mu / 5 : mu * 5;
      if (moved) z = next, now = then;
    }
    return z;
  }

 private:
  // phi, and residuals in r_.
  double loss(const std::vector<float>& z) {
    copy(s_, std::span<const float>(z), z_.data());
    decoder_.values(z_.data(), y_.data());
    mean_.apply(s_, y_.data(), r_.data());
    std::vector<float> r = to_host(s_, r_);
    double sum = 0;
    for (std::size_t p = 0; p < r.size(); ++p) {
      const double e = static_cast<double>(r[p]) - (static_cast<double>(target_[p]) - d_.offset_mps) / d_.scale_mps;
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
      decoder_.derivative(k, column_.data());
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

  double away(const std::vector<float>& z, std::size_t k) const {
    return static_cast<double>(z[k]) - static_cast<double>(d_.statistics.mean[k]);
  }

  Stream& s_;
  const AutoDecoder& d_;
  DecoderAt decoder_;
  Index n_, k_;
  PixelMean mean_;
  Buffer<float> z_, y_, column_, r_;
  Buffer<float> jacobian_, normal_, gradient_;  // jacobian_: (K, n)
  std::vector<double> prior_;                   // (K)
  const float* target_ = nullptr;
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
  const DecoderWindow window = models.window();
  CodeFit fit(s, d, window_coordinates(window, d.shape.dims), window.samples_a_pixel(d.shape.dims), o.penalty);
  for (Index m = 0; m < count; ++m) {
    const auto at = codes.begin() + m * k;
    const float* target = models.values.data() + m * models.points();
    const std::vector<float> found = fit.run(target, {at, at + k}, o);
    std::copy(found.begin(), found.end(), at);
  }
  return codes;
}

}  // namespace terrane
