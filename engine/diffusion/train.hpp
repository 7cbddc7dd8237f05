// SPDX-License-Identifier: MIT
// Training of a diffusion model.
//
//   phi = mean over samples of the batch and their values of (f(x_t, t, conditions) - target)^2     (process.hpp)
//
// t is uniform for ddpm; for flow sigmoid(N(0, 1)). AdamW: beta 0.9, 0.999, epsilon 1e-8, decay lr * weight_decay; the
// rate rises over `warmup` steps and falls along a cosine to `last_rate` of it; the gradient's norm is limited. Each
// condition of a sample is dropped with drop_probability, so that one network learns both f_c and f_0 (classifier-free
// guidance: Ho, Salimans 2022). The weights of the result are moving averages.
//
// Data, times, noise and dropped conditions are functions of (seed, number of the sample) alone: a run that is
// continued from state() gives the bits of one that was never stopped.
#pragma once

#include <functional>
#include <memory>

#include "engine/diffusion/generator.hpp"
#include "engine/io/safetensors.hpp"
#include "kernels/runtime/buffer.hpp"

namespace terrane {

// Samples first, first + 1, ... of the data in the units of the network, with their conditions.
struct TrainingBatch {
  std::vector<float> x;          // (count, sample_values)
  std::vector<int> family;       // (count), -1: none; may be empty
  std::vector<float> condition;  // (count, condition_values); may be empty
};
// Must be a function of its arguments alone.
using BatchSource = std::function<TrainingBatch(Index first, Index count)>;

struct DiffusionTrainOptions {
  Index steps = 100000;
  Index batch = 64;      // samples of one evaluation
  Index accumulate = 1;  // evaluations a step
  double lr = 3e-4, weight_decay = 1e-4;
  Index warmup = 1000;
  double last_rate = 0;  // of lr
  double clip_norm = 1;  // 0: none
  double average = 0.9999;
  double drop_probability = 0.15;
  std::vector<Index> condition_groups;  // channels that are dropped together, in order; empty: all of them
  std::uint64_t seed = 0;
  FactorPrecision precision =
      FactorPrecision::full;  // of the blocks' products, on a GPU; weights and moments are float
};

class DiffusionTrainer {
 public:
  // Error{config} for options that make no training. `prototype` gives network, process, offset, scale, families; its
  // parameters are the start, or empty: from the seed.
  DiffusionTrainer(Stream& s, const Generator& prototype, const DiffusionTrainOptions& options, BatchSource source);
  ~DiffusionTrainer();

  struct StepResult {
    double loss = 0, gradient_norm = 0;
  };
  // Error{diverged} when the loss is not finite.
  StepResult step();
  Index steps_done() const { return step_; }
  // With the averaged weights, if there are any.
  Generator generator() const;

  TensorMap state() const;               // bit-exact
  void restore(const TensorMap& state);  // Error{data} if it is not of this training

 private:
  double evaluate(Index first);
  void drop_conditions(TrainingBatch& batch, Index first) const;

  Stream& s_;
  Generator generator_;
  DiffusionTrainOptions options_;
  NoiseSchedule schedule_;
  BatchSource source_;
  RecordedDenoiser network_;
  Buffer<float> parameters_, m_, v_, averaged_, gradient_;
  Buffer<float> data_, noise_, scalar_;
  Index step_ = 0;
};

}  // namespace terrane
