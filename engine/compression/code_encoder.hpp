// SPDX-License-Identifier: MIT
// Codes of models that a decoder was not trained on: the decoder is fixed, and for every model
//
//   min_z  mean_p (D_p(z) - t_p)^2 + penalty sum_k ((z_k - mean_k) / deviation_k)^2 / K
//
// is minimised by Adam on random pixels of its grid, from the training code whose model is nearest (or the mean code),
// with a rate that falls along a cosine. Models are coded in batches; each one's result depends neither on the others
// nor on the batch.
#pragma once

#include "engine/compression/auto_decoder.hpp"
#include "engine/compression/auto_decoder_train.hpp"

namespace terrane {

struct CodeSearch {
  Index steps = 1000;
  // Of each model in each step; at least the grid's number: the whole grid. Where a pixel is a mean over q points, so
  // many pixels as make this number, but not fewer than 256.
  Index points = 1024;
  double lr = 5e-3;
  double penalty = 0;
  bool nearest = true;  // start from the nearest training model, otherwise from the mean code
  Index batch = 32;
  std::uint64_t seed = 0;
};

// Codes (count, K). Error{data} for models with NaN or infinity.
std::vector<float> search_codes(Stream& s, const AutoDecoder& decoder, const ModelSet& models,
                                const CodeSearch& search);

// What is known of a model at some points, a well for instance.
struct PointValues {
  std::vector<float> coordinates;  // (n, dims) in [-1, 1]
  std::vector<float> vp_mps;       // (n)
};
// Brings every code (count, K) to the known values by the same steps on all of them, each from itself and with itself
// in place of the mean in the penalty: with one that the decoder's error bears, samples of a generator stay as
// different as they were away from what is known. `points`, `nearest` and `seed` of the search have no meaning here.
// Error{data} for values that are not finite or of another number than the coordinates.
std::vector<float> fit_codes_at(Stream& s, const AutoDecoder& decoder, const PointValues& known,
                                const std::vector<float>& codes, const CodeSearch& search);

}  // namespace terrane
