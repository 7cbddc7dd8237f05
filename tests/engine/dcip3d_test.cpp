// SPDX-License-Identifier: MIT
// UBC-GIF DCIP3D observations and locations: values, what tells them from DCIP2D, damaged files, round trips, meshes,
// models and topography in three dimensions.
#include "engine/io/dc_info.hpp"
#include "engine/io/ubc_model.hpp"
#include "engine/json_value.hpp"
#include "kernels/runtime/random.hpp"
#include "tests/engine/dc_support.hpp"

namespace terrane {
namespace dcip3d_test {

using Values = std::vector<double>;

const std::string general =
    "! general FORMAT\n"
    "0 5 100 10 5 101 2\n"
    "20 5 102 30 6 103 -1.5 0.01\n"
    "30 6 103 40 7 104 .25 0.02 ! a comment\n"
    "\n"
    "10 5 101 10 5 101 2\n"
    "30 6 103 30 6 103 -7d-1 0.03\n"
    "20 5 102 40 7 104 +1.0E+0 0.04\n";
const std::string surface =
    "0 5 10 5 1\n"
    "20 5 30 6 -1.5 0.01\n"
    "10 5 10 5 1\n"
    "30 6 30 6 0.25 0.02\n";
const std::string locations = "0 0 10 0 2\n20 0 30 0\n30 0 40 1\n10 0 10 0 1\n30 0 30 0\n";

UbcReadOptions three(bool places = false) { return {"up", 3, places}; }
UbcObservations parse(const std::string& text, const UbcReadOptions& options = three()) {
  return parse_ubc_observations(text, "f.obs", options);
}

TEST(Dcip3d, General) {
  const UbcObservations o = parse(general);
  EXPECT_EQ(o.dimensions, 3);
  EXPECT_EQ(o.format, UbcFormat::general);
  EXPECT_EQ(o.survey.electrodes,
            (std::vector<Point3>{{0, -100, 5}, {10, -101, 5}, {20, -102, 5}, {30, -103, 6}, {40, -104, 7}}));
  EXPECT_EQ(o.survey.data, (std::vector<DcDatum>{{0, 1, 2, 3}, {0, 1, 3, 4}, {1, -1, 3, -1}, {1, -1, 2, 4}}));
  EXPECT_EQ(o.value, (Values{-1.5, 0.25, -0.7, 1}));
  EXPECT_EQ(o.std, (Values{0.01, 0.02, 0.03, 0.04}));
  EXPECT_EQ(o.line, (std::vector<Index>{3, 4, 7, 8}));
  EXPECT_EQ(o.sources(), 2);
  EXPECT_TRUE(o.notes.empty());
  EXPECT_NO_THROW(o.survey.check(false));
  EXPECT_EQ(parse(general, {"down", 3}).survey.electrodes[4], (Point3{40, 104, 7}));
  expect_same_data(parse("COMMON_CURRENT\n2\n" + general), parse(general));  // a number of sources does no harm
}

TEST(Dcip3d, SurfaceAndLocations) {
  const UbcObservations s = parse(surface);
  EXPECT_EQ(s.format, UbcFormat::surface);
  EXPECT_FALSE(s.has_z);
  EXPECT_EQ(s.survey.electrodes[3], (Point3{30, 0, 6}));
  EXPECT_EQ(s.survey.data, (std::vector<DcDatum>{{0, 1, 2, 3}, {1, -1, 3, -1}}));
  const UbcObservations l = parse(locations, three(true));
  EXPECT_TRUE(l.value.empty());
  EXPECT_TRUE(l.std.empty());
  EXPECT_EQ(l.survey.data, (std::vector<DcDatum>{{0, 1, 2, 3}, {0, 1, 3, 4}, {1, -1, 3, -1}}));
  EXPECT_EQ(l.survey.electrodes[4], (Point3{40, 0, 1}));
  expect_same_data(parse(ubc_observations_text(l), three(true)), l);
  // Of two dimensions too.
  const UbcObservations flat = parse("1\n0 0 10 0 1\n20 0 30 0\n", {"up", 2, true});
  EXPECT_TRUE(flat.value.empty());
  EXPECT_EQ(flat.survey.data, (std::vector<DcDatum>{{0, 1, 2, 3}}));
}

TEST(Dcip3d, InducedPolarisation) {
  EXPECT_EQ(parse("IPTYPE=1\n" + general).ip_type, 1);
  // The type may be repeated before a source.
  const UbcObservations o = parse("IPTYPE=2\n" + replaced(general, "10 5 101 10 5", "iptype = 2\n10 5 101 10 5"));
  EXPECT_EQ(o.ip_type, 2);
  EXPECT_EQ(o.survey.size(), 4);
}

TEST(Dcip3d, DimensionsByContent) {
  const auto dimensions = [](const std::string& text) { return parse(text, {"up", 0}).dimensions; };
  EXPECT_EQ(dimensions(general), 3);
  EXPECT_EQ(dimensions("2\n" + general), 3);
  EXPECT_EQ(dimensions(surface), 3);
  EXPECT_EQ(dimensions("1\n0 0 10 0 1\n20 0 30 0 -1 0.1\n"), 2);
  EXPECT_EQ(dimensions("0 10 20 30 -1.5\n0 10 30 40 2\n"), 2);  // simple, without std
  for (const std::string& text : {general, surface, "2\n" + general}) {
    EXPECT_EQ(dc_format_of(text, "f"), "ubc");
    DcReadOptions options;
    options.dimensions = 0;
    const DcObservations o = parse_dc_data(text, "f", options);
    EXPECT_EQ(o.dimensions, 3);
    EXPECT_EQ(o.survey.electrodes[0].y_m, 5);
    EXPECT_EQ(from_ubc(to_ubc(o)).survey.electrodes, o.survey.electrodes);
    const Json info = dc_or_ubc_info(text, "f");
    EXPECT_EQ(info.at("dimensions"), 3);
    EXPECT_EQ(info.at("y_m")[0], 5);
    EXPECT_FALSE(info.contains("arrays"));
  }
}

TEST(Dcip3d, BrokenFilesNameTheirLine) {
  const auto fails = [](const std::string& text, const std::string& where, const std::string& part,
                        const UbcReadOptions& options = three()) {
    SCOPED_TRACE(part);
    expect_error([&] { parse(text, options); }, where, part);
  };
  fails("", "f.obs:1", "a DCIP3D file holds sources");
  fails(replaced(general, "0 5 100 10 5 101 2\n20", "0 5 100 10 5 101 3\n20"), "f.obs:6",
        "datum 3 of the 3 that line 2 announces lacks a standard deviation");
  fails(replaced(general, "0 5 100 10 5 101 2\n20", "0 5 100 10 5 101 1\n20"), "f.obs:4",
        "expected xA yA zA xB yB zB n, or xA yA xB yB n, for source 2, found 8 values");
  fails(replaced(general, "0 5 100 10 5 101 2\n20", "0 5 100 10 5 101 two\n20"), "f.obs:2", "'two' is not a number");
  fails(replaced(general, "0 5 100 10 5 101 2\n20", "0 5 100 10 5 101 0\n20"), "f.obs:2",
        "the number of data of source 1");
  fails(replaced(general, "20 5 102 40 7 104 +1.0E+0 0.04\n", ""), "f.obs:7", "expected datum 2 of the 2 that line 6");
  fails(replaced(general, "103 -1.5 0.01", "103 -1,5 0.01"), "f.obs:3", "'-1,5' has a comma");
  fails(replaced(general, "103 -1.5 0.01", "103 nan 0.01"), "f.obs:3", "'nan' is not finite");
  fails(replaced(general, "103 -1.5 0.01", "103 -1.5 -0.01"), "f.obs:3", "negative standard deviation -0.01");
  fails(replaced(general, "103 -1.5 0.01", "103 -1.5 0.01 7"), "f.obs:3",
        "expected 8 values (xM yM zM xN yN zN V std) for datum 1");
  fails(replaced(general, ".25 0.02", ".25"), "f.obs:4", "lacks a standard deviation");
  fails(replaced(general, "20 5 102 30 6", "0 5 100 30 6"), "f.obs:3", "M at the place of A, (x 0, y 5, z 100)");
  fails(replaced(general, "10 5 101 10 5 101 2", "10 5 10 5 2"), "f.obs:6", "lacks z, the sources before it have it");
  fails(replaced(surface, "30 6 -1.5", "30 6 7 8 -1.5"), "f.obs:2", "expected 6 values (xM yM xN yN V std)");
  fails("IPTYPE=1\n" + replaced(general, "10 5 101 10 5", "IPTYPE=2\n10 5 101 10 5"), "f.obs:7", "mixes IPTYPE=1 and");
  fails("2\n" + surface, "f.obs:2", "this is a DCIP2D file");
  fails("1\n0 10 1\n20 30 -1 0.1\n", "f.obs:2", "this is a DCIP2D file");
  fails("3\n" + general, "f.obs:9", "expected source 3 of the 3 that line 1 announces");
  fails(locations, "f.obs:2", "this is a file of locations");
  fails(replaced(locations, "30 0 40 1", "30 0 40 1 7"), "f.obs:3", "the records before it lack one", three(true));
  fails(replaced(surface, "30 6 30 6 0.25 0.02", "30 6 30 6"), "f.obs:4", "expected 6 values", three(true));
  fails(general, "f.obs:2", "read it in three dimensions", {"up", 2});
  fails(surface, "f.obs:1", "read it in three dimensions", {"up", 2});
}

TEST(Dcip3d, RoundTrips) {
  for (const bool z : {false, true}) {
    for (const bool std : {false, true}) {
      UbcObservations o;
      o.dimensions = 3;
      o.format = z ? UbcFormat::general : UbcFormat::surface;
      o.has_z = z;
      if (std) o.ip_type = 1;
      for (int e = 0; e < 9; ++e) o.survey.electrodes.push_back({e + 1.0 / 3, z ? std::sqrt(e) : 0.0, e % 3 - 1 / 7.0});
      o.survey.data = {{0, 1, 2, 3}, {0, 1, 3, 4}, {0, -1, 5, 4}, {6, 1, 7, -1}, {6, -1, 8, -1}};
      o.value = {1.0 / 3, -2e-7, 3e20, -0.1, 0.7};
      if (std) o.std = {1.0 / 7, 2, 0, 4e-30, 0.1};
      expect_same_data(parse(ubc_observations_text(o)), o);
      o.format = UbcFormat::simple;
      expect_error([&] { ubc_observations_text(o); }, "UBC-GIF writer", "no simple format");
    }
  }
}

// A plane comes out whatever the places; the points themselves too.
TEST(Dcip3d, ScatteredTopography) {
  const Random random(3, RandomPurpose::test);
  const auto plane = [](double x, double y) { return 3 - 0.2 * x + 0.05 * y; };
  std::vector<Point3> points;
  std::string text = "40\n";
  for (std::uint64_t i = 0; i < 40; ++i) {
    const double x = 100 * random.uniform(2 * i), y = 60 * random.uniform(2 * i + 1);
    points.push_back({x, plane(x, y), y});
    char line[120];
    std::snprintf(line, sizeof line, "%.17g %.17g %.17g\n", x, y, -plane(x, y));
    text += line;
  }
  for (const auto& [x, y] : {std::pair{10.0, 10.0}, {55.5, 31.0}, {-20.0, 80.0}}) {
    EXPECT_NEAR(scattered_z_m(points, x, y), plane(x, y), 1e-6);
  }
  EXPECT_EQ(parse_topography_3d(text, "f"), points);
  points[7].z_m += 5;
  EXPECT_EQ(scattered_z_m(points, points[7].x_m, points[7].y_m), points[7].z_m);
  EXPECT_EQ(scattered_z_m({{0, 2, 0}}, 50, 50), 2);
  EXPECT_NEAR(scattered_z_m({{0, 2, 0}, {10, 4, 0}, {20, 6, 0}}, 15, 30), 5, 1e-6);  // level across a line
  const auto bad = [](const std::string& t, const std::string& where, const std::string& part) {
    expect_error([&] { parse_topography_3d(t, "f"); }, where, part);
  };
  bad("0 1 2\n0 1 3\n", "f:2", "stands in line 1 already");
  bad("0 1\n", "f:1", "expected x y z, found 2 values");
  bad("3\n0 1 2\n", "f:1", "announces 3 points, 1 line follow");
  bad("! none\n", "f:1", "no points");
}

// Whatever the bytes: observations that fit together, or an error of the data.
TEST(Dcip3d, FuzzNeverCrashes) {
  const std::string alphabet = "0123456789 \t\n\r#.,-+exyzIPTYE=!*\xc2\xff";
  const Random random(11, RandomPurpose::test);
  for (const std::string& good : {general, surface, locations, "2\n" + general, "IPTYPE=1\n" + surface}) {
    for (std::uint64_t i = 0; i < 2000; ++i) {
      std::string text = good;
      for (std::uint32_t e = 0; e <= i % 4; ++e) {
        text[static_cast<std::size_t>(random.integer(i, 2 * e, text.size()))] =
            alphabet[static_cast<std::size_t>(random.integer(i, 2 * e + 1, alphabet.size()))];
      }
      if (i % 5 == 0) text.resize(static_cast<std::size_t>(random.integer(i, 99, text.size())));
      for (const int dimensions : {0, 2, 3}) {
        try {
          const UbcObservations o = parse(text, {"up", dimensions, i % 2 == 0});
          o.survey.check(false);
          ASSERT_TRUE(o.value.empty() || o.value.size() == o.survey.data.size());
          ASSERT_TRUE(o.std.empty() || o.std.size() == o.survey.data.size());
        } catch (const Error& e) {
          ASSERT_EQ(e.code(), ErrorCode::data) << e.message();
        }
      }
      try {
        parse_topography_3d(text, "f");
        dc_or_ubc_info(text, "f");
      } catch (const Error& e) {
        ASSERT_EQ(e.code(), ErrorCode::data) << e.message();
      }
    }
  }
}

}  // namespace dcip3d_test
}  // namespace terrane
