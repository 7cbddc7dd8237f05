// SPDX-License-Identifier: MIT
#include "engine/compression/code_path.hpp"

#include <cmath>

#include "kernels/runtime/error.hpp"

namespace terrane {

std::vector<float> codes_between(const float* a, const float* b, Index length, const std::vector<double>& shares) {
  std::vector<float> codes;
  for (const double t : shares) {
    require(t >= 0 && t <= 1, ErrorCode::config, "a share of the way between two codes is in [0, 1]");
    for (Index k = 0; k < length; ++k) {
      codes.push_back(static_cast<float>((1 - t) * static_cast<double>(a[k]) + t * static_cast<double>(b[k])));
    }
  }
  return codes;
}

PathScores path_scores(const float* m, const float* a, const float* b, double share, Index n) {
  PathScores s;
  double blend = 0;
  for (Index p = 0; p < n; ++p) {
    const double va = a[p] / 3000.0, vb = b[p] / 3000.0, vm = m[p] / 3000.0;
    s.mse_a += (vm - va) * (vm - va) / static_cast<double>(n);
    s.mse_b += (vm - vb) * (vm - vb) / static_cast<double>(n);
    s.mse_ends += (va - vb) * (va - vb) / static_cast<double>(n);
    blend += std::pow(vm - (1 - share) * va - share * vb, 2) / static_cast<double>(n);
  }
  require(s.mse_ends > 0, ErrorCode::data, "the two ends of the path are one model");
  s.excess = (std::sqrt(s.mse_a) + std::sqrt(s.mse_b)) / std::sqrt(s.mse_ends);
  s.dissolve = std::sqrt(blend / s.mse_ends);
  return s;
}

}  // namespace terrane
