// SPDX-License-Identifier: MIT
// The figures of a report: which panels, in what layout, on what scale.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "engine/figure.hpp"
#include "engine/report.hpp"

namespace terrane {
namespace {

const Paint true_paint = Paint::page_ink();
const Paint start_paint = Paint::of({128, 132, 140});
const Paint recovered_paint = Paint::of({211, 73, 40});
const Paint error_paint = Paint::of({42, 120, 178});

using Map = NdArray<float>;

bool has(const Map& m) { return !m.values.empty(); }

Map difference(const Map& a, const Map& b) {
  Map d{a.shape, a.values};
  for (std::size_t i = 0; i < d.values.size(); ++i) d.values[i] -= b.values[i];
  return d;
}

// The q-quantile of |v|, or of v, over finite values.
double quantile(const std::vector<float>& values, double q, bool magnitude) {
  std::vector<float> v;
  for (const float x : values) {
    if (std::isfinite(x)) v.push_back(magnitude ? std::fabs(x) : x);
  }
  if (v.empty()) return 0;
  const auto k = static_cast<std::ptrdiff_t>(q * static_cast<double>(v.size() - 1));
  std::nth_element(v.begin(), v.begin() + k, v.end());
  return static_cast<double>(v[static_cast<std::size_t>(k)]);
}

LengthScale map_scale(const ReportInput& in, const Map& m) {
  return length_scale(std::max(in.dx_m * static_cast<double>(m.shape[1]), in.dz_m * static_cast<double>(m.shape[0])));
}

std::string with_unit(const std::string& text, const std::string& unit) { return text + " (" + unit + ")"; }

class ModelPage {
 public:
  ModelPage(const ReportInput& in, const Map& shape) : in_(in), scale_(map_scale(in, shape)) {
    rows_ = shape.shape[0];
    columns_ = shape.shape[1];
    // Nodes are cell centres of the picture.
    x_ = {with_unit("Distance", scale_.unit), (in.x0_m - in.dx_m / 2) * scale_.factor,
          (in.x0_m + in.dx_m * (static_cast<double>(columns_) - 0.5)) * scale_.factor};
    z_ = {with_unit("Depth", scale_.unit), (in.z0_m - in.dz_m / 2) * scale_.factor,
          (in.z0_m + in.dz_m * (static_cast<double>(rows_) - 0.5)) * scale_.factor};
  }
  // Height over width of the section, kept within what a page can show.
  double aspect() const { return std::clamp((z_.hi - z_.lo) / (x_.hi - x_.lo), 0.22, 1.15); }
  double true_aspect() const { return (z_.hi - z_.lo) / (x_.hi - x_.lo); }
  ImagePanel panel(const std::string& title, const Map& m, Colormap map, double lo, double hi) const {
    ImagePanel p;
    p.title = title;
    p.rows = rows_;
    p.columns = columns_;
    p.values = m.values.data();
    p.x = x_;
    p.y = z_;
    p.map = map;
    p.lo = lo;
    p.hi = hi;
    return p;
  }
  std::vector<Point> sources() const {
    std::vector<Point> marks;
    if (in_.sources.size() > 200) return marks;
    for (const Point& s : in_.sources) marks.push_back({s.x * scale_.factor, s.y * scale_.factor});
    return marks;
  }
  const Axis& z() const { return z_; }
  LengthScale scale() const { return scale_; }
  // "Vertical exaggeration 2.0x." when the axes are not to scale.
  std::string exaggeration() const {
    const double v = aspect() / true_aspect();
    if (std::fabs(v - 1) < 0.02) return " Depth and distance are to scale.";
    char text[64];
    std::snprintf(text, sizeof text, " Depth is drawn %.1f times distance.", v);
    return text;
  }

 private:
  const ReportInput& in_;
  LengthScale scale_;
  Index rows_ = 0, columns_ = 0;
  Axis x_, z_;
};

// Panels in a grid of `across` columns, one colour bar to the right of all.
Drawing panel_grid(const ModelPage& page, std::vector<ImagePanel> panels, const std::string& bar_label) {
  const auto n = static_cast<int>(panels.size());
  const int across = page.aspect() < 0.42 ? std::min(n, 2) : std::min(n, 3);
  const int down = (n + across - 1) / across;
  const double left = 58, gap = 60, bar_room = 92;
  double width = (page_width - left - bar_room - gap * (across - 1)) / across;
  if (n == 1) width = std::min(width, 640.0);
  width = std::min(width, 560.0 / std::max(page.aspect(), 0.5));
  const double height = width * page.aspect(), row = height + 74;
  Drawing d(left + across * width + gap * (across - 1) + bar_room, down * row + 6);
  for (int k = 0; k < n; ++k) {
    const Rect area{left + (k % across) * (width + gap), 26 + (k / across) * row, width, height};
    ImagePanel& panel = panels[static_cast<std::size_t>(k)];
    if (k % across != 0) panel.y.label.clear();
    draw_image_panel(d, area, panel);
  }
  const double bar_height = std::min(down * row - 74, 320.0);
  const ImagePanel& p = panels[0];
  draw_color_bar(d, {left + across * width + gap * (across - 1) + 14, 26, 13, bar_height}, p.map, p.lo, p.hi,
                 bar_label);
  return d;
}

// The recovered model where rays come: NaN where the coverage is below 2 % of its median. Models of voltages fade
// instead.
Map covered_part(const ReportInput& in) {
  Map m = in.model;
  if (!has(in.coverage) || !has(m) || in.resistivity()) return m;
  std::vector<float> lit;
  for (const float c : in.coverage.values) {
    if (c > 0) lit.push_back(c);
  }
  const double least = 0.02 * quantile(lit, 0.5, false);
  for (std::size_t i = 0; i < m.values.size(); ++i) {
    if (!(static_cast<double>(in.coverage.values[i]) > least)) m.values[i] = std::numeric_limits<float>::quiet_NaN();
  }
  return m;
}

// 1 where the sensitivity is above 1 % of its largest value, falling with its logarithm to 0.15 at 1e-4 of it.
std::vector<float> opacity_of(const Map& sensitivity) {
  std::vector<float> opacity;
  for (const float v : sensitivity.values) {
    const double decades = v > 0 ? std::log10(static_cast<double>(v)) : -9;
    opacity.push_back(static_cast<float>(std::clamp(1 + 0.425 * (decades + 2), 0.15, 1.0)));
  }
  return opacity;
}

void add_coverage(const ReportInput& in, const ModelPage& page, std::vector<Figure>& figures) {
  if (!has(in.coverage)) return;
  Map shown = in.coverage;
  const double top = quantile(shown.values, 0.995, false);
  if (!(top > 0)) return;
  for (float& v : shown.values) {
    v = v > 0 ? static_cast<float>(std::log10(static_cast<double>(v) / top)) : std::numeric_limits<float>::quiet_NaN();
  }
  if (in.resistivity()) {
    figures.push_back(
        {"coverage.png", "Sensitivity",
         "Root of the sum of squares of d(datum)/d(ln conductivity) over the standard deviation, relative to "
         "its 99.5th percentile." +
             std::string(in.three_dimensional() ? "" : " The recovered model fades where it is small."),
         panel_grid(page, {page.panel("Sensitivity", shown, Colormap::viridis, -4, 0)},
                    "log10 of relative sensitivity")});
    return;
  }
  ImagePanel panel = page.panel("Ray coverage", shown, Colormap::viridis, -2.5, 0);
  for (Index i = 0; !in.rays.shape.empty() && i < in.rays.shape[0]; ++i) {
    const auto k = static_cast<std::size_t>(3 * i);
    if (i == 0 || in.rays.values[k] != in.rays.values[k - 3]) panel.paths.emplace_back();
    panel.paths.back().push_back({static_cast<double>(in.rays.values[k + 1]) * page.scale().factor,
                                  static_cast<double>(in.rays.values[k + 2]) * page.scale().factor});
  }
  const std::string rays = panel.paths.empty() ? "" : " White: " + std::to_string(panel.paths.size()) + " of the rays.";
  figures.push_back({"coverage.png", "Ray coverage",
                     "Length of all rays in each cell at the recovered model, relative to its 99.5th percentile. Gray: "
                     "no ray." +
                         rays,
                     panel_grid(page, {panel}, "log10 of relative length")});
}

void add_models(const ReportInput& in, const ModelPage& page, std::vector<Figure>& figures) {
  // One scale for all three: that of the true model, else of the recovered and start models.
  double lo = std::numeric_limits<double>::infinity(), hi = -lo;
  for (const Map* m : {&in.true_model, &in.model, &in.start_model}) {
    if (!has(*m)) continue;
    lo = std::min(lo, quantile(m->values, 0.0, false));
    hi = std::max(hi, quantile(m->values, 1.0, false));
    if (m == &in.true_model) break;
  }
  if (!(hi > lo)) hi = lo + 1;
  std::vector<ImagePanel> panels;
  if (has(in.true_model)) panels.push_back(page.panel("True model", in.true_model, Colormap::viridis, lo, hi));
  if (has(in.start_model)) panels.push_back(page.panel("Start model", in.start_model, Colormap::viridis, lo, hi));
  if (has(in.reference_model))
    panels.push_back(page.panel("Reference model", in.reference_model, Colormap::viridis, lo, hi));
  const Map shown = covered_part(in);
  if (has(in.model)) panels.push_back(page.panel("Recovered model", shown, Colormap::viridis, lo, hi));
  if (panels.empty()) return;
  const bool travel = has(in.coverage) && !in.resistivity(), fades = has(in.coverage) && in.resistivity();
  std::vector<float> opacity;
  if (fades && has(in.model)) {
    opacity = opacity_of(in.coverage);
    panels.back().opacity = opacity.data();
  }
  if (travel && has(in.model)) panels.back().contours = nice_ticks(lo + 0.03 * (hi - lo), hi - 0.03 * (hi - lo), 6);
  // Two columns: the recovered model stands beside the true one.
  if (panels.size() == 3 && page.aspect() < 0.42) std::swap(panels[1], panels[2]);
  panels.front().marks = page.sources();
  const bool marked = !panels.front().marks.empty();
  figures.push_back({"models.png", "Models",
                     "All panels share one colour scale." + page.exaggeration() +
                         (!marked            ? ""
                          : in.resistivity() ? " Red triangles: electrodes."
                                             : " Red triangles: sources.") +
                         (fades ? " The recovered model fades where the data hardly see it." : "") +
                         (travel ? " White lines: equal values of the recovered model; gray: no ray comes there." : ""),
                     panel_grid(page, panels, in.property + " (" + in.unit + ")")});
}

void add_differences(const ReportInput& in, const ModelPage& page, std::vector<Figure>& figures) {
  if (!has(in.model)) return;
  std::vector<std::pair<std::string, Map>> maps;
  if (has(in.true_model) && has(in.start_model)) {
    maps.emplace_back("Start − true", difference(in.start_model, in.true_model));
  }
  if (has(in.true_model)) maps.emplace_back("Recovered − true", difference(in.model, in.true_model));
  if (has(in.start_model)) maps.emplace_back("Recovered − start (update)", difference(in.model, in.start_model));
  if (maps.empty()) return;
  double limit = 0;
  for (const auto& [title, m] : maps) limit = std::max(limit, quantile(m.values, 0.99, true));
  if (!(limit > 0)) limit = 1;
  std::vector<ImagePanel> panels;
  for (const auto& [title, m] : maps) panels.push_back(page.panel(title, m, Colormap::diverging, -limit, limit));
  figures.push_back({"differences.png", "Differences",
                     "One symmetric scale, clipped at the 99th percentile of the largest. White means no difference.",
                     panel_grid(page, panels, "Δ" + in.property + " (" + in.unit + ")")});
}

void add_profiles(const ReportInput& in, const ModelPage& page, std::vector<Figure>& figures) {
  if (!has(in.model)) return;
  const Index nz = in.model.shape[0], nx = in.model.shape[1];
  std::vector<Index> columns;
  for (const double share : {0.2, 0.4, 0.6, 0.8}) {
    const auto c = static_cast<Index>(std::lround(share * static_cast<double>(nx - 1)));
    if (columns.empty() || columns.back() != c) columns.push_back(c);
  }
  double lo = std::numeric_limits<double>::infinity(), hi = -lo;
  const auto curve = [&](const Map& m, Index c, const char* name, Paint paint, double width, double dash) {
    Series s{name, {}, {}, paint, width, dash};
    for (Index z = 0; z < nz; ++z) {
      const auto v = static_cast<double>(m.values[static_cast<std::size_t>(z * nx + c)]);
      s.x.push_back(v);
      s.y.push_back((in.z0_m + static_cast<double>(z) * in.dz_m) * page.scale().factor);
      if (std::isfinite(v)) {
        lo = std::min(lo, v);
        hi = std::max(hi, v);
      }
    }
    return s;
  };
  std::vector<LinePlot> plots;
  for (const Index c : columns) {
    LinePlot p;
    char title[48];
    std::snprintf(title, sizeof title, "x = %.4g %s",
                  (in.x0_m + static_cast<double>(c) * in.dx_m) * page.scale().factor, page.scale().unit);
    p.title = title;
    if (has(in.true_model)) p.series.push_back(curve(in.true_model, c, "true", true_paint, 1.6, 0));
    if (has(in.start_model)) p.series.push_back(curve(in.start_model, c, "start", start_paint, 1.6, 5));
    p.series.push_back(curve(in.model, c, "recovered", recovered_paint, 2, 0));
    p.legend = plots.empty();
    p.y = page.z();
    p.y.reversed = true;
    plots.push_back(std::move(p));
  }
  const double left = 58, gap = 46, width = (page_width - left - 20 - gap * 3) / 4, height = 330;
  Drawing d(page_width, height + 76);
  const double margin = hi > lo ? 0.04 * (hi - lo) : 1;
  for (std::size_t k = 0; k < plots.size(); ++k) {
    plots[k].x = {in.property + " (" + in.unit + ")", lo - margin, hi + margin};
    if (k > 0) plots[k].y.label.clear();
    draw_line_plot(d, {left + static_cast<double>(k) * (width + gap), 26, width, height}, plots[k]);
  }
  figures.push_back({"profiles.png", "Vertical profiles", "Values along four vertical lines of the section.", d});
}

void add_misfit(const ReportInput& in, std::vector<Figure>& figures) {
  if (in.progress.size() < 2) return;
  Series phi{"misfit", {}, {}, recovered_paint, 1.8, 0}, error{"", {}, {}, error_paint, 1.8, 0};
  std::vector<double> stages;
  double lo = std::numeric_limits<double>::infinity(), hi = 0, error_lo = lo, error_hi = 0;
  for (std::size_t i = 0; i < in.progress.size(); ++i) {
    const ProgressPoint& p = in.progress[i];
    if (i > 0 && p.stage != in.progress[i - 1].stage) stages.push_back(static_cast<double>(p.iteration) - 0.5);
    phi.x.push_back(static_cast<double>(p.iteration));
    phi.y.push_back(p.phi);
    if (std::isfinite(p.phi) && p.phi > 0) {
      lo = std::min(lo, p.phi);
      hi = std::max(hi, p.phi);
    }
    if (std::isfinite(p.model_error)) {
      error.x.push_back(static_cast<double>(p.iteration));
      error.y.push_back(p.model_error);
      error_lo = std::min(error_lo, p.model_error);
      error_hi = std::max(error_hi, p.model_error);
    }
  }
  if (!(hi > 0)) return;
  const bool two = error.x.size() > 1;
  const double left = 66, gap = 84, height = 250;
  const double width = two ? (page_width - left - 20 - gap) / 2 : 760;
  Drawing d(two ? page_width : left + width + 20, height + 76);
  const Axis iterations{"Iteration", phi.x.front(), std::max(phi.x.back(), phi.x.front() + 1)};
  LinePlot plot;
  plot.title = "Data misfit";
  plot.x = iterations;
  plot.y = {"Misfit φ", lo / 1.3, hi * 1.3, true};
  plot.series = {phi};
  plot.vertical_lines = stages;
  plot.legend = false;
  draw_line_plot(d, {left, 26, width, height}, plot);
  if (two) {
    const double margin = std::max(0.08 * (error_hi - error_lo), 1e-6 * std::max(error_hi, 1e-30));
    plot.title = "Model error (the true model is given)";
    plot.y = {"RMSE (" + (in.error_unit.empty() ? in.unit : in.error_unit) + ")", std::max(0.0, error_lo - margin),
              error_hi + margin};
    plot.series = {error};
    draw_line_plot(d, {left + width + gap, 26, width, height}, plot);
  }
  figures.push_back({"misfit.png", "Convergence",
                     stages.empty()
                         ? "Misfit of each iteration on a logarithmic axis."
                         : "Misfit of each iteration on a logarithmic axis; dotted lines: a new stage begins, "
                           "so the misfit is of other data there.",
                     d});
}

// (receiver, time) to (time, receiver) for drawing.
std::vector<float> transpose(const Map& m) {
  const Index nr = m.shape[0], nt = m.shape[1];
  std::vector<float> out(m.values.size());
  for (Index r = 0; r < nr; ++r) {
    for (Index t = 0; t < nt; ++t)
      out[static_cast<std::size_t>(t * nr + r)] = m.values[static_cast<std::size_t>(r * nt + t)];
  }
  return out;
}

double rms(const std::vector<float>& v) {
  double sum = 0;
  for (const float x : v) sum += static_cast<double>(x) * static_cast<double>(x);
  return std::sqrt(sum / static_cast<double>(std::max<std::size_t>(v.size(), 1)));
}

void add_gathers(const ReportInput& in, std::vector<Figure>& figures) {
  if (in.gathers.empty()) return;
  const double left = 58, gap = 40, bar_room = 84, height = 250, row = height + 72;
  const double width = (page_width - left - bar_room - 2 * gap) / 3;
  Drawing d(page_width, static_cast<double>(in.gathers.size()) * row + 4);
  for (std::size_t k = 0; k < in.gathers.size(); ++k) {
    const ShotGather& g = in.gathers[k];
    const bool both = has(g.observed) && has(g.predicted);
    const Map& first = has(g.observed) ? g.observed : g.predicted;
    double clip = quantile(first.values, 0.985, true);
    if (!(clip > 0)) clip = std::max(quantile(first.values, 1, true), 1e-30);
    std::vector<std::pair<std::string, Map>> maps;
    std::string where = "Shot " + std::to_string(g.shot + 1);
    if (std::isfinite(g.source_x_m)) where += ", x = " + tick_text(g.source_x_m, 1) + " m";
    if (std::isfinite(g.source_y_m)) where += ", y = " + tick_text(g.source_y_m, 1) + " m";
    if (has(g.observed)) maps.emplace_back(where + ": observed", g.observed);
    if (has(g.predicted)) maps.emplace_back(both ? "Predicted" : where + ": predicted", g.predicted);
    if (both) {
      Map residual = difference(g.observed, g.predicted);
      char text[64];
      std::snprintf(text, sizeof text, "Residual (%.1f %% of observed RMS)",
                    100 * rms(residual.values) / std::max(rms(g.observed.values), 1e-300));
      maps.emplace_back(text, std::move(residual));
    }
    for (std::size_t i = 0; i < maps.size(); ++i) {
      const Map& m = maps[i].second;
      std::vector<float> image = transpose(m);
      for (float& v : image) v = static_cast<float>(static_cast<double>(v) / clip);
      ImagePanel p;
      p.title = maps[i].first;
      p.rows = m.shape[1];
      p.columns = m.shape[0];
      p.values = image.data();
      p.x = {"Receiver", 0.5, static_cast<double>(p.columns) + 0.5};
      if (std::isfinite(g.receivers_y_m)) p.x.label += " of the line y = " + tick_text(g.receivers_y_m, 1) + " m, by x";
      p.y = in.dt_s > 0 ? Axis{"Time (s)", 0, in.dt_s * static_cast<double>(p.rows)}
                        : Axis{"Sample", 0, static_cast<double>(p.rows)};
      if (i > 0) p.y.label.clear();
      p.map = Colormap::diverging;
      p.lo = -1;
      p.hi = 1;
      p.smooth = true;
      draw_image_panel(
          d, {left + static_cast<double>(i) * (width + gap), 26 + static_cast<double>(k) * row, width, height}, p);
    }
    draw_color_bar(d, {left + 3 * width + 2 * gap + 14, 26 + static_cast<double>(k) * row, 13, height},
                   Colormap::diverging, -1, 1, "amplitude / clip");
  }
  figures.push_back({"gathers.png", "Shot gathers",
                     "Observed, predicted and residual of a shot share one clip: the 98.5th percentile of its observed "
                     "amplitudes.",
                     d});
}

void add_chargeability(const ReportInput& in, const ModelPage& page, std::vector<Figure>& figures) {
  if (!has(in.chargeability)) return;
  const double top = quantile(in.chargeability.values, 0.999, false);
  const auto ip = in.result.is_object() ? in.result.find("ip") : in.result.end();
  std::string unit;
  if (in.result.is_object() && ip != in.result.end() && ip->is_object() && ip->contains("unit") &&
      ip->at("unit").is_string())
    unit = ip->at("unit").get<std::string>();
  ImagePanel panel = page.panel("Chargeability", in.chargeability, Colormap::magma, 0, top > 0 ? top : 1);
  const std::vector<float> opacity = has(in.coverage) ? opacity_of(in.coverage) : std::vector<float>();
  if (!opacity.empty()) panel.opacity = opacity.data();
  figures.push_back({"chargeability.png", "Induced polarisation",
                     "Chargeability at the recovered conductivity; it fades where the data hardly see it.",
                     panel_grid(page, {panel}, "Chargeability" + (unit.empty() ? "" : " (" + unit + ")"))});
}

void add_gradient(const ReportInput& in, const ModelPage& page, std::vector<Figure>& figures) {
  if (!has(in.gradient_first)) return;
  const double limit = quantile(in.gradient_first.values, 0.99, true);
  if (!(limit > 0)) return;
  Map scaled = in.gradient_first;
  for (float& v : scaled.values) v = static_cast<float>(static_cast<double>(v) / limit);
  figures.push_back({"gradient.png", "First gradient",
                     "Derivative of the misfit by " + in.property +
                         " at the first iteration, divided by its 99th percentile: where it is blue, a larger value "
                         "lowers the misfit.",
                     panel_grid(page, {page.panel("First gradient", scaled, Colormap::diverging, -1, 1)},
                                "∂φ/∂" + in.property + " (scaled)")});
}

}  // namespace

std::vector<Figure> make_figures(const ReportInput& input) {
  std::vector<Figure> figures;
  const Map* shape = has(input.model) ? &input.model : has(input.true_model) ? &input.true_model : &input.start_model;
  if (has(*shape)) {
    const ModelPage page(input, *shape);
    if (input.three_dimensional()) {
      add_volume_models(input, figures);
    } else {
      add_models(input, page, figures);
    }
    const std::size_t maps = figures.size();
    add_differences(input, page, figures);
    add_profiles(input, page, figures);
    add_misfit(input, figures);
    add_gathers(input, figures);
    add_travel_figures(input, figures);
    add_resistivity_figures(input, figures);
    add_coverage(input, page, figures);
    add_chargeability(input, page, figures);
    add_gradient(input, page, figures);
    for (std::size_t k = maps; input.three_dimensional() && k < figures.size(); ++k) {
      constexpr const char* of_section[] = {"differences.png", "profiles.png", "gradient.png", "coverage.png",
                                            "chargeability.png"};
      if (std::find(std::begin(of_section), std::end(of_section), figures[k].file) == std::end(of_section)) continue;
      figures[k].caption += " Section y = " + tick_text(input.section_y_m, 1) + " m.";
    }
  } else {
    add_misfit(input, figures);
    add_gathers(input, figures);
    add_travel_figures(input, figures);
    add_resistivity_figures(input, figures);
  }
  return figures;
}

}  // namespace terrane
