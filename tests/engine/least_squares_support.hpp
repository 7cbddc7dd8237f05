// SPDX-License-Identifier: MIT
// Small dense least-squares problems on a tape, and what is needed to solve them independently.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "autodiff/ops/matmul.hpp"
#include "engine/gauss_newton.hpp"

namespace terrane::test {

using Vector = std::vector<double>;

inline double norm(const Vector& v) {
  double sum = 0;
  for (const double x : v) sum += x * x;
  return std::sqrt(sum);
}
inline double distance(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum);
}

// Dense row-major matrix.
struct Matrix {
  std::size_t rows, columns;
  Vector values;
  Matrix(std::size_t r, std::size_t c) : rows(r), columns(c), values(r * c, 0.0) {}
  double& at(std::size_t i, std::size_t j) { return values[i * columns + j]; }
  double at(std::size_t i, std::size_t j) const { return values[i * columns + j]; }
  Vector times(const Vector& x) const {
    Vector y(rows, 0.0);
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t j = 0; j < columns; ++j) y[i] += at(i, j) * x[j];
    }
    return y;
  }
};

// Gaussian elimination with column pivots.
inline Vector solve(Matrix a, Vector b) {
  const std::size_t n = b.size();
  for (std::size_t k = 0; k < n; ++k) {
    std::size_t p = k;
    for (std::size_t i = k; i < n; ++i) p = std::abs(a.at(i, k)) > std::abs(a.at(p, k)) ? i : p;
    for (std::size_t j = 0; j < n; ++j) std::swap(a.at(k, j), a.at(p, j));
    std::swap(b[k], b[p]);
    for (std::size_t i = k + 1; i < n; ++i) {
      const double f = a.at(i, k) / a.at(k, k);
      for (std::size_t j = k; j < n; ++j) a.at(i, j) -= f * a.at(k, j);
      b[i] -= f * b[k];
    }
  }
  for (std::size_t k = n; k-- > 0;) {
    for (std::size_t j = k + 1; j < n; ++j) b[k] -= a.at(k, j) * b[j];
    b[k] /= a.at(k, k);
  }
  return b;
}

inline Matrix random_matrix(std::size_t rows, std::size_t columns, std::uint64_t seed) {
  const Random random(seed, RandomPurpose::test);
  Matrix a(rows, columns);
  for (std::size_t i = 0; i < a.values.size(); ++i) a.values[i] = random.normal(i);
  return a;
}
inline Vector random_vector(std::size_t n, std::uint64_t seed) { return random_matrix(n, 1, seed).values; }

// d = A m or exp(A m), m = theta or B theta, on a tape.
template <class T>
struct TapeProblem {
  TapeProblem(Stream& s, const Matrix& a, const Matrix* b, bool exponential) : tape(s) {
    const auto constant = [&](const Matrix& m, const char* name) {
      const Var v = tape.input({static_cast<Index>(m.rows), static_cast<Index>(m.columns)}, name, false);
      tape.set(v, std::vector<T>(m.values.begin(), m.values.end()));
      return v;
    };
    const Var va = constant(a, "A");
    theta = tape.input({static_cast<Index>(b != nullptr ? b->columns : a.columns), 1}, "theta");
    model = b != nullptr ? tape.apply(std::make_shared<MatmulOp<T>>(), {constant(*b, "B"), theta}) : theta;
    data = tape.apply(std::make_shared<MatmulOp<T>>(), {va, model});
    if (exponential) data = tape.apply(std::make_shared<UnaryOp<T>>(UnaryKind::exponential), {data});
  }
  LeastSquares<T> problem(const Vector& observed, const Vector& std) {
    return least_squares(tape, theta, data, model, observed, std);
  }
  Tape<T> tape;
  Var theta, model, data;
};

inline Vector filled(std::size_t n, double v) { return Vector(n, v); }

// A small 5 x 4 grid with every term of the norms.
inline ModelNormOptions all_terms() {
  ModelNormOptions o;
  o.nz = 5;
  o.nx = 4;
  o.dz = 2;
  o.dx = 0.5;
  o.small = {0.7};
  o.z = {1.5};
  o.x = {0.4};
  o.reference = random_vector(20, 11);
  for (const double v : random_vector(20, 12)) o.cell_weights.push_back(0.5 + v * v);
  return o;
}

}  // namespace terrane::test
