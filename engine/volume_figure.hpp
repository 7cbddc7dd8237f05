// SPDX-License-Identifier: MIT
// Three slices of a volume (nz, ny, nx) through one node, side by side: the planes x-z, y-z and x-y, with lines where
// they cross.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "engine/figure.hpp"
#include "physics/grid3.hpp"

namespace terrane {

class VolumeView {
 public:
  static constexpr double gap = 66;  // between two slices: room for the labels of the next
  // `through`: indices z, y, x of the node. Drawn within the given width and height, depth stretched where the volume
  // is flat.
  VolumeView(const Grid3& grid, const std::array<Index, 3>& through, double width, double height);

  double width() const { return 2 * drawn(2) + drawn(1) + 2 * gap; }
  double height() const;
  // Drawn depth over depth at the scale of x and y.
  double stretch() const { return stretch_; }
  // A place on a figure of this scale; axes 0 z, 1 y, 2 x.
  double scaled(double metres) const { return metres * factor_; }
  // "depth = 120 m": where the slice that has no such axis lies.
  std::string place(int axis) const;
  // `look` gives colours and range; its marks are drawn on the slice x-y, seen from above.
  void draw(Drawing& d, double left, double top, const std::string& title, const std::vector<float>& values,
            const ImagePanel& look) const;

 private:
  double length(int axis) const { return hi_[at(axis)] - lo_[at(axis)]; }
  double drawn(int axis) const { return length(axis) * unit_ * (axis == 0 ? stretch_ : 1); }
  std::vector<float> slice(const std::vector<float>& values, int down, int right) const;
  static std::size_t at(int axis) { return static_cast<std::size_t>(axis); }

  Grid3 grid_;
  std::array<Index, 3> through_;
  double factor_ = 1, unit_ = 1, stretch_ = 1;
  std::array<double, 3> lo_{}, hi_{}, at_{};  // in drawn lengths
  std::string name_;                          // of that unit
};

}  // namespace terrane
