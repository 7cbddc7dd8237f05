// SPDX-License-Identifier: MIT
// UBC-GIF meshes, models and topography. "!" begins a comment, numbers may be Fortran's.
//
//   mesh 2-D   number of segments along x, "x0 x1 n", then lines "x_end n"; the same for depth, counted down from the
//              top
//   model 2-D  "nx nz", then nz rows from the top, nx values each; rows may be broken into lines
//   mesh 3-D   "nx ny nz", then "x0 y0 z of the top (an elevation)", then the widths along x, y, and z from the top
//              down; 20*5.0 stands for twenty times 5.0
//   model 3-D  nx ny nz values, z fastest (downward), then x, then y
//   topography lines "x z" or "x y z" with one y, x increasing; first, optionally, their number, or "number elevation",
//              the elevation of the top of the mesh. z is an elevation unless z_axis says "down". 3-D: lines "x y z" in
//              any order, of any places
//
// Errors are Error{data} with where() "path:line" and the remedy in the message.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "physics/resistivity/resistivity3d_mesh.hpp"

namespace terrane {

struct UbcModel2 {
  Index nz = 0, nx = 0;
  std::vector<double> values;  // (nz, nx), row 0 on top
};

TensorMesh read_ubc_mesh_2d(const std::string& path);
TensorMesh parse_ubc_mesh_2d(std::string_view text, const std::string& path);
UbcModel2 read_ubc_model_2d(const std::string& path);
UbcModel2 parse_ubc_model_2d(std::string_view text, const std::string& path);
// z down from the elevation 0.
TensorMesh3 read_ubc_mesh_3d(const std::string& path);
TensorMesh3 parse_ubc_mesh_3d(std::string_view text, const std::string& path);
// (z, y, x), row 0 on top.
std::vector<double> read_ubc_model_3d(const std::string& path, const TensorMesh3& mesh);
std::vector<double> parse_ubc_model_3d(std::string_view text, const std::string& path, const TensorMesh3& mesh);
// Points with z down.
std::vector<Point3> read_topography(const std::string& path, const std::string& z_axis = "up");
std::vector<Point3> parse_topography(std::string_view text, const std::string& path, const std::string& z_axis = "up");
std::vector<Point3> read_topography_3d(const std::string& path, const std::string& z_axis = "up");
std::vector<Point3> parse_topography_3d(std::string_view text, const std::string& path,
                                        const std::string& z_axis = "up");

bool looks_like_ubc_mesh_2d(std::string_view text);
bool looks_like_ubc_model_2d(std::string_view text);

// Nodes and values read back to the same bits; those of a 3-D mesh, which holds widths, to rounding. Atomic.
std::string ubc_mesh_2d_text(const TensorMesh& mesh);
std::string ubc_model_2d_text(const UbcModel2& model);
std::string ubc_mesh_3d_text(const TensorMesh3& mesh);
std::string ubc_model_3d_text(const TensorMesh3& mesh, const std::vector<double>& values);
std::string topography_text(const std::vector<Point3>& points);  // elevations
void write_ubc_mesh_2d(const std::string& path, const TensorMesh& mesh);
void write_ubc_model_2d(const std::string& path, const UbcModel2& model);
void write_ubc_mesh_3d(const std::string& path, const TensorMesh3& mesh);
void write_ubc_model_3d(const std::string& path, const TensorMesh3& mesh, const std::vector<double>& values);
void write_topography(const std::string& path, const std::vector<Point3>& points);

}  // namespace terrane
