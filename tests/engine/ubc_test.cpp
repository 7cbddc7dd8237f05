// SPDX-License-Identifier: MIT
#include "engine/io/ubc.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "engine/io/file.hpp"
#include "engine/io/npy.hpp"
#include "kernels/runtime/error.hpp"
#include "tests/engine/dc_support.hpp"
#include "tests/support/devices.hpp"
#include "tests/support/test_folder.hpp"

namespace terrane {
namespace ubc_test {

using Values = std::vector<double>;

const std::string general =
    "COMMON_CURRENT\n"
    "! general FORMAT\n"
    "2\n"
    "0 100 10 101 2\n"
    "20 102 30 103 -1.5 0.01\n"
    "30 103 40 104 .25 0.02 ! a comment\n"
    "\n"
    "10 101 10 101 2\n"
    "30 103 30 103 -7d-1 0.03\n"
    "20 102 40 104 +1.0E+0 0.04\n";
const std::string surface =
    "! surface\n"
    "2\n"
    "0 10 1\n"
    "20 30 -1.5 0.01\n"
    "10 10 1\n"
    "30 30 0.25 0.02\n";
const std::string simple =
    "! simple\n"
    "0 10 20 30 -1.5 0.01\n"
    "10 10 30 30 0.25 0.02\n";

UbcObservations parse(const std::string& text) { return parse_ubc_observations(text, "f.obs"); }

void expect_same(const UbcObservations& a, const UbcObservations& b) {
  expect_same_data(a, b);
  EXPECT_EQ(a.common_current, b.common_current);
  EXPECT_EQ(a.title, b.title);
}

TEST(Ubc, General) {
  const UbcObservations o = parse(general);
  EXPECT_TRUE(o.common_current);
  EXPECT_FALSE(o.ip_type.has_value());
  EXPECT_EQ(o.format, UbcFormat::general);
  EXPECT_EQ(o.survey.electrodes, (std::vector<Point3>{{0, -100}, {10, -101}, {20, -102}, {30, -103}, {40, -104}}));
  // Poles record by record: the second source, and its first datum only.
  EXPECT_EQ(o.survey.data, (std::vector<DcDatum>{{0, 1, 2, 3}, {0, 1, 3, 4}, {1, -1, 3, -1}, {1, -1, 2, 4}}));
  EXPECT_EQ(o.value, (Values{-1.5, 0.25, -0.7, 1}));
  EXPECT_EQ(o.std, (Values{0.01, 0.02, 0.03, 0.04}));
  EXPECT_EQ(o.line, (std::vector<Index>{5, 6, 9, 10}));
  EXPECT_EQ(o.sources(), 2);
  EXPECT_TRUE(o.notes.empty());
  EXPECT_NO_THROW(o.survey.check());
  EXPECT_NO_THROW(require_std(o, "f"));
  EXPECT_NEAR(median_std_ratio(o), 0.03 / 0.7, 1e-15);
  EXPECT_EQ(parse_ubc_observations(general, "f", {"down"}).survey.electrodes[4], (Point3{40, 104}));
}

TEST(Ubc, SurfaceAndSimpleHoldTheSame) {
  UbcObservations a = parse(surface), b = parse(simple);
  EXPECT_EQ(a.format, UbcFormat::surface);
  EXPECT_EQ(b.format, UbcFormat::simple);
  EXPECT_FALSE(a.has_z);
  EXPECT_EQ(a.notes.size(), 1u);
  b.format = UbcFormat::surface;
  expect_same(a, b);
  EXPECT_EQ(a.survey.data, (std::vector<DcDatum>{{0, 1, 2, 3}, {1, -1, 3, -1}}));
  const UbcObservations deep = parse("0 -1 10 -1 20 -1 30 -3 0.5\n0 -1 0 -1 20 -1 20 -1 -2\n");
  EXPECT_EQ(deep.format, UbcFormat::simple);
  EXPECT_TRUE(deep.has_z);
  EXPECT_EQ(deep.survey.electrodes[3], (Point3{30, 3}));
  EXPECT_EQ(deep.survey.data[1], (DcDatum{0, -1, 2, -1}));
  EXPECT_TRUE(deep.std.empty());
}

TEST(Ubc, HeadersCommentsAndLineEnds) {
  std::string crlf = "\xef\xbb\xbf";
  for (const char c : general) crlf += c == '\n' ? std::string("\r\n") : std::string(1, c);
  expect_same(parse(crlf), parse(general));
  EXPECT_EQ(parse("IPTYPE=1\n" + simple).ip_type, 1);
  EXPECT_EQ(parse("iptype = 2 ! apparent\n" + surface).ip_type, 2);
  EXPECT_EQ(parse("IPTYPE=1\n" + simple).survey.size(), 2);  // without eating the first datum
  EXPECT_EQ(parse(simple).survey.size(), 2);
  EXPECT_TRUE(parse("common_current\n\n" + surface).common_current);
  const UbcObservations old = parse("A LINE of 1992: title\n" + replaced(surface, "2\n0", "2 1 1\n0"));
  EXPECT_EQ(old.title, "A LINE of 1992: title");
  EXPECT_EQ(old.notes.size(), 3u);  // title, flags, no z
  EXPECT_EQ(old.survey.size(), 2);
}

TEST(Ubc, BrokenFilesNameTheirLine) {
  const auto fails = [](const std::string& text, const std::string& where, const std::string& part) {
    try {
      parse(text);
      ADD_FAILURE() << "no error: " << part;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::data);
      EXPECT_EQ(e.where(), where) << e.what();
      EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what() << "\nlacks: " << part;
      EXPECT_EQ(e.message().find('\n'), std::string::npos);
    }
  };
  fails("", "f.obs:1", "the file has no data");
  fails("! only comments\n\n", "f.obs:2", "the file has no data");
  fails(std::string("2\0", 2), "f.obs", "no plain text");
  fails(replaced(general, "COMMON_CURRENT", "COMON CURRENT 1"), "f.obs:1", "expected COMMON_CURRENT, IPTYPE=n");
  fails(replaced(general, "! general FORMAT", "general FORMAT"), "f.obs:2", "begin comments with !");
  fails("IPTYPE=two\n" + simple, "f.obs:1", "expected IPTYPE=1 or IPTYPE=2");
  fails(replaced(general, "2\n0 100", "0\n0 100"), "f.obs:3", "announces no sources");
  fails(replaced(general, "2\n0 100", "3\n0 100"), "f.obs:10", "expected source 3 of the 3 that line 3 announces");
  fails(replaced(general, "2\n0 100", "1\n0 100"), "f.obs:8", "text after the 1 source that line 3 announces");
  fails(replaced(general, "10 101 2\n20", "10 101 1\n20"), "f.obs:6",
        "expected xA zA xB zB n, or xA xB n, for source 2");
  fails(replaced(general, "10 101 2\n20", "10 101 3\n20"), "f.obs:8", "datum 3 of the 3 that line 4 announces lacks a");
  fails(replaced(general, "10 101 2\n20", "10 101 2.5\n20"), "f.obs:4", "the number of data of source 1");
  fails(replaced(general, "10 101 2\n20", "10 101 0\n20"), "f.obs:4", "found '0'");
  fails(replaced(general, "20 102 40 104 +1.0E+0 0.04\n", ""), "f.obs:9", "expected datum 2 of the 2 that line 8");
  fails(replaced(general, "-1.5 0.01", "-1,5 0.01"), "f.obs:5", "'-1,5' has a comma");
  fails(replaced(general, "-1.5 0.01", "abc 0.01"), "f.obs:5", "'abc' is not a number");
  fails(replaced(general, "-1.5 0.01", "nan 0.01"), "f.obs:5", "'nan' is not finite");
  fails(replaced(general, "-1.5 0.01", "-1.5"), "f.obs:6", "has a standard deviation, the records before it lack one");
  fails(replaced(general, ".25 0.02", ".25"), "f.obs:6", "lacks a standard deviation");
  fails(replaced(general, "-1.5 0.01", "-1.5 -0.01"), "f.obs:5", "negative standard deviation -0.01");
  fails(replaced(general, "-1.5 0.01", "-1.5 0.01 3"), "f.obs:5", "expected 6 values (xM zM xN zN V std) for datum 1");
  fails(replaced(general, "20 102 30 103", "0 100 30 103"), "f.obs:5", "M at the place of A, (x 0, z 100)");
  fails(replaced(general, "20 102 40 104", "20 102 10 101"), "f.obs:10", "N at the place of A, (x 10, z 101)");
  fails(replaced(general, "10 101 10 101 2", "10 10 2"), "f.obs:8", "lacks z, the sources before it have it");
  fails(replaced(general, "0 100 10 101 2", "0 0 100 10 0 101 2"), "f.obs:4", "DCIP3D");
  fails(replaced(surface, "20 30 -1.5", "20 30 40 -1.5"), "f.obs:4", "expected 4 values (xM xN V std)");
  fails(replaced(simple, "10 10 30 30 0.25", "10 10 30 0.25 1 2 3"), "f.obs:3", "for record 2, found 8");
  fails(replaced(simple, "20 30 -1.5", "20 10 -1.5"), "f.obs:2", "record 1 has N at the place of B, (x 10)");
  try {
    parse_ubc_observations(general, "f.obs", {"left"});
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::config);
    EXPECT_NE(std::string(e.what()).find("must be up (elevations) or down"), std::string::npos);
  }
}

TEST(Ubc, ErrorsOfDataAreDemandedWhereTheyAreNeeded) {
  const auto message = [](const UbcObservations& o) {
    try {
      require_std(o, "f.obs");
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::data);
      return e.message();
    }
    return std::string();
  };
  const UbcObservations zero = parse(replaced(general, ".25 0.02", ".25 0"));
  EXPECT_EQ(zero.zero_std, 1);
  EXPECT_EQ(zero.notes.size(), 1u);
  EXPECT_EQ(message(zero), "f.obs:6: datum 2 has the standard deviation 0; give a formula for the errors");
  EXPECT_EQ(message(parse("0 10 20 30 -1.5\n")),
            "f.obs: the file has no standard deviations; give a formula for the errors");
  EXPECT_EQ(median_std_ratio(parse("0 10 20 30 -1.5\n")), 0);
}

TEST(Ubc, RoundTrips) {
  const TestFolder folder;
  const std::string path = folder / "o.obs";
  for (const UbcFormat format : {UbcFormat::general, UbcFormat::surface, UbcFormat::simple}) {
    for (const bool std : {false, true}) {
      for (const bool z : {false, true}) {
        if (format == UbcFormat::surface && z) continue;
        if (format == UbcFormat::general && !z) continue;
        UbcObservations o;
        o.format = format;
        o.has_z = z;
        o.common_current = z;
        if (std) o.ip_type = 1;
        // Electrodes in the order in which the file names them.
        for (int e = 0; e < 9; ++e) o.survey.electrodes.push_back({e + 1.0 / 3, z ? std::sqrt(e) : 0.0});
        o.survey.data = {{0, 1, 2, 3}, {0, 1, 3, 4}, {0, -1, 5, 4}, {6, 1, 7, -1}, {6, -1, 8, -1}};
        o.value = {1.0 / 3, -2e-7, 3e20, -0.1, 0.7};
        if (std) o.std = {1.0 / 7, 2, 0, 4e-30, 0.1};
        write_ubc_observations(path, o);
        expect_same(read_ubc_observations(path), o);
      }
    }
  }
  expect_same(parse(ubc_observations_text(parse(general))), parse(general));
  // B and N alone become A and M: the sign turns for each.
  UbcObservations o = parse(simple);
  o.survey.data = {{-1, 0, 2, 3}, {-1, 0, -1, 2}};
  const UbcObservations back = parse(ubc_observations_text(o));
  EXPECT_EQ(back.survey.data, (std::vector<DcDatum>{{0, -1, 1, 2}, {0, -1, 1, -1}}));
  EXPECT_EQ(back.value, (Values{1.5, 0.25}));
}

TEST(Ubc, WriterRefusesWhatCouldNotBeReadBack) {
  const auto fails = [](const std::function<void(UbcObservations&)>& change, const std::string& part) {
    UbcObservations o = parse(surface);
    change(o);
    try {
      ubc_observations_text(o);
      ADD_FAILURE() << "no error: " << part;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::data);
      EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
    }
  };
  fails([](UbcObservations& o) { o.value.pop_back(); }, "not as many");
  fails([](UbcObservations& o) { o.std.push_back(1); }, "not as many");
  fails([](UbcObservations& o) { o.value[1] = NAN; }, "datum 1 is not finite");
  fails([](UbcObservations& o) { o.std[0] = -1; }, "datum 0 is not finite or has no");
  fails([](UbcObservations& o) { o.survey.electrodes[2].z_m = 3; }, "cannot hold an electrode at (x 20 m, z 3 m)");
  fails([](UbcObservations& o) { o.survey.data[0].m = 77; }, "names electrode 77");
}

// The four surveys of the dike study: 348 data, 26 sources, 29 electrodes; values to the digits of the files.
TEST(Ubc, DikeStudy) {
  const std::string noise_file = test_data_file("nfs_inv/dcr_noise_unit.npy");
  if (noise_file.empty()) GTEST_SKIP() << "nfs_inv/dcr_noise_unit.npy is not there; set TERRANE_DATA";
  const Values noise = read_npy<double>(noise_file).values;
  for (const std::string id : {"3_1", "3_2", "3_3", "4"}) {
    SCOPED_TRACE(id);
    const UbcObservations o = read_ubc_observations(test_data_file("nfs_inv/dcr_" + id + "_dc_data.obs"));
    const Values clean = read_npy<double>(test_data_file("nfs_inv/dcr_" + id + "_data_clean_simpeg.npy")).values;
    ASSERT_EQ(o.survey.size(), 348);
    EXPECT_EQ(o.sources(), 26);
    ASSERT_EQ(o.survey.electrodes.size(), 29u);
    EXPECT_TRUE(o.common_current);
    EXPECT_EQ(o.format, UbcFormat::general);
    EXPECT_TRUE(o.notes.empty());
    for (int e = 0; e < 29; ++e)
      EXPECT_EQ(o.survey.electrodes[static_cast<std::size_t>(e)], (Point3{-350. + 25 * e, 0}));
    std::size_t i = 0;
    for (Index k = 0; k < 26; ++k) {
      for (Index q = 0; q < 24 && k + 3 + q < 29; ++q, ++i) {
        ASSERT_EQ(o.survey.data[i], (DcDatum{k, k + 1, k + 2 + q, k + 3 + q}));
        EXPECT_NEAR(o.std[i] / (0.05 * std::fabs(clean[i])), 1, 1e-6);
        EXPECT_NEAR(o.value[i] / (clean[i] + 0.05 * std::fabs(clean[i]) * noise[i]), 1, 1e-6);
        EXPECT_LT(o.value[i], 0);
      }
    }
    EXPECT_NEAR(median_std_ratio(o), 0.05, 0.005);
    expect_same(parse(ubc_observations_text(o)), o);
  }
}

// Field data of an old program, with a title and flags, beside a table of the same line.
TEST(Ubc, Century) {
  const std::string folder = "ert/century_46800E/";
  if (test_data_file(folder + "46800POT.OBS").empty()) {
    GTEST_SKIP() << folder << "46800POT.OBS is not there; set TERRANE_DATA";
  }
  const auto table = read_npy<double>(test_data_file(folder + "data.npy"));
  for (const std::string name : {"46800POT.OBS", "46800IP.OBS", "DCMODA.PRE", "IPMODA.PRE"}) {
    SCOPED_TRACE(name);
    const UbcObservations o = read_ubc_observations(test_data_file(folder + name));
    EXPECT_EQ(o.sources(), 27);
    EXPECT_EQ(o.format, UbcFormat::surface);
    EXPECT_FALSE(o.title.empty());
    EXPECT_EQ(o.std.empty(), name.ends_with("PRE"));
    if (name == "DCMODA.PRE") {  // one datum more than was observed
      EXPECT_EQ(o.survey.size(), table.shape[0] + 1);
      continue;
    }
    ASSERT_EQ(o.survey.size(), table.shape[0]);
    for (Index i = 0; i < o.survey.size(); ++i) {
      const DcDatum& d = o.survey.data[static_cast<std::size_t>(i)];
      const auto x = [&](Index e) { return o.survey.electrodes[static_cast<std::size_t>(e)].x_m; };
      const double* row = table.values.data() + i * table.shape[1];
      EXPECT_EQ(x(d.a), row[0]);
      EXPECT_EQ(x(d.b), row[1]);
      EXPECT_EQ(std::min(x(d.m), x(d.n)), std::min(row[2], row[3]));
      if (name == "46800IP.OBS") {
        EXPECT_FLOAT_EQ(static_cast<float>(o.value[static_cast<std::size_t>(i)]), static_cast<float>(row[6]));
      }
    }
  }
}

TEST(Ubc, Topographic) {
  const std::string file = test_data_file("ert/simpeg_dcr2d/dc_data.obs");
  if (file.empty()) GTEST_SKIP() << "ert/simpeg_dcr2d/dc_data.obs is not there; set TERRANE_DATA";
  const UbcObservations o = read_ubc_observations(file);
  EXPECT_EQ(o.sources(), 18);
  EXPECT_EQ(o.survey.electrodes[0], (Point3{-400, -140.2466}));
  expect_same(parse(ubc_observations_text(o)), o);
}

}  // namespace ubc_test
}  // namespace terrane
