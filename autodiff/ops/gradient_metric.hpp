// SPDX-License-Identifier: MIT
// Identity forward; the vjp gives the gradient in another metric, d_in += scale o (B_z d_out B_x^T), in three
// dimensions with B_y along y as well: masks of water and of source neighbourhoods, illumination, smoothing along all
// axes. By design not the derivative of its forward, so the gradient checks leave it out; its own test compares with
// the formula.
#pragma once

#include <utility>
#include <vector>

#include "autodiff/ops/pointwise.hpp"

namespace terrane {

template <class T>
class GradientMetricOp : public DiffOp<T> {
 public:
  // nodes of the axes z, x or z, y, x; scale: of that shape; blurs: one (n, n) an axis, or none: no smoothing.
  GradientMetricOp(Stream& s, Shape nodes, const std::vector<T>& scale, const std::vector<std::vector<T>>& blurs)
      : nodes_(std::move(nodes)), size_(elements(nodes_)), scale_(to_device(s, scale)) {
    for (const std::vector<T>& b : blurs) blurs_.push_back(to_device(s, b));
    if (!blurs_.empty()) {
      half_ = Buffer<T>(s, size_);
      whole_ = Buffer<T>(s, size_);
    }
  }
  std::string name() const override { return "gradient-metric"; }
  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    require_shapes(in.size() == 1 && elements(in[0]) == size_, name(), in);
    return {in[0]};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr) const override {
    copy_values(s, CopyValues<T>{in[0], out[0], size_});
    return nullptr;
  }
  void vjp(Stream& s, const Saved*, Inputs<T>, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    if (d_in[0] == nullptr) return;
    const T* d = blurs_.empty() ? d_out[0] : smoothed(s, d_out[0]);
    // d(x y)/dy t = x t with x the scale
    binary_chain(
        s, BinaryChain<T>{BinaryKind::multiply, T(0), scale_.data(), scale_.data(), d, d_in[0], true, true, size_});
  }
  void jvp(Stream& s, const Saved*, Inputs<T>, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    copy_values(s, CopyValues<T>{t_in[0], t_out[0], size_});
  }

 private:
  const T* smoothed(Stream& s, const T* d) const {
    const Index nz = nodes_.front(), nx = nodes_.back(), rest = size_ / nz, rows = size_ / nx;
    gemm(s, Gemm<T>{nz, rest, nz, blurs_.front().data(), nz, false, d, rest, false, half_.data(), rest});
    T *from = half_.data(), *to = whole_.data();
    if (nodes_.size() == 3) {  // every plane (ny, nx)
      const Index ny = nodes_[1];
      gemm(s, Gemm<T>{ny, nx, ny, blurs_[1].data(), ny, false, from, nx, false, to, nx, T(1), T(0), nz, 0, rest, rest});
      std::swap(from, to);
    }
    gemm(s, Gemm<T>{rows, nx, nx, from, nx, false, blurs_.back().data(), nx, true, to, nx});
    return to;
  }
  Shape nodes_;
  Index size_;
  Buffer<T> scale_;
  std::vector<Buffer<T>> blurs_;
  Buffer<T> half_, whole_;
};

}  // namespace terrane
