// SPDX-License-Identifier: MIT
#include "engine/report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <span>

#include "analysis/metrics.hpp"
#include "engine/figure.hpp"
#include "engine/io/file.hpp"
#include "engine/io/text.hpp"
#include "engine/json.hpp"
#include "engine/json_value.hpp"
#include "kernels/runtime/error.hpp"

namespace terrane {
namespace {

constexpr const char* style = R"(
:root{color-scheme:light dark;--bg:#fff;--ink:#22262c;--soft:#5d6570;--line:#d9dde3;--card:#f5f7f9;--accent:#b5451f;--good:#23754a}
@media (prefers-color-scheme:dark){:root{--bg:#15181c;--ink:#e4e7ea;--soft:#9aa3ad;--line:#343a42;--card:#1e2227;--accent:#f08a5d;--good:#6fcf97}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,"Segoe UI",Helvetica,Arial,sans-serif}
main{max-width:1180px;margin:0 auto;padding:28px 30px 60px}
h1{font-size:26px;line-height:1.25;margin:0 0 4px}h2{font-size:18px;margin:38px 0 10px;padding-top:14px;border-top:1px solid var(--line)}
.lead{font-size:17px;margin:10px 0 18px;max-width:62em}.soft,figcaption{color:var(--soft)}
.status{font-size:13px;font-weight:600;color:var(--good);border:1px solid currentColor;border-radius:4px;padding:1px 7px;vertical-align:4px;margin-left:8px}
.status.bad{color:var(--accent)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(165px,1fr));gap:12px}
.tile{background:var(--card);border-radius:8px;padding:12px 14px}.tile b{display:block;font-size:22px;line-height:1.3;font-variant-numeric:tabular-nums}
.tile span{font-size:12.5px;color:var(--soft);display:block}
figure{margin:0}figcaption{font-size:13.5px;margin-top:2px;max-width:70em}svg{max-width:100%;height:auto;display:block;font-family:inherit}
table{border-collapse:collapse;font-size:13.5px;font-variant-numeric:tabular-nums}td,th{padding:3px 18px 3px 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
td.n,th.n{text-align:right}td code{overflow-wrap:anywhere}.columns{columns:2;column-gap:44px}.columns table{width:100%;break-inside:avoid;margin-bottom:16px}
caption{text-align:left;font-weight:600;padding-bottom:2px}
code,pre{font:12.5px/1.5 ui-monospace,"DejaVu Sans Mono",Menlo,monospace}pre{background:var(--card);border-radius:8px;padding:12px 14px;overflow-x:auto;margin:8px 0}
.bar{background:var(--accent);opacity:.75;height:9px;border-radius:2px}.warn li{color:var(--accent)}
@media (max-width:760px){.columns{columns:1}main{padding:18px 14px}}
@media print{:root{--bg:#fff;--ink:#111;--soft:#444;--line:#ccc;--card:#f4f4f4}main{max-width:none;padding:0}figure,table,.tile{break-inside:avoid}h2{break-after:avoid}}
)";

std::string format(const char* pattern, double x) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, pattern, x);
  return buffer;
}

// Four digits without an exponent where that is readable.
std::string short_number(double x) {
  const double a = std::fabs(x);
  if (a >= 100 && a < 1e6) return format("%.0f", x);
  return format("%.3g", x);
}

std::string duration(double s) {
  if (s < 120) return format(s < 10 ? "%.1f s" : "%.0f s", s);
  if (s < 7200) return format("%.1f min", s / 60);
  return format("%.1f h", s / 3600);
}

std::string bytes_text(double b) {
  if (b >= 1e9) return format("%.2f GB", b / 1e9);
  if (b >= 1e6) return format("%.0f MB", b / 1e6);
  return format("%.0f kB", b / 1e3);
}

std::string cell_text(const Json& v) {
  if (v.is_null()) return "–";
  if (v.is_string()) return v.get<std::string>();
  if (v.is_number_float()) return format("%.6g", v.get<double>());
  return v.dump();
}

struct ModelScore {
  bool known = false;
  double rmse = 0, start_rmse = 0, ssim = 0, start_ssim = 0;
};

ModelScore score(const ReportInput& in) {
  ModelScore s;
  if (in.model.values.empty() || in.true_model.values.empty()) return s;
  const std::span<const float> truth(in.true_model.values), model(in.model.values), start(in.start_model.values);
  const Index nz = in.model.shape[0], nx = in.model.shape[1];
  s.known = true;
  if (in.three_dimensional()) {  // SSIM: of all sections, as the run has computed it
    const auto number = [](const Json& v) { return v.is_number() ? v.get<double>() : std::nan(""); };
    const std::span<const float> whole(in.true_volume.values), first(in.start_volume.values);
    s.known = !in.volume.values.empty() && !whole.empty();
    if (!s.known) return s;
    s.rmse = rmse(std::span<const float>(in.volume.values), whole);
    s.start_rmse = first.empty() ? std::nan("") : rmse(first, whole);
    s.ssim = number(value_at(in.result, {"model_error", "ssim", "minmax"}));
    s.start_ssim = number(value_at(in.result, {"baselines", "start_model", "ssim", "minmax"}));
    return s;
  }
  s.rmse = rmse(model, truth);
  s.ssim = ssim_minmax(model, truth, nz, nx);
  s.start_rmse = start.empty() ? std::nan("") : rmse(start, truth);
  s.start_ssim = start.empty() ? std::nan("") : ssim_minmax(start, truth, nz, nx);
  return s;
}

struct Misfit {
  double initial = std::nan(""), final = std::nan("");
};

// From result.json, else from the progress of a run that has not ended.
Misfit misfit_of(const ReportInput& in) {
  Misfit m;
  const Json initial = value_at(in.result, {"misfit", "initial"}), last = value_at(in.result, {"misfit", "final"});
  if (initial.is_number()) m.initial = initial.get<double>();
  if (last.is_number()) m.final = last.get<double>();
  if (std::isnan(m.initial) && !in.progress.empty()) m.initial = in.progress.front().phi;
  if (std::isnan(m.final) && !in.progress.empty()) m.final = in.progress.back().phi;
  return m;
}

double wall_time(const ReportInput& in) {
  const Json t = value_at(in.result, {"time", "wall_s"});
  if (t.is_number()) return t.get<double>();
  return in.progress.empty() ? std::nan("") : in.progress.back().elapsed_s;
}

Index iterations(const ReportInput& in) {
  const Json n = value_at(in.result, {"iterations"});
  if (n.is_number_integer()) return n.get<Index>();
  return in.progress.empty() ? 0 : in.progress.back().iteration + 1;
}

bool several_stages(const ReportInput& in) {
  return !in.progress.empty() && in.progress.front().stage != in.progress.back().stage;
}

const std::string& error_unit(const ReportInput& in) { return in.error_unit.empty() ? in.unit : in.error_unit; }

std::string lead(const ReportInput& in) {
  std::string text;
  const ModelScore s = score(in);
  if (!in.model.shape.empty()) {
    const double width = in.dx_m * static_cast<double>(in.model.shape[1]);
    const double depth = in.dz_m * static_cast<double>(in.model.shape[0]);
    const Index across = in.volume.shape.empty() ? 1 : in.volume.shape[1];
    const double side = in.volume.shape.empty() ? 0 : in.dy_m * static_cast<double>(across);
    const double longest = std::max({width, depth, side});
    const auto [factor, name] = length_scale(longest);
    const std::string unit = std::string(" ") + name;
    const bool volume = across > 1;
    text += "A " + format("%.3g", width * factor) + unit + (volume ? " long (x), " : " wide and ") +
            (volume ? format("%.3g", side * factor) + unit + " wide (y) and " : "") + format("%.3g", depth * factor) +
            unit + " deep " + (volume ? "volume" : "section") + " of " + in.property + " was recovered on a grid of " +
            std::to_string(in.model.shape[0]) + " × " + (volume ? std::to_string(across) + " × " : "") +
            std::to_string(in.model.shape[1]) + " nodes" +
            (in.shots > 0 ? " from " + std::to_string(in.shots) + (in.shots == 1 ? " shot" : " shots") : "") +
            (in.data_observed.empty() ? ""
                                      : " from " + std::to_string(in.data_observed.size()) +
                                            (in.resistivity() ? " voltages" : " travel times")) +
            ". ";
  }
  if (s.known && std::isfinite(s.start_rmse)) {
    const double change = 100 * (s.rmse / s.start_rmse - 1);
    text += "Its error against the true model is " + short_number(s.rmse) + " " + error_unit(in) + " RMS, " +
            format("%.0f %%", std::fabs(change)) + (change <= 0 ? " less" : " more") +
            " than that of the start model (" + short_number(s.start_rmse) + " " + error_unit(in) + "). ";
  }
  const Misfit m = misfit_of(in);
  if (m.initial > 0 && std::isfinite(m.final)) {
    text += "The data misfit " + std::string(m.final <= m.initial ? "fell" : "rose") + " to " +
            format("%.3g %%", 100 * m.final / m.initial) + " of its first value in " + std::to_string(iterations(in)) +
            " iterations" + (several_stages(in) ? " (its stages use different data)" : "");
    if (std::isfinite(wall_time(in))) text += " and " + duration(wall_time(in));
    text += ".";
  }
  return text;
}

std::string tile(const std::string& value, const std::string& label) {
  return "<div class=\"tile\"><b>" + html_escape(value) + "</b><span>" + html_escape(label) + "</span></div>\n";
}

std::string tiles(const ReportInput& in) {
  std::string out = "<div class=\"tiles\">\n";
  const ModelScore s = score(in);
  if (s.known) {
    const bool start = std::isfinite(s.start_rmse);
    out += tile(short_number(s.rmse) + " " + error_unit(in),
                "model RMSE" + (start ? " (start: " + short_number(s.start_rmse) + ")" : std::string()));
    if (std::isfinite(s.ssim)) {
      out +=
          tile(format("%.3f", s.ssim),
               "SSIM, convention minmax" + (start ? " (start: " + format("%.3f", s.start_ssim) + ")" : std::string()));
    }
  }
  const Misfit m = misfit_of(in);
  if (m.initial > 0 && std::isfinite(m.final)) {
    out += tile(format("%.3g %%", 100 * m.final / m.initial),
                std::string("of the first misfit is left") + (several_stages(in) ? " (stages differ in data)" : ""));
  }
  const Json chi2 = value_at(in.result, {"data_error", "chi2"}),
             residual = value_at(in.result, {"data_error", "rms_s"}), ip = value_at(in.result, {"ip", "chi2"});
  if (chi2.is_number()) out += tile(format("%.3f", chi2.get<double>()), "χ² per datum (1: fits to the errors)");
  if (ip.is_number()) out += tile(format("%.3f", ip.get<double>()), "χ² of the chargeabilities");
  if (residual.is_number()) {
    const TimeUnit unit = time_unit(residual.get<double>());
    out += tile(format("%.3g ", unit.factor * residual.get<double>()) + unit.name, "RMS residual");
  }
  const Json stop = value_at(in.result, {"stop_reason"});
  if (iterations(in) > 0) {
    out += tile(std::to_string(iterations(in)),
                "iterations" + (stop.is_string() ? ", " + cell_text(stop) : std::string()));
  }
  if (std::isfinite(wall_time(in))) {
    const Json device = value_at(in.result, {"device", "type"});
    out += tile(duration(wall_time(in)), "wall time" + (device.is_string() ? ", " + cell_text(device) : std::string()));
  }
  const Json host = value_at(in.result, {"memory", "host_peak_bytes"}),
             gpu = value_at(in.result, {"memory", "device_peak_bytes"});
  if (host.is_number()) out += tile(bytes_text(host.get<double>()), "peak memory, host");
  if (gpu.is_number() && gpu.get<double>() > 0) out += tile(bytes_text(gpu.get<double>()), "peak memory, GPU");
  return out + "</div>\n";
}

std::string row(const std::string& key, const std::string& value) {
  return "<tr><td>" + html_escape(key) + "</td><td><code>" + html_escape(value) + "</code></td></tr>\n";
}

// One row per leaf: "optimizer.lr". Long lists are cut.
void flatten(const Json& v, const std::string& prefix, std::string& rows) {
  const bool list_of_objects = v.is_array() && !v.empty() && v[0].is_object();
  if (v.is_object()) {
    for (const auto& [key, item] : v.items()) flatten(item, prefix.empty() ? key : prefix + "." + key, rows);
  } else if (list_of_objects) {
    for (std::size_t i = 0; i < v.size(); ++i) flatten(v[i], prefix + "[" + std::to_string(i) + "]", rows);
  } else if (!v.is_null() && !(v.is_array() && v.empty())) {
    std::string text = cell_text(v);
    if (v.is_array() && text.size() > 70) text = text.substr(0, 60) + " … (" + std::to_string(v.size()) + " values)";
    rows += row(prefix, text);
  }
}

std::string settings(const ReportInput& in) {
  if (!in.resolved.is_object()) return "";
  std::string general, out = "<h2>Settings</h2>\n<div class=\"columns\">\n", sections;
  for (const auto& [key, value] : in.resolved.items()) {
    if (!value.is_object() && !(value.is_array() && !value.empty() && value[0].is_object())) {
      flatten(value, key, general);
      continue;
    }
    std::string rows;
    flatten(value, "", rows);
    if (!rows.empty()) sections += "<table><caption>" + html_escape(key) + "</caption>\n" + rows + "</table>\n";
  }
  if (!general.empty()) out += "<table><caption>general</caption>\n" + general + "</table>\n";
  return out + sections +
         "</div>\n<p class=\"soft\">Every default and unit resolved; empty settings are left out. The same in "
         "<code>resolved.json</code>.</p>\n";
}

std::string timings(const ReportInput& in) {
  const Json phases = value_at(in.result, {"time", "phases_s"});
  if (!phases.is_object() || phases.empty()) return "";
  double most = 0, sum = 0;
  for (const auto& [name, s] : phases.items()) {
    if (!s.is_number()) continue;
    most = std::max(most, s.get<double>());
    sum += s.get<double>();
  }
  const double wall = std::isfinite(wall_time(in)) ? wall_time(in) : sum;
  std::string out =
      "<h2>Time and memory</h2>\n<table><tr><th>phase</th><th class=\"n\">time</th><th class=\"n\">share</th>"
      "<th style=\"min-width:260px\"></th></tr>\n";
  const auto line = [&](const std::string& name, double s) {
    out += "<tr><td>" + html_escape(name) + "</td><td class=\"n\">" + duration(s) + "</td><td class=\"n\">" +
           format("%.1f %%", wall > 0 ? 100 * s / wall : 0) +
           "</td><td><div class=\"bar\" style=\"width:" + format("%.1f", most > 0 ? 100 * s / most : 0) +
           "%\"></div></td></tr>\n";
  };
  for (const auto& [name, s] : phases.items()) {
    if (s.is_number()) line(name, s.get<double>());
  }
  if (wall > sum) line("other", wall - sum);
  out += "</table>\n<table style=\"margin-top:14px\">\n";
  for (const auto& [key, label] : {std::pair{"host_peak_bytes", "host peak"},
                                   {"device_peak_bytes", "GPU peak"},
                                   {"forecast_bytes", "forecast before the run"}}) {
    const Json b = value_at(in.result, {"memory", key});
    if (b.is_number() && b.get<double>() > 0) out += row(label, bytes_text(b.get<double>()));
  }
  const Json storage = value_at(in.result, {"memory", "storage"});
  if (storage.is_string()) out += row("wavefield storage", cell_text(storage));
  return out + "</table>\n";
}

std::string scores(const ReportInput& in) {
  const Json errors = value_at(in.result, {"model_error"});
  if (!errors.is_object()) return "";
  std::string rows;
  flatten(errors, "", rows);
  return "<h2>Model error</h2>\n<table>\n" + rows +
         "</table>\n<p class=\"soft\">SSIM values are comparable only within "
         "one convention; its name stands after <code>ssim</code>.</p>\n";
}

std::string warnings(const ReportInput& in) {
  const Json list = value_at(in.result, {"warnings"});
  if (!list.is_array() || list.empty()) return "<h2>Warnings</h2>\n<p>None.</p>\n";
  std::string out = "<h2>Warnings</h2>\n<ul class=\"warn\">\n";
  for (const Json& w : list) out += "<li>" + html_escape(cell_text(w)) + "</li>\n";
  return out + "</ul>\n";
}

std::string provenance(const ReportInput& in) {
  std::string rows;
  for (const char* key : {"version", "device", "seed", "config_sha256", "inputs", "resumed_at", "metadata"}) {
    const Json v = value_at(in.result, {key});
    if (v.is_object() || (v.is_array() && !v.empty() && v[0].is_object())) {
      flatten(v, key, rows);
    } else if (!v.is_null() && !v.empty()) {
      rows += row(key, cell_text(v));
    }
  }
  const std::string dir = std::filesystem::path(in.directory).lexically_normal().filename().string();
  const Json status = value_at(in.result, {"status"});
  std::string out = rows.empty() ? "" : "<h2>Provenance</h2>\n<table>\n" + rows + "</table>\n";
  out += "<h2>Reproduce</h2>\n<p>From the folder that holds this output directory:</p>\n<pre>terrane run " +
         html_escape(dir) + "/resolved.json --out " + html_escape(dir) + "-again   # the same run\n";
  if (status != "ok") out += "terrane resume " + html_escape(dir) + "   # go on from the last checkpoint\n";
  return out + "terrane report " + html_escape(dir) +
         "   # write this page again</pre>\n<p class=\"soft\">The same seed, "
         "device and build give the same bits.</p>\n";
}

std::string page(const std::string& title, const std::string& body) {
  return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
         "content=\"width=device-width, initial-scale=1\">\n<title>" +
         html_escape(title) + "</title>\n<style>" + style + "</style></head>\n<body><main>\n" + body +
         "</main></body></html>\n";
}

std::string status_badge(const ReportInput& in) {
  const Json status = value_at(in.result, {"status"});
  if (!status.is_string()) return "<span class=\"status bad\">not ended</span>";
  return "<span class=\"status" + std::string(status == "ok" ? "" : " bad") + "\">" + html_escape(cell_text(status)) +
         "</span>";
}

std::string cell(double v, const char* pattern) {
  return "<td class=\"n\">" + (std::isfinite(v) ? format(pattern, v) : "–") + "</td>";
}

}  // namespace

std::string make_report(const ReportInput& in) {
  std::string body = "<h1>" + html_escape(in.name) + status_badge(in) + "</h1>\n";
  const Json description = value_at(in.resolved, {"description"});
  if (description.is_string()) body += "<p class=\"soft\">" + html_escape(cell_text(description)) + "</p>\n";
  body += "<p class=\"lead\">" + html_escape(lead(in)) + "</p>\n" + tiles(in);
  for (const Figure& f : make_figures(in)) body += figure_html(f);
  body += scores(in) + timings(in) + warnings(in) + settings(in) + provenance(in);
  return page(in.name + " – terrane report", body);
}

std::string make_comparison(const std::vector<ReportInput>& inputs) {
  std::string body = "<h1>Comparison of " + std::to_string(inputs.size()) +
                     " runs</h1>\n<table style=\"margin-top:14px\">\n"
                     "<tr><th>run</th><th>status</th><th class=\"n\">iterations</th><th class=\"n\">misfit left</th>"
                     "<th class=\"n\">model RMSE</th><th class=\"n\">start RMSE</th><th class=\"n\">SSIM (minmax)</th>"
                     "<th class=\"n\">wall time (s)</th></tr>\n";
  for (const ReportInput& in : inputs) {
    const ModelScore s = score(in);
    const Misfit m = misfit_of(in);
    body += "<tr><td>" + html_escape(in.name) + "</td><td>" + html_escape(cell_text(value_at(in.result, {"status"}))) +
            "</td><td class=\"n\">" + std::to_string(iterations(in)) + "</td>" +
            cell(100 * m.final / m.initial, "%.3g %%") + cell(s.known ? s.rmse : std::nan(""), "%.4g") +
            cell(s.known ? s.start_rmse : std::nan(""), "%.4g") + cell(s.known ? s.ssim : std::nan(""), "%.4f") +
            cell(wall_time(in), "%.4g") + "</tr>\n";
  }
  body += "</table>\n";
  for (const ReportInput& in : inputs) {
    body += "<h2>" + html_escape(in.name) + "</h2>\n";
    for (const Figure& f : make_figures(in)) {
      if (f.file != "models.png" && f.file != "misfit.png" && f.file != "differences.png") continue;
      body +=
          "<figure>" + f.drawing.svg(f.title) + "<figcaption>" + html_escape(f.caption) + "</figcaption></figure>\n";
    }
  }
  return page("terrane comparison", body);
}

std::string figure_html(const Figure& f) {
  return "<h2>" + html_escape(f.title) + "</h2>\n<figure>" + f.drawing.svg(f.title) + "<figcaption>" +
         html_escape(f.caption) + "</figcaption></figure>\n";
}

namespace {

void add_rows(const Json& json, const std::string& prefix, std::string& out) {
  for (const auto& [key, value] : json.items()) {
    const std::string name = prefix.empty() ? key : prefix + "." + key;
    if (value.is_object()) {
      add_rows(value, name, out);
    } else if (!value.is_array() || value.size() <= 8) {  // long lists stand in the file
      out += "<tr><td>" + html_escape(name) + "</td><td><code>" +
             html_escape(value.is_string() ? value.get<std::string>() : value.dump()) + "</code></td></tr>\n";
    }
  }
}

}  // namespace

std::string result_rows(const Json& result) {
  std::string out;
  add_rows(result, "", out);
  return out;
}

std::string html_page(const std::string& title, const std::string& body) { return page(title, body); }

void write_report(const std::string& directory, const ReportInput& input) {
  make_directories(directory + "/figures");
  const Json version = value_at(input.result, {"version", "terrane"}), hash = value_at(input.result, {"config_sha256"});
  const PngText text = {
      {"Software", "terrane " + (version.is_string() ? cell_text(version) : std::string("(version unknown)"))},
      {"terrane:config_sha256", hash.is_string() ? cell_text(hash) : std::string("unknown")},
      {"terrane:run", input.name}};
  for (const Figure& f : make_figures(input)) {
    PngText with_title = text;
    with_title.emplace_back("Title", f.title);
    write_png(directory + "/figures/" + f.file, f.drawing.raster(1.5), with_title);
  }
  write_file_atomic(directory + "/report.html", make_report(input));
}

}  // namespace terrane
