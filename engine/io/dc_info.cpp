// SPDX-License-Identifier: MIT
#include "engine/io/dc_info.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "engine/io/dc_check.hpp"
#include "engine/io/dc_data.hpp"
#include "engine/io/text_rows.hpp"
#include "engine/io/ubc_model.hpp"
#include "engine/json_value.hpp"
#include "engine/median.hpp"
#include "kernels/runtime/error.hpp"
#include "physics/resistivity/dc_geometry.hpp"

namespace terrane {
namespace {

std::vector<double> finite(std::vector<double> values) {
  std::erase_if(values, [](double v) { return !std::isfinite(v); });
  return values;
}

Json median(const std::vector<double>& all) {
  const std::vector<double> values = finite(all);
  return values.empty() ? Json(nullptr) : Json(median_of(values));
}

// Distances between neighbours in the order of x, then z.
std::vector<double> spacings(std::vector<Point3> points) {
  std::sort(points.begin(), points.end(),
            [](const Point3& a, const Point3& b) { return a.x_m != b.x_m ? a.x_m < b.x_m : a.z_m < b.z_m; });
  std::vector<double> out;
  for (std::size_t i = 1; i < points.size(); ++i) {
    out.push_back(std::hypot(points[i].x_m - points[i - 1].x_m, points[i].z_m - points[i - 1].z_m));
  }
  return out;
}

// Distance of each electrode to the nearest other one.
std::vector<double> nearest_distances(const std::vector<Point3>& points) {
  std::vector<double> out;
  for (const Point3& p : points) {
    double nearest = INFINITY;
    for (const Point3& q : points) {
      const double d = std::hypot(p.x_m - q.x_m, p.y_m - q.y_m, p.z_m - q.z_m);
      if (d > 0) nearest = std::min(nearest, d);
    }
    out.push_back(nearest);
  }
  return out;
}

std::vector<double> lengths(const DcSurvey& survey) {
  std::vector<double> out;
  for (const DcDatum& d : survey.data) {
    double length = 0;
    for (const Index i : {d.a, d.b, d.m, d.n}) {
      for (const Index j : {d.a, d.b, d.m, d.n}) {
        if (i < 0 || j < 0) continue;
        const Point3 &p = survey.electrodes[static_cast<std::size_t>(i)],
                     &q = survey.electrodes[static_cast<std::size_t>(j)];
        const double along = std::hypot(p.x_m - q.x_m, p.z_m - q.z_m);
        length = std::max(length, p.y_m == q.y_m ? along : std::hypot(along, p.y_m - q.y_m));
      }
    }
    out.push_back(length);
  }
  return out;
}

void survey_facts(const DcObservations& obs, Json& out) {
  const bool volume = obs.dimensions == 3;
  std::vector<double> x, y, z;
  for (const Point3& p : obs.survey.electrodes) x.push_back(p.x_m), y.push_back(p.y_m), z.push_back(p.z_m);
  out["dimensions"] = obs.dimensions;
  out["electrodes"] = obs.survey.electrodes.size();
  out["data"] = obs.survey.size();
  out["x_m"] = finite_range(x);
  if (volume) out["y_m"] = finite_range(y);
  out["z_m"] = finite_range(z);
  out["electrode_spacing_m"] =
      finite_range(volume ? nearest_distances(obs.survey.electrodes) : spacings(obs.survey.electrodes));
  out["array_length_m"] = finite_range(lengths(obs.survey));
  const std::vector<double> depth = electrode_depths_m(obs);
  if (volume) return;  // names of arrays are for electrodes along a line
  std::map<std::string, Index> arrays;
  for (const DcArray a : dc_arrays(obs.survey, depth)) ++arrays[to_string(a)];
  out["arrays"] = arrays;
  std::vector<double> below;
  for (const DcDatum& d : obs.survey.data) below.push_back(median_depth_m(obs.survey, d));
  if (std::all_of(depth.begin(), depth.end(), [](double d) { return d == 0; }))
    out["pseudo_depth_m"] = finite_range(below);
  if (!obs.topography.empty()) out["topography_points"] = obs.topography.size();
}

void value_facts(const DcObservations& obs, Json& out, Json& suspicious) {
  if (!obs.ip.empty()) {
    out["chargeability"] = finite_range(obs.ip);
    out["chargeability_unit"] = obs.ip_unit.empty() ? Json(nullptr) : Json(obs.ip_unit);
  }
  if (obs.volt.empty()) return;
  const std::vector<double> rhoa = apparent_resistivity(obs);
  out["volt_per_ampere"] = finite_range(obs.volt);
  out["apparent_resistivity_ohm_m"] = finite_range(rhoa);
  out["median_apparent_resistivity_ohm_m"] = median(rhoa);
  std::vector<double> relative;
  for (std::size_t i = 0; i < obs.std.size(); ++i) relative.push_back(obs.std[i] / std::fabs(obs.volt[i]));
  out["relative_std"] = finite_range(relative);
  if (!obs.std.empty()) out["median_relative_std"] = median(relative);
  DcCheckOptions options;
  options.need_std = false;
  const DcCheck check = check_dc_data(obs, options);
  out["reciprocal_pairs"] = check.reciprocals.size();
  if (!check.reciprocals.empty()) out["median_reciprocal_error"] = check.median_reciprocal;
  std::map<std::string, std::pair<Index, std::string>> problems;  // how many, the first
  for (const DcIssue& issue : check.issues) {
    auto& [count, first] = problems[to_string(issue.problem)];
    if (count++ == 0) first = issue.text;
  }
  for (const auto& [name, found] : problems) {
    suspicious.push_back(counted(found.first, "datum") + ": " + name + "; first: " + found.second);
  }
  const Json middle = median(rhoa);
  if (middle.is_number() && std::fabs(middle.get<double>()) > 1e5) {
    suspicious.push_back(
        "half of the apparent resistivities are above 1e5 ohm m: are these voltages for 1 A, or "
        "chargeabilities?");
  }
}

Json survey_info(std::string_view bytes, const std::string& path, const std::string& format) {
  Json out = {{"format", format}}, suspicious = Json::array();
  dc_facts(bytes, path, out, suspicious);
  out["suspicious"] = suspicious;
  return out;
}

Json mesh_info(const TensorMesh& mesh) {
  const auto widths = [](const std::vector<double>& nodes) {
    std::vector<double> out;
    for (std::size_t i = 1; i < nodes.size(); ++i) out.push_back(nodes[i] - nodes[i - 1]);
    return out;
  };
  return {{"format", "ubc-mesh-2d"},
          {"cells", {mesh.nz(), mesh.nx()}},
          {"axes", "zx"},
          {"x_m", finite_range(mesh.x_m)},
          {"z_m", finite_range(mesh.z_m)},
          {"width_m", finite_range(widths(mesh.x_m))},
          {"height_m", finite_range(widths(mesh.z_m))},
          {"suspicious", Json::array()}};
}

// null: no 3-D mesh.
Json mesh_3d_info(std::string_view bytes, const std::string& path) {
  const TextRows head(bytes.substr(0, 1 << 12), path, "!");
  Index n = 0;
  const auto counts = [&](const TextRow& row) {
    return row.tokens.size() == 3 && std::all_of(row.tokens.begin(), row.tokens.end(),
                                                 [&](std::string_view t) { return whole_number(t, n) && n > 0; });
  };
  if (head.rows.size() < 3 || !counts(head.rows[0]) || head.rows[1].tokens.size() != 3) return nullptr;
  try {
    const TensorMesh3 mesh = parse_ubc_mesh_3d(bytes, path);
    return {{"format", "ubc-mesh-3d"},
            {"cells", {mesh.nz(), mesh.ny(), mesh.nx()}},
            {"axes", "zyx"},
            {"x_m", finite_range(mesh.x_m)},
            {"y_m", finite_range(mesh.y_m)},
            {"z_m", finite_range(mesh.z_m)},
            {"suspicious", Json::array()}};
  } catch (const Error&) {
    return nullptr;
  }
}

Json model_info(const UbcModel2& model) {
  return {{"format", "ubc-model-2d"},
          {"cells", {model.nz, model.nx}},
          {"axes", "zx"},
          {"values", finite_range(model.values)},
          {"median", median(model.values)},
          {"suspicious", Json::array()}};
}

// Two columns of numbers, the first increasing.
Json topography_info(std::string_view bytes, const std::string& path) {
  try {
    const std::vector<Point3> points = parse_topography(bytes, path);
    if (points.size() < 3) return nullptr;
    std::vector<double> x, up;
    for (const Point3& p : points) x.push_back(p.x_m), up.push_back(-p.z_m);
    return {{"format", "topography"},
            {"points", points.size()},
            {"x_m", finite_range(x)},
            {"elevation_m", finite_range(up)},
            {"suspicious", Json::array()}};
  } catch (const Error&) {
    return nullptr;
  }
}

}  // namespace

Json finite_range(const std::vector<double>& all) {
  const std::vector<double> values = finite(all);
  if (values.empty()) return nullptr;
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return {*low, *high};
}

void dc_facts(std::string_view bytes, const std::string& path, Json& out, Json& suspicious) {
  try {
    DcReadOptions options;
    options.dimensions = 0;
    const std::string format = dc_format_of(bytes, path);
    if (format == "r2") options.electrode_spacing_m = 1;
    const DcObservations obs = parse_dc_data(bytes, path, options);
    if (format == "r2") {  // only what does not need the places
      out["electrodes"] = obs.survey.electrodes.size();
      out["data"] = obs.survey.size();
      out["volt_per_ampere"] = finite_range(obs.volt);
      if (!obs.ip.empty()) out["phase_mrad"] = finite_range(obs.ip);
      out["notes"] = {"the places of the electrodes are not in this file; give electrode_file or electrode_spacing_m"};
      return;
    }
    survey_facts(obs, out);
    value_facts(obs, out, suspicious);
    out["notes"] = obs.notes;
  } catch (const Error& e) {
    suspicious.push_back(e.message());
  }
}

Json dc_or_ubc_info(std::string_view bytes, const std::string& path) {
  if (bytes.find('\0') != std::string_view::npos) return nullptr;
  if (looks_like_ubc_mesh_2d(bytes)) return mesh_info(parse_ubc_mesh_2d(bytes, path));
  if (looks_like_ubc_model_2d(bytes)) return model_info(parse_ubc_model_2d(bytes, path));
  if (const Json mesh = mesh_3d_info(bytes, path); !mesh.is_null()) return mesh;
  const std::string format = dc_format_of(bytes, path);
  if (!format.empty() && format != "bert") return survey_info(bytes, path, format);
  return format.empty() ? topography_info(bytes, path) : Json(nullptr);
}

}  // namespace terrane
