// SPDX-License-Identifier: MIT
// A pixel as the mean over its samples, y (n, q) to p (n), and the adjoint:
//
//   p_i = (1/q) sum_j y_ij          d_y_ij = d_p_i / q
//
// With q = 1 values pass unchanged.
#pragma once

#include <utility>

#include "kernels/kernels.hpp"
#include "kernels/runtime/buffer.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {

class PixelMean {
 public:
  // n pixels of q samples each. Error{config} for q < 1.
  PixelMean(Stream& s, Index n, Index q) : n_(n), q_(q) {
    require(q >= 1, ErrorCode::config, "a pixel is the mean over at least one point");
    if (q == 1) return;
    ones_ = to_device(s, std::vector<float>(static_cast<std::size_t>(q), 1.0F));
    spread_ = Buffer<float>(s, n * q);
  }
  Index pixels() const { return n_; }
  Index samples() const { return n_ * q_; }

  // p = mean(y)
  void apply(Stream& s, const float* y, float* p) const {
    if (q_ == 1) {
      copy_values(s, CopyValues<float>{y, p, n_});
    } else {
      gemm(s, Gemm<float>{n_, 1, q_, y, q_, false, ones_.data(), 1, false, p, 1, 1.0F / static_cast<float>(q_)});
    }
  }
  // r = scale (mean(y) - r): r holds the targets before.
  void residual(Stream& s, const float* y, float scale, float* r) const {
    if (q_ == 1) {
      axpby(s, Axpby<float>{scale, y, -scale, r, n_});
    } else {
      const float share = scale / static_cast<float>(q_);
      gemm(s, Gemm<float>{n_, 1, q_, y, q_, false, ones_.data(), 1, false, r, 1, share, -scale});
    }
  }
  // Cotangents of the samples, (n, q), from those of the pixels; valid until the next call.
  const float* adjoint(Stream& s, const float* d_p) {
    if (q_ == 1) return d_p;
    const float share = 1.0F / static_cast<float>(q_);
    gemm(s, Gemm<float>{n_, q_, 1, d_p, 1, false, ones_.data(), q_, false, spread_.data(), q_, share});
    return spread_.data();
  }

 private:
  Index n_, q_;
  Buffer<float> ones_, spread_;  // (q), (n, q)
};

}  // namespace terrane
