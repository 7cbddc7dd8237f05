// SPDX-License-Identifier: MIT
#include "engine/ensemble.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "engine/budget.hpp"
#include "engine/figure.hpp"
#include "engine/io/npy.hpp"
#include "engine/io/text.hpp"
#include "engine/json.hpp"
#include "engine/members.hpp"
#include "engine/output.hpp"
#include "engine/provenance.hpp"
#include "engine/report.hpp"
#include "engine/scores.hpp"
#include "engine/simulation.hpp"
#include "engine/volume_figure.hpp"

namespace terrane {

namespace {

namespace fs = std::filesystem;

struct Member {
  std::uint64_t seed = 0;
  std::string directory;
  Json result;
};

std::string member_directory(const std::string& directory, std::uint64_t seed) {
  return directory + "/members/seed-" + std::to_string(seed);
}

Config member_config(const Config& config, std::uint64_t seed) {
  Json c = config.json();
  c["name"] = c.at("name").get<std::string>() + "-seed-" + std::to_string(seed);
  c["field"]["seed"] = seed;
  c["ensemble"] = nullptr;
  return Config::parse(c.dump(), "member of seed " + std::to_string(seed));
}

// Mean and standard deviation at the nodes, as the model of the property holds it.
struct Statistics {
  std::vector<double> mean, std;
};
Statistics statistics(const std::vector<std::vector<double>>& models) {
  const std::size_t n = models[0].size();
  const auto count = static_cast<double>(models.size());
  Statistics s{std::vector<double>(n, 0.0), std::vector<double>(n, 0.0)};
  for (std::size_t i = 0; i < n; ++i) {
    for (const auto& m : models) s.mean[i] += m[i] / count;
    for (const auto& m : models) s.std[i] += (m[i] - s.mean[i]) * (m[i] - s.mean[i]) / std::max(count - 1, 1.0);
    s.std[i] = std::sqrt(s.std[i]);
  }
  return s;
}

std::vector<double> model_of(const std::string& directory, const Problem& problem) {
  std::vector<double> m;
  for (const float v : read_npy<float>(directory + "/model.npy").values) {
    m.push_back(problem.property->model_of(static_cast<double>(v)));
  }
  return m;
}

// Part of the nodes whose true value lies within k deviations of the mean.
double within(const Statistics& s, const std::vector<double>& truth, double k) {
  double inside = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) inside += std::abs(truth[i] - s.mean[i]) <= k * s.std[i] ? 1 : 0;
  return inside / static_cast<double>(truth.size());
}

// In three dimensions three slices that cross in the middle.
Figure maps_figure(const Statistics& s, const Problem& problem) {
  const std::vector<float> mean(s.mean.begin(), s.mean.end()), std(s.std.begin(), s.std.end());
  const std::string unit = problem.property->logarithmic ? "ln" : problem.property->unit();
  const auto look_of = [&](const std::string& title, const std::vector<float>& v, Colormap map, double lo) {
    ImagePanel p;
    const auto [least, most] = std::minmax_element(v.begin(), v.end());
    p.lo = std::isnan(lo) ? static_cast<double>(*least) : lo;
    p.hi = std::max(static_cast<double>(*most), p.lo + 1e-30);
    char range[96];
    std::snprintf(range, sizeof range, "%s, %.4g to %.4g %s", title.c_str(), p.lo, p.hi, unit.c_str());
    p.title = range;
    p.map = map;
    return p;
  };
  ImagePanel of_mean = look_of("Mean of the members", mean, Colormap::viridis, std::nan("")),
             of_std = look_of("Standard deviation", std, Colormap::magma, 0);
  const auto figure = [](const Drawing& d) {
    return Figure{"ensemble.png", "Mean and spread",
                  "The spread is that of the initial weights; noise and modelling errors come on top.", d};
  };
  if (!problem.grid.flat()) {
    constexpr double left = 62, top = 26;
    const Grid3& grid = problem.grid;
    const VolumeView view(grid, {grid.nz / 2, grid.ny / 2, grid.nx / 2}, page_width - left - 20, 330);
    const double row = view.height() + 74;
    Drawing d(left + view.width() + 20, 2 * row + 6);
    view.draw(d, left, top, of_mean.title, mean, of_mean);
    view.draw(d, left, top + row, of_std.title, std, of_std);
    return figure(d);
  }
  const Grid2 g = problem.grid.section();
  const double x0 = g.x0_m - 0.5 * g.dx_m, x1 = g.x0_m + (static_cast<double>(g.nx) - 0.5) * g.dx_m;
  const double z0 = g.z0_m - 0.5 * g.dz_m, z1 = g.z0_m + (static_cast<double>(g.nz) - 0.5) * g.dz_m;
  const double width = 480, height = width * std::clamp((z1 - z0) / (x1 - x0), 0.25, 1.6);
  Drawing d(1120, height + 96);
  const auto panel = [&](double left, ImagePanel& p, const std::vector<float>& v) {
    p.rows = g.nz, p.columns = g.nx;
    p.values = v.data();
    p.x = {"Distance (m)", x0, x1};
    p.y = {"Depth (m)", z0, z1};
    draw_image_panel(d, {left, 30, width, height}, p);
  };
  panel(62, of_mean, mean);
  panel(62 + width + 78, of_std, std);
  return figure(d);
}

std::string page_of(const Json& c, const std::vector<Member>& members, const Figure& maps, const Json& result) {
  std::string body = "<h1>" + html_escape(c.at("name").get<std::string>()) + ": " + std::to_string(members.size()) +
                     " members</h1>\n<figure>" + maps.drawing.svg(maps.title) + "<figcaption>" +
                     html_escape(maps.caption) + "</figcaption></figure>\n";
  const auto row = [&](const std::string& name, const Json& errors, const std::string& link) {
    std::string cells;
    for (const auto& [key, value] : errors.items()) {
      if (value.is_number()) cells += html_escape(key) + " " + html_escape(value.dump()) + "; ";
    }
    body += "<tr><td>" + (link.empty() ? html_escape(name) : "<a href=\"" + link + "/report.html\">" + name + "</a>") +
            "</td><td>" + cells + "</td></tr>\n";
  };
  body += "<h2>Errors</h2>\n<table>\n";
  row("mean", value_at(result, {"model_error"}), "");
  for (const Member& m : members) {
    const std::string seed = "seed-" + std::to_string(m.seed);
    row(seed, value_at(m.result, {"model_error"}), "members/" + seed);
  }
  return html_page(c.at("name"), body + "</table>\n");
}

}  // namespace

Json ensemble(const Config& config, const RunOptions& options, bool continuing) {
  const Json& c = config.json();
  const double start = now_s();
  const OutputDirectory out(options.out_dir, options.overwrite, continuing || options.resume);
  Log log = Log::open(options.console, out.file("log.txt"), options.sink);
  out.remove("result.json");
  out.write_json("resolved.json", c);
  std::vector<Member> members;
  for (const Json& seed : c.at("ensemble").at("seeds")) {
    members.push_back({seed.get<std::uint64_t>(), member_directory(out.path(), seed.get<std::uint64_t>()), nullptr});
  }
  bool stopped = false;
  for (std::size_t k = 0; k < members.size() && !stopped; ++k) {
    Member& m = members[k];
    const Config own = member_config(config, m.seed);
    const std::string title = "member " + std::to_string(k + 1) + " of " + std::to_string(members.size()) + ", seed " +
                              std::to_string(m.seed);
    m.result = finished_result(m.directory, own.sha256());
    log.info(title + (m.result.is_null() ? "" : ": kept"));
    if (m.result.is_null()) m.result = run_member(own, m.directory, options, log, title, run);
    stopped = value_at(m.result, {"status"}) == "stopped";
  }
  std::vector<std::vector<double>> models;
  const Problem problem = build_problem(config, false);
  Json rows = Json::array();
  const Member* first = nullptr;
  for (const Member& m : members) {
    rows.push_back({{"seed", m.seed},
                    {"status", value_at(m.result, {"status"})},
                    {"model_error", value_at(m.result, {"model_error"})},
                    {"data_error", value_at(m.result, {"data_error"})}});
    if (value_at(m.result, {"status"}) != "ok") continue;
    models.push_back(model_of(m.directory, problem));
    if (first == nullptr) first = &m;
  }
  const bool enough = models.size() > 1;
  const ErrorCode code = stopped ? ErrorCode::stopped : enough ? ErrorCode{0} : ErrorCode::failed;
  Json result{{"schema_version", 1},
              {"status", stopped  ? "stopped"
                         : enough ? "ok"
                                  : "failed"},
              {"exit_code", static_cast<int>(code)},
              {"task", "invert"},
              {"name", c.at("name")},
              {"members", rows}};
  if (enough && !stopped) {
    const Statistics s = statistics(models);
    out.write_model("model", s.mean, problem);
    out.write_data("model_std.npy", s.std, problem.grid.shape());
    for (const char* file : {"start_model", "true_model", "reference_model", "data_observed"}) {
      for (const char* end : {".npy", ".json"}) {
        const std::string name = std::string(file) + end;
        if (fs::exists(first->directory + "/" + name)) {
          write_file_atomic(out.file(name), read_file(first->directory + "/" + name));
        }
      }
    }
    Stream stream(options.device, {});
    const auto predicted = simulate<double>(stream, problem, s.mean, problem.wavelet, shots_per_batch(config, problem));
    out.write_data("data_predicted.npy", predicted, problem.data_shape());
    double mean_std = 0;
    for (const double v : s.std) mean_std += v / static_cast<double>(s.std.size());
    result["mean_std"] = mean_std;
    if (!problem.true_model.empty()) {
      Json errors = model_errors(s.mean, problem);
      const Json &region = c.at("score_region"), &body = c.at("score_body");
      if (!region.is_null()) errors["region"] = region_errors(region, s.mean, problem);
      if (!body.is_null()) errors["body"] = body_errors(body, region, s.mean, problem);
      result["model_error"] = errors;
      result["within"] = {{"1", within(s, problem.true_model, 1)}, {"2", within(s, problem.true_model, 2)}};
    }
    const Figure maps = maps_figure(s, problem);
    if (c.at("report").at("enabled").get<bool>()) {
      make_directories(out.file("figures"));
      write_png(out.file("figures/ensemble.png"), maps.drawing.raster(1.5));
      write_file_atomic(out.file("report.html"), page_of(c, members, maps, result));
    }
  }
  add_provenance(result, config, log, start);
  out.write_json("result.json", result);
  return result;
}

Forecast forecast_ensemble(const Config& config, const RunOptions& options) {
  const Json& seeds = config.json().at("ensemble").at("seeds");
  Forecast f = forecast(member_config(config, seeds[0].get<std::uint64_t>()), options);
  const auto count = static_cast<double>(seeds.size());
  char line[96];
  std::snprintf(line, sizeof line, "ensemble of %zu members, one after the other; each:", seeds.size());
  f.lines.insert(f.lines.begin(), line);
  f.json["members"] = seeds.size();
  f.json["time_s"] = count * f.json.at("time_s").get<double>();
  f.json["lines"] = f.lines;
  need_disk(f, count * f.json.at("disk_bytes").get<double>(), options);
  return f;
}

}  // namespace terrane
