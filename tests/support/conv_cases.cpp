// SPDX-License-Identifier: MIT
// Rows of the layers of convolutional networks.
#include "autodiff/ops/conv_op.hpp"
#include "engine/diffusion/denoiser.hpp"
#include "tests/support/case_support.hpp"

namespace terrane {

namespace {

struct ConvCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    static const ConvShape shapes[] = {
        {1, 1, 1, 1, 1, 3, 1, 1},    {2, 7, 5, 3, 18, 3, 1, 1},   {3, 6, 9, 5, 7, 3, 2, 1},
        {2, 8, 8, 20, 33, 1, 1, 0},  {2, 5, 4, 6, 16, 1, 2, 0},   {1, 9, 8, 70, 4, 3, 1, 0},
        {37, 1, 1, 19, 40, 1, 1, 0}, {9, 12, 12, 2, 16, 3, 2, 1}, {2, 6, 6, 3, 5, 5, 3, 2}};
    const ConvShape& f = shapes[variant];
    auto c = start<T>(s);
    const bool bias = variant != 3;
    const Conv2dOp<T> op(f, 3, bias);
    const Var x = random_input(c, {f.pixels_in(), f.channels_in}, 141);
    const Var theta = random_input(c, {3 + op.parameters() + 2}, 142);
    c.output = c.tape->apply(std::make_shared<Conv2dOp<T>>(op), {x, theta});
    return c;
  }
};
struct GroupNormCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    static const NormShape shapes[] = {
        {2, 7, 12, 3, 1e-5, false}, {3, 35, 40, 4, 1e-5, true}, {5, 1, 33, 1, 1e-5, true}, {1, 64, 32, 32, 1e-3, true}};
    const NormShape& f = shapes[variant];
    auto c = start<T>(s);
    const Var x = random_input(c, {f.rows(), f.channels}, 143, 1.5, 0.7);
    const Var theta = random_input(c, {2 * f.channels + 1}, 144, 0.3, 1);
    c.output = c.tape->apply(std::make_shared<GroupNormOp<T>>(f, 1), {x, theta});
    return c;
  }
};
struct AttentionCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    static const AttentionShape shapes[] = {{1, 1, 1, 1}, {2, 16, 3, 8}, {3, 11, 2, 5}};
    const AttentionShape& f = shapes[variant];
    auto c = start<T>(s);
    const Shape rows{f.rows(), f.channels()};
    const Var q = random_input(c, rows, 145), k = random_input(c, rows, 146), v = random_input(c, rows, 147);
    c.output = c.tape->apply(std::make_shared<AttentionOp<T>>(f), {q, k, v});
    return c;
  }
};
struct UpsampleCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    const UpsampleShape f =
        variant < 2 ? UpsampleShape{1, 1, 1, 1, variant == 1} : UpsampleShape{2, 3, 5, 17, variant == 3};
    auto c = start<T>(s);
    const Var x = random_input(c, {f.batch * f.height * f.width, f.channels}, 148);
    c.output = c.tape->apply(std::make_shared<UpsampleOp<T>>(f), {x});
    return c;
  }
};
struct AddRowsCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    const Index batch = variant == 0 ? 1 : 3, pixels = variant == 0 ? 1 : 21, channels = variant == 0 ? 1 : 37;
    auto c = start<T>(s);
    const Var x = random_input(c, {batch * pixels, channels}, 149), e = random_input(c, {batch, channels}, 150);
    c.output = c.tape->apply(std::make_shared<AddRowsOp<T>>(batch, pixels, channels), {x, e});
    return c;
  }
};
struct TransposeCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    const Index batch = variant == 0 ? 1 : 3, rows = variant == 0 ? 1 : 7, columns = variant == 0 ? 1 : 37;
    auto c = start<T>(s);
    const Var x = random_input(c, {batch, rows * columns}, 153);
    c.output = c.tape->apply(std::make_shared<TransposeOp<T>>(batch, rows, columns, Shape{batch * columns, rows}), {x});
    return c;
  }
};
// Whole networks: gradients in the weights and in the input.
struct DenoiserCase {
  template <class T>
  static CaseInstance<T> make(Stream& s, int variant) {
    UnetShape unet;
    unet.height = 4;
    unet.width = 4;
    unet.channels_condition = 2;
    unet.families = 2;
    unet.channels = {2, 4};
    unet.attention = {false, true};
    unet.blocks = 1;
    unet.groups = 2;
    unet.head_channels = 2;
    ResidualMlpShape mlp;
    mlp.values = 5;
    mlp.condition = 3;
    mlp.width = 6;
    mlp.blocks = 1;
    unet.planar = variant == 2;
    unet.channels_data = variant == 2 ? 3 : 1;
    const Denoiser net(variant != 1 ? Denoiser::Kind(unet) : Denoiser::Kind(mlp));
    auto c = start<T>(s);
    const Index batch = 2;
    const auto weights = net.initial_parameters(5);
    const Var theta = c.tape->input({net.parameters()}, "theta");
    c.tape->set(theta, std::vector<T>(weights.begin(), weights.end()));
    c.inputs.push_back(theta);
    DenoiserInputs in;
    in.x = random_input(c, net.sample_shape(batch), 151);
    in.time = c.tape->input({batch, 1}, "time", false);
    c.tape->set(in.time, {T(3), T(40)});
    if (variant != 1) {
      in.family = c.tape->input({batch, 3}, "family", false);
      c.tape->set(in.family, {T(0), T(1), T(0), T(0), T(0), T(1)});
    }
    in.condition = random_input(c, net.condition_shape(batch), 152, 1, 0, false);
    c.output = net.record(*c.tape, theta, in, batch);
    return c;
  }
};

}  // namespace

void add_conv_cases(std::vector<OpCase>& cases) {
  cases.push_back(row<ConvCase>("conv2d", {},
                                {"one pixel", "3x3", "3x3, stride 2", "1x1 without bias", "1x1, stride 2", "no padding",
                                 "linear", "several chunks of tiles", "5x5, stride 3"}));
  cases.push_back(row<GroupNormCase>("group-norm", {}, {"plain", "silu", "layer norm", "a channel a group"}));
  cases.push_back(row<AttentionCase>("attention", {}, {"one token", "3 heads of 8", "2 heads of 5"}));
  cases.push_back(
      row<UpsampleCase>("upsample", {}, {"one pixel, nearest", "one pixel, bilinear", "nearest", "bilinear"}));
  cases.push_back(row<AddRowsCase>("add-rows", {}, {"one", "3 images"}));
  cases.push_back(row<TransposeCase>("transpose", {}, {"one", "3 images"}));
  cases.push_back(row<DenoiserCase>("denoiser", {}, {"unet", "residual-mlp", "unet of planes"}));
}

}  // namespace terrane
