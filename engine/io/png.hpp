// SPDX-License-Identifier: MIT
// PNG writer, 8 bits a channel, RGB or RGBA, with tEXt chunks. With TERRANE_HAVE_PNG libpng compresses; without it the
// same pixels are stored in uncompressed deflate blocks, so figures exist on every build.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "kernels/runtime/hd.hpp"

namespace terrane {

struct Image {
  Index height = 0, width = 0;
  int channels = 3;                  // 3 RGB, 4 RGBA
  std::vector<std::uint8_t> pixels;  // (height, width, channels)

  Image() = default;
  Image(Index h, Index w, int c = 3)
      : height(h), width(w), channels(c), pixels(static_cast<std::size_t>(h * w * c), std::uint8_t{255}) {}
  std::uint8_t* at(Index row, Index column) { return pixels.data() + (row * width + column) * channels; }
  const std::uint8_t* at(Index row, Index column) const { return pixels.data() + (row * width + column) * channels; }
};

// Keyword (1 to 79 Latin-1 characters) and text: {"Software", "terrane 0.1"}, {"terrane:config", "<sha256>"}.
using PngText = std::vector<std::pair<std::string, std::string>>;

// The bytes of a PNG file. Throws Error{failed} for an empty or inconsistent image.
std::string encode_png(const Image& image, const PngText& text = {});
// The same without any library.
std::string encode_png_stored(const Image& image, const PngText& text = {});

// encode_png + write_file_atomic
void write_png(const std::string& path, const Image& image, const PngText& text = {});

// Dimensions and text chunks of a PNG file; every chunk's CRC is checked. Throws Error{data} naming the byte.
struct PngInfo {
  Index height = 0, width = 0;
  int bit_depth = 0, color_type = 0;
  PngText text;
};
PngInfo png_info(const std::string& path);

// RFC 4648 base64, for embedding.
std::string base64(const std::string& bytes);

}  // namespace terrane
