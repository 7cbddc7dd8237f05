// SPDX-License-Identifier: MIT
#include "engine/inversion.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "analysis/metrics.hpp"
#include "autodiff/check.hpp"
#include "autodiff/ops/gradient_metric.hpp"
#include "engine/simulation.hpp"
#include "tests/engine/small_problem.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace inversion_test {

// A problem with its simulated data.
struct Case {
  explicit Case(const std::vector<std::string>& sets = {}, int threads = 2)
      : config(Config::parse(small_waves, "test", sets)),
        s(Device{}, options(threads)),
        problem(build_problem(config, true)) {
    problem.observed = simulate<float>(s, problem, problem.true_model, problem.wavelet, 4);
  }
  static StreamOptions options(int threads) {
    StreamOptions o;
    o.threads = threads;
    return o;
  }
  Config config;
  Stream s;
  Problem problem;
};

std::vector<double> run(Case& c, double* first = nullptr, double* last = nullptr) {
  Inversion<float> inversion(c.s, c.config, c.problem, Log());
  while (!inversion.finished()) {
    const double phi = inversion.step().phi;
    if (first != nullptr && inversion.iteration() == 1) *first = phi;
    if (last != nullptr) *last = phi;
  }
  return inversion.model();
}

TEST(Inversion, EveryFieldMisfitAndOptimizerLowersTheMisfit) {
  for (const std::vector<std::string>& sets : std::vector<std::vector<std::string>>{
           {},
           {"optimizer={\"type\":\"sgd\",\"lr\":2e7,\"momentum\":0.5,\"iterations\":12}"},
           {"optimizer={\"type\":\"lbfgs\",\"lr\":200,\"iterations\":5}"},
           {"field={\"type\":\"siren\",\"width\":16,\"layers\":2}", "optimizer.lr=1e-3"},
           {"field={\"type\":\"fourier\",\"frequencies\":8,\"sigma\":2,\"width\":16,\"layers\":2}",
            "optimizer.lr=1e-3"},
           {"misfit={\"type\":\"l1\"}"},
           {"misfit={\"type\":\"huber\",\"delta\":0.1}"},
           {"misfit={\"type\":\"envelope\"}"},
           {"misfit={\"type\":\"global-correlation\"}"},
           {"misfit={\"type\":\"l2\",\"normalize\":\"trace\"}"},
           {"regularizers=[{\"type\":\"tv\",\"weight\":1e-6},{\"type\":\"tikhonov\",\"weight\":1e-6}]"},
           {"gradient={\"smooth_m\":15,\"source_taper_m\":30,\"mask_water_depth_m\":20}"},
           {"gradient={\"precondition\":\"illumination\"}"},
           {"bounds={\"min_mps\":2000,\"max_mps\":3000}"}}) {
    Case c(sets);
    double first = 0, last = 0;
    const auto model = run(c, &first, &last);
    SCOPED_TRACE(sets.empty() ? "default" : sets[0]);
    EXPECT_LT(last, 0.9 * first);
    EXPECT_GT(first, 0);
  }
}

TEST(Inversion, MaskKeepsTheWaterAndBoundsHold) {
  Case c({"gradient={\"mask_water_depth_m\":30}", "bounds={\"min_mps\":2150,\"max_mps\":2400}"});
  const auto model = run(c);
  for (std::size_t i = 0; i < model.size(); ++i) {
    if (i < 3 * 26) {
      EXPECT_EQ(model[i], 2200);
    }
    EXPECT_GE(model[i], 2150);
    EXPECT_LE(model[i], 2400);
  }
}

TEST(Inversion, RestoredStateGoesOnBitForBit) {
  for (const std::vector<std::string>& sets : std::vector<std::vector<std::string>>{
           {"optimizer.batch_shots=2"},
           {"stages=[{\"iterations\":4,\"lowpass_hz\":12},{\"iterations\":5,\"optimizer\":{\"lr_mps\":10}}]",
            "optimizer.iterations=null"},
           {"stages=[{\"iterations\":4,\"lowpass_hz\":12},{\"iterations\":5}]", "optimizer.iterations=null"},
           {"optimizer={\"type\":\"lbfgs\",\"lr\":200,\"iterations\":6}"}}) {
    SCOPED_TRACE(sets[0]);
    Case c(sets);
    const auto through = run(c);
    for (const Index stop : {Index{1}, Index{4}, Index{5}}) {
      CheckpointState state;
      {
        Inversion<float> before(c.s, c.config, c.problem, Log());
        for (Index k = 0; k < stop; ++k) before.step();
        state = before.state();
      }
      Inversion<float> after(c.s, c.config, c.problem, Log());
      after.restore(state);
      EXPECT_EQ(after.iteration(), stop);
      while (!after.finished()) after.step();
      EXPECT_EQ(after.model(), through) << "stopped after " << stop;
    }
  }
}

TEST(Inversion, SameBitsForAnyNumberOfThreads) {
  for (const std::vector<std::string>& sets : std::vector<std::vector<std::string>>{
           {"field={\"type\":\"grid\"}"},
           {"field={\"type\":\"siren\",\"width\":24,\"layers\":2}", "optimizer.lr=1e-3"}}) {
    Case one(sets, 1), two(sets, 2);
    EXPECT_EQ(one.problem.observed, two.problem.observed);
    EXPECT_EQ(run(one), run(two)) << sets[0];
  }
}

TEST(Inversion, StorageChoicesGiveTheSameModel) {
  Case all({"physics.storage=all"}), checkpoints({"physics.storage=checkpoint"});
  EXPECT_EQ(run(all), run(checkpoints));
}

TEST(Inversion, DivergenceIsAnErrorThatKeepsTheParameters) {
  Case c({"optimizer.lr_mps=null", "optimizer.lr=400", "stop={\"grow_factor\":1.5}"});
  Inversion<float> inversion(c.s, c.config, c.problem, Log());
  std::vector<double> before;
  try {
    while (!inversion.finished()) {
      before = inversion.parameters();
      inversion.step();
    }
    FAIL() << "did not diverge";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::diverged) << e.what();
    EXPECT_EQ(inversion.parameters(), before);
  }
}

TEST(Inversion, StopsByPatienceAndByMisfit) {
  Case c({"stop={\"misfit_relative\":0.8}", "optimizer.iterations=200"});
  Inversion<float> inversion(c.s, c.config, c.problem, Log());
  while (!inversion.finished()) inversion.step();
  EXPECT_EQ(inversion.stop_reason(), "misfit_relative");
  EXPECT_LT(inversion.iteration(), 200);
}

TEST(GradientMetric, MatchesItsFormula) {
  Stream s{Device{}};
  const Index nz = 4, nx = 5;
  const auto scale = random_normal<double>(nz * nx, 1), bz = random_normal<double>(nz * nz, 2),
             bx = random_normal<double>(nx * nx, 3);
  Tape<double> tape(s);
  const Var x = tape.input({nz, nx}, "x");
  tape.set(x, random_normal<double>(nz * nx, 4));
  const Var y =
      tape.apply(std::make_shared<GradientMetricOp<double>>(s, Shape{nz, nx}, scale, std::vector{bz, bx}), {x});
  tape.forward();
  EXPECT_EQ(tape.get(x), tape.get(y));
  const auto seed = random_normal<double>(nz * nx, 5);
  const Buffer<double> device_seed = to_device(s, seed);
  Sweep<double> sweep(tape);
  tape.backward(sweep, y, device_seed.data());
  const auto got = to_host(s, sweep.cotangent(x), nz * nx);
  for (Index i = 0; i < nz; ++i) {
    for (Index j = 0; j < nx; ++j) {
      double want = 0;
      for (Index k = 0; k < nz; ++k) {
        for (Index l = 0; l < nx; ++l) {
          want += bz[static_cast<std::size_t>(i * nz + k)] * seed[static_cast<std::size_t>(k * nx + l)] *
                  bx[static_cast<std::size_t>(j * nx + l)];
        }
      }
      EXPECT_NEAR(got[static_cast<std::size_t>(i * nx + j)], want * scale[static_cast<std::size_t>(i * nx + j)], 1e-12);
    }
  }
}

}  // namespace inversion_test
}  // namespace terrane
