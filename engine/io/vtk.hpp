// SPDX-License-Identifier: MIT
// Models for ParaView and other VTK readers: ImageData (.vti) for equal cells, RectilinearGrid (.vtr) for tensor
// meshes, as VTK XML with raw appended doubles (little endian, UInt64 sizes).
//
// Our arrays have row 0 on top and z down; in the files z is up, z_vtk = -z, and the rows stand in the reverse order,
// so that depth increases downward in every viewer. A 2-D model lies in the plane y = 0 with one layer of points along
// y. The unit of a field is the information key UNITS_LABEL that VTK has for it, and part of the name: "vp [m/s]".
#pragma once

#include <array>
#include <string>
#include <vector>

#include "kernels/runtime/hd.hpp"

namespace terrane {

struct VtkField {
  std::string name, unit;      // unit may be empty
  std::vector<double> values;  // (z, x) or (z, y, x), row 0 on top; NaN is written as such
};

// Equal cells or points. With `points` shape counts points and the origin is the first of them, else shape counts cells
// and the origin is the upper left front corner.
struct VtkImage {
  std::array<Index, 3> shape{1, 1, 1};       // z, y, x; y: 1 point in 2-D
  std::array<double, 3> spacing_m{1, 1, 1};  // z, y, x
  std::array<double, 3> origin_m{0, 0, 0};   // z, y, x, z down
  bool points = false;
  bool two_d = true;  // cells: no extent along y
};

std::string vti_text(const VtkImage& image, const std::vector<VtkField>& fields);
// Cells between the nodes, z down; y_m empty in 2-D. With `points` the values are at the nodes.
std::string vtr_text(const std::vector<double>& x_m, const std::vector<double>& y_m, const std::vector<double>& z_m,
                     const std::vector<VtkField>& fields, bool points = false);
// Atomic. Error{data} for values that do not fit the shape, nodes that do not increase, names that are empty or twice.
void write_vti(const std::string& path, const VtkImage& image, const std::vector<VtkField>& fields);
void write_vtr(const std::string& path, const std::vector<double>& x_m, const std::vector<double>& y_m,
               const std::vector<double>& z_m, const std::vector<VtkField>& fields, bool points = false);

}  // namespace terrane
