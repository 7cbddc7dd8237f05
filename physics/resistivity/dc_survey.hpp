// SPDX-License-Identifier: MIT
// Where a DC resistivity model lives and what is measured on it: a tensor mesh in x-z and four-electrode data.
// x and z in metres, z down; cells (nz, nx) row-major, row 0 on top. The medium does not change along y.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "physics/travel_survey.hpp"

namespace terrane {

// Nodes of `n` equal cells of width `d` from `x0`, with `before` and `after` padding cells whose widths grow by
// `factor`. Throws Error{config}.
std::vector<double> padded_axis(Index n, double d, double x0, Index before, Index after, double factor);
// Throws Error{config} for fewer than two nodes or nodes that do not increase.
void check_axis(const std::vector<double>& nodes, const char* name);

// Node coordinates, strictly increasing; z_m[0] is the surface.
struct TensorMesh {
  std::vector<double> x_m, z_m;

  // Equal cells (nz, nx) from (x0_m, z0_m), then `padding` cells left, right and below whose widths grow by `factor`.
  static TensorMesh padded(Index nz, Index nx, double dz_m, double dx_m, double x0_m, double z0_m, Index padding,
                           double factor);
  Index nx() const { return static_cast<Index>(x_m.size()) - 1; }
  Index nz() const { return static_cast<Index>(z_m.size()) - 1; }
  Index cells() const { return nx() * nz(); }
  double width_m(Index column) const;
  double height_m(Index row) const;
  double smallest_m() const;  // width or height of a cell
  double extent_m() const;    // the larger of width and height of the mesh
  // Throws Error{config} for fewer than one cell a side or nodes that do not increase.
  void check() const;
};

// Cells above the surface of the ground, (nz, nx), 1: air. Their centre lies above the line through the points
// (x, z down), which is level beyond its ends. Throws Error{data} without points or when x does not increase.
std::vector<std::uint8_t> air_above(const TensorMesh& mesh, const std::vector<Point3>& topography);
// z of the stepped surface of the ground at x: the upper edge of the first cell of the column that is no air; between
// two columns the higher one. Throws Error{data} outside the mesh or where all is air.
double ground_z_m(const TensorMesh& mesh, const std::vector<std::uint8_t>& air, double x_m);

// The cells that are inverted for: rows [row0, row1), columns [column0, column1); the rest is padding.
struct MeshCore {
  Index row0 = 0, row1 = 0, column0 = 0, column1 = 0;
  static MeshCore all(const TensorMesh& mesh) { return {0, mesh.nz(), 0, mesh.nx()}; }
  // Everything but `padding` cells left, right and below.
  static MeshCore inside(const TensorMesh& mesh, Index padding);
  Index rows() const { return row1 - row0; }
  Index columns() const { return column1 - column0; }
  Index cells() const { return rows() * columns(); }
};

// Numbers of electrodes; -1 is the electrode at infinity (a pole). Datum: the potential at M minus that at N, in volt
// for +1 A into A and -1 A into B.
struct DcDatum {
  Index a = -1, b = -1, m = -1, n = -1;
  bool operator==(const DcDatum&) const = default;
};

struct DcSurvey {
  std::vector<Point3> electrodes;  // y: 0 in 2.5-D
  std::vector<DcDatum> data;

  Index size() const { return static_cast<Index>(data.size()); }
  // 2.5-D: in_plane. Throws Error{data}: no data, an index that names no electrode, a datum without current or without
  // potential electrode, one electrode used twice in a datum, electrodes at one place or, in_plane, away from the plane
  // y = 0.
  void check(bool in_plane = true) const;
};

}  // namespace terrane
