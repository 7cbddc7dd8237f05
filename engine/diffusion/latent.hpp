// SPDX-License-Identifier: MIT
// Generation through the codes of an auto-decoder: a flow (or ddpm) draws codes, the decoder makes maps of them, at any
// resolution. Codes are whitened value by value: (z - mean) / deviation over the training codes. A code that is the
// same everywhere is drawn by a residual network of its numbers, a code on a grid by a small U-Net on its nodes.
#pragma once

#include "engine/compression/auto_decoder.hpp"
#include "engine/diffusion/maps.hpp"
#include "engine/diffusion/train.hpp"

namespace terrane {

struct CodeNetwork {
  Index width = 256;  // of the layers; of a code on a grid: channels
  Index blocks = 4;   // residual blocks; of a code on a grid: of each level, of which there are two for 8 nodes a side
                      // and more where their number is even
  Index families = 0;
  MapConditions conditions{};
  Index condition_size = 16;  // pixels a side that conditions are reduced to; of a code on a grid: its nodes
};
// The network for codes of this shape. Error{config} for sizes that make none: `width` is even for codes on a grid.
Denoiser code_network(const DecoderShape& shape, const CodeNetwork& network);

// A generator of codes of this decoder, without weights yet. Error{config} when the decoder brings no training codes or
// the network is for codes of another length.
Generator latent_prototype(const AutoDecoder& decoder, Denoiser network, const ProcessOptions& process = {});

struct CodeSourceOptions {
  double jitter = 0;  // deviation of noise that is added to a whitened code: fewer samples that repeat a training code
  std::uint64_t seed = 0;
};
// Condition of training sample `number`, a code of this model: a function of its arguments.
using CodeConditions = std::function<std::vector<float>(Index model, Index number)>;
// Training codes in random order, with the family of each (one a model, or none), for DiffusionTrainer.
BatchSource code_source(const AutoDecoder& decoder, const Generator& prototype, std::vector<int> family,
                        const CodeSourceOptions& options = {}, CodeConditions conditions = {});

// Codes first, first + 1, ...: (count, length) for decode_models, through generator.match where it applies
// (moment_match.hpp). Error{config} when generator and decoder do not fit.
std::vector<float> sample_codes(Stream& s, const Generator& generator, const AutoDecoder& decoder,
                                const SamplerOptions& options, std::uint64_t seed, std::uint64_t first, Index count,
                                const SampleConditions& conditions = {});

}  // namespace terrane
