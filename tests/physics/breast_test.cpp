// SPDX-License-Identifier: MIT
#include "physics/geology/breast.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernels/runtime/error.hpp"

namespace terrane {
namespace breast_test {

TEST(Breast, WaterOutsideTissueInside) {
  const Index n = 161;
  const double h = 0.00125;
  for (std::uint64_t index = 0; index < 5; ++index) {
    const auto m = breast_phantom({}, 1, index, n, n, h, h);
    ASSERT_EQ(m.size(), static_cast<std::size_t>(n * n));
    const auto at = [&](Index z, Index x) { return m[static_cast<std::size_t>(z * n + x)]; };
    for (Index k = 0; k < n; ++k) {
      for (const float v : {at(0, k), at(n - 1, k), at(k, 0), at(k, n - 1)}) EXPECT_EQ(v, 1500.0f);
    }
    double fat = 0, gland = 0, lesion = 0;
    for (Index i = 0; i < n * n; ++i) {
      const float v = m[static_cast<std::size_t>(i)];
      EXPECT_GE(v, 1442.0f);
      EXPECT_LE(v, 1575.0f);
      const double z = static_cast<double>(i / n) * h - 0.1, x = static_cast<double>(i % n) * h - 0.1;
      if (std::hypot(x, z) > 0.06) continue;  // away from the skin
      fat += v == 1442.0f, gland += v == 1520.0f, lesion += v > 1540.0f;
    }
    EXPECT_GT(fat, 1000);
    EXPECT_GT(gland, 1000);
    EXPECT_GT(lesion, 50);
  }
}

// A finer grid samples the same phantom: the mean over its nodes around a coarse node agrees in the mean.
TEST(Breast, ResolutionsAgree) {
  const Index n = 81, m = 321;
  const auto coarse = breast_phantom({}, 4, 0, n, n, 0.0025, 0.0025);
  const auto fine = breast_phantom({}, 4, 0, m, m, 0.000625, 0.000625);
  double difference = 0, spread = 0;
  for (Index z = 1; z + 1 < n; ++z) {
    for (Index x = 1; x + 1 < n; ++x) {
      double sum = 0;
      for (Index a = -2; a <= 2; ++a) {
        for (Index b = -2; b <= 2; ++b) {
          const double w = (std::abs(a) == 2 ? 0.5 : 1) * (std::abs(b) == 2 ? 0.5 : 1);
          sum += w * static_cast<double>(fine[static_cast<std::size_t>((4 * z + a) * m + 4 * x + b)]) / 16;
        }
      }
      const double c = static_cast<double>(coarse[static_cast<std::size_t>(z * n + x)]);
      difference += (c - sum) * (c - sum);
      spread += (c - 1500) * (c - 1500);
    }
  }
  EXPECT_LT(std::sqrt(difference / spread), 0.12);
}

TEST(Breast, SameSeedSamePhantomOthersDiffer) {
  const auto a = breast_phantom({}, 3, 7, 60, 60, 0.003, 0.003);
  EXPECT_EQ(a, breast_phantom({}, 3, 7, 60, 60, 0.003, 0.003));
  EXPECT_NE(a, breast_phantom({}, 3, 8, 60, 60, 0.003, 0.003));
  EXPECT_NE(a, breast_phantom({}, 4, 7, 60, 60, 0.003, 0.003));
}

TEST(Breast, RefusesARadiusThatDoesNotFit) {
  BreastParams p;
  p.radius_m = 0.05;
  EXPECT_THROW(breast_phantom(p, 0, 0, 41, 41, 0.0025, 0.0025), Error);
  EXPECT_THROW(breast_phantom({}, 0, 0, 0, 41, 0.0025, 0.0025), Error);
}

}  // namespace breast_test
}  // namespace terrane
