// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cmath>

#include "engine/evaluation/map_classifier.hpp"
#include "engine/evaluation/map_geometry.hpp"
#include "engine/evaluation/map_statistics.hpp"
#include "engine/evaluation/two_sample.hpp"
#include "kernels/runtime/error.hpp"
#include "kernels/runtime/random.hpp"
#include "physics/geology/openfwi.hpp"

namespace terrane {
namespace evaluation_test {

Stream& stream() {
  static Stream s(Device{}, {.threads = 1});
  return s;
}

Features gaussian(Index rows, std::vector<double> mean, std::vector<double> deviation, std::uint64_t seed) {
  const Random random(seed, RandomPurpose::test);
  Features f;
  f.columns = static_cast<Index>(mean.size());
  for (Index r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < mean.size(); ++c) {
      const double z = random.normal(static_cast<std::uint64_t>(r), static_cast<std::uint32_t>(c));
      f.values.push_back(mean[c] + deviation[c] * z);
    }
  }
  return f;
}

TEST(TwoSample, FrechetOfGaussiansIsThatOfTheirMoments) {
  // Exact moments: the rows of one sample, shifted and stretched.
  const Features x = gaussian(500, {0, 0, 0}, {1, 1, 1}, 1);
  Features g = x;
  for (Index r = 0; r < g.rows(); ++r) g.values[static_cast<std::size_t>(3 * r)] += 2;
  EXPECT_NEAR(frechet_distance(stream(), x, g), 4, 1e-9);
  for (double& v : g.values) v *= 1.5;
  double wanted = 0;  // |m_x - m_g|^2 + 0.25 tr S_x, for S_g = 2.25 S_x
  for (std::size_t c = 0; c < 3; ++c) {
    double mx = 0, vx = 0, mg = 0;
    for (std::size_t r = 0; r < 500; ++r) mx += x.values[3 * r + c] / 500, mg += g.values[3 * r + c] / 500;
    for (std::size_t r = 0; r < 500; ++r) vx += std::pow(x.values[3 * r + c] - mx, 2) / 499;
    wanted += (mx - mg) * (mx - mg) + 0.25 * vx;
  }
  EXPECT_NEAR(frechet_distance(stream(), x, g), wanted, 1e-9);
  EXPECT_NEAR(frechet_distance(stream(), x, x), 0, 1e-9);
}

TEST(TwoSample, MmdAgreesWithItsDefinition) {
  const Features x = gaussian(6, {0, 0}, {1, 1}, 2), g = gaussian(5, {1, 0}, {1, 2}, 3);
  std::vector<double> distances;
  const auto row = [](const Features& f, Index r) { return f.values.data() + 2 * r; };
  const auto squared = [](const double* a, const double* b) {
    return std::pow(a[0] - b[0], 2) + std::pow(a[1] - b[1], 2);
  };
  std::vector<const double*> all;
  for (Index r = 0; r < 6; ++r) all.push_back(row(x, r));
  for (Index r = 0; r < 5; ++r) all.push_back(row(g, r));
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t j = i + 1; j < all.size(); ++j) distances.push_back(squared(all[i], all[j]));
  }
  std::sort(distances.begin(), distances.end());
  const double width = distances[distances.size() / 2];
  const auto kernel = [&](const double* a, const double* b) {
    double sum = 0;
    for (const double s : {0.25, 0.5, 1.0, 2.0, 4.0}) sum += std::exp(-squared(a, b) / (2 * s * s * width)) / 5;
    return sum;
  };
  double xx = 0, gg = 0, xg = 0;
  for (Index i = 0; i < 6; ++i) {
    for (Index j = 0; j < 6; ++j) xx += i != j ? kernel(row(x, i), row(x, j)) : 0;
    for (Index j = 0; j < 5; ++j) xg += kernel(row(x, i), row(g, j));
  }
  for (Index i = 0; i < 5; ++i) {
    for (Index j = 0; j < 5; ++j) gg += i != j ? kernel(row(g, i), row(g, j)) : 0;
  }
  EXPECT_NEAR(mmd(stream(), x, g, 0, 0).value, xx / 30 + gg / 20 - 2 * xg / 30, 1e-12);
}

TEST(Moments, TransportGivesOneSampleThoseOfAnother) {
  const Features a = gaussian(60, {1, -2, 0}, {1, 0.2, 3}, 1);
  Features b = gaussian(50, {0, 4, 1}, {2, 1, 0.5}, 2);
  for (Index r = 0; r < 50; ++r)
    b.values[static_cast<std::size_t>(3 * r)] += b.values[static_cast<std::size_t>(3 * r + 1)];
  const JointMoments from = moments_of(stream(), a), to = moments_of(stream(), b);
  const std::vector<double> m = gaussian_transport(stream(), from, to);
  Features moved{3, {}};
  for (Index r = 0; r < 60; ++r) {
    for (std::size_t c = 0; c < 3; ++c) {
      double v = to.mean[c];
      for (std::size_t k = 0; k < 3; ++k) {
        v += (a.values[static_cast<std::size_t>(3 * r) + k] - from.mean[k]) * m[3 * k + c];
      }
      moved.values.push_back(v);
    }
  }
  const JointMoments is = moments_of(stream(), moved);
  for (std::size_t c = 0; c < 3; ++c) EXPECT_NEAR(is.mean[c], to.mean[c], 1e-10);
  for (std::size_t c = 0; c < 9; ++c) {
    EXPECT_NEAR(is.covariance[c], to.covariance[c], 1e-9);
    EXPECT_NEAR(m[c], m[c % 3 * 3 + c / 3], 1e-10);
  }
  EXPECT_NEAR(frechet_distance(stream(), moved, b), 0, 1e-8);
  EXPECT_THROW(moments_of(stream(), {3, {1, 2, 3}}), Error);
}

TEST(TwoSample, MmdAndClassifierTellWhatDiffersFromWhatDoesNot) {
  const Features x = gaussian(300, {0, 0, 0, 0}, {1, 1, 1, 1}, 4), same = gaussian(300, {0, 0, 0, 0}, {1, 1, 1, 1}, 5);
  const Features shifted = gaussian(300, {0.5, 0, 0, 0}, {1, 1, 1, 1}, 6),
                 wide = gaussian(300, {0, 0, 0, 0}, {1, 1, 1, 1.6}, 7);
  const MmdResult floor = mmd(stream(), x, same, 100, 1);
  EXPECT_LT(std::abs(floor.value), 3 * floor.deviation);
  EXPECT_GT(floor.p, 0.01);
  const MmdResult other = mmd(stream(), x, shifted, 100, 1);
  EXPECT_GT(other.value, 5 * other.deviation);
  EXPECT_LT(other.p, 0.02);
  EXPECT_NEAR(classifier_auc(stream(), x, same), 0.5, 0.1);
  // Phi(d / sqrt 2) for two Gaussians d deviations apart.
  EXPECT_NEAR(classifier_auc(stream(), x, shifted), 0.638, 0.08);
  EXPECT_GT(classifier_auc(stream(), x, wide), 0.58);  // by the squares
  EXPECT_THROW(mmd(stream(), x, gaussian(300, {0}, {1}, 1), 0, 0), Error);
}

TEST(TwoSample, PrdcOfPointsOnALine) {
  const Features x{1, {0, 1, 2, 3}}, g{1, {0.2, 0.4, 10, 10.1}};
  const Prdc p = prdc(stream(), x, g, 1);  // radius 1 around each x; 0.2, 0.2, 0.1, 0.1 around each g
  EXPECT_DOUBLE_EQ(p.precision, 0.5);
  EXPECT_DOUBLE_EQ(p.recall, 0.25);
  EXPECT_DOUBLE_EQ(p.density, 1.0);  // 0.2 and 0.4 lie in the balls of 0 and of 1
  EXPECT_DOUBLE_EQ(p.coverage, 0.5);
  EXPECT_THROW(prdc(stream(), x, g, 4), Error);
  EXPECT_DOUBLE_EQ(roc_area({1, 2}, {3, 4}), 1);
  EXPECT_DOUBLE_EQ(roc_area({1, 2}, {2, 0}), 0.375);
}

ModelSet maps(const char* family, std::uint64_t seed, Index count) {
  const GeologyBatch batch{*find_geology_family(family), seed, 0, 1, count};
  return {{70, 1, 70}, geology_maps(stream(), batch, {})};
}
// Gaussian of one pixel, edges repeated.
ModelSet blurred(const ModelSet& set) {
  ModelSet out = set;
  double w[9], sum = 0;
  for (int k = -4; k <= 4; ++k) sum += w[k + 4] = std::exp(-0.5 * k * k);
  for (const Index step : {Index{70}, Index{1}}) {
    const std::vector<float> from = out.values;
    for (std::size_t p = 0; p < from.size(); ++p) {
      const Index at = static_cast<Index>(p) / step % 70;
      double v = 0;
      for (int k = -4; k <= 4; ++k) {
        const Index to = std::clamp<Index>(at + k, 0, 69);
        v += w[k + 4] / sum * from[static_cast<std::size_t>(static_cast<Index>(p) + (to - at) * step)];
      }
      out.values[p] = static_cast<float>(v);
    }
  }
  return out;
}

// The controls of the specification: contrast is seen by MMD, a blur by the geology and not by MMD.
TEST(MapStatistics, SeeTheControls) {
  const ModelSet real = maps("curve-vel-a", 1, 400), same = maps("curve-vel-a", 2, 400),
                 fit = maps("curve-vel-a", 3, 400);
  const ModelSet blur = blurred(same);
  ModelSet contrast = same;
  for (float& v : contrast.values) v = 2784 + 0.85F * (v - 2784);
  const PrincipalScores scores(stream(), fit, 32);
  const Features x = scores.of(stream(), real), g = scores.of(stream(), same), b = scores.of(stream(), blur),
                 c = scores.of(stream(), contrast);
  const MmdResult floor = mmd(stream(), x, g, 60, 1), of_blur = mmd(stream(), x, b, 60, 1),
                  of_contrast = mmd(stream(), x, c, 60, 1);
  EXPECT_LT(floor.value, 3 * floor.deviation);
  EXPECT_LT(of_blur.value, floor.value + 3 * of_blur.deviation);
  EXPECT_GT(of_contrast.value, 3 * of_contrast.deviation);
  const double base = frechet_distance(stream(), x, g);
  EXPECT_GT(frechet_distance(stream(), x, c), 1.5 * base);
  const Prdc p = prdc(stream(), x, g);
  EXPECT_GT(p.precision, 0.8);
  EXPECT_GT(p.recall, 0.8);
  EXPECT_NEAR(classifier_auc(stream(), x, g), 0.5, 0.12);
  // The bands see the blur that the components do not.
  const Features xb = cosine_band_energies(stream(), real), gb = cosine_band_energies(stream(), same),
                 bb = cosine_band_energies(stream(), blur);
  EXPECT_NEAR(classifier_auc(stream(), xb, gb), 0.5, 0.12);
  EXPECT_GT(classifier_auc(stream(), xb, bb), 0.9);
  EXPECT_GT(frechet_distance(stream(), xb, bb), 10 * frechet_distance(stream(), xb, gb));

  const MapStatistics r = map_statistics(real), t = map_statistics(same), s = map_statistics(blur);
  EXPECT_EQ(r.monotone_columns, 1);
  EXPECT_LT(r.distinct_values, 8);
  EXPECT_GT(s.distinct_values, 100);
  EXPECT_LT(variogram_difference(t.gamma_z, r.gamma_z), 0.2);
  EXPECT_LT(s.gamma_z[0], 0.6 * r.gamma_z[0]);
  EXPECT_LT(jensen_shannon(t.values, r.values), 0.02);
  EXPECT_LT(jensen_shannon(t.jumps, r.jumps), 0.02);
  EXPECT_GT(jensen_shannon(s.jumps, r.jumps), 0.1);
  EXPECT_GT(s.layer_deviation, r.layer_deviation + 1);
  EXPECT_LT(transition_difference(t.transitions, r.transitions), 0.02);
  EXPECT_GT(transition_difference(s.transitions, r.transitions), transition_difference(t.transitions, r.transitions));
  // The measured values of the collection (5,000 maps): mean 2784, deviation 798, gamma_z(1) 1.01e4.
  EXPECT_NEAR(r.mean, 2784, 100);
  EXPECT_NEAR(r.deviation, 798, 60);
  EXPECT_NEAR(r.gamma_z[0], 1.01e4, 1.2e3);

  const Memorisation fresh = memorisation(stream(), fit, real, same);
  EXPECT_NEAR(fresh.ratio, 1, 0.1);
  EXPECT_LE(fresh.too_close, 1);
  const Memorisation copied = memorisation(stream(), fit, real, fit);
  EXPECT_LT(copied.ratio, 0.01);
  EXPECT_EQ(copied.too_close, 400);
}

TEST(MapStatistics, OfAHandmadeMap) {
  // Two columns: 1500 x 2, 2000 x 2, 3000 x 2, and the same upside down.
  const ModelSet set{{6, 1, 2}, {1500, 3000, 1500, 3000, 2000, 2000, 2000, 2000, 3000, 1500, 3000, 1500}};
  const MapStatistics m = map_statistics(set);
  EXPECT_DOUBLE_EQ(m.monotone_columns, 0.5);
  EXPECT_DOUBLE_EQ(m.distinct_values, 3);
  EXPECT_DOUBLE_EQ(m.jumps[2], 1);
  EXPECT_DOUBLE_EQ(m.thickness[1], 1);
  EXPECT_DOUBLE_EQ(m.steps[5], 0.5);
  EXPECT_DOUBLE_EQ(m.steps[10], 0.5);
  EXPECT_NEAR(m.gamma_z[0], (500 * 500 + 1000 * 1000) / 5.0 / 2, 1e-6);
  EXPECT_NEAR(m.row_deviation, 750.0 * 4 / 6, 1e-9);
  EXPECT_EQ(m.gamma_x[1], 0);
  // Bins 0 (1500), 1 (2000), 4 (3000); steps of one row: 0 0, 0 1, 1 1, 1 4, 4 4, and the same backwards.
  const auto joint = [&](Index lag, Index a, Index b) {
    return m.transitions[static_cast<std::size_t>((lag * 8 + a) * 8 + b)];
  };
  EXPECT_DOUBLE_EQ(joint(0, 0, 0), 0.2);
  EXPECT_DOUBLE_EQ(joint(0, 0, 1), 0.1);
  EXPECT_DOUBLE_EQ(joint(0, 4, 1), 0.1);
  EXPECT_DOUBLE_EQ(joint(2, 0, 4), 0.5);  // four rows
  EXPECT_DOUBLE_EQ(joint(3, 0, 4), 0);    // eight rows: none
  EXPECT_DOUBLE_EQ(transition_difference(m.transitions, m.transitions), 0);
  // Never from 0 to 1 but to 4: of a third of the pairs, half of the transitions.
  std::vector<double> other(256, 0.0);
  const auto put = [&](Index a, Index b, double p) { other[static_cast<std::size_t>(a * 8 + b)] = p; };
  put(0, 0, 0.2), put(0, 4, 0.1), put(1, 0, 0.1), put(1, 1, 0.2), put(1, 4, 0.1), put(4, 1, 0.1), put(4, 4, 0.2);
  std::vector<double> one(m.transitions.begin(), m.transitions.begin() + 64);
  one.resize(256, 0.0);
  EXPECT_NEAR(transition_difference(other, one), 0.3 * (0.1 / 0.3), 1e-12);
}

// Against the scenes behind the maps, and of families without faults.
TEST(MapGeometry, FindsTheFaultsAndInterfacesOfTheScenes) {
  constexpr Index n = 100;
  const ModelSet set = maps("flat-fault-a", 1, n);
  std::vector<double> dip, height, place;
  for (Index k = 0; k < n; ++k) {
    const Fault f = find_fault(set.values.data() + k * set.points(), 70, 70);
    if (!f.found) continue;
    const GeologyScene scene = geology_scene(*find_geology_family("flat-fault-a"), 1, static_cast<std::uint64_t>(k));
    dip.push_back(std::abs(f.dip_degrees - scene.fault[0].dip_degrees));
    height.push_back(std::abs(static_cast<double>(f.throw_px) - std::abs(scene.fault[0].throw_z)));
    place.push_back(std::abs(f.x0 - scene.fault[0].x0));
  }
  ASSERT_GE(dip.size(), 55U);  // the others show too few rows whose sides differ
  const auto within = [](const std::vector<double>& v, double limit) {
    return static_cast<double>(std::count_if(v.begin(), v.end(), [&](double e) { return e <= limit; })) /
           static_cast<double>(v.size());
  };
  EXPECT_GT(within(dip, 1), 0.85);
  EXPECT_GT(within(height, 1), 0.85);
  EXPECT_GT(within(place, 1), 0.85);
  const MapGeometry g = map_geometry(set), flat = map_geometry(maps("flat-vel-a", 1, n)),
                    curved = map_geometry(maps("curve-vel-a", 1, n));
  EXPECT_EQ(g.fault_share, static_cast<double>(dip.size()) / n);
  EXPECT_EQ(flat.fault_share, 0);
  EXPECT_LT(curved.fault_share, 0.12);
  EXPECT_GT(g.throw_px[5] + g.throw_px[6] + g.throw_px[7] + g.throw_px[8] + g.throw_px[9] + g.throw_px[10], 0.9);
  // Flat layers have no power; curves have that of the collection: .21 .29 .35 .14 .01, range 8 to 41 pixels.
  EXPECT_EQ(flat.interface_share, 0);
  EXPECT_GT(curved.interface_share, 0.95);
  EXPECT_NEAR(curved.interface_power[0], 0.21, 0.08);
  EXPECT_NEAR(curved.interface_power[1], 0.29, 0.08);
  EXPECT_NEAR(curved.interface_power[2], 0.35, 0.08);
  EXPECT_LT(curved.interface_power[4], 0.04);
  EXPECT_NEAR(curved.interface_range_px, 18, 5);
  EXPECT_THROW(map_geometry({{70, 1, 70}, {}}), Error);
  // A line drawn by hand: x = 20 + z / 2, both sides alike but for four rows.
  std::vector<float> v;
  for (Index z = 0; z < 40; ++z) {
    for (Index x = 0; x < 60; ++x) {
      const Index row = static_cast<double>(x) > 20 + static_cast<double>(z) / 2 ? z - 4 : z;
      v.push_back(static_cast<float>(2000 + 40 * row));
    }
  }
  const Fault f = find_fault(v.data(), 40, 60);
  ASSERT_TRUE(f.found);
  EXPECT_NEAR(f.dip_degrees, std::atan2(2, 1) * 180 / std::acos(-1.0), 1);
  EXPECT_NEAR(f.x0, 20 + 19.5 / 2, 1);
  EXPECT_EQ(f.lean, 1);
  EXPECT_EQ(f.throw_px, 4);
}

// Of families that differ in one rule (curved or flat), of the same maps twice, and of a blur that components do not
// see.
TEST(MapClassifier, TellsFamiliesAndSamplesApart) {
  constexpr Index n = 100, side = 24;
  const auto small = [](const char* family, std::uint64_t seed) {
    return ModelSet{{side, 1, side},
                    geology_maps(stream(), GeologyBatch{*find_geology_family(family), seed, 0, 1, n}, {.size = side})};
  };
  ModelSet both = small("flat-vel-a", 1);
  const ModelSet curved = small("curve-vel-a", 1), other = small("curve-vel-a", 2);
  both.values.insert(both.values.end(), curved.values.begin(), curved.values.end());
  std::vector<int> label(2 * n, 0);
  std::fill(label.begin() + n, label.end(), 1);
  MapClassifierOptions options;
  options.steps = 300;
  MapClassifier network(stream(), side, side, 2, options);
  const double loss = network.fit(both, label);
  EXPECT_LT(loss, 0.2);
  EXPECT_GT(network.accuracy(other, std::vector<int>(n, 1)), 0.85);
  EXPECT_GT(network.accuracy(small("flat-vel-a", 2), std::vector<int>(n, 0)), 0.85);
  const Features f = network.features(other),
                 one = network.features({other.extent, {other.values.begin(), other.values.begin() + side * side}});
  EXPECT_EQ(f.rows(), n);
  EXPECT_EQ(f.columns, 64);
  for (std::size_t c = 0; c < 64; ++c) EXPECT_EQ(one.values[c], f.values[c]) << c;  // a map's features are its own
  EXPECT_NEAR(network_auc(stream(), curved, other, options), 0.5, 0.2);
  EXPECT_GT(network_auc(stream(), curved, small("flat-vel-a", 3), options), 0.9);
  MapClassifier again(stream(), side, side, 2, options);
  EXPECT_EQ(again.fit(both, label), loss);
  EXPECT_THROW(network.scores(maps("flat-vel-a", 1, 2)), Error);
  EXPECT_THROW(network.fit(both, {0, 1}), Error);
  EXPECT_THROW(network.fit(both, std::vector<int>(2 * n, 2)), Error);
  EXPECT_THROW(MapClassifier(stream(), side, side, 1), Error);
}

// A single cosine stands in its band alone; the sum over the bands is that of the squares (Parseval).
TEST(CosineBands, HoldTheEnergyOfTheirFrequencies) {
  const Index n = 32;
  ModelSet set{{n, 1, n}, {}};
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j < n; ++j) {
      set.values.push_back(static_cast<float>(
          3000 + 600 * std::cos(std::acos(-1.0) * (static_cast<double>(i) + 0.5) * 20 / static_cast<double>(n))));
    }
  }
  const Features f = cosine_band_energies(stream(), set);
  ASSERT_EQ(f.rows(), 1);
  ASSERT_LE(f.columns, 24);
  ASSERT_GE(f.columns, 20);
  const auto top = std::max_element(f.values.begin(), f.values.end());
  for (auto v = f.values.begin(); v != f.values.end(); ++v) {
    EXPECT_TRUE(v == top || *v < std::log(1.1e-8)) << v - f.values.begin();
  }
  // 20 of 32 down, 0 across: 0.2 cos has 0.02 n^2 of energy, among the coefficients (k_z of the band, k_x <= k_z / 2).
  Index members = 0;
  for (Index z = 0; z < n; ++z) {
    for (Index x = 0; x < n; ++x) {
      const double low = std::pow(32.0, 6.0 / 8), high = std::pow(32.0, 7.0 / 8),
                   k = static_cast<double>(std::max(z, x));
      members += k >= low && k < high && 2 * x <= z;
    }
  }
  EXPECT_NEAR(*top, std::log(1e-8 + 0.02 * static_cast<double>(n * n) / static_cast<double>(members)), 1e-4);
  ModelSet volume = set;
  volume.extent = {n, 2, n / 2};
  EXPECT_THROW(cosine_band_energies(stream(), volume), Error);
}

}  // namespace evaluation_test
}  // namespace terrane
