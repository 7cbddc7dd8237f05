// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernels/runtime/error.hpp"
#include "physics/geology/layered.hpp"

namespace terrane {
namespace geology_test {

float at(const std::vector<float>& m, Index nx, Index iz, Index ix) {
  return m[static_cast<std::size_t>(iz * nx + ix)];
}

TEST(LayeredFaulted, PureFunctionWithinRange) {
  LayeredFaultedParams p;
  p.min_mps = 1600;
  p.max_mps = 4200;
  for (std::uint64_t index = 0; index < 40; ++index) {
    const auto m = layered_faulted(p, 3, index, 60, 90, 10, 10);
    ASSERT_EQ(m.size(), 5400u);
    EXPECT_EQ(m, layered_faulted(p, 3, index, 60, 90, 10, 10));
    const auto [lo, hi] = std::minmax_element(m.begin(), m.end());
    EXPECT_GE(*lo, 1600);
    EXPECT_LE(*hi, 4200);
    EXPECT_GT(*hi - *lo, 1300) << index;  // a section with contrast
    EXPECT_NE(m, layered_faulted(p, 4, index, 60, 90, 10, 10));
    EXPECT_NE(m, layered_faulted(p, 3, index + 1, 60, 90, 10, 10));
  }
}

// Nodes that two resolutions share have the same value.
TEST(LayeredFaulted, ResolutionSamplesTheSameScene) {
  const LayeredFaultedParams p;
  const auto coarse = layered_faulted(p, 0, 5, 51, 101, 20, 20);
  const auto fine = layered_faulted(p, 0, 5, 101, 201, 10, 10);
  for (Index iz = 0; iz < 51; ++iz) {
    for (Index ix = 0; ix < 101; ++ix) ASSERT_EQ(at(coarse, 101, iz, ix), at(fine, 201, 2 * iz, 2 * ix));
  }
  LayeredFaultedParams part;  // a part of a larger scene
  part.extent_z_m = 1000;
  part.extent_x_m = 2000;
  const auto corner = layered_faulted(part, 0, 5, 20, 30, 10, 10);
  for (Index iz = 0; iz < 20; ++iz) {
    for (Index ix = 0; ix < 30; ++ix) ASSERT_EQ(at(corner, 30, iz, ix), at(fine, 201, iz, ix));
  }
}

TEST(LayeredFaulted, WaterLayer) {
  LayeredFaultedParams p;
  p.water_depth_m = 95;
  p.min_mps = 1650;
  const auto m = layered_faulted(p, 0, 0, 50, 40, 10, 10);
  for (Index ix = 0; ix < 40; ++ix) {
    for (Index iz = 0; iz < 10; ++iz) EXPECT_EQ(at(m, 40, iz, ix), 1500);
    EXPECT_GE(at(m, 40, 10, ix), 1650);
  }
}

// On average over models: velocity grows with depth, columns hold many layers, faults and folds vary the rows.
TEST(LayeredFaulted, LooksLikeASection) {
  const LayeredFaultedParams p;
  double top = 0, bottom = 0, layers = 0, lateral = 0;
  const Index nz = 120, nx = 240, models = 24;
  for (Index k = 0; k < models; ++k) {
    const auto m = layered_faulted(p, 1, static_cast<std::uint64_t>(k), nz, nx, 10, 10);
    for (Index ix = 0; ix < nx; ++ix) {
      for (Index iz = 0; iz < 20; ++iz) {
        top += static_cast<double>(at(m, nx, iz, ix));
        bottom += static_cast<double>(at(m, nx, nz - 1 - iz, ix));
      }
      for (Index iz = 1; iz < nz; ++iz) {
        layers += std::fabs(at(m, nx, iz, ix) - at(m, nx, iz - 1, ix)) > 20 ? 1 : 0;
      }
    }
    for (Index ix = 1; ix < nx; ++ix) {
      lateral += std::fabs(at(m, nx, 80, ix) - at(m, nx, 80, ix - 1)) > 20 ? 1 : 0;
    }
  }
  const auto per_model = static_cast<double>(models);
  EXPECT_GT((bottom - top) / (per_model * 20 * nx), 1200);
  EXPECT_GT(layers / (per_model * nx), 8);
  EXPECT_LT(layers / (per_model * nx), 30);
  EXPECT_GT(lateral / per_model, 4);
}

// With folds and faults off and no unconformity only the relief of the boundaries and the slow lateral change remain.
TEST(LayeredFaulted, FoldsAndFaultsCanBeTurnedOff) {
  const Index nz = 80, nx = 100;
  const auto lateral_jumps = [&](const std::vector<float>& m) {
    Index n = 0;
    for (Index iz = 0; iz < nz; ++iz) {
      for (Index ix = 1; ix < nx; ++ix) n += std::fabs(at(m, nx, iz, ix) - at(m, nx, iz, ix - 1)) > 60 ? 1 : 0;
    }
    return n;
  };
  LayeredFaultedParams flat;
  flat.fold = 0;
  flat.min_faults = flat.max_faults = 0;
  flat.unconformity = false;
  LayeredFaultedParams faulted = flat, folded = flat;
  faulted.min_faults = faulted.max_faults = 3;
  folded.fold = 1;
  Index none = 0, faults = 0, folds = 0;
  for (std::uint64_t k = 0; k < 10; ++k) {
    none += lateral_jumps(layered_faulted(flat, 0, k, nz, nx, 10, 10));
    faults += lateral_jumps(layered_faulted(faulted, 0, k, nz, nx, 10, 10));
    folds += lateral_jumps(layered_faulted(folded, 0, k, nz, nx, 10, 10));
  }
  EXPECT_GT(faults, none + 10 * 50);
  EXPECT_GT(folds, none + 10 * 100);
}

TEST(LayeredFaulted, Refusals) {
  LayeredFaultedParams p;
  EXPECT_THROW(layered_faulted(p, 0, 0, 0, 5, 10, 10), Error);
  EXPECT_THROW(layered_faulted(p, 0, 0, 5, 5, -10, 10), Error);
  p.max_mps = 1000;
  EXPECT_THROW(layered_faulted(p, 0, 0, 5, 5, 10, 10), Error);
  EXPECT_EQ(layered_faulted({}, 0, 0, 1, 1, 10, 10).size(), 1u);
}

}  // namespace geology_test
}  // namespace terrane
