// SPDX-License-Identifier: MIT
// A small stroke font (printable ASCII, Greek letters and signs of labels) for figures written as pixels. Glyph
// coordinates: a cell 4 wide and 8 high, x to the right, y down; capitals stand on y = 6 and reach y = 0, descenders go
// to y = 8.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

namespace terrane {

inline constexpr double font_cap_height = 6;
inline constexpr double font_space = 1.6;  // between neighbouring glyphs

using Stroke = std::vector<std::pair<double, double>>;  // (x, y)

struct Glyph {
  double width = 4;
  std::vector<Stroke> strokes;
};

// One a character; unknown ones give a box.
std::vector<Glyph> glyphs_of(std::string_view utf8);
// Of a line of glyphs in font units (scale by size / font_cap_height).
double text_width(const std::vector<Glyph>& line);

}  // namespace terrane
