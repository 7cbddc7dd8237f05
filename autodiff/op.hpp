// SPDX-License-Identifier: MIT
// The interface of a differentiable operation: forward / vjp / jvp, and optionally factors.
//
//   y = f(x_1, ..., x_k)            forward    returns what the derivatives need (Saved)
//   d_x_i += (df/dx_i)^T d_y        vjp        accumulates; d_in[i] is null where no cotangent is wanted
//   t_y = sum_i (df/dx_i) t_x_i     jvp        overwrites; t_in[i] is null where the tangent is zero
//
// Arrays are device pointers of the shapes given by shapes(). Operations are const after construction; what a call
// leaves behind is in Saved, so a reverse sweep can be repeated and re-seeded.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/runtime/buffer.hpp"
#include "kernels/runtime/stream.hpp"

namespace terrane {

using Shape = std::vector<Index>;  // row-major extents; {} and {1} both hold one number

inline Index elements(const Shape& shape) {
  Index n = 1;
  for (const Index e : shape) n *= e;
  return n;
}
std::string to_string(const Shape& shape);

// Base of what a forward call leaves for the derivatives. The previous one is handed back on replay, so that its
// buffers are used again and a replay allocates nothing.
struct Saved {
  virtual ~Saved() = default;
};
using SavedPtr = std::unique_ptr<Saved>;

template <class T>
using Inputs = std::span<const T* const>;
template <class T>
using Outputs = std::span<T* const>;

// The Jacobian of an operation in the structured form from which Gram matrices J J^T are built without J:
// J J^T = sum over terms of (A A^T + bias) o (D D^T), o elementwise, for samples (rows) of a scalar output.
// A: (samples, columns_a) dense row-major, D: (samples, columns_d). A null A stands for the identity pattern of a grid:
// then D is the diagonal of J and the term adds diag(D o D).
template <class T>
struct FactorTerm {
  Index samples = 0, columns_a = 0, columns_d = 0;
  Buffer<T> a, d;
  bool bias = false;  // adds the all-ones matrix to A A^T
  // Sparse A instead of `a` when nonzeros > 0: row p holds weight[p, j] in column index[p, j], j < nonzeros; entries of
  // equal index add up. columns_a is the number of columns.
  Index nonzeros = 0;
  Buffer<Index> index;
  Buffer<T> weight;
  // Rows of a and d are [real parts, imaginary parts] (columns count both); the term is then
  // Re[(A A^H + bias) o conj(D D^H)].
  bool complex = false;
};
template <class T>
using Factors = std::vector<FactorTerm<T>>;

template <class T>
class DiffOp {
 public:
  virtual ~DiffOp() = default;
  virtual std::string name() const = 0;
  // Shapes of the outputs. Throws Error{failed} naming the operation when the inputs do not fit.
  virtual std::vector<Shape> shapes(const std::vector<Shape>& in) const = 0;
  virtual SavedPtr forward(Stream& s, Inputs<T> in, Outputs<T> out, SavedPtr recycled) const = 0;
  virtual void vjp(Stream& s, const Saved* saved, Inputs<T> in, Inputs<T> out, Inputs<T> d_out,
                   Outputs<T> d_in) const = 0;
  virtual void jvp(Stream& s, const Saved* saved, Inputs<T> in, Inputs<T> out, Inputs<T> t_in,
                   Outputs<T> t_out) const = 0;
  // Factors of the Jacobian of the first output with respect to input `which`; empty when there is no such form.
  virtual Factors<T> factors(Stream& /*s*/, const Saved* /*saved*/, Inputs<T> /*in*/, Inputs<T> /*out*/,
                             int /*which*/) const {
    return {};
  }
  // The same for a scalar F of every sample, where F_p depends on row p of the first output alone: factors of dF/dx for
  // d_out = dF/dy (samples, columns of y). With it the factors of a chain follow from one reverse sweep of ones.
  virtual Factors<T> seeded_factors(Stream& /*s*/, const Saved* /*saved*/, Inputs<T> /*in*/, Inputs<T> /*out*/,
                                    int /*which*/, const T* /*d_out*/) const {
    return {};
  }
};

}  // namespace terrane
