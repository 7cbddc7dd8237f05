// SPDX-License-Identifier: MIT
// Damaged DC surveys: the error names file, line and record.
#include "engine/io/dc_data.hpp"
#include "engine/io/ubc_model.hpp"
#include "kernels/runtime/random.hpp"
#include "tests/engine/dc_support.hpp"

namespace terrane {
namespace dc_broken_test {

const std::string bert =
    "4\n# x z\n0 0\n1 0\n2 0\n3 0\n3\n# a b m n r err\n1 4 2 3 12.5 0.03\n2 1 3 4 7 0.02\n3 0 1 2 -1 0.1\n";
const std::string xyz = "XA ZA XB ZB XM ZM XN ZN VOLT STD\n0 1 2 1 4 1 6 2 0.5 0.01\n0 1 0 1 4 1 6 1 1 0.02\n";
const std::string r2 = "2\n1 1 2 3 4 5.5 0.1\n2 2 1 4 3 -3 0.2\n";

struct Bad {
  std::string text, where, part;
};

TEST(DcBroken, UnifiedData) {
  const std::vector<Bad> files{
      {replaced(bert, "# a b m n r err", "# a b m n res err"), "f:8", "not found among: a b m n res err"},
      {replaced(bert, "# a b m n", "# s g m n"), "f:8", "needs a and b (current electrodes)"},
      {replaced(bert, "m n r", "p q r"), "f:8", "needs m and n (potential electrodes)"},
      {replaced(bert, "2 1 3 4 7", "2 1 3 9 7"), "f:10", "n is 9, but sensors are 1 to 4"},
      {replaced(bert, "2 1 3 4 7", "2 1 3 1 7"), "f:10", "datum 2 has N at the place of B"},
      {replaced(bert, "2 1 3 4 7", "0 0 3 4 7"), "f:10", "datum 2 has no current electrode"},
      {replaced(bert, "2 1 3 4 7", "2 1 0 0 7"), "f:10", "datum 2 has no potential electrode"},
      {replaced(bert, "2 0\n3 0", "2 0\n2 0"), "f:9", "datum 1 has N at the place of B"},
      {replaced(bert, "4 7 0.02", "4 nan 0.02"), "f:10", "r of datum 2 is not finite"},
      {replaced(bert, "4 7 0.02", "4 7 -0.02"), "f:10", "datum 2 has the error -0.02"},
      {replaced(bert, "4 7 0.02", "4 7 nan"), "f:10", "datum 2 has the error"},
      {replaced(bert, "3\n# a", "4\n# a"), "f:11", "expected datum 4 of the 4 that line 7 announces"},
      {replaced(bert, "3\n# a", "2\n# a"), "f:11", "2 data that line 7 announces"},
      {replaced(bert, "4\n# x", "6\n# x"), "f:7", "sensor 5 of the 6"},
      {bert.substr(0, bert.size() - 8), "f:11", "datum 3 of the 3"},
      {replaced(bert, "err\n", "err/h\n"), "f:8", "the unit of 'err/h' is not known"},
      {replaced(bert, "err\n", "err/s\n"), "f:8", "the error of a resistance cannot be in s"},
      {replaced(bert, " r err", " r/mohm err"), "f:8", "the unit of 'r/mohm' is not known"},
      {replaced(replaced(replaced(bert, "0.03", "3"), "0.02", "2"), "0.1", "10"), "f",
       "write err/% if they are per cent"},
      {bert + "2\n# x z\n5 1\n4 1\n", "f:13", "point 2 of the topography is at x = 4 m after 5 m"},
      {"4\n# x\n0\n1\n2\n3\n2\n# a b m n rhoa r k\n1 4 2 3 62.8 10 6.28\n1 4 2 3 62.8 10 12.6\n", "f:10",
       "datum 2 has r = 10, k = 12.6 and rhoa = 62.8"},
      {"4\n# x\n0\n1\n2\n3\n1\n# a b m n rhoa k\n1 4 2 3 62.8 0\n", "f:9", "datum 1 has the geometric factor 0"},
      {"3\n# x\n0\n1\n2\n1\n# a b m rhoa\n1 3 2 62.8\n", "f:8", "datum 1 has no geometric factor"},
      {"2\n# x\n0\n1\n1\n# a m u i\n1 2 3 0\n", "f:7", "the current i is 0"},
      {"2\n# x\n0\n1\n1\n# a m r valid\n1 2 3 0\n", "f:6", "no datum is left"},
      {"2\n# x\n0\n1\n1\n# a m r valid\n1 2 3 2\n", "f:7", "valid must be 0 or 1"},
      {"2\n# x\n0\n1\n0\n", "f", "the file has no data"},
  };
  for (const Bad& bad : files) {
    SCOPED_TRACE(bad.part);
    expect_error([&] { parse_dc_data(bad.text, "f"); }, bad.where, bad.part);
  }
}

TEST(DcBroken, OtherFormats) {
  DcReadOptions equal;
  equal.electrode_spacing_m = 1;
  const std::vector<Bad> files{
      {"", "f", "the file is empty"},
      {std::string("\x89PNG\r\n\0\0", 8), "f", "no plain text"},
      {"a poem\nof two lines\n", "f", "looks like no DC survey"},
      {replaced(xyz, "VOLT", "VOLTZ"), "f:1", "none of the columns is a voltage"},
      {replaced(xyz, "STD", "V"), "f:1", "the columns volt and v are the same quantity"},
      {replaced(xyz, "6 1 1 0.02", "6 1 1"), "f:3", "datum 2 has 9 values, line 1 names 10 columns"},
      {replaced(xyz, "6 1 1 0.02", "6 1 one 0.02"), "f:3", "'one' is not a number"},
      {replaced(xyz, "6 1 1 0.02", "6 1 nan 0.02"), "f:3", "'nan' is not finite"},
      {replaced(xyz, "6 1 1 0.02", "6 1 1 -0.02"), "f:3", "datum 2 has the error -0.02"},
      {replaced(xyz, "0 1 2 1 4 1", "0 1 2 1 0 1"), "f:2", "datum 1 has M at the place of A"},
      {xyz.substr(0, xyz.find('\n') + 1), "f:1", "no data below its column names"},
      {replaced(r2, "2\n1 1", "3\n1 1"), "f:3", "announces 3 data, 2 lines follow"},
      {replaced(r2, "2\n1 1", "1\n1 1"), "f:3", "announces 1 data, 2 lines follow"},
      {replaced(r2, "\n2 2", "\n3 2"), "f:3", "expected datum 2, found number 3"},
      {replaced(r2, "4 3 -3 0.2", "4 3 -3"), "f:3", "datum 2 has 6 values, the first has 7"},
      {replaced(r2, "4 3 -3", "0 3 -3"), "f:3", "electrode 0 is not among"},
      {replaced(r2, "4 3 -3", "4 4 -3"), "f:3", "datum 2 has N at the place of M"},
      {replaced(r2, "2 1 4 3", "2 1.5 4 3"), "f:3", "expected the number of an electrode, found '1.5'"},
      {"1\n1 1 1 2 2 1 3 1 4 5.5\n", "f:2", "several strings"},
      {"1\n0 10 2\n20 30 -1 0.1\n", "f:3", "datum 2 of the 2 that line 2 announces"},
      {"1\n0 10 1\n10 30 -1 0.1\n", "f:3", "has M at the place of B"},
  };
  for (const Bad& bad : files) {
    SCOPED_TRACE(bad.part);
    expect_error([&] { parse_dc_data(bad.text, "f", equal); }, bad.where, bad.part);
  }
  DcReadOptions options;
  options.format = "res2dinv";
  expect_error([&] { parse_dc_data(bert, "f", options); }, "f", "known are auto", ErrorCode::config);
  options = {};
  options.electrode_order = "abmm";
  expect_error([&] { parse_dc_data(r2, "f", options); }, "f", "like abmn or mnab", ErrorCode::config);
  options = {};
  options.second_axis = "up";
  expect_error([&] { parse_dc_data(bert, "f", options); }, "f", "\"up\"", ErrorCode::config);
  expect_error([] { read_dc_data("/nonexistent/a.ohm"); }, "/nonexistent/a.ohm", "cannot open");
}

class DcBrokenFiles : public DcFiles {};

TEST_F(DcBrokenFiles, ElectrodesOfR2) {
  DcReadOptions options;
  const auto fails = [&](const std::string& electrodes, const std::string& line, const std::string& part) {
    options.electrode_file = put("e.csv", electrodes);
    expect_error([&] { parse_dc_data(r2, "f", options); }, line == "f" ? "f:2" : path("e.csv") + line, part);
  };
  fails("x,y,z\n0,0,0\n1,0,0\n2,0,0\n", "f", "electrode 4 is not among the 3 of");
  fails("x,y,z\n0,0,0\n1,0\n", ":3", "expected 3 values (x y z) for electrode 2, found 2");
  fails("east,north\n0,0\n", ":1", "no column x among: east north");
  fails("x,z\n0,low\n", ":2", "'low' is not a number");
  fails("", ":1", "no electrodes");
}

TEST(DcBroken, MeshesModelsTopography) {
  const std::string mesh = "2\n0 10 5\n20 2\n1\n0 4 2\n";
  const auto bad_mesh = [](const std::string& text, const std::string& where, const std::string& part) {
    expect_error([&] { parse_ubc_mesh_2d(text, "f"); }, where, part);
  };
  EXPECT_EQ(parse_ubc_mesh_2d(mesh, "f").x_m, (std::vector<double>{0, 2, 4, 6, 8, 10, 15, 20}));
  bad_mesh("", "f:1", "expected the number of segments along x, the file ends");
  bad_mesh(replaced(mesh, "20 2", "9 2"), "f:3", "not beyond its begin at 10 m");
  bad_mesh(replaced(mesh, "20 2", "20 0"), "f:3", "a segment has 0 cells");
  bad_mesh(replaced(mesh, "20 2", "20 2000000000"), "f:3", "at most a million");
  bad_mesh(replaced(mesh, "20 2\n", ""), "f:3", "end and cells of segment 2 of the 2 along x");
  bad_mesh(replaced(mesh, "1\n0 4 2\n", ""), "f:3", "segments along z, the file ends");
  bad_mesh(mesh + "7 7\n", "f:6", "text after the mesh");
  const auto bad_model = [](const std::string& text, const std::string& where, const std::string& part) {
    expect_error([&] { parse_ubc_model_2d(text, "f"); }, where, part);
  };
  bad_model("2 2\n1 2\n3\n", "f:3", "expected value 4 of the 4 that line 1 announces");
  bad_model("2 2\n1 2\n3 4 5\n", "f:3", "text after the 4 values");
  bad_model("2 2\n1 2\n3 x\n", "f:3", "'x' is not a number");
  bad_model("2 0\n", "f:1", "2 by 0 cells cannot be");
  bad_model("9999999999 9999999999\n1\n", "f:1", "cells cannot be");
  const auto bad_mesh3 = [](const std::string& text, const std::string& where, const std::string& part) {
    expect_error([&] { parse_ubc_mesh_3d(text, "f"); }, where, part);
  };
  bad_mesh3("2 1 1\n0 0 0\n1\n1\n", "f:4", "the file ends");
  bad_mesh3("2 1 1\n0 0 0\n3*1\n1\n1\n", "f:3", "more widths along x than the 2");
  bad_mesh3("2 1 1\n0 0 0\n2*0\n1\n1\n", "f:3", "not above 0");
  bad_mesh3("2 1 1\n0 0 0\ntwo*1\n1\n1\n", "f:3", "write 5.0, or 20*5.0");
  const TensorMesh3 cube = parse_ubc_mesh_3d("2 1 3\n0 0 9\n2*1\n5\n1 2 4\n", "f");
  EXPECT_EQ(cube.z_m, (std::vector<double>{-9, -8, -6, -2}));
  expect_error([&] { parse_ubc_model_3d("1\n2\n3\n", "f", cube); }, "f:3", "3 values, the mesh 2 by 1 by 3");
  const auto bad_topography = [](const std::string& text, const std::string& where, const std::string& part) {
    expect_error([&] { parse_topography(text, "f"); }, where, part);
  };
  bad_topography("0 1\n2 1\n1 1\n", "f:3", "x is 1 m after 2 m");
  bad_topography("3\n0 1\n2 1\n", "f:1", "announces 3 points, 2 lines follow");
  bad_topography("0 1\n2 1 5 6\n", "f:2", "expected x z, or x y z, found 4 values");
  bad_topography("0 1 5\n2 3 5\n", "f:2", "y changes");
  bad_topography("0 1\n2 inf\n", "f:2", "not finite");
  bad_topography("! nothing\n", "f:1", "no points");
}

// Whatever the bytes: observations that fit together, or an error of the data or of the options.
TEST(DcBroken, FuzzNeverCrashes) {
  const std::string alphabet = "0123456789 \t\n\r#.,-+exyzabmnrk/%!*\xc2\xff";
  const Random random(5, RandomPurpose::test);
  DcReadOptions equal;
  equal.electrode_spacing_m = 1;
  const std::string mesh = "2\n0 10 5\n20 2\n1\n0 4 2\n", table = "# a_loc, b_loc, m_loc, n_loc, rhoa, rhoa_err, k\n" +
                                                                  std::string("0 1 2 3 40 1 -18\n1 2 4 5 40 2 -75\n");
  for (const std::string& good : {bert, xyz, r2, mesh, table, std::string("1\n0 10 1\n20 30 -1 0.1\n")}) {
    for (std::uint64_t i = 0; i < 3000; ++i) {
      std::string text = good;
      for (std::uint32_t e = 0; e <= i % 4; ++e) {
        text[static_cast<std::size_t>(random.integer(i, 2 * e, text.size()))] =
            alphabet[static_cast<std::size_t>(random.integer(i, 2 * e + 1, alphabet.size()))];
      }
      if (i % 5 == 0) text.resize(static_cast<std::size_t>(random.integer(i, 99, text.size())));
      try {
        const DcObservations o = parse_dc_data(text, "f", equal);
        o.survey.check();
        ASSERT_EQ(o.volt.size() + (o.volt.empty() ? o.ip.size() : 0), o.survey.data.size());
      } catch (const Error& e) {
        ASSERT_TRUE(e.code() == ErrorCode::data || e.code() == ErrorCode::config) << e.message();
      }
      try {
        parse_ubc_mesh_2d(text, "f");
      } catch (const Error& e) {
        ASSERT_EQ(e.code(), ErrorCode::data) << e.message();
      }
      try {
        if (looks_like_ubc_model_2d(text)) parse_ubc_model_2d(text, "f");
        parse_topography(text, "f");
      } catch (const Error& e) {
        ASSERT_EQ(e.code(), ErrorCode::data) << e.message();
      }
    }
  }
}

}  // namespace dc_broken_test
}  // namespace terrane
