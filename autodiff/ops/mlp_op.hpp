// SPDX-License-Identifier: MIT
// The network of kernels/mlp/mlp.hpp as a tape operation: y (n, n_out) from theta (parameters) and x (n, n_in). Nothing
// is saved: the derivatives evaluate the network again, tile by tile. Factors of dy/dtheta for n_out = 1.
#pragma once

#include "autodiff/ops/pointwise.hpp"

namespace terrane {

template <class T>
class MlpOp : public DiffOp<T> {
 public:
  MlpOp(const MlpShape& shape, Index n) : shape_(shape), n_(n) {}
  std::string name() const override { return "mlp"; }
  const MlpShape& shape() const { return shape_; }
  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    const bool ok = in.size() == 2 && elements(in[0]) == shape_.parameters() && in[1] == Shape{n_, shape_.n_in()};
    require_shapes(ok, name(), in);
    return {{n_, shape_.n_out()}};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr) const override {
    mlp_forward(s, MlpForward<T>{shape_, n_, in[0], in[1], out[0]});
    return nullptr;
  }
  void vjp(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    if (d_in[0] == nullptr && d_in[1] == nullptr) return;
    mlp_vjp(s, MlpVjp<T>{shape_, n_, in[0], in[1], d_out[0], d_in[0], d_in[1]});
  }
  void jvp(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    mlp_jvp(s, MlpJvp<T>{shape_, n_, in[0], in[1], t_in[0], t_in[1], t_out[0]});
  }
  Factors<T> factors(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, int which) const override {
    return which == 0 && shape_.n_out() == 1 ? make_factors(s, in, nullptr) : Factors<T>{};
  }
  Factors<T> seeded_factors(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, int which,
                            const T* d_out) const override {
    return which == 0 ? make_factors(s, in, d_out) : Factors<T>{};
  }

 private:
  Factors<T> make_factors(Stream& s, Inputs<T> in, const T* d_out) const {
    Factors<T> terms(static_cast<std::size_t>(shape_.layers));
    MlpFactors<T> f{shape_, n_, 0, in[0], in[1]};
    f.d_y = d_out;
    for (int l = 0; l < shape_.layers; ++l) {
      FactorTerm<T>& t = terms[static_cast<std::size_t>(l)];
      t.samples = n_;
      t.columns_a = shape_.layer[l].n_in;
      t.columns_d = shape_.layer[l].n_out;
      t.a = Buffer<T>(s, n_ * t.columns_a);
      t.d = Buffer<T>(s, n_ * t.columns_d);
      t.bias = true;
      f.a[l] = t.a.data();
      f.d[l] = t.d.data();
    }
    mlp_factors(s, f);
    return terms;
  }
  MlpShape shape_;
  Index n_;
};

}  // namespace terrane
