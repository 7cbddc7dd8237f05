// SPDX-License-Identifier: MIT
// First-arrival times: |grad T| = s, T = 0 at the source, by a factored Godunov scheme (kernels/stencil/
// eikonal_point.hpp), 2-D and 3-D, spacings of the axes free, any number of sources at once.
//
//   data (pairs) in seconds = F(m)      m (nz, ny, nx) at the nodes, m/s or s/m by `property`
// Order 2 uses second differences upwind where two known nodes with falling times exist, first ones elsewhere; its
// sides are chosen from the first-order times, then once more from its own. Sources and receivers lie anywhere inside
// the grid; the nodes of a source's cell start with the time of the straight ray. Nodes marked as air hold no times and
// their model values are ignored. Values inside a cell are interpolated from its nodes that are not air.
//
// Derivatives are those of the converged scheme with its sides and orders held: exact wherever these do not change.
// Errors: Error{config} options, Error{data} a position outside the grid or in the air, a receiver that no time
// reaches, Error{diverged} a model value that is not positive, Error{failed} no convergence.
// References: Zhao (2005), A fast sweeping method for eikonal equations; Fomel, Luo, Zhao (2009), Fast sweeping method
// for the factored eikonal equation.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "autodiff/op.hpp"
#include "kernels/stencil/eikonal.hpp"
#include "physics/grid3.hpp"
#include "physics/travel_survey.hpp"

namespace terrane {

struct EikonalOptions {
  int order = 2;  // 1 or 2; a GPU has 1 only
  bool factored = true;
  TravelProperty property = TravelProperty::velocity;
  std::vector<std::uint8_t> air;  // (nz, ny, nx), 1: air; empty: none
  double tolerance = 0;           // relative change of a value that still counts; 0: a few roundings
  Index max_sweeps = 4000;
};

// What a forward call leaves for the derivatives, with the work arrays; reused by the next call.
template <class T>
struct EikonalState : Saved {
  Buffer<T> u, slowness, bad, sweeps, scratch, rho, gs, t_slowness;
  Buffer<std::uint8_t> stencil;
  bool kept = false;
  Index most_sweeps = 0;  // of the last call, over groups
};

template <class T>
class Eikonal {
 public:
  Eikonal(Stream& s, const Grid3& grid, const TravelSurvey& survey, const EikonalOptions& options);

  const Grid3& grid() const { return grid_; }
  const TravelSurvey& survey() const { return survey_; }
  const EikonalOptions& options() const { return options_; }
  // Device bytes of a state: forward, or with derivatives.
  Index memory_bytes(bool gradient) const;
  std::string describe() const;

  // data (pairs). keep: store what the derivatives need.
  void forward(Stream& s, const T* m, T* data, bool keep, EikonalState<T>& state) const;
  void vjp(Stream& s, const T* m, const EikonalState<T>& state, const T* d_data, T* d_m) const;  // accumulates
  void jvp(Stream& s, const T* m, const EikonalState<T>& state, const T* t_m, T* t_data) const;  // overwrites
  // Times (nz, ny, nx) of one source in seconds, on the host; -1 where there is none.
  std::vector<T> times(Stream& s, const EikonalState<T>& state, Index source) const;

 private:
  struct Corners;
  Corners corners(const Point3& p, const std::string& what) const;
  void make_offsets(Stream& s);
  void make_sources(Stream& s);
  void make_pairs(Stream& s);
  EikonalSetup<T> setup(const EikonalState<T>& state) const;
  EikonalSeed<T> seed(EikonalSeedMode mode) const;
  EikonalRecord<T> record() const;
  void solve(Stream& s, EikonalState<T>& state, bool frozen) const;
  void check_sweeps(Stream& s, EikonalState<T>& state, const char* what) const;
  [[noreturn]] void report_model(Stream& s, const T* m) const;
  void check_data(Stream& s, const T* data) const;
  Index values() const { return groups_ * g_.points * eikonal_lanes<T>; }
  bool velocity() const { return options_.property == TravelProperty::velocity; }
  T* scratch(Stream& s, EikonalState<T>& state, Index arrays) const;

  Grid3 grid_;
  TravelSurvey survey_;
  EikonalOptions options_;
  EikonalGrid g_;
  Index groups_ = 0;
  double length_m_ = 1;  // unit of length
  T k_[3] = {};
  Buffer<std::uint8_t> closed_;
  Buffer<T> offset_[3];
  Buffer<Index> seed_start_, seed_node_, entry_, entry_offset_, pair_start_, pair_order_;
  Buffer<T> seed_factor_, seed_weight_, entry_weight_;
};

}  // namespace terrane
