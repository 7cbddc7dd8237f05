// SPDX-License-Identifier: MIT
// Derivatives of the 3-D wave operator: adjoint against tangent, tangent against differences, storage policies,
// threads, devices, memory.
#include <gtest/gtest.h>

#include <cstring>

#include "tests/physics/wave3_support.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace wave3_gradient_test {

// |<J v, w> - <v, J^T w>| / max(||J v|| ||w||, ||v|| ||J^T w||) for vp and for the wavelet.
template <class T>
void expect_adjoint(Stream& s, const Wave3Case& c, double tolerance) {
  Wave3Run<T> run(s, c);
  run.forward(true);
  const auto v = cast<T>(random_vector(run.vp.size(), 11, -1, 1));
  const auto v_wavelet = cast<T>(random_vector(run.wavelet.size(), 12, -1, 1));
  const auto w = cast<T>(random_vector(run.data_size, 13, -1, 1));
  const auto jv = run.jvp(&v, nullptr), js = run.jvp(nullptr, &v_wavelet);
  const auto g = run.vjp(w);
  const double vp_scale = std::max(norm(jv) * norm(w), norm(v) * norm(g.vp));
  const double wavelet_scale = std::max(norm(js) * norm(w), norm(v_wavelet) * norm(g.wavelet));
  ASSERT_GT(norm(jv), 0);
  ASSERT_GT(norm(js), 0);
  EXPECT_LE(std::abs(dot(jv, w) - dot(v, g.vp)) / vp_scale, tolerance) << "vp";
  EXPECT_LE(std::abs(dot(js, w) - dot(v_wavelet, g.wavelet)) / wavelet_scale, tolerance) << "wavelet";
}

std::vector<std::pair<std::string, Wave3Case>> variants() {
  std::vector<std::pair<std::string, Wave3Case>> all;
  for (const int order : {2, 4, 6, 8}) {
    Wave3Case c = small_case3();
    c.options.order = order;
    c.options.free_surface = order == 6 || order == 2;
    all.emplace_back("order " + std::to_string(order) + (c.options.free_surface ? ", free surface" : ""), c);
  }
  Wave3Case c = small_case3();
  c.options.substeps = 2;
  c.options.order = 8;
  c.options.free_surface = true;
  c.options.storage = Storage::checkpoint;
  all.emplace_back("2 substeps, free surface, checkpoints", c);
  c = small_case3();
  c.options.pml = {0, 4, 2, 0, 0, 1};
  all.emplace_back("layers on three sides, one of a single cell", c);
  c.options.pml = {0, 0, 0, 0, 0, 0};
  all.emplace_back("no layers", c);
  c = small_case3();
  c.options.storage = Storage::every_k;
  c.options.storage_every = 3;
  all.emplace_back("every third snapshot", c);
  c = small_case3();
  c.options.shared_wavelet = false;
  c.wavelet = random_vector(4 * c.survey.nt, 5, -1, 1);
  c.options.substeps = 2;
  all.emplace_back("own wavelets, 2 substeps", c);
  c = small_case3();
  c.grid = {12, 16, 50, 10, 11, 12};
  c.options.pml = {3, 4, 2, 3, 4, 3};
  c.vp = random_vector(c.grid.cells(), 1, 1500, 3000);
  all.emplace_back("separate strips", c);
  return all;
}

TEST(Wave3Gradient, AdjointInDouble) {
  for_each_device([](Stream& s) {
    for (const auto& [name, c] : variants()) {
      SCOPED_TRACE(name);
      expect_adjoint<double>(s, c, 1e-12);
    }
  });
}

TEST(Wave3Gradient, AdjointInFloat) {
  for_each_device([](Stream& s) {
    for (const auto& [name, c] : variants()) {
      SCOPED_TRACE(name);
      expect_adjoint<float>(s, c, 1e-5);
    }
  });
}

TEST(Wave3Gradient, TaylorSlope) {
  for_each_device([](Stream& s) {
    for (const int substeps : {1, 2}) {
      Wave3Case c = small_case3();
      c.options.substeps = substeps;
      c.options.vmax_mps = 3500;
      c.options.free_surface = substeps == 2;
      Wave3Run<double> run(s, c);
      const auto base = run.forward(true);
      const auto direction = random_vector(run.vp.size(), 21, -300, 300);
      const auto tangent = run.jvp(&direction, nullptr);
      const auto remainder = [&](double e) {
        std::vector<double> v = c.vp;
        for (std::size_t i = 0; i < v.size(); ++i) v[i] += e * direction[i];
        run.set_vp(v);
        std::vector<double> r = run.forward();
        for (std::size_t i = 0; i < r.size(); ++i) r[i] -= base[i] + e * tangent[i];
        return norm(r);
      };
      const double slope = std::log2(remainder(1.0 / 64) / remainder(1.0 / 128));
      EXPECT_GE(slope, 1.9);
      EXPECT_LE(slope, 2.1);
    }
  });
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

template <class T>
struct Outcome {
  std::vector<T> data, tangent;
  typename Wave3Run<T>::Gradient gradient;
};

template <class T>
Outcome<T> all_products(Stream& s, const Wave3Case& c) {
  Wave3Run<T> run(s, c);
  Outcome<T> o;
  o.data = run.forward(true);
  o.gradient = run.vjp(o.data);
  const auto v = cast<T>(random_vector(run.vp.size(), 11, -1, 1));
  o.tangent = run.jvp(&v, nullptr);
  // A second sweep of the same state, from another seed and back, changes nothing.
  run.vjp(o.tangent);
  const auto again = run.vjp(o.data);
  EXPECT_TRUE(same_bits(again.vp, o.gradient.vp));
  EXPECT_TRUE(same_bits(again.wavelet, o.gradient.wavelet));
  return o;
}

template <class T>
void expect_same(const Outcome<T>& a, const Outcome<T>& b) {
  EXPECT_TRUE(same_bits(a.data, b.data));
  EXPECT_TRUE(same_bits(a.tangent, b.tangent));
  EXPECT_TRUE(same_bits(a.gradient.vp, b.gradient.vp));
  EXPECT_TRUE(same_bits(a.gradient.wavelet, b.gradient.wavelet));
}

TEST(Wave3Gradient, CheckpointsGiveTheBitsOfFullStorage) {
  for_each_device([](Stream& s) {
    for (const int substeps : {1, 2}) {
      for (const Index nt : {Index{1}, Index{2}, Index{3}, Index{31}}) {
        Wave3Case c = small_case3();
        c.survey.nt = nt;
        c.wavelet.resize(static_cast<std::size_t>(nt));
        c.options.substeps = substeps;
        c.options.free_surface = true;
        const auto full = all_products<float>(s, c);
        c.options.storage = Storage::checkpoint;
        SCOPED_TRACE(nt);
        expect_same(all_products<float>(s, c), full);
      }
    }
  });
}

TEST(Wave3Gradient, EverySecondSnapshotIsCloseToAll) {
  Stream s;
  Wave3Case c = small_case3();
  c.survey.dt_s = 0.75e-3;
  c.survey.nt = 81;
  c.wavelet = ricker(40, c.survey.nt, c.survey.dt_s, 0.02);
  const auto full = all_products<double>(s, c);
  c.options.storage = Storage::every_k;
  c.options.storage_every = 2;
  const auto half = all_products<double>(s, c);
  EXPECT_LE(relative_difference(half.gradient.vp, full.gradient.vp), 0.05);
  EXPECT_TRUE(same_bits(half.data, full.data));
}

// One shot is shared by the threads tile by tile, two shots are taken by two threads: the bits are those of one thread.
TEST(Wave3Gradient, ThreadsDoNotChangeBits) {
  Wave3Case c = variants().back().second;
  c.options.order = 8;
  for (const bool one_shot : {false, true}) {
    if (one_shot) c.survey.shots.resize(1);
    for (const Storage storage : {Storage::all, Storage::checkpoint}) {
      c.options.storage = storage;
      std::vector<Outcome<float>> results;
      for (const int threads : {1, 2, 3}) {
        StreamOptions options;
        options.threads = threads;
        Stream s(Device{}, options);
        results.push_back(all_products<float>(s, c));
        expect_same(results.back(), results.front());
      }
    }
  }
}

TEST(Wave3Gradient, DevicesAgree) {
  for (const auto& [name, c] : variants()) {
    SCOPED_TRACE(name);
    Stream cpu{Device{}};
    const auto expected = all_products<double>(cpu, c);
    for_each_device([&, &c = c](Stream& s) {
      const auto o = all_products<double>(s, c);
      EXPECT_LE(relative_difference(o.data, expected.data), 1e-12);
      EXPECT_LE(relative_difference(o.tangent, expected.tangent), 1e-12);
      EXPECT_LE(relative_difference(o.gradient.vp, expected.gradient.vp), 1e-12);
      EXPECT_LE(relative_difference(o.gradient.wavelet, expected.gradient.wavelet), 1e-12);
      if (s.device().kind == DeviceKind::shadow) {
        EXPECT_TRUE(same_bits(o.gradient.vp, expected.gradient.vp));
      }
    });
  }
}

TEST(Wave3Gradient, MemoryIsPredictedAndReused) {
  for_each_device([](Stream& s) {
    for (const Storage storage : {Storage::all, Storage::checkpoint}) {
      for (const int substeps : {1, 2}) {
        Wave3Case c = small_case3();
        c.options.storage = storage;
        c.options.substeps = substeps;
        s.scratch(1 << 20);  // workspace of kernels, not the operator's
        const Index before = s.arena()->stats().current_bytes;
        const AcousticWave3<float> op(s, c.grid, c.survey, c.options);
        WaveState3<float> state;
        const Buffer<float> vp = to_device(s, cast<float>(c.vp)), wavelet = to_device(s, cast<float>(c.wavelet));
        Buffer<float> data(s, 2 * 3 * c.survey.nt), d_vp(s, vp.size());
        const Index own = (vp.size() + wavelet.size() + data.size() + d_vp.size()) * 4;
        copy(s, std::span<const float>(std::vector<float>(c.vp.size())), d_vp.data());
        const auto check = [&](WaveUse use) {
          EXPECT_EQ(s.arena()->stats().current_bytes - before - own, op.memory_bytes(use));
        };
        op.forward(s, {}, vp.data(), wavelet.data(), data.data(), false, state);
        check(WaveUse::forward);
        op.forward(s, {}, vp.data(), wavelet.data(), data.data(), true, state);
        op.vjp(s, vp.data(), wavelet.data(), state, data.data(), d_vp.data(), nullptr);
        check(WaveUse::gradient);
        op.jvp(s, vp.data(), wavelet.data(), state, vp.data(), wavelet.data(), data.data());
        check(WaveUse::tangent);
        const Index allocations = s.arena()->stats().allocations;
        op.forward(s, {}, vp.data(), wavelet.data(), data.data(), true, state);
        op.vjp(s, vp.data(), wavelet.data(), state, data.data(), d_vp.data(), nullptr);
        EXPECT_EQ(s.arena()->stats().allocations, allocations);
      }
    }
  });
}

// A batch of chosen shots gives what the whole survey gives for them.
TEST(Wave3Gradient, BatchesOfShots) {
  for_each_device([](Stream& s) {
    Wave3Case c = small_case3();
    c.options.shared_wavelet = false;
    c.wavelet = random_vector(4 * c.survey.nt, 5, -1, 1);
    Wave3Run<float> whole(s, c), one(s, c, 1);
    const auto all = whole.forward(true);
    const auto g = whole.vjp(all);
    std::vector<float> sum(g.vp.size(), 0), wavelet(g.wavelet.size(), 0);
    for (const Index shot : {Index{1}, Index{0}}) {
      const auto data = one.forward(true, {shot});
      const auto at = static_cast<std::ptrdiff_t>(shot * one.data_size);
      EXPECT_TRUE(same_bits(data, std::vector<float>(all.begin() + at, all.begin() + at + one.data_size)));
      const auto part = one.vjp(data);
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += part.vp[i];
      for (std::size_t i = 0; i < wavelet.size(); ++i) wavelet[i] += part.wavelet[i];
    }
    EXPECT_LE(relative_difference(sum, g.vp), 1e-6);
    EXPECT_LE(relative_difference(wavelet, g.wavelet), 1e-6);
  });
}

}  // namespace wave3_gradient_test
}  // namespace terrane
