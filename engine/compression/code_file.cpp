// SPDX-License-Identifier: MIT
#include "engine/compression/code_file.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "engine/compression/range_coder.hpp"
#include "kernels/runtime/error.hpp"
#include "kernels/runtime/math.hpp"

namespace terrane {
namespace {

// Steps of the quantiser, in single precision like everything that a decoder file holds.
struct Quantiser {
  const CodeStatistics& statistics;
  int bits;

  double step(std::size_t k) const {
    const double width = static_cast<double>(statistics.highest[k]) - static_cast<double>(statistics.lowest[k]);
    return std::max(width, 1e-6) / static_cast<double>((1 << bits) - 1);
  }
  Index level(std::size_t k, float z) const {
    const double q = std::round((static_cast<double>(z) - static_cast<double>(statistics.mean[k])) / step(k));
    return static_cast<Index>(std::clamp(q, -1e9, 1e9));
  }
  float value(std::size_t k, Index q) const {
    return static_cast<float>(static_cast<double>(statistics.mean[k]) + static_cast<double>(q) * step(k));
  }
};

// Levels in [-reach, reach] by a normal distribution; the two ends stand for what is beyond too.
struct LevelCumulative {
  double deviation;
  Index reach;

  std::uint32_t operator()(Index k) const {
    const Index n = 2 * reach + 1;
    if (k <= 0) return 0;
    if (k >= n) return probability_one;
    double p = 0, density = 0;
    normal_cdf((static_cast<double>(k - reach) - 0.5) / deviation, p, density);
    return static_cast<std::uint32_t>(p * static_cast<double>(probability_one - static_cast<std::uint32_t>(n))) +
           static_cast<std::uint32_t>(k);
  }
};

void code_levels(SymbolCoder& coder, const Quantiser& quantiser, std::vector<Index>& levels) {
  for (std::size_t k = 0; k < levels.size(); ++k) {
    const Index reach = Index{1} << quantiser.bits;
    const double deviation = static_cast<double>(quantiser.statistics.deviation[k]) / quantiser.step(k);
    const LevelCumulative p{std::max(deviation, 0.2), reach};
    Index& q = levels[k];
    const Index inner = coder.code(std::clamp(q, -reach, reach) + reach, 2 * reach + 1, p) - reach;
    if (inner == reach || inner == -reach) {
      const Index beyond = coder.number(std::abs(q) - reach);
      q = inner > 0 ? reach + beyond : -reach - beyond;
    } else {
      q = inner;
    }
  }
}

void check_statistics(const AutoDecoder& decoder) {
  const auto n = static_cast<std::size_t>(decoder.shape.code);
  const CodeStatistics& s = decoder.statistics;
  const bool ok = s.mean.size() == n && s.deviation.size() == n && s.lowest.size() == n && s.highest.size() == n;
  require(ok, ErrorCode::data, "the decoder has no statistics of its codes");
}

}  // namespace

DecoderWindow file_window(const LatentFile& file, const std::array<Index, 3>& extent) {
  return window_at({.extent = file.shape, .samples = samples_each(file.samples)}, extent);
}

LatentFile pack_codes(const AutoDecoder& decoder, const std::vector<float>& codes, const std::array<Index, 3>& shape,
                      int bits, Index samples) {
  check_statistics(decoder);
  require(bits >= 2 && bits <= 12, ErrorCode::config, "numbers of codes are stored with 2 to 12 bits");
  const auto n = static_cast<std::size_t>(decoder.shape.code);
  require(!codes.empty() && codes.size() % n == 0, ErrorCode::data, "the codes do not have the decoder's length");
  LatentFile f{.codec = LatentCodec::siren,
               .bits = bits,
               .count = static_cast<Index>(codes.size() / n),
               .shape = shape,
               .length = decoder.shape.code,
               .decoder = decoder.identity(),
               .bound = 0,
               .streams = {},
               .samples = samples};
  const Quantiser quantiser{decoder.statistics, bits};
  for (std::size_t m = 0; m < codes.size(); m += n) {
    std::vector<Index> levels(n);
    for (std::size_t k = 0; k < n; ++k) {
      require(std::isfinite(codes[m + k]), ErrorCode::data, "a code holds NaN or infinity");
      levels[k] = quantiser.level(k, codes[m + k]);
    }
    RangeEncoder encoder;
    code_levels(encoder, quantiser, levels);
    f.streams.push_back(encoder.finish());
  }
  return f;
}

std::vector<float> unpack_codes(const AutoDecoder& decoder, const LatentFile& file, const std::string& where) {
  check_statistics(decoder);
  if (file.codec != LatentCodec::siren) throw Error(ErrorCode::data, "the file holds no codes of a decoder", where);
  if (file.decoder != decoder.identity()) {
    char text[120];
    std::snprintf(text, sizeof text,
                  "the codes belong to decoder %016llx, not to %016llx; give the decoder they were made with",
                  static_cast<unsigned long long>(file.decoder), static_cast<unsigned long long>(decoder.identity()));
    throw Error(ErrorCode::data, text, where);
  }
  if (file.length != decoder.shape.code || file.bits < 2 || file.bits > 12) {
    throw Error(ErrorCode::data, "the codes have another length or precision than the decoder's", where);
  }
  const Quantiser quantiser{decoder.statistics, file.bits};
  std::vector<float> codes;
  for (const std::string& stream : file.streams) {
    RangeDecoder coder(stream);
    std::vector<Index> levels(static_cast<std::size_t>(file.length));
    code_levels(coder, quantiser, levels);
    for (std::size_t k = 0; k < levels.size(); ++k) codes.push_back(quantiser.value(k, levels[k]));
  }
  return codes;
}

std::vector<float> quantised_codes(const AutoDecoder& decoder, const std::vector<float>& codes, int bits) {
  return unpack_codes(decoder, pack_codes(decoder, codes, {1, 1, 1}, bits), "codes");
}

}  // namespace terrane
