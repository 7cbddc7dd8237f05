// SPDX-License-Identifier: MIT
// J J^T of a scalar per sample, once from the factors of an operation and once from the rows of J by the vjp.
#pragma once

#include <gtest/gtest.h>

#include <cmath>

#include "autodiff/tape.hpp"

namespace terrane {

using Matrix = std::vector<double>;  // (n, n) row-major

namespace factor_gram_detail {

// Rows of A, dense or from the sparse form; the identity when the term is diagonal.
inline Matrix rows_of_a(Stream& s, const FactorTerm<double>& t) {
  const auto n = static_cast<std::size_t>(t.samples), c = static_cast<std::size_t>(t.columns_a);
  if (t.nonzeros == 0) return to_host(s, t.a);
  Matrix a(n * c, 0.0);
  const auto index = to_host(s, t.index);
  const auto weight = to_host(s, t.weight);
  for (std::size_t k = 0; k < index.size(); ++k) {
    a[k / static_cast<std::size_t>(t.nonzeros) * c + static_cast<std::size_t>(index[k])] += weight[k];
  }
  return a;
}

}  // namespace factor_gram_detail

inline Matrix gram_of_factors(Stream& s, const Factors<double>& terms) {
  Matrix k;
  for (const auto& t : terms) {
    const auto n = static_cast<std::size_t>(t.samples), ca = static_cast<std::size_t>(t.columns_a),
               cd = static_cast<std::size_t>(t.columns_d);
    k.resize(n * n, 0.0);
    const Matrix a = factor_gram_detail::rows_of_a(s, t), d = to_host(s, t.d);
    // (re, im) of sum_c x[i, c] conj(y[j, c])
    const auto inner = [&](const Matrix& x, std::size_t columns, std::size_t i, std::size_t j, double& re, double& im) {
      re = im = 0;
      const std::size_t half = t.complex ? columns / 2 : columns;
      for (std::size_t c = 0; c < columns; ++c) re += x[i * columns + c] * x[j * columns + c];
      for (std::size_t c = half; c < columns; ++c) {
        im += x[i * columns + c] * x[j * columns + c - half] - x[i * columns + c - half] * x[j * columns + c];
      }
    };
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        double ar, ai, dr, di;
        inner(a, ca, i, j, ar, ai);
        inner(d, cd, i, j, dr, di);
        k[i * n + j] += (ar + (t.bias ? 1.0 : 0.0)) * dr + ai * di;  // Re[(A A^H + 1) conj(D D^H)]
      }
    }
  }
  return k;
}

inline Matrix gram_of_rows(Stream& s, const Tape<double>& tape, Var x, Var y) {
  const auto n = static_cast<std::size_t>(tape.size(y)), p = static_cast<std::size_t>(tape.size(x));
  std::vector<std::vector<double>> rows;
  Sweep<double> sweep(tape);
  for (std::size_t i = 0; i < n; ++i) {
    std::vector<double> unit(n, 0.0);
    unit[i] = 1;
    const Buffer<double> seed = to_device(s, unit);
    tape.backward(sweep, y, seed.data());
    rows.push_back(to_host(s, sweep.cotangent(x), tape.size(x)));
  }
  Matrix k(n * n, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      for (std::size_t c = 0; c < p; ++c) k[i * n + j] += rows[i][c] * rows[j][c];
    }
  }
  return k;
}

inline void expect_equal_grams(const Matrix& got, const Matrix& wanted, double tolerance) {
  ASSERT_EQ(got.size(), wanted.size());
  double norm = 0, error = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    norm += wanted[i] * wanted[i];
    error += (got[i] - wanted[i]) * (got[i] - wanted[i]);
  }
  ASSERT_GT(norm, 0.0);
  EXPECT_LE(std::sqrt(error / norm), tolerance);
}

// Factors of y (n, 1) with respect to x, an input of the operation whose output is v and whose rows y depends on row by
// row: one reverse sweep of ones gives the seeds.
inline Factors<double> chain_factors(Stream& s, const Tape<double>& tape, Var x, Var v, Var y) {
  Sweep<double> sweep(tape);
  tape.backward(sweep, y);
  for (const auto& node : tape.nodes()) {
    if (node.out[0] != v.id) continue;
    std::vector<const double*> in, out{tape.data(v)};
    int which = -1;
    for (std::size_t i = 0; i < node.in.size(); ++i) {
      in.push_back(tape.data(Var{node.in[i]}));
      if (node.in[i] == x.id) which = static_cast<int>(i);
    }
    return node.op->seeded_factors(s, node.saved.get(), in, out, which, sweep.cotangent(v));
  }
  return {};
}

}  // namespace terrane
