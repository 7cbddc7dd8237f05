// SPDX-License-Identifier: MIT
// Model penalties as tape operations: phi (1) from m (nz, nx) or (nz, ny, nx). See kernels/fit/regularizer.hpp for the
// formulas.
#pragma once

#include "autodiff/ops/pointwise.hpp"

namespace terrane {

template <class T>
class PenaltyOp : public DiffOp<T> {
 public:
  // `weight_z`, `weight_x`: axis weights over squared spacing; `reference` is the second input when `with_reference`.
  PenaltyOp(PenaltyKind kind, Index nz, Index nx, double weight_z, double weight_x, double epsilon, double scale,
            bool with_reference = false)
      : PenaltyOp(kind, {nz, nx}, {weight_z, weight_x}, epsilon, scale, with_reference) {}
  // nodes, weights: of the axes z, x or z, y, x.
  PenaltyOp(PenaltyKind kind, const Shape& nodes, const std::vector<double>& weights, double epsilon, double scale,
            bool with_reference = false)
      : penalty_{kind,
                 nodes.front(),
                 nodes.size() == 3 ? nodes[1] : 1,
                 nodes.back(),
                 T(weights.front()),
                 nodes.size() == 3 ? T(weights[1]) : T(0),
                 T(weights.back()),
                 T(epsilon),
                 T(scale),
                 nullptr,
                 nullptr},
        with_reference_(with_reference) {}
  std::string name() const override { return "penalty"; }
  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    bool ok = in.size() == (with_reference_ ? 2u : 1u);
    for (const Shape& s : in) ok = ok && elements(s) == penalty_.nodes();
    require_shapes(ok, name(), in);
    return {{1}};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr) const override {
    penalty_sum(s, PenaltySum<T>{bind(in), out[0]});
    return nullptr;
  }
  void vjp(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    if (d_in[0]) penalty_gradient(s, PenaltyGradient<T>{bind(in), d_out[0], d_in[0]});
  }
  void jvp(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    if (t_in[0] == nullptr) {
      fill(s, Fill<T>{t_out[0], T(0), 1});
      return;
    }
    penalty_tangent(s, PenaltyTangent<T>{bind(in), t_in[0], t_out[0]});
  }

 private:
  GridPenalty<T> bind(Inputs<T> in) const {
    GridPenalty<T> p = penalty_;
    p.m = in[0];
    p.reference = with_reference_ ? in[1] : nullptr;  // a constant: it receives no cotangent
    return p;
  }
  GridPenalty<T> penalty_;
  bool with_reference_;
};

}  // namespace terrane
