// SPDX-License-Identifier: MIT
// Rebuilds the input of a report from the files of an output directory.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "engine/figure.hpp"
#include "engine/io/file.hpp"
#include "engine/json_value.hpp"
#include "engine/problem.hpp"
#include "engine/report.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

namespace fs = std::filesystem;

constexpr Index shown_gathers = 3;

class Loader {
 public:
  explicit Loader(ReportInput& input) : in_(input) {}

  Json json(const std::string& name) {
    Json value;
    attempt(name, [&] { value = Json::parse(read_file(path(name))); });
    return value;
  }
  // (nz, nx); of an array (nz, ny, nx) the section in the middle of y, the whole in `volume`.
  NdArray<float> map(const std::string& name, NdArray<float>* volume = nullptr) {
    NdArray<float> a;
    attempt(name, [&] {
      a = read_npy<float>(path(name));
      const bool whole = a.shape.size() == 3;
      if ((!whole && a.shape.size() != 2) || a.values.empty()) {
        a = {};
        throw Error(ErrorCode::data, "only maps of shape (nz, nx) or (nz, ny, nx) are drawn", name);
      }
      if (!whole) return;
      NdArray<float> section{{a.shape[0], a.shape[2]}, {}};
      for (Index z = 0; z < a.shape[0]; ++z) {
        const auto row = a.values.begin() + (z * a.shape[1] + a.shape[1] / 2) * a.shape[2];
        section.values.insert(section.values.end(), row, row + a.shape[2]);
      }
      if (volume != nullptr) *volume = std::move(a);
      a = std::move(section);
    });
    return a;
  }
  // Files whose name begins with `prefix` and ends with .npy, sorted.
  std::vector<std::string> names(const std::string& prefix) {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(in_.directory)) {
      const std::string name = entry.path().filename().string();
      if (name.rfind(prefix, 0) == 0 && name.size() > 4 && name.substr(name.size() - 4) == ".npy")
        found.push_back(name);
    }
    std::sort(found.begin(), found.end());
    return found;
  }
  template <class F>
  void attempt(const std::string& name, F read) {
    if (!fs::exists(path(name))) return;
    try {
      read();
    } catch (const Error& e) {
      damaged_.push_back(name + " is not shown: " + e.message());
    } catch (const Json::exception& e) {
      damaged_.push_back(name + " is not shown: " + e.what());
    }
  }
  std::string path(const std::string& name) const { return in_.directory + "/" + name; }
  const std::vector<std::string>& damaged() const { return damaged_; }

 private:
  ReportInput& in_;
  std::vector<std::string> damaged_;
};

double number(const Json& object, const char* key, double fallback = unknown) {
  if (!object.is_object()) return fallback;
  const auto it = object.find(key);
  return it != object.end() && it->is_number() ? it->get<double>() : fallback;
}

const Json& child(const Json& object, const char* key) {
  static const Json none;
  if (!object.is_object()) return none;
  const auto it = object.find(key);
  return it == object.end() ? none : *it;
}

std::vector<ProgressPoint> read_progress(const std::string& path) {
  std::vector<ProgressPoint> points;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const Json row = Json::parse(line, nullptr, false);  // a killed run may leave half a line
    if (!row.is_object() || !row.contains("iteration")) continue;
    ProgressPoint p;
    p.iteration = static_cast<Index>(number(row, "iteration", 0));
    p.stage = static_cast<Index>(number(row, "stage", 0));
    p.phi = number(row, "phi", number(row, "phi_data"));
    p.model_error = unknown;
    for (const char* key : {"model_rmse_mps", "model_rmse_s_per_m", "model_rmse_log10"}) {
      if (!std::isfinite(p.model_error)) p.model_error = number(row, key);
    }
    if (!std::isfinite(p.model_error)) p.model_error = number(child(row, "model_error"), "rmse_mps");
    p.elapsed_s = number(row, "elapsed_s", 0);
    // A resumed run repeats iterations after its checkpoint: the later line counts.
    while (!points.empty() && points.back().iteration >= p.iteration) points.pop_back();
    points.push_back(p);
  }
  return points;
}

// Coordinates along one axis of a resolved position list: a number, [from, to] of a line, or a list.
std::vector<double> coordinates(const Json& value, Index count, bool line) {
  std::vector<double> out;
  if (value.is_number()) return std::vector<double>(static_cast<std::size_t>(count), value.get<double>());
  if (!value.is_array() || value.empty() || !value[0].is_number()) return out;
  if (line && value.size() == 2 && value[1].is_number()) {
    const double a = value[0].get<double>(), b = value[1].get<double>();
    for (Index i = 0; i < count; ++i) {
      out.push_back(count > 1 ? a + (b - a) * static_cast<double>(i) / static_cast<double>(count - 1) : a);
    }
    return out;
  }
  for (const Json& v : value) out.push_back(v.is_number() ? v.get<double>() : unknown);
  if (out.size() == 1) out.assign(static_cast<std::size_t>(count), out[0]);
  return out;
}

std::vector<Point> read_sources(const Json& sources) {
  const bool line = child(sources, "type") == "line";
  const Json& xs = child(sources, "x_m");
  auto count = static_cast<Index>(number(sources, "count", xs.is_array() ? static_cast<double>(xs.size()) : 1));
  count = std::clamp<Index>(count, 0, 100000);
  const std::vector<double> x = coordinates(xs, count, line), z = coordinates(child(sources, "z_m"), count, line);
  std::vector<Point> out;
  for (std::size_t i = 0; i < std::min(x.size(), z.size()); ++i) out.push_back({x[i], z[i]});
  return out;
}

// Shape (shot, receiver, time) of a data file; a single shot may come without its axis. Empty: not drawable.
std::vector<Index> data_shape(Loader& loader, const std::string& name) {
  std::vector<Index> shape;
  loader.attempt(name, [&] {
    const NpyInfo info = npy_info(loader.path(name));
    if (info.shape.size() < 2 || info.shape.size() > 3 || info.count == 0) {
      throw Error(ErrorCode::data, "only data of shape (shot, receiver, time) are drawn", name);
    }
    shape = info.shape;
    if (shape.size() == 2) shape.insert(shape.begin(), 1);
  });
  return shape;
}

NdArray<float> one_shot(Loader& loader, const std::string& name, const std::vector<Index>& shape, Index shot) {
  NdArray<float> gather;
  if (shape.empty()) return gather;
  loader.attempt(name, [&] {
    const bool single = npy_info(loader.path(name)).shape.size() == 2;
    gather = single ? read_npy<float>(loader.path(name)) : read_npy_part<float>(loader.path(name), shot, 1);
    gather.shape = {shape[1], shape[2]};
  });
  return gather;
}

// The receivers of the line whose y is nearest to that of the source, by x: rows of `gather` (receiver, time).
NdArray<float> line_of(const NdArray<float>& gather, const std::vector<Point3>& receivers, double y_m) {
  if (gather.values.empty() || gather.shape[0] != static_cast<Index>(receivers.size())) return gather;
  std::vector<Index> line;
  for (Index r = 0; r < gather.shape[0]; ++r) {
    if (receivers[static_cast<std::size_t>(r)].y_m == y_m) line.push_back(r);
  }
  std::stable_sort(line.begin(), line.end(), [&](Index a, Index b) {
    return receivers[static_cast<std::size_t>(a)].x_m < receivers[static_cast<std::size_t>(b)].x_m;
  });
  NdArray<float> out{{static_cast<Index>(line.size()), gather.shape[1]}, {}};
  for (const Index r : line) {
    const auto trace = gather.values.begin() + r * gather.shape[1];
    out.values.insert(out.values.end(), trace, trace + gather.shape[1]);
  }
  return out;
}

void keep_one_line(const ReportInput& in, ShotGather& g) {
  if (g.shot >= static_cast<Index>(in.source_points.size()) || in.receiver_points.empty()) return;
  g.source_y_m = in.source_points[static_cast<std::size_t>(g.shot)].y_m;
  const auto nearest =
      std::min_element(in.receiver_points.begin(), in.receiver_points.end(), [&](const Point3& a, const Point3& b) {
        return std::fabs(a.y_m - g.source_y_m) < std::fabs(b.y_m - g.source_y_m);
      });
  g.receivers_y_m = nearest->y_m;
  g.observed = line_of(g.observed, in.receiver_points, g.receivers_y_m);
  g.predicted = line_of(g.predicted, in.receiver_points, g.receivers_y_m);
}

// Of several bands the last is the one that the final model was fitted to.
void read_gathers(Loader& loader, ReportInput& in) {
  const auto last = [&](const char* prefix) {
    const std::vector<std::string> names = loader.names(prefix);
    return names.empty() ? std::string() : names.back();
  };
  const std::string observed = last("data_observed"), predicted = last("data_predicted");
  std::vector<Index> o, p;
  if (!observed.empty()) o = data_shape(loader, observed);
  if (!predicted.empty()) p = data_shape(loader, predicted);
  if (!o.empty() && o != p) p.clear();
  const std::vector<Index>& any = o.empty() ? p : o;
  if (any.empty()) return;
  in.shots = any[0];
  for (Index k = 0; k < shown_gathers && (in.shots > shown_gathers || k < in.shots); ++k) {
    ShotGather g;
    g.shot = in.shots <= shown_gathers ? k : (in.shots - 1) * k / (shown_gathers - 1);
    g.source_x_m =
        g.shot < static_cast<Index>(in.sources.size()) ? in.sources[static_cast<std::size_t>(g.shot)].x : unknown;
    g.observed = one_shot(loader, observed, o, g.shot);
    g.predicted = one_shot(loader, predicted, p, g.shot);
    keep_one_line(in, g);
    if (!g.observed.values.empty() || !g.predicted.values.empty()) in.gathers.push_back(std::move(g));
  }
}

// One value a datum, with the geometry beside it.
void read_times(Loader& loader, ReportInput& in) {
  in.geometry = loader.map("data_geometry.npy");
  if (in.geometry.shape.empty() ||
      (in.geometry.shape[1] != 4 && in.geometry.shape[1] != 8 && in.geometry.shape[1] != 12)) {
    in.geometry = {};
    return;
  }
  const auto times = [&](const char* name) {
    std::vector<float> t;
    loader.attempt(name, [&] {
      t = read_npy<float>(loader.path(name)).values;
      if (static_cast<Index>(t.size()) == in.geometry.shape[0]) return;
      t.clear();
      throw Error(ErrorCode::data, "it has another number of data than data_geometry.npy", name);
    });
    return t;
  };
  in.rays = loader.map("rays.npy");
  if (!in.rays.shape.empty() && in.rays.shape[1] != 3) in.rays = {};
  in.data_observed = times("data_observed.npy");
  in.data_predicted = times("data_predicted.npy");
  in.data_std = times("data_std.npy");
  // Sources of travel times, electrodes of voltages.
  const Index places = in.resistivity() ? 4 : 1, step = in.geometry.shape[1], axes = step / 4 == 3 ? 3 : 2;
  for (Index i = 0; i < in.geometry.shape[0]; ++i) {
    for (Index e = 0; e < places; ++e) {
      const auto k = static_cast<std::size_t>(step * i + axes * e);
      const auto at = [&](Index axis) {
        return static_cast<double>(in.geometry.values[k + static_cast<std::size_t>(axis)]);
      };
      const Point3 p{at(0), at(axes - 1), axes == 3 ? at(1) : 0};
      if (!std::isfinite(p.x_m)) continue;
      if (std::find(in.source_points.begin(), in.source_points.end(), p) != in.source_points.end()) continue;
      in.source_points.push_back(p);
      in.sources.push_back({p.x_m, p.z_m});
    }
  }
  if (axes == 2) in.source_points.clear();
}

// Slowness is shown in s/km, conductivity and resistivity as decades.
void use_display_unit(ReportInput& in) {
  if (in.unit == "S/m" || in.unit == "ohm m") {
    for (NdArray<float>* m : {&in.true_model, &in.start_model, &in.reference_model, &in.model, &in.true_volume,
                              &in.start_volume, &in.volume}) {
      for (float& v : m->values) v = std::log10(v);
    }
    in.property = "log10 " + std::string(in.unit == "S/m" ? "conductivity" : "resistivity");
    in.error_unit = "decades";
    return;
  }
  if (in.unit != "s/m") return;
  in.unit = "s/km";
  for (NdArray<float>* m : {&in.true_model, &in.start_model, &in.reference_model, &in.model, &in.true_volume,
                            &in.start_volume, &in.volume}) {
    for (float& v : m->values) v *= 1000;
  }
  for (ProgressPoint& p : in.progress) p.model_error *= 1000;
}

void read_geometry(const Json& sidecar, ReportInput& in) {
  const Json& grid = child(in.resolved, "grid");
  // axis: 0 z, 1 y, 2 x
  const auto along = [&](const char* key, int axis, double fallback) {
    const Json& v = child(sidecar, key);
    if (!v.is_array() || v.size() < 2 || v.size() > 3 || (axis == 1 && v.size() == 2)) return fallback;
    const Json& value = v[axis == 2 ? v.size() - 1 : static_cast<std::size_t>(axis)];
    return value.is_number() ? value.get<double>() : fallback;
  };
  in.dz_m = along("spacing_m", 0, number(grid, "dz_m", 1));
  in.dy_m = along("spacing_m", 1, number(grid, "dy_m", 1));
  in.dx_m = along("spacing_m", 2, number(grid, "dx_m", 1));
  in.z0_m = along("origin_m", 0, number(grid, "z0_m", 0));
  in.y0_m = along("origin_m", 1, number(grid, "y0_m", 0));
  in.x0_m = along("origin_m", 2, number(grid, "x0_m", 0));
  const Json& property = child(sidecar, "property");
  const Json& unit = child(sidecar, "unit");
  if (property.is_string()) in.property = property.get<std::string>();
  if (unit.is_string()) in.unit = unit.get<std::string>();
  if (!(in.dz_m > 0)) in.dz_m = 1;
  if (!(in.dx_m > 0)) in.dx_m = 1;
  if (!(in.dy_m > 0)) in.dy_m = 1;
}

// Maps of another shape than the recovered model cannot be compared with it.
void drop_mismatched(ReportInput& in, std::vector<std::string>& notes) {
  const std::vector<Index>& shape = in.model.shape;
  const auto check = [&](NdArray<float>& a, const char* name) {
    if (shape.empty() || a.shape.empty() || a.shape == shape) return;
    notes.push_back(std::string(name) + " is not shown: its shape " + shape_text(a.shape) +
                    " is not that of model.npy");
    a = {};
  };
  check(in.true_model, "true_model.npy");
  check(in.start_model, "start_model.npy");
  check(in.reference_model, "reference_model.npy");
  check(in.gradient_first, "gradient_first.npy");
  check(in.coverage, "coverage.npy");
  check(in.chargeability, "chargeability.npy");
  for (NdArray<float>* v : {&in.true_volume, &in.start_volume}) {
    if (!in.volume.shape.empty() && v->shape != in.volume.shape) *v = {};
  }
}

// Places of a run in three dimensions; a list of positions may stand in a file that is gone.
void read_volume(Loader& loader, ReportInput& in) {
  loader.attempt("resolved.json", [&] {
    const Grid3 grid = build_grid(in.resolved.at("grid"));
    in.source_points = positions_of(in.resolved.at("survey").at("sources"), grid);
    in.receiver_points = positions_of(in.resolved.at("survey").at("receivers"), grid);
    in.sources.clear();
    for (const Point3& p : in.source_points) in.sources.push_back({p.x_m, p.z_m});
  });
}

}  // namespace

ReportInput load_report_input(const std::string& directory) {
  if (!fs::is_directory(directory)) throw Error(ErrorCode::data, "this is not an output directory", directory);
  ReportInput in;
  in.directory = directory;
  Loader loader(in);
  in.result = loader.json("result.json");
  in.resolved = loader.json("resolved.json");
  in.model = loader.map("model.npy", &in.volume);
  in.true_model = loader.map("true_model.npy", &in.true_volume);
  in.start_model = loader.map("start_model.npy", &in.start_volume);
  in.reference_model = loader.map("reference_model.npy");
  in.gradient_first = loader.map("gradient_first.npy");
  read_geometry(loader.json("model.json"), in);
  const Json& survey = child(in.resolved, "survey");
  in.dt_s = number(survey, "dt_s", 0);
  in.coverage = loader.map("coverage.npy");
  in.chargeability = loader.map("chargeability.npy");
  if (in.three_dimensional()) {
    const NdArray<float>& any = in.volume.shape.empty() ? in.true_volume : in.volume;
    in.section_y_m = in.y0_m + static_cast<double>(any.shape[1] / 2) * in.dy_m;
  }
  if (fs::exists(loader.path("data_geometry.npy"))) {
    read_times(loader, in);
  } else {
    in.sources = read_sources(child(survey, "sources"));
    if (in.three_dimensional()) read_volume(loader, in);
    read_gathers(loader, in);
  }
  in.progress = read_progress(directory + "/progress.jsonl");
  use_display_unit(in);
  const Json& name = child(in.resolved.is_object() ? in.resolved : in.result, "name");
  in.name = name.is_string() ? name.get<std::string>() : fs::path(directory).lexically_normal().filename().string();
  if (in.model.shape.empty() && in.gathers.empty() && !in.result.is_object()) {
    throw Error(ErrorCode::data, "neither model.npy, data nor result.json is here; give the --out of a run", directory);
  }
  std::vector<std::string> notes = loader.damaged();
  drop_mismatched(in, notes);
  if (!notes.empty()) {
    if (!in.result.is_object()) in.result = Json::object();
    if (!child(in.result, "warnings").is_array()) in.result["warnings"] = Json::array();
    for (const std::string& note : notes) in.result["warnings"].push_back(note);
  }
  return in;
}

}  // namespace terrane
