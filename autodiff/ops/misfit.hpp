// SPDX-License-Identifier: MIT
// Data misfits as tape operations: phi (1) from predicted data p (traces, nt), observed data d and optional weights,
// which are constants. See kernels/fit/misfit.hpp for the formulas.
#pragma once

#include "autodiff/ops/pointwise.hpp"

namespace terrane {

// Inputs: p, d, or p, d, w. r = scale w (p - d); l1 and huber take `delta` in the unit of r.
template <class T>
class PointMisfitOp : public DiffOp<T> {
 public:
  explicit PointMisfitOp(MisfitKind kind, double delta = 0, double scale = 1)
      : kind_(kind), delta_(static_cast<T>(delta)), scale_(static_cast<T>(scale)) {}
  std::string name() const override { return "misfit"; }
  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    bool ok = in.size() == 2 || in.size() == 3;
    for (const Shape& s : in) ok = ok && elements(s) == elements(in[0]);
    require_shapes(ok, name(), in);
    size_ = elements(in[0]);
    return {{1}};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr) const override {
    misfit_sum(s, MisfitSum<T>{kind_, delta_, in[0], in[1], weight(in), scale_, out[0], size_});
    return nullptr;
  }
  void vjp(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    if (d_in[0] == nullptr) return;
    misfit_gradient(s, MisfitGradient<T>{kind_, delta_, in[0], in[1], weight(in), scale_, d_out[0], d_in[0], size_});
  }
  void jvp(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    if (t_in[0] == nullptr) {
      fill(s, Fill<T>{t_out[0], T(0), 1});
      return;
    }
    misfit_tangent(s, MisfitTangent<T>{kind_, delta_, in[0], in[1], weight(in), scale_, t_in[0], t_out[0], size_});
  }

 private:
  static const T* weight(Inputs<T> in) { return in.size() > 2 ? in[2] : nullptr; }
  MisfitKind kind_;
  T delta_, scale_;
  mutable Index size_ = 0;
};

// phi = sum over traces of 1 - <p, d> / (|p| |d|). Inputs p, d of shape (..., nt).
template <class T>
class CorrelationMisfitOp : public DiffOp<T> {
 public:
  std::string name() const override { return "correlation"; }
  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    require_shapes(in.size() == 2 && in[0] == in[1] && !in[0].empty(), name(), in);
    nt_ = in[0].back();
    traces_ = elements(in[0]) / nt_;
    return {{1}};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr recycled) const override {
    auto saved = recycled ? std::move(recycled) : std::make_unique<Products>();
    auto& products = static_cast<Products&>(*saved).values;
    if (products.empty()) products = Buffer<T>(s, traces_ * 5);
    trace_products(s, TraceProducts<T>{in[0], in[1], nullptr, products.data(), traces_, nt_});
    correlation_sum(s, CorrelationSum<T>{products.data(), out[0], traces_, false, tiny});
    return saved;
  }
  void vjp(Stream& s, const Saved* saved, Inputs<T> in, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    if (d_in[0] == nullptr) return;
    const T* products = static_cast<const Products*>(saved)->values.data();
    correlation_gradient(s, CorrelationGradient<T>{in[0], in[1], products, d_out[0], d_in[0], traces_, nt_, tiny});
  }
  void jvp(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    if (t_in[0] == nullptr) {
      fill(s, Fill<T>{t_out[0], T(0), 1});
      return;
    }
    const Buffer<T> products(s, traces_ * 5);
    trace_products(s, TraceProducts<T>{in[0], in[1], t_in[0], products.data(), traces_, nt_});
    correlation_sum(s, CorrelationSum<T>{products.data(), t_out[0], traces_, true, tiny});
  }

 private:
  struct Products : Saved {
    Buffer<T> values;  // (traces, 5)
  };
  static constexpr T tiny = T(1e-30);
  mutable Index nt_ = 0, traces_ = 0;
};

}  // namespace terrane
