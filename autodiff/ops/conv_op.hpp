// SPDX-License-Identifier: MIT
// Layers of convolutional networks as tape operations. Images are arrays (batch height width, channels) whose geometry
// the operation knows; weights stand in one parameter vector theta, each layer at its offset, so that no layer copies
// its part. Joining channels is ConcatScaleOp, adding is BinaryOp, the embedding of times is FourierOp.
//
//   conv2d      x, theta -> y              kernels/conv/conv2d.hpp; theta: w, then bias; a linear layer for one pixel
//   group-norm  x, theta -> y              kernels/conv/group_norm.hpp; theta: gamma, then beta
//   attention   q, k, v -> o               kernels/conv/attention.hpp
//   upsample    x -> y                     kernels/conv/spatial.hpp
//   add-rows    x, e (batch, channels) -> y
//   transpose   x (batch, rows, columns) -> y (batch, columns, rows): planes of channels to channels of pixels and back
#pragma once

#include "autodiff/ops/pointwise.hpp"

namespace terrane {

template <class T>
class Conv2dOp : public DiffOp<T> {
 public:
  Conv2dOp(const ConvShape& shape, Index offset, bool bias = true) : shape_(shape), offset_(offset), bias_(bias) {
    const bool ok = shape.batch >= 1 && shape.channels_in >= 1 && shape.channels_out >= 1 && shape.kernel >= 1 &&
                    shape.stride >= 1 && shape.padding >= 0 && shape.padding < shape.kernel &&
                    shape.out_height() >= 1 && shape.out_width() >= 1;
    require(ok, ErrorCode::failed, "conv2d: impossible sizes");
  }
  // A linear layer on `rows` rows.
  static Conv2dOp linear(Index rows, Index in, Index out, Index offset, bool bias = true) {
    return Conv2dOp(ConvShape{rows, 1, 1, in, out, 1, 1, 0}, offset, bias);
  }
  std::string name() const override { return "conv2d"; }
  const ConvShape& shape() const { return shape_; }
  Index parameters() const { return shape_.weights() + (bias_ ? shape_.channels_out : 0); }
  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    const bool ok = in.size() == 2 && in[0] == Shape{shape_.pixels_in(), shape_.channels_in} &&
                    elements(in[1]) >= offset_ + parameters();
    require_shapes(ok, name(), in);
    return {{shape_.pixels_out(), shape_.channels_out}};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr) const override {
    conv_forward(s, ConvForward<T>{shape_, in[0], in[1] + offset_, bias(in[1]), out[0], false});
    return nullptr;
  }
  void vjp(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    if (d_in[0] != nullptr) conv_vjp_input(s, ConvVjpInput<T>{shape_, in[1] + offset_, d_out[0], d_in[0]});
    if (d_in[1] == nullptr) return;
    T* d_bias = bias_ ? d_in[1] + offset_ + shape_.weights() : nullptr;
    conv_vjp_weight(s, ConvVjpWeight<T>{shape_, in[0], d_out[0], d_in[1] + offset_, d_bias});
  }
  void jvp(Stream& s, const Saved*, Inputs<T> in, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    if (t_in[0] != nullptr) {
      conv_forward(s, ConvForward<T>{shape_, t_in[0], in[1] + offset_, nullptr, t_out[0], false});
    }
    if (t_in[1] != nullptr) {
      const bool more = t_in[0] != nullptr;
      conv_forward(s, ConvForward<T>{shape_, in[0], t_in[1] + offset_, bias(t_in[1]), t_out[0], more});
    }
  }

 private:
  const T* bias(const T* theta) const { return bias_ ? theta + offset_ + shape_.weights() : nullptr; }
  ConvShape shape_;
  Index offset_;
  bool bias_;
};

template <class T>
class GroupNormOp : public DiffOp<T> {
 public:
  GroupNormOp(const NormShape& shape, Index offset) : shape_(shape), offset_(offset) {
    const bool ok = shape.batch >= 1 && shape.pixels >= 1 && shape.groups >= 1 && shape.channels >= 1 &&
                    shape.channels % shape.groups == 0 && shape.epsilon > 0;
    require(ok, ErrorCode::failed, "group-norm: the groups must divide the channels");
  }
  std::string name() const override { return "group-norm"; }
  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    const bool ok = in.size() == 2 && in[0] == Shape{shape_.rows(), shape_.channels} &&
                    elements(in[1]) >= offset_ + 2 * shape_.channels;
    require_shapes(ok, name(), in);
    return {in[0]};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr recycled) const override {
    SavedPtr saved = recycled != nullptr ? std::move(recycled) : std::make_unique<Moments>(s, shape_);
    norm_forward(s, NormForward<T>{shape_, in[0], gamma(in[1]), beta(in[1]), view(saved.get()), out[0]});
    return saved;
  }
  void vjp(Stream& s, const Saved* saved, Inputs<T> in, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    T* d_gamma = d_in[1] != nullptr ? d_in[1] + offset_ : nullptr;
    T* d_beta = d_in[1] != nullptr ? d_gamma + shape_.channels : nullptr;
    norm_vjp(s, NormVjp<T>{shape_, in[0], gamma(in[1]), view(saved), d_out[0], d_in[0], d_gamma, d_beta});
  }
  void jvp(Stream& s, const Saved* saved, Inputs<T> in, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    const T* t_gamma = t_in[1] != nullptr ? gamma(t_in[1]) : nullptr;
    const T* t_beta = t_in[1] != nullptr ? beta(t_in[1]) : nullptr;
    norm_jvp(s, NormJvp<T>{shape_, in[0], gamma(in[1]), view(saved), t_in[0], t_gamma, t_beta, t_out[0]});
  }

 private:
  struct Moments : Saved {
    Moments(Stream& s, const NormShape& f)
        : mean(s, f.batch * f.groups),
          rate(s, f.batch * f.groups),
          scale(s, f.batch * f.channels),
          shift(s, f.batch * f.channels) {}
    Buffer<T> mean, rate, scale, shift;
  };
  static NormSaved<T> view(const Saved* saved) {
    const auto& m = *static_cast<const Moments*>(saved);
    return {m.mean.data(), m.rate.data(), m.scale.data(), m.shift.data()};
  }
  const T* gamma(const T* theta) const { return theta + offset_; }
  const T* beta(const T* theta) const { return theta + offset_ + shape_.channels; }
  NormShape shape_;
  Index offset_;
};

template <class T>
class AttentionOp : public DiffOp<T> {
 public:
  explicit AttentionOp(const AttentionShape& shape) : shape_(shape) {
    const bool ok = shape.batch >= 1 && shape.tokens >= 1 && shape.heads >= 1 && shape.head_channels >= 1 &&
                    shape.head_channels <= attention_most_channels;
    require(ok, ErrorCode::failed, "attention: heads have 1 to 128 channels");
  }
  std::string name() const override { return "attention"; }
  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    const Shape rows{shape_.rows(), shape_.channels()};
    require_shapes(in.size() == 3 && in[0] == rows && in[1] == rows && in[2] == rows, name(), in);
    return {rows};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr recycled) const override {
    SavedPtr saved = recycled != nullptr ? std::move(recycled) : std::make_unique<Logarithms>(s, shape_.tasks());
    attention_forward(s, AttentionForward<T>{shape_, in[0], in[1], in[2], out[0], log_sum(saved.get())});
    return saved;
  }
  void vjp(Stream& s, const Saved* saved, Inputs<T> in, Inputs<T> out, Inputs<T> d_out,
           Outputs<T> d_in) const override {
    attention_vjp(
        s, AttentionVjp<T>{shape_, in[0], in[1], in[2], out[0], log_sum(saved), d_out[0], d_in[0], d_in[1], d_in[2]});
  }
  void jvp(Stream& s, const Saved* saved, Inputs<T> in, Inputs<T> out, Inputs<T> t_in,
           Outputs<T> t_out) const override {
    attention_jvp(
        s, AttentionJvp<T>{shape_, in[0], in[1], in[2], out[0], log_sum(saved), t_in[0], t_in[1], t_in[2], t_out[0]});
  }

 private:
  struct Logarithms : Saved {
    Logarithms(Stream& s, Index n) : value(s, n) {}
    Buffer<T> value;
  };
  static T* log_sum(const Saved* saved) { return static_cast<const Logarithms*>(saved)->value.data(); }
  AttentionShape shape_;
};

template <class T>
class UpsampleOp : public DiffOp<T> {
 public:
  explicit UpsampleOp(const UpsampleShape& shape) : shape_(shape) {}
  std::string name() const override { return "upsample"; }
  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    const Index pixels = shape_.batch * shape_.height * shape_.width;
    require_shapes(in.size() == 1 && in[0] == Shape{pixels, shape_.channels}, name(), in);
    return {{4 * pixels, shape_.channels}};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr) const override {
    upsample_forward(s, UpsampleForward<T>{shape_, in[0], out[0]});
    return nullptr;
  }
  void vjp(Stream& s, const Saved*, Inputs<T>, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    if (d_in[0] != nullptr) upsample_vjp(s, UpsampleVjp<T>{shape_, d_out[0], d_in[0]});
  }
  void jvp(Stream& s, const Saved*, Inputs<T>, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    upsample_forward(s, UpsampleForward<T>{shape_, t_in[0], t_out[0]});
  }

 private:
  UpsampleShape shape_;
};

template <class T>
class AddRowsOp : public DiffOp<T> {
 public:
  AddRowsOp(Index batch, Index pixels, Index channels) : batch_(batch), pixels_(pixels), channels_(channels) {}
  std::string name() const override { return "add-rows"; }
  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    const bool ok = in.size() == 2 && in[0] == Shape{batch_ * pixels_, channels_} && in[1] == Shape{batch_, channels_};
    require_shapes(ok, name(), in);
    return {in[0]};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr) const override {
    add_rows(s, AddRows<T>{batch_, pixels_, channels_, in[0], in[1], out[0]});
    return nullptr;
  }
  void vjp(Stream& s, const Saved*, Inputs<T>, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    const Index n = batch_ * pixels_ * channels_;
    if (d_in[0] != nullptr) axpby(s, Axpby<T>{T(1), d_out[0], T(1), d_in[0], n});
    if (d_in[1] != nullptr) add_rows_vjp(s, AddRowsVjp<T>{batch_, pixels_, channels_, d_out[0], d_in[1]});
  }
  void jvp(Stream& s, const Saved*, Inputs<T>, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    add_rows(s, AddRows<T>{batch_, pixels_, channels_, t_in[0], t_in[1], t_out[0]});
  }

 private:
  Index batch_, pixels_, channels_;
};

template <class T>
class TransposeOp : public DiffOp<T> {
 public:
  // out: the shape of y, of as many elements.
  TransposeOp(Index batch, Index rows, Index columns, Shape out)
      : batch_(batch), rows_(rows), columns_(columns), out_(std::move(out)) {
    require(elements(out_) == batch * rows * columns, ErrorCode::failed, "transpose: y is of another size than x");
  }
  std::string name() const override { return "transpose"; }
  std::vector<Shape> shapes(const std::vector<Shape>& in) const override {
    require_shapes(in.size() == 1 && elements(in[0]) == elements(out_), name(), in);
    return {out_};
  }
  SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr) const override {
    transpose(s, TransposeCopy<T>{in[0], out[0], rows_, columns_, batch_});
    return nullptr;
  }
  void vjp(Stream& s, const Saved*, Inputs<T>, Inputs<T>, Inputs<T> d_out, Outputs<T> d_in) const override {
    if (d_in[0] != nullptr) transpose(s, TransposeCopy<T>{d_out[0], d_in[0], columns_, rows_, batch_, true});
  }
  void jvp(Stream& s, const Saved*, Inputs<T>, Inputs<T>, Inputs<T> t_in, Outputs<T> t_out) const override {
    transpose(s, TransposeCopy<T>{t_in[0], t_out[0], rows_, columns_, batch_});
  }

 private:
  Index batch_, rows_, columns_;
  Shape out_;
};

}  // namespace terrane
