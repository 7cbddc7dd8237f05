// SPDX-License-Identifier: MIT
// Maps of the two families that the generator benchmarks learn.
#pragma once

#include <array>

#include "engine/evaluation/sample_scores.hpp"
#include "physics/geology/openfwi.hpp"

namespace terrane::bench {

inline constexpr std::array<const char*, 2> family_names{"flat-vel-a", "curve-vel-a"};

inline ModelSet family_maps(Stream& s, std::size_t family, std::uint64_t seed, Index count, Index size) {
  const GeologyBatch batch{*find_geology_family(family_names[family]), seed, 0, 1, count};
  GeologyOptions options;
  options.size = size;
  return {{size, 1, size}, geology_maps(s, batch, options)};
}

}  // namespace terrane::bench
