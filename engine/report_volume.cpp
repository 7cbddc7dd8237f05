// SPDX-License-Identifier: MIT
// Figures of models in three dimensions: three slices of each model that cross in the middle.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <utility>

#include "engine/figure.hpp"
#include "engine/report.hpp"

namespace terrane {
namespace {

using Volume = NdArray<float>;

// Values of a plane, axes 0 z, 1 y, 2 x: rows of `down`, columns of `right`, node `at` of the third.
std::vector<float> slice(const Volume& v, int down, int right, Index at) {
  const Index step[3] = {v.shape[1] * v.shape[2], v.shape[2], 1};
  const int third = 3 - down - right;
  std::vector<float> out;
  for (Index r = 0; r < v.shape[static_cast<std::size_t>(down)]; ++r) {
    for (Index c = 0; c < v.shape[static_cast<std::size_t>(right)]; ++c) {
      out.push_back(v.values[static_cast<std::size_t>(r * step[down] + c * step[right] + at * step[third])]);
    }
  }
  return out;
}

class VolumePage {
 public:
  VolumePage(const ReportInput& in, const std::vector<Index>& shape) : in_(in) {
    const double spacing[3] = {in.dz_m, in.dy_m, in.dx_m}, begin[3] = {in.z0_m, in.y0_m, in.x0_m};
    double longest = 0;
    for (std::size_t a = 0; a < 3; ++a) longest = std::max(longest, spacing[a] * static_cast<double>(shape[a]));
    const LengthScale scale = length_scale(longest);
    factor_ = scale.factor;
    unit_ = scale.unit;
    for (std::size_t a = 0; a < 3; ++a) {
      middle_[a] = shape[a] / 2;
      at_[a] = (begin[a] + static_cast<double>(middle_[a]) * spacing[a]) * factor_;
      lo_[a] = (begin[a] - 0.5 * spacing[a]) * factor_;  // nodes are cell centres of the picture
      hi_[a] = lo_[a] + spacing[a] * static_cast<double>(shape[a]) * factor_;
    }
    const double widest = std::max(length(1), length(2));
    stretch_ = std::clamp(0.3 * widest / length(0), 1.0, 10.0);
  }
  double length(int axis) const { return hi_[axis] - lo_[axis]; }
  // Drawn depth over depth at the scale of x and y.
  double stretch() const { return stretch_; }
  std::string place(int axis) const {
    const char* const names[] = {"depth", "y", "x"};
    char text[64];
    std::snprintf(text, sizeof text, "%s = %.4g %s", names[axis], at_[axis], unit_.c_str());
    return text;
  }
  Index middle(int axis) const { return middle_[axis]; }
  // `values` must live until the panel is drawn.
  ImagePanel panel(const std::vector<float>& values, int down, int right, const std::vector<Index>& shape) const {
    const char* const names[] = {"Depth", "y", "x"};
    const auto axis = [&](int a) { return Axis{std::string(names[a]) + " (" + unit_ + ")", lo_[a], hi_[a]}; };
    ImagePanel p;
    p.rows = shape[static_cast<std::size_t>(down)];
    p.columns = shape[static_cast<std::size_t>(right)];
    p.values = values.data();
    p.x = axis(right);
    p.y = axis(down);
    p.paths = {{{lo_[right], at_[down]}, {hi_[right], at_[down]}}, {{at_[right], lo_[down]}, {at_[right], hi_[down]}}};
    return p;
  }
  // Sources in the plane z = const.
  std::vector<Point> sources() const {
    std::vector<Point> marks;
    if (in_.source_points.size() > 200) return marks;
    for (const Point3& s : in_.source_points) marks.push_back({s.x_m * factor_, s.y_m * factor_});
    return marks;
  }

 private:
  const ReportInput& in_;
  double factor_ = 1, lo_[3], hi_[3], at_[3], stretch_ = 1;
  Index middle_[3];
  std::string unit_;
};

// Smallest and largest finite value.
std::pair<double, double> range_of(const Volume& v) {
  double lo = std::numeric_limits<double>::infinity(), hi = -lo;
  for (const float x : v.values) {
    if (!std::isfinite(x)) continue;
    lo = std::min(lo, static_cast<double>(x));
    hi = std::max(hi, static_cast<double>(x));
  }
  return {lo, hi};
}

}  // namespace

void add_volume_models(const ReportInput& in, std::vector<Figure>& figures) {
  std::vector<std::pair<std::string, const Volume*>> models;
  for (const auto& [name, v] :
       {std::pair{"True model", &in.true_volume}, {"Start model", &in.start_volume}, {"Recovered model", &in.volume}}) {
    if (!v->values.empty()) models.emplace_back(name, v);
  }
  if (models.empty()) return;
  // One scale for all: that of the true model, else of all.
  auto [lo, hi] = range_of(*models[0].second);
  for (const auto& [name, v] : models) {
    if (!in.true_volume.values.empty()) break;
    const auto [least, most] = range_of(*v);
    lo = std::min(lo, least);
    hi = std::max(hi, most);
  }
  if (!(hi > lo)) hi = lo + 1;
  const std::vector<Index> shape = models[0].second->shape;
  const VolumePage page(in, shape);
  const int planes[3][2] = {{0, 2}, {0, 1}, {1, 2}};  // rows, columns: (z, x), (z, y), (y, x)
  const double left = 62, gap = 66, bar_room = 92, top = 26;
  const double width = page_width - left - 2 * gap - bar_room;
  const double unit = std::min(width / (2 * page.length(2) + page.length(1)),
                               330 / std::max(page.length(0) * page.stretch(), page.length(1)));
  const auto drawn = [&](int axis) { return page.length(axis) * unit * (axis == 0 ? page.stretch() : 1); };
  const double row = std::max(drawn(0), drawn(1)) + 74;
  Drawing d(left + drawn(2) + gap + drawn(1) + gap + drawn(2) + bar_room, static_cast<double>(models.size()) * row + 6);
  std::vector<Point> sources = page.sources();
  for (std::size_t k = 0; k < models.size(); ++k) {
    double x = left;
    for (const auto& [down, right] : planes) {
      const int third = 3 - down - right;
      const std::vector<float> values = slice(*models[k].second, down, right, page.middle(third));
      ImagePanel p = page.panel(values, down, right, shape);
      p.title = (x == left ? models[k].first + ", " : std::string()) + page.place(third);
      p.lo = lo;
      p.hi = hi;
      if (k == 0 && third == 0) p.marks = sources;
      draw_image_panel(d, {x, top + static_cast<double>(k) * row, drawn(right), drawn(down)}, p);
      x += drawn(right) + gap;
    }
  }
  const double bar_height = std::min(static_cast<double>(models.size()) * row - 74, 320.0);
  draw_color_bar(d, {d.width() - bar_room + 14, top, 13, bar_height}, Colormap::viridis, lo, hi,
                 in.property + " (" + in.unit + ")");
  char scale[64];
  std::snprintf(scale, sizeof scale, " Depth is drawn %.1f times the other lengths.", page.stretch());
  figures.push_back({"models.png", "Models",
                     "Three slices of each model on one colour scale; white lines show where the slices cross." +
                         std::string(page.stretch() > 1.02 ? scale : " All axes are to scale.") +
                         (sources.empty()    ? ""
                          : in.resistivity() ? " Red triangles: electrodes, seen from above."
                                             : " Red triangles: sources, seen from above."),
                     d});
}

}  // namespace terrane
