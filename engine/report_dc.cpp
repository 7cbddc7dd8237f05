// SPDX-License-Identifier: MIT
// Figures of resistivity runs: pseudosections of apparent resistivity observed, predicted and misfit, the fit of the
// data.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>

#include "engine/figure.hpp"
#include "engine/report.hpp"
#include "physics/resistivity/dc_geometry.hpp"

namespace terrane {
namespace {

// Columns of the geometry: x, z of A, B, M, N; NaN at infinity.
DcSurvey survey_of(const NdArray<float>& g) {
  DcSurvey survey;
  std::map<std::pair<float, float>, Index> known;
  for (std::size_t i = 0; 8 * i + 7 < g.values.size(); ++i) {
    Index e[4];
    for (std::size_t q = 0; q < 4; ++q) {
      const float x = g.values[8 * i + 2 * q], z = g.values[8 * i + 2 * q + 1];
      if (!std::isfinite(x) || !std::isfinite(z)) {
        e[q] = -1;
        continue;
      }
      const auto [at, fresh] = known.emplace(std::pair{x, z}, static_cast<Index>(survey.electrodes.size()));
      if (fresh) survey.electrodes.push_back({static_cast<double>(x), static_cast<double>(z), 0});
      e[q] = at->second;
    }
    survey.data.push_back({e[0], e[1], e[2], e[3]});
  }
  return survey;
}

struct Section {
  std::vector<Point3> at;  // z: pseudo depth below the surface
  double dx = 1, dz = 1;   // size of a cell of the picture
  double x0 = 0, x1 = 1, z1 = 1;
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
      const double z = (static_cast<double>(r) + 0.5) * s.z1 / static_cast<double>(rows);
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

void add_pseudosections(const ReportInput& in, const DcSurvey& survey, std::vector<Figure>& figures) {
  const Section s = layout(survey);
  const auto factor = geometric_factors_m(survey, electrode_depths_m(survey.electrodes, {}));
  const auto decades = [&](const std::vector<float>& volt) {
    std::vector<double> rho;
    for (std::size_t i = 0; i < volt.size(); ++i) {
      const double r = factor[i] * static_cast<double>(volt[i]);
      rho.push_back(r > 0 ? std::log10(r) : unknown);
    }
    return rho;
  };
  std::vector<std::pair<std::string, std::vector<double>>> maps;
  const bool observed = !in.data_observed.empty(), predicted = !in.data_predicted.empty();
  if (observed) maps.emplace_back("Observed", decades(in.data_observed));
  if (predicted) maps.emplace_back("Predicted", decades(in.data_predicted));
  if (maps.empty()) return;
  std::vector<double> sorted;
  for (const auto& [title, rho] : maps) {
    for (const double v : rho) {
      if (std::isfinite(v)) sorted.push_back(v);
    }
  }
  if (sorted.empty()) return;
  std::sort(sorted.begin(), sorted.end());
  const auto quantile = [&](double q) {
    return sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1))];
  };
  double lo = quantile(0.01), hi = quantile(0.99);
  if (!(hi - lo > 1e-3)) lo -= 0.05, hi += 0.05;
  double limit = 0;
  if (observed && predicted) {
    std::vector<double> misfit;
    for (std::size_t i = 0; i < in.data_observed.size(); ++i) {
      const auto d = static_cast<double>(in.data_observed[i]), p = static_cast<double>(in.data_predicted[i]);
      misfit.push_back(d != 0 ? 100 * (d - p) / std::abs(d) : unknown);
    }
    std::vector<double> size;
    for (const double v : misfit) {
      if (std::isfinite(v)) size.push_back(std::abs(v));
    }
    std::sort(size.begin(), size.end());
    limit =
        size.empty() ? 1 : std::max(1e-3, size[static_cast<std::size_t>(0.95 * static_cast<double>(size.size() - 1))]);
    maps.emplace_back("(Observed − predicted) / |observed|", misfit);
  }
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
  add_pseudosections(in, survey_of(in.geometry), figures);
  add_fit(in, figures);
}

}  // namespace terrane
