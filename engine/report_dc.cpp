// SPDX-License-Identifier: MIT
// Figures of resistivity runs: pseudosections of apparent resistivity observed, predicted and misfit, in three
// dimensions the same in plan for classes of depth; the fit of the data.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <numeric>

#include "engine/figure.hpp"
#include "engine/report.hpp"
#include "physics/resistivity/dc_geometry.hpp"

namespace terrane {
namespace {

// Columns of the geometry: x, z, or x, y, z, of A, B, M, N; NaN at infinity.
DcSurvey survey_of(const NdArray<float>& g) {
  DcSurvey survey;
  std::map<std::array<float, 3>, Index> known;
  const auto columns = static_cast<std::size_t>(g.shape[1]), axes = columns / 4;
  for (std::size_t i = 0; columns * i + columns - 1 < g.values.size(); ++i) {
    Index e[4];
    for (std::size_t q = 0; q < 4; ++q) {
      const float* at = g.values.data() + columns * i + axes * q;
      const float x = at[0], y = axes == 3 ? at[1] : 0.0F, z = at[axes - 1];
      if (!std::isfinite(x) || !std::isfinite(z)) {
        e[q] = -1;
        continue;
      }
      const auto [place, fresh] = known.emplace(std::array{x, y, z}, static_cast<Index>(survey.electrodes.size()));
      if (fresh) {
        survey.electrodes.push_back({static_cast<double>(x), static_cast<double>(z), static_cast<double>(y)});
      }
      e[q] = place->second;
    }
    survey.data.push_back({e[0], e[1], e[2], e[3]});
  }
  return survey;
}

struct Section {
  std::vector<Point3> at;  // z: pseudo depth below the surface
  double dx = 1, dz = 1;   // size of a cell of the picture
  double x0 = 0, x1 = 1, z0 = 0, z1 = 1;
};

double smallest_gap(std::vector<double> v, double least) {
  std::sort(v.begin(), v.end());
  double gap = std::numeric_limits<double>::infinity();
  for (std::size_t i = 1; i < v.size(); ++i) {
    if (v[i] - v[i - 1] > least) gap = std::min(gap, v[i] - v[i - 1]);
  }
  return gap;
}

Section layout(const DcSurvey& survey) {
  Section s;
  const auto depth = electrode_depths_m(survey.electrodes, {});
  DcSurvey level = survey;  // depths below the surface, whatever its shape
  for (std::size_t i = 0; i < depth.size(); ++i) level.electrodes[i].z_m = depth[i];
  s.at = pseudosection(level, {});
  std::vector<double> x, z;
  for (const Point3& p : s.at) x.push_back(p.x_m), z.push_back(p.z_m);
  s.x0 = *std::min_element(x.begin(), x.end()), s.x1 = *std::max_element(x.begin(), x.end());
  s.z1 = *std::max_element(z.begin(), z.end());
  const double z0 = *std::min_element(z.begin(), z.end());
  const double width = std::max(s.x1 - s.x0, 1e-6), height = std::max(s.z1 - z0, 1e-6);
  s.dz = std::clamp(smallest_gap(z, 1e-2 * height), height / 24, height / 5);
  // Gaps between neighbours of one level; other levels may stand in between.
  std::vector<double> gaps;
  for (const Point3& p : s.at) {
    double near = width;
    for (const Point3& q : s.at) {
      if (q.x_m > p.x_m + 1e-4 * width && std::abs(q.z_m - p.z_m) < 0.5 * s.dz) near = std::min(near, q.x_m - p.x_m);
    }
    gaps.push_back(near);
  }
  std::nth_element(gaps.begin(), gaps.begin() + static_cast<std::ptrdiff_t>(gaps.size() / 4), gaps.end());
  s.dx = std::clamp(gaps[gaps.size() / 4], width / 120, width / 6);
  s.x0 -= s.dx, s.x1 += s.dx, s.z1 += s.dz;
  return s;
}

// A brick for each datum; NaN between them.
std::vector<float> picture(const Section& s, const std::vector<double>& values, Index rows, Index columns) {
  std::vector<float> image(static_cast<std::size_t>(rows * columns), std::numeric_limits<float>::quiet_NaN());
  for (Index r = 0; r < rows; ++r) {
    for (Index c = 0; c < columns; ++c) {
      const double z = s.z0 + (static_cast<double>(r) + 0.5) * (s.z1 - s.z0) / static_cast<double>(rows);
      const double x = s.x0 + (static_cast<double>(c) + 0.5) * (s.x1 - s.x0) / static_cast<double>(columns);
      double nearest = std::numeric_limits<double>::infinity(), value = unknown;
      for (std::size_t i = 0; i < values.size(); ++i) {
        const double d = std::max(std::abs(s.at[i].x_m - x) / s.dx, std::abs(s.at[i].z_m - z) / s.dz);
        if (d < nearest && std::isfinite(values[i])) nearest = d, value = values[i];
      }
      if (nearest < 0.5) image[static_cast<std::size_t>(r * columns + c)] = static_cast<float>(value);
    }
  }
  return image;
}

// What is drawn of the data: log10 of apparent resistivities on one scale, and the misfit in per cent, which is last.
struct DataMaps {
  std::vector<std::pair<std::string, std::vector<double>>> maps;
  double lo = 0, hi = 1, limit = 0;  // limit: of the misfit, 0 without
};

DataMaps data_maps(const ReportInput& in, const DcSurvey& survey) {
  DataMaps out;
  const auto factor = geometric_factors_m(survey, electrode_depths_m(survey.electrodes, {}));
  const auto decades = [&](const std::vector<float>& volt) {
    std::vector<double> rho;
    for (std::size_t i = 0; i < volt.size(); ++i) {
      const double r = factor[i] * static_cast<double>(volt[i]);
      rho.push_back(r > 0 ? std::log10(r) : unknown);
    }
    return rho;
  };
  const bool observed = !in.data_observed.empty(), predicted = !in.data_predicted.empty();
  if (observed) out.maps.emplace_back("Observed", decades(in.data_observed));
  if (predicted) out.maps.emplace_back("Predicted", decades(in.data_predicted));
  std::vector<double> sorted;
  for (const auto& [title, rho] : out.maps) {
    for (const double v : rho) {
      if (std::isfinite(v)) sorted.push_back(v);
    }
  }
  if (sorted.empty()) return {};
  std::sort(sorted.begin(), sorted.end());
  const auto quantile = [&](double q) {
    return sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1))];
  };
  out.lo = quantile(0.01), out.hi = quantile(0.99);
  if (!(out.hi - out.lo > 1e-3)) out.lo -= 0.05, out.hi += 0.05;
  if (!observed || !predicted) return out;
  std::vector<double> misfit, size;
  for (std::size_t i = 0; i < in.data_observed.size(); ++i) {
    const auto d = static_cast<double>(in.data_observed[i]), p = static_cast<double>(in.data_predicted[i]);
    misfit.push_back(d != 0 ? 100 * (d - p) / std::abs(d) : unknown);
    if (std::isfinite(misfit.back())) size.push_back(std::abs(misfit.back()));
  }
  std::sort(size.begin(), size.end());
  out.limit =
      size.empty() ? 1 : std::max(1e-3, size[static_cast<std::size_t>(0.95 * static_cast<double>(size.size() - 1))]);
  out.maps.emplace_back("(Observed − predicted) / |observed|", misfit);
  return out;
}

void add_pseudosections(const ReportInput& in, const DcSurvey& survey, std::vector<Figure>& figures) {
  const DataMaps shown = data_maps(in, survey);
  const auto& maps = shown.maps;
  if (maps.empty()) return;
  const double lo = shown.lo, hi = shown.hi, limit = shown.limit;
  const Section s = layout(survey);
  const auto count = static_cast<int>(maps.size());
  constexpr double left = 58, bar_room = 110, gap = 52;
  constexpr Index rows = 120, columns = 400;
  const double width = (page_width - left - bar_room - gap) / 2, height = std::clamp(width * 0.42, 130.0, 230.0);
  Drawing d(page_width, static_cast<double>((count + 1) / 2) * (height + 76) + 6);
  for (int k = 0; k < count; ++k) {
    const auto& [title, values] = maps[static_cast<std::size_t>(k)];
    const bool misfit = limit > 0 && k == count - 1;
    const auto image = picture(s, values, rows, columns);
    ImagePanel p;
    p.title = title;
    p.rows = rows, p.columns = columns;
    p.values = image.data();
    p.x = {"Distance (m)", s.x0, s.x1};
    p.y = {k % 2 == 0 ? "Pseudo depth (m)" : "", 0, s.z1};
    p.map = misfit ? Colormap::diverging : Colormap::viridis;
    p.lo = misfit ? -limit : lo, p.hi = misfit ? limit : hi;
    const Rect area{left + (k % 2) * (width + gap), 26 + (k / 2) * (height + 76), width, height};
    draw_image_panel(d, area, p);
    if (k == std::min(count, 2) - 1)
      draw_color_bar(d, {left + 2 * width + gap + 14, area.y, 13, height}, Colormap::viridis, lo, hi, "log10 of ohm m");
    if (misfit) draw_color_bar(d, {area.right() + 14, area.y, 13, height}, Colormap::diverging, -limit, limit, "%");
  }
  figures.push_back({"pseudosections.png", "Pseudosections",
                     "Apparent resistivity of a half-space, at the median depth of investigation of each datum. They "
                     "show the data, not the ground.",
                     d});
}

// Places in plan of the data of one class: at.z_m is y. x0 .. z1: the frame of all of them.
Section plan_of(const std::vector<Point3>& all, const std::vector<std::size_t>& chosen) {
  Section s;
  double y0 = all[0].y_m;
  s.x0 = s.x1 = all[0].x_m, s.z1 = y0;
  for (const Point3& p : all) {
    s.x0 = std::min(s.x0, p.x_m), s.x1 = std::max(s.x1, p.x_m);
    y0 = std::min(y0, p.y_m), s.z1 = std::max(s.z1, p.y_m);
  }
  const double widest = std::max({s.x1 - s.x0, s.z1 - y0, 1e-6});
  std::vector<double> gaps;
  for (const std::size_t i : chosen) {
    s.at.push_back({all[i].x_m, all[i].y_m, 0});
    double near = widest;
    for (const std::size_t j : chosen) {
      const double d = std::hypot(all[i].x_m - all[j].x_m, all[i].y_m - all[j].y_m);
      if (d > 1e-4 * widest) near = std::min(near, d);
    }
    gaps.push_back(near);
  }
  std::sort(gaps.begin(), gaps.end());
  s.dx = s.dz = std::clamp(gaps[gaps.size() / 2], widest / 100, widest / 6);
  s.x0 -= s.dx, s.x1 += s.dx, s.z1 += s.dz, s.z0 = y0 - s.dz;
  return s;
}

// Of data at one place the last one would hide the others: up to three classes of depth, each a row.
void add_plan_maps(const ReportInput& in, const DcSurvey& survey, std::vector<Figure>& figures) {
  const DataMaps shown = data_maps(in, survey);
  if (shown.maps.empty()) return;
  const auto depth = electrode_depths_m(survey.electrodes, {});
  DcSurvey level = survey;
  for (std::size_t i = 0; i < depth.size(); ++i) level.electrodes[i].z_m = depth[i];
  const std::vector<Point3> at = pseudosection(level, {});
  std::vector<std::size_t> order(at.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return at[a].z_m < at[b].z_m; });
  const std::size_t classes = std::min<std::size_t>(3, std::max<std::size_t>(1, at.size() / 12));
  // First of each class, and the end; data of one depth stay together.
  std::vector<std::size_t> first{0};
  for (std::size_t k = 1; k < classes; ++k) {
    std::size_t i = std::max(first.back() + 1, k * at.size() / classes);
    while (i < at.size() && at[order[i]].z_m - at[order[i - 1]].z_m < 1e-3 * at[order[i]].z_m) ++i;
    if (i < at.size()) first.push_back(i);
  }
  first.push_back(at.size());
  const Section frame = plan_of(at, order);
  constexpr double left = 58, bar_room = 92, gap = 60;
  const auto columns = static_cast<double>(shown.maps.size());
  const double width = (page_width - left - bar_room - (columns - 1) * gap) / std::max(columns, 3.0);
  const double height = std::clamp(width * (frame.z1 - frame.z0) / (frame.x1 - frame.x0), 90.0, 330.0);
  const double row = height + 76;
  Drawing d(page_width, static_cast<double>(first.size() - 1) * row + 6);
  constexpr Index pixels = 240;
  for (std::size_t k = 0; k + 1 < first.size(); ++k) {
    const std::vector<std::size_t> chosen(order.begin() + static_cast<std::ptrdiff_t>(first[k]),
                                          order.begin() + static_cast<std::ptrdiff_t>(first[k + 1]));
    char depths[64];
    std::snprintf(depths, sizeof depths, ", %.3g to %.3g m", at[chosen.front()].z_m, at[chosen.back()].z_m);
    Section s = plan_of(at, chosen);
    s.x0 = frame.x0, s.x1 = frame.x1, s.z0 = frame.z0, s.z1 = frame.z1;
    for (std::size_t m = 0; m < shown.maps.size(); ++m) {
      const bool misfit = shown.limit > 0 && m + 1 == shown.maps.size();
      std::vector<double> values;
      for (const std::size_t i : chosen) values.push_back(shown.maps[m].second[i]);
      const auto image = picture(s, values, pixels, pixels);
      ImagePanel p;
      p.title = (misfit ? "Misfit" : shown.maps[m].first) + depths;
      p.rows = p.columns = pixels;
      p.values = image.data();
      p.x = {"x (m)", s.x0, s.x1};
      p.y = {m == 0 ? "y (m)" : "", s.z0, s.z1};
      p.map = misfit ? Colormap::diverging : Colormap::viridis;
      p.lo = misfit ? -shown.limit : shown.lo, p.hi = misfit ? shown.limit : shown.hi;
      const Rect area{left + static_cast<double>(m) * (width + gap), 26 + static_cast<double>(k) * row, width, height};
      draw_image_panel(d, area, p);
    }
  }
  const double bar = left + columns * width + (columns - 1) * gap + 14, half = std::max(60.0, (height - 40) / 2);
  draw_color_bar(d, {bar, 26, 13, half}, Colormap::viridis, shown.lo, shown.hi, "log10 of ohm m");
  if (shown.limit > 0) {
    draw_color_bar(d, {bar, 26 + half + 40, 13, half}, Colormap::diverging, -shown.limit, shown.limit, "misfit, %");
  }
  figures.push_back(
      {"apparent_resistivity.png", "Apparent resistivity in plan",
       "Apparent resistivity of a half-space at the middle of the electrodes of each datum, in classes of "
       "its median depth of investigation; of data at one place one is drawn. Misfit: (observed - "
       "predicted) / |observed|. The maps show the data, not the ground.",
       d});
}

// Residuals over their standard deviation: by datum and as a histogram beside the normal distribution.
void add_fit(const ReportInput& in, std::vector<Figure>& figures) {
  const std::size_t n = in.data_observed.size();
  if (n == 0 || in.data_predicted.size() != n || in.data_std.size() != n) return;
  std::vector<double> residual;
  double square = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double r = (static_cast<double>(in.data_observed[i]) - static_cast<double>(in.data_predicted[i])) /
                     static_cast<double>(in.data_std[i]);
    residual.push_back(r);
    if (std::isfinite(r)) square += r * r;
  }
  constexpr double limit = 4, left = 66, gap = 84, height = 230;
  const double width = (page_width - left - 20 - gap) / 2;
  Drawing d(page_width, height + 76);
  LinePlot by_datum;
  Series points{"", {}, {}, predicted_paint(), 1.2, 0};
  for (std::size_t i = 0; i < n; ++i) {
    const double r = std::clamp(residual[i], -limit, limit);
    for (const double y : {0.0, r, unknown}) points.x.push_back(static_cast<double>(i) + 1), points.y.push_back(y);
  }
  by_datum.title = "Residual of each datum";
  by_datum.x = {"Datum", 0.5, static_cast<double>(n) + 0.5};
  by_datum.y = {"Residual / standard deviation", -limit, limit};
  by_datum.series = {points};
  by_datum.legend = false;
  draw_line_plot(d, {left, 26, width, height}, by_datum);
  constexpr int bins = 32;
  std::vector<double> counts(bins, 0.0);
  for (const double r : residual) {
    if (!std::isfinite(r)) continue;
    counts[static_cast<std::size_t>(std::clamp(static_cast<int>((r + limit) / (2 * limit) * bins), 0, bins - 1))] += 1;
  }
  Series found{"residuals", {}, {}, predicted_paint(), 1.6, 0}, normal{"normal", {}, {}, Paint::page_ink(), 1.3, 4};
  double top = 0;
  for (int b = 0; b < bins; ++b) {
    for (const int edge : {b, b + 1}) {
      found.x.push_back(-limit + 2 * limit * edge / bins);
      found.y.push_back(counts[static_cast<std::size_t>(b)]);
      top = std::max(top, found.y.back());
    }
    const double x = -limit + 2 * limit * (b + 0.5) / bins;
    normal.x.push_back(x);
    normal.y.push_back(static_cast<double>(n) * 2 * limit / bins * std::exp(-0.5 * x * x) /
                       std::sqrt(2 * 3.14159265358979));
    top = std::max(top, normal.y.back());
  }
  LinePlot histogram;
  char title[80];
  std::snprintf(title, sizeof title, "%zu data, χ² %.3g", n, square / static_cast<double>(n));
  histogram.title = title;
  histogram.x = {"Residual / standard deviation", -limit, limit};
  histogram.y = {"Number of data", 0, 1.1 * top};
  histogram.series = {normal, found};
  draw_line_plot(d, {left + width + gap, 26, width, height}, histogram);
  figures.push_back({"fit.png", "Data fit", "Residuals beyond four standard deviations are drawn at four.", d});
}

}  // namespace

void add_resistivity_figures(const ReportInput& in, std::vector<Figure>& figures) {
  if (!in.resistivity()) return;
  const DcSurvey survey = survey_of(in.geometry);
  if (in.geometry.shape[1] == 12) {
    add_plan_maps(in, survey, figures);
  } else {
    add_pseudosections(in, survey, figures);
  }
  add_fit(in, figures);
}

}  // namespace terrane
