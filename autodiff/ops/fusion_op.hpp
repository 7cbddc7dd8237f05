// SPDX-License-Identifier: MIT
// Joining branches of a field; formulas in kernels/encode/fusion.hpp.
//   ConcatScaleOp   (n, a_1), (n, a_2), ... [, factors (k), a constant] -> (n, a_1 + a_2 + ...) = [c_1 f_1 x_1, c_2 f_2
//                   x_2, ...]; c are numbers fixed when the operation is made, f (1 without the last input) is set on
//                   the tape: normalisers that are measured after recording
//   OuterProductOp  (n1, k), (n2, k)[, (n3, k)] -> (n1 n2 [n3], k)
#pragma once

#include <utility>

#include "autodiff/ops/pointwise.hpp"

namespace terrane {

template <class T>
class ConcatScaleOp : public DiffOp<T> {
 public:
  // columns: of each branch; scale: c of each branch. with_factors: one more input of as many elements as branches,
  // a constant.
  ConcatScaleOp(Index n, std::vector<Index> columns, std::vector<double> scale, bool with_factors = false)
      : n_(n), columns_(std::move(columns)), scale_(std::move(scale)), with_factors_(with_factors) {
    require(!columns_.empty() && columns_.size() == scale_.size(), ErrorCode::failed,
            "concat-scale: one scale a branch is needed");
    for (const Index c : columns_) total_ += c;
  }
  std::string name() const override { return "concat-scale"; }
  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    const std::size_t k = columns_.size();
    bool ok = in.size() == k + (with_factors_ ? 1 : 0);
    for (std::size_t b = 0; ok && b < k; ++b) ok = in[b] == Shape{n_, columns_[b]};
    if (ok && with_factors_) ok = elements(in[k]) == static_cast<Index>(k);
    require_shapes(ok, name(), in);
    return {{n_, total_}};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr) const override {
    place(s, in, in, out[0]);
    return nullptr;
  }
  void vjp(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    Index at = 0;
    for (std::size_t b = 0; b < columns_.size(); at += columns_[b++]) {
      if (d_in[b] == nullptr) continue;
      copy_columns(s, CopyColumns<T>{n_, columns_[b], d_out[0] + at, total_, d_in[b], columns_[b],
                                     static_cast<T>(scale_[b]), factor(in, b), true});
    }
  }
  void jvp(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    for (std::size_t b = 0; b < columns_.size(); ++b) {
      if (t_in[b] != nullptr) continue;
      fill(s, Fill<T>{t_out[0], T(0), n_ * total_});
      break;
    }
    place(s, in, t_in, t_out[0]);
  }

 private:
  const T* factor(Inputs<T> in, std::size_t b) const { return with_factors_ ? in[columns_.size()] + b : nullptr; }
  void place(Stream& s, Inputs<T> in, Inputs<T> from, T* to) const {
    Index at = 0;
    for (std::size_t b = 0; b < columns_.size(); at += columns_[b++]) {
      if (from[b] == nullptr) continue;
      copy_columns(s, CopyColumns<T>{n_, columns_[b], from[b], columns_[b], to + at, total_, static_cast<T>(scale_[b]),
                                     factor(in, b), false});
    }
  }
  Index n_, total_ = 0;
  std::vector<Index> columns_;
  std::vector<double> scale_;
  bool with_factors_;
};

template <class T>
class OuterProductOp : public DiffOp<T> {
 public:
  // n: nodes of the two or three axes; k features.
  OuterProductOp(const std::vector<Index>& n, Index k) {
    require(n.size() == 2 || n.size() == 3, ErrorCode::failed, "outer-product: two or three factors are needed");
    shape_.factors = static_cast<int>(n.size());
    shape_.k = k;
    for (std::size_t m = 0; m < n.size(); ++m) shape_.n[m] = n[m];
  }
  std::string name() const override { return "outer-product"; }
  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    bool ok = static_cast<int>(in.size()) == shape_.factors;
    for (std::size_t m = 0; ok && m < in.size(); ++m) ok = in[m] == Shape{shape_.n[m], shape_.k};
    require_shapes(ok, name(), in);
    return {{shape_.rows(), shape_.k}};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr) const override {
    outer_product_forward(s, OuterProductForward<T>{shape_, {in[0], in[1], third(in)}, out[0]});
    return nullptr;
  }
  void vjp(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    for (int m = 0; m < shape_.factors; ++m) {
      T* d = d_in[static_cast<std::size_t>(m)];
      if (d != nullptr) outer_product_vjp(s, OuterProductVjp<T>{shape_, m, {in[0], in[1], third(in)}, d_out[0], d});
    }
  }
  void jvp(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    outer_product_jvp(s,
                      OuterProductJvp<T>{shape_, {in[0], in[1], third(in)}, {t_in[0], t_in[1], third(t_in)}, t_out[0]});
  }

  // Sample p = (i1, i2(, i3)) depends on row i_m of factor m: A = row i_m of the identity, D = d_out o the other
  // factors.
  Factors<T> seeded_factors(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, int which,
                            const T* d_out) const override {
    const Index samples = shape_.rows(), k = shape_.k;
    const auto inner = [&](int m) {
      Index product = 1;
      for (int o = m + 1; o < 3; ++o) product *= shape_.n[o];
      return product;
    };
    Factors<T> terms(1);
    FactorTerm<T>& t = terms[0];
    t.samples = samples;
    t.columns_a = shape_.n[which];
    t.columns_d = k;
    t.nonzeros = 1;
    std::vector<Index> row(static_cast<std::size_t>(samples));
    for (Index p = 0; p < samples; ++p) row[static_cast<std::size_t>(p)] = p / inner(which) % shape_.n[which];
    t.index = to_device(s, row);
    t.weight = Buffer<T>(s, samples);
    fill(s, Fill<T>{t.weight.data(), T(1), samples});
    t.d = Buffer<T>(s, samples * k);
    copy_values(s, CopyValues<T>{d_out, t.d.data(), samples * k});
    const Buffer<T> other(s, samples * k);
    for (int o = 0; o < shape_.factors; ++o) {
      if (o == which) continue;
      const T* from = in[static_cast<std::size_t>(o)];
      expand_rows(s, ExpandRows<T>{samples, k, from, inner(o), shape_.n[o], nullptr, other.data()});
      binary_forward(s,
                     BinaryForward<T>{BinaryKind::multiply, T(0), other.data(), t.d.data(), t.d.data(), samples * k});
    }
    return terms;
  }

 private:
  const T* third(Inputs<T> in) const { return shape_.factors == 3 ? in[2] : nullptr; }
  OuterShape shape_;
};

}  // namespace terrane
