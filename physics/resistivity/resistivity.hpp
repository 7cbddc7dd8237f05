// SPDX-License-Identifier: MIT
// DC resistivity in 2.5 dimensions: voltages of point electrodes over a medium sigma(x, z) that is constant along y,
// by nodal finite volumes on a tensor mesh. Any four-electrode array, on the surface or below it.
//
//   data (n) in volt for 1 A = F(m)      m (rows, columns) of the mesh core: ln(sigma), sigma (S/m) or rho (ohm m)
// For each wavenumber k, with U_p the potential of a unit pole p:
//   [G^T M_e G + k^2 M_n + diag(B_k sigma)] U_p = q_p,   phi(m, a) = sum_k w_k q_m . U_a
//   G       differences along the edges
//   M_e     per edge, sum of area sigma / 2 over the cells beside it; M_n per node, sum of area sigma / 4
//   B_k     Robin condition at the left, right and lower boundary: a face of length h gives h alpha sigma / 2 to each
//   of
//           its nodes, alpha = k K1(k r) / K0(k r) (r . n) / |r|, r from `origin` to the middle of the face.
//           The upper boundary is insulated, and so are cells of air: they hold no current, model values there are
//           ignored.
//   q_p     bilinear weights of the position in its cell, over the nodes that touch the ground
// Poles are solved once and shared by all data. Everything inside is double precision on the host; T is the type of
// model and data, which live on the device of the stream. Wavenumbers run on the threads of the stream; sums over them
// are in their order, so the bits do not depend on the number of threads.
//
// Errors: Error{config} options or mesh, Error{data} the survey or an electrode outside the mesh or in the air,
// Error{diverged} a model value that is not finite or gives no positive conductivity. Reference: Dey and Morrison
// (1979), Resistivity modelling for arbitrarily shaped two-dimensional structures.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "autodiff/op.hpp"
#include "physics/resistivity/dc_common.hpp"
#include "physics/resistivity/dc_correction.hpp"
#include "physics/resistivity/wavenumbers.hpp"

namespace terrane {

class BandCholesky;

struct DcOrigin {
  double x_m = 0, z_m = 0;
};

struct ResistivityOptions {
  DcProperty property = DcProperty::log_conductivity;
  std::optional<MeshCore> core;  // none: the whole mesh
  DcPadding padding = DcPadding::extended;
  double padding_siemens_per_m = 0;  // frozen
  Wavenumbers wavenumbers;           // empty: chosen for the mesh
  std::vector<std::uint8_t> air;     // (nz, nx) of the mesh, 1: air; empty: none
  std::optional<DcOrigin> origin;    // none: the top of the mesh in the middle of the electrodes
  bool remove_singularity = false;   // dc_correction.hpp; flat ground only
};

// What a forward call leaves for the derivatives; reused by the next call.
struct ResistivityState : Saved {
  std::vector<double> sigma, slope;            // (cells) on the mesh; d sigma / d m of the core (core cells)
  std::vector<std::vector<double>> potential;  // (wavenumber)(node, pole), poles padded to whole tiles
  bool kept = false;
};

template <class T>
class Resistivity {
 public:
  Resistivity(const TensorMesh& mesh, const DcSurvey& survey, const ResistivityOptions& options);

  const TensorMesh& mesh() const { return mesh_; }
  const MeshCore& core() const { return core_; }
  const DcSurvey& survey() const { return survey_; }
  const Wavenumbers& wavenumbers() const { return wavenumbers_; }
  // Host bytes of a state that keeps the potentials, with the work arrays of `threads` threads.
  Index memory_bytes(int threads = 1) const;
  std::string describe() const;

  void forward(Stream& s, const T* m, T* data, bool keep, ResistivityState& state) const;
  void vjp(Stream& s, const T* m, const ResistivityState& state, const T* d_data, T* d_m) const;  // accumulates
  void jvp(Stream& s, const T* m, const ResistivityState& state, const T* t_m, T* t_data) const;  // overwrites
  // The whole Jacobian (data, core cells), row-major, on the host.
  std::vector<double> jacobian(Stream& s, const ResistivityState& state) const;

 private:
  struct Stencil {  // of one electrode
    Index node[4];
    double weight[4];
    int count = 0;
  };
  struct Face {  // of the Robin boundary
    Index cell, node[2];
    double half_length_m, r_m, cosine;
  };
  struct Coefficients {  // of one cell for one wavenumber: of its edges along fast and slow axis, and of its nodes
    double along_fast, along_slow, node;
  };
  void make_axes();
  void make_cells(const std::vector<std::uint8_t>& air);
  void make_poles();
  void make_faces(const DcOrigin& origin);
  DcCorrection make_correction() const;
  Stencil stencil(const Point3& p, const std::string& name) const;
  Index cell(Index row, Index column) const;  // internal number
  Index node(Index z, Index x) const;
  std::vector<double> face_factors(double k) const;  // half_length_m alpha
  Coefficients coefficients(Index cell, double k) const;
  void set_model(const std::vector<T>& m, ResistivityState& state) const;
  void assemble(const std::vector<double>& sigma, double k, BandCholesky& a) const;
  void solve_poles(const std::vector<double>& sigma, double k, BandCholesky& a, std::vector<double>& u) const;
  void sample(const std::vector<double>& u, std::vector<double>& v) const;
  double datum(const DcDatum& d, const std::vector<double>& between) const;
  void gradient(double k, const std::vector<double>& u, const std::vector<double>& y, std::vector<double>& g) const;
  void tangent(double k, const std::vector<double>& u, const std::vector<double>& t, std::vector<double>& v) const;
  void require_kept(const ResistivityState& state) const;

  TensorMesh mesh_;
  DcSurvey survey_;
  MeshCore core_;
  DcProperty property_;
  DcPadding padding_;
  double padding_siemens_per_m_;
  Wavenumbers wavenumbers_;
  // Nodes and cells are numbered internally with the shorter axis fastest, so that the band is narrow.
  bool z_fast_ = true;
  Index fast_ = 0, slow_ = 0;  // cells
  std::vector<double> h_fast_, h_slow_;
  // Core cell that a cell takes its value from, or one of these.
  static constexpr Index frozen_cell = -1, air_cell = -2;
  std::vector<Index> core_of_cell_;
  std::vector<char> ground_;  // (node) touches a cell that is no air
  std::vector<Face> faces_;
  std::vector<Index> pole_;       // (electrode) its column of the solutions; poles are ordered along the slow axis
  std::vector<Stencil> stencil_;  // (pole)
  std::vector<Index> start_;      // (tile) first row with a source
  Index columns_ = 0;             // poles, padded
  DcCorrection correction_;
};

}  // namespace terrane
