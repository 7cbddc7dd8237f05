// SPDX-License-Identifier: MIT
// Points with the local values of codes on a grid (kernels/encode/local_code.hpp) as a tape operation: z (B, C
// cells^d), x (B n, d) -> (B n, d + C).
#pragma once

#include "autodiff/ops/pointwise.hpp"

namespace terrane {

template <class T>
class LocalCodeOp : public DiffOp<T> {
 public:
  explicit LocalCodeOp(const LocalCodeShape& shape) : shape_(shape) {}
  std::string name() const override { return "local-code"; }
  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    const bool ok = in.size() == 2 && in[0] == Shape{shape_.models, shape_.channels * shape_.nodes()} &&
                    in[1] == Shape{shape_.rows(), shape_.dims};
    require_shapes(ok, name(), in);
    return {{shape_.rows(), shape_.columns()}};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr) const override {
    local_code_forward(s, LocalCodeForward<T>{shape_, in[0], in[1], out[0]});
    return nullptr;
  }
  void vjp(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    if (d_in[0] != nullptr) local_code_vjp_code(s, LocalCodeVjpCode<T>{shape_, in[1], d_out[0], d_in[0]});
    if (d_in[1] != nullptr) local_code_vjp_point(s, LocalCodeVjpPoint<T>{shape_, in[0], in[1], d_out[0], d_in[1]});
  }
  void jvp(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    local_code_jvp(s, LocalCodeJvp<T>{shape_, in[0], in[1], t_in[0], t_in[1], t_out[0]});
  }

 private:
  LocalCodeShape shape_;
};

}  // namespace terrane
