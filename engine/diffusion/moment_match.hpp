// SPDX-License-Identifier: MIT
// Samples of a flow are less varied than what it learnt from. An affine map of them, y -> shift + y A with the optimal
// transport A between the Gaussians of both (moments.hpp), gives them the mean and the covariance of the training
// codes, family by family. A comes from n samples of d numbers: those drawn afterwards are too wide by (n - 1) / (n - d
// - 2) in variance, 3 % at n = 32 d. It belongs to one sampler with its steps, to samples without guidance, wells and
// reflectivity, and to families with codes enough.
#pragma once

#include "engine/compression/auto_decoder.hpp"
#include "engine/diffusion/generator.hpp"

namespace terrane {

// Longest code that moments are matched for: the samples grow with the length, the map with its square.
inline constexpr Index longest_matched_code = 512;

// Training codes of a family in the units of the decoder, (count, length); row -1: all. family: as below.
std::vector<float> codes_of_family(const AutoDecoder& decoder, const std::vector<int>& family, int row);

// Estimates generator.match from `samples` codes (0: 2048, at least 32 times their length) of every family and as many
// of none. family: of every training code, -1 or empty: none. A family with fewer training codes than twice their
// length keeps its samples as they are, and so do all when their codes are longer than longest_matched_code.
// Error{config} for another decoder or fewer samples than twice the length, Error{data} for labels that are not one a
// code, Error{diverged} for samples that are not finite.
void match_moments(Stream& s, Generator& generator, const AutoDecoder& decoder, const std::vector<int>& family,
                   const SamplerOptions& sampler, std::uint64_t seed, Index samples = 0);

// Whether samples asked for like this are of the distribution that generator.match was estimated for.
bool match_applies(const Generator& generator, const SamplerOptions& sampler, const SampleConditions& conditions);

// Applies it to codes in the units of the decoder, (count, values), in place; family: of each, -1: none, or empty.
void apply_match(const Generator& generator, const std::vector<int>& family, std::vector<float>& codes);

}  // namespace terrane
