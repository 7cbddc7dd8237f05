// SPDX-License-Identifier: MIT
// Elementwise functions, sums and linear combinations as tape operations.
//   unary   y_i = f(x_i)            binary  z_i = f(x_i, y_i), equal shapes
//   sum     y = sum_i x_i           weighted_sum  y = sum_k w_k x_k of scalars
//   slice   y = x[offset .. offset + size)
#pragma once

#include <algorithm>

#include "autodiff/tape.hpp"
#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {

// Throws Error{failed} naming the operation.
inline void require_shapes(bool ok, const std::string& op, const std::vector<Shape>& in) {
  if (ok) return;
  std::string text;
  for (const Shape& s : in) text += (text.empty() ? "" : ", ") + to_string(s);
  throw Error(ErrorCode::failed, op + " does not accept inputs of shape " + text);
}

template <class T>
class UnaryOp : public DiffOp<T> {
 public:
  // scale_shift: a x + b; clamp: limits a and b; the others ignore them.
  explicit UnaryOp(UnaryKind kind, double a = 1, double b = 0)
      : kind_(kind), a_(static_cast<T>(a)), b_(static_cast<T>(b)) {}
  std::string name() const override { return "unary"; }
  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    require_shapes(in.size() == 1, name(), in);
    size_ = elements(in[0]);
    return {in[0]};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr) const override {
    unary_forward(s, UnaryForward<T>{kind_, a_, b_, in[0], out[0], size_});
    return nullptr;
  }
  void vjp(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    if (d_in[0]) unary_chain(s, UnaryChain<T>{kind_, a_, b_, in[0], d_out[0], d_in[0], true, size_});
  }
  void jvp(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    unary_chain(s, UnaryChain<T>{kind_, a_, b_, in[0], t_in[0], t_out[0], false, size_});
  }

 private:
  UnaryKind kind_;
  T a_, b_;
  mutable Index size_ = 0;  // set once by shapes() while recording
};

template <class T>
class BinaryOp : public DiffOp<T> {
 public:
  explicit BinaryOp(BinaryKind kind, double a = 0) : kind_(kind), a_(static_cast<T>(a)) {}
  std::string name() const override { return "binary"; }
  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    require_shapes(in.size() == 2 && in[0] == in[1], name(), in);
    size_ = elements(in[0]);
    return {in[0]};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr) const override {
    binary_forward(s, BinaryForward<T>{kind_, a_, in[0], in[1], out[0], size_});
    return nullptr;
  }
  void vjp(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    for (int k = 0; k < 2; ++k) {
      if (T* d = d_in[static_cast<std::size_t>(k)]; d != nullptr) chain(s, in, d_out[0], d, k == 1, true);
    }
  }
  void jvp(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    bool accumulate = false;
    for (int k = 0; k < 2; ++k) {
      if (const T* t = t_in[static_cast<std::size_t>(k)]; t != nullptr) {
        chain(s, in, t, t_out[0], k == 1, accumulate);
        accumulate = true;
      }
    }
  }

 private:
  void chain(Stream& s, Inputs<T> in, const T* t, T* out, bool second, bool accumulate) const {
    binary_chain(s, BinaryChain<T>{kind_, a_, in[0], in[1], t, out, second, accumulate, size_});
  }
  BinaryKind kind_;
  T a_;
  mutable Index size_ = 0;
};

template <class T>
class SumOp : public DiffOp<T> {
 public:
  std::string name() const override { return "sum"; }
  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    require_shapes(in.size() == 1, name(), in);
    size_ = elements(in[0]);
    return {{1}};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr) const override {
    sum(s, Sum<T>{in[0], out[0], size_});
    return nullptr;
  }
  void vjp(Stream& s, const Saved*, Inputs<T>, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    if (d_in[0]) add_scaled(s, AddScaled<T>{d_out[0], nullptr, d_in[0], size_});
  }
  void jvp(Stream& s, const Saved*, Inputs<T>, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    sum(s, Sum<T>{t_in[0], t_out[0], size_});
  }

 private:
  mutable Index size_ = 0;
};

// y = sum_k w_k x_k over arrays of one shape: the total objective of several terms, or any linear combination.
template <class T>
class WeightedSumOp : public DiffOp<T> {
 public:
  explicit WeightedSumOp(std::vector<double> weights) : weights_(std::move(weights)) {}
  std::string name() const override { return "weighted-sum"; }
  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    const bool same = std::all_of(in.begin(), in.end(), [&](const Shape& s) { return s == in[0]; });
    require_shapes(!in.empty() && in.size() == weights_.size() && same, name(), in);
    size_ = elements(in[0]);
    return {in[0]};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr) const override {
    combine(s, in, out[0]);
    return nullptr;
  }
  void vjp(Stream& s, const Saved*, Inputs<T>, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    for (std::size_t k = 0; k < weights_.size(); ++k) {
      if (d_in[k]) axpby(s, Axpby<T>{static_cast<T>(weights_[k]), d_out[0], T(1), d_in[k], size_});
    }
  }
  void jvp(Stream& s, const Saved*, Inputs<T>, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    combine(s, t_in, t_out[0]);
  }

 private:
  void combine(Stream& s, Inputs<T> x, T* y) const {
    bool first = true;
    for (std::size_t k = 0; k < weights_.size(); ++k) {
      if (x[k] == nullptr) continue;
      axpby(s, Axpby<T>{static_cast<T>(weights_[k]), x[k], first ? T(0) : T(1), y, size_});
      first = false;
    }
  }
  std::vector<double> weights_;
  mutable Index size_ = 0;
};

// `size` values of x from `offset` on, in a shape of their own: a part of a parameter vector.
template <class T>
class SliceOp : public DiffOp<T> {
 public:
  SliceOp(Index offset, Shape shape) : offset_(offset), shape_(std::move(shape)), size_(elements(shape_)) {}
  std::string name() const override { return "slice"; }
  Index offset() const { return offset_; }
  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    require_shapes(in.size() == 1 && offset_ >= 0 && offset_ + size_ <= elements(in[0]), name(), in);
    return {shape_};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr) const override {
    copy_values(s, CopyValues<T>{in[0] + offset_, out[0], size_});
    return nullptr;
  }
  void vjp(Stream& s, const Saved*, Inputs<T>, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    if (d_in[0]) axpby(s, Axpby<T>{T(1), d_out[0], T(1), d_in[0] + offset_, size_});
  }
  void jvp(Stream& s, const Saved*, Inputs<T>, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    copy_values(s, CopyValues<T>{t_in[0] + offset_, t_out[0], size_});
  }

 private:
  Index offset_;
  Shape shape_;
  Index size_;
};

// y_k = x[index_k]; the adjoint sums over the list of each source element, in index order.
template <class T>
class GatherOp : public DiffOp<T> {
 public:
  GatherOp(Stream& s, const std::vector<Index>& index, Index source_size);
  std::string name() const override { return "gather"; }
  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    require_shapes(in.size() == 1 && elements(in[0]) == source_, name(), in);
    return {{index_.size()}};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr) const override {
    gather(s, Gather<T>{in[0], index_.data(), out[0], index_.size()});
    return nullptr;
  }
  void vjp(Stream& s, const Saved*, Inputs<T>, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    if (d_in[0]) gather_adjoint(s, GatherAdjoint<T>{d_out[0], start_.data(), item_.data(), d_in[0], source_});
  }
  void jvp(Stream& s, const Saved*, Inputs<T>, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    gather(s, Gather<T>{t_in[0], index_.data(), t_out[0], index_.size()});
  }

 private:
  Index source_;
  Buffer<Index> index_, start_, item_;
};

template <class T>
GatherOp<T>::GatherOp(Stream& s, const std::vector<Index>& index, Index source_size) : source_(source_size) {
  std::vector<Index> start(static_cast<std::size_t>(source_size) + 1, 0), item(index.size());
  for (const Index j : index) {
    require(j >= 0 && j < source_size, ErrorCode::failed, "gather: an index lies outside the source");
    ++start[static_cast<std::size_t>(j) + 1];
  }
  for (std::size_t j = 1; j < start.size(); ++j) start[j] += start[j - 1];
  std::vector<Index> next(start.begin(), start.end() - 1);
  for (std::size_t k = 0; k < index.size(); ++k) {
    item[static_cast<std::size_t>(next[static_cast<std::size_t>(index[k])]++)] = static_cast<Index>(k);
  }
  index_ = to_device(s, index);
  start_ = to_device(s, start);
  item_ = to_device(s, item);
}

}  // namespace terrane
