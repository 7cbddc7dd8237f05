// SPDX-License-Identifier: MIT
#include "engine/posterior_sampler.hpp"

#include <algorithm>
#include <cmath>

#include "autodiff/tape.hpp"
#include "engine/converted.hpp"
#include "engine/diffusion/denoiser_prior.hpp"
#include "engine/diffusion/trained_generator.hpp"
#include "engine/json_value.hpp"
#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"
#include "kernels/runtime/random.hpp"

namespace terrane {
namespace {

constexpr std::uint32_t posterior_noise = 80;  // beyond the random purposes of engine/compression and engine/diffusion

double mean_square_root(const std::vector<double>& v) {
  double sum = 0;
  for (const double x : v) sum += x * x;
  return std::sqrt(sum / static_cast<double>(std::max<std::size_t>(v.size(), 1)));
}

// A window of nz x nx cells in the middle of the network's images.
struct Middle {
  Index height, width, nz, nx, row, column;  // of the image's first pixel in the model
  Index pixels() const { return height * width; }
  // The cell of a pixel; those beyond the model repeat its edge.
  std::size_t cell(Index pixel) const {
    const Index z = std::clamp<Index>(row + pixel / width, 0, nz - 1);
    const Index x = std::clamp<Index>(column + pixel % width, 0, nx - 1);
    return at(z * nx + x);
  }
  bool inside(Index pixel) const {
    const Index z = row + pixel / width, x = column + pixel % width;
    return z >= 0 && z < nz && x >= 0 && x < nx;
  }
};

struct PosteriorPrior {
  Generator generator;
  int family;
  Middle middle;
};

PosteriorPrior read_prior(const Json& section, const Grid2& grid) {
  TrainedGenerator trained = read_trained_generator(section.at("path").get<std::string>());
  const int family = section.at("family").is_null() ? -1 : trained.family(section.at("family"));
  const UnetShape& shape = image_shape(trained.generator, "posterior sampling");
  if (grid.nz > shape.height || grid.nx > shape.width) {
    throw Error(ErrorCode::config, "/optimizer/path: the generator makes " + std::to_string(shape.height) + " x " +
                                       std::to_string(shape.width) + " pixels, the grid has " +
                                       std::to_string(grid.nz) + " x " + std::to_string(grid.nx) + " nodes");
  }
  const Middle middle{shape.height,
                      shape.width,
                      grid.nz,
                      grid.nx,
                      prior_windows(grid.nz, shape.height, 0).at(0),
                      prior_windows(grid.nx, shape.width, 0).at(0)};
  return {std::move(trained.generator), family, middle};
}

template <class T>
class PosteriorSampler : public SingleSteps<T> {
 public:
  PosteriorSampler(Stream& s, const Json& section, PosteriorPrior prior, Index iterations, std::uint64_t seed)
      : lr_(section.at("lr")),
        noise_(section.at("noise")),
        clip_(section.at("clip")),
        by_residual_(section.at("normalize") == "residual"),
        iterations_(iterations),
        seed_(section.at("draw").is_null() ? seed : section.at("draw").get<std::uint64_t>()),
        generator_(std::move(prior.generator)),
        levels_(generator_.process),
        middle_(prior.middle),
        network_(s, generator_.network, 1, DenoiserVariable::image),
        to_image_(network_.tape().map(network_.image(), network_.output())),
        cotangent_(s, network_.values()),
        answer_(s, network_.values()) {
    copy(s, std::span<const float>(generator_.parameters), network_.parameters());
    network_.set_conditions({prior.family}, {});
  }

  StepReport single(Stream& s, Objective<T>& objective, double rate_factor) override {
    const Index n = objective.n;
    const std::vector<T> before = to_host(s, objective.parameters, n);
    if (x_.empty()) start(before);
    if (!known_) estimate(s, objective.parameters);
    StepReport report;
    const T* gradient = nullptr;
    report.phi = objective.evaluate(s, &gradient);
    const std::vector<double> g = converted<double>(to_host(s, gradient, n));
    report.gradient_norm = mean_square_root(g) * std::sqrt(static_cast<double>(n));
    if (!std::isfinite(report.phi) || !std::isfinite(report.gradient_norm)) return report;
    if (count_ == 0) first_phi_ = report.phi;
    advance(through_network(s, g), report.phi, lr_ * rate_factor);
    ++count_;
    estimate(s, objective.parameters);
    const std::vector<T> after = to_host(s, objective.parameters, n);
    for (std::size_t i = 0; i < after.size(); ++i) {
      report.step_norm += std::pow(static_cast<double>(after[i]) - static_cast<double>(before[i]), 2);
    }
    report.step_norm = std::sqrt(report.step_norm);
    return report;
  }
  OptimizerState state(Stream&) const override {
    return {{"count", {static_cast<double>(count_)}},
            {"iterations", {static_cast<double>(iterations_)}},
            {"first_phi", {first_phi_}},
            {"image", {x_.begin(), x_.end()}}};
  }
  void restore(Stream&, const OptimizerState& state) override {
    if (state.at("iterations").at(0) != static_cast<double>(iterations_)) {
      throw Error(ErrorCode::config, "posterior sampling spreads the noise over its iterations: their number stays");
    }
    const std::vector<double>& image = state.at("image");
    require(image.empty() || static_cast<Index>(image.size()) == middle_.pixels(), ErrorCode::data,
            "the checkpoint belongs to another generator");
    x_.assign(image.begin(), image.end());
    count_ = static_cast<Index>(state.at("count").at(0));
    first_phi_ = state.at("first_phi").at(0);
    known_ = false;
  }

 private:
  NoiseLevel level(Index k) const {
    if (k >= iterations_) return {1, 0, 0};
    return levels_.at(noise_ * (1 - static_cast<double>(k) / static_cast<double>(iterations_)));
  }
  void start(const std::vector<T>& model) {
    const NoiseLevel l = level(0);
    const Random random(seed_, posterior_noise);
    const auto offset = static_cast<double>(generator_.offset[0]), scale = static_cast<double>(generator_.scale[0]);
    x_.resize(at(middle_.pixels()));
    for (Index i = 0; i < middle_.pixels(); ++i) {
      const double value = (static_cast<double>(model[middle_.cell(i)]) - offset) / scale;
      x_[at(i)] = static_cast<float>(l.signal * value + l.noise * random.normal(static_cast<std::uint64_t>(i)));
    }
  }
  // x_0' of x at this level, and the model of it.
  void estimate(Stream& s, T* parameters) {
    const NoiseLevel l = level(count_);
    clean_.assign(x_.begin(), x_.end());
    if (count_ < iterations_) {
      copy(s, std::span<const float>(x_), network_.x());
      network_.set_times({static_cast<float>(l.network_time)});
      network_.tape().forward();
      const std::vector<float> y = to_host(s, network_.y(), network_.values());
      for (std::size_t i = 0; i < clean_.size(); ++i) {
        clean_[i] = levels_.clean(l, static_cast<double>(x_[i]), static_cast<double>(y[i]));
        require(std::isfinite(clean_[i]), ErrorCode::diverged, "the generator's answer is not finite");
      }
    }
    inside_.assign(clean_.size(), 1);
    for (std::size_t i = 0; clip_ && i < clean_.size(); ++i) {
      inside_[i] = clean_[i] >= -1 && clean_[i] <= 1;
      clean_[i] = std::clamp(clean_[i], -1.0, 1.0);
    }
    const auto offset = static_cast<double>(generator_.offset[0]), scale = static_cast<double>(generator_.scale[0]);
    std::vector<T> model(at(middle_.nz * middle_.nx));
    for (Index i = 0; i < middle_.pixels(); ++i) {
      if (middle_.inside(i)) model[middle_.cell(i)] = static_cast<T>(offset + scale * clean_[at(i)]);
    }
    copy(s, std::span<const T>(model), parameters);
    known_ = true;
  }
  // d phi / d x from d phi / d model (nz, nx).
  std::vector<double> through_network(Stream& s, const std::vector<double>& g) {
    const NoiseLevel l = level(count_);
    const auto scale = static_cast<double>(generator_.scale[0]);
    std::vector<double> on_clean(clean_.size(), 0.0);
    double most = 0;
    for (Index i = 0; i < middle_.pixels(); ++i) {
      if (middle_.inside(i) && inside_[at(i)] != 0) on_clean[at(i)] = scale * g[middle_.cell(i)];
      most = std::max(most, std::abs(on_clean[at(i)]));
    }
    if (most == 0) return on_clean;
    std::vector<float> w;  // gradients of waves may be too small for single precision
    for (const double v : on_clean) w.push_back(static_cast<float>(v / most));
    copy(s, std::span<const float>(w), cotangent_.data());
    to_image_.adjoint(s, cotangent_.data(), answer_.data());
    const std::vector<float> back = to_host(s, answer_);
    std::vector<double> out;
    for (std::size_t i = 0; i < w.size(); ++i) {
      out.push_back(levels_.clean_by_state(l) * on_clean[i] +
                    levels_.clean_by_answer(l) * most * static_cast<double>(back[i]));
    }
    return out;
  }
  void advance(const std::vector<double>& g, double phi, double lr) {
    const NoiseLevel now = level(count_), next = level(count_ + 1);
    const double size = mean_square_root(g), root = std::sqrt(phi * first_phi_);
    const double factor = by_residual_ ? (root > 0 ? lr * static_cast<double>(g.size()) / (2 * root) : 0)
                                       : (size > 0 ? lr * now.noise / size : 0);
    for (std::size_t i = 0; i < x_.size(); ++i) {
      const double noise = (static_cast<double>(x_[i]) - now.signal * clean_[i]) / now.noise;
      x_[i] = static_cast<float>(next.signal * clean_[i] + next.noise * noise - factor * g[i]);
    }
  }

  double lr_, noise_;
  bool clip_, by_residual_;
  Index iterations_;
  std::uint64_t seed_;
  Generator generator_;
  NoiseLevels levels_;
  Middle middle_;
  RecordedDenoiser network_;   // of one image
  LinearMap<float> to_image_;  // d answer / d x at the last answer
  Buffer<float> cotangent_, answer_;
  std::vector<float> x_;
  std::vector<double> clean_;  // x_0', limited
  std::vector<char> inside_;   // pixels that were within the limits
  bool known_ = false;         // clean_ and the parameters belong to x_
  Index count_ = 0;
  double first_phi_ = 0;
};

}  // namespace

template <class T>
std::unique_ptr<Optimizer<T>> make_posterior_sampler(Stream& s, const Json& section, const Grid2& grid,
                                                     Index iterations, std::uint64_t seed) {
  return std::make_unique<PosteriorSampler<T>>(s, section, read_prior(section, grid), iterations, seed);
}

void check_posterior_sampler(const Json& section, const Grid2& grid) { read_prior(section, grid); }

template std::unique_ptr<Optimizer<float>> make_posterior_sampler<float>(Stream&, const Json&, const Grid2&, Index,
                                                                         std::uint64_t);
template std::unique_ptr<Optimizer<double>> make_posterior_sampler<double>(Stream&, const Json&, const Grid2&, Index,
                                                                           std::uint64_t);

}  // namespace terrane
