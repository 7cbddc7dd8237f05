// SPDX-License-Identifier: MIT
// A decoder at fixed points, outside the tape: its values for one code, and their derivatives with respect to the
// numbers of the code. Codes of every kind (shifts, concatenated, on a grid) are the same from outside.
#pragma once

#include <vector>

#include "autodiff/ops/modulated_mlp_op.hpp"
#include "engine/compression/auto_decoder.hpp"
#include "kernels/runtime/buffer.hpp"

namespace terrane {

class DecoderAt {
 public:
  // coordinates: (n, dims) in [-1, 1]. The decoder must outlive this. Error{config} for an impossible shape,
  // Error{failed} for a decoder whose weights do not fit its shape.
  DecoderAt(Stream& s, const AutoDecoder& decoder, const std::vector<float>& coordinates);
  Index points() const { return n_; }
  // y (n) = D(x; z) in units of the decoder, (v - offset) / scale; z: (K) on the device.
  void values(const float* z, float* y);
  // column (n) = dD(x; z) / dz_k at the last values(), whose z and y must still be there.
  void derivative(Index k, float* column);

 private:
  const float* modulation() const { return parameters_.data() + shape_.network_parameters(); }
  Stream& s_;
  const DecoderShape& shape_;
  Index n_;
  LocalCodeShape local_;  // of a code on a grid
  ModulatedMlpOp<float> op_;
  Buffer<float> parameters_, x_, shifts_;
  Buffer<float> inputs_, changes_,
      unit_;  // of a code on a grid: what the network sees, its tangent, a number's direction
  const float *z_ = nullptr, *y_ = nullptr;  // of the last values()
  SavedPtr saved_;
};

}  // namespace terrane
