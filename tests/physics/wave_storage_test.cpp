// SPDX-License-Identifier: MIT
// What the adjoint keeps of the forward run: the boundary ring against full storage, bfloat16, and the choice by
// budget.
#include <gtest/gtest.h>

#include <cstring>

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

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

template <class T>
struct Products {
  std::vector<T> data, tangent;
  typename WaveRun<T>::Gradient gradient;
};

template <class T>
Products<T> products(Stream& s, const WaveCase& c, Index batch = 0) {
  WaveRun<T> run(s, c, batch);
  Products<T> p;
  p.data = run.forward(true);
  p.gradient = run.vjp(p.data);
  const auto v = cast<T>(random_vector(run.vp.size(), 11, -1, 1));
  p.tangent = run.jvp(&v, nullptr);
  return p;
}

template <class T>
void expect_ring_equals_all(Stream& s, WaveCase c, double tolerance) {
  c.options.storage = Storage::all;
  const auto all = products<T>(s, c);
  c.options.storage = Storage::ring;
  const auto ring = products<T>(s, c);
  EXPECT_TRUE(same_bits(ring.data, all.data));
  EXPECT_TRUE(same_bits(ring.tangent, all.tangent));
  EXPECT_TRUE(same_bits(ring.gradient.wavelet, all.gradient.wavelet));
  EXPECT_LE(relative_difference(ring.gradient.vp, all.gradient.vp), tolerance);
}

TEST(WaveStorage, RingGivesTheGradientOfFullStorage) {
  for_each_device([](Stream& s) {
    for (const int order : {2, 4, 6, 8}) {
      for (const bool surface : {false, true}) {
        SCOPED_TRACE("order " + std::to_string(order) + (surface ? ", free surface" : ""));
        WaveCase c = ring_case(order);
        c.options.free_surface = surface;
        expect_ring_equals_all<double>(s, c, 1e-13);
        if (s.device().kind == DeviceKind::cpu) expect_ring_equals_all<float>(s, c, 1e-6);
      }
    }
  });
}

TEST(WaveStorage, RingWithOpenEdgesSubstepsWaveletsAndSmallGrids) {
  for_each_device([](Stream& s) {
    for (const std::array<int, 4>& pml :
         {std::array<int, 4>{0, 0, 0, 0}, {6, 0, 0, 8}, {0, 5, 7, 0}, {20, 20, 20, 20}, {6, 5, 40, 40}}) {
      SCOPED_TRACE("layers " + std::to_string(pml[0]) + " " + std::to_string(pml[2]));
      WaveCase c = ring_case();
      c.options.pml = pml;
      expect_ring_equals_all<double>(s, c, 1e-13);
    }
    WaveCase c = ring_case();
    c.options.substeps = 2;
    c.options.shared_wavelet = false;
    c.wavelet = random_vector(6 * c.survey.nt, 5, -1, 1);  // (shots, sources, nt)
    expect_ring_equals_all<double>(s, c, 1e-13);
    expect_ring_equals_all<double>(s, small_case(), 1e-13);  // layers everywhere: no core
  });
}

TEST(WaveStorage, RingForAnyNumberOfSteps) {
  for_each_device([](Stream& s) {
    for (const Index nt : {Index{1}, Index{2}, Index{3}, Index{4}, Index{40}, Index{41}, Index{200}}) {
      SCOPED_TRACE(nt);
      if (nt > 100 && s.device().kind == DeviceKind::emulated) continue;
      WaveCase c = ring_case();
      c.survey.nt = nt;
      c.wavelet = ricker(25, nt, c.survey.dt_s);
      expect_ring_equals_all<double>(s, c, 1e-12);
    }
  });
}

// Errors of the backward run do not grow: 2000 steps in single precision, on cells of the model, its edges included.
TEST(WaveStorage, RingOverManyStepsInSingle) {
  Stream s{Device{}};
  WaveCase c = ring_case();
  c.survey.nt = 2000;
  c.wavelet = ricker(25, c.survey.nt, c.survey.dt_s);
  std::vector<std::vector<float>> gradients;
  for (const Storage storage : {Storage::all, Storage::ring}) {
    c.options.storage = storage;
    WaveRun<float> run(s, c);
    gradients.push_back(run.vjp(run.forward(true)).vp);
  }
  const double difference = relative_difference(gradients[1], gradients[0]);
  std::printf("ring against full storage, 2000 steps, single precision: relative L2 %.2e\n", difference);
  EXPECT_LE(difference, 1e-6);
}

// The state of the forward run outlives every sweep, from any seed.
TEST(WaveStorage, RingIsReadMoreThanOnce) {
  for_each_device([](Stream& s) {
    WaveCase c = ring_case();
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

TEST(WaveStorage, GroupsAndThreadsDoNotChangeBits) {
  WaveCase c = ring_case();
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

// Snapshots in bfloat16 are the same for tangent and adjoint, which stay adjoint to each other; a ring in bfloat16
// disturbs the gradient only.
TEST(WaveStorage, SixteenBitsAreCloseToFullPrecision) {
  for_each_device([](Stream& s) {
    for (const Storage storage : {Storage::all, Storage::every_k, Storage::checkpoint, Storage::ring}) {
      SCOPED_TRACE(to_string(storage));
      WaveCase c = ring_case();
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

TEST(WaveStorage, SixteenBitsRoundToNearestEven) {
  EXPECT_EQ(from_bf16(to_bf16(1.0f)), 1.0f);
  EXPECT_EQ(from_bf16(to_bf16(1.00390625f)), 1.0f);       // a tie, down to even
  EXPECT_EQ(from_bf16(to_bf16(1.01171875f)), 1.015625f);  // a tie, up to even
  EXPECT_EQ(from_bf16(to_bf16(-3.1415927f)), -3.140625f);
}

TEST(WaveStorage, AutomaticChoiceByBudget) {
  Stream s{Device{}};
  WaveCase c = ring_case();
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
  c.options.storage_precision = StoragePrecision::bf16;
  EXPECT_LT(plan(Storage::ring, 0).bytes, ring.bytes);
  EXPECT_EQ(plan(Storage::all, 0).bytes, all.bytes / 2);
  try {
    make_wave_plan(c.grid, c.survey, c.options, 0, 8);
    FAIL() << "bf16 of double";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::config);
  }
}

TEST(WaveStorage, PhysicsWithoutARing) {
  EXPECT_EQ(plan_storage(Storage::automatic, 1, 100, 1 << 20, 1 << 20, Index{40} << 20).policy, Storage::checkpoint);
  EXPECT_THROW(plan_storage(Storage::ring, 1, 100, 1, 1, 0), Error);
  EXPECT_THROW(parse_storage_precision("int8"), Error);
}

// Each cell outside the core is in the strips once; ring and skirt are the two sides of the border.
TEST(WaveStorage, FramesOfTheLayout) {
  for (const bool surface : {false, true}) {
    WaveCase c = ring_case();
    c.options.free_surface = surface;
    const WavePlan plan = make_wave_plan(c.grid, c.survey, c.options, 0, 4);
    const WaveRingLayout& r = plan.ring;
    const Index pitch = plan.layout.pitch, reach = plan.layout.radius;
    Index strips = 0, ring = 0, skirt = 0;
    for (Index z = 0; z < plan.layout.nz; ++z) {
      for (Index x = 0; x < pitch; ++x) {
        const Index place = r.strips.place(z, x);
        EXPECT_EQ(place < 0, r.core(z, x));
        EXPECT_EQ(place < 0 ? z * pitch + x : r.strips.cell(place, pitch), z * pitch + x);
        strips += place >= 0;
        const auto near = [&](bool core) {  // a cell of the core (or of the strips) within reach along an axis
          for (Index k = -reach; k <= reach; ++k) {
            for (const auto& [zk, xk] : {std::pair{z + k, x}, std::pair{z, x + k}}) {
              const bool inside = zk >= 0 && zk < plan.layout.nz && xk >= 0 && xk < pitch;
              if (inside && r.core(zk, xk) == core) return true;
            }
          }
          return false;
        };
        EXPECT_EQ(r.ring.place(z, x) >= 0, r.core(z, x) && near(false)) << z << " " << x;
        EXPECT_EQ(r.skirt.place(z, x) >= 0, !r.core(z, x) && near(true)) << z << " " << x;
        ring += r.ring.place(z, x) >= 0;
        skirt += r.skirt.place(z, x) >= 0;
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
