// SPDX-License-Identifier: MIT
#include "engine/config.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "engine/examples.hpp"
#include "engine/json.hpp"
#include "engine/json_value.hpp"
#include "engine/schema.hpp"
#include "tests/support/test_folder.hpp"

namespace terrane {
namespace config_test {

// Line 1 is "{"; every section has its line, so that places are easy to count.
const char* const kGood = R"({
  "task": "invert", "name": "t",
  "grid": {"nz": 70, "nx": 70, "dz_m": 10, "dx_m": 10},
  "physics": {"type": "acoustic"},
  "survey": {"dt_s": 0.001, "nt": 1000, "wavelet": {"type": "ricker", "frequency_hz": 15},
             "sources": {"type": "line", "x_m": [0, 690], "z_m": 10, "count": 5},
             "receivers": {"type": "line", "x_m": [0, 690], "z_m": 10, "count": 70}},
  "true_model": {"type": "generated"},
  "data": {"type": "synthetic"},
  "start_model": {"type": "constant", "value_mps": 2500},
  "field": {"type": "siren"},
  "misfit": {"type": "l2"},
  "optimizer": {"type": "adam", "lr": 1e-4}
})";

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const std::size_t at = text.find(what);
  if (at == std::string::npos) throw std::logic_error("the good config has no " + what);
  return text.replace(at, what.size(), by);
}

std::vector<std::string> errors_of(const std::string& text, const std::vector<std::string>& sets = {}) {
  std::vector<std::string> lines;
  try {
    Config::parse(text, "a.json", sets);
  } catch (const ConfigErrors& errors) {
    EXPECT_EQ(errors.code(), ErrorCode::config);
    for (const ConfigIssue& issue : errors.issues()) {
      lines.push_back(issue.line());
      EXPECT_EQ(issue.line().find('\n'), std::string::npos) << issue.line();
    }
  }
  return lines;
}

struct Wrong {
  const char *name, *what, *by;
  const char* line;  // the whole message
};

std::ostream& operator<<(std::ostream& out, const Wrong& wrong) { return out << wrong.name; }

class WrongConfig : public testing::TestWithParam<Wrong> {};

TEST_P(WrongConfig, SaysWhereAndWhatToDo) {
  const Wrong& wrong = GetParam();
  const std::vector<std::string> lines = errors_of(replaced(kGood, wrong.what, wrong.by));
  ASSERT_EQ(lines.size(), 1U) << testing::PrintToString(lines);
  EXPECT_EQ(lines[0], wrong.line);
}

INSTANTIATE_TEST_SUITE_P(
    Config, WrongConfig,
    testing::Values(
        Wrong{"missing_unit", "\"dx_m\": 10", "\"dx\": 10",
              "a.json:3:44: /grid/dx: a length needs its unit: write \"dx_m\": 10 or \"dx\": {\"value\": 10, \"unit\": "
              "\"m\"}"},
        Wrong{"foreign_suffix", "\"dx_m\": 10", "\"dx_km\": 0.5",
              "a.json:3:44: /grid/dx_km: unknown key: a length is written \"dx_m\": 500.0 or \"dx\": {\"value\": 0.5, "
              "\"unit\": \"km\"}"},
        Wrong{"both_forms", "\"dx_m\": 10", "\"dx_m\": 10, \"dx\": {\"value\": 10, \"unit\": \"m\"}",
              "a.json:3:56: /grid/dx: both \"dx\" and \"dx_m\" are given: delete one of them"},
        Wrong{"wrong_quantity", "\"dx_m\": 10", "\"dx\": {\"value\": 10, \"unit\": \"s\"}",
              "a.json:3:72: /grid/dx/unit: \"s\" is no unit of a length: write one of m, km, cm, mm, ft"},
        Wrong{"half_unit", "\"dx_m\": 10", "\"dx\": {\"value\": 10}",
              "a.json:3:50: /grid/dx: a quantity with a unit has exactly \"value\" and \"unit\", e.g. {\"value\": 1, "
              "\"unit\": \"m\"}"},
        Wrong{"negative_spacing", "\"dx_m\": 10", "\"dx_m\": -10",
              "a.json:3:52: /grid/dx_m: -10 is out of range: it must be greater than 0"},
        Wrong{"fraction", "\"nz\": 70", "\"nz\": 70.5", "a.json:3:18: /grid/nz: 70.5 is not a whole number"},
        Wrong{"number_in_quotes", "\"nz\": 70", "\"nz\": \"70\"",
              "a.json:3:18: /grid/nz: must be a whole number, not a string (\"70\")"},
        Wrong{"missing_key", "\"nz\": 70, ", "",
              "a.json:3:11: /grid: \"nz\" is missing (nodes in depth), e.g. \"nz\": 70"},
        Wrong{"enum_typo", "\"acoustic\"", "\"acustic\"",
              "a.json:4:23: /physics/type: \"acustic\" is not one of acoustic, straight-ray, eikonal, dc-2.5d, dc-3d; "
              "did you "
              "mean "
              "\"acoustic\"?"},
        Wrong{
            "later_physics", "\"acoustic\"", "\"elastic\"",
            "a.json:4:23: /physics/type: \"elastic\" arrives in a later version; this one has acoustic, straight-ray, "
            "eikonal, dc-2.5d, dc-3d"},
        Wrong{"later_precision", "\"physics\"", "\"precision\": {\"physics\": \"bf16\"}, \"physics\"",
              "a.json:4:28: /precision/physics: \"bf16\" arrives in a later version; this one has fp64, fp32"},
        Wrong{"order", "\"acoustic\"", "\"acoustic\", \"order\": 3",
              "a.json:4:44: /physics/order: 3 is not one of 2, 4, 6, 8"},
        Wrong{"no_shots", "\"count\": 5", "\"count\": 0",
              "a.json:6:79: /survey/sources/count: 0 is out of range: it must be at least 1 and at most 10000000"},
        Wrong{"unknown_key", "\"lr\": 1e-4", "\"lrr\": 1e-4",
              "a.json:13:33: /optimizer/lrr: unknown key; did you mean \"lr\"?  (adam takes: average batch_shots betas "
              "clip_norm "
              "epsilon groups iterations lr lr_mps read_every schedule)"},
        Wrong{"key_of_another_section", "{\"type\": \"l2\"}", "{\"type\": \"l2\", \"omega_0\": 30}",
              "a.json:12:28: /misfit/omega_0: unknown key here; it belongs in /field"},
        Wrong{"key_of_another_type", "\"lr\": 1e-4", "\"lr\": 1e-4, \"momentum\": 0.9",
              "a.json:13:45: /optimizer/momentum: unknown key here; it is a key of optimizer \"sgd\""},
        Wrong{"no_type", "{\"type\": \"siren\"}", "{\"width\": 64}",
              "a.json:11:12: /field: \"type\" is missing: one of grid, mlp, siren, fourier, wire, low-rank, mpe, ig, "
              "lrg, fusion, decoder"},
        Wrong{"section_missing", "  \"misfit\": {\"type\": \"l2\"},\n", "",
              "a.json:1:1: task \"invert\" needs the section \"misfit\" (distance between observed and predicted "
              "data), e.g. "
              "\"misfit\": {\"type\": \"l2\", ...}"},
        Wrong{"no_task", "\"task\": \"invert\", ", "",
              "a.json:1:1: \"task\" is missing: write \"task\": \"invert\" or \"task\": \"forward\""},
        Wrong{"trailing_comma", "\"type\": \"l2\"}", "\"type\": \"l2\",}",
              "a.json:12:26: trailing comma before '}': delete it"},
        Wrong{"duplicate_key", "\"nz\": 70, ", "\"nz\": 70, \"nz\": 71, ",
              "a.json:3:22: /grid/nz: duplicate key; it already stands at a.json:3:12: delete one of them"},
        Wrong{"open_comment", "\"task\"", "/* \"task\"", "a.json:2:3: comment is never closed: add */"},
        Wrong{"not_a_number", "\"lr\": 1e-4", "\"lr\": NaN",
              "a.json:13:39: NaN is not a number that a config may hold: write a finite number or null"},
        Wrong{"missing_comma", "\"nz\": 70, ", "\"nz\": 70 ", "a.json:3:21: a comma is missing before \"nx\""},
        Wrong{"python_word", "{\"type\": \"l2\"}", "None", "a.json:12:13: None is not JSON: write null"},
        Wrong{"single_quotes", "\"l2\"", "'l2'", "a.json:12:22: strings and keys take double quotes"},
        Wrong{"seed", "\"name\": \"t\"", "\"seed\": 1e3",
              "a.json:2:29: /seed: a seed is a whole number from 0 to 18446744073709551615, written without point or "
              "exponent"},
        Wrong{"variable", "\"name\": \"t\"", "\"name\": \"${TERRANE_TEST_UNSET}\"",
              "a.json:2:29: /name: the environment variable TERRANE_TEST_UNSET is not set: set it or write "
              "${TERRANE_TEST_UNSET:-default}"},
        Wrong{"no_true_model", "  \"true_model\": {\"type\": \"generated\"},\n", "",
              "a.json:8:11: /data: synthetic data need a true_model, e.g. \"true_model\": {\"type\": \"generated\"}"},
        Wrong{"no_start", "  \"start_model\": {\"type\": \"constant\", \"value_mps\": 2500},\n", "",
              "a.json:10:12: /field/transform: the map \"perturb\" needs a start model: add a start_model, e.g. "
              "\"start_model\": "
              "{\"type\": \"constant\", \"value_mps\": 2500}"},
        Wrong{"crossed_bounds", "{\"type\": \"siren\"}",
              "{\"type\": \"siren\", \"transform\": {\"type\": \"bounded\", \"min_mps\": 4000, \"max_mps\": 1500}}",
              "a.json:11:91: /field/transform/max_mps: max_mps (1500.0) must be greater than min_mps (4000.0)"},
        Wrong{"nyquist", "\"frequency_hz\": 15", "\"frequency_hz\": 700",
              "a.json:5:87: /survey/wavelet/frequency_hz: 700.0 Hz is above the Nyquist frequency of dt_s, 500.0 Hz: "
              "lower it or "
              "take a smaller dt_s"},
        Wrong{"noise_without_size", "{\"type\": \"synthetic\"}", "{\"type\": \"synthetic\", \"noise\": \"gaussian\"}",
              "a.json:9:42: /data/noise: give one of relative and std, e.g. \"relative\": 0.02"},
        Wrong{"positions", "{\"type\": \"line\", \"x_m\": [0, 690], \"z_m\": 10, \"count\": 5}",
              "{\"type\": \"points\", \"x_m\": [0, 1, 2], \"z_m\": [1, 2]}",
              "a.json:6:69: /survey/sources/z_m: 3 x_m but 2 z_m: give as many of both, or one number for all"},
        Wrong{"two_lengths", "\"lr\": 1e-4}", "\"lr\": 1e-4, \"iterations\": 5}, \"stages\": [{\"iterations\": 3}]",
              "a.json:13:59: /optimizer/iterations: the stages say how many iterations there are: delete this, or set "
              "stages.0.iterations"},
        Wrong{"group", "\"lr\": 1e-4", "\"groups\": {\"grid\": {\"lr\": 1}}",
              "a.json:13:52: /optimizer/groups/grid: \"grid\" is no parameter group of a field of type \"siren\", "
              "which has "
              "inr, head"},
        Wrong{"new_format", "\"name\": \"t\"", "\"config_version\": 9",
              "a.json:2:39: /config_version: 9 is out of range: it must be at least 1 and at most 1"}),
    [](const testing::TestParamInfo<Wrong>& row) { return row.param.name; });

TEST(Config, ReportsAllErrorsInOrder) {
  std::string text = replaced(kGood, "\"nz\": 70", "\"nz\": -1");
  text = replaced(text, "\"lr\": 1e-4", "\"lrr\": 1");
  text = replaced(text, "\"acoustic\"", "\"acustic\"");
  const std::vector<std::string> lines = errors_of(text, {"survey.nt=0"});
  ASSERT_EQ(lines.size(), 4U) << testing::PrintToString(lines);
  EXPECT_EQ(lines[0].rfind("a.json:3:18: /grid/nz", 0), 0U);
  EXPECT_EQ(lines[1].rfind("a.json:4:23: /physics/type", 0), 0U);
  EXPECT_EQ(lines[2].rfind("a.json:13:33: /optimizer/lrr", 0), 0U);
  EXPECT_EQ(lines[3].rfind("--set #1: /survey/nt", 0), 0U);
}

TEST(Config, ColumnsCountCharactersNotBytes) {
  const std::string text = replaced(kGood, "\"name\": \"t\",", "\"name\": \"Schöße Πλ\", \"nope\": 1,");
  const std::vector<std::string> lines = errors_of(text);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0].rfind("a.json:2:42: /nope: unknown key", 0), 0U) << lines[0];
}

TEST(Config, ByteOrderMarkAndComments) {
  const Config config = Config::parse("\xEF\xBB\xBF// first\n" + std::string(kGood), "a.json");
  EXPECT_EQ(config.place("/grid/nz"), "a.json:4:18");
}

TEST(Config, TruncatedText) {
  const std::vector<std::string> lines = errors_of(std::string(kGood).substr(0, 300));
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_NE(lines[0].find("the text ends too early"), std::string::npos) << lines[0];
  EXPECT_EQ(errors_of("").size(), 1U);
  EXPECT_EQ(errors_of("[1]").size(), 1U);
  EXPECT_EQ(errors_of("{} {}").size(), 1U);
}

// Whatever the text, the answer is a config or a list of one-line messages that name a place.
TEST(Config, BrokenTextGivesMessages) {
  const std::string good = kGood;
  std::vector<std::string> texts;
  for (std::size_t n = 0; n < good.size(); n += 3) texts.push_back(good.substr(0, n));
  const std::string junk = "{}[],:\"/*0-e.tn\\ \n\t\x01\x80\xff";
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string text = good;
    text[i] = junk[(i * 7) % junk.size()];
    texts.push_back(text);
    text.insert(i, 1, junk[(i * 5 + 3) % junk.size()]);
    texts.push_back(text);
  }
  for (const std::string& text : texts) {
    try {
      Config::parse(text, "a.json");
    } catch (const ConfigErrors& errors) {
      ASSERT_FALSE(errors.issues().empty());
      for (const ConfigIssue& issue : errors.issues()) {
        EXPECT_EQ(issue.place.rfind("a.json", 0), 0U) << text;
        EXPECT_FALSE(issue.message.empty()) << text;
      }
    }
  }
}

TEST(Config, UnitsAndIntegers) {
  std::string text = replaced(kGood, "\"dx_m\": 10", "\"dx\": {\"value\": 0.01, \"unit\": \"km\"}");
  text = replaced(text, "\"nt\": 1000", "\"nt\": 1e3");
  text = replaced(text, "\"name\": \"t\"", "\"seed\": 18446744073709551615");
  const Config config = Config::parse(text, "a.json");
  EXPECT_DOUBLE_EQ(config.json().at("grid").at("dx_m").get<double>(), 10.0);
  EXPECT_FALSE(config.json().at("grid").contains("dx"));
  EXPECT_TRUE(config.json().at("survey").at("nt").is_number_integer());
  EXPECT_EQ(config.json().at("survey").at("nt").get<int>(), 1000);
  EXPECT_EQ(config.json().at("seed").get<std::uint64_t>(), 18446744073709551615ULL);
}

TEST(Config, DerivedValues) {
  const Json json = Config::parse(kGood, "a.json").json();
  EXPECT_DOUBLE_EQ(json.at("survey").at("wavelet").at("delay_s").get<double>(), 0.1);
  EXPECT_DOUBLE_EQ(json.at("physics").at("boundary").at("frequency_hz").get<double>(), 15.0);
  EXPECT_EQ(json.at("physics").at("boundary").at("width_cells").at("left").get<int>(), 20);
  EXPECT_DOUBLE_EQ(json.at("field").at("omega_hidden").get<double>(), 30.0);
  EXPECT_EQ(json.at("stages").size(), 1U);
  EXPECT_EQ(json.at("stages")[0].at("iterations").get<int>(), 500);
  EXPECT_TRUE(json.at("physics").at("vmax_mps").is_null());
  EXPECT_EQ(json.at("survey").at("sources").at("z_m"), Json({10.0, 10.0}));

  const Json surface =
      Config::parse(kGood, "a.json", {"physics.boundary={\"type\": \"cpml\", \"free_surface\": true}"}).json();
  EXPECT_EQ(surface.at("physics").at("boundary").at("width_cells").at("top").get<int>(), 0);

  const Json grid = Config::parse(kGood, "a.json", {"field={\"type\": \"grid\"}", "optimizer=adam"}).json();
  EXPECT_DOUBLE_EQ(grid.at("optimizer").at("lr").get<double>(), 5.0);
  const Json rate =
      Config::parse(kGood, "a.json", {"field={\"type\": \"grid\"}", "optimizer.lr=null", "optimizer.lr_mps=7"}).json();
  EXPECT_DOUBLE_EQ(rate.at("optimizer").at("lr").get<double>(), 7.0);

  const Json layers = Config::parse(kGood, "a.json", {"field={\"type\": \"mlp\", \"hidden\": [16, 32]}"}).json();
  EXPECT_EQ(layers.at("field").at("layers").get<int>(), 2);
  const Json stage =
      Config::parse(kGood, "a.json", {"stages=[{\"iterations\": 3, \"optimizer\": {\"lr\": 1e-5}}]"}).json();
  EXPECT_EQ(stage.at("stages")[0].at("optimizer").at("type"), "adam");
  EXPECT_DOUBLE_EQ(stage.at("stages")[0].at("optimizer").at("lr").get<double>(), 1e-5);
}

TEST(Config, SetOptions) {
  const Config config = Config::parse(kGood, "a.json",
                                      {"grid.nz=80", "/name=other", "stages=[{\"iterations\": 1}]",
                                       "stages.1.iterations=2", "seed=7", "optimizer.lr=null"});
  EXPECT_EQ(config.json().at("grid").at("nz").get<int>(), 80);
  EXPECT_EQ(config.json().at("name"), "other");
  EXPECT_EQ(config.json().at("stages")[1].at("iterations").get<int>(), 2);
  EXPECT_DOUBLE_EQ(config.json().at("optimizer").at("lr").get<double>(), 1e-4);
  EXPECT_EQ(config.place("/grid/nz"), "--set #1");
  EXPECT_EQ(config.place("/grid/nx"), "a.json:3:28");
  EXPECT_EQ(config.place("/grid/z0_m"), "a.json:3:11");
  // An option may use the other form of a key that the file has.
  EXPECT_DOUBLE_EQ(Config::parse(kGood, "a.json", {"grid.dx={\"value\": 1, \"unit\": \"km\"}"})
                       .json()
                       .at("grid")
                       .at("dx_m")
                       .get<double>(),
                   1000.0);

  EXPECT_EQ(errors_of(kGood, {"grid.nz=80", "grid.nz"})[0], "--set #2: \"grid.nz\" has no value: write --set a.b=3");
  EXPECT_EQ(errors_of(kGood, {"grid.nz.x=1"})[0], "--set #1: /grid/nz: is a number and has no member \"x\"");
  EXPECT_EQ(errors_of(kGood, {"stages.3.iterations=1"}).size(), 1U);
  EXPECT_EQ(errors_of(kGood, {"fild.type=siren"})[0].rfind("--set #1: /fild: unknown key; did you mean \"field\"?", 0),
            0U);
  EXPECT_EQ(errors_of(kGood, {"grid={\"nz\": }"})[0].rfind("--set #1: the value", 0), 0U);
}

TEST(Config, UnusedSections) {
  const Config config = Config::parse(kGood, "a.json", {"task=forward", "codec={}"});
  EXPECT_EQ(config.unused(),
            (std::vector<std::string>{"start_model", "data", "field", "misfit", "optimizer", "codec"}));
  EXPECT_FALSE(config.json().contains("field"));
  EXPECT_EQ(config.json().at("model"), config.json().at("true_model"));
}

class ConfigFiles : public FolderTest {
 protected:
  void SetUp() override { std::filesystem::create_directories(path("base")); }
  std::vector<std::string> errors(const std::string& file) {
    try {
      Config::load(file);
    } catch (const ConfigErrors& e) {
      std::vector<std::string> lines;
      for (const ConfigIssue& issue : e.issues()) lines.push_back(issue.line());
      return lines;
    }
    return {};
  }
};

TEST_F(ConfigFiles, ParentsMerge) {
  put("base/base.json", kGood);
  put("base/mid.json",
      R"({"parent": "base.json", "true_model": {"type": "file", "path": "vp.npy"}, "grid": {"nz": 40}})");
  const std::string file = put("a.json", R"({"parent": "base/mid.json", "grid": {"nx": 30}, "start_model": null,
    "field": {"transform": {"type": "bounded", "min_mps": 1400, "max_mps": 4600}}})");
  const Config config = Config::load(file);
  EXPECT_EQ(config.json().at("grid").at("nz").get<int>(), 40);
  EXPECT_EQ(config.json().at("grid").at("nx").get<int>(), 30);
  EXPECT_TRUE(config.json().at("start_model").is_null());
  EXPECT_EQ(config.place("/grid/nz"), path("base/mid.json") + ":1:90");
  // A path is relative to the file that it stands in, whoever inherits it.
  EXPECT_EQ(config.json().at("true_model").at("path"), path("base/vp.npy"));
  ASSERT_EQ(config.inputs().size(), 1U);
  EXPECT_EQ(config.inputs()[0].pointer, "/true_model/path");
  EXPECT_FALSE(config.json().contains("parent"));
}

TEST_F(ConfigFiles, InheritedErrorNamesItsFile) {
  put("base/base.json", replaced(kGood, "\"name\": \"t\"", "\"omega_0\": 3"));
  const std::string file = put("a.json", R"({"parent": "base/base.json"})");
  const std::vector<std::string> lines = errors(file);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0], path("base/base.json") + ":2:21: /omega_0: unknown key here (inherited by " + file +
                          " through \"parent\"); it belongs in /field");
}

TEST_F(ConfigFiles, ParentCycleAndMissingParent) {
  put("b.json", "{\"parent\":\n \"a.json\"}");
  const std::string file = put("a.json", R"({"parent": "b.json"})");
  ASSERT_EQ(errors(file).size(), 1U);
  EXPECT_EQ(errors(file)[0],
            path("b.json") + ":2:2: /parent: \"a.json\" leads back to itself: a config cannot be its own parent");
  const std::string orphan = put("c.json", R"({"parent": "none.json"})");
  EXPECT_EQ(errors(orphan)[0],
            orphan + ":1:12: /parent: no such file: " + path("none.json") + " (relative to this config)");
  EXPECT_EQ(errors(path("none.json"))[0], path("none.json") + ": no such file: " + path("none.json"));
}

TEST_F(ConfigFiles, VariablesAndSearchPath) {
  setenv("TERRANE_TEST_NAME", "line 12", 1);
  put("base/vp.npy", "");
  std::string text = replaced(kGood, "\"name\": \"t\"", "\"name\": \"${TERRANE_TEST_NAME} ${TERRANE_TEST_UNSET:-x}\"");
  text = replaced(text, "\"true_model\": {\"type\": \"generated\"}",
                  "\"true_model\": {\"type\": \"file\", \"path\": \"vp.npy\"}");
  const std::string file = put("a.json", text);
  const char* before = std::getenv("TERRANE_DATA");
  const std::string saved = before != nullptr ? before : "";
  setenv("TERRANE_DATA", ("/nowhere:" + path("base")).c_str(), 1);
  const Config config = Config::load(file);
  before != nullptr ? setenv("TERRANE_DATA", saved.c_str(), 1) : unsetenv("TERRANE_DATA");
  unsetenv("TERRANE_TEST_NAME");
  EXPECT_EQ(config.json().at("name"), "line 12 x");
  EXPECT_EQ(config.json().at("true_model").at("path"), path("base/vp.npy"));
  EXPECT_EQ(config.notes().size(), 1U);
}

void expect_stable(const Config& config) {
  const Config again = Config::parse(config.json().dump(2), "resolved.json");
  EXPECT_EQ(again.json().dump(2), config.json().dump(2));
  EXPECT_EQ(again.sha256(), config.sha256());
  EXPECT_EQ(config.sha256().size(), 64U);
}

TEST(Config, ResolvesToItself) {
  expect_stable(Config::parse(kGood, "a.json"));
  expect_stable(Config::parse(kGood, "a.json", {"task=forward"}));
  const std::vector<std::vector<std::string>> variants = {
      {"field={\"type\": \"grid\"}"},
      {"field={\"type\": \"mlp\", \"hidden\": [16, 32, 8], \"activation\": {\"type\": \"leaky-relu\", \"slope\": "
       "0.2}}"},
      {"field={\"type\": \"mlp\", \"encoder\": \"fourier\", \"prefit\": {}}"},
      {"field={\"type\": \"fourier\", \"transform\": {\"type\": \"affine\", \"center_mps\": 3000}}"},
      {"field.transform={\"type\": \"bounded\", \"min_mps\": 1400, \"max_mps\": 4600, \"around\": \"start_model\"}"},
      {"optimizer=lbfgs", "misfit=envelope"},
      {"field.transform=exp", "optimizer.groups={\"head\": {\"lr\": 1e-3}}"},
      {"optimizer={\"type\": \"sgd\", \"lr\": 0.1, \"schedule\": {\"type\": \"step\", \"every_iterations\": 5, "
       "\"gamma\": 0.5}}"},
      {"physics.boundary={\"type\": \"cpml\", \"free_surface\": true, \"width_cells\": {\"left\": 7}}"},
      {"stages=[{\"iterations\": 3, \"optimizer\": {\"lr\": 1}, \"misfit\": \"l1\", \"regularizers\": []}]"},
      {"true_model={\"type\": \"blocks\", \"background_mps\": 2000, \"blocks\": [{\"x_m\": [0, 9], \"z_m\": 5, "
       "\"value_mps\": 3}]}"},
      {"start_model={\"type\": \"smooth\", \"of\": {\"type\": \"constant\", \"value_mps\": 2000}, \"sigma_m\": 5}"},
      {"survey.receivers={\"type\": \"points\", \"x_m\": [0, 5], \"z_m\": 10}"},
      {"regularizers=[\"tikhonov\"]", "regularizers.0={\"type\": \"tikhonov\", \"weight\": 0.1, \"order\": 0}"},
  };
  for (const auto& sets : variants) {
    SCOPED_TRACE(sets[0]);
    EXPECT_EQ(errors_of(kGood, sets), std::vector<std::string>{});
    if (errors_of(kGood, sets).empty()) expect_stable(Config::parse(kGood, "a.json", sets));
  }
}

TEST(Config, TemplatesAndDemosParse) {
  for (const std::string& name : template_names()) {
    SCOPED_TRACE(name);
    const Config config = Config::parse(template_config(name).dump(), name);
    expect_stable(config);
    // The annotated text says the same, comments and all.
    EXPECT_EQ(Config::parse(annotated(config, "headline"), name).json().dump(2), config.json().dump(2));
  }
  for (const std::string& name : demo_names()) expect_stable(Config::parse(demo_config(name).dump(), name));
  EXPECT_THROW(template_config("nothing"), Error);
  EXPECT_THROW(demo_config("nothing"), Error);
}

TEST(Config, ExampleFilesParse) {
  for (const char* name :
       {"fwi.json", "forward.json", "marmousi_siren.json", "marmousi_one_band.json", "ultrasound.json",
        "reproduce.json", "tomography.json", "tomography_conventional.json", "volume.json", "dc_volume.json"}) {
    SCOPED_TRACE(name);
    expect_stable(Config::load(std::string(TERRANE_SOURCE_DIR) + "/tools/configs/" + name));
  }
}

}  // namespace config_test
}  // namespace terrane
