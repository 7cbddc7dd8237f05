// SPDX-License-Identifier: MIT
// Dense product as a tape operation; a linear layer with bias is the MLP operation with activation identity.
//   C = A B        A (m, k), B (k, n);  dA += dC B^T, dB += A^T dC
#pragma once

#include "autodiff/ops/pointwise.hpp"

namespace terrane {

template <class T>
class MatmulOp : public DiffOp<T> {
 public:
  std::string name() const override { return "matmul"; }
  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    require_shapes(in.size() == 2 && in[0].size() == 2 && in[1].size() == 2 && in[0][1] == in[1][0], name(), in);
    m_ = in[0][0];
    k_ = in[0][1];
    n_ = in[1][1];
    return {{m_, n_}};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr) const override {
    product(s, in[0], in[1], out[0], T(0));
    return nullptr;
  }
  void vjp(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    if (d_in[0]) gemm(s, Gemm<T>{m_, k_, n_, d_out[0], n_, false, in[1], n_, true, d_in[0], k_, T(1), T(1)});
    if (d_in[1]) gemm(s, Gemm<T>{k_, n_, m_, in[0], k_, true, d_out[0], n_, false, d_in[1], n_, T(1), T(1)});
  }
  void jvp(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    T beta = 0;
    if (t_in[0]) product(s, t_in[0], in[1], t_out[0], beta), beta = 1;
    if (t_in[1]) product(s, in[0], t_in[1], t_out[0], beta);
  }

 private:
  void product(Stream& s, const T* a, const T* b, T* c, T beta) const {
    gemm(s, Gemm<T>{m_, n_, k_, a, k_, false, b, n_, false, c, n_, T(1), beta});
  }
  mutable Index m_ = 0, k_ = 0, n_ = 0;
};

}  // namespace terrane
