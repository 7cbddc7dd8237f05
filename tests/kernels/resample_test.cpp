// SPDX-License-Identifier: MIT
// Change of the sampling rate against its defining sums, for rows shorter and longer than a block, every phase, and
// ratios beyond what the CPU's registers are used for; the two directions are transposes of each other.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/kernels.hpp"
#include "kernels/runtime/random.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace resample_test {

template <class T>
std::vector<T> numbers(Index n, std::uint32_t draw) {
  const Random random(8, RandomPurpose::test);
  std::vector<T> v;
  for (Index k = 0; k < n; ++k) v.push_back(static_cast<T>(random.normal(static_cast<std::uint64_t>(k), draw)));
  return v;
}

template <class T>
void check(Stream& s, Index ratio, Index coarse, Index fine, bool accumulate) {
  constexpr Index rows = 3;
  const Index half = resample_half_width * ratio;
  const std::vector<T> taps = numbers<T>(half, 1), low = numbers<T>(rows * coarse, 2),
                       high = numbers<T>(rows * fine, 3);
  std::vector<double> up(static_cast<std::size_t>(rows * fine)), down(static_cast<std::size_t>(rows * coarse));
  const T scale = static_cast<T>(0.7);
  for (Index row = 0; row < rows; ++row) {
    for (Index k = 0; k < coarse; ++k) {
      for (Index j = std::max<Index>(0, k * ratio - half + 1); j < std::min(fine, k * ratio + half); ++j) {
        const auto h = static_cast<double>(taps[static_cast<std::size_t>(std::abs(j - k * ratio))]);
        const auto i = static_cast<std::size_t>(row * coarse + k), ii = static_cast<std::size_t>(row * fine + j);
        down[i] += static_cast<double>(scale) * h * static_cast<double>(high[ii]);
        up[ii] += static_cast<double>(scale) * h * static_cast<double>(low[i]);
      }
    }
  }
  const Buffer<T> t = to_device(s, taps), in_low = to_device(s, low), in_high = to_device(s, high);
  Buffer<T> out_low = to_device(s, low), out_high = to_device(s, high);
  const Resample<T> both{t.data(), ratio, half, rows, coarse, fine, nullptr, nullptr, scale, accumulate};
  ResampleUp<T> u{both};
  u.in = in_low.data(), u.out = out_high.data();
  resample_up(s, u);
  ResampleDown<T> d{both};
  d.in = in_high.data(), d.out = out_low.data();
  resample_down(s, d);
  const double limit = 3000 * static_cast<double>(std::numeric_limits<T>::epsilon());
  const auto compare = [&](const std::vector<T>& is, const std::vector<double>& wanted, const std::vector<T>& before) {
    for (std::size_t k = 0; k < is.size(); ++k) {
      const double value = wanted[k] + (accumulate ? static_cast<double>(before[k]) : 0.0);
      ASSERT_NEAR(static_cast<double>(is[k]), value, limit)
          << "ratio " << ratio << ", " << coarse << " and " << fine << " samples, at " << k;
    }
  };
  compare(to_host(s, out_high), up, high);
  compare(to_host(s, out_low), down, low);
}

TEST(Resample, IsTheDefiningSum) {
  for_each_device([](Stream& s) {
    for (const Index ratio : {1, 2, 3, 5, 33}) {
      for (const Index coarse : {1, 7, 40, 130}) {
        check<float>(s, ratio, coarse, (coarse + 11) * ratio, false);
        check<double>(s, ratio, coarse, (coarse + 11) * ratio, true);
      }
    }
    check<float>(s, 3, 70, 161, true);   // a part of the last sample's phases
    check<double>(s, 4, 65, 30, false);  // fewer fine samples than the coarse ones span
  });
}

}  // namespace resample_test
}  // namespace terrane
