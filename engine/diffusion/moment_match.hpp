// SPDX-License-Identifier: MIT
// Samples of a flow are less varied than what it learnt from: of codes of 64 numbers, three quarters of the variance
// after 24,000 steps. An affine map of the samples, the optimal transport between the Gaussians of both (moments.hpp),
// gives them the mean and the covariance of the training codes, family by family.
#pragma once

#include "engine/compression/auto_decoder.hpp"
#include "engine/diffusion/generator.hpp"

namespace terrane {

// Estimates generator.match from `samples` codes of every family and as many of none. family: of every training code,
// or empty. A family with fewer training codes than twice their length keeps its samples as they are.
void match_moments(Stream& s, Generator& generator, const AutoDecoder& decoder, const std::vector<int>& family,
                   const SamplerOptions& sampler, std::uint64_t seed, Index samples = 2048);

// Applies it to samples in the units of the decoder, (count, values); row: the family of each, or empty.
void apply_match(const Generator& generator, const std::vector<int>& family, std::vector<float>& codes);

}  // namespace terrane
