// SPDX-License-Identifier: MIT
#include "engine/io/dc_data.hpp"

#include <cmath>

#include "engine/io/dc_check.hpp"
#include "engine/io/file.hpp"
#include "engine/io/info.hpp"
#include "engine/io/npy.hpp"
#include "engine/io/ubc_model.hpp"
#include "tests/engine/dc_support.hpp"
#include "tests/support/devices.hpp"

namespace terrane {
namespace dc_data_test {

using Values = std::vector<double>;

void expect_same(const DcObservations& a, const DcObservations& b) {
  EXPECT_EQ(a.survey.electrodes, b.survey.electrodes);
  EXPECT_EQ(a.survey.data, b.survey.data);
  EXPECT_EQ(a.volt, b.volt);
  EXPECT_EQ(a.std, b.std);
  EXPECT_EQ(a.ip, b.ip);
  EXPECT_EQ(a.ip_std, b.ip_std);
}

const std::string bert =
    "5# electrodes\n# x z\n0 10\n1 10.5\n2 11\n3 11\n4 10\n"
    "3\n# a b m n r err\n1 4 2 3 -12.5 0.03\n2 1 3 5 7 0.02\n5 0 3 2 0.1 0.3\n";

class DcData : public DcFiles {};

TEST_F(DcData, UnifiedData) {
  const DcObservations o = parse_dc_data(bert, "f");
  EXPECT_EQ(o.format, "bert");
  EXPECT_EQ(o.survey.electrodes[1], (Point3{1, -10.5, 0}));
  EXPECT_EQ(o.survey.data[2], (DcDatum{4, -1, 2, 1}));
  EXPECT_EQ(o.volt, (Values{-12.5, 7, 0.1}));
  for (std::size_t i = 0; i < 3; ++i) EXPECT_DOUBLE_EQ(o.std[i], std::fabs(o.volt[i]) * Values({0.03, 0.02, 0.3})[i]);
  EXPECT_EQ(o.line, (std::vector<Index>{10, 11, 12}));
  EXPECT_TRUE(o.factor_m.empty());
  EXPECT_TRUE(noted(o, "z = -elevation from column z"));
  // Voltage and current, units, errors in volt, dropped data, no column n, chargeability.
  const DcObservations u = parse_dc_data(
      "3\n# x\n0\n1\n2\n3\n# a b m u/mV i/mA err/mV ip/mV/V iperr valid\n1 2 3 50 200 5 12 1 1\n2 1 3 6 100 2 13 1 1\n"
      "2 1 3 nan 100 2 13 1 0\n",
      "f");
  EXPECT_DOUBLE_EQ(u.volt[0], 0.25);
  EXPECT_DOUBLE_EQ(u.std[0], 0.025);
  EXPECT_DOUBLE_EQ(u.std[1], 0.02);
  EXPECT_EQ(u.survey.data[1], (DcDatum{1, 0, 2, -1}));
  EXPECT_EQ(u.dropped, 1);
  EXPECT_EQ(u.ip, (Values{12, 13}));
  EXPECT_EQ(u.ip_std, (Values{1, 1}));
  EXPECT_EQ(u.ip_unit, "mV/V");
  EXPECT_TRUE(noted(u, "no column n"));
  // Apparent resistivities, with the factor of a half-space or of the file, whose sign is not believed.
  const std::string line = "4\n# x\n0\n2\n4\n6\n2\n# a b m n rhoa K\n1 4 2 3 100 K1\n2 1 3 4 100 K2\n";
  const auto with = [&](const std::string& k1, const std::string& k2) {
    std::string t = replaced(replaced(line, "K1", k1), "K2", k2);
    return parse_dc_data(replaced(t, "K", k1.empty() ? "" : "k"), "f");
  };
  const double pi2 = 2 * std::acos(-1.0);
  const DcObservations computed = with("", "");
  EXPECT_NEAR(computed.volt[0], 100 / (2 * pi2), 1e-13);
  EXPECT_NEAR(computed.volt[1], 100 / (6 * pi2), 1e-13);
  EXPECT_TRUE(noted(computed, "half-space"));
  for (const double rhoa : apparent_resistivity(computed)) EXPECT_NEAR(rhoa, 100, 1e-12);
  const DcObservations given = with("-12.6", "37.7");
  EXPECT_DOUBLE_EQ(given.volt[0], 100 / 12.6);
  EXPECT_EQ(given.factor_m, (Values{-12.6, 37.7}));
  EXPECT_TRUE(noted(given, "1 data have the sign of a half-space"));
  EXPECT_TRUE(noted(with("25", "37.7"), "1 data differ by more than 5 %"));
}

TEST_F(DcData, MapCoordinates) {
  const std::string slanted = "3\n# x y z\n100 200 5\n103 204 6\n106 208 5\n1\n# a m r\n1 2 3\n";
  expect_error([&] { parse_dc_data(slanted, "f"); }, "f", "set project_line");
  DcReadOptions options;
  options.project_line = true;
  const DcObservations o = parse_dc_data(slanted, "f", options);
  EXPECT_NEAR(o.survey.electrodes[2].x_m, 10, 1e-12);
  EXPECT_EQ(o.survey.electrodes[1].z_m, -6);
  EXPECT_TRUE(noted(o, "projected"));
  EXPECT_NO_THROW(o.survey.check());
  const DcObservations straight = parse_dc_data("3\n# x y z\n1 7 5\n3 7 6\n6 7 5\n1\n# a m r\n1 2 3\n", "f");
  EXPECT_EQ(straight.survey.electrodes[2], (Point3{6, -5, 0}));
  EXPECT_TRUE(noted(straight, "y = 7 m"));
}

TEST_F(DcData, R2) {
  const std::string text = "2\n1 1 2 3 4 5.5 0.1\n2 2 1 4 5 -3 0.2\n";
  DcReadOptions o;
  o.electrode_file = put("e.csv", "x,y,z,buried\n0,0,10,0\n1,0,11,0\n2,0,12,0\n3,0,12,0\n4,0,11.5,0\n");
  const DcObservations a = parse_dc_data(text, "f", o);
  EXPECT_EQ(a.format, "r2");
  EXPECT_EQ(a.survey.data[1], (DcDatum{1, 0, 3, 4}));
  EXPECT_EQ(a.survey.electrodes[4], (Point3{4, -11.5, 0}));
  EXPECT_EQ(a.volt, (Values{5.5, -3}));
  EXPECT_EQ(a.std, (Values{0.1, 0.2}));
  o.electrode_order = "mnab";
  EXPECT_EQ(parse_dc_data(text, "f", o).survey.data[0], (DcDatum{2, 3, 0, 1}));
  o.electrode_file = put("e.dat", "0 10\n1 11\n2 12\n3 12\n4 11.5\n");
  EXPECT_EQ(parse_dc_data(text, "f", o).survey.electrodes, a.survey.electrodes);
  DcReadOptions equal;
  equal.electrode_spacing_m = 0.25;
  EXPECT_EQ(parse_dc_data(text, "f", equal).survey.electrodes[3], (Point3{0.75, 0, 0}));
  const DcObservations strings = parse_dc_data("1\n1 1 1 1 2 1 3 1 4 5.5\n", "f", equal);
  EXPECT_EQ(strings.survey.data[0], (DcDatum{0, 1, 2, 3}));
  EXPECT_TRUE(strings.std.empty());
  const DcObservations phase = parse_dc_data("1\n1 1 2 3 4 5.5 -7 0.2 1\n", "f", equal);
  EXPECT_EQ(phase.ip, Values{-7});
  EXPECT_EQ(phase.std, Values{0.2});
  EXPECT_EQ(phase.ip_unit, "mrad");
  expect_error([&] { parse_dc_data(text, "f"); }, "f", "set electrode_file or electrode_spacing_m", ErrorCode::config);
}

TEST_F(DcData, ColumnsOfPositions) {
  const std::string xyz =
      "XA ZA XB ZB XM ZM XN ZN VOLT UNCERT LINE\n0 1 2 1 4 1 6 2 0.5 0.01 7 ! note\n\n0 1 0 1 4 1 4 1 -1 0.02 7\n";
  const DcObservations a = parse_dc_data(xyz, "f");
  EXPECT_EQ(a.format, "xyz");
  EXPECT_EQ(a.survey.data, (std::vector<DcDatum>{{0, 1, 2, 3}, {0, -1, 2, -1}}));
  EXPECT_EQ(a.survey.electrodes[3], (Point3{6, -2, 0}));
  EXPECT_EQ(a.std, (Values{0.01, 0.02}));
  EXPECT_TRUE(noted(a, "column line is not read"));
  DcReadOptions draped;
  draped.topography_file = put("t", "-1 5\n7 21\n");
  const DcObservations b = parse_dc_data("XA XM XN APPRES STD\n0 2 4 100 5\n", "f", draped);
  EXPECT_EQ(b.survey.electrodes[1], (Point3{2, -11, 0}));
  EXPECT_EQ(b.survey.data[0], (DcDatum{0, -1, 1, 2}));
  EXPECT_NEAR(b.std[0] / b.volt[0], 0.05, 1e-14);
  EXPECT_TRUE(noted(b, "put on the topography"));
  EXPECT_TRUE(noted(parse_dc_data("XA XM XN APPRES\n0 2 4 100\n", "f"), "put at z = 0"));
  const DcObservations ubc = parse_dc_data("! surface\n1\n0 2 1\n4 6 0.1 0.01\n", "f", draped);
  EXPECT_EQ(ubc.survey.electrodes[3].z_m, -19);
}

TEST_F(DcData, UbcChargeability) {
  const std::string text = "1\n0 10 1\n30 20 4.5 0.3\n";
  DcReadOptions o;
  EXPECT_EQ(parse_dc_data(text, "f").volt, Values{4.5});
  EXPECT_EQ(parse_dc_data("IPTYPE=1\n" + text, "f").ip, Values{4.5});
  o.quantity = "chargeability";
  DcObservations ip = parse_dc_data(text, "f", o);
  EXPECT_TRUE(ip.volt.empty());
  EXPECT_EQ(ip.ip_std, Values{0.3});
  DcObservations dc = parse_dc_data("1\n10 0 1\n20 30 -1 0.1\n", "f");
  attach_chargeability(dc, ip);  // the order within a pair does not matter
  EXPECT_EQ(dc.ip, Values{4.5});
  dc.survey.electrodes[0].x_m = 11;
  expect_error([&] { attach_chargeability(dc, ip); }, "survey", "datum 1 has no chargeability");
}

// Every format back to the same bits.
TEST_F(DcData, WritesWhatItReads) {
  DcObservations o = parse_dc_data(bert, "f");
  o.survey.electrodes[1].x_m = 0.1 + 0.2;
  o.survey.electrodes[1].z_m = -1.0 / 3;
  o.survey.data[2] = {4, -1, 1, 2};
  o.topography = {{-1, -10, 0}, {9, -7.0 / 3, 0}};
  o.ip = {1.0 / 7, 2, -3};
  o.ip_unit = "mV/V";
  o.volt[1] = 1.0 / 3;
  o.std[1] = 0.02 * o.volt[1];
  write_bert(path("a.ohm"), o);
  const DcObservations back = read_dc_data(path("a.ohm"));
  expect_same(back, o);
  EXPECT_EQ(back.topography, o.topography);
  EXPECT_EQ(back.ip_unit, "mV/V");
  EXPECT_EQ(bert_text(back), bert_text(o));
  o.factor_m = {1, 2, 3};
  EXPECT_EQ(parse_dc_data(bert_text(o), "f").factor_m, o.factor_m);
  // XYZ numbers electrodes in the order of the data.
  const DcObservations first = parse_dc_data(xyz_text(o), "f");
  EXPECT_EQ(first.volt, o.volt);
  EXPECT_EQ(first.std, o.std);
  write_xyz(path("b.xyz"), first);
  expect_same(read_dc_data(path("b.xyz")), first);
  EXPECT_EQ(xyz_text(first), xyz_text(o));
  // A record without A has the opposite sign with B in its place.
  DcObservations pole = o;
  pole.survey.data[2] = {-1, 4, 1, 2};
  EXPECT_EQ(parse_dc_data(xyz_text(pole), "f").volt[2], -o.volt[2]);
  expect_error([&] { write_r2(path("p.dat"), path("e.csv"), o); }, "survey", "electrode at infinity");
  o.survey.data[2].b = 0;
  write_r2(path("p.dat"), path("e.csv"), o);
  DcReadOptions options;
  options.electrode_file = path("e.csv");
  DcObservations r2 = read_dc_data(path("p.dat"), options);
  EXPECT_TRUE(r2.ip.empty());  // not a phase
  r2.ip = o.ip;
  expect_same(r2, o);
  o.ip_unit = "mrad";
  write_r2(path("p.dat"), path("e.csv"), o);
  expect_same(read_dc_data(path("p.dat"), options), o);
  // UBC: electrodes in the order of the data here too.
  const DcObservations ubc = parse_dc_data(ubc_observations_text(to_ubc(first)), "f");
  EXPECT_EQ(ubc.volt, first.volt);
  EXPECT_EQ(ubc.std, first.std);
  DcObservations bad = o;
  bad.volt[0] = INFINITY;
  expect_error([&] { bert_text(bad); }, "survey", "not finite");
  bad = o;
  bad.std.pop_back();
  expect_error([&] { xyz_text(bad); }, "survey", "another length");
}

TEST_F(DcData, Info) {
  put("a.ohm", bert);
  const auto info = file_info(path("a.ohm"), false);
  EXPECT_EQ(info["format"], "bert");
  EXPECT_EQ(info["electrodes"], 5);
  EXPECT_EQ(info["arrays"]["pole-dipole"], 1);
  EXPECT_NE(info["suspicious"].dump().find("wrong-sign"), std::string::npos) << info.dump();
  put("b", "XA XM XN APPRES STD\n0 2 4 100 5\n0 3 4 100 5\n");
  EXPECT_EQ(file_info(path("b"), false)["format"], "xyz");
  EXPECT_EQ(file_info(path("b"), false)["apparent_resistivity_ohm_m"][1].get<double>(), 100);
  put("c", "1\n1 1 2 3 4 5.5\n");
  EXPECT_EQ(file_info(path("c"), false)["format"], "r2");
  EXPECT_EQ(file_info(path("c"), false)["data"], 1);
  put("d", "3 2\n1 2 3\n4 5 6\n");
  EXPECT_EQ(file_info(path("d"), false)["format"], "ubc-model-2d");
  put("e", "1\n0 10 5\n2\n0 1 2\n9 2\n");
  EXPECT_EQ(file_info(path("e"), false)["height_m"][1], 4.0);
  put("g", "0 1\n1 2\n2 1\n");
  EXPECT_EQ(file_info(path("g"), false)["format"], "topography");
  put("h", "COMMON_CURRENT\n! general\n1\n0 1 1 1 1\n2 1 3 1 -0.5 0.01\n");
  EXPECT_EQ(file_info(path("h"), false)["format"], "ubc");
}

// --- measured data ---------------------------------------------------------------------------------------------------
// `column`: of the values in data.npy; what they are is compared by `value`.
struct Measured {
  std::string name, file;
  Index sensors, data, column;
  bool rhoa;
};

void compare(const Measured& m) {
  const std::string file = test_data_file("ert/" + m.name + "/" + m.file);
  if (file.empty()) GTEST_SKIP() << "ert/" << m.name << "/" << m.file << " is not there; set TERRANE_DATA";
  const DcObservations o = read_dc_data(file);
  const auto sensors = read_npy<double>(test_data_file("ert/" + m.name + "/sensors.npy"));
  const auto data = read_npy<double>(test_data_file("ert/" + m.name + "/data.npy"));
  ASSERT_EQ(static_cast<Index>(o.survey.electrodes.size()), m.sensors);
  ASSERT_EQ(o.survey.size(), m.data);
  ASSERT_EQ(sensors.shape[0], m.sensors);
  ASSERT_EQ(data.shape[0], m.data);
  const auto same = [](double a, double b) { return std::fabs(a - b) <= 1e-6 * std::fabs(b); };  // single precision
  for (Index i = 0; i < m.sensors; ++i) {
    const Point3& p = o.survey.electrodes[static_cast<std::size_t>(i)];
    const double* row = sensors.values.data() + i * sensors.shape[1];
    EXPECT_TRUE(same(p.x_m, row[0])) << i;
    EXPECT_TRUE(same(-p.z_m, row[sensors.shape[1] - 1])) << i;
  }
  const std::vector<double> rhoa = apparent_resistivity(o);
  for (Index i = 0; i < m.data; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const double* row = data.values.data() + i * data.shape[1];
    const DcDatum& d = o.survey.data[at];
    EXPECT_EQ(d, (DcDatum{static_cast<Index>(row[0]) - 1, static_cast<Index>(row[1]) - 1,
                          static_cast<Index>(row[2]) - 1, static_cast<Index>(row[3]) - 1}));
    EXPECT_TRUE(same(m.rhoa ? rhoa[at] : o.volt[at], row[m.column])) << i;
    if (!o.std.empty()) {
      EXPECT_TRUE(same(o.std[at] / std::fabs(o.volt[at]), row[5])) << i;
    }
    if (!o.factor_m.empty()) {
      EXPECT_NEAR(geometric_factors_m(o)[at] / row[6], 1, 1e-6) << i;
    }
    if (!o.ip.empty()) {
      EXPECT_TRUE(same(o.ip[at], row[5])) << i;
    }
  }
  EXPECT_NO_THROW(o.survey.check());
  expect_same(parse_dc_data(bert_text(o), "f"), o);
  DcCheckOptions options;
  options.need_std = false;
  EXPECT_TRUE(check_dc_data(o, options).issues.empty());
  const auto info = file_info(file, false);
  EXPECT_EQ(info["data"], m.data);
  EXPECT_TRUE(info["suspicious"].empty()) << info.dump();
}

TEST(DcMeasured, Slagdump) { compare({"slagdump2d", "slagdump.ohm", 38, 222, 4, false}); }
TEST(DcMeasured, Gallery) { compare({"gallery2d", "gallery.dat", 21, 116, 4, true}); }
TEST(DcMeasured, Bedrock) { compare({"bedrock", "bedrock.dat", 64, 1223, 4, true}); }
TEST(DcMeasured, Crosshole) { compare({"crosshole2d", "crosshole2d.dat", 144, 1256, 4, false}); }
TEST(DcMeasured, Schleiz) { compare({"schleiz_tdip", "schleizTDIP.dat", 42, 835, 4, true}); }

// The observations of the UBC file against a table that another program made of them: rhoa_i = |V_i / G_i|.
TEST(DcMeasured, Century) {
  const std::string folder = "ert/century_46800E/";
  if (test_data_file(folder + "46800POT.OBS").empty()) {
    GTEST_SKIP() << folder << "46800POT.OBS is not there; set TERRANE_DATA";
  }
  const DcObservations pot = read_dc_data(test_data_file(folder + "46800POT.OBS"));
  const DcObservations table = read_dc_data(test_data_file(folder + "cofi_century_dcip_data.txt"));
  const auto npy = read_npy<double>(test_data_file(folder + "data.npy"));
  EXPECT_EQ(table.format, "table");
  ASSERT_EQ(table.survey.size(), 151);
  ASSERT_EQ(pot.survey.size(), 151);
  EXPECT_TRUE(noted(table, "1/k, in 1/m"));
  const std::vector<double> k = geometric_factors_m(pot), rhoa = apparent_resistivity(pot);
  const std::vector<double> of_table = apparent_resistivity(table);
  for (std::size_t i = 0; i < 151; ++i) {
    const double* row = npy.values.data() + 9 * i;
    EXPECT_NEAR(k[i] * row[8], 1, 2e-6) << i;  // G = 1/k
    EXPECT_NEAR(of_table[i] / row[4], 1, 2e-6) << i;
    EXPECT_NEAR(rhoa[i] / row[4], 1, 2e-5) << i;
    EXPECT_NEAR(table.volt[i] / pot.volt[i], 1, 2e-5) << i;
    EXPECT_NEAR(table.std[i] / pot.std[i], 1, 2e-5) << i;
    EXPECT_NEAR(table.ip[i], row[6], 1e-5) << i;
    EXPECT_NEAR(table.ip_std[i], row[7], 1e-6) << i;
  }
  // The chargeabilities of the IP file, whose M and N stand in the other order, beside the voltages.
  DcReadOptions options;
  options.quantity = "chargeability";
  DcObservations both = pot;
  attach_chargeability(both, read_dc_data(test_data_file(folder + "46800IP.OBS"), options));
  EXPECT_EQ(both.ip, table.ip);
  EXPECT_EQ(both.ip_std, table.ip_std);
  EXPECT_TRUE(check_dc_data(both).issues.empty());
  const DcObservations back = parse_dc_data(ubc_observations_text(to_ubc(pot)), "f");
  expect_same(back, pot);
}

TEST(DcMeasured, CenturyModels) {
  const std::string folder = "ert/century_46800E/";
  if (test_data_file(folder + "468MESH.DAT").empty()) {
    GTEST_SKIP() << folder << "468MESH.DAT is not there; set TERRANE_DATA";
  }
  const TensorMesh mesh = read_ubc_mesh_2d(test_data_file(folder + "468MESH.DAT"));
  EXPECT_EQ(mesh.nx(), 76);
  EXPECT_EQ(mesh.nz(), 29);
  const auto column = [&](const std::string& name) {
    std::ifstream in(test_data_file(folder + name));
    return Values(std::istream_iterator<double>(in), {});
  };
  EXPECT_EQ(mesh.x_m, column("cofi_century_mesh_nodes_x.txt"));
  Values depth = column("cofi_century_mesh_nodes_z.txt");  // elevations from the bottom up
  std::reverse(depth.begin(), depth.end());
  for (double& z : depth) z = 0.0 - z;
  EXPECT_EQ(mesh.z_m, depth);
  const TensorMesh again = parse_ubc_mesh_2d(ubc_mesh_2d_text(mesh), "f");
  EXPECT_EQ(again.x_m, mesh.x_m);
  EXPECT_EQ(again.z_m, mesh.z_m);
  for (const auto& [file, other] : {std::pair<std::string, std::string>{"DCMODA.CON", "cofi_century_dc_model.txt"},
                                    {"IPMODA.CHG", "cofi_century_ip_model.txt"}}) {
    const UbcModel2 model = read_ubc_model_2d(test_data_file(folder + file));
    ASSERT_EQ(model.nx, mesh.nx());
    ASSERT_EQ(model.nz, mesh.nz());
    const Values theirs = column(other);  // resistivities or chargeabilities, rows from the bottom up
    ASSERT_EQ(theirs.size(), model.values.size());
    for (Index z = 0; z < model.nz; ++z) {
      for (Index x = 0; x < model.nx; ++x) {
        const double a = model.values[static_cast<std::size_t>(z * model.nx + x)];
        const double b = theirs[static_cast<std::size_t>((model.nz - 1 - z) * model.nx + x)];
        EXPECT_NEAR(file == "DCMODA.CON" ? a * b : a / b, 1, 1e-6) << z << " " << x;
      }
    }
    const UbcModel2 back = parse_ubc_model_2d(ubc_model_2d_text(model), "f");
    EXPECT_EQ(back.values, model.values);
    EXPECT_EQ(back.nx, model.nx);
  }
}

TEST(DcMeasured, SimpegTopographic) {
  const std::string file = test_data_file("ert/simpeg_dcr2d/dc_data.obs");
  if (file.empty()) GTEST_SKIP() << "ert/simpeg_dcr2d/dc_data.obs is not there; set TERRANE_DATA";
  DcReadOptions options;
  options.topography_file = test_data_file("ert/simpeg_dcr2d/topo_2d.txt");
  const DcObservations o = read_dc_data(file, options);
  ASSERT_EQ(o.topography.size(), 401u);
  EXPECT_EQ(o.survey.size(), 135);
  for (const Point3& p : o.survey.electrodes) EXPECT_NEAR(p.z_m, surface_z_m(o.topography, p.x_m), 0.05);
  EXPECT_TRUE(check_dc_data(o).issues.empty());
  EXPECT_EQ(parse_topography(topography_text(o.topography), "f"), o.topography);
  for (const double rhoa : apparent_resistivity(o)) EXPECT_TRUE(rhoa > 20 && rhoa < 250);
}

TEST(DcMeasured, R2Protocol) {
  const std::string file = test_data_file("ert/resipy/dc-2d__protocol.dat");
  if (file.empty()) GTEST_SKIP() << "ert/resipy/dc-2d__protocol.dat is not there; set TERRANE_DATA";
  DcReadOptions options;
  options.electrode_spacing_m = 0.25;
  const DcObservations o = read_dc_data(file, options);
  EXPECT_EQ(o.survey.size(), 140);
  EXPECT_EQ(o.survey.electrodes.size(), 24u);
  EXPECT_EQ(o.ip_unit, "mrad");
  for (const double rhoa : apparent_resistivity(o)) EXPECT_TRUE(rhoa > 20 && rhoa < 100) << rhoa;
  options.electrode_order = "mnab";  // reciprocity
  const std::vector<double> one = apparent_resistivity(o), two = apparent_resistivity(read_dc_data(file, options));
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_NEAR(two[i] / one[i], 1, 1e-12);
  options.electrode_file = test_data_file("ert/resipy/dc-2d-topo__elec.csv");
  const DcObservations hilly = read_dc_data(file, options);
  EXPECT_EQ(hilly.survey.electrodes.size(), 24u);
  EXPECT_EQ(hilly.survey.electrodes[1], (Point3{0.25, -29.504, 0}));
}

}  // namespace dc_data_test
}  // namespace terrane
