// SPDX-License-Identifier: MIT
// A unit current pole on the surface of flat layers, by numerical integration (O. Koefoed, Geosounding principles 1,
// 1979; recursion of Pekeris):
//
//   V(r) = 1 / (2 pi) [rho_1 / r + int_0^inf (T_1(l) - rho_1) J_0(l r) dl]
//   T_n = rho_n,  T_i = (T_{i+1} + rho_i t) / (1 + T_{i+1} t / rho_i),  t = tanh(l h_i)
//
// T_1 - rho_1 falls as exp(-2 l h_1).
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace terrane {

// rho: resistivities in ohm m, from the top; h: thicknesses in m of all layers but the last. V at distance r in m.
inline double layered_voltage(double r, const std::vector<double>& rho, const std::vector<double>& h) {
  const auto kernel = [&](double l) {
    double t = rho.back();
    for (std::size_t i = h.size(); i-- > 0;) {
      const double tanh = std::tanh(l * h[i]);
      t = (t + rho[i] * tanh) / (1 + t * tanh / rho[i]);
    }
    return t - rho[0];
  };
  constexpr int n = 12000;  // even
  const double step = 18 / h[0] / n;
  double sum = 0;
  for (int k = 0; k <= n; ++k) {
    const double l = k * step, weight = k == 0 || k == n ? 1 : k % 2 == 1 ? 4 : 2;
    sum += weight * kernel(l) * std::cyl_bessel_j(0, l * r);
  }
  return (rho[0] / r + sum * step / 3) / (2 * 3.14159265358979323846);
}

// 1 / rho at depth z.
inline double layered_conductivity(double z, const std::vector<double>& rho, const std::vector<double>& h) {
  std::size_t i = 0;
  for (double bottom = 0; i < h.size() && z >= (bottom += h[i]); ++i) {
  }
  return 1 / rho[i];
}

// Poles of `distances` from the source must measure the layers to `limit`; returns the largest error.
inline double expect_layered(const std::vector<double>& data, const std::vector<double>& distances,
                             const std::vector<double>& rho, const std::vector<double>& h, double limit) {
  double worst = 0;
  for (std::size_t i = 0; i < data.size(); ++i) {
    const double error = std::fabs(data[i] / layered_voltage(distances[i], rho, h) - 1);
    EXPECT_LT(error, limit) << "r " << distances[i] << ", " << rho[1] << " over " << rho[2] << " ohm m";
    worst = std::max(worst, error);
  }
  return worst;
}

}  // namespace terrane
