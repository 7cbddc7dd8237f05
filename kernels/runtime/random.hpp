// SPDX-License-Identifier: MIT
// Counter-based random numbers, equal on every device and for every order of evaluation.
//
// Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011): 128 random bits = bijection(counter; key). The key is (seed); the
// counter is (index, purpose, draw), so adding a purpose never shifts an existing stream.
#pragma once

#include "kernels/runtime/hd.hpp"
#include "kernels/runtime/math.hpp"

namespace terrane {

struct Philox4 {
  std::uint32_t v[4];
};

TERRANE_HD Philox4 philox4x32(Philox4 counter, std::uint32_t key0, std::uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * counter.v[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * counter.v[2];
    counter = Philox4{{static_cast<std::uint32_t>(p1 >> 32) ^ counter.v[1] ^ key0, static_cast<std::uint32_t>(p1),
                       static_cast<std::uint32_t>(p0 >> 32) ^ counter.v[3] ^ key1, static_cast<std::uint32_t>(p0)}};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

// What a stream of numbers is for. Values are part of the reproducibility contract: append, never renumber.
enum class RandomPurpose : std::uint32_t {
  test = 0,
  field_init = 1,
  noise = 2,
  shot_subset = 3,
  fourier_frequencies = 4,
  geology = 5,  // geology uses 5 .. 31 with its own sub-purposes in `draw`
  probe = 32,
  source_codes = 33,
  // 48 .. 56: engine/compression, 57 .. 79: engine/diffusion, as constants of those folders
};

// A stream of numbers keyed by (seed, purpose); every draw is a pure function of its index.
struct Random {
  std::uint64_t seed = 0;
  std::uint32_t purpose = 0;

  Random() = default;
  TERRANE_HD Random(std::uint64_t s, RandomPurpose p) : seed(s), purpose(static_cast<std::uint32_t>(p)) {}
  TERRANE_HD Random(std::uint64_t s, std::uint32_t p) : seed(s), purpose(p) {}

  TERRANE_HD Philox4 bits(std::uint64_t index, std::uint32_t draw = 0) const {
    return philox4x32(
        Philox4{{static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32), purpose, draw}},
        static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32));
  }
  // Uniform in [0, 1), 53 bits.
  TERRANE_HD double uniform(std::uint64_t index, std::uint32_t draw = 0) const {
    const Philox4 b = bits(index, draw);
    return static_cast<double>((std::uint64_t{b.v[0]} << 21) ^ (b.v[1] >> 11)) * 0x1p-53;
  }
  TERRANE_HD double uniform(std::uint64_t index, std::uint32_t draw, double lo, double hi) const {
    return lo + (hi - lo) * uniform(index, draw);
  }
  // Standard normal by the inverse distribution function: rational approximation of P. J. Acklam (2003), relative error
  // below 1.2e-9.
  TERRANE_HD double normal(std::uint64_t index, std::uint32_t draw = 0) const {
    const Philox4 b = bits(index, draw);
    const double u = (static_cast<double>((std::uint64_t{b.v[0]} << 21) ^ (b.v[1] >> 11)) + 0.5) * 0x1p-53;
    return inverse_normal(u);
  }
  // Integer in [0, n), by multiply-high: bias below n / 2^64.
  TERRANE_HD std::uint64_t integer(std::uint64_t index, std::uint32_t draw, std::uint64_t n) const {
    const Philox4 b = bits(index, draw);
    const std::uint64_t x = (std::uint64_t{b.v[0]} << 32) | b.v[1];
    const std::uint64_t hi = x >> 32, lo = x & 0xffffffffu, nh = n >> 32, nl = n & 0xffffffffu;
    const std::uint64_t mid = hi * nl + ((lo * nl) >> 32);
    const std::uint64_t mid2 = lo * nh + (mid & 0xffffffffu);
    return hi * nh + (mid >> 32) + (mid2 >> 32);
  }

  TERRANE_HD static double inverse_normal(double u) {
    const double a[6] = {-3.969683028665376e+01, 2.209460984245205e+02,  -2.759285104469687e+02,
                         1.383577518672690e+02,  -3.066479806614716e+01, 2.506628277459239e+00};
    const double b[5] = {-5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02, 6.680131188771972e+01,
                         -1.328068155288572e+01};
    const double c[6] = {-7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00,
                         -2.549732539343734e+00, 4.374664141464968e+00,  2.938163982698783e+00};
    const double d[4] = {7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00, 3.754408661907416e+00};
    if (u < 0.02425 || u > 1 - 0.02425) {
      const double tail = u < 0.5 ? u : 1 - u;
      const double q = square_root(-2 * natural_log(tail));
      const double x = (((((c[0] * q + c[1]) * q + c[2]) * q + c[3]) * q + c[4]) * q + c[5]) /
                       ((((d[0] * q + d[1]) * q + d[2]) * q + d[3]) * q + 1);
      return u < 0.5 ? x : -x;
    }
    const double q = u - 0.5, r = q * q;
    return (((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r + a[5]) * q /
           (((((b[0] * r + b[1]) * r + b[2]) * r + b[3]) * r + b[4]) * r + 1);
  }
};

}  // namespace terrane
