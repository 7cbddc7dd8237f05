// SPDX-License-Identifier: MIT
// A small stroke font (printable ASCII) for figures written as pixels. Glyph coordinates: a cell 4 wide and 8 high,
// x to the right, y down; capitals stand on y = 6 and reach y = 0, descenders go to y = 8.
#pragma once

#include <string>
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

// Unknown characters give a small box.
Glyph glyph_of(char c);
// Width of `text` in font units (scale by size / font_cap_height).
double text_width(std::string_view text);

// Replaces the few non-ASCII characters that labels use (superscripts, minus, multiplication sign, Greek) by ASCII.
std::string ascii_label(std::string_view utf8);

}  // namespace terrane
