// SPDX-License-Identifier: MIT
// The complex Gabor network of kernels/mlp/gabor.hpp as a tape operation: y (n, n_out) from theta (parameters) and
// x (n, n_in). Nothing is saved: the derivatives evaluate the network again, tile by tile.
#pragma once

#include "autodiff/ops/pointwise.hpp"

namespace terrane {

// Throws Error{config} naming the option that is out of range.
inline GaborShape gabor_shape(Index n_in, Index width, int depth, Index n_out, double omega_first, double omega,
                              double scale) {
  const auto need = [](bool ok, const char* what) { require(ok, ErrorCode::config, what, "Gabor network"); };
  need(n_in >= 1 && n_out >= 1 && width >= 1, "inputs, outputs and width must be positive");
  need(depth >= 1 && depth < gabor_max_layers, "layers must be 1 to 15");
  return {n_in, width, n_out, depth, omega_first, omega, scale};
}

template <class T>
class GaborOp : public DiffOp<T> {
 public:
  GaborOp(const GaborShape& shape, Index n) : shape_(shape), n_(n) {}
  std::string name() const override { return "gabor"; }
  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    const bool ok = in.size() == 2 && elements(in[0]) == shape_.parameters() && in[1] == Shape{n_, shape_.n_in};
    require_shapes(ok, name(), in);
    return {{n_, shape_.n_out}};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr) const override {
    gabor_forward(s, GaborForward<T>{shape_, n_, in[0], in[1], out[0]});
    return nullptr;
  }
  void vjp(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    if (d_in[0] == nullptr && d_in[1] == nullptr) return;
    gabor_vjp(s, GaborVjp<T>{shape_, n_, in[0], in[1], d_out[0], d_in[0], d_in[1]});
  }
  void jvp(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    gabor_jvp(s, GaborJvp<T>{shape_, n_, in[0], in[1], t_in[0], t_in[1], t_out[0]});
  }
  Factors<T> factors(Stream& s, const Saved* saved, Inputs<T> in, Inputs<T> out, int which) const override {
    if (which != 0 || shape_.n_out != 1) return {};
    const Buffer<T> ones(s, n_);
    fill(s, Fill<T>{ones.data(), T(1), n_});
    return seeded_factors(s, saved, in, out, which, ones.data());
  }
  Factors<T> seeded_factors(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, int which,
                            const T* d_out) const override {
    if (which != 0) return {};
    Factors<T> terms(static_cast<std::size_t>(shape_.layers()));
    GaborFactors<T> f{shape_, n_, in[0], in[1], d_out};
    for (int l = 0; l < shape_.layers(); ++l) {
      FactorTerm<T>& t = terms[static_cast<std::size_t>(l)];
      t.samples = n_;
      t.complex = l > 0;
      t.bias = true;
      t.columns_a = (t.complex ? 2 : 1) * shape_.inputs(l);
      t.columns_d = (t.complex ? 2 : 1) * shape_.outputs(l);
      t.a = Buffer<T>(s, n_ * t.columns_a);
      t.d = Buffer<T>(s, n_ * t.columns_d);
      f.a[l] = t.a.data();
      f.d[l] = t.d.data();
    }
    gabor_factors(s, f);
    return terms;
  }

 private:
  GaborShape shape_;
  Index n_;
};

}  // namespace terrane
