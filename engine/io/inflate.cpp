// SPDX-License-Identifier: MIT
#include "engine/io/inflate.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

constexpr std::array<std::uint32_t, 256> crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t n = 0; n < 256; ++n) {
    std::uint32_t c = n;
    for (int k = 0; k < 8; ++k) c = (c & 1) != 0 ? 0xedb88320u ^ (c >> 1) : c >> 1;
    table[n] = c;
  }
  return table;
}

constexpr int longest_code = 15, table_bits = 10;
constexpr int end_of_block = 256;
constexpr std::array<std::uint16_t, 29> length_base = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                                       31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
constexpr std::array<std::uint8_t, 29> length_extra = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                                       2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
constexpr std::array<std::uint16_t, 30> distance_base = {1,    2,    3,    4,    5,    7,    9,    13,    17,    25,
                                                         33,   49,   65,   97,   129,  193,  257,  385,   513,   769,
                                                         1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
// The order in which a dynamic block lists the lengths of its length codes.
constexpr std::array<std::uint8_t, 19> length_order = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                       11, 4,  12, 3, 13, 2, 14, 1, 15};

// A canonical Huffman code: short codes by a table, longer ones by the first code of each length.
struct Code {
  std::array<std::uint16_t, 1 << table_bits> table{};  // symbol * 16 + length; 0: longer than table_bits, or no code
  std::array<int, longest_code + 1> count{}, first{}, offset{};
  std::array<std::uint16_t, 288> symbols{};  // by length, then by symbol

  // False if the lengths ask for more codes than there are.
  bool build(const std::uint8_t* lengths, int n) {
    *this = Code{};
    for (int s = 0; s < n; ++s) ++count[lengths[s]];
    count[0] = 0;
    int code = 0, place = 0;
    for (std::size_t length = 1; length <= longest_code; ++length) {
      code = (code + count[length - 1]) << 1;
      first[length] = code;
      offset[length] = place;
      place += count[length];
      if (code + count[length] > 1 << length) return false;
    }
    std::array<int, longest_code + 1> next = offset;
    for (int s = 0; s < n; ++s) {
      const std::size_t length = lengths[s];
      if (length == 0) continue;
      const int at = next[length]++;
      symbols[static_cast<std::size_t>(at)] = static_cast<std::uint16_t>(s);
      if (length > table_bits) continue;
      // Codes come with their first bit lowest, so the table is indexed by the reversed code.
      const int value = first[length] + at - offset[length];
      std::size_t reversed = 0;
      for (std::size_t b = 0; b < length; ++b) reversed |= static_cast<std::size_t>(value >> b & 1) << (length - 1 - b);
      for (std::size_t i = reversed; i < table.size(); i += std::size_t{1} << length) {
        table[i] = static_cast<std::uint16_t>(s * 16 + static_cast<int>(length));
      }
    }
    return true;
  }
};

class Inflater {
 public:
  Inflater(std::string_view packed, std::size_t bytes, const std::string& where)
      : in_(packed), out_(bytes, '\0'), where_(where) {}

  std::string run() {
    for (bool last = false; !last;) {
      last = take(1) == 1;
      switch (take(2)) {
        case 0:
          stored();
          break;
        case 1:
          fixed();
          break;
        case 2:
          dynamic();
          break;
        default:
          fail("a block of unknown type");
      }
    }
    if (filled_ != out_.size()) fail("fewer bytes than announced");
    if (at_ - static_cast<std::size_t>(have_ / 8) != in_.size()) fail("bytes after its end");
    return std::move(out_);
  }

 private:
  [[noreturn]] void fail(const char* what) const {
    throw Error(ErrorCode::data, std::string("the compressed data are damaged (") + what + "); copy the file again",
                where_);
  }
  void refill() {
    for (; have_ <= 56 && at_ < in_.size(); have_ += 8) {
      bits_ |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(in_[at_++])) << have_;
    }
  }
  void drop(int n) {
    if (n > have_) fail("cut short");
    bits_ >>= n;
    have_ -= n;
  }
  int take(int n) {  // up to 16 bits
    refill();
    const int value = static_cast<int>(bits_ & ((std::uint64_t{1} << n) - 1));
    drop(n);
    return value;
  }
  int symbol(const Code& code) {
    refill();
    if (const int entry = code.table[bits_ & ((1u << table_bits) - 1)]; entry != 0) {
      drop(entry & 15);
      return entry >> 4;
    }
    int value = 0;
    for (std::size_t length = 1; length <= longest_code; ++length) {
      value = value << 1 | static_cast<int>(bits_ >> (length - 1) & 1);
      const int place = value - code.first[length];
      if (place < 0 || place >= code.count[length]) continue;
      drop(static_cast<int>(length));
      return code.symbols[static_cast<std::size_t>(code.offset[length] + place)];
    }
    fail("a code that is not defined");
  }
  void stored() {
    drop(have_ % 8);
    const int length = take(16), inverse = take(16);
    if (length != (~inverse & 0xffff)) fail("a stored block without its length");
    const auto n = static_cast<std::size_t>(length);
    if (n > out_.size() - filled_) fail("more bytes than announced");
    at_ -= static_cast<std::size_t>(have_ / 8);  // whole bytes that were read ahead
    bits_ = 0;
    have_ = 0;
    if (n > in_.size() - at_) fail("cut short");
    std::copy_n(in_.data() + at_, n, out_.data() + filled_);
    at_ += n;
    filled_ += n;
  }
  void fixed() {
    std::array<std::uint8_t, 288> lengths{};
    for (std::size_t s = 0; s < 288; ++s) lengths[s] = s < 144 ? 8 : s < 256 ? 9 : s < 280 ? 7 : 8;
    literals_.build(lengths.data(), 288);
    lengths.fill(5);
    distances_.build(lengths.data(), 30);
    block();
  }
  void dynamic() {
    const int literals = take(5) + 257, distances = take(5) + 1, codes = take(4) + 4;
    if (literals > 286 || distances > 30) fail("too many codes");
    std::array<std::uint8_t, 316> lengths{};
    for (int i = 0; i < codes; ++i) {
      lengths[length_order[static_cast<std::size_t>(i)]] = static_cast<std::uint8_t>(take(3));
    }
    if (!literals_.build(lengths.data(), 19)) fail("an impossible code");
    const Code of_lengths = literals_;
    lengths.fill(0);
    for (int at = 0; at < literals + distances;) {
      const int s = symbol(of_lengths);
      if (s < 16) {
        lengths[static_cast<std::size_t>(at++)] = static_cast<std::uint8_t>(s);
        continue;
      }
      if (s == 16 && at == 0) fail("a repeated length before the first one");
      const std::uint8_t value = s == 16 ? lengths[static_cast<std::size_t>(at - 1)] : std::uint8_t{0};
      const int times = s == 16 ? take(2) + 3 : s == 17 ? take(3) + 3 : take(7) + 11;
      if (times > literals + distances - at) fail("too many code lengths");
      std::fill_n(lengths.begin() + at, times, value);
      at += times;
    }
    if (lengths[end_of_block] == 0) fail("a block without an end");
    if (!literals_.build(lengths.data(), literals) || !distances_.build(lengths.data() + literals, distances)) {
      fail("an impossible code");
    }
    block();
  }
  void block() {
    for (int s = symbol(literals_); s != end_of_block; s = symbol(literals_)) {
      if (s < end_of_block) {
        if (filled_ == out_.size()) fail("more bytes than announced");
        out_[filled_++] = static_cast<char>(s);
        continue;
      }
      const auto l = static_cast<std::size_t>(s - 257);
      if (l >= length_base.size()) fail("an unknown length");
      const auto length = static_cast<std::size_t>(length_base[l] + take(length_extra[l]));
      const auto d = static_cast<std::size_t>(symbol(distances_));
      if (d >= distance_base.size()) fail("an unknown distance");
      const int extra = d < 4 ? 0 : static_cast<int>(d / 2) - 1;
      const auto distance = static_cast<std::size_t>(distance_base[d] + take(extra));
      if (distance > filled_) fail("a reference before the start");
      if (length > out_.size() - filled_) fail("more bytes than announced");
      for (std::size_t i = 0; i < length; ++i, ++filled_) out_[filled_] = out_[filled_ - distance];
    }
  }

  std::string_view in_;
  std::size_t at_ = 0;      // next byte of in_
  std::uint64_t bits_ = 0;  // bits read ahead, the next one lowest
  int have_ = 0;
  std::string out_;
  std::size_t filled_ = 0;
  Code literals_, distances_;
  const std::string& where_;
};

}  // namespace

std::uint32_t crc32(std::string_view bytes) {
  static constexpr std::array<std::uint32_t, 256> table = crc_table();
  std::uint32_t c = 0xffffffffu;
  for (const char b : bytes) c = table[(c ^ static_cast<std::uint8_t>(b)) & 255] ^ (c >> 8);
  return ~c;
}

std::string inflate(std::string_view packed, Index bytes, const std::string& where) {
  // The densest stream spends 2 bits on 258 bytes.
  if (bytes < 0 || bytes / 1032 > static_cast<Index>(packed.size())) {
    throw Error(ErrorCode::data,
                std::to_string(packed.size()) + " compressed bytes cannot hold " + std::to_string(bytes) +
                    "; the directory of the archive is damaged, copy the file again",
                where);
  }
  return Inflater(packed, static_cast<std::size_t>(bytes), where).run();
}

}  // namespace terrane
