// SPDX-License-Identifier: MIT
// Figures of travel-time runs: pick curves, residuals, ray coverage.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>

#include "engine/figure.hpp"
#include "engine/median.hpp"
#include "engine/report.hpp"

namespace terrane {
namespace {

const Paint observed_paint = Paint::page_ink();

// Rows of data by source, in the order of first appearance; column 0..3 of the geometry: source x, z, receiver x, z.
struct SourceGroup {
  double x = 0, z = 0;
  std::vector<std::size_t> rows;
};
std::vector<SourceGroup> by_source(const NdArray<float>& g) {
  std::vector<SourceGroup> groups;
  std::map<std::pair<float, float>, std::size_t> known;
  for (std::size_t i = 0; 4 * i + 3 < g.values.size(); ++i) {
    const auto key = std::pair{g.values[4 * i], g.values[4 * i + 1]};
    const auto [it, fresh] = known.emplace(key, groups.size());
    if (fresh) groups.push_back({static_cast<double>(key.first), static_cast<double>(key.second), {}});
    groups[it->second].rows.push_back(i);
  }
  return groups;
}

// Where receivers are drawn: along the line, down the borehole, or around the centre (degrees).
struct ReceiverAxis {
  std::string label;
  std::vector<double> at;  // by datum
};
ReceiverAxis receiver_axis(const NdArray<float>& g) {
  double x0 = 1e30, x1 = -1e30, z0 = 1e30, z1 = -1e30;
  const std::size_t n = g.values.size() / 4;
  for (std::size_t i = 0; i < n; ++i) {
    const auto x = static_cast<double>(g.values[4 * i + 2]), z = static_cast<double>(g.values[4 * i + 3]);
    x0 = std::min(x0, x), x1 = std::max(x1, x), z0 = std::min(z0, z), z1 = std::max(z1, z);
  }
  const bool ring = std::min(x1 - x0, z1 - z0) > 0.5 * std::max(x1 - x0, z1 - z0);
  const bool line = x1 - x0 >= z1 - z0;
  ReceiverAxis a;
  a.label = ring ? "Receiver angle (degrees)" : line ? "Receiver distance (m)" : "Receiver depth (m)";
  for (std::size_t i = 0; i < n; ++i) {
    const auto x = static_cast<double>(g.values[4 * i + 2]), z = static_cast<double>(g.values[4 * i + 3]);
    a.at.push_back(ring ? std::atan2(z - 0.5 * (z0 + z1), x - 0.5 * (x0 + x1)) * 180 / 3.14159265358979323846
                        : (line ? x : z));
  }
  return a;
}

TimeUnit unit_of(const std::vector<float>& t) {
  double largest = 0;
  for (const float v : t) largest = std::max(largest, std::fabs(static_cast<double>(v)));
  return time_unit(largest);
}

Axis range_axis(const std::string& label, const std::vector<Series>& series, bool vertical) {
  double lo = std::numeric_limits<double>::infinity(), hi = -lo;
  for (const Series& s : series) {
    for (const double v : vertical ? s.y : s.x) {
      if (std::isfinite(v)) lo = std::min(lo, v), hi = std::max(hi, v);
    }
  }
  if (!(hi > lo)) hi = lo + 1;
  const double margin = 0.04 * (hi - lo);
  return {label, lo - margin, hi + margin};
}

// Between neighbours of `at` in this order; where all are equal, infinite.
double median_step(const std::vector<double>& at, const std::vector<std::size_t>& rows) {
  std::vector<double> steps;
  for (std::size_t k = 1; k < rows.size(); ++k) {
    if (at[rows[k]] > at[rows[k - 1]]) steps.push_back(at[rows[k]] - at[rows[k - 1]]);
  }
  return steps.empty() ? std::numeric_limits<double>::infinity() : median_of(std::move(steps));
}

// Up to eight sources: times against the position of the receiver.
void add_picks(const ReportInput& in, std::vector<Figure>& figures) {
  const auto groups = by_source(in.geometry);
  const ReceiverAxis axis = receiver_axis(in.geometry);
  const bool observed = !in.data_observed.empty(), predicted = !in.data_predicted.empty();
  const TimeUnit unit = unit_of(observed ? in.data_observed : in.data_predicted);
  constexpr std::size_t shown = 8;
  LinePlot plot;
  const std::size_t count = std::min(shown, groups.size());
  for (std::size_t k = 0; k < count; ++k) {
    const SourceGroup& g = groups[count < 2 ? 0 : k * (groups.size() - 1) / (count - 1)];
    std::vector<std::size_t> rows = g.rows;
    std::sort(rows.begin(), rows.end(), [&](std::size_t a, std::size_t b) { return axis.at[a] < axis.at[b]; });
    // A curve ends where picks of many receivers are missing.
    const double gap = 8 * median_step(axis.at, rows);
    const auto curve = [&](const std::vector<float>& t, const char* name, Paint paint, double width, double dash) {
      Series s{k == 0 ? name : "", {}, {}, paint, width, dash};
      for (const std::size_t i : rows) {
        if (!s.x.empty() && axis.at[i] - s.x.back() > gap) {
          s.x.push_back(axis.at[i]);
          s.y.push_back(std::numeric_limits<double>::quiet_NaN());
        }
        s.x.push_back(axis.at[i]);
        s.y.push_back(static_cast<double>(t[i]) * unit.factor);
      }
      return s;
    };
    if (observed) plot.series.push_back(curve(in.data_observed, "observed", observed_paint, 1.5, 4));
    if (predicted) plot.series.push_back(curve(in.data_predicted, "predicted", predicted_paint(), 1.5, 0));
  }
  if (plot.series.empty()) return;
  plot.title = std::to_string(count) + " of " + std::to_string(groups.size()) + " sources";
  plot.x = range_axis(axis.label, plot.series, false);
  plot.y = range_axis("Time (" + std::string(unit.name) + ")", plot.series, true);
  constexpr double left = 66, height = 320;
  Drawing d(page_width, height + 76);
  draw_line_plot(d, {left, 26, page_width - left - 20, height}, plot);
  figures.push_back({"picks.png", "Travel times", "One curve for each source shown.", d});
}

// Residuals as source x receiver and as a histogram.
void add_residuals(const ReportInput& in, std::vector<Figure>& figures) {
  const std::size_t n = in.data_observed.size();
  if (n == 0 || in.data_predicted.size() != n) return;
  std::vector<float> residual(n);
  double square = 0;
  for (std::size_t i = 0; i < n; ++i) {
    residual[i] = in.data_observed[i] - in.data_predicted[i];
    square += static_cast<double>(residual[i]) * static_cast<double>(residual[i]);
  }
  const TimeUnit unit = unit_of(residual);
  const double rms = std::sqrt(square / static_cast<double>(n)) * unit.factor;
  const auto groups = by_source(in.geometry);
  std::map<std::pair<float, float>, std::size_t> receivers;
  for (std::size_t i = 0; i < n; ++i) {
    receivers.emplace(std::pair{in.geometry.values[4 * i + 2], in.geometry.values[4 * i + 3]}, 0);
  }
  std::size_t next = 0;
  for (auto& [position, index] : receivers) index = next++;
  std::vector<float> image(groups.size() * receivers.size(), std::numeric_limits<float>::quiet_NaN());
  for (std::size_t k = 0; k < groups.size(); ++k) {
    for (const std::size_t i : groups[k].rows) {
      const std::size_t r = receivers.at({in.geometry.values[4 * i + 2], in.geometry.values[4 * i + 3]});
      image[k * receivers.size() + r] = static_cast<float>(static_cast<double>(residual[i]) * unit.factor);
    }
  }
  const double limit = 2.5 * std::max(rms, 1e-30);
  const std::string label = "Observed − predicted (" + std::string(unit.name) + ")";
  constexpr double left = 58, height = 300, image_width = 460, bar_room = 110, gap = 40;
  Drawing d(page_width, height + 76);
  ImagePanel p;
  p.title = "Residual of each pair";
  p.rows = static_cast<Index>(groups.size());
  p.columns = static_cast<Index>(receivers.size());
  p.values = image.data();
  p.x = {"Receiver", 0.5, static_cast<double>(p.columns) + 0.5};
  p.y = {"Source", 0.5, static_cast<double>(p.rows) + 0.5};
  p.map = Colormap::diverging;
  p.lo = -limit, p.hi = limit;
  draw_image_panel(d, {left, 26, image_width, height}, p);
  draw_color_bar(d, {left + image_width + 14, 26, 13, height}, Colormap::diverging, -limit, limit, label);
  constexpr int bins = 41;
  std::vector<double> counts(bins, 0.0);
  for (const float r : residual) {
    const double t = (static_cast<double>(r) * unit.factor + limit) / (2 * limit);
    counts[static_cast<std::size_t>(std::clamp(static_cast<int>(t * bins), 0, bins - 1))] += 1;
  }
  Series s{"", {}, {}, predicted_paint(), 1.6, 0};
  for (int b = 0; b < bins; ++b) {
    for (const int edge : {b, b + 1}) {
      s.x.push_back(-limit + 2 * limit * edge / bins);
      s.y.push_back(counts[static_cast<std::size_t>(b)]);
    }
  }
  LinePlot plot;
  char title[80];
  std::snprintf(title, sizeof title, "%zu data, RMS %.3g %s", n, rms, unit.name);
  plot.title = title;
  plot.x = {label, -limit, limit};
  plot.y = {"Number of data", 0, 1.08 * *std::max_element(counts.begin(), counts.end())};
  plot.series = {s};
  plot.vertical_lines = {0};
  plot.legend = false;
  const double x = left + image_width + bar_room + gap;
  draw_line_plot(d, {x, 26, page_width - x - 20, height}, plot);
  figures.push_back({"residuals.png", "Residuals",
                     "Gray: no datum. Values beyond the scale (2.5 times the RMS) are in the outermost bins.", d});
}

}  // namespace

void add_travel_figures(const ReportInput& in, std::vector<Figure>& figures) {
  if (in.geometry.values.empty() || in.resistivity()) return;
  add_picks(in, figures);
  add_residuals(in, figures);
}

}  // namespace terrane
