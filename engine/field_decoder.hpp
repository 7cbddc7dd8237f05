// SPDX-License-Identifier: MIT
// A trained decoder (engine/compression/auto_decoder.hpp) as a field: the unknowns are the numbers of a code.
//
//   m(x) = offset + scale D(x; s),  s = M z,  z = mean + sum_j theta_j sqrt(lambda_j) u_j
//
// with mean, lambda_j and u_j the mean and the principal axes of the codes of the training models, so that theta = 0 is
// their mean and theta_j of order one are like them. Without training codes: the axes are the numbers of the code, with
// their deviations. The grid's cells cover the square of the decoder, whatever their number.
#pragma once

#include <memory>
#include <string>

#include "engine/compression/auto_decoder.hpp"

namespace terrane {

struct DecoderField {
  DecoderShape shape;
  double offset_mps = 0, scale_mps = 1;
  Index unknowns = 0;
  std::vector<double> network;     // weights and biases
  std::vector<double> directions;  // (unknowns, shifts): shifts of theta_j = 1
  std::vector<double> mean;        // (shifts)
};

// `path`: decoder.safetensors or the directory of a run of task "compress". unknowns: the leading axes alone; 0: all.
// Error{data} with the file, also for decoders of volumes; Error{config} for more unknowns than there are axes.
std::shared_ptr<const DecoderField> make_decoder_field(const std::string& path, Index unknowns);

}  // namespace terrane
