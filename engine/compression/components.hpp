// SPDX-License-Identifier: MIT
// Principal components as a compressor: the null model beside which an auto-decoder stands. Mean and leading right
// singular vectors of the models `fit`; a model is its K products with them.
#pragma once

#include "engine/compression/auto_decoder_train.hpp"

namespace terrane {

// Models of `set` from `rank` numbers each, (count, points). Both sets have one extent. Memory: that of `fit` in double
// twice.
std::vector<float> project_on_components(Stream& s, const ModelSet& fit, const ModelSet& set, Index rank);

// Mean of psnr_full over the models.
double mean_psnr_full(const std::vector<float>& recovered, const ModelSet& truth);

// Pearson's correlation, over the models, of the norm of the code and psnr_full; 0 where one of them does not vary.
// codes: (count, length).
double code_norm_correlation(const std::vector<float>& codes, Index length, const std::vector<float>& recovered,
                             const ModelSet& truth);

}  // namespace terrane
