// SPDX-License-Identifier: MIT
// The multi-resolution grid of kernels/encode/multigrid.hpp as a tape operation: y (n, levels features) from table
// (parameters) and positions x (n, d) in [0, 1]. Nothing is kept but the shape: corners are found again in every call,
// which costs less than reading them from memory.
// Factors of dF/dtable for a scalar F of every point: one sparse term a level, K = sum_l (P_l P_l^T) o (G_l G_l^T) with
// P_l (n, 2^d nonzeros) the interpolation weights and G_l (n, features) = dF/dy_l.
#pragma once

#include "autodiff/ops/pointwise.hpp"
#include "kernels/encode/multigrid_shape.hpp"

namespace terrane {

template <class T>
class MultigridOp : public DiffOp<T> {
 public:
  MultigridOp(const MultigridShape& shape, Index n) : shape_(shape), n_(n) {}
  std::string name() const override { return "multigrid"; }
  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    const bool ok = in.size() == 2 && elements(in[0]) == shape_.parameters() && in[1] == Shape{n_, shape_.d};
    require_shapes(ok, name(), in);
    return {{n_, shape_.n_out()}};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr) const override {
    multigrid_forward(s, MultigridForward<T>{shape_, n_, in[0], in[1], out[0]});
    return nullptr;
  }
  void vjp(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    if (d_in[0] == nullptr && d_in[1] == nullptr) return;
    multigrid_vjp(s, MultigridVjp<T>{shape_, n_, in[0], in[1], d_out[0], d_in[0], d_in[1]});
  }
  void jvp(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    multigrid_jvp(s, MultigridJvp<T>{shape_, n_, in[0], in[1], t_in[0], t_in[1], t_out[0]});
  }
  // With one level of one feature the output itself is a scalar.
  Factors<T> factors(Stream& s, const Saved* saved, Inputs<T> in, Inputs<T> out, int which) const override {
    if (which != 0 || shape_.n_out() != 1) return {};
    const Buffer<T> ones(s, n_);
    fill(s, Fill<T>{ones.data(), T(1), n_});
    return seeded_factors(s, saved, in, out, which, ones.data());
  }
  Factors<T> seeded_factors(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, int which,
                            const T* d_out) const override {
    if (which != 0) return {};
    Factors<T> terms(static_cast<std::size_t>(shape_.levels));
    for (int l = 0; l < shape_.levels; ++l) {
      FactorTerm<T>& t = terms[static_cast<std::size_t>(l)];
      t.samples = n_;
      t.columns_a = shape_.level[l].entries;
      t.columns_d = shape_.features;
      t.nonzeros = Index{1} << shape_.d;
      t.index = Buffer<Index>(s, n_ * t.nonzeros);
      t.weight = Buffer<T>(s, n_ * t.nonzeros);
      t.d = Buffer<T>(s, n_ * t.columns_d);
      multigrid_links(s, MultigridLinks<T>{shape_, n_, l, in[1], t.index.data(), t.weight.data()});
      copy_columns(s, CopyColumns<T>{n_, t.columns_d, d_out + l * t.columns_d, shape_.n_out(), t.d.data(), t.columns_d,
                                     T(1), nullptr, false});
    }
    return terms;
  }

 private:
  MultigridShape shape_;
  Index n_;
};

}  // namespace terrane
