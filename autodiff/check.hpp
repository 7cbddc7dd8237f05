// SPDX-License-Identifier: MIT
// Gradient checks as library code; `doctor --verify` and the tests use the same functions.
#pragma once

#include <string>
#include <vector>

#include "autodiff/tape.hpp"

namespace terrane {

// |<J v, w> - <v, J^T w>| / max(||J v|| ||w||, ||v|| ||J^T w||) with random v, w (standard normal from `seed`).
// Exactly 0 when both products vanish.
template <class T>
double dot_test(Stream& s, const LinearMap<T>& map, std::uint64_t seed);

struct TaylorResult {
  double slope = 0;                       // of log remainder against log step, least squares over the best four steps
  std::vector<double> steps, remainders;  // ||f(x + e v) - f(x) - e J v|| / ||f(x)||
  bool exact = false;                     // remainder at rounding level for every step: f is affine along v
};

// Second-order remainder of y along a random direction of input x (scaled to the size of x), steps `first` / 2^k,
// k < count. Restores x and replays. A correct derivative gives slope 2.
template <class T>
TaylorResult taylor_test(Tape<T>& tape, Var x, Var y, std::uint64_t seed, double first = 1e-2, int count = 8);

// Standard normal numbers, for tests and probes.
template <class T>
std::vector<T> random_normal(Index n, std::uint64_t seed);

}  // namespace terrane
