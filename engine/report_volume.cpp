// SPDX-License-Identifier: MIT
// Figures of models in three dimensions: three slices of each model that cross in the middle.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <utility>

#include "engine/report.hpp"
#include "engine/volume_figure.hpp"

namespace terrane {
namespace {

using Volume = NdArray<float>;

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
  const std::vector<Index>& shape = models[0].second->shape;
  const Grid3 grid{shape[0], shape[1], shape[2], in.dz_m, in.dy_m, in.dx_m, in.z0_m, in.y0_m, in.x0_m};
  const double left = 62, bar_room = 92, top = 26;
  const VolumeView view(grid, {shape[0] / 2, shape[1] / 2, shape[2] / 2}, page_width - left - bar_room, 330);
  const double row = view.height() + 74;
  Drawing d(left + view.width() + VolumeView::gap + bar_room, static_cast<double>(models.size()) * row + 6);
  ImagePanel look;
  look.lo = lo;
  look.hi = hi;
  if (in.source_points.size() <= 200) {
    for (const Point3& s : in.source_points) look.marks.push_back({view.scaled(s.x_m), view.scaled(s.y_m)});
  }
  const bool marked = !look.marks.empty();
  for (std::size_t k = 0; k < models.size(); ++k) {
    view.draw(d, left, top + static_cast<double>(k) * row, models[k].first, models[k].second->values, look);
    look.marks.clear();
  }
  const double bar_height = std::min(static_cast<double>(models.size()) * row - 74, 320.0);
  draw_color_bar(d, {d.width() - bar_room + 14, top, 13, bar_height}, Colormap::viridis, lo, hi,
                 in.property + " (" + in.unit + ")");
  char scale[64];
  std::snprintf(scale, sizeof scale, " Depth is drawn %.1f times the other lengths.", view.stretch());
  figures.push_back({"models.png", "Models",
                     "Three slices of each model on one colour scale; white lines show where the slices cross." +
                         std::string(view.stretch() > 1.02 ? scale : " All axes are to scale.") +
                         (!marked            ? ""
                          : in.resistivity() ? " Red triangles: electrodes, seen from above."
                                             : " Red triangles: sources, seen from above."),
                     d});
}

}  // namespace terrane
