// SPDX-License-Identifier: MIT
#include "engine/reproduce.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "engine/analyze.hpp"
#include "engine/budget.hpp"
#include "engine/io/file.hpp"
#include "engine/json.hpp"
#include "engine/members.hpp"
#include "engine/output.hpp"
#include "engine/provenance.hpp"

namespace terrane {

namespace {

namespace fs = std::filesystem;

// The result of a row that has ended with this config.
double median(std::vector<double> v) {
  if (v.empty()) return std::nan("");
  std::sort(v.begin(), v.end());
  const std::size_t n = v.size();
  return n % 2 == 1 ? v[n / 2] : 0.5 * (v[n / 2 - 1] + v[n / 2]);
}

double deviation(const std::vector<double>& v, double mean) {
  double sum = 0;
  for (const double x : v) sum += (x - mean) * (x - mean);
  return v.size() > 1 ? std::sqrt(sum / static_cast<double>(v.size() - 1)) : 0;
}

// Mean, standard deviation, median and range of every metric over the seeds; the medians against the limits.
Json metrics_summary(const Json& table, const std::string& name) {
  Json metrics = Json::object(), limits;
  int seeds = 0, ended = 0;
  for (const Json& row : table) {
    if (row.at("recipe") != name) continue;
    ++seeds;
    ended += row.at("status") == "ok" ? 1 : 0;
    limits = row.at("limits");
    for (const auto& [key, value] : row.at("metrics").items()) {
      if (value.is_number()) metrics[key].push_back(value);
    }
  }
  Json statistics = Json::object();
  bool reached = ended == seeds;
  for (const auto& [key, values] : metrics.items()) {
    const auto v = values.get<std::vector<double>>();
    double mean = 0;
    for (const double x : v) mean += x / static_cast<double>(v.size());
    statistics[key] = {{"mean", mean},
                       {"std", deviation(v, mean)},
                       {"median", median(v)},
                       {"least", *std::min_element(v.begin(), v.end())},
                       {"most", *std::max_element(v.begin(), v.end())}};
  }
  for (const auto& [key, limit] : limits.items()) {
    const Json m = value_at(statistics, {key.c_str(), "median"});
    reached = reached && m.is_number() && m >= limit[0] && m <= limit[1];
  }
  return {{"recipe", name},        {"seeds", seeds},   {"ended", ended},
          {"metrics", statistics}, {"limits", limits}, {"reached", limits.empty() ? Json(nullptr) : Json(reached)}};
}

// "reached" of every case: the median over its seeds against the published error.
Json summary_of(const Json& table, double tolerance) {
  Json cases = Json::array();
  std::vector<std::string> names;
  for (const Json& row : table) {
    const std::string name = row.at("recipe");
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  for (const std::string& name : names) {
    if (make_recipe(name).by_metrics()) {
      cases.push_back(metrics_summary(table, name));
      continue;
    }
    std::vector<double> mse;
    Json published, constant;
    int seeds = 0;
    for (const Json& row : table) {
      if (row.at("recipe") != name) continue;
      ++seeds;
      published = row.at("published").at("mse_km2_s2");
      if (row.at("mse_km2_s2").is_number()) mse.push_back(row.at("mse_km2_s2"));
      if (!row.at("best_constant_mse_km2_s2").is_null()) constant = row.at("best_constant_mse_km2_s2");
    }
    const double m = static_cast<int>(mse.size()) == seeds ? median(mse) : std::nan("");
    Json reached = nullptr, beats = nullptr;
    if (published.is_number()) reached = std::isfinite(m) && m <= published.get<double>() * (1 + tolerance);
    if (constant.is_number() && std::isfinite(m)) beats = m < constant.get<double>();
    cases.push_back({{"recipe", name},
                     {"seeds", seeds},
                     {"median_mse_km2_s2", number_or_null(m)},
                     {"published_mse_km2_s2", published},
                     {"reached", reached},
                     {"beats_best_constant", beats}});
  }
  return cases;
}

}  // namespace

std::vector<TableRow> table_rows(const Config& config, const std::string& directory) {
  const Json& c = config.json();
  std::vector<TableRow> rows;
  for (const std::string& name : match_recipes(c.at("recipe"))) {
    for (const Json& seed : c.at("seeds")) {
      TableRow row;
      row.recipe = make_recipe(name);
      row.seed = seed.get<std::uint64_t>();
      row.directory =
          directory + "/rows/" + row.recipe.config.at("name").get<std::string>() + "-seed-" + std::to_string(row.seed);
      rows.push_back(row);
    }
  }
  return rows;
}

namespace {

// RFC 7396, but an object of another "type" takes other keys and so replaces the one before.
void merge_settings(Json& target, const Json& patch) {
  for (const auto& [key, value] : patch.items()) {
    if (value.is_null()) {
      target.erase(key);
    } else if (target.contains(key) && merges_into(target.at(key), value)) {
      merge_settings(target[key], value);
    } else {
      target[key] = Json::object();
      target[key].merge_patch(value);
    }
  }
}

}  // namespace

Config row_config(const TableRow& row, const Json& settings) {
  Json c = row.recipe.config;
  c["seed"] = row.seed;
  if (row.seed != 0 && !row.recipe.other_seeds.is_null()) c.merge_patch(row.recipe.other_seeds);
  merge_settings(c, settings);
  return Config::parse(c.dump(), row.recipe.name);
}

Json table_json(const std::vector<TableRow>& rows, double tolerance) {
  Json table = Json::array();
  for (const TableRow& row : rows) {
    const Json& r = row.result;
    const Published& p = row.recipe.published;
    const Json error = value_at(r, {"model_error"});
    const Json mse = value_at(error, {"mse_km2_s2"});
    Json reached = nullptr;
    if (std::isfinite(p.mse_km2_s2) && mse.is_number()) {
      reached = mse.get<double>() <= p.mse_km2_s2 * (1 + tolerance);
    }
    const Json mae = value_at(error, {"mae_mps"});
    table.push_back({{"recipe", row.recipe.name},
                     {"title", row.recipe.title},
                     {"seed", row.seed},
                     {"status", r.is_null() ? Json("not run") : value_at(r, {"status"})},
                     {"error", value_at(r, {"error"})},
                     {"iterations", value_at(r, {"iterations"})},
                     {"mse_km2_s2", mse},
                     {"ssim_minmax", value_at(error, {"ssim", "minmax"})},
                     {"mae_km_s", mae.is_number() ? Json(mae.get<double>() / 1000) : Json(nullptr)},
                     {"region", value_at(error, {"region"})},
                     {"metrics", row.recipe.by_metrics() ? row_metrics(r) : Json::object()},
                     {"reference", row.recipe.reference.is_null() ? Json::object() : row.recipe.reference},
                     {"limits", row.recipe.limits.is_null() ? Json::object() : row.recipe.limits},
                     {"published",
                      {{"mse_km2_s2", number_or_null(p.mse_km2_s2)},
                       {"ssim", number_or_null(p.ssim)},
                       {"mae_km_s", number_or_null(p.mae_km_s)},
                       {"source", row.recipe.source}}},
                     {"reached", reached},
                     {"start_mse_km2_s2", value_at(r, {"baselines", "start_model", "mse_km2_s2"})},
                     {"best_constant_mse_km2_s2", value_at(r, {"baselines", "best-constant", "mse_km2_s2"})},
                     {"best_linear_mse_km2_s2", value_at(r, {"baselines", "best-linear", "mse_km2_s2"})},
                     {"misfit_initial", value_at(r, {"misfit", "initial"})},
                     {"misfit_final", value_at(r, {"misfit", "final"})},
                     {"data_source", value_at(r, {"data_source"})},
                     {"wall_s", value_at(r, {"time", "wall_s"})},
                     {"phases_s", value_at(r, {"time", "phases_s"})},
                     {"host_peak_bytes", value_at(r, {"memory", "host_peak_bytes"})},
                     {"threads", value_at(r, {"device", "threads"})},
                     {"config_sha256", value_at(r, {"config_sha256"})},
                     {"version", value_at(r, {"version", "terrane"})}});
  }
  return table;
}

Json row_metrics(const Json& r) {
  const auto scaled = [](const Json& v, double factor) {
    return v.is_number() ? Json(v.get<double>() * factor) : Json(nullptr);
  };
  const Json error = value_at(r, {"model_error"});
  const Json slowness = value_at(error, {"rmse_s_per_m"});
  const Json body = value_at(error, {"body"});
  const Json mean = value_at(body, {"mean_s_per_m"});
  const auto first = [](std::initializer_list<Json> values) {
    for (const Json& v : values) {
      if (v.is_number()) return v;
    }
    return Json(nullptr);
  };
  const Json data = value_at(r, {"data_error"});
  const Json count = value_at(data, {"data"});
  const double half = count.is_number() ? 0.5 * count.get<double>() : 0;
  const bool dc = value_at(error, {"rmse_log10"}).is_number();
  const Json analyses = value_at(r, {"analyses"});
  const Json spectrum = analyses.is_array() && !analyses.empty() ? value_at(analyses[0], {"reference"}) : Json(nullptr);
  return {{"rmse", first({scaled(slowness, 1e3), value_at(error, {"rmse_mps"}), value_at(error, {"rmse_log10"})})},
          {"relative_l2", value_at(error, {"relative_l2"})},
          {"chi2", value_at(data, {"chi2"})},
          {"chi2_median", value_at(data, {"chi2_median"})},
          {"ip_chi2", value_at(r, {"ip", "chi2"})},
          {"phi_d", dc ? scaled(value_at(data, {"chi2"}), half) : Json(nullptr)},
          {"phi_d_median", dc ? scaled(value_at(data, {"chi2_median"}), half) : Json(nullptr)},
          {"clean_chi2", value_at(r, {"data_error", "clean_chi2"})},
          {"rms_ms", scaled(value_at(r, {"data_error", "rms_s"}), 1e3)},
          {"iou", value_at(body, {"iou"})},
          {"body_mean", mean.is_number() ? scaled(mean, 1e3) : value_at(body, {"mean_mps"})},
          {"axis_deg", value_at(body, {"axis_deg"})},
          {"dip_deg", value_at(body, {"dip_deg"})},
          {"body_error", value_at(body, {"mean_error_log10"})},
          {"rmse_region", value_at(error, {"region", "rmse_log10"})},
          {"layered_rmse_region", value_at(r, {"baselines", "best-layered", "region", "rmse_log10"})},
          {"region_correlation", value_at(error, {"region", "correlation"})},
          {"value_difference", value_at(spectrum, {"worst_value_difference"})},
          {"vector_cosine", value_at(spectrum, {"worst_vector_cosine"})},
          {"constant_rmse", scaled(value_at(r, {"baselines", "best-constant", "rmse_s_per_m"}), 1e3)}};
}

std::string table_csv(const Json& table) {
  const char* const columns[] = {"recipe",
                                 "seed",
                                 "status",
                                 "iterations",
                                 "mse_km2_s2",
                                 "ssim_minmax",
                                 "mae_km_s",
                                 "start_mse_km2_s2",
                                 "best_constant_mse_km2_s2",
                                 "best_linear_mse_km2_s2",
                                 "misfit_initial",
                                 "misfit_final",
                                 "wall_s"};
  std::string text;
  for (const char* c : columns) text += std::string(c) + ",";
  const Json names = row_metrics(nullptr);
  text += "published_mse_km2_s2,published_ssim,published_mae_km_s";
  for (const auto& [name, value] : names.items()) text += "," + name;
  text += "\n";
  const auto cell = [](const Json& v) {
    return v.is_null() ? std::string() : v.is_string() ? v.get<std::string>() : v.dump();
  };
  for (const Json& row : table) {
    for (const char* c : columns) text += cell(row.at(c)) + ",";
    const Json& p = row.at("published");
    text += cell(p.at("mse_km2_s2")) + "," + cell(p.at("ssim")) + "," + cell(p.at("mae_km_s"));
    for (const auto& [name, value] : names.items()) text += "," + cell(value_at(row.at("metrics"), {name.c_str()}));
    text += "\n";
  }
  return text;
}

Json reproduce(const Config& config, const RunOptions& options, bool continuing) {
  const Json& c = config.json();
  const double start = now_s(), tolerance = c.at("tolerance");
  const OutputDirectory out(options.out_dir, options.overwrite, continuing || options.resume);
  Log log = Log::open(options.console, out.file("log.txt"), options.sink);
  out.remove("result.json");
  out.write_json("resolved.json", c);
  std::vector<TableRow> rows = table_rows(config, out.path());
  std::vector<Config> configs;
  for (const TableRow& row : rows) configs.push_back(row_config(row, c.at("settings")));

  bool stopped = false, failed = false;
  const auto write_table = [&] {
    const Json table = table_json(rows, tolerance);
    out.write_json("table.json", table);
    write_file_atomic(out.file("table.csv"), table_csv(table));
    if (c.at("report").at("enabled").get<bool>()) {
      write_file_atomic(out.file("table.html"), table_page(c.at("name"), rows, table));
    }
    return table;
  };
  for (std::size_t k = 0; k < rows.size() && !stopped; ++k) {
    TableRow& row = rows[k];
    const std::string which = "row " + std::to_string(k + 1) + " of " + std::to_string(rows.size()) + ": " +
                              row.recipe.name + ", seed " + std::to_string(row.seed);
    row.result = finished_result(row.directory, configs[k].sha256());
    if (!row.result.is_null()) {
      log.info(which + ": kept");
      continue;
    }
    log.info(which);
    row.result = run_member(configs[k], row.directory, options, log, which, row.recipe.at_start ? analyze_start : run);
    failed = failed || value_at(row.result, {"status"}) == "failed";
    stopped = value_at(row.result, {"status"}) == "stopped";
    write_table();
  }
  const Json table = write_table();
  const Json summary = summary_of(table, tolerance);
  bool within = true;
  for (const Json& s : summary) within = within && s.at("reached") != false;
  const ErrorCode code = stopped ? ErrorCode::stopped : failed || !within ? ErrorCode::failed : ErrorCode{0};
  Json result{{"schema_version", 1},
              {"status", stopped  ? "stopped"
                         : failed ? "failed"
                                  : "ok"},
              {"exit_code", static_cast<int>(code)},
              {"task", "reproduce"},
              {"name", c.at("name")},
              {"recipe", c.at("recipe")},
              {"tolerance", tolerance},
              {"within_tolerance", within},
              {"cases", summary},
              {"files", {"table.html", "table.csv", "table.json", "rows/"}}};
  add_provenance(result, config, log, start);
  out.write_json("result.json", result);
  return result;
}

Forecast forecast_table(const Config& config, const RunOptions& options) {
  Forecast total;
  double seconds = 0, disk = 0, host = 0;
  const auto rows = table_rows(config, "");
  for (const TableRow& row : rows) {
    const Config own = row_config(row, config.json().at("settings"));
    const Forecast f = row.recipe.at_start ? forecast_analyses_of(own, options) : forecast(own, options);
    seconds += f.json.value("time_s", 0.0);  // analyses have no forecast of theirs
    disk += f.json.at("disk_bytes").get<double>();
    if (f.json.at("memory").at("host_bytes").get<double>() >= host) {
      host = f.json.at("memory").at("host_bytes");
      total = f;
    }
  }
  char line[160];
  std::snprintf(line, sizeof line,
                "table: %zu rows, about %.1f h and %.2f GB of disk in all; the largest row:", rows.size(),
                seconds / 3600, disk / 1e9);
  total.lines.insert(total.lines.begin(), line);
  total.json["task"] = "reproduce";
  total.json["rows"] = rows.size();
  total.json["time_s"] = seconds;
  total.json["lines"] = total.lines;
  need_disk(total, disk, options);
  return total;
}

}  // namespace terrane
