// SPDX-License-Identifier: MIT
// Context coder of maps with few different neighbours: faulted layers, blended edges, anything made of patches.
//
// Pixels go in rows. Each is compared with its decoded neighbours W, N, NE, NW in turn (those of equal value once),
// then with the values of the map seen so far, newest first; what matches none is a new value. A comparison is a bit
// whose probability is a logistic mixture (M. Mahoney, Adaptive weighing of context models for lossless data
// compression, 2005) of adaptive frequencies in several contexts: the pattern of equal neighbours, how far edges of the
// rows above lie, and how long the columns have kept their value. All frequencies and weights adapt from map to map,
// and start from a few built-in maps of faulted layers that both sides code first.
//
// bound > 0: a match is a value within `bound` of the true one, and new values are rounded to multiples of 2 bound from
// 1500, so that no decoded value is off by more than `bound` (m/s). bound = 0: bit for bit.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "engine/compression/range_coder.hpp"

namespace terrane {

class ContextModel {
 public:
  ContextModel();
  // Encodes the map, or decodes into it. bits: (nz, nx), bits of the floats; with bound > 0 it holds the decoded values
  // afterwards. Values that are not finite are coded exactly.
  void code(SymbolCoder& coder, std::vector<std::uint32_t>& bits, Index nz, Index nx, double bound);

 private:
  struct Frequency {
    std::uint16_t p = 32768;  // of a set bit, in 2^-16
    std::uint16_t count = 0;
  };
  static constexpr std::size_t models = 6;
  static constexpr std::size_t table_bits = 14;
  using Slots = std::array<std::uint32_t, models>;
  struct MapState;

  bool decide(SymbolCoder& coder, bool value, const Slots& slots, std::size_t weight_set);
  void code_pixel(SymbolCoder& coder, MapState& map, Index r, Index i);
  void code_other(SymbolCoder& coder, MapState& map, std::uint32_t& value, const std::uint32_t* tried, Index n_tried);

  std::array<std::vector<Frequency>, models> tables_;
  std::vector<std::array<double, models>> weights_;
  std::array<Frequency, 64> rank_, fresh_;
};

}  // namespace terrane
