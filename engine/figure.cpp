// SPDX-License-Identifier: MIT
#include "engine/figure.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

namespace terrane {
namespace {

constexpr double tick_size = 4, label_size = 11.5, title_size = 12.5, number_size = 10.5;

double position(const Axis& axis, double value) {
  if (axis.log) {
    if (value <= 0) return std::numeric_limits<double>::quiet_NaN();
    return (std::log10(value) - std::log10(axis.lo)) / (std::log10(axis.hi) - std::log10(axis.lo));
  }
  return (value - axis.lo) / (axis.hi - axis.lo);
}

double x_at(const Axis& axis, const Rect& area, double value) { return area.x + area.width * position(axis, value); }
double y_at(const Axis& axis, const Rect& area, double value) {
  const double t = position(axis, value);
  return axis.reversed ? area.y + area.height * t : area.bottom() - area.height * t;
}

std::string axis_text(const Axis& axis, double value, double step) {
  if (!axis.log) return tick_text(value, step);
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.3g", value);
  return buffer;
}

void draw_axes(Drawing& d, const Rect& area, const Axis& x, const Axis& y, bool y_labels, bool grid) {
  const Paint ink = Paint::page_ink();
  const std::vector<double> xs = nice_ticks(x.lo, x.hi, std::clamp(static_cast<int>(area.width / 65), 2, 10), x.log);
  const std::vector<double> ys = nice_ticks(y.lo, y.hi, std::clamp(static_cast<int>(area.height / 38), 2, 8), y.log);
  const double x_step = xs.size() > 1 ? xs[1] - xs[0] : 1, y_step = ys.size() > 1 ? ys[1] - ys[0] : 1;
  for (const double v : xs) {
    const double at = x_at(x, area, v);
    if (grid) d.line({{at, area.y}, {at, area.bottom()}}, Paint::page_ink(0.12), 1);
    d.line({{at, area.bottom()}, {at, area.bottom() + tick_size}}, ink, 1);
    d.text({at, area.bottom() + tick_size + number_size}, axis_text(x, v, x_step), number_size, Anchor::middle);
  }
  std::size_t letters = 0;
  for (const double v : ys) {
    const double at = y_at(y, area, v);
    if (grid) d.line({{area.x, at}, {area.right(), at}}, Paint::page_ink(0.12), 1);
    d.line({{area.x - tick_size, at}, {area.x, at}}, ink, 1);
    if (y_labels) {
      const std::string text = axis_text(y, v, y_step);
      letters = std::max(letters, text.size());
      d.text({area.x - tick_size - 3, at + number_size * 0.36}, text, number_size, Anchor::end);
    }
  }
  d.frame(area, ink);
  if (!x.label.empty()) {
    d.text({area.x + area.width / 2, area.bottom() + tick_size + number_size + 15}, x.label, label_size,
           Anchor::middle);
  }
  if (y_labels && !y.label.empty()) {
    // Left of the longest number, whose letters are at most .6 of their size wide.
    const double left = std::max(40.0, tick_size + 3 + 0.6 * number_size * static_cast<double>(letters) + 7);
    d.text({area.x - left, area.y + area.height / 2}, y.label, label_size, Anchor::middle, true);
  }
}

void draw_legend(Drawing& d, const Rect& area, const std::vector<Series>& series) {
  double y = area.y + 14;
  for (const Series& s : series) {
    if (s.name.empty()) continue;
    const double right = area.right() - 10;
    d.line({{right - 24, y - 4}, {right, y - 4}}, s.paint, s.stroke_width, s.dash);
    d.text({right - 30, y}, s.name, number_size, Anchor::end);
    y += 15;
  }
}

// Keeps a polyline inside the area vertically and at most a few points a pixel.
std::vector<Point> curve(const Series& s, const Axis& x, const Axis& y, const Rect& area) {
  std::vector<Point> points;
  const std::size_t n = std::min(s.x.size(), s.y.size());
  const std::size_t step = std::max<std::size_t>(1, n / 3000);
  for (std::size_t i = 0; i < n; i += step) {
    Point p{x_at(x, area, s.x[i]), y_at(y, area, s.y[i])};
    if (std::isfinite(p.x)) p.x = std::clamp(p.x, area.x, area.right());
    if (std::isfinite(p.y)) p.y = std::clamp(p.y, area.y, area.bottom());
    points.push_back(p);
  }
  return points;
}

}  // namespace

Paint predicted_paint() { return Paint::of({211, 73, 40}); }

std::vector<double> nice_ticks(double lo, double hi, int count, bool log) {
  std::vector<double> ticks;
  if (!(hi > lo) || !std::isfinite(lo) || !std::isfinite(hi) || (log && lo <= 0)) return ticks;
  if (log) {
    const int first = static_cast<int>(std::floor(std::log10(lo) + 1e-9));
    const int last = static_cast<int>(std::ceil(std::log10(hi) - 1e-9));
    const int every = std::max(1, (last - first) / std::max(count, 1));
    for (int e = first; e <= last; e += every) {
      for (const double m : {1.0, 2.0, 5.0}) {
        const double v = m * std::pow(10.0, e);
        if (m > 1 && last - first > 3) continue;
        if (v >= lo * (1 - 1e-9) && v <= hi * (1 + 1e-9)) ticks.push_back(v);
      }
    }
    return ticks;
  }
  const double raw = (hi - lo) / std::max(count, 1), power = std::pow(10.0, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (const double m : {5.0, 2.5, 2.0, 1.0}) {
    if (m * power >= raw * 0.999) step = m * power;
  }
  const double begin = std::ceil(lo / step - 1e-6);
  for (int i = 0; (begin + i) * step <= hi + 1e-6 * step; ++i) ticks.push_back((begin + i) * step);
  return ticks;
}

std::string tick_text(double value, double step) {
  char buffer[32];
  const double size = std::max(std::fabs(value), std::fabs(step));
  if (std::fabs(value) < 1e-9 * std::fabs(step)) return "0";
  if (size >= 1e6 || std::fabs(step) < 1e-4) {
    std::snprintf(buffer, sizeof buffer, "%.3g", value);
    return buffer;
  }
  int decimals = 0;
  for (double s = std::fabs(step); decimals < 6 && std::fabs(s - std::round(s)) > 1e-6 * s; s *= 10) ++decimals;
  std::snprintf(buffer, sizeof buffer, "%.*f", decimals, value);
  return buffer;
}

Image colorize(const float* values, Index rows, Index columns, Colormap map, double lo, double hi, Index max_rows,
               Index max_columns) {
  const Index fr = (rows + max_rows - 1) / max_rows, fc = (columns + max_columns - 1) / max_columns;
  Image image((rows + fr - 1) / fr, (columns + fc - 1) / fc);
  const double range = hi > lo ? hi - lo : 1;
  for (Index r = 0; r < image.height; ++r) {
    for (Index c = 0; c < image.width; ++c) {
      double sum = 0;
      Index n = 0;
      for (Index i = r * fr; i < std::min(rows, (r + 1) * fr); ++i) {
        for (Index j = c * fc; j < std::min(columns, (c + 1) * fc); ++j, ++n) {
          sum += static_cast<double>(values[i * columns + j]);
        }
      }
      const double value = sum / static_cast<double>(n);
      const Color color = std::isfinite(value) ? map_color(map, (value - lo) / range) : Color{206, 209, 213};
      std::uint8_t* p = image.at(r, c);
      p[0] = color.r;
      p[1] = color.g;
      p[2] = color.b;
    }
  }
  return image;
}

namespace {

// Straight pieces of the line at `level` inside each square of four cell centres (marching squares).
void draw_contour(Drawing& d, const Rect& area, const ImagePanel& p, double level) {
  const auto at = [&](Index r, Index c) { return static_cast<double>(p.values[r * p.columns + c]); };
  const double w = area.width / static_cast<double>(p.columns), h = area.height / static_cast<double>(p.rows);
  for (Index r = 0; r + 1 < p.rows; ++r) {
    for (Index c = 0; c + 1 < p.columns; ++c) {
      const double v[4] = {at(r, c), at(r, c + 1), at(r + 1, c + 1), at(r + 1, c)};
      const double x[4] = {0, 1, 1, 0}, y[4] = {0, 0, 1, 1};
      std::vector<Point> cuts;
      for (int k = 0; k < 4; ++k) {
        const int n = (k + 1) % 4;
        if (!std::isfinite(v[k]) || !std::isfinite(v[n]) || (v[k] < level) == (v[n] < level)) continue;
        const double t = (level - v[k]) / (v[n] - v[k]);
        cuts.push_back({area.x + (static_cast<double>(c) + 0.5 + x[k] + t * (x[n] - x[k])) * w,
                        area.y + (static_cast<double>(r) + 0.5 + y[k] + t * (y[n] - y[k])) * h});
      }
      for (std::size_t k = 0; k + 1 < cuts.size(); k += 2) {
        d.line({cuts[k], cuts[k + 1]}, Paint::of({255, 255, 255}, 0.8), 0.9);
      }
    }
  }
}

}  // namespace

namespace {

// Colours towards gray by the opacity of the cell.
void fade(Image& image, const float* opacity, Index rows, Index columns) {
  constexpr double gray[3] = {206, 209, 213};
  for (Index r = 0; r < image.height; ++r) {
    for (Index c = 0; c < image.width; ++c) {
      const double a = static_cast<double>(opacity[r * rows / image.height * columns + c * columns / image.width]);
      std::uint8_t* p = image.at(r, c);
      for (int k = 0; k < 3; ++k) p[k] = static_cast<std::uint8_t>(a * p[k] + (1 - a) * gray[k] + 0.5);
    }
  }
}

}  // namespace

void draw_image_panel(Drawing& d, const Rect& area, const ImagePanel& panel) {
  const double pixels = 2;  // of the image for one unit of the drawing
  Image image = colorize(panel.values, panel.rows, panel.columns, panel.map, panel.lo, panel.hi,
                         static_cast<Index>(area.height * pixels), static_cast<Index>(area.width * pixels));
  if (panel.opacity != nullptr) fade(image, panel.opacity, panel.rows, panel.columns);
  d.image(area, std::move(image), panel.smooth);
  for (const auto& path : panel.paths) {
    std::vector<Point> points;
    for (const Point& p : path)
      points.push_back(
          {x_at(panel.x, area, p.x), area.y + area.height * (p.y - panel.y.lo) / (panel.y.hi - panel.y.lo)});
    // White on the middle of a diverging map would not be seen.
    d.line(points, panel.map == Colormap::diverging ? Paint::of({60, 60, 60}, 0.45) : Paint::of({255, 255, 255}, 0.75),
           0.7);
  }
  for (const double level : panel.contours) draw_contour(d, area, panel, level);
  Axis y = panel.y;
  y.reversed = true;
  draw_axes(d, area, panel.x, y, panel.y_labels, false);
  d.text({area.x, area.y - 6}, panel.title, title_size, Anchor::start, false, true);
  for (const Point& m : panel.marks) {
    const double x = x_at(panel.x, area, m.x), top = std::max(y_at(y, area, m.y), area.y + 1);
    if (x < area.x - 1 || x > area.right() + 1) continue;
    const Paint red = Paint::of({214, 51, 32});
    d.line({{x - 3.5, top}, {x + 3.5, top}, {x, top + 6}, {x - 3.5, top}}, red, 1.4);
  }
}

void draw_color_bar(Drawing& d, const Rect& bar, Colormap map, double lo, double hi, const std::string& label) {
  std::vector<float> ramp(256);
  for (std::size_t i = 0; i < ramp.size(); ++i) ramp[i] = static_cast<float>(1 - static_cast<double>(i) / 255);
  d.image(bar, colorize(ramp.data(), 256, 1, map, 0, 1), true);
  d.frame(bar, Paint::page_ink(), 0.8);
  const std::vector<double> ticks = nice_ticks(lo, hi, std::clamp(static_cast<int>(bar.height / 32), 2, 8));
  const double step = ticks.size() > 1 ? ticks[1] - ticks[0] : 1;
  std::size_t longest = 0;
  for (const double v : ticks) {
    const double y = bar.bottom() - bar.height * (v - lo) / (hi - lo);
    d.line({{bar.right(), y}, {bar.right() + tick_size, y}}, Paint::page_ink(), 1);
    const std::string text = tick_text(v, step);
    longest = std::max(longest, text.size());
    d.text({bar.right() + tick_size + 3, y + number_size * 0.36}, text, number_size);
  }
  d.text({bar.right() + tick_size + 16 + 6.2 * static_cast<double>(longest), bar.y + bar.height / 2}, label, label_size,
         Anchor::middle, true);
}

void draw_line_plot(Drawing& d, const Rect& area, const LinePlot& plot) {
  draw_axes(d, area, plot.x, plot.y, plot.y_labels, true);
  for (const double v : plot.vertical_lines) {
    const double x = x_at(plot.x, area, v);
    if (x > area.x && x < area.right()) d.line({{x, area.y}, {x, area.bottom()}}, Paint::page_ink(0.55), 1, 3);
  }
  for (const Series& s : plot.series) {
    d.line(curve(s, plot.x, plot.y, area), s.paint, s.stroke_width, s.dash);
  }
  d.text({area.x, area.y - 6}, plot.title, title_size, Anchor::start, false, true);
  if (plot.legend) draw_legend(d, area, plot.series);
}

}  // namespace terrane
