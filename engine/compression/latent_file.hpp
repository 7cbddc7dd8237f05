// SPDX-License-Identifier: MIT
// `.lat`: compressed models in one file. 32 bytes of header, little endian, no text:
//
//    0  "TLAT"                              16  u16  extent along x
//    4  u8   version (1)                    18  u16  siren: numbers a code; lossless: models a block
//    5  u8   codec: 1 siren, 2 lossless     20  u64  siren: identity of the decoder; lossless: error bound (f64 bits)
//    6  u8   siren: bits a number           28  u32  CRC-32 of everything else in the file
//    7  u8   siren: points of a pixel along every axis that its value is the mean of; 0: its centre
//    8  u32  number of models
//   12  u16  extent along z; 14 u16 extent along y (1: plane)
//
// then, if there is more than one stream, the length of each in LEB128, then the streams. A file holds one stream a
// model (siren) or a block (lossless). The decoder of siren codes is a file of its own (decoder.hpp), named by the
// first 8 bytes of its SHA-256: reported sizes are file sizes, the decoder apart.
//
// Error{data} naming the file: another format, a newer version, truncation, trailing bytes, a CRC that does not fit.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/runtime/hd.hpp"

namespace terrane {

enum class LatentCodec : int { siren = 1, lossless = 2 };

struct LatentFile {
  LatentCodec codec = LatentCodec::siren;
  int bits = 8;                  // of a quantised number (siren)
  Index count = 0;               // models
  std::array<Index, 3> shape{};  // (z, y, x) of a model as it was compressed; y = 1: plane
  Index length = 0;              // numbers a code (siren), models a block (lossless)
  std::uint64_t decoder = 0;     // identity of the decoder (siren)
  double bound = 0;              // largest error (lossless)
  std::vector<std::string> streams;
  Index samples = 1;  // of a pixel along every axis (siren); 1: its centre

  Index bytes() const;  // of the file
};

inline constexpr Index most_pixel_samples = 16;
inline constexpr Index latent_header_bytes = 32;

// Atomic. Error{data} for counts and extents that the header cannot hold.
void write_latent_file(const std::string& path, const LatentFile& file);
LatentFile read_latent_file(const std::string& path);
// The same in memory; `where` names it in errors.
std::string latent_bytes(const LatentFile& file, const std::string& where);
LatentFile parse_latent(std::string_view bytes, const std::string& where);
bool looks_like_latent(std::string_view start);

// Lossless models to a file in memory and back. maps: (count, nz, nx).
LatentFile pack_lossless(const float* maps, Index count, Index nz, Index nx, double bound = 0, Index block = 512);
// Models [first, first + n) of a lossless file: (n, nz, nx).
std::vector<float> unpack_lossless(const LatentFile& file, Index first, Index n);

}  // namespace terrane
