// SPDX-License-Identifier: MIT
#include "engine/compression/latent_file.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "engine/compression/lossless.hpp"
#include "engine/io/file.hpp"
#include "engine/io/inflate.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

constexpr char lat_magic[] = {'T', 'L', 'A', 'T'};
constexpr unsigned newest_version = 1;

void put(std::string& out, std::uint64_t value, int bytes) {
  for (int k = 0; k < bytes; ++k) out.push_back(static_cast<char>((value >> (8 * k)) & 0xff));
}

std::uint64_t get(std::string_view bytes, std::size_t at, std::size_t n) {
  std::uint64_t value = 0;
  for (std::size_t k = n; k-- > 0;) value = (value << 8) | static_cast<unsigned char>(bytes[at + k]);
  return value;
}

void put_leb128(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(0x80 | (value & 0x7f)));
  out.push_back(static_cast<char>(value));
}

std::uint32_t checksum(std::string_view file) {
  std::string covered(file.substr(0, 28));
  covered.append(file.substr(32));
  return crc32(covered);
}

Index expected_streams(const LatentFile& f) {
  return f.codec == LatentCodec::lossless ? (f.count + f.length - 1) / f.length : f.count;
}

void require_data(bool ok, const std::string& what, const std::string& where) {
  if (!ok) throw Error(ErrorCode::data, what, where);
}

// The streams behind the header, from the index and the rest of the file.
std::vector<std::string> parse_streams(std::string_view bytes, Index count, const std::string& where) {
  std::size_t at = latent_header_bytes;
  std::vector<std::uint64_t> lengths;
  for (Index k = 0; count > 1 && k < count; ++k) {
    std::uint64_t value = 0;
    int shift = 0;
    for (bool more = true; more; shift += 7, ++at) {
      require_data(at < bytes.size() && shift < 56, "the index of streams is damaged", where);
      value |= (static_cast<std::uint64_t>(bytes[at]) & 0x7f) << shift;
      more = (static_cast<unsigned char>(bytes[at]) & 0x80) != 0;
    }
    lengths.push_back(value);
  }
  if (count == 1) lengths.push_back(bytes.size() - at);
  std::vector<std::string> streams;
  for (const std::uint64_t n : lengths) {
    require_data(n <= bytes.size() - at, "the file ends within stream " + std::to_string(streams.size()), where);
    streams.emplace_back(bytes.substr(at, static_cast<std::size_t>(n)));
    at += static_cast<std::size_t>(n);
  }
  require_data(at == bytes.size(), std::to_string(bytes.size() - at) + " bytes follow the last stream", where);
  return streams;
}

}  // namespace

Index LatentFile::bytes() const { return static_cast<Index>(latent_bytes(*this, "").size()); }

bool looks_like_latent(std::string_view start) {
  return start.size() >= sizeof lat_magic && std::memcmp(start.data(), lat_magic, sizeof lat_magic) == 0;
}

std::string latent_bytes(const LatentFile& f, const std::string& where) {
  const auto fits = [](Index v, Index most) { return v >= 1 && v <= most; };
  require_data(fits(f.count, 0xffffffffLL) && fits(f.length, 0xffff), "too many models or numbers", where);
  for (const Index n : f.shape) require_data(fits(n, 0xffff), "extents of 1 to 65535 can be stored", where);
  require_data(static_cast<Index>(f.streams.size()) == expected_streams(f), "streams are missing", where);
  std::string out(lat_magic, sizeof lat_magic);
  put(out, newest_version, 1);
  put(out, static_cast<std::uint64_t>(f.codec), 1);
  put(out, static_cast<std::uint64_t>(f.bits), 1);
  require_data(fits(f.samples, most_pixel_samples), "a pixel is the mean over 1 to 16 points an axis", where);
  put(out, f.samples == 1 ? 0 : static_cast<std::uint64_t>(f.samples), 1);
  put(out, static_cast<std::uint64_t>(f.count), 4);
  for (const Index n : f.shape) put(out, static_cast<std::uint64_t>(n), 2);
  put(out, static_cast<std::uint64_t>(f.length), 2);
  put(out, f.codec == LatentCodec::lossless ? std::bit_cast<std::uint64_t>(f.bound) : f.decoder, 8);
  put(out, 0, 4);
  if (f.streams.size() > 1) {
    for (const std::string& s : f.streams) put_leb128(out, s.size());
  }
  for (const std::string& s : f.streams) out += s;
  std::string crc;
  put(crc, checksum(out), 4);
  out.replace(28, 4, crc);
  return out;
}

LatentFile parse_latent(std::string_view bytes, const std::string& where) {
  require_data(looks_like_latent(bytes), "this is not a file of compressed models (.lat)", where);
  require_data(bytes.size() >= latent_header_bytes, "the file ends within its header of 32 bytes", where);
  const std::uint64_t version = get(bytes, 4, 1);
  require_data(version <= newest_version,
               "version " + std::to_string(version) + " of the format is newer than this program", where);
  require_data(get(bytes, 28, 4) == checksum(bytes), "the checksum does not fit: the file is truncated or damaged",
               where);
  LatentFile f;
  f.codec = static_cast<LatentCodec>(get(bytes, 5, 1));
  f.bits = static_cast<int>(get(bytes, 6, 1));
  f.samples = std::max<Index>(1, static_cast<Index>(get(bytes, 7, 1)));
  f.count = static_cast<Index>(get(bytes, 8, 4));
  for (std::size_t k = 0; k < 3; ++k) f.shape[k] = static_cast<Index>(get(bytes, 12 + 2 * k, 2));
  f.length = static_cast<Index>(get(bytes, 18, 2));
  const bool known = f.codec == LatentCodec::siren || f.codec == LatentCodec::lossless;
  require_data(version == 1 && known, "unknown version or codec", where);
  const bool sizes = f.count >= 1 && f.length >= 1 && f.shape[0] >= 1 && f.shape[1] >= 1 && f.shape[2] >= 1;
  require_data(sizes, "the header holds a count or an extent of zero", where);
  require_data(f.codec != LatentCodec::siren || (f.bits >= 2 && f.bits <= 12), "codes of 2 to 12 bits are read", where);
  require_data(f.samples <= (f.codec == LatentCodec::siren ? most_pixel_samples : 1),
               "a pixel is the mean over 1 to 16 points an axis", where);
  if (f.codec == LatentCodec::lossless) {
    f.bound = std::bit_cast<double>(get(bytes, 20, 8));
  } else {
    f.decoder = get(bytes, 20, 8);
  }
  f.streams = parse_streams(bytes, expected_streams(f), where);
  return f;
}

void write_latent_file(const std::string& path, const LatentFile& file) {
  write_file_atomic(path, latent_bytes(file, path));
}

LatentFile read_latent_file(const std::string& path) { return parse_latent(read_file(path), path); }

LatentFile pack_lossless(const float* maps, Index count, Index nz, Index nx, double bound, Index block) {
  LatentFile f{.codec = LatentCodec::lossless,
               .bits = 0,
               .count = count,
               .shape = {nz, 1, nx},
               .length = block,
               .decoder = 0,
               .bound = bound,
               .streams = {}};
  f.streams = encode_lossless(maps, count, nz, nx, LosslessOptions{.bound = bound, .block = block}).blocks;
  return f;
}

std::vector<float> unpack_lossless(const LatentFile& file, Index first, Index n) {
  require(file.codec == LatentCodec::lossless, ErrorCode::data, "the file holds codes of a decoder");
  require(first >= 0 && n >= 1 && first + n <= file.count, ErrorCode::data, "the file has no such models");
  require(file.shape[1] == 1, ErrorCode::data, "lossless models are planes");
  const auto size = static_cast<std::size_t>(file.shape[0] * file.shape[2]);
  std::vector<float> out;
  for (Index b = first / file.length; b * file.length < first + n; ++b) {
    const Index start = b * file.length, held = std::min(file.length, file.count - start);
    const std::vector<float> maps =
        decode_lossless(file.streams[static_cast<std::size_t>(b)], held, file.shape[0], file.shape[2], file.bound);
    const Index from = std::max(first - start, Index{0}), to = std::min(held, first + n - start);
    out.insert(out.end(), maps.begin() + from * static_cast<Index>(size), maps.begin() + to * static_cast<Index>(size));
  }
  return out;
}

}  // namespace terrane
