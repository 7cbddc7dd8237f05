// SPDX-License-Identifier: MIT
#include "engine/output.hpp"

#include <chrono>
#include <cmath>
#include <filesystem>
#include <sstream>

#include "analysis/metrics.hpp"
#include "engine/io/npy.hpp"
#include "engine/json.hpp"

namespace terrane {

namespace fs = std::filesystem;

bool holds_run(const std::string& path) {
  for (const char* name : {"resolved.json", "result.json", "progress.jsonl", "checkpoint"}) {
    std::error_code ignored;
    if (fs::exists(path + "/" + name, ignored)) return true;
  }
  return false;
}

OutputDirectory::OutputDirectory(std::string path, bool overwrite, bool continuing) : path_(std::move(path)) {
  if (!overwrite && !continuing && holds_run(path_)) {
    throw Error(ErrorCode::config,
                path_ + " already holds a run; choose another --out, or add --overwrite or --resume");
  }
  make_directories(path_);
  lock_.emplace(path_);
  if (continuing) return;
  for (const char* name :
       {"resolved.json",  "result.json",       "progress.jsonl",    "checkpoint",          "report.html",
        "figures",        "model.npy",         "model.json",        "start_model.npy",     "start_model.json",
        "true_model.npy", "true_model.json",   "data_observed.npy", "data_predicted.npy",  "gradient_first.npy",
        "coverage.npy",   "data_geometry.npy", "rays.npy",          "weights.safetensors", "log.txt"}) {
    remove(name);
  }
}

void OutputDirectory::write_json(const std::string& name, const Json& value) const {
  write_file_atomic(file(name), value.dump(2) + "\n");
}

void OutputDirectory::write_model(const std::string& name, const std::vector<double>& values,
                                  const Problem& problem) const {
  const Grid2& grid = problem.grid;
  const std::vector<float> single(values.begin(), values.end());
  write_npy(file(name + ".npy"), {grid.nz, grid.nx}, single.data());
  write_json(name + ".json", {{"property", problem.property->name},
                              {"unit", problem.property->unit()},
                              {"spacing_m", {grid.dz_m, grid.dx_m}},
                              {"origin_m", {grid.z0_m, grid.x0_m}},
                              {"axes", "zx"}});
}

void OutputDirectory::write_data(const std::string& name, const std::vector<double>& values,
                                 const std::vector<Index>& shape) const {
  const std::vector<float> single(values.begin(), values.end());
  write_npy(file(name), shape, single.data());
}

void OutputDirectory::remove(const std::string& name) const {
  std::error_code ignored;
  fs::remove_all(file(name), ignored);
}

ProgressFile::ProgressFile(const std::string& path, Index keep_before) : path_(path) {
  std::string kept;
  if (std::ifstream in(path); in && keep_before > 0) {
    for (std::string line; std::getline(in, line);) {
      const Json row = Json::parse(line, nullptr, false);
      // A line cut by a kill is not JSON; it belongs to an iteration that is done again.
      if (!row.is_object() || !row.contains("iteration") || row.at("iteration").get<Index>() >= keep_before) continue;
      kept += line + "\n";
    }
  }
  write_file_atomic(path, kept);
  out_.open(path, std::ios::app);
  if (!out_) throw Error(ErrorCode::failed, "progress cannot be written; make the directory writable", path);
}

void ProgressFile::append(const Json& line) {
  out_ << line.dump() << "\n" << std::flush;
  if (!out_)
    throw Error(ErrorCode::failed, "progress cannot be written; free some space on the disk and resume", path_);
}

Json model_errors(const std::vector<double>& model, const Problem& problem) {
  const std::vector<double>& truth = problem.true_model;
  const Grid2& grid = problem.grid;
  const PropertyInfo& p = *problem.property;
  const std::span<const double> a(model), t(truth);
  const double m = mse(a, t);
  const auto [lo, hi] = std::minmax_element(truth.begin(), truth.end());
  Json errors{{"property", p.name}};
  if (p.quantity == Quantity::velocity) errors["mse_km2_s2"] = number_or_null(m * 1e-6);
  errors["mae" + p.suffix()] = number_or_null(mae(a, t));
  errors["rmse" + p.suffix()] = number_or_null(std::sqrt(m));
  errors["relative_l2"] = number_or_null(relative_l2(a, t));
  errors["ssim"] = {{"minmax", number_or_null(ssim_minmax(a, t, grid.nz, grid.nx))}};
  if (p.quantity == Quantity::velocity)
    errors["ssim"]["openfwi"] = number_or_null(ssim_openfwi(a, t, grid.nz, grid.nx));
  errors["ssim"]["skimage"] = number_or_null(ssim_skimage(a, t, grid.nz, grid.nx, *hi > *lo ? *hi - *lo : 1.0));
  return errors;
}

namespace {

// Nodes of the largest part of `inside` that is connected through the four neighbours.
std::vector<Index> largest_part(const std::vector<char>& inside, const Grid2& g) {
  std::vector<Index> best;
  std::vector<char> seen(inside.size(), 0);
  for (Index first = 0; first < g.cells(); ++first) {
    if (inside[static_cast<std::size_t>(first)] == 0 || seen[static_cast<std::size_t>(first)] != 0) continue;
    std::vector<Index> part{first};
    seen[static_cast<std::size_t>(first)] = 1;
    for (std::size_t k = 0; k < part.size(); ++k) {
      const Index z = part[k] / g.nx, x = part[k] % g.nx;
      const Index next[4] = {z > 0 ? part[k] - g.nx : -1, z + 1 < g.nz ? part[k] + g.nx : -1, x > 0 ? part[k] - 1 : -1,
                             x + 1 < g.nx ? part[k] + 1 : -1};
      for (const Index n : next) {
        if (n < 0 || inside[static_cast<std::size_t>(n)] == 0 || seen[static_cast<std::size_t>(n)] != 0) continue;
        seen[static_cast<std::size_t>(n)] = 1;
        part.push_back(n);
      }
    }
    if (part.size() > best.size()) best = part;
  }
  return best;
}

// Degrees in [0, 180) from +x towards +z of the longest axis of the nodes.
double principal_axis_deg(const std::vector<Index>& nodes, const Grid2& g) {
  double n = 0, sx = 0, sz = 0, sxx = 0, szz = 0, sxz = 0;
  for (const Index k : nodes) {
    const double x = static_cast<double>(k % g.nx) * g.dx_m, z = static_cast<double>(k / g.nx) * g.dz_m;
    n += 1, sx += x, sz += z, sxx += x * x, szz += z * z, sxz += x * z;
  }
  const double a = sxx / n - sx * sx / n / n, b = szz / n - sz * sz / n / n, c = sxz / n - sx * sz / n / n;
  const double angle = 0.5 * std::atan2(2 * c, a - b) * 180 / 3.14159265358979323846;
  return angle < 0 ? angle + 180 : angle;
}

}  // namespace

Json body_errors(const std::vector<double>& model, double threshold, const Problem& problem) {
  std::vector<char> found, true_body;
  double both = 0, either = 0, inside = 0, mean = 0;
  for (std::size_t i = 0; i < model.size(); ++i) {
    found.push_back(model[i] > threshold ? 1 : 0);
    true_body.push_back(problem.true_model[i] > threshold ? 1 : 0);
    both += found[i] * true_body[i];
    either += found[i] | true_body[i];
    inside += true_body[i];
    mean += true_body[i] * model[i];
  }
  const auto axis = [&](const std::vector<char>& body) {
    const auto part = largest_part(body, problem.grid);
    return part.size() < 2 ? Json(nullptr) : number_or_null(principal_axis_deg(part, problem.grid));
  };
  return {{"threshold" + problem.property->suffix(), threshold},
          {"iou", number_or_null(both / either)},
          {"mean" + problem.property->suffix(), number_or_null(mean / inside)},
          {"axis_deg", axis(found)},
          {"true_axis_deg", axis(true_body)}};
}

double now_s() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

namespace {
Index status_bytes(const std::string& key) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind(key + ":", 0) == 0) return std::stoll(line.substr(key.size() + 1)) * 1024;
  }
  return 0;
}
}  // namespace

Index resident_bytes() { return status_bytes("VmRSS"); }
Index peak_resident_bytes() { return status_bytes("VmHWM"); }

}  // namespace terrane
