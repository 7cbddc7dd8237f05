// SPDX-License-Identifier: MIT
#include "engine/compression/lossless.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "engine/compression/context_coder.hpp"
#include "engine/compression/layered.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

using Bits = std::vector<std::uint32_t>;

// Which description the next map has, from those of the maps before.
class ModeBit {
 public:
  bool code(SymbolCoder& coder, bool layered) {
    layered = coder.bit(layered, static_cast<std::uint32_t>(probability_one * layered_ / (layered_ + context_)));
    (layered ? layered_ : context_) += 1;
    return layered;
  }

 private:
  double layered_ = 1, context_ = 1;
};

void check_shape(Index count, Index nz, Index nx, double bound) {
  const bool ok = count >= 1 && nz >= 1 && nx >= 1 && nz <= 16384 && nx <= 16384;
  require(ok, ErrorCode::data, "maps of 1 to 16384 rows and columns can be compressed");
  require(bound >= 0 && std::isfinite(bound), ErrorCode::config, "the error bound must be a finite number >= 0");
}

class BlockEncoder {
 public:
  BlockEncoder(Index nz, Index nx, const LosslessOptions& options) : nz_(nz), nx_(nx), options_(options) {}

  bool add(Bits bits) {
    SliceRecorder as_layers, as_context;
    std::optional<LayeredMap> layers;
    if (options_.code != MapCode::context) layers = find_layers(bits, nz_, nx_);
    if (layers) code_layered(as_layers, *layers);
    const bool try_context = options_.code != MapCode::layered;
    require(layers || try_context, ErrorCode::data, "a map has no description by layers");
    ContextModel adapted = model_;
    if (try_context) adapted.code(as_context, bits, nz_, nx_, options_.bound);
    const bool layered = layers && (!try_context || as_layers.bits() <= as_context.bits());
    mode_.code(encoder_, layered);
    (layered ? as_layers : as_context).replay(encoder_);
    if (!layered) model_ = std::move(adapted);
    return layered;
  }
  std::string finish() { return encoder_.finish(); }

 private:
  Index nz_, nx_;
  LosslessOptions options_;
  ContextModel model_;
  ModeBit mode_;
  RangeEncoder encoder_;
};

}  // namespace

LosslessStreams encode_lossless(const float* maps, Index count, Index nz, Index nx, const LosslessOptions& options) {
  check_shape(count, nz, nx, options.bound);
  require(options.block >= 1, ErrorCode::config, "a block holds at least one map");
  LosslessStreams streams;
  const Index size = nz * nx;
  for (Index first = 0; first < count; first += options.block) {
    BlockEncoder block(nz, nx, options);
    for (Index k = first; k < std::min(count, first + options.block); ++k) {
      Bits bits(static_cast<std::size_t>(size));
      std::memcpy(bits.data(), maps + k * size, bits.size() * sizeof(float));
      streams.layered += block.add(std::move(bits)) ? 1 : 0;
    }
    streams.blocks.push_back(block.finish());
  }
  return streams;
}

std::vector<float> decode_lossless(std::string_view block, Index count, Index nz, Index nx, double bound) {
  check_shape(count, nz, nx, bound);
  const auto size = static_cast<std::size_t>(nz * nx);
  std::vector<float> maps(static_cast<std::size_t>(count) * size);
  RangeDecoder decoder(block);
  std::optional<ContextModel> model;
  ModeBit mode;
  for (std::size_t k = 0; k < static_cast<std::size_t>(count); ++k) {
    Bits bits;
    if (mode.code(decoder, false)) {
      LayeredMap map{nz, nx, {}, {}};
      code_layered(decoder, map);
      bits = render_layers(map);
    } else {
      bits.assign(size, 0);
      if (!model) model.emplace();
      model->code(decoder, bits, nz, nx, bound);
    }
    std::memcpy(maps.data() + k * size, bits.data(), size * sizeof(float));
  }
  return maps;
}

}  // namespace terrane
