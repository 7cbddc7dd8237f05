// SPDX-License-Identifier: MIT
#include "engine/diffusion/denoiser_prior.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"
#include "kernels/runtime/random.hpp"

namespace terrane {
namespace {

// Streams of random numbers of this file; beyond those of RandomPurpose, of the codecs and of engine/diffusion.
constexpr std::uint32_t prior_time = 67, prior_noise = 68;

// Rising from the edges of a window to its middle.
std::vector<double> window_weights(Index window) {
  std::vector<double> w;
  for (Index i = 0; i < window; ++i) w.push_back(static_cast<double>(std::min(i, window - 1 - i) + 1));
  return w;
}

}  // namespace

const UnetShape& image_shape(const Generator& g, const char* what) {
  const auto* f = std::get_if<UnetShape>(&g.network.kind());
  if (f == nullptr || f->channels_data != 1 || g.offset.size() != 1) {
    throw Error(ErrorCode::config,
                std::string(what) + " needs a generator of pixels (flow-matching or ddpm), not one of codes");
  }
  return *f;
}

std::vector<Index> prior_windows(Index cells, Index window, double overlap) {
  if (cells <= window) return {-((window - cells) / 2)};
  const Index step = std::max<Index>(1, static_cast<Index>(std::floor((1 - overlap) * static_cast<double>(window))));
  const Index count = (cells - window + step - 1) / step + 1;
  std::vector<Index> first;
  for (Index k = 0; k < count; ++k) first.push_back(k * (cells - window) / (count - 1));
  return first;
}

DenoiserPrior::DenoiserPrior(Stream& s, Generator generator, Index nz, Index nx, const DenoiserPriorOptions& o)
    : DenoiserPrior(s, {}, generator, image_shape(generator, "the regularizer denoiser").height,
                    image_shape(generator, "the regularizer denoiser").width, nz, nx, o) {
  require(o.family < static_cast<int>(generator.families.size()), ErrorCode::config,
          "the generator does not know this family");
  network_ = std::make_unique<RecordedDenoiser>(s, generator_.network, windows());
  copy(s, std::span<const float>(generator_.parameters), network_->parameters());
  network_->set_conditions(std::vector<int>(static_cast<std::size_t>(windows()), o.family), {});
}

DenoiserPrior::DenoiserPrior(Stream& s, DenoiseFunction f, const Generator& like, Index height, Index width, Index nz,
                             Index nx, const DenoiserPriorOptions& o)
    : s_(s),
      generator_(like),
      o_(o),
      height_(height),
      width_(width),
      nz_(nz),
      nx_(nx),
      rows_(prior_windows(nz, height, o.overlap)),
      columns_(prior_windows(nx, width, o.overlap)),
      row_weight_(window_weights(height)),
      column_weight_(window_weights(width)),
      total_(static_cast<std::size_t>(nz * nx), 0.0),
      levels_(like.process),
      function_(std::move(f)) {
  check();
  each_pixel([&](std::size_t, Index i, Index j, Index z, Index x) {
    if (z < 0 || z >= nz_ || x < 0 || x >= nx_) return;
    total_[static_cast<std::size_t>(z * nx_ + x)] += pixel_weight(i, j);
  });
}

template <class F>
void DenoiserPrior::each_pixel(const F& f) const {
  std::size_t at = 0;
  for (const Index r : rows_) {
    for (const Index c : columns_) {
      for (Index i = 0; i < height_; ++i) {
        for (Index j = 0; j < width_; ++j) f(at++, i, j, r + i, c + j);
      }
    }
  }
}

double DenoiserPrior::pixel_weight(Index i, Index j) const {
  return row_weight_[static_cast<std::size_t>(i)] * column_weight_[static_cast<std::size_t>(j)];
}

void DenoiserPrior::check() const {
  require(nz_ >= 1 && nx_ >= 1, ErrorCode::config, "the model has no cells");
  require(o_.time_low > 0 && o_.time_low <= o_.time_high && o_.time_high < 1, ErrorCode::config,
          "the times of a denoiser are 0 < low <= high < 1");
  require(o_.draws >= 1 && o_.overlap >= 0 && o_.overlap < 1, ErrorCode::config,
          "a denoiser draws at least once, and its windows overlap by less than all");
}

double DenoiserPrior::time_of(Index iteration, Index draw, Index iteration_in_stage, Index length) const {
  if (o_.falling) {
    const double done = static_cast<double>(iteration_in_stage) / static_cast<double>(std::max<Index>(1, length - 1));
    return o_.time_high + (o_.time_low - o_.time_high) * std::min(1.0, done);
  }
  return Random(o_.seed, prior_time)
      .uniform(static_cast<std::uint64_t>(iteration), static_cast<std::uint32_t>(draw), o_.time_low, o_.time_high);
}

std::vector<float> DenoiserPrior::evaluate(const std::vector<float>& x, const NoiseLevel& level) {
  if (network_) {
    copy(s_, std::span<const float>(x), network_->x());
    network_->set_times(
        std::vector<float>(static_cast<std::size_t>(windows()), static_cast<float>(level.network_time)));
    network_->tape().forward();
    return to_host(s_, network_->y(), network_->values());
  }
  const Buffer<float> in = to_device(s_, x);
  Buffer<float> out(s_, in.size());
  function_(in.data(), levels_.ddpm() ? level.network_time : level.signal, out.data());
  return to_host(s_, out);
}

DenoiserPrior::Target DenoiserPrior::target(const std::vector<double>& model, Index iteration, Index iteration_in_stage,
                                            Index length) {
  const double offset = static_cast<double>(generator_.offset[0]), scale = scale_mps();
  const auto each = static_cast<std::size_t>(height_ * width_);
  Target out{std::vector<double>(model.size(), 0.0), 0, 0};
  std::vector<float> x(each * static_cast<std::size_t>(windows()));
  for (Index draw = 0; draw < o_.draws; ++draw) {
    const double time = time_of(iteration, draw, iteration_in_stage, length);
    const NoiseLevel l = levels_.at(time);
    const double w = o_.noise_weight ? l.signal / l.noise : 1;
    out.weight += w / static_cast<double>(o_.draws);
    out.time += time / static_cast<double>(o_.draws);
    const Random random(o_.seed, prior_noise);
    const auto key = static_cast<std::uint64_t>(iteration * o_.draws + draw);
    each_pixel([&](std::size_t at, Index, Index, Index z, Index x_at) {
      const Index cell = std::clamp<Index>(z, 0, nz_ - 1) * nx_ + std::clamp<Index>(x_at, 0, nx_ - 1);
      const double value = (model[static_cast<std::size_t>(cell)] - offset) / scale;
      x[at] = static_cast<float>(l.signal * value + l.noise * random.normal(key, static_cast<std::uint32_t>(at)));
    });
    const std::vector<float> y = evaluate(x, l);
    each_pixel([&](std::size_t at, Index i, Index j, Index z, Index x_at) {
      if (z < 0 || z >= nz_ || x_at < 0 || x_at >= nx_) return;
      const auto cell = static_cast<std::size_t>(z * nx_ + x_at);
      const double xt = static_cast<double>(x[at]), f = static_cast<double>(y[at]);
      require(std::isfinite(f), ErrorCode::diverged, "the denoiser's answer is not finite");
      double x0 = levels_.clean(l, xt, f);
      if (o_.clip) x0 = std::clamp(x0, -1.0, 1.0);
      out.model[cell] += w / static_cast<double>(o_.draws) * pixel_weight(i, j) / total_[cell] * (offset + scale * x0);
    });
  }
  for (double& v : out.model) v /= out.weight;
  return out;
}

}  // namespace terrane
