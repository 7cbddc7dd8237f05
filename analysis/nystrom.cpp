// SPDX-License-Identifier: MIT
#include "analysis/nystrom.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"
#include "kernels/runtime/random.hpp"

namespace terrane {

namespace {

constexpr std::uint32_t nystrom_draw = 1U << 24;  // beyond the other draws of a Gauss-Newton inversion

// y = a b or a b^T, rows as they lie: a (m, k), b (k, n) or (n, k).
std::vector<double> multiply(Stream& s, const std::vector<double>& a, const std::vector<double>& b, Index m, Index n,
                             Index k, bool transposed) {
  const Buffer<double> left = to_device(s, a), right = to_device(s, b);
  Buffer<double> y(s, m * n);
  gemm(s, Gemm<double>{m, n, k, left.data(), k, false, right.data(), transposed ? k : n, transposed, y.data(), n});
  return to_host(s, y);
}

// Rows v_j / sqrt(w_j) of the eigenpairs of a symmetric k (m, m) above `floor` of the largest, the largest first.
struct Roots {
  std::vector<double> rows, values;
};
Roots inverse_roots(Stream& s, std::vector<double> k, Index m, double floor) {
  for (Index i = 0; i < m; ++i) {
    for (Index j = 0; j < i; ++j) {
      double &a = k[static_cast<std::size_t>(i * m + j)], &b = k[static_cast<std::size_t>(j * m + i)];
      a = b = 0.5 * (a + b);
    }
  }
  const Buffer<double> matrix = to_device(s, k);
  Buffer<double> w(s, m), v(s, m * m);
  eigh(s, Eigh<double>{m, matrix.data(), w.data(), v.data()});
  const std::vector<double> values = to_host(s, w), vectors = to_host(s, v);
  Roots r;
  for (Index j = m - 1; j >= 0; --j) {
    const double value = values[static_cast<std::size_t>(j)];
    if (!(value > floor * values.back())) break;
    r.values.push_back(value);
    for (Index i = 0; i < m; ++i) r.rows.push_back(vectors[static_cast<std::size_t>(j * m + i)] / std::sqrt(value));
  }
  return r;
}

}  // namespace

std::vector<double> NystromFactors::precondition(double mu, const std::vector<double>& v) const {
  std::vector<double> out = v;
  const std::size_t n = v.size();
  for (std::size_t k = 0; k < values.size(); ++k) {
    const double* u = vectors.data() + k * n;
    double along = 0;
    for (std::size_t i = 0; i < n; ++i) along += u[i] * v[i];
    along *= (least + mu) / (values[k] + mu) - 1;
    for (std::size_t i = 0; i < n; ++i) out[i] += along * u[i];
  }
  return out;
}

NystromFactors nystrom(Stream& s, const HostProduct& product, Index n, Index rank, double rounding,
                       std::uint64_t seed) {
  require(rank >= 1 && rank <= n, ErrorCode::config, "the rank must be at least 1 and at most the number of unknowns");
  const Random random(seed, RandomPurpose::probe);
  std::vector<double> x, y;
  x.reserve(static_cast<std::size_t>(rank * n));
  std::vector<double> column(static_cast<std::size_t>(n)), image;
  for (Index k = 0; k < rank; ++k) {
    for (std::size_t i = 0; i < column.size(); ++i) {
      column[i] = random.normal(i, nystrom_draw + static_cast<std::uint32_t>(k)) / std::sqrt(static_cast<double>(n));
    }
    product(column, image);
    x.insert(x.end(), column.begin(), column.end());
    y.insert(y.end(), image.begin(), image.end());
  }
  const bool finite = std::all_of(y.begin(), y.end(), [](double v) { return std::isfinite(v); });
  require(finite, ErrorCode::failed, "a product of the Nystroem approximation is not finite");
  NystromFactors f;
  // Directions in which X^T Y is rounding would be blown up.
  const double floor = 100 * rounding;
  const Roots inner = inverse_roots(s, multiply(s, x, y, rank, rank, n, true), rank, floor);
  const auto kept = static_cast<Index>(inner.values.size());
  if (kept == 0) return f;
  const std::vector<double> z = multiply(s, inner.rows, y, kept, n, rank, false);
  const Roots outer = inverse_roots(s, multiply(s, z, z, kept, kept, n, true), kept, floor);
  f.values = outer.values;
  f.vectors = multiply(s, outer.rows, z, static_cast<Index>(f.values.size()), n, kept, false);
  f.least = static_cast<Index>(f.values.size()) < rank ? 0 : f.values.back();
  return f;
}

}  // namespace terrane
