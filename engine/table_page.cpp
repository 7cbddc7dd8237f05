// SPDX-License-Identifier: MIT
// The page of a table of published cases: numbers beside numbers, every recovered model on one colour scale, profiles.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "engine/figure.hpp"
#include "engine/io/text.hpp"
#include "engine/json.hpp"
#include "engine/json_value.hpp"
#include "engine/report.hpp"
#include "engine/reproduce.hpp"

namespace terrane {

namespace {

std::string digits(const Json& v, const char* pattern = "%.4f") {
  if (!v.is_number()) return "–";
  char text[32];
  std::snprintf(text, sizeof text, pattern, v.get<double>());
  return text;
}

struct Loaded {
  const TableRow* row;
  const Json* numbers;
  ReportInput input;
};

std::string model_title(const Loaded& l) {
  if (l.row->recipe.by_metrics()) {
    const Json& m = l.numbers->at("metrics");
    return l.row->recipe.method + (l.row->seed != 0 ? ", seed " + std::to_string(l.row->seed) : "") + ": " +
           digits(m.at("rmse").is_null() ? m.at("chi2") : m.at("rmse"), "%.3f");
  }
  const std::string mse = digits(l.numbers->at("mse_km2_s2"), "%.3f");
  return l.row->recipe.method + ", " + l.row->recipe.start +
         (l.row->seed != 0 ? ", seed " + std::to_string(l.row->seed) : "") + ": " + mse;
}

// The true model, then every row, three across, on the range of the true model.
Drawing models_figure(const std::vector<const Loaded*>& rows) {
  const ReportInput& first = rows[0]->input;
  const auto& truth = first.true_model;
  const auto [lo, hi] = std::minmax_element(truth.values.begin(), truth.values.end());
  const Index nz = truth.shape[0], nx = truth.shape[1];
  const double aspect =
      std::clamp(static_cast<double>(nz) * first.dz_m / (static_cast<double>(nx) * first.dx_m), 0.2, 1.3);
  const double longest = std::max(static_cast<double>(nz) * first.dz_m, static_cast<double>(nx) * first.dx_m);
  const auto [scale, unit] = length_scale(longest);
  constexpr double left = 56, gap = 22, bar = 92, width = 300, top = 26;
  const double height = width * aspect, step = height + 62;
  const auto count = static_cast<int>(rows.size()) + 1;
  const int down = (count + 2) / 3;
  Drawing d(left + 3 * width + 2 * gap + bar, down * step + 6);
  for (int k = 0; k < count; ++k) {
    const auto& values = k == 0 ? truth.values : rows[static_cast<std::size_t>(k - 1)]->input.model.values;
    if (static_cast<Index>(values.size()) != nz * nx) continue;
    ImagePanel p;
    p.title = k == 0 ? "true model" : model_title(*rows[static_cast<std::size_t>(k - 1)]);
    p.rows = nz;
    p.columns = nx;
    p.values = values.data();
    p.x = {"", first.x0_m * scale, (first.x0_m + first.dx_m * static_cast<double>(nx - 1)) * scale};
    p.y = {k % 3 == 0 ? "Depth (" + std::string(unit) + ")" : "", first.z0_m * scale,
           (first.z0_m + first.dz_m * static_cast<double>(nz - 1)) * scale};
    p.y_labels = k % 3 == 0;
    p.lo = static_cast<double>(*lo);
    p.hi = static_cast<double>(*hi);
    draw_image_panel(d, {left + (k % 3) * (width + gap), top + (k / 3) * step, width, height}, p);
  }
  draw_color_bar(d, {left + 3 * width + 2 * gap + 16, top, 12, height}, Colormap::viridis, static_cast<double>(*lo),
                 static_cast<double>(*hi), first.property + " (" + first.unit + ")");
  return d;
}

// Velocity against depth at a quarter, half and three quarters of the line, the rows of one start.
Drawing profiles_figure(const std::vector<const Loaded*>& rows) {
  static const Color colors[] = {{211, 73, 40},  {42, 120, 178}, {60, 145, 90},  {146, 86, 170}, {202, 138, 4},
                                 {20, 150, 160}, {190, 70, 120}, {110, 110, 40}, {90, 90, 200},  {150, 100, 80}};
  const ReportInput& first = rows[0]->input;
  const Index nz = first.true_model.shape[0], nx = first.true_model.shape[1];
  const auto [lo, hi] = std::minmax_element(first.true_model.values.begin(), first.true_model.values.end());
  Drawing d(1090, 360);
  for (int k = 0; k < 3; ++k) {
    const Index column = nx * (k + 1) / 4;
    LinePlot plot;
    char title[64];
    std::snprintf(title, sizeof title, "x = %.2f km", (first.x0_m + first.dx_m * static_cast<double>(column)) / 1e3);
    plot.title = title;
    plot.x = {"vp (km/s)", static_cast<double>(*lo) / 1e3 - 0.3, static_cast<double>(*hi) / 1e3 + 0.3};
    plot.y = {k == 0 ? "Depth (km)" : "", 0, first.dz_m * static_cast<double>(nz - 1) / 1e3, false, true};
    plot.y_labels = k == 0;
    plot.legend = k == 0;
    const auto add = [&](const std::string& name, const std::vector<float>& m, Paint paint, double width) {
      if (static_cast<Index>(m.size()) != nz * nx) return;
      Series s;
      s.name = name;
      s.paint = paint;
      s.stroke_width = width;
      for (Index z = 0; z < nz; ++z) {
        s.x.push_back(static_cast<double>(m[static_cast<std::size_t>(z * nx + column)]) / 1e3);
        s.y.push_back(first.dz_m * static_cast<double>(z) / 1e3);
      }
      plot.series.push_back(s);
    };
    add("true", first.true_model.values, Paint::page_ink(), 2);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      add(rows[i]->row->recipe.method, rows[i]->input.model.values, Paint::of(colors[i % std::size(colors)]), 1.2);
    }
    draw_line_plot(d, {58 + k * 345.0, 24, 315, 296}, plot);
  }
  return d;
}

std::string number_table(const std::vector<TableRow>& rows, const Json& table) {
  if (std::all_of(rows.begin(), rows.end(), [](const TableRow& r) { return r.recipe.by_metrics(); })) return "";
  bool region = false;
  for (const Json& n : table) region = region || !n.at("region").is_null();
  std::string body =
      "<div style=\"overflow-x:auto\"><table style=\"margin-top:14px\"><caption>MSE in (km/s)<sup>2</sup>, MAE in "
      "km/s, SSIM with a Gaussian window "
      "of 11 x 11, sigma 1.5, values scaled by the range of the true model. Published numbers are those of the authors "
      "on their own slices.</caption>\n<tr><th>model</th><th>method</th><th>case</th><th class=\"n\">seed</th>"
      "<th>status</th><th class=\"n\">MSE</th><th class=\"n\">published</th><th class=\"n\">SSIM</th>"
      "<th class=\"n\">published</th><th class=\"n\">MAE</th><th class=\"n\">published</th><th class=\"n\">start "
      "MSE</th>"
      "<th class=\"n\">best constant</th><th class=\"n\">best linear</th><th class=\"n\">misfit left</th>"
      "" +
      std::string(region ? "<th class=\"n\">RMSE in region (m/s)</th>" : "") + "<th class=\"n\">time (s)</th></tr>\n";
  const auto cell = [](const std::string& text, bool bold = false) {
    return "<td class=\"n\">" + (bold ? "<b>" + text + "</b>" : text) + "</td>";
  };
  for (std::size_t k = 0; k < rows.size(); ++k) {
    const Recipe& r = rows[k].recipe;
    if (r.by_metrics()) continue;
    const Json& n = table[k];
    const Json& p = n.at("published");
    const Json &first = n.at("misfit_initial"), &last = n.at("misfit_final");
    std::string left = "–";
    if (first.is_number() && last.is_number() && first.get<double>() > 0) {
      left = digits(Json(100 * last.get<double>() / first.get<double>()), "%.3g %%");
    }
    body += "<tr><td>" + r.model + "</td><td>" + r.method + "</td><td>" + r.start + "</td>" +
            cell(std::to_string(rows[k].seed)) + "<td>" + html_escape(n.at("status").get<std::string>()) + "</td>" +
            cell(digits(n.at("mse_km2_s2")), n.at("reached") == true) + cell(digits(p.at("mse_km2_s2"))) +
            cell(digits(n.at("ssim_minmax"))) + cell(digits(p.at("ssim"))) + cell(digits(n.at("mae_km_s"))) +
            cell(digits(p.at("mae_km_s"))) + cell(digits(n.at("start_mse_km2_s2"))) +
            cell(digits(n.at("best_constant_mse_km2_s2"))) + cell(digits(n.at("best_linear_mse_km2_s2"))) + cell(left) +
            (!region                    ? std::string()
             : n.at("region").is_null() ? cell("–")
                                        : cell(digits(n.at("region").at("rmse_mps"), "%.2f"))) +
            cell(digits(n.at("wall_s"), "%.0f")) + "</tr>\n";
  }
  return body + "</table></div>\n";
}

struct MetricColumn {
  const char* key;
  const char* title;
  const char* pattern;
};
constexpr MetricColumn metric_columns[] = {{"rmse", "RMSE", "%.4f"},
                                           {"chi2", "χ²", "%.4f"},
                                           {"clean_chi2", "χ² of clean data", "%.4f"},
                                           {"rms_ms", "RMS (ms)", "%.3g"},
                                           {"iou", "IoU", "%.3f"},
                                           {"body_mean", "mean in body", "%.3f"},
                                           {"axis_deg", "axis (°)", "%.2f"},
                                           {"ip_chi2", "χ² of IP", "%.4f"},
                                           {"phi_d", "φ_d", "%.1f"},
                                           {"phi_d_median", "φ_d, median of 200", "%.1f"},
                                           {"rmse_region", "RMSE in region", "%.4f"},
                                           {"body_error", "error in body", "%.3f"},
                                           {"dip_deg", "dip (°)", "%.1f"},
                                           {"region_correlation", "correlation", "%.3f"},
                                           {"value_difference", "worst difference of a value", "%.2g"},
                                           {"vector_cosine", "worst cosine of a vector", "%.6f"},
                                           {"constant_rmse", "best constant", "%.4f"},
                                           {"layered_rmse_region", "best layered, in region", "%.4f"}};

// One line a run, then mean and standard deviation of its seeds, then the published numbers.
std::string metrics_table(const std::vector<TableRow>& rows, const Json& table) {
  std::string head, body;
  std::vector<MetricColumn> columns;  // those that a row has
  for (const MetricColumn& c : metric_columns) {
    const bool any = std::any_of(table.begin(), table.end(), [&](const Json& row) {
      return value_at(row, {"metrics", c.key}).is_number();
    });
    if (any) columns.push_back(c);
  }
  for (const MetricColumn& c : columns) head += "<th class=\"n\">" + std::string(c.title) + "</th>";
  const auto cells = [&](const auto& value) {
    std::string text;
    for (const MetricColumn& c : columns) text += "<td class=\"n\">" + value(c) + "</td>";
    return text;
  };
  for (std::size_t k = 0; k < rows.size(); ++k) {
    const Recipe& r = rows[k].recipe;
    if (!r.by_metrics()) continue;
    const Json& n = table[k];
    body += "<tr><td>" + html_escape(r.name) + "</td><td>" + html_escape(r.title) + "</td><td class=\"n\">" +
            std::to_string(rows[k].seed) + "</td><td>" + html_escape(n.at("status").get<std::string>()) + "</td>" +
            cells([&](const MetricColumn& c) { return digits(n.at("metrics").at(c.key), c.pattern); }) +
            "<td class=\"n\">" + digits(n.at("iterations"), "%.0f") + "</td><td class=\"n\">" +
            digits(n.at("wall_s"), "%.0f") + "</td></tr>\n";
    if (k + 1 < rows.size() && rows[k + 1].recipe.name == r.name) continue;
    const auto mean_of = [&](const MetricColumn& c) -> std::string {
      std::vector<double> v;
      for (const Json& row : table) {
        if (row.at("recipe") == r.name && row.at("metrics").at(c.key).is_number())
          v.push_back(row.at("metrics").at(c.key));
      }
      if (v.size() < 2) return "";
      double mean = 0, square = 0;
      for (const double x : v) mean += x / static_cast<double>(v.size());
      for (const double x : v) square += (x - mean) * (x - mean) / static_cast<double>(v.size() - 1);
      return digits(Json(mean), c.pattern) + " ± " + digits(Json(std::sqrt(square)), "%.2g");
    };
    if (k > 0 && rows[k - 1].recipe.name == r.name) {
      body += "<tr><td></td><td><b>mean ± standard deviation</b></td><td></td><td></td>" + cells(mean_of) +
              "<td></td><td></td></tr>\n";
    }
    if (r.reference.is_null() || r.reference.empty()) continue;
    body += "<tr class=\"soft\"><td></td><td>published (" + html_escape(r.source) + ")</td><td></td><td></td>" +
            cells([&](const MetricColumn& c) {
              return r.reference.contains(c.key) ? digits(r.reference.at(c.key), c.pattern) : std::string();
            }) +
            "<td></td><td></td></tr>\n";
  }
  if (body.empty()) return "";
  return "<div style=\"overflow-x:auto\"><table style=\"margin-top:14px\"><caption>Slowness in s/km, velocity in m/s, "
         "errors of "
         "conductivity in decades. χ² is per datum; \"clean\" compares with the data before noise. A single seed is "
         "not a finding.</caption>\n"
         "<tr><th>recipe</th><th>row</th><th class=\"n\">seed</th><th>status</th>" +
         head + "<th class=\"n\">iterations</th><th class=\"n\">time (s)</th></tr>\n" + body + "</table></div>\n";
}

}  // namespace

std::string table_page(const std::string& title, const std::vector<TableRow>& rows, const Json& table) {
  std::size_t done = 0;
  std::vector<Loaded> loaded;
  for (std::size_t k = 0; k < rows.size(); ++k) {
    if (table[k].at("status") != "ok") continue;
    ++done;
    try {
      loaded.push_back({&rows[k], &table[k], load_report_input(rows[k].directory)});
    } catch (const Error&) {
      continue;  // the numbers are shown; the arrays of the row are gone
    }
    if (loaded.back().input.true_model.values.empty()) loaded.pop_back();
  }
  std::string body = "<h1>" + html_escape(title) + "</h1>\n<p class=\"lead\">" + std::to_string(done) + " of " +
                     std::to_string(rows.size()) +
                     " rows have ended. A bold error is at or below the published one. Observed data come from the "
                     "solver of the inversion unless the row says otherwise. A method that does not beat the best "
                     "constant or the best linear model has recovered nothing that a well would not tell.</p>\n" +
                     number_table(rows, table) + metrics_table(rows, table);
  for (std::size_t k = 0; k < rows.size(); ++k) {
    if (!rows[k].recipe.at_start || table[k].at("status") != "ok") continue;
    const std::string name = rows[k].directory.substr(rows[k].directory.find_last_of('/') + 1);
    body += "<p><a href=\"rows/" + html_escape(name) + "/report.html\">" + html_escape(rows[k].recipe.name) +
            "</a>: spectrum and leading vectors</p>\n";
  }
  std::map<std::string, std::vector<const Loaded*>> models;
  std::vector<std::string> order;
  for (const Loaded& l : loaded) {
    if (models.count(l.row->recipe.model) == 0) order.push_back(l.row->recipe.model);
    models[l.row->recipe.model].push_back(&l);
  }
  for (const std::string& model : order) {
    const auto& all = models[model];
    body += "<h2>" + html_escape(model) + "</h2>\n<figure>" + models_figure(all).svg("recovered models of " + model) +
            "<figcaption>Recovered models on the colour scale of the true one; the number is the " +
            (all[0]->row->recipe.by_metrics() ? "RMSE." : "MSE in (km/s)<sup>2</sup>.") + "</figcaption></figure>\n";
    if (all[0]->row->recipe.by_metrics()) continue;
    std::vector<std::string> starts;
    for (const Loaded* l : all) {
      if (std::find(starts.begin(), starts.end(), l->row->recipe.start) == starts.end()) {
        starts.push_back(l->row->recipe.start);
      }
    }
    for (const std::string& start : starts) {
      std::vector<const Loaded*> same;
      for (const Loaded* l : all) {
        if (l->row->recipe.start == start && l->row->seed == all[0]->row->seed) same.push_back(l);
      }
      if (same.empty()) continue;
      body += "<figure>" + profiles_figure(same).svg("profiles of " + model + ", " + start) +
              "<figcaption>Profiles, case " + html_escape(start) + ".</figcaption></figure>\n";
    }
  }
  return html_page(title, body);
}

}  // namespace terrane
