// SPDX-License-Identifier: MIT
#include "engine/compression/lossless.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "engine/compression/context_coder.hpp"
#include "engine/compression/layered.hpp"
#include "engine/io/npy.hpp"
#include "engine/io/npz.hpp"
#include "kernels/runtime/error.hpp"
#include "kernels/runtime/random.hpp"
#include "tests/support/data_files.hpp"

namespace terrane {
namespace lossless_test {

using Maps = std::vector<float>;

// Flat, waved or tilted layers; `fault` displaces one side, `unsorted` shuffles the velocities.
Maps layered_maps(Index count, Index nz, Index nx, double wave, bool unsorted, bool fault) {
  const Random random(3, RandomPurpose::test);
  Maps maps;
  for (Index k = 0; k < count; ++k) {
    const auto u = [&](std::uint32_t draw) { return random.uniform(static_cast<std::uint64_t>(k), draw); };
    const double thickness = static_cast<double>(nz) / (3 + std::floor(5 * u(0)));
    for (Index r = 0; r < nz; ++r) {
      for (Index i = 0; i < nx; ++i) {
        const bool moved = fault && static_cast<double>(i) + 0.4 * static_cast<double>(r) > 40 + 20 * u(1);
        const double bend = wave * std::sin(0.06 * static_cast<double>(i) + 6 * u(2));
        const double z = static_cast<double>(r) + bend + (moved ? 5 + 9 * u(3) : 0) + 30;
        const auto layer = static_cast<std::uint32_t>(z / thickness);
        const double v = unsorted ? 1500 + 3000 * u(100 + layer) : 1600 + 170 * layer + 100 * u(100 + layer);
        maps.push_back(static_cast<float>(std::floor(v)));
      }
    }
  }
  return maps;
}

Maps round_trip(const Maps& maps, Index count, Index nz, Index nx, const LosslessOptions& options, Index* bytes) {
  const LosslessStreams s = encode_lossless(maps.data(), count, nz, nx, options);
  Maps out;
  *bytes = 0;
  for (std::size_t b = 0; b < s.blocks.size(); ++b) {
    const Index held = std::min(options.block, count - static_cast<Index>(b) * options.block);
    const Maps part = decode_lossless(s.blocks[b], held, nz, nx, options.bound);
    out.insert(out.end(), part.begin(), part.end());
    *bytes += static_cast<Index>(s.blocks[b].size());
  }
  return out;
}

bool same_bits(const Maps& a, const Maps& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST(RangeCoder, ReturnsEverySymbolAndCostsTheEntropy) {
  const Random random(1, RandomPurpose::test);
  const std::uint32_t cumulative[] = {0, 1, 60000, 65000, 65535, 65536};
  const auto table = [&](Index k) { return cumulative[k]; };
  std::vector<Index> symbols;
  for (std::uint64_t k = 0; k < 20000; ++k) {
    const auto t = static_cast<std::uint32_t>(65536 * random.uniform(k));
    Index s = 0;
    while (cumulative[s + 1] <= t) ++s;
    symbols.push_back(s);
  }
  symbols.insert(symbols.end(), {0, 0, 0, 4, 4, 4, 0, 4});  // the rarest symbols, and carries
  RangeEncoder encoder;
  SliceRecorder recorder;
  for (const Index s : symbols) {
    encoder.code(s, 5, table);
    recorder.code(s, 5, table);
  }
  for (Index n = 0; n < 300; n += 7) encoder.number(n), recorder.number(n);
  encoder.raw(0x123456789abcdef0ULL, 64), recorder.raw(0, 64);
  const std::string bytes = encoder.finish();
  EXPECT_NEAR(8 * static_cast<double>(bytes.size()), recorder.bits(), 16);
  RangeDecoder decoder(bytes);
  for (const Index s : symbols) ASSERT_EQ(decoder.code(0, 5, table), s);
  for (Index n = 0; n < 300; n += 7) ASSERT_EQ(decoder.number(0), n);
  EXPECT_EQ(decoder.raw(0, 64), 0x123456789abcdef0ULL);
}

TEST(Lossless, KeepsEveryBitOfEveryKindOfMap) {
  struct Kind {
    double wave;
    bool unsorted, fault;
    Index nz, nx;
  };
  for (const Kind& kind : {Kind{0, false, false, 70, 70}, Kind{9, false, false, 70, 70}, Kind{9, true, false, 64, 50},
                           Kind{6, true, true, 70, 70}, Kind{3, false, true, 33, 90}}) {
    const Maps maps = layered_maps(5, kind.nz, kind.nx, kind.wave, kind.unsorted, kind.fault);
    for (const Index block : {1, 3, 512}) {
      Index bytes = 0;
      EXPECT_TRUE(same_bits(round_trip(maps, 5, kind.nz, kind.nx, {.block = block}, &bytes), maps));
      EXPECT_LT(bytes, 5 * 450);
    }
  }
  // One pixel, one row, one column; NaN, infinities, signed zeros, fractions.
  const float odd[] = {1500,
                       1500.5F,
                       -0.0F,
                       0.0F,
                       std::numeric_limits<float>::quiet_NaN(),
                       1e30F,
                       -std::numeric_limits<float>::infinity(),
                       1e-40F,
                       4501,
                       1499,
                       1500,
                       1500};
  for (const auto& [nz, nx] : {std::pair<Index, Index>{1, 12}, {12, 1}, {1, 1}, {3, 4}}) {
    const Maps maps(odd, odd + nz * nx);
    for (const double bound : {0.0, 0.25}) {
      Index bytes = 0;
      const Maps out = round_trip(maps, 1, nz, nx, {.bound = bound}, &bytes);
      for (std::size_t k = 0; k < maps.size(); ++k) {
        if (bound == 0 || !std::isfinite(maps[k])) {
          EXPECT_EQ(std::memcmp(&out[k], &maps[k], 4), 0) << k;
        } else {
          EXPECT_LE(std::abs(out[k] - maps[k]), bound) << k;
        }
      }
    }
  }
}

TEST(Lossless, TheChoiceCostsAtMostAByteMoreThanItsBestMember) {
  for (const bool fault : {false, true}) {
    const Maps maps = layered_maps(6, 70, 70, 7, true, fault);
    for (Index k = 0; k < 6; ++k) {
      const float* map = maps.data() + k * 4900;
      const auto bytes = [&](MapCode code) { return encode_lossless(map, 1, 70, 70, {.code = code}).blocks[0].size(); };
      std::size_t best = bytes(MapCode::context);
      try {
        best = std::min(best, bytes(MapCode::layered));
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), ErrorCode::data);
        EXPECT_TRUE(fault);
      }
      EXPECT_LE(bytes(MapCode::automatic), best + 1);
    }
  }
}

TEST(Lossless, BoundedErrorHoldsAtEveryPixelAndSavesBytes) {
  Maps maps = layered_maps(4, 40, 60, 5, true, true);
  const Random random(5, RandomPurpose::noise);
  for (std::size_t k = 0; k < maps.size(); ++k) maps[k] += static_cast<float>(0.8 * random.uniform(k, 0, -1, 1));
  Index exact = 0, last = 0;
  round_trip(maps, 4, 40, 60, {}, &exact);
  last = exact;
  for (const double bound : {0.5, 1.0, 5.0}) {
    Index bytes = 0;
    const Maps out = round_trip(maps, 4, 40, 60, {.bound = bound}, &bytes);
    for (std::size_t k = 0; k < maps.size(); ++k) ASSERT_LE(std::abs(out[k] - maps[k]), bound * (1 + 1e-6));
    EXPECT_LT(bytes, last);
    last = bytes;
  }
}

// Files stay readable: bytes that version 1 of the format wrote.
TEST(Lossless, ReadsStreamsOfVersionOne) {
  Maps maps;
  for (Index k = 0; k < 4; ++k) {
    for (Index p = 0; p < 12 * 10; ++p) {
      const Index r = p / 10, i = p % 10, moved = k > 1 && i + r > 9 ? 2 : 0;
      maps.push_back(static_cast<float>(1600 + 37 * ((r + moved + (i * i / 25) * (k % 2)) / 3)) + (k == 3 ? 0.25F : 0));
    }
  }
  const std::string hex =
      "2c23259b694d6b8b3abafaa1a29a86ea0c16c6b47bcdbe63dfc0564742255bce79447ff13ecc4a6e14b7f55e235329fd457159c54d50a58f"
      "950bb92a9d8e9151459504569d6585f3b81e3b565221a0";
  const LosslessStreams streams = encode_lossless(maps.data(), 4, 12, 10, {});
  std::string written;
  for (const char c : streams.blocks.at(0)) {
    const char* digits = "0123456789abcdef";
    written += digits[static_cast<unsigned char>(c) >> 4];
    written += digits[static_cast<unsigned char>(c) & 15];
  }
  EXPECT_EQ(written, hex);
  std::string bytes;
  for (std::size_t k = 0; k < hex.size(); k += 2) {
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(k, 2), nullptr, 16)));
  }
  EXPECT_TRUE(same_bits(decode_lossless(bytes, 4, 12, 10, 0), maps));
}

// A damaged stream gives other maps or Error{data}, nothing else; the container's checksum tells them apart.
TEST(Lossless, DamagedStreamsAreSurvived) {
  const Maps maps = layered_maps(4, 30, 40, 5, false, false);
  const std::string good = encode_lossless(maps.data(), 4, 30, 40, {}).blocks[0];
  const Random random(9, RandomPurpose::test);
  for (std::uint64_t k = 0; k < 80; ++k) {
    std::string bad = good.substr(0, random.integer(k, 0, good.size()) + 1);
    bad[random.integer(k, 1, bad.size())] = static_cast<char>(random.integer(k, 2, 256));
    try {
      EXPECT_EQ(decode_lossless(bad, 4, 30, 40, 0).size(), maps.size());
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::data);
    }
  }
}

TEST(Lossless, SaysWhatItCannotDo) {
  const float v = 1;
  EXPECT_THROW(encode_lossless(&v, 0, 1, 1, {}), Error);
  EXPECT_THROW(encode_lossless(&v, 1, 1, 20000, {}), Error);
  EXPECT_THROW(encode_lossless(&v, 1, 1, 1, {.bound = -1}), Error);
  EXPECT_THROW(encode_lossless(&v, 1, 1, 1, {.block = 0}), Error);
}

// Real maps: 100 of each family here; all of them in bench/lossless_bench.cpp.
TEST(Lossless, SizesOfRealMaps) {
  const struct {
    const char* file;
    double bound, most;
  } sets[] = {{"openfwi/FlatVelA_100.npy", 0, 10},
              {"openfwi/CurveVelA_100.npy", 0, 40},
              {"openfwi/FlatFaultA_100.npy", 1, 300},
              {"openfwi/with_seismic/CF_sample0_vp.npy", 0, 180}};
  for (const auto& set : sets) {
    if (absent(set.file)) GTEST_SKIP() << set.file << " is absent";
    const NdArray<float> a = read_npy<float>(data_file(set.file));
    const Index count = std::min<Index>(a.shape[0], 40);
    const Maps maps(a.values.begin(), a.values.begin() + count * 4900);
    Index bytes = 0;
    const Maps out = round_trip(maps, count, 70, 70, {.bound = set.bound}, &bytes);
    EXPECT_LE(static_cast<double>(bytes) / static_cast<double>(count), set.most) << set.file;
    EXPECT_TRUE(set.bound > 0 || same_bits(out, maps)) << set.file;
    for (std::size_t k = 0; k < maps.size(); ++k) ASSERT_LE(std::abs(out[k] - maps[k]), set.bound);
  }
}

}  // namespace lossless_test
}  // namespace terrane
