// SPDX-License-Identifier: MIT
#include "kernels/encode/multigrid.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "autodiff/check.hpp"
#include "autodiff/ops/fusion_op.hpp"
#include "autodiff/ops/mlp_op.hpp"
#include "autodiff/ops/multigrid_op.hpp"
#include "autodiff/ops/tucker_op.hpp"
#include "kernels/runtime/random.hpp"
#include "tests/support/devices.hpp"
#include "tests/support/factor_gram.hpp"

namespace terrane {
namespace multigrid_test {

std::vector<Index> resolutions(const MultigridShape& shape) {
  std::vector<Index> r;
  for (int l = 0; l < shape.levels; ++l) r.push_back(shape.level[l].resolution[0]);
  return r;
}

// Level resolutions and counts of the published configurations.
TEST(Multigrid, PresetsHaveThePublishedCounts) {
  const std::vector<Index> params = {10, 11, 12, 12, 13, 13, 14, 15, 15, 16, 17, 18, 18, 19, 20, 21};
  const std::vector<Index> text = {50, 53, 56, 58, 61, 64, 68, 71, 74, 78, 82, 86, 90, 95, 99, 104};
  const Index count_params[] = {608, 7920, 128992};
  for (int d = 1; d <= 3; ++d) {
    for (const GridOffset offset : {GridOffset::vertex, GridOffset::tcnn}) {
      MultigridOptions o = multigrid_preset("params");
      o.offset = offset;
      const MultigridShape p = multigrid_shape(d, o);
      EXPECT_EQ(resolutions(p), params);
      EXPECT_EQ(p.parameters(), count_params[d - 1]);
      EXPECT_EQ(p.n_out(), 32);
      o = multigrid_preset("text");
      o.offset = offset;
      EXPECT_EQ(resolutions(multigrid_shape(d, o)), text);
    }
  }
  MultigridOptions o = multigrid_preset("text");
  EXPECT_EQ(multigrid_shape(2, o).parameters(), 185552);
  EXPECT_EQ(multigrid_shape(3, o).parameters(), 11663168);
  EXPECT_TRUE(multigrid_shape(3, o).level[15].hashed);
  EXPECT_FALSE(multigrid_shape(3, o).level[0].hashed);
  o.table_size = Index{1} << 24;
  EXPECT_EQ(multigrid_shape(3, o).parameters(), 15109648);
  for (int l = 0; l < 16; ++l) EXPECT_FALSE(multigrid_shape(2, multigrid_preset("text")).level[l].hashed);
}

TEST(Multigrid, AspectMatchGivesSquareCells) {
  MultigridOptions o = multigrid_preset("text");
  o.aspect = GridAspect::match;
  o.lengths[0] = 93 * 15;
  o.lengths[1] = 287 * 15;
  const MultigridShape s = multigrid_shape(2, o);
  for (int l = 0; l < s.levels; ++l) {
    const double cell_z = o.lengths[0] / s.level[l].scale[0], cell_x = o.lengths[1] / s.level[l].scale[1];
    EXPECT_NEAR(cell_z / cell_x, 1.0, 0.05) << l;
  }
  EXPECT_EQ(s.level[0].resolution[1], 50u);
}

TEST(Multigrid, WrongOptionsAreNamed) {
  const auto message = [](int d, const MultigridOptions& o) -> std::string {
    try {
      multigrid_shape(d, o);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::config);
      return e.what();
    }
    return "";
  };
  MultigridOptions o;
  EXPECT_NE(message(4, o).find("axes"), std::string::npos);
  o.base = 1;
  EXPECT_NE(message(2, o).find("base"), std::string::npos);
  o = {};
  o.table_size = 1000;
  EXPECT_NE(message(2, o).find("power of two"), std::string::npos);
  o = {};
  o.features = 3;
  EXPECT_NE(message(2, o).find("features"), std::string::npos);
  o = {};
  o.growth = 16;
  EXPECT_NE(message(2, o).find("growth"), std::string::npos);
  EXPECT_THROW(multigrid_preset("paper"), Error);
}

// The encoding as one would write it for a single point, after the published description; double precision.
std::vector<double> scalar_encoding(int d, double base, double growth, int levels, int features, Index t, bool smooth,
                                    bool tcnn, const std::vector<double>& table, const double* zeta) {
  std::vector<double> y;
  std::size_t start = 0;
  for (int l = 0; l < levels; ++l) {
    const double s = std::pow(growth, l) * base - 1;
    const auto r = static_cast<std::uint64_t>(std::ceil(s - 1e-5)) + 1;
    std::uint64_t vertices = 1;
    for (int a = 0; a < d; ++a) vertices *= r;
    const std::uint64_t entries = std::min(static_cast<std::uint64_t>(t), (vertices + 7) / 8 * 8);
    std::vector<double> sum(static_cast<std::size_t>(features), 0.0);
    for (int corner = 0; corner < (1 << d); ++corner) {
      double weight = 1;
      std::uint64_t dense = 0, stride = 1, hash = 0;
      const std::uint64_t prime[3] = {1, 2654435761ull, 805459861ull};
      for (int a = 0; a < d; ++a) {
        const double p = tcnn ? s * zeta[a] + 0.5 : static_cast<double>(r - 1) * zeta[a];
        double k = std::floor(p);
        if (!tcnn && k > static_cast<double>(r) - 2) k = static_cast<double>(r) - 2;
        double w = p - k;
        if (smooth) w = w * w * (3 - 2 * w);
        const bool up = (corner >> a & 1) != 0;
        weight *= up ? w : 1 - w;
        const auto i = static_cast<std::uint64_t>(k) + (up ? 1u : 0u);
        dense += i * stride;
        stride *= r;
        hash ^= static_cast<std::uint32_t>(i * prime[a]);
      }
      const std::uint64_t entry = (vertices <= entries ? dense : hash) % entries;
      for (std::size_t f = 0; f < sum.size(); ++f) {
        sum[f] += weight * table[start + entry * sum.size() + f];
      }
    }
    y.insert(y.end(), sum.begin(), sum.end());
    start += entries * static_cast<std::size_t>(features);
  }
  EXPECT_EQ(start, table.size());
  return y;
}

TEST(Multigrid, EncodingEqualsTheScalarImplementation) {
  for_each_device([](Stream& s) {
    for (int d = 1; d <= 3; ++d) {
      for (const bool tcnn : {true, false}) {
        for (const bool smooth : {false, true}) {
          for (const Index t : {Index{1} << 19, Index{512}}) {
            MultigridOptions o;
            o.base = 10;
            o.growth = 1.3;
            o.levels = 5;
            o.features = d == 2 ? 4 : 2;
            o.table_size = t;
            o.smoothstep = smooth;
            o.offset = tcnn ? GridOffset::tcnn : GridOffset::vertex;
            const MultigridShape shape = multigrid_shape(d, o);
            EXPECT_EQ(shape.level[4].hashed, d >= 2 && t == 512) << "the last level has " << shape.level[4].entries;
            // Corners of the domain, its centre, and points inside; an odd number of points.
            std::vector<double> zeta;
            for (int c = 0; c < 1 << d; ++c) {
              for (int a = 0; a < d; ++a) zeta.push_back((c >> a & 1) != 0 ? 1.0 : 0.0);
            }
            const Random random(5, RandomPurpose::test);
            while (zeta.size() < static_cast<std::size_t>(77 * d)) zeta.push_back(random.uniform(zeta.size()));
            const Index n = static_cast<Index>(zeta.size()) / d;
            const auto table = random_normal<double>(shape.parameters(), 3);
            const auto dt = to_device(s, table), dx = to_device(s, zeta);
            const Buffer<double> y(s, n * shape.n_out());
            multigrid_forward(s, MultigridForward<double>{shape, n, dt.data(), dx.data(), y.data()});
            const auto got = to_host(s, y);
            double worst = 0;
            for (Index p = 0; p < n; ++p) {
              const auto wanted = scalar_encoding(d, o.base, o.growth, o.levels, o.features, t, smooth, tcnn, table,
                                                  zeta.data() + p * d);
              for (std::size_t k = 0; k < wanted.size(); ++k) {
                worst = std::max(worst, std::abs(got[static_cast<std::size_t>(p) * wanted.size() + k] - wanted[k]));
              }
            }
            // The level scale is a single-precision number: 6e-8 of up to 28 cells, on slopes of about 3.
            EXPECT_LE(worst, tcnn ? 5e-5 : 1e-12) << "d " << d << " T " << t << " smoothstep " << smooth;
          }
        }
      }
    }
  });
}

// With the vertex rule the far corner is the last vertex and the features vary linearly over a cell.
TEST(Multigrid, VertexRuleInterpolatesLinearFunctions) {
  for_each_device([](Stream& s) {
    const MultigridShape shape = multigrid_shape(2, multigrid_preset("params"));
    std::vector<double> table(static_cast<std::size_t>(shape.parameters()), 1e30);  // padding entries must not be read
    for (int l = 0; l < shape.levels; ++l) {
      const MultigridLevel& level = shape.level[l];
      const auto r = level.resolution[0];
      for (std::uint32_t x = 0; x < r; ++x) {
        for (std::uint32_t z = 0; z < r; ++z) {
          const auto at = static_cast<std::size_t>(2 * (level.offset + z + r * x));
          table[at] = 1 + 2 * z / level.scale[0] - 3 * x / level.scale[1];
          table[at + 1] = -table[at];
        }
      }
    }
    const std::vector<double> zeta = {0, 0, 1, 1, 0, 1, 0.3, 0.9, 1, 0.5, 1.0 / 3, 2.0 / 3};
    const auto dt = to_device(s, table), dx = to_device(s, zeta);
    const Buffer<double> y(s, 6 * 32);
    multigrid_forward(s, MultigridForward<double>{shape, 6, dt.data(), dx.data(), y.data()});
    const auto got = to_host(s, y);
    for (std::size_t p = 0; p < 6; ++p) {
      for (std::size_t k = 0; k < 32; ++k) {
        const double wanted = 1 + 2 * zeta[2 * p] - 3 * zeta[2 * p + 1];
        EXPECT_NEAR(got[p * 32 + k], k % 2 == 0 ? wanted : -wanted, 1e-13);
      }
    }
  });
}

// Factors of a table behind a network: seeds from one reverse sweep.
TEST(Multigrid, FactorsGiveTheGramMatrix) {
  for_each_device([](Stream& s) {
    for (int d = 1; d <= 3; ++d) {
      MultigridOptions o;
      o.base = 4;
      o.growth = 1.7;
      o.levels = 4;
      o.table_size = 64;
      const MultigridShape shape = multigrid_shape(d, o);
      const Index n = 23;
      MlpShape net;
      net.layers = 2;
      net.layer[0] = {shape.n_out(), 11, Activation::tanh, 0};
      net.layer[1] = {11, 1, Activation::identity, 0};
      Tape<double> tape(s);
      const Var table = tape.input({shape.parameters()}, "table"), x = tape.input({n, d}, "x", false);
      const Var theta = tape.input({net.parameters()}, "theta");
      const Var h = tape.apply(std::make_shared<MultigridOp<double>>(shape, n), {table, x});
      const Var y = tape.apply(std::make_shared<MlpOp<double>>(net, n), {theta, h});
      auto zeta = random_normal<double>(n * d, 4);
      for (double& z : zeta) z = 0.5 + 0.2 * z;
      tape.set(table, random_normal<double>(shape.parameters(), 5));
      tape.set(x, zeta);
      tape.set(theta, random_normal<double>(net.parameters(), 6));
      tape.forward();
      const auto terms = chain_factors(s, tape, table, h, y);
      ASSERT_EQ(terms.size(), 4u);
      EXPECT_EQ(terms[0].nonzeros, Index{1} << d);
      expect_equal_grams(gram_of_factors(s, terms), gram_of_rows(s, tape, table, y), 1e-12);
      // The seeded form of a network agrees with its own.
      const auto seeded = chain_factors(s, tape, theta, y, y);
      expect_equal_grams(gram_of_factors(s, seeded), gram_of_factors(s, tape.factors(theta, y)), 1e-14);
      expect_equal_grams(gram_of_factors(s, seeded), gram_of_rows(s, tape, theta, y), 1e-12);
    }
  });
}

// Two hidden layers with a network of several outputs in front: the seed of an inner operation has columns.
TEST(Multigrid, FactorsOfAnInnerNetwork) {
  for_each_device([](Stream& s) {
    const Index n = 17;
    MlpShape inner, outer;
    inner.layers = 2;
    inner.layer[0] = {2, 7, Activation::sine, 3};
    inner.layer[1] = {7, 5, Activation::sine, 2};
    outer.layers = 1;
    outer.layer[0] = {5, 1, Activation::tanh, 0};
    Tape<double> tape(s);
    const Var a = tape.input({inner.parameters()}, "a"), b = tape.input({outer.parameters()}, "b");
    const Var x = tape.input({n, 2}, "x", false);
    const Var v = tape.apply(std::make_shared<MlpOp<double>>(inner, n), {a, x});
    const Var y = tape.apply(std::make_shared<MlpOp<double>>(outer, n), {b, v});
    tape.set(a, random_normal<double>(inner.parameters(), 1));
    tape.set(b, random_normal<double>(outer.parameters(), 2));
    tape.set(x, random_normal<double>(2 * n, 3));
    tape.forward();
    expect_equal_grams(gram_of_factors(s, chain_factors(s, tape, a, v, y)), gram_of_rows(s, tape, a, y), 1e-12);
  });
}

TEST(Fusion, TuckerFactorsGiveTheGramMatrix) {
  for_each_device([](Stream& s) {
    Tape<double> tape(s);
    const Var f1 = tape.input({4, 3}, "f1"), f2 = tape.input({5, 2}, "f2"), core = tape.input({3, 2}, "core");
    const Var y = tape.apply(std::make_shared<TuckerOp<double>>(std::vector<Index>{4, 5}, std::vector<Index>{3, 2}),
                             {f1, f2, core});
    const Var squared = tape.apply(std::make_shared<UnaryOp<double>>(UnaryKind::square), {y});
    tape.set(f1, random_normal<double>(12, 1));
    tape.set(f2, random_normal<double>(10, 2));
    tape.set(core, random_normal<double>(6, 3));
    tape.forward();
    for (const Var x : {f1, f2, core}) {
      expect_equal_grams(gram_of_factors(s, tape.factors(x, y)), gram_of_rows(s, tape, x, y), 1e-13);
      expect_equal_grams(gram_of_factors(s, chain_factors(s, tape, x, y, squared)), gram_of_rows(s, tape, x, squared),
                         1e-13);
    }
  });
}

// The tensor-grid evaluation equals the sum over ranks at each point.
TEST(Fusion, TuckerEqualsThePointwiseSum) {
  for_each_device([](Stream& s) {
    const std::vector<Index> n = {3, 4, 5}, r = {2, 3, 4};
    Tape<double> tape(s);
    std::vector<Var> in;
    std::vector<std::vector<double>> f;
    for (std::size_t m = 0; m < 3; ++m) {
      in.push_back(tape.input({n[m], r[m]}, "f"));
      f.push_back(random_normal<double>(n[m] * r[m], 10 + m));
      tape.set(in.back(), f.back());
    }
    in.push_back(tape.input({24}, "core"));
    const auto c = random_normal<double>(24, 20);
    tape.set(in.back(), c);
    const Var y = tape.apply(std::make_shared<TuckerOp<double>>(n, r), in);
    tape.forward();
    const auto got = tape.get(y);
    for (std::size_t p = 0; p < 60; ++p) {
      const std::size_t i = p / 20, j = p / 5 % 4, k = p % 5;
      double sum = 0;
      for (std::size_t q = 0; q < 24; ++q) {
        sum += c[q] * f[0][i * 2 + q / 12] * f[1][j * 3 + q / 4 % 3] * f[2][k * 4 + q % 4];
      }
      EXPECT_NEAR(got[p], sum, 1e-13);
    }
  });
}

TEST(Fusion, ConcatAndOuterProductValues) {
  for_each_device([](Stream& s) {
    Tape<double> tape(s);
    const Var a = tape.input({2, 2}, "a"), b = tape.input({2, 1}, "b"), factors = tape.input({2}, "factors", false);
    const Var v = tape.apply(
        std::make_shared<ConcatScaleOp<double>>(2, std::vector<Index>{2, 1}, std::vector<double>{0.5, 2}, true),
        {a, b, factors});
    const Var o = tape.apply(std::make_shared<OuterProductOp<double>>(std::vector<Index>{2, 2}, 2), {a, a});
    tape.set(a, {1, 2, 3, 4});
    tape.set(b, {5, 6});
    tape.set(factors, {10, 100});
    tape.forward();
    EXPECT_EQ(tape.get(v), (std::vector<double>{5, 10, 1000, 15, 20, 1200}));
    EXPECT_EQ(tape.get(o), (std::vector<double>{1, 4, 3, 8, 3, 8, 9, 16}));
  });
}

// A value that is not finite must not turn into a finite gradient.
TEST(Multigrid, GradientOfBadSeedsIsBad) {
  for_each_device([](Stream& s) {
    MultigridOptions o;
    o.levels = 1;
    const MultigridShape shape = multigrid_shape(1, o);
    const auto x = to_device(s, std::vector<float>{0.5f, 0.25f});
    for (const float bad : {std::nanf(""), HUGE_VALF}) {
      const auto d_y = to_device(s, std::vector<float>{1, 1, bad, bad});
      const auto d_table = to_device(s, std::vector<float>(static_cast<std::size_t>(shape.parameters()), 0.0f));
      multigrid_vjp(s, MultigridVjp<float>{shape, 2, nullptr, x.data(), d_y.data(), d_table.data(), nullptr});
      int finite = 0;
      for (const float g : to_host(s, d_table)) finite += std::isfinite(g) && g != 0 ? 1 : 0;
      EXPECT_LE(finite, 4);  // at most those of the good point
    }
  });
}

// 1.54 million points in 3-D: workspace of forward and vjp below 100 MB.
TEST(Multigrid, WorkspaceStaysBelow100MB) {
  Stream s{Device{}};
  const Index n = 60 * 160 * 160;
  const MultigridShape shape = multigrid_shape(3, multigrid_preset("params"));
  const auto table = to_device(s, random_normal<float>(shape.parameters(), 1));
  std::vector<float> zeta(static_cast<std::size_t>(3 * n));
  for (std::size_t p = 0; p < static_cast<std::size_t>(n); ++p) {
    zeta[3 * p] = static_cast<float>(p / 25600) / 59.0f;
    zeta[3 * p + 1] = static_cast<float>(p / 160 % 160) / 159.0f;
    zeta[3 * p + 2] = static_cast<float>(p % 160) / 159.0f;
  }
  const auto x = to_device(s, zeta);
  const Buffer<float> y(s, n * shape.n_out()), d_table(s, shape.parameters());
  const Index before = s.arena()->stats().current_bytes;
  s.arena()->reset_peak();
  multigrid_forward(s, MultigridForward<float>{shape, n, table.data(), x.data(), y.data()});
  fill(s, Fill<float>{d_table.data(), 0.0f, d_table.size()});
  multigrid_vjp(s, MultigridVjp<float>{shape, n, table.data(), x.data(), y.data(), d_table.data(), nullptr});
  const Index extra = s.arena()->stats().peak_bytes - before;
  RecordProperty("workspace_bytes", std::to_string(extra));
  EXPECT_LT(extra, Index{100} * 1000 * 1000);
  // P^T P t is not zero and <P t, P t> = <t, P^T P t>.
  const auto values = to_host(s, y), gradient = to_host(s, d_table), t = to_host(s, table);
  double left = 0, right = 0;
  for (const float v : values) left += static_cast<double>(v) * static_cast<double>(v);
  for (std::size_t i = 0; i < t.size(); ++i) right += static_cast<double>(t[i]) * static_cast<double>(gradient[i]);
  EXPECT_NEAR(right / left, 1.0, 1e-5);
}

}  // namespace multigrid_test
}  // namespace terrane
