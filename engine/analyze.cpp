// SPDX-License-Identifier: MIT
#include "engine/analyze.hpp"

#include <algorithm>
#include <filesystem>

#include "engine/analysis_session.hpp"
#include "engine/checkpoint.hpp"
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

Config config_of(const AnalyzeRequest& r) {
  if (!fs::is_directory(r.source)) return Config::load(r.source, r.sets);
  const std::string resolved = r.source + "/resolved.json";
  if (!fs::exists(resolved)) throw Error(ErrorCode::data, "there is no run here: resolved.json is missing", r.source);
  return Config::load(resolved, r.sets);
}

template <class T>
std::vector<T> numbers(const Tensor& tensor) {
  if (const auto* f = std::get_if<std::vector<float>>(&tensor.values)) return std::vector<T>(f->begin(), f->end());
  const auto& d = std::get<std::vector<double>>(tensor.values);
  return std::vector<T>(d.begin(), d.end());
}

template <class T>
Json execute(const AnalyzeRequest& request, const Config& config, const RunOptions& options) {
  const double start = now_s();
  AnalysisSession<T> a(request, config, options);
  a.result = {{"schema_version", 1},
              {"analysis", request.what},
              {"source", request.source},
              {"weights", a.weights},
              {"nodes", a.nodes()},
              {"parameters", a.field.parameters()},
              {"property", a.problem.property->name}};
  if (request.what == "kernels") {
    analyze_kernels(a);
  } else if (request.what == "resolution") {
    analyze_resolution(a);
  } else {
    analyze_spectrum(a);
  }
  a.result["time"]["wall_s"] = now_s() - start;
  a.result["memory"] = {{"host_peak_bytes", peak_resident_bytes()}};
  a.result["seed"] = config.json().at("seed");
  a.result["config_sha256"] = config.sha256();
  a.result["version"] = version_json();
  a.out.write_json("spectrum.json", a.result);
  a.page.title = "analyze " + request.what + ": " + config.json().at("name").get<std::string>();
  a.page.result = a.result;
  write_analysis_page(a.out.path(), a.page);
  return a.result;
}

}  // namespace

template <class T>
AnalysisSession<T>::AnalysisSession(const AnalyzeRequest& r, const Config& c, const RunOptions& options)
    : request(r),
      config(c),
      problem(build_problem(c, false)),
      s(options.device, stream_options(options)),
      out(options.out_dir, options.overwrite, false),
      field(Field<T>::make(c.json().at("field"), problem.grid, seed())),
      tape(s) {
  if (r.top < 1 || r.top > nodes()) {
    throw Error(ErrorCode::config, "--top " + std::to_string(r.top) + ": the model has " + std::to_string(nodes()) +
                                       " values, give 1 to that many");
  }
  const Json& given = c.json().at("field").at("initial_weights");
  if (given.is_null()) {
    initial = field.initial_parameters(std::vector<T>(problem.start.begin(), problem.start.end()));
  } else {
    const auto w = read_weights(given, field.network(), field.parameters());
    initial.assign(w.begin(), w.end());
  }
  theta = tape.input({field.parameters()}, "theta");
  const Var m0 = tape.input({problem.grid.nz, problem.grid.nx}, "start model", false);
  const std::vector<T> none(static_cast<std::size_t>(nodes()), T(0));
  tape.set(m0, problem.start.empty() ? none : std::vector<T>(problem.start.begin(), problem.start.end()));
  model = field.record(tape, theta, m0, Var{});
  if (!run() && r.at >= 0) {
    throw Error(ErrorCode::config, "--at belongs to a finished run, and this is a config", r.source);
  }
  if (r.at >= 0) {
    weights = "iteration " + std::to_string(r.at);
    tape.set(theta, weights_of(r.at));
  } else if (run()) {
    weights = "final";
    const std::string file = r.source + "/weights.safetensors";
    const TensorMap tensors = read_safetensors(file).tensors;
    const auto found = tensors.find("theta");
    if (found == tensors.end()) throw Error(ErrorCode::data, "there is no tensor \"theta\"", file);
    const auto w = numbers<T>(found->second);
    if (static_cast<Index>(w.size()) != field.parameters()) {
      throw Error(
          ErrorCode::data,
          "there are " + std::to_string(w.size()) + " weights, the field has " + std::to_string(field.parameters()),
          file);
    }
    tape.set(theta, w);
  } else {
    weights = "initial";
    tape.set(theta, initial);
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
  const TensorMap tensors = load_checkpoint(request.source, iteration).tensors;
  const auto w = numbers<T>(tensors.at("theta"));
  if (static_cast<Index>(w.size()) != field.parameters()) {
    throw Error(ErrorCode::data, "the checkpoint belongs to another field", checkpoint_path(request.source, iteration));
  }
  return w;
}

template <class T>
void AnalysisSession<T>::write(const std::string& name, const std::vector<double>& values,
                               const std::vector<Index>& shape) {
  write_npy(out.file(name + ".npy"), shape, values.data());
  result["files"].push_back(name + ".npy");
}

template class AnalysisSession<float>;
template class AnalysisSession<double>;

std::vector<std::string> analysis_names() { return {"svd", "ntk", "kernels", "resolution"}; }

Json analyze(const AnalyzeRequest& request, const RunOptions& options) {
  const auto names = analysis_names();
  if (std::find(names.begin(), names.end(), request.what) == names.end()) {
    throw Error(ErrorCode::config, "analyze: \"" + request.what + "\" is not one of " + join_words(names));
  }
  const Config config = config_of(request);
  if (config.json().at("task") != "invert") {
    throw Error(ErrorCode::config, "analyze needs a config of task \"invert\": it has no field", request.source);
  }
  const bool data = request.what == "kernels" || request.what == "resolution";
  if (data && config.json().at("precision").at("physics") != "fp64") return execute<float>(request, config, options);
  return execute<double>(request, config, options);
}

}  // namespace terrane
