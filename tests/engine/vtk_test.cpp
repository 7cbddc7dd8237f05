// SPDX-License-Identifier: MIT
#include "engine/io/vtk.hpp"

#include <cstring>
#include <limits>

#include "engine/io/file.hpp"
#include "engine/io/ubc_model.hpp"
#include "tests/engine/dc_support.hpp"

namespace terrane {
namespace vtk_test {

// Values of an array of the file: from the offset in its tag, behind their size in bytes.
std::vector<double> array_of(const std::string& text, const std::string& name) {
  const std::size_t tag = text.find("Name=\"" + name + "\"");
  EXPECT_NE(tag, std::string::npos) << name;
  const std::size_t offset = text.find("offset=\"", tag) + 8;
  const std::size_t begin = text.find("\n_", text.find("<AppendedData")) + 2 + std::stoul(text.substr(offset));
  std::uint64_t bytes = 0;
  std::memcpy(&bytes, text.data() + begin, 8);
  std::vector<double> values(bytes / 8);
  std::memcpy(values.data(), text.data() + begin + 8, bytes);
  return values;
}

TEST(Vtk, ImageCells) {
  VtkImage image;
  image.shape = {2, 1, 3};
  image.spacing_m = {5, 1, 10};
  image.origin_m = {100, 0, -20};
  const std::string text =
      vti_text(image, {{"resistivity", "Ohm m", {1, 2, 3, 4, 5, 6}}, {"a<b", "", {0, 0, 0, 0, 0, 1}}});
  EXPECT_NE(text.find("type=\"ImageData\""), std::string::npos);
  EXPECT_NE(text.find("header_type=\"UInt64\""), std::string::npos);
  EXPECT_NE(text.find("WholeExtent=\"0 3 0 0 0 2\" Origin=\"-20 0 -110\" Spacing=\"10 1 5\""), std::string::npos);
  EXPECT_NE(text.find("UNITS_LABEL\" location=\"vtkDataArray\">Ohm m<"), std::string::npos);
  // The lowest row comes first, as z points up there.
  EXPECT_EQ(array_of(text, "resistivity [Ohm m]"), (std::vector<double>{4, 5, 6, 1, 2, 3}));
  EXPECT_EQ(array_of(text, "a&lt;b"), (std::vector<double>{0, 0, 1, 0, 0, 0}));
}

TEST(Vtk, ImagePointsIn3D) {
  VtkImage image;
  image.shape = {2, 2, 2};
  image.points = true;
  image.two_d = false;
  const std::string text = vti_text(image, {{"v", "m/s", {0, 1, 2, 3, 4, 5, 6, 7}}});
  EXPECT_NE(text.find("WholeExtent=\"0 1 0 1 0 1\" Origin=\"0 0 -1\""), std::string::npos);
  EXPECT_NE(text.find("<PointData>"), std::string::npos);
  EXPECT_EQ(array_of(text, "v [m/s]"), (std::vector<double>{4, 5, 6, 7, 0, 1, 2, 3}));
}

TEST(Vtk, TensorMesh) {
  const std::string text = vtr_text({0, 1, 3}, {}, {-2, 0, 5}, {{"rho", "Ohm m", {1, 2, 3, 4}}});
  EXPECT_NE(text.find("WholeExtent=\"0 2 0 0 0 2\""), std::string::npos);
  EXPECT_EQ(array_of(text, "x [m]"), (std::vector<double>{0, 1, 3}));
  EXPECT_EQ(array_of(text, "z [m]"), (std::vector<double>{-5, 0, 2}));
  EXPECT_EQ(array_of(text, "rho [Ohm m]"), (std::vector<double>{3, 4, 1, 2}));
}

TEST(Vtk, WhatDoesNotFit) {
  VtkImage image;
  image.shape = {2, 1, 3};
  const std::vector<double> six(6, 1.0);
  expect_error([&] { vti_text(image, {{"v", "", {1, 2}}}); }, "VTK writer", "2 values, the grid 6");
  expect_error([&] { vti_text(image, {{"v", "", six}, {"v", "", six}}); }, "VTK writer", "a name of its own");
  expect_error([&] { vtr_text({0, 1, 1}, {}, {0, 1}, {}); }, "VTK writer", "nodes along x must increase");
  image.spacing_m[0] = 0;
  expect_error([&] { vti_text(image, {{"v", "", six}}); }, "VTK writer", "spacings");
}

TEST(UbcModel, RoundTrips) {
  TensorMesh mesh{{-0.1, 0.1 + 0.2, 1.0 / 3, 7, 8, 9, 10.000000000000002}, {0, 0.1, 0.2, 0.3, 0.4, 0.7}};
  for (int i = 0; i <= 20; ++i) mesh.x_m.push_back(11 + 0.7 * i / 20);
  const TensorMesh back = parse_ubc_mesh_2d(ubc_mesh_2d_text(mesh), "f");
  EXPECT_EQ(back.x_m, mesh.x_m);
  EXPECT_EQ(back.z_m, mesh.z_m);
  const TensorMesh padded = TensorMesh::padded(10, 20, 2.5, 5, -50, 0, 6, 1.3);
  EXPECT_EQ(parse_ubc_mesh_2d(ubc_mesh_2d_text(padded), "f").x_m, padded.x_m);
  const UbcModel2 model{2, 3, {1.0 / 3, -1e30, 1e-8, 4, 5, 6}};
  EXPECT_EQ(parse_ubc_model_2d(ubc_model_2d_text(model), "f").values, model.values);
  expect_error(
      [] {
        ubc_model_2d_text({1, 1, {std::numeric_limits<double>::quiet_NaN()}});
      },
      "UBC-GIF model", "value 0 is not finite");
  const TensorMesh3 cube{{0, 1, 2, 4}, {5, 6, 8}, {-9, -8, -6}};
  const TensorMesh3 cube_back = parse_ubc_mesh_3d(ubc_mesh_3d_text(cube), "f");
  EXPECT_EQ(cube_back.x_m, cube.x_m);
  EXPECT_EQ(cube_back.y_m, cube.y_m);
  EXPECT_EQ(cube_back.z_m, cube.z_m);
  std::vector<double> values;
  for (int i = 0; i < 12; ++i) values.push_back(i);  // (z, y, x)
  const std::string text = ubc_model_3d_text(cube, values);
  EXPECT_EQ(text.substr(0, 8), "0\n6\n1\n7\n");  // z fastest, then x
  EXPECT_EQ(parse_ubc_model_3d(text, "f", cube), values);
  const std::vector<Point3> ground{{0, -5, 0}, {0.1 + 0.2, 1.0 / 3, 0}};
  EXPECT_EQ(parse_topography(topography_text(ground), "f"), ground);
  EXPECT_EQ(parse_topography("2 40 ! elevation of the top\n0 5\n1 6\n", "f").size(), 2u);
  EXPECT_EQ(parse_topography("0 7 5\n1 7 6\n", "f", "down")[1], (Point3{1, 6, 0}));
}

}  // namespace vtk_test
}  // namespace terrane
