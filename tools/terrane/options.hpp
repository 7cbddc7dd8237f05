// SPDX-License-Identifier: MIT
// What the command line said. Parsed in one place (options.cpp), read by the verbs.
#pragma once

#include <string>
#include <vector>

#include "engine/config.hpp"
#include "engine/run.hpp"

namespace terrane::cli {

struct Options {
  std::string verb;
  std::vector<std::string> arguments;  // of the verb: config, task, directories, ...
  // Computing verbs.
  std::string out, device;
  bool resume = false, overwrite = false, dry_run = false, json = false;
  std::vector<std::string> sets;
  int threads = 0;
  std::string seed;
  int quiet = 0, verbose = 0;
  // Single verbs.
  std::string output, data, model;  // init
  bool docs = false, verify = false;
  Index top = 0;  // analyze
  std::vector<Index> at;
  std::string method, setting;
  std::vector<double> values;
  std::vector<Index> datum;  // analyze kernels
  std::vector<std::string> pair;
  std::string window;
  double frequency_hz = 0;
  double prior_std = 0;               // analyze resolution
  std::string family, contact_sheet;  // generate
  Index count = 0, size = 70;
  bool area = false, point = false, seismic = false;
  std::string codec, target, resolution;  // compress, decompress
  double bound = 0;
  int bits = 0;
  Index search_steps = 0, polish_steps = 0, supersample = 0;
  std::vector<std::string> workloads;  // bench
  std::string json_file, against;
  int repeats = 0;
  bool quick = false;
  // Instead of a verb.
  bool version = false, licenses = false;
};

// Help was asked for: the text goes to stdout, the exit code is 0.
struct HelpRequest {
  std::string text;
};

// Throws HelpRequest, or Error{config} for a usage error.
Options parse_options(int argc, const char* const* argv);
// --json was given, even if the rest cannot be parsed.
bool wants_json(int argc, const char* const* argv);

// All verbs of this version, for completion.
std::vector<std::string> verb_names();

// stderr level from -q and -v, else TERRANE_LOG, else info.
LogLevel console_level(const Options& options);

// The config with --set and --seed applied; its input files exist (Error{data}).
Config load_config(const Options& options, const std::string& file);
void check_inputs(const Config& config);

// Device: option, else config, else TERRANE_DEVICE, else auto. Threads likewise (0: the engine's default).
RunOptions run_options(const Options& options, const Config* config);

}  // namespace terrane::cli
