// SPDX-License-Identifier: MIT
// Identity forward; the vjp gives the gradient in another metric, d_in += scale o (B_z d_out B_x^T): masks of water and
// of source neighbourhoods, illumination, smoothing along both axes. By design not the derivative of its forward, so
// the gradient checks leave it out; its own test compares with the formula.
#pragma once

#include <vector>

#include "autodiff/ops/pointwise.hpp"

namespace terrane {

template <class T>
class GradientMetricOp : public DiffOp<T> {
 public:
  // scale (nz, nx); blur_z (nz, nz) and blur_x (nx, nx) may be empty: no smoothing.
  GradientMetricOp(Stream& s, Index nz, Index nx, const std::vector<T>& scale, const std::vector<T>& blur_z,
                   const std::vector<T>& blur_x)
      : nz_(nz), nx_(nx), scale_(to_device(s, scale)), blur_z_(to_device(s, blur_z)), blur_x_(to_device(s, blur_x)) {
    if (!blur_z_.empty()) {
      half_ = Buffer<T>(s, nz * nx);
      whole_ = Buffer<T>(s, nz * nx);
    }
  }
  std::string name() const override { return "gradient-metric"; }
  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    require_shapes(in.size() == 1 && elements(in[0]) == nz_ * nx_, name(), in);
    return {in[0]};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr) const override {
    copy_values(s, CopyValues<T>{in[0], out[0], nz_ * nx_});
    return nullptr;
  }
  void vjp(Stream& s, const Saved*, Inputs<T>, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    if (d_in[0] == nullptr) return;
    const T* d = d_out[0];
    if (!blur_z_.empty()) {
      gemm(s, Gemm<T>{nz_, nx_, nz_, blur_z_.data(), nz_, false, d, nx_, false, half_.data(), nx_});
      gemm(s, Gemm<T>{nz_, nx_, nx_, half_.data(), nx_, false, blur_x_.data(), nx_, true, whole_.data(), nx_});
      d = whole_.data();
    }
    // d(x y)/dy t = x t with x the scale
    binary_chain(
        s, BinaryChain<T>{BinaryKind::multiply, T(0), scale_.data(), scale_.data(), d, d_in[0], true, true, nz_ * nx_});
  }
  void jvp(Stream& s, const Saved*, Inputs<T>, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    copy_values(s, CopyValues<T>{t_in[0], t_out[0], nz_ * nx_});
  }

 private:
  Index nz_, nx_;
  Buffer<T> scale_, blur_z_, blur_x_;
  Buffer<T> half_, whole_;
};

}  // namespace terrane
