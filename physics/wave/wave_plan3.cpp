// SPDX-License-Identifier: MIT
#include "physics/wave/wave_plan3.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "kernels/stencil/resample.hpp"

namespace terrane {
namespace {

double inverse_length(const Grid3& g) {
  double sum = 0;
  for (int axis = 0; axis < 3; ++axis) sum += 1 / (g.spacing_m(axis) * g.spacing_m(axis));
  return std::sqrt(sum);
}

// Places of the strips of an axis, `around` positions apart from each other and from the ends; returns their total.
Index place_strips(WaveStrip* strips, Index count, Index around) {
  Index total = count > 0 ? around : 0;
  for (Index k = 0; k < count; ++k) {
    strips[k].offset = total;
    total += strips[k].end - strips[k].begin + around;
  }
  return total;
}

WaveLayout3 make_layout(const Grid3& grid, const WaveOptions3& o) {
  WaveLayout3 g;
  g.free_surface = o.free_surface;
  g.radius = o.order / 2;
  g.nz = grid.nz + o.pml[0] + o.pml[1];
  g.ny = grid.ny + o.pml[2] + o.pml[3];
  g.nx = grid.nx + o.pml[4] + o.pml[5];
  g.pitch = round_up_to_lanes(g.nx + g.radius);
  g.plane = (g.ny + g.radius) * g.pitch;
  g.origin = wave_lanes + g.radius * g.plane;
  g.field = g.origin + (g.nz + g.radius) * g.plane + wave_lanes;
  g.cells = g.nz * g.plane;
  g.z_strips = make_strips(g.nz, o.pml[0], o.pml[1], g.radius, 1, g.nz, g.z);
  g.y_strips = make_strips(g.ny, o.pml[2], o.pml[3], g.radius, 1, g.ny, g.y);
  g.x_strips = make_strips(g.nx, o.pml[4], o.pml[5], g.radius, wave_lanes, g.pitch, g.x);
  g.z_plane = g.ny * g.pitch;
  g.z_field = place_strips(g.z, g.z_strips, g.radius) * g.z_plane;
  g.y_plane = place_strips(g.y, g.y_strips, g.radius) * g.pitch;
  g.y_field = g.nz * g.y_plane;
  // The zeros after a strip are those before the next one, in this row or the next.
  g.x_pitch = std::max<Index>(0, place_strips(g.x, g.x_strips, wave_lanes) - wave_lanes);
  g.x_field = g.x_pitch > 0 ? g.nz * g.ny * g.x_pitch + 2 * wave_lanes : 0;  // registers are loaded two ahead
  return g;
}

ModelFrame3 make_frame(const Grid3& grid, const WaveOptions3& o, const WaveLayout3& g) {
  ModelFrame3 f;
  f.z = {grid.nz, o.pml[0], g.nz};
  f.y = {grid.ny, o.pml[2], g.ny};
  f.x = {grid.nx, o.pml[4], g.nx};
  f.pitch = g.pitch;
  f.plane = g.plane;
  f.free_surface = o.free_surface;
  return f;
}

Index state_values(const WaveLayout3& g) { return 2 * (g.field + g.z_field + g.y_field + g.x_field); }

}  // namespace

double wave_stable_dt_s(const Grid3& grid, int order, double vmax_mps) {
  return stable_dt_s(inverse_length(grid), order, vmax_mps);
}

WavePlan3 make_wave_plan(const Grid3& grid, const Survey3& survey, const WaveOptions3& options, Index shots,
                         Index scalar_bytes) {
  grid.check();
  check_wave_options(options);
  survey.check(grid);
  WavePlan3 plan;
  plan.grid = grid;
  plan.options = options;
  if (options.free_surface) plan.options.pml[0] = 0;
  const WaveOptions3& o = plan.options;
  if (o.free_surface && o.pml[1] > 0 && grid.nz < o.order) {
    throw Error(ErrorCode::config,
                "a free surface above an absorbing layer needs at least " + std::to_string(o.order) +
                    " grid planes at this order",
                "wave");
  }
  plan.shots = shots > 0 ? shots : survey.shot_count();
  plan.survey_shots = survey.shot_count();
  plan.sources = survey.max_sources();
  plan.receivers = survey.max_receivers();
  plan.nt = survey.nt;
  plan.dt_s = survey.dt_s;
  plan.substeps = choose_substeps(inverse_length(grid), o, survey.dt_s);
  plan.inner_dt_s = survey.dt_s / static_cast<double>(plan.substeps);
  plan.inner_nt = plan.substeps == 1 ? plan.nt : (plan.nt - 1 + resample_half_width) * plan.substeps;
  plan.layout = make_layout(grid, o);
  plan.frame = make_frame(grid, o, plan.layout);
  plan.scalar_bytes = scalar_bytes;
  const Index per_shot = plan.shots * scalar_bytes;
  plan.storage =
      plan_storage(o.storage, o.storage_every, std::max<Index>(1, plan.inner_nt - 1), plan.layout.cells * per_shot,
                   state_values(plan.layout) * per_shot, o.memory_budget_bytes);
  return plan;
}

std::string WavePlan3::describe() const {
  char text[360];
  std::snprintf(
      text, sizeof text,
      "acoustic 3-D, order %d, grid %lld x %lld x %lld (%lld x %lld x %lld with layers), dt %.4g ms = %.4g ms / %lld, "
      "%lld steps, %lld shots at a time, storage %s (%.3g GB)",
      options.order, static_cast<long long>(grid.nz), static_cast<long long>(grid.ny), static_cast<long long>(grid.nx),
      static_cast<long long>(layout.nz), static_cast<long long>(layout.ny), static_cast<long long>(layout.nx),
      1e3 * inner_dt_s, 1e3 * dt_s, static_cast<long long>(substeps), static_cast<long long>(inner_nt),
      static_cast<long long>(shots), std::string(to_string(storage.policy)).c_str(),
      static_cast<double>(storage.bytes) * 1e-9);
  return text;
}

CpmlTables wave_cpml(const WavePlan3& plan, int axis) {
  const WaveOptions3& o = plan.options;
  const WaveLayout3& g = plan.layout;
  double thickest = 0;
  for (int i = 0; i < 6; ++i) {
    thickest = std::max(thickest, o.pml[static_cast<std::size_t>(i)] * plan.grid.spacing_m(i / 2));
  }
  const auto side = static_cast<std::size_t>(2 * axis);
  const Index cells = axis == 0 ? g.nz : axis == 1 ? g.ny : g.nx;
  const CpmlAxis padded{cells, axis == 2 ? g.pitch : cells, o.pml[side], o.pml[side + 1], plan.grid.spacing_m(axis)};
  return cpml_tables(padded, o.order, o.vmax_mps, o.pml_reflection, o.pml_frequency_hz, thickest, plan.inner_dt_s);
}

WaveSizes wave_sizes(const WavePlan3& p, WaveUse use) {
  const WaveLayout3& g = p.layout;
  const bool fine = p.substeps > 1, checkpoint = p.storage.policy == Storage::checkpoint;
  WaveSizes n;
  n.coefficient = g.cells;
  n.state = p.shots * state_values(g);
  n.fields = n.state + p.shots * 2 * (g.z_field + g.y_field + g.x_field);
  n.scratch = p.shots * wave3_scratch_size(p.receivers);
  n.inner_wavelet = fine ? (p.options.shared_wavelet ? 1 : p.survey_shots * p.sources) * p.inner_nt : 0;
  n.inner_data = fine ? p.shots * p.receivers * p.inner_nt : 0;
  n.taps = fine ? resample_half_width * p.substeps : 0;
  n.profiles = 3 * (g.nz + g.ny + g.pitch);
  n.flag = 1;
  if (use == WaveUse::forward) return n;
  n.snapshots = p.shots * p.storage.slots * g.cells;
  n.states = p.storage.states * n.state;
  n.adjoint_fields = checkpoint ? n.fields : 0;
  n.image = p.shots * g.cells;
  n.image_total = p.shots > 1 ? g.cells : 0;
  n.d_wavelet = p.shots * p.sources * p.inner_nt;
  n.d_source = p.options.shared_wavelet ? p.inner_nt : 0;
  if (use == WaveUse::gradient) return n;
  n.tangent_fields = checkpoint ? n.fields : 0;
  n.tangent_model = g.cells;
  n.tangent_wavelet = n.inner_wavelet;
  return n;
}

}  // namespace terrane
