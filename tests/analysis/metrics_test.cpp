// SPDX-License-Identifier: MIT
#include "analysis/metrics.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/runtime/error.hpp"

namespace terrane {
namespace metrics_test {

constexpr Index rows = 40, columns = 53;

struct Maps {
  std::vector<double> truth, a;
};

Maps maps() {
  Maps m;
  for (Index z = 0; z < rows; ++z) {
    for (Index x = 0; x < columns; ++x) {
      const auto zd = static_cast<double>(z), xd = static_cast<double>(x);
      m.truth.push_back(1500 + 40 * zd + 300 * std::sin(0.3 * xd) * std::cos(0.2 * zd));
      m.a.push_back(m.truth.back() + 120 * std::sin(0.7 * xd + 0.4 * zd) +
                    5 * static_cast<double>((7 * z + 3 * x) % 11));
    }
  }
  return m;
}

double range_of(const std::vector<double>& t) {
  const auto [lo, hi] = std::minmax_element(t.begin(), t.end());
  return *hi - *lo;
}

// Expected values: NumPy 2.4, SciPy convolve1d and scikit-image 0.26 structural_similarity on the same maps.
TEST(Metrics, AgreeWithScikitImage) {
  const Maps m = maps();
  const std::span<const double> a(m.a), t(m.truth);
  EXPECT_NEAR(ssim_minmax(a, t, rows, columns), 0.739666333510, 1e-11);
  EXPECT_NEAR(ssim_skimage(a, t, rows, columns, range_of(m.truth)), 0.765549709913, 1e-11);
  EXPECT_NEAR(ssim_skimage(a, t, rows, columns, 3000), 0.805723684460, 1e-11);
  EXPECT_NEAR(ssim_openfwi(a, t, rows, columns), 0.814928459351, 1e-11);
  EXPECT_NEAR(mse(a, t), 8066.81541164, 1e-7);
  EXPECT_NEAR(mae(a, t), 78.7308633909, 1e-9);
  EXPECT_NEAR(rmse(a, t), std::sqrt(8066.81541164), 1e-9);
  EXPECT_NEAR(relative_l2(a, t), 0.0384289488617, 1e-12);
  EXPECT_NEAR(psnr(a, t, 3000), 30.475403901, 1e-8);
}

TEST(Metrics, FloatMapsAgreeWithDouble) {
  const Maps m = maps();
  const std::vector<float> a(m.a.begin(), m.a.end()), t(m.truth.begin(), m.truth.end());
  const std::span<const float> sa(a), st(t);
  EXPECT_NEAR(ssim_minmax(sa, st, rows, columns), 0.739666333510, 1e-6);
  EXPECT_NEAR(ssim_openfwi(sa, st, rows, columns), 0.814928459351, 1e-6);
}

TEST(Metrics, EqualMapsAndEdges) {
  const Maps m = maps();
  const std::span<const double> t(m.truth);
  EXPECT_EQ(mse(t, t), 0);
  EXPECT_TRUE(std::isinf(psnr(t, t, 1.0)));
  EXPECT_NEAR(ssim_minmax(t, t, rows, columns), 1, 1e-14);
  EXPECT_NEAR(ssim_skimage(t, t, rows, columns, 1000), 1, 1e-14);
  EXPECT_NEAR(ssim_openfwi(t, t, rows, columns), 1, 1e-14);
  const std::vector<double> flat(rows * columns, 2000.0);
  const std::span<const double> f(flat);
  EXPECT_TRUE(std::isnan(ssim_minmax(t, f, rows, columns)));  // a constant truth has no range
  EXPECT_TRUE(std::isnan(ssim_minmax(t.first(30), t.first(30), 5, 6)));
  EXPECT_TRUE(std::isnan(ssim_skimage(t.first(30), t.first(30), 5, 6, 1)));
  EXPECT_THROW(mse(t, t.first(5)), Error);
  EXPECT_THROW(ssim_openfwi(t, t, rows, columns + 1), Error);
}

}  // namespace metrics_test
}  // namespace terrane
