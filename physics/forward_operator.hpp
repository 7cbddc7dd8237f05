// SPDX-License-Identifier: MIT
// A physics as a differentiable operation: properties on a grid (and what else it depends on) -> data.
// Input 0 is the property that is inverted for; output 0 is the data (shot, receiver, time) or the like.
#pragma once

#include <string>

#include "autodiff/op.hpp"

namespace terrane {

template <class T>
class ForwardOperator : public DiffOp<T> {
 public:
  virtual Shape model_shape() const = 0;
  virtual Shape data_shape() const = 0;
  // Device bytes that a gradient needs beside model and data, with the operator's own tables.
  virtual Index memory_bytes() const = 0;
  // One line for the log: scheme, time step, storage.
  virtual std::string describe() const = 0;
};

}  // namespace terrane
