// SPDX-License-Identifier: MIT
// Range coder (G. N. N. Martin, 1979; Moffat, Neal, Witten, ACM TOIS 16, 1998) with probabilities of 16 bits.
//
// A symbol is a slice [start, start + size) of [0, 2^16), size >= 1. The encoder narrows an interval of 48 bits by each
// slice and puts out the bytes that are settled; the last bytes are the shortest that name the interval, and zeros at
// the end are dropped. The decoder reads zeros beyond the end, so damage is for the container's checksum to find.
//
// A model is written once, for both directions, against SymbolCoder: in encoding `code` takes the value, in decoding it
// ignores it, and both return it. Models whose probabilities are computed use the functions of
// kernels/runtime/math.hpp, which give equal bits on every machine.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/runtime/hd.hpp"

namespace terrane {

inline constexpr std::uint32_t probability_one = 65536;

struct Slice {
  std::uint32_t start = 0, size = 0;
};

class SymbolCoder {
 public:
  virtual ~SymbolCoder() = default;
  virtual bool decoding() const = 0;

  // A value in [0, n): cumulative(k) for k in [0, n] increases strictly from 0 to 2^16.
  template <class Cumulative>
  Index code(Index value, Index n, const Cumulative& cumulative) {
    Index first = value;
    if (decoding()) {
      const std::uint32_t t = target();
      Index last = n;  // cumulative(first) <= t < cumulative(last)
      for (first = 0; last - first > 1;) {
        const Index middle = (first + last) / 2;
        (cumulative(middle) <= t ? first : last) = middle;
      }
    }
    const std::uint32_t start = cumulative(first);
    put(Slice{start, cumulative(first + 1) - start});
    return first;
  }
  // p_one in [1, 2^16 - 1]: probability that the bit is set.
  bool bit(bool value, std::uint32_t p_one);
  // Uniform in [0, n), n <= 2^16.
  Index uniform(Index value, Index n);
  // The lowest `count` bits of value, count <= 64.
  std::uint64_t raw(std::uint64_t value, int count);
  // Elias gamma code of value >= 0: about 2 log2(value + 1) + 1 bits.
  Index number(Index value);

  virtual void put(Slice s) = 0;       // a decoder moves on by the slice that holds its target
  virtual std::uint32_t target() = 0;  // decoders only
};

// Keeps the slices and their cost, to be put out later if this description turns out to be the shortest.
class SliceRecorder : public SymbolCoder {
 public:
  bool decoding() const override { return false; }
  void put(Slice s) override { slices_.push_back(s); }
  std::uint32_t target() override { return 0; }
  double bits() const;  // sum of log2(2^16 / size)
  void replay(SymbolCoder& to) const {
    for (const Slice& s : slices_) to.put(s);
  }

 private:
  std::vector<Slice> slices_;
};

class RangeEncoder : public SymbolCoder {
 public:
  bool decoding() const override { return false; }
  void put(Slice s) override;
  std::uint32_t target() override { return 0; }
  // Ends the stream. The encoder must not be used afterwards.
  std::string finish();

 private:
  void shift_out();
  std::uint64_t low_ = 0, range_ = std::uint64_t{1} << 48;
  std::uint64_t pending_ = 0;  // bytes 0xff that a carry may still change
  int cache_ = -1;             // the byte before them; -1: none yet
  std::string out_;
};

class RangeDecoder : public SymbolCoder {
 public:
  // `bytes` must outlive the decoder.
  explicit RangeDecoder(std::string_view bytes);
  bool decoding() const override { return true; }
  void put(Slice s) override;
  std::uint32_t target() override;

 private:
  std::uint64_t next_byte();
  std::string_view bytes_;
  std::size_t at_ = 0;
  std::uint64_t code_ = 0, range_ = std::uint64_t{1} << 48;
};

}  // namespace terrane
