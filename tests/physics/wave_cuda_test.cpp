// SPDX-License-Identifier: MIT
// The GPU schedules of the 2-D wave (kernels/stencil/wave_stream.cuda.hpp, wave_resident.cuda.hpp) under the emulator,
// each forced: parity with the CPU over orders, boundaries and storage; equal bits; every barrier is needed.
#include <gtest/gtest.h>

#include "physics/wave/wave_work.hpp"
#include "tests/physics/wave_support.hpp"
#include "tests/support/barriers.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace wave_cuda_test {

using Variables = Environment::Values;

struct Schedule {
  std::string name;
  Variables environment;
};

// Little shared memory makes many slabs.
std::vector<Schedule> schedules(bool single) {
  const std::string few = single ? "16000" : "32000";
  return {{"stream", {{"TERRANE_WAVE_SCHEDULE", "stream"}}},
          {"flags", {{"TERRANE_WAVE_SCHEDULE", "flags"}, {"FAKE_NV_SHARED_BYTES", few}}},
          {"cluster", {{"TERRANE_WAVE_SCHEDULE", "cluster"}, {"FAKE_NV_CLUSTERS", "1"}}}};
}

// A grid of at least 64 rows with the layers: clusters of eight slabs. Sources and receivers lie in the layers' reach,
// beside edges of slabs, on and off the grid; the second shot has fewer receivers.
WaveCase slab_case(int order) {
  WaveCase c = small_case();
  c.grid = {61, 45, 10.0, 12.0, 0.0, 0.0};
  c.survey.nt = 25;
  c.survey.shots = {{{{60, 78}, {271.3, 324.6}}, {{24, 20}, {100, 120}, {131.7, 71.3}, {528, 600}, {240.5, 321.7}}},
                    {{{0, 0}, {300.1, 155.3}, {300.1, 235.3}}, {{12, 300}, {0, 0}, {77.77, 393.33}}},
                    {{{528, 600}, {144, 391.9}, {170.2, 467.3}, {401.7, 81.1}}, {{12, 110}}}};
  c.options.order = order;
  c.options.pml = {5, 4, 6, 3};
  c.vp = random_vector(c.grid.cells(), 1, 1500, 3000);
  c.wavelet = ricker(40, c.survey.nt, c.survey.dt_s, 0.015);
  return c;
}

std::vector<std::pair<std::string, WaveCase>> cases() {
  std::vector<std::pair<std::string, WaveCase>> all;
  for (const int order : {2, 4, 8}) {
    WaveCase c = slab_case(order);
    c.options.free_surface = order == 4;
    all.emplace_back("order " + std::to_string(order), c);
  }
  WaveCase c = slab_case(6);
  c.options.storage = Storage::ring;
  c.options.free_surface = true;
  c.grid.nx = 77;
  c.vp.resize(static_cast<std::size_t>(c.grid.cells()), 2100);
  all.emplace_back("order 6, boundary ring, free surface", c);
  c.options.order = 8;
  c.options.free_surface = false;
  all.emplace_back("order 8, boundary ring", c);
  c = slab_case(4);
  c.options.pml = {0, 5, 0, 0};
  c.options.storage = Storage::checkpoint;
  c.options.substeps = 2;
  all.emplace_back("one layer, checkpoints, two sub-steps", c);
  c = slab_case(8);
  c.options.pml = {0, 0, 0, 0};
  c.grid.nz = 70;
  c.vp.resize(static_cast<std::size_t>(c.grid.cells()), 2100);
  c.options.shared_wavelet = false;
  c.wavelet = random_vector(12 * c.survey.nt, 5, -1, 1);
  all.emplace_back("no layers, own wavelets", c);
  return all;
}

template <class T>
void expect_parity(double tolerance, const std::vector<std::pair<std::string, WaveCase>>& some) {
  if (!has_emulator()) GTEST_SKIP() << "the emulated device is not listed";
  for (const auto& [name, c] : some) {
    Stream cpu{Device{}};
    const auto want = products<double>(cpu, c);
    std::vector<Products<T>> results;
    for (const Schedule& schedule : schedules(sizeof(T) == 4)) {
      SCOPED_TRACE(name + ", " + schedule.name);
      const Environment environment(schedule.environment);
      Stream s(Device::parse("emulated"));
      results.push_back(products<T>(s, c));
      const Products<T>& got = results.back();
      EXPECT_LE(relative_difference(got.data, want.data), tolerance);
      EXPECT_LE(relative_difference(got.tangent, want.tangent), tolerance);
      EXPECT_LE(relative_difference(got.gradient.vp, want.gradient.vp), tolerance);
      EXPECT_LE(relative_difference(got.gradient.wavelet, want.gradient.wavelet), tolerance);
      EXPECT_TRUE(same_bits(got.data, results[0].data));
      EXPECT_TRUE(same_bits(got.tangent, results[0].tangent));
    }
  }
}

TEST(WaveCuda, SchedulesAgreeWithTheCpuInDouble) { expect_parity<double>(1e-12, cases()); }
TEST(WaveCuda, SchedulesAgreeWithTheCpuInSingle) {
  const auto all = cases();
  expect_parity<float>(2e-5, {all[1], all[4]});
}

// A run of the same arrays is recorded when it comes the second time, and replayed from then on.
TEST(WaveCuda, LaunchesThatComeAgainAreOneGraph) {
  if (!has_emulator()) GTEST_SKIP() << "the emulated device is not listed";
  const Environment environment(Variables{{"TERRANE_WAVE_SCHEDULE", "stream"}});
  Stream s(Device::parse("emulated"));
  WaveCase c = slab_case(4);
  c.survey.nt = 11;
  c.wavelet.resize(11);
  const AcousticWave<float> op(s, c.grid, c.survey, c.options);
  WaveState<float> state;
  const Buffer<float> vp = to_device(s, cast<float>(c.vp)), wavelet = to_device(s, cast<float>(c.wavelet));
  const Buffer<float> data(s, op.plan().shots * op.plan().receivers * c.survey.nt), d_vp(s, vp.size());
  const std::vector<float> none(c.vp.size(), 0.0f);
  std::vector<float> first_data, first_gradient;
  for (int i = 0; i < 4; ++i) {
    op.forward(s, {}, vp.data(), wavelet.data(), data.data(), true, state);
    copy(s, std::span<const float>(none), d_vp.data());
    op.vjp(s, vp.data(), wavelet.data(), state, data.data(), d_vp.data(), nullptr);
    const auto& entries = state.work->memory->entries;
    ASSERT_EQ(entries.size(), 2u);
    for (const auto& entry : entries) EXPECT_EQ(entry.kept != nullptr, i > 0);
    if (i == 0) first_data = to_host(s, data), first_gradient = to_host(s, d_vp);
    EXPECT_TRUE(same_bits(to_host(s, data), first_data));
    EXPECT_TRUE(same_bits(to_host(s, d_vp), first_gradient));
  }
}

// Which files a run's barriers are in.
bool uses(const WaveCase& c, const std::string& file) {
  return !barriers_met(
              [&] {
                Stream s(Device::parse("emulated"));
                products<float>(s, c);
              },
              file)
              .empty();
}

TEST(WaveCuda, TheDeviceDecidesTheSchedule) {
  if (!has_emulator()) GTEST_SKIP() << "the emulated device is not listed";
  WaveCase c = slab_case(4);
  c.survey.nt = 4;
  c.wavelet.resize(4);
  const std::string resident = "wave_resident.cuda.hpp";
  EXPECT_TRUE(uses(c, resident));
  EXPECT_FALSE(uses(small_case(), "wave3.cuda.cu"));
  {
    const Environment none(Variables{{"FAKE_NV_BLOCKS", "0"}});  // nothing is resident together
    EXPECT_FALSE(uses(c, resident));
  }
  {
    const Environment none(Variables{{"FAKE_NV_SHARED_BYTES", "4000"}});  // a slab of eight rows does not fit
    EXPECT_FALSE(uses(c, resident));
  }
}

// Shots in several launches, more shots than blocks are resident.
TEST(WaveCuda, ShotsInSeveralLaunches) {
  if (!has_emulator()) GTEST_SKIP() << "the emulated device is not listed";
  const WaveCase c = slab_case(4);
  Stream cpu{Device{}};
  const auto want = products<double>(cpu, c);
  const Environment environment(
      Variables{{"TERRANE_WAVE_SCHEDULE", "flags"}, {"FAKE_NV_SHARED_BYTES", "32000"}, {"FAKE_NV_BLOCKS", "4"}});
  Stream s(Device::parse("emulated"));
  const auto got = products<double>(s, c);
  EXPECT_LE(relative_difference(got.data, want.data), 1e-12);
  EXPECT_LE(relative_difference(got.gradient.vp, want.gradient.vp), 1e-12);
}

std::vector<double> numbers(const Schedule& schedule, const WaveCase& c) {
  const Environment environment(schedule.environment);
  Stream s(Device::parse("emulated"));
  WaveRun<float> run(s, c);
  const auto data = run.forward(true);
  const auto gradient = run.vjp(data);
  std::vector<double> all(data.begin(), data.end());
  all.insert(all.end(), gradient.vp.begin(), gradient.vp.end());
  return all;
}

TEST(WaveCuda, EveryBarrierIsNeeded) {
  if (!has_emulator()) GTEST_SKIP() << "the emulated device is not listed";
  WaveCase c = slab_case(4);
  c.survey.nt = 12;
  c.wavelet = random_vector(c.survey.nt, 5, -1, 1);  // every step matters
  WaveCase ring = c;
  ring.options.storage = Storage::ring;
  ring.grid.nx = 77;
  ring.vp.resize(static_cast<std::size_t>(ring.grid.cells()), 2100);
  for (const Schedule& schedule : schedules(true)) {
    SCOPED_TRACE(schedule.name);
    const std::size_t barriers = expect_every_barrier_is_needed("wave_", [&] { return numbers(schedule, c); });
    EXPECT_GE(barriers, schedule.name == "stream" ? 2u : 5u);
    if (schedule.name == "cluster") continue;  // 8 slabs of it hold one field, not two
    expect_every_barrier_is_needed("wave_", [&] { return numbers(schedule, ring); });
  }
}

TEST(WaveCuda, EveryBarrierOfThreeDimensionsIsNeeded) {
  if (!has_emulator()) GTEST_SKIP() << "the emulated device is not listed";
  Wave3Case c = small_case3();
  c.survey.nt = 7;
  c.wavelet = random_vector(c.survey.nt, 5, -1, 1);
  c.options.pml = {0, 0, 0, 0, 0, 0};
  const auto run = [&] {
    Stream s(Device::parse("emulated"));
    const auto p = products<float>(s, c);
    std::vector<double> all(p.data.begin(), p.data.end());
    all.insert(all.end(), p.gradient.vp.begin(), p.gradient.vp.end());
    return all;
  };
  EXPECT_EQ(expect_every_barrier_is_needed("wave3.cuda.cu", run), 2u);
}

}  // namespace wave_cuda_test
}  // namespace terrane
