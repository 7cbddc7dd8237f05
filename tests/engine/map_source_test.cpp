// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <utility>

#include "engine/diffusion/maps.hpp"
#include "engine/diffusion/snap.hpp"
#include "kernels/runtime/error.hpp"
#include "tests/engine/diffusion_support.hpp"

namespace terrane {
namespace diffusion_test {

TEST(MapSource, PadsFlipsAndCyclesThroughAllMaps) {
  auto maps = std::make_shared<LabelledMaps>();
  maps->height = maps->width = 2;
  for (int k = 0; k < 5; ++k) {
    const float v = 1500.0F + 500 * static_cast<float>(k);
    maps->values.insert(maps->values.end(), {v, v + 10, v + 20, v + 30});
    maps->family.push_back(k);
  }
  MapOptions o;
  o.height = o.width = 4;
  const BatchSource source = map_source(maps, o);
  const TrainingBatch batch = source(0, 10);
  std::vector<int> first(batch.family.begin(), batch.family.begin() + 5), order = first;
  std::sort(order.begin(), order.end());
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
  EXPECT_NE(first, std::vector<int>(batch.family.begin() + 5, batch.family.end()));
  int flipped = 0;
  for (std::size_t k = 0; k < 10; ++k) {
    const float* y = batch.x.data() + 16 * k;
    const float v = 1500.0F + 500 * static_cast<float>(batch.family[k]);
    const auto value = [](float mps) { return (mps - 3000) / 1500; };
    const bool turned = y[0] != value(v);
    flipped += turned ? 1 : 0;
    EXPECT_EQ(y[0], value(turned ? v + 10 : v));
    EXPECT_EQ(y[5], y[0]);  // the corner is repeated
    EXPECT_EQ(y[6], value(turned ? v : v + 10));
    EXPECT_EQ(y[15], value(turned ? v + 20 : v + 30));
  }
  EXPECT_GT(flipped, 0);
  EXPECT_LT(flipped, 10);
  EXPECT_EQ(source(7, 2).x, std::vector<float>(batch.x.begin() + 7 * 16, batch.x.begin() + 9 * 16));
  EXPECT_EQ(cropped_maps(padded_map(maps->values.data(), 2, 2, o, false), 2, 2, o).size(), 4u);
}

// A plane v = 2000 + 10 z + 4 x changes as its coordinates do, so the four changes can be read off the maps.
TEST(Augmentation, ZoomsTurnsCropsAndWarps) {
  const Index n = 33;
  std::vector<float> plane;
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j < n; ++j) plane.push_back(2000 + 10 * static_cast<float>(i) + 4 * static_cast<float>(j));
  }
  const auto slopes = [&](const std::vector<float>& m) {  // at the middle, where nothing is continued
    const auto at = [&](Index i, Index j) { return static_cast<double>(m[static_cast<std::size_t>(i * n + j)]); };
    return std::pair{(at(18, 16) - at(14, 16)) / 4, (at(16, 18) - at(16, 14)) / 4};
  };
  const auto middle = [&](const std::vector<float>& m) {
    return static_cast<double>(m[static_cast<std::size_t>(16 * n + 16)]);
  };
  EXPECT_EQ(augmented_map(plane.data(), n, n, {}, 3, 0), plane);
  double least = 9, most = 0, turned = 0, moved = 0, warped = 0;
  for (Index k = 0; k < 60; ++k) {
    const auto [z, x] = slopes(augmented_map(plane.data(), n, n, {.scale = 0.2}, 3, k));
    EXPECT_NEAR(z / x, 2.5, 1e-4);  // one zoom for both axes, about the middle
    EXPECT_NEAR(middle(augmented_map(plane.data(), n, n, {.scale = 0.2}, 3, k)), middle(plane), 1e-3);
    least = std::min(least, z);
    most = std::max(most, z);
    const std::vector<float> rotated = augmented_map(plane.data(), n, n, {.rotation_deg = 30}, 3, k);
    const auto [rz, rx] = slopes(rotated);
    EXPECT_NEAR(std::hypot(rz, rx), std::hypot(10.0, 4.0), 1e-2);
    turned = std::max(turned, std::abs(std::atan2(rx, rz) - std::atan2(4.0, 10.0)) * 180 / std::numbers::pi);
    const std::vector<float> part = augmented_map(plane.data(), n, n, {.crop = 0.3}, 3, k);
    const auto [cz, cx] = slopes(part);
    EXPECT_TRUE(cz <= 10 + 1e-3 && cz >= 7 - 1e-3) << cz;
    moved = std::max(moved, std::abs(middle(part) - middle(plane)));
    for (const float v : part) EXPECT_TRUE(v >= plane.front() && v <= plane.back());
    const std::vector<float> bent = augmented_map(plane.data(), n, n, {.elastic_px = 2}, 3, k);
    warped += std::pow(middle(bent) - middle(plane), 2) / 60;
    EXPECT_EQ(bent, augmented_map(plane.data(), n, n, {.elastic_px = 2}, 3, k));
    EXPECT_NE(bent, augmented_map(plane.data(), n, n, {.elastic_px = 2}, 3, k + 1));
  }
  EXPECT_TRUE(least > 10 / 1.2 - 0.01 && least < 8.8) << least;
  EXPECT_TRUE(most < 10 / 0.8 + 0.01 && most > 11.5) << most;
  EXPECT_TRUE(turned > 25 && turned < 30.1) << turned;
  EXPECT_GT(moved, 10);
  // Only p = q = 1 is not zero at the middle: rms of both directions 2 px (2 / warps) = 2 sqrt(100 + 16) m/s.
  EXPECT_NEAR(std::sqrt(warped), 2 * std::hypot(10.0, 4.0), 6);
  EXPECT_THROW(check_augmentation({.crop = 1}), Error);
  EXPECT_THROW(check_augmentation({.elastic_px = -1}), Error);
}

TEST(MapSource, ProceduralSamplesAreFunctionsOfTheirNumber) {
  Stream s{Device{}};
  MapOptions o;
  o.height = o.width = 16;
  o.conditions = {2, true};
  const std::vector<GeologyFamily> families{GeologyFamily{0}, GeologyFamily{2}, GeologyFamily{5}};
  const BatchSource source = procedural_source(s, families, 14, 4, o);
  const TrainingBatch all = source(0, 20), part = source(7, 6);
  EXPECT_EQ(part.x, std::vector<float>(all.x.begin() + 7 * 256, all.x.begin() + 13 * 256));
  EXPECT_EQ(part.family, std::vector<int>(all.family.begin() + 7, all.family.begin() + 13));
  EXPECT_EQ(part.condition, std::vector<float>(all.condition.begin() + 7 * 768, all.condition.begin() + 13 * 768));
  EXPECT_EQ(std::vector<int>(all.family.begin(), all.family.begin() + 4), (std::vector<int>{0, 1, 2, 0}));
  // Wells carry the map's own values; reflectivity is at most 1.
  Index wells = 0;
  for (std::size_t p = 0; p < 256; ++p) {
    if (all.condition[3 * p] == 1) {
      ++wells;
      EXPECT_EQ(all.condition[3 * p + 1], all.x[p]);
    }
    EXPECT_LE(std::abs(all.condition[3 * p + 2]), 1);
  }
  EXPECT_TRUE(wells == 32 || wells == 16);
}

TEST(Snap, FindsTheLayersOfANoisyMap) {
  Stream s{Device{}};
  const Random random(2, RandomPurpose::test);
  std::vector<float> maps;
  for (std::uint64_t k = 0; k < 200; ++k) {
    const float layer = k < 70 ? 1600.0F : k < 130 ? 2200.0F : 3900.0F;
    maps.push_back(layer + static_cast<float>(8 * random.normal(k)));
  }
  maps.insert(maps.end(), 200, 2750.0F);
  snap_layers(s, maps, 200, 20);
  for (std::size_t k = 0; k < 200; ++k) {
    EXPECT_NEAR(maps[k], k < 70 ? 1600 : k < 130 ? 2200 : 3900, 4);
    EXPECT_EQ(maps[k], std::round(maps[k]));
    EXPECT_EQ(maps[k], maps[k < 70 ? 0 : k < 130 ? 70 : 130]);
    EXPECT_EQ(maps[200 + k], 2750);
  }
  EXPECT_THROW(snap_layers(s, maps, 200, 20, {.most = 0}), Error);
  maps[3] = std::nanf("");
  EXPECT_THROW(snap_layers(s, maps, 200, 20), Error);
  EXPECT_THROW(sort_downwards(s, maps, 200, 20), Error);
}

// Two layers in four columns, the edge blurred over two rows of which one has the value of a third layer elsewhere:
// with runs of five rows the edge is one step, at the row that errs least; the layer that the map cuts may be thin.
TEST(Snap, MakesOneStepOfABlurredEdge) {
  Stream s{Device{}};
  const Index depth = 12, columns = 4;
  std::vector<float> map(48);
  for (Index z = 0; z < depth; ++z) {
    for (Index x = 0; x < columns; ++x) {
      const float steps[] = {z < 5   ? 1500.0F
                             : z < 7 ? 2200.0F
                                     : 3000.0F,
                             z < 1 ? 1500.0F : 2210.0F,
                             z < 6   ? 1500.0F
                             : z < 7 ? 2600.0F
                                     : 3000.0F,
                             z < 3   ? 1500.0F
                             : z < 9 ? 2190.0F
                                     : 3000.0F};
      map[static_cast<std::size_t>(z * columns + x)] = steps[x];
    }
  }
  std::vector<float> plain = map, runs = map;
  snap_layers(s, plain, 48, depth, {.most = 3, .penalty_mps2 = 0});
  snap_layers(s, runs, 48, depth, {.most = 3, .penalty_mps2 = 0, .least_rows = 5});
  const auto column = [&](const std::vector<float>& m, Index x) {
    std::vector<int> rows{0, 0, 0};  // of the three values
    for (Index z = 0; z < depth; ++z) {
      const float v = m[static_cast<std::size_t>(z * columns + x)];
      ++rows[v < 1800 ? 0 : v < 2500 ? 1 : 2];
    }
    return rows;
  };
  EXPECT_EQ(column(plain, 0), (std::vector<int>{5, 2, 5}));
  EXPECT_EQ(column(runs, 0), (std::vector<int>{7, 0, 5}));  // 2200 is nearer to 1500 than to 3000
  EXPECT_EQ(column(runs, 1), (std::vector<int>{1, 11, 0}));
  EXPECT_EQ(column(runs, 2), (std::vector<int>{6, 0, 6}));
  EXPECT_EQ(column(runs, 3), (std::vector<int>{3, 6, 3}));
  EXPECT_THROW(snap_layers(s, map, 48, 5), Error);
  EXPECT_THROW(snap_layers(s, map, 48, 12, {.least_rows = 0}), Error);
}

TEST(Snap, SortsEveryColumnAndKeepsItsValues) {
  for (const int threads : {1, 2}) {
    StreamOptions with;
    with.threads = threads;
    Stream s(Device{}, with);
    std::vector<float> maps{3, 1, 2, 6,  //
                            1, 5, 2, 4,  //
                            2, 9, 2, 5,  //
                            7, 7, 1, 0,  //
                            8, 6, 1, 1,  //
                            9, 5, 0, 2};
    sort_downwards(s, maps, 12, 3);
    EXPECT_EQ(maps, (std::vector<float>{1, 1, 2, 4,  //
                                        2, 5, 2, 5,  //
                                        3, 9, 2, 6,  //
                                        7, 5, 0, 0,  //
                                        8, 6, 1, 1,  //
                                        9, 7, 1, 2}));
    EXPECT_THROW(sort_downwards(s, maps, 12, 5), Error);
  }
}

}  // namespace diffusion_test
}  // namespace terrane
