// SPDX-License-Identifier: MIT
#include "physics/wave/wave_plan.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>

#include "kernels/stencil/resample.hpp"

namespace terrane {
namespace {

constexpr double courant_factor = 0.6;

double inverse_length(const Grid2& g) { return std::sqrt(1 / (g.dz_m * g.dz_m) + 1 / (g.dx_m * g.dx_m)); }

Index round_up(Index n) { return (n + wave_lanes - 1) / wave_lanes * wave_lanes; }

void check_options(const WaveOptions& o) {
  require(o.order == 2 || o.order == 4 || o.order == 6 || o.order == 8, ErrorCode::config,
          "the order in space must be 2, 4, 6 or 8", "wave");
  for (const int width : o.pml) {
    require(width >= 0, ErrorCode::config, "absorbing layer widths must not be negative", "wave");
  }
  require(o.vmax_mps > 0 && std::isfinite(o.vmax_mps), ErrorCode::config,
          "vmax_mps must be stated and positive: it fixes the time step for the whole run", "wave");
  require(o.pml_reflection > 0 && o.pml_reflection < 1, ErrorCode::config,
          "the reflection coefficient of the absorbing layer must lie between 0 and 1", "wave");
  require(o.pml_frequency_hz >= 0, ErrorCode::config, "pml_frequency_hz must not be negative", "wave");
  require(o.substeps >= 0, ErrorCode::config, "substeps must be 0 (automatic) or a positive number", "wave");
}

// Intervals of an axis within reach of a layer, in multiples of `unit` up to `end`; adjoining intervals are merged.
Index make_strips(Index n, Index width_begin, Index width_end, Index radius, Index unit, Index end, WaveStrip* strips) {
  const auto from_begin = [&](Index cells) { return std::min(end, (cells + unit - 1) / unit * unit); };
  const auto from_end = [&](Index cells) { return std::max<Index>(0, (n - cells) / unit * unit); };
  Index count = 0;
  if (width_begin > 0) {
    strips[count++] = {0, from_begin(width_begin + 2 * radius), 0, 0, from_begin(width_begin + radius)};
  }
  if (width_end > 0) {
    const Index begin = from_end(width_end + 2 * radius);
    if (count == 1 && strips[0].end >= begin) {
      strips[0] = {0, end, 0, 0, end};
    } else {
      strips[count++] = {begin, end, 0, from_end(width_end + radius), end};
    }
  }
  return count;
}

WaveLayout make_layout(const Grid2& grid, const WaveOptions& o) {
  WaveLayout g;
  g.free_surface = o.free_surface;
  g.radius = o.order / 2;
  g.nz = grid.nz + o.pml[0] + o.pml[1];
  g.nx = grid.nx + o.pml[2] + o.pml[3];
  g.pitch = round_up(g.nx + g.radius);
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

Index choose_substeps(const Grid2& grid, const WaveOptions& o, double dt_s) {
  if (o.substeps == 0) {
    return std::max<Index>(1, static_cast<Index>(std::ceil(dt_s * o.vmax_mps * inverse_length(grid) / courant_factor)));
  }
  const double limit = wave_stable_dt_s(grid, o.order, o.vmax_mps);
  if (dt_s / o.substeps >= limit) {
    char text[256];
    std::snprintf(
        text, sizeof text,
        "the time step %.4g ms (dt_s / substeps) is unstable: the limit is %.4g ms for order %d and vmax %g m/s; "
        "use \"substeps\": %d or 0",
        1e3 * dt_s / o.substeps, 1e3 * limit, o.order, o.vmax_mps, static_cast<int>(std::floor(dt_s / limit)) + 1);
    throw Error(ErrorCode::config, text, "wave");
  }
  return o.substeps;
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
  return 2 / (vmax_mps * std::sqrt(fd_spectral_radius(order)) * inverse_length(grid));
}

WavePlan make_wave_plan(const Grid2& grid, const Survey& survey, const WaveOptions& options, Index shots,
                        Index scalar_bytes) {
  grid.check();
  check_options(options);
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
  plan.substeps = choose_substeps(grid, o, survey.dt_s);
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
  const int before = o.pml[vertical ? 0 : 2], after = o.pml[vertical ? 1 : 3];
  const Index cells = vertical ? plan.layout.nz : plan.layout.nx, r = plan.layout.radius;
  const Index size = vertical ? cells : plan.layout.pitch;
  const double h = vertical ? grid.dz_m : grid.dx_m;
  const double thickest = std::max(std::max(o.pml[0], o.pml[1]) * grid.dz_m, std::max(o.pml[2], o.pml[3]) * grid.dx_m);
  const auto n = static_cast<std::size_t>(size);
  CpmlTables tables{std::vector<double>(n), std::vector<double>(n), std::vector<double>(n)};
  if (before + after == 0) return tables;
  const double sigma0 = -3 * o.vmax_mps * std::log(o.pml_reflection) / (2 * thickest);
  std::vector<double> b_around(static_cast<std::size_t>(cells + 2 * r));  // b continued by r cells on each side
  for (Index i = -r; i < cells + r; ++i) {
    double f = 0;  // fraction of the layer that is passed
    if (before > 0) f = std::max(f, static_cast<double>(before - i) / before);
    if (after > 0) f = std::max(f, static_cast<double>(i - (cells - 1 - after)) / after);
    f = std::min(f, 1.0);
    if (f <= 0) continue;
    const double sigma = sigma0 * f * f, alpha = std::numbers::pi * o.pml_frequency_hz * (1 - f);
    const double a = std::exp(-(sigma + alpha) * plan.inner_dt_s), b = sigma / (sigma + alpha) * (a - 1);
    b_around[static_cast<std::size_t>(i + r)] = b;
    if (i < 0 || i >= cells) continue;
    tables.a[static_cast<std::size_t>(i)] = a;
    tables.b[static_cast<std::size_t>(i)] = b;
  }
  const FdAxis<double> axis = fd_axis<double>(o.order, h);
  for (Index i = 0; i < cells; ++i) {
    double sum = 0;
    for (Index k = 1; k <= r; ++k) {
      sum += axis.first[k - 1] *
             (b_around[static_cast<std::size_t>(i + r + k)] - b_around[static_cast<std::size_t>(i + r - k)]);
    }
    tables.db[static_cast<std::size_t>(i)] = sum;
  }
  return tables;
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
