// SPDX-License-Identifier: MIT
#include "engine/examples.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "engine/io/npy.hpp"
#include "engine/io/picks.hpp"
#include "engine/io/text.hpp"
#include "engine/json_value.hpp"
#include "engine/measured.hpp"
#include "engine/registry.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

constexpr const char* kFwi = R"({
  "task": "invert", "name": "fwi", "seed": 0,
  "grid": {"nz": 70, "nx": 70, "dz_m": 10, "dx_m": 10},
  "physics": {"type": "acoustic", "order": 8, "boundary": {"type": "cpml", "width_cells": 20}},
  "survey": {"dt_s": 0.001, "nt": 1000, "wavelet": {"type": "ricker", "frequency_hz": 15},
             "sources":   {"type": "line", "x_m": [0, 690], "z_m": 10, "count": 5},
             "receivers": {"type": "line", "x_m": [0, 690], "z_m": 10, "count": 70}},
  "true_model": {"type": "generated", "family": "layered-faulted", "index": 3},
  "data": {"type": "synthetic"},
  "start_model": {"type": "smooth", "of": "true_model", "sigma_m": 100},
  "field": {"type": "siren", "transform": {"type": "perturb", "scale_mps": 1000}},
  "misfit": {"type": "l2", "normalize": "survey"},
  "optimizer": {"type": "adam", "lr": 1e-4, "clip_norm": 1.0},
  "stages": [{"iterations": 100, "lowpass_hz": 8}, {"iterations": 200}],
  "stop": {"patience_iterations": 150}
})";

constexpr const char* kForward = R"({
  "task": "forward", "name": "shots", "seed": 0,
  "grid": {"nz": 70, "nx": 70, "dz_m": 10, "dx_m": 10},
  "physics": {"type": "acoustic", "order": 8, "boundary": {"type": "cpml", "width_cells": 20}},
  "survey": {"dt_s": 0.001, "nt": 1000, "wavelet": {"type": "ricker", "frequency_hz": 15},
             "sources":   {"type": "line", "x_m": [0, 690], "z_m": 10, "count": 5},
             "receivers": {"type": "line", "x_m": [0, 690], "z_m": 10, "count": 70}},
  "model": {"type": "generated", "family": "layered-faulted", "index": 3}
})";

constexpr const char* kTomography = R"({
  "task": "invert", "name": "tomography", "seed": 0,
  "grid": {"nz": 128, "nx": 64, "dz_m": 1, "dx_m": 1},
  "physics": {"type": "straight-ray", "kernel": "line"},
  "survey": {"sources":   {"type": "line", "x_m": 0,  "z_m": [0, 127], "count": 65},
             "receivers": {"type": "line", "x_m": 63, "z_m": [0, 127], "count": 65}},
  "true_model": {"type": "blocks", "background_s_per_m": 0.001,
                 "blocks": [{"x_m": [23, 41], "z_m": [55, 73], "value_s_per_m": 0.005}]},
  "data": {"type": "synthetic", "noise": {"type": "gaussian", "std_s": 0.006}},
  "field": {"type": "ig", "property": "slowness",
            "encoder": {"type": "dense-grid", "levels": 6, "growth": 1.6, "base_resolution": 8},
            "transform": {"type": "log-bounded", "min_s_per_m": 2e-4, "max_s_per_m": 0.01}},
  "misfit": {"type": "chi2"},
  "regularizers": [{"type": "tv", "weight": 12, "epsilon": 0.01, "anisotropic": true}],
  "optimizer": {"type": "adam", "lr": 3e-3, "iterations": 300, "schedule": {"type": "cosine", "min_ratio": 0.01}}
})";

// Between two boreholes, bent rays, data of the second order from a finer grid.
constexpr const char* kDemoTomography = R"({
  "task": "invert", "name": "demo-tomography", "seed": 0,
  "description": "two bodies between boreholes recovered from first arrivals by sines and a grid",
  "grid": {"nz": 81, "nx": 51, "dz_m": 1, "dx_m": 1},
  "physics": {"type": "eikonal", "order": 2},
  "survey": {"sources":   {"type": "line", "x_m": 1,  "z_m": [2, 78], "count": 16},
             "receivers": {"type": "line", "x_m": 49, "z_m": [1, 79], "count": 40}},
  "true_model": {"type": "blocks", "background_mps": 2000,
                 "blocks": [{"x_m": [14, 28], "z_m": [18, 32], "value_mps": 1600},
                            {"x_m": [26, 38], "z_m": [48, 66], "value_mps": 2500}]},
  "data": {"type": "synthetic", "refine": 2, "noise": {"type": "gaussian", "std_s": 1e-4}},
  "start_model": {"type": "constant", "value_mps": 2000},
  "field": {"type": "ig", "encoder": {"type": "dense-grid", "levels": 6, "growth": 1.5, "base_resolution": 8},
            "transform": {"type": "exp", "scale": 1}},
  "misfit": {"type": "chi2"},
  "regularizers": [{"type": "tv", "weight": 150, "epsilon": 0.01, "anisotropic": true}],
  "optimizer": {"type": "adam", "lr": 1e-2, "iterations": 300, "schedule": {"type": "cosine", "min_ratio": 0.01}}
})";

// Two bodies under a thin cover, 21 electrodes.
constexpr const char* kDc = R"({
  "task": "invert", "name": "dc", "seed": 0,
  "grid": {"nz": 24, "nx": 92, "dz_m": 1.25, "dx_m": 1.25, "x0_m": -7.5},
  "physics": {"type": "dc-2.5d"},
  "survey": {"electrodes": {"type": "line", "x_m": [0, 100], "z_m": 0, "count": 21},
             "array": {"type": "dipole-dipole", "levels": 8}},
  "true_model": {"type": "blocks", "background_ohm_m": 100,
                 "blocks": [{"x_m": [-100, 200], "z_m": [0, 2.4], "value_ohm_m": 50},
                            {"x_m": [25, 40], "z_m": [5, 13], "value_ohm_m": 10},
                            {"x_m": [62, 78], "z_m": [4, 12], "value_ohm_m": 1000}]},
  "data": {"type": "synthetic", "noise": {"type": "proportional", "relative": 0.03}},
  "start_model": {"type": "constant", "value_ohm_m": 80},
  "field": {"type": "siren", "omega_0": 10, "transform": {"type": "exp", "scale": 1}},
  "misfit": {"type": "chi2"},
  "regularizers": [{"type": "tv", "weight": 20, "epsilon": 0.01}],
  "optimizer": {"type": "adam", "lr": 1e-3, "iterations": 300, "schedule": {"type": "cosine", "min_ratio": 0.01}}
})";

constexpr const char* kReproduce = R"({
  "task": "reproduce", "name": "marmousi-ig", "seed": 0,
  "recipe": "cr-fwi/marmousi/ig/*",
  "seeds": [0], "tolerance": 0.05
})";

// 2 km by 1.2 km, six shots.
constexpr const char* kDemoFwi = R"({
  "task": "invert", "name": "demo-fwi", "seed": 0,
  "description": "a faulted section recovered from six shots by a network of sines",
  "grid": {"nz": 60, "nx": 100, "dz_m": 20, "dx_m": 20},
  "physics": {"type": "acoustic", "order": 4, "boundary": {"type": "cpml", "width_cells": 12}},
  "survey": {"dt_s": 0.0015, "nt": 900, "wavelet": {"type": "ricker", "frequency_hz": 7},
             "sources":   {"type": "line", "x_m": [0, 1980], "z_m": 20, "count": 6},
             "receivers": {"type": "line", "x_m": [0, 1980], "z_m": 20, "count": 100}},
  "true_model": {"type": "generated", "family": "layered-faulted", "index": 0},
  "data": {"type": "synthetic"},
  "start_model": {"type": "smooth", "of": "true_model", "sigma_m": 150},
  "field": {"type": "siren", "width": 64, "layers": 3, "transform": {"type": "perturb", "scale_mps": 1000}},
  "misfit": {"type": "l2", "normalize": "survey"},
  "optimizer": {"type": "adam", "lr": 8e-4, "iterations": 300},
  "checkpoint": {"every_iterations": 100}
})";

std::string absolute(const std::string& path) { return std::filesystem::absolute(path).lexically_normal().string(); }

NpyInfo header_of(const std::string& path, std::size_t axes, const char* form) {
  const NpyInfo info = npy_info(path);
  if (info.shape.size() == axes) return info;
  throw Error(ErrorCode::data, path + ": shape " + shape_text(info.shape) + ", but " + form + " is needed");
}

// The line of positions spans the model; its depth is the second row.
void spread_over(Json& positions, const Json& grid) {
  const double length = (grid.at("nx").get<double>() - 1.0) * grid.at("dx_m").get<double>();
  positions["x_m"] = {0.0, length};
  positions["z_m"] = grid.at("dz_m");
}

// With a file of picks: bent rays from its sensors, the surface along them where they lie along a line.
Json tomography_config(const TemplateInputs& inputs) {
  Json config = Json::parse(kTomography);
  if (!inputs.model_path.empty()) {
    const NpyInfo info = header_of(inputs.model_path, 2, "(nz, nx)");
    config["grid"]["nz"] = info.shape[0];
    config["grid"]["nx"] = info.shape[1];
    config["true_model"] = {{"type", "file"}, {"path", absolute(inputs.model_path)}, {"property", "vp"}};
  }
  if (inputs.data_path.empty()) return config;
  const PickFile picks = read_picks(inputs.data_path);
  double x0 = 1e300, x1 = -1e300, z0 = 1e300, z1 = -1e300;
  for (const Point3& p : picks.sensors) {
    x0 = std::min(x0, p.x_m), x1 = std::max(x1, p.x_m), z0 = std::min(z0, p.z_m), z1 = std::max(z1, p.z_m);
  }
  const bool line = z1 - z0 < 0.2 * (x1 - x0);
  for (const char* key : {"grid", "survey", "true_model"}) config.erase(key);
  config["physics"] = {{"type", "eikonal"}, {"order", 2}};
  if (line) config["physics"]["surface"] = "sensors";
  config["data"] = {{"type", "file"}, {"path", absolute(inputs.data_path)}};
  if (picks.std_s.empty()) config["data"]["std"] = {{"relative", 0.02}, {"floor_s", 0.5e-3}};
  const double v = std::round(median_velocity_mps(picks));
  config["start_model"] = {{"type", "constant"}, {"value_mps", v}};
  if (line) config["start_model"] = {{"type", "gradient"}, {"top_mps", 0.5 * v}, {"bottom_mps", 3 * v}};
  config["field"]["property"] = "vp";
  config["field"]["transform"] = {{"type", "exp"}, {"scale", 1}};
  config["regularizers"][0]["weight"] = 0.1;
  config["stop"] = {{"chi2", 1}};
  return config;
}

// With a file of observations: its electrodes and grid, the median apparent resistivity as the start.
Json dc_config(const TemplateInputs& inputs) {
  Json config = Json::parse(kDc);
  if (!inputs.model_path.empty()) {
    const NpyInfo info = header_of(inputs.model_path, 2, "(nz, nx)");
    config["grid"]["nz"] = info.shape[0];
    config["grid"]["nx"] = info.shape[1];
    config["true_model"] = {{"type", "file"}, {"path", absolute(inputs.model_path)}, {"property", "conductivity"}};
  }
  if (inputs.data_path.empty()) return config;
  DcReadOptions by_content;
  by_content.dimensions = 0;
  const DcObservations obs = read_dc_data(inputs.data_path, by_content);
  if (obs.dimensions == 3) config["physics"]["type"] = "dc-3d";
  for (const char* key : {"grid", "survey", "true_model"}) config.erase(key);
  config["data"] = {{"type", "file"}, {"path", absolute(inputs.data_path)}};
  const bool complete = !obs.std.empty() && std::all_of(obs.std.begin(), obs.std.end(), [](double s) { return s > 0; });
  if (!complete) config["data"]["std"] = {{"relative", 0.03}, {"floor_v", 0}};
  const bool level = std::all_of(obs.survey.electrodes.begin(), obs.survey.electrodes.end(),
                                 [&](const Point3& e) { return e.z_m == obs.survey.electrodes[0].z_m; });
  if (!level) config["physics"]["surface"] = "sensors";
  config["start_model"] = {{"type", "constant"}, {"value_ohm_m", in_quotes(median_apparent_resistivity(obs), 3)}};
  config["regularizers"][0]["weight"] = 5;
  config["stop"] = {{"chi2", 1}};
  return config;
}

const char* const kAnalyze = R"({
  "task": "analyze", "name": "why", "run": "runs/fwi", "at": [0, -1],
  "analyses": [{"type": "svd", "k": 32}, "ntk", {"type": "kernels", "pairs": [[0, 10], [2, 35]]}, "resolution"]
})";

const char* const kCompress = R"({
  "task": "compress", "name": "auto-decoder",
  "models": {"type": "generated", "families": "all", "count": 400, "hold_out": 50, "range_mps": [1500, 4500]},
  "codec": {"type": "auto-decoder", "code": 64, "width": 128, "layers": 4, "steps": 6000},
  "checkpoint": {"every_iterations": 500}
})";

const char* const kGenerate = R"({
  "task": "generate", "name": "faults", "seed": 7, "count": 500,
  "source": {"type": "procedural", "families": ["curve-fault-b"]},
  "pairs": {"preset": "openfwi"}
})";

const char* const kTrainGenerator = R"({
  "task": "train-generator", "name": "flow-vp", "seed": 0,
  "models": {"type": "generated", "families": "all", "count": 2000, "hold_out": 500, "range_mps": [1500, 4500]},
  "generator": {"type": "flow-matching", "steps": 100000, "batch_models": 64, "guidance": 2},
  "checkpoint": {"every_iterations": 1000}
})";

const char* const kScore = R"({
  "task": "score", "name": "scores", "seed": 1,
  "samples": {"path": "runs/generate"},
  "models": {"type": "generated", "families": ["flat-vel-a", "curve-vel-a"], "count": 1000, "hold_out": 2000}
})";

const char* const kDemoCompress = R"({
  "task": "compress", "name": "demo-compress", "description": "sixty maps of layers as codes of sixteen numbers",
  "models": {"type": "generated", "families": ["flat-vel-a", "curve-vel-a"], "count": 60, "hold_out": 6},
  "codec": {"type": "auto-decoder", "code": 16, "width": 64, "layers": 4, "steps": 900, "search_steps": 300},
  "checkpoint": {"every_iterations": 0}
})";

const char* const kDemoGenerate = R"({
  "task": "generate", "name": "demo-generate", "description": "eight maps of each of the ten OpenFWI families",
  "seed": 7, "count": 8, "source": {"type": "procedural", "families": "all"}
})";

}  // namespace

std::vector<std::string> template_names() {
  return {"fwi",     "tomography", "dc",       "forward",         "reproduce",
          "analyze", "compress",   "generate", "train-generator", "score"};
}
std::vector<std::string> demo_names() { return {"fwi", "tomography", "dc", "compress", "generate", "spectrum"}; }

Json template_config(const std::string& name, const TemplateInputs& inputs) {
  const std::vector<std::string> names = template_names();
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    const std::string near = nearest(name, names);
    throw Error(ErrorCode::config, "init: \"" + name + "\" is not one of " + join_words(names) +
                                       (near.empty() ? "" : "; did you mean \"" + near + "\"?"));
  }
  if (name == "reproduce") {
    if (!inputs.model_path.empty() || !inputs.data_path.empty()) {
      throw Error(ErrorCode::config,
                  "init: --model and --data do not belong to reproduce, whose cases name their data");
    }
    return Json::parse(kReproduce);
  }
  if (name == "analyze") {
    if (!inputs.model_path.empty() || !inputs.data_path.empty()) {
      throw Error(ErrorCode::config, "init: --model and --data do not belong to analyze, which reads a finished run");
    }
    return Json::parse(kAnalyze);
  }
  if (name == "train-generator") {
    if (!inputs.data_path.empty()) {
      throw Error(ErrorCode::config, "init: train-generator takes --model, a set of models");
    }
    Json config = Json::parse(kTrainGenerator);
    if (!inputs.model_path.empty()) {
      config["models"] = {
          {"type", "file"}, {"path", absolute(inputs.model_path)}, {"hold_out", 20}, {"range_mps", {1500, 4500}}};
    }
    return config;
  }
  if (name == "score") {
    if (!inputs.data_path.empty()) throw Error(ErrorCode::config, "init: score takes --model, the maps to be scored");
    Json config = Json::parse(kScore);
    if (!inputs.model_path.empty()) config["samples"]["path"] = absolute(inputs.model_path);
    return config;
  }
  if (name == "generate") {
    if (!inputs.model_path.empty() || !inputs.data_path.empty()) {
      throw Error(ErrorCode::config, "init: --model and --data do not belong to generate, which reads no file");
    }
    return Json::parse(kGenerate);
  }
  if (name == "compress") {
    if (!inputs.data_path.empty()) throw Error(ErrorCode::config, "init: compress takes --model, a set of models");
    Json config = Json::parse(kCompress);
    if (!inputs.model_path.empty()) {
      config["models"] = {
          {"type", "file"}, {"path", absolute(inputs.model_path)}, {"hold_out", 20}, {"range_mps", {1500, 4500}}};
    }
    return config;
  }
  if (name == "tomography") return tomography_config(inputs);
  if (name == "dc") return dc_config(inputs);
  Json config = Json::parse(name == "fwi" ? kFwi : kForward);
  Json& survey = config["survey"];
  if (!inputs.model_path.empty()) {
    const NpyInfo info = header_of(inputs.model_path, 2, "(nz, nx)");
    config["grid"]["nz"] = info.shape[0];
    config["grid"]["nx"] = info.shape[1];
    config[name == "fwi" ? "true_model" : "model"] = {{"type", "file"}, {"path", absolute(inputs.model_path)}};
    spread_over(survey["sources"], config["grid"]);
    spread_over(survey["receivers"], config["grid"]);
  }
  if (!inputs.data_path.empty()) {
    if (name != "fwi") throw Error(ErrorCode::config, "init: --data belongs to a task that inverts; use init fwi");
    const NpyInfo info = header_of(inputs.data_path, 3, "(shot, receiver, time)");
    survey["sources"]["count"] = info.shape[0];
    survey["receivers"]["count"] = info.shape[1];
    survey["nt"] = info.shape[2];
    config["data"] = {{"type", "file"}, {"path", absolute(inputs.data_path)}};
    if (inputs.model_path.empty()) {
      config.erase("true_model");
      config["start_model"] = {{"type", "gradient"}, {"top_mps", 1500}, {"bottom_mps", 3500}};
    }
  }
  return config;
}

Json demo_config(const std::string& name) {
  if (name == "fwi") return Json::parse(kDemoFwi);
  if (name == "tomography") return Json::parse(kDemoTomography);
  if (name == "dc") {
    Json config = Json::parse(kDc);
    config["name"] = "demo-dc";
    config["description"] = "two bodies under a thin cover recovered from voltages by sines and a grid";
    return config;
  }
  if (name == "compress") return Json::parse(kDemoCompress);
  if (name == "generate") return Json::parse(kDemoGenerate);
  if (name == "spectrum") {
    Json config = Json::parse(kDemoTomography);
    config["name"] = "demo-spectrum";
    config["description"] = "the tangent kernel of a network before and after an inversion, and what the data resolve";
    config["analyses"] = {
        {{"type", "ntk"}, {"k", 16}}, {{"type", "kernels"}, {"k", 12}}, {{"type", "resolution"}, {"k", 32}}};
    return config;
  }
  const std::vector<std::string> names = demo_names();
  const std::string near = nearest(name, names);
  throw Error(ErrorCode::config, "demo: \"" + name + "\" is not one of " + join_words(names) +
                                     (near.empty() ? "" : "; did you mean \"" + near + "\"?"));
}

}  // namespace terrane
