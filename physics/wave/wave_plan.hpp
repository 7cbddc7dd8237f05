// SPDX-License-Identifier: MIT
// Everything about a wave run, in two or three dimensions, that is decided before memory is touched: time step, padded
// grid, profiles, storage, and the size of every array.
//
// Time step: dt = dt_s / ratio, ratio = ceil(dt_s / dt_max), dt_max = 0.6 / (vmax sqrt(s)), s the sum of 1/h² over the
// axes, or the stated number of substeps if stable: dt < 2 / (vmax sqrt(lambda s)), lambda the spectral radius of
// -h² D2 (Courant limits for orders 2, 4, 6, 8 in a square grid: 0.707, 0.612, 0.575, 0.555; in a cubic grid: 0.577,
// 0.500, 0.470, 0.453).
#pragma once

#include <array>
#include <string>
#include <vector>

#include "kernels/stencil/wave_model.hpp"
#include "physics/grid3.hpp"
#include "physics/snapshots.hpp"
#include "physics/survey.hpp"
#include "physics/survey3.hpp"
#include "physics/wave/plan_common.hpp"

namespace terrane {

// All but the absorbing layers, whose sides differ between two and three dimensions.
struct WaveScheme {
  int order = 8;                 // in space: 2, 4, 6, 8
  bool free_surface = false;     // p = 0 on row (plane) 0; the top layer is then ignored
  double pml_reflection = 1e-3;  // R of the profile
  double pml_frequency_hz = 25;  // alpha = pi pml_frequency at the inner edge
  double vmax_mps = 0;           // largest velocity that any model of this run may have
  int substeps = 0;              // 0: automatic
  Storage storage = Storage::automatic;
  int storage_every = 1;  // for every-k
  StoragePrecision storage_precision = StoragePrecision::full;
  Index backward_shots = 0;       // ring: shots that run backwards at a time; 0: all in flight (GPU) or one a thread
  bool shared_wavelet = true;     // one wavelet (nt) for all; else (survey shots, sources, nt)
  Index memory_budget_bytes = 0;  // of snapshots and saved states; 0: default_storage_budget decides between policies
  std::string storage_directory;  // of the file of storage `disk`; empty: that of temporary files
};

struct WaveOptions : WaveScheme {
  std::array<int, 4> pml{20, 20, 20, 20};  // cells at top, bottom, left, right
};
struct WaveOptions3 : WaveScheme {
  std::array<int, 6> pml{20, 20, 20, 20, 20, 20};  // cells at top, bottom, front, back (y), left, right
};

// The sides of the plane z, x.
WaveOptions section_of(const WaveOptions3& options);

struct WavePlan {
  Grid3 grid;            // in two dimensions ny = 1
  WaveOptions3 options;  // in two dimensions without layers along y
  Index shots = 0;       // in flight at a time
  Index survey_shots = 0;
  Index sources = 0;    // traces a shot
  Index receivers = 0;  // traces a shot
  Index nt = 0;         // samples of the data
  double dt_s = 0;      // of the data
  Index substeps = 1;
  double inner_dt_s = 0;
  Index inner_nt = 0;  // samples of the run; longer than nt substeps by the half-width of the resampling filter
  WaveLayout layout;
  WaveRingLayout ring;
  ModelFrame frame;
  StoragePlan storage;
  Index scalar_bytes = 4;
  Index backward_shots = 0;  // shots that run backwards at a time

  bool flat() const { return layout.flat; }                           // two dimensions
  Index points() const { return layout.nz * layout.ny * layout.nx; }  // padded grid points
  std::string describe() const;
};

// Core, strips, ring and skirt of a layout (kernels/stencil/wave_ring.hpp).
WaveRingLayout make_ring_layout(const WaveLayout& g);

// Largest stable time step (s) for the order and vmax.
double wave_stable_dt_s(const Grid2& grid, int order, double vmax_mps);
double wave_stable_dt_s(const Grid3& grid, int order, double vmax_mps);

// shots: number in flight at a time (a batch). Throws Error{config} for invalid options or an unstable time step.
WavePlan make_wave_plan(const Grid2& grid, const Survey& survey, const WaveOptions& options, Index shots,
                        Index scalar_bytes);
WavePlan make_wave_plan(const Grid3& grid, const Survey3& survey, const WaveOptions3& options, Index shots,
                        Index scalar_bytes);

// axis: 0 z, 1 y, 2 x.
CpmlTables wave_cpml(const WavePlan& plan, int axis);

enum class WaveUse { forward, gradient, tangent };  // each includes the ones before

// Elements (scalars) of every array of a run; the allocation uses these numbers. Zero: not needed.
struct WaveSizes {
  Index coefficient = 0, fields = 0, state = 0;  // state: leading part of fields that a checkpoint copies
  Index snapshots = 0, states = 0;
  Index strip_state = 0;                                  // of one segment start, all shots (ring)
  Index ring = 0, skirt = 0, strips = 0, background = 0;  // ring; background: fields of the forward run backwards
  Index scratch = 0, inner_wavelet = 0, inner_data = 0;
  Index adjoint_fields = 0, image = 0, image_total = 0, d_wavelet = 0, d_source = 0;  // gradient
  Index tangent_fields = 0, tangent_model = 0, tangent_wavelet = 0;                   // tangent
  Index taps = 0, profiles = 0, flag = 0;

  Index total() const;
};
inline constexpr Index tangent_chunk = 16;  // steps whose w is computed at a time for a tangent (ring)
WaveSizes wave_sizes(const WavePlan& plan, WaveUse use);
// Steps of the forward run between writes of the ring to disk or host, even; else those of a segment.
Index ring_block_steps(const WavePlan& plan);

}  // namespace terrane
