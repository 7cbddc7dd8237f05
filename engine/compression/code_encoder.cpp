// SPDX-License-Identifier: MIT
#include "engine/compression/code_encoder.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "engine/compression/decoder_record.hpp"
#include "engine/compression/pixel_mean.hpp"
#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"
#include "kernels/runtime/random.hpp"

namespace terrane {
namespace {

constexpr std::uint32_t purpose_search = 52;
constexpr Index least_pixels = 256;  // of a model in a step, where a pixel is a mean over points
constexpr Index start_pixels = 18;   // models are compared on grids of this many pixels a side for the start

// Values of the models at the pixels that hold the centres of a coarse grid.
std::vector<float> coarse_values(const ModelSet& models, const std::array<Index, 3>& coarse) {
  std::vector<float> values;
  for (Index m = 0; m < models.count(); ++m) {
    for (Index k = 0; k < coarse[0]; ++k) {
      for (Index j = 0; j < coarse[1]; ++j) {
        for (Index i = 0; i < coarse[2]; ++i) {
          const auto at = [&](std::size_t axis, Index q) {
            return (2 * q + 1) * models.extent[axis] / (2 * coarse[axis]);
          };
          const Index p = (at(0, k) * models.extent[1] + at(1, j)) * models.extent[2] + at(2, i);
          values.push_back(models.values[static_cast<std::size_t>(m * models.points() + p)]);
        }
      }
    }
  }
  return values;
}

std::vector<float> mean_codes(const AutoDecoder& d, Index count) {
  std::vector<float> codes;
  for (Index m = 0; m < count; ++m) codes.insert(codes.end(), d.statistics.mean.begin(), d.statistics.mean.end());
  return codes;
}

std::vector<float> nearest_codes(Stream& s, const AutoDecoder& d, const ModelSet& models) {
  DecoderWindow window;
  for (std::size_t a = 0; a < 3; ++a) window.extent[a] = std::min(models.extent[a], start_pixels);
  const std::vector<float> known = decode_models(s, d, d.training_codes, window);
  const std::vector<float> wanted = coarse_values(models, window.extent);
  const auto n = static_cast<std::size_t>(window.points()), k = static_cast<std::size_t>(d.shape.code);
  std::vector<float> codes;
  for (std::size_t m = 0; m < wanted.size(); m += n) {
    std::size_t best = 0;
    double least = 1e300;
    for (std::size_t t = 0; t < known.size() / n; ++t) {
      double sum = 0;
      for (std::size_t p = 0; p < n; ++p) sum += std::pow(known[t * n + p] - wanted[m + p], 2);
      if (sum < least) least = sum, best = t;
    }
    const auto from = d.training_codes.begin() + static_cast<std::ptrdiff_t>(best * k);
    codes.insert(codes.end(), from, from + static_cast<std::ptrdiff_t>(k));
  }
  return codes;
}

// What codes are to decode to.
struct Targets {
  std::vector<float> coordinates;    // (pixels, samples, dims)
  Index samples;                     // of a pixel
  const std::vector<float>& vp_mps;  // (models, pixels), or (pixels) that are the same for all
  bool shared;
  Index pixels(Index dims) const { return std::ssize(coordinates) / (samples * dims); }
};

// A batch of models under search, on n of their pixels a step.
class Search {
 public:
  Search(Stream& s, const AutoDecoder& d, const Targets& targets, const CodeSearch& search, Index batch, Index n)
      : s_(s),
        d_(d),
        targets_(targets),
        search_(search),
        batch_(batch),
        n_(n),
        tape_(s),
        sweep_(tape_),
        mean_(s, batch * n_, targets.samples),
        residual_(s, batch * n_),
        gradient_(s, batch * d.shape.code),
        m_(s, batch * d.shape.code),
        v_(s, batch * d.shape.code) {
    const DecoderShape& shape = d.shape;
    const Index net = shape.network_parameters();
    theta_ = tape_.input({net}, "theta", false);
    const bool shifted = shape.cells == 0;
    const Var mod = shifted ? tape_.input({shape.code, shape.shifts()}, "m", false) : Var{};
    z_ = tape_.input({batch, shape.code}, "z");
    x_ = tape_.input({mean_.samples(), shape.dims}, "x", false);
    y_ = record_decoder(tape_, shape, shape.network(), DecoderInputs{theta_, mod, z_, x_}, batch);
    tape_.set(theta_, {d.parameters.begin(), d.parameters.begin() + net});
    if (shifted) tape_.set(mod, {d.parameters.begin() + net, d.parameters.end()});
  }

  // centre: of the penalty, (batch, K).
  std::vector<float> run(Index first, const std::vector<float>& start, const std::vector<float>& centre) {
    tape_.set(z_, start);
    centre_ = &centre;
    fill(s_, Fill<float>{m_.data(), 0.0F, m_.size()});
    fill(s_, Fill<float>{v_.data(), 0.0F, v_.size()});
    for (Index t = 0; t < search_.steps; ++t) step(first, t);
    return tape_.get(z_);
  }

 private:
  void load(Index first, Index t) {
    const Random random(search_.seed, purpose_search);
    const Index all = targets_.pixels(d_.shape.dims), row = targets_.samples * d_.shape.dims;
    std::vector<float> x, target;
    for (Index b = 0; b < batch_; ++b) {
      for (Index p = 0; p < n_; ++p) {
        // The same points for every model: its result does not depend on its place.
        const Index at =
            n_ == all ? p
                      : static_cast<Index>(random.integer(static_cast<std::uint64_t>(t), static_cast<std::uint32_t>(p),
                                                          static_cast<std::uint64_t>(all)));
        const auto from = targets_.coordinates.begin() + at * row;
        x.insert(x.end(), from, from + row);
        const double v = targets_.vp_mps[static_cast<std::size_t>((targets_.shared ? 0 : (first + b) * all) + at)];
        target.push_back(static_cast<float>((v - d_.offset_mps) / d_.scale_mps));
      }
    }
    tape_.set(x_, x);
    copy(s_, std::span<const float>(target), residual_.data());
  }

  void step(Index first, Index t) {
    load(first, t);
    tape_.forward();
    mean_.residual(s_, tape_.data(y_), 2.0F / static_cast<float>(n_), residual_.data());
    tape_.backward(sweep_, y_, mean_.adjoint(s_, residual_.data()));
    copy_values(s_, CopyValues<float>{sweep_.cotangent(z_), gradient_.data(), gradient_.size()});
    if (search_.penalty > 0) add_penalty();
    const double rate =
        0.02 +
        0.98 * 0.5 * (1 + std::cos(std::numbers::pi * static_cast<double>(t) / static_cast<double>(search_.steps)));
    adam_step(s_, published_adam(tape_.data(z_), gradient_.data(), m_.data(), v_.data(), gradient_.size(),
                                 search_.lr * rate, t + 1));
  }

  void add_penalty() {
    const auto k = static_cast<std::size_t>(d_.shape.code);
    const std::vector<float> z = tape_.get(z_);
    std::vector<float> g = to_host(s_, gradient_);
    for (std::size_t i = 0; i < z.size(); ++i) {
      const double sigma = std::max(static_cast<double>(d_.statistics.deviation[i % k]), 1e-6);
      const double away = static_cast<double>(z[i]) - static_cast<double>((*centre_)[i]);
      g[i] += static_cast<float>(2 * search_.penalty * away / (sigma * sigma * static_cast<double>(k)));
    }
    copy(s_, std::span<const float>(g), gradient_.data());
  }

  Stream& s_;
  const AutoDecoder& d_;
  const Targets& targets_;
  const CodeSearch& search_;
  Index batch_, n_;  // models, pixels of a model in a step
  Tape<float> tape_;
  Sweep<float> sweep_;
  PixelMean mean_;
  Var theta_, z_, x_, y_;
  Buffer<float> residual_, gradient_, m_, v_;
  const std::vector<float>* centre_ = nullptr;
};

void check_search(const CodeSearch& search, const std::vector<float>& vp_mps) {
  require(search.steps >= 0 && search.points >= 1 && search.batch >= 1 && search.lr > 0, ErrorCode::config,
          "steps are at least 0, points and batch at least 1, the rate above 0");
  for (const float v : vp_mps) require(std::isfinite(v), ErrorCode::data, "a model holds NaN or infinity");
}

// From `start`, batch by batch; centre: of the penalty, both (count, K).
std::vector<float> searched(Stream& s, const AutoDecoder& d, const Targets& targets, const CodeSearch& search, Index n,
                            const std::vector<float>& start, const std::vector<float>& centre) {
  const Index k = d.shape.code, count = std::ssize(start) / k;
  std::vector<float> codes;
  std::unique_ptr<Search> work;
  Index held = 0;
  for (Index first = 0; first < count; first += search.batch) {
    const Index batch = std::min(search.batch, count - first);
    if (batch != held) work = std::make_unique<Search>(s, d, targets, search, batch, n);
    held = batch;
    const auto part = [&](const std::vector<float>& all) {
      return std::vector<float>(all.begin() + first * k, all.begin() + (first + batch) * k);
    };
    const std::vector<float> found = work->run(first, part(start), part(centre));
    codes.insert(codes.end(), found.begin(), found.end());
  }
  return codes;
}

}  // namespace

std::vector<float> search_codes(Stream& s, const AutoDecoder& d, const ModelSet& models, const CodeSearch& search) {
  require(models.count() >= 1 && models.count() * models.points() == static_cast<Index>(models.values.size()),
          ErrorCode::data, "there are no models of this extent to encode");
  check_search(search, models.values);
  const Index samples = models.window().samples_a_pixel(d.shape.dims);
  const Targets targets{window_coordinates(models.window(), d.shape.dims), samples, models.values, false};
  const Index n =
      std::min(samples == 1 ? search.points : std::max(search.points / samples, least_pixels), models.points());
  const bool nearest = search.nearest && !d.training_codes.empty();
  const std::vector<float> centre = mean_codes(d, models.count());
  return searched(s, d, targets, search, n, nearest ? nearest_codes(s, d, models) : centre, centre);
}

std::vector<float> fit_codes_at(Stream& s, const AutoDecoder& d, const PointValues& known,
                                const std::vector<float>& codes, const CodeSearch& search) {
  const Index n = std::ssize(known.vp_mps);
  require(n >= 1 && std::ssize(known.coordinates) == n * d.shape.dims, ErrorCode::data,
          "known values and their positions are of different numbers");
  require(!codes.empty() && std::ssize(codes) % d.shape.code == 0, ErrorCode::data,
          "the codes do not have the decoder's length");
  check_search(search, known.vp_mps);
  return searched(s, d, Targets{known.coordinates, 1, known.vp_mps, true}, search, n, codes, codes);
}

}  // namespace terrane
