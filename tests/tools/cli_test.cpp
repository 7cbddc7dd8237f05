// SPDX-License-Identifier: MIT
// The program as a user meets it: exit codes, one-line messages with place and remedy, what is written and what not.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "tests/support/test_folder.hpp"

namespace cli_test {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct Result {
  int code = -1;
  std::string out, err;
};

std::string read(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A small problem that runs in well under a second an iteration.
const char* const kSmall = R"({
  "task": "invert", "name": "small",
  "grid": {"nz": 20, "nx": 24, "dz_m": 10, "dx_m": 10},
  "physics": {"type": "acoustic", "order": 4, "boundary": {"type": "cpml", "width_cells": 5}},
  "survey": {"dt_s": 0.001, "nt": 120, "wavelet": {"type": "ricker", "frequency_hz": 20},
             "sources": {"type": "line", "x_m": [20, 200], "z_m": 10, "count": 2},
             "receivers": {"type": "line", "x_m": [0, 230], "z_m": 10, "count": 12}},
  "true_model": {"type": "generated"},
  "data": {"type": "synthetic"},
  "start_model": {"type": "constant", "value_mps": 2500},
  "field": {"type": "siren", "width": 16, "layers": 2},
  "misfit": {"type": "l2"},
  "optimizer": {"type": "adam", "lr": 1e-4, "iterations": 3},
  "report": {"enabled": false}
})";

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const std::size_t at = text.find(what);
  if (at == std::string::npos) throw std::logic_error("the small config has no " + what);
  return text.replace(at, what.size(), by);
}

// A little-endian float array in NPY format; `keep` bytes of it.
std::string npy(const std::string& shape, const std::vector<float>& values, std::size_t keep = SIZE_MAX) {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + ", }";
  while ((10 + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  std::string text = std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size() % 256) +
                     static_cast<char>(header.size() / 256) + header;
  text.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  return text.substr(0, std::min(keep, text.size()));
}

class Cli : public terrane::FolderTest {
 protected:
  static std::string quote(const std::string& word) {
    std::string out = "'";
    for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out + "'";
  }
  std::string command(const std::vector<std::string>& words, const std::string& environment) const {
    std::string line =
        "cd " + quote(dir_) + " && env -u TERRANE_DEVICE -u TERRANE_LOG " + environment + " " + quote(TERRANE_BINARY);
    for (const std::string& word : words) line += " " + quote(word);
    return line + " >.out 2>.err";
  }
  Result terrane(const std::vector<std::string>& words, const std::string& environment = "") const {
    const int status = std::system(command(words, environment).c_str());
    Result result{WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read(path(".out")),
                  read(path(".err"))};
    fs::remove(path(".out"));
    fs::remove(path(".err"));
    return result;
  }
  // Names below the directory, files of the test itself included.
  std::set<std::string> files() const {
    std::set<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(dir_)) {
      if (entry.is_regular_file()) names.insert(fs::relative(entry.path(), dir_).string());
    }
    return names;
  }
};

TEST_F(Cli, Help) {
  const Result all = terrane({"-h"});
  EXPECT_EQ(all.code, 0);
  EXPECT_EQ(all.out.rfind("Example:  terrane", 0), 0U) << all.out;
  for (const char* code : {"   75  ", "  130  ", "    6  "}) EXPECT_NE(all.out.find(code), std::string::npos);
  EXPECT_EQ(all.err, "");
  for (const char* verb : {"run", "check", "init", "schema", "completions", "demo", "resume", "info", "doctor", "bench",
                           "report", "generate"}) {
    const Result help = terrane({verb, "--help"});
    EXPECT_EQ(help.code, 0) << verb;
    EXPECT_EQ(help.out.rfind("Example:  ", 0), 0U) << verb;
    EXPECT_NE(help.out.find("Exit codes"), std::string::npos) << verb;
  }
  EXPECT_EQ(terrane({}).code, 0);
}

TEST_F(Cli, Version) {
  EXPECT_EQ(terrane({"--version"}).out.rfind("terrane ", 0), 0U);
  const Json json = Json::parse(terrane({"--version", "--json"}).out);
  EXPECT_TRUE(json.contains("terrane"));
  EXPECT_TRUE(json.contains("build"));
  EXPECT_NE(terrane({"--licenses"}).out.find("nlohmann"), std::string::npos);
}

TEST_F(Cli, Generate) {
  const std::vector<std::string> words = {
      "generate", "--family", "style-b,curve-fault-a", "--count", "3", "--seed", "7", "--area", "--size", "20",
      "-o",       "set"};
  const Result made = terrane(words);
  EXPECT_EQ(made.code, 0) << made.err;
  EXPECT_EQ(made.out, "set\n");
  EXPECT_NE(made.err.find("curve-fault-a  6/6 maps"), std::string::npos) << made.err;
  for (const char* name : {"manifest.json", "Style_B/model/model1.npy", "CurveFault_A/vel2_1_0.npy"}) {
    EXPECT_TRUE(fs::exists(path(std::string("set/") + name))) << name;
  }
  EXPECT_EQ(Json::parse(read(path("set/manifest.json"))).at("sampling"), "area");
  // The same set from the resolved config.
  const Result replayed = terrane({"run", "set/resolved.json", "--out", "again"});
  EXPECT_EQ(replayed.code, 0) << replayed.err;
  EXPECT_EQ(read(path("again/manifest.json")), read(path("set/manifest.json")));
  EXPECT_EQ(read(path("again/Style_B/model/model1.npy")), read(path("set/Style_B/model/model1.npy")));
  const Result again = terrane(words);
  EXPECT_EQ(again.code, 2);
  EXPECT_NE(again.err.find("set exists and is not empty"), std::string::npos) << again.err;
}

TEST_F(Cli, Bench) {
  const Result table =
      terrane({"bench", "--quick", "--repeats", "1", "--workload", "W1,w4", "--json", "b.json", "--threads", "1"});
  EXPECT_EQ(table.code, 0) << table.err;
  EXPECT_EQ(table.out.rfind("workload  case", 0), 0U) << table.out;
  EXPECT_NE(table.out.find("W1        2-D waves, order 4, gradient"), std::string::npos) << table.out;
  EXPECT_NE(table.out.find("roof: matrix product, fp32"), std::string::npos) << table.out;
  EXPECT_NE(table.err.find("W4: sines 64 x 3"), std::string::npos) << table.err;
  const Json json = Json::parse(read(path("b.json")));
  EXPECT_EQ(json.at("threads"), 1);
  EXPECT_EQ(json.at("device"), "cpu");
  EXPECT_EQ(json.at("results").size(), 8U);
  for (const Json& row : json.at("results")) {
    EXPECT_GT(row.at("best_s").get<double>(), 0) << row;
    EXPECT_GE(row.at("median_s"), row.at("best_s")) << row;
    EXPECT_EQ(row.at("repeats"), 1) << row;
    EXPECT_GT(row.at("roof_share").get<double>(), 0) << row;
    EXPECT_NEAR(row.at("units").get<double>() / row.at("best_s").get<double>() / row.at("units_per_s").get<double>(), 1,
                1e-12);
  }
  EXPECT_EQ(files(), std::set<std::string>{"b.json"});
  // JSON on stdout, every other workload.
  const Result rest = terrane(
      {"bench", "--quick", "--repeats", "1", "--workload", "W2,W3,W5,W6,W7,W8,W9", "--json", "-q", "--threads", "1"});
  EXPECT_EQ(rest.code, 0) << rest.err;
  std::set<std::string> seen;
  const Json others = Json::parse(rest.out);
  for (const Json& row : others.at("results")) seen.insert(row.at("workload").get<std::string>());
  EXPECT_EQ(seen, (std::set<std::string>{"W2", "W3", "W5", "W6", "W7", "W8", "W9"}));
  EXPECT_EQ(rest.err, "");
  // Beside an earlier result.
  const Result beside = terrane({"bench", "W4", "W5", "--quick", "--repeats", "1", "--against", "b.json", "--json",
                                 "c.json", "--threads", "1", "-q"});
  EXPECT_EQ(beside.code, 0) << beside.err;
  EXPECT_NE(beside.out.find("times faster"), std::string::npos) << beside.out;
  EXPECT_NE(beside.out.find("not run now: W1 2-D waves, order 4, forward"), std::string::npos) << beside.out;
  const Json compared = Json::parse(read(path("c.json"))), *earlier = nullptr;
  for (const Json& row : json.at("results"))
    earlier = row.at("case") == compared.at("results")[0].at("case") ? &row : earlier;
  ASSERT_NE(earlier, nullptr);
  const Json& first = compared.at("results")[0];
  EXPECT_EQ(first.at("against").at("best_s"), earlier->at("best_s"));
  EXPECT_NEAR(first.at("against").at("best_ratio").get<double>() * first.at("best_s").get<double>(),
              earlier->at("best_s").get<double>(), 1e-12);
  EXPECT_TRUE(compared.at("results").back().at("against").is_null());  // W5
  EXPECT_EQ(compared.at("against").at("differs").size(), 0U);
  put("d.json", "{\"results\": [{\"best_s\": 0}]}");
  const Result damaged = terrane({"bench", "W4", "--quick", "--against", "d.json"});
  EXPECT_EQ(damaged.code, 3);
  EXPECT_NE(damaged.err.find("d.json: a row without seconds"), std::string::npos) << damaged.err;
  const Result unknown = terrane({"bench", "--workload", "W12"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_NE(unknown.err.find("\"W12\" is not one of W1, W2, W3, W4"), std::string::npos) << unknown.err;
  EXPECT_EQ(terrane({"bench", "--quick", "--workload", "W1", "--device", "cuda:7"}).code, 5);
  EXPECT_EQ(terrane({"bench", "W4", "--quick", "--repeats", "1", "--json", "no/where.json"}).code, 1);
}

TEST_F(Cli, UsageErrors) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"rum"}, "unknown verb \"rum\"; did you mean \"run\"?"},
      {{"convert", "a", "b"}, "the verb \"convert\" arrives in a later version"},
      {{"fwi.json"}, "write `terrane run fwi.json`"},
      {{"run"}, "CONFIG is required"},
      {{"run", "a.json", "--ot", "x"}, "unknown option --ot; did you mean --out?"},
      {{"run", "a.json", "--threads", "none"}, "--threads"},
      {{"check", "a.json", "b.json"}, "terrane check -h"},
      {{"init", "fwy"}, "did you mean \"fwi\"?"},
      {{"init", "train-generatr"}, "did you mean \"train-generator\"?"},
      {{"demo", "spectum"}, "did you mean \"spectrum\"?"},
      {{"schema", "/optimiser"}, "did you mean \"optimizer\"?"},
      {{"completions", "ksh"}, "bash, zsh, fish"},
      {{"generate", "--count", "1", "-o", "m"}, "--family is required"},
      {{"generate", "--family", "flat-falt-a", "--count", "1", "-o", "m"}, "did you mean \"flat-fault-a\"?"},
      {{"generate", "--family", "all", "--count", "0", "-o", "m"}, "/count: 0 is out of range: it must be at least 1"},
      {{"generate", "--family", "all", "--count", "1", "-o", "m", "--seed", "x"}, "/seed: a seed is a whole number"},
  };
  for (const auto& [words, message] : cases) {
    SCOPED_TRACE(message);
    const Result result = terrane(words);
    EXPECT_EQ(result.code, 2);
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.err.find(message), std::string::npos) << result.err;
    // An error in a config is followed by the number of errors.
    const bool config = message[0] == '/';
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), config ? 2 : 1) << result.err;
    EXPECT_EQ(files(), std::set<std::string>{});
  }
}

TEST_F(Cli, JsonAlsoOnFailure) {
  const Json usage = Json::parse(terrane({"run", "--json"}).out);
  EXPECT_EQ(usage.at("exit_code"), 2);
  EXPECT_EQ(usage.at("status"), "refused");
  put("a.json", replaced(replaced(kSmall, "\"nz\": 20", "\"nz\": -1"), "\"nx\": 24", "\"nx\": 0.5"));
  const Json config = Json::parse(terrane({"check", "a.json", "--json"}).out);
  EXPECT_EQ(config.at("exit_code"), 2);
  ASSERT_EQ(config.at("error").at("issues").size(), 2U);
  EXPECT_EQ(config.at("error").at("issues")[0].at("place"), "a.json:3:18");
  EXPECT_EQ(config.at("error").at("issues")[0].at("pointer"), "/grid/nz");
}

TEST_F(Cli, ConfigErrorsCiteFileAndOption) {
  put("a.json", replaced(kSmall, "\"dx_m\": 10", "\"dx\": 10"));
  const Result result = terrane({"run", "a.json", "--set", "seed=1", "--set", "optimizer.lrr=1", "--out", "o"});
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_NE(result.err.find("a.json:3:44: /grid/dx: a length needs its unit: write \"dx_m\": 10"), std::string::npos)
      << result.err;
  EXPECT_NE(result.err.find("--set #2: /optimizer/lrr: unknown key; did you mean \"lr\"?"), std::string::npos)
      << result.err;
  EXPECT_NE(result.err.find("2 errors, nothing was run. `terrane schema /grid` lists the keys."), std::string::npos)
      << result.err;
  EXPECT_EQ(files(), std::set<std::string>{"a.json"});
}

TEST_F(Cli, InitTemplatesCheck) {
  for (const std::string task : {"fwi", "tomography", "dc", "forward"}) {
    const Result init = terrane({"init", task, "-o", task + ".json"});
    EXPECT_EQ(init.code, 0) << init.err;
    const Result check = terrane({"check", task + ".json", "--json"});
    EXPECT_EQ(check.code, 0) << check.err;
    EXPECT_TRUE(Json::parse(check.out).at("fits").get<bool>());
    EXPECT_EQ(terrane({"init", task}).out.find("\033"), std::string::npos);
    const Result again = terrane({"init", task, "-o", task + ".json"});
    EXPECT_EQ(again.code, 2);
    EXPECT_NE(again.err.find("--overwrite"), std::string::npos);
  }
}

TEST_F(Cli, InitReadsModelAndData) {
  put("vp.npy", npy("(12, 30)", std::vector<float>(360, 2000.0F)));
  put("data.npy", npy("(3, 7, 50)", std::vector<float>(1050, 0.5F)));
  const Json model = Json::parse(terrane({"init", "fwi", "--json", "--model", "vp.npy"}).out);
  EXPECT_EQ(model.at("grid").at("nz"), 12);
  EXPECT_EQ(model.at("grid").at("nx"), 30);
  const Json data = Json::parse(terrane({"init", "fwi", "--json", "--data", "data.npy"}).out);
  EXPECT_EQ(data.at("survey").at("sources").at("count"), 3);
  EXPECT_EQ(data.at("survey").at("receivers").at("count"), 7);
  EXPECT_EQ(data.at("survey").at("nt"), 50);
  EXPECT_EQ(data.at("data").at("type"), "file");
  EXPECT_EQ(terrane({"init", "fwi", "--model", "none.npy"}).code, 3);
}

TEST_F(Cli, SchemaAndCompletions) {
  EXPECT_TRUE(Json::accept(terrane({"schema"}).out));
  EXPECT_NE(terrane({"schema", "/optimizer"}).out.find("betas"), std::string::npos);
  EXPECT_NE(terrane({"schema", "--docs"}).out.find("# Configuration reference"), std::string::npos);
  for (const char* shell : {"bash", "zsh", "fish"}) {
    EXPECT_NE(terrane({"completions", shell}).out.find("stages.0.iterations="), std::string::npos) << shell;
  }
  put("complete.bash", terrane({"completions", "bash"}).out);
  const std::string check = "bash -n " + quote(path("complete.bash"));
  EXPECT_EQ(std::system(check.c_str()), 0);
}

TEST_F(Cli, CheckPrintsFiveLinesAndWritesNothing) {
  put("a.json", kSmall);
  const Result check = terrane({"check", "a.json"});
  EXPECT_EQ(check.code, 0) << check.err;
  EXPECT_EQ(std::count(check.out.begin(), check.out.end(), '\n'), 5) << check.out;
  EXPECT_EQ(terrane({"run", "a.json", "--dry-run", "--out", "o"}).out, check.out);
  EXPECT_EQ(files(), std::set<std::string>{"a.json"});
}

TEST_F(Cli, DoctorWithoutGpu) {
  const auto start = std::chrono::steady_clock::now();
  const Result doctor = terrane({"doctor"}, "CUDA_VISIBLE_DEVICES=");
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  EXPECT_EQ(doctor.code, 0) << doctor.err;
  EXPECT_FALSE(doctor.out.empty());
  EXPECT_LT(seconds, 5.0);  // the aim, 0.1 s, is measured where the machine is idle
  EXPECT_TRUE(Json::accept(terrane({"doctor", "--json"}).out));
}

TEST_F(Cli, RunWritesItsDirectoryAndReplays) {
  put("a.json", kSmall);
  const Result run = terrane({"run", "a.json", "--out", "a"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out, "a\n");
  for (const char* file : {"resolved.json", "result.json", "progress.jsonl", "model.npy", "model.json", "log.txt",
                           "weights.safetensors"}) {
    EXPECT_TRUE(fs::exists(path(std::string("a/") + file))) << file;
  }
  EXPECT_EQ(run.err.find('\r'), std::string::npos);  // no terminal, no bar
  const std::string progress = read(path("a/progress.jsonl"));
  EXPECT_GE(std::count(progress.begin(), progress.end(), '\n'), 3);

  const Result refused = terrane({"run", "a.json", "--out", "a"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("--overwrite"), std::string::npos) << refused.err;

  const Result replay = terrane({"run", "a/resolved.json", "--out", "b", "--json"});
  ASSERT_EQ(replay.code, 0) << replay.err;
  const Json result = Json::parse(replay.out);
  EXPECT_EQ(result.at("status"), "ok");
  EXPECT_EQ(result.at("exit_code"), 0);
  EXPECT_EQ(read(path("a/model.npy")), read(path("b/model.npy")));
  EXPECT_EQ(terrane({"info", "a"}).code, 0);
}

TEST_F(Cli, ForwardFromTheSameFile) {
  put("a.json", kSmall);
  const Result run = terrane({"run", "a.json", "--set", "task=forward", "--out", "f"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.err.find("optimizer"), std::string::npos);  // listed as unused
  EXPECT_TRUE(fs::exists(path("f/data_predicted.npy")));
}

TEST_F(Cli, StopsOnASignalAndResumes) {
  put("a.json", replaced(kSmall, "\"iterations\": 3", "\"iterations\": 60"));
  ASSERT_EQ(terrane({"run", "a.json", "--out", "whole", "-q"}).code, 0);
  // Once a few iterations are on record, the job scheduler knocks.
  const std::string line =
      "cd " + quote(dir_) + "; " + quote(TERRANE_BINARY) +
      " run a.json --out part -q --set optimizer.iterations=60 >.o 2>.e & p=$!; "
      "for i in $(seq 600); do [ -s part/progress.jsonl ] && break; sleep 0.02; done; kill -USR1 $p; wait $p";
  const int status = std::system(("bash -c " + quote(line)).c_str());
  ASSERT_TRUE(WIFEXITED(status));
  ASSERT_EQ(WEXITSTATUS(status), 75) << read(path(".e"));
  EXPECT_EQ(Json::parse(read(path("part/result.json"))).at("status"), "stopped");
  const Result refused = terrane({"resume", "part", "--set", "optimizer.lr=1"});
  EXPECT_EQ(refused.code, 2) << refused.err;
  const Result resumed = terrane({"resume", "part", "-q"});
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(read(path("part/model.npy")), read(path("whole/model.npy")));
}

// Killed without warning three times, at different moments: the resumed run ends with the same bits.
TEST_F(Cli, KilledThreeTimesEndsWithTheSameBits) {
  const std::string config = replaced(kSmall, "\"iterations\": 3", "\"iterations\": 60");
  put("a.json", config.substr(0, config.rfind('}')) + R"(, "checkpoint": {"every_iterations": 7}})");
  ASSERT_EQ(terrane({"run", "a.json", "--out", "whole", "-q"}).code, 0);
  const std::string start = "cd " + quote(dir_) + "; " + quote(TERRANE_BINARY);
  for (int kill = 0; kill < 3; ++kill) {
    const std::string verb = kill == 0 ? " run a.json --out part -q" : " resume part -q";
    const int lines = 9 + 15 * kill;  // iterations on record when it happens
    const std::string line =
        start + verb + " >.o 2>.e & p=$!; for i in $(seq 3000); do n=$(wc -l <part/progress.jsonl " +
        "2>/dev/null || echo 0); [ \"$n\" -ge " + std::to_string(lines) +
        " ] && break; kill -0 $p 2>/dev/null || break; sleep 0.003; done; kill -9 $p; wait $p; [ $? -eq 137 ]";
    ASSERT_EQ(std::system(("bash -c " + quote(line)).c_str()), 0) << "the run ended before it was killed";
    ASSERT_FALSE(fs::exists(path("part/result.json")));
  }
  const Result last = terrane({"resume", "part", "-q"});
  ASSERT_EQ(last.code, 0) << last.err;
  EXPECT_EQ(read(path("part/model.npy")), read(path("whole/model.npy")));
  EXPECT_EQ(read(path("part/weights.safetensors")), read(path("whole/weights.safetensors")));
  const Json result = Json::parse(read(path("part/result.json")));
  EXPECT_EQ(result.at("resumed_at").size(), 3U);
  std::ifstream progress(path("part/progress.jsonl"));
  int count = 0;
  for (std::string row; std::getline(progress, row); ++count) EXPECT_EQ(Json::parse(row).at("iteration"), count);
  EXPECT_EQ(count, 60);
}

// --- wrong inputs: a one-line message with place and remedy, the documented code, nothing written but the log
// ---------

struct WrongInput {
  const char* name;
  int code;
  const char *what, *by;              // change of the small config
  std::vector<std::string> options;   // after "run a.json --out o"
  std::vector<std::string> messages;  // all must appear in the line
};

std::ostream& operator<<(std::ostream& out, const WrongInput& wrong) { return out << wrong.name; }

class CliWrongInput : public Cli, public testing::WithParamInterface<WrongInput> {};

TEST_P(CliWrongInput, OneLineWithPlaceAndRemedy) {
  const WrongInput& wrong = GetParam();
  put("a.json", replaced(kSmall, wrong.what, wrong.by));
  put("b.json", R"({"parent": "a.json"})");
  const std::vector<float> good(480, 2000.0F);
  put("good.npy", npy("(20, 24)", good));
  put("short.npy", npy("(20, 24)", good, 1000));
  put("shape.npy", npy("(10, 24)", std::vector<float>(240, 2000.0F)));
  put("nan.npy", npy("(20, 24)", std::vector<float>(480, std::numeric_limits<float>::quiet_NaN())));
  put("text.npy", "this is not an array");
  fs::create_directories(path("old"));
  put("old/result.json", "{\"schema_version\": 1}");
  put("old/resolved.json", "{}");
  const std::set<std::string> before = files();

  std::vector<std::string> words = {"run", "a.json"};
  const bool own_out = std::find(wrong.options.begin(), wrong.options.end(), "--out") != wrong.options.end();
  if (!own_out) words.insert(words.end(), {"--out", "o"});
  words.insert(words.end(), wrong.options.begin(), wrong.options.end());
  const Result result = terrane(words, "CUDA_VISIBLE_DEVICES= TERRANE_LOG=error");
  EXPECT_EQ(result.code, wrong.code) << result.err;
  EXPECT_EQ(result.out, "");
  const std::string line = result.err.substr(0, result.err.find('\n'));
  for (const std::string& message : wrong.messages)
    EXPECT_NE(line.find(message), std::string::npos) << message << "\nin: " << result.err;

  std::set<std::string> after = files();
  after.erase("o/log.txt");
  after.erase("o/.lock");  // held while the directory is open
  EXPECT_EQ(after, before);
}

const std::vector<WrongInput>& wrong_inputs() {
  static const std::vector<WrongInput> rows = {
      {"unknown_key", 2, "\"lr\": 1e-4", "\"lrr\": 1e-4", {}, {"a.json:13:33: /optimizer/lrr", "did you mean \"lr\"?"}},
      {"wrong_type", 2, "\"nz\": 20", "\"nz\": \"20\"", {}, {"a.json:3:18: /grid/nz", "must be a whole number"}},
      {"bad_unit",
       2,
       "\"dx_m\": 10",
       "\"dx\": {\"value\": 10, \"unit\": \"kg\"}",
       {},
       {"/grid/dx/unit", "write one of m, km"}},
      {"no_unit", 2, "\"dx_m\": 10", "\"dx\": 10", {}, {"a.json:3:44: /grid/dx", "write \"dx_m\": 10"}},
      {"both_units",
       2,
       "\"dx_m\": 10",
       "\"dx_m\": 10, \"dx\": {\"value\": 10, \"unit\": \"m\"}",
       {},
       {"/grid/dx", "delete one"}},
      {"negative_spacing",
       2,
       "\"dx_m\": 10",
       "\"dx_m\": -10",
       {},
       {"a.json:3:52: /grid/dx_m", "must be greater than 0"}},
      {"no_shots", 2, "\"count\": 2", "\"count\": 0", {}, {"/survey/sources/count", "at least 1"}},
      {"enum_typo", 2, "\"acoustic\"", "\"acustic\"", {}, {"a.json:4:23: /physics/type", "did you mean \"acoustic\"?"}},
      {"duplicate_key",
       2,
       "\"nz\": 20,",
       "\"nz\": 20, \"nz\": 21,",
       {},
       {"a.json:3:22: /grid/nz", "duplicate key", "delete one"}},
      {"trailing_comma",
       2,
       "\"type\": \"l2\"}",
       "\"type\": \"l2\",}",
       {},
       {"a.json:12:26", "trailing comma", "delete it"}},
      {"open_comment", 2, "\"task\"", "/* \"task\"", {}, {"a.json:2:3", "comment is never closed: add */"}},
      {"parent_cycle",
       2,
       "\"task\": \"invert\",",
       "\"task\": \"invert\", \"parent\": \"b.json\",",
       {},
       {"/parent", "cannot be its own parent"}},
      {"set_unknown", 2, "\"nz\": 20", "\"nz\": 20", {"--set", "grid.nq=3"}, {"--set #1: /grid/nq", "grid takes"}},
      {"bad_seed", 2, "\"nz\": 20", "\"nz\": 20", {"--seed", "-3"}, {"/seed", "from 0 to 18446744073709551615"}},
      {"bad_device", 2, "\"nz\": 20", "\"nz\": 20", {"--device", "gpu"}, {"--device", "\"gpu\""}},
      {"existing_directory", 2, "\"nz\": 20", "\"nz\": 20", {"--out", "old"}, {"old", "--overwrite"}},
      {"unstable_step", 2, "\"dt_s\": 0.001", "\"dt_s\": 0.01", {"--set", "physics.substeps=1"}, {"substeps"}},
      {"missing_file",
       3,
       "{\"type\": \"generated\"}",
       "{\"type\": \"file\", \"path\": \"none.npy\"}",
       {},
       {"a.json:8:42: /true_model/path", "no such file", "none.npy"}},
      {"truncated_array",
       3,
       "{\"type\": \"generated\"}",
       "{\"type\": \"file\", \"path\": \"short.npy\"}",
       {},
       {"short.npy"}},
      {"nan_array", 3, "{\"type\": \"generated\"}", "{\"type\": \"file\", \"path\": \"nan.npy\"}", {}, {"nan.npy"}},
      {"wrong_shape",
       3,
       "{\"type\": \"generated\"}",
       "{\"type\": \"file\", \"path\": \"shape.npy\"}",
       {},
       {"shape.npy", "(10, 24)"}},
      {"not_an_array",
       3,
       "{\"type\": \"generated\"}",
       "{\"type\": \"file\", \"path\": \"text.npy\"}",
       {},
       {"text.npy"}},
      {"receiver_outside", 3, "\"x_m\": [0, 230]", "\"x_m\": [0, 2300]", {}, {"receiver", "m", "grid"}},
      {"small_budget", 4, "\"nz\": 20", "\"nz\": 20", {"--set", "memory.host_bytes=1e5"}, {"forecast", "budget"}},
      {"no_gpu", 5, "\"nz\": 20", "\"nz\": 20", {"--device", "cuda"}, {"cuda"}},
  };
  return rows;
}

INSTANTIATE_TEST_SUITE_P(Cli, CliWrongInput, testing::ValuesIn(wrong_inputs()),
                         [](const testing::TestParamInfo<WrongInput>& row) { return row.param.name; });

TEST_F(Cli, UnwritableDirectory) {
  if (geteuid() == 0) {
    // Permissions do not bind root: a file in the place of the directory does.
    put("o", "a file");
  } else {
    fs::create_directories(path("o"));
    fs::permissions(path("o"), fs::perms::owner_read | fs::perms::owner_exec);
  }
  put("a.json", kSmall);
  const Result result = terrane({"run", "a.json", "--out", "o/run", "-qq"});
  EXPECT_EQ(result.code, 1) << result.err;
  EXPECT_NE(result.err.find("o"), std::string::npos);
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
}

}  // namespace cli_test
