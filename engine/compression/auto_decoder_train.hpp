// SPDX-License-Identifier: MIT
// Joint training of a decoder and the codes of its models.
//
//   phi = mean over models b of the batch and their points p of (y_bp - t_bp)^2  +  penalty mean_b |z_b|^2
//
// with t = (v - offset) / scale. Groups: codes by lazy Adam (only those of the batch move, each with its own count of
// steps), hidden matrices by Muon, the rest by Adam. Muon (K. Jordan et al., 2024): m <- 0.95 m + g, G = g + 0.95 m,
// X = G / |G|_F, five times X <- 3.4445 X + (-4.7750 A + 2.0315 A A) X with A = X X^T; W <- W - lr 0.2
// sqrt(max(rows, columns)) X. Rates rise over 1 % of the steps and fall along a cosine to 2 %; or fall by half whenever
// the loss of an epoch has not improved for 50 epochs (plateau). Decoder and codes of the result are moving averages.
//
// Which models and points a step uses is a function of (seed, step) alone: a run that is continued from state() gives
// the bits of one that was never stopped.
#pragma once

#include <memory>
#include <optional>

#include "engine/compression/auto_decoder.hpp"
#include "engine/io/safetensors.hpp"
#include "kernels/runtime/buffer.hpp"

namespace terrane {

struct TrainOptions {
  Index steps = 3400;
  Index batch = 20;      // models a step
  Index points = 512;    // pixels of each model, at random; at least the grid's number: the whole grid
  double full_from = 1;  // share of the steps after which whole grids are used
  double lr_network = 5e-4, lr_codes = 5e-3, lr_hidden = 1e-3;
  bool muon = true;              // hidden matrices; otherwise Adam with lr_network
  bool plateau = false;          // instead of warm-up and cosine
  double penalty = 1e-5;         // falls with the rates
  double average = 0.99;         // of the moving average; 0: none
  bool published_start = false;  // first layer U(-1/n, 1/n) with n = coordinates + code, framework biases
  MlpPrecision precision = MlpPrecision::tf32x3;  // of the hidden layers while training, on a GPU
  std::uint64_t seed = 0;
};

struct AutoDecoderPreset {
  DecoderShape shape;
  TrainOptions train;
};
// "auto-decoder": shifts of all layers. "siren-2603.14284": Liu, Luo, Xiong, arXiv 2603.14284 (2026): code of 256 at
// the input, five layers of 512, Adam 1e-4 for all with a plateau schedule, 3,000 epochs of 1,000 models in batches of
// 32; what the paper leaves open is filled in as docs/compression.md states. Error{config} for other names.
AutoDecoderPreset auto_decoder_preset(const std::string& name);

// Models on one grid: (count, points) in m/s.
struct ModelSet {
  std::array<Index, 3> extent{70, 1, 70};
  std::vector<float> values;
  // A value is compared with the decoder's mean over so many points of its pixel along every axis; 1: at its centre.
  Index samples = 1;

  DecoderWindow window() const { return {.extent = extent, .samples = samples_each(samples)}; }

  Index points() const { return extent[0] * extent[1] * extent[2]; }
  Index count() const { return static_cast<Index>(values.size()) / points(); }
};

class AutoDecoderTrainer {
 public:
  // `models` must outlive the trainer. The values' range [min, max] sets offset and scale unless they are given.
  AutoDecoderTrainer(Stream& s, const AutoDecoderPreset& preset, const ModelSet& models,
                     std::optional<std::array<double, 2>> range_mps = std::nullopt);
  ~AutoDecoderTrainer();

  // One step; returns the batch's mean squared error in units of `scale`.
  double step();
  Index steps_done() const { return step_; }
  // Averages if there are any, with statistics and training codes.
  AutoDecoder decoder() const;

  TensorMap state() const;               // bit-exact
  void restore(const TensorMap& state);  // Error{data} if it is not of this training

 private:
  struct Workspace;
  Workspace& workspace(Index points);
  void load_batch(Workspace& w);
  std::vector<Index> batch_models() const;
  double rate_factor() const;
  void update_network(const float* gradient, double factor);
  void update_codes(Workspace& w, const float* gradient, double factor);
  void adam(Index offset, Index n, const float* gradient, double lr);
  void muon(Index offset, Index rows, Index columns, const float* gradient, double lr);
  void average();
  void note_loss(double loss);

  Stream& s_;
  AutoDecoderPreset preset_;
  const ModelSet& models_;
  double offset_mps_ = 3000, scale_mps_ = 1500;
  Index samples_ = 1;                                         // of a pixel
  std::vector<float> coordinates_;                            // (points, samples, dims)
  Buffer<float> parameters_, m_, v_, averaged_;               // (parameters)
  Buffer<float> codes_, codes_m_, codes_v_, codes_averaged_;  // (models, K)
  Buffer<float> muon_[4];                                     // (width, width)
  Buffer<float> scalar_;
  std::vector<std::int64_t> visits_;  // (models): steps of each code
  std::unique_ptr<Workspace> part_, full_;
  std::vector<Index> batch_;
  Index step_ = 0;
  double plateau_factor_ = 1, best_epoch_ = 1e300, epoch_sum_ = 0;
  Index epoch_steps_ = 0, stale_epochs_ = 0;
};

// -10 log10 of the mean squared error of (v - 1500) / 3000, at most 60 dB (PSNR_full), of one model.
double psnr_full(const float* recovered, const float* truth, Index n);

}  // namespace terrane
