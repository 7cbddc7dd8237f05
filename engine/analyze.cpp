// SPDX-License-Identifier: MIT
#include "engine/analyze.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "engine/analysis_session.hpp"
#include "engine/budget.hpp"
#include "engine/checkpoint.hpp"
#include "engine/converted.hpp"
#include "engine/field_start.hpp"
#include "engine/io/text.hpp"
#include "engine/output.hpp"
#include "engine/provenance.hpp"
#include "engine/report.hpp"
#include "engine/version.hpp"
#include "engine/weights.hpp"
#include "kernels/kernels.hpp"

namespace terrane {

namespace {

namespace fs = std::filesystem;

StreamOptions stream_options(const RunOptions& options) {
  StreamOptions s;
  s.threads = options.threads;
  return s;
}

// "/field/width=32" for each number, string or list of a patch of `target`.
void add_sets(const Json& target, const Json& patch, const std::string& pointer, std::vector<std::string>& sets) {
  for (const auto& [key, value] : patch.items()) {
    const std::string place = pointer + "/" + key;
    if (target.is_object() && target.contains(key) && merges_into(target.at(key), value)) {
      add_sets(target.at(key), value, place, sets);
    } else {
      sets.push_back(place + "=" + value.dump());
    }
  }
}

// What task "analyze" looks at: the directory of a run, or a config.
std::string source_of(const Json& c) { return c.at(c.at("run").is_null() ? "config" : "run"); }

// The config of the run or file that is analysed, with "settings" merged in.
Config source_config(const std::string& source, const Json& settings) {
  std::string file = source;
  if (fs::is_directory(source)) {
    file += "/resolved.json";
    if (!fs::exists(file)) throw Error(ErrorCode::data, "there is no run here: resolved.json is missing", source);
  }
  std::vector<std::string> sets;
  if (!settings.empty()) add_sets(Config::load(file).json(), settings, "", sets);
  const Config config = Config::load(file, sets);
  if (config.json().at("task") == "invert") return config;
  throw Error(ErrorCode::config, "an analysis needs a config of task \"invert\": this one has no field", source);
}

template <class T>
Json execute_in(const AnalyzeRequest& request, const Config& config, const RunOptions& options, const Log& log) {
  const double start = now_s();
  const std::string what = request.what();
  make_directories(request.directory);
  AnalysisSession<T> a(request, config, options, log);
  a.result = {{"schema_version", 1},
              {"analysis", what},
              {"source", request.source},
              {"weights", a.weights},
              {"nodes", a.nodes()},
              {"parameters", a.field.parameters()},
              {"property", a.problem.property->name}};
  if (what == "kernels") {
    analyze_kernels(a);
  } else if (what == "resolution") {
    analyze_resolution(a);
  } else if (what == "suggest") {
    analyze_suggest(a);
  } else {
    analyze_spectrum(a);
  }
  a.result["time"]["wall_s"] = now_s() - start;
  a.result["memory"] = {{"host_peak_bytes", peak_resident_bytes()}};
  a.result["config_sha256"] = config.sha256();
  a.result["version"] = version_json();
  write_file_atomic(request.directory + "/spectrum.json", a.result.dump(2) + "\n");
  a.page.grid = a.problem.grid;
  a.page.title = what + " of " + config.json().at("name").get<std::string>() + ", " + a.weights;
  a.page.result = a.result;
  write_analysis_page(request.directory, a.page);
  return a.result;
}

Json execute(const AnalyzeRequest& request, const Config& config, const RunOptions& options, const Log& log) {
  log.info(request.what() + " of " + request.source);
  const bool data = request.what() != "svd" && request.what() != "ntk";
  if (data && config.json().at("precision").at("physics") != "fp64") {
    return execute_in<float>(request, config, options, log);
  }
  return execute_in<double>(request, config, options, log);
}

// A page that leads to those of several analyses.
void write_index(const std::string& directory, const std::string& title, const std::vector<std::string>& folders) {
  std::string body = "<h1>" + html_escape(title) + "</h1>\n<ul>\n";
  for (const std::string& f : folders) {
    body += "<li><a href=\"" + html_escape(f) + "/report.html\">" + html_escape(f) + "</a></li>\n";
  }
  write_file_atomic(directory + "/report.html", html_page(title, body + "</ul>\n"));
}

}  // namespace

template <class T>
AnalysisSession<T>::AnalysisSession(const AnalyzeRequest& r, const Config& c, const RunOptions& options, const Log& log)
    : request(r),
      config(c),
      problem(build_problem(c, false, options.device)),
      s(options.device, stream_options(options)),
      field(Field<T>::make(c.json().at("field"), problem.grid, seed())),
      tape(s),
      listener_(options.progress) {
  if (r.count() > nodes()) {
    throw Error(ErrorCode::config, "k = " + std::to_string(r.count()) + ": the model has " + std::to_string(nodes()) +
                                       " values, give 1 to that many");
  }
  initial = start_parameters(s, c.json().at("field"), problem, field, true, log);
  const FieldInputs in = input_field(tape, field, problem, initial);
  theta = in.theta;
  model = field.record(tape, in.theta, in.start, Var{});
  if (!run() && r.at > 0) {
    throw Error(ErrorCode::config, "iteration " + std::to_string(r.at) + " belongs to a finished run, this is a config",
                r.source);
  }
  if (r.at >= 0) {
    weights = r.at == 0 ? "initial" : "iteration " + std::to_string(r.at);
    tape.set(theta, weights_of(r.at));
  } else if (run()) {
    weights = "final";
    const Json file{{"path", r.source + "/weights.safetensors"}, {"columns", nullptr}, {"signs", nullptr}};
    tape.set(theta, converted<T>(read_weights(file, field.network(), field.parameters())));
  } else {
    weights = "initial";
  }
}

template <class T>
bool AnalysisSession<T>::run() const {
  return fs::is_directory(request.source);
}

template <class T>
std::vector<Index> AnalysisSession<T>::iterations() const {
  std::vector<Index> list{0};
  if (!run()) return list;
  for (const Index i : list_checkpoints(request.source)) {
    if (i > 0) list.push_back(i);
  }
  return list;
}

template <class T>
std::vector<T> AnalysisSession<T>::weights_of(Index iteration) const {
  if (iteration == 0) return initial;
  const auto kept = iterations();
  if (std::find(kept.begin(), kept.end(), iteration) == kept.end()) {
    std::string list;
    for (const Index k : kept) list += (list.empty() ? "" : ", ") + std::to_string(k);
    throw Error(ErrorCode::data,
                "no checkpoint of iteration " + std::to_string(iteration) + " was kept (there are " + list +
                    "); checkpoint.keep_iterations keeps some",
                request.source);
  }
  const CheckpointState state = load_checkpoint(request.source, iteration);
  const auto w = std::visit([](const auto& v) { return converted<T>(v); }, state.tensors.at("theta").values);
  if (static_cast<Index>(w.size()) != field.parameters()) {
    throw Error(ErrorCode::data, "the checkpoint belongs to another field", checkpoint_path(request.source, iteration));
  }
  return w;
}

template <class T>
void AnalysisSession<T>::write(const std::string& name, const std::vector<double>& values,
                               const std::vector<Index>& shape) {
  write_npy(request.directory + "/" + name + ".npy", shape, values.data());
  result["files"].push_back(name + ".npy");
}

template <class T>
std::function<void(Index, Index)> AnalysisSession<T>::progress(const std::string& what, const char* unit) const {
  if (!listener_) return {};
  ProgressEvent event;
  event.unit = unit;
  event.text = what;
  return [this, event](Index done, Index all) mutable {
    event.iteration = done;
    event.iterations = all;
    event.elapsed_s = now_s() - request.start_s;
    event.peak_bytes = peak_resident_bytes();
    listener_(event);
  };
}

template <class T>
void AnalysisSession<T>::write_models(const std::string& name, const std::vector<double>& values, Index count) {
  std::vector<Index> shape = problem.grid.shape();
  shape.insert(shape.begin(), count);
  write(name, values, shape);
}

template class AnalysisSession<float>;
template class AnalysisSession<double>;

namespace {

// All analyses of `config` at the iterations `times` on the config or run `source`, into options.out_dir.
Json analyze_all(const Config& config, const Config& analysed, const std::string& source, const Json& times,
                 const RunOptions& options) {
  const Json& c = config.json();
  const double start = now_s();
  const OutputDirectory out(options.out_dir, options.overwrite, options.resume);
  const Log log = Log::open(options.console, out.file("log.txt"), options.sink);
  out.remove("result.json");
  out.write_json("resolved.json", c);
  const bool many = c.at("analyses").size() * times.size() > 1;
  Json done = Json::array();
  std::vector<std::string> folders;
  for (const Json& analysis : c.at("analyses")) {
    for (const Json& at : times) {
      AnalyzeRequest r{analysis, source, at.get<Index>(), out.path(), start};
      if (many) {
        std::string folder = r.what() + (times.size() > 1 ? r.at < 0 ? "-final" : "-" + std::to_string(r.at) : "");
        while (std::find(folders.begin(), folders.end(), folder) != folders.end()) folder += "-more";
        folders.push_back(folder);
        r.directory += "/" + folder;
      }
      done.push_back(execute(r, analysed, options, log));
    }
  }
  if (many) write_index(out.path(), c.at("name"), folders);
  Json result{{"schema_version", 1}, {"status", "ok"},       {"exit_code", 0},
              {"task", "analyze"},   {"name", c.at("name")}, {"analyses", done}};
  add_provenance(result, config, log, start);
  out.write_json("result.json", result);
  return result;
}

}  // namespace

Json analyze(const Config& config, const RunOptions& options) {
  const Json& c = config.json();
  const std::string source = source_of(c);
  if (!c.at("run").is_null() && !fs::is_directory(source)) {
    throw Error(ErrorCode::data, "there is no such directory", source);
  }
  return analyze_all(config, source_config(source, c.at("settings")), source, c.at("at"), options);
}

Json analyze_start(const Config& config, const RunOptions& options) {
  const std::string source = "config " + config.json().at("name").get<std::string>();
  return analyze_all(config, config, source, Json::array({-1}), options);
}

void analyze_run(const Config& config, const RunOptions& options) {
  const Json& analyses = config.json().at("analyses");
  if (analyses.empty()) return;
  const std::string folder = options.out_dir + "/analysis";
  make_directories(folder);
  const Log log = Log::open(options.console, folder + "/log.txt", options.sink);
  for (const Json& analysis : analyses) {
    execute({analysis, options.out_dir, -1, folder + "/" + analysis.at("type").get<std::string>()}, config, options,
            log);
  }
}

namespace {

// asked: the config whose budget counts.
Forecast forecast_analyses(const Json& analyses, std::size_t times, const Config& analysed, const Config& asked,
                           const RunOptions& options) {
  const Problem problem = build_problem(analysed, false);
  const double n = static_cast<double>(problem.grid.cells());
  double bytes = 0, disk = 0;
  for (const Json& a : analyses) {
    const double k = a.value("k", 1.0);
    const bool field = a.contains("method");
    const bool dense = field && (a.at("method") == "dense" || (a.at("method") == "auto" && n <= dense_nodes));
    double data = 1;
    for (const Index e : problem.data_shape()) data *= static_cast<double>(e);
    // K, its copy and eigenvectors; or the Lanczos vectors.
    bytes = std::max(bytes, dense ? 3 * 8 * n * n : 8 * (4 * k + 60) * (field ? n : std::max(n, data)));
    disk += (8 * k * (field ? n : data) + 3e6) * static_cast<double>(times);
  }
  char what[160];
  std::snprintf(what, sizeof what, "analyze: %zu analyses of a model of %.0f nodes", analyses.size(), n);
  return forecast_of(asked, options, {what, bytes, disk, "Take \"method\": \"lanczos\", or a smaller \"k\"."});
}

}  // namespace

Forecast forecast_analysis(const Config& config, const RunOptions& options) {
  const Json& c = config.json();
  return forecast_analyses(c.at("analyses"), c.at("at").size(), source_config(source_of(c), c.at("settings")), config,
                           options);
}

Forecast forecast_analyses_of(const Config& config, const RunOptions& options) {
  return forecast_analyses(config.json().at("analyses"), 1, config, config, options);
}

}  // namespace terrane
