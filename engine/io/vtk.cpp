// SPDX-License-Identifier: MIT
#include "engine/io/vtk.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <set>

#include "engine/io/file.hpp"
#include "engine/io/text.hpp"
#include "engine/io/text_rows.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

static_assert(std::endian::native == std::endian::little, "the files are written in the byte order of the machine");

[[noreturn]] void refuse_vtk(const std::string& what) { throw Error(ErrorCode::data, what, "VTK writer"); }

std::string escaped(const std::string& text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 32) refuse_vtk("a name or unit holds a control character");
  }
  return html_escape(text);
}

// The arrays behind the XML: each with its size in bytes before it; offsets count from the first size.
class Appended {
 public:
  std::string array(const std::string& name, const std::string& unit, const std::vector<double>& values) {
    std::string xml = "      <DataArray type=\"Float64\" Name=\"" + escaped(name) +
                      (unit.empty() ? "" : " [" + escaped(unit) + "]") + "\" format=\"appended\" offset=\"" +
                      std::to_string(bytes_.size()) + "\"";
    const std::uint64_t size = values.size() * sizeof(double);
    char head[8];
    std::memcpy(head, &size, 8);
    bytes_.append(head, 8);
    bytes_.append(reinterpret_cast<const char*>(values.data()), size);
    if (unit.empty()) return xml + "/>\n";
    return xml + ">\n        <InformationKey name=\"UNITS_LABEL\" location=\"vtkDataArray\">" + escaped(unit) +
           "</InformationKey>\n      </DataArray>\n";
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

using VtkShape = std::array<Index, 3>;  // z, y, x

void check_fields(const VtkShape& shape, const std::vector<VtkField>& fields) {
  Index count = 1;
  for (const Index n : shape) {
    if (n < 1) refuse_vtk("the shape must be at least one along each axis");
    count *= n;
  }
  std::set<std::string> names;
  for (const VtkField& f : fields) {
    if (f.name.empty() || !names.insert(f.name).second) refuse_vtk("each field needs a name of its own");
    if (static_cast<Index>(f.values.size()) != count) {
      refuse_vtk("field " + f.name + " has " + std::to_string(f.values.size()) + " values, the grid " +
                 std::to_string(count));
    }
  }
}

// Rows from the bottom up.
std::vector<double> upward(const std::vector<double>& values, Index nz) {
  std::vector<double> out;
  out.reserve(values.size());
  const auto layer = static_cast<std::ptrdiff_t>(values.size()) / nz;
  for (Index z = nz - 1; z >= 0; --z) {
    out.insert(out.end(), values.begin() + z * layer, values.begin() + (z + 1) * layer);
  }
  return out;
}

std::string extent(Index nx, Index ny, Index nz) {
  return "0 " + std::to_string(nx) + " 0 " + std::to_string(ny) + " 0 " + std::to_string(nz);
}

std::string document(const std::string& type, const std::string& attributes, const std::string& whole,
                     const std::string& geometry, const VtkShape& shape, bool points,
                     const std::vector<VtkField>& fields, Appended& data) {
  const char* kind = points ? "PointData" : "CellData";
  std::string arrays;
  for (const VtkField& f : fields) arrays += data.array(f.name, f.unit, upward(f.values, shape[0]));
  return "<?xml version=\"1.0\"?>\n<VTKFile type=\"" + type +
         "\" version=\"1.0\" byte_order=\"LittleEndian\" header_type=\"UInt64\">\n  <" + type + " WholeExtent=\"" +
         whole + "\"" + attributes + ">\n    <Piece Extent=\"" + whole + "\">\n" + geometry + "    <" + kind + ">\n" +
         arrays + "    </" + kind + ">\n    </Piece>\n  </" + type + ">\n  <AppendedData encoding=\"raw\">\n_" +
         data.bytes() + "\n  </AppendedData>\n</VTKFile>\n";
}

void check_nodes(const std::vector<double>& nodes, const char* axis) {
  if (nodes.empty()) refuse_vtk(std::string("there are no nodes along ") + axis);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (!std::isfinite(nodes[i]) || (i > 0 && !(nodes[i] > nodes[i - 1]))) {
      refuse_vtk(std::string("the nodes along ") + axis + " must increase");
    }
  }
}

}  // namespace

std::string vti_text(const VtkImage& image, const std::vector<VtkField>& fields) {
  const auto& [nz, ny, nx] = image.shape;
  check_fields(image.shape, fields);
  for (std::size_t a = 0; a < 3; ++a) {
    if (!(image.spacing_m[a] > 0) || !std::isfinite(image.spacing_m[a]) || !std::isfinite(image.origin_m[a])) {
      refuse_vtk("spacings must be above 0 and origins finite");
    }
  }
  const bool flat = !image.points && image.two_d;
  if (flat && ny != 1) refuse_vtk("a 2-D image has one cell along y");
  const Index less = image.points ? 1 : 0, steps = nz - less;
  const double bottom = image.origin_m[0] + static_cast<double>(steps) * image.spacing_m[0];
  const std::string attributes = " Origin=\"" + number_text(image.origin_m[2]) + " " + number_text(image.origin_m[1]) +
                                 " " + number_text(-bottom) + "\" Spacing=\"" + number_text(image.spacing_m[2]) + " " +
                                 number_text(image.spacing_m[1]) + " " + number_text(image.spacing_m[0]) + "\"";
  Appended data;
  return document("ImageData", attributes, extent(nx - less, flat ? 0 : ny - less, steps), "", image.shape,
                  image.points, fields, data);
}

std::string vtr_text(const std::vector<double>& x_m, const std::vector<double>& y_m, const std::vector<double>& z_m,
                     const std::vector<VtkField>& fields, bool points) {
  check_nodes(x_m, "x");
  check_nodes(z_m, "z");
  if (!y_m.empty()) check_nodes(y_m, "y");
  const std::vector<double> y = y_m.empty() ? std::vector<double>{0} : y_m;
  const auto steps = [](const std::vector<double>& nodes) { return static_cast<Index>(nodes.size()) - 1; };
  const Index nx = steps(x_m), ny = steps(y), nz = steps(z_m);
  const VtkShape shape = points ? VtkShape{nz + 1, ny + 1, nx + 1} : VtkShape{nz, y_m.empty() ? 1 : ny, nx};
  check_fields(shape, fields);
  std::vector<double> up;
  for (auto z = z_m.rbegin(); z != z_m.rend(); ++z) up.push_back(0.0 - *z);
  Appended data;
  std::string coordinates = "    <Coordinates>\n";
  coordinates += data.array("x", "m", x_m);
  coordinates += data.array("y", "m", y);
  coordinates += data.array("z", "m", up);
  coordinates += "    </Coordinates>\n";
  return document("RectilinearGrid", "", extent(nx, ny, nz), coordinates, shape, points, fields, data);
}

void write_vti(const std::string& path, const VtkImage& image, const std::vector<VtkField>& fields) {
  write_file_atomic(path, vti_text(image, fields));
}

void write_vtr(const std::string& path, const std::vector<double>& x_m, const std::vector<double>& y_m,
               const std::vector<double>& z_m, const std::vector<VtkField>& fields, bool points) {
  write_file_atomic(path, vtr_text(x_m, y_m, z_m, fields, points));
}

}  // namespace terrane
