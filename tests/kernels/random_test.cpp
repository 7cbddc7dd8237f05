// SPDX-License-Identifier: MIT
// Philox4x32-10 against the published known answers (Random123, kat_vectors), distributions, and equality of the bits
// on every device.
#include "kernels/runtime/random.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <set>
#include <vector>

#define TERRANE_BACKEND random_test
#define TERRANE_CUDA_BACKEND
#include "kernels/runtime/parallel_cuda.hpp"
#include "tests/support/cuda_emulator.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace random_test {

using Words = std::array<std::uint32_t, 4>;

Words philox(const Words& counter, std::uint32_t key0, std::uint32_t key1) {
  const Philox4 p = philox4x32(Philox4{{counter[0], counter[1], counter[2], counter[3]}}, key0, key1);
  return {p.v[0], p.v[1], p.v[2], p.v[3]};
}

TEST(Philox, KnownAnswers) {
  const std::uint32_t f = 0xffffffffu;
  EXPECT_EQ(philox({0, 0, 0, 0}, 0, 0), (Words{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}));
  EXPECT_EQ(philox({f, f, f, f}, f, f), (Words{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}));
  EXPECT_EQ(philox({0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}, 0xa4093822u, 0x299f31d0u),
            (Words{0xd16cfe09u, 0x94fdcceb, 0x5001e420u, 0x24126ea1u}));
}

// Draws of one stream, written by index.
struct Draw {
  Random random;
  double* uniform;
  double* normal;
  std::uint64_t* integer;
  TERRANE_HD void operator()(Index i) const {
    const auto k = static_cast<std::uint64_t>(i);
    uniform[i] = random.uniform(k);
    normal[i] = random.normal(k, 1);
    integer[i] = random.integer(k, 2, 1000);
  }
};

struct Draws {
  std::vector<double> uniform, normal;
  std::vector<std::uint64_t> integer;
  explicit Draws(std::size_t n) : uniform(n), normal(n), integer(n) {}
  Draw functor(const Random& random) { return {random, uniform.data(), normal.data(), integer.data()}; }
  bool operator==(const Draws&) const = default;
};

constexpr std::size_t count = 200000;

const Draws& host_draws() {
  static const Draws draws = [] {
    Draws d(count);
    const Draw f = d.functor(Random(42, RandomPurpose::test));
    for (std::size_t i = 0; i < count; ++i) f(static_cast<Index>(i));
    return d;
  }();
  return draws;
}

TEST(RandomTest, MomentsOfTheNormal) {  // standard error of the k-th moment over n draws; 4.5 of them are allowed
  double m1 = 0, m2 = 0, m3 = 0, m4 = 0;
  for (const double x : host_draws().normal) {
    m1 += x;
    m2 += x * x;
    m3 += x * x * x;
    m4 += x * x * x * x;
  }
  const double n = static_cast<double>(count), tolerance = 4.5 / std::sqrt(n);
  EXPECT_NEAR(m1 / n, 0, tolerance);
  EXPECT_NEAR(m2 / n, 1, tolerance * std::sqrt(2.0));
  EXPECT_NEAR(m3 / n, 0, tolerance * std::sqrt(15.0));
  EXPECT_NEAR(m4 / n, 3, tolerance * std::sqrt(96.0));
}

TEST(RandomTest, UniformAndIntegerFillTheirRanges) {
  std::vector<int> cells(50, 0), numbers(1000, 0);
  for (std::size_t i = 0; i < count; ++i) {
    const double u = host_draws().uniform[i];
    ASSERT_TRUE(u >= 0 && u < 1);
    ++cells[static_cast<std::size_t>(u * 50)];
    ASSERT_LT(host_draws().integer[i], 1000u);
    ++numbers[host_draws().integer[i]];
  }
  double chi2 = 0;
  for (const int c : cells) chi2 += (c - 4000.0) * (c - 4000.0) / 4000.0;
  EXPECT_LT(chi2, 49 + 4.5 * std::sqrt(98.0));
  chi2 = 0;
  for (const int c : numbers) chi2 += (c - 200.0) * (c - 200.0) / 200.0;
  EXPECT_LT(chi2, 999 + 4.5 * std::sqrt(1998.0));
}

TEST(RandomTest, InverseNormalAgreesWithTheErrorFunction) {
  for (const double u : {1e-12, 1e-6, 0.001, 0.02, 0.0243, 0.1, 0.4, 0.5, 0.77, 0.97, 0.99, 1 - 1e-9}) {
    const double x = Random::inverse_normal(u);
    const double back = 0.5 * std::erfc(-x / std::sqrt(2.0));
    EXPECT_NEAR(back / u, 1.0, 1e-7) << u;  // relative error of x below 1.2e-9, times x phi(x) / u
  }
}

TEST(RandomTest, StreamsDiffer) {
  std::set<double> seen;
  for (const std::uint64_t seed : {0ull, 1ull, 1ull << 32}) {
    for (const std::uint32_t purpose : {0u, 1u, 7u}) {
      for (const std::uint64_t index : {0ull, 1ull, 1ull << 32}) {
        for (const std::uint32_t draw : {0u, 1u}) seen.insert(Random(seed, purpose).uniform(index, draw));
      }
    }
  }
  EXPECT_EQ(seen.size(), 54u);
}

TEST(RandomTest, EmulatedThreadsGiveTheSameBitsInAnyOrder) {
  Stream s{Device{}};
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    emulator::set_seed(seed);
    Draws d(count);
    random_test::parallel_for(s, static_cast<Index>(count), d.functor(Random(42, RandomPurpose::test)));
    EXPECT_TRUE(d == host_draws());
  }
}

}  // namespace random_test
}  // namespace terrane
