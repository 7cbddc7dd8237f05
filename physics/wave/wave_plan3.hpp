// SPDX-License-Identifier: MIT
// Everything about a 3-D wave run that is decided before memory is touched, as in wave_plan.hpp with a third axis:
// dt_max = 0.6 / (vmax sqrt(1/dz² + 1/dy² + 1/dx²)); stable below 2 / (vmax sqrt(lambda (1/dz² + 1/dy² + 1/dx²)))
// (Courant limits in a cubic grid: 0.577, 0.500, 0.470, 0.453 for orders 2, 4, 6, 8).
#pragma once

#include <array>
#include <string>

#include "kernels/stencil/wave3.hpp"
#include "physics/snapshots.hpp"
#include "physics/survey3.hpp"
#include "physics/wave/plan_common.hpp"
#include "physics/wave/wave_plan.hpp"

namespace terrane {

struct WaveOptions3 {
  int order = 8;                                   // in space: 2, 4, 6, 8
  std::array<int, 6> pml{20, 20, 20, 20, 20, 20};  // cells at top, bottom, front, back (y), left, right (x)
  bool free_surface = false;                       // p = 0 on plane 0; the top layer is then ignored
  double pml_reflection = 1e-3;                    // R of the profile
  double pml_frequency_hz = 25;                    // alpha = pi pml_frequency at the inner edge
  double vmax_mps = 0;                             // largest velocity that any model of this run may have
  int substeps = 0;                                // 0: automatic
  Storage storage = Storage::automatic;
  int storage_every = 1;          // for every-k
  bool shared_wavelet = true;     // one wavelet (nt) for all; else (survey shots, sources, nt)
  Index memory_budget_bytes = 0;  // of snapshots and saved states; 0: default_storage_budget decides between policies
};

struct WavePlan3 {
  Grid3 grid;
  WaveOptions3 options;
  Index shots = 0;  // in flight at a time
  Index survey_shots = 0;
  Index sources = 0;    // traces a shot
  Index receivers = 0;  // traces a shot
  Index nt = 0;         // samples of the data
  double dt_s = 0;      // of the data
  Index substeps = 1;
  double inner_dt_s = 0;
  Index inner_nt = 0;  // samples of the run; longer than nt substeps by the half-width of the resampling filter
  WaveLayout3 layout;
  ModelFrame3 frame;
  StoragePlan storage;
  Index scalar_bytes = 4;

  Index points() const { return layout.nz * layout.ny * layout.nx; }  // padded grid points
  std::string describe() const;
};

// Largest stable time step (s) for the order and vmax.
double wave_stable_dt_s(const Grid3& grid, int order, double vmax_mps);

// shots: number in flight at a time (a batch). Throws Error{config} for invalid options or an unstable time step.
WavePlan3 make_wave_plan(const Grid3& grid, const Survey3& survey, const WaveOptions3& options, Index shots,
                         Index scalar_bytes);

// axis: 0 z, 1 y, 2 x.
CpmlTables wave_cpml(const WavePlan3& plan, int axis);

WaveSizes wave_sizes(const WavePlan3& plan, WaveUse use);

}  // namespace terrane
