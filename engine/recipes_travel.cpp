// SPDX-License-Identifier: MIT
// Recipes of travel times: the cross-hole study and field data. Numbers of the study: A. Xu and L. J. Heagy, arXiv
// 2503.17503, code of commit 351ac29.
//
// Study nfs-inv. 64 x 128 unit cells at whole positions, 65 sources at x = 0 and 65 receivers at x = 63; kernel
// exp(-(z - p)^2 / 2), cut at 0.1; noise of standard deviation 20. One unit of the study's slowness is 1 s/km here and
// one of its data 1 ms. Its misfit is ||r||^2 / 8192 = 400 * 4225 / 8192 chi2. The reported model is that before the
// last update, hence one iteration less than the study's steps.
// Rows "svd": the Jacobian of the raw fields at their published final weights, values and vectors against the reference
// arrays (a dense decomposition in double precision).
#include "engine/json_value.hpp"
#include "engine/recipes.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {

namespace {

constexpr double crosshole_weight = 400.0 * 4225 / 8192;
// Weight of total variation that makes ||r||^2 / 400 + 2 lambda sum |D u| of lambda = 1.
constexpr double tv_weight = 2.0 * 8192 / 4225;

const char crosshole[] = R"({"task": "invert",
  "grid": {"nz": 128, "nx": 64, "dz_m": 1, "dx_m": 1, "x0_m": -0.5, "z0_m": -0.5},
  "physics": {"type": "straight-ray", "kernel": "gaussian", "width_m": 1, "cutoff": 0.1},
  "survey": {"sources": {"type": "line", "x_m": 0, "z_m": [0, 127], "count": 65},
             "receivers": {"type": "line", "x_m": 63, "z_m": [0, 127], "count": 65}},
  "start_model": {"type": "constant", "value_s_per_m": 0.001},
  "checkpoint": {"every_iterations": 200, "keep": 1}})";

struct CrossholeRow {
  const char* name;
  const char* title;
  int study_case;
  const char* config;
  Json reference, limits;
};

// "limits": metric -> [least, most] that the row must keep.
const std::vector<CrossholeRow>& crosshole_rows() {
  static const std::vector<CrossholeRow> rows = {
      {"case-1",
       "block, network on basic encoding (study)",
       1,
       R"({"encoding": "basic", "iterations": 999})",
       {{"rmse", 0.2314}, {"chi2", 0.9628}, {"clean_chi2", 0.0191}, {"iou", 0.992}, {"body_mean", 4.551}},
       {{"rmse", {0, 0.24}}, {"chi2", {0.95, 0.98}}, {"iou", {0.98, 1}}, {"clean_chi2", {0, 0.025}}}},
      {"case-1-raw",
       "block, network on raw coordinates (study)",
       1,
       R"({"encoding": "raw", "iterations": 999})",
       {{"rmse", 0.2544}, {"chi2", 0.9731}, {"clean_chi2", 0.0332}, {"iou", 0.975}, {"body_mean", 4.464}},
       {{"rmse", {0, 0.27}}, {"chi2", {0, 1}}}},
      {"case-2",
       "ellipse in a random medium, network on Gaussian features (study)",
       2,
       R"({"encoding": "gaussian", "iterations": 4499})",
       {{"rmse", 0.5071},
        {"chi2", 0.9286},
        {"clean_chi2", 0.0947},
        {"iou", 0.947},
        {"body_mean", 5.942},
        {"axis_deg", 53.96}},
       {{"chi2", {0, 0.95}}}},
      {"case-2-stop",
       "as case-2, stopped at chi2 1 (ours)",
       2,
       R"({"encoding": "gaussian", "iterations": 4499, "stop": 1.0})",
       {{"rmse", 0.5071}, {"iou", 0.947}, {"axis_deg", 53.96}},
       {{"rmse", {0, 0.55}}, {"iou", {0.91, 1}}, {"axis_deg", {53.26, 59.26}}}},
      {"case-2-raw",
       "ellipse in a random medium, network on raw coordinates (study)",
       2,
       R"({"encoding": "raw", "iterations": 2999})",
       {{"rmse", 0.5725},
        {"chi2", 1.0429},
        {"clean_chi2", 0.1434},
        {"iou", 0.924},
        {"body_mean", 6.114},
        {"axis_deg", 56.04}},
       {{"rmse", {0, 0.60}}}},
      {"case-1-ig-tv",
       "block, sines and grid with total variation (ours)",
       1,
       R"({"ours": true})",
       {{"rmse", 0.1487}, {"iou", 0.994}},
       {{"rmse", {0, 0.1487}}}},
      {"case-2-ig-tv",
       "ellipse, sines and grid with total variation (ours)",
       2,
       R"({"ours": true})",
       {{"rmse", 0.5544}, {"iou", 0.926}},
       {{"rmse", {0, 0.5544}}}},
      {"case-1-conventional",
       "block, descent and smoothing (study's recipe)",
       1,
       R"({"descent": true})",
       {{"rmse", 0.4729}, {"chi2", 0.8432}, {"clean_chi2", 0.0731}, {"iou", 0.884}, {"body_mean", 3.813}},
       {{"rmse", {0.4709, 0.4749}}, {"chi2", {0.84312, 0.84328}}}},
      {"case-2-conventional",
       "ellipse, descent and smoothing (study's recipe)",
       2,
       R"({"descent": true})",
       {{"rmse", 0.8056},
        {"chi2", 0.8808},
        {"clean_chi2", 0.1078},
        {"iou", 0.758},
        {"body_mean", 4.920},
        {"axis_deg", 46.96}},
       {{"rmse", {0.8036, 0.8076}}, {"chi2", {0.88068, 0.88086}}}},
      {"case-1-tv",
       "block, total variation by axes",
       1,
       R"({"tv": true})",
       {{"rmse", 0.1487}, {"chi2", 0.9494}, {"clean_chi2", 0.0134}, {"iou", 0.994}, {"body_mean", 4.686}},
       {{"rmse", {0, 0.1487}}}},
      {"case-2-tv",
       "ellipse, total variation by axes",
       2,
       R"({"tv": true})",
       {{"rmse", 0.5544},
        {"chi2", 0.9728},
        {"clean_chi2", 0.1281},
        {"iou", 0.926},
        {"body_mean", 5.849},
        {"axis_deg", 52.95}},
       {{"rmse", {0, 0.5564}}}},
  };
  return rows;
}

// Network of the study with its encoding; the given initial weights are those of seed 0.
void set_network(const std::string& encoding, int study_case, Json& config) {
  Json field{{"type", "mlp"},
             {"property", "slowness"},
             {"hidden", {encoding == "gaussian" ? 256 : 128, 256, 256, 256, 256, 128}},
             {"activation", {{"type", "leaky-relu"}, {"slope", 0.2}}},
             {"coordinates", study_case == 1 ? "unit" : "per-axis"},
             {"transform", {{"type", "scaled-tanh"}, {"scale", 0.01}}}};
  // The study's inputs are x before z and sines before cosines.
  std::string file = "in2";
  Json columns = {1, 0};
  if (encoding == "basic") {
    field["encoder"] = {{"type", "fourier"}, {"cycles", {1}}};
    file = "in4";
    columns = {3, 2, 1, 0};
  } else if (encoding == "gaussian") {
    field["encoder"] = {
        {"type", "fourier"}, {"file", "nfs_inv/case2_gauss_B.npy"}, {"file_axes", "xz"}, {"centered", true}};
    file = "in256";
    columns = Json::array();
    for (int k = 0; k < 256; ++k) columns.push_back((k + 128) % 256);
  }
  field["initial_weights"] = {{"path", "nfs_inv/init_" + file + "_weights.npz"}, {"columns", columns}};
  config["field"] = field;
}

Recipe crosshole_recipe(const CrossholeRow& row) {
  Recipe r;
  r.study = "nfs-inv";
  r.model = row.study_case == 1 ? "block" : "ellipse";
  r.method = row.name;
  r.title = row.title;
  r.source = "arXiv 2503.17503";
  r.reference = row.reference;
  r.limits = row.limits;
  const std::string data = "nfs_inv/case" + std::to_string(row.study_case);
  Json config = Json::parse(crosshole);
  config["true_model"] = {{"type", "file"}, {"path", data + "_true_slowness.npy"}, {"axes", "xz"}, {"unit", "ms/m"}};
  config["data"] = {{"type", "file"}, {"path", data + "_data_noisy.npy"}, {"unit", "ms"}, {"std", {{"floor_s", 0.02}}}};
  config["score_body"] = {{"threshold_s_per_m", row.study_case == 1 ? 0.003 : 0.0038}};
  const Json own = Json::parse(row.config);
  if (own.contains("encoding")) {
    set_network(own.at("encoding"), row.study_case, config);
    config["misfit"] = {{"type", "chi2"}, {"weight", crosshole_weight}};
    config["optimizer"] = {{"type", "adam"}, {"lr", 1e-3}, {"epsilon", 1e-8}, {"iterations", own.at("iterations")}};
    if (own.contains("schedule")) config["optimizer"]["schedule"] = own.at("schedule");
    if (own.contains("stop")) config["stop"] = {{"chi2", own.at("stop")}};
    if (own.contains("regularizers")) config["regularizers"] = own.at("regularizers");
    config["stop"]["grow_factor"] = 1e6;  // the study's steps spike
    r.other_seeds = {{"field", {{"initial_weights", nullptr}}}};
  } else {
    config["field"] = {{"type", "grid"}, {"property", "slowness"}};
    if (own.contains("ours")) {
      // The functional of the total-variation row; only what represents the model differs.
      config["field"] = {{"type", "ig"},
                         {"property", "slowness"},
                         {"encoder", {{"type", "dense-grid"}, {"levels", 6}, {"growth", 1.6}, {"base_resolution", 8}}},
                         {"transform", {{"type", "scaled-tanh"}, {"scale", 0.01}}}};
      config["misfit"] = {{"type", "chi2"}};
      config["regularizers"] =
          Json::array({{{"type", "tv"}, {"weight", tv_weight}, {"epsilon", 0.01}, {"anisotropic", true}}});
      config["optimizer"] = {{"type", "adam"},
                             {"lr", 3e-3},
                             {"epsilon", 1e-8},
                             {"iterations", 1000},
                             {"schedule", {{"type", "cosine"}, {"min_ratio", 0.01}}}};
      config["stop"] = {{"grow_factor", 1e6}};
    } else if (own.contains("tv")) {
      config["misfit"] = {{"type", "chi2"}};
      config["optimizer"] = {{"type", "gauss-newton"}, {"iterations", 30}};
      config["regularizers"] =
          Json::array({{{"type", "tv"}, {"weight", tv_weight}, {"epsilon", 0.01}, {"anisotropic", true}}});
      config["precision"] = {{"physics", "fp64"}, {"network", "fp64"}};
    } else {
      // Step 0.1 in the study's units; then 1e4 / 8192 times the squares of first differences over 5.
      config["misfit"] = {{"type", "chi2"}, {"weight", crosshole_weight}};
      config["optimizer"] = {{"type", "sgd"}, {"lr", 1e-7}};
      config["stages"] =
          Json::array({{{"iterations", 100}},
                       {{"iterations", 1000},
                        {"regularizers", Json::array({{{"type", "tikhonov"}, {"order", 1}, {"weight", 800}}})}}});
    }
  }
  r.config = config;
  return r;
}

// The 50 leading singular values and left vectors of dm/dtheta at the published weights of the raw fields.
Recipe spectrum_recipe(int study_case) {
  Recipe r = crosshole_recipe(crosshole_rows()[study_case == 1 ? 1 : 4]);
  const std::string file = "nfs_inv/svd_case" + std::to_string(study_case);
  r.method = "svd-" + std::to_string(study_case);
  r.title = std::string(study_case == 1 ? "block" : "ellipse") + ", singular values of the raw field (study)";
  r.reference = Json::object();
  r.limits = {{"value_difference", {0, 1e-6}}, {"vector_cosine", {0.9999, 1.000001}}};
  r.other_seeds = nullptr;
  r.at_start = true;
  r.config["field"]["initial_weights"]["path"] = file + "_weights.npz";
  r.config["analyses"] = Json::array({{{"type", "svd"},
                                       {"k", 50},
                                       {"reference",
                                        {{"values", file + "_singular_values.npy"},
                                         {"vectors", file + "_left_vectors_top10.npy"},
                                         {"axes", "xz"},
                                         {"scale", 1e-3}}}}});
  return r;
}

const std::vector<FieldRow>& travel_field_rows() {
  static const std::vector<FieldRow> rows = {
      {"koenigsee",
       "refraction along a line, 714 picks, errors of 1 ms",
       R"({"task": "invert",
           "physics": {"type": "eikonal", "order": 2, "surface": "sensors"},
           "data": {"type": "file", "path": "traveltime/koenigsee_refraction/koenigsee.sgt", "std": {"floor_s": 0.001}},
           "start_model": {"type": "gradient", "top_mps": 400, "bottom_mps": 3000},
           "field": {"type": "siren", "width": 64, "layers": 3, "omega_0": 8, "transform": {"type": "exp", "scale": 1}},
           "misfit": {"type": "chi2"}, "optimizer": {"type": "adam", "lr": 1e-3, "iterations": 400},
           "stop": {"chi2": 1.0}})",
       Json::object(),
       {{"chi2", {0.8, 1.1}}}},
      {"crosshole",
       "between two boreholes, 100 picks with the errors of the file",
       R"({"task": "invert",
           "physics": {"type": "eikonal", "order": 2},
           "data": {"type": "file", "path": "traveltime/transform2021_crosshole/traveltime.dat", "second_axis": "elevation"},
           "start_model": {"type": "constant", "value_mps": 650},
           "field": {"type": "siren", "width": 64, "layers": 3, "omega_0": 8, "transform": {"type": "exp", "scale": 1}},
           "misfit": {"type": "chi2"}, "optimizer": {"type": "adam", "lr": 1e-3, "iterations": 2500},
           "stop": {"chi2": 1.0, "grow_factor": 1000}})",
       Json::object(),
       {{"chi2", {0.8, 1.1}}}},
      {"ust-ring",
       "ring of 256 transducers around a phantom, 17,232 measured differences to water",
       R"({"task": "invert",
           "grid": {"nz": 150, "nx": 150, "dz_m": 0.0015, "dx_m": 0.0015, "x0_m": -0.1125, "z0_m": -0.1125},
           "physics": {"type": "straight-ray"},
           "survey": {"sources": {"type": "file", "path": "ultrasound/open_ust_element_positions.npy"},
                      "receivers": {"type": "file", "path": "ultrasound/open_ust_element_positions.npy"}},
           "data": {"type": "file", "path": "ultrasound/open_ust_delta_tof.npy", "missing": "drop",
                    "relative_to_mps": 1482.46, "std": {"floor_s": 5e-8}},
           "true_model": {"type": "file", "path": "ultrasound/open_ust_true_sound_speed.npy", "property": "vp",
                          "x_m": [-0.076, 0.076], "z_m": [-0.076, 0.076], "outside_mps": 1482.46},
           "start_model": {"type": "constant", "value_mps": 1482.46},
           "field": {"type": "siren", "width": 64, "layers": 3, "omega_0": 8,
                     "transform": {"type": "perturb", "scale_mps": 30}},
           "misfit": {"type": "huber", "delta": 0.5, "normalize": "std"},
           "optimizer": {"type": "adam", "lr": 1e-3, "iterations": 300, "schedule": {"type": "cosine", "min_ratio": 0.01}},
           "score_region": {"type": "disc", "x_m": 0, "z_m": 0, "radius_m": 0.049}})",
       Json::object(),
       {{"region_correlation", {0.88, 1}}}},
  };
  return rows;
}

}  // namespace

std::vector<std::string> travel_recipe_names() {
  std::vector<std::string> names;
  for (const CrossholeRow& row : crosshole_rows()) names.push_back("nfs-inv/" + std::string(row.name));
  for (const int study_case : {1, 2}) names.push_back("nfs-inv/svd-" + std::to_string(study_case));
  for (const FieldRow& row : travel_field_rows()) names.push_back("fields/" + std::string(row.name));
  return names;
}

Recipe travel_recipe(const std::string& name) {
  Recipe r;
  for (const CrossholeRow& row : crosshole_rows()) {
    if (name == "nfs-inv/" + std::string(row.name)) r = crosshole_recipe(row);
  }
  for (const int study_case : {1, 2}) {
    if (name == "nfs-inv/svd-" + std::to_string(study_case)) r = spectrum_recipe(study_case);
  }
  for (const FieldRow& row : travel_field_rows()) {
    if (name == "fields/" + std::string(row.name)) r = field_recipe(row);
  }
  name_recipe(name, r);
  return r;
}

}  // namespace terrane
