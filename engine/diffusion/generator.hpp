// SPDX-License-Identifier: MIT
// A trained diffusion model and its samples.
//
// Values of the network are y = (v - offset) / scale, or, for codes, whitened value by value. Sample k of seed s is a
// function of (weights, s, k, conditions, sampler) alone: the noise is keyed by (s, k), the network treats the samples
// of a batch apart, and the bits do not depend on the batch or on the number of threads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/diffusion/denoiser.hpp"
#include "engine/diffusion/process.hpp"

namespace terrane {

// Affine maps y -> shift + y matrix of samples in the units of the network, one for every family and one for samples
// without, and the sampler whose samples they are for (moment_match.hpp); empty: none.
struct MomentMatch {
  SamplerKind sampler = SamplerKind::heun;
  Index steps = 0;
  std::vector<float> shift, matrix;  // (families + 1, values), (families + 1, values, values)
  bool any() const { return !shift.empty(); }
};

struct Generator {
  Denoiser network;
  ProcessOptions process;
  std::vector<float> parameters;
  std::vector<float> offset{3000}, scale{1500};  // one number, or one a value of a sample
  std::vector<std::string> families;             // names of rows 0 .. families - 1 of the table
  MomentMatch match{};                           // of codes

  // Values of samples from those of the network and back, in place; (count, sample_values).
  void restore(std::vector<float>& y) const;
  void normalize(std::vector<float>& v) const;
};

// What the samples of a call are asked for. Empty: nothing.
struct SampleConditions {
  std::vector<int> family;       // (count), -1: none
  std::vector<float> condition;  // (count, condition_values), as conditions.hpp makes them
};

// What the recorded network can be differentiated in.
enum class DenoiserVariable { weights, image, both };

// One network recorded for a batch, with its conditions; the seam between network and samplers. `network` must outlive
// it.
class RecordedDenoiser {
 public:
  RecordedDenoiser(Stream& s, const Denoiser& network, Index batch,
                   DenoiserVariable variable = DenoiserVariable::weights,
                   FactorPrecision precision = FactorPrecision::full);

  Tape<float>& tape() { return tape_; }
  Sweep<float>& sweep() { return sweep_; }
  Index batch() const { return batch_; }
  Index values() const { return batch_ * network_.sample_values(); }
  float* parameters() const { return tape_.data(theta_); }
  float* x() const { return tape_.data(in_.x); }
  const float* y() const { return tape_.data(y_); }
  Var theta() const { return theta_; }
  Var image() const { return in_.x; }
  Var output() const { return y_; }
  // What the network sees of a time: an index of ddpm, or 1000 t of flow.
  void set_times(const std::vector<float>& times);
  // family (batch), -1: none; condition (batch, condition_values) or empty: zeros. Error{config} out of range.
  void set_conditions(const std::vector<int>& family, const std::vector<float>& condition);

 private:
  const Denoiser& network_;
  Index batch_;
  Tape<float> tape_;
  Var theta_, y_;
  DenoiserInputs in_;
  Sweep<float> sweep_;
};

// Samples [first, first + count), (count, sample_values), restored. `batch`: samples at a time.
// Error{config} for a condition out of range, Error{diverged} for values that are not finite.
std::vector<float> sample(Stream& s, const Generator& generator, const SamplerOptions& options, std::uint64_t seed,
                          std::uint64_t first, Index count, const SampleConditions& conditions = {}, Index batch = 64);

// The same for any function in place of the network: y = f(x, t) on device arrays (batch, values), t a time index of
// ddpm or a time of flow. x (count, values), in the units of the process.
using DenoiseFunction = std::function<void(const float* x, double t, float* y)>;
std::vector<float> sample_with(Stream& s, const DenoiseFunction& f, const ProcessOptions& process,
                               const SamplerOptions& options, std::uint64_t seed, std::uint64_t first, Index count,
                               Index values);

// weights.safetensors; reading checks sizes and a checksum of the weights: Error{data} naming the file.
void write_generator(const std::string& path, const Generator& generator);
Generator read_generator(const std::string& path);

}  // namespace terrane
