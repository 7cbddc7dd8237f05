// SPDX-License-Identifier: MIT
// Codes of an auto-decoder as bytes: number k of a code is rounded to mean_k + q step_k, step_k = (highest_k -
// lowest_k) / (2^bits - 1) of the training codes, and q is range coded with the probabilities of a normal distribution
// of the training codes' deviation. Values beyond the training range are kept: they cost more.
#pragma once

#include "engine/compression/auto_decoder.hpp"
#include "engine/compression/latent_file.hpp"

namespace terrane {

// codes: (count, K). shape: extent (z, y, x) of the models. bits: 2 to 12. samples: ModelSet::samples. Error{data} for
// codes that are not finite.
LatentFile pack_codes(const AutoDecoder& decoder, const std::vector<float>& codes, const std::array<Index, 3>& shape,
                      int bits = 8, Index samples = 1);

// Pixels of a file of codes at its own extent, or at another one.
DecoderWindow file_window(const LatentFile& file, const std::array<Index, 3>& extent);

// Codes (count, K). Error{data} when the file was written with another decoder, or holds no codes.
std::vector<float> unpack_codes(const AutoDecoder& decoder, const LatentFile& file, const std::string& where);

// What unpack_codes returns for these codes.
std::vector<float> quantised_codes(const AutoDecoder& decoder, const std::vector<float>& codes, int bits);

}  // namespace terrane
