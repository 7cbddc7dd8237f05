// SPDX-License-Identifier: MIT
#include "engine/evaluation/moments.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {

std::vector<double> column_means(const Features& x) {
  std::vector<double> mean(static_cast<std::size_t>(x.columns), 0.0);
  for (std::size_t i = 0; i < x.values.size(); ++i) mean[i % mean.size()] += x.values[i];
  for (double& m : mean) m /= static_cast<double>(x.rows());
  return mean;
}

JointMoments moments_of(Stream& s, const Features& x) {
  const Index n = x.rows(), d = x.columns;
  require(d >= 1 && n >= 2, ErrorCode::data, "a covariance takes at least two rows");
  JointMoments out{column_means(x), {}};
  std::vector<double> centred = x.values;
  for (std::size_t i = 0; i < centred.size(); ++i) centred[i] -= out.mean[i % out.mean.size()];
  const Buffer<double> a = to_device(s, centred);
  const Buffer<double> c(s, d * d);
  gemm(s, Gemm<double>{d, d, n, a.data(), d, true, a.data(), d, false, c.data(), d, 1 / static_cast<double>(n - 1)});
  out.covariance = to_host(s, c);
  return out;
}

std::vector<double> square_product(Stream& s, const std::vector<double>& a, const std::vector<double>& b, Index d) {
  const Buffer<double> x = to_device(s, a), y = to_device(s, b);
  const Buffer<double> out(s, d * d);
  gemm(s, Gemm<double>{d, d, d, x.data(), d, false, y.data(), d, false, out.data(), d});
  return to_host(s, out);
}

std::vector<double> symmetric_power(Stream& s, const std::vector<double>& a, Index d, double power, double floor,
                                    double* trace) {
  const Buffer<double> matrix = to_device(s, a);
  const Buffer<double> w(s, d), vectors(s, d * d), out(s, d * d);
  eigh(s, Eigh<double>{d, matrix.data(), w.data(), vectors.data()});
  const std::vector<double> eigenvalues = to_host(s, w);
  std::vector<double> v = to_host(s, vectors);
  const double least = floor * *std::max_element(eigenvalues.begin(), eigenvalues.end());
  if (trace != nullptr) *trace = 0;
  for (Index k = 0; k < d; ++k) {
    const double value = std::max(least, eigenvalues[static_cast<std::size_t>(k)]);
    const double raised = value > 0 ? std::pow(value, power) : 0;
    if (trace != nullptr) *trace += raised;
    for (Index c = 0; c < d; ++c) v[static_cast<std::size_t>(k * d + c)] *= std::sqrt(raised);
  }
  const Buffer<double> scaled = to_device(s, v);
  gemm(s, Gemm<double>{d, d, d, scaled.data(), d, true, scaled.data(), d, false, out.data(), d});
  return to_host(s, out);
}

std::vector<double> gaussian_transport(Stream& s, const JointMoments& a, const JointMoments& b) {
  constexpr double floor = 1e-6;
  const Index d = a.size();
  require(d == b.size() && d >= 1, ErrorCode::data, "two samples need the same features");
  const std::vector<double> root = symmetric_power(s, a.covariance, d, 0.5, floor),
                            inverse = symmetric_power(s, a.covariance, d, -0.5, floor);
  const std::vector<double> middle =
      symmetric_power(s, square_product(s, square_product(s, root, b.covariance, d), root, d), d, 0.5);
  return square_product(s, square_product(s, inverse, middle, d), inverse, d);
}

}  // namespace terrane
