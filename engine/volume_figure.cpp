// SPDX-License-Identifier: MIT
#include "engine/volume_figure.hpp"

#include <algorithm>
#include <cstdio>

namespace terrane {

VolumeView::VolumeView(const Grid3& grid, const std::array<Index, 3>& through, double width, double height)
    : grid_(grid), through_(through) {
  double longest = 0;
  for (int a = 0; a < 3; ++a) longest = std::max(longest, grid.spacing_m(a) * static_cast<double>(grid.size(a)));
  const LengthScale scale = length_scale(longest);
  factor_ = scale.factor;
  name_ = scale.unit;
  for (int a = 0; a < 3; ++a) {
    at_[at(a)] = grid.at_m(a, through[at(a)]) * factor_;
    lo_[at(a)] = (grid.begin_m(a) - 0.5 * grid.spacing_m(a)) * factor_;  // nodes are cell centres of the picture
    hi_[at(a)] = lo_[at(a)] + grid.spacing_m(a) * static_cast<double>(grid.size(a)) * factor_;
  }
  stretch_ = std::clamp(0.3 * std::max(length(1), length(2)) / length(0), 1.0, 10.0);
  unit_ = std::min((width - 2 * gap) / (2 * length(2) + length(1)), height / std::max(length(0) * stretch_, length(1)));
}

double VolumeView::height() const { return std::max(drawn(0), drawn(1)); }

std::string VolumeView::place(int axis) const {
  const char* const names[] = {"depth", "y", "x"};
  char text[64];
  std::snprintf(text, sizeof text, "%s = %.4g %s", names[axis], at_[at(axis)], name_.c_str());
  return text;
}

std::vector<float> VolumeView::slice(const std::vector<float>& values, int down, int right) const {
  const Index step[3] = {grid_.plane(), grid_.nx, 1};
  const int third = 3 - down - right;
  std::vector<float> out;
  for (Index r = 0; r < grid_.size(down); ++r) {
    for (Index c = 0; c < grid_.size(right); ++c) {
      out.push_back(
          values[static_cast<std::size_t>(r * step[down] + c * step[right] + through_[at(third)] * step[third])]);
    }
  }
  return out;
}

void VolumeView::draw(Drawing& d, double left, double top, const std::string& title, const std::vector<float>& values,
                      const ImagePanel& look) const {
  const int planes[3][2] = {{0, 2}, {0, 1}, {1, 2}};  // rows, columns: (z, x), (z, y), (y, x)
  const char* const names[] = {"Depth", "y", "x"};
  const auto axis = [&](int a) { return Axis{std::string(names[a]) + " (" + name_ + ")", lo_[at(a)], hi_[at(a)]}; };
  double x = left;
  for (const auto& [down, right] : planes) {
    const int third = 3 - down - right;
    const std::vector<float> cut = slice(values, down, right);
    ImagePanel p = look;
    p.title = (x == left && !title.empty() ? title + ", " : std::string()) + place(third);
    p.rows = grid_.size(down);
    p.columns = grid_.size(right);
    p.values = cut.data();
    p.x = axis(right);
    p.y = axis(down);
    p.paths = {{{lo_[at(right)], at_[at(down)]}, {hi_[at(right)], at_[at(down)]}},
               {{at_[at(right)], lo_[at(down)]}, {at_[at(right)], hi_[at(down)]}}};
    if (third != 0) p.marks.clear();
    draw_image_panel(d, {x, top, drawn(right), drawn(down)}, p);
    x += drawn(right) + gap;
  }
}

}  // namespace terrane
