// SPDX-License-Identifier: MIT
// The Jacobian J = dm/dtheta (N, parameters) of a field at N points, in the form that suits the question:
//
//   matrix-free   J v, J^T w            tape.map(theta, m), or network_jacobian() without a tape
//   rows          J[i, :] = J^T e_i     jacobian_rows(), one reverse sweep a row; any field
//   factored      A_l, D_l of every parameterised layer, from which analysis/gram.hpp makes J J^T: field_factors() for
//   a
//                 field on a tape, network_factors() for a fully connected network alone
//
// With m_i = map(F(x_i)) and layers z = W a + b, A_l[i] is the input a of layer l at point i and D_l[i] = dm_i/dz_l, so
// that row i of J is the concatenation of vec(D_l[i] A_l[i]^T), D_l[i], in the order of theta. Grids and hash tables
// have sparse A (interpolation weights), low-rank cores and factor networks repeat the rows of one axis.
// m has one component a point. Arrays are on the device of the tape's or given stream. Values are those of the last
// forward().
// Errors: Error{config} more than one output; Error{budget} where not even a few rows fit.
#pragma once

#include <optional>
#include <vector>

#include "autodiff/tape.hpp"
#include "kernels/mlp/mlp.hpp"

namespace terrane {

// Factors of dm/dtheta of a network with one output at n points x (n, n_in). d_output (n): dm/dF of an output map;
// null: m = F.
template <class T>
Factors<T> network_factors(Stream& s, const MlpShape& shape, const T* theta, Index n, const T* x,
                           const T* d_output = nullptr);

// The same Jacobian as a linear map. Keeps the pointers, which must outlive it.
template <class T>
LinearMap<T> network_jacobian(Stream& s, const MlpShape& shape, const T* theta, Index n, const T* x,
                              const T* d_output = nullptr);

// Factors of dm/dtheta on a tape: every operation that takes theta or a slice of it contributes its terms, seeded by
// one reverse sweep of ones from m. That needs m_i to depend on row i of the operation's output alone (or, for networks
// of one axis below a tensor product, on one row that the product names). The result is therefore compared with J J^T
// e_i for three samples; empty when the tape has no such form or the comparison fails. theta must have no other users
// that share parameters.
template <class T>
std::optional<Factors<T>> field_factors(const Tape<T>& tape, Var theta, Var m);

// rows (count, j.columns) = J[first .. first + count, :], by the adjoint of unit vectors.
template <class T>
void jacobian_rows(Stream& s, const LinearMap<T>& j, Index first, Index count, T* rows);

// k (j.rows, j.rows) = J J^T from rows, which are made in blocks of at most budget_bytes / 2 and, where more than one
// block is needed, made again for every pair of blocks. N sweeps at least: for small problems and for fields without
// factors.
template <class T>
void gram_by_rows(Stream& s, const LinearMap<T>& j, T* k, Index budget_bytes = Index{1} << 30);

// J J^T of m with respect to theta, by factors where the field has them, else by rows.
template <class T>
struct FieldGram {
  Buffer<T> k;  // (N, N)
  bool factored = false;
};
template <class T>
FieldGram<T> field_gram(const Tape<T>& tape, Var theta, Var m, Index budget_bytes = Index{1} << 30);
// Its diagonal alone (N), the squared norms of the rows of J.
template <class T>
std::vector<double> field_gram_diagonal(const Tape<T>& tape, Var theta, Var m);

}  // namespace terrane
