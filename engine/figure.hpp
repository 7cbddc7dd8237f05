// SPDX-License-Identifier: MIT
// Panels with axes: an image over physical coordinates with a colour bar, and a plot of curves. The caller gives the
// rectangle of the data area; ticks and labels are drawn outside it (room: 52 left, 18 above, 34 below).
#pragma once

#include <limits>
#include <string>
#include <vector>

#include "engine/drawing.hpp"

namespace terrane {

inline constexpr double page_width = 1120;                                   // of a figure in a report
inline constexpr double unknown = std::numeric_limits<double>::quiet_NaN();  // left out of plots

// Distances from 2 km on are drawn in km, below 1 m in mm: drawn = factor times metres.
struct LengthScale {
  double factor = 1;
  const char* unit = "m";
};
constexpr LengthScale length_scale(double longest_m) {
  if (longest_m >= 2000) return {1e-3, "km"};
  if (longest_m < 1) return {1e3, "mm"};
  return {};
}

// Colour of what the model predicts.
Paint predicted_paint();

struct Axis {
  std::string label;  // with unit: "Distance (km)"
  double lo = 0, hi = 1;
  bool log = false;
  bool reversed = false;  // vertical axes: lo at the top, as depth is drawn
};

struct ImagePanel {
  std::string title;
  Index rows = 0, columns = 0;
  const float* values = nullptr;   // (rows, columns); NaN is drawn gray
  const float* opacity = nullptr;  // (rows, columns) in [0, 1]: below 1 the colour fades to gray; null: 1
  Axis x, y;                       // y grows downwards
  Colormap map = Colormap::viridis;
  double lo = 0, hi = 1;  // colour range
  bool smooth = false;
  bool y_labels = true;
  std::vector<Point> marks;               // small triangles at positions in axis units, for sources
  std::vector<std::vector<Point>> paths;  // lines in axis units
  std::vector<double> contours;           // values whose lines are drawn
};

// What times up to this many seconds are shown in: s, ms or µs.
struct TimeUnit {
  double factor;  // of seconds
  const char* name;
};
inline TimeUnit time_unit(double largest_s) {
  if (largest_s >= 5) return {1, "s"};
  if (largest_s >= 2e-4) return {1e3, "ms"};
  return {1e6, "µs"};
}

struct Series {
  std::string name;
  std::vector<double> x, y;
  Paint paint = Paint::page_ink();
  double stroke_width = 1.6;
  double dash = 0;
};

struct LinePlot {
  std::string title;
  Axis x, y;
  std::vector<Series> series;
  std::vector<double> vertical_lines;  // dotted, in x units
  bool legend = true;
  bool y_labels = true;
};

void draw_image_panel(Drawing& d, const Rect& area, const ImagePanel& panel);
void draw_line_plot(Drawing& d, const Rect& area, const LinePlot& plot);
// A vertical bar with ticks on its right; `label` (quantity and unit) reads upwards.
void draw_color_bar(Drawing& d, const Rect& bar, Colormap map, double lo, double hi, const std::string& label);

// Round numbers (1, 2, 2.5, 5 times a power of ten) inside [lo, hi], about `count` of them; powers of ten (with 2 and 5
// where there are few) when `log`.
std::vector<double> nice_ticks(double lo, double hi, int count, bool log = false);
// Shortest text that tells ticks of this spacing apart: "2.5", "1000", "1e-05".
std::string tick_text(double value, double step);

// Colours of values (rows, columns) over [lo, hi]. More than `max_rows` rows or `max_columns` columns are averaged.
Image colorize(const float* values, Index rows, Index columns, Colormap map, double lo, double hi,
               Index max_rows = 1200, Index max_columns = 1600);

}  // namespace terrane
