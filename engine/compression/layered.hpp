// SPDX-License-Identifier: MIT
// Structured code of layered maps: every column passes the same layers in the same order, each at most once.
//
//   value(r, i) = v_j,  j = number of interfaces with depth_j(i) <= r,   0 <= depth_1(i) <= ... <= depth_J(i) <= nz
//
// Values: K = J + 1 numbers; ascending integers of [1500, 4500] m/s as a uniform choice of a set (log2 of the binomial
// coefficient), other integers of that range with 11.6 bits, anything else with its 32 bits.
//
// Interfaces: the model of OpenFWI's Vel families, whose scene has m interfaces H = nz / m apart. Interface j + 1 is
// interface j moved down by H + U(-1, 1), at one place for flat layers, at the eight nodes of a C1 quadratic spline
// (nodes at 0 10 20 30 40 50 60 78, interior knots at 20 30 40 50 60, columns at i + 0.1 of 70) for curved ones. The
// node depths x are taken as Gaussian; column by column the depth is coded with
//   P(depth = d) = Phi((d + 1/2 - mu) / s) - Phi((d - 1/2 - mu) / s),   mu = b^T x, s^2 = b^T P b
// and then updates mean and covariance (Kalman, ASME J. Basic Eng. 82, 1960) as an observation with the variance of
// rounding. So an interface costs what is new in it. Interfaces that the map does not show, or that merge, are skipped
// at the cost of a rare bit. Any layered map is coded exactly; maps that do not follow the model cost more.
#pragma once

#include <optional>
#include <vector>

#include "engine/compression/range_coder.hpp"

namespace terrane {

struct LayeredMap {
  Index nz = 0, nx = 0;
  std::vector<std::uint32_t> values;  // (layers), bits of the floats, from the top
  std::vector<Index> depth;           // (layers - 1, nx): rows above the interface

  Index interfaces() const { return static_cast<Index>(values.size()) - 1; }
};

inline constexpr Index most_layers = 32;

// `bits`: (nz, nx), bits of the floats. None if some column passes the layers in another order, or too many values.
std::optional<LayeredMap> find_layers(const std::vector<std::uint32_t>& bits, Index nz, Index nx);
std::vector<std::uint32_t> render_layers(const LayeredMap& map);

// Encodes `map`, or decodes into it (nz and nx are set by the caller). Error{data} for a stream that no encoder wrote.
void code_layered(SymbolCoder& coder, LayeredMap& map);

// A value as bits of a float; shared with the context coder.
std::uint32_t code_value(SymbolCoder& coder, std::uint32_t bits);

}  // namespace terrane
