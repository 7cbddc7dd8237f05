// SPDX-License-Identifier: MIT
// A diffusion model as a regularizer: regularization by denoising.
//
//   x = (m - offset) / scale,  x_t = r x + s e,  e ~ N(0, 1),   x' = D(x_t, t): the network's x_0, limited to [-1, 1]
//   phi = weight / 2  w_t  mean over cells of |x - x'|^2,  x' held fixed:   d phi / d x = weight / cells  w_t (x - x')
//
// r and s are those of the process (process.hpp): sqrt(abar_t), sqrt(1 - abar_t) or t, 1 - t. With e' the noise that
// belongs to x' the bracket is x - x' = (s / r)(e' - e), so the two weightings of the time are
//   data   w_t = 1:      the gradient is x - x', that of RED and, averaged over t, of RED-diff with w = s / r
//   noise  w_t = r / s:  the gradient is e' - e, that of RED-DiffEq and of score distillation
// Nothing is differentiated through the network. Within one iteration x' is a constant, so that phi is a quadratic with
// an exact gradient; it is made anew from the model at the start of every iteration. Of several draws (t, e) the
// average is taken.
//
// t and e are functions of (seed, iteration, draw, pixel), x' of these and of the model: a continued run has the bits
// of one that was never stopped. "random": s-share of the time uniform in [low, high] (0: data, 1: noise); "falling":
// from high at the first iteration of the stage to low at its last.
//
// Sizes: a cell stands for a pixel, whatever its length in metres, because thickness and texture of the layers were
// learnt in pixels and resampling would blur the edges. A smaller model is padded by repeating its outer cells, as in
// the training (maps.hpp); a larger one is covered by overlapping windows whose x' are averaged with weights that fall
// to their edges.
//
// References: Romano, Elad, Milanfar, SIAM J. Imaging Sci. 2017 (RED); Poole et al., ICLR 2023 (score distillation);
// Mardani et al., ICLR 2024 (RED-diff); Shan et al., RED-DiffEq, Commun. Phys. 2026.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>

#include "engine/diffusion/generator.hpp"

namespace terrane {

struct DenoiserPriorOptions {
  double time_low = 0.02, time_high = 0.98;  // 0: data, 1: noise
  bool falling = false;
  bool noise_weight = true;  // w_t = r / s, else 1
  bool clip = true;          // x' to [-1, 1]
  Index draws = 1;
  double overlap = 0.25;  // of neighbouring windows, at least, as a share of their side
  int family = -1;        // row of the table of the generator; -1: none
  std::uint64_t seed = 0;
};

// First cells of windows of `window` that cover `cells`, evenly spread; the one window of a smaller model begins at
// -(window - cells) / 2, rounded towards 0.
std::vector<Index> prior_windows(Index cells, Index window, double overlap);

// The network's shape. Error{config}, naming `what`, for a generator that has no images of one channel.
const UnetShape& image_shape(const Generator& generator, const char* what);

class DenoiserPrior {
 public:
  // nz x nx: of the model. Error{config} for a generator that has no images of one channel. The stream must outlive the
  // prior.
  DenoiserPrior(Stream& s, Generator generator, Index nz, Index nx, const DenoiserPriorOptions& options);
  // Any function in the place of the network, for one window of height x width; see sample_with().
  DenoiserPrior(Stream& s, DenoiseFunction f, const Generator& like, Index height, Index width, Index nz, Index nx,
                const DenoiserPriorOptions& options);

  // Of an iteration of a stage that has `length`, both counted from 0; `iteration` counts over all stages.
  struct Target {
    std::vector<double> model;  // (nz, nx), m/s: offset + scale x'
    double weight = 1;          // w_t
    double time = 0;            // s-share of the time, mean over the draws
  };
  // Error{diverged} where the network's answer is not finite.
  Target target(const std::vector<double>& model_mps, Index iteration, Index iteration_in_stage, Index length);

  Index windows() const { return static_cast<Index>(rows_.size() * columns_.size()); }
  double scale_mps() const { return static_cast<double>(generator_.scale[0]); }

 private:
  double time_of(Index iteration, Index draw, Index iteration_in_stage, Index length) const;
  void check() const;
  // f(number of the pixel over all windows, its row and column in the window, its row and column in the model)
  template <class F>
  void each_pixel(const F& f) const;
  double pixel_weight(Index i, Index j) const;
  // Network output for all windows of one draw, (windows, height, width), host.
  std::vector<float> evaluate(const std::vector<float>& x, const NoiseLevel& level);

  Stream& s_;
  Generator generator_;
  DenoiserPriorOptions o_;
  Index height_, width_, nz_, nx_;
  std::vector<Index> rows_, columns_;               // first cells of the windows
  std::vector<double> row_weight_, column_weight_;  // of a pixel of a window, (height), (width)
  std::vector<double> total_;                       // sum of the weights of a cell over its windows, (nz, nx)
  NoiseLevels levels_;
  std::unique_ptr<RecordedDenoiser> network_;
  DenoiseFunction function_;
};

}  // namespace terrane
