// SPDX-License-Identifier: MIT
// J J^T from factors against the rows of J for every type of field, on every device; blocks, budgets, refusals.
#include "analysis/gram.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "analysis/network_jacobian.hpp"
#include "autodiff/check.hpp"
#include "autodiff/ops/encode_op.hpp"
#include "autodiff/ops/mlp_op.hpp"
#include "engine/field.hpp"
#include "engine/json_value.hpp"
#include "tests/support/devices.hpp"
#include "tests/support/factor_gram.hpp"

namespace terrane {
namespace gram_test {

constexpr Grid2 small_grid{7, 11, 10, 20, 0, 0};

// Half of theta's initial value and half noise, so that no branch is too small to be seen.
template <class T>
struct Recorded {
  Tape<T> tape;
  Var theta, m;
  Recorded(Stream& s, const Field<T>& field) : tape(s) {
    const Grid3& g = field.grid();
    theta = tape.input({field.parameters()}, "theta");
    const Var m0 = tape.input({g.nz, g.nx}, "m0", false);
    m = field.record(tape, theta, m0);
    std::vector<T> start(static_cast<std::size_t>(g.cells()));
    for (std::size_t i = 0; i < start.size(); ++i) start[i] = static_cast<T>(2000 + 3 * static_cast<double>(i));
    std::vector<T> values = field.initial_parameters(start);
    const std::vector<T> noise = random_normal<T>(field.parameters(), 17);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] += T(0.2) * noise[i];
    tape.set(theta, values);
    tape.set(m0, start);
    tape.forward();
  }
};

const char* const field_configs[] = {
    R"({"type": "grid"})",
    R"({"type": "grid", "transform": {"type": "bounded", "min_mps": 1400, "max_mps": 4600}})",
    R"({"type": "siren", "width": 12, "layers": 3, "omega_0": 6})",
    R"({"type": "siren", "width": 9, "layers": 1, "transform": {"type": "bounded-perturb", "min_mps": 1400, "max_mps": 4600}})",
    R"({"type": "mlp", "hidden": [8, 12, 5], "activation": {"type": "leaky-relu", "slope": 0.2},
        "transform": {"type": "scaled-tanh", "scale": 10}})",
    R"({"type": "mlp", "hidden": [9, 5], "activation": "tanh", "transform": {"type": "exp"}})",
    R"({"type": "mlp", "hidden": [9, 5], "activation": "relu"})",
    R"({"type": "mlp", "hidden": [9, 5], "activation": "gelu", "transform": {"type": "log-bounded", "min_mps": 1400, "max_mps": 4600}})",
    R"({"type": "fourier", "width": 8, "layers": 2, "frequencies": 4, "sigma": 2, "activation": "gelu"})",
    R"({"type": "wire", "width": 12, "layers": 2, "omega_0": 3, "scale_0": 1})",
    R"({"type": "low-rank", "width": 9, "ranks": [3, 4], "omega_0": 5})",
    R"({"type": "mpe", "width": 8, "layers": 1, "encoder": {"type": "dense-grid", "levels": 3, "base_resolution": 3}})",
    R"({"type": "mpe", "width": 8, "layers": 1, "encoder": {"type": "hash-grid", "levels": 3, "base_resolution": 9, "table_log2": 5}})",
    R"({"type": "ig", "width": 8, "layers": 1, "activation": "tanh", "branch_width": 10, "omega_0": 5,
        "encoder": {"type": "dense-grid", "levels": 2, "base_resolution": 3, "interpolation": "smoothstep"}})",
    R"({"type": "lrg", "width": 8, "layers": 1, "activation": "tanh", "branch_width": 10, "omega_0": 5,
        "encoder": {"type": "dense-grid", "levels": 2, "base_resolution": 3}})"};

double relative(const std::vector<double>& got, const std::vector<double>& wanted) {
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    error += (got[i] - wanted[i]) * (got[i] - wanted[i]);
    norm += wanted[i] * wanted[i];
  }
  return norm > 0 && std::isfinite(error) ? std::sqrt(error / norm) : 1e300;
}

TEST(FieldGram, FactorsGiveTheGramOfTheRowsForEveryField) {
  for_each_device([](Stream& s) {
    for (const char* text : field_configs) {
      SCOPED_TRACE(text);
      const auto field = Field<double>::make(Json::parse(text), small_grid, 3);
      const Recorded<double> r(s, field);
      const Index n = r.tape.size(r.m);
      const auto got = field_gram(r.tape, r.theta, r.m);
      EXPECT_TRUE(got.factored);
      const std::vector<double> k = to_host(s, got.k);
      expect_equal_grams(k, gram_of_rows(s, r.tape, r.theta, r.m), 1e-12);
      for (Index i = 0; i < n; ++i) {
        for (Index j = 0; j < i; ++j) {
          ASSERT_EQ(k[static_cast<std::size_t>(i * n + j)], k[static_cast<std::size_t>(j * n + i)]);
        }
      }
    }
  });
}

TEST(FieldGram, FloatAgreesWithDouble) {
  Stream s{Device{}};
  for (const char* text : field_configs) {
    SCOPED_TRACE(text);
    const Recorded<float> r(s, Field<float>::make(Json::parse(text), small_grid, 3));
    const Recorded<double> wanted(s, Field<double>::make(Json::parse(text), small_grid, 3));
    const auto got = field_gram(r.tape, r.theta, r.m);
    EXPECT_TRUE(got.factored);
    const std::vector<float> k = to_host(s, got.k);
    const std::vector<double> reference = to_host(s, field_gram(wanted.tape, wanted.theta, wanted.m).k);
    EXPECT_LE(relative({k.begin(), k.end()}, reference), 1e-4);
  }
}

// Blocks that do not divide N, products with other points, the diagonal, and factors of a float network in double.
TEST(FieldGram, BlocksDiagonalAndWidening) {
  for_each_device([](Stream& s) {
    for (const int which : {2, 9, 10, 13}) {
      SCOPED_TRACE(field_configs[which]);
      const auto field = Field<double>::make(Json::parse(field_configs[which]), small_grid, 3);
      const Recorded<double> r(s, field);
      const Index n = r.tape.size(r.m);
      const auto f = field_factors(r.tape, r.theta, r.m);
      ASSERT_TRUE(f.has_value());
      const Buffer<double> whole(s, n * n), blocked(s, n * n);
      gram(s, *f, whole.data());
      gram(s, *f, blocked.data(), 20);
      const std::vector<double> k = to_host(s, whole);
      EXPECT_LE(relative(to_host(s, blocked), k), 1e-14);
      const Buffer<double> part(s, 5 * 30);
      gram_block(s, *f, 3, 5, *f, 40, 30, part.data(), 30);
      const std::vector<double> some = to_host(s, part), diagonal = gram_diagonal(s, *f);
      for (Index i = 0; i < 5; ++i) {
        for (Index j = 0; j < 30; ++j) {
          const double wanted = k[static_cast<std::size_t>((3 + i) * n + 40 + j)];
          EXPECT_NEAR(some[static_cast<std::size_t>(i * 30 + j)], wanted, 1e-13 * std::abs(k[0]));
        }
      }
      for (Index i = 0; i < n; ++i) {
        const auto at = static_cast<std::size_t>(i);
        EXPECT_NEAR(diagonal[at], k[at * static_cast<std::size_t>(n + 1)], 1e-13 * diagonal[at]);
      }
      const Recorded<float> single(s, Field<float>::make(Json::parse(field_configs[which]), small_grid, 3));
      const auto g = field_factors(single.tape, single.theta, single.m);
      ASSERT_TRUE(g.has_value());
      const Buffer<double> wide(s, n * n);
      gram(s, widened(s, *g), wide.data());
      EXPECT_LE(relative(to_host(s, wide), k), 1e-4);
      EXPECT_GT(gram_workspace_bytes(*f), n * 8);
    }
  });
}

TEST(NetworkJacobian, MapFactorsAndRowsAgree) {
  for_each_device([](Stream& s) {
    const MlpShape shape = mlp_shape(3, {7, 6, 4}, Activation::leaky_relu, 0.2);
    const Index n = 29, p = shape.parameters();
    const Buffer<double> theta = to_device(s, random_normal<double>(p, 1)),
                         x = to_device(s, random_normal<double>(3 * n, 2)),
                         slope = to_device(s, random_normal<double>(n, 3));
    for (const double* d : {static_cast<const double*>(nullptr), static_cast<const double*>(slope.data())}) {
      const auto j = network_jacobian(s, shape, theta.data(), n, x.data(), d);
      EXPECT_LE(dot_test(s, j, 5), 1e-12);
      const Buffer<double> k(s, n * n), by_rows(s, n * n), in_blocks(s, n * n);
      gram(s, network_factors(s, shape, theta.data(), n, x.data(), d), k.data());
      gram_by_rows(s, j, by_rows.data());
      gram_by_rows(s, j, in_blocks.data(), 2 * 5 * p * 8);
      const std::vector<double> wanted = to_host(s, by_rows);
      EXPECT_LE(relative(to_host(s, k), wanted), 1e-13);
      EXPECT_LE(relative(to_host(s, in_blocks), wanted), 1e-13);
      const Buffer<double> rows(s, 4 * p), again(s, n);  // rows 6 .. 9 against K's: J row_i
      jacobian_rows(s, j, 6, 4, rows.data());
      j.apply(s, rows.data() + p, again.data());
      const std::vector<double> row(wanted.begin() + 7 * n, wanted.begin() + 8 * n);
      EXPECT_LE(relative(to_host(s, again), row), 1e-13);
    }
  });
}

TEST(FieldGram, RefusesWhatHasNoForm) {
  Stream s{Device{}};
  const MlpShape two = mlp_shape(2, {5}, Activation::tanh, 0, 2);
  const Buffer<double> theta(s, two.parameters()), x(s, 6);
  EXPECT_THROW(network_factors(s, two, theta.data(), 3, x.data()), Error);
  const Recorded<double> r(s, Field<double>::make(Json::parse(field_configs[2]), small_grid, 3));
  const Buffer<double> k(s, 77 * 77);
  try {
    gram_by_rows(s, r.tape.map(r.theta, r.m), k.data(), 100);
    FAIL() << "a budget of 100 bytes was accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::budget);
  }
  // A mean of neighbours mixes samples: the comparison with the sweeps refuses the factors, rows still work.
  Tape<double> tape(s);
  const MlpShape shape = mlp_shape(2, {5}, Activation::tanh, 0);
  const Var p = tape.input({shape.parameters()}, "theta"), points = tape.input({10, 2}, "x", false);
  const Var f = tape.apply(std::make_shared<MlpOp<double>>(shape, 10), {p, points});
  SparseRows mean;
  mean.columns = 10;
  for (Index i = 0; i < 10; ++i) {
    mean.start.push_back(2 * (i + 1));
    for (const Index at : {i, (i + 1) % 10}) {
      mean.column.push_back(at);
      mean.weight.push_back(0.5);
    }
  }
  const Var m = tape.apply(std::make_shared<InterpolateOp<double>>(s, mean), {f});
  tape.set(p, random_normal<double>(shape.parameters(), 1));
  tape.set(points, random_normal<double>(20, 2));
  tape.forward();
  EXPECT_FALSE(field_factors(tape, p, m).has_value());
  const auto got = field_gram(tape, p, m);
  EXPECT_FALSE(got.factored);
  expect_equal_grams(to_host(s, got.k), gram_of_rows(s, tape, p, m), 1e-13);
  // The same parameters in two networks: their products are missing from a sum of terms.
  const Var twice = tape.apply(std::make_shared<MlpOp<double>>(shape, 10), {p, points});
  const Var both = tape.apply(std::make_shared<BinaryOp<double>>(BinaryKind::multiply), {f, twice});
  tape.forward();
  EXPECT_FALSE(field_factors(tape, p, both).has_value());
}

}  // namespace gram_test
}  // namespace terrane
