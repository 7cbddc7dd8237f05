// SPDX-License-Identifier: MIT
// Derivatives of the wave operator in two and three dimensions: adjoint against tangent, tangent against differences,
// storage policies, threads, devices, memory.
#include <gtest/gtest.h>

#include "tests/physics/wave_support.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace wave_gradient_test {

// |<J v, w> - <v, J^T w>| / max(||J v|| ||w||, ||v|| ||J^T w||) for vp and for the wavelet.
template <class T, class Case>
void expect_adjoint(Stream& s, const Case& c, double tolerance) {
  WaveRun<T> run(s, c);
  run.forward(true);
  const auto v = cast<T>(random_vector(run.vp.size(), 11, -1, 1));
  const auto v_wavelet = cast<T>(random_vector(run.wavelet.size(), 12, -1, 1));
  auto w = cast<T>(random_vector(run.data_size, 13, -1, 1));
  const auto jv = run.jvp(&v, nullptr), js = run.jvp(nullptr, &v_wavelet);
  const auto g = run.vjp(w);
  const double vp_scale = std::max(norm(jv) * norm(w), norm(v) * norm(g.vp));
  const double wavelet_scale = std::max(norm(js) * norm(w), norm(v_wavelet) * norm(g.wavelet));
  ASSERT_GT(norm(jv), 0);
  ASSERT_GT(norm(js), 0);
  EXPECT_LE(std::abs(dot(jv, w) - dot(v, g.vp)) / vp_scale, tolerance) << "vp";
  EXPECT_LE(std::abs(dot(js, w) - dot(v_wavelet, g.wavelet)) / wavelet_scale, tolerance) << "wavelet";
}

template <class Case>
using Variants = std::vector<std::pair<std::string, Case>>;

// Each side with a strip of its own.
WaveCase strips(TwoD) {
  WaveCase c = small_case();
  c.grid = {37, 90, 10, 12, 0, 0};
  c.options.pml = {6, 5, 7, 8};
  c.vp = random_vector(c.grid.cells(), 1, 1500, 3000);
  return c;
}
Wave3Case strips(ThreeD) {
  Wave3Case c = small_case3();
  c.grid = {12, 16, 50, 10, 11, 12};
  c.options.pml = {3, 4, 2, 3, 4, 3};
  c.vp = random_vector(c.grid.cells(), 1, 1500, 3000);
  return c;
}

Variants<WaveCase> variants(TwoD) {
  Variants<WaveCase> all;
  for (const int order : {2, 4, 6, 8}) {
    for (const bool surface : {false, true}) {
      WaveCase c = small_case();
      c.options.order = order;
      c.options.free_surface = surface;
      all.emplace_back("order " + std::to_string(order) + (surface ? ", free surface" : ""), c);
    }
  }
  WaveCase c = small_case();
  c.options.substeps = 2;
  all.emplace_back("2 substeps", c);
  c.options.order = 8;
  c.options.free_surface = true;
  c.options.storage = Storage::checkpoint;
  all.emplace_back("2 substeps, free surface, checkpoints", c);
  c = small_case();
  c.options.pml = {0, 4, 3, 0};
  all.emplace_back("layers on two edges", c);
  c.options.storage = Storage::every_k;
  c.options.storage_every = 3;
  all.emplace_back("every third snapshot", c);
  c = small_case();
  c.options.pml = {0, 0, 0, 0};
  all.emplace_back("no layers", c);
  c = small_case();
  c.options.shared_wavelet = false;
  c.wavelet = random_vector(4 * c.survey.nt, 5, -1, 1);
  all.emplace_back("own wavelets", c);
  c.options.substeps = 2;
  all.emplace_back("own wavelets, 2 substeps", c);
  c = strips(TwoD{});
  c.options.order = 8;
  all.emplace_back("separate strips", c);
  c.options.storage = Storage::ring;
  all.emplace_back("boundary ring", c);
  c.options.order = 4;
  c.options.free_surface = true;
  c.options.substeps = 2;
  all.emplace_back("boundary ring, free surface, 2 substeps", c);
  return all;
}

Variants<Wave3Case> variants(ThreeD) {
  Variants<Wave3Case> all;
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
  c = strips(ThreeD{});
  all.emplace_back("separate strips", c);
  c.grid = {10, 11, 20, 10, 11, 12};
  c.options.pml = {3, 4, 2, 3, 4, 0};
  c.vp.resize(static_cast<std::size_t>(c.grid.cells()));
  c.options.storage = Storage::ring;
  all.emplace_back("boundary ring", c);
  c.grid = {9, 8, 11, 10, 11, 12};
  c.vp.resize(static_cast<std::size_t>(c.grid.cells()));
  c.options.order = 2;
  c.options.free_surface = true;
  c.options.substeps = 2;
  all.emplace_back("boundary ring, free surface, 2 substeps", c);
  return all;
}

template <class D>
class WaveGradient : public ::testing::Test {};
TYPED_TEST_SUITE(WaveGradient, Dimensions, DimensionNames);

// DevicesAgree and the rows of the operator cases see all of three dimensions on the emulated device; its fibers are
// slow.
template <class D>
bool emulated3(const Stream& s) {
  return D::sides == 6 && s.device().kind == DeviceKind::emulated;
}

TYPED_TEST(WaveGradient, AdjointInDouble) {
  for_each_device([](Stream& s) {
    if (emulated3<TypeParam>(s)) return;
    for (const auto& [name, c] : variants(TypeParam{})) {
      SCOPED_TRACE(name);
      expect_adjoint<double>(s, c, 1e-12);
    }
  });
}

TYPED_TEST(WaveGradient, AdjointInFloat) {
  for_each_device([](Stream& s) {
    if (emulated3<TypeParam>(s)) return;
    for (const auto& [name, c] : variants(TypeParam{})) {
      SCOPED_TRACE(name);
      expect_adjoint<float>(s, c, 1e-5);
    }
  });
}

// Least-squares slope of log remainder against log step over the steps above rounding.
double taylor_slope(const std::vector<double>& steps, const std::vector<double>& remainders) {
  double sx = 0, sy = 0, sxx = 0, sxy = 0;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const double x = std::log(steps[i]), y = std::log(remainders[i]);
    sx += x;
    sy += y;
    sxx += x * x;
    sxy += x * y;
  }
  const auto n = static_cast<double>(steps.size());
  return (n * sxy - sx * sy) / (n * sxx - sx * sx);
}

TYPED_TEST(WaveGradient, TaylorSlopeAndDifferences) {
  for_each_device([](Stream& s) {
    for (const int substeps : {1, 2}) {
      auto c = TypeParam::small();
      c.options.substeps = substeps;
      c.options.vmax_mps = 3500;
      c.options.free_surface = substeps == 2;
      WaveRun<double> run(s, c);
      const auto base = run.forward(true);
      const auto direction = random_vector(run.vp.size(), 21, -300, 300);
      const auto tangent = run.jvp(&direction, nullptr);
      const auto shifted = [&](double e) {
        std::vector<double> v = c.vp;
        for (std::size_t i = 0; i < v.size(); ++i) v[i] += e * direction[i];
        run.set_vp(v);
        return run.forward();
      };
      std::vector<double> steps, remainders;
      for (double e = 1.0 / 16; e > 1.0 / 1024; e /= 2) {
        const auto y = shifted(e);
        double sum = 0;
        for (std::size_t i = 0; i < y.size(); ++i) {
          const double d = y[i] - base[i] - e * tangent[i];
          sum += d * d;
        }
        steps.push_back(e);
        remainders.push_back(std::sqrt(sum));
      }
      EXPECT_GE(taylor_slope(steps, remainders), 1.9);
      EXPECT_LE(taylor_slope(steps, remainders), 2.1);
      const double e = 1e-4;
      const auto plus = shifted(e), minus = shifted(-e);
      std::vector<double> difference(plus.size());
      for (std::size_t i = 0; i < plus.size(); ++i) difference[i] = (plus[i] - minus[i]) / (2 * e);
      EXPECT_LE(relative_difference(difference, tangent), 1e-7);
    }
  });
}

// The data are linear in the wavelet, so the tangent in the wavelet is the forward run itself.
TYPED_TEST(WaveGradient, TangentInTheWaveletIsTheForwardRun) {
  for_each_device([](Stream& s) {
    for (const int substeps : {1, 2}) {
      auto c = TypeParam::small();
      c.options.substeps = substeps;
      WaveRun<double> run(s, c);
      const auto base = run.forward(true);
      EXPECT_LE(relative_difference(run.jvp(nullptr, &c.wavelet), base), 1e-14);
    }
  });
}

TYPED_TEST(WaveGradient, CheckpointsGiveTheBitsOfFullStorage) {
  for_each_device([](Stream& s) {
    if (emulated3<TypeParam>(s)) return;
    for (const int substeps : {1, 2}) {
      for (const Index nt : {Index{1}, Index{2}, Index{3}, TypeParam::small().survey.nt}) {
        auto c = TypeParam::small();
        c.survey.nt = nt;
        c.wavelet.resize(static_cast<std::size_t>(nt));
        c.options.substeps = substeps;
        c.options.free_surface = true;
        const auto full = products<float>(s, c, true);
        c.options.storage = Storage::checkpoint;
        SCOPED_TRACE(nt);
        expect_same(products<float>(s, c, true), full);
      }
    }
  });
}

TYPED_TEST(WaveGradient, EverySecondSnapshotIsCloseToAll) {
  for_each_device([](Stream& s) {
    if (emulated3<TypeParam>(s)) return;
    auto c = TypeParam::small();
    c.survey.dt_s = 0.75e-3;
    c.survey.nt = TypeParam::sides == 4 ? 161 : 81;
    c.wavelet =
        ricker(TypeParam::sides == 4 ? 25 : 40, c.survey.nt, c.survey.dt_s, TypeParam::sides == 4 ? 0.06 : 0.02);
    const auto full = products<double>(s, c, true);
    c.options.storage = Storage::every_k;
    c.options.storage_every = 2;
    const auto half = products<double>(s, c, true);
    EXPECT_LE(relative_difference(half.gradient.vp, full.gradient.vp), 0.05);
    EXPECT_TRUE(same_bits(half.data, full.data));
  });
}

// In 3-D one shot is shared by the threads tile by tile, two shots are taken by two threads: the bits are those of one
// thread.
TYPED_TEST(WaveGradient, ThreadsDoNotChangeBits) {
  auto c = strips(TypeParam{});
  c.options.order = 8;
  for (const bool one_shot : {false, true}) {
    if (one_shot) c.survey.shots.resize(1);
    for (const Storage storage : {Storage::all, Storage::checkpoint, Storage::ring}) {
      c.options.storage = storage;
      std::vector<Products<float>> results;
      for (const int threads : {1, 2, 3}) {
        StreamOptions options;
        options.threads = threads;
        Stream s(Device{}, options);
        results.push_back(products<float>(s, c, true));
        expect_same(results.back(), results.front());
      }
    }
  }
}

TYPED_TEST(WaveGradient, DevicesAgree) {
  for (const auto& [name, c] : variants(TypeParam{})) {
    SCOPED_TRACE(name);
    Stream cpu{Device{}};
    const auto expected = products<double>(cpu, c, true);
    for_each_device([&, &c = c](Stream& s) {
      const auto o = products<double>(s, c, true);
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

TYPED_TEST(WaveGradient, MemoryIsPredictedAndReused) {
  for_each_device([](Stream& s) {
    if (emulated3<TypeParam>(s)) return;
    for (const Storage storage : {Storage::all, Storage::checkpoint, Storage::ring}) {
      for (const int substeps : {1, 2}) {
        auto c = TypeParam::small();
        c.options.storage = storage;
        c.options.storage_precision = substeps == 2 ? StoragePrecision::bf16 : StoragePrecision::full;
        c.options.substeps = substeps;
        s.scratch(1 << 20);  // workspace of kernels, not the operator's
        const Index before = s.arena()->stats().current_bytes;
        const AcousticWave<float> op(s, c.grid, c.survey, c.options);
        WaveState<float> state;
        const Buffer<float> vp = to_device(s, cast<float>(c.vp)), wavelet = to_device(s, cast<float>(c.wavelet));
        Buffer<float> data(s, 2 * 3 * c.survey.nt), d_vp(s, vp.size()), d_wavelet(s, wavelet.size());
        const Index own = (vp.size() + wavelet.size() + data.size() + d_vp.size() + d_wavelet.size()) * 4;
        std::vector<float> none(static_cast<std::size_t>(vp.size()), 0);
        copy(s, std::span<const float>(none), d_vp.data());
        copy(s, std::span<const float>(none).first(c.wavelet.size()), d_wavelet.data());
        const auto check = [&](WaveUse use) {
          EXPECT_EQ(s.arena()->stats().current_bytes - before - own, op.memory_bytes(use));
        };
        op.forward(s, {}, vp.data(), wavelet.data(), data.data(), false, state);
        check(WaveUse::forward);
        op.forward(s, {}, vp.data(), wavelet.data(), data.data(), true, state);
        check(WaveUse::gradient);
        op.vjp(s, vp.data(), wavelet.data(), state, data.data(), d_vp.data(), d_wavelet.data());
        check(WaveUse::gradient);
        op.jvp(s, vp.data(), wavelet.data(), state, vp.data(), wavelet.data(), data.data());
        check(WaveUse::tangent);
        const Index allocations = s.arena()->stats().allocations;
        op.forward(s, {}, vp.data(), wavelet.data(), data.data(), true, state);
        op.vjp(s, vp.data(), wavelet.data(), state, data.data(), d_vp.data(), d_wavelet.data());
        EXPECT_EQ(s.arena()->stats().allocations, allocations);
      }
    }
  });
}

// A batch of chosen shots gives what the whole survey gives for them.
TYPED_TEST(WaveGradient, BatchesOfShots) {
  for_each_device([](Stream& s) {
    auto c = TypeParam::small();
    c.options.shared_wavelet = false;
    c.wavelet = random_vector(4 * c.survey.nt, 5, -1, 1);
    WaveRun<float> whole(s, c), one(s, c, 1);
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

}  // namespace wave_gradient_test
}  // namespace terrane
