// SPDX-License-Identifier: MIT
// A low-rank field on a tensor grid from one-dimensional factors f_m (n_m, r_m) and a core C:
//
//   2-D  F = f1 C f2^T                                   inputs f1, f2, C (r1, r2)      -> (n1, n2)
//   3-D  F[i,j,k] = sum_abc C[a,b,c] f1[i,a] f2[j,b] f3[k,c]   f1, f2, f3, C (r1, r2 r3 elements) -> (n1, n2, n3)
//
// One recursion covers both: U = f1 C (n1, r2 r3); 3-D: V_i = f2 U_i (n2, r3) for each i; F = V f3^T. Backwards:
//   d_V = d_F f3, d_f3 += d_F^T V;  d_U_i = f2^T d_V_i, d_f2 += sum_i d_V_i U_i^T;  d_f1 += d_U C^T, d_C += f1^T d_U.
// Never n1 n2 n3 evaluations of a network. U, V and their cotangents are kept between calls (n1 n2 r3 numbers at most).
//
// Factors (2-D), samples p = (i, j): core A = f1[i], D = f2[j]; f1: A = row i of the identity, D = C f2[j]; f2 alike.
#pragma once

#include "autodiff/ops/pointwise.hpp"

namespace terrane {

template <class T>
class TuckerOp : public DiffOp<T> {
 public:
  // n: nodes of each axis, r: ranks; two or three of each.
  TuckerOp(const std::vector<Index>& n, const std::vector<Index>& r) : d_(static_cast<int>(n.size())) {
    require((d_ == 2 || d_ == 3) && r.size() == n.size(), ErrorCode::failed, "tucker: two or three factors are needed");
    for (std::size_t m = 0; m < n.size(); ++m) {
      n_[m] = n[m];
      r_[m] = r[m];
    }
  }
  std::string name() const override { return "tucker"; }
  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    const auto d = static_cast<std::size_t>(d_);
    bool ok = in.size() == d + 1;
    for (std::size_t m = 0; ok && m < d; ++m) ok = in[m] == Shape{n_[m], r_[m]};
    require_shapes(ok && elements(in[d]) == r_[0] * r_[1] * r_[2], name(), in);
    return {d_ == 2 ? Shape{n_[0], n_[1]} : Shape{n_[0], n_[1], n_[2]}};
  }

  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr recycled) const override {
    auto saved =
        dynamic_cast<Kept*>(recycled.get()) != nullptr ? std::move(recycled) : std::make_unique<Kept>(s, *this);
    const Kept& k = *static_cast<const Kept*>(saved.get());
    times_core(s, in[0], core(in), k.u.data(), T(0));
    if (d_ == 3) times_second(s, in[1], k.u.data(), k.v.data(), T(0));
    times_last(s, left(k), last(in), out[0], T(0));
    return saved;
  }

  void vjp(Stream& s, const Saved* saved, Inputs<T> in, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    const Kept& k = *static_cast<const Kept*>(saved);
    const auto d = static_cast<std::size_t>(d_);
    const Index rows = left_rows(), nl = n_[d - 1], rl = r_[d - 1];
    if (T* to = d_in[d - 1]) gemm(s, Gemm<T>{nl, rl, rows, d_out[0], nl, true, left(k), rl, false, to, rl, T(1), T(1)});
    bool more = d_in[0] != nullptr || d_in[d] != nullptr;
    if (!more && (d_ == 2 || d_in[1] == nullptr)) return;
    T* d_left = d_ == 3 ? k.d_v.data() : k.d_u.data();
    gemm(s, Gemm<T>{rows, rl, nl, d_out[0], nl, false, last(in), rl, false, d_left, rl});
    if (d_ == 3) {
      const Index n2 = n_[1], r2 = r_[1], r3 = r_[2];
      for (Index i = 0; i < n_[0] && d_in[1] != nullptr; ++i) {  // in order: the sum over i is fixed
        gemm(s, Gemm<T>{n2, r2, r3, k.d_v.data() + i * n2 * r3, r3, false, k.u.data() + i * r2 * r3, r3, true, d_in[1],
                        r2, T(1), T(1)});
      }
      if (!more) return;
      gemm(s, Gemm<T>{r2, r3, n2, in[1], r2, true, k.d_v.data(), r3, false, k.d_u.data(), r3, T(1), T(0), n_[0], 0,
                      n2 * r3, r2 * r3});
    }
    const Index r1 = r_[0], rest = r_[1] * r_[2];
    if (d_in[0]) {
      gemm(s, Gemm<T>{n_[0], r1, rest, k.d_u.data(), rest, false, core(in), rest, true, d_in[0], r1, T(1), T(1)});
    }
    if (d_in[d]) {
      gemm(s, Gemm<T>{r1, rest, n_[0], in[0], r1, true, k.d_u.data(), rest, false, d_in[d], rest, T(1), T(1)});
    }
  }

  // The tangents of U and V stand where their cotangents do.
  void jvp(Stream& s, const Saved* saved, Inputs<T> in, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    const Kept& k = *static_cast<const Kept*>(saved);
    const auto d = static_cast<std::size_t>(d_);
    T beta = 0;
    if (t_in[0]) times_core(s, t_in[0], core(in), k.d_u.data(), beta), beta = 1;
    if (t_in[d]) times_core(s, in[0], t_in[d], k.d_u.data(), beta), beta = 1;
    const T* t_left = beta != 0 ? k.d_u.data() : nullptr;
    if (d_ == 3) {
      beta = 0;
      if (t_left) times_second(s, in[1], t_left, k.d_v.data(), beta), beta = 1;
      if (t_in[1]) times_second(s, t_in[1], k.u.data(), k.d_v.data(), beta), beta = 1;
      t_left = beta != 0 ? k.d_v.data() : nullptr;
    }
    beta = 0;
    if (t_left) times_last(s, t_left, last(in), t_out[0], beta), beta = 1;
    if (t_in[d - 1]) times_last(s, left(k), t_in[d - 1], t_out[0], beta), beta = 1;
    if (beta == 0) fill(s, Fill<T>{t_out[0], T(0), left_rows() * n_[d - 1]});
  }

  Factors<T> factors(Stream& s, const Saved* saved, Inputs<T> in, Inputs<T> out, int which) const override {
    return seeded_factors(s, saved, in, out, which, nullptr);
  }
  Factors<T> seeded_factors(Stream& s, const Saved* saved, Inputs<T> in, Inputs<T>, int which,
                            const T* d_out) const override {
    if (d_ != 2 || which > 2) return {};
    const Index samples = n_[0] * n_[1];
    Factors<T> terms(1);
    FactorTerm<T>& t = terms[0];
    t.samples = samples;
    if (which == 2) {
      t.columns_a = r_[0];
      t.columns_d = r_[1];
      t.a = Buffer<T>(s, samples * r_[0]);
      t.d = Buffer<T>(s, samples * r_[1]);
      expand_rows(s, ExpandRows<T>{samples, r_[0], in[0], n_[1], n_[0], nullptr, t.a.data()});
      expand_rows(s, ExpandRows<T>{samples, r_[1], in[1], 1, n_[1], d_out, t.d.data()});
      return terms;
    }
    // f1: row i of F has D = f2 C^T; f2: D = f1 C.
    const auto self = static_cast<std::size_t>(which), other = 1 - self;
    t.columns_a = n_[self];
    t.columns_d = r_[self];
    t.nonzeros = 1;
    std::vector<Index> row(static_cast<std::size_t>(samples));
    for (Index p = 0; p < samples; ++p) row[static_cast<std::size_t>(p)] = which == 0 ? p / n_[1] : p % n_[1];
    t.index = to_device(s, row);
    t.weight = Buffer<T>(s, samples);
    fill(s, Fill<T>{t.weight.data(), T(1), samples});
    Buffer<T> product;
    const T* from = static_cast<const Kept*>(saved)->u.data();
    if (which == 0) {
      product = Buffer<T>(s, n_[1] * r_[0]);
      gemm(s, Gemm<T>{n_[1], r_[0], r_[1], in[1], r_[1], false, in[2], r_[1], true, product.data(), r_[0]});
      from = product.data();
    }
    t.d = Buffer<T>(s, samples * t.columns_d);
    expand_rows(s,
                ExpandRows<T>{samples, t.columns_d, from, which == 0 ? Index{1} : n_[1], n_[other], d_out, t.d.data()});
    return terms;
  }

 private:
  struct Kept : Saved {
    Buffer<T> u, v;      // (n1, r2 r3), (n1 n2, r3)
    Buffer<T> d_u, d_v;  // workspace of the derivatives
    Kept(Stream& s, const TuckerOp& op)
        : u(s, op.n_[0] * op.r_[1] * op.r_[2]),
          v(s, op.d_ == 3 ? op.n_[0] * op.n_[1] * op.r_[2] : 0),
          d_u(s, u.size()),
          d_v(s, v.size()) {}
  };
  Index left_rows() const { return d_ == 3 ? n_[0] * n_[1] : n_[0]; }
  const T* left(const Kept& k) const { return d_ == 3 ? k.v.data() : k.u.data(); }
  const T* last(Inputs<T> in) const { return in[static_cast<std::size_t>(d_ - 1)]; }
  const T* core(Inputs<T> in) const { return in[static_cast<std::size_t>(d_)]; }

  void times_core(Stream& s, const T* f1, const T* c, T* u, T beta) const {
    const Index rest = r_[1] * r_[2];
    gemm(s, Gemm<T>{n_[0], rest, r_[0], f1, r_[0], false, c, rest, false, u, rest, T(1), beta});
  }
  void times_second(Stream& s, const T* f2, const T* u, T* v, T beta) const {
    gemm(s, Gemm<T>{n_[1], r_[2], r_[1], f2, r_[1], false, u, r_[2], false, v, r_[2], T(1), beta, n_[0], 0,
                    r_[1] * r_[2], n_[1] * r_[2]});
  }
  void times_last(Stream& s, const T* left, const T* f, T* out, T beta) const {
    const auto l = static_cast<std::size_t>(d_ - 1);
    gemm(s, Gemm<T>{left_rows(), n_[l], r_[l], left, r_[l], false, f, r_[l], true, out, n_[l], T(1), beta});
  }
  int d_;
  Index n_[3] = {1, 1, 1}, r_[3] = {1, 1, 1};
};

}  // namespace terrane
