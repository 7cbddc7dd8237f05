// SPDX-License-Identifier: MIT
// A trained decoder (engine/compression/auto_decoder.hpp) as a field: the unknowns are the numbers of a code.
//
//   m(x) = offset + scale D(x; s),  s = M z,  z = mean + sum_j theta_j sqrt(lambda_j) u_j
//
// with mean, lambda_j and u_j the mean and the principal axes of the codes of the training models, so that theta = 0 is
// their mean and theta_j of order one are like them. Without training codes: the axes are the numbers of the code, with
// their deviations. With a flow of these codes (engine/diffusion/flow_map.hpp) theta is the noise that it starts from,
// z = mean + deviation flow(theta), and standard normal where codes are distributed as those of the training. The
// grid's cells cover the square of the decoder, whatever their number.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/compression/auto_decoder.hpp"
#include "engine/diffusion/flow_map.hpp"

namespace terrane {

struct DecoderField {
  DecoderShape shape;
  double offset_mps = 0, scale_mps = 1;
  Index unknowns = 0;
  std::vector<double> network;     // weights and biases
  std::vector<double> directions;  // (unknowns, shifts): shifts of theta_j = 1; of a code on a grid: (unknowns, K)
  std::vector<double> mean;        // (shifts), or (K)
  std::optional<FlowMap> flow;     // from theta to the numbers that the directions stand for
};

// A flow of the codes: generator.safetensors or the directory of a run of task "train-generator"; "": none.
struct CodeFlow {
  std::string path;
  Index steps = 8;
  std::string family;  // "": none
};

// `path`: decoder.safetensors or the directory of a run of task "compress". unknowns: the leading axes alone; 0: all.
// Error{data} with the file, also for decoders of volumes and a flow of another decoder's codes; Error{config} for more
// unknowns than there are axes, or unknowns left out of a flow.
std::shared_ptr<const DecoderField> make_decoder_field(const std::string& path, Index unknowns,
                                                       const CodeFlow& flow = {});

}  // namespace terrane
