// SPDX-License-Identifier: MIT
#include "engine/compression/components.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

std::vector<double> without_mean(const ModelSet& set, const std::vector<double>& mean) {
  std::vector<double> a(set.values.size());
  for (std::size_t p = 0; p < a.size(); ++p) a[p] = static_cast<double>(set.values[p]) - mean[p % mean.size()];
  return a;
}

}  // namespace

std::vector<float> project_on_components(Stream& s, const ModelSet& fit, const ModelSet& set, Index rank) {
  require(fit.extent == set.extent && fit.count() >= 1, ErrorCode::data, "the models have different extents");
  const Index n = fit.points(), m = fit.count(), k = set.count(), all = std::min(m, n), r = std::min(rank, all);
  std::vector<double> mean(static_cast<std::size_t>(n), 0.0);
  for (std::size_t p = 0; p < fit.values.size(); ++p) mean[p % mean.size()] += fit.values[p] / static_cast<double>(m);
  const Buffer<double> a = to_device(s, without_mean(fit, mean)), b = to_device(s, without_mean(set, mean));
  Buffer<double> u(s, m * all), sigma(s, all), vt(s, all * n), c(s, k * r), x(s, k * n);
  svd(s, Svd<double>{m, n, a.data(), u.data(), sigma.data(), vt.data()});
  gemm(s, Gemm<double>{k, r, n, b.data(), n, false, vt.data(), n, true, c.data(), r});
  gemm(s, Gemm<double>{k, n, r, c.data(), r, false, vt.data(), n, false, x.data(), n});
  const std::vector<double> values = to_host(s, x);
  std::vector<float> out(values.size());
  for (std::size_t p = 0; p < out.size(); ++p) out[p] = static_cast<float>(values[p] + mean[p % mean.size()]);
  return out;
}

double mean_psnr_full(const std::vector<float>& recovered, const ModelSet& truth) {
  const Index n = truth.points();
  double sum = 0;
  for (Index k = 0; k < truth.count(); ++k) {
    sum += psnr_full(recovered.data() + k * n, truth.values.data() + k * n, n);
  }
  return sum / static_cast<double>(truth.count());
}

double code_norm_correlation(const std::vector<float>& codes, Index length, const std::vector<float>& recovered,
                             const ModelSet& truth) {
  const Index count = truth.count(), n = truth.points();
  require(length >= 1 && count * length == static_cast<Index>(codes.size()) && count * n == std::ssize(recovered),
          ErrorCode::data, "codes and models are of different numbers");
  // Sums of a = |z|, b = PSNR, about their first values.
  double a0 = 0, b0 = 0, sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0;
  for (Index m = 0; m < count; ++m) {
    const float* z = codes.data() + m * length;
    double a = std::sqrt(std::inner_product(z, z + length, z, 0.0));
    double b = psnr_full(recovered.data() + m * n, truth.values.data() + m * n, n);
    if (m == 0) a0 = a, b0 = b;
    a -= a0, b -= b0;
    sa += a, sb += b, saa += a * a, sbb += b * b, sab += a * b;
  }
  const auto c = static_cast<double>(count);
  const double va = saa - sa * sa / c, vb = sbb - sb * sb / c;
  return va > 1e-12 * saa && vb > 1e-12 * sbb ? (sab - sa * sb / c) / std::sqrt(va * vb) : 0;
}

}  // namespace terrane
