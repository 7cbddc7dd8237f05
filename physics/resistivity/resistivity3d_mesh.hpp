// SPDX-License-Identifier: MIT
// Tensor mesh of a 3-D DC resistivity model. x, y and z in metres, z down; cells (nz, ny, nx) row-major, row 0 on top.
#pragma once

#include <cstdint>
#include <vector>

#include "physics/resistivity/dc_survey.hpp"

namespace terrane {

// Node coordinates, strictly increasing; z_m[0] is the upper boundary.
struct TensorMesh3 {
  std::vector<double> x_m, y_m, z_m;

  // Equal cells (nz, ny, nx) from `corner`, then `padding` cells on all sides but the top whose widths grow by
  // `factor`.
  static TensorMesh3 padded(Index nz, Index ny, Index nx, double dz_m, double dy_m, double dx_m, const Point3& corner,
                            Index padding, double factor);
  const std::vector<double>& nodes_m(int axis) const { return axis == 0 ? z_m : axis == 1 ? y_m : x_m; }  // 0 z, 1 y
  Index cells(int axis) const { return static_cast<Index>(nodes_m(axis).size()) - 1; }
  Index nx() const { return cells(2); }
  Index ny() const { return cells(1); }
  Index nz() const { return cells(0); }
  Index cells() const { return nx() * ny() * nz(); }
  double middle_m(int axis, Index cell) const;
  // Throws Error{config} for fewer than one cell a side or nodes that do not increase.
  void check() const;
};

// Height of the ground on a grid, z (ny, nx) in metres, z down; linear between the points, level beyond them.
struct Topography {
  std::vector<double> x_m, y_m, z_m;
  double at(double x, double y) const;
  // Throws Error{data} unless x and y increase and there is a finite z for each pair of them.
  void check() const;
};

// Cells above the ground, (nz, ny, nx), 1: air. Their centre lies above the topography.
std::vector<std::uint8_t> air_above(const TensorMesh3& mesh, const Topography& topography);
// z of the stepped surface of the ground: the upper side of the first cell of the column that is no air; between
// columns the highest one. Throws Error{data} outside the mesh or where all is air.
double ground_z_m(const TensorMesh3& mesh, const std::vector<std::uint8_t>& air, double x_m, double y_m);

// The cells that are inverted for: rows (z) [row0, row1), lines (y) [line0, line1), columns (x) [column0, column1).
struct MeshCore3 {
  Index row0 = 0, row1 = 0, line0 = 0, line1 = 0, column0 = 0, column1 = 0;
  static MeshCore3 all(const TensorMesh3& mesh) { return {0, mesh.nz(), 0, mesh.ny(), 0, mesh.nx()}; }
  // Everything but `padding` cells on all sides but the top.
  static MeshCore3 inside(const TensorMesh3& mesh, Index padding);
  Index rows() const { return row1 - row0; }
  Index lines() const { return line1 - line0; }
  Index columns() const { return column1 - column0; }
  Index cells() const { return rows() * lines() * columns(); }
};

}  // namespace terrane
