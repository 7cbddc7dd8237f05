// SPDX-License-Identifier: MIT
// A decoder on a tape: values (batch n, 1) from theta (network), M^T (K, shifts; of shifted decoders alone), codes z
// (batch, K) and coordinates x (batch n, dims).
#pragma once

#include <memory>

#include "autodiff/ops/local_code_op.hpp"
#include "autodiff/ops/matmul.hpp"
#include "autodiff/ops/mlp_op.hpp"
#include "autodiff/ops/modulated_mlp_op.hpp"
#include "autodiff/tape.hpp"
#include "engine/compression/auto_decoder.hpp"

namespace terrane {

struct DecoderInputs {
  Var theta, m, z, x;
};

// net: shape.network(), with the precision of its products. s: shifts M z (batch, shifts), or the codes themselves
// where they lie on a grid.
template <class T>
Var record_shifted(Tape<T>& tape, const DecoderShape& shape, const MlpShape& net, Var theta, Var s, Var x,
                   Index batch) {
  const Index rows = tape.shape(x)[0];
  if (shape.cells > 0) {
    const Var local = tape.apply(std::make_shared<LocalCodeOp<T>>(shape.local(batch, rows / batch)), {s, x});
    return tape.apply(std::make_shared<MlpOp<T>>(net, rows), {theta, local});
  }
  return tape.apply(std::make_shared<ModulatedMlpOp<T>>(net, batch, rows / batch, shape.shifted_layers()),
                    {theta, s, x});
}

template <class T>
Var record_decoder(Tape<T>& tape, const DecoderShape& shape, const MlpShape& net, const DecoderInputs& in,
                   Index batch) {
  const Var s = shape.cells > 0 ? in.z : tape.apply(std::make_shared<MatmulOp<T>>(), {in.z, in.m});
  return record_shifted(tape, shape, net, in.theta, s, in.x, batch);
}

}  // namespace terrane
