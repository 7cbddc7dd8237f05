// SPDX-License-Identifier: MIT
#include "engine/io/picks.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <functional>

#include "engine/io/file.hpp"
#include "engine/io/info.hpp"
#include "engine/io/npy.hpp"
#include "kernels/runtime/error.hpp"
#include "kernels/runtime/random.hpp"
#include "tests/support/devices.hpp"
#include "tests/support/test_folder.hpp"

namespace terrane {
namespace picks_test {

namespace fs = std::filesystem;
using Values = std::vector<double>;

class PicksTest : public FolderTest {};

// Lines of a sound file, counted from 1.
std::vector<std::string> sound() {
  return {"3 # shot/geophone points",
          "#x\ty",
          "0\t0",
          "1\t0.5",
          "2\t1",
          "4 # measurements",
          "#s\tg\tt",
          "1\t2\t0.010",
          "1\t3\t0.020",
          "3\t2\t0.012",
          "3\t1\t0.021"};
}

std::string text_of(const std::vector<std::string>& lines, const std::string& end = "\n") {
  std::string text;
  for (const std::string& line : lines) text += line + end;
  return text;
}

// The sound file with line `number` replaced.
std::string with(std::size_t number, const std::string& line) {
  std::vector<std::string> lines = sound();
  lines.at(number - 1) = line;
  return text_of(lines);
}
std::string without(std::size_t number) {
  std::vector<std::string> lines = sound();
  lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(number) - 1);
  return text_of(lines);
}
// The sound file with a fourth column.
std::string column(const std::string& token, const std::vector<std::string>& values, const std::string& time = "t") {
  std::vector<std::string> lines = sound();
  lines[6] = "#s\tg\t" + time + "\t" + token;
  for (std::size_t i = 0; i < 4; ++i) lines[7 + i] += "\t" + values.at(i);
  return text_of(lines);
}

bool noted(const PickFile& picks, const std::string& part) {
  for (const std::string& note : picks.notes) {
    if (note.find(part) != std::string::npos) return true;
  }
  return false;
}

std::string where_of(const std::function<void()>& f, std::string& what, ErrorCode code = ErrorCode::data) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), code) << e.message();
    EXPECT_EQ(e.message().find('\n'), std::string::npos);
    what = e.what();
    return e.where();
  }
  what = "no error";
  return "";
}

void expect_sound(const PickFile& p) {
  ASSERT_EQ(p.sensors.size(), 3u);
  EXPECT_EQ(p.sensors[1], (Point3{1, -0.5, 0}));
  EXPECT_EQ(p.source_sensor, (std::vector<Index>{0, 2}));
  EXPECT_EQ(p.receiver_sensor, (std::vector<Index>{0, 1, 2}));
  EXPECT_EQ(p.survey.sources[1], (Point3{2, -1, 0}));
  ASSERT_EQ(p.survey.data(), 4);
  EXPECT_EQ(p.survey.pairs[2].source, 1);
  EXPECT_EQ(p.survey.pairs[2].receiver, 1);
  EXPECT_EQ(p.time_s, (Values{0.010, 0.020, 0.012, 0.021}));
  EXPECT_NO_THROW(p.survey.check());
}

TEST_F(PicksTest, SoundFileInEverySpelling) {
  put("a.sgt", text_of(sound()));
  const PickFile p = read_picks(path("a.sgt"));
  expect_sound(p);
  EXPECT_TRUE(p.std_s.empty());
  EXPECT_EQ(p.notes, std::vector<std::string>{"z = -elevation from column y"});
  // Line ends, a byte order mark, comments, blanks, case, signs, exponents, a topography block that is empty or absent.
  expect_sound(parse_picks(text_of(sound(), "\r\n"), "f"));
  expect_sound(parse_picks(text_of(sound(), "\r"), "f"));
  expect_sound(parse_picks("\xef\xbb\xbf" + text_of(sound()), "f"));
  expect_sound(parse_picks(text_of(sound()) + "0\n", "f"));
  expect_sound(parse_picks(
      "# a survey of 3 sensors\n\n3# Number of sensors\n# in metres\n#  X/m  Y/M  \n0 0 # first\n\n 1   +0.5\n"
      "# a comment among the rows\n2 1\n4\n# S G T/s\n1 2 1e-2\n\n1 3 .02\n3. 2 0.012\n3 1 2.1E-2\n\n\n# the end",
      "f"));
  expect_sound(parse_picks(column("valid", {"1", "1", "1", "1"}), "f"));
  expect_sound(parse_picks(column("amplitude", {"nan", "1", "-1", "inf"}), "f"));  // not ours
  expect_sound(parse_picks(without(2), "f"));                                      // positions without names are x, y
}

TEST_F(PicksTest, UnitsOfPositions) {
  std::vector<std::string> lines = sound();
  lines[1] = "#x/mm y/cm";
  const PickFile p = parse_picks(text_of(lines), "f");
  EXPECT_DOUBLE_EQ(p.sensors[2].x_m, 2e-3);
  EXPECT_DOUBLE_EQ(p.sensors[2].z_m, -1e-2);
}

TEST_F(PicksTest, ErrorColumns) {
  PickFile p = parse_picks(column("err", {"1e-3", "2e-3", "1e-3", "2e-3"}), "f");
  EXPECT_EQ(p.std_s, (Values{1e-3, 2e-3, 1e-3, 2e-3}));
  p = parse_picks(column("err/%", {"10", "5", "10", "10"}), "f");
  for (std::size_t i = 0; i < 4; ++i) EXPECT_DOUBLE_EQ(p.std_s[i], p.time_s[i] * (i == 1 ? 0.05 : 0.1));
  EXPECT_TRUE(noted(p, "% of the time"));
  p = parse_picks(column("err/ms", {"1", "1", "1", "1"}), "f");
  EXPECT_DOUBLE_EQ(p.std_s[3], 1e-3);
  EXPECT_TRUE(noted(p, "errors converted from ms"));
  p = parse_picks(column("err/us", {"1", "1", "1", "1"}, "t/ms"), "f");
  EXPECT_DOUBLE_EQ(p.std_s[3], 1e-6);
  EXPECT_DOUBLE_EQ(p.time_s[3], 2.1e-5);
  EXPECT_TRUE(noted(p, "times converted from ms"));
  p = parse_picks(column("err/\xc2\xb5s", {"1", "1", "1", "1"}), "f");
  EXPECT_DOUBLE_EQ(p.std_s[3], 1e-6);
  // Seconds that are long, because the file says so.
  std::vector<std::string> lines = sound();
  lines[6] = "#s g t/s";
  for (std::size_t i = 7; i < 11; ++i) lines[i] += "e4";
  EXPECT_EQ(parse_picks(text_of(lines), "f").time_s[0], 100);
}

TEST_F(PicksTest, DropsAndMergesAreCounted) {
  const PickFile p = parse_picks(
      "5\n#x y\n0 0\n1 0\n2 0\n1 0\n-0 0\n9\n#s g t valid\n1 2 0.01 1\n1 3 -0.02 1\n1 3 0 1\n2 4 0.03 1\n"
      "3 4 0.04 1\n3 5 0.05 0\n1 3 nan 0\n3 2 0.06 1\n3 2 0.07 1\n",
      "f");
  EXPECT_EQ(p.merged_sensors, 2);
  EXPECT_EQ(p.dropped_time, 2);
  EXPECT_EQ(p.dropped_invalid, 2);
  EXPECT_EQ(p.dropped_coincident, 1);
  EXPECT_TRUE(noted(p, "2 coincident sensors merged"));
  EXPECT_TRUE(noted(p, "2 picks with t <= 0 dropped"));
  EXPECT_TRUE(noted(p, "2 picks with valid = 0 dropped"));
  EXPECT_TRUE(noted(p, "1 pick with source and receiver at one place dropped"));
  EXPECT_EQ(p.sensors.size(), 3u);
  EXPECT_EQ(p.time_s, (Values{0.01, 0.04, 0.06, 0.07}));  // repeats stay
  EXPECT_EQ(p.survey.pairs[1].source, 1);
  EXPECT_EQ(p.survey.pairs[1].receiver, 0);  // sensor 4 is sensor 2
  EXPECT_EQ(p.survey.receivers.size(), 1u);
}

TEST_F(PicksTest, VerticalAxis) {
  const auto picks = [](const std::string& axes, const std::string& a, const std::string& b,
                        const std::string& choice) {
    return parse_picks("2\n# " + axes + "\n" + a + "\n" + b + "\n1\n# s g t\n1 2 0.5\n", "f", choice).sensors[1];
  };
  EXPECT_EQ(picks("x y", "0 0", "1 2", "auto"), (Point3{1, -2, 0}));
  EXPECT_EQ(picks("x z", "0 0", "1 2", "auto"), (Point3{1, -2, 0}));
  EXPECT_EQ(picks("x", "0", "1", "auto"), (Point3{1, 0, 0}));
  EXPECT_EQ(picks("x y", "0 0", "1 2", "depth"), (Point3{1, 2, 0}));
  EXPECT_EQ(picks("x z", "0 0", "1 2", "depth"), (Point3{1, 2, 0}));
  EXPECT_EQ(picks("x y", "0 0", "1 2", "elevation"), (Point3{1, -2, 0}));
  EXPECT_EQ(picks("x y", "0 0", "1 2", "horizontal"), (Point3{1, 0, 2}));
  EXPECT_EQ(picks("x y z", "0 0 5", "1 2 3", "auto"), (Point3{1, -3, 2}));
  EXPECT_EQ(picks("z x y", "5 0 0", "3 1 2", "auto"), (Point3{1, -3, 2}));
  EXPECT_EQ(picks("x y z", "0 0 5", "1 2 3", "depth"), (Point3{1, 3, 2}));
  EXPECT_EQ(picks("x y z", "0 2 5", "1 2 5", "auto"), (Point3{1, -5, 2}));  // a line
  EXPECT_EQ(picks("x y z", "0 0 0", "1 2 0", "elevation"), (Point3{1, -2, 0}));
  EXPECT_EQ(picks("x y z", "0 0 0", "1 2 0", "depth"), (Point3{1, 2, 0}));
  EXPECT_EQ(picks("x y z", "0 0 4", "1 2 4", "horizontal"), (Point3{1, -4, 2}));
  std::string what;
  EXPECT_EQ(where_of([&] { picks("x y z", "0 0 0", "1 2 0", "auto"); }, what), "f:2");
  EXPECT_NE(what.find("\"second_axis\" to \"elevation\""), std::string::npos) << what;
  EXPECT_EQ(where_of([&] { picks("x z", "0 0", "1 2", "horizontal"); }, what), "f:2");
  EXPECT_NE(what.find("needs a column y"), std::string::npos) << what;
  where_of([&] { picks("x z", "0 0", "1 2", "up"); }, what, ErrorCode::config);
  EXPECT_NE(what.find("\"up\""), std::string::npos) << what;
}

TEST_F(PicksTest, Topography) {
  const std::string good = text_of(sound());
  PickFile p = parse_picks(good + "2 # topography\n# x z\n-1 7\n9 8\n", "f");
  ASSERT_EQ(p.topography.size(), 2u);
  EXPECT_EQ(p.topography[1], (Point3{9, -8, 0}));
  EXPECT_EQ(parse_picks(good + "1\n3 4\n", "f").topography[0], (Point3{3, -4, 0}));
  std::string what;
  EXPECT_EQ(where_of([&] { parse_picks(good + "2\n3 4\n", "f"); }, what), "f:12");
  EXPECT_EQ(where_of([&] { parse_picks(good + "1\n# x\n3\n", "f"); }, what), "f:13");
  EXPECT_NE(what.find("no axis like the vertical one"), std::string::npos) << what;
}

struct Bad {
  std::string name, text;
  int line;                        // 0: the file as a whole
  std::vector<std::string> parts;  // of the message: the cause and the remedy
};

std::vector<Bad> bad_files() {
  const std::vector<std::string> lines = sound();
  std::vector<std::string> ms = lines, cut(lines.begin(), lines.begin() + 9);
  ms[7] = "1 2 10.5", ms[8] = "1 3 20", ms[9] = "3 2 12", ms[10] = "3 1 21";
  return {
      {"missing unit of the times", text_of(ms), 7, {"above 20 s", "t/ms"}},
      {"unknown unit", with(7, "#s g t/min"), 7, {"'t/min'", "ms us ns"}},
      {"unknown unit of a position", with(2, "#x/ft y/ft"), 2, {"'x/ft'", "mm cm km"}},
      {"a time in metres", with(7, "#s g t/m"), 7, {"'t/m'"}},
      {"time is NaN", with(9, "1 3 nan"), 9, {"not finite", "valid"}},
      {"time is infinite", with(9, "1 3 inf"), 9, {"not finite"}},
      {"position is NaN", with(4, "1 NaN"), 4, {"sensor 2", "not finite"}},
      {"decimal comma", with(4, "1 0,5"), 4, {"'0,5'", "point (0.5)"}},
      {"commas between values", with(8, "1,2,0.01"), 8, {"'1,2,0.01'", "blanks"}},
      {"not a number", with(10, "3 2 fast"), 10, {"'fast'", "not a number"}},
      {"an exponent with D", with(10, "3 2 1.2D-2"), 10, {"'1.2D-2'"}},
      {"a number out of range", with(10, "3 2 1e999"), 10, {"beyond the range"}},
      {"a text column", with(10, "3 2 0.01 bad"), 10, {"'bad'"}},
      {"too many sensors announced", with(1, "4"), 6, {"2 values (x y)", "sensor 4 of the 4", "line 1"}},
      {"too few sensors announced", with(1, "2"), 5, {"found 2 values", "2 sensors that line 1"}},
      {"far too many sensors announced", with(1, "2000000000"), 1, {"2000000000", "10 lines follow"}},
      {"too many picks announced", with(6, "5"), 11, {"datum 5 of the 5", "line 6", "file ends"}},
      {"too few picks announced", with(6, "3"), 11, {"found 3 values", "3 data that line 6"}},
      {"no sensors", "0\n0\n", 1, {"no sensors"}},
      {"a count that is no number", with(1, "three"), 1, {"number of sensors", "'three'"}},
      {"a negative count", with(6, "-4"), 6, {"number of data", "'-4'"}},
      {"a count with a fraction", with(6, "4.5"), 6, {"'4.5'"}},
      {"cut short among the picks", text_of(cut), 6, {"announces 4 data", "3 lines follow"}},
      {"cut short in a line", text_of(cut) + "3 2", 10, {"datum 3 of the 4", "found 2"}},
      {"cut short before the picks", text_of({lines.begin(), lines.begin() + 5}), 5, {"number of data", "file ends"}},
      {"half a line", with(11, "3 1"), 11, {"expected 3 values (s g t)", "found 2"}},
      {"empty", "", 1, {"number of sensors", "file ends"}},
      {"only comments", "# nothing\n", 1, {"number of sensors"}},
      {"sensor beyond the list", with(9, "1 4 0.02"), 9, {"g is 4", "1 to 3"}},
      {"sensor counted from 0", with(8, "0 2 0.01"), 8, {"s is 0", "add 1"}},
      {"negative sensor", with(8, "1 -2 0.01"), 8, {"g is -2"}},
      {"half a sensor", with(8, "1 1.5 0.01"), 8, {"g is 1.5"}},
      {"sensor is NaN", with(8, "nan 2 0.01"), 8, {"s is nan"}},
      {"no names of the columns", without(7), 7, {"\"# s g t\"", "line 6"}},
      {"names of other columns", with(7, "#a b rhoa"), 7, {"s, g, t not found", "a b rhoa"}},
      {"no times", with(7, "#s g err"), 7, {"t not found"}},
      {"names too few", with(7, "#s g"), 8, {"line 7 names 2 columns", "3 values"}},
      {"a column twice", with(7, "#s s t"), 7, {"two columns are s"}},
      {"an axis twice", with(2, "#x x"), 2, {"x stands twice"}},
      {"an unknown axis", with(2, "#x height"), 2, {"'height'"}},
      {"four values for a position", "1\n0 0 0 0\n1\n#s g t\n1 1 1\n", 2, {"4 values"}},
      {"no positive time",
       text_of({"2", "#x y", "0 0", "1 0", "2", "#s g t", "1 2 -1", "2 1 0"}),
       6,
       {"2 with t <= 0"}},
      {"no valid pick", column("valid", {"0", "0", "0", "0"}), 7, {"4 with valid = 0"}},
      {"valid is 2", column("valid", {"1", "2", "1", "1"}), 9, {"0 or 1"}},
      {"all sensors in one place", "2\n#x y\n1 1\n1 1\n1\n#s g t\n1 2 1\n", 6, {"at one place"}},
      {"error is 0", column("err", {"1e-3", "0", "1e-3", "1e-3"}), 9, {"above 0", "remove the column"}},
      {"error is NaN", column("err", {"1e-3", "nan", "1e-3", "1e-3"}), 9, {"above 0"}},
      {"errors above the times", column("err", {"1", "1", "1", "1"}), 7, {"above the times", "err/ms"}},
      {"errors without unit", column("err", {"1", "1", "1", "1"}, "t/ms"), 7, {"t is in ms", "err/ms"}},
      {"errors in volts", column("err/mV", {"1", "1", "1", "1"}), 7, {"mv", "err/ms"}},
      {"no picks", "1\n#x\n0\n0\n", 0, {"no picks"}},
      {"text at the end", text_of(lines) + "0\nfine\n", 13, {"'fine'"}},
      {"UTF-16",
       std::string("\xff\xfe"
                   "3\0\n\0",
                   6),
       0,
       {"UTF-16"}},
      {"bytes", std::string("3\n\0\1\2", 5), 0, {"plain text"}},
  };
}

TEST_F(PicksTest, BadFilesNameTheLineAndTheRemedy) {
  for (const Bad& bad : bad_files()) {
    put("bad.sgt", bad.text);
    const std::string file = path("bad.sgt");
    std::string what;
    const std::string where = where_of([&] { read_picks(file); }, what);
    EXPECT_EQ(where, bad.line > 0 ? file + ":" + std::to_string(bad.line) : file) << bad.name << ": " << what;
    for (const std::string& part : bad.parts) {
      EXPECT_NE(what.find(part), std::string::npos) << bad.name << ": " << what;
    }
  }
  std::string what;
  where_of([&] { read_picks(path("absent.sgt")); }, what);
  EXPECT_NE(what.find("cannot open"), std::string::npos) << what;
}

TEST_F(PicksTest, FuzzNeverCrashes) {
  const std::string good = column("err/%", {"10", "5", "10", "10"}) + "2\n# x z\n-1 7\n9 8\n";
  const std::string alphabet = "0123456789 \t\n\r#.,-+exyzsgt/%mn\xc2\xff";
  const Random random(3, RandomPurpose::test);
  for (std::uint64_t k = 0; k < 20000; ++k) {
    std::string text = good;
    for (std::uint32_t e = 0; e <= k % 4; ++e) {
      text[static_cast<std::size_t>(random.integer(k, 2 * e, text.size()))] =
          alphabet[static_cast<std::size_t>(random.integer(k, 2 * e + 1, alphabet.size()))];
    }
    if (k % 5 == 0) text.resize(static_cast<std::size_t>(random.integer(k, 99, text.size())));
    try {
      const PickFile p = parse_picks(text, "f");
      p.survey.check();
      for (const double t : p.time_s) ASSERT_GT(t, 0);
    } catch (const Error& e) {
      ASSERT_EQ(e.code(), ErrorCode::data) << e.message();
      ASSERT_EQ(e.message().find('\n'), std::string::npos);
    }
  }
}

void expect_same(const PickFile& a, const PickFile& b) {
  EXPECT_EQ(a.sensors, b.sensors);
  EXPECT_EQ(a.source_sensor, b.source_sensor);
  EXPECT_EQ(a.receiver_sensor, b.receiver_sensor);
  EXPECT_EQ(a.survey.sources, b.survey.sources);
  EXPECT_EQ(a.survey.receivers, b.survey.receivers);
  ASSERT_EQ(a.survey.data(), b.survey.data());
  for (std::size_t i = 0; i < a.survey.pairs.size(); ++i) {
    EXPECT_EQ(a.survey.pairs[i].source, b.survey.pairs[i].source);
    EXPECT_EQ(a.survey.pairs[i].receiver, b.survey.pairs[i].receiver);
  }
  EXPECT_EQ(a.time_s, b.time_s);
  EXPECT_EQ(a.std_s, b.std_s);
  EXPECT_EQ(a.topography, b.topography);
}

TEST_F(PicksTest, WritesWhatItReads) {
  PickFile p = parse_picks(column("err", {"1e-3", "0.00033333333333333331", "1e-3", "1e-3"}) + "1\n3 4\n", "f");
  p.sensors[0].x_m = 0.1 + 0.2;
  p.survey.sources[0] = p.survey.receivers[0] = p.sensors[0];
  write_picks(path("a.sgt"), p);
  expect_same(read_picks(path("a.sgt")), p);
  EXPECT_NE(read_file(path("a.sgt")).find("# s g t err\n"), std::string::npos);
  // Long times carry their unit, a survey with width its y.
  for (double& t : p.time_s) t *= 1e4;
  p.sensors[1].y_m = -3;
  p.survey.receivers[1] = p.sensors[1];
  write_picks(path("b.sgt"), p);
  expect_same(read_picks(path("b.sgt")), p);
  const auto fails = [&](const std::function<void(PickFile&)>& change, const std::string& part) {
    PickFile q = p;
    change(q);
    std::string what;
    where_of([&] { write_picks(path("c.sgt"), q); }, what);
    EXPECT_NE(what.find(part), std::string::npos) << what;
    EXPECT_FALSE(fs::exists(path("c.sgt")));
  };
  fails([](PickFile& q) { q.time_s.pop_back(); }, "one time");
  fails([](PickFile& q) { q.time_s[2] = -1; }, "the time of pick 2");
  fails([](PickFile& q) { q.std_s[1] = std::nan(""); }, "the error of pick 1");
  fails([](PickFile& q) { q.survey.pairs[0].receiver = 0; }, "at one place");
  fails([](PickFile& q) { q.sensors[0].x_m = INFINITY; }, "not finite");
}

TEST_F(PicksTest, SurveyToPicks) {
  const std::vector<Point3> sources{{0, 1, 0}, {0, 3, 0}}, receivers{{9, 1, 0}, {0, 3, 0}};
  TravelSurvey survey = TravelSurvey::full(sources, receivers);
  survey.pairs.erase(survey.pairs.begin() + 3);  // the second source is the second receiver
  const PickFile p = picks_of(survey, {1, 2, 3}, {0.1, 0.1, 0.1});
  EXPECT_EQ(p.sensors.size(), 3u);
  EXPECT_EQ(p.receiver_sensor, (std::vector<Index>{1, 2}));
  write_picks(path("a.sgt"), p);
  expect_same(read_picks(path("a.sgt")), p);
  EXPECT_NEAR(median_velocity_mps(p), std::hypot(9.0, 2.0) / 3, 9);
}

TEST_F(PicksTest, SensorTables) {
  // Resistance data: aliases, units, the electrode at infinity, a table read back to the bit.
  const std::string text =
      "4# electrodes\n# x z\n0 0\n1 0\n2 0.1\n3 0\n3\n# C1 C2 P1 P2 u/mV i/mA ERR/% ip/mrad k\n1 2 3 4 12.5 100 3 7 "
      "6.28\n"
      "1 0 2 3 -3 50 3.3 nan 9\n# middle\n2 3 4 1 1 2 0.7 -1 8\n2\n# x z\n-5 1\n8 2\n";
  const SensorTable t = parse_sensor_table(text, "f");
  EXPECT_EQ(t.columns, (std::vector<std::string>{"a", "b", "m", "n", "u", "i", "err", "ip", "k"}));
  EXPECT_EQ(t.units[4], "mv");
  EXPECT_EQ(t.column("b"), (Values{2, 0, 3}));
  EXPECT_DOUBLE_EQ(t.column("u")[0], 0.0125);
  EXPECT_DOUBLE_EQ(t.column("i")[1], 0.05);
  EXPECT_DOUBLE_EQ(t.column("err")[0], 0.03);
  EXPECT_EQ(t.column("ip")[0], 7);  // another column: as it is
  EXPECT_EQ(t.data_line, (std::vector<Index>{9, 10, 12}));
  EXPECT_EQ(t.columns_line, 8);
  EXPECT_EQ(t.topography.position_m[1], (std::array<double, 3>{8, 0, 2}));
  const std::string written = sensor_table_text(t, "resistances");
  const SensorTable back = parse_sensor_table(written, "g");
  EXPECT_EQ(back.columns, t.columns);
  for (std::size_t c = 0; c < t.columns.size(); ++c) {
    for (std::size_t i = 0; i < 3; ++i) {
      if (!std::isnan(t.values[c][i])) {
        EXPECT_EQ(back.values[c][i], t.values[c][i]) << t.columns[c];
      }
    }
  }
  EXPECT_TRUE(std::isnan(back.column("ip")[1]));
  EXPECT_EQ(back.sensors.position_m, t.sensors.position_m);
  EXPECT_EQ(back.topography.position_m, t.topography.position_m);
  EXPECT_EQ(sensor_table_text(back, "resistances"), written);
  for (const char* token : {"r", "rho", "R", "imp", "Z", "u/i", "U/I"}) {
    const SensorTable one = parse_sensor_table("1\n#x\n0\n1\n# a m " + std::string(token) + "\n1 0 2.5\n", "f");
    EXPECT_EQ(one.columns[2], "r") << token;
    EXPECT_EQ(one.values[2][0], 2.5) << token;
  }
  for (const char* token : {"rhoa", "rho_a", "Ra", "rs"}) {
    EXPECT_EQ(parse_sensor_table("1\n#x\n0\n1\n# a m " + std::string(token) + "\n1 0 2\n", "f").columns[2], "rhoa");
  }
  std::string what;
  EXPECT_EQ(where_of([] { parse_sensor_table("1\n#x\n0\n1\n# a m r rho\n1 0 2 2\n", "f"); }, what), "f:5");
  EXPECT_EQ(where_of([] { parse_sensor_table("1\n#x\n0\n1\n# a m r\n1 5 2\n", "f"); }, what), "f:6");
  EXPECT_EQ(parse_sensor_table("1\n#x\n7\n0\n", "f").data, 0);  // sensors alone
}

TEST_F(PicksTest, TablesThatCannotBeReadBackAreNotWritten) {
  const SensorTable good = parse_sensor_table("2\n#x\n0\n1\n1\n# s g t\n1 2 3\n", "f");
  const auto fails = [&](const std::function<void(SensorTable&)>& change, const std::string& part) {
    SensorTable t = good;
    change(t);
    std::string what;
    where_of([&] { sensor_table_text(t, ""); }, what);
    EXPECT_NE(what.find(part), std::string::npos) << what;
  };
  fails([](SensorTable& t) { t.sensors = {}; }, "no sensors");
  fails([](SensorTable& t) { t.sensors.axes = {"w"}; }, "'w'");
  fails([](SensorTable& t) { t.sensors.axes = {"x", "x"}; }, "twice");
  fails([](SensorTable& t) { t.sensors.position_m[0][2] = 1; }, "lack the axis z");
  fails([](SensorTable& t) { t.values[2].clear(); }, "another length");
  fails([](SensorTable& t) { t.values.pop_back(); }, "without values");
  fails([](SensorTable& t) { t.columns[2] = "rho"; }, "another name");
  fails([](SensorTable& t) { t.values[0][0] = 3; }, "names no sensor");
  fails([](SensorTable& t) { t.units = {"", "", "h"}; }, "unknown unit");
}

TEST_F(PicksTest, Info) {
  put("p", column("err", {"1e-3", "2e-3", "1e-3", "2e-3"}) + "1\n3 4\n");
  nlohmann::ordered_json info = file_info(path("p"), true);
  EXPECT_EQ(info["format"], "sgt");
  EXPECT_EQ(info["sensors"], 3);
  EXPECT_EQ(info["positions_m"]["y"], nlohmann::ordered_json({0, 1}));
  EXPECT_EQ(info["sources"], 2);
  EXPECT_EQ(info["picks"], 4);
  EXPECT_EQ(info["time_s"], nlohmann::ordered_json({0.01, 0.021}));
  EXPECT_EQ(info["std_s"], nlohmann::ordered_json({1e-3, 2e-3}));
  EXPECT_EQ(info["topography_points"], 1);
  EXPECT_EQ(info["notes"][0], "z = -elevation from column y");
  EXPECT_TRUE(info["suspicious"].empty()) << info.dump();
  put("e", "4\n# x\n0\n1\n2\n3\n1\n# a b m n rhoa\n1 2 3 4 99\n");
  EXPECT_EQ(file_info(path("e"), false)["format"], "bert");
  std::vector<std::string> slow = sound();
  slow[6] = "#s g t/s";
  slow[7] += "e3", slow[8] += "e3", slow[9] += "e3", slow[10] += "e3";
  put("s", text_of(slow));
  EXPECT_NE(file_info(path("s"), false)["suspicious"].dump().find("units of the times"), std::string::npos);
  put("z", "2\n# x y z\n0 0 0\n1 2 0\n1\n# s g t\n1 2 0.01\n");  // told, not refused
  EXPECT_NE(file_info(path("z"), false)["suspicious"].dump().find("second_axis"), std::string::npos);
  put("n", "12 monkeys\n");
  EXPECT_THROW(file_info(path("n"), false), Error);
}

// Sensors and data as an independent parser left them beside the files, in single precision.
void compare(const PickFile& p, const std::string& folder, Index s, Index g, Index t, int vertical) {
  const auto sensors = read_npy<double>(test_data_file(folder + "/sensors.npy"));
  const auto data = read_npy<double>(test_data_file(folder + "/data.npy"));
  const Index width = data.shape.at(1), axes = sensors.shape.at(1);
  ASSERT_EQ(static_cast<Index>(p.sensors.size()), sensors.shape[0]);
  for (Index i = 0; i < sensors.shape[0]; ++i) {
    const auto at = static_cast<std::size_t>(i);
    EXPECT_FLOAT_EQ(static_cast<float>(p.sensors[at].x_m),
                    static_cast<float>(sensors.values[at * static_cast<std::size_t>(axes)]));
    EXPECT_FLOAT_EQ(static_cast<float>(-p.sensors[at].z_m),
                    static_cast<float>(sensors.values[static_cast<std::size_t>(i * axes + vertical)]));
    EXPECT_EQ(p.sensors[at].y_m, 0);
  }
  ASSERT_EQ(p.survey.data(), data.shape[0]);
  for (Index i = 0; i < data.shape[0]; ++i) {
    const auto value = [&](Index c) { return data.values[static_cast<std::size_t>(i * width + c)]; };
    const TravelPair pair = p.survey.pairs[static_cast<std::size_t>(i)];
    EXPECT_EQ(p.source_sensor[static_cast<std::size_t>(pair.source)] + 1, static_cast<Index>(value(s)));
    EXPECT_EQ(p.receiver_sensor[static_cast<std::size_t>(pair.receiver)] + 1, static_cast<Index>(value(g)));
    EXPECT_FLOAT_EQ(static_cast<float>(p.time_s[static_cast<std::size_t>(i)]), static_cast<float>(value(t)));
  }
}

TEST_F(PicksTest, KoenigseeRefraction) {
  const std::string file = test_data_file("traveltime/koenigsee_refraction/koenigsee.sgt");
  if (file.empty()) GTEST_SKIP() << "traveltime/koenigsee_refraction/koenigsee.sgt is not there; set TERRANE_DATA";
  const PickFile p = read_picks(file);
  compare(p, "traveltime/koenigsee_refraction", 0, 1, 2, 1);
  EXPECT_EQ(p.notes.size(), 1u);
  EXPECT_TRUE(p.std_s.empty());
  write_picks(path("k.sgt"), p);
  expect_same(read_picks(path("k.sgt")), p);
  EXPECT_TRUE(file_info(file, false)["suspicious"].empty());
}

TEST_F(PicksTest, Crosshole) {
  const std::string file = test_data_file("traveltime/transform2021_crosshole/traveltime.dat");
  if (file.empty()) GTEST_SKIP() << "traveltime/transform2021_crosshole/traveltime.dat is not there; set TERRANE_DATA";
  std::string what;
  EXPECT_EQ(where_of([&] { read_picks(file); }, what), file + ":2");  // x y z with z = 0
  EXPECT_NE(what.find("second_axis"), std::string::npos);
  const PickFile p = read_picks(file, "elevation");
  compare(p, "traveltime/transform2021_crosshole", 1, 0, 3, 1);
  EXPECT_EQ(p.survey.sources.size(), 10u);
  EXPECT_EQ(p.survey.receivers.size(), 10u);
  const auto data = read_npy<double>(test_data_file("traveltime/transform2021_crosshole/data.npy"));
  for (std::size_t i = 0; i < 100; ++i) {
    EXPECT_FLOAT_EQ(static_cast<float>(p.std_s[i]), static_cast<float>(data.values[5 * i + 2]));
  }
  write_picks(path("c.sgt"), p);
  expect_same(read_picks(path("c.sgt")), p);
}

}  // namespace picks_test
}  // namespace terrane
