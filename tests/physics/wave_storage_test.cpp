// SPDX-License-Identifier: MIT
// What the adjoint keeps of the forward run in two and three dimensions: the boundary ring against full storage,
// bfloat16, and the choice by budget.
#include <gtest/gtest.h>

#include "tests/physics/wave_support.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace wave_storage_test {

// Sources and receivers in the core, in the ring (columns 16 to 19 with the layer), beside the layer and on the edges.
WaveCase ring_case(int order = 4) {
  WaveCase c = small_case();
  c.grid = {33, 75, 10, 12, 0, 0};
  c.survey.shots = {{{{60, 30}, {432, 151}}, {{0, 0}, {888, 320}, {431.7, 71.3}}},
                    {{{125.3, 101.9}, {0, 160}}, {{12, 110}, {800.7, 33.33}}},
                    {{{888, 0}}, {{140, 90}, {720, 310}, {3, 4}}}};
  c.options.order = order;
  c.options.pml = {6, 5, 7, 8};
  c.vp = random_vector(c.grid.cells(), 1, 1500, 3000);
  return c;
}

// The smallest grid with a core at this order.
Wave3Case ring_case3(int order = 4) {
  Wave3Case c = small_case3();
  c.grid = {2 * order + 2, 2 * order + 3, 50, 10, 11, 12};
  const double z = c.grid.end_m(0), y = c.grid.end_m(1);
  c.survey.nt = 41;
  c.wavelet = ricker(40, c.survey.nt, c.survey.dt_s, 0.02);
  c.survey.shots = {
      {{{300, z / 2, y / 2}}, {{0, 0, 0}, {588, z, y}, {231.7, 0.43 * z, 0.51 * y}}},
      {{{253.3, 0.4 * z, 0.3 * y}, {60, z / 3, y / 2}}, {{320, z / 2, y / 3}, {500.7, 0.3 * z, 0.44 * y}}},
      {{{588, 0, y}}, {{144, z / 2, y / 2}}}};
  c.options.order = order;
  c.options.pml = {3, 4, 2, 3, 4, 3};
  c.vp = random_vector(c.grid.cells(), 1, 1500, 3000);
  return c;
}
WaveCase ring_case_of(TwoD, int order = 4) { return ring_case(order); }
Wave3Case ring_case_of(ThreeD, int order = 4) { return ring_case3(order); }
std::vector<std::array<int, 4>> layers_of(TwoD) {
  return {{0, 0, 0, 0}, {6, 0, 0, 8}, {0, 5, 7, 0}, {20, 20, 20, 20}, {6, 5, 40, 40}};
}
std::vector<std::array<int, 6>> layers_of(ThreeD) {
  return {{0, 0, 0, 0, 0, 0}, {3, 0, 0, 4, 0, 3}, {0, 4, 2, 0, 3, 0}, {8, 8, 8, 8, 8, 8}, {3, 4, 2, 3, 20, 20}};
}

template <class D>
class WaveStorage : public ::testing::Test {
 protected:
  // Three dimensions where memory is guarded or threads are emulated: a part of the combinations.
  static bool slow(const Stream& s) { return D::sides == 6 && s.device().kind != DeviceKind::cpu; }
};
TYPED_TEST_SUITE(WaveStorage, Dimensions, DimensionNames);

template <class T, class Case>
void expect_ring_equals_all(Stream& s, Case c, double tolerance) {
  c.options.storage = Storage::all;
  const auto all = products<T>(s, c);
  c.options.storage = Storage::ring;
  const auto ring = products<T>(s, c);
  EXPECT_TRUE(same_bits(ring.data, all.data));
  EXPECT_TRUE(same_bits(ring.tangent, all.tangent));
  EXPECT_TRUE(same_bits(ring.gradient.wavelet, all.gradient.wavelet));
  EXPECT_LE(relative_difference(ring.gradient.vp, all.gradient.vp), tolerance);
}

TYPED_TEST(WaveStorage, RingGivesTheGradientOfFullStorage) {
  for_each_device([](Stream& s) {
    for (const int order : {2, 4, 6, 8}) {
      for (const bool surface : {false, true}) {
        if (TypeParam::sides == 6 && surface != (order % 4 == 0)) continue;  // half of the combinations
        if (TestFixture::slow(s) && order != 4) continue;
        SCOPED_TRACE("order " + std::to_string(order) + (surface ? ", free surface" : ""));
        auto c = ring_case_of(TypeParam{}, order);
        c.options.free_surface = surface;
        expect_ring_equals_all<double>(s, c, 1e-13);
        if (s.device().kind == DeviceKind::cpu) expect_ring_equals_all<float>(s, c, 1e-6);
      }
    }
  });
}

TYPED_TEST(WaveStorage, RingWithOpenEdgesSubstepsWaveletsAndSmallGrids) {
  for_each_device([](Stream& s) {
    if (TestFixture::slow(s)) return;
    for (const auto& pml : layers_of(TypeParam{})) {
      SCOPED_TRACE("layers " + std::to_string(pml[0]) + " " + std::to_string(pml[2]));
      auto c = ring_case_of(TypeParam{});
      c.options.pml = pml;
      expect_ring_equals_all<double>(s, c, 1e-13);
    }
    auto c = ring_case_of(TypeParam{});
    c.options.substeps = 2;
    c.options.shared_wavelet = false;
    c.wavelet = random_vector(6 * c.survey.nt, 5, -1, 1);  // (shots, sources, nt)
    expect_ring_equals_all<double>(s, c, 1e-13);
    expect_ring_equals_all<double>(s, TypeParam::small(), 1e-13);  // layers everywhere: no core
  });
}

TYPED_TEST(WaveStorage, RingForAnyNumberOfSteps) {
  for_each_device([](Stream& s) {
    for (const Index nt : {Index{1}, Index{2}, Index{3}, Index{4}, Index{40}, Index{41}, Index{200}}) {
      SCOPED_TRACE(nt);
      if (nt > 100 && (s.device().kind == DeviceKind::emulated || TypeParam::sides == 6)) continue;
      if (nt > 2 && TestFixture::slow(s)) continue;
      auto c = ring_case_of(TypeParam{});
      c.survey.nt = nt;
      c.wavelet = random_vector(nt, 7, -1, 1);  // no quiet start: what is small is not hidden by what comes later
      expect_ring_equals_all<double>(s, c, 1e-12);
    }
  });
}

// Errors of the backward run do not grow: many steps in single precision, on cells of the model, its edges included.
TYPED_TEST(WaveStorage, RingOverManyStepsInSingle) {
  Stream s{Device{}};
  auto c = ring_case_of(TypeParam{});
  c.survey.nt = TypeParam::sides == 4 ? 2000 : 500;
  c.wavelet = ricker(25, c.survey.nt, c.survey.dt_s);
  std::vector<std::vector<float>> gradients;
  for (const Storage storage : {Storage::all, Storage::ring}) {
    c.options.storage = storage;
    WaveRun<float> run(s, c);
    gradients.push_back(run.vjp(run.forward(true)).vp);
  }
  const double difference = relative_difference(gradients[1], gradients[0]);
  std::printf("ring against full storage, %d-D, %lld steps, single precision: relative L2 %.2e\n", TypeParam::sides / 2,
              static_cast<long long>(c.survey.nt), difference);
  EXPECT_LE(difference, 1e-6);
}

// The state of the forward run outlives every sweep, from any seed.
TYPED_TEST(WaveStorage, RingIsReadMoreThanOnce) {
  for_each_device([](Stream& s) {
    if (TestFixture::slow(s)) return;
    auto c = ring_case_of(TypeParam{});
    c.options.storage = Storage::ring;
    WaveRun<float> run(s, c);
    const auto data = run.forward(true);
    const auto first = run.vjp(data);
    const auto v = cast<float>(random_vector(run.vp.size(), 11, -1, 1));
    run.vjp(run.jvp(&v, nullptr));
    const auto again = run.vjp(data);
    EXPECT_TRUE(same_bits(again.vp, first.vp));
    EXPECT_TRUE(same_bits(again.wavelet, first.wavelet));
  });
}

TYPED_TEST(WaveStorage, GroupsAndThreadsDoNotChangeBits) {
  auto c = ring_case_of(TypeParam{});
  c.options.storage = Storage::ring;
  std::vector<Products<float>> results;
  for (const int threads : {1, 2, 3}) {
    for (const Index backward : {0, 1, 2, 3}) {
      StreamOptions options;
      options.threads = threads;
      Stream s(Device{}, options);
      c.options.backward_shots = backward;
      results.push_back(products<float>(s, c));
    }
  }
  for (const auto& r : results) {
    EXPECT_TRUE(same_bits(r.tangent, results[0].tangent));
    EXPECT_TRUE(same_bits(r.gradient.vp, results[0].gradient.vp));
    EXPECT_TRUE(same_bits(r.gradient.wavelet, results[0].gradient.wavelet));
  }
}

// Outside of the device: the same bits, whatever the number of steps, segments and groups, read more than once.
template <class T, class Case>
void expect_outside_equals_ring(Stream& s, Case c) {
  c.options.storage = Storage::ring;
  WaveRun<T> ring(s, c);
  const auto data = ring.forward(true);
  const auto want = ring.vjp(data);
  const auto v = cast<T>(random_vector(ring.vp.size(), 11, -1, 1));
  const auto tangent = ring.jvp(&v, nullptr);
  for (const Storage storage : {Storage::disk, Storage::host}) {
    SCOPED_TRACE(to_string(storage));
    c.options.storage = storage;
    WaveRun<T> outside(s, c);
    EXPECT_TRUE(same_bits(outside.forward(true), data));
    for (int time = 0; time < 2; ++time) {
      const auto got = outside.vjp(data);
      EXPECT_TRUE(same_bits(got.vp, want.vp));
      EXPECT_TRUE(same_bits(got.wavelet, want.wavelet));
    }
    EXPECT_TRUE(same_bits(outside.jvp(&v, nullptr), tangent));
  }
}

TYPED_TEST(WaveStorage, DiskAndHostGiveTheBitsOfTheRing) {
  for_each_device([](Stream& s) {
    const bool volume = TypeParam::sides == 6, host = s.device().kind == DeviceKind::cpu;
    for (const Index nt : {Index{1}, Index{2}, Index{3}, Index{6}, Index{41}, Index{400}}) {
      if (!host && nt != (volume ? 3 : 6)) continue;
      if (volume && nt != 3 && nt != 41) continue;
      SCOPED_TRACE(nt);
      auto c = ring_case_of(TypeParam{});
      c.survey.nt = nt;
      c.wavelet = random_vector(nt, 7, -1, 1);
      c.options.backward_shots = nt % 2 == 0 ? 1 : 2;
      expect_outside_equals_ring<float>(s, c);
    }
    if (!host) return;
    expect_outside_equals_ring<double>(s, TypeParam::small());  // layers everywhere: nothing to keep
    auto c = ring_case_of(TypeParam{});
    c.options.storage_precision = StoragePrecision::bf16;
    expect_outside_equals_ring<float>(s, c);
    if (volume) return;
    c = ring_case_of(TypeParam{}, 8);
    c.options.free_surface = true;
    c.options.substeps = 2;
    expect_outside_equals_ring<double>(s, c);
  });
}

// Snapshots in bfloat16 are the same for tangent and adjoint, which stay adjoint to each other; a ring in bfloat16
// disturbs the gradient only.
TYPED_TEST(WaveStorage, SixteenBitsAreCloseToFullPrecision) {
  for_each_device([](Stream& s) {
    for (const Storage storage : {Storage::all, Storage::every_k, Storage::checkpoint, Storage::ring}) {
      SCOPED_TRACE(to_string(storage));
      if (TestFixture::slow(s) && storage != Storage::ring) continue;
      auto c = ring_case_of(TypeParam{});
      c.options.storage = storage;
      const auto full = products<float>(s, c);
      c.options.storage_precision = StoragePrecision::bf16;
      WaveRun<float> run(s, c);
      const auto data = run.forward(true);
      EXPECT_TRUE(same_bits(data, full.data));
      const auto g = run.vjp(data).vp;
      const double difference = relative_difference(g, full.gradient.vp);
      EXPECT_LE(difference, 1e-2);  // values of 8 bits
      EXPECT_GT(difference, 0);
      if (storage == Storage::ring) continue;
      const auto v = cast<float>(random_vector(run.vp.size(), 11, -1, 1));
      const auto jv = run.jvp(&v, nullptr);
      EXPECT_LE(std::abs(dot(jv, data) - dot(v, g)) / std::max(norm(jv) * norm(data), norm(v) * norm(g)), 1e-5);
    }
  });
}

TEST(WaveStoragePlan, SixteenBitsRoundToNearestEven) {
  EXPECT_EQ(from_bf16(to_bf16(1.0f)), 1.0f);
  EXPECT_EQ(from_bf16(to_bf16(1.00390625f)), 1.0f);       // a tie, down to even
  EXPECT_EQ(from_bf16(to_bf16(1.01171875f)), 1.015625f);  // a tie, up to even
  EXPECT_EQ(from_bf16(to_bf16(-3.1415927f)), -3.140625f);
}

TYPED_TEST(WaveStorage, AutomaticChoiceByBudget) {
  Stream s{Device{}};
  auto c = ring_case_of(TypeParam{});
  c.survey.nt = 400;
  c.options.backward_shots = 1;
  const auto plan = [&](Storage storage, Index budget) {
    c.options.storage = storage;
    c.options.memory_budget_bytes = budget;
    return make_wave_plan(c.grid, c.survey, c.options, 0, 4).storage;
  };
  const StoragePlan all = plan(Storage::all, 0), ring = plan(Storage::ring, 0);
  EXPECT_LT(ring.bytes, all.bytes);
  EXPECT_EQ(plan(Storage::automatic, all.bytes).policy, Storage::all);
  EXPECT_EQ(plan(Storage::automatic, all.bytes - 1).policy, Storage::ring);
  EXPECT_EQ(plan(Storage::automatic, ring.bytes).policy, Storage::ring);
  const StoragePlan least = plan(Storage::checkpoint, 0);
  EXPECT_EQ(plan(Storage::automatic, least.bytes).policy,
            least.bytes < ring.bytes ? Storage::checkpoint : Storage::ring);
  try {
    plan(Storage::automatic, 1000);
    FAIL() << "fits 1000 bytes";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::budget);
  }
  const StoragePlan disk = plan(Storage::disk, 0), host = plan(Storage::host, 0);
  EXPECT_LT(disk.bytes, ring.bytes);
  const WavePlan whole = make_wave_plan(c.grid, c.survey, c.options, 0, 4);
  EXPECT_EQ(disk.disk_bytes(), whole.shots * whole.inner_nt * 4 * whole.ring.ring.size);
  EXPECT_EQ(disk.host_bytes(), 0);
  EXPECT_EQ(ring.outside_bytes, 0);
  EXPECT_EQ(host.bytes, disk.bytes);
  EXPECT_EQ(host.host_bytes(), disk.disk_bytes());
  EXPECT_EQ(host.disk_bytes(), 0);
  EXPECT_EQ(plan(Storage::disk, disk.bytes).policy, Storage::disk);
  c.options.storage_precision = StoragePrecision::bf16;
  EXPECT_LT(plan(Storage::ring, 0).bytes, ring.bytes);
  EXPECT_EQ(plan(Storage::disk, 0).disk_bytes(), disk.disk_bytes() / 2);
  EXPECT_EQ(plan(Storage::all, 0).bytes, all.bytes / 2);
  try {
    make_wave_plan(c.grid, c.survey, c.options, 0, 8);
    FAIL() << "bf16 of double";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::config);
  }
}

TEST(WaveStoragePlan, PhysicsWithoutARing) {
  EXPECT_EQ(plan_storage(Storage::automatic, 1, 100, 1 << 20, 1 << 20, Index{40} << 20).policy, Storage::checkpoint);
  EXPECT_THROW(plan_storage(Storage::ring, 1, 100, 1, 1, 0), Error);
  EXPECT_THROW(plan_storage(Storage::disk, 1, 100, 1, 1, 0), Error);
  EXPECT_THROW(plan_storage(Storage::host, 1, 100, 1, 1, 0), Error);
  EXPECT_THROW(parse_storage_precision("int8"), Error);
}

// Each cell outside the core is in the strips once; ring and skirt are the two sides of the border.
TYPED_TEST(WaveStorage, FramesOfTheLayout) {
  for (const bool surface : {false, true}) {
    auto c = ring_case_of(TypeParam{});
    c.options.free_surface = surface;
    const WavePlan plan = make_wave_plan(c.grid, c.survey, c.options, 0, 4);
    const WaveRingLayout& r = plan.ring;
    const WaveLayout& g = plan.layout;
    const Index reach = g.radius;
    // A cell of the core (or of the strips) within reach along an axis.
    const auto near = [&](Index z, Index y, Index x, bool core) {
      const auto is = [&](Index zk, Index yk, Index xk) {
        const bool inside = zk >= 0 && zk < g.nz && yk >= 0 && yk < g.ny && xk >= 0 && xk < g.pitch;
        return inside && r.core(zk, yk, xk) == core;
      };
      for (Index k = -reach; k <= reach; ++k) {
        if (is(z + k, y, x) || is(z, y + k, x) || is(z, y, x + k)) return true;
      }
      return false;
    };
    Index strips = 0, ring = 0, skirt = 0;
    for (Index z = 0; z < g.nz; ++z) {
      for (Index y = 0; y < g.ny; ++y) {
        for (Index x = 0; x < g.pitch; ++x) {
          const Index place = r.strips.place(z, y, x), cell = z * g.plane + y * g.pitch + x;
          EXPECT_EQ(place < 0, r.core(z, y, x));
          EXPECT_EQ(place < 0 ? cell : r.strips.cell(place, g.plane, g.pitch), cell);
          EXPECT_EQ(r.ring.place(z, y, x) >= 0, r.core(z, y, x) && near(z, y, x, false)) << z << " " << y << " " << x;
          EXPECT_EQ(r.skirt.place(z, y, x) >= 0, !r.core(z, y, x) && near(z, y, x, true)) << z << " " << y << " " << x;
          strips += place >= 0;
          ring += r.ring.place(z, y, x) >= 0;
          skirt += r.skirt.place(z, y, x) >= 0;
        }
      }
    }
    EXPECT_EQ(strips, r.strips.size);
    EXPECT_EQ(ring, r.ring.size);
    EXPECT_EQ(skirt, r.skirt.size);
    EXPECT_GT(r.ring.size, 0);
  }
}

}  // namespace wave_storage_test
}  // namespace terrane
