// SPDX-License-Identifier: MIT
// Exact and error-bounded code of velocity maps: for every map the cheaper of the structured description (layered.hpp)
// and the context coder (context_coder.hpp). The choice is a bit of adaptive probability; both descriptions are tried,
// so that a map never costs more than its cheaper one and that bit.
//
// Maps are coded in blocks: one range-coded stream a block, in which the models adapt from map to map. A block can be
// decoded without the others; the larger the block, the fewer bytes a map.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kernels/runtime/hd.hpp"

namespace terrane {

enum class MapCode : int { automatic = 0, layered = 1, context = 2 };

struct LosslessOptions {
  double bound = 0;                   // largest error, in the unit of the maps; 0: every bit is kept
  Index block = 512;                  // maps a stream
  MapCode code = MapCode::automatic;  // layered: Error{data} for a map without such a description
};

struct LosslessStreams {
  std::vector<std::string> blocks;
  Index layered = 0;  // maps of that description; the others went through the context coder
};

// maps: (count, nz, nx), 1 <= nz, nx <= 16384.
LosslessStreams encode_lossless(const float* maps, Index count, Index nz, Index nx, const LosslessOptions& options);

// One block of `count` maps: (count, nz, nx). Error{data} if the stream cannot have been written by encode_lossless.
std::vector<float> decode_lossless(std::string_view block, Index count, Index nz, Index nx, double bound);

}  // namespace terrane
