// SPDX-License-Identifier: MIT
#include "engine/benchmark_cases.hpp"

#include <cmath>

#include "engine/field.hpp"
#include "kernels/kernels.hpp"
#include "physics/eikonal/eikonal.hpp"
#include "physics/resistivity/resistivity.hpp"
#include "physics/resistivity/resistivity3d.hpp"
#include "physics/wave/acoustic_wave.hpp"
#include "physics/wave/wavelet.hpp"

namespace terrane {
namespace {

// Grows from `top` to `bottom` with depth.
std::vector<float> layered_values(const Grid3& g, float top, float bottom) {
  std::vector<float> model(static_cast<std::size_t>(g.cells()));
  for (std::size_t i = 0; i < model.size(); ++i) {
    const auto row = static_cast<float>(static_cast<Index>(i) / g.plane());
    model[i] = top + (bottom - top) * row / static_cast<float>(g.nz);
  }
  return model;
}

// Numbers in [-1, 1) without a pattern, the same everywhere.
std::vector<float> spread_values(std::size_t n, float scale) {
  std::vector<float> values(n);
  for (std::size_t i = 0; i < n; ++i) values[i] = scale * (static_cast<float>(i * 7919 % 1000) / 500.0F - 1.0F);
  return values;
}

double middle_y_m(const Grid3& g) { return g.flat() ? 0 : g.at_m(1, g.ny / 2); }

AcousticWave<float> make_benchmark_wave(Stream& s, const WaveCase& c) {
  const Grid3& g = c.grid;
  std::vector<Point3> sources, receivers;
  for (Index k = 0; k < c.shots; ++k) {
    const double share = (static_cast<double>(k) + 0.5) / static_cast<double>(c.shots);
    sources.push_back({share * static_cast<double>(g.nx - 1) * g.dx_m, c.depth_m, middle_y_m(g)});
  }
  for (Index y = 0; y < g.ny; y += c.receiver_step) {
    for (Index x = 0; x < g.nx; x += c.receiver_step) receivers.push_back({g.at_m(2, x), c.depth_m, g.at_m(1, y)});
  }
  WaveOptions3 options;
  options.order = c.order;
  options.vmax_mps = 4700;
  options.substeps = 1;
  options.storage = c.storage;
  const Survey3 survey = Survey3::fixed_spread(sources, receivers, c.nt, c.dt_s);
  if (!g.flat()) return AcousticWave<float>(s, g, survey, options);
  return AcousticWave<float>(s, g.section(), section_of(survey), section_of(options));
}

// Seconds of data and of J^T v with respect to ln(sigma).
template <class Dc, class State>
void time_voltages(Stream& s, const Dc& dc, const Grid3& core, int repeats, double limit_s, State& state,
                   ResistivityTiming& out) {
  std::vector<double> m(static_cast<std::size_t>(core.cells()));
  for (std::size_t i = 0; i < m.size(); ++i) {
    m[i] = std::log(0.01) + 0.5 * std::sin(0.7 * static_cast<double>(static_cast<Index>(i) / core.plane()));
  }
  const Buffer<double> model = to_device(s, m), data(s, dc.survey().size()), gradient(s, core.cells());
  const Buffer<double> ones = to_device(s, std::vector<double>(static_cast<std::size_t>(dc.survey().size()), 1.0));
  out.forward_s = timed_seconds(
      s, repeats, [&] { dc.forward(s, model.data(), data.data(), true, state); }, limit_s);
  fill(s, Fill<double>{gradient.data(), 0.0, core.cells()});
  out.gradient_s = timed_seconds(
      s, repeats, [&] { dc.vjp(s, model.data(), state, ones.data(), gradient.data()); }, limit_s);
  out.describe = dc.describe();
}

}  // namespace

WaveTiming time_waves(Stream& s, const WaveCase& c, int repeats, double limit_s) {
  const AcousticWave<float> wave = make_benchmark_wave(s, c);
  WaveTiming t;
  t.plan = wave.plan();
  t.point_steps = static_cast<double>(t.plan.points() * t.plan.inner_nt * t.plan.shots);
  const auto samples = ricker(8, c.nt, c.dt_s);
  const Buffer<float> vp = to_device(s, layered_values(c.grid, 1500, 4500));
  const Buffer<float> wavelet = to_device(s, std::vector<float>(samples.begin(), samples.end()));
  const Buffer<float> data(s, t.plan.shots * t.plan.receivers * c.nt), gradient(s, c.grid.cells());
  WaveState<float> state;
  const auto forward = [&](bool keep) { wave.forward(s, {}, vp.data(), wavelet.data(), data.data(), keep, state); };
  if (c.forward)
    t.forward_s = timed_seconds(
        s, repeats, [&] { forward(false); }, limit_s);
  if (!c.gradient) return t;
  t.gradient_s = timed_seconds(
      s, repeats,
      [&] {
        forward(true);
        fill(s, Fill<float>{gradient.data(), 0.0F, c.grid.cells()});
        wave.vjp(s, vp.data(), wavelet.data(), state, data.data(), gradient.data(), nullptr);
      },
      limit_s);
  return t;
}

NetworkTiming time_network(Stream& s, Index width, int hidden, Index n, MlpPrecision precision, int repeats,
                           double limit_s) {
  const auto layers = static_cast<std::size_t>(hidden);
  MlpShape shape = siren_shape(2, std::vector<Index>(layers, width), std::vector<double>(layers, 30.0));
  shape.precision = precision;
  NetworkTiming t;
  t.parameters = shape.parameters();
  const auto size = static_cast<std::size_t>(t.parameters);
  const Buffer<float> weights = to_device(s, spread_values(size, 0.02F));
  const Buffer<float> points = to_device(s, spread_values(static_cast<std::size_t>(2 * n), 1.0F));
  const Buffer<float> y(s, n), d_y = to_device(s, std::vector<float>(static_cast<std::size_t>(n), 1.0F));
  const Buffer<float> d_theta = to_device(s, std::vector<float>(size, 0.0F));
  t.forward_s = timed_seconds(
      s, repeats,
      [&] {
        mlp_forward(s, MlpForward<float>{shape, n, weights.data(), points.data(), y.data()});
      },
      limit_s);
  t.gradient_s = timed_seconds(
      s, repeats,
      [&] {
        mlp_vjp(s, MlpVjp<float>{shape, n, weights.data(), points.data(), d_y.data(), d_theta.data(), nullptr});
      },
      limit_s);
  return t;
}

template <class T>
std::vector<double> time_product(Stream& s, Index n, int repeats) {
  const std::vector<float> single = spread_values(static_cast<std::size_t>(n * n), 1.0F);
  const std::vector<T> values(single.begin(), single.end());
  const Buffer<T> a = to_device(s, values), b = to_device(s, values), c(s, n * n);
  Gemm<T> product;
  product.m = product.n = product.k = product.lda = product.ldb = product.ldc = n;
  product.a = a.data();
  product.b = b.data();
  product.c = c.data();
  return timed_seconds(s, repeats, [&] { gemm(s, product); });
}
template std::vector<double> time_product<float>(Stream&, Index, int);
template std::vector<double> time_product<double>(Stream&, Index, int);

std::vector<double> time_streaming(Stream& s, Index bytes, Index passes, int repeats) {
  const Index n = std::max<Index>(1024, bytes / 8);
  const Buffer<float> x = to_device(s, std::vector<float>(static_cast<std::size_t>(n), 1.0F));
  const Buffer<float> y = to_device(s, std::vector<float>(static_cast<std::size_t>(n), 1.0F));
  return timed_seconds(s, repeats, [&] {
    for (Index k = 0; k < passes; ++k) axpby(s, Axpby<float>{0.5F, x.data(), 0.5F, y.data(), n});
  });
}

EikonalTiming time_eikonal(Stream& s, const Grid3& g, Index sources, int order, int repeats, double limit_s) {
  std::vector<Point3> from, to;
  const double y = middle_y_m(g);
  for (Index k = 0; k < sources; ++k) from.push_back({g.at_m(2, (2 * k + 1) * g.nx / (2 * sources)), g.at_m(0, 1), y});
  for (Index k = 0; k < g.nx; k += 4) to.push_back({g.at_m(2, k), g.at_m(0, 0), y});
  EikonalOptions options;
  options.order = order;
  const Eikonal<float> eikonal(s, g, TravelSurvey::full(from, to), options);
  const Buffer<float> v = to_device(s, layered_values(g, 1500, 4500));
  const Index n = eikonal.survey().data();
  const Buffer<float> data(s, n), gradient = to_device(s, std::vector<float>(static_cast<std::size_t>(g.cells())));
  const Buffer<float> ones = to_device(s, std::vector<float>(static_cast<std::size_t>(n), 1.0F));
  EikonalState<float> state;
  EikonalTiming t;
  t.forward_s = timed_seconds(
      s, repeats, [&] { eikonal.forward(s, v.data(), data.data(), true, state); }, limit_s);
  t.sweeps = state.most_sweeps;
  t.gradient_s = timed_seconds(
      s, repeats, [&] { eikonal.vjp(s, v.data(), state, ones.data(), gradient.data()); }, limit_s);
  t.describe = eikonal.describe();
  return t;
}

ResistivityTiming time_resistivity(Stream& s, const Grid3& g, Index electrodes, int repeats, double limit_s) {
  constexpr Index padding = 8;
  constexpr double factor = 1.5;
  DcSurvey survey;
  for (Index k = 0; k < electrodes; ++k) {
    survey.electrodes.push_back(
        {g.at_m(2, (2 * k + 1) * g.nx / (2 * electrodes)), g.z0_m, g.flat() ? 0 : middle_y_m(g)});
  }
  for (Index a = 0; a + 3 < electrodes; ++a) {
    for (Index m = a + 2; m + 1 < std::min(electrodes, a + 12); ++m) survey.data.push_back({a, a + 1, m, m + 1});
  }
  ResistivityTiming t;
  t.poles = electrodes;
  if (g.flat()) {
    const TensorMesh mesh = TensorMesh::padded(g.nz, g.nx, g.dz_m, g.dx_m, g.x0_m, g.z0_m, padding, factor);
    ResistivityOptions o;
    o.core = MeshCore::inside(mesh, padding);
    o.wavenumbers = choose_wavenumbers(mesh, 11);
    const Resistivity<double> dc(mesh, survey, o);
    ResistivityState state;
    time_voltages(s, dc, g, repeats, limit_s, state, t);
    t.cells = mesh.cells(), t.wavenumbers = 11, t.band = std::min(mesh.nx(), mesh.nz()) + 2;
    return t;
  }
  const TensorMesh3 mesh =
      TensorMesh3::padded(g.nz, g.ny, g.nx, g.dz_m, g.dy_m, g.dx_m, {g.x0_m, g.z0_m, g.y0_m}, padding, factor);
  Resistivity3dOptions o;
  o.core = MeshCore3::inside(mesh, padding);
  const Resistivity3d<double> dc(s, mesh, survey, o);
  Resistivity3dState state;
  time_voltages(s, dc, g, repeats, limit_s, state, t);
  t.cells = mesh.cells(), t.steps = state.steps;
  return t;
}

}  // namespace terrane
