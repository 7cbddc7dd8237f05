// SPDX-License-Identifier: MIT
// Travel times of a config: survey or picks, options of the rays, air above the surface.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "engine/io/npy.hpp"
#include "engine/io/picks.hpp"
#include "engine/measured.hpp"

namespace terrane {

namespace {

Extent extent_of(const Problem& p) {
  const Grid2 g = p.grid.section();
  const double edge = p.physics == PhysicsType::straight_ray ? 0.5 : 0;  // cells reach beyond their centres
  return {g.x0_m - edge * g.dx_m, g.x_end_m() + edge * g.dx_m, g.z0_m - edge * g.dz_m, g.z_end_m() + edge * g.dz_m};
}

void read_survey(const Json& survey, Problem& p) {
  const Extent extent = extent_of(p);
  const auto sources = build_positions(survey.at("sources"), p.grid, extent, "source");
  const auto receivers = build_positions(survey.at("receivers"), p.grid, extent, "receiver");
  p.travel = TravelSurvey::full(sources, receivers);
  if (!survey.at("pairs").is_null()) {
    p.travel.pairs.clear();
    for (const Json& pair : survey.at("pairs")) p.travel.pairs.push_back({pair[0], pair[1]});
  }
  p.travel.check();
}

void check_inside(const Problem& p, const std::string& path) {
  const Extent e = extent_of(p);
  const double tz = 1e-6 * p.grid.dz_m, tx = 1e-6 * p.grid.dx_m;
  for (const auto* list : {&p.travel.sources, &p.travel.receivers}) {
    for (const Point3& s : *list) {
      if (s.x_m >= e.x0_m - tx && s.x_m <= e.x1_m + tx && s.z_m >= e.z0_m - tz && s.z_m <= e.z1_m + tz) continue;
      char text[256];
      std::snprintf(text, sizeof text,
                    "the sensor at x = %g m, z = %g m (down) lies outside the grid (x %g to %g m, z %g to %g m): leave "
                    "the section grid out to have it chosen from the sensors",
                    s.x_m, s.z_m, e.x0_m, e.x1_m, e.z0_m, e.z1_m);
      throw Error(ErrorCode::data, text, path);
    }
  }
}

// One value a pair of the survey, in the unit of the config. Pairs without a datum leave the survey.
void read_times(const Json& data, Problem& p) {
  const std::string path = data.at("path");
  const auto a = read_npy<double>(path);
  if (static_cast<Index>(a.values.size()) != p.travel.data()) {
    throw Error(ErrorCode::data,
                "the data have shape " + shape_text(a.shape) + ", the survey " + std::to_string(p.travel.data()) +
                    " pairs (source by source)",
                path);
  }
  const double factor = data_unit(data, Quantity::time);
  const Json& reference = data.at("relative_to_mps");
  std::vector<TravelPair> kept;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    const TravelPair pair = p.travel.pairs[i];
    double t = factor * a.values[i];
    if (!std::isfinite(t)) {
      if (data.at("missing") == "drop") continue;
      throw Error(ErrorCode::data,
                  "datum " + std::to_string(i) + " is not finite; write \"missing\": \"drop\" if that means no datum",
                  path);
    }
    if (!reference.is_null()) {
      const Point3& s = p.travel.sources[static_cast<std::size_t>(pair.source)];
      const Point3& r = p.travel.receivers[static_cast<std::size_t>(pair.receiver)];
      t += std::hypot(s.x_m - r.x_m, s.z_m - r.z_m) / reference.get<double>();
    }
    kept.push_back(pair);
    p.observed.push_back(t);
  }
  if (kept.empty()) throw Error(ErrorCode::data, "no datum is finite", path);
  if (kept.size() < p.travel.pairs.size()) {
    p.notes.push_back(std::to_string(p.travel.pairs.size() - kept.size()) + " pairs without a datum are left out");
  }
  p.travel.pairs = kept;
}

std::vector<std::uint8_t> air_above(const Json& surface, const Problem& p) {
  if (surface.is_null()) return {};
  std::vector<Point3> sensors = p.travel.sources;
  sensors.insert(sensors.end(), p.travel.receivers.begin(), p.travel.receivers.end());
  const auto line = surface_line(surface, sensors);
  const Grid2 g = p.grid.section();
  std::vector<std::uint8_t> air(static_cast<std::size_t>(g.cells()), 0);
  for (Index k = 0; k < g.cells(); ++k) {
    const double z = g.z0_m + static_cast<double>(k / g.nx) * g.dz_m,
                 x = g.x0_m + static_cast<double>(k % g.nx) * g.dx_m;
    air[static_cast<std::size_t>(k)] = z < depth_of(line, x) - 1e-6 * g.dz_m ? 1 : 0;
  }
  return air;
}

}  // namespace

void build_travel(const Config& config, Problem& p, const Device& device) {
  const Json& c = config.json();
  const bool invert = c.at("task") == "invert", from_file = invert && c.at("data").at("type") == "file";
  const TravelProperty property =
      p.property->quantity == Quantity::velocity ? TravelProperty::velocity : TravelProperty::slowness;
  std::vector<double> std;
  if (from_file && !c.at("data").at("path").get<std::string>().ends_with(".npy")) {
    const std::string path = c.at("data").at("path");
    PickFile picks = read_picks(path, c.at("data").at("second_axis"));
    p.travel = picks.survey;
    p.observed = picks.time_s;
    std = picks.std_s;
    p.notes = picks.notes;
    p.observed_source = path;
    check_inside(p, path);
  } else {
    read_survey(c.at("survey"), p);
    if (from_file) {
      read_times(c.at("data"), p);
      p.observed_source = c.at("data").at("path");
    }
  }
  if (from_file && !p.observed.empty()) {
    set_std(c.at("data").at("std"), Quantity::time, std, p.observed_source, p);
    read_mask(c.at("data"), p);
  }
  const Json& physics = c.at("physics");
  if (p.physics == PhysicsType::straight_ray) {
    p.rays.kernel = physics.at("kernel") == "gaussian" ? RayKernel::gaussian : RayKernel::length;
    p.rays.property = property;
    p.rays.width_cells = physics.at("width_m").is_null() ? 1 : physics.at("width_m").get<double>() / p.grid.dz_m;
    p.rays.cutoff = physics.at("cutoff");
    // Entries of the matrix and its transpose: a ray crosses about nz + nx cells, the blurred one a few per column.
    const double entries =
        static_cast<double>(p.travel.data()) * (p.rays.kernel == RayKernel::length
                                                    ? static_cast<double>(p.grid.nz + p.grid.nx)
                                                    : static_cast<double>(p.grid.nx) * (1 + 4.3 * p.rays.width_cells));
    const double budget = memory_budget(config, device.kind), allowed = budget > 0 ? 0.25 * budget : 1e9;
    const std::string storage = physics.at("storage");
    p.rays.sparse = storage == "matrix" || (storage == "auto" && 32 * entries < allowed);
    return;
  }
  p.eikonal.order = physics.at("order");
  p.eikonal.factored = physics.at("factored");
  p.eikonal.tolerance = physics.at("tolerance");
  p.eikonal.max_sweeps = physics.at("max_sweeps");
  p.eikonal.property = property;
  p.eikonal.air = air_above(physics.at("surface"), p);
}

Json grid_for_picks(const Json& config) {
  const Json& data = config.at("data");
  const PickFile picks = read_picks(data.at("path"), data.at("second_axis"));
  std::vector<Point3> all = picks.survey.sources;
  all.insert(all.end(), picks.survey.receivers.begin(), picks.survey.receivers.end());
  double x0 = all[0].x_m, x1 = x0, z0 = all[0].z_m, z1 = z0;
  for (const Point3& p : all) {
    x0 = std::min(x0, p.x_m), x1 = std::max(x1, p.x_m);
    z0 = std::min(z0, p.z_m), z1 = std::max(z1, p.z_m);
  }
  const double length = x1 - x0, height = z1 - z0, widest = std::max(length, height);
  const double h = in_quotes(std::max(median_spacing(all, data.at("path")) / 3, widest / 300));
  // Sensors along a line look down to about a third of its length; between boreholes or around a ring the margin is
  // one tenth.
  const bool line = height < 0.2 * length;
  const double margin = line ? 4 * h : 0.05 * widest;
  const double left = in_quotes(std::floor((x0 - margin) / h) * h, 10);
  const double top = in_quotes(std::floor((z0 - (line ? 2 * h : margin)) / h) * h, 10);
  const double right = x1 + margin, bottom = line ? z1 + length / 3 : z1 + margin;
  return {{"nz", static_cast<Index>(std::ceil((bottom - top) / h)) + 1},
          {"ny", nullptr},
          {"nx", static_cast<Index>(std::ceil((right - left) / h)) + 1},
          {"dz_m", h},
          {"dy_m", nullptr},
          {"dx_m", h},
          {"z0_m", top},
          {"y0_m", nullptr},
          {"x0_m", left}};
}

}  // namespace terrane
