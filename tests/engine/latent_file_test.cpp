// SPDX-License-Identifier: MIT
#include "engine/compression/latent_file.hpp"

#include <gtest/gtest.h>

#include "engine/io/file.hpp"
#include "engine/io/info.hpp"
#include "kernels/runtime/error.hpp"
#include "tests/support/test_folder.hpp"

namespace terrane {
namespace latent_file_test {

LatentFile example(Index count) {
  LatentFile f{.codec = LatentCodec::siren,
               .bits = 8,
               .count = count,
               .shape = {70, 1, 68},
               .length = 24,
               .decoder = 0x0123456789abcdefULL,
               .bound = 0,
               .streams = {}};
  for (Index k = 0; k < count; ++k)
    f.streams.push_back(std::string(static_cast<std::size_t>(5 + 60 * k), char('a' + k)));
  return f;
}

std::string error_of(const std::string& bytes) {
  try {
    parse_latent(bytes, "x.lat");
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::data);
    EXPECT_EQ(e.where(), "x.lat");
    return e.what();
  }
  return "";
}

TEST(LatentFile, RoundTripAndSize) {
  for (const Index count : {1, 2, 5}) {
    const LatentFile f = example(count);
    const std::string bytes = latent_bytes(f, "x.lat");
    std::size_t streams = 0;
    for (const auto& s : f.streams) streams += s.size();
    // The index of streams exists only for several; lengths above 127 take two bytes.
    const std::size_t index = count == 1 ? 0 : static_cast<std::size_t>(count + (count > 3 ? count - 3 : 0));
    EXPECT_EQ(bytes.size(), 32 + index + streams);
    const LatentFile g = parse_latent(bytes, "x.lat");
    EXPECT_EQ(g.streams, f.streams);
    EXPECT_EQ(g.shape, f.shape);
    EXPECT_EQ(g.decoder, f.decoder);
    EXPECT_EQ(g.count, count);
    EXPECT_EQ(g.length, 24);
    EXPECT_EQ(g.bits, 8);
  }
}

TEST(LatentFile, EveryBitFlipAndEveryTruncationIsFound) {
  const std::string good = latent_bytes(example(3), "x.lat");
  for (std::size_t at = 0; at < good.size(); ++at) {
    EXPECT_NE(error_of(good.substr(0, at)), "") << at;
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ (1 << bit));
      EXPECT_NE(error_of(bad), "") << at;
    }
  }
  EXPECT_NE(error_of(good + "x"), "");
  EXPECT_NE(error_of("").find("not a file of compressed models"), std::string::npos);
  EXPECT_NE(error_of(good.substr(0, 20)).find("header"), std::string::npos);
  EXPECT_NE(error_of(good.substr(0, 40)).find("checksum"), std::string::npos);
  std::string newer = good;
  newer[4] = 9;
  EXPECT_NE(error_of(newer).find("newer"), std::string::npos);
}

TEST(LatentFile, LosslessModelsAndInfo) {
  const TestFolder folder;
  const std::string path = folder / "a.lat";
  std::vector<float> maps;
  for (Index k = 0; k < 5; ++k) {
    for (Index p = 0; p < 20 * 30; ++p) maps.push_back(static_cast<float>(1600 + 100 * ((p / 30 + k) / 6)));
  }
  write_latent_file(path, pack_lossless(maps.data(), 5, 20, 30, 0, 2));
  const LatentFile f = read_latent_file(path);
  EXPECT_EQ(f.streams.size(), 3U);
  EXPECT_EQ(f.bytes(), file_bytes(path));
  EXPECT_EQ(unpack_lossless(f, 0, 5), maps);
  EXPECT_EQ(unpack_lossless(f, 3, 1), std::vector<float>(maps.begin() + 1800, maps.begin() + 2400));
  EXPECT_THROW(unpack_lossless(f, 4, 2), Error);
  const auto info = file_info(path, false);
  EXPECT_EQ(info.at("format"), "lat");
  EXPECT_EQ(info.at("codec"), "lossless");
  EXPECT_EQ(info.at("count"), 5);
  EXPECT_EQ(info.at("shape"), (std::vector<Index>{20, 30}));
}

}  // namespace latent_file_test
}  // namespace terrane
