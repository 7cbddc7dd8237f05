// SPDX-License-Identifier: MIT
// DC resistivity in three dimensions: voltages of point electrodes over a medium sigma(x, y, z), by nodal finite
// volumes on a tensor mesh. Any four-electrode array, on the surface or below it.
//
//   data (n) in volt for 1 A = F(m)   m (rows, lines, columns) = (z, y, x) of the mesh core: ln(sigma), sigma or rho
//   A(sigma) U_p = q_p for a unit pole p,   phi(m, a) = q_m . U_a
// A: resistivity3d_levels.hpp (Robin condition on the sides and below, insulated on top; cells of air hold no current,
// model values there are ignored); q_p: trilinear weights of the position in its cell, over the nodes that touch the
// ground. Poles are solved once and shared by all data; derivatives need no further solution:
//   d phi(m, a) = -U_m . dA U_a
// Potentials are double precision and live on the device of the stream, sixteen poles side by side. T is the type of
// model and data. The bits do not depend on the number of threads.
//
// Solvers: multigrid (conjugate gradients, resistivity3d_solver.hpp; a pole stops when its residual is `tolerance` of
// its right-hand side) or direct (factors on the host, small meshes).
//
// remove_singularity: dc_correction.hpp. Flat ground only.
//
// Errors: Error{config} options or mesh, Error{data} the survey or an electrode outside the mesh or in the air,
// Error{diverged} a model value that is not finite or gives no positive conductivity, or no convergence. Reference: Dey
// and Morrison (1979), Resistivity modeling for arbitrarily shaped three-dimensional structures.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "autodiff/op.hpp"
#include "physics/resistivity/dc_common.hpp"
#include "physics/resistivity/dc_correction.hpp"
#include "physics/resistivity/resistivity3d_solver.hpp"

namespace terrane {

enum class DcSolution : int { multigrid, direct };

struct Resistivity3dOptions {
  DcProperty property = DcProperty::log_conductivity;
  std::optional<MeshCore3> core;  // none: the whole mesh
  DcPadding padding = DcPadding::extended;
  double padding_siemens_per_m = 0;  // frozen
  std::vector<std::uint8_t> air;     // (nz, ny, nx) of the mesh, 1: air; empty: none
  std::optional<Point3> origin;      // of the Robin condition; none: top of the mesh in the middle of the electrodes
  DcSolution solution = DcSolution::multigrid;
  double tolerance = 1e-10;
  Index most_steps = 200;
  bool remove_singularity = false;
};

// What a forward call leaves for the derivatives; reused by the next call on the same device. The derivatives work in
// its arrays: one call at a time on one state.
struct Resistivity3dState : Saved {
  std::vector<double> sigma, slope;             // (cells) of the mesh; d sigma / d m (core cells)
  std::unique_ptr<DcSolver> solver;             // and its work arrays, which the derivatives use too
  std::vector<DcLevelArray<double>> potential;  // (batch)(nodes, 16)
  Buffer<double> products, mixture;             // (4, nodes), (16, 16)
  Index steps = 0;                              // of the slowest pole
  bool kept = false;
};

template <class T>
class Resistivity3d {
 public:
  // The stream is used during construction only.
  Resistivity3d(Stream& s, const TensorMesh3& mesh, const DcSurvey& survey, const Resistivity3dOptions& options);

  const TensorMesh3& mesh() const { return mesh_; }
  const MeshCore3& core() const { return core_; }
  const DcSurvey& survey() const { return survey_; }
  Index poles() const { return static_cast<Index>(points_.size()); }
  // Device bytes of a state that keeps the potentials, with its work arrays.
  Index memory_bytes() const;
  std::string describe() const;

  void forward(Stream& s, const T* m, T* data, bool keep, Resistivity3dState& state) const;
  void vjp(Stream& s, const T* m, const Resistivity3dState& state, const T* d_data, T* d_m) const;  // accumulates
  void jvp(Stream& s, const T* m, const Resistivity3dState& state, const T* t_m, T* t_data) const;  // overwrites

 private:
  void check_options() const;
  void make_cells();
  Index continued(Index z, Index y, Index x) const;
  void make_poles();
  DcPoint point(const Point3& p, const std::string& name) const;
  bool is_air(Index cell) const { return !options_.air.empty() && options_.air[static_cast<std::size_t>(cell)] != 0; }
  void set_model(const std::vector<T>& m, Resistivity3dState& state) const;
  std::vector<double> solve(Stream& s, bool keep, Resistivity3dState& state) const;
  std::vector<double> spread(const std::vector<double>& core) const;
  std::vector<double> data_of(const std::vector<double>& between) const;
  DcCorrection make_correction(Stream& s) const;
  std::size_t pair(Index e, Index c) const;
  Index batches() const { return (poles() + dc_batch - 1) / dc_batch; }
  void require_kept(const Resistivity3dState& state) const;

  TensorMesh3 mesh_;
  DcSurvey survey_;
  Resistivity3dOptions options_;
  MeshCore3 core_;
  std::shared_ptr<const DcHierarchy> hierarchy_;
  // Core cell that a cell takes its value from, or one of these.
  static constexpr Index frozen_cell = -1, air_cell = -2;
  std::vector<Index> core_of_cell_;
  std::vector<char> ground_;     // (node) touches a cell that is no air
  std::vector<Index> pole_;      // (electrode) its number among the poles, -1: unused
  std::vector<DcPoint> points_;  // (pole)
  DcCorrection correction_;
};

}  // namespace terrane
