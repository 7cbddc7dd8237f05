// SPDX-License-Identifier: MIT
// One network for many models, told apart by shifts: for model b of B and layers l < L_s
//
//   z_l = W_l a_{l-1} + b_l + s_{b,l};   everything else as in kernels/mlp/mlp.hpp
//
// Inputs: theta (parameters), shifts (B, S) with S = the summed widths of the first L_s layers, coordinates x
// (B n, n_in), model after model. Output: y (B n, n_out).
//
// A shift is a change of the bias, so model b is the network of theta_b = theta + P s_b, where P puts a shift on its
// bias. Reverse mode: d_theta += sum_b d_theta_b and d_s_b = P^T d_theta_b, from the reverse mode of the plain network.
#pragma once

#include <algorithm>

#include "autodiff/ops/pointwise.hpp"

namespace terrane {

template <class T>
class ModulatedMlpOp : public DiffOp<T> {
 public:
  // models B, points n of each, shifted layers L_s (1 to shape.layers).
  ModulatedMlpOp(const MlpShape& shape, Index models, Index n, int shifted)
      : shape_(shape), models_(models), n_(n), shifted_(shifted) {}
  std::string name() const override { return "modulated-mlp"; }
  static Index shift_size(const MlpShape& shape, int shifted) {
    Index size = 0;
    for (int l = 0; l < shifted; ++l) size += shape.layer[l].n_out;
    return size;
  }
  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    const bool ok = in.size() == 3 && elements(in[0]) == shape_.parameters() &&
                    in[1] == Shape{models_, shift_size(shape_, shifted_)} &&
                    in[2] == Shape{models_ * n_, shape_.n_in()};
    require_shapes(ok, name(), in);
    return {{models_ * n_, shape_.n_out()}};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr recycled) const override {
    SavedPtr saved = recycled ? std::move(recycled) : std::make_unique<Workspace>(s, shape_.parameters());
    T* theta = static_cast<Workspace&>(*saved).theta.data();
    for (Index b = 0; b < models_; ++b) {
      shifted_theta(s, in, b, theta);
      mlp_forward(s, MlpForward<T>{shape_, n_, theta, points(in, b), out[0] + b * n_ * shape_.n_out()});
    }
    return saved;
  }
  void vjp(Stream& s, const Saved* saved, Inputs<T> in, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    const Workspace& w = *static_cast<const Workspace*>(saved);
    const bool weights = d_in[0] != nullptr || d_in[1] != nullptr;
    for (Index b = 0; b < models_; ++b) {
      shifted_theta(s, in, b, w.theta.data());
      if (weights) fill(s, Fill<T>{w.other.data(), T(0), shape_.parameters()});
      T* d_x = d_in[2] != nullptr ? d_in[2] + b * n_ * shape_.n_in() : nullptr;
      mlp_vjp(s, MlpVjp<T>{shape_, n_, w.theta.data(), points(in, b), d_out[0] + b * n_ * shape_.n_out(),
                           weights ? w.other.data() : nullptr, d_x});
      if (d_in[0] != nullptr) axpby(s, Axpby<T>{T(1), w.other.data(), T(1), d_in[0], shape_.parameters()});
      if (d_in[1] == nullptr) continue;
      T* d_s = d_in[1] + b * shift_size(shape_, shifted_);
      for (int l = 0; l < shifted_; d_s += shape_.layer[l++].n_out) {
        axpby(s, Axpby<T>{T(1), w.other.data() + bias(l), T(1), d_s, shape_.layer[l].n_out});
      }
    }
  }
  void jvp(Stream& s, const Saved* saved, Inputs<T> in, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    const Workspace& w = *static_cast<const Workspace*>(saved);
    for (Index b = 0; b < models_; ++b) {
      shifted_theta(s, in, b, w.theta.data());
      if (t_in[0] != nullptr) {
        copy_values(s, CopyValues<T>{t_in[0], w.other.data(), shape_.parameters()});
      } else {
        fill(s, Fill<T>{w.other.data(), T(0), shape_.parameters()});
      }
      if (t_in[1] != nullptr) add_shifts(s, t_in[1] + b * shift_size(shape_, shifted_), w.other.data());
      const T* t_x = t_in[2] != nullptr ? t_in[2] + b * n_ * shape_.n_in() : nullptr;
      mlp_jvp(s, MlpJvp<T>{shape_, n_, w.theta.data(), points(in, b), w.other.data(), t_x,
                           t_out[0] + b * n_ * shape_.n_out()});
    }
  }

 private:
  // theta_b and a vector of the same size for its tangent or cotangent.
  struct Workspace : Saved {
    Workspace(Stream& s, Index n) : theta(s, n), other(s, n) {}
    Buffer<T> theta, other;
  };
  const T* points(Inputs<T> in, Index b) const { return in[2] + b * n_ * shape_.n_in(); }
  Index bias(int l) const { return shape_.offset(l) + shape_.layer[l].n_in * shape_.layer[l].n_out; }
  void add_shifts(Stream& s, const T* shift, T* theta) const {
    for (int l = 0; l < shifted_; shift += shape_.layer[l++].n_out) {
      axpby(s, Axpby<T>{T(1), shift, T(1), theta + bias(l), shape_.layer[l].n_out});
    }
  }
  void shifted_theta(Stream& s, Inputs<T> in, Index b, T* theta) const {
    copy_values(s, CopyValues<T>{in[0], theta, shape_.parameters()});
    add_shifts(s, in[1] + b * shift_size(shape_, shifted_), theta);
  }
  MlpShape shape_;
  Index models_, n_;
  int shifted_;
};

}  // namespace terrane
