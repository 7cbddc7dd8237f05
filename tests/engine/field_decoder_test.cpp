// SPDX-License-Identifier: MIT
// The field of a trained decoder: its values against decoding, its derivatives, its axes, errors.
#include <gtest/gtest.h>

#include <cmath>

#include "autodiff/check.hpp"
#include "engine/config.hpp"
#include "engine/diffusion/latent.hpp"
#include "engine/field.hpp"
#include "engine/io/file.hpp"
#include "engine/json_value.hpp"
#include "kernels/kernels.hpp"
#include "kernels/runtime/error.hpp"
#include "tests/support/devices.hpp"
#include "tests/support/test_folder.hpp"

namespace terrane {
namespace field_decoder_test {

class DecoderFieldTest : public FolderTest {
 protected:
  // A network of sines with random weights and codes of five numbers, of which the last repeats the first.
  AutoDecoder decoder(Index models, Index dims = 2) const {
    AutoDecoder d;
    d.shape = {dims, 5, 12, 2, false, 4};
    d.offset_mps = 2800;
    d.scale_mps = 700;
    for (const double v : random_normal<double>(d.shape.parameters(), 3))
      d.parameters.push_back(0.3F * static_cast<float>(v));
    for (Index m = 0; m < models; ++m) {
      const std::vector<double> z = random_normal<double>(4, 20 + static_cast<std::uint64_t>(m));
      for (const double v : z) d.training_codes.push_back(static_cast<float>(0.5 + v));
      d.training_codes.push_back(static_cast<float>(0.5 + z[0]));
    }
    d.statistics = code_statistics(models > 0 ? d.training_codes : std::vector<float>{1, 2, 3, 4, 5, 3, 4, 5, 6, 7}, 5);
    return d;
  }
  std::string file() const { return path("decoder.safetensors"); }
  static std::vector<double> values(Stream& s, const Field<double>& field, const std::vector<double>& theta) {
    Tape<double> tape(s);
    const Var p = tape.input({field.parameters()}, "theta");
    const Var m0 = tape.input({field.grid().nz, field.grid().nx}, "m0", false);
    tape.set(p, theta);
    tape.set(m0, std::vector<double>(static_cast<std::size_t>(field.grid().cells()), 0.0));
    const Var m = field.record(tape, p, m0);
    tape.forward();
    return tape.get(m);
  }
};

const Grid2 grid{9, 14, 50, 50, 0, 0};

TEST_F(DecoderFieldTest, ValuesAreThoseOfDecodedCodes) {
  const AutoDecoder d = decoder(40);
  write_decoder(file(), d);
  for_each_device([&](Stream& s) {
    const auto field = Field<double>::make({{"type", "decoder"}, {"path", dir_}}, grid, 0);
    // Five numbers, one of them a copy of another: four axes.
    ASSERT_EQ(field.parameters(), 4);
    EXPECT_EQ(field.groups()[0].name, "code");
    EXPECT_EQ(field.initial_parameters(), std::vector<double>(4, 0.0));
    DecoderWindow window;
    window.extent = {grid.nz, 1, grid.nx};
    const std::vector<float> expected = decode_models(s, d, d.statistics.mean, window);
    const std::vector<double> got = values(s, field, std::vector<double>(4, 0.0));
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], static_cast<double>(expected[i]), 2e-3) << i;
    // Three deviations from the mean along an axis move the model; both signs lie on either side of it.
    const auto up = values(s, field, {3, 0, 0, 0}), down = values(s, field, {-3, 0, 0, 0});
    double moved = 0;
    for (std::size_t i = 0; i < got.size(); ++i) moved = std::max(moved, std::fabs(up[i] - down[i]));
    EXPECT_GT(moved, 100);
  });
}

TEST_F(DecoderFieldTest, CodesOnAGrid) {
  AutoDecoder d;
  d.shape = {2, 8, 12, 2, false, 4, 2};
  d.offset_mps = 2800;
  d.scale_mps = 700;
  for (const double v : random_normal<double>(d.shape.parameters(), 3)) {
    d.parameters.push_back(0.3F * static_cast<float>(v));
  }
  for (const double v : random_normal<double>(40 * 8, 20)) d.training_codes.push_back(static_cast<float>(v));
  d.statistics = code_statistics(d.training_codes, 8);
  write_decoder(file(), d);
  for_each_device([&](Stream& s) {
    const auto field = Field<double>::make({{"type", "decoder"}, {"path", dir_}}, grid, 0);
    ASSERT_EQ(field.parameters(), 8);
    const auto map = make_decoder_field(file(), 0);
    const std::vector<double> theta = random_normal<double>(8, 4);
    std::vector<float> code = d.statistics.mean;
    for (std::size_t j = 0; j < 8; ++j) {
      for (std::size_t k = 0; k < 8; ++k) code[k] += static_cast<float>(theta[j] * map->directions[j * 8 + k]);
    }
    DecoderWindow window;
    window.extent = {grid.nz, 1, grid.nx};
    const std::vector<float> expected = decode_models(s, d, code, window);
    const std::vector<double> got = values(s, field, theta);
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], static_cast<double>(expected[i]), 5e-3) << i;
  });
}

// The code of a training model, written in principal axes, gives that model; over all of them the unknowns have mean 0
// and deviation 1.
TEST_F(DecoderFieldTest, AxesAreThoseOfTheTrainingCodes) {
  const AutoDecoder d = decoder(40);
  const auto map = [&] {
    write_decoder(file(), d);
    return make_decoder_field(file(), 0);
  }();
  const Index shifts = d.shape.shifts();
  const float* m = d.parameters.data() + d.shape.network_parameters();
  std::vector<double> squares(4, 0.0), gram(16, 0.0);
  for (Index i = 0; i < 4; ++i) {
    for (Index j = 0; j < 4; ++j) {
      for (Index k = 0; k < shifts; ++k) {
        gram[static_cast<std::size_t>(i * 4 + j)] += map->directions[static_cast<std::size_t>(i * shifts + k)] *
                                                     map->directions[static_cast<std::size_t>(j * shifts + k)];
      }
    }
  }
  // The shifts of every training code lie in the span of the directions: the residual of least squares vanishes.
  for (Index model = 0; model < 40; ++model) {
    std::vector<double> target(static_cast<std::size_t>(shifts));
    for (Index k = 0; k < shifts; ++k) {
      double v = -map->mean[static_cast<std::size_t>(k)];
      for (Index i = 0; i < 5; ++i) {
        v += static_cast<double>(d.training_codes[static_cast<std::size_t>(model * 5 + i)]) *
             static_cast<double>(m[i * shifts + k]);
      }
      target[static_cast<std::size_t>(k)] = v;
    }
    std::vector<double> theta(4, 0.0);
    for (int sweep = 0; sweep < 4000; ++sweep) {  // Gauss-Seidel on the normal equations
      for (std::size_t i = 0; i < 4; ++i) {
        double r = 0;
        for (Index k = 0; k < shifts; ++k) {
          r += map->directions[i * static_cast<std::size_t>(shifts) + static_cast<std::size_t>(k)] *
               target[static_cast<std::size_t>(k)];
        }
        for (std::size_t j = 0; j < 4; ++j) {
          if (j != i) r -= gram[i * 4 + j] * theta[j];
        }
        theta[i] = r / gram[i * 4 + i];
      }
    }
    double residual = 0, size = 0;
    for (Index k = 0; k < shifts; ++k) {
      double v = target[static_cast<std::size_t>(k)];
      size += v * v;
      for (std::size_t i = 0; i < 4; ++i) {
        v -= theta[i] * map->directions[i * static_cast<std::size_t>(shifts) + static_cast<std::size_t>(k)];
      }
      residual += v * v;
    }
    EXPECT_LT(residual, 1e-9 * size);
    for (std::size_t i = 0; i < 4; ++i) squares[i] += theta[i] * theta[i] / 39;
  }
  for (const double q : squares) EXPECT_NEAR(q, 1, 1e-5);
}

TEST_F(DecoderFieldTest, Derivatives) {
  for (const Index models : {Index{40}, Index{0}}) {
    write_decoder(file(), decoder(models));
    for_each_device([&](Stream& s) {
      const auto field = Field<double>::make({{"type", "decoder"}, {"path", file()}, {"unknowns", 3}}, grid, 0);
      ASSERT_EQ(field.parameters(), 3);
      Tape<double> tape(s);
      const Var p = tape.input({3}, "theta"), m0 = tape.input({grid.nz, grid.nx}, "m0", false);
      const Var m = field.record(tape, p, m0);
      tape.set(p, std::vector<double>{0.4, -1.1, 0.7});
      tape.set(m0, std::vector<double>(static_cast<std::size_t>(grid.cells()), 0.0));
      tape.forward();
      EXPECT_LE(dot_test(s, tape.map(p, m), 4), 1e-12);
      EXPECT_GE(taylor_test(tape, p, m, 5).slope, 1.9);
      // Positions count too: dF/dx against differences of a decoded finer grid is checked for networks in general.
      EXPECT_EQ(field.output_gradient(s, {0.4, -1.1, 0.7}).size(), static_cast<std::size_t>(2 * grid.cells()));
    });
  }
}

// The unknowns are the noise of a flow: the field decodes what the sampler "euler" makes of the same noise.
TEST_F(DecoderFieldTest, FlowTurnsNoiseIntoCodes) {
  const AutoDecoder d = decoder(40);
  Generator g = latent_prototype(d, code_network(d.shape, {.width = 16, .blocks = 1, .families = 2}));
  g.parameters = g.network.initial_parameters(4);
  g.families = {"flat-vel-a", "curve-vel-a"};
  write_generator(path("generator.safetensors"), g);
  write_decoder(file(), d);
  write_file_atomic(path("generator.json"),
                    R"({"type": "latent-flow", "size": 14, "sampler": "heun", "sampler_steps": 4, "guidance": 1})");
  Json section{
      {"type", "decoder"}, {"path", file()}, {"flow", dir_}, {"flow_steps", 4}, {"flow_family", "curve-vel-a"}};
  // Noise of sample 3 of seed 9: one Euler step of a function that says 0 leaves it as it is.
  Stream cpu{Device{}};
  const DenoiseFunction zero = [](const float*, double, float* y) { std::fill_n(y, 5, 0.0F); };
  const std::vector<float> noise = sample_with(cpu, zero, g.process, {SamplerKind::euler, 1}, 9, 3, 1, 5);
  SampleConditions conditions;
  conditions.family = {1};
  const std::vector<float> code = sample(cpu, g, {SamplerKind::euler, 4}, 9, 3, 1, conditions);
  DecoderWindow window;
  window.extent = {grid.nz, 1, grid.nx};
  const std::vector<float> expected = decode_models(cpu, d, code, window);
  for_each_device([&](Stream& s) {
    const auto field = Field<double>::make(section, grid, 0);
    ASSERT_EQ(field.parameters(), 5);
    const auto got = values(s, field, {noise.begin(), noise.end()});
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], static_cast<double>(expected[i]), 5e-3) << i;
    Tape<double> tape(s);
    const Var p = tape.input({5}, "theta"), m0 = tape.input({grid.nz, grid.nx}, "m0", false);
    const Var m = field.record(tape, p, m0);
    tape.set(p, {noise.begin(), noise.end()});
    tape.set(m0, std::vector<double>(static_cast<std::size_t>(grid.cells()), 0.0));
    tape.forward();
    EXPECT_LE(dot_test(s, tape.map(p, m), 4), 1e-12);
    EXPECT_GE(taylor_test(tape, p, m, 5).slope, 1.9);
  });
  const auto refused = [&](const char* key, const Json& value) {
    Json changed = section;
    changed[key] = value;
    try {
      Field<float>::make(changed, grid, 0);
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("accepted");
  };
  EXPECT_NE(refused("unknowns", 3).find("needs all numbers"), std::string::npos);
  EXPECT_NE(refused("flow_family", "style-a").find("style-a"), std::string::npos);
  AutoDecoder other = d;
  other.parameters[0] += 1;
  write_decoder(path("other.safetensors"), other);
  EXPECT_NE(refused("path", path("other.safetensors")).find("another decoder"), std::string::npos);
}

TEST_F(DecoderFieldTest, Errors) {
  const auto refused = [&](const Json& field) {
    try {
      Field<float>::make(field, grid, 0);
    } catch (const Error& e) {
      return std::to_string(static_cast<int>(e.code())) + " " + e.what();
    }
    return std::string("accepted");
  };
  EXPECT_EQ(refused({{"type", "decoder"}, {"path", file()}}).rfind("3 ", 0), 0U);
  write_decoder(file(), decoder(40));
  EXPECT_NE(refused({{"type", "decoder"}, {"path", file()}, {"unknowns", 5}}).find("have 4 independent numbers"),
            std::string::npos);
  const auto config = [&](const std::string& more) {
    const std::string text = R"({"task": "invert", "physics": "acoustic", "true_model": "generated",
      "grid": {"nz": 20, "nx": 20, "dz_m": 10, "dx_m": 10},
      "survey": {"nt": 10, "dt_s": 0.001, "wavelet": {"type": "ricker", "frequency_hz": 15},
                 "sources": {"type": "line", "x_m": 0, "z_m": 0, "count": 1}, "receivers": {"type": "grid-row", "z_m": 0}},
      "data": "synthetic", "misfit": "l2", "optimizer": "adam",
      "field": {"type": "decoder", "path": ")" +
                             dir_ + "\"" + more + R"(}, "start_model": {"type": "constant", "value_mps": 2500}})";
    return Config::parse(text, "test");
  };
  // Codes begin near the start model, and move by tenths of a deviation.
  EXPECT_EQ(config("").json().at("field").at("prefit").at("iterations"), 300);
  EXPECT_EQ(config("").json().at("optimizer").at("lr"), 0.03);
  EXPECT_EQ(config("").json().at("field").at("path"), file());  // of the directory
  EXPECT_THROW(config(R"(, "transform": {"type": "perturb"})"), Error);
  EXPECT_THROW(config(R"(, "property": "slowness")"), Error);
  write_decoder(file(), decoder(40, 3));
  EXPECT_NE(refused({{"type", "decoder"}, {"path", file()}}).find("makes volumes"), std::string::npos);
}

}  // namespace field_decoder_test
}  // namespace terrane
