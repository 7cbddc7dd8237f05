// SPDX-License-Identifier: MIT
// Travel times along straight rays: t = A s, s the slowness of cells, A by kernels/stencil/ray.hpp.
//
//   data (pairs) = A m (slowness), or A (1 / m) (velocity, m/s)      m (nz, ny, nx): the cell of node i is the box of
//   one spacing around it; the data are seconds where A holds metres.
// Positions lie anywhere inside the cells, i.e. up to half a spacing beyond the outer nodes. A ray between equal
// positions has length 0. Matrix-free by default; `sparse` stores A and its transpose.
// Errors: Error{data} a position outside the cells, or a vertical ray with the gaussian kernel; Error{config} options;
// Error{diverged} a velocity that is not positive and finite, a slowness that is not finite.
#pragma once

#include <string>
#include <vector>

#include "autodiff/op.hpp"
#include "kernels/encode/dense_grid.hpp"
#include "kernels/stencil/ray.hpp"
#include "physics/grid3.hpp"
#include "physics/travel_survey.hpp"

namespace terrane {

struct StraightRayOptions {
  RayKernel kernel = RayKernel::length;
  TravelProperty property = TravelProperty::slowness;
  double width_cells = 1, cutoff = 0.1;  // gaussian
  bool sparse = false;
};

template <class T>
struct StraightRayState : Saved {
  Buffer<T> slowness, work, bad;  // velocity: 1 / m and its cotangent or tangent; bad: model_check.hpp
};

template <class T>
class StraightRays {
 public:
  StraightRays(Stream& s, const Grid3& grid, const TravelSurvey& survey, const StraightRayOptions& options);

  const Grid3& grid() const { return grid_; }
  const TravelSurvey& survey() const { return survey_; }
  Index memory_bytes() const;
  std::string describe() const;
  // A: one row a datum.
  SparseRows matrix() const;

  void forward(Stream& s, const T* m, T* data, StraightRayState<T>& state) const;
  void vjp(Stream& s, const T* m, const StraightRayState<T>& state, const T* d_data, T* d_m) const;  // accumulates
  void jvp(Stream& s, const T* m, const StraightRayState<T>& state, const T* t_m, T* t_data) const;  // overwrites

 private:
  struct DeviceRows {
    Index rows = 0;
    Buffer<Index> start, column;
    Buffer<T> weight;
  };
  static DeviceRows upload(Stream& s, const SparseRows& rows);
  void apply(Stream& s, const T* slowness, T* data) const;
  void adjoint(Stream& s, const T* d_data, T* d_slowness) const;  // accumulates
  bool velocity() const { return options_.property == TravelProperty::velocity; }

  Grid3 grid_;
  TravelSurvey survey_;
  StraightRayOptions options_;
  RayGrid g_;
  std::vector<double> host_rays_;
  Buffer<double> rays_;
  DeviceRows matrix_, transposed_;
};

}  // namespace terrane
