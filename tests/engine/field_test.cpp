// SPDX-License-Identifier: MIT
#include "engine/field.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "autodiff/check.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace {

using Json = nlohmann::ordered_json;

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

TEST(Field, GroupsCoverTheParameters) {
  for (const char* type : {"grid", "siren", "mlp", "fourier"}) {
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
  const auto axis = CoordinateScaling::make(small_grid, false);
  EXPECT_DOUBLE_EQ(axis.origin[0] + axis.step[0] * 11, 1);
  EXPECT_DOUBLE_EQ(axis.origin[1] + axis.step[1] * 16, 1);
  const auto equal = CoordinateScaling::make(small_grid, true);  // 110 m by 320 m
  EXPECT_DOUBLE_EQ(equal.origin[1], -1);
  EXPECT_DOUBLE_EQ(equal.origin[0], -110.0 / 320);
  EXPECT_DOUBLE_EQ(equal.step[0] / small_grid.dz_m, equal.step[1] / small_grid.dx_m);
  const auto line = CoordinateScaling::make({1, 5, 10, 10, 0, 0}, false);
  EXPECT_EQ(line.origin[0] + line.step[0], 0);
  const auto node = CoordinateScaling::make({1, 1, 10, 10, 0, 0}, true);
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

}  // namespace
}  // namespace terrane
