// SPDX-License-Identifier: MIT
#include "physics/wave/wave_plan.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "kernels/stencil/resample.hpp"

namespace terrane {
namespace {

// sqrt of the sum of 1/h² over the axes.
double inverse_length(const Grid3& g, bool flat) {
  double sum = 0;
  for (int axis = 0; axis < 3; ++axis) {
    if (axis != 1 || !flat) sum += 1 / (g.spacing_m(axis) * g.spacing_m(axis));
  }
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

WaveLayout make_layout(const Grid3& grid, const WaveOptions3& o, bool flat) {
  WaveLayout g;
  g.flat = flat;
  g.free_surface = o.free_surface;
  g.radius = o.order / 2;
  g.nz = grid.nz + o.pml[0] + o.pml[1];
  g.ny = grid.ny + o.pml[2] + o.pml[3];
  g.nx = grid.nx + o.pml[4] + o.pml[5];
  g.pitch = round_up_to_lanes(g.nx + g.radius);
  g.plane = flat ? g.pitch : (g.ny + g.radius) * g.pitch;
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

// Elements of a shot.
Index layers_of(const WaveLayout& g) { return g.z_field + g.y_field + g.x_field; }
Index fields_of(const WaveLayout& g) { return 2 * g.field + 4 * layers_of(g); }
Index state_of(const WaveLayout& g) { return 2 * (g.field + layers_of(g)); }
Index strip_state_of(const WavePlan& p) { return 2 * (p.ring.strips.size + layers_of(p.layout)); }
Index kept_elements(const WavePlan& p, Index values) {
  return p.options.storage_precision == StoragePrecision::bf16 ? (values + 1) / 2 : values;
}

ModelFrame make_frame(const Grid3& grid, const WaveOptions3& o, const WaveLayout& g) {
  ModelFrame f;
  f.z = {grid.nz, o.pml[0], g.nz};
  f.y = {grid.ny, o.pml[2], g.ny};
  f.x = {grid.nx, o.pml[4], g.nx};
  f.pitch = g.pitch;
  f.plane = g.plane;
  f.free_surface = o.free_surface;
  return f;
}

// Cells [low, high) of an axis out of reach of its layers.
struct CoreAxis {
  Index low = 0, high = 0;
  bool before = false, after = false;  // is there a layer on this side

  CoreAxis(Index n, const WaveStrip* strips, Index count) : high(n) {
    for (Index k = 0; k < count; ++k) {
      (strips[k].begin == 0 ? before : after) = true;
      (strips[k].begin == 0 ? low : high) = strips[k].begin == 0 ? strips[k].end : strips[k].begin;
    }
  }
};

// Samples of the ring on the device, all shots together: all of them, or what a segment backwards or two steps forward
// need.
Index held_samples(const WavePlan& p) {
  if (p.storage.policy == Storage::ring) return p.shots * p.inner_nt;
  return std::max(p.backward_shots * (p.storage.slots + 2), 2 * p.shots);
}

}  // namespace

WaveRingLayout make_ring_layout(const WaveLayout& g) {
  const CoreAxis axes[3] = {{g.nz, g.z, g.z_strips}, {g.ny, g.y, g.y_strips}, {g.pitch, g.x, g.x_strips}};
  const Index size[3] = {g.nz, g.ny, g.pitch};
  WaveRingLayout r;
  bool empty = false;
  for (int i = 0; i < 3; ++i) {
    r.low[i] = axes[i].low;
    r.high[i] = axes[i].high;
    empty = empty || axes[i].low >= axes[i].high;
  }
  if (empty) std::fill_n(r.low, 3, 0), std::fill_n(r.high, 3, 0);
  // A frame is cut from a box axis by axis: what lies before and after on this axis, and the rest goes on.
  const auto part = [](CellFrame& frame, const Index* low, const Index* high, int axis, Index begin, Index end) {
    Index from[3] = {low[0], low[1], low[2]}, to[3] = {high[0], high[1], high[2]};
    from[axis] = begin;
    to[axis] = end;
    frame.add(from, to);
  };
  Index low[3] = {0, 0, 0}, high[3] = {size[0], size[1], size[2]};
  for (int i = 0; i < 3; ++i) {
    part(r.strips, low, high, i, 0, r.low[i]);
    part(r.strips, low, high, i, r.high[i], size[i]);
    low[i] = r.low[i];
    high[i] = r.high[i];
  }
  if (empty) return r;
  const Index reach = g.radius;
  for (int i = 0; i < 3; ++i) {  // low, high: the core, then what the ring has left of it
    const Index begin = axes[i].before ? std::min(low[i] + reach, high[i]) : low[i];
    const Index end = axes[i].after ? std::max(high[i] - reach, begin) : high[i];
    part(r.ring, low, high, i, low[i], begin);
    part(r.ring, low, high, i, end, high[i]);
    low[i] = begin;
    high[i] = end;
    if (axes[i].before) part(r.skirt, r.low, r.high, i, r.low[i] - reach, r.low[i]);
    if (axes[i].after) part(r.skirt, r.low, r.high, i, r.high[i], r.high[i] + reach);
  }
  return r;
}

double wave_stable_dt_s(const Grid2& grid, int order, double vmax_mps) {
  return stable_dt_s(inverse_length(Grid3::of(grid), true), order, vmax_mps);
}
double wave_stable_dt_s(const Grid3& grid, int order, double vmax_mps) {
  return stable_dt_s(inverse_length(grid, false), order, vmax_mps);
}

namespace {

// Grid, options and survey have been checked.
template <class AnySurvey>
WavePlan make_plan(const Grid3& grid, bool flat, const AnySurvey& survey, const WaveOptions3& options, Index shots,
                   Index scalar_bytes) {
  WavePlan plan;
  plan.grid = grid;
  plan.options = options;
  if (options.free_surface) plan.options.pml[0] = 0;
  const WaveOptions3& o = plan.options;
  plan.shots = shots > 0 ? shots : survey.shot_count();
  plan.survey_shots = survey.shot_count();
  plan.sources = survey.max_sources();
  plan.receivers = survey.max_receivers();
  plan.nt = survey.nt;
  plan.dt_s = survey.dt_s;
  plan.substeps = choose_substeps(inverse_length(grid, flat), o, survey.dt_s);
  plan.inner_dt_s = survey.dt_s / static_cast<double>(plan.substeps);
  plan.inner_nt = plan.substeps == 1 ? plan.nt : (plan.nt - 1 + resample_half_width) * plan.substeps;
  plan.layout = make_layout(grid, o, flat);
  if (o.free_surface && o.pml[1] > 0 && grid.nz < o.order) {
    throw Error(ErrorCode::config,
                "a free surface above an absorbing layer needs at least " + std::to_string(o.order) +
                    (flat ? " grid rows at this order" : " grid planes at this order"),
                "wave");
  }
  plan.frame = make_frame(grid, o, plan.layout);
  plan.scalar_bytes = scalar_bytes;
  const WaveLayout& g = plan.layout;
  require(o.storage_precision == StoragePrecision::full || scalar_bytes == 4, ErrorCode::config,
          "storage_precision bf16 keeps wave fields of single precision; this run computes in double", "wave");
  plan.ring = make_ring_layout(g);
  plan.backward_shots = o.backward_shots > 0 ? std::min(o.backward_shots, plan.shots) : plan.shots;
  const Index per_shot = plan.shots * scalar_bytes;
  const RingCost ring{kept_elements(plan, plan.ring.ring.size) * per_shot, strip_state_of(plan) * per_shot,
                      (plan.ring.strips.size + plan.ring.skirt.size) * plan.backward_shots * scalar_bytes,
                      kept_elements(plan, plan.ring.ring.size) * plan.backward_shots * scalar_bytes};
  plan.storage =
      plan_storage(o.storage, o.storage_every, std::max<Index>(1, plan.inner_nt - 1),
                   kept_elements(plan, g.cells) * per_shot, state_of(g) * per_shot, o.memory_budget_bytes, &ring);
  return plan;
}

}  // namespace

WaveOptions section_of(const WaveOptions3& options) {
  WaveOptions o;
  static_cast<WaveScheme&>(o) = options;
  o.pml = {options.pml[0], options.pml[1], options.pml[4], options.pml[5]};
  return o;
}

WavePlan make_wave_plan(const Grid2& grid, const Survey& survey, const WaveOptions& options, Index shots,
                        Index scalar_bytes) {
  grid.check();
  check_wave_options(options);
  survey.check(grid);
  WaveOptions3 sides;
  static_cast<WaveScheme&>(sides) = options;
  sides.pml = {options.pml[0], options.pml[1], 0, 0, options.pml[2], options.pml[3]};
  return make_plan(Grid3::of(grid), true, survey, sides, shots, scalar_bytes);
}

WavePlan make_wave_plan(const Grid3& grid, const Survey3& survey, const WaveOptions3& options, Index shots,
                        Index scalar_bytes) {
  grid.check();
  check_wave_options(options);
  survey.check(grid);
  return make_plan(grid, false, survey, options, shots, scalar_bytes);
}

std::string WavePlan::describe() const {
  const auto sizes = [&](Index nz, Index ny, Index nx) {
    const std::string y = flat() ? "" : std::to_string(ny) + " x ";
    return std::to_string(nz) + " x " + y + std::to_string(nx);
  };
  char text[400], outside[64] = "";
  if (storage.outside()) {
    std::snprintf(outside, sizeof outside, ", %.3g GB on %s", static_cast<double>(storage.outside_bytes) * 1e-9,
                  storage.policy == Storage::disk ? "disk" : "the host");
  }
  std::snprintf(text, sizeof text,
                "acoustic %s, order %d, grid %s (%s with layers), dt %.4g ms = %.4g ms / %lld, %lld steps, %lld shots "
                "at a time, storage %s%s (%.3g GB%s)",
                flat() ? "2-D" : "3-D", options.order, sizes(grid.nz, grid.ny, grid.nx).c_str(),
                sizes(layout.nz, layout.ny, layout.nx).c_str(), 1e3 * inner_dt_s, 1e3 * dt_s,
                static_cast<long long>(substeps), static_cast<long long>(inner_nt), static_cast<long long>(shots),
                std::string(to_string(storage.policy)).c_str(),
                options.storage_precision == StoragePrecision::bf16 ? " in bf16" : "",
                static_cast<double>(storage.bytes) * 1e-9, outside);
  return text;
}

CpmlTables wave_cpml(const WavePlan& plan, int axis) {
  const WaveOptions3& o = plan.options;
  const WaveLayout& g = plan.layout;
  double thickest = 0;
  for (int i = 0; i < 6; ++i) {
    thickest = std::max(thickest, o.pml[static_cast<std::size_t>(i)] * plan.grid.spacing_m(i / 2));
  }
  const auto side = static_cast<std::size_t>(2 * axis);
  const Index cells = axis == 0 ? g.nz : axis == 1 ? g.ny : g.nx;
  const CpmlAxis padded{cells, axis == 2 ? g.pitch : cells, o.pml[side], o.pml[side + 1], plan.grid.spacing_m(axis)};
  return cpml_tables(padded, o.order, o.vmax_mps, o.pml_reflection, o.pml_frequency_hz, thickest, plan.inner_dt_s);
}

WaveSizes wave_sizes(const WavePlan& p, WaveUse use) {
  const WaveLayout& g = p.layout;
  const bool fine = p.substeps > 1, checkpoint = p.storage.policy == Storage::checkpoint;
  const bool ring = p.storage.ring();
  const Index group = ring ? p.backward_shots : p.shots;
  WaveSizes n;
  n.coefficient = g.cells;
  n.state = p.shots * state_of(g);
  n.fields = p.shots * fields_of(g);
  n.scratch = p.shots * wave_scratch_size(g, p.receivers);
  n.inner_wavelet = fine ? (p.options.shared_wavelet ? 1 : p.survey_shots * p.sources) * p.inner_nt : 0;
  n.inner_data = fine ? p.shots * p.receivers * p.inner_nt : 0;
  n.taps = fine ? resample_half_width * p.substeps : 0;
  n.profiles = 3 * (g.nz + g.ny + g.pitch);
  n.flag = 2;
  if (use == WaveUse::forward) return n;
  n.snapshots = ring ? 0 : kept_elements(p, p.shots * p.storage.slots * g.cells);
  if (ring) {
    n.strip_state = p.shots * strip_state_of(p);
    // Not empty where nothing has to be kept (no layers, or nothing else): a ring that is there selects the schedule.
    n.ring = std::max<Index>(1, kept_elements(p, held_samples(p) * p.ring.ring.size));
    n.skirt = group * p.storage.slots * p.ring.skirt.size;
    n.strips = group * p.storage.slots * p.ring.strips.size;
    n.background = group * fields_of(g);
  }
  n.states = p.storage.states * (ring ? n.strip_state : n.state);
  n.adjoint_fields = checkpoint || ring ? group * fields_of(g) : 0;
  n.image = p.shots * g.cells;
  n.image_total = p.shots > 1 ? g.cells : 0;
  n.d_wavelet = p.shots * p.sources * p.inner_nt;
  n.d_source = p.options.shared_wavelet ? p.inner_nt : 0;
  if (use == WaveUse::gradient) return n;
  if (ring) n.snapshots = group * tangent_chunk * g.cells;
  n.tangent_fields = checkpoint || ring ? group * fields_of(g) : 0;
  n.tangent_model = g.cells;
  n.tangent_wavelet = n.inner_wavelet;
  return n;
}

Index ring_block_steps(const WavePlan& p) {
  if (p.storage.policy == Storage::ring) return p.storage.segment;
  return held_samples(p) / p.shots / 2 * 2;
}

Index WaveSizes::total() const {
  return coefficient + fields + snapshots + states + ring + skirt + strips + background + scratch + inner_wavelet +
         inner_data + adjoint_fields + image + image_total + d_wavelet + d_source + tangent_fields + tangent_model +
         tangent_wavelet + taps + profiles + flag;
}

}  // namespace terrane
