// SPDX-License-Identifier: MIT
// Gram matrices K = J J^T of Jacobians in factored form (FactorTerm in autodiff/op.hpp), without J:
//
//   K[i, j] = sum over terms of ((A A^T)[i, j] + bias) (D D^T)[i, j]
//
// for scalar outputs at N samples, J (N, parameters). 2 N^2 sum_l (columns of A_l + columns of D_l) operations and, by
// symmetry, half of them, instead of 2 N^2 parameters; exact up to rounding, in the precision of the factors. Complex
// terms give Re[(A A^H + bias) o conj(D D^H)], sparse ones count matching indices. K is filled block by block, so that
// blocks can be streamed where N^2 values do not fit.
// Errors: Error{failed} where factors and blocks do not fit together.
// References: Jacot, Gabriel, Hongler, NeurIPS 2018 (tangent kernel); Novak, Sohl-Dickstein, Schoenholz, ICML 2022
// (structured derivatives).
#pragma once

#include "autodiff/op.hpp"

namespace terrane {

inline constexpr Index gram_default_block = 512;

// Samples of all terms, which must agree; 0 without terms.
template <class T>
Index gram_samples(const Factors<T>& f);

// k (rows, columns, row length ldk) = J_f[row ..] J_g[column ..]^T; f and g have the same terms, at their own points.
// Device memory; overwritten.
template <class T>
void gram_block(Stream& s, const Factors<T>& f, Index row, Index rows, const Factors<T>& g, Index column, Index columns,
                T* k, Index ldk);

// k (samples, samples) = J J^T, exactly symmetric. Workspace: three blocks.
template <class T>
void gram(Stream& s, const Factors<T>& f, T* k, Index block = gram_default_block);

// diag(J J^T): the squared norm of every row of J, (samples). Its sum is the squared Frobenius norm of J.
template <class T>
std::vector<T> gram_diagonal(Stream& s, const Factors<T>& f);

// Bytes of the factors and of the workspace of gram(); K itself is not counted.
template <class T>
Index gram_workspace_bytes(const Factors<T>& f, Index block = gram_default_block);

// The same numbers in double: factors of a network in single precision, products and sums in double.
Factors<double> widened(Stream& s, const Factors<float>& f);

}  // namespace terrane
