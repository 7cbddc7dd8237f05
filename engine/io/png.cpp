// SPDX-License-Identifier: MIT
#include "engine/io/png.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "engine/io/file.hpp"
#include "engine/io/inflate.hpp"
#include "kernels/runtime/error.hpp"

#ifdef TERRANE_HAVE_PNG
#include <png.h>
#endif

namespace terrane {
namespace {

constexpr std::string_view signature("\x89PNG\r\n\x1a\n", 8);

void check(const Image& image) {
  const bool ok = image.height > 0 && image.width > 0 && image.height <= 65535 && image.width <= 65535 &&
                  (image.channels == 3 || image.channels == 4) &&
                  static_cast<Index>(image.pixels.size()) == image.height * image.width * image.channels;
  if (!ok) throw Error(ErrorCode::failed, "an image must have 1 to 65535 rows and columns of 3 or 4 channels");
}

std::uint32_t adler32(std::string_view bytes) {
  std::uint32_t a = 1, b = 0;
  for (const char c : bytes) {
    a = (a + static_cast<std::uint8_t>(c)) % 65521;
    b = (b + a) % 65521;
  }
  return b << 16 | a;
}

std::string big_endian(std::uint32_t x) {
  return {static_cast<char>(x >> 24), static_cast<char>(x >> 16), static_cast<char>(x >> 8), static_cast<char>(x)};
}

std::string chunk(const std::string& type, const std::string& content) {
  const std::string body = type + content;
  return big_endian(static_cast<std::uint32_t>(content.size())) + body + big_endian(crc32(body));
}

// zlib stream of stored blocks (RFC 1950, 1951).
std::string zlib_stored(const std::string& raw) {
  std::string out("\x78\x01", 2);
  for (std::size_t at = 0; at < raw.size() || at == 0;) {
    const std::size_t n = std::min<std::size_t>(raw.size() - at, 65535);
    out += at + n == raw.size() ? '\1' : '\0';
    for (const std::size_t v : {n, ~n}) {
      out += static_cast<char>(v & 255);
      out += static_cast<char>((v >> 8) & 255);
    }
    out.append(raw, at, n);
    at += n;
    if (n == 0) break;
  }
  return out + big_endian(adler32(raw));
}

std::uint32_t read_big_endian(const std::string& bytes, std::size_t at) {
  std::uint32_t x = 0;
  for (std::size_t i = 0; i < 4; ++i) x = x << 8 | static_cast<std::uint8_t>(bytes[at + i]);
  return x;
}

}  // namespace

std::string encode_png_stored(const Image& image, const PngText& text) {
  check(image);
  std::string header = big_endian(static_cast<std::uint32_t>(image.width)) +
                       big_endian(static_cast<std::uint32_t>(image.height)) + "\x08";
  header += image.channels == 3 ? '\2' : '\6';
  header += std::string(3, '\0');
  const auto row_bytes = static_cast<std::size_t>(image.width * image.channels);
  std::string raw;
  raw.reserve(static_cast<std::size_t>(image.height) * (row_bytes + 1));
  for (Index row = 0; row < image.height; ++row) {
    raw += '\0';  // no filter
    raw.append(reinterpret_cast<const char*>(image.at(row, 0)), row_bytes);
  }
  std::string png(signature);
  png += chunk("IHDR", header);
  for (const auto& [key, value] : text) png += chunk("tEXt", key + '\0' + value);
  return png + chunk("IDAT", zlib_stored(raw)) + chunk("IEND", "");
}

#ifdef TERRANE_HAVE_PNG
namespace {

// libpng reports errors by longjmp, which must not cross C++ frames with destructors; throwing from the handler through
// libpng's C frames needs its unwind tables, which Linux builds of libpng carry.
[[noreturn]] void on_error(png_structp, png_const_charp message) {
  throw Error(ErrorCode::failed, std::string("libpng: ") + message);
}
void on_warning(png_structp, png_const_charp) {}
void on_write(png_structp png, png_bytep data, png_size_t bytes) {
  static_cast<std::string*>(png_get_io_ptr(png))->append(reinterpret_cast<const char*>(data), bytes);
}
void on_flush(png_structp) {}

}  // namespace

std::string encode_png(const Image& image, const PngText& text) {
  check(image);
  struct Handle {
    png_structp png = nullptr;
    png_infop info = nullptr;
    ~Handle() { png_destroy_write_struct(&png, &info); }
  } h;
  h.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, on_error, on_warning);
  if (h.png == nullptr) return encode_png_stored(image, text);
  h.info = png_create_info_struct(h.png);
  if (h.info == nullptr) return encode_png_stored(image, text);
  std::string out;
  png_set_write_fn(h.png, &out, on_write, on_flush);
  png_set_IHDR(h.png, h.info, static_cast<png_uint_32>(image.width), static_cast<png_uint_32>(image.height), 8,
               image.channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_RGB_ALPHA, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  std::vector<png_text> entries;
  for (const auto& [key, value] : text) {
    png_text entry{};
    entry.compression = PNG_TEXT_COMPRESSION_NONE;
    entry.key = const_cast<char*>(key.c_str());  // libpng copies it
    entry.text = const_cast<char*>(value.c_str());
    entry.text_length = value.size();
    entries.push_back(entry);
  }
  if (!entries.empty()) png_set_text(h.png, h.info, entries.data(), static_cast<int>(entries.size()));
  png_write_info(h.png, h.info);
  for (Index row = 0; row < image.height; ++row) png_write_row(h.png, image.at(row, 0));
  png_write_end(h.png, nullptr);
  return out;
}
#else
std::string encode_png(const Image& image, const PngText& text) { return encode_png_stored(image, text); }
#endif

void write_png(const std::string& path, const Image& image, const PngText& text) {
  write_file_atomic(path, encode_png(image, text));
}

PngInfo png_info(const std::string& path) {
  const std::string bytes = read_file(path);
  const auto fail = [&](std::size_t at, const char* what) {
    throw Error(ErrorCode::data, std::string(what) + "; the file is damaged or not PNG",
                path + ": byte " + std::to_string(at));
  };
  if (bytes.size() < 33 || bytes.compare(0, 8, signature) != 0) fail(0, "the PNG signature is missing");
  PngInfo info;
  bool ended = false;
  for (std::size_t at = 8; !ended;) {
    if (bytes.size() - at < 12) fail(at, "expected a chunk, the file ends");
    const std::size_t n = read_big_endian(bytes, at);
    if (n > bytes.size() - at - 12) fail(at, "a chunk is longer than the file");
    const std::string type = bytes.substr(at + 4, 4), content = bytes.substr(at + 8, n);
    if (crc32(type + content) != read_big_endian(bytes, at + 8 + n)) fail(at, "a chunk's checksum does not match");
    if (type == "IHDR" && n == 13) {
      info.width = read_big_endian(content, 0);
      info.height = read_big_endian(content, 4);
      info.bit_depth = static_cast<std::uint8_t>(content[8]);
      info.color_type = static_cast<std::uint8_t>(content[9]);
    } else if (type == "tEXt") {
      const std::size_t split = content.find('\0');
      if (split == std::string::npos) fail(at, "a text chunk has no keyword");
      info.text.emplace_back(content.substr(0, split), content.substr(split + 1));
    }
    ended = type == "IEND";
    at += n + 12;
  }
  return info;
}

std::string base64(const std::string& bytes) {
  static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t x = 0;
    const std::size_t n = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t k = 0; k < 3; ++k) x = x << 8 | (k < n ? static_cast<std::uint8_t>(bytes[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k) out += k <= n ? digits[(x >> (18 - 6 * k)) & 63] : '=';
  }
  return out;
}

}  // namespace terrane
