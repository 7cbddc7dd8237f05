// SPDX-License-Identifier: MIT
// A list of lines, rectangles, texts and images that is written as SVG (for the page) or as pixels (for PNG files), so
// that one layout serves both. Units are CSS pixels, x to the right, y down.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "engine/colormap.hpp"
#include "engine/io/png.hpp"

namespace terrane {

struct Point {
  double x = 0, y = 0;
};
struct Rect {
  double x = 0, y = 0, width = 0, height = 0;
  double right() const { return x + width; }
  double bottom() const { return y + height; }
};

// `ink`: the text colour of the page (follows its dark or light theme in SVG, near black in pixels).
struct Paint {
  Color color{};
  bool ink = true;
  double opacity = 1;
  static Paint of(Color c, double opacity = 1) { return {c, false, opacity}; }
  static Paint page_ink(double opacity = 1) { return {{}, true, opacity}; }
};

enum class Anchor { start, middle, end };

class Drawing {
 public:
  Drawing(double width, double height) : width_(width), height_(height) {}
  double width() const { return width_; }
  double height() const { return height_; }

  // A polyline; `dash` is the length of dashes and gaps, 0: solid. Points that are not finite break it.
  void line(std::vector<Point> points, Paint paint, double stroke_width = 1.2, double dash = 0);
  void frame(const Rect& r, Paint paint, double stroke_width = 1);
  void fill(const Rect& r, Paint paint);
  // (x, y) is on the baseline; `vertical` reads upwards.
  void text(Point at, std::string_view utf8, double size, Anchor anchor = Anchor::start, bool vertical = false,
            bool bold = false, Paint paint = Paint::page_ink());
  // `smooth`: bilinear when enlarged, else cells keep their edges.
  void image(const Rect& r, Image pixels, bool smooth);

  // <svg ...>...</svg> with `title` for screen readers.
  std::string svg(std::string_view title) const;
  // White background, `scale` pixels a unit.
  Image raster(double scale) const;

 private:
  struct Line {
    std::vector<Point> points;
    Paint paint;
    double stroke_width, dash;
  };
  struct Fill {
    Rect rect;
    Paint paint;
  };
  struct Text {
    Point at;
    std::string text;
    double size;
    Anchor anchor;
    bool vertical, bold;
    Paint paint;
  };
  struct Picture {
    Rect rect;
    Image pixels;
    bool smooth;
  };
  double width_, height_;
  std::vector<std::variant<Line, Fill, Text, Picture>> items_;
};

}  // namespace terrane
