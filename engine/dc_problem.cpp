// SPDX-License-Identifier: MIT
// Resistivity of a config: electrodes and arrays, or a file of observations, the mesh, air above the surface.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "engine/io/dc_check.hpp"
#include "engine/io/npy.hpp"
#include "engine/io/ubc.hpp"
#include "engine/measured.hpp"
#include "engine/median.hpp"

namespace terrane {

namespace {

// Numbers of electrodes of one line each. by_y: those of one x, in the order of y.
std::vector<std::vector<Index>> parallel_lines(const std::vector<Point3>& electrodes, bool by_y) {
  const auto across = [&](Index e) { return electrodes[static_cast<std::size_t>(e)].at(by_y ? 2 : 1); };
  const auto along = [&](Index e) { return electrodes[static_cast<std::size_t>(e)].at(by_y ? 1 : 2); };
  std::vector<Index> order(electrodes.size());
  std::iota(order.begin(), order.end(), Index{0});
  double least = 0, most = 0;
  for (const Point3& p : electrodes) {
    least = std::min({least, p.x_m, p.y_m}), most = std::max({most, p.x_m, p.y_m});
  }
  const double slack = 1e-9 * (most - least);  // positions of a lattice are rounded
  std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return across(a) < across(b); });
  std::vector<std::vector<Index>> lines;
  for (const Index e : order) {
    if (lines.empty() || across(e) - across(lines.back().front()) > slack) lines.emplace_back();
    lines.back().push_back(e);
  }
  for (std::vector<Index>& line : lines) {
    std::stable_sort(line.begin(), line.end(), [&](Index a, Index b) { return along(a) < along(b); });
  }
  return lines;
}

std::vector<std::vector<Index>> electrode_lines(const Json& array, const std::string& positions,
                                                const std::vector<Point3>& electrodes) {
  std::string along = array.at("along");
  if (along == "auto") along = positions == "lattice" || positions == "grid-plane" ? "x" : "list";
  std::vector<std::vector<Index>> lines;
  if (along == "list") {
    lines.emplace_back(electrodes.size());
    std::iota(lines[0].begin(), lines[0].end(), Index{0});
    return lines;
  }
  for (const bool by_y : {false, true}) {
    if (along.find(by_y ? 'y' : 'x') == std::string::npos) continue;
    const auto some = parallel_lines(electrodes, by_y);
    lines.insert(lines.end(), some.begin(), some.end());
  }
  return lines;
}

// Electrodes A, B, M, N by their numbers along a line, `count` of them.
std::vector<DcDatum> line_data(const Json& array, Index count) {
  const std::string type = array.at("type");
  std::vector<DcDatum> data;
  const Index levels = array.at("levels"), s = array.contains("spread") ? array.at("spread").get<Index>() : 1;
  for (Index a = 0; a < count; ++a) {
    for (Index n = 1; n <= levels; ++n) {
      DcDatum d;
      if (type == "dipole-dipole") d = {a, a + s, a + (n + 1) * s, a + (n + 2) * s};
      if (type == "pole-dipole") d = {a, -1, a + n * s, a + (n + 1) * s};
      if (type == "pole-pole") d = {a, -1, a + n * s, -1};
      if (type == "wenner") d = {a, a + 3 * n, a + n, a + 2 * n};
      if (type == "schlumberger") d = {a, a + 2 * n + s, a + n, a + n + s};
      if (std::max({d.a, d.b, d.m, d.n}) < count) data.push_back(d);
    }
  }
  return data;
}

std::vector<DcDatum> array_data(const Json& survey, const std::vector<Point3>& electrodes) {
  const Json& array = survey.at("array");
  std::vector<DcDatum> data;
  if (array.at("type") == "list") {
    for (const Json& q : array.at("abmn")) data.push_back({q[0], q[1], q[2], q[3]});
    return data;
  }
  for (const auto& line : electrode_lines(array, survey.at("electrodes").at("type"), electrodes)) {
    for (DcDatum d : line_data(array, static_cast<Index>(line.size()))) {
      for (Index* e : {&d.a, &d.b, &d.m, &d.n}) *e = *e < 0 ? -1 : line[static_cast<std::size_t>(*e)];
      data.push_back(d);
    }
  }
  return data;
}

void read_electrodes(const Json& survey, Problem& p) {
  const Json& array = survey.at("array");
  if (array.at("type") == "file") {
    const int dimensions = p.physics == PhysicsType::dc_3d ? 3 : 2;
    p.dc = read_ubc_observations(array.at("path"), {array.at("z_axis"), dimensions, true}).survey;
    return;
  }
  const Grid3& g = p.grid;
  const bool volume = p.physics == PhysicsType::dc_3d;
  const std::vector<double>&x = volume ? p.mesh3.x_m : p.mesh.x_m, &z = volume ? p.mesh3.z_m : p.mesh.z_m;
  Extent extent{x.front(), x.back(), g.z0_m - 0.5 * g.dz_m, z.back()};
  if (volume) extent.y0_m = p.mesh3.y_m.front(), extent.y1_m = p.mesh3.y_m.back();
  p.dc.electrodes = build_positions(survey.at("electrodes"), g, extent, "electrode");
  p.dc.data = array_data(survey, p.dc.electrodes);
  if (p.dc.data.empty()) {
    throw Error(ErrorCode::config, "/survey/array: the " + std::to_string(p.dc.electrodes.size()) +
                                       " electrodes are too few for one datum of this array");
  }
}

void read_voltages(const Json& data, Problem& p) {
  const std::string path = data.at("path");
  const auto a = read_npy<double>(path);
  if (static_cast<Index>(a.values.size()) != p.dc.size()) {
    throw Error(ErrorCode::data,
                "the data have shape " + shape_text(a.shape) + ", the survey " + std::to_string(p.dc.size()) + " data",
                path);
  }
  const double factor = data_unit(data, Quantity::voltage);
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    if (!std::isfinite(a.values[i])) {
      throw Error(ErrorCode::data, "datum " + std::to_string(i) + " is not finite: leave it out of the survey's list",
                  path);
    }
    p.observed.push_back(factor * a.values[i]);
  }
}

TensorMesh mesh_of(const Grid2& g, const Json& padding) {
  return TensorMesh::padded(g.nz, g.nx, g.dz_m, g.dx_m, g.x0_m - 0.5 * g.dx_m, g.z0_m - 0.5 * g.dz_m,
                            padding.at("cells"), padding.at("factor"));
}

// Air above the surface; electrodes keep their depth below it on the stepped surface of the cells.
void drape(const Json& surface, const std::vector<Point3>& topography, Problem& p) {
  if (surface.is_null()) return;
  // Points of the file, where it has some, are more than its sensors.
  const auto line = surface_line(surface, surface.is_string() && !topography.empty() ? topography : p.dc.electrodes);
  std::vector<Point3> points;
  for (const auto& [x, z] : line) points.push_back({x, z, 0});
  p.resistivity.air = air_above(p.mesh, points);
  drape_electrodes([&](const Point3& e) { return ground_z_m(p.mesh, p.resistivity.air, e.x_m); },
                   [&](const Point3& e) { return depth_of(line, e.x_m); }, p);
}

void check_electrodes(const Problem& p, const std::string& path) {
  const double left = p.mesh.x_m.front(), right = p.mesh.x_m.back(), top = p.mesh.z_m.front();
  for (const Point3& e : p.dc.electrodes) {
    if (e.x_m >= left && e.x_m <= right && e.z_m >= top - 1e-6 * p.grid.dz_m && e.z_m <= p.mesh.z_m.back()) continue;
    char text[256];
    std::snprintf(text, sizeof text,
                  "the electrode at x = %g m, z = %g m (down) lies outside the mesh (x %g to %g m, z from %g m): leave "
                  "the section grid out to have it chosen from the electrodes",
                  e.x_m, e.z_m, left, right, top);
    throw Error(ErrorCode::data, text, path);
  }
}

DcReadOptions read_options(const Json& data, bool volume) {
  DcReadOptions o;
  o.dimensions = volume ? 3 : 2;
  o.format = data.at("format");
  o.second_axis = data.at("second_axis");
  o.z_axis = data.at("z_axis");
  o.electrode_order = data.at("electrode_order");
  if (!data.at("electrode_file").is_null()) o.electrode_file = data.at("electrode_file");
  if (!data.at("electrode_spacing_m").is_null()) o.electrode_spacing_m = data.at("electrode_spacing_m");
  if (!data.at("topography_file").is_null()) o.topography_file = data.at("topography_file");
  o.project_line = data.at("project_line");
  return o;
}

// The file without the data that cannot be used; each of them is named in problem.notes.
DcObservations read_observations(const Json& data, Problem& p) {
  DcObservations obs = read_dc_data(data.at("path"), read_options(data, p.physics == PhysicsType::dc_3d));
  p.notes.insert(p.notes.end(), obs.notes.begin(), obs.notes.end());
  if (obs.volt.empty()) {
    throw Error(ErrorCode::data, "the file holds chargeabilities and no voltages: name it in the section \"ip\"",
                data.at("path"));
  }
  if (data.at("check") == "none") return obs;
  DcCheckOptions o;
  o.need_std = false;
  o.negative_rhoa = data.at("negative_rhoa");
  const DcCheck check = check_dc_data(obs, o);
  for (const DcIssue& issue : check.issues) p.notes.push_back(issue.text);
  if (!check.issues.empty()) {
    p.notes.push_back(std::to_string(check.removed()) + " of " + std::to_string(obs.volt.size()) +
                      " data are left out" + (data.at("check") == "list" ? " of the list only" : ""));
  }
  return data.at("check") == "list" ? obs : applied(obs, check);
}

void read_ip(const Json& section, const Json& data, const DcObservations& obs, Problem& p) {
  DcObservations own = obs;
  p.ip.source = data.at("path");
  if (!section.at("path").is_null()) {
    p.ip.source = section.at("path");
    DcReadOptions o = read_options(data, p.physics == PhysicsType::dc_3d);
    o.format = "auto";
    o.quantity = "chargeability";
    attach_chargeability(own, read_dc_data(p.ip.source, o));
  }
  if (own.ip.empty()) {
    throw Error(ErrorCode::data, "the file has no chargeabilities: give /ip/path, a file that has them", p.ip.source);
  }
  p.ip.value = own.ip;
  p.ip.unit = own.ip_unit;
  const Json& std = section.at("std");
  for (std::size_t i = 0; i < own.ip.size(); ++i) {
    double s = own.ip_std.empty() ? 0 : own.ip_std[i];
    if (std.is_object()) s = std::hypot(std.at("relative").get<double>() * own.ip[i], std.value("floor", 0.0));
    if (!(s > 0) || !std::isfinite(own.ip[i])) {
      throw Error(ErrorCode::data,
                  "the chargeability of datum " + std::to_string(i) +
                      " of the voltages is not finite or has no standard " +
                      "deviation: give /ip/std, e.g. {\"relative\": 0.05, \"floor\": 1}",
                  p.ip.source);
    }
    p.ip.std.push_back(s);
  }
}

// Core, padding and wavenumbers in 2.5-D.
void set_section_options(const Json& physics, Problem& p) {
  ResistivityOptions& o = p.resistivity;
  set_dc_options(physics, p, o);
  o.core = MeshCore::inside(p.mesh, physics.at("padding").at("cells"));
  const Json& quadrature = physics.at("quadrature");
  if (quadrature.is_null()) {
    o.wavenumbers = choose_wavenumbers(p.mesh, physics.at("wavenumbers"));
  } else {
    o.wavenumbers.k_per_m = quadrature.at("k_per_m").get<std::vector<double>>();
    o.wavenumbers.weight_per_m = quadrature.at("weight_per_m").get<std::vector<double>>();
    o.wavenumbers.check();
  }
}

}  // namespace

DcProperty dc_property(const PropertyInfo& p) {
  return p.logarithmic                          ? DcProperty::log_conductivity
         : p.quantity == Quantity::conductivity ? DcProperty::conductivity
                                                : DcProperty::resistivity;
}

void build_resistivity(const Config& config, Problem& p) {
  const Json& c = config.json();
  const Json& physics = c.at("physics");
  const bool volume = p.physics == PhysicsType::dc_3d;
  if (volume) {
    build_dc_volume(physics, p);
  } else {
    p.mesh = mesh_of(p.grid.section(), physics.at("padding"));
  }
  const bool invert = c.at("task") == "invert", from_file = invert && c.at("data").at("type") == "file";
  std::vector<double> std;
  std::vector<Point3> topography;
  if (from_file && !c.at("data").at("path").get<std::string>().ends_with(".npy")) {
    p.observed_source = c.at("data").at("path");
    const DcObservations obs = read_observations(c.at("data"), p);
    p.dc = obs.survey;
    p.observed = obs.volt;
    const bool complete = std::all_of(obs.std.begin(), obs.std.end(), [](double s) { return s > 0; });
    if (complete) std = obs.std;
    if (c.contains("ip") && c.at("ip").is_object()) read_ip(c.at("ip"), c.at("data"), obs, p);
    topography = obs.topography;
  } else {
    read_electrodes(c.at("survey"), p);
    if (from_file) {
      p.observed_source = c.at("data").at("path");
      read_voltages(c.at("data"), p);
    }
  }
  if (from_file) {
    set_std(c.at("data").at("std"), Quantity::voltage, std, p.observed_source, p);
    read_mask(c.at("data"), p);
  }
  if (volume) {
    drape_dc_volume(physics.at("surface"), topography, p);
    return p.dc.check(false);
  }
  set_section_options(physics, p);
  drape(physics.at("surface"), topography, p);
  check_electrodes(p, p.observed_source);
  p.dc.check();
}

double median_apparent_resistivity(const DcObservations& obs) {
  std::vector<double> rho;
  for (const double r : apparent_resistivity(obs)) {
    if (std::isfinite(r) && r > 0) rho.push_back(r);
  }
  if (rho.empty()) throw Error(ErrorCode::data, "no datum has a positive apparent resistivity");
  return median_of(rho);
}

Json grid_for_electrodes(const Json& config) {
  const std::string path = config.at("data").at("path");
  const bool volume = config.at("physics").at("type") == "dc-3d";
  const DcSurvey survey = read_dc_data(path, read_options(config.at("data"), volume)).survey;
  if (volume) return grid_for_volume(survey, path);
  double x0 = survey.electrodes[0].x_m, x1 = x0, top = survey.electrodes[0].z_m, low = top, longest = 0;
  for (const Point3& e : survey.electrodes) {
    x0 = std::min(x0, e.x_m), x1 = std::max(x1, e.x_m), top = std::min(top, e.z_m), low = std::max(low, e.z_m);
  }
  for (const DcDatum& d : survey.data) {
    for (const Index a : {d.a, d.b}) {
      for (const Index m : {d.m, d.n}) {
        if (a < 0 || m < 0) continue;
        const Point3 &p = survey.electrodes[static_cast<std::size_t>(a)],
                     &q = survey.electrodes[static_cast<std::size_t>(m)];
        longest = std::max(longest, std::hypot(p.x_m - q.x_m, p.z_m - q.z_m));
      }
    }
  }
  const double h = in_quotes(std::max(median_spacing(survey.electrodes, path) / 4, (x1 - x0) / 400));
  const double left = in_quotes(std::floor((x0 - 4 * h) / h) * h, 10),
               z0 = in_quotes(std::floor(top / h + 1e-9) * h, 10);
  const double bottom = std::max(low + 8 * h, top + 0.35 * std::max(longest, 12 * h) + (low - top));
  return {{"nz", static_cast<Index>(std::ceil((bottom - z0) / h))},
          {"ny", nullptr},
          {"nx", static_cast<Index>(std::ceil((x1 + 4 * h - left) / h - 1e-9))},
          {"dz_m", h},
          {"dy_m", nullptr},
          {"dx_m", h},
          {"z0_m", z0},
          {"y0_m", nullptr},
          {"x0_m", left}};
}

}  // namespace terrane
