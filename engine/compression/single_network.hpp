// SPDX-License-Identifier: MIT
// One network of sines a model, its weights the file: the null model of a decoder that is shared. Fitted by the
// auto-decoder's optimiser with one model and no code, weights rounded to 11 significant bits (16 a number).
// Reference: Dupont et al., COIN: compression with implicit neural representations, ICLR workshops 2021.
#pragma once

#include "engine/compression/auto_decoder_train.hpp"

namespace terrane {

struct SingleNetworkOptions {
  Index width = 10;
  int hidden = 3;  // layers of sines
  double omega = 30;
  Index steps = 2000;
  double lr = 5e-3;  // of Adam, for all weights, falling along a cosine
  bool muon = true;  // hidden matrices, at a fifth of lr
  std::uint64_t seed = 0;
};

// Weights of a network: 2 bytes each, and nothing else is counted.
Index single_network_bytes(const SingleNetworkOptions& options, Index dims = 2);

// Decoder of the one model that `set` holds: code length 1, decode_models with the code 0 gives the model back at any
// size. Range of the values: as AutoDecoderTrainer. Error{data} if `set` holds another number of models.
AutoDecoder fit_single_network(Stream& s, const ModelSet& set, const SingleNetworkOptions& options,
                               std::optional<std::array<double, 2>> range_mps = std::nullopt);

// The nearest number of 16 bits (binary16, ties to even; beyond 65504: that).
float rounded_to_half(float v);

}  // namespace terrane
