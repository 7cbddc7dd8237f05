// SPDX-License-Identifier: MIT
// Codes between two codes, z(a) = (1 - a) z_A + a z_B, and what is between the two models.
//
//   excess   = (|M - A| + |M - B|) / |A - B|          at least 1, by the triangle inequality
//   dissolve = |M - (1 - a) A - a B| / |A - B|        0: the path is a cross-fade of pixels
//
// M is decoded from z(a), A and B from the ends, so that the ends are reconstructions like what is between.
#pragma once

#include <vector>

#include "kernels/runtime/view.hpp"

namespace terrane {

struct PathScores {
  double mse_a = 0, mse_b = 0, mse_ends = 0;  // of values / 3000 m/s
  double excess = 0, dissolve = 0;
};

// Codes (shares, length) of one pair of codes of `length` numbers. Error{config} for shares outside [0, 1].
std::vector<float> codes_between(const float* a, const float* b, Index length, const std::vector<double>& shares);

// m, a, b: (n), m/s. Error{data} where A and B are one.
PathScores path_scores(const float* m, const float* a, const float* b, double share, Index n);

}  // namespace terrane
