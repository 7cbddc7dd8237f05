// SPDX-License-Identifier: MIT
#include "engine/compression/range_coder.hpp"

#include <algorithm>
#include <cmath>

namespace terrane {
namespace {

constexpr int window_bits = 48;
constexpr std::uint64_t window = std::uint64_t{1} << window_bits;
constexpr std::uint64_t smallest_range = std::uint64_t{1} << (window_bits - 8);

struct UniformCumulative {
  Index n;
  std::uint32_t operator()(Index k) const {
    return static_cast<std::uint32_t>(static_cast<std::uint64_t>(k) * probability_one / static_cast<std::uint64_t>(n));
  }
};

}  // namespace

bool SymbolCoder::bit(bool value, std::uint32_t p_one) {
  if (decoding()) value = target() < p_one;
  put(value ? Slice{0, p_one} : Slice{p_one, probability_one - p_one});
  return value;
}

Index SymbolCoder::uniform(Index value, Index n) { return code(value, n, UniformCumulative{n}); }

std::uint64_t SymbolCoder::raw(std::uint64_t value, int count) {
  std::uint64_t result = 0;
  for (int done = 0; done < count; done += 16) {
    const int now = std::min(16, count - done);
    const std::uint64_t part = (value >> done) & ((std::uint64_t{1} << now) - 1);
    result |= static_cast<std::uint64_t>(uniform(static_cast<Index>(part), Index{1} << now)) << done;
  }
  return result;
}

Index SymbolCoder::number(Index value) {
  int length = 0;  // of value + 1, without its leading one
  while (!decoding() && ((value + 1) >> (length + 1)) != 0) ++length;
  int coded = 0;
  while (coded < 40 && bit(coded < length, probability_one / 2)) ++coded;
  const auto rest = static_cast<std::uint64_t>(value + 1) & ((std::uint64_t{1} << coded) - 1);
  return static_cast<Index>((std::uint64_t{1} << coded) | raw(rest, coded)) - 1;
}

double SliceRecorder::bits() const {
  double sum = 0;
  for (const Slice& s : slices_) sum += 16 - std::log2(static_cast<double>(s.size));
  return sum;
}

void RangeEncoder::put(Slice s) {
  const std::uint64_t unit = range_ / probability_one;
  low_ += unit * s.start;
  range_ = unit * s.size;
  while (range_ <= smallest_range) {
    shift_out();
    range_ <<= 8;
  }
}

void RangeEncoder::shift_out() {
  const bool carry = low_ >= window;
  const auto top = static_cast<int>((low_ >> (window_bits - 8)) & 0xff);
  if (carry || top != 0xff) {
    if (cache_ >= 0) out_.push_back(static_cast<char>(cache_ + (carry ? 1 : 0)));
    out_.append(pending_, static_cast<char>(carry ? 0x00 : 0xff));
    pending_ = 0;
    cache_ = top;
  } else {
    ++pending_;
  }
  low_ = (low_ & (smallest_range - 1)) << 8;
}

std::string RangeEncoder::finish() {
  // The number in [low, low + range) with the most zero bits at its end.
  for (int zeros = window_bits; zeros >= 0; --zeros) {
    const std::uint64_t step = std::uint64_t{1} << zeros;
    const std::uint64_t rounded = (low_ + step - 1) / step * step;
    if (rounded < low_ + range_) {
      low_ = rounded;
      break;
    }
  }
  for (int k = 0; k <= window_bits / 8; ++k) shift_out();
  out_.append(pending_, static_cast<char>(0xff));
  while (!out_.empty() && out_.back() == 0) out_.pop_back();
  return std::move(out_);
}

RangeDecoder::RangeDecoder(std::string_view bytes) : bytes_(bytes) {
  for (int k = 0; k < window_bits / 8; ++k) code_ = (code_ << 8) | next_byte();
}

std::uint64_t RangeDecoder::next_byte() { return at_ < bytes_.size() ? static_cast<unsigned char>(bytes_[at_++]) : 0; }

std::uint32_t RangeDecoder::target() {
  const std::uint64_t t = code_ / (range_ / probability_one);
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(t, probability_one - 1));
}

void RangeDecoder::put(Slice s) {
  const std::uint64_t unit = range_ / probability_one;
  code_ -= unit * s.start;
  range_ = unit * s.size;
  while (range_ <= smallest_range) {
    code_ = (code_ << 8) | next_byte();
    range_ <<= 8;
  }
}

}  // namespace terrane
