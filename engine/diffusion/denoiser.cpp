// SPDX-License-Identifier: MIT
#include "engine/diffusion/denoiser.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "autodiff/ops/conv_op.hpp"
#include "autodiff/ops/encode_op.hpp"
#include "autodiff/ops/fusion_op.hpp"
#include "engine/json_value.hpp"
#include "kernels/runtime/random.hpp"

namespace terrane {
namespace {

constexpr std::uint32_t purpose_denoiser = 56;  // beyond those of RandomPurpose and of the codecs

struct FeatureMap {
  Var v;
  Index height = 1, width = 1, channels = 1;
};

// Walks through a network once: lists its weights, and records it when there is a tape.
template <class T>
class Builder {
 public:
  Builder(Tape<T>* tape, Var theta, Index batch, FactorPrecision inside)
      : tape_(tape), theta_(theta), batch_(batch), inside_(inside) {}
  std::vector<DenoiserWeight> weights;
  Index parameters = 0;

  // Layers from here on are inside the blocks.
  void enter_blocks() { precision_ = inside_; }
  void leave_blocks() { precision_ = FactorPrecision::full; }

  FeatureMap conv(const std::string& name, const FeatureMap& x, Index out, Index kernel, Index stride = 1) {
    const ConvShape f{batch_, x.height, x.width, x.channels, out, kernel, stride, kernel / 2, precision_};
    const Index fan = kernel * kernel * x.channels;
    const Index offset = add(name + ".weight", {kernel, kernel, x.channels, out}, fan);
    add(name + ".bias", {out}, fan);
    return {apply<Conv2dOp<T>>({x.v, theta_}, f, offset), f.out_height(), f.out_width(), out};
  }
  // On every pixel.
  FeatureMap linear(const std::string& name, const FeatureMap& x, Index out, bool bias = true) {
    const Index rows = batch_ * x.height * x.width;
    const Index offset = add(name + ".weight", {x.channels, out}, bias ? x.channels : -2);
    if (bias) add(name + ".bias", {out}, x.channels);
    const ConvShape f{rows, 1, 1, x.channels, out, 1, 1, 0, precision_};
    return {apply<Conv2dOp<T>>({x.v, theta_}, f, offset, bias), x.height, x.width, out};
  }
  FeatureMap norm(const std::string& name, const FeatureMap& x, Index groups, bool silu) {
    const Index offset = add(name + ".weight", {x.channels}, 0);
    add(name + ".bias", {x.channels}, -1);
    const NormShape f{batch_, x.height * x.width, x.channels, groups, 1e-5, silu};
    return {apply<GroupNormOp<T>>({x.v, theta_}, f, offset), x.height, x.width, x.channels};
  }
  FeatureMap silu(const FeatureMap& x) { return with(x, apply<UnaryOp<T>>({x.v}, UnaryKind::silu)); }
  FeatureMap add(const FeatureMap& x, const FeatureMap& y) {
    return with(x, apply<BinaryOp<T>>({x.v, y.v}, BinaryKind::add));
  }
  FeatureMap add_rows(const FeatureMap& x, const FeatureMap& e) {
    return with(x, apply<AddRowsOp<T>>({x.v, e.v}, batch_, x.height * x.width, x.channels));
  }
  FeatureMap join(const FeatureMap& x, const FeatureMap& y) {
    const Var v = apply<ConcatScaleOp<T>>({x.v, y.v}, batch_ * x.height * x.width,
                                          std::vector<Index>{x.channels, y.channels}, std::vector<double>{1, 1});
    return {v, x.height, x.width, x.channels + y.channels};
  }
  FeatureMap doubled(const FeatureMap& x) {
    const UpsampleShape f{batch_, x.height, x.width, x.channels, false};
    return {apply<UpsampleOp<T>>({x.v}, f), 2 * x.height, 2 * x.width, x.channels};
  }
  // Planes (channels, height, width) of every sample as pixels with channels, and back.
  FeatureMap pixels(Var planes, Index height, Index width, Index channels) {
    const Index n = height * width;
    return {apply<TransposeOp<T>>({planes}, batch_, channels, n, Shape{batch_ * n, channels}), height, width, channels};
  }
  Var planes(const FeatureMap& x) {
    const Index n = x.height * x.width;
    return apply<TransposeOp<T>>({x.v}, batch_, n, x.channels, Shape{batch_, n * x.channels});
  }
  FeatureMap attend(const FeatureMap& q, const FeatureMap& k, const FeatureMap& v, Index head_channels) {
    const AttentionShape f{batch_, q.height * q.width, q.channels / head_channels, head_channels};
    return with(q, apply<AttentionOp<T>>({q.v, k.v, v.v}, f));
  }
  // Embedding of the times and of the family, (batch, out).
  FeatureMap embedding(const DenoiserInputs& in, Index base, Index out, Index families) {
    FeatureMap t{{}, 1, 1, base};
    if (tape_ != nullptr) {
      const Var b = tape_->input({base / 2, 1}, "frequencies", false);
      std::vector<T> w;
      for (Index k = 0; k < base / 2; ++k) {
        const double rate = -std::log(10000.0) * 2 * static_cast<double>(k) / static_cast<double>(base);
        w.push_back(static_cast<T>(std::exp(rate) / (2 * std::numbers::pi)));
      }
      tape_->set(b, w);
      t.v = tape_->apply(std::make_shared<FourierOp<T>>(batch_, 1, base / 2), {in.time, b});
    }
    FeatureMap e = linear("time_embedding.linear_2", silu(linear("time_embedding.linear_1", t, out)), out);
    if (families > 0) e = add(e, linear("class_embedding", FeatureMap{in.family, 1, 1, families + 1}, out, false));
    return e;
  }

 private:
  Index add(const std::string& name, Shape shape, Index fan_in) {
    const Index offset = parameters;
    parameters += elements(shape);
    weights.push_back({name, std::move(shape), offset, fan_in});
    return offset;
  }
  static FeatureMap with(const FeatureMap& x, Var v) { return {v, x.height, x.width, x.channels}; }
  template <class Op, class... Args>
  Var apply(const std::vector<Var>& in, Args&&... args) {
    if (tape_ == nullptr) return {};
    return tape_->apply(std::make_shared<Op>(std::forward<Args>(args)...), in);
  }
  Tape<T>* tape_;
  Var theta_;
  Index batch_;
  FactorPrecision inside_, precision_ = FactorPrecision::full;
};

template <class T>
class UnetBuilder {
 public:
  UnetBuilder(Builder<T>& b, const UnetShape& f) : b_(b), f_(f) {}

  Var build(const DenoiserInputs& in) {
    const auto levels = f_.channels.size();
    time_ = b_.silu(b_.embedding(in, f_.channels[0], 4 * f_.channels[0], f_.families));
    FeatureMap x = image(in.x, f_.channels_data);
    if (f_.channels_condition > 0) x = b_.join(x, image(in.condition, f_.channels_condition));
    x = b_.conv("conv_in", x, f_.channels[0], 3);
    skips_ = {x};
    b_.enter_blocks();
    for (std::size_t l = 0; l < levels; ++l) x = down(l, x);
    x = residual("mid_block.resnets.0", x, f_.channels.back());
    if (f_.attention_middle) x = attention("mid_block.attentions.0", x);
    x = residual("mid_block.resnets.1", x, f_.channels.back());
    for (std::size_t u = 0; u < levels; ++u) x = up(u, x);
    b_.leave_blocks();
    const FeatureMap y = b_.conv("conv_out", b_.norm("conv_norm_out", x, f_.groups, true), f_.channels_data, 3);
    return f_.planar ? b_.planes(y) : y.v;
  }

 private:
  FeatureMap image(Var v, Index channels) {
    if (f_.planar) return b_.pixels(v, f_.height, f_.width, channels);
    return {v, f_.height, f_.width, channels};
  }
  FeatureMap residual(const std::string& name, const FeatureMap& x, Index out) {
    FeatureMap h = b_.conv(name + ".conv1", b_.norm(name + ".norm1", x, f_.groups, true), out, 3);
    h = b_.add_rows(h, b_.linear(name + ".time_emb_proj", time_, out));
    h = b_.conv(name + ".conv2", b_.norm(name + ".norm2", h, f_.groups, true), out, 3);
    return b_.add(h, x.channels == out ? x : b_.conv(name + ".conv_shortcut", x, out, 1));
  }
  FeatureMap attention(const std::string& name, const FeatureMap& x) {
    const FeatureMap n = b_.norm(name + ".group_norm", x, f_.groups, false);
    const FeatureMap q = b_.linear(name + ".to_q", n, x.channels), k = b_.linear(name + ".to_k", n, x.channels);
    const FeatureMap v = b_.linear(name + ".to_v", n, x.channels);
    return b_.add(b_.linear(name + ".to_out.0", b_.attend(q, k, v, f_.head_channels), x.channels), x);
  }
  FeatureMap down(std::size_t l, FeatureMap x) {
    const std::string name = "down_blocks." + std::to_string(l);
    for (Index k = 0; k < f_.blocks; ++k) {
      x = residual(name + ".resnets." + std::to_string(k), x, f_.channels[l]);
      if (f_.attention[l]) x = attention(name + ".attentions." + std::to_string(k), x);
      skips_.push_back(x);
    }
    if (l + 1 == f_.channels.size()) return x;
    x = b_.conv(name + ".downsamplers.0.conv", x, f_.channels[l], 3, 2);
    skips_.push_back(x);
    return x;
  }
  FeatureMap up(std::size_t u, FeatureMap x) {
    const std::size_t l = f_.channels.size() - 1 - u;
    const std::string name = "up_blocks." + std::to_string(u);
    for (Index k = 0; k <= f_.blocks; ++k) {
      x = residual(name + ".resnets." + std::to_string(k), b_.join(x, skips_.back()), f_.channels[l]);
      skips_.pop_back();
      if (f_.attention[l]) x = attention(name + ".attentions." + std::to_string(k), x);
    }
    return l == 0 ? x : b_.conv(name + ".upsamplers.0.conv", b_.doubled(x), f_.channels[l], 3);
  }
  Builder<T>& b_;
  const UnetShape& f_;
  FeatureMap time_;
  std::vector<FeatureMap> skips_;
};

template <class T>
Var build(Builder<T>& b, const UnetShape& f, const DenoiserInputs& in) {
  return UnetBuilder<T>(b, f).build(in);
}

template <class T>
Var build(Builder<T>& b, const ResidualMlpShape& f, const DenoiserInputs& in) {
  const FeatureMap e = b.silu(b.embedding(in, 64, f.width, f.families));
  FeatureMap x{in.x, 1, 1, f.values};
  if (f.condition > 0) x = b.join(x, FeatureMap{in.condition, 1, 1, f.condition});
  FeatureMap h = b.linear("in", x, f.width);
  b.enter_blocks();
  for (Index k = 0; k < f.blocks; ++k) {
    const std::string name = "blocks." + std::to_string(k);
    FeatureMap g = b.linear(name + ".linear1", b.norm(name + ".norm1", h, 1, true), f.width);
    g = b.add(g, b.linear(name + ".time", e, f.width));
    h = b.add(h, b.linear(name + ".linear2", b.norm(name + ".norm2", g, 1, true), f.width));
  }
  b.leave_blocks();
  return b.linear("out", b.norm("norm_out", h, 1, true), f.values).v;
}

void check(const UnetShape& f) {
  const auto ok = [](bool condition, const char* what) { require(condition, ErrorCode::config, what); };
  ok(!f.channels.empty() && f.channels.size() <= 12, "a U-Net has 1 to 12 levels");
  ok(f.attention.size() == f.channels.size(), "a U-Net needs to know for each level whether it has attention");
  ok(f.channels_data >= 1 && f.channels_condition >= 0 && f.families >= 0 && f.blocks >= 1 && f.groups >= 1 &&
         f.head_channels >= 1,
     "a U-Net has at least one channel, block and group");
  const Index step = Index{1} << (f.channels.size() - 1);
  ok(f.height >= step && f.width >= step && f.height % step == 0 && f.width % step == 0,
     "height and width of a U-Net are multiples of 2^(levels - 1)");
  ok(f.channels[0] % 2 == 0, "the first level has an even number of channels");
  for (std::size_t l = 0; l < f.channels.size(); ++l) {
    const Index c = f.channels[l], below = l + 1 < f.channels.size() ? f.channels[l + 1] : c;
    ok(c >= 1 && c % f.groups == 0, "the groups divide the channels of every level");
    ok(below % f.groups == 0, "the groups divide the channels of every level");
    const bool attends = f.attention[l] || (f.attention_middle && l + 1 == f.channels.size());
    ok(!attends || c % f.head_channels == 0, "head_channels divides the channels where there is attention");
  }
}
void check(const ResidualMlpShape& f) {
  require(f.values >= 1 && f.width >= 1 && f.blocks >= 0 && f.families >= 0 && f.condition >= 0, ErrorCode::config,
          "a residual MLP has at least one value and a width");
}

Shape image_shape(const UnetShape& f, Index batch, Index channels) {
  const Index pixels = f.height * f.width;
  return f.planar ? Shape{batch, channels * pixels} : Shape{batch * pixels, channels};
}

}  // namespace

Denoiser::Denoiser(Kind kind) : kind_(std::move(kind)) {
  std::visit([](const auto& f) { check(f); }, kind_);
  Builder<float> b(nullptr, {}, 1, FactorPrecision::full);
  std::visit([&](const auto& f) { build(b, f, {}); }, kind_);
  weights_ = std::move(b.weights);
  parameters_ = b.parameters;
}

Denoiser Denoiser::preset(const std::string& name) {
  if (name == "ddpm-2dseisvel") return Denoiser(UnetShape{});
  require(name == "reduced-32", ErrorCode::config, "presets of denoisers: ddpm-2dseisvel, reduced-32");
  UnetShape f;
  f.height = f.width = 32;
  f.channels = {32, 64, 96};
  f.attention = {false, false, true};
  f.groups = 8;
  f.head_channels = 32;
  return Denoiser(f);
}

Index Denoiser::families() const {
  return std::visit([](const auto& f) { return f.families; }, kind_);
}
Shape Denoiser::sample_shape(Index batch) const {
  if (const auto* f = std::get_if<UnetShape>(&kind_)) return image_shape(*f, batch, f->channels_data);
  return {batch, std::get<ResidualMlpShape>(kind_).values};
}
Shape Denoiser::condition_shape(Index batch) const {
  if (const auto* f = std::get_if<UnetShape>(&kind_)) return image_shape(*f, batch, f->channels_condition);
  return {batch, std::get<ResidualMlpShape>(kind_).condition};
}
Index Denoiser::sample_values() const { return elements(sample_shape(1)); }
Index Denoiser::condition_values() const { return elements(condition_shape(1)); }

std::vector<float> Denoiser::initial_parameters(std::uint64_t seed) const {
  const Random random(seed, purpose_denoiser);
  std::vector<float> p(static_cast<std::size_t>(parameters_));
  for (const DenoiserWeight& w : weights_) {
    for (Index k = w.offset; k < w.offset + elements(w.shape); ++k) {
      const auto i = static_cast<std::uint64_t>(k);
      double v = w.fan_in == 0 ? 1 : 0;
      if (w.fan_in > 0) {
        const double bound = 1 / std::sqrt(static_cast<double>(w.fan_in));
        v = random.uniform(i, 0, -bound, bound);
      } else if (w.fan_in == -2) {
        v = random.normal(i);
      }
      p[static_cast<std::size_t>(k)] = static_cast<float>(v);
    }
  }
  return p;
}

template <class T>
Var Denoiser::record(Tape<T>& tape, Var theta, const DenoiserInputs& in, Index batch, FactorPrecision precision) const {
  require(tape.size(theta) == parameters_, ErrorCode::failed, "the parameter vector is not of this network");
  Builder<T> b(&tape, theta, batch, precision);
  return std::visit([&](const auto& f) { return build(b, f, in); }, kind_);
}
template Var Denoiser::record(Tape<float>&, Var, const DenoiserInputs&, Index, FactorPrecision) const;
template Var Denoiser::record(Tape<double>&, Var, const DenoiserInputs&, Index, FactorPrecision) const;

Json Denoiser::to_json() const {
  if (const auto* f = std::get_if<UnetShape>(&kind_)) {
    return {{"type", "unet"},
            {"height", f->height},
            {"width", f->width},
            {"channels_data", f->channels_data},
            {"channels_condition", f->channels_condition},
            {"families", f->families},
            {"channels", f->channels},
            {"attention", f->attention},
            {"attention_middle", f->attention_middle},
            {"blocks", f->blocks},
            {"groups", f->groups},
            {"head_channels", f->head_channels},
            {"planar", f->planar}};
  }
  const auto& f = std::get<ResidualMlpShape>(kind_);
  return {{"type", "residual-mlp"}, {"values", f.values}, {"condition", f.condition},
          {"families", f.families}, {"width", f.width},   {"blocks", f.blocks}};
}

Denoiser Denoiser::from_json(const Json& section) {
  const auto take = [&](const char* key, auto& value) {
    if (section.contains(key)) section.at(key).get_to(value);
  };
  try {
    const std::string type = section.at("type");
    if (type == "residual-mlp") {
      ResidualMlpShape f;
      take("values", f.values);
      take("condition", f.condition);
      take("families", f.families);
      take("width", f.width);
      take("blocks", f.blocks);
      return Denoiser(f);
    }
    require(type == "unet", ErrorCode::config, "network: type is unet or residual-mlp");
    UnetShape f;
    take("height", f.height);
    take("width", f.width);
    take("channels_data", f.channels_data);
    take("channels_condition", f.channels_condition);
    take("families", f.families);
    take("channels", f.channels);
    if (section.contains("channels")) f.attention.assign(f.channels.size(), false);
    take("attention", f.attention);
    take("attention_middle", f.attention_middle);
    take("blocks", f.blocks);
    take("groups", f.groups);
    take("head_channels", f.head_channels);
    take("planar", f.planar);
    return Denoiser(f);
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::config, std::string("network: ") + e.what());
  }
}

}  // namespace terrane
