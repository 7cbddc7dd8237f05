// SPDX-License-Identifier: MIT
// Generation through the codes of an auto-decoder: a flow (or ddpm) draws codes, the decoder makes maps of them, at any
// resolution. Codes are whitened value by value: (z - mean) / deviation over the training codes.
#pragma once

#include "engine/compression/auto_decoder.hpp"
#include "engine/diffusion/train.hpp"

namespace terrane {

// A generator of codes of this decoder, without weights yet. shape.values is set to the length of a code.
// Error{config} when the decoder brings no training codes.
Generator latent_prototype(const AutoDecoder& decoder, ResidualMlpShape shape, const ProcessOptions& process = {});

struct CodeSourceOptions {
  double jitter = 0;  // deviation of noise that is added to a whitened code: fewer samples that repeat a training code
  std::uint64_t seed = 0;
};
// Condition of training sample `number`, a code of this model: a function of its arguments.
using CodeConditions = std::function<std::vector<float>(Index model, Index number)>;
// Training codes in random order, with the family of each (one a model, or none), for DiffusionTrainer.
BatchSource code_source(const AutoDecoder& decoder, const Generator& prototype, std::vector<int> family,
                        const CodeSourceOptions& options = {}, CodeConditions conditions = {});

// Codes first, first + 1, ...: (count, length) for decode_models. Error{config} when generator and decoder do not fit.
std::vector<float> sample_codes(Stream& s, const Generator& generator, const AutoDecoder& decoder,
                                const SamplerOptions& options, std::uint64_t seed, std::uint64_t first, Index count,
                                const SampleConditions& conditions = {});

}  // namespace terrane
