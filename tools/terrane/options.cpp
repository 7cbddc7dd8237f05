// SPDX-License-Identifier: MIT
#include "tools/terrane/options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>

#include "engine/benchmark.hpp"
#include "engine/examples.hpp"
#include "engine/geology_set.hpp"
#include "engine/io/text.hpp"
#include "engine/registry.hpp"
#include "physics/geology/openfwi.hpp"

namespace terrane::cli {
namespace {

constexpr const char* kExitCodes =
    "Exit codes:\n"
    "    0  done\n"
    "    1  the run failed (doctor --verify: outside tolerance)\n"
    "    2  usage or configuration error; nothing was computed\n"
    "    3  input data unreadable, inconsistent or outside the grid\n"
    "    4  forecast exceeds the memory or disk budget\n"
    "    5  no usable device\n"
    "    6  diverged or NaN; the last good checkpoint is named\n"
    "   75  stopped by a signal, checkpoint written; `terrane resume` continues\n"
    "  130  Ctrl-C; the checkpoint is written too\n";

const std::vector<std::string>& later_verbs() {
  static const std::vector<std::string> verbs = {"convert"};
  return verbs;
}

// The help of a verb starts with these.
const std::map<std::string, std::string>& verb_examples() {
  static const std::map<std::string, std::string> examples = {
      {"run", "terrane run fwi.json --out runs/fwi --set optimizer.lr=2e-4"},
      {"check", "terrane check fwi.json"},
      {"init", "terrane init fwi -o fwi.json"},
      {"schema", "terrane schema /optimizer"},
      {"completions", "eval \"$(terrane completions bash)\""},
      {"demo", "terrane demo fwi --out demo"},
      {"resume", "terrane resume runs/fwi --set stages.0.iterations=400"},
      {"info", "terrane info runs/fwi"},
      {"doctor", "terrane doctor --verify"},
      {"bench", "terrane bench --workload W1,W4 --json bench.json"},
      {"report", "terrane report runs/fwi"},
      {"analyze", "terrane analyze svd runs/fwi"},
      {"generate", "terrane generate --family curve-vel-a,flat-fault-b --count 500 -o maps"},
      {"compress", "terrane compress models.npy -o models.lat"},
      {"decompress", "terrane decompress models.lat -o models.npy"}};
  return examples;
}

std::string example_of(const std::string& verb) { return "Example:  " + verb_examples().at(verb) + "\n\n"; }

void add_level(CLI::App* verb, Options& o) {
  verb->add_flag("-q", o.quiet, "only warnings on stderr; -qq: only errors");
  verb->add_flag("-v", o.verbose, "debug messages on stderr; -vv: all");
}

void add_device(CLI::App* verb, Options& o) {
  verb->add_option("--device", o.device, "auto, cpu, shadow, cuda or cuda:N");
  verb->add_option("--threads", o.threads, "upper bound of CPU threads")->check(CLI::Range(1, 4096));
}

void add_computing(CLI::App* verb, Options& o) {
  add_device(verb, o);
  add_level(verb, o);
  verb->add_option("--out", o.out, "output directory (default runs/<name>-<UTC time>)");
  verb->add_flag("--overwrite", o.overwrite, "replace a run that is already there");
  verb->add_option("--set", o.sets, "change the config: --set a.b=3, repeatable; null deletes")
      ->allow_extra_args(false);
  verb->add_option("--seed", o.seed, "seed of everything random");
  verb->add_flag("--dry-run", o.dry_run, "forecast only, as `check`");
  verb->add_flag("--json", o.json, "one JSON object on stdout");
}

void build_computing(CLI::App& app, Options& o) {
  CLI::App* run = app.add_subcommand("run", "Executes the task of a config and writes an output directory.");
  run->add_option("CONFIG", o.arguments, "config file")->required()->expected(1);
  run->add_flag("--resume", o.resume, "continue the run in --out if it is one of this config, else start");
  add_computing(run, o);

  CLI::App* check = app.add_subcommand("check",
                                       "Validates a config and forecasts memory, time and disk; computes "
                                       "and writes nothing.");
  check->add_option("CONFIG", o.arguments, "config file")->required()->expected(1);
  add_computing(check, o);

  CLI::App* demo = app.add_subcommand("demo", "A built-in run that needs no file: " + join_words(demo_names()) + ".");
  demo->add_option("NAME", o.arguments, "which one")->required()->expected(1);
  demo->add_flag("--resume", o.resume, "continue the run in --out");
  add_computing(demo, o);

  CLI::App* resume = app.add_subcommand("resume", "Continues a stopped run from its newest good checkpoint.");
  resume->add_option("DIR", o.arguments, "output directory of the run")->required()->expected(1);
  resume->add_option("--set", o.sets, "iterations, stop, checkpoint, report or memory")->allow_extra_args(false);
  resume->add_flag("--json", o.json, "result.json on stdout");
  add_device(resume, o);
  add_level(resume, o);
}

void build_others(CLI::App& app, Options& o) {
  CLI::App* init =
      app.add_subcommand("init", "An annotated config to start from: " + join_words(template_names()) + ".");
  init->add_option("TASK", o.arguments, "which one")->required()->expected(1);
  init->add_option("--data", o.data, ".npy (shot, receiver, time): fills in the survey");
  init->add_option("--model", o.model, ".npy (nz, nx): fills in the grid");
  init->add_option("-o", o.output, "file to write; else stdout");
  init->add_flag("--overwrite", o.overwrite, "replace the file");
  init->add_flag("--json", o.json, "the config as plain JSON");

  CLI::App* schema = app.add_subcommand("schema", "JSON Schema of the config, or one part of it as text.");
  schema->add_option("POINTER", o.arguments, "part of the config, e.g. /field/siren")->expected(0, 1);
  schema->add_flag("--docs", o.docs, "the whole reference as Markdown");
  schema->add_flag("--json", o.json, "errors as JSON too");

  CLI::App* completions = app.add_subcommand("completions", "Shell completion: bash, zsh or fish.");
  completions->add_option("SHELL", o.arguments, "bash, zsh or fish")->required()->expected(1);

  CLI::App* info = app.add_subcommand("info",
                                      "Format, shape, units, range and suspicious "
                                      "things of a file or a run.");
  info->add_option("PATH", o.arguments, "file or directory")->required()->expected(1);
  info->add_flag("-v", o.verbose, "headers too");
  info->add_flag("--json", o.json, "one JSON object on stdout");

  CLI::App* doctor = app.add_subcommand("doctor", "What this machine offers: processor, GPU, optional libraries.");
  doctor->add_flag("--verify", o.verify, "run the built-in tests on every usable device");
  doctor->add_flag("--json", o.json, "one JSON object on stdout");
  add_device(doctor, o);
  add_level(doctor, o);

  std::string names;
  for (const BenchmarkWorkload& w : benchmark_workloads()) {
    names += (names.empty() ? "" : ", ") + w.name + " " + w.title;
  }
  CLI::App* bench = app.add_subcommand(
      "bench", "Short benchmarks of this machine, with the share of the roof that simple loops reach on it.");
  bench->add_option("NAME", o.arguments, "workloads; all unless given: " + names);
  bench->add_option("--workload", o.workloads, "the same, with commas between them")->delimiter(',');
  bench->add_flag("--quick", o.quick, "small problems: seconds instead of minutes");
  bench->add_option("--repeats", o.repeats, "calls that are timed, at most (5; --quick 2)")->check(CLI::Range(1, 1000));
  bench->add_option("--against", o.against, "an earlier file of --json: its seconds and the ratios beside each row");
  bench->add_option("--json", o.json_file, "write the results to this file; without a name: to stdout, no table")
      ->expected(0, 1);
  add_device(bench, o);
  add_level(bench, o);

  CLI::App* report = app.add_subcommand("report", "Rebuilds report.html; several directories are compared.");
  report->add_option("DIR", o.arguments, "output directories")->required();
  report->add_flag("--json", o.json, "errors as JSON too");

  CLI::App* analyze =
      app.add_subcommand("analyze",
                         "Explains the field of a finished run, or of a config before any run: svd, ntk, kernels, "
                         "resolution, suggest.");
  analyze->add_option("WHAT SOURCE", o.arguments, "which analysis; directory of a run, or config")
      ->required()
      ->expected(2);
  analyze->add_option("--at", o.at, "weights of these iterations; 0 the initial, -1 the final ones (default)")
      ->delimiter(',');
  analyze->add_option("--top", o.top, "vectors (16) or eigenvalues (resolution: 64)")->check(CLI::PositiveNumber);
  analyze->add_option("--datum", o.datum, "kernels: numbers of data, counted from 0")->delimiter(',');
  analyze->add_option("--pair", o.pair, "kernels: SHOT:RECEIVER of waves, counted from 0")->delimiter(',');
  analyze->add_option("--window", o.window,
                      "kernels: FIRST:LAST of the pairs' traces, seconds: the delay of its waves");
  analyze->add_option("--frequency", o.frequency_hz, "kernels: amplitude and phase of the pairs' traces at it, Hz")
      ->check(CLI::PositiveNumber);
  analyze->add_option("--method", o.method, "svd, ntk: auto, dense or lanczos");
  analyze->add_option("--prior-std", o.prior_std, "resolution: prior deviation, in the property's unit");
  analyze->add_option("--setting", o.setting, "suggest: number of the field, e.g. /field/omega_0");
  analyze->add_option("--values", o.values, "suggest: what is tried, e.g. 5,10,20")->delimiter(',');
  add_computing(analyze, o);
}

void build_generate(CLI::App& app, Options& o) {
  CLI::App* generate = app.add_subcommand(
      "generate", "Velocity maps of procedural geology in OpenFWI's layout: " + join_words(geology_family_names()) +
                      ", " + layered_faulted_name + ".");
  generate->add_option("--family", o.family, "names with commas between them, or all")->required();
  generate->add_option("--count", o.count, "maps of each family")->required();
  generate->add_option("-o", o.output, "folder to write; must not exist or be empty")->required();
  generate->add_option("--seed", o.seed, "seed; a map is a function of family, seed and index (default 0)");
  generate->add_option("--size", o.size, "pixels a side (default 70: cells of 10 m)");
  auto* area = generate->add_flag("--area", o.area, "mean over each pixel");
  generate->add_flag("--point", o.point, "value at the centre of each pixel (default)")->excludes(area);
  generate->add_flag("--seismic", o.seismic, "data of the OpenFWI operator too");
  generate->add_option("--contact-sheet", o.contact_sheet, "PNG with the first maps of every family");
  generate->add_flag("--json", o.json, "manifest on stdout");
  add_device(generate, o);
  add_level(generate, o);
}

void build_compression(CLI::App& app, Options& o) {
  const auto common = [&](CLI::App* verb) {
    verb->add_option("--codec", o.codec, "trained decoder: decoder.safetensors, or its directory");
    verb->add_flag("--overwrite", o.overwrite, "replace the file");
    verb->add_flag("--json", o.json, "one JSON object on stdout");
    add_device(verb, o);
  };
  CLI::App* compress = app.add_subcommand("compress", "Velocity models (.npy) to a file of compressed models (.lat).");
  compress->add_option("MODEL", o.arguments, "(nz, nx), (n, nz, nx) or (n, 1, nz, nx), m/s")->required()->expected(1);
  compress->add_option("-o", o.output, "file to write")->required();
  compress->add_option("--bound", o.bound, "largest error, m/s; 0: every bit is kept")->check(CLI::NonNegativeNumber);
  compress->add_option("--bits", o.bits, "with --codec: of a number of a code (8)")->check(CLI::Range(2, 12));
  compress->add_option("--steps", o.search_steps, "with --codec: steps of the search for codes (1000)")
      ->check(CLI::PositiveNumber);
  compress->add_option("--polish", o.polish_steps, "with --codec: Levenberg-Marquardt steps after the search (0)")
      ->check(CLI::NonNegativeNumber);
  compress->add_option("--supersample", o.supersample, "with --codec: a pixel is the mean over N x N points (1)")
      ->check(CLI::Range(1, 16));
  compress->add_option("--target", o.target, "psnr_db=NUMBER: the smallest file; bytes=NUMBER a model: the best");
  compress->add_option("--method", o.method, "with --codec: smallest (default), code or structured");
  common(compress);
  CLI::App* decompress = app.add_subcommand("decompress", "A file of compressed models (.lat) to .npy.");
  decompress->add_option("FILE", o.arguments, "compressed models")->required()->expected(1);
  decompress->add_option("-o", o.output, "file to write")->required();
  decompress->add_option("--size", o.resolution, "with --codec: decode at NZxNX or NZxNYxNX points");
  decompress
      ->add_option(
          "--supersample", o.supersample,
          "with --codec: a pixel is the mean over N x N points (as many along the model as it was compressed with)")
      ->check(CLI::Range(1, 16));
  common(decompress);
}

// A first word that is no verb: better than what a parser says.
void check_verb(int argc, const char* const* argv) {
  if (argc < 2 || argv[1][0] == '-') return;
  const std::string word = argv[1];
  const std::vector<std::string> verbs = verb_names();
  if (std::find(verbs.begin(), verbs.end(), word) != verbs.end()) return;
  const bool later = std::find(later_verbs().begin(), later_verbs().end(), word) != later_verbs().end();
  const std::string near = nearest(word, verbs);
  const bool file = word.find(".json") != std::string::npos;
  throw Error(ErrorCode::config,
              later          ? "the verb \"" + word + "\" arrives in a later version; `terrane -h` lists the verbs"
              : file         ? "to execute a config, write `terrane run " + word + "`"
              : near.empty() ? "unknown verb \"" + word + "\"; `terrane -h` lists the verbs"
                             : "unknown verb \"" + word + "\"; did you mean \"" + near + "\"?");
}

// The help of the verb that was chosen, or of the program.
std::string help_text(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  if (chosen.empty()) return example_of("demo") + app.help();
  return example_of(chosen[0]->get_name()) + chosen[0]->help("terrane");
}

// An option that the verb does not have, with the one that was probably meant.
void check_option_names(const CLI::App& app, int argc, const char* const* argv) {
  const CLI::App* verb = argc > 1 && argv[1][0] != '-' ? app.get_subcommand(argv[1]) : &app;
  std::vector<std::string> names = {"--help"};
  for (const CLI::Option* option : verb->get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  for (int i = 1; i < argc; ++i) {
    const std::string word = std::string(argv[i]).substr(0, std::string(argv[i]).find('='));
    if (word == "--") return;
    if (word.rfind("--", 0) != 0 || std::find(names.begin(), names.end(), word) != names.end()) continue;
    const std::string near = nearest(word, names);
    const std::string owner = verb == &app ? "terrane" : "terrane " + verb->get_name();
    throw Error(ErrorCode::config, "unknown option " + word + (near.empty() ? "" : "; did you mean " + near + "?") +
                                       " (`" + owner + " -h` lists the options)");
  }
}

std::string usage_message(const CLI::App& app, const CLI::ParseError& error) {
  std::string text = error.what();
  std::replace(text.begin(), text.end(), '\n', ' ');
  const auto chosen = app.get_subcommands();
  return text + " (`terrane " + (chosen.empty() ? std::string() : chosen[0]->get_name() + " ") + "-h` shows the usage)";
}

const char* environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

}  // namespace

std::vector<std::string> verb_names() {
  return {"run",    "check", "init",   "schema",  "completions", "demo",     "resume",    "info",
          "doctor", "bench", "report", "analyze", "generate",    "compress", "decompress"};
}

bool wants_json(int argc, const char* const* argv) {
  return std::any_of(argv + std::min(argc, 1), argv + argc,
                     [](const char* a) { return std::strcmp(a, "--json") == 0; });
}

Options parse_options(int argc, const char* const* argv) {
  check_verb(argc, argv);
  Options options;
  CLI::App app("Recovers the subsurface from measurements with neural fields.", "terrane");
  app.footer(kExitCodes);
  app.require_subcommand(0, 1);
  app.add_flag("--version", options.version, "version; with --json the details of the build");
  app.add_flag("--licenses", options.licenses, "licences of what this program contains");
  app.add_flag("--json", options.json, "with --version");
  build_computing(app, options);
  build_others(app, options);
  build_generate(app, options);
  build_compression(app, options);
  for (CLI::App* verb : app.get_subcommands({})) verb->footer(kExitCodes);
  check_option_names(app, argc, argv);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    throw HelpRequest{help_text(app)};
  } catch (const CLI::ParseError& error) {
    throw Error(ErrorCode::config, usage_message(app, error));
  }
  if (!app.get_subcommands().empty()) options.verb = app.get_subcommands()[0]->get_name();
  if (options.verb.empty() && !options.version && !options.licenses) throw HelpRequest{help_text(app)};
  // --json alone asks for JSON on stdout.
  if (options.verb == "bench")
    options.json = app.get_subcommand("bench")->count("--json") > 0 && options.json_file.empty();
  if (!options.seed.empty()) options.sets.push_back("seed=" + options.seed);
  return options;
}

LogLevel console_level(const Options& options) {
  if (options.quiet > 0) return options.quiet > 1 ? LogLevel::error : LogLevel::warning;
  if (options.verbose > 0) return options.verbose > 1 ? LogLevel::trace : LogLevel::debug;
  const char* level = environment("TERRANE_LOG");
  return level != nullptr ? parse_log_level(level) : LogLevel::info;
}

Config load_config(const Options& options, const std::string& file) {
  Config config = Config::load(file, options.sets);
  check_inputs(config);
  return config;
}

void check_inputs(const Config& config) {
  for (const ConfigInput& input : config.inputs()) {
    std::error_code error;
    if (std::filesystem::is_regular_file(input.path, error)) continue;
    if (input.folder && std::filesystem::is_directory(input.path, error)) continue;
    throw Error(ErrorCode::data,
                input.pointer + (input.folder ? ": no such file or directory: " : ": no such file: ") + input.path +
                    " (a relative path is relative to its config; TERRANE_DATA names other folders to search)",
                config.place(input.pointer));
  }
}

RunOptions run_options(const Options& options, const Config* config) {
  RunOptions out;
  out.out_dir = options.out;
  out.overwrite = options.overwrite;
  out.resume = options.resume;
  out.console = console_level(options);
  const auto configured = [&](const char* key) {
    return config != nullptr && !config->json().at(key).is_null() ? config->json().at(key) : nlohmann::ordered_json();
  };
  std::string device = options.device, where = "--device";
  if (device.empty() && configured("device").is_string()) {
    device = configured("device").get<std::string>();
    where = config->place("/device") + ": /device";
  }
  if ((device.empty() || device == "auto") && options.device.empty()) {
    if (const char* value = environment("TERRANE_DEVICE")) {
      device = value;
      where = "TERRANE_DEVICE";
    }
  }
  out.device_explicit = !device.empty() && device != "auto";
  try {
    out.device = Device::parse(device.empty() ? "auto" : device);
  } catch (const Error& error) {
    throw Error(error.code(), error.what(), where);
  }
  out.threads = options.threads;
  if (out.threads == 0 && configured("threads").is_number()) out.threads = configured("threads").get<int>();
  return out;
}

}  // namespace terrane::cli
