// SPDX-License-Identifier: MIT
#include "physics/wave/wave_plan.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>

#include "kernels/stencil/resample.hpp"

namespace terrane {
namespace {

double inverse_length(const Grid2& g) { return std::sqrt(1 / (g.dz_m * g.dz_m) + 1 / (g.dx_m * g.dx_m)); }

WaveLayout make_layout(const Grid2& grid, const WaveOptions& o) {
  WaveLayout g;
  g.free_surface = o.free_surface;
  g.radius = o.order / 2;
  g.nz = grid.nz + o.pml[0] + o.pml[1];
  g.nx = grid.nx + o.pml[2] + o.pml[3];
  g.pitch = round_up_to_lanes(g.nx + g.radius);
  g.origin = wave_lanes + g.radius * g.pitch;
  g.field = g.origin + (g.nz + g.radius) * g.pitch + wave_lanes;
  g.cells = g.nz * g.pitch;
  g.z_strips = make_strips(g.nz, o.pml[0], o.pml[1], g.radius, 1, g.nz, g.z);
  g.x_strips = make_strips(g.nx, o.pml[2], o.pml[3], g.radius, wave_lanes, g.pitch, g.x);
  Index rows = 0;
  for (Index k = 0; k < g.z_strips; ++k) {
    g.z[k].offset = rows + g.radius;
    rows += g.z[k].end - g.z[k].begin + 2 * g.radius;
  }
  g.z_field = rows * g.pitch;
  Index columns = 0;
  for (Index k = 0; k < g.x_strips; ++k) {
    g.x[k].offset = columns + wave_lanes;
    columns += wave_lanes + g.x[k].end - g.x[k].begin;
  }
  g.x_pitch = columns;
  // The right neighbours of a strip are the zeros before the next one.
  g.x_field = columns > 0 ? columns * g.nz + 2 * wave_lanes : 0;  // registers are loaded two ahead
  return g;
}

// Elements of a shot.
Index fields_of(const WaveLayout& g) { return 2 * g.field + 4 * (g.z_field + g.x_field); }
Index strip_state_of(const WavePlan& p) { return 2 * (p.ring.strips.size + p.layout.z_field + p.layout.x_field); }
Index kept_elements(const WavePlan& p, Index values) {
  return p.options.storage_precision == StoragePrecision::bf16 ? (values + 1) / 2 : values;
}

ModelFrame make_frame(const Grid2& grid, const WaveOptions& o, const WaveLayout& g) {
  ModelFrame f;
  f.nz = grid.nz;
  f.nx = grid.nx;
  f.top = o.pml[0];
  f.left = o.pml[2];
  f.rows = g.nz;
  f.columns = g.nx;
  f.pitch = g.pitch;
  f.free_surface = o.free_surface;
  return f;
}

}  // namespace

WaveRingLayout make_ring_layout(const WaveLayout& g) {
  WaveRingLayout r;
  r.z1 = g.nz;
  r.x1 = g.pitch;
  bool top = false, bottom = false, left = false, right = false;
  for (Index k = 0; k < g.z_strips; ++k) {
    (g.z[k].begin == 0 ? top : bottom) = true;
    (g.z[k].begin == 0 ? r.z0 : r.z1) = g.z[k].begin == 0 ? g.z[k].end : g.z[k].begin;
  }
  for (Index k = 0; k < g.x_strips; ++k) {
    (g.x[k].begin == 0 ? left : right) = true;
    (g.x[k].begin == 0 ? r.x0 : r.x1) = g.x[k].begin == 0 ? g.x[k].end : g.x[k].begin;
  }
  if (r.z0 >= r.z1 || r.x0 >= r.x1) r.z0 = r.z1 = r.x0 = r.x1 = 0;
  r.strips.add(0, r.z0, 0, g.pitch);
  r.strips.add(r.z1, g.nz, 0, g.pitch);
  r.strips.add(r.z0, r.z1, 0, r.x0);
  r.strips.add(r.z0, r.z1, r.x1, g.pitch);
  if (r.z0 == r.z1) return r;
  const Index reach = g.radius;
  const Index upper = top ? std::min(r.z0 + reach, r.z1) : r.z0, lower = bottom ? std::max(r.z1 - reach, upper) : r.z1;
  const Index inner_left = left ? std::min(r.x0 + reach, r.x1) : r.x0;
  r.ring.add(r.z0, upper, r.x0, r.x1);
  r.ring.add(lower, r.z1, r.x0, r.x1);
  r.ring.add(upper, lower, r.x0, inner_left);
  if (right) r.ring.add(upper, lower, std::max(r.x1 - reach, inner_left), r.x1);
  if (top) r.skirt.add(r.z0 - reach, r.z0, r.x0, r.x1);
  if (bottom) r.skirt.add(r.z1, r.z1 + reach, r.x0, r.x1);
  if (left) r.skirt.add(r.z0, r.z1, r.x0 - reach, r.x0);
  if (right) r.skirt.add(r.z0, r.z1, r.x1, r.x1 + reach);
  return r;
}

double wave_stable_dt_s(const Grid2& grid, int order, double vmax_mps) {
  return stable_dt_s(inverse_length(grid), order, vmax_mps);
}

WavePlan make_wave_plan(const Grid2& grid, const Survey& survey, const WaveOptions& options, Index shots,
                        Index scalar_bytes) {
  grid.check();
  check_wave_options(options);
  survey.check(grid);
  WavePlan plan;
  plan.grid = grid;
  plan.options = options;
  if (options.free_surface) plan.options.pml[0] = 0;
  const WaveOptions& o = plan.options;
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
  if (o.free_surface && o.pml[1] > 0 && grid.nz < o.order) {
    throw Error(ErrorCode::config,
                "a free surface above an absorbing layer needs at least " + std::to_string(o.order) +
                    " grid rows at this order",
                "wave");
  }
  plan.frame = make_frame(grid, o, plan.layout);
  plan.scalar_bytes = scalar_bytes;
  const WaveLayout& g = plan.layout;
  require(o.storage_precision == StoragePrecision::full || scalar_bytes == 4, ErrorCode::config,
          "storage_precision bf16 keeps wave fields of single precision; this run computes in double", "wave");
  plan.ring = make_ring_layout(g);
  plan.backward_shots = o.backward_shots > 0 ? std::min(o.backward_shots, plan.shots) : plan.shots;
  const Index per_shot = plan.shots * scalar_bytes, state = 2 * (g.field + g.z_field + g.x_field);
  const RingCost ring{kept_elements(plan, plan.ring.ring.size) * per_shot, strip_state_of(plan) * per_shot,
                      (plan.ring.strips.size + plan.ring.skirt.size) * plan.backward_shots * scalar_bytes};
  plan.storage = plan_storage(o.storage, o.storage_every, std::max<Index>(1, plan.inner_nt - 1),
                              kept_elements(plan, g.cells) * per_shot, state * per_shot, o.memory_budget_bytes, &ring);
  return plan;
}

std::string WavePlan::describe() const {
  char text[320];
  std::snprintf(text, sizeof text,
                "acoustic 2-D, order %d, grid %lld x %lld (%lld x %lld with layers), dt %.4g ms = %.4g ms / %lld, "
                "%lld steps, %lld shots at a time, storage %s%s (%.3g GB)",
                options.order, static_cast<long long>(grid.nz), static_cast<long long>(grid.nx),
                static_cast<long long>(layout.nz), static_cast<long long>(layout.nx), 1e3 * inner_dt_s, 1e3 * dt_s,
                static_cast<long long>(substeps), static_cast<long long>(inner_nt), static_cast<long long>(shots),
                std::string(to_string(storage.policy)).c_str(),
                options.storage_precision == StoragePrecision::bf16 ? " in bf16" : "",
                static_cast<double>(storage.bytes) * 1e-9);
  return text;
}

CpmlTables wave_cpml(const WavePlan& plan, bool vertical) {
  const WaveOptions& o = plan.options;
  const Grid2& grid = plan.grid;
  const WaveLayout& g = plan.layout;
  const double thickest = std::max(std::max(o.pml[0], o.pml[1]) * grid.dz_m, std::max(o.pml[2], o.pml[3]) * grid.dx_m);
  const CpmlAxis axis = vertical ? CpmlAxis{g.nz, g.nz, o.pml[0], o.pml[1], grid.dz_m}
                                 : CpmlAxis{g.nx, g.pitch, o.pml[2], o.pml[3], grid.dx_m};
  return cpml_tables(axis, o.order, o.vmax_mps, o.pml_reflection, o.pml_frequency_hz, thickest, plan.inner_dt_s);
}

WaveSizes wave_sizes(const WavePlan& p, WaveUse use) {
  const WaveLayout& g = p.layout;
  const bool fine = p.substeps > 1, checkpoint = p.storage.policy == Storage::checkpoint;
  const bool ring = p.storage.policy == Storage::ring;
  const Index group = ring ? p.backward_shots : p.shots;
  WaveSizes n;
  n.coefficient = g.cells;
  n.state = p.shots * 2 * (g.field + g.z_field + g.x_field);
  n.fields = p.shots * fields_of(g);
  n.scratch = p.shots * wave_scratch_size(g, p.receivers);
  n.inner_wavelet = fine ? (p.options.shared_wavelet ? 1 : p.survey_shots * p.sources) * p.inner_nt : 0;
  n.inner_data = fine ? p.shots * p.receivers * p.inner_nt : 0;
  n.taps = fine ? resample_half_width * p.substeps : 0;
  n.profiles = 3 * (g.nz + g.pitch);
  n.flag = 1;
  if (use == WaveUse::forward) return n;
  n.snapshots = ring ? 0 : kept_elements(p, p.shots * p.storage.slots * g.cells);
  if (ring) {
    n.strip_state = p.shots * strip_state_of(p);
    // Not empty where nothing has to be kept (no layers, or nothing else): a ring that is there selects the schedule.
    n.ring = std::max<Index>(1, kept_elements(p, p.shots * p.inner_nt * p.ring.ring.size));
    n.skirt = group * p.storage.slots * p.ring.skirt.size;
    n.strips = group * p.storage.slots * p.ring.strips.size;
    n.background = group * fields_of(g);
  }
  n.states = p.storage.states * (ring ? n.strip_state : n.state);
  n.adjoint_fields = checkpoint || ring ? group * fields_of(g) : 0;
  n.image = p.shots * g.cells;
  n.image_total = g.cells;
  n.d_wavelet = p.shots * p.sources * p.inner_nt;
  n.d_source = p.options.shared_wavelet ? p.inner_nt : 0;
  if (use == WaveUse::gradient) return n;
  if (ring) n.snapshots = group * tangent_chunk * g.cells;
  n.tangent_fields = checkpoint || ring ? group * fields_of(g) : 0;
  n.tangent_model = g.cells;
  n.tangent_wavelet = n.inner_wavelet;
  return n;
}

Index WaveSizes::total() const {
  return coefficient + fields + snapshots + states + ring + skirt + strips + background + scratch + inner_wavelet +
         inner_data + adjoint_fields + image + image_total + d_wavelet + d_source + tangent_fields + tangent_model +
         tangent_wavelet + taps + profiles + flag;
}

}  // namespace terrane
