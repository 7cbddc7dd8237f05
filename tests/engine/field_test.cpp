// SPDX-License-Identifier: MIT
#include "engine/field.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "autodiff/check.hpp"
#include "engine/json_value.hpp"
#include "kernels/encode/multigrid_shape.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace field_test {

const Grid2 small_grid{12, 17, 10, 20, 0, 0};
const Grid2 large_grid{94, 288, 15, 15, 0, 0};

double rms(const std::vector<double>& v) {
  double sum = 0;
  for (const double x : v) sum += x * x;
  return std::sqrt(sum / static_cast<double>(v.size()));
}

template <class T>
std::vector<T> start_model(const Grid2& g) {
  std::vector<T> m(static_cast<std::size_t>(g.cells()));
  for (std::size_t i = 0; i < m.size(); ++i)
    m[i] = static_cast<T>(2000 + 1500 * static_cast<double>(i) / static_cast<double>(m.size()));
  return m;
}

// The model that the field shows for `theta`.
template <class T>
std::vector<T> model_of(Stream& s, const Field<T>& field, const std::vector<T>& theta, const std::vector<T>& m0) {
  Tape<T> tape(s);
  const Var p = tape.input({field.parameters()}, "theta");
  const Var start = tape.input({field.grid().nz, field.grid().nx}, "m0", false);
  const Var m = field.record(tape, p, start);
  tape.set(p, theta);
  tape.set(start, m0);
  tape.forward();
  EXPECT_EQ(tape.shape(m), (Shape{field.grid().nz, field.grid().nx}));
  return tape.get(m);
}

TEST(Field, ParameterCounts) {
  const std::vector<Index> hidden(4, 128);
  EXPECT_EQ(siren_shape(1, hidden, {30}).parameters(), 49921);
  EXPECT_EQ(siren_shape(2, hidden, {30}).parameters(), 50049);
  EXPECT_EQ(siren_shape(3, hidden, {30}).parameters(), 50177);
  EXPECT_EQ(Field<float>::make({{"type", "siren"}}, large_grid, 0).parameters(), 50049);
  EXPECT_EQ(Field<float>::make({{"type", "grid"}}, large_grid, 0).parameters(), 27072);
  const auto fourier = Field<float>::make({{"type", "fourier"}}, large_grid, 0);
  EXPECT_EQ(fourier.parameters(), 49665);
  EXPECT_EQ(fourier.frequencies().size(), 128u);
  EXPECT_EQ(fourier.network().layers, 4);
  const auto deep = Field<float>::make({{"type", "siren"}, {"width", 512}, {"layers", 5}}, large_grid, 0);
  EXPECT_EQ(deep.parameters(), 3 * 512 + 4 * (512 * 512 + 512) + 512 + 1);
  const Json list = {{"type", "mlp"}, {"hidden", {8, 4, 6}}, {"activation", {{"type", "leaky-relu"}, {"slope", 0.2}}}};
  EXPECT_EQ(Field<float>::make(list, large_grid, 0).parameters(), 8 * 2 + 8 + 4 * 8 + 4 + 6 * 4 + 6 + 6 + 1);
}

// Counts printed in arXiv 2603.22362 (94.00, 50.05, 60.63, 77.91, 14.26, 39.34 thousand) and those that follow from the
// definitions.
TEST(Field, PublishedParameterCounts) {
  struct Row {
    const char* field;
    Grid2 grid;
    Index parameters, published;
  };
  const Grid2 marmousi{94, 288, 15, 15}, bp{188, 500, 10, 10}, salt{75, 250, 10, 10}, overthrust{94, 401, 15, 15};
  const Row rows[] = {
      {R"({"type": "grid"})", bp, 94000, 94000},
      {R"({"type": "grid"})", salt, 18750, 18750},
      {R"({"type": "grid"})", overthrust, 37694, 37694},
      {R"({"type": "siren"})", bp, 50049, 50049},
      {R"({"type": "wire"})", bp, 120839, 60631},
      {R"({"type": "low-rank"})", bp, 101412, 77912},
      {R"({"type": "low-rank"})", marmousi, 64943, 58175},
      {R"({"type": "low-rank"})", salt, 59059, 54434},
      {R"({"type": "low-rank"})", overthrust, 74799, 65399},
      {R"({"type": "mpe"})", bp, 14257, 14257},
      {R"({"type": "mlp", "width": 64, "layers": 2, "encoder": {"type": "dense-grid"}})", bp, 14257, 14257},
      {R"({"type": "mpe", "encoder": {"type": "dense-grid", "preset": "text"}})", bp, 191889, 191889},
      {R"({"type": "ig"})", bp, 39345, 39345},
      {R"({"type": "ig", "encoder": {"type": "dense-grid", "preset": "text"}})", bp, 216977, 216977},
      {R"({"type": "ig", "encoder": {"type": "hash-grid", "table_log2": 19}})", bp, 39345, 39345},
      {R"({"type": "lrg"})", bp, 55985, 55985},
  };
  for (const Row& row : rows) {
    const auto field = Field<float>::make(Json::parse(row.field), row.grid, 0);
    EXPECT_EQ(field.parameters(), row.parameters) << row.field;
    EXPECT_EQ(field.published_parameters(), row.published) << row.field;
  }
}

// In one and three dimensions the networks are shapes without an engine grid.
TEST(Field, CountsInOneAndThreeDimensions) {
  const auto table = [](int d) { return multigrid_shape(d, multigrid_preset("params")).parameters(); };
  EXPECT_EQ(table(1), 608);
  EXPECT_EQ(table(2), 7920);
  EXPECT_EQ(table(3), 128992);
  const Index mpe = mlp_shape(32, {64, 64}, Activation::relu, 0).parameters();
  const Index joined = mlp_shape(160, {64, 64}, Activation::relu, 0).parameters();
  EXPECT_EQ(mpe, 6337);
  EXPECT_EQ(joined, 14529);
  const Index inr[] = {sine_features_shape(1, {128, 128}, 30).parameters(),
                       sine_features_shape(2, {128, 128}, 30).parameters(),
                       sine_features_shape(3, {128, 128}, 30).parameters()};
  EXPECT_EQ(table(1) + mpe, 6945);
  EXPECT_EQ(table(3) + mpe, 135329);
  EXPECT_EQ(table(1) + inr[0] + joined, 31905);
  EXPECT_EQ(table(2) + inr[1] + joined, 39345);
  EXPECT_EQ(table(3) + inr[2] + joined, 160545);
  const GaborShape wire3{3, 141, 1, 4, 5, 5, 5};
  EXPECT_EQ(wire3.parameters(), 120980);
  EXPECT_EQ(wire3.complex_parameters(), 60772);
  Index low_rank3 = 30 * 80 * 80;
  for (const Index r : {30, 80, 80}) low_rank3 += siren_shape(1, {128, 128}, {30}, r).parameters();
  EXPECT_EQ(low_rank3, 266814);
}

// alpha on the grid or on the other branch: equal at one half, swapped under alpha -> 1 - alpha; alpha = 1 on the grid
// leaves the other branch without a gradient.
TEST(Field, AlphaBelongsToOneBranch) {
  Stream s(Device{DeviceKind::cpu, 0});
  const auto model = [&](double alpha, const char* on) {
    const Json config{{"type", "ig"}, {"branch_width", 16}, {"width", 8}, {"alpha", alpha}, {"alpha_on", on}};
    const auto field = Field<double>::make(config, small_grid, 5);
    const auto m0 = start_model<double>(small_grid);
    return model_of(s, field, field.initial_parameters(m0), m0);
  };
  EXPECT_EQ(model(0.5, "grid"), model(0.5, "inr"));
  const auto a = model(0.2, "grid"), b = model(0.8, "inr");
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-9);

  const auto field =
      Field<double>::make({{"type", "ig"}, {"branch_width", 16}, {"width", 8}, {"alpha", 1.0}}, small_grid, 5);
  Tape<double> tape(s);
  const Var theta = tape.input({field.parameters()}, "theta");
  const Var m0 = tape.input({small_grid.nz, small_grid.nx}, "m0", false);
  const auto start = start_model<double>(small_grid);
  tape.set(theta, field.initial_parameters(start));
  tape.set(m0, start);
  const Var m = field.record(tape, theta, m0);
  tape.forward();
  Sweep<double> sweep(tape);
  tape.backward(sweep, m);
  const auto gradient = to_host(s, sweep.cotangent(theta), field.parameters());
  for (const ParameterGroup& g : field.groups()) {
    double sum = 0;
    for (Index i = g.offset; i < g.offset + g.size; ++i) sum += std::abs(gradient[static_cast<std::size_t>(i)]);
    if (g.name == "inr") {
      EXPECT_EQ(sum, 0) << g.name;
    } else {
      EXPECT_GT(sum, 0) << g.name;
    }
  }
}

// Features of both branches have unit RMS before their share is applied, whatever the initial table.
TEST(Field, FeaturesAreNormalised) {
  Stream s(Device{DeviceKind::cpu, 0});
  for (const double init : {1e-4, 0.1}) {
    const Json config{{"type", "ig"}, {"encoder", {{"type", "dense-grid"}, {"init", init}}}};
    const auto rms = Field<double>::make(config, small_grid, 5).feature_rms(s);
    EXPECT_GT(rms[0], 0.2 * init);
    EXPECT_LT(rms[0], 0.6 * init);  // uniform values of RMS init / sqrt(3), averaged over corners
    EXPECT_NEAR(rms[1], 0.7, 0.1);
  }
  const Json off{{"type", "ig"}, {"normalize", false}};
  EXPECT_EQ(Field<double>::make(off, small_grid, 5).feature_rms(s), (std::array<double, 2>{1, 1}));
}

// More points than one chunk: F comes in pieces with the same values and the same gradient.
TEST(Field, ChunksGiveTheSameModelAndGradient) {
  Stream s(Device{DeviceKind::cpu, 0});
  const Grid2 grid{361, 190, 10, 10};  // the last chunk of rows overlaps the one before
  for (const char* text : {R"({"type": "ig", "branch_width": 20, "activation": "tanh"})",
                           R"({"type": "lrg", "branch_width": 12, "activation": "tanh"})",
                           R"({"type": "fourier", "width": 8, "frequencies": 60, "activation": "tanh"})"}) {
    const auto field = Field<float>::make(Json::parse(text), grid, 2);
    const auto m0 = start_model<float>(grid);
    const auto theta0 = field.initial_parameters(m0);
    const auto m = model_of(s, field, theta0, m0);
    // In double the features take twice the memory, so that field is evaluated in chunks, and this one at once.
    const auto reference_field = Field<double>::make(Json::parse(text), grid, 2);
    const auto reference = model_of(s, reference_field, std::vector<double>(theta0.begin(), theta0.end()),
                                    std::vector<double>(m0.begin(), m0.end()));
    double worst = 0;
    for (std::size_t i = 0; i < m.size(); ++i) {
      worst = std::max(worst, std::abs(static_cast<double>(m[i]) - reference[i]));
    }
    EXPECT_LT(worst, 0.05) << text;
    // d/dtheta of <w, m> along a direction, against the difference quotient in double
    Tape<double> tape(s);
    const Var theta = tape.input({field.parameters()}, "theta");
    const Var start = tape.input({grid.nz, grid.nx}, "m0", false);
    const std::vector<double> x(theta0.begin(), theta0.end());
    tape.set(theta, x);
    tape.set(start, std::vector<double>(m0.begin(), m0.end()));
    const Var out = reference_field.record(tape, theta, start);
    tape.forward();
    Sweep<double> sweep(tape);
    tape.backward(sweep, out);
    const auto gradient = to_host(s, sweep.cotangent(theta), field.parameters());
    const auto direction = random_normal<double>(field.parameters(), 7);
    double along = 0;
    for (std::size_t i = 0; i < gradient.size(); ++i) along += gradient[i] * direction[i];
    const auto total = [&](double h) {
      std::vector<double> moved = x;
      for (std::size_t i = 0; i < moved.size(); ++i) moved[i] += h * direction[i];
      double sum = 0;
      for (const double v : model_of(s, reference_field, moved, std::vector<double>(m0.begin(), m0.end()))) sum += v;
      return sum;
    };
    const double h = 1e-6, quotient = (total(h) - total(-h)) / (2 * h);
    EXPECT_NEAR(along, quotient, 1e-5 * std::abs(quotient) + 1e-3) << text;
  }
}

// 1.54 million points: forward and reverse mode take less than 100 MB beyond the parameters, whatever the width.
TEST(Field, LargeModelsFitIntoMemory) {
  const Grid2 grid{1240, 1240, 10, 10};
  for (const char* text :
       {R"({"type": "siren", "width": 16, "layers": 2})", R"({"type": "low-rank", "width": 16, "ranks": [16, 16]})",
        R"({"type": "ig", "width": 8, "branch_width": 16, "branch_layers": 1})"}) {
    Stream s(Device{DeviceKind::cpu, 0});
    const auto field = Field<float>::make(Json::parse(text), grid, 1);
    Tape<float> tape(s);
    const Var theta = tape.input({field.parameters()}, "theta");
    const Var m0 = tape.input({grid.nz, grid.nx}, "m0", false);
    const auto start = start_model<float>(grid);
    tape.set(theta, field.initial_parameters(start));
    tape.set(m0, start);
    const Index before = s.arena()->stats().current_bytes;
    const Var m = field.record(tape, theta, m0);
    tape.forward();
    Sweep<float> sweep(tape);
    tape.backward(sweep, m);
    EXPECT_NE(sweep.cotangent(theta), nullptr);
    const Index parameters = field.parameters() * Index{sizeof(float)};
    EXPECT_LT(s.arena()->stats().peak_bytes - before - 8 * parameters, Index{100} << 20) << text;
  }
}

// Per metre, against differences of a field whose grid is finer around the same nodes.
TEST(Field, OutputGradientIsTheSlopeOfTheField) {
  Stream s(Device{DeviceKind::cpu, 0});
  const Grid2 coarse{9, 11, 20, 30}, fine{8 * 64 + 1, 10 * 64 + 1, 20.0 / 64, 30.0 / 64};
  for (
      const char* text :
      {R"({"type": "siren", "width": 12, "layers": 2, "omega_0": 6})",
       R"({"type": "wire", "width": 12, "layers": 1, "omega_0": 3, "scale_0": 1})",
       R"({"type": "fourier", "width": 8, "layers": 1, "frequencies": 4, "sigma": 1, "activation": "tanh"})",
       R"({"type": "low-rank", "width": 9, "ranks": [3, 4], "omega_0": 5})",
       R"({"type": "ig", "width": 8, "layers": 1, "activation": "tanh", "branch_width": 10, "omega_0": 5, "normalize": false,
            "encoder": {"type": "dense-grid", "levels": 2, "base_resolution": 3, "interpolation": "smoothstep"}})",
       R"({"type": "lrg", "width": 8, "layers": 1, "activation": "tanh", "branch_width": 10, "omega_0": 5, "normalize": false,
            "encoder": {"type": "dense-grid", "levels": 2, "base_resolution": 3, "interpolation": "smoothstep"}})"}) {
    Json config = Json::parse(text);
    config["transform"] = {{"type", "identity"}};
    const auto field = Field<double>::make(config, coarse, 4), dense = Field<double>::make(config, fine, 4);
    const auto theta = field.initial_parameters();
    const auto gradient = field.output_gradient(s, theta);
    const std::vector<double> zero(static_cast<std::size_t>(fine.cells()), 0.0);
    const auto f = model_of(s, dense, theta, zero);
    const auto at = [&](Index z, Index x) { return f[static_cast<std::size_t>(z * fine.nx + x)]; };
    double largest = 0;
    for (const double g : gradient) largest = std::max(largest, std::abs(g));
    for (Index z = 1; z + 1 < coarse.nz; ++z) {
      for (Index x = 1; x + 1 < coarse.nx; ++x) {
        const double dz = (at(64 * z + 1, 64 * x) - at(64 * z - 1, 64 * x)) / (2 * fine.dz_m);
        const double dx = (at(64 * z, 64 * x + 1) - at(64 * z, 64 * x - 1)) / (2 * fine.dx_m);
        const auto k = static_cast<std::size_t>(z * coarse.nx + x);
        EXPECT_NEAR(gradient[k], dz, 5e-3 * largest) << text << " " << z << " " << x;
        EXPECT_NEAR(gradient[static_cast<std::size_t>(coarse.cells()) + k], dx, 5e-3 * largest) << text;
      }
    }
  }
}

// One row or column leaves one coordinate.
TEST(Field, LowRankNeedsTwoAxes) {
  for (const char* type : {"low-rank", "lrg"}) {
    for (const Grid2& g : {Grid2{9, 1, 10, 10, 0, 0}, Grid2{1, 9, 10, 10, 0, 0}}) {
      try {
        Field<double>::make({{"type", type}}, g, 1);
        FAIL() << type;
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), ErrorCode::config);
        EXPECT_NE(e.message().find("two coordinates"), std::string::npos) << e.message();
      }
    }
  }
}

// The rank of a low-rank field is at most the smaller rank of its core.
TEST(Field, LowRankFieldHasItsRank) {
  Stream s(Device{DeviceKind::cpu, 0});
  const Json config{{"type", "low-rank"}, {"width", 16}, {"ranks", {2, 5}}, {"transform", {{"type", "identity"}}}};
  const auto field = Field<double>::make(config, small_grid, 4);
  const auto theta = field.initial_parameters();
  auto m = model_of(s, field, theta, std::vector<double>(static_cast<std::size_t>(small_grid.cells()), 0.0));
  // Gram-Schmidt over the rows leaves two of them.
  int rank = 0;
  const double scale = rms(m);
  for (Index pass = 0; pass < small_grid.nz; ++pass) {
    double best = 0;
    Index pivot = 0;
    for (Index z = 0; z < small_grid.nz; ++z) {
      double sum = 0;
      for (Index x = 0; x < small_grid.nx; ++x) {
        const double v = m[static_cast<std::size_t>(z * small_grid.nx + x)];
        sum += v * v;
      }
      if (sum > best) best = sum, pivot = z;
    }
    if (std::sqrt(best) < 1e-10 * scale) break;
    ++rank;
    std::vector<double> row(m.begin() + pivot * small_grid.nx, m.begin() + (pivot + 1) * small_grid.nx);
    for (Index z = 0; z < small_grid.nz; ++z) {
      double dot = 0;
      for (Index x = 0; x < small_grid.nx; ++x) {
        dot += m[static_cast<std::size_t>(z * small_grid.nx + x)] * row[static_cast<std::size_t>(x)];
      }
      for (Index x = 0; x < small_grid.nx; ++x) {
        m[static_cast<std::size_t>(z * small_grid.nx + x)] -= dot / best * row[static_cast<std::size_t>(x)];
      }
    }
  }
  EXPECT_EQ(rank, 2);
}

TEST(Field, GroupsCoverTheParameters) {
  for (const char* type : {"grid", "siren", "mlp", "fourier", "wire", "low-rank", "mpe", "ig", "lrg", "fusion"}) {
    const auto field = Field<float>::make({{"type", type}}, small_grid, 0);
    Index at = 0;
    for (const ParameterGroup& g : field.groups()) {
      EXPECT_EQ(g.offset, at) << type << " " << g.name;
      at += g.size;
    }
    EXPECT_EQ(at, field.parameters()) << type;
  }
}

TEST(Field, SirenInitialisation) {
  const Json config = {{"type", "siren"}, {"transform", {{"type", "bounded"}, {"min_mps", 1400}, {"max_mps", 4600}}}};
  const auto field = Field<double>::make(config, small_grid, 3);
  const auto theta = field.initial_parameters();
  const double hidden = std::sqrt(6.0 / 128) / 30, bias = 1 / std::sqrt(128.0);
  const MlpShape& net = field.network();
  for (int l = 0; l < net.layers; ++l) {
    const MlpLayer& layer = net.layer[l];
    const Index first = net.offset(l), weights = layer.n_in * layer.n_out;
    const double w = l == 0 ? 0.5 : hidden, b = l == 0 ? 1 / std::sqrt(2.0) : bias;
    double largest_w = 0, largest_b = 0, mean = 0;
    for (Index i = 0; i < layer.parameters(); ++i) {
      const double v = theta[static_cast<std::size_t>(first + i)];
      (i < weights ? largest_w : largest_b) = std::max(i < weights ? largest_w : largest_b, std::abs(v));
      if (i < weights) mean += v / static_cast<double>(weights);
    }
    EXPECT_LE(largest_w, w) << l;
    EXPECT_GE(largest_w, 0.9 * w) << l;
    EXPECT_LE(largest_b, b) << l;
    EXPECT_LE(std::abs(mean), 4 * w / std::sqrt(3.0 * static_cast<double>(weights))) << l;
  }
  EXPECT_EQ(theta, Field<double>::make(config, small_grid, 3).initial_parameters());
  EXPECT_NE(theta, Field<double>::make(config, small_grid, 4).initial_parameters());
  Json own = config;
  own["seed"] = 3;
  EXPECT_EQ(theta, Field<double>::make(own, small_grid, 99).initial_parameters());
  own["final_init"] = "framework";
  const auto framework = Field<double>::make(own, small_grid, 0).initial_parameters();
  const auto head = static_cast<std::size_t>(net.offset(net.layers - 1));
  double largest = 0;
  for (std::size_t i = head; i < head + 128; ++i) largest = std::max(largest, std::abs(framework[i]));
  EXPECT_GT(largest, 0.9 * bias);
  EXPECT_LE(largest, bias);
}

// A low-rank field starts at an RMS of 1e-2 with last layers of either size, up to the scatter of one draw.
TEST(Field, LowRankStartsSmall) {
  Stream s(Device{DeviceKind::cpu, 0});
  for (const char* last : {"siren", "framework"}) {
    double square = 0;
    for (const int seed : {1, 2, 3, 4, 5}) {
      const Json config{{"type", "low-rank"}, {"final_init", last}, {"transform", {{"type", "identity"}}}};
      const auto field = Field<double>::make(config, small_grid, static_cast<std::uint64_t>(seed));
      const auto m = model_of(s, field, field.initial_parameters(),
                              std::vector<double>(static_cast<std::size_t>(small_grid.cells()), 0.0));
      square += rms(m) * rms(m) / 5;
    }
    EXPECT_TRUE(std::sqrt(square) > 0.006 && std::sqrt(square) < 0.016) << last << " " << std::sqrt(square);
  }
}

// The variance of the pre-activations omega z keeps its size through the hidden layers.
TEST(Field, SirenVarianceDoesNotDependOnDepth) {
  const auto field = Field<double>::make({{"type", "siren"}, {"width", 128}, {"layers", 8}}, small_grid, 1);
  const auto theta = field.initial_parameters();
  const MlpShape& net = field.network();
  std::vector<double> variance;
  const int points = 200;
  std::vector<std::vector<double>> a;
  for (int p = 0; p < points; ++p) a.push_back({-1 + 2.0 * p / (points - 1), std::sin(3.0 * p)});
  for (int l = 0; l + 1 < net.layers; ++l) {
    const MlpLayer& layer = net.layer[l];
    const double* w = theta.data() + net.offset(l);
    double sum = 0, squares = 0;
    for (auto& x : a) {
      std::vector<double> y(static_cast<std::size_t>(layer.n_out));
      for (Index o = 0; o < layer.n_out; ++o) {
        double z = w[layer.n_out * layer.n_in + o];
        for (Index i = 0; i < layer.n_in; ++i) z += w[o * layer.n_in + i] * x[static_cast<std::size_t>(i)];
        z *= layer.parameter;
        sum += z;
        squares += z * z;
        y[static_cast<std::size_t>(o)] = std::sin(z);
      }
      x = y;
    }
    const double count = static_cast<double>(points) * static_cast<double>(layer.n_out);
    variance.push_back(squares / count - sum * sum / count / count);
  }
  // weights alone give variance 1; the biases U(+-1/sqrt n) add omega^2 / (3 n) = 2.3
  for (std::size_t l = 1; l < variance.size(); ++l) {
    EXPECT_GT(variance[l], 2.3) << l;
    EXPECT_LT(variance[l], 4.6) << l;
    EXPECT_NEAR(variance[l] / variance[1], 1, 0.35) << l;
  }
}

TEST(Field, PerturbStartsNearTheStartModel) {
  Stream s(Device::parse("cpu"));
  const auto m0 = start_model<double>(large_grid);
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto field = Field<double>::make({{"type", "siren"}, {"transform", {{"type", "perturb"}}}}, large_grid, seed);
    auto m = model_of(s, field, field.initial_parameters(), m0);
    for (std::size_t i = 0; i < m.size(); ++i) m[i] -= m0[i];
    EXPECT_GT(rms(m), 0.015 * 1000) << seed;
    EXPECT_LT(rms(m), 0.070 * 1000) << seed;
  }
}

TEST(Field, ConstantStartKeepsTheScale) {
  Stream s(Device::parse("cpu"));
  const auto field = Field<double>::make({{"type", "siren"}}, small_grid, 0);
  const std::vector<double> m0(static_cast<std::size_t>(small_grid.cells()), 2500);
  auto m = model_of(s, field, field.initial_parameters(), m0);
  for (double& v : m) v -= 2500;
  EXPECT_GT(rms(m), 5);
}

// A grid shows its start model for every map that can.
TEST(Field, GridStartsAtTheStartModel) {
  Stream s(Device::parse("cpu"));
  const auto m0 = start_model<double>(small_grid);
  const std::vector<Json> maps = {
      {{"type", "identity"}},
      {{"type", "perturb"}, {"scale_mps", 500}},
      {{"type", "affine"}, {"center_mps", 3000}},
      {{"type", "exp"}},
      {{"type", "bounded"}, {"min_mps", 1400}, {"max_mps", 4600}},
      {{"type", "bounded-perturb"}, {"min_mps", 1400}, {"max_mps", 4600}},
      {{"type", "log-bounded"}, {"min_mps", 1400}, {"max_mps", 4600}},
      {{"type", "scaled-tanh"}, {"scale", 4600}},
      {{"type", "scaled-sigmoid"}, {"scale", 4600}},
  };
  for (const Json& map : maps) {
    const auto field = Field<double>::make({{"type", "grid"}, {"transform", map}}, small_grid, 0);
    auto m = model_of(s, field, field.initial_parameters(m0), m0);
    for (std::size_t i = 0; i < m.size(); ++i) m[i] -= m0[i];
    EXPECT_LE(rms(m), 1e-8) << map.dump();
  }
  const auto field = Field<double>::make({{"type", "grid"}}, small_grid, 0);
  EXPECT_EQ(field.initial_parameters(m0), m0);
  EXPECT_THROW(field.initial_parameters(), Error);
}

TEST(Field, Coordinates) {
  const auto axis = CoordinateScaling::make(Grid3::of(small_grid), "per-axis");
  EXPECT_DOUBLE_EQ(axis.origin[0] + axis.step[0] * 11, 1);
  EXPECT_DOUBLE_EQ(axis.origin[1] + axis.step[1] * 16, 1);
  const auto equal = CoordinateScaling::make(Grid3::of(small_grid), "isotropic");  // 110 m by 320 m
  EXPECT_DOUBLE_EQ(equal.origin[1], -1);
  EXPECT_DOUBLE_EQ(equal.origin[0], -110.0 / 320);
  EXPECT_DOUBLE_EQ(equal.step[0] / small_grid.dz_m, equal.step[1] / small_grid.dx_m);
  const auto line = CoordinateScaling::make(Grid3::of({1, 5, 10, 10, 0, 0}), "per-axis");
  EXPECT_EQ(line.origin[0] + line.step[0], 0);
  const auto node = CoordinateScaling::make(Grid3::of({1, 1, 10, 10, 0, 0}), "isotropic");
  EXPECT_EQ(node.origin[0], 0);
  EXPECT_EQ(node.origin[1], 0);
}

TEST(Field, DerivativesOfEveryFieldAndMap) {
  const std::vector<Json> fields = {
      {{"type", "grid"}},
      {{"type", "siren"}, {"width", 12}, {"layers", 3}, {"omega_0", 8}},
      {{"type", "siren"},
       {"width", 12},
       {"layers", 2},
       {"omega_0", 8},
       {"omega_hidden", 4},
       {"coordinates", "isotropic"}},
      {{"type", "mlp"}, {"hidden", {9, 5}}, {"activation", {{"type", "tanh"}}}},
      {{"type", "mlp"},
       {"hidden", {9, 5}},
       {"activation", "gelu"},
       {"encoder", {{"type", "fourier"}, {"cycles", {1, 2}}}}},
      {{"type", "fourier"}, {"width", 10}, {"layers", 2}, {"frequencies", 4}, {"sigma", 2}, {"activation", "gelu"}},
  };
  const Json bounds = {{"min_mps", 1400}, {"max_mps", 4600}};
  for_each_device([&](Stream& s) {
    for (const Json& f : fields) {
      for (const char* type : {"identity", "perturb", "bounded", "bounded-perturb", "exp", "log-bounded"}) {
        Json config = f;
        config["transform"] = bounds;
        config["transform"]["type"] = type;
        config["transform"]["scale"] = std::string(type) == "perturb" ? 1000 : 1;
        SCOPED_TRACE(config.dump());
        const auto field = Field<double>::make(config, small_grid, 5);
        Tape<double> tape(s);
        const Var theta = tape.input({field.parameters()}, "theta");
        const Var m0 = tape.input({small_grid.nz, small_grid.nx}, "m0", false);
        const Var m = field.record(tape, theta, m0);
        tape.set(theta, field.initial_parameters(start_model<double>(small_grid)));
        tape.set(m0, start_model<double>(small_grid));
        tape.forward();
        EXPECT_LE(dot_test(s, tape.map(theta, m), 1), 1e-12);
        const TaylorResult r = taylor_test(tape, theta, m, 2, 1e-3);
        EXPECT_TRUE(r.exact || r.slope >= 1.9) << r.slope;
      }
    }
  });
}

TEST(Field, SameModelOnEveryDevice) {
  std::vector<std::vector<double>> models;
  const auto m0 = start_model<double>(small_grid);
  const Json config = {{"type", "fourier"}, {"width", 16}, {"frequencies", 8}};
  for_each_device([&](Stream& s) {
    const auto field = Field<double>::make(config, small_grid, 7);
    models.push_back(model_of(s, field, field.initial_parameters(), m0));
  });
  for (const auto& m : models) {
    for (std::size_t i = 0; i < m.size(); ++i) EXPECT_NEAR(m[i], models[0][i], 1e-9);
  }
}

TEST(Field, MaskKeepsTheStartModel) {
  for_each_device([](Stream& s) {
    const auto field = Field<double>::make({{"type", "siren"}, {"width", 8}, {"layers", 2}}, small_grid, 0);
    Tape<double> tape(s);
    const Shape shape{small_grid.nz, small_grid.nx};
    const Var theta = tape.input({field.parameters()}, "theta"), m0 = tape.input(shape, "m0", false),
              mask = tape.input(shape, "mask", false);
    const Var m = field.record(tape, theta, m0, mask);
    std::vector<double> water(static_cast<std::size_t>(small_grid.cells()), 0.0);
    std::fill_n(water.begin(), 3 * small_grid.nx, 1.0);
    const auto start = start_model<double>(small_grid);
    tape.set(theta, field.initial_parameters());
    tape.set(m0, start);
    tape.set(mask, water);
    tape.forward();
    const auto got = tape.get(m);
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i] == start[i], water[i] == 1.0) << i;
  });
}

TEST(Field, Prefit) {
  Stream s(Device::parse("cpu"));
  const Json config = {{"type", "siren"},
                       {"width", 32},
                       {"layers", 2},
                       {"transform", {{"type", "bounded"}, {"min_mps", 1400}, {"max_mps", 4600}}}};
  const auto field = Field<float>::make(config, small_grid, 0);
  const auto m0 = start_model<float>(small_grid);
  auto theta = field.initial_parameters();
  const PrefitReport r = prefit(s, field, m0, 300, 1e-3, theta);
  EXPECT_GT(r.rms_before, 300);
  EXPECT_LT(r.rms_after, 0.1 * r.rms_before);
  auto m = model_of(s, field, theta, m0);
  std::vector<double> difference;
  for (std::size_t i = 0; i < m.size(); ++i)
    difference.push_back(static_cast<double>(m[i]) - static_cast<double>(m0[i]));
  EXPECT_NEAR(rms(difference), r.rms_after, 1e-3);
}

TEST(Field, MetadataNamesTheArchitecture) {
  const auto m = Field<float>::make({{"type", "fourier"}, {"coordinates", "isotropic"}}, large_grid, 4).metadata();
  EXPECT_EQ(m.at("field.type"), "fourier");
  EXPECT_EQ(m.at("field.parameters"), "49665");
  EXPECT_EQ(m.at("coordinates"), "isotropic");
  EXPECT_EQ(m.at("map.type"), "perturb");
  EXPECT_EQ(m.at("network.layers").rfind("128-128 relu 0", 0), 0u);
  EXPECT_FALSE(m.at("fourier.frequencies").empty());
  EXPECT_EQ(m.at("group.head"), "49536 129");
}

TEST(Field, Errors) {
  const auto message = [](const Json& field) -> std::string {
    try {
      Field<float>::make(field, small_grid, 0);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::config);
      return e.message();
    }
    return "no error";
  };
  EXPECT_EQ(message({{"type", "siren"}}), "no error");
  EXPECT_NE(message({{"type", "spline"}}).find("/field/type"), std::string::npos);
  EXPECT_NE(message({{"type", "siren"}, {"layers", 0}}).find("/field/layers"), std::string::npos);
  EXPECT_NE(message({{"type", "siren"}, {"layers", 99}}).find("/field/layers"), std::string::npos);
  EXPECT_NE(message({{"type", "siren"}, {"coordinates", "miles"}}).find("/field/coordinates"), std::string::npos);
  EXPECT_NE(message({{"type", "siren"}, {"transform", {{"type", "bounded"}}}}).find("/field/transform/min"),
            std::string::npos);
  const Json swapped = {{"type", "bounded"}, {"min_mps", 5000}, {"max_mps", 4600}};
  EXPECT_NE(message({{"type", "siren"}, {"transform", swapped}}).find("/field/transform/max"), std::string::npos);
  EXPECT_NE(message({{"type", "mlp"}, {"activation", "swish"}}).find("/field/activation"), std::string::npos);
}

}  // namespace field_test
}  // namespace terrane
