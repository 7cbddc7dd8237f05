// SPDX-License-Identifier: MIT
// A whole iteration as one graph: field, waves, misfit, adjoint, field vjp, optimizer, running mean.
#include <gtest/gtest.h>

#include "engine/inversion.hpp"
#include "tests/engine/small_problem.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace inversion_recording_test {

struct Outcome {
  std::vector<IterationReport> reports;
  std::vector<double> model, mean;
  bool replays = false;
  std::string why_not;
};

// Two shots of 110 samples: the emulator is slow.
Config short_waves(std::vector<std::string> sets) {
  sets.insert(sets.begin(), {"survey.nt=110", "survey.sources.count=2"});
  return Config::parse(small_waves, "test", sets);
}

Outcome invert(Stream& s, const std::vector<std::string>& sets, Index most) {
  const Config config = short_waves(sets);
  Problem problem = build_problem(config, true);
  problem.observed = simulate<float>(s, problem, problem.true_model, problem.wavelet, 4);
  Inversion<float> inversion(s, config, problem, Log());
  Outcome o;
  while (!inversion.finished()) {
    for (IterationReport& r : inversion.steps(most)) o.reports.push_back(std::move(r));
  }
  o.model = inversion.model();
  o.mean = inversion.result_model();
  o.replays = inversion.replays();
  o.why_not = inversion.why_not_replayed();
  return o;
}

void expect_same(const Outcome& a, const Outcome& b) {
  ASSERT_EQ(a.reports.size(), b.reports.size());
  for (std::size_t k = 0; k < a.reports.size(); ++k) {
    const IterationReport &x = a.reports[k], &y = b.reports[k];
    EXPECT_EQ(x.iteration, y.iteration);
    EXPECT_EQ(x.stage, y.stage);
    EXPECT_EQ(x.phi, y.phi) << k;
    EXPECT_EQ(x.phi_data, y.phi_data) << k;
    EXPECT_EQ(x.phi_model, y.phi_model) << k;
    EXPECT_EQ(x.gradient_norm, y.gradient_norm) << k;
    EXPECT_EQ(x.step_norm, y.step_norm) << k;
    EXPECT_EQ(x.rate_factor, y.rate_factor) << k;
  }
  EXPECT_EQ(a.model, b.model);
  EXPECT_EQ(a.mean, b.mean);
}

const char* const adam_of_seven =
    R"(optimizer={"type":"adam","lr":1e-3,"iterations":7,"average":0.5,"read_every":3,"schedule":{"type":"cosine"}})";

// Blocks of iterations, recorded on a GPU, have the bits of single ones that are run launch by launch.
TEST(InversionRecording, BlocksHaveTheBitsOfSingleIterations) {
  for_each_device([](Stream& s) {
    for (const std::vector<std::string>& sets : std::vector<std::vector<std::string>>{
             {adam_of_seven, R"(field={"type":"siren","width":16,"layers":2})"},
             {adam_of_seven, R"(field={"type":"siren","width":16,"layers":2})", "physics.storage=ring"},
             {adam_of_seven, R"(field={"type":"siren","width":16,"layers":2})", "optimizer.batch_shots=1",
              R"(regularizers=[{"type":"tv","weight":1e-6}])", "bounds={\"min_mps\":2100,\"max_mps\":2900}"},
             {adam_of_seven, R"(field={"type":"ig","branch_width":16,"width":8})"},
             {R"(optimizer={"type":"sgd","lr":2e7,"momentum":0.5,"iterations":7,"read_every":4})"}}) {
      SCOPED_TRACE(sets.back());
      std::vector<std::string> single = sets;
      single.push_back("optimizer.read_every=1");
      const Outcome blocks = invert(s, sets, 100), singles = invert(s, single, 1);
      expect_same(blocks, singles);
      EXPECT_LT(blocks.reports.back().phi, blocks.reports.front().phi);
      EXPECT_EQ(blocks.replays, runs_gpu_code(s)) << blocks.why_not;
      EXPECT_EQ(singles.replays, runs_gpu_code(s)) << singles.why_not;
      if (!runs_gpu_code(s)) continue;
      Stream cpu{Device{}};
      const Outcome want = invert(cpu, sets, 100);
      for (std::size_t k = 0; k < want.reports.size(); ++k) {
        EXPECT_NEAR(blocks.reports[k].phi, want.reports[k].phi, 2e-3 * want.reports[0].phi) << k;
      }
    }
  });
}

// A block ends where a stage ends and where the caller wants to look.
TEST(InversionRecording, BlocksEndWithStagesAndWishes) {
  Stream s{Device{}};
  const Config config = Config::parse(small_waves, "test",
                                      {R"(stages=[{"iterations":6,"lowpass_hz":12},{"iterations":5}])",
                                       "optimizer.iterations=null", "optimizer.read_every=4"});
  Problem problem = build_problem(config, true);
  problem.observed = simulate<float>(s, problem, problem.true_model, problem.wavelet, 4);
  Inversion<float> inversion(s, config, problem, Log());
  std::vector<std::size_t> sizes;
  for (const Index most : {9, 9, 1, 9, 3, 9}) sizes.push_back(inversion.steps(most).size());
  EXPECT_EQ(sizes, (std::vector<std::size_t>{1, 3, 1, 1, 3, 1}));
  EXPECT_EQ(inversion.steps(9).size(), 1U);
  EXPECT_TRUE(inversion.finished());
}

// The evaluations of a line search are recorded, too; what waits for the device is not, and runs as it stands.
TEST(InversionRecording, LineSearchesReplayEvaluations) {
  for_each_device([](Stream& s) {
    const Outcome lbfgs = invert(s, {R"(optimizer={"type":"lbfgs","lr":200,"iterations":4})"}, 1);
    EXPECT_EQ(lbfgs.replays, runs_gpu_code(s)) << lbfgs.why_not;
    EXPECT_LT(lbfgs.reports.back().phi, 0.9 * lbfgs.reports.front().phi);
    const std::vector<std::string> wide{
        "grid.nx=60",          "grid.nz=40", "survey.nt=60", "optimizer.iterations=3", R"(stop={"grow_factor":1e30})",
        "physics.storage=ring"};
    std::vector<std::string> on_disk = wide;
    on_disk.back() = "physics.storage=disk";
    const Outcome outside = invert(s, on_disk, 1), ring = invert(s, wide, 1);
    EXPECT_FALSE(outside.replays);
    EXPECT_EQ(outside.why_not.empty(), !runs_gpu_code(s));
    EXPECT_EQ(outside.model, ring.model);
    EXPECT_EQ(ring.replays, runs_gpu_code(s)) << ring.why_not;
  });
}

// A model that the time step does not stand is found although nobody looks while the recording runs.
TEST(InversionRecording, TooFastModelsAreFoundWhenResultsAreRead) {
  for_each_device([](Stream& s) {
    const Config config = short_waves(
        {R"(optimizer={"type":"adam","lr_mps":1400,"iterations":9,"read_every":4})", R"(stop={"grow_factor":1e9})"});
    Problem problem = build_problem(config, true);
    problem.observed = simulate<float>(s, problem, problem.true_model, problem.wavelet, 4);
    Inversion<float> inversion(s, config, problem, Log());
    std::vector<double> before;
    try {
      while (!inversion.finished()) {
        before = inversion.parameters();
        inversion.steps(100);
      }
      FAIL() << "no model was too fast";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::diverged) << e.what();
      EXPECT_EQ(e.where(), "wave") << e.what();
      EXPECT_GT(inversion.iteration(), 0);
      EXPECT_EQ(inversion.parameters(), before);
    }
  });
}

}  // namespace inversion_recording_test
}  // namespace terrane
